//! Elements written to positions, and positions in arrays of several axes. JAX: `numpy/indexing.py`, `numpy/lax_numpy.py`.

use std::borrow::Borrow;

use crate::arguments::{Dims, OptAxis, options};
use crate::calls::jit_call::{jitted, jitted_list};
use crate::core::array::Array;
use crate::core::config::canonicalize;
use crate::dtype::DType;
use crate::error::{ErrorKind, OrThrow, err, throw};
use crate::lax;
use crate::lax::arguments::{axis_of, sizes_of};
use crate::lax::elementwise::tuple;
use crate::numpy::indexing::Index;
use crate::numpy::joining::FromArrays;
use crate::numpy::nonzero::{SizeOptions, positions};
use crate::numpy::util::{
    broadcast_shapes, broadcast_to_shape, default_int, extreme, result_type_of, strong,
};
use crate::numpy::{
    DiagIndicesOptions, GatherScatterMode, Order, TriIndicesOptions, any, clip, diag_indices_with, divmod,
    greater, less, ravel, remainder, stack, tile, tril_indices_with, triu_indices_with, where_,
};

/// `x` repeated or cut to `n` elements.
#[track_caller]
fn tiled(x: &Array, n: usize) -> Array {
    let repeated = if x.size() < n { tile(x, n.div_ceil(x.size())) } else { x.clone() };
    if repeated.size() > n { repeated.index(..n) } else { repeated }
}

/// The array with the elements of `values` one after the other where `mask` is true, from the beginning again when they run
/// out. NumPy's changes the array.
///
/// # Errors
/// `place: mask must have as many elements as the array`; no values.
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let x = Array::from([1, 2, 3, 4]);
/// let mask = Array::from([true, false, true, true]);
/// assert_eq!(jnp::place(&x, &mask, Array::from([8, 9])).to_vec::<i32>()?, [8, 2, 9, 8]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn place(x: impl Into<Array>, mask: impl Into<Array>, values: impl Into<Array>) -> Array {
    let (x, mask, values) = (x.into(), mask.into(), ravel(values));
    let n = x.size();
    if mask.size() != n {
        throw!(
            Shape,
            "place: mask must have as many elements as the array, got {} for {}",
            mask.aval(),
            x.aval()
        );
    }
    if values.size() == 0 {
        throw!(Shape, "place: there are no values to place");
    }
    if n == 0 {
        return x;
    }
    let sizes = SizeOptions::new().size(n).fill_value(n);
    let at = positions("place", &ravel(mask), &sizes).swap_remove(0);
    let flat = ravel(&x).at(at).mode(GatherScatterMode::FillOrDrop).set(tiled(&values, n));
    lax::reshape(&flat, x.shape())
}

/// What [`put_with`] does with positions out of range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PutMode {
    /// They are left out.
    #[default]
    Drop,
    /// They are moved to the edge, negative ones to the first element.
    Clip,
    /// They go round, as often as need be.
    Wrap,
}

options! {
    /// Options of [`put_with`].
    pub struct PutOptions {
        /// What happens to positions out of range.
        mode: value PutMode = PutMode::Drop,
    }
}

/// The array with the elements of `values` at positions `indices` of the flattened array, from the beginning again when they
/// run out. NumPy's changes the array.
///
/// # Errors
/// Positions that are not integers.
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let x = jnp::zeros([2, 2]);
/// assert_eq!(jnp::put(&x, [0, 3], Array::from([5, 6])).to_vec::<f32>()?, [5.0, 0.0, 0.0, 6.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn put(x: impl Into<Array>, indices: impl Into<Array>, values: impl Into<Array>) -> Array {
    put_with(x, indices, values, PutOptions::new())
}

/// [`put`] by options.
///
/// # Errors
/// As [`put`].
#[track_caller]
pub fn put_with(
    x: impl Into<Array>,
    indices: impl Into<Array>,
    values: impl Into<Array>,
    options: PutOptions,
) -> Array {
    let (x, mut at, values) = (x.into(), ravel(indices), ravel(values));
    if x.size() == 0 || at.size() == 0 || values.size() == 0 {
        return x;
    }
    let values = tiled(&values, at.size());
    let mode = match options.mode {
        PutMode::Drop => GatherScatterMode::FillOrDrop,
        PutMode::Clip => {
            at = clip(at, 0, x.size() - 1);
            GatherScatterMode::PromiseInBounds
        }
        PutMode::Wrap => {
            at = remainder(at, x.size());
            GatherScatterMode::PromiseInBounds
        }
    };
    let at: Vec<Index> = unravelled(&at, x.shape()).into_iter().map(Index::Array).collect();
    x.at(at).mode(mode).set(values)
}

