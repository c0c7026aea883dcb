//! Shardings of the leaves of a tree.

use super::Sharding;
use crate::error::Result;
use crate::pjrt::Device;
use crate::tree::{Prefix, Token, TreeDef, from_prefixes};

/// Shardings of a tree of arrays: one for all leaves, which a device is too, or a tuple, array or `Vec` with an entry for each
/// child, whatever kind of node the tree has there. `None` says nothing.
///
/// ```
/// use raxla::{Array, device_put};
///
/// let device = raxla::devices()?.swap_remove(0);
/// let (x, y) = device_put(&(Array::from(1.0), Array::from(2.0)), (&device, None));
/// assert_eq!((x.committed()?, y.committed()?), (true, false));
/// # Ok::<(), raxla::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ShardingTree(Prefix<Sharding>);

from_prefixes!(ShardingTree, Sharding);

macro_rules! from_places {
    ($($t:ty)*) => {$(
        impl From<$t> for ShardingTree {
            fn from(place: $t) -> Self {
                ShardingTree(Prefix::All(Some(place.into())))
            }
        }
    )*};
}
from_places!(Sharding &Sharding Device &Device);

impl ShardingTree {
    /// The sharding of each leaf of a function's arguments.
    pub(crate) fn of_arguments(&self, what: &str, arguments: &[&[Token]]) -> Result<Vec<Option<Sharding>>> {
        self.0.of_arguments(what, "a sharding", arguments)
    }

    /// The sharding of each leaf of a tree.
    pub(crate) fn of_result(&self, what: &str, tree: &TreeDef) -> Result<Vec<Option<Sharding>>> {
        self.0.of_result(what, tree)
    }

    /// The shardings, as a prefix of a tree.
    pub(crate) fn prefix(&self) -> &Prefix<Sharding> {
        &self.0
    }
}
