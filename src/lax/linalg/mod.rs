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

mod cholesky;
mod cholesky_update;
mod eig;
mod eigh;
mod geqrf;
mod hessenberg;
mod householder_product;
mod kernels;
mod lu;
mod lu_pivots_to_permutation;
mod matrices;
mod ormqr;
mod qr;
mod schur;
mod svd;
mod symmetric_product;
mod triangular_solve;
mod tridiagonal;
mod tridiagonal_solve;

pub use cholesky::{CholeskyOptions, cholesky, cholesky_with};
pub use cholesky_update::cholesky_update;
pub use eig::{EigOptions, eig, eig_with};
pub use eigh::{EighOptions, eigh, eigh_with};
pub(crate) use geqrf::geqrf;
pub use hessenberg::hessenberg;
pub use householder_product::householder_product;
pub(crate) use kernels::KERNELS;
pub use lu::lu;
pub use lu_pivots_to_permutation::lu_pivots_to_permutation;
pub(crate) use matrices::rows_at;
pub use ormqr::{OrmqrOptions, ormqr, ormqr_with};
pub use qr::{FullMatricesOptions, qr, qr_pivoting, qr_pivoting_with, qr_with};
pub use schur::{SchurOptions, schur, schur_with};
pub use svd::{SvdOptions, singular_values, svd, svd_with};
pub use symmetric_product::{SymmetricProductOptions, symmetric_product, symmetric_product_with};
pub use triangular_solve::{TriangularSolveOptions, triangular_solve, triangular_solve_with};
pub use tridiagonal::{TridiagonalOptions, tridiagonal, tridiagonal_with};
pub use tridiagonal_solve::{TridiagonalSolveOptions, tridiagonal_solve, tridiagonal_solve_with};
