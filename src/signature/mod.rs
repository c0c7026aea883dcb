//! How a typed Rust function becomes a function of flat arrays, and back.
//!
//! A transformation such as `jit` sees a [`FlatFn`]: arrays and structure in, arrays and structure out. The user sees
//! a [`Fun`], which is called like the function that was transformed. Between them stand
//!
//! - [`Arg`], one argument: `&T` is borrowed, an owned `T` is donated;
//! - [`Output`], what a function returns: a pytree or a `Result` of one;
//! - [`Signature`], the type of a function, written as a `fn` pointer type: `fn(Params, &'static Array) -> Params`;
//! - [`Traceable`], whatever a transformation accepts: functions, closures and other [`Fun`]s;
//! - [`Differentiable`] and [`DifferentiableAux`], which say how `grad` changes a signature.
//!
//! A transformation is then a function of this form:
//! ```
//! use std::sync::Arc;
//! use raxla::signature::{FlatArgs, FlatFn, FlatOut, Fun, Traceable};
//! use raxla::Result;
//!
//! struct Twice(Arc<dyn FlatFn>);
//! impl FlatFn for Twice {
//!     fn call(&self, args: FlatArgs) -> Result<FlatOut> {
//!         self.0.call(args.clone())?;
//!         self.0.call(args)
//!     }
//! }
//! #[track_caller]
//! fn twice<M, F: Traceable<M>>(f: F) -> Fun<F::Sig> {
//!     Fun::from_flat(Arc::new(Twice(f.into_flat())))
//! }
//! let f = twice(|| vec![()]);
//! assert_eq!(f()?, [()]);
//! # Ok::<(), raxla::Error>(())
//! ```

mod arity;
mod call_site;
mod flat;

use std::fmt;
use std::ops::Deref;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

pub(crate) use flat::short_type_name;
pub use flat::{ArgSpan, FlatArgs, FlatFn, FlatOut, OutLeaves};

use crate::error::{Error, Result, err};
use crate::tree::{Flattener, Pytree};

/// One argument of a traced function. `&T` is borrowed; an owned `T` is donated.
///
/// Implemented for `&T` and `&[T]` of every pytree `T`, and for the pytrees of this crate; `#[derive(Pytree)]`
/// implements it for the owned type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a transformed function",
    note = "arguments are pytrees or references to pytrees; write `#[derive(Pytree)]` on the type",
    note = "numbers are not pytrees: pass an `Array`, or `Static(..)` for a value to be compiled in"
)]
pub trait Arg: 'static {
    /// The tree that is passed.
    type Tree: Pytree;
    /// The argument as the function takes it: `T`, or `&'a T`.
    type Item<'a>;
    /// Is it given away, so that its buffers may be reused for results?
    const DONATED: bool;

    /// Appends the argument's structure and leaves.
    fn flatten_into(item: &Self::Item<'_>, out: &mut Flattener);

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
    fn flatten_into(item: &&T, out: &mut Flattener) {
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
    fn flatten_into(item: &&[T], out: &mut Flattener) {
        out.token(crate::tree::Token::Vec(item.len() as u32));
        for element in *item {
            element.flatten_into(out);
        }
    }
    #[inline]
    fn lend(slot: &mut Option<Vec<T>>) -> Result<&[T]> {
        slot.as_deref().ok_or_else(taken)
    }
}

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
    /// A function with these arguments that returns a `Result<R>`.
    type Callee<R: 'static>: ?Sized + Send + Sync;

    /// The function that flattens its arguments and hands them to `body`. `applied_at` is where the transformation
    /// was applied, the location of calls whose own line is not known.
    fn callee<R: 'static>(
        body: impl Fn(FlatArgs) -> Result<R> + Send + Sync + 'static,
        key: CallKey,
        applied_at: &'static Location<'static>,
    ) -> Arc<Self::Callee<R>>;
}

/// Anything that a transformation accepts: functions and closures of up to eight arguments, [`Fun`], `&Fun`.
/// `M` is a marker that keeps the impls apart; it is always inferred.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be transformed",
    label = "not a function of pytrees, or a closure whose parameter types are not written out",
    note = "arguments are pytrees (`Params`, donated) or references to pytrees (`&Params`), eight at most",
    note = "the result is a pytree or a `raxla::Result` of one",
    note = "a closure needs its parameter types written, `|x: &Array| ..`, and must be `Fn + Send + Sync + 'static`"
)]
pub trait Traceable<M>: Sized {
    /// The function's type.
    type Sig: Signature;
    /// The function over flat arguments.
    fn into_flat(self) -> Arc<dyn FlatFn>;
}

pub use call_site::CallKey;

