//! raxla: JAX's programming model for Rust.
#![deny(unsafe_code)]

// The derive macro writes `::raxla::` paths, also inside this crate.
extern crate self as raxla;

pub mod api;
pub(crate) mod control_flow;
pub mod core;
pub mod custom_derivatives;
pub mod dtype;
pub mod error;
pub(crate) mod interpreters;
pub mod lax;
pub mod mlir;
pub mod pjrt;
pub mod tree;

pub use core::array::Array;
pub use dtype::DType;
pub use error::{Error, ErrorKind, Result};
/// `#[derive(Pytree)]`, and the trait of the same name.
pub use raxla_derive::Pytree;
pub use tree::Pytree;
