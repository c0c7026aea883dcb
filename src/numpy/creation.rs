//! Arrays of one value, and of Rust values. JAX: `numpy/array_creation.py`, `numpy/array_constructors.py`.

use std::borrow::Borrow;

use crate::arguments::{Dims, ShapeDtype, options};
use crate::core::array::Array;
use crate::core::config::canonicalize;
use crate::core::scalar::Scalar;
use crate::dtype::DType;
use crate::error::{OrThrow, throw};
use crate::lax;
use crate::numpy::joining::FromArrays;
use crate::numpy::util::{broadcast_to_shape, constant, default_float, default_int, strong};

/// Zeros of this shape; `f32` unless a dtype is given.
///
/// # Errors
/// `zeros: shape (2, -1) has a negative size`
/// ```
/// use raxla::{DType, numpy as jnp};
///
/// assert_eq!(jnp::zeros([2, 3]).dtype(), DType::F32);
/// assert_eq!(jnp::zeros((2, DType::I32)).to_vec::<i32>()?, [0, 0]);
/// assert_eq!(jnp::zeros(()).ndim(), 0);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn zeros(shape: impl Into<ShapeDtype>) -> Array {
    filled("zeros", &shape.into(), 0.0)
}

/// Ones of this shape; `f32` unless a dtype is given.
///
/// # Errors
/// Those of [`zeros`].
#[track_caller]
pub fn ones(shape: impl Into<ShapeDtype>) -> Array {
    filled("ones", &shape.into(), 1.0)
}

/// Uninitialised in NumPy, zeros here.
///
/// # Errors
/// Those of [`zeros`].
#[track_caller]
pub fn empty(shape: impl Into<ShapeDtype>) -> Array {
    filled("empty", &shape.into(), 0.0)
}

#[track_caller]
fn filled(name: &str, shape: &ShapeDtype, value: f64) -> Array {
    let (shape, dtype) = shape.resolve(name, default_float()).or_throw();
    lax::full(&shape, lax::literal(canonicalize(dtype), value))
}

/// An array of this shape whose elements are all `fill_value`; of its dtype and weak type unless a dtype is given.
///
/// # Errors
/// A `fill_value` whose shape does not broadcast to `shape`.
/// ```
/// use raxla::{DType, numpy as jnp};
///
/// assert_eq!(jnp::full(2, 7).to_vec::<i32>()?, [7, 7]);
/// assert_eq!(jnp::full(([2, 2], DType::BF16), 7).dtype(), DType::BF16);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn full(shape: impl Into<ShapeDtype>, fill_value: impl Into<Array>) -> Array {
    let (shape, value) = (shape.into(), fill_value.into());
    let (sizes, _) = shape.resolve("full", value.dtype()).or_throw();
    let value = match shape.dtype() {
        Some(dtype) => strong(&value, canonicalize(dtype)),
        None => value,
    };
    spread("full", &value, &sizes)
}

options! {
    /// Options of [`zeros_like_with`], [`ones_like_with`], [`full_like_with`], [`empty_like_with`].
    pub struct LikeOptions {
        /// Another dtype than the array's.
        dtype: optional DType,
        /// Another shape than the array's.
        shape: optional_into Dims,
    }
}

/// Zeros of `x`'s shape and dtype.
#[track_caller]
pub fn zeros_like(x: impl Into<Array>) -> Array {
    filled_like("zeros_like", &x.into(), &Array::from(0), &LikeOptions::new())
}

/// [`zeros_like`] by options.
///
/// # Errors
/// A negative size.
#[track_caller]
pub fn zeros_like_with(x: impl Into<Array>, options: LikeOptions) -> Array {
    filled_like("zeros_like", &x.into(), &Array::from(0), &options)
}

/// Ones of `x`'s shape and dtype.
#[track_caller]
pub fn ones_like(x: impl Into<Array>) -> Array {
    filled_like("ones_like", &x.into(), &Array::from(1), &LikeOptions::new())
}

