//! `checkpoint`: a function whose intermediate values are computed again in the backward pass, to save memory.
//! JAX: `jax.checkpoint`, `jax.remat`, `remat_p`.

use std::borrow::Cow;
use std::sync::Arc;

use smallvec::SmallVec;

use super::{CallPrimitive, refs};
use crate::core::array::Array;
use crate::core::aval::ShapedArray;
use crate::core::axis::AxisName;
use crate::core::cache::Map;
use crate::core::config::{self, Config};
use crate::core::effects::Effects;
use crate::core::eval_jaxpr::eval_jaxpr;
use crate::core::jaxpr::{Jaxpr, TransformedJaxpr};
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{Linearized, LoweredValues, Param, Prim};
use crate::core::trace::{axis_env, bind, bind_at, check_live};
use crate::error::{Result, catch};
use crate::interpreters::linearize::linearize;
use crate::interpreters::partial_eval::{convert_constvars, trace_to_jaxpr_with};
use crate::mlir::{Type, Value};
use crate::signature::{FlatArgs, FlatFn, FlatOut, Fun, Function, Traceable};
use crate::tree::{Token, TreeDef};

/// `f`, whose backward pass keeps nothing but the arguments and computes the rest again.
///
/// ```
/// use raxla::prelude::*;
/// use raxla::{checkpoint, lax};
///
/// let f = checkpoint(|x: &Array| lax::sin(&lax::sin(x)));
/// let slope = grad(f)(&Array::from(0.0))?;
/// assert_eq!(slope.item::<f32>()?, 1.0);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Those of `f`. It is traced, so it cannot look at values.
#[track_caller]
pub fn checkpoint<'f, F, M>(f: F) -> Fun<'f, M::Sig>
where
    F: Function<M>,
    M: Traceable<'f, F>,
{
    Fun::from_flat(Arc::new(Checkpoint { f: M::into_flat(f), traced: Map::new(MAX_TRACES) }))
}

/// Traces of one function that are kept.
const MAX_TRACES: usize = 64;

struct Checkpoint<'f> {
    f: Arc<dyn FlatFn + 'f>,
    traced: Map<Key, Arc<Body>>,
}

/// What a trace depends on besides the function.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    tokens: Box<[Token]>,
    avals: Box<[ShapedArray]>,
    config: Config,
    axes: Vec<(AxisName, usize)>,
}

/// The traced function.
struct Body {
    jaxpr: Arc<Jaxpr>,
    consts: Vec<Array>,
    tree: TreeDef,
}

impl Checkpoint<'_> {
    /// The trace for arguments of these types, made once.
    fn traced(&self, args: &FlatArgs, leaves: &[Array]) -> Result<Arc<Body>> {
        let avals: Box<[ShapedArray]> = leaves.iter().map(Array::aval).collect();
        let (tokens, axes) = (args.tokens.as_slice().into(), axis_env());
        let key = Key { tokens, avals, config: config::current(), axes };
        // One that captured tracers is made anew once their trace is over.
        let is_live = |body: &Arc<Body>| body.consts.iter().all(|x| check_live(x).is_ok());
        if let Some(found) = self.traced.get(&key).filter(is_live) {
            return Ok(found);
        }
        let (closed, tree) = trace_to_jaxpr_with(&key.avals, |tracers| {
            let out = self.f.call(args.with_leaves(tracers))?;
            Ok((out.leaves.into_vec(), out.tree))
        })?;
        let (jaxpr, consts) = convert_constvars(closed);
        let made = Arc::new(Body { jaxpr, consts, tree });
        self.traced.put(key, made.clone());
        Ok(made)
    }
}

impl FlatFn for Checkpoint<'_> {
    fn call(&self, mut args: FlatArgs) -> Result<FlatOut> {
        let caller = args.caller;
        let leaves = std::mem::take(&mut args.leaves);
        let run = || {
            let body = self.traced(&args, &leaves)?;
            let args: SmallVec<[&Array; 8]> = body.consts.iter().chain(&leaves).collect();
            let prim = Prim::from(Remat { jaxpr: body.jaxpr.clone(), differentiated: false });
            let leaves = bind_at(&prim, &args, caller)?.into_iter().collect();
            Ok(FlatOut { leaves, tree: body.tree.clone() })
        };
        catch(run).map_err(|e| e.at(caller))
    }
    fn name(&self) -> Cow<'static, str> {
        self.f.name()
    }
}

