//! The geometric distribution: trials until the first success. JAX: `jax.scipy.stats.geom`.

use super::LocOptions;
use super::functions::distribution;
use crate::core::array::Array;
use crate::lax;
use crate::numpy::util::{constant, promote_args_inexact};
use crate::numpy::{exp, where_};
use crate::scipy::special::xlog1py;

distribution! { "geom", LocOptions: loc;
    /// The logarithm of the probability that the first success is the `k`-th trial, each of probability `p`.
    logpmf logpmf_with(k, p) = log_mass;
    /// The probability that the first success is the `k`-th trial, each of probability `p`.
    pmf pmf_with(k, p) = |args| exp(log_mass(args));
}

#[track_caller]
fn log_mass([k, p, loc]: [Array; 3]) -> Array {
    let x = lax::sub(&k, &loc);
    let value = xlog1py(lax::sub(&x, &constant(&k, 1.0)), -&p) + lax::log(&p);
    where_(lax::le(&x, &constant(&k, 0.0)), f64::NEG_INFINITY, value)
}
