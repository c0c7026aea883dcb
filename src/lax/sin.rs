//! `sin` and `cos`. JAX: `sin_p`, `cos_p`. StableHLO: `sine`, `cosine`.

use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{BatchDim, Batched, Jvp, Lowered, Primitive, Tangent};
use crate::core::trace::bind1;
use crate::error::Result;
use crate::lax::elementwise::{INEXACT, nary_aval, nary_batch, nary_lower, unary_jvp};
use crate::lax::{mul, neg};
use crate::mlir::Value;

/// Elementwise sine; radians.
#[track_caller]
pub fn sin(x: &Array) -> Array {
    bind1(Sin, &[x])
}

/// Elementwise cosine; radians.
#[track_caller]
pub fn cos(x: &Array) -> Array {
    bind1(Cos, &[x])
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Sin;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Cos;

impl Primitive for Sin {
    fn name(&self) -> &'static str {
        "sin"
    }
    fn abstract_eval(&self, ins: &[&ShapedArray]) -> Result<Avals> {
        nary_aval(self, ins, 1, INEXACT)
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> Lowered {
        nary_lower(ctx, "stablehlo.sine", ins, outs)
    }
    /// dy = cos(x) dx
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        unary_jvp(*self, primals, tangents, |x, _, dx| mul(dx, &cos(x)))
    }
    fn batch(&self, args: &[Array], dims: &[BatchDim]) -> Batched {
        nary_batch(*self, args, dims)
    }
}

impl Primitive for Cos {
    fn name(&self) -> &'static str {
        "cos"
    }
    fn abstract_eval(&self, ins: &[&ShapedArray]) -> Result<Avals> {
        nary_aval(self, ins, 1, INEXACT)
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> Lowered {
        nary_lower(ctx, "stablehlo.cosine", ins, outs)
    }
    /// dy = -sin(x) dx
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        unary_jvp(*self, primals, tangents, |x, _, dx| neg(&mul(dx, &sin(x))))
    }
    fn batch(&self, args: &[Array], dims: &[BatchDim]) -> Batched {
        nary_batch(*self, args, dims)
    }
}
