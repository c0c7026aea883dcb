//! Elements at positions along an axis. JAX: `numpy/indexing.py`.

use super::plan::Plan;
use super::{How, known};
use crate::arguments::{OptAxis, options};
use crate::calls::jit_call::jitted;
use crate::core::array::Array;
use crate::error::{OrThrow, throw};
use crate::lax::arguments::axis_of;
use crate::lax::{self, GatherDimensionNumbers, GatherScatterMode};
use crate::numpy::util::{broadcast_shapes, broadcast_to_shape, strong_constant};
use crate::numpy::where_;

/// What [`take_with`] does with positions out of range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TakeMode {
    /// It gives the option `fill_value`; negative positions count from the end.
    #[default]
    Fill,
    /// It moves them to the edge, negative ones to the first element.
    Clip,
    /// It goes round, as often as need be.
    Wrap,
}

options! {
    /// Options of [`take_with`].
    pub struct TakeOptions {
        /// What happens to positions out of range.
        mode: value TakeMode = TakeMode::Fill,
        /// The caller's word that no position is named twice.
        unique_indices: value bool = false,
        /// The caller's word that positions ascend.
        indices_are_sorted: value bool = false,
        /// What positions out of range give: a number that is known. nan, the smallest signed or the largest unsigned integer, or
        /// `true`, if not given.
        fill_value: optional_into Array,
    }
}

/// Elements at positions along an axis, or in the flattened array for `..`: `f32[2,5]`, indices `i32[3]`, axis 1 ->
/// `f32[2,3]`. Positions out of range give nan (or the smallest integer); negative ones count from the end.
///
/// # Errors
/// `take: indices must have an integer type, got f32`; an axis out of range, or an empty one.
/// ```
/// use raxla::numpy::{self as jnp, TakeMode, TakeOptions};
///
/// let x = jnp::arange(10..13);
/// assert_eq!(jnp::take(&x, [2, -3], 0).to_vec::<i32>()?, [12, 10]);
/// let clipped = jnp::take_with(&x, [9, -9], 0, TakeOptions::new().mode(TakeMode::Clip));
/// assert_eq!(clipped.to_vec::<i32>()?, [12, 10]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn take(x: impl Into<Array>, indices: impl Into<Array>, axis: impl Into<OptAxis>) -> Array {
    taken(&x.into(), &indices.into(), axis.into(), &TakeOptions::new())
}

/// [`take`] by options.
///
/// # Errors
/// As [`take`]; a `fill_value` that is not known.
#[track_caller]
pub fn take_with(
    x: impl Into<Array>,
    indices: impl Into<Array>,
    axis: impl Into<OptAxis>,
    options: TakeOptions,
) -> Array {
    taken(&x.into(), &indices.into(), axis.into(), &options)
}

#[track_caller]
fn taken(x: &Array, indices: &Array, axis: OptAxis, options: &TakeOptions) -> Array {
    let fill = options.fill_value.as_ref().map(|v| known("take", v));
    let statics = (axis, options.mode, options.unique_indices, options.indices_are_sorted, fill);
    jitted("_take", statics, [x, indices], |[x, indices]| taken_along_one(x, indices, axis, options))
}

#[track_caller]
fn taken_along_one(x: &Array, indices: &Array, axis: OptAxis, options: &TakeOptions) -> Array {
    let (x, axis) = match axis.get() {
        None => (crate::numpy::ravel(x), 0),
        Some(axis) => (x.clone(), axis_of("take", axis, x)),
    };
    check_integers("take", indices);
    let (n, size) = (indices.ndim(), x.shape()[axis]);
    if size == 0 && indices.size() > 0 {
        throw!(
            Shape,
            "take: axis {axis} of {} is empty, and {} elements are to be taken",
            x.aval(),
            indices.size()
        );
    }
    let (positions, mode) = match options.mode {
        TakeMode::Fill => {
            let below = lax::lt(indices, &strong_constant(indices, 0.0));
            let up = lax::add(indices, &strong_constant(indices, size as f64));
            (where_(below, up, indices), GatherScatterMode::FillOrDrop)
        }
        TakeMode::Clip => (indices.clone(), GatherScatterMode::Clip),
        TakeMode::Wrap => {
            let around = crate::numpy::remainder(indices, Array::from(size as i64));
            (around, GatherScatterMode::PromiseInBounds)
        }
    };
    let mut slice_sizes = x.shape().to_vec();
    slice_sizes[axis] = size.min(1);
    let numbers = GatherDimensionNumbers {
        offset_dims: (0..axis).chain(axis + n..x.ndim() - 1 + n).collect(),
        collapsed_slice_dims: vec![axis],
        start_index_map: vec![axis],
        ..Default::default()
    };
    if indices.size() == 0 {
        let mut shape = x.shape().to_vec();
        shape.splice(axis..=axis, indices.shape().iter().copied());
        return lax::full(&shape, lax::literal(x.dtype(), 0.0));
    }
    let how = How {
        indices_are_sorted: options.indices_are_sorted,
        unique_indices: options.unique_indices,
        mode: Some(mode),
        fill_value: options.fill_value.as_ref().map(|v| known("take", v)),
        wrap_negative_indices: false,
    };
    lax::gather_with(&x, &lax::expand_dims(&positions, [n]), &numbers, &slice_sizes, how.gather())
}

