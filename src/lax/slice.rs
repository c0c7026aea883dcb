//! `slice`: a window with static bounds and strides; linear. JAX: `slice_p`. StableHLO: `slice`.

use std::ops::RangeBounds;

use smallvec::smallvec;

use crate::arguments::{Axis, Dims, Integer, options};
use crate::core::array::Array;
use crate::core::aval::{Avals, Shape, ShapedArray};
use crate::core::check;
use crate::core::config::debug_key_reuse;
use crate::core::key_uses::{KeyUses, in_window};
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    BatchDim, Batched, Ct, Jvp, LinearInput, LoweredValues, MappedAxis, Param, Primitive, Tangent, Transposed,
};
use crate::core::scalar::Scalar;
use crate::core::trace::{bind1, is_eval};
use crate::error::{OrThrow, Result, bail, throw};
use crate::lax::broadcast::bounds;
use crate::lax::common::arguments::{axis_of, sizes_of};
use crate::lax::dynamic_slice::{Indices, slice_at};
use crate::lax::elementwise::{linear_ct, linear_jvp, one, one_batched, tuple};
use crate::lax::full::literal_like;
use crate::lax::indexing::index_dtype;
use crate::lax::{pad, squeeze};
use crate::mlir::{Value, usize_array};

/// The elements from `start_indices` to `limit_indices` (exclusive).
///
/// # Errors
/// `slice limit_indices must be less than or equal to operand shape, got limit_indices (4,) for operand shape (3,)`;
/// lists that have not one entry for each axis; a start after its limit.
#[track_caller]
pub fn slice(operand: &Array, start_indices: impl Into<Dims>, limit_indices: impl Into<Dims>) -> Array {
    let prim = Slice {
        start_indices: sizes_of("slice", &start_indices.into()),
        limit_indices: sizes_of("slice", &limit_indices.into()),
        strides: None,
    };
    sliced(operand, prim)
}

options! {
    /// Options of [`slice_with`].
    pub struct SliceOptions {
        /// Only every so-manieth element along each axis; every one if it is not given.
        strides: optional_into Dims,
    }
}

/// [`slice()`], with options.
///
/// ```
/// use raxla::{Array, lax::{self, SliceOptions}};
///
/// let x = Array::from([0, 1, 2, 3, 4]);
/// assert_eq!(lax::slice_with(&x, 1, 5, SliceOptions::new().strides(2)).to_vec::<i32>()?, [1, 3]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`slice()`]; a stride of zero.
#[track_caller]
pub fn slice_with(
    operand: &Array,
    start_indices: impl Into<Dims>,
    limit_indices: impl Into<Dims>,
    options: SliceOptions,
) -> Array {
    let prim = Slice {
        start_indices: sizes_of("slice", &start_indices.into()),
        limit_indices: sizes_of("slice", &limit_indices.into()),
        strides: options.strides.map(|strides| sizes_of("slice", &strides)),
    };
    sliced(operand, prim)
}

/// [`slice_with`] of sizes that are known.
#[track_caller]
pub(crate) fn strided_slice(
    operand: &Array,
    start_indices: &[usize],
    limit_indices: &[usize],
    strides: Option<&[usize]>,
) -> Array {
    let prim = Slice {
        start_indices: start_indices.into(),
        limit_indices: limit_indices.into(),
        strides: strides.map(Shape::from_slice),
    };
    sliced(operand, prim)
}

#[track_caller]
fn sliced(operand: &Array, prim: Slice) -> Array {
    let plain = prim.strides.as_ref().is_none_or(|s| s.iter().all(|n| *n == 1));
    // Which elements of an array of keys are taken, only this primitive says.
    if is_eval() && plain && !debug_key_reuse() {
        return eager_slice(operand, &prim).or_throw();
    }
    bind1(prim, &[operand])
}

/// One compiled `dynamic_slice` serves the eager slices of one size, wherever they start. JAX: `_slice_impl`.
#[track_caller]
fn eager_slice(operand: &Array, prim: &Slice) -> Result<Array> {
    let outs = prim.abstract_eval(&[operand.aval()])?;
    let dtype = index_dtype(operand.shape());
    let starts = prim.start_indices.iter().map(|n| Array::from(Scalar::from_i128(dtype, *n as i128)));
    let starts: Indices = starts.collect();
    Ok(slice_at(operand, &starts, outs[0].shape()))
}

