//! Linearisation: runs a function and records its derivative as a linear jaxpr. JAX: `ad.LinearizeTrace`.
//!
//! Operations on primal values go to the parent trace; those on tangents are recorded. What a recorded operation needs
//! of the primal values is captured: these are the residuals, forwarded without a copy.

use std::rc::Rc;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::core::array::{Array, Identity, Repr};
use crate::core::eval_jaxpr::eval_jaxpr;
use crate::core::jaxpr::{ClosedJaxpr, Jaxpr, Loc, TransformedJaxpr, Var};
use crate::core::leaks;
use crate::core::name_stack;
use crate::core::primitive::{Arrays, Linearized, Prim, Tangent};
use crate::core::remap::Remap;
use crate::core::trace::{
    CustomCall, LiveTrace, Trace, TraceRef, Tracer, bind_at, bind_custom, caller, current_trace,
    with_location, with_trace,
};
use crate::error::{Result, bail, catch};
use crate::interpreters::custom_call::linearize_forward;
use crate::interpreters::discharge::discharge_linear;
use crate::interpreters::jvp::{dual, duals, instantiate, is_dual, makes_ref, unpack, unpack_all};
use crate::interpreters::partial_eval::{JaxprTrace, convert_constvars, trace_to_jaxpr_with};
use crate::lax;

/// The tangent side: records what depends on a tangent, and passes the rest to the parent.
struct TangentTrace {
    jaxpr: Rc<JaxprTrace>,
    parent: TraceRef,
}

impl TangentTrace {
    fn is_tangent(&self, x: &Array) -> bool {
        let id = self.jaxpr.live.0;
        matches!(&x.0, Repr::Tracer(t @ (Tracer::Var { .. } | Tracer::Watched(_))) if t.trace() == id)
    }

    /// An equation that holds a jaxpr and mixes both sides, as the jvp of a nested `jit` does in a custom rule: some results
    /// may depend on no tangent, and must not be recorded. The others are linear in the tangents, so that their derivative
    /// at 0 is what they are.
    fn split(self: Rc<Self>, prim: &Prim, args: &[&Array], loc: Loc) -> Result<Arrays> {
        let tangents: Vec<Tangent> = args.iter().map(|x| self.is_tangent(x).then(|| (*x).clone())).collect();
        let nonzero: Vec<bool> = tangents.iter().map(Option::is_some).collect();
        let linearize = || {
            let at_zero = args.iter().zip(&nonzero);
            let at_zero =
                at_zero.map(|(x, nz)| if *nz { lax::zeros_like_aval(&x.aval()) } else { (*x).clone() });
            with_location(loc, || prim.linearize(&at_zero.collect::<Vec<Array>>(), &nonzero))
        };
        match with_trace(self.parent.clone(), linearize)? {
            Some(split) => {
                let outs = record_linear(&self.jaxpr, split, &tangents, loc)?;
                Ok(outs.map(|(x, dx)| dx.unwrap_or(x)).collect())
            }
            None => self.jaxpr.record(prim, args, loc),
        }
    }
}

/// The results of a split equation, with its linear part recorded.
fn record_linear(
    jaxpr: &JaxprTrace,
    split: Linearized,
    tangents: &[Tangent],
    loc: Loc,
) -> Result<impl Iterator<Item = (Array, Tangent)>> {
    let mut inputs: SmallVec<[&Array; 4]> = split.residuals.iter().collect();
    inputs.extend(tangents.iter().flatten());
    if let Some(order) = &split.order {
        inputs = order.iter().map(|i| inputs[*i]).collect();
    }
    let mut linear = jaxpr.record(&split.linear, &inputs, loc)?.into_iter();
    let outs = split.primals_out.into_iter().zip(split.nonzero_out);
    Ok(outs.map(move |(x, nz)| (x, if nz { linear.next() } else { None })))
}

