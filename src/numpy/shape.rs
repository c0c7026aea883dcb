//! Arrays in other shapes and arrangements. JAX: `numpy/lax_numpy.py`.

use crate::arguments::{Axes, Axis, Dims, Integer, NewDims, OptAxis, Shifts, options};
use crate::calls::jit_call::jitted;
use crate::core::array::Array;
use crate::core::scalar::Scalar;
use crate::core::transfer::Transfer;
use crate::dtype::DType;
use crate::error::{OrThrow, Result, throw};
use crate::lax;
use crate::lax::arguments::{axes_of, axis_of, sorted_axes_of};
use crate::lax::elementwise::tuple;
use crate::numpy::util::{broadcast_to_shape, default_int, strong};
use crate::numpy::{TakeMode, TakeOptions, cumsum, take_with};

/// In which order elements are read and written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Order {
    /// Row by row, as in C: the last index changes fastest.
    #[default]
    C,
    /// Column by column, as in Fortran: the first index changes fastest.
    F,
}

options! {
    /// Options of [`reshape_with`] and [`ravel_with`].
    pub struct ReshapeOptions {
        /// In which order elements are read and written.
        order: value Order = Order::C,
    }
}

/// The same elements in another shape, in row-major order. One size may be -1: it follows from the others.
///
/// # Errors
/// `reshape: cannot reshape array of shape (2, 3) (size 6) into shape (4,)`
/// ```
/// use raxla::numpy as jnp;
///
/// let x = jnp::arange(6);
/// assert_eq!(jnp::reshape(&x, [2, -1]).shape(), [2, 3]);
/// let rows: usize = 3;
/// assert_eq!(x.reshape((rows, -1)).shape(), [3, 2]);
/// ```
#[track_caller]
pub fn reshape(x: impl Into<Array>, shape: impl Into<NewDims>) -> Array {
    reshaped(&x.into(), &shape.into(), &ReshapeOptions::new())
}

/// [`reshape`] by options.
///
/// # Errors
/// As [`reshape`].
/// ```
/// use raxla::numpy::{self as jnp, Order, ReshapeOptions};
///
/// let x = jnp::reshape_with(jnp::arange(4), [2, 2], ReshapeOptions::new().order(Order::F));
/// assert_eq!(x.to_vec::<i32>()?, [0, 2, 1, 3]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn reshape_with(x: impl Into<Array>, shape: impl Into<NewDims>, options: ReshapeOptions) -> Array {
    reshaped(&x.into(), &shape.into(), &options)
}

#[track_caller]
fn reshaped(x: &Array, shape: &NewDims, options: &ReshapeOptions) -> Array {
    let sizes = shape.resolve("reshape", x.shape()).or_throw();
    match options.order {
        Order::C => lax::reshape(x, &sizes),
        Order::F => {
            let reversed: Vec<usize> = sizes.iter().rev().copied().collect();
            reversed_axes(&lax::reshape(&reversed_axes(x), &reversed))
        }
    }
}

/// All elements in row-major order: an array of rank 1.
#[track_caller]
pub fn ravel(x: impl Into<Array>) -> Array {
    let x = x.into();
    lax::reshape(&x, [x.size()])
}

/// [`ravel`] by options.
#[track_caller]
pub fn ravel_with(x: impl Into<Array>, options: ReshapeOptions) -> Array {
    reshaped(&x.into(), &(-1).into(), &options)
}

#[track_caller]
fn reversed_axes(x: &Array) -> Array {
    let order: Vec<usize> = (0..x.ndim()).rev().collect();
    lax::transpose(x, &order)
}

/// The axes in another order: axis `i` of the result is axis `axes[i]` of `x`; `..` reverses them.
///
/// # Errors
/// `transpose: axes [0, 0] are not a permutation of the axes of f32[2,3]`
/// ```
/// use raxla::numpy as jnp;
///
/// let x = jnp::zeros([2, 3, 4]);
/// assert_eq!(jnp::transpose(&x, ..).shape(), [4, 3, 2]);
/// assert_eq!(jnp::transpose(&x, (0, 2, 1)).shape(), [2, 4, 3]);
/// ```
#[track_caller]
pub fn transpose(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    permuted("transpose", &x.into(), &axes.into())
}

/// The axes in another order: axis `i` of the result is axis `axes[i]` of `x`.
///
/// # Errors
/// As [`transpose`].
#[track_caller]
pub fn permute_dims(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    permuted("permute_dims", &x.into(), &axes.into())
}

