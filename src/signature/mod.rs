//! How a typed Rust function becomes a function of flat arrays, and back.
//!
//! A transformation such as `jit` sees a [`FlatFn`]: arrays and structure in, arrays and structure out. The user sees
//! a [`Fun`], which is called like the function that was transformed. Between them stand
//!
//! - [`Arg`], one argument: `&T` is borrowed, an owned `T` is donated;
//! - [`Output`], what a function returns: a pytree or a `Result` of one;
//! - [`Signature`], the type of a function, written as a `fn` pointer type: `fn(Params, &'static Array) -> Params`;
//! - [`Function`], whatever a transformation accepts: functions, closures, `Box<dyn Fn>`, `Arc<dyn Fn>`, other [`Fun`]s;
//! - [`Traceable`], which says what those must be for it, and makes a [`FlatFn`] of them;
//! - [`ArgAt`], the argument that `grad` differentiates with respect to.
//!
//! # Functions that are handed on
//! A function of arrays may come from anywhere: be returned as `impl Fn(&Array) -> Array`, be boxed, or be a parameter of a
//! generic function. What the transformations ask beyond `Fn` is `Send + Sync`:
//! ```
//! use raxla::prelude::*;
//!
//! fn scaled(by: f32) -> impl Fn(&Array) -> Array + Send + Sync {
//!     move |x| x * by
//! }
//! fn slope<F: Fn(&Array) -> Array + Send + Sync>(f: F, x: &Array) -> Result<Array> {
//!     grad(f)(x)
//! }
//! let x = Array::from(2.0);
//! assert_eq!(slope(scaled(3.0), &x)?.item::<f32>()?, 3.0);
//! let layers: Vec<Box<dyn Fn(&Array) -> Array + Send + Sync>> = vec![Box::new(scaled(2.0)), Box::new(|x| x * x)];
//! let slopes: Vec<Array> = layers.iter().map(|layer| grad(layer)(&x)).collect::<Result<_>>()?;
//! assert_eq!(slopes[1].item::<f32>()?, 4.0);
//! # Ok::<(), raxla::Error>(())
//! ```
//! Functions may borrow, unless they are compiled or recorded to be run later: `jit`, `custom_jvp` and `custom_vjp` want
//! `'static`; [`capture!`](crate::capture) clones what their closures use.
//!
//! # A transformation of one's own
//! ```
//! use std::sync::Arc;
//! use raxla::signature::{FlatArgs, FlatFn, FlatOut, Fun, Function, Traceable};
//! use raxla::Result;
//!
//! struct Twice<'f>(Arc<dyn FlatFn + 'f>);
//! impl FlatFn for Twice<'_> {
//!     fn call(&self, args: FlatArgs) -> Result<FlatOut> {
//!         self.0.call(args.clone())?;
//!         self.0.call(args)
//!     }
//! }
//! #[track_caller]
//! fn twice<'f, M: Traceable<'f, F>, F: Function<M>>(f: F) -> Fun<'f, M::Sig> {
//!     Fun::from_flat(Arc::new(Twice(M::into_flat(f))))
//! }
//! let f = twice(|| vec![()]);
//! assert_eq!(f()?, [()]);
//! # Ok::<(), raxla::Error>(())
//! ```

mod arity;
mod call_site;
mod flat;

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

pub use arity::Shared;
pub use flat::{ArgSpan, ArgsBuilder, FlatArgs, FlatFn, FlatOut, OutLeaves, Take};
pub(crate) use flat::{describe, made_of_result, short_type_name, type_key};

use crate::error::{Error, Result, err};
use crate::tree::{self, Flattener, Pytree};

