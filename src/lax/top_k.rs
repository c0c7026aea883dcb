//! `top_k`: the largest elements along an axis, and where they are. JAX: `top_k_p`. CHLO: `top_k`.

use smallvec::{SmallVec, smallvec};

use crate::arguments::Axis;
use crate::core::array::Array;
use crate::core::aval::{Avals, Shape, ShapedArray};
use crate::core::check;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{BatchDim, Batched, Jvp, LoweredValues, MappedAxis, Param, Primitive, Tangent};
use crate::core::trace::bind_all;
use crate::dtype::DType;
use crate::error::{Result, bail};
use crate::lax::common::arguments::axis_of;
use crate::lax::elementwise::tuple;
use crate::lax::indexing::GatherScatterMode;
use crate::lax::narrow;
use crate::lax::sort::take_along;
use crate::mlir::{Value, Values};

/// The `k` largest elements along `axis` in descending order (NaN first, of equals the one in front), and their indices
/// as `i32`. JAX's default axis is -1.
///
/// # Errors
/// `k argument to top_k must be no larger than size along axis; got k=4 with shape=(2, 3) and axis=1`; complex operands.
#[track_caller]
pub fn top_k(operand: &Array, k: usize, axis: impl Into<Axis>) -> (Array, Array) {
    let axis = axis_of("top_k", axis.into(), operand);
    let mut outs = bind_all(TopK { k, axis }, &[operand]);
    let indices = outs.swap_remove(1);
    (outs.swap_remove(0), indices)
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct TopK {
    k: usize,
    axis: usize,
}

impl Primitive for TopK {
    fn name(&self) -> &'static str {
        "top_k"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("axis", Param::Text(self.axis.to_string())), ("k", Param::Text(self.k.to_string()))]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [x] = check::arity(self, ins)?;
        if x.dtype().is_complex() {
            bail!(DType, "top_k is not compatible with complex inputs");
        }
        if x.shape().get(self.axis).is_none_or(|n| *n < self.k) {
            bail!(
                Shape,
                "k argument to top_k must be no larger than size along axis; got k={} with shape={} and axis={}",
                self.k,
                tuple(x.shape()),
                self.axis
            );
        }
        let values = x.with_size(self.axis, self.k);
        let indices = values.with_dtype(DType::I32);
        Ok([values, indices].into_iter().collect())
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        narrow::refuse(ctx, "top_k", ins, narrow::SUB_BYTE)?;
        // The operation works along the last axis.
        let last = outs[0].ndim() - 1;
        let mut permutation: Shape = (0..=last).collect();
        permutation.swap(self.axis, last);
        let moved = self.axis != last;
        let x = if moved { ctx.transpose(ins[0], &permutation) } else { ins[0] };
        let mut shape = Shape::from_slice(outs[0].shape());
        shape.swap(self.axis, last);
        let types = [ctx.tensor(outs[0].dtype(), &shape), ctx.tensor(DType::I32, &shape)];
        let found = ctx.op("chlo.top_k", &[x], &format!("k = {} : i64", self.k), &types);
        if !moved {
            return Ok(found);
        }
        Ok(found.iter().map(|x| ctx.transpose(*x, &permutation)).collect::<Values>())
    }
    /// dy = dx at the indices
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        let outs = bind_all(self.clone(), &[&primals[0]]);
        let tangent = tangents[0]
            .as_ref()
            .map(|dx| take_along(dx, &outs[1], self.axis, GatherScatterMode::PromiseInBounds));
        Ok((outs, smallvec![tangent, None]))
    }
    /// an axis at or after the mapped axis shifts by one
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let dim = check::mapped(self, dims)?;
        let prim = TopK { k: self.k, axis: self.axis + usize::from(dim <= self.axis) };
        Ok((bind_all(prim, &[&args[0]]), SmallVec::from_elem(Some(dim), 2)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::catch;
    use crate::lax::testing::{Draw, case, check_rules};

    #[test]
    fn rules() {
        let mut draw = Draw::new(22);
        let mut distinct = |dtype, shape: &[usize]| draw.distinct(dtype, shape);
        check_rules([
            case("last axis", [distinct(DType::F32, &[2, 5])], |x| top_k(&x[0], 3, -1)),
            case("first axis", [distinct(DType::F32, &[4, 2])], |x| top_k(&x[0], 2, 0)),
            case("ints", [distinct(DType::I32, &[5])], |x| top_k(&x[0], 5, 0)),
        ]);
    }

    #[test]
    fn nan_is_first_and_equals_stay_in_order() {
        let x = Array::from([1.0f32, f32::NAN, 3.0, f32::NAN, -0.0, 0.0]);
        let (_, indices) = top_k(&x, 6, -1);
        assert_eq!(indices.to_vec::<i32>().unwrap(), [1, 3, 2, 0, 5, 4]);
        let (_, indices) = top_k(&Array::from([1u8, 1, 2]), 3, -1);
        assert_eq!(indices.to_vec::<i32>().unwrap(), [2, 0, 1]);
    }

    #[test]
    fn parameters_are_checked() {
        let e = catch(|| Ok(top_k(&Array::from([[1.0f32]]), 2, -1))).unwrap_err();
        assert_eq!(
            e.message(),
            "k argument to top_k must be no larger than size along axis; got k=2 with shape=(1, 1) and axis=1"
        );
        let e = catch(|| Ok(top_k(&Array::scalar(1.0f32), 1, -1))).unwrap_err();
        assert_eq!(
            e.message(),
            "top_k: axis -1 is out of bounds for array of dimension 0, got operand f32[]"
        );
    }
}