#[track_caller]
fn permuted(name: &str, x: &Array, axes: &Axes) -> Array {
    let Some(given) = axes.given() else { return reversed_axes(x) };
    if given.len() != x.ndim() {
        throw!(Shape, "{name}: axes {given:?} are not a permutation of the axes of {}", x.aval());
    }
    lax::transpose(x, axes_of(name, axes, x))
}

/// The last two axes exchanged.
///
/// # Errors
/// `matrix_transpose: array must be at least 2-dimensional, got f32[3]`
#[track_caller]
pub fn matrix_transpose(x: impl Into<Array>) -> Array {
    let x = x.into();
    if x.ndim() < 2 {
        throw!(Shape, "matrix_transpose: array must be at least 2-dimensional, got {}", x.aval());
    }
    swapaxes(x, -1, -2)
}

/// Two axes exchanged.
///
/// # Errors
/// `swapaxes: axis 2 is out of bounds for array of dimension 2`
#[track_caller]
pub fn swapaxes(x: impl Into<Array>, axis1: impl Into<Axis>, axis2: impl Into<Axis>) -> Array {
    let x = x.into();
    let a = axis_of("swapaxes", axis1.into(), &x);
    let b = axis_of("swapaxes", axis2.into(), &x);
    let mut order: Vec<usize> = (0..x.ndim()).collect();
    order.swap(a, b);
    lax::transpose(&x, &order)
}

/// Axes moved to other positions; the others keep their order.
///
/// # Errors
/// `moveaxis: source and destination must have the same number of axes, got 1 and 2`; axes out of range or repeated.
/// ```
/// use raxla::numpy as jnp;
///
/// let x = jnp::zeros([2, 3, 4]);
/// assert_eq!(jnp::moveaxis(&x, 0, -1).shape(), [3, 4, 2]);
/// assert_eq!(jnp::moveaxis(&x, (0, 1), (1, 2)).shape(), [4, 2, 3]);
/// ```
#[track_caller]
pub fn moveaxis(x: impl Into<Array>, source: impl Into<Axes>, destination: impl Into<Axes>) -> Array {
    moved(&x.into(), &source.into(), &destination.into())
}

#[track_caller]
fn moved(x: &Array, source: &Axes, destination: &Axes) -> Array {
    let source = axes_of("moveaxis", source, x);
    let destination = axes_of("moveaxis", destination, x);
    if source.len() != destination.len() {
        throw!(
            Shape,
            "moveaxis: source and destination must have the same number of axes, got {} and {}",
            source.len(),
            destination.len()
        );
    }
    let mut order: Vec<usize> = (0..x.ndim()).filter(|a| !source.contains(a)).collect();
    let mut pairs: Vec<(usize, usize)> = destination.into_iter().zip(source).collect();
    pairs.sort_unstable();
    for (to, from) in pairs {
        order.insert(to.min(order.len()), from);
    }
    lax::transpose(x, &order)
}

options! {
    /// Options of [`rollaxis_with`].
    pub struct RollaxisOptions {
        /// The axis is moved before this one; the number of axes is behind the last.
        start: value i64 = 0,
    }
}

/// An axis moved to the front.
///
/// # Errors
/// An axis out of range.
#[track_caller]
pub fn rollaxis(x: impl Into<Array>, axis: impl Into<Axis>) -> Array {
    rollaxis_with(x, axis, RollaxisOptions::new())
}

/// [`rollaxis`] by options.
///
/// # Errors
/// Axes out of range.
#[track_caller]
pub fn rollaxis_with(x: impl Into<Array>, axis: impl Into<Axis>, options: RollaxisOptions) -> Array {
    let x = x.into();
    let n = x.ndim();
    let from = axis.into().position("rollaxis", n).or_throw();
    // From -n to n.
    let start = options.start;
    let start = Axis::from(start).position("rollaxis", n + usize::from(start >= 0)).or_throw();
    let to = if from < start { start - 1 } else { start };
    jitted("rollaxis", (from, to), [&x], |[x]| lax::move_axis(x, from, to))
}

/// New axes of size one, which stand at these positions of the result.
///
/// # Errors
/// `expand_dims: axis 5 is out of bounds for array of dimension 3`; a repeated axis; `..`.
#[track_caller]
pub fn expand_dims(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    let (x, axes) = (x.into(), axes.into());
    let Some(given) = axes.given() else {
        throw!(InvalidArgument, "expand_dims: needs the new axes' positions, got `..`")
    };
    let dims = axes.sorted("expand_dims", x.ndim() + given.len()).or_throw();
    lax::expand_dims(&x, &dims)
}

