//! `sign`, `abs`. JAX: `sign_p`, `abs_p`. StableHLO: `sign`, `abs`.

use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{BatchDim, Batched, Jvp, LoweredValues, MappedAxis, Primitive, Tangent};
use crate::core::trace::bind1;
use crate::dtype::DType;
use crate::error::Result;
use crate::lax::convert_element_type::convert;
use crate::lax::elementwise::{
    NUMBER, SIGNED, chlo, elementwise, nary_aval, nary_batch, nary_lower, one, replace_zero, unary_jvp, zero,
};
use crate::lax::emit::emit;
use crate::lax::full::literal_like;
use crate::lax::{conj, div, ge, mul, neg, real, select};
use crate::mlir::Value;

/// Elementwise sign: -1, 0 or 1; of a complex number `x / |x|`. Any numeric dtype.
///
/// # Errors
/// `sign does not accept dtype bool`.
#[track_caller]
pub fn sign(x: &Array) -> Array {
    bind1(Sign, &[x])
}

/// Elementwise absolute value; complex -> real. Signed of 8 bits and more, float or complex.
///
/// # Errors
/// `abs does not accept dtype u8`.
#[track_caller]
pub fn abs(x: &Array) -> Array {
    bind1(Abs, &[x])
}

elementwise! {
    Sign: "sign", 1, NUMBER, lower_sign, zero;
}

fn lower_sign(ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
    if outs[0].dtype().is_unsigned() {
        return Ok(one(emit(ctx, |e| {
            let x = e.expr(ins[0]);
            x.eq(0.0).select(0.0, x.constant(1.0)).value()
        })));
    }
    nary_lower(ctx, "stablehlo.sign", ins, outs)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Abs;

/// dy = sign(x) dx, and 1 at 0; complex: dy = Re(x̅ / |x| dx)
fn abs_tangent(x: &Array, y: &Array, dx: &Array) -> Array {
    if x.dtype().is_complex() {
        let size = replace_zero(&convert(y, x.dtype(), false));
        return real(&mul(dx, &div(&conj(x), &size)));
    }
    select(&ge(x, &literal_like(x, 0.0)), dx, &neg(dx))
}

impl Primitive for Abs {
    fn name(&self) -> &'static str {
        "abs"
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let wide = |d: DType| SIGNED(d) && !(d.is_integer() && d.is_sub_byte());
        let mut outs = nary_aval(self, ins, 1, wide)?;
        outs[0] = outs[0].with_dtype(outs[0].dtype().real());
        Ok(outs)
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        chlo("stablehlo.abs")(ctx, ins, outs)
    }
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        unary_jvp(*self, primals, tangents, abs_tangent)
    }
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        nary_batch(*self, args, dims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;
    use crate::lax::testing::{Draw, FLOATS, INEXACTS, INTEGERS, case, check_rules, message_of};

    #[test]
    fn rules_of_sign_and_abs() {
        let mut draw = Draw::new(13);
        check_rules(INEXACTS.into_iter().flat_map(|d| {
            let x = [draw.values(d, &[2, 3])];
            [case("abs", x.clone(), |x| abs(&x[0]))]
        }));
        check_rules(FLOATS.into_iter().flat_map(|d| {
            let x = [draw.values(d, &[2, 3])];
            [case("sign", x.clone(), |x| sign(&x[0]))]
        }));
    }

    #[test]
    fn rules_of_sign_and_abs_of_integers() {
        let mut draw = Draw::new(14);
        check_rules(INTEGERS.into_iter().flat_map(|d| {
            let x = [draw.values(d, &[2, 3])];
            let signed = d.is_signed().then(|| case("abs", x.clone(), |x| abs(&x[0])));
            [Some(case("sign", x.clone(), |x| sign(&x[0]))), signed].into_iter().flatten()
        }));
        // JAX has no derivative of the complex sign: it counts as constant.
        let z = draw.values(DType::C64, &[3]);
        check_rules([case("sign", [z], |x| sign(&x[0])).without_derivatives()]);
    }

    #[test]
    fn abs_of_unsigned_is_rejected() {
        let x = Array::from([1u8]);
        assert!(message_of(|| abs(&x)).starts_with("abs does not accept dtype u8"));
    }
}
