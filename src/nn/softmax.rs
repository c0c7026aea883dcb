//! Functions over axes: softmax and its like, one-hot vectors, standardisation. JAX: `nn/functions.py`.

use crate::core::array::Array;
use crate::dtype::DType;
use crate::error::OrThrow;
use crate::lax;
use crate::numpy::util::{constant, default_float, inexact};
use crate::numpy::{Axes, keepdims};

/// `e^x / sum(e^x)` over `axes`: positive numbers that sum to 1.
///
/// # Errors
/// An axis out of range or repeated.
/// ```
/// use raxla::{Array, nn};
///
/// assert_eq!(nn::softmax(Array::from([0.0f32, 0.0]), -1).to_vec::<f32>()?, [0.5, 0.5]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn softmax(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    let (x, axes) = (inexact(&x.into()), axes.into());
    let exponentials = lax::exp(&shifted(&x, &axes));
    let total = kept_sum(&exponentials, &axes);
    lax::div(&exponentials, &total)
}

/// `x - log(sum(e^x))` over `axes`: the logarithm of [`softmax`].
///
/// # Errors
/// An axis out of range or repeated.
#[track_caller]
pub fn log_softmax(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    let (x, axes) = (inexact(&x.into()), axes.into());
    let shifted = shifted(&x, &axes);
    let total = kept_sum(&lax::exp(&shifted), &axes);
    lax::sub(&shifted, &lax::log(&total))
}

/// `x` less its largest element over `axes`, which changes neither result nor derivative.
#[track_caller]
fn shifted(x: &Array, axes: &Axes) -> Array {
    let dims = axes.resolve("softmax", x.ndim()).or_throw();
    let largest = lax::expand_dims(&lax::reduce_max(x, &dims), &dims);
    lax::sub(x, &lax::stop_gradient(&largest))
}

#[track_caller]
fn kept_sum(x: &Array, axes: &Axes) -> Array {
    let dims = axes.resolve("softmax", x.ndim()).or_throw();
    lax::expand_dims(&lax::reduce_sum(x, &dims), &dims)
}

/// `x` less its mean over `axes`, divided by its standard deviation; `epsilon` is added to the variance. JAX's default
/// epsilon is 1e-5.
///
/// # Errors
/// An axis out of range or repeated.
#[track_caller]
pub fn standardize(x: impl Into<Array>, axes: impl Into<Axes>, epsilon: f64) -> Array {
    let (x, axes) = (inexact(&x.into()), axes.into());
    let mean = crate::numpy::mean(&x, keepdims(axes.clone()));
    // E[x²] - E[x]²: not the stablest formula, but JAX's.
    let squares = crate::numpy::mean(lax::square(&x), keepdims(axes));
    let variance = lax::sub(&squares, &lax::square(&mean));
    let scale = lax::rsqrt(&lax::add(&variance, &constant(&variance, epsilon)));
    lax::mul(&lax::sub(&x, &mean), &scale)
}

/// Vectors of `num_classes` elements along a new last axis, 1 at the index and 0 elsewhere; all 0 for an index out of range.
/// `float32` unless a dtype is given.
///
/// ```
/// use raxla::{Array, nn};
///
/// let y = nn::one_hot(Array::from([0, 2]), 3, None);
/// assert_eq!(y.to_vec::<f32>()?, [1.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn one_hot(x: impl Into<Array>, num_classes: usize, dtype: impl Into<Option<DType>>) -> Array {
    let x = x.into();
    let dtype = dtype.into().unwrap_or(default_float());
    let column = lax::expand_dims(&x, &[x.ndim()]);
    let classes = lax::iota(x.dtype(), num_classes);
    lax::convert_element_type(&crate::numpy::equal(column, classes), dtype)
}

/// `log(1 - e^-x)` for positive `x`. Mächler 2012, eq. 7.
#[track_caller]
pub fn log1mexp(x: impl Into<Array>) -> Array {
    let x = inexact(&x.into());
    let small = lax::lt(&x, &constant(&x, std::f64::consts::LN_2));
    let near = lax::log(&lax::neg(&lax::expm1(&lax::neg(&x))));
    let far = lax::log1p(&lax::neg(&lax::exp(&lax::neg(&x))));
    crate::numpy::where_(small, near, far)
}
