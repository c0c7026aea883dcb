//! Layer 6: transformations of functions.

pub mod aot;
mod autodiff;
mod jit;
mod make_jaxpr;
mod program;
mod vmap;

pub use autodiff::{
    grad, grad_argnum, grad_aux, grad_aux_argnum, hessian, jacfwd, jacrev, jvp, linearize, value_and_grad,
    value_and_grad_argnum, value_and_grad_aux, value_and_grad_aux_argnum, vjp,
};
pub use jit::{CacheStats, Jit, JitOptions, jit, jit_with};
pub use make_jaxpr::{eval_shape, make_jaxpr};
pub use vmap::{InAxes, VmapOptions, vmap, vmap_with};
