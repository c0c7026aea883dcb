//! Modified Bessel functions of the first kind, exponentially scaled: `bessel_i0e`, `bessel_i1e`. JAX: `bessel_i0e_p`,
//! `bessel_i1e_p`. StableHLO: none, expanded here; CHLO: `bessel_i1e`.

use crate::core::array::Array;
use crate::core::aval::ShapedArray;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::LoweredValues;
use crate::core::trace::bind1;
use crate::dtype::DType;
use crate::lax::elementwise::{FLOAT, chlo, d1, elementwise, one};
use crate::lax::emit::{Expr, emit};
use crate::lax::full::literal_like;
use crate::lax::{abs, add, full_like, gt, mul, reciprocal, select, sign, sub};
use crate::mlir::Value;

/// Elementwise `e^(-|x|) I₀(x)`; float.
///
/// # Errors
/// `bessel_i0e does not accept dtype i32`.
#[track_caller]
pub fn bessel_i0e(x: &Array) -> Array {
    bind1(BesselI0e, &[x])
}

/// Elementwise `e^(-|x|) I₁(x)`; float.
#[track_caller]
pub fn bessel_i1e(x: &Array) -> Array {
    bind1(BesselI1e, &[x])
}

elementwise! {
    BesselI0e: "bessel_i0e", 1, FLOAT, lower_i0e, d1(i0e_tangent);
    BesselI1e: "bessel_i1e", 1, FLOAT, chlo("chlo.bessel_i1e"), d1(i1e_tangent);
}

/// dy = (i1e(x) - sign(x) y) dx
fn i0e_tangent(x: &Array, y: &Array, dx: &Array) -> Array {
    mul(dx, &sub(&bessel_i1e(x), &mul(&sign(x), y)))
}

/// The distance from 1 to the next number.
fn epsilon(dtype: DType) -> f64 {
    match dtype {
        DType::BF16 => f64::powi(2.0, -7),
        DType::F16 => f64::powi(2.0, -10),
        DType::F32 => f64::from(f32::EPSILON),
        _ => f64::EPSILON,
    }
}

/// dy = (i0e(x) - (sign(x) + 1/x) y) dx, and dx/2 around 0
fn i1e_tangent(x: &Array, y: &Array, dx: &Array) -> Array {
    let eps = epsilon(x.dtype());
    let not_tiny = gt(&abs(x), &literal_like(x, eps));
    let safe = select(&not_tiny, x, &full_like(x, eps));
    let slope = sub(&bessel_i0e(&safe), &mul(y, &add(&sign(&safe), &reciprocal(&safe))));
    mul(dx, &select(&not_tiny, &slope, &full_like(x, 0.5)))
}

/// Clenshaw's recurrence for a Chebyshev series, highest order first; Cephes `chbevl`.
fn chebyshev<'e>(x: Expr<'e>, coefficients: &[f64]) -> Expr<'e> {
    let zero = x.constant(0.0);
    let (mut b0, mut b1, mut b2) = (zero, zero, zero);
    for c in coefficients {
        (b2, b1) = (b1, b0);
        b0 = x * b1 - b2 + *c;
    }
    (b0 - b2) * 0.5
}

/// Cephes `i0e`: one series up to 8, another in 1/x beyond.
fn lower_i0e(ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
    let dtype = outs[0].dtype();
    Ok(one(emit(ctx, |e| {
        // 16 bits are too few for the coefficients.
        let x = e.expr(ins[0]);
        let x = if dtype == DType::F64 { x } else { x.convert(DType::F32) }.abs();
        // In f32 the orders that it cannot see are left out.
        let (small, large) = match dtype {
            DType::F64 => (&SMALL[..], &LARGE[..]),
            _ => (&SMALL[12..], &LARGE[18..]),
        };
        let up_to_8 = chebyshev(x * 0.5 - 2.0, small);
        let beyond = chebyshev(x.constant(32.0) / x - 2.0, large) / x.sqrt();
        x.le(8.0).select(up_to_8, beyond).convert(dtype).value()
    })))
}

/// Chebyshev coefficients of `e⁻ˣ I₀(x)` on 0..8. Cephes, `i0.c`.
const SMALL: [f64; 30] = [
    -4.4153416464793395e-18,
    3.3307945188222384e-17,
    -2.431279846547955e-16,
    1.715391285555133e-15,
    -1.1685332877993451e-14,
    7.676185498604936e-14,
    -4.856446783111929e-13,
    2.95505266312964e-12,
    -1.726826291441556e-11,
    9.675809035373237e-11,
    -5.189795601635263e-10,
    2.6598237246823866e-09,
    -1.300025009986248e-08,
    6.046995022541919e-08,
    -2.670793853940612e-07,
    1.1173875391201037e-06,
    -4.4167383584587505e-06,
    1.6448448070728896e-05,
    -5.754195010082104e-05,
    0.00018850288509584165,
    -0.0005763755745385824,
    0.0016394756169413357,
    -0.004324309995050576,
    0.010546460394594998,
    -0.02373741480589947,
    0.04930528423967071,
    -0.09490109704804764,
    0.17162090152220877,
    -0.3046826723431984,
    0.6767952744094761,
];

/// Chebyshev coefficients of `e⁻ˣ √x I₀(x)` on 8..∞, in 1/x. Cephes, `i0.c`.
const LARGE: [f64; 25] = [
    -7.233180487874754e-18,
    -4.830504485944182e-18,
    4.46562142029676e-17,
    3.461222867697461e-17,
    -2.8276239805165836e-16,
    -3.425485619677219e-16,
    1.7725601330565263e-15,
    3.8116806693526224e-15,
    -9.554846698828307e-15,
    -4.150569347287222e-14,
    1.54008621752141e-14,
    3.8527783827421426e-13,
    7.180124451383666e-13,
    -1.7941785315068062e-12,
    -1.3215811840447713e-11,
    -3.1499165279632416e-11,
    1.1889147107846439e-11,
    4.94060238822497e-10,
    3.3962320257083865e-09,
    2.266668990498178e-08,
    2.0489185894690638e-07,
    2.8913705208347567e-06,
    6.889758346916825e-05,
    0.0033691164782556943,
    0.8044904110141088,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lax::testing::{Draw, FLOATS, case, check_rules};

    #[test]
    fn rules_of_bessel_functions() {
        let mut draw = Draw::new(40);
        check_rules(FLOATS.into_iter().flat_map(|d| {
            let x = [draw.uniform(d, &[2, 3], -12.0, 12.0)];
            [case("i0e", x.clone(), |x| bessel_i0e(&x[0])), case("i1e", x, |x| bessel_i1e(&x[0]))]
        }));
    }

    #[test]
    fn values_on_both_sides_of_8() {
        let x = Array::from([0.0f32, 1.0, -7.9, 8.1]);
        let y = bessel_i0e(&x).to_vec::<f32>().unwrap();
        for (y, want) in y.into_iter().zip([1.0, 0.465_759_6, 0.1443699, 0.1425118]) {
            assert!((y - want).abs() <= 1e-6 * want, "{y} {want}");
        }
    }
}
