//! Axes and sizes as the functions of this module are told them. Their errors name the operand.

use crate::arguments::{Axes, Axis, Dims};
use crate::core::array::Array;
use crate::core::aval::Shape;
use crate::error::{Error, OrThrow, Result};

/// `reduce_sum: axis 2 is out of bounds for array of dimension 2, got operand f32[2,3]`.
#[cold]
fn with_operand(e: &Error, x: &Array) -> Error {
    Error::new(e.kind(), format!("{}, got operand {}", e.message(), x.aval()))
}

/// The position of an axis of `x`.
#[track_caller]
pub(crate) fn axis_of(name: &str, axis: Axis, x: &Array) -> usize {
    named(axis.position(name, x.ndim()), x)
}

/// The positions of axes of `x`, as they were given.
#[track_caller]
pub(crate) fn axes_of(name: &str, axes: &Axes, x: &Array) -> Shape {
    named(axes.positions(name, x.ndim()), x)
}

/// The positions of axes of `x`, in increasing order.
#[track_caller]
pub(crate) fn sorted_axes_of(name: &str, axes: &Axes, x: &Array) -> Shape {
    named(axes.sorted(name, x.ndim()), x)
}

#[track_caller]
fn named<T>(found: Result<T>, x: &Array) -> T {
    match found {
        Ok(found) => found,
        Err(e) => Err(with_operand(&e, x)).or_throw(),
    }
}

/// Sizes, none of them negative.
#[track_caller]
pub(crate) fn sizes_of(name: &str, sizes: &Dims) -> Shape {
    sizes.shape(name).or_throw()
}
