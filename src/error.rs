//! What can go wrong, and how it is said. JAX: `jax.errors`.
//!
//! There is one type, [`Error`]. It is opaque: ask it for its [`kind`](Error::kind), for its [`location`](Error::location), which
//! is a line of your program, and print it for the message.
//!
//! # When it panics, and when it is an `Err`
//!
//! - **A call of a transformed function** (`jit(f)(..)`, `grad(f)(..)`, `vmap(f)(..)`) and whatever else runs a function of yours
//!   (`lax::scan`, `lax::cond`) returns a [`Result`]: tracing, compiling and running can fail, and nothing is half changed then.
//! - **An operation on arrays** returns an [`Array`](crate::Array). With operands that it does not accept it panics at your line,
//!   as indexing a slice does; inside a transformation the same mistake comes out of the transformation's call as an `Err`.
//!   [`try_`] makes an `Err` of it outside too.
//! - **Reading a value** ([`item`](crate::Array::item), [`to_vec`](crate::Array::to_vec)) returns a [`Result`]: the computation
//!   may have failed since it was enqueued, and a tracer has no value.
//! - **An error of your own** passes through every transformation: see [`Error::other`].
//!
//! ```
//! use raxla::prelude::*;
//!
//! let add = |x: &Array, y: &Array| x + y;
//! let (x, y) = (Array::from([1.0f32, 2.0]), Array::from([1.0f32, 2.0, 3.0]));
//! let inside = jit(add)(&x, &y).unwrap_err();
//! let outside = raxla::try_(|| add(&x, &y)).unwrap_err();
//! assert_eq!(inside.message(), "add got incompatible shapes for broadcasting: (2,), (3,): 2 and 3 at axis -1 are neither equal nor 1");
//! assert_eq!(inside.message(), outside.message());
//! assert_eq!(inside.kind(), ErrorKind::Shape);
//! assert_eq!(inside.location(), outside.location());
//! ```
//!
//! An error inside a transformation travels as an unwind that the transformation's call catches; no panic hook sees it. So
//! transformations need `panic = "unwind"`, Rust's default: with `panic = "abort"` in the profile such an error ends the process.
//! A panic of your own function (`unwrap`, `assert!`) goes on through the call, and leaves nothing behind that would spoil
//! the next one.
//!
//! # Kinds
//!
//! | you see | it says | remedy |
//! |---|---|---|
//! | [`Shape`](ErrorKind::Shape), [`DType`](ErrorKind::DType), [`InvalidArgument`](ErrorKind::InvalidArgument) | the operation, its operands and the rule broken | |
//! | [`TracerBoolConversion`](ErrorKind::TracerBoolConversion), [`Concretization`](ErrorKind::Concretization) | a Rust `if`, `while` or number needs a value that is not there while tracing | `lax::cond`, `lax::while_loop`, `jnp::where_`; or make the argument static |
//! | [`UnexpectedTracer`](ErrorKind::UnexpectedTracer) | a traced function stored an array where it outlives the trace | return it instead |
//! | [`TreeMismatch`](ErrorKind::TreeMismatch), [`Carry`](ErrorKind::Carry), [`Branch`](ErrorKind::Branch) | where two structures or types differ, by path | |
//! | [`Differentiation`](ErrorKind::Differentiation) | what has no derivative as asked | `lax::scan` for loops in reverse mode; `custom_vjp` |
//! | [`DeletedBuffer`](ErrorKind::DeletedBuffer) | the array was donated | clone it, or pass it by reference |
//! | [`Plugin`](ErrorKind::Plugin) | which plugin was looked for, where, and what to install | |
//! | [`Compile`](ErrorKind::Compile), [`Runtime`](ErrorKind::Runtime) | what XLA says | |
//! | [`FloatingPoint`](ErrorKind::FloatingPoint) | which operation gave NaN, or an infinite value | |
//! | [`Disallowed`](ErrorKind::Disallowed) | what would have happened, and which setting forbids it | |
//! | [`KeyReuse`](ErrorKind::KeyReuse) | which function used a key again, and which used it first, with both lines | [`random::split()`](crate::random::split()) |
//! | [`FailedCheck`](ErrorKind::FailedCheck) | what a [`check`](crate::experimental::checkify::check) says | |
//! | [`Internal`](ErrorKind::Internal) | a bug in raxla | report it |
//!
//! ```
//! use raxla::prelude::*;
//!
//! let f = jit(|x: &Array| -> Result<Array> {
//!     // The value of a tracer: it stands for every value that the compiled program will be called with.
//!     Ok(if x.item::<f32>()? > 0.0 { x.clone() } else { -x })
//! });
//! assert_eq!(f(&Array::from(-1.0f32)).unwrap_err().kind(), ErrorKind::Concretization);
//! ```
//!
//! # Errors that come late, and measuring time
//!
//! A call returns when its work is enqueued. What fails while the program runs is reported by whoever reads the result, or waits
//! for it with [`block_until_ready`](crate::Array::block_until_ready). A clock that is read without waiting measures the
//! enqueueing alone; and the first call also traces and compiles:
//!
//! ```
//! use raxla::prelude::*;
//! use std::time::Instant;
//!
//! let f = jit(|x: &Array| x * 2.0);
//! let x = Array::from([1.0f32, 2.0]);
//! f(&x)?.block_until_ready()?; // traced and compiled here
//! let start = Instant::now();
//! for _ in 0..10 {
//!     f(&x)?.block_until_ready()?;
//! }
//! println!("{:?} a call", start.elapsed() / 10);
//! # Ok::<(), raxla::Error>(())
//! ```

