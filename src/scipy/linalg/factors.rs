//! Factors of matrices, with SciPy's parameters. JAX: `_src/scipy/linalg.py`.

use crate::arguments::options;
use crate::calls::jit_call::jitted;
use crate::core::array::Array;
use crate::core::config::Precision;
use crate::dtype::DType;
use crate::error::throw;
use crate::lax;
use crate::lax::linalg::{self, CholeskyOptions, FullMatricesOptions, OrmqrOptions, SvdOptions, geqrf};
use crate::numpy::util::{broadcast_shapes, broadcast_to_shape, inexact, result_type_of, to_inexact};
use crate::numpy::{
    ArangeOptions, DiagOptions, DotOptions, EyeOptions, NewAxis, arange_with, astype, block, concatenate,
    conjugate, equal, expand_dims, eye_with, matmul_with, matrix_transpose, ones, ravel, swapaxes,
    take_along_axis, tril_with, triu, triu_with, zeros, zeros_like,
};

options! {
    /// Options of [`cholesky_with`].
    pub struct TriangleOptions {
        /// Is it the lower factor, by the triangle on and below the diagonal?
        lower: value bool = false,
    }
}

fn adjoint(x: &Array) -> Array {
    conjugate(matrix_transpose(x))
}

/// The upper triangular `u` with `a = uᴴ u` for a Hermitian positive definite `a: f32[..,n,n]`, of which the triangle on and above the diagonal is read; all
/// NaN where there is none. Integers become floats.
///
/// ```
/// use raxla::{Array, scipy::linalg};
///
/// let u = linalg::cholesky(Array::from([[4.0f32, 2.0], [2.0, 10.0]]));
/// assert_eq!(u.to_vec::<f32>()?, [2.0, 1.0, 0.0, 3.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`lax::linalg::cholesky`].
#[track_caller]
pub fn cholesky(a: impl Into<Array>) -> Array {
    cholesky_with(a, TriangleOptions::new())
}

/// [`cholesky`] by options.
///
/// # Errors
/// As [`cholesky`].
#[track_caller]
pub fn cholesky_with(a: impl Into<Array>, options: TriangleOptions) -> Array {
    let lower = options.lower;
    jitted("_cholesky", lower, [&a.into()], |[a]| {
        let a = inexact(a);
        if a.ndim() < 2 {
            throw!(Shape, "cholesky: the argument must have shape [..., n, n], got {}", a.aval());
        }
        let of = |a: &Array| linalg::cholesky_with(a, CholeskyOptions::new().symmetrize_input(false));
        if lower { of(&a) } else { adjoint(&of(&conjugate(matrix_transpose(&a)))) }
    })
}

options! {
    /// Options of [`svd_with`].
    pub struct SvdSizeOptions {
        /// Are all vectors wanted, those too that belong to no singular value?
        full_matrices: value bool = true,
        /// Are the vectors wanted?
        compute_uv: value bool = true,
    }
}

/// `a = u diag(s) vh`. See [`lax::linalg::svd`].
///
/// # Errors
/// As [`lax::linalg::svd`]: on the CPU it needs raxla's feature `linalg`.
#[track_caller]
pub fn svd(a: impl Into<Array>) -> (Array, Array, Array) {
    let found = svd_with(a, SvdSizeOptions::new());
    match found {
        (Some(u), s, Some(vh)) => (u, s, vh),
        _ => throw!(Internal, "svd: no vectors"),
    }
}

/// [`svd`] by options: the vectors if they are wanted.
///
/// # Errors
/// As [`svd`].
#[track_caller]
pub fn svd_with(a: impl Into<Array>, options: SvdSizeOptions) -> (Option<Array>, Array, Option<Array>) {
    let SvdSizeOptions { full_matrices, compute_uv } = options;
    let mut outs = jitted("_svd", (full_matrices, compute_uv), [&a.into()], |[a]| {
        let a = inexact(a);
        if !compute_uv {
            return vec![linalg::singular_values(&a)];
        }
        let (u, s, vh) = linalg::svd_with(&a, SvdOptions::new().full_matrices(full_matrices));
        vec![u, s, vh]
    });
    let vh = compute_uv.then(|| outs.swap_remove(2));
    let s = outs.swap_remove(usize::from(compute_uv));
    (outs.pop(), s, vh)
}

