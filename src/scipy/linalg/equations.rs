//! Linear equations, by the structure or the factors of their matrix. JAX: `_src/scipy/linalg.py`.

use crate::arguments::options;
use crate::calls::jit_call::jitted;
use crate::core::array::Array;
use crate::error::{OrThrow, Result, throw};
use crate::lax;
use crate::lax::CustomLinearSolveOptions;
use crate::lax::linalg::{TriangularSolveOptions, lu_pivots_to_permutation, triangular_solve_with};
use crate::numpy::linalg::{column_product, for_each_column, lu_solved};
use crate::numpy::{VectorizeOptions, expand_dims, vectorize_with};

use super::factors::{TriangleOptions, cholesky_with};

/// Which equation a matrix or its factors solve. JAX: `trans`, which is 0, 1 or 2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Trans {
    /// `a x = b`.
    #[default]
    None,
    /// `aᵀ x = b`.
    Transpose,
    /// `aᴴ x = b`.
    Adjoint,
}

/// Both in one dtype that has a division.
#[track_caller]
fn promoted(name: &str, a: &Array, b: &Array) -> (Array, Array) {
    let (dtype, weak) = crate::numpy::util::result_type_of(name, &[a, b]);
    let dtype = crate::numpy::util::to_inexact(dtype);
    (lax::convert(a, dtype, weak), lax::convert(b, dtype, weak))
}

/// Is `b` a column for each matrix, and not several?
fn is_column(a: &Array, b: &Array) -> bool {
    let last = |x: &Array| x.shape().last().copied();
    b.ndim() == 1 || (a.ndim() == b.ndim() + 1 && last(a) == last(b))
}

/// `of` mapped over the leading axes of both.
#[track_caller]
fn mapped(name: &str, a: &Array, b: &Array, of: impl Fn(&Array, &Array) -> Array + Send + Sync) -> Array {
    let fits = match a.shape() {
        [.., m, n] if m == n => b.shape().iter().rev().take(2).any(|k| k == n),
        _ => false,
    };
    if !fits {
        throw!(
            Shape,
            "{name}: the arguments must have shapes [..., n, n] and [..., n, k] or [n], got {} and {}",
            a.aval(),
            b.aval()
        );
    }
    let signature = if is_column(a, b) { "(n,n),(n)->(n)" } else { "(n,n),(n,k)->(n,k)" };
    vectorize_with(of, VectorizeOptions::new().signature(signature))(a, b).or_throw()
}

/// Solves with one triangular matrix, for a column or several.
fn triangular(a: &Array, b: &Array, options: TriangularSolveOptions) -> Array {
    let options = options.left_side(true);
    match b.ndim() {
        1 => lax::squeeze(&triangular_solve_with(a, &expand_dims(b, -1), options), -1),
        _ => triangular_solve_with(a, b, options),
    }
}

options! {
    /// Options of [`solve_triangular_with`].
    pub struct SolveTriangularOptions {
        /// Which equation.
        trans: value Trans = Trans::None,
        /// Is it the triangle on and below the diagonal?
        lower: value bool = false,
        /// Is the diagonal taken for ones?
        unit_diagonal: value bool = false,
    }
}

/// `a x = b` for the triangle on and above the diagonal of `a: f32[..,n,n]`, and `b: f32[..,n,k]` or `f32[n]`, `x` as `b`. Leading axes are broadcast, dtypes promoted,
/// integers become floats.
///
/// ```
/// use raxla::{Array, scipy::linalg};
///
/// let x = linalg::solve_triangular(Array::from([[2.0f32, 1.0], [0.0, 4.0]]), Array::from([4.0f32, 8.0]));
/// assert_eq!(x.to_vec::<f32>()?, [1.0, 2.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `solve_triangular: the arguments must have shapes [..., n, n] and [..., n, k] or [n], got f32[2,3] and f32[2]`.
#[track_caller]
pub fn solve_triangular(a: impl Into<Array>, b: impl Into<Array>) -> Array {
    solve_triangular_with(a, b, SolveTriangularOptions::new())
}

