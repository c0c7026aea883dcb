//! Exponential, sine and cosine integrals, the dilogarithm. JAX: `scipy/special.py`.

use std::f64::consts::{FRAC_PI_2, PI};

use super::gamma::gammaln;
use super::integral_coefficients::*;
use super::util::{check_wide, epsilon, piecewise, polyval, rational, while_each};
use crate::calls::jit_call::jitted;
use crate::core::array::Array;
use crate::custom_derivatives::{CustomNary, CustomUnary};
use crate::lax;
use crate::numpy::util::{broadcast_arrays_array, constant, inexact, promote_args_inexact, reject_complex};
use crate::numpy::{
    abs, cos, equal, exp, greater, greater_equal, isneginf, isposinf, less, less_equal, log, not_equal,
    power, sign, sin, sinc, where_,
};

/// Euler's constant.
const EULER_GAMMA: f64 = 0.577_215_664_901_532_9;

/// The exponential integral Ei, the principal value of `∫ eᵗ/t dt` from minus infinity to `x`.
///
/// # Errors
/// Complex numbers.
#[track_caller]
pub fn expi(x: impl Into<Array>) -> Array {
    let f = |x: &Array| {
        jitted("expi", (), [x], |[x]| {
            let x = inexact(x);
            reject_complex("expi", &x);
            piecewise([(less(&x, 0), -exp1(-&x))], expi_of_positive(&x))
        })
    };
    let tangent = |x: &Array, _: &Array, dx: &Array| exp(x) / x * dx;
    CustomUnary { name: "expi", f, tangent }.apply(&x.into())
}

/// Cephes, `expi.c`: a rational function in each of the ranges between powers of two.
#[track_caller]
fn expi_of_positive(x: &Array) -> Array {
    let of = |value: f64| constant(x, value);
    let first = x * rational(&EXPI_A1, &EXPI_B1, x) + EULER_GAMMA + log(x);
    let inverse = of(1.0) / x;
    let other = |above: &[f64], below: &[f64]| {
        let f = &inverse * rational(above, below, &inverse) + of(1.0);
        exp(x) * &inverse * f
    };
    let between = |low: f64, high: f64| less(of(low), x) & less_equal(x, of(high));
    piecewise(
        [
            (between(0.0, 2.0), first),
            (between(2.0, 4.0), other(&EXPI_A2, &EXPI_B2)),
            (between(4.0, 8.0), other(&EXPI_A3, &EXPI_B3)),
            (between(8.0, 16.0), other(&EXPI_A4, &EXPI_B4)),
            (between(16.0, 32.0), other(&EXPI_A5, &EXPI_B5)),
            (between(32.0, 64.0), other(&EXPI_A6, &EXPI_B6)),
        ],
        other(&EXPI_A7, &EXPI_B7),
    )
}

/// The exponential integral `E₁(x) = ∫ e⁻ᵗ/t dt` from `x` to infinity.
///
/// ```
/// use raxla::scipy::special;
///
/// assert!((special::exp1(1.0).item::<f32>()? - 0.219_383_9).abs() < 1e-6);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Complex numbers.
#[track_caller]
pub fn exp1(x: impl Into<Array>) -> Array {
    let x = inexact(&x.into());
    reject_complex("exp1", &x);
    expn(1, x)
}

/// The generalised exponential integral `Eₙ(x) = ∫ e^(-xt) t⁻ⁿ dt` from 1 to infinity. Not differentiable in `n`.
///
/// # Errors
/// Shapes that do not broadcast; complex numbers.
#[track_caller]
pub fn expn(n: impl Into<Array>, x: impl Into<Array>) -> Array {
    let f = |_, args: [&Array; 2]| [expn_value(args)];
    // d = -Eₙ₋₁(x) dx
    let tangents = |_, [n, x]: [&Array; 2], y: &[Array; 1], [_, dx]: [Option<&Array>; 2]| match dx {
        Some(dx) => [-dx * expn(n - 1, x)],
        None => [lax::full_like(&y[0], 0.0)],
    };
    let [out] = CustomNary { name: "expn", statics: 0, f, tangents }.apply([&n.into(), &x.into()]);
    out
}

