//! [`Params`] and [`State`]: arrays by the names of the layers that they belong to. Flax: `variables['params']`.

use std::collections::BTreeMap;
use std::collections::btree_map;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crate::core::array::Array;
use crate::error::{Result, bail};
use crate::signature::{Arg, taken};
use crate::tree::{Flattener, Pytree, Token, Unflattener};

/// Arrays in nested maps, each by its path: `decoder/block_3/attention/query/kernel`.
///
/// It is a pytree of nested maps, in the order of the names, as Flax's dictionaries are.
#[derive(Clone, Default)]
pub struct NamedTree {
    children: BTreeMap<Arc<str>, Node>,
}

#[derive(Clone)]
enum Node {
    Leaf(Array),
    Branch(NamedTree),
}

impl NamedTree {
    /// The array at a path.
    ///
    /// ```
    /// use raxla::{Array, nn::Params};
    ///
    /// let mut params = Params::default();
    /// params.set("fc1/bias", Array::from([0.0f32, 0.0]))?;
    /// assert_eq!(params.get("fc1/bias").map(Array::shape), Some(&[2][..]));
    /// assert!(params.get("fc1/kernel").is_none());
    /// # Ok::<(), raxla::Error>(())
    /// ```
    pub fn get(&self, path: &str) -> Option<&Array> {
        match self.node(path)? {
            Node::Leaf(array) => Some(array),
            Node::Branch(_) => None,
        }
    }

    fn node(&self, path: &str) -> Option<&Node> {
        match path.split_once('/') {
            None => self.children.get(path),
            Some((name, rest)) => match self.children.get(name)? {
                Node::Branch(tree) => tree.node(rest),
                Node::Leaf(_) => None,
            },
        }
    }

    /// Puts an array at a path, in place of the one that is there.
    ///
    /// # Errors
    /// A path that leads through an array, or to a layer.
    pub fn set(&mut self, path: &str, array: Array) -> Result<()> {
        let (mut tree, mut rest) = (self, path);
        while let Some((name, below)) = rest.split_once('/') {
            let node = tree.children.entry(name.into()).or_insert_with(|| Node::Branch(NamedTree::default()));
            let Node::Branch(next) = node else {
                bail!(TreeMismatch, "{path}: {name} is an array, not a layer")
            };
            (tree, rest) = (next, below);
        }
        match tree.children.insert(rest.into(), Node::Leaf(array)) {
            Some(Node::Branch(layer)) => {
                tree.children.insert(rest.into(), Node::Branch(layer));
                bail!(TreeMismatch, "{path} is a layer, not an array")
            }
            _ => Ok(()),
        }
    }

    /// What is below a path: the parameters of a layer. Empty if there is nothing.
    #[must_use]
    pub(super) fn below(&self, path: &str) -> NamedTree {
        match self.node(path) {
            _ if path.is_empty() => self.clone(),
            Some(Node::Branch(tree)) => tree.clone(),
            _ => NamedTree::default(),
        }
    }

    /// Every array with its path, in the order of the names.
    pub fn iter(&self) -> Iter<'_> {
        Iter { above: vec![(String::new(), self.children.iter())] }
    }

    /// The number of arrays.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Is there no array?
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// The number of elements of all arrays together.
    pub fn size(&self) -> usize {
        self.iter().map(|(_, array)| array.size()).sum()
    }

    fn mapped(&self, above: &str, f: &mut impl FnMut(&str, &Array) -> Option<Array>) -> NamedTree {
        let children = self.children.iter().filter_map(|(name, node)| {
            let path = join(above, name);
            let node = match node {
                Node::Leaf(array) => Node::Leaf(f(&path, array)?),
                Node::Branch(tree) => Node::Branch(tree.mapped(&path, f)).non_empty()?,
            };
            Some((name.clone(), node))
        });
        NamedTree { children: children.collect() }
    }

    fn merge(&mut self, other: &NamedTree) {
        for (name, node) in &other.children {
            match (self.children.get_mut(name), node) {
                (Some(Node::Branch(own)), Node::Branch(other)) => own.merge(other),
                _ => {
                    self.children.insert(name.clone(), node.clone());
                }
            }
        }
    }
}

impl Node {
    fn non_empty(self) -> Option<Node> {
        match &self {
            Node::Branch(tree) if tree.children.is_empty() => None,
            _ => Some(self),
        }
    }
}

/// `above/name`.
pub(super) fn join(above: &str, name: &str) -> String {
    if above.is_empty() { name.to_owned() } else { format!("{above}/{name}") }
}

/// The arrays of a [`NamedTree`] with their paths.
pub struct Iter<'a> {
    above: Vec<(String, btree_map::Iter<'a, Arc<str>, Node>)>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = (String, &'a Array);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (above, children) = self.above.last_mut()?;
            match children.next() {
                None => {
                    self.above.pop();
                }
                Some((name, Node::Leaf(array))) => return Some((join(above, name), array)),
                Some((name, Node::Branch(tree))) => {
                    let path = join(above, name);
                    self.above.push((path, tree.children.iter()));
                }
            }
        }
    }
}

