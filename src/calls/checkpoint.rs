//! `checkpoint`: a function whose intermediate values are computed again in the backward pass, to save memory.
//! JAX: `jax.checkpoint`, `jax.remat`, `remat_p`.
//!
//! A policy names values that are kept all the same, those of derivatives too. The call then has them as further results, and
//! its linearisation takes them as further arguments, in place of what it computes again.

use std::borrow::Cow;
use std::hash::BuildHasher;
use std::sync::Arc;

use rustc_hash::FxBuildHasher;
use smallvec::SmallVec;

use super::CallPrimitive;
use super::checkpoint_policies::CheckpointPolicy;
use super::inlined::eval_inlined;
use crate::arguments::options;
use crate::core::array::Array;
use crate::core::atom::{Atom, Var};
use crate::core::aval::ShapedArray;
use crate::core::axis::AxisName;
use crate::core::cache::Map;
use crate::core::config::{self, Config};
use crate::core::effects::Effects;
use crate::core::eval_jaxpr::eval_jaxpr;
use crate::core::jaxpr::{Jaxpr, TransformedJaxpr};
use crate::core::key_uses::KeyUses;
use crate::core::leaks;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{Linearized, LoweredValues, Param, Prim};
use crate::core::remap::Remap;
use crate::core::trace::{axis_env, bind, bind_at, check_live};
use crate::error::{Result, catch};
use crate::interpreters::discharge::{check_aliases, check_returned};
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
    checkpoint_with(f, CheckpointOptions::new())
}

options! {
    /// Options of [`checkpoint_with`].
    pub struct CheckpointOptions {
        /// Which intermediate values are kept and not computed again, of [`checkpoint_policies`](crate::checkpoint_policies);
        /// none, if it is not given.
        policy: optional CheckpointPolicy,
        /// Keep the compiler from finding that the values are there already, and keeping them? `scan` needs no such
        /// care: its iterations are apart.
        prevent_cse: value bool = true,
    }
}

/// [`checkpoint`] with options.
///
/// ```
/// use raxla::prelude::*;
/// use raxla::{CheckpointOptions, checkpoint_policies, checkpoint_with, numpy as jnp};
///
/// // The products of matrices are kept, the sines are computed again.
/// let layer = |x: &Array| jnp::sin(jnp::matmul(x, x));
/// let options = CheckpointOptions::new().policy(checkpoint_policies::dots_saveable());
/// let f = checkpoint_with(move |x: &Array| jnp::sum(layer(&layer(x)), ..), options);
/// let x = jnp::eye(3);
/// let expected = grad(move |x: &Array| jnp::sum(layer(&layer(x)), ..))(&x)?;
/// assert!(jnp::allclose(grad(f)(&x)?, expected).item::<bool>()?);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Those of `f`. It is traced, so it cannot look at values.
#[track_caller]
pub fn checkpoint_with<'f, F, M>(f: F, options: CheckpointOptions) -> Fun<'f, M::Sig>
where
    F: Function<M>,
    M: Traceable<'f, F>,
{
    Fun::from_flat(Arc::new(Checkpoint { f: M::into_flat(f), options, traced: Map::new(MAX_TRACES) }))
}

/// Traces of one function that are kept.
const MAX_TRACES: usize = 64;

struct Checkpoint<'f> {
    f: Arc<dyn FlatFn + 'f>,
    options: CheckpointOptions,
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
            check_returned(
                &format!("function {} traced for checkpoint", self.f.describe()),
                &out.leaves,
                tracers,
                |i| out.tree.leaf_paths().get(i).cloned().unwrap_or_default().with_root("result").to_string(),
            )?;
            Ok((out.leaves.into_vec(), out.tree))
        })?;
        let (jaxpr, consts) = convert_constvars(closed);
        let made = Arc::new(Body { jaxpr, consts, tree });
        if leaks::may_keep(&made.consts) {
            self.traced.put(key, made.clone());
        }
        Ok(made)
    }
}

