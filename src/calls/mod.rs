//! Layer 5: primitives that call a jaxpr. JAX: `core.CallPrimitive`, `pjit`, `ad_checkpoint`.
//!
//! A primitive that does nothing but call its jaxpr says in [`CallPrimitive`] what it is, and has all the rules of a
//! [`Primitive`] from here: each is the same call of what the transformation makes of the jaxpr.

pub(crate) mod checkpoint;
pub mod checkpoint_policies;
mod inlined;
pub(crate) mod jit_call;

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::jaxpr::Jaxpr;
use crate::core::key_uses::KeyUses;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    Arrays, BatchDim, Batched, Ct, Discharged, Jvp, LinearInput, Linearized, LoweredValues, MappedAxis,
    Param, Prim, Primitive, RefUpdate, Tangent, Transposed,
};
use crate::core::trace::bind;
use crate::error::Result;
use crate::interpreters::backward_pass::transpose_jaxpr;
use crate::interpreters::batching::{batch_jaxpr, move_batch_axis};
use crate::interpreters::discharge::{discharge_jaxpr, eval_discharged};
use crate::interpreters::jvp::jvp_jaxpr;
use crate::interpreters::linearize::linearize_jaxpr;
use crate::mlir::Value;
use crate::pjrt::CompilerOptions;

/// The call of a jaxpr without constants.
pub(crate) trait CallPrimitive: Clone + Eq + Hash + fmt::Debug + Send + Sync + 'static {
    /// [`Primitive::name`].
    fn name(&self) -> &'static str;

    /// [`Primitive::params`].
    fn params(&self) -> Vec<(&'static str, Param)>;

    /// What is called.
    fn jaxpr(&self) -> &Arc<Jaxpr>;

    /// The same call of another jaxpr.
    fn with(&self, jaxpr: Arc<Jaxpr>) -> Self;

    /// [`Primitive::compiler_options`].
    fn compiler_options(&self) -> Option<&CompilerOptions> {
        None
    }

    /// [`Primitive::key_uses`].
    fn key_uses(&self) -> Result<Option<KeyUses>> {
        Ok(None)
    }

    /// [`Primitive::lower`].
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value]) -> LoweredValues;

    /// The primal part now, the linear part as a call of its own; a residual that is an argument or a result is not
    /// computed again.
    fn linearize(&self, primals: &[Array], nonzero: &[bool]) -> Result<Linearized> {
        let n = self.jaxpr().outvars.len();
        let split = linearize_jaxpr(self.jaxpr(), nonzero, &vec![false; n])?;
        let args: SmallVec<[&Array; 8]> = split.consts.iter().chain(primals).collect();
        let mut outs = bind(self.with(split.primal.clone()), &args)?;
        let computed: Vec<Array> = outs.drain(n..).collect();
        let residuals =
            split.residual_sources.iter().map(|source| source.pick(primals, &outs, &computed).clone());
        let residuals = residuals.collect();
        Ok(Linearized {
            primals_out: outs,
            linear: Prim::from(self.with(split.tangent.clone())),
            residuals,
            nonzero_out: split.nonzero_out.clone(),
            order: None,
        })
    }
}

