//! `copy` and `stop_gradient`: identities, one linear and one constant to differentiation. JAX: `copy_p`,
//! `stop_gradient_p`. StableHLO: nothing.

use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::check;
use crate::core::key_uses::KeyUses;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    BatchDim, Batched, Ct, Jvp, LinearInput, LoweredValues, MappedAxis, Primitive, Tangent, Transposed,
};
use crate::core::trace::bind1;
use crate::error::Result;
use crate::lax::elementwise::{linear_ct, nary_batch, one, unary_jvp, zero_jvp};
use crate::mlir::Value;

/// A copy of `x` in a buffer of its own.
#[track_caller]
pub fn copy(x: &Array) -> Array {
    bind1(Copy_, &[x])
}

/// `x` itself, which differentiation takes for a constant, however often it is applied.
#[track_caller]
pub fn stop_gradient(x: &Array) -> Array {
    bind1(StopGradient, &[x])
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Copy_;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct StopGradient;

impl Primitive for Copy_ {
    fn name(&self) -> &'static str {
        "copy"
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [x] = check::arity(self, ins)?;
        Ok(one(*x))
    }
    fn key_uses(&self, _: &[ShapedArray]) -> Result<Option<KeyUses>> {
        Ok(Some(KeyUses::forward()))
    }
    fn lower(&self, _: &mut LoweringCtx, ins: &[Value], _: &[ShapedArray]) -> LoweredValues {
        Ok(one(ins[0]))
    }
    /// dy = dx
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        unary_jvp(*self, primals, tangents, |_, _, dx| copy(dx))
    }
    /// x̄ = ȳ
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        Ok(linear_ct(cts, ins, copy))
    }
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        nary_batch(*self, args, dims)
    }
}

impl Primitive for StopGradient {
    fn name(&self) -> &'static str {
        "stop_gradient"
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [x] = check::arity(self, ins)?;
        Ok(one(*x))
    }
    fn key_uses(&self, _: &[ShapedArray]) -> Result<Option<KeyUses>> {
        Ok(Some(KeyUses::forward()))
    }
    fn lower(&self, _: &mut LoweringCtx, ins: &[Value], _: &[ShapedArray]) -> LoweredValues {
        Ok(one(ins[0]))
    }
    /// dy = 0
    fn jvp(&self, primals: &[Array], _: &[Tangent]) -> Jvp {
        zero_jvp(*self, primals)
    }
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        nary_batch(*self, args, dims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;
    use crate::lax::testing::{Draw, case, check_rules};

    #[test]
    fn rules_of_copy() {
        let mut draw = Draw::new(34);
        check_rules(
            [DType::F32, DType::C64, DType::I32, DType::Bool]
                .into_iter()
                .map(|d| case("copy", [draw.values(d, &[2, 3])], |x| copy(&x[0]))),
        );
        check_rules([case("stop_gradient", [draw.values(DType::F32, &[3])], |x| stop_gradient(&x[0]))
            .without_derivatives()]);
    }

    #[test]
    fn stop_gradient_has_no_tangent() {
        let x = Array::from([1.0f32]);
        let f = |x: &[Array]| Ok(vec![stop_gradient(&x[0])]);
        let (_, dy) = crate::interpreters::jvp::jvp(f, std::slice::from_ref(&x), &[Some(x.clone())]).unwrap();
        assert!(dy[0].is_none());
    }
}
