//! Functions with custom derivatives as equations. JAX: `custom_jvp_call_p`, `custom_vjp_call_p`, `custom_lin_p`.
//!
//! Traces that interpret (evaluation, `jvp`, `linearize`, `vmap`) apply a [`CustomCall`] directly. Only a trace that
//! records makes an equation of it, which holds the traced function and, for later transformations, the call itself.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

use smallvec::SmallVec;

use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::eval_jaxpr::eval_jaxpr;
use crate::core::jaxpr::Jaxpr;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    Arrays, BatchDim, Batched, Ct, Discharged, Jvp, LinearInput, Linearized, LoweredValues, MappedAxis,
    Param, Prim, Primitive, RefUpdate, Tangent, Transposed,
};
use crate::core::trace::{CustomBackward, CustomCall, CustomForward, bind, without_location};
use crate::error::{Result, bail};
use crate::interpreters::batching::{VmapAxis, batch_jaxpr, batch_over, move_batch_axis};
use crate::interpreters::discharge::{discharge_jaxpr, eval_discharged};
use crate::interpreters::partial_eval::{convert_constvars, trace_to_jaxpr};
use crate::lax;
use crate::mlir::Value;

/// JAX's words for forward mode through a reverse-mode rule.
pub(crate) const NO_FORWARD_MODE: &str =
    "can't apply forward-mode differentiation (jvp) to a custom_vjp function";

/// Traces the function and binds the equation. What it captures becomes leading operands, of which the rules know
/// nothing.
pub(crate) fn record(call: Arc<dyn CustomCall>, args: &[Array]) -> Result<Vec<Array>> {
    let avals: Vec<ShapedArray> = args.iter().map(Array::aval).collect();
    let closed = trace_to_jaxpr(&avals, |args| call.call(args))?;
    let (call_jaxpr, consts) = convert_constvars(closed);
    let prim = CustomDerivativeCall { call_jaxpr, num_consts: consts.len(), call };
    let args: SmallVec<[&Array; 8]> = consts.iter().chain(args).collect();
    Ok(bind(prim, &args)?.into_vec())
}

/// The application of a function with a custom derivative.
#[derive(Clone)]
pub(crate) struct CustomDerivativeCall {
    pub call_jaxpr: Arc<Jaxpr>,
    pub num_consts: usize,
    pub call: Arc<dyn CustomCall>,
}

impl PartialEq for CustomDerivativeCall {
    fn eq(&self, other: &Self) -> bool {
        self.num_consts == other.num_consts
            && self.call_jaxpr == other.call_jaxpr
            && (Arc::ptr_eq(&self.call, &other.call) || self.call.same(&*other.call))
    }
}
impl Eq for CustomDerivativeCall {}

impl Hash for CustomDerivativeCall {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.call_jaxpr, self.num_consts).hash(state);
    }
}

impl fmt::Debug for CustomDerivativeCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.call.primitive_name(), self.call.function_name())
    }
}

