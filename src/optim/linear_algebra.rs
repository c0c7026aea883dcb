//! Linear algebra that optimisers are made of: the largest eigenvalue, roots of matrices, non-negative least squares. Optax:
//! `_src/linear_algebra.py`.

use super::Hyperparam;
use super::math::{global_norm, sub, tree_scale, tree_vdot, zero_count};
use crate::Pytree;
use crate::arguments::options;
use crate::control_flow::{ScanOptions, scan_with, while_loop};
use crate::core::array::Array;
use crate::core::config::Precision;
use crate::core::trace::with_location;
use crate::dtype::DType;
use crate::error::{OrThrow, Result, caller, throw};
use crate::lax::DotOptions;
use crate::numpy;
use crate::numpy::linalg::{self, NormOptions};
use crate::random::{self, Key, UniformOptions};
use crate::signature::Output;

fn square_matrix(op: &str, matrix: &Array) -> Result<usize> {
    match *matrix.shape() {
        [n, m] if n == m && matrix.dtype().is_inexact() => Ok(n),
        _ => crate::error::bail!(Shape, "{op}: requires a square matrix of floats, got {}", matrix.aval()),
    }
}

fn product(x: &Array, y: &Array, precision: Precision) -> Array {
    numpy::matmul_with(x, y, DotOptions::new().precision(precision))
}

options! {
    /// Options of [`power_iteration_with`] and [`power_iteration_of_with`].
    pub struct PowerIterationOptions {
        /// The vector to begin with; of a matrix, one is drawn if it is not given. [`power_iteration_of`] does not look at it.
        v0: optional_into Array,
        /// The largest number of iterations.
        num_iters: value usize = 100,
        /// The error of the eigenvalue, relative to it, at which the iterations end.
        error_tolerance: into Hyperparam = 1e-6,
        /// Of products with a matrix.
        precision: value Precision = Precision::Highest,
        /// What the first vector is drawn with; `random::key(0)` if it is not given.
        key: optional Key,
    }
}

/// The eigenvalue of a square matrix that is largest in size, and its eigenvector of norm 1: `f32[n,n]` -> `(f32[], f32[n])`. It may not
/// be found if the matrix cannot be diagonalised or if two eigenvalues are as large. Mises and Pollaczek-Geiringer 1929.
///
/// ```
/// use raxla::{Array, optim};
///
/// let (value, vector) = optim::power_iteration(Array::from([[2.0f32, 1.0], [1.0, 2.0]]));
/// assert!((value.item::<f32>()? - 3.0).abs() < 1e-5);
/// assert!((vector.to_vec::<f32>()?[0].abs() - 0.5f32.sqrt()).abs() < 1e-3);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Panics
/// `power_iteration: requires a square matrix of floats, got f32[2,3]`, at the caller's line.
#[track_caller]
pub fn power_iteration(matrix: impl Into<Array>) -> (Array, Array) {
    power_iteration_with(matrix, PowerIterationOptions::new())
}

/// [`power_iteration`] by options.
///
/// # Panics
/// As [`power_iteration`]; a first vector of another size.
#[track_caller]
pub fn power_iteration_with(matrix: impl Into<Array>, options: PowerIterationOptions) -> (Array, Array) {
    let matrix = matrix.into();
    with_location(caller(), || {
        let n = square_matrix("power_iteration", &matrix).or_throw();
        let v0 = options.v0.clone().unwrap_or_else(|| {
            let key = options.key.clone().unwrap_or_else(|| random::key(0));
            random::uniform_with(&key, ([n], matrix.dtype()), UniformOptions::new().minval(-1.0).maxval(1.0))
        });
        let precision = options.precision;
        power_iteration_of_with(|v: Array| product(&matrix, &v, precision), v0, options).or_throw()
    })
}

/// [`power_iteration`] of a linear function in place of a matrix, such as the product with a Hessian. Its argument is a tree of the form
/// of `v0`, which the iterations begin with.
///
/// ```
/// use raxla::{optim, prelude::*};
///
/// let (value, _) = optim::power_iteration_of(
///     |(x, y): (Array, Array)| (&x * 2.0 + &y, x + y * 2.0),
///     (Array::from(1.0f32), Array::from(0.5f32)),
/// )?;
/// assert!((value.item::<f32>()? - 3.0).abs() < 1e-5);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Those of the function; a result of another structure.
#[track_caller]
pub fn power_iteration_of<T: Pytree, O: Output<Tree = T>>(
    matrix: impl FnMut(T) -> O,
    v0: T,
) -> Result<(Array, T)> {
    power_iteration_of_with(matrix, v0, PowerIterationOptions::new())
}

