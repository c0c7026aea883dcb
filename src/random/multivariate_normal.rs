//! Normal vectors. JAX: `jax.random.multivariate_normal`.

use super::continuous::normal_words;
use super::key::Key;
use super::sampler::{check_sizes, jitted, shape_dtype};
use crate::arguments::{ShapeDtype, options};
use crate::core::array::Array;
use crate::core::aval::Shape;
use crate::error::throw;
use crate::numpy::linalg::{cholesky, eigh, svd};
use crate::numpy::util::{inexact, promote_dtypes};
use crate::numpy::{einsum, expand_dims, sqrt};

/// How a covariance matrix is factored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CovarianceMethod {
    /// Cholesky's factor: the fastest, of positive definite matrices.
    #[default]
    Cholesky,
    /// Eigenvectors: also of matrices that are not definite.
    Eigh,
    /// Singular vectors: also of matrices that are not definite.
    Svd,
}

options! {
    /// Options of [`multivariate_normal_with`].
    pub struct MultivariateNormalOptions {
        /// How the covariance matrix is factored.
        method: value CovarianceMethod = CovarianceMethod::Cholesky,
    }
}

/// Normal vectors of this mean `(…, n)` and covariance `(…, n, n)`: `(*shape, n)`, where the other axes of both broadcast to `shape`. Of
/// the dtype of the parameters unless another float dtype is given.
///
/// ```
/// use raxla::random;
///
/// let cov = raxla::Array::from([[2.0f32, 0.5], [0.5, 1.0]]);
/// let x = random::multivariate_normal(&random::key(42), [1.0f32, -1.0], cov, 100);
/// assert_eq!(x.shape(), [100, 2]);
/// ```
///
/// # Errors
/// `multivariate_normal requires mean.ndim >= 1, got mean.ndim == 0`; a covariance of other sizes; a dtype that is no float; shapes that
/// do not fit; an array of keys.
#[track_caller]
pub fn multivariate_normal(
    key: &Key,
    mean: impl Into<Array>,
    cov: impl Into<Array>,
    shape: impl Into<ShapeDtype>,
) -> Array {
    multivariate_normal_of(key, &mean.into(), &cov.into(), &shape.into(), CovarianceMethod::Cholesky)
}

/// [`multivariate_normal`] by another factor of the covariance, which gives other draws.
///
/// # Errors
/// As [`multivariate_normal`].
#[track_caller]
pub fn multivariate_normal_with(
    key: &Key,
    mean: impl Into<Array>,
    cov: impl Into<Array>,
    shape: impl Into<ShapeDtype>,
    options: MultivariateNormalOptions,
) -> Array {
    multivariate_normal_of(key, &mean.into(), &cov.into(), &shape.into(), options.method)
}

#[track_caller]
fn multivariate_normal_of(
    key: &Key,
    mean: &Array,
    cov: &Array,
    of: &ShapeDtype,
    method: CovarianceMethod,
) -> Array {
    let [mean, cov] = promote_dtypes("multivariate_normal", [mean, cov]).map(|x| inexact(&x));
    let (shape, dtype) = shape_dtype("multivariate_normal", of, mean.dtype());
    if !dtype.is_float() {
        throw!(DType, "dtype argument to `multivariate_normal` must be a float dtype, got {dtype}");
    }
    let [batch @ .., n] = mean.shape() else {
        throw!(Shape, "multivariate_normal requires mean.ndim >= 1, got mean.ndim == 0")
    };
    let cov_batch = match cov.shape() {
        [batch @ .., rows, columns] if rows == n && columns == n => batch,
        _ => throw!(
            Shape,
            "multivariate_normal requires cov.shape == (..., n, n) for n={n}, but got {}",
            cov.aval()
        ),
    };
    check_sizes("multivariate_normal", &shape, &[batch, cov_batch]);
    let all: Shape = shape.iter().copied().chain([*n]).collect();
    let key = key.single("multivariate_normal");
    jitted("_multivariate_normal", &all, dtype, method as i64, key, &[&mean, &cov], |key, args| {
        let (mean, cov) = (&args[0], &args[1]);
        let scaled = |vectors: Array, values: Array| vectors * sqrt(expand_dims(values, -2));
        let factor = match method {
            CovarianceMethod::Cholesky => cholesky(cov),
            CovarianceMethod::Eigh => {
                let (values, vectors) = eigh(cov);
                scaled(vectors, values)
            }
            CovarianceMethod::Svd => {
                let (u, s, _) = svd(cov);
                scaled(u, s)
            }
        };
        let z = normal_words(key, &all, dtype);
        mean + einsum("...ij,...j->...i", [factor, z])
    })
}
