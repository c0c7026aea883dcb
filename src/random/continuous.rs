//! Samplers of real numbers. JAX: `jax.random.uniform`, `normal` and so on.

use std::f64::consts::{PI, SQRT_2};

use super::key::Key;
use super::sampler::{
    check_castable, check_shape, jitted, random_bits, random_split, shape_dtype, stacked, to_rank, to_shape,
};
use crate::arguments::{ShapeDtype, options};
use crate::core::array::Array;
use crate::core::aval::Shape;
use crate::core::scalar::Scalar;
use crate::dtype::{DType, Format};
use crate::error::throw;
use crate::lax::full::literal;
use crate::lax::{
    abs, add, bitcast_convert_type, bitwise_and, bitwise_not, bitwise_or, clamp, clz, complex,
    convert_element_type, div, eq, erf, erf_inv, exp, full_like, ge, index_along, integer_pow, le, log,
    log1p, lt, max, mul, neg, nextafter, pow, reduce_sum, select, shift_left, shift_right_logical, sign,
    sqrt, stop_gradient, sub, tan,
};

/// Explicitly stored bits of the mantissa.
pub(super) fn mantissa(dtype: DType) -> usize {
    match dtype.real() {
        DType::BF16 => 7,
        DType::F16 => 10,
        DType::F64 => 52,
        real => Format::of(real).map_or(23, |format| format.parts().0 as usize),
    }
}

/// The smallest normal number.
fn tiny(dtype: DType) -> f64 {
    match dtype.real() {
        DType::F16 => f64::from_bits((1023 - 14) << 52),
        DType::F64 => f64::MIN_POSITIVE,
        real => match Format::of(real) {
            Some(format) => format.decode(format.tiny()),
            None => f64::from(f32::MIN_POSITIVE),
        },
    }
}

/// The distance from 1 to the number below it.
fn epsneg(dtype: DType) -> f64 {
    0.5f64.powi(mantissa(dtype) as i32 + 1)
}

/// The unsigned dtype of this dtype's size.
pub(super) fn bits_of(dtype: DType) -> DType {
    match dtype.size() {
        1 => DType::U8,
        2 => DType::U16,
        4 => DType::U32,
        _ => DType::U64,
    }
}

/// The shape, and the dtype in force, which must be of floats (or `complex`).
#[track_caller]
pub(super) fn floats(name: &str, of: ShapeDtype, or_complex: bool) -> (Shape, DType) {
    let (shape, dtype) = shape_dtype(name, &of, DType::F64);
    if !(dtype.is_float() || or_complex && dtype.is_complex()) {
        let or = if or_complex { " or complex" } else { "" };
        throw!(DType, "dtype argument to `{name}` must be a float{or} dtype, got {dtype}");
    }
    (shape, dtype)
}

/// Random bits: unsigned integers over their whole range, `u32` (`u64` with x64 on) unless another dtype is given.
///
/// ```
/// use raxla::{DType, random};
/// assert_eq!(random::bits(&random::key(42), 2).to_vec::<u32>()?.len(), 2);
/// assert_eq!(random::bits(&random::key(42), (2, DType::U8)).dtype(), DType::U8);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// A dtype that is not unsigned; an array of keys.
#[track_caller]
pub fn bits(key: &Key, shape: impl Into<ShapeDtype>) -> Array {
    let (shape, dtype) = shape_dtype("bits", &shape.into(), DType::U64);
    if !dtype.is_unsigned() || dtype.is_sub_byte() {
        throw!(DType, "dtype argument to `bits` must be an unsigned int dtype, got {dtype}");
    }
    random_bits(key.single("bits"), dtype.bits(), &shape)
}

options! {
    /// Options of [`uniform_with`].
    pub struct UniformOptions {
        /// The least number, which may be an array that broadcasts to the shape.
        minval: into Array = 0.0,
        /// The number below which the draws are, which may be an array that broadcasts to the shape.
        maxval: into Array = 1.0,
    }
}

