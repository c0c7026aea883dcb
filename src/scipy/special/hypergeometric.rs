//! Hypergeometric functions. JAX: `scipy/special.py`.
//!
//! Pearson, Olver & Porter 2017, "Numerical methods for the computation of the confluent and Gauss hypergeometric functions"; Cephes,
//! `hyp2f1`.

use super::gamma::{digamma, gamma};
use super::util::{epsilon, sum_of_terms, while_each};
use crate::calls::jit_call::jitted;
use crate::core::array::Array;
use crate::custom_derivatives::CustomNary;
use crate::lax;
use crate::numpy::util::{broadcast_arrays_array, promote_args_inexact, reject_complex};
use crate::numpy::{
    abs, equal, exp, greater, greater_equal, less, less_equal, log, not_equal, power, remainder, round,
    where_,
};

/// A number in the shape of `x`.
#[track_caller]
fn of(x: &Array, value: f64) -> Array {
    lax::full_like(x, value)
}

/// Terms that a series has at most.
const TERMS: f64 = 250.0;

/// `first + Σ termₖ weightₖ`, the next term being the last times `ratio(k)`, until a term makes no difference.
#[track_caller]
fn series(
    first: f64,
    term: Array,
    weight: impl Fn(&Array, &Array) -> Array,
    ratio: impl Fn(&Array) -> Array,
) -> Array {
    let eps = epsilon(&term);
    let init = [of(&term, first), of(&term, 1.0), term];
    let go_on = |[sum, k, term]: &[Array; 3]| less(k, TERMS) & greater(abs(term) / abs(sum), eps);
    let turn = |[sum, k, term]: &[Array; 3]| [sum + weight(term, k), k + 1, term * ratio(k)];
    let [sum, ..] = while_each(init, go_on, turn);
    sum
}

/// All of one shape and dtype.
#[track_caller]
fn alike<const N: usize>(name: &str, args: [&Array; N]) -> [Array; N] {
    let args = promote_args_inexact(name, args);
    reject_complex(name, &args[0]);
    broadcast_arrays_array(name, args).map(|x| lax::convert_element_type(&x, x.dtype()))
}

/// Kummer's confluent hypergeometric function ₁F₁(a; b; x).
///
/// ```
/// use raxla::scipy::special;
///
/// // ₁F₁(1; 2; x) = (eˣ - 1) / x
/// let y = special::hyp1f1(1.0, 2.0, 1.0).item::<f32>()?;
/// assert!((y - 1.718_281_8).abs() < 1e-5);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Shapes that do not broadcast; complex numbers.
#[track_caller]
pub fn hyp1f1(a: impl Into<Array>, b: impl Into<Array>, x: impl Into<Array>) -> Array {
    let args = [&a.into(), &b.into(), &x.into()];
    let [out] =
        CustomNary { name: "hyp1f1", statics: 0, f: hyp1f1_value, tangents: hyp1f1_tangents }.apply(args);
    out
}

#[track_caller]
fn hyp1f1_value(_: i64, args: [&Array; 3]) -> [Array; 1] {
    [jitted("hyp1f1", (), args, |args| {
        let [a, b, x] = alike("hyp1f1", args);
        let near = series(1.0, &a / &b * &x, |term, _| term.clone(), |k| (&a + k) / (&b + k) * &x / (k + 1));
        let far = {
            let first = (&b - &a) * (1 - &a) / &x;
            let ratio = |k: &Array| (&b - &a + k) * (1 - &a + k) / (k + 1) / &x;
            let sum = series(1.0, first, |term, _| term.clone(), ratio);
            gamma(&b) / gamma(&a) * lax::exp(&x) * power(&x, &a - &b) * sum
        };
        let out = where_(less(abs(&x), 100), near, far);
        let nonzero = not_equal(&a, 0);
        let out = where_(&nonzero & equal(&b, 0), of(&x, f64::INFINITY), out);
        let out = where_(nonzero & equal(&a, &b), exp(&x), out);
        where_(equal(&a, 0), of(&x, 1.0), out)
    })]
}

/// By `a` and `b` from the series, term by term; by `x` a/b ₁F₁(a + 1; b + 1; x).
#[track_caller]
fn hyp1f1_tangents(_: i64, args: [&Array; 3], _: &[Array; 1], dots: [Option<&Array>; 3]) -> [Array; 1] {
    let [a, b, x] = alike("hyp1f1", args);
    let by = |weight: &dyn Fn(&Array) -> Array| {
        let ratio = |k: &Array| (&a + k) / (&b + k) * &x / (k + 1);
        series(0.0, &a / &b * &x, |term, k| term * weight(k), ratio)
    };
    let by_a = dots[0].map(|da| by(&|k| digamma(&a + k) - digamma(&a)) * da);
    let by_b = dots[1].map(|db| by(&|k| digamma(&b) - digamma(&b + k)) * db);
    let by_x = dots[2].map(|dx| &a / &b * hyp1f1(&a + 1, &b + 1, &x) * dx);
    [sum_of_terms([by_a, by_b, by_x])]
}