impl Trace for TangentTrace {
    fn process(self: Rc<Self>, prim: &Prim, args: &[&Array], loc: Loc) -> Result<Arrays> {
        if !args.iter().any(|x| self.is_tangent(x)) {
            return with_trace(self.parent.clone(), || bind_at(prim, args, loc));
        }
        if prim.sub_jaxprs().is_empty() {
            return self.jaxpr.record(prim, args, loc);
        }
        self.split(prim, args, loc)
    }

    fn process_custom(
        self: Rc<Self>,
        call: &Arc<dyn CustomCall>,
        args: &[Array],
    ) -> Option<Result<Vec<Array>>> {
        if args.iter().any(|x| self.is_tangent(x)) {
            return None;
        }
        Some(with_trace(self.parent.clone(), || bind_custom(call, args)))
    }
}

/// Computes results under the parent trace and records tangents.
struct LinearizeTrace {
    live: LiveTrace,
    parent: TraceRef,
    tangent: Rc<TangentTrace>,
}

impl Trace for LinearizeTrace {
    fn process(self: Rc<Self>, prim: &Prim, args: &[&Array], loc: Loc) -> Result<Arrays> {
        let id = self.live.0;
        if !args.iter().any(|x| is_dual(id, x)) {
            if makes_ref(prim, args) {
                return self.linearize_ref(prim, args, loc);
            }
            return with_trace(self.parent.clone(), || bind_at(prim, args, loc));
        }
        let (primals, tangents) = unpack_all(id, args);
        if !prim.sub_jaxprs().is_empty() {
            let nonzero: Vec<bool> = tangents.iter().map(Option::is_some).collect();
            let linearize = || with_location(loc, || prim.linearize(&primals, &nonzero));
            if let Some(split) = with_trace(self.parent.clone(), linearize)? {
                return self.record_linear(split, &tangents, loc);
            }
        }
        let (outs, out_tangents) =
            with_trace(Some(self.tangent.clone()), || with_location(loc, || prim.jvp(&primals, &tangents)))?;
        let outs = duals(id, outs, out_tangents);
        leaks::watch(id, &outs, loc);
        Ok(outs)
    }

    fn process_custom(
        self: Rc<Self>,
        call: &Arc<dyn CustomCall>,
        args: &[Array],
    ) -> Option<Result<Vec<Array>>> {
        let id = self.live.0;
        let (primals, tangents): (Vec<Array>, Vec<Tangent>) = args.iter().map(|x| unpack(id, x)).unzip();
        if tangents.iter().all(Option::is_none) {
            return Some(with_trace(self.parent.clone(), || bind_custom(call, &primals)));
        }
        let perturbed: Vec<bool> = tangents.iter().map(Option::is_some).collect();
        if let Some(forward) = with_trace(self.parent.clone(), || call.fwd(&primals, &perturbed)) {
            return Some(forward.and_then(|forward| {
                let split = linearize_forward(call.as_ref(), forward, &primals, &tangents);
                self.record_linear(split, &tangents, caller())
            }));
        }
        Some(with_trace(Some(self.tangent.clone()), || {
            let (outs, out_tangents) = call.jvp(&primals, &tangents)?;
            Ok(outs.into_iter().zip(out_tangents).map(|(x, dx)| dual(id, x, dx)).collect())
        }))
    }
}

impl LinearizeTrace {
    /// A reference that is made of what has no tangent has one itself, of zeros: something else may be written to it.
    #[cold]
    fn linearize_ref(&self, prim: &Prim, args: &[&Array], loc: Loc) -> Result<Arrays> {
        let primals: Vec<Array> = args.iter().map(|x| (*x).clone()).collect();
        let linearize = || with_location(loc, || prim.linearize(&primals, &vec![false; primals.len()]));
        match with_trace(self.parent.clone(), linearize)? {
            Some(split) => self.record_linear(split, &vec![None; primals.len()], loc),
            None => bail!(Internal, "{}: no linearisation of a reference", prim.name()),
        }
    }

