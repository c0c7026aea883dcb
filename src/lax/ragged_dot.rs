//! `ragged_dot`, `ragged_dot_general`: contractions whose rows fall into groups, each with a matrix of its own. JAX: `lax.ragged_dot`,
//! of which this is the implementation for all platforms but the TPU: other groups are masked, and one contraction does the rest.

use crate::arguments::{Axes, Axis};
use crate::core::array::Array;
use crate::core::aval::Shape;
use crate::error::throw;
use crate::lax::dot_general::DotDimensionNumbers;
use crate::lax::dot_side::DotSide;
use crate::lax::elementwise::tuple;
use crate::lax::{
    DotOptions, bitwise_and, broadcast_in_dim, broadcasted_iota, concatenate, cumsum, dot_general_with,
    full_like, le, lt, select, slice_in_dim,
};

/// Which axes of [`ragged_dot_general`] are contracted and which go through both operands, as for [`dot_general`](crate::lax::dot_general);
/// which axis of `lhs` falls into groups, and which axis of `rhs` is that of the groups.
///
/// ```
/// use raxla::lax::RaggedDotDimensionNumbers;
///
/// // Those of `ragged_dot`.
/// let numbers = RaggedDotDimensionNumbers::new(((1, 1), ((), ())), 0, 0);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RaggedDotDimensionNumbers {
    dot_dimension_numbers: DotDimensionNumbers,
    lhs_ragged_dimensions: Axes,
    rhs_group_dimensions: Axes,
}

impl RaggedDotDimensionNumbers {
    /// `rhs_group_dimensions` is one axis if the ragged one is neither contracted nor a batch axis, and else none, `()`.
    pub fn new(
        dot_dimension_numbers: impl Into<DotDimensionNumbers>,
        lhs_ragged_dimensions: impl Into<Axes>,
        rhs_group_dimensions: impl Into<Axes>,
    ) -> Self {
        RaggedDotDimensionNumbers {
            dot_dimension_numbers: dot_dimension_numbers.into(),
            lhs_ragged_dimensions: lhs_ragged_dimensions.into(),
            rhs_group_dimensions: rhs_group_dimensions.into(),
        }
    }
}

/// The product of the rows of `lhs` with the matrix of their group: `f32[m,k]`, `f32[g,k,n]`, `i32[g]` -> `f32[m,n]`. The first
/// `group_sizes[0]` rows are those of the first group, and so on; rows behind the last group are 0.
///
/// ```
/// use raxla::{Array, lax};
///
/// let x = Array::from([[1.0f32], [2.0], [3.0]]);
/// let matrices = Array::from([[[1.0f32]], [[10.0]]]);
/// let y = lax::ragged_dot(&x, &matrices, &Array::from([1, 2]));
/// assert_eq!(y.to_vec::<f32>()?, [1.0, 20.0, 30.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`ragged_dot_general`].
#[track_caller]
pub fn ragged_dot(lhs: &Array, rhs: &Array, group_sizes: &Array) -> Array {
    ragged_dot_with(lhs, rhs, group_sizes, DotOptions::new())
}

/// [`ragged_dot`] by options.
///
/// # Errors
/// As [`ragged_dot_general`].
#[track_caller]
pub fn ragged_dot_with(lhs: &Array, rhs: &Array, group_sizes: &Array, options: DotOptions) -> Array {
    let numbers = RaggedDotDimensionNumbers::new(((1, 1), ((), ())), 0, 0);
    contraction(lhs, rhs, group_sizes, &numbers, options)
}

/// A contraction as [`dot_general`](crate::lax::dot_general), where an axis of `lhs` falls into groups: for an axis that is kept, each group has
/// its own part of `rhs`; for a contracted one, the result has one contraction for each group, along a new axis in front; a batch axis is
/// as any other.
///
/// `group_sizes` is `i32[g]`, or has the batch axes of `lhs` in front and the kept (or contracted) axes before the ragged one.
///
/// ```
/// use raxla::{Array, lax::{self, RaggedDotDimensionNumbers}};
///
/// let (x, y) = (Array::from([[1.0f32, 2.0, 3.0]]), Array::from([[1.0f32], [1.0], [1.0]]));
/// let numbers = RaggedDotDimensionNumbers::new(((1, 0), ((), ())), 1, ());
/// let sums = lax::ragged_dot_general(&x, &y, &Array::from([1, 2]), numbers);
/// assert_eq!((sums.shape(), sums.to_vec::<f32>()?), (&[2, 1, 1][..], vec![1.0, 5.0]));
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `ragged_dot_general expects exactly one lhs ragged dimension`; group dimensions that do not go with it; sizes that differ, as `expected
/// rhs group dimension size to be 2, got 3`; group sizes that are no integers; what [`dot_general`](crate::lax::dot_general) refuses.
#[track_caller]
pub fn ragged_dot_general(
    lhs: &Array,
    rhs: &Array,
    group_sizes: &Array,
    ragged_dot_dimension_numbers: RaggedDotDimensionNumbers,
) -> Array {
    contraction(lhs, rhs, group_sizes, &ragged_dot_dimension_numbers, DotOptions::new())
}

