//! `clamp`: limits each element to an interval. JAX: `clamp_p`. StableHLO: `clamp`.

use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::check;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{BatchDim, Batched, Jvp, LoweredValues, MappedAxis, Primitive, Tangent};
use crate::core::trace::bind1;
use crate::error::{Result, bail};
use crate::lax::elementwise::{
    ANY, add_tangents, broadcast_tangent, full_batched, nary_lower, one, one_batched, one_dtype, tuple,
};
use crate::lax::{bitwise_and, gt, lt, select, zeros_like};
use crate::mlir::Value;

/// Elementwise `min` where `x < min`, `max` where `x > max`, `x` elsewhere. Operands of one dtype; `min` and `max` are
/// scalars or of the shape of `x`.
///
/// # Errors
/// `clamp requires min.shape == operand.shape or min.shape == (), got min.shape=(2,), operand.shape=(3,)`; operands of
/// different dtypes.
#[track_caller]
pub fn clamp(min: &Array, x: &Array, max: &Array) -> Array {
    bind1(Clamp, &[min, x, max])
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Clamp;

impl Primitive for Clamp {
    fn name(&self) -> &'static str {
        "clamp"
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [min, x, max] = check::arity(self, ins)?;
        let dtype = one_dtype(self, ins, ANY)?;
        for (name, bound) in [("min", min), ("max", max)] {
            if bound.ndim() > 0 && bound.shape() != x.shape() {
                bail!(
                    Shape,
                    "clamp requires {name}.shape == operand.shape or {name}.shape == (), got {name}.shape={}, \
                     operand.shape={}",
                    tuple(bound.shape()),
                    tuple(x.shape())
                );
            }
        }
        Ok(one(ShapedArray::result(ins, x.shape(), dtype)))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        nary_lower(ctx, "stablehlo.clamp", ins, outs)
    }
    /// dy = dmin where x < min < max, dx where min < x < max, dmax where max < x, 0 elsewhere
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        let [min, x, max] = primals else { bail!(Internal, "clamp: takes 3 operands") };
        let y = clamp(min, x, max);
        let part = |g: &Tangent, chosen: &dyn Fn() -> Array| {
            g.clone().map(|g| {
                let g = broadcast_tangent(g, &y);
                select(&chosen(), &g, &zeros_like(&g))
            })
        };
        let below = part(&tangents[0], &|| bitwise_and(&gt(min, x), &lt(min, max)));
        let within = part(&tangents[1], &|| bitwise_and(&gt(x, min), &lt(x, max)));
        let above = part(&tangents[2], &|| lt(max, x));
        Ok((one(y), one(add_tangents(add_tangents(below, within), above))))
    }
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let [min, x, max] = args else { bail!(Internal, "clamp: takes 3 operands") };
        let in_place = |bound: &Array, dim: BatchDim| match dim {
            None => bound.ndim() == 0,
            Some(_) => dim == dims[1] && bound.ndim() == x.ndim(),
        };
        if dims[1].is_some() && in_place(min, dims[0]) && in_place(max, dims[2]) {
            return one_batched(clamp(min, x, max), dims[1]);
        }
        let args = full_batched(args, dims, &[true, false, true]);
        one_batched(clamp(&args[0], &args[1], &args[2]), Some(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;
    use crate::lax::testing::{Draw, case, check_rules, message_of};

    #[test]
    fn rules_of_clamp() {
        let mut draw = Draw::new(29);
        check_rules([DType::BF16, DType::F32, DType::F64, DType::I32].into_iter().flat_map(|d| {
            let x = draw.uniform(d, &[3, 2], -4.0, 4.0);
            let bounds = |shape: &[usize], draw: &mut Draw| {
                [draw.uniform(d, shape, -2.0, -1.0), draw.uniform(d, shape, 1.0, 2.0)]
            };
            let shapes: [[&[usize]; 2]; 4] = [[&[], &[]], [&[3, 2], &[3, 2]], [&[], &[3, 2]], [&[3, 2], &[]]];
            shapes.map(|[a, b]| {
                let ([min, _], [_, max]) = (bounds(a, &mut draw), bounds(b, &mut draw));
                case("clamp", [min, x.clone(), max], |x| clamp(&x[0], &x[1], &x[2]))
            })
        }));
        let scalars = [0.0, 0.5, 1.0].map(|v| draw.uniform(DType::F32, &[], v, v + 0.1));
        check_rules([case("clamp", scalars, |x| clamp(&x[0], &x[1], &x[2]))]);
    }

    #[test]
    fn a_bound_of_another_shape_is_rejected() {
        let (min, x) = (Array::from([0.0f32, 0.0]), Array::from([0.0f32, 1.0, 2.0]));
        assert_eq!(
            message_of(|| clamp(&min, &x, &x)),
            "clamp requires min.shape == operand.shape or min.shape == (), got min.shape=(2,), operand.shape=(3,)"
        );
    }
}