options! {
    /// Options of [`eigh_with`].
    pub struct EighFactorsOptions {
        /// Which triangle is read: that on and below the diagonal, or that on and above it.
        lower: value bool = true,
        /// Are the eigenvectors left out?
        eigvals_only: value bool = false,
    }
}

/// Eigenvalues `f32[..,n]` of a Hermitian `a: f32[..,n,n]`, in ascending order, and eigenvectors `f32[..,n,n]`, as columns. See
/// [`lax::linalg::eigh`].
///
/// ```
/// use raxla::{Array, numpy as jnp, scipy::linalg};
///
/// let (w, _) = linalg::eigh(Array::from([[2.0f32, 1.0], [1.0, 2.0]]));
/// assert!(jnp::allclose(w, Array::from([1.0f32, 3.0])).item::<bool>()?);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`lax::linalg::eigh`].
#[track_caller]
pub fn eigh(a: impl Into<Array>) -> (Array, Array) {
    let (w, v) = eigh_with(a, EighFactorsOptions::new());
    match v {
        Some(v) => (w, v),
        None => throw!(Internal, "eigh: no vectors"),
    }
}

/// [`eigh`] by options: the vectors unless they are left out.
///
/// # Errors
/// As [`eigh`].
#[track_caller]
pub fn eigh_with(a: impl Into<Array>, options: EighFactorsOptions) -> (Array, Option<Array>) {
    let EighFactorsOptions { lower, eigvals_only } = options;
    let mut outs = jitted("_eigh", (lower, eigvals_only), [&a.into()], |[a]| {
        let (v, w) = linalg::eigh_with(&inexact(a), linalg::EighOptions::new().lower(lower));
        if eigvals_only { vec![w] } else { vec![w, v] }
    });
    let v = (!eigvals_only).then(|| outs.swap_remove(1));
    (outs.swap_remove(0), v)
}

/// The packed factors of `a: f32[..,m,n]` and the row that each row was exchanged with in turn: what [`lu_solve`](super::lu_solve) takes. See
/// [`lax::linalg::lu`].
///
/// # Errors
/// As [`lax::linalg::lu`].
#[track_caller]
pub fn lu_factor(a: impl Into<Array>) -> (Array, Array) {
    jitted("lu_factor", (), [&a.into()], |[a]| {
        let (lu, pivots, _) = linalg::lu(&inexact(a));
        (lu, pivots)
    })
}

options! {
    /// Options of [`lu_with`].
    pub struct LuOptions {
        /// Are the rows of `l` exchanged back, so that there is no `p`?
        permute_l: value bool = false,
    }
}

/// `a = p l u` for one matrix `a: f32[m,n]`, with `k = min(m, n)`: a permutation `p: f32[m,m]`, a lower triangular `l: f32[m,k]` with ones on the diagonal, and an
/// upper triangular `u: f32[k,n]`. Integers become floats.
///
/// ```
/// use raxla::{Array, scipy::linalg};
///
/// let (p, l, u) = linalg::lu(Array::from([[1.0f32, 2.0], [2.0, 8.0]]));
/// assert_eq!(p.to_vec::<f32>()?, [0.0, 1.0, 1.0, 0.0]);
/// assert_eq!(l.to_vec::<f32>()?, [1.0, 0.0, 0.5, 1.0]);
/// assert_eq!(u.to_vec::<f32>()?, [2.0, 8.0, 0.0, -2.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `lu: the argument must have shape [m, n], got f32[3]`.
#[track_caller]
pub fn lu(a: impl Into<Array>) -> (Array, Array, Array) {
    match lu_with(a, LuOptions::new()) {
        (Some(p), l, u) => (p, l, u),
        _ => throw!(Internal, "lu: no permutation"),
    }
}

