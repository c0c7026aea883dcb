//! Error functions, the normal distribution function, Fresnel integrals. JAX: `scipy/special.py`,
//! `third_party/scipy/special.py`.

use std::f64::consts::{FRAC_2_SQRT_PI, PI, SQRT_2};

use super::error_coefficients::*;
use super::util::{check_wide, in_wide, polyval, rational, sum_of_terms};
use crate::arguments::options;
use crate::core::array::Array;
use crate::custom_derivatives::{CustomNary, CustomUnary};
use crate::dtype::DType;
use crate::error::throw;
use crate::lax;
use crate::numpy::util::{
    broadcast_arrays_array, constant, default_float, inexact, promote_args_inexact, reject_complex,
    strong_constant,
};
use crate::numpy::{
    abs, arctan, equal, fmod, greater, greater_equal, isinf, isnan, less, less_equal, max_finite, sign, sin,
    where_,
};

/// The error function `2/√π ∫₀ˣ e^(-t²) dt`.
///
/// # Errors
/// `erf does not accept dtype c64`.
#[track_caller]
pub fn erf(x: impl Into<Array>) -> Array {
    lax::erf(&inexact(&x.into()))
}

/// `1 - erf(x)`, exact for large `x`.
///
/// # Errors
/// `erfc does not accept dtype c64`.
#[track_caller]
pub fn erfc(x: impl Into<Array>) -> Array {
    lax::erfc(&inexact(&x.into()))
}

/// The inverse of [`erf`].
///
/// # Errors
/// `erf_inv does not accept dtype c64`.
#[track_caller]
pub fn erfinv(x: impl Into<Array>) -> Array {
    lax::erf_inv(&inexact(&x.into()))
}

/// `e^(x²) erfc(x)`, which falls as 1/x where [`erfc`] is zero. Complex numbers are taken, too.
#[track_caller]
pub fn erfcx(x: impl Into<Array>) -> Array {
    let x = inexact(&x.into());
    if x.dtype().is_complex() {
        return faddeeva(&lax::complex(&lax::neg(&lax::imag(&x)), &lax::real(&x)));
    }
    let f = |x: &Array| in_wide(x, scaled_erfc);
    let tangent = |x: &Array, y: &Array, dx: &Array| dx * (2 * x * y - constant(x, FRAC_2_SQRT_PI));
    CustomUnary { name: "_erfcx", f, tangent }.apply(&x)
}

#[track_caller]
fn scaled_erfc(x: &Array) -> Array {
    // Where e^(x²) overflows: 1/(√π x) Σ (-1)ᵏ (2k - 1)!! / (2x²)ᵏ
    const SERIES: [f64; 9] =
        [7918.06640625, -1055.7421875, 162.421875, -29.53125, 6.5625, -1.875, 0.75, -0.5, 1.0];
    let terms = if x.dtype() == DType::F64 { &SERIES[..] } else { &SERIES[4..] };
    let threshold = max_finite(x.dtype()).ln().sqrt();
    let large = lax::gt(x, &constant(x, threshold));
    let safe = lax::select(&large, &lax::full_like(x, 1.0), x);
    let direct = lax::mul(&lax::exp(&lax::square(&safe)), &lax::erfc(&safe));
    let inverse = lax::div(&constant(x, 1.0), &lax::square(x));
    let far = polyval(terms, &inverse) / (x * constant(x, PI.sqrt()));
    lax::select(&large, &far, &direct)
}

/// The Faddeeva function `e^(-z²) erfc(-iz)` of complex numbers; real ones become complex.
#[track_caller]
pub fn wofz(z: impl Into<Array>) -> Array {
    let z = inexact(&z.into());
    faddeeva(&match z.dtype() {
        d if d.is_complex() => z,
        DType::F64 => lax::convert_element_type(&z, DType::C128),
        _ => lax::convert_element_type(&z, DType::C64),
    })
}