use std::cell::Cell;
use std::error::Error as StdError;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

/// `Result` with raxla's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, in JAX's vocabulary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Shapes, axes or sizes that an operation does not accept.
    Shape,
    /// Element types that an operation does not accept (JAX: `TypeError`, `TypePromotionError`).
    DType,
    /// Any other argument that an operation or a transformation does not accept.
    InvalidArgument,
    /// A tracer was used as a Rust `bool` (JAX: `TracerBoolConversionError`).
    TracerBoolConversion,
    /// The value of a tracer was read (JAX: `ConcretizationTypeError`).
    Concretization,
    /// A tracer outlived its trace or reached another thread (JAX: `UnexpectedTracerError`).
    UnexpectedTracer,
    /// Two pytrees that had to agree in structure do not.
    TreeMismatch,
    /// A loop's carry changes type from one iteration to the next.
    Carry,
    /// The branches of a conditional differ in type.
    Branch,
    /// Differentiation of something that has no derivative as asked (integers, non-scalar outputs, `while_loop`).
    Differentiation,
    /// An axis name that no enclosing `vmap` binds.
    UnboundAxisName,
    /// "Buffer has been deleted or donated".
    DeletedBuffer,
    /// A plugin could not be found, loaded or initialised.
    Plugin,
    /// XLA rejected or failed to compile a program.
    Compile,
    /// XLA failed while running a program or moving data.
    Runtime,
    /// A result that is not a number, or infinite, while [`debug_nans`](crate::config::set_debug_nans) or
    /// [`debug_infs`](crate::config::set_debug_infs) is on (JAX: `FloatingPointError`).
    FloatingPoint,
    /// What a setting forbids: [`no_tracing`](crate::config::set_no_tracing), [`no_execution`](crate::config::set_no_execution),
    /// [`transfer_guard`](crate::config::set_transfer_guard) (JAX: `RuntimeError`).
    Disallowed,
    /// A key that is used twice, while [`debug_key_reuse`](crate::config::set_debug_key_reuse) is on (JAX: `KeyReuseError`).
    KeyReuse,
    /// A [`checkify::check`](crate::experimental::checkify::check) that does not hold, or another error that `checkify` looked for
    /// (JAX: `checkify.JaxRuntimeError`).
    FailedCheck,
    /// Something that raxla or the plugin below cannot do.
    Unimplemented,
    /// Reading or writing a file.
    Io,
    /// An error of the program's own, which [`Error::other`] or `?` made of a `Box<dyn Error>`.
    Other,
    /// A bug in raxla.
    Internal,
}

