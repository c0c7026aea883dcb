//! Equations with matrices that are only known by their products. JAX: `jax.scipy.sparse`.

pub mod linalg;
