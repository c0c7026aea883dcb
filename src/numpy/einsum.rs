//! Einstein's sums. JAX: `numpy/einsum.py`.

use std::borrow::Borrow;
use std::collections::BTreeMap;

use crate::core::array::Array;
use crate::core::config::canonicalize;
use crate::error::{OrThrow, Result, bail};
use crate::lax;
use crate::numpy::DotOptions;
use crate::numpy::util::{constant, result_type_of};
use crate::numpy::where_;

/// Einstein's sums: `einsum("ij,jk->ik", [&x, &y])`. Without `->` the labels that occur once make the result, in
/// alphabetical order. `...` stands for axes that broadcast.
///
/// # Errors
/// `einsum: subscripts "ij,jk" name 2 operands, got 3`; `einsum: size of label 'j' for operand 1 (3) does not match previous
/// terms (2)`; labels and axes that differ in number.
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let x = Array::from([[1.0f32, 2.0], [3.0, 4.0]]);
/// assert_eq!(jnp::einsum("ii", [&x]).item::<f32>()?, 5.0);
/// assert_eq!(jnp::einsum("ij,j->i", [&x, &Array::from([1.0f32, 1.0])]).to_vec::<f32>()?, [3.0, 7.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn einsum<T: Borrow<Array>>(subscripts: &str, operands: impl AsRef<[T]>) -> Array {
    let operands: Vec<&Array> = operands.as_ref().iter().map(Borrow::borrow).collect();
    sums(subscripts, &operands, &DotOptions::new())
}

/// [`einsum`] by options.
///
/// # Errors
/// As [`einsum`].
#[track_caller]
pub fn einsum_with<T: Borrow<Array>>(
    subscripts: &str,
    operands: impl AsRef<[T]>,
    options: DotOptions,
) -> Array {
    let operands: Vec<&Array> = operands.as_ref().iter().map(Borrow::borrow).collect();
    sums(subscripts, &operands, &options)
}

#[track_caller]
fn sums(subscripts: &str, refs: &[&Array], options: &DotOptions) -> Array {
    let spec = Subscripts::parse(subscripts, refs).or_throw();
    let (dtype, weak_type) = result_type_of(refs);
    let mut terms: Vec<Term> = Vec::with_capacity(refs.len());
    for (x, labels) in refs.iter().zip(spec.inputs) {
        let term = Term { x: lax::convert(x, dtype, weak_type), labels };
        terms.push(term.without_repeats().without_ones(&spec.sizes));
    }
    while terms.len() > 1 {
        let (left, right) = (terms.remove(0), terms.remove(0));
        let needed =
            |label: &char| spec.output.contains(label) || terms.iter().any(|t| t.labels.contains(label));
        let product = pair(left, right, &needed, options);
        terms.insert(0, product);
    }
    let last = terms.remove(0).summed(|label| spec.output.contains(label));
    // Labels of size one that were squeezed away come back.
    let missing: Vec<char> = spec.output.iter().filter(|l| !last.labels.contains(l)).copied().collect();
    let labels: Vec<char> = missing.iter().chain(&last.labels).copied().collect();
    let x = lax::expand_dims(&last.x, (0..missing.len()).collect::<Vec<_>>());
    let order: Vec<usize> = spec.output.iter().filter_map(|l| labels.iter().position(|m| m == l)).collect();
    let (dtype, weak_type) = match options.preferred_element_type {
        Some(dtype) => (canonicalize(dtype), false),
        None => (dtype, weak_type),
    };
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
            self.x = lax::reduce_sum(&only, [i]);
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
        Term { labels: labels.collect(), x: lax::squeeze(&self.x, &ones) }
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
fn pair(left: Term, right: Term, needed: &dyn Fn(&char) -> bool, options: &DotOptions) -> Term {
    let left = left.summed(|l| needed(l) || right.labels.contains(l));
    let right = right.summed(|l| needed(l) || left.labels.contains(l));
    let shared = left.labels.iter().filter(|l| right.labels.contains(l));
    let (batch, over): (Vec<char>, Vec<char>) = shared.copied().partition(|l| needed(l));
    let at = |term: &Term, labels: &[char]| -> Vec<usize> {
        labels.iter().filter_map(|l| term.labels.iter().position(|m| m == l)).collect()
    };
    let x = lax::dot_general_with(
        &left.x,
        &right.x,
        ((&at(&left, &over), &at(&right, &over)), (&at(&left, &batch), &at(&right, &batch))),
        options.clone(),
    );
    let free = |term: &Term| -> Vec<char> {
        term.labels.iter().filter(|l| !batch.contains(l) && !over.contains(l)).copied().collect()
    };
    let labels = batch.iter().copied().chain(free(&left)).chain(free(&right)).collect();
    Term { x, labels }
}

/// The labels of an einsum: axes under `...` get digits, counted from the last one.
pub(crate) struct Subscripts {
    pub inputs: Vec<Vec<char>>,
    pub output: Vec<char>,
    sizes: BTreeMap<char, usize>,
}

impl Subscripts {
    pub fn parse(text: &str, operands: &[&Array]) -> Result<Subscripts> {
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
                        "einsum: size of label {label:?} for operand {i} ({n}) does not match previous terms ({size}), got \
                         {text:?} of {}",
                        operands.iter().map(|x| x.aval().to_string()).collect::<Vec<_>>().join(", ")
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
