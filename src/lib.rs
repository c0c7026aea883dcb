//! raxla: JAX's programming model for Rust.
#![deny(unsafe_code)]

pub mod error;

pub use error::{Error, ErrorKind, Result};
