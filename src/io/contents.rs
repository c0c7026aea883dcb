//! What a file holds: arrays by name, on the host.

use std::collections::BTreeMap;
use std::fmt;

use super::names::named_leaves;
use crate::core::array::Array;
use crate::dtype::DType;
use crate::error::{Result, bail};
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
    /// Two arrays of one name; one of `float0`, which holds nothing; what an array's computation failed with.
    pub fn of<T: Pytree>(tree: &T) -> Result<Contents> {
        let mut arrays = BTreeMap::new();
        for (name, array) in named_leaves(tree)? {
            if array.dtype() == DType::Float0 {
                bail!(
                    DType,
                    "save: {name} is {}, which has no values to write: it is the derivative with respect to an integer",
                    array.aval()
                );
            }
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
        let dtype = array.dtype();
        let is = match &self.dtype {
            Ok(own) => *own == dtype,
            Err(_) => self.is_nameless() && is_nameless(dtype),
        };
        is && self.shape == array.shape()
    }

    /// Is it of a dtype of one byte that NumPy's format has no name for? Which one, the file does not say.
    pub fn is_nameless(&self) -> bool {
        self.dtype.as_ref().is_err_and(|descr| descr.strip_prefix(['<', '>', '|', '=']) == Some(NAMELESS))
    }
}

/// What NumPy writes of dtypes of one byte that its format has no name for: those of `ml_dtypes`.
pub(super) const NAMELESS: &str = "V1";

/// Is this such a dtype?
pub(super) fn is_nameless(dtype: DType) -> bool {
    (dtype.is_small_float() && dtype != DType::F8E5M2) || dtype.is_sub_byte()
}

/// As an aval is printed.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dtype = self.dtype.as_ref().map_or_else(String::as_str, |dtype| dtype.short_name());
        let sizes: Vec<String> = self.shape.iter().map(usize::to_string).collect();
        write!(f, "{dtype}[{}]", sizes.join(","))
    }
}
