//! Polar factors. JAX: `_src/scipy/linalg.py`, `_src/tpu/linalg/qdwh.py`.

use super::functions::listed;
use crate::arguments::options;
use crate::calls::jit_call::jitted;
use crate::core::array::Array;
use crate::core::config::Precision;
use crate::dtype::DType;
use crate::dtypes::finfo;
use crate::error::{OrThrow, throw};
use crate::lax;
use crate::lax::linalg::{
    CholeskyOptions, FullMatricesOptions, SvdOptions, TriangularSolveOptions, cholesky_with, qr_with,
    svd_with, triangular_solve_with,
};
use crate::numpy::linalg::{Norm, NormOptions, norm, norm_with};
use crate::numpy::util::inexact;
use crate::numpy::{
    Colon, DotOptions, EyeOptions, NewAxis, VectorizeOptions, concatenate, conj, equal, eye_with, greater,
    less, logical_and, logical_not, matmul_with, vectorize_with, where_,
};

/// On which side of the unitary factor the other one stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PolarSide {
    /// `a = u p`.
    #[default]
    Right,
    /// `a = p u`.
    Left,
}

/// How [`polar_with`] finds the factors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PolarMethod {
    /// By [`qdwh`]'s iteration: matrices of at least as many rows as columns from the right, others from the left.
    #[default]
    Qdwh,
    /// By singular values.
    Svd,
}

options! {
    /// Options of [`polar_with`].
    pub struct PolarOptions {
        /// On which side the factor that is not unitary stands.
        side: value PolarSide = PolarSide::Right,
        /// How the factors are found.
        method: value PolarMethod = PolarMethod::Qdwh,
        /// The distance from 1 that counts as rounding; the dtype's, if it is not given.
        eps: optional f64,
    }
}

fn exact(x: &Array, y: &Array) -> Array {
    matmul_with(x, y, DotOptions::new().precision(Precision::Highest))
}

fn adjoint(x: &Array) -> Array {
    conj(x.t())
}

/// `a = u p` for `a: f32[..,m,n]`: `u: f32[..,m,n]` with orthonormal columns, or rows if those are fewer, and a Hermitian positive semidefinite `p: f32[..,n,n]`.
///
/// ```
/// use raxla::{Array, scipy::linalg};
///
/// let a = Array::from([[0.0f32, -2.0], [3.0, 0.0]]);
/// let (u, p) = linalg::polar(&a);
/// assert!((u - Array::from([[0.0f32, -1.0], [1.0, 0.0]])).abs().max(..).item::<f32>()? < 1e-5);
/// assert!((p - Array::from([[3.0f32, 0.0], [0.0, 2.0]])).abs().max(..).item::<f32>()? < 1e-5);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `polar: the argument must have shape [..., m, n], got f32[3]`; what the method does not take.
#[track_caller]
pub fn polar(a: impl Into<Array>) -> (Array, Array) {
    polar_with(a, PolarOptions::new())
}

/// [`polar`] by options: `p` is `f32[..,m,m]` if it stands on the left.
///
/// # Errors
/// As [`polar`].
#[track_caller]
pub fn polar_with(a: impl Into<Array>, options: PolarOptions) -> (Array, Array) {
    let PolarOptions { side, method, eps } = options;
    let statics = (side, method, eps.map(f64::to_bits));
    jitted("polar", statics, [&a.into()], |[a]| {
        if a.ndim() < 2 {
            throw!(Shape, "polar: the argument must have shape [..., m, n], got {}", a.aval());
        }
        let signature = match side {
            PolarSide::Right => "(m,n)->(m,n),(n,n)",
            PolarSide::Left => "(m,n)->(m,n),(m,m)",
        };
        let of = move |a: &Array| one(a, side, method, eps);
        vectorize_with(of, VectorizeOptions::new().signature(signature))(a).or_throw()
    })
}

