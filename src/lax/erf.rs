//! Error functions: `erf`, `erfc`, `erf_inv`. JAX: `erf_p`, `erfc_p`, `erf_inv_p`. CHLO: the operation of that name.

use std::f64::consts::{FRAC_2_SQRT_PI, PI};

use crate::core::array::Array;
use crate::core::trace::bind1;
use crate::lax::elementwise::{FLOAT, chlo, d1, elementwise};
use crate::lax::full::literal_like;
use crate::lax::{exp, mul, neg, square};

/// Elementwise error function `2/√π ∫₀ˣ e^(-t²) dt`; float.
///
/// # Errors
/// `erf does not accept dtype i32`.
#[track_caller]
pub fn erf(x: &Array) -> Array {
    bind1(Erf, &[x])
}

/// Elementwise complementary error function `1 - erf(x)`, exact for large `x`; float.
#[track_caller]
pub fn erfc(x: &Array) -> Array {
    bind1(Erfc, &[x])
}

/// Elementwise inverse of [`erf`], for `|x| < 1`; float.
#[track_caller]
pub fn erf_inv(x: &Array) -> Array {
    bind1(ErfInv, &[x])
}

elementwise! {
    Erf: "erf", 1, FLOAT, chlo("chlo.erf"), d1(erf_tangent);
    Erfc: "erfc", 1, FLOAT, chlo("chlo.erfc"), d1(erfc_tangent);
    ErfInv: "erf_inv", 1, FLOAT, chlo("chlo.erf_inv"), d1(erf_inv_tangent);
}

/// dy = 2/√π e^(-x²) dx
fn erf_tangent(x: &Array, _: &Array, dx: &Array) -> Array {
    mul(&literal_like(x, FRAC_2_SQRT_PI), &mul(dx, &exp(&neg(&square(x)))))
}

/// dy = -2/√π e^(-x²) dx
fn erfc_tangent(x: &Array, _: &Array, dx: &Array) -> Array {
    mul(&literal_like(x, -FRAC_2_SQRT_PI), &mul(dx, &exp(&neg(&square(x)))))
}

/// dy = √π/2 e^(y²) dx
fn erf_inv_tangent(x: &Array, y: &Array, dx: &Array) -> Array {
    mul(&literal_like(x, PI.sqrt() / 2.0), &mul(dx, &exp(&square(y))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lax::testing::{Draw, FLOATS, case, check_rules};

    #[test]
    fn rules_of_error_functions() {
        let mut draw = Draw::new(17);
        check_rules(FLOATS.into_iter().flat_map(|d| {
            let x = [draw.uniform(d, &[2, 3], -0.8, 0.8)];
            [
                case("erf", x.clone(), |x| erf(&x[0])),
                case("erfc", x.clone(), |x| erfc(&x[0])),
                case("erf_inv", x.clone(), |x| erf_inv(&x[0])),
            ]
        }));
    }
}
