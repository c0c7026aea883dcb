//! The χ² distribution. JAX: `jax.scipy.stats.chi2`.

use super::LocScaleOptions;
use super::functions::{distribution, standard};
use crate::core::array::Array;
use crate::lax;
use crate::numpy::util::{constant, promote_args_inexact};
use crate::numpy::where_;
use crate::scipy::special::{gammainc, gammaincc};

distribution! { "chi2", LocScaleOptions: loc, scale;
    /// The logarithm of the density, of `df` degrees of freedom.
    logpdf logpdf_with(x, df) = log_density;
    /// The density, of `df` degrees of freedom.
    pdf pdf_with(x, df) = |args| lax::exp(&log_density(args));
    /// The probability of at most `x`.
    cdf cdf_with(x, df) = below;
    /// The logarithm of the probability of at most `x`.
    logcdf logcdf_with(x, df) = |args| lax::log(&below(args));
    /// The probability of more than `x`.
    sf sf_with(x, df) = above;
    /// The logarithm of the probability of more than `x`.
    logsf logsf_with(x, df) = |args| lax::log(&above(args));
}

#[track_caller]
fn log_density([x, df, loc, scale]: [Array; 4]) -> Array {
    let (one, two) = (constant(&x, 1.0), constant(&x, 2.0));
    let y = standard(&x, &loc, &scale);
    let half = lax::div(&df, &two);
    let kernel = lax::mul(&lax::sub(&half, &one), &lax::log(&y)) - lax::div(&y, &two);
    let normalizer = -(lax::lgamma(&half) + lax::div(&lax::mul(&lax::log(&two), &df), &two));
    let value = (normalizer - lax::log(&scale)) + kernel;
    where_(lax::lt(&x, &loc), f64::NEG_INFINITY, value)
}

/// Half of the degrees of freedom, half of the standard number, which is not below zero.
#[track_caller]
fn halves([x, df, loc, scale]: [Array; 4]) -> (Array, Array) {
    let two = constant(&scale, 2.0);
    let half = lax::div(&df, &two);
    let y = lax::div(&lax::sub(&x, &loc), &lax::mul(&scale, &two));
    let y = lax::clamp(&constant(&x, 0.0), &y, &constant(&x, f64::INFINITY));
    (half, y)
}

#[track_caller]
fn below(args: [Array; 4]) -> Array {
    let (a, x) = halves(args);
    gammainc(a, x)
}

#[track_caller]
fn above(args: [Array; 4]) -> Array {
    let (a, x) = halves(args);
    gammaincc(a, x)
}