/// Calls a jaxpr without constants.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Remat {
    jaxpr: Arc<Jaxpr>,
    /// Is it part of a derivative, which computes again what was computed before?
    differentiated: bool,
}

impl CallPrimitive for Remat {
    fn name(&self) -> &'static str {
        "remat2"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![
            ("differentiated", Param::from(self.differentiated)),
            ("jaxpr", Param::Jaxpr(self.jaxpr.clone())),
            ("policy", Param::Text("None".into())),
            ("prevent_cse", Param::from(true)),
        ]
    }
    fn jaxpr(&self) -> &Arc<Jaxpr> {
        &self.jaxpr
    }
    fn with(&self, jaxpr: Arc<Jaxpr>) -> Self {
        Remat { jaxpr, differentiated: self.differentiated }
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value]) -> LoweredValues {
        if !self.differentiated || ins.is_empty() {
            return ctx.inline_jaxpr(&self.jaxpr, ins);
        }
        // Or the compiler would find that the values are there already, and keep them.
        let types: Vec<Type> = ins.iter().map(|v| v.ty()).collect();
        let ins = ctx.op("stablehlo.optimization_barrier", ins, "", &types);
        ctx.inline_jaxpr(&self.jaxpr, &ins)
    }

    /// The call now, and as linear part the whole linearisation, with the arguments as the only residuals.
    fn linearize(&self, primals: &[Array], nonzero: &[bool]) -> Result<Linearized> {
        self.jaxpr.effects().check(Effects::CHECKPOINT, "the gradient of `checkpoint`")?;
        let primals_out = bind(self.clone(), &refs(primals))?;
        let again = linearize_again(&self.jaxpr, nonzero)?;
        let linear = Prim::from(Remat { jaxpr: again.jaxpr.clone(), differentiated: true });
        let residuals = again.consts.iter().chain(primals).cloned().collect();
        let (nonzero_out, order) = (again.nonzero_out.clone(), Some(again.kept.clone()));
        Ok(Linearized { primals_out, linear, residuals, nonzero_out, order })
    }
}

/// The linearisation of a jaxpr that computes again what it needs.
struct LinearizedAgain {
    /// Parameters: those that `kept` names among `consts`, the original's and the nonzero tangents; results: the nonzero tangents.
    jaxpr: Arc<Jaxpr>,
    kept: Vec<usize>,
    consts: Vec<Array>,
    nonzero_out: Vec<bool>,
}

impl TransformedJaxpr for LinearizedAgain {
    fn consts(&self) -> &[Array] {
        &self.consts
    }
}