/// [`ones_like`] by options.
///
/// # Errors
/// A negative size.
#[track_caller]
pub fn ones_like_with(x: impl Into<Array>, options: LikeOptions) -> Array {
    filled_like("ones_like", &x.into(), &Array::from(1), &options)
}

/// An array of `x`'s shape and dtype whose elements are all `fill_value`.
///
/// # Errors
/// A `fill_value` whose shape does not broadcast to that of `x`.
#[track_caller]
pub fn full_like(x: impl Into<Array>, fill_value: impl Into<Array>) -> Array {
    filled_like("full_like", &x.into(), &fill_value.into(), &LikeOptions::new())
}

/// [`full_like`] by options.
///
/// # Errors
/// As [`full_like`]; a negative size.
#[track_caller]
pub fn full_like_with(x: impl Into<Array>, fill_value: impl Into<Array>, options: LikeOptions) -> Array {
    filled_like("full_like", &x.into(), &fill_value.into(), &options)
}

/// Uninitialised in NumPy, zeros of `x`'s shape and dtype here.
#[track_caller]
pub fn empty_like(prototype: impl Into<Array>) -> Array {
    filled_like("empty_like", &prototype.into(), &Array::from(0), &LikeOptions::new())
}

/// [`empty_like`] by options.
///
/// # Errors
/// A negative size.
#[track_caller]
pub fn empty_like_with(prototype: impl Into<Array>, options: LikeOptions) -> Array {
    filled_like("empty_like", &prototype.into(), &Array::from(0), &options)
}

#[track_caller]
fn filled_like(name: &str, x: &Array, value: &Array, options: &LikeOptions) -> Array {
    let weak_type = options.dtype.is_none() && x.weak_type();
    let value = lax::convert(value, canonicalize(options.dtype.unwrap_or(x.dtype())), weak_type);
    match &options.shape {
        Some(shape) => spread(name, &value, &shape.shape(name).or_throw()),
        None => spread(name, &value, x.shape()),
    }
}

/// `x` copied along new leading axes and axes of size one.
///
/// # Errors
/// `broadcast_to: incompatible shapes for broadcasting: f32[2,3] and requested shape (3, 3)`
#[track_caller]
pub fn broadcast_to(x: impl Into<Array>, shape: impl Into<Dims>) -> Array {
    let shape = shape.into().shape("broadcast_to").or_throw();
    spread("broadcast_to", &x.into(), &shape)
}

/// [`broadcast_to`] of the function `name`.
#[track_caller]
pub(super) fn spread(name: &str, x: &Array, shape: &[usize]) -> Array {
    let fits = x.ndim() <= shape.len()
        && x.shape().iter().rev().zip(shape.iter().rev()).all(|(n, m)| n == m || *n == 1);
    if !fits {
        let (tuple, aval) = (lax::elementwise::tuple(shape), x.aval());
        throw!(Shape, "{name}: incompatible shapes for broadcasting: {aval} and requested shape {tuple}");
    }
    broadcast_to_shape(x, shape)
}

/// How [`meshgrid_with`] arranges the first two axes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Indexing {
    /// Swapped, as for images: the first vector varies along the second axis.
    #[default]
    Xy,
    /// As for matrices: the first vector varies along the first axis.
    Ij,
}

options! {
    /// Options of [`meshgrid_with`].
    pub struct MeshgridOptions {
        /// The arrangement of the first two axes.
        indexing: value Indexing = Indexing::Xy,
        /// Do the arrays keep size one along the axes that they don't vary along?
        sparse: value bool = false,
    }
}