    fn record_linear<C: FromIterator<Array>>(
        &self,
        split: Linearized,
        tangents: &[Tangent],
        loc: Loc,
    ) -> Result<C> {
        let id = self.live.0;
        let outs = record_linear(&self.tangent.jaxpr, split, tangents, loc)?;
        let watched = outs.map(|(x, dx)| {
            let x = dual(id, x, dx);
            leaks::watch(id, std::slice::from_ref(&x), loc);
            x
        });
        Ok(watched.collect())
    }
}

/// A linearised function: its results, and its derivative as a linear jaxpr.
pub(crate) struct Linear {
    pub primals_out: Vec<Array>,
    /// From the tangents marked nonzero to the nonzero tangents of the results; its constants are the residuals.
    pub jaxpr: ClosedJaxpr,
    /// Which results have a nonzero tangent.
    pub nonzero_out: Vec<bool>,
}

/// Runs `f` on `primals` and linearises it in those marked in `nonzero`.
pub(crate) fn linearize<T>(
    f: impl FnOnce(&[Array]) -> Result<(Vec<Array>, T)>,
    primals: &[Array],
    nonzero: &[bool],
) -> Result<(Linear, T)> {
    let parent = current_trace();
    let tangent = Rc::new(TangentTrace { jaxpr: JaxprTrace::new(), parent: parent.clone() });
    let live = LiveTrace::new();
    let id = live.0;
    let trace = Rc::new(LinearizeTrace { live, parent, tangent: tangent.clone() });
    let args: Vec<Array> = primals
        .iter()
        .zip(nonzero)
        .map(|(x, nz)| {
            let tangent = nz.then(|| tangent.jaxpr.new_arg(x.aval()));
            dual(id, x.clone(), tangent)
        })
        .collect();
    leaks::watch(id, &args, caller());
    let ids = [id, tangent.jaxpr.live.0];
    let run = || with_trace(Some(trace.clone()), || catch(|| f(&args)));
    let (outs, extra) = name_stack::transformed("jvp", run)?;
    let (primals_out, tangents): (Vec<Array>, Vec<Tangent>) = outs.iter().map(|x| unpack(id, x)).unzip();
    drop((outs, args));
    let nonzero_out = tangents.iter().map(Option::is_some).collect();
    let tangents: Vec<Array> = tangents.into_iter().flatten().collect();
    let jaxpr = without_refs(tangent.jaxpr.finish(&tangents)?)?;
    drop(tangents);
    ids.into_iter().try_for_each(leaks::check)?;
    Ok((Linear { primals_out, jaxpr, nonzero_out }, extra))
}

/// A linear jaxpr without the references that it makes, so that it can be transposed. One that is given references stays as it is: whoever
/// made them discharges it.
fn without_refs(closed: ClosedJaxpr) -> Result<ClosedJaxpr> {
    let jaxpr = &closed.jaxpr;
    let is_ref = |v: &Var| jaxpr.aval(*v).is_ref();
    if !jaxpr.has_refs() || jaxpr.constvars.iter().chain(&jaxpr.invars).any(is_ref) {
        return Ok(closed);
    }
    let (jaxpr, consts) = convert_constvars(closed);
    let made = discharge_linear(&jaxpr)?;
    let consts: Vec<Array> = made.consts.iter().chain(&consts).cloned().collect();
    let Jaxpr { invars, outvars, eqns, avals, .. } = &*made.jaxpr;
    let (constvars, invars) = invars.split_at(consts.len());
    let jaxpr = Jaxpr::new(constvars.to_vec(), invars.to_vec(), outvars.clone(), eqns.clone(), avals.clone());
    Ok(ClosedJaxpr { jaxpr: jaxpr.into(), consts })
}

/// Where a residual of a split jaxpr is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResidualSource {
    /// It is this argument.
    Argument(usize),
    /// It is this result of the original.
    Result(usize),
    /// It is this one of the results that were added.
    Computed(usize),
}

impl ResidualSource {
    /// The residual, given the arguments, the original's results and the added ones.
    pub(crate) fn pick<'a>(
        self,
        args: &'a [Array],
        results: &'a [Array],
        computed: &'a [Array],
    ) -> &'a Array {
        match self {
            ResidualSource::Argument(i) => &args[i],
            ResidualSource::Result(i) => &results[i],
            ResidualSource::Computed(i) => &computed[i],
        }
    }
}

