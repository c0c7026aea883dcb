//! Matrices with a pattern, triangles and diagonals. JAX: `numpy/lax_numpy.py`.

use crate::arguments::{Axis, options};
use crate::calls::jit_call::jitted;
use crate::core::array::Array;
use crate::core::config::canonicalize;
use crate::dtype::DType;
use crate::error::throw;
use crate::lax;
use crate::lax::arguments::axis_of;
use crate::numpy::joining::FromArrays;
use crate::numpy::reductions::{ReduceOptions, sum_with};
use crate::numpy::util::{broadcast_to_shape, constant, default_float, strong};
use crate::numpy::{GatherScatterMode, power, where_};

options! {
    /// Options of [`eye_with`] and [`tri_with`].
    pub struct EyeOptions {
        /// The number of columns, if not that of the rows.
        m: optional usize,
        /// The diagonal; those above the main one are positive.
        k: value i64 = 0,
        /// The dtype; `f32` if not given.
        dtype: optional DType,
    }
}

/// The `n` by `n` matrix with ones on the diagonal and zeros elsewhere.
///
/// ```
/// use raxla::numpy as jnp;
///
/// assert_eq!(jnp::eye(2).to_vec::<f32>()?, [1.0, 0.0, 0.0, 1.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn eye(n: usize) -> Array {
    eye_with(n, EyeOptions::new())
}

/// [`eye`] by options.
#[track_caller]
pub fn eye_with(n: usize, options: EyeOptions) -> Array {
    let dtype = canonicalize(options.dtype.unwrap_or(default_float()));
    let (row, column) = positions(&[n, options.m.unwrap_or(n)]);
    let row = lax::add(&row, &lax::literal(DType::I32, options.k as f64));
    strong(&lax::eq(&row, &column), dtype)
}

/// Row and column of each element of a matrix, or of the last two axes.
#[track_caller]
fn positions(shape: &[usize]) -> (Array, Array) {
    let sizes = &shape[shape.len() - 2..];
    (lax::broadcasted_iota(DType::I32, sizes, 0), lax::broadcasted_iota(DType::I32, sizes, 1))
}

options! {
    /// Options of [`identity_with`].
    pub struct IdentityOptions {
        /// The dtype; `f32` if not given.
        dtype: optional DType,
    }
}

/// The identity matrix.
#[track_caller]
pub fn identity(n: usize) -> Array {
    eye(n)
}

/// [`identity`] by options.
#[track_caller]
pub fn identity_with(n: usize, options: IdentityOptions) -> Array {
    eye_with(n, EyeOptions { dtype: options.dtype, ..EyeOptions::new() })
}

/// Is the column at most `k` to the right of the diagonal?
#[track_caller]
fn lower_mask(shape: &[usize], k: i64) -> Array {
    let sizes = &shape[shape.len() - 2..];
    let row = lax::broadcasted_iota(DType::I32, sizes, 0);
    let row = lax::add(&row, &lax::literal(DType::I32, k as f64));
    broadcast_to_shape(&lax::ge(&row, &lax::broadcasted_iota(DType::I32, sizes, 1)), shape)
}

/// The `n` by `n` matrix with ones on and below the diagonal, and zeros above.
#[track_caller]
pub fn tri(n: usize) -> Array {
    tri_with(n, EyeOptions::new())
}

/// [`tri`] by options.
#[track_caller]
pub fn tri_with(n: usize, options: EyeOptions) -> Array {
    let dtype = canonicalize(options.dtype.unwrap_or(default_float()));
    strong(&lower_mask(&[n, options.m.unwrap_or(n)], options.k), dtype)
}

options! {
    /// Options of [`tril_with`], [`triu_with`], [`diag_with`] and [`diagflat_with`].
    pub struct DiagOptions {
        /// The diagonal; those above the main one are positive.
        k: value i64 = 0,
    }
}

/// `x` with zeros above the diagonal of its last two axes.
///
/// # Errors
/// `tril: array must be at least 2-dimensional, got f32[3]`
#[track_caller]
pub fn tril(x: impl Into<Array>) -> Array {
    tril_with(x, DiagOptions::new())
}