/// [`ragged_dot_general`] by options.
///
/// # Errors
/// As [`ragged_dot_general`].
#[track_caller]
pub fn ragged_dot_general_with(
    lhs: &Array,
    rhs: &Array,
    group_sizes: &Array,
    ragged_dot_dimension_numbers: RaggedDotDimensionNumbers,
    options: DotOptions,
) -> Array {
    contraction(lhs, rhs, group_sizes, &ragged_dot_dimension_numbers, options)
}

/// One axis, which is there.
#[track_caller]
fn axis_of(axes: &Axes, rank: usize, which: &str, operand: &str) -> usize {
    let axis = axes.given().unwrap_or_default()[0];
    match usize::try_from(axis) {
        Ok(axis) if axis < rank => axis,
        _ => throw!(
            Shape,
            "ragged_dot_general requires {which} numbers to be nonnegative and less than the number of axes of the {operand} value, \
             got {axis} for {operand} of rank {rank}"
        ),
    }
}

#[track_caller]
fn contraction(
    lhs: &Array,
    rhs: &Array,
    group_sizes: &Array,
    numbers: &RaggedDotDimensionNumbers,
    options: DotOptions,
) -> Array {
    let count = |axes: &Axes| axes.given().unwrap_or_default().len();
    if count(&numbers.lhs_ragged_dimensions) != 1 {
        throw!(Shape, "ragged_dot_general expects exactly one lhs ragged dimension");
    }
    let ragged = axis_of(&numbers.lhs_ragged_dimensions, lhs.ndim(), "lhs ragged dimension", "lhs");
    let [left, right] = numbers.dot_dimension_numbers.sides(lhs, rhs);
    if !group_sizes.dtype().is_integer() {
        throw!(
            DType,
            "ragged_dot_general requires group_sizes of an integer dtype, got {}",
            group_sizes.aval()
        );
    }
    let Some(&groups) = group_sizes.shape().last() else {
        throw!(
            Shape,
            "ragged_dot_general expected rank of group_sizes to be >= 1, got {}",
            group_sizes.aval()
        );
    };
    let (contracted, batched) = (left.contracting.contains(&ragged), left.batch.contains(&ragged));
    let prefix = prefix(&left, lhs.ndim(), ragged);
    let expected: Shape = prefix.iter().map(|axis| lhs.shape()[*axis]).chain([groups]).collect();
    if group_sizes.ndim() > 1 && group_sizes.shape() != expected.as_slice() {
        throw!(
            Shape,
            "ragged_dot_general expected group_sizes to have shape {}, got {}",
            tuple(&expected),
            tuple(group_sizes.shape())
        );
    }
    let group_dimensions = count(&numbers.rhs_group_dimensions);
    if contracted || batched {
        if group_dimensions != 0 {
            throw!(
                Shape,
                "ragged_dot_general requires zero group dimensions in the rhs when lhs ragged dimension is contracting or batch"
            );
        }
        if batched {
            return dot_general_with(lhs, rhs, numbers.dot_dimension_numbers.clone(), options);
        }
        let at = left.contracting.iter().position(|axis| *axis == ragged).unwrap_or_default();
        let Some(&ragged_of_rhs) = right.contracting.get(at) else {
            // Says that there are not as many contracting axes.
            return dot_general_with(lhs, rhs, numbers.dot_dimension_numbers.clone(), options);
        };
        let x = by_group(lhs, ragged, group_sizes, &prefix);
        let y = by_group(rhs, ragged_of_rhs, group_sizes, &self::prefix(&right, rhs.ndim(), ragged_of_rhs));
        let dims = (
            (shifted(&left.contracting, &[]), shifted(&right.contracting, &[])),
            ([&[0], &*shifted(&left.batch, &[])].concat(), [&[0], &*shifted(&right.batch, &[])].concat()),
        );
        return dot_general_with(&x, &y, dims, options);
    }
    if group_dimensions != 1 {
        throw!(
            Shape,
            "ragged_dot_general requires exactly one rhs group dimension when lhs ragged dimension is noncontracting"
        );
    }
    let group = axis_of(&numbers.rhs_group_dimensions, rhs.ndim(), "rhs group dimension", "rhs");
    if right.batch.contains(&group) || right.contracting.contains(&group) {
        throw!(
            Shape,
            "ragged_dot_general requires rhs group dimension numbers to be distinct from contracting and batch dimensions"
        );
    }
    if rhs.shape()[group] != groups {
        throw!(
            Shape,
            "ragged_dot_general expected rhs group dimension size to be {groups}, got {}",
            rhs.shape()[group]
        );
    }
    let x = by_group(lhs, ragged, group_sizes, &prefix);
    let contracting = (shifted(&left.contracting, &[0]), [&*right.contracting, &[group]].concat());
    dot_general_with(&x, rhs, (contracting, (shifted(&left.batch, &[]), right.batch.to_vec())), options)
}

