//! `reduce_and`, `reduce_or`, `reduce_xor`: logical, for integers bitwise, over `axes`. JAX: `reduce_and_p` and so on.
//! StableHLO: `reduce` with an `and`, `or` or `xor` body.

use crate::arguments::Axes;
use crate::core::array::Array;
use crate::core::aval::{Avals, Shape, ShapedArray};
use crate::core::check;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{BatchDim, Batched, Jvp, LoweredValues, MappedAxis, Param, Primitive, Tangent};
use crate::core::scalar::Scalar;
use crate::core::trace::bind1;
use crate::error::{Result, bail};
use crate::lax::common::arguments::axes_of;
use crate::lax::elementwise::{one, one_batched, tuple, zero_jvp};
use crate::lax::reduce_sum::{dim_after_reduce, shift_axes};
use crate::mlir::Value;

/// Are all elements over `axes` true? Integers: their bitwise and.
///
/// # Errors
/// `logical reduction requires operand dtype bool or int, got f32`; axes out of range or repeated.
#[track_caller]
pub fn reduce_and(operand: &Array, axes: impl Into<Axes>) -> Array {
    let axes = axes_of("reduce_and", &axes.into(), operand);
    bind1(ReduceLogical { op: Op::And, axes }, &[operand])
}

/// Is any element over `axes` true? Integers: their bitwise or.
///
/// # Errors
/// As [`reduce_and`].
#[track_caller]
pub fn reduce_or(operand: &Array, axes: impl Into<Axes>) -> Array {
    let axes = axes_of("reduce_or", &axes.into(), operand);
    bind1(ReduceLogical { op: Op::Or, axes }, &[operand])
}

/// Is the number of true elements over `axes` odd? Integers: their bitwise exclusive or.
///
/// # Errors
/// As [`reduce_and`].
#[track_caller]
pub fn reduce_xor(operand: &Array, axes: impl Into<Axes>) -> Array {
    let axes = axes_of("reduce_xor", &axes.into(), operand);
    bind1(ReduceLogical { op: Op::Xor, axes }, &[operand])
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Op {
    And,
    Or,
    Xor,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct ReduceLogical {
    op: Op,
    axes: Shape,
}

impl Primitive for ReduceLogical {
    fn name(&self) -> &'static str {
        match self.op {
            Op::And => "reduce_and",
            Op::Or => "reduce_or",
            Op::Xor => "reduce_xor",
        }
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("axes", Param::Text(tuple(&self.axes)))]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [x] = check::arity(self, ins)?;
        if x.dtype().is_inexact() {
            bail!(DType, "logical reduction requires operand dtype bool or int, got {}", x.dtype());
        }
        check::axes(self, "axes", &self.axes, x)?;
        Ok(one(x.without_axes(&self.axes).with_weak_type(false)))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        let (body, init) = match self.op {
            Op::And => ("stablehlo.and", -1),
            Op::Or => ("stablehlo.or", 0),
            Op::Xor => ("stablehlo.xor", 0),
        };
        Ok(one(ctx.reduce(body, ins[0], Scalar::from_i128(outs[0].dtype(), init), &self.axes)))
    }
    /// Integers have no tangent.
    fn jvp(&self, primals: &[Array], _: &[Tangent]) -> Jvp {
        zero_jvp(self.clone(), primals)
    }
    /// axes at or after the mapped axis shift by one
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let dim = check::mapped(self, dims)?;
        let shifted = ReduceLogical { op: self.op, axes: shift_axes(&self.axes, dim) };
        one_batched(bind1(shifted, &[&args[0]]), Some(dim_after_reduce(&self.axes, dim)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;
    use crate::error::catch;
    use crate::lax::testing::{Draw, case, check_rules};

    #[test]
    fn rules() {
        let mut draw = Draw::new(6);
        let mut bits = |dtype, shape: &[usize]| draw.any_bits(dtype, shape);
        check_rules([
            case("and", [bits(DType::Bool, &[2, 3])], |x| reduce_and(&x[0], [1])),
            case("or", [bits(DType::I16, &[2, 3])], |x| reduce_or(&x[0], [0, 1])),
            case("xor", [bits(DType::U64, &[2, 3])], |x| reduce_xor(&x[0], [0])),
        ]);
    }

    #[test]
    fn integers_are_reduced_bit_by_bit() {
        let x = Array::from([0b1101i8, 0b0111]);
        let reduced = [reduce_and(&x, [0]), reduce_or(&x, [0]), reduce_xor(&x, [0])];
        assert_eq!(reduced.map(|x| x.item::<i8>().unwrap()), [0b0101, 0b1111, 0b1010]);
        assert!(reduce_and(&Array::from_slice::<bool>(&[], &[0]), [0]).item::<bool>().unwrap());
    }

    #[test]
    fn floats_are_rejected() {
        let e = catch(|| Ok(reduce_and(&Array::from([1.0f32]), [0]))).unwrap_err();
        assert_eq!(e.message(), "logical reduction requires operand dtype bool or int, got f32");
    }
}