impl Primitive for CustomDerivativeCall {
    fn name(&self) -> &'static str {
        self.call.primitive_name()
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        let mut params = vec![
            ("name", Param::Text(self.call.function_name().into_owned())),
            ("call_jaxpr", Param::Jaxpr(self.call_jaxpr.clone())),
            ("symbolic_zeros", Param::from(false)),
        ];
        if let Some([fwd, bwd]) = self.call.reverse_rules() {
            params.insert(2, ("fwd", Param::Text(fwd)));
            params.insert(1, ("bwd", Param::Text(bwd)));
        }
        params
    }
    fn sub_jaxprs(&self) -> Vec<&Arc<Jaxpr>> {
        vec![&self.call_jaxpr]
    }
    fn abstract_eval(&self, _: &[ShapedArray]) -> Result<Avals> {
        Ok(self.call_jaxpr.out_avals().into())
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], _: &[ShapedArray]) -> LoweredValues {
        ctx.inline_jaxpr(&self.call_jaxpr, ins)
    }
    /// the function without its rules, which nobody asks for any more
    fn discharge(&self, args: &[Array]) -> Result<Discharged> {
        let made = discharge_jaxpr(&self.call_jaxpr, &vec![false; args.len()])?;
        let args: Vec<Array> = made.consts.iter().chain(args).cloned().collect();
        let mut outs = eval_jaxpr(&made.jaxpr, &[], &args)?;
        let mut last = outs.split_off(self.call_jaxpr.outvars.len()).into_iter();
        let update = |written: &bool| match written {
            true => last.next().map_or(RefUpdate::Unchanged, RefUpdate::Is),
            false => RefUpdate::Unchanged,
        };
        Ok(Discharged { outs: outs.into(), refs: made.written.iter().map(update).collect() })
    }
    fn eval(&self, args: &[&Array]) -> Option<Result<Arrays>> {
        self.call_jaxpr.has_refs().then(|| eval_discharged(self, args))
    }
    /// the custom rule; what the function captured counts as constant
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        let n = self.num_consts;
        if tangents[n..].iter().all(Option::is_none) {
            let args: SmallVec<[&Array; 8]> = primals.iter().collect();
            let outs = bind(self.clone(), &args)?;
            let zeros = SmallVec::from_elem(None, outs.len());
            return Ok((outs, zeros));
        }
        let (outs, tangents) = self.call.jvp(&primals[n..], &tangents[n..])?;
        Ok((outs.into(), tangents.into()))
    }
    fn linearize(&self, primals: &[Array], nonzero: &[bool]) -> Result<Option<Linearized>> {
        let n = self.num_consts;
        if !nonzero[n..].contains(&true) {
            return Ok(None);
        }
        let Some(forward) = self.call.fwd(&primals[n..], &nonzero[n..]) else { return Ok(None) };
        let primals: Vec<ShapedArray> = primals[n..].iter().map(Array::aval).collect();
        let mut split = linearized(&*self.call, forward?, primals, nonzero[n..].to_vec());
        // Tangents of what the function captured are dropped.
        let dropped = nonzero[..n].iter().filter(|nz| **nz).count();
        if dropped > 0 {
            let residuals = split.residuals.len();
            let tangents = nonzero[n..].iter().filter(|nz| **nz).count();
            let order = (0..residuals).chain(residuals + dropped..residuals + dropped + tangents);
            split.order = Some(order.collect());
        }
        Ok(Some(split))
    }
    fn batch(&self, axis: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let size = axis.size;
        let mapped: Vec<bool> = dims.iter().map(Option::is_some).collect();
        let made = batch_jaxpr(&self.call_jaxpr, axis, &mapped, &vec![false; self.call_jaxpr.outvars.len()])?;
        let front: Vec<BatchDim> = mapped[self.num_consts..].iter().map(|m| m.then_some(0)).collect();
        let prim = CustomDerivativeCall {
            call_jaxpr: made.jaxpr.clone(),
            num_consts: made.consts.len() + self.num_consts,
            call: Arc::new(BatchedCall {
                inner: self.call.clone(),
                axis: VmapAxis::from(*axis),
                dims: front,
                mapped_out: OnceLock::from(made.mapped_out.clone()),
            }),
        };
        let moved = args.iter().zip(dims);
        let moved = moved.map(|(x, d)| if d.is_some() { move_batch_axis(x, *d, 0, size) } else { x.clone() });
        let args: Vec<Array> = made.consts.iter().cloned().chain(moved).collect();
        let args: SmallVec<[&Array; 8]> = args.iter().collect();
        Ok((bind(prim, &args)?, made.mapped_out.iter().map(|m| m.then_some(0)).collect()))
    }
}

/// A call over a mapped axis, which results carry in front if they carry it.
pub(crate) struct BatchedCall {
    inner: Arc<dyn CustomCall>,
    axis: VmapAxis,
    dims: Vec<BatchDim>,
    /// Which results carry the axis: what the function gave, or the rule, whichever ran first. Functions and rules capture what
    /// no argument shows, so that it is not known before.
    mapped_out: OnceLock<Vec<bool>>,
}

impl BatchedCall {
    pub(crate) fn over(inner: Arc<dyn CustomCall>, axis: VmapAxis, dims: Vec<BatchDim>) -> Arc<BatchedCall> {
        Arc::new(BatchedCall { inner, axis, dims, mapped_out: OnceLock::new() })
    }

