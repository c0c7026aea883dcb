//! What `gather` and the scatters share: dimension numbers, modes, and the checks of both. JAX:
//! `lax.GatherDimensionNumbers`, `lax.ScatterDimensionNumbers`, `lax.GatherScatterMode`.

use crate::core::aval::{Shape, ShapedArray};
use crate::core::lowering::LoweringCtx;
use crate::dtype::DType;
use crate::error::{Result, bail};
use crate::lax::elementwise::tuple;
use crate::mlir::{Value, list};

/// How the axes of a gather's operand, indices and result relate. The last axis of the indices holds the index vectors.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct GatherDimensionNumbers {
    /// Axes of the result that run within a slice; increasing.
    pub offset_dims: Vec<usize>,
    /// Axes of the operand whose slice size is one and which the result lacks; increasing.
    pub collapsed_slice_dims: Vec<usize>,
    /// For each component of an index vector, the axis of the operand that it is a position along.
    pub start_index_map: Vec<usize>,
    /// Axes of the operand that are batched, each with the axis of the indices at the same place in
    /// `start_indices_batching_dims`; increasing.
    pub operand_batching_dims: Vec<usize>,
    /// See `operand_batching_dims`.
    pub start_indices_batching_dims: Vec<usize>,
}

/// How the axes of a scatter's operand, indices and updates relate. The last axis of the indices holds the index
/// vectors.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ScatterDimensionNumbers {
    /// Axes of the updates that run within a window; increasing.
    pub update_window_dims: Vec<usize>,
    /// Axes of the operand along which a window has size one and which the updates lack; increasing.
    pub inserted_window_dims: Vec<usize>,
    /// For each component of an index vector, the axis of the operand that it is a position along.
    pub scatter_dims_to_operand_dims: Vec<usize>,
    /// Axes of the operand that are batched, each with the axis of the indices at the same place in
    /// `scatter_indices_batching_dims`; increasing.
    pub operand_batching_dims: Vec<usize>,
    /// See `operand_batching_dims`.
    pub scatter_indices_batching_dims: Vec<usize>,
}

/// What happens at indices whose window is not wholly within the operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GatherScatterMode {
    /// They are clamped, so that the window is within the operand.
    Clip,
    /// A gather gives the fill value for the whole window, a scatter drops it.
    FillOrDrop,
    /// There are none: the caller promises it. What happens otherwise is up to the compiler.
    PromiseInBounds,
}

impl GatherScatterMode {
    /// As JAX prints it.
    pub(crate) fn text(self) -> &'static str {
        match self {
            GatherScatterMode::Clip => "GatherScatterMode.CLIP",
            GatherScatterMode::FillOrDrop => "GatherScatterMode.FILL_OR_DROP",
            GatherScatterMode::PromiseInBounds => "GatherScatterMode.PROMISE_IN_BOUNDS",
        }
    }
}

/// Every axis one further back, as when a new axis comes in front.
pub(crate) fn shifted(axes: &[usize]) -> Vec<usize> {
    axes.iter().map(|a| a + 1).collect()
}

/// Axis 0, and every other axis one further back.
pub(crate) fn shifted_with_front(axes: &[usize]) -> Vec<usize> {
    std::iter::once(0).chain(axes.iter().map(|a| a + 1)).collect()
}

impl GatherDimensionNumbers {
    /// As JAX prints it.
    pub(crate) fn text(&self) -> String {
        format!(
            "GatherDimensionNumbers(offset_dims={}, collapsed_slice_dims={}, start_index_map={}, \
             operand_batching_dims={}, start_indices_batching_dims={})",
            tuple(&self.offset_dims),
            tuple(&self.collapsed_slice_dims),
            tuple(&self.start_index_map),
            tuple(&self.operand_batching_dims),
            tuple(&self.start_indices_batching_dims)
        )
    }

    /// As StableHLO writes it.
    pub(crate) fn attribute(&self, index_vector_dim: usize) -> String {
        format!(
            "#stablehlo.gather<offset_dims = {}, collapsed_slice_dims = {}, operand_batching_dims = {}, \
             start_indices_batching_dims = {}, start_index_map = {}, index_vector_dim = {index_vector_dim}>",
            list(&self.offset_dims),
            list(&self.collapsed_slice_dims),
            list(&self.operand_batching_dims),
            list(&self.start_indices_batching_dims),
            list(&self.start_index_map)
        )
    }

    /// Is this axis of the operand missing from the result?
    fn dropped(&self, axis: usize) -> bool {
        self.collapsed_slice_dims.contains(&axis) || self.operand_batching_dims.contains(&axis)
    }

