//! raxla: JAX's programming model for Rust.
//!
//! Write an ordinary Rust function over [`Array`]s. A transformation runs it once with tracers in place of arrays, to learn
//! which operations it performs, and makes a new function of them: [`jit`] one that XLA has compiled, [`grad`] its
//! gradient, [`vmap`] the same function over one more axis. They nest in any order.
//!
//! ```
//! use raxla::{numpy as jnp, prelude::*};
//!
//! #[derive(Pytree, Clone)]
//! struct Params { weight: Array, bias: Array }
//!
//! fn loss(params: &Params, x: &Array, y: &Array) -> Array {
//!     jnp::mean(jnp::square(&params.weight * x + &params.bias - y), ..)
//! }
//! fn update(params: Params, x: &Array, y: &Array) -> Result<Params> {
//!     let grads = grad(loss)(&params, x, y)?;
//!     Ok(tree::map2(|p, g| p - g * 0.1, &params, &grads))
//! }
//!
//! let (x, y) = (Array::from([0.0f32, 1.0, 2.0, 3.0]), Array::from([-1.0f32, 1.0, 3.0, 5.0]));
//! let mut params = Params { weight: Array::scalar(0f32), bias: Array::scalar(0f32) };
//! let update = jit(update);
//! for _ in 0..500 { params = update(params, &x, &y)?; }
//! assert!((params.weight.item::<f32>()? - 2.0).abs() < 1e-3);
//! # Ok::<(), raxla::Error>(())
//! ```
//!
//! # From JAX's names to raxla's
//!
//! | JAX | raxla |
//! |---|---|
//! | `jax.Array`, `jnp.dtype` | [`Array`]: on a device, or of a trace, and the user need not know which; [`DType`] |
//! | `jax.jit`, `grad`, `value_and_grad`, `vmap`, `jvp`, `vjp`, `linearize`, `hessian`, … | [`jit`], [`grad`], [`value_and_grad`], [`vmap`], [`jvp`], [`vjp`], [`linearize`]; all of them, with options, in [`api`] |
//! | `argnums`, `has_aux`, `holomorphic`, `in_axes` … | [`GradOptions`](api::GradOptions), [`VmapOptions`](api::VmapOptions) |
//! | functions of functions | [`signature`]: what can be transformed, also when it is returned, boxed, generic or borrows; [`capture!`] |
//! | `jax.checkpoint`, `jax.checkpoint_policies`, `checkpoint_name` | [`checkpoint`], [`checkpoint_policies`], [`checkpoint_name`] |
//! | `custom_jvp`, `custom_vjp`, `custom_gradient`, `closure_convert` | [`custom_derivatives`] |
//! | `jax.custom_batching` | [`custom_batching`] |
//! | `jax.new_ref`, `jax.Ref`, `jax.ref` | [`new_ref`], [`Ref`], [`refs`]: arrays that are replaced in place |
//! | `jax.make_jaxpr`, `jit(f).lower(..).compile()` | [`make_jaxpr`], [`api::aot`] |
//! | `jax.numpy` | [`numpy`], often as `use raxla::numpy as jnp`; operators and methods of [`Array`] |
//! | `jax.lax`, control flow included | [`lax`] |
//! | `jax.nn` | [`nn`] |
//! | `jax.random`; `jax.random.key` | [`random`]; [`random::key`](random::key()), of the type [`Key`](random::Key) |
//! | `jax.scipy` | [`scipy`] |
//! | Optax; `clu.metrics`, `flax.nnx.metrics` | [`optim`]; [`metrics`] |
//! | `orbax.checkpoint`; `clu.metric_writers`, progress bars, learning curves; `torchvision.utils.save_image` | `io`, behind the feature of that name; `train`, behind `train`, `progress` and `plot` |
//! | `jax.tree_util`, `jax.tree.map` | [`tree`]; a type of yours becomes a tree by [`macro@Pytree`] |
//! | `static_argnums` | [`Static`](tree::Static), `#[pytree(static)]` |
//! | `donate_argnums` | nothing to write: an argument taken by value is donated |
//! | `jax.experimental.checkify` | [`experimental::checkify`] |
//! | `jax.config`, `jax.enable_x64` | [`config`] |
//! | `jax.devices`, `jax.device_put` | [`devices`], [`device_put`] |
//! | `jax.errors` | [`error`](mod@error): kinds, when it panics and when it is an `Err` ([`try_`]), how to measure time |
//! | `jaxlib.xla_client` | [`pjrt`]: plugins, devices, buffers and executables, XLA without the rest |
//!
//! `use raxla::prelude::*` has what most programs need: see [`prelude`].
//!
//! # Four rules
//!
//! - **State is passed in and out.** A side effect happens while tracing and never again:
//!
//!   ```
//!   # use raxla::prelude::*;
//!   # use std::sync::atomic::{AtomicI32, Ordering::Relaxed};
//!   static TRACED: AtomicI32 = AtomicI32::new(0);
//!   let count = jit(|n: Array| {
//!       TRACED.fetch_add(1, Relaxed);
//!       n + 1
//!   });
//!   let mut n = Array::from(0);
//!   for _ in 0..3 { n = count(n)?; }
//!   assert_eq!((n.item::<i32>()?, TRACED.load(Relaxed)), (3, 1));
//!   # Ok::<(), raxla::Error>(())
//!   ```
//! - **Owned is donated.** An argument taken by value gives its buffer to the result, one taken by reference does not.
//! - **A call returns a `Result`.** Operators on arrays panic when used eagerly with wrong shapes, as slice indexing does; inside
//!   of a transformation the same mistake is an `Err` with the line of the operator. More in [`error`](mod@error).
//! - **Reading waits.** A call returns when the work is enqueued; [`Array::item`], [`Array::to_vec`] and printing wait for it.
//!
//! # The engine
//!
//! XLA comes as PJRT plugins. The first build fetches the one for the CPU, once for a user and their machine; README
//! says what that takes, and `cargo run -p raxla-examples --example devices` which plugins were found. A build without network or on docs.rs goes
//! through without it, and the first computation then fails with an error that says what to do.
#![deny(unsafe_code)]

