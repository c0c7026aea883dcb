//! The beta distribution. JAX: `jax.scipy.stats.beta`.

use super::LocScaleOptions;
use super::functions::{distribution, standard};
use crate::core::array::Array;
use crate::lax;
use crate::numpy::util::{constant, promote_args_inexact};
use crate::numpy::where_;
use crate::scipy::special::{betainc, betaln, xlog1py, xlogy};

distribution! { "beta", LocScaleOptions: loc, scale;
    /// The logarithm of the density.
    logpdf logpdf_with(x, a, b) = log_density;
    /// The density.
    pdf pdf_with(x, a, b) = |args| lax::exp(&log_density(args));
    /// The probability of at most `x`.
    cdf cdf_with(x, a, b) = below;
    /// The logarithm of the probability of at most `x`.
    logcdf logcdf_with(x, a, b) = |args| lax::log(&below(args));
    /// The probability of more than `x`.
    sf sf_with(x, a, b) = above;
    /// The logarithm of the probability of more than `x`.
    logsf logsf_with(x, a, b) = |args| lax::log(&above(args));
}

#[track_caller]
fn log_density([x, a, b, loc, scale]: [Array; 5]) -> Array {
    let (zero, one) = (constant(&a, 0.0), constant(&x, 1.0));
    let y = standard(&x, &loc, &scale);
    let powers = xlogy(lax::sub(&a, &one), &y) + xlog1py(lax::sub(&b, &one), lax::neg(&y));
    let value = (-betaln(&a, &b) + powers) - lax::log(&scale);
    let outside = lax::gt(&x, &lax::add(&loc, &scale)) | lax::lt(&x, &loc);
    let value = where_(outside, f64::NEG_INFINITY, value);
    let undefined = lax::le(&a, &zero) | lax::le(&b, &zero) | lax::le(&scale, &zero);
    where_(undefined, f64::NAN, value)
}

/// The standard number, in 0..1.
#[track_caller]
fn unit(x: &Array, loc: &Array, scale: &Array) -> Array {
    lax::clamp(&constant(x, 0.0), &standard(x, loc, scale), &constant(x, 1.0))
}

#[track_caller]
fn below([x, a, b, loc, scale]: [Array; 5]) -> Array {
    betainc(a, b, unit(&x, &loc, &scale))
}

#[track_caller]
fn above([x, a, b, loc, scale]: [Array; 5]) -> Array {
    betainc(b, a, 1 - unit(&x, &loc, &scale))
}
