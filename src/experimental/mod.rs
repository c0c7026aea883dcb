//! Layer 7: what JAX has under `jax.experimental`.

pub mod checkify;
pub mod jet;
