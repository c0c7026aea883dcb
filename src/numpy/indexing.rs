//! Reading and updating parts of arrays: `x.index((1, .., 0..3))`, `x.at(i).set(v)`. JAX: `numpy/indexing.py`,
//! `ops/scatter.py`.

mod index;
mod plan;

pub use index::{Index, IntoIndices, NewAxis, step};
use plan::{Axis, Plan};

use crate::core::array::Array;
use crate::dtype::DType;
use crate::error::{OrThrow, Result, bail};
use crate::lax::{self, GatherDimensionNumbers, GatherOptions, GatherScatterMode};
use crate::lax::{ScatterDimensionNumbers, ScatterOptions};
use crate::numpy::util::{broadcast_shapes, broadcast_to_shape, promote_dtypes};

#[track_caller]
fn get(x: &Array, indices: Vec<Index>) -> Array {
    let plan = Plan::new(x, indices).or_throw();
    // Slices first. What is picked stays whole meanwhile.
    let picking = plan.picked.is_some();
    let rank = x.ndim();
    let (mut start, mut limit, mut steps) = (vec![0; rank], x.shape().to_vec(), vec![1; rank]);
    let (mut reversed, mut dropped) = (Vec::new(), Vec::new());
    for (axis, index) in plan.axes.iter().enumerate() {
        let n = x.shape()[axis];
        match index {
            Axis::Slice { size: 0, .. } => (start[axis], limit[axis]) = (0, 0),
            Axis::Slice { start: s, step, size } if *step > 0 => {
                (start[axis], limit[axis], steps[axis]) =
                    (*s, s + (size - 1) * *step as usize + 1, *step as usize);
            }
            Axis::Slice { start: s, step, size } => {
                let by = step.unsigned_abs() as usize;
                (start[axis], limit[axis], steps[axis]) = (s - (size - 1) * by, s + 1, by);
                reversed.push(axis);
            }
            Axis::At(i) if !picking && n > 0 => {
                let i = (*i).clamp(0, n as i64 - 1) as usize;
                (start[axis], limit[axis]) = (i, i + 1);
                dropped.push(axis);
            }
            _ => {}
        }
    }
    let whole = start.iter().all(|s| *s == 0) && limit == x.shape() && steps.iter().all(|s| *s == 1);
    let mut out = if whole { x.clone() } else { lax::slice(x, &start, &limit, Some(&steps)) };
    if !reversed.is_empty() {
        out = lax::rev(&out, &reversed);
    }
    match &plan.picked {
        None => out = lax::squeeze_axes(&out, &dropped),
        Some((common, at)) => {
            let unit = |axis: &Axis| !matches!(axis, Axis::Slice { step, .. } if step.abs() != 1);
            let nowhere = plan.axes.iter().zip(x.shape()).any(|(axis, n)| *n == 0 && axis.is_picked());
            out = if common.is_empty() && !nowhere && plan.axes.iter().all(unit) {
                pick_one(&out, &plan)
            } else {
                pick(&out, &plan, common, *at)
            };
        }
    }
    if plan.new_axes.is_empty() { out } else { lax::expand_dims(&out, &plan.new_axes) }
}

/// The one position of each picked axis, moved into range. JAX: `_dynamic_slice`.
#[track_caller]
fn pick_one(x: &Array, plan: &Plan) -> Array {
    let (mut starts, mut sizes, mut picked) = (Vec::new(), Vec::new(), Vec::new());
    for (axis, index) in plan.axes.iter().enumerate() {
        let n = x.shape()[axis];
        let start = match index {
            Axis::Slice { .. } => lax::literal(DType::I32, 0.0),
            Axis::At(i) => lax::literal(DType::I32, (*i).clamp(0, n as i64 - 1) as f64),
            // Those from the end are left to `dynamic_slice`.
            Axis::Picked(i) => lax::convert(i, DType::I32, false),
        };
        starts.push(start);
        sizes.push(if index.is_picked() { 1 } else { n });
        if index.is_picked() {
            picked.push(axis);
        }
    }
    lax::squeeze_axes(&lax::dynamic_slice(x, &starts, &sizes), &picked)
}

