//! Matrices that their size makes. JAX: `_src/scipy/linalg.py`.

use crate::arguments::options;
use crate::calls::jit_call::jitted;
use crate::core::array::Array;
use crate::dtype::DType;
use crate::error::throw;
use crate::lax;
use crate::numpy::util::{default_float, promote_args_inexact};
use crate::numpy::{
    ArangeOptions, Blocks, NewAxis, arange, arange_with, astype, block, concatenate, dot, equal, exp, full,
    greater_equal, less_equal, logical_and, ones, power, sqrt, where_, zeros_like,
};
use num_complex::Complex;

/// Hilbert's matrix, `1 / (i + j + 1)`: `f32[n,n]`.
///
/// ```
/// use raxla::scipy::linalg;
///
/// assert_eq!(linalg::hilbert(2).to_vec::<f32>()?, [1.0, 0.5, 0.5, 1.0 / 3.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn hilbert(n: usize) -> Array {
    jitted("hilbert", n, [], |[]| {
        let a = lax::broadcasted_iota(default_float(), [n, 1], 0);
        1 / (&a + a.t() + 1)
    })
}

/// A row and a column of the numbers from 0 on.
fn places(n: usize, dtype: DType) -> (Array, Array) {
    let a = arange_with(n, ArangeOptions::new().dtype(dtype));
    (a.index((.., NewAxis)), a.index((NewAxis, ..)))
}

/// How many ways there are to choose `k` of `n`. JAX: `scipy.special.comb`.
fn comb(n: &Array, k: &Array) -> Array {
    let [n, k] = promote_args_inexact("comb", [n, k]);
    let some = logical_and(logical_and(less_equal(&k, &n), greater_equal(&n, 0)), greater_equal(&k, 0));
    let [n, k] = [&n, &k].map(|x| where_(&some, x, 0.0));
    let log = |x: &Array| lax::lgamma(&(x + 1));
    let ways = lax::exp(&(log(&n) - log(&k) - lax::lgamma(&(&n + 1 - &k))));
    where_(some, ways, 0.0)
}

/// The inverse of [`hilbert`]'s matrix: `f32[n,n]`.
///
/// ```
/// use raxla::{Array, numpy as jnp, scipy::linalg};
///
/// let x = linalg::invhilbert(2);
/// assert!(jnp::allclose(x, Array::from([[4.0f32, -6.0], [-6.0, 12.0]])).item::<bool>()?);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn invhilbert(n: usize) -> Array {
    jitted("invhilbert", n, [], |[]| {
        let (i, j) = places(n, default_float());
        let s = &i + &j;
        let size = n as i32;
        let signed = power(-1.0, &s) * (&s + 1.0);
        let left = comb(&(size + &i), &(size - &j - 1));
        let right = comb(&(size + &j), &(size - &i - 1));
        signed * left * right * power(comb(&s, &i), 2)
    })
}

/// Which matrix of Pascal's triangle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PascalKind {
    /// The product of the other two.
    #[default]
    Symmetric,
    /// The triangle's rows.
    Lower,
    /// The triangle's rows as columns.
    Upper,
}

options! {
    /// Options of [`pascal_with`] and [`invpascal_with`].
    pub struct PascalOptions {
        /// Which matrix.
        kind: value PascalKind = PascalKind::Symmetric,
    }
}

fn binom(n: &Array, k: &Array) -> Array {
    jitted("_binom", (), [n, k], |[n, k]| {
        let log = |x: &Array| lax::lgamma(&(x + 1.0));
        let [a, b, c] = [log(n), log(&(n - k)), log(k)];
        lax::exp(&lax::sub(&lax::sub(&a, &b), &c))
    })
}

/// Pascal's matrix, `f32[n,n]`: element `i, j` is the number of ways to choose `i` of `i + j`.
///
/// ```
/// use raxla::{Array, numpy as jnp, scipy::linalg};
///
/// assert!(jnp::allclose(linalg::pascal(2), Array::from([[1.0f32, 1.0], [1.0, 2.0]])).item::<bool>()?);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn pascal(n: usize) -> Array {
    pascal_with(n, PascalOptions::new())
}

/// [`pascal`] by options.
#[track_caller]
pub fn pascal_with(n: usize, options: PascalOptions) -> Array {
    let kind = options.kind;
    jitted("pascal", (n, kind), [], |[]| {
        let (i, j) = places(n, DType::F32);
        let l = binom(&i, &j);
        match kind {
            PascalKind::Lower => l,
            PascalKind::Upper => l.t(),
            PascalKind::Symmetric => dot(&l, l.t()),
        }
    })
}

/// The inverse of [`pascal`]'s matrix: `f32[n,n]`.
///
/// ```
/// use raxla::{Array, numpy as jnp, scipy::linalg};
///
/// assert!(jnp::allclose(linalg::invpascal(2), Array::from([[2.0f32, -1.0], [-1.0, 1.0]])).item::<bool>()?);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn invpascal(n: usize) -> Array {
    invpascal_with(n, PascalOptions::new())
}

