//! Functions that only rearrange axes by other primitives. JAX: `lax.broadcast`, `lax.collapse`,
//! `lax.tile`; and the shapes of broadcasting, `lax.broadcast_shapes`.

use std::ops::{Bound, RangeBounds};

use crate::arguments::{Dims, Integer};
use crate::core::array::Array;
use crate::core::aval::Shape;
use crate::core::primitive::BatchDim;
use crate::error::{OrThrow, Result, bail, throw};
use crate::lax::common::arguments::sizes_of;
use crate::lax::elementwise::{incompatible, tuple};
use crate::lax::{broadcast_in_dim, move_axis, reshape};

/// Copies `operand` along new axes of `sizes` in front: `f32[3]`, sizes `[2]` -> `f32[2,3]`.
#[track_caller]
pub fn broadcast(operand: &Array, sizes: impl Into<Dims>) -> Array {
    broadcast_sizes(operand, &sizes_of("broadcast", &sizes.into()))
}

#[track_caller]
fn broadcast_sizes(operand: &Array, sizes: &[usize]) -> Array {
    if sizes.is_empty() {
        return operand.clone();
    }
    let mut shape = Shape::from_slice(sizes);
    shape.extend_from_slice(operand.shape());
    let dims: Shape = (sizes.len()..shape.len()).collect();
    broadcast_in_dim(operand, &shape, &dims)
}

/// The shape that arrays of these shapes broadcast to by NumPy's rule: `[3, 1]`, `[4]` -> `[3, 4]`.
///
/// ```
/// use raxla::{Array, lax::broadcast_shapes};
///
/// let (x, y) = (Array::from([[1], [2], [3]]), Array::from([1, 2, 3, 4]));
/// assert_eq!(broadcast_shapes([x.shape(), y.shape()]), [3, 4]);
/// ```
///
/// # Errors
/// `incompatible shapes for broadcasting: (3, 1), (4, 1): 3 and 4 at axis -2 are neither equal nor 1`
#[track_caller]
pub fn broadcast_shapes<D: Clone + Into<Dims>>(shapes: impl AsRef<[D]>) -> Vec<usize> {
    let shapes = shapes.as_ref().iter().map(|dims| sizes_of("broadcast_shapes", &dims.clone().into()));
    let shapes: Vec<Shape> = shapes.collect();
    let shapes: Vec<&[usize]> = shapes.iter().map(|shape| &shape[..]).collect();
    common_shape(&shapes).or_throw()
}

/// [`broadcast_shapes`], of sizes.
pub(crate) fn common_shape(shapes: &[&[usize]]) -> Result<Vec<usize>> {
    let rank = shapes.iter().map(|s| s.len()).max().unwrap_or(0);
    let mut out = vec![1; rank];
    for shape in shapes {
        for (m, n) in out[rank - shape.len()..].iter_mut().zip(*shape) {
            if *m == 1 {
                *m = *n;
            } else if *n != 1 && m != n {
                bail!(Shape, "incompatible shapes for broadcasting: {}", incompatible(shapes));
            }
        }
    }
    Ok(out)
}

/// Puts copies of `operand` side by side: `reps[i]` of them along axis `i`. `f32[2,3]`, reps `[2, 1]` -> `f32[4,3]`.
///
/// # Errors
/// `tile: reps must have one entry for each axis of operand f32[2,3], got (2,)`
#[track_caller]
pub fn tile(operand: &Array, reps: impl Into<Dims>) -> Array {
    tile_sizes(operand, &sizes_of("tile", &reps.into()))
}

#[track_caller]
fn tile_sizes(operand: &Array, reps: &[usize]) -> Array {
    let sizes = operand.shape();
    if reps.len() != sizes.len() {
        let (operand, reps) = (operand.aval(), tuple(reps));
        throw!(Shape, "tile: reps must have one entry for each axis of operand {operand}, got {reps}");
    }
    // Axes (reps[0], sizes[0], reps[1], …), then merged in pairs.
    let spread: Shape = reps.iter().zip(sizes).flat_map(|(r, n)| [*r, *n]).collect();
    let dims: Shape = (0..sizes.len()).map(|i| 2 * i + 1).collect();
    let merged: Shape = reps.iter().zip(sizes).map(|(r, n)| r * n).collect();
    reshape(&broadcast_in_dim(operand, &spread, &dims), &merged)
}

