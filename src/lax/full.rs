//! Constant arrays. JAX: `lax.full`.

use crate::arguments::{Dims, ShapeDtype, options};
use crate::core::array::Array;
use crate::core::aval::ShapedArray;
use crate::core::config::canonicalize;
use crate::core::scalar::Scalar;
use crate::dtype::DType;
use crate::error::{OrThrow, throw};
use crate::lax::elementwise::tuple;
use crate::lax::{broadcast_in_dim, convert, convert_element_type};

/// An array of this shape with every element `fill_value`, of its dtype and weak type, or strongly typed of the dtype that
/// stands beside the shape.
///
/// ```
/// use raxla::{DType, lax};
///
/// assert_eq!(lax::full([2, 3], 1.5).shape(), [2, 3]);
/// assert_eq!(lax::full(([2], DType::BF16), 1.5).dtype(), DType::BF16);
/// ```
///
/// # Errors
/// `full must be called with scalar fill_value, got shape (2,)`; a negative size.
#[track_caller]
pub fn full(shape: impl Into<ShapeDtype>, fill_value: impl Into<Array>) -> Array {
    filled(&shape.into(), fill_value.into())
}

#[track_caller]
fn filled(of: &ShapeDtype, mut value: Array) -> Array {
    if value.ndim() != 0 {
        throw!(Shape, "full must be called with scalar fill_value, got shape {}", tuple(value.shape()));
    }
    let (shape, dtype) = of.resolve("full", value.dtype()).or_throw();
    if of.dtype().is_some() {
        value = convert_element_type(&value, dtype);
    }
    broadcast_in_dim(&value, shape, ())
}

/// A scalar of this dtype, as a literal.
pub(crate) fn literal(dtype: DType, value: f64) -> Array {
    Array::from(Scalar::from_f64(dtype, value))
}

/// A scalar of `x`'s dtype and weak type, as a literal.
pub(crate) fn literal_like(x: &Array, value: f64) -> Array {
    Array::from(Scalar::from_f64(x.dtype(), value).with_weak_type(x.weak_type()))
}

options! {
    /// Options of [`full_like_with`].
    pub struct FullLikeOptions {
        /// The dtype of the result, which is then strongly typed.
        dtype: optional DType,
        /// The shape of the result.
        shape: optional_into Dims,
    }
}

/// An array of `x`'s shape, dtype and weak type with every element `fill_value`.
#[track_caller]
pub fn full_like(x: &Array, fill_value: impl Into<Array>) -> Array {
    filled_like(x, &fill_value.into(), &FullLikeOptions::new())
}

/// [`full_like`], of another dtype or shape.
///
/// ```
/// use raxla::{Array, DType, lax::{self, FullLikeOptions}};
///
/// let x = Array::from([1.0f32, 2.0]);
/// let y = lax::full_like_with(&x, 7, FullLikeOptions::new().dtype(DType::I8).shape([2, 3]));
/// assert_eq!((y.dtype(), y.shape()), (DType::I8, &[2, 3][..]));
/// ```
#[track_caller]
pub fn full_like_with(x: &Array, fill_value: impl Into<Array>, options: FullLikeOptions) -> Array {
    filled_like(x, &fill_value.into(), &options)
}

#[track_caller]
fn filled_like(x: &Array, value: &Array, options: &FullLikeOptions) -> Array {
    if value.ndim() != 0 {
        throw!(Shape, "full must be called with scalar fill_value, got shape {}", tuple(value.shape()));
    }
    let weak_type = options.dtype.is_none() && x.weak_type();
    let value = convert(value, canonicalize(options.dtype.unwrap_or(x.dtype())), weak_type);
    match &options.shape {
        Some(shape) => broadcast_in_dim(&value, shape.clone(), ()),
        None => broadcast_in_dim(&value, x.shape(), ()),
    }
}

/// Zeros of this dtype and shape.
#[track_caller]
pub(crate) fn zeros(dtype: DType, shape: &[usize]) -> Array {
    broadcast_in_dim(&literal(dtype, 0.0), shape, ())
}

/// An array of this shape and dtype (JAX's default is `f32`) whose elements nobody should rely on. As in JAX they are
/// zeros.
#[track_caller]
pub fn empty(shape: impl Into<ShapeDtype>) -> Array {
    let (shape, dtype) = shape.into().resolve("empty", DType::F64).or_throw();
    zeros(canonicalize(dtype), &shape)
}

/// Zeros of this type. JAX: `zeros_like_aval`.
#[track_caller]
pub(crate) fn zeros_like_aval(aval: &ShapedArray) -> Array {
    broadcast_in_dim(&Array::from(Scalar::zero(aval)), aval.shape(), ())
}

/// Zeros of `x`'s dtype, weak type and shape.
#[track_caller]
pub(crate) fn zeros_like(x: &Array) -> Array {
    broadcast_in_dim(&literal_like(x, 0.0), x.shape(), ())
}
