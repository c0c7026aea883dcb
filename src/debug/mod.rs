//! Looking at values while programs run, whatever transformed them. JAX: `jax.debug`.
//!
//! A `println!` in a function that is jitted happens once, while it is traced, and shows a tracer. [`print!`] happens each time
//! that the program runs, and shows the value:
//!
//! ```
//! use raxla::prelude::*;
//!
//! let f = jit(|x: &Array| {
//!     println!("traced with {x}");            // once: traced with JitTracer(float32[])
//!     raxla::debug::print!("called with {x}"); // each time: called with 1.5, called with 2.5
//!     x * 2.0
//! });
//! f(&Array::from(1.5))?;
//! f(&Array::from(2.5))?;
//! raxla::effects_barrier()?;
//! # Ok::<(), raxla::Error>(())
//! ```
//!
//! It changes nothing that is computed. Under `grad` it shows the primal value, once; under `vmap` one value for each element;
//! in a loop the value of each turn, in a conditional that of the branch that is taken (under `vmap` those of all, where the
//! elements differ in it); with `checkpoint` also what the backward pass computes again. What a rule of `custom_jvp` computes
//! with tangents is shown by `jvp`, and not by `grad`, which runs it backwards. Callbacks of one program may run in any order,
//! and at the same time, unless they are *ordered*.

pub mod __private;
mod redirect;
mod visualize;

/// Prints values to standard output, each time that the program gets there: JAX's `jax.debug.print`, with the format strings
/// of [`println!`]. rustc checks them.
///
/// ```
/// use raxla::{debug, prelude::*};
///
/// #[derive(Pytree, Clone, Debug)]
/// struct Params { weight: Array, bias: Array }
///
/// let step = 3;
/// let f = jit(move |p: &Params, x: &Array| {
///     let y = &p.weight * x + &p.bias;
///     debug::print!("step {step}: y = {y}, of {:?} and {x:.2}", p);
///     debug::print!(ordered: true, "and this after it, and before what comes next in order: {}", &y * 2.0);
///     y
/// });
/// f(&Params { weight: Array::from(2.0), bias: Array::from(1.0) }, &Array::from(1.5))?;
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// Arrays, and whatever else is a [`Pytree`], are shown by the value that they have then, as `Display` or
/// `Debug` of their type says. Other values are cloned, and shown as they were: they are `Clone + Send + Sync + 'static`.
///
/// With `ordered: true` in front it happens in the order of the program, after all ordered ones before it, of earlier programs
/// too.
///
/// # Panics
/// In eager code, where the value of an array cannot be read; inside of a transformation that is its error. A program that
/// runs on something else than the CPU cannot be compiled with it.
pub use raxla_derive::debug_print as print;
pub(crate) use redirect::write_line;
pub use redirect::{Redirected, redirect};
pub use visualize::{
    ShardingTable, VisualizeOptions, visualize_array_sharding, visualize_array_sharding_with,
    visualize_sharding, visualize_sharding_with,
};

use crate::arguments::options;
use crate::callback::{Callback, Effect, HostCallback, Kind};
use crate::core::array::Array;
use crate::core::trace::{bind_at, caller};
use crate::error::{Result, catch};
use crate::signature::Output;
use crate::tree::{self, Pytree};

options! {
    /// Options of [`callback_with`].
    pub struct CallbackOptions {
        /// Does it happen in the order of the program, after whatever ordered callback comes before, of earlier programs too?
        ordered: value bool = false,
    }
}

/// Calls `f` with the value of `args`, each time that the program gets there. JAX: `jax.debug.callback`.
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use raxla::{debug, prelude::*};
///
/// let seen = Arc::new(Mutex::new(Vec::new()));
/// let f = jit({
///     let seen = seen.clone();
///     move |x: &Array| {
///         let seen = seen.clone();
///         let look = move |x: Array| -> Result<()> {
///             seen.lock().unwrap().push(x.item::<f32>()?);
///             Ok(())
///         };
///         debug::callback(look, x)?;
///         Ok(x * 2.0)
///     }
/// });
/// for x in [1.0, 2.0] {
///     f(&Array::from(x))?;
/// }
/// raxla::effects_barrier()?;
/// seen.lock().unwrap().sort_by(f32::total_cmp);
/// assert_eq!(*seen.lock().unwrap(), [1.0, 2.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// `f` takes a tree like `args` of arrays that can be read, and returns `()` or `Result<()>`. It is one function for all runs and
/// all threads. What it does must not matter for what is computed: transformations may drop it, run it twice and in another
/// order. [`io_callback`](crate::io_callback) is for what must happen once.
///
/// # Errors
/// In eager code those of `f`; in a compiled program they are the error of the call, or of reading its results, or, if it has
/// none, of [`effects_barrier`](crate::effects_barrier).
#[track_caller]
pub fn callback<T, O>(f: impl Fn(T) -> O + Send + Sync + 'static, args: &T) -> Result<()>
where
    T: Pytree,
    O: Output<Tree = ()>,
{
    callback_with(f, args, CallbackOptions::default())
}

/// [`callback`], ordered or not.
///
/// # Errors
/// As [`callback`].
#[track_caller]
pub fn callback_with<T, O>(
    f: impl Fn(T) -> O + Send + Sync + 'static,
    args: &T,
    options: CallbackOptions,
) -> Result<()>
where
    T: Pytree,
    O: Output<Tree = ()>,
{
    let (leaves, tree) = tree::flatten(args);
    call(Kind::Debug, options.ordered, Callback::new(f, &tree), &leaves)
}

#[track_caller]
fn call(kind: Kind, ordered: bool, callback: std::sync::Arc<Callback>, args: &[Array]) -> Result<()> {
    let loc = caller();
    let effect = Some(if ordered { Effect::OrderedDebug } else { Effect::Debug });
    let prim = HostCallback { kind, effect, callback, results: Box::default() };
    catch(|| bind_at(&prim.into(), &args.iter().collect::<Vec<&Array>>(), loc)).map_err(|e| e.at(loc))?;
    Ok(())
}
