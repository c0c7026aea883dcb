//! Einstein's sums. JAX: `numpy/einsum.py`.

use std::borrow::Borrow;
use std::collections::BTreeMap;

use super::einsum_path::{Contraction, EinsumOptimize, contractions};
use crate::arguments::options;
use crate::core::array::Array;
use crate::core::config::{canonicalize, x64_enabled};
use crate::dtype::{DType, promote_types};
use crate::error::{OrThrow, Result, bail};
use crate::lax;
use crate::lax::DotPrecision;
use crate::numpy::DotOptions;
use crate::numpy::util::result_type_of;

options! {
    /// Options of [`einsum_with`].
    pub struct EinsumOptions {
        /// In which order the operands are contracted.
        optimize: into EinsumOptimize = EinsumOptimize::Auto,
        /// How exact products are on accelerators.
        precision: optional_into DotPrecision,
        /// The dtype to sum in and to return.
        preferred_element_type: optional DType,
    }
}

impl From<DotOptions> for EinsumOptions {
    fn from(options: DotOptions) -> Self {
        let DotOptions { precision, preferred_element_type } = options;
        EinsumOptions { precision, preferred_element_type, ..EinsumOptions::new() }
    }
}

/// Einstein's sums: `einsum("ij,jk->ik", [&x, &y])`. Without `->` the labels that occur once make the result, in
/// alphabetical order. `...` stands for axes that broadcast.
///
/// Operands are contracted by twos, in the order that needs the fewest products: see [`einsum_path`](super::einsum_path()).
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
    einsum_with(subscripts, operands, EinsumOptions::new())
}

/// [`einsum`] by options.
///
/// # Errors
/// As [`einsum`]; a path that is none, or that contracts more than two operands at once.
#[track_caller]
pub fn einsum_with<T: Borrow<Array>>(
    subscripts: &str,
    operands: impl AsRef<[T]>,
    options: EinsumOptions,
) -> Array {
    let operands: Vec<&Array> = operands.as_ref().iter().map(Borrow::borrow).collect();
    let spec = Subscripts::parse(subscripts, &operands).or_throw();
    let steps = contractions("einsum", &spec, &options.optimize).or_throw();
    let (dtype, weak_type) = match options.preferred_element_type {
        Some(dtype) => (canonicalize(dtype), false),
        None => result_type_of("einsum", &operands),
    };
    let how = Sums { dtype, precision: options.precision };
    let mut operands: Vec<Array> = operands.into_iter().cloned().collect();
    for step in steps.1 {
        let taken: Vec<Array> = step.positions.iter().map(|i| operands.remove(*i)).collect();
        operands.push(how.contracted(&taken, &step).or_throw());
    }
    lax::convert(&operands.remove(0), dtype, weak_type)
}

/// An operand of an einsum with the label of each axis.
struct Term {
    x: Array,
    names: Vec<char>,
}

/// How sums are taken.
struct Sums {
    dtype: DType,
    precision: Option<DotPrecision>,
}

fn count(names: &[char], name: char) -> usize {
    names.iter().filter(|other| **other == name).count()
}

impl Sums {
    #[track_caller]
    fn contracted(&self, operands: &[Array], step: &Contraction) -> Result<Array> {
        let terms: Vec<Term> = operands
            .iter()
            .zip(&step.inputs)
            .map(|(x, names)| Term { x: x.clone(), names: names.clone() })
            .collect();
        let found = match <[Term; 1]>::try_from(terms) {
            Ok([only]) => {
                let once: Vec<char> =
                    step.removed.iter().copied().filter(|name| count(&only.names, *name) == 1).collect();
                self.without_repeats(self.summed(only, &once), &step.result)
            }
            Err(terms) => match <[Term; 2]>::try_from(terms) {
                Ok([lhs, rhs]) => self.product(lhs, rhs, step),
                Err(terms) => bail!(
                    Unimplemented,
                    "einsum: the path contracts {} operands at once; each step takes one or two",
                    terms.len()
                ),
            },
        };
        let order: Vec<usize> =
            step.result.iter().filter_map(|name| found.names.iter().position(|n| n == name)).collect();
        Ok(if order.is_sorted() { found.x } else { lax::transpose(&found.x, &order) })
    }

    /// Sums over these labels.
    #[track_caller]
    fn summed(&self, term: Term, names: &[char]) -> Term {
        let axes: Vec<usize> =
            names.iter().filter_map(|name| term.names.iter().position(|n| n == name)).collect();
        if axes.is_empty() {
            return term;
        }
        let kept = term.names.iter().filter(|name| !names.contains(name)).copied().collect();
        Term { x: self.sum(&term.x, &axes), names: kept }
    }

    #[track_caller]
    fn sum(&self, x: &Array, axes: &[usize]) -> Array {
        if x.dtype().is_bool() {
            return lax::reduce_or(x, axes);
        }
        let wide = promote_types((x.dtype(), x.weak_type()), (self.dtype, false), x64_enabled());
        let is_wide = wide.map_or(true, |(dtype, _)| dtype == x.dtype());
        if is_wide {
            lax::reduce_sum(x, axes)
        } else {
            lax::reduce_sum(&lax::convert(x, self.dtype, false), axes)
        }
    }