/// An error of raxla, XLA or a plugin. It prints as one message; see [`kind`](Error::kind).
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    location: Option<&'static Location<'static>>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of the given kind, without a location.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error(Box::new(Inner { kind, message: message.into(), location: None, source: None }))
    }

    /// An error of any other type, which this one has as its [`source`](StdError::source): what a traced function fails with
    /// comes back through every transformation.
    ///
    /// ```
    /// use raxla::prelude::*;
    ///
    /// let f = |x: &Array| -> Result<Array> {
    ///     let rate: f32 = "fast".parse().map_err(Error::other)?;
    ///     Ok(x * rate)
    /// };
    /// let error = jit(grad(f))(&Array::from(1.0)).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Other);
    /// assert!(error.downcast_ref::<std::num::ParseFloatError>().is_some());
    /// ```
    #[track_caller]
    pub fn other(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let error = error.into();
        Error::new(ErrorKind::Other, error.to_string()).with_source(error).at(Location::caller())
    }

    fn with_source(mut self, source: Box<dyn StdError + Send + Sync>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What the error was made of, if it is a `T`.
    pub fn downcast_ref<T: StdError + 'static>(&self) -> Option<&T> {
        self.0.source.as_deref().and_then(|source| source.downcast_ref())
    }

    /// The kind of failure.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The message, without the location.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The user's file and line, where one is known.
    pub fn location(&self) -> Option<&'static Location<'static>> {
        self.0.location
    }

    /// The same error, at `location` unless it already has one.
    ///
    /// A line of the standard library says nothing: `x > &y` goes through an impl for references there, which does not
    /// pass on its caller. Whoever called the function around it knows more.
    #[must_use]
    pub fn at(mut self, location: &'static Location<'static>) -> Self {
        if !location.file().starts_with("/rustc/") {
            self.0.location.get_or_insert(location);
        }
        self
    }

    /// The same error, with `context: ` before its message.
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.0.message = format!("{context}: {}", self.0.message);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        match self.0.location {
            Some(at) => write!(f, "\n  at {}:{}:{}", at.file(), at.line(), at.column()),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.0.kind)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

impl From<std::io::Error> for Error {
    fn from(e: std::io::Error) -> Self {
        Error::new(ErrorKind::Io, e.to_string()).with_source(e.into())
    }
}

/// [`Error::other`], unless the box holds an [`Error`], which comes out of it.
impl From<Box<dyn StdError + Send + Sync>> for Error {
    #[track_caller]
    fn from(error: Box<dyn StdError + Send + Sync>) -> Self {
        match error.downcast() {
            Ok(error) => *error,
            Err(error) => Error::other(error),
        }
    }
}

/// In a module of their own, so that the macro `throw!` and the function [`throw`] do not collide.
mod macros {
    /// Returns early with an [`Error`] of kind `$kind` and a formatted message.
    macro_rules! bail {
        ($kind:ident, $($arg:tt)*) => {
            return Err($crate::error::Error::new($crate::error::ErrorKind::$kind, format!($($arg)*)))
        };
    }
    /// An [`Error`] of kind `$kind` with a formatted message.
    macro_rules! err {
        ($kind:ident, $($arg:tt)*) => {
            $crate::error::Error::new($crate::error::ErrorKind::$kind, format!($($arg)*))
        };
    }
    /// [`throw`]s an [`Error`] of kind `$kind` with a formatted message, at the line that called the `#[track_caller]` function.
    macro_rules! throw {
        ($kind:ident, $($arg:tt)*) => {
            $crate::error::throw($crate::error::err!($kind, $($arg)*))
        };
    }
    pub(crate) use {bail, err, throw};
}
pub(crate) use macros::*;

/// What [`throw`] unwinds with inside a transformation. Not a panic: no hook runs and nothing is printed.
struct Thrown(Error);

thread_local! {
    /// How many transformations enclose the code that this thread is running.
    static TRANSFORMATIONS: Cell<usize> = const { Cell::new(0) };
}

/// A line of the user's program.
pub(crate) type Loc = &'static Location<'static>;

thread_local! {
    /// The user's line on whose behalf this thread runs code of the crate, where that is not the caller of the function.
    static BEHALF: Cell<Option<Loc>> = const { Cell::new(None) };
}

/// Code runs on behalf of another line as long as this is there. It is not generic, as nothing is that many closures go through.
struct Behalf {
    before: Option<Loc>,
}

