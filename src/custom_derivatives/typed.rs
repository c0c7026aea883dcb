//! What `custom_jvp` and `custom_vjp` share: arguments and results between their typed and flat forms.

use std::sync::OnceLock;

use crate::core::array::Array;
use crate::core::aval::ShapedArray;
use crate::core::trace::without_location;
use crate::error::{Result, err};
use crate::signature::{FlatArgs, FlatFn, FlatOut};
use crate::tree::{Token, TreeDef};

/// The structure and the types of a result.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct OutType {
    pub tree: TreeDef,
    pub avals: Vec<ShapedArray>,
}

impl OutType {
    pub(super) fn of(out: &FlatOut) -> Self {
        OutType { tree: out.tree.clone(), avals: out.leaves.iter().map(Array::aval).collect() }
    }

    /// `f32[3], i32[]`, for messages.
    pub(super) fn list(&self) -> String {
        list(&self.avals)
    }

    pub(super) fn matches(&self, other: &OutType) -> bool {
        self.avals.len() == other.avals.len()
            && self.avals.iter().zip(&other.avals).all(|(a, b)| a.matches(b))
    }
}

pub(super) fn list(avals: &[ShapedArray]) -> String {
    avals.iter().map(ShapedArray::to_string).collect::<Vec<_>>().join(", ")
}

/// One application of a function: its arguments without their values, and its result's type, once that is known.
pub(super) struct Application {
    /// The arguments' structure; it has no leaves.
    template: FlatArgs,
    /// The arguments as one tuple.
    pub in_tree: TreeDef,
    /// The result of the function itself, which the rules must give too.
    primal_out: OnceLock<OutType>,
    /// The structure of whatever was returned first.
    out_tree: OnceLock<TreeDef>,
}

impl Application {
    /// Takes the leaves out of the arguments.
    pub(super) fn new(mut args: FlatArgs) -> (Self, Vec<Array>) {
        let leaves = std::mem::take(&mut args.leaves).into_vec();
        let mut tokens = vec![Token::Tuple(args.args.len() as u32)];
        tokens.extend(args.tokens.iter().cloned());
        let in_tree = TreeDef::from_tokens(&tokens);
        let application =
            Application { template: args, in_tree, primal_out: OnceLock::new(), out_tree: OnceLock::new() };
        (application, leaves)
    }

    fn args(&self, leaves: &[Array]) -> FlatArgs {
        let mut args = self.template.clone();
        args.leaves = leaves.iter().cloned().collect();
        args
    }

    /// Calls the function itself.
    pub(super) fn call(&self, f: &dyn FlatFn, leaves: &[Array]) -> Result<Vec<Array>> {
        let out = without_location(|| f.call(self.args(leaves)))?;
        let _ = self.primal_out.set(OutType::of(&out));
        let _ = self.out_tree.set(out.tree.clone());
        Ok(out.leaves.into_vec())
    }

    /// Calls a rule that takes the same arguments.
    pub(super) fn call_rule(&self, f: &dyn FlatFn, leaves: &[Array]) -> Result<FlatOut> {
        without_location(|| f.call(self.args(leaves)))
    }

    /// The result of the function itself, if it was called before.
    pub(super) fn primal_out(&self) -> Option<&OutType> {
        self.primal_out.get()
    }

    /// The structure that the results will be given; the first one counts.
    pub(super) fn set_out_tree(&self, tree: &TreeDef) {
        let _ = self.out_tree.set(tree.clone());
    }

    /// The results put together.
    pub(super) fn out(&self, leaves: Vec<Array>) -> Result<FlatOut> {
        match self.out_tree.get() {
            Some(tree) => Ok(FlatOut { leaves: leaves.into_iter().collect(), tree: tree.clone() }),
            None => Err(err!(Internal, "a function with a custom derivative was not called")),
        }
    }

    pub(super) fn same(&self, other: &Application) -> bool {
        self.in_tree == other.in_tree
    }
}
