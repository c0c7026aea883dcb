//! `sub`: elementwise difference; linear. JAX: `sub_p`. StableHLO: `subtract`.

use smallvec::SmallVec;

use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    BatchDim, Batched, Ct, Jvp, LinearInput, LoweredValues, MappedAxis, Primitive, Tangent, Transposed,
};
use crate::core::trace::bind1;
use crate::error::{Result, bail};
use crate::lax::elementwise::{
    NUMBER, broadcast_tangent, nary_aval, nary_batch, nary_lower, one, unbroadcast,
};
use crate::lax::neg;
use crate::mlir::Value;

/// Elementwise difference `x - y` of operands of one numeric dtype; integers wrap.
///
/// # Errors
/// `sub got incompatible shapes for broadcasting: (3,), (4,): 3 and 4 at axis -1 are neither equal nor 1`; operands of different dtypes; `bool`.
#[track_caller]
pub fn sub(x: &Array, y: &Array) -> Array {
    bind1(Sub, &[x, y])
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Sub;

impl Primitive for Sub {
    fn name(&self) -> &'static str {
        "sub"
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        nary_aval(self, ins, 2, NUMBER)
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        nary_lower(ctx, "stablehlo.subtract", ins, outs)
    }
    /// d(x - y) = dx - dy
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        let out = sub(&primals[0], &primals[1]);
        let tangent = match (&tangents[0], &tangents[1]) {
            (Some(dx), Some(dy)) => Some(sub(dx, dy)),
            (Some(dx), None) => Some(dx.clone()),
            (None, dy) => dy.as_ref().map(neg),
        };
        let tangent = tangent.map(|dz| broadcast_tangent(dz, &out));
        Ok((one(out), one(tangent)))
    }
    /// x̄ = z̄, ȳ = -z̄
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        let [x, y] = ins else { bail!(Internal, "sub: takes 2 operands") };
        let ct = cts[0].as_ref();
        Ok(SmallVec::from_buf([
            ct.filter(|_| x.is_linear()).map(|ct| unbroadcast(ct, &x.aval())),
            ct.filter(|_| y.is_linear()).map(|ct| unbroadcast(&neg(ct), &y.aval())),
        ]))
    }
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        nary_batch(*self, args, dims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;
    use crate::lax::testing::{Draw, INEXACTS, case, check_rules, message_of};

    #[test]
    fn rules_of_sub() {
        let mut draw = Draw::new(23);
        check_rules(INEXACTS.into_iter().chain([DType::I32, DType::U8]).flat_map(|d| {
            draw.pairs(d).into_iter().flat_map(|x| [case("sub", x.clone(), |x| sub(&x[0], &x[1]))])
        }));
    }

    #[test]
    fn sub_of_bool_and_of_two_dtypes_is_rejected() {
        let (x, y) = (Array::from([true]), Array::from([1]));
        assert!(message_of(|| sub(&x, &x)).starts_with("sub does not accept dtype bool"));
        assert!(
            message_of(|| sub(&y, &Array::from([1.0f32])))
                .starts_with("sub requires arguments to have the same dtypes")
        );
    }
}
