//! Samplers of numbers of events. JAX: `jax.random.poisson`, `binomial`, `multinomial`, `geometric`.

use super::continuous::{floats, uniform_words};
use super::discrete::{range, take};
use super::key::Key;
use super::sampler::{check_shape, check_sizes, jitted, random_split, shape_dtype, to_shape};
use crate::arguments::{ShapeDtype, options};
use crate::control_flow::{ScanOptions, scan_with, while_loop};
use crate::core::array::Array;
use crate::core::aval::Shape;
use crate::core::config::PrngImpl;
use crate::dtype::DType;
use crate::error::{OrThrow, throw};
use crate::lax::{CumulativeOptions, reduce_or};
use crate::lax::{
    add, bitwise_and, bitwise_not, bitwise_or, ceil, clamp, convert_element_type, cumsum_with, div, eq,
    floor, full, gt, le, lgamma, literal, literal_like, log, log1p, lt, move_axis, neg, select, sqrt,
};
use crate::numpy::util::{inexact, promote_dtypes, table};
use crate::numpy::{abs, clip, max_finite, where_};

/// Half-open uniform numbers in `0..1`.
#[track_caller]
fn unit(key: &Key, shape: &[usize], dtype: DType) -> Array {
    uniform_words(key, shape, dtype, &literal(dtype, 0.0), &literal(dtype, 1.0))
}

/// `N` keys split off one.
#[track_caller]
fn split<const N: usize>(key: &Key) -> [Key; N] {
    let keys = random_split(key, &[N]);
    std::array::from_fn(|i| keys.at(i as i64))
}

#[track_caller]
fn any(x: &Array) -> Array {
    reduce_or(x, (0..x.ndim()).collect::<Shape>())
}

/// Integers of this dtype, all the same.
#[track_caller]
fn filled(shape: &[usize], dtype: DType, value: f64) -> Array {
    full(shape, literal(dtype, value))
}

#[track_caller]
fn is_nan(x: &Array) -> Array {
    crate::lax::ne(x, x)
}

/// The state of a loop: how many turns it took, and what there is for each draw.
type Draws = (Array, Array, Array, Key);

/// The same of sums, beside which the key stands third.
type Sums = (Array, Array, Key, Array);

/// Numbers of events of the Poisson distribution of rate `lam`, which may be an array that broadcasts to `shape`; -1 for a rate below
/// zero. `i32` (`i64` with x64 on) unless another integer dtype is given.
///
/// ```
/// use raxla::random;
///
/// let x = random::poisson(&random::key(42), [0.0f32, 3.0, 1000.0], 3).to_vec::<i32>()?;
/// assert_eq!(x[0], 0);
/// assert!(x[2] > 800 && x[2] < 1200);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `poisson only accepts integer dtypes, got f32`; shapes that do not fit; an array of keys.
#[track_caller]
pub fn poisson(key: &Key, lam: impl Into<Array>, shape: impl Into<ShapeDtype>) -> Array {
    poisson_of(key, &lam.into(), &shape.into())
}

#[track_caller]
fn poisson_of(key: &Key, lam: &Array, of: &ShapeDtype) -> Array {
    let (shape, dtype) = shape_dtype("poisson", of, DType::I64);
    if !dtype.is_integer() {
        throw!(DType, "poisson only accepts integer dtypes, got {dtype}");
    }
    if key.of() != PrngImpl::Threefry2x32 {
        throw!(Unimplemented, "`poisson` is only implemented for the threefry2x32 RNG, not {}", key.of());
    }
    check_shape("poisson", &shape, &[lam]);
    let lam = convert_element_type(&to_shape(lam, &shape), DType::F32);
    jitted("_poisson", &shape, dtype, 0, key.single("poisson"), &[&lam], |key, args| {
        let lam = &args[0];
        let small = bitwise_or(&is_nan(lam), &lt(lam, &literal(DType::F32, 10.0)));
        let of = |fill: f64| filled(&shape, DType::F32, fill);
        let few = poisson_knuth(key, &select(&small, lam, &of(0.0)), &shape, dtype);
        // A rate at which nearly all draws are accepted.
        // Each element is one of the two draws.
        let key = &super::key::clone(key);
        let many = poisson_rejection(key, &select(&small, &of(1e5), lam), &shape, dtype);
        let zero = filled(&shape, dtype, 0.0);
        select(&eq(lam, &literal(DType::F32, 0.0)), &zero, &select(&small, &few, &many))
    })
}