/// Uniform numbers in `0..1`; `f32` (`f64` with x64 on) unless another float dtype is given.
///
/// ```
/// use raxla::{DType, random};
///
/// let x = random::uniform(&random::key(42), [3]);
/// assert_eq!(x.to_vec::<f32>()?, [0.48870957, 0.67979717, 0.6162715]);
/// assert_eq!(random::uniform(&random::key(42), ([3], DType::BF16)).dtype(), DType::BF16);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// ``dtype argument to `uniform` must be a float dtype, got i32``; an array of keys.
#[track_caller]
pub fn uniform(key: &Key, shape: impl Into<ShapeDtype>) -> Array {
    uniform_in(key, shape.into(), UniformOptions::new())
}

/// [`uniform`] in `minval..maxval`.
///
/// ```
/// use raxla::random::{self, UniformOptions};
///
/// let x = random::uniform_with(&random::key(42), [3], UniformOptions::new().minval(-1.0));
/// assert_eq!(x.to_vec::<f32>()?, [-0.022580862, 0.35959435, 0.23254299]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`uniform`]; shapes that do not fit.
#[track_caller]
pub fn uniform_with(key: &Key, shape: impl Into<ShapeDtype>, options: UniformOptions) -> Array {
    uniform_in(key, shape.into(), options)
}

#[track_caller]
fn uniform_in(key: &Key, of: ShapeDtype, UniformOptions { minval, maxval }: UniformOptions) -> Array {
    let (shape, dtype) = floats("uniform", of, false);
    uniform_words(key.single("uniform"), &shape, dtype, &minval, &maxval)
}

/// [`uniform_with`] from the words of a key. Random bits are the mantissa of a number in 1..2.
#[track_caller]
pub(super) fn uniform_words(
    key: &Key,
    shape: &[usize],
    dtype: DType,
    minval: &Array,
    maxval: &Array,
) -> Array {
    if dtype.is_sub_byte() {
        throw!(DType, "uniform only accepts floats of 8, 16, 32 or 64 bits, got {dtype}");
    }
    let (minval, maxval) = (convert_element_type(minval, dtype), convert_element_type(maxval, dtype));
    check_shape("uniform", shape, &[&minval, &maxval]);
    jitted("_uniform", shape, dtype, 0, key, &[&minval, &maxval], |key, args| {
        let (low, high) = (to_rank(&args[0], shape.len()), to_rank(&args[1], shape.len()));
        let width = if mantissa(dtype) < 8 { 8 } else { bits_of(dtype).bits() };
        uniform_of_bits(&random_bits(key, width, shape), dtype, &low, &high)
    })
}

/// Uniform numbers of random bits, a word for each.
#[track_caller]
pub(super) fn uniform_of_bits(bits: &Array, dtype: DType, low: &Array, high: &Array) -> Array {
    let (width, unsigned) = (bits.dtype().bits(), bits_of(dtype));
    let bits = convert_element_type(bits, unsigned);
    let fraction = shift_right_logical(&bits, &literal(unsigned, (width - mantissa(dtype)) as f64));
    let one = Scalar::from_bytes(unsigned, &Scalar::from_f64(dtype, 1.0).bytes());
    let number = bitcast_convert_type(&bitwise_or(&fraction, &Array::from(one)), dtype);
    let number = sub(&number, &literal(dtype, 1.0));
    max(low, &add(&mul(&number, &sub(high, low)), low))
}

/// Standard normal numbers; `f32` (`f64` with x64 on) unless another float or complex dtype is given.
///
/// ```
/// use raxla::{DType, random};
/// assert_eq!(random::normal(&random::key(42), ()).ndim(), 0);
/// assert_eq!(random::normal(&random::key(42), ([2, 3], DType::BF16)).dtype(), DType::BF16);
/// ```
///
/// # Errors
/// ``dtype argument to `normal` must be a float or complex dtype, got i32``; an array of keys.
#[track_caller]
pub fn normal(key: &Key, shape: impl Into<ShapeDtype>) -> Array {
    let (shape, dtype) = floats("normal", shape.into(), true);
    normal_words(key.single("normal"), &shape, dtype)
}

/// `√2 erf⁻¹(u)` of `u` in `-1..1`.
#[track_caller]
pub(super) fn normal_words(key: &Key, shape: &[usize], dtype: DType) -> Array {
    jitted("_normal", shape, dtype, 0, key, &[], |key, _| {
        if dtype.is_complex() {
            let keys = random_split(key, &[2]);
            let part = |i| normal_words(&keys.at(i), shape, dtype.real());
            let z = complex(&part(0), &part(1));
            return div(&z, &literal(dtype, SQRT_2));
        }
        jitted("_normal_real", shape, dtype, 0, key, &[], |key, _| {
            normal_of(dtype, |low, high| uniform_words(key, shape, dtype, low, high))
        })
    })
}

