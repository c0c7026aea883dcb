//! Layer 5: functions of this process that programs call. JAX: `_src/callback.py`.
//!
//! | | |
//! |---|---|
//! | [`debug::print!`](crate::debug::print), [`debug::callback`](crate::debug::callback) | shows values; changes nothing, whatever the transformation |
//! | [`pure_callback`] | computes a result from its arguments alone: it may run any number of times, or never |
//! | [`io_callback`] | does something to the world: it runs once each time, and has no derivative |
//!
//! They run outside of any transformation, on the values of the arguments: in eager code at once, in a compiled program when
//! it gets there, on a thread of the engine. The function's error, or its panic, is the error of the call that ran it.

mod function;
mod rules;

pub(crate) use crate::core::effects::Effect;
pub(crate) use function::Callback;
pub use function::ResultShape;
pub(crate) use rules::{HostCallback, Kind};

use crate::arguments::options;
use crate::core::array::Array;
use crate::core::aval::ShapedArray;
use crate::core::trace::{bind_at, caller};
use crate::error::{Result, catch};
use crate::signature::{FlatOut, Output};
use crate::tree::{self, Pytree, TreeDef};

/// What [`vmap`](crate::vmap) makes of a [`pure_callback`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VmapMethod {
    /// A loop that calls the function for each element.
    Sequential,
    /// The same, written out.
    SequentialUnrolled,
    /// One call, where arguments that are mapped have one axis more, in front; others have one of size one there.
    ExpandDims,
    /// One call, where all arguments have one axis more, in front.
    BroadcastAll,
}

impl VmapMethod {
    /// JAX's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            VmapMethod::Sequential => "sequential",
            VmapMethod::SequentialUnrolled => "sequential_unrolled",
            VmapMethod::ExpandDims => "expand_dims",
            VmapMethod::BroadcastAll => "broadcast_all",
        }
    }
}

options! {
    /// Options of [`pure_callback_with`].
    pub struct PureCallbackOptions {
        /// What [`vmap`](crate::vmap) makes of it; without, it refuses.
        vmap_method: optional VmapMethod,
    }
}

options! {
    /// Options of [`io_callback_with`].
    pub struct IoCallbackOptions {
        /// Does it happen in the order of the program, after whatever ordered callback comes before, of earlier programs too?
        ordered: value bool = false,
    }
}

/// What the pure function `f` computes of `args` on the host. `result` says what it returns: a shape, a shape and a dtype, or
/// `&x` for a tree like `x`.
///
/// ```
/// use raxla::{DType, prelude::*, pure_callback};
///
/// // The number of set bits of each element, by Rust's own function.
/// let f = jit(|x: &Array| {
///     let count = |x: Array| -> Result<Array> {
///         Ok(Array::from(x.to_vec::<i32>()?.iter().map(|i| i.count_ones()).collect::<Vec<_>>()))
///     };
///     pure_callback(count, (x.shape(), DType::U32), x)
/// });
/// assert_eq!(f(&Array::from([1i32, 7, 255]))?.to_vec::<u32>()?, [1, 3, 8]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// It may run any number of times, and not at all if nobody uses its result. It has no derivative of its own: wrap it in
/// [`custom_jvp`](crate::custom_jvp) or [`custom_vjp`](crate::custom_vjp).
///
/// # Errors
/// Those of `f`; a result of other types than `result` says; under `grad` and, without a [`VmapMethod`], `vmap`. In a compiled
/// program all of these but the last two are the error of the call, or of reading its results.
#[track_caller]
pub fn pure_callback<T, R, O>(
    f: impl Fn(T) -> O + Send + Sync + 'static,
    result: impl ResultShape<R>,
    args: &T,
) -> Result<R>
where
    T: Pytree,
    R: Pytree,
    O: Output<Tree = R>,
{
    pure_callback_with(f, result, args, PureCallbackOptions::default())
}

