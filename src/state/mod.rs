//! Layer 5: the primitives of references to arrays that are replaced in place. JAX: `jax._src.state`.
//!
//! A reference is a leaf as an array is, of a type of its own (`ShapedArray::is_ref`), and has no value: what it refers to is read and
//! written by the primitives of this module, which say so by their effects. Outside of any trace it is a `MutableArray`, in a trace a
//! variable. Before anything is lowered, `interpreters::discharge` puts arrays in the place of references.

pub(crate) mod access;
pub(crate) mod create;
pub(crate) mod indexer;
#[cfg(test)]
mod tests;

use smallvec::SmallVec;

use crate::core::array::Array;
use crate::core::aval::ShapedArray;
use crate::core::primitive::{Arrays, Discharged, RefUpdate};
use crate::error::{Error, Result, bail, err};

/// What the discharge of an equation gives that does this to its first operand, a reference, and nothing to its others.
fn discharged(outs: impl IntoIterator<Item = Array>, operands: usize, update: RefUpdate) -> Discharged {
    let mut refs: SmallVec<[RefUpdate; 2]> = SmallVec::from_elem(RefUpdate::Unchanged, operands);
    if let Some(first) = refs.first_mut() {
        *first = update;
    }
    Discharged { outs: outs.into_iter().collect::<Arrays>(), refs }
}

/// Refuses what is no reference.
fn check_ref(name: &str, aval: &ShapedArray) -> Result<()> {
    if !aval.is_ref() {
        bail!(InvalidArgument, "{name}: must be called on an array reference, got {aval}");
    }
    Ok(())
}

/// The error of lowering what should have been discharged.
#[cold]
fn not_discharged(name: &str) -> Error {
    err!(Internal, "{name}: an array reference was not discharged before it was lowered")
}
