//! Samplers of integers, orders and choices. JAX: `jax.random.randint`, `bernoulli`, `permutation` and so on.

use super::continuous::{bits_of, gumbel_dtype, uniform_dtype, uniform_words};
use super::key::{Dims, Key};
use super::sampler::{check_shape, jitted, to_rank, to_shape};
use crate::core::array::Array;
use crate::core::aval::Shape;
use crate::core::check;
use crate::core::config::canonicalize;
use crate::core::scalar::Scalar;
use crate::dtype::DType;
use crate::error::{Error, ErrorKind, OrThrow, throw};
use crate::lax::full::literal_like;
use crate::lax::{
    GatherDimensionNumbers, GatherOptions, GatherScatterMode, add, argmax, bitwise_and, clamp,
    convert_element_type, cumsum, expand_dims, full_like, gather, gt, index_in_dim, iota, le, log, lt, mul,
    random_bits, random_split, reduce_sum, rem, reshape, select, slice_in_dim, sort_key_val, sub, top_k,
    zeros,
};

#[track_caller]
fn fail(kind: ErrorKind, message: String) -> ! {
    throw(Error::new(kind, message))
}

/// The lowest and the highest value of an integer dtype.
fn range(dtype: DType) -> (i128, i128) {
    let bits = dtype.bits();
    if dtype.is_signed() { (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) } else { (0, (1 << bits) - 1) }
}

fn integer(dtype: DType, value: i128) -> Array {
    Array::from(Scalar::from_i128(dtype, value))
}

/// `x` in another integer dtype, the nearest value that it has.
fn convert_and_clip(x: &Array, dtype: DType) -> Array {
    let ((low, high), (x_low, x_high)) = (range(dtype), range(x.dtype()));
    let (low, high) = (integer(x.dtype(), low.max(x_low)), integer(x.dtype(), high.min(x_high)));
    convert_element_type(&clamp(&low, x, &high), dtype)
}

/// Uniform integers in `minval..maxval` (`maxval` excluded), `i32` or, with x64 on, `i64`.
///
/// # Errors
/// As [`randint_dtype`].
#[track_caller]
pub fn randint(
    key: &Key,
    shape: impl Into<Dims>,
    minval: impl Into<Array>,
    maxval: impl Into<Array>,
) -> Array {
    randint_dtype(key, shape, minval, maxval, DType::I64)
}

/// Uniform integers in `minval..maxval` (`maxval` excluded), which may be arrays that broadcast to `shape`. `maxval` may
/// be one more than the dtype's highest value.
///
/// # Errors
/// `randint only accepts integer dtypes, got float32`; shapes that do not fit; an array of keys.
#[track_caller]
pub fn randint_dtype(
    key: &Key,
    shape: impl Into<Dims>,
    minval: impl Into<Array>,
    maxval: impl Into<Array>,
    dtype: DType,
) -> Array {
    if !dtype.is_integer() {
        fail(ErrorKind::DType, format!("randint only accepts integer dtypes, got {}", dtype.name()));
    }
    let (dtype, shape) = (canonicalize(dtype), shape.into().0);
    let integral = |x: Array| {
        let target = if x.dtype().is_integer() { x.dtype() } else { DType::I64 };
        convert_element_type(&x, target)
    };
    let (minval, maxval) = (integral(minval.into()), integral(maxval.into()));
    check_shape("randint", &shape, &[&minval, &maxval]);
    let key = key.single("randint");
    if dtype.bits() < 32 {
        // Drawn from 32 bits, so that they are less biased.
        let clip = |x: &Array, high: i128| {
            let x = convert_element_type(x, DType::I32);
            clamp(&integer(DType::I32, range(dtype).0), &x, &integer(DType::I32, high))
        };
        let (minval, maxval) = (clip(&minval, range(dtype).1), clip(&maxval, range(dtype).1 + 1));
        return convert_element_type(&randint_words(key, &shape, &minval, &maxval, DType::I32), dtype);
    }
    randint_words(key, &shape, &minval, &maxval, dtype)
}

