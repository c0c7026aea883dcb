//! Random orthogonal matrices. JAX: `jax.random.orthogonal`.

use super::continuous::{floats, normal_words};
use super::key::Key;
use super::sampler::jitted;
use crate::arguments::{Dims, ShapeDtype, options};
use crate::core::array::Array;
use crate::core::aval::Shape;
use crate::dtype::DType;
use crate::lax::{expand_dims, mul, sign};
use crate::numpy::linalg::qr;
use crate::numpy::{DiagonalOptions, diagonal_with, matrix_transpose};

options! {
    /// Options of [`orthogonal_with`].
    pub struct OrthogonalOptions {
        /// How many matrices: the leading axes.
        shape: into Dims = Dims::from(()),
        /// `f32` (`f64` with x64 on) unless another is given; complex numbers make unitary matrices.
        dtype: optional DType,
        /// The number of columns; that of rows unless it is given.
        m: optional usize,
    }
}

/// A matrix of the orthogonal group of `n` rows and columns, each as likely as any other.
///
/// Mezzadri 2007, "How to generate random matrices from the classical compact groups": Q of a matrix of normal numbers, times the
/// signs of R's diagonal.
///
/// ```
/// use raxla::{numpy as jnp, random};
///
/// let q = random::orthogonal(&random::key(42), 3);
/// let one = jnp::matmul(&q, jnp::matrix_transpose(&q));
/// assert!((one - jnp::eye(3)).abs().max(..).item::<f32>()? < 1e-6);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// An array of keys.
#[track_caller]
pub fn orthogonal(key: &Key, n: usize) -> Array {
    orthogonal_of(key, n, &OrthogonalOptions::new())
}

/// [`orthogonal`] by options: `(*shape, n, m)`. With `n < m` the rows are orthonormal, with `n > m` the columns.
///
/// # Errors
/// ``dtype argument to `orthogonal` must be a float or complex dtype, got i32``; `qr does not accept dtype bf16. Accepted dtypes are
/// f32, f64, c64, c128`; an array of keys.
#[track_caller]
pub fn orthogonal_with(key: &Key, n: usize, options: OrthogonalOptions) -> Array {
    orthogonal_of(key, n, &options)
}

#[track_caller]
fn orthogonal_of(key: &Key, n: usize, options: &OrthogonalOptions) -> Array {
    let of = match options.dtype {
        Some(dtype) => ShapeDtype::from((options.shape.clone(), dtype)),
        None => ShapeDtype::from(options.shape.clone()),
    };
    let (batch, dtype) = floats("orthogonal", of, true);
    let m = options.m.unwrap_or(n);
    let with = |rows, columns| -> Shape { batch.iter().copied().chain([rows, columns]).collect() };
    jitted("_orthogonal", &with(n, m), dtype, 0, key.single("orthogonal"), &[], |key, _| {
        let (q, r) = qr(normal_words(key, &with(n.max(m), n.min(m)), dtype));
        let diagonal = diagonal_with(r, DiagonalOptions::new().axis1(-2).axis2(-1));
        let q = mul(&q, &expand_dims(&sign(&diagonal), -2));
        if n < m { matrix_transpose(q) } else { q }
    })
}
