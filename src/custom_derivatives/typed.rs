//! What `custom_jvp` and `custom_vjp` share: arguments and results between their typed and flat forms.

use std::any::Any;
use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use crate::core::array::Array;
use crate::core::aval::ShapedArray;
use crate::core::primitive::Tangent;
use crate::core::trace::{CustomCall, CustomForward, bind_custom, with_caller, without_location};
use crate::error::{Result, bail, catch};
use crate::interpreters::custom_call::record;
use crate::signature::{FlatArgs, FlatFn, FlatOut};
use crate::tree::{Token, TreeDef};

/// A function with its rules.
pub(super) trait Definition: Send + Sync + 'static {
    /// The name of the equation.
    const PRIMITIVE: &'static str;

    /// The function itself.
    fn function(&self) -> &dyn FlatFn;

    /// [`CustomCall::reverse_rules`].
    fn reverse_rules(&self) -> Option<[String; 2]> {
        None
    }

    /// May the function or a rule have captured something?
    fn may_capture(&self) -> bool;

    /// [`CustomCall::jvp`] of one application.
    fn jvp(
        &self,
        application: &Application,
        primals: &[Array],
        tangents: &[Tangent],
    ) -> Result<(Vec<Array>, Vec<Tangent>)>;

    /// [`CustomCall::fwd`] of one application.
    fn fwd(
        self: &Arc<Self>,
        application: &Application,
        primals: &[Array],
        perturbed: &[bool],
    ) -> Option<Result<CustomForward>> {
        let _ = (application, primals, perturbed);
        None
    }
}

/// The function over flat arguments that a definition makes.
pub(super) struct Custom<D>(Arc<D>);

impl<D: Definition> Custom<D> {
    pub(super) fn of(definition: D) -> Arc<dyn FlatFn> {
        Arc::new(Custom(Arc::new(definition)))
    }
}

impl<D: Definition> FlatFn for Custom<D> {
    fn call(&self, args: FlatArgs) -> Result<FlatOut> {
        let caller = args.caller;
        let (application, leaves) = Application::new(args);
        let call = Arc::new(Call { definition: self.0.clone(), application });
        let bound: Arc<dyn CustomCall> = call.clone();
        let outs =
            with_caller(caller, || catch(|| bind_custom(&bound, &leaves))).map_err(|e| e.at(caller))?;
        call.application.out(outs)
    }
    fn name(&self) -> Cow<'static, str> {
        self.0.function().name()
    }
}

/// A definition applied to arguments.
struct Call<D> {
    definition: Arc<D>,
    application: Application,
}

impl<D: Definition> CustomCall for Call<D> {
    fn call(&self, args: &[Array]) -> Result<Vec<Array>> {
        self.application.call(self.definition.function(), args)
    }
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Result<(Vec<Array>, Vec<Tangent>)> {
        self.definition.jvp(&self.application, primals, tangents)
    }
    fn fwd(&self, primals: &[Array], perturbed: &[bool]) -> Option<Result<CustomForward>> {
        self.definition.fwd(&self.application, primals, perturbed)
    }
    fn record(self: Arc<Self>, args: &[Array]) -> Result<Vec<Array>> {
        record(self, args)
    }
    fn primitive_name(&self) -> &'static str {
        D::PRIMITIVE
    }
    fn function_name(&self) -> Cow<'static, str> {
        self.definition.function().name()
    }
    fn reverse_rules(&self) -> Option<[String; 2]> {
        self.definition.reverse_rules()
    }
    fn may_capture(&self) -> bool {
        self.definition.may_capture()
    }
    fn same(&self, other: &dyn CustomCall) -> bool {
        (other as &dyn Any).downcast_ref::<Self>().is_some_and(|other| {
            Arc::ptr_eq(&self.definition, &other.definition)
                && self.application.in_tree == other.application.in_tree
        })
    }
}

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
    fn new(mut args: FlatArgs) -> (Self, Vec<Array>) {
        let leaves = std::mem::take(&mut args.leaves);
        let mut tokens = vec![Token::Tuple(args.args.len() as u32)];
        tokens.extend(args.tokens.iter().cloned());
        let in_tree = TreeDef::from_tokens(&tokens);
        let application =
            Application { template: args, in_tree, primal_out: OnceLock::new(), out_tree: OnceLock::new() };
        (application, leaves)
    }

    /// Calls the function itself.
    fn call(&self, f: &dyn FlatFn, leaves: &[Array]) -> Result<Vec<Array>> {
        let out = without_location(|| f.call(self.template.with_leaves(leaves)))?;
        let _ = self.primal_out.set(OutType::of(&out));
        let _ = self.out_tree.set(out.tree.clone());
        Ok(out.leaves.into_vec())
    }

    /// Calls a rule that takes the same arguments.
    pub(super) fn call_rule(&self, f: &dyn FlatFn, leaves: &[Array]) -> Result<FlatOut> {
        without_location(|| f.call(self.template.with_leaves(leaves)))
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
    fn out(&self, leaves: Vec<Array>) -> Result<FlatOut> {
        match self.out_tree.get() {
            Some(tree) => Ok(FlatOut { leaves: leaves.into_iter().collect(), tree: tree.clone() }),
            None => bail!(Internal, "a function with a custom derivative was not called"),
        }
    }
}
