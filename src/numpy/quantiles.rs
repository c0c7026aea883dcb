//! Quantiles and medians. JAX: `numpy/reductions.py`.

use crate::arguments::{Axes, options};
use crate::calls::jit_call::{jitted, jitted_some};
use crate::core::array::Array;
use crate::dtype::DType;
use crate::error::throw;
use crate::lax;
use crate::lax::arguments::{axes_of, sorted_axes_of};
use crate::numpy::reductions::ReduceOptions;
use crate::numpy::util::{
    broadcast_to_shape, constant, default_int, inexact, promote_dtypes, reject_complex, strong,
    strong_constant,
};
use crate::numpy::{
    any, any_with, cumsum, isnan, less, less_equal, logical_or, multiply, take, take_along_axis, where_,
};

/// How [`quantile_with`] chooses between two elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum QuantileMethod {
    /// In proportion.
    #[default]
    Linear,
    /// The lower one.
    Lower,
    /// The higher one.
    Higher,
    /// Their mean.
    Midpoint,
    /// The nearer one.
    Nearest,
    /// The first one up to which there are at least `q` of all elements, or of their weights.
    InvertedCdf,
}

options! {
    /// Options of [`quantile_with`] and [`percentile_with`].
    ///
    /// ```
    /// use raxla::numpy::{self as jnp, QuantileMethod, QuantileOptions};
    /// use raxla::Array;
    ///
    /// let x = Array::from([1.0f32, 2.0, 4.0]);
    /// let lower = jnp::quantile_with(&x, 0.4, .., QuantileOptions::new().method(QuantileMethod::Lower));
    /// assert_eq!(lower.item::<f32>()?, 1.0);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    pub struct QuantileOptions {
        /// How it chooses between two elements.
        method: value QuantileMethod = QuantileMethod::Linear,
        /// Do the reduced axes stay, with size one?
        keepdims: value bool = false,
        /// How much each element counts, for [`QuantileMethod::InvertedCdf`]: of the shape of the array, or of the sizes of the
        /// axes.
        weights: optional_into Array,
    }
}

/// The `q`-th quantile (0 to 1) over `axes`. With a vector `q` the quantiles stand along a new leading axis. nan if there is
/// one.
///
/// # Errors
/// `quantile: q must be a scalar or a vector, got f32[2,2]`; complex operands; axes out of range.
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// assert_eq!(jnp::quantile(Array::from([1.0f32, 3.0]), 0.25, ..).item::<f32>()?, 1.5);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn quantile(x: impl Into<Array>, q: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    quantile_of("quantile", &x.into(), &q.into(), &axes.into(), &QuantileOptions::new(), false)
}

/// [`quantile`] by options.
///
/// # Errors
/// Those of [`quantile`]; weights of another shape, or without [`QuantileMethod::InvertedCdf`].
#[track_caller]
pub fn quantile_with(
    x: impl Into<Array>,
    q: impl Into<Array>,
    axes: impl Into<Axes>,
    options: QuantileOptions,
) -> Array {
    quantile_of("quantile", &x.into(), &q.into(), &axes.into(), &options, false)
}

/// [`quantile`] with `q` from 0 to 100.
///
/// # Errors
/// Those of [`quantile`].
#[track_caller]
pub fn percentile(x: impl Into<Array>, q: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    percentile_with(x, q, axes, QuantileOptions::new())
}

/// [`percentile`] by options.
///
/// # Errors
/// Those of [`quantile_with`].
#[track_caller]
pub fn percentile_with(
    x: impl Into<Array>,
    q: impl Into<Array>,
    axes: impl Into<Axes>,
    options: QuantileOptions,
) -> Array {
    percentile_of("percentile", &x.into(), &q.into(), &axes.into(), &options, false)
}

/// The middle element over `axes`, or the mean of the two in the middle; nan if there is one.
///
/// # Errors
/// Complex operands; axes out of range.
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// assert_eq!(jnp::median(Array::from([3.0f32, 1.0, 2.0, 10.0]), ..).item::<f32>()?, 2.5);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn median(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    median_with(x, axes, ReduceOptions::new())
}

/// [`median`] by the option `keepdims`.
///
/// # Errors
/// As [`median`]; other options.
#[track_caller]
pub fn median_with(x: impl Into<Array>, axes: impl Into<Axes>, options: ReduceOptions) -> Array {
    median_of("median", &x.into(), &axes.into(), options, false)
}

/// [`quantile`], or with `numbers` [`nanquantile`](super::nanquantile), for the function of this name.
#[track_caller]
pub(super) fn quantile_of(
    name: &'static str,
    x: &Array,
    q: &Array,
    axes: &Axes,
    options: &QuantileOptions,
    numbers: bool,
) -> Array {
    let (method, keepdims) = (options.method, options.keepdims);
    let (statics, weights) = ((axes.clone(), method, keepdims), [options.weights.as_ref()]);
    let called = if numbers { "nanquantile" } else { "quantile" };
    jitted_some(called, statics, [x, q], weights, |[x, q], [weights]| {
        let options = QuantileOptions { method, keepdims, weights: weights.cloned() };
        quantiles(name, x, q, axes, &options, numbers)
    })
}

