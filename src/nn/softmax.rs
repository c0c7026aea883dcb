//! Functions over axes: softmax and its like, one-hot vectors, standardisation. JAX: `nn/functions.py`.

use crate::arguments::{Axes, options};
use crate::calls::jit_call::jitted;
use crate::core::array::Array;
use crate::custom_derivatives::CustomUnary;
use crate::dtype::DType;
use crate::error::{OrThrow, throw};
use crate::lax;
use crate::numpy::util::{constant, default_float, inexact, promote_args_inexact, reject_complex};
use crate::numpy::{ReduceOptions, mean_with, not_equal, where_};

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
    let dims = axes.into().sorted("softmax", x.ndim()).or_throw();
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
    let dims = axes.into().sorted("log_softmax", x.ndim()).or_throw();
    jitted("log_softmax", dims.iter().map(|d| *d as i64), &[&x], |x| {
        let shifted = shifted(&x[0], &dims);
        let total = kept_sum(&lax::exp(&shifted), &dims);
        lax::sub(&shifted, &lax::log(&total))
    })
}

options! {
    /// Options of [`logsumexp_with`].
    pub struct LogsumexpOptions {
        /// What each `e^x` is multiplied by before they are added. It broadcasts to the array; a negative sum gives nan.
        b: optional_into Array,
        /// Only elements where this `bool` array is true count.
        where_: optional_into Array,
        /// Do the reduced axes stay, with size one?
        keepdims: value bool = false,
    }
}

/// `log(sum(e^x))` over `axes`, without overflow.
///
/// # Errors
/// An axis out of range or repeated; complex operands.
/// ```
/// use raxla::{Array, nn};
///
/// assert_eq!(nn::logsumexp(Array::from([1000.0f32, f32::NEG_INFINITY]), ..).item::<f32>()?, 1000.0);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn logsumexp(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    logsumexp_of(&x.into(), &axes.into(), &LogsumexpOptions::new())
}

/// [`logsumexp`] by options.
///
/// # Errors
/// As [`logsumexp`]; a `where_` that is not of `bool`.
#[track_caller]
pub fn logsumexp_with(x: impl Into<Array>, axes: impl Into<Axes>, options: LogsumexpOptions) -> Array {
    logsumexp_of(&x.into(), &axes.into(), &options)
}

#[track_caller]
fn logsumexp_of(x: &Array, axes: &Axes, options: &LogsumexpOptions) -> Array {
    let mut x = inexact(x);
    reject_complex("logsumexp", &x);
    let mut factor = None;
    if let Some(b) = &options.b {
        let [wide, b] = promote_args_inexact("logsumexp", [&x, b]);
        // What is multiplied by nothing must not make the largest element.
        x = where_(not_equal(&b, 0), &wide, constant(&wide, f64::NEG_INFINITY));
        factor = Some(b);
    }
    let dims = axes.sorted("logsumexp", x.ndim()).or_throw();
    let masked = |x: Array, value: f64| match &options.where_ {
        Some(mask) => where_(mask, &x, constant(&x, value)),
        None => x,
    };
    if let Some(mask) = options.where_.as_ref().filter(|mask| !mask.dtype().is_bool()) {
        throw!(DType, "logsumexp: where_ must be a boolean array, got {}", mask.aval());
    }
    // The largest element is subtracted before, and no gradient runs through that.
    let largest = lax::expand_dims(&lax::reduce_max(&masked(x.clone(), f64::NEG_INFINITY), &dims), &dims);
    let finite = lax::is_finite(&largest);
    let largest = lax::stop_gradient(&where_(finite, &largest, constant(&largest, 0.0)));
    let mut terms = lax::exp(&lax::sub(&x, &largest));
    if let Some(b) = &factor {
        terms = crate::numpy::multiply(terms, b);
    }
    let total = lax::reduce_sum(&masked(terms, 0.0), &dims);
    let total = if options.keepdims { lax::expand_dims(&total, &dims) } else { total };
    let shift = lax::reshape(&largest, total.shape());
    lax::add(&lax::log(&total), &shift)
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
    let dims = axes.sorted("logmeanexp", x.ndim()).or_throw();
    jitted("logmeanexp", dims.iter().map(|d| *d as i64), &[&x], |x| {
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
    let mean = mean_with(&x, axes.clone(), ReduceOptions::new().keepdims(true));
    // E[x²] - E[x]²: not the stablest formula, but JAX's.
    let squares = mean_with(lax::square(&x), axes, ReduceOptions::new().keepdims(true));
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
    let column = lax::expand_dims(&x, [x.ndim()]);
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
