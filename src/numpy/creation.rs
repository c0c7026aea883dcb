//! Arrays from nothing. JAX: `numpy/array_creation.py`.

use crate::core::array::Array;
use crate::core::config::canonicalize;
use crate::dtype::DType;
use crate::error::{OrThrow, bail, err};
use crate::lax;
use crate::numpy::util::{
    broadcast_to_shape, canonical_axis, constant, default_float, default_int, promote_args_inexact,
};
use crate::numpy::where_;

/// Zeros of this shape; `float32` unless a dtype is given.
///
/// ```
/// use raxla::{DType, numpy as jnp};
///
/// assert_eq!(jnp::zeros(&[2, 3], None).dtype(), DType::F32);
/// assert_eq!(jnp::zeros(&[2], DType::I32).to_vec::<i32>()?, [0, 0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn zeros(shape: &[usize], dtype: impl Into<Option<DType>>) -> Array {
    lax::zeros(canonicalize(dtype.into().unwrap_or(default_float())), shape)
}

/// Ones of this shape; `float32` unless a dtype is given.
#[track_caller]
pub fn ones(shape: &[usize], dtype: impl Into<Option<DType>>) -> Array {
    lax::full(shape, lax::literal(canonicalize(dtype.into().unwrap_or(default_float())), 1.0))
}

/// An array of this shape whose elements are all `value`; of `value`'s dtype and weak type unless a dtype is given.
///
/// # Errors
/// A `value` whose shape does not broadcast to `shape`.
#[track_caller]
pub fn full(shape: &[usize], value: impl Into<Array>, dtype: impl Into<Option<DType>>) -> Array {
    let value = value.into();
    let value = match dtype.into() {
        Some(dtype) => lax::convert(&value, canonicalize(dtype), false),
        None => value,
    };
    broadcast_to(value, shape)
}

/// Uninitialised in NumPy, zeros here.
#[track_caller]
pub fn empty(shape: &[usize], dtype: impl Into<Option<DType>>) -> Array {
    zeros(shape, dtype)
}

/// Zeros of `x`'s shape and, unless one is given, dtype.
#[track_caller]
pub fn zeros_like(x: impl Into<Array>, dtype: impl Into<Option<DType>>) -> Array {
    full_like(x, 0, dtype)
}

/// Ones of `x`'s shape and, unless one is given, dtype.
#[track_caller]
pub fn ones_like(x: impl Into<Array>, dtype: impl Into<Option<DType>>) -> Array {
    full_like(x, 1, dtype)
}

/// An array of `x`'s shape whose elements are all `value`, of `x`'s dtype unless one is given.
///
/// # Errors
/// A `value` whose shape does not broadcast to that of `x`.
#[track_caller]
pub fn full_like(x: impl Into<Array>, value: impl Into<Array>, dtype: impl Into<Option<DType>>) -> Array {
    let x = x.into();
    let dtype = dtype.into();
    let weak_type = dtype.is_none() && x.weak_type();
    let value = lax::convert(&value.into(), canonicalize(dtype.unwrap_or(x.dtype())), weak_type);
    broadcast_to(value, x.shape())
}

/// `x` copied along new leading axes and axes of size one. JAX: `jnp.broadcast_to`.
///
/// # Errors
/// `broadcast_to: incompatible shapes for broadcasting: f32[2,3] and requested shape (3, 3)`
#[track_caller]
pub fn broadcast_to(x: impl Into<Array>, shape: &[usize]) -> Array {
    let x = x.into();
    let fits = x.ndim() <= shape.len()
        && x.shape().iter().rev().zip(shape.iter().rev()).all(|(n, m)| n == m || *n == 1);
    if !fits {
        let tuple = lax::elementwise::tuple(shape);
        return Err(err!(
            Shape,
            "broadcast_to: incompatible shapes for broadcasting: {} and requested shape {tuple}",
            x.aval()
        ))
        .or_throw();
    }
    broadcast_to_shape(&x, shape)
}

/// Ones on the `k`-th diagonal of an `n` by `m` matrix, zeros elsewhere. `k > 0` is above the main diagonal.
#[track_caller]
pub fn eye(n: usize, m: impl Into<Option<usize>>, k: i64, dtype: impl Into<Option<DType>>) -> Array {
    let dtype = canonicalize(dtype.into().unwrap_or(default_float()));
    let shape = [n, m.into().unwrap_or(n)];
    let (row, column) = positions(&shape);
    let row = lax::add(&row, &lax::literal(DType::I32, k as f64));
    lax::convert(&lax::eq(&row, &column), dtype, false)
}