/// dw = (2i/√π - 2zw) dz
#[track_caller]
fn faddeeva(z: &Array) -> Array {
    let f = |z: &Array| {
        let upper = lax::ge(&lax::imag(z), &constant(&lax::real(z), 0.0));
        let w = faddeeva_upper(&lax::select(&upper, z, &lax::neg(z)));
        let lower = 2 * lax::exp(&lax::neg(&(z * z))) - &w;
        lax::select(&upper, &w, &lower)
    };
    let tangent = |z: &Array, w: &Array, dz: &Array| {
        let re = lax::real(z);
        let i = lax::complex(&constant(&re, 0.0), &constant(&re, FRAC_2_SQRT_PI));
        dz * (lax::neg(&(2 * z * w)) + i)
    };
    CustomUnary { name: "_wofz", f, tangent }.apply(z)
}

/// In the upper half of the plane. Weideman 1994, "Computation of the complex error function".
#[track_caller]
fn faddeeva_upper(z: &Array) -> Array {
    // √(n / √2) for n of 32
    const L: f64 = 4.756_828_460_010_884;
    let re = lax::real(z);
    let real = |x: f64| lax::complex(&constant(&re, x), &constant(&re, 0.0));
    let iz = lax::complex(&lax::neg(&lax::imag(z)), &re);
    let below = real(L) - &iz;
    let p = polyval(&WOFZ, &((real(L) + iz) / &below));
    2 * p / (&below * &below) + real(FRAC_2_SQRT_PI / 2.0) / below
}

/// Dawson's integral `e^(-x²) ∫₀ˣ e^(t²) dt`.
///
/// # Errors
/// `dawsn does not support complex-valued inputs, got c64[3]`.
#[track_caller]
pub fn dawsn(x: impl Into<Array>) -> Array {
    let x = inexact(&x.into());
    reject_complex("dawsn", &x);
    let f = |x: &Array| in_wide(x, dawson);
    let tangent = |x: &Array, y: &Array, dx: &Array| dx * (constant(x, 1.0) - constant(x, 2.0) * x * y);
    CustomUnary { name: "_dawsn", f, tangent }.apply(&x)
}

#[track_caller]
fn dawson(x: &Array) -> Array {
    let size = lax::abs(x);
    let near = less(&size, constant(x, 3.25));
    let far = greater_equal(&size, constant(x, 6.25));
    let middle = lax::bitwise_not(&lax::bitwise_or(&near, &far));
    let one = lax::full_like(x, 1.0);
    // Each formula gets numbers that it is good for.
    let within = |range: &Array, x: &Array| lax::select(range, x, &one);
    let r = within(&near, &size);
    let low = &r * polyval(&DAWSN_AN, &lax::square(&r)) / polyval(&DAWSN_AD, &lax::square(&r));
    let inverse = lax::div(&constant(x, 1.0), &lax::square(&size));
    let high = |range: &Array, above: &[f64], below: &[f64]| {
        let (t, r) = (within(range, &inverse), within(range, &size));
        (constant(x, 0.5) / r) * (constant(x, 1.0) + &t * polyval(above, &t) / polyval(below, &t))
    };
    let (high, highest) = (high(&middle, &DAWSN_BN, &DAWSN_BD), high(&far, &DAWSN_CN, &DAWSN_CD));
    let beyond = lax::select(&less(&size, constant(x, 6.25)), &high, &highest);
    sign(x) * lax::select(&near, &low, &beyond)
}

/// The Fresnel integrals `∫₀ˣ sin(πt²/2) dt` and `∫₀ˣ cos(πt²/2) dt`.
///
/// ```
/// use raxla::scipy::special;
///
/// let (s, c) = special::fresnel(1.0);
/// assert!((s.item::<f32>()? - 0.438_259_1).abs() < 1e-6 && (c.item::<f32>()? - 0.779_893_4).abs() < 1e-6);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Complex numbers.
#[track_caller]
pub fn fresnel(x: impl Into<Array>) -> (Array, Array) {
    let f = |_, [x]: [&Array; 1]| {
        let x = inexact(x);
        reject_complex("fresnel", &x);
        match x.dtype() {
            DType::F16 | DType::BF16 => {
                let wide = lax::convert(&x, DType::F32, false);
                fresnel_integrals(&wide).map(|y| lax::convert(&y, x.dtype(), false))
            }
            _ => fresnel_integrals(&x),
        }
    };
    // dS = sin(πx²/2) dx, dC = cos(πx²/2) dx
    let tangents = |_, [x]: [&Array; 1], _: &[Array; 2], [dx]: [Option<&Array>; 1]| {
        let dx = dx.cloned().unwrap_or_else(|| lax::full_like(x, 0.0));
        half_square(x).map(|slope| slope * &dx)
    };
    let [s, c] = CustomNary { name: "fresnel", statics: 0, f, tangents }.apply([&x.into()]);
    (s, c)
}

