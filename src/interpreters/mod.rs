//! Layer 4: what can be done with a program besides running it. JAX: `jax._src.interpreters`.

pub(crate) mod backward_pass;
pub(crate) mod batching;
pub(crate) mod custom_call;
pub(crate) mod discharge;
pub(crate) mod jvp;
pub(crate) mod linearize;
pub(crate) mod partial_eval;
