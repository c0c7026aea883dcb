//! `dynamic_slice`: a window of static size at a computed position; linear in the operand. JAX: `dynamic_slice_p`.
//! StableHLO: `dynamic_slice`.

use smallvec::{SmallVec, smallvec};

use crate::arguments::{Axis, Dims, Integer, options};
use crate::core::array::{Array, Repr};
use crate::core::aval::{Avals, Shape, ShapedArray};
use crate::core::key_uses::KeyUses;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    BatchDim, Batched, Ct, Jvp, LinearInput, LoweredValues, MappedAxis, Param, Primitive, Tangent, Transposed,
};
use crate::core::scalar::Scalar;
use crate::core::trace::bind1;
use crate::dtype::DType;
use crate::error::{OrThrow, Result, bail, throw};
use crate::lax::common::arguments::{axis_of, sizes_of};
use crate::lax::dynamic_update_slice::update_at;
use crate::lax::elementwise::{one, one_batched, tuple};
use crate::lax::full::literal_like;
use crate::lax::gather::{GatherOptions, batch_gather};
use crate::lax::indexing::{GatherDimensionNumbers, GatherScatterMode};
use crate::lax::{add, broadcast_in_dim, concatenate, lt, reshape, select, squeeze, unstack, zeros};
use crate::mlir::{Value, usize_array};

/// Where a window starts: one integer scalar for each axis, be it a number or an array, as a tuple, an array, a slice or a
/// `Vec` of them; or an array of one axis that holds all of them. `()` is for a scalar.
#[derive(Clone, Debug)]
pub struct StartIndices(Starts);

#[derive(Clone, Debug)]
enum Starts {
    Each(Indices),
    Vector(Array),
}

impl StartIndices {
    /// The scalars.
    #[track_caller]
    fn scalars(self, name: &str) -> Indices {
        match self.0 {
            Starts::Each(indices) => indices,
            Starts::Vector(x) if x.ndim() == 0 => smallvec![x],
            Starts::Vector(x) if x.ndim() == 1 => unstack(&x, 0).into(),
            Starts::Vector(x) => {
                throw!(
                    Shape,
                    "{name}: start_indices must be scalars or an array of one axis, got {}",
                    x.aval()
                )
            }
        }
    }
}

impl From<Array> for StartIndices {
    fn from(indices: Array) -> Self {
        StartIndices(Starts::Vector(indices))
    }
}
impl From<&Array> for StartIndices {
    fn from(indices: &Array) -> Self {
        indices.clone().into()
    }
}
impl<I: Integer + Into<Array>> From<I> for StartIndices {
    fn from(index: I) -> Self {
        StartIndices(Starts::Each(smallvec![index.into()]))
    }
}
impl From<()> for StartIndices {
    fn from((): ()) -> Self {
        StartIndices(Starts::Each(Indices::new()))
    }
}
impl<T: Into<Array>, const N: usize> From<[T; N]> for StartIndices {
    fn from(indices: [T; N]) -> Self {
        StartIndices(Starts::Each(indices.into_iter().map(Into::into).collect()))
    }
}
impl<T: Clone + Into<Array>, const N: usize> From<&[T; N]> for StartIndices {
    fn from(indices: &[T; N]) -> Self {
        Self::from(&indices[..])
    }
}
impl<T: Clone + Into<Array>> From<&[T]> for StartIndices {
    fn from(indices: &[T]) -> Self {
        StartIndices(Starts::Each(indices.iter().map(|i| i.clone().into()).collect()))
    }
}
impl<T: Clone + Into<Array>> From<&Vec<T>> for StartIndices {
    fn from(indices: &Vec<T>) -> Self {
        Self::from(&indices[..])
    }
}
impl<T: Into<Array>> From<Vec<T>> for StartIndices {
    fn from(indices: Vec<T>) -> Self {
        StartIndices(Starts::Each(indices.into_iter().map(Into::into).collect()))
    }
}
macro_rules! tuples {
    ($($($t:ident $x:ident),+;)*) => {$(
        impl<$($t: Into<Array>),+> From<($($t,)+)> for StartIndices {
            fn from(($($x,)+): ($($t,)+)) -> Self {
                StartIndices(Starts::Each([$($x.into()),+].into_iter().collect()))
            }
        }
    )*};
}
tuples! {
    A a;
    A a, B b;
    A a, B b, C c;
    A a, B b, C c, D d;
    A a, B b, C c, D d, E e;
    A a, B b, C c, D d, E e, F f;
}

