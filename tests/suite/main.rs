//! What a user sees, one module a theme. One binary, because each links the whole crate: apart stand only the tests that need
//! a process of their own from their first line (`devices`, `tpu_aot`), and those that are run by themselves (`oracle`,
//! `random_programs`, `tidy`).
//!
//! `cargo test --test suite tree::` runs a module. A test that must be alone in its process runs itself in another: see
//! [`process`].

mod build_script;
mod compilation_cache;
mod compile_fail;
mod control_flow;
mod convention;
mod core_smoke;
mod cuda;
mod custom_derivatives;
#[cfg(feature = "data")]
mod data;
mod debug;
mod derive;
mod edges;
mod end_of_process;
mod examples;
mod explain_cache_misses;
mod higher_order;
#[cfg(feature = "io")]
mod io;
mod jaxprs;
mod jit_cache;
mod layer_properties;
mod layers;
mod metrics;
mod mistakes;
mod models;
mod numpy_operators;
mod optim;
mod pjrt_buffers;
mod pjrt_discovery;
mod pjrt_mistakes;
mod pjrt_programs;
#[cfg(feature = "io")]
mod pretrained;
mod process;
mod promotion;
mod random;
mod settings;
mod signatures;
mod symbolic_zeros;
#[cfg(all(feature = "train", feature = "progress", feature = "plot"))]
mod train;
mod transformations;
mod tree;
