//! Abstract values: what a trace knows of an array. JAX: `jax.core.ShapedArray`.

use std::fmt;

use smallvec::SmallVec;

use crate::dtype::DType;

/// Sizes along each axis. Up to rank 4 without an allocation.
pub type Shape = SmallVec<[usize; 4]>;

/// Shape, dtype and weak type of an array: all that tracing depends on.
#[derive(PartialEq, Eq, Hash)]
pub struct ShapedArray {
    /// Sizes along each axis.
    pub shape: Shape,
    /// Element type.
    pub dtype: DType,
    /// Does the dtype come from a plain Rust number, so that it yields to any strong dtype of its kind?
    pub weak_type: bool,
}

impl Clone for ShapedArray {
    #[inline]
    fn clone(&self) -> Self {
        // Faster than `SmallVec::clone`, which goes element by element.
        ShapedArray { shape: Shape::from_slice(&self.shape), ..*self }
    }
}

/// The avals of a primitive's results.
pub type Avals = SmallVec<[ShapedArray; 1]>;

impl ShapedArray {
    /// A strongly typed aval.
    pub fn new(dtype: DType, shape: &[usize]) -> Self {
        ShapedArray { shape: Shape::from_slice(shape), dtype, weak_type: false }
    }

    /// The same with another weak type.
    #[must_use]
    pub fn with_weak_type(mut self, weak_type: bool) -> Self {
        self.weak_type = weak_type;
        self
    }

    /// The same with another dtype.
    #[must_use]
    pub fn with_dtype(&self, dtype: DType) -> Self {
        ShapedArray { shape: Shape::from_slice(&self.shape), dtype, weak_type: self.weak_type }
    }

    /// The same with another shape.
    #[must_use]
    pub fn with_shape(&self, shape: &[usize]) -> Self {
        ShapedArray { shape: Shape::from_slice(shape), dtype: self.dtype, weak_type: self.weak_type }
    }

    /// The same without `axes`, which need not be sorted.
    #[must_use]
    pub fn without_axes(&self, axes: &[usize]) -> Self {
        let shape =
            self.shape.iter().enumerate().filter(|(i, _)| !axes.contains(i)).map(|(_, &n)| n).collect();
        ShapedArray { shape, dtype: self.dtype, weak_type: self.weak_type }
    }

    /// The same with an axis of `size` inserted before position `axis`.
    #[must_use]
    pub fn with_axis(&self, axis: usize, size: usize) -> Self {
        let mut out = self.clone();
        out.shape.insert(axis, size);
        out
    }

    /// Number of axes.
    pub fn ndim(&self) -> usize {
        self.shape.len()
    }

    /// Number of elements.
    pub fn size(&self) -> usize {
        self.shape.iter().product()
    }

    /// Same shape and dtype, weak type aside.
    pub fn matches(&self, other: &ShapedArray) -> bool {
        self.dtype == other.dtype && self.shape == other.shape
    }
}

/// JAX's short form: `f32[2,3]`.
impl fmt::Display for ShapedArray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[", self.dtype)?;
        for (i, n) in self.shape.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            write!(f, "{n}")?;
        }
        f.write_str("]")
    }
}

/// The short form with `*` for weak types: `f32[2,3]*`.
impl fmt::Debug for ShapedArray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}{}", if self.weak_type { "*" } else { "" })
    }
}
