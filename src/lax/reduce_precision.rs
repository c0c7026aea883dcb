//! `reduce_precision`: rounds to fewer bits; linear, as JAX has it. JAX: `reduce_precision_p`. StableHLO:
//! `reduce_precision`.

use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    BatchDim, Batched, Ct, Jvp, LinearInput, LoweredValues, MappedAxis, Param, Primitive, Tangent, Transposed,
};
use crate::core::trace::bind1;
use crate::error::{Result, bail};
use crate::lax::elementwise::{FLOAT, linear_ct, nary_aval, nary_batch, one, unary_jvp};
use crate::mlir::Value;

/// Elementwise rounding to a float format of these many bits, kept in the dtype of `operand`; float.
///
/// # Errors
/// `reduce_precision: exponent_bits must be positive, got 0`.
#[track_caller]
pub fn reduce_precision(operand: &Array, exponent_bits: usize, mantissa_bits: usize) -> Array {
    bind1(ReducePrecision { exponent_bits, mantissa_bits }, &[operand])
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct ReducePrecision {
    exponent_bits: usize,
    mantissa_bits: usize,
}

impl Primitive for ReducePrecision {
    fn name(&self) -> &'static str {
        "reduce_precision"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![
            ("exponent_bits", Param::Text(self.exponent_bits.to_string())),
            ("mantissa_bits", Param::Text(self.mantissa_bits.to_string())),
        ]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        if self.exponent_bits < 1 {
            bail!(InvalidArgument, "reduce_precision: exponent_bits must be positive, got 0");
        }
        nary_aval(self, ins, 1, FLOAT)
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        let attrs = format!(
            "exponent_bits = {} : i32, mantissa_bits = {} : i32",
            self.exponent_bits, self.mantissa_bits
        );
        Ok(one(ctx.op_aval("stablehlo.reduce_precision", ins, &attrs, &outs[0])))
    }
    /// dy = dx, rounded too
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        unary_jvp(*self, primals, tangents, |_, _, dx| bind1(*self, &[dx]))
    }
    /// x̄ = ȳ, rounded too
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        Ok(linear_ct(cts, ins, |ct| bind1(*self, &[ct])))
    }
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        nary_batch(*self, args, dims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lax::testing::{Draw, FLOATS, case, check_rules, message_of};

    #[test]
    fn rules_of_reduce_precision() {
        let mut draw = Draw::new(33);
        // Central differences see the steps of the rounding, so only the transpose is checked: at full precision.
        check_rules(FLOATS.into_iter().flat_map(|d| {
            let x = [draw.values(d, &[2, 3])];
            [
                case("to f16", x.clone(), |x| reduce_precision(&x[0], 5, 10)).without_derivatives(),
                case("to f64", x, |x| reduce_precision(&x[0], 11, 52)),
            ]
        }));
        let x = Array::from([1.0f32]);
        assert_eq!(
            message_of(|| reduce_precision(&x, 0, 3)),
            "reduce_precision: exponent_bits must be positive, got 0"
        );
    }
}
