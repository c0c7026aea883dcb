//! The normal distribution. JAX: `jax.scipy.stats.norm`.

use std::f64::consts::PI;

use super::LocScaleOptions;
use super::functions::{distribution, standard};
use crate::core::array::Array;
use crate::lax;
use crate::numpy::util::{constant, default_float, promote_args_inexact};
use crate::scipy::special::{log_ndtr, ndtr, ndtri};

distribution! { "norm", LocScaleOptions: loc, scale;
    /// The logarithm of the density.
    ///
    /// ```
    /// use raxla::scipy::stats::{LocScaleOptions, norm};
    ///
    /// let wide = LocScaleOptions::new().loc(1.0).scale(2.0);
    /// let x = norm::logpdf_with(1.0, wide).item::<f32>()?;
    /// assert!((x + 1.612_085_7).abs() < 1e-6);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    logpdf logpdf_with(x) = log_density;
    /// The density.
    pdf pdf_with(x) = |args| lax::exp(&log_density(args));
    /// The probability of at most `x`.
    cdf cdf_with(x) = |[x, loc, scale]: [Array; 3]| ndtr(standard(&x, &loc, &scale));
    /// The logarithm of the probability of at most `x`.
    logcdf logcdf_with(x) = |[x, loc, scale]: [Array; 3]| log_ndtr(standard(&x, &loc, &scale));
    /// The probability of more than `x`.
    sf sf_with(x) = |[x, loc, scale]: [Array; 3]| ndtr(standard(&-x, &-loc, &scale));
    /// The logarithm of the probability of more than `x`.
    logsf logsf_with(x) = |[x, loc, scale]: [Array; 3]| log_ndtr(standard(&-x, &-loc, &scale));
}

#[track_caller]
fn log_density([x, loc, scale]: [Array; 3]) -> Array {
    let square = lax::square(&scale);
    let normalizer = lax::log(&lax::mul(&constant(&x, 2.0 * PI), &square));
    let quadratic = lax::div(&lax::square(&lax::sub(&x, &loc)), &square);
    lax::div(&lax::add(&normalizer, &quadratic), &constant(&x, -2.0))
}

/// The number that is exceeded with probability `1 - q`: the inverse of [`cdf`]. Of the default float dtype.
///
/// # Errors
/// `ndtri accepts f32 and f64 alone, got i32[]`; shapes that do not broadcast.
#[track_caller]
pub fn ppf(q: impl Into<Array>) -> Array {
    ppf_with(q, LocScaleOptions::new())
}

/// [`ppf`] of the distribution elsewhere.
///
/// # Errors
/// As [`ppf`].
#[track_caller]
pub fn ppf_with(q: impl Into<Array>, options: LocScaleOptions) -> Array {
    lax::convert(&(ndtri(q) * options.scale + options.loc), default_float(), false)
}

/// The number that is exceeded with probability `q`: the inverse of [`sf`].
///
/// # Errors
/// As [`ppf`].
#[track_caller]
pub fn isf(q: impl Into<Array>) -> Array {
    isf_with(q, LocScaleOptions::new())
}

/// [`isf`] of the distribution elsewhere.
///
/// # Errors
/// As [`ppf`].
#[track_caller]
pub fn isf_with(q: impl Into<Array>, options: LocScaleOptions) -> Array {
    let q = q.into();
    ppf_with(lax::sub(&constant(&q, 1.0), &q), options)
}
