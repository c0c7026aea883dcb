//! `exp`, `exp2`, `expm1`, `logistic`. JAX: `exp_p`, `exp2_p`, `expm1_p`, `logistic_p`. StableHLO: `exponential`,
//! `exponential_minus_one`.

use crate::core::array::Array;
use crate::core::aval::ShapedArray;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::LoweredValues;
use crate::core::trace::bind1;
use crate::lax::elementwise::{INEXACT, d1, elementwise, one, op};
use crate::lax::emit::emit;
use crate::lax::full::literal_like;
use crate::lax::{add, log, mul, sub};
use crate::mlir::Value;

/// Elementwise `eˣ`; float or complex.
///
/// Of an argument that XLA's compiler for the CPU can tell to be nan it makes any number, inside of a program (`x * f64::NAN`
/// with a constant; JAX 0.10.2 does the same); of a nan that is a value it makes nan. So do [`exp2`] and [`expm1`].
///
/// # Errors
/// `exp does not accept dtype int32`.
#[track_caller]
pub fn exp(x: &Array) -> Array {
    bind1(Exp, &[x])
}

/// Elementwise `2ˣ`; float or complex.
#[track_caller]
pub fn exp2(x: &Array) -> Array {
    bind1(Exp2, &[x])
}

/// Elementwise `eˣ - 1`, exact for small `x`; float or complex.
#[track_caller]
pub fn expm1(x: &Array) -> Array {
    bind1(Expm1, &[x])
}

/// Elementwise logistic sigmoid `1 / (1 + e⁻ˣ)`; float or complex.
#[track_caller]
pub fn logistic(x: &Array) -> Array {
    bind1(Logistic, &[x])
}

elementwise! {
    Exp: "exp", 1, INEXACT, op("stablehlo.exponential"), d1(exp_tangent);
    Exp2: "exp2", 1, INEXACT, lower_exp2, d1(exp2_tangent);
    Expm1: "expm1", 1, INEXACT, op("stablehlo.exponential_minus_one"), d1(expm1_tangent);
    Logistic: "logistic", 1, INEXACT, lower_logistic, d1(logistic_tangent);
}

/// dy = y dx
fn exp_tangent(_: &Array, y: &Array, dx: &Array) -> Array {
    mul(dx, y)
}

/// dy = log 2 · y dx
fn exp2_tangent(x: &Array, y: &Array, dx: &Array) -> Array {
    mul(&log(&literal_like(x, 2.0)), &mul(dx, y))
}

/// dy = (y + 1) dx
fn expm1_tangent(_: &Array, y: &Array, dx: &Array) -> Array {
    mul(dx, &add(y, &literal_like(y, 1.0)))
}

/// dy = y (1 - y) dx
fn logistic_tangent(_: &Array, y: &Array, dx: &Array) -> Array {
    mul(dx, &mul(y, &sub(&literal_like(y, 1.0), y)))
}

fn lower_exp2(ctx: &mut LoweringCtx, ins: &[Value], _: &[ShapedArray]) -> LoweredValues {
    Ok(one(emit(ctx, |e| {
        let x = e.expr(ins[0]);
        (x.constant(std::f64::consts::LN_2) * x).exp().value()
    })))
}

fn lower_logistic(ctx: &mut LoweringCtx, ins: &[Value], _: &[ShapedArray]) -> LoweredValues {
    Ok(one(emit(ctx, |e| {
        let x = e.expr(ins[0]);
        ((-x).exp() + 1.0).reciprocal().value()
    })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lax::testing::{Draw, INEXACTS, case, check_rules};

    #[test]
    fn rules_of_exponentials() {
        let mut draw = Draw::new(2);
        check_rules(INEXACTS.into_iter().flat_map(|d| {
            let x = [draw.values(d, &[2, 3])];
            [
                case("exp", x.clone(), |x| exp(&x[0])),
                case("exp2", x.clone(), |x| exp2(&x[0])),
                case("expm1", x.clone(), |x| expm1(&x[0])),
                case("logistic", x.clone(), |x| logistic(&x[0])),
            ]
        }));
    }
}
