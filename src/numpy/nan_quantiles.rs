//! Quantiles and medians of what is not nan. JAX: `numpy/reductions.py`.

use crate::arguments::Axes;
use crate::core::array::Array;
use crate::numpy::quantiles::{QuantileOptions, median_of, percentile_of, quantile_of};
use crate::numpy::reductions::ReduceOptions;

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
    quantile_of("nanquantile", &x.into(), &q.into(), &axes.into(), &options, true)
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
    percentile_of("nanpercentile", &x.into(), &q.into(), &axes.into(), &options, true)
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
    median_of("nanmedian", &x.into(), &axes.into(), options, true)
}
