//! Quantiles and medians of what is not nan. JAX: `numpy/reductions.py`.

use crate::arguments::Axes;
use crate::calls::jit_call::{jitted, jitted_some};
use crate::core::array::Array;
use crate::numpy::quantiles::{QuantileMethod, QuantileOptions, quantiles};
use crate::numpy::reductions::ReduceOptions;
use crate::numpy::util::inexact;

#[track_caller]
fn of_numbers(name: &str, x: &Array, q: &Array, axes: &Axes, options: &QuantileOptions) -> Array {
    let (method, keepdims) = (options.method, options.keepdims);
    let (statics, weights) = ((axes.clone(), method, keepdims), [options.weights.as_ref()]);
    jitted_some("nanquantile", statics, [x, q], weights, |[x, q], [weights]| {
        quantiles(name, x, q, axes, &QuantileOptions { method, keepdims, weights: weights.cloned() }, true)
    })
}

/// [`quantile`](super::quantile) of what is not nan; nan where there is nothing else.
///
/// # Errors
/// As [`quantile`](super::quantile).
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let x = Array::from([1.0f32, f32::NAN, 3.0]);
/// assert_eq!(jnp::nanquantile(&x, 0.25, ..).item::<f32>()?, 1.5);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn nanquantile(x: impl Into<Array>, q: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    nanquantile_with(x, q, axes, QuantileOptions::new())
}

/// [`nanquantile`] by options.
///
/// # Errors
/// As [`quantile_with`](super::quantile_with).
#[track_caller]
pub fn nanquantile_with(
    x: impl Into<Array>,
    q: impl Into<Array>,
    axes: impl Into<Axes>,
    options: QuantileOptions,
) -> Array {
    of_numbers("nanquantile", &x.into(), &q.into(), &axes.into(), &options)
}

/// [`nanquantile`] with `q` from 0 to 100.
///
/// # Errors
/// As [`nanquantile`].
#[track_caller]
pub fn nanpercentile(x: impl Into<Array>, q: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    nanpercentile_with(x, q, axes, QuantileOptions::new())
}

/// [`nanpercentile`] by options.
///
/// # Errors
/// As [`nanquantile_with`].
#[track_caller]
pub fn nanpercentile_with(
    x: impl Into<Array>,
    q: impl Into<Array>,
    axes: impl Into<Axes>,
    options: QuantileOptions,
) -> Array {
    let axes = axes.into();
    let (method, keepdims) = (options.method, options.keepdims);
    let (statics, weights) = ((axes.clone(), method, keepdims), [options.weights.as_ref()]);
    jitted_some("nanpercentile", statics, [&x.into(), &q.into()], weights, |[x, q], [weights]| {
        let options = QuantileOptions { method, keepdims, weights: weights.cloned() };
        of_numbers("nanpercentile", x, &(inexact(q) / 100.0), &axes, &options)
    })
}

/// [`median`](super::median) of what is not nan; nan where there is nothing else.
///
/// # Errors
/// As [`median`](super::median).
#[track_caller]
pub fn nanmedian(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    nanmedian_with(x, axes, ReduceOptions::new())
}

/// [`nanmedian`] by the option `keepdims`.
///
/// # Errors
/// As [`nanmedian`]; other options.
#[track_caller]
pub fn nanmedian_with(x: impl Into<Array>, axes: impl Into<Axes>, options: ReduceOptions) -> Array {
    options.only("nanmedian", &[]);
    let (axes, keepdims) = (axes.into(), options.keepdims);
    jitted("nanmedian", (axes.clone(), keepdims), [&x.into()], |[x]| {
        let options = QuantileOptions::new().method(QuantileMethod::Midpoint).keepdims(keepdims);
        of_numbers("nanmedian", x, &Array::from(0.5), &axes, &options)
    })
}
