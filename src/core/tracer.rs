//! Tracers: what stands for arrays while a function is traced. JAX: `core.Tracer`.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use smallvec::SmallVec;

use crate::core::array::{Array, Repr};
use crate::core::atom::Var;
use crate::core::aval::ShapedArray;
use crate::error::{Error, Result, err};

/// Names one trace for ever. The upper bits are the number of the thread that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TraceId(u64);

const SERIAL_BITS: u32 = 40;

/// A value of a trace that is still running; what it stands for depends on the trace.
#[derive(Clone, Debug)]
pub(crate) enum Tracer {
    /// A variable of a jaxpr that is being recorded. There is one for each equation, so it is all here and costs no memory.
    Var { var: Var, trace: TraceId, aval: ShapedArray },
    /// The same while `check_tracer_leaks` is on: that it is still there can be seen.
    Watched(Arc<WatchedVar>),
    /// A primal value with its tangent (`jvp`, `linearize`).
    Dual(Arc<Dual>),
    /// A value with a mapped axis (`vmap`).
    Batched(Arc<BatchedValue>),
    /// A value with its derivatives along a path (`jet`).
    Jet(Arc<JetValue>),
}

#[derive(Debug)]
pub(crate) struct WatchedVar {
    pub var: Var,
    pub trace: TraceId,
    pub aval: ShapedArray,
}

#[derive(Debug)]
pub(crate) struct Dual {
    pub trace: TraceId,
    pub aval: ShapedArray,
    pub primal: Array,
    pub tangent: Array,
}

#[derive(Debug)]
pub(crate) struct BatchedValue {
    pub trace: TraceId,
    pub aval: ShapedArray,
    pub value: Array,
    /// Where the value has the mapped axis.
    pub axis: usize,
}

#[derive(Debug)]
pub(crate) struct JetValue {
    pub trace: TraceId,
    pub aval: ShapedArray,
    pub primal: Array,
    /// The derivatives from the first on; `None` is zero.
    pub terms: SmallVec<[Option<Array>; 4]>,
}

impl Tracer {
    /// The trace that it belongs to.
    #[inline]
    pub(crate) fn trace(&self) -> TraceId {
        match self {
            Tracer::Var { trace, .. } => *trace,
            Tracer::Watched(watched) => watched.trace,
            Tracer::Dual(dual) => dual.trace,
            Tracer::Batched(batched) => batched.trace,
            Tracer::Jet(jet) => jet.trace,
        }
    }

    /// What is known of the value.
    #[inline]
    pub(crate) fn aval(&self) -> ShapedArray {
        match self {
            Tracer::Var { aval, .. } => *aval,
            Tracer::Watched(watched) => watched.aval,
            Tracer::Dual(dual) => dual.aval,
            Tracer::Batched(batched) => batched.aval,
            Tracer::Jet(jet) => jet.aval,
        }
    }

    /// JAX's name for a tracer of this kind.
    pub(crate) fn kind_name(&self) -> &'static str {
        match self {
            Tracer::Var { .. } | Tracer::Watched(_) => "JitTracer",
            Tracer::Dual(_) => "JVPTracer",
            Tracer::Batched(_) => "BatchTracer",
            Tracer::Jet(_) => "JetTracer",
        }
    }
}

impl From<Tracer> for Array {
    #[inline]
    fn from(tracer: Tracer) -> Self {
        Array(Repr::Tracer(tracer))
    }
}

struct Traces {
    /// Those of this thread that are still running.
    live: RefCell<Vec<TraceId>>,
    thread: Cell<u64>,
    serial: Cell<u64>,
}

thread_local! {
    static TRACES: Traces =
        const { Traces { live: RefCell::new(Vec::new()), thread: Cell::new(0), serial: Cell::new(0) } };
}

static THREADS: AtomicU64 = AtomicU64::new(1);

fn this_thread(c: &Traces) -> u64 {
    if c.thread.get() == 0 {
        c.thread.set(THREADS.fetch_add(1, Ordering::Relaxed));
    }
    c.thread.get()
}

/// Keeps a trace's id alive; dropping it makes the trace's tracers dead.
pub(crate) struct LiveTrace(pub TraceId);

impl LiveTrace {
    pub(crate) fn new() -> Self {
        TRACES.with(|c| {
            c.serial.set(c.serial.get() + 1);
            let id = TraceId(this_thread(c) << SERIAL_BITS | c.serial.get());
            c.live.borrow_mut().push(id);
            LiveTrace(id)
        })
    }
}

impl Drop for LiveTrace {
    fn drop(&mut self) {
        TRACES.with(|c| c.live.borrow_mut().retain(|id| *id != self.0));
    }
}

/// Is this trace of this thread still running?
pub(crate) fn is_live(id: TraceId) -> bool {
    TRACES.with(|c| c.live.borrow().contains(&id))
}

/// The trace of this thread that began last and is still running.
pub(crate) fn innermost() -> Option<TraceId> {
    TRACES.with(|c| c.live.borrow().last().copied())
}

/// An error if `x` is a tracer whose trace is over or runs on another thread.
pub(crate) fn check_live(x: &Array) -> Result<()> {
    match &x.0 {
        Repr::Tracer(t) if !is_live(t.trace()) => Err(unexpected_tracer(t)),
        _ => Ok(()),
    }
}

/// The error for a tracer that reached a place where its trace does not run.
pub(crate) fn unexpected_tracer(t: &Tracer) -> Error {
    let thread = TRACES.with(this_thread);
    let (name, aval) = (t.kind_name(), t.aval());
    if t.trace().0 >> SERIAL_BITS != thread {
        return err!(
            UnexpectedTracer,
            "{name}({aval}) was used on a thread other than the one that traces it: a tracer stands for a value only \
             within the call of the traced function that received it"
        );
    }
    err!(
        UnexpectedTracer,
        "encountered an unexpected tracer: {name}({aval}) escaped the transformation that made it. A function \
         transformed by jit, grad or vmap must not store intermediate values through side effects (in a Mutex, a static, \
         a captured variable); return them instead"
    )
}
