//! Padding. JAX: `numpy/lax_numpy.py`.

use std::fmt;
use std::mem::discriminant;
use std::sync::Arc;

use crate::arguments::{Integer, options};
use crate::calls::jit_call::jitted_some;
use crate::core::array::Array;
use crate::error::{OrThrow, bail, throw};
use crate::interpreters::batching::{batch, move_batch_axis};
use crate::lax;
use crate::numpy::creation::spread;
use crate::numpy::reductions::{ReduceOptions, max_with, min_with};
use crate::numpy::{LinspaceOptions, flip, linspace_with, mean_with, median_with, repeat, round, subtract};

/// How [`pad_with`] fills what it adds. A function converts into it: see [`PadMode::Callable`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PadMode {
    /// With the option `constant_values`.
    #[default]
    Constant,
    /// With anything: zeros.
    Empty,
    /// With the element at the edge.
    Edge,
    /// With numbers from the element at the edge to the option `end_values`.
    LinearRamp,
    /// With the largest element of the axis.
    Maximum,
    /// With the mean of the axis.
    Mean,
    /// With the median of the axis.
    Median,
    /// With the smallest element of the axis.
    Minimum,
    /// With the mirror image, without the edge itself.
    Reflect,
    /// With the mirror image, edge included.
    Symmetric,
    /// With the elements of the other end.
    Wrap,
    /// As a function has it. It takes a vector along one axis, padded with zeros, how many elements were added before and behind,
    /// and which axis it is, and returns the vector: for each axis after the other. `vmap` maps it over the vectors.
    ///
    /// ```
    /// use raxla::numpy::{self as jnp, PadOptions};
    /// use raxla::Array;
    ///
    /// // The sum of what is there, in front.
    /// let total = |row: &Array, (before, _): (usize, usize), _axis: usize| row.at(..before).set(jnp::sum(row, ..));
    /// let x = Array::from([[1, 2], [3, 4]]);
    /// let y = jnp::pad_with(&x, ((0, 0), (1, 0)), PadOptions::new().mode(total));
    /// assert_eq!(y.to_vec::<i32>()?, [3, 1, 2, 7, 3, 4]);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    Callable(PadFunction),
}

/// A vector, how many elements were added before and behind, and along which axis it is.
type Fill = dyn Fn(&Array, (usize, usize), usize) -> Array + Send + Sync;

/// What [`PadMode::Callable`] calls.
#[derive(Clone)]
pub struct PadFunction(Arc<Fill>);

impl fmt::Debug for PadFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PadFunction")
    }
}

/// The same function, not one that does the same.
impl PartialEq for PadFunction {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
impl Eq for PadFunction {}

impl<F: Fn(&Array, (usize, usize), usize) -> Array + Send + Sync + 'static> From<F> for PadMode {
    fn from(f: F) -> Self {
        PadMode::Callable(PadFunction(Arc::new(f)))
    }
}

/// What [`PadMode::Reflect`] and [`PadMode::Symmetric`] make of the mirror image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReflectType {
    /// As it is.
    #[default]
    Even,
    /// Upside down: twice the edge less the image.
    Odd,
}

/// How many elements before and behind each axis: a number for all, a pair for all, or a list of pairs, one for each axis.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PadWidth(Vec<(i64, i64)>);

impl PadWidth {
    #[track_caller]
    fn pairs(&self, option: &str, x: &Array) -> Vec<(usize, usize)> {
        let pairs = if self.0.len() == 1 { vec![self.0[0]; x.ndim()] } else { self.0.clone() };
        if pairs.len() != x.ndim() {
            throw!(
                Shape,
                "pad: {option} must have one entry for each axis of {}, got {}",
                x.aval(),
                pairs.len()
            );
        }
        if let Some(pair) = pairs.iter().find(|(low, high)| *low < 0 || *high < 0) {
            throw!(InvalidArgument, "pad: {option} must not be negative, got {pair:?}");
        }
        pairs.into_iter().map(|(low, high)| (low as usize, high as usize)).collect()
    }
}

