//! What is not zero, and what stands where: results whose shape depends on values. JAX: `numpy/lax_numpy.py`.
//!
//! Eagerly the size is read from the values, as in NumPy. While a function is traced it isn't known: the option `size` says it.

use crate::arguments::{Axes, OptAxis, options};
use crate::core::array::Array;
use crate::error::{ErrorKind, OrThrow, throw};
use crate::lax;
use crate::lax::arguments::{axes_of, axis_of};
use crate::numpy::joining::FromArrays;
use crate::numpy::logic::to_bool;
use crate::numpy::util::{default_int, strong};
use crate::numpy::{
    BincountOptions, SortOptions, any, argmax, argsort_with, atleast_1d, bincount_with, cumsum, floor_divide,
    greater_equal, moveaxis, ravel, remainder, stack, sum, transpose, where_,
};

options! {
    /// Options of functions whose result has as many elements as values say: [`nonzero_with`], [`argwhere_with`],
    /// [`union1d_with`](super::union1d_with), [`unique_all_with`](super::unique_all_with) and their like.
    ///
    /// ```
    /// use raxla::numpy::{self as jnp, SizeOptions};
    /// use raxla::prelude::*;
    ///
    /// let places = |x: &Array| jnp::flatnonzero_with(x, SizeOptions::new().size(3).fill_value(-1));
    /// assert_eq!(jit(places)(&Array::from([0, 5, 7, 0]))?.to_vec::<i32>()?, [1, 2, -1]);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    pub struct SizeOptions {
        /// How many elements the result has: those beyond are left out. It must be given where the values are traced.
        size: optional usize,
        /// What stands in the result where there are fewer elements.
        fill_value: optional_into Array,
    }
}

/// A number that a shape is made of: it must be known.
#[track_caller]
pub(crate) fn known_size(name: &str, number: &Array) -> usize {
    match number.item::<i64>() {
        Ok(n) => n as usize,
        Err(e) if e.kind() == ErrorKind::Concretization => throw!(
            Concretization,
            "{name}: the size of the result depends on values that are not known while a function is traced, and must be \
             known: pass `size`"
        ),
        Err(e) => Err(e).or_throw(),
    }
}

/// How many are true, which must be known unless `size` is.
#[track_caller]
pub(super) fn size_or_count(name: &str, mask: &Array, size: Option<usize>) -> usize {
    match size {
        Some(size) => size,
        None if mask.size() == 0 => 0,
        None => known_size(name, &sum(mask, ..)),
    }
}

/// The positions of elements that are not zero: a vector for each axis, in row-major order. JAX's `where` with one argument.
///
/// # Errors
/// `nonzero: takes an array with axes, got f32[]`; a traced array, unless [`nonzero_with`] is told a `size`.
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let [rows, columns] = jnp::nonzero(Array::from([[0, 5], [7, 0]]));
/// assert_eq!((rows.to_vec::<i32>()?, columns.to_vec::<i32>()?), (vec![0, 1], vec![1, 0]));
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn nonzero<R: FromArrays>(x: impl Into<Array>) -> R {
    nonzero_with(x, SizeOptions::new())
}

/// [`nonzero`] by options. What fills up is a number, or a vector with one for each axis; zeros if it is not given.
///
/// # Errors
/// As [`nonzero`]; a `fill_value` that is neither.
#[track_caller]
pub fn nonzero_with<R: FromArrays>(x: impl Into<Array>, options: SizeOptions) -> R {
    R::from_arrays("nonzero", positions("nonzero", &x.into(), &options))
}

