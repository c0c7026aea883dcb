//! The gamma function and what is made of it. JAX: `scipy/special.py`, `third_party/scipy/betaln.py`.

use std::f64::consts::PI;

use super::util::sum_of_terms;
use crate::api::jvp;
use crate::arguments::options;
use crate::calls::jit_call::jitted;
use crate::control_flow::while_loop;
use crate::core::array::Array;
use crate::core::aval::Shape;
use crate::custom_derivatives::CustomNary;
use crate::dtype::DType;
use crate::error::{OrThrow, throw};
use crate::lax;
use crate::numpy::util::{
    broadcast_arrays_array, default_float, inexact, promote_args_inexact, reject_complex, strong_constant,
    table,
};
use crate::numpy::{
    ceil, equal, exp, expand_dims, floor, full_like, greater, greater_equal, imag, isnan, less, less_equal,
    log, log1p, max_finite, maximum, minimum, not_equal, ones_like, power, real, signbit, sin, sum, where_,
};

/// The logarithm of the absolute value of [`gamma`]. Integers become floats.
///
/// ```
/// use raxla::scipy::special;
///
/// assert!((special::gammaln(5.0).item::<f32>()? - 24f32.ln()).abs() < 1e-6);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `lgamma does not accept dtype c64`.
#[track_caller]
pub fn gammaln(x: impl Into<Array>) -> Array {
    lax::lgamma(&inexact(&x.into()))
}

/// The sign of [`gamma`]: 1 or -1, and NaN at the negative integers, where it has none.
///
/// # Errors
/// `gammasgn does not support complex-valued inputs, got c64[3]`.
#[track_caller]
pub fn gammasgn(x: impl Into<Array>) -> Array {
    jitted("gammasgn", (), [&x.into()], |[x]| {
        let x = inexact(x);
        reject_complex("gammasgn", &x);
        let down = lax::floor(&x);
        let negative = less(&x, 0);
        let pole = (&negative & equal(&x, &down)) | isnan(&x);
        let odd = not_equal(lax::rem(&down, &lax::full_like(&down, 2.0)), 0);
        let minus = (negative & odd) | (equal(&x, 0) & signbit(&x));
        let of = |value: f64| lax::full(x.shape(), strong_constant(&x, value));
        lax::select(&pole, &of(f64::NAN), &lax::select(&minus, &of(-1.0), &of(1.0)))
    })
}

/// The gamma function, `(x - 1)!` for integers. Complex numbers are taken, too.
///
/// ```
/// use raxla::scipy::special;
///
/// assert!((special::gamma(5.0).item::<f32>()? - 24.0).abs() < 1e-4);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn gamma(x: impl Into<Array>) -> Array {
    let x = inexact(&x.into());
    if !x.dtype().is_complex() {
        return gammasgn(&x) * lax::exp(&lax::lgamma(&x));
    }
    let outside = poles(&x) | isnan(&x);
    let value = exp(complex_loggamma(&where_(&outside, ones_like(&x), &x)));
    where_(outside, not_a_number(&x), value)
}

/// The logarithm of [`gamma`] where that is positive, NaN elsewhere; of complex numbers the branch that is continuous off the
/// negative real axis.
#[track_caller]
pub fn loggamma(x: impl Into<Array>) -> Array {
    let x = inexact(&x.into());
    if !x.dtype().is_complex() {
        let value = lax::lgamma(&x);
        return where_(greater(&x, 0), value, f64::NAN);
    }
    jitted("_complex_loggamma_scipy", (), [&x], |[z]| {
        let outside = poles(z) | isnan(z);
        let z = where_(&outside, ones_like(z), z);
        // Γ(z) = Γ(z + n) / (z (z + 1) … (z + n - 1)), whose logarithms are added, so that the branch is the right one.
        let n = lax::convert_element_type(&maximum(0, ceil(0.5 - real(&z))), DType::I32);
        let more = |(k, _): &(Array, Array)| {
            let below = less(k, &n);
            lax::reduce_or(&below, (0..below.ndim()).collect::<Shape>())
        };
        let turn = |(k, logs): (Array, Array)| {
            let below = less(&k, &n);
            let factor = where_(&below, &z + &k, ones_like(&z));
            (&k + 1, &logs + where_(below, log(factor), lax::full_like(&logs, 0.0)))
        };
        let init = (Array::scalar(0i32), lax::full_like(&z, 0.0));
        let (_, logs) = while_loop(more, turn, init).or_throw();
        where_(outside, not_a_number(&z), complex_loggamma(&(z + n)) - logs)
    })
}

