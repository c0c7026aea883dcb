//! Differences, integrals and interpolation along an axis. JAX: `numpy/lax_numpy.py`.

use crate::arguments::{Axis, options};
use crate::calls::jit_call::jitted_some;
use crate::core::array::Array;
use crate::error::throw;
use crate::lax;
use crate::lax::arguments::axis_of;
use crate::numpy::sorting::{SearchsortedOptions, Side, search};
use crate::numpy::util::{broadcast_to_shape, inexact, promote_dtypes, reject_small_floats};
use crate::numpy::{Number, clip, concatenate, moveaxis, multiply, ravel, remainder, subtract, where_};

options! {
    /// Options of [`diff_with`].
    pub struct DiffOptions {
        /// How many times over.
        n: value usize = 1,
        /// What stands before the array: of its shape but for the axis, or a number.
        prepend: optional_into Array,
        /// What stands behind the array: of its shape but for the axis, or a number.
        append: optional_into Array,
    }
}

/// The differences of neighbours along an axis.
///
/// # Errors
/// An axis out of range; a scalar.
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// assert_eq!(jnp::diff(Array::from([1, 4, 9]), -1).to_vec::<i32>()?, [3, 5]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn diff(x: impl Into<Array>, axis: impl Into<Axis>) -> Array {
    differences("diff", &x.into(), axis.into(), &DiffOptions::new())
}

/// [`diff`] by options.
///
/// # Errors
/// As [`diff`]; `prepend` and `append` of shapes that do not fit.
/// ```
/// use raxla::numpy::{self as jnp, DiffOptions};
/// use raxla::Array;
///
/// let x = Array::from([1, 4, 9]);
/// assert_eq!(jnp::diff_with(&x, -1, DiffOptions::new().prepend(0)).to_vec::<i32>()?, [1, 3, 5]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn diff_with(x: impl Into<Array>, axis: impl Into<Axis>, options: DiffOptions) -> Array {
    differences("diff", &x.into(), axis.into(), &options)
}

#[track_caller]
fn differences(name: &str, x: &Array, axis: Axis, options: &DiffOptions) -> Array {
    let (n, given) = (options.n, [options.prepend.as_ref(), options.append.as_ref()]);
    jitted_some("diff", (axis, n), [x], given, |[x], ends| differences_with(name, x, axis, n, ends))
}

/// The elements from `start` to `stop` of an axis, as indexing takes them.
#[track_caller]
fn part(x: &Array, start: i64, stop: i64, axis: usize) -> Array {
    let (mut starts, mut stops) = (vec![0; x.ndim()], x.shape().to_vec());
    (starts[axis], stops[axis]) = (start as usize, stop as usize);
    lax::slice(x, &starts, &stops)
}

#[track_caller]
fn differences_with(name: &str, x: &Array, axis: Axis, n: usize, ends: [Option<&Array>; 2]) -> Array {
    if n == 0 {
        return x.clone();
    }
    let axis = axis_of(name, axis, x);
    let mut edge = x.shape().to_vec();
    edge[axis] = 1;
    let mut parts = Vec::new();
    for part in [ends[0], Some(x), ends[1]].into_iter().flatten() {
        parts.push(if part.ndim() == 0 { broadcast_to_shape(part, &edge) } else { part.clone() });
    }
    let mut out = if parts.len() > 1 { concatenate(&parts, axis) } else { x.clone() };
    for _ in 0..n {
        let size = out.shape()[axis] as i64;
        let front = part(&out, 1.min(size), size, axis);
        let back = part(&out, 0, (size - 1).max(0), axis);
        out = if out.dtype().is_bool() { lax::ne(&front, &back) } else { lax::sub(&front, &back) };
    }
    out
}

options! {
    /// Options of [`ediff1d_with`].
    pub struct Ediff1dOptions {
        /// What stands behind the differences.
        to_end: optional_into Array,
        /// What stands before the differences.
        to_begin: optional_into Array,
    }
}

/// The differences of neighbours of the flattened array.
///
/// # Errors
/// `sub does not accept dtype bool`
#[track_caller]
pub fn ediff1d(x: impl Into<Array>) -> Array {
    ediff1d_with(x, Ediff1dOptions::new())
}