options! {
    /// Options of [`put_along_axis_with`].
    pub struct PutAlongAxisOptions {
        /// What happens to positions out of range.
        mode: value GatherScatterMode = GatherScatterMode::FillOrDrop,
    }
}

/// The array with `values` at positions along an axis, for each place along the other axes: the inverse of
/// [`take_along_axis`](super::take_along_axis). Positions are those in the flattened array for `..`. NumPy's changes the array.
///
/// # Errors
/// Positions of another number of axes, or that are not integers; values that do not broadcast to the positions' shape.
#[track_caller]
pub fn put_along_axis(
    x: impl Into<Array>,
    indices: impl Into<Array>,
    values: impl Into<Array>,
    axis: impl Into<OptAxis>,
) -> Array {
    put_along_axis_with(x, indices, values, axis, PutAlongAxisOptions::new())
}

/// [`put_along_axis`] by options.
///
/// # Errors
/// As [`put_along_axis`].
#[track_caller]
pub fn put_along_axis_with(
    x: impl Into<Array>,
    indices: impl Into<Array>,
    values: impl Into<Array>,
    axis: impl Into<OptAxis>,
    options: PutAlongAxisOptions,
) -> Array {
    const NAME: &str = "put_along_axis";
    let (axis, mode) = (axis.into(), options.mode);
    jitted(NAME, (axis, mode), [&x.into(), &indices.into(), &values.into()], |[x, indices, values]| {
        let (flat, at) = match axis.get() {
            None => (ravel(x), 0),
            Some(axis) => (x.clone(), axis_of(NAME, axis, x)),
        };
        if indices.ndim() != flat.ndim() {
            let (indices, x) = (indices.aval(), flat.aval());
            throw!(Shape, "{NAME}: indices must have as many axes as the array, got {indices} for {x}");
        }
        if broadcast_shapes(&[values.shape(), indices.shape()]).ok().as_deref() != Some(indices.shape()) {
            let (values, indices) = (values.aval(), indices.aval());
            throw!(
                Shape,
                "{NAME}: values must broadcast to the shape of indices, got {values} for {indices}"
            );
        }
        let values = broadcast_to_shape(values, indices.shape());
        let mut parts = open_grid(flat.shape());
        parts[at] = Index::from(indices);
        lax::reshape(&flat.at(parts).mode(mode).set(values), x.shape())
    })
}

/// For each axis the positions along it, in an array that broadcasts with the others.
#[track_caller]
fn open_grid(shape: &[usize]) -> Vec<Index> {
    let along = |axis: usize| {
        let others: Vec<usize> = (0..shape.len()).filter(|d| *d != axis).collect();
        Index::Array(lax::expand_dims(&lax::iota(default_int(), shape[axis]), others))
    };
    (0..shape.len()).map(along).collect()
}

/// The array with `value` on its main diagonal: a number, or elements that are taken one after the other. NumPy's changes the
/// array.
///
/// # Errors
/// `fill_diagonal: takes an array of at least two axes, got f32[3]`; more than two axes that differ in size.
/// ```
/// use raxla::numpy as jnp;
///
/// assert_eq!(jnp::fill_diagonal(jnp::zeros([2, 2]), 7).to_vec::<f32>()?, [7.0, 0.0, 0.0, 7.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn fill_diagonal(x: impl Into<Array>, value: impl Into<Array>) -> Array {
    let (x, value) = (x.into(), value.into());
    if x.ndim() < 2 {
        throw!(Shape, "fill_diagonal: takes an array of at least two axes, got {}", x.aval());
    }
    if x.ndim() > 2 && x.shape().iter().any(|n| *n != x.shape()[0]) {
        throw!(Shape, "fill_diagonal: more than two axes must have one size, got {}", x.aval());
    }
    let n = x.shape().iter().copied().min().unwrap_or(0);
    let at: Vec<Array> = diag_indices_with(n, DiagIndicesOptions::new().ndim(x.ndim()));
    let value = if value.ndim() == 0 { value } else { tiled(&ravel(value), n) };
    x.at(at.into_iter().map(Index::Array).collect::<Vec<Index>>()).set(value)
}