/// Where the gamma function is infinite: 0, -1, -2 …
#[track_caller]
fn poles(z: &Array) -> Array {
    let re = real(z);
    equal(imag(z), 0) & equal(&re, floor(&re)) & less_equal(&re, 0)
}

/// NaN in both parts.
fn not_a_number(z: &Array) -> Array {
    let nan = Array::scalar(num_complex::Complex::new(f64::NAN, f64::NAN));
    lax::full_like(z, nan)
}

/// Lanczos 1964, "A precision approximation of the gamma function", with g = 7 and Godfrey's nine coefficients.
const LANCZOS_G: f64 = 7.0;
const LANCZOS: [f64; 9] = [
    0.9999999999998099,
    676.5203681218851,
    -1259.1392167224028,
    771.3234287776531,
    -176.6150291621406,
    12.507343278686905,
    -0.13857109526572012,
    9.984369578019572e-06,
    1.5056327351493116e-07,
];

#[track_caller]
fn complex_loggamma(z: &Array) -> Array {
    // Γ(z) Γ(1 - z) = π / sin(πz)
    let reflected = less(real(z), 0.5);
    let zz = where_(&reflected, 1.0 - z, z) - 1.0;
    let terms = LANCZOS[1..].iter().zip(1..).map(|(c, k)| *c / (&zz + f64::from(k)));
    let series = terms.reduce(|x, y| x + y).map_or(Array::from(0.0), |sum| LANCZOS[0] + sum);
    let t = &zz + LANCZOS_G + 0.5;
    let value = 0.5 * (2.0 * PI).ln() + (&zz + 0.5) * log(&t) - t + log(series);
    let safe = where_(&reflected, z, full_like(z, 0.5));
    let other = PI.ln() - log(sin(PI * safe)) - &value;
    where_(reflected, other, value)
}

/// The logarithm of [`beta`] of positive numbers, exact for large ones too.
///
/// # Errors
/// Shapes that do not broadcast; complex numbers.
#[track_caller]
pub fn betaln(a: impl Into<Array>, b: impl Into<Array>) -> Array {
    let [a, b] = promote_args_inexact("betaln", [&a.into(), &b.into()]);
    let (a, b) = (minimum(&a, &b), maximum(&a, &b));
    let small = lax::lgamma(&a) + (lax::lgamma(&b) - lax::lgamma(&(&a + &b)));
    let large = lax::lgamma(&a) + log_gamma_ratio(&a, &b);
    where_(less(b, 8), small, large)
}

/// log Γ(b) / Γ(a + b) for `b >= 8` and `a <= b`. Didonato & Morris 1992, "Algorithm 708", ALGDIV.
#[track_caller]
fn log_gamma_ratio(a: &Array, b: &Array) -> Array {
    const C: [f64; 6] = [
        0.833_333_333_333_333e-1,
        -0.277_777_777_760_991e-2,
        0.793_650_666_825_390e-3,
        -0.595_202_931_351_870e-3,
        0.837_308_034_031_215e-3,
        -0.165_322_962_780_713e-2,
    ];
    let h = a / b;
    let x = &h / (1 + &h);
    let square = &x * &x;
    // (1 - xⁿ) / (1 - x) for n of 3, 5, 7, 9, 11
    let mut s = vec![1.0 + (&x + &square)];
    for i in 0..4 {
        s.push(1.0 + (&x + &square * &s[i]));
    }
    let t = power(1.0 / b, 2);
    let mut w = C[5] * &s[4];
    for i in (0..4).rev() {
        w = w * &t + C[i + 1] * &s[i];
    }
    let w = (w * t + C[0]) * (x / b);
    let u = (b + (a - 0.5)) * log1p(h);
    let v = a * (log(b) - 1.0);
    where_(less_equal(&u, &v), (&w - &v) - &u, (&w - &u) - &v)
}

