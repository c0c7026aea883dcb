//! Samplers of integers, orders and choices. JAX: `jax.random.randint`, `bernoulli`, `permutation` and so on.

use super::continuous::{SamplingMode, bits_of, gumbel_words, mantissa, uniform_words};
use super::key::Key;
use super::sampler::{
    check_shape, jitted, random_bits, random_split, shape_dtype, sizes, stacked, to_rank, to_shape,
};
use crate::arguments::{Axis, Dims, ShapeDtype, options};
use crate::core::array::Array;
use crate::core::aval::Shape;
use crate::core::scalar::Scalar;
use crate::dtype::DType;
use crate::error::{OrThrow, throw};
use crate::lax::arguments::axis_of;
use crate::lax::elementwise::tuple;
use crate::lax::{
    GatherDimensionNumbers, GatherOptions, GatherScatterMode, add, argmax, bitwise_and, clamp,
    convert_element_type, cumsum, expand_dims, full, full_like, gather_with, gt, index_along, iota, le,
    literal, literal_like, log, lt, move_axis, mul, reduce_sum, rem, reshape, select, slice_along,
    sort_key_val, sub, top_k,
};

/// The lowest and the highest value of an integer dtype.
pub(super) fn range(dtype: DType) -> (i128, i128) {
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

/// Uniform integers in `minval..maxval` (`maxval` excluded), which may be arrays that broadcast to `shape`. `maxval` may
/// be one more than the dtype's highest value. `i32` (`i64` with x64 on) unless another integer dtype is given.
///
/// ```
/// use raxla::{DType, random};
///
/// let x = random::randint(&random::key(42), ([5], DType::U8), 0, 10);
/// assert!(x.to_vec::<u8>()?.iter().all(|x| *x < 10));
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `randint only accepts integer dtypes, got f32`; shapes that do not fit; an array of keys.
#[track_caller]
pub fn randint(
    key: &Key,
    shape: impl Into<ShapeDtype>,
    minval: impl Into<Array>,
    maxval: impl Into<Array>,
) -> Array {
    randint_of(key, &shape.into(), minval.into(), maxval.into())
}

#[track_caller]
fn randint_of(key: &Key, of: &ShapeDtype, minval: Array, maxval: Array) -> Array {
    let (shape, dtype) = shape_dtype("randint", of, DType::I64);
    if !dtype.is_integer() {
        throw!(DType, "randint only accepts integer dtypes, got {dtype}");
    }
    let integral = |x: Array| {
        let target = if x.dtype().is_integer() { x.dtype() } else { DType::I64 };
        convert_element_type(&x, target)
    };
    let (minval, maxval) = (integral(minval), integral(maxval));
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

/// [`randint`] from the words of a key, for dtypes of 32 bits and more.
#[track_caller]
fn randint_words(key: &Key, shape: &[usize], minval: &Array, maxval: &Array, dtype: DType) -> Array {
    jitted("_randint", shape, dtype, 0, key, &[minval, maxval], |key, args| {
        let rank = shape.len();
        let (minval, maxval) = (to_rank(&args[0], rank), to_rank(&args[1], rank));
        let beyond = gt(&maxval, &integer(maxval.dtype(), range(dtype).1.min(range(maxval.dtype()).1)));
        let (minval, maxval) = (convert_and_clip(&minval, dtype), convert_and_clip(&maxval, dtype));
        let unsigned = bits_of(dtype);
        let keys = random_split(key, &[2]);
        // Twice as many bits as the dtype has, so that the remainder is less biased.
        let draw = |i| random_bits(&keys.at(i), unsigned.bits(), shape);
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

options! {
    /// Options of [`bernoulli_with`].
    pub struct BernoulliOptions {
        /// How well rare values are drawn.
        mode: value SamplingMode = SamplingMode::Low,
    }
}

/// `true` with probability `p`, which may be an array that broadcasts to `shape`. JAX's default for `p` is 0.5.
///
/// # Errors
/// ``bernoulli probability `p` must have a floating dtype, got i32``; shapes that do not fit; an array of keys.
#[track_caller]
pub fn bernoulli(key: &Key, p: impl Into<Array>, shape: impl Into<Dims>) -> Array {
    bernoulli_of(key, &p.into(), &sizes("bernoulli", &shape.into()), SamplingMode::Low)
}

/// [`bernoulli`], with options.
///
/// ```
/// use raxla::random::{self, BernoulliOptions, SamplingMode};
///
/// let options = BernoulliOptions::new().mode(SamplingMode::High);
/// assert_eq!(random::bernoulli_with(&random::key(42), 1e-9, [3], options).shape(), [3]);
/// ```
///
/// # Errors
/// As [`bernoulli`]; `got mode='highest', expected 'high' or 'low'`.
#[track_caller]
pub fn bernoulli_with(
    key: &Key,
    p: impl Into<Array>,
    shape: impl Into<Dims>,
    options: BernoulliOptions,
) -> Array {
    bernoulli_of(key, &p.into(), &sizes("bernoulli", &shape.into()), options.mode)
}

#[track_caller]
fn bernoulli_of(key: &Key, p: &Array, shape: &[usize], mode: SamplingMode) -> Array {
    if mode == SamplingMode::Highest {
        throw!(InvalidArgument, "bernoulli: got mode='highest', expected 'high' or 'low'");
    }
    if !p.dtype().is_float() {
        throw!(DType, "bernoulli probability `p` must have a floating dtype, got {}", p.dtype());
    }
    let p = convert_element_type(p, p.dtype());
    check_shape("bernoulli", shape, &[&p]);
    bernoulli_words(key.single("bernoulli"), &p, shape, mode)
}

/// [`bernoulli_with`] from the words of a key.
#[track_caller]
fn bernoulli_words(key: &Key, p: &Array, shape: &[usize], mode: SamplingMode) -> Array {
    let dtype = p.dtype();
    jitted("_bernoulli", shape, dtype, mode as i64, key, &[p], |key, args| {
        let p = to_rank(&args[0], shape.len());
        let (zero, one) = (literal_like(&p, 0.0), literal_like(&p, 1.0));
        if mode == SamplingMode::Low {
            return lt(&uniform_words(key, shape, dtype, &zero, &one), &p);
        }
        let u = uniform_words(key, &stacked(shape), dtype, &zero, &one);
        let (first, second) = (index_along(&u, 0, 0), index_along(&u, 1, 0));
        let fine = mul(&second, &literal_like(&second, 0.5f64.powi(mantissa(dtype) as i32)));
        lt(&fine, &sub(&p, &first))
    })
}

/// −1 or 1 with equal probability; `i32` (`i64` with x64 on) unless another dtype is given.
///
/// # Errors
/// An array of keys.
#[track_caller]
pub fn rademacher(key: &Key, shape: impl Into<ShapeDtype>) -> Array {
    let (shape, dtype) = shape_dtype("rademacher", &shape.into(), DType::I64);
    rademacher_words(key.single("rademacher"), &shape, dtype)
}

/// [`rademacher`] from the words of a key.
#[track_caller]
pub(super) fn rademacher_words(key: &Key, shape: &[usize], dtype: DType) -> Array {
    jitted("_rademacher", shape, dtype, 0, key, &[], |key, _| {
        let half = literal(DType::F32, 0.5);
        let sample = bernoulli_words(key, &half, shape, SamplingMode::Low);
        let sample = convert_element_type(&sample, dtype);
        let two = literal_like(&sample, 2.0);
        sub(&mul(&two, &sample), &literal_like(&sample, 1.0))
    })
}

/// Sorts by random keys, often enough that equal keys do not matter.
#[track_caller]
fn shuffle(key: &Key, x: &Array, axis: usize) -> Array {
    let size = x.size().max(1) as f64;
    let rounds = (3.0 * size.ln() / f64::from(u32::MAX).ln()).ceil() as usize;
    let shape = Shape::from_slice(x.shape());
    jitted("_shuffle", &shape, x.dtype(), axis as i64, key, &[x], |key, args| {
        let (mut key, mut x) = (key.clone(), args[0].clone());
        for _ in 0..rounds {
            let keys = random_split(&key, &[2]);
            key = keys.at(0);
            let order = random_bits(&keys.at(1), 32, &shape);
            x = sort_key_val(&order, &x, axis).1;
        }
        x
    })
}

options! {
    /// Options of [`permutation_with`].
    pub struct PermutationOptions {
        /// The axis along which an array is reordered.
        axis: into Axis = 0,
        /// Is each vector along the axis in an order of its own?
        independent: value bool = false,
    }
}

/// A random order of `0..x` for an integer `x`, or of an array along its first axis.
///
/// # Errors
/// A scalar that is no integer, or is traced; an array of keys.
#[track_caller]
pub fn permutation(key: &Key, x: impl Into<Array>) -> Array {
    permuted(key, &x.into(), &PermutationOptions::new())
}

/// [`permutation`], with options.
///
/// ```
/// use raxla::random::{self, PermutationOptions};
///
/// let x = raxla::Array::from([[1, 2, 3], [4, 5, 6]]);
/// let options = PermutationOptions::new().axis(1).independent(true);
/// assert_eq!(random::permutation_with(&random::key(42), x, options).shape(), [2, 3]);
/// ```
///
/// # Errors
/// As [`permutation`]; an axis out of range.
#[track_caller]
pub fn permutation_with(key: &Key, x: impl Into<Array>, options: PermutationOptions) -> Array {
    permuted(key, &x.into(), &options)
}

#[track_caller]
fn permuted(key: &Key, x: &Array, options: &PermutationOptions) -> Array {
    let key = key.single("permutation");
    let axis = options.axis.position("permutation", x.ndim().max(1)).or_throw();
    if x.ndim() == 0 {
        if x.dtype().is_inexact() {
            throw!(
                InvalidArgument,
                "permutation: x must be an integer or at least 1-dimensional, got {}",
                x.aval()
            );
        }
        let n = x.to_scalar().or_throw().to_i128().max(0) as usize;
        return shuffle(key, &iota(DType::I64, n), 0);
    }
    if options.independent || x.ndim() == 1 {
        return shuffle(key, x, axis);
    }
    let order = shuffle(key, &iota(DType::I64, x.shape()[axis]), 0);
    take(x, &order, axis)
}

/// The elements of `x` at `indices` (all in range) along `axis`; the axes of `indices` take the place of `axis`.
pub(super) fn take(x: &Array, indices: &Array, axis: usize) -> Array {
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
    gather_with(x, &expand_dims(indices, [rank]), &numbers, &sizes, options)
}

options! {
    /// Options of [`choice_with`].
    pub struct ChoiceOptions {
        /// May the same element be drawn twice?
        replace: value bool = true,
        /// Probabilities of the elements; all are equally likely if they are not given.
        p: optional_into Array,
        /// The axis along which an array's elements are drawn.
        axis: into Axis = 0,
        /// How well rare elements are drawn without replacement.
        mode: value SamplingMode = SamplingMode::Low,
    }
}

/// Draws of this shape, with replacement, from `0..a` for an integer `a`, or from the elements of an array along its first
/// axis.
///
/// # Errors
/// Nothing to draw from; a scalar that is no integer, or is traced; an array of keys.
#[track_caller]
pub fn choice(key: &Key, a: impl Into<Array>, shape: impl Into<Dims>) -> Array {
    chosen(key, &a.into(), &sizes("choice", &shape.into()), &ChoiceOptions::new())
}

/// [`choice`], with options.
///
/// ```
/// use raxla::random::{self, ChoiceOptions};
///
/// let options = ChoiceOptions::new().replace(false).p([0.5f32, 0.25, 0.25]);
/// let x = random::choice_with(&random::key(42), 3, [3], options);
/// let mut x = x.to_vec::<i32>()?;
/// x.sort();
/// assert_eq!(x, [0, 1, 2]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`choice`]; `choice: cannot take a larger sample (size 5) than population (size 3) without replacement`; `p` of another size
/// than there are elements; an axis out of range.
#[track_caller]
pub fn choice_with(key: &Key, a: impl Into<Array>, shape: impl Into<Dims>, options: ChoiceOptions) -> Array {
    chosen(key, &a.into(), &sizes("choice", &shape.into()), &options)
}

#[track_caller]
fn chosen(key: &Key, a: &Array, shape: &[usize], options: &ChoiceOptions) -> Array {
    let (axis, n) = match a.ndim() {
        0 if a.dtype().is_inexact() => {
            throw!(
                InvalidArgument,
                "choice: a must be an integer or an array of at least one axis, got {}",
                a.aval()
            )
        }
        0 => (0, a.to_scalar().or_throw().to_i128().max(0) as usize),
        rank => {
            let axis = options.axis.position("choice", rank).or_throw();
            (axis, a.shape()[axis])
        }
    };
    let draws: usize = shape.iter().product();
    if draws == 0 {
        return full(shape, literal(a.dtype(), 0.0));
    }
    if n == 0 {
        throw!(InvalidArgument, "choice: a must be greater than 0 unless no samples are taken");
    }
    if !options.replace && draws > n {
        throw!(
            InvalidArgument,
            "choice: cannot take a larger sample (size {draws}) than population (size {n}) without replacement"
        );
    }
    let indices = match &options.p {
        None if options.replace => randint(key, shape, 0, n),
        None => {
            let population = if a.ndim() == 0 { Array::from(n) } else { a.clone() };
            let all = permuted(key, &population, &PermutationOptions::new().axis(axis));
            let taken = slice_along(&all, 0, draws as i64, 1, axis);
            return reshape(&taken, result_shape(a, shape, axis));
        }
        Some(p) => weighted(key, n, shape, p, options),
    };
    let drawn = if a.ndim() == 0 { indices } else { take(a, &indices, axis) };
    reshape(&drawn, result_shape(a, shape, axis))
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
fn weighted(key: &Key, n: usize, shape: &[usize], p: &Array, options: &ChoiceOptions) -> Array {
    if p.shape() != [n] {
        throw!(
            Shape,
            "p must be None or a 1D vector with the same size as a.shape[axis]. p has shape {} and a.shape[axis] is {n}",
            tuple(p.shape())
        );
    }
    let p = if p.dtype().is_inexact() { p.clone() } else { convert_element_type(p, DType::F64) };
    let (key, dtype) = (key.single("choice"), p.dtype());
    if !options.replace {
        let draws = shape.iter().product();
        let score = add(&gumbel_words(key, &[n], dtype, options.mode), &log(&p));
        return convert_element_type(&top_k(&score, draws, 0).1, DType::I64);
    }
    let total = cumsum(&p, 0);
    let last = index_along(&total, -1, 0);
    let u = uniform_words(key, shape, dtype, &literal(dtype, 0.0), &literal(dtype, 1.0));
    let r = mul(&last, &sub(&literal_like(&u, 1.0), &u));
    // The number of partial sums below r.
    let mut full = Shape::from_slice(shape);
    full.push(n);
    let r = to_shape(&expand_dims(&r, [shape.len()]), &full);
    let below = convert_element_type(&lt(&to_shape(&total, &full), &r), DType::I64);
    reduce_sum(&below, [shape.len()])
}

options! {
    /// Options of [`categorical_with`].
    pub struct CategoricalOptions {
        /// The axis of the logits along which an index is drawn.
        axis: into Axis = -1,
        /// The shape of the result, whose last axes are those of the logits without `axis`; just those if it is not given.
        shape: optional_into Dims,
        /// May the same index be drawn twice for the same logits? If not, the axes that `shape` has in front are one draw
        /// without replacement.
        replace: value bool = true,
        /// How well rare indices are drawn.
        mode: value SamplingMode = SamplingMode::Low,
    }
}

/// Indices along the last axis drawn with probabilities `softmax(logits)`: one for each vector of logits.
///
/// # Errors
/// Logits that are no floats, or a scalar; an array of keys.
#[track_caller]
pub fn categorical(key: &Key, logits: impl Into<Array>) -> Array {
    categorical_of(key, &logits.into(), &CategoricalOptions::new())
}

/// [`categorical`], with options.
///
/// ```
/// use raxla::random::{self, CategoricalOptions};
///
/// // Two different ones of three, by the Gumbel-top-k trick (Kool et al. 2019).
/// let options = CategoricalOptions::new().shape([2]).replace(false);
/// let drawn = random::categorical_with(&random::key(42), [0.0f32, 1.0, 2.0], options).to_vec::<i32>()?;
/// assert_ne!(drawn[0], drawn[1]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`categorical`]; an axis out of range; shapes that do not fit; `Number of samples without replacement (4) cannot exceed
/// number of categories (3)`.
#[track_caller]
pub fn categorical_with(key: &Key, logits: impl Into<Array>, options: CategoricalOptions) -> Array {
    categorical_of(key, &logits.into(), &options)
}

#[track_caller]
fn categorical_of(key: &Key, logits: &Array, options: &CategoricalOptions) -> Array {
    let key = key.single("categorical");
    let at = axis_of("categorical", options.axis, logits);
    let dtype = logits.dtype();
    if !dtype.is_float() {
        throw!(DType, "dtype argument to `gumbel` must be a float dtype, got {dtype}");
    }
    let mut batch = Shape::from_slice(logits.shape());
    let n = batch.remove(at);
    let shape = options.shape.as_ref().map_or_else(|| batch.clone(), |shape| sizes("categorical", shape));
    let fits = batch.len() <= shape.len()
        && batch.iter().rev().zip(shape.iter().rev()).all(|(m, n)| *m == 1 || m == n);
    if !fits {
        let (batch, shape) = (tuple(&batch), tuple(&shape));
        throw!(Shape, "categorical: logits of batch shape {batch} do not broadcast to shape {shape}");
    }
    let prefix = shape.len() - batch.len();
    if !options.replace {
        if shape[prefix..] != batch[..] {
            let (batch, shape) = (tuple(&batch), tuple(&shape));
            throw!(
                Shape,
                "categorical: without replacement the last axes of shape {shape} must be the batch shape {batch}"
            );
        }
        let draws: usize = shape[..prefix].iter().product();
        if draws > n {
            throw!(
                InvalidArgument,
                "Number of samples without replacement ({draws}) cannot exceed number of categories ({n})"
            );
        }
        let scores = add(logits, &gumbel_words(key, logits.shape(), dtype, options.mode));
        let (_, drawn) = top_k(&move_axis(&scores, at, batch.len()), draws, -1);
        return reshape(&move_axis(&drawn, batch.len(), 0), &shape);
    }
    // The axis of the logits within `shape`.
    let at = prefix + at;
    let mut full = shape.clone();
    full.insert(at, n);
    let noise = gumbel_words(key, &full, dtype, options.mode);
    argmax(&add(&noise, &to_shape(logits, &full)), at)
}