/// [`solve_triangular`] by options.
///
/// # Errors
/// As [`solve_triangular`].
#[track_caller]
pub fn solve_triangular_with(
    a: impl Into<Array>,
    b: impl Into<Array>,
    options: SolveTriangularOptions,
) -> Array {
    let SolveTriangularOptions { trans, lower, unit_diagonal } = options;
    jitted("_solve_triangular", (trans, lower, unit_diagonal), [&a.into(), &b.into()], |[a, b]| {
        let (a, b) = promoted("solve_triangular", a, b);
        let options = TriangularSolveOptions::new()
            .lower(lower)
            .unit_diagonal(unit_diagonal)
            .transpose_a(trans != Trans::None)
            .conjugate_a(trans == Trans::Adjoint);
        mapped("solve_triangular", &a, &b, move |a, b| triangular(a, b, options.clone()))
    })
}

options! {
    /// Options of [`cho_factor_with`].
    pub struct ChoFactorOptions {
        /// Is it the lower factor, by the triangle on and below the diagonal?
        lower: value bool = false,
    }
}

/// The upper triangular factor `c` with `a = cᴴ c` for a Hermitian positive definite `a: f32[..,n,n]`, of which the triangle on and above the diagonal is
/// read, and `false`, for it is not the lower one: what [`cho_solve`] takes.
///
/// ```
/// use raxla::{Array, numpy as jnp, scipy::linalg};
///
/// let (a, b) = (Array::from([[4.0f32, 2.0], [2.0, 3.0]]), Array::from([8.0f32, 8.0]));
/// let x = linalg::cho_solve(linalg::cho_factor(&a), &b);
/// assert!(jnp::allclose(a.dot(x), b).item::<bool>()?);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`cholesky`](super::cholesky).
#[track_caller]
pub fn cho_factor(a: impl Into<Array>) -> (Array, bool) {
    cho_factor_with(a, ChoFactorOptions::new())
}

/// [`cho_factor`] by options.
///
/// # Errors
/// As [`cho_factor`].
#[track_caller]
pub fn cho_factor_with(a: impl Into<Array>, options: ChoFactorOptions) -> (Array, bool) {
    let lower = options.lower;
    (cholesky_with(a, TriangleOptions::new().lower(lower)), lower)
}

/// `a x = b` by what [`cho_factor`] gives for `a`: `b: f32[..,n,k]` or `f32[n]`, `x` as `b`.
///
/// # Errors
/// `cho_solve: the arguments must have shapes [..., n, n] and [..., n, k] or [n], got f32[2,3] and f32[2]`.
#[track_caller]
pub fn cho_solve(c_and_lower: (impl Into<Array>, bool), b: impl Into<Array>) -> Array {
    let (c, lower) = c_and_lower;
    jitted("_cho_solve", lower, [&c.into(), &b.into()], |[c, b]| {
        let (c, b) = promoted("cho_solve", c, b);
        let options =
            |turned: bool| TriangularSolveOptions::new().lower(lower).transpose_a(turned).conjugate_a(turned);
        let b = mapped("cho_solve", &c, &b, move |c, b| triangular(c, b, options(!lower)));
        mapped("cho_solve", &c, &b, move |c, b| triangular(c, b, options(lower)))
    })
}

options! {
    /// Options of [`lu_solve_with`].
    pub struct LuSolveOptions {
        /// Which equation.
        trans: value Trans = Trans::None,
    }
}

/// `a x = b` by what [`lu_factor`](super::lu_factor) gives for `a`: `b: f32[..,n,k]` or `f32[n]`, `x` as `b`.
///
/// ```
/// use raxla::{Array, numpy as jnp, scipy::linalg};
///
/// let (a, b) = (Array::from([[0.0f32, 2.0], [4.0, 3.0]]), Array::from([2.0f32, 7.0]));
/// let x = linalg::lu_solve(linalg::lu_factor(&a), &b);
/// assert!(jnp::allclose(a.dot(x), b).item::<bool>()?);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `lu_solve: the arguments must have shapes [..., n, n] and [..., n, k] or [n], got f32[2,3] and f32[2]`.
#[track_caller]
pub fn lu_solve(lu_and_piv: (impl Into<Array>, impl Into<Array>), b: impl Into<Array>) -> Array {
    lu_solve_with(lu_and_piv, b, LuSolveOptions::new())
}

