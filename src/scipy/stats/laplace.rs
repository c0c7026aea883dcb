//! The Laplace distribution. JAX: `jax.scipy.stats.laplace`.

use super::LocScaleOptions;
use super::functions::{distribution, standard};
use crate::core::array::Array;
use crate::lax;
use crate::numpy::util::{constant, promote_args_inexact};

distribution! { "laplace", LocScaleOptions: loc, scale;
    /// The logarithm of the density.
    logpdf logpdf_with(x) = log_density;
    /// The density.
    pdf pdf_with(x) = |args| lax::exp(&log_density(args));
    /// The probability of at most `x`.
    cdf cdf_with(x) = |[x, loc, scale]: [Array; 3]| {
        let half = constant(&x, 0.5);
        let y = standard(&x, &loc, &scale);
        let is_lower = lax::le(&y, &constant(&x, 0.0));
        let lower = lax::mul(&half, &lax::exp(&y));
        let upper = lax::sub(&constant(&x, 1.0), &lax::mul(&half, &lax::exp(&lax::neg(&y))));
        lax::select(&is_lower, &lower, &upper)
    };
}

#[track_caller]
fn log_density([x, loc, scale]: [Array; 3]) -> Array {
    let distance = lax::div(&lax::abs(&lax::sub(&x, &loc)), &scale);
    lax::neg(&lax::add(&distance, &lax::log(&lax::mul(&constant(&x, 2.0), &scale))))
}
