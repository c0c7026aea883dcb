//! Exponentials, logarithms, roots, trigonometric and hyperbolic functions, parts of complex numbers.
//! JAX: `numpy/ufuncs.py`.

use std::f64::consts::{LN_2, PI};

use crate::arguments::options;
use crate::calls::jit_call::jitted;
use crate::core::array::Array;
use crate::custom_derivatives::CustomUnary;
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
    jitted("arccosh", (), [&x.into()], |[x]| {
        let out = lax::acosh(&inexact(x));
        if !out.dtype().is_complex() {
            return out;
        }
        // Of the two values, NumPy gives the one to the right.
        let real = lax::real(&out);
        where_(lax::lt(&real, &constant(&real, 0.0)), lax::neg(&out), out)
    })
}

/// [`arccosh`].
#[track_caller]
pub fn acosh(x: impl Into<Array>) -> Array {
    arccosh(x)
}

/// The angle of the point `(x2, x1)`: `atan(x1 / x2)` in the right quadrant, in radians from -π to π.
///
/// # Errors
/// `atan2 got incompatible shapes for broadcasting: (3,), (4,): 3 and 4 at axis -1 are neither equal nor 1`
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
    lax::logaddexp2(&x, &y)
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

/// `sin(πx) / (πx)`, 1 at zero, and its derivatives there too: to the eighteenth order.
#[track_caller]
pub fn sinc(x: impl Into<Array>) -> Array {
    jitted("sinc", (), [&x.into()], |[x]| sine_over_angle(&inexact(x)))
}

#[track_caller]
fn sine_over_angle(x: &Array) -> Array {
    let zero = lax::eq(x, &constant(x, 0.0));
    let angle = lax::mul(&constant(x, PI), x);
    // Each formula gets an argument that it is good for, since a derivative runs through both.
    let other = where_(&zero, constant(x, 1.0), &angle);
    let angle = where_(&zero, &angle, constant(x, 0.0));
    // Σ (-1)ᵏ a²ᵏ / (2k + 1)!, which at zero is there for its derivatives alone.
    let terms = (0..10).map(|k: i32| {
        let factorial: f64 = (1..=2 * k + 1).map(f64::from).product();
        if k % 2 == 0 { 1.0 / factorial } else { -1.0 / factorial }
    });
    let series = polynomial(&lax::square(&angle), terms);
    where_(zero, series, lax::div(&lax::sin(&other), &other))
}

/// `Σ cₖ xᵏ`, the constant term first.
fn polynomial(x: &Array, coefficients: impl DoubleEndedIterator<Item = f64>) -> Array {
    let horner = |sum: Array, c: f64| lax::add(&lax::mul(&sum, x), &constant(x, c));
    coefficients.rev().fold(constant(x, 0.0), horner)
}

/// The modified Bessel function of the first kind and order zero. Its derivatives of every order are those of the function.
#[track_caller]
pub fn i0(x: impl Into<Array>) -> Array {
    jitted("i0", (), [&x.into()], |[x]| bessel_i0(&inexact(x)))
}

#[track_caller]
fn bessel_i0(x: &Array) -> Array {
    reject_complex("i0", x);
    let value = |x: &Array| {
        let x = lax::abs(x);
        lax::mul(&lax::exp(&x), &lax::bessel_i0e(&x))
    };
    let tangent = |x: &Array, _: &Array, dx: &Array| lax::mul(dx, &i1(x));
    CustomUnary { name: "_i0", f: value, tangent }.apply(x)
}

/// dI₀ = I₁ dx. Near zero its series, Σ (x/2)²ᵏ⁺¹ / (k! (k + 1)!) (DLMF 10.25.2): |x| has no derivative there.
fn i1(x: &Array) -> Array {
    let near = lax::lt(&lax::abs(x), &constant(x, 1.0));
    let half = lax::mul(x, &constant(x, 0.5));
    let terms = (0..10).map(|k| {
        let factorial = |n: i32| (1..=n).map(f64::from).product::<f64>();
        1.0 / (factorial(k) * factorial(k + 1))
    });
    let series = lax::mul(&half, &polynomial(&lax::square(&half), terms));
    let far = where_(&near, constant(x, 1.0), x);
    let formula = lax::mul(&lax::exp(&lax::abs(&far)), &lax::bessel_i1e(&far));
    where_(near, series, formula)
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
    if x.dtype().is_complex() { lax::imag(&x) } else { crate::numpy::zeros_like(x) }
}

options! {
    /// Options of [`angle_with`].
    pub struct AngleOptions {
        /// In degrees rather than radians?
        deg: value bool = false,
    }
}

/// The angle of a complex number, in radians.
#[track_caller]
pub fn angle(x: impl Into<Array>) -> Array {
    angle_with(x, AngleOptions::new())
}

/// [`angle`] by options.
#[track_caller]
pub fn angle_with(x: impl Into<Array>, options: AngleOptions) -> Array {
    jitted("angle", options.deg, [&x.into()], |[x]| {
        let out = angle_of(x);
        if options.deg { rad2deg(out) } else { out }
    })
}

#[track_caller]
fn angle_of(x: &Array) -> Array {
    if x.dtype().is_complex() {
        return lax::atan2(&lax::imag(x), &lax::real(x));
    }
    // A real scalar becomes one of the default dtype, as in JAX.
    let x = if x.dtype().is_inexact() && x.ndim() > 0 {
        x.clone()
    } else {
        lax::convert(x, default_float(), false)
    };
    lax::atan2(&lax::full_like(&x, 0.0), &x)
}
