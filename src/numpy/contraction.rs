//! Products that sum: dot, matmul, tensordot, einsum and their like. JAX: `numpy/tensor_contractions.py`, `einsum.py`.

use std::borrow::Borrow;
use std::collections::BTreeMap;

use crate::core::array::Array;
use crate::error::{OrThrow, Result, bail, err};
use crate::lax;
use crate::lax::elementwise::tuple;
use crate::numpy::axes::Axes;
use crate::numpy::util::{axis_index, canonical_axis, constant, promote_dtypes, result_type_of};
use crate::numpy::{diagonal, multiply, ravel, sum, where_};

/// `dot_general` with promotion; the result has the promoted type.
#[track_caller]
fn contract(x: &Array, y: &Array, over: (&[usize], &[usize]), batch: (&[usize], &[usize])) -> Array {
    let (dtype, weak_type) = result_type_of(&[x, y]);
    let [x, y] = promote_dtypes([x, y]);
    let out = lax::dot_general(&x, &y, (over, batch), None, None);
    lax::convert(&out, dtype, weak_type)
}

/// The product of matrices, of stacks of matrices (leading axes broadcast), or with vectors.
///
/// `f32[2,3] @ f32[3,4]` -> `f32[2,4]`; `f32[5,2,3] @ f32[3]` -> `f32[5,2]`.
///
/// # Errors
/// `matmul input operand 1 must have ndim at least 1, but it has ndim 0`;
/// `dot_general requires contracting dimensions to have the same shape, got (3,) and (2,)`.
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let x = Array::from([[1.0f32, 2.0], [3.0, 4.0]]);
/// let y = Array::from([1.0f32, 10.0]);
/// assert_eq!(jnp::matmul(&x, &y).to_vec::<f32>()?, [21.0, 43.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn matmul(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    let (x, y) = (x.into(), y.into());
    let check = || {
        for (i, operand) in [&x, &y].into_iter().enumerate() {
            if operand.ndim() == 0 {
                bail!(
                    Shape,
                    "matmul input operand {i} must have ndim at least 1, but it has ndim 0, got {} and {}",
                    x.aval(),
                    y.aval()
                );
            }
        }
        Ok(())
    };
    check().or_throw();
    let (rows, columns) = (x.ndim() > 1, y.ndim() > 1);
    let (x_batch, y_batch) = (x.ndim().saturating_sub(2), y.ndim().saturating_sub(2));
    if x_batch == 0 && y_batch == 0 {
        return contract(&x, &y, (&[x.ndim() - 1], &[0]), (&[], &[]));
    }
    // Leading axes: equal ones are batched; one of size one, or missing, leaves the other's free.
    let rank = x_batch.max(y_batch);
    let size = |a: &Array, n: usize, i: usize| (i + n >= rank).then(|| a.shape()[i + n - rank]);
    let sizes: Vec<(Option<usize>, Option<usize>)> =
        (0..rank).map(|i| (size(&x, x_batch, i), size(&y, y_batch, i))).collect();
    let drop_x: Vec<usize> = (0..rank)
        .filter(|i| matches!(sizes[*i], (Some(1), Some(n)) if n != 1))
        .map(|i| i + x_batch - rank)
        .collect();
    let drop_y: Vec<usize> = (0..rank)
        .filter(|i| matches!(sizes[*i], (Some(n), Some(1)) if n != 1))
        .map(|i| i + y_batch - rank)
        .collect();
    let (x, y) = (lax::squeeze_axes(&x, &drop_x), lax::squeeze_axes(&y, &drop_y));
    let (mut at_x, mut at_y) = (0, 0);
    let (mut batch_x, mut batch_y) = (Vec::new(), Vec::new());
    // For each leading axis of the result: is it batched, or free in x, or free in y?
    let mut kinds = Vec::new();
    for pair in sizes {
        let (in_x, in_y) = match pair {
            (Some(1), Some(n)) if n != 1 => (false, true),
            (Some(n), Some(1)) if n != 1 => (true, false),
            (m, n) => (m.is_some(), n.is_some()),
        };
        kinds.push((in_x, in_y));
        if in_x && in_y {
            batch_x.push(at_x);
            batch_y.push(at_y);
        }
        at_x += usize::from(in_x);
        at_y += usize::from(in_y);
    }
    let inner = if columns { y.ndim() - 2 } else { y.ndim() - 1 };
    let out = contract(&x, &y, (&[x.ndim() - 1], &[inner]), (&batch_x, &batch_y));
    // The product has the batched axes, then x's free ones and rows, then y's free ones and columns.
    let n = batch_x.len();
    let free_x = kinds.iter().filter(|k| **k == (true, false)).count();
    let start_y = n + free_x + usize::from(rows);
    let (mut b, mut fx, mut fy) = (0, n, start_y);
    let next = |k: &mut usize| {
        *k += 1;
        *k - 1
    };
    let mut order: Vec<usize> = kinds
        .iter()
        .map(|kind| match kind {
            (true, true) => next(&mut b),
            (true, false) => next(&mut fx),
            _ => next(&mut fy),
        })
        .collect();
    if rows {
        order.push(n + free_x);
    }
    if columns {
        order.push(out.ndim() - 1);
    }
    lax::transpose(&out, &order)
}

