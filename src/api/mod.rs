//! Transformations of functions and the types of the functions that they take and return.

pub mod signature;
