//! Layer 5: loops and conditionals, primitives that hold jaxprs. JAX: `lax.control_flow`.

mod common;
mod composite;
mod cond;
mod fixpoint;
mod map;
mod platform;
mod reduce;
mod reduce_window;
mod reducer;
pub(crate) mod scaled_dot;
mod scan;
mod scatter_apply;
mod solves;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod while_loop;

pub(crate) use common::{difference, join_consts, unite};
pub use composite::{CompositeAttribute, CompositeOptions, composite, composite_with};
pub(crate) use cond::Cond;
pub use cond::{cond, switch};
pub(crate) use fixpoint::{Body, Flow};
pub use map::{MapOptions, map, map_with};
pub use platform::platform_dependent;
pub use reduce::reduce;
pub use reduce_window::{reduce_window, reduce_window_with};
pub use scaled_dot::{ScaledDotOptions, scaled_dot, scaled_dot_with};
pub(crate) use scan::Scan;
pub use scan::{ScanOptions, scan, scan_with};
pub use scatter_apply::{ScatterApplyOptions, scatter_apply, scatter_apply_with};
pub use solves::{
    CustomLinearSolveOptions, CustomRootOptions, custom_linear_solve, custom_linear_solve_with, custom_root,
    custom_root_with,
};
pub(crate) use while_loop::While;
pub use while_loop::{ForiLoopOptions, fori_loop, fori_loop_with, while_loop};
