//! Axes: one, one or the flattened array, several. JAX: `canonicalize_axis`.

use std::fmt;
use std::ops::RangeFull;

use smallvec::SmallVec;

use crate::arguments::{Integer, Integers, from_lists};
use crate::error::{Result, bail};

/// One axis. Negative ones count from the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Axis(i64);

impl Axis {
    /// Its position among `ndim` axes.
    ///
    /// # Errors
    /// `softmax: axis 2 is out of bounds for array of dimension 2`.
    pub(crate) fn position(self, name: &str, ndim: usize) -> Result<usize> {
        let index = if self.0 < 0 { self.0 + ndim as i64 } else { self.0 };
        if index < 0 || index >= ndim as i64 {
            bail!(Shape, "{name}: axis {self} is out of bounds for array of dimension {ndim}");
        }
        Ok(index as usize)
    }
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<I: Integer> From<I> for Axis {
    fn from(axis: I) -> Self {
        Axis(axis.to_i64())
    }
}

/// One axis, or `..` for the flattened array, which JAX writes `axis=None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OptAxis(Option<Axis>);

impl OptAxis {
    /// The axis; `None` stands for the flattened array.
    pub(crate) fn get(self) -> Option<Axis> {
        self.0
    }
}

impl From<RangeFull> for OptAxis {
    fn from(_: RangeFull) -> Self {
        OptAxis(None)
    }
}

impl From<Axis> for OptAxis {
    fn from(axis: Axis) -> Self {
        OptAxis(Some(axis))
    }
}

impl<I: Integer> From<I> for OptAxis {
    fn from(axis: I) -> Self {
        OptAxis(Some(axis.into()))
    }
}

/// Several axes: an integer, a tuple, an array, a slice or a `Vec` of integers; `()` is none, `..` is every axis. Negative
/// ones count from the end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Axes(Option<Integers>);

impl Axes {
    /// The axes' positions among `ndim`, in the order in which they were given.
    ///
    /// # Errors
    /// `sum: axis 2 is out of bounds for array of dimension 2`; `sum: duplicate value in axes [0, 0]`.
    pub(crate) fn positions(&self, name: &str, ndim: usize) -> Result<SmallVec<[usize; 4]>> {
        let Some(axes) = &self.0 else { return Ok((0..ndim).collect()) };
        let mut out: SmallVec<[usize; 4]> = SmallVec::new();
        for axis in axes {
            let axis = Axis(*axis).position(name, ndim)?;
            if out.contains(&axis) {
                bail!(Shape, "{name}: duplicate value in axes {axes:?}");
            }
            out.push(axis);
        }
        Ok(out)
    }

    /// [`positions`](Self::positions), in increasing order.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn sorted(&self, name: &str, ndim: usize) -> Result<SmallVec<[usize; 4]>> {
        let mut out = self.positions(name, ndim)?;
        out.sort_unstable();
        Ok(out)
    }

    /// Was it written `..`?
    pub(crate) fn is_all(&self) -> bool {
        self.0.is_none()
    }

    /// The axes as they were given; `None` is `..`.
    pub(crate) fn given(&self) -> Option<&[i64]> {
        self.0.as_deref()
    }
}

impl From<RangeFull> for Axes {
    fn from(_: RangeFull) -> Self {
        Axes(None)
    }
}

impl From<Axis> for Axes {
    fn from(axis: Axis) -> Self {
        axis.0.into()
    }
}

from_lists!(Axes, |list| Axes(Some(list)));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_said_in_many_types_and_mean_the_same() {
        let expected = Axes(Some(SmallVec::from_slice(&[0, 2])));
        assert_eq!(Axes::from((0, 2)), expected);
        assert_eq!(Axes::from((0usize, 2i64)), expected);
        assert_eq!(Axes::from([0, 2]), expected);
        assert_eq!(Axes::from(&[0usize, 2]), expected);
        assert_eq!(Axes::from(&[0i64, 2][..]), expected);
        assert_eq!(Axes::from(vec![0isize, 2]), expected);
        assert_eq!(Axes::from(&vec![0u32, 2]), expected);
        assert_eq!(Axes::from(3), Axes::from([3]));
        assert_eq!(Axes::from(Axis::from(3)), Axes::from([3]));
        assert_eq!(Axes::from(()), Axes(Some(SmallVec::new())));
        assert!(Axes::from(..).is_all());
    }

    #[test]
    fn axes_count_from_the_end_and_keep_their_order() {
        assert_eq!(Axes::from((-1, 0)).positions("f", 3).unwrap()[..], [2, 0]);
        assert_eq!(Axes::from((-1, 0)).sorted("f", 3).unwrap()[..], [0, 2]);
        assert_eq!(Axes::from(..).positions("f", 2).unwrap()[..], [0, 1]);
    }

    #[test]
    fn axes_out_of_bounds_and_repeated_ones_are_refused() {
        let message = |axes: Axes| axes.positions("sum", 2).unwrap_err().message().to_owned();
        assert_eq!(message(2.into()), "sum: axis 2 is out of bounds for array of dimension 2");
        assert_eq!(message((-3).into()), "sum: axis -3 is out of bounds for array of dimension 2");
        assert_eq!(message((0, -2).into()), "sum: duplicate value in axes [0, -2]");
    }

    #[test]
    fn an_optional_axis_is_an_integer_or_the_flattened_array() {
        assert_eq!(OptAxis::from(..).get(), None);
        assert_eq!(OptAxis::from(-1).get(), Some(Axis(-1)));
    }
}
