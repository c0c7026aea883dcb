//! Several arrays made one, and one made several. JAX: `numpy/lax_numpy.py`.

use std::borrow::Borrow;
use std::iter::Sum;

use crate::arguments::{Axis, Integer, OptAxis, options};
use crate::calls::jit_call::jitted;
use crate::core::array::Array;
use crate::core::config::canonicalize;
use crate::dtype::DType;
use crate::error::{OrThrow, throw};
use crate::lax;
use crate::lax::arguments::axis_of;
use crate::lax::elementwise::tuple;
use crate::numpy::util::{broadcast_to_shape, result_type_of};
use crate::numpy::{atleast_1d, atleast_2d, atleast_3d, ravel};

options! {
    /// Options of [`concatenate_with`], [`stack_with`], [`vstack_with`], [`hstack_with`] and [`dstack_with`].
    pub struct JoinOptions {
        /// The dtype of the result, if not the common one of the arrays.
        dtype: optional DType,
    }
}

/// All arrays in their common dtype, or in the one that is asked for.
#[track_caller]
fn promoted(name: &str, arrays: &[&Array], options: &JoinOptions) -> Vec<Array> {
    let (dtype, weak_type) = match options.dtype {
        Some(dtype) => (canonicalize(dtype), false),
        None => result_type_of(name, arrays),
    };
    let mut out = Vec::with_capacity(arrays.len());
    for x in arrays {
        out.push(lax::convert(x, dtype, weak_type));
    }
    out
}

fn borrowed<T: Borrow<Array>>(arrays: &[T]) -> Vec<&Array> {
    arrays.iter().map(Borrow::borrow).collect()
}

#[track_caller]
fn join(name: &str, arrays: &[&Array], axis: Axis, options: &JoinOptions) -> Array {
    let Some(first) = arrays.first() else { throw!(Shape, "{name}: need at least one array") };
    let rank = first.ndim();
    if let Some(x) = arrays.iter().find(|x| x.ndim() == 0) {
        throw!(Shape, "{name}: zero-dimensional arrays cannot be concatenated, got {}", x.aval());
    }
    let axis = axis.position(name, rank).or_throw();
    let fits =
        |x: &Array| x.ndim() == rank && (0..rank).all(|d| d == axis || x.shape()[d] == first.shape()[d]);
    if let Some(other) = arrays.iter().find(|x| !fits(x)) {
        throw!(
            Shape,
            "{name}: arrays must have the same shape but for axis {axis}, got {} and {}",
            first.aval(),
            other.aval()
        );
    }
    lax::concatenate(promoted(name, arrays, options), axis)
}

#[track_caller]
fn pile(name: &str, arrays: &[&Array], axis: Axis, options: &JoinOptions) -> Array {
    let Some(first) = arrays.first() else { throw!(Shape, "{name}: need at least one array") };
    if let Some(other) = arrays.iter().find(|x| x.shape() != first.shape()) {
        let (first, other) = (tuple(first.shape()), tuple(other.shape()));
        throw!(Shape, "{name}: all input arrays must have the same shape, got {first}, {other}");
    }
    let axis = axis.position(name, first.ndim() + 1).or_throw();
    let mut rows = promoted(name, arrays, options);
    for x in &mut rows {
        *x = lax::expand_dims(x, [axis]);
    }
    lax::concatenate(&rows, axis)
}

/// Joins arrays along an axis, in their common dtype.
///
/// # Errors
/// `concatenate: need at least one array`; an axis out of range; other sizes that differ.
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let x = Array::from([1.0f32, 2.0]);
/// assert_eq!(jnp::concatenate([&x, &x], 0).shape(), [4]);
/// ```
#[track_caller]
pub fn concatenate<T: Borrow<Array>>(arrays: impl AsRef<[T]>, axis: impl Into<Axis>) -> Array {
    join("concatenate", &borrowed(arrays.as_ref()), axis.into(), &JoinOptions::new())
}

/// [`concatenate`] by options.
///
/// # Errors
/// As [`concatenate`].
#[track_caller]
pub fn concatenate_with<T: Borrow<Array>>(
    arrays: impl AsRef<[T]>,
    axis: impl Into<Axis>,
    options: JoinOptions,
) -> Array {
    join("concatenate", &borrowed(arrays.as_ref()), axis.into(), &options)
}

/// [`concatenate`].
#[track_caller]
pub fn concat<T: Borrow<Array>>(arrays: impl AsRef<[T]>, axis: impl Into<Axis>) -> Array {
    join("concat", &borrowed(arrays.as_ref()), axis.into(), &JoinOptions::new())
}

