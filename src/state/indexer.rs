//! The part of an array that a reference's index names. JAX: `state/indexing.py` (`NDIndexer`).

use smallvec::SmallVec;

use crate::core::array::Array;
use crate::core::aval::{Shape, ShapedArray};
use crate::core::primitive::BatchDim;
use crate::dtype::DType;
use crate::error::Result;
use crate::interpreters::batching::move_batch_axis;
use crate::interpreters::discharge::is_linear;
use crate::lax::{
    self, GatherDimensionNumbers, GatherOptions, GatherScatterMode, ScatterDimensionNumbers, ScatterOptions,
};

/// What stands for one axis in an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum AxisPart {
    /// One position, which counts from the end if it is negative. It is in range.
    At(i64),
    /// `size` positions `start, start + stride, …` of an axis of size `of`.
    Slice { start: usize, size: usize, stride: usize, of: usize },
    /// The positions in the next of the arrays. Those of several broadcast together.
    Positions,
}

impl AxisPart {
    /// All of an axis.
    pub(crate) fn whole(of: usize) -> Self {
        AxisPart::Slice { start: 0, size: of, stride: 1, of }
    }

    fn is_slice(&self) -> bool {
        matches!(self, AxisPart::Slice { .. })
    }

    fn is_whole(&self) -> bool {
        matches!(self, AxisPart::Slice { start: 0, size, stride: 1, of } if size == of)
    }
}

/// An index, with an entry for each axis; none for the whole of an array of any rank. The positions that are arrays come beside it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Indexer {
    axes: SmallVec<[AxisPart; 2]>,
}

/// The index of all examples of a mapped axis at once.
pub(crate) struct BatchedIndexer {
    pub indexer: Indexer,
    pub positions: Vec<Array>,
    /// Where the part carries the mapped axis.
    pub dim: usize,
}

/// An axis of the part.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    /// This axis of the array, or what the slice leaves of it.
    Of(usize),
    /// This axis of the positions' common shape.
    Common(usize),
}

impl Indexer {
    /// The whole array.
    pub(crate) fn whole() -> Self {
        Indexer { axes: SmallVec::new() }
    }

    pub(crate) fn new(axes: impl IntoIterator<Item = AxisPart>) -> Self {
        Indexer { axes: axes.into_iter().collect() }
    }

    fn has_positions(&self) -> bool {
        self.axes.contains(&AxisPart::Positions)
    }

    fn strides(&self) -> bool {
        self.axes.iter().any(|axis| matches!(axis, AxisPart::Slice { stride, .. } if *stride != 1))
    }

    /// As NumPy writes it, with these names for the arrays: `[0,1:,i]`.
    pub(crate) fn printed(&self, names: &[String]) -> String {
        let mut names = names.iter();
        let axes = self.axes.iter().map(|axis| match axis {
            AxisPart::At(i) => i.to_string(),
            AxisPart::Positions => names.next().cloned().unwrap_or_default(),
            AxisPart::Slice { start, size, of, .. } => {
                let end = start + size;
                let number =
                    |n: usize, unless: usize| if n == unless { String::new() } else { n.to_string() };
                format!("{}:{}", number(*start, 0), number(end, *of))
            }
        });
        let axes: Vec<String> = axes.collect();
        if axes.is_empty() { "[...]".into() } else { format!("[{}]", axes.join(",")) }
    }

    /// The common shape of the positions.
    fn common(positions: &[&[usize]]) -> Result<Vec<usize>> {
        lax::common_shape(positions).map_err(|e| e.context("the positions of an index"))
    }

    /// The axes of the part, `rank` being that of the positions' common shape. As in NumPy it is where the positions are if they stand
    /// together, and in front otherwise.
    fn parts(&self, rank: usize) -> Vec<Part> {
        let mut parts: Vec<Part> = self
            .axes
            .iter()
            .enumerate()
            .filter(|(_, axis)| axis.is_slice())
            .map(|(i, _)| Part::Of(i))
            .collect();
        if self.has_positions() {
            let at = self.common_at();
            parts.splice(at..at, (0..rank).map(Part::Common));
        }
        parts
    }

    fn common_at(&self) -> usize {
        let mut picked = (0..self.axes.len()).filter(|i| !self.axes[*i].is_slice());
        let first = picked.next().unwrap_or(0);
        let together = picked.zip(first + 1..).all(|(i, expected)| i == expected);
        if together { first } else { 0 }
    }

