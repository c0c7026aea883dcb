//! Linear algebra. JAX: `jax.numpy.linalg`.

mod determinant;
mod elements;
mod factors;
mod products;
mod solve;

use std::borrow::Borrow;

use crate::arguments::{Axes, options};
use crate::calls::jit_call::jitted;
use crate::core::array::Array;
use crate::dtype::DType;
use crate::error::throw;
use crate::lax;
use crate::lax::DotPrecision;
use crate::lax::arguments::axes_of;
use crate::lax::linalg::{FullMatricesOptions, geqrf};
use crate::numpy::contraction::{DotOptions, dots};
use crate::numpy::reductions::{ReduceOptions, max_with, min_with, sum_with};
use crate::numpy::util::{broadcast_to_shape, inexact};
use crate::numpy::{EyeOptions, abs, expand_dims, eye_with, moveaxis, not_equal, power};

pub use crate::numpy::contraction::{matmul, matmul_with, tensordot, tensordot_with, vecdot, vecdot_with};
pub use crate::numpy::shape::matrix_transpose;
pub use determinant::{SlogdetMethod, SlogdetOptions, det, slogdet, slogdet_with};
pub use factors::{
    CholeskyFactorOptions, SvdFactorsOptions, cholesky, cholesky_with, eig, eigh, eigh_with, eigvals,
    eigvalsh, eigvalsh_with, svd, svd_with, svdvals,
};
pub use products::{
    CrossAxisOptions, MatrixDiagonalOptions, MatrixNormOptions, MatrixTraceOptions, VectorNormOptions, cross,
    cross_with, diagonal, diagonal_with, matrix_norm, matrix_norm_with, outer, trace, trace_with,
    vector_norm, vector_norm_with,
};
pub use solve::{
    CondOptions, LstsqOptions, MatrixRankOptions, PinvOptions, TensorinvOptions, TensorsolveOptions, cond,
    cond_with, inv, lstsq, lstsq_with, matrix_rank, matrix_rank_with, pinv, pinv_with, solve, tensorinv,
    tensorinv_with, tensorsolve, tensorsolve_with,
};
pub(crate) use solve::{column_product, for_each_column, lu_solved};

options! {
    /// Options of [`multi_dot_with`].
    pub struct MultiDotOptions {
        /// How exact products are on accelerators.
        precision: optional_into DotPrecision,
    }
}

/// The matrix product of several matrices, from left to right.
///
/// # Errors
/// `multi_dot: requires at least two arrays, got 1`; sizes that differ.
#[track_caller]
pub fn multi_dot<T: Borrow<Array>>(arrays: impl AsRef<[T]>) -> Array {
    multi_dot_with(arrays, MultiDotOptions::new())
}

/// [`multi_dot`] by options.
///
/// # Errors
/// As [`multi_dot`].
#[track_caller]
pub fn multi_dot_with<T: Borrow<Array>>(arrays: impl AsRef<[T]>, options: MultiDotOptions) -> Array {
    let arrays = arrays.as_ref();
    let [first, second, rest @ ..] = arrays else {
        throw!(InvalidArgument, "multi_dot: requires at least two arrays, got {}", arrays.len())
    };
    let how = DotOptions { precision: options.precision, ..DotOptions::new() };
    let mut product = dots("multi_dot", first.borrow(), second.borrow(), &how);
    for x in rest {
        product = dots("multi_dot", &product, x.borrow(), &how);
    }
    product
}

/// A matrix to the power `n` by repeated squaring; of its inverse, if `n` is negative.
///
/// # Errors
/// `matrix_power: expected square matrices, got f32[2,3]`.
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let fibonacci = jnp::linalg::matrix_power(Array::from([[1, 1], [1, 0]]), 10);
/// assert_eq!(fibonacci.index((0, 1)).item::<i32>()?, 55);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn matrix_power(x: impl Into<Array>, n: i64) -> Array {
    jitted("matrix_power", n, [&x.into()], |[x]| powers(x, n))
}

#[track_caller]
fn powers(x: &Array, n: i64) -> Array {
    let rank = x.ndim();
    if rank < 2 || x.shape()[rank - 1] != x.shape()[rank - 2] {
        throw!(Shape, "matrix_power: expected square matrices, got {}", x.aval());
    }
    let mut out: Option<Array> = None;
    let (mut square, mut left) = (if n < 0 { inv(x) } else { x.clone() }, n.unsigned_abs());
    while left > 0 {
        if left & 1 == 1 {
            out = Some(match out {
                Some(out) => matmul(out, &square),
                None => square.clone(),
            });
        }
        left >>= 1;
        if left > 0 {
            square = matmul(&square, &square);
        }
    }
    match out {
        Some(out) => out,
        None => {
            let one = eye_with(x.shape()[rank - 1], EyeOptions::new().dtype(x.dtype()));
            broadcast_to_shape(&one, x.shape())
        }
    }
}