options! {
    /// Options of [`dynamic_slice_with`], [`dynamic_update_slice_with`](crate::lax::dynamic_update_slice_with) and those of
    /// one axis.
    pub struct DynamicSliceOptions {
        /// Do negative indices count from the end? If the caller knows that there are none, `false` saves a comparison. One answer
        /// for all axes, or one for each: `[true, false]`.
        allow_negative_indices: into AllowNegative = true,
    }
}

/// May indices be negative: one `bool` for all axes, or one for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowNegative(SmallVec<[bool; 4]>);

impl AllowNegative {
    fn along(&self, axis: usize) -> bool {
        self.0[if self.0.len() == 1 { 0 } else { axis }]
    }
}

impl From<bool> for AllowNegative {
    fn from(all: bool) -> Self {
        AllowNegative(SmallVec::from_elem(all, 1))
    }
}
impl From<&[bool]> for AllowNegative {
    fn from(each: &[bool]) -> Self {
        AllowNegative(each.into())
    }
}
impl<const N: usize> From<[bool; N]> for AllowNegative {
    fn from(each: [bool; N]) -> Self {
        Self::from(&each[..])
    }
}
impl From<Vec<bool>> for AllowNegative {
    fn from(each: Vec<bool>) -> Self {
        Self::from(&each[..])
    }
}

/// The window of `slice_sizes` that starts at `start_indices`: one integer scalar for each axis, all of one dtype, which
/// may be traced. Negative indices count from the end; then the window is moved to lie within the operand.
///
/// ```
/// use raxla::{Array, lax};
///
/// let x = Array::from([[1, 2, 3], [4, 5, 6]]);
/// let i = Array::from(1);
/// assert_eq!(lax::dynamic_slice(&x, (&i, 0), (1, 2)).to_vec::<i32>()?, [4, 5]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `dynamic_slice: slice_sizes must be less than or equal to operand shape, got slice_sizes (4,) for operand f32[3]`; indices
/// that are not integer scalars of one dtype, or not one for each axis.
#[track_caller]
pub fn dynamic_slice(
    operand: &Array,
    start_indices: impl Into<StartIndices>,
    slice_sizes: impl Into<Dims>,
) -> Array {
    window(operand, start_indices.into(), &slice_sizes.into(), &true.into())
}

/// [`dynamic_slice`], with options.
///
/// # Errors
/// As [`dynamic_slice`].
#[track_caller]
pub fn dynamic_slice_with(
    operand: &Array,
    start_indices: impl Into<StartIndices>,
    slice_sizes: impl Into<Dims>,
    options: DynamicSliceOptions,
) -> Array {
    window(operand, start_indices.into(), &slice_sizes.into(), &options.allow_negative_indices)
}

#[track_caller]
fn window(operand: &Array, starts: StartIndices, sizes: &Dims, negative: &AllowNegative) -> Array {
    let indices = starts_of("dynamic_slice", operand, starts, negative);
    slice_at(operand, &indices, &sizes_of("dynamic_slice", sizes))
}

/// [`dynamic_slice`] along one axis (JAX's default is 0), of size `slice_size`, and whole along the others.
///
/// # Errors
/// As for [`dynamic_slice`]; an axis out of range.
#[track_caller]
pub fn dynamic_slice_in_dim(
    operand: &Array,
    start_index: impl Into<Array>,
    slice_size: usize,
    axis: impl Into<Axis>,
) -> Array {
    window_along(operand, start_index.into(), slice_size, axis.into(), &true.into())
}

/// [`dynamic_slice_in_dim`], with options.
///
/// # Errors
/// As [`dynamic_slice_in_dim`].
#[track_caller]
pub fn dynamic_slice_in_dim_with(
    operand: &Array,
    start_index: impl Into<Array>,
    slice_size: usize,
    axis: impl Into<Axis>,
    options: DynamicSliceOptions,
) -> Array {
    window_along(operand, start_index.into(), slice_size, axis.into(), &options.allow_negative_indices)
}

#[track_caller]
fn window_along(
    operand: &Array,
    start: Array,
    slice_size: usize,
    axis: Axis,
    negative: &AllowNegative,
) -> Array {
    let axis = axis_of("dynamic_slice_in_dim", axis, operand);
    let indices = indices_along(operand, start, axis, negative).or_throw();
    let mut sizes = Shape::from_slice(operand.shape());
    sizes[axis] = slice_size;
    slice_at(operand, &indices, &sizes)
}

options! {
    /// Options of [`dynamic_index_in_dim_with`].
    pub struct DynamicIndexOptions {
        /// Does the axis stay, with size one?
        keepdims: value bool = true,
        /// Do negative indices count from the end? If the caller knows that there are none, `false` saves a comparison.
        allow_negative_indices: into AllowNegative = true,
    }
}

