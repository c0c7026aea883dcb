//! `fwd_and_bwd`: the passes of a `vjp` as two compiled functions. JAX: `jax.fwd_and_bwd`.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::sync::Arc;

use super::options::{Argnum, Argnums, Aux, GradOptions, NoAux, Wrt};
use super::{Out, Sig, Tree, Value, linearize_flat, mark};
use crate::api::jit::{Jit, jit};
use crate::core::array::Array;
use crate::core::aval::ShapedArray;
use crate::core::jaxpr::{ClosedJaxpr, Jaxpr};
use crate::core::primitive::Ct;
use crate::error::{Result, bail, catch};
use crate::interpreters::backward_pass::backward_pass;
use crate::signature::{FlatArgs, FlatFn, FlatOut, Fun, Function, Signature, Traceable};
use crate::tree::{self, Flattener, Pytree, Token, TreeDef, Unflattener};

/// What the forward pass gives.
type Forward<M, F, W, A> = <Sig<'static, M, F> as Signature>::Returning<
    <A as Aux<Out<'static, M, F>>>::WithTree<Passed<M, F, W, A>>,
>;
/// What it leaves for the backward pass.
type Passed<M, F, W, A> = VjpResiduals<Value<'static, M, F, A>, Tree<'static, M, F, W>>;
/// The backward pass.
type Backward<M, F, W, A> =
    fn(&'static Passed<M, F, W, A>, &'static Value<'static, M, F, A>) -> Tree<'static, M, F, W>;

/// The forward and the backward pass of `f` with respect to its first argument, both jitted: `let (y, residuals) = fwd(&x)?`,
/// `let x_bar = bwd(&residuals, &y_bar)?`.
///
/// They do what [`vjp`](super::vjp) does, whose pullback is another function at each call. These two are compiled once, also
/// where forward and backward pass are not in one program.
///
/// ```
/// use raxla::api::fwd_and_bwd;
/// use raxla::prelude::*;
///
/// let (fwd, bwd) = fwd_and_bwd(|x: &Array| x * x);
/// for x in [1.0, 2.0, 3.0] {
///     let (y, residuals) = fwd(&Array::from(x))?;
///     let x_bar = bwd(&residuals, &Array::from(1.0))?;
///     assert_eq!((y.item::<f64>()?, x_bar.item::<f64>()?), (x * x, 2.0 * x));
/// }
/// assert_eq!((fwd.cache_stats().compiles, bwd.cache_stats().compiles), (1, 1));
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Calls fail with what `f` fails with, and for a cotangent of another type than the value.
#[allow(clippy::type_complexity, reason = "two functions, with the types of their arguments")]
#[track_caller]
pub fn fwd_and_bwd<F, M>(
    f: F,
) -> (Jit<Forward<M, F, Argnum<0>, NoAux>>, Jit<Backward<M, F, Argnum<0>, NoAux>>)
where
    F: Function<M>,
    M: Traceable<'static, F>,
    Argnum<0>: Argnums<M::Sig>,
{
    fwd_and_bwd_with(f, GradOptions::new())
}

/// [`fwd_and_bwd`] with respect to other arguments, of a function with auxiliary output: then `fwd` gives
/// `(value, residuals, aux)`.
///
/// ```
/// use raxla::api::{Argnum, GradOptions, fwd_and_bwd_with};
/// use raxla::prelude::*;
///
/// let f = |x: &Array, n: &Array, y: &Array| (x * y, n + 1);
/// let options = GradOptions::argnums((Argnum::<0>, Argnum::<2>)).has_aux();
/// let (fwd, bwd) = fwd_and_bwd_with(f, options);
/// let (z, residuals, n) = fwd(&Array::from(3.0), &Array::from(1), &Array::from(2.0))?;
/// let (x_bar, y_bar) = bwd(&residuals, &Array::from(1.0))?;
/// assert_eq!([z, n, x_bar, y_bar].map(|x| x.item::<f64>().unwrap()), [6.0, 2.0, 2.0, 3.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`fwd_and_bwd`].
#[allow(clippy::type_complexity, reason = "two functions, with the types of their arguments")]
#[track_caller]
pub fn fwd_and_bwd_with<F, M, W, A>(
    f: F,
    options: GradOptions<W, A>,
) -> (Jit<Forward<M, F, W, A>>, Jit<Backward<M, F, W, A>>)
where
    F: Function<M>,
    M: Traceable<'static, F>,
    W: Argnums<M::Sig> + 'static,
    A: Aux<Out<'static, M, F>> + 'static,
{
    let _ = options;
    let f = M::into_flat(f);
    let fwd: ForwardFn<Out<'static, M, F>, A, Tree<'static, M, F, W>> =
        ForwardFn { f, wrt: W::ARGNUMS, types: PhantomData };
    let fwd: Fun<'static, Forward<M, F, W, A>> = Fun::from_flat(Arc::new(fwd));
    (jit(fwd), jit(bwd::<Value<'static, M, F, A>, Tree<'static, M, F, W>>))
}

/// What the forward pass of [`fwd_and_bwd`] leaves for the backward pass: a tree of arrays.
#[derive(Debug)]
pub struct VjpResiduals<V, G> {
    arrays: Vec<Array>,
    linear: Arc<LinearPart>,
    types: PhantomData<fn(V) -> G>,
}

impl<V, G> Clone for VjpResiduals<V, G> {
    fn clone(&self) -> Self {
        VjpResiduals { arrays: self.arrays.clone(), linear: self.linear.clone(), types: PhantomData }
    }
}

impl<V: 'static, G: 'static> Pytree for VjpResiduals<V, G> {
    fn flatten_into(&self, out: &mut Flattener) {
        out.token(Token::Tuple(2));
        self.arrays.flatten_into(out);
        out.static_value(&self.linear);
    }
    fn unflatten_from(src: &mut Unflattener<'_>) -> Result<Self> {
        src.token(&Token::Tuple(2))?;
        let arrays = Vec::unflatten_from(src)?;
        Ok(VjpResiduals { arrays, linear: src.static_value()?, types: PhantomData })
    }
}

/// The derivative without its residuals.
#[derive(Debug, PartialEq, Eq, Hash)]
struct LinearPart {
    /// From the residuals, its constants, and the tangents to those of the results that have some.
    jaxpr: Arc<Jaxpr>,
    nonzero_out: Vec<bool>,
    value: Vec<ShapedArray>,
    value_tree: TreeDef,
    /// The leaves that are differentiated with respect to.
    wrt: Vec<ShapedArray>,
    wrt_tree: TreeDef,
}

struct ForwardFn<O, A, G> {
    f: Arc<dyn FlatFn>,
    wrt: Wrt,
    types: PhantomData<fn(A) -> (O, G)>,
}

impl<O: Pytree, A: Aux<O>, G: Pytree> FlatFn for ForwardFn<O, A, G> {
    fn call(&self, args: FlatArgs) -> Result<FlatOut> {
        let run = || {
            let wrt = self.wrt.leaves(&args);
            let (linear, tree) = linearize_flat(&*self.f, &args, &mark(&args, &wrt))?;
            let out = || tree::unflatten::<O>(&tree, linear.primals_out.iter().cloned());
            let (value, value_tree) = tree::flatten(&A::value(out()?));
            let ClosedJaxpr { jaxpr, consts } = linear.jaxpr;
            let part = LinearPart {
                jaxpr,
                nonzero_out: linear.nonzero_out,
                value: value.iter().map(Array::aval).collect(),
                value_tree,
                wrt: wrt.iter().map(|i| args.leaves[*i].aval()).collect(),
                wrt_tree: TreeDef::from_tokens(&self.wrt.tokens(&args)),
            };
            let residuals: VjpResiduals<A::Value, G> =
                VjpResiduals { arrays: consts, linear: Arc::new(part), types: PhantomData };
            Ok(FlatOut::from_tree(&A::with_tree(out()?, residuals)))
        };
        catch(run).map_err(|e| e.at(args.caller))
    }
    fn name(&self) -> Cow<'static, str> {
        "fwd".into()
    }
    fn describe(&self) -> String {
        self.f.describe()
    }
}