    /// The shape of the part of an array of this shape.
    pub(crate) fn shape(&self, of: &[usize], positions: &[ShapedArray]) -> Result<Shape> {
        if self.axes.is_empty() {
            return Ok(of.into());
        }
        let shapes: Vec<&[usize]> = positions.iter().map(|aval| aval.shape()).collect();
        let common = Self::common(&shapes)?;
        Ok(self.parts(common.len()).iter().map(|part| self.size(*part, &common)).collect())
    }

    fn size(&self, part: Part, common: &[usize]) -> usize {
        match part {
            Part::Common(i) => common[i],
            Part::Of(axis) => match self.axes[axis] {
                AxisPart::Slice { size, .. } => size,
                _ => 1,
            },
        }
    }

    fn from_the_start(i: i64, of: usize) -> usize {
        (if i < 0 { i + of as i64 } else { i }).max(0) as usize
    }

    /// The slices of the array, and of axes with one position that is known, if `at`.
    fn sliced(&self, x: &Array, at: bool) -> Array {
        let rank = x.ndim();
        let (mut start, mut limit, mut strides) = (vec![0; rank], x.shape().to_vec(), vec![1; rank]);
        for (axis, index) in self.axes.iter().enumerate() {
            match *index {
                AxisPart::Slice { size: 0, .. } => limit[axis] = 0,
                AxisPart::Slice { start: first, size, stride, .. } => {
                    (start[axis], strides[axis]) = (first, stride);
                    limit[axis] = first + (size - 1) * stride + 1;
                }
                AxisPart::At(i) if at => {
                    start[axis] = Self::from_the_start(i, x.shape()[axis]);
                    limit[axis] = start[axis] + 1;
                }
                _ => {}
            }
        }
        if start.iter().all(|s| *s == 0) && limit == x.shape() && strides.iter().all(|s| *s == 1) {
            return x.clone();
        }
        lax::strided_slice(x, &start, &limit, strides.iter().any(|s| *s != 1).then_some(&strides[..]))
    }

    fn picked(&self) -> Vec<usize> {
        (0..self.axes.len()).filter(|i| !self.axes[*i].is_slice()).collect()
    }

    /// Where a part begins that has one position on each picked axis.
    fn starts(&self, x: &Array, positions: &[Array]) -> Vec<Array> {
        let mut positions = positions.iter();
        let start = |(axis, index): (usize, &AxisPart)| match *index {
            AxisPart::Slice { start, .. } => lax::literal(DType::I32, start as f64),
            AxisPart::At(i) => lax::literal(DType::I32, Self::from_the_start(i, x.shape()[axis]) as f64),
            AxisPart::Positions => match positions.next() {
                Some(position) => lax::convert(position, DType::I32, false),
                None => lax::literal(DType::I32, 0.0),
            },
        };
        self.axes.iter().enumerate().map(start).collect()
    }

    /// The positions of each picked axis, counted from the start, of one shape.
    fn columns(&self, x: &Array, positions: &[Array], common: &[usize]) -> Vec<Array> {
        let mut positions = positions.iter();
        let mut columns = Vec::new();
        for (axis, index) in self.axes.iter().enumerate() {
            let n = x.shape()[axis];
            let position = match index {
                AxisPart::Slice { .. } => continue,
                AxisPart::At(i) => Some(lax::literal(DType::I32, Self::from_the_start(*i, n) as f64)),
                AxisPart::Positions => positions.next().map(|i| from_the_start(i, n)),
            };
            columns.extend(position.map(|i| along(&i, common, common.len())));
        }
        columns
    }

    /// The part. Positions out of range are moved to the edge, as they are by `Array::index`.
    pub(crate) fn read(&self, x: &Array, positions: &[Array]) -> Result<Array> {
        if self.axes.is_empty() {
            return Ok(x.clone());
        }
        let picked = self.picked();
        if !self.has_positions() {
            return Ok(lax::squeeze(&self.sliced(x, true), &picked));
        }
        let sliced = self.sliced(x, false);
        let shapes: Vec<&[usize]> = positions.iter().map(Array::shape).collect();
        let common = Self::common(&shapes)?;
        let sizes: Vec<usize> = sliced
            .shape()
            .iter()
            .enumerate()
            .map(|(i, n)| if picked.contains(&i) { 1 } else { *n })
            .collect();
        if common.is_empty() {
            let mut starts = self.starts(x, positions);
            for (axis, start) in starts.iter_mut().enumerate().filter(|(axis, _)| !picked.contains(axis)) {
                debug_assert!(axis < x.ndim());
                *start = lax::literal(DType::I32, 0.0);
            }
            return Ok(lax::squeeze(&lax::dynamic_slice(&sliced, &starts, &sizes), &picked));
        }
        let at = self.common_at();
        let rank = x.ndim() - picked.len() + common.len();
        let numbers = GatherDimensionNumbers {
            offset_dims: (0..rank).filter(|d| *d < at || *d >= at + common.len()).collect(),
            collapsed_slice_dims: picked.clone(),
            start_index_map: picked,
            ..Default::default()
        };
        let indices = lax::stack(self.columns(x, positions, &common), -1);
        let options = GatherOptions::new().mode(GatherScatterMode::Clip);
        Ok(lax::gather_with(&sliced, &indices, &numbers, &sizes, options))
    }

