//! The Cauchy distribution. JAX: `jax.scipy.stats.cauchy`.

use std::f64::consts::{FRAC_PI_2, PI};

use super::LocScaleOptions;
use super::functions::{distribution, standard};
use crate::core::array::Array;
use crate::lax;
use crate::numpy::util::{constant, promote_args_inexact};

distribution! { "cauchy", LocScaleOptions: loc, scale;
    /// The logarithm of the density.
    logpdf logpdf_with(x) = log_density;
    /// The density.
    pdf pdf_with(x) = |args| lax::exp(&log_density(args));
    /// The probability of at most `x`.
    cdf cdf_with(x) = below;
    /// The logarithm of the probability of at most `x`.
    logcdf logcdf_with(x) = |args| lax::log(&below(args));
    /// The probability of more than `x`.
    sf sf_with(x) = above;
    /// The logarithm of the probability of more than `x`.
    logsf logsf_with(x) = |args| lax::log(&above(args));
    /// The number that is exceeded with probability `1 - q`: the inverse of [`cdf`].
    ppf ppf_with(q) = |[q, loc, scale]: [Array; 3]| {
        let angle = lax::sub(&lax::mul(&constant(&q, PI), &q), &constant(&q, FRAC_PI_2));
        lax::add(&lax::mul(&lax::tan(&angle), &scale), &loc)
    };
    /// The number that is exceeded with probability `q`: the inverse of [`sf`].
    isf isf_with(q) = |[q, loc, scale]: [Array; 3]| {
        let angle = lax::sub(&constant(&q, FRAC_PI_2), &lax::mul(&constant(&q, PI), &q));
        lax::add(&lax::mul(&lax::tan(&angle), &scale), &loc)
    };
}

#[track_caller]
fn log_density([x, loc, scale]: [Array; 3]) -> Array {
    let y = standard(&x, &loc, &scale);
    let normalizer = lax::log(&lax::mul(&constant(&x, PI), &scale));
    lax::neg(&lax::add(&normalizer, &lax::log1p(&lax::mul(&y, &y))))
}

#[track_caller]
fn below([x, loc, scale]: [Array; 3]) -> Array {
    let y = standard(&x, &loc, &scale);
    let turns = lax::div(&constant(&x, 1.0), &constant(&x, PI));
    lax::add(&constant(&x, 0.5), &lax::mul(&turns, &lax::atan(&y)))
}

#[track_caller]
fn above([x, loc, scale]: [Array; 3]) -> Array {
    below([-x, -loc, scale])
}