/// [`ediff1d`] by options.
///
/// # Errors
/// As [`ediff1d`].
#[track_caller]
pub fn ediff1d_with(x: impl Into<Array>, options: Ediff1dOptions) -> Array {
    let optional = [options.to_end.as_ref(), options.to_begin.as_ref()];
    jitted_some("ediff1d", (), [&x.into()], optional, |[x], [to_end, to_begin]| {
        flat_differences(x, to_end, to_begin)
    })
}

#[track_caller]
fn flat_differences(x: &Array, to_end: Option<&Array>, to_begin: Option<&Array>) -> Array {
    let x = ravel(x);
    let n = x.size() as i64;
    let front = part(&x, 1.min(n), n, 0);
    let back = part(&x, 0, (n - 1).max(0), 0);
    let mut out = lax::sub(&front, &back);
    let fitted = |part: &Array| ravel(lax::convert(part, x.dtype(), false));
    if let Some(part) = to_begin {
        out = concatenate([fitted(part), out], 0);
    }
    if let Some(part) = to_end {
        out = concatenate([out, fitted(part)], 0);
    }
    out
}

options! {
    /// Options of [`trapezoid_with`].
    pub struct TrapezoidOptions {
        /// Where the points are: a vector, or an array of the shape of `y`.
        x: optional_into Array,
        /// How far the points are apart, if `x` doesn't say; 1, if not given.
        dx: optional_into Array,
    }
}

/// The integral along an axis by the trapezoidal rule, with points 1 apart.
///
/// # Errors
/// An axis out of range.
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// assert_eq!(jnp::trapezoid(Array::from([1.0f32, 2.0, 3.0]), -1).item::<f32>()?, 4.0);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn trapezoid(y: impl Into<Array>, axis: impl Into<Axis>) -> Array {
    integral(&y.into(), axis.into(), &TrapezoidOptions::new())
}

/// [`trapezoid`] by options.
///
/// # Errors
/// As [`trapezoid`]; shapes that do not fit.
#[track_caller]
pub fn trapezoid_with(y: impl Into<Array>, axis: impl Into<Axis>, options: TrapezoidOptions) -> Array {
    integral(&y.into(), axis.into(), &options)
}

#[track_caller]
fn integral(y: &Array, axis: Axis, options: &TrapezoidOptions) -> Array {
    let optional = [options.x.as_ref(), options.dx.as_ref()];
    jitted_some("trapezoid", axis, [y], optional, |[y], [x, dx]| integral_of(y, axis, x, dx))
}

#[track_caller]
fn integral_of(y: &Array, axis: Axis, x: Option<&Array>, dx: Option<&Array>) -> Array {
    let (y, dx) = match x {
        None => {
            let dx = dx.map_or_else(|| Array::from(1.0), Array::clone);
            let y = inexact(y);
            let dx = if dx.ndim() > 0 && dx.ndim() <= y.ndim() {
                let lead: Vec<usize> = (0..y.ndim() - dx.ndim()).collect();
                moveaxis(lax::expand_dims(&dx, &lead), axis, -1)
            } else {
                dx
            };
            (y, dx)
        }
        Some(x) => {
            let [y, x] = promote_dtypes("trapezoid", [y, x]).map(|a| inexact(&a));
            let dx = if x.ndim() == 1 {
                differences("trapezoid", &x, (-1).into(), &DiffOptions::new())
            } else {
                moveaxis(differences("trapezoid", &x, axis, &DiffOptions::new()), axis, -1)
            };
            (y, dx)
        }
    };
    let axis = axis_of("trapezoid", axis, &y);
    let y = moveaxis(y, axis, -1);
    let last = y.ndim() - 1;
    let n = y.shape()[last] as i64;
    if dx.ndim() == 0 || dx.shape()[dx.ndim() - 1] == 1 {
        let dx = if dx.ndim() == 0 { dx } else { dx.index((.., 0)) };
        let total = crate::numpy::sum(&y, last);
        let ends = multiply(0.5, crate::numpy::add(y.index((.., 0)), y.index((.., -1))));
        return multiply(dx, subtract(total, ends));
    }
    let front = part(&y, 1.min(n), n, last);
    let back = part(&y, 0, (n - 1).max(0), last);
    multiply(0.5, crate::numpy::sum(multiply(dx, lax::add(&front, &back)), -1))
}

options! {
    /// Options of [`interp_with`].
    pub struct InterpOptions {
        /// The value before the first point; the first value if not given.
        left: optional_into Array,
        /// The value behind the last point; the last value if not given.
        right: optional_into Array,
        /// The length after which the points repeat; they need not be sorted then.
        period: optional_into Number,
    }
}

