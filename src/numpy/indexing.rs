//! Reading and updating parts of arrays: `x.index((1, .., 0..3))`, `x.at(i).set(v)`. JAX: `numpy/indexing.py`,
//! `ops/scatter.py`.
//!
//! A position out of range is no error, since under `jit` it cannot be one: reading moves it to the edge, updating leaves it
//! out, [`take`] gives nan, and [`At::mode`] chooses. That holds for positions that are numbers, too: `x.index(7)` of three
//! elements is the last one.

mod index;
mod plan;
mod take;

pub use index::{Colon, Index, IntoIndices, NewAxis, step};
use plan::{Axis, Plan};
pub use take::*;

use crate::core::array::Array;
use crate::core::scalar::Scalar;
use crate::dtype::DType;
use crate::error::{OrThrow, throw};
pub use crate::lax::GatherScatterMode;
use crate::lax::{self, GatherDimensionNumbers, GatherOptions, ScatterDimensionNumbers, ScatterOptions};
use crate::numpy::creation::spread;
use crate::numpy::util::{broadcast_to_shape, promote_dtypes};

/// How [`At`] meets positions.
#[derive(Clone, Copy, Debug)]
struct How {
    indices_are_sorted: bool,
    unique_indices: bool,
    /// `None`: moved to the edge in reading, left out in updating.
    mode: Option<GatherScatterMode>,
    fill_value: Option<Scalar>,
    wrap_negative_indices: bool,
}

impl How {
    const DEFAULT: How = How {
        indices_are_sorted: false,
        unique_indices: false,
        mode: None,
        fill_value: None,
        wrap_negative_indices: true,
    };

    fn gather(&self) -> GatherOptions {
        GatherOptions {
            indices_are_sorted: self.indices_are_sorted,
            unique_indices: self.unique_indices,
            mode: self.mode.unwrap_or(GatherScatterMode::PromiseInBounds),
            fill_value: self.fill_value,
        }
    }
}

