//! `associative_scan`: prefix combinations in parallel. JAX: `lax.associative_scan`.
//!
//! Blelloch 1990, "Prefix sums and their applications": combine pairs of neighbours, scan those, fill in the rest.

use smallvec::SmallVec;

use crate::arguments::{Axis, options};
use crate::core::array::Array;
use crate::core::trace::caller;
use crate::error::{Result, bail, catch};
use crate::lax::full::literal_like;
use crate::lax::{add, bitwise_or, concatenate, pad, rev, slice_along};
use crate::signature::{FlatOut, Output};
use crate::tree::{Pytree, unflatten};

options! {
    /// Options of [`associative_scan_with`].
    pub struct AssociativeScanOptions {
        /// Combine suffixes rather than prefixes.
        reverse: value bool = false,
        /// The axis of every leaf along which elements are combined.
        axis: into Axis = 0,
    }
}

/// All prefixes of `elems` along axis 0 combined by `f`, which must be associative: `[a, f(a, b), f(f(a, b), c), ...]`.
///
/// `f` takes and gives trees like `elems`, whose leaves have any size along the axis, and works elementwise along it.
///
/// ```
/// use raxla::{lax, Array};
///
/// // x ↦ a x + b, one after the other.
/// let then = |(a, b): (Array, Array), (c, d): (Array, Array)| (&a * &c, b * c + d);
/// let maps = (Array::from([2.0f32, 3.0, 4.0]), Array::from([1.0f32, 1.0, 1.0]));
/// let (a, b) = lax::associative_scan(then, maps)?;
/// assert_eq!(a.to_vec::<f32>()?, [2.0, 6.0, 24.0]);
/// assert_eq!(b.to_vec::<f32>()?, [1.0, 4.0, 17.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Those of `f`; `associative_scan: all elems must have the same size along axis 0, got f32[3] and f32[4]`; an axis out of range;
/// results of another structure than `elems`.
#[track_caller]
pub fn associative_scan<T, O>(f: impl FnMut(T, T) -> O, elems: T) -> Result<T>
where
    T: Pytree,
    O: Output<Tree = T>,
{
    associative_scan_with(f, elems, AssociativeScanOptions::default())
}

/// [`associative_scan`] along another axis, or of suffixes.
///
/// ```
/// use raxla::lax::{self, AssociativeScanOptions};
/// use raxla::Array;
///
/// let sum = |a: Array, b: Array| a + b;
/// let x = Array::from([[1.0f32, 2.0, 3.0]]);
/// let y = lax::associative_scan_with(sum, x, AssociativeScanOptions::new().axis(-1).reverse(true))?;
/// assert_eq!(y.to_vec::<f32>()?, [6.0, 5.0, 3.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`associative_scan`].
#[track_caller]
pub fn associative_scan_with<T, O>(
    mut f: impl FnMut(T, T) -> O,
    elems: T,
    options: AssociativeScanOptions,
) -> Result<T>
where
    T: Pytree,
    O: Output<Tree = T>,
{
    let loc = caller();
    let FlatOut { leaves, tree } = FlatOut::from_tree(&elems);
    let mut combine = |a: &[Array], b: &[Array]| {
        let of = |xs: &[Array]| unflatten(&tree, xs.iter().cloned());
        let out = FlatOut::from_tree(&f(of(a)?, of(b)?).into_result()?);
        if let Some(difference) = tree.first_difference(&out.tree) {
            bail!(
                TreeMismatch,
                "associative_scan: the function must return the structure of elems: {difference}"
            );
        }
        if let Some((x, y)) = a.iter().zip(&out.leaves).find(|(x, y)| x.shape() != y.shape()) {
            bail!(
                Shape,
                "associative_scan: the function must return the shapes of its arguments, got {} for {}",
                y.aval(),
                x.aval()
            );
        }
        Ok(out.leaves.into_vec())
    };
    let leaves = catch(|| scan_flat(&mut combine, leaves.into_vec(), &options)).map_err(|e| e.at(loc))?;
    FlatOut { leaves: leaves.into(), tree: tree.clone() }.into_tree()
}

/// The operation of a scan.
type Combine<'a> = dyn FnMut(&[Array], &[Array]) -> Result<Vec<Array>> + 'a;

