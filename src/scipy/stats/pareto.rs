//! The Pareto distribution. JAX: `jax.scipy.stats.pareto`.

use super::LocScaleOptions;
use super::functions::{distribution, standard};
use crate::core::array::Array;
use crate::lax;
use crate::numpy::util::{constant, promote_args_inexact};
use crate::numpy::{greater, isnan, less, where_};

distribution! { "pareto", LocScaleOptions: loc, scale;
    /// The logarithm of the density, of shape parameter `b`.
    logpdf logpdf_with(x, b) = log_density;
    /// The density, of shape parameter `b`.
    pdf pdf_with(x, b) = |args| lax::exp(&log_density(args));
    /// The probability of at most `x`.
    cdf cdf_with(x, b) = |[x, b, loc, scale]: [Array; 4]| {
        let above = lax::pow(&standard(&x, &loc, &scale), &lax::neg(&b));
        let value = lax::sub(&constant(&x, 1.0), &above);
        where_(outside(&x, &loc, &scale), constant(&x, 0.0), value)
    };
    /// The logarithm of the probability of at most `x`.
    logcdf logcdf_with(x, b) = |[x, b, loc, scale]: [Array; 4]| {
        let above = lax::pow(&standard(&x, &loc, &scale), &lax::neg(&b));
        let value = lax::log1p(&lax::neg(&above));
        where_(outside(&x, &loc, &scale), f64::NEG_INFINITY, value)
    };
    /// The probability of more than `x`.
    sf sf_with(x, b) = |args| lax::exp(&log_above(args));
    /// The logarithm of the probability of more than `x`.
    logsf logsf_with(x, b) = log_above;
    /// The number that is exceeded with probability `1 - q`: the inverse of [`cdf`].
    ppf ppf_with(q, b) = |[q, b, loc, scale]: [Array; 4]| {
        let one = constant(&q, 1.0);
        let power = lax::pow(&lax::sub(&one, &q), &lax::neg(&lax::div(&one, &b)));
        let value = lax::add(&loc, &lax::mul(&scale, &power));
        where_(isnan(&q) | less(&q, 0) | greater(&q, 1), f64::NAN, value)
    };
}

#[track_caller]
fn outside(x: &Array, loc: &Array, scale: &Array) -> Array {
    lax::lt(x, &lax::add(loc, scale))
}

#[track_caller]
fn log_density([x, b, loc, scale]: [Array; 4]) -> Array {
    let y = standard(&x, &loc, &scale);
    let normalizer = lax::log(&lax::div(&scale, &b));
    let power = lax::add(&b, &constant(&x, 1.0));
    let value = -(normalizer + lax::mul(&power, &lax::log(&y)));
    where_(outside(&x, &loc, &scale), f64::NEG_INFINITY, value)
}

#[track_caller]
fn log_above([x, b, loc, scale]: [Array; 4]) -> Array {
    let value = lax::neg(&lax::mul(&b, &lax::log(&standard(&x, &loc, &scale))));
    where_(outside(&x, &loc, &scale), constant(&x, 0.0), value)
}
