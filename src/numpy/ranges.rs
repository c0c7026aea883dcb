//! Evenly spaced numbers. JAX: `numpy/array_creation.py`, `numpy/lax_numpy.py`.

use std::ops::Range;

use crate::arguments::{Axis, options};
use crate::calls::jit_call::jitted;
use crate::core::array::Array;
use crate::core::config::canonicalize;
use crate::dtype::DType;
use crate::error::{OrThrow, throw};
use crate::lax;
use crate::lax::arguments::axis_of;
use crate::numpy::util::{
    broadcast_arrays_array, broadcast_to_shape, default_float, default_int, result_type_of, strong,
    to_inexact, upcast_f16,
};
use crate::numpy::{MaybePair, Pair, divide, floor, log10, multiply, power};

/// A number that bounds an [`arange`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Number {
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
}

impl Number {
    /// As a float.
    pub(super) fn value(self) -> f64 {
        match self {
            Number::Int(x) => x as f64,
            Number::Float(x) => x,
        }
    }
}

/// Where an [`arange`] starts and stops: a number to stop at, or a range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    start: Number,
    stop: Number,
}

macro_rules! number {
    ($($t:ty: $variant:ident $wide:ty),*) => {$(
        impl From<$t> for Number {
            fn from(x: $t) -> Self {
                Number::$variant(x as $wide)
            }
        }
        impl From<$t> for Bounds {
            fn from(stop: $t) -> Self {
                Bounds { start: Number::Int(0), stop: stop.into() }
            }
        }
        impl From<Range<$t>> for Bounds {
            fn from(range: Range<$t>) -> Self {
                Bounds { start: range.start.into(), stop: range.end.into() }
            }
        }
    )*};
}
number!(i32: Int i64, i64: Int i64, u32: Int i64, usize: Int i64, f32: Float f64, f64: Float f64);

impl From<Number> for Bounds {
    fn from(stop: Number) -> Self {
        Bounds { start: Number::Int(0), stop }
    }
}

impl From<Range<Number>> for Bounds {
    fn from(range: Range<Number>) -> Self {
        Bounds { start: range.start, stop: range.end }
    }
}

options! {
    /// Options of [`arange_with`].
    ///
    /// ```
    /// use raxla::numpy::{self as jnp, ArangeOptions};
    ///
    /// assert_eq!(jnp::arange_with(5..0, ArangeOptions::new().step(-2)).to_vec::<i32>()?, [5, 3, 1]);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    pub struct ArangeOptions {
        /// From one number to the next.
        step: into Number = 1,
        /// The dtype; `i32` for integers and `f32` for floats if not given.
        dtype: optional DType,
    }
}

/// The numbers `0, 1, …` below `stop`, or `start, start + 1, …` below `stop` for `start..stop`.
///
/// # Errors
/// Bounds that are not finite.
/// ```
/// use raxla::numpy as jnp;
///
/// assert_eq!(jnp::arange(3).to_vec::<i32>()?, [0, 1, 2]);
/// assert_eq!(jnp::arange(2.5).to_vec::<f32>()?, [0.0, 1.0, 2.0]);
/// assert_eq!(jnp::arange(2..5).to_vec::<i32>()?, [2, 3, 4]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn arange(bounds: impl Into<Bounds>) -> Array {
    numbers(bounds.into(), &ArangeOptions::new())
}

/// [`arange`] by options.
///
/// # Errors
/// `arange: step must not be zero`; as [`arange`].
#[track_caller]
pub fn arange_with(bounds: impl Into<Bounds>, options: ArangeOptions) -> Array {
    numbers(bounds.into(), &options)
}

#[track_caller]
fn numbers(Bounds { start, stop }: Bounds, options: &ArangeOptions) -> Array {
    let step = options.step;
    let float = [start, stop, step].iter().any(|x| matches!(x, Number::Float(_)));
    let default = if float { default_float() } else { default_int() };
    let dtype = canonicalize(options.dtype.unwrap_or(default));
    if step.value() == 0.0 {
        throw!(InvalidArgument, "arange: step must not be zero");
    }
    let n = ((stop.value() - start.value()) / step.value()).ceil().max(0.0);
    let bounds = [("start", start), ("stop", stop), ("step", step)];
    let odd = bounds.into_iter().find(|(_, x)| !x.value().is_finite());
    // As many as floats can count.
    if n.is_nan() || n > (1u64 << 53) as f64 || odd.is_some_and(|(_, x)| x.value().is_nan()) {
        let (name, value) = odd.unwrap_or(("stop", stop));
        throw!(
            InvalidArgument,
            "arange: {name} is {}: the numbers up to it cannot be counted",
            value.value()
        );
    }
    let n = n as usize;
    if start == Number::Int(0) && step == Number::Int(1) {
        return lax::iota(dtype, n);
    }
    let working = upcast_f16(dtype);
    let value = |x: Number| match x {
        Number::Int(x) => strong(&Array::from(x), working),
        Number::Float(x) => lax::literal(working, x),
    };
    let steps = match step {
        Number::Int(1) => lax::iota(working, n),
        _ => lax::mul(&value(step), &lax::iota(working, n)),
    };
    strong(&lax::add(&value(start), &steps), dtype)
}

