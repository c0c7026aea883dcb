//! The Poisson distribution. JAX: `jax.scipy.stats.poisson`.

use std::f64::consts::{E, PI};

use super::LocOptions;
use super::functions::distribution;
use crate::calls::jit_call::jitted;
use crate::core::array::Array;
use crate::error::OrThrow;
use crate::lax;
use crate::numpy::util::{broadcast_shapes, constant, inexact, promote_args_inexact, promote_dtypes};
use crate::numpy::{
    broadcast_to, ceil, equal, exp, expand_dims, floor, less, log, round, sqrt, sum, where_, zeros_like,
};
use crate::scipy::special::{entr, gammaincc, gammaln, xlogy};

distribution! { "poisson", LocOptions: loc;
    /// The logarithm of the probability of `k` events, of rate `mu`.
    logpmf logpmf_with(k, mu) = log_mass;
    /// The probability of `k` events, of rate `mu`.
    pmf pmf_with(k, mu) = |args| exp(log_mass(args));
    /// The probability of at most `k` events.
    cdf cdf_with(k, mu) = |[k, mu, loc]: [Array; 3]| {
        let zero = constant(&k, 0.0);
        let x = lax::sub(&k, &loc);
        let value = gammaincc(floor(1 + &x), mu);
        where_(lax::lt(&x, &zero), zero, value)
    };
}

#[track_caller]
fn log_mass([k, mu, loc]: [Array; 3]) -> Array {
    let x = lax::sub(&k, &loc);
    let value = xlogy(&x, &mu) - gammaln(&x + 1) - mu;
    let outside = lax::lt(&x, &constant(&k, 0.0)) | lax::ne(&round(&k), &k);
    where_(outside, f64::NEG_INFINITY, value)
}

/// The entropy of the distribution of rate `mu`.
///
/// # Errors
/// Complex numbers.
#[track_caller]
pub fn entropy(mu: impl Into<Array>) -> Array {
    entropy_with(mu, LocOptions::new())
}

/// [`entropy`] in the shape that `mu` and `loc` have together.
///
/// # Errors
/// Shapes that do not broadcast; complex numbers.
#[track_caller]
pub fn entropy_with(mu: impl Into<Array>, options: LocOptions) -> Array {
    jitted("entropy", (), [&mu.into(), &options.loc], |[mu, loc]| {
        let [mu, loc] = promote_dtypes("poisson.entropy", [mu, loc]);
        let shape = broadcast_shapes(&[mu.shape(), loc.shape()]);
        let shape = shape.map_err(|e| e.context("poisson.entropy")).or_throw();
        let of = inexact(&mu);
        let flat = lax::reshape(&of, [of.size()]);
        let few = sum_of_entropies(&flat, 35, ceil(&flat + 20));
        let some = sum_of_entropies(&flat, 250, ceil(&flat + 10 * sqrt(&flat) + 20));
        let many = 0.5 * log(2.0 * PI * E * &flat) - 1.0 / (12 * &flat);
        let value = where_(less(&flat, 10), few, where_(less(&flat, 100), some, many));
        let value = where_(equal(&flat, 0), zeros_like(&flat), value);
        broadcast_to(lax::reshape(&value, of.shape()), shape)
    })
}

/// The sum over `k` below `n` and `end`.
#[track_caller]
fn sum_of_entropies(mu: &Array, n: usize, end: Array) -> Array {
    let k = expand_dims(lax::iota(mu.dtype(), n), 1);
    let mass = where_(less(&k, expand_dims(end, 0)), pmf(k, mu), 0.0);
    sum(entr(mass), 0)
}