impl FlatFn for Checkpoint<'_> {
    fn call(&self, mut args: FlatArgs) -> Result<FlatOut> {
        let caller = args.caller;
        let leaves = std::mem::take(&mut args.leaves);
        let run = || {
            let body = self.traced(&args, &leaves)?;
            if body.jaxpr.has_refs() {
                let what = format!("{} for checkpoint", self.f.describe());
                check_aliases(&what, &body.consts, &leaves, |i| format!("leaf {i} of the arguments"))?;
            }
            let args: SmallVec<[&Array; 8]> = body.consts.iter().chain(&leaves).collect();
            let CheckpointOptions { policy, prevent_cse } = self.options.clone();
            let jaxpr = body.jaxpr.clone();
            let prim = Prim::from(Remat { jaxpr, differentiated: false, policy, prevent_cse });
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
pub(crate) struct Remat {
    jaxpr: Arc<Jaxpr>,
    /// Is it part of a derivative, which computes again what was computed before?
    differentiated: bool,
    policy: Option<CheckpointPolicy>,
    prevent_cse: bool,
}

impl CallPrimitive for Remat {
    fn name(&self) -> &'static str {
        "remat2"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![
            ("differentiated", Param::from(self.differentiated)),
            ("jaxpr", Param::Jaxpr(self.jaxpr.clone())),
            ("policy", Param::Text(self.policy.as_ref().map_or("None".into(), ToString::to_string))),
            ("prevent_cse", Param::from(self.prevent_cse)),
        ]
    }
    fn jaxpr(&self) -> &Arc<Jaxpr> {
        &self.jaxpr
    }
    fn with(&self, jaxpr: Arc<Jaxpr>) -> Self {
        Remat { jaxpr, ..self.clone() }
    }
    /// What is computed again uses keys again, for the same draws.
    fn key_uses(&self) -> Result<Option<KeyUses>> {
        Ok(self.differentiated.then(KeyUses::default))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value]) -> LoweredValues {
        if !self.differentiated || !self.prevent_cse || ins.is_empty() {
            return ctx.inline_jaxpr(&self.jaxpr, ins);
        }
        // Or the compiler would find that the values are there already, and keep them.
        let types: Vec<Type> = ins.iter().map(|v| v.ty()).collect();
        let ins = ctx.op("stablehlo.optimization_barrier", ins, "", &types);
        ctx.inline_jaxpr(&self.jaxpr, &ins)
    }

    /// The call now, and as linear part the whole linearisation, with the arguments and what the policy keeps as the only
    /// residuals.
    fn linearize(&self, primals: &[Array], nonzero: &[bool]) -> Result<Linearized> {
        self.jaxpr.effects().check(Effects::CHECKPOINT, "the gradient of `checkpoint`")?;
        let again = linearize_again(&self.jaxpr, nonzero, self.policy.as_ref())?;
        let mut residuals: Vec<Array> = again.consts.iter().chain(primals).cloned().collect();
        let args: SmallVec<[&Array; 8]> = again.primal_args.iter().map(|i| &residuals[*i]).collect();
        let mut primals_out = bind(self.with(again.primal.clone()), &args)?;
        drop(args);
        residuals.extend(primals_out.drain(self.jaxpr.outvars.len()..));
        let linear = Remat { jaxpr: again.jaxpr.clone(), differentiated: true, policy: None, ..self.clone() };
        let (nonzero_out, order) = (again.nonzero_out.clone(), Some(again.order.clone()));
        Ok(Linearized { primals_out, linear: Prim::from(linear), residuals, nonzero_out, order })
    }
}

/// The linearisation of a jaxpr that computes again what it needs.
struct LinearizedAgain {
    /// Results: the original's, then what the policy keeps.
    primal: Arc<Jaxpr>,
    /// Its arguments, as positions among `consts` and the original's.
    primal_args: Vec<usize>,
    /// Results: the nonzero tangents.
    jaxpr: Arc<Jaxpr>,
    /// Its arguments, as positions among `consts`, the original's, what the policy keeps, and the nonzero tangents.
    order: Vec<usize>,
    consts: Vec<Array>,
    nonzero_out: Vec<bool>,
    policy: Option<CheckpointPolicy>,
}

impl TransformedJaxpr for LinearizedAgain {
    fn consts(&self) -> &[Array] {
        &self.consts
    }
}

fn linearize_again(
    jaxpr: &Arc<Jaxpr>,
    nonzero: &[bool],
    policy: Option<&CheckpointPolicy>,
) -> Result<Arc<LinearizedAgain>> {
    let policy_hash = policy.map(|policy| FxBuildHasher.hash_one(policy) as usize);
    let key = nonzero.iter().map(|nz| usize::from(*nz)).chain(policy_hash);
    let found = jaxpr.memo("linearize again", key, || make_linearized_again(jaxpr, nonzero, policy))?;
    // Two policies may have one hash.
    if found.policy.as_ref() == policy {
        return Ok(found);
    }
    make_linearized_again(jaxpr, nonzero, policy).map(Arc::new)
}