/// Row and column of each element of a matrix, or of the last two axes.
#[track_caller]
fn positions(shape: &[usize]) -> (Array, Array) {
    let n = shape.len();
    let sizes = &shape[n - 2..];
    (lax::broadcasted_iota(DType::I32, sizes, 0), lax::broadcasted_iota(DType::I32, sizes, 1))
}

/// The identity matrix.
#[track_caller]
pub fn identity(n: usize, dtype: impl Into<Option<DType>>) -> Array {
    eye(n, n, 0, dtype)
}

/// Is the column at most `k` to the right of the diagonal?
#[track_caller]
fn lower_mask(shape: &[usize], k: i64) -> Array {
    let (row, column) = positions(shape);
    lax::ge(&lax::add(&row, &lax::literal(DType::I32, k as f64)), &column)
}

/// Ones on and below the `k`-th diagonal of an `n` by `m` matrix.
#[track_caller]
pub fn tri(n: usize, m: impl Into<Option<usize>>, k: i64, dtype: impl Into<Option<DType>>) -> Array {
    let dtype = canonicalize(dtype.into().unwrap_or(default_float()));
    lax::convert(&lower_mask(&[n, m.into().unwrap_or(n)], k), dtype, false)
}

/// `x` with zeros above the `k`-th diagonal of its last two axes.
///
/// # Errors
/// `tril: array must be at least 2-dimensional, got f32[3]`
#[track_caller]
pub fn tril(x: impl Into<Array>, k: i64) -> Array {
    let x = at_least_matrix("tril", x.into());
    where_(lower_mask(x.shape(), k), &x, lax::zeros_like(&x))
}

/// `x` with zeros below the `k`-th diagonal of its last two axes.
///
/// # Errors
/// `triu: array must be at least 2-dimensional, got f32[3]`
#[track_caller]
pub fn triu(x: impl Into<Array>, k: i64) -> Array {
    let x = at_least_matrix("triu", x.into());
    where_(lower_mask(x.shape(), k - 1), lax::zeros_like(&x), &x)
}

#[track_caller]
fn at_least_matrix(name: &str, x: Array) -> Array {
    let check = || {
        if x.ndim() < 2 {
            bail!(Shape, "{name}: array must be at least 2-dimensional, got {}", x.aval());
        }
        Ok(())
    };
    check().or_throw();
    x
}

/// A number that bounds an [`arange`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
}

impl Number {
    fn value(self) -> f64 {
        match self {
            Number::Int(x) => x as f64,
            Number::Float(x) => x,
        }
    }
}

macro_rules! number {
    ($($t:ty: $variant:ident),*) => {$(
        impl From<$t> for Number {
            fn from(x: $t) -> Self {
                Number::$variant(x.into())
            }
        }
    )*};
}
number!(i32: Int, i64: Int, u32: Int, f32: Float, f64: Float);
impl From<usize> for Number {
    fn from(x: usize) -> Self {
        Number::Int(x as i64)
    }
}

/// The integers `0, 1, …, stop - 1`, or those with floats: as many as there are below `stop`. JAX: `jnp.arange(stop)`.
///
/// ```
/// use raxla::numpy as jnp;
///
/// assert_eq!(jnp::arange(3).to_vec::<i32>()?, [0, 1, 2]);
/// assert_eq!(jnp::arange(2.5).to_vec::<f32>()?, [0.0, 1.0, 2.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn arange(stop: impl Into<Number>) -> Array {
    arange_numbers(Number::Int(0), stop.into(), Number::Int(1), None)
}

/// `start, start + step, …` up to but without `stop`. JAX: `jnp.arange(start, stop, step, dtype)`.
///
/// # Errors
/// `arange: step must not be zero`
#[track_caller]
pub fn arange_step(
    start: impl Into<Number>,
    stop: impl Into<Number>,
    step: impl Into<Number>,
    dtype: impl Into<Option<DType>>,
) -> Array {
    arange_numbers(start.into(), stop.into(), step.into(), dtype.into())
}

