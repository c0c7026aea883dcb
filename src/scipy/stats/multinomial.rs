//! The multinomial distribution. JAX: `jax.scipy.stats.multinomial`.

use crate::core::array::Array;
use crate::error::throw;
use crate::lax;
use crate::numpy::util::{inexact, promote_args_numeric};
use crate::numpy::{equal, sum, where_};
use crate::scipy::special::{gammaln, xlogy};

/// The logarithm of the probability of the counts `x`, whose last axis is that of the categories, of `n` trials with probabilities `p`.
/// Minus infinity unless the counts sum to `n`.
///
/// # Errors
/// `multinomial.logpmf: x and n must be of integers, got f32[3] and i32[]`; shapes that do not broadcast.
#[track_caller]
pub fn logpmf(x: impl Into<Array>, n: impl Into<Array>, p: impl Into<Array>) -> Array {
    let p = inexact(&p.into());
    let [x, n] = promote_args_numeric("multinomial.logpmf", [&x.into(), &n.into()]);
    if !x.dtype().is_integer() {
        throw!(DType, "multinomial.logpmf: x and n must be of integers, got {} and {}", x.aval(), n.aval());
    }
    let (x, n) = (lax::convert_element_type(&x, p.dtype()), lax::convert_element_type(&n, p.dtype()));
    let value = gammaln(&n + 1) + sum(xlogy(&x, p) - gammaln(&x + 1), -1);
    where_(equal(sum(x, ..), n), value, f64::NEG_INFINITY)
}

/// The probability of the counts `x`.
///
/// # Errors
/// As [`logpmf`].
#[track_caller]
pub fn pmf(x: impl Into<Array>, n: impl Into<Array>, p: impl Into<Array>) -> Array {
    lax::exp(&logpmf(x, n, p))
}
