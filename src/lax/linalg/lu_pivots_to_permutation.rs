//! `lu_pivots_to_permutation`: the permutation that exchanges of rows make. JAX: `lu_pivots_to_permutation_p`. StableHLO: a loop.

use super::matrices::{batch_shape, batched_in_front, behind};
use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::check;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{BatchDim, Batched, Jvp, LoweredValues, MappedAxis, Param, Primitive, Tangent};
use crate::core::scalar::Scalar;
use crate::core::trace::bind1;
use crate::dtype::DType;
use crate::error::{Result, bail};
use crate::lax::elementwise::{one, one_dtype, zero_jvp};
use crate::mlir::Value;

/// The permutation that [`lu`](super::lu()) gives, of its `pivots: i32[..,k]`: `i32[..,permutation_size]`, at least `k`.
///
/// ```
/// use raxla::{Array, lax::linalg};
///
/// let permutation = linalg::lu_pivots_to_permutation(&Array::from([2, 2]), 3);
/// assert_eq!(permutation.to_vec::<i32>()?, [2, 0, 1]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `Output permutation size 2 has to exceed the trailing dimension of the pivots. Got pivots size 3`; a dtype other than `i32`.
#[track_caller]
pub fn lu_pivots_to_permutation(pivots: &Array, permutation_size: usize) -> Array {
    bind1(LuPivotsToPermutation { permutation_size }, &[pivots])
}

/// Rows of `i32[..,m]` with the elements at `i` and at `j: i32[..]` exchanged.
pub(super) fn exchanged(ctx: &mut LoweringCtx, x: Value, i: Value, j: Value) -> Value {
    let shape = ctx.shape(x);
    let last = shape.len() - 1;
    let front: Vec<usize> = (0..last).collect();
    let place = ctx.iota(DType::I32, &shape, last);
    let [at_i, at_j] = [(i, &[][..]), (j, &front)].map(|(at, dims)| {
        let at = ctx.broadcast_in_dim(at, &shape, dims);
        ctx.compare("EQ", place, at)
    });
    let zero = Scalar::from_i128(DType::I32, 0);
    let zeros = ctx.full(zero, &shape);
    let [of_i, of_j] = [at_i, at_j].map(|mask| {
        let element = ctx.select(mask, x, zeros);
        let element = ctx.reduce("stablehlo.add", element, zero, &[last]);
        ctx.broadcast_in_dim(element, &shape, &front)
    });
    let x = ctx.select(at_j, of_i, x);
    ctx.select(at_i, of_j, x)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct LuPivotsToPermutation {
    permutation_size: usize,
}

impl Primitive for LuPivotsToPermutation {
    fn name(&self) -> &'static str {
        "lu_pivots_to_permutation"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("permutation_size", Param::Text(self.permutation_size.to_string()))]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [pivots] = check::arity(self, ins)?;
        let batch = batch_shape(self, ins, &[1])?;
        let dtype = one_dtype(self, ins, |dtype| dtype == DType::I32)?;
        let (size, k) = (self.permutation_size, pivots.shape()[pivots.ndim() - 1]);
        if size < k {
            bail!(
                Shape,
                "Output permutation size {size} has to exceed the trailing dimension of the pivots. Got pivots size {k}"
            );
        }
        Ok(one(ShapedArray::result(ins, &behind(batch, &[size]), dtype)))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        let (pivots, shape) = (ins[0], outs[0].shape());
        let last = shape.len() - 1;
        let k = ctx.dims(pivots)[last];
        let start = ctx.iota(DType::I32, shape, last);
        if k == 0 || shape.contains(&0) {
            return Ok(one(start));
        }
        let zero = Scalar::from_i128(DType::I32, 0);
        let init = [ctx.constant(zero), start, pivots];
        let types = init.map(Value::ty);
        let outs = ctx.begin_op_with_regions("stablehlo.while", &init, &types);
        let at = ctx.begin_region(&types);
        let end = ctx.constant(Scalar::from_i128(DType::I32, k as i128));
        let more = ctx.compare("LT", at[0], end);
        ctx.end_region(&[more]);
        let at = ctx.begin_region(&types);
        let [i, permutation, pivots] = [at[0], at[1], at[2]];
        let pivot_shape = ctx.shape(pivots);
        let (place, here) =
            (ctx.iota(DType::I32, &pivot_shape, last), ctx.broadcast_in_dim(i, &pivot_shape, &[]));
        let (on, zeros) = (ctx.compare("EQ", place, here), ctx.full(zero, &pivot_shape));
        let pivot = ctx.select(on, pivots, zeros);
        let pivot = ctx.reduce("stablehlo.add", pivot, zero, &[last]);
        let next = exchanged(ctx, permutation, i, pivot);
        let step = ctx.constant(Scalar::from_i128(DType::I32, 1));
        let more = ctx.op1("stablehlo.add", &[i, step], "", i.ty());
        ctx.end_region(&[more, next, pivots]);
        ctx.end_op_with_regions(&init, "", &outs);
        Ok(one(outs[1]))
    }
    /// 0
    fn jvp(&self, primals: &[Array], _: &[Tangent]) -> Jvp {
        zero_jvp(*self, primals)
    }
    /// the mapped axis goes in front
    fn batch(&self, axis: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        batched_in_front(*self, axis, args, dims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lax::testing::{case, check_rules, message_of};
    use crate::lax::zeros;

    #[test]
    fn rules() {
        let of = |x: &[Array]| lu_pivots_to_permutation(&x[0], 4);
        check_rules([
            case("list", [Array::from([3, 3, 2])], of),
            case("lists", [Array::from([[3, 1], [1, 3]])], of),
            case("none", [zeros(DType::I32, &[0])], of),
            case("no lists", [zeros(DType::I32, &[0, 2])], of),
        ]);
    }

    #[test]
    fn operands_are_checked() {
        assert_eq!(
            message_of(|| lu_pivots_to_permutation(&zeros(DType::I32, &[3]), 2)),
            "Output permutation size 2 has to exceed the trailing dimension of the pivots. Got pivots size 3"
        );
        assert_eq!(
            message_of(|| lu_pivots_to_permutation(&zeros(DType::F32, &[3]), 4)),
            "lu_pivots_to_permutation does not accept dtype f32. Accepted dtypes are i32"
        );
    }
}
