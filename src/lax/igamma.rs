//! Regularised incomplete gamma functions and derivatives: `igamma`, `igammac`, `igamma_grad_a`, `random_gamma_grad`. JAX:
//! `igamma_p`, `igammac_p`, `igamma_grad_a_p`; `random_gamma_grad` is a function there. StableHLO: none, expanded here.

use crate::core::array::Array;
use crate::core::aval::ShapedArray;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::LoweredValues;
use crate::core::trace::bind1;
use crate::dtype::DType;
use crate::lax::convert;
use crate::lax::elementwise::{FLOAT, broadcast_values, d2, elementwise, one, undefined};
use crate::lax::emit::{Emitter, Expr, emit};
use crate::lax::full::literal_like;
use crate::lax::{add, exp, lgamma, log, mul, neg, sub};
use crate::mlir::Value;

/// Elementwise `P(a, x) = 1/Γ(a) ∫₀ˣ tᵃ⁻¹ e⁻ᵗ dt`; operands of one float dtype.
///
/// # Errors
/// `igamma does not accept dtype i32`; operands of different dtypes; shapes that do not broadcast.
#[track_caller]
pub fn igamma(a: &Array, x: &Array) -> Array {
    bind1(Igamma, &[a, x])
}

/// Elementwise `Q(a, x) = 1 - P(a, x)`; operands of one float dtype.
#[track_caller]
pub fn igammac(a: &Array, x: &Array) -> Array {
    bind1(Igammac, &[a, x])
}

/// Elementwise derivative of [`igamma`] in `a`; operands of one float dtype. It has no derivative itself.
#[track_caller]
pub fn igamma_grad_a(a: &Array, x: &Array) -> Array {
    bind1(IgammaGradA, &[a, x])
}

/// Elementwise derivative in `a` of a sample `x` of the gamma distribution of shape `a`; operands of one float dtype.
#[track_caller]
pub fn random_gamma_grad(a: &Array, x: &Array) -> Array {
    bind1(RandomGammaGrad, &[a, x])
}

elementwise! {
    Igamma: "igamma", 2, FLOAT, lower_igamma, d2(igamma_left, igamma_right);
    Igammac: "igammac", 2, FLOAT, lower_igammac, d2(igammac_left, igammac_right);
    IgammaGradA: "igamma_grad_a", 2, FLOAT, lower_igamma_grad_a, undefined;
    RandomGammaGrad: "random_gamma_grad", 2, FLOAT, lower_random_gamma_grad, undefined;
}

/// The tangent times a slope that may be strongly typed where the tangent is not.
fn scaled(tangent: &Array, slope: &Array) -> Array {
    let weak_type = tangent.weak_type() && slope.weak_type();
    mul(&convert(tangent, slope.dtype(), weak_type), slope)
}

/// dz = ∂P/∂a da
fn igamma_left(da: &Array, _: &Array, a: &Array, x: &Array) -> Array {
    scaled(da, &igamma_grad_a(a, x))
}

/// dz = e^(-x) xᵃ⁻¹ / Γ(a) dx
fn igamma_right(dx: &Array, _: &Array, a: &Array, x: &Array) -> Array {
    let power = mul(&sub(a, &literal_like(a, 1.0)), &log(x));
    scaled(dx, &exp(&sub(&add(&neg(x), &power), &lgamma(a))))
}

/// dz = -∂P/∂a da
fn igammac_left(da: &Array, z: &Array, a: &Array, x: &Array) -> Array {
    neg(&igamma_left(da, z, a, x))
}

/// dz = -e^(-x) xᵃ⁻¹ / Γ(a) dx
fn igammac_right(dx: &Array, z: &Array, a: &Array, x: &Array) -> Array {
    neg(&igamma_right(dx, z, a, x))
}

/// What a series or fraction is evaluated for.
#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Value,
    /// The derivative in `a`.
    Derivative,
    /// The derivative in `a` of a sample: `-∂P/∂a / ∂P/∂x`.
    SampleDerivative,
}

