//! What a reference refers to: an array that is replaced in place. JAX: `core.Ref`.

use std::mem::replace;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::core::array::Array;
use crate::core::aval::ShapedArray;
use crate::error::{Error, Result, bail, err};

/// The referent, which the clones of a reference share.
pub(crate) struct MutableArray {
    /// That of the reference.
    pub aval: ShapedArray,
    held: Mutex<Held>,
}

/// What is in it.
pub(crate) enum Held {
    Value(Array),
    /// Nothing any more, and why.
    Gone(&'static str),
}

impl MutableArray {
    /// One that holds this array at first.
    pub(crate) fn new(value: Array) -> Self {
        MutableArray { aval: value.aval().with_ref(true), held: Mutex::new(Held::Value(value)) }
    }

    /// What is in it, which nobody else reads or writes meanwhile.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// The array.
    pub(crate) fn value(&self) -> Result<&Array> {
        match self {
            Held::Value(value) => Ok(value),
            Held::Gone(why) => Err(gone(why)),
        }
    }

    /// The array, out of its place: nothing is left until another is put there.
    pub(crate) fn take(&mut self) -> Result<Array> {
        self.value()?;
        match replace(self, Held::Gone("was given to a computation that failed")) {
            Held::Value(value) => Ok(value),
            Held::Gone(why) => bail!(Internal, "the array reference {why}"),
        }
    }
}

/// The error for a reference that refers to nothing.
#[cold]
pub(crate) fn gone(why: &str) -> Error {
    err!(InvalidArgument, "the array reference {why}: it refers to nothing any more")
}

/// The error for a reference where an array is wanted.
#[cold]
pub(crate) fn not_an_array(aval: &ShapedArray) -> Error {
    err!(
        InvalidArgument,
        "an array reference of type {aval} was used where an array is expected. Read it first, by `get(..)`"
    )
}
