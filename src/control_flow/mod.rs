//! Layer 5: loops and conditionals, primitives that hold jaxprs. JAX: `lax.control_flow`.

mod common;
mod cond;
mod fixpoint;
mod map;
mod reduce;
mod reduce_window;
mod reducer;
mod scan;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod while_loop;

pub(crate) use common::difference;
pub use cond::{cond, switch};
pub use map::{MapOptions, map, map_with};
pub use reduce::reduce;
pub use reduce_window::{reduce_window, reduce_window_with};
pub use scan::{ScanOptions, scan, scan_with};
pub use while_loop::{ForiLoopOptions, fori_loop, fori_loop_with, while_loop};
