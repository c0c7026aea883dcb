//! Functions with derivatives of their own. JAX: `jax.custom_jvp`, `jax.custom_vjp`, `jax.custom_derivatives`.

mod custom_jvp;
mod custom_vjp;
#[cfg(test)]
mod tests;
mod typed;
mod unary;
mod zeros;

pub use custom_jvp::custom_jvp;
pub use custom_vjp::{custom_vjp, custom_vjp_perturbed};
pub(crate) use unary::CustomUnary;
pub(crate) use zeros::symbolic_zero;
pub use zeros::zero_from_primal;