/// The positions of the main diagonal of an array of at least two axes of one size: a vector for each axis.
///
/// # Errors
/// `diag_indices_from: takes an array of at least two axes of one size, got f32[2,3]`.
#[track_caller]
pub fn diag_indices_from<R: FromArrays>(x: impl Into<Array>) -> R {
    let x = x.into();
    let shape = x.shape();
    if x.ndim() < 2 || shape.iter().any(|n| *n != shape[0]) {
        throw!(Shape, "diag_indices_from: takes an array of at least two axes of one size, got {}", x.aval());
    }
    diag_indices_with(shape[0], DiagIndicesOptions::new().ndim(x.ndim()))
}

options! {
    /// Options of [`tril_indices_from_with`] and [`triu_indices_from_with`].
    pub struct TriIndicesFromOptions {
        /// The diagonal; those above the main one are positive.
        k: value i64 = 0,
    }
}

#[track_caller]
fn triangle(name: &str, x: &Array, k: i64) -> (usize, TriIndicesOptions) {
    let [n, m] = *x.shape() else { throw!(Shape, "{name}: takes a matrix, got {}", x.aval()) };
    (n, TriIndicesOptions::new().k(k).m(m))
}

/// The rows and columns of the lower triangle of a matrix.
///
/// # Errors
/// `tril_indices_from: takes a matrix, got f32[3]`.
#[track_caller]
pub fn tril_indices_from(x: impl Into<Array>) -> (Array, Array) {
    tril_indices_from_with(x, TriIndicesFromOptions::new())
}

/// [`tril_indices_from`] by options.
///
/// # Errors
/// As [`tril_indices_from`].
#[track_caller]
pub fn tril_indices_from_with(x: impl Into<Array>, options: TriIndicesFromOptions) -> (Array, Array) {
    let (n, options) = triangle("tril_indices_from", &x.into(), options.k);
    tril_indices_with(n, options)
}

/// The rows and columns of the upper triangle of a matrix.
///
/// # Errors
/// `triu_indices_from: takes a matrix, got f32[3]`.
#[track_caller]
pub fn triu_indices_from(x: impl Into<Array>) -> (Array, Array) {
    triu_indices_from_with(x, TriIndicesFromOptions::new())
}

/// [`triu_indices_from`] by options.
///
/// # Errors
/// As [`triu_indices_from`].
#[track_caller]
pub fn triu_indices_from_with(x: impl Into<Array>, options: TriIndicesFromOptions) -> (Array, Array) {
    let (n, options) = triangle("triu_indices_from", &x.into(), options.k);
    triu_indices_with(n, options)
}

/// Vectors as the index of the grid that they span: the i-th of `n` has size one along all but the i-th of `n` axes.
///
/// # Errors
/// `ix_: takes vectors, got f32[2,2]`; truth values.
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let x = jnp::arange(12).reshape((3, 4));
/// let [rows, columns] = jnp::ix_([Array::from([0, 2]), Array::from([1, 3])]);
/// assert_eq!(x.index((rows, columns)).to_vec::<i32>()?, [1, 3, 9, 11]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn ix_<T: Borrow<Array>, R: FromArrays>(arrays: impl AsRef<[T]>) -> R {
    let arrays: Vec<&Array> = arrays.as_ref().iter().map(Borrow::borrow).collect();
    let rank = arrays.len();
    let mut out = Vec::with_capacity(rank);
    for (i, x) in arrays.iter().enumerate() {
        if x.ndim() != 1 {
            throw!(Shape, "ix_: takes vectors, got {}", x.aval());
        }
        if x.dtype().is_bool() {
            throw!(DType, "ix_: takes positions, got {}: use nonzero", x.aval());
        }
        let mut shape = vec![1; rank];
        shape[i] = x.size();
        out.push(match x.size() {
            0 => lax::zeros(default_int(), &shape),
            _ => lax::broadcast_in_dim(x, shape, [i]),
        });
    }
    R::from_arrays("ix_", out)
}

/// What happens to positions out of range in [`choose_with`] and [`ravel_multi_index_with`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum IndexMode {
    /// They are an error, so that all positions must be known.
    #[default]
    Raise,
    /// They go round, as often as need be.
    Wrap,
    /// They are moved to the edge, negative ones to the first.
    Clip,
    /// They are taken as they are. Not for [`choose_with`].
    Ignore,
}

options! {
    /// Options of [`choose_with`].
    pub struct ChooseOptions {
        /// What happens to numbers that are none of a choice.
        mode: value IndexMode = IndexMode::Raise,
    }
}