/// Gauss's hypergeometric function ₂F₁(a, b; c; x).
///
/// ```
/// use raxla::scipy::special;
///
/// // ₂F₁(1, 1; 2; x) = -log(1 - x) / x
/// let y = special::hyp2f1(1.0, 1.0, 2.0, 0.5).item::<f32>()?;
/// assert!((y - 1.386_294_4).abs() < 1e-5);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Shapes that do not broadcast; complex numbers.
#[track_caller]
pub fn hyp2f1(a: impl Into<Array>, b: impl Into<Array>, c: impl Into<Array>, x: impl Into<Array>) -> Array {
    let args = [&a.into(), &b.into(), &c.into(), &x.into()];
    let [out] =
        CustomNary { name: "hyp2f1", statics: 0, f: hyp2f1_value, tangents: hyp2f1_tangents }.apply(args);
    out
}

#[track_caller]
fn hyp2f1_value(_: i64, args: [&Array; 4]) -> [Array; 1] {
    [jitted("hyp2f1", (), args, |args| {
        let [a, b, c, x] = alike("hyp2f1", args);
        let eps = epsilon(&x) * 50.0;
        let (d, s) = (&c - &a - &b, 1 - &x);
        let (ca, cb) = (&c - &a, &c - &b);
        let whole = |x: &Array| equal(remainder(x, 1), 0);
        let infinity = of(&x, f64::INFINITY);
        let fractional = greater_equal(abs(&d - round(&d)), eps);
        // The first that holds, so the last to be selected.
        let out = finite_or_infinite(&a, &b, &c, &x);
        let at_one = gamma(&c) * gamma(&d) / (gamma(&ca) * gamma(&cb));
        let out = where_(equal(&x, 1), at_one, out);
        let out = where_(greater(&x, 1), &infinity, out);
        let out = where_(less(&x, 1) & equal(&a, &c), power(&s, -&b), out);
        let out = where_(less(&x, 1) & equal(&b, &c), power(&s, -&a), out);
        let out = where_(less_equal(&d, 0) & equal(&x, 1), &infinity, out);
        let transformed = power(&s, &d) * finite_or_infinite(&ca, &cb, &c, &x);
        let out = where_(less_equal(&d, -1) & !(fractional & less(&s, 0)), transformed, out);
        let out = where_(equal(&c, 0) | (less(&c, 0) & whole(&c)), &infinity, out);
        let nothing = (equal(&a, 0) | equal(&b, 0)) & not_equal(&c, 0);
        where_(equal(&x, 0) | nothing, of(&x, 1.0), out)
    })]
}

/// The polynomial that the series is if `a` or `b` is a negative integer, the series, or near 1 a transformation of it.
#[track_caller]
fn finite_or_infinite(a: &Array, b: &Array, c: &Array, x: &Array) -> Array {
    let eps = epsilon(x) * 50.0;
    let d = c - a - b;
    let negative_integer = |x: &Array| less_equal(x, 0) & less(abs(x - round(x)), eps);
    let finite = negative_integer(a) | negative_integer(b);
    let near_one = greater(x, 0.9) & !&finite;
    let whole = less(abs(&d - round(&d)), eps);
    let out = where_(&finite, terminating(a, b, c, x), power_series(a, b, c, x));
    let out = where_(&near_one & !&whole, power_series(a, b, c, x), out);
    where_(near_one & whole, near_one_series(a, b, c, x), out)
}

/// The sum of `|a|` terms.
#[track_caller]
fn terminating(a: &Array, b: &Array, c: &Array, x: &Array) -> Array {
    let eps = epsilon(x) * 50.0;
    // The one of smaller magnitude ends it, unless a zero of the denominator comes before.
    let whole = less(abs(b - round(b)), eps);
    let zero_before = equal(remainder(c, 1), 0) & less_equal(c, 0) & greater(c, b);
    let swap = less(b, a) & whole & !zero_before;
    let (a, b) = (where_(&swap, b, a), where_(&swap, a, b));
    let a = abs(a);
    let [_, sum, _] = while_each(
        [of(x, 1.0), of(x, 1.0), of(x, 1.0)],
        |[i, ..]| less(i, &a + 1),
        |[i, sum, term]| {
            let term = term * (-(&a - i + 1) / (c + i - 1) * (&b + i - 1) / i * x);
            [i + 1, sum + &term, term]
        },
    );
    sum
}

