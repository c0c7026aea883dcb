//! `custom_gradient`: a function that gives its value and its gradient together. JAX: `jax.custom_gradient`.

use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;

use super::custom_vjp::{Bwd, CustomVjp, Forward};
use super::typed::{Application, Custom};
use crate::core::array::Array;
use crate::core::aval::ShapedArray;
use crate::core::eval_jaxpr::eval_jaxpr;
use crate::core::jaxpr::Jaxpr;
use crate::error::{Result, catch};
use crate::interpreters::partial_eval::trace_to_jaxpr_with;
use crate::signature::{FlatArgs, FlatFn, FlatOut, Fun, Function, Output, Signature, Traceable, type_key};
use crate::tree::{self, Flattener, Pytree, Static, Token, TreeDef, Unflattener};

/// `f` with the gradient that it gives beside its value: it returns [`with_gradient`] of both.
///
/// It is [`custom_vjp`](super::custom_vjp) where what the backward pass needs is captured rather than returned.
///
/// ```
/// use raxla::custom_derivatives::{custom_gradient, with_gradient};
/// use raxla::prelude::*;
///
/// let f = custom_gradient(|x: &Array, y: &Array| {
///     with_gradient(x * y, |ct: Array| (&ct * y, &ct * x))
/// });
/// let (x, y) = (Array::from(3.0), Array::from(4.0));
/// assert_eq!(f(&x, &y)?.item::<f32>()?, 12.0);
/// assert_eq!(grad(&f)(&x, &y)?.item::<f32>()?, 4.0);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`custom_vjp`](super::custom_vjp). The gradient is traced, so it cannot look at values.
#[track_caller]
pub fn custom_gradient<F, M, O>(f: F) -> Fun<'static, <M::Sig as Signature>::Returning<O>>
where
    F: Function<M>,
    M: Traceable<'static, F>,
    M::Sig: Signature<Out = WithGradient<O, <M::Sig as Signature>::Args>>,
    O: Pytree,
{
    let captures = type_key::<F>().is_none();
    let both = M::into_flat(f);
    type Both<S, O> = WithGradient<O, <S as Signature>::Args>;
    let value = Value::<Both<M::Sig, O>> { f: both.clone(), types: PhantomData };
    let call = {
        let both = both.clone();
        move |application: &Application, primals: &[Array], _: &[bool]| {
            let out: Both<M::Sig, O> = application.call_rule(&*both, primals)?.into_tree()?;
            let residuals = FlatOut::from_tree(&(out.residuals, Static(out.rule)));
            Ok((FlatOut::from_tree(&out.value), residuals))
        }
    };
    let (name, described) = (both.name().into_owned(), both.describe());
    let fwd = Forward { name: name.clone(), described: described.clone(), captures, call: Box::new(call) };
    let bwd: Box<Bwd> = Box::new(|residual_tree, _, residuals, cts| {
        let (residuals, rule): (Vec<Array>, Static<Arc<Rule>>) =
            tree::unflatten(residual_tree, residuals.iter().cloned())?;
        let leaves = eval_jaxpr(&rule.jaxpr, &residuals, cts)?;
        Ok(FlatOut { leaves: leaves.into_iter().collect(), tree: rule.tree.clone() })
    });
    let definition = CustomVjp {
        f: Arc::new(value),
        fwd,
        bwd,
        bwd_fn: "custom_gradient",
        bwd_name: described,
        may_capture: captures,
    };
    Fun::from_flat(Custom::of(definition))
}