    /// Which results carry the axis, once the call has run.
    pub(crate) fn mapped_out(&self) -> Result<&[bool]> {
        match self.mapped_out.get() {
            Some(mapped) => Ok(mapped),
            None => bail!(Internal, "a function with a custom derivative was not called"),
        }
    }

    /// The axis in front of those marked in `mapped`.
    fn front(&self, outs: &[Array], dims: &[BatchDim], mapped: &[bool]) -> Result<Vec<Array>> {
        let each = outs.iter().zip(dims).zip(mapped);
        each.map(|((x, dim), mapped)| match (dim, mapped) {
            (None, false) => Ok(x.clone()),
            (_, true) => Ok(move_batch_axis(x, *dim, 0, self.axis.axis.size)),
            (Some(_), false) => bail!(
                Differentiation,
                "the custom derivative of {} is different for each example of a vmap, and its result is not",
                self.function_name()
            ),
        })
        .collect()
    }

    /// Which of results at these positions carry the axis; the first run decides.
    fn decide(&self, dims: &[BatchDim]) -> &[bool] {
        self.mapped_out.get_or_init(|| dims.iter().map(Option::is_some).collect())
    }
}

impl CustomCall for BatchedCall {
    fn call(&self, args: &[Array]) -> Result<Vec<Array>> {
        let (outs, dims, ()) =
            batch_over(self.axis, |args| Ok((self.inner.call(args)?, ())), args, &self.dims)?;
        self.front(&outs, &dims, self.decide(&dims))
    }

    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Result<(Vec<Array>, Vec<Tangent>)> {
        let n = primals.len();
        let args: Vec<Array> = primals.iter().chain(tangents.iter().flatten()).cloned().collect();
        let nonzero = self.dims.iter().zip(tangents).filter(|(_, dx)| dx.is_some()).map(|(d, _)| *d);
        let dims: Vec<BatchDim> = self.dims.iter().copied().chain(nonzero).collect();
        let body = |args: &[Array]| {
            let mut rest = args[n..].iter();
            let tangents: Vec<Tangent> =
                tangents.iter().map(|dx| dx.as_ref().and_then(|_| rest.next().cloned())).collect();
            let (mut outs, out_tangents) = self.inner.jvp(&args[..n], &tangents)?;
            let nonzero: Vec<bool> = out_tangents.iter().map(Option::is_some).collect();
            outs.extend(out_tangents.into_iter().flatten());
            Ok((outs, nonzero))
        };
        let (outs, dims, nonzero) = batch_over(self.axis, body, &args, &dims)?;
        // A result and its tangent carry it together.
        let n = nonzero.len();
        let tangent_of: Vec<usize> = (0..n).filter(|i| nonzero[*i]).collect();
        let mut together = dims[..n].to_vec();
        for (i, dim) in tangent_of.iter().zip(&dims[n..]) {
            together[*i] = together[*i].or(*dim);
        }
        let mapped = self.decide(&together);
        let all: Vec<bool> = mapped.iter().copied().chain(tangent_of.iter().map(|i| mapped[*i])).collect();
        let mut outs = self.front(&outs, &dims, &all)?;
        let mut found = outs.split_off(n).into_iter();
        let tangents = nonzero.iter().map(|nz| if *nz { found.next() } else { None }).collect();
        Ok((outs, tangents))
    }

    fn fwd(&self, primals: &[Array], perturbed: &[bool]) -> Option<Result<CustomForward>> {
        let body = |args: &[Array]| match self.inner.fwd(args, perturbed) {
            None => Ok((Vec::new(), None)),
            Some(forward) => {
                let CustomForward { mut outs, residuals, backward } = forward?;
                let n = outs.len();
                outs.extend(residuals);
                Ok((outs, Some((n, backward))))
            }
        };
        match batch_over(self.axis, body, primals, &self.dims) {
            Err(e) => Some(Err(e)),
            Ok((_, _, None)) => None,
            Ok((all, dims, Some((n, inner)))) => {
                let mapped = self.decide(&dims[..n]);
                let backward = Arc::new(BatchedBackward {
                    inner,
                    axis: self.axis,
                    residual_dims: dims[n..].to_vec(),
                    ct_dims: mapped.iter().map(|m| m.then_some(0)).collect(),
                    in_dims: self.dims.clone(),
                });
                let outs = self.front(&all[..n], &dims[..n], mapped);
                Some(outs.map(|outs| CustomForward { outs, residuals: all[n..].to_vec(), backward }))
            }
        }
    }

