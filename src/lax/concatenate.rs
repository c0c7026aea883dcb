//! `concatenate`: joins arrays along one axis; linear. JAX: `concatenate_p`. StableHLO: `concatenate`.

use std::borrow::Borrow;

use smallvec::SmallVec;

use crate::arguments::Axis;
use crate::core::array::Array;
use crate::core::aval::{Avals, Shape, ShapedArray};
use crate::core::key_uses::KeyUses;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    BatchDim, Batched, Ct, Jvp, LinearInput, LoweredValues, MappedAxis, Param, Primitive, Tangent, Transposed,
};
use crate::core::trace::{bind1, caller, with_location};
use crate::error::{OrThrow, Result, bail, throw};
use crate::lax::broadcast::batch_axis_to_front;
use crate::lax::common::arguments::axis_of;
use crate::lax::elementwise::{ANY, one, one_batched, one_dtype, tuple};
use crate::lax::narrow;
use crate::lax::{expand_dims, reshape, split, zeros_like};
use crate::mlir::{Value, Values};

/// Joins arrays along axis `dimension`: `f32[2,3]` and `f32[2,1]` along 1 -> `f32[2,4]`.
///
/// # Errors
/// No operand; operands of different dtypes; `Cannot concatenate arrays with shapes that differ in dimensions other than
/// the one being concatenated: concatenating along dimension 0 for shapes (2, 3), (2, 4).`
#[track_caller]
pub fn concatenate<T: Borrow<Array>>(operands: impl AsRef<[T]>, dimension: impl Into<Axis>) -> Array {
    let operands: SmallVec<[&Array; 4]> = operands.as_ref().iter().map(Borrow::borrow).collect();
    joined(&operands, dimension.into())
}

#[track_caller]
fn joined(operands: &[&Array], dimension: Axis) -> Array {
    let Some(first) = operands.first() else {
        throw!(Shape, "concatenate requires a non-empty sequences of arrays")
    };
    let dimension = axis_of("concatenate", dimension, first);
    match operands {
        [x] => (*x).clone(),
        _ => bind1(Concatenate { dimension }, operands),
    }
}

/// Joins arrays of one shape along a new axis, which stands at `axis` of the result. JAX's default is 0.
///
/// # Errors
/// As for [`concatenate`]; an axis out of range.
#[track_caller]
pub fn stack<T: Borrow<Array>>(operands: impl AsRef<[T]>, axis: impl Into<Axis>) -> Array {
    let operands: SmallVec<[&Array; 4]> = operands.as_ref().iter().map(Borrow::borrow).collect();
    stacked(&operands, axis.into())
}

#[track_caller]
fn stacked(operands: &[&Array], axis: Axis) -> Array {
    let Some(first) = operands.first() else {
        throw!(Shape, "stack requires a non-empty sequences of arrays")
    };
    let axis = axis.position("stack", first.ndim() + 1).or_throw();
    if let Some(x) = operands.iter().find(|x| x.shape() != first.shape()) {
        throw!(
            Shape,
            "all input arrays to stack must have the same shape, got {} and {}",
            tuple(first.shape()),
            tuple(x.shape())
        );
    }
    let loc = caller();
    let expanded: SmallVec<[Array; 4]> =
        with_location(loc, || operands.iter().map(|x| expand_dims(x, axis)).collect());
    concatenate(&expanded, axis)
}

