//! Comparisons, logic, bits, rounding, selection. JAX: `numpy/ufuncs.py`, `numpy/util.py`.

use std::borrow::Borrow;

use crate::arguments::options;
use crate::calls::jit_call::jitted;
use crate::core::array::Array;
use crate::dtype::DType;
use crate::error::throw;
use crate::lax;
use crate::numpy::util::{
    as_default_float, broadcast_arrays_array, constant, numeric, promote_args, promote_args_inexact,
    promote_args_numeric, promote_dtypes, reject_complex, reject_small_floats, result_type_of,
    strong_constant,
};

/// Compares real numbers; complex ones by their real parts, then by their imaginary parts.
#[track_caller]
fn ordered(compare: fn(&Array, &Array) -> Array, [x, y]: [Array; 2]) -> Array {
    let (xr, yr) = (lax::real(&x), lax::real(&y));
    where_(lax::eq(&xr, &yr), compare(&lax::imag(&x), &lax::imag(&y)), compare(&xr, &yr))
}

macro_rules! comparisons {
    ($($name:ident $lax:ident $doc:literal;)*) => {$(
        #[doc = $doc]
        ///
        /// # Errors
        /// Shapes that do not broadcast: `got incompatible shapes for broadcasting: (3,), (4,): 3 and 4 at axis -1 are neither equal nor 1`
        #[track_caller]
        pub fn $name(x: impl Into<Array>, y: impl Into<Array>) -> Array {
            let [x, y] = promote_args(stringify!($name), [&x.into(), &y.into()]);
            if x.dtype().is_complex() { ordered(lax::$lax, [x, y]) } else { lax::$lax(&x, &y) }
        }
    )*};
}
comparisons! {
    less lt "Elementwise `x < y`, a `bool` array. Complex numbers compare by their real parts first.";
    less_equal le "Elementwise `x <= y`, a `bool` array. Complex numbers compare by their real parts first.";
    greater gt "Elementwise `x > y`, a `bool` array. Complex numbers compare by their real parts first.";
    greater_equal ge "Elementwise `x >= y`, a `bool` array. Complex numbers compare by their real parts first.";
}

macro_rules! binary_functions {
    ($($name:ident $promote:ident $lax:ident $doc:literal;)*) => {$(
        #[doc = $doc]
        ///
        /// # Errors
        /// Shapes that do not broadcast: `got incompatible shapes for broadcasting: (3,), (4,): 3 and 4 at axis -1 are neither equal nor 1`; dtypes that the operation
        /// is not defined for.
        #[track_caller]
        pub fn $name(x: impl Into<Array>, y: impl Into<Array>) -> Array {
            let [x, y] = $promote(stringify!($name), [&x.into(), &y.into()]);
            lax::$lax(&x, &y)
        }
    )*};
}
binary_functions! {
    equal promote_args eq "Elementwise `x == y`, a `bool` array.";
    not_equal promote_args ne "Elementwise `x != y`, a `bool` array.";
    bitwise_and promote_args bitwise_and "Elementwise and of integers' bits, or of truth values.";
    bitwise_or promote_args bitwise_or "Elementwise or of integers' bits, or of truth values.";
    bitwise_xor promote_args bitwise_xor "Elementwise exclusive or of integers' bits, or of truth values.";
    left_shift promote_args_numeric shift_left "`x 2^y` of integers: bits shifted to the left.";
}

/// Bits of integers shifted to the right; signed integers keep their sign.
///
/// # Errors
/// Shapes that do not broadcast; operands that are not integers.
#[track_caller]
pub fn right_shift(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    let [x, y] = promote_args_numeric("right_shift", [&x.into(), &y.into()]);
    if x.dtype().is_unsigned() {
        lax::shift_right_logical(&x, &y)
    } else {
        lax::shift_right_arithmetic(&x, &y)
    }
}

/// [`left_shift`].
#[track_caller]
pub fn bitwise_left_shift(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    left_shift(x, y)
}

/// [`right_shift`].
#[track_caller]
pub fn bitwise_right_shift(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    right_shift(x, y)
}

/// Flips the bits of integers, or truth values.
///
/// # Errors
/// `not does not accept dtype f32`
#[track_caller]
pub fn bitwise_not(x: impl Into<Array>) -> Array {
    lax::bitwise_not(&x.into())
}

/// [`bitwise_not`].
#[track_caller]
pub fn invert(x: impl Into<Array>) -> Array {
    bitwise_not(x)
}

