//! Keys: the state of the generator, explicit and immutable. JAX: `jax.random.key`, `prng.PRNGKeyArray`.

use std::fmt;

use super::sampler::{random_split, sizes};
use crate::arguments::{Dims, options};
use crate::core::array::{Array, Repr};
use crate::core::config::{PrngImpl, canonicalize, debug_key_reuse, default_prng_impl};
use crate::core::key_reuse;
use crate::core::trace::{caller, with_location};
use crate::dtype::DType;
use crate::error::throw;
use crate::lax;
use raxla_derive::Pytree;

/// A key of the generator, or an array of keys. Draws with one key are always the same: use each key once, and
/// [`split`] it for more.
///
/// It is a pytree with one leaf, the words of the keys (`u32[..., 2]`, or `u32[..., 4]` of those that [`PrngImpl::Rbg`] and
/// [`PrngImpl::UnsafeRbg`] make bits of), so keys go through `jit` and `vmap` like arrays. How bits are made of it is part of its structure:
/// keys of two kinds are never mixed.
///
/// ```
/// use raxla::random;
///
/// let key = random::key(42);
/// let [x_key, y_key] = random::split(&key);
/// let x = random::normal(&x_key, [3]);
/// assert_eq!(random::normal(&x_key, [3]).to_vec::<f32>()?, x.to_vec::<f32>()?);
/// # let _ = y_key;
/// # Ok::<(), raxla::Error>(())
/// ```
#[derive(Clone, Pytree)]
pub struct Key {
    data: Array,
    #[pytree(static)]
    of: PrngImpl,
}

/// A key from a seed, an integer of any dtype: `[seed >> 32, seed & 0xffffffff]`. While x64 is off, the seed is first
/// narrowed to 32 bits. Bits are made of it as [`set_default_prng_impl`](crate::config::set_default_prng_impl) says, by Threefry unless it
/// was called.
///
/// # Errors
/// `PRNG key seed must be an integer; got f32`; a seed that is no scalar.
#[track_caller]
pub fn key(seed: impl Into<Array>) -> Key {
    seeded(seed.into(), default_prng_impl())
}

options! {
    /// Options of [`key_with`].
    pub struct KeyOptions {
        /// How bits are made of the key; as the setting `default_prng_impl` says unless it is given.
        impl_: optional PrngImpl,
    }
}

/// [`key`], of which bits are made in another way.
///
/// ```
/// use raxla::random::{self, KeyOptions, PrngImpl};
///
/// let key = random::key_with(42, KeyOptions::new().impl_(PrngImpl::Rbg));
/// assert_eq!(random::key_data(&key).to_vec::<u32>()?, [0, 42, 0, 42]);
/// assert_eq!(random::normal(&key, [3]).shape(), [3]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`key`].
#[track_caller]
pub fn key_with(seed: impl Into<Array>, options: KeyOptions) -> Key {
    seeded(seed.into(), options.impl_.unwrap_or_else(default_prng_impl))
}

#[track_caller]
fn seeded(seed: Array, of: PrngImpl) -> Key {
    let half = threefry_seed(&seed);
    let words = if of.words() == 2 { half } else { lax::concatenate([&half, &half], 0) };
    Key { data: lax::random_wrap(words), of }
}

#[track_caller]
fn threefry_seed(seed: &Array) -> Array {
    if seed.ndim() != 0 {
        throw!(InvalidArgument, "PRNG key seed must be a scalar; got {}", seed.aval());
    }
    if !seed.dtype().is_integer() {
        throw!(InvalidArgument, "PRNG key seed must be an integer; got {}", seed.dtype());
    }
    let wide = canonicalize(seed.dtype()).bits() == 64;
    if let Repr::Scalar(x) = &seed.0 {
        let bits = x.to_i128() as u64;
        let high = if wide { (bits >> 32) as u32 } else { 0 };
        return Array::from([high, bits as u32]);
    }
    let low = lax::convert_element_type(seed, DType::U32);
    let high = if wide {
        let by = lax::full_like(seed, 32.0);
        lax::convert_element_type(&lax::shift_right_logical(seed, &by), DType::U32)
    } else {
        lax::zeros_like(&low)
    };
    lax::stack(&[high, low], 0)
}

/// [`key`], by JAX's older name: a [`Key`] too.
///
/// # Errors
/// As [`key`].
#[allow(non_snake_case, reason = "JAX's name")]
#[track_caller]
pub fn PRNGKey(seed: impl Into<Array>) -> Key {
    key(seed)
}

