//! Random numbers with explicit keys. JAX: `jax.random`, with its default generator (`threefry2x32`, partitionable) and those of the
//! compiler ([`PrngImpl`]).
//!
//! Bits are those of JAX; floating-point draws agree to a few units in the last place.

mod continuous;
mod counts;
mod discrete;
mod gamma;
mod key;
mod multivariate_normal;
mod orthogonal;
mod sampler;
mod unscaled;

pub use crate::core::config::PrngImpl;
pub use continuous::{
    GumbelOptions, SamplingMode, UniformOptions, bits, cauchy, exponential, gumbel, gumbel_with, laplace,
    logistic, lognormal, maxwell, normal, pareto, rayleigh, triangular, truncated_normal, uniform,
    uniform_with, wald, weibull_min,
};
pub use counts::{MultinomialOptions, binomial, geometric, multinomial, multinomial_with, poisson};
pub use discrete::{
    BernoulliOptions, CategoricalOptions, ChoiceOptions, PermutationOptions, bernoulli, bernoulli_with,
    categorical, categorical_with, choice, choice_with, permutation, permutation_with, rademacher, randint,
};
pub use gamma::{
    BallOptions, ball, ball_with, beta, chisquare, dirichlet, double_sided_maxwell, f, gamma,
    generalized_normal, loggamma, t,
};
pub use key::{
    Key, KeyOptions, PRNGKey, SplitOptions, WrapKeyDataOptions, clone, fold_in, key, key_data, key_impl,
    key_with, split, split_with, wrap_key_data, wrap_key_data_with,
};
pub use multivariate_normal::{
    CovarianceMethod, MultivariateNormalOptions, multivariate_normal, multivariate_normal_with,
};
pub use orthogonal::{OrthogonalOptions, orthogonal, orthogonal_with};
pub(crate) use unscaled::Unscaled;
