//! Functions that only rearrange axes by other primitives. JAX: `lax.broadcast`, `lax.collapse`,
//! `lax.tile`; and the shapes of broadcasting, `lax.broadcast_shapes`.

use crate::core::array::Array;
use crate::core::aval::Shape;
use crate::core::primitive::BatchDim;
use crate::error::{OrThrow, Result, bail, err};
use crate::lax::elementwise::tuple;
use crate::lax::{broadcast_in_dim, move_axis, reshape};

/// Copies `operand` along new axes of `sizes` in front: `f32[3]`, sizes `[2]` -> `f32[2,3]`.
#[track_caller]
pub fn broadcast(operand: &Array, sizes: &[usize]) -> Array {
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
/// use raxla::lax::broadcast_shapes;
/// assert_eq!(broadcast_shapes(&[&[3, 1], &[1, 4], &[5, 1, 1]])?, [5, 3, 4]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `incompatible shapes for broadcasting: shapes=[(3, 1), (4, 1)]`
pub fn broadcast_shapes(shapes: &[&[usize]]) -> Result<Vec<usize>> {
    let rank = shapes.iter().map(|s| s.len()).max().unwrap_or(0);
    let mut out = vec![1; rank];
    for shape in shapes {
        for (m, n) in out[rank - shape.len()..].iter_mut().zip(*shape) {
            if *m == 1 {
                *m = *n;
            } else if *n != 1 && m != n {
                let shapes: Vec<String> = shapes.iter().map(|s| tuple(s)).collect();
                bail!(Shape, "incompatible shapes for broadcasting: shapes=[{}]", shapes.join(", "));
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
pub fn tile(operand: &Array, reps: &[usize]) -> Array {
    let sizes = operand.shape();
    if reps.len() != sizes.len() {
        let (operand, reps) = (operand.aval(), tuple(reps));
        return Err(err!(
            Shape,
            "tile: reps must have one entry for each axis of operand {operand}, got {reps}"
        ))
        .or_throw();
    }
    // Axes (reps[0], sizes[0], reps[1], …), then merged in pairs.
    let spread: Shape = reps.iter().zip(sizes).flat_map(|(r, n)| [*r, *n]).collect();
    let dims: Shape = (0..sizes.len()).map(|i| 2 * i + 1).collect();
    let merged: Shape = reps.iter().zip(sizes).map(|(r, n)| r * n).collect();
    reshape(&broadcast_in_dim(operand, &spread, &dims), &merged)
}

/// Merges the axes from `start_dimension` to `stop_dimension` (exclusive; `None` is the last) into one. Negative axes
/// count from the end: `f32[2,3,4]` from 0 to 2 -> `f32[6,4]`.
///
/// # Errors
/// `Invalid dimension range passed to collapse: (2, 3, 4)[2:1]`
#[track_caller]
pub fn collapse(operand: &Array, start_dimension: i64, stop_dimension: impl Into<Option<i64>>) -> Array {
    collapse_range(operand, start_dimension, stop_dimension.into())
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
        return Err(err!(
            Shape,
            "Invalid dimension range passed to collapse: {}[{start}:{stop}]",
            tuple(shape)
        ))
        .or_throw();
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
        None => broadcast(x, &[size]),
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
            case("broadcast", [x.clone()], |x| broadcast(&x[0], &[2, 0])),
            case("broadcast", [x.clone()], |x| broadcast(&x[0], &[2])),
            case("collapse", [x.clone()], |x| collapse(&x[0], 0, None)),
            case("collapse", [x.clone()], |x| collapse(&x[0], -1, 2)),
            case("collapse", [x], |x| collapse(&x[0], 1, 1)),
        ]);
    }

    #[test]
    fn collapse_of_a_reversed_range_is_rejected() {
        let x = Draw::new(1).values(F32, &[2, 3]);
        let error = catch(|| Ok(collapse(&x, 2, 1))).unwrap_err();
        assert_eq!(error.message(), "Invalid dimension range passed to collapse: (2, 3)[2:1]");
    }
}