/// [`tril`] by options.
///
/// # Errors
/// As [`tril`].
#[track_caller]
pub fn tril_with(x: impl Into<Array>, options: DiagOptions) -> Array {
    jitted("tril", options.k, [&x.into()], |[x]| {
        let x = at_least_matrix("tril", x.clone());
        lax::select(&lower_mask(x.shape(), options.k), &x, &lax::full_like(&x, 0.0))
    })
}

/// `x` with zeros below the diagonal of its last two axes.
///
/// # Errors
/// `triu: array must be at least 2-dimensional, got f32[3]`
#[track_caller]
pub fn triu(x: impl Into<Array>) -> Array {
    triu_with(x, DiagOptions::new())
}

/// [`triu`] by options.
///
/// # Errors
/// As [`triu`].
#[track_caller]
pub fn triu_with(x: impl Into<Array>, options: DiagOptions) -> Array {
    jitted("triu", options.k, [&x.into()], |[x]| {
        let x = at_least_matrix("triu", x.clone());
        lax::select(&lower_mask(x.shape(), options.k - 1), &lax::full_like(&x, 0.0), &x)
    })
}

#[track_caller]
fn at_least_matrix(name: &str, x: Array) -> Array {
    if x.ndim() < 2 {
        throw!(Shape, "{name}: array must be at least 2-dimensional, got {}", x.aval());
    }
    x
}

/// The diagonal of a matrix, or a matrix with a vector on its diagonal.
///
/// # Errors
/// `diag: input must be 1- or 2-dimensional, got f32[2,2,2]`
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// assert_eq!(jnp::diag(Array::from([[1, 2], [3, 4]])).to_vec::<i32>()?, [1, 4]);
/// assert_eq!(jnp::diag(Array::from([5, 6])).to_vec::<i32>()?, [5, 0, 0, 6]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn diag(x: impl Into<Array>) -> Array {
    diag_of("diag", &x.into(), 0)
}

/// [`diag`] by options.
///
/// # Errors
/// As [`diag`].
#[track_caller]
pub fn diag_with(x: impl Into<Array>, options: DiagOptions) -> Array {
    diag_of("diag", &x.into(), options.k)
}

#[track_caller]
fn diag_of(name: &str, x: &Array, k: i64) -> Array {
    jitted("_diag", k, [x], |[x]| on_or_of_diagonal(name, x, k))
}

#[track_caller]
fn on_or_of_diagonal(name: &str, x: &Array, k: i64) -> Array {
    match x.ndim() {
        1 => {
            let n = x.shape()[0] + k.unsigned_abs() as usize;
            // A row k above the diagonal has its element k columns to the right.
            let padding = [((-k).max(0), k.max(0), 0)];
            let line = lax::pad(x, constant(x, 0.0), padding);
            let mask = eye_with(n, EyeOptions::new().k(k).dtype(DType::Bool));
            where_(mask, lax::expand_dims(&line, [1]), constant(x, 0.0))
        }
        2 => diagonal_with(x, DiagonalOptions::new().offset(k)),
        _ => throw!(Shape, "{name}: input must be 1- or 2-dimensional, got {}", x.aval()),
    }
}

/// A matrix with the flattened `x` on its diagonal.
#[track_caller]
pub fn diagflat(x: impl Into<Array>) -> Array {
    diagflat_with(x, DiagOptions::new())
}

/// [`diagflat`] by options.
#[track_caller]
pub fn diagflat_with(x: impl Into<Array>, options: DiagOptions) -> Array {
    let x = x.into();
    diag_of("diagflat", &lax::reshape(&x, [x.size()]), options.k)
}

options! {
    /// Options of [`diagonal_with`].
    pub struct DiagonalOptions {
        /// The diagonal; those above the main one are positive.
        offset: value i64 = 0,
        /// The axis of the rows.
        axis1: into Axis = 0,
        /// The axis of the columns.
        axis2: into Axis = 1,
    }
}

