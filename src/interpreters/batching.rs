//! Vectorisation. JAX: `interpreters/batching.py` (`BatchTrace`).

use std::rc::Rc;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::core::array::{Array, Repr};
use crate::core::aval::ShapedArray;
use crate::core::axis::AxisName;
use crate::core::effects::Effects;
use crate::core::eval_jaxpr::eval_jaxpr;
use crate::core::jaxpr::{Jaxpr, Loc, TransformedJaxpr};
use crate::core::leaks;
use crate::core::name_stack;
use crate::core::primitive::{Arrays, BatchDim, MappedAxis, Prim};
use crate::core::trace::{
    BatchedValue, CustomCall, LiveTrace, Trace, TraceId, TraceRef, Tracer, bind_at, bind_custom, caller,
    current_trace, is_live, with_axis, with_location, with_trace,
};
use crate::error::{Error, Result, catch};
use crate::interpreters::custom_call::BatchedCall;
use crate::interpreters::partial_eval::{convert_constvars, trace_to_jaxpr_with};
pub(crate) use crate::lax::move_batch_axis;

/// The axis of a `vmap`, for functions that are called later. JAX: `AxisData`, and the tag of the trace.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct VmapAxis {
    pub axis: MappedAxis,
    /// The trace whose tracers carry the axis, while it runs: such functions capture them.
    trace: Option<TraceId>,
}

impl From<MappedAxis> for VmapAxis {
    fn from(axis: MappedAxis) -> Self {
        VmapAxis { axis, trace: None }
    }
}

/// Carries one mapped axis through every operation.
struct BatchTrace {
    id: TraceId,
    parent: TraceRef,
    axis: MappedAxis,
}

fn unpack(id: TraceId, x: &Array) -> (Array, BatchDim) {
    if let Repr::Tracer(Tracer::Batched(batched)) = &x.0
        && batched.trace == id
    {
        return (batched.value.clone(), Some(batched.axis));
    }
    (x.clone(), None)
}

fn batched(id: TraceId, value: Array, dim: BatchDim) -> Array {
    match dim {
        None => value,
        Some(axis) => {
            let aval = value.aval().without_axes(&[axis]);
            Tracer::Batched(Arc::new(BatchedValue { trace: id, aval, value, axis })).into()
        }
    }
}

impl Trace for BatchTrace {
    fn process(self: Rc<Self>, prim: &Prim, args: &[&Array], loc: Loc) -> Result<Arrays> {
        let id = self.id;
        let (values, dims): (Arrays, SmallVec<[BatchDim; 2]>) = args.iter().map(|x| unpack(id, x)).unzip();
        let named = self.axis.name.filter(|name| prim.axis_names().contains(name));
        with_trace(self.parent.clone(), || {
            let written = || !prim.effects().and(Effects::WRITES).is_empty();
            if named.is_none() && dims.iter().all(Option::is_none) && !written() {
                let refs: SmallVec<[&Array; 4]> = values.iter().collect();
                return bind_at(prim, &refs, loc);
            }
            let axis = MappedAxis { name: named, ..self.axis };
            let rule = || prim.batch(&axis, &values, &dims);
            let (outs, out_dims) =
                with_location(loc, || catch(rule)).map_err(|e| per_example(prim, args, e))?;
            let outs: Arrays = outs.into_iter().zip(out_dims).map(|(x, dim)| batched(id, x, dim)).collect();
            leaks::watch(id, &outs, loc);
            Ok(outs)
        })
    }

    fn process_custom(
        self: Rc<Self>,
        call: &Arc<dyn CustomCall>,
        args: &[Array],
    ) -> Option<Result<Vec<Array>>> {
        let id = self.id;
        let (values, dims): (Vec<Array>, Vec<BatchDim>) = args.iter().map(|x| unpack(id, x)).unzip();
        Some(with_trace(self.parent.clone(), || {
            let may_capture = call.may_capture();
            if self.axis.name.is_none() && !may_capture && dims.iter().all(Option::is_none) {
                return bind_custom(call, &values);
            }
            // Without captures a call is the same in any trace.
            let axis = VmapAxis { axis: self.axis, trace: may_capture.then_some(id) };
            let over = BatchedCall::over(call.clone(), axis, dims);
            let bound: Arc<dyn CustomCall> = over.clone();
            let outs = bind_custom(&bound, &values)?;
            let outs = outs.into_iter().zip(over.mapped_out()?);
            Ok(outs.map(|(x, mapped)| batched(id, x, mapped.then_some(0))).collect())
        }))
    }
}

