//! Layer 6: transformations of functions.

pub mod aot;
mod autodiff;
mod jit;
mod make_jaxpr;
mod program;
mod vmap;

pub use autodiff::{
    Argnum, Argnums, Aux, GradOptions, HasAux, JvpOptions, NoAux, Wrt, grad, grad_with, hessian,
    hessian_with, jacfwd, jacfwd_with, jacrev, jacrev_with, jvp, jvp_with, linear_transpose, linearize,
    linearize_with, value_and_grad, value_and_grad_with, vjp, vjp_with,
};
pub use jit::{CacheStats, Jit, JitOptions, jit, jit_with};
pub use make_jaxpr::{eval_shape, make_jaxpr};
pub use vmap::{MappedAxes, VmapOptions, vmap, vmap_with};