/// `sin(πx²/2)` and `cos(πx²/2)`, exact for large `x` too.
#[track_caller]
fn half_square(x: &Array) -> [Array; 2] {
    let x = abs(x);
    let s = fmod(&x, 2.0);
    let r = fmod(&s * (&x - &s / 2.0), 2.0);
    let sin_of = |shift: f64| sin(PI * (&r - shift));
    let upper = where_(greater(&r, 1.5), sin_of(2.0), -sin_of(1.0));
    let sine = where_(less(&r, 0.5), sin(PI * &r), upper);
    let cosine = where_(less(&r, 1.0), -sin_of(0.5), sin_of(1.5));
    [sine, where_(equal(&r, 0.5), 0.0, cosine)]
}

#[track_caller]
fn fresnel_integrals(x: &Array) -> [Array; 2] {
    let wide = x.dtype() == DType::F64;
    let size = abs(x);
    let square = &size * &size;
    let t = &square * &square;
    let (s_near, c_near) = match wide {
        false => (&size * &square * polyval(&FRESNEL_F32_SN, &t), &size * polyval(&FRESNEL_F32_CN, &t)),
        true => (
            &size * &square * polyval(&FRESNEL_SN, &t) / polyval(&FRESNEL_SD, &t),
            &size * polyval(&FRESNEL_CN, &t) / polyval(&FRESNEL_CD, &t),
        ),
    };
    let [sine, cosine] = half_square(&size);
    let (s_far, c_far): (Array, Array) = match wide {
        false => (0.5.into(), 0.5.into()),
        true => (0.5 - 1 / (PI * &size) * &cosine, 0.5 + 1 / (PI * &size) * &sine),
    };
    let t = PI * &square;
    let (u, t) = (1.0 / (&t * &t), 1.0 / &t);
    let (f, g) = match wide {
        false => (1.0 - &u * polyval(&FRESNEL_F32_FN, &u), &t * polyval(&FRESNEL_F32_GN, &u)),
        true => (
            1.0 - &u * polyval(&FRESNEL_FN, &u) / polyval(&FRESNEL_FD, &u),
            &t * polyval(&FRESNEL_GN, &u) / polyval(&FRESNEL_GD, &u),
        ),
    };
    let t = PI * &size;
    let c = 0.5 + (&f * &sine - &g * &cosine) / &t;
    let s = 0.5 - (f * cosine + g * sine) / t;
    let (small, large) = (less(&square, 2.5625), greater(&size, 36974.0));
    let infinite = isinf(x);
    [(s_near, s_far, s), (c_near, c_far, c)].map(|(near, far, between)| {
        let value = where_(&small, near, where_(&large, far, between));
        let value = where_(&infinite, 0.5, value);
        where_(less(x, 0.0), -&value, &value)
    })
}

/// The distribution function of the standard normal distribution.
///
/// ```
/// use raxla::scipy::special;
///
/// assert_eq!(special::ndtr(0.0).item::<f32>()?, 0.5);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `ndtr accepts f32 and f64 alone, got i32[3]`.
#[track_caller]
pub fn ndtr(x: impl Into<Array>) -> Array {
    let x = x.into();
    check_wide("ndtr", &x);
    normal_distribution(&x)
}

#[track_caller]
fn normal_distribution(x: &Array) -> Array {
    let of = |value: f64| strong_constant(x, value);
    let half_root = of(SQRT_2 / 2.0);
    let w = x * &half_root;
    let z = lax::abs(&w);
    let tail = lax::erfc(&z);
    let far = lax::select(&lax::gt(&w, &of(0.0)), &(of(2.0) - &tail), &tail);
    let y = lax::select(&lax::lt(&z, &half_root), &(of(1.0) + lax::erf(&w)), &far);
    of(0.5) * y
}