    fn record(self: Arc<Self>, args: &[Array]) -> Result<Vec<Array>> {
        record(self, args)
    }
    fn primitive_name(&self) -> &'static str {
        self.inner.primitive_name()
    }
    fn function_name(&self) -> Cow<'static, str> {
        self.inner.function_name()
    }
    fn reverse_rules(&self) -> Option<[String; 2]> {
        self.inner.reverse_rules()
    }
    fn may_capture(&self) -> bool {
        self.inner.may_capture()
    }
    fn same(&self, other: &dyn CustomCall) -> bool {
        (other as &dyn Any).downcast_ref::<BatchedCall>().is_some_and(|other| {
            self.axis == other.axis && self.dims == other.dims && self.inner.same(&*other.inner)
        })
    }
}

/// A backward rule over a mapped axis.
struct BatchedBackward {
    inner: Arc<dyn CustomBackward>,
    axis: VmapAxis,
    residual_dims: Vec<BatchDim>,
    /// Where the cotangents of the results carry it.
    ct_dims: Vec<BatchDim>,
    in_dims: Vec<BatchDim>,
}

impl CustomBackward for BatchedBackward {
    /// the cotangent of an argument that is not mapped is the sum over the axis
    fn apply(&self, residuals: &[Array], cts: &[Ct]) -> Result<Vec<Ct>> {
        let n = residuals.len();
        let args: Vec<Array> = residuals.iter().chain(cts.iter().flatten()).cloned().collect();
        let ct_dims = self.ct_dims.iter().zip(cts).filter(|(_, ct)| ct.is_some()).map(|(dim, _)| dim);
        let dims: Vec<BatchDim> = self.residual_dims.iter().chain(ct_dims).copied().collect();
        let body = |args: &[Array]| {
            let mut rest = args[n..].iter();
            let cts: Vec<Ct> = cts.iter().map(|ct| ct.as_ref().and_then(|_| rest.next().cloned())).collect();
            let found = self.inner.apply(&args[..n], &cts)?;
            let nonzero: Vec<bool> = found.iter().map(Option::is_some).collect();
            Ok((found.into_iter().flatten().collect(), nonzero))
        };
        let (outs, dims, nonzero) = batch_over(self.axis, body, &args, &dims)?;
        let mut found = outs.into_iter().zip(dims);
        let cts = nonzero.iter().zip(&self.in_dims).map(|(nz, in_dim)| {
            let (ct, dim) = if *nz { found.next()? } else { return None };
            Some(match (dim, in_dim) {
                (_, Some(to)) => move_batch_axis(&ct, dim, *to, self.axis.axis.size),
                (Some(dim), None) => lax::reduce_sum(&ct, [dim]),
                (None, None) => ct,
            })
        });
        Ok(cts.collect())
    }
}

/// The linearised application of a call with a reverse-mode rule.
pub(crate) fn linearize_forward(
    call: &dyn CustomCall,
    forward: CustomForward,
    primals: &[Array],
    tangents: &[Tangent],
) -> Linearized {
    let nonzero = tangents.iter().map(Option::is_some).collect();
    linearized(call, forward, primals.iter().map(Array::aval).collect(), nonzero)
}

fn linearized(
    call: &dyn CustomCall,
    forward: CustomForward,
    primals: Vec<ShapedArray>,
    nonzero: Vec<bool>,
) -> Linearized {
    let out_avals: Vec<ShapedArray> = forward.outs.iter().map(Array::aval).collect();
    let nonzero_out = out_avals.iter().map(|a| a.dtype().is_inexact()).collect();
    let linear = CustomLin {
        name: call.function_name().into_owned(),
        backward: forward.backward,
        num_res: forward.residuals.len(),
        primals,
        nonzero,
        out_avals,
    };
    Linearized {
        primals_out: forward.outs.into(),
        linear: Prim::from(linear),
        residuals: forward.residuals,
        nonzero_out,
        order: None,
    }
}