/// NumPy's dot: like [`matmul`] for vectors and matrices, a product with scalars, and for more axes the sum over the last
/// of `x` and the last but one of `y`.
///
/// # Errors
/// `dot_general requires contracting dimensions to have the same shape, got (3,) and (2,)`
#[track_caller]
pub fn dot(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    let (x, y) = (x.into(), y.into());
    if x.ndim() == 0 || y.ndim() == 0 {
        return contract(&x, &y, (&[], &[]), (&[], &[]));
    }
    let inner = y.ndim().saturating_sub(2);
    contract(&x, &y, (&[x.ndim() - 1], &[inner]), (&[], &[]))
}

/// The sum of products of the flattened arrays, the first one conjugated.
///
/// # Errors
/// Sizes that differ.
#[track_caller]
pub fn vdot(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    dot(crate::numpy::conjugate(ravel(x)), ravel(y))
}

/// The sum of products along an axis of both, the first one conjugated; other axes broadcast.
///
/// # Errors
/// Sizes that differ; an axis out of range.
#[track_caller]
pub fn vecdot(x: impl Into<Array>, y: impl Into<Array>, axis: i64) -> Array {
    let (x, y) = (x.into(), y.into());
    let x = lax::move_axis(&x, canonical_axis("vecdot", axis, x.ndim()), x.ndim() - 1);
    let y = lax::move_axis(&y, canonical_axis("vecdot", axis, y.ndim()), y.ndim() - 1);
    let row = lax::expand_dims(&crate::numpy::conjugate(&x), &[x.ndim() - 1]);
    let out = matmul(row, lax::expand_dims(&y, &[y.ndim()]));
    lax::squeeze_axes(&out, &[out.ndim() - 2, out.ndim() - 1])
}

/// Matrices times vectors, in the last axes of each; other axes broadcast: `f32[5,2,3]`, `f32[3]` -> `f32[5,2]`.
///
/// # Errors
/// Those of [`matmul`]; a scalar.
#[track_caller]
pub fn matvec(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    let (x, y) = (x.into(), y.into());
    at_least("matvec", [(&x, 2), (&y, 1)]).or_throw();
    let out = matmul(x, lax::expand_dims(&y, &[y.ndim()]));
    lax::squeeze_axes(&out, &[out.ndim() - 1])
}

/// Vectors, conjugated, times matrices, in the last axes of each; other axes broadcast: `f32[2]`, `f32[5,2,3]` ->
/// `f32[5,3]`.
///
/// # Errors
/// Those of [`matmul`]; a scalar.
#[track_caller]
pub fn vecmat(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    let (x, y) = (x.into(), y.into());
    at_least("vecmat", [(&x, 1), (&y, 2)]).or_throw();
    let row = lax::expand_dims(&crate::numpy::conjugate(&x), &[x.ndim() - 1]);
    let out = matmul(row, y);
    lax::squeeze_axes(&out, &[out.ndim() - 2])
}