/// As many turns as a loop takes at most.
#[track_caller]
fn turns(dtype: DType) -> Array {
    Array::scalar(range(dtype).1.min(i128::from(i32::MAX)) as i32)
}

/// How many factors from 0..1 have a product above `e^-lam`. Knuth, "The art of computer programming", volume 2.
#[track_caller]
fn poisson_knuth(key: &Key, lam: &Array, shape: &[usize], dtype: DType) -> Array {
    jitted("_poisson_knuth", shape, dtype, 0, key, &[lam], |key, args| {
        let limit = neg(&args[0]);
        let init: Sums =
            (Array::scalar(0i32), filled(shape, dtype, 0.0), key.clone(), filled(shape, DType::F32, 0.0));
        let go_on =
            |(i, _, _, product): &Sums| bitwise_and(&any(&gt(product, &limit)), &lt(i, &turns(dtype)));
        let turn = |(i, k, key, product): Sums| {
            let [key, now] = split(&key);
            let more = add(&k, &literal_like(&k, 1.0));
            let k = select(&gt(&product, &limit), &more, &k);
            let product = add(&product, &log(&unit(&now, shape, DType::F32)));
            (add(&i, &Array::scalar(1i32)), k, key, product)
        };
        let (_, k, ..) = while_loop(go_on, turn, init).or_throw();
        crate::lax::sub(&k, &literal_like(&k, 1.0))
    })
}

/// Hörmann 1993, "The transformed rejection method for generating Poisson random variables", algorithm PTRS.
#[track_caller]
fn poisson_rejection(key: &Key, lam: &Array, shape: &[usize], dtype: DType) -> Array {
    jitted("_poisson_rejection", shape, dtype, 0, key, &[lam], |key, args| {
        let lam = &args[0];
        let log_lam = log(lam);
        let b = 0.931 + 2.53 * sqrt(lam);
        let a = -0.059 + 0.02483 * &b;
        let inverse_alpha = 1.1239 + 1.1328 / (&b - 3.4);
        let v_r = 0.9277 - 3.6224 / (&b - 2);
        let init: Draws = (
            Array::scalar(0i32),
            filled(shape, DType::F32, -1.0),
            full(shape, Array::scalar(false)),
            key.clone(),
        );
        let go_on =
            |(i, _, accepted, _): &Draws| bitwise_and(&any(&bitwise_not(accepted)), &lt(i, &turns(dtype)));
        let turn = |(i, k_out, accepted, key): Draws| {
            let [key, first, second] = split(&key);
            let u = unit(&first, shape, DType::F32) - 0.5;
            let v = unit(&second, shape, DType::F32);
            let u_shifted = 0.5 - abs(&u);
            let k = floor(&((2 * &a / &u_shifted + &b) * &u + lam + 0.43));
            let s = log(&(&v * &inverse_alpha / (&a / (&u_shifted * &u_shifted) + &b)));
            let t = neg(lam) + &k * &log_lam - lgamma(&(&k + 1));
            let number = |x: f64| literal(DType::F32, x);
            let at_once = bitwise_and(&crate::lax::ge(&u_shifted, &number(0.07)), &le(&v, &v_r));
            let tail = bitwise_and(&lt(&u_shifted, &number(0.013)), &gt(&v, &u_shifted));
            let reject = bitwise_or(&lt(&k, &number(0.0)), &tail);
            let accept = bitwise_or(&at_once, &bitwise_and(&bitwise_not(&reject), &le(&s, &t)));
            let k_out = select(&accept, &k, &k_out);
            (add(&i, &Array::scalar(1i32)), k_out, bitwise_or(&accepted, &accept), key)
        };
        let (_, k, ..) = while_loop(go_on, turn, init).or_throw();
        convert_element_type(&k, dtype)
    })
}

