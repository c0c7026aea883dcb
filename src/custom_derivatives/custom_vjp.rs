//! `custom_vjp`: a function whose reverse-mode derivative is given. JAX: `jax.custom_vjp`.

use std::sync::Arc;

use super::typed::{Application, Custom, Definition, OutType};
use crate::core::array::Array;
use crate::core::aval::ShapedArray;
use crate::core::primitive::{Ct, Tangent};
use crate::core::trace::{CustomBackward, CustomForward, without_location};
use crate::custom_derivatives::symbolic_zero;
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
/// residuals and the cotangent of the result, and returns a tuple with a cotangent for each argument. Cotangents that are zero are
/// arrays of zeros, which [`is_symbolic_zero`](Array::is_symbolic_zero) tells from others; so are those of integers and booleans, and
/// those that `bwd` returns for such arguments do not count. `bwd` may return what
/// [`zero_from_primal`](super::zero_from_primal) gives. Which arguments are differentiated with respect to,
/// [`custom_vjp_perturbed`] tells `fwd`.
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
    let split = |out: FlatOut| -> Result<(FlatOut, FlatOut)> {
        let (out, residuals): (<M::Sig as Signature>::Out, R) = out.into_tree()?;
        Ok((FlatOut::from_tree(&out), FlatOut::from_tree(&residuals)))
    };
    let captures = type_key::<G>().is_none();
    let fwd = N::into_flat(fwd);
    let forward = Forward {
        name: fwd.name().into_owned(),
        described: fwd.describe(),
        captures,
        call: Box::new(move |application: &Application, primals: &[Array], _: &[bool]| {
            split(application.call_rule(&*fwd, primals)?)
        }),
    };
    made::<F, M, R, B, C>(f, forward, bwd)
}

/// [`custom_vjp`] whose `fwd` is told what is differentiated with respect to. JAX: `defvjp` with `symbolic_zeros=True`, and
/// its `CustomVJPPrimal`.
///
/// `fwd` takes the arguments of `f` as a tuple, and another of the same types in which each array is a `bool`: is the argument's
/// `perturbed`? Where it is not, nobody needs its cotangent, and `bwd` may return zero.
///
/// ```
/// use raxla::custom_derivatives::{custom_vjp_perturbed, zero_from_primal};
/// use raxla::prelude::*;
///
/// // Keeps `y` for the gradient by `x` only if that is wanted, and the other way round.
/// let f = custom_vjp_perturbed(
///     |x: &Array, y: &Array| x * y,
///     |(x, y): (Array, Array), (by_x, by_y): (Array, Array)| -> Result<_> {
///         let z = &x * &y;
///         let keep_y = by_x.truth()?.then_some(y);
///         let keep_x = by_y.truth()?.then_some(x);
///         Ok((z, (keep_y, keep_x)))
///     },
///     |(y, x): (Option<Array>, Option<Array>), ct: Array| {
///         let by = |other: Option<Array>| other.map_or_else(|| zero_from_primal(&ct), |other| &ct * other);
///         (by(y), by(x))
///     },
/// );
/// assert_eq!(grad(f)(&Array::from(2.0), &Array::from(3.0))?.item::<f32>()?, 3.0);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`custom_vjp`].
#[track_caller]
pub fn custom_vjp_perturbed<F, M, G, O, B, C, R>(f: F, fwd: G, bwd: B) -> Fun<'static, M::Sig>
where
    F: Function<M>,
    M: Traceable<'static, F>,
    G: Fn(<M::Sig as Signature>::Args, <M::Sig as Signature>::Args) -> O + Send + Sync + 'static,
    O: Output<Tree = (<M::Sig as Signature>::Out, R)>,
    R: Pytree,
    B: Fn(R, <M::Sig as Signature>::Out) -> C + Send + Sync + 'static,
    C: Output<Tree = <M::Sig as Signature>::Args>,
{
    let captures = size_of_val(&fwd) > 0;
    let call = move |application: &Application, primals: &[Array], perturbed: &[bool]| {
        let perturbed = perturbed.iter().map(|p| Array::scalar(*p));
        let perturbed = tree::unflatten(&application.in_tree, perturbed)?;
        let primals = tree::unflatten(&application.in_tree, primals.iter().cloned())?;
        let (out, residuals) = without_location(|| fwd(primals, perturbed)).into_result()?;
        Ok((FlatOut::from_tree(&out), FlatOut::from_tree(&residuals)))
    };
    let (name, described) = (short_type_name::<G>().to_owned(), describe::<G>());
    let forward = Forward { name, described, captures, call: Box::new(call) };
    made::<F, M, R, B, C>(f, forward, bwd)
}