/// The beta function `Γ(a) Γ(b) / Γ(a + b)`.
///
/// # Errors
/// Shapes that do not broadcast; complex numbers.
#[track_caller]
pub fn beta(a: impl Into<Array>, b: impl Into<Array>) -> Array {
    let [a, b] = promote_args_inexact("beta", [&a.into(), &b.into()]);
    reject_complex("beta", &a);
    let sign = gammasgn(&a) * gammasgn(&b) * gammasgn(&a + &b);
    sign * lax::exp(&betaln(a, b))
}

/// The regularised incomplete beta function `Iₓ(a, b)`, the distribution function of the beta distribution. Not differentiable in `a`
/// and `b`.
///
/// # Errors
/// Shapes that do not broadcast; complex numbers.
#[track_caller]
pub fn betainc(a: impl Into<Array>, b: impl Into<Array>, x: impl Into<Array>) -> Array {
    let [a, b, x] = promote_args_inexact("betainc", [&a.into(), &b.into(), &x.into()]);
    reject_complex("betainc", &x);
    lax::betainc(&a, &b, &x)
}

/// The derivative of [`gammaln`].
///
/// # Errors
/// `digamma does not accept dtype c64`.
#[track_caller]
pub fn digamma(x: impl Into<Array>) -> Array {
    lax::digamma(&inexact(&x.into()))
}

/// The derivative of order `n` of [`digamma`]; `n` is of integers. Not differentiable in `n`.
///
/// ```
/// use raxla::scipy::special;
///
/// // ψ′(1) = π² / 6
/// let x = special::polygamma(1, 1.0).item::<f32>()?;
/// assert!((x - 1.644_934).abs() < 1e-5);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `polygamma: n must be of integers, got f32[]`; shapes that do not broadcast; complex numbers.
#[track_caller]
pub fn polygamma(n: impl Into<Array>, x: impl Into<Array>) -> Array {
    let n = n.into();
    if !n.dtype().is_integer() {
        throw!(InvalidArgument, "polygamma: n must be of integers, got {}", n.aval());
    }
    let [n, x] = promote_args_inexact("polygamma", [&n, &x.into()]);
    reject_complex("polygamma", &x);
    lax::polygamma(&n, &x)
}

/// The regularised lower incomplete gamma function `P(a, x) = 1/Γ(a) ∫₀ˣ tᵃ⁻¹ e⁻ᵗ dt`.
///
/// # Errors
/// Shapes that do not broadcast; complex numbers.
#[track_caller]
pub fn gammainc(a: impl Into<Array>, x: impl Into<Array>) -> Array {
    let [a, x] = promote_args_inexact("gammainc", [&a.into(), &x.into()]);
    lax::igamma(&a, &x)
}

/// The regularised upper incomplete gamma function, `1 - gammainc(a, x)`.
///
/// # Errors
/// As [`gammainc`].
#[track_caller]
pub fn gammaincc(a: impl Into<Array>, x: impl Into<Array>) -> Array {
    let [a, x] = promote_args_inexact("gammaincc", [&a.into(), &x.into()]);
    lax::igammac(&a, &x)
}

/// `n!` as a float, also between the integers; 0 below zero.
///
/// # Errors
/// Complex numbers.
#[track_caller]
pub fn factorial(n: impl Into<Array>) -> Array {
    let n = inexact(&n.into());
    where_(less(&n, 0), 0, lax::exp(&lax::lgamma(&(&n + 1))))
}

options! {
    /// Options of [`comb_with`].
    pub struct CombOptions {
        /// May a thing be taken several times?
        repetition: value bool = false,
    }
}