fn epsilon(x: Expr<'_>) -> f64 {
    if x.dtype() == DType::F64 { f64::EPSILON } else { f64::from(f32::EPSILON) }
}

/// `log` of the greatest number.
fn log_max(x: Expr<'_>) -> f64 {
    if x.dtype() == DType::F64 { f64::MAX.ln() } else { f64::from(f32::MAX.ln()) }
}

/// P(a, x) = xᵃ e^(-x) / Γ(a + 1) · Σₖ xᵏ / ((a + 1) … (a + k)); `ax` is xᵃ e^(-x) / Γ(a). Cephes, `igam`.
fn series<'e>(
    e: &'e Emitter<'e>,
    ax: Expr<'e>,
    x: Expr<'e>,
    a: Expr<'e>,
    enabled: Expr<'e>,
    mode: Mode,
) -> Expr<'e> {
    let eps = epsilon(x);
    let (one, zero) = (a.constant(1.0), a.constant(0.0));
    let init = [enabled, a, one, one, x, zero, zero];
    let [_, _, _, sum, _, _, dsum] = e.while_loop(
        init,
        |[enabled, ..]| enabled.any(),
        |old @ [enabled, r, c, sum, x, dc, dsum]| {
            let r = r + 1.0;
            let dc = dc * (x / r) - (c * x) / (r * r);
            let dsum = dsum + dc;
            let c = c * (x / r);
            let sum = sum + c;
            let change = if mode == Mode::Value { c / sum } else { (dc / dsum).abs() };
            let next = [r, c, sum, x, dc, dsum];
            let keep = |i: usize| enabled.select(next[i - 1], old[i]);
            [enabled.and(change.gt(eps)), keep(1), keep(2), keep(3), keep(4), keep(5), keep(6)]
        },
    );
    if mode == Mode::Value {
        return (sum * ax) / a;
    }
    let dlog_ax = x.log() - (a + 1.0).digamma();
    match mode {
        Mode::SampleDerivative => -(dsum + sum * dlog_ax) * x / a,
        _ => ax * (sum * dlog_ax + dsum) / a,
    }
}

/// Q(a, x) by its continued fraction; `ax` is xᵃ e^(-x) / Γ(a). Cephes, `igamc`; at most 2000 terms.
fn fraction<'e>(
    e: &'e Emitter<'e>,
    ax: Expr<'e>,
    x: Expr<'e>,
    a: Expr<'e>,
    enabled: Expr<'e>,
    mode: Mode,
) -> Expr<'e> {
    let eps = epsilon(x);
    let (one, zero) = (x.constant(1.0), x.constant(0.0));
    let y = a.constant(1.0) - a;
    let z = x + y + 1.0;
    let (p1, q1) = (x + 1.0, z * x);
    let value = p1 / q1;
    let dvalue = (zero - value * -x) / q1;
    let count = x.scalar(crate::core::scalar::Scalar::from_f64(x.dtype(), 0.0));
    let init = [enabled, value, one, y, z, count, p1, q1, one, x, zero, zero, zero, -x, dvalue];
    let outs = e.while_loop(
        init,
        |[enabled, _, _, _, _, count, ..]| count.lt(2000.0).and(enabled.any()),
        |old @ [enabled, value, _, y, z, count, p1, q1, p2, q2, dp2, dq2, dp1, dq1, dvalue]| {
            let count = count + 1.0;
            let (y, z) = (y + 1.0, z + 2.0);
            let yc = y * count.broadcast_like(y);
            let p = p1 * z - p2 * yc;
            let q = q1 * z - q2 * yc;
            let nonzero = q.ne(0.0);
            let r = p / q;
            let change = nonzero.select(((value - r) / r).abs(), r.constant(1.0));
            let value = nonzero.select(r, value);
            let dp = dp1 * z - p1 - dp2 * yc + p2 * count.broadcast_like(y);
            let dq = dq1 * z - q1 - dq2 * yc + q2 * count.broadcast_like(y);
            let new_dvalue = nonzero.select((dp - value * dq) / q, dvalue);
            let dchange = nonzero.select((new_dvalue - dvalue).abs(), r.constant(1.0));
            // Before the terms overflow.
            let large = p.abs().gt(1.0 / eps);
            let scaled = |x: Expr<'e>| large.select(x * eps, x);
            let go_on = if mode == Mode::Value { change } else { dchange }.gt(eps);
            let [p1, p, q1, q] = [p1, p, q1, q].map(scaled);
            let [dp1, dp, dq1, dq] = [dp1, dp, dq1, dq].map(scaled);
            let next = [value, change, y, z, count, p, q, p1, q1, dp1, dq1, dp, dq, new_dvalue];
            std::array::from_fn(|i| match i {
                0 => enabled.and(go_on),
                5 => count,
                i => enabled.select(next[i - 1], old[i]),
            })
        },
    );
    let (value, dvalue) = (outs[1], outs[14]);
    if mode == Mode::Value {
        return value * ax;
    }
    let dlog_ax = x.log() - a.digamma();
    match mode {
        Mode::SampleDerivative => -((dvalue + value * dlog_ax) * x),
        _ => ax * (value * dlog_ax + dvalue),
    }
}