/// The error of one example, without the mapped axis in its shapes, if there is one.
#[cold]
fn per_example(prim: &Prim, args: &[&Array], error: Error) -> Error {
    let avals: SmallVec<[ShapedArray; 4]> = args.iter().map(|x| x.aval()).collect();
    match prim.abstract_eval(&avals) {
        Err(own) => match error.location() {
            Some(at) => own.at(at),
            None => own,
        },
        Ok(_) => error,
    }
}

/// Runs `f` with an extra axis that argument `i` carries at `dims[i]`; gives where the results carry it.
pub(crate) fn batch<T>(
    f: impl FnOnce(&[Array]) -> Result<(Vec<Array>, T)>,
    args: &[Array],
    dims: &[BatchDim],
    axis_name: Option<AxisName>,
    axis_size: usize,
) -> Result<(Vec<Array>, Vec<BatchDim>, T)> {
    batch_over(MappedAxis { name: axis_name, size: axis_size, spmd_name: None }.into(), f, args, dims)
}

/// [`batch`] over an axis that tracers may carry already: those that `f` captured are mapped too. JAX: `batch_subtrace`.
pub(crate) fn batch_over<T>(
    VmapAxis { axis, trace }: VmapAxis,
    f: impl FnOnce(&[Array]) -> Result<(Vec<Array>, T)>,
    args: &[Array],
    dims: &[BatchDim],
) -> Result<(Vec<Array>, Vec<BatchDim>, T)> {
    let (id, live) = match trace.filter(|id| is_live(*id)) {
        Some(id) => (id, None),
        None => {
            let live = LiveTrace::new();
            (live.0, Some(live))
        }
    };
    let trace = Rc::new(BatchTrace { id, parent: current_trace(), axis });
    let args: Vec<Array> = args.iter().zip(dims).map(|(x, dim)| batched(id, x.clone(), *dim)).collect();
    leaks::watch(id, &args, caller());
    let run = || with_trace(Some(trace), || with_axis(axis.name, axis.size, || catch(|| f(&args))));
    let (outs, extra) = name_stack::transformed("vmap", run)?;
    let (values, dims) = outs.iter().map(|x| unpack(id, x)).unzip();
    drop((outs, args));
    if live.is_some() {
        leaks::check(id)?;
    }
    Ok((values, dims, extra))
}

/// A batched jaxpr, with all mapped axes in front.
pub(crate) struct BatchedJaxpr {
    /// Parameters: `consts`, then as the original.
    pub jaxpr: Arc<Jaxpr>,
    pub consts: Vec<Array>,
    /// Which results are mapped.
    pub mapped_out: Vec<bool>,
}

impl TransformedJaxpr for BatchedJaxpr {
    fn consts(&self) -> &[Array] {
        &self.consts
    }
}

/// Batches a jaxpr without constants: parameters marked in `mapped` carry the axis in front, and so do the mapped
/// results; those marked in `force_out` are mapped in any case. Made once for each pattern. Binds a named axis if it has a name.
pub(crate) fn batch_jaxpr(
    jaxpr: &Jaxpr,
    axis: &MappedAxis,
    mapped: &[bool],
    force_out: &[bool],
) -> Result<Arc<BatchedJaxpr>> {
    let axis_size = axis.size;
    let name_key = axis.name.map_or(0, AxisName::id);
    let spmd_key = axis.spmd_name.map_or(0, |names| std::ptr::from_ref(names).addr());
    let which = mapped.iter().chain(force_out).map(|b| usize::from(*b));
    let key = [axis_size, name_key, spmd_key].into_iter().chain(which);
    jaxpr.memo("batch", key, || {
        let avals: Vec<_> = jaxpr
            .in_avals()
            .into_iter()
            .zip(mapped)
            .map(|(a, mapped)| if *mapped { a.with_axis(0, axis_size) } else { a })
            .collect();
        let dims: Vec<BatchDim> = mapped.iter().map(|m| m.then_some(0)).collect();
        let (closed, mapped_out) = trace_to_jaxpr_with(&avals, |args| {
            let (outs, dims, ()) =
                batch_over((*axis).into(), |args| Ok((eval_jaxpr(jaxpr, &[], args)?, ())), args, &dims)?;
            let mut mapped_out = Vec::new();
            let outs = outs.iter().zip(dims).zip(force_out).map(|((x, dim), force)| {
                mapped_out.push(*force || dim.is_some());
                if *force || dim.is_some() { move_batch_axis(x, dim, 0, axis_size) } else { x.clone() }
            });
            let outs = outs.collect();
            Ok((outs, mapped_out))
        })?;
        let (jaxpr, consts) = convert_constvars(closed);
        Ok(BatchedJaxpr { jaxpr, consts, mapped_out })
    })
}
