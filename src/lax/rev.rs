//! `rev`: reverses axes; linear. JAX: `rev_p`. StableHLO: `reverse`.

use crate::arguments::Axes;
use crate::core::array::Array;
use crate::core::aval::{Avals, Shape, ShapedArray};
use crate::core::check;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    BatchDim, Batched, Ct, Jvp, LinearInput, LoweredValues, MappedAxis, Param, Primitive, Tangent, Transposed,
};
use crate::core::trace::bind1;
use crate::error::Result;
use crate::lax::common::arguments::axes_of;
use crate::lax::elementwise::{linear_ct, linear_jvp, one, one_batched, tuple};
use crate::lax::reduce_sum::shift_axes;
use crate::mlir::{Value, usize_array};

/// The elements in reverse order along each axis of `dimensions`.
///
/// # Errors
/// `rev: axis 2 is out of bounds for array of dimension 2, got operand f32[2,3]`; an axis named twice.
#[track_caller]
pub fn rev(operand: &Array, dimensions: impl Into<Axes>) -> Array {
    bind1(Rev { dimensions: axes_of("rev", &dimensions.into(), operand) }, &[operand])
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Rev {
    dimensions: Shape,
}

impl Primitive for Rev {
    fn name(&self) -> &'static str {
        "rev"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("dimensions", Param::Text(tuple(&self.dimensions)))]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [x] = check::arity(self, ins)?;
        check::axes(self, "dimensions", &self.dimensions, x)?;
        Ok(one(*x))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        let attrs = format!("dimensions = {}", usize_array(&self.dimensions));
        Ok(one(ctx.op_aval("stablehlo.reverse", ins, &attrs, &outs[0])))
    }
    /// dy = dx reversed
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        linear_jvp(self.clone(), primals, tangents)
    }
    /// x̄ = ȳ reversed
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        Ok(linear_ct(cts, ins, |ct| rev(ct, &self.dimensions)))
    }
    /// axes at or after the mapped axis shift by one
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let dim = check::mapped(self, dims)?;
        one_batched(rev(&args[0], shift_axes(&self.dimensions, dim)), Some(dim))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType::{BF16, Bool, C64, F32, I32};
    use crate::error::catch;
    use crate::lax::testing::{Draw, case, check_rules};

    #[test]
    fn rules_of_rev() {
        let mut draw = Draw::new(1);
        let shapes: [(&[usize], &[usize]); 6] = [
            (&[3], &[0]),
            (&[2, 3], &[0, 1]),
            (&[2, 3, 2], &[2, 0]),
            (&[0, 2], &[0]),
            (&[1], &[0]),
            (&[2], &[]),
        ];
        check_rules(shapes.into_iter().flat_map(|(shape, dims)| {
            [F32, BF16, C64, I32, Bool]
                .map(|d| case("rev", [draw.values(d, shape)], move |x| rev(&x[0], dims)))
        }));
    }

    #[test]
    fn rev_of_a_missing_or_repeated_axis_is_rejected() {
        let x = Draw::new(1).values(F32, &[2, 3]);
        assert_eq!(
            message(|| rev(&x, [2])),
            "rev: axis 2 is out of bounds for array of dimension 2, got operand f32[2,3]"
        );
        assert_eq!(message(|| rev(&x, [1, 1])), "rev: duplicate value in axes [1, 1], got operand f32[2,3]");
    }

    fn message(f: impl FnOnce() -> Array) -> String {
        catch(|| Ok(f())).unwrap_err().message().to_owned()
    }
}
