//! The gamma distribution. JAX: `jax.scipy.stats.gamma`.

use super::LocScaleOptions;
use super::functions::{distribution, standard};
use crate::core::array::Array;
use crate::lax;
use crate::numpy::util::{constant, promote_args_inexact};
use crate::numpy::where_;
use crate::scipy::special::{gammainc, gammaincc, gammaln, xlogy};

distribution! { "gamma", LocScaleOptions: loc, scale;
    /// The logarithm of the density, of shape parameter `a`.
    logpdf logpdf_with(x, a) = log_density;
    /// The density, of shape parameter `a`.
    pdf pdf_with(x, a) = |args| lax::exp(&log_density(args));
    /// The probability of at most `x`.
    cdf cdf_with(x, a) = below;
    /// The logarithm of the probability of at most `x`.
    logcdf logcdf_with(x, a) = |args| lax::log(&below(args));
    /// The probability of more than `x`.
    sf sf_with(x, a) = above;
    /// The logarithm of the probability of more than `x`.
    logsf logsf_with(x, a) = |args| lax::log(&above(args));
}

#[track_caller]
fn log_density([x, a, loc, scale]: [Array; 4]) -> Array {
    let inside = lax::ge(&x, &loc);
    let one = constant(&x, 1.0);
    let y = where_(&inside, standard(&x, &loc, &scale), &one);
    let powers = xlogy(lax::sub(&a, &one), &y) - y;
    let value = powers - (gammaln(a) + lax::log(&scale));
    where_(inside, value, f64::NEG_INFINITY)
}

#[track_caller]
fn below([x, a, loc, scale]: [Array; 4]) -> Array {
    let y = standard(&x, &loc, &scale);
    gammainc(a, lax::clamp(&constant(&x, 0.0), &y, &constant(&x, f64::INFINITY)))
}

#[track_caller]
fn above([x, a, loc, scale]: [Array; 4]) -> Array {
    let y = standard(&x, &loc, &scale);
    where_(lax::lt(&y, &constant(&y, 0.0)), 1, gammaincc(a, &y))
}
