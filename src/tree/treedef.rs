//! The structure of a tree, apart from its leaves. JAX: `jax.tree_util.PyTreeDef`.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::path::{Path, Walk};
use super::token::Token;

/// The structure of a pytree: everything but its leaves. Cheap to clone; compared and hashed by value.
///
/// It prints as JAX's does, with `*` for a leaf:
/// ```
/// # use raxla::{tree, Array};
/// let pair = tree::structure(&(vec![(), ()], None::<Array>));
/// assert_eq!(pair.to_string(), "PyTreeDef(([(), ()], None))");
/// ```
#[derive(Clone)]
pub struct TreeDef(Arc<Inner>);

struct Inner {
    tokens: Box<[Token]>,
    num_leaves: usize,
}

impl TreeDef {
    /// The structure that `tokens` spell in preorder.
    pub fn from_tokens(tokens: &[Token]) -> Self {
        let num_leaves = tokens.iter().filter(|t| matches!(t, Token::Leaf)).count();
        TreeDef(Arc::new(Inner { tokens: tokens.into(), num_leaves }))
    }

    /// The nodes in preorder.
    pub fn tokens(&self) -> &[Token] {
        &self.0.tokens
    }

    /// The number of leaves.
    pub fn num_leaves(&self) -> usize {
        self.0.num_leaves
    }

    /// The path of each leaf, in order.
    pub fn leaf_paths(&self) -> Vec<Path> {
        leaf_paths(self.tokens())
    }

    /// This structure with `inner` in the place of each leaf. JAX: `PyTreeDef.compose`.
    #[must_use]
    pub fn compose(&self, inner: &TreeDef) -> TreeDef {
        let mut tokens = Vec::with_capacity(self.tokens().len() + self.num_leaves() * inner.tokens().len());
        for token in self.tokens() {
            match token {
                Token::Leaf => tokens.extend_from_slice(inner.tokens()),
                node => tokens.push(node.clone()),
            }
        }
        TreeDef::from_tokens(&tokens)
    }

    /// Is the whole tree one leaf? JAX: `treedef_is_leaf`.
    pub fn is_leaf(&self) -> bool {
        self.tokens() == [Token::Leaf]
    }

    /// The structures of the root's children, in order. JAX: `treedef_children`.
    ///
    /// ```
    /// use raxla::{Array, tree};
    ///
    /// let pair = tree::structure(&(Array::from(1.0), vec![Array::from(2.0), Array::from(3.0)]));
    /// let leaves: Vec<usize> = pair.children().iter().map(tree::TreeDef::num_leaves).collect();
    /// assert_eq!(leaves, [1, 2]);
    /// assert_eq!(tree::TreeDef::tuple(pair.children()), pair);
    /// ```
    pub fn children(&self) -> Vec<TreeDef> {
        let Some((root, mut rest)) = self.tokens().split_first() else { return Vec::new() };
        let mut children = Vec::with_capacity(root.arity());
        for _ in 0..root.arity() {
            let (child, after) = rest.split_at(first_subtree(rest));
            // The key of an entry is the map's.
            let without_key = usize::from(matches!(child.first(), Some(Token::Key(_))));
            children.push(TreeDef::from_tokens(&child[without_key..]));
            rest = after;
        }
        children
    }

    /// The structure of a tuple of trees of these structures. JAX: `treedef_tuple`.
    #[must_use]
    pub fn tuple(children: impl IntoIterator<Item = TreeDef>) -> TreeDef {
        let mut tokens = vec![Token::Tuple(0)];
        let mut count = 0;
        for child in children {
            tokens.extend_from_slice(child.tokens());
            count += 1;
        }
        tokens[0] = Token::Tuple(count);
        TreeDef::from_tokens(&tokens)
    }

    /// Where and how two structures first differ, in words: `at layers[2]: a leaf, and None`.
    pub fn first_difference(&self, other: &TreeDef) -> Option<String> {
        first_difference(self.tokens(), other.tokens())
    }
}

