//! Powers and roots: `pow`, `integer_pow`, `square`, `sqrt`, `rsqrt`, `cbrt`. JAX: `pow_p`, `integer_pow_p` and their like.
//! StableHLO: `power`, `multiply`, `sqrt`, `rsqrt`, `cbrt`.

use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::check;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    BatchDim, Batched, Jvp, LoweredValues, MappedAxis, Param, Prim, Primitive, Tangent,
};
use crate::core::trace::bind1;
use crate::error::{Result, bail};
use crate::lax::accuracy::{ResultAccuracy, accurate, op};
use crate::lax::convert_element_type::convert;
use crate::lax::elementwise::{
    FLOAT, INEXACT, NUMBER, broadcast_shape, broadcast_values, d1, d2, elementwise, nary_aval, nary_batch,
    one, replace_zero, unary_jvp,
};
use crate::lax::emit::emit;
use crate::lax::full::literal_like;
use crate::lax::{broadcast_in_dim, div, eq, log, mul, select, sub, zeros_like};
use crate::mlir::Value;

/// Elementwise `xʸ`: `x` float or complex; `y` of the same dtype, or of an integer dtype.
///
/// # Errors
/// `pow does not accept dtype i32 at position 0`; two different inexact dtypes; shapes that do not broadcast.
#[track_caller]
pub fn pow(x: &Array, y: &Array) -> Array {
    bind1(Pow, &[x, y])
}

/// Elementwise `xʸ` for a static integer `y`, by repeated multiplication; any numeric dtype.
///
/// # Errors
/// `integers cannot be raised to negative powers, got integer_pow(i32[3], -1)`.
#[track_caller]
pub fn integer_pow(x: &Array, y: i64) -> Array {
    bind1(IntegerPow { y }, &[x])
}

/// Elementwise `1 / x`; float or complex.
#[track_caller]
pub fn reciprocal(x: &Array) -> Array {
    integer_pow(x, -1)
}

/// Elementwise `x²`; any numeric dtype.
///
/// # Errors
/// `square does not accept dtype bool`.
#[track_caller]
pub fn square(x: &Array) -> Array {
    bind1(Square, &[x])
}

elementwise! {
    Square: "square", 1, NUMBER, lower_square, d1(square_tangent);
}

accurate! {
    /// Elementwise square root; float or complex.
    ///
    /// # Errors
    /// `sqrt does not accept dtype i32`.
    sqrt sqrt_with Sqrt: "sqrt", INEXACT, op("stablehlo.sqrt"), sqrt_tangent;
    /// Elementwise `1 / √x`; float or complex.
    rsqrt rsqrt_with Rsqrt: "rsqrt", INEXACT, op("stablehlo.rsqrt"), rsqrt_tangent;
    /// Elementwise cube root, of negative numbers too; float.
    cbrt cbrt_with Cbrt: "cbrt", FLOAT, op("stablehlo.cbrt"), cbrt_tangent;
}

/// dy = 2 x dx
fn square_tangent(x: &Array, _: &Array, dx: &Array) -> Array {
    mul(dx, &mul(&literal_like(x, 2.0), x))
}

/// dy = dx / (2 y)
fn sqrt_tangent(x: &Array, y: &Array, dx: &Array, _: ResultAccuracy) -> Array {
    mul(dx, &div(&literal_like(x, 0.5), y))
}

/// dy = -y / (2 x) dx
fn rsqrt_tangent(x: &Array, y: &Array, dx: &Array, _: ResultAccuracy) -> Array {
    mul(dx, &mul(&literal_like(x, -0.5), &div(y, x)))
}

/// dy = dx / (3 y²)
fn cbrt_tangent(x: &Array, y: &Array, dx: &Array, _: ResultAccuracy) -> Array {
    mul(dx, &mul(&literal_like(x, 1.0 / 3.0), &integer_pow(y, -2)))
}

