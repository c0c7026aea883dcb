//! Products, diagonals and norms under the names of the array API.

use super::{Norm, NormOptions, norm_with};
use crate::arguments::{Axes, Axis, options};
use crate::core::array::Array;
use crate::dtype::DType;
use crate::error::throw;
use crate::lax;
use crate::lax::arguments::axis_of;
use crate::numpy::{self, CrossOptions, DiagonalOptions, TraceOptions};

options! {
    /// Options of [`cross_with`].
    pub struct CrossAxisOptions {
        /// The axis of the components.
        axis: into Axis = -1,
    }
}

/// The cross product of vectors of three components in the last axis.
///
/// # Errors
/// `cross: both arrays must be of vectors of 3 components, got f32[2] and f32[2]`.
/// ```
/// use raxla::{Array, numpy::linalg};
///
/// let z = linalg::cross(Array::from([1, 0, 0]), Array::from([0, 1, 0]));
/// assert_eq!(z.to_vec::<i32>()?, [0, 0, 1]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn cross(x1: impl Into<Array>, x2: impl Into<Array>) -> Array {
    cross_with(x1, x2, CrossAxisOptions::new())
}

/// [`cross`] by options.
///
/// # Errors
/// As [`cross`]; an axis out of range.
#[track_caller]
pub fn cross_with(x1: impl Into<Array>, x2: impl Into<Array>, options: CrossAxisOptions) -> Array {
    let (x1, x2, axis) = (x1.into(), x2.into(), options.axis);
    let size = |x: &Array| x.shape()[axis_of("cross", axis, x)];
    if size(&x1) != 3 || size(&x2) != 3 {
        let (x1, x2) = (x1.aval(), x2.aval());
        throw!(Shape, "cross: both arrays must be of vectors of 3 components, got {x1} and {x2}");
    }
    numpy::cross_with(&x1, &x2, CrossOptions::new().axis(axis))
}

/// The products of each element of one vector with each of another: `f32[m]`, `f32[n]` -> `f32[m,n]`.
///
/// # Errors
/// `outer: both arrays must have one axis, got f32[2,2] and f32[2]`.
#[track_caller]
pub fn outer(x1: impl Into<Array>, x2: impl Into<Array>) -> Array {
    let (x1, x2) = (x1.into(), x2.into());
    if x1.ndim() != 1 || x2.ndim() != 1 {
        throw!(Shape, "outer: both arrays must have one axis, got {} and {}", x1.aval(), x2.aval());
    }
    numpy::outer(&x1, &x2)
}

options! {
    /// Options of [`diagonal_with`].
    pub struct MatrixDiagonalOptions {
        /// The diagonal; those above the main one are positive.
        offset: value i64 = 0,
    }
}

/// The diagonals of matrices in the last two axes: `f32[..,n,n]` -> `f32[..,n]`.
///
/// # Errors
/// Less than two axes.
#[track_caller]
pub fn diagonal(x: impl Into<Array>) -> Array {
    diagonal_with(x, MatrixDiagonalOptions::new())
}

/// [`diagonal`] by options.
///
/// # Errors
/// As [`diagonal`].
#[track_caller]
pub fn diagonal_with(x: impl Into<Array>, options: MatrixDiagonalOptions) -> Array {
    numpy::diagonal_with(x, DiagonalOptions::new().offset(options.offset).axis1(-2).axis2(-1))
}

options! {
    /// Options of [`trace_with`].
    pub struct MatrixTraceOptions {
        /// The diagonal; those above the main one are positive.
        offset: value i64 = 0,
        /// The dtype to compute in and to give.
        dtype: optional DType,
    }
}

/// The sums of the diagonals of matrices in the last two axes: `f32[..,n,n]` -> `f32[..]`.
///
/// # Errors
/// Less than two axes.
#[track_caller]
pub fn trace(x: impl Into<Array>) -> Array {
    trace_with(x, MatrixTraceOptions::new())
}

/// [`trace`] by options.
///
/// # Errors
/// As [`trace`].
#[track_caller]
pub fn trace_with(x: impl Into<Array>, options: MatrixTraceOptions) -> Array {
    let MatrixTraceOptions { offset, dtype } = options;
    numpy::trace_with(x, TraceOptions { dtype, ..TraceOptions::new().offset(offset).axis1(-2).axis2(-1) })
}

options! {
    /// Options of [`matrix_norm_with`].
    pub struct MatrixNormOptions {
        /// Which norm: [`Norm`], or a number.
        ord: into Norm = Norm::Frobenius,
        /// Do the reduced axes stay, with size one?
        keepdims: value bool = false,
    }
}

/// The norms of matrices in the last two axes: the root of the sum of squares of absolute values.
///
/// # Errors
/// Less than two axes.
#[track_caller]
pub fn matrix_norm(x: impl Into<Array>) -> Array {
    matrix_norm_with(x, MatrixNormOptions::new())
}

/// [`matrix_norm`] by options.
///
/// # Errors
/// As [`matrix_norm`]; norms by singular values need raxla's feature `linalg` on the CPU.
#[track_caller]
pub fn matrix_norm_with(x: impl Into<Array>, options: MatrixNormOptions) -> Array {
    norm_with(x, [-2, -1], NormOptions::new().ord(options.ord).keepdims(options.keepdims))
}

options! {
    /// Options of [`vector_norm_with`].
    pub struct VectorNormOptions {
        /// Which norm: [`Norm`], or a number for the p-norm.
        ord: into Norm = 2,
        /// Do the reduced axes stay, with size one?
        keepdims: value bool = false,
    }
}

/// The norm of all elements along `axes`: the root of the sum of squares of absolute values.
///
/// # Errors
/// An axis out of range or repeated.
/// ```
/// use raxla::{Array, numpy::linalg};
///
/// let x = Array::from([[3.0f32, 0.0], [0.0, 4.0]]);
/// assert_eq!(linalg::vector_norm(&x, ..).item::<f32>()?, 5.0);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn vector_norm(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    vector_norm_with(x, axes, VectorNormOptions::new())
}

/// [`vector_norm`] by options.
///
/// # Errors
/// As [`vector_norm`]; norms of matrices.
#[track_caller]
pub fn vector_norm_with(x: impl Into<Array>, axes: impl Into<Axes>, options: VectorNormOptions) -> Array {
    let x = numpy::util::inexact(&x.into());
    let dims = lax::arguments::axes_of("vector_norm", &axes.into(), &x);
    super::vector_normed("vector_norm", &x, &dims, options.ord, options.keepdims)
}