/// Is one of the positions out of range?
#[track_caller]
fn outside(name: &str, at: &Array, n: usize) -> bool {
    let outside = any(lax::bitwise_or(&less(at, 0), &greater(at, n as i64 - 1)), ..);
    let known = outside.truth().map_err(|e| match e.kind() {
        ErrorKind::TracerBoolConversion | ErrorKind::Concretization => err!(
            Concretization,
            "{name}: positions that are not known while a function is traced cannot be checked: pass the mode `Wrap` or `Clip`"
        ),
        _ => e,
    });
    known.or_throw()
}

/// The elements of the arrays `choices` that the integers `x` number: all broadcast together.
///
/// # Errors
/// Numbers that are not integers, or of no choice; traced ones, unless [`choose_with`] is told another mode.
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let (a, b) = (Array::from([1, 2, 3]), Array::from([10, 20, 30]));
/// assert_eq!(jnp::choose(Array::from([1, 0, 1]), [a, b]).to_vec::<i32>()?, [10, 2, 30]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn choose<T: Borrow<Array>>(x: impl Into<Array>, choices: impl AsRef<[T]>) -> Array {
    choose_with(x, choices, ChooseOptions::new())
}

/// [`choose`] by options.
///
/// # Errors
/// As [`choose`]; the mode `Ignore`.
#[track_caller]
pub fn choose_with<T: Borrow<Array>>(
    x: impl Into<Array>,
    choices: impl AsRef<[T]>,
    options: ChooseOptions,
) -> Array {
    let (x, choices) = (x.into(), choices.as_ref());
    if !x.dtype().is_integer() {
        throw!(DType, "choose: takes integers, got {}", x.aval());
    }
    let n = choices.len();
    if n == 0 {
        throw!(InvalidArgument, "choose: there is nothing to choose from");
    }
    let x = match options.mode {
        IndexMode::Raise if outside("choose", &x, n) => {
            throw!(InvalidArgument, "choose: a number is of none of the {n} choices")
        }
        IndexMode::Raise => x,
        IndexMode::Wrap => remainder(x, n),
        IndexMode::Clip => clip(x, 0, n - 1),
        IndexMode::Ignore => throw!(InvalidArgument, "choose: there is no mode Ignore"),
    };
    let shapes: Vec<&[usize]> =
        [x.shape()].into_iter().chain(choices.iter().map(|c| c.borrow().shape())).collect();
    let shape = broadcast_shapes(&shapes).map_err(|e| e.context("choose")).or_throw();
    let mut rows = Vec::with_capacity(n);
    for choice in choices {
        rows.push(broadcast_to_shape(choice.borrow(), &shape));
    }
    let mut at = vec![Index::Array(broadcast_to_shape(&x, &shape))];
    at.extend(open_grid(&shape));
    stack(rows, 0).index(at)
}

options! {
    /// Options of [`ravel_multi_index_with`].
    pub struct RavelMultiIndexOptions {
        /// What happens to positions out of range.
        mode: value IndexMode = IndexMode::Raise,
        /// Does the last axis vary fastest, or the first?
        order: value Order = Order::C,
        /// The dtype of the result, if not that of the positions.
        dtype: optional DType,
    }
}

/// Positions in the flattened array of positions along each axis of an array of the shape `dims`.
///
/// # Errors
/// Another number of arrays than of axes; positions that are not integers, or out of range; traced ones, unless
/// [`ravel_multi_index_with`] is told another mode; more elements than the dtype counts.
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let flat = jnp::ravel_multi_index([Array::from([0, 1]), Array::from([2, 1])], (2, 3));
/// assert_eq!(flat.to_vec::<i32>()?, [2, 4]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn ravel_multi_index<T: Borrow<Array>>(multi_index: impl AsRef<[T]>, dims: impl Into<Dims>) -> Array {
    ravel_multi_index_with(multi_index, dims, RavelMultiIndexOptions::new())
}

/// [`ravel_multi_index`] by options.
///
/// # Errors
/// As [`ravel_multi_index`]; a dtype that is not of integers.
#[track_caller]
pub fn ravel_multi_index_with<T: Borrow<Array>>(
    multi_index: impl AsRef<[T]>,
    dims: impl Into<Dims>,
    options: RavelMultiIndexOptions,
) -> Array {
    const NAME: &str = "ravel_multi_index";
    let arrays: Vec<&Array> = multi_index.as_ref().iter().map(Borrow::borrow).collect();
    ravelled(NAME, &arrays, &sizes_of(NAME, &dims.into()), &options)
}

