//! What may stand in an index, and what is converted to it.

use std::ops::{Range, RangeFrom, RangeFull, RangeInclusive, RangeTo};

use crate::core::array::Array;

/// What stands for one axis, or several, in an index.
///
/// An integer drops its axis; a range keeps some of it, [`Colon`] all of it; `..` stands for as many whole axes as are left over (a second `..`
/// for one whole axis); [`NewAxis`] adds an axis of size one; an array of integers picks elements, several such arrays
/// broadcast together; a `bool` array picks where it is true. Negative integers count from the end.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Index {
    /// One element.
    Int(i64),
    /// Elements from `start` to `stop`, every `step`-th one. `None` is the end, or the beginning for a negative step.
    Slice {
        /// The first one.
        start: Option<i64>,
        /// The first one that is left out.
        stop: Option<i64>,
        /// Positions from one to the next; negative goes backwards.
        step: i64,
    },
    /// Whole axes.
    Ellipsis,
    /// An axis of size one.
    NewAxis,
    /// Elements at these positions.
    Array(Array),
}

/// An axis of size one in an index. JAX: `None`, `jnp.newaxis`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewAxis;

/// A whole axis in an index, where `..` stands for all that are left over. JAX: `:`.
///
/// ```
/// use raxla::{numpy as jnp, prelude::*};
///
/// let x = jnp::zeros((2, 3, 4));
/// assert_eq!(x.index((Colon, 0)).shape(), [2, 4]);
/// assert_eq!(x.index((Colon, NewAxis, 1..)).shape(), [2, 1, 2, 4]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colon;

/// A range with a step: `step(0..10, 2)`, `step(.., -1)`. JAX: `x[0:10:2]`, `x[::-1]`.
///
/// ```
/// use raxla::numpy as jnp;
///
/// assert_eq!(jnp::arange(5).index(jnp::step(.., -2)).to_vec::<i32>()?, [4, 2, 0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn step(range: impl Into<Index>, step: i64) -> Index {
    match range.into() {
        Index::Slice { start, stop, .. } => Index::Slice { start, stop, step },
        _ => Index::Slice { start: None, stop: None, step },
    }
}

macro_rules! index_from_integers {
    ($($t:ty),*) => {$(
        impl From<$t> for Index {
            fn from(i: $t) -> Self {
                Index::Int(i as i64)
            }
        }
        impl From<Range<$t>> for Index {
            fn from(r: Range<$t>) -> Self {
                Index::Slice { start: Some(r.start as i64), stop: Some(r.end as i64), step: 1 }
            }
        }
        impl From<RangeInclusive<$t>> for Index {
            fn from(r: RangeInclusive<$t>) -> Self {
                let stop = Some(*r.end() as i64 + 1).filter(|stop| *stop != 0);
                Index::Slice { start: Some(*r.start() as i64), stop, step: 1 }
            }
        }
        impl From<RangeFrom<$t>> for Index {
            fn from(r: RangeFrom<$t>) -> Self {
                Index::Slice { start: Some(r.start as i64), stop: None, step: 1 }
            }
        }
        impl From<RangeTo<$t>> for Index {
            fn from(r: RangeTo<$t>) -> Self {
                Index::Slice { start: None, stop: Some(r.end as i64), step: 1 }
            }
        }
    )*};
}
index_from_integers!(i32, i64, usize);

impl From<RangeFull> for Index {
    fn from(_: RangeFull) -> Self {
        Index::Ellipsis
    }
}
impl From<Colon> for Index {
    fn from(_: Colon) -> Self {
        Index::Slice { start: None, stop: None, step: 1 }
    }
}
impl From<NewAxis> for Index {
    fn from(_: NewAxis) -> Self {
        Index::NewAxis
    }
}
impl From<Array> for Index {
    fn from(x: Array) -> Self {
        Index::Array(x)
    }
}
impl From<&Array> for Index {
    fn from(x: &Array) -> Self {
        Index::Array(x.clone())
    }
}
impl<const N: usize> From<[i32; N]> for Index {
    fn from(x: [i32; N]) -> Self {
        Index::Array(Array::from(x))
    }
}

/// A whole index: one [`Index`], or a tuple of up to eight.
pub trait IntoIndices {
    /// The parts in order.
    fn into_indices(self) -> Vec<Index>;
}

macro_rules! single_index {
    ($($t:ty),*) => {$(
        impl IntoIndices for $t {
            fn into_indices(self) -> Vec<Index> {
                vec![self.into()]
            }
        }
    )*};
}
single_index!(
    i32,
    i64,
    usize,
    Range<i32>,
    Range<i64>,
    Range<usize>,
    RangeFrom<i32>,
    RangeFrom<i64>,
    RangeFrom<usize>
);
single_index!(RangeTo<i32>, RangeTo<i64>, RangeTo<usize>, RangeInclusive<i32>, RangeInclusive<usize>);
single_index!(RangeFull, Colon, NewAxis, Array, &Array, Index);

impl<const N: usize> IntoIndices for [i32; N] {
    fn into_indices(self) -> Vec<Index> {
        vec![self.into()]
    }
}
impl IntoIndices for Vec<Index> {
    fn into_indices(self) -> Vec<Index> {
        self
    }
}
impl IntoIndices for () {
    fn into_indices(self) -> Vec<Index> {
        Vec::new()
    }
}

macro_rules! tuple_index {
    ($($($t:ident)*;)*) => {$(
        impl<$($t: Into<Index>),*> IntoIndices for ($($t,)*) {
            #[allow(non_snake_case, reason = "the type parameters name the parts")]
            fn into_indices(self) -> Vec<Index> {
                let ($($t,)*) = self;
                vec![$($t.into()),*]
            }
        }
    )*};
}
tuple_index! { A; A B; A B C; A B C D; A B C D E; A B C D E F; A B C D E F G; A B C D E F G H; }
