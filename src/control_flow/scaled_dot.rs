//! `scaled_dot`: a contraction of operands that come in blocks with a factor each. JAX: `lax.scaled_dot`, which sends the composite
//! `xla.scaled_dot` as well.

use super::composite::composite;
use crate::arguments::options;
use crate::core::array::Array;
use crate::core::config;
use crate::core::trace::{caller, with_location};
use crate::dtype::DType;
use crate::error::{OrThrow, throw};
use crate::lax::dot_general::DotDimensionNumbers;
use crate::lax::dot_side::DotSide;
use crate::lax::elementwise::tuple;
use crate::lax::{DotOptions, broadcast_in_dim, convert_element_type, dot_general_with, full, mul, reshape};

options! {
    /// Options of [`scaled_dot_with`].
    pub struct ScaledDotOptions {
        /// The factors of `lhs`: its shape, but along the contracted axes one factor for each block of at least two elements.
        lhs_scale: optional_into Array,
        /// The same of `rhs`.
        rhs_scale: optional_into Array,
        /// What is contracted, and what goes through both operands; unless it is given the last axis of `lhs` and the last but one of `rhs`,
        /// and all axes before those.
        dimension_numbers: optional_into DotDimensionNumbers,
        /// The dtype to sum in and to return: `bf16` unless it is given.
        preferred_element_type: optional DType,
    }
}

/// The contraction of `lhs` and `rhs` in `bf16`: `[..,m,k]`, `[..,k,n]` -> `bf16[..,m,n]`. JAX: `lax.scaled_dot`.
///
/// ```
/// use raxla::{Array, DType, lax};
///
/// let x = Array::from([[1.0f32, 2.0], [3.0, 4.0]]);
/// assert_eq!(lax::convert_element_type(&lax::scaled_dot(&x, &x), DType::F32).to_vec::<f32>()?, [7.0, 10.0, 15.0, 22.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// It has no derivative and is not batched by `vmap`, whose axis is given as one of the leading ones instead.
///
/// # Errors
/// `scaled_dot does not support operands of rank 0 and 1`; shapes that do not fit each other; fewer than two contracted elements.
#[track_caller]
pub fn scaled_dot(lhs: &Array, rhs: &Array) -> Array {
    scaled_dot_with(lhs, rhs, ScaledDotOptions::new())
}

/// [`scaled_dot`] of operands with factors: `(lhs * lhs_scale) (rhs * rhs_scale)`, where each factor is that of a block along the contracted
/// axis. Operands and factors of eight bits or fewer are exact in `bf16`. A compiler that has an instruction for it takes that.
///
/// ```
/// use raxla::{Array, DType, lax::{self, ScaledDotOptions}};
///
/// let x = lax::full(([1, 4], DType::F8E4M3FN), 1.0);
/// let scale = lax::convert_element_type(&Array::from([[2.0f32, 4.0]]), DType::F8E8M0FNU);
/// let options = ScaledDotOptions::new().lhs_scale(scale).preferred_element_type(DType::F32);
/// let y = lax::scaled_dot_with(&x, &lax::transpose(&x, [1, 0]), options);
/// assert_eq!(y.to_vec::<f32>()?, [12.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`scaled_dot`]; `scaled_dot: axis 1 of lhs has 4 elements, which is no multiple of the 3 of its scale`; blocks of one element.
#[track_caller]
pub fn scaled_dot_with(lhs: &Array, rhs: &Array, options: ScaledDotOptions) -> Array {
    let rank = lhs.ndim() as i64;
    if rank < 2 && options.dimension_numbers.is_none() {
        throw!(Shape, "scaled_dot does not support operands of rank 0 and 1, got {}", lhs.aval());
    }
    if lhs.ndim() != rhs.ndim() {
        throw!(
            Shape,
            "scaled_dot: the operands must have the same rank, got {} and {}",
            lhs.aval(),
            rhs.aval()
        );
    }
    let leading: Vec<i64> = (0..rank - 2).collect();
    let numbers = options
        .dimension_numbers
        .unwrap_or_else(|| (([rank - 1], [rank - 2]), (leading.clone(), leading)).into());
    let [left, right] = numbers.sides(lhs, rhs);
    let lhs_scale = scale_of("lhs", lhs, &left, options.lhs_scale);
    let rhs_scale = scale_of("rhs", rhs, &right, options.rhs_scale);
    let dtype = config::canonicalize(options.preferred_element_type.unwrap_or(DType::BF16));
    let caller = caller();
    let decomposition = move |x: &Array, y: &Array, x_scale: &Array, y_scale: &Array| {
        with_location(caller, || {
            let (x, y) = (scaled(x, x_scale), scaled(y, y_scale));
            dot_general_with(&x, &y, numbers.clone(), DotOptions::new().preferred_element_type(dtype))
        })
    };
    composite(decomposition, "xla.scaled_dot")(lhs, rhs, &lhs_scale, &rhs_scale).or_throw()
}

