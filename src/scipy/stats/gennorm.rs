//! The generalised normal distribution, of density `exp(-|x|ᵝ)` up to a factor. JAX: `jax.scipy.stats.gennorm`.

use super::functions::distribution;
use crate::core::array::Array;
use crate::lax;
use crate::numpy::power;
use crate::numpy::util::promote_args_inexact;

distribution! { "gennorm";
    /// The logarithm of the density.
    logpdf(x, beta) = log_density;
    /// The density.
    pdf(x, beta) = |args| lax::exp(&log_density(args));
    /// The probability of at most `x`.
    cdf(x, beta) = |[x, beta]: [Array; 2]| {
        let sign = lax::sign(&x);
        let within = lax::igamma(&(1 / &beta), &power(lax::abs(&x), &beta));
        0.5 * (1 + sign * within)
    };
}

#[track_caller]
fn log_density([x, beta]: [Array; 2]) -> Array {
    lax::log(&(0.5 * &beta)) - lax::lgamma(&(1 / &beta)) - power(lax::abs(&x), &beta)
}
