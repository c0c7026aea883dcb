//! [`Array`]: the one type that users compute with. JAX: `jax.Array`.

use std::borrow::Cow;
use std::ops::Deref;
use std::panic::Location;
use std::sync::Arc;

use half::{bf16, f16};
use num_complex::Complex;

use crate::arguments::Dims;
use crate::core::aside::Aside;
use crate::core::atom::Var;
use crate::core::aval::ShapedArray;
use crate::core::config::{self, canonicalize};
pub use crate::core::element::Element;
use crate::core::mutable::{MutableArray, not_an_array};
use crate::core::scalar::Scalar;
use crate::core::sharding::{Sharding, Shards};
use crate::core::tracer::{TraceId, Tracer, is_live, unexpected_tracer};
use crate::core::transfer::{self, Transfer};
use crate::core::work;
use crate::dtype::{
    DType, F4E2M1FN, F8E3M4, F8E4M3, F8E4M3B11FNUZ, F8E4M3FN, F8E4M3FNUZ, F8E5M2, F8E5M2FNUZ, F8E8M0FNU, I2,
    I4, U2, U4,
};
use crate::error::{Error, OrThrow, Result, bail, err};
use crate::pjrt::{Buffer, Pooled};

/// An n-dimensional array: on a device, or a tracer that stands for one while a function is traced.
///
/// It is cheap to clone, `Send + Sync`, and has no lifetime, backend or dtype parameter.
///
/// ```
/// use raxla::prelude::*;
///
/// let x = Array::from([1.0f32, 2.0, 3.0]);
/// assert_eq!(x.shape(), [3]);
/// assert_eq!((&x * 2.0).to_vec::<f32>()?, [2.0, 4.0, 6.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[derive(Clone)]
pub struct Array(pub(crate) Repr);

#[derive(Clone)]
pub(crate) enum Repr {
    /// A buffer on a device.
    Device(OnDevice),
    /// A Rust number that no device has seen yet.
    Scalar(Scalar),
    /// A tangent or cotangent that is known to be zero, as custom rules see it. What needs the zeros makes them.
    Zero(ShapedArray),
    /// A reference to an array, in a tree of arrays. It is no array: what computes refuses it.
    Ref(Arc<MutableArray>),
    /// A value of a running trace.
    Tracer(Tracer),
}

/// Lists of arrays are moved through every layer of a trace, so an array takes no more than its tag and a number of any dtype.
const _: () = assert!(size_of::<Array>() <= 24);

/// Identity, as Python's `id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Identity {
    /// All Rust numbers have one: none. Symbolic zeros too.
    Scalar,
    /// Of what clones share.
    Address(usize),
    /// A variable of a trace.
    Var(TraceId, Var),
}

/// A handle of a buffer, which it shares with its clones.
#[derive(Clone)]
pub(crate) struct OnDevice {
    pub array: Pooled<DeviceArray>,
    /// Must it stay on its device? Not the buffer's own: `device_put` may commit one clone to where all are.
    pub committed: bool,
}

impl Deref for OnDevice {
    type Target = DeviceArray;
    #[inline]
    fn deref(&self) -> &DeviceArray {
        &self.array
    }
}

pub(crate) struct DeviceArray {
    pub aval: ShapedArray,
    pub shards: Shards,
    pub sharding: Sharding,
    /// Which of its keys were used; its elements on the host, if they were asked for.
    pub aside: Aside,
}

/// Where an array is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Placement {
    pub sharding: Sharding,
    /// Was it put there by name, or computed from an array that was?
    pub committed: bool,
}

impl DeviceArray {
    /// Are all parts there, or failed?
    pub(crate) fn is_ready(&self) -> Result<bool> {
        self.shards.iter().try_fold(true, |ready, shard| Ok(ready && shard.is_ready()?))
    }

    /// The elements in row-major order.
    fn read(&self) -> Result<Vec<u8>> {
        self.sharding.read(&self.shards, self.aval.dtype(), self.aval.shape())
    }

    /// Starts to copy the elements to the host, unless that was done.
    pub(crate) fn copy_to_host(&self) -> Result<()> {
        if self.aside.host_copy().is_none() {
            transfer::to_host(Transfer::Explicit, || self.aval)?;
            let copies = self.sharding.start_reading(&self.shards, self.aval.dtype(), self.aval.shape())?;
            self.aside.keep_host_copy(copies);
        }
        Ok(())
    }
}

