//! Random numbers with explicit keys. JAX: `jax.random`, with its default generator (`threefry2x32`, partitionable).
//!
//! Bits are those of JAX; floating-point draws agree to a few units in the last place.

mod continuous;
mod discrete;
mod key;
mod sampler;

pub use continuous::{
    bits, cauchy, cauchy_dtype, exponential, exponential_dtype, gumbel, gumbel_dtype, laplace, laplace_dtype,
    logistic, logistic_dtype, lognormal, maxwell, maxwell_dtype, normal, normal_dtype, pareto, rayleigh,
    truncated_normal, uniform, uniform_dtype, wald, weibull_min,
};
pub use discrete::{bernoulli, categorical, choice, permutation, rademacher, randint, randint_dtype};
pub use key::{Dims, Key, fold_in, key, split, split_into, split_n};
