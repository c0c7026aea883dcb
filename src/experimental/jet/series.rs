//! Taylor series of functions of one series: recurrences for their coefficients, each found of those before it.
//!
//! With `x = Σ xₖ tᵏ` a product has the coefficients `Σ xⱼ yₖ₋ⱼ`; and `y' = c x'` says that `k yₖ = Σ j xⱼ cₖ₋ⱼ`.

use std::f64::consts::{FRAC_2_SQRT_PI, LN_2};

use smallvec::smallvec;

use super::trace::{Series, Taylor};
use crate::core::array::Array;
use crate::core::primitive::Tangent;
use crate::lax;
use crate::lax::elementwise::broadcast_tangent;
use crate::lax::{literal_like, mul};

/// `a + b`.
pub(super) fn plus(a: Tangent, b: Tangent) -> Tangent {
    match (a, b) {
        (Some(a), Some(b)) => Some(lax::add(&a, &b)),
        (a, b) => a.or(b),
    }
}

/// `a - b`.
pub(super) fn minus(a: Tangent, b: Tangent) -> Tangent {
    match (a, b) {
        (Some(a), Some(b)) => Some(lax::sub(&a, &b)),
        (a, None) => a,
        (None, b) => b.map(|b| lax::neg(&b)),
    }
}

/// `c x` for a number.
pub(super) fn scaled(x: Tangent, c: f64) -> Tangent {
    match c {
        1.0 => x,
        -1.0 => x.map(|x| lax::neg(&x)),
        _ => x.map(|x| mul(&x, &literal_like(&x, c))),
    }
}

/// `x / k`, exact where it can be.
pub(super) fn over(x: Tangent, k: usize) -> Tangent {
    if k == 1 { x } else { x.map(|x| lax::div(&x, &literal_like(&x, k as f64))) }
}

fn times(a: &Tangent, b: &Tangent) -> Tangent {
    Some(mul(a.as_ref()?, b.as_ref()?))
}

/// `x + c` for the value of a series.
fn shifted(x: &Tangent, c: f64) -> Tangent {
    x.as_ref().map(|x| lax::add(x, &literal_like(x, c)))
}

/// Coefficient `k` of `a b`.
pub(super) fn product(k: usize, a: &[Tangent], b: &[Tangent]) -> Tangent {
    (0..=k).fold(None, |sum, j| plus(sum, times(&a[j], &b[k - j])))
}

/// Coefficient `k` of `x²`, each product once.
fn squared(k: usize, x: &[Tangent]) -> Tangent {
    let pairs = (0..k.div_ceil(2)).fold(None, |sum, j| plus(sum, times(&x[j], &x[k - j])));
    let middle = if k.is_multiple_of(2) { times(&x[k / 2], &x[k / 2]) } else { None };
    plus(scaled(pairs, 2.0), middle)
}

/// The whole of `a b`.
pub(super) fn multiplied(a: &[Tangent], b: &[Tangent]) -> Series {
    (0..a.len()).map(|k| product(k, a, b)).collect()
}

/// The whole of `x²`.
fn square(x: &[Tangent]) -> Series {
    (0..x.len()).map(|k| squared(k, x)).collect()
}

/// `a / b`: what `y b = a` says of each coefficient.
pub(super) fn quotient(first: Array, a: &[Tangent], b: &[Tangent]) -> Series {
    let mut y: Series = smallvec![Some(first)];
    for k in 1..a.len() {
        let known = (0..k).fold(None, |sum, j| plus(sum, times(&y[j], &b[k - j])));
        let rest = minus(a[k].clone(), known);
        y.push(divided(rest, &b[0]));
    }
    y
}

fn divided(a: Tangent, b: &Tangent) -> Tangent {
    Some(lax::div(&a?, b.as_ref()?))
}

/// Coefficient `k` of what has the derivative `c x'`: `Σ j xⱼ cₖ₋ⱼ / k`.
fn chain(k: usize, c: &[Tangent], x: &[Tangent]) -> Tangent {
    let sum = (1..=k).fold(None, |sum, j| plus(sum, scaled(times(&x[j], &c[k - j]), j as f64)));
    over(sum, k)
}

/// `y` with `y' = c x'`, where coefficient `k` of `c` is found of those of `y` up to `k`.
fn integrated(first: Array, x: &[Tangent], mut c: impl FnMut(usize, &[Tangent]) -> Tangent) -> Series {
    let (mut y, mut cs): (Series, Series) = (smallvec![Some(first)], Series::new());
    for k in 1..x.len() {
        cs.push(c(k - 1, &y));
        y.push(chain(k, &cs, x));
    }
    y
}