/// The inverse of [`ndtr`].
///
/// # Errors
/// `ndtri accepts f32 and f64 alone, got i32[3]`.
#[track_caller]
pub fn ndtri(p: impl Into<Array>) -> Array {
    let p = p.into();
    check_wide("ndtri", &p);
    let of = |value: f64| strong_constant(&p, value);
    let edge = (-2.0f64).exp();
    let upper = greater(&p, of(1.0 - edge));
    let q = where_(greater(&p, of(-(-2.0f64).exp_m1())), of(1.0) - &p, &p);
    let q = where_(equal(&q, of(0.0)), lax::full(p.shape(), of(0.5)), &q);
    // In the middle.
    let w = &q - of(0.5);
    let square = lax::square(&w);
    let middle = &w + &w * &square * rational(&NDTRI_P0, &NDTRI_Q0, &square);
    let middle = middle * of(-(2.0 * PI).sqrt());
    // At the edges.
    let z = lax::sqrt(&(of(-2.0) * lax::log(&q)));
    let inverse = 1 / &z;
    let first = &z - lax::log(&z) / &z;
    let far = &first - rational(&NDTRI_P2, &NDTRI_Q2, &inverse) / &z;
    let near = &first - rational(&NDTRI_P1, &NDTRI_Q1, &inverse) / &z;
    let edges = where_(greater_equal(&z, of(8.0)), far, near);
    let x = where_(greater(&q, of(edge)), middle, edges);
    let x = where_(upper, &x, -&x);
    let infinity = lax::full(p.shape(), of(f64::INFINITY));
    let x = where_(equal(&p, of(1.0)), &infinity, x);
    where_(equal(&p, of(0.0)), -infinity, x)
}

options! {
    /// Options of [`log_ndtr_with`].
    pub struct LogNdtrOptions {
        /// Terms of the asymptotic series far below zero, at most 30.
        series_order: value usize = 3,
    }
}

/// The logarithm of [`ndtr`], exact far below zero too.
///
/// # Errors
/// `log_ndtr accepts f32 and f64 alone, got i32[3]`.
#[track_caller]
pub fn log_ndtr(x: impl Into<Array>) -> Array {
    log_ndtr_with(x, LogNdtrOptions::new())
}

/// [`log_ndtr`] with another number of terms.
///
/// # Errors
/// As [`log_ndtr`]; `log_ndtr: series_order must be <= 30, got 31`.
#[track_caller]
pub fn log_ndtr_with(x: impl Into<Array>, options: LogNdtrOptions) -> Array {
    let (x, order) = (x.into(), options.series_order);
    if order > 30 {
        throw!(InvalidArgument, "log_ndtr: series_order must be <= 30, got {order}");
    }
    check_wide("log_ndtr", &x);
    // dy = e^(log φ(x) - y) dx
    let tangents = |_, [x]: [&Array; 1], [y]: &[Array; 1], [dx]: [Option<&Array>; 1]| {
        let density = constant(x, -0.5) * lax::square(x) - constant(x, (2.0 * PI).sqrt().ln());
        let slope = lax::exp(&(density - y));
        [dx.map_or_else(|| lax::full_like(x, 0.0), |dx| dx * slope)]
    };
    let rule = CustomNary { name: "log_ndtr", statics: order as i64, f: log_ndtr_value, tangents };
    let [out] = rule.apply([&x]);
    out
}

#[track_caller]
fn log_ndtr_value(order: i64, [x]: [&Array; 1]) -> [Array; 1] {
    let of = |value: f64| strong_constant(x, value);
    let (lower, upper) = if x.dtype() == DType::F64 { (-20.0, 8.0) } else { (-10.0, 5.0) };
    let (lower, upper) = (of(lower), of(upper));
    let high = lax::gt(x, &upper);
    let p = normal_distribution(&where_(&high, -x, lax::max(x, &lower)));
    // log(Φ(x)) = -x²/2 - log(-x) - log(2π)/2 + log(1 - 1/x² + 1·3/x⁴ - …)
    let low = lax::min(x, &lower);
    let square = lax::square(&low);
    let (mut even, mut odd) = (lax::full_like(&low, 0.0), lax::full_like(&low, 0.0));
    let (mut power, mut factorial) = (square.clone(), 1.0);
    for n in 1..=order {
        factorial *= (2 * n - 1) as f64;
        let term = of(factorial) / &power;
        if n % 2 == 1 {
            odd += term;
        } else {
            even += term;
        }
        power *= &square;
    }
    let series = if order == 0 { of(1.0) } else { of(1.0) + even - odd };
    let scale = -of(0.5) * &square - lax::log(&-&low) - of(0.5 * (2.0 * PI).ln());
    let below = scale + lax::log(&series);
    [where_(high, -&p, where_(lax::gt(x, &lower), lax::log(&p), below))]
}