/// Coordinate arrays from coordinate vectors; the first two axes are swapped, as for images.
///
/// # Errors
/// `meshgrid: arguments must be 1-dimensional, got f32[2,3]`; another number of results than of vectors.
/// ```
/// use raxla::numpy as jnp;
///
/// let [x, y] = jnp::meshgrid([jnp::arange(3), jnp::arange(2)]);
/// assert_eq!((x.shape(), y.shape()), (&[2, 3][..], &[2, 3][..]));
/// ```
#[track_caller]
pub fn meshgrid<T: Borrow<Array>, R: FromArrays>(arrays: impl AsRef<[T]>) -> R {
    let arrays: Vec<&Array> = arrays.as_ref().iter().map(Borrow::borrow).collect();
    R::from_arrays("meshgrid", grid(&arrays, &MeshgridOptions::new()))
}

/// [`meshgrid`] by options.
///
/// # Errors
/// As [`meshgrid`].
#[track_caller]
pub fn meshgrid_with<T: Borrow<Array>, R: FromArrays>(
    arrays: impl AsRef<[T]>,
    options: MeshgridOptions,
) -> R {
    let arrays: Vec<&Array> = arrays.as_ref().iter().map(Borrow::borrow).collect();
    R::from_arrays("meshgrid", grid(&arrays, &options))
}

#[track_caller]
fn grid(arrays: &[&Array], options: &MeshgridOptions) -> Vec<Array> {
    if let Some(x) = arrays.iter().find(|x| x.ndim() != 1) {
        throw!(Shape, "meshgrid: arguments must be 1-dimensional, got {}", x.aval());
    }
    let rank = arrays.len();
    let swap = options.indexing == Indexing::Xy && rank >= 2;
    let place = |i: usize| if swap && i < 2 { 1 - i } else { i };
    let mut shape = vec![0; rank];
    for (i, x) in arrays.iter().enumerate() {
        shape[place(i)] = x.size();
    }
    let mut out = Vec::new();
    for (i, x) in arrays.iter().enumerate() {
        let mut sizes = vec![1; rank];
        sizes[place(i)] = x.size();
        let sizes = if options.sparse { &sizes } else { &shape };
        out.push(lax::broadcast_in_dim(&lax::reshape(x, [x.size()]), sizes, [place(i)]));
    }
    out
}

options! {
    /// Options of [`indices_with`].
    pub struct IndicesOptions {
        /// The dtype of the positions; `i32` if not given.
        dtype: optional DType,
    }
}

/// For each axis, the positions along it: one array of this shape for each axis, stacked.
///
/// # Errors
/// A negative size.
#[track_caller]
pub fn indices(dimensions: impl Into<Dims>) -> Array {
    indices_with(dimensions, IndicesOptions::new())
}

/// [`indices`] by options.
///
/// # Errors
/// As [`indices`].
#[track_caller]
pub fn indices_with(dimensions: impl Into<Dims>, options: IndicesOptions) -> Array {
    let shape = dimensions.into().shape("indices").or_throw();
    let dtype = options.dtype.map_or_else(default_int, canonicalize);
    let mut grids = Vec::new();
    for axis in 0..shape.len() {
        grids.push(lax::broadcasted_iota(dtype, &shape, axis));
    }
    if grids.is_empty() { lax::zeros(dtype, &[0]) } else { lax::stack(&grids, 0) }
}

options! {
    /// Options of [`array_with`] and [`asarray_with`].
    pub struct ArrayOptions {
        /// The dtype to bring the values to.
        dtype: optional DType,
        /// The array gets leading axes until it has as many.
        ndmin: value usize = 0,
    }
}

impl ArrayOptions {
    #[track_caller]
    fn apply(&self, x: Array) -> Array {
        let x = match self.dtype {
            Some(dtype) => strong(&x, canonicalize(dtype)),
            None => x,
        };
        let lead: Vec<usize> = (0..self.ndmin.saturating_sub(x.ndim())).collect();
        if lead.is_empty() { x } else { lax::expand_dims(&x, &lead) }
    }
}

/// Elements of `x` from a Rust value: `array([1.0, 2.0])` is strongly typed, a number too.
#[track_caller]
pub fn array(x: impl Into<Array>) -> Array {
    array_with(x, ArrayOptions::new())
}

