//! `custom_vjp`: a function whose reverse-mode derivative is given. JAX: `jax.custom_vjp`.

use std::sync::Arc;

use super::typed::{Application, Custom, Definition, OutType};
use crate::core::array::Array;
use crate::core::aval::ShapedArray;
use crate::core::primitive::{Ct, Tangent};
use crate::core::trace::{CustomBackward, CustomForward, without_location};
use crate::error::{Result, bail};
use crate::interpreters::custom_call::NO_FORWARD_MODE;
use crate::lax;
use crate::signature::{
    FlatFn, FlatOut, Fun, Function, Output, Signature, Traceable, describe, short_type_name, type_key,
};
use crate::tree::{self, Pytree, TreeDef};

/// `f` with `fwd` and `bwd` as its derivative in reverse mode; forward mode is an error.
///
/// `fwd` takes the arguments of `f` and returns its result and whatever `bwd` will need, the residuals. `bwd` takes the
/// residuals and the cotangent of the result, and returns a tuple with a cotangent for each argument. The cotangents
/// of integers and booleans are arrays of zeros, and those that `bwd` returns for such arguments do not count.
///
/// An array that one of them captures is mapped by an enclosing [`vmap`](crate::vmap) like an argument, and cannot be
/// differentiated with respect to: that is `UnexpectedTracer`. `bwd` may run when the `vmap` is over, so give it what it needs as
/// residuals.
///
/// ```
/// use raxla::custom_derivatives::custom_vjp;
/// use raxla::{lax, Array};
///
/// // A sine whose gradient is scaled by its argument.
/// let f = custom_vjp(
///     |x: &Array| lax::sin(x),
///     |x: &Array| (lax::sin(x), x.clone()),
///     |x: Array, ct: Array| (lax::mul(&x, &ct),),
/// );
/// assert_eq!(f(&Array::from(0.0))?.item::<f32>()?, 0.0);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Those of the functions. `Differentiation` if `fwd` gives a result of other type than `f`, or `bwd` a cotangent of
/// other type than its argument.
#[track_caller]
pub fn custom_vjp<F, M, G, N, B, C, R>(f: F, fwd: G, bwd: B) -> Fun<'static, M::Sig>
where
    F: Function<M>,
    M: Traceable<'static, F>,
    G: Function<N>,
    N: Traceable<'static, G>,
    N::Sig: Signature<Args = <M::Sig as Signature>::Args, Out = (<M::Sig as Signature>::Out, R)>,
    R: Pytree,
    B: Fn(R, <M::Sig as Signature>::Out) -> C + Send + Sync + 'static,
    C: Output<Tree = <M::Sig as Signature>::Args>,
{
    let (bwd_fn, bwd_name) = (short_type_name::<B>(), describe::<B>());
    let bwd = move |residual_tree: &TreeDef, out_tree: &TreeDef, residuals: &[Array], cts: &[Array]| {
        let residuals = tree::unflatten(residual_tree, residuals.iter().cloned())?;
        let cts = tree::unflatten(out_tree, cts.iter().cloned())?;
        Ok(FlatOut::from_tree(&bwd(residuals, cts).into_result()?))
    };
    let split = |out: FlatOut| -> Result<(FlatOut, FlatOut)> {
        let (out, residuals): (<M::Sig as Signature>::Out, R) = out.into_tree()?;
        Ok((FlatOut::from_tree(&out), FlatOut::from_tree(&residuals)))
    };
    let may_capture = size_of_val(&bwd) > 0 || type_key::<F>().is_none() || type_key::<G>().is_none();
    let (f, fwd) = (M::into_flat(f), N::into_flat(fwd));
    Fun::from_flat(Custom::of(CustomVjp { f, fwd, split, bwd: Box::new(bwd), bwd_fn, bwd_name, may_capture }))
}

type Bwd = dyn Fn(&TreeDef, &TreeDef, &[Array], &[Array]) -> Result<FlatOut> + Send + Sync;

/// A function with its rules.
struct CustomVjp {
    f: Arc<dyn FlatFn>,
    fwd: Arc<dyn FlatFn>,
    /// Takes what `fwd` returns apart: result and residuals.
    split: fn(FlatOut) -> Result<(FlatOut, FlatOut)>,
    bwd: Box<Bwd>,
    bwd_fn: &'static str,
    /// The same for messages.
    bwd_name: String,
    /// May one of the three have captured something?
    may_capture: bool,
}

