//! raxla: JAX's programming model for Rust.
#![deny(unsafe_code)]

pub mod dtype;
pub mod error;

pub use dtype::DType;
pub use error::{Error, ErrorKind, Result};
