//! The names of a tree's leaves in a file.

use crate::core::array::Array;
use crate::error::{Result, bail};
use crate::tree::{self, Pytree};

/// The name of a leaf that is the whole tree.
pub(super) const WHOLE: &str = "value";

/// The leaves with their names.
///
/// # Errors
/// Two leaves of one name, as maps with keys that contain slashes may have.
pub(super) fn named_leaves<T: Pytree>(tree: &T) -> Result<Vec<(String, Array)>> {
    let leaves = tree::leaves_with_path(tree).into_iter().map(|(path, leaf)| {
        let name = path.with_slashes();
        (if name.is_empty() { WHOLE.to_owned() } else { name }, leaf)
    });
    let leaves: Vec<(String, Array)> = leaves.collect();
    let mut names: Vec<&str> = leaves.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        bail!(InvalidArgument, "two arrays of the tree are named {} in a file", twice[0]);
    }
    Ok(leaves)
}