options! {
    /// Options of [`slice_in_dim_with`].
    pub struct SliceInDimOptions {
        /// Only every so-manieth element.
        stride: value usize = 1,
    }
}

/// A range of elements along one axis (JAX's default is 0): `x[start_index:limit_index]`. Negative ends count from the end of
/// the axis.
///
/// ```
/// use raxla::{Array, lax};
///
/// let x = Array::from([0, 1, 2, 3, 4]);
/// assert_eq!(lax::slice_in_dim(&x, 1..3, 0).to_vec::<i32>()?, [1, 2]);
/// assert_eq!(lax::slice_in_dim(&x, -2.., 0).to_vec::<i32>()?, [3, 4]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As for [`slice()`]; an axis out of range.
#[track_caller]
pub fn slice_in_dim<I: Integer>(operand: &Array, range: impl RangeBounds<I>, axis: impl Into<Axis>) -> Array {
    let (start, limit) = bounds(&range);
    slice_range(operand, start, limit, 1, axis.into())
}

/// [`slice_in_dim`], with options.
///
/// # Errors
/// As [`slice_in_dim`]; a stride of zero.
#[track_caller]
pub fn slice_in_dim_with<I: Integer>(
    operand: &Array,
    range: impl RangeBounds<I>,
    axis: impl Into<Axis>,
    options: SliceInDimOptions,
) -> Array {
    let (start, limit) = bounds(&range);
    slice_range(operand, start, limit, options.stride, axis.into())
}

/// [`slice_in_dim_with`], where `None` is the axis' end.
#[track_caller]
pub(crate) fn slice_along(
    operand: &Array,
    start: impl Into<Option<i64>>,
    limit: impl Into<Option<i64>>,
    stride: usize,
    axis: impl Into<Axis>,
) -> Array {
    slice_range(operand, start.into(), limit.into(), stride, axis.into())
}

#[track_caller]
fn slice_range(operand: &Array, start: Option<i64>, limit: Option<i64>, stride: usize, axis: Axis) -> Array {
    let axis = axis_of("slice_in_dim", axis, operand);
    let size = operand.shape()[axis];
    let wrap = |name: &str, index: Option<i64>, default: usize| -> Result<usize> {
        let Some(index) = index else { return Ok(default) };
        let wrapped = if index < 0 { index + size as i64 } else { index };
        match usize::try_from(wrapped) {
            Ok(wrapped) => Ok(wrapped),
            Err(_) => bail!(
                Shape,
                "slice_in_dim: {name} = {index} is out of bounds for axis {axis} of operand {}",
                operand.aval()
            ),
        }
    };
    let mut starts: Shape = smallvec![0; operand.ndim()];
    let mut limits = Shape::from_slice(operand.shape());
    let mut strides: Shape = smallvec![1; operand.ndim()];
    starts[axis] = wrap("start_index", start, 0).or_throw();
    limits[axis] = wrap("limit_index", limit, size).or_throw();
    strides[axis] = stride;
    strided_slice(operand, &starts, &limits, Some(&strides))
}

options! {
    /// Options of [`index_in_dim_with`].
    pub struct IndexInDimOptions {
        /// Does the axis stay, with size one?
        keepdims: value bool = true,
    }
}

/// The slice at `index` along `axis` (JAX's default is 0); the axis stays, with size one. A negative index counts from the end.
///
/// # Errors
/// `index 3 is out of bounds for axis 0 with size 3`; an axis out of range.
#[track_caller]
pub fn index_in_dim(operand: &Array, index: i64, axis: impl Into<Axis>) -> Array {
    indexed(operand, index, axis.into(), true)
}

/// [`index_in_dim`], with options.
///
/// ```
/// use raxla::{Array, lax::{self, IndexInDimOptions}};
///
/// let x = Array::from([[1, 2], [3, 4]]);
/// let row = lax::index_in_dim_with(&x, -1, 0, IndexInDimOptions::new().keepdims(false));
/// assert_eq!(row.to_vec::<i32>()?, [3, 4]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`index_in_dim`].
#[track_caller]
pub fn index_in_dim_with(
    operand: &Array,
    index: i64,
    axis: impl Into<Axis>,
    options: IndexInDimOptions,
) -> Array {
    indexed(operand, index, axis.into(), options.keepdims)
}

/// The slice at `index` along `axis`, without that axis.
#[track_caller]
pub(crate) fn index_along(operand: &Array, index: i64, axis: impl Into<Axis>) -> Array {
    indexed(operand, index, axis.into(), false)
}

