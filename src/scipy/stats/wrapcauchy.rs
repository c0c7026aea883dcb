//! The wrapped Cauchy distribution, of angles. JAX: `jax.scipy.stats.wrapcauchy`.

use std::f64::consts::PI;

use super::functions::distribution;
use crate::core::array::Array;
use crate::lax;
use crate::numpy::util::{constant, promote_args_inexact};
use crate::numpy::{cos, log, where_};

distribution! { "wrapcauchy";
    /// The logarithm of the density, of concentration `c` between 0 and 1; minus infinity outside of `0..2π`.
    logpdf(x, c) = log_density;
    /// The density, of concentration `c` between 0 and 1.
    pdf(x, c) = |args| lax::exp(&log_density(args));
}

#[track_caller]
fn log_density([x, c]: [Array; 2]) -> Array {
    let defined = lax::gt(&c, &constant(&c, 0.0)) & lax::lt(&c, &constant(&c, 1.0));
    let inside = lax::ge(&x, &constant(&x, 0.0)) & lax::le(&x, &constant(&x, 2.0 * PI));
    let square = &c * &c;
    let value = log(1 - &square) - log(Array::from(2.0 * PI)) - log(1 + &square - 2 * &c * cos(x));
    where_(defined, where_(inside, value, f64::NEG_INFINITY), f64::NAN)
}
