//! The beta-binomial distribution. JAX: `jax.scipy.stats.betabinom`.

use super::LocOptions;
use super::functions::distribution;
use crate::calls::jit_call::jitted;
use crate::core::array::Array;
use crate::lax;
use crate::numpy::util::{constant, promote_args_inexact};
use crate::numpy::where_;
use crate::scipy::special::betaln;

distribution! { "betabinom", LocOptions: loc;
    /// The logarithm of the probability of `k` of `n` trials, whose probability has the beta distribution of `a` and `b`.
    logpmf logpmf_with(k, n, a, b) = log_mass;
    /// The probability of `k` of `n` trials, whose probability has the beta distribution of `a` and `b`.
    pmf pmf_with(k, n, a, b) = |args| lax::exp(&log_mass(args));
}

#[track_caller]
fn log_mass(args: [Array; 5]) -> Array {
    jitted("logpmf", "betabinom", args.each_ref(), |[k, n, a, b, loc]| {
        let y = lax::sub(&lax::floor(k), loc);
        let (zero, one) = (constant(&y, 0.0), constant(&y, 1.0));
        let rest = lax::sub(n, &y);
        let ways = -(lax::log1p(n) + betaln(lax::add(&rest, &one), lax::add(&y, &one)));
        let value = ways + (betaln(lax::add(&y, a), lax::add(&rest, b)) - betaln(a, b));
        let value = where_(lax::eq(&y, &zero) & lax::eq(n, &zero), 0.0, value);
        let outside = lax::lt(&y, &lax::neg(loc)) | lax::gt(&y, n) | lax::le(&lax::add(&y, a), &zero);
        let value = where_(outside, f64::NEG_INFINITY, value);
        where_(lax::lt(n, &zero) | lax::le(a, &zero) | lax::le(b, &zero), f64::NAN, value)
    })
}