/// Standard normal numbers of what `uniform` gives between two numbers.
#[track_caller]
pub(super) fn normal_of(dtype: DType, uniform: impl FnOnce(&Array, &Array) -> Array) -> Array {
    let u = uniform(&literal(dtype, epsneg(dtype) - 1.0), &literal(dtype, 1.0));
    mul(&literal(dtype, SQRT_2), &erf_inv(&u))
}

/// Normal numbers between `lower` and `upper`, which may be arrays that broadcast to `shape`; `f32` (`f64` with x64 on)
/// unless another float dtype is given.
///
/// # Errors
/// ``dtype argument to `truncated_normal` must be a float dtype, got i32``; shapes that do not fit; an array of keys.
#[track_caller]
pub fn truncated_normal(
    key: &Key,
    lower: impl Into<Array>,
    upper: impl Into<Array>,
    shape: impl Into<ShapeDtype>,
) -> Array {
    truncated_normal_of(key, &lower.into(), &upper.into(), shape.into())
}

#[track_caller]
fn truncated_normal_of(key: &Key, lower: &Array, upper: &Array, of: ShapeDtype) -> Array {
    let (shape, dtype) = floats("truncated_normal", of, false);
    let (lower, upper) = (convert_element_type(lower, dtype), convert_element_type(upper, dtype));
    check_shape("truncated_normal", &shape, &[&lower, &upper]);
    let key = key.single("truncated_normal");
    jitted("_truncated_normal", &shape, dtype, 0, key, &[&lower, &upper], |key, args| {
        let (lower, upper) = (to_rank(&args[0], shape.len()), to_rank(&args[1], shape.len()));
        truncated_normal_between(&lower, &upper, &shape, |low, high| {
            uniform_words(key, &shape, dtype, low, high)
        })
    })
}

/// Normal numbers between two, of what `uniform` gives between two numbers.
#[track_caller]
pub(super) fn truncated_normal_between(
    lower: &Array,
    upper: &Array,
    shape: &[usize],
    uniform: impl FnOnce(&Array, &Array) -> Array,
) -> Array {
    let sqrt2 = literal(lower.dtype(), SQRT_2);
    let (a, b) = (erf(&div(lower, &sqrt2)), erf(&div(upper, &sqrt2)));
    let out = mul(&sqrt2, &erf_inv(&uniform(&a, &b)));
    // Rounding must not push it onto or beyond the bounds.
    let low = nextafter(&stop_gradient(lower), &full_like(lower, f64::INFINITY));
    let high = nextafter(&stop_gradient(upper), &full_like(upper, f64::NEG_INFINITY));
    clamp(&to_shape(&low, shape), &out, &to_shape(&high, shape))
}