/// [`randint_dtype`] from the words of a key, for dtypes of 32 bits and more.
#[track_caller]
fn randint_words(key: &Array, shape: &[usize], minval: &Array, maxval: &Array, dtype: DType) -> Array {
    jitted("_randint", shape, dtype, 0, &[key, minval, maxval], |args| {
        let rank = shape.len();
        let (minval, maxval) = (to_rank(&args[1], rank), to_rank(&args[2], rank));
        let beyond = gt(&maxval, &integer(maxval.dtype(), range(dtype).1.min(range(maxval.dtype()).1)));
        let (minval, maxval) = (convert_and_clip(&minval, dtype), convert_and_clip(&maxval, dtype));
        let unsigned = bits_of(dtype);
        let keys = random_split(&args[0], &[2]);
        // Twice as many bits as the dtype has, so that the remainder is less biased.
        let draw = |i| random_bits(&index_in_dim(&keys, i, 0, false), unsigned.bits(), shape);
        let (high, low) = (draw(0), draw(1));
        let span = convert_element_type(&sub(&maxval, &minval), unsigned);
        let one = full_like(&span, 1.0);
        let empty = le(&maxval, &minval);
        let span = select(&to_shape(&empty, span.shape()), &one, &span);
        let widen =
            bitwise_and(&to_shape(&beyond, span.shape()), &to_shape(&gt(&maxval, &minval), span.shape()));
        let span = select(&widen, &add(&span, &one), &span);
        // (high 2ⁿ + low) mod span, without overflow.
        let half = integer(unsigned, 1 << (unsigned.bits() / 2));
        let multiplier = rem(&half, &span);
        let multiplier = rem(&mul(&multiplier, &multiplier), &span);
        let offset = add(&mul(&rem(&high, &span), &multiplier), &rem(&low, &span));
        add(&minval, &convert_element_type(&rem(&offset, &span), dtype))
    })
}

/// `true` with probability `p`, which may be an array that broadcasts to `shape`.
///
/// # Errors
/// ``bernoulli probability `p` must have a floating dtype, got int32``; shapes that do not fit; an array of keys.
#[track_caller]
pub fn bernoulli(key: &Key, p: impl Into<Array>, shape: impl Into<Dims>) -> Array {
    let (p, shape) = (p.into(), shape.into().0);
    let dtype = p.dtype();
    if !dtype.is_float() {
        let message = format!("bernoulli probability `p` must have a floating dtype, got {}", dtype.name());
        fail(ErrorKind::DType, message);
    }
    let p = convert_element_type(&p, dtype);
    check_shape("bernoulli", &shape, &[&p]);
    jitted("_bernoulli", &shape, dtype, 0, &[key.single("bernoulli"), &p], |args| {
        let (zero, one) = (literal_like(&args[1], 0.0), literal_like(&args[1], 1.0));
        lt(&uniform_words(&args[0], &shape, dtype, &zero, &one), &to_rank(&args[1], shape.len()))
    })
}

/// −1 or 1 with equal probability, of any dtype.
///
/// # Errors
/// An array of keys.
#[track_caller]
pub fn rademacher(key: &Key, shape: impl Into<Dims>, dtype: DType) -> Array {
    let shape = shape.into().0;
    let dtype = canonicalize(dtype);
    jitted("_rademacher", &shape, dtype, 0, &[key.single("rademacher")], |args| {
        let key = Key::wrap_key_data(&args[0]);
        let sample = convert_element_type(&bernoulli(&key, 0.5, shape.clone()), dtype);
        let two = literal_like(&sample, 2.0);
        sub(&mul(&two, &sample), &literal_like(&sample, 1.0))
    })
}

