//! What a file holds: arrays by name, on the host.

use std::collections::BTreeMap;
use std::fmt;

use super::names::named_leaves;
use crate::core::array::Array;
use crate::dtype::DType;
use crate::error::Result;
use crate::tree::{self, Pytree};

/// A tree's arrays on the host, so that it may be donated while they are written.
pub(super) struct Contents {
    pub arrays: BTreeMap<String, HostArray>,
    pub structure: String,
}

/// An array's elements in row-major order, as little-endian bytes.
pub(super) struct HostArray {
    pub dtype: DType,
    pub shape: Vec<usize>,
    pub data: Vec<u8>,
}

impl Contents {
    /// Waits for the values and copies them.
    ///
    /// # Errors
    /// Two arrays of one name; what an array's computation failed with.
    pub fn of<T: Pytree>(tree: &T) -> Result<Contents> {
        let mut arrays = BTreeMap::new();
        for (name, array) in named_leaves(tree)? {
            let data = array.to_bytes()?;
            arrays.insert(name, HostArray { dtype: array.dtype(), shape: array.shape().to_vec(), data });
        }
        Ok(Contents { arrays, structure: tree::structure(tree).to_string() })
    }
}

impl HostArray {
    pub fn entry(&self) -> Entry {
        Entry { dtype: Ok(self.dtype), shape: self.shape.clone() }
    }
}

/// What a file says of an array that was not read yet.
#[derive(Clone)]
pub(super) struct Entry {
    /// Else the format's name of a dtype that raxla lacks.
    pub dtype: std::result::Result<DType, String>,
    pub shape: Vec<usize>,
}

impl Entry {
    /// Is it of the shape and dtype of `array`?
    pub fn fits(&self, array: &Array) -> bool {
        self.shape == array.shape() && self.dtype.as_ref() == Ok(&array.dtype())
    }
}

/// As an aval is printed.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dtype = self.dtype.as_ref().map_or_else(String::as_str, |dtype| dtype.short_name());
        let sizes: Vec<String> = self.shape.iter().map(usize::to_string).collect();
        write!(f, "{dtype}[{}]", sizes.join(","))
    }
}
