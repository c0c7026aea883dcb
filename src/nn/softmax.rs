//! Functions over axes: softmax and its like, one-hot vectors, standardisation. JAX: `nn/functions.py`.

use crate::calls::jit_call::jitted;
use crate::core::array::Array;
use crate::custom_derivatives::CustomUnary;
use crate::dtype::DType;
use crate::error::OrThrow;
use crate::lax;
use crate::numpy::util::{constant, default_float, inexact};
use crate::numpy::{Axes, keepdims, logsumexp};

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
    let x = inexact(&x.into());
    let dims = axes.into().resolve("softmax", x.ndim()).or_throw();
    let exponentials = lax::exp(&shifted(&x, &dims));
    let total = kept_sum(&exponentials, &dims);
    lax::div(&exponentials, &total)
}

/// `x - log(sum(e^x))` over `axes`: the logarithm of [`softmax`].
///
/// # Errors
/// An axis out of range or repeated.
#[track_caller]
pub fn log_softmax(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    let x = inexact(&x.into());
    let dims = axes.into().resolve("log_softmax", x.ndim()).or_throw();
    jitted("log_softmax", dims.iter().map(|d| *d as i64), &[&x], |x| {
        let shifted = shifted(&x[0], &dims);
        let total = kept_sum(&lax::exp(&shifted), &dims);
        lax::sub(&shifted, &lax::log(&total))
    })
}

/// The logarithm of the mean of `e^x` over `axes`, without overflow.
///
/// ```
/// use raxla::{Array, nn};
///
/// assert_eq!(nn::logmeanexp(Array::from([1000.0f32, 1000.0]), ..).item::<f32>()?, 1000.0);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `logmeanexp`'s operands are real; an axis out of range or repeated.
#[track_caller]
pub fn logmeanexp(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    let (x, axes) = (x.into(), axes.into());
    let dims = axes.resolve("logmeanexp", x.ndim()).or_throw();
    let statics = dims.iter().map(|d| *d as i64).chain([i64::from(axes.keeps_dims())]);
    jitted("logmeanexp", statics, &[&x], |x| {
        let total = logsumexp(&x[0], axes);
        let count: usize = dims.iter().map(|d| x[0].shape()[*d]).product();
        lax::sub(&total, &lax::log(&lax::literal(total.dtype(), count as f64)))
    })
}

/// `x` less its largest element over `dims`, which changes neither result nor derivative.
#[track_caller]
fn shifted(x: &Array, dims: &[usize]) -> Array {
    // JAX's `initial=-inf`, for which nothing would be smaller anyway.
    let largest = lax::max(&constant(x, f64::NEG_INFINITY), &lax::reduce_max(x, dims));
    lax::sub(x, &lax::stop_gradient(&lax::expand_dims(&largest, dims)))
}

#[track_caller]
fn kept_sum(x: &Array, dims: &[usize]) -> Array {
    lax::expand_dims(&lax::reduce_sum(x, dims), dims)
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
    let f = |x: &Array| {
        jitted("log1mexp", [], &[x], |x| {
            let x = &x[0];
            let small = lax::lt(x, &constant(x, std::f64::consts::LN_2));
            let near = lax::log(&lax::neg(&lax::expm1(&lax::neg(x))));
            let far = lax::log1p(&lax::neg(&lax::exp(&lax::neg(x))));
            crate::numpy::where_(small, near, far)
        })
    };
    let tangent = |x: &Array, _: &Array, dx: &Array| lax::div(dx, &lax::expm1(x));
    CustomUnary { name: "log1mexp", f, tangent }.apply(&inexact(&x.into()))
}
