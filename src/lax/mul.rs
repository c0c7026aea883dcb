//! `mul`: elementwise product; linear in each operand. JAX: `mul_p`. StableHLO: `multiply`.

use smallvec::SmallVec;

use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::check;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    BatchDim, Batched, Ct, Jvp, LinearInput, LoweredValues, MappedAxis, Primitive, Tangent, Transposed,
};
use crate::core::trace::bind1;
use crate::error::{Result, bail};
use crate::lax::elementwise::{NUMBER, bilinear_jvp, nary_aval, nary_batch, nary_lower, unbroadcast};
use crate::mlir::Value;

/// Elementwise product `x y` of operands of one dtype; numbers of any dtype.
///
/// # Errors
/// `mul got incompatible shapes for broadcasting: (3,), (4,)`; operands of different dtypes.
#[track_caller]
pub fn mul(x: &Array, y: &Array) -> Array {
    bind1(Mul, &[x, y])
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Mul;

impl Primitive for Mul {
    fn name(&self) -> &'static str {
        "mul"
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        nary_aval(self, ins, 2, NUMBER)
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        nary_lower(ctx, "stablehlo.multiply", ins, outs)
    }
    /// d(x y) = dx y + x dy
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        bilinear_jvp(mul, primals, tangents)
    }
    /// x̄ = z̄ y, or ȳ = x z̄
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        let [x, y] = ins else { bail!(Internal, "mul: takes 2 operands") };
        check::bilinear(self, x, y)?;
        let Some(ct) = &cts[0] else { return Ok(ins.iter().map(|_| None).collect()) };
        Ok(SmallVec::from_buf([
            y.known().filter(|_| x.is_linear()).map(|y| unbroadcast(&mul(ct, y), &x.aval())),
            x.known().filter(|_| y.is_linear()).map(|x| unbroadcast(&mul(x, ct), &y.aval())),
        ]))
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
    fn rules_of_mul() {
        let mut draw = Draw::new(103);
        let dtypes = INEXACTS.into_iter().chain(INTEGERS);
        check_rules(dtypes.flat_map(|d| draw.pairs(d).map(|x| case("mul", x, |x| mul(&x[0], &x[1])))));
    }
}