fn at_least(name: &str, operands: [(&Array, usize); 2]) -> Result<()> {
    for (i, (x, rank)) in operands.into_iter().enumerate() {
        if x.ndim() < rank {
            bail!(Shape, "{name}: operand {i} must have at least {rank} axes, got {}", x.aval());
        }
    }
    Ok(())
}

/// The sum of products over the last axes of both.
///
/// # Errors
/// Sizes that differ.
#[track_caller]
pub fn inner(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    let (x, y) = (x.into(), y.into());
    if x.ndim() == 0 || y.ndim() == 0 {
        return multiply(x, y);
    }
    contract(&x, &y, (&[x.ndim() - 1], &[y.ndim() - 1]), (&[], &[]))
}

/// The products of every element of `x` with every one of `y`, both flattened: a matrix.
#[track_caller]
pub fn outer(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    let (x, y) = (ravel(x), ravel(y));
    multiply(lax::expand_dims(&x, &[1]), lax::expand_dims(&y, &[0]))
}

/// Over which axes [`tensordot`] sums.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contracting {
    /// This many last axes of the first with as many first axes of the second.
    Last(usize),
    /// These axes of the first, each with that of the second in the same place.
    Pairs(Vec<i64>, Vec<i64>),
}

impl From<usize> for Contracting {
    fn from(n: usize) -> Self {
        Contracting::Last(n)
    }
}
impl From<i32> for Contracting {
    fn from(n: i32) -> Self {
        Contracting::Last(n.max(0) as usize)
    }
}
impl<const N: usize> From<([i64; N], [i64; N])> for Contracting {
    fn from((x, y): ([i64; N], [i64; N])) -> Self {
        Contracting::Pairs(x.to_vec(), y.to_vec())
    }
}
impl From<(Vec<i64>, Vec<i64>)> for Contracting {
    fn from((x, y): (Vec<i64>, Vec<i64>)) -> Self {
        Contracting::Pairs(x, y)
    }
}

/// The sum of products over some axes of both: `tensordot(&x, &y, 2)`, `tensordot(&x, &y, ([0, 2], [1, 0]))`.
///
/// # Errors
/// `tensordot: requires as many axes as it sums over, got 3 for f32[2,3] and f32[3,4]`; sizes that differ.
#[track_caller]
pub fn tensordot(x: impl Into<Array>, y: impl Into<Array>, axes: impl Into<Contracting>) -> Array {
    let (x, y) = (x.into(), y.into());
    let (over_x, over_y) = match axes.into() {
        Contracting::Last(n) => {
            if n > x.ndim() || n > y.ndim() {
                return Err(err!(
                    Shape,
                    "tensordot: requires as many axes as it sums over, got {n} for {} and {}",
                    x.aval(),
                    y.aval()
                ))
                .or_throw();
            }
            ((x.ndim() - n..x.ndim()).collect(), (0..n).collect())
        }
        Contracting::Pairs(a, b) => {
            let at = |axes: &[i64], n: usize| -> Vec<usize> {
                axes.iter().map(|axis| canonical_axis("tensordot", *axis, n)).collect()
            };
            (at(&a, x.ndim()), at(&b, y.ndim()))
        }
    };
    contract(&x, &y, (&over_x, &over_y), (&[], &[]))
}

/// Kronecker's product: `y` in place of every element of `x`, multiplied by it.
#[track_caller]
pub fn kron(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    let (x, y) = (x.into(), y.into());
    let rank = x.ndim().max(y.ndim());
    let lead = |a: &Array| lax::expand_dims(a, &(0..rank - a.ndim()).collect::<Vec<_>>());
    let (x, y) = (lead(&x), lead(&y));
    let sizes: Vec<usize> = x.shape().iter().zip(y.shape()).map(|(m, n)| m * n).collect();
    let (odd, even): (Vec<usize>, Vec<usize>) = (0..2 * rank).partition(|i| i % 2 == 1);
    let product = multiply(lax::expand_dims(&x, &odd), lax::expand_dims(&y, &even));
    lax::reshape(&product, &sizes)
}

