//! Integrals of samples. JAX: `jax.scipy.integrate`.

#[doc(inline)]
pub use crate::numpy::{TrapezoidOptions, trapezoid, trapezoid_with};