/// Piecewise linear interpolation at `x` between points with increasing `xp` and values `fp`; the first and last value
/// outside.
///
/// # Errors
/// `interp: xp and fp must be vectors of one size, got f32[3] and f32[4]`
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let (xp, fp) = (Array::from([0.0f32, 1.0]), Array::from([10.0f32, 20.0]));
/// assert_eq!(jnp::interp(0.25, &xp, &fp).item::<f32>()?, 12.5);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn interp(x: impl Into<Array>, xp: impl Into<Array>, fp: impl Into<Array>) -> Array {
    interpolated(&x.into(), &xp.into(), &fp.into(), &InterpOptions::new())
}

/// [`interp`] by options.
///
/// # Errors
/// As [`interp`]; a `period` of 0.
#[track_caller]
pub fn interp_with(
    x: impl Into<Array>,
    xp: impl Into<Array>,
    fp: impl Into<Array>,
    options: InterpOptions,
) -> Array {
    interpolated(&x.into(), &xp.into(), &fp.into(), &options)
}

#[track_caller]
fn interpolated(x: &Array, xp: &Array, fp: &Array, options: &InterpOptions) -> Array {
    let (period, ends) = (options.period, [options.left.as_ref(), options.right.as_ref()]);
    let statics = period.map(|period| period.value().to_bits());
    jitted_some("_interp", statics, [x, xp, fp], ends, |[x, xp, fp], [left, right]| {
        let (left, right) = (left.cloned(), right.cloned());
        interpolated_by(x, xp, fp, &InterpOptions { left, right, period })
    })
}

#[track_caller]
fn interpolated_by(x: &Array, xp: &Array, fp: &Array, options: &InterpOptions) -> Array {
    if xp.ndim() != 1 || fp.ndim() != 1 || xp.shape() != fp.shape() || xp.size() == 0 {
        throw!(Shape, "interp: xp and fp must be vectors of one size, got {} and {}", xp.aval(), fp.aval());
    }
    if x.dtype().is_complex() || xp.dtype().is_complex() {
        throw!(DType, "interp: x and xp must be real, got {} and {}", x.aval(), xp.aval());
    }
    let [mut x, mut xp, mut fp] = promote_dtypes("interp", [x, xp, fp]).map(|a| inexact(&a));
    reject_small_floats("interp", &x);
    if let Some(period) = options.period {
        let period = period.value();
        if period == 0.0 {
            throw!(InvalidArgument, "interp: period must not be zero");
        }
        let length = lax::literal(xp.dtype(), period.abs());
        (x, xp) = (remainder(x, &length), remainder(xp, &length));
        (xp, fp) = lax::sort_key_val(&xp, &fp, 0);
        let before = lax::sub(&xp.index(-1..), &length);
        let behind = lax::add(&xp.index(..1), &length);
        xp = lax::concatenate([&before, &xp, &behind], 0);
        fp = lax::concatenate([&fp.index(-1..), &fp, &fp.index(..1)], 0);
    }
    let last = xp.size() as i64 - 1;
    let found = search(&xp, &x, &SearchsortedOptions::new().side(Side::Right));
    let i = clip(found, 1, last.max(1));
    let below = &i - 1;
    let at = |a: &Array, i: &Array| a.index(clip(i, 0, last));
    let (x0, x1, f0, f1) = (at(&xp, &below), at(&xp, &i), at(&fp, &below), at(&fp, &i));
    let (df, dx) = (lax::sub(&f1, &f0), lax::sub(&x1, &x0));
    let tiny = crate::numpy::less_equal(crate::numpy::abs(&dx), f64::from(f32::EPSILON));
    let safe = where_(&tiny, 1, &dx);
    let inside = where_(tiny, &f0, &f0 + (lax::sub(&x, &x0) / safe) * df);
    if options.period.is_some() {
        return inside;
    }
    let (left, right) = (options.left.clone(), options.right.clone());
    let (left, right) = (left.unwrap_or_else(|| fp.index(0)), right.unwrap_or_else(|| fp.index(-1)));
    let out = where_(crate::numpy::less(&x, xp.index(0)), left, inside);
    where_(crate::numpy::greater(&x, xp.index(-1)), right, out)
}