/// [`bitwise_not`].
#[track_caller]
pub fn bitwise_invert(x: impl Into<Array>) -> Array {
    bitwise_not(x)
}

/// The number of ones among the bits of `|x|`, as `u8`.
///
/// # Errors
/// Operands that are not integers.
#[track_caller]
pub fn bitwise_count(x: impl Into<Array>) -> Array {
    jitted("bitwise_count", (), [&x.into()], |[x]| {
        let x = crate::numpy::abs(numeric(x));
        lax::convert(&lax::population_count(&x), DType::U8, false)
    })
}

/// Is it nonzero?
#[track_caller]
pub(crate) fn to_bool(x: &Array) -> Array {
    if x.dtype().is_bool() { x.clone() } else { lax::ne(x, &constant(x, 0.0)) }
}

/// Are both nonzero?
///
/// # Errors
/// Shapes that do not broadcast.
#[track_caller]
pub fn logical_and(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    let [x, y] = promote_args("logical_and", [&x.into(), &y.into()]);
    lax::bitwise_and(&to_bool(&x), &to_bool(&y))
}

/// Is either nonzero?
///
/// # Errors
/// Shapes that do not broadcast.
#[track_caller]
pub fn logical_or(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    let [x, y] = promote_args("logical_or", [&x.into(), &y.into()]);
    lax::bitwise_or(&to_bool(&x), &to_bool(&y))
}

/// Is exactly one nonzero?
///
/// # Errors
/// Shapes that do not broadcast.
#[track_caller]
pub fn logical_xor(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    let [x, y] = promote_args("logical_xor", [&x.into(), &y.into()]);
    lax::bitwise_xor(&to_bool(&x), &to_bool(&y))
}

/// Is it zero?
#[track_caller]
pub fn logical_not(x: impl Into<Array>) -> Array {
    lax::bitwise_not(&to_bool(&x.into()))
}

/// Is it not a number?
#[track_caller]
pub fn isnan(x: impl Into<Array>) -> Array {
    let x = x.into();
    lax::ne(&x, &x)
}

/// Is it neither infinite nor nan?
#[track_caller]
pub fn isfinite(x: impl Into<Array>) -> Array {
    let x = x.into();
    match x.dtype() {
        d if d.is_float() => lax::is_finite(&x),
        d if d.is_complex() => {
            lax::bitwise_and(&lax::is_finite(&lax::real(&x)), &lax::is_finite(&lax::imag(&x)))
        }
        _ => truth_like(&x, true),
    }
}

/// Is it infinite?
#[track_caller]
pub fn isinf(x: impl Into<Array>) -> Array {
    jitted("isinf", (), [&x.into()], |[x]| {
        let infinite = |x: &Array| lax::eq(&lax::abs(x), &strong_constant(x, f64::INFINITY));
        match x.dtype() {
            d if d.is_float() => infinite(x),
            d if d.is_complex() => lax::bitwise_or(&infinite(&lax::real(x)), &infinite(&lax::imag(x))),
            _ => truth_like(x, false),
        }
    })
}

/// Is it positive infinity?
///
/// # Errors
/// Complex operands.
#[track_caller]
pub fn isposinf(x: impl Into<Array>) -> Array {
    infinite_of_sign("isposinf", x.into(), f64::INFINITY)
}

/// Is it negative infinity?
///
/// # Errors
/// Complex operands.
#[track_caller]
pub fn isneginf(x: impl Into<Array>) -> Array {
    infinite_of_sign("isneginf", x.into(), f64::NEG_INFINITY)
}

#[track_caller]
fn infinite_of_sign(name: &str, x: Array, infinity: f64) -> Array {
    reject_complex(name, &x);
    if x.dtype().is_float() { lax::eq(&x, &strong_constant(&x, infinity)) } else { truth_like(&x, false) }
}

#[track_caller]
fn truth_like(x: &Array, value: bool) -> Array {
    lax::full(x.shape(), value)
}

/// Is the sign bit set? True of -0.0.
///
/// # Errors
/// Complex operands.
#[track_caller]
pub fn signbit(x: impl Into<Array>) -> Array {
    jitted("signbit", (), [&x.into()], |[x]| {
        reject_complex("signbit", x);
        reject_small_floats("signbit", x);
        let int = match x.dtype() {
            DType::Bool => return truth_like(x, false),
            DType::BF16 | DType::F16 => DType::I16,
            DType::F32 => DType::I32,
            DType::F64 => DType::I64,
            _ => return lax::lt(x, &strong_constant(x, 0.0)),
        };
        let bits = lax::bitcast_convert_type(x, int);
        let last = strong_constant(&bits, int.bits() as f64 - 1.0);
        lax::convert(&lax::shift_right_arithmetic(&bits, &last), DType::Bool, false)
    })
}