/// [`lu_solve`] by options.
///
/// # Errors
/// As [`lu_solve`].
#[track_caller]
pub fn lu_solve_with(
    lu_and_piv: (impl Into<Array>, impl Into<Array>),
    b: impl Into<Array>,
    options: LuSolveOptions,
) -> Array {
    let (lu, pivots) = lu_and_piv;
    let trans = options.trans;
    jitted("lu_solve", trans, [&lu.into(), &pivots.into(), &b.into()], |[lu, pivots, b]| {
        let (lu, b) = promoted("lu_solve", lu, b);
        let n = match lu.shape() {
            [.., m, n] if m == n && b.shape().iter().rev().take(2).any(|k| k == n) => *n,
            _ => throw!(
                Shape,
                "lu_solve: the arguments must have shapes [..., n, n] and [..., n, k] or [n], got {} and {}",
                lu.aval(),
                b.aval()
            ),
        };
        let permutation = lu_pivots_to_permutation(pivots, n);
        let signature = match is_column(&lu, &b) {
            true => "(n,n),(n),(n)->(n)",
            false => "(n,n),(n),(n,k)->(n,k)",
        };
        let of = move |lu: &Array, permutation: &Array, b: &Array| lu_solved(lu, permutation, b, trans);
        vectorize_with(of, VectorizeOptions::new().signature(signature))(&lu, &permutation, &b).or_throw()
    })
}

/// What is known of a matrix. JAX: `assume_a`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SolveAssumption {
    /// Nothing. JAX: `"gen"`.
    #[default]
    General,
    /// It is symmetric, which is not made use of. JAX: `"sym"`.
    Symmetric,
    /// It is Hermitian, which is not made use of. JAX: `"her"`.
    Hermitian,
    /// It is Hermitian and positive definite: Cholesky's factor solves. JAX: `"pos"`.
    Positive,
}

options! {
    /// Options of [`solve_with`].
    pub struct SolveOptions {
        /// Which triangle of a positive definite matrix is read: that on and below the diagonal, or that on and above it.
        lower: value bool = false,
        /// What is known of the matrix.
        assume_a: value SolveAssumption = SolveAssumption::General,
    }
}

/// `a x = b`: `a: f32[..,m,m]`, `b: f32[..,m,k]` -> `f32[..,m,k]`, or one column `b: f32[m]`. See [`numpy::linalg::solve`](crate::numpy::linalg::solve).
///
/// # Errors
/// `solve: the arguments must have shapes [..., m, m] and [..., m, k] or [m], got f32[2,3] and f32[2]`.
#[track_caller]
pub fn solve(a: impl Into<Array>, b: impl Into<Array>) -> Array {
    solve_with(a, b, SolveOptions::new())
}

/// [`solve`] by options: with a positive definite `a`, leading axes must be equal.
///
/// ```
/// use raxla::scipy::linalg::{SolveAssumption, SolveOptions, solve_with};
/// use raxla::{Array, numpy as jnp};
///
/// let (a, b) = (Array::from([[4.0f32, 2.0], [2.0, 3.0]]), Array::from([8.0f32, 8.0]));
/// let x = solve_with(&a, &b, SolveOptions::new().assume_a(SolveAssumption::Positive));
/// assert!(jnp::allclose(a.dot(x), b).item::<bool>()?);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`solve`].
#[track_caller]
pub fn solve_with(a: impl Into<Array>, b: impl Into<Array>, options: SolveOptions) -> Array {
    let SolveOptions { lower, assume_a } = options;
    jitted("_solve", (lower, assume_a), [&a.into(), &b.into()], |[a, b]| {
        if assume_a != SolveAssumption::Positive {
            return crate::numpy::linalg::solve(a, b);
        }
        let (a, b) = promoted("solve", a, b);
        let n = a.shape().last().copied().unwrap_or(0);
        let fits = a.ndim() >= 2
            && (b.ndim() == a.ndim() || b.ndim() + 1 == a.ndim())
            && a.shape()[a.ndim() - 2] == n
            && b.shape()[a.ndim() - 2] == n;
        if !fits {
            throw!(
                Shape,
                "solve: the arguments must have shapes [..., m, m] and [..., m, k] or [m], got {} and {}",
                a.aval(),
                b.aval()
            );
        }
        solve_positive(&a, &b, lower).or_throw()
    })
}

/// By Cholesky's factor, which serves the derivatives, too.
fn solve_positive(a: &Array, b: &Array, lower: bool) -> Result<Array> {
    let factor = cho_factor_with(lax::stop_gradient(a), ChoFactorOptions::new().lower(lower)).0;
    for_each_column(a, b, &|b| {
        let options = CustomLinearSolveOptions::new().symmetric(true);
        let by = |_: &dyn Fn(Array) -> Result<Array>, x: Array| cho_solve((&factor, lower), x);
        lax::custom_linear_solve_with(|x: Array| column_product(a, &x), b.clone(), by, options)
    })
}
