//! `closure_convert`: what a function captures, as arguments. JAX: `jax.closure_convert`.

use std::borrow::Cow;
use std::panic::Location;
use std::sync::Arc;

use crate::core::array::{Array, Repr};
use crate::core::aval::ShapedArray;
use crate::core::eval_jaxpr::eval_jaxpr;
use crate::core::jaxpr::ClosedJaxpr;
use crate::core::trace::Tracer;
use crate::error::{Result, bail, catch};
use crate::interpreters::partial_eval::trace_to_jaxpr_with;
use crate::signature::{FlatArgs, FlatFn, FlatOut, Fun, Function, Primals, Signature, Traceable};
use crate::tree::{Token, Tokens, TreeDef, first_difference};

/// A function that takes its arguments as a tuple, and what was captured.
type Converted<S> =
    Fun<'static, fn(&'static <S as Signature>::Args, &'static [Array]) -> <S as Signature>::Out>;

/// `f` for arguments of the types of `example_args`, with what it captures and might be differentiated as a further argument; and
/// what that was: `let (f, captured) = closure_convert(f, (&x,))?; f(&(x,), &captured)?`.
///
/// The rules of a [`custom_vjp`](crate::custom_vjp) cannot give cotangents to what its function captures. A function that takes
/// another one, as a solver does, converts it first and takes what it captures as arguments of its own. Captured arrays that
/// no transformation looks at stay captured.
///
/// ```
/// use raxla::{custom_derivatives::closure_convert, prelude::*};
///
/// let f = |x: &Array, scale: &Array| -> Result<Array> {
///     let (scaled, captured) = closure_convert(|x: &Array| x * scale, (x,))?;
///     assert_eq!(captured.len(), 1);
///     scaled(&(x.clone(),), &captured)
/// };
/// let slope = grad_with(f, GradOptions::argnum::<1>())(&Array::from(3.0), &Array::from(2.0))?;
/// assert_eq!(slope.item::<f32>()?, 3.0);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Those of `f`, which is traced. Calls fail for arguments of another structure, and for another number of captured arrays.
#[track_caller]
pub fn closure_convert<'f, F, M>(
    f: F,
    example_args: impl Primals<<M::Sig as Signature>::Args>,
) -> Result<(Converted<M::Sig>, Vec<Array>)>
where
    F: Function<M>,
    M: Traceable<'f, F>,
{
    let caller = Location::caller();
    let args = FlatArgs::from_tuple(&example_args, caller);
    let (converted, captured) =
        catch(|| ConvertedFn::new(&*M::into_flat(f), &args)).map_err(|e| e.at(caller))?;
    Ok((Fun::from_flat(Arc::new(converted)), captured))
}

struct ConvertedFn {
    closed: ClosedJaxpr,
    /// Which of its constants are arguments.
    hoisted: Vec<bool>,
    /// The arguments as one tuple.
    tokens: Tokens,
    out_tree: TreeDef,
    name: Cow<'static, str>,
}

impl ConvertedFn {
    fn new(f: &dyn FlatFn, args: &FlatArgs) -> Result<(Self, Vec<Array>)> {
        let avals: Vec<ShapedArray> = args.leaves.iter().map(Array::aval).collect();
        let (closed, out_tree) = trace_to_jaxpr_with(&avals, |leaves| {
            let out = f.call(args.with_leaves(leaves))?;
            Ok((out.leaves.into_vec(), out.tree))
        })?;
        let hoisted: Vec<bool> = closed.consts.iter().map(may_be_perturbed).collect();
        let captured = closed.consts.iter().zip(&hoisted).filter(|(_, hoisted)| **hoisted);
        let captured = captured.map(|(x, _)| x.clone()).collect();
        let mut tokens = Tokens::new();
        tokens.push(Token::Tuple(args.args.len() as u32));
        tokens.extend(args.tokens.iter().cloned());
        Ok((ConvertedFn { closed, hoisted, tokens, out_tree, name: f.name().into_owned().into() }, captured))
    }
}

