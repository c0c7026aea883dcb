//! The trace that carries derivatives along a path. JAX: `JetTrace`, `JetTracer`.

use std::rc::Rc;
use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

use super::rules;
use crate::core::array::{Array, Repr};
use crate::core::jaxpr::Loc;
use crate::core::name_stack;
use crate::core::primitive::{Arrays, Prim, Tangent};
use crate::core::small::small;
use crate::core::trace::{
    CustomCall, JetValue, LiveTrace, Trace, TraceId, TraceRef, Tracer, bind_at, current_trace, with_location,
    with_trace,
};
use crate::error::{Result, catch};
use crate::lax;

/// Coefficients of the Taylor series of a value along a path (derivatives over factorials), from number 1 to the trace's order; `None`
/// is zero.
pub(super) type Terms = SmallVec<[Tangent; 4]>;

/// All coefficients of a Taylor series: number 0 is the value.
pub(super) type Series = SmallVec<[Tangent; 6]>;

/// A value and the rest of its Taylor series along a path.
#[derive(Clone)]
pub(super) struct Taylor {
    pub primal: Array,
    pub terms: Terms,
}

impl Taylor {
    /// One that stays the same along the path.
    pub fn constant(primal: Array, order: usize) -> Taylor {
        Taylor { primal, terms: smallvec![None; order] }
    }

    /// The value of a series and the rest of it.
    pub fn of(primal: Array, series: Series) -> Taylor {
        Taylor { primal, terms: series.into_iter().skip(1).collect() }
    }

    /// Are all its derivatives zero?
    pub fn is_constant(&self) -> bool {
        self.terms.iter().all(Option::is_none)
    }

    /// The whole series.
    pub fn series(&self) -> Series {
        let primal = std::iter::once(Some(self.primal.clone()));
        primal.chain(self.terms.iter().cloned()).collect()
    }

    /// Its terms as arrays.
    pub fn arrays(&self) -> impl Iterator<Item = Array> + '_ {
        self.terms.iter().map(|x| x.clone().unwrap_or_else(|| lax::zeros_like(&self.primal)))
    }
}

/// Computes results with their derivatives up to an order.
pub(super) struct JetTrace {
    live: LiveTrace,
    parent: TraceRef,
    pub order: usize,
}

impl JetTrace {
    /// A trace in front of the present one.
    pub fn new(order: usize) -> Rc<JetTrace> {
        Rc::new(JetTrace { live: LiveTrace::new(), parent: current_trace(), order })
    }

    fn is_own(&self, x: &Array) -> bool {
        matches!(&x.0, Repr::Tracer(Tracer::Jet(jet)) if jet.trace == self.id())
    }

    fn id(&self) -> TraceId {
        self.live.0
    }

    /// What `x` stands for.
    pub fn unpack(&self, x: &Array) -> Taylor {
        match &x.0 {
            Repr::Tracer(Tracer::Jet(jet)) if jet.trace == self.id() => {
                Taylor { primal: jet.primal.clone(), terms: jet.terms.clone() }
            }
            _ => Taylor::constant(x.clone(), self.order),
        }
    }

    /// The tracer of a value; the primal itself if the derivatives are zero.
    pub fn pack(&self, value: Taylor) -> Array {
        if value.is_constant() {
            return value.primal;
        }
        let Taylor { primal, terms } = value;
        Tracer::Jet(Arc::new(JetValue { trace: self.id(), aval: primal.aval(), primal, terms })).into()
    }

    /// Runs `f` under the trace that this one is in front of.
    pub fn outside<T>(&self, f: impl FnOnce() -> T) -> T {
        with_trace(self.parent.clone(), f)
    }

    /// Runs `f` on values, with this as the current trace.
    pub fn run<T>(
        self: &Rc<Self>,
        args: &[Taylor],
        f: impl FnOnce(&[Array]) -> Result<(Vec<Array>, T)>,
    ) -> Result<(Vec<Taylor>, T)> {
        let args: Vec<Array> = args.iter().map(|x| self.pack(x.clone())).collect();
        let trace: Rc<dyn Trace> = self.clone();
        let (outs, extra) = with_trace(Some(trace), || catch(|| f(&args)))?;
        Ok((outs.iter().map(|x| self.unpack(x)).collect(), extra))
    }
}

impl Trace for JetTrace {
    fn process(self: Rc<Self>, prim: &Prim, args: &[&Array], loc: Loc) -> Result<Arrays> {
        with_trace(self.parent.clone(), || {
            if !args.iter().any(|x| self.is_own(x)) {
                return bind_at(prim, args, loc);
            }
            let args: SmallVec<[Taylor; 2]> = small(args.iter().map(|x| self.unpack(x)));
            let outs = with_location(loc, || rules::apply(&self, prim, &args, loc))?;
            Ok(small(outs.into_iter().map(|out| self.pack(out))))
        })
    }

    /// The function is entered, as in JAX: its rule says how a first derivative is found. What cannot be derived otherwise goes by
    /// the rule.
    fn process_custom(
        self: Rc<Self>,
        call: &Arc<dyn CustomCall>,
        args: &[Array],
    ) -> Option<Result<Vec<Array>>> {
        Some(rules::custom(&self, &**call, args, || call.call(args)))
    }
}

/// Runs `f` on values with derivatives up to `order`.
pub(super) fn jet_flat<T>(
    order: usize,
    args: &[Taylor],
    f: impl FnOnce(&[Array]) -> Result<(Vec<Array>, T)>,
) -> Result<(Vec<Taylor>, T)> {
    let trace = JetTrace::new(order);
    name_stack::transformed("jet", || trace.run(args, f))
}