    /// A label twice is a diagonal: what is off it becomes zero, and of its axes one stays if the label is kept.
    #[track_caller]
    fn without_repeats(&self, mut term: Term, kept: &[char]) -> Term {
        let mut seen = Vec::new();
        for name in term.names.clone() {
            if seen.contains(&name) || count(&term.names, name) < 2 {
                continue;
            }
            seen.push(name);
            let axes: Vec<usize> = (0..term.names.len()).filter(|axis| term.names[*axis] == name).collect();
            let only = lax::select(&diagonal(term.x.shape(), &axes), &term.x, &lax::full_like(&term.x, 0.0));
            let over = if kept.contains(&name) { &axes[..axes.len() - 1] } else { &axes[..] };
            term.x = self.sum(&only, over);
            let gone = |axis: &usize| over.contains(axis);
            let names = term.names.iter().enumerate().filter(|(axis, _)| !gone(axis)).map(|(_, name)| *name);
            term.names = names.collect();
        }
        term
    }

    #[track_caller]
    fn product(&self, lhs: Term, rhs: Term, step: &Contraction) -> Term {
        let lhs = without_ones(lhs, &rhs);
        let rhs = without_ones(rhs, &lhs);
        let alone = |of: &Term, other: &Term| -> Vec<char> {
            let is_alone = |name: &char| count(&of.names, *name) == 1 && count(&other.names, *name) == 0;
            step.removed.iter().copied().filter(is_alone).collect()
        };
        let (of_lhs, of_rhs) = (alone(&lhs, &rhs), alone(&rhs, &lhs));
        let (lhs, rhs) = (self.summed(lhs, &of_lhs), self.summed(rhs, &of_rhs));
        let kept = [&step.result[..], &rhs.names].concat();
        let lhs = self.without_repeats(lhs, &kept);
        let kept = [&step.result[..], &lhs.names].concat();
        let rhs = self.without_repeats(rhs, &kept);
        let both = |name: &char| lhs.names.contains(name) && rhs.names.contains(name);
        let over: Vec<char> = step.removed.iter().copied().filter(both).collect();
        let batch: Vec<char> = step.result.iter().copied().filter(both).collect();
        let at = |term: &Term, names: &[char]| -> Vec<usize> {
            names.iter().filter_map(|name| term.names.iter().position(|n| n == name)).collect()
        };
        let free = |term: &Term| -> Vec<char> {
            term.names.iter().filter(|n| !batch.contains(n) && !over.contains(n)).copied().collect()
        };
        let dot = |x: &Term, y: &Term| {
            let mut options = DotOptions::new().preferred_element_type(self.dtype);
            options.precision = self.precision;
            let numbers = ((&at(x, &over), &at(y, &over)), (&at(x, &batch), &at(y, &batch)));
            let names = [&batch[..], &free(x), &free(y)].concat();
            Term { x: lax::dot_general_with(&x.x, &y.x, numbers, options), names }
        };
        // The order that needs no transposition, if there is one.
        if [&batch[..], &free(&rhs), &free(&lhs)].concat() == step.result {
            dot(&rhs, &lhs)
        } else {
            dot(&lhs, &rhs)
        }
    }
}

/// Axes of size one whose label is larger in the other operand broadcast: they need not be there.
#[track_caller]
fn without_ones(term: Term, other: &Term) -> Term {
    let goes = |axis: &usize| {
        let at = other.names.iter().position(|name| *name == term.names[*axis]);
        term.x.shape()[*axis] == 1 && at.is_some_and(|at| other.x.shape()[at] != 1)
    };
    let ones: Vec<usize> = (0..term.names.len()).filter(goes).collect();
    if ones.is_empty() {
        return term;
    }
    let names = term.names.iter().enumerate().filter(|(axis, _)| !ones.contains(axis)).map(|(_, name)| *name);
    Term { names: names.collect(), x: lax::squeeze(&term.x, &ones) }
}

/// Where these axes have the same position.
fn diagonal(shape: &[usize], axes: &[usize]) -> Array {
    let sizes: Vec<usize> = axes.iter().map(|axis| shape[*axis]).collect();
    let places: Vec<Array> =
        (0..sizes.len()).map(|axis| lax::broadcasted_iota(DType::U32, &sizes, axis)).collect();
    let equal = places.windows(2).map(|pair| lax::eq(&pair[0], &pair[1]));
    let mask = equal.reduce(|x, y| lax::bitwise_and(&x, &y));
    let mask = mask.unwrap_or_else(|| lax::full(&sizes[..], true));
    lax::broadcast_in_dim(&mask, shape, axes)
}

/// The labels of an einsum: axes under `...` get digits, counted from the last one.
pub(crate) struct Subscripts {
    pub inputs: Vec<Vec<char>>,
    pub output: Vec<char>,
    pub sizes: BTreeMap<char, usize>,
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