#[track_caller]
fn made<F, M, R, B, C>(f: F, fwd: Forward, bwd: B) -> Fun<'static, M::Sig>
where
    F: Function<M>,
    M: Traceable<'static, F>,
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
    let may_capture = size_of_val(&bwd) > 0 || type_key::<F>().is_none() || fwd.captures;
    let f = M::into_flat(f);
    Fun::from_flat(Custom::of(CustomVjp { f, fwd, bwd: Box::new(bwd), bwd_fn, bwd_name, may_capture }))
}

/// A forward rule.
pub(super) struct Forward {
    pub name: String,
    /// The same for messages.
    pub described: String,
    /// May it have captured something?
    pub captures: bool,
    /// Result and residuals.
    pub call: Box<ForwardFn>,
}

pub(super) type ForwardFn =
    dyn Fn(&Application, &[Array], &[bool]) -> Result<(FlatOut, FlatOut)> + Send + Sync;

pub(super) type Bwd = dyn Fn(&TreeDef, &TreeDef, &[Array], &[Array]) -> Result<FlatOut> + Send + Sync;

/// A function with its rules.
pub(super) struct CustomVjp {
    pub f: Arc<dyn FlatFn>,
    pub fwd: Forward,
    pub bwd: Box<Bwd>,
    pub bwd_fn: &'static str,
    /// The same for messages.
    pub bwd_name: String,
    /// May one of the three have captured something?
    pub may_capture: bool,
}

impl Definition for CustomVjp {
    const PRIMITIVE: &'static str = "custom_vjp_call";

    fn function(&self) -> &dyn FlatFn {
        &*self.f
    }
    fn reverse_rules(&self) -> Option<[String; 2]> {
        Some([self.fwd.name.clone(), self.bwd_fn.to_owned()])
    }
    fn may_capture(&self) -> bool {
        self.may_capture
    }
    fn jvp(&self, _: &Application, _: &[Array], _: &[Tangent]) -> Result<(Vec<Array>, Vec<Tangent>)> {
        bail!(Differentiation, "{}: {NO_FORWARD_MODE}", self.f.describe())
    }
    fn fwd(
        self: &Arc<Self>,
        application: &Application,
        primals: &[Array],
        perturbed: &[bool],
    ) -> Option<Result<CustomForward>> {
        Some(self.forward(application, primals, perturbed))
    }
}

impl CustomVjp {
    fn forward(
        self: &Arc<Self>,
        application: &Application,
        primals: &[Array],
        perturbed: &[bool],
    ) -> Result<CustomForward> {
        let (out, residuals) = (self.fwd.call)(application, primals, perturbed)?;
        let (f, fwd) = (self.f.describe(), &self.fwd.described);
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
            outs: out.leaves.iter().map(Array::aval).collect(),
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
    outs: Vec<ShapedArray>,
}

impl CustomBackward for VjpBackward {
    fn apply(&self, residuals: &[Array], cts: &[Ct]) -> Result<Vec<Ct>> {
        let definition = &self.definition;
        let cts = cts.iter().zip(&self.outs);
        let cts: Vec<Array> =
            cts.map(|(ct, aval)| ct.clone().unwrap_or_else(|| symbolic_zero(aval.tangent()))).collect();
        let found =
            without_location(|| (definition.bwd)(&self.residual_tree, &self.out_tree, residuals, &cts))?;
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
            Ok(ct.into_tangent())
        });
        cts.collect()
    }
}