/// In how many ways `k` of `n` things can be taken, as a float: 0 unless `0 <= k <= n`.
///
/// ```
/// use raxla::scipy::special;
///
/// assert!((special::comb(5, 2).item::<f32>()? - 10.0).abs() < 1e-4);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Shapes that do not broadcast; complex numbers.
#[track_caller]
pub fn comb(n: impl Into<Array>, k: impl Into<Array>) -> Array {
    let [n, k] = promote_args_inexact("comb", [&n.into(), &k.into()]);
    let possible = less_equal(&k, &n) & greater_equal(&n, 0) & greater_equal(&k, 0);
    let (n, k) = (where_(&possible, n, 0.0), where_(&possible, k, 0.0));
    let number = exp(gammaln(&n + 1) - gammaln(&k + 1) - gammaln(n + 1 - k));
    where_(possible, number, 0.0)
}

/// [`comb`], also with repetition: `comb(n + k - 1, k)`.
///
/// # Errors
/// As [`comb`].
#[track_caller]
pub fn comb_with(n: impl Into<Array>, k: impl Into<Array>, options: CombOptions) -> Array {
    if !options.repetition {
        return comb(n, k);
    }
    let [n, k] = promote_args_inexact("comb", [&n.into(), &k.into()]);
    let nothing = equal(&k, 0) & greater_equal(&n, 0);
    where_(nothing, 1.0, comb(n + &k - 1, k))
}

/// The logarithm of the multivariate gamma function of `d` dimensions: `d (d - 1)/4 log π + Σⱼ log Γ(a - j/2)`, `j` from 0 to `d - 1`.
///
/// # Errors
/// Complex numbers.
#[track_caller]
pub fn multigammaln(a: impl Into<Array>, d: usize) -> Array {
    let a = inexact(&a.into());
    let size = d as f64;
    let of = |x: f64| strong_constant(&a, x);
    let constant = lax::mul(&of(0.25 * size * (size - 1.0)), &lax::log(&of(PI)));
    let steps = lax::div(&lax::iota(a.dtype(), d), &of(2.0));
    sum(gammaln(expand_dims(&a, -1) - steps), -1) + constant
}

/// The rising factorial `z (z + 1) … (z + m - 1)`, that is `Γ(z + m) / Γ(z)`.
///
/// # Errors
/// Shapes that do not broadcast; complex numbers.
#[track_caller]
pub fn poch(z: impl Into<Array>, m: impl Into<Array>) -> Array {
    let value = |_, [z, m]: [&Array; 2]| {
        let [z, m] = promote_args_inexact("poch", [z, m]);
        reject_complex("poch", &z);
        [where_(equal(&m, 0.0), strong_constant(&z, 1.0), gamma(&z + &m) / gamma(&z))]
    };
    // ∂/∂z = (ψ(z + m) - ψ(z)) poch, ∂/∂m = ψ(z + m) poch
    let tangents = |_, [z, m]: [&Array; 2], _: &[Array; 1], [dz, dm]: [Option<&Array>; 2]| {
        let by_z = dz.map(|dz| (digamma(z + m) - digamma(z)) * poch(z, m) * dz);
        let by_m = dm.map(|dm| digamma(z + m) * poch(z, m) * dm);
        [sum_of_terms([by_z, by_m])]
    };
    let [out] = CustomNary { name: "poch", statics: 0, f: value, tangents }.apply([&z.into(), &m.into()]);
    out
}

/// The Hurwitz zeta function `Σₖ (q + k)⁻ˣ`; Riemann's is that of `q` 1.
///
/// ```
/// use raxla::scipy::special;
///
/// assert!((special::zeta(2.0, 1.0).item::<f32>()? - 1.644_934).abs() < 1e-5);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Shapes that do not broadcast; complex numbers.
#[track_caller]
pub fn zeta(x: impl Into<Array>, q: impl Into<Array>) -> Array {
    let value = |_, [x, q]: [&Array; 2]| {
        let [x, q] = promote_args_inexact("zeta", [x, q]);
        [lax::zeta(&x, &q)]
    };
    // The derivatives are those of a series.
    let tangents = |_, [x, q]: [&Array; 2], _: &[Array; 1], [dx, dq]: [Option<&Array>; 2]| {
        let zero = |x: &Array| lax::full_like(x, 0.0);
        let (dx, dq) = (dx.map_or_else(|| zero(x), Array::clone), dq.map_or_else(|| zero(q), Array::clone));
        let (_, tangent) = jvp(zeta_series, (x.clone(), q.clone()), (dx, dq)).or_throw();
        [tangent]
    };
    let [out] = CustomNary { name: "zeta", statics: 0, f: value, tangents }.apply([&x.into(), &q.into()]);
    out
}

