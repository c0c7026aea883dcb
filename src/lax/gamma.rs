//! The logarithm of the gamma function and its derivatives: `lgamma`, `digamma`, `polygamma`, and `zeta`. JAX: `lgamma_p`
//! and its like. CHLO: the operation of that name.

use crate::core::array::Array;
use crate::core::primitive::{Jvp, Primitive, Tangent};
use crate::core::trace::bind1;
use crate::error::bail;
use crate::lax::elementwise::{FLOAT, chlo, d1, d2, elementwise, undefined};
use crate::lax::full::literal_like;
use crate::lax::{add, mul};

/// Elementwise `log |Γ(x)|`; float.
///
/// # Errors
/// `lgamma does not accept dtype i32`.
#[track_caller]
pub fn lgamma(x: &Array) -> Array {
    bind1(Lgamma, &[x])
}

/// Elementwise `ψ(x)`, the derivative of [`lgamma`]; float.
#[track_caller]
pub fn digamma(x: &Array) -> Array {
    bind1(Digamma, &[x])
}

/// Elementwise `m`-th derivative of [`digamma`] at `x`; operands of one float dtype, `m` a whole number. Not
/// differentiable in `m`.
#[track_caller]
pub fn polygamma(m: &Array, x: &Array) -> Array {
    bind1(Polygamma, &[m, x])
}

/// Elementwise Hurwitz zeta function `Σₖ (q + k)⁻ˣ`; operands of one float dtype. It has no derivative.
#[track_caller]
pub fn zeta(x: &Array, q: &Array) -> Array {
    bind1(Zeta, &[x, q])
}

elementwise! {
    Lgamma: "lgamma", 1, FLOAT, chlo("chlo.lgamma"), d1(lgamma_tangent);
    Digamma: "digamma", 1, FLOAT, chlo("chlo.digamma"), d1(digamma_tangent);
    Polygamma: "polygamma", 2, FLOAT, chlo("chlo.polygamma"), polygamma_jvp;
    Zeta: "zeta", 2, FLOAT, chlo("chlo.zeta"), undefined;
}

/// dy = ψ(x) dx
fn lgamma_tangent(x: &Array, _: &Array, dx: &Array) -> Array {
    mul(dx, &digamma(x))
}

/// dy = ψ′(x) dx
fn digamma_tangent(x: &Array, _: &Array, dx: &Array) -> Array {
    mul(dx, &polygamma(&literal_like(x, 1.0), x))
}

fn polygamma_jvp<P: Primitive>(prim: P, primals: &[Array], tangents: &[Tangent]) -> Jvp {
    if tangents[0].is_some() {
        bail!(Differentiation, "polygamma gradient with respect to m is not supported");
    }
    d2(polygamma_right, polygamma_right)(prim, primals, tangents)
}

/// dy = ψ⁽ᵐ⁺¹⁾(x) dx
fn polygamma_right(dx: &Array, _: &Array, m: &Array, x: &Array) -> Array {
    mul(dx, &polygamma(&add(m, &literal_like(m, 1.0)), x))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;
    use crate::lax::testing::{Draw, FLOATS, case, check_rules};

    #[test]
    fn rules_of_gamma_functions() {
        let mut draw = Draw::new(18);
        check_rules(FLOATS.into_iter().flat_map(|d| {
            let x = [draw.uniform(d, &[2, 3], 0.6, 3.0)];
            [case("lgamma", x.clone(), |x| lgamma(&x[0])), case("digamma", x.clone(), |x| digamma(&x[0]))]
        }));
    }

    #[test]
    fn rules_of_polygamma_and_zeta() {
        let mut draw = Draw::new(19);
        let m = draw.uniform(DType::I32, &[3], 1.0, 4.0);
        check_rules(FLOATS.into_iter().flat_map(|d| {
            let m = crate::core::config::with_x64(true, || crate::lax::convert_element_type(&m, d));
            let (x, s) = (draw.uniform(d, &[3], 0.8, 3.0), draw.uniform(d, &[3], 2.0, 4.0));
            [
                case("polygamma", [m, x.clone()], |x| polygamma(&x[0], &x[1])).wrt(&[1]).loose(10.0),
                case("zeta", [s, x], |x| zeta(&x[0], &x[1])).without_derivatives().loose(10.0),
            ]
        }));
    }
}
