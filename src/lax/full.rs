//! Constant arrays. JAX: `lax.full`.

use crate::core::array::Array;
use crate::core::aval::ShapedArray;
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

/// A scalar of `x`'s dtype and weak type, as a literal.
pub(crate) fn literal_like(x: &Array, value: f64) -> Array {
    Array::from(Scalar::from_f64(x.dtype(), value).with_weak_type(x.weak_type()))
}

/// An array of `x`'s shape, dtype and weak type with every element `value`.
#[track_caller]
pub fn full_like(x: &Array, value: f64) -> Array {
    broadcast_in_dim(&literal_like(x, value), x.shape(), &[])
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

/// Zeros of this type. JAX: `zeros_like_aval`.
#[track_caller]
pub(crate) fn zeros_like_aval(aval: &ShapedArray) -> Array {
    let zero = Scalar::from_f64(aval.dtype(), 0.0).with_weak_type(aval.weak_type());
    broadcast_in_dim(&Array::from(zero), aval.shape(), &[])
}

/// Zeros of `x`'s dtype, weak type and shape.
#[track_caller]
pub fn zeros_like(x: &Array) -> Array {
    full_like(x, 0.0)
}
