//! Constant arrays. JAX: `lax.full`.

use crate::core::array::Array;
use crate::core::scalar::Scalar;
use crate::dtype::DType;
use crate::lax::broadcast_in_dim;

/// An array of this shape with every element `value`, of `value`'s dtype and weak type.
#[track_caller]
pub fn full(shape: &[usize], value: impl Into<Array>) -> Array {
    broadcast_in_dim(&value.into(), shape, &[])
}

/// A scalar of this dtype, as a literal.
pub(crate) fn literal(dtype: DType, value: f64) -> Array {
    Array::from(Scalar::from_f64(dtype, value))
}

/// A scalar of `x`'s dtype, as a literal.
pub(crate) fn literal_like(x: &Array, value: f64) -> Array {
    literal(x.dtype(), value)
}

/// An array of `x`'s shape, dtype and weak type with every element `value`.
#[track_caller]
pub fn full_like(x: &Array, value: f64) -> Array {
    let value = Scalar::from_f64(x.dtype(), value).with_weak_type(x.weak_type());
    broadcast_in_dim(&Array::from(value), x.shape(), &[])
}

/// Zeros of this dtype and shape.
#[track_caller]
pub fn zeros(dtype: DType, shape: &[usize]) -> Array {
    broadcast_in_dim(&literal(dtype, 0.0), shape, &[])
}

/// An array of this shape and dtype whose elements nobody should rely on. As in JAX they are zeros.
#[track_caller]
pub fn empty(shape: &[usize], dtype: DType) -> Array {
    zeros(dtype, shape)
}

/// Zeros of `x`'s dtype and shape, strongly typed.
#[track_caller]
pub fn zeros_like(x: &Array) -> Array {
    zeros(x.dtype(), x.shape())
}
