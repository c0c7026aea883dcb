//! Elements put in or taken out along an axis. JAX: `numpy/lax_numpy.py`.

use crate::arguments::{OptAxis, options};
use crate::core::array::Array;
use crate::error::{ErrorKind, OrThrow, throw};
use crate::lax;
use crate::lax::arguments::axis_of;
use crate::numpy::indexing::Index;
use crate::numpy::nonzero::{SizeOptions, positions};

use crate::dtype::DType;
use crate::numpy::{
    ArrayOptions, ReduceOptions, arange, argsort, array_with, clip, concatenate, flatnonzero_with, full,
    less, moveaxis, ones, ravel, sort, sum_with, where_,
};

options! {
    /// Options of [`delete_with`].
    pub struct DeleteOptions {
        /// The caller's word that no position is named twice, so that they need not be known.
        assume_unique_indices: value bool = false,
    }
}

/// The array, flattened for `..`, and the position of the axis.
#[track_caller]
fn along(name: &str, x: &Array, axis: OptAxis) -> (Array, usize) {
    match axis.get() {
        None => (ravel(x), 0),
        Some(axis) => (x.clone(), axis_of(name, axis, x)),
    }
}

/// The positions that a slice names along an axis of `n` elements.
#[track_caller]
fn sliced(index: Index, n: usize) -> Array {
    let index = if matches!(index, Index::Ellipsis) { crate::numpy::Colon.into() } else { index };
    arange(n).index(index)
}

/// The array without some elements along an axis, or of the flattened array for `..`: one, a slice, an array of positions, or
/// a `bool` array that is true of them.
///
/// # Errors
/// `delete: index 5 is out of bounds for axis 0 with size 3`; positions that are neither integers nor truth values; a traced
/// array of positions, unless [`delete_with`] is told that none is named twice.
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let x = Array::from([5, 6, 7, 8]);
/// assert_eq!(jnp::delete(&x, 1, 0).to_vec::<i32>()?, [5, 7, 8]);
/// assert_eq!(jnp::delete(&x, 1..3, 0).to_vec::<i32>()?, [5, 8]);
/// assert_eq!(jnp::delete(&x, [0, 0, -1], 0).to_vec::<i32>()?, [6, 7]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn delete(x: impl Into<Array>, obj: impl Into<Index>, axis: impl Into<OptAxis>) -> Array {
    delete_with(x, obj, axis, DeleteOptions::new())
}

/// [`delete`] by options.
///
/// # Errors
/// As [`delete`].
/// ```
/// use raxla::numpy::{self as jnp, DeleteOptions};
/// use raxla::prelude::*;
///
/// let x = Array::from([5, 6, 7, 8]);
/// let without = |x: &Array, at: &Array| jnp::delete_with(x, at, 0, DeleteOptions::new().assume_unique_indices(true));
/// assert_eq!(jit(without)(&x, &Array::from([2, 0]))?.to_vec::<i32>()?, [6, 8]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn delete_with(
    x: impl Into<Array>,
    obj: impl Into<Index>,
    axis: impl Into<OptAxis>,
    options: DeleteOptions,
) -> Array {
    const NAME: &str = "delete";
    let (x, axis) = along(NAME, &x.into(), axis.into());
    let n = x.shape()[axis];
    let at = match obj.into() {
        Index::NewAxis => throw!(InvalidArgument, "{NAME}: there is nothing to delete at a new axis"),
        Index::Int(i) => {
            let at = if i < 0 { i + n as i64 } else { i };
            if !(0..n as i64).contains(&at) {
                throw!(Shape, "{NAME}: index {i} is out of bounds for axis {axis} with size {n}");
            }
            let (mut start, mut limit) = (vec![0; x.ndim()], x.shape().to_vec());
            limit[axis] = at as usize;
            let before = lax::slice(&x, &start, &limit);
            (start[axis], limit[axis]) = (at as usize + 1, n);
            let behind = lax::slice(&x, start, limit);
            return concatenate([before, behind], axis);
        }
        Index::Array(mask) if mask.dtype().is_bool() => {
            if mask.shape() != [n] {
                throw!(
                    Shape,
                    "{NAME}: a boolean array must be a vector of {n} elements, got {}",
                    mask.aval()
                );
            }
            return kept(&x, lax::bitwise_not(&mask), axis);
        }
        Index::Array(at) if !at.dtype().is_integer() => {
            throw!(DType, "{NAME}: positions must be integers or truth values, got {}", at.aval())
        }
        Index::Array(at) if !options.assume_unique_indices => {
            let at = ravel(at);
            return kept(&x, ones((n, DType::Bool)).at(at).set(false), axis);
        }
        Index::Array(at) => ravel(at),
        slice => sliced(slice, n),
    };
    // Each position among what is left: those before it move it on.
    let wrapped = where_(less(&at, 0), &at + n, &at);
    let sorted = sort(clip(wrapped, 0, n), 0);
    let gaps = &sorted - lax::iota(sorted.dtype(), sorted.size());
    let left = lax::iota(sorted.dtype(), n - sorted.size());
    let column = lax::expand_dims(&gaps, [1]);
    let passed = crate::numpy::greater_equal(lax::expand_dims(&left, [0]), column);
    let left = &left + sum_with(passed, 0, ReduceOptions::new().dtype(left.dtype()));
    crate::numpy::take(&x, left, axis)
}

