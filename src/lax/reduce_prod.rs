//! `reduce_prod`: product over `axes`. JAX: `reduce_prod_p`. StableHLO: `reduce` with a `multiply` body.

use crate::arguments::Axes;
use crate::core::array::Array;
use crate::core::aval::{Avals, Shape, ShapedArray};
use crate::core::check;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{BatchDim, Batched, Jvp, LoweredValues, MappedAxis, Param, Primitive, Tangent};
use crate::core::scalar::Scalar;
use crate::core::trace::bind1;
use crate::error::Result;
use crate::lax::common::arguments::axes_of;
use crate::lax::elementwise::{NUMBER, one, one_batched, one_dtype, tuple};
use crate::lax::full::{literal, literal_like};
use crate::lax::reduce_sum::{dim_after_reduce, shift_axes};
use crate::lax::{add_any, mul, pad, reshape, slice, squeeze, transpose, zeros};
use crate::mlir::Value;

/// Multiplies `operand` over `axes` and drops them: `f32[2,3]`, axes `[1]` -> `f32[2]`. Numbers of any dtype.
///
/// # Errors
/// `reduce_prod: axis 2 is out of bounds for array of dimension 2, got operand f32[2,3]`; a repeated axis; `bool`.
#[track_caller]
pub fn reduce_prod(operand: &Array, axes: impl Into<Axes>) -> Array {
    let axes = axes_of("reduce_prod", &axes.into(), operand);
    bind1(ReduceProd { axes }, &[operand])
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct ReduceProd {
    axes: Shape,
}

/// The reduced axes as one in front.
fn flatten(x: &Array, axes: &[usize]) -> Array {
    let kept = (0..x.ndim()).filter(|i| !axes.contains(i));
    let permutation: Shape = axes.iter().copied().chain(kept.clone()).collect();
    let n = axes.iter().map(|a| x.shape()[*a]).product();
    let shape: Shape = std::iter::once(n).chain(kept.map(|i| x.shape()[i])).collect();
    reshape(&transpose(x, &permutation), &shape)
}

/// Elements `start..limit` along the first axis.
fn rows(x: &Array, start: usize, limit: usize) -> Array {
    let mut starts = Shape::from_elem(0, x.ndim());
    let mut limits = Shape::from_slice(x.shape());
    (starts[0], limits[0]) = (start, limit);
    slice(x, &starts, &limits)
}

/// One more element `value` along the first axis.
fn pad_row(x: &Array, value: f64) -> Array {
    let mut config = vec![(0, 0, 0); x.ndim()];
    config[0] = (0, 1, 0);
    pad(x, literal_like(x, value), &config)
}

impl Primitive for ReduceProd {
    fn name(&self) -> &'static str {
        "reduce_prod"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("axes", Param::Text(tuple(&self.axes)))]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [x] = check::arity(self, ins)?;
        check::axes(self, "axes", &self.axes, x)?;
        one_dtype(self, ins, NUMBER)?;
        Ok(one(x.without_axes(&self.axes)))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        let init = Scalar::from_f64(outs[0].dtype(), 1.0);
        Ok(one(ctx.reduce("stablehlo.multiply", ins[0], init, &self.axes)))
    }
    /// dy = Σᵢ dxᵢ Πⱼ≠ᵢ xⱼ, by halves so that no factor is divided by: d(ab) = da b + a db
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        let Some(dx) = &tangents[0] else {
            return Ok((one(reduce_prod(&primals[0], &self.axes)), one(None)));
        };
        let (mut x, mut dx) = (flatten(&primals[0], &self.axes), flatten(dx, &self.axes));
        if x.shape()[0] == 0 {
            let shape = &x.shape()[1..];
            let zero = zeros(dx.dtype(), shape);
            return Ok((one(crate::lax::full(shape, literal(x.dtype(), 1.0))), one(Some(zero))));
        }
        while x.shape()[0] > 1 {
            let n = x.shape()[0];
            let half = n.div_ceil(2);
            let (a, da) = (rows(&x, 0, half), rows(&dx, 0, half));
            let (mut b, mut db) = (rows(&x, half, n), rows(&dx, half, n));
            if n % 2 == 1 {
                (b, db) = (pad_row(&b, 1.0), pad_row(&db, 0.0));
            }
            (x, dx) = (mul(&a, &b), add_any(&mul(&da, &b), &mul(&a, &db)));
        }
        Ok((one(squeeze(&x, [0])), one(Some(squeeze(&dx, [0])))))
    }
    /// axes at or after the mapped axis shift by one
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let dim = check::mapped(self, dims)?;
        one_batched(
            reduce_prod(&args[0], shift_axes(&self.axes, dim)),
            Some(dim_after_reduce(&self.axes, dim)),
        )
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
        let mut draw = Draw::new(3);
        let mut values = |dtype, shape: &[usize]| draw.values(dtype, shape);
        check_rules([
            case("one axis", [values(DType::F32, &[2, 5])], |x| reduce_prod(&x[0], [1])),
            case("two axes", [values(DType::C64, &[3, 2, 2])], |x| reduce_prod(&x[0], [2, 0])),
            case("ints", [values(DType::I32, &[3, 2])], |x| reduce_prod(&x[0], [0])),
            case("nothing", [values(DType::F32, &[0, 2])], |x| reduce_prod(&x[0], [0])),
        ]);
    }

    #[test]
    fn a_zero_factor_has_a_derivative() {
        let mut x = Draw::new(4).values(DType::F32, &[3]);
        x = mul(&x, &Array::from([0.0f32, 1.0, 1.0]));
        check_rules([case("zero", [x], |x| reduce_prod(&x[0], [0]))]);
    }

    #[test]
    fn axes_and_dtypes_are_checked() {
        let x = Array::from([[1.0f32, 2.0]]);
        let e = catch(|| Ok(reduce_prod(&x, [2]))).unwrap_err();
        assert_eq!(
            e.message(),
            "reduce_prod: axis 2 is out of bounds for array of dimension 2, got operand f32[1,2]"
        );
        let e = catch(|| Ok(reduce_prod(&Array::from([true]), [0]))).unwrap_err();
        assert!(e.message().starts_with("reduce_prod does not accept dtype bool"));
    }
}