/// [`lu`] by options: the permutation unless it is in `l`.
///
/// # Errors
/// As [`lu`].
#[track_caller]
pub fn lu_with(a: impl Into<Array>, options: LuOptions) -> (Option<Array>, Array, Array) {
    let permute_l = options.permute_l;
    let mut outs = jitted("lu", permute_l, [&a.into()], |[a]| {
        jitted("_lu", permute_l, [a], |[a]| {
            let a = inexact(a);
            let &[m, n] = a.shape() else {
                throw!(Shape, "lu: the argument must have shape [m, n], got {}", a.aval())
            };
            let (lu, _, permutation) = linalg::lu(&a);
            let (dtype, k) = (a.dtype(), m.min(n));
            let rows = arange_with(m, ArangeOptions::new().dtype(DType::I32));
            let at = equal(permutation.index((NewAxis, ..)), rows.index((.., NewAxis)));
            let p = crate::numpy::real(astype(at, dtype));
            let below = tril_with(&lu, DiagOptions::new().k(-1)).index((.., ..k));
            let l = below + eye_with(m, EyeOptions::new().m(k).dtype(dtype));
            let u = triu(&lu).index(..k);
            if permute_l { vec![matmul_with(p, l, exact()), u] } else { vec![p, l, u] }
        })
    });
    let u = outs.pop();
    let l = outs.pop();
    match (outs.pop(), l, u) {
        (p, Some(l), Some(u)) => (p, l, u),
        _ => throw!(Internal, "lu: no factors"),
    }
}

fn exact() -> DotOptions {
    DotOptions::new().precision(Precision::Highest)
}

/// How large the factors of [`qr_with`] are. JAX's `"r"`, which is R alone, is the second of `Full`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum QrSize {
    /// Q is square.
    #[default]
    Full,
    /// As many columns of Q as A has, or rows if those are fewer. JAX: `"economic"`.
    Economic,
}

options! {
    /// Options of [`qr_with`].
    pub struct QrSizeOptions {
        /// How large the factors are.
        mode: value QrSize = QrSize::Full,
        /// Are the columns exchanged, so that the diagonal of R falls?
        pivoting: value bool = false,
    }
}

/// `a = q r` for `a: f32[..,m,n]`: a unitary `q: f32[..,m,m]` and an upper triangular `r: f32[..,m,n]`. Integers become floats. See [`lax::linalg::qr`].
///
/// # Errors
/// As [`lax::linalg::qr`].
#[track_caller]
pub fn qr(a: impl Into<Array>) -> (Array, Array) {
    let (q, r, _) = qr_with(a, QrSizeOptions::new());
    (q, r)
}

/// [`qr`] by options: with pivots, `a[:, p] = q r`, and `p: i32[..,n]` is the third result.
///
/// ```
/// use raxla::scipy::linalg::{QrSize, QrSizeOptions, qr_with};
/// use raxla::Array;
///
/// let a = Array::from([[0.0f32, 3.0], [0.0, 4.0], [1.0, 0.0]]);
/// let (q, r, p) = qr_with(&a, QrSizeOptions::new().mode(QrSize::Economic).pivoting(true));
/// assert_eq!((q.shape(), r.shape()), (&[3, 2][..], &[2, 2][..]));
/// assert_eq!(p.map(|p| p.to_vec::<i32>().unwrap()), Some(vec![1, 0]));
/// ```
///
/// # Errors
/// As [`qr`].
#[track_caller]
pub fn qr_with(a: impl Into<Array>, options: QrSizeOptions) -> (Array, Array, Option<Array>) {
    let QrSizeOptions { mode, pivoting } = options;
    let outs = jitted("_qr", (mode, pivoting), [&a.into()], |[a]| {
        let (a, options) = (inexact(a), FullMatricesOptions::new().full_matrices(mode == QrSize::Full));
        if pivoting {
            let (q, r, p) = linalg::qr_pivoting_with(&a, options);
            return vec![q, r, p];
        }
        let (q, r) = linalg::qr_with(&a, options);
        vec![q, r]
    });
    let mut outs = outs.into_iter();
    match (outs.next(), outs.next(), outs.next()) {
        (Some(q), Some(r), p) => (q, r, p),
        _ => throw!(Internal, "qr: no factors"),
    }
}