/// Drops axes of size one: `..` drops all of them.
///
/// # Errors
/// `squeeze: cannot select an axis to squeeze out which has size not equal to one, got shape=(2, 3) and axes [0]`
#[track_caller]
pub fn squeeze(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    let (x, axes) = (x.into(), axes.into());
    let mut dims = sorted_axes_of("squeeze", &axes, &x);
    if axes.is_all() {
        dims.retain(|d| x.shape()[*d] == 1);
    }
    if dims.iter().any(|d| x.shape()[*d] != 1) {
        throw!(
            Shape,
            "squeeze: cannot select an axis to squeeze out which has size not equal to one, got shape={} and axes {dims:?}",
            tuple(x.shape())
        );
    }
    lax::squeeze(&x, &dims)
}

/// `x` with at least one axis.
#[track_caller]
pub fn atleast_1d(x: impl Into<Array>) -> Array {
    jitted(
        "atleast_1d",
        (),
        [&x.into()],
        |[x]| if x.ndim() == 0 { lax::expand_dims(x, [0]) } else { x.clone() },
    )
}

/// `x` with at least two axes; a vector becomes a row.
#[track_caller]
pub fn atleast_2d(x: impl Into<Array>) -> Array {
    jitted("atleast_2d", (), [&x.into()], |[x]| match x.ndim() {
        0 => lax::expand_dims(x, [0, 1]),
        1 => lax::expand_dims(x, [0]),
        _ => x.clone(),
    })
}

/// `x` with at least three axes.
#[track_caller]
pub fn atleast_3d(x: impl Into<Array>) -> Array {
    jitted("atleast_3d", (), [&x.into()], |[x]| match x.ndim() {
        0 => lax::expand_dims(x, [0, 1, 2]),
        1 => lax::expand_dims(x, [0, 2]),
        2 => lax::expand_dims(x, [2]),
        _ => x.clone(),
    })
}

/// `x` repeated side by side, `reps[i]` times along axis `i`; fewer `reps` are for the last axes.
///
/// # Errors
/// A negative number.
#[track_caller]
pub fn tile(x: impl Into<Array>, reps: impl Into<Dims>) -> Array {
    let x = x.into();
    let reps = reps.into().shape("tile").or_throw();
    let rank = x.ndim().max(reps.len());
    let pad = |v: &[usize]| -> Vec<usize> {
        std::iter::repeat_n(1, rank - v.len()).chain(v.iter().copied()).collect()
    };
    let (sizes, reps) = (pad(x.shape()), pad(&reps));
    // Axes (reps[0], sizes[0], reps[1], …), then merged in pairs.
    let spread: Vec<usize> = reps.iter().zip(&sizes).flat_map(|(r, n)| [*r, *n]).collect();
    let dims: Vec<usize> = (0..rank).map(|i| 2 * i + 1).collect();
    let copies = lax::broadcast_in_dim(&lax::reshape(&x, &sizes), &spread, &dims);
    let merged: Vec<usize> = reps.iter().zip(&sizes).map(|(r, n)| r * n).collect();
    lax::reshape(&copies, &merged)
}

/// How often [`repeat`] repeats: a number, or an array with a number for each element.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Repeats {
    /// Each element this often.
    Each(usize),
    /// The elements along the axis as often as these integers say.
    Array(Array),
}

impl<I: Integer> From<I> for Repeats {
    fn from(n: I) -> Self {
        match usize::try_from(n.to_i64()) {
            Ok(n) => Repeats::Each(n),
            // Left to the check of all counts.
            Err(_) => Repeats::Array(Array::from(n.to_i64())),
        }
    }
}
impl From<Array> for Repeats {
    fn from(counts: Array) -> Self {
        Repeats::Array(counts)
    }
}
impl From<&Array> for Repeats {
    fn from(counts: &Array) -> Self {
        Repeats::Array(counts.clone())
    }
}
impl<const N: usize> From<[i32; N]> for Repeats {
    #[track_caller]
    fn from(counts: [i32; N]) -> Self {
        Repeats::Array(Array::from(counts))
    }
}

options! {
    /// Options of [`repeat_with`].
    pub struct RepeatOptions {
        /// The size of the result along the axis: longer results are cut, shorter ones filled with the last element. It must be
        /// given where the counts are traced.
        total_repeat_length: optional usize,
    }
}