/// How many of `n` trials succeed, each with probability `p`; both may be arrays that broadcast to `shape`. `f32` (`f64` with x64 on)
/// unless another float dtype is given; NaN where `n` or `p` are below zero or NaN.
///
/// ```
/// use raxla::random;
///
/// let x = random::binomial(&random::key(42), 100, 0.5, 4);
/// assert!(x.to_vec::<f32>()?.iter().all(|x| *x > 20.0 && *x < 80.0));
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// ``dtype argument to `binomial` must be a float dtype, got i32``; shapes that do not fit; an array of keys.
#[track_caller]
pub fn binomial(key: &Key, n: impl Into<Array>, p: impl Into<Array>, shape: impl Into<ShapeDtype>) -> Array {
    let (shape, dtype) = floats("binomial", shape.into(), false);
    binomial_words(key.single("binomial"), &n.into(), &p.into(), &shape, dtype)
}

#[track_caller]
fn binomial_words(key: &Key, n: &Array, p: &Array, shape: &[usize], dtype: DType) -> Array {
    check_shape("binomial", shape, &[n, p]);
    let p = inexact(p);
    let p = convert_element_type(&p, p.dtype());
    let n = convert_element_type(n, p.dtype());
    let tail = table(p.dtype(), &STIRLING_TAIL, &[STIRLING_TAIL.len()]);
    jitted("_binomial", shape, dtype, 0, key, &[&n, &p, &tail], |key, args| {
        let (count, p) = (to_shape(&args[0], shape), to_shape(&args[1], shape));
        let of = |fill: f64| filled(shape, p.dtype(), fill);
        let number = |x: f64| literal(p.dtype(), x);
        let p_is_low = lt(&p, &number(0.5));
        let q = select(&p_is_low, &p, &(1.0 - &p));
        let no_count = bitwise_or(&is_nan(&count), &lt(&count, &number(0.0)));
        let endless = eq(&abs(&count), &number(f64::INFINITY));
        let no_number = is_nan(&q);
        let invalid = bitwise_or(&lt(&q, &number(0.0)), &no_number);
        let q = select(&invalid, &of(0.01), &q);
        let few = bitwise_or(&no_count, &le(&(&count * &q), &number(10.0)));
        let count = floor(&count);
        let inverted = binomial_inversion(key, &select(&few, &count, &of(0.0)), &q, shape, dtype);
        let (likely, tail) = (select(&few, &of(0.5), &q), &args[2]);
        // Each element is one of the two draws.
        let key = &super::key::clone(key);
        let many = btrs(key, &select(&few, &of(1e4), &count), &likely, tail, (shape, dtype));
        let draws = select(&few, &inverted, &many);
        let invalid = bitwise_or(&invalid, &no_count);
        let draws = select(&invalid, &filled(shape, dtype, f64::NAN), &draws);
        let infinite = bitwise_and(&endless, &bitwise_not(&invalid));
        let draws = select(&infinite, &filled(shape, dtype, f64::INFINITY), &draws);
        let as_it_is = [no_count, no_number, endless].iter().fold(p_is_low, |x, y| bitwise_or(&x, y));
        select(&as_it_is, &draws, &(convert_element_type(&count, dtype) - &draws))
    })
}

/// Has a loop more turns to take?
#[track_caller]
fn within(i: &Array, dtype: DType) -> Array {
    lt(&convert_element_type(i, dtype), &literal(dtype, max_finite(dtype)))
}

/// How many waiting times of the geometric distribution fit into `count` trials.
#[track_caller]
fn binomial_inversion(key: &Key, count: &Array, p: &Array, shape: &[usize], dtype: DType) -> Array {
    let log_not_p = log1p(&neg(p));
    let zero = filled(shape, p.dtype(), 0.0);
    let init: Draws = (Array::scalar(0i32), zero.clone(), zero, key.clone());
    let go_on = |(i, _, sum, _): &Draws| bitwise_and(&any(&le(sum, count)), &within(i, dtype));
    let turn = |(i, number, sum, key): Draws| {
        let [now, key] = split(&key);
        let number = select(&le(&sum, count), &(&number + 1), &number);
        let u = unit(&now, shape, p.dtype());
        let sum = add(&sum, &ceil(&div(&log(&u), &log_not_p)));
        (add(&i, &Array::scalar(1i32)), number, sum, key)
    };
    let (_, number, ..) = while_loop(go_on, turn, init).or_throw();
    convert_element_type(&(number - 1), dtype)
}

