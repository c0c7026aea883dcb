//! `broadcast_in_dim`: copies along new axes and axes of size one; linear. JAX: `broadcast_in_dim_p`. StableHLO:
//! `broadcast_in_dim`.

use crate::arguments::{Axes, Dims};
use crate::core::array::Array;
use crate::core::aval::{Avals, Shape, ShapedArray};
use crate::core::check;
use crate::core::key_uses::KeyUses;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    BatchDim, Batched, Ct, Jvp, LinearInput, LoweredValues, MappedAxis, Param, Prim, Primitive, Tangent,
    Transposed,
};
use crate::core::small::small;
use crate::core::trace::bind1;
use crate::error::{OrThrow, Result, bail};
use crate::lax::common::arguments::sizes_of;
use crate::lax::elementwise::{linear_ct, linear_jvp, one, one_batched, tuple};
use crate::lax::move_axis;
use crate::lax::reduce_sum::summed;
use crate::lax::reshape::reshaped;
use crate::lax::transpose::permuted;
use crate::mlir::Value;

/// Copies `operand` along the axes of `shape`: its axis `i` becomes axis `broadcast_dimensions[i]` of the result.
///
/// `f32[3]`, shape `[2, 3]`, dimensions `[1]` -> `f32[2,3]`: two equal rows.
///
/// # Errors
/// Dimensions that repeat, are out of range, or have a size other than the operand's (1 is stretched).
#[track_caller]
pub fn broadcast_in_dim(
    operand: &Array,
    shape: impl Into<Dims>,
    broadcast_dimensions: impl Into<Axes>,
) -> Array {
    let shape = sizes_of("broadcast_in_dim", &shape.into());
    let dimensions = broadcast_dimensions.into().positions("broadcast_in_dim", shape.len());
    broadcast_to(operand, shape, dimensions.or_throw())
}

/// [`broadcast_in_dim`] for rules, which know sizes and positions.
#[track_caller]
pub(crate) fn broadcast_to(operand: &Array, shape: Shape, broadcast_dimensions: Shape) -> Array {
    let identity =
        operand.shape() == &shape[..] && broadcast_dimensions.iter().enumerate().all(|(i, d)| i == *d);
    if identity && operand.ndim() == broadcast_dimensions.len() {
        return operand.clone();
    }
    bind1(BroadcastInDim { shape, broadcast_dimensions }, &[operand])
}

/// The primitive that fills an array of this shape with a scalar.
pub(crate) fn broadcast_scalar(shape: &[usize]) -> Prim {
    let (shape, broadcast_dimensions) = (Shape::from_slice(shape), Shape::new());
    BroadcastInDim { shape, broadcast_dimensions }.into()
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct BroadcastInDim {
    shape: Shape,
    broadcast_dimensions: Shape,
}

impl Primitive for BroadcastInDim {
    fn name(&self) -> &'static str {
        "broadcast_in_dim"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        // JAX leaves out the shape, which the result's type shows, and the axes of a scalar.
        match &self.broadcast_dimensions[..] {
            [] => Vec::new(),
            axes => vec![("broadcast_dimensions", Param::Text(tuple(axes)))],
        }
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [x] = check::arity(self, ins)?;
        let dims = &self.broadcast_dimensions;
        if dims.len() != x.ndim() {
            bail!(
                Shape,
                "broadcast_in_dim: broadcast_dimensions must have one entry for each axis of operand {x}, got {}",
                tuple(dims)
            );
        }
        for (i, (d, n)) in dims.iter().zip(x.shape()).enumerate() {
            if dims[..i].contains(d) {
                bail!(
                    Shape,
                    "broadcast_in_dim: broadcast_dimensions must not contain duplicates, got {}",
                    tuple(dims)
                );
            }
            match self.shape.get(*d) {
                Some(m) if m == n || *n == 1 => {}
                _ => bail!(
                    Shape,
                    "broadcast_in_dim: axis {i} of operand {x} does not fit axis {d} of shape {}",
                    tuple(&self.shape)
                ),
            }
        }
        Ok(one(x.with_shape(&self.shape)))
    }
    fn key_uses(&self, _: &[ShapedArray]) -> Result<Option<KeyUses>> {
        let last = self.broadcast_dimensions.last();
        Ok((last == self.shape.len().checked_sub(1).as_ref()).then(KeyUses::forward))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], _: &[ShapedArray]) -> LoweredValues {
        Ok(one(ctx.broadcast_in_dim(ins[0], &self.shape, &self.broadcast_dimensions)))
    }
    /// dy = dx copied
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        linear_jvp(self.clone(), primals, tangents)
    }
    /// x̄ = ȳ summed over the axes that were copied along, the others in the operand's order
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        Ok(linear_ct(cts, ins, |ct| {
            let operand = ins[0].aval().shape();
            let dims = &self.broadcast_dimensions;
            let copied = |axis: &usize| match dims.iter().position(|d| d == axis) {
                None => true,
                Some(i) => operand[i] == 1 && self.shape[*axis] != 1,
            };
            let axes = small((0..self.shape.len()).filter(copied));
            // What is left is in the result's order.
            let kept: Shape = small(dims.iter().copied().filter(|d| !copied(d)));
            let order = small(kept.iter().map(|d| kept.iter().filter(|other| *other < d).count()));
            reshaped(&permuted(&summed(ct, axes), order), Shape::from_slice(operand))
        }))
    }
    /// the mapped axis goes in front of the result
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let dim = check::mapped(self, dims)?;
        let x = move_axis(&args[0], dim, 0);
        let mut shape = self.shape.clone();
        shape.insert(0, x.shape()[0]);
        let dims = std::iter::once(0).chain(self.broadcast_dimensions.iter().map(|d| d + 1));
        one_batched(broadcast_to(&x, shape, small(dims)), Some(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;
    use crate::lax::testing::{Draw, case, check_rules};

    #[test]
    fn rules_of_broadcast_in_dim() {
        let mut draw = Draw::new(106);
        type Spec = (&'static [usize], &'static [usize], &'static [usize]);
        let cases: [Spec; 8] = [
            (&[3], &[2, 3], &[1]),
            (&[3, 1], &[3, 4, 2], &[0, 2]),
            (&[], &[2, 2], &[]),
            (&[2, 3], &[2, 3], &[0, 1]),
            (&[1], &[0, 2], &[1]),
            (&[2, 3], &[3, 2], &[1, 0]),
            (&[2, 1, 3], &[3, 4, 2, 2], &[2, 1, 0]),
            (&[2, 2], &[2, 2], &[1, 0]),
        ];
        check_rules(cases.into_iter().flat_map(|(shape, out, dims)| {
            [DType::F32, DType::BF16, DType::C64, DType::I32, DType::Bool].map(|d| {
                case("broadcast_in_dim", [draw.values(d, shape)], move |x| broadcast_in_dim(&x[0], out, dims))
            })
        }));
        let square = Array::from([[1, 2], [3, 4]]);
        assert_eq!(broadcast_in_dim(&square, [2, 2], [1, 0]).to_vec::<i32>().unwrap(), [1, 3, 2, 4]);
    }
}