/// (a + ib)² = (a - b) (a + b) + 2 a b i
fn lower_square(ctx: &mut LoweringCtx, ins: &[Value], _: &[ShapedArray]) -> LoweredValues {
    Ok(one(emit(ctx, |e| {
        let x = e.expr(ins[0]);
        if !x.dtype().is_complex() {
            return (x * x).value();
        }
        let (a, b) = (x.real(), x.imag());
        // Exactly 0 on the diagonals, where the sum overflows sooner than the square.
        let diagonal = a.is_finite().and(a.abs().eq(b.abs()));
        diagonal.select(0.0, (a - b) * (a + b)).complex(a * b * 2.0).value()
    })))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Pow;

/// y xʸ⁻¹ dx; 0 for y = 0, also where x is 0
fn pow_left(dx: &Array, _: &Array, x: &Array, y: &Array) -> Array {
    let integer = y.dtype().is_integer();
    // Strongly typed, as in JAX.
    let x = &convert(x, x.dtype(), false);
    let mut y = convert(y, x.dtype(), false);
    let one = literal_like(x, 1.0);
    if !integer {
        return mul(dx, &mul(&y, &crate::lax::pow(x, &sub(&y, &one))));
    }
    if y.ndim() < x.ndim() {
        y = broadcast_in_dim(&y, x.shape(), ());
    }
    let slope = mul(&replace_zero(&y), &pow(x, &sub(&y, &one)));
    let zeros = zeros_like(&slope);
    let zero_power = eq(&y, &literal_like(&y, 0.0));
    let zero_power = if zero_power.shape() == slope.shape() {
        zero_power
    } else {
        let axes: Vec<usize> = (0..zero_power.ndim()).collect();
        broadcast_in_dim(&zero_power, slope.shape(), &axes)
    };
    mul(dx, &select(&zero_power, &zeros, &slope))
}

/// log(x) z dy, with log(0) = 0
fn pow_right(dy: &Array, z: &Array, x: &Array, _: &Array) -> Array {
    mul(dy, &mul(&log(&replace_zero(x)), z))
}

impl Primitive for Pow {
    fn name(&self) -> &'static str {
        "pow"
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [x, y] = check::arity(self, ins)?;
        if !x.dtype().is_inexact() {
            bail!(DType, "pow does not accept dtype {} at position 0: it must be inexact", x.dtype());
        }
        if x.dtype() != y.dtype() && !y.dtype().is_integer() {
            bail!(
                DType,
                "the first argument to pow must have an inexact dtype (float or complex), and the second argument must \
                 have an inexact or integer dtype, and two inexact dtypes must match, but got {} and {} respectively",
                x.dtype(),
                y.dtype()
            );
        }
        let shape = broadcast_shape(self, ins)?;
        Ok(one(ShapedArray::result(ins, &shape, x.dtype())))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        let ins = [ins[0], ctx.convert(ins[1], outs[0].dtype())];
        let ins = broadcast_values(ctx, &ins, outs[0].shape());
        let ty = ctx.ty(&outs[0]);
        Ok(one(ctx.elementwise("stablehlo.power", &ins, ty)))
    }
    /// dz = y xʸ⁻¹ dx + log(x) z dy
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        d2(pow_left, pow_right)(*self, primals, tangents)
    }
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        nary_batch(*self, args, dims)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct IntegerPow {
    y: i64,
}

/// The exponent, if `prim` is [`integer_pow`].
pub(crate) fn integer_exponent(prim: &Prim) -> Option<i64> {
    prim.as_any().downcast_ref::<IntegerPow>().map(|power| power.y)
}

