//! Random numbers with explicit keys. JAX: `jax.random`, with its default generator (`threefry2x32`, partitionable).
//!
//! Bits are those of JAX; floating-point draws agree to a few units in the last place.

mod continuous;
mod discrete;
mod key;
mod orthogonal;
mod sampler;

pub use continuous::{
    GumbelOptions, SamplingMode, UniformOptions, bits, cauchy, exponential, gumbel, gumbel_with, laplace,
    logistic, lognormal, maxwell, normal, pareto, rayleigh, truncated_normal, uniform, uniform_with, wald,
    weibull_min,
};
pub use discrete::{
    BernoulliOptions, CategoricalOptions, ChoiceOptions, PermutationOptions, bernoulli, bernoulli_with,
    categorical, categorical_with, choice, choice_with, permutation, permutation_with, rademacher, randint,
};
pub use key::{Key, SplitOptions, fold_in, key, key_data, split, split_with, wrap_key_data};
pub use orthogonal::{OrthogonalOptions, orthogonal, orthogonal_with};
