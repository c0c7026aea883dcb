//! The Bernoulli distribution: one trial. JAX: `jax.scipy.stats.bernoulli`.

use super::LocOptions;
use super::functions::distribution;
use crate::core::array::Array;
use crate::lax;
use crate::numpy::util::{constant, promote_args_inexact};
use crate::numpy::{exp, greater, isnan, less, where_};
use crate::scipy::special::{xlog1py, xlogy};

distribution! { "bernoulli", LocOptions: loc;
    /// The logarithm of the probability of `k`, 0 or 1, where 1 has the probability `p`.
    logpmf logpmf_with(k, p) = log_mass;
    /// The probability of `k`, 0 or 1, where 1 has the probability `p`.
    pmf pmf_with(k, p) = |args| exp(log_mass(args));
}

distribution! { "bernoulli";
    /// The probability of at most `k`.
    cdf(k, p) = |[k, p]: [Array; 2]| {
        let one = constant(&k, 1.0);
        let value = where_(lax::lt(&k, &one), lax::sub(&one, &p), &one);
        let value = where_(lax::lt(&k, &constant(&k, 0.0)), constant(&k, 0.0), value);
        where_(isnan(&k) | no_probability(&p), f64::NAN, value)
    };
    /// 1 where `q` is above `1 - p`, else 0: the inverse of [`cdf`].
    ppf(q, p) = |[q, p]: [Array; 2]| {
        let (zero, one) = (constant(&q, 0.0), constant(&q, 1.0));
        let outside = isnan(&q) | isnan(&p) | less(&p, 0.0) | greater(&p, 1.0) | less(&q, 0.0) | greater(&q, 1.0);
        let value = where_(lax::le(&q, &lax::sub(&one, &p)), zero, one);
        where_(outside, f64::NAN, value)
    };
}

#[track_caller]
fn no_probability(p: &Array) -> Array {
    isnan(p) | less(p, 0.0) | greater(p, 1.0)
}

#[track_caller]
fn log_mass([k, p, loc]: [Array; 3]) -> Array {
    let (zero, one) = (constant(&k, 0.0), constant(&k, 1.0));
    let x = lax::sub(&k, &loc);
    let value = xlogy(&x, &p) + xlog1py(lax::sub(&one, &x), -p);
    where_(lax::lt(&x, &zero) | lax::gt(&x, &one), f64::NEG_INFINITY, value)
}
