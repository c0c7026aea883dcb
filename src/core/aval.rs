//! Abstract values: what a trace knows of an array. JAX: `jax.core.ShapedArray`.

use std::cell::RefCell;
use std::fmt;
use std::hash::{BuildHasher, Hash};

use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;
use smallvec::SmallVec;

use crate::core::intern::{Interned, Interner};
use crate::core::sharding::Sharding;
use crate::core::small::small;
use crate::dtype::DType;

/// Sizes along each axis. Up to rank 4 without an allocation.
pub type Shape = SmallVec<[usize; 4]>;

/// Shape, dtype and weak type of an array: all that tracing depends on. It copies, compares and hashes as an address does.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ShapedArray(Interned<Type>);

#[derive(Clone, PartialEq, Eq, Hash)]
struct Type {
    shape: Shape,
    dtype: DType,
    weak_type: bool,
    /// `None`: the program decides where its parts are.
    sharding: Option<Sharding>,
    /// Is it a reference to such an array? JAX: `AbstractRef`.
    is_ref: bool,
}

/// A [`Type`] that is looked for, without a shape of its own.
#[derive(Clone, Copy, Hash)]
struct Wanted<'a> {
    shape: &'a [usize],
    dtype: DType,
    weak_type: bool,
    sharding: Option<Sharding>,
    is_ref: bool,
}

thread_local! {
    /// In front of the one table of the process, so that making an aval that this thread has made before takes no lock.
    static KNOWN: RefCell<HashTable<ShapedArray>> = const { RefCell::new(HashTable::new()) };
}

impl PartialEq for Wanted<'_> {
    fn eq(&self, other: &Self) -> bool {
        same_shape(self.shape, other.shape)
            && (self.dtype, self.weak_type, self.sharding, self.is_ref)
                == (other.dtype, other.weak_type, other.sharding, other.is_ref)
    }
}

/// Are they equal? For so few sizes a loop is faster than the call that `==` of slices is.
#[inline]
pub(crate) fn same_shape(a: &[usize], b: &[usize]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(m, n)| m == n)
}

impl Wanted<'_> {
    fn aval(self) -> ShapedArray {
        static TYPES: Interner<Type> = Interner::new();
        let hash = FxBuildHasher.hash_one(self);
        KNOWN.with_borrow_mut(|known| {
            if let Some(found) = known.find(hash, |aval| aval.wanted() == self) {
                return *found;
            }
            let Wanted { shape, dtype, weak_type, sharding, is_ref } = self;
            let made = Type { shape: Shape::from_slice(shape), dtype, weak_type, sharding, is_ref };
            let aval = ShapedArray(TYPES.intern(&made));
            known.insert_unique(hash, aval, |aval| FxBuildHasher.hash_one(aval.wanted()));
            aval
        })
    }
}

/// The avals of a primitive's results.
pub type Avals = SmallVec<[ShapedArray; 1]>;

impl ShapedArray {
    /// A strongly typed aval.
    pub fn new(dtype: DType, shape: &[usize]) -> Self {
        Wanted { shape, dtype, weak_type: false, sharding: None, is_ref: false }.aval()
    }

    /// The aval of a scalar.
    pub(crate) fn scalar(dtype: DType, weak_type: bool) -> Self {
        Wanted { shape: &[], dtype, weak_type, sharding: None, is_ref: false }.aval()
    }

    /// The aval of a result of `ins`: weakly typed if all of them are, and where they are if they agree and have its shape.
    pub fn result(ins: &[ShapedArray], shape: &[usize], dtype: DType) -> Self {
        let weak_type = !ins.is_empty() && ins.iter().all(|aval| aval.weak_type());
        let sharding = ins.first().and_then(|first| first.sharding());
        let agree = |aval: &ShapedArray| aval.sharding() == sharding && same_shape(aval.shape(), shape);
        let sharding = sharding.filter(|_| ins.iter().all(agree));
        let wanted = Wanted { shape, dtype, weak_type, sharding, is_ref: false };
        // Most results have the type of an operand, which need not be looked for.
        ins.iter().copied().find(|aval| aval.wanted() == wanted).unwrap_or_else(|| wanted.aval())
    }