/// The slice at `index` along `axis` (JAX's default is 0); the axis stays, with size one. A negative index counts from the end,
/// and one out of bounds is clamped.
///
/// # Errors
/// As for [`dynamic_slice`]; an axis out of range.
#[track_caller]
pub fn dynamic_index_in_dim(operand: &Array, index: impl Into<Array>, axis: impl Into<Axis>) -> Array {
    window_along(operand, index.into(), 1, axis.into(), &true.into())
}

/// [`dynamic_index_in_dim`], with options.
///
/// ```
/// use raxla::{Array, lax::{self, DynamicIndexOptions}};
///
/// let x = Array::from([[1, 2, 3], [4, 5, 6]]);
/// let row = lax::dynamic_index_in_dim_with(&x, 1, 0, DynamicIndexOptions::new().keepdims(false));
/// assert_eq!(row.to_vec::<i32>()?, [4, 5, 6]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`dynamic_index_in_dim`].
#[track_caller]
pub fn dynamic_index_in_dim_with(
    operand: &Array,
    index: impl Into<Array>,
    axis: impl Into<Axis>,
    options: DynamicIndexOptions,
) -> Array {
    let axis = axis.into();
    let at = axis_of("dynamic_index_in_dim", axis, operand);
    let out = window_along(operand, index.into(), 1, at.into(), &options.allow_negative_indices);
    if options.keepdims { out } else { squeeze(&out, at) }
}

/// The slice at `index` along `axis`, without that axis.
#[track_caller]
pub(crate) fn dynamic_index_along(operand: &Array, index: impl Into<Array>, axis: usize) -> Array {
    squeeze(&window_along(operand, index.into(), 1, axis.into(), &true.into()), axis)
}

/// The starts of a user's call.
#[track_caller]
pub(crate) fn starts_of(
    name: &str,
    operand: &Array,
    starts: StartIndices,
    negative: &AllowNegative,
) -> Indices {
    wrap_indices(operand, starts.scalars(name), None, negative).or_throw()
}

/// One start for each axis.
pub(crate) type Indices = SmallVec<[Array; 4]>;

/// [`dynamic_slice`] at indices that are not negative.
#[track_caller]
pub(crate) fn slice_at(operand: &Array, indices: &[Array], slice_sizes: &[usize]) -> Array {
    let args: SmallVec<[&Array; 4]> = std::iter::once(operand).chain(indices).collect();
    bind1(DynamicSlice { slice_sizes: slice_sizes.into() }, &args)
}

/// Starts along all axes: `index` along `axis`, 0 along the others.
#[track_caller]
pub(crate) fn indices_along(
    operand: &Array,
    index: Array,
    axis: usize,
    negative: &AllowNegative,
) -> Result<Indices> {
    let zero = literal_like(&index, 0.0);
    let indices = (0..operand.ndim()).map(|i| if i == axis { index.clone() } else { zero.clone() });
    wrap_indices(operand, indices.collect(), Some(axis), negative)
}

/// The indices; if they may be negative, those below 0 counted from the end: along `only` if given, the others being 0 or
/// more.
#[track_caller]
fn wrap_indices(
    operand: &Array,
    mut indices: Indices,
    only: Option<usize>,
    negative: &AllowNegative,
) -> Result<Indices> {
    if indices.len() != operand.ndim() {
        bail!(
            Shape,
            "dynamic_slice and its like: one start index for each axis, got {} for operand {}",
            indices.len(),
            operand.aval()
        );
    }
    if negative.0.len() != 1 && negative.0.len() != operand.ndim() {
        bail!(
            InvalidArgument,
            "dynamic_slice and its like: allow_negative_indices has one entry, or one for each axis of operand {}, got {}",
            operand.aval(),
            negative.0.len()
        );
    }
    for (axis, index) in indices.iter_mut().enumerate() {
        let n = operand.shape()[axis];
        if let Repr::Scalar(x) = &index.0 {
            let i = x.to_i128();
            if i < 0 && !negative.along(axis) {
                bail!(
                    InvalidArgument,
                    "dynamic_slice and its like: index {i} along axis {axis} of operand {} is negative, which \
                     allow_negative_indices excludes",
                    operand.aval()
                );
            }
            if x.dtype().is_integer() {
                let i = if i < 0 { i + n as i128 } else { i };
                *index = Array::from(Scalar::from_i128(x.dtype(), i));
            }
        } else if negative.along(axis) && index.dtype().is_signed() && only.is_none_or(|only| only == axis) {
            let size = Array::from(Scalar::from_i128(index.dtype(), n as i128));
            *index = select(&lt(index, &literal_like(index, 0.0)), &add(index, &size), index);
        }
    }
    Ok(indices)
}