/// [`nonzero`] of the function `name`.
#[track_caller]
pub(super) fn positions(name: &str, x: &Array, options: &SizeOptions) -> Vec<Array> {
    let rank = x.ndim();
    if rank == 0 {
        throw!(Shape, "{name}: takes an array with axes, got {}: use atleast_1d", x.aval());
    }
    let fill = options.fill_value.as_ref();
    if let Some(fill) = fill.filter(|fill| fill.ndim() > 1 || (fill.ndim() == 1 && fill.size() != rank)) {
        let fill = fill.aval();
        throw!(
            Shape,
            "{name}: fill_value must be a scalar or a vector with one number for each axis, got {fill}"
        );
    }
    let mask = to_bool(x);
    let size = size_or_count(name, &mask, options.size);
    if x.size() == 0 || size == 0 {
        return vec![lax::zeros(default_int(), &[size]); rank];
    }
    // The i-th true element is where the running count first exceeds i.
    let before = bincount_with(cumsum(&mask, ..), BincountOptions::new().length(size));
    let flat = cumsum(before, ..);
    let mut stride = x.size();
    let mut out = Vec::with_capacity(rank);
    for n in x.shape() {
        stride /= n;
        out.push(remainder(floor_divide(&flat, stride), *n));
    }
    if let Some(fill) = fill {
        let beyond = greater_equal(lax::iota(default_int(), size), sum(&mask, ..));
        for (axis, at) in out.iter_mut().enumerate() {
            let fill = if fill.ndim() == 0 { fill.clone() } else { fill.index(axis) };
            *at = where_(&beyond, fill, &*at);
        }
    }
    out
}

/// [`nonzero`] of the flattened array.
///
/// # Errors
/// As [`nonzero`].
#[track_caller]
pub fn flatnonzero(x: impl Into<Array>) -> Array {
    flatnonzero_with(x, SizeOptions::new())
}

/// [`flatnonzero`] by options.
///
/// # Errors
/// As [`nonzero_with`].
#[track_caller]
pub fn flatnonzero_with(x: impl Into<Array>, options: SizeOptions) -> Array {
    positions("flatnonzero", &ravel(x), &options).swap_remove(0)
}

/// The positions of elements that are not zero, one below the other: `n` of them in an array of two axes are `i32[n,2]`.
///
/// # Errors
/// A traced array, unless [`argwhere_with`] is told a `size`.
#[track_caller]
pub fn argwhere(x: impl Into<Array>) -> Array {
    argwhere_with(x, SizeOptions::new())
}

/// [`argwhere`] by options.
///
/// # Errors
/// As [`nonzero_with`].
#[track_caller]
pub fn argwhere_with(x: impl Into<Array>, options: SizeOptions) -> Array {
    let x = x.into();
    let rows = transpose(stack(positions("argwhere", &atleast_1d(&x), &options), 0), ..);
    // Of a scalar there are positions without numbers.
    if x.ndim() == 0 { lax::slice(&rows, [0, 0], [rows.shape()[0], 0]) } else { rows }
}

options! {
    /// Options of [`compress_with`] and [`extract_with`].
    pub struct CompressOptions {
        /// How many elements the result has along the axis. It must be given where the condition is traced.
        size: optional usize,
        /// What stands in the result where fewer are chosen.
        fill_value: into Array = 0,
    }
}

/// Those elements along an axis, or of the flattened array for `..`, for which the vector `condition` is true.
///
/// # Errors
/// `compress: condition must be a vector, got bool[2,2]`; one that is true beyond the axis; a traced one, unless
/// [`compress_with`] is told a `size`.
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let x = Array::from([[1, 2], [3, 4], [5, 6]]);
/// let condition = Array::from([true, false, true]);
/// assert_eq!(jnp::compress(&condition, &x, 0).to_vec::<i32>()?, [1, 2, 5, 6]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn compress(condition: impl Into<Array>, x: impl Into<Array>, axis: impl Into<OptAxis>) -> Array {
    compress_with(condition, x, axis, CompressOptions::new())
}

/// [`compress`] by options.
///
/// # Errors
/// As [`compress`]; a `size` larger than the axis.
#[track_caller]
pub fn compress_with(
    condition: impl Into<Array>,
    x: impl Into<Array>,
    axis: impl Into<OptAxis>,
    options: CompressOptions,
) -> Array {
    chosen("compress", &condition.into(), &x.into(), axis.into(), &options)
}