/// Joins arrays of one shape along a new axis, in their common dtype.
///
/// # Errors
/// `stack: need at least one array`; shapes that differ; an axis out of range.
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let x = Array::from([1.0f32, 2.0]);
/// assert_eq!(jnp::stack([&x, &x, &x], 0).shape(), [3, 2]);
/// ```
#[track_caller]
pub fn stack<T: Borrow<Array>>(arrays: impl AsRef<[T]>, axis: impl Into<Axis>) -> Array {
    pile("stack", &borrowed(arrays.as_ref()), axis.into(), &JoinOptions::new())
}

/// [`stack`] by options.
///
/// # Errors
/// As [`stack`].
#[track_caller]
pub fn stack_with<T: Borrow<Array>>(
    arrays: impl AsRef<[T]>,
    axis: impl Into<Axis>,
    options: JoinOptions,
) -> Array {
    pile("stack", &borrowed(arrays.as_ref()), axis.into(), &options)
}

/// Arrays of at least `rank` axes, joined along an axis.
#[track_caller]
fn join_of_rank(name: &str, arrays: &[&Array], rank: usize, options: &JoinOptions) -> Array {
    let mut raised = Vec::with_capacity(arrays.len());
    for x in arrays {
        raised.push(match rank {
            1 => atleast_1d(*x),
            2 => atleast_2d(*x),
            _ => atleast_3d(*x),
        });
    }
    let axis = match rank {
        1 => usize::from(raised.first().is_some_and(|x| x.ndim() != 1)),
        2 => 0,
        _ => 2,
    };
    join(name, &borrowed(&raised), axis.into(), options)
}

macro_rules! stacks {
    ($($(#[$doc:meta])* $name:ident $with:ident $rank:literal;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        /// Those of [`concatenate`].
        #[track_caller]
        pub fn $name<T: Borrow<Array>>(arrays: impl AsRef<[T]>) -> Array {
            join_of_rank(stringify!($name), &borrowed(arrays.as_ref()), $rank, &JoinOptions::new())
        }

        #[doc = concat!("[`", stringify!($name), "`] by options.")]
        ///
        /// # Errors
        /// Those of [`concatenate`].
        #[track_caller]
        pub fn $with<T: Borrow<Array>>(arrays: impl AsRef<[T]>, options: JoinOptions) -> Array {
            join_of_rank(stringify!($name), &borrowed(arrays.as_ref()), $rank, &options)
        }
    )*};
}
stacks! {
    /// Arrays one above the other: along the first axis, vectors as rows.
    vstack vstack_with 2;
    /// Arrays side by side: along the second axis, vectors along the first.
    hstack hstack_with 1;
    /// Arrays one behind the other: along the third axis.
    dstack dstack_with 3;
}

/// Vectors as the columns of a matrix; matrices side by side.
///
/// # Errors
/// Those of [`concatenate`].
#[track_caller]
pub fn column_stack<T: Borrow<Array>>(arrays: impl AsRef<[T]>) -> Array {
    let mut columns = Vec::new();
    for x in borrowed(arrays.as_ref()) {
        columns.push(if x.ndim() < 2 { lax::transpose(&atleast_2d(x), [1, 0]) } else { x.clone() });
    }
    join("column_stack", &borrowed(&columns), 1.into(), &JoinOptions::new())
}

/// `x` with the elements of `values` behind it; both flattened for `..`.
///
/// # Errors
/// Those of [`concatenate`].
#[track_caller]
pub fn append(x: impl Into<Array>, values: impl Into<Array>, axis: impl Into<OptAxis>) -> Array {
    let axis = axis.into();
    jitted("append", axis, [&x.into(), &values.into()], |[x, values]| match axis.get() {
        None => join("append", &[&ravel(x), &ravel(values)], 0.into(), &JoinOptions::new()),
        Some(axis) => join("append", &[x, values], axis, &JoinOptions::new()),
    })
}

/// Several arrays as a function gives them: an array of as many, to take them apart at once, or a `Vec`.
///
/// ```
/// use raxla::numpy as jnp;
/// use raxla::Array;
///
/// let x = jnp::arange(6);
/// let [q, k, v] = jnp::split(&x, 3, 0);
/// assert_eq!(jnp::concatenate([v, k, q], 0).to_vec::<i32>()?, [4, 5, 2, 3, 0, 1]);
/// let parts: Vec<Array> = jnp::split(&x, 2, 0);
/// assert_eq!(parts.len(), 2);
/// # Ok::<(), raxla::Error>(())
/// ```
pub trait FromArrays: sealed::Sealed {
    /// From as many arrays as there are.
    #[doc(hidden)]
    #[track_caller]
    fn from_arrays(name: &str, arrays: Vec<Array>) -> Self;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for Vec<super::Array> {}
    impl<const N: usize> Sealed for [super::Array; N] {}
}

impl FromArrays for Vec<Array> {
    fn from_arrays(_: &str, arrays: Vec<Array>) -> Self {
        arrays
    }
}

impl<const N: usize> FromArrays for [Array; N] {
    #[track_caller]
    fn from_arrays(name: &str, arrays: Vec<Array>) -> Self {
        match arrays.try_into() {
            Ok(arrays) => arrays,
            Err(arrays) => {
                throw!(InvalidArgument, "{name}: gives {} arrays, where {N} are taken", arrays.len())
            }
        }
    }
}

/// Where an axis is split: into equal parts, or before given positions.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sections {
    /// This many equal parts.
    Equal(usize),
    /// Before each of these positions; negative ones count from the end.
    At(Vec<i64>),
}

