//! The Gumbel distribution of greatest values. JAX: `jax.scipy.stats.gumbel_r`.

use super::LocScaleOptions;
use super::functions::{distribution, standard};
use crate::core::array::Array;
use crate::lax;
use crate::nn::log1mexp;
use crate::numpy::util::{constant, promote_args_inexact};
use crate::numpy::where_;
use crate::scipy::special::xlogy;

distribution! { "gumbel_r", LocScaleOptions: loc, scale;
    /// The logarithm of the density.
    logpdf logpdf_with(x) = log_density;
    /// The density.
    pdf pdf_with(x) = |args| lax::exp(&log_density(args));
    /// The logarithm of the probability of at most `x`.
    logcdf logcdf_with(x) = log_below;
    /// The probability of at most `x`.
    cdf cdf_with(x) = |args| lax::exp(&log_below(args));
    /// The probability of more than `x`.
    sf sf_with(x) = |[x, loc, scale]: [Array; 3]| {
        defined(&scale, || {
            let below = lax::exp(&lax::neg(&lax::exp(&standard(&loc, &x, &scale))));
            lax::sub(&constant(&x, 1.0), &below)
        })
    };
    /// The logarithm of the probability of more than `x`.
    logsf logsf_with(x) = |[x, loc, scale]: [Array; 3]| {
        defined(&scale, || log1mexp(lax::exp(&standard(&loc, &x, &scale))))
    };
    /// The number that is exceeded with probability `1 - p`: the inverse of [`cdf`]; NaN at 0 and 1.
    ppf ppf_with(p) = |[p, loc, scale]: [Array; 3]| {
        let inside = lax::gt(&p, &constant(&p, 0.0)) & lax::lt(&p, &constant(&p, 1.0));
        let t = lax::mul(&scale, &lax::log(&xlogy(-1, &p)));
        where_(inside, lax::sub(&loc, &t), f64::NAN)
    };
}

/// `value` where the scale is positive.
#[track_caller]
fn defined(scale: &Array, value: impl FnOnce() -> Array) -> Array {
    let is_positive = lax::gt(scale, &constant(scale, 0.0));
    where_(is_positive, value(), f64::NAN)
}

#[track_caller]
fn log_density([x, loc, scale]: [Array; 3]) -> Array {
    defined(&scale, || {
        let z = standard(&x, &loc, &scale);
        let powers = lax::neg(&lax::add(&z, &lax::exp(&lax::neg(&z))));
        lax::add(&xlogy(-1, &scale), &powers)
    })
}

#[track_caller]
fn log_below([x, loc, scale]: [Array; 3]) -> Array {
    defined(&scale, || lax::neg(&lax::exp(&lax::neg(&standard(&x, &loc, &scale)))))
}
