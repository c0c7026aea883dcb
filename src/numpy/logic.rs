//! Comparisons, logic, bits, rounding, selection. JAX: `numpy/ufuncs.py`, `numpy/util.py`.

use std::borrow::Borrow;

use crate::core::array::Array;
use crate::dtype::DType;
use crate::error::{OrThrow, bail};
use crate::lax;
use crate::numpy::util::{
    as_default_float, broadcast_arrays_array, constant, inexact, numeric, promote_args, promote_args_inexact,
    promote_args_numeric, promote_dtypes, reject_complex, strong_constant,
};

/// Compares real numbers; complex ones by their real parts, then by their imaginary parts.
#[track_caller]
fn ordered(compare: fn(&Array, &Array) -> Array, [x, y]: [Array; 2]) -> Array {
    if !x.dtype().is_complex() {
        return compare(&x, &y);
    }
    let (xr, yr) = (lax::real(&x), lax::real(&y));
    where_(lax::eq(&xr, &yr), compare(&lax::imag(&x), &lax::imag(&y)), compare(&xr, &yr))
}

macro_rules! comparisons {
    ($($name:ident $lax:ident $doc:literal;)*) => {$(
        #[doc = $doc]
        ///
        /// # Errors
        /// Shapes that do not broadcast: `got incompatible shapes for broadcasting: (3,), (4,)`
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
        /// Shapes that do not broadcast: `got incompatible shapes for broadcasting: (3,), (4,)`; dtypes that the operation
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
/// `not does not accept dtype float32`
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

/// The number of ones among the bits of `|x|`, as `uint8`.
///
/// # Errors
/// Operands that are not integers.
#[track_caller]
pub fn bitwise_count(x: impl Into<Array>) -> Array {
    let x = crate::numpy::abs(numeric(&x.into()));
    lax::convert(&lax::population_count(&x), DType::U8, false)
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
    let x = x.into();
    let infinite = |x: &Array| lax::eq(&lax::abs(x), &strong_constant(x, f64::INFINITY));
    match x.dtype() {
        d if d.is_float() => infinite(&x),
        d if d.is_complex() => lax::bitwise_or(&infinite(&lax::real(&x)), &infinite(&lax::imag(&x))),
        _ => truth_like(&x, false),
    }
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
    let x = x.into();
    reject_complex("signbit", &x);
    let int = match x.dtype() {
        DType::Bool => return truth_like(&x, false),
        DType::BF16 | DType::F16 => DType::I16,
        DType::F32 => DType::I32,
        DType::F64 => DType::I64,
        _ => return lax::lt(&x, &strong_constant(&x, 0.0)),
    };
    let bits = lax::bitcast_convert_type(&x, int);
    lax::lt(&bits, &strong_constant(&bits, 0.0))
}

/// `|x1|` with the sign of `x2`.
///
/// # Errors
/// Complex operands; shapes that do not broadcast.
#[track_caller]
pub fn copysign(x1: impl Into<Array>, x2: impl Into<Array>) -> Array {
    let [x1, x2] = promote_args_inexact("copysign", [&x1.into(), &x2.into()]);
    reject_complex("copysign", &x1);
    let size = lax::abs(&x1);
    where_(signbit(x2), lax::neg(&size), size)
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
    let x = x.into();
    if !x.dtype().is_inexact() {
        return x;
    }
    where_(lax::lt(&x, &constant(&x, 0.0)), lax::ceil(&x), lax::floor(&x))
}

/// [`trunc`].
#[track_caller]
pub fn fix(x: impl Into<Array>) -> Array {
    trunc(x)
}

/// The nearest integer, as a float; ties go to the even one.
#[track_caller]
pub fn rint(x: impl Into<Array>) -> Array {
    let x = x.into();
    match x.dtype() {
        d if d.is_float() => lax::round(&x, lax::RoundingMethod::ToNearestEven),
        d if d.is_complex() => lax::complex(&rint(lax::real(&x)), &rint(lax::imag(&x))),
        _ => as_default_float(&x),
    }
}

/// Rounds to `decimals` places; ties go to the even digit. Integers need `decimals >= 0` and stay as they are.
///
/// # Errors
/// `round: integer operands need decimals >= 0, got -1`
#[track_caller]
pub fn round(x: impl Into<Array>, decimals: i32) -> Array {
    let x = x.into();
    let dtype = x.dtype();
    let check = || {
        if !dtype.is_inexact() && decimals < 0 {
            bail!(Unimplemented, "round: integer operands need decimals >= 0, got {decimals}");
        }
        Ok(())
    };
    check().or_throw();
    if !dtype.is_inexact() {
        return x;
    }
    if dtype.is_complex() {
        return lax::complex(&round(lax::real(&x), decimals), &round(lax::imag(&x), decimals));
    }
    if decimals == 0 {
        return lax::round(&x, lax::RoundingMethod::ToNearestEven);
    }
    let wide = if dtype == DType::F16 { lax::convert(&x, DType::F32, false) } else { x.clone() };
    let factor = constant(&wide, 10f64.powi(decimals));
    let scaled = lax::round(&lax::mul(&wide, &factor), lax::RoundingMethod::ToNearestEven);
    lax::convert(&lax::div(&scaled, &factor), dtype, x.weak_type())
}

/// `x` where `condition` is nonzero, `y` elsewhere. JAX: `jnp.where`.
///
/// `x` and `y` are promoted to one dtype; all three are broadcast.
///
/// # Errors
/// `where: incompatible shapes for broadcasting: shapes=[(3,), (4,), ()]`
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
    select_where(&condition.into(), &x.into(), &y.into())
}

#[track_caller]
fn select_where(condition: &Array, x: &Array, y: &Array) -> Array {
    let condition = to_bool(condition);
    let [x, y] = promote_dtypes([x, y]);
    if condition.ndim() == 0 || (condition.shape() == x.shape() && x.shape() == y.shape()) {
        let [x, y] = broadcast_arrays_array("where", [x, y]);
        return lax::select(&condition, &x, &y);
    }
    // The condition is bool and the others are not of its dtype: broadcast them together, without promotion.
    let [condition, x, y] = broadcast_arrays_array("where", [condition, x, y]);
    lax::select(&condition, &x, &y)
}

/// Of each position the first choice whose condition holds, or `default`. JAX: `jnp.select`.
///
/// # Errors
/// `select: got 2 conditions for 3 choices`; shapes that do not broadcast.
#[track_caller]
pub fn select<C: Borrow<Array>, T: Borrow<Array>>(
    conditions: &[C],
    choices: &[T],
    default: impl Into<Array>,
) -> Array {
    let check = || {
        if conditions.len() != choices.len() || conditions.is_empty() {
            bail!(
                InvalidArgument,
                "select: got {} conditions for {} choices",
                conditions.len(),
                choices.len()
            );
        }
        Ok(())
    };
    check().or_throw();
    let default = default.into();
    let mut all: Vec<&Array> = choices.iter().map(Borrow::borrow).collect();
    all.push(&default);
    let (dtype, weak_type) = crate::numpy::util::result_type_of(&all);
    let mut out = lax::convert(&default, dtype, weak_type);
    for (condition, choice) in conditions.iter().zip(choices).rev() {
        out = select_where(condition.borrow(), &lax::convert(choice.borrow(), dtype, weak_type), &out);
    }
    out
}

/// Are `x` and `y` within `atol + rtol |y|` of each other? Elementwise; infinities of one sign are close, nan is not,
/// unless `equal_nan`.
///
/// # Errors
/// Shapes that do not broadcast.
#[track_caller]
pub fn isclose(x: impl Into<Array>, y: impl Into<Array>, rtol: f64, atol: f64, equal_nan: bool) -> Array {
    let [x, y] = promote_args("isclose", [&x.into(), &y.into()]);
    if !x.dtype().is_inexact() {
        let (x, y) = (inexact(&x), inexact(&y));
        return within(&x, &y, rtol, atol);
    }
    let close = within(&x, &y, rtol, atol);
    let both_finite = lax::bitwise_and(&isfinite(&x), &isfinite(&y));
    let out = where_(both_finite, close, lax::eq(&x, &y));
    if !equal_nan {
        return out;
    }
    lax::bitwise_or(&out, &lax::bitwise_and(&isnan(&x), &isnan(&y)))
}

#[track_caller]
fn within(x: &Array, y: &Array, rtol: f64, atol: f64) -> Array {
    let distance = lax::abs(&lax::sub(x, y));
    let size = lax::abs(y);
    let limit = lax::add(&constant(&size, atol), &lax::mul(&constant(&size, rtol), &size));
    lax::le(&distance, &limit)
}

/// Are all elements [`isclose`] with `rtol` 1e-5 and `atol` 1e-8?
///
/// # Errors
/// Shapes that do not broadcast.
#[track_caller]
pub fn allclose(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    crate::numpy::all(isclose(x, y, 1e-5, 1e-8, false), ..)
}

/// [`round`] by its other name.
///
/// # Errors
/// As [`round`].
#[track_caller]
pub fn around(x: impl Into<Array>, decimals: i32) -> Array {
    round(x, decimals)
}

/// Do `x` and `y` broadcast to one shape with equal elements? A `bool` scalar.
#[track_caller]
pub fn array_equiv(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    let (x, y) = (x.into(), y.into());
    match lax::broadcast_shapes(&[x.shape(), y.shape()]) {
        Ok(_) => crate::numpy::all(equal(x, y), ..),
        Err(_) => Array::from(false),
    }
}

/// Have `x` and `y` one shape and equal elements? A `bool` scalar.
#[track_caller]
pub fn array_equal(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    let (x, y) = (x.into(), y.into());
    if x.shape() != y.shape() {
        return Array::from(false);
    }
    crate::numpy::all(equal(x, y), ..)
}
