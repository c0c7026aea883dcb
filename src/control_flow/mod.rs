//! Layer 5: primitives that hold jaxprs. JAX: `lax.control_flow`, `pjit`.

pub(crate) mod jit_call;
