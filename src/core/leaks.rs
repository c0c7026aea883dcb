//! Tracers that are still there when their trace is over, while `check_tracer_leaks` is on. JAX: `core.maybe_find_leaked_tracers`.

use std::cell::{Cell, RefCell};
use std::sync::{Arc, Weak};

use crate::core::array::{Array, Repr};
use crate::core::config::check_tracer_leaks;
use crate::core::tracer::{BatchedValue, Dual, TraceId, Tracer, WatchedVar, is_live};
use crate::error::{Error, Loc, Result, err};

/// A tracer, if it is still there.
enum WeakTracer {
    Var(Weak<WatchedVar>),
    Dual(Weak<Dual>),
    Batched(Weak<BatchedValue>),
}

impl WeakTracer {
    fn of(x: &Array) -> Option<(TraceId, Self)> {
        let Repr::Tracer(tracer) = &x.0 else { return None };
        let weak = match tracer {
            Tracer::Var { .. } => return None,
            Tracer::Watched(watched) => WeakTracer::Var(Arc::downgrade(watched)),
            Tracer::Dual(dual) => WeakTracer::Dual(Arc::downgrade(dual)),
            Tracer::Batched(batched) => WeakTracer::Batched(Arc::downgrade(batched)),
            // What a `jet` leaves behind, whoever uses it finds out.
            Tracer::Jet(_) => return None,
        };
        Some((tracer.trace(), weak))
    }

    fn upgrade(&self) -> Option<Tracer> {
        match self {
            WeakTracer::Var(watched) => watched.upgrade().map(Tracer::Watched),
            WeakTracer::Dual(dual) => dual.upgrade().map(Tracer::Dual),
            WeakTracer::Batched(batched) => batched.upgrade().map(Tracer::Batched),
        }
    }
}

thread_local! {
    /// The tracers of each trace that runs, and the lines that made them.
    static WATCHED: RefCell<Vec<(TraceId, WeakTracer, Loc)>> = const { RefCell::new(Vec::new()) };
    static ANY: Cell<bool> = const { Cell::new(false) };
}

/// Notes tracers that a trace has made for this line.
#[inline]
pub(crate) fn watch(trace: TraceId, made: &[Array], loc: Loc) {
    if check_tracer_leaks() {
        watch_each(trace, made, loc);
    }
}

#[cold]
fn watch_each(trace: TraceId, made: &[Array], loc: Loc) {
    ANY.set(true);
    WATCHED.with_borrow_mut(|all| {
        // What a rule passes on is not made by it.
        let new = made.iter().filter_map(WeakTracer::of).filter(|(of, _)| *of == trace);
        all.extend(new.map(|(trace, weak)| (trace, weak, loc)));
    });
}

/// Is any of the trace's tracers still there, now that it has given its results?
///
/// # Errors
/// One is.
#[inline]
pub(crate) fn check(trace: TraceId) -> Result<()> {
    if !ANY.get() {
        return Ok(());
    }
    let found = WATCHED.with_borrow_mut(|all| {
        let mut own = all.iter().filter(|(of, ..)| *of == trace);
        let found = own.find_map(|(_, weak, loc)| weak.upgrade().map(|tracer| (tracer, *loc)));
        // Those of traces that an error ended go too.
        all.retain(|(of, ..)| *of != trace && is_live(*of));
        ANY.set(!all.is_empty());
        found
    });
    found.map_or(Ok(()), |(tracer, loc)| Err(leaked(&tracer, loc)))
}

#[cold]
fn leaked(tracer: &Tracer, loc: Loc) -> Error {
    let (name, aval) = (tracer.kind_name(), tracer.aval());
    err!(
        UnexpectedTracer,
        "leaked tracer: {name}({aval}) is still there after the function that it was made in was traced, and check_tracer_leaks is \
         set. It was made at {}:{}:{}: return it, rather than store it through a side effect (in a Mutex, a static, a captured variable)",
        loc.file(),
        loc.line(),
        loc.column()
    )
    .at(loc)
}

/// May what captured these be kept? Not while leaks are looked for, if it would keep a tracer.
pub(crate) fn may_keep(captured: &[Array]) -> bool {
    !check_tracer_leaks() || !captured.iter().any(Array::is_tracer)
}