#[track_caller]
pub(super) fn ravelled(name: &str, at: &[&Array], dims: &[usize], options: &RavelMultiIndexOptions) -> Array {
    if at.len() != dims.len() {
        throw!(Shape, "{name}: {} arrays of positions for a shape of {} axes", at.len(), dims.len());
    }
    if let Some(x) = at.iter().find(|x| !x.dtype().is_integer()) {
        throw!(DType, "{name}: positions must be integers, got {}", x.aval());
    }
    let weak = Array::from(0);
    let all: Vec<&Array> = [&weak].into_iter().chain(at.iter().copied()).collect();
    let dtype = options.dtype.map_or_else(|| result_type_of(name, &all).0, canonicalize);
    if !dtype.is_integer() {
        throw!(DType, "{name}: the dtype must be one of integers, got {dtype}");
    }
    let last = dims.iter().fold(1i128, |n, d| n.saturating_mul(*d as i128)) - 1;
    if last > extreme(dtype, true).to_i128() {
        throw!(InvalidArgument, "{name}: {dtype} does not count the elements of the shape {}", tuple(dims));
    }
    let mut stride = 1i64;
    let mut strides = vec![1; dims.len()];
    let order: Vec<usize> =
        if options.order == Order::F { (0..dims.len()).collect() } else { (0..dims.len()).rev().collect() };
    for axis in order {
        strides[axis] = stride;
        stride *= dims[axis] as i64;
    }
    let mut out = lax::literal(dtype, 0.0);
    for (axis, x) in at.iter().enumerate() {
        let n = dims[axis];
        let x = match options.mode {
            IndexMode::Raise if outside(name, x, n) => {
                throw!(
                    InvalidArgument,
                    "{name}: a position along axis {axis} is out of range of its {n} elements"
                )
            }
            IndexMode::Raise | IndexMode::Ignore => (*x).clone(),
            IndexMode::Clip => clip(*x, 0, n as i64 - 1),
            IndexMode::Wrap => remainder(*x, n),
        };
        out += strong(&x, dtype) * strides[axis];
    }
    out
}

/// Positions along each axis of an array of this shape, of positions in the flattened array: an array for each axis. Those out
/// of range are moved to the edge; negative ones count from the end.
///
/// # Errors
/// Positions that are not integers.
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let [rows, columns] = jnp::unravel_index(Array::from([2, 4]), (2, 3));
/// assert_eq!((rows.to_vec::<i32>()?, columns.to_vec::<i32>()?), (vec![0, 1], vec![2, 1]));
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn unravel_index<R: FromArrays>(indices: impl Into<Array>, shape: impl Into<Dims>) -> R {
    let (at, shape) = (indices.into(), sizes_of("unravel_index", &shape.into()));
    if !at.dtype().is_integer() {
        throw!(DType, "unravel_index: positions must be integers, got {}", at.aval());
    }
    R::from_arrays("unravel_index", unravelled(&at, &shape))
}

#[track_caller]
fn unravelled(at: &Array, shape: &[usize]) -> Vec<Array> {
    let mut rest = at.clone();
    let mut out = Vec::with_capacity(shape.len());
    for n in shape.iter().rev() {
        let (quotient, position) = divmod(rest, *n);
        rest = quotient;
        out.push((*n, position));
    }
    let above = greater(&rest, 0);
    // What counts from the end leaves -1.
    let below = if rest.dtype().is_unsigned() { Array::from(false) } else { less(&rest, -1) };
    let inside = |(n, position): &(usize, Array)| where_(&above, *n as i64 - 1, where_(&below, 0, position));
    out.iter().rev().map(inside).collect()
}

/// The elements in row-major order, repeated or cut to fill another shape. An empty array gives zeros.
///
/// # Errors
/// A negative size.
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// assert_eq!(jnp::resize(Array::from([1, 2, 3]), (2, 2)).to_vec::<i32>()?, [1, 2, 3, 1]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn resize(x: impl Into<Array>, new_shape: impl Into<Dims>) -> Array {
    let shape = sizes_of("resize", &new_shape.into());
    jitted_list("resize", shape.clone(), &[&x.into()], |x| {
        let (flat, n) = (ravel(&x[0]), shape.iter().product::<usize>());
        if flat.size() == 0 || n == 0 {
            return lax::full(&shape, lax::literal_like(&flat, 0.0));
        }
        lax::reshape(&tile(&flat, n.div_ceil(flat.size())).index(..n), &shape)
    })
}
