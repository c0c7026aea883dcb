//! Zero tangents and cotangents as rules see them. JAX: `SymbolicZero`.

use crate::core::array::{Array, Repr};
use crate::core::aval::ShapedArray;

/// A zero (co)tangent of this type.
pub(crate) fn symbolic_zero(aval: ShapedArray) -> Array {
    Array(Repr::Zero(aval))
}

/// The zero tangent or cotangent of `x`, for a rule to return: an array of zeros that nothing is computed with, for
/// [`is_symbolic_zero`](Array::is_symbolic_zero) tells it from others. That of integers and booleans is of
/// [`float0`](crate::dtypes::float0).
///
/// ```
/// use raxla::custom_derivatives::{custom_vjp, zero_from_primal};
/// use raxla::prelude::*;
///
/// // The table is looked up in, and never trained.
/// let f = custom_vjp(
///     |table: &Array, x: &Array| table * x,
///     |table: &Array, x: &Array| (table * x, table.clone()),
///     |table: Array, ct: Array| (zero_from_primal(&table), ct * table),
/// );
/// assert_eq!(grad(f)(&Array::from(2.0), &Array::from(3.0))?.item::<f32>()?, 0.0);
/// # Ok::<(), raxla::Error>(())
/// ```
pub fn zero_from_primal(x: impl Into<Array>) -> Array {
    symbolic_zero(x.into().aval().tangent())
}