/// [`power_iteration_of`] by options.
///
/// # Errors
/// As [`power_iteration_of`].
#[track_caller]
pub fn power_iteration_of_with<T: Pytree, O: Output<Tree = T>>(
    mut matrix: impl FnMut(T) -> O,
    v0: T,
    options: PowerIterationOptions,
) -> Result<(Array, T)> {
    let loc = caller();
    let num_iters = i32::try_from(options.num_iters).unwrap_or(i32::MAX);
    let mut run = || {
        let v0 = normalized(&v0);
        let z0 = matrix(copy(&v0)).into_result()?;
        // Of the eigenvalue's type; no iteration has been made yet.
        let none = numpy::zeros_like(tree_vdot(&v0, &z0));
        let go_on = |(v, z, eig, count): &(T, T, Array, Array)| {
            let residual = global_norm(&sub(z, &tree_scale(eig, v)));
            let converged = numpy::less(numpy::abs(residual / eig), &options.error_tolerance);
            numpy::logical_and(numpy::logical_not(converged), numpy::less(count, num_iters))
        };
        let step = |(_, z, _, count): (T, T, Array, Array)| -> Result<(T, T, Array, Array)> {
            let v = normalized(&z);
            let z = matrix(copy(&v)).into_result()?;
            let eig = tree_vdot(&v, &z);
            Ok((v, z, eig, count + 1))
        };
        let (_, z, eig, _) = while_loop(go_on, step, (v0, z0, none, zero_count()))?;
        Ok((eig, normalized(&z)))
    };
    with_location(loc, || crate::error::catch(&mut run)).map_err(|e| e.at(loc))
}

fn copy<T: Pytree>(tree: &T) -> T {
    crate::tree::map(|x| x.clone(), tree)
}

fn normalized<T: Pytree>(tree: &T) -> T {
    tree_scale(1.0 / global_norm(tree), tree)
}

options! {
    /// Options of [`matrix_inverse_pth_root_with`].
    pub struct InverseRootOptions {
        /// The largest number of iterations.
        num_iters: value usize = 100,
        /// What is added to the diagonal, relative to the largest eigenvalue.
        ridge_epsilon: into Hyperparam = 1e-6,
        /// The error at which the iterations end.
        error_tolerance: into Hyperparam = 1e-6,
        /// Of products of matrices.
        precision: value Precision = Precision::Highest,
    }
}

/// `matrix^(-1/p)` of a symmetric positive semidefinite matrix, and the error of that: `f32[n,n]` -> `(f32[n,n], f32[])`. By coupled
/// Newton iterations; Higham 2008, equation 7.18. Powers are those of `p`, where Optax's are right for 1, 2, 4 and 8.
///
/// ```
/// use raxla::{Array, optim};
///
/// let (root, error) = optim::matrix_inverse_pth_root(Array::from([[4.0f32, 0.0], [0.0, 16.0]]), 2);
/// let root = root.to_vec::<f32>()?;
/// assert!((root[0] - 0.5).abs() < 1e-4 && (root[3] - 0.25).abs() < 1e-4);
/// assert!(error.item::<f32>()? < 1e-5);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Panics
/// `matrix_inverse_pth_root: requires a square matrix of floats, got f32[2,3]`; `p = 0: requires at least 1`, at the caller's line.
#[track_caller]
pub fn matrix_inverse_pth_root(matrix: impl Into<Array>, p: usize) -> (Array, Array) {
    matrix_inverse_pth_root_with(matrix, p, InverseRootOptions::new())
}

/// [`matrix_inverse_pth_root`] by options.
///
/// # Panics
/// As [`matrix_inverse_pth_root`].
#[track_caller]
pub fn matrix_inverse_pth_root_with(
    matrix: impl Into<Array>,
    p: usize,
    options: InverseRootOptions,
) -> (Array, Array) {
    let matrix = matrix.into();
    if p == 0 {
        throw!(InvalidArgument, "matrix_inverse_pth_root: p = 0: requires at least 1");
    }
    with_location(caller(), || inverse_root(&matrix, p, &options).or_throw())
}