impl<I: Integer> From<I> for Sections {
    fn from(n: I) -> Self {
        Sections::Equal(n.to_i64().max(0) as usize)
    }
}
impl<I: Integer> From<&[I]> for Sections {
    fn from(at: &[I]) -> Self {
        Sections::At(at.iter().map(|i| i.to_i64()).collect())
    }
}
impl<I: Integer> From<Vec<I>> for Sections {
    fn from(at: Vec<I>) -> Self {
        Self::from(&at[..])
    }
}
impl<I: Integer, const N: usize> From<[I; N]> for Sections {
    fn from(at: [I; N]) -> Self {
        Self::from(&at[..])
    }
}

/// Splits an axis into equal parts, or before given positions: `split(&x, 2, 0)`, `split(&x, [1, 4], 0)`.
///
/// # Errors
/// `split: axis 0 of size 7 is not divisible into 2 equal parts: the rest is 1`; positions that decrease; an axis out of range; another
/// number of results than of parts.
/// ```
/// use raxla::numpy as jnp;
///
/// let [head, tail] = jnp::split(jnp::arange(5), [1], 0);
/// assert_eq!((head.size(), tail.size()), (1, 4));
/// ```
#[track_caller]
pub fn split<R: FromArrays>(x: impl Into<Array>, sections: impl Into<Sections>, axis: impl Into<Axis>) -> R {
    R::from_arrays("split", split_at("split", &x.into(), &sections.into(), axis.into()))
}

/// [`split`], where the first parts are one longer if the axis is not divisible.
///
/// # Errors
/// An axis out of range; another number of results than of parts.
#[track_caller]
pub fn array_split<R: FromArrays>(
    x: impl Into<Array>,
    sections: impl Into<Sections>,
    axis: impl Into<Axis>,
) -> R {
    R::from_arrays("array_split", split_at("array_split", &x.into(), &sections.into(), axis.into()))
}

#[track_caller]
fn split_at(name: &str, x: &Array, sections: &Sections, axis: Axis) -> Vec<Array> {
    let axis = axis_of(name, axis, x);
    let n = x.shape()[axis];
    let bounds: Vec<usize> = match sections {
        Sections::Equal(0) => throw!(InvalidArgument, "{name}: number of sections must be larger than 0"),
        Sections::Equal(k) if name != "array_split" && !n.is_multiple_of(*k) => {
            let rest = n % k;
            throw!(
                Shape,
                "{name}: axis {axis} of size {n} is not divisible into {k} equal parts: the rest is {rest}"
            )
        }
        Sections::Equal(k) => (0..=*k).map(|i| i * (n / k) + i.min(n % k)).collect(),
        Sections::At(at) => {
            let inside = |i: &i64| usize::try_from(*i).ok().filter(|i| *i <= n);
            let Some(at) = at.iter().map(inside).collect::<Option<Vec<usize>>>() else {
                throw!(Shape, "{name}: the positions {at:?} are not all within axis {axis} of {}", x.aval())
            };
            std::iter::once(0).chain(at).chain([n]).collect()
        }
    };
    let mut sizes = Vec::with_capacity(bounds.len());
    for w in bounds.windows(2) {
        let Some(size) = w[1].checked_sub(w[0]) else {
            throw!(
                Shape,
                "{name}: the positions decrease, from {} to {}, on axis {axis} of {}",
                w[0],
                w[1],
                x.aval()
            )
        };
        sizes.push(size);
    }
    lax::split(x, sizes, axis)
}

/// [`split`] along the first axis.
///
/// # Errors
/// Those of [`split`].
#[track_caller]
pub fn vsplit<R: FromArrays>(x: impl Into<Array>, sections: impl Into<Sections>) -> R {
    R::from_arrays("vsplit", split_at("vsplit", &x.into(), &sections.into(), 0.into()))
}