// The derive macro writes `::raxla::` paths, also inside this crate.
extern crate self as raxla;

pub mod api;
pub mod arguments;
pub mod callback;
mod calls;
pub(crate) mod control_flow;
pub mod core;
pub mod custom_batching;
pub mod custom_derivatives;
#[cfg(feature = "data")]
pub mod data;
pub mod debug;
pub mod dtype;
pub mod dtypes;
pub mod error;
pub mod experimental;
pub mod image;
pub(crate) mod interpreters;
#[cfg(feature = "io")]
pub mod io;
pub mod lax;
pub mod metrics;
pub mod mlir;
#[cfg(feature = "io")]
pub mod models;
pub mod nn;
pub mod numpy;
pub mod ops;
pub mod optim;
pub mod pjrt;
pub mod prelude;
pub mod random;
pub mod refs;
pub mod scipy;
pub mod signature;
pub(crate) mod state;
#[cfg(any(feature = "train", feature = "progress", feature = "plot"))]
pub mod train;
pub mod tree;

pub use api::{
    devices, ensure_compile_time_eval, fwd_and_bwd, grad, jit, jvp, linearize,
    make_array_from_process_local_data, make_jaxpr, named_call, value_and_grad, vjp, vmap,
};
pub use arguments::{Axes, Axis, Dims, NewDims, OptAxis, ShapeDtype, Shifts};
pub use callback::{io_callback, io_callback_with, pure_callback, pure_callback_with};
pub use calls::checkpoint::{CheckpointOptions, checkpoint, checkpoint_with};
pub use calls::checkpoint_policies;
pub use core::array::{Array, Element};
pub use core::aval::ShapedArray;
pub use core::cache::clear_caches;
pub use core::config;
pub use core::name_stack::named_scope;
pub use core::runtime_tokens::effects_barrier;
pub use core::scalar::Scalar;
pub use core::sharding::{self, PartitionSpec as P, make_mesh, make_mesh_with};
pub use core::shards::{Shard, make_array_from_callback, make_array_from_single_device_arrays};
pub use custom_derivatives::{closure_convert, custom_gradient, custom_jvp, custom_vjp};
pub use dtype::DType;
pub use error::{Error, ErrorKind, Result, try_};
pub use lax::checkpoint_name::checkpoint_name;
pub use lax::device_put::device_put;
/// `#[derive(Pytree)]`, and the trait of the same name.
pub use raxla_derive::Pytree;
pub use refs::{Ref, empty_ref, free_ref, freeze, new_ref};
pub use tree::Pytree;

// Their types are those of elements, of scalars, and of shapes.
#[doc(no_inline)]
pub use {half, num_complex, smallvec};

/// What derivatives keep, and what they compute again. JAX: `jax.ad_checkpoint`.
pub mod ad_checkpoint {
    pub use crate::api::{print_saved_residuals, saved_residuals};
    pub use crate::calls::checkpoint::{CheckpointOptions, checkpoint, checkpoint_with};
    pub use crate::calls::checkpoint_policies;
    pub use crate::lax::checkpoint_name::checkpoint_name;
}

/// The code in README.md, some of which needs features.
#[cfg(all(doctest, feature = "train", feature = "progress", feature = "plot"))]
#[doc = include_str!("../README.md")]
struct Readme;
