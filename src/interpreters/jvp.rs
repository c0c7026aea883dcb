//! Forward mode. JAX: `interpreters/ad.py` (`JVPTrace`).

use std::rc::Rc;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::core::array::{Array, Repr};
use crate::core::effects::Effect;
use crate::core::eval_jaxpr::eval_jaxpr;
use crate::core::jaxpr::{ClosedJaxpr, Jaxpr, Loc, TransformedJaxpr};
use crate::core::leaks;
use crate::core::name_stack;
use crate::core::primitive::{Arrays, Prim, Tangent};
use crate::core::small::small;
use crate::core::trace::{
    CustomCall, Dual, LiveTrace, Trace, TraceId, TraceRef, Tracer, bind_at, bind_custom, caller,
    current_trace, with_location, with_trace,
};
use crate::error::{Result, catch};
use crate::interpreters::partial_eval::{convert_constvars, trace_to_jaxpr};
use crate::lax;

/// Computes results and tangents side by side.
pub(crate) struct JvpTrace {
    live: LiveTrace,
    parent: TraceRef,
}

/// The primal value and tangent of `x` under the trace `id`.
pub(crate) fn unpack(id: TraceId, x: &Array) -> (Array, Tangent) {
    if let Repr::Tracer(Tracer::Dual(dual)) = &x.0
        && dual.trace == id
    {
        return (dual.primal.clone(), Some(dual.tangent.clone()));
    }
    (x.clone(), None)
}

/// Is `x` a value with a tangent under the trace `id`?
#[inline]
pub(crate) fn is_dual(id: TraceId, x: &Array) -> bool {
    matches!(&x.0, Repr::Tracer(Tracer::Dual(dual)) if dual.trace == id)
}

/// Does it make a reference, which has a tangent in any case? What is written to it later may have one.
pub(crate) fn makes_ref(prim: &Prim, args: &[&Array]) -> bool {
    prim.effects().contains(Effect::NewRef) && args.first().is_none_or(|x| x.dtype().is_inexact())
}

/// [`unpack`] of each.
pub(crate) fn unpack_all(id: TraceId, args: &[&Array]) -> (Arrays, SmallVec<[Tangent; 2]>) {
    let (mut primals, mut tangents) = (Arrays::new(), SmallVec::new());
    for x in args {
        let (primal, tangent) = unpack(id, x);
        primals.push(primal);
        tangents.push(tangent);
    }
    (primals, tangents)
}

/// The tracer that pairs `primal` with `tangent`; the primal itself if the tangent is a symbolic zero.
pub(crate) fn dual(id: TraceId, primal: Array, tangent: Tangent) -> Array {
    match tangent {
        None => primal,
        Some(tangent) => {
            Tracer::Dual(Arc::new(Dual { trace: id, aval: primal.aval(), primal, tangent })).into()
        }
    }
}

/// [`dual`] of each.
pub(crate) fn duals(id: TraceId, mut primals: Arrays, mut tangents: SmallVec<[Tangent; 2]>) -> Arrays {
    small(primals.iter_mut().zip(&mut tangents).map(|(x, dx)| dual(id, x.take(), dx.take())))
}

impl Trace for JvpTrace {
    fn process(self: Rc<Self>, prim: &Prim, args: &[&Array], loc: Loc) -> Result<Arrays> {
        let id = self.live.0;
        with_trace(self.parent.clone(), || {
            if !args.iter().any(|x| is_dual(id, x)) && !makes_ref(prim, args) {
                return bind_at(prim, args, loc);
            }
            let (primals, tangents) = unpack_all(id, args);
            let (outs, out_tangents) = with_location(loc, || prim.jvp(&primals, &tangents))?;
            let outs = duals(id, outs, out_tangents);
            leaks::watch(id, &outs, loc);
            Ok(outs)
        })
    }

