//! How reductions are told their axes.

use smallvec::SmallVec;

use crate::error::{Result, bail};
use crate::numpy::util::axis_index;

/// Axes of a reduction. Written as `..` (every axis), an integer, an array or slice of integers (negative ones count
/// from the end), or [`keepdims`] of any of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axes {
    /// `None`: every axis.
    axes: Option<SmallVec<[i64; 4]>>,
    keepdims: bool,
}

impl Axes {
    /// The axes' positions in increasing order.
    ///
    /// # Errors
    /// `sum: axis 2 is out of bounds for array of dimension 2`; `sum: duplicate value in axes [0, 0]`.
    pub(crate) fn resolve(&self, name: &str, ndim: usize) -> Result<SmallVec<[usize; 4]>> {
        let Some(axes) = &self.axes else { return Ok((0..ndim).collect()) };
        let mut out: SmallVec<[usize; 4]> = SmallVec::new();
        for axis in axes {
            let axis = axis_index(name, *axis, ndim)?;
            if out.contains(&axis) {
                bail!(Shape, "{name}: duplicate value in axes {axes:?}");
            }
            out.push(axis);
        }
        out.sort_unstable();
        Ok(out)
    }

    /// Do the reduced axes stay, with size one?
    pub(crate) fn keeps_dims(&self) -> bool {
        self.keepdims
    }

    /// Was it written `..`?
    pub(crate) fn is_all(&self) -> bool {
        self.axes.is_none()
    }

    /// How many axes are named.
    pub(crate) fn len(&self) -> usize {
        self.axes.as_ref().map_or(0, SmallVec::len)
    }

    /// The one axis; `None` is every axis.
    pub(crate) fn single(&self, name: &str) -> Result<Option<i64>> {
        match self.axes.as_deref() {
            None => Ok(None),
            Some([axis]) => Ok(Some(*axis)),
            Some(axes) => bail!(InvalidArgument, "{name}: takes one axis or `..`, got {axes:?}"),
        }
    }
}

/// The same axes, but they stay in the result with size one. JAX: `keepdims=True`.
///
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let x = Array::from([[1.0f32, 2.0], [3.0, 4.0]]);
/// assert_eq!(jnp::sum(&x, jnp::keepdims(1)).shape(), [2, 1]);
/// ```
pub fn keepdims(axes: impl Into<Axes>) -> Axes {
    Axes { keepdims: true, ..axes.into() }
}

impl From<std::ops::RangeFull> for Axes {
    fn from(_: std::ops::RangeFull) -> Self {
        Axes { axes: None, keepdims: false }
    }
}

impl From<()> for Axes {
    fn from((): ()) -> Self {
        Axes { axes: Some(SmallVec::new()), keepdims: false }
    }
}

macro_rules! from_integers {
    ($($t:ty),*) => {$(
        impl From<$t> for Axes {
            fn from(axis: $t) -> Self {
                Axes { axes: Some(SmallVec::from_elem(axis as i64, 1)), keepdims: false }
            }
        }
        impl<const N: usize> From<[$t; N]> for Axes {
            fn from(axes: [$t; N]) -> Self {
                Axes::from(&axes[..])
            }
        }
        impl From<&[$t]> for Axes {
            fn from(axes: &[$t]) -> Self {
                Axes { axes: Some(axes.iter().map(|axis| *axis as i64).collect()), keepdims: false }
            }
        }
    )*};
}
from_integers!(i32, i64, usize);
