//! `split`: cuts an array into pieces along one axis; linear. JAX: `split_p`. StableHLO: `slice`.

use smallvec::{SmallVec, smallvec};

use crate::arguments::{Axis, Dims};
use crate::core::array::Array;
use crate::core::aval::{Avals, Shape, ShapedArray};
use crate::core::check;
use crate::core::key_uses::KeyUses;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    BatchDim, Batched, Ct, Jvp, LinearInput, LoweredValues, MappedAxis, Param, Primitive, Tangent, Transposed,
};
use crate::core::trace::bind_all;
use crate::error::{Result, bail};
use crate::lax::common::arguments::{axis_of, sizes_of};
use crate::lax::elementwise::{one, tuple};
use crate::lax::slice::slice_value;
use crate::lax::{concatenate, zeros_like_aval};
use crate::mlir::Value;

/// Cuts `operand` into pieces of `sizes` along `axis` (JAX's default is 0): `f32[5]`, sizes `[2, 3]` -> `f32[2]`,
/// `f32[3]`.
///
/// # Errors
/// `split: Sum of sizes 4 must be equal to dimension 0 of the operand shape (5,), got 2 sizes (2, 2)`; an axis out of range.
#[track_caller]
pub fn split(operand: &Array, sizes: impl Into<Dims>, axis: impl Into<Axis>) -> Vec<Array> {
    let axis = axis_of("split", axis.into(), operand);
    bind_all(Split { sizes: sizes_of("split", &sizes.into()), axis }, &[operand]).into_vec()
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Split {
    sizes: Shape,
    axis: usize,
}

impl Primitive for Split {
    fn name(&self) -> &'static str {
        "split"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("axis", Param::Text(self.axis.to_string())), ("sizes", Param::Text(tuple(&self.sizes)))]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [x] = check::arity(self, ins)?;
        check::axes(self, "axis", &[self.axis], x)?;
        let sum: usize = self.sizes.iter().sum();
        if sum != x.shape()[self.axis] {
            bail!(
                Shape,
                "split: Sum of sizes {sum} must be equal to dimension {} of the operand shape {}, got {} sizes {}",
                self.axis,
                tuple(x.shape()),
                self.sizes.len(),
                tuple(&self.sizes)
            );
        }
        Ok(self.sizes.iter().map(|n| x.with_size(self.axis, *n)).collect())
    }
    fn key_uses(&self, ins: &[ShapedArray]) -> Result<Option<KeyUses>> {
        Ok((self.axis + 1 < ins[0].ndim()).then(|| KeyUses::remade(1, self.sizes.len())))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], _: &[ShapedArray]) -> LoweredValues {
        let mut limits = ctx.shape(ins[0]);
        let mut starts: Shape = smallvec![0; limits.len()];
        let strides: Shape = smallvec![1; limits.len()];
        limits[self.axis] = 0;
        Ok(self
            .sizes
            .iter()
            .map(|n| {
                starts[self.axis] = limits[self.axis];
                limits[self.axis] += n;
                slice_value(ctx, ins[0], &starts, &limits, &strides)
            })
            .collect())
    }
    /// d split(x) = split(dx)
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        let axis = self.axis as i64;
        let outs = split(&primals[0], &self.sizes, axis);
        let tangents = match &tangents[0] {
            Some(dx) => split(dx, &self.sizes, axis).into_iter().map(Some).collect(),
            None => outs.iter().map(|_| None).collect(),
        };
        Ok((outs.into(), tangents))
    }
    /// x̄ = concatenate(ȳ)
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        if cts.iter().all(Option::is_none) || !ins[0].is_linear() {
            return Ok(one(None));
        }
        let operand = ins[0].aval();
        let parts: SmallVec<[Array; 4]> = cts
            .iter()
            .zip(&self.sizes)
            .map(|(ct, n)| ct.clone().unwrap_or_else(|| zeros_like_aval(&operand.with_size(self.axis, *n))))
            .collect();
        Ok(one(Some(concatenate(&parts, self.axis))))
    }
    /// an axis at or after the mapped axis shifts by one
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let dim = check::mapped(self, dims)?;
        let axis = if self.axis >= dim { self.axis + 1 } else { self.axis };
        let outs = split(&args[0], &self.sizes, axis as i64);
        let dims = outs.iter().map(|_| Some(dim)).collect();
        Ok((outs.into(), dims))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType::{F32, I32};
    use crate::error::catch;
    use crate::lax::testing::{Draw, case, check_rules};

    #[test]
    fn rules_of_split() {
        let mut draw = Draw::new(1);
        let cases: [(&[usize], &[usize], i64); 4] =
            [(&[5], &[2, 0, 3], 0), (&[2, 3], &[1, 2], -1), (&[0, 2], &[0], 0), (&[3, 1], &[1, 1, 1], 0)];
        check_rules(cases.into_iter().flat_map(|(shape, sizes, axis)| {
            [F32, I32].map(|d| case("split", [draw.values(d, shape)], move |x| split(&x[0], sizes, axis)))
        }));
    }

    #[test]
    fn a_split_with_only_some_pieces_used_has_a_gradient() {
        let x = Draw::new(1).values(F32, &[5]);
        check_rules([case("split", [x], |x| split(&x[0], [2, 3], 0).swap_remove(1))]);
    }

    #[test]
    fn split_sizes_that_do_not_add_up_are_rejected() {
        let x = Draw::new(1).values(F32, &[5]);
        let error = catch(|| Ok(split(&x, [2, 2], 0))).unwrap_err();
        assert_eq!(
            error.message(),
            "split: Sum of sizes 4 must be equal to dimension 0 of the operand shape (5,), got 2 sizes (2, 2)"
        );
        let error = catch(|| Ok(split(&x, [5], 1))).unwrap_err();
        assert_eq!(
            error.message(),
            "split: axis 1 is out of bounds for array of dimension 1, got operand f32[5]"
        );
    }
}