/// [`array()`] by options.
///
/// ```
/// use raxla::numpy::{self as jnp, ArrayOptions};
/// use raxla::DType;
///
/// let x = jnp::array_with([1, 2], ArrayOptions::new().dtype(DType::F32).ndmin(2));
/// assert_eq!(x.aval().to_string(), "f32[1,2]");
/// ```
#[track_caller]
pub fn array_with(x: impl Into<Array>, options: ArrayOptions) -> Array {
    let x = x.into();
    options.apply(strong(&x, x.dtype()))
}

/// `x` as an array. A number stays weakly typed.
#[track_caller]
pub fn asarray(x: impl Into<Array>) -> Array {
    x.into()
}

/// [`asarray`] by options.
#[track_caller]
pub fn asarray_with(x: impl Into<Array>, options: ArrayOptions) -> Array {
    options.apply(x.into())
}

/// `x` in another dtype. Complex values lose their imaginary part.
#[track_caller]
pub fn astype(x: impl Into<Array>, dtype: DType) -> Array {
    let x = x.into();
    let x = if x.dtype().is_complex() && dtype.is_bool() { lax::ne(&x, &constant(&x, 0.0)) } else { x };
    lax::convert_element_type(&x, dtype)
}

/// `x` in memory of its own. Nobody sees the difference, since arrays do not change.
#[track_caller]
pub fn copy(x: impl Into<Array>) -> Array {
    lax::copy(&x.into())
}

options! {
    /// Options of [`frombuffer_with`].
    pub struct FrombufferOptions {
        /// What the bytes are: `f64` if not given, as in NumPy, which become `f32` while x64 is off.
        dtype: value DType = DType::F64,
        /// How many elements are read; all that there are if not given.
        count: optional usize,
        /// Where the first one begins.
        offset: value usize = 0,
    }
}

/// A vector of numbers that stand in memory as little-endian bytes, of `f64`.
///
/// # Errors
/// `frombuffer: 7 bytes are no multiple of the 4 of f32`; more elements than there are.
#[track_caller]
pub fn frombuffer(buffer: &[u8]) -> Array {
    frombuffer_with(buffer, FrombufferOptions::new())
}

/// [`frombuffer`] by options.
///
/// # Errors
/// As [`frombuffer`].
/// ```
/// use raxla::numpy::{self as jnp, FrombufferOptions};
/// use raxla::DType;
///
/// let x = jnp::frombuffer_with(&[9, 1, 0, 2, 0], FrombufferOptions::new().dtype(DType::I16).offset(1));
/// assert_eq!(x.to_vec::<i16>()?, [1, 2]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn frombuffer_with(buffer: &[u8], options: FrombufferOptions) -> Array {
    let (dtype, size) = (options.dtype, options.dtype.size());
    let Some(bytes) = buffer.get(options.offset..) else {
        throw!(InvalidArgument, "frombuffer: offset {} is beyond the {} bytes", options.offset, buffer.len());
    };
    if options.count.is_none() && !bytes.len().is_multiple_of(size) {
        throw!(InvalidArgument, "frombuffer: {} bytes are no multiple of the {size} of {dtype}", bytes.len());
    }
    let count = options.count.unwrap_or(bytes.len() / size);
    let Some(bytes) = count.checked_mul(size).and_then(|end| bytes.get(..end)) else {
        throw!(
            InvalidArgument,
            "frombuffer: {count} elements of {dtype} are more than {} bytes",
            bytes.len()
        );
    };
    let narrow = canonicalize(dtype);
    if narrow == dtype {
        return Array::from_bytes(bytes, dtype, count).or_throw();
    }
    // What has 64 bits gets as many as the setting allows.
    let mut out = Vec::with_capacity(bytes.len() / 2);
    for one in bytes.chunks_exact(size) {
        let number = Scalar::from_bytes(dtype, one).convert(narrow);
        out.extend_from_slice(&number.bytes()[..narrow.size()]);
    }
    Array::from_bytes(&out, narrow, count).or_throw()
}