/// One argument of a traced function. `&T` is borrowed; an owned `T` is donated.
///
/// Implemented for `&T` and `&[T]` of every pytree `T`, `Option` of an argument, and for the pytrees of this crate; `#[derive(Pytree)]`
/// implements it for the owned type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a transformed function",
    label = "has an argument of type `{Self}`",
    note = "arguments are pytrees (`Params`, donated), references to them (`&Params`) or `Option<&Params>`; write \
            `#[derive(Pytree)]` on a type of your own",
    note = "while a function is traced its numbers are not known yet: take an `&Array` and pass `&Array::from(0.5)`, which is \
            weakly typed as JAX's are; or take `Static<T>` for a value that is compiled in"
)]
pub trait Arg: 'static {
    /// The tree that is passed.
    type Tree: Pytree;
    /// The argument as the function takes it: `T`, or `&'a T`.
    type Item<'a>;
    /// Is it given away, so that its buffers may be reused for results?
    const DONATED: bool;

    /// Appends the argument's structure and leaves, and drops it: a buffer that is donated must not be held by its former owner
    /// during the call.
    fn flatten_into(item: Self::Item<'_>, out: &mut Flattener);

    /// The argument to call the function with, out of a full slot: a reference into it, or what it held.
    ///
    /// # Errors
    /// `Internal` if the slot is empty.
    fn lend(slot: &mut Option<Self::Tree>) -> Result<Self::Item<'_>>;
}

impl<T: Pytree> Arg for &'static T {
    type Tree = T;
    type Item<'a> = &'a T;
    const DONATED: bool = false;
    #[inline]
    fn flatten_into(item: &T, out: &mut Flattener) {
        T::flatten_into(item, out);
    }
    #[inline]
    fn lend(slot: &mut Option<T>) -> Result<&T> {
        slot.as_ref().ok_or_else(taken)
    }
}

impl<T: Pytree> Arg for &'static [T] {
    type Tree = Vec<T>;
    type Item<'a> = &'a [T];
    const DONATED: bool = false;
    #[inline]
    fn flatten_into(item: &[T], out: &mut Flattener) {
        out.token(crate::tree::Token::Vec(item.len() as u32));
        for element in item {
            element.flatten_into(out);
        }
    }
    #[inline]
    fn lend(slot: &mut Option<Vec<T>>) -> Result<&[T]> {
        slot.as_deref().ok_or_else(taken)
    }
}

/// A pytree that a traced function can take by value: the bound for a generic parameter, whose type is not known to be an
/// [`Arg`] otherwise. All that derive [`Pytree`] are.
///
/// ```
/// use raxla::prelude::*;
/// use raxla::signature::OwnedArg;
///
/// /// A training step of any state.
/// fn compiled<S: OwnedArg>(step: impl Fn(S, &Array) -> S + Send + Sync + 'static) -> impl Fn(S, &Array) -> Result<S> {
///     let step = jit(step);
///     move |state, x| step(state, x)
/// }
/// let step = compiled(|(n, sum): (Array, Array), x: &Array| (n + 1, sum + x));
/// let (n, sum) = step((Array::from(0), Array::from(0.0)), &Array::from(2.5))?;
/// assert_eq!((n.item::<i32>()?, sum.item::<f32>()?), (1, 2.5));
/// # Ok::<(), raxla::Error>(())
/// ```
pub trait OwnedArg: Pytree + for<'a> Arg<Tree = Self, Item<'a> = Self> {}

impl<T: Pytree + for<'a> Arg<Tree = T, Item<'a> = T>> OwnedArg for T {}

/// The error of [`Arg::lend`].
#[doc(hidden)]
#[cold]
pub fn taken() -> Error {
    err!(Internal, "an argument was lent twice")
}

/// What a traced function may return: a pytree, or a [`Result`] of one.
///
/// The error type is raxla's alone: were any `E: Into<Error>` accepted, a closure that ends in `Ok(x)` would need its
/// error type written out. `?` converts whatever has a `From` impl.
#[diagnostic::on_unimplemented(
    message = "a transformed function cannot return `{Self}`",
    label = "returns `{Self}`",
    note = "it returns a pytree or a `raxla::Result` of one; write `#[derive(Pytree)]` on the type"
)]
pub trait Output {
    /// The tree that is returned.
    type Tree: Pytree;
    /// The tree or the error.
    ///
    /// # Errors
    /// The function's own.
    fn into_result(self) -> Result<Self::Tree>;
}

impl<O: Pytree> Output for O {
    type Tree = O;
    #[inline]
    fn into_result(self) -> Result<O> {
        Ok(self)
    }
}

impl<O: Pytree> Output for Result<O, Error> {
    type Tree = O;
    #[inline]
    fn into_result(self) -> Result<O> {
        self
    }
}