/// Runs `body` on operands of one shape, in f32 if they have 16 bits.
fn widened(
    ctx: &mut LoweringCtx,
    ins: &[Value],
    outs: &[ShapedArray],
    body: impl for<'e> FnOnce(&'e Emitter<'e>, Expr<'e>, Expr<'e>) -> Expr<'e>,
) -> LoweredValues {
    let ins = broadcast_values(ctx, ins, outs[0].shape());
    let dtype = outs[0].dtype();
    let wide = if dtype == DType::F64 { DType::F64 } else { DType::F32 };
    Ok(one(emit(ctx, |e| {
        body(e, e.expr(ins[0]).convert(wide), e.expr(ins[1]).convert(wide)).convert(dtype).value()
    })))
}

/// log of xᵃ e^(-x) / Γ(a)
fn log_ax<'e>(a: Expr<'e>, x: Expr<'e>) -> Expr<'e> {
    a * x.log() - x - a.lgamma()
}

/// Where (a, x) is outside of the domain of P and Q: negative, both zero, or NaN.
fn domain_error<'e>(a: Expr<'e>, x: Expr<'e>) -> Expr<'e> {
    let both_zero = a.eq(0.0).and(x.eq(0.0));
    x.lt(0.0).or(a.lt(0.0)).or(both_zero).or(a.is_nan().or(x.is_nan()))
}

fn lower_igamma(ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
    widened(ctx, ins, outs, |e, a, x| {
        let (x_is_zero, x_is_infinite) = (x.eq(0.0), x.eq(f64::INFINITY));
        let error = domain_error(a, x);
        let use_fraction = x.ge(1.0).and(x.gt(a));
        let log_ax = log_ax(a, x);
        let underflow = log_ax.lt(-log_max(x));
        let ax = log_ax.exp();
        let enabled = x_is_zero.or(error).or(underflow).or(x_is_infinite).not();
        let upper = fraction(e, ax, x, a, enabled.and(use_fraction), Mode::Value);
        let lower = series(e, ax, x, a, enabled.and(use_fraction.not()), Mode::Value);
        let out = use_fraction.select(a.constant(1.0) - upper, lower);
        let out = x_is_zero.select(0.0, out);
        let out = x_is_infinite.select(1.0, out);
        error.select(f64::NAN, out)
    })
}