#[track_caller]
fn chosen(name: &str, condition: &Array, x: &Array, axis: OptAxis, options: &CompressOptions) -> Array {
    if condition.ndim() != 1 {
        throw!(Shape, "{name}: condition must be a vector, got {}", condition.aval());
    }
    let (x, axis) = match axis.get() {
        None => (ravel(x), 0),
        Some(axis) => {
            let axis = axis_of(name, axis, x);
            (moveaxis(x, axis, 0), axis)
        }
    };
    let condition = to_bool(condition);
    let n = condition.size().min(x.shape()[0]);
    let (within, beyond) = (condition.index(..n), condition.index(n..));
    let x = x.index(..n);
    let out = match options.size {
        None => {
            if beyond.size() > 0 && known_size(name, &sum(beyond, ..)) > 0 {
                throw!(InvalidArgument, "{name}: condition is true beyond the {n} elements of {}", x.aval());
            }
            let size = size_or_count(name, &within, None);
            x.index(&positions(name, &within, &SizeOptions::new().size(size))[0])
        }
        Some(size) if size > n => {
            throw!(InvalidArgument, "{name}: size {size} is more than the {n} elements of {}", x.aval())
        }
        Some(size) => {
            let others: Vec<usize> = (1..x.ndim()).collect();
            let fill = strong(&options.fill_value, x.dtype());
            let x = where_(lax::expand_dims(&within, others), x, fill);
            // True ones first, in their order.
            let order = argsort_with(within, 0, SortOptions::new().descending(true));
            x.index(order).index(..size)
        }
    };
    moveaxis(out, 0, axis)
}

/// The elements of the flattened array where `condition`, flattened too, is true.
///
/// # Errors
/// As [`compress`].
#[track_caller]
pub fn extract(condition: impl Into<Array>, x: impl Into<Array>) -> Array {
    extract_with(condition, x, CompressOptions::new())
}

/// [`extract`] by options.
///
/// # Errors
/// As [`compress_with`].
#[track_caller]
pub fn extract_with(condition: impl Into<Array>, x: impl Into<Array>, options: CompressOptions) -> Array {
    chosen("extract", &ravel(condition), &x.into(), (..).into(), &options)
}

/// At which ends [`trim_zeros_with`] takes zeros away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trim {
    /// At the front.
    Front,
    /// At the back.
    Back,
    /// At both ends.
    #[default]
    Both,
}

options! {
    /// Options of [`trim_zeros_with`].
    pub struct TrimZerosOptions {
        /// At which ends.
        trim: value Trim = Trim::Both,
    }
}

/// The array without what is zero throughout at both ends of axes; `..` for all axes.
///
/// # Errors
/// A traced array: its values decide the shape, and JAX has no option for it either; axes out of range.
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// assert_eq!(jnp::trim_zeros(Array::from([0, 0, 3, 0, 4, 0]), ..).to_vec::<i32>()?, [3, 0, 4]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn trim_zeros(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    trim_zeros_with(x, axes, TrimZerosOptions::new())
}

/// [`trim_zeros`] by options.
///
/// # Errors
/// As [`trim_zeros`].
#[track_caller]
pub fn trim_zeros_with(x: impl Into<Array>, axes: impl Into<Axes>, options: TrimZerosOptions) -> Array {
    let x = x.into();
    let rank = x.ndim();
    let (mut start, mut limit) = (vec![0; rank], x.shape().to_vec());
    for axis in axes_of("trim_zeros", &axes.into(), &x) {
        let others: Vec<usize> = (0..rank).filter(|d| *d != axis).collect();
        let mask = any(&x, others);
        let number = |i: &Array| match i.item::<i64>() {
            Ok(i) => i as usize,
            Err(e) => Err(e.context("trim_zeros: the values decide the shape")).or_throw(),
        };
        if mask.size() == 0 || number(&sum(&mask, ..)) == 0 {
            (start[axis], limit[axis]) = (0, 0);
            continue;
        }
        if options.trim != Trim::Back {
            start[axis] = number(&argmax(&mask, 0));
        }
        if options.trim != Trim::Front {
            limit[axis] -= number(&argmax(lax::rev(&mask, [0]), 0));
        }
    }
    lax::slice(&x, start, limit)
}