/// The cross product of vectors of three components along the last axes; other axes broadcast.
///
/// # Errors
/// `cross: both arrays must have last axes of size 3, got f32[2] and f32[3]`
#[track_caller]
pub fn cross(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    let [x, y] = crate::numpy::util::promote_args("cross", [&x.into(), &y.into()]);
    if x.shape().last() != Some(&3) || y.shape().last() != Some(&3) {
        return Err(err!(
            Shape,
            "cross: both arrays must have last axes of size 3, got {} and {}",
            x.aval(),
            y.aval()
        ))
        .or_throw();
    }
    let part = |a: &Array, i: i64| lax::index_in_dim(a, i, -1, false);
    let component = |i: i64, j: i64| {
        let left = lax::mul(&part(&x, i), &part(&y, j));
        lax::sub(&left, &lax::mul(&part(&x, j), &part(&y, i)))
    };
    lax::stack(&[component(1, 2), component(2, 0), component(0, 1)], -1)
}

/// The sum of the `k`-th diagonal along two axes.
///
/// # Errors
/// Those of [`diagonal`].
#[track_caller]
pub fn trace(x: impl Into<Array>, k: i64, axis1: i64, axis2: i64) -> Array {
    sum(diagonal(x, k, axis1, axis2), -1)
}

/// Einstein's sums: `einsum("ij,jk->ik", &[&x, &y])`. Without `->` the labels that occur once make the result, in
/// alphabetical order. `...` stands for axes that broadcast.
///
/// # Errors
/// `einsum: subscripts "ij,jk" name 2 operands, got 3`; `einsum: size of label 'j' for operand 1 (3) does not match previous
/// terms (2)`; labels and axes that differ in number.
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let x = Array::from([[1.0f32, 2.0], [3.0, 4.0]]);
/// assert_eq!(jnp::einsum("ii", &[&x]).item::<f32>()?, 5.0);
/// assert_eq!(jnp::einsum("ij,j->i", &[&x, &Array::from([1.0f32, 1.0])]).to_vec::<f32>()?, [3.0, 7.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn einsum<T: Borrow<Array>>(subscripts: &str, operands: &[T]) -> Array {
    let refs: Vec<&Array> = operands.iter().map(Borrow::borrow).collect();
    let spec = Subscripts::parse(subscripts, &refs).or_throw();
    let (dtype, weak_type) = result_type_of(&refs);
    let mut terms: Vec<Term> = refs
        .iter()
        .zip(spec.inputs)
        .map(|(x, labels)| Term { x: lax::convert(x, dtype, weak_type), labels }.without_repeats())
        .collect();
    let squeeze = |term: Term| term.without_ones(&spec.sizes);
    terms = terms.into_iter().map(squeeze).collect();
    while terms.len() > 1 {
        let (left, right) = (terms.remove(0), terms.remove(0));
        let needed =
            |label: &char| spec.output.contains(label) || terms.iter().any(|t| t.labels.contains(label));
        let product = pair(left, right, &needed);
        terms.insert(0, product);
    }
    let last = terms.remove(0).summed(|label| spec.output.contains(label));
    // Labels of size one that were squeezed away come back.
    let missing: Vec<char> = spec.output.iter().filter(|l| !last.labels.contains(l)).copied().collect();
    let labels: Vec<char> = missing.iter().chain(&last.labels).copied().collect();
    let x = lax::expand_dims(&last.x, &(0..missing.len()).collect::<Vec<_>>());
    let order: Vec<usize> = spec.output.iter().filter_map(|l| labels.iter().position(|m| m == l)).collect();
    lax::convert(&lax::transpose(&x, &order), dtype, weak_type)
}

/// An operand of an einsum with the label of each axis.
struct Term {
    x: Array,
    labels: Vec<char>,
}

