//! References to arrays that are replaced in place. JAX: `jax.ref`, `jax.new_ref`.
//!
//! An [`Array`] is a value and never changes. A [`Ref`] refers to one, and what it refers to is read and written in place, by functions
//! outside of any transformation and by compiled ones: where values are to be handed out of the middle of a program (statistics,
//! intermediate results), or kept from call to call, nothing need be passed in and out.
//!
//! ```
//! use raxla::prelude::*;
//! use raxla::{new_ref, numpy as jnp};
//!
//! let total = new_ref(jnp::zeros(3));
//! let count = jit({
//!     let total = total.clone();
//!     move |x: &Array| total.addupdate(1, x)
//! });
//! count(&Array::from(2.0f32))?;
//! count(&Array::from(3.0f32))?;
//! assert_eq!(total.get(..).to_vec::<f32>()?, [0.0, 5.0, 0.0]);
//! # Ok::<(), raxla::Error>(())
//! ```
//!
//! | JAX | raxla |
//! |---|---|
//! | `ref[...]`, `ref[i, 1:]` | [`r.get(..)`](Ref::get), `r.get((i, 1..))` |
//! | `ref[i] = x` | [`r.set(i, x)`](Ref::set) |
//! | `ref[i] += x` | [`r.addupdate(i, x)`](Ref::addupdate) |
//! | `jax.ref.swap(ref, i, x)` | [`r.swap(i, x)`](Ref::swap) |
//!
//! A function that makes a reference and uses it is pure as seen from outside, and can be transformed as any other. One that takes or
//! captures a reference is not, and for it there are rules, which are JAX's:
//!
//! - References cannot be returned by what is transformed, nor by bodies of loops and branches.
//! - The same reference can neither be passed twice to a function that is traced, nor be passed to one that has captured it.
//! - A reference is given up, by [`freeze`] or [`free_ref`], in the function that made it.
//! - Under `vmap`, only references that are mapped or were made inside are written.
//! - Under `grad`, what depends on the argument is written only to references that were made inside, or that have a tangent
//!   themselves; `stop_gradient` makes a value that can be written to others.
//! - A function that uses references of its surroundings has no gradient under [`checkpoint`](crate::checkpoint).
//!
//! Clones of a `Ref` are the same reference. It may be used on several threads; a call that is given references holds them until its
//! program is enqueued.

use std::fmt;

use crate::arguments::ShapeDtype;
use crate::core::array::Array;
use crate::core::aval::ShapedArray;
use crate::core::config::canonicalize;
use crate::core::primitive::Prim;
use crate::core::trace::{bind_at, caller};
use crate::dtype::DType;
use crate::error::{OrThrow, Result, bail, err};
use crate::lax;
use crate::numpy::{Index, IntoIndices};
use crate::signature::Arg;
use crate::state::access::{Get, Write, WriteKind, check_value};
use crate::state::create::{EmptyRef, EndRef, NewRef};
use crate::state::indexer::{AxisPart, Indexer};
use crate::tree::{Flattener, Pytree, Unflattener};

/// A reference to an array, whose elements are replaced in place. JAX: `jax.Ref`.
///
/// It is a pytree with one leaf: pass it to transformed functions as `&Ref`, alone or in trees. See [the module](crate::refs) for the
/// rules.
///
/// ```
/// use raxla::prelude::*;
/// use raxla::{Ref, new_ref, numpy as jnp};
///
/// let scale = jit(|x: &Ref, by: &Array| x.set(.., x.get(..) * by));
/// let x = new_ref(jnp::arange(3.0));
/// scale(&x, &Array::from(2.0f32))?;
/// assert_eq!(x.get(1..).to_vec::<f32>()?, [2.0, 4.0]);
/// assert_eq!(x.to_string(), "Ref([0.0 2.0 4.0], dtype=float32)");
/// # Ok::<(), raxla::Error>(())
/// ```
#[derive(Clone)]
pub struct Ref(Array);

/// A reference to an array that is `init_val` at first. JAX: `jax.new_ref`.
///
/// ```
/// use raxla::prelude::*;
/// use raxla::new_ref;
///
/// // A reference that is used inside alone: the function is pure.
/// let f = |x: &Array| {
///     let y = new_ref(0.0f32);
///     y.set(.., x * x);
///     y.get(..)
/// };
/// assert_eq!(grad(f)(&Array::from(3.0f32))?.item::<f32>()?, 6.0);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// An array that is itself a reference.
#[track_caller]
pub fn new_ref(init_val: impl Into<Array>) -> Ref {
    let init_val = init_val.into();
    if init_val.aval().is_ref() {
        throw_ref_of_ref(&init_val);
    }
    Ref(bind_one(NewRef.into(), &[&init_val]))
}

