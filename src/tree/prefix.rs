//! Trees of values that belong to the leaves of another tree, of which they have the upper part. JAX: `api_util.flatten_axes`.

use std::fmt;

use super::{Pytree, Token, TreeDef, flatten, unflatten};
use crate::core::array::Array;
use crate::error::{Result, bail};

/// One value for all leaves of a tree, or a list with an entry for each child of its root, whatever kind of node the tree has there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Prefix<T> {
    All(Option<T>),
    Node(Vec<Prefix<T>>),
}

impl<T: Copy + fmt::Display> Prefix<T> {
    /// Appends the value of each leaf of the tree at the front of `tokens`, which is taken off; false if the tree has another
    /// form.
    pub(crate) fn of_leaves(&self, tokens: &mut &[Token], out: &mut Vec<Option<T>>) -> bool {
        let Some((first, rest)) = tokens.split_first() else { return false };
        *tokens = rest;
        match self {
            Prefix::All(value) => {
                if *first == Token::Leaf {
                    out.push(*value);
                }
                (0..first.arity()).all(|_| self.of_leaves(tokens, out))
            }
            Prefix::Node(values) => {
                // A list of no values is no value of a leaf.
                *first != Token::Leaf
                    && values.len() == first.arity()
                    && values.iter().all(|value| value.of_leaves(tokens, out))
            }
        }
    }

    /// The value of each leaf of a function's arguments, for each of which a list has an entry. `what` names it: `vmap in_axes`,
    /// and `one` says what it may be besides a tuple.
    pub(crate) fn of_arguments(
        &self,
        what: &str,
        one: &str,
        arguments: &[&[Token]],
    ) -> Result<Vec<Option<T>>> {
        let mut found = Vec::new();
        let entries: Vec<&Prefix<T>> = match self {
            Prefix::All(_) => vec![self; arguments.len()],
            Prefix::Node(entries) if entries.len() == arguments.len() => entries.iter().collect(),
            Prefix::Node(entries) => bail!(
                InvalidArgument,
                "{what} must be {one}, None, or a tuple with an entry for each argument, but {self} has {} for {} arguments",
                entries.len(),
                arguments.len()
            ),
        };
        for (i, (entry, tokens)) in entries.into_iter().zip(arguments).enumerate() {
            if !entry.of_leaves(&mut { *tokens }, &mut found) {
                bail!(
                    InvalidArgument,
                    "{what} must be a tree prefix of the arguments, but argument {i} has {entry} for {}",
                    TreeDef::from_tokens(tokens)
                );
            }
        }
        Ok(found)
    }

    /// The value of each leaf of a result.
    pub(crate) fn of_result(&self, what: &str, tree: &TreeDef) -> Result<Vec<Option<T>>> {
        let mut found = Vec::new();
        if !self.of_leaves(&mut tree.tokens(), &mut found) {
            bail!(InvalidArgument, "{what} must be a tree prefix of the result, but it is {self} for {tree}");
        }
        Ok(found)
    }

    /// The tree that `f` makes of the arrays that have a value; those without stay as they are.
    pub(crate) fn map<P: Pytree>(
        &self,
        what: &str,
        tree: &P,
        f: impl Fn(&Array, T) -> Result<Array>,
    ) -> Result<P> {
        let (mut leaves, structure) = flatten(tree);
        for (x, value) in leaves.iter_mut().zip(self.of_result(what, &structure)?) {
            if let Some(value) = value {
                *x = f(x, value)?;
            }
        }
        unflatten(&structure, leaves)
    }
}

/// As JAX writes them: `(0, (None, 1))`.
impl<T: fmt::Display> fmt::Display for Prefix<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Prefix::All(None) => f.write_str("None"),
            Prefix::All(Some(value)) => value.fmt(f),
            Prefix::Node(values) => {
                let list: Vec<String> = values.iter().map(ToString::to_string).collect();
                let comma = if list.len() == 1 { "," } else { "" };
                write!(f, "({}{comma})", list.join(", "))
            }
        }
    }
}

/// Makes a type around a [`Prefix`] of what tuples, arrays and lists of values that become one are.
macro_rules! from_prefixes {
    ($name:ident, $t:ty) => {
        // Not of any, or else `None` would not say of which.
        impl From<Option<$t>> for $name {
            fn from(value: Option<$t>) -> Self {
                $name($crate::tree::Prefix::All(value))
            }
        }
        impl<A: Into<$name>, const N: usize> From<[A; N]> for $name {
            fn from(values: [A; N]) -> Self {
                values.into_iter().collect()
            }
        }
        impl<A: Into<$name>> From<Vec<A>> for $name {
            fn from(values: Vec<A>) -> Self {
                values.into_iter().collect()
            }
        }
        impl<A: Into<$name>> FromIterator<A> for $name {
            fn from_iter<I: IntoIterator<Item = A>>(values: I) -> Self {
                $name($crate::tree::Prefix::Node(values.into_iter().map(|value| value.into().0).collect()))
            }
        }
        impl From<()> for $name {
            fn from((): ()) -> Self {
                $name($crate::tree::Prefix::Node(Vec::new()))
            }
        }
        $crate::tree::from_prefixes! { @tuples $name: A; A B; A B C; A B C D; A B C D E; A B C D E F; A B C D E F G; A B C D E F G H }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
    (@tuples $name:ident: $($($A:ident)+);*) => {$(
        impl<$($A: Into<$name>),+> From<($($A,)+)> for $name {
            #[allow(non_snake_case, reason = "the variables have the names of their types")]
            fn from(($($A,)+): ($($A,)+)) -> Self {
                $name($crate::tree::Prefix::Node(vec![$($A.into().0),+]))
            }
        }
    )*};
}
pub(crate) use from_prefixes;
