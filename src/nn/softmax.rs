//! Functions over axes: softmax and its like, one-hot vectors, standardisation. JAX: `nn/functions.py`.

use crate::arguments::{Axes, Axis, options};
use crate::calls::jit_call::jitted;
use crate::core::array::Array;
use crate::custom_derivatives::CustomUnary;
use crate::dtype::DType;
use crate::error::{OrThrow, throw};
use crate::lax;
use crate::numpy::util::{constant, default_float, inexact, promote_args_inexact, reject_complex};
use crate::numpy::{ReduceOptions, maximum, mean_with, not_equal, subtract, where_};

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

/// How [`standardize_with`] computes the variance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum VarianceAlgorithm {
    /// `E[x²] - E[x]²`, which loses digits where the mean is large beside the deviation.
    #[default]
    Fast,
    /// `E[(x - E[x])²]`.
    Stable,
}

options! {
    /// Options of [`standardize_with`].
    pub struct StandardizeOptions {
        /// The mean, if it is known.
        mean: optional_into Array,
        /// The variance, if it is known.
        variance: optional_into Array,
        /// Added to the variance.
        epsilon: into Array = 1e-5,
        /// Only elements where this `bool` array is true count.
        where_: optional_into Array,
        /// How the variance is computed.
        algorithm: value VarianceAlgorithm = VarianceAlgorithm::Fast,
    }
}

/// `x` less its mean over `axes`, divided by its standard deviation; 1e-5 is added to the variance.
///
/// # Errors
/// An axis out of range or repeated.
#[track_caller]
pub fn standardize(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    standardize_with(x, axes, StandardizeOptions::new())
}

/// [`standardize`] by options.
///
/// # Errors
/// An axis out of range or repeated; a mean or a variance that does not broadcast.
#[track_caller]
pub fn standardize_with(x: impl Into<Array>, axes: impl Into<Axes>, options: StandardizeOptions) -> Array {
    let (x, axes) = (inexact(&x.into()), axes.into());
    let average = |x: Array| {
        let mut reduce = ReduceOptions::new().keepdims(true);
        reduce.where_ = options.where_.clone();
        mean_with(x, axes.clone(), reduce)
    };
    let mean = options.mean.clone().unwrap_or_else(|| average(x.clone()));
    let variance = options.variance.clone().unwrap_or_else(|| match options.algorithm {
        VarianceAlgorithm::Fast => maximum(average(lax::square(&x)) - lax::square(&mean), 0),
        VarianceAlgorithm::Stable => average(lax::square(&subtract(&x, &mean))),
    });
    subtract(&x, &mean) * lax::rsqrt(&(variance + options.epsilon))
}

options! {
    /// Options of [`one_hot_with`].
    pub struct OneHotOptions {
        /// The dtype of the result; JAX's default float unless it is given.
        dtype: optional DType,
        /// Where the new axis stands in the result.
        axis: into Axis = -1,
    }
}

/// Vectors of `num_classes` elements along a new last axis, 1 at the index and 0 elsewhere; all 0 for an index out of range.
///
/// ```
/// use raxla::{Array, nn};
///
/// let y = nn::one_hot(Array::from([0, 2]), 3);
/// assert_eq!(y.to_vec::<f32>()?, [1.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn one_hot(x: impl Into<Array>, num_classes: usize) -> Array {
    one_hot_with(x, num_classes, OneHotOptions::new())
}

/// [`one_hot`] of another dtype, or along another new axis.
///
/// ```
/// use raxla::{Array, DType, nn::{self, OneHotOptions}};
///
/// let y = nn::one_hot_with(Array::from([0, 2]), 3, OneHotOptions::new().axis(0).dtype(DType::I32));
/// assert_eq!((y.shape(), y.to_vec::<i32>()?), (&[3, 2][..], vec![1, 0, 0, 0, 0, 1]));
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// An axis out of range.
#[track_caller]
pub fn one_hot_with(x: impl Into<Array>, num_classes: usize, options: OneHotOptions) -> Array {
    let x = x.into();
    let dtype = options.dtype.unwrap_or(default_float());
    let axis = options.axis.position("one_hot", x.ndim() + 1).or_throw();
    let mut shape = vec![1; x.ndim() + 1];
    shape[axis] = num_classes;
    let classes = lax::broadcasted_iota(x.dtype(), shape, axis);
    lax::convert_element_type(&crate::numpy::equal(lax::expand_dims(&x, axis), classes), dtype)
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