/// Owen's T function `1/(2π) ∫₀ᵃ e^(-h²(1 + x²)/2) / (1 + x²) dx`.
///
/// # Errors
/// Shapes that do not broadcast; complex numbers.
#[track_caller]
pub fn owens_t(h: impl Into<Array>, a: impl Into<Array>) -> Array {
    let args = promote_args_inexact("owens_t", [&h.into(), &a.into()]);
    reject_complex("owens_t", &args[0]);
    let f = |_, args: [&Array; 2]| {
        let [h, a] = broadcast_arrays_array("owens_t", args.map(Array::clone));
        [owens_t_value(&h, &a)]
    };
    let tangents = |_, [h, a]: [&Array; 2], _: &[Array; 1], [dh, da]: [Option<&Array>; 2]| {
        let by_h = dh.map(|dh| {
            let density = -lax::exp(&(-0.5 * lax::square(h))) * lax::erf(&(a * h / constant(h, SQRT_2)));
            density / (2.0 * constant(h, (2.0 * PI).sqrt())) * dh
        });
        let by_a = da.map(|da| {
            let square = lax::square(a) + 1.0;
            lax::exp(&(-0.5 * &square * lax::square(h))) / (2.0 * PI * square) * da
        });
        [sum_of_terms([by_h, by_a])]
    };
    let [out] = CustomNary { name: "_owens_t_impl", statics: 0, f, tangents }.apply([&args[0], &args[1]]);
    out
}

#[track_caller]
fn owens_t_value(h: &Array, a: &Array) -> Array {
    let h = lax::abs(h);
    let size = lax::abs(a);
    let root = constant(&h, SQRT_2);
    // T(h, a) of a > 1 is that of (ah, 1/a) less what is outside.
    let inside = less_equal(&size, 1.0);
    let slope = where_(&inside, &size, 1.0 / &size);
    let height = where_(&inside, &h, &size * &h);
    // The points and weights have the default dtype, in which 16-bit numbers are, too.
    let wide = |x: &Array| lax::convert_element_type(x, default_float());
    let (a_square, exponent) = (wide(&lax::square(&slope)), wide(&(-0.5 * lax::square(&height))));
    let points = OWENS_T_POINTS.iter().zip(OWENS_T_WEIGHTS).map(|(point, weight)| {
        let r = 1.0 + &a_square * *point;
        lax::exp(&(&exponent * &r)) / r * weight
    });
    let sum = points.reduce(|x, y| x + y).unwrap_or_else(|| lax::full_like(&exponent, 0.0));
    let value = wide(&slope) * sum;
    let value = where_(equal(&height, 0.0), arctan(&slope) / (2.0 * PI), value);
    let scaled = &height / &root;
    let diagonal = 0.125 * lax::erfc(&-&scaled) * lax::erfc(&scaled);
    let value = where_(equal(&slope, 1.0), diagonal, value);
    let (first, second) = (&h / &root, &size * &h / &root);
    let near = 0.25 - 0.25 * lax::erf(&first) * lax::erf(&second);
    let (p, q) = (lax::erfc(&first), lax::erfc(&second));
    let far = 0.25 * (&p + &q - &p * &q);
    let outside = where_(less_equal(&size * &h, 0.67), near, far) - &value;
    let value = where_(greater(&size, 1.0), outside, value);
    let value = lax::sign(a) * &value;
    where_(isnan(a) | isnan(h), lax::full_like(&value, f64::NAN), &value)
}
