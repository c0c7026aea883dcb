//! Windows that slide over the spatial axes of `[batch.., spatial.., features]`. Flax: `linen/pooling.py`.

use super::convolution::{fitting, for_each};
use crate::arguments::{Dims, options};
use crate::core::array::Array;
use crate::error::{OrThrow, throw};
use crate::lax::{self, Padding, WindowOptions};
use crate::numpy;

options! {
    /// Options of [`max_pool_with`] and [`min_pool_with`].
    pub struct PoolOptions {
        /// Steps between windows, one number for all axes or one for each; 1 if they are not given.
        strides: optional_into Dims,
        /// What is around the input: elements that are never chosen.
        padding: into Padding = Padding::Valid,
    }
}

options! {
    /// Options of [`avg_pool_with`].
    pub struct AvgPoolOptions {
        /// Steps between windows, one number for all axes or one for each; 1 if they are not given.
        strides: optional_into Dims,
        /// What is around the input: zeros.
        padding: into Padding = Padding::Valid,
        /// Do the zeros around the input count?
        count_include_pad: value bool = true,
    }
}

/// The options of a window that slides along the spatial axes alone, and its size along all axes.
#[track_caller]
fn window(
    name: &str,
    x: &Array,
    shape: &Dims,
    strides: Option<&Dims>,
    padding: Padding,
) -> (Vec<usize>, WindowOptions) {
    let shape = shape.shape(name).or_throw();
    let spatial = shape.len();
    let Some(batch) = x.ndim().checked_sub(spatial + 1) else {
        throw!(Shape, "{name}: the input has {spatial} spatial axes and one of features, got {}", x.aval())
    };
    let widened = |sizes: &[usize]| [&vec![1; batch], sizes, &[1]].concat();
    let strides = for_each(name, "strides", strides, spatial);
    let padding = match fitting(name, padding, spatial) {
        Padding::Explicit(pads) => Padding::Explicit([vec![(0, 0); batch], pads, vec![(0, 0)]].concat()),
        named => named,
    };
    (widened(&shape), WindowOptions::new().window_strides(widened(&strides)).padding(padding))
}

/// The largest element of each window: `f32[batch.., height, width, n]`, windows `(2, 2)` to `f32[batch.., height - 1, width - 1, n]`.
/// Flax: `max_pool`.
///
/// ```
/// use raxla::nn::{self, PoolOptions};
/// use raxla::lax;
///
/// let x = lax::full([8, 28, 28, 16], 1f32);
/// assert_eq!(nn::max_pool_with(&x, (2, 2), PoolOptions::new().strides(2)).shape(), [8, 14, 14, 16]);
/// ```
///
/// # Errors
/// `max_pool: the input has 2 spatial axes and one of features, got f32[28]`.
#[track_caller]
pub fn max_pool(x: impl Into<Array>, window_shape: impl Into<Dims>) -> Array {
    max_pool_with(x, window_shape, PoolOptions::new())
}

/// [`max_pool`], with options.
///
/// # Errors
/// As [`max_pool`]; options that do not fit the number of spatial axes.
#[track_caller]
pub fn max_pool_with(x: impl Into<Array>, window_shape: impl Into<Dims>, options: PoolOptions) -> Array {
    let x = x.into();
    let (shape, options) =
        window("max_pool", &x, &window_shape.into(), options.strides.as_ref(), options.padding);
    lax::reduce_window_max_with(&x, shape, options)
}

/// The smallest element of each window. Flax: `min_pool`.
///
/// # Errors
/// As [`max_pool`].
#[track_caller]
pub fn min_pool(x: impl Into<Array>, window_shape: impl Into<Dims>) -> Array {
    min_pool_with(x, window_shape, PoolOptions::new())
}

/// [`min_pool`], with options.
///
/// # Errors
/// As [`max_pool_with`].
#[track_caller]
pub fn min_pool_with(x: impl Into<Array>, window_shape: impl Into<Dims>, options: PoolOptions) -> Array {
    let x = x.into();
    let (shape, options) =
        window("min_pool", &x, &window_shape.into(), options.strides.as_ref(), options.padding);
    lax::reduce_window_min_with(&x, shape, options)
}

