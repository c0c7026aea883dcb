//! `neg`: elementwise negation; linear. JAX: `neg_p`. StableHLO: `negate`.

use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    BatchDim, Batched, Ct, Jvp, LinearInput, LoweredValues, MappedAxis, Primitive, Tangent, Transposed,
};
use crate::core::trace::bind1;
use crate::error::Result;
use crate::lax::elementwise::{NUMBER, linear_ct, nary_aval, nary_batch, nary_lower, unary_jvp};
use crate::mlir::Value;

/// Elementwise negation `-x`; unsigned integers wrap.
///
/// # Errors
/// `neg does not accept dtype bool`.
#[track_caller]
pub fn neg(x: &Array) -> Array {
    bind1(Neg, &[x])
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Neg;

impl Primitive for Neg {
    fn name(&self) -> &'static str {
        "neg"
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        nary_aval(self, ins, 1, NUMBER)
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        nary_lower(ctx, "stablehlo.negate", ins, outs)
    }
    /// dy = -dx
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        unary_jvp(*self, primals, tangents, |_, _, dx| neg(dx))
    }
    /// x̄ = -ȳ
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        Ok(linear_ct(cts, ins, neg))
    }
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        nary_batch(*self, args, dims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lax::testing::{Draw, INEXACTS, INTEGERS, case, check_rules};

    #[test]
    fn rules_of_neg() {
        let mut draw = Draw::new(104);
        let dtypes = INEXACTS.into_iter().chain(INTEGERS);
        check_rules(dtypes.map(|d| case("neg", [draw.values(d, &[2, 3])], |x| neg(&x[0]))));
    }
}