/// Integer scalars of one dtype.
pub(crate) fn check_indices(prim: &dyn Primitive, indices: &[ShapedArray]) -> Result<()> {
    if let Some(index) = indices.iter().find(|i| i.ndim() != 0) {
        bail!(Shape, "start_indices arguments to {} must be scalars, got {index}", prim.name());
    }
    if indices.iter().any(|i| !i.dtype().is_integer() || i.dtype() != indices[0].dtype()) {
        let names: Vec<String> = indices.iter().map(|i| i.dtype().to_string()).collect();
        bail!(
            DType,
            "index arguments to {} must be integers of the same type, got: {}",
            prim.name(),
            names.join(", ")
        );
    }
    Ok(())
}

/// The starts as one array of index vectors, and where it carries the mapped axis.
pub(crate) fn index_vectors(indices: &[Array], dims: &[BatchDim]) -> (Array, BatchDim) {
    if indices.is_empty() {
        return (zeros(DType::I32, &[0]), None);
    }
    let size = indices.iter().zip(dims).find_map(|(i, d)| d.map(|_| i.size()));
    let rows = indices.iter().zip(dims).map(|(i, d)| match (size, d) {
        (None, _) => reshape(i, [1]),
        (Some(n), Some(_)) => broadcast_in_dim(i, [n, 1], [0]),
        (Some(n), None) => broadcast_in_dim(i, [n, 1], ()),
    });
    let rows: Indices = rows.collect();
    (concatenate(&rows, usize::from(size.is_some())), size.map(|_| 0))
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct DynamicSlice {
    pub slice_sizes: Shape,
}

impl Primitive for DynamicSlice {
    fn name(&self) -> &'static str {
        "dynamic_slice"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("slice_sizes", Param::Text(tuple(&self.slice_sizes)))]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let Some((x, indices)) = ins.split_first() else { bail!(Internal, "dynamic_slice: takes operands") };
        if indices.len() != x.ndim() || self.slice_sizes.len() != x.ndim() {
            bail!(
                Shape,
                "dynamic_slice: slice_sizes {} and {} start indices do not match operand {x} (rank {})",
                tuple(&self.slice_sizes),
                indices.len(),
                x.ndim()
            );
        }
        if self.slice_sizes.iter().zip(x.shape()).any(|(size, n)| size > n) {
            bail!(
                Shape,
                "dynamic_slice: slice_sizes must be less than or equal to operand shape, got slice_sizes {} for operand {x}",
                tuple(&self.slice_sizes)
            );
        }
        check_indices(self, indices)?;
        Ok(one(x.with_shape(&self.slice_sizes)))
    }
    fn key_uses(&self, ins: &[ShapedArray]) -> Result<Option<KeyUses>> {
        Ok((self.slice_sizes.last() == ins[0].shape().last()).then(KeyUses::forward))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        let attrs = format!("slice_sizes = {}", usize_array(&self.slice_sizes));
        Ok(one(ctx.op_aval("stablehlo.dynamic_slice", ins, &attrs, &outs[0])))
    }
    /// dy = dx sliced
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        let out = slice_at(&primals[0], &primals[1..], &self.slice_sizes);
        let tangent = tangents[0].as_ref().map(|dx| slice_at(dx, &primals[1..], &self.slice_sizes));
        Ok((one(out), one(tangent)))
    }
    /// x̄ = ȳ written to zeros
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        let mut out: SmallVec<[Ct; 2]> = smallvec![None; ins.len()];
        if let (Some(ct), LinearInput::Linear(operand)) = (&cts[0], &ins[0]) {
            let indices: Indices = ins[1..].iter().filter_map(LinearInput::known).cloned().collect();
            out[0] = Some(update_at(&zeros(ct.dtype(), operand.shape()), ct, &indices));
        }
        Ok(out)
    }
    /// whole along the mapped axis; mapped indices make it a gather
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        if let (Some(dim), true) = (dims[0], dims[1..].iter().all(Option::is_none)) {
            let mut sizes = self.slice_sizes.clone();
            sizes.insert(dim, args[0].shape()[dim]);
            let mut indices = Indices::from(&args[1..]);
            let zero = indices.first().map_or_else(|| Array::scalar(0i32), |i| literal_like(i, 0.0));
            indices.insert(dim, zero);
            return one_batched(slice_at(&args[0], &indices, &sizes), Some(dim));
        }
        let axes: Vec<usize> = (0..self.slice_sizes.len()).collect();
        let numbers = GatherDimensionNumbers {
            offset_dims: axes.clone(),
            start_index_map: axes,
            ..GatherDimensionNumbers::default()
        };
        let (vectors, dim) = index_vectors(&args[1..], &dims[1..]);
        let options = GatherOptions {
            unique_indices: true,
            indices_are_sorted: true,
            mode: GatherScatterMode::Clip,
            fill_value: None,
        };
        batch_gather(&args[0], &vectors, [dims[0], dim], &numbers, &self.slice_sizes, options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType::{C64, F32, I32};
    use crate::error::catch;
    use crate::lax::iota;
    use crate::lax::testing::{Draw, case, check_rules};

    #[test]
    fn rules_of_dynamic_slice() {
        let mut draw = Draw::new(1);
        // Within bounds, from the end, and beyond, where the window moves.
        let starts = [0i32, 1, -1, 5].map(|i| Array::from_slice(&[i], ()));
        let mut cases = Vec::new();
        for d in [F32, C64, I32] {
            let (x, y, z) = (draw.values(d, &[4]), draw.values(d, &[3, 2]), draw.values(d, &[0, 1]));
            for i in &starts {
                cases.push(case("dynamic_slice", [x.clone(), i.clone()], |x| {
                    dynamic_slice(&x[0], &x[1..], [2])
                }));
                let args = [y.clone(), i.clone(), starts[1].clone()];
                cases.push(case("dynamic_slice", args, |x| dynamic_slice(&x[0], &x[1..], [2, 1])));
            }
            let args = [z, starts[0].clone(), starts[1].clone()];
            cases.push(case("dynamic_slice", args, |x| dynamic_slice(&x[0], &x[1..], [0, 1])));
            cases.push(case("dynamic_slice", [draw.values(d, &[])], |x| dynamic_slice(&x[0], (), ())));
            let args = [y.clone(), starts[1].clone()];
            cases.push(case("in_dim", args.clone(), |x| dynamic_slice_in_dim(&x[0], &x[1], 2, 0)));
            cases.push(case("in_dim", args, |x| dynamic_index_along(&x[0], &x[1], 1)));
        }
        check_rules(cases);
    }

    #[test]
    fn starts_are_wrapped_and_clamped() {
        let x = iota(I32, 5);
        let at = |i: Array| dynamic_slice(&x, &[i], [2]).to_vec::<i32>().unwrap();
        assert_eq!(at(Array::from(1)), [1, 2]);
        assert_eq!(at(Array::from(-1)), [3, 4]);
        assert_eq!(at(Array::from(-2)), [3, 4]);
        assert_eq!(at(Array::from(-9)), [0, 1]);
        assert_eq!(at(Array::scalar(200u8)), [3, 4]);
        assert_eq!(at(Array::from_slice(&[-2], ())), [3, 4]);
        assert_eq!(dynamic_slice(&x, [3], [1]).to_vec::<i32>().unwrap(), [3]);
        assert_eq!(dynamic_index_along(&x, -1, 0).item::<i32>().unwrap(), 4);
    }

    #[test]
    fn dynamic_slice_of_what_does_not_fit_is_rejected() {
        let x = Draw::new(1).values(F32, &[3]);
        assert_eq!(
            message(|| dynamic_slice(&x, [0], [4])),
            "dynamic_slice: slice_sizes must be less than or equal to operand shape, got slice_sizes (4,) for operand f32[3]"
        );
        assert_eq!(
            message(|| dynamic_slice(&x, [0, 0], [1])),
            "dynamic_slice and its like: one start index for each axis, got 2 for operand f32[3]"
        );
        let with = |allow: AllowNegative| DynamicSliceOptions::new().allow_negative_indices(allow);
        assert_eq!(
            message(|| dynamic_slice_with(&x, -1, [1], with(false.into()))),
            "dynamic_slice and its like: index -1 along axis 0 of operand f32[3] is negative, which allow_negative_indices \
             excludes"
        );
        assert_eq!(
            message(|| dynamic_slice_with(&x, [0], [1], with([true, false].into()))),
            "dynamic_slice and its like: allow_negative_indices has one entry, or one for each axis of operand f32[3], got 2"
        );
        assert_eq!(
            message(|| dynamic_slice(&x, [0.5], [1])),
            "index arguments to dynamic_slice must be integers of the same type, got: f32"
        );
        assert_eq!(
            message(|| dynamic_slice(&x, &[Array::from([1u32])], [1])),
            "start_indices arguments to dynamic_slice must be scalars, got u32[1]"
        );
    }

    fn message(f: impl FnOnce() -> Array) -> String {
        catch(|| Ok(f())).unwrap_err().message().to_owned()
    }
}