/// The type of a traced function, written as a `fn` pointer type: `fn(Params, &'static Array) -> Params`.
/// Implemented for up to eight arguments.
pub trait Signature: 'static {
    /// The arguments as a tuple, each owned.
    type Args: Pytree;
    /// What the function returns.
    type Out: Pytree;
    /// The type of a function with these arguments that returns `R`.
    type Returning<R: Pytree>: Signature<Args = Self::Args, Out = R>;
    /// A function with these arguments that returns a `Result<R>`.
    type Callee<'f, R: 'static>: ?Sized + Send + Sync;

    /// The function that flattens its arguments and hands them to `body`. `applied_at` is where the transformation
    /// was applied, the location of calls whose own line is not known.
    fn callee<'f, R: 'static>(
        body: impl Fn(FlatArgs) -> Result<R> + Send + Sync + 'f,
        key: CallKey,
        applied_at: &'static Location<'static>,
    ) -> Arc<Self::Callee<'f, R>>;
}

/// What can be called: functions and closures of up to eight arguments, also in a `Box`, an `Arc` or behind a reference, and
/// [`Fun`]s. `M` is the function's type, `fn(Params, &'static Array) -> Result<Params>`; it is always inferred.
///
/// That it can be transformed is said by `M: Traceable<'f, F>`; the two are apart so that an error can name the argument.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a function that can be transformed",
    label = "not a function of at most eight arguments, or a closure whose parameter types are not written out",
    note = "a closure needs its parameter types written: `|x: &Array| ..`"
)]
pub trait Function<M> {}

/// A type of functions, among which is `F`, that transformations accept for as long as `'f`: all arguments are [`Arg`]s, the
/// result is an [`Output`], and `F` is `Fn + Send + Sync + 'f`.
#[diagnostic::on_unimplemented(
    message = "`{F}` cannot be transformed",
    note = "it must be `Fn + Send + Sync`: a function that is taken as a parameter needs `F: Fn(&Array) -> Array + Send + Sync`, \
            and `'static` for `jit`"
)]
pub trait Traceable<'f, F>: Sized {
    /// The function's type, with a pytree for the `Result` of one.
    type Sig: Signature;
    /// The function over flat arguments.
    #[track_caller]
    fn into_flat(function: F) -> Arc<dyn FlatFn + 'f>;
}

/// The arguments `A` of a function as a tuple, each of them owned or borrowed: `(&params, x)`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the tuple of arguments `{A}`",
    note = "arguments come as a tuple, each by value or by reference: `(&x,)`, `(&params, &x)`"
)]
pub trait Primals<A> {
    /// Appends them.
    fn push_into(&self, args: &mut ArgsBuilder);
}

/// A `move` closure that owns clones of what it captures: `capture!([params, rate = self.rate] |x: &Array| ..)`.
///
/// A name alone captures a clone of that variable or of what it refers to, `name = value` a clone of a value under a new name. Cloning an
/// [`Array`](crate::Array) copies no data. Most closures need none of this: those of `grad`, `vmap`, `scan` and `cond` may
/// borrow. Those of `jit` and of custom derivatives may not.
///
/// ```
/// use raxla::capture;
/// use raxla::prelude::*;
///
/// struct Model { scale: Array }
/// impl Model {
///     fn compiled(&self, shift: &Array) -> impl Fn(&Array) -> Result<Array> + use<> {
///         let f = jit(capture!([shift, scale = self.scale] |x: &Array| x * &scale + &shift));
///         move |x| f(x)
///     }
/// }
/// let f = Model { scale: Array::from(2.0) }.compiled(&Array::from(1.0));
/// assert_eq!(f(&Array::from(3.0))?.item::<f32>()?, 7.0);
/// # Ok::<(), raxla::Error>(())
/// ```
#[macro_export]
macro_rules! capture {
    ([$($name:ident $(= $value:expr)?),* $(,)?] move $($closure:tt)+) => {
        $crate::capture!([$($name $(= $value)?),*] $($closure)+)
    };
    ([$($name:ident $(= $value:expr)?),* $(,)?] $($closure:tt)+) => {{
        $($crate::capture!(@clone $name $(= $value)?);)*
        move $($closure)+
    }};
    (@clone $name:ident) => { let $name = $name.clone(); };
    (@clone $name:ident = $value:expr) => { let $name = $value.clone(); };
}

pub use call_site::CallKey;

/// Something called with the arguments of `S`, which returns a `Result<R>`: `call(p, &x)?`.
///
/// [`Fun`] is one for `R = S::Out`; others return what was lowered or counted.
pub struct Call<'f, S: Signature, R: 'static = <S as Signature>::Out> {
    callee: Arc<S::Callee<'f, R>>,
    key: CallKey,
}

