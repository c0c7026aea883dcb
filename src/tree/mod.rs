//! Pytrees: nested values whose leaves are arrays. JAX: `jax.tree`, `jax.tree_util`.
//!
//! Transformations see a function's arguments and results as flat lists of arrays. [`Pytree`] says how a type comes
//! apart into its leaves and a [`TreeDef`] and goes together again, and the functions of this module work on any such
//! type. See [`Pytree`] for the types that are pytrees and for `#[derive(Pytree)]`.

mod any;
mod flatten;
mod impls;
mod map;
mod path;
mod prefix;
mod token;
mod treedef;

pub use any::AnyTree;
pub use flatten::{Flattener, Leaves, Pytree, Tokens, Unflattener};
pub use impls::Static;
pub use map::{
    all, broadcast, flatten_with_path, leaves, leaves_with_path, map, map_with_path, map2, map3, map4,
    reduce, reduce_associative, transpose, try_map, try_map2, try_map3, try_map4,
};
pub use path::{Path, Step};
pub(crate) use prefix::{Prefix, from_prefixes};
pub use token::{F32Bits, F64Bits, KeyToken, MapKey, NodeInfo, StaticToken, StaticValue, Token};
pub use treedef::TreeDef;
pub(crate) use treedef::{first_difference, leaf_paths};

use crate::core::array::Array;
use crate::error::Result;

/// The nodes that a derived type can be. Written by `#[derive(Pytree)]`.
#[doc(hidden)]
pub trait DerivedNodes: 'static {
    /// A struct has one, an enum as many as variants.
    const NODES: &'static [NodeInfo];
}

/// The leaves of `tree` and its structure.
pub fn flatten<T: Pytree>(tree: &T) -> (Vec<Array>, TreeDef) {
    let mut out = Flattener::new();
    tree.flatten_into(&mut out);
    out.finish()
}

/// The tree with these leaves and this structure.
///
/// # Errors
/// `tree::unflatten: expected a Vec at layers, got a leaf` if `structure` is not one of a `T`; too few or too many leaves.
pub fn unflatten<T: Pytree>(structure: &TreeDef, leaves: impl IntoIterator<Item = Array>) -> Result<T> {
    rebuild(structure, &mut leaves.into_iter())
}

/// The tree with these leaves and this structure.
#[inline]
pub(crate) fn rebuild<T: Pytree>(structure: &TreeDef, leaves: &mut dyn Iterator<Item = Array>) -> Result<T> {
    let mut src = Unflattener::new(structure.tokens(), leaves);
    let tree = T::unflatten_from(&mut src)?;
    src.finish()?;
    Ok(tree)
}

/// The structure of `tree`.
pub fn structure<T: Pytree>(tree: &T) -> TreeDef {
    flatten(tree).1
}

/// Do two trees have the same structure?
pub fn structure_eq<T: Pytree, U: Pytree>(a: &T, b: &U) -> bool {
    let (mut x, mut y) = (Flattener::new(), Flattener::new());
    a.flatten_into(&mut x);
    b.flatten_into(&mut y);
    x.tokens == y.tokens
}