/// Something called with the arguments of `S`, which returns a `Result<R>`: `call(p, &x)?`.
///
/// [`Fun`] is one for `R = S::Out`; others return what was lowered or counted.
pub struct Call<S: Signature, R: 'static = <S as Signature>::Out> {
    callee: Arc<S::Callee<R>>,
    key: CallKey,
}

impl<S: Signature, R: 'static> Call<S, R> {
    /// Flattens the arguments and hands them to `body`.
    #[track_caller]
    pub fn new(body: impl Fn(FlatArgs) -> Result<R> + Send + Sync + 'static) -> Self {
        let key = CallKey::new();
        Call { callee: S::callee(body, key, Location::caller()), key }
    }
}

impl<S: Signature, R: 'static> Clone for Call<S, R> {
    fn clone(&self) -> Self {
        Call { callee: self.callee.clone(), key: self.key }
    }
}

impl<S: Signature, R: 'static> Deref for Call<S, R> {
    type Target = S::Callee<R>;
    /// Notes the line, since this is the only code that `f(x)` runs at the caller's: see `call_site`.
    #[inline]
    #[track_caller]
    fn deref(&self) -> &S::Callee<R> {
        call_site::note(self.key, Location::caller());
        &self.callee
    }
}

/// A transformed function. It is called like the function it came from, with a `Result` around what it returns, and
/// can be handed to another transformation.
///
/// Cheap to clone; clones share everything, caches included.
pub struct Fun<S: Signature> {
    call: Call<S>,
    flat: Arc<dyn FlatFn>,
}

impl<S: Signature> Fun<S> {
    /// The typed face of `flat`, which must take the arguments of `S` and return the structure of `S::Out`.
    #[track_caller]
    pub fn from_flat(flat: Arc<dyn FlatFn>) -> Self {
        let body = flat.clone();
        Fun { call: Call::new(move |args| body.call(args)?.into_tree()), flat }
    }

    /// The function over flat arguments.
    pub fn flat(&self) -> &Arc<dyn FlatFn> {
        &self.flat
    }
}

impl<S: Signature> Clone for Fun<S> {
    fn clone(&self) -> Self {
        Fun { call: self.call.clone(), flat: self.flat.clone() }
    }
}

/// A panic in a traced function leaves no state of a transformation half changed.
impl<S: Signature> UnwindSafe for Fun<S> {}
impl<S: Signature> RefUnwindSafe for Fun<S> {}
impl<S: Signature, R: 'static> UnwindSafe for Call<S, R> {}
impl<S: Signature, R: 'static> RefUnwindSafe for Call<S, R> {}

impl<S: Signature> fmt::Debug for Fun<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fun({})", self.flat.name())
    }
}

impl<S: Signature> Deref for Fun<S> {
    type Target = S::Callee<S::Out>;
    #[inline]
    #[track_caller]
    fn deref(&self) -> &Self::Target {
        &self.call
    }
}

/// The marker of the impls of [`Traceable`] for [`Fun`].
pub struct Transformed;

impl<S: Signature> Traceable<(Transformed, S)> for Fun<S> {
    type Sig = S;
    fn into_flat(self) -> Arc<dyn FlatFn> {
        self.flat
    }
}

impl<S: Signature> Traceable<(Transformed, S)> for &Fun<S> {
    type Sig = S;
    fn into_flat(self) -> Arc<dyn FlatFn> {
        self.flat.clone()
    }
}

/// `grad`'s effect on a signature, with respect to argument `N`.
#[diagnostic::on_unimplemented(message = "`{Self}` has no argument {N} to differentiate with respect to")]
pub trait Differentiable<const N: usize = 0>: Signature {
    /// The argument differentiated with respect to.
    type Wrt: Pytree;
    /// The same arguments, returning the gradient.
    type Grad: Signature<Args = Self::Args, Out = Self::Wrt>;
    /// The same arguments, returning the value and the gradient.
    type ValueAndGrad: Signature<Args = Self::Args, Out = (Self::Out, Self::Wrt)>;
}

/// `grad`'s effect, with respect to argument `N`, on the signature of a function that returns a value to be
/// differentiated and something else beside it. JAX: `has_aux=True`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not return `(value, aux)`, or has no argument {N}",
    note = "a function with auxiliary output returns a pair: what is differentiated, and the rest"
)]
pub trait DifferentiableAux<const N: usize = 0>: Signature {
    /// The argument differentiated with respect to.
    type Wrt: Pytree;
    /// What is differentiated.
    type Value: Pytree;
    /// What is only passed on.
    type Aux: Pytree;
    /// The same arguments, returning the gradient and the auxiliary output.
    type Grad: Signature<Args = Self::Args, Out = (Self::Wrt, Self::Aux)>;
    /// The same arguments, returning value and auxiliary output, and the gradient.
    type ValueAndGrad: Signature<Args = Self::Args, Out = ((Self::Value, Self::Aux), Self::Wrt)>;
}