impl Array {
    #[inline]
    pub(crate) fn on_device(shards: Shards, aval: ShapedArray, placement: Placement) -> Self {
        let Placement { sharding, committed } = placement;
        Array(Repr::Device(OnDevice {
            array: Pooled::new(DeviceArray { aval, shards, sharding, aside: Aside::default() }),
            committed,
        }))
    }

    /// An array of this shape from its elements in row-major order.
    ///
    /// 64-bit elements narrow to 32 bits while x64 is off, as in JAX.
    ///
    /// # Panics
    /// If `shape` does not hold `elements.len()` elements, or no platform could be initialised.
    #[track_caller]
    pub fn from_slice<T: Element>(elements: &[T], shape: impl Into<Dims>) -> Self {
        Self::upload(&T::to_bytes(elements), T::DTYPE, &shape.into(), Transfer::Explicit).or_throw()
    }

    /// [`from_slice`](Self::from_slice), for a conversion, by which nobody asks for a transfer.
    #[track_caller]
    fn converted<T: Element>(elements: &[T], shape: impl Into<Dims>) -> Self {
        Self::upload(&T::to_bytes(elements), T::DTYPE, &shape.into(), Transfer::Implicit).or_throw()
    }

    /// [`from_slice`](Self::from_slice) with an error instead of a panic.
    ///
    /// # Errors
    /// If `shape` does not hold `elements.len()` elements, or no platform could be initialised.
    #[track_caller]
    pub fn try_from_slice<T: Element>(elements: &[T], shape: impl Into<Dims>) -> Result<Self> {
        Self::from_bytes(&T::to_bytes(elements), T::DTYPE, shape)
    }

    /// An array from the little-endian bytes of its elements in row-major order.
    ///
    /// # Errors
    /// If `bytes` is not as long as `dtype` and `shape` say, or no platform could be initialised.
    #[track_caller]
    pub fn from_bytes(bytes: &[u8], dtype: DType, shape: impl Into<Dims>) -> Result<Self> {
        let caller = Location::caller();
        Self::upload(bytes, dtype, &shape.into(), Transfer::Explicit).map_err(|e| e.at(caller))
    }

    #[track_caller]
    fn upload(bytes: &[u8], dtype: DType, shape: &Dims, how: Transfer) -> Result<Self> {
        let shape = &shape.shape("array")?[..];
        let size = shape.iter().try_fold(1usize, |n, size| n.checked_mul(*size));
        if size.and_then(|n| n.checked_mul(dtype.size())) != Some(bytes.len()) {
            let size = size.map_or_else(|| "too many".to_string(), |n| n.to_string());
            bail!(
                Shape,
                "array: shape {shape:?} holds {size} elements, got {}",
                bytes.len().checked_div(dtype.size()).unwrap_or(0)
            );
        }
        let narrow = canonicalize(dtype);
        let bytes = if narrow == dtype {
            Cow::Borrowed(bytes)
        } else {
            let elements = bytes.chunks_exact(dtype.size());
            Cow::Owned(
                elements
                    .flat_map(|e| {
                        let narrow = Scalar::from_bytes(dtype, e).convert(narrow);
                        narrow.bytes().into_iter().take(narrow.dtype().size())
                    })
                    .collect(),
            )
        };
        let aval = ShapedArray::new(narrow, shape);
        transfer::to_device(how, || aval)?;
        let sharding = config::default_sharding(config::current())?;
        let shards = sharding.put(&bytes, narrow, shape)?;
        Ok(Self::on_device(shards, aval, Placement { sharding, committed: false }))
    }

    /// The tangent, or `None` if it is a symbolic zero.
    pub(crate) fn into_tangent(self) -> Option<Array> {
        (!self.is_symbolic_zero()).then_some(self)
    }

    /// The array, out of its place.
    #[inline]
    pub(crate) fn take(&mut self) -> Array {
        std::mem::replace(self, Array(Repr::Scalar(Scalar::FALSE)))
    }

    /// A strongly typed scalar.
    #[track_caller]
    pub fn scalar<T: Element>(value: T) -> Self {
        let x = Scalar::from_bytes(T::DTYPE, &T::to_bytes(&[value]));
        Array(Repr::Scalar(x.convert(canonicalize(T::DTYPE))))
    }

    /// Shape, dtype and weak type.
    pub fn aval(&self) -> ShapedArray {
        work::count(1);
        match &self.0 {
            Repr::Device(x) => x.aval,
            Repr::Scalar(x) => x.aval(),
            Repr::Zero(aval) => *aval,
            Repr::Ref(cell) => cell.aval,
            Repr::Tracer(t) => t.aval(),
        }
    }