fn bwd<V: Pytree, G: Pytree>(residuals: &VjpResiduals<V, G>, ct: &V) -> Result<G> {
    let LinearPart { jaxpr, nonzero_out, value, value_tree, wrt, wrt_tree } = &*residuals.linear;
    let (cts, tree) = tree::flatten(ct);
    if let Some(difference) = value_tree.first_difference(&tree) {
        bail!(
            TreeMismatch,
            "fwd_and_bwd: the value and its cotangent must have the same structure: {difference}"
        );
    }
    super::check_cotangents("fwd_and_bwd: cotangent", value, &cts)?;
    let outs = nonzero_out.iter().enumerate().filter(|(_, nz)| **nz);
    // Auxiliary output has no cotangent.
    let cts: Vec<Ct> = outs.map(|(i, _)| cts.get(i).cloned()).collect();
    let closed = ClosedJaxpr { jaxpr: jaxpr.clone(), consts: residuals.arrays.clone() };
    let mut found = backward_pass(&closed, &cts)?.into_iter();
    let ct = |x: &ShapedArray| {
        let ct = if x.dtype().is_inexact() { found.next().flatten() } else { None };
        super::derivative(ct, x)
    };
    tree::unflatten(wrt_tree, wrt.iter().map(ct).collect::<Vec<_>>())
}
