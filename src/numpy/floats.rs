//! Floating-point numbers taken apart, and their neighbours and limits. JAX: `numpy/ufuncs.py`.

use crate::arguments::options;
use crate::calls::jit_call::{jitted, jitted_some};
use crate::core::array::Array;
use crate::core::scalar::Scalar;
use crate::custom_derivatives::{custom_jvp, zero_from_primal};
use crate::dtype::{DType, Format};
use crate::error::{OrThrow, throw};
use crate::lax;
use crate::numpy::util::{
    constant, inexact, promote_args_inexact, promote_shapes, reject_complex, reject_small_floats,
    strong_constant,
};
use crate::numpy::{copysign, isinf, isneginf, isposinf, where_};

/// The fractional and the integer part of `x`, both with its sign.
#[track_caller]
pub fn modf(x: impl Into<Array>) -> (Array, Array) {
    jitted("modf", (), [&x.into()], |[x]| {
        let x = inexact(x);
        let whole = where_(lax::ge(&x, &constant(&x, 0.0)), lax::floor(&x), lax::ceil(&x));
        (lax::sub(&x, &whole), whole)
    })
}

options! {
    /// Options of [`nan_to_num_with`].
    pub struct NanToNumOptions {
        /// What nan becomes; 0, if not given.
        nan: optional_into Array,
        /// What infinity becomes; the largest finite number, if not given.
        posinf: optional_into Array,
        /// What negative infinity becomes; the smallest finite number, if not given.
        neginf: optional_into Array,
    }
}

/// `x` with nan replaced by 0, and infinities by the largest and smallest finite numbers.
#[track_caller]
pub fn nan_to_num(x: impl Into<Array>) -> Array {
    to_numbers(&x.into(), &NanToNumOptions::new())
}

/// [`nan_to_num`] with other replacements.
///
/// # Errors
/// Replacements that do not broadcast to `x`.
/// ```
/// use raxla::numpy::{self as jnp, NanToNumOptions};
/// use raxla::Array;
///
/// let x = Array::from([f32::NAN, f32::INFINITY]);
/// let y = jnp::nan_to_num_with(&x, NanToNumOptions::new().nan(-1.0).posinf(9.0));
/// assert_eq!(y.to_vec::<f32>()?, [-1.0, 9.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn nan_to_num_with(x: impl Into<Array>, options: NanToNumOptions) -> Array {
    to_numbers(&x.into(), &options)
}

#[track_caller]
fn to_numbers(x: &Array, options: &NanToNumOptions) -> Array {
    let optional = [options.nan.as_ref(), options.posinf.as_ref(), options.neginf.as_ref()];
    jitted_some("nan_to_num", (), [x], optional, |[x], [nan, posinf, neginf]| {
        numbers(x, [nan, posinf, neginf])
    })
}

#[track_caller]
fn numbers(x: &Array, values: [Option<&Array>; 3]) -> Array {
    let dtype = x.dtype();
    if !dtype.is_inexact() {
        return x.clone();
    }
    if dtype.is_complex() {
        let (re, im) = (numbers(&lax::real(x), values), numbers(&lax::imag(x), values));
        return lax::complex(&re, &im);
    }
    let limit = max_finite(dtype);
    let value = |v: Option<&Array>, default: f64| match v {
        Some(v) => lax::convert(v, dtype, false),
        None => strong_constant(x, default),
    };
    let [nan, posinf, neginf] = values;
    let missing = lax::ne(x, x);
    let out = where_(missing, value(nan, 0.0), x);
    let out = where_(isposinf(&out), value(posinf, limit), &out);
    where_(isneginf(&out), value(neginf, -limit), &out)
}

/// The largest finite number of a float dtype.
pub(crate) fn max_finite(dtype: DType) -> f64 {
    match dtype {
        DType::BF16 => half::bf16::MAX.to_f64(),
        DType::F16 => half::f16::MAX.to_f64(),
        DType::F32 | DType::C64 => f64::from(f32::MAX),
        _ => match Format::of(dtype) {
            Some(format) => format.decode(format.max()),
            None => f64::MAX,
        },
    }
}

