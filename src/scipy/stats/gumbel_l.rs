//! The Gumbel distribution of least values. JAX: `jax.scipy.stats.gumbel_l`.

use super::LocScaleOptions;
use super::functions::{distribution, standard};
use crate::core::array::Array;
use crate::lax;
use crate::numpy::util::{constant, promote_args_inexact};
use crate::numpy::where_;
use crate::scipy::special::{xlog1py, xlogy};

distribution! { "gumbel_l", LocScaleOptions: loc, scale;
    /// The logarithm of the density.
    logpdf logpdf_with(x) = log_density;
    /// The density.
    pdf pdf_with(x) = |args| lax::exp(&log_density(args));
    /// The logarithm of the probability of at most `x`.
    logcdf logcdf_with(x) = log_below;
    /// The probability of at most `x`.
    cdf cdf_with(x) = |args| lax::exp(&log_below(args));
    /// The probability of more than `x`.
    sf sf_with(x) = |args| lax::exp(&log_above(args));
    /// The logarithm of the probability of more than `x`.
    logsf logsf_with(x) = log_above;
    /// The number that is exceeded with probability `1 - p`: the inverse of [`cdf`]; NaN at 0 and 1.
    ppf ppf_with(p) = |[p, loc, scale]: [Array; 3]| {
        let inside = lax::gt(&p, &constant(&p, 0.0)) & lax::lt(&p, &constant(&p, 1.0));
        let t = lax::mul(&scale, &lax::log(&xlog1py(-1, lax::neg(&p))));
        where_(inside, lax::add(&loc, &t), f64::NAN)
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
        lax::add(&xlogy(-1, &scale), &lax::sub(&z, &lax::exp(&z)))
    })
}

#[track_caller]
fn log_below([x, loc, scale]: [Array; 3]) -> Array {
    defined(&scale, || {
        let power = lax::neg(&lax::exp(&standard(&x, &loc, &scale)));
        lax::log(&-lax::expm1(&power))
    })
}

#[track_caller]
fn log_above([x, loc, scale]: [Array; 3]) -> Array {
    defined(&scale, || lax::neg(&lax::exp(&standard(&x, &loc, &scale))))
}