fn linearize_again(jaxpr: &Jaxpr, nonzero: &[bool]) -> Result<Arc<LinearizedAgain>> {
    jaxpr.memo("linearize again", nonzero.iter().map(|nz| usize::from(*nz)), || {
        let mut avals = jaxpr.in_avals();
        let n = avals.len();
        let tangents = jaxpr.in_avals().into_iter().zip(nonzero).filter(|(_, nz)| **nz);
        avals.extend(tangents.map(|(a, _)| a.with_weak_type(false)));
        let (closed, nonzero_out) = trace_to_jaxpr_with(&avals, |args| {
            let run = |args: &[Array]| Ok((eval_jaxpr(jaxpr, &[], args)?, ()));
            let (linear, ()) = linearize(run, &args[..n], nonzero)?;
            let tangents = eval_jaxpr(&linear.jaxpr.jaxpr, &linear.jaxpr.consts, &args[n..])?;
            Ok((tangents, linear.nonzero_out))
        })?;
        let (jaxpr, consts) = convert_constvars(closed);
        // The last results are of no use to it.
        let (jaxpr, kept) = jaxpr.dce(&vec![true; jaxpr.outvars.len()]);
        Ok(LinearizedAgain { jaxpr: jaxpr.into(), kept, consts, nonzero_out })
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;
    use crate::api::{grad, hessian, jit, make_jaxpr, vmap};
    use crate::error::OrThrow;
    use crate::lax;
    use crate::lax::testing::{case, check_rules};

    #[test]
    fn checkpoint_satisfies_the_rules() {
        let f =
            |x: &[Array]| checkpoint(|y: &Array| lax::sin(&lax::mul(&lax::sin(y), &x[1])))(&x[0]).or_throw();
        check_rules([case("remat2", [Array::from([0.5f32, -1.0]), Array::from([2.0f32, 0.7])], f)]);
    }

    #[test]
    fn the_backward_pass_computes_again() {
        let f = |x: &Array| Ok(lax::reduce_sum(&checkpoint(|x: &Array| lax::sin(&lax::sin(x)))(x)?, [0]));
        let x = Array::from([0.5f32, -1.0, 2.0]);
        let text = make_jaxpr(grad(f))(&x).unwrap().to_string();
        // As in JAX, the backward pass has a sine of its own.
        let backward = text.split("differentiated=True").nth(1).unwrap();
        assert_eq!(backward.matches("= sin ").count(), 1, "{text}");
        assert_eq!(backward.matches("= cos ").count(), 2, "{text}");
        let expected: Vec<f32> = [0.5f32, -1.0, 2.0].map(|x| x.sin().cos() * x.cos()).into();
        for g in [grad(f)(&x), jit(grad(f))(&x), grad(jit(f))(&x)] {
            let found = g.unwrap().to_vec::<f32>().unwrap();
            assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}");
        }
    }

    #[test]
    fn a_function_is_traced_once_for_each_type() {
        let count = Arc::new(AtomicUsize::new(0));
        let layer = {
            let count = count.clone();
            checkpoint(move |x: &Array| {
                count.fetch_add(1, Relaxed);
                lax::sin(x)
            })
        };
        let f = move |x: &Array| layer(&layer(&layer(x)?)?);
        let x = Array::scalar(0.3f32);
        let slope = |x: f32| x.sin().sin().cos() * x.sin().cos() * x.cos();
        for g in [grad(f.clone())(&x), jit(grad(f.clone()))(&x)] {
            assert!((g.unwrap().item::<f32>().unwrap() - slope(0.3)).abs() < 1e-6);
        }
        assert_eq!(count.load(Relaxed), 1);
        f(&Array::from([0.3f32, 0.5])).unwrap();
        assert_eq!(count.load(Relaxed), 2);
    }

    #[test]
    fn what_a_checkpoint_captures_is_that_of_its_trace() {
        let f = |x: &Array, w: &Array| {
            let layer = checkpoint(|x: &Array| lax::mul(x, w));
            layer(&layer(x)?)
        };
        let (x, w) = (Array::scalar(3.0f32), Array::scalar(2.0f32));
        for _ in 0..2 {
            let slope = crate::api::grad_with(f, crate::api::GradOptions::argnum::<1>());
            assert_eq!(jit(slope)(&x, &w).unwrap().item::<f32>().unwrap(), 12.0);
        }
    }

    #[test]
    fn checkpoint_in_a_scan() {
        let f = |x: &Array| {
            let body = |c: Array, k: Array| -> Result<(Array, ())> {
                Ok((checkpoint(|c: &Array, k: &Array| lax::mul(&lax::sin(c), k))(&c, &k)?, ()))
            };
            Ok(lax::scan(body, x.clone(), Array::from([2.0f32, 3.0]))?.0)
        };
        // 3 sin(2 sin x)
        let expected = |x: f32| 6.0 * (2.0 * x.sin()).cos() * x.cos();
        let found = vmap(jit(grad(f)))(&Array::from([0.3f32, 0.9])).unwrap().to_vec::<f32>().unwrap();
        assert!((found[0] - expected(0.3)).abs() < 1e-5 && (found[1] - expected(0.9)).abs() < 1e-5);
        let second = |x: f32| {
            let (inner, slope) = (2.0 * x.sin(), x.cos());
            -6.0 * (2.0 * inner.sin() * slope * slope + inner.cos() * x.sin())
        };
        let found = hessian(f)(&Array::scalar(0.3f32)).unwrap().item::<f32>().unwrap();
        assert!((found - second(0.3)).abs() < 1e-5, "{found} and not {}", second(0.3));
    }
}