fn lower_igammac(ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
    widened(ctx, ins, outs, |e, a, x| {
        let (a_is_zero, x_is_infinite) = (a.eq(0.0), x.eq(f64::INFINITY));
        let error = domain_error(a, x);
        let use_series = x.lt(1.0).or(x.lt(a));
        let log_ax = log_ax(a, x);
        let underflow = log_ax.lt(-log_max(x));
        let enabled = error.or(underflow).or(x_is_infinite).or(a_is_zero).not();
        let ax = log_ax.exp();
        let lower = series(e, ax, x, a, enabled.and(use_series), Mode::Value);
        let upper = fraction(e, ax, x, a, enabled.and(use_series.not()), Mode::Value);
        let out = use_series.select(a.constant(1.0) - lower, upper);
        let out = x_is_infinite.or(a_is_zero).select(0.0, out);
        error.select(f64::NAN, out)
    })
}

/// The derivative in `a` of P, or of a sample.
fn derivative<'e>(e: &'e Emitter<'e>, a: Expr<'e>, x: Expr<'e>, mode: Mode) -> Expr<'e> {
    let is_nan = a.is_nan().or(x.is_nan());
    let x_is_zero = x.eq(0.0);
    let error = x.lt(0.0).or(a.le(0.0));
    let use_fraction = x.gt(1.0).and(x.gt(a));
    let log_ax = log_ax(a, x);
    let underflow = log_ax.lt(-log_max(x));
    let ax = log_ax.exp();
    let enabled = x_is_zero.or(error).or(underflow).or(is_nan).not();
    let upper = fraction(e, ax, x, a, enabled.and(use_fraction), mode);
    let lower = series(e, ax, x, a, enabled.and(use_fraction.not()), mode);
    let out = use_fraction.select(-upper, lower);
    let out = x_is_zero.select(0.0, out);
    error.or(is_nan).select(f64::NAN, out)
}

fn lower_igamma_grad_a(ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
    widened(ctx, ins, outs, |e, a, x| derivative(e, a, x, Mode::Derivative))
}

fn lower_random_gamma_grad(ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
    widened(ctx, ins, outs, |e, a, x| derivative(e, a, x, Mode::SampleDerivative))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lax::testing::{Draw, FLOATS, case, check_rules, message_of};

    #[test]
    fn rules_of_incomplete_gamma_functions() {
        let mut draw = Draw::new(41);
        check_rules(FLOATS.into_iter().flat_map(|d| {
            let args = [draw.uniform(d, &[6], 0.5, 4.0), draw.uniform(d, &[6], 0.3, 6.0)];
            [
                case("igamma", args.clone(), |x| igamma(&x[0], &x[1])).up_to_order(1).loose(10.0),
                case("igammac", args.clone(), |x| igammac(&x[0], &x[1])).up_to_order(1).loose(10.0),
                case("igamma_grad_a", args.clone(), |x| bind1(IgammaGradA, &[&x[0], &x[1]]))
                    .without_derivatives()
                    .loose(10.0),
                case("random_gamma_grad", args, |x| random_gamma_grad(&x[0], &x[1]))
                    .without_derivatives()
                    .loose(10.0),
            ]
        }));
    }

    #[test]
    fn the_edges_of_the_domain() {
        let a = Array::from([1.0f32, 1.0, -1.0, 0.0, f32::NAN]);
        let x = Array::from([0.0f32, f32::INFINITY, 1.0, 0.0, 1.0]);
        let p = igamma(&a, &x).to_vec::<f32>().unwrap();
        let q = igammac(&a, &x).to_vec::<f32>().unwrap();
        assert_eq!((p[0], p[1], q[0], q[1]), (0.0, 1.0, 1.0, 0.0));
        assert!(p[2..].iter().chain(&q[2..]).all(|x| x.is_nan()), "{p:?} {q:?}");
    }

    #[test]
    fn igamma_of_integers_is_rejected() {
        let x = Array::from([1]);
        assert!(message_of(|| igamma(&x, &x)).starts_with("igamma does not accept dtype i32"));
    }
}
