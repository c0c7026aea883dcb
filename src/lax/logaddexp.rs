//! `logaddexp`, `logaddexp2`: `log(exp(x) + exp(y))` without overflow, and the same to base 2. JAX: `lax.logaddexp`,
//! `logaddexp2`, there functions with a custom derivative. StableHLO: several operations.

use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{BatchDim, Batched, Jvp, LoweredValues, MappedAxis, Primitive, Tangent};
use crate::core::trace::bind1;
use crate::error::Result;
use crate::lax::elementwise::{
    INEXACT, add_tangents, broadcast_tangent, broadcast_values, nary_aval, nary_batch, one,
};
use crate::lax::extremum::extremum;
use crate::lax::full::literal;
use crate::lax::{eq, exp, exp2, mul, real, select, sub, zeros_like};
use crate::mlir::Value;

/// Elementwise `log(exp(x) + exp(y))`; exact where either overflows. Complex: the imaginary part is in `-π..π`.
///
/// # Errors
/// `logaddexp got incompatible shapes for broadcasting: (3,), (4,): 3 and 4 at axis -1 are neither equal nor 1`; operands of different or of integer dtypes.
#[track_caller]
pub fn logaddexp(x: &Array, y: &Array) -> Array {
    bind1(LogAddExp { base: Base::E }, &[x, y])
}

/// Elementwise `log2(2^x + 2^y)`, in all else as [`logaddexp`].
#[track_caller]
pub(crate) fn logaddexp2(x: &Array, y: &Array) -> Array {
    bind1(LogAddExp { base: Base::Two }, &[x, y])
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct LogAddExp {
    base: Base,
}

/// Of the exponentials and of the logarithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Base {
    E,
    Two,
}

impl Base {
    /// Writes `base` to the power of `x`.
    fn power(self, ctx: &mut LoweringCtx, x: Value) -> Value {
        let x = match self {
            Base::E => x,
            Base::Two => {
                let ln2 = ctx.full_like(x, std::f64::consts::LN_2);
                ctx.elementwise("stablehlo.multiply", &[x, ln2], x.ty())
            }
        };
        ctx.elementwise("stablehlo.exponential", &[x], x.ty())
    }

    /// Writes the logarithm of `1 + x`.
    fn log1p(self, ctx: &mut LoweringCtx, x: Value) -> Value {
        let log = ctx.elementwise("stablehlo.log_plus_one", &[x], x.ty());
        match self {
            Base::E => log,
            Base::Two => {
                let scale = ctx.full_like(log, std::f64::consts::LOG2_E);
                ctx.elementwise("stablehlo.multiply", &[log, scale], log.ty())
            }
        }
    }
}

/// The formula, for values of one type: `m + log1p(exp(-|x - y|))`, where `m` is the greater.
pub(crate) fn logaddexp_value(ctx: &mut LoweringCtx, base: Base, x: Value, y: Value) -> Value {
    let ty = x.ty();
    let greater = extremum(ctx, true, x, y);
    if ctx.dtype(x).is_complex() {
        let sum = ctx.elementwise("stablehlo.add", &[x, y], ty);
        let two = ctx.full_like(x, 2.0);
        let twice = ctx.elementwise("stablehlo.multiply", &[greater, two], ty);
        let delta = ctx.elementwise("stablehlo.subtract", &[sum, twice], ty);
        let rest = base.power(ctx, delta);
        let rest = base.log1p(ctx, rest);
        let out = ctx.elementwise("stablehlo.add", &[greater, rest], ty);
        return wrap_imag(ctx, base, out);
    }
    let delta = ctx.elementwise("stablehlo.subtract", &[x, y], ty);
    // NaN, or infinities of one sign.
    let odd = ctx.compare("NE", delta, delta);
    let sum = ctx.elementwise("stablehlo.add", &[x, y], ty);
    let distance = ctx.elementwise("stablehlo.abs", &[delta], ty);
    let negative = ctx.elementwise("stablehlo.negate", &[distance], ty);
    let rest = base.power(ctx, negative);
    let rest = base.log1p(ctx, rest);
    let out = ctx.elementwise("stablehlo.add", &[greater, rest], ty);
    ctx.select(odd, sum, out)
}

