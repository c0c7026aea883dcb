//! Elementwise arithmetic. JAX: `numpy/ufuncs.py`.

use crate::arguments::options;
use crate::calls::jit_call::{jitted, jitted_list};
use crate::core::array::Array;
use crate::error::{OrThrow, throw};
use crate::lax;
use crate::numpy::util::{
    constant, inexact, numeric, promote_args, promote_args_inexact, promote_args_numeric, promote_dtypes,
    promote_shapes, reject_complex, reject_small_integers, result_type_of,
};
use crate::numpy::{greater, isposinf, less, logical_and, where_};

/// `x + y`; `bool` is logical or.
///
/// Operands of all functions of this module are promoted to one dtype and broadcast to one shape, which is also that of
/// the result; they are arrays, references to arrays, or numbers.
///
/// # Errors
/// `add got incompatible shapes for broadcasting: (3,), (4,): 3 and 4 at axis -1 are neither equal nor 1`
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let x = Array::from([1, 2, 3]);
/// assert_eq!(jnp::add(&x, 0.5).to_vec::<f32>()?, [1.5, 2.5, 3.5]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn add(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    let [x, y] = promote_args("add", [&x.into(), &y.into()]);
    if x.dtype().is_bool() { lax::bitwise_or(&x, &y) } else { lax::add(&x, &y) }
}

/// `x - y`.
///
/// # Errors
/// `sub got incompatible shapes for broadcasting: (3,), (4,): 3 and 4 at axis -1 are neither equal nor 1`; two `bool` operands.
#[track_caller]
pub fn subtract(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    let [x, y] = promote_args("subtract", [&x.into(), &y.into()]);
    lax::sub(&x, &y)
}

/// `x y`; `bool` is logical and.
///
/// # Errors
/// `mul got incompatible shapes for broadcasting: (3,), (4,): 3 and 4 at axis -1 are neither equal nor 1`
#[track_caller]
pub fn multiply(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    let [x, y] = promote_args("multiply", [&x.into(), &y.into()]);
    if x.dtype().is_bool() { lax::bitwise_and(&x, &y) } else { lax::mul(&x, &y) }
}

/// `x / y` as a float, also for integers.
///
/// # Errors
/// `div got incompatible shapes for broadcasting: (3,), (4,): 3 and 4 at axis -1 are neither equal nor 1`
#[track_caller]
pub fn true_divide(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    let [x, y] = promote_args_inexact("true_divide", [&x.into(), &y.into()]);
    lax::div(&x, &y)
}

/// [`true_divide`].
#[track_caller]
pub fn divide(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    true_divide(x, y)
}

/// `floor(x / y)`, in the operands' dtype.
///
/// # Errors
/// Complex operands; shapes that do not broadcast.
#[track_caller]
pub fn floor_divide(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    jitted("floor_divide", (), [&x.into(), &y.into()], |[x, y]| {
        let [x, y] = promote_args_numeric("floor_divide", [x, y]);
        reject_complex("floor_divide", &x);
        if x.dtype().is_unsigned() {
            return lax::div(&x, &y);
        }
        if x.dtype().is_float() {
            return float_divmod(&x, &y).0;
        }
        let quotient = lax::div(&x, &y);
        // Division truncates: one less where the signs differ and there is a rest.
        let zero = constant(&x, 0.0);
        let signs_differ = lax::ne(&lax::sign(&x), &lax::sign(&y));
        let below = logical_and(signs_differ, lax::ne(&lax::rem(&x, &y), &zero));
        let less = lax::sub(&quotient, &constant(&quotient, 1.0));
        where_(below, less, quotient)
    })
}

/// `x - y floor(x / y)`: the rest, with the sign of the divisor.
///
/// # Errors
/// `rem got incompatible shapes for broadcasting: (3,), (4,): 3 and 4 at axis -1 are neither equal nor 1`; complex operands.
#[track_caller]
pub fn remainder(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    jitted("remainder", (), [&x.into(), &y.into()], |[x, y]| {
        let [x, y] = promote_args_numeric("remainder", [x, y]);
        let zero = constant(&x, 0.0);
        let y = if y.dtype().is_integer() { nonzero_or_one(&y) } else { y };
        let rest = lax::rem(&x, &y);
        let there = lax::ne(&rest, &zero);
        let signs_differ = lax::ne(&lax::lt(&rest, &zero), &lax::lt(&y, &zero));
        lax::select(&lax::bitwise_and(&signs_differ, &there), &lax::add(&rest, &y), &rest)
    })
}