    /// Is this its aval, weak type included?
    pub(crate) fn has_aval(&self, aval: &ShapedArray) -> bool {
        match &self.0 {
            Repr::Device(x) => x.aval == *aval,
            Repr::Zero(own) => own == aval,
            Repr::Ref(cell) => cell.aval == *aval,
            Repr::Scalar(x) => {
                aval.shape().is_empty() && aval.dtype() == x.dtype() && aval.weak_type() == x.weak_type()
            }
            Repr::Tracer(t) => t.aval() == *aval,
        }
    }

    /// Sizes along each axis.
    pub fn shape(&self) -> &[usize] {
        match &self.0 {
            Repr::Device(x) => x.aval.shape(),
            Repr::Scalar(_) => &[],
            Repr::Zero(aval) => aval.shape(),
            Repr::Ref(cell) => cell.aval.shape(),
            Repr::Tracer(t) => t.aval().shape(),
        }
    }

    /// Element type.
    pub fn dtype(&self) -> DType {
        match &self.0 {
            Repr::Device(x) => x.aval.dtype(),
            Repr::Scalar(x) => x.dtype(),
            Repr::Zero(aval) => aval.dtype(),
            Repr::Ref(cell) => cell.aval.dtype(),
            Repr::Tracer(t) => t.aval().dtype(),
        }
    }

    /// Does the dtype yield to strong dtypes in promotion? True of Rust numbers and what is computed from them alone.
    pub fn weak_type(&self) -> bool {
        match &self.0 {
            Repr::Device(x) => x.aval.weak_type(),
            Repr::Scalar(x) => x.weak_type(),
            Repr::Zero(aval) => aval.weak_type(),
            Repr::Ref(cell) => cell.aval.weak_type(),
            Repr::Tracer(t) => t.aval().weak_type(),
        }
    }

    /// Number of axes.
    pub fn ndim(&self) -> usize {
        self.shape().len()
    }

    /// Number of elements.
    pub fn size(&self) -> usize {
        self.shape().iter().product()
    }

    /// Is it a tracer, so that its value cannot be read?
    pub fn is_tracer(&self) -> bool {
        matches!(self.0, Repr::Tracer(_))
    }

    /// Is it a tangent or cotangent that is zero whatever the values are, in a rule of a
    /// [`custom_jvp`](crate::custom_derivatives::custom_jvp) or [`custom_vjp`](crate::custom_derivatives::custom_vjp)?
    ///
    /// Such an array can be used like any array of zeros, and is made when it is. A rule that asks saves what
    /// it would compute of it; one that returns it says that its own result is zero too. JAX: `SymbolicZero`.
    pub fn is_symbolic_zero(&self) -> bool {
        matches!(self.0, Repr::Zero(_))
    }

    /// What it has in common with its clones, and with nothing else.
    pub(crate) fn identity(&self) -> Identity {
        work::count(1);
        match &self.0 {
            Repr::Device(x) => Identity::Address(x.array.addr()),
            Repr::Scalar(_) | Repr::Zero(_) => Identity::Scalar,
            Repr::Ref(cell) => Identity::Address(Arc::as_ptr(cell).addr()),
            Repr::Tracer(Tracer::Var { trace, var, .. }) => Identity::Var(*trace, *var),
            Repr::Tracer(Tracer::Watched(watched)) => Identity::Var(watched.trace, watched.var),
            Repr::Tracer(Tracer::Dual(dual)) => Identity::Address(Arc::as_ptr(dual).addr()),
            Repr::Tracer(Tracer::Batched(batched)) => Identity::Address(Arc::as_ptr(batched).addr()),
            Repr::Tracer(Tracer::Jet(jet)) => Identity::Address(Arc::as_ptr(jet).addr()),
        }
    }

