//! `regularized_incomplete_beta`. JAX: `regularized_incomplete_beta_p`. StableHLO: none, expanded here.

use crate::core::array::Array;
use crate::core::aval::ShapedArray;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{Jvp, LoweredValues, Primitive, Tangent};
use crate::core::scalar::Scalar;
use crate::core::trace::bind1;
use crate::dtype::DType;
use crate::error::bail;
use crate::lax::elementwise::{FLOAT, broadcast_tangent, broadcast_values, elementwise, one};
use crate::lax::emit::{Emitter, Expr, emit};
use crate::lax::full::literal_like;
use crate::lax::{add, exp, lgamma, log, log1p, mul, neg, sub};
use crate::mlir::Value;

/// Elementwise regularised incomplete beta integral `Iₓ(a, b)`; operands of one float dtype. Not differentiable in `a` and
/// `b`.
///
/// # Errors
/// `regularized_incomplete_beta does not accept dtype i32`; operands of different dtypes; shapes that do not broadcast.
#[track_caller]
pub fn betainc(a: &Array, b: &Array, x: &Array) -> Array {
    bind1(RegularizedIncompleteBeta, &[a, b, x])
}

elementwise! {
    RegularizedIncompleteBeta: "regularized_incomplete_beta", 3, FLOAT, lower_betainc, betainc_jvp;
}

/// dy = xᵃ⁻¹ (1 - x)ᵇ⁻¹ / B(a, b) dx
fn betainc_jvp<P: Primitive>(prim: P, primals: &[Array], tangents: &[Tangent]) -> Jvp {
    let ([a, b, x], [None, None, dx]) = (primals, tangents) else {
        bail!(Differentiation, "betainc gradient with respect to a and b not supported")
    };
    let y = bind1(prim, &[a, b, x]);
    let tangent = dx.as_ref().map(|dx| {
        let log_beta = sub(&add(&lgamma(a), &lgamma(b)), &lgamma(&add(a, b)));
        let right = mul(&sub(b, &literal_like(b, 1.0)), &log1p(&neg(x)));
        let left = mul(&sub(a, &literal_like(a, 1.0)), &log(x));
        broadcast_tangent(mul(&exp(&sub(&add(&right, &left), &log_beta)), dx), &y)
    });
    Ok((one(y), one(tangent)))
}

/// The continued fraction of DLMF 8.17.22, by the modified Lentz algorithm (Thompson & Barnett 1986).
fn fraction<'e>(e: &'e Emitter<'e>, a: Expr<'e>, b: Expr<'e>, x: Expr<'e>) -> Expr<'e> {
    let (iterations, half_eps) = if a.dtype() == DType::F64 {
        (600.0, f64::EPSILON / 2.0)
    } else {
        (200.0, f64::from(f32::EPSILON) / 2.0)
    };
    let (small, zero) = (a.constant(half_eps), a.constant(0.0));
    let first = a.scalar(Scalar::from_i128(DType::I32, 1));
    let go_on = a.scalar(Scalar::from_i128(DType::Bool, 1));
    let outs = e.while_loop(
        [first, go_on, small, zero, small, a, b, x],
        |[n, go_on, ..]| n.lt(iterations).and(go_on),
        |[n, _, c, d, h, a, b, x]| {
            let k = n.broadcast_like(a);
            // DLMF 8.17.23
            let m = (k - 1.0) / 2.0;
            let m_is_zero = m.eq(0.0);
            let m = m.convert(a.dtype());
            // Written without m, since a may be so small that it is flushed to zero.
            let start = -(a + b) * x / (a + 1.0);
            let twice = m.constant(2.0) * m;
            let even = -(a + m) * (a + b + m) * x / ((a + twice) * (a + twice + 1.0));
            let odd = m * (b - m) * x / ((a + twice - 1.0) * (a + twice));
            let numerator = k.rem(2.0).eq(0.0).select(m_is_zero.select(start, even), odd);
            let numerator = k.eq(1.0).select(1.0, numerator);
            let not_tiny = |x: Expr<'e>| x.abs().lt(half_eps).select(half_eps, x);
            let c = not_tiny(x.constant(1.0) + numerator / c);
            let d = not_tiny(x.constant(1.0) + numerator * d).reciprocal();
            let delta = c * d;
            let go_on = (delta - 1.0).abs().ge(half_eps).any();
            [n + 1.0, go_on, c, d, h * delta, a, b, x]
        },
    );
    outs[4]
}