/// Merges a range of axes, JAX's `start_dimension..stop_dimension`, into one. Negative axes count from the end: `f32[2,3,4]`
/// and `..2` -> `f32[6,4]`.
///
/// # Errors
/// `Invalid dimension range passed to collapse: (2, 3, 4)[2:1]`
#[track_caller]
pub fn collapse<I: Integer>(operand: &Array, dimensions: impl RangeBounds<I>) -> Array {
    let (start, stop) = bounds(&dimensions);
    collapse_range(operand, start.unwrap_or(0), stop)
}

/// The ends of a range as Python's slices have them: the second is excluded.
pub(crate) fn bounds<I: Integer>(range: &impl RangeBounds<I>) -> (Option<i64>, Option<i64>) {
    let end = |bound, shift: i64, if_included: bool| match bound {
        Bound::Unbounded => None,
        Bound::Included(i) => Some(Integer::to_i64(i) + if if_included { shift } else { 0 }),
        Bound::Excluded(i) => Some(Integer::to_i64(i) + if if_included { 0 } else { shift }),
    };
    let stop = end(range.end_bound().cloned(), 1, true);
    // `..=-1` ends with the last.
    let stop = if stop == Some(0) && matches!(range.end_bound(), Bound::Included(_)) { None } else { stop };
    (end(range.start_bound().cloned(), 1, false), stop)
}

#[track_caller]
fn collapse_range(operand: &Array, start: i64, stop: Option<i64>) -> Array {
    let shape = operand.shape();
    let rank = shape.len() as i64;
    // As Python clips the bounds of a slice.
    let clip = |i: i64| if i < 0 { (i + rank).max(0) } else { i.min(rank) } as usize;
    let (lo, hi) = (clip(start), clip(stop.unwrap_or(rank)));
    if hi < lo {
        let stop = stop.map_or("None".to_owned(), |i| i.to_string());
        throw!(Shape, "Invalid dimension range passed to collapse: {}[{start}:{stop}]", tuple(shape));
    }
    let mut new = Shape::from_slice(&shape[..lo]);
    new.push(shape[lo..hi].iter().product());
    new.extend_from_slice(&shape[hi..]);
    reshape(operand, &new)
}

/// `x` with the mapped axis in front: moved there, or made by broadcasting if `x` is not mapped.
#[track_caller]
pub(crate) fn batch_axis_to_front(x: &Array, dim: BatchDim, size: usize) -> Array {
    match dim {
        Some(dim) => move_axis(x, dim, 0),
        None => broadcast(x, [size]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType::F32;
    use crate::error::catch;
    use crate::lax::testing::{Draw, case, check_rules};

    #[test]
    fn rules_of_broadcast_and_collapse() {
        let mut draw = Draw::new(1);
        let x = draw.values(F32, &[2, 3]);
        check_rules([
            case("broadcast", [x.clone()], |x| broadcast(&x[0], [2, 0])),
            case("broadcast", [x.clone()], |x| broadcast(&x[0], [2])),
            case("collapse", [x.clone()], |x| collapse(&x[0], 0..)),
            case("collapse", [x.clone()], |x| collapse(&x[0], -1..)),
            case("collapse", [x], |x| collapse(&x[0], 1..1)),
        ]);
    }

    #[test]
    fn collapse_of_a_reversed_range_is_rejected() {
        let x = Draw::new(1).values(F32, &[2, 3]);
        let (start, stop) = (2, 1);
        let error = catch(|| Ok(collapse(&x, start..stop))).unwrap_err();
        assert_eq!(error.message(), "Invalid dimension range passed to collapse: (2, 3)[2:1]");
    }
}
