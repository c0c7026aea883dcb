//! `new_ref`, `empty_ref`, `freeze`, `free_ref`: the beginning and the end of a reference. JAX: `core.ref_p`, `core.empty_ref_p`,
//! `core.freeze_p`, `core.free_ref_p`.

use std::sync::Arc;

use smallvec::smallvec;

use super::{check_ref, discharged, not_discharged};
use crate::core::array::{Array, Repr};
use crate::core::aval::{Avals, ShapedArray};
use crate::core::check;
use crate::core::effects::{Effect, Effects};
use crate::core::lowering::LoweringCtx;
use crate::core::mutable::MutableArray;
use crate::core::primitive::{
    Arrays, BatchDim, Batched, Discharged, Jvp, Linearized, LoweredValues, MappedAxis, Param, Primitive,
    RefUpdate, Tangent,
};
use crate::core::small::one;
use crate::core::trace::bind;
use crate::core::tracer::unexpected_tracer;
use crate::error::{Result, bail};
use crate::interpreters::batching::move_batch_axis;
use crate::interpreters::discharge::eval_discharged;
use crate::interpreters::jvp::instantiate;
use crate::lax;
use crate::mlir::Value;

fn none() -> Param {
    Param::Text("None".into())
}

fn bind_one(prim: impl Primitive, args: &[&Array]) -> Result<Array> {
    match bind(prim, args)?.pop() {
        Some(out) => Ok(out),
        None => bail!(Internal, "an array reference was not made"),
    }
}

/// A reference together with one to its tangent, which is `zeros` at first, if there are any.
fn linearized(reference: Array, zeros: Vec<Array>) -> Linearized {
    Linearized {
        primals_out: one(reference),
        linear: NewRef.into(),
        residuals: zeros,
        nonzero_out: vec![true],
        order: None,
    }
}

/// Operand: what it refers to at first; result: the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct NewRef;

impl Primitive for NewRef {
    fn name(&self) -> &'static str {
        "new_ref"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("kind", none()), ("memory_space", none())]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [x] = check::arity(self, ins)?;
        if x.is_ref() {
            bail!(InvalidArgument, "new_ref: a reference cannot refer to another reference, got {x}");
        }
        Ok(smallvec![x.with_ref(true)])
    }
    fn lower(&self, _: &mut LoweringCtx, _: &[Value], _: &[ShapedArray]) -> LoweredValues {
        Err(not_discharged(self.name()))
    }
    /// a reference to the tangent, to zeros if there is none: something else may be written to it
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        let primal = bind_one(NewRef, &[&primals[0]])?;
        let tangent = bind_one(NewRef, &[&instantiate(tangents[0].clone(), &primals[0])])?;
        Ok((one(primal), one(Some(tangent))))
    }
    /// the reference now, and as linear part one to the tangent
    fn linearize(&self, primals: &[Array], nonzero: &[bool]) -> Result<Option<Linearized>> {
        let zeros = if nonzero[0] { Vec::new() } else { vec![lax::zeros_like(&primals[0])] };
        Ok(Some(linearized(bind_one(NewRef, &[&primals[0]])?, zeros)))
    }
    /// mapped in any case: something mapped may be written to it
    fn batch(&self, axis: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let x = move_batch_axis(&args[0], dims[0], 0, axis.size);
        Ok((one(bind_one(NewRef, &[&x])?), one(Some(0))))
    }
    fn eval(&self, args: &[&Array]) -> Option<Result<Arrays>> {
        Some(match &args[0].0 {
            Repr::Tracer(t) => Err(unexpected_tracer(t)),
            _ => Ok(one(Array(Repr::Ref(Arc::new(MutableArray::new(args[0].clone())))))),
        })
    }
    fn effects(&self) -> Effects {
        Effect::NewRef.into()
    }
    fn discharge(&self, args: &[Array]) -> Result<Discharged> {
        Ok(discharged([args[0].clone()], 1, RefUpdate::Unchanged))
    }
}