/// The imaginary part taken modulo 2π into `-π..π`, each by the logarithm of the base.
fn wrap_imag(ctx: &mut LoweringCtx, base: Base, z: Value) -> Value {
    let shape = ctx.shape(z);
    let dtype = ctx.dtype(z);
    let ty = ctx.tensor(dtype.real(), &shape);
    let re = ctx.op1("stablehlo.real", &[z], "", ty);
    let im = ctx.op1("stablehlo.imag", &[z], "", ty);
    let half = match base {
        Base::E => std::f64::consts::PI,
        Base::Two => std::f64::consts::PI / std::f64::consts::LN_2,
    };
    let pi = ctx.full_like(im, half);
    let turn = ctx.full_like(im, 2.0 * half);
    let zero = ctx.full_like(im, 0.0);
    let shifted = ctx.elementwise("stablehlo.add", &[im, pi], ty);
    let rest = ctx.elementwise("stablehlo.remainder", &[shifted, turn], ty);
    let negative = ctx.compare("LT", rest, zero);
    let above = ctx.elementwise("stablehlo.add", &[rest, turn], ty);
    let rest = ctx.select(negative, above, rest);
    let im = ctx.elementwise("stablehlo.subtract", &[rest, pi], ty);
    ctx.op1("stablehlo.complex", &[re, im], "", z.ty())
}

/// `x`, or 0 where its real part is infinite, so that equal infinities differ by 0.
fn without_inf(x: &Array) -> Array {
    let re = if x.dtype().is_complex() { real(x) } else { x.clone() };
    select(&eq(&re, &literal(re.dtype(), f64::INFINITY)), &zeros_like(x), x)
}

/// d log(eˣ + eʸ) = eˣ⁻ᶻ dx + eʸ⁻ᶻ dy, a term of it
pub(crate) fn logaddexp_tangent(base: Base, x: &Array, z: &Array, dx: &Array) -> Array {
    let exponent = sub(&without_inf(x), &without_inf(z));
    let share = match base {
        Base::E => exp(&exponent),
        Base::Two => exp2(&exponent),
    };
    mul(dx, &share)
}

impl Primitive for LogAddExp {
    fn name(&self) -> &'static str {
        match self.base {
            Base::E => "logaddexp",
            Base::Two => "logaddexp2",
        }
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let avals = nary_aval(self, ins, 2, INEXACT)?;
        // The scale by the logarithm of 2 has the dtype of arrays; a number's is weak.
        let strong = self.base == Base::Two && avals[0].ndim() > 0;
        Ok(avals.into_iter().map(|aval| aval.with_weak_type(aval.weak_type() && !strong)).collect())
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        let ins = broadcast_values(ctx, ins, outs[0].shape());
        Ok(one(logaddexp_value(ctx, self.base, ins[0], ins[1])))
    }
    /// dz = eˣ⁻ᶻ dx + eʸ⁻ᶻ dy
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        let z = bind1(*self, &[&primals[0], &primals[1]]);
        let term = |i: usize| {
            let dx = tangents[i].as_ref()?;
            Some(broadcast_tangent(logaddexp_tangent(self.base, &primals[i], &z, dx), &z))
        };
        let tangent = add_tangents(term(0), term(1));
        Ok((one(z), one(tangent)))
    }
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        nary_batch(*self, args, dims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;
    use crate::error::catch;
    use crate::lax::testing::{Draw, case, check_rules};

    #[test]
    fn rules() {
        let mut draw = Draw::new(23);
        let mut values = |dtype, shape: &[usize]| draw.values(dtype, shape);
        check_rules([
            case("real", [values(DType::F32, &[3]), values(DType::F32, &[3])], |x| logaddexp(&x[0], &x[1])),
            case("scalar", [values(DType::F32, &[3]), values(DType::F32, &[])], |x| logaddexp(&x[0], &x[1])),
            case("base 2", [values(DType::F32, &[3]), values(DType::F32, &[3])], |x| {
                logaddexp2(&x[0], &x[1])
            }),
            case("complex, base 2", [values(DType::C64, &[3]), values(DType::C64, &[3])], |x| {
                logaddexp2(&x[0], &x[1])
            }),
            case("complex", [values(DType::C64, &[3]), values(DType::C64, &[3])], |x| {
                logaddexp(&x[0], &x[1])
            }),
        ]);
    }

    #[test]
    fn infinities_and_large_values_are_exact() {
        let x = Array::from([f32::INFINITY, f32::NEG_INFINITY, 1000.0, f32::NEG_INFINITY]);
        let y = Array::from([f32::INFINITY, f32::NEG_INFINITY, 0.0, 1.0]);
        let z = logaddexp(&x, &y).to_vec::<f32>().unwrap();
        assert_eq!(z, [f32::INFINITY, f32::NEG_INFINITY, 1000.0, 1.0]);
    }

    #[test]
    fn integers_are_rejected() {
        let e = catch(|| Ok(logaddexp(&Array::from([1u8]), &Array::from([1u8])))).unwrap_err();
        assert!(e.message().starts_with("logaddexp does not accept dtype u8"));
    }
}