#[track_caller]
fn arange_numbers(start: Number, stop: Number, step: Number, dtype: Option<DType>) -> Array {
    let float = [start, stop, step].iter().any(|x| matches!(x, Number::Float(_)));
    let dtype = canonicalize(dtype.unwrap_or(if float { default_float() } else { default_int() }));
    let check = || {
        if step.value() == 0.0 {
            bail!(InvalidArgument, "arange: step must not be zero");
        }
        let n = ((stop.value() - start.value()) / step.value()).ceil().max(0.0);
        let bounds = [("start", start), ("stop", stop), ("step", step)];
        let odd = bounds.into_iter().find(|(_, x)| !x.value().is_finite());
        // As many as floats can count.
        if n.is_nan() || n > (1u64 << 53) as f64 || odd.is_some_and(|(_, x)| x.value().is_nan()) {
            let (name, value) = odd.unwrap_or(("stop", stop));
            bail!(
                InvalidArgument,
                "arange: {name} is {}: the numbers up to it cannot be counted",
                value.value()
            );
        }
        Ok(n as usize)
    };
    let n = check().or_throw();
    if start == Number::Int(0) && step == Number::Int(1) {
        return lax::iota(dtype, n);
    }
    let working = crate::numpy::util::upcast_f16(dtype);
    let value = |x: Number| match x {
        Number::Int(x) => lax::convert(&Array::from(x), working, false),
        Number::Float(x) => lax::literal(working, x),
    };
    let steps = match step {
        Number::Int(1) => lax::iota(working, n),
        _ => lax::mul(&value(step), &lax::iota(working, n)),
    };
    lax::convert(&lax::add(&value(start), &steps), dtype, false)
}

/// `num` numbers from `start` to `stop`, evenly spaced; without `stop` itself unless `endpoint`.
///
/// `start` and `stop` may be arrays: the numbers stand along a new leading axis.
///
/// # Errors
/// Shapes that do not broadcast.
/// ```
/// use raxla::numpy as jnp;
///
/// assert_eq!(jnp::linspace(0.0, 1.0, 5, true).to_vec::<f32>()?, [0.0, 0.25, 0.5, 0.75, 1.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn linspace(start: impl Into<Array>, stop: impl Into<Array>, num: usize, endpoint: bool) -> Array {
    let [start, stop] = promote_args_inexact("linspace", [&start.into(), &stop.into()]);
    let [start, stop] = crate::numpy::util::broadcast_arrays_array("linspace", [start, stop]);
    let dtype = start.dtype();
    let rank = start.ndim();
    let shape: Vec<usize> = std::iter::once(num).chain(start.shape().iter().copied()).collect();
    let [start, stop] = [start, stop].map(|x| lax::convert(&x, dtype, false));
    let rows = |x: &Array| lax::expand_dims(x, &[0]);
    if num <= 1 {
        return broadcast_to(rows(&start), &shape);
    }
    let divisions = if endpoint { num - 1 } else { num };
    let real = dtype.real();
    // A weighted mean of both ends, which is exact at both.
    let weight = lax::div(&lax::iota(real, divisions), &lax::literal(real, divisions as f64));
    let column: Vec<usize> = (1..=rank).collect();
    let weight = lax::convert(&lax::expand_dims(&weight, &column), dtype, false);
    let rest = lax::sub(&lax::full_like(&weight, 1.0), &weight);
    let left = crate::numpy::multiply(rows(&start), &rest);
    let right = crate::numpy::multiply(rows(&stop), &weight);
    let out = crate::numpy::add(left, right);
    if endpoint { lax::concatenate(&[out, rows(&stop)], 0) } else { out }
}

/// `base` to the powers of [`linspace`].
///
/// # Errors
/// Shapes that do not broadcast.
#[track_caller]
pub fn logspace(
    start: impl Into<Array>,
    stop: impl Into<Array>,
    num: usize,
    endpoint: bool,
    base: impl Into<Array>,
) -> Array {
    let powers = linspace(start, stop, num, endpoint);
    lax::convert(&crate::numpy::power(base, &powers), powers.dtype(), false)
}

/// `num` numbers from `start` to `stop`, each the same multiple of the one before.
///
/// # Errors
/// Shapes that do not broadcast.
#[track_caller]
pub fn geomspace(start: impl Into<Array>, stop: impl Into<Array>, num: usize) -> Array {
    let [start, stop] = promote_args_inexact("geomspace", [&start.into(), &stop.into()]);
    let sign = lax::sign(&start);
    let logs = linspace(
        crate::numpy::log10(crate::numpy::divide(&start, &sign)),
        crate::numpy::log10(crate::numpy::divide(&stop, &sign)),
        num,
        true,
    );
    let out = crate::numpy::multiply(&sign, crate::numpy::power(10.0, logs));
    lax::convert(&out, start.dtype(), false)
}

