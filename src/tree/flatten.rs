//! The trait of trees and the two cursors that take trees apart and put them together.

use super::any::end_of;
use super::path::Path;
use super::token::{F32Bits, F64Bits, MapKey, NodeInfo, StaticToken, StaticValue, Token};
use super::treedef::TreeDef;
use crate::core::array::Array;
use crate::error::{Error, Result, bail, err};

/// The leaves of a call's arguments.
pub type Leaves = Vec<Array>;
/// The structure of a call's arguments, in preorder.
pub type Tokens = Vec<Token>;

/// A tree of arrays: what transformations take and return.
///
/// Write `#[derive(Pytree)]` on a struct or enum whose fields are pytrees, and mark fields that are not arrays but
/// part of the structure, such as sizes and modes, with `#[pytree(static)]`. Arrays, `()`, tuples, `[T; N]`, `Vec`,
/// `Option`, `Box`, `BTreeMap` and `HashMap` are pytrees.
///
/// Numbers such as `f32` are not. In Python a traced function gets a tracer where it was given a float; in Rust the
/// parameter has the type `f32`, and while tracing there is no number to put there. Pass `Array::from(0.5)`, which is
/// weakly typed as a Python float is, or [`Static(3)`](super::Static) for a value to be compiled in. `Arc` is not one
/// either: two fields that share a value would come back as two values.
///
/// By hand, say in preorder what the value consists of, and take it back in the same order:
/// ```
/// use raxla::tree::{self, Flattener, Pytree, Unflattener};
/// use raxla::{Array, Result};
///
/// #[derive(Debug)]
/// struct Stack(Vec<Array>);
///
/// impl Pytree for Stack {
///     fn flatten_into(&self, out: &mut Flattener) {
///         self.0.flatten_into(out);
///     }
///     fn unflatten_from(src: &mut Unflattener<'_>) -> Result<Self> {
///         Ok(Stack(Vec::unflatten_from(src)?))
///     }
/// }
/// let (leaves, structure) = tree::flatten(&Stack(vec![]));
/// assert_eq!(structure.to_string(), "PyTreeDef([])");
/// let Stack(arrays) = tree::unflatten(&structure, leaves)?;
/// assert!(arrays.is_empty());
/// # Ok::<(), raxla::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a pytree",
    label = "not a tree of arrays",
    note = "write `#[derive(Pytree)]` on `{Self}`, or mark the field `#[pytree(static)]` if it holds no arrays",
    note = "numbers are not pytrees: pass an `Array`, or `Static(..)` for a value to be compiled in",
    note = "references are not pytrees: pass the value, or a clone; cloning an `Array` copies no data"
)]
pub trait Pytree: Sized + 'static {
    /// Appends this tree's structure, in preorder, and its leaves.
    fn flatten_into(&self, out: &mut Flattener);

    /// [`flatten_into`](Self::flatten_into) of a tree that is given away: its leaves may be taken out of it, so that nobody else
    /// holds them. `#[derive(Pytree)]` writes it; without it they are cloned.
    #[inline]
    fn take_into(&mut self, out: &mut Flattener) {
        self.flatten_into(out);
    }

    /// Takes a tree of this type from the front of `src`.
    ///
    /// # Errors
    /// `TreeMismatch` if what comes next in `src` is not such a tree; the message names the path.
    fn unflatten_from(src: &mut Unflattener<'_>) -> Result<Self>;
}

/// Collects the structure and the leaves of trees.
#[derive(Debug, Default)]
pub struct Flattener {
    /// The leaves so far.
    pub leaves: Leaves,
    /// The structure so far, in preorder.
    pub tokens: Tokens,
}

impl Flattener {
    /// Nothing collected yet.
    #[inline]
    pub const fn new() -> Self {
        Flattener { leaves: Leaves::new(), tokens: Tokens::new() }
    }

    /// A leaf.
    #[inline]
    pub fn leaf(&mut self, leaf: &Array) {
        self.tokens.push(Token::Leaf);
        self.leaves.push(leaf.clone());
    }

    /// A leaf that is moved out of its place.
    #[inline]
    pub fn take_leaf(&mut self, leaf: &mut Array) {
        self.tokens.push(Token::Leaf);
        self.leaves.push(leaf.take());
    }

    /// The beginning of a node whose children follow: [`Token::arity`] of them.
    #[inline]
    pub fn token(&mut self, token: Token) {
        self.tokens.push(token);
    }

    /// The beginning of a struct or variant: its fields follow.
    #[inline]
    pub fn node(&mut self, info: &'static NodeInfo) {
        self.tokens.push(Token::Node(info));
    }

    /// The key of a map's entry: the value follows.
    #[inline]
    pub fn key(&mut self, key: &impl MapKey) {
        self.tokens.push(Token::Key(key.to_token()));
    }

    /// A value that belongs to the structure.
    #[inline]
    pub fn static_value<T: Clone + StaticValue>(&mut self, value: &T) {
        self.tokens.push(Token::Static(StaticToken::new(value)));
    }

    /// A float that belongs to the structure, compared by its bits.
    #[inline]
    pub fn static_f32(&mut self, value: f32) {
        self.static_value(&F32Bits(value.to_bits()));
    }

    /// A float that belongs to the structure, compared by its bits.
    #[inline]
    pub fn static_f64(&mut self, value: f64) {
        self.static_value(&F64Bits(value.to_bits()));
    }

    /// What was collected.
    pub fn finish(self) -> (Leaves, TreeDef) {
        (self.leaves, TreeDef::from_tokens(&self.tokens))
    }
}