/// `y`, or 1 where it is 0.
#[track_caller]
fn nonzero_or_one(y: &Array) -> Array {
    where_(lax::eq(y, &constant(y, 0.0)), lax::full_like(y, 1.0), y)
}

/// [`remainder`].
#[track_caller]
pub fn mod_(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    remainder(x, y)
}

/// `x - y trunc(x / y)`: the rest, with the sign of the dividend.
///
/// # Errors
/// `rem got incompatible shapes for broadcasting: (3,), (4,): 3 and 4 at axis -1 are neither equal nor 1`; complex operands.
#[track_caller]
pub fn fmod(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    jitted("fmod", (), [&x.into(), &y.into()], |[x, y]| {
        let integers = result_type_of("fmod", &[x, y]).0.is_integer();
        let [x, y] = promote_args_numeric("fmod", [x, y]);
        let y = if integers { nonzero_or_one(&y) } else { y };
        lax::rem(&x, &y)
    })
}

/// [`floor_divide`] and [`remainder`] together.
///
/// # Errors
/// Those of [`floor_divide`].
#[track_caller]
pub fn divmod(x: impl Into<Array>, y: impl Into<Array>) -> (Array, Array) {
    jitted("divmod", (), [&x.into(), &y.into()], |[x, y]| {
        let [x, y] = promote_args_numeric("divmod", [x, y]);
        if x.dtype().is_integer() {
            return (floor_divide(&x, &y), remainder(&x, &y));
        }
        reject_complex("divmod", &x);
        float_divmod(&x, &y)
    })
}

/// Quotient and rest of floats; the quotient is a rounded difference so that both agree.
#[track_caller]
fn float_divmod(x: &Array, y: &Array) -> (Array, Array) {
    let zero = constant(x, 0.0);
    let rest = lax::rem(x, y);
    let exact = where_(lax::eq(y, &zero), x, lax::sub(x, &rest));
    let quotient = lax::div(&exact, y);
    let wrong = lax::bitwise_and(&lax::ne(&rest, &zero), &lax::ne(&lax::sign(y), &lax::sign(&rest)));
    let rest = lax::select(&wrong, &lax::add(&rest, y), &rest);
    let quotient = lax::select(&wrong, &subtract(&quotient, 1.0), &quotient);
    let method = lax::RoundOptions::new().rounding_method(lax::RoundingMethod::AwayFromZero);
    (lax::round_with(&quotient, method), rest)
}

/// `x` to the power `y`.
///
/// An integer number as exponent multiplies repeatedly, which is exact for small powers and differentiable at zero.
/// An integer array to the power of one gives integers.
///
/// # Errors
/// Shapes that do not broadcast; a negative number as the exponent of an integer array.
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let x = Array::from([1.0f32, -2.0, 3.0]);
/// assert_eq!(jnp::power(&x, 2).to_vec::<f32>()?, [1.0, 4.0, 9.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn power(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    let (x, y) = (x.into(), y.into());
    if let Some(n) = y.host_integer() {
        return lax::integer_pow(&numeric(&x), n);
    }
    let [x, y] = promote_shapes("power", [x, y]);
    let [px, py] = promote_args_numeric("power", [&x, &y]);
    if px.dtype().is_integer() {
        reject_small_integers("power", &px);
        return pow_integers(px, py);
    }
    if x.dtype().is_inexact() && y.dtype().is_integer() {
        return lax::pow(&x, &y);
    }
    lax::pow(&px, &py)
}

/// [`power`].
#[track_caller]
pub fn pow(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    power(x, y)
}

/// Powers of integers by repeated squaring: six bits of the exponent, since any more overflow.
#[track_caller]
fn pow_integers(mut x: Array, mut y: Array) -> Array {
    let (zero, one) = (constant(&y, 0.0), constant(&y, 1.0));
    let nothing = lax::bitwise_and(&lax::eq(&x, &zero), &lax::ne(&y, &zero));
    let mut out = where_(nothing, &zero, &one);
    for _ in 0..6 {
        let odd = lax::ne(&lax::bitwise_and(&y, &one), &zero);
        out = where_(odd, lax::mul(&out, &x), &out);
        x = lax::mul(&x, &x);
        y = lax::shift_right_logical(&y, &one);
    }
    out
}

/// `x` to the power `y` as a float.
///
/// # Errors
/// `pow got incompatible shapes for broadcasting: (3,), (4,): 3 and 4 at axis -1 are neither equal nor 1`
#[track_caller]
pub fn float_power(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    let [x, y] = promote_args_inexact("float_power", [&x.into(), &y.into()]);
    lax::pow(&x, &y)
}