fn inverse_root(matrix: &Array, p: usize, options: &InverseRootOptions) -> Result<(Array, Array)> {
    let InverseRootOptions { num_iters, ridge_epsilon, error_tolerance, precision } = options;
    let num_iters = i32::try_from(*num_iters).unwrap_or(i32::MAX);
    let n = square_matrix("matrix_inverse_pth_root", matrix)?;
    let alpha = -1.0 / p as f64;
    let (largest, _) = power_iteration_with(matrix, PowerIterationOptions::new().precision(*precision));
    let ridge = Array::from(ridge_epsilon) * numpy::maximum(largest, 1e-16);
    if n == 1 {
        return Ok((numpy::power(matrix + ridge, alpha), numpy::zeros(())));
    }
    let identity = numpy::eye(n).astype(DType::F32);
    let damped = matrix + ridge * &identity;
    let off = |m: &Array| numpy::max(numpy::abs(m - &identity), ..);
    let power = |m: &Array| {
        let (mut left, mut square, mut result) = (p, m.clone(), None::<Array>);
        loop {
            if left % 2 == 1 {
                result = Some(result.map_or_else(|| square.clone(), |x| product(&x, &square, *precision)));
            }
            left /= 2;
            match result {
                Some(result) if left == 0 => return result,
                _ => square = product(&square, &square, *precision),
            }
        }
    };
    let z = (1.0 + p as f64) / (2.0 * linalg::norm(&damped, ..));
    let m = &damped * &z;
    let h = &identity * numpy::power(&z, 1.0 / p as f64);
    type State = (Array, Array, Array, Array, Array, Array);
    let init: State = (zero_count(), m.clone(), h.clone(), h, off(&m), numpy::array(true));
    let go_on = |(i, _, _, _, error, better): &State| {
        let more = numpy::logical_and(numpy::greater(error, error_tolerance), better);
        numpy::logical_and(numpy::less(i, num_iters), more)
    };
    let step = |(i, m, h, _, error, _): State| -> State {
        let towards = (1.0 - alpha) * &identity + alpha * &m;
        let next = product(&power(&towards), &m, *precision);
        let next_h = product(&h, &towards, *precision);
        let next_error = off(&next);
        // The error may grow a little before it falls.
        let better = numpy::less(&next_error, error * 1.2);
        (i + 1, next, next_h, h, next_error, better)
    };
    let (_, m, h, last_h, _, better) = while_loop(go_on, step, init)?;
    let root = numpy::where_(better, h, last_h).astype(matrix.dtype());
    Ok((root, off(&m)))
}

options! {
    /// Options of [`nnls_with`].
    pub struct NnlsOptions {
        /// Iterations in one turn of the compiled loop.
        unroll: value usize = 1,
        /// An upper bound on the largest eigenvalue of `aᵀ a`; found from its norms if it is not given. Optax: `L`.
        bound: optional_into Array,
    }
}

/// The `x` without negative elements for which `|a x - b|` is least: `f32[m,n]`, `f32[m]` -> `f32[n]`, or `f32[m,k]` -> `f32[n,k]`. By
/// `iters` fast projected gradients. Polyak 2015.
///
/// ```
/// use raxla::{Array, optim};
///
/// let (a, b) = (Array::from([[1.0f32, 2.0], [3.0, 4.0]]), Array::from([5.0f32, 6.0]));
/// let x = optim::nnls(a, b, 1000).to_vec::<f32>()?;
/// assert!(x[0].abs() < 1e-3 && (x[1] - 1.7).abs() < 1e-3);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Panics
/// `nnls: requires a matrix and as many values as it has rows, got f32[2,3] and f32[3]`, at the caller's line.
#[track_caller]
pub fn nnls(a: impl Into<Array>, b: impl Into<Array>, iters: usize) -> Array {
    nnls_with(a, b, iters, NnlsOptions::new())
}

/// [`nnls`] by options.
///
/// # Panics
/// As [`nnls`].
#[track_caller]
pub fn nnls_with(a: impl Into<Array>, b: impl Into<Array>, iters: usize, options: NnlsOptions) -> Array {
    let (a, b) = (a.into(), b.into());
    if a.ndim() != 2 || !(1..=2).contains(&b.ndim()) || a.shape()[0] != b.shape()[0] {
        throw!(
            Shape,
            "nnls: requires a matrix and as many values as it has rows, got {} and {}",
            a.aval(),
            b.aval()
        );
    }
    with_location(caller(), || {
        let transposed = numpy::transpose(&a, ..);
        let (q, r) = (numpy::matmul(&transposed, &a), numpy::matmul(&transposed, &b));
        let bound = options.bound.clone().unwrap_or_else(|| {
            let of_columns = match q.size() {
                0 => numpy::zeros(((), q.dtype())),
                _ => linalg::norm_with(&q, .., NormOptions::new().ord(1)),
            };
            numpy::minimum(linalg::norm(&q, ..), of_columns)
        });
        // Nothing is divided by zero if all of `a` is.
        let bound = numpy::where_(numpy::equal(&bound, 0), 1, &bound);
        let step = |(x, p, c): (Array, Array, Array), (): ()| {
            let next_c = (1.0 + numpy::sqrt(1.0 + 4.0 * numpy::square(&c))) / 2.0;
            let ahead = (c - 1.0) / &next_c;
            let next = numpy::maximum(&p - (numpy::matmul(&q, &p) - &r) / &bound, 0);
            let p = &next + ahead * (&next - x);
            ((next, p, next_c), ())
        };
        let zeros = numpy::zeros_like(&r);
        let scan = ScanOptions::new().length(iters).unroll(options.unroll);
        let init = (zeros.clone(), zeros, Array::from(0.0));
        let ((x, _, _), ()) = scan_with(step, init, (), scan).or_throw();
        x
    })
}