/// The mean of each window: `f32[batch.., height, width, n]`, windows `(2, 2)` to `f32[batch.., height - 1, width - 1, n]`. Flax:
/// `avg_pool`.
///
/// # Errors
/// As [`max_pool`].
#[track_caller]
pub fn avg_pool(x: impl Into<Array>, window_shape: impl Into<Dims>) -> Array {
    avg_pool_with(x, window_shape, AvgPoolOptions::new())
}

/// [`avg_pool`], with options.
///
/// # Errors
/// As [`max_pool_with`].
#[track_caller]
pub fn avg_pool_with(x: impl Into<Array>, window_shape: impl Into<Dims>, options: AvgPoolOptions) -> Array {
    let x = x.into();
    let (shape, window) =
        window("avg_pool", &x, &window_shape.into(), options.strides.as_ref(), options.padding);
    let sums = lax::reduce_window_sum_with(&x, &shape, window.clone());
    if options.count_include_pad {
        return sums / shape.iter().product::<usize>() as f64;
    }
    sums / lax::reduce_window_sum_with(&numpy::ones_like(&x), &shape, window)
}

/// The mean of each of `output_shape` parts of the spatial axes: `f32[batch.., height, width, n]` to `f32[batch.., output_shape.., n]`.
/// Part `i` of `m` of an axis of `k` elements goes from `i * k / m` to `(i + 1) * k / m`, rounded outward. PyTorch:
/// `AdaptiveAvgPool2d`.
///
/// ```
/// use raxla::{lax, nn};
///
/// let x = lax::full([8, 30, 17, 16], 1f32);
/// assert_eq!(nn::adaptive_avg_pool(&x, (7, 7)).shape(), [8, 7, 7, 16]);
/// ```
///
/// # Errors
/// As [`max_pool`]; an axis without elements.
#[track_caller]
pub fn adaptive_avg_pool(x: impl Into<Array>, output_shape: impl Into<Dims>) -> Array {
    adaptive("adaptive_avg_pool", x.into(), &output_shape.into(), |part, axis| {
        numpy::mean_with(part, axis, numpy::ReduceOptions::new().keepdims(true))
    })
}

/// The largest element of each of `output_shape` parts of the spatial axes, which are those of [`adaptive_avg_pool`]. PyTorch:
/// `AdaptiveMaxPool2d`.
///
/// # Errors
/// As [`adaptive_avg_pool`].
#[track_caller]
pub fn adaptive_max_pool(x: impl Into<Array>, output_shape: impl Into<Dims>) -> Array {
    adaptive("adaptive_max_pool", x.into(), &output_shape.into(), |part, axis| {
        numpy::max_with(part, axis, numpy::ReduceOptions::new().keepdims(true))
    })
}

/// Axis by axis: parts are boxes, of whose every row there are as many elements.
#[track_caller]
fn adaptive(name: &str, x: Array, shape: &Dims, reduce: impl Fn(&Array, usize) -> Array) -> Array {
    let shape = shape.shape(name).or_throw();
    let Some(batch) = x.ndim().checked_sub(shape.len() + 1) else {
        throw!(
            Shape,
            "{name}: the input has {} spatial axes and one of features, got {}",
            shape.len(),
            x.aval()
        )
    };
    let mut y = x;
    for (axis, parts) in shape.iter().enumerate().map(|(i, parts)| (batch + i, *parts)) {
        let size = y.shape()[axis];
        if size == 0 || parts == 0 {
            throw!(Shape, "{name}: axis {axis} of {} cannot be made {parts} parts", y.aval());
        }
        let part = |i: usize| {
            let part = i * size / parts..((i + 1) * size).div_ceil(parts);
            reduce(&lax::slice_in_dim(&y, part, axis), axis)
        };
        y = numpy::concatenate(Vec::from_iter((0..parts).map(part)), axis);
    }
    y
}