impl<I: Integer> From<I> for PadWidth {
    fn from(n: I) -> Self {
        PadWidth(vec![(n.to_i64(), n.to_i64())])
    }
}
impl<I: Integer, J: Integer> From<(I, J)> for PadWidth {
    fn from((low, high): (I, J)) -> Self {
        PadWidth(vec![(low.to_i64(), high.to_i64())])
    }
}
impl<I: Integer, J: Integer> From<&[(I, J)]> for PadWidth {
    fn from(pairs: &[(I, J)]) -> Self {
        PadWidth(pairs.iter().map(|(low, high)| (low.to_i64(), high.to_i64())).collect())
    }
}
impl<I: Integer, J: Integer, const N: usize> From<[(I, J); N]> for PadWidth {
    fn from(pairs: [(I, J); N]) -> Self {
        Self::from(&pairs[..])
    }
}
impl<I: Integer, J: Integer> From<Vec<(I, J)>> for PadWidth {
    fn from(pairs: Vec<(I, J)>) -> Self {
        Self::from(&pairs[..])
    }
}
impl<A: Integer, B: Integer, C: Integer, D: Integer> From<((A, B), (C, D))> for PadWidth {
    fn from(((a, b), (c, d)): ((A, B), (C, D))) -> Self {
        PadWidth(vec![(a.to_i64(), b.to_i64()), (c.to_i64(), d.to_i64())])
    }
}

options! {
    /// Options of [`pad_with`].
    pub struct PadOptions {
        /// How it fills what it adds: a [`PadMode`], or a function as [`PadMode::Callable`] calls it.
        mode: into PadMode = PadMode::Constant,
        /// What [`PadMode::Constant`] fills with: a number, a pair for before and behind, or a pair for each axis.
        constant_values: optional_into Array,
        /// How many elements at each edge [`PadMode::Maximum`], `Mean`, `Median` and `Minimum` look at; all, if not given.
        stat_length: optional_into PadWidth,
        /// Where [`PadMode::LinearRamp`] ends: a number, a pair for before and behind, or a pair for each axis.
        end_values: optional_into Array,
        /// What [`PadMode::Reflect`] and [`PadMode::Symmetric`] make of the mirror image.
        reflect_type: optional ReflectType,
    }
}

/// `x` with zeros before and behind each axis: `pad(&x, 1)`, `pad(&x, (1, 0))` for all axes, `pad(&x, ((1, 1), (0, 2)))` for
/// two.
///
/// # Errors
/// `pad: pad_width must have one entry for each axis of f32[3], got 2`; a negative one.
/// ```
/// use raxla::numpy as jnp;
///
/// assert_eq!(jnp::pad(jnp::arange(1..3), (1, 2)).to_vec::<i32>()?, [0, 1, 2, 0, 0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn pad(x: impl Into<Array>, pad_width: impl Into<PadWidth>) -> Array {
    padded(x.into(), &pad_width.into(), &PadOptions::new())
}

/// [`pad`] by options.
///
/// # Errors
/// As [`pad`]; an option that the mode does not have; an empty axis to be filled from itself.
/// ```
/// use raxla::numpy::{self as jnp, PadMode, PadOptions};
///
/// let x = jnp::arange(1..4);
/// let mirrored = jnp::pad_with(&x, 2, PadOptions::new().mode(PadMode::Reflect));
/// assert_eq!(mirrored.to_vec::<i32>()?, [3, 2, 1, 2, 3, 2, 1]);
/// let ends = jnp::pad_with(&x, 1, PadOptions::new().constant_values([8, 9]));
/// assert_eq!(ends.to_vec::<i32>()?, [8, 1, 2, 3, 9]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn pad_with(x: impl Into<Array>, pad_width: impl Into<PadWidth>, options: PadOptions) -> Array {
    padded(x.into(), &pad_width.into(), &options)
}

#[track_caller]
fn padded(x: Array, pad_width: &PadWidth, options: &PadOptions) -> Array {
    use PadMode::*;
    let mode = &options.mode;
    let foreign = [
        ("constant_values", options.constant_values.is_some(), *mode == Constant),
        ("stat_length", options.stat_length.is_some(), matches!(mode, Maximum | Mean | Median | Minimum)),
        ("end_values", options.end_values.is_some(), *mode == LinearRamp),
        ("reflect_type", options.reflect_type.is_some(), matches!(mode, Reflect | Symmetric)),
    ];
    if let Some((option, ..)) = foreign.iter().find(|(_, given, known)| *given && !known) {
        throw!(InvalidArgument, "pad: the mode {mode:?} has no option {option}");
    }
    if x.ndim() == 0 {
        return x;
    }
    if let Callable(_) = mode {
        // It may be another each time.
        return wider(x, pad_width, options);
    }
    let statics = (pad_width.clone(), discriminant(mode), options.stat_length.clone(), options.reflect_type);
    let values = [options.constant_values.as_ref(), options.end_values.as_ref()];
    jitted_some("_pad", statics, [&x], values, |[x], [constant_values, end_values]| {
        let (constant_values, end_values) = (constant_values.cloned(), end_values.cloned());
        wider(x.clone(), pad_width, &PadOptions { constant_values, end_values, ..options.clone() })
    })
}