/// The diagonal along the first two axes; it becomes the last axis of the result.
///
/// # Errors
/// `diagonal: array must be at least 2-dimensional, got f32[3]`
#[track_caller]
pub fn diagonal(x: impl Into<Array>) -> Array {
    diagonal_with(x, DiagonalOptions::new())
}

/// [`diagonal`] by options.
///
/// # Errors
/// As [`diagonal`]; axes out of range or equal.
#[track_caller]
pub fn diagonal_with(x: impl Into<Array>, options: DiagonalOptions) -> Array {
    jitted("diagonal", (options.offset, options.axis1, options.axis2), [&x.into()], |[x]| {
        diagonal_of("diagonal", x, &options)
    })
}

#[track_caller]
fn matrices_last(name: &str, x: &Array, axis1: Axis, axis2: Axis) -> Array {
    let x = at_least_matrix(name, x.clone());
    let axis1 = axis_of(name, axis1, &x);
    let axis2 = axis_of(name, axis2, &x);
    if axis1 == axis2 {
        throw!(InvalidArgument, "{name}: axis1 and axis2 cannot be the same, got {axis1}");
    }
    let mut order: Vec<usize> = (0..x.ndim()).filter(|a| *a != axis1 && *a != axis2).collect();
    order.extend([axis1, axis2]);
    lax::transpose(&x, &order)
}

#[track_caller]
fn diagonal_of(name: &str, x: &Array, options: &DiagonalOptions) -> Array {
    let x = matrices_last(name, x, options.axis1, options.axis2);
    let k = options.offset;
    let rank = x.ndim();
    let (n, m) = (x.shape()[rank - 2] as i64, x.shape()[rank - 1] as i64);
    let length = if k >= 0 { n.min(m - k) } else { (n + k).min(m) }.max(0) as usize;
    let mut shape = x.shape()[..rank - 2].to_vec();
    if length == 0 {
        shape.push(0);
        return lax::full(&shape, constant(&x, 0.0));
    }
    let place = || lax::iota(DType::I32, length);
    let (near, far) = (place(), lax::add(&lax::literal(DType::I32, k.abs() as f64), &place()));
    let (rows, columns) = if k >= 0 { (near, far) } else { (far, near) };
    x.at((.., rows, columns)).mode(GatherScatterMode::PromiseInBounds).get()
}

options! {
    /// Options of [`trace_with`].
    pub struct TraceOptions {
        /// The diagonal; those above the main one are positive.
        offset: value i64 = 0,
        /// The axis of the rows.
        axis1: into Axis = 0,
        /// The axis of the columns.
        axis2: into Axis = 1,
        /// The dtype to compute in and to give.
        dtype: optional DType,
    }
}

/// The sum of the diagonal along the first two axes.
///
/// # Errors
/// `trace: array must be at least 2-dimensional, got f32[3]`
#[track_caller]
pub fn trace(x: impl Into<Array>) -> Array {
    trace_with(x, TraceOptions::new())
}

/// [`trace`] by options.
///
/// # Errors
/// As [`trace`]; axes out of range or equal.
#[track_caller]
pub fn trace_with(x: impl Into<Array>, options: TraceOptions) -> Array {
    let statics = (options.offset, options.axis1, options.axis2, options.dtype);
    jitted("trace", statics, [&x.into()], |[x]| {
        let x = matrices_last("trace", x, options.axis1, options.axis2);
        let (n, m) = (x.shape()[x.ndim() - 2], x.shape()[x.ndim() - 1]);
        let mask = eye_with(n, EyeOptions { m: Some(m), k: options.offset, dtype: Some(DType::Bool) });
        let kept = where_(mask, &x, lax::full_like(&x, 0.0));
        sum_with(kept, (-2, -1), ReduceOptions { dtype: options.dtype, ..ReduceOptions::new() })
    })
}

options! {
    /// Options of [`vander_with`].
    pub struct VanderOptions {
        /// The number of columns, if not that of the rows.
        n: optional usize,
        /// Do the powers increase from left to right?
        increasing: value bool = false,
    }
}