/// Walks a structure and hands out its leaves. Each method takes the next node and fails if it is another one.
pub struct Unflattener<'a> {
    tokens: &'a [Token],
    position: usize,
    leaves: &'a mut dyn Iterator<Item = Array>,
}

impl<'a> Unflattener<'a> {
    /// At the beginning of `tokens`, with one leaf for each [`Token::Leaf`].
    pub fn new(tokens: &'a [Token], leaves: &'a mut dyn Iterator<Item = Array>) -> Self {
        Unflattener { tokens, position: 0, leaves }
    }

    #[inline]
    fn next(&mut self) -> Option<&'a Token> {
        let token = self.tokens.get(self.position);
        // Also past the end, so that the error is about the end and not about the node before it.
        self.position += 1;
        token
    }

    /// The next node, not taken.
    #[inline]
    pub fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.position)
    }

    /// A leaf.
    #[inline]
    pub fn leaf(&mut self) -> Result<Array> {
        match self.next() {
            Some(Token::Leaf) => self.leaves.next().ok_or_else(|| self.too_few_leaves()),
            _ => Err(self.mismatch("a leaf")),
        }
    }

    /// Exactly this node.
    #[inline]
    pub fn token(&mut self, expected: &Token) -> Result<()> {
        match self.next() {
            Some(token) if token == expected => Ok(()),
            _ => Err(self.mismatch(&expected.to_string())),
        }
    }

    /// An `Option`: is it `Some`? Then its value follows.
    #[inline]
    pub fn option(&mut self) -> Result<bool> {
        match self.next() {
            Some(Token::None) => Ok(false),
            Some(Token::Some) => Ok(true),
            _ => Err(self.mismatch("an Option")),
        }
    }

    /// A `Vec`: its length.
    #[inline]
    pub fn vec(&mut self) -> Result<usize> {
        match self.next() {
            Some(&Token::Vec(n)) => Ok(n as usize),
            _ => Err(self.mismatch("a Vec")),
        }
    }

    /// A map: the number of its entries, each of them a [`key`](Self::key) and a value.
    #[inline]
    pub fn dict(&mut self) -> Result<usize> {
        match self.next() {
            Some(&Token::Dict(n)) => Ok(n as usize),
            _ => Err(self.mismatch("a map")),
        }
    }

    /// The key of a map's entry.
    pub fn key<K: MapKey>(&mut self) -> Result<K> {
        match self.next() {
            Some(Token::Key(key)) => K::from_token(key),
            _ => None,
        }
        .ok_or_else(|| self.mismatch("a key of the map's type"))
    }

    /// One of these nodes, the variants of an enum: its position in `infos`.
    #[inline]
    pub fn node(&mut self, infos: &'static [NodeInfo]) -> Result<usize> {
        if let Some(Token::Node(info)) = self.next()
            && let Some(i) = infos.iter().position(|known| known == *info)
        {
            return Ok(i);
        }
        let names: Vec<_> = infos.iter().map(NodeInfo::name).collect();
        Err(self.mismatch(&names.join(" or ")))
    }

    /// A value that belongs to the structure.
    pub fn static_value<T: Clone + 'static>(&mut self) -> Result<T> {
        match self.next() {
            Some(Token::Static(value)) => value.get(),
            _ => None,
        }
        .ok_or_else(|| self.mismatch(&format!("a static {}", std::any::type_name::<T>())))
    }

    /// Whatever comes next: a node with all that is below it.
    pub fn any(&mut self) -> Result<(TreeDef, Leaves)> {
        let first = self.position;
        self.position = end_of(self.tokens, first);
        if self.position == first {
            self.position += 1;
            return Err(self.mismatch("a tree"));
        }
        let structure = TreeDef::from_tokens(&self.tokens[first..self.position]);
        let leaf = |_| self.leaves.next().ok_or(());
        let leaves: Result<Leaves, ()> = (0..structure.num_leaves()).map(leaf).collect();
        match leaves {
            Ok(leaves) => Ok((structure, leaves)),
            Err(()) => Err(self.too_few_leaves()),
        }
    }

    /// See [`Flattener::static_f32`].
    pub fn static_f32(&mut self) -> Result<f32> {
        Ok(f32::from_bits(self.static_value::<F32Bits>()?.0))
    }

    /// See [`Flattener::static_f64`].
    pub fn static_f64(&mut self) -> Result<f64> {
        Ok(f64::from_bits(self.static_value::<F64Bits>()?.0))
    }

    /// Has every node and every leaf been taken?
    ///
    /// # Errors
    /// `TreeMismatch` if not.
    pub fn finish(mut self) -> Result<()> {
        if self.next().is_some() {
            return Err(self.mismatch("the end of the tree"));
        }
        match self.leaves.count() {
            0 => Ok(()),
            n => bail!(TreeMismatch, "tree::unflatten: {n} more leaves than the structure has"),
        }
    }

    /// The error for the node taken last.
    #[cold]
    fn mismatch(&self, expected: &str) -> Error {
        let at = self.position - 1;
        let place = place(self.tokens, at);
        match self.tokens.get(at) {
            Some(token) => err!(TreeMismatch, "tree::unflatten: expected {expected} {place}, got {token}"),
            None => err!(TreeMismatch, "tree::unflatten: expected {expected}, but the structure ends"),
        }
    }

    #[cold]
    fn too_few_leaves(&self) -> Error {
        let place = place(self.tokens, self.position - 1);
        err!(
            TreeMismatch,
            "tree::unflatten: fewer leaves than the structure has: none is left for the leaf {place}"
        )
    }
}

fn place(tokens: &[Token], position: usize) -> String {
    let path = Path::of_token(tokens, position);
    if path.is_empty() { "at the root".into() } else { format!("at {path}") }
}