/// The larger of `x` and `y`; nan if either is.
///
/// # Errors
/// `max got incompatible shapes for broadcasting: (3,), (4,): 3 and 4 at axis -1 are neither equal nor 1`
#[track_caller]
pub fn maximum(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    let [x, y] = promote_args("maximum", [&x.into(), &y.into()]);
    lax::max(&x, &y)
}

/// The smaller of `x` and `y`; nan if either is.
///
/// # Errors
/// `min got incompatible shapes for broadcasting: (3,), (4,): 3 and 4 at axis -1 are neither equal nor 1`
#[track_caller]
pub fn minimum(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    let [x, y] = promote_args("minimum", [&x.into(), &y.into()]);
    lax::min(&x, &y)
}

/// The larger of `x` and `y`; nan only if both are.
///
/// # Errors
/// Shapes that do not broadcast.
#[track_caller]
pub fn fmax(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    jitted("fmax", (), [&x.into(), &y.into()], |[x, y]| {
        let [x, y] = promote_args("fmax", [x, y]);
        let left = lax::bitwise_or(&greater(&x, &y), &lax::ne(&y, &y));
        where_(left, x, y)
    })
}

/// The smaller of `x` and `y`; nan only if both are.
///
/// # Errors
/// Shapes that do not broadcast.
#[track_caller]
pub fn fmin(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    jitted("fmin", (), [&x.into(), &y.into()], |[x, y]| {
        let [x, y] = promote_args("fmin", [x, y]);
        let left = lax::bitwise_or(&less(&x, &y), &lax::ne(&y, &y));
        where_(left, x, y)
    })
}

/// `sqrt(x² + y²)` without overflow.
///
/// # Errors
/// Complex operands; shapes that do not broadcast.
#[track_caller]
pub fn hypot(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    jitted("hypot", (), [&x.into(), &y.into()], |[x, y]| {
        let [x, y] = promote_args_inexact("hypot", [x, y]);
        reject_complex("hypot", &x);
        let (x, y) = (lax::abs(&x), lax::abs(&y));
        let infinite = lax::bitwise_or(&isposinf(&x), &isposinf(&y));
        let (large, small) = (lax::max(&x, &y), lax::min(&x, &y));
        let zero = || lax::eq(&large, &constant(&large, 0.0));
        let (nothing, one) = (zero(), (zero(), lax::full_like(&large, 1.0)));
        let ratio = lax::div(&small, &where_(one.0, one.1, &large));
        let root = lax::sqrt(&lax::add(&constant(&ratio, 1.0), &lax::square(&ratio)));
        let out = where_(nothing, &large, lax::mul(&large, &root));
        where_(infinite, constant(&out, f64::INFINITY), out)
    })
}

/// The absolute value; of a complex number its modulus.
#[track_caller]
pub fn abs(x: impl Into<Array>) -> Array {
    let x = x.into();
    if x.dtype().is_bool() || x.dtype().is_unsigned() { x } else { lax::abs(&x) }
}

/// [`abs`].
#[track_caller]
pub fn absolute(x: impl Into<Array>) -> Array {
    abs(x)
}

/// The absolute value of real numbers, as a float.
///
/// # Errors
/// Complex operands.
#[track_caller]
pub fn fabs(x: impl Into<Array>) -> Array {
    let x = inexact(&x.into());
    reject_complex("fabs", &x);
    lax::abs(&x)
}

/// `-x`.
///
/// # Errors
/// `neg does not accept dtype bool`
#[track_caller]
pub fn negative(x: impl Into<Array>) -> Array {
    lax::neg(&x.into())
}

/// `+x`: `x` itself.
#[track_caller]
pub fn positive(x: impl Into<Array>) -> Array {
    x.into()
}

/// -1, 0 or 1 as `x` is negative, zero or positive; `x / |x|` for complex numbers.
///
/// # Errors
/// `sign does not accept dtype bool`
#[track_caller]
pub fn sign(x: impl Into<Array>) -> Array {
    lax::sign(&x.into())
}

/// `x²`.
#[track_caller]
pub fn square(x: impl Into<Array>) -> Array {
    lax::square(&numeric(&x.into()))
}

/// `1 / x` as a float.
#[track_caller]
pub fn reciprocal(x: impl Into<Array>) -> Array {
    lax::integer_pow(&inexact(&x.into()), -1)
}