#[track_caller]
fn wider(x: Array, pad_width: &PadWidth, options: &PadOptions) -> Array {
    use PadMode::*;
    let mode = &options.mode;
    let widths = pad_width.pairs("pad_width", &x);
    match mode {
        Constant => constant(&x, &widths, options.constant_values.as_ref()),
        Empty => constant(&x, &widths, None),
        Callable(f) => {
            let zeros = constant(&x, &widths, None);
            widths
                .iter()
                .enumerate()
                .fold(zeros, |x, (axis, width)| along_rows(&x, axis, |row| f.0(row, *width, axis)))
        }
        _ => {
            let stat = options.stat_length.as_ref().map(|s| s.pairs("stat_length", &x));
            let ends = options.end_values.as_ref().map(|v| spread("pad", v, &[x.ndim(), 2]));
            let odd = options.reflect_type == Some(ReflectType::Odd);
            let mut out = x;
            for (axis, (low, high)) in widths.into_iter().enumerate() {
                if out.shape()[axis] == 0 && low + high > 0 {
                    throw!(
                        Shape,
                        "pad: axis {axis} of {} is empty and can only be padded by a constant",
                        out.aval()
                    );
                }
                out = match mode {
                    _ if low == 0 && high == 0 => out,
                    LinearRamp => ramp(&out, axis, [low, high], ends.as_ref()),
                    Maximum | Mean | Median | Minimum => {
                        statistic(&out, axis, [low, high], stat.as_ref().map(|s| s[axis]), mode)
                    }
                    Reflect | Symmetric if odd => upside_down(out, axis, [low, high], mode),
                    _ => from_itself(&out, axis, low, high, mode),
                };
            }
            out
        }
    }
}

/// `f` of each vector along `axis`.
#[track_caller]
fn along_rows(x: &Array, axis: usize, f: impl Fn(&Array) -> Array) -> Array {
    let moved = lax::move_axis(x, axis, x.ndim() - 1);
    let n = x.shape()[axis];
    let rows = x.size() / n.max(1);
    let body = |args: &[Array]| {
        let row = f(&args[0]);
        if row.shape() != [n] {
            bail!(Shape, "pad: the function must return a vector of {n} elements, got {}", row.aval());
        }
        Ok((vec![row], ()))
    };
    let flat = lax::reshape(&moved, [rows, n]);
    let (out, dims, ()) = batch(body, &[flat], &[Some(0)], None, rows).or_throw();
    let out = move_batch_axis(&out[0], dims[0], 0, rows);
    lax::move_axis(&lax::reshape(&out, moved.shape()), x.ndim() - 1, axis)
}

#[track_caller]
fn constant(x: &Array, widths: &[(usize, usize)], values: Option<&Array>) -> Array {
    let zero = Array::from(0);
    let value = values.unwrap_or(&zero);
    let value = lax::convert(value, x.dtype(), x.weak_type());
    if value.ndim() == 0 || value.size() == 1 {
        let config: Vec<(i64, i64, i64)> = widths.iter().map(|(l, h)| (*l as i64, *h as i64, 0)).collect();
        return lax::pad(x, lax::reshape(&value, &[] as &[usize]), &config);
    }
    let values = spread("pad", &value, &[x.ndim(), 2]);
    let mut out = x.clone();
    for (axis, (low, high)) in widths.iter().enumerate() {
        for (side, width) in [(0, (*low as i64, 0, 0)), (1, (0, *high as i64, 0))] {
            let mut config = vec![(0, 0, 0); x.ndim()];
            config[axis] = width;
            out = lax::pad(&out, values.index((axis, side)), &config);
        }
    }
    out
}

/// The elements from `start` to `stop` of an axis.
#[track_caller]
fn part(x: &Array, start: usize, stop: usize, axis: usize) -> Array {
    lax::slice_along(x, start as i64, stop as i64, 1, axis)
}

/// JAX: `_pad_linear_ramp`.
#[track_caller]
fn ramp(x: &Array, axis: usize, widths: [usize; 2], ends: Option<&Array>) -> Array {
    let n = x.shape()[axis];
    let side = |side: usize, edge: Array| {
        let start = ends.map_or_else(|| Array::from(0), |ends| ends.index((axis, side)));
        let how = LinspaceOptions::new().endpoint(false).dtype(x.dtype()).axis(axis);
        let edge = lax::squeeze(&edge, [axis]);
        lax::convert(&linspace_with(start, edge, widths[side], how), x.dtype(), x.weak_type())
    };
    let before = side(0, part(x, 0, 1, axis));
    let behind = flip(side(1, part(x, n - 1, n, axis)), axis);
    lax::concatenate([&before, x, &behind], axis)
}