impl Definition for CustomVjp {
    const PRIMITIVE: &'static str = "custom_vjp_call";

    fn function(&self) -> &dyn FlatFn {
        &*self.f
    }
    fn reverse_rules(&self) -> Option<[String; 2]> {
        Some([self.fwd.name().into_owned(), self.bwd_fn.to_owned()])
    }
    fn may_capture(&self) -> bool {
        self.may_capture
    }
    fn jvp(&self, _: &Application, _: &[Array], _: &[Tangent]) -> Result<(Vec<Array>, Vec<Tangent>)> {
        bail!(Differentiation, "{}: {NO_FORWARD_MODE}", self.f.describe())
    }
    fn fwd(self: &Arc<Self>, application: &Application, primals: &[Array]) -> Option<Result<CustomForward>> {
        Some(self.forward(application, primals))
    }
}

impl CustomVjp {
    fn forward(self: &Arc<Self>, application: &Application, primals: &[Array]) -> Result<CustomForward> {
        let returned = application.call_rule(&*self.fwd, primals)?;
        let (out, residuals) = (self.split)(returned)?;
        let (f, fwd) = (self.f.describe(), self.fwd.describe());
        if let Some(primal) = application.primal_out() {
            let found = OutType::of(&out);
            if found.tree != primal.tree || !found.matches(primal) {
                bail!(
                    Differentiation,
                    "custom VJP fwd rule {fwd} for function {f} must produce a pair whose first element has the same \
                     structure and shapes/dtypes as the output of {f}, but it has {} {}, and the output of {f} has {} {}",
                    found.tree,
                    found.list(),
                    primal.tree,
                    primal.list()
                );
            }
        }
        application.set_out_tree(&out.tree);
        let backward = Arc::new(VjpBackward {
            definition: self.clone(),
            in_tree: application.in_tree.clone(),
            primals: primals.iter().map(Array::aval).collect(),
            residual_tree: residuals.tree,
            out_tree: out.tree,
        });
        Ok(CustomForward { outs: out.leaves.into_vec(), residuals: residuals.leaves.into_vec(), backward })
    }
}

struct VjpBackward {
    definition: Arc<CustomVjp>,
    in_tree: TreeDef,
    primals: Vec<ShapedArray>,
    residual_tree: TreeDef,
    out_tree: TreeDef,
}

impl CustomBackward for VjpBackward {
    fn apply(&self, residuals: &[Array], cts: &[Array]) -> Result<Vec<Ct>> {
        let definition = &self.definition;
        let found =
            without_location(|| (definition.bwd)(&self.residual_tree, &self.out_tree, residuals, cts))?;
        let (f, bwd) = (definition.f.describe(), &definition.bwd_name);
        if found.tree != self.in_tree {
            bail!(
                Differentiation,
                "custom VJP bwd rule {bwd} for function {f} must produce an output with the same pytree structure as \
                 the args tuple of the primal function, but it has {} and the args tuple has {}",
                found.tree,
                self.in_tree
            );
        }
        let leaves = found.leaves.into_iter().zip(&self.primals).enumerate();
        let cts = leaves.map(|(i, (ct, primal))| {
            if !primal.dtype().is_inexact() {
                return Ok(None);
            }
            let ct = match ct.weak_type() && ct.dtype() != primal.dtype() {
                true => lax::convert_element_type(&ct, primal.dtype()),
                false => ct,
            };
            if !ct.aval().matches(primal) {
                let path = self.in_tree.leaf_paths().swap_remove(i).with_root("output");
                let differ = crate::control_flow::difference(&ct.aval(), primal);
                bail!(
                    Differentiation,
                    "custom VJP bwd rule {bwd} for function {f} must produce an output with the same type as the args \
                     tuple of the primal function, but at {path} the bwd rule produced an output of type {} \
                     corresponding to an input of type {primal}, so {differ}",
                    ct.aval()
                );
            }
            Ok(Some(ct))
        });
        cts.collect()
    }
}