/// `y` with `c y' = x'`.
fn integrated_over(first: Array, x: &[Tangent], mut c: impl FnMut(usize, &[Tangent]) -> Tangent) -> Series {
    let (mut y, mut cs): (Series, Series) = (smallvec![Some(first)], Series::new());
    for k in 1..x.len() {
        cs.push(c(k - 1, &y));
        let known = (1..k).fold(None, |sum, j| plus(sum, scaled(times(&y[j], &cs[k - j]), j as f64)));
        let rest = minus(x[k].clone(), over(known, k));
        y.push(divided(rest, &cs[0]));
    }
    y
}

/// `exp(x)`.
fn exponential(x: &[Tangent]) -> Series {
    match &x[0] {
        Some(value) => integrated(lax::exp(value), x, |k, y| y[k].clone()),
        None => Series::new(),
    }
}

/// `√x`.
fn root(x: &[Tangent]) -> Series {
    match &x[0] {
        Some(value) => integrated_over(lax::sqrt(value), x, |k, y| scaled(y[k].clone(), 2.0)),
        None => Series::new(),
    }
}

/// `x + c`.
fn plus_number(mut x: Series, c: f64) -> Series {
    x[0] = shifted(&x[0], c);
    x
}

fn negated(x: Series) -> Series {
    x.into_iter().map(|x| scaled(x, -1.0)).collect()
}

/// `(sin x, cos x)`, or with `sign` 1 `(sinh x, cosh x)`.
fn circular(x: &[Tangent], sin: Array, cos: Array, sign: f64) -> [Series; 2] {
    let (mut s, mut c): (Series, Series) = (smallvec![Some(sin)], smallvec![Some(cos)]);
    for k in 1..x.len() {
        let (next_s, next_c) = (chain(k, &c, x), scaled(chain(k, &s, x), sign));
        s.push(next_s);
        c.push(next_c);
    }
    [s, c]
}

/// The series of the function of one operand that is called `name`, whose value at the operand's is `y`; `None` if there is no
/// recurrence for it here.
pub(super) fn unary(name: &str, operand: &Taylor, y: impl FnOnce() -> Array) -> Option<Series> {
    let value = &operand.primal;
    let x = &operand.series()[..];
    Some(match name {
        "square" => {
            let mut square = square(x);
            square[0] = Some(y());
            square
        }
        "exp" => integrated(y(), x, |k, y| y[k].clone()),
        "exp2" => integrated(y(), x, |k, y| scaled(y[k].clone(), LN_2)),
        // y' = (y + 1) x'
        "expm1" => integrated(y(), x, |k, y| if k == 0 { shifted(&y[0], 1.0) } else { y[k].clone() }),
        // x y' = x'
        "log" => integrated_over(y(), x, |k, _| x[k].clone()),
        "log1p" => integrated_over(y(), x, |k, _| if k == 0 { shifted(&x[0], 1.0) } else { x[k].clone() }),
        // y' = y (1 - y) x'
        "logistic" => integrated(y(), x, |k, y| minus(y[k].clone(), squared(k, y))),
        // y' = (1 - y²) x'
        "tanh" => integrated(y(), x, |k, y| {
            let square = scaled(squared(k, y), -1.0);
            if k == 0 { shifted(&square, 1.0) } else { square }
        }),
        // y' = (1 + y²) x'
        "tan" => integrated(y(), x, |k, y| if k == 0 { shifted(&squared(0, y), 1.0) } else { squared(k, y) }),
        "sin" => circular(x, y(), lax::cos(value), -1.0).into_iter().next()?,
        "cos" => circular(x, lax::sin(value), y(), -1.0).into_iter().nth(1)?,
        "sinh" => circular(x, y(), lax::cosh(value), 1.0).into_iter().next()?,
        "cosh" => circular(x, lax::sinh(value), y(), 1.0).into_iter().nth(1)?,
        // √(1 - x²) y' = x'
        "asin" => {
            let c = root(&plus_number(negated(square(x)), 1.0));
            integrated_over(y(), x, |k, _| c[k].clone())
        }
        "acos" => {
            let c = negated(root(&plus_number(negated(square(x)), 1.0)));
            integrated_over(y(), x, |k, _| c[k].clone())
        }
        "atan" => {
            let c = plus_number(square(x), 1.0);
            integrated_over(y(), x, |k, _| c[k].clone())
        }
        "asinh" => {
            let c = root(&plus_number(square(x), 1.0));
            integrated_over(y(), x, |k, _| c[k].clone())
        }
        // √(x - 1) √(x + 1) y' = x'
        "acosh" => {
            let (below, above) = (plus_number(operand.series(), -1.0), plus_number(operand.series(), 1.0));
            let c = multiplied(&root(&below), &root(&above));
            integrated_over(y(), x, |k, _| c[k].clone())
        }
        "atanh" => {
            let c = plus_number(negated(square(x)), 1.0);
            integrated_over(y(), x, |k, _| c[k].clone())
        }
        // 2 y y' = x'
        "sqrt" => integrated_over(y(), x, |k, y| scaled(y[k].clone(), 2.0)),
        // 3 y² y' = x'
        "cbrt" => integrated_over(y(), x, |k, y| scaled(squared(k, y), 3.0)),
        // -2 x √x y' = x'
        "rsqrt" => {
            let c = multiplied(x, &root(x));
            integrated_over(y(), x, |k, _| scaled(c[k].clone(), -2.0))
        }
        // y' = 2/√π exp(-x²) x'
        "erf" => {
            let c = exponential(&negated(square(x)));
            integrated(y(), x, |k, _| scaled(c[k].clone(), FRAC_2_SQRT_PI))
        }
        "erfc" => {
            let c = exponential(&negated(square(x)));
            integrated(y(), x, |k, _| scaled(c[k].clone(), -FRAC_2_SQRT_PI))
        }
        // y' = √π/2 exp(y²) x'
        "erf_inv" => {
            let (mut square, mut e) = (Series::new(), Series::new());
            integrated(y(), x, |k, y| {
                square.push(squared(k, y));
                let next = match (&square[0], k) {
                    (Some(value), 0) => Some(lax::exp(value)),
                    _ => chain(k, &e, &square),
                };
                e.push(next.clone());
                scaled(next, 1.0 / FRAC_2_SQRT_PI)
            })
        }
        _ => return None,
    })
}