#[track_caller]
fn get(name: &str, x: &Array, mut indices: Vec<Index>, how: &How) -> Array {
    if how.mode.is_some() {
        // A mode is that of a gather, so integers are picked.
        for index in &mut indices {
            if let Index::Int(i) = index {
                *index = Index::Array(Array::scalar(*i));
            }
        }
    }
    let plan = Plan::new(name, x, indices, how.wrap_negative_indices).or_throw();
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
    let mut out = if whole {
        x.clone()
    } else {
        {
            let steps = steps.iter().any(|n| *n != 1).then_some(&steps[..]);
            lax::strided_slice(x, &start, &limit, steps)
        }
    };
    if !reversed.is_empty() {
        out = lax::rev(&out, &reversed);
    }
    match &plan.picked {
        None => out = lax::squeeze(&out, &dropped),
        Some((common, at)) => {
            let unit = |axis: &Axis| !matches!(axis, Axis::Slice { step, .. } if step.abs() != 1);
            let nowhere = plan.axes.iter().zip(x.shape()).any(|(axis, n)| *n == 0 && axis.is_picked());
            let one = how.mode.is_none() && common.is_empty() && !nowhere && plan.axes.iter().all(unit);
            out = if one { pick_one(&out, &plan) } else { pick(&out, &plan, common, *at, how) };
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
    lax::squeeze(&lax::dynamic_slice(x, &starts, &sizes), &picked)
}

/// Gathers along the picked axes.
#[track_caller]
fn pick(x: &Array, plan: &Plan, common: &[usize], at: usize, how: &How) -> Array {
    let (mut columns, mut axes) = (Vec::new(), Vec::new());
    for (axis, index) in plan.axes.iter().enumerate() {
        let n = x.shape()[axis];
        let positions = match index {
            Axis::Slice { .. } => continue,
            Axis::At(i) => lax::literal(DType::I32, *i as f64),
            Axis::Picked(i) => plan.wrapped(i, n),
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
    lax::gather_with(x, &lax::stack(&columns, -1), &numbers, &slice_sizes, how.gather())
}

/// What an update does with the elements that it is written to.
#[derive(Clone, Copy, Debug)]
enum Update {
    Set,
    Add,
    Subtract,
    Multiply,
    Min,
    Max,
}

#[track_caller]
fn update(name: &str, kind: Update, at: At<'_>, value: &Array) -> Array {
    let (x, how) = (at.array, at.how);
    let plan = Plan::new(name, x, at.indices, how.wrap_negative_indices).or_throw();
    let mut options = ScatterOptions {
        indices_are_sorted: how.indices_are_sorted,
        unique_indices: how.unique_indices,
        mode: how.mode.unwrap_or(GatherScatterMode::FillOrDrop),
    };
    if plan.picked.is_none() {
        // Integers and slices name each position once.
        let forward = |axis: &Axis| !matches!(axis, Axis::Slice { step, .. } if *step < 0);
        options.unique_indices = true;
        options.indices_are_sorted |= plan.axes.iter().all(forward);
    }
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
    if shape.contains(&0) {
        // Whatever is to be written there, as in JAX.
        return x.clone();
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
                lax::broadcast_in_dim(&positions, &batch_shape, [d])
            }
            Axis::At(i) => lax::full(&batch_shape, lax::literal(DType::I32, *i as f64)),
            Axis::Picked(i) => {
                let i = lax::convert(&plan.wrapped(i, n), DType::I32, false);
                let dims: Vec<usize> = (first_common..first_common + common.len()).collect();
                lax::broadcast_in_dim(&broadcast_to_shape(&i, &common), &batch_shape, &dims)
            }
        };
        columns.push(column);
        axes.push(axis);
    }
    let indices = if columns.is_empty() {
        let mut none = batch_shape;
        none.push(0);
        lax::zeros(DType::I32, &none)
    } else {
        lax::stack(&columns, -1)
    };
    let [wide, value] = promote_dtypes(name, [x, value]);
    // The value broadcasts to what reading would give, new axes included.
    let mut target = shape.clone();
    for axis in &plan.new_axes {
        target.insert((*axis).min(target.len()), 1);
    }
    let value = lax::reshape(&spread(name, &value, &target), &shape);
    let numbers = ScatterDimensionNumbers {
        update_window_dims: windows,
        inserted_window_dims: axes.clone(),
        scatter_dims_to_operand_dims: axes,
        ..Default::default()
    };
    let out = match kind {
        Update::Set => lax::scatter_with(&wide, &indices, &value, &numbers, options),
        Update::Add => lax::scatter_add_with(&wide, &indices, &value, &numbers, options),
        Update::Subtract => lax::scatter_sub_with(&wide, &indices, &value, &numbers, options),
        Update::Multiply => lax::scatter_mul_with(&wide, &indices, &value, &numbers, options),
        Update::Min => lax::scatter_min_with(&wide, &indices, &value, &numbers, options),
        Update::Max => lax::scatter_max_with(&wide, &indices, &value, &numbers, options),
    };
    lax::convert(&out, x.dtype(), x.weak_type())
}

/// A part of an array that is to be read or updated; see [`Array::at`].
///
/// ```
/// use raxla::numpy::{self as jnp, GatherScatterMode};
///
/// let x = jnp::arange(3);
/// let beyond = x.at([1, 7]).mode(GatherScatterMode::FillOrDrop).fill_value(-1);
/// assert_eq!(beyond.get().to_vec::<i32>()?, [1, -1]);
/// assert_eq!(x.at([1, 7]).mode(GatherScatterMode::Clip).set(9).to_vec::<i32>()?, [0, 9, 9]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct At<'a> {
    array: &'a Array,
    indices: Vec<Index>,
    how: How,
}

macro_rules! updates {
    ($($name:ident $kind:ident $doc:literal;)*) => {$(
        #[doc = $doc]
        ///
        /// The value broadcasts to the part. Positions out of range are left out, unless [`mode`](At::mode) says otherwise.
        ///
        /// # Errors
        #[doc = concat!("`at.", stringify!($name), ": incompatible shapes for broadcasting: f32[3] and requested shape (2,)`;")]
        /// too many indices; indices that are not integers; a `fill_value`, which is for reading.
        #[track_caller]
        #[allow(clippy::should_implement_trait, reason = "JAX's names: `x.at[i].add(v)`")]
        pub fn $name(self, value: impl Into<Array>) -> Array {
            self.written(concat!("at.", stringify!($name)), Update::$kind, &value.into())
        }
    )*};
}

impl At<'_> {
    updates! {
        set Set "The array with the part replaced by `value`.";
        add Add "The array with `value` added to the part; several times where positions repeat.";
        subtract Subtract "The array with `value` subtracted from the part.";
        multiply Multiply "The array with the part multiplied by `value`.";
        min Min "The array with the smaller of the part and `value`.";
        max Max "The array with the larger of the part and `value`.";
    }

    #[track_caller]
    fn written(self, name: &str, kind: Update, value: &Array) -> Array {
        if self.how.fill_value.is_some() {
            throw!(InvalidArgument, "{name}: a fill_value is for reading");
        }
        if let (Update::Set, [Index::Array(mask)]) = (kind, &self.indices[..])
            && mask.dtype().is_bool()
            && mask.shape() == self.array.shape()
            && value.ndim() == 0
        {
            let x = self.array;
            return crate::numpy::where_(mask, lax::convert(value, x.dtype(), x.weak_type()), x);
        }
        update(name, kind, self, value)
    }

    /// The part. Positions out of range are moved to the edge, unless [`mode`](At::mode) says otherwise.
    ///
    /// # Errors
    /// `at.get: too many indices: array is 2-dimensional, but 3 were indexed`; indices that are not integers.
    #[track_caller]
    pub fn get(self) -> Array {
        get("at.get", self.array, self.indices, &self.how)
    }

    /// What happens to positions out of range.
    #[must_use]
    pub fn mode(mut self, mode: GatherScatterMode) -> Self {
        self.how.mode = Some(mode);
        self
    }

    /// What reading gives for positions out of range by [`GatherScatterMode::FillOrDrop`]: a number that is known. If it is not
    /// given, that is nan, the smallest signed or the largest unsigned integer, `true`.
    ///
    /// # Errors
    /// A traced value, or an array of several elements.
    #[must_use]
    #[track_caller]
    pub fn fill_value(mut self, value: impl Into<Array>) -> Self {
        self.how.fill_value = Some(known("at.get", &value.into()));
        self
    }

    /// The caller's word that no position is named twice. What happens if one is depends on the platform.
    ///
    /// ```
    /// use raxla::{numpy as jnp, prelude::*};
    ///
    /// // The derivative of a product asks for it.
    /// let f = |v: &Array| jnp::sum(jnp::ones(4).at([3, 1]).unique_indices(true).multiply(v), ..);
    /// assert_eq!(grad(f)(&Array::from([2.0f32, 3.0]))?.to_vec::<f32>()?, [1.0, 1.0]);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    #[must_use]
    pub fn unique_indices(mut self, unique_indices: bool) -> Self {
        self.how.unique_indices = unique_indices;
        self
    }

    /// The caller's word that positions ascend. What happens if they do not depends on the platform.
    #[must_use]
    pub fn indices_are_sorted(mut self, indices_are_sorted: bool) -> Self {
        self.how.indices_are_sorted = indices_are_sorted;
        self
    }

    /// Do negative positions in arrays count from the end? They do unless told otherwise.
    #[must_use]
    pub fn wrap_negative_indices(mut self, wrap_negative_indices: bool) -> Self {
        self.how.wrap_negative_indices = wrap_negative_indices;
        self
    }
}

