//! The von Mises distribution, of angles. JAX: `jax.scipy.stats.vonmises`.

use std::f64::consts::PI;

use super::functions::distribution;
use crate::core::array::Array;
use crate::lax;
use crate::numpy::util::{constant, promote_args_inexact};
use crate::numpy::{cos, log, where_};

distribution! { "vonmises";
    /// The logarithm of the density, of concentration `kappa`.
    logpdf(x, kappa) = log_density;
    /// The density, of concentration `kappa`.
    pdf(x, kappa) = |args| lax::exp(&log_density(args));
}

#[track_caller]
fn log_density([x, kappa]: [Array; 2]) -> Array {
    let defined = lax::gt(&kappa, &constant(&kappa, 0.0));
    let value = &kappa * (cos(x) - 1) - log(2.0 * PI * lax::bessel_i0e(&kappa));
    where_(defined, value, f64::NAN)
}
