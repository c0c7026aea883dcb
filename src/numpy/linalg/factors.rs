//! Cholesky's factor, eigenvalues and singular values, by the functions of [`lax::linalg`](crate::lax::linalg).

use crate::arguments::options;
use crate::calls::jit_call::jitted;
use crate::core::array::Array;
use crate::lax;
use crate::lax::linalg::{self, CholeskyOptions, EigOptions, EighOptions, SvdOptions};
use crate::numpy::util::inexact;
use crate::numpy::{conjugate, flip, matrix_transpose, take_along_axis};

options! {
    /// Options of [`cholesky_with`].
    pub struct CholeskyFactorOptions {
        /// Is it the upper triangular factor, whose conjugate transpose stands to the left?
        upper: value bool = false,
        /// Is the matrix first made Hermitian, as half its sum with its conjugate transpose?
        symmetrize_input: value bool = true,
    }
}

/// The conjugate transposes of matrices.
pub(super) fn adjoint(x: &Array) -> Array {
    conjugate(matrix_transpose(x))
}

/// The lower triangular `l` with `a = l lᴴ` for a Hermitian positive definite `a: f32[..,n,n]`; all NaN where there is none. Integers become
/// floats.
///
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let l = jnp::linalg::cholesky(Array::from([[4.0f32, 2.0], [2.0, 10.0]]));
/// assert_eq!(l.to_vec::<f32>()?, [2.0, 0.0, 1.0, 3.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`lax::linalg::cholesky`].
#[track_caller]
pub fn cholesky(a: impl Into<Array>) -> Array {
    cholesky_with(a, CholeskyFactorOptions::new())
}

/// [`cholesky`] by options.
///
/// # Errors
/// As [`cholesky`].
#[track_caller]
pub fn cholesky_with(a: impl Into<Array>, options: CholeskyFactorOptions) -> Array {
    let CholeskyFactorOptions { upper, symmetrize_input } = options;
    jitted("cholesky", (upper, symmetrize_input), [&a.into()], |[a]| {
        let options = CholeskyOptions::new().symmetrize_input(symmetrize_input);
        let l = linalg::cholesky_with(&inexact(a), options);
        if upper { adjoint(&l) } else { l }
    })
}

/// Eigenvalues `c64[..,n]` of `a: f32[..,n,n]`, in any order, and eigenvectors `c64[..,n,n]`, as columns. See [`lax::linalg::eig`].
///
/// # Errors
/// As [`lax::linalg::eig`]: on the CPU it needs raxla's feature `linalg`.
#[track_caller]
pub fn eig(a: impl Into<Array>) -> (Array, Array) {
    let options = EigOptions::new().compute_left_eigenvectors(false);
    let mut outs = linalg::eig_with(&inexact(&a.into()), options);
    let v = outs.swap_remove(1);
    (outs.swap_remove(0), v)
}

/// Eigenvalues `c64[..,n]` of `a: f32[..,n,n]`, in any order.
///
/// # Errors
/// As [`lax::linalg::eig`]: on the CPU it needs raxla's feature `linalg`.
#[track_caller]
pub fn eigvals(a: impl Into<Array>) -> Array {
    jitted("eigvals", (), [&a.into()], |[a]| {
        let options = EigOptions::new().compute_left_eigenvectors(false).compute_right_eigenvectors(false);
        linalg::eig_with(&inexact(a), options).swap_remove(0)
    })
}

/// Eigenvalues `f32[..,n]` of a Hermitian `a: f32[..,n,n]`, in ascending order, and eigenvectors `f32[..,n,n]`, as columns. See
/// [`lax::linalg::eigh`].
///
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let (w, _) = jnp::linalg::eigh(Array::from([[2.0f32, 1.0], [1.0, 2.0]]));
/// assert!(jnp::allclose(w, Array::from([1.0f32, 3.0])).item::<bool>()?);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`lax::linalg::eigh`].
#[track_caller]
pub fn eigh(a: impl Into<Array>) -> (Array, Array) {
    eigh_with(a, EighOptions::new())
}

/// [`eigh`] by options; JAX's `UPLO="U"` is `lower(false)`.
///
/// # Errors
/// As [`eigh`].
#[track_caller]
pub fn eigh_with(a: impl Into<Array>, options: EighOptions) -> (Array, Array) {
    let statics =
        (options.lower, options.symmetrize_input, options.sort_eigenvalues, options.subset_by_index);
    jitted("eigh", statics, [&a.into()], |[a]| {
        let (v, w) = linalg::eigh_with(&inexact(a), options);
        (w, v)
    })
}

