//! `bitcast_convert_type`: the same bits under another dtype. JAX: `bitcast_convert_type_p`. StableHLO: `bitcast_convert`.

use crate::core::array::Array;
use crate::core::aval::{Avals, Shape, ShapedArray};
use crate::core::check;
use crate::core::config::canonicalize;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{BatchDim, Batched, Jvp, LoweredValues, MappedAxis, Param, Primitive, Tangent};
use crate::core::trace::bind1;
use crate::dtype::DType;
use crate::error::{Result, bail};
use crate::lax::elementwise::{batch_in_front, one, tuple, zero_jvp};
use crate::mlir::Value;

/// The bits of `operand` as elements of another dtype. Smaller elements make a new last axis; larger ones use up the last
/// axis: `f32[3]` as `i8` -> `i8[3,4]`, and back; `u8[3]` as `i4` -> `i4[3,2]`.
///
/// # Errors
/// `bool` or complex dtypes, unless there is nothing to change; a last axis that does not make one element.
#[track_caller]
pub fn bitcast_convert_type(operand: &Array, new_dtype: DType) -> Array {
    bind1(BitcastConvertType { new_dtype: canonicalize(new_dtype) }, &[operand])
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct BitcastConvertType {
    new_dtype: DType,
}

impl Primitive for BitcastConvertType {
    fn name(&self) -> &'static str {
        "bitcast_convert_type"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("new_dtype", Param::Text(self.new_dtype.name().into()))]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [x] = check::arity(self, ins)?;
        let (old, new) = (x.dtype(), self.new_dtype);
        let unsupported = |d: DType| d.is_bool() || d.is_complex();
        if old != new && (unsupported(old) || unsupported(new)) {
            bail!(
                DType,
                "bitcast_convert_type does not support bool or complex values unless the operand and destination types \
                 match, got operand {x}, new_dtype = {}",
                new.name()
            );
        }
        let mut shape = Shape::from_slice(x.shape());
        if old.bits() > new.bits() {
            shape.push(old.bits() / new.bits());
        } else if old.bits() < new.bits() {
            let last = shape.pop().unwrap_or(1);
            if last * old.bits() != new.bits() {
                bail!(
                    Shape,
                    "bitcast_convert_type: attempting to convert array of shape {} from {} of {} bits to {} of {} bits, \
                     but {last} * {} != {}",
                    tuple(x.shape()),
                    old.name(),
                    old.bits(),
                    new.name(),
                    new.bits(),
                    old.bits(),
                    new.bits()
                );
            }
        }
        Ok(one(ShapedArray::new(new, &shape)))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        Ok(one(ctx.op_aval("stablehlo.bitcast_convert", ins, "", &outs[0])))
    }
    /// dy = 0
    fn jvp(&self, primals: &[Array], _: &[Tangent]) -> Jvp {
        zero_jvp(*self, primals)
    }
    /// the mapped axis goes in front, away from the last, which may come or go
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        batch_in_front(*self, args, dims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lax::testing::{Draw, case, check_rules, message_of};

    #[test]
    fn rules_of_bitcast_convert_type() {
        let mut draw = Draw::new(32);
        let x = draw.values(DType::F32, &[2, 3]);
        let bits = |new| move |x: &[Array]| bitcast_convert_type(&x[0], new);
        check_rules([
            case("same width", [x.clone()], bits(DType::I32)),
            case("narrower", [x.clone()], bits(DType::U8)),
            case("wider", [draw.any_bits(DType::I16, &[3, 2])], bits(DType::F32)).without_derivatives(),
            case("the same", [x], bits(DType::F32)).without_derivatives(),
        ]);
    }

    #[test]
    fn what_bitcast_convert_type_does_not_accept() {
        let (x, p) = (Array::from([1i16, 2, 3]), Array::from([true]));
        assert!(message_of(|| bitcast_convert_type(&x, DType::I32)).ends_with("but 3 * 16 != 32"));
        assert!(
            message_of(|| bitcast_convert_type(&p, DType::I8))
                .starts_with("bitcast_convert_type does not support bool")
        );
    }
}