/// The matrix whose rows are powers of the elements of `x`: `x^(n-1), …, x, 1`.
///
/// # Errors
/// `vander: input must be 1-dimensional, got f32[2,3]`
#[track_caller]
pub fn vander(x: impl Into<Array>) -> Array {
    vander_with(x, VanderOptions::new())
}

/// [`vander`] by options.
///
/// # Errors
/// As [`vander`].
#[track_caller]
pub fn vander_with(x: impl Into<Array>, options: VanderOptions) -> Array {
    let x = x.into();
    if x.ndim() != 1 {
        throw!(Shape, "vander: input must be 1-dimensional, got {}", x.aval());
    }
    jitted("vander", (options.n, options.increasing), [&x], |[x]| {
        let n = options.n.unwrap_or(x.size());
        let powers = lax::iota(x.dtype(), n);
        let powers = match options.increasing {
            true => powers,
            false => lax::sub(&lax::literal(x.dtype(), n as f64 - 1.0), &powers),
        };
        power(lax::expand_dims(x, [1]), lax::expand_dims(&powers, [0]))
    })
}

options! {
    /// Options of [`tril_indices_with`] and [`triu_indices_with`].
    pub struct TriIndicesOptions {
        /// The diagonal; those above the main one are positive.
        k: value i64 = 0,
        /// The number of columns, if not that of the rows.
        m: optional usize,
    }
}

/// The rows and columns of the lower triangle of an `n` by `n` matrix.
#[track_caller]
pub fn tril_indices(n: usize) -> (Array, Array) {
    tril_indices_with(n, TriIndicesOptions::new())
}

/// [`tril_indices`] by options.
#[track_caller]
pub fn tril_indices_with(n: usize, options: TriIndicesOptions) -> (Array, Array) {
    places(n, options.m, |i, j| j - i <= options.k)
}

/// The rows and columns of the upper triangle of an `n` by `n` matrix.
#[track_caller]
pub fn triu_indices(n: usize) -> (Array, Array) {
    triu_indices_with(n, TriIndicesOptions::new())
}

/// [`triu_indices`] by options.
#[track_caller]
pub fn triu_indices_with(n: usize, options: TriIndicesOptions) -> (Array, Array) {
    places(n, options.m, |i, j| j - i >= options.k)
}

#[track_caller]
fn places(n: usize, m: Option<usize>, keep: impl Fn(i64, i64) -> bool) -> (Array, Array) {
    let (n, m) = (n as i64, m.unwrap_or(n) as i64);
    let found: Vec<(i64, i64)> =
        (0..n).flat_map(|i| (0..m).map(move |j| (i, j))).filter(|(i, j)| keep(*i, *j)).collect();
    let column = |part: fn(&(i64, i64)) -> i64| {
        let positions: Vec<i32> = found.iter().map(|at| part(at) as i32).collect();
        lax::convert_element_type(&Array::from(positions), DType::I64)
    };
    (column(|at| at.0), column(|at| at.1))
}

options! {
    /// Options of [`diag_indices_with`].
    pub struct DiagIndicesOptions {
        /// The number of axes.
        ndim: value usize = 2,
    }
}

/// The rows and columns of the main diagonal of an `n` by `n` matrix.
///
/// # Errors
/// Another number of results than two.
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let [rows, columns] = jnp::diag_indices(2);
/// let x = Array::from([[1, 2], [3, 4]]);
/// assert_eq!(x.at((rows, columns)).set(0).to_vec::<i32>()?, [0, 2, 3, 0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn diag_indices<R: FromArrays>(n: usize) -> R {
    diag_indices_with(n, DiagIndicesOptions::new())
}

/// [`diag_indices`] by options: the positions along each of `ndim` axes.
///
/// # Errors
/// Another number of results than `ndim`.
#[track_caller]
pub fn diag_indices_with<R: FromArrays>(n: usize, options: DiagIndicesOptions) -> R {
    R::from_arrays("diag_indices", vec![lax::iota(canonicalize(DType::I64), n); options.ndim])
}
