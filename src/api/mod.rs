//! Layer 6: transformations of functions.

pub mod aot;
mod autodiff;
mod compile_time_eval;
mod devices;
mod jit;
mod make_jaxpr;
mod named_call;
mod process_local;
mod program;
mod saved_residuals;
mod vmap;

pub use autodiff::{
    Argnum, Argnums, Aux, GradOptions, HasAux, JvpOptions, NoAux, VjpResiduals, Wrt, fwd_and_bwd,
    fwd_and_bwd_with, grad, grad_with, hessian, hessian_with, jacfwd, jacfwd_with, jacrev, jacrev_with, jvp,
    jvp_with, linear_transpose, linearize, linearize_with, value_and_grad, value_and_grad_with, vjp,
    vjp_with,
};
pub use compile_time_eval::ensure_compile_time_eval;
pub use devices::{
    default_backend, device_count, devices, local_device_count, local_devices, process_count, process_index,
    process_indices,
};
pub use jit::{CacheStats, Jit, JitOptions, jit, jit_with};
pub use make_jaxpr::{eval_shape, make_jaxpr};
pub use named_call::{NamedCallOptions, named_call, named_call_with};
pub use process_local::{
    ProcessLocalOptions, make_array_from_process_local_data, make_array_from_process_local_data_with,
};
pub use saved_residuals::{print_saved_residuals, saved_residuals};
pub use vmap::{MappedAxes, VmapOptions, vmap, vmap_with};
