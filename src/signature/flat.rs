//! What passes between the typed callers and the transformations.

use std::any::TypeId;
use std::borrow::Cow;
use std::ops::Range;
use std::panic::Location;

use smallvec::SmallVec;

use super::Arg;
use crate::core::array::Array;
use crate::error::Result;
use crate::tree::{Flattener, Leaves, Pytree, Token, Tokens, TreeDef, Unflattener};

/// The leaves and the structure of all the arguments of one call.
#[derive(Clone, Debug)]
pub struct FlatArgs {
    /// The leaves of all arguments, in order.
    pub leaves: Leaves,
    /// The structures of all arguments, one after the other.
    pub tokens: Tokens,
    /// What belongs to which argument.
    pub args: SmallVec<[ArgSpan; 4]>,
    /// Where the user called the function, or else where the transformation was applied.
    pub caller: &'static Location<'static>,
}

/// The part of [`FlatArgs`] that is one argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ArgSpan {
    /// The end of its leaves; they begin where those of the argument before end.
    leaves: (u32, u32),
    tokens: (u32, u32),
    /// Was it passed by value, so that buffers which nobody else holds may be reused?
    pub donated: bool,
}

impl ArgSpan {
    /// Its part of [`FlatArgs::leaves`].
    #[inline]
    pub fn leaves(&self) -> Range<usize> {
        self.leaves.0 as usize..self.leaves.1 as usize
    }
    /// Its part of [`FlatArgs::tokens`].
    #[inline]
    pub fn tokens(&self) -> Range<usize> {
        self.tokens.0 as usize..self.tokens.1 as usize
    }
}

impl FlatArgs {
    /// No arguments yet.
    #[inline]
    pub fn new(caller: &'static Location<'static>) -> Self {
        FlatArgs { leaves: Leaves::new(), tokens: Tokens::new(), args: SmallVec::new(), caller }
    }

    /// The arguments that a tuple holds, none of which is donated.
    pub(crate) fn from_tuple<A: Pytree>(args: &A, caller: &'static Location<'static>) -> Self {
        let mut flat = Flattener::new();
        args.flatten_into(&mut flat);
        // The tuple around the arguments is not part of their structure.
        let tokens: Tokens = flat.tokens.into_iter().skip(1).collect();
        let mut spans = SmallVec::new();
        let (mut leaves, mut begin) = ((0, 0), 0);
        let mut missing = 0;
        for (i, token) in tokens.iter().enumerate() {
            missing = missing + token.arity() - usize::from(missing > 0);
            leaves.1 += u32::from(*token == Token::Leaf);
            if missing == 0 {
                spans.push(ArgSpan { leaves, tokens: (begin, i as u32 + 1), donated: false });
                (leaves.0, begin) = (leaves.1, i as u32 + 1);
            }
        }
        FlatArgs { leaves: flat.leaves, tokens, args: spans, caller }
    }

    /// The leaves of argument `i`.
    pub fn arg_leaves(&self, i: usize) -> &[Array] {
        &self.leaves[self.args[i].leaves()]
    }

    /// The structure of argument `i`, in preorder.
    pub fn arg_tokens(&self, i: usize) -> &[Token] {
        &self.tokens[self.args[i].tokens()]
    }
}

/// Collects the arguments of one call.
#[derive(Default)]
pub(super) struct ArgsBuilder {
    flat: Flattener,
    args: SmallVec<[ArgSpan; 4]>,
}

impl ArgsBuilder {
    /// Appends an argument and drops it: a donated buffer must not be held by its former owner during the call.
    #[inline]
    pub(super) fn push<A: Arg>(&mut self, item: A::Item<'_>) {
        let begin = (self.flat.leaves.len() as u32, self.flat.tokens.len() as u32);
        A::flatten_into(&item, &mut self.flat);
        self.args.push(ArgSpan {
            leaves: (begin.0, self.flat.leaves.len() as u32),
            tokens: (begin.1, self.flat.tokens.len() as u32),
            donated: A::DONATED,
        });
    }

    #[inline]
    pub(super) fn finish(self, caller: &'static Location<'static>) -> FlatArgs {
        FlatArgs { leaves: self.flat.leaves, tokens: self.flat.tokens, args: self.args, caller }
    }
}

/// The leaves of a result.
pub type OutLeaves = SmallVec<[Array; 4]>;

/// The leaves and the structure of what a function returned.
#[derive(Clone, Debug)]
pub struct FlatOut {
    /// The leaves, in order.
    pub leaves: OutLeaves,
    /// The structure.
    pub tree: TreeDef,
}

impl FlatOut {
    /// Takes a result apart.
    pub fn from_tree<T: Pytree>(tree: &T) -> Self {
        let mut out = Flattener::new();
        tree.flatten_into(&mut out);
        let (leaves, tree) = out.finish();
        FlatOut { leaves: leaves.into_iter().collect(), tree }
    }

    /// Puts the result together.
    ///
    /// # Errors
    /// `TreeMismatch` if this is not a `T`.
    #[inline]
    pub fn into_tree<T: Pytree>(self) -> Result<T> {
        let mut leaves = self.leaves.into_iter();
        let mut src = Unflattener::new(self.tree.tokens(), &mut leaves);
        let tree = T::unflatten_from(&mut src)?;
        src.finish()?;
        Ok(tree)
    }
}

/// A function over flat arguments: what a transformation takes and makes.
pub trait FlatFn: Send + Sync {
    /// Calls the function.
    ///
    /// # Errors
    /// The function's own, and those of the transformations around it.
    fn call(&self, args: FlatArgs) -> Result<FlatOut>;

    /// The function's name, for messages and for the name of the module: `update`, or `<lambda>` for a closure.
    fn name(&self) -> Cow<'static, str> {
        "<unnamed>".into()
    }

    /// The function's identity, if its type is enough to tell it from others: a function item, or a closure that
    /// captures nothing. Two such functions may share compiled code.
    fn type_key(&self) -> Option<TypeId> {
        None
    }
}

/// The last segment of a type's name: `update` of `model::update`; JAX's `<lambda>` for a closure.
pub(crate) fn short_type_name<F>() -> &'static str {
    let name = std::any::type_name::<F>();
    if name.ends_with("{{closure}}") {
        return "<lambda>";
    }
    // Generic arguments follow the name of a function: `model::update<f32>`.
    let name = name.split_once('<').map_or(name, |(name, _)| name);
    name.rsplit("::").next().unwrap_or(name)
}