options! {
    /// Options of [`linspace_with`].
    pub struct LinspaceOptions {
        /// Is `stop` the last number?
        endpoint: value bool = true,
        /// The dtype; integers are rounded down.
        dtype: optional DType,
        /// Where the axis of the numbers stands in the result.
        axis: into Axis = 0,
    }
}

impl LinspaceOptions {
    /// The result is then a pair: the numbers, and how far they are apart. JAX: `retstep=True`.
    #[must_use]
    pub fn retstep(self) -> Pair<Self> {
        Pair(self)
    }
}

/// `num` numbers from `start` to `stop`, evenly spaced.
///
/// `start` and `stop` may be arrays: the numbers stand along a new leading axis.
///
/// # Errors
/// Shapes that do not broadcast.
/// ```
/// use raxla::numpy as jnp;
///
/// assert_eq!(jnp::linspace(0.0, 1.0, 5).to_vec::<f32>()?, [0.0, 0.25, 0.5, 0.75, 1.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn linspace(start: impl Into<Array>, stop: impl Into<Array>, num: usize) -> Array {
    spaced("linspace", &start.into(), &stop.into(), num, &LinspaceOptions::new(), false).0
}

/// [`linspace`] by options, and the step too by [`retstep`](LinspaceOptions::retstep).
///
/// # Errors
/// As [`linspace`]; an axis out of range.
/// ```
/// use raxla::numpy::{self as jnp, LinspaceOptions};
///
/// let (numbers, step) = jnp::linspace_with(0.0, 1.0, 4, LinspaceOptions::new().endpoint(false).retstep());
/// assert_eq!((numbers.to_vec::<f32>()?, step.item::<f32>()?), (vec![0.0, 0.25, 0.5, 0.75], 0.25));
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn linspace_with<SomeOptions: MaybePair<LinspaceOptions>>(
    start: impl Into<Array>,
    stop: impl Into<Array>,
    num: usize,
    options: SomeOptions,
) -> SomeOptions::Output {
    let (start, stop, options) = (start.into(), stop.into(), options.into_options());
    let (numbers, step) = spaced("linspace", &start, &stop, num, &options, SomeOptions::PAIR);
    // Without a step there is nobody who asks for it.
    let step = step.unwrap_or_else(|| numbers.clone());
    SomeOptions::output(numbers, step)
}

/// The dtype to give, and both ends in the dtype to compute in.
#[track_caller]
fn ends(name: &str, start: &Array, stop: &Array, dtype: Option<DType>) -> (DType, [Array; 2]) {
    let dtype = dtype.map_or_else(|| to_inexact(result_type_of(name, &[start, stop]).0), canonicalize);
    let working = to_inexact(dtype);
    (dtype, [strong(start, working), strong(stop, working)])
}

/// The numbers, and the step if it is asked for: one program, as in JAX (`_linspace`), since floors of integers depend on how it
/// rounds.
#[track_caller]
fn spaced(
    name: &str,
    start: &Array,
    stop: &Array,
    num: usize,
    options: &LinspaceOptions,
    step: bool,
) -> (Array, Option<Array>) {
    let (endpoint, axis, dtype) = (options.endpoint, options.axis, options.dtype);
    let mut out = jitted("_linspace", (num, endpoint, axis, dtype, step), [start, stop], |[start, stop]| {
        let (dtype, ends) = ends(name, start, stop, dtype);
        let [start, stop] = broadcast_arrays_array(name, ends);
        let axis = axis.position(name, start.ndim() + 1).or_throw();
        let (out, delta) = weighted(&start, &stop, num, endpoint, axis);
        let mut out = vec![strong(&if dtype.is_integer() { floor(out) } else { out }, dtype)];
        out.extend(step.then_some(delta));
        out
    });
    let delta = if step { out.pop() } else { None };
    (out.swap_remove(0), delta)
}