/// Hörmann 1993, "The generation of binomial random variates", algorithm BTRS: transformed rejection with a squeeze.
#[track_caller]
fn btrs(key: &Key, count: &Array, p: &Array, tail: &Array, (shape, dtype): (&[usize], DType)) -> Array {
    let stirling_tail = |k: &Array| stirling_tail(k, tail);
    let number = |x: f64| literal(p.dtype(), x);
    let stddev = sqrt(&(count * p * (1 - p)));
    let b = 1.15 + 2.53 * &stddev;
    let a = -0.0873 + 0.0248 * &b + 0.01 * p;
    let c = count * p + 0.5;
    let v_r = 0.92 - 4.2 / &b;
    let r = p / (1 - p);
    let alpha = (2.83 + 5.1 / &b) * &stddev;
    let m = floor(&((count + 1) * p));
    let init: Draws =
        (Array::scalar(0i32), filled(shape, p.dtype(), -1.0), full(shape, Array::scalar(false)), key.clone());
    let go_on = |(i, _, accepted, _): &Draws| bitwise_and(&any(&bitwise_not(accepted)), &within(i, dtype));
    let turn = |(i, k_out, accepted, key): Draws| {
        let [key, first, second] = split(&key);
        let u = unit(&first, shape, p.dtype()) - 0.5;
        let v = unit(&second, shape, p.dtype());
        let us = 0.5 - abs(&u);
        let at_once = bitwise_and(&crate::lax::ge(&us, &number(0.07)), &le(&v, &v_r));
        let k = floor(&((2 * &a / &us + &b) * &u + &c));
        let reject = bitwise_or(&lt(&k, &number(0.0)), &gt(&k, count));
        let v = log(&(&v * &alpha / (&a / (&us * &us) + &b)));
        let above = (&m + 0.5) * log(&((&m + 1) / (&r * (count - &m + 1))))
            + (count + 1) * log(&((count - &m + 1) / (count - &k + 1)))
            + (&k + 0.5) * log(&(&r * (count - &k + 1) / (&k + 1)))
            + stirling_tail(&m)
            + stirling_tail(&(count - &m))
            - stirling_tail(&k)
            - stirling_tail(&(count - &k));
        let accept = bitwise_or(&at_once, &bitwise_and(&bitwise_not(&reject), &le(&v, &above)));
        let k_out = select(&accept, &k, &k_out);
        (add(&i, &Array::scalar(1i32)), k_out, bitwise_or(&accepted, &accept), key)
    };
    let (_, k, ..) = while_loop(go_on, turn, init).or_throw();
    convert_element_type(&k, dtype)
}

/// `log k!` less Stirling's approximation of it, for `k` from 0 to 9.
const STIRLING_TAIL: [f64; 10] = [
    0.081_061_466_795_327_2,
    0.041_340_695_955_409_2,
    0.027_677_925_684_998_3,
    0.020_790_672_103_765_09,
    0.016_644_691_189_821_1,
    0.013_876_128_823_070_7,
    0.011_896_709_945_891_7,
    0.010_411_265_261_972_0,
    0.009_255_462_182_712_73,
    0.008_330_563_433_362_87,
];

#[track_caller]
fn stirling_tail(k: &Array, table: &Array) -> Array {
    let number = |x: f64| literal(k.dtype(), x);
    let small = le(k, &number(9.0));
    let k = clamp(&number(0.0), k, &number(9.0));
    let square = (&k + 1) * (&k + 1);
    let series = (1.0 / 12.0 - (1.0 / 360.0 - 1.0 / 1260.0 / &square) / &square) / (&k + 1);
    let place = convert_element_type(&floor(&k), DType::I32);
    select(&small, &take(table, &place, 0), &series)
}

options! {
    /// Options of [`multinomial_with`].
    pub struct MultinomialOptions {
        /// Categories in one turn of the compiled loop over them; 0 for all.
        unroll: value usize = 1,
    }
}