#[track_caller]
fn indexed(operand: &Array, index: i64, axis: Axis, keepdims: bool) -> Array {
    let at = axis_of("index_in_dim", axis, operand);
    let size = operand.shape()[at] as i64;
    let wrapped = if index < 0 { index + size } else { index };
    if !(0..size).contains(&wrapped) {
        throw!(Shape, "index {index} is out of bounds for axis {axis} with size {size}");
    }
    let out = slice_range(operand, Some(wrapped), Some(wrapped + 1), 1, at.into());
    if keepdims { out } else { squeeze(&out, at) }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Slice {
    start_indices: Shape,
    limit_indices: Shape,
    strides: Option<Shape>,
}

/// Emits a `slice`.
pub(crate) fn slice_value(
    ctx: &mut LoweringCtx,
    x: Value,
    starts: &[usize],
    limits: &[usize],
    strides: &[usize],
) -> Value {
    let shape: Shape = (0..starts.len()).map(|i| (limits[i] - starts[i]).div_ceil(strides[i])).collect();
    let dtype = ctx.dtype(x);
    let ty = ctx.tensor(dtype, &shape);
    let attrs = format!(
        "limit_indices = {}, start_indices = {}, strides = {}",
        usize_array(limits),
        usize_array(starts),
        usize_array(strides)
    );
    ctx.op1("stablehlo.slice", &[x], &attrs, ty)
}

impl Slice {
    fn stride(&self, axis: usize) -> usize {
        self.strides.as_ref().map_or(1, |s| s[axis])
    }
}

impl Primitive for Slice {
    fn name(&self) -> &'static str {
        "slice"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![
            ("limit_indices", Param::Text(tuple(&self.limit_indices))),
            ("start_indices", Param::Text(tuple(&self.start_indices))),
            ("strides", Param::Text(self.strides.as_ref().map_or("None".into(), |s| tuple(s)))),
        ]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [x] = check::arity(self, ins)?;
        let (starts, limits) = (&self.start_indices, &self.limit_indices);
        if starts.len() != x.ndim() {
            bail!(
                Shape,
                "slice start_indices must have length equal to the number of dimensions of the operand, got indices {} \
                 for operand shape {}",
                tuple(starts),
                tuple(x.shape())
            );
        }
        if limits.len() != starts.len() {
            bail!(
                Shape,
                "slice limit_indices must have the same length as start_indices, got start_indices {} and \
                 limit_indices {}",
                tuple(starts),
                tuple(limits)
            );
        }
        if limits.iter().zip(x.shape()).any(|(limit, n)| limit > n) {
            bail!(
                Shape,
                "slice limit_indices must be less than or equal to operand shape, got limit_indices {} for operand \
                 shape {}",
                tuple(limits),
                tuple(x.shape())
            );
        }
        if limits.iter().zip(starts).any(|(limit, start)| limit < start) {
            bail!(
                Shape,
                "slice limit_indices must be greater than or equal to start_indices, got start_indices {} and \
                 limit_indices {}",
                tuple(starts),
                tuple(limits)
            );
        }
        if let Some(strides) = &self.strides {
            if strides.len() != x.ndim() {
                bail!(
                    Shape,
                    "slice strides must have length equal to the number of dimensions of the operand, got strides {} \
                     for operand shape {}",
                    tuple(strides),
                    tuple(x.shape())
                );
            }
            if strides.contains(&0) {
                bail!(Shape, "slice strides must be positive, got {}", tuple(strides));
            }
        }
        let shape: Shape = (0..x.ndim()).map(|i| (limits[i] - starts[i]).div_ceil(self.stride(i))).collect();
        Ok(one(ShapedArray::result(&[*x], &shape, x.dtype())))
    }
    fn key_uses(&self, ins: &[ShapedArray]) -> Result<Option<KeyUses>> {
        let window = [&self.start_indices[..], &self.limit_indices[..]];
        Ok(in_window(&ins[0], window, self.strides.as_deref()).map(KeyUses::taken))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], _: &[ShapedArray]) -> LoweredValues {
        let strides: Shape = (0..self.start_indices.len()).map(|i| self.stride(i)).collect();
        Ok(one(slice_value(ctx, ins[0], &self.start_indices, &self.limit_indices, &strides)))
    }
    /// dy = dx sliced
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        linear_jvp(self.clone(), primals, tangents)
    }
    /// x̄ = ȳ with zeros around and between
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        Ok(linear_ct(cts, ins, |ct| {
            let operand = ins[0].aval().shape();
            let config: Vec<(i64, i64, i64)> = (0..operand.len())
                .map(|i| {
                    let (start, stride, n) = (self.start_indices[i], self.stride(i), ct.shape()[i]);
                    let end = start + if n == 0 { 0 } else { (n - 1) * stride + 1 };
                    (start as i64, operand[i] as i64 - end as i64, stride as i64 - 1)
                })
                .collect();
            pad(ct, literal_like(ct, 0.0), &config)
        }))
    }
    /// the mapped axis is taken whole
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let dim = check::mapped(self, dims)?;
        let mut prim = self.clone();
        prim.start_indices.insert(dim, 0);
        prim.limit_indices.insert(dim, args[0].shape()[dim]);
        if let Some(strides) = &mut prim.strides {
            strides.insert(dim, 1);
        }
        one_batched(bind1(prim, &[&args[0]]), Some(dim))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType::{Bool, C64, F32, I32};
    use crate::error::catch;
    use crate::lax::testing::{Draw, case, check_rules};
    use crate::lax::{iota, reshape};

    #[test]
    fn rules_of_slice() {
        type Spec = (&'static [usize], &'static [usize], &'static [usize], Option<&'static [usize]>);
        let mut draw = Draw::new(1);
        let cases: [Spec; 6] = [
            (&[5], &[1], &[4], None),
            (&[5], &[1], &[5], Some(&[3])),
            (&[3, 4], &[0, 1], &[3, 4], Some(&[2, 2])),
            (&[3], &[2], &[2], None),
            (&[0, 2], &[0, 0], &[0, 1], Some(&[1, 2])),
            (&[], &[], &[], None),
        ];
        check_rules(cases.into_iter().flat_map(|(shape, start, limit, strides)| {
            [F32, C64, I32, Bool].map(|d| {
                case("slice", [draw.values(d, shape)], move |x| strided_slice(&x[0], start, limit, strides))
            })
        }));
    }

    #[test]
    fn slices_along_one_axis_count_negative_bounds_from_the_end() {
        let x = reshape(&iota(I32, 6), [2, 3]);
        let rows = |x: Array| (x.shape().to_vec(), x.to_vec::<i32>().unwrap());
        assert_eq!(rows(slice_along(&x, 1, -1, 1, -1)), (vec![2, 1], vec![1, 4]));
        assert_eq!(
            rows(slice_in_dim_with(&x, 0.., 1, SliceInDimOptions::new().stride(2))),
            (vec![2, 2], vec![0, 2, 3, 5])
        );
        assert_eq!(rows(index_along(&x, -1, 0)), (vec![3], vec![3, 4, 5]));
        assert_eq!(rows(index_in_dim(&x, 1, -1)), (vec![2, 1], vec![1, 4]));
    }

    #[test]
    fn slices_out_of_bounds_are_rejected() {
        let x = Draw::new(1).values(F32, &[3]);
        let slice = |start: &[usize], limit: &[usize], strides: Option<&[usize]>| {
            message(|| strided_slice(&x, start, limit, strides))
        };
        assert_eq!(
            slice(&[0], &[4], None),
            "slice limit_indices must be less than or equal to operand shape, got limit_indices (4,) for operand shape (3,)"
        );
        assert_eq!(
            slice(&[2], &[1], None),
            "slice limit_indices must be greater than or equal to start_indices, got start_indices (2,) and \
             limit_indices (1,)"
        );
        assert_eq!(
            slice(&[0, 0], &[1], None),
            "slice start_indices must have length equal to the number of dimensions of the operand, got indices (0, 0) \
             for operand shape (3,)"
        );
        assert_eq!(
            slice(&[0], &[1, 1], None),
            "slice limit_indices must have the same length as start_indices, got start_indices (0,) and limit_indices \
             (1, 1)"
        );
        assert_eq!(slice(&[0], &[1], Some(&[0])), "slice strides must be positive, got (0,)");
        assert_eq!(message(|| index_in_dim(&x, 3, 0)), "index 3 is out of bounds for axis 0 with size 3");
        assert_eq!(
            message(|| slice_in_dim(&x, -4..3, 0)),
            "slice_in_dim: start_index = -4 is out of bounds for axis 0 of operand f32[3]"
        );
    }

    fn message(f: impl FnOnce() -> Array) -> String {
        catch(|| Ok(f())).unwrap_err().message().to_owned()
    }
}