/// A sampler without parameters: its documentation, its public function, that on the words of a key, and its formula.
macro_rules! sampler {
    ($(#[$doc:meta])* $name:ident, $words:ident, $inner:literal, |$key:ident, $shape:ident, $dtype:ident| $body:expr) => {
        $(#[$doc])*
        /// `f32` (`f64` with x64 on) unless another float dtype is given.
        ///
        /// # Errors
        /// A dtype that is no float; an array of keys.
        #[track_caller]
        pub fn $name(key: &Key, shape: impl Into<ShapeDtype>) -> Array {
            let (shape, dtype) = floats(stringify!($name), shape.into(), false);
            $words(key.single(stringify!($name)), &shape, dtype)
        }

        #[track_caller]
        pub(super) fn $words(key: &Key, $shape: &[usize], $dtype: DType) -> Array {
            jitted($inner, $shape, $dtype, 0, key, &[], |$key, _| $body)
        }
    };
}

/// Uniform in `minval..1`.
#[track_caller]
fn up_to_one(key: &Key, shape: &[usize], dtype: DType, minval: f64) -> Array {
    uniform_words(key, shape, dtype, &literal(dtype, minval), &literal(dtype, 1.0))
}

sampler! {
    /// Exponentially distributed numbers of rate 1.
    exponential, exponential_words, "_exponential",
    |key, shape, dtype| neg(&log1p(&neg(&up_to_one(key, shape, dtype, 0.0))))
}
sampler! {
    /// Standard Laplace numbers.
    laplace, laplace_words, "_laplace",
    |key, shape, dtype| {
        let u = up_to_one(key, shape, dtype, epsneg(dtype) - 1.0);
        mul(&sign(&u), &log1p(&neg(&abs(&u))))
    }
}
sampler! {
    /// Standard logistic numbers.
    logistic, logistic_words, "_logistic",
    |key, shape, dtype| {
        let u = up_to_one(key, shape, dtype, tiny(dtype));
        sub(&log(&u), &log1p(&neg(&u)))
    }
}
sampler! {
    /// Standard Cauchy numbers.
    cauchy, cauchy_words, "_cauchy",
    |key, shape, dtype| {
        let u = up_to_one(key, shape, dtype, 2.0 * epsneg(dtype));
        tan(&mul(&literal(dtype, PI), &sub(&u, &literal(dtype, 0.5))))
    }
}
sampler! {
    /// Maxwell numbers: lengths of vectors of three standard normal numbers.
    maxwell, maxwell_words, "_maxwell",
    |key, shape, dtype| {
        let mut longer = Shape::from_slice(shape);
        longer.push(3);
        let x = normal_words(key, &longer, dtype);
        sqrt(&reduce_sum(&mul(&x, &x), [shape.len()]))
    }
}

options! {
    /// Options of [`gumbel_with`].
    pub struct GumbelOptions {
        /// How the extremes are drawn.
        mode: value SamplingMode = SamplingMode::Low,
    }
}

/// How well extreme values are drawn, at the price of more random bits. JAX: the strings of `mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SamplingMode {
    /// One draw of the dtype's mantissa.
    #[default]
    Low,
    /// Two, so that rare values are drawn as often as they should be.
    High,
    /// All bits that `f32` can make use of. Not for [`bernoulli_with`](super::bernoulli_with).
    Highest,
}

/// Standard Gumbel numbers; `f32` (`f64` with x64 on) unless another float dtype is given.
///
/// # Errors
/// A dtype that is no float; an array of keys.
#[track_caller]
pub fn gumbel(key: &Key, shape: impl Into<ShapeDtype>) -> Array {
    gumbel_of(key, shape.into(), SamplingMode::Low)
}

/// [`gumbel`], with options.
///
/// ```
/// use raxla::random::{self, GumbelOptions, SamplingMode};
///
/// let options = GumbelOptions::new().mode(SamplingMode::Highest);
/// assert_eq!(random::gumbel_with(&random::key(42), [3], options).shape(), [3]);
/// ```
///
/// # Errors
/// As [`gumbel`].
#[track_caller]
pub fn gumbel_with(key: &Key, shape: impl Into<ShapeDtype>, options: GumbelOptions) -> Array {
    gumbel_of(key, shape.into(), options.mode)
}

#[track_caller]
fn gumbel_of(key: &Key, of: ShapeDtype, mode: SamplingMode) -> Array {
    let (shape, dtype) = floats("gumbel", of, false);
    gumbel_words(key.single("gumbel"), &shape, dtype, mode)
}

/// [`gumbel_with`] from the words of a key.
#[track_caller]
pub(super) fn gumbel_words(key: &Key, shape: &[usize], dtype: DType, mode: SamplingMode) -> Array {
    let number = |x: f64| literal(dtype, x);
    let minus_log = |x: &Array| neg(&log(x));
    jitted("_gumbel", shape, dtype, mode as i64, key, &[], |key, _| {
        match mode {
            SamplingMode::Low => minus_log(&minus_log(&up_to_one(key, shape, dtype, tiny(dtype)))),
            SamplingMode::Highest if dtype == DType::F32 => {
                let all = literal(DType::U32, f64::from(u32::MAX));
                let bits = random_bits(key, 32, &stacked(shape));
                let part = |x: &Array, i: i64| index_along(x, i, 0);
                let (high, low) = (part(&bits, 0), part(&bits, 1));
                // The negative of the 64 bits, so that a number near 1 is known by its distance from 1.
                let (not_high, not_low) = (bitwise_not(&high), bitwise_not(&low));
                let one = literal(DType::U32, 1.0);
                let carry = convert_element_type(&eq(&not_low, &all), DType::U32);
                let negated = (add(&not_high, &carry), add(&not_low, &one));
                let below = lt(&high, &literal(DType::U32, f64::from(1u32 << 31)));
                let x = unit_float(&select(&below, &high, &negated.0), &select(&below, &low, &negated.1));
                select(&below, &minus_log(&neg(&log1p(&neg(&x)))), &minus_log(&minus_log(&x)))
            }
            SamplingMode::High | SamplingMode::Highest => {
                let u = uniform_words(key, &stacked(shape), dtype, &number(0.0), &number(1.0));
                let (high, low) = (index_along(&u, 0, 0), index_along(&u, 1, 0));
                let scaled = mul(&number(0.5f64.powi(mantissa(dtype) as i32)), &low);
                let filled = add(&add(&high, &scaled), &number(tiny(dtype)));
                let x = select(&ge(&high, &number(0.5)), &high, &filled);
                minus_log(&neg(&log1p(&neg(&x))))
            }
        }
    })
}

/// The `f32` nearest below the fraction whose first bits are `high` and `low`. JAX: `_safe_int_to_float`.
fn unit_float(high: &Array, low: &Array) -> Array {
    let word = |x: u32| Array::from(Scalar::from_i128(DType::U32, i128::from(x)));
    let (high_clz, low_clz) = (clz(high), clz(low));
    let empty = eq(&high_clz, &word(32));
    let rest =
        select(&empty, &shift_left(low, &low_clz), &shift_right_logical(low, &sub(&word(32), &high_clz)));
    let mantissa = bitwise_or(&shift_left(high, &high_clz), &rest);
    let mantissa = shift_right_logical(&mantissa, &word(32 - 23 - 1));
    let mantissa = bitwise_and(&mantissa, &word((1 << 23) - 1));
    let zeros = select(&empty, &add(&low_clz, &word(32)), &high_clz);
    let exponent = shift_left(&sub(&word(126), &zeros), &word(23));
    let exponent = bitwise_and(&exponent, &word((1 << 30) - (1 << 22)));
    bitcast_convert_type(&bitwise_or(&exponent, &mantissa), DType::F32)
}

/// Pareto numbers of shape parameter `b`, which may be an array that broadcasts to `shape`; `f32` (`f64` with x64 on) unless
/// another float dtype is given.
///
/// # Errors
/// A dtype that is no float, or into which `b` cannot be cast safely; shapes that do not fit; an array of keys.
#[track_caller]
pub fn pareto(key: &Key, b: impl Into<Array>, shape: impl Into<ShapeDtype>) -> Array {
    parametrised("pareto", "_pareto", key, [b.into()], shape.into(), |key, [b], shape, dtype| {
        exp(&div(&exponential_words(key, shape, dtype), &to_shape(b, shape)))
    })
}

/// Rayleigh numbers of this scale, which may be an array that broadcasts to `shape`; `f32` (`f64` with x64 on) unless
/// another float dtype is given.
///
/// # Errors
/// As [`pareto`].
#[track_caller]
pub fn rayleigh(key: &Key, scale: impl Into<Array>, shape: impl Into<ShapeDtype>) -> Array {
    parametrised("rayleigh", "_rayleigh", key, [scale.into()], shape.into(), |key, [scale], shape, dtype| {
        let logs = log(&up_to_one(key, shape, dtype, 0.0));
        mul(&to_shape(scale, shape), &sqrt(&mul(&logs, &literal(dtype, -2.0))))
    })
}

/// Weibull numbers of this scale and concentration, which may be arrays that broadcast to `shape`; `f32` (`f64` with x64 on)
/// unless another float dtype is given.
///
/// # Errors
/// As [`pareto`].
#[track_caller]
pub fn weibull_min(
    key: &Key,
    scale: impl Into<Array>,
    concentration: impl Into<Array>,
    shape: impl Into<ShapeDtype>,
) -> Array {
    let params = [scale.into(), concentration.into()];
    parametrised("weibull_min", "_weibull_min", key, params, shape.into(), |key, [scale, c], shape, dtype| {
        let u = up_to_one(key, shape, dtype, 0.0);
        let power = div(&literal(dtype, 1.0), c);
        let x = pow(&neg(&log1p(&neg(&u))), &to_shape(&power, shape));
        mul(&x, &to_shape(scale, shape))
    })
}

/// `exp(sigma z)` of standard normal `z`; `sigma` (JAX's default is 1) may be an array that broadcasts to `shape`; `f32` (`f64`
/// with x64 on) unless another float or complex dtype is given.
///
/// # Errors
/// As [`pareto`].
#[track_caller]
pub fn lognormal(key: &Key, sigma: impl Into<Array>, shape: impl Into<ShapeDtype>) -> Array {
    parametrised(
        "lognormal",
        "_lognormal",
        key,
        [sigma.into()],
        shape.into(),
        |key, [sigma], shape, dtype| exp(&mul(&normal_words(key, shape, dtype), &to_shape(sigma, shape))),
    )
}

/// Wald (inverse Gaussian) numbers of this mean, which may be an array that broadcasts to `shape`; `f32` (`f64` with x64 on)
/// unless another float dtype is given.
///
/// # Errors
/// As [`pareto`].
#[track_caller]
pub fn wald(key: &Key, mean: impl Into<Array>, shape: impl Into<ShapeDtype>) -> Array {
    parametrised("wald", "_wald", key, [mean.into()], shape.into(), |key, [mean], shape, dtype| {
        // Michael, Schucany and Haas 1976.
        let keys = random_split(key, &[2]);
        let number = |x: f64| literal(dtype, x);
        let mean = to_shape(mean, shape);
        let v = normal_words(&keys.at(0), shape, dtype);
        let z = up_to_one(&keys.at(1), shape, dtype, 0.0);
        let y = integer_pow(&v, 2);
        let mean_sq = integer_pow(&mean, 2);
        let root = sqrt(&add(&mul(&mul(&number(4.0), &mean), &y), &mul(&mean_sq, &integer_pow(&y, 2))));
        let x =
            sub(&add(&mean, &div(&mul(&mean_sq, &y), &number(2.0))), &mul(&div(&mean, &number(2.0)), &root));
        let which = le(&z, &div(&mean, &add(&mean, &x)));
        select(&which, &x, &div(&mean_sq, &x))
    })
}

/// Numbers of the triangular distribution from `left` to `right` whose density is highest at `mode`, which may be arrays that broadcast
/// to `shape`; `f32` (`f64` with x64 on) unless another float dtype is given.
///
/// # Errors
/// As [`pareto`].
#[track_caller]
pub fn triangular(
    key: &Key,
    left: impl Into<Array>,
    mode: impl Into<Array>,
    right: impl Into<Array>,
    shape: impl Into<ShapeDtype>,
) -> Array {
    let params = [left.into(), mode.into(), right.into()];
    parametrised("triangular", "_triangular", key, params, shape.into(), |key, params, shape, dtype| {
        let [left, mode, right] = params.map(|x| to_shape(x, shape));
        let (span, below, above) = (sub(&right, &left), sub(&mode, &left), sub(&right, &mode));
        let u = up_to_one(key, shape, dtype, 0.0);
        let low = add(&left, &sqrt(&mul(&mul(&u, &span), &below)));
        let rest = sub(&literal(dtype, 1.0), &u);
        let high = sub(&right, &sqrt(&mul(&mul(&rest, &span), &above)));
        select(&lt(&u, &div(&below, &span)), &low, &high)
    })
}

/// A sampler with parameters: they are cast to the dtype and must broadcast to the shape.
#[track_caller]
pub(super) fn parametrised<const N: usize>(
    name: &'static str,
    inner: &'static str,
    key: &Key,
    params: [Array; N],
    of: ShapeDtype,
    body: fn(&Key, [&Array; N], &[usize], DType) -> Array,
) -> Array {
    let (shape, dtype) = floats(name, of, name == "lognormal");
    let key = key.single(name);
    for x in &params {
        check_castable(name, x, dtype);
    }
    let params = params.map(|x| convert_element_type(&x, dtype));
    let params = params.each_ref();
    check_shape(name, &shape, &params);
    jitted(inner, &shape, dtype, 0, key, &params, |key, args| {
        body(key, std::array::from_fn(|i| &args[i]), &shape, dtype)
    })
}