/// Gathers along the picked axes.
#[track_caller]
fn pick(x: &Array, plan: &Plan, common: &[usize], at: usize) -> Array {
    let (mut columns, mut axes) = (Vec::new(), Vec::new());
    for (axis, index) in plan.axes.iter().enumerate() {
        let n = x.shape()[axis];
        let positions = match index {
            Axis::Slice { .. } => continue,
            Axis::At(i) => lax::literal(DType::I32, *i as f64),
            Axis::Picked(i) => Plan::wrapped(i, n),
        };
        columns.push(lax::convert(&broadcast_to_shape(&positions, common), DType::I32, false));
        axes.push(axis);
    }
    let slice_sizes: Vec<usize> =
        (0..x.ndim()).map(|axis| if axes.contains(&axis) { 1 } else { x.shape()[axis] }).collect();
    let rank = x.ndim() - axes.len() + common.len();
    let numbers = GatherDimensionNumbers {
        offset_dims: (0..rank).filter(|d| *d < at || *d >= at + common.len()).collect(),
        collapsed_slice_dims: axes.clone(),
        start_index_map: axes,
        ..Default::default()
    };
    lax::gather(x, &lax::stack(&columns, -1), &numbers, &slice_sizes, GatherOptions::default())
}

/// How an update meets the elements that it is written to.
type Scatter = fn(&Array, &Array, &Array, &ScatterDimensionNumbers, ScatterOptions) -> Array;

#[track_caller]
fn update(at: At<'_>, value: &Array, scatter: Scatter) -> Array {
    let (x, mut options) = (at.array, at.options);
    let plan = Plan::new(x, at.indices).or_throw();
    if plan.picked.is_none() {
        // Integers and slices name each position once.
        let forward = |axis: &Axis| !matches!(axis, Axis::Slice { step, .. } if *step < 0);
        options.unique_indices = true;
        options.indices_are_sorted |= plan.axes.iter().all(forward);
    }
    let [wide, value] = promote_dtypes([x, value]);
    let (common, at) = plan.picked.clone().unwrap_or((Vec::new(), 0));
    // The axes of the result of reading: windows (whole axes), and batched ones (slices, and those of the arrays).
    enum Out {
        Window(usize),
        Slice(usize),
        Common(usize),
    }
    let mut layout = Vec::new();
    for (axis, index) in plan.axes.iter().enumerate() {
        if let Axis::Slice { start, step, size } = index {
            let whole = *start == 0 && *step == 1 && *size == x.shape()[axis];
            layout.push(if whole { Out::Window(axis) } else { Out::Slice(axis) });
        }
    }
    layout.splice(at..at, (0..common.len()).map(Out::Common));
    let mut shape = Vec::new();
    let (mut batch, mut batch_shape, mut windows) = (Vec::new(), Vec::new(), Vec::new());
    for (position, out) in layout.iter().enumerate() {
        let n = match out {
            Out::Window(axis) => x.shape()[*axis],
            Out::Slice(axis) => match &plan.axes[*axis] {
                Axis::Slice { size, .. } => *size,
                _ => 1,
            },
            Out::Common(i) => common[*i],
        };
        shape.push(n);
        match out {
            Out::Window(_) => windows.push(position),
            _ => {
                batch.push(out);
                batch_shape.push(n);
            }
        }
    }
    let first_common = batch.iter().position(|o| matches!(o, Out::Common(_))).unwrap_or(0);
    let (mut columns, mut axes) = (Vec::new(), Vec::new());
    for (axis, index) in plan.axes.iter().enumerate() {
        let n = x.shape()[axis];
        let column = match index {
            Axis::Slice { start, step, size } => {
                let Some(d) = batch.iter().position(|o| matches!(o, Out::Slice(a) if *a == axis)) else {
                    continue;
                };
                let steps = lax::mul(&lax::iota(DType::I32, *size), &lax::literal(DType::I32, *step as f64));
                let positions = lax::add(&steps, &lax::literal(DType::I32, *start as f64));
                lax::broadcast_in_dim(&positions, &batch_shape, &[d])
            }
            Axis::At(i) => lax::full(&batch_shape, lax::literal(DType::I32, *i as f64)),
            Axis::Picked(i) => {
                let i = lax::convert(&Plan::wrapped(i, n), DType::I32, false);
                let dims: Vec<usize> = (first_common..first_common + common.len()).collect();
                lax::broadcast_in_dim(&broadcast_to_shape(&i, &common), &batch_shape, &dims)
            }
        };
        columns.push(column);
        axes.push(axis);
    }
    // The value broadcasts to what reading would give, new axes included.
    let mut target = shape.clone();
    for axis in &plan.new_axes {
        target.insert((*axis).min(target.len()), 1);
    }
    let value = lax::reshape(&crate::numpy::broadcast_to(value, &target), &shape);
    let indices = if columns.is_empty() {
        let mut none = batch_shape;
        none.push(0);
        lax::zeros(DType::I32, &none)
    } else {
        lax::stack(&columns, -1)
    };
    let numbers = ScatterDimensionNumbers {
        update_window_dims: windows,
        inserted_window_dims: axes.clone(),
        scatter_dims_to_operand_dims: axes,
        ..Default::default()
    };
    lax::convert(&scatter(&wide, &indices, &value, &numbers, options), x.dtype(), x.weak_type())
}

