//! `convert_element_type`: cast; linear between inexact dtypes. JAX: `convert_element_type_p`. StableHLO: `convert`.

use crate::core::array::{Array, Repr};
use crate::core::aval::{Avals, ShapedArray};
use crate::core::check;
use crate::core::config::canonicalize;
use crate::core::key_uses::KeyUses;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    BatchDim, Batched, Ct, Jvp, LinearInput, LoweredValues, MappedAxis, Param, Primitive, Tangent, Transposed,
};
use crate::core::trace::bind1;
use crate::dtype::DType;
use crate::error::Result;
use crate::lax::elementwise::{linear_ct, nary_batch, one};
use crate::mlir::Value;

/// `operand` in another dtype, strongly typed. Floats are rounded to nearest even, and truncated to integers; complex
/// values lose their imaginary part; `bool` is `operand != 0`. A dtype of 64 bits narrows while x64 is off.
#[track_caller]
pub fn convert_element_type(operand: &Array, dtype: DType) -> Array {
    convert(operand, canonicalize(dtype), false)
}

/// [`convert_element_type`] with the result's weak type.
#[track_caller]
pub(crate) fn convert(operand: &Array, dtype: DType, weak_type: bool) -> Array {
    if operand.dtype() == dtype && operand.weak_type() == weak_type {
        return operand.clone();
    }
    if let Repr::Scalar(x) = &operand.0 {
        return Array::from(x.convert(dtype).with_weak_type(weak_type));
    }
    bind1(ConvertElementType { new_dtype: dtype, weak_type }, &[operand])
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct ConvertElementType {
    new_dtype: DType,
    weak_type: bool,
}

impl Primitive for ConvertElementType {
    fn name(&self) -> &'static str {
        "convert_element_type"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![
            ("new_dtype", Param::Text(self.new_dtype.name().into())),
            ("weak_type", Param::from(self.weak_type)),
        ]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [x] = check::arity(self, ins)?;
        check::no_float0(self, ins)?;
        Ok(one(x.with_dtype(self.new_dtype).with_weak_type(self.weak_type)))
    }
    fn key_uses(&self, _: &[ShapedArray]) -> Result<Option<KeyUses>> {
        Ok(Some(KeyUses::forward()))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], _: &[ShapedArray]) -> LoweredValues {
        let x = ins[0];
        if self.new_dtype.is_bool() && !ctx.dtype(x).is_bool() {
            let zero = ctx.full_like(x, 0.0);
            return Ok(one(ctx.compare("NE", x, zero)));
        }
        if ctx.dtype(x).is_complex() && !self.new_dtype.is_complex() {
            let real = ctx.dtype(x).real();
            let shape = ctx.shape(x);
            let ty = ctx.tensor(real, &shape);
            let re = ctx.op1("stablehlo.real", &[x], "", ty);
            return Ok(one(ctx.convert(re, self.new_dtype)));
        }
        Ok(one(ctx.convert(x, self.new_dtype)))
    }
    /// dy = dx in the new dtype; none through integers
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        let out = convert(&primals[0], self.new_dtype, self.weak_type);
        let differentiable = self.new_dtype.is_inexact() && primals[0].dtype().is_inexact();
        let tangent = tangents[0]
            .as_ref()
            .filter(|_| differentiable)
            .map(|dx| convert(dx, self.new_dtype, self.weak_type));
        Ok((one(out), one(tangent)))
    }
    /// x̄ = ȳ in the old dtype, and weakly typed if x is
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        let x = ins[0].aval();
        Ok(linear_ct(cts, ins, |ct| convert(ct, x.dtype(), x.weak_type())))
    }
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        nary_batch(*self, args, dims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lax::testing::{Draw, case, check_rules};

    #[test]
    fn rules_of_convert_element_type() {
        let mut draw = Draw::new(107);
        let dtypes = [DType::F32, DType::F16, DType::BF16, DType::C64, DType::I32, DType::U8, DType::Bool];
        check_rules(dtypes.into_iter().flat_map(|from| {
            let to = dtypes.into_iter().filter(move |to| !from.is_complex() || to.is_complex());
            // Within the range of every one of them.
            let x = match from.is_complex() || from.is_bool() {
                true => draw.values(from, &[2, 3]),
                false => draw.uniform(from, &[2, 3], 0.0, 100.0),
            };
            // Differences in 64 bits would be rounded away.
            let cases = to.map(move |to| {
                case("convert_element_type", [x.clone()], move |x| convert_element_type(&x[0], to))
                    .without_derivatives()
            });
            cases.collect::<Vec<_>>()
        }));
    }

    #[test]
    fn derivatives_of_convert_element_type() {
        let mut draw = Draw::new(110);
        let pairs = [(DType::F64, DType::F64), (DType::F64, DType::C128), (DType::C128, DType::C128)];
        check_rules(pairs.map(|(from, to)| {
            case("convert_element_type", [draw.values(from, &[2, 3])], move |x| {
                convert_element_type(&x[0], to)
            })
        }));
    }
}