/// Sorts by random keys, often enough that equal keys do not matter.
#[track_caller]
fn shuffle(key: &Array, x: &Array, axis: usize) -> Array {
    let size = x.size().max(1) as f64;
    let rounds = (3.0 * size.ln() / f64::from(u32::MAX).ln()).ceil() as usize;
    let shape = Shape::from_slice(x.shape());
    jitted("_shuffle", &shape, x.dtype(), axis as i64, &[key, x], |args| {
        let (mut key, mut x) = (args[0].clone(), args[1].clone());
        for _ in 0..rounds {
            let keys = random_split(&key, &[2]);
            key = index_in_dim(&keys, 0, 0, false);
            let order = random_bits(&index_in_dim(&keys, 1, 0, false), 32, &shape);
            x = sort_key_val(&order, &x, axis as i64, true).1;
        }
        x
    })
}

/// A random order of `0..x` for an integer `x`, or of an array's elements along `axis`. `independent`: each vector along
/// the axis in an order of its own.
///
/// # Errors
/// A scalar that is no integer, or is traced; an axis out of range; an array of keys.
#[track_caller]
pub fn permutation(key: &Key, x: impl Into<Array>, axis: i64, independent: bool) -> Array {
    let x = x.into();
    let key = key.single("permutation");
    if x.ndim() == 0 {
        if x.dtype().is_inexact() {
            fail(ErrorKind::InvalidArgument, "x must be an integer or at least 1-dimensional".into());
        }
        let n = x.to_scalar().or_throw().to_i128().max(0) as usize;
        return shuffle(key, &iota(DType::I64, n), 0);
    }
    let axis = check::canonicalize_axis("permutation", axis, x.ndim()).or_throw();
    if independent || x.ndim() == 1 {
        return shuffle(key, &x, axis);
    }
    let order = shuffle(key, &iota(DType::I64, x.shape()[axis]), 0);
    take(&x, &order, axis)
}

/// The elements of `x` at `indices` (all in range) along `axis`; the axes of `indices` take the place of `axis`.
fn take(x: &Array, indices: &Array, axis: usize) -> Array {
    let rank = indices.ndim();
    let mut sizes = x.shape().to_vec();
    sizes[axis] = 1;
    let numbers = GatherDimensionNumbers {
        offset_dims: (0..axis).chain(axis + rank..x.ndim() - 1 + rank).collect(),
        collapsed_slice_dims: vec![axis],
        start_index_map: vec![axis],
        operand_batching_dims: Vec::new(),
        start_indices_batching_dims: Vec::new(),
    };
    let options = GatherOptions { mode: GatherScatterMode::PromiseInBounds, ..GatherOptions::default() };
    gather(x, &expand_dims(indices, &[rank]), &numbers, &sizes, options)
}

/// Draws from `0..a` for an integer `a`, or from the elements of an array along `axis`, with probabilities `p` if given;
/// with or without replacement.
///
/// # Errors
/// `Cannot take a larger sample (size 5) than population (size 3) when 'replace=False'`; nothing to draw from; `p` of
/// another size; an array of keys.
#[track_caller]
pub fn choice(
    key: &Key,
    a: impl Into<Array>,
    shape: impl Into<Dims>,
    replace: bool,
    p: Option<&Array>,
    axis: i64,
) -> Array {
    let (a, shape) = (a.into(), shape.into().0);
    let axis = if a.ndim() == 0 { 0 } else { check::canonicalize_axis("choice", axis, a.ndim()).or_throw() };
    let n = match a.shape().get(axis) {
        Some(n) => *n,
        None => a.to_scalar().or_throw().to_i128().max(0) as usize,
    };
    let draws: usize = shape.iter().product();
    if draws == 0 {
        return zeros(a.dtype(), &shape);
    }
    if n == 0 {
        let message = "a must be greater than 0 unless no samples are taken".into();
        fail(ErrorKind::InvalidArgument, message);
    }
    if !replace && draws > n {
        let message = format!(
            "cannot take a larger sample (size {draws}) than population (size {n}) when 'replace=False'"
        );
        fail(ErrorKind::InvalidArgument, message);
    }
    let indices = match p {
        None if replace => randint(key, shape.clone(), 0, n),
        None => {
            let population = if a.ndim() == 0 { Array::from(n) } else { a.clone() };
            let all = permutation(key, population, axis as i64, false);
            let taken = slice_in_dim(&all, 0, draws as i64, 1, axis as i64);
            return reshape(&taken, &result_shape(&a, &shape, axis));
        }
        Some(p) => weighted(key, n, &shape, replace, p),
    };
    let drawn = if a.ndim() == 0 { indices } else { take(&a, &indices, axis) };
    reshape(&drawn, &result_shape(&a, &shape, axis))
}