    /// The elements in row-major order as little-endian bytes. Waits for the value.
    ///
    /// # Errors
    /// Reading a tracer; a failed computation; a deleted buffer.
    #[track_caller]
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        self.read(Transfer::Explicit)
    }

    /// [`to_bytes`](Self::to_bytes), asked for by name or not.
    #[track_caller]
    pub(crate) fn read(&self, how: Transfer) -> Result<Vec<u8>> {
        let caller = Location::caller();
        match &self.0 {
            Repr::Device(x) => {
                let read = match x.aside.host_copy() {
                    Some(copy) => self.check_alive().and_then(|()| copy.bytes()),
                    None => transfer::to_host(how, || x.aval).and_then(|()| x.read()),
                };
                read.map_err(|e| e.at(caller))
            }
            Repr::Scalar(x) => Ok(x.bytes()[..x.dtype().size()].to_vec()),
            Repr::Zero(aval) => Ok(vec![0; aval.size() * aval.dtype().size()]),
            Repr::Ref(cell) => Err(not_an_array(&cell.aval).at(caller)),
            Repr::Tracer(t) => Err(concretization(t).at(caller)),
        }
    }

    /// The elements in row-major order. Waits for the value.
    ///
    /// # Errors
    /// `T` is not the array's dtype; reading a tracer; a failed computation; a deleted buffer.
    #[track_caller]
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        let caller = Location::caller();
        self.elements().map_err(|e| e.at(caller))
    }

    #[track_caller]
    fn elements<T: Element>(&self) -> Result<Vec<T>> {
        if !self.is_tracer() && T::DTYPE != self.dtype() {
            let (wanted, aval) = (T::DTYPE, self.aval());
            bail!(DType, "to_vec: the array is {aval}, so its elements cannot be read as {wanted}");
        }
        Ok(T::from_bytes(&self.to_bytes()?))
    }

    /// The value of an array of one element. Waits for the value.
    ///
    /// It may be read as another type of its kind: a float of any width as `f32` or `f64`, an integer as an integer that can
    /// hold it or as a float, a complex number as a complex number.
    ///
    /// # Errors
    /// More than one element; `T` is of another kind, or too small for an integer; reading a tracer; a failed computation.
    /// ```
    /// use raxla::numpy as jnp;
    ///
    /// assert_eq!(jnp::mean([1, 2], ..).item::<f64>()?, 1.5);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    #[track_caller]
    pub fn item<T: Element>(&self) -> Result<T> {
        let caller = Location::caller();
        self.number().map_err(|e| e.at(caller))
    }

    #[track_caller]
    fn number<T: Element>(&self) -> Result<T> {
        // A tracer of `grad` outside of `jit` has a value.
        if let Repr::Tracer(Tracer::Dual(dual)) = &self.0
            && is_live(dual.trace)
        {
            return dual.primal.number();
        }
        if !self.is_tracer() && self.size() != 1 {
            let aval = self.aval();
            bail!(Shape, "item: only an array of one element can be read as a number, got {aval}");
        }
        if self.is_tracer() || self.dtype() == T::DTYPE {
            return Ok(T::from_bytes(&self.read(Transfer::Implicit)?)[0]);
        }
        let number = self.to_scalar()?.read_as(T::DTYPE)?;
        Ok(T::from_bytes(&number.bytes()[..T::DTYPE.size()])[0])
    }

    /// The element of an array of one element, whatever its dtype.
    pub(crate) fn to_scalar(&self) -> Result<Scalar> {
        match &self.0 {
            Repr::Scalar(x) => Ok(*x),
            Repr::Tracer(t) => Err(concretization(t)),
            Repr::Ref(cell) => Err(not_an_array(&cell.aval)),
            Repr::Device(_) | Repr::Zero(_) => {
                let aval = self.aval();
                if aval.size() != 1 {
                    bail!(Shape, "only an array of one element can be read as a number, got {aval}");
                }
                let bytes = self.read(Transfer::Implicit)?;
                Ok(Scalar::from_bytes(aval.dtype(), &bytes).with_weak_type(aval.weak_type()))
            }
        }
    }

    /// The value of an array of one element as a condition: `if x.truth()? {`.
    ///
    /// # Errors
    /// A tracer has no value yet (JAX: `TracerBoolConversionError`); more than one element is ambiguous.
    #[track_caller]
    pub fn truth(&self) -> Result<bool> {
        let caller = Location::caller();
        self.condition().map_err(|e| e.at(caller))
    }

    fn condition(&self) -> Result<bool> {
        if let Repr::Tracer(t) = &self.0 {
            if !is_live(t.trace()) {
                return Err(unexpected_tracer(t));
            }
            // A tracer of `grad` outside of `jit` has a value.
            if let Tracer::Dual(dual) = t {
                return dual.primal.condition();
            }
            bail!(
                TracerBoolConversion,
                "attempted boolean conversion of traced array {}({}). A condition on a traced value cannot decide what is \
                 traced: use raxla::lax::cond, raxla::numpy::where_ or raxla::lax::select, or take what decides as a \
                 Static(..) argument",
                t.kind_name(),
                t.aval()
            );
        }
        if self.size() != 1 {
            let n = self.size();
            bail!(
                Shape,
                "the truth value of an array with {n} elements is ambiguous: use numpy::any or numpy::all"
            );
        }
        let x = self.to_scalar()?;
        Ok(x.to_f64() != 0.0 || x.imag() != 0.0)
    }

    /// Waits until the value is there. JAX: `block_until_ready`.
    ///
    /// # Errors
    /// The computation failed; a deleted buffer.
    #[track_caller]
    pub fn block_until_ready(&self) -> Result<&Self> {
        let caller = Location::caller();
        if let Repr::Device(x) = &self.0 {
            x.shards.iter().try_for_each(Buffer::block_until_ready).map_err(|e| e.at(caller))?;
        }
        Ok(self)
    }

    /// Has the device buffer been donated or deleted?
    pub fn is_deleted(&self) -> bool {
        match &self.0 {
            Repr::Device(x) => x.shards.iter().any(Buffer::is_deleted),
            _ => false,
        }
    }
}