/// Eigenvalues `f32[..,n]` of a Hermitian `a: f32[..,n,n]`, in ascending order.
///
/// # Errors
/// As [`eigh`].
#[track_caller]
pub fn eigvalsh(a: impl Into<Array>) -> Array {
    eigvalsh_with(a, EighOptions::new())
}

/// [`eigvalsh`] by options.
///
/// # Errors
/// As [`eigh`].
#[track_caller]
pub fn eigvalsh_with(a: impl Into<Array>, options: EighOptions) -> Array {
    let statics =
        (options.lower, options.symmetrize_input, options.sort_eigenvalues, options.subset_by_index);
    jitted("eigvalsh", statics, [&a.into()], |[a]| eigh_with(inexact(a), options).0)
}

options! {
    /// Options of [`svd_with`].
    pub struct SvdFactorsOptions {
        /// Are all vectors wanted, those too that belong to no singular value?
        full_matrices: value bool = true,
        /// Is the matrix Hermitian? Then its eigenvalues are computed, which needs no feature.
        hermitian: value bool = false,
        /// Which singular values, in descending order, from the first index up to the second.
        subset_by_index: optional_into (usize, usize),
    }
}

/// `a = u diag(s) vh`: singular values `s: f32[..,k]` of `a: f32[..,m,n]`, in descending order, and unitary `u: f32[..,m,m]` and `vh: f32[..,n,n]`. See
/// [`lax::linalg::svd`]. JAX's `compute_uv=False` is [`svdvals`].
///
/// # Errors
/// As [`lax::linalg::svd`]: on the CPU it needs raxla's feature `linalg`.
#[track_caller]
pub fn svd(a: impl Into<Array>) -> (Array, Array, Array) {
    svd_with(a, SvdFactorsOptions::new())
}

/// [`svd`] by options.
///
/// # Errors
/// As [`svd`].
#[track_caller]
pub fn svd_with(a: impl Into<Array>, options: SvdFactorsOptions) -> (Array, Array, Array) {
    let mut outs = jitted_svd(&a.into(), false, options);
    let (vh, s) = (outs.swap_remove(2), outs.swap_remove(1));
    (outs.swap_remove(0), s, vh)
}

/// By eigenvalues, ordered by their absolute values.
#[track_caller]
fn hermitian_svd(a: &Array, subset: Option<(usize, usize)>) -> Vec<Array> {
    let (v, w) = linalg::eigh_with(a, EighOptions { subset_by_index: subset, ..EighOptions::new() });
    let s = lax::abs(&w);
    let order = flip(crate::numpy::argsort(&s, -1), -1);
    let (s, sign) = (take_along_axis(&s, &order, -1), take_along_axis(lax::sign(&w), &order, -1));
    let u = take_along_axis(&v, lax::expand_dims(&order, -2), -1);
    let sign = lax::convert_element_type(&lax::expand_dims(&sign, -2), u.dtype());
    let vh = adjoint(&lax::mul(&u, &sign));
    vec![u, s, vh]
}

/// Singular values `f32[..,k]` of `x: f32[..,m,n]`, in descending order, `k = min(m, n)`.
///
/// # Errors
/// As [`svd`].
#[track_caller]
pub fn svdvals(x: impl Into<Array>) -> Array {
    singular(&x.into(), false)
}

/// Singular values, or those of a Hermitian matrix.
#[track_caller]
pub(super) fn singular(x: &Array, hermitian: bool) -> Array {
    jitted_svd(x, true, SvdFactorsOptions::new().hermitian(hermitian)).swap_remove(0)
}

/// The factors, or with `values` the singular values alone.
#[track_caller]
fn jitted_svd(a: &Array, values: bool, options: SvdFactorsOptions) -> Vec<Array> {
    let statics = (values, options.full_matrices, options.hermitian, options.subset_by_index);
    jitted("svd", statics, [a], |[a]| {
        let a = inexact(a);
        match (values, options.hermitian) {
            (true, true) => {
                let w = lax::abs(&linalg::eigh(&a).1);
                vec![lax::rev(&lax::sort(&w, -1), w.ndim() - 1)]
            }
            (true, false) => vec![linalg::singular_values(&a)],
            (false, true) => hermitian_svd(&a, options.subset_by_index),
            (false, false) => {
                let how = SvdOptions {
                    full_matrices: options.full_matrices,
                    subset_by_index: options.subset_by_index,
                };
                let (u, s, vh) = linalg::svd_with(&a, how);
                vec![u, s, vh]
            }
        }
    })
}