/// Which factors [`qr_with`] gives of a matrix `f32[..,m,n]`, where `k = min(m, n)`. JAX's `"r"`, which is R alone, is the second
/// of `Reduced`: what nobody asks for of a jitted function is not computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum QrMode {
    /// `(f32[..,m,k], f32[..,k,n])`.
    Reduced,
    /// `(f32[..,m,m], f32[..,m,n])`.
    Complete,
    /// What LAPACK's `geqrf` leaves, `(f32[..,n,m], f32[..,k])`: transposed, R on and below the diagonal and the vectors of
    /// Householder's reflections above it; and the factors of the reflections. These have no derivative.
    Raw,
}

options! {
    /// Options of [`qr_with`].
    pub struct QrOptions {
        /// Which factors.
        mode: value QrMode = QrMode::Reduced,
    }
}

/// The factors of `x = Q R`: Q has orthonormal columns, R is upper triangular. `f32[..,m,n]` -> `(f32[..,m,k], f32[..,k,n])` with
/// `k = min(m, n)`. Integers become floats.
///
/// Signs are LAPACK's: the diagonal of R is real, of either sign. See [`lax::linalg::qr`] for the derivative.
///
/// # Errors
/// `Input 0 to qr must have rank at least 2, but got shape=(3,)`; `qr does not accept dtype bf16. Accepted dtypes are f32, f64, c64,
/// c128`.
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let x = Array::from([[3.0f32, 5.0], [4.0, 0.0]]);
/// let (q, r) = jnp::linalg::qr(&x);
/// assert!(jnp::allclose(jnp::matmul(&q, &r), &x).item::<bool>()?);
/// assert!((r.index((0, 0)).item::<f32>()? + 5.0).abs() < 1e-5);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn qr(x: impl Into<Array>) -> (Array, Array) {
    qr_of(&x.into(), QrMode::Reduced)
}

/// [`qr`] by options.
///
/// # Errors
/// As [`qr`].
#[track_caller]
pub fn qr_with(x: impl Into<Array>, options: QrOptions) -> (Array, Array) {
    qr_of(&x.into(), options.mode)
}

#[track_caller]
fn qr_of(x: &Array, mode: QrMode) -> (Array, Array) {
    jitted("qr", mode, [x], |[x]| {
        let x = inexact(x);
        if mode == QrMode::Raw {
            let (packed, taus) = geqrf(&x);
            return (matrix_transpose(packed), taus);
        }
        lax::linalg::qr_with(&x, FullMatricesOptions::new().full_matrices(mode == QrMode::Complete))
    })
}

/// Which norm.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Norm {
    /// The root of the sum of squares of all elements.
    Frobenius,
    /// The largest absolute value of a vector, the largest sum of absolute values of a matrix' rows.
    Inf,
    /// The smallest absolute value of a vector, the smallest sum of absolute values of a matrix' rows.
    NegInf,
    /// The sum of the singular values of a matrix.
    Nuclear,
    /// The p-norm of a vector; 0 counts what is not zero. Of a matrix, 1 and -1 are the largest and the smallest sum of absolute
    /// values of its columns, 2 and -2 the largest and the smallest singular value.
    P(f64),
}

impl Norm {
    /// What tells it from others.
    fn key(self) -> (std::mem::Discriminant<Norm>, u64) {
        match self {
            Norm::P(p) => (std::mem::discriminant(&self), p.to_bits()),
            _ => (std::mem::discriminant(&self), 0),
        }
    }
}

impl From<f64> for Norm {
    fn from(p: f64) -> Self {
        match p {
            f64::INFINITY => Norm::Inf,
            f64::NEG_INFINITY => Norm::NegInf,
            p => Norm::P(p),
        }
    }
}

impl From<i32> for Norm {
    fn from(p: i32) -> Self {
        Norm::P(f64::from(p))
    }
}

options! {
    /// Options of [`norm_with`].
    pub struct NormOptions {
        /// Which norm: [`Norm`], or a number for the p-norm.
        ord: optional_into Norm,
        /// Do the reduced axes stay, with size one?
        keepdims: value bool = false,
    }
}

