//! Layer 7: SciPy's functions on arrays. JAX: `jax.scipy`.

pub mod cluster;
pub mod fft;
pub mod integrate;
pub mod interpolate;
pub mod linalg;
pub mod ndimage;
pub mod optimize;
pub mod signal;
pub mod sparse;
pub mod special;
pub mod stats;
