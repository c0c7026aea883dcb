//! raxla: JAX's programming model for Rust.
#![deny(unsafe_code)]

// The derive macro writes `::raxla::` paths, also inside this crate.
extern crate self as raxla;

pub mod api;
mod checkpoint;
pub(crate) mod control_flow;
pub mod core;
pub mod custom_derivatives;
pub mod dtype;
pub mod error;
pub(crate) mod interpreters;
pub mod lax;
pub mod mlir;
pub mod nn;
pub mod numpy;
pub mod pjrt;
pub mod prelude;
pub mod random;
pub mod tree;

pub use api::{grad, jit, jvp, linearize, make_jaxpr, value_and_grad, vjp, vmap};
pub use checkpoint::checkpoint;
pub use core::array::{Array, Element};
pub use core::aval::ShapedArray;
pub use core::config;
pub use custom_derivatives::{custom_jvp, custom_vjp};
pub use dtype::DType;
pub use error::{Error, ErrorKind, Result};
/// `#[derive(Pytree)]`, and the trait of the same name.
pub use raxla_derive::Pytree;
pub use tree::Pytree;