/// The same keys, for draws that shall be those that were made with them before: while
/// [`debug_key_reuse`](crate::config::set_debug_key_reuse) is on, they count as others.
///
/// ```
/// use raxla::{config, random};
///
/// config::with_debug_key_reuse(true, || {
///     let key = random::key(42);
///     let again = random::clone(&key);
///     let difference = random::normal(&key, ()) - random::normal(&again, ());
///     assert_eq!(difference.item::<f32>()?, 0.0);
///     Ok::<(), raxla::Error>(())
/// })
/// # .unwrap();
/// ```
#[track_caller]
pub fn clone(key: &Key) -> Key {
    Key { data: lax::random_clone(&key.data), of: key.of }
}

/// How bits are made of these keys.
///
/// ```
/// use raxla::random::{self, PrngImpl};
///
/// assert_eq!(random::key_impl(&random::key(42)), PrngImpl::Threefry2x32);
/// ```
#[track_caller]
pub fn key_impl(keys: &Key) -> PrngImpl {
    keys.of
}

/// Keys from their words, `u32[..., 2]` if bits are made by Threefry, as they are unless the setting `default_prng_impl` says otherwise.
///
/// ```
/// use raxla::random;
/// let key = random::wrap_key_data(raxla::Array::from([0u32, 42]));
/// assert_eq!(random::key_data(&key).to_vec::<u32>()?, random::key_data(&random::key(42)).to_vec::<u32>()?);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `wrap_key_data: keys of threefry2x32 are u32 with a last axis of size 2, got u32[4]`.
#[track_caller]
pub fn wrap_key_data(data: impl Into<Array>) -> Key {
    wrapped(data.into(), default_prng_impl())
}

options! {
    /// Options of [`wrap_key_data_with`].
    pub struct WrapKeyDataOptions {
        /// How bits are made of the keys; as the setting `default_prng_impl` says unless it is given.
        impl_: optional PrngImpl,
    }
}

/// [`wrap_key_data`] of keys of which bits are made in another way.
///
/// ```
/// use raxla::random::{self, PrngImpl, WrapKeyDataOptions};
///
/// let key = random::wrap_key_data_with([0u32, 1, 2, 3], WrapKeyDataOptions::new().impl_(PrngImpl::Rbg));
/// assert_eq!(random::key_impl(&key), PrngImpl::Rbg);
/// ```
///
/// # Errors
/// As [`wrap_key_data`].
#[track_caller]
pub fn wrap_key_data_with(data: impl Into<Array>, options: WrapKeyDataOptions) -> Key {
    wrapped(data.into(), options.impl_.unwrap_or_else(default_prng_impl))
}

#[track_caller]
fn wrapped(data: Array, of: PrngImpl) -> Key {
    if data.dtype() != DType::U32 || data.shape().last() != Some(&of.words()) {
        let (words, got) = (of.words(), data.aval());
        throw!(
            InvalidArgument,
            "wrap_key_data: keys of {of} are u32 with a last axis of size {words}, got {got}"
        );
    }
    Key { data: lax::random_wrap(data), of }
}

/// The words of a key or of an array of keys, `u32[..., 2]` or `u32[..., 4]`.
#[track_caller]
pub fn key_data(keys: &Key) -> Array {
    lax::random_unwrap(&keys.data)
}

impl Key {
    /// The shape of an array of keys; empty for one key.
    pub fn shape(&self) -> &[usize] {
        let shape = self.data.shape();
        &shape[..shape.len().saturating_sub(1)]
    }

    /// Number of keys along the first axis; 1 for one key.
    pub fn len(&self) -> usize {
        self.shape().first().copied().unwrap_or(1)
    }

    /// Is it an array without keys?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Key `index` (from the end if negative) along the first axis of an array of keys.
    ///
    /// # Errors
    /// One key has no axis; an index out of range.
    #[track_caller]
    pub fn at(&self, index: i64) -> Key {
        if self.shape().is_empty() {
            throw!(Shape, "a single key cannot be indexed: split it first");
        }
        if debug_key_reuse() {
            key_reuse::mark(&self.data);
        }
        Key { data: lax::index_along(&self.data, index, 0), of: self.of }
    }

