//! Student's t distribution. JAX: `jax.scipy.stats.t`.

use std::f64::consts::PI;

use super::LocScaleOptions;
use super::functions::{distribution, standard};
use crate::core::array::Array;
use crate::lax;
use crate::numpy::util::{constant, promote_args_inexact};

distribution! { "t", LocScaleOptions: loc, scale;
    /// The logarithm of the density, of `df` degrees of freedom.
    logpdf logpdf_with(x, df) = log_density;
    /// The density, of `df` degrees of freedom.
    pdf pdf_with(x, df) = |args| lax::exp(&log_density(args));
}

#[track_caller]
fn log_density([x, df, loc, scale]: [Array; 4]) -> Array {
    let two = constant(&x, 2.0);
    let y = standard(&x, &loc, &scale);
    let half = lax::div(&df, &two);
    let power = lax::add(&half, &constant(&x, 0.5));
    let area = lax::mul(&lax::mul(&scale, &scale), &constant(&x, PI));
    let logs = lax::div(&lax::log(&lax::mul(&area, &df)), &two);
    let normalizer = lax::sub(&lax::add(&lax::lgamma(&half), &logs), &lax::lgamma(&power));
    let quadratic = lax::div(&lax::mul(&y, &y), &df);
    lax::neg(&lax::add(&normalizer, &lax::mul(&power, &lax::log1p(&quadratic))))
}
