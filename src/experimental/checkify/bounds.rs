//! Indices out of bounds, and which. JAX: `oob_payload`, `gather_error_check`, `scatter_oob` and their kin.

use crate::core::array::Array;
use crate::core::primitive::Prim;
use crate::dtype::DType;
use crate::error::Result;
use crate::lax;
use crate::lax::indexing::ScatterDimensionNumbers;
use crate::lax::{DynamicSlice, DynamicUpdateSlice, Gather, Scatter};

/// Whether an index is out of bounds, and of the first that is: it, its axis and the size of that. `None`: the primitive takes no
/// indices, or there are none.
pub(super) fn out_of_bounds(prim: &Prim, inputs: &[Array]) -> Result<Option<(Array, Array)>> {
    let prim = prim.as_any();
    let Some(operand) = inputs.first() else { return Ok(None) };
    let sizes = operand.shape();
    if let Some(gather) = prim.downcast_ref::<Gather>() {
        let axes = &gather.dimension_numbers.start_index_map;
        let windows: Vec<usize> = axes.iter().map(|axis| gather.slice_sizes[*axis]).collect();
        return Ok(first_outside(&inputs[1], axes, &windows, sizes));
    }
    if let Some(scatter) = prim.downcast_ref::<Scatter>() {
        let axes = &scatter.dimension_numbers.scatter_dims_to_operand_dims;
        let windows = windows_of(&scatter.dimension_numbers, sizes.len(), inputs[2].shape());
        let windows: Vec<usize> = axes.iter().map(|axis| windows[*axis]).collect();
        return Ok(first_outside(&inputs[1], axes, &windows, sizes));
    }
    let (windows, starts) = if let Some(slice) = prim.downcast_ref::<DynamicSlice>() {
        (slice.slice_sizes.to_vec(), &inputs[1..])
    } else if prim.downcast_ref::<DynamicUpdateSlice>().is_some() {
        (inputs[1].shape().to_vec(), &inputs[2..])
    } else {
        return Ok(None);
    };
    if starts.is_empty() {
        return Ok(None);
    }
    let axes: Vec<usize> = (0..sizes.len()).collect();
    let starts: Vec<Array> = starts.iter().map(|start| lax::reshape(start, [1])).collect();
    Ok(first_outside(&lax::concatenate(&starts, 0), &axes, &windows, sizes))
}

/// The size of an update's window along each axis of the operand.
fn windows_of(numbers: &ScatterDimensionNumbers, rank: usize, updates: &[usize]) -> Vec<usize> {
    let mut window = numbers.update_window_dims.iter();
    let size = |axis: usize| match numbers.inserted_window_dims.contains(&axis)
        || numbers.operand_batching_dims.contains(&axis)
    {
        true => 1,
        false => window.next().map_or(1, |at| updates[*at]),
    };
    (0..rank).map(size).collect()
}

/// `indices` have along their last axis a position along each of `axes`, at which a window of that size begins.
fn first_outside(
    indices: &Array,
    axes: &[usize],
    windows: &[usize],
    sizes: &[usize],
) -> Option<(Array, Array)> {
    if axes.is_empty() || indices.size() == 0 {
        return None;
    }
    let indices = lax::convert_element_type(indices, DType::I32);
    let numbers = |list: Vec<i32>| Array::from(list);
    let limits =
        axes.iter().zip(windows).map(|(axis, window)| sizes[*axis] as i32 - *window as i32).collect();
    let last = indices.ndim() - 1;
    let limits = lax::broadcast_in_dim(&numbers(limits), indices.shape(), [last]);
    let low = lax::lt(&indices, &lax::full_like(&indices, 0));
    let outside = lax::bitwise_or(&low, &lax::gt(&indices, &limits));
    let flat = lax::reshape(&outside, [indices.size()]);
    let marks = lax::convert_element_type(&flat, DType::I32);
    let first = lax::convert_element_type(&lax::argmax(&marks, 0), DType::I32);
    let component = lax::rem(&first, &Array::scalar(axes.len() as i32));
    let at = |list: &Array, i: &Array| lax::dynamic_index_in_dim(list, i, 0);
    let index = at(&lax::reshape(&indices, [indices.size()]), &first);
    let axis = at(&numbers(axes.iter().map(|axis| *axis as i32).collect()), &component);
    let size = at(&numbers(axes.iter().map(|axis| sizes[*axis] as i32).collect()), &component);
    let any = lax::reduce_or(&flat, 0);
    Some((any, lax::concatenate([&index, &axis, &size], 0)))
}