/// How many tokens the first of several trees has.
fn first_subtree(tokens: &[Token]) -> usize {
    let mut open = 1;
    let ends = tokens.iter().position(|token| {
        open = open + token.arity() - 1;
        open == 0
    });
    ends.map_or(tokens.len(), |end| end + 1)
}

/// The path of each leaf that `tokens` spell.
pub(crate) fn leaf_paths(tokens: &[Token]) -> Vec<Path> {
    let mut paths = Vec::new();
    let mut walk = Walk::new(tokens);
    loop {
        // Asked before the step, since a leaf closes the nodes above it.
        let path = walk.at_leaf().then(|| walk.next_path());
        if walk.next().is_none() {
            return paths;
        }
        paths.extend(path);
    }
}

/// Where and how two token sequences first differ.
pub(crate) fn first_difference(a: &[Token], b: &[Token]) -> Option<String> {
    let at =
        a.iter().zip(b).position(|(x, y)| x != y).or((a.len() != b.len()).then(|| a.len().min(b.len())))?;
    let path = Path::of_token(a, at);
    let place = if path.is_empty() { "at the root".to_owned() } else { format!("at {path}") };
    let show = |tokens: &[Token]| tokens.get(at).map_or("nothing".to_owned(), Token::to_string);
    Some(match (a.get(at), b.get(at)) {
        (Some(Token::Node(x)), Some(Token::Node(y))) if x.name() == y.name() => {
            format!("{place}: {0}, and {0} with other type parameters", x.name())
        }
        _ => format!("{place}: {}, and {}", show(a), show(b)),
    })
}

impl PartialEq for TreeDef {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.tokens == other.0.tokens
    }
}
impl Eq for TreeDef {}
impl Hash for TreeDef {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.tokens.hash(state);
    }
}

impl fmt::Display for TreeDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PyTreeDef(")?;
        write_node(f, &mut self.tokens().iter())?;
        f.write_str(")")
    }
}
impl fmt::Debug for TreeDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

type Iter<'a> = std::slice::Iter<'a, Token>;

fn write_node(f: &mut fmt::Formatter<'_>, tokens: &mut Iter<'_>) -> fmt::Result {
    let Some(token) = tokens.next() else { return f.write_str("?") };
    match token {
        Token::Leaf => f.write_str("*"),
        Token::None => f.write_str("None"),
        Token::Some => write_node(f, tokens),
        Token::Tuple(1) => {
            f.write_str("(")?;
            write_node(f, tokens)?;
            f.write_str(",)")
        }
        Token::Tuple(n) => write_list(f, tokens, *n as usize, ["(", ")"]),
        Token::Array(n) | Token::Vec(n) => write_list(f, tokens, *n as usize, ["[", "]"]),
        Token::Dict(n) => write_list(f, tokens, *n as usize, ["{", "}"]),
        Token::Key(key) => {
            write!(f, "{key}: ")?;
            write_node(f, tokens)
        }
        Token::Static(value) => write!(f, "{value:?}"),
        Token::Node(info) => {
            f.write_str(info.name())?;
            match info.fields() {
                [] => Ok(()),
                fields if info.is_named() => {
                    for (i, field) in fields.iter().enumerate() {
                        f.write_str(if i == 0 { "{" } else { ", " })?;
                        write!(f, "{field}: ")?;
                        write_node(f, tokens)?;
                    }
                    f.write_str("}")
                }
                fields => write_list(f, tokens, fields.len(), ["(", ")"]),
            }
        }
    }
}

fn write_list(
    f: &mut fmt::Formatter<'_>,
    tokens: &mut Iter<'_>,
    len: usize,
    [open, close]: [&str; 2],
) -> fmt::Result {
    f.write_str(open)?;
    for i in 0..len {
        if i > 0 {
            f.write_str(", ")?;
        }
        write_node(f, tokens)?;
    }
    f.write_str(close)
}