    fn process_custom(
        self: Rc<Self>,
        call: &Arc<dyn CustomCall>,
        args: &[Array],
    ) -> Option<Result<Vec<Array>>> {
        let id = self.live.0;
        let (primals, tangents): (Vec<Array>, Vec<Tangent>) = args.iter().map(|x| unpack(id, x)).unzip();
        Some(with_trace(self.parent.clone(), || {
            if tangents.iter().all(Option::is_none) {
                return bind_custom(call, &primals);
            }
            let (outs, out_tangents) = call.jvp(&primals, &tangents)?;
            Ok(outs.into_iter().zip(out_tangents).map(|(x, dx)| dual(id, x, dx)).collect())
        }))
    }
}

/// Runs `f` on `primals`, and pushes `tangents` forward through it.
pub(crate) fn jvp(
    f: impl FnOnce(&[Array]) -> Result<Vec<Array>>,
    primals: &[Array],
    tangents: &[Tangent],
) -> Result<(Vec<Array>, Vec<Tangent>)> {
    let live = LiveTrace::new();
    let id = live.0;
    let trace = Rc::new(JvpTrace { live, parent: current_trace() });
    let args: Vec<Array> =
        primals.iter().zip(tangents).map(|(x, dx)| dual(id, x.clone(), dx.clone())).collect();
    leaks::watch(id, &args, caller());
    let run = || with_trace(Some(trace.clone()), || catch(|| f(&args)));
    let outs = name_stack::transformed("jvp", run)?;
    let found = outs.iter().map(|x| unpack(id, x)).unzip();
    drop((outs, args));
    leaks::check(id)?;
    Ok(found)
}

/// A tangent as an array: a symbolic zero is materialised.
pub(crate) fn instantiate(tangent: Tangent, primal: &Array) -> Array {
    tangent.unwrap_or_else(|| lax::zeros_like(primal))
}

/// The jaxpr of a jaxpr's jvp, and which of its results have a nonzero tangent.
///
/// Parameters: `consts`, all primals, then the tangents marked in `nonzero`. Results: all primals, then the nonzero tangents;
/// those marked in `instantiate` count as nonzero.
pub(crate) struct JvpJaxpr {
    pub jaxpr: Arc<Jaxpr>,
    pub consts: Vec<Array>,
    pub nonzero_out: Vec<bool>,
}

impl TransformedJaxpr for JvpJaxpr {
    fn consts(&self) -> &[Array] {
        &self.consts
    }
}

/// [`JvpJaxpr`] of a jaxpr without constants; made once for each pattern.
pub(crate) fn jvp_jaxpr(jaxpr: &Jaxpr, nonzero: &[bool], instantiate_out: &[bool]) -> Result<Arc<JvpJaxpr>> {
    let key = nonzero.iter().chain(instantiate_out).map(|b| usize::from(*b));
    jaxpr.memo("jvp", key, || {
        let mut avals = jaxpr.in_avals();
        let tangents: Vec<_> = avals.iter().zip(nonzero).filter(|(_, nz)| **nz).map(|(a, _)| *a).collect();
        let n = avals.len();
        avals.extend(tangents);
        let mut nonzero_out = Vec::new();
        let closed: ClosedJaxpr = trace_to_jaxpr(&avals, |args| {
            let mut rest = args[n..].iter();
            let tangents: Vec<Tangent> =
                nonzero.iter().map(|nz| if *nz { rest.next().cloned() } else { None }).collect();
            let (mut outs, out_tangents) = jvp(|args| eval_jaxpr(jaxpr, &[], args), &args[..n], &tangents)?;
            let mut extra = Vec::new();
            for ((out, dx), force) in outs.iter().zip(out_tangents).zip(instantiate_out) {
                nonzero_out.push(*force || dx.is_some());
                if *force || dx.is_some() {
                    extra.push(instantiate(dx, out));
                }
            }
            outs.extend(extra);
            Ok(outs)
        })?;
        let (jaxpr, consts) = convert_constvars(closed);
        Ok(JvpJaxpr { jaxpr, consts, nonzero_out })
    })
}