    /// The shape of the gather's result.
    pub(crate) fn out_shape(&self, indices: &[usize], slice_sizes: &[usize]) -> Shape {
        let mut batch = indices[..indices.len() - 1].iter();
        let mut offset = slice_sizes.iter().enumerate().filter(|(i, _)| !self.dropped(*i)).map(|(_, n)| n);
        let rank = self.offset_dims.len() + indices.len() - 1;
        (0..rank)
            .filter_map(|i| if self.offset_dims.contains(&i) { offset.next() } else { batch.next() })
            .copied()
            .collect()
    }

    pub(crate) fn check(
        &self,
        operand: &ShapedArray,
        indices: &ShapedArray,
        slice_sizes: &[usize],
    ) -> Result<()> {
        let check = Check { op: "gather", operand, indices };
        let rank = operand.ndim();
        check.indices()?;
        check.sorted("offset_dims", &self.offset_dims)?;
        let out_rank = self.offset_dims.len() + indices.ndim() - 1;
        check.in_range("offset_dims", &self.offset_dims, out_rank)?;
        check.index_map("start_index_map", &self.start_index_map)?;
        check.sorted("collapsed_slice_dims", &self.collapsed_slice_dims)?;
        check.in_range("collapsed_slice_dims", &self.collapsed_slice_dims, rank)?;
        check.batching(
            ("operand_batching_dims", &self.operand_batching_dims),
            ("start_indices_batching_dims", &self.start_indices_batching_dims),
            [
                ("collapsed_slice_dims", &self.collapsed_slice_dims),
                ("start_index_map", &self.start_index_map),
            ],
        )?;
        if slice_sizes.len() != rank {
            bail!(
                Shape,
                "gather op must have one slice size for every input dimension; got slice_sizes={} for operand {operand}",
                tuple(slice_sizes)
            );
        }
        if rank != self.offset_dims.len() + self.collapsed_slice_dims.len() + self.operand_batching_dims.len()
        {
            bail!(
                Shape,
                "all components of the offset index in a gather op must either be a offset dimension or explicitly \
                 collapsed/batching; got slice_sizes={}, offset_dims={}, collapsed_slice_dims={}, \
                 operand_batching_dims={}",
                tuple(slice_sizes),
                tuple(&self.offset_dims),
                tuple(&self.collapsed_slice_dims),
                tuple(&self.operand_batching_dims)
            );
        }
        for (i, (n, size)) in operand.shape().iter().zip(slice_sizes).enumerate() {
            if size > n && indices.size() > 0 {
                bail!(
                    Shape,
                    "slice size at index {i} in gather op is out of range, must be within [0, {n} + 1), got {size}"
                );
            }
        }
        if let Some(i) = self.collapsed_slice_dims.iter().find(|i| slice_sizes[**i] != 1) {
            bail!(
                Shape,
                "gather op can only collapse slice dims with bound 1, but bound is {} for index {i}",
                slice_sizes[*i]
            );
        }
        if let Some(i) = self.operand_batching_dims.iter().find(|i| slice_sizes[**i] > 1) {
            bail!(
                Shape,
                "gather op can only have operand batching dims with bound 0/1, but bound is {} for index {i}",
                slice_sizes[*i]
            );
        }
        Ok(())
    }
}

impl ScatterDimensionNumbers {
    /// As JAX prints it.
    pub(crate) fn text(&self) -> String {
        format!(
            "ScatterDimensionNumbers(update_window_dims={}, inserted_window_dims={}, scatter_dims_to_operand_dims={}, \
             operand_batching_dims={}, scatter_indices_batching_dims={})",
            tuple(&self.update_window_dims),
            tuple(&self.inserted_window_dims),
            tuple(&self.scatter_dims_to_operand_dims),
            tuple(&self.operand_batching_dims),
            tuple(&self.scatter_indices_batching_dims)
        )
    }

    /// As StableHLO writes it.
    pub(crate) fn attribute(&self, index_vector_dim: usize) -> String {
        format!(
            "#stablehlo.scatter<update_window_dims = {}, inserted_window_dims = {}, input_batching_dims = {}, \
             scatter_indices_batching_dims = {}, scatter_dims_to_operand_dims = {}, \
             index_vector_dim = {index_vector_dim}>",
            list(&self.update_window_dims),
            list(&self.inserted_window_dims),
            list(&self.operand_batching_dims),
            list(&self.scatter_indices_batching_dims),
            list(&self.scatter_dims_to_operand_dims)
        )
    }