/// [`associative_scan_with`] of arrays.
pub(super) fn scan_flat(
    f: &mut Combine<'_>,
    elems: Vec<Array>,
    options: &AssociativeScanOptions,
) -> Result<Vec<Array>> {
    let Some(first) = elems.first() else { return Ok(elems) };
    let axis = options.axis.position("associative_scan", first.ndim())?;
    let size = first.shape()[axis];
    if let Some(other) = elems.iter().find(|x| x.shape().get(axis) != Some(&size)) {
        bail!(
            Shape,
            "associative_scan: all elems must have the same size along axis {axis}, got {} and {}",
            first.aval(),
            other.aval()
        );
    }
    let flip = |xs: Vec<Array>| -> Vec<Array> {
        if options.reverse { xs.iter().map(|x| rev(x, [axis])).collect() } else { xs }
    };
    Ok(flip(scan(f, flip(elems), axis)?))
}

fn scan(f: &mut Combine<'_>, elems: Vec<Array>, axis: usize) -> Result<Vec<Array>> {
    let size = elems[0].shape()[axis];
    if size < 2 {
        return Ok(elems);
    }
    let part = |xs: &[Array], start: i64, limit: Option<i64>, stride: usize| -> Vec<Array> {
        xs.iter().map(|x| slice_along(x, start, limit, stride, axis as i64)).collect()
    };
    let pairs = f(&part(&elems, 0, Some(-1), 2), &part(&elems, 1, None, 2))?;
    let odd = scan(f, pairs, axis)?;
    let rest = part(&elems, 2, None, 2);
    let even = if size.is_multiple_of(2) { f(&part(&odd, 0, Some(-1), 1), &rest)? } else { f(&odd, &rest)? };
    let heads = part(&elems, 0, Some(1), 1);
    let even = heads.iter().zip(&even).map(|(head, tail)| concatenate([head, tail], axis));
    Ok(even.zip(&odd).map(|(even, odd)| interleave(&even, odd, axis)).collect())
}

/// `[even₀, odd₀, even₁, odd₁, ...]`: both spread out by zeros, and added.
fn interleave(even: &Array, odd: &Array, axis: usize) -> Array {
    let equal = i64::from(even.shape()[axis] == odd.shape()[axis]);
    let spread = |x: &Array, low: i64, high: i64| {
        let mut config: SmallVec<[(i64, i64, i64); 4]> = SmallVec::from_elem((0, 0, 0), x.ndim());
        config[axis] = (low, high, 1);
        pad(x, literal_like(x, 0.0), &config)
    };
    let (even, odd) = (spread(even, 0, equal), spread(odd, 1, 1 - equal));
    if even.dtype().is_bool() { bitwise_or(&even, &odd) } else { add(&even, &odd) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_and_suffixes_are_combined() {
        for n in [0usize, 1, 2, 3, 4, 7, 8] {
            let x: Vec<i32> = (1..=n as i32).collect();
            let sums = |reverse| {
                let options = AssociativeScanOptions::new().axis(-1).reverse(reverse);
                let sum = |a: Array, b: Array| add(&a, &b);
                associative_scan_with(sum, Array::from(x.clone()), options).unwrap().to_vec::<i32>().unwrap()
            };
            let mut total = 0;
            let expected: Vec<i32> = x
                .iter()
                .map(|v| {
                    total += v;
                    total
                })
                .collect();
            assert_eq!(sums(false), expected);
            let expected: Vec<i32> = x.iter().map(|v| total - (v - 1) * v / 2).collect();
            assert_eq!(sums(true), expected);
        }
    }

    #[test]
    fn elements_and_results_must_fit() {
        let message = |xs: Vec<Array>, f: fn(Vec<Array>, Vec<Array>) -> Vec<Array>| {
            associative_scan(f, xs).unwrap_err().message().to_owned()
        };
        let two = || Array::from([1, 2]);
        assert_eq!(
            message(vec![two(), Array::from([1])], |a, _| a),
            "associative_scan: all elems must have the same size along axis 0, got i32[2] and i32[1]"
        );
        assert_eq!(
            message(vec![two()], |a, b| [a, b].concat()),
            "associative_scan: the function must return the structure of elems: at the root: a Vec of length 1, and a \
             Vec of length 2"
        );
        assert_eq!(
            message(vec![two()], |a, _| vec![lax_sum(&a[0])]),
            "associative_scan: the function must return the shapes of its arguments, got i32[] for i32[1]"
        );
    }

    fn lax_sum(x: &Array) -> Array {
        crate::lax::reduce_sum(x, [0])
    }
}