/// A part of an array that is to be read or updated; see [`Array::at`].
#[derive(Clone, Debug)]
pub struct At<'a> {
    array: &'a Array,
    indices: Vec<Index>,
    options: ScatterOptions,
}

macro_rules! updates {
    ($($name:ident $scatter:ident $doc:literal;)*) => {$(
        #[doc = $doc]
        ///
        /// The value broadcasts to the part. Positions out of range are left out.
        ///
        /// # Errors
        /// `broadcast_to: incompatible shapes for broadcasting: …`
        #[track_caller]
        #[allow(clippy::should_implement_trait, reason = "JAX's names: `x.at[i].add(v)`")]
        pub fn $name(self, value: impl Into<Array>) -> Array {
            update(self, &value.into(), lax::$scatter)
        }
    )*};
}

#[allow(clippy::should_implement_trait, reason = "JAX's name")]
impl At<'_> {
    updates! {
        add scatter_add "The array with `value` added to the part; several times where positions repeat.";
        subtract scatter_sub "The array with `value` subtracted from the part.";
        multiply scatter_mul "The array with the part multiplied by `value`.";
        min scatter_min "The array with the smaller of the part and `value`.";
        max scatter_max "The array with the larger of the part and `value`.";
    }

    /// The array with the part replaced by `value`.
    ///
    /// The value broadcasts to the part. Positions out of range are left out.
    ///
    /// # Errors
    /// `broadcast_to: incompatible shapes for broadcasting: …`
    #[track_caller]
    pub fn set(self, value: impl Into<Array>) -> Array {
        let value = value.into();
        if let [Index::Array(mask)] = &self.indices[..]
            && mask.dtype().is_bool()
            && mask.shape() == self.array.shape()
            && value.ndim() == 0
        {
            let x = self.array;
            return crate::numpy::where_(mask, lax::convert(&value, x.dtype(), x.weak_type()), x);
        }
        update(self, &value, lax::scatter)
    }

    /// The caller's word that no position is named twice. What happens if one is depends on the platform.
    ///
    /// ```
    /// use raxla::{numpy as jnp, prelude::*};
    ///
    /// // The derivative of a product asks for it.
    /// let f = |v: &Array| jnp::sum(jnp::ones(&[4], None).at([3, 1]).unique_indices().multiply(v), ..);
    /// assert_eq!(grad(f)(&Array::from([2.0f32, 3.0]))?.to_vec::<f32>()?, [1.0, 1.0]);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    pub fn unique_indices(mut self) -> Self {
        self.options.unique_indices = true;
        self
    }

    /// The caller's word that positions ascend. What happens if they do not depends on the platform.
    pub fn indices_are_sorted(mut self) -> Self {
        self.options.indices_are_sorted = true;
        self
    }

    /// The part. Positions out of range are moved to the edge.
    #[track_caller]
    pub fn get(self) -> Array {
        get(self.array, self.indices)
    }
}

impl Array {
    /// A part of the array: integers, ranges, `..`, [`NewAxis`], arrays of positions, or a tuple of these. JAX: `x[…]`.
    ///
    /// Positions out of range are moved to the edge, since under `jit` they cannot be an error.
    ///
    /// # Errors
    /// `index: too many indices: array is 2-dimensional, but 3 were indexed`; indices that are not integers.
    /// ```
    /// use raxla::numpy as jnp;
    ///
    /// let x = jnp::arange(6).reshape(&[2, 3]);
    /// assert_eq!(x.index((1, 0..2)).to_vec::<i32>()?, [3, 4]);
    /// assert_eq!(x.index((.., -1)).to_vec::<i32>()?, [2, 5]);
    /// assert_eq!(x.index((0, [2, 0])).to_vec::<i32>()?, [2, 0]);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    #[track_caller]
    pub fn index(&self, indices: impl IntoIndices) -> Array {
        get(self, indices.into_indices())
    }