#[track_caller]
fn throw_ref_of_ref(x: &Array) -> ! {
    crate::error::throw(err!(
        InvalidArgument,
        "new_ref: a reference cannot refer to another reference, got {}",
        x.aval()
    ))
}

/// A reference to an array of this shape and dtype whose elements are to be written before they are read: until then they are
/// whatever they are. JAX: `jax.empty_ref`.
///
/// ```
/// use raxla::{DType, empty_ref};
///
/// let x = empty_ref(([2], DType::I32));
/// x.set(0, 3);
/// x.set(1, 4);
/// assert_eq!(x.get(..).to_vec::<i32>()?, [3, 4]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Negative sizes.
#[track_caller]
pub fn empty_ref(ty: impl Into<ShapeDtype>) -> Ref {
    let (shape, dtype) = ty.into().resolve("empty_ref", DType::F32).or_throw();
    let of = ShapedArray::new(canonicalize(dtype), &shape);
    Ref(bind_one(EmptyRef { of }.into(), &[]))
}

/// Gives up a reference, and gives what it refers to. JAX: `jax.freeze`.
///
/// The clones of the reference refer to nothing any more: to use one is an error.
///
/// ```
/// use raxla::prelude::*;
/// use raxla::{freeze, new_ref, numpy as jnp};
///
/// let squares = jit(|| {
///     let x = new_ref(jnp::zeros(3));
///     (0..3).for_each(|i| x.set(i, (i * i) as f32));
///     freeze(x)
/// });
/// assert_eq!(squares()?.to_vec::<f32>()?, [0.0, 1.0, 4.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `the array reference was frozen: it refers to nothing any more`; in a function that is traced, a reference that it did not make.
#[track_caller]
pub fn freeze(r#ref: Ref) -> Array {
    bind_one(EndRef::Freeze.into(), &[&r#ref.0])
}

/// Gives up a reference, and what it refers to. JAX: `jax.free_ref`.
///
/// # Errors
/// As [`freeze`].
#[track_caller]
pub fn free_ref(r#ref: Ref) {
    bind_at(&EndRef::Free.into(), &[&r#ref.0], caller()).or_throw();
}

/// [`Ref::get`]. JAX: `jax.ref.get`.
#[track_caller]
pub fn get(r#ref: &Ref, idx: impl IntoIndices) -> Array {
    r#ref.get(idx)
}

/// [`Ref::set`]. JAX: `jax.ref.set`.
#[track_caller]
pub fn set(r#ref: &Ref, idx: impl IntoIndices, value: impl Into<Array>) {
    r#ref.set(idx, value);
}

/// [`Ref::swap`]. JAX: `jax.ref.swap`.
#[track_caller]
pub fn swap(r#ref: &Ref, idx: impl IntoIndices, value: impl Into<Array>) -> Array {
    r#ref.swap(idx, value)
}

/// [`Ref::addupdate`]. JAX: `jax.ref.addupdate`.
#[track_caller]
pub fn addupdate(r#ref: &Ref, idx: impl IntoIndices, x: impl Into<Array>) {
    r#ref.addupdate(idx, x);
}

#[track_caller]
fn bind_one(prim: Prim, args: &[&Array]) -> Array {
    let out = bind_at(&prim, args, caller()).map(|mut outs| outs.pop());
    match out.or_throw() {
        Some(out) => out,
        None => crate::error::throw(err!(Internal, "{}: no result", prim.name())),
    }
}

impl Ref {
    /// What it refers to, or a part of it: `..` for all, and else what [`Array::index`] takes but new axes, masks and
    /// backward steps. JAX: `ref[idx]`.
    ///
    /// ```
    /// use raxla::{new_ref, numpy as jnp};
    ///
    /// let x = new_ref(jnp::arange(6).reshape((2, 3)));
    /// assert_eq!(x.get((1, 0..2)).to_vec::<i32>()?, [3, 4]);
    /// assert_eq!(x.get((.., -1)).to_vec::<i32>()?, [2, 5]);
    /// assert_eq!(x.get((0, [2, 0])).to_vec::<i32>()?, [2, 0]);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    ///
    /// # Errors
    /// `get: index 7 is out of bounds for axis 0 with size 3`, for positions that are known; those in arrays are moved to the edge. Too
    /// many indices; indices that are not integers; a reference that was given up.
    #[track_caller]
    pub fn get(&self, idx: impl IntoIndices) -> Array {
        let (indexer, positions) = self.indexer("get", idx.into_indices()).or_throw();
        let args: Vec<&Array> = std::iter::once(&self.0).chain(&positions).collect();
        bind_one(Get { indexer }.into(), &args)
    }

    /// Replaces what it refers to, or a part of it, by a value of the same shape and dtype. JAX: `ref[idx] = value`.
    ///
    /// ```
    /// use raxla::{new_ref, numpy as jnp};
    ///
    /// let x = new_ref(jnp::zeros((2, 2)));
    /// x.set((0, 1), 5.0);
    /// x.set(1, jnp::ones(2));
    /// assert_eq!(x.get(..).to_vec::<f32>()?, [0.0, 5.0, 1.0, 1.0]);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    ///
    /// # Errors
    /// `set: invalid shape: …`, `set: invalid dtype: …`: nothing is broadcast, nor promoted but plain numbers to another dtype of their
    /// kind. As [`get`](Self::get). Positions in arrays that are out of range are left out.
    #[track_caller]
    pub fn set(&self, idx: impl IntoIndices, value: impl Into<Array>) {
        self.written("set", WriteKind::Swap, idx.into_indices(), value.into());
    }

    /// [`set`](Self::set), and gives what was there before. JAX: `jax.ref.swap`.
    ///
    /// ```
    /// let x = raxla::new_ref([1, 2, 3]);
    /// assert_eq!(x.swap(1, 7).item::<i32>()?, 2);
    /// assert_eq!(x.get(..).to_vec::<i32>()?, [1, 7, 3]);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`set`](Self::set).
    #[track_caller]
    pub fn swap(&self, idx: impl IntoIndices, value: impl Into<Array>) -> Array {
        match self.written("swap", WriteKind::Swap, idx.into_indices(), value.into()) {
            Some(old) => old,
            None => crate::error::throw(err!(Internal, "swap: no result")),
        }
    }

    /// Adds to what it refers to, or to a part of it, several times where positions in arrays repeat. JAX: `ref[idx] += x`,
    /// `jax.ref.addupdate`.
    ///
    /// ```
    /// use raxla::{new_ref, numpy as jnp};
    ///
    /// let x = new_ref(jnp::zeros(3));
    /// x.addupdate([0, 2, 2], jnp::ones(3));
    /// assert_eq!(x.get(..).to_vec::<f32>()?, [1.0, 0.0, 2.0]);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`set`](Self::set).
    #[track_caller]
    pub fn addupdate(&self, idx: impl IntoIndices, x: impl Into<Array>) {
        self.written("addupdate", WriteKind::AddUpdate, idx.into_indices(), x.into());
    }

    #[track_caller]
    fn written(&self, name: &str, kind: WriteKind, idx: Vec<Index>, value: Array) -> Option<Array> {
        let (indexer, positions) = self.indexer(name, idx).or_throw();
        let value = cast(value, self.dtype());
        let avals: Vec<ShapedArray> = positions.iter().map(Array::aval).collect();
        check_value(name, &indexer, &self.aval(), &value.aval(), &avals).or_throw();
        let args: Vec<&Array> = [&self.0, &value].into_iter().chain(&positions).collect();
        bind_at(&Write { kind, indexer }.into(), &args, caller()).or_throw().pop()
    }

    /// The type of the reference, which prints as in JAX: `Ref{f32[3]}`.
    pub fn aval(&self) -> ShapedArray {
        self.0.aval()
    }

    /// The shape of what it refers to.
    pub fn shape(&self) -> &[usize] {
        self.0.shape()
    }

    /// The dtype of what it refers to.
    pub fn dtype(&self) -> DType {
        self.0.dtype()
    }

    /// The number of axes of what it refers to.
    pub fn ndim(&self) -> usize {
        self.0.ndim()
    }

    /// The number of elements of what it refers to.
    pub fn size(&self) -> usize {
        self.0.size()
    }

    /// The index for this reference, and the arrays in it.
    fn indexer(&self, name: &str, idx: Vec<Index>) -> Result<(Indexer, Vec<Array>)> {
        let shape = self.shape();
        let ellipses = idx.iter().filter(|i| matches!(i, Index::Ellipsis)).count();
        let named = idx.len() - ellipses;
        if ellipses > 1 {
            bail!(InvalidArgument, "{name}: an index can have one `..`, got {ellipses}");
        }
        if named > shape.len() {
            bail!(
                Shape,
                "{name}: too many indices: {} is {}-dimensional, but {named} were indexed",
                self.aval(),
                shape.len()
            );
        }
        if named == 0 {
            return Ok((Indexer::whole(), Vec::new()));
        }
        let (mut axes, mut positions): (Vec<AxisPart>, Vec<Array>) = Default::default();
        for index in idx {
            let axis = axes.len();
            match index {
                Index::Ellipsis => {
                    axes.extend(shape[axis..axis + shape.len() - named].iter().map(|n| AxisPart::whole(*n)));
                }
                Index::Int(i) => axes.push(self.at(name, i, axis)?),
                Index::Slice { start, stop, step } => axes.push(slice(name, start, stop, step, shape[axis])?),
                Index::Array(i) if i.dtype().is_integer() && i.ndim() == 0 && !i.is_tracer() => {
                    axes.push(self.at(name, i.item::<i64>()?, axis)?);
                }
                Index::Array(i) if i.dtype().is_integer() => {
                    axes.push(AxisPart::Positions);
                    positions.push(i);
                }
                Index::Array(i) => bail!(
                    DType,
                    "{name}: a reference is indexed by integers, got an array of type {}; read all of it and index that",
                    i.aval()
                ),
                _ => bail!(InvalidArgument, "{name}: a reference cannot be indexed with a new axis"),
            }
        }
        axes.extend(shape[axes.len()..].iter().map(|n| AxisPart::whole(*n)));
        Ok((Indexer::new(axes), positions))
    }

    fn at(&self, name: &str, i: i64, axis: usize) -> Result<AxisPart> {
        let n = self.shape()[axis] as i64;
        if !(-n..n).contains(&i) {
            bail!(
                Shape,
                "{name}: index {i} is out of bounds for axis {axis} with size {n} of {}",
                self.aval()
            );
        }
        Ok(AxisPart::At(i))
    }
}

fn slice(name: &str, start: Option<i64>, stop: Option<i64>, step: i64, of: usize) -> Result<AxisPart> {
    let Some(stride) = usize::try_from(step).ok().filter(|stride| *stride > 0) else {
        bail!(InvalidArgument, "{name}: slice must have a step >= 1 (found: {step})");
    };
    let n = of as i64;
    let wrap = |i: i64| (if i < 0 { i + n } else { i }).clamp(0, n);
    let (start, stop) = (start.map_or(0, wrap), stop.map_or(n, wrap));
    let size = ((stop - start).max(0) as usize).div_ceil(stride);
    Ok(AxisPart::Slice { start: start as usize, size, stride, of })
}

/// A plain number in another dtype of its kind. JAX: `_maybe_implicit_cast`.
fn cast(value: Array, dtype: DType) -> Array {
    let own = value.dtype();
    let same_kind = (own.is_float() && dtype.is_float()) || (own.is_integer() && dtype.is_integer());
    if value.weak_type() && same_kind { lax::convert(&value, dtype, false) } else { value }
}

/// `Ref([0.0 2.0 0.0], dtype=float32)`; of a reference of a trace, its type.
impl fmt::Display for Ref {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Ref {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Pytree for Ref {
    #[inline]
    fn flatten_into(&self, out: &mut Flattener) {
        out.leaf(&self.0);
    }
    fn unflatten_from(src: &mut Unflattener<'_>) -> Result<Self> {
        let leaf = src.leaf()?;
        if !leaf.aval().is_ref() {
            bail!(
                TreeMismatch,
                "tree::unflatten: expected an array reference, got an array of type {}",
                leaf.aval()
            );
        }
        Ok(Ref(leaf))
    }
}

impl Arg for Ref {
    type Tree = Ref;
    type Item<'a> = Ref;
    const DONATED: bool = false;

    fn flatten_into(item: Ref, out: &mut Flattener) {
        Pytree::flatten_into(&item, out);
    }
    fn lend(slot: &mut Option<Ref>) -> Result<Ref> {
        slot.take().ok_or_else(crate::signature::taken)
    }
}
