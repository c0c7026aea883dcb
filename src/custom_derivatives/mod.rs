//! Functions with derivatives of their own. JAX: `jax.custom_jvp`, `jax.custom_vjp`,
//! `jax.custom_gradient`, `jax.closure_convert`, `jax.custom_derivatives`.

mod closure_convert;
mod custom_gradient;
mod custom_jvp;
mod custom_vjp;
mod nary;
#[cfg(test)]
mod tests;
mod typed;
mod unary;
mod zeros;

pub use closure_convert::closure_convert;
pub use custom_gradient::{WithGradient, custom_gradient, with_gradient};
pub use custom_jvp::custom_jvp;
pub use custom_vjp::{custom_vjp, custom_vjp_perturbed};
pub(crate) use nary::CustomNary;
pub(crate) use unary::CustomUnary;
pub(crate) use zeros::symbolic_zero;
pub use zeros::zero_from_primal;