/// Mantissa and exponent `(m, e)` with `x = m 2^e` and `0.5 <= |m| < 1`.
///
/// # Errors
/// Complex operands.
#[track_caller]
pub fn frexp(x: impl Into<Array>) -> (Array, Array) {
    jitted("frexp", (), [&x.into()], |[x]| mantissa_and_exponent(x))
}

#[track_caller]
fn mantissa_and_exponent(x: &Array) -> (Array, Array) {
    let x = inexact(x);
    reject_complex("frexp", &x);
    reject_small_floats("frexp", &x);
    if !x.dtype().is_inexact() {
        throw!(DType, "frexp takes floats, and makes none of {}: convert by astype", x.aval());
    }
    // dm = 2^-e dx: bits have no derivative of their own.
    let rule = |(x,): (Array,), (dx,): (Array,)| {
        let (m, e) = frexp(&x);
        let wide = wide(dx.dtype());
        let dm = times_power_of_two(&lax::convert(&dx, wide, false), &lax::neg(&e));
        let de = zero_from_primal(&e);
        ((m, e), (lax::convert(&dm, dx.dtype(), false), de))
    };
    custom_jvp(parts, rule)(&x).or_throw()
}

/// [`frexp`], by the bits of floats: arithmetic may take subnormals for zero.
fn parts(x: &Array) -> (Array, Array) {
    let (int, mantissa, exponent, bias) = layout(x.dtype());
    let of = |v: i64| lax::convert(&Array::from(v), int, false);
    let and = |a: &Array, v: i64| lax::bitwise_and(a, &of(v));
    let bits = lax::bitcast_convert_type(x, int);
    let fraction = and(&bits, (1 << mantissa) - 1);
    let raw = and(&lax::shift_right_arithmetic(&bits, &of(i64::from(mantissa))), (1 << exponent) - 1);
    let sign = and(&bits, -1 << (mantissa + exponent));
    let no_exponent = lax::eq(&raw, &of(0));
    let zero = lax::bitwise_and(&no_exponent, &lax::eq(&fraction, &of(0)));
    let special = lax::bitwise_or(&zero, &lax::eq(&raw, &of((1 << exponent) - 1)));
    // The first bit of a subnormal's fraction goes where normal ones have an implicit one.
    let shift = lax::sub(&lax::clz(&fraction), &of(i64::from(exponent)));
    let shift = where_(&no_exponent, shift, of(0));
    let fraction = and(&lax::shift_left(&fraction, &shift), (1 << mantissa) - 1);
    let half = lax::bitwise_or(&lax::bitwise_or(&sign, &fraction), &of((bias - 1) << mantissa));
    let m = where_(&special, x, lax::bitcast_convert_type(&half, x.dtype()));
    let raw = where_(no_exponent, lax::sub(&of(1), &shift), raw);
    let e = where_(special, of(0), lax::sub(&raw, &of(bias - 1)));
    (m, lax::convert(&e, DType::I32, false))
}

/// The integer dtype as wide as a float dtype, its mantissa and exponent bits, and its bias.
fn layout(dtype: DType) -> (DType, i32, i32, i64) {
    match dtype {
        DType::BF16 => (DType::I16, 7, 8, 127),
        DType::F16 => (DType::I16, 10, 5, 15),
        DType::F64 => (DType::I64, 52, 11, 1023),
        _ => (DType::I32, 23, 8, 127),
    }
}

/// `x 2^y` for integers `y`.
///
/// # Errors
/// `ldexp: takes a real x and an integer y, got f32 and f32`
#[track_caller]
pub fn ldexp(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    jitted("ldexp", (), [&x.into(), &y.into()], |[x, y]| times_two_to(x, y))
}