/// The error for reading a tracer's value. A tracer of `grad` outside of `jit` holds a value, which `truth` and `item`
/// give and the rest does not, as in JAX.
pub(crate) fn concretization(t: &Tracer) -> Error {
    if !is_live(t.trace()) {
        return unexpected_tracer(t);
    }
    err!(
        Concretization,
        "the value of a tracer was read where a concrete value is needed: {}({}). The function is being traced, so the \
         value is not known yet; return it and read it outside, or compute with it by array operations",
        t.kind_name(),
        t.aval()
    )
}

impl From<Scalar> for Array {
    fn from(x: Scalar) -> Self {
        Array(Repr::Scalar(x))
    }
}

impl From<&Array> for Array {
    fn from(x: &Array) -> Self {
        x.clone()
    }
}

/// Rust numbers, as Python's in JAX: integers and floats are weakly typed, `i32` and `f32` (`i64` and `f64` with x64 on), so
/// that `x * 2.0` keeps the dtype of `x`. Types that Python lacks are strong.
macro_rules! from_number {
    ($($t:ty: $dtype:ident $weak:literal),*) => {$(
        impl From<$t> for Array {
            fn from(value: $t) -> Self {
                let x = Scalar::from_bytes(<$t as Element>::DTYPE, &<$t as Element>::to_bytes(&[value]));
                Array(Repr::Scalar(x.convert(canonicalize(DType::$dtype)).with_weak_type($weak)))
            }
        }
    )*};
}
from_number!(i32: I64 true, i64: I64 true, f32: F64 true, f64: F64 true, bool: Bool false);
from_number!(i8: I8 false, i16: I16 false, u8: U8 false, u16: U16 false, u32: U32 false, u64: U64 false);
from_number!(F4E2M1FN: F4E2M1FN false, F8E3M4: F8E3M4 false, F8E4M3: F8E4M3 false, F8E4M3FN: F8E4M3FN false);
from_number!(F8E4M3B11FNUZ: F8E4M3B11FNUZ false, F8E4M3FNUZ: F8E4M3FNUZ false, F8E5M2: F8E5M2 false);
from_number!(F8E5M2FNUZ: F8E5M2FNUZ false, F8E8M0FNU: F8E8M0FNU false, I2: I2 false, I4: I4 false, U2: U2 false);
from_number!(U4: U4 false, bf16: BF16 false, f16: F16 false, Complex<f32>: C128 true, Complex<f64>: C128 true);

impl From<usize> for Array {
    fn from(value: usize) -> Self {
        Array(Repr::Scalar(Scalar::from_i128(canonicalize(DType::I64), value as i128).with_weak_type(true)))
    }
}

impl<T: Element> From<Vec<T>> for Array {
    #[track_caller]
    fn from(elements: Vec<T>) -> Self {
        Array::converted(&elements, [elements.len()])
    }
}

impl<T: Element> From<&[T]> for Array {
    #[track_caller]
    fn from(elements: &[T]) -> Self {
        Array::converted(elements, [elements.len()])
    }
}

impl<T: Element, const N: usize> From<[T; N]> for Array {
    #[track_caller]
    fn from(elements: [T; N]) -> Self {
        Array::converted(&elements, [N])
    }
}

impl<T: Element, const N: usize, const M: usize> From<[[T; N]; M]> for Array {
    #[track_caller]
    fn from(rows: [[T; N]; M]) -> Self {
        Array::converted(rows.as_flattened(), [M, N])
    }
}

impl<T: Element, const N: usize, const M: usize, const L: usize> From<[[[T; N]; M]; L]> for Array {
    #[track_caller]
    fn from(blocks: [[[T; N]; M]; L]) -> Self {
        Array::converted(blocks.as_flattened().as_flattened(), [L, M, N])
    }
}

impl Default for Array {
    /// A weakly typed zero, so that structs of arrays can be `Default`.
    fn default() -> Self {
        Array::from(0.0)
    }
}