/// `|x1|` with the sign of `x2`.
///
/// # Errors
/// Complex operands; shapes that do not broadcast.
#[track_caller]
pub fn copysign(x1: impl Into<Array>, x2: impl Into<Array>) -> Array {
    jitted("copysign", (), [&x1.into(), &x2.into()], |[x1, x2]| {
        let [x1, x2] = promote_args_inexact("copysign", [x1, x2]);
        reject_complex("copysign", &x1);
        reject_small_floats("copysign", &x1);
        where_(signbit(x2), lax::neg(&lax::abs(&x1)), lax::abs(&x1))
    })
}

/// The largest integer not above `x`; integers stay as they are.
#[track_caller]
pub fn floor(x: impl Into<Array>) -> Array {
    let x = x.into();
    if x.dtype().is_inexact() { lax::floor(&x) } else { x }
}

/// The smallest integer not below `x`; integers stay as they are.
#[track_caller]
pub fn ceil(x: impl Into<Array>) -> Array {
    let x = x.into();
    if x.dtype().is_inexact() { lax::ceil(&x) } else { x }
}

/// The next integer towards zero; integers stay as they are.
#[track_caller]
pub fn trunc(x: impl Into<Array>) -> Array {
    jitted("trunc", (), [&x.into()], |[x]| {
        if !x.dtype().is_inexact() {
            return x.clone();
        }
        where_(lax::lt(x, &constant(x, 0.0)), lax::ceil(x), lax::floor(x))
    })
}

/// [`trunc`].
#[track_caller]
pub fn fix(x: impl Into<Array>) -> Array {
    trunc(x)
}

/// The nearest integer, as a float; ties go to the even one.
#[track_caller]
pub fn rint(x: impl Into<Array>) -> Array {
    jitted("rint", (), [&x.into()], |[x]| match x.dtype() {
        d if d.is_float() => {
            lax::round_with(x, lax::RoundOptions::new().rounding_method(lax::RoundingMethod::ToNearestEven))
        }
        d if d.is_complex() => lax::complex(&rint(lax::real(x)), &rint(lax::imag(x))),
        _ => as_default_float(x),
    })
}

options! {
    /// Options of [`round_with`] and [`around_with`].
    pub struct RoundOptions {
        /// How many places; negative ones are before the point.
        decimals: value i64 = 0,
    }
}

/// The nearest integer, of the same dtype; ties go to the even one. Integers stay as they are.
#[track_caller]
pub fn round(x: impl Into<Array>) -> Array {
    rounded("round", &x.into(), 0)
}

/// [`round`] to the places of the option `decimals`. Integers need `decimals >= 0` and stay as they are.
///
/// # Errors
/// `round: integer operands need decimals >= 0, got -1`
/// ```
/// use raxla::numpy::{self as jnp, RoundOptions};
///
/// assert_eq!(jnp::round_with(1.25, RoundOptions::new().decimals(1)).item::<f32>()?, 1.2);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn round_with(x: impl Into<Array>, options: RoundOptions) -> Array {
    rounded("round", &x.into(), options.decimals)
}

/// [`round`] by its other name.
#[track_caller]
pub fn around(x: impl Into<Array>) -> Array {
    around_with(x, RoundOptions::new())
}

/// [`round_with`] by its other name.
///
/// # Errors
/// As [`round_with`].
#[track_caller]
pub fn around_with(x: impl Into<Array>, options: RoundOptions) -> Array {
    jitted("around", options.decimals, [&x.into()], |[x]| rounded("around", x, options.decimals))
}

#[track_caller]
fn rounded(name: &str, x: &Array, decimals: i64) -> Array {
    jitted("round", decimals, [x], |[x]| round_to(name, x, decimals))
}