/// A jaxpr split for linearisation; see [`linearize_jaxpr`].
pub(crate) struct LinearizedJaxpr {
    /// Parameters: `consts`, then as the original; results: the original's, then the residuals that are neither a parameter nor a
    /// result already.
    pub primal: Arc<Jaxpr>,
    /// Parameters: the residuals, then the tangents marked nonzero; results: the nonzero tangents.
    pub tangent: Arc<Jaxpr>,
    /// For `primal`; what `tangent` needs is among the residuals.
    pub consts: Vec<Array>,
    pub residual_sources: Vec<ResidualSource>,
    pub nonzero_out: Vec<bool>,
}

impl TransformedJaxpr for LinearizedJaxpr {
    fn consts(&self) -> &[Array] {
        &self.consts
    }
}

/// Splits a jaxpr without constants in a primal and a linear part; made once for each pattern.
///
/// Results marked in `instantiate_out` get a tangent even if it is zero.
pub(crate) fn linearize_jaxpr(
    jaxpr: &Jaxpr,
    nonzero: &[bool],
    instantiate_out: &[bool],
) -> Result<Arc<LinearizedJaxpr>> {
    let key = nonzero.iter().chain(instantiate_out).map(|b| usize::from(*b));
    jaxpr.memo("linearize", key, || {
        let (primal, (tangent, residual_sources, nonzero_out)) =
            trace_to_jaxpr_with(&jaxpr.in_avals(), |args| {
                let (linear, ()) = linearize(|args| Ok((eval_jaxpr(jaxpr, &[], args)?, ())), args, nonzero)?;
                let linear = instantiate_tangents(linear, instantiate_out)?;
                let (tangent, residuals) = convert_constvars(linear.jaxpr);
                let mut outs = linear.primals_out;
                let n = outs.len();
                let known: Remap<Identity> = args.iter().chain(&outs).map(Array::identity).collect();
                let mut sources = Vec::with_capacity(residuals.len());
                for residual in residuals {
                    sources.push(match known.get(&residual.identity()) {
                        Some(i) if i < args.len() => ResidualSource::Argument(i),
                        Some(i) => ResidualSource::Result(i - args.len()),
                        None => {
                            outs.push(residual);
                            ResidualSource::Computed(outs.len() - n - 1)
                        }
                    });
                }
                Ok((outs, (tangent, sources, linear.nonzero_out)))
            })?;
        let (primal, consts) = convert_constvars(primal);
        Ok(LinearizedJaxpr { primal, tangent, consts, residual_sources, nonzero_out })
    })
}

/// The same with a zero tangent for each result that `force` marks and that has none.
fn instantiate_tangents(linear: Linear, force: &[bool]) -> Result<Linear> {
    if linear.nonzero_out.iter().zip(force).all(|(nz, force)| *nz || !*force) {
        return Ok(linear);
    }
    let trace = JaxprTrace::new();
    let args: Vec<Array> = linear.jaxpr.jaxpr.in_avals().into_iter().map(|a| trace.new_arg(a)).collect();
    let outs = with_trace(Some(trace.clone()), || -> Result<Vec<Array>> {
        let mut tangents = eval_jaxpr(&linear.jaxpr.jaxpr, &linear.jaxpr.consts, &args)?.into_iter();
        let mut outs = Vec::new();
        for ((x, nz), force) in linear.primals_out.iter().zip(&linear.nonzero_out).zip(force) {
            if *nz {
                outs.extend(tangents.next());
            } else if *force {
                outs.push(instantiate(None, x));
            }
        }
        Ok(outs)
    })?;
    let jaxpr = trace.finish(&outs)?;
    let nonzero_out = linear.nonzero_out.iter().zip(force).map(|(nz, force)| *nz || *force).collect();
    Ok(Linear { primals_out: linear.primals_out, jaxpr, nonzero_out })
}
