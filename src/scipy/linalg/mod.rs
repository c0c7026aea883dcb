//! Linear algebra beyond NumPy's: equations by their structure, functions of matrices, and matrices of special forms. JAX:
//! `jax.scipy.linalg`.
//!
//! A matrix is what the last two axes hold; all axes before them number independent matrices. Where SciPy gives more or fewer results as an
//! option says, the function that ends in `_with` gives an `Option`.
//!
//! ```
//! use raxla::{Array, numpy as jnp, scipy::linalg};
//!
//! let turn = Array::from([[0.0f32, -jnp::PI as f32], [jnp::PI as f32, 0.0]]);
//! assert!(jnp::allclose_with(linalg::expm(turn), -jnp::eye(2), jnp::CloseOptions::new().atol(1e-5)).item::<bool>()?);
//! # Ok::<(), raxla::Error>(())
//! ```

mod combinatorial;
mod equations;
mod factors;
mod functions;
mod polar;
mod schur;
mod special_matrices;
mod sylvester;
mod tridiagonal;

#[doc(inline)]
pub use crate::numpy::linalg::{det, inv};
pub use combinatorial::{
    DftOptions, DftScale, HadamardOptions, HelmertOptions, PascalKind, PascalOptions, dft, dft_with,
    hadamard, hadamard_with, helmert, helmert_with, hilbert, invhilbert, invpascal, invpascal_with, pascal,
    pascal_with,
};
pub use equations::{
    ChoFactorOptions, LuSolveOptions, SolveAssumption, SolveOptions, SolveTriangularOptions, Trans,
    cho_factor, cho_factor_with, cho_solve, lu_solve, lu_solve_with, solve, solve_triangular,
    solve_triangular_with, solve_with,
};
pub use factors::{
    EighFactorsOptions, HessenbergOptions, LuOptions, QrMultiplyOptions, QrSide, QrSize, QrSizeOptions,
    SvdSizeOptions, TriangleOptions, cholesky, cholesky_with, eigh, eigh_with, hessenberg, hessenberg_with,
    lu, lu_factor, lu_with, qr, qr_multiply, qr_multiply_with, qr_with, svd, svd_with,
};
pub use functions::{
    ExpmFrechetOptions, ExpmOptions, FunmOptions, expm, expm_frechet, expm_frechet_with, expm_with, funm,
    funm_with, sqrtm,
};
pub use polar::{PolarMethod, PolarOptions, PolarSide, QdwhOptions, polar, polar_with, qdwh, qdwh_with};
pub use schur::{SchurFormOptions, SchurOutput, rsf2csf, schur, schur_with};
pub use special_matrices::{
    ConvolutionMatrixOptions, HankelOptions, ToeplitzOptions, block_diag, circulant, companion,
    convolution_matrix, convolution_matrix_with, fiedler, fiedler_companion, hankel, hankel_with, leslie,
    toeplitz, toeplitz_with,
};
pub use sylvester::{SylvesterMethod, SylvesterOptions, solve_sylvester, solve_sylvester_with};
pub use tridiagonal::{EighTridiagonalOptions, Select, eigh_tridiagonal, eigh_tridiagonal_with};
