//! Distributions, and statistics of samples. JAX: `jax.scipy.stats`.
//!
//! A distribution is a module, whose functions take SciPy's names: `logpdf` and `pdf`, the density; `logpmf` and `pmf`, the probability of
//! an integer; `cdf`, `logcdf`, the probability of at most a number; `sf`, `logsf`, of more than it; `ppf`, `isf`, their inverses. Where it
//! stands and how wide it is is said by options: `norm::logpdf_with(x, LocScaleOptions::new().loc(1.0).scale(2.0))`.
//!
//! ```
//! use raxla::scipy::stats::norm;
//!
//! assert_eq!(norm::cdf(0.0).item::<f32>()?, 0.5);
//! # Ok::<(), raxla::Error>(())
//! ```

pub mod bernoulli;
pub mod beta;
pub mod betabinom;
pub mod binom;
pub mod cauchy;
pub mod chi2;
pub mod dirichlet;
pub mod expon;
mod functions;
pub mod gamma;
pub mod gennorm;
pub mod geom;
pub mod gumbel_l;
pub mod gumbel_r;
mod kde;
pub mod laplace;
pub mod logistic;
pub mod multinomial;
pub mod multivariate_normal;
pub mod nbinom;
pub mod norm;
pub mod pareto;
pub mod poisson;
mod samples;
pub mod t;
pub mod truncnorm;
pub mod uniform;
pub mod vonmises;
pub mod wrapcauchy;

pub use functions::{LocOptions, LocScaleOptions};
pub use kde::{BwMethod, GaussianKde, GaussianKdeOptions, gaussian_kde, gaussian_kde_with};
pub use samples::{
    ModeOptions, NanPolicy, RankMethod, RankdataOptions, SemOptions, mode, mode_with, rankdata,
    rankdata_with, sem, sem_with,
};