#[track_caller]
fn power_series(a: &Array, b: &Array, c: &Array, x: &Array) -> Array {
    let eps = epsilon(x);
    let [sum, ..] = while_each(
        [of(x, 0.0), of(x, 1.0), of(x, 1.0)],
        |[sum, k, term]| less(k, TERMS) & greater(abs(term), eps * abs(sum)),
        |[sum, k, term]| {
            let next = term * ((a + k - 1) * (b + k - 1) / (c + k - 1) / k * x);
            [sum + term, k + 1, next]
        },
    );
    sum
}

/// Near 1, where c - a - b is an integer: the logarithmic case. DLMF 15.8.10.
#[track_caller]
fn near_one_series(a: &Array, b: &Array, c: &Array, x: &Array) -> Array {
    let eps = epsilon(x);
    let d = c - a - b;
    let s = 1 - x;
    let whole = round(&d);
    let zero = of(x, 0.0);
    let up = greater_equal(&whole, 0);
    let e = where_(&up, &d, -&d);
    let (d1, d2) = (where_(&up, &d, &zero), where_(&up, &zero, &d));
    let steps = where_(&up, &whole, -&whole);
    let log_s = log(&s);
    let y = digamma(of(x, 1.0)) + digamma(1.0 + &e) - digamma(a + &d1) - digamma(b + &d1) - &log_s;
    let y = y / gamma(&e + 1.0);
    let p = (a + &d1) * (b + &d1) * &s / gamma(&e + 2.0);
    let [_, _, _, y] = while_each(
        [of(x, 1.0), p, y.clone(), y],
        |[t, _, q, y]| less(t, TERMS) & greater_equal(abs(q), eps * abs(y)),
        |[t, p, _, y]| {
            let r = digamma(1.0 + t) + digamma(1.0 + t + &e)
                - digamma(a + t + &d1)
                - digamma(b + t + &d1)
                - &log_s;
            let q = p * r;
            let p = p * (&s * (a + t + &d1) / (t + 1.0)) * ((b + t + &d1) / (t + 1.0 + &e));
            [t + 1.0, p, q.clone(), y + q]
        },
    );
    let simple = &y * gamma(c) / (gamma(a) * gamma(b));
    // The finite sum in front of it.
    let [_, _, _, finite] = while_each(
        [of(x, 1.0), zero, of(x, 1.0), of(x, 1.0)],
        |[i, ..]| less(i, &steps),
        |[i, t, p, sum]| {
            let r = 1.0 - &e + t;
            let p = p * (&s * (a + t + &d2) * (b + t + &d2) / r);
            let t = t + 1.0;
            let p = p / &t;
            [i + 1, t, p.clone(), sum + p]
        },
    );
    let finite = finite * (gamma(&e) * gamma(c) / (gamma(a + &d1) * gamma(b + &d1)));
    let y = y * (gamma(c) / (gamma(a + &d2) * gamma(b + &d2)));
    let odd = not_equal(remainder(&steps, 2), 0);
    let y = where_(odd, -&y, &y);
    let q = power(s, &whole);
    let summed = where_(greater(&whole, 0), &y * &q + &finite, &y + &finite * &q);
    where_(equal(whole, 0), simple, summed)
}

/// By `a`, `b` and `c` from the series, term by term; by `x` a b / c ₂F₁(a + 1, b + 1; c + 1; x).
#[track_caller]
fn hyp2f1_tangents(_: i64, args: [&Array; 4], _: &[Array; 1], dots: [Option<&Array>; 4]) -> [Array; 1] {
    let [a, b, c, x] = alike("hyp2f1", args);
    let by = |weight: &dyn Fn(&Array) -> Array| {
        let ratio = |k: &Array| (&a + k) * (&b + k) / (&c + k) / (k + 1) * &x;
        series(0.0, &a * &b / &c * &x, |term, k| term * weight(k), ratio)
    };
    let by_a = dots[0].map(|da| by(&|k| digamma(&a + k) - digamma(&a)) * da);
    let by_b = dots[1].map(|db| by(&|k| digamma(&b + k) - digamma(&b)) * db);
    let by_c = dots[2].map(|dc| by(&|k| digamma(&c) - digamma(&c + k)) * dc);
    let by_x = dots[3].map(|dx| &a * &b / &c * hyp2f1(&a + 1, &b + 1, &c + 1, &x) * dx);
    [sum_of_terms([by_a, by_b, by_c, by_x])]
}