/// [`quantile_of`], with `q` from 0 to 100.
#[track_caller]
pub(super) fn percentile_of(
    name: &'static str,
    x: &Array,
    q: &Array,
    axes: &Axes,
    options: &QuantileOptions,
    numbers: bool,
) -> Array {
    let (method, keepdims) = (options.method, options.keepdims);
    let (statics, weights) = ((axes.clone(), method, keepdims), [options.weights.as_ref()]);
    jitted_some(name, statics, [x, q], weights, |[x, q], [weights]| {
        let options = QuantileOptions { method, keepdims, weights: weights.cloned() };
        quantile_of(name, x, &(inexact(q) / 100.0), axes, &options, numbers)
    })
}

/// [`quantile_of`] one half.
#[track_caller]
pub(super) fn median_of(
    name: &'static str,
    x: &Array,
    axes: &Axes,
    options: ReduceOptions,
    numbers: bool,
) -> Array {
    options.only(name, &[]);
    let keepdims = options.keepdims;
    jitted(name, (axes.clone(), keepdims), [x], |[x]| {
        let options = QuantileOptions::new().method(QuantileMethod::Midpoint).keepdims(keepdims);
        quantile_of(name, x, &Array::from(0.5), axes, &options, numbers)
    })
}

/// JAX: `_quantile`. With `numbers`, of what is not nan.
#[track_caller]
fn quantiles(
    name: &str,
    x: &Array,
    q: &Array,
    axes: &Axes,
    options: &QuantileOptions,
    numbers: bool,
) -> Array {
    let (x, q) = (inexact(x), inexact(q));
    reject_complex(name, &x);
    if q.ndim() > 1 {
        throw!(Shape, "{name}: q must be a scalar or a vector, got {}", q.aval());
    }
    let dims = sorted_axes_of(name, axes, &x);
    let (x, weights) = match &options.weights {
        None => (x, None),
        Some(_) if options.method != QuantileMethod::InvertedCdf => {
            throw!(InvalidArgument, "{name}: weights need the method InvertedCdf, got {:?}", options.method)
        }
        Some(weights) => {
            let given = axes_of(name, axes, &x);
            let (x, weights) = weighed(name, &x, weights, axes.is_all(), &given);
            (x, Some(weights))
        }
    };
    // The reduced axes become the last one.
    let kept: Vec<usize> = (0..x.ndim()).filter(|d| !dims.contains(d)).collect();
    let order: Vec<usize> = kept.iter().chain(&dims).copied().collect();
    let mut shape: Vec<usize> = kept.iter().map(|d| x.shape()[*d]).collect();
    shape.push(dims.iter().map(|d| x.shape()[*d]).product());
    let flatten = |a: &Array| lax::reshape(&lax::transpose(a, &order), &shape);
    let flat = flatten(&x);
    if flat.shape().last() == Some(&0) {
        throw!(Shape, "{name}: there are no elements to choose from in {}", x.aval());
    }
    // A negative nan would come first.
    let is_nan = isnan(&flat);
    let is_nan = if numbers { is_nan } else { any_with(is_nan, -1, ReduceOptions::new().keepdims(true)) };
    let flat = where_(is_nan, f64::NAN, flat);
    let out = match options.method {
        QuantileMethod::InvertedCdf => {
            let weights = weights.map_or_else(|| lax::full_like(&flat, 1.0), |w| flatten(&w));
            inverted_cdf(&flat, &q, &weights, numbers)
        }
        method if numbers => between_numbers(&flat, &q, method),
        method => between(&flat, &q, method),
    };
    let out = strong(&out, x.dtype());
    if !options.keepdims {
        return out;
    }
    lax::expand_dims(&out, dims.iter().map(|d| d + q.ndim()).collect::<Vec<_>>())
}

/// The array and its weights, of one dtype and one shape.
#[track_caller]
fn weighed(name: &str, x: &Array, weights: &Array, all: bool, dims: &[usize]) -> (Array, Array) {
    reject_complex(name, weights);
    let [x, weights] = promote_dtypes(name, [x, &inexact(weights)]);
    if weights.shape() == x.shape() {
        return (x, weights);
    }
    let sizes: Vec<usize> = dims.iter().map(|d| x.shape()[*d]).collect();
    if all || weights.shape() != sizes {
        throw!(
            Shape,
            "{name}: weights must have the shape of the array or the sizes of its axes, got {} for {}",
            weights.aval(),
            x.aval()
        );
    }
    let spread = lax::broadcast_in_dim(&weights, x.shape(), dims);
    (x, spread)
}

