//! Several arrays made one, and one made several. JAX: `numpy/lax_numpy.py`.

use std::borrow::Borrow;

use crate::core::array::Array;
use crate::error::{OrThrow, err, throw};
use crate::lax;
use crate::lax::elementwise::tuple;
use crate::numpy::axes::Axes;
use crate::numpy::util::{canonical_axis, result_type_of};
use crate::numpy::{atleast_1d, atleast_2d, atleast_3d, ravel};

/// All arrays in their common dtype.
#[track_caller]
fn promoted<T: Borrow<Array>>(arrays: &[T]) -> Vec<Array> {
    let refs: Vec<&Array> = arrays.iter().map(Borrow::borrow).collect();
    let (dtype, weak_type) = result_type_of(&refs);
    refs.iter().map(|x| lax::convert(x, dtype, weak_type)).collect()
}

/// Joins arrays along an axis, in their common dtype.
///
/// # Errors
/// `concatenate: need at least one array`; an axis out of range; other sizes that differ.
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let x = Array::from([1.0f32, 2.0]);
/// assert_eq!(jnp::concatenate(&[&x, &x], 0).shape(), [4]);
/// ```
#[track_caller]
pub fn concatenate<T: Borrow<Array>>(arrays: &[T], axis: i64) -> Array {
    let Some(first) = arrays.first() else {
        return Err(err!(Shape, "concatenate: need at least one array")).or_throw();
    };
    let rank = first.borrow().ndim();
    if rank == 0 {
        return Err(err!(Shape, "concatenate: zero-dimensional arrays cannot be concatenated")).or_throw();
    }
    let axis = canonical_axis("concatenate", axis, rank);
    lax::concatenate(&promoted(arrays), axis)
}

/// [`concatenate`].
#[track_caller]
pub fn concat<T: Borrow<Array>>(arrays: &[T], axis: i64) -> Array {
    concatenate(arrays, axis)
}

/// Joins arrays of one shape along a new axis, in their common dtype.
///
/// # Errors
/// `stack: need at least one array`; shapes that differ; an axis out of range.
#[track_caller]
pub fn stack<T: Borrow<Array>>(arrays: &[T], axis: i64) -> Array {
    let Some(first) = arrays.first() else {
        return Err(err!(Shape, "stack: need at least one array")).or_throw();
    };
    let first = first.borrow();
    if let Some(other) = arrays.iter().map(Borrow::borrow).find(|x| x.shape() != first.shape()) {
        return Err(err!(
            Shape,
            "stack: all input arrays must have the same shape, got {}, {}",
            tuple(first.shape()),
            tuple(other.shape())
        ))
        .or_throw();
    }
    let axis = canonical_axis("stack", axis, first.ndim() + 1);
    let rows: Vec<Array> = promoted(arrays).iter().map(|x| lax::expand_dims(x, &[axis])).collect();
    lax::concatenate(&rows, axis)
}

/// Arrays one above the other: along the first axis, vectors as rows.
///
/// # Errors
/// Those of [`concatenate`].
#[track_caller]
pub fn vstack<T: Borrow<Array>>(arrays: &[T]) -> Array {
    let rows: Vec<Array> = arrays.iter().map(|x| atleast_2d(x.borrow())).collect();
    concatenate(&rows, 0)
}

/// Arrays side by side: along the second axis, vectors along the first.
///
/// # Errors
/// Those of [`concatenate`].
#[track_caller]
pub fn hstack<T: Borrow<Array>>(arrays: &[T]) -> Array {
    let rows: Vec<Array> = arrays.iter().map(|x| atleast_1d(x.borrow())).collect();
    let axis = if rows.first().is_some_and(|x| x.ndim() == 1) { 0 } else { 1 };
    concatenate(&rows, axis)
}

/// Arrays one behind the other: along the third axis.
///
/// # Errors
/// Those of [`concatenate`].
#[track_caller]
pub fn dstack<T: Borrow<Array>>(arrays: &[T]) -> Array {
    let rows: Vec<Array> = arrays.iter().map(|x| atleast_3d(x.borrow())).collect();
    concatenate(&rows, 2)
}

/// Vectors as the columns of a matrix; matrices side by side.
///
/// # Errors
/// Those of [`concatenate`].
#[track_caller]
pub fn column_stack<T: Borrow<Array>>(arrays: &[T]) -> Array {
    let columns = arrays.iter().map(|x| {
        let x = x.borrow();
        if x.ndim() < 2 { lax::reshape(x, &[x.size(), 1]) } else { x.clone() }
    });
    let columns: Vec<Array> = columns.collect();
    concatenate(&columns, 1)
}

