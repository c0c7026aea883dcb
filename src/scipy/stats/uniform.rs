//! The uniform distribution. JAX: `jax.scipy.stats.uniform`.

use super::LocScaleOptions;
use super::functions::{distribution, standard};
use crate::core::array::Array;
use crate::lax;
use crate::numpy::util::{promote_args_inexact, strong_constant};
use crate::numpy::{greater, isnan, less, where_};

distribution! { "uniform", LocScaleOptions: loc, scale;
    /// The logarithm of the density.
    logpdf logpdf_with(x) = log_density;
    /// The density.
    pdf pdf_with(x) = |args| lax::exp(&log_density(args));
    /// The probability of at most `x`.
    cdf cdf_with(x) = |[x, loc, scale]: [Array; 3]| {
        let (zero, one) = (strong_constant(&x, 0.0), strong_constant(&x, 1.0));
        let end = lax::add(&loc, &scale);
        let inside = lax::ge(&x, &loc) & lax::le(&x, &end);
        let value = where_(inside, standard(&x, &loc, &scale), &zero);
        let value = where_(lax::gt(&x, &end), one, value);
        where_(lax::lt(&x, &loc), zero, value)
    };
    /// The number that is exceeded with probability `1 - q`: the inverse of [`cdf`].
    ppf ppf_with(q) = |[q, loc, scale]: [Array; 3]| {
        let outside = isnan(&q) | less(&q, 0) | greater(&q, 1);
        where_(outside, f64::NAN, lax::add(&loc, &lax::mul(&scale, &q)))
    };
}

#[track_caller]
fn log_density([x, loc, scale]: [Array; 3]) -> Array {
    let value = lax::neg(&lax::log(&scale));
    let outside = lax::gt(&x, &lax::add(&loc, &scale)) | lax::lt(&x, &loc);
    where_(outside, f64::NEG_INFINITY, value)
}
