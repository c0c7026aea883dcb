//! Layer 5: primitives that hold jaxprs. JAX: `lax.control_flow`, `pjit`.

mod common;
pub(crate) mod jit_call;
mod scan;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub(crate) use common::difference;
pub use scan::{ScanOptions, scan, scan_with};