#[track_caller]
fn round_to(name: &str, x: &Array, decimals: i64) -> Array {
    let dtype = x.dtype();
    if !dtype.is_inexact() {
        if decimals < 0 {
            throw!(Unimplemented, "{name}: integer operands need decimals >= 0, got {decimals}");
        }
        return x.clone();
    }
    if dtype.is_complex() {
        let (re, im) = (rounded(name, &lax::real(x), decimals), rounded(name, &lax::imag(x), decimals));
        return lax::complex(&re, &im);
    }
    if decimals == 0 {
        return lax::round_with(
            x,
            lax::RoundOptions::new().rounding_method(lax::RoundingMethod::ToNearestEven),
        );
    }
    let wide = if dtype == DType::F16 { lax::convert(x, DType::F32, false) } else { x.clone() };
    let factor = constant(&wide, 10f64.powi(decimals.clamp(-1000, 1000) as i32));
    let scaled = lax::round_with(
        &lax::mul(&wide, &factor),
        lax::RoundOptions::new().rounding_method(lax::RoundingMethod::ToNearestEven),
    );
    lax::convert(&lax::div(&scaled, &factor), dtype, x.weak_type())
}

/// `x` where `condition` is nonzero, `y` elsewhere. JAX: `jnp.where`.
///
/// `x` and `y` are promoted to one dtype; all three are broadcast.
///
/// # Errors
/// `where: incompatible shapes for broadcasting: (3,), (4,), (): 3 and 4 at axis -1 are neither equal nor 1`
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let x = Array::from([-1.0f32, 2.0, -3.0]);
/// let y = jnp::where_(jnp::greater(&x, 0.0), &x, 0.0);
/// assert_eq!(y.to_vec::<f32>()?, [0.0, 2.0, 0.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn where_(condition: impl Into<Array>, x: impl Into<Array>, y: impl Into<Array>) -> Array {
    jitted("_where", (), [&condition.into(), &x.into(), &y.into()], |[condition, x, y]| {
        select_where("where", condition, x, y)
    })
}

#[track_caller]
fn select_where(name: &str, condition: &Array, x: &Array, y: &Array) -> Array {
    let condition = to_bool(condition);
    let [x, y] = promote_dtypes(name, [x, y]);
    if condition.ndim() == 0 || (condition.shape() == x.shape() && x.shape() == y.shape()) {
        let [x, y] = broadcast_arrays_array(name, [x, y]);
        return lax::select(&condition, &x, &y);
    }
    // The condition is bool and the others are not of its dtype: broadcast them together, without promotion.
    let [condition, x, y] = broadcast_arrays_array(name, [condition, x, y]);
    lax::select(&condition, &x, &y)
}

options! {
    /// Options of [`select_with`].
    pub struct SelectOptions {
        /// What stands where no condition holds.
        default: into Array = 0,
    }
}

/// Of each position the first choice whose condition holds, or 0.
///
/// # Errors
/// `select: got 2 conditions for 3 choices`; shapes that do not broadcast.
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let x = Array::from([1, 2, 3]);
/// let y = jnp::select([jnp::less(&x, 2), jnp::equal(&x, 2)], [&x * 10, &x * 100]);
/// assert_eq!(y.to_vec::<i32>()?, [10, 200, 0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn select<C: Borrow<Array>, T: Borrow<Array>>(
    conditions: impl AsRef<[C]>,
    choices: impl AsRef<[T]>,
) -> Array {
    select_with(conditions, choices, SelectOptions::new())
}

/// [`select`] by options.
///
/// # Errors
/// As [`select`].
#[track_caller]
pub fn select_with<C: Borrow<Array>, T: Borrow<Array>>(
    conditions: impl AsRef<[C]>,
    choices: impl AsRef<[T]>,
    options: SelectOptions,
) -> Array {
    let conditions: Vec<&Array> = conditions.as_ref().iter().map(Borrow::borrow).collect();
    let choices: Vec<&Array> = choices.as_ref().iter().map(Borrow::borrow).collect();
    first_that_holds(&conditions, &choices, &options.default)
}

#[track_caller]
fn first_that_holds(conditions: &[&Array], choices: &[&Array], default: &Array) -> Array {
    if conditions.len() != choices.len() || conditions.is_empty() {
        throw!(InvalidArgument, "select: got {} conditions for {} choices", conditions.len(), choices.len());
    }
    let all: Vec<&Array> = choices.iter().copied().chain([default]).collect();
    let (dtype, weak_type) = result_type_of("select", &all);
    let mut out = lax::convert(default, dtype, weak_type);
    for (condition, choice) in conditions.iter().zip(choices).rev() {
        out = select_where("select", condition, &lax::convert(choice, dtype, weak_type), &out);
    }
    out
}