#[track_caller]
fn check_integers(name: &str, indices: &Array) {
    if !indices.dtype().is_integer() {
        throw!(DType, "{name}: indices must have an integer type, got {}", indices.dtype());
    }
}

options! {
    /// Options of [`take_along_axis_with`].
    pub struct TakeAlongAxisOptions {
        /// What happens to positions out of range.
        mode: value GatherScatterMode = GatherScatterMode::FillOrDrop,
        /// What positions out of range give: a number that is known. nan, the smallest signed or the largest unsigned integer, or
        /// `true`, if not given.
        fill_value: optional_into Array,
        /// Do negative positions count from the end?
        wrap_negative_indices: value bool = true,
    }
}

/// Elements at positions along an axis, for each place along the other axes: what [`argsort`](crate::numpy::argsort) and
/// [`argmax`](crate::numpy::argmax) give can be used here. `..` flattens both.
///
/// # Errors
/// Indices that are not integers or have another number of axes; an axis out of range.
#[track_caller]
pub fn take_along_axis(x: impl Into<Array>, indices: impl Into<Array>, axis: impl Into<OptAxis>) -> Array {
    taken_along(&x.into(), &indices.into(), axis.into(), &TakeAlongAxisOptions::new())
}

/// [`take_along_axis`] by options.
///
/// # Errors
/// As [`take_along_axis`]; a `fill_value` that is not known.
#[track_caller]
pub fn take_along_axis_with(
    x: impl Into<Array>,
    indices: impl Into<Array>,
    axis: impl Into<OptAxis>,
    options: TakeAlongAxisOptions,
) -> Array {
    taken_along(&x.into(), &indices.into(), axis.into(), &options)
}

#[track_caller]
fn taken_along(x: &Array, indices: &Array, axis: OptAxis, options: &TakeAlongAxisOptions) -> Array {
    let fill = options.fill_value.as_ref().map(|v| known("take_along_axis", v));
    let statics = (axis, options.mode, fill, options.wrap_negative_indices);
    jitted("take_along_axis", statics, [x, indices], |[x, indices]| {
        taken_along_each(x, indices, axis, options)
    })
}

#[track_caller]
fn taken_along_each(x: &Array, indices: &Array, axis: OptAxis, options: &TakeAlongAxisOptions) -> Array {
    const NAME: &str = "take_along_axis";
    check_integers(NAME, indices);
    let (x, indices, axis) = match axis.get() {
        None => (crate::numpy::ravel(x), crate::numpy::ravel(indices), 0),
        Some(axis) => (x.clone(), indices.clone(), axis_of(NAME, axis, x)),
    };
    if indices.ndim() != x.ndim() {
        let (indices, x) = (indices.aval(), x.aval());
        throw!(Shape, "{NAME}: indices must have as many axes as the array, got {indices} for {x}");
    }
    // Both broadcast along the other axes.
    let mut sizes = [x.shape().to_vec(), indices.shape().to_vec()];
    for s in &mut sizes {
        s[axis] = 1;
    }
    let common = broadcast_shapes(&[&sizes[0], &sizes[1]]).map_err(|e| e.context(NAME)).or_throw();
    let spread = |a: &Array| {
        let mut shape = common.clone();
        shape[axis] = a.shape()[axis];
        broadcast_to_shape(a, &shape)
    };
    let (x, indices) = (spread(&x), spread(&indices));
    let indices =
        if options.wrap_negative_indices { Plan::from_the_end(&indices, x.shape()[axis]) } else { indices };
    let others: Vec<usize> = (0..x.ndim()).filter(|i| *i != axis).collect();
    let numbers = GatherDimensionNumbers {
        offset_dims: Vec::new(),
        collapsed_slice_dims: vec![axis],
        start_index_map: vec![axis],
        operand_batching_dims: others.clone(),
        start_indices_batching_dims: others,
    };
    let fill_value = options.fill_value.as_ref().map(|v| known(NAME, v));
    let how = How { mode: Some(options.mode), fill_value, ..How::DEFAULT };
    let rank = x.ndim();
    let vectors: Vec<usize> = indices.shape().iter().copied().chain([1]).collect();
    lax::gather_with(&x, &lax::reshape(&indices, vectors), &numbers, vec![1; rank], how.gather())
}