/// `(2k)! / B₂ₖ` of Bernoulli's numbers, `k` from 1 on.
const FACTORIALS_BY_BERNOULLI: [f64; 16] = [
    12.0,
    -720.0,
    30_240.0,
    -1_209_600.0,
    47_900_160.0,
    -1_307_674_368_000.0 / 691.0,
    74_724_249_600.0,
    -10_670_622_842_880_000.0 / 3_617.0,
    5_109_094_217_170_944_000.0 / 43_867.0,
    -802_857_662_698_291_200_000.0 / 174_611.0,
    14_101_100_039_391_805_440_000.0 / 77_683.0,
    -1_693_824_136_731_743_669_452_800_000.0 / 236_364_091.0,
    186_134_520_519_971_831_808_000_000.0 / 657_931.0,
    -37_893_265_687_455_865_519_472_640_000_000.0 / 3_392_780_147.0,
    759_790_291_646_040_068_357_842_010_112_000_000.0 / 1_723_168_255_201.0,
    -134_196_726_836_183_700_385_281_186_201_600_000_000.0 / 7_709_321_041_217.0,
];

/// Euler and Maclaurin's sum. Johansson 2015, "Rigorous high-precision computation of the Hurwitz zeta function and its derivatives".
#[track_caller]
fn zeta_series(x: Array, q: Array) -> Array {
    let [s, a] = promote_args_inexact("zeta", [&x, &q]);
    let [s, a] = broadcast_arrays_array("zeta", [s, a]);
    let n: usize = if a.dtype() == DType::F32 { 8 } else { 16 };
    let end = &a + strong_constant(&a, n as f64);
    let terms = (0..n).map(|k| power(&a + strong_constant(&a, k as f64), -&s));
    let first = terms.reduce(|x, y| x + y).unwrap_or_else(|| lax::full_like(&a, 0.0));
    let integral = power(&end, strong_constant(&s, 1.0) - &s) / (&s - strong_constant(&s, 1.0));
    let largest = strong_constant(&a, max_finite(a.dtype()));
    let mut product = &s / &end;
    let mut tail = lax::full_like(&a, 0.0);
    for (k, c) in FACTORIALS_BY_BERNOULLI[..n].iter().enumerate() {
        if k > 0 {
            for m in [2 * k - 1, 2 * k] {
                product *= (&s + strong_constant(&s, m as f64)) / &end;
            }
        }
        tail += minimum(&product, &largest) / strong_constant(&a, *c);
    }
    let half = strong_constant(&a, 0.5);
    first + integral + power(end, -s) * (half + tail)
}

/// Bernoulli's numbers `B₀ … Bₙ`, with `B₁ = -1/2`; of the default float dtype.
///
/// ```
/// use raxla::scipy::special;
///
/// let b = special::bernoulli(4).to_vec::<f32>()?;
/// assert!((b[4] + 1.0 / 30.0).abs() < 1e-6);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn bernoulli(n: usize) -> Array {
    let number = |m: usize| match m {
        0 => 1.0,
        1 => -0.5,
        2 => 1.0 / 6.0,
        m if m % 2 == 1 => 0.0,
        // B₂ₖ = (-1)ᵏ⁺¹ 2 (2k)! / (2π)²ᵏ ζ(2k); terms of ζ beyond 50 are below 1e-15.
        m => {
            let factors = (4..=m).step_by(2).map(|m| -((m - 1) as f64) * m as f64 / 4.0 / PI / PI);
            let zeta = 1.0 + (2..50).map(|k| f64::from(k).powi(-(m as i32))).sum::<f64>();
            factors.product::<f64>() / (PI * PI) * zeta
        }
    };
    let numbers: Vec<f64> = (0..=n).map(number).collect();
    table(default_float(), &numbers, &[n + 1])
}