/// 0 where `x < 0`, 1 where `x > 0`, `y` where `x == 0`, nan where `x` is nan.
///
/// # Errors
/// Complex operands; shapes that do not broadcast.
#[track_caller]
pub fn heaviside(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    jitted("heaviside", (), [&x.into(), &y.into()], |[x, y]| {
        let [x, y] = promote_args_inexact("heaviside", [x, y]);
        let zero = constant(&x, 0.0);
        let (below, above) = (lax::lt(&x, &zero), lax::gt(&x, &zero));
        let at_zero = where_(lax::ne(&x, &x), &x, y);
        where_(below, zero, where_(above, constant(&x, 1.0), at_zero))
    })
}

/// The greatest common divisor of integers.
///
/// # Errors
/// `gcd: arguments must be integers, got f32`
#[track_caller]
pub fn gcd(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    jitted("gcd", (), [&x.into(), &y.into()], |[x, y]| {
        let [x, y] = integers("gcd", x, y);
        gcd_of(abs(x), abs(y))
    })
}

/// Euclid's algorithm.
#[track_caller]
fn gcd_of(x: Array, y: Array) -> Array {
    let there = |x: &Array| lax::ne(x, &constant(x, 0.0));
    let go_on = |(_, y): &(Array, Array)| crate::numpy::any(there(y), ..);
    let step = |(x, y): (Array, Array)| {
        let greater = where_(there(&y), &y, &x);
        let divides = there(&y);
        // The rest of a division by 0 is not used.
        let rest = where_(divides, lax::rem(&x, &y), constant(&y, 0.0));
        let large = where_(lax::lt(&greater, &rest), &rest, &greater);
        let small = where_(lax::lt(&greater, &rest), greater, rest);
        (large, small)
    };
    lax::while_loop(go_on, step, (x, y)).or_throw().0
}

/// The least common multiple of integers.
///
/// # Errors
/// `lcm: arguments must be integers, got f32`
#[track_caller]
pub fn lcm(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    jitted("lcm", (), [&x.into(), &y.into()], |[x, y]| {
        let [x, y] = integers("lcm", x, y);
        let (x, y) = (abs(x), abs(y));
        let divisor = gcd(&x, &y);
        let zero = lax::eq(&divisor, &constant(&divisor, 0.0));
        let quotient = floor_divide(&y, &divisor);
        where_(zero, constant(&divisor, 0.0), lax::mul(&x, &quotient))
    })
}

#[track_caller]
fn integers(name: &str, x: &Array, y: &Array) -> [Array; 2] {
    for d in [x.dtype(), y.dtype()] {
        if !d.is_integer() {
            throw!(DType, "{name}: arguments must be integers, got {d}");
        }
    }
    crate::numpy::util::broadcast_arrays_array(name, promote_dtypes(name, [x, y]))
}

options! {
    /// Options of [`clip_with`].
    pub struct ClipOptions {
        /// The least value.
        min: optional_into Array,
        /// The greatest value.
        max: optional_into Array,
    }
}

/// `x`, no less than `min` and no greater than `max`. [`clip_with`] takes one bound.
///
/// # Errors
/// Complex operands; shapes that do not broadcast.
/// ```
/// use raxla::numpy::{self as jnp, ClipOptions};
/// use raxla::Array;
///
/// let x = Array::from([-1.0f32, 0.5, 9.0]);
/// assert_eq!(jnp::clip(&x, 0.0, 1.0).to_vec::<f32>()?, [0.0, 0.5, 1.0]);
/// assert_eq!(jnp::clip_with(&x, ClipOptions::new().max(1.0)).to_vec::<f32>()?, [-1.0, 0.5, 1.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn clip(x: impl Into<Array>, min: impl Into<Array>, max: impl Into<Array>) -> Array {
    clip_with(x, ClipOptions::new().min(min).max(max))
}

/// [`clip`] by the bounds that are given.
///
/// # Errors
/// As [`clip`].
#[track_caller]
pub fn clip_with(x: impl Into<Array>, options: ClipOptions) -> Array {
    clipped(&x.into(), &options)
}

#[track_caller]
fn clipped(x: &Array, options: &ClipOptions) -> Array {
    let given = (options.min.is_some(), options.max.is_some());
    let args: Vec<&Array> =
        [Some(x), options.min.as_ref(), options.max.as_ref()].into_iter().flatten().collect();
    jitted_list("clip", given, &args, |args| {
        args.iter().for_each(|x| reject_complex("clip", x));
        let mut x = args[0].clone();
        if let Some(min) = args.get(1).filter(|_| given.0) {
            let [bound, value] = promote_args("clip", [min, &x]);
            x = lax::max(&bound, &value);
        }
        if let Some(max) = args.last().filter(|_| given.1) {
            let [bound, value] = promote_args("clip", [max, &x]);
            x = lax::min(&bound, &value);
        }
        x
    })
}
