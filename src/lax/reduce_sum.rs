//! `reduce_sum`: sum over `axes`; linear. JAX: `reduce_sum_p`. StableHLO: `reduce` with an `add` body.

use crate::arguments::Axes;
use crate::core::array::Array;
use crate::core::aval::{Avals, Shape, ShapedArray};
use crate::core::check;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    BatchDim, Batched, Ct, Jvp, LinearInput, LoweredValues, MappedAxis, Param, Primitive, Tangent, Transposed,
};
use crate::core::scalar::Scalar;
use crate::core::small::small;
use crate::core::trace::bind1;
use crate::error::{Result, bail};
use crate::lax::broadcast_in_dim::broadcast_to;
use crate::lax::common::arguments::axes_of;
use crate::lax::elementwise::{linear_ct, linear_jvp, one, one_batched, tuple};
use crate::mlir::Value;

/// Sums `operand` over `axes` and drops them: `f32[2,3]`, axes `[1]` -> `f32[2]`. Numbers of any dtype.
///
/// # Errors
/// `reduce_sum: axis 2 is out of bounds for array of dimension 2, got operand f32[2,3]`; a repeated axis.
#[track_caller]
pub fn reduce_sum(operand: &Array, axes: impl Into<Axes>) -> Array {
    summed(operand, axes_of("reduce_sum", &axes.into(), operand))
}

/// [`reduce_sum`] for rules, which know positions.
#[track_caller]
pub(crate) fn summed(operand: &Array, axes: Shape) -> Array {
    if axes.is_empty() {
        return operand.clone();
    }
    bind1(ReduceSum { axes }, &[operand])
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct ReduceSum {
    axes: Shape,
}

/// Axes of each example, in an array that carries the mapped axis at `dim`.
pub(crate) fn shift_axes(axes: &[usize], dim: usize) -> Shape {
    axes.iter().map(|a| if *a >= dim { a + 1 } else { *a }).collect()
}

/// Where the mapped axis is once `axes` (of each example) have been dropped.
pub(crate) fn dim_after_reduce(axes: &[usize], dim: usize) -> usize {
    dim - axes.iter().filter(|a| **a < dim).count()
}

impl Primitive for ReduceSum {
    fn name(&self) -> &'static str {
        "reduce_sum"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("axes", Param::Text(tuple(&self.axes))), ("out_sharding", Param::Text("None".into()))]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [x] = check::arity(self, ins)?;
        check::axes(self, "axes", &self.axes, x)?;
        check::no_float0(self, ins)?;
        if x.dtype().is_bool() {
            bail!(DType, "reduce_sum does not accept dtype bool: convert to an integer dtype first");
        }
        Ok(one(x.without_axes(&self.axes)))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        Ok(one(ctx.reduce("stablehlo.add", ins[0], Scalar::from_f64(outs[0].dtype(), 0.0), &self.axes)))
    }
    /// dy = sum(dx)
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        linear_jvp(self.clone(), primals, tangents)
    }
    /// x̄ = ȳ copied along the summed axes
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        Ok(linear_ct(cts, ins, |ct| {
            let shape = ins[0].aval().shape();
            let kept = small((0..shape.len()).filter(|i| !self.axes.contains(i)));
            broadcast_to(ct, Shape::from_slice(shape), kept)
        }))
    }
    /// axes at or after the mapped axis shift by one
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let dim = check::mapped(self, dims)?;
        let out = summed(&args[0], shift_axes(&self.axes, dim));
        one_batched(out, Some(dim_after_reduce(&self.axes, dim)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;
    use crate::error::{ErrorKind, catch};
    use crate::lax::testing::{Draw, INEXACTS, case, check_rules};

    #[test]
    fn rules_of_reduce_sum() {
        let mut draw = Draw::new(105);
        let cases: [(&[usize], &[usize]); 5] =
            [(&[2, 5], &[1]), (&[3, 2, 2], &[2, 0]), (&[3, 2], &[]), (&[0, 2], &[0]), (&[], &[])];
        let dtypes = INEXACTS.into_iter().chain([DType::I32, DType::U8]);
        check_rules(dtypes.flat_map(|d| {
            cases.map(|(shape, axes)| {
                case("reduce_sum", [draw.values(d, shape)], move |x| reduce_sum(&x[0], axes))
            })
        }));
    }

    #[test]
    fn reduce_sum_of_an_axis_out_of_range_is_rejected() {
        let x = Array::from([[1.0f32, 2.0]]);
        let e = catch(|| Ok(reduce_sum(&x, [2]))).unwrap_err();
        assert_eq!(
            e.message(),
            "reduce_sum: axis 2 is out of bounds for array of dimension 2, got operand f32[1,2]"
        );
    }

    #[test]
    fn reduce_sum_of_a_repeated_axis_is_rejected() {
        let x = Array::from([[1.0f32, 2.0]]);
        assert_eq!(catch(|| Ok(reduce_sum(&x, [1, 1]))).unwrap_err().kind(), ErrorKind::Shape);
    }
}