/// Axes of an array that has one more in front, and more axes.
fn shifted(axes: &[usize], more: &[usize]) -> Vec<usize> {
    axes.iter().map(|axis| axis + 1).chain(more.iter().copied()).collect()
}

/// The axes that group sizes may differ along: those of the batch, and those of the ragged axis' kind before it.
fn prefix(operand: &DotSide, rank: usize, ragged: usize) -> Shape {
    let before =
        |axes: &[usize]| -> Shape { axes.iter().copied().take_while(|axis| *axis != ragged).collect() };
    if operand.batch.contains(&ragged) {
        return before(&operand.batch);
    }
    let kind: Shape = match operand.contracting.contains(&ragged) {
        true => operand.contracting.clone(),
        false => operand.kept(rank).collect(),
    };
    operand.batch.iter().copied().chain(before(&kind)).collect()
}

/// `x` once for each group, along a new axis in front, with 0 in place of what is another group's along `ragged`.
#[track_caller]
fn by_group(x: &Array, ragged: usize, group_sizes: &Array, prefix: &[usize]) -> Array {
    let groups = group_sizes.shape()[group_sizes.ndim() - 1];
    let shape: Shape = [groups].iter().chain(x.shape()).copied().collect();
    let last = Axis::from(-1);
    let ends = cumsum(group_sizes, last);
    let zero = full_like(&slice_in_dim(group_sizes, ..groups.min(1), last), 0);
    let starts = concatenate([zero, slice_in_dim(&ends, ..groups.saturating_sub(1), last)], last);
    let axes: Vec<usize> = match group_sizes.ndim() {
        1 => vec![0],
        _ => shifted(prefix, &[]).into_iter().chain([0]).collect(),
    };
    let [starts, ends] = [starts, ends].map(|x| broadcast_in_dim(&x, shape.as_slice(), axes.clone()));
    let place = broadcasted_iota(group_sizes.dtype(), shape.as_slice(), ragged + 1);
    let mask = bitwise_and(&le(&starts, &place), &lt(&place, &ends));
    let copies = broadcast_in_dim(x, shape.as_slice(), (1..shape.len()).collect::<Vec<_>>());
    select(&mask, &copies, &full_like(&copies, 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;
    use crate::lax::testing::{Draw, case, check_rules, message_of};

    #[test]
    fn rules() {
        let mut draw = Draw::new(17);
        let sizes = || Array::from([1, 2]);
        let mut x = |shape: &[usize]| draw.uniform(DType::F32, shape, -1.0, 1.0);
        check_rules([
            case("ragged_dot", [x(&[4, 3]), x(&[2, 3, 2]), sizes()], |x| ragged_dot(&x[0], &x[1], &x[2])),
            case("ragged_dot_general of a contracted axis", [x(&[2, 4]), x(&[4, 3]), sizes()], |x| {
                let numbers = RaggedDotDimensionNumbers::new(((1, 0), ((), ())), 1, ());
                ragged_dot_general(&x[0], &x[1], &x[2], numbers)
            }),
        ]);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let (x, y) =
            (crate::lax::full(([4, 3], DType::F32), 1.0), crate::lax::full(([3, 3, 2], DType::F32), 1.0));
        assert_eq!(
            message_of(|| ragged_dot(&x, &y, &Array::from([1, 2]))),
            "ragged_dot_general expected rhs group dimension size to be 2, got 3"
        );
        let numbers = RaggedDotDimensionNumbers::new(((1, 1), ((), ())), 1, 0);
        assert_eq!(
            message_of(|| ragged_dot_general(&x, &y, &Array::from([1, 1, 1]), numbers)),
            "ragged_dot_general requires zero group dimensions in the rhs when lhs ragged dimension is contracting or batch"
        );
    }
}