    /// The gather that reads what such a scatter writes.
    pub(crate) fn inverse(&self) -> GatherDimensionNumbers {
        GatherDimensionNumbers {
            offset_dims: self.update_window_dims.clone(),
            collapsed_slice_dims: self.inserted_window_dims.clone(),
            start_index_map: self.scatter_dims_to_operand_dims.clone(),
            operand_batching_dims: self.operand_batching_dims.clone(),
            start_indices_batching_dims: self.scatter_indices_batching_dims.clone(),
        }
    }

    /// Is this axis of the operand missing from the updates?
    fn dropped(&self, axis: usize) -> bool {
        self.inserted_window_dims.contains(&axis) || self.operand_batching_dims.contains(&axis)
    }

    /// The size of a window along each axis of the operand.
    pub(crate) fn window(&self, operand_rank: usize, updates: &[usize]) -> Shape {
        let mut sizes = self.update_window_dims.iter().map(|d| updates[*d]);
        (0..operand_rank).map(|i| if self.dropped(i) { 1 } else { sizes.next().unwrap_or(1) }).collect()
    }

    pub(crate) fn check(
        &self,
        operand: &ShapedArray,
        indices: &ShapedArray,
        updates: &ShapedArray,
    ) -> Result<()> {
        let check = Check { op: "scatter", operand, indices };
        let rank = operand.ndim();
        check.indices()?;
        let expected_rank = indices.ndim() - 1 + self.update_window_dims.len();
        if updates.ndim() != expected_rank {
            bail!(
                Shape,
                "scatter: updates tensor must be of rank {expected_rank}; got {} for updates {updates}",
                updates.ndim()
            );
        }
        check.sorted("update_window_dims", &self.update_window_dims)?;
        check.in_range("update_window_dims", &self.update_window_dims, updates.ndim())?;
        check.sorted("inserted_window_dims", &self.inserted_window_dims)?;
        check.in_range("inserted_window_dims", &self.inserted_window_dims, rank)?;
        check.batching(
            ("operand_batching_dims", &self.operand_batching_dims),
            ("scatter_indices_batching_dims", &self.scatter_indices_batching_dims),
            [
                ("inserted_window_dims", &self.inserted_window_dims),
                ("scatter_dims_to_operand_dims", &self.scatter_dims_to_operand_dims),
            ],
        )?;
        let window = self.update_window_dims.len()
            + self.inserted_window_dims.len()
            + self.operand_batching_dims.len();
        if rank != window {
            bail!(
                Shape,
                "scatter op has window of size {window}; doesn't match operand of rank {rank}: {operand}"
            );
        }
        check.index_map("scatter_dims_to_operand_dims", &self.scatter_dims_to_operand_dims)?;
        let window_axes = (0..rank).filter(|i| !self.dropped(*i));
        for (axis, d) in window_axes.zip(&self.update_window_dims) {
            if updates.shape()[*d] > operand.shape()[axis] {
                bail!(
                    Shape,
                    "scatter: bounds of the window dimensions of updates must not exceed the bounds of the corresponding \
                     dimensions of operand. For dimension {d}, updates bound is {}, operand bound is {}",
                    updates.shape()[*d],
                    operand.shape()[axis]
                );
            }
        }
        let scatter_axes = (0..updates.ndim()).filter(|d| !self.update_window_dims.contains(d));
        for (i, d) in scatter_axes.enumerate() {
            if updates.shape()[d] != indices.shape()[i] {
                bail!(
                    Shape,
                    "scatter: bounds of the scatter dimensions of updates must be the same as the bounds of the \
                     corresponding dimensions of scatter indices. For scatter dimension {d}, updates bound is {}, \
                     indices bound is {}",
                    updates.shape()[d],
                    indices.shape()[i]
                );
            }
        }
        Ok(())
    }
}

/// The checks of dimension numbers.
struct Check<'a> {
    op: &'static str,
    operand: &'a ShapedArray,
    indices: &'a ShapedArray,
}

type Named<'a> = (&'static str, &'a [usize]);

