//! `dynamic_update_slice`: writes a window at a computed position; linear in operand and update. JAX:
//! `dynamic_update_slice_p`. StableHLO: `dynamic_update_slice`.

use smallvec::{SmallVec, smallvec};

use crate::arguments::Axis;
use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::check;
use crate::core::key_uses::KeyUses;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    BatchDim, Batched, Ct, Jvp, LinearInput, LoweredValues, MappedAxis, Primitive, Tangent, Transposed,
};
use crate::core::trace::bind1;
use crate::error::{OrThrow, Result, bail};
use crate::lax::broadcast::batch_axis_to_front;
use crate::lax::common::arguments::axis_of;
use crate::lax::dynamic_slice::{
    AllowNegative, DynamicSliceOptions, Indices, StartIndices, check_indices, index_vectors, indices_along,
    slice_at, starts_of,
};
use crate::lax::elementwise::{ANY, one, one_batched, one_dtype, tuple};
use crate::lax::full::literal_like;
use crate::lax::indexing::{GatherScatterMode, ScatterDimensionNumbers};
use crate::lax::scatter::{Combine, Scatter, ScatterOptions};
use crate::lax::{expand_dims, zeros, zeros_like};
use crate::mlir::Value;

/// `operand` with the window that starts at `start_indices` replaced by `update`, which has the operand's rank. The
/// indices are as in [`dynamic_slice`](crate::lax::dynamic_slice()).
///
/// # Errors
/// `dynamic_update_slice update shape must be smaller than operand shape, got update shape (4,) for operand shape (3,)`;
/// operands of different rank or dtype; indices that are not integer scalars of one dtype, or not one for each axis.
#[track_caller]
pub fn dynamic_update_slice(
    operand: &Array,
    update: &Array,
    start_indices: impl Into<StartIndices>,
) -> Array {
    let indices = starts_of("dynamic_update_slice", operand, start_indices.into(), &true.into());
    update_at(operand, update, &indices)
}

/// [`dynamic_update_slice`], with options.
///
/// # Errors
/// As [`dynamic_update_slice`].
#[track_caller]
pub fn dynamic_update_slice_with(
    operand: &Array,
    update: &Array,
    start_indices: impl Into<StartIndices>,
    options: DynamicSliceOptions,
) -> Array {
    let negative = &options.allow_negative_indices;
    let indices = starts_of("dynamic_update_slice", operand, start_indices.into(), negative);
    update_at(operand, update, &indices)
}

/// [`dynamic_update_slice`] that starts at `start_index` along `axis` (both negative from the end), and at 0 along the
/// others.
///
/// # Errors
/// As for [`dynamic_update_slice`]; an axis out of range.
#[track_caller]
pub fn dynamic_update_slice_in_dim(
    operand: &Array,
    update: &Array,
    start_index: impl Into<Array>,
    axis: impl Into<Axis>,
) -> Array {
    update_along(operand, update, start_index.into(), axis.into(), &true.into())
}

/// [`dynamic_update_slice_in_dim`], with options.
///
/// # Errors
/// As [`dynamic_update_slice_in_dim`].
#[track_caller]
pub fn dynamic_update_slice_in_dim_with(
    operand: &Array,
    update: &Array,
    start_index: impl Into<Array>,
    axis: impl Into<Axis>,
    options: DynamicSliceOptions,
) -> Array {
    update_along(operand, update, start_index.into(), axis.into(), &options.allow_negative_indices)
}

#[track_caller]
fn update_along(
    operand: &Array,
    update: &Array,
    start: Array,
    axis: Axis,
    negative: &AllowNegative,
) -> Array {
    let axis = axis_of("dynamic_update_slice_in_dim", axis, operand);
    let indices = indices_along(operand, start, axis, negative).or_throw();
    update_at(operand, update, &indices)
}

/// `operand` with the slice at `index` along `axis` (both negative from the end) replaced by `update`, which may lack that
/// axis.
///
/// # Errors
/// As for [`dynamic_update_slice`]; an axis out of range.
#[track_caller]
pub fn dynamic_update_index_in_dim(
    operand: &Array,
    update: &Array,
    index: impl Into<Array>,
    axis: impl Into<Axis>,
) -> Array {
    update_index(operand, update, index.into(), axis.into(), &true.into())
}

