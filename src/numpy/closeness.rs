//! Are numbers, and arrays, equal or nearly so? JAX: `numpy/lax_numpy.py`, `numpy/ufuncs.py`.

use crate::arguments::options;
use crate::calls::jit_call::{jitted, jitted_some};
use crate::core::array::Array;
use crate::lax;
use crate::numpy::util::{inexact, promote_args};
use crate::numpy::{equal, isfinite, isnan, logical_and, logical_or};

const RTOL: f64 = 1e-5;
const ATOL: f64 = 1e-8;

options! {
    /// Options of [`isclose_with`] and [`allclose_with`].
    pub struct CloseOptions {
        /// The distance allowed as a part of `|y|`; 1e-5, if not given.
        rtol: optional f64,
        /// The distance allowed besides; 1e-8, if not given.
        atol: optional f64,
        /// Is nan close to nan?
        equal_nan: value bool = false,
    }
}

/// Are `x` and `y` within `1e-8 + 1e-5 |y|` of each other? Elementwise; infinities of one sign are close, nan is not.
///
/// # Errors
/// Shapes that do not broadcast.
/// ```
/// use raxla::numpy::{self as jnp, CloseOptions};
///
/// assert!(!jnp::isclose(1.0, 1.01).item::<bool>()?);
/// assert!(jnp::isclose_with(1.0, 1.01, CloseOptions::new().rtol(0.1)).item::<bool>()?);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn isclose(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    isclose_with(x, y, CloseOptions::new())
}

/// [`isclose`] by options.
///
/// # Errors
/// As [`isclose`].
#[track_caller]
pub fn isclose_with(x: impl Into<Array>, y: impl Into<Array>, options: CloseOptions) -> Array {
    let given = [options.rtol, options.atol].map(|limit| limit.map(Array::from));
    let [rtol, atol] = given.each_ref().map(Option::as_ref);
    let equal_nan = options.equal_nan;
    jitted_some("isclose", equal_nan, [&x.into(), &y.into()], [rtol, atol], |[x, y], limits| {
        close(x, y, limits, equal_nan)
    })
}

/// Are all elements [`isclose`]?
///
/// # Errors
/// Shapes that do not broadcast.
#[track_caller]
pub fn allclose(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    allclose_with(x, y, CloseOptions::new())
}

/// [`allclose`] by options.
///
/// # Errors
/// As [`allclose`].
#[track_caller]
pub fn allclose_with(x: impl Into<Array>, y: impl Into<Array>, options: CloseOptions) -> Array {
    let limits = [options.rtol.unwrap_or(RTOL), options.atol.unwrap_or(ATOL)];
    let statics = (limits.map(f64::to_bits), options.equal_nan);
    jitted("allclose", statics, [&x.into(), &y.into()], |[x, y]| {
        crate::numpy::all(isclose_with(x, y, options.rtol(limits[0]).atol(limits[1])), ..)
    })
}

#[track_caller]
fn close(x: &Array, y: &Array, limits: [Option<&Array>; 2], equal_nan: bool) -> Array {
    let [x, y] = promote_args("isclose", [x, y]);
    let exact = !x.dtype().is_inexact();
    let [x, y] = [inexact(&x), inexact(&y)];
    let [rtol, atol] = [(limits[0], RTOL), (limits[1], ATOL)].map(|(limit, default)| {
        let limit = limit.map_or_else(|| Array::from(default), Array::clone);
        lax::convert(&limit, x.dtype().real(), false)
    });
    if exact {
        return within(&x, &y, [&rtol, &atol]);
    }
    let nan = lax::bitwise_and(&isnan(&x), &isnan(&y));
    let finite = isfinite(&y);
    let close = within(&x, &y, [&rtol, &atol]);
    let same = lax::eq(&x, &y);
    let out = lax::bitwise_or(&same, &lax::bitwise_and(&finite, &close));
    if equal_nan { lax::bitwise_or(&out, &nan) } else { out }
}

/// Are they within the limits, relative and absolute, of each other?
#[track_caller]
fn within(x: &Array, y: &Array, [rtol, atol]: [&Array; 2]) -> Array {
    let distance = lax::abs(&lax::sub(x, y));
    lax::le(&distance, &lax::add(atol, &lax::mul(rtol, &lax::abs(y))))
}

options! {
    /// Options of [`array_equal_with`].
    pub struct ArrayEqualOptions {
        /// Is nan equal to nan?
        equal_nan: value bool = false,
    }
}

/// Do `x` and `y` broadcast to one shape with equal elements? A `bool` scalar.
#[track_caller]
pub fn array_equiv(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    let (x, y) = (x.into(), y.into());
    match lax::common_shape(&[x.shape(), y.shape()]) {
        Ok(_) => crate::numpy::all(equal(x, y), ..),
        Err(_) => Array::from(false),
    }
}

/// Have `x` and `y` one shape and equal elements? A `bool` scalar.
#[track_caller]
pub fn array_equal(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    array_equal_with(x, y, ArrayEqualOptions::new())
}

/// [`array_equal`] by options.
#[track_caller]
pub fn array_equal_with(x: impl Into<Array>, y: impl Into<Array>, options: ArrayEqualOptions) -> Array {
    let (x, y) = (x.into(), y.into());
    if x.shape() != y.shape() {
        return Array::from(false);
    }
    let same = equal(&x, &y);
    let same = if options.equal_nan { logical_or(same, logical_and(isnan(&x), isnan(&y))) } else { same };
    crate::numpy::all(same, ..)
}
