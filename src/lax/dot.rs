//! Products of vectors and matrices by [`dot_general`](super::dot_general). JAX: `lax.dot`, `lax.batch_matmul`.

use crate::arguments::options;
use crate::core::array::Array;
use crate::core::aval::Shape;
use crate::dtype::DType;
use crate::error::throw;
use crate::lax::dot_general::{DotDimensionNumbers, DotOptions, dot_general_with};
use crate::lax::elementwise::tuple;
use crate::lax::precision::DotPrecision;

options! {
    /// Options of [`dot_with`].
    pub struct DotProductOptions {
        /// What is contracted; the last axis of `lhs` and the first of `rhs` if it is not given.
        dimension_numbers: optional_into DotDimensionNumbers,
        /// [`DotOptions::precision`].
        precision: optional_into DotPrecision,
        /// [`DotOptions::preferred_element_type`].
        preferred_element_type: optional DType,
    }
}

/// The product of vectors or matrices: `f32[2,3]`, `f32[3]` -> `f32[2]`.
///
/// # Errors
/// Operands that are not of rank 1 or 2, or whose last and first sizes differ.
#[track_caller]
pub fn dot(lhs: &Array, rhs: &Array) -> Array {
    dot_with(lhs, rhs, DotProductOptions::new())
}

/// [`dot`], with options.
///
/// # Errors
/// As [`dot`].
#[track_caller]
pub fn dot_with(lhs: &Array, rhs: &Array, options: DotProductOptions) -> Array {
    let DotProductOptions { dimension_numbers, precision, preferred_element_type } = options;
    let options = DotOptions { precision, preferred_element_type };
    if let Some(numbers) = dimension_numbers {
        return dot_general_with(lhs, rhs, numbers, options);
    }
    let (l, r) = (lhs.shape(), rhs.shape());
    if !(1..=2).contains(&l.len()) || !(1..=2).contains(&r.len()) || l[l.len() - 1] != r[0] {
        throw!(
            Shape,
            "dot: dimension_numbers must be specified when not performing simple un-batched matrix-matrix, \
             matrix-vector, or vector-vector products; got lhs_shape={} rhs_shape={}",
            tuple(l),
            tuple(r)
        );
    }
    dot_general_with(lhs, rhs, ((l.len() - 1, 0), ((), ())), options)
}

/// Products of matrices, one for each index of the leading axes: `f32[7,2,3]`, `f32[7,3,5]` -> `f32[7,2,5]`.
///
/// # Errors
/// `arguments to batch_matmul must be at least 2D, got 1, 2`; different ranks or leading sizes.
#[track_caller]
pub fn batch_matmul(lhs: &Array, rhs: &Array) -> Array {
    batch_matmul_with(lhs, rhs, DotOptions::new())
}

/// [`batch_matmul`], with options.
///
/// # Errors
/// As [`batch_matmul`].
#[track_caller]
pub fn batch_matmul_with(lhs: &Array, rhs: &Array, options: DotOptions) -> Array {
    let (l, r) = (lhs.ndim(), rhs.ndim());
    if l < 2 || r < 2 {
        throw!(Shape, "arguments to batch_matmul must be at least 2D, got {l}, {r}");
    }
    if l != r {
        throw!(Shape, "arguments to batch_matmul must have same ndim, got {l}, {r}");
    }
    let batch: Shape = (0..l - 2).collect();
    dot_general_with(lhs, rhs, ((l - 1, r - 2), (&batch, &batch)), options)
}