/// The factors that are given, if each has a block of its own; else a one for each contraction.
#[track_caller]
fn scale_of(name: &str, operand: &Array, side: &DotSide, given: Option<Array>) -> Array {
    let shape = operand.shape();
    let scale = given.unwrap_or_else(|| {
        let sizes = shape.iter().enumerate();
        let of_one: Vec<usize> =
            sizes.map(|(axis, size)| if side.contracting.contains(&axis) { 1 } else { *size }).collect();
        full((of_one, DType::F8E8M0FNU), 1.0)
    });
    let of_scale = scale.shape();
    if shape.len() != of_scale.len() {
        throw!(
            Shape,
            "scaled_dot: {name} and its scale must have the same rank, got {} and {}",
            operand.aval(),
            scale.aval()
        );
    }
    for (axis, (&size, &factors)) in shape.iter().zip(of_scale).enumerate() {
        if !side.contracting.contains(&axis) {
            if size != factors {
                throw!(
                    Shape,
                    "scaled_dot: axis {axis} of {name} is not contracted, so its scale must have as many elements there, got {} and {}",
                    operand.aval(),
                    scale.aval()
                );
            }
        } else if factors == 0 || !size.is_multiple_of(factors) {
            throw!(
                Shape,
                "scaled_dot: axis {axis} of {name} has {size} elements, which is no multiple of the {factors} of its scale"
            );
        } else if size / factors < 2 {
            throw!(
                Shape,
                "scaled_dot: a block along axis {axis} of {name} must have at least two elements, got {} with a scale of {}",
                tuple(shape),
                tuple(of_scale)
            );
        }
    }
    scale
}

/// The operand's elements in `bf16`, each times the factor of its block.
fn scaled(operand: &Array, scale: &Array) -> Array {
    let [x, scale] = [operand, scale].map(|x| convert_element_type(x, DType::BF16));
    mul(&x, &repeated(&scale, x.shape()))
}

/// Each element of `scale` as often along each axis as `shape` has place for it.
pub(crate) fn repeated(scale: &Array, shape: &[usize]) -> Array {
    if scale.shape() == shape {
        return scale.clone();
    }
    let sizes = scale.shape().iter().zip(shape);
    let blocks: Vec<usize> = sizes.flat_map(|(&factors, &size)| [factors, size / factors.max(1)]).collect();
    let places: Vec<usize> = (0..shape.len()).map(|axis| 2 * axis).collect();
    reshape(&broadcast_in_dim(scale, blocks, places), shape)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lax::testing::message_of;

    #[test]
    fn mistakes() {
        let x = full(([2, 4], DType::F32), 1.0);
        let with = |scale: &[usize]| {
            let options = ScaledDotOptions::new().lhs_scale(full((scale, DType::F32), 1.0));
            message_of(|| scaled_dot_with(&x, &full(([4, 2], DType::F32), 1.0), options))
        };
        assert_eq!(
            with(&[2, 3]),
            "scaled_dot: axis 1 of lhs has 4 elements, which is no multiple of the 3 of its scale"
        );
        assert_eq!(
            with(&[2, 4]),
            "scaled_dot: a block along axis 1 of lhs must have at least two elements, got (2, 4) with a scale of (2, 4)"
        );
        assert_eq!(
            with(&[1, 2]),
            "scaled_dot: axis 0 of lhs is not contracted, so its scale must have as many elements there, got f32[2,4] and f32[1,2]"
        );
        assert_eq!(
            with(&[2]),
            "scaled_dot: lhs and its scale must have the same rank, got f32[2,4] and f32[2]"
        );
        let vector = full(([4], DType::F32), 1.0);
        assert_eq!(
            message_of(|| scaled_dot(&vector, &vector)),
            "scaled_dot does not support operands of rank 0 and 1, got f32[4]"
        );
        assert_eq!(
            message_of(|| scaled_dot(&x, &full(([1, 4, 2], DType::F32), 1.0))),
            "scaled_dot: the operands must have the same rank, got f32[2,4] and f32[1,4,2]"
        );
    }
}