impl Primitive for IntegerPow {
    fn name(&self) -> &'static str {
        "integer_pow"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("y", Param::Text(self.y.to_string()))]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let outs = nary_aval(self, ins, 1, NUMBER)?;
        if self.y < 0 && outs[0].dtype().is_integer() {
            bail!(
                DType,
                "integers cannot be raised to negative powers, got integer_pow({}, {})",
                outs[0],
                self.y
            );
        }
        Ok(outs)
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], _: &[ShapedArray]) -> LoweredValues {
        Ok(one(emit(ctx, |e| {
            let mut x = e.expr(ins[0]);
            let one = |x: crate::lax::emit::Expr<'_>| x.constant(1.0).value();
            if self.y == 0 {
                return one(x);
            }
            if self.y == 3 {
                return (x * x * x).value();
            }
            // Squares of squares, as far as the bits of the exponent ask for them.
            let mut bits = self.y.unsigned_abs();
            let mut product = None;
            loop {
                if bits & 1 == 1 {
                    product = Some(product.map_or(x, |p| p * x));
                }
                bits >>= 1;
                if bits == 0 {
                    break;
                }
                x = x * x;
            }
            let power = product.unwrap_or(x);
            if self.y < 0 { power.reciprocal() } else { power }.value()
        })))
    }
    /// dz = y xʸ⁻¹ dx
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        if self.y == 0 {
            return crate::lax::elementwise::zero(*self, primals, tangents);
        }
        unary_jvp(*self, primals, tangents, |x, _, dx| match self.y {
            1 => dx.clone(),
            2 => mul(dx, &mul(&literal_like(x, 2.0), x)),
            y => mul(dx, &mul(&literal_like(x, y as f64), &integer_pow(x, y - 1))),
        })
    }
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        nary_batch(*self, args, dims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;
    use crate::lax::testing::{Draw, FLOATS, INEXACTS, INTEGERS, case, check_rules, message_of};
    use crate::lax::{AccuracyOptions, Tolerance};

    #[test]
    fn rules_of_powers() {
        let mut draw = Draw::new(8);
        check_rules(INEXACTS.into_iter().flat_map(|d| {
            let x = [draw.uniform(d, &[2, 3], 0.4, 2.0)];
            [
                case("square", x.clone(), |x| square(&x[0])),
                case("sqrt", x.clone(), |x| sqrt(&x[0])),
                case("rsqrt", x.clone(), |x| rsqrt(&x[0])),
                case("reciprocal", x.clone(), |x| reciprocal(&x[0])),
                case("sqrt", x.clone(), |x| {
                    let options = AccuracyOptions::new().accuracy(Tolerance::new().ulps(2));
                    sqrt_with(&x[0], options)
                }),
                case("integer_pow_0", x.clone(), |x| integer_pow(&x[0], 0)),
                case("integer_pow_1", x.clone(), |x| integer_pow(&x[0], 1)),
                case("integer_pow_2", x.clone(), |x| integer_pow(&x[0], 2)),
                case("integer_pow_3", x.clone(), |x| integer_pow(&x[0], 3)),
                case("integer_pow_7", x.clone(), |x| integer_pow(&x[0], 7)),
                case("integer_pow_-2", x.clone(), |x| integer_pow(&x[0], -2)),
            ]
        }));
        check_rules(FLOATS.into_iter().flat_map(|d| {
            let x = [draw.values(d, &[2, 3])];
            [case("cbrt", x.clone(), |x| cbrt(&x[0]))]
        }));
    }

    #[test]
    fn rules_of_integer_powers() {
        let mut draw = Draw::new(9);
        check_rules(INTEGERS.into_iter().flat_map(|d| {
            let x = [draw.values(d, &[2, 3])];
            [case("square", x.clone(), |x| square(&x[0])), case("integer_pow", x, |x| integer_pow(&x[0], 5))]
        }));
        let x = Array::from([1]);
        let message = message_of(|| integer_pow(&x, -1));
        assert_eq!(message, "integers cannot be raised to negative powers, got integer_pow(i32[1], -1)");
    }

    #[test]
    fn rules_of_pow() {
        let mut draw = Draw::new(10);
        let shapes: [[&[usize]; 2]; 4] = [[&[2, 3], &[2, 3]], [&[3], &[]], [&[], &[3]], [&[1, 3], &[2, 1]]];
        check_rules(INEXACTS.into_iter().flat_map(|d| {
            shapes.map(|[a, b]| {
                let args = [draw.uniform(d, a, 0.4, 2.0), draw.uniform(d, b, -2.0, 2.0)];
                case("pow", args, |x| pow(&x[0], &x[1]))
            })
        }));
        check_rules([DType::I32, DType::I8, DType::U8].into_iter().flat_map(|d| {
            shapes.map(|[a, b]| {
                let args = [draw.values(DType::F32, a), draw.uniform(d, b, 0.0, 4.0)];
                case("pow by an integer", args, |x| pow(&x[0], &x[1])).loose(4.0)
            })
        }));
    }

    #[test]
    fn pow_of_integers_and_of_two_float_dtypes_is_rejected() {
        let (x, y) = (Array::from([1]), Array::from([1.0f32]));
        assert!(message_of(|| pow(&x, &y)).starts_with("pow does not accept dtype i32 at position 0"));
        let half = Array::from([half::f16::ONE]);
        assert!(message_of(|| pow(&y, &half)).ends_with("but got f32 and f16 respectively"));
    }
}