impl<'a> IntoIterator for &'a NamedTree {
    type Item = (String, &'a Array);
    type IntoIter = Iter<'a>;
    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl Pytree for NamedTree {
    fn flatten_into(&self, out: &mut Flattener) {
        out.token(Token::Dict(self.children.len() as u32));
        for (name, node) in &self.children {
            out.key(name);
            match node {
                Node::Leaf(array) => out.leaf(array),
                Node::Branch(tree) => tree.flatten_into(out),
            }
        }
    }

    fn take_into(&mut self, out: &mut Flattener) {
        out.token(Token::Dict(self.children.len() as u32));
        for (name, node) in &mut self.children {
            out.key(name);
            match node {
                Node::Leaf(array) => out.take_leaf(array),
                Node::Branch(tree) => tree.take_into(out),
            }
        }
    }

    fn unflatten_from(src: &mut Unflattener<'_>) -> Result<Self> {
        let len = src.dict()?;
        let child = |_| {
            let name = src.key()?;
            let node = match src.peek() {
                Some(Token::Dict(_)) => Node::Branch(NamedTree::unflatten_from(src)?),
                _ => Node::Leaf(src.leaf()?),
            };
            Ok((name, node))
        };
        Ok(NamedTree { children: (0..len).map(child).collect::<Result<_>>()? })
    }
}

macro_rules! named {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Default)]
        pub struct $name(NamedTree);

        impl $name {
            /// These arrays and those of `other`, which stand in place of those of the same paths.
            #[must_use]
            pub fn merged(mut self, other: &$name) -> $name {
                self.0.merge(&other.0);
                self
            }

            /// Those at whose paths `first` is true, and the others.
            ///
            /// ```
            /// use raxla::{Array, nn::Params};
            ///
            /// let mut params = Params::default();
            /// params.set("body/kernel", Array::from([1.0f32]))?;
            /// params.set("head/kernel", Array::from([2.0f32]))?;
            /// let (head, body) = params.split(|path| path.starts_with("head/"));
            /// assert_eq!((head.len(), body.len()), (1, 1));
            /// assert_eq!(body.merged(&head).len(), 2);
            /// # Ok::<(), raxla::Error>(())
            /// ```
            pub fn split(&self, mut first: impl FnMut(&str) -> bool) -> ($name, $name) {
                let (mut these, mut others) = ($name::default(), $name::default());
                these.0 = self.0.mapped("", &mut |path, array| first(path).then(|| array.clone()));
                others.0 = self.0.mapped("", &mut |path, array| {
                    these.get(path).is_none().then(|| array.clone())
                });
                (these, others)
            }

            /// What is below a path, by paths from there: the parameters of one layer. Empty if there is nothing.
            #[must_use]
            pub fn at(&self, path: &str) -> $name {
                $name(self.0.below(path))
            }

            /// Every array made anew from its path and itself.
            #[must_use]
            pub fn map_with_path(&self, mut f: impl FnMut(&str, &Array) -> Array) -> $name {
                $name(self.0.mapped("", &mut |path, array| Some(f(path, array))))
            }
        }

        impl From<NamedTree> for $name {
            fn from(tree: NamedTree) -> Self {
                $name(tree)
            }
        }

        impl Deref for $name {
            type Target = NamedTree;
            fn deref(&self) -> &NamedTree {
                &self.0
            }
        }

        impl DerefMut for $name {
            fn deref_mut(&mut self) -> &mut NamedTree {
                &mut self.0
            }
        }

        impl Pytree for $name {
            fn flatten_into(&self, out: &mut Flattener) {
                self.0.flatten_into(out);
            }
            fn take_into(&mut self, out: &mut Flattener) {
                self.0.take_into(out);
            }
            fn unflatten_from(src: &mut Unflattener<'_>) -> Result<Self> {
                NamedTree::unflatten_from(src).map($name)
            }
        }

        impl Arg for $name {
            type Tree = $name;
            type Item<'a> = $name;
            const DONATED: bool = true;
            fn flatten_into(mut item: $name, out: &mut Flattener) {
                item.take_into(out);
            }
            fn lend(slot: &mut Option<$name>) -> Result<$name> {
                slot.take().ok_or_else(taken)
            }
        }

        /// Paths, dtypes and shapes, not the values.
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_map().entries(self.iter().map(|(path, array)| (path, format!("{}", array.aval())))).finish()
            }
        }
    )*};
}
named! {
    /// What a model learns: the arrays that gradients are taken with respect to, by path. Flax: the collection `params`.
    Params;
    /// What a model keeps between calls and does not learn by gradients: BatchNorm's statistics, caches. Flax: the collections
    /// beside `params`.
    State;
}