/// [`split`] along the third axis.
///
/// # Errors
/// Those of [`split`].
#[track_caller]
pub fn dsplit<R: FromArrays>(x: impl Into<Array>, sections: impl Into<Sections>) -> R {
    R::from_arrays("dsplit", split_at("dsplit", &x.into(), &sections.into(), 2.into()))
}

/// [`split`] along the second axis; of a vector along the first.
///
/// # Errors
/// Those of [`split`].
#[track_caller]
pub fn hsplit<R: FromArrays>(x: impl Into<Array>, sections: impl Into<Sections>) -> R {
    let x = x.into();
    let axis = usize::from(x.ndim() != 1);
    R::from_arrays("hsplit", split_at("hsplit", &x, &sections.into(), axis.into()))
}

/// The arrays along an axis, without it.
///
/// # Errors
/// An axis out of range; another number of results than the axis has.
#[track_caller]
pub fn unstack<R: FromArrays>(x: impl Into<Array>, axis: impl Into<Axis>) -> R {
    R::from_arrays("unstack", slices("unstack", &x.into(), axis.into()))
}

#[track_caller]
fn slices(name: &str, x: &Array, axis: Axis) -> Vec<Array> {
    let axis = axis_of(name, axis, x);
    lax::unstack(x, axis as i64)
}

/// All arrays copied to their common shape.
///
/// # Errors
/// `broadcast_arrays: incompatible shapes for broadcasting: (3,), (4,): 3 and 4 at axis -1 are neither equal nor 1`; another number of results than of arrays.
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let (x, y) = (Array::from([[1], [2]]), Array::from([1, 2, 3]));
/// let [x, y] = jnp::broadcast_arrays([&x, &y]);
/// assert_eq!((x.shape(), y.shape()), (&[2, 3][..], &[2, 3][..]));
/// ```
#[track_caller]
pub fn broadcast_arrays<T: Borrow<Array>, R: FromArrays>(arrays: impl AsRef<[T]>) -> R {
    R::from_arrays("broadcast_arrays", spread_all(&borrowed(arrays.as_ref())))
}

#[track_caller]
fn spread_all(arrays: &[&Array]) -> Vec<Array> {
    let shapes: Vec<&[usize]> = arrays.iter().map(|x| x.shape()).collect();
    let shape = match lax::common_shape(&shapes) {
        Ok(shape) => shape,
        Err(e) => Err(e.context("broadcast_arrays")).or_throw(),
    };
    let mut out = Vec::with_capacity(arrays.len());
    for x in arrays {
        out.push(broadcast_to_shape(x, &shape));
    }
    out
}

/// The slices along the first axis: `for row in &matrix { … }`.
///
/// # Panics
/// If the array has no axis; inside of a transformation that is an error.
impl IntoIterator for &Array {
    type Item = Array;
    type IntoIter = std::vec::IntoIter<Array>;
    #[track_caller]
    fn into_iter(self) -> Self::IntoIter {
        if self.ndim() == 0 {
            throw!(Shape, "iteration over a 0-d array: it has no axis to iterate over");
        }
        slices("unstack", self, 0.into()).into_iter()
    }
}

/// The slices along the first axis.
///
/// # Panics
/// If the array has no axis; inside of a transformation that is an error.
impl IntoIterator for Array {
    type Item = Array;
    type IntoIter = std::vec::IntoIter<Array>;
    #[track_caller]
    fn into_iter(self) -> Self::IntoIter {
        (&self).into_iter()
    }
}

/// The elementwise sum of several arrays; a weakly typed 0 of none.
///
/// ```
/// use raxla::Array;
///
/// let losses = [Array::from(1.0), Array::from(2.5)];
/// assert_eq!(losses.iter().sum::<Array>().item::<f32>()?, 3.5);
/// # Ok::<(), raxla::Error>(())
/// ```
impl Sum for Array {
    #[track_caller]
    fn sum<I: Iterator<Item = Array>>(mut arrays: I) -> Array {
        let Some(mut total) = arrays.next() else { return Array::from(0) };
        for x in arrays {
            total = crate::numpy::add(total, x);
        }
        total
    }
}

impl<'a> Sum<&'a Array> for Array {
    #[track_caller]
    fn sum<I: Iterator<Item = &'a Array>>(mut arrays: I) -> Array {
        let Some(mut total) = arrays.next().cloned() else { return Array::from(0) };
        for x in arrays {
            total = crate::numpy::add(total, x);
        }
        total
    }
}
