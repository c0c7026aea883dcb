//! What a user sees, one module a theme. One binary, because each links the whole crate: apart stand only the tests that need
//! a process of their own from their first line (`devices`, `tpu_aot`), and those that are run by themselves (`oracle`,
//! `random_programs`, `tidy`).
//!
//! `cargo test --test suite tree::` runs a module. A test that must be alone in its process runs itself in another: see
//! [`process`].

mod build_script;
mod checkify;
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
mod debug_nans;
mod derive;
mod dtypes;
mod edges;
mod end_of_process;
mod examples;
mod explain_cache_misses;
mod float0;
mod forbidding;
mod higher_order;
mod host_copies;
#[cfg(feature = "io")]
mod io;
mod jaxprs;
mod jet;
mod jit_cache;
mod key_reuse;
mod layer_properties;
mod layers;
mod metrics;
mod mistakes;
mod models;
mod named_scopes;
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
mod refs;
mod settings;
mod sharding;
mod signatures;
mod symbolic_zeros;
#[cfg(all(feature = "train", feature = "progress", feature = "plot"))]
mod train;
mod transformations;
mod tree;
mod warnings;

/// Compiles what `body` runs with least optimisation: for tests of many small programs, whose time is that of the compiler.
fn quickly<R>(body: impl FnOnce() -> R) -> R {
    use raxla::config::{with_disable_fusion_emitters, with_disable_most_optimizations};
    with_disable_most_optimizations(true, || with_disable_fusion_emitters(true, body))
}
