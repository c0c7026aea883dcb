//! Exponentials, logarithms, roots, trigonometric and hyperbolic functions, parts of complex numbers.
//! JAX: `numpy/ufuncs.py`.

use std::f64::consts::{LN_2, PI};

use crate::core::array::Array;
use crate::lax;
use crate::numpy::util::{
    constant, default_float, inexact, promote_args_inexact, reject_complex, strong_constant,
};
use crate::numpy::where_;

macro_rules! inexact_functions {
    ($($name:ident $lax:ident $doc:literal;)*) => {$(
        #[doc = $doc]
        ///
        /// Integers become floats. The result has the shape of `x`.
        #[track_caller]
        pub fn $name(x: impl Into<Array>) -> Array {
            lax::$lax(&inexact(&x.into()))
        }
    )*};
}
inexact_functions! {
    exp exp "`e^x`.";
    exp2 exp2 "`2^x`.";
    expm1 expm1 "`e^x - 1`, exact near zero.";
    log log "The natural logarithm; nan below zero.";
    log1p log1p "`log(1 + x)`, exact near zero.";
    sqrt sqrt "The square root; nan below zero.";
    cbrt cbrt "The cube root.";
    sin sin "The sine of `x` in radians.";
    cos cos "The cosine of `x` in radians.";
    tan tan "The tangent of `x` in radians.";
    arcsin asin "The inverse sine, in radians from -π/2 to π/2.";
    arccos acos "The inverse cosine, in radians from 0 to π.";
    arctan atan "The inverse tangent, in radians from -π/2 to π/2.";
    sinh sinh "The hyperbolic sine.";
    cosh cosh "The hyperbolic cosine.";
    tanh tanh "The hyperbolic tangent.";
    arcsinh asinh "The inverse hyperbolic sine.";
    arctanh atanh "The inverse hyperbolic tangent.";
    asin asin "[`arcsin`].";
    acos acos "[`arccos`].";
    atan atan "[`arctan`].";
    asinh asinh "[`arcsinh`].";
    atanh atanh "[`arctanh`].";
}

/// The inverse hyperbolic cosine; nan below one.
#[track_caller]
pub fn arccosh(x: impl Into<Array>) -> Array {
    let out = lax::acosh(&inexact(&x.into()));
    if !out.dtype().is_complex() {
        return out;
    }
    // Of the two values, NumPy gives the one to the right.
    let real = lax::real(&out);
    where_(lax::lt(&real, &constant(&real, 0.0)), lax::neg(&out), out)
}

/// [`arccosh`].
#[track_caller]
pub fn acosh(x: impl Into<Array>) -> Array {
    arccosh(x)
}

/// The angle of the point `(x2, x1)`: `atan(x1 / x2)` in the right quadrant, in radians from -π to π.
///
/// # Errors
/// `atan2 got incompatible shapes for broadcasting: (3,), (4,)`
#[track_caller]
pub fn arctan2(x1: impl Into<Array>, x2: impl Into<Array>) -> Array {
    let [x1, x2] = promote_args_inexact("arctan2", [&x1.into(), &x2.into()]);
    lax::atan2(&x1, &x2)
}

/// [`arctan2`].
#[track_caller]
pub fn atan2(x1: impl Into<Array>, x2: impl Into<Array>) -> Array {
    arctan2(x1, x2)
}

/// The logarithm to base 2.
#[track_caller]
pub fn log2(x: impl Into<Array>) -> Array {
    let log = lax::log(&inexact(&x.into()));
    if log.dtype().is_complex() {
        let (re, im) = (lax::real(&log), lax::imag(&log));
        let ln2 = constant(&re, LN_2);
        return lax::complex(&lax::div(&re, &ln2), &lax::div(&im, &ln2));
    }
    lax::div(&log, &strong_constant(&log, LN_2))
}

/// The logarithm to base 10.
#[track_caller]
pub fn log10(x: impl Into<Array>) -> Array {
    let log = lax::log(&inexact(&x.into()));
    let scale = std::f64::consts::LOG10_E;
    if log.dtype().is_complex() {
        let part = |p: Array| lax::mul(&p, &constant(&p, scale));
        return lax::complex(&part(lax::real(&log)), &part(lax::imag(&log)));
    }
    lax::mul(&log, &strong_constant(&log, scale))
}