/// The tangent of a function with a reverse-mode rule: residuals, then the tangents marked in `nonzero`, to the tangents of the
/// inexact results. It can only be transposed.
#[derive(Clone)]
struct CustomLin {
    name: String,
    backward: Arc<dyn CustomBackward>,
    num_res: usize,
    primals: Vec<ShapedArray>,
    nonzero: Vec<bool>,
    out_avals: Vec<ShapedArray>,
}

impl PartialEq for CustomLin {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.backward, &other.backward)
            && self.num_res == other.num_res
            && self.primals == other.primals
            && self.nonzero == other.nonzero
            && self.out_avals == other.out_avals
    }
}
impl Eq for CustomLin {}

impl Hash for CustomLin {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (Arc::as_ptr(&self.backward).addr(), self.num_res, &self.nonzero).hash(state);
    }
}

impl fmt::Debug for CustomLin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "custom_lin[{}]", self.name)
    }
}

impl Primitive for CustomLin {
    fn name(&self) -> &'static str {
        "custom_lin"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("bwd", Param::Text(self.name.clone())), ("num_res", Param::Text(self.num_res.to_string()))]
    }
    fn abstract_eval(&self, _: &[ShapedArray]) -> Result<Avals> {
        Ok(self.out_avals.iter().filter(|a| a.dtype().is_inexact()).cloned().collect())
    }
    fn lower(&self, _: &mut LoweringCtx, _: &[Value], _: &[ShapedArray]) -> LoweredValues {
        bail!(Differentiation, "{}: {NO_FORWARD_MODE}", self.name)
    }
    fn jvp(&self, _: &[Array], _: &[Tangent]) -> Jvp {
        bail!(Differentiation, "{}: {NO_FORWARD_MODE}", self.name)
    }
    /// the custom backward rule
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        let residuals: Vec<Array> =
            ins[..self.num_res].iter().filter_map(LinearInput::known).cloned().collect();
        if residuals.len() != self.num_res {
            bail!(Internal, "custom_lin: a residual depends on a tangent");
        }
        let mut given = cts.iter();
        let cts = self.out_avals.iter();
        let cts = cts.map(|a| if a.dtype().is_inexact() { given.next().cloned().flatten() } else { None });
        let cts: Vec<Ct> = cts.collect();
        let found = without_location(|| self.backward.apply(&residuals, &cts))?;
        let wanted = found.into_iter().zip(&self.nonzero).filter(|(_, nz)| **nz).map(|(ct, _)| ct);
        let known = std::iter::repeat_n(None, self.num_res);
        Ok(known.chain(wanted).collect())
    }
    fn batch(&self, axis: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let size = axis.size;
        let backward = Arc::new(BatchedBackward {
            inner: self.backward.clone(),
            axis: VmapAxis::from(*axis),
            residual_dims: dims[..self.num_res].to_vec(),
            ct_dims: vec![Some(0); self.out_avals.len()],
            in_dims: vec![Some(0); self.primals.len()],
        });
        let with_axis = |avals: &[ShapedArray]| avals.iter().map(|a| a.with_axis(0, size)).collect();
        let prim = CustomLin {
            backward,
            primals: with_axis(&self.primals),
            out_avals: with_axis(&self.out_avals),
            ..self.clone()
        };
        let moved = args.iter().zip(dims).enumerate();
        let moved: Vec<Array> = moved
            .map(|(i, (x, d))| if i < self.num_res { x.clone() } else { move_batch_axis(x, *d, 0, size) })
            .collect();
        let args: SmallVec<[&Array; 8]> = moved.iter().collect();
        let outs = bind(prim, &args)?;
        let dims = SmallVec::from_elem(Some(0), outs.len());
        Ok((outs, dims))
    }
}