/// Result: a reference to an array of this type, whose elements nobody has written yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct EmptyRef {
    pub of: ShapedArray,
}

impl Primitive for EmptyRef {
    fn name(&self) -> &'static str {
        "empty_ref"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        let sizes: Vec<String> = self.of.shape().iter().map(usize::to_string).collect();
        let of = format!("{}[{}]", self.of.dtype().name(), sizes.join(","));
        vec![("memory_space", none()), ("ty", Param::Text(of))]
    }
    fn abstract_eval(&self, _: &[ShapedArray]) -> Result<Avals> {
        Ok(smallvec![self.of.with_ref(true)])
    }
    fn lower(&self, _: &mut LoweringCtx, _: &[Value], _: &[ShapedArray]) -> LoweredValues {
        Err(not_discharged(self.name()))
    }
    /// a reference to zeros
    fn jvp(&self, _: &[Array], _: &[Tangent]) -> Jvp {
        let tangent = bind_one(NewRef, &[&lax::zeros_like_aval(&self.of)])?;
        Ok((one(bind_one(*self, &[])?), one(Some(tangent))))
    }
    fn linearize(&self, _: &[Array], _: &[bool]) -> Result<Option<Linearized>> {
        Ok(Some(linearized(bind_one(*self, &[])?, vec![lax::zeros_like_aval(&self.of)])))
    }
    fn batch(&self, axis: &MappedAxis, _: &[Array], _: &[BatchDim]) -> Batched {
        let whole = EmptyRef { of: self.of.with_axis(0, axis.size) };
        Ok((one(bind_one(whole, &[])?), one(Some(0))))
    }
    fn eval(&self, _: &[&Array]) -> Option<Result<Arrays>> {
        let value = lax::zeros_like_aval(&self.of);
        Some(Ok(one(Array(Repr::Ref(Arc::new(MutableArray::new(value)))))))
    }
    fn effects(&self) -> Effects {
        Effect::NewRef.into()
    }
    fn discharge(&self, _: &[Array]) -> Result<Discharged> {
        Ok(discharged([lax::zeros_like_aval(&self.of)], 0, RefUpdate::Unchanged))
    }
}

/// Gives up a reference. Result: what it referred to, if it is frozen; nothing, if it is freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum EndRef {
    Freeze,
    Free,
}

impl Primitive for EndRef {
    fn name(&self) -> &'static str {
        match self {
            EndRef::Freeze => "freeze",
            EndRef::Free => "free_ref",
        }
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [x] = check::arity(self, ins)?;
        check_ref(self.name(), x)?;
        Ok(match self {
            EndRef::Freeze => smallvec![x.with_ref(false)],
            EndRef::Free => Avals::new(),
        })
    }
    fn lower(&self, _: &mut LoweringCtx, _: &[Value], _: &[ShapedArray]) -> LoweredValues {
        Err(not_discharged(self.name()))
    }
    /// the reference to the tangent is given up too
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        let outs = bind(*self, &[&primals[0]])?;
        let tangents = match &tangents[0] {
            Some(tangent) => bind(*self, &[tangent])?.into_iter().map(Some).collect(),
            None => outs.iter().map(|_| None).collect(),
        };
        Ok((outs, tangents))
    }
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let outs = bind(*self, &[&args[0]])?;
        let dims = outs.iter().map(|_| dims[0]).collect();
        Ok((outs, dims))
    }
    fn eval(&self, args: &[&Array]) -> Option<Result<Arrays>> {
        Some(eval_discharged(self, args))
    }
    fn effects(&self) -> Effects {
        Effect::Write.into()
    }
    fn discharge(&self, args: &[Array]) -> Result<Discharged> {
        Ok(match self {
            EndRef::Freeze => discharged([args[0].clone()], 1, RefUpdate::Gone("was frozen")),
            EndRef::Free => discharged([], 1, RefUpdate::Gone("was freed")),
        })
    }
}