/// `log(e^x + e^y)` without overflow.
///
/// # Errors
/// Shapes that do not broadcast.
#[track_caller]
pub fn logaddexp(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    let [x, y] = promote_args_inexact("logaddexp", [&x.into(), &y.into()]);
    lax::logaddexp(&x, &y)
}

/// `log2(2^x + 2^y)` without overflow.
///
/// # Errors
/// Shapes that do not broadcast.
#[track_caller]
pub fn logaddexp2(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    let [x, y] = promote_args_inexact("logaddexp2", [&x.into(), &y.into()]);
    if x.dtype().is_complex() {
        let ln2 = strong_constant(&x, LN_2);
        return lax::div(&lax::logaddexp(&lax::mul(&x, &ln2), &lax::mul(&y, &ln2)), &ln2);
    }
    let largest = lax::max(&x, &y);
    let difference = lax::sub(&x, &y);
    let small = lax::log1p(&lax::exp2(&lax::neg(&lax::abs(&difference))));
    let sum = lax::add(&largest, &lax::div(&small, &constant(&small, LN_2)));
    // inf - inf is nan, where x + y is the limit.
    where_(lax::ne(&difference, &difference), lax::add(&x, &y), sum)
}

/// Degrees to radians.
#[track_caller]
pub fn deg2rad(x: impl Into<Array>) -> Array {
    let x = inexact(&x.into());
    lax::mul(&x, &constant(&x, PI / 180.0))
}

/// Radians to degrees.
#[track_caller]
pub fn rad2deg(x: impl Into<Array>) -> Array {
    let x = inexact(&x.into());
    lax::mul(&x, &constant(&x, 180.0 / PI))
}

/// [`rad2deg`].
#[track_caller]
pub fn degrees(x: impl Into<Array>) -> Array {
    rad2deg(x)
}

/// [`deg2rad`].
#[track_caller]
pub fn radians(x: impl Into<Array>) -> Array {
    deg2rad(x)
}

/// `sin(πx) / (πx)`, 1 at zero.
#[track_caller]
pub fn sinc(x: impl Into<Array>) -> Array {
    let x = inexact(&x.into());
    let zero = lax::eq(&x, &constant(&x, 0.0));
    let angle = lax::mul(&constant(&x, PI), &x);
    let safe = where_(&zero, constant(&x, 1.0), &angle);
    // Near zero the Maclaurin series 1 - (πx)²/6 gives the derivatives.
    let series = lax::sub(&constant(&x, 1.0), &lax::mul(&lax::square(&angle), &constant(&x, 1.0 / 6.0)));
    where_(zero, series, lax::div(&lax::sin(&safe), &safe))
}

/// The modified Bessel function of the first kind and order zero.
#[track_caller]
pub fn i0(x: impl Into<Array>) -> Array {
    let x = inexact(&x.into());
    reject_complex("i0", &x);
    let x = lax::abs(&x);
    lax::mul(&lax::exp(&x), &lax::bessel_i0e(&x))
}

/// The complex conjugate; a real `x` itself.
#[track_caller]
pub fn conjugate(x: impl Into<Array>) -> Array {
    let x = x.into();
    if x.dtype().is_complex() { lax::conj(&x) } else { x }
}

/// [`conjugate`].
#[track_caller]
pub fn conj(x: impl Into<Array>) -> Array {
    conjugate(x)
}

/// The real part.
#[track_caller]
pub fn real(x: impl Into<Array>) -> Array {
    let x = x.into();
    if x.dtype().is_complex() { lax::real(&x) } else { x }
}

/// The imaginary part; zeros for a real `x`.
#[track_caller]
pub fn imag(x: impl Into<Array>) -> Array {
    let x = x.into();
    if x.dtype().is_complex() { lax::imag(&x) } else { crate::numpy::zeros_like(x, None) }
}

/// The angle of a complex number, in radians.
#[track_caller]
pub fn angle(x: impl Into<Array>) -> Array {
    let x = x.into();
    if x.dtype().is_complex() {
        return lax::atan2(&lax::imag(&x), &lax::real(&x));
    }
    // A real scalar becomes one of the default dtype, as in JAX.
    let x = if x.dtype().is_inexact() && x.ndim() > 0 { x } else { lax::convert(&x, default_float(), false) };
    lax::atan2(&lax::zeros_like(&x), &x)
}
