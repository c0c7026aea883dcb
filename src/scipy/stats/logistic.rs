//! The logistic distribution. JAX: `jax.scipy.stats.logistic`.

use super::LocScaleOptions;
use super::functions::{distribution, standard};
use crate::core::array::Array;
use crate::lax;
use crate::numpy::logaddexp;
use crate::numpy::util::{constant, promote_args_inexact};
use crate::scipy::special::{expit, logit};

distribution! { "logistic", LocScaleOptions: loc, scale;
    /// The logarithm of the density.
    logpdf logpdf_with(x) = log_density;
    /// The density.
    pdf pdf_with(x) = |args| lax::exp(&log_density(args));
    /// The probability of at most `x`.
    cdf cdf_with(x) = |[x, loc, scale]: [Array; 3]| expit(standard(&x, &loc, &scale));
    /// The probability of more than `x`.
    sf sf_with(x) = |[x, loc, scale]: [Array; 3]| expit(lax::neg(&standard(&x, &loc, &scale)));
    /// The number that is exceeded with probability `1 - x`: the inverse of [`cdf`].
    ppf ppf_with(x) = |[x, loc, scale]: [Array; 3]| lax::add(&lax::mul(&logit(x), &scale), &loc);
    /// The number that is exceeded with probability `x`: the inverse of [`sf`].
    isf isf_with(x) = |[x, loc, scale]: [Array; 3]| lax::add(&lax::mul(&lax::neg(&logit(x)), &scale), &loc);
}

#[track_caller]
fn log_density([x, loc, scale]: [Array; 3]) -> Array {
    let two = constant(&x, 2.0);
    let half = lax::div(&standard(&x, &loc, &scale), &two);
    let sum = logaddexp(&half, lax::neg(&half));
    lax::sub(&lax::mul(&lax::neg(&two), &sum), &lax::log(&scale))
}
