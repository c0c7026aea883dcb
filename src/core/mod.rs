//! Layer 2: values, traces and jaxprs. JAX: `jax._src.core`.

pub(crate) mod array;
mod array_format;
pub(crate) mod atom;
pub(crate) mod aval;
pub(crate) mod axis;
pub(crate) mod cache;
pub(crate) mod check;
pub(crate) mod compilation_cache;
pub mod config;
pub(crate) mod effects;
pub(crate) mod element;
pub(crate) mod eval;
pub(crate) mod eval_jaxpr;
pub(crate) mod intern;
pub(crate) mod jaxpr;
pub(crate) mod lowering;
pub(crate) mod placement;
pub(crate) mod pretty;
pub(crate) mod primitive;
pub(crate) mod remap;
pub(crate) mod runtime_tokens;
pub(crate) mod scalar;
pub mod sharding;
pub(crate) mod small;
pub(crate) mod trace;
pub(crate) mod tracer;
pub(crate) mod work;
