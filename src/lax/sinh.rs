//! Hyperbolic functions and their inverses: `sinh`, `cosh`, `tanh`, `asinh`, `acosh`, `atanh`. JAX: `sinh_p` and its
//! like. CHLO: the operation of that name; StableHLO: `tanh`.

use crate::core::array::Array;
use crate::core::trace::bind1;
use crate::lax::accuracy::{AccuracyMode, AccuracyOptions, ResultAccuracy, accurate, op};
use crate::lax::elementwise::{INEXACT, chlo, d1, elementwise};
use crate::lax::full::literal_like;
use crate::lax::{add, div, logistic_with, mul, reciprocal, rsqrt, square, sub};

/// Elementwise hyperbolic sine; float or complex.
///
/// # Errors
/// `sinh does not accept dtype i32`.
#[track_caller]
pub fn sinh(x: &Array) -> Array {
    bind1(Sinh, &[x])
}

/// Elementwise hyperbolic cosine; float or complex.
#[track_caller]
pub fn cosh(x: &Array) -> Array {
    bind1(Cosh, &[x])
}

/// Elementwise inverse hyperbolic sine; float or complex.
#[track_caller]
pub fn asinh(x: &Array) -> Array {
    bind1(Asinh, &[x])
}

/// Elementwise inverse hyperbolic cosine, for `x >= 1`; float or complex.
#[track_caller]
pub fn acosh(x: &Array) -> Array {
    bind1(Acosh, &[x])
}

/// Elementwise inverse hyperbolic tangent, for `|x| < 1`; float or complex.
#[track_caller]
pub fn atanh(x: &Array) -> Array {
    bind1(Atanh, &[x])
}

elementwise! {
    Sinh: "sinh", 1, INEXACT, chlo("chlo.sinh"), d1(sinh_tangent);
    Cosh: "cosh", 1, INEXACT, chlo("chlo.cosh"), d1(cosh_tangent);
    Asinh: "asinh", 1, INEXACT, chlo("chlo.asinh"), d1(asinh_tangent);
    Acosh: "acosh", 1, INEXACT, chlo("chlo.acosh"), d1(acosh_tangent);
    Atanh: "atanh", 1, INEXACT, chlo("chlo.atanh"), d1(atanh_tangent);
}

accurate! {
    /// Elementwise hyperbolic tangent; float or complex.
    ///
    /// # Errors
    /// `tanh does not accept dtype i32`.
    tanh tanh_with Tanh: "tanh", INEXACT, op("stablehlo.tanh"), tanh_tangent;
}

/// dy = cosh(x) dx
fn sinh_tangent(x: &Array, _: &Array, dx: &Array) -> Array {
    mul(dx, &cosh(x))
}

/// dy = sinh(x) dx
fn cosh_tangent(x: &Array, _: &Array, dx: &Array) -> Array {
    mul(dx, &sinh(x))
}

/// dy = (1 - y²) dx, as (dx + dx y) (1 - y); more exactly 4 · logistic(2x) · logistic(-2x) dx
fn tanh_tangent(x: &Array, y: &Array, dx: &Array, accuracy: ResultAccuracy) -> Array {
    if accuracy != Some(AccuracyMode::Highest) {
        return mul(&add(dx, &mul(dx, y)), &sub(&literal_like(x, 1.0), y));
    }
    let [up, down] = [2.0, -2.0].map(|factor| {
        let options = AccuracyOptions::new().accuracy(AccuracyMode::Highest);
        logistic_with(&mul(&literal_like(x, factor), x), options)
    });
    mul(dx, &mul(&literal_like(x, 4.0), &mul(&up, &down)))
}

/// dy = dx / √(x² + 1)
fn asinh_tangent(x: &Array, _: &Array, dx: &Array) -> Array {
    mul(dx, &rsqrt(&add(&square(x), &literal_like(x, 1.0))))
}

/// dy = dx / √(x² - 1)
fn acosh_tangent(x: &Array, _: &Array, dx: &Array) -> Array {
    mul(dx, &rsqrt(&sub(&square(x), &literal_like(x, 1.0))))
}

/// dy = 1 / (1 + x) · dx / (1 - x)
fn atanh_tangent(x: &Array, _: &Array, dx: &Array) -> Array {
    let one = literal_like(x, 1.0);
    mul(&reciprocal(&add(&one, x)), &div(dx, &sub(&one, x)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lax::testing::{Draw, INEXACTS, case, check_rules};

    #[test]
    fn rules_of_hyperbolic_functions() {
        let mut draw = Draw::new(7);
        check_rules(INEXACTS.into_iter().flat_map(|d| {
            let x = [draw.uniform(d, &[2, 3], -0.8, 0.8)];
            [
                case("sinh", x.clone(), |x| sinh(&x[0])),
                case("cosh", x.clone(), |x| cosh(&x[0])),
                case("tanh", x.clone(), |x| tanh(&x[0])),
                case("tanh", x.clone(), |x| {
                    tanh_with(&x[0], AccuracyOptions::new().accuracy(AccuracyMode::Highest))
                }),
                case("asinh", x.clone(), |x| asinh(&x[0])),
                case("atanh", x.clone(), |x| atanh(&x[0])),
            ]
        }));
        check_rules(INEXACTS.into_iter().flat_map(|d| {
            let x = [draw.uniform(d, &[2, 3], 1.2, 2.5)];
            [case("acosh", x.clone(), |x| acosh(&x[0]))]
        }));
    }
}