impl FlatFn for ConvertedFn {
    fn call(&self, args: FlatArgs) -> Result<FlatOut> {
        let run = || {
            if let Some(difference) = first_difference(&self.tokens, args.arg_tokens(0)) {
                bail!(
                    TreeMismatch,
                    "closure_convert: the arguments must have the structure of the example arguments: {difference}"
                );
            }
            let captured = args.arg_leaves(1);
            let expected = self.hoisted.iter().filter(|hoisted| **hoisted).count();
            if captured.len() != expected {
                bail!(
                    InvalidArgument,
                    "closure_convert: the function captures {expected} arrays, and was called with {}",
                    captured.len()
                );
            }
            let mut captured = captured.iter();
            let consts = self.closed.consts.iter().zip(&self.hoisted);
            let consts: Vec<Array> = consts
                .filter_map(|(x, hoisted)| if *hoisted { captured.next() } else { Some(x) })
                .cloned()
                .collect();
            let outs = eval_jaxpr(&self.closed.jaxpr, &consts, args.arg_leaves(0))?;
            Ok(FlatOut { leaves: outs.into_iter().collect(), tree: self.out_tree.clone() })
        };
        catch(run).map_err(|e| e.at(args.caller))
    }
    fn name(&self) -> Cow<'static, str> {
        self.name.clone()
    }
}

/// Might it have a tangent? JAX: `_maybe_perturbed`.
fn may_be_perturbed(x: &Array) -> bool {
    match &x.0 {
        Repr::Tracer(Tracer::Var { aval, .. }) => aval.dtype().is_inexact(),
        Repr::Tracer(Tracer::Dual(_) | Tracer::Jet(_)) => true,
        Repr::Tracer(Tracer::Watched(watched)) => watched.aval.dtype().is_inexact(),
        Repr::Tracer(Tracer::Batched(batched)) => may_be_perturbed(&batched.value),
        Repr::Device(_) | Repr::Scalar(_) | Repr::Zero(_) | Repr::Ref(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{grad, jit, vmap};
    use crate::error::ErrorKind;
    use crate::lax::mul;

    fn count_and_product(x: &Array) -> Result<(usize, Array)> {
        let (three, n) = (Array::from([3.0f32]), mul(&Array::from([2]), &Array::from([2])));
        let f = |y: &Array| (mul(y, x), three.clone(), n.clone());
        let (converted, captured) = closure_convert(f, (x,))?;
        let (product, ..) = converted(&(x.clone(),), &captured)?;
        Ok((captured.len(), product))
    }

    #[test]
    fn what_may_be_differentiated_is_hoisted() {
        let x = Array::scalar(3.0f32);
        assert_eq!(count_and_product(&x).unwrap().0, 0);
        let counted = |expected: usize| {
            move |x: &Array| -> Result<Array> {
                let (n, product) = count_and_product(x)?;
                assert_eq!(n, expected);
                Ok(product)
            }
        };
        assert_eq!(grad(counted(1))(&x).unwrap().item::<f32>().unwrap(), 6.0);
        assert_eq!(jit(counted(1))(&x).unwrap().item::<f32>().unwrap(), 9.0);
        let x = Array::from([2.0f32, 3.0]);
        assert_eq!(vmap(counted(0))(&x).unwrap().to_vec::<f32>().unwrap(), [4.0, 9.0]);
        assert_eq!(vmap(grad(counted(1)))(&x).unwrap().to_vec::<f32>().unwrap(), [4.0, 6.0]);
    }

    #[test]
    fn wrong_arguments_are_named() {
        let x = Array::scalar(3.0f32);
        let (f, _) = closure_convert(|x: &Vec<Array>| x[0].clone(), (&vec![x.clone()],)).unwrap();
        let e = f(&(vec![x.clone(), x.clone()],), &[]).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::TreeMismatch);
        let e = f(&(vec![x.clone()],), &[x]).unwrap_err();
        assert!(e.message().contains("captures 0 arrays, and was called with 1"), "{e}");
    }
}