/// A value, and the function from its cotangent to those of the arguments, a tuple: what a function under [`custom_gradient`] returns.
///
/// # Errors
/// Those of `gradient`, which is traced.
#[track_caller]
pub fn with_gradient<O, R>(value: O, gradient: impl FnOnce(O) -> R) -> Result<WithGradient<O, R::Tree>>
where
    O: Pytree,
    R: Output,
{
    let caller = Location::caller();
    let out = FlatOut::from_tree(&value);
    let avals: Vec<ShapedArray> = out.leaves.iter().map(Array::aval).collect();
    let run = || {
        trace_to_jaxpr_with(&avals, |cts| {
            let cts = tree::unflatten(&out.tree, cts.iter().cloned())?;
            let found = FlatOut::from_tree(&gradient(cts).into_result()?);
            Ok((found.leaves.into_vec(), found.tree))
        })
    };
    let (closed, tree) = catch(run).map_err(|e| e.at(caller))?;
    let rule = Arc::new(Rule { jaxpr: closed.jaxpr, tree });
    Ok(WithGradient { value, residuals: closed.consts, rule, types: PhantomData })
}

/// What [`with_gradient`] gives.
#[derive(Debug)]
pub struct WithGradient<O, C> {
    value: O,
    /// What the gradient captured.
    residuals: Vec<Array>,
    rule: Arc<Rule>,
    types: PhantomData<fn() -> C>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Rule {
    /// From the residuals and the cotangents of the value.
    jaxpr: Arc<Jaxpr>,
    tree: TreeDef,
}

impl<O: Pytree, C: 'static> Pytree for WithGradient<O, C> {
    fn flatten_into(&self, out: &mut Flattener) {
        out.token(Token::Tuple(3));
        self.value.flatten_into(out);
        self.residuals.flatten_into(out);
        out.static_value(&self.rule);
    }
    fn unflatten_from(src: &mut Unflattener<'_>) -> Result<Self> {
        src.token(&Token::Tuple(3))?;
        let value = O::unflatten_from(src)?;
        let residuals = Vec::unflatten_from(src)?;
        Ok(WithGradient { value, residuals, rule: src.static_value()?, types: PhantomData })
    }
}

/// The function's value alone.
struct Value<T> {
    f: Arc<dyn FlatFn>,
    types: PhantomData<fn() -> T>,
}

impl<O: Pytree, C: 'static> FlatFn for Value<WithGradient<O, C>> {
    fn call(&self, args: FlatArgs) -> Result<FlatOut> {
        let out: WithGradient<O, C> = self.f.call(args)?.into_tree()?;
        Ok(FlatOut::from_tree(&out.value))
    }
    fn name(&self) -> std::borrow::Cow<'static, str> {
        self.f.name()
    }
    fn describe(&self) -> String {
        self.f.describe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{grad, jit, vmap};
    use crate::lax::{mul, neg, sin};

    #[test]
    fn the_gradient_is_the_one_that_is_given() {
        // A gradient that is not that of a sine.
        let f = custom_gradient(|x: &Array| {
            let y = mul(x, x);
            with_gradient(sin(x), move |ct: Array| (neg(&mul(&ct, &y)),))
        });
        let x = Array::from([0.5f32, 2.0]);
        let squares = [-0.25f32, -4.0];
        let slope = f.clone();
        for found in
            [vmap(grad(f.clone()))(&x), jit(vmap(grad(f.clone())))(&x), vmap(grad(jit(f.clone())))(&x)]
        {
            assert_eq!(found.unwrap().to_vec::<f32>().unwrap(), squares);
        }
        let second = grad(grad(slope))(&Array::scalar(2f32)).unwrap();
        assert_eq!(second.item::<f32>().unwrap(), -4.0);
    }

    #[test]
    fn what_it_captures_may_be_a_tracer() {
        let outer = |a: &Array| {
            let f = custom_gradient(
                crate::capture!([a] |x: &Array| with_gradient(mul(x, &a), |ct: Array| (mul(&ct, &a),))),
            );
            grad(f)(a)
        };
        let x = Array::scalar(3f32);
        assert_eq!(jit(outer)(&x).unwrap().item::<f32>().unwrap(), 3.0);
        assert_eq!(vmap(outer)(&Array::from([1f32, 2.0])).unwrap().to_vec::<f32>().unwrap(), [1.0, 2.0]);
    }
}