/// `num` weighted means of both ends along a new axis, exact at both, and how far they are apart.
#[track_caller]
fn weighted(start: &Array, stop: &Array, num: usize, endpoint: bool, axis: usize) -> (Array, Array) {
    let (working, rank) = (start.dtype(), start.ndim());
    let divisions = if endpoint { num.saturating_sub(1) } else { num };
    let mut row = start.shape().to_vec();
    row.insert(axis, 1);
    let rows = |x: &Array| lax::reshape(x, &row);
    if num < 2 {
        let delta = match num {
            1 if !endpoint => lax::sub(stop, start),
            _ => lax::literal(working, f64::NAN),
        };
        let mut shape = row.clone();
        shape[axis] = num;
        let filler = if num == 1 { rows(start) } else { lax::literal(working, 0.0) };
        return (broadcast_to_shape(&filler, &shape), delta);
    }
    let delta = lax::div(&lax::sub(stop, start), &lax::literal(working, divisions as f64));
    let real = working.real();
    let weight = lax::div(&lax::iota(real, divisions), &lax::literal(real, divisions as f64));
    let weight = strong(&weight, working);
    let weight = if rank == 0 {
        weight
    } else {
        lax::expand_dims(&weight, (0..=rank).filter(|d| *d != axis).collect::<Vec<usize>>())
    };
    let first = rows(start);
    let first = multiply(first, lax::sub(&lax::literal(working, 1.0), &weight));
    let out = crate::numpy::add(first, multiply(rows(stop), &weight));
    let last = || lax::expand_dims(stop, [axis]);
    (if divisions < num { lax::concatenate(&[out, last()], axis) } else { out }, delta)
}

options! {
    /// Options of [`logspace_with`].
    pub struct LogspaceOptions {
        /// Is the power of `stop` the last number?
        endpoint: value bool = true,
        /// What is raised to the powers.
        base: into Array = 10.0,
        /// The dtype.
        dtype: optional DType,
        /// Where the axis of the numbers stands in the result.
        axis: into Axis = 0,
    }
}

/// 10 to the powers of [`linspace`].
///
/// # Errors
/// Shapes that do not broadcast.
#[track_caller]
pub fn logspace(start: impl Into<Array>, stop: impl Into<Array>, num: usize) -> Array {
    powers("logspace", &start.into(), &stop.into(), num, &LogspaceOptions::new())
}

/// [`logspace`] by options.
///
/// # Errors
/// As [`logspace`]; an axis out of range.
#[track_caller]
pub fn logspace_with(
    start: impl Into<Array>,
    stop: impl Into<Array>,
    num: usize,
    options: LogspaceOptions,
) -> Array {
    powers("logspace", &start.into(), &stop.into(), num, &options)
}

#[track_caller]
fn powers(name: &str, start: &Array, stop: &Array, num: usize, options: &LogspaceOptions) -> Array {
    let (endpoint, axis, dtype) = (options.endpoint, options.axis, options.dtype);
    let statics = (num, endpoint, axis, dtype);
    jitted("_logspace", statics, [start, stop, &options.base], |[start, stop, base]| {
        let (dtype, [start, stop]) = ends(name, start, stop, dtype);
        let how = LinspaceOptions::new().endpoint(endpoint).axis(axis);
        let (exponents, _) = spaced(name, &start, &stop, num, &how, false);
        strong(&power(base, exponents), dtype)
    })
}

options! {
    /// Options of [`geomspace_with`].
    pub struct GeomspaceOptions {
        /// Is `stop` the last number?
        endpoint: value bool = true,
        /// The dtype.
        dtype: optional DType,
        /// Where the axis of the numbers stands in the result.
        axis: into Axis = 0,
    }
}

/// `num` numbers from `start` to `stop`, each the same multiple of the one before.
///
/// # Errors
/// Shapes that do not broadcast.
#[track_caller]
pub fn geomspace(start: impl Into<Array>, stop: impl Into<Array>, num: usize) -> Array {
    geomspace_with(start, stop, num, GeomspaceOptions::new())
}

/// [`geomspace`] by options.
///
/// # Errors
/// As [`geomspace`]; an axis out of range.
#[track_caller]
pub fn geomspace_with(
    start: impl Into<Array>,
    stop: impl Into<Array>,
    num: usize,
    options: GeomspaceOptions,
) -> Array {
    let statics = (num, options.endpoint, options.axis, options.dtype);
    jitted("_geomspace", statics, [&start.into(), &stop.into()], |[start, stop]| {
        multiples(start, stop, num, &options)
    })
}

#[track_caller]
fn multiples(start: &Array, stop: &Array, num: usize, options: &GeomspaceOptions) -> Array {
    let (dtype, [start, stop]) = ends("geomspace", start, stop, options.dtype);
    let sign = lax::sign(&start);
    let (first, last) = (log10(divide(&start, &sign)), log10(divide(&stop, &sign)));
    let how = LogspaceOptions::new().endpoint(options.endpoint);
    let out = multiply(&sign, powers("geomspace", &first, &last, num, &how));
    let axis = axis_of("geomspace", options.axis, &out);
    strong(&lax::move_axis(&out, 0, axis), dtype)
}