/// [`invpascal`] by options.
#[track_caller]
pub fn invpascal_with(n: usize, options: PascalOptions) -> Array {
    let kind = options.kind;
    jitted("invpascal", (n, kind), [], |[]| {
        let (i, j) = places(n, default_float());
        let l = power(-1.0, &i - &j) * binom(&i, &j);
        match kind {
            PascalKind::Lower => l,
            PascalKind::Upper => l.t(),
            PascalKind::Symmetric => dot(l.t(), &l),
        }
    })
}

options! {
    /// Options of [`helmert_with`].
    pub struct HelmertOptions {
        /// Is the first row there, whose elements are equal? Then the matrix is square.
        full: value bool = false,
    }
}

/// Helmert's matrix, whose rows are orthonormal and sum to zero: `f32[n-1,n]`.
///
/// ```
/// use raxla::{Array, numpy as jnp, scipy::linalg};
///
/// let x = linalg::helmert(2);
/// assert!(jnp::allclose(x, Array::from([[0.5f32, -0.5]]) * 2f64.sqrt()).item::<bool>()?);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `helmert: n must be positive, got 0`.
#[track_caller]
pub fn helmert(n: usize) -> Array {
    helmert_with(n, HelmertOptions::new())
}

/// [`helmert`] by options.
///
/// # Errors
/// As [`helmert`].
#[track_caller]
pub fn helmert_with(n: usize, options: HelmertOptions) -> Array {
    if n == 0 {
        throw!(InvalidArgument, "helmert: n must be positive, got {n}");
    }
    jitted("helmert", (n, options.full), [], |[]| {
        let (i, j) = (arange(n - 1).index((.., NewAxis)), arange(n).index((NewAxis, ..)));
        let k = &i + 1;
        let float = astype(&k, default_float());
        let denominator = sqrt(&float * (&float + 1));
        let beside = where_(equal(&j, &k), -&float / &denominator, zeros_like(&denominator));
        let rows = where_(less_equal(&j, &i), 1.0 / &denominator, beside);
        if !options.full {
            return rows;
        }
        let first = full(([1, n], rows.dtype()), 1.0 / sqrt(n as i32));
        concatenate([&first, &rows], 0)
    })
}

options! {
    /// Options of [`hadamard_with`].
    pub struct HadamardOptions {
        /// The dtype; JAX's default for integers, if it is not given.
        dtype: optional DType,
    }
}

/// Hadamard's matrix of ones and minus ones, whose rows are orthogonal: `i32[n,n]`.
///
/// ```
/// use raxla::scipy::linalg;
///
/// assert_eq!(linalg::hadamard(2).to_vec::<i32>()?, [1, 1, 1, -1]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `hadamard: n must be a power of 2, got 3`.
#[track_caller]
pub fn hadamard(n: usize) -> Array {
    hadamard_with(n, HadamardOptions::new())
}

/// [`hadamard`] by options.
///
/// # Errors
/// As [`hadamard`].
#[track_caller]
pub fn hadamard_with(n: usize, options: HadamardOptions) -> Array {
    if !n.is_power_of_two() {
        throw!(InvalidArgument, "hadamard: n must be a power of 2, got {n}");
    }
    let dtype = options.dtype.unwrap_or_else(crate::numpy::util::default_int);
    jitted("hadamard", (n, dtype), [], |[]| {
        let mut h = ones(([1, 1], dtype));
        while h.shape()[0] < n {
            h = block([Blocks::from([&h, &h]), Blocks::from([h.clone(), -&h])]);
        }
        h
    })
}

/// What [`dft_with`] divides by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DftScale {
    /// Nothing.
    #[default]
    None,
    /// The root of `n`, so that the matrix is unitary. JAX: `"sqrtn"`.
    SqrtN,
    /// `n`. JAX: `"n"`.
    N,
}

options! {
    /// Options of [`dft_with`].
    pub struct DftOptions {
        /// What the elements are divided by.
        scale: value DftScale = DftScale::None,
        /// The dtype, which is complex; JAX's default, if it is not given.
        dtype: optional DType,
    }
}

/// The matrix of the discrete Fourier transform: `c64[n,n]`.
///
/// ```
/// use raxla::{Array, numpy as jnp, scipy::linalg};
///
/// let x = Array::from([1.0f32, 2.0, 4.0]);
/// assert!(jnp::allclose(linalg::dft(3).matmul(&x), jnp::fft::fft(&x, -1)).item::<bool>()?);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `dft: the dtype must be complex, got f32`.
#[track_caller]
pub fn dft(n: usize) -> Array {
    dft_with(n, DftOptions::new())
}

/// [`dft`] by options.
///
/// # Errors
/// As [`dft`].
#[track_caller]
pub fn dft_with(n: usize, options: DftOptions) -> Array {
    let dtype = options.dtype.unwrap_or(match default_float() {
        DType::F64 => DType::C128,
        _ => DType::C64,
    });
    if !dtype.is_complex() {
        throw!(DType, "dft: the dtype must be complex, got {dtype}");
    }
    let scale = options.scale;
    jitted("dft", (n, scale, dtype), [], |[]| {
        let (i, j) = places(n, dtype);
        let omegas = exp(Complex::new(0.0, -2.0 * std::f64::consts::PI) * i * j / n as i32);
        match scale {
            DftScale::None => omegas,
            DftScale::SqrtN => omegas / sqrt(n as i32),
            DftScale::N => omegas / n as i32,
        }
    })
}
