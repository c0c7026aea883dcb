//! Clusters. JAX: `jax.scipy.cluster`.

pub mod vq;