    /// A part of the array that is to be updated: `x.at(0).set(1.0)` gives a new array. JAX: `x.at[…]`.
    ///
    /// ```
    /// use raxla::numpy as jnp;
    ///
    /// let x = jnp::zeros(&[4], None);
    /// let x = x.at(1..3).set(1.0).at([0, 0]).add(2.0);
    /// assert_eq!(x.to_vec::<f32>()?, [4.0, 1.0, 1.0, 0.0]);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    pub fn at(&self, indices: impl IntoIndices) -> At<'_> {
        At { array: self, indices: indices.into_indices(), options: ScatterOptions::default() }
    }
}

/// Elements at positions along an axis, or in the flattened array for `..`: `f32[2,5]`, indices `i32[3]`, axis 1 ->
/// `f32[2,3]`. Positions out of range give nan (or the smallest integer); negative ones count from the end.
///
/// # Errors
/// Indices that are not integers; an axis out of range.
#[track_caller]
pub fn take(x: impl Into<Array>, indices: impl Into<Array>, axis: impl Into<crate::numpy::Axes>) -> Array {
    let (x, indices) = (x.into(), indices.into());
    let (x, axis) = match axis.into().single("take").or_throw() {
        None => (crate::numpy::ravel(&x), 0),
        Some(axis) => {
            let axis = crate::numpy::util::canonical_axis("take", axis, x.ndim());
            (x, axis)
        }
    };
    check_integers("take", &indices).or_throw();
    let n = indices.ndim();
    let positions = Plan::wrapped(&indices, x.shape()[axis]);
    let mut slice_sizes = x.shape().to_vec();
    slice_sizes[axis] = 1;
    let numbers = GatherDimensionNumbers {
        offset_dims: (0..axis).chain(axis + n..x.ndim() - 1 + n).collect(),
        collapsed_slice_dims: vec![axis],
        start_index_map: vec![axis],
        ..Default::default()
    };
    let options = GatherOptions { mode: GatherScatterMode::FillOrDrop, ..Default::default() };
    lax::gather(&x, &lax::expand_dims(&positions, &[n]), &numbers, &slice_sizes, options)
}

fn check_integers(name: &str, indices: &Array) -> Result<()> {
    if !indices.dtype().is_integer() {
        bail!(DType, "{name}: indices must have an integer type, got {}", indices.dtype().name());
    }
    Ok(())
}

/// Elements at positions along an axis, for each place along the other axes: what [`argsort`](super::argsort) and
/// [`argmax`](super::argmax) give can be used here.
///
/// # Errors
/// Indices that are not integers or have another number of axes; an axis out of range.
#[track_caller]
pub fn take_along_axis(x: impl Into<Array>, indices: impl Into<Array>, axis: i64) -> Array {
    let (x, indices) = (x.into(), indices.into());
    let axis = crate::numpy::util::canonical_axis("take_along_axis", axis, x.ndim());
    let check = || {
        check_integers("take_along_axis", &indices)?;
        if indices.ndim() != x.ndim() {
            bail!(
                Shape,
                "take_along_axis: indices must have as many axes as the array, got {} for {}",
                indices.aval(),
                x.aval()
            );
        }
        Ok(())
    };
    check().or_throw();
    // Both broadcast along the other axes.
    let mut sizes = [x.shape().to_vec(), indices.shape().to_vec()];
    for s in &mut sizes {
        s[axis] = 1;
    }
    let common =
        broadcast_shapes(&[&sizes[0], &sizes[1]]).map_err(|e| e.context("take_along_axis")).or_throw();
    let spread = |a: &Array| {
        let mut shape = common.clone();
        shape[axis] = a.shape()[axis];
        broadcast_to_shape(a, &shape)
    };
    let positions = Plan::wrapped(&spread(&indices), x.shape()[axis]);
    lax::take_along(&spread(&x), &positions, axis, GatherScatterMode::FillOrDrop)
}
