//! The current trace and `bind`. JAX: `core.Trace`, `core.trace_ctx`, `Primitive.bind`.
//!
//! Tracing is final-style and stackless: each thread has one current trace, and a trace that is done with an operation
//! hands it to its parent. No trace at all is evaluation.

use std::any::Any;
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::panic::Location;
use std::rc::Rc;
use std::sync::Arc;

use crate::core::array::Array;
use crate::core::axis::AxisName;
use crate::core::eval;
use crate::core::primitive::{Arrays, Ct, Prim, Tangent};
pub(crate) use crate::core::tracer::{
    BatchedValue, Dual, JetValue, LiveTrace, TraceId, Tracer, check_live, innermost, is_live,
    unexpected_tracer,
};
pub(crate) use crate::error::{Loc, caller, with_caller, with_location, without_location};
use crate::error::{OrThrow, Result, bail, caller_or, err, throw};

/// An interpretation of operations.
pub(crate) trait Trace {
    /// Applies a primitive to arguments of which some are this trace's own.
    fn process(self: Rc<Self>, prim: &Prim, args: &[&Array], loc: Loc) -> Result<Arrays>;

    /// Applies a function with a custom derivative; `None` asks for it as an equation of a jaxpr.
    fn process_custom(
        self: Rc<Self>,
        call: &Arc<dyn CustomCall>,
        args: &[Array],
    ) -> Option<Result<Vec<Array>>> {
        let _ = (call, args);
        None
    }
}

/// A function with a custom derivative, applied to arguments of one structure.
pub(crate) trait CustomCall: Any + Send + Sync {
    /// Applies the function anew under the current trace.
    fn call(&self, args: &[Array]) -> Result<Vec<Array>>;

    /// Results and tangents by the custom rule.
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Result<(Vec<Array>, Vec<Tangent>)>;

    /// The forward pass of a function whose custom derivative is a reverse-mode rule; `None` if it is not. `perturbed` marks what
    /// is differentiated with respect to.
    fn fwd(&self, primals: &[Array], perturbed: &[bool]) -> Option<Result<CustomForward>> {
        let _ = (primals, perturbed);
        None
    }

    /// Applies it as an equation under the current trace.
    fn record(self: Arc<Self>, args: &[Array]) -> Result<Vec<Array>>;

    /// `custom_jvp_call` or `custom_vjp_call`.
    fn primitive_name(&self) -> &'static str;

    /// The function's name.
    fn function_name(&self) -> Cow<'static, str>;

    /// The names of its reverse rules, forward and backward, if it has them.
    fn reverse_rules(&self) -> Option<[String; 2]> {
        None
    }

    /// May the function or a rule have captured an array, which no argument shows?
    fn may_capture(&self) -> bool;

    /// Is it the same function with the same rules?
    fn same(&self, other: &dyn CustomCall) -> bool;
}

/// What the forward rule of a custom reverse-mode derivative gives.
pub(crate) struct CustomForward {
    pub outs: Vec<Array>,
    pub residuals: Vec<Array>,
    pub backward: Arc<dyn CustomBackward>,
}

/// The backward rule of a custom derivative.
pub(crate) trait CustomBackward: Send + Sync {
    /// Cotangents of all arguments from the residuals and the cotangents of all results.
    fn apply(&self, residuals: &[Array], cts: &[Ct]) -> Result<Vec<Ct>>;
}

/// Applies a function with a custom derivative under the current trace.
pub(crate) fn bind_custom(call: &Arc<dyn CustomCall>, args: &[Array]) -> Result<Vec<Array>> {
    let Some(trace) = current_trace() else { return call.call(args) };
    match trace.process_custom(call, args) {
        Some(outs) => outs,
        None => call.clone().record(args),
    }
}

pub(crate) type TraceRef = Option<Rc<dyn Trace>>;

struct Context {
    /// `None`: evaluation.
    current: RefCell<TraceRef>,
    /// Named axes that enclosing `vmap`s bind, innermost last.
    axes: RefCell<Vec<(AxisName, usize)>>,
}

thread_local! {
    static CONTEXT: Context = const { Context {
        current: RefCell::new(None),
        axes: RefCell::new(Vec::new()),
    } };
}

thread_local! {
    /// Is what depends on no tracer computed rather than recorded?
    static FOLDING: Cell<bool> = const { Cell::new(false) };
}