/// The `k`-th diagonal of a matrix, or a matrix with a vector on its `k`-th diagonal.
///
/// # Errors
/// `diag: input must be 1- or 2-dimensional, got f32[2,2,2]`
#[track_caller]
pub fn diag(x: impl Into<Array>, k: i64) -> Array {
    let x = x.into();
    match x.ndim() {
        1 => {
            let n = x.shape()[0] + k.unsigned_abs() as usize;
            let padding = [(k.max(0), (-k).max(0), 0)];
            let line = lax::pad(&x, constant(&x, 0.0), &padding);
            // A row k above the diagonal has its element k columns to the right.
            let columns = broadcast_to(&line, &[n, n]);
            where_(eye(n, n, k, DType::Bool), columns, lax::zeros_like(&x_matrix(&x, n)))
        }
        2 => diagonal(x, k, 0, 1),
        _ => Err(err!(Shape, "diag: input must be 1- or 2-dimensional, got {}", x.aval())).or_throw(),
    }
}

#[track_caller]
fn x_matrix(x: &Array, n: usize) -> Array {
    lax::full(&[n, n], constant(x, 0.0))
}

/// A matrix with the flattened `x` on its `k`-th diagonal.
#[track_caller]
pub fn diagflat(x: impl Into<Array>, k: i64) -> Array {
    let x = x.into();
    diag(lax::reshape(&x, &[x.size()]), k)
}

/// The `k`-th diagonal along two axes; it becomes the last axis of the result.
///
/// # Errors
/// `diagonal: array must be at least 2-dimensional, got f32[3]`; axes out of range or equal.
#[track_caller]
pub fn diagonal(x: impl Into<Array>, k: i64, axis1: i64, axis2: i64) -> Array {
    let x = at_least_matrix("diagonal", x.into());
    let (axis1, axis2) =
        (canonical_axis("diagonal", axis1, x.ndim()), canonical_axis("diagonal", axis2, x.ndim()));
    let check = || {
        if axis1 == axis2 {
            bail!(InvalidArgument, "diagonal: axis1 and axis2 cannot be the same, got {axis1}");
        }
        Ok(())
    };
    check().or_throw();
    let mut order: Vec<usize> = (0..x.ndim()).filter(|a| *a != axis1 && *a != axis2).collect();
    order.extend([axis1, axis2]);
    let x = lax::transpose(&x, &order);
    let rank = x.ndim();
    let (n, m) = (x.shape()[rank - 2] as i64, x.shape()[rank - 1] as i64);
    let length = if k >= 0 { n.min(m - k) } else { (n + k).min(m) }.max(0) as usize;
    let mut shape = x.shape()[..rank - 2].to_vec();
    if length == 0 {
        shape.push(0);
        return lax::full(&shape, constant(&x, 0.0));
    }
    // Cut to the square that has the diagonal, and sum what is not on it away.
    let (row, column) = ((-k).max(0), k.max(0));
    let last = rank as i64 - 1;
    let square = lax::slice_in_dim(&x, row, row + length as i64, 1, last - 1);
    let square = lax::slice_in_dim(&square, column, column + length as i64, 1, last);
    let mask = eye(length, length, 0, DType::Bool);
    let zero = constant(&square, 0.0);
    let only = where_(mask, &square, &zero);
    if x.dtype().is_bool() { lax::reduce_or(&only, &[rank - 2]) } else { lax::reduce_sum(&only, &[rank - 2]) }
}

/// Coordinate arrays from coordinate vectors: with `xy` indexing the first two axes are swapped, as for images.
///
/// # Errors
/// `meshgrid: arguments must be 1-dimensional, got f32[2,3]`
#[track_caller]
pub fn meshgrid<T: std::borrow::Borrow<Array>>(arrays: &[T], xy: bool) -> Vec<Array> {
    let arrays: Vec<Array> = arrays.iter().map(|x| x.borrow().clone()).collect();
    let check = || {
        if let Some(x) = arrays.iter().find(|x| x.ndim() > 1) {
            bail!(Shape, "meshgrid: arguments must be 1-dimensional, got {}", x.aval());
        }
        Ok(())
    };
    check().or_throw();
    let rank = arrays.len();
    let swap = xy && rank >= 2;
    let place = |i: usize| match i {
        0 if swap => 1,
        1 if swap => 0,
        i => i,
    };
    let mut shape = vec![0; rank];
    for (i, x) in arrays.iter().enumerate() {
        shape[place(i)] = x.size();
    }
    let spread =
        |(i, x): (usize, &Array)| lax::broadcast_in_dim(&lax::reshape(x, &[x.size()]), &shape, &[place(i)]);
    arrays.iter().enumerate().map(spread).collect()
}