fn lower_betainc(ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
    let ins = broadcast_values(ctx, ins, outs[0].shape());
    let dtype = outs[0].dtype();
    let wide = if dtype == DType::F64 { DType::F64 } else { DType::F32 };
    Ok(one(emit(ctx, |e| {
        let [a, b, x] = [ins[0], ins[1], ins[2]].map(|x| e.expr(x).convert(wide));
        let a_is_zero = a.eq(0.0).or(b.eq(f64::INFINITY));
        let b_is_zero = b.eq(0.0).or(a.eq(f64::INFINITY));
        let (x_is_zero, x_is_one) = (x.eq(0.0), x.eq(1.0));
        let is_zero = b_is_zero.and(x_is_one.not()).or(a_is_zero.and(x_is_zero));
        let is_one = a_is_zero.and(x_is_zero.not()).or(b_is_zero.and(x_is_one));
        let outside = a.lt(0.0).or(b.lt(0.0)).or(x.lt(0.0)).or(x.gt(1.0));
        let is_nan = a.is_nan().or(b.is_nan()).or(x.is_nan());
        let is_nan = outside.or(a_is_zero.and(b_is_zero)).or(is_nan);

        // The fraction converges rapidly on this side; on the other, Iₓ(a, b) = 1 - I₁₋ₓ(b, a). DLMF 8.17.4.
        let rapid = x.lt((a + 1.0) / (a + b + 2.0));
        let (a, b) = (rapid.select(a, b), rapid.select(b, a));
        let x = rapid.select(x, x.constant(1.0) - x);
        let fraction = fraction(e, a, b, x);

        // a Γ(a) = Γ(a + 1) -> 1 as a -> 0
        let tiny = if wide == DType::F64 { f64::MIN_POSITIVE } else { f64::from(f32::MIN_POSITIVE) } * 2.0;
        let log_ratio = b.lgamma() - (a + b).lgamma();
        let log_beta = a.lgamma() + log_ratio;
        let right = (-x).log1p() * b;
        let factor = a.lt(tiny).select((right - log_ratio).exp(), (x.log() * a + right - log_beta).exp() / a);
        let out = fraction * factor;
        let out = rapid.select(out, out.constant(1.0) - out);
        let out = is_zero.select(0.0, out);
        let out = is_one.select(1.0, out);
        is_nan.select(f64::NAN, out).convert(dtype).value()
    })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interpreters::jvp::jvp;
    use crate::lax::testing::{Draw, FLOATS, case, check_rules, message_of};

    #[test]
    fn rules_of_betainc() {
        let mut draw = Draw::new(42);
        check_rules(FLOATS.into_iter().map(|d| {
            let (a, b) = (draw.uniform(d, &[4], 0.5, 4.0), draw.uniform(d, &[], 0.5, 4.0));
            let args = [a, b, draw.uniform(d, &[4], 0.1, 0.9)];
            case("betainc", args, |x| betainc(&x[0], &x[1], &x[2])).wrt(&[2]).loose(20.0)
        }));
    }

    #[test]
    fn values_in_closed_form_and_the_edges() {
        // I(1, 1) is x; I(a, 1) is xᵃ.
        let a = Array::from([1.0f32, 2.0, 1.0, 1.0, 0.0, -1.0]);
        let b = Array::from([1.0f32, 1.0, 1.0, 0.0, 1.0, 1.0]);
        let x = Array::from([0.25f32, 0.5, 1.0, 0.5, 0.5, 0.5]);
        let y = betainc(&a, &b, &x).to_vec::<f32>().unwrap();
        for (y, want) in y.iter().zip([0.25f32, 0.25, 1.0, 0.0, 1.0]) {
            assert!((y - want).abs() < 1e-6, "{y} {want}");
        }
        assert!(y[5].is_nan());
    }

    #[test]
    fn the_derivative_in_a_and_integers_are_rejected() {
        let x = Array::from([0.5f32]);
        let f = |x: &[Array]| Ok(vec![betainc(&x[0], &x[0], &x[0])]);
        let error = jvp(f, std::slice::from_ref(&x), &[Some(x.clone())]).unwrap_err();
        assert_eq!(error.message(), "betainc gradient with respect to a and b not supported");
        let n = Array::from([1]);
        let message = message_of(|| betainc(&n, &n, &n));
        assert!(message.starts_with("regularized_incomplete_beta does not accept dtype i32"), "{message}");
    }
}
