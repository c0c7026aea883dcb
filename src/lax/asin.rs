//! Inverse trigonometric functions: `asin`, `acos`, `atan`, `atan2`. JAX: `asin_p`, `acos_p`, `atan_p`, `atan2_p`. CHLO:
//! `asin`, `acos`, `atan`. StableHLO: `atan2`.

use crate::core::array::Array;
use crate::core::trace::bind1;
use crate::lax::elementwise::{INEXACT, chlo, d1, d2, elementwise, op};
use crate::lax::full::literal_like;
use crate::lax::{add, div, mul, neg, rsqrt, square, sub};

/// Elementwise arc sine, in radians; float or complex.
///
/// # Errors
/// `asin does not accept dtype i32`.
#[track_caller]
pub fn asin(x: &Array) -> Array {
    bind1(Asin, &[x])
}

/// Elementwise arc cosine, in radians; float or complex.
#[track_caller]
pub fn acos(x: &Array) -> Array {
    bind1(Acos, &[x])
}

/// Elementwise arc tangent, in radians; float or complex.
#[track_caller]
pub fn atan(x: &Array) -> Array {
    bind1(Atan, &[x])
}

/// Elementwise angle of the point `(y, x)`, in radians in `-π..=π`; operands of one float or complex dtype.
///
/// # Errors
/// `atan2 got incompatible shapes for broadcasting: (3,), (4,): 3 and 4 at axis -1 are neither equal nor 1`; operands of different dtypes.
#[track_caller]
pub fn atan2(x: &Array, y: &Array) -> Array {
    bind1(Atan2, &[x, y])
}

elementwise! {
    Asin: "asin", 1, INEXACT, chlo("chlo.asin"), d1(asin_tangent);
    Acos: "acos", 1, INEXACT, chlo("chlo.acos"), d1(acos_tangent);
    Atan: "atan", 1, INEXACT, chlo("chlo.atan"), d1(atan_tangent);
    Atan2: "atan2", 2, INEXACT, op("stablehlo.atan2"), d2(atan2_left, atan2_right);
}

/// 1 / √(1 - x²)
fn asin_slope(x: &Array) -> Array {
    rsqrt(&sub(&literal_like(x, 1.0), &square(x)))
}

/// dy = dx / √(1 - x²)
fn asin_tangent(x: &Array, _: &Array, dx: &Array) -> Array {
    mul(dx, &asin_slope(x))
}

/// dy = -dx / √(1 - x²)
fn acos_tangent(x: &Array, _: &Array, dx: &Array) -> Array {
    mul(dx, &neg(&asin_slope(x)))
}

/// dy = dx / (1 + x²)
fn atan_tangent(x: &Array, _: &Array, dx: &Array) -> Array {
    div(dx, &add(&literal_like(x, 1.0), &square(x)))
}

/// dz = y / (x² + y²) dx
fn atan2_left(dx: &Array, _: &Array, x: &Array, y: &Array) -> Array {
    mul(dx, &div(y, &add(&square(x), &square(y))))
}

/// dz = -x / (x² + y²) dy
fn atan2_right(dy: &Array, _: &Array, x: &Array, y: &Array) -> Array {
    mul(dy, &div(&neg(x), &add(&square(x), &square(y))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lax::testing::{Draw, FLOATS, INEXACTS, case, check_rules};

    #[test]
    fn rules_of_inverse_trigonometric_functions() {
        let mut draw = Draw::new(5);
        check_rules(INEXACTS.into_iter().flat_map(|d| {
            let x = [draw.uniform(d, &[2, 3], -0.8, 0.8)];
            [
                case("asin", x.clone(), |x| asin(&x[0])),
                case("acos", x.clone(), |x| acos(&x[0])),
                case("atan", x.clone(), |x| atan(&x[0])),
            ]
        }));
    }

    #[test]
    fn rules_of_atan2() {
        let mut draw = Draw::new(6);
        check_rules(
            FLOATS
                .into_iter()
                .flat_map(|d| draw.pairs(d).map(|args| case("atan2", args, |x| atan2(&x[0], &x[1])))),
        );
    }
}