/// Cephes, `expn.c`.
#[track_caller]
fn expn_value([n, x]: [&Array; 2]) -> Array {
    jitted("expn", (), [n, x], |args| {
        let args = promote_args_inexact("expn", args);
        reject_complex("expn", &args[1]);
        let [n, x] = broadcast_arrays_array("expn", args);
        let (n, x) = (lax::convert_element_type(&n, n.dtype()), lax::convert_element_type(&x, x.dtype()));
        let of = |value: f64| constant(&x, value);
        let is_zero = equal(&x, of(0.0));
        let one = equal(&n, of(1.0));
        let less_than_two = less(&n, of(2.0));
        piecewise(
            [
                (less(&n, of(0.0)) | less(&x, of(0.0)), of(f64::NAN)),
                (&is_zero & &less_than_two, of(f64::INFINITY)),
                // E_n(0) = 1/(n - 1) is 1/n here, as it is in JAX.
                (&is_zero & !less_than_two, of(1.0) / where_(one, &n + &n, &n)),
                (equal(&n, of(0.0)) & greater_equal(&x, of(0.0)), exp(-&x) / &x),
                (greater_equal(&n, of(5000.0)), expn_of_large_n(&n, &x)),
                (greater(&x, of(1.0)), expn_by_fraction(&n, &x)),
            ],
            expn_by_series(&n, &x),
        )
    })
}

#[track_caller]
fn expn_by_series(n: &Array, x: &Array) -> Array {
    let of = |value: f64| lax::full_like(x, value);
    let eps = epsilon(x);
    // 16 bits cannot count beyond some number, where the loop ends.
    // -γ - log x + Σ 1/i, the digamma function of n but for the logarithm.
    let [_, psi] = while_each(
        [of(1.0), -EULER_GAMMA - log(x)],
        |[i, _]| less(i, n) & greater(i + 1, i),
        |[i, psi]| [i + 1, psi + 1.0 / i],
    );
    let one = equal(n, 1);
    let safe = where_(&one, of(2.0), n);
    let first = where_(one, of(0.0), 1.0 / (1.0 - safe));
    let z = -x;
    let positive = greater(x, 0.0);
    let [_, _, _, sum, _] = while_each(
        [of(0.0), of(1.0), 1.0 - n, first, of(f64::INFINITY)],
        |[.., change]| &positive & greater(change, eps),
        |[k, term, p, sum, _]| {
            let (k, p) = (k + 1.0, p + 1.0);
            let term = term * (&z / &k);
            let sum = sum + where_(not_equal(&p, 0.0), &term / &p, of(0.0));
            let change = where_(not_equal(&sum, 0.0), abs(&term / &sum), of(1.0));
            [k, term, p, sum, change]
        },
    );
    power(&z, n - 1) * psi / exp(gammaln(n)) - sum
}

#[track_caller]
fn expn_by_fraction(n: &Array, x: &Array) -> Array {
    const BIG: f64 = 144_115_188_075_855_870.0;
    let of = |value: f64| lax::full_like(x, value);
    let eps = epsilon(x);
    let positive = greater(x, 0.0);
    // k, p and q of the last turn but one and of the last, the value, its change.
    let init = [of(1.0), of(1.0), x.clone(), of(1.0), x + n, 1.0 / (x + n), of(f64::INFINITY), of(0.0)];
    let [.., value, _, _] = while_each(
        init,
        |[.., change, _]| &positive & greater(change, eps),
        |[k, p2, q2, p1, q1, value, _, r]| {
            let k = k + 1;
            let odd = equal(lax::rem(&k, &of(2.0)), 1);
            let y = where_(&odd, of(1.0), x);
            let z = where_(&odd, n + (&k - 1) / 2, &k / 2);
            let p = p1 * &y + p2 * &z;
            let q = q1 * &y + q2 * &z;
            let defined = not_equal(&q, 0.0);
            let r = where_(&defined, &p / &q, r);
            let change = where_(&defined, abs((value - &r) / &r), of(1.0));
            let value = where_(&defined, &r, value);
            let large = greater(abs(&p), constant(x, BIG));
            let scaled = |x: &Array| where_(&large, x / constant(x, BIG), x);
            let [p2, q2, p1, q1] = [p1, q1, &p, &q].map(scaled);
            [k, p2, q2, p1, q1, value, change, r]
        },
    );
    value * exp(-x)
}

#[track_caller]
fn expn_of_large_n(n: &Array, x: &Array) -> Array {
    let k = x + n;
    let y = 1.0 / (&k * &k);
    let sum = &y * n * (6 * x * x - 8 * n * x + n * n);
    let sum = &y * (sum + n * (n - 2 * x));
    let sum = y * (sum + n);
    (sum + 1.0) * exp(-x) / k
}

