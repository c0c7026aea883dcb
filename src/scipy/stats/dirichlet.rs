//! The Dirichlet distribution. JAX: `jax.scipy.stats.dirichlet`.

use crate::core::array::Array;
use crate::error::throw;
use crate::lax;
use crate::numpy::util::{constant, inexact, promote_dtypes};
use crate::numpy::{ReduceOptions, abs, all, concatenate, greater, less, sum, sum_with, where_};
use crate::scipy::special::{gammaln, xlogy};

/// The logarithm of the density at `x`, whose first axis is that of the categories; the last of them may be left out. Minus infinity
/// unless the numbers are positive and sum to 1.
///
/// # Errors
/// `dirichlet.logpdf: alpha must be one-dimensional, got f32[2,3]`; an `x` of another number of categories.
#[track_caller]
pub fn logpdf(x: impl Into<Array>, alpha: impl Into<Array>) -> Array {
    let [x, alpha] = promote_dtypes("dirichlet.logpdf", [&x.into(), &alpha.into()]);
    let (x, alpha) = (inexact(&x), inexact(&alpha));
    let [n] = *alpha.shape() else {
        throw!(Shape, "dirichlet.logpdf: alpha must be one-dimensional, got {}", alpha.aval())
    };
    let given = x.shape().first().copied().unwrap_or(0);
    if x.ndim() == 0 || given != n && given + 1 != n {
        throw!(
            Shape,
            "dirichlet.logpdf: x must have as many entries as alpha, or one fewer, got {} and {}",
            x.aval(),
            alpha.aval()
        );
    }
    let one = constant(&x, 1.0);
    let x = match given == n {
        true => x,
        false => {
            let last = lax::sub(&one, &sum_with(&x, 0, ReduceOptions::new().keepdims(true)));
            concatenate([x, last], 0)
        }
    };
    let normalizer = sum(gammaln(&alpha), ..) - gammaln(sum(&alpha, ..));
    let alpha = match x.ndim() {
        1 => alpha,
        rank => lax::expand_dims(&alpha, (1..rank as i64).collect::<Vec<_>>()),
    };
    let value = sum(xlogy(lax::sub(&alpha, &one), &x), 0) - normalizer;
    let is_simplex = all(greater(&x, 0), 0) & less(abs(sum(&x, 0) - 1), 1e-6);
    where_(is_simplex, value, f64::NEG_INFINITY)
}

/// The density at `x`.
///
/// # Errors
/// As [`logpdf`].
#[track_caller]
pub fn pdf(x: impl Into<Array>, alpha: impl Into<Array>) -> Array {
    lax::exp(&logpdf(x, alpha))
}