/// `x` with the elements of `values` behind it; both flattened for `..`.
///
/// # Errors
/// Those of [`concatenate`].
#[track_caller]
pub fn append(x: impl Into<Array>, values: impl Into<Array>, axis: impl Into<Axes>) -> Array {
    let (x, values) = (x.into(), values.into());
    match axis.into().single("append").or_throw() {
        None => concatenate(&[ravel(x), ravel(values)], 0),
        Some(axis) => concatenate(&[x, values], axis),
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

impl From<usize> for Sections {
    fn from(n: usize) -> Self {
        Sections::Equal(n)
    }
}
impl From<i32> for Sections {
    fn from(n: i32) -> Self {
        Sections::Equal(n.max(0) as usize)
    }
}
impl From<&[i64]> for Sections {
    fn from(at: &[i64]) -> Self {
        Sections::At(at.to_vec())
    }
}
impl<const N: usize> From<[i32; N]> for Sections {
    fn from(at: [i32; N]) -> Self {
        Sections::At(at.iter().map(|i| i64::from(*i)).collect())
    }
}
impl<const N: usize> From<[usize; N]> for Sections {
    fn from(at: [usize; N]) -> Self {
        Sections::At(at.iter().map(|i| *i as i64).collect())
    }
}

/// Splits an axis into equal parts, or before given positions: `split(&x, 2, 0)`, `split(&x, [1, 4], 0)`.
///
/// # Errors
/// `split: array split does not result in an equal division: rest is 1`; an axis out of range.
#[track_caller]
pub fn split(x: impl Into<Array>, sections: impl Into<Sections>, axis: i64) -> Vec<Array> {
    split_at(&x.into(), &sections.into(), axis, false)
}

/// [`split`], where the first parts are one longer if the axis is not divisible.
///
/// # Errors
/// An axis out of range.
#[track_caller]
pub fn array_split(x: impl Into<Array>, sections: impl Into<Sections>, axis: i64) -> Vec<Array> {
    split_at(&x.into(), &sections.into(), axis, true)
}

#[track_caller]
fn split_at(x: &Array, sections: &Sections, axis: i64, uneven: bool) -> Vec<Array> {
    let axis = canonical_axis("split", axis, x.ndim());
    let n = x.shape()[axis];
    let bounds: Vec<usize> = match sections {
        Sections::Equal(0) => {
            return Err(err!(InvalidArgument, "split: number of sections must be larger than 0")).or_throw();
        }
        Sections::Equal(k) if !uneven && !n.is_multiple_of(*k) => {
            return Err(err!(
                Shape,
                "split: array split does not result in an equal division: rest is {}",
                n % k
            ))
            .or_throw();
        }
        Sections::Equal(k) => (0..=*k).map(|i| i * (n / k) + i.min(n % k)).collect(),
        Sections::At(at) => {
            let wrap = |i: &i64| (if *i < 0 { *i + n as i64 } else { *i }).clamp(0, n as i64) as usize;
            std::iter::once(0).chain(at.iter().map(wrap)).chain([n]).collect()
        }
    };
    let part = |w: &[usize]| lax::slice_in_dim(x, w[0] as i64, w[1].max(w[0]) as i64, 1, axis as i64);
    bounds.windows(2).map(part).collect()
}

/// [`split`] along the first axis.
///
/// # Errors
/// Those of [`split`].
#[track_caller]
pub fn vsplit(x: impl Into<Array>, sections: impl Into<Sections>) -> Vec<Array> {
    split(x, sections, 0)
}

/// [`split`] along the second axis; of a vector along the first.
///
/// # Errors
/// Those of [`split`].
#[track_caller]
pub fn hsplit(x: impl Into<Array>, sections: impl Into<Sections>) -> Vec<Array> {
    let x = x.into();
    let axis = if x.ndim() == 1 { 0 } else { 1 };
    split(x, sections, axis)
}

/// The arrays along an axis, without it.
///
/// # Errors
/// An axis out of range.
#[track_caller]
pub fn unstack(x: impl Into<Array>, axis: i64) -> Vec<Array> {
    lax::unstack(&x.into(), axis)
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
            throw(err!(Shape, "iteration over a 0-d array: it has no axis to iterate over"));
        }
        unstack(self, 0).into_iter()
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