/// On which side of a matrix Q stands. JAX: `mode` of `qr_multiply`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum QrSide {
    /// `c q`.
    #[default]
    Right,
    /// `q c`.
    Left,
}

options! {
    /// Options of [`qr_multiply_with`].
    pub struct QrMultiplyOptions {
        /// On which side Q stands.
        mode: value QrSide = QrSide::Right,
        /// Are the columns exchanged, so that the diagonal of R falls?
        pivoting: value bool = false,
        /// Is it the complex conjugate of Q?
        conjugate: value bool = false,
    }
}

/// `c q` and `r` for the factors `a = q r` of `a: f32[..,m,n]`, with `k = min(m, n)`: `c: f32[..,l,m]` or `f32[m]` -> `(f32[..,l,k], f32[..,k,n])`. `q` is not
/// computed. It has no derivative.
///
/// # Errors
/// `qr_multiply: the shapes do not fit: q is 3 by 2, and c f32[2,2]`.
#[track_caller]
pub fn qr_multiply(a: impl Into<Array>, c: impl Into<Array>) -> (Array, Array) {
    let (cq, r, _) = qr_multiply_with(a, c, QrMultiplyOptions::new());
    (cq, r)
}

/// [`qr_multiply`] by options: `q c` for `c: f32[..,k,l]`; with pivots, they are the third result.
///
/// # Errors
/// As [`qr_multiply`].
#[track_caller]
pub fn qr_multiply_with(
    a: impl Into<Array>,
    c: impl Into<Array>,
    options: QrMultiplyOptions,
) -> (Array, Array, Option<Array>) {
    let QrMultiplyOptions { mode, pivoting, conjugate } = options;
    let (a, mut c) = (a.into(), c.into());
    let (dtype, weak) = result_type_of("qr_multiply", &[&a, &c]);
    let dtype = to_inexact(dtype);
    let a = lax::convert(&a, dtype, weak);
    c = lax::convert(&c, dtype, weak);
    let (shape, is_left, vector) = (c.aval(), mode == QrSide::Left, c.ndim() == 1);
    if vector {
        c = expand_dims(c, if is_left { 1 } else { 0 });
    }
    let fits = |m: usize, k: usize| match c.shape() {
        [.., rows, columns] => {
            if is_left {
                *rows == k
            } else {
                *columns == m
            }
        }
        _ => false,
    };
    let (m, n) = match a.shape() {
        [.., m, n] => (*m, *n),
        _ => throw!(Shape, "qr_multiply: the first argument must have shape [..., m, n], got {}", a.aval()),
    };
    let k = m.min(n);
    if !fits(m, k) {
        throw!(Shape, "qr_multiply: the shapes do not fit: q is {m} by {k}, and c {shape}");
    }
    let front = [&a.shape()[..a.ndim() - 2], &c.shape()[..c.ndim() - 2]];
    let front = match broadcast_shapes(&front) {
        Ok(front) => front,
        Err(e) => crate::error::throw(e.context("qr_multiply")),
    };
    let spread = |x: &Array| {
        let sides = &x.shape()[x.ndim() - 2..];
        broadcast_to_shape(x, &[&front[..], sides].concat())
    };
    let (a, mut c) = (spread(&a), spread(&c));
    let (packed, taus, p) = match pivoting {
        true => {
            // The same reflections again, packed.
            let economic = FullMatricesOptions::new().full_matrices(false);
            let (_, _, p) = linalg::qr_pivoting_with(&a, economic);
            let (packed, taus) = geqrf(&take_along_axis(&a, lax::expand_dims(&p, -2), -1));
            (packed, taus, Some(p))
        }
        false => {
            let (packed, taus) = geqrf(&a);
            (packed, taus, None)
        }
    };
    if is_left && m > n {
        let columns = c.shape()[c.ndim() - 1];
        let more = zeros(([&front[..], &[m - k, columns]].concat(), dtype));
        c = concatenate([c, more], -2);
    }
    if conjugate {
        c = swapaxes(c, -1, -2);
    }
    // Transposing exchanges the sides.
    let options = OrmqrOptions::new().left(is_left != conjugate).transpose(conjugate);
    let mut cq = linalg::ormqr_with(&packed, &taus, &c, options);
    if conjugate {
        cq = swapaxes(cq, -1, -2);
    }
    if !is_left {
        cq = cq.index((.., ..k));
    }
    if vector {
        cq = ravel(cq);
    }
    (cq, triu(lax::slice_in_dim(&packed, ..k, -2)), p)
}

