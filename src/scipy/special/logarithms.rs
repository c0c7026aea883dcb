//! Logarithms and exponentials that are exact at their edges, entropies. JAX: `scipy/special.py`.

use super::util::sum_of_terms;
use crate::core::array::Array;
use crate::custom_derivatives::{CustomNary, CustomUnary};
use crate::lax;
use crate::numpy::util::{constant, inexact, promote_args_inexact, reject_complex};
use crate::numpy::{equal, expm1, isnan, log, log1p, not_equal, ones_like, where_, zeros_like};

/// `log(x / (1 - x))`, the inverse of [`expit`].
#[track_caller]
pub fn logit(x: impl Into<Array>) -> Array {
    let value = |x: &Array| {
        let x = inexact(x);
        lax::log(&lax::div(&x, &lax::sub(&constant(&x, 1.0), &x)))
    };
    let tangent = |x: &Array, _: &Array, dx: &Array| dx / (x * (1 - x));
    CustomUnary { name: "logit", f: value, tangent }.apply(&x.into())
}

/// The logistic function `1 / (1 + e⁻ˣ)`.
#[track_caller]
pub fn expit(x: impl Into<Array>) -> Array {
    lax::logistic(&inexact(&x.into()))
}

/// `x log(y)`, and 0 where `x` is zero, whatever `y` is but NaN.
///
/// ```
/// use raxla::scipy::special;
///
/// assert_eq!(special::xlogy(0.0, 0.0).item::<f32>()?, 0.0);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Shapes that do not broadcast.
#[track_caller]
pub fn xlogy(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    let value = |_, [x, y]: [&Array; 2]| {
        let [x, y] = promote_args_inexact("xlogy", [x, y]);
        [where_(not_equal(&x, 0.0) | isnan(&y), lax::mul(&x, &lax::log(&y)), zeros_like(&x))]
    };
    // d = log(y) dx + x / y dy
    let tangents = |_, [x, y]: [&Array; 2], _: &[Array; 1], [dx, dy]: [Option<&Array>; 2]| {
        [sum_of_terms([dx.map(|dx| dx * log(y)), dy.map(|dy| dy * x / y)])]
    };
    let [out] = CustomNary { name: "xlogy", statics: 0, f: value, tangents }.apply([&x.into(), &y.into()]);
    out
}

/// `x log(1 + y)`, and 0 where `x` is zero, whatever `y` is but NaN.
///
/// # Errors
/// Shapes that do not broadcast.
#[track_caller]
pub fn xlog1py(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    let value = |_, [x, y]: [&Array; 2]| {
        let [x, y] = promote_args_inexact("xlog1py", [x, y]);
        [where_(not_equal(&x, 0.0) | isnan(&y), lax::mul(&x, &lax::log1p(&y)), zeros_like(&x))]
    };
    // d = log(1 + y) dx + x / (1 + y) dy
    let tangents = |_, [x, y]: [&Array; 2], _: &[Array; 1], [dx, dy]: [Option<&Array>; 2]| {
        [sum_of_terms([dx.map(|dx| dx * log1p(y)), dy.map(|dy| dy * x / (1 + y))])]
    };
    let [out] = CustomNary { name: "xlog1py", statics: 0, f: value, tangents }.apply([&x.into(), &y.into()]);
    out
}

/// `x log(x)`: d = (log(x) + 1) dx
#[track_caller]
fn xlogx(x: &Array) -> Array {
    let tangent = |x: &Array, _: &Array, dx: &Array| dx * (log(x) + 1);
    CustomUnary { name: "_xlogx", f: |x| xlogy(x, x), tangent }.apply(x)
}

/// The entropy `-x log(x)`: 0 at zero, minus infinity below.
///
/// # Errors
/// `entr does not support complex-valued inputs, got c64[3]`.
#[track_caller]
pub fn entr(x: impl Into<Array>) -> Array {
    let x = inexact(&x.into());
    reject_complex("entr", &x);
    let below = lax::lt(&x, &constant(&x, 0.0));
    lax::select(&below, &lax::full_like(&x, f64::NEG_INFINITY), &lax::neg(&xlogx(&x)))
}

/// The relative entropy of elements, `p log(p / q)`: 0 where `p` is zero and `q` is not negative, infinity outside of that.
///
/// # Errors
/// Shapes that do not broadcast; complex numbers.
#[track_caller]
pub fn rel_entr(p: impl Into<Array>, q: impl Into<Array>) -> Array {
    let [p, q] = promote_args_inexact("rel_entr", [&p.into(), &q.into()]);
    reject_complex("rel_entr", &p);
    let zero = constant(&p, 0.0);
    let positive = lax::bitwise_and(&lax::gt(&p, &zero), &lax::gt(&q, &zero));
    let nothing = lax::bitwise_and(&lax::eq(&p, &zero), &lax::ge(&q, &zero));
    let (safe_p, safe_q) = (where_(&positive, p, 1), where_(&positive, q, 1));
    let value = xlogx(&safe_p) - xlogy(safe_p, safe_q);
    where_(positive, value, where_(nothing, zero, f64::INFINITY))
}

/// The Kullback–Leibler divergence of elements, `p log(p / q) - p + q`.
///
/// # Errors
/// Shapes that do not broadcast; complex numbers.
#[track_caller]
pub fn kl_div(p: impl Into<Array>, q: impl Into<Array>) -> Array {
    let [p, q] = promote_args_inexact("kl_div", [&p.into(), &q.into()]);
    reject_complex("kl_div", &p);
    rel_entr(&p, &q) - p + q
}

/// The transformation of Box and Cox: `(x^lmbda - 1) / lmbda`, and `log(x)` where `lmbda` is zero.
///
/// # Errors
/// Shapes that do not broadcast.
#[track_caller]
pub fn boxcox(x: impl Into<Array>, lmbda: impl Into<Array>) -> Array {
    let [x, lmbda] = promote_args_inexact("boxcox", [&x.into(), &lmbda.into()]);
    power_of_logarithm(|| log(x), &lmbda)
}

/// [`boxcox`] of `1 + x`, exact near zero.
///
/// # Errors
/// Shapes that do not broadcast.
#[track_caller]
pub fn boxcox1p(x: impl Into<Array>, lmbda: impl Into<Array>) -> Array {
    let [x, lmbda] = promote_args_inexact("boxcox1p", [&x.into(), &lmbda.into()]);
    power_of_logarithm(|| log1p(x), &lmbda)
}

#[track_caller]
fn power_of_logarithm(log_x: impl FnOnce() -> Array, lmbda: &Array) -> Array {
    let is_zero = equal(lmbda, 0);
    let safe = where_(&is_zero, ones_like(lmbda), lmbda);
    let log_x = log_x();
    let value = expm1(&safe * &log_x) / safe;
    where_(is_zero, log_x, value)
}
