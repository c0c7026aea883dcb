//! `custom_jvp`: a function whose forward-mode derivative is given. JAX: `jax.custom_jvp`.

use std::sync::Arc;

use super::typed::{Application, Custom, Definition, OutType};
use crate::core::array::Array;
use crate::core::primitive::Tangent;
use crate::core::trace::without_location;
use crate::custom_derivatives::zero_from_primal;
use crate::error::{Result, bail};
use crate::signature::{FlatFn, FlatOut, Fun, Function, Output, Signature, Traceable, describe, type_key};
use crate::tree::{self, TreeDef};

/// `f` with `rule` as its derivative, in forward and in reverse mode.
///
/// `rule` takes the arguments of `f` as a tuple and their tangents as another, of the same types, and returns the result
/// of `f` and its tangent, in which it must be linear in the tangents. Tangents that are zero are arrays of zeros, which
/// [`is_symbolic_zero`](Array::is_symbolic_zero) tells from others; those of integers and booleans are such zeros,
/// of [`float0`](crate::dtypes::float0). An array that `f` or `rule` captures is mapped by an
/// enclosing [`vmap`](crate::vmap) like an argument, and cannot be differentiated with respect to: that is `UnexpectedTracer`.
///
/// ```
/// use raxla::custom_derivatives::custom_jvp;
/// use raxla::{lax, Array};
///
/// // A sine that passes gradients on as they are.
/// let f = custom_jvp(|x: &Array| lax::sin(x), |(x,): (Array,), (dx,): (Array,)| (lax::sin(&x), dx));
/// assert_eq!(f(&Array::from(0.0))?.item::<f32>()?, 0.0);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// JAX's `symbolic_zeros=True` is the only way there is, for what it gives is an array. The rule need not compute what nobody
/// differentiates, and returns such a zero where its own tangent is zero:
/// ```
/// use raxla::custom_derivatives::custom_jvp;
/// use raxla::prelude::*;
///
/// let f = custom_jvp(
///     |x: &Array, y: &Array| x * y,
///     |(x, y): (Array, Array), (dx, dy): (Array, Array)| {
///         let by_x = if dx.is_symbolic_zero() { dx } else { dx * &y };
///         let by_y = if dy.is_symbolic_zero() { dy } else { dy * &x };
///         let dz = if by_y.is_symbolic_zero() { by_x } else { by_x + by_y };
///         (x * y, dz)
///     },
/// );
/// assert_eq!(grad(f)(&Array::from(2.0), &Array::from(3.0))?.item::<f32>()?, 3.0);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Those of `f` and `rule`. `Differentiation` if the results of `rule` have other types than that of `f`, or the
/// tangents other types than the results.
#[track_caller]
pub fn custom_jvp<F, M, R, O>(f: F, rule: R) -> Fun<'static, M::Sig>
where
    F: Function<M>,
    M: Traceable<'static, F>,
    R: Fn(<M::Sig as Signature>::Args, <M::Sig as Signature>::Args) -> O + Send + Sync + 'static,
    O: Output<Tree = (<M::Sig as Signature>::Out, <M::Sig as Signature>::Out)>,
{
    let name = describe::<R>();
    let rule = move |in_tree: &TreeDef, primals: &[Array], tangents: &[Array]| {
        let primals = tree::unflatten(in_tree, primals.iter().cloned())?;
        let tangents = tree::unflatten(in_tree, tangents.iter().cloned())?;
        let (out, tangent) = rule(primals, tangents).into_result()?;
        Ok((FlatOut::from_tree(&out), FlatOut::from_tree(&tangent)))
    };
    let may_capture = size_of_val(&rule) > 0 || type_key::<F>().is_none();
    let f = M::into_flat(f);
    Fun::from_flat(Custom::of(CustomJvp { f, rule: Box::new(rule), may_capture, name }))
}

type Rule = dyn Fn(&TreeDef, &[Array], &[Array]) -> Result<(FlatOut, FlatOut)> + Send + Sync;

/// A function with its rule.
struct CustomJvp {
    f: Arc<dyn FlatFn>,
    rule: Box<Rule>,
    /// May the function or the rule have captured something?
    may_capture: bool,
    /// The rule's.
    name: String,
}

impl Definition for CustomJvp {
    const PRIMITIVE: &'static str = "custom_jvp_call";

    fn function(&self) -> &dyn FlatFn {
        &*self.f
    }
    fn may_capture(&self) -> bool {
        self.may_capture
    }
    fn jvp(
        &self,
        application: &Application,
        primals: &[Array],
        tangents: &[Tangent],
    ) -> Result<(Vec<Array>, Vec<Tangent>)> {
        let tangents: Vec<Array> = tangents
            .iter()
            .zip(primals)
            .map(|(dx, x)| dx.clone().unwrap_or_else(|| zero_from_primal(x)))
            .collect();
        let (out, dout) = without_location(|| (self.rule)(&application.in_tree, primals, &tangents))?;
        self.check(application, &OutType::of(&out), &OutType::of(&dout))?;
        application.set_out_tree(&out.tree);
        let tangents = out.leaves.iter().zip(dout.leaves);
        let tangents =
            tangents.map(|(x, dx)| if x.dtype().is_inexact() { dx.into_tangent() } else { None }).collect();
        Ok((out.leaves.into_vec(), tangents))
    }
}

impl CustomJvp {
    fn check(&self, application: &Application, out: &OutType, tangent: &OutType) -> Result<()> {
        let (rule, f) = (&self.name, self.f.describe());
        if let Some(primal) = application.primal_out() {
            if out.tree != primal.tree {
                bail!(
                    Differentiation,
                    "custom JVP rule {rule} for function {f} must produce a pair whose first element has the same \
                     pytree structure as the output of {f}, but it has {}, and the output of {f} has {}",
                    out.tree,
                    primal.tree
                );
            }
            if !out.matches(primal) {
                bail!(
                    Differentiation,
                    "custom JVP rule {rule} for function {f} must produce a pair whose first element has the same \
                     shapes/dtypes as the output of {f}, but it has {}, and the output of {f} has {}",
                    out.list(),
                    primal.list()
                );
            }
        }
        if out.tree != tangent.tree {
            bail!(
                Differentiation,
                "custom JVP rule {rule} for function {f} must produce primal and tangent outputs with equal pytree \
                 structures, but got {} and {} respectively",
                out.tree,
                tangent.tree
            );
        }
        for (x, dx) in out.avals.iter().zip(&tangent.avals) {
            let tangent = x.tangent();
            if !tangent.matches(dx) {
                bail!(
                    Differentiation,
                    "custom JVP rule {rule} for function {f} must produce primal and tangent outputs with \
                     corresponding shapes and dtypes. Expected {tangent} (tangent type of {x}) but got {dx}"
                );
            }
        }
        Ok(())
    }
}