/// Each element repeated `repeats` times along an axis; `..` flattens first.
///
/// The size of the result depends on the counts: where they are traced, [`repeat_with`] needs a `total_repeat_length`.
///
/// # Errors
/// An axis out of range; counts that are negative, no integers, or not as many as the axis has elements.
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let x = Array::from([7, 8]);
/// assert_eq!(jnp::repeat(&x, 2, 0).to_vec::<i32>()?, [7, 7, 8, 8]);
/// assert_eq!(jnp::repeat(&x, [1, 3], 0).to_vec::<i32>()?, [7, 8, 8, 8]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn repeat(x: impl Into<Array>, repeats: impl Into<Repeats>, axis: impl Into<OptAxis>) -> Array {
    repeated(&x.into(), &repeats.into(), axis.into(), &RepeatOptions::new())
}

/// [`repeat`] by options.
///
/// # Errors
/// As [`repeat`].
#[track_caller]
pub fn repeat_with(
    x: impl Into<Array>,
    repeats: impl Into<Repeats>,
    axis: impl Into<OptAxis>,
    options: RepeatOptions,
) -> Array {
    repeated(&x.into(), &repeats.into(), axis.into(), &options)
}

#[track_caller]
fn repeated(x: &Array, repeats: &Repeats, axis: OptAxis, options: &RepeatOptions) -> Array {
    let (x, axis) = match axis.get() {
        None => (ravel(x), 0),
        Some(axis) => (x.clone(), axis_of("repeat", axis, x)),
    };
    let counts = match repeats {
        Repeats::Each(n) if options.total_repeat_length.is_none() => return each_repeated(&x, *n, axis),
        Repeats::Each(n) => Array::from(*n as i64),
        Repeats::Array(counts) => counts.clone(),
    };
    if !counts.dtype().is_integer() {
        throw!(DType, "repeat: repeats must be integers, got {}", counts.aval());
    }
    let n = x.shape()[axis];
    if counts.size() != 1 && counts.size() != n {
        throw!(
            Shape,
            "repeat: repeats must be one number or one for each of {n} elements, got {}",
            counts.aval()
        );
    }
    let total = match options.total_repeat_length {
        Some(total) => total,
        None => {
            let known =
                known_integers(&counts).map_err(|e| e.context("repeat: without a total_repeat_length"));
            let known = known.or_throw();
            if let Some(count) = known.iter().find(|c| **c < 0) {
                throw!(InvalidArgument, "repeat: repeats must not be negative, got {count}");
            }
            known.iter().sum::<i64>() as usize * if known.len() == n { 1 } else { n }
        }
    };
    let counts = broadcast_to_shape(&strong(&ravel(counts), default_int()), &[n]);
    if n == 0 || total == 0 {
        let (mut start, mut limit) = (vec![0; x.ndim()], x.shape().to_vec());
        (start[axis], limit[axis]) = (0, 0);
        return lax::slice(&x, &start, &limit);
    }
    // Marks where another element begins: their running sum is the element's position.
    let before = lax::sub(&cumsum(&counts, 0), &counts);
    let marks = lax::full([total], lax::literal(DType::I32, 0.0)).at(before).add(1);
    let positions = lax::sub(&cumsum(marks, 0), &lax::literal(DType::I32, 1.0));
    take_with(&x, positions, axis, TakeOptions::new().mode(TakeMode::Fill))
}

/// The values of an array of integers.
fn known_integers(x: &Array) -> Result<Vec<i64>> {
    let (bytes, dtype) = (x.read(Transfer::Implicit)?, x.dtype());
    let integer = |b: &[u8]| Scalar::from_bytes(dtype, b).to_i128() as i64;
    Ok(bytes.chunks_exact(dtype.size()).map(integer).collect())
}

#[track_caller]
fn each_repeated(x: &Array, n: usize, axis: usize) -> Array {
    let mut spread = x.shape().to_vec();
    spread.insert(axis + 1, n);
    let dims: Vec<usize> = (0..spread.len()).filter(|d| *d != axis + 1).collect();
    let mut merged = x.shape().to_vec();
    merged[axis] *= n;
    lax::reshape(&lax::broadcast_in_dim(x, &spread, &dims), &merged)
}

/// The elements in reverse order along axes.
///
/// # Errors
/// An axis out of range or repeated.
#[track_caller]
pub fn flip(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    flipped("flip", &x.into(), &axes.into())
}

