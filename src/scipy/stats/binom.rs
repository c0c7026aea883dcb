//! The binomial distribution. JAX: `jax.scipy.stats.binom`.

use super::LocOptions;
use super::functions::distribution;
use crate::core::array::Array;
use crate::lax;
use crate::numpy::util::{constant, promote_args_inexact};
use crate::numpy::where_;
use crate::scipy::special::{gammaln, xlog1py, xlogy};

distribution! { "binom", LocOptions: loc;
    /// The logarithm of the probability that `k` of `n` trials succeed, each with probability `p`.
    logpmf logpmf_with(k, n, p) = log_mass;
    /// The probability that `k` of `n` trials succeed, each with probability `p`.
    pmf pmf_with(k, n, p) = |args| lax::exp(&log_mass(args));
}

#[track_caller]
fn log_mass([k, n, p, loc]: [Array; 4]) -> Array {
    let y = lax::sub(&k, &loc);
    let zero = constant(&y, 0.0);
    let ways = gammaln(&n + 1) - (gammaln(&y + 1) + gammaln(&n - &y + 1));
    let powers = xlogy(&y, &p) + xlog1py(lax::sub(&n, &y), lax::neg(&p));
    let value = ways + &powers;
    let certain = (lax::eq(&y, &zero) & lax::eq(&n, &zero)) | lax::eq(&powers, &zero);
    let value = where_(certain, 0.0, value);
    where_(lax::ge(&k, &loc) & lax::lt(&k, &(loc + n + 1)), value, f64::NEG_INFINITY)
}