    #[inline]
    fn wanted(&self) -> Wanted<'static> {
        let Type { shape, dtype, weak_type, sharding, is_ref } = self.0.get();
        Wanted { shape, dtype: *dtype, weak_type: *weak_type, sharding: *sharding, is_ref: *is_ref }
    }

    /// Sizes along each axis.
    #[inline]
    pub fn shape(&self) -> &'static [usize] {
        &self.0.get().shape
    }

    /// Element type.
    #[inline]
    pub fn dtype(&self) -> DType {
        self.0.dtype
    }

    /// Does the dtype come from a plain Rust number, so that it yields to any strong dtype of its kind?
    #[inline]
    pub fn weak_type(&self) -> bool {
        self.0.weak_type
    }

    /// Where the parts of the array have to be; `None` leaves it to the program.
    #[inline]
    pub fn sharding(&self) -> Option<Sharding> {
        self.0.sharding
    }

    /// Is it a [`Ref`](crate::Ref) to such an array?
    #[inline]
    pub fn is_ref(&self) -> bool {
        self.0.is_ref
    }

    /// The type of a reference to such an array, or of what one refers to.
    #[must_use]
    pub(crate) fn with_ref(&self, is_ref: bool) -> Self {
        if is_ref == self.is_ref() { *self } else { Wanted { is_ref, ..self.wanted() }.aval() }
    }

    /// The same with another weak type.
    #[must_use]
    pub fn with_weak_type(&self, weak_type: bool) -> Self {
        if weak_type == self.weak_type() { *self } else { Wanted { weak_type, ..self.wanted() }.aval() }
    }

    /// The same with another dtype.
    #[must_use]
    pub fn with_dtype(&self, dtype: DType) -> Self {
        if dtype == self.dtype() { *self } else { Wanted { dtype, ..self.wanted() }.aval() }
    }

    /// The same with another shape. What it says of places says nothing of another number of axes.
    #[must_use]
    pub fn with_shape(&self, shape: &[usize]) -> Self {
        if same_shape(shape, self.shape()) {
            return *self;
        }
        let sharding = self.sharding().filter(|_| shape.len() == self.ndim());
        Wanted { shape, sharding, ..self.wanted() }.aval()
    }

    /// The same with its parts in these places.
    #[must_use]
    pub fn with_sharding(&self, sharding: Option<Sharding>) -> Self {
        Wanted { sharding, ..self.wanted() }.aval()
    }

    /// The same without `axes`, which need not be sorted.
    #[must_use]
    pub fn without_axes(&self, axes: &[usize]) -> Self {
        let kept = self.shape().iter().enumerate().filter(|(i, _)| !axes.contains(i));
        self.with_shape(&small::<[usize; 4]>(kept.map(|(_, &n)| n)))
    }

    /// The same with an axis of `size` inserted before position `axis`.
    #[must_use]
    pub fn with_axis(&self, axis: usize, size: usize) -> Self {
        let mut shape = Shape::from_slice(self.shape());
        shape.insert(axis, size);
        self.with_shape(&shape)
    }

    /// The same with another size along `axis`.
    #[must_use]
    pub fn with_size(&self, axis: usize, size: usize) -> Self {
        let mut shape = Shape::from_slice(self.shape());
        shape[axis] = size;
        self.with_shape(&shape)
    }

    /// The type of a tangent or cotangent: the same, or `float0` for what has no derivative. JAX: `to_tangent_aval`.
    #[must_use]
    pub(crate) fn tangent(&self) -> Self {
        if self.dtype().is_inexact() { *self } else { self.with_dtype(DType::Float0).with_weak_type(false) }
    }

    /// Number of axes.
    pub fn ndim(&self) -> usize {
        self.shape().len()
    }

    /// Number of elements.
    pub fn size(&self) -> usize {
        self.shape().iter().product()
    }

    /// Same shape and dtype, weak type aside.
    #[inline]
    pub fn matches(&self, other: &ShapedArray) -> bool {
        self == other
            || (self.dtype() == other.dtype()
                && self.is_ref() == other.is_ref()
                && same_shape(self.shape(), other.shape()))
    }
}

/// JAX's short form: `f32[2,3]`, `Ref{f32[2,3]}`.
impl fmt::Display for ShapedArray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_ref() {
            return write!(f, "Ref{{{}}}", self.with_ref(false));
        }
        write!(f, "{}[", self.dtype())?;
        for (i, n) in self.shape().iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            write!(f, "{n}")?;
        }
        f.write_str("]")
    }
}

/// The short form with `*` for weak types and with where it has to be: `f32[2,3]*`.
impl fmt::Debug for ShapedArray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}{}", if self.weak_type() { "*" } else { "" })?;
        match self.sharding() {
            Some(sharding) => write!(f, "@{sharding}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_avals_are_one_on_every_thread() {
        let make = || ShapedArray::new(DType::F32, &[2, 3]);
        let aval = make();
        assert!(aval == make() && aval == std::thread::spawn(make).join().unwrap());
        assert!(aval.with_axis(0, 4).without_axes(&[0]) == aval);
        let weak = aval.with_weak_type(true);
        assert!(weak != aval && weak.matches(&aval) && weak.with_weak_type(false) == aval);
        assert!(aval.with_dtype(DType::I32) != aval && !aval.with_dtype(DType::I32).matches(&aval));
        assert_eq!(format!("{:?} {aval}", weak), "f32[2,3]* f32[2,3]");
    }

    #[test]
    fn an_aval_may_say_where_its_parts_are() {
        let sharding = Sharding::of_default_device().unwrap();
        let aval = ShapedArray::new(DType::F32, &[2]);
        let placed = aval.with_sharding(Some(sharding));
        assert!(placed != aval && placed.matches(&aval) && placed.with_sharding(None) == aval);
        assert_eq!(placed.with_dtype(DType::I32).sharding(), Some(sharding));
        assert_eq!(placed.with_shape(&[3]).sharding(), Some(sharding));
        assert_eq!(placed.with_axis(0, 3).sharding(), None);
        let result =
            |ins: &[ShapedArray], shape: &[usize]| ShapedArray::result(ins, shape, DType::F32).sharding();
        assert_eq!(result(&[placed, placed], &[2]), Some(sharding));
        assert_eq!([result(&[placed, aval], &[2]), result(&[placed], &[]), result(&[], &[2])], [None; 3]);
        assert_eq!(format!("{placed:?}"), format!("f32[2]@{sharding}"));
    }
}
