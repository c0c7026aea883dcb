//! `reshape`: the same elements in row-major order under another shape; linear. JAX: `reshape_p`. StableHLO: `reshape`.

use crate::arguments::{Axes, Dims, options};
use crate::core::array::Array;
use crate::core::aval::{Avals, Shape, ShapedArray};
use crate::core::check;
use crate::core::key_uses::KeyUses;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    BatchDim, Batched, Ct, Jvp, LinearInput, LoweredValues, MappedAxis, Param, Primitive, Tangent, Transposed,
};
use crate::core::small::small;
use crate::core::trace::bind1;
use crate::error::{OrThrow, Result, bail};
use crate::lax::broadcast_in_dim::broadcast_to;
use crate::lax::common::arguments::{axes_of, sizes_of};
use crate::lax::elementwise::{linear_ct, linear_jvp, one, one_batched, tuple};
use crate::lax::move_axis;
use crate::mlir::Value;

/// The same elements under another shape of the same size, both in row-major order.
///
/// # Errors
/// `reshape total size must be unchanged, got new_sizes (2, 2) for operand f32[3]`
#[track_caller]
pub fn reshape(operand: &Array, new_sizes: impl Into<Dims>) -> Array {
    reshaped(operand, sizes_of("reshape", &new_sizes.into()))
}

options! {
    /// Options of [`reshape_with`].
    pub struct ReshapeOptions {
        /// The order in which the operand's axes are read; the last changes fastest. As they are if it is not given.
        dimensions: optional_into Axes,
    }
}

/// [`reshape`], of the operand with its axes in another order.
///
/// ```
/// use raxla::{Array, lax::{self, ReshapeOptions}};
///
/// let x = Array::from([[1, 2, 3], [4, 5, 6]]);
/// let y = lax::reshape_with(&x, 6, ReshapeOptions::new().dimensions((1, 0)));
/// assert_eq!(y.to_vec::<i32>()?, [1, 4, 2, 5, 3, 6]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`reshape`]; `dimensions` that are no permutation of the axes.
#[track_caller]
pub fn reshape_with(operand: &Array, new_sizes: impl Into<Dims>, options: ReshapeOptions) -> Array {
    let new_sizes = sizes_of("reshape", &new_sizes.into());
    match &options.dimensions {
        None => reshaped(operand, new_sizes),
        Some(order) => {
            let order = axes_of("reshape", order, operand);
            reshaped(&crate::lax::transpose(operand, &order), new_sizes)
        }
    }
}

/// [`reshape`] for rules, which know sizes.
#[track_caller]
pub(crate) fn reshaped(operand: &Array, new_sizes: Shape) -> Array {
    if operand.shape() == &new_sizes[..] {
        return operand.clone();
    }
    bind1(Reshape { new_sizes }, &[operand])
}

/// Inserts axes of size one, so that they stand at `dimensions` of the result.
///
/// # Errors
/// An axis out of range, or named twice.
#[track_caller]
pub fn expand_dims(array: &Array, dimensions: impl Into<Axes>) -> Array {
    expanded(array, &dimensions.into())
}

#[track_caller]
fn expanded(array: &Array, dimensions: &Axes) -> Array {
    let rank = array.ndim() + dimensions.given().map_or(0, <[i64]>::len);
    let axes = dimensions.positions("expand_dims", rank).or_throw();
    let mut sizes = array.shape().iter();
    let size = |i| if axes.contains(&i) { 1 } else { sizes.next().copied().unwrap_or(1) };
    let shape = small((0..rank).map(size));
    broadcast_to(array, shape, small((0..rank).filter(|i| !axes.contains(i))))
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Reshape {
    new_sizes: Shape,
}

impl Primitive for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![
            ("dimensions", Param::Text("None".into())),
            ("new_sizes", Param::Text(tuple(&self.new_sizes))),
            ("sharding", Param::Text("None".into())),
        ]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [x] = check::arity(self, ins)?;
        if x.size() != self.new_sizes.iter().product::<usize>() {
            bail!(
                Shape,
                "reshape total size must be unchanged, got new_sizes {} for operand {x}",
                tuple(&self.new_sizes)
            );
        }
        Ok(one(x.with_shape(&self.new_sizes)))
    }
    fn key_uses(&self, ins: &[ShapedArray]) -> Result<Option<KeyUses>> {
        let keeps_words = self.new_sizes.last() == ins[0].shape().last();
        Ok(keeps_words.then(KeyUses::forward))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], _: &[ShapedArray]) -> LoweredValues {
        Ok(one(ctx.reshape(ins[0], &self.new_sizes)))
    }
    /// dy = dx reshaped
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        linear_jvp(self.clone(), primals, tangents)
    }
    /// x̄ = ȳ reshaped back
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        Ok(linear_ct(cts, ins, |ct| reshaped(ct, Shape::from_slice(ins[0].aval().shape()))))
    }
    /// the mapped axis goes in front
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let dim = check::mapped(self, dims)?;
        let x = move_axis(&args[0], dim, 0);
        let mut shape = self.new_sizes.clone();
        shape.insert(0, x.shape()[0]);
        one_batched(reshaped(&x, shape), Some(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;
    use crate::error::{ErrorKind, catch};
    use crate::lax::testing::{Draw, case, check_rules};

    #[test]
    fn rules_of_reshape() {
        let mut draw = Draw::new(108);
        let cases: [(&[usize], &[usize]); 5] =
            [(&[2, 6], &[3, 4]), (&[4], &[2, 1, 2]), (&[1], &[]), (&[], &[1, 1]), (&[0, 3], &[2, 0])];
        check_rules(cases.into_iter().flat_map(|(from, to)| {
            [DType::F32, DType::F16, DType::C64, DType::I32, DType::Bool]
                .map(|d| case("reshape", [draw.values(d, from)], move |x| reshape(&x[0], to)))
        }));
    }

    #[test]
    fn reshape_to_another_size_is_rejected() {
        let x = Array::from([[1.0f32, 2.0]]);
        assert_eq!(catch(|| Ok(reshape(&x, [3]))).unwrap_err().kind(), ErrorKind::Shape);
    }
}