#[track_caller]
fn times_two_to(x: &Array, y: &Array) -> Array {
    if x.dtype().is_complex() || y.dtype().is_inexact() {
        throw!(DType, "ldexp: takes a real x and an integer y, got {} and {}", x.dtype(), y.dtype());
    }
    let dtype = inexact(x).dtype();
    reject_small_floats("ldexp", x);
    if !dtype.is_inexact() {
        throw!(DType, "ldexp takes floats, and makes none of {}: convert by astype", x.aval());
    }
    // Far beyond every exponent, so that sums of exponents do not wrap.
    let (least, most) = (Scalar::from_i128(y.dtype(), -10_000), Scalar::from_i128(y.dtype(), 10_000));
    let y = match y.dtype() {
        DType::I32 | DType::I64 => lax::clamp(&least.into(), y, &most.into()),
        DType::U32 | DType::U64 => lax::min(y, &most.into()),
        _ => y.clone(),
    };
    let y = lax::convert(&y, DType::I32, false);
    let [x, y] = promote_shapes("ldexp", [lax::convert(x, wide(dtype), false), y]);
    let (m, e) = frexp(&x);
    let out = times_power_of_two(&m, &lax::add(&e, &y));
    let odd = lax::bitwise_or(&isinf(&x), &lax::eq(&x, &constant(&x, 0.0)));
    lax::convert(&where_(odd, x, out), dtype, false)
}

/// The float in which powers of two are multiplied with, so that the product rounds once.
fn wide(dtype: DType) -> DType {
    if dtype == DType::F64 { DType::F64 } else { DType::F32 }
}

/// `x 2^e` for an `f32` or `f64` and an `i32`: powers of two are made of bits, for `exp2` is not exact.
fn times_power_of_two(x: &Array, e: &Array) -> Array {
    let (int, mantissa, _, bias) = layout(x.dtype());
    let of = |v: i64, dtype| lax::convert(&Array::from(v), dtype, false);
    // Two factors, both normal, from what makes 0 of every number to what makes infinity.
    let e = lax::clamp(&of(2 - 2 * bias, DType::I32), e, &of(2 * bias, DType::I32));
    let half = lax::shift_right_arithmetic(&e, &of(1, DType::I32));
    let power = |e: &Array| {
        let biased = lax::add(&lax::convert(e, int, false), &of(bias, int));
        lax::bitcast_convert_type(&lax::shift_left(&biased, &of(i64::from(mantissa), int)), x.dtype())
    };
    lax::mul(&lax::mul(x, &power(&half)), &power(&lax::sub(&e, &half)))
}

/// The distance from `x` to the next float away from zero.
///
/// # Errors
/// Complex operands.
#[track_caller]
pub fn spacing(x: impl Into<Array>) -> Array {
    let x = inexact(&x.into());
    reject_complex("spacing", &x);
    reject_small_floats("spacing", &x);
    if !x.dtype().is_inexact() {
        throw!(DType, "spacing takes floats, and makes none of {}: convert by astype", x.aval());
    }
    let infinity = constant(&x, f64::INFINITY);
    if x.dtype() == DType::F16 {
        return lax::sub(&lax::nextafter(&x, &strong_constant(&x, f64::INFINITY)), &x);
    }
    let away = copysign(infinity, &x);
    let out = lax::sub(&lax::nextafter(&x, &away), &x);
    let smallest = match x.dtype() {
        DType::BF16 => half::bf16::from_bits(1).to_f64(),
        DType::F32 => f64::from(f32::from_bits(1)),
        _ => f64::from_bits(1),
    };
    let smallest = strong_constant(&x, smallest);
    where_(lax::eq(&out, &constant(&out, 0.0)), copysign(smallest, &x), &out)
}

/// The next float after `x` towards `y`.
///
/// # Errors
/// `nextafter got incompatible shapes for broadcasting: (3,), (4,): 3 and 4 at axis -1 are neither equal nor 1`
#[track_caller]
pub fn nextafter(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    let [x, y] = promote_args_inexact("nextafter", [&x.into(), &y.into()]);
    lax::nextafter(&x, &y)
}
