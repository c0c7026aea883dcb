//! Special functions. JAX: `jax.scipy.special`.
//!
//! Integers become floats, shapes broadcast. Functions of large or small numbers are exact where their formulas are not: `log_ndtr`
//! far below zero, `xlogy` at zero.
//!
//! ```
//! use raxla::scipy::special;
//!
//! let p = special::ndtr([-1.0f32, 0.0, 1.0]);
//! assert_eq!(p.to_vec::<f32>()?[1], 0.5);
//! # Ok::<(), raxla::Error>(())
//! ```

mod bessel;
mod error;
mod error_coefficients;
mod gamma;
mod hypergeometric;
mod integral_coefficients;
mod integrals;
mod legendre;
mod logarithms;
pub(crate) mod util;

#[doc(inline)]
pub use crate::nn::{
    LogsumexpOptions, SoftmaxOptions, log_softmax, log_softmax_with, logsumexp, logsumexp_with, softmax,
    softmax_with,
};
pub use bessel::*;
pub use error::*;
pub use gamma::*;
pub use hypergeometric::*;
pub use integrals::*;
pub use legendre::*;
pub use logarithms::*;
