//! What primitives share: no file here is a primitive.

pub(crate) mod accuracy;
pub(crate) mod arguments;
pub(crate) mod elementwise;
pub(crate) mod emit;
pub(crate) mod extremum;
pub(crate) mod indexing;
pub(crate) mod narrow;
pub(crate) mod precision;
pub(crate) mod window;