fn make_linearized_again(
    jaxpr: &Arc<Jaxpr>,
    nonzero: &[bool],
    policy: Option<&CheckpointPolicy>,
) -> Result<LinearizedAgain> {
    let mut avals = jaxpr.in_avals();
    let n = avals.len();
    let tangents = jaxpr.in_avals().into_iter().zip(nonzero).filter(|(_, nz)| **nz);
    avals.extend(tangents.map(|(a, _)| a.with_weak_type(false)));
    let (closed, nonzero_out) = trace_to_jaxpr_with(&avals, |args| {
        let run = |args: &[Array]| match policy {
            Some(_) => Ok((eval_inlined(jaxpr, args)?, ())),
            None => Ok((eval_jaxpr(jaxpr, &[], args)?, ())),
        };
        let (linear, ()) = linearize(run, &args[..n], nonzero)?;
        let tangents = eval_jaxpr(&linear.jaxpr.jaxpr, &linear.jaxpr.consts, &args[n..])?;
        Ok((linear.primals_out.into_iter().chain(tangents).collect(), linear.nonzero_out))
    })?;
    // Parameters: constants, the original's, tangents.
    let (whole, consts) = convert_constvars(closed);
    let known = consts.len() + n;
    let results = jaxpr.outvars.len();
    let Some(policy) = policy else {
        let used: Vec<bool> = (0..whole.outvars.len()).map(|i| i >= results).collect();
        let (again, order) = whole.dce(&used);
        let (primal, primal_args) = (jaxpr.clone(), (consts.len()..known).collect());
        return Ok(LinearizedAgain {
            primal,
            primal_args,
            jaxpr: again.into(),
            order,
            consts,
            nonzero_out,
            policy: None,
        });
    };
    // JAX: `partial_eval_jaxpr_custom`.
    let (now, kept) = known_and_kept(&whole, known, policy);
    let defined: Vec<Var> = kept.iter().flat_map(|i| whole.eqns[*i].outputs.iter().copied()).collect();
    let (invars, tangents) = whole.invars.split_at(known);
    let rest = |eqns: &mut dyn Iterator<Item = usize>, invars: Vec<Var>, outvars: Vec<Atom>| {
        let eqns = eqns.map(|i| whole.eqns[i].clone()).collect();
        let jaxpr = Jaxpr::new(Vec::new(), invars, outvars, eqns, whole.avals.clone());
        let (jaxpr, params) = jaxpr.dce(&vec![true; jaxpr.outvars.len()]);
        (Arc::new(jaxpr), params)
    };
    let is_kept: Remap<usize> = kept.iter().copied().collect();
    let mut others = (0..whole.eqns.len()).filter(|i| is_kept.get(i).is_none());
    let params = invars.iter().chain(&defined).chain(tangents).copied().collect();
    let (again, params) = rest(&mut others, params, whole.outvars[results..].to_vec());
    // What nobody reads is not kept after all.
    let read = params.iter().filter_map(|i| defined.get(i.checked_sub(known)?).copied());
    let read: Vec<Var> = read.collect();
    let dropped = defined.len() - read.len();
    let mut order: Vec<usize> = Vec::with_capacity(params.len());
    for i in params {
        order.push(if i < known {
            i
        } else if i < known + defined.len() {
            known + order.iter().filter(|i| **i >= known).count()
        } else {
            i - dropped
        });
    }
    let outvars = whole.outvars[..results].iter().copied().chain(read.into_iter().map(Atom::Var)).collect();
    let (primal, primal_args) = rest(&mut now.into_iter(), invars.to_vec(), outvars);
    Ok(LinearizedAgain {
        primal,
        primal_args,
        jaxpr: again,
        order,
        consts,
        nonzero_out,
        policy: Some(policy.clone()),
    })
}

/// The equations that depend on none but the first `known` parameters, and those among them whose results the policy keeps.
fn known_and_kept(jaxpr: &Jaxpr, known: usize, policy: &CheckpointPolicy) -> (Vec<usize>, Vec<usize>) {
    let mut is_known = vec![false; jaxpr.avals.len()];
    jaxpr.invars[..known].iter().for_each(|v| is_known[v.0 as usize] = true);
    let mut now = Vec::new();
    for (i, eqn) in jaxpr.eqns.iter().enumerate() {
        let reads_known = |atom: &Atom| {
            matches!(atom, Atom::Literal(_)) || matches!(atom, Atom::Var(v) if is_known[v.0 as usize])
        };
        if eqn.inputs.iter().all(reads_known) {
            eqn.outputs.iter().for_each(|v| is_known[v.0 as usize] = true);
            now.push(i);
        }
    }
    // What makes or uses references is computed again whole.
    let is_plain = |i: &usize| jaxpr.eqns[*i].prim.effects().and(Effects::REFS).is_empty();
    let kept = now.iter().copied().filter(|i| is_plain(i) && policy.saves(&jaxpr.eqns[*i])).collect();
    (now, kept)
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
