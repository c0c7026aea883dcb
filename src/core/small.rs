//! Short lists, of which tracing makes several for each equation.

use smallvec::{Array, SmallVec};

/// A list of a few things. `collect` takes two to three times as long for so few: it asks for the number, makes room and looks
/// at each place twice.
#[inline]
pub(crate) fn small<A: Array>(items: impl IntoIterator<Item = A::Item>) -> SmallVec<A> {
    let mut list = SmallVec::new();
    for item in items {
        list.push(item);
    }
    list
}

/// [`small`], up to the first error.
#[inline]
pub(crate) fn try_small<A: Array, E>(
    items: impl IntoIterator<Item = Result<A::Item, E>>,
) -> Result<SmallVec<A>, E> {
    let mut list = SmallVec::new();
    for item in items {
        list.push(item?);
    }
    Ok(list)
}

/// A list of one.
#[inline]
pub(crate) fn one<A: Array>(item: A::Item) -> SmallVec<A> {
    let mut list = SmallVec::new();
    list.push(item);
    list
}
