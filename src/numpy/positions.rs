//! Positions of elements of matrices, as index arrays. JAX: `jnp.tril_indices`, `jnp.diag_indices`.

use crate::core::array::Array;
use crate::core::config::canonicalize;
use crate::dtype::DType;
use crate::lax;

/// The rows and columns of the lower triangle of an `n` by `m` matrix (`None`: `n` by `n`), up to diagonal `k`.
pub fn tril_indices(n: usize, k: i64, m: impl Into<Option<usize>>) -> (Array, Array) {
    positions(n, m.into(), |i, j| j - i <= k)
}

/// The rows and columns of the upper triangle of an `n` by `m` matrix (`None`: `n` by `n`), from diagonal `k` on.
pub fn triu_indices(n: usize, k: i64, m: impl Into<Option<usize>>) -> (Array, Array) {
    positions(n, m.into(), |i, j| j - i >= k)
}

/// The positions along each of `ndim` axes of the main diagonal of an array with `n` elements along each.
pub fn diag_indices(n: usize, ndim: usize) -> Vec<Array> {
    vec![lax::iota(canonicalize(DType::I64), n); ndim]
}

fn positions(n: usize, m: Option<usize>, keep: impl Fn(i64, i64) -> bool) -> (Array, Array) {
    let (n, m) = (n as i64, m.unwrap_or(n) as i64);
    let found: Vec<(i64, i64)> =
        (0..n).flat_map(|i| (0..m).map(move |j| (i, j))).filter(|(i, j)| keep(*i, *j)).collect();
    let column = |part: fn(&(i64, i64)) -> i64| {
        let positions: Vec<i32> = found.iter().map(|at| part(at) as i32).collect();
        lax::convert_element_type(&Array::from(positions), DType::I64)
    };
    (column(|at| at.0), column(|at| at.1))
}