    /// Is the part a block that `dynamic_update_slice` writes?
    fn is_block(&self, positions: &[Array]) -> bool {
        !self.strides() && positions.iter().all(|i| i.ndim() == 0)
    }

    fn block(&self, x: &Array, value: &Array, positions: &[Array]) -> Array {
        let value = lax::expand_dims(value, self.picked());
        lax::dynamic_update_slice(x, &value, self.starts(x, positions))
    }

    /// The array with the part replaced. Positions out of range are left out, as they are by `Array::at`; a block is moved into range.
    pub(crate) fn write(&self, x: &Array, value: &Array, positions: &[Array]) -> Result<Array> {
        if self.axes.is_empty() || value.size() == 0 {
            return Ok(if self.axes.is_empty() { value.clone() } else { x.clone() });
        }
        if self.is_block(positions) {
            return Ok(self.block(x, value, positions));
        }
        let (indices, numbers, mut options) = self.scatter(x, positions)?;
        // Of repeated positions nobody knows which is written last; transposed, each gets the whole cotangent, as in JAX.
        options.unique_indices |= is_linear();
        Ok(lax::scatter_with(x, &indices, value, &numbers, options))
    }

    /// The array with the value added to the part, several times where positions repeat.
    pub(crate) fn add(&self, x: &Array, value: &Array, positions: &[Array]) -> Result<Array> {
        if self.axes.is_empty() || value.size() == 0 {
            return Ok(if self.axes.is_empty() { lax::add_any(x, value) } else { x.clone() });
        }
        if self.is_block(positions) {
            let sum = lax::add_any(&self.read(x, positions)?, value);
            return Ok(self.block(x, &sum, positions));
        }
        let (indices, numbers, options) = self.scatter(x, positions)?;
        Ok(lax::scatter_add_with(x, &indices, value, &numbers, options))
    }

    /// The part as that of a scatter.
    fn scatter(
        &self,
        x: &Array,
        positions: &[Array],
    ) -> Result<(Array, ScatterDimensionNumbers, ScatterOptions)> {
        let shapes: Vec<&[usize]> = positions.iter().map(Array::shape).collect();
        let common = Self::common(&shapes)?;
        let parts = self.parts(common.len());
        // Whole axes are windows, all others are named position by position.
        let is_window = |part: &Part| matches!(part, Part::Of(axis) if self.axes[*axis].is_whole());
        let windows = (0..parts.len()).filter(|i| is_window(&parts[*i])).collect();
        let named: Vec<Part> = parts.iter().copied().filter(|part| !is_window(part)).collect();
        let shape: Vec<usize> = named.iter().map(|part| self.size(*part, &common)).collect();
        let first = named.iter().position(|part| matches!(part, Part::Common(_))).unwrap_or(0);
        let mut picked = self.columns(x, positions, &common).into_iter();
        let (mut columns, mut axes) = (Vec::new(), Vec::new());
        for (axis, index) in self.axes.iter().enumerate().filter(|(_, index)| !index.is_whole()) {
            let column = match *index {
                AxisPart::Slice { start, size, stride, .. } => {
                    let steps =
                        lax::mul(&lax::iota(DType::I32, size), &lax::literal(DType::I32, stride as f64));
                    let column = lax::add(&steps, &lax::literal(DType::I32, start as f64));
                    let at = named.iter().position(|part| *part == Part::Of(axis)).unwrap_or(0);
                    lax::broadcast_in_dim(&column, &shape, [at])
                }
                _ => match picked.next() {
                    Some(column) => along(&column, &shape, first + common.len()),
                    None => continue,
                },
            };
            columns.push(column);
            axes.push(axis);
        }
        let numbers = ScatterDimensionNumbers {
            update_window_dims: windows,
            inserted_window_dims: axes.clone(),
            scatter_dims_to_operand_dims: axes,
            ..Default::default()
        };
        let once = !self.has_positions();
        let options = ScatterOptions::new()
            .unique_indices(once)
            .indices_are_sorted(once)
            .mode(GatherScatterMode::FillOrDrop);
        Ok((lax::stack(columns, -1), numbers, options))
    }

