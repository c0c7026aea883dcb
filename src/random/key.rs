//! Keys: the state of the generator, explicit and immutable. JAX: `jax.random.key`, `prng.PRNGKeyArray`.

use std::fmt;

use crate::core::array::{Array, Repr};
use crate::core::aval::Shape;
use crate::core::config::canonicalize;
use crate::dtype::DType;
use crate::error::{Error, ErrorKind, throw};
use crate::lax;
use raxla_derive::Pytree;

/// A key of the generator, or an array of keys. Draws with one key are always the same: use each key once, and
/// [`split`] it for more.
///
/// It is a pytree with one leaf, the words of the keys (`u32[..., 2]`), so keys go through `jit` and `vmap` like arrays.
///
/// ```
/// use raxla::random;
///
/// let key = random::key(42);
/// let (x_key, y_key) = random::split(&key);
/// let x = random::normal(&x_key, [3]);
/// assert_eq!(random::normal(&x_key, [3]).to_vec::<f32>()?, x.to_vec::<f32>()?);
/// # let _ = y_key;
/// # Ok::<(), raxla::Error>(())
/// ```
#[derive(Clone, Pytree)]
pub struct Key {
    data: Array,
}

/// A key from a seed, an integer of any dtype: `[seed >> 32, seed & 0xffffffff]`. While x64 is off, the seed is first
/// narrowed to 32 bits.
///
/// # Errors
/// `PRNG key seed must be an integer; got float32`; a seed that is no scalar.
#[track_caller]
pub fn key(seed: impl Into<Array>) -> Key {
    let seed = seed.into();
    let fail = |message: String| -> ! { throw(Error::new(ErrorKind::InvalidArgument, message)) };
    if seed.ndim() != 0 {
        fail(format!("PRNG key seed must be a scalar; got {}", seed.aval()));
    }
    if !seed.dtype().is_integer() {
        fail(format!("PRNG key seed must be an integer; got {}", seed.dtype().name()));
    }
    let wide = canonicalize(seed.dtype()).bits() == 64;
    if let Repr::Scalar(x) = &seed.0 {
        let bits = x.to_i128() as u64;
        let high = if wide { (bits >> 32) as u32 } else { 0 };
        return Key { data: Array::from([high, bits as u32]) };
    }
    let low = lax::convert_element_type(&seed, DType::U32);
    let high = if wide {
        let by = lax::full_like(&seed, 32.0);
        lax::convert_element_type(&lax::shift_right_logical(&seed, &by), DType::U32)
    } else {
        lax::zeros_like(&low)
    };
    Key { data: lax::stack(&[high, low], 0) }
}

impl Key {
    /// Keys from their words, `u32[..., 2]`. JAX: `wrap_key_data`.
    ///
    /// # Errors
    /// Another dtype or last axis.
    #[track_caller]
    pub fn wrap_key_data(data: &Array) -> Key {
        if data.dtype() != DType::U32 || data.shape().last() != Some(&2) {
            let message =
                format!("wrap_key_data: keys are uint32 with a last axis of size 2, got {}", data.aval());
            throw(Error::new(ErrorKind::InvalidArgument, message));
        }
        Key { data: data.clone() }
    }

    /// The words, `u32[..., 2]`. JAX: `key_data`.
    pub fn key_data(&self) -> &Array {
        &self.data
    }

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
            throw(Error::new(ErrorKind::Shape, "a single key cannot be indexed: split it first"));
        }
        Key { data: lax::index_in_dim(&self.data, index, 0, false) }
    }

    /// The keys along the first axis. JAX: iteration over an array of keys.
    #[track_caller]
    pub fn unstack(&self) -> Vec<Key> {
        if self.shape().is_empty() {
            throw(Error::new(ErrorKind::Shape, "a single key has no keys to iterate over: split it first"));
        }
        (0..self.len() as i64).map(|i| self.at(i)).collect()
    }

    /// The words, if it is one key: what draws from one key accept.
    #[track_caller]
    pub(crate) fn single(&self, name: &str) -> &Array {
        if !self.shape().is_empty() {
            let message = format!(
                "{name} accepts a single key, but was given a key array of shape {} != (). Use vmap for batching",
                lax::elementwise::tuple(self.shape())
            );
            throw(Error::new(ErrorKind::Shape, message));
        }
        &self.data
    }
}

