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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType::{BF16, C64, F16, F32, F64, I32};
    use crate::error::catch;
    use crate::lax::testing::{Draw, case, check_rules};

    #[test]
    fn rules_of_sin_and_cos() {
        let mut draw = Draw::new(1);
        check_rules([F32, F64, F16, BF16, C64].into_iter().flat_map(|d| {
            let x = draw.values(d, &[2, 3]);
            [case("sin", [x.clone()], |x| sin(&x[0])), case("cos", [x], |x| cos(&x[0]))]
        }));
    }

    #[test]
    fn sin_of_an_integer_is_rejected() {
        let x = Draw::new(1).values(I32, &[2]);
        let error = catch(|| Ok(sin(&x))).unwrap_err();
        assert!(error.message().starts_with("sin does not accept dtype int32"), "{error}");
    }
}
