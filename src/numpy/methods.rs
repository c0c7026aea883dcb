//! Methods of [`Array`] for the functions that are used most. JAX: `numpy/array_methods.py`.

use crate::arguments::{Axes, Axis, NewDims, OptAxis};
use crate::core::array::{Array, Repr};
use crate::dtype::DType;
use crate::numpy::{self, Repeats};

impl Array {
    /// [`numpy::sum`].
    #[track_caller]
    pub fn sum(&self, axes: impl Into<Axes>) -> Array {
        numpy::sum(self, axes)
    }
    /// [`numpy::prod`].
    #[track_caller]
    pub fn prod(&self, axes: impl Into<Axes>) -> Array {
        numpy::prod(self, axes)
    }
    /// [`numpy::mean`].
    #[track_caller]
    pub fn mean(&self, axes: impl Into<Axes>) -> Array {
        numpy::mean(self, axes)
    }
    /// [`numpy::var`].
    #[track_caller]
    pub fn var(&self, axes: impl Into<Axes>) -> Array {
        numpy::var(self, axes)
    }
    /// [`numpy::std`].
    #[track_caller]
    pub fn std(&self, axes: impl Into<Axes>) -> Array {
        numpy::std(self, axes)
    }
    /// [`numpy::max`]: the largest element, not the larger of two.
    #[track_caller]
    pub fn max(&self, axes: impl Into<Axes>) -> Array {
        numpy::max(self, axes)
    }
    /// [`numpy::min`]: the smallest element, not the smaller of two.
    #[track_caller]
    pub fn min(&self, axes: impl Into<Axes>) -> Array {
        numpy::min(self, axes)
    }
    /// [`numpy::argmax`].
    #[track_caller]
    pub fn argmax(&self, axis: impl Into<OptAxis>) -> Array {
        numpy::argmax(self, axis)
    }
    /// [`numpy::argmin`].
    #[track_caller]
    pub fn argmin(&self, axis: impl Into<OptAxis>) -> Array {
        numpy::argmin(self, axis)
    }
    /// [`numpy::all`].
    #[track_caller]
    pub fn all(&self, axes: impl Into<Axes>) -> Array {
        numpy::all(self, axes)
    }
    /// [`numpy::any`].
    #[track_caller]
    pub fn any(&self, axes: impl Into<Axes>) -> Array {
        numpy::any(self, axes)
    }
    /// [`numpy::cumsum`].
    #[track_caller]
    pub fn cumsum(&self, axis: impl Into<OptAxis>) -> Array {
        numpy::cumsum(self, axis)
    }
    /// [`numpy::reshape`]: one size may be -1.
    #[track_caller]
    pub fn reshape(&self, shape: impl Into<NewDims>) -> Array {
        numpy::reshape(self, shape)
    }
    /// [`numpy::ravel`].
    #[track_caller]
    pub fn ravel(&self) -> Array {
        numpy::ravel(self)
    }
    /// [`numpy::transpose`]: the axes in reverse order. JAX: `x.T`.
    #[track_caller]
    pub fn t(&self) -> Array {
        numpy::transpose(self, ..)
    }
    /// [`numpy::matrix_transpose`]: the last two axes exchanged. JAX: `x.mT`.
    #[track_caller]
    pub fn mt(&self) -> Array {
        numpy::matrix_transpose(self)
    }
    /// [`numpy::transpose`]: `..` reverses the axes.
    #[track_caller]
    pub fn transpose(&self, axes: impl Into<Axes>) -> Array {
        numpy::transpose(self, axes)
    }
    /// [`numpy::swapaxes`].
    #[track_caller]
    pub fn swapaxes(&self, axis1: impl Into<Axis>, axis2: impl Into<Axis>) -> Array {
        numpy::swapaxes(self, axis1, axis2)
    }
    /// [`numpy::squeeze`].
    #[track_caller]
    pub fn squeeze(&self, axes: impl Into<Axes>) -> Array {
        numpy::squeeze(self, axes)
    }
    /// [`numpy::astype`].
    #[track_caller]
    pub fn astype(&self, dtype: DType) -> Array {
        numpy::astype(self, dtype)
    }
    /// [`numpy::dot`].
    #[track_caller]
    pub fn dot(&self, other: impl Into<Array>) -> Array {
        numpy::dot(self, other)
    }
    /// [`numpy::matmul`]. JAX: `x @ y`.
    #[track_caller]
    pub fn matmul(&self, other: impl Into<Array>) -> Array {
        numpy::matmul(self, other)
    }
    /// [`numpy::power`]. JAX: `x ** y`.
    #[track_caller]
    pub fn pow(&self, exponent: impl Into<Array>) -> Array {
        numpy::power(self, exponent)
    }
    /// [`numpy::abs`].
    #[track_caller]
    pub fn abs(&self) -> Array {
        numpy::abs(self)
    }
    /// [`numpy::round`].
    #[track_caller]
    pub fn round(&self) -> Array {
        numpy::round(self)
    }
    /// [`numpy::clip`].
    #[track_caller]
    pub fn clip(&self, min: impl Into<Array>, max: impl Into<Array>) -> Array {
        numpy::clip(self, min, max)
    }
    /// [`numpy::repeat`].
    #[track_caller]
    pub fn repeat(&self, repeats: impl Into<Repeats>, axis: impl Into<OptAxis>) -> Array {
        numpy::repeat(self, repeats, axis)
    }
    /// [`numpy::real`].
    #[track_caller]
    pub fn real(&self) -> Array {
        numpy::real(self)
    }
    /// [`numpy::imag`].
    #[track_caller]
    pub fn imag(&self) -> Array {
        numpy::imag(self)
    }
    /// [`numpy::conj`].
    #[track_caller]
    pub fn conj(&self) -> Array {
        numpy::conj(self)
    }

    /// The value of an integer scalar that is known while tracing.
    pub(crate) fn host_integer(&self) -> Option<i64> {
        if !self.dtype().is_integer() || self.ndim() != 0 || matches!(self.0, Repr::Tracer(_)) {
            return None;
        }
        self.to_scalar().ok().map(|x| x.to_i128() as i64)
    }
}