impl Term {
    /// A label twice is a diagonal: what is off it becomes zero, and one of both axes is summed away.
    #[track_caller]
    fn without_repeats(mut self) -> Term {
        while let Some((i, j)) = (0..self.labels.len())
            .flat_map(|i| (i + 1..self.labels.len()).map(move |j| (i, j)))
            .find(|(i, j)| self.labels[*i] == self.labels[*j])
        {
            let shape = self.x.shape().to_vec();
            let at = |axis| lax::broadcasted_iota(crate::dtype::DType::I32, &shape, axis);
            let mask = lax::eq(&at(i), &at(j));
            let only = where_(mask, &self.x, constant(&self.x, 0.0));
            self.x = lax::reduce_sum(&only, &[i]);
            self.labels.remove(i);
        }
        self
    }

    /// Axes of size one whose label is larger elsewhere broadcast: they need not be there.
    #[track_caller]
    fn without_ones(self, sizes: &BTreeMap<char, usize>) -> Term {
        let ones: Vec<usize> = (0..self.labels.len())
            .filter(|i| self.x.shape()[*i] == 1 && sizes.get(&self.labels[*i]).is_some_and(|n| *n != 1))
            .collect();
        let labels = self.labels.iter().enumerate().filter(|(i, _)| !ones.contains(i)).map(|(_, l)| *l);
        Term { labels: labels.collect(), x: lax::squeeze_axes(&self.x, &ones) }
    }

    /// Sums over the labels that nobody needs.
    #[track_caller]
    fn summed(self, needed: impl Fn(&char) -> bool) -> Term {
        let axes: Vec<usize> = (0..self.labels.len()).filter(|i| !needed(&self.labels[*i])).collect();
        if axes.is_empty() {
            return self;
        }
        let labels = self.labels.iter().filter(|l| needed(l)).copied().collect();
        Term { x: lax::reduce_sum(&self.x, &axes), labels }
    }
}

#[track_caller]
fn pair(left: Term, right: Term, needed: &dyn Fn(&char) -> bool) -> Term {
    let left = left.summed(|l| needed(l) || right.labels.contains(l));
    let right = right.summed(|l| needed(l) || left.labels.contains(l));
    let shared = left.labels.iter().filter(|l| right.labels.contains(l));
    let (batch, over): (Vec<char>, Vec<char>) = shared.copied().partition(|l| needed(l));
    let at = |term: &Term, labels: &[char]| -> Vec<usize> {
        labels.iter().filter_map(|l| term.labels.iter().position(|m| m == l)).collect()
    };
    let x = lax::dot_general(
        &left.x,
        &right.x,
        ((&at(&left, &over), &at(&right, &over)), (&at(&left, &batch), &at(&right, &batch))),
        None,
        None,
    );
    let free = |term: &Term| -> Vec<char> {
        term.labels.iter().filter(|l| !batch.contains(l) && !over.contains(l)).copied().collect()
    };
    let labels = batch.iter().copied().chain(free(&left)).chain(free(&right)).collect();
    Term { x, labels }
}

/// The labels of an einsum: axes under `...` get digits, counted from the last one.
struct Subscripts {
    inputs: Vec<Vec<char>>,
    output: Vec<char>,
    sizes: BTreeMap<char, usize>,
}

