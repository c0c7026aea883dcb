//! `exp`, `exp2`, `expm1`, `logistic`. JAX: `exp_p`, `exp2_p`, `expm1_p`, `logistic_p`. StableHLO: `exponential`,
//! `exponential_minus_one`.

use crate::core::array::Array;
use crate::core::aval::ShapedArray;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::LoweredValues;
use crate::core::trace::bind1;
use crate::lax::accuracy::{AccuracyMode, ResultAccuracy, accurate, attribute, op};
use crate::lax::elementwise::{INEXACT, one};
use crate::lax::emit::emit;
use crate::lax::full::literal_like;
use crate::lax::{add, log, mul, neg, sub};
use crate::mlir::Value;

accurate! {
    /// Elementwise `eˣ`; float or complex.
    ///
    /// Of an argument that XLA's compiler for the CPU can tell to be nan it makes any number, inside of a program (`x * f64::NAN`
    /// with a constant; JAX 0.10.2 does the same); of a nan that is a value it makes nan. So do [`exp2`] and [`expm1`].
    ///
    /// # Errors
    /// `exp does not accept dtype i32`.
    exp exp_with Exp: "exp", INEXACT, op("stablehlo.exponential"), exp_tangent;
    /// Elementwise `2ˣ`; float or complex.
    exp2 exp2_with Exp2: "exp2", INEXACT, lower_exp2, exp2_tangent;
    /// Elementwise `eˣ - 1`, exact for small `x`; float or complex.
    expm1 expm1_with Expm1: "expm1", INEXACT, op("stablehlo.exponential_minus_one"), expm1_tangent;
    /// Elementwise logistic sigmoid `1 / (1 + e⁻ˣ)`; float or complex.
    logistic logistic_with Logistic: "logistic", INEXACT, lower_logistic, logistic_tangent;
}

/// dy = y dx
fn exp_tangent(_: &Array, y: &Array, dx: &Array, _: ResultAccuracy) -> Array {
    mul(dx, y)
}

/// dy = log 2 · y dx
fn exp2_tangent(x: &Array, y: &Array, dx: &Array, _: ResultAccuracy) -> Array {
    mul(&log(&literal_like(x, 2.0)), &mul(dx, y))
}

/// dy = (y + 1) dx; more exactly eˣ dx
fn expm1_tangent(x: &Array, y: &Array, dx: &Array, accuracy: ResultAccuracy) -> Array {
    match accuracy {
        Some(AccuracyMode::Highest) => mul(dx, &bind1(Exp { accuracy }, &[x])),
        _ => mul(dx, &add(y, &literal_like(y, 1.0))),
    }
}

/// dy = y (1 - y) dx; more exactly y · logistic(-x) dx
fn logistic_tangent(x: &Array, y: &Array, dx: &Array, accuracy: ResultAccuracy) -> Array {
    match accuracy {
        Some(AccuracyMode::Highest) => mul(dx, &mul(y, &logistic(&neg(x)))),
        _ => mul(dx, &mul(y, &sub(&literal_like(y, 1.0), y))),
    }
}

fn lower_exp2(
    accuracy: ResultAccuracy,
    ctx: &mut LoweringCtx,
    ins: &[Value],
    _: &[ShapedArray],
) -> LoweredValues {
    let product = emit(ctx, |e| {
        let x = e.expr(ins[0]);
        (x.constant(std::f64::consts::LN_2) * x).value()
    });
    Ok(one(ctx.elementwise_with("stablehlo.exponential", &[product], &attribute(accuracy), product.ty())))
}

/// A formula, of any accuracy, as in JAX.
fn lower_logistic(
    _: ResultAccuracy,
    ctx: &mut LoweringCtx,
    ins: &[Value],
    _: &[ShapedArray],
) -> LoweredValues {
    Ok(one(emit(ctx, |e| {
        let x = e.expr(ins[0]);
        ((-x).exp() + 1.0).reciprocal().value()
    })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lax::testing::{Draw, INEXACTS, case, check_rules, message_of};
    use crate::lax::{AccuracyOptions, Tolerance};

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

    #[test]
    fn rules_of_exponentials_of_the_highest_accuracy() {
        let highest = || AccuracyOptions::new().accuracy(AccuracyMode::Highest);
        let within = move || AccuracyOptions::new().accuracy(Tolerance::new().atol(1e-5).rtol(1e-6));
        let mut draw = Draw::new(5);
        check_rules(INEXACTS.into_iter().flat_map(|d| {
            let x = [draw.values(d, &[2, 3])];
            [
                case("exp", x.clone(), move |x| exp_with(&x[0], highest())),
                case("exp", x.clone(), move |x| exp_with(&x[0], within())),
                case("exp2", x.clone(), move |x| exp2_with(&x[0], highest())),
                case("expm1", x.clone(), move |x| expm1_with(&x[0], highest())),
                case("logistic", x.clone(), move |x| logistic_with(&x[0], highest())),
            ]
        }));
    }

    #[test]
    fn a_tolerance_without_bounds_or_with_a_negative_one_is_refused() {
        let x = Array::from([1.0f32]);
        let message = message_of(|| exp_with(&x, AccuracyOptions::new().accuracy(Tolerance::new())));
        assert_eq!(message, "exp: a tolerance must have at least one of atol, rtol and ulps");
        let negative = AccuracyOptions::new().accuracy(Tolerance::new().rtol(-1.0));
        assert_eq!(
            message_of(|| exp_with(&x, negative)),
            "exp: a tolerance must not be negative, got rtol=-1"
        );
    }
}