impl<P: CallPrimitive> Primitive for P {
    fn name(&self) -> &'static str {
        CallPrimitive::name(self)
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        CallPrimitive::params(self)
    }
    fn sub_jaxprs(&self) -> Vec<&Arc<Jaxpr>> {
        vec![self.jaxpr()]
    }
    fn abstract_eval(&self, _: &[ShapedArray]) -> Result<Avals> {
        Ok(self.jaxpr().out_avals().into())
    }
    fn key_uses(&self, _: &[ShapedArray]) -> Result<Option<KeyUses>> {
        CallPrimitive::key_uses(self)
    }
    fn compiler_options(&self) -> Option<&CompilerOptions> {
        CallPrimitive::compiler_options(self)
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], _: &[ShapedArray]) -> LoweredValues {
        CallPrimitive::lower(self, ctx, ins)
    }

    /// the call of the jaxpr's jvp
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        let nonzero: Vec<bool> = tangents.iter().map(Option::is_some).collect();
        let n = self.jaxpr().outvars.len();
        let made = jvp_jaxpr(self.jaxpr(), &nonzero, &vec![false; n])?;
        let args: SmallVec<[&Array; 8]> =
            made.consts.iter().chain(primals).chain(tangents.iter().flatten()).collect();
        let mut outs = bind(self.with(made.jaxpr.clone()), &args)?.into_iter();
        let primals_out: Arrays = outs.by_ref().take(n).collect();
        Ok((primals_out, scatter_marked(&made.nonzero_out, outs)))
    }

    fn linearize(&self, primals: &[Array], nonzero: &[bool]) -> Result<Option<Linearized>> {
        CallPrimitive::linearize(self, primals, nonzero).map(Some)
    }

    /// the call of the transposed jaxpr, which computes first what is not linear
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        let linear: Vec<bool> = ins.iter().map(LinearInput::is_linear).collect();
        let nonzero: Vec<bool> = cts.iter().map(Option::is_some).collect();
        let linears = linear.iter().filter(|l| **l).count();
        let made = transpose_jaxpr(self.jaxpr(), &linear, &nonzero, &vec![false; linears])?;
        let known = ins.iter().filter_map(LinearInput::known);
        let args: SmallVec<[&Array; 8]> =
            made.consts.iter().chain(known).chain(cts.iter().flatten()).collect();
        let outs = bind(self.with(made.jaxpr.clone()), &args)?;
        let mut found = scatter_marked(&made.nonzero_in, outs).into_iter();
        Ok(linear.iter().map(|linear| if *linear { found.next().flatten() } else { None }).collect())
    }

    /// the call of the batched jaxpr
    fn batch(&self, axis: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let mapped: Vec<bool> = dims.iter().map(Option::is_some).collect();
        let made = batch_jaxpr(self.jaxpr(), axis, &mapped, &vec![false; self.jaxpr().outvars.len()])?;
        let moved = args.iter().zip(dims);
        let moved =
            moved.map(|(x, d)| if d.is_some() { move_batch_axis(x, *d, 0, axis.size) } else { x.clone() });
        let args: Arrays = made.consts.iter().cloned().chain(moved).collect();
        let outs = bind(self.with(made.jaxpr.clone()), &refs(&args))?;
        Ok((outs, made.mapped_out.iter().map(|m| m.then_some(0)).collect()))
    }

    /// the call of the discharged jaxpr
    fn discharge(&self, args: &[Array]) -> Result<Discharged> {
        let made = discharge_jaxpr(self.jaxpr(), &vec![false; args.len()])?;
        let args: SmallVec<[&Array; 8]> = made.consts.iter().chain(args).collect();
        let mut outs = bind(self.with(made.jaxpr.clone()), &args)?;
        let last: Arrays = outs.drain(self.jaxpr().outvars.len()..).collect();
        Ok(Discharged { outs, refs: written_to(&made.written, last) })
    }

    fn eval(&self, args: &[&Array]) -> Option<Result<Arrays>> {
        self.jaxpr().has_refs().then(|| eval_discharged(self, args))
    }

    fn dce(&self, used: &mut [bool]) -> Option<(Prim, Vec<usize>)> {
        let (jaxpr, kept) = self.jaxpr().dce(used);
        Some((Prim::from(self.with(jaxpr.into())), kept))
    }
}

/// What becomes of references of which those marked in `written` refer to these arrays afterwards.
pub(crate) fn written_to(
    written: &[bool],
    last: impl IntoIterator<Item = Array>,
) -> SmallVec<[RefUpdate; 2]> {
    scatter_marked(written, last).into_iter().map(|x| x.map_or(RefUpdate::Unchanged, RefUpdate::Is)).collect()
}

/// References to the arguments, as `bind` takes them.
pub(crate) fn refs(args: &[Array]) -> SmallVec<[&Array; 8]> {
    args.iter().collect()
}

/// Puts `values` where `marks` says, and symbolic zeros elsewhere.
pub(crate) fn scatter_marked(
    marks: &[bool],
    values: impl IntoIterator<Item = Array>,
) -> SmallVec<[Tangent; 2]> {
    let mut values = values.into_iter();
    marks.iter().map(|marked| if *marked { values.next() } else { None }).collect()
}
