//! Where a leaf is in its tree. JAX: `jax.tree_util.KeyPath`, `keystr`.

use std::borrow::Cow;
use std::fmt;

use smallvec::SmallVec;

use super::token::{KeyToken, Token};

/// The way from a tree's root to one of its nodes, printed as the Rust expression that gets there:
/// `layers[2].weight`, `0.bias`, `["dense"].kernel`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Path {
    root: Option<Cow<'static, str>>,
    steps: SmallVec<[Step; 4]>,
}

/// One step of a [`Path`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// A field of a struct or variant, or an element of a tuple: `.weight`, `.0`.
    Field(Cow<'static, str>),
    /// An element of a `Vec` or an array: `[2]`.
    Index(usize),
    /// An entry of a map: `["dense"]`, `[7]`.
    Key(KeyToken),
}

impl Path {
    /// The steps, from the root.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// With slashes, as files name what is in them: `layers/2/weight`.
    #[must_use]
    pub fn with_slashes(&self) -> String {
        let steps = self.steps().iter().map(|step| match step {
            Step::Field(name) => name.to_string(),
            Step::Index(i) => i.to_string(),
            Step::Key(key) => key.as_str().map_or_else(|| key.to_string(), str::to_owned),
        });
        steps.collect::<Vec<_>>().join("/")
    }

    /// The same path below a root with a name: `weight` becomes `params.weight`.
    #[must_use]
    pub fn with_root(mut self, root: impl Into<Cow<'static, str>>) -> Self {
        self.root = Some(root.into());
        self
    }

    /// Is this the root, unnamed?
    pub fn is_empty(&self) -> bool {
        self.root.is_none() && self.steps.is_empty()
    }

    /// The path of the token at `position`, or of the end if there are fewer tokens.
    pub(crate) fn of_token(tokens: &[Token], position: usize) -> Path {
        let mut walk = Walk::new(tokens);
        for _ in 0..position {
            walk.next();
        }
        walk.next_path()
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.root.as_deref().unwrap_or_default())?;
        for (i, step) in self.steps.iter().enumerate() {
            match step {
                Step::Field(name) if i == 0 && self.root.is_none() => f.write_str(name)?,
                Step::Field(name) => write!(f, ".{name}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) => write!(f, "[{key}]")?,
            }
        }
        Ok(())
    }
}

/// Walks tokens in preorder and knows the path of each.
pub(crate) struct Walk<'a> {
    tokens: std::slice::Iter<'a, Token>,
    /// The nodes above the next token, each with the number of its children already begun.
    above: Vec<(&'a Token, usize)>,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(tokens: &'a [Token]) -> Self {
        Walk { tokens: tokens.iter(), above: Vec::new() }
    }

    /// Will `next` return a leaf?
    pub(crate) fn at_leaf(&self) -> bool {
        matches!(self.tokens.as_slice().first(), Some(Token::Leaf))
    }

    /// The path of the token that `next` will return.
    pub(crate) fn next_path(&self) -> Path {
        let steps = self.above.iter().filter_map(|&(token, child)| match token {
            Token::Tuple(_) => Some(Step::Field(child.to_string().into())),
            Token::Node(info) => info.fields().get(child).map(|&name| Step::Field(name.into())),
            Token::Array(_) | Token::Vec(_) => Some(Step::Index(child)),
            Token::Key(key) => Some(Step::Key(key.clone())),
            _ => None,
        });
        Path { root: None, steps: steps.collect() }
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = &'a Token;

    fn next(&mut self) -> Option<&'a Token> {
        let token = self.tokens.next()?;
        self.above.push((token, 0));
        // Close the nodes that this token completes.
        while let Some(&(node, begun)) = self.above.last() {
            if begun < node.arity() {
                break;
            }
            self.above.pop();
            if let Some((_, begun)) = self.above.last_mut() {
                *begun += 1;
            }
        }
        Some(token)
    }
}
