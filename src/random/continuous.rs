//! Samplers of real numbers. JAX: `jax.random.uniform`, `normal` and so on.

use std::f64::consts::{PI, SQRT_2};

use super::key::{Dims, Key};
use super::sampler::{check_shape, jitted, to_rank, to_shape};
use crate::core::array::Array;
use crate::core::config::canonicalize;
use crate::core::scalar::Scalar;
use crate::dtype::DType;
use crate::error::{Error, ErrorKind, throw};
use crate::lax::full::literal;
use crate::lax::{
    abs, add, bitcast_convert_type, bitwise_or, clamp, complex, convert_element_type, div, erf, erf_inv, exp,
    full_like, index_in_dim, integer_pow, log, log1p, max, mul, neg, nextafter, pow, random_bits,
    random_split, reduce_sum, shift_right_logical, sign, sqrt, stop_gradient, sub, tan,
};

/// Explicitly stored bits of the mantissa.
pub(super) fn mantissa(dtype: DType) -> usize {
    match dtype.real() {
        DType::BF16 => 7,
        DType::F16 => 10,
        DType::F64 => 52,
        _ => 23,
    }
}

/// The smallest normal number.
fn tiny(dtype: DType) -> f64 {
    match dtype.real() {
        DType::F16 => f64::from_bits((1023 - 14) << 52),
        DType::F64 => f64::MIN_POSITIVE,
        _ => f64::from(f32::MIN_POSITIVE),
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

/// The dtype in force, which must be of floats (or `complex`).
#[track_caller]
fn float(name: &str, dtype: DType, or_complex: bool) -> DType {
    if !(dtype.is_float() || or_complex && dtype.is_complex()) {
        let or = if or_complex { " or complex" } else { "" };
        let message = format!("dtype argument to `{name}` must be a float{or} dtype, got {}", dtype.name());
        throw(Error::new(ErrorKind::DType, message));
    }
    canonicalize(dtype)
}

/// Random bits: unsigned integers over their whole range.
///
/// # Errors
/// A dtype that is not unsigned; an array of keys.
#[track_caller]
pub fn bits(key: &Key, shape: impl Into<Dims>, dtype: DType) -> Array {
    if !dtype.is_unsigned() {
        let message = format!("dtype argument to `bits` must be an unsigned int dtype, got {}", dtype.name());
        throw(Error::new(ErrorKind::DType, message));
    }
    random_bits(key.single("bits"), canonicalize(dtype).bits(), &shape.into().0)
}

/// Uniform numbers in `minval..maxval`, which may be arrays that broadcast to `shape`.
///
/// # Errors
/// ``dtype argument to `uniform` must be a float dtype, got int32``; shapes that do not fit; an array of keys.
#[track_caller]
pub fn uniform_dtype(
    key: &Key,
    shape: impl Into<Dims>,
    dtype: DType,
    minval: impl Into<Array>,
    maxval: impl Into<Array>,
) -> Array {
    let dtype = float("uniform", dtype, false);
    uniform_words(key.single("uniform"), &shape.into().0, dtype, &minval.into(), &maxval.into())
}

/// Uniform `f32` numbers (`f64` with x64 on) in `0..1`.
///
/// ```
/// use raxla::random;
/// let x = random::uniform(&random::key(42), [3]).to_vec::<f32>()?;
/// assert_eq!(x, [0.48870957, 0.67979717, 0.6162715]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// An array of keys.
#[track_caller]
pub fn uniform(key: &Key, shape: impl Into<Dims>) -> Array {
    uniform_dtype(key, shape, DType::F64, 0.0, 1.0)
}

/// [`uniform_dtype`] from the words of a key. Random bits are the mantissa of a number in 1..2.
#[track_caller]
pub(super) fn uniform_words(
    key: &Array,
    shape: &[usize],
    dtype: DType,
    minval: &Array,
    maxval: &Array,
) -> Array {
    let (minval, maxval) = (convert_element_type(minval, dtype), convert_element_type(maxval, dtype));
    check_shape("uniform", shape, &[&minval, &maxval]);
    jitted("_uniform", shape, dtype, 0, &[key, &minval, &maxval], |args| {
        let (low, high) = (to_rank(&args[1], shape.len()), to_rank(&args[2], shape.len()));
        let unsigned = bits_of(dtype);
        let width = if mantissa(dtype) < 8 { 8 } else { unsigned.bits() };
        let bits = convert_element_type(&random_bits(&args[0], width, shape), unsigned);
        let fraction = shift_right_logical(&bits, &literal(unsigned, (width - mantissa(dtype)) as f64));
        let one = Scalar::from_bytes(unsigned, &Scalar::from_f64(dtype, 1.0).bytes());
        let number = bitcast_convert_type(&bitwise_or(&fraction, &Array::from(one)), dtype);
        let number = sub(&number, &literal(dtype, 1.0));
        max(&low, &add(&mul(&number, &sub(&high, &low)), &low))
    })
}

/// Standard normal numbers of any float or complex dtype.
///
/// # Errors
/// ``dtype argument to `normal` must be a float or complex dtype, got int32``; an array of keys.
#[track_caller]
pub fn normal_dtype(key: &Key, shape: impl Into<Dims>, dtype: DType) -> Array {
    let dtype = float("normal", dtype, true);
    normal_words(key.single("normal"), &shape.into().0, dtype)
}

/// Standard normal `f32` numbers (`f64` with x64 on).
///
/// ```
/// use raxla::random;
/// assert_eq!(random::normal(&random::key(42), ()).shape(), []);
/// ```
///
/// # Errors
/// An array of keys.
#[track_caller]
pub fn normal(key: &Key, shape: impl Into<Dims>) -> Array {
    normal_dtype(key, shape, DType::F64)
}

/// `√2 erf⁻¹(u)` of `u` in `-1..1`.
#[track_caller]
fn normal_words(key: &Array, shape: &[usize], dtype: DType) -> Array {
    jitted("_normal", shape, dtype, 0, &[key], |args| {
        if dtype.is_complex() {
            let keys = random_split(&args[0], &[2]);
            let part = |i| normal_words(&index_in_dim(&keys, i, 0, false), shape, dtype.real());
            let z = complex(&part(0), &part(1));
            return div(&z, &literal(dtype, SQRT_2));
        }
        jitted("_normal_real", shape, dtype, 0, &[&args[0]], |args| {
            let low = literal(dtype, epsneg(dtype) - 1.0);
            let u = uniform_words(&args[0], shape, dtype, &low, &literal(dtype, 1.0));
            mul(&literal(dtype, SQRT_2), &erf_inv(&u))
        })
    })
}

/// Normal numbers between `lower` and `upper`, which may be arrays that broadcast to `shape`.
///
/// # Errors
/// ``dtype argument to `truncated_normal` must be a float dtype, got int32``; shapes that do not fit; an array of keys.
#[track_caller]
pub fn truncated_normal(
    key: &Key,
    lower: impl Into<Array>,
    upper: impl Into<Array>,
    shape: impl Into<Dims>,
    dtype: DType,
) -> Array {
    let dtype = float("truncated_normal", dtype, false);
    let shape = shape.into().0;
    let (lower, upper) = (lower.into(), upper.into());
    let (lower, upper) = (convert_element_type(&lower, dtype), convert_element_type(&upper, dtype));
    check_shape("truncated_normal", &shape, &[&lower, &upper]);
    let key = key.single("truncated_normal");
    jitted("_truncated_normal", &shape, dtype, 0, &[key, &lower, &upper], |args| {
        let sqrt2 = literal(dtype, SQRT_2);
        let (lower, upper) = (to_rank(&args[1], shape.len()), to_rank(&args[2], shape.len()));
        let (a, b) = (erf(&div(&lower, &sqrt2)), erf(&div(&upper, &sqrt2)));
        let out = mul(&sqrt2, &erf_inv(&uniform_words(&args[0], &shape, dtype, &a, &b)));
        // Rounding must not push it onto or beyond the bounds.
        let low = nextafter(&stop_gradient(&lower), &full_like(&lower, f64::INFINITY));
        let high = nextafter(&stop_gradient(&upper), &full_like(&upper, f64::NEG_INFINITY));
        let (low, high) = (to_shape(&low, &shape), to_shape(&high, &shape));
        clamp(&low, &out, &high)
    })
}

/// A sampler without parameters: its documentation, its two public functions, and its formula.
macro_rules! sampler {
    ($(#[$doc:meta])* $name:ident, $with_dtype:ident, $inner:literal, |$key:ident, $shape:ident, $dtype:ident| $body:expr) => {
        $(#[$doc])*
        /// `f32`, or `f64` with x64 on.
        ///
        /// # Errors
        /// An array of keys.
        #[track_caller]
        pub fn $name(key: &Key, shape: impl Into<Dims>) -> Array {
            $with_dtype(key, shape, DType::F64)
        }

        $(#[$doc])*
        ///
        /// # Errors
        /// A dtype that is no float; an array of keys.
        #[track_caller]
        pub fn $with_dtype(key: &Key, shape: impl Into<Dims>, dtype: DType) -> Array {
            let $dtype = float(stringify!($name), dtype, false);
            let $shape = shape.into().0;
            jitted($inner, &$shape, $dtype, 0, &[key.single(stringify!($name))], |args| {
                let $key = &args[0];
                $body
            })
        }
    };
}

/// Uniform in `minval..1`.
#[track_caller]
fn up_to_one(key: &Array, shape: &[usize], dtype: DType, minval: f64) -> Array {
    uniform_words(key, shape, dtype, &literal(dtype, minval), &literal(dtype, 1.0))
}

sampler! {
    /// Exponentially distributed numbers of rate 1.
    exponential, exponential_dtype, "_exponential",
    |key, shape, dtype| neg(&log1p(&neg(&up_to_one(key, &shape, dtype, 0.0))))
}
sampler! {
    /// Standard Gumbel numbers.
    gumbel, gumbel_dtype, "_gumbel",
    |key, shape, dtype| neg(&log(&neg(&log(&up_to_one(key, &shape, dtype, tiny(dtype))))))
}
sampler! {
    /// Standard Laplace numbers.
    laplace, laplace_dtype, "_laplace",
    |key, shape, dtype| {
        let u = up_to_one(key, &shape, dtype, epsneg(dtype) - 1.0);
        mul(&sign(&u), &log1p(&neg(&abs(&u))))
    }
}
sampler! {
    /// Standard logistic numbers.
    logistic, logistic_dtype, "_logistic",
    |key, shape, dtype| {
        let u = up_to_one(key, &shape, dtype, tiny(dtype));
        sub(&log(&u), &log1p(&neg(&u)))
    }
}
sampler! {
    /// Standard Cauchy numbers.
    cauchy, cauchy_dtype, "_cauchy",
    |key, shape, dtype| {
        let u = up_to_one(key, &shape, dtype, 2.0 * epsneg(dtype));
        tan(&mul(&literal(dtype, PI), &sub(&u, &literal(dtype, 0.5))))
    }
}
sampler! {
    /// Maxwell numbers: lengths of vectors of three standard normal numbers.
    maxwell, maxwell_dtype, "_maxwell",
    |key, shape, dtype| {
        let mut longer = shape.clone();
        longer.push(3);
        let x = normal_words(key, &longer, dtype);
        sqrt(&reduce_sum(&mul(&x, &x), &[shape.len()]))
    }
}

/// Pareto numbers of shape parameter `b`, which may be an array that broadcasts to `shape`.
///
/// # Errors
/// A dtype that is no float; shapes that do not fit; an array of keys.
#[track_caller]
pub fn pareto(key: &Key, b: impl Into<Array>, shape: impl Into<Dims>, dtype: DType) -> Array {
    let shape = shape.into();
    let b = convert_element_type(&b.into(), float("pareto", dtype, false));
    check_shape("pareto", &shape.0, &[&b]);
    exp(&div(&exponential_dtype(key, shape.clone(), dtype), &to_shape(&b, &shape.0)))
}

/// Rayleigh numbers of this scale, which may be an array that broadcasts to `shape`.
///
/// # Errors
/// A dtype that is no float; shapes that do not fit; an array of keys.
#[track_caller]
pub fn rayleigh(key: &Key, scale: impl Into<Array>, shape: impl Into<Dims>, dtype: DType) -> Array {
    let dtype = float("rayleigh", dtype, false);
    let shape = shape.into().0;
    let scale = convert_element_type(&scale.into(), dtype);
    check_shape("rayleigh", &shape, &[&scale]);
    jitted("_rayleigh", &shape, dtype, 0, &[key.single("rayleigh"), &scale], |args| {
        let logs = log(&up_to_one(&args[0], &shape, dtype, 0.0));
        mul(&to_shape(&args[1], &shape), &sqrt(&mul(&logs, &literal(dtype, -2.0))))
    })
}

/// Weibull numbers of this scale and concentration, which may be arrays that broadcast to `shape`.
///
/// # Errors
/// A dtype that is no float; shapes that do not fit; an array of keys.
#[track_caller]
pub fn weibull_min(
    key: &Key,
    scale: impl Into<Array>,
    concentration: impl Into<Array>,
    shape: impl Into<Dims>,
    dtype: DType,
) -> Array {
    let dtype = float("weibull_min", dtype, false);
    let shape = shape.into().0;
    let scale = convert_element_type(&scale.into(), dtype);
    let concentration = convert_element_type(&concentration.into(), dtype);
    check_shape("weibull_min", &shape, &[&scale, &concentration]);
    let key = key.single("weibull_min");
    jitted("_weibull_min", &shape, dtype, 0, &[key, &scale, &concentration], |args| {
        let u = up_to_one(&args[0], &shape, dtype, 0.0);
        let power = div(&literal(dtype, 1.0), &args[2]);
        let x = pow(&neg(&log1p(&neg(&u))), &to_shape(&power, &shape));
        mul(&x, &to_shape(&args[1], &shape))
    })
}

/// `exp(sigma z)` of standard normal `z`; `sigma` may be an array that broadcasts to `shape`.
///
/// # Errors
/// A dtype that is no float; shapes that do not fit; an array of keys.
#[track_caller]
pub fn lognormal(key: &Key, sigma: impl Into<Array>, shape: impl Into<Dims>, dtype: DType) -> Array {
    let dtype = float("lognormal", dtype, false);
    let shape = shape.into().0;
    let sigma = convert_element_type(&sigma.into(), dtype);
    check_shape("lognormal", &shape, &[&sigma]);
    jitted("_lognormal", &shape, dtype, 0, &[key.single("lognormal"), &sigma], |args| {
        exp(&mul(&normal_words(&args[0], &shape, dtype), &to_shape(&args[1], &shape)))
    })
}

/// Wald (inverse Gaussian) numbers of this mean, which may be an array that broadcasts to `shape`.
///
/// # Errors
/// A dtype that is no float; shapes that do not fit; an array of keys.
#[track_caller]
pub fn wald(key: &Key, mean: impl Into<Array>, shape: impl Into<Dims>, dtype: DType) -> Array {
    let dtype = float("wald", dtype, false);
    let shape = shape.into().0;
    let mean = convert_element_type(&mean.into(), dtype);
    check_shape("wald", &shape, &[&mean]);
    jitted("_wald", &shape, dtype, 0, &[key.single("wald"), &mean], |args| {
        // Michael, Schucany and Haas 1976.
        let keys = random_split(&args[0], &[2]);
        let number = |x: f64| literal(dtype, x);
        let mean = to_shape(&args[1], &shape);
        let v = normal_words(&index_in_dim(&keys, 0, 0, false), &shape, dtype);
        let z = up_to_one(&index_in_dim(&keys, 1, 0, false), &shape, dtype, 0.0);
        let y = integer_pow(&v, 2);
        let mean_sq = integer_pow(&mean, 2);
        let root = sqrt(&add(&mul(&mul(&number(4.0), &mean), &y), &mul(&mean_sq, &integer_pow(&y, 2))));
        let x =
            sub(&add(&mean, &div(&mul(&mean_sq, &y), &number(2.0))), &mul(&div(&mean, &number(2.0)), &root));
        let which = crate::lax::le(&z, &div(&mean, &add(&mean, &x)));
        crate::lax::select(&which, &x, &div(&mean_sq, &x))
    })
}