/// For each axis, the positions along it: one array of this shape for each axis, stacked.
#[track_caller]
pub fn indices(shape: &[usize], dtype: impl Into<Option<DType>>) -> Array {
    let dtype = canonicalize(dtype.into().unwrap_or(default_int()));
    let grids: Vec<Array> = (0..shape.len()).map(|axis| lax::broadcasted_iota(dtype, shape, axis)).collect();
    if grids.is_empty() {
        return lax::zeros(dtype, &[0]);
    }
    lax::stack(&grids, 0)
}

/// The matrix whose rows are powers of the elements of `x`: `x^(n-1), …, x, 1`, or the reverse if `increasing`.
///
/// # Errors
/// `vander: input must be 1-dimensional, got f32[2,3]`
#[track_caller]
pub fn vander(x: impl Into<Array>, n: impl Into<Option<usize>>, increasing: bool) -> Array {
    let x = x.into();
    let check = || {
        if x.ndim() != 1 {
            bail!(Shape, "vander: input must be 1-dimensional, got {}", x.aval());
        }
        Ok(())
    };
    check().or_throw();
    let n = n.into().unwrap_or(x.size());
    let powers = lax::iota(x.dtype(), n);
    let powers = if increasing { powers } else { lax::rev(&powers, &[0]) };
    let column = lax::expand_dims(&x, &[1]);
    crate::numpy::power(column, lax::convert(&powers, default_int(), false))
}

/// A window function of `n` points: `a0 - a1 cos(2πk/(n-1)) + a2 cos(4πk/(n-1))`.
#[track_caller]
fn cosine_window(n: usize, a: [f64; 3]) -> Array {
    if n <= 1 {
        return ones(&[n], None);
    }
    let k = lax::iota(default_float(), n);
    let turn = |times: f64| {
        let angle = lax::mul(&k, &constant(&k, times * std::f64::consts::PI / (n - 1) as f64));
        lax::cos(&angle)
    };
    let first = lax::sub(&constant(&k, a[0]), &lax::mul(&constant(&k, a[1]), &turn(2.0)));
    if a[2] == 0.0 {
        return first;
    }
    lax::add(&first, &lax::mul(&constant(&k, a[2]), &turn(4.0)))
}

/// The Hann window.
#[track_caller]
pub fn hanning(n: usize) -> Array {
    cosine_window(n, [0.5, 0.5, 0.0])
}

/// The Hamming window.
#[track_caller]
pub fn hamming(n: usize) -> Array {
    cosine_window(n, [0.54, 0.46, 0.0])
}

/// The Blackman window.
#[track_caller]
pub fn blackman(n: usize) -> Array {
    cosine_window(n, [0.42, 0.5, 0.08])
}

/// The Bartlett window: a triangle.
#[track_caller]
pub fn bartlett(n: usize) -> Array {
    if n <= 1 {
        return ones(&[n], None);
    }
    let k = lax::iota(default_float(), n);
    let half = constant(&k, 2.0 / (n - 1) as f64);
    let one = constant(&k, 1.0);
    lax::sub(&one, &lax::abs(&lax::sub(&lax::mul(&half, &k), &one)))
}

/// Elements of `x` from a Rust value: `array([1.0, 2.0])` is strongly typed, a number too. JAX: `jnp.array`.
#[track_caller]
pub fn array(x: impl Into<Array>) -> Array {
    let x = x.into();
    lax::convert(&x, x.dtype(), false)
}

/// `x` as an array. JAX: `jnp.asarray`.
pub fn asarray(x: impl Into<Array>) -> Array {
    x.into()
}

/// `x` in another dtype. JAX: `jnp.astype`. Complex values lose their imaginary part.
#[track_caller]
pub fn astype(x: impl Into<Array>, dtype: DType) -> Array {
    let x = x.into();
    let x = if x.dtype().is_complex() && dtype.is_bool() { lax::ne(&x, &constant(&x, 0.0)) } else { x };
    lax::convert_element_type(&x, dtype)
}
