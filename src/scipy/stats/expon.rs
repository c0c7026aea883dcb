//! The exponential distribution. JAX: `jax.scipy.stats.expon`.

use super::LocScaleOptions;
use super::functions::{distribution, standard};
use crate::core::array::Array;
use crate::lax;
use crate::numpy::util::promote_args_inexact;
use crate::numpy::{greater, isnan, less, where_, zeros_like};

distribution! { "expon", LocScaleOptions: loc, scale;
    /// The logarithm of the density.
    logpdf logpdf_with(x) = log_density;
    /// The density.
    pdf pdf_with(x) = |args| lax::exp(&log_density(args));
    /// The probability of at most `x`.
    cdf cdf_with(x) = |[x, loc, scale]: [Array; 3]| {
        let y = standard(&loc, &x, &scale);
        where_(lax::lt(&x, &loc), zeros_like(&y), lax::neg(&lax::expm1(&y)))
    };
    /// The logarithm of the probability of at most `x`.
    logcdf logcdf_with(x) = |args| lax::log1p(&lax::neg(&lax::exp(&log_above(args))));
    /// The probability of more than `x`.
    sf sf_with(x) = |args| lax::exp(&log_above(args));
    /// The logarithm of the probability of more than `x`.
    logsf logsf_with(x) = log_above;
    /// The number that is exceeded with probability `1 - q`: the inverse of [`cdf`].
    ppf ppf_with(q) = |[q, loc, scale]: [Array; 3]| {
        let outside = isnan(&q) | less(&q, 0) | greater(&q, 1);
        let value = lax::sub(&loc, &lax::mul(&scale, &lax::log1p(&lax::neg(&q))));
        where_(outside, f64::NAN, value)
    };
}

#[track_caller]
fn log_density([x, loc, scale]: [Array; 3]) -> Array {
    let log_scale = lax::log(&scale);
    let value = lax::neg(&lax::add(&standard(&x, &loc, &scale), &log_scale));
    where_(lax::lt(&x, &loc), f64::NEG_INFINITY, value)
}

#[track_caller]
fn log_above([x, loc, scale]: [Array; 3]) -> Array {
    let y = standard(&loc, &x, &scale);
    where_(lax::lt(&x, &loc), zeros_like(&y), y)
}
