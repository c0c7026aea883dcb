//! The numbers of a tree, by their names.

use crate::core::array::Array;
use crate::dtype::DType;
use crate::error::{Result, bail};
use crate::tree::{self, Pytree};

/// The leaves of a tree by their paths.
///
/// # Errors
/// A leaf that is no scalar.
pub(super) fn named<T: Pytree>(op: &str, tree: &T) -> Result<Vec<(String, Array)>> {
    let leaves = tree::leaves_with_path(tree).into_iter().map(|(path, leaf)| {
        let name = if path.is_empty() { "loss".to_owned() } else { path.with_slashes() };
        if leaf.size() != 1 || leaf.dtype().is_complex() {
            bail!(Shape, "{op}: {name} is {}, and not one real number", leaf.aval());
        }
        Ok((name, leaf))
    });
    leaves.collect()
}

/// A number as it is read back: of the width that it has.
pub(super) enum Number {
    Single(f32),
    Double(f64),
    Integer(i128),
}

impl Number {
    /// Waits for it.
    ///
    /// # Errors
    /// What its computation failed with; a tracer.
    pub(super) fn read(name: &str, x: &Array) -> Result<Number> {
        let scalar = x.to_scalar().map_err(|e| e.context(name))?;
        Ok(match x.dtype() {
            DType::F64 => Number::Double(scalar.to_f64()),
            dtype if dtype.is_integer() || dtype == DType::Bool => Number::Integer(scalar.to_i128()),
            _ => Number::Single(scalar.to_f64() as f32),
        })
    }

    /// The nearest `f32`.
    pub(super) fn single(&self) -> f32 {
        match *self {
            Number::Single(x) => x,
            Number::Double(x) => x as f32,
            Number::Integer(n) => n as f32,
        }
    }
}