impl Behalf {
    fn enter(loc: Option<Loc>) -> Self {
        Behalf { before: BEHALF.replace(loc) }
    }
}

impl Drop for Behalf {
    fn drop(&mut self) {
        BEHALF.set(self.before);
    }
}

fn on_behalf<R>(loc: Option<Loc>, body: impl FnOnce() -> R) -> R {
    let _restore = Behalf::enter(loc);
    body()
}

/// Runs `body` on behalf of the user's line `loc`: operations that it binds are recorded as coming from there, and what it
/// [`throw`]s is thrown there. A closure has no `#[track_caller]`; this is what it has instead.
pub(crate) fn with_location<R>(loc: Loc, body: impl FnOnce() -> R) -> R {
    on_behalf(Some(loc), body)
}

/// [`with_location`] for the line of a call, unless this code already runs on behalf of another.
pub(crate) fn with_caller<R>(loc: Loc, body: impl FnOnce() -> R) -> R {
    with_location(caller_or(loc), body)
}

/// Runs a user's function from inside a rule: its own lines count again.
pub(crate) fn without_location<R>(body: impl FnOnce() -> R) -> R {
    on_behalf(None, body)
}

/// The line on whose behalf this code runs: that of the rule's equation, or the caller's.
#[track_caller]
pub(crate) fn caller() -> Loc {
    caller_or(Location::caller())
}

/// The line on whose behalf this code runs, or `loc`.
pub(crate) fn caller_or(loc: Loc) -> Loc {
    BEHALF.get().unwrap_or(loc)
}

/// Fails with `error` from a function that returns no `Result`: a panic at the caller's line in eager code; inside a
/// transformation an unwind that [`catch`] turns back into `Err(error)`.
#[track_caller]
pub(crate) fn throw(error: Error) -> ! {
    let error = error.at(caller());
    if TRANSFORMATIONS.get() == 0 {
        panic!("{error}");
    }
    std::panic::resume_unwind(Box::new(Thrown(error)))
}

/// Runs eager code in which a failing operation is an `Err` rather than a panic, as it is inside of a transformation.
///
/// ```
/// use raxla::prelude::*;
///
/// let (x, y) = (Array::from([1.0f32, 2.0]), Array::from([1.0f32, 2.0, 3.0]));
/// let error = raxla::try_(|| &x + &y).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Shape);
/// ```
///
/// # Errors
/// What an operation in `f` fails with, at its line. A panic of another kind goes on. This needs unwinding: with
/// `panic = "abort"` a failing operation ends the process, here and in transformations.
pub fn try_<T>(f: impl FnOnce() -> T) -> Result<T> {
    catch(|| Ok(f()))
}

/// Runs the body of a transformation: what it [`throw`]s comes back as `Err`. A panic of the user's own goes on.
pub(crate) fn catch<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    let (mut body, mut result) = (Some(body), None);
    caught(&mut || result = body.take().map(|body| body()))?;
    result.unwrap_or_else(|| bail!(Internal, "a body that did not run"))
}

/// [`catch`] of what gives its result otherwise: compiled once, and not for each closure.
fn caught(body: &mut dyn FnMut()) -> Result<()> {
    struct Depth;
    impl Drop for Depth {
        fn drop(&mut self) {
            TRANSFORMATIONS.set(TRANSFORMATIONS.get() - 1);
        }
    }
    TRANSFORMATIONS.set(TRANSFORMATIONS.get() + 1);
    let depth = Depth;
    // Whatever the body leaves half done belongs to its own trace, which the guards on the way have discarded.
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body));
    drop(depth);
    match result {
        Ok(()) => Ok(()),
        Err(payload) => match payload.downcast::<Thrown>() {
            Ok(thrown) => Err(thrown.0),
            Err(payload) => std::panic::resume_unwind(payload),
        },
    }
}

/// The value, or [`throw`]s the error.
pub(crate) trait OrThrow<T> {
    /// The value, or [`throw`]s the error at the caller's line.
    fn or_throw(self) -> T;
}

impl<T> OrThrow<T> for Result<T> {
    #[track_caller]
    fn or_throw(self) -> T {
        match self {
            Ok(value) => value,
            Err(error) => throw(error),
        }
    }
}
