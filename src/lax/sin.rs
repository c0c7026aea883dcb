//! `sin`, `cos`, `tan`. JAX: `sin_p`, `cos_p`, `tan_p`. StableHLO: `sine`, `cosine`, `tan`.

use crate::core::array::Array;
use crate::core::aval::ShapedArray;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::LoweredValues;
use crate::core::trace::bind1;
use crate::lax::accuracy::{ResultAccuracy, accurate, op};
use crate::lax::elementwise::{INEXACT, one};
use crate::lax::emit::{Expr, emit};
use crate::lax::full::literal_like;
use crate::lax::{add, mul, neg, square};
use crate::mlir::Value;

accurate! {
    /// Elementwise sine; radians; float or complex.
    ///
    /// # Errors
    /// `sin does not accept dtype i32`.
    sin sin_with Sin: "sin", INEXACT, lower_sin, sin_tangent;
    /// Elementwise cosine; radians; float or complex.
    cos cos_with Cos: "cos", INEXACT, lower_cos, cos_tangent;
    /// Elementwise tangent; radians; float or complex.
    tan tan_with Tan: "tan", INEXACT, op("stablehlo.tan"), tan_tangent;
}

/// dy = cos(x) dx
fn sin_tangent(x: &Array, _: &Array, dx: &Array, accuracy: ResultAccuracy) -> Array {
    mul(dx, &bind1(Cos { accuracy }, &[x]))
}

/// dy = -sin(x) dx
fn cos_tangent(x: &Array, _: &Array, dx: &Array, accuracy: ResultAccuracy) -> Array {
    neg(&mul(dx, &bind1(Sin { accuracy }, &[x])))
}

/// dy = (1 + y²) dx
fn tan_tangent(x: &Array, y: &Array, dx: &Array, _: ResultAccuracy) -> Array {
    mul(dx, &add(&literal_like(x, 1.0), &square(y)))
}

/// 2 sinh(b) and 2 cosh(b) by `expm1`, which does not cancel for small `b`.
fn twice_sinh_cosh<'e>(b: Expr<'e>) -> (Expr<'e>, Expr<'e>) {
    let (up, down) = (b.expm1(), (-b).expm1());
    (up - down, up + down + 2.0)
}

/// sin(a + ib) = sin(a) cosh(b) + i cos(a) sinh(b)
fn lower_sin(
    accuracy: ResultAccuracy,
    ctx: &mut LoweringCtx,
    ins: &[Value],
    outs: &[ShapedArray],
) -> LoweredValues {
    if !outs[0].dtype().is_complex() {
        return op("stablehlo.sine")(accuracy, ctx, ins, outs);
    }
    Ok(one(emit(ctx, |e| {
        let (a, b) = (e.expr(ins[0]).real(), e.expr(ins[0]).imag());
        let (sinh, cosh) = twice_sinh_cosh(b);
        let (re, im) = (a.sin() * (cosh / 2.0), a.cos() * (sinh / 2.0));
        // 0 and not 0 · ∞ where a is 0 and b is large.
        a.eq(0.0).select(0.0, re).complex(im).value()
    })))
}

/// cos(a + ib) = cos(a) cosh(b) - i sin(a) sinh(b)
fn lower_cos(
    accuracy: ResultAccuracy,
    ctx: &mut LoweringCtx,
    ins: &[Value],
    outs: &[ShapedArray],
) -> LoweredValues {
    if !outs[0].dtype().is_complex() {
        return op("stablehlo.cosine")(accuracy, ctx, ins, outs);
    }
    Ok(one(emit(ctx, |e| {
        let (a, b) = (e.expr(ins[0]).real(), e.expr(ins[0]).imag());
        let (sinh, cosh) = twice_sinh_cosh(b);
        let (re, im) = (a.cos() * (cosh / 2.0), -a.sin() * (sinh / 2.0));
        re.complex(a.eq(0.0).select(0.0, im)).value()
    })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lax::testing::{Draw, INEXACTS, case, check_rules, message_of};

    #[test]
    fn rules_of_trigonometric_functions() {
        let mut draw = Draw::new(4);
        check_rules(INEXACTS.into_iter().flat_map(|d| {
            let x = [draw.uniform(d, &[2, 3], -1.2, 1.2)];
            [
                case("sin", x.clone(), |x| sin(&x[0])),
                case("cos", x.clone(), |x| cos(&x[0])),
                case("tan", x.clone(), |x| tan(&x[0])),
            ]
        }));
    }

    #[test]
    fn sin_of_an_integer_is_rejected() {
        let x = Array::from([1]);
        assert!(message_of(|| sin(&x)).starts_with("sin does not accept dtype i32"));
    }
}