fn one(a: &Array, side: PolarSide, method: PolarMethod, eps: Option<f64>) -> (Array, Array) {
    jitted("_polar_2d", (side, method, eps.map(f64::to_bits)), [a], |[a]| {
        let (tall, options) = (a.shape()[0] >= a.shape()[1], QdwhOptions { eps, ..QdwhOptions::new() });
        match (method, side) {
            (PolarMethod::Qdwh, PolarSide::Right) if tall => {
                let (u, p, _, _) = qdwh_with(a, options);
                (u, p)
            }
            (PolarMethod::Qdwh, PolarSide::Left) if !tall => {
                let (u, p, _, _) = qdwh_with(adjoint(a), options);
                (adjoint(&u), adjoint(&p))
            }
            (PolarMethod::Qdwh, _) => throw!(
                Unimplemented,
                "polar: method Qdwh takes matrices of at least as many rows as columns from the right, and of fewer from the left, got {} \
                 from the {side:?}: there is PolarMethod::Svd",
                a.aval()
            ),
            (PolarMethod::Svd, side) => {
                let (u, s, vh) = svd_with(&inexact(a), SvdOptions::new().full_matrices(false));
                let s = s.astype(u.dtype()).index((NewAxis, Colon));
                let p = match side {
                    PolarSide::Right => exact(&(adjoint(&vh) * s), &vh),
                    PolarSide::Left => exact(&(&u * s), &adjoint(&u)),
                };
                (exact(&u, &vh), p)
            }
        }
    })
}

options! {
    /// Options of [`qdwh_with`].
    pub struct QdwhOptions {
        /// The most iterations; 10 is enough for every matrix.
        max_iterations: value usize = 10,
        /// The distance from 1 that counts as rounding; the dtype's, if it is not given.
        eps: optional f64,
    }
}

/// `x = u h` for one matrix `x: f32[m,n]` of at least as many rows as columns, by a dynamically weighted iteration of Halley's: `u: f32[m,n]` with orthonormal columns,
/// the Hermitian `h: f32[n,n]`, how many iterations it took, and whether it converged. JAX: `jax.lax.linalg.qdwh`.
///
/// ```
/// use raxla::{Array, scipy::linalg};
///
/// let (u, h, _, is_converged) = linalg::qdwh(Array::from([[2.0f32], [0.0]]));
/// assert!(is_converged.item::<bool>()?);
/// assert!((u - Array::from([[1.0f32], [0.0]])).abs().max(..).item::<f32>()? < 1e-6);
/// assert!((h.index((0, 0)).item::<f32>()? - 2.0).abs() < 1e-5);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `qdwh: the argument must have shape [m, n] with m not smaller than n, got f32[2,3]`.
#[track_caller]
pub fn qdwh(x: impl Into<Array>) -> (Array, Array, Array, Array) {
    qdwh_with(x, QdwhOptions::new())
}

/// [`qdwh`] by options.
///
/// # Errors
/// As [`qdwh`].
#[track_caller]
pub fn qdwh_with(x: impl Into<Array>, options: QdwhOptions) -> (Array, Array, Array, Array) {
    let QdwhOptions { max_iterations, eps } = options;
    let outs = jitted("qdwh", (max_iterations, eps.map(f64::to_bits)), [&x.into()], |[x]| {
        if !matches!(x.shape(), [m, n] if m >= n) {
            throw!(
                Shape,
                "qdwh: the argument must have shape [m, n] with m not smaller than n, got {}",
                x.aval()
            );
        }
        iterated(&inexact(x), max_iterations, eps)
    });
    match <[Array; 4]>::try_from(outs) {
        Ok([u, h, iterations, is_converged]) => (u, h, iterations, is_converged),
        Err(_) => throw!(Internal, "qdwh: no result"),
    }
}

/// The weights of the iterations, as long as they are not those that they tend to: of those that factor by QR, and of those that factor by Cholesky, which is
/// stable once the weights are small. Nakatsukasa, Bai and Gygi 2010
fn weights(eps: f64, max_iterations: usize) -> [Vec<[f64; 3]>; 2] {
    let (mut by_qr, mut by_cholesky) = (Vec::new(), Vec::new());
    let (mut l, tolerance) = (eps, 10.0 * eps / 2.0);
    while l + tolerance < 1.0 && by_qr.len() + by_cholesky.len() < max_iterations {
        let square = l * l;
        let d = (4.0 * (1.0 / square - 1.0) / square).powf(1.0 / 3.0);
        let root = (1.0 + d).sqrt();
        let a = root + (2.0 - d + 2.0 * (2.0 - square) / (square * root)).sqrt();
        let b = (a - 1.0).powi(2) / 4.0;
        let c = a + b - 1.0;
        l = l * (a + b * square) / (1.0 + c * square);
        let e = b / c;
        if c > 100.0 {
            by_qr.push([(a - e) / c.sqrt(), c.sqrt(), e]);
        } else {
            by_cholesky.push([a - e, c, e]);
        }
    }
    [by_qr, by_cholesky]
}