/// The keys of an array of keys: `for key in random::split_n(&key, 3) { … }`.
impl IntoIterator for Key {
    type Item = Key;
    type IntoIter = std::vec::IntoIter<Key>;
    #[track_caller]
    fn into_iter(self) -> Self::IntoIter {
        self.unstack().into_iter()
    }
}

/// The keys of an array of keys.
impl IntoIterator for &Key {
    type Item = Key;
    type IntoIter = std::vec::IntoIter<Key>;
    #[track_caller]
    fn into_iter(self) -> Self::IntoIter {
        self.unstack().into_iter()
    }
}

/// As JAX prints it: `Array((), dtype=key<fry>) overlaying:` and the words.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape = lax::elementwise::tuple(self.shape());
        if self.data.is_tracer() {
            return write!(f, "{}<key<fry>{shape}>", self.data);
        }
        write!(f, "Array({shape}, dtype=key<fry>) overlaying:\n{}", self.data)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Two new keys from one. JAX: `random.split(key)`; [`split_n`] gives any number.
///
/// # Errors
/// `split accepts a single key, but was given a key array of shape (3,) != ()`.
#[track_caller]
pub fn split(key: &Key) -> (Key, Key) {
    let keys = Key { data: lax::random_split(key.single("split"), &[2]) };
    (keys.at(0), keys.at(1))
}

/// An array of `num` new keys. JAX: `random.split(key, num)`.
///
/// # Errors
/// As [`split`].
#[track_caller]
pub fn split_n(key: &Key, num: usize) -> Key {
    Key { data: lax::random_split(key.single("split"), &[num]) }
}

/// New keys as a Rust array: `let [a, b, c] = random::split_into(&key);`.
///
/// # Errors
/// As [`split`].
#[track_caller]
pub fn split_into<const N: usize>(key: &Key) -> [Key; N] {
    let keys = split_n(key, N);
    std::array::from_fn(|i| keys.at(i as i64))
}

/// A new key from a key and an integer, which is taken modulo 2³².
///
/// # Errors
/// `fold_in accepts a single key, but was given a key array of shape (3,) != ()`; data that is no integer scalar.
#[track_caller]
pub fn fold_in(key: &Key, data: impl Into<Array>) -> Key {
    let data = data.into();
    if data.ndim() != 0 || data.dtype().is_inexact() {
        let message = format!("fold_in accepts a single integer, but was given {}", data.aval());
        throw(Error::new(ErrorKind::Shape, message));
    }
    let data = lax::convert_element_type(&data, DType::U32);
    Key { data: lax::random_fold_in(key.single("fold_in"), &data) }
}

/// A shape as an argument: `()`, `[2, 3]`, a slice or a `Vec`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Dims(pub(crate) Shape);

impl From<()> for Dims {
    fn from((): ()) -> Self {
        Dims(Shape::new())
    }
}
impl<const N: usize> From<[usize; N]> for Dims {
    fn from(shape: [usize; N]) -> Self {
        Dims(Shape::from_slice(&shape))
    }
}
impl<const N: usize> From<&[usize; N]> for Dims {
    fn from(shape: &[usize; N]) -> Self {
        Dims(Shape::from_slice(shape))
    }
}
impl From<&[usize]> for Dims {
    fn from(shape: &[usize]) -> Self {
        Dims(Shape::from_slice(shape))
    }
}
impl From<Vec<usize>> for Dims {
    fn from(shape: Vec<usize>) -> Self {
        Dims(shape.into())
    }
}
impl From<&Vec<usize>> for Dims {
    fn from(shape: &Vec<usize>) -> Self {
        Dims(Shape::from_slice(shape))
    }
}
impl From<Shape> for Dims {
    fn from(shape: Shape) -> Self {
        Dims(shape)
    }
}
