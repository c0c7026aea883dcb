//! `squeeze`: drops axes of size one; linear. JAX: `squeeze_p`. StableHLO: `reshape`.

use crate::arguments::Axes;
use crate::core::array::Array;
use crate::core::aval::{Avals, Shape, ShapedArray};
use crate::core::check;
use crate::core::key_uses::KeyUses;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    BatchDim, Batched, Ct, Jvp, LinearInput, LoweredValues, MappedAxis, Param, Primitive, Tangent, Transposed,
};
use crate::core::trace::bind1;
use crate::error::{Result, bail};
use crate::lax::common::arguments::axes_of;
use crate::lax::elementwise::{linear_ct, linear_jvp, one, one_batched, tuple};
use crate::lax::expand_dims;
use crate::lax::reduce_sum::{dim_after_reduce, shift_axes};
use crate::mlir::Value;

/// Drops axes of size one: `f32[1,3,1]`, dimensions `[0, -1]` -> `f32[3]`. Negative axes count from the end.
///
/// # Errors
/// `squeeze: cannot select an axis to squeeze out which has size not equal to one, got dimensions (0,) of operand f32[2,3]`; an
/// axis out of range or named twice.
#[track_caller]
pub fn squeeze(array: &Array, dimensions: impl Into<Axes>) -> Array {
    let mut dimensions = axes_of("squeeze", &dimensions.into(), array);
    if dimensions.is_empty() {
        return array.clone();
    }
    dimensions.sort_unstable();
    bind1(Squeeze { dimensions }, &[array])
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Squeeze {
    /// Sorted.
    dimensions: Shape,
}

impl Primitive for Squeeze {
    fn name(&self) -> &'static str {
        "squeeze"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("dimensions", Param::Text(tuple(&self.dimensions)))]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [x] = check::arity(self, ins)?;
        check::axes(self, "dimensions", &self.dimensions, x)?;
        if self.dimensions.iter().any(|d| x.shape()[*d] != 1) {
            bail!(
                Shape,
                "squeeze: cannot select an axis to squeeze out which has size not equal to one, got dimensions {} of operand {x}",
                tuple(&self.dimensions)
            );
        }
        Ok(one(x.without_axes(&self.dimensions)))
    }
    fn key_uses(&self, _: &[ShapedArray]) -> Result<Option<KeyUses>> {
        Ok(Some(KeyUses::forward()))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        Ok(one(ctx.reshape(ins[0], outs[0].shape())))
    }
    /// dy = dx squeezed
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        linear_jvp(self.clone(), primals, tangents)
    }
    /// x̄ = ȳ with the axes inserted again
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        Ok(linear_ct(cts, ins, |ct| expand_dims(ct, &self.dimensions)))
    }
    /// axes at or after the mapped axis shift by one
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let dim = check::mapped(self, dims)?;
        let axes = shift_axes(&self.dimensions, dim);
        let out_dim = dim_after_reduce(&axes, dim);
        one_batched(squeeze(&args[0], &axes), Some(out_dim))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType::{F32, I32};
    use crate::error::catch;
    use crate::lax::testing::{Draw, case, check_rules};

    #[test]
    fn rules_of_squeeze() {
        let mut draw = Draw::new(1);
        let shapes: [(&[usize], &[i64]); 5] = [
            (&[1], &[0]),
            (&[1, 3, 1], &[0, -1]),
            (&[2, 1, 3], &[1]),
            (&[1, 0], &[0]),
            (&[1, 1, 2], &[1, 0]),
        ];
        check_rules(shapes.into_iter().flat_map(|(shape, dims)| {
            [F32, I32].map(|d| case("squeeze", [draw.values(d, shape)], move |x| squeeze(&x[0], dims)))
        }));
    }

    #[test]
    fn squeeze_of_an_axis_of_another_size_is_rejected() {
        let x = Draw::new(1).values(F32, &[2, 1]);
        assert_eq!(
            message(|| squeeze(&x, [0])),
            "squeeze: cannot select an axis to squeeze out which has size not equal to one, got dimensions (0,) of operand f32[2,1]"
        );
        assert_eq!(
            message(|| squeeze(&x, [2])),
            "squeeze: axis 2 is out of bounds for array of dimension 2, got operand f32[2,1]"
        );
        assert_eq!(
            message(|| squeeze(&x, [1, -1])),
            "squeeze: duplicate value in axes [1, -1], got operand f32[2,1]"
        );
    }

    fn message(f: impl FnOnce() -> Array) -> String {
        catch(|| Ok(f())).unwrap_err().message().to_owned()
    }
}