/// [`pure_callback`] that says what [`vmap`](crate::vmap) makes of it.
///
/// ```
/// use raxla::callback::{PureCallbackOptions, VmapMethod};
/// use raxla::{prelude::*, pure_callback_with};
///
/// let f = vmap(|x: &Array| {
///     let options = PureCallbackOptions::new().vmap_method(VmapMethod::ExpandDims);
///     pure_callback_with(|x: Array| x * 2.0, x, x, options) // called once, with all three
/// });
/// assert_eq!(f(&Array::from([1f32, 2.0, 3.0]))?.to_vec::<f32>()?, [2.0, 4.0, 6.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`pure_callback`].
#[track_caller]
pub fn pure_callback_with<T, R, O>(
    f: impl Fn(T) -> O + Send + Sync + 'static,
    result: impl ResultShape<R>,
    args: &T,
    options: PureCallbackOptions,
) -> Result<R>
where
    T: Pytree,
    R: Pytree,
    O: Output<Tree = R>,
{
    let result = result.result_shape("pure_callback");
    call(Kind::Pure(options.vmap_method), None, f, result, args)
}

/// What the function `f`, which does something to the world, gives of `args`. `result` is as for [`pure_callback`].
///
/// ```
/// use std::sync::atomic::{AtomicUsize, Ordering};
/// use raxla::{DType, io_callback, prelude::*};
///
/// static CALLS: AtomicUsize = AtomicUsize::new(0);
/// let f = jit(|x: &Array| {
///     let number = |(): ()| Array::from(CALLS.fetch_add(1, Ordering::Relaxed) as u32);
///     Ok(x + io_callback(number, ((), DType::U32), &())?)
/// });
/// assert_eq!(f(&Array::from(10.0))?.item::<f32>()?, 10.0);
/// assert_eq!(f(&Array::from(10.0))?.item::<f32>()?, 11.0);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// It runs once each time that the program gets there, used or not; in loops and in the branch that is taken too. Without
/// [`ordered`](IoCallbackOptions::ordered) several of one program may run in any order.
///
/// # Errors
/// As [`pure_callback`]. It has no derivative, and cannot stand where it might run more often than it should: in a `cond` or a
/// `while_loop` under `vmap`, under the gradient of `checkpoint`; an ordered one under `vmap`.
#[track_caller]
pub fn io_callback<T, R, O>(
    f: impl Fn(T) -> O + Send + Sync + 'static,
    result: impl ResultShape<R>,
    args: &T,
) -> Result<R>
where
    T: Pytree,
    R: Pytree,
    O: Output<Tree = R>,
{
    io_callback_with(f, result, args, IoCallbackOptions::default())
}

/// [`io_callback`], ordered or not.
///
/// # Errors
/// As [`io_callback`].
#[track_caller]
pub fn io_callback_with<T, R, O>(
    f: impl Fn(T) -> O + Send + Sync + 'static,
    result: impl ResultShape<R>,
    args: &T,
    options: IoCallbackOptions,
) -> Result<R>
where
    T: Pytree,
    R: Pytree,
    O: Output<Tree = R>,
{
    let effect = if options.ordered { Effect::OrderedIo } else { Effect::Io };
    call(Kind::Io, Some(effect), f, result.result_shape("io_callback"), args)
}

#[track_caller]
fn call<T, R, O>(
    kind: Kind,
    effect: Option<Effect>,
    f: impl Fn(T) -> O + Send + Sync + 'static,
    result: Result<(Vec<ShapedArray>, TreeDef)>,
    args: &T,
) -> Result<R>
where
    T: Pytree,
    R: Pytree,
    O: Output<Tree = R>,
{
    let loc = caller();
    let run = || {
        let (results, tree) = result?;
        let (leaves, args) = tree::flatten(args);
        let prim = HostCallback { kind, effect, callback: Callback::new(f, &args), results: results.into() };
        let outs = bind_at(&prim.into(), &leaves.iter().collect::<Vec<&Array>>(), loc)?;
        FlatOut { leaves: outs.into_iter().collect(), tree }.into_tree()
    };
    catch(run).map_err(|e| e.at(loc))
}
