//! What most programs need: `use raxla::prelude::*;`.

/// The trait and `#[derive(Pytree)]`.
pub use crate::Pytree;
pub use crate::api::{Argnum, GradOptions, Jit, VmapOptions};
pub use crate::api::{
    grad, grad_with, hessian, jacfwd, jacrev, jit, jvp, linearize, make_jaxpr, value_and_grad,
    value_and_grad_with, vjp, vmap, vmap_with,
};
pub use crate::capture;
/// A whole axis, and a new one, in an index.
pub use crate::numpy::{Colon, NewAxis};
pub use crate::random::Key;
pub use crate::tree::{self, Static};
pub use crate::{Array, DType, Error, ErrorKind, Result};