#[track_caller]
fn flipped(name: &str, x: &Array, axes: &Axes) -> Array {
    let axes = axes_of(name, axes, x);
    jitted("_flip", axes.clone(), [x], |[x]| lax::rev(x, &axes))
}

/// [`flip`] along the second axis.
///
/// # Errors
/// An array of fewer than two axes.
#[track_caller]
pub fn fliplr(x: impl Into<Array>) -> Array {
    flipped("fliplr", &x.into(), &1.into())
}

/// [`flip`] along the first axis.
///
/// # Errors
/// A scalar.
#[track_caller]
pub fn flipud(x: impl Into<Array>) -> Array {
    flipped("flipud", &x.into(), &0.into())
}

/// The elements moved by `shift` along axes, those that fall off entering at the other end. `..` flattens meanwhile. Several
/// shifts go with as many axes.
///
/// # Errors
/// An axis out of range; `roll: 2 shifts for 3 axes`.
/// ```
/// use raxla::numpy as jnp;
///
/// assert_eq!(jnp::roll(jnp::arange(4), 1, 0).to_vec::<i32>()?, [3, 0, 1, 2]);
/// assert_eq!(jnp::roll(jnp::eye(2), (1, 0), (0, 1)).to_vec::<f32>()?, [0.0, 1.0, 1.0, 0.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn roll(x: impl Into<Array>, shift: impl Into<Shifts>, axes: impl Into<Axes>) -> Array {
    rolled(&x.into(), &shift.into(), &axes.into())
}

#[track_caller]
fn rolled(x: &Array, shifts: &Shifts, axes: &Axes) -> Array {
    let shifts = shifts.get();
    let Some(axes) = axes.given() else {
        let shift: i64 = shifts.iter().sum();
        return lax::reshape(&rolled(&ravel(x), &shift.into(), &0.into()), x.shape());
    };
    if shifts.len() != 1 && axes.len() != 1 && shifts.len() != axes.len() {
        throw!(InvalidArgument, "roll: {} shifts for {} axes", shifts.len(), axes.len());
    }
    jitted("_roll_static", (shifts.to_vec(), axes.to_vec()), [x], |[x]| rolled_along(x, shifts, axes))
}

#[track_caller]
fn rolled_along(x: &Array, shifts: &[i64], axes: &[i64]) -> Array {
    let mut out = x.clone();
    // One shift goes with every axis, every shift with one axis.
    for i in 0..shifts.len().max(axes.len()) {
        let pick = |list: &[i64]| list[if list.len() == 1 { 0 } else { i }];
        if shifts.is_empty() || axes.is_empty() {
            break;
        }
        let axis = axis_of("roll", Axis::from(pick(axes)), x);
        out = roll_axis(&out, pick(shifts), axis);
    }
    out
}

#[track_caller]
fn roll_axis(x: &Array, shift: i64, axis: usize) -> Array {
    let n = x.shape()[axis] as i64;
    if n == 0 {
        return x.clone();
    }
    let cut = (-shift).rem_euclid(n);
    let right = lax::slice_along(x, cut, n, 1, axis);
    let left = lax::slice_along(x, 0, cut, 1, axis);
    lax::concatenate(&[right, left], axis)
}

options! {
    /// Options of [`rot90_with`].
    pub struct Rot90Options {
        /// How many right angles.
        k: value i64 = 1,
        /// The plane: from the first of two axes towards the second.
        axes: into Axes = (0, 1),
    }
}

/// The plane of the first two axes turned by a right angle, from the first axis towards the second.
///
/// # Errors
/// An array of fewer than two axes.
#[track_caller]
pub fn rot90(x: impl Into<Array>) -> Array {
    rot90_with(x, Rot90Options::new())
}

/// [`rot90`] by options.
///
/// # Errors
/// Axes out of range; `rot90: takes two different axes, got [0, 0]`.
#[track_caller]
pub fn rot90_with(x: impl Into<Array>, options: Rot90Options) -> Array {
    let x = x.into();
    let axes = axes_of("rot90", &options.axes, &x);
    let &[a, b] = &axes[..] else { throw!(InvalidArgument, "rot90: takes two different axes, got {axes:?}") };
    let k = options.k.rem_euclid(4);
    jitted("rot90", (k, a, b), [&x], |[x]| match k {
        0 => x.clone(),
        1 => swapaxes(flip(x, b), a, b),
        2 => flip(flip(x, a), b),
        _ => flip(swapaxes(x, a, b), b),
    })
}