/// The sine integral `∫₀ˣ sin(t)/t dt` and the cosine integral `γ + log x + ∫₀ˣ (cos(t) - 1)/t dt`.
///
/// ```
/// use raxla::scipy::special;
///
/// let (si, ci) = special::sici(1.0);
/// assert!((si.item::<f32>()? - 0.946_083).abs() < 1e-5 && (ci.item::<f32>()? - 0.337_404).abs() < 1e-5);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Complex numbers.
#[track_caller]
pub fn sici(x: impl Into<Array>) -> (Array, Array) {
    let f = |_, [x]: [&Array; 1]| {
        let (si, ci) = jitted("sici", (), [x], |[x]| {
            let x = inexact(x);
            reject_complex("sici", &x);
            sine_and_cosine_integrals(&x)
        });
        [si, ci]
    };
    // dSi = sin(x)/x dx, dCi = cos(x)/x dx
    let tangents = |_, [x]: [&Array; 1], _: &[Array; 2], [dx]: [Option<&Array>; 1]| {
        let dx = dx.cloned().unwrap_or_else(|| lax::full_like(x, 0.0));
        [sinc(x / PI) * &dx, cos(x) / x * &dx]
    };
    let [si, ci] = CustomNary { name: "sici", statics: 0, f, tangents }.apply([&x.into()]);
    (si, ci)
}

/// Cephes, `sici.c`.
#[track_caller]
fn sine_and_cosine_integrals(x: &Array) -> (Array, Array) {
    let size = abs(x);
    let square = &size * &size;
    let is_zero = equal(&size, 0);
    let near = (
        where_(&is_zero, 0.0, &size * polyval(&SICI_SN, &square) / polyval(&SICI_SD, &square)),
        where_(
            &is_zero,
            f64::NEG_INFINITY,
            EULER_GAMMA + log(&size) + &square * polyval(&SICI_CN, &square) / polyval(&SICI_CD, &square),
        ),
    );
    let (s, c) = (sin(&size), cos(&size));
    let middle = {
        let z = 1.0 / &square;
        let low = less(&size, 8.0);
        let f4 = polyval(&SICI_FN4, &z) / (&size * polyval(&SICI_FD4, &z));
        let f8 = polyval(&SICI_FN8, &z) / (&size * polyval(&SICI_FD8, &z));
        let g4 = &z * polyval(&SICI_GN4, &z) / polyval(&SICI_GD4, &z);
        let g8 = &z * polyval(&SICI_GN8, &z) / polyval(&SICI_GD8, &z);
        let (f, g) = (where_(&low, f4, f8), where_(&low, g4, g8));
        (FRAC_PI_2 - &f * &c - &g * &s, &f * &s - &g * &c)
    };
    let infinite = isposinf(&size);
    let far = (where_(&infinite, FRAC_PI_2, FRAC_PI_2 - &c / &size), where_(&infinite, 0.0, &s / &size));
    let (low, high) = (less_equal(&size, 4), greater(&size, 4) & less_equal(&size, 1e9));
    let choose = |near, middle, far| where_(&low, near, where_(&high, middle, far));
    let si = choose(near.0, middle.0, far.0);
    let ci = choose(near.1, middle.1, far.1);
    (sign(x) * si, where_(isneginf(x), f64::NAN, ci))
}

/// Spence's function, the dilogarithm of `1 - x`: `∫₁ˣ log(t)/(1 - t) dt`; NaN below zero.
///
/// # Errors
/// `spence accepts f32 and f64 alone, got i32[3]`.
#[track_caller]
pub fn spence(x: impl Into<Array>) -> Array {
    let x = x.into();
    check_wide("spence", &x);
    let of = |value: f64| constant(&x, value);
    piecewise(
        [(less(&x, 0.0), of(f64::NAN)), (equal(&x, 1.0), of(0.0)), (equal(&x, 0.0), of(PI * PI / 6.0))],
        dilogarithm(&x),
    )
}

/// Cephes, `spence.c`.
#[track_caller]
fn dilogarithm(x: &Array) -> Array {
    let inverted = greater(x, 2.0);
    let x = piecewise([(inverted.clone(), 1.0 / x)], x.clone());
    let (high, low) = (greater(&x, 1.5), less(&x, 0.5));
    let w = piecewise([(high.clone(), 1.0 / &x - 1.0), (low.clone(), -&x)], &x - 1.0);
    let y = -&w * polyval(&SPENCE_A, &w) / polyval(&SPENCE_B, &w);
    let reflected = PI * PI / 6.0 - log(&x) * log(1.0 - &x) - &y;
    let y = where_(low, reflected, y);
    let transformed = -0.5 * power(log(&x), 2) - &y;
    where_(inverted | high, transformed, y)
}