impl Subscripts {
    fn parse(text: &str, operands: &[&Array]) -> Result<Subscripts> {
        let spec: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let (ins, out) = match spec.split_once("->") {
            Some((ins, out)) => (ins, Some(out)),
            None => (spec.as_str(), None),
        };
        let parts: Vec<&str> = ins.split(',').collect();
        if parts.len() != operands.len() {
            bail!(
                InvalidArgument,
                "einsum: subscripts {text:?} name {} operands, got {}",
                parts.len(),
                operands.len()
            );
        }
        let mut inputs = Vec::new();
        let mut sizes: BTreeMap<char, usize> = BTreeMap::new();
        let mut hidden = 0;
        for (i, (part, x)) in parts.iter().zip(operands).enumerate() {
            let named = part.chars().filter(|c| *c != '.').count();
            let dots = part.contains("...");
            if named > x.ndim() || (!dots && named != x.ndim()) {
                bail!(
                    Shape,
                    "einsum: subscripts {part:?} do not fit the number of axes of operand {i}, {}",
                    x.aval()
                );
            }
            let labels = expand(part, x.ndim() - named)?;
            hidden = hidden.max(if dots { x.ndim() - named } else { 0 });
            for (label, n) in labels.iter().zip(x.shape()) {
                let size = sizes.entry(*label).or_insert(*n);
                if *size == 1 {
                    *size = *n;
                } else if *n != 1 && size != n {
                    bail!(
                        Shape,
                        "einsum: size of label {label:?} for operand {i} ({n}) does not match previous terms ({size})"
                    );
                }
            }
            inputs.push(labels);
        }
        let output = match out {
            Some(out) => expand(out, hidden)?,
            None => {
                let count = |label: &char| inputs.iter().flatten().filter(|l| *l == label).count();
                let mut once: Vec<char> =
                    sizes.keys().filter(|l| l.is_ascii_digit() || count(l) == 1).copied().collect();
                // Broadcast axes in front, the outermost one first.
                once.sort_by_key(|l| {
                    (!l.is_ascii_digit(), if l.is_ascii_digit() { 255 - *l as u8 } else { 0 }, *l)
                });
                once
            }
        };
        if let Some(label) = output.iter().find(|l| !sizes.contains_key(l)) {
            bail!(InvalidArgument, "einsum: label {label:?} of the output does not occur in the inputs");
        }
        Ok(Subscripts { inputs, output, sizes })
    }
}

/// The labels of one term, with `n` digits for an ellipsis.
fn expand(part: &str, n: usize) -> Result<Vec<char>> {
    let digits: String = (0..n.min(10)).rev().filter_map(|i| char::from_digit(i as u32, 10)).collect();
    let labels: String = part.replacen("...", &digits, 1);
    if let Some(c) = labels.chars().find(|c| !c.is_ascii_alphanumeric()) {
        bail!(InvalidArgument, "einsum: {c:?} is not a label in {part:?}");
    }
    Ok(labels.chars().collect())
}

/// The matrix product of several matrices, from left to right.
///
/// # Errors
/// `multi_dot: requires at least two arrays, got 1`; sizes that differ.
#[track_caller]
pub fn multi_dot<T: Borrow<Array>>(arrays: &[T]) -> Array {
    let [first, rest @ ..] = arrays else {
        return Err(err!(InvalidArgument, "multi_dot: requires at least two arrays, got 0")).or_throw();
    };
    rest.iter().fold(first.borrow().clone(), |product, x| dot(product, x.borrow()))
}

/// A matrix to the power `n` by repeated squaring.
///
/// # Errors
/// `matrix_power: expected square matrices, got f32[2,3]`
#[track_caller]
pub fn matrix_power(x: impl Into<Array>, n: u32) -> Array {
    let x = x.into();
    let check = || {
        let last = axis_index("matrix_power", -1, x.ndim())?;
        if last == 0 || x.shape()[last] != x.shape()[last - 1] {
            bail!(Shape, "matrix_power: expected square matrices, got {}", tuple(x.shape()));
        }
        Ok(x.shape()[last])
    };
    let size = check().or_throw();
    let mut out: Option<Array> = None;
    let (mut square, mut left) = (x.clone(), n);
    while left > 0 {
        if left & 1 == 1 {
            out = Some(out.map_or_else(|| square.clone(), |out| matmul(out, &square)));
        }
        left >>= 1;
        if left > 0 {
            square = matmul(&square, &square);
        }
    }
    out.unwrap_or_else(|| crate::numpy::broadcast_to(crate::numpy::eye(size, size, 0, x.dtype()), x.shape()))
}

/// The norm of a vector over `axes`: the root of the sum of squares of absolute values. JAX: `jnp.linalg.norm`.
///
/// # Errors
/// An axis out of range or repeated.
#[track_caller]
pub fn norm(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    let x = crate::numpy::util::inexact(&x.into());
    let squares =
        if x.dtype().is_complex() { lax::real(&lax::mul(&x, &lax::conj(&x))) } else { lax::mul(&x, &x) };
    lax::sqrt(&sum(squares, axes))
}