/// A number for an option that is part of the program.
#[track_caller]
fn known(name: &str, value: &Array) -> Scalar {
    value.to_scalar().map_err(|e| e.context(format!("{name}: fill_value"))).or_throw()
}

impl Array {
    /// A part of the array: integers, ranges, `..`, [`Colon`], [`NewAxis`], arrays of positions, or a tuple of these. JAX: `x[…]`.
    ///
    /// Positions out of range are moved to the edge, also those that are numbers, since under `jit` they cannot be an error:
    /// `x.index(7)` of three elements is the last one.
    ///
    /// # Errors
    /// `index: too many indices: array is 2-dimensional, but 3 were indexed`; indices that are not integers.
    /// ```
    /// use raxla::numpy as jnp;
    ///
    /// let x = jnp::arange(6).reshape((2, 3));
    /// assert_eq!(x.index((1, 0..2)).to_vec::<i32>()?, [3, 4]);
    /// assert_eq!(x.index((.., -1)).to_vec::<i32>()?, [2, 5]);
    /// assert_eq!(x.index((0, [2, 0])).to_vec::<i32>()?, [2, 0]);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    #[track_caller]
    pub fn index(&self, indices: impl IntoIndices) -> Array {
        get("index", self, indices.into_indices(), &How::DEFAULT)
    }

    /// A part of the array that is to be updated: `x.at(0).set(1.0)` gives a new array. JAX: `x.at[…]`.
    ///
    /// ```
    /// use raxla::numpy as jnp;
    ///
    /// let x = jnp::zeros(4);
    /// let x = x.at(1..3).set(1.0).at([0, 0]).add(2.0);
    /// assert_eq!(x.to_vec::<f32>()?, [4.0, 1.0, 1.0, 0.0]);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    #[track_caller]
    pub fn at(&self, indices: impl IntoIndices) -> At<'_> {
        At { array: self, indices: indices.into_indices(), how: How::DEFAULT }
    }
}