    /// The index of all examples at once, of a reference that carries the mapped axis at `dim`, if the part's axes stay in their order.
    pub(crate) fn batched(
        &self,
        dim: BatchDim,
        size: usize,
        positions: &[Array],
        at: &[BatchDim],
    ) -> Result<Option<BatchedIndexer>> {
        let each_its_own = at.iter().any(Option::is_some);
        if self.axes.is_empty() {
            let whole = |dim| BatchedIndexer { indexer: Self::whole(), positions: Vec::new(), dim };
            return Ok(dim.map(whole));
        }
        let mut indexer = self.clone();
        if !each_its_own {
            let Some(dim) = dim else { return Ok(None) };
            indexer.axes.insert(dim, AxisPart::whole(size));
            let shapes: Vec<&[usize]> = positions.iter().map(Array::shape).collect();
            let rank = Self::common(&shapes)?.len();
            let without = |parts: Vec<Part>| -> Vec<Part> {
                let axis = |axis: usize| if axis > dim { axis - 1 } else { axis };
                let others = parts.into_iter().filter(|part| *part != Part::Of(dim));
                others.map(|part| if let Part::Of(i) = part { Part::Of(axis(i)) } else { part }).collect()
            };
            let parts = indexer.parts(rank);
            let at = parts.iter().position(|part| *part == Part::Of(dim));
            if without(parts) != self.parts(rank) {
                return Ok(None);
            }
            return Ok(at.map(|dim| BatchedIndexer { indexer, positions: positions.to_vec(), dim }));
        }
        if self.axes.iter().any(AxisPart::is_slice) {
            return Ok(None);
        }
        // All have the mapped axis in front, and the reference's own is named element by element.
        let inner = |i: &Array, at: &BatchDim| i.ndim() - usize::from(at.is_some());
        let rank = positions.iter().zip(at).map(|(i, at)| inner(i, at)).max().unwrap_or(0);
        let mut arrays: Vec<Array> = Vec::new();
        for (i, at) in positions.iter().zip(at) {
            let mapped = move_batch_axis(i, *at, 0, size);
            let mut shape = Shape::from_slice(mapped.shape());
            shape.insert_many(1, std::iter::repeat_n(1, rank - inner(i, at)));
            arrays.push(lax::reshape(&mapped, &shape));
        }
        if let Some(dim) = dim {
            let before = self.axes[..dim].iter().filter(|axis| matches!(axis, AxisPart::Positions)).count();
            let mut shape = vec![1; rank + 1];
            shape[0] = size;
            arrays.insert(before, lax::broadcasted_iota(DType::I32, &shape, 0));
            indexer.axes.insert(dim, AxisPart::Positions);
        }
        Ok(Some(BatchedIndexer { indexer, positions: arrays, dim: 0 }))
    }
}

/// Positions that count from the end made to count from the start.
fn from_the_start(i: &Array, n: usize) -> Array {
    let i = lax::convert(i, if i.dtype().bits() < 32 { DType::I32 } else { i.dtype() }, false);
    if i.dtype().is_unsigned() {
        return lax::convert(&i, DType::I32, false);
    }
    let below = lax::lt(&i, &lax::zeros_like(&i));
    let wrapped = lax::add(&i, &lax::full_like(&i, n as f64));
    lax::convert(&lax::select(&below, &wrapped, &i), DType::I32, false)
}

/// `x` broadcast to `shape`, its last axis being the one before `end`.
fn along(x: &Array, shape: &[usize], end: usize) -> Array {
    // Axes of size one broadcast, as those of several positions do.
    let ones: Vec<usize> =
        (0..x.ndim()).filter(|axis| x.shape()[*axis] == 1 && shape[end - x.ndim() + axis] != 1).collect();
    let dims: Vec<usize> =
        (0..x.ndim()).filter(|axis| !ones.contains(axis)).map(|axis| end - x.ndim() + axis).collect();
    let x = if ones.is_empty() { x.clone() } else { lax::squeeze(x, ones) };
    if x.shape() == shape { x } else { lax::broadcast_in_dim(&x, shape, &dims) }
}
