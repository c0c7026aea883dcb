//! The negative binomial distribution: failures until the `n`-th success. JAX: `jax.scipy.stats.nbinom`.

use super::LocOptions;
use super::functions::distribution;
use crate::core::array::Array;
use crate::lax;
use crate::numpy::util::{constant, promote_args_inexact};
use crate::numpy::where_;
use crate::scipy::special::{gammaln, xlogy};

distribution! { "nbinom", LocOptions: loc;
    /// The logarithm of the probability of `k` failures before `n` successes, each of probability `p`.
    logpmf logpmf_with(k, n, p) = log_mass;
    /// The probability of `k` failures before `n` successes, each of probability `p`.
    pmf pmf_with(k, n, p) = |args| lax::exp(&log_mass(args));
}

#[track_caller]
fn log_mass([k, n, p, loc]: [Array; 4]) -> Array {
    let one = constant(&k, 1.0);
    let y = lax::sub(&k, &loc);
    let ways = (gammaln(lax::add(&y, &n)) - gammaln(&n)) - gammaln(lax::add(&y, &one));
    let powers = xlogy(&n, &p) + xlogy(&y, lax::sub(&one, &p));
    where_(lax::lt(&k, &loc), f64::NEG_INFINITY, ways + powers)
}
