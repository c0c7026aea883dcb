//! What functions on matrices share.

use crate::core::array::Array;
use crate::error::throw;
use crate::lax;

/// The number of rows of square matrices.
#[track_caller]
pub(super) fn square(name: &str, x: &Array) -> usize {
    match x.shape() {
        [.., m, n] if m == n => *n,
        _ => throw!(Shape, "{name}: the argument must have shape [..., n, n], got {}", x.aval()),
    }
}

/// The elements at one place of matrices.
pub(super) fn element(x: &Array, i: i64, j: i64) -> Array {
    lax::index_along(&lax::index_along(x, i, -2), j, -1)
}