/// How many of `n` trials fall into each category: counts of `shape`, whose last axis is that of the categories, with the probabilities
/// `p`, which broadcasts to it. `n` broadcasts to `shape` without that axis. `f32` (`f64` with x64 on) unless another dtype is given.
///
/// ```
/// use raxla::random;
///
/// let x = random::multinomial(&random::key(42), 10, [0.2f32, 0.3, 0.5], 3);
/// assert_eq!(x.to_vec::<f32>()?.iter().sum::<f32>(), 10.0);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// A shape without axes; shapes that do not fit; an array of keys.
#[track_caller]
pub fn multinomial(
    key: &Key,
    n: impl Into<Array>,
    p: impl Into<Array>,
    shape: impl Into<ShapeDtype>,
) -> Array {
    multinomial_of(key, &n.into(), &p.into(), &shape.into(), &MultinomialOptions::new())
}

/// [`multinomial`], with options.
///
/// # Errors
/// As [`multinomial`].
#[track_caller]
pub fn multinomial_with(
    key: &Key,
    n: impl Into<Array>,
    p: impl Into<Array>,
    shape: impl Into<ShapeDtype>,
    options: MultinomialOptions,
) -> Array {
    multinomial_of(key, &n.into(), &p.into(), &shape.into(), &options)
}

#[track_caller]
fn multinomial_of(key: &Key, n: &Array, p: &Array, of: &ShapeDtype, options: &MultinomialOptions) -> Array {
    let (shape, dtype) = shape_dtype("multinomial", of, DType::F64);
    let [batch @ .., categories] = &shape[..] else {
        throw!(Shape, "multinomial: shape has no axis of categories")
    };
    let [n, p] = promote_dtypes("multinomial", [n, p]).map(|x| inexact(&x));
    check_sizes("multinomial", batch, &[n.shape()]);
    check_sizes("multinomial", &shape, &[p.shape()]);
    let strong = |x: &Array| convert_element_type(x, x.dtype());
    let n = strong(&to_shape(&n, batch));
    let p = move_axis(&strong(&to_shape(&p, &shape)), batch.len(), 0);
    // The probability of a category among those that are left.
    let remaining = cumsum_with(&p, 0, CumulativeOptions::new().reverse(true));
    let zero = eq(&remaining, &literal_like(&remaining, 0.0));
    let ratios = div(&p, &where_(zero, 1.0, remaining));
    let keys = random_split(key.single("multinomial"), &[*categories]);
    let draw = |left: Array, (ratio, key): (Array, Key)| {
        let count = binomial_words(&key, &left, &clip(ratio, 0, 1), batch, left.dtype());
        (crate::lax::sub(&left, &count), count)
    };
    let options = ScanOptions::new().unroll(options.unroll);
    let (_, counts) = scan_with(draw, n, (ratios, keys), options).or_throw();
    convert_element_type(&move_axis(&counts, 0, batch.len()), dtype)
}

/// How many trials it takes until the first success, each of probability `p`, which may be an array that broadcasts to `shape`; `i32`
/// (`i64` with x64 on) unless another integer dtype is given.
///
/// # Errors
/// ``dtype argument to `geometric` must be an int dtype, got f32``; shapes that do not fit; an array of keys.
#[track_caller]
pub fn geometric(key: &Key, p: impl Into<Array>, shape: impl Into<ShapeDtype>) -> Array {
    geometric_of(key, &p.into(), &shape.into())
}

#[track_caller]
fn geometric_of(key: &Key, p: &Array, of: &ShapeDtype) -> Array {
    let (shape, dtype) = shape_dtype("geometric", of, DType::I64);
    if !dtype.is_integer() {
        throw!(DType, "dtype argument to `geometric` must be an int dtype, got {dtype}");
    }
    check_shape("geometric", &shape, &[p]);
    jitted("_geometric", &shape, dtype, 0, key.single("geometric"), &[p], |key, args| {
        let p = inexact(&args[0]);
        let p = convert_element_type(&p, p.dtype());
        let u = unit(key, &shape, p.dtype());
        // Its logarithm is finite.
        let one = filled(&shape, p.dtype(), 1.0);
        let u = select(&eq(&u, &literal_like(&u, 0.0)), &one, &u);
        let failures = floor(&div(&log(&u), &to_shape(&log1p(&neg(&p)), &shape)));
        convert_element_type(&(failures + 1), dtype)
    })
}