    /// The keys along the first axis, one after the other. JAX: iteration over an array of keys.
    ///
    /// ```
    /// use raxla::random::{self, SplitOptions};
    ///
    /// let keys = random::split_with(&random::key(42), SplitOptions::new().num(3));
    /// let draws: Vec<_> = keys.iter().map(|key| random::normal(&key, ())).collect();
    /// assert_eq!(draws.len(), 3);
    /// ```
    ///
    /// # Errors
    /// One key has no axis.
    #[track_caller]
    pub fn iter(&self) -> std::vec::IntoIter<Key> {
        if self.shape().is_empty() {
            throw!(Shape, "a single key has no keys to iterate over: split it first");
        }
        let keys: Vec<Key> = (0..self.len() as i64).map(|i| self.at(i)).collect();
        keys.into_iter()
    }

    /// Words as keys of this kind.
    pub(super) fn of_words(of: PrngImpl, data: Array) -> Key {
        Key { data, of }
    }

    /// The key at a position along the first axis, which may be traced.
    #[track_caller]
    pub(crate) fn at_index(&self, index: &Array) -> Key {
        Key::of_words(self.of, lax::dynamic_index_along(&self.data, index, 0))
    }

    pub(crate) fn is_traced(&self) -> bool {
        self.data.is_tracer()
    }

    /// How bits are made of it.
    pub(super) fn of(&self) -> PrngImpl {
        self.of
    }

    /// The words of the keys.
    pub(super) fn words(&self) -> &Array {
        &self.data
    }

    /// It, if it is one key: what draws from one key accept.
    #[track_caller]
    pub(crate) fn single(&self, name: &str) -> &Key {
        if !self.shape().is_empty() {
            throw!(
                Shape,
                "{name} accepts a single key, but was given a key array of shape {} != (). Use vmap for batching",
                lax::elementwise::tuple(self.shape())
            );
        }
        self
    }
}

/// The keys of an array of keys: `for key in &keys { … }`.
impl IntoIterator for Key {
    type Item = Key;
    type IntoIter = std::vec::IntoIter<Key>;
    #[track_caller]
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// The keys of an array of keys.
impl IntoIterator for &Key {
    type Item = Key;
    type IntoIter = std::vec::IntoIter<Key>;
    #[track_caller]
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// As JAX prints it: `Array((), dtype=key<fry>) overlaying:` and the words.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape = lax::elementwise::tuple(self.shape());
        let tag = self.of.tag();
        if self.data.is_tracer() {
            return write!(f, "{}<key<{tag}>{shape}>", self.data);
        }
        write!(f, "Array({shape}, dtype=key<{tag}>) overlaying:\n{}", self.data)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// New keys from one, as many as the array on the left says; [`split_with`] gives an array of keys.
///
/// ```
/// use raxla::random;
///
/// let [x_key, y_key, z_key] = random::split(&random::key(42));
/// # let _ = (x_key, y_key, z_key);
/// ```
///
/// # Errors
/// `split accepts a single key, but was given a key array of shape (3,) != ()`.
#[track_caller]
pub fn split<const N: usize>(key: &Key) -> [Key; N] {
    let keys = random_split(key.single("split"), &[N]);
    let loc = caller();
    std::array::from_fn(|i| with_location(loc, || keys.at(i as i64)))
}

options! {
    /// Options of [`split_with`].
    pub struct SplitOptions {
        /// How many keys, or the shape of the array of keys.
        num: into Dims = 2,
    }
}

/// An array of new keys, for [`vmap`](crate::vmap), `scan` or a loop: its number is known when the program runs. JAX:
/// `random.split(key, num)`.
///
/// ```
/// use raxla::random::{self, Key, SplitOptions};
///
/// let keys = random::split_with(&random::key(42), SplitOptions::new().num(3));
/// assert_eq!(raxla::vmap(|key: &Key| random::normal(key, [2]))(&keys)?.shape(), [3, 2]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`split`].
#[track_caller]
pub fn split_with(key: &Key, options: SplitOptions) -> Key {
    random_split(key.single("split"), &sizes("split", &options.num))
}

/// A new key from a key and an integer, which is taken modulo 2³².
///
/// # Errors
/// `fold_in accepts a single key, but was given a key array of shape (3,) != ()`; data that is no integer scalar.
#[track_caller]
pub fn fold_in(key: &Key, data: impl Into<Array>) -> Key {
    let data = data.into();
    if data.ndim() != 0 || data.dtype().is_inexact() {
        throw!(Shape, "fold_in accepts a single integer, but was given {}", data.aval());
    }
    let data = lax::convert_element_type(&data, DType::U32);
    let key = key.single("fold_in");
    Key { data: lax::random_fold_in(key.of, &key.data, &data), of: key.of }
}