/// The shape of draws of `shape` along `axis` of `a`.
fn result_shape(a: &Array, shape: &[usize], axis: usize) -> Shape {
    match a.shape() {
        [] => shape.into(),
        full => full[..axis].iter().chain(shape).chain(&full[axis + 1..]).copied().collect(),
    }
}

/// Indices drawn with probabilities `p`.
#[track_caller]
fn weighted(key: &Key, n: usize, shape: &[usize], replace: bool, p: &Array) -> Array {
    if p.shape() != [n] {
        let message = format!(
            "p must be None or a 1D vector with the same size as a.shape[axis]. p has shape {} and a.shape[axis] is {n}",
            crate::lax::elementwise::tuple(p.shape())
        );
        fail(ErrorKind::Shape, message);
    }
    let p = if p.dtype().is_inexact() { p.clone() } else { convert_element_type(p, DType::F64) };
    let dtype = p.dtype();
    if !replace {
        let draws = shape.iter().product();
        let score = add(&gumbel_dtype(key, [n], dtype), &log(&p));
        return convert_element_type(&top_k(&score, draws, 0).1, DType::I64);
    }
    let total = cumsum(&p, 0, false);
    let last = index_in_dim(&total, -1, 0, false);
    let u = uniform_dtype(key, shape.to_vec(), dtype, 0.0, 1.0);
    let r = mul(&last, &sub(&literal_like(&u, 1.0), &u));
    // The number of partial sums below r.
    let mut full = Shape::from_slice(shape);
    full.push(n);
    let r = to_shape(&expand_dims(&r, &[shape.len()]), &full);
    let below = convert_element_type(&lt(&to_shape(&total, &full), &r), DType::I64);
    reduce_sum(&below, &[shape.len()])
}

/// Indices along `axis` drawn with probabilities `softmax(logits)`: one for each vector of logits, or, with `shape`, as
/// many as that says (its last axes are those of the logits without `axis`).
///
/// # Errors
/// Shapes that do not fit; an axis out of range; an array of keys.
#[track_caller]
pub fn categorical(key: &Key, logits: &Array, axis: i64, shape: Option<&[usize]>) -> Array {
    let at = check::canonicalize_axis("categorical", axis, logits.ndim()).or_throw();
    let mut batch = Shape::from_slice(logits.shape());
    let n = batch.remove(at);
    let shape = shape.map_or_else(|| batch.clone(), Shape::from_slice);
    let fits = batch.len() <= shape.len()
        && batch.iter().rev().zip(shape.iter().rev()).all(|(m, n)| *m == 1 || m == n);
    if !fits {
        let (batch, shape) = (crate::lax::elementwise::tuple(&batch), crate::lax::elementwise::tuple(&shape));
        fail(
            ErrorKind::Shape,
            format!("categorical: logits of batch shape {batch} do not broadcast to shape {shape}"),
        );
    }
    // The axis of the logits within `shape`.
    let at = shape.len() - batch.len() + at;
    let mut full = shape.clone();
    full.insert(at, n);
    let noise = gumbel_dtype(key, full.clone(), logits.dtype());
    argmax(&add(&noise, &to_shape(logits, &full)), at, DType::I64)
}