/// [`dynamic_update_index_in_dim`], with options.
///
/// # Errors
/// As [`dynamic_update_index_in_dim`].
#[track_caller]
pub fn dynamic_update_index_in_dim_with(
    operand: &Array,
    update: &Array,
    index: impl Into<Array>,
    axis: impl Into<Axis>,
    options: DynamicSliceOptions,
) -> Array {
    update_index(operand, update, index.into(), axis.into(), &options.allow_negative_indices)
}

#[track_caller]
fn update_index(
    operand: &Array,
    update: &Array,
    index: Array,
    axis: Axis,
    negative: &AllowNegative,
) -> Array {
    let at = axis_of("dynamic_update_index_in_dim", axis, operand);
    if update.ndim() + 1 == operand.ndim() {
        return update_along(operand, &expand_dims(update, at), index, at.into(), negative);
    }
    update_along(operand, update, index, at.into(), negative)
}

/// [`dynamic_update_slice`] at indices that are not negative.
#[track_caller]
pub(crate) fn update_at(operand: &Array, update: &Array, indices: &[Array]) -> Array {
    let args: SmallVec<[&Array; 4]> = [operand, update].into_iter().chain(indices).collect();
    bind1(DynamicUpdateSlice, &args)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct DynamicUpdateSlice;

impl Primitive for DynamicUpdateSlice {
    fn name(&self) -> &'static str {
        "dynamic_update_slice"
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [x, update, indices @ ..] = ins else { bail!(Internal, "dynamic_update_slice: takes operands") };
        if x.ndim() != update.ndim() {
            bail!(
                Shape,
                "dynamic_update_slice update must have the same rank as operand, got update shape {} for operand shape {}",
                tuple(update.shape()),
                tuple(x.shape())
            );
        }
        if indices.len() != x.ndim() {
            bail!(
                Shape,
                "dynamic_update_slice start_indices must have length equal to the rank of operand, got {} indices for \
                 operand shape {}",
                indices.len(),
                tuple(x.shape())
            );
        }
        if update.shape().iter().zip(x.shape()).any(|(size, n)| size > n) {
            bail!(
                Shape,
                "dynamic_update_slice update shape must be smaller than operand shape, got update shape {} for operand \
                 shape {}",
                tuple(update.shape()),
                tuple(x.shape())
            );
        }
        one_dtype(self, &ins[..2], ANY)?;
        check_indices(self, indices)?;
        Ok(one((*x).clone().with_weak_type(check::all_weak(ins))))
    }
    fn key_uses(&self, ins: &[ShapedArray]) -> Result<Option<KeyUses>> {
        Ok((ins[1].shape().last() == ins[0].shape().last()).then(|| KeyUses::updated(1)))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        Ok(one(ctx.op_aval("stablehlo.dynamic_update_slice", ins, "", &outs[0])))
    }
    /// dy = dx with du written to it
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        let out = update_at(&primals[0], &primals[1], &primals[2..]);
        let tangent = |i: usize| tangents[i].clone().unwrap_or_else(|| zeros_like(&primals[i]));
        let tangent = update_at(&tangent(0), &tangent(1), &primals[2..]);
        Ok((one(out), one(Some(tangent))))
    }
    /// x̄ = ȳ with zeros written to it; ū = ȳ sliced
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        let mut out: SmallVec<[Ct; 2]> = smallvec![None; ins.len()];
        let Some(ct) = &cts[0] else { return Ok(out) };
        let indices: Indices = ins[2..].iter().filter_map(LinearInput::known).cloned().collect();
        let update = ins[1].aval().shape();
        if ins[0].is_linear() {
            out[0] = Some(update_at(ct, &zeros(ct.dtype(), update), &indices));
        }
        if ins[1].is_linear() {
            out[1] = Some(slice_at(ct, &indices, update));
        }
        Ok(out)
    }
    /// whole along the mapped axis; mapped indices make it a scatter
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let size = args.iter().zip(dims).find_map(|(x, d)| d.map(|d| x.shape()[d]));
        let Some(size) = size else { bail!(Internal, "dynamic_update_slice: nothing is mapped") };
        if dims[2..].iter().all(Option::is_none) {
            let operand = batch_axis_to_front(&args[0], dims[0], size);
            let update = batch_axis_to_front(&args[1], dims[1], size);
            let mut indices = Indices::from(&args[2..]);
            let zero = indices.first().map_or_else(|| Array::scalar(0i32), |i| literal_like(i, 0.0));
            indices.insert(0, zero);
            return one_batched(update_at(&operand, &update, &indices), Some(0));
        }
        let axes: Vec<usize> = (0..args.len() - 2).collect();
        let dimension_numbers = ScatterDimensionNumbers {
            update_window_dims: axes.clone(),
            scatter_dims_to_operand_dims: axes,
            ..ScatterDimensionNumbers::default()
        };
        let (vectors, dim) = index_vectors(&args[2..], &dims[2..]);
        let options =
            ScatterOptions { indices_are_sorted: true, unique_indices: true, mode: GatherScatterMode::Clip };
        let prim = Scatter::new(Combine::Replace, args[0].dtype(), dimension_numbers, options);
        prim.batched([&args[0], &vectors, &args[1]], [dims[0], dim, dims[1]])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType::{C64, F32, I32};
    use crate::error::catch;
    use crate::lax::testing::{Draw, case, check_rules};

    #[test]
    fn rules_of_dynamic_update_slice() {
        let mut draw = Draw::new(1);
        let starts = [0i32, 1, -1, 5].map(|i| Array::from_slice(&[i], ()));
        let mut cases = Vec::new();
        for d in [F32, C64, I32] {
            let mut values = |shape: &[usize]| draw.values(d, shape);
            let [x, u, y, v] = [values(&[4]), values(&[2]), values(&[3, 2]), values(&[2, 1])];
            for i in &starts {
                let args = [x.clone(), u.clone(), i.clone()];
                cases.push(case("1d", args, |x| dynamic_update_slice(&x[0], &x[1], &x[2..])));
                let args = [y.clone(), v.clone(), i.clone(), starts[1].clone()];
                cases.push(case("2d", args, |x| dynamic_update_slice(&x[0], &x[1], &x[2..])));
            }
            let args = [values(&[0, 2]), values(&[0, 1]), starts[0].clone(), starts[1].clone()];
            cases.push(case("empty", args, |x| dynamic_update_slice(&x[0], &x[1], &x[2..])));
            let args = [values(&[]), values(&[])];
            cases.push(case("scalar", args, |x| dynamic_update_slice(&x[0], &x[1], ())));
            let args = [y.clone(), values(&[3]), starts[2].clone()];
            cases.push(case("in_dim", args, |x| dynamic_update_index_in_dim(&x[0], &x[1], &x[2], 1)));
        }
        check_rules(cases);
    }

    #[test]
    fn dynamic_update_slice_of_what_does_not_fit_is_rejected() {
        let mut draw = Draw::new(1);
        let [x, u, y] = [draw.values(F32, &[3]), draw.values(F32, &[4]), draw.values(F32, &[1, 1])];
        assert_eq!(
            message(|| dynamic_update_slice(&x, &u, [0])),
            "dynamic_update_slice update shape must be smaller than operand shape, got update shape (4,) for operand \
             shape (3,)"
        );
        assert_eq!(
            message(|| dynamic_update_slice(&x, &y, [0])),
            "dynamic_update_slice update must have the same rank as operand, got update shape (1, 1) for operand shape \
             (3,)"
        );
        let integers = draw.values(I32, &[1]);
        assert!(message(|| dynamic_update_slice(&x, &integers, [0])).contains("same dtypes, got f32, i32"));
    }

    fn message(f: impl FnOnce() -> Array) -> String {
        catch(|| Ok(f())).unwrap_err().message().to_owned()
    }
}
