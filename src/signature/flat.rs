//! What passes between the typed callers and the transformations.

use std::any::TypeId;
use std::borrow::Cow;
use std::cell::Cell;
use std::ops::Range;
use std::panic::Location;

use smallvec::SmallVec;

use super::{Arg, Primals};
use crate::core::array::Array;
use crate::error::{Result, err};
use crate::tree::{self, Flattener, Leaves, Pytree, Token, Tokens, TreeDef};

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

    /// The arguments of a function as a tuple, none of which is donated.
    pub(crate) fn from_tuple<A>(args: &impl Primals<A>, caller: &'static Location<'static>) -> Self {
        let mut builder = ArgsBuilder::default();
        args.push_into(&mut builder);
        builder.finish(caller)
    }

    /// The same structure with other leaves, as many.
    pub(crate) fn with_leaves(&self, leaves: &[Array]) -> Self {
        let leaves = leaves.to_vec();
        FlatArgs { leaves, tokens: self.tokens.clone(), args: self.args.clone(), caller: self.caller }
    }

    /// Drops them, and leaves the room that they took to the next call.
    #[inline]
    pub(crate) fn recycle(self) {
        let FlatArgs { mut leaves, mut tokens, .. } = self;
        leaves.clear();
        tokens.clear();
        if leaves.capacity().max(tokens.capacity()) <= SPARE_ROOM {
            // At the end of the thread nobody needs it.
            let _ = SPARE.try_with(|spare| spare.set(Flattener { leaves, tokens }));
        }
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

thread_local! {
    /// The lists of this thread's last call, emptied: those of the next have room at once. Long lists are dear to allocate.
    static SPARE: Cell<Flattener> = const { Cell::new(Flattener::new()) };
}

/// Lists with more room are not kept.
const SPARE_ROOM: usize = 1 << 16;

/// Collects the arguments of one call.
#[derive(Default)]
pub struct ArgsBuilder {
    flat: Flattener,
    args: SmallVec<[ArgSpan; 4]>,
}

impl ArgsBuilder {
    /// With room for what the last call took.
    #[inline]
    pub(super) fn with_room() -> Self {
        // At the end of the thread there is none.
        let flat = SPARE.try_with(Cell::take).unwrap_or_default();
        ArgsBuilder { flat, args: SmallVec::new() }
    }

    /// Appends an argument and drops it: a donated buffer must not be held by its former owner during the call.
    #[inline]
    pub(super) fn push<A: Arg>(&mut self, item: A::Item<'_>) {
        let begin = (self.flat.leaves.len() as u32, self.flat.tokens.len() as u32);
        A::flatten_into(item, &mut self.flat);
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
        tree::unflatten(&self.tree, self.leaves)
    }

    /// Gives it to what takes results apart.
    pub(crate) fn give(self, take: Take<'_>) -> Result<()> {
        take(&self.tree, &mut self.leaves.into_iter())
    }
}

/// What takes the result of a call: its structure, and the leaves one after the other.
pub type Take<'a> = &'a mut dyn FnMut(&TreeDef, &mut dyn Iterator<Item = Array>) -> Result<()>;

/// What `make` makes of the result of a call.
#[inline]
pub(crate) fn made_of_result<T>(
    call: impl FnOnce(Take<'_>) -> Result<()>,
    make: impl Fn(&TreeDef, &mut dyn Iterator<Item = Array>) -> Result<T>,
) -> Result<T> {
    let mut made = None;
    call(&mut |tree, leaves| {
        made = Some(make(tree, leaves)?);
        Ok(())
    })?;
    made.ok_or_else(|| err!(Internal, "a call returned without a result"))
}

/// A function over flat arguments: what a transformation takes and makes.
pub trait FlatFn: Send + Sync {
    /// Calls the function.
    ///
    /// # Errors
    /// The function's own, and those of the transformations around it.
    fn call(&self, args: FlatArgs) -> Result<FlatOut>;

    /// [`call`](Self::call) for a caller that takes the result apart: what runs a compiled program makes no list of it.
    ///
    /// # Errors
    /// As `call`, and those of `take`.
    fn call_into(&self, args: FlatArgs, take: Take<'_>) -> Result<()> {
        self.call(args)?.give(take)
    }

    /// The function's name, for messages and for the name of the module: `update`, or `<lambda>` for a closure.
    fn name(&self) -> Cow<'static, str> {
        "<unnamed>".into()
    }

    /// The name for messages: with the line at which it was given to a transformation, if it is a closure.
    fn describe(&self) -> String {
        self.name().into()
    }
}

/// What JAX calls a function without a name.
const LAMBDA: &str = "<lambda>";

/// The name of a function's type for messages: `update`, or `<lambda> at src/main.rs:12`, which is the caller's line.
#[track_caller]
pub(crate) fn describe<F>() -> String {
    describe_at::<F>(Location::caller())
}

/// The same for a function that was given to a transformation at a line.
pub(super) fn describe_at<F>(at: &Location<'_>) -> String {
    match short_type_name::<F>() {
        LAMBDA => format!("{LAMBDA} at {}:{}", at.file(), at.line()),
        name => name.into(),
    }
}

/// The last segment of a type's name: `update` of `model::update`. Closures and what hides its function (`Box<dyn Fn ..>`,
/// `fn(..)`) have none.
pub(crate) fn short_type_name<F>() -> &'static str {
    let name = std::any::type_name::<F>().trim_start_matches('&');
    // Generic arguments follow the name of a function: `model::update<f32>`.
    let path = name.split_once('<').map_or(name, |(path, _)| path);
    if name.ends_with("{{closure}}") || path.contains([' ', '(']) {
        return LAMBDA;
    }
    match path.rsplit("::").next() {
        None | Some("Box" | "Arc") => LAMBDA,
        Some(name) => name,
    }
}

/// The identity of a function whose type is enough to tell it from others: a function item, or a closure that captures
/// nothing. Two such functions may share compiled code.
///
/// `F` may be a reference, which has no `TypeId`; that of the type with all lifetimes `'static` tells as much.
pub(crate) fn type_key<F>() -> Option<TypeId> {
    (size_of::<F>() == 0).then(typeid::of::<F>)
}
