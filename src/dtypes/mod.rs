//! Dtypes by their names, limits and classes. JAX: `jax.dtypes`, and what `jax.numpy` has of it.
//!
//! [`DType`] names the element types of arrays; Rust types of elements that Rust and the crate `half` lack are here too.
//!
//! ```
//! use raxla::dtypes::{self, F8E4M3FN, ScalarKind};
//! use raxla::{Array, DType};
//!
//! let x = Array::from([F8E4M3FN::from_f32(0.3), F8E4M3FN::from_f32(2.0)]);
//! assert_eq!(x.dtype(), DType::F8E4M3FN);
//! assert!(dtypes::issubdtype(x.dtype(), ScalarKind::Floating));
//! assert_eq!(dtypes::finfo(x.dtype()).max, 448.0);
//! // The nearest number that there is.
//! assert_eq!(x.astype(DType::F32).to_vec::<f32>()?, [0.3125, 2.0]);
//! # Ok::<(), raxla::Error>(())
//! ```

mod casting;
mod classes;

pub use crate::dtype::{
    DType, F4E2M1FN, F8E3M4, F8E4M3, F8E4M3B11FNUZ, F8E4M3FN, F8E4M3FNUZ, F8E5M2, F8E5M2FNUZ, F8E8M0FNU,
    FloatInfo, I2, I4, IntegerInfo, U2, U4,
};
pub use casting::{CanCastOptions, Casting, can_cast, can_cast_with};
pub use classes::{KindOrDType, ScalarKind, isdtype, issubdtype};

/// The dtype of derivatives with respect to integers and booleans: [`DType::Float0`].
///
/// ```
/// use raxla::api::{GradOptions, grad_with};
/// use raxla::{dtypes, prelude::*};
///
/// let f = |x: &Array, n: &Array| x * n;
/// let slope = grad_with(f, GradOptions::argnum::<1>().allow_int(true));
/// let dn = slope(&Array::from(2.0), &Array::from(3))?;
/// assert_eq!((dn.dtype(), dn.to_string()), (dtypes::float0, "(b'',)".into()));
/// # Ok::<(), raxla::Error>(())
/// ```
#[allow(non_upper_case_globals, reason = "it is JAX's name")]
pub const float0: DType = DType::Float0;

use crate::core::array::Array;
use crate::core::config::{self, DTypePromotion, canonicalize, numpy_dtype_promotion, x64_enabled};
use crate::dtype;
use crate::error::{OrThrow, throw};

/// The dtype that arrays of `dtype` get: one of 64 bits narrows while x64 is off.
/// ```
/// use raxla::{DType, dtypes};
/// assert_eq!(dtypes::canonicalize_dtype(DType::I64), DType::I32);
/// ```
pub fn canonicalize_dtype(dtype: DType) -> DType {
    canonicalize(dtype)
}

/// Bits of an element: 4 of `int4`, 8 of `bool`, 64 of `complex64`.
/// ```
/// use raxla::{DType, dtypes};
/// assert_eq!((dtypes::itemsize_bits(DType::I4), dtypes::itemsize_bits(DType::C64)), (4, 64));
/// ```
pub fn itemsize_bits(dtype: DType) -> usize {
    if dtype.is_complex() { 2 * dtype.bits() } else { dtype.bits() }
}

/// The limits of a float dtype, or of the parts of a complex one.
///
/// # Errors
/// `finfo: takes a float or complex dtype, got i32: iinfo takes integers`
/// ```
/// use raxla::{DType, numpy as jnp};
/// assert_eq!(jnp::finfo(DType::F32).eps, f64::from(f32::EPSILON));
/// assert_eq!(jnp::finfo(DType::F8E5M2).max, 57344.0);
/// ```
#[track_caller]
pub fn finfo(dtype: DType) -> FloatInfo {
    FloatInfo::of(dtype).or_throw()
}

/// The limits of an integer dtype.
///
/// # Errors
/// `iinfo: takes an integer dtype, got f32: finfo takes floats`
/// ```
/// use raxla::{DType, numpy as jnp};
/// assert_eq!((jnp::iinfo(DType::I4).min, jnp::iinfo(DType::I4).max), (-8, 7));
/// ```
#[track_caller]
pub fn iinfo(int_type: DType) -> IntegerInfo {
    IntegerInfo::of(int_type).or_throw()
}

/// The dtype to which an operation on arrays of these two converts both. As in JAX, 64 bits stay 64 bits while x64 is off.
///
/// # Errors
/// `promote_types: f8_e4m3fn and f32 have no implicit promotion: floats of eight or fewer bits promote to no other float. Convert one
/// by astype`
/// ```
/// use raxla::{DType, numpy as jnp};
/// assert_eq!(jnp::promote_types(DType::I32, DType::BF16), DType::BF16);
/// ```
#[track_caller]
pub fn promote_types(a: DType, b: DType) -> DType {
    let promoted = match numpy_dtype_promotion() {
        DTypePromotion::Strict => config::promote(&[(a, false), (b, false)]).map(|_| a),
        _ => dtype::promote_as_given(a, b, x64_enabled()),
    };
    match promoted {
        Ok(dtype) => dtype,
        Err(e) => throw(e.context("promote_types")),
    }
}

/// What [`result_type`] takes: the dtype of an array, which may be weak, or a dtype.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DTypeOf(DType, bool);

impl From<DType> for DTypeOf {
    fn from(dtype: DType) -> Self {
        DTypeOf(dtype, false)
    }
}

impl<T: Into<Array>> From<T> for DTypeOf {
    fn from(x: T) -> Self {
        let x = x.into();
        DTypeOf(x.dtype(), x.weak_type())
    }
}

/// The dtype of what an operation on these arrays and dtypes gives.
///
/// # Errors
/// `result_type: at least one dtype is required`; those of [`promote_types`].
/// ```
/// use raxla::{Array, DType, dtypes::DTypeOf, numpy as jnp};
///
/// let x = Array::from([1i8, 2]);
/// assert_eq!(jnp::result_type([&x, &Array::from(1.5)]), DType::F32);
/// assert_eq!(jnp::result_type([DTypeOf::from(&x), DType::F16.into()]), DType::F16);
/// ```
#[track_caller]
pub fn result_type<T: Clone + Into<DTypeOf>>(args: impl AsRef<[T]>) -> DType {
    result_type_and_weak_type(args).0
}

/// [`result_type`], and whether it is weak. JAX: `result_type` with `return_weak_type_flag=True`.
///
/// # Errors
/// As [`result_type`].
/// ```
/// use raxla::{Array, DType, dtypes};
///
/// let (x, two) = (Array::from([1i8, 2]), Array::from(2));
/// assert_eq!(dtypes::result_type_and_weak_type([&x, &two]), (DType::I8, false));
/// assert_eq!(dtypes::result_type_and_weak_type([&two]), (DType::I32, true));
/// ```
#[track_caller]
pub fn result_type_and_weak_type<T: Clone + Into<DTypeOf>>(args: impl AsRef<[T]>) -> (DType, bool) {
    let types: Vec<(DType, bool)> = args
        .as_ref()
        .iter()
        .map(|x| {
            let DTypeOf(dtype, weak) = x.clone().into();
            (dtype, weak)
        })
        .collect();
    match config::promote(&types) {
        Ok(found) => found,
        Err(e) if types.is_empty() => throw(e),
        Err(e) => throw(e.context("result_type")),
    }
}