/// The slices along `axis`, without that axis: the inverse of [`stack`]. JAX's default is 0.
///
/// # Errors
/// An axis out of range.
#[track_caller]
pub fn unstack(operand: &Array, axis: impl Into<Axis>) -> Vec<Array> {
    let at = axis_of("unstack", axis.into(), operand);
    let n = operand.shape()[at];
    if n == 0 {
        return Vec::new();
    }
    let mut shape = Shape::from_slice(operand.shape());
    shape.remove(at);
    let pieces = split(operand, vec![1; n], at);
    with_location(caller(), || pieces.iter().map(|x| reshape(x, &shape)).collect())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Concatenate {
    dimension: usize,
}

fn shapes(ins: &[ShapedArray]) -> String {
    ins.iter().map(|a| tuple(a.shape())).collect::<Vec<_>>().join(", ")
}

impl Primitive for Concatenate {
    fn name(&self) -> &'static str {
        "concatenate"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("dimension", Param::Text(self.dimension.to_string()))]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let Some(first) = ins.first() else {
            bail!(Shape, "concatenate expects at least one operand, got 0")
        };
        if ins.iter().any(|a| a.ndim() != first.ndim()) {
            bail!(
                Shape,
                "Cannot concatenate arrays with different numbers of dimensions: got {}",
                shapes(ins)
            );
        }
        if self.dimension >= first.ndim() {
            bail!(
                Shape,
                "concatenate dimension out of bounds: dimension {} for shapes {}",
                self.dimension,
                shapes(ins)
            );
        }
        let mut shape = Shape::from_slice(first.shape());
        for a in &ins[1..] {
            let differs = (0..shape.len()).any(|i| i != self.dimension && a.shape()[i] != shape[i]);
            if differs {
                bail!(
                    Shape,
                    "Cannot concatenate arrays with shapes that differ in dimensions other than the one being \
                     concatenated: concatenating along dimension {} for shapes {}",
                    self.dimension,
                    shapes(ins)
                );
            }
            shape[self.dimension] += a.shape()[self.dimension];
        }
        let dtype = one_dtype(self, ins, ANY)?;
        Ok(one(ShapedArray::result(ins, &shape, dtype)))
    }
    fn key_uses(&self, ins: &[ShapedArray]) -> Result<Option<KeyUses>> {
        // Along the words it makes other keys.
        if self.dimension + 1 == ins[0].ndim() {
            return Ok(None);
        }
        Ok(Some(if ins.len() == 1 { KeyUses::forward() } else { KeyUses::remade(ins.len(), 1) }))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        // XLA is slow to compile wide concatenations, so they become a tree.
        const WIDTH: usize = 16;
        let attrs = format!("dimension = {} : i64", self.dimension);
        let mut values = Values::from_slice(ins);
        // The compiler for the CPU ends the process on packed elements of two bits.
        let packed = outs[0].dtype().bits() == 2 && ins.len() > 1;
        if packed {
            values = ins.iter().map(|x| narrow::unpacked(ctx, *x)).collect();
        }
        while values.len() > 1 {
            values = values
                .chunks(WIDTH)
                .map(|group| {
                    if let [x] = group {
                        return *x;
                    }
                    let mut shape = ctx.shape(group[0]);
                    shape[self.dimension] = group.iter().map(|x| ctx.shape(*x)[self.dimension]).sum();
                    let dtype = ctx.dtype(group[0]);
                    let ty = ctx.tensor(dtype, &shape);
                    ctx.op1("stablehlo.concatenate", group, &attrs, ty)
                })
                .collect();
        }
        if packed {
            return Ok(values.iter().map(|x| narrow::packed(ctx, *x, outs[0].dtype())).collect());
        }
        Ok(values)
    }
    /// d concatenate(x, y) = concatenate(dx, dy)
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        let out = concatenate(primals, self.dimension);
        let tangents: SmallVec<[Array; 4]> = (primals.iter().zip(tangents))
            .map(|(x, dx)| dx.clone().unwrap_or_else(|| zeros_like(x)))
            .collect();
        Ok((one(out), one(Some(concatenate(&tangents, self.dimension)))))
    }
    /// each operand gets its part of the cotangent
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        let Some(ct) = &cts[0] else { return Ok(ins.iter().map(|_| None).collect()) };
        let sizes: Shape = ins.iter().map(|x| x.aval().shape()[self.dimension]).collect();
        let parts = split(ct, &sizes, self.dimension as i64);
        Ok(parts.into_iter().zip(ins).map(|(ct, x)| x.is_linear().then_some(ct)).collect())
    }
    /// the mapped axis goes in front
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let size = args.iter().zip(dims).find_map(|(x, d)| d.map(|d| x.shape()[d]));
        let Some(size) = size else { bail!(Internal, "concatenate: nothing is mapped") };
        let moved: SmallVec<[Array; 4]> =
            args.iter().zip(dims).map(|(x, d)| batch_axis_to_front(x, *d, size)).collect();
        one_batched(concatenate(&moved, self.dimension + 1), Some(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType::{Bool, C64, F32, I32};
    use crate::error::catch;
    use crate::lax::testing::{Draw, case, check_rules};

    #[test]
    fn rules_of_concatenate_and_stack() {
        let mut draw = Draw::new(1);
        let mut values =
            |d, shapes: &[&[usize]]| shapes.iter().map(|s| draw.values(d, s)).collect::<Vec<_>>();
        let cases = [F32, C64, I32, Bool].into_iter().flat_map(|d| {
            [
                case("concatenate", values(d, &[&[2, 1], &[2, 0], &[2, 3]]), |x| concatenate(x, 1)),
                case("concatenate", values(d, &[&[3], &[1]]), |x| concatenate(x, 0)),
                case("stack", values(d, &[&[2], &[2]]), |x| stack(x, -1)),
                case("unstack", values(d, &[&[2, 3]]), |x| unstack(&x[0], 1)),
            ]
        });
        check_rules(cases.collect::<Vec<_>>());
    }

    #[test]
    fn a_wide_concatenation_keeps_the_order() {
        let parts: Vec<Array> = (0..300).map(|i| Array::from([i])).collect();
        assert_eq!(concatenate(&parts, 0).to_vec::<i32>().unwrap(), (0..300).collect::<Vec<_>>());
    }

    #[test]
    fn concatenate_of_what_does_not_fit_is_rejected() {
        let mut draw = Draw::new(1);
        let [a, b, c] = [draw.values(F32, &[2, 3]), draw.values(F32, &[2, 4]), draw.values(I32, &[2, 3])];
        assert_eq!(
            message(|| concatenate::<Array>(&[], 0)),
            "concatenate requires a non-empty sequences of arrays"
        );
        assert_eq!(
            message(|| concatenate([&a, &b], 0)),
            "Cannot concatenate arrays with shapes that differ in dimensions other than the one being concatenated: \
             concatenating along dimension 0 for shapes (2, 3), (2, 4)"
        );
        assert_eq!(
            message(|| concatenate([&a, &b], 2)),
            "concatenate: axis 2 is out of bounds for array of dimension 2, got operand f32[2,3]"
        );
        assert!(message(|| concatenate([&a, &c], 0)).contains("same dtypes, got f32, i32"));
        let flat = reshape(&a, [6]);
        assert_eq!(
            message(|| concatenate([&a, &flat], 0)),
            "Cannot concatenate arrays with different numbers of dimensions: got (2, 3), (6,)"
        );
        assert_eq!(
            message(|| stack([&a, &b], 0)),
            "all input arrays to stack must have the same shape, got (2, 3) and (2, 4)"
        );
    }

    fn message(f: impl FnOnce() -> Array) -> String {
        catch(|| Ok(f())).unwrap_err().message().to_owned()
    }
}