impl Check<'_> {
    fn indices(&self) -> Result<()> {
        if !self.indices.dtype().is_integer() {
            bail!(DType, "{}: indices must have an integer type, got {}", self.op, self.indices);
        }
        if self.indices.ndim() == 0 {
            bail!(Shape, "{}: indices must have an axis of index vectors, got {}", self.op, self.indices);
        }
        Ok(())
    }

    fn sorted(&self, name: &str, dims: &[usize]) -> Result<()> {
        if dims.windows(2).any(|d| d[0] > d[1]) {
            bail!(Shape, "{name} in {} op must be sorted; got {}", self.op, tuple(dims));
        }
        self.unique(name, dims)
    }

    fn unique(&self, name: &str, dims: &[usize]) -> Result<()> {
        if dims.iter().enumerate().any(|(i, d)| dims[..i].contains(d)) {
            bail!(Shape, "{name} in {} op must not repeat; got: {}", self.op, tuple(dims));
        }
        Ok(())
    }

    fn in_range(&self, name: &str, dims: &[usize], rank: usize) -> Result<()> {
        if let Some(d) = dims.iter().find(|d| **d >= rank) {
            bail!(Shape, "invalid {name} set in {} op; valid range is [0, {rank}); got: {d}", self.op);
        }
        Ok(())
    }

    fn index_map(&self, name: &str, map: &[usize]) -> Result<()> {
        let bound = self.indices.shape()[self.indices.ndim() - 1];
        if map.len() != bound {
            bail!(
                Shape,
                "{} op has {} elements in {name} and the bound of the last dimension of indices is {bound}. These two \
                 numbers must be equal",
                self.op,
                map.len()
            );
        }
        self.in_range(name, map, self.operand.ndim())?;
        self.unique(name, map)
    }

    fn batching(
        &self,
        (operand_name, operand_dims): Named<'_>,
        (indices_name, indices_dims): Named<'_>,
        others: [(&'static str, &Vec<usize>); 2],
    ) -> Result<()> {
        let op = self.op;
        self.sorted(operand_name, operand_dims)?;
        self.in_range(operand_name, operand_dims, self.operand.ndim())?;
        for (name, dims) in others {
            if dims.iter().any(|d| operand_dims.contains(d)) {
                bail!(
                    Shape,
                    "{name} and {operand_name} in {op} op must be disjoint; got: {} and {}",
                    tuple(dims),
                    tuple(operand_dims)
                );
            }
        }
        self.unique(indices_name, indices_dims)?;
        self.in_range(indices_name, indices_dims, self.indices.ndim())?;
        if indices_dims.contains(&(self.indices.ndim() - 1)) {
            bail!(
                Shape,
                "{op} op cannot have the index vector dimension as a batching dimension; got {}",
                tuple(indices_dims)
            );
        }
        if operand_dims.len() != indices_dims.len() {
            bail!(
                Shape,
                "{op} op requires equal numbers of {operand_name} and {indices_name}, got {} and {}",
                tuple(operand_dims),
                tuple(indices_dims)
            );
        }
        let operand_shape: Shape = operand_dims.iter().map(|d| self.operand.shape()[*d]).collect();
        let indices_shape: Shape = indices_dims.iter().map(|d| self.indices.shape()[*d]).collect();
        if operand_shape != indices_shape {
            bail!(
                Shape,
                "{op} op requires operand batching dimensions and indices batching dimensions to have the same shape, \
                 got {} and {}",
                tuple(&operand_shape),
                tuple(&indices_shape)
            );
        }
        Ok(())
    }
}

/// The dtype that can hold every position in an array of this shape.
pub(crate) fn index_dtype(shape: &[usize]) -> DType {
    if shape.iter().any(|n| *n > i32::MAX as usize) { DType::I64 } else { DType::I32 }
}

/// The greatest start of a window along each of `axes`, for every index vector of `indices`.
pub(crate) fn last_starts(
    ctx: &mut LoweringCtx,
    indices: Value,
    operand: &[usize],
    window: &[usize],
    axes: &[usize],
) -> Value {
    let dtype = ctx.dtype(indices);
    let most = match dtype.bits() - usize::from(dtype.is_signed()) {
        64 => u64::MAX,
        bits => (1 << bits) - 1,
    };
    let starts = axes.iter().map(|i| (operand[*i].saturating_sub(window[*i]) as u64).min(most));
    let starts: Vec<String> = starts.map(|n| n.to_string()).collect();
    let ty = ctx.tensor(dtype, &[axes.len()]);
    let value = if starts.is_empty() { String::new() } else { format!("[{}]", starts.join(", ")) };
    let attrs = format!("value = dense<{value}> : {}", ctx.type_text(ty));
    let starts = ctx.op1("stablehlo.constant", &[], &attrs, ty);
    let shape = ctx.shape(indices);
    ctx.broadcast_in_dim(starts, &shape, &[shape.len() - 1])
}