/// The elements along an axis for which a mask, which must be known, is true.
#[track_caller]
fn kept(x: &Array, mask: Array, axis: usize) -> Array {
    let count = crate::numpy::sum(&mask, ..).item::<i64>().map_err(|e| match e.kind() {
        ErrorKind::Concretization => crate::error::err!(
            Concretization,
            "delete: the shape of the result depends on positions that are not known while a function is traced, and must be \
             known: pass `assume_unique_indices`, or numbers"
        ),
        _ => e,
    });
    let sizes = SizeOptions::new().size(count.or_throw() as usize);
    let at = positions("delete", &mask, &sizes).swap_remove(0);
    crate::numpy::take(x, at, axis)
}

/// The array with `values` put in before positions along an axis, or into the flattened array for `..`: one position, a slice,
/// or an array of them. Positions are those before anything is put in.
///
/// # Errors
/// `insert: positions must be integers, got f32[2]`; values that do not broadcast.
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let x = Array::from([5, 6, 7]);
/// assert_eq!(jnp::insert(&x, 1, 0, 0).to_vec::<i32>()?, [5, 0, 6, 7]);
/// assert_eq!(jnp::insert(&x, [0, 3], Array::from([1, 9]), 0).to_vec::<i32>()?, [1, 5, 6, 7, 9]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn insert(
    x: impl Into<Array>,
    obj: impl Into<Index>,
    values: impl Into<Array>,
    axis: impl Into<OptAxis>,
) -> Array {
    const NAME: &str = "insert";
    let (x, axis) = along(NAME, &x.into(), axis.into());
    let n = x.shape()[axis];
    let at = match obj.into() {
        Index::NewAxis => throw!(InvalidArgument, "{NAME}: nothing can be inserted at a new axis"),
        Index::Int(i) => Array::from(i),
        Index::Array(at) if !at.dtype().is_integer() || at.ndim() > 1 => {
            throw!(DType, "{NAME}: positions must be integers, one or a vector of them, got {}", at.aval())
        }
        Index::Array(at) => at,
        slice => sliced(slice, n),
    };
    let options = ArrayOptions::new().dtype(x.dtype()).ndmin(x.ndim());
    let mut values = array_with(values, options);
    let mut at = at;
    if at.size() == 1 {
        if at.ndim() == 0 {
            values = moveaxis(values, 0, axis);
        }
        at = full(values.shape()[axis], ravel(&at).index(0));
    }
    let Ok(count) = lax::common_shape(&[at.shape(), &values.shape()[axis..=axis]]) else {
        let (at, values) = (at.aval(), values.aval());
        throw!(Shape, "{NAME}: positions {at} and values {values} have different lengths along axis {axis}");
    };
    let total = n + count[0];
    let mut shape = x.shape().to_vec();
    shape[axis] = total;
    let at = where_(less(&at, 0), &at + n, &at);
    let at = clip(at, 0, n);
    // Where the new elements stand in the result, and where the old ones.
    let new = at.at(argsort(&at, 0)).add(lax::iota(at.dtype(), count[0]));
    let old = ones((total, DType::Bool)).at(&new).set(false);
    let old = flatnonzero_with(old, SizeOptions::new().size(n));
    let part = |positions: Array| {
        let mut parts = vec![Index::from(crate::numpy::Colon); axis];
        parts.push(Index::Array(positions));
        parts
    };
    let out = lax::full(shape, lax::literal(x.dtype(), 0.0));
    out.at(part(new)).set(values).at(part(old)).set(x)
}