/// JAX: `_pad_stats`.
#[track_caller]
fn statistic(
    x: &Array,
    axis: usize,
    widths: [usize; 2],
    lengths: Option<(usize, usize)>,
    mode: &PadMode,
) -> Array {
    let n = x.shape()[axis];
    let of = |x: Array| {
        let kept = ReduceOptions::new().keepdims(true);
        match mode {
            PadMode::Maximum => max_with(x, axis, kept),
            PadMode::Minimum => min_with(x, axis, kept),
            PadMode::Mean => mean_with(x, axis, kept),
            _ => median_with(x, axis, kept),
        }
    };
    let (before, behind) = match lengths {
        None => (of(x.clone()), of(x.clone())),
        Some((0, _) | (_, 0)) => throw!(InvalidArgument, "pad: stat_length of 0 yields no value for padding"),
        Some((low, high)) => (of(part(x, 0, low.min(n), axis)), of(part(x, n - high.min(n), n, axis))),
    };
    let fitted = |value: Array, width: usize| {
        let value = if x.dtype().is_integer() { round(value) } else { value };
        repeat(lax::convert(&value, x.dtype(), x.weak_type()), width, axis)
    };
    lax::concatenate([&fitted(before, widths[0]), x, &fitted(behind, widths[1])], axis)
}

/// JAX: `_pad_symmetric_or_reflect` with `reflect_type="odd"`.
#[track_caller]
fn upside_down(mut x: Array, axis: usize, widths: [usize; 2], mode: &PadMode) -> Array {
    let n = x.shape()[axis];
    let offset = usize::from(*mode == PadMode::Reflect && n > 1);
    for (before, mut width) in [(true, widths[0]), (false, widths[1])] {
        let size = x.shape()[axis];
        let mut edge = if before { part(&x, 0, 1, axis) } else { part(&x, size - 1, size, axis) };
        while width > 0 {
            let size = x.shape()[axis];
            let piece = width.min(n - offset);
            width -= piece;
            let (start, stop) =
                if before { (offset, offset + piece) } else { (size - piece - offset, size - offset) };
            let image = lax::rev(&part(&x, start, stop, axis), [axis]);
            let image = subtract(2 * &edge, image);
            if n > 1 {
                edge = if before { part(&image, 0, 1, axis) } else { part(&image, piece - 1, piece, axis) };
            }
            let parts = if before { [&image, &x] } else { [&x, &image] };
            x = lax::concatenate(parts, axis);
        }
    }
    x
}

#[track_caller]
fn from_itself(x: &Array, axis: usize, low: usize, high: usize, mode: &PadMode) -> Array {
    let n = x.shape()[axis] as i64;
    // Where each element of the result comes from, as runs of consecutive positions.
    let source = |i: i64| match mode {
        PadMode::Wrap => i.rem_euclid(n),
        PadMode::Symmetric => {
            let j = i.rem_euclid(2 * n);
            if j < n { j } else { 2 * n - 1 - j }
        }
        PadMode::Reflect if n > 1 => {
            let j = i.rem_euclid(2 * n - 2);
            if j < n { j } else { 2 * n - 2 - j }
        }
        PadMode::Reflect => 0,
        _ => i.clamp(0, n - 1),
    };
    let positions: Vec<i64> = (-(low as i64)..n + high as i64).map(source).collect();
    let mut parts: Vec<Array> = Vec::new();
    let mut start = 0;
    while start < positions.len() {
        let step = positions.get(start + 1).map_or(1, |next| next - positions[start]);
        // A jump ends a run of one.
        let step = if step.abs() > 1 { 1 } else { step };
        let mut end = start + 1;
        while end < positions.len() && positions[end] - positions[end - 1] == step {
            end += 1;
        }
        let (first, last) = (positions[start] as usize, positions[end - 1] as usize);
        parts.push(match step {
            0 => repeat(part(x, first, first + 1, axis), end - start, axis),
            _ if first <= last => part(x, first, last + 1, axis),
            _ => lax::rev(&part(x, last, first + 1, axis), [axis]),
        });
        start = end;
    }
    lax::concatenate(&parts, axis)
}