/// The norm over `axes`: the root of the sum of squares of absolute values.
///
/// # Errors
/// An axis out of range or repeated.
/// ```
/// use raxla::numpy::linalg::{NormOptions, norm, norm_with};
/// use raxla::Array;
///
/// let x = Array::from([3.0f32, -4.0]);
/// assert_eq!(norm(&x, ..).item::<f32>()?, 5.0);
/// assert_eq!(norm_with(&x, 0, NormOptions::new().ord(1)).item::<f32>()?, 7.0);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn norm(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    norm_of(&x.into(), &axes.into(), &NormOptions::new())
}

/// [`norm`] by options. With an `ord`, one axis has the norms of vectors, two have those of matrices.
///
/// # Errors
/// As [`norm`]; more than two axes with an `ord`; norms of matrices by singular values without raxla's feature `linalg`.
#[track_caller]
pub fn norm_with(x: impl Into<Array>, axes: impl Into<Axes>, options: NormOptions) -> Array {
    norm_of(&x.into(), &axes.into(), &options)
}

#[track_caller]
fn norm_of(x: &Array, axes: &Axes, options: &NormOptions) -> Array {
    let ord = options.ord.map(Norm::key);
    jitted("norm", (axes.clone(), ord, options.keepdims), [x], |[x]| normed(&inexact(x), axes, options))
}

#[track_caller]
fn normed(x: &Array, axes: &Axes, options: &NormOptions) -> Array {
    let dims = axes_of("norm", axes, x);
    let kept = || ReduceOptions::new().keepdims(options.keepdims);
    match (options.ord, &dims[..]) {
        (None, _) | (Some(Norm::Frobenius), [_, _]) => root_of_squares(x, &dims, kept()),
        (Some(ord), [_]) => vector_normed("norm", x, &dims, ord, options.keepdims),
        (Some(ord @ (Norm::Nuclear | Norm::P(2.0 | -2.0))), [rows, columns]) => {
            let s = svdvals(moveaxis(x, [*rows, *columns], [-2, -1]));
            let y = match ord {
                Norm::Nuclear => sum_with(s, -1, ReduceOptions::new()),
                Norm::P(2.0) => max_with(s, -1, ReduceOptions::new().initial(0.0f32)),
                _ => min_with(s, -1, ReduceOptions::new()),
            };
            if options.keepdims { expand_dims(y, [*rows, *columns]) } else { y }
        }
        (Some(ord), [rows, columns]) => {
            let (sum, extreme) = match ord {
                Norm::P(1.0 | -1.0) => (*rows, *columns),
                Norm::Inf | Norm::NegInf => (*columns, *rows),
                _ => throw!(InvalidArgument, "norm: there is no norm {ord:?} of matrices"),
            };
            let sums = sum_with(abs(x), sum, kept());
            // An axis that is gone is not counted any more.
            let extreme = if options.keepdims || extreme < sum { extreme } else { extreme - 1 };
            match ord {
                Norm::P(1.0) | Norm::Inf => max_with(sums, extreme, kept().initial(0.0f32)),
                _ => min_with(sums, extreme, kept()),
            }
        }
        (Some(ord), _) => throw!(
            InvalidArgument,
            "norm: the norm {ord:?} takes one axis or two, got {} of {}",
            dims.len(),
            x.aval()
        ),
    }
}

/// The norms of vectors along several axes.
#[track_caller]
fn vector_normed(name: &str, x: &Array, dims: &[usize], ord: Norm, keepdims: bool) -> Array {
    let kept = || ReduceOptions::new().keepdims(keepdims);
    match ord {
        Norm::P(2.0) => root_of_squares(x, dims, kept()),
        Norm::Inf => max_with(abs(x), dims, kept().initial(0.0f32)),
        Norm::NegInf => min_with(abs(x), dims, kept()),
        Norm::P(0.0) => {
            let dtype: DType = x.dtype().real();
            sum_with(not_equal(x, 0), dims, kept().dtype(dtype))
        }
        Norm::P(1.0) => sum_with(abs(x), dims, kept()),
        Norm::P(p) => {
            let total = sum_with(power(abs(x), p), dims, kept());
            power(total, 1.0 / p)
        }
        Norm::Frobenius | Norm::Nuclear => {
            throw!(InvalidArgument, "{name}: there is no norm {ord:?} of vectors")
        }
    }
}

#[track_caller]
fn root_of_squares(x: &Array, dims: &[usize], options: ReduceOptions) -> Array {
    let squares =
        if x.dtype().is_complex() { lax::real(&lax::mul(x, &lax::conj(x))) } else { lax::mul(x, x) };
    lax::sqrt(&sum_with(squares, dims, options))
}