options! {
    /// Options of [`hessenberg_with`].
    pub struct HessenbergOptions {
        /// Is the unitary matrix wanted?
        calc_q: value bool = false,
    }
}

/// The `h` of `a = q h qᴴ` for `a: f32[..,n,n]`: zero below the elements that are next to the diagonal. See [`lax::linalg::hessenberg`].
///
/// # Errors
/// As [`lax::linalg::hessenberg`].
#[track_caller]
pub fn hessenberg(a: impl Into<Array>) -> Array {
    hessenberg_with(a, HessenbergOptions::new()).0
}

/// [`hessenberg`] by options: `h`, and the unitary `q` if it is wanted.
///
/// ```
/// use raxla::scipy::linalg::{HessenbergOptions, hessenberg_with};
/// use raxla::{Array, numpy as jnp};
///
/// let a = Array::from([[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 10.0]]);
/// let (h, q) = hessenberg_with(&a, HessenbergOptions::new().calc_q(true));
/// let q = q.unwrap();
/// assert!(jnp::allclose(jnp::linalg::multi_dot([&q, &h, &q.t()]), a).item::<bool>()?);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`hessenberg`].
#[track_caller]
pub fn hessenberg_with(a: impl Into<Array>, options: HessenbergOptions) -> (Array, Option<Array>) {
    let calc_q = options.calc_q;
    let outs = jitted("hessenberg", calc_q, [&a.into()], |[a]| {
        let n = a.shape().last().copied().unwrap_or(0);
        if n == 0 && a.ndim() > 0 {
            return vec![zeros_like(a); 1 + usize::from(calc_q)];
        }
        let (packed, taus) = linalg::hessenberg(a);
        let h = triu_with(&packed, DiagOptions::new().k(-1));
        if !calc_q {
            return vec![h];
        }
        let reflections = packed.index((.., 1.., ..-1));
        let q = linalg::householder_product(&reflections, &taus);
        let front = &packed.shape()[..packed.ndim() - 2];
        let of = |value: fn(([usize; 2], DType)) -> Array, sizes: [usize; 2]| {
            let x = value((sizes, packed.dtype()));
            broadcast_to_shape(&x, &[front, &sizes].concat())
        };
        let first = of(|s| ones(s), [1, 1]);
        let [row, column] = [[1, n - 1], [n - 1, 1]].map(|sizes| of(|s| zeros(s), sizes));
        vec![h, block([[first, row], [column, q]])]
    });
    let mut outs = outs.into_iter();
    match (outs.next(), outs.next()) {
        (Some(h), q) => (h, q),
        (None, _) => throw!(Internal, "hessenberg: no result"),
    }
}
