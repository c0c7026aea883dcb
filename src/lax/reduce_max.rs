//! `reduce_max`, `reduce_min`: the extremum over `axes`. JAX: `reduce_max_p`, `reduce_min_p`. StableHLO: `reduce` with
//! a `maximum` or `minimum` body.

use crate::arguments::Axes;
use crate::core::array::Array;
use crate::core::aval::{Avals, Shape, ShapedArray};
use crate::core::check;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{BatchDim, Batched, Jvp, LoweredValues, MappedAxis, Param, Primitive, Tangent};
use crate::core::trace::bind1;
use crate::error::Result;
use crate::lax::common::arguments::axes_of;
use crate::lax::convert_element_type::convert;
use crate::lax::elementwise::{one, one_batched, tuple, unary_jvp};
use crate::lax::extremum::{extremum, highest, lowest};
use crate::lax::reduce_sum::{dim_after_reduce, shift_axes};
use crate::lax::{div, eq, mul, reduce_sum, reshape};
use crate::mlir::{Value, Values, usize_array};

/// The largest element over `axes`, which are dropped; NaN if there is one; the dtype's lowest value if there is none.
/// Complex numbers are ordered by their real, then imaginary parts.
///
/// # Errors
/// `reduce_max: axis 2 is out of bounds for array of dimension 2, got operand f32[2,3]`; a repeated axis.
#[track_caller]
pub fn reduce_max(operand: &Array, axes: impl Into<Axes>) -> Array {
    let axes = axes_of("reduce_max", &axes.into(), operand);
    bind1(ReduceExtremum { max: true, axes }, &[operand])
}

/// The smallest element over `axes`, which are dropped; NaN if there is one; the dtype's highest value if there is none.
///
/// # Errors
/// As [`reduce_max`].
#[track_caller]
pub fn reduce_min(operand: &Array, axes: impl Into<Axes>) -> Array {
    let axes = axes_of("reduce_min", &axes.into(), operand);
    bind1(ReduceExtremum { max: false, axes }, &[operand])
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct ReduceExtremum {
    max: bool,
    axes: Shape,
}

/// dy = the mean of dx over the places where x = y
fn chooser_tangent(x: &Array, y: &Array, dx: &Array, axes: &[usize]) -> Array {
    let shape: Shape =
        x.shape().iter().enumerate().map(|(i, n)| if axes.contains(&i) { 1 } else { *n }).collect();
    let places = convert(&eq(x, &reshape(y, &shape)), dx.dtype(), false);
    let counts = reduce_sum(&places, axes);
    div(&reduce_sum(&mul(dx, &places), axes), &counts)
}

impl Primitive for ReduceExtremum {
    fn name(&self) -> &'static str {
        if self.max { "reduce_max" } else { "reduce_min" }
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("axes", Param::Text(tuple(&self.axes)))]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [x] = check::arity(self, ins)?;
        check::axes(self, "axes", &self.axes, x)?;
        check::no_float0(self, ins)?;
        Ok(one(x.without_axes(&self.axes)))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        let init = if self.max { lowest(outs[0].dtype()) } else { highest(outs[0].dtype()) };
        let (init, ty) = (ctx.constant(init), ctx.ty(&outs[0]));
        let attrs = format!("dimensions = {}", usize_array(&self.axes));
        let types = [init.ty(), init.ty()];
        ctx.op_with_region("stablehlo.reduce", &[ins[0], init], &attrs, &[ty], &types, |ctx, args| {
            Ok(Values::from_slice(&[extremum(ctx, self.max, args[0], args[1])]))
        })
    }
    /// dy = the mean of dx over the places where x = y
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        unary_jvp(self.clone(), primals, tangents, |x, y, dx| chooser_tangent(x, y, dx, &self.axes))
    }
    /// axes at or after the mapped axis shift by one
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let dim = check::mapped(self, dims)?;
        let shifted = ReduceExtremum { max: self.max, axes: shift_axes(&self.axes, dim) };
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
        let mut draw = Draw::new(5);
        let mut distinct = |dtype, shape: &[usize]| draw.distinct(dtype, shape);
        check_rules([
            case("max", [distinct(DType::F32, &[2, 3])], |x| reduce_max(&x[0], [1])),
            case("min", [distinct(DType::F32, &[2, 3, 2])], |x| reduce_min(&x[0], [2, 0])),
            case("ints", [distinct(DType::I32, &[2, 3])], |x| reduce_min(&x[0], [0])),
            case("complex", [distinct(DType::C64, &[2, 3])], |x| reduce_max(&x[0], [1])),
        ]);
    }

    #[test]
    fn nan_wins_and_nothing_gives_the_identity() {
        let x = Array::from([1.0f32, f32::NAN, 2.0]);
        assert!(reduce_max(&x, [0]).item::<f32>().unwrap().is_nan());
        assert!(reduce_min(&x, [0]).item::<f32>().unwrap().is_nan());
        let none = Array::from_slice::<i8>(&[], &[0]);
        assert_eq!(reduce_max(&none, [0]).item::<i8>().unwrap(), i8::MIN);
        assert_eq!(reduce_min(&none, [0]).item::<i8>().unwrap(), i8::MAX);
        let none = Array::from_slice::<u32>(&[], &[0]);
        assert_eq!(reduce_min(&none, [0]).item::<u32>().unwrap(), u32::MAX);
        assert!(!reduce_max(&Array::from([false, false]), [0]).item::<bool>().unwrap());
    }

    #[test]
    fn a_repeated_axis_is_rejected() {
        let e = catch(|| Ok(reduce_max(&Array::from([1.0f32]), [0, 0]))).unwrap_err();
        assert_eq!(e.message(), "reduce_max: duplicate value in axes [0, 0], got operand f32[1]");
    }
}