fn unit(n: usize, dtype: DType) -> Array {
    eye_with(n, EyeOptions::new().dtype(dtype))
}

fn step_by_qr(u: &Array, [factor, root, e]: &[Array; 3]) -> Array {
    let [m, n] = [u.shape()[0], u.shape()[1]];
    let both = concatenate([root * u, unit(n, u.dtype())], 0);
    let (q, _) = qr_with(&both, FullMatricesOptions::new().full_matrices(false));
    let (upper, lower) = (q.index(..m), q.index(m..));
    e * u + factor * exact(&upper, &adjoint(&lower))
}

fn step_by_cholesky(u: &Array, [factor, c, e]: &[Array; 3]) -> Array {
    let x = c * exact(&adjoint(u), u) + unit(u.shape()[1], u.dtype());
    let y = cholesky_with(&x, CholeskyOptions::new().symmetrize_input(false));
    let lower = || TriangularSolveOptions::new().left_side(true).lower(true).conjugate_a(true);
    let z = conj(triangular_solve_with(&y, &u.t(), lower()));
    let z = adjoint(&triangular_solve_with(&y, &z, lower().transpose_a(true)));
    e * u + factor * z
}

fn iterated(x: &Array, max_iterations: usize, eps: Option<f64>) -> Vec<Array> {
    let dtype = x.dtype();
    let eps = eps.unwrap_or_else(|| finfo(dtype).eps);
    let of = |ord: Norm| norm_with(x, .., NormOptions::new().ord(ord));
    let (ones, infinity) = (of(Norm::P(1.0)), of(Norm::Inf));
    let inverse = lax::mul(&lax::rsqrt(&ones), &lax::rsqrt(&infinity));
    let inverse = where_(equal(&ones, 0), 1, inverse);
    let mut u = x * inverse.astype(dtype);
    // The cube root of how far the weights may be from what they tend to.
    let tolerance = (10.0 * eps / 2.0).cbrt();
    let [by_qr, by_cholesky] = weights(eps, max_iterations);
    let list = |weights: &[[f64; 3]]| {
        let flat: Vec<f64> = weights.iter().flatten().copied().collect();
        listed(&flat, dtype.real()).astype(dtype).reshape([weights.len(), 3])
    };
    let at = |weights: &Array, k: &Array| {
        let row = lax::dynamic_index_in_dim(weights, k, 0);
        let row = row.reshape([3]);
        [row.index(0), row.index(1), row.index(2)]
    };
    let moved = |u: &Array, before: &Array| greater(norm(u - before, ..), tolerance);
    if !by_qr.is_empty() {
        let weights = list(&by_qr);
        let step = |k: Array, u: Array| step_by_qr(&u, &at(&weights, &k));
        u = lax::fori_loop(0, by_qr.len() as i32, step, u).or_throw();
    }
    let mut is_moving = Array::from(true);
    if !by_cholesky.is_empty() {
        let weights = list(&by_cholesky);
        let step = |k: Array, (before, _): (Array, Array)| {
            let u = step_by_cholesky(&before, &at(&weights, &k));
            let is_moving = moved(&u, &before);
            (u, is_moving)
        };
        (u, is_moving) = lax::fori_loop(0, by_cholesky.len() as i32, step, (u, is_moving)).or_throw();
    }
    // What the weights tend to is Halley's iteration.
    type Carry = (Array, Array, Array);
    let more = |(k, _, is_moving): &Carry| logical_and(is_moving, less(k, max_iterations as i32));
    let step = |(k, before, _): Carry| {
        let halley = [3.0 - 1.0 / 3.0, 3.0, 1.0 / 3.0].map(Array::from);
        let u = step_by_cholesky(&before, &halley);
        let is_moving = moved(&u, &before);
        (k + 1, u, is_moving)
    };
    let done = Array::from((by_qr.len() + by_cholesky.len()) as i32);
    let (iterations, u, is_moving) = lax::while_loop(more, step, (done, u, is_moving)).or_throw();
    // One step of Newton's and Schulz's, for accuracy.
    let u = 1.5 * &u - exact(&(0.5 * &u), &exact(&adjoint(&u), &u));
    let h = exact(&adjoint(&u), x);
    let h = (&h + adjoint(&h)) / 2;
    vec![u, h, iterations, logical_not(is_moving)]
}