/// An element of the last axis, or something between two of them.
#[track_caller]
fn between(flat: &Array, q: &Array, method: QuantileMethod) -> Array {
    let n = flat.shape()[flat.ndim() - 1];
    let sorted = lax::sort(flat, -1);
    let last = constant(q, n as f64 - 1.0);
    let at = lax::mul(q, &last);
    let (low, high) = (lax::floor(&at), lax::ceil(&at));
    let high_weight = lax::sub(&at, &low);
    let low_weight = lax::sub(&constant(&high_weight, 1.0), &high_weight);
    let value = |i: &Array| {
        let i = lax::clamp(&constant(i, 0.0), i, &last);
        let found = take(&sorted, strong(&i, DType::I32), -1);
        // The axis of q goes in front.
        if q.ndim() == 1 { lax::move_axis(&found, found.ndim() - 1, 0) } else { found }
    };
    let spread = |w: &Array, like: &Array| {
        if w.ndim() == 1 { lax::broadcast_in_dim(w, like.shape(), [0]) } else { w.clone() }
    };
    match method {
        QuantileMethod::Lower => value(&low),
        QuantileMethod::Higher => value(&high),
        _ => {
            let (low, high) = (value(&low), value(&high));
            let (low_weight, high_weight) = (spread(&low_weight, &low), spread(&high_weight, &high));
            chosen((low, low_weight), (high, high_weight), method, q.dtype())
        }
    }
}

/// Something between two elements by their weights.
#[track_caller]
fn chosen(
    (low, low_weight): (Array, Array),
    (high, high_weight): (Array, Array),
    method: QuantileMethod,
    wide: DType,
) -> Array {
    match method {
        QuantileMethod::Midpoint => {
            let sum = lax::add(&low, &high);
            lax::mul(&sum, &constant(&sum, 0.5))
        }
        QuantileMethod::Nearest => where_(less_equal(&high_weight, 0.5), low, high),
        _ => lax::add(
            &lax::mul(&strong(&low, wide), &low_weight),
            &lax::mul(&strong(&high, wide), &high_weight),
        ),
    }
}

/// [`between`] of what is not nan, which is another number of elements in each row.
#[track_caller]
fn between_numbers(flat: &Array, q: &Array, method: QuantileMethod) -> Array {
    let rank = flat.ndim();
    let sorted = lax::sort(flat, -1);
    let there = lax::bitwise_not(&isnan(&sorted));
    let last = lax::reduce_sum(&strong(&there, q.dtype()), [rank - 1]) - 1;
    // Along the last axis: one place for each q.
    let last = lax::expand_dims(&last, [rank - 1]);
    let at = multiply(lax::reshape(q, [q.size()]), &last);
    let (low, high) = (lax::floor(&at), lax::ceil(&at));
    let high_weight = lax::sub(&at, &low);
    let low_weight = lax::sub(&constant(&high_weight, 1.0), &high_weight);
    let front = |x: &Array| {
        if q.ndim() == 0 { x.index((.., 0)) } else { lax::move_axis(x, rank - 1, 0) }
    };
    let value = |i: &Array| {
        let i = crate::numpy::maximum(0, crate::numpy::minimum(i, &last));
        front(&take_along_axis(&sorted, strong(&i, default_int()), -1))
    };
    match method {
        QuantileMethod::Lower => value(&low),
        QuantileMethod::Higher => value(&high),
        _ => {
            let weighted = |at: &Array, weight: &Array| (value(at), front(weight));
            chosen(weighted(&low, &low_weight), weighted(&high, &high_weight), method, q.dtype())
        }
    }
}

/// The first element of the last axis up to which there are at least `q` of all weights.
#[track_caller]
fn inverted_cdf(flat: &Array, q: &Array, weights: &Array, numbers: bool) -> Array {
    let (rank, n) = (flat.ndim(), flat.shape()[flat.ndim() - 1]);
    let (sorted, weights) = lax::sort_key_val(flat, weights, -1);
    let zero = strong_constant(&weights, 0.0);
    let bad = logical_or(less(&weights, &zero), isnan(&weights));
    let usable = where_(logical_or(&bad, isnan(&sorted)), zero, &weights);
    let up_to = cumsum(&usable, -1);
    let total = up_to.index((.., -1));
    // Along the last axis: one place for each q.
    let qs = lax::reshape(q, [q.size()]);
    let wanted = multiply(lax::expand_dims(&total, [rank - 1]), qs);
    let below = less(lax::expand_dims(&up_to, [rank - 1]), lax::expand_dims(&wanted, [rank]));
    let place = lax::reduce_sum(&strong(&below, default_int()), [rank]);
    let (place, spoilt) = if numbers {
        let there = lax::bitwise_not(&isnan(&sorted));
        let there = lax::reduce_sum(&strong(&there, default_int()), [rank - 1]);
        let last = lax::expand_dims(&(&there - 1), [rank - 1]);
        let place = crate::numpy::maximum(0, crate::numpy::minimum(place, last));
        (place, logical_or(any(bad, -1), crate::numpy::equal(there, 0)))
    } else {
        let place = lax::min(&place, &lax::literal(default_int(), n as f64 - 1.0));
        (place, any(logical_or(bad, isnan(&sorted)), -1))
    };
    let found = take_along_axis(&sorted, place, -1);
    let spoilt = lax::expand_dims(&spoilt, [rank - 1]);
    let spoilt = broadcast_to_shape(&spoilt, found.shape());
    let found = where_(spoilt, strong_constant(&found, f64::NAN), found);
    if q.ndim() == 0 { found.index((.., 0)) } else { lax::move_axis(&found, rank - 1, 0) }
}
