//! Linear algebra: factors of matrices, and equations with them. JAX: `jax.lax.linalg`.
//!
//! A matrix is what the last two axes hold; all axes before them number independent matrices.
//!
//! ```
//! use raxla::{Array, lax, lax::linalg};
//!
//! let x = Array::from([[3.0f32, 1.0], [4.0, 2.0]]);
//! let (q, r) = linalg::qr(&x);
//! assert!((lax::dot(&q, &r) - x).abs().max(..).item::<f32>()? < 1e-5);
//! # Ok::<(), raxla::Error>(())
//! ```

mod geqrf;
mod householder_product;
mod matrices;
mod qr;
mod triangular_solve;

pub(crate) use geqrf::geqrf;
pub use householder_product::householder_product;
pub use qr::{FullMatricesOptions, qr, qr_with};
pub use triangular_solve::{TriangularSolveOptions, triangular_solve, triangular_solve_with};