/// `xⁿ`, by squares of squares, or the reciprocal of one; exact where `x` is 0.
pub(super) fn integer_power(n: i64, operand: &Taylor, y: Array) -> Series {
    let x = operand.series();
    let mut bits = n.unsigned_abs();
    let (mut power, mut square_of) = (None::<Series>, x.clone());
    while bits > 0 {
        if bits & 1 == 1 {
            power = Some(power.map_or_else(|| square_of.clone(), |power| multiplied(&power, &square_of)));
        }
        bits >>= 1;
        if bits > 0 {
            square_of = square(&square_of);
        }
    }
    let Some(mut power) = power else { return Taylor::constant(y, operand.terms.len()).series() };
    if n < 0 {
        let one: Series = Taylor::constant(literal_like(&y, 1.0), operand.terms.len()).series();
        return quotient(y, &one, &power);
    }
    power[0] = Some(y);
    power
}

/// `x^r` with value `y`.
pub(super) fn power(base: &Taylor, exponent: &Taylor, y: Array) -> Series {
    let (x, r) = (&base.primal, &exponent.primal);
    if !exponent.is_constant() {
        // y' = y (r log x)'
        let log = integrated_over(lax::log(x), &base.series(), |k, _| base.series()[k].clone());
        let z = multiplied(&exponent.series(), &log);
        return integrated(y, &z, |k, y| y[k].clone());
    }
    // Σ aₘ hᵐ, where h is the series without its value and aₘ = r (r - 1) … / m! · x^(r - m): exact where x is 0.
    let order = base.terms.len();
    let mut h = base.series();
    h[0] = None;
    let (mut sum, mut h_m): (Series, Series) = (smallvec![None; order + 1], h.clone());
    let dtype = x.dtype();
    let float = lax::convert(r, dtype, false);
    let mut falling = literal_like(&float, 1.0);
    for m in 1..=order {
        let step = lax::sub(&float, &literal_like(&float, (m - 1) as f64));
        falling = mul(&falling, &lax::div(&step, &literal_like(&float, m as f64)));
        let lower = lax::pow(x, &lax::sub(r, &literal_like(r, m as f64)));
        let a = mul(&falling, &lower);
        // What is no longer there is 0, not 0 · ∞.
        let gone = lax::eq(&broadcast_tangent(falling.clone(), &a), &literal_like(&a, 0.0));
        let a = lax::select(&gone, &lax::zeros_like(&a), &a);
        for k in m..=order {
            sum[k] = plus(sum[k].take(), times(&Some(a.clone()), &h_m[k]));
        }
        if m < order {
            h_m = multiplied(&h_m, &h);
        }
    }
    sum[0] = Some(y);
    sum
}

/// The angle of `(x, y)`: `(x² + y²) θ' = x y' - y x'`.
pub(super) fn angle(y: &Taylor, x: &Taylor, first: Array) -> Series {
    let order = y.terms.len();
    let (ys, xs) = (y.series(), x.series());
    let radius: Series = (0..=order).map(|k| plus(squared(k, &xs), squared(k, &ys))).collect();
    // Of the right side, as of a derivative: number k - 1 counts k times.
    let slope =
        |s: &Series| -> Series { (0..order).map(|k| scaled(s[k + 1].clone(), (k + 1) as f64)).collect() };
    let (dy, dx) = (slope(&ys), slope(&xs));
    let right = |k: usize| minus(product(k, &xs[..order], &dy), product(k, &ys[..order], &dx));
    let mut theta: Series = smallvec![Some(first)];
    for k in 1..=order {
        let known = (1..k).fold(None, |sum, j| plus(sum, scaled(times(&theta[j], &radius[k - j]), j as f64)));
        theta.push(divided(over(minus(right(k - 1), known), k), &radius[0]));
    }
    theta
}
