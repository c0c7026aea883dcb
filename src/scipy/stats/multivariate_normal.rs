//! The normal distribution of vectors. JAX: `jax.scipy.stats.multivariate_normal`.

use std::f64::consts::PI;

use crate::core::array::Array;
use crate::core::aval::Shape;
use crate::error::{OrThrow, throw};
use crate::lax;
use crate::lax::linalg::{TriangularSolveOptions, cholesky, triangular_solve_with};
use crate::numpy::util::{broadcast_shapes, broadcast_to_shape, inexact, promote_dtypes};
use crate::numpy::{DiagonalOptions, diagonal_with, log, square, sum};

/// The logarithm of the density at the vectors `x` `(…, n)`, of this mean `(…, n)` and covariance `(…, n, n)`, or of one variance `cov` for
/// all components; of numbers if the mean is one.
///
/// ```
/// use raxla::scipy::stats::multivariate_normal;
///
/// let cov = raxla::Array::from([[1.0f32, 0.0], [0.0, 1.0]]);
/// let x = multivariate_normal::logpdf([0.0f32, 0.0], [0.0f32, 0.0], cov).item::<f32>()?;
/// assert!((x + 1.837_877).abs() < 1e-5);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `multivariate_normal.logpdf got incompatible shapes, f32[3] and f32[2,2]`; shapes that do not broadcast.
#[track_caller]
pub fn logpdf(x: impl Into<Array>, mean: impl Into<Array>, cov: impl Into<Array>) -> Array {
    const NAME: &str = "multivariate_normal.logpdf";
    let args = promote_dtypes(NAME, [&x.into(), &mean.into(), &cov.into()]);
    let [x, mean, cov] = args.map(|x| inexact(&x));
    let log_turn = (2.0 * PI).ln();
    let Some(&n) = mean.shape().last() else {
        return -0.5 * square(x - mean) / &cov - 0.5 * (log_turn + log(cov));
    };
    let half = n as f64 / 2.0;
    let y = x - &mean;
    if cov.ndim() == 0 {
        return -0.5 * sum(square(y), -1) / &cov - half * (log_turn + log(cov));
    }
    if cov.ndim() < 2 || cov.shape()[cov.ndim() - 2..] != [n, n] {
        throw!(Shape, "{NAME} got incompatible shapes, {} and {}", mean.aval(), cov.aval());
    }
    let l = cholesky(&cov);
    let y = whitened(&l, &y);
    -0.5 * sum(square(y), -1) - half * log_turn - sum(log(diagonal(&l)), -1)
}

/// The diagonals of matrices.
#[track_caller]
pub(super) fn diagonal(matrices: &Array) -> Array {
    diagonal_with(matrices, DiagonalOptions::new().axis1(-1).axis2(-2))
}

/// `L⁻¹ y`, whose axes before the last broadcast with those before the last two of `l`.
#[track_caller]
pub(super) fn whitened(l: &Array, y: &Array) -> Array {
    let n = y.shape()[y.ndim() - 1];
    let options = TriangularSolveOptions::new().lower(true);
    if l.ndim() == 2 {
        let rows = lax::reshape(y, [y.size().checked_div(n).unwrap_or(0), n]);
        return lax::reshape(&triangular_solve_with(l, &rows, options.transpose_a(true)), y.shape());
    }
    let batch = broadcast_shapes(&[&l.shape()[..l.ndim() - 2], &y.shape()[..y.ndim() - 1]]);
    let batch = batch.map_err(|e| e.context("multivariate_normal.logpdf")).or_throw();
    let with = |rest: &[usize]| -> Shape { batch.iter().chain(rest).copied().collect() };
    let (l, y) = (broadcast_to_shape(l, &with(&[n, n])), broadcast_to_shape(y, &with(&[n])));
    triangular_solve_with(&l, &y, options.left_side(true))
}

/// The density at the vectors `x`.
///
/// # Errors
/// As [`logpdf`].
#[track_caller]
pub fn pdf(x: impl Into<Array>, mean: impl Into<Array>, cov: impl Into<Array>) -> Array {
    lax::exp(&logpdf(x, mean, cov))
}