/// Is what depends on no tracer computed rather than recorded?
#[inline]
pub(crate) fn is_folding() -> bool {
    FOLDING.get()
}

/// Runs `body` in which it is, or is not.
pub(crate) fn folding<R>(on: bool, body: impl FnOnce() -> R) -> R {
    let _restore = Folding::new(on);
    body()
}

/// [`is_folding`] as long as this is there.
struct Folding {
    before: bool,
}

impl Folding {
    fn new(on: bool) -> Self {
        Folding { before: FOLDING.replace(on) }
    }
}

impl Drop for Folding {
    fn drop(&mut self) {
        FOLDING.set(self.before);
    }
}

/// The current trace.
pub(crate) fn current_trace() -> TraceRef {
    CONTEXT.with(|c| c.current.borrow().clone())
}

/// Is this thread evaluating, not tracing?
pub(crate) fn is_eval() -> bool {
    CONTEXT.with(|c| c.current.borrow().is_none())
}

/// Runs `body` with another current trace, and restores the old one even on unwind.
pub(crate) fn with_trace<R>(trace: TraceRef, body: impl FnOnce() -> R) -> R {
    let _restore = Current::new(trace);
    body()
}

/// A trace is the current one as long as this is there.
struct Current {
    before: TraceRef,
}

impl Current {
    fn new(trace: TraceRef) -> Self {
        Current { before: CONTEXT.with(|c| c.current.replace(trace)) }
    }
}

impl Drop for Current {
    fn drop(&mut self) {
        let old = CONTEXT.with(|c| c.current.replace(self.before.take()));
        drop(old);
    }
}

/// Runs `body` with a named axis bound.
pub(crate) fn with_axis<R>(name: Option<AxisName>, size: usize, body: impl FnOnce() -> R) -> R {
    struct Restore(usize);
    impl Drop for Restore {
        fn drop(&mut self) {
            CONTEXT.with(|c| c.axes.borrow_mut().truncate(self.0));
        }
    }
    let _restore = Restore(CONTEXT.with(|c| c.axes.borrow().len()));
    if let Some(name) = name {
        CONTEXT.with(|c| c.axes.borrow_mut().push((name, size)));
    }
    body()
}

/// The size of a named axis.
pub(crate) fn axis_size(name: AxisName) -> Result<usize> {
    CONTEXT.with(|c| match c.axes.borrow().iter().rev().find(|(n, _)| *n == name) {
        Some((_, size)) => Ok(*size),
        None => bail!(UnboundAxisName, "unbound axis name: {name}. No enclosing vmap binds it"),
    })
}

/// The named axes in force: part of every cache key.
pub(crate) fn axis_env() -> Vec<(AxisName, usize)> {
    CONTEXT.with(|c| c.axes.borrow().clone())
}

/// Applies a primitive under the current trace, on behalf of the line `loc`.
#[inline]
pub(crate) fn bind_at(prim: &Prim, args: &[&Array], loc: Loc) -> Result<Arrays> {
    let loc = caller_or(loc);
    let trace = CONTEXT.with(|c| c.current.borrow().clone());
    let result = match trace {
        None => eval::process(prim, args, loc),
        Some(trace) => trace.process(prim, args, loc),
    };
    result.map_err(|e| e.at(loc))
}

/// Applies a primitive under the current trace.
#[track_caller]
pub(crate) fn bind(prim: impl Into<Prim>, args: &[&Array]) -> Result<Arrays> {
    bind_at(&prim.into(), args, Location::caller())
}

/// Applies a primitive with one result. Fails at the caller's line (see [`crate::error`]).
#[track_caller]
pub(crate) fn bind1(prim: impl Into<Prim>, args: &[&Array]) -> Array {
    bind1_of(&prim.into(), args)
}

/// [`bind1`] of a primitive that is bound more than once.
#[track_caller]
pub(crate) fn bind1_of(prim: &Prim, args: &[&Array]) -> Array {
    match bind_at(prim, args, Location::caller()).or_throw().pop() {
        Some(out) => out,
        None => throw(err!(Internal, "{}: no result", prim.name())),
    }
}

/// Applies a primitive with several results. Fails at the caller's line.
#[track_caller]
pub(crate) fn bind_all(prim: impl Into<Prim>, args: &[&Array]) -> Arrays {
    bind_at(&prim.into(), args, Location::caller()).or_throw()
}
