//! placeholder
pub mod array;