impl<'f, S: Signature, R: 'static> Call<'f, S, R> {
    /// Flattens the arguments and hands them to `body`.
    #[track_caller]
    pub fn new(body: impl Fn(FlatArgs) -> Result<R> + Send + Sync + 'f) -> Self {
        let key = CallKey::new();
        Call { callee: S::callee(body, key, Location::caller()), key }
    }
}

impl<S: Signature, R: 'static> Clone for Call<'_, S, R> {
    fn clone(&self) -> Self {
        Call { callee: self.callee.clone(), key: self.key }
    }
}

impl<'f, S: Signature, R: 'static> Deref for Call<'f, S, R> {
    type Target = S::Callee<'f, R>;
    /// Notes the line, since this is the only code that `f(x)` runs at the caller's: see `call_site`.
    #[inline]
    #[track_caller]
    fn deref(&self) -> &S::Callee<'f, R> {
        call_site::note(self.key, Location::caller());
        &self.callee
    }
}

/// A transformed function. It is called like the function it came from, with a `Result` around what it returns, and
/// can be handed to another transformation. `'f` is how long what the function borrows is there.
///
/// Cheap to clone; clones share everything, caches included.
pub struct Fun<'f, S: Signature> {
    call: Call<'f, S>,
    flat: Arc<dyn FlatFn + 'f>,
}

impl<'f, S: Signature> Fun<'f, S> {
    /// `f` itself, untransformed: a type that can be named, and calls that give `Result`s.
    #[track_caller]
    pub fn new<F: Function<M>, M: Traceable<'f, F, Sig = S>>(f: F) -> Self {
        Fun::from_flat(M::into_flat(f))
    }

    /// The typed face of `flat`, which must take the arguments of `S` and return the structure of `S::Out`.
    #[track_caller]
    pub fn from_flat(flat: Arc<dyn FlatFn + 'f>) -> Self {
        let body = flat.clone();
        let call = Call::new(move |args| made_of_result(|take| body.call_into(args, take), tree::rebuild));
        Fun { call, flat }
    }

    /// The function over flat arguments.
    pub fn flat(&self) -> &Arc<dyn FlatFn + 'f> {
        &self.flat
    }
}

impl<S: Signature> Clone for Fun<'_, S> {
    fn clone(&self) -> Self {
        Fun { call: self.call.clone(), flat: self.flat.clone() }
    }
}

/// A panic in a traced function leaves no state of a transformation half changed.
impl<S: Signature> UnwindSafe for Fun<'_, S> {}
impl<S: Signature> RefUnwindSafe for Fun<'_, S> {}
impl<S: Signature, R: 'static> UnwindSafe for Call<'_, S, R> {}
impl<S: Signature, R: 'static> RefUnwindSafe for Call<'_, S, R> {}

impl<S: Signature> fmt::Debug for Fun<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fun({})", self.flat.name())
    }
}

impl<'f, S: Signature> Deref for Fun<'f, S> {
    type Target = S::Callee<'f, S::Out>;
    #[inline]
    #[track_caller]
    fn deref(&self) -> &Self::Target {
        &self.call
    }
}

/// The marker of [`Fun`]s.
pub struct Transformed<S>(PhantomData<S>);

impl<S: Signature> Function<Transformed<S>> for Fun<'_, S> {}
impl<S: Signature> Function<Transformed<S>> for &Fun<'_, S> {}

impl<'f, S: Signature> Traceable<'f, Fun<'f, S>> for Transformed<S> {
    type Sig = S;
    fn into_flat(function: Fun<'f, S>) -> Arc<dyn FlatFn + 'f> {
        function.flat
    }
}
impl<'f, S: Signature> Traceable<'f, &Fun<'f, S>> for Transformed<S> {
    type Sig = S;
    fn into_flat(function: &Fun<'f, S>) -> Arc<dyn FlatFn + 'f> {
        function.flat.clone()
    }
}

/// The types of functions that have an argument `N`, counted from 0.
#[diagnostic::on_unimplemented(message = "`{Self}` has no argument {N} to differentiate with respect to")]
pub trait ArgAt<const N: usize>: Signature {
    /// The argument, owned.
    type Tree: Pytree;
}
