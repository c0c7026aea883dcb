//! Functions with a `vmap` of their own. JAX: `jax.custom_batching`, `custom_vmap_p`.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use smallvec::SmallVec;

use crate::calls::refs;
use crate::control_flow::map;
use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::jaxpr::Jaxpr;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{BatchDim, Batched, Jvp, LoweredValues, MappedAxis, Param, Primitive, Tangent};
use crate::core::trace::{bind, bind_at, without_location};
use crate::error::{Result, bail, catch};
use crate::interpreters::batching::{batch, move_batch_axis};
use crate::interpreters::jvp::{instantiate, jvp, jvp_jaxpr};
use crate::interpreters::partial_eval::{convert_constvars, trace_to_jaxpr_with};
use crate::mlir::Value;
use crate::signature::{
    FlatArgs, FlatFn, FlatOut, Fun, Function, Output, Signature, Traceable, short_type_name,
};
use crate::tree::{self, Token, TreeDef};

/// `f`, whose [`vmap`](crate::vmap) is `rule`.
///
/// `rule` takes the size of the mapped axis; which arguments are mapped, as a tuple like the arguments in which each array is a
/// `bool`; and the arguments as a tuple, with the axis in front of those that are mapped. It returns the result, and which parts of
/// it are mapped, as a tree like it of `bool`s; [`truth`](crate::Array::truth) reads one.
///
/// ```
/// use raxla::custom_batching::custom_vmap;
/// use raxla::prelude::*;
///
/// let f = custom_vmap(
///     |x: &Array, y: &Array| x + y,
///     |axis_size, _mapped: (Array, Array), (xs, ys): (Array, Array)| {
///         assert_eq!(axis_size, xs.shape()[0]);
///         (xs * ys, Array::from(true))
///     },
/// );
/// let (xs, ys) = (Array::from([0, 1, 2]), Array::from([1, 2, 3]));
/// assert_eq!(vmap(&f)(&xs, &ys)?.to_vec::<i32>()?, [0, 2, 6]);
/// assert_eq!(f(&Array::from(2), &Array::from(3))?.item::<i32>()?, 5);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// Forward mode differentiates the rule. Reverse mode does not go through it: [`custom_vjp`](crate::custom_vjp) around the function
/// says what its gradient is.
///
/// # Errors
/// Those of `f`, which is traced, and of `rule`; a rule whose result has another structure than that of `f`. A rule is told nothing of
/// what `f` captures, so that it must not be mapped.
#[track_caller]
pub fn custom_vmap<'f, F, M, R, O>(f: F, rule: R) -> Fun<'f, M::Sig>
where
    F: Function<M>,
    M: Traceable<'f, F>,
    R: Fn(usize, <M::Sig as Signature>::Args, <M::Sig as Signature>::Args) -> O + Send + Sync + 'static,
    O: Output<Tree = (<M::Sig as Signature>::Out, <M::Sig as Signature>::Out)>,
{
    let name = short_type_name::<R>();
    let call = move |tree: &TreeDef, size: usize, mapped: &[bool], args: &[Array]| {
        let mapped = tree::unflatten(tree, mapped.iter().map(|m| Array::scalar(*m)))?;
        let args = tree::unflatten(tree, args.iter().cloned())?;
        let (out, out_mapped) = without_location(|| rule(size, mapped, args)).into_result()?;
        Ok((FlatOut::from_tree(&out), FlatOut::from_tree(&out_mapped)))
    };
    let rule = TypedRule { name, call: Box::new(call) };
    Fun::from_flat(Arc::new(CustomVmap { f: M::into_flat(f), rule: Arc::new(rule) }))
}

/// `f`, whose [`vmap`](crate::vmap) calls it for one element after the other, in a loop.
///
/// ```
/// use raxla::custom_batching::sequential_vmap;
/// use raxla::prelude::*;
///
/// let f = sequential_vmap(|x: &Array| {
///     raxla::debug::print!(ordered: true, "{x}"); // 0, 1, 2
///     x + 1
/// });
/// assert_eq!(vmap(f)(&Array::from([0, 1, 2]))?.to_vec::<i32>()?, [1, 2, 3]);
/// # raxla::effects_barrier()?;
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`custom_vmap`].
#[track_caller]
pub fn sequential_vmap<F, M>(f: F) -> Fun<'static, M::Sig>
where
    F: Function<M>,
    M: Traceable<'static, F>,
{
    let f = M::into_flat(f);
    let rule = Arc::new(Sequential { f: f.clone() });
    Fun::from_flat(Arc::new(CustomVmap { f, rule }))
}

/// What a `vmap` does instead of going through the function.
trait Rule: Send + Sync {
    /// The results with the axis in front of those that are mapped, their structure, and which are.
    fn call(&self, application: &Application, size: usize, mapped: &[bool], args: &[Array]) -> Result<Ruled>;
    fn name(&self) -> Cow<'static, str>;
    /// What tells it from others while it lives, and how often it was differentiated.
    fn identity(&self) -> (usize, usize) {
        (std::ptr::from_ref(self).cast::<u8>().addr(), 0)
    }
}

struct Ruled {
    outs: Vec<Array>,
    mapped: Vec<bool>,
}

/// A function applied to arguments of one structure.
struct Application {
    /// The arguments' structure; it has no leaves.
    template: FlatArgs,
    /// The arguments as one tuple.
    in_tree: TreeDef,
    out_tree: TreeDef,
}

type TypedCall = dyn Fn(&TreeDef, usize, &[bool], &[Array]) -> Result<(FlatOut, FlatOut)> + Send + Sync;

struct TypedRule {
    name: &'static str,
    call: Box<TypedCall>,
}

impl Rule for TypedRule {
    fn call(&self, application: &Application, size: usize, mapped: &[bool], args: &[Array]) -> Result<Ruled> {
        let (out, out_mapped) = (self.call)(&application.in_tree, size, mapped, args)?;
        if let Some(difference) = application.out_tree.first_difference(&out.tree) {
            bail!(
                TreeMismatch,
                "custom_vmap: the rule {} must give a result of the structure of the function's, but they differ {difference}",
                self.name
            );
        }
        let mut mapped = Vec::with_capacity(out.leaves.len());
        for (x, is_mapped) in out.leaves.iter().zip(&out_mapped.leaves) {
            let is_mapped = is_mapped.truth()?;
            if is_mapped && x.shape().first() != Some(&size) {
                bail!(
                    Shape,
                    "custom_vmap: the rule {} says that a result {} is mapped, which has no leading axis of size {size}",
                    self.name,
                    x.aval()
                );
            }
            mapped.push(is_mapped);
        }
        Ok(Ruled { outs: out.leaves.into_vec(), mapped })
    }
    fn name(&self) -> Cow<'static, str> {
        self.name.into()
    }
}

/// A loop over the mapped arguments.
struct Sequential {
    f: Arc<dyn FlatFn>,
}

impl Rule for Sequential {
    fn call(&self, application: &Application, _: usize, mapped: &[bool], args: &[Array]) -> Result<Ruled> {
        let xs: Vec<Array> = args.iter().zip(mapped).filter(|(_, m)| **m).map(|(x, _)| x.clone()).collect();
        let each = |xs: Vec<Array>| -> Result<Vec<Array>> {
            let mut xs = xs.into_iter();
            let args = args.iter().zip(mapped);
            let args: Vec<Array> =
                args.filter_map(|(x, m)| if *m { xs.next() } else { Some(x.clone()) }).collect();
            // As one equation, so that the next `vmap` finds the rule.
            let f = CustomVmap { f: self.f.clone(), rule: Arc::new(Sequential { f: self.f.clone() }) };
            Ok(f.call(application.template.with_leaves(&args))?.leaves.into_vec())
        };
        let outs = map(each, xs)?;
        let mapped = vec![true; outs.len()];
        Ok(Ruled { outs, mapped })
    }
    fn name(&self) -> Cow<'static, str> {
        "sequential_vmap".into()
    }
    fn identity(&self) -> (usize, usize) {
        (Arc::as_ptr(&self.f).cast::<u8>().addr(), 0)
    }
}

/// The rule of a function's jvp, of primals and then tangents. JAX: `jvp_of_rule_rule`.
struct JvpRule {
    of: Arc<dyn Rule>,
}

impl Rule for JvpRule {
    /// the jvp of the rule for what is mapped in primals and tangents alike, mapped over what is in one of them alone
    fn call(&self, application: &Application, size: usize, mapped: &[bool], args: &[Array]) -> Result<Ruled> {
        let n = args.len() / 2;
        let both: Vec<bool> = (0..n).map(|i| mapped[i] && mapped[n + i]).collect();
        let extra: Vec<BatchDim> = (0..2 * n).map(|i| (mapped[i] && !both[i % n]).then_some(0)).collect();
        let body = |args: &[Array]| {
            let mut of_both = Vec::new();
            let tangents: Vec<Tangent> = args[n..].iter().cloned().map(Some).collect();
            let rule = |args: &[Array]| {
                let Ruled { outs, mapped } = self.of.call(application, size, &both, args)?;
                of_both = mapped;
                Ok(outs)
            };
            let (outs, tangents) = jvp(rule, &args[..n], &tangents)?;
            let tangents: Vec<Array> = outs.iter().zip(tangents).map(|(x, dx)| instantiate(dx, x)).collect();
            Ok((outs.into_iter().chain(tangents).collect(), of_both))
        };
        let (outs, dims, of_both) = batch(body, args, &extra, None, size)?;
        let results = of_both.len();
        let mapped = |i: usize| of_both[i % results] || dims[i].is_some();
        let mapped: Vec<bool> = (0..outs.len()).map(mapped).collect();
        let outs = outs.iter().zip(&dims);
        let outs =
            outs.map(|(x, dim)| if dim.is_some() { move_batch_axis(x, *dim, 0, size) } else { x.clone() });
        Ok(Ruled { outs: outs.collect(), mapped })
    }
    fn name(&self) -> Cow<'static, str> {
        format!("jvp_{}", self.of.name()).into()
    }
    fn identity(&self) -> (usize, usize) {
        let (of, times) = self.of.identity();
        (of, times + 1)
    }
}

struct CustomVmap<'f> {
    f: Arc<dyn FlatFn + 'f>,
    rule: Arc<dyn Rule>,
}

impl FlatFn for CustomVmap<'_> {
    fn call(&self, mut args: FlatArgs) -> Result<FlatOut> {
        let caller = args.caller;
        let leaves = std::mem::take(&mut args.leaves);
        let run = || {
            let avals: Vec<ShapedArray> = leaves.iter().map(Array::aval).collect();
            let (closed, out_tree) = trace_to_jaxpr_with(&avals, |leaves| {
                let out = self.f.call(args.with_leaves(leaves))?;
                Ok((out.leaves.into_vec(), out.tree))
            })?;
            let (call, consts) = convert_constvars(closed);
            let mut tokens = vec![Token::Tuple(args.args.len() as u32)];
            tokens.extend(args.tokens.iter().cloned());
            let in_tree = TreeDef::from_tokens(&tokens);
            let application = Application { template: args.clone(), in_tree, out_tree: out_tree.clone() };
            let operands: Vec<Array> = consts.iter().chain(&leaves).cloned().collect();
            let prim = CustomVmapCall {
                call,
                num_consts: consts.len(),
                rule: self.rule.clone(),
                application: Arc::new(application),
            };
            let leaves = bind_at(&prim.into(), &refs(&operands), caller)?.into_iter().collect();
            Ok(FlatOut { leaves, tree: out_tree })
        };
        catch(run).map_err(|e| e.at(caller))
    }
    fn name(&self) -> Cow<'static, str> {
        self.f.name()
    }
    fn describe(&self) -> String {
        self.f.describe()
    }
}

/// The application of a function with a rule. Operands: what it captures, then its arguments.
#[derive(Clone)]
struct CustomVmapCall {
    call: Arc<Jaxpr>,
    num_consts: usize,
    rule: Arc<dyn Rule>,
    application: Arc<Application>,
}

impl PartialEq for CustomVmapCall {
    fn eq(&self, other: &Self) -> bool {
        self.num_consts == other.num_consts
            && self.call == other.call
            && self.rule.identity() == other.rule.identity()
            && self.application.in_tree == other.application.in_tree
    }
}
impl Eq for CustomVmapCall {}

impl Hash for CustomVmapCall {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.call, self.num_consts).hash(state);
    }
}

impl fmt::Debug for CustomVmapCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "custom_vmap_call[{}]", self.rule.name())
    }
}

impl Primitive for CustomVmapCall {
    fn name(&self) -> &'static str {
        "custom_vmap_call"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("call", Param::Jaxpr(self.call.clone())), ("rule", Param::Text(self.rule.name().into_owned()))]
    }
    fn sub_jaxprs(&self) -> Vec<&Arc<Jaxpr>> {
        vec![&self.call]
    }
    fn abstract_eval(&self, _: &[ShapedArray]) -> Result<Avals> {
        Ok(self.call.out_avals().into())
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], _: &[ShapedArray]) -> LoweredValues {
        ctx.inline_jaxpr(&self.call, ins)
    }
    /// the jvp of the function, with the jvp of the rule
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        let (n, results) = (self.num_consts, self.call.outvars.len());
        if tangents[..n].iter().any(Option::is_some) {
            bail!(
                Differentiation,
                "custom_vmap: the function captures what is differentiated with respect to: take it as an argument"
            );
        }
        let mut nonzero = vec![false; n];
        nonzero.resize(primals.len(), true);
        let made = jvp_jaxpr(&self.call, &nonzero, &vec![true; results])?;
        let tangents = primals[n..].iter().zip(&tangents[n..]);
        let tangents: Vec<Array> = tangents.map(|(x, dx)| instantiate(dx.clone(), x)).collect();
        let prim = CustomVmapCall {
            call: made.jaxpr.clone(),
            num_consts: made.consts.len() + n,
            rule: Arc::new(JvpRule { of: self.rule.clone() }),
            application: self.application.clone(),
        };
        let args: Vec<Array> = made.consts.iter().chain(primals).chain(&tangents).cloned().collect();
        let mut outs = bind(prim, &refs(&args))?;
        let tangents: SmallVec<[Tangent; 2]> = outs.drain(results..).map(Some).collect();
        Ok((outs, tangents))
    }
    /// the rule
    fn batch(&self, axis: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let n = self.num_consts;
        if dims[..n].iter().any(Option::is_some) {
            bail!(Unimplemented, "custom_vmap: the function captures what is mapped: take it as an argument");
        }
        let moved = args[n..].iter().zip(&dims[n..]);
        let moved =
            moved.map(|(x, d)| if d.is_some() { move_batch_axis(x, *d, 0, axis.size) } else { x.clone() });
        let moved: Vec<Array> = moved.collect();
        let mapped: Vec<bool> = dims[n..].iter().map(Option::is_some).collect();
        let Ruled { outs, mapped } = self.rule.call(&self.application, axis.size, &mapped, &moved)?;
        Ok((outs.into(), mapped.iter().map(|m| m.then_some(0)).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{VmapOptions, grad, jit, jvp as jvp_of, vmap, vmap_with};
    use crate::custom_derivatives::custom_vjp;
    use crate::error::{ErrorKind, OrThrow};
    use crate::lax::testing::{Draw, case, check_rules};
    use crate::lax::{add, cos, mul, sin};

    fn x() -> Array {
        Array::from([0.5f32, 1.0, 2.0])
    }

    /// A sine that is a cosine under `vmap`.
    fn f(x: &Array) -> Result<Array> {
        custom_vmap(|x: &Array| sin(x), |_, mapped: (Array,), (x,): (Array,)| (cos(&x), mapped.0))(x)
    }

    fn close(found: &Array, expected: impl Fn(f32) -> f32) {
        let expected: Vec<f32> = [0.5f32, 1.0, 2.0].into_iter().map(expected).collect();
        let found = found.to_vec::<f32>().unwrap();
        assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?} {expected:?}");
    }

    #[test]
    fn rules_of_custom_vmap() {
        let x = Draw::new(74).uniform(crate::DType::F32, &[2], -1.0, 1.0);
        let same = custom_vmap(|x: &Array| sin(x), |_, mapped: (Array,), (x,): (Array,)| (sin(&x), mapped.0));
        let same = move |x: &[Array]| same(&x[0]).or_throw();
        let each = sequential_vmap(|x: &Array, y: &Array| mul(&sin(x), y));
        let each = move |x: &[Array]| each(&x[0], &x[0]).or_throw();
        check_rules([
            case("custom_vmap_call", [x.clone()], same).forward_only(),
            case("custom_vmap_call of a loop", [x], each).forward_only(),
        ]);
    }

    #[test]
    fn vmap_takes_the_rule() {
        close(&f(&x()).unwrap(), f32::sin);
        close(&jit(f)(&x()).unwrap(), f32::sin);
        close(&vmap(f)(&x()).unwrap(), f32::cos);
        close(&jit(vmap(f))(&x()).unwrap(), f32::cos);
        close(&vmap(jit(f))(&x()).unwrap(), f32::cos);
        let both = |x: &Array, dx: &Array| jvp_of(f, (x,), (dx,));
        let (y, dy) = vmap(both)(&x(), &Array::from([1f32; 3])).unwrap();
        close(&y, f32::cos);
        close(&dy, |x| -x.sin());
        // A tangent that is not mapped.
        let (y, dy) =
            vmap_with(both, VmapOptions::new().in_axes((0, None)))(&x(), &Array::scalar(1f32)).unwrap();
        close(&y, f32::cos);
        close(&dy, |x| -x.sin());
    }

    #[test]
    fn the_rule_is_told_what_is_mapped() {
        let f = custom_vmap(
            |x: &Array, y: &Array| add(x, y),
            |size, (of_x, of_y): (Array, Array), (x, y): (Array, Array)| -> Result<(Array, Array)> {
                assert_eq!((size, of_x.truth()?, of_y.truth()?), (3, true, false));
                Ok((mul(&x, &y), of_x))
            },
        );
        let options = VmapOptions::new().in_axes((0, None));
        let found = vmap_with(f, options)(&x(), &Array::scalar(2f32)).unwrap();
        assert_eq!(found.to_vec::<f32>().unwrap(), [1.0, 2.0, 4.0]);
    }

    #[test]
    fn its_gradient_is_that_of_custom_vjp() {
        let e = grad(f)(&Array::scalar(1f32)).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Differentiation);
        let f = custom_vjp(
            f,
            |x: &Array| -> Result<(Array, Array)> { Ok((f(x)?, cos(x))) },
            |res: Array, ct: Array| (mul(&res, &ct),),
        );
        close(&vmap(f.clone())(&x()).unwrap(), f32::cos);
        close(&vmap(grad(f))(&x()).unwrap(), f32::cos);
    }

    #[test]
    fn wrong_rules_are_named() {
        let wrong = custom_vmap(
            |x: &Array| sin(x),
            |_, _: (Array,), _: (Array,)| (Array::scalar(1f32), Array::from(true)),
        );
        let e = vmap(wrong)(&x()).unwrap_err();
        assert!(e.message().contains("a result f32[] is mapped, which has no leading axis of size 3"), "{e}");
        let wrong = custom_vmap(
            |x: &Array| vec![sin(x)],
            |_, _: (Array,), (x,): (Array,)| (vec![x.clone(), x], vec![Array::from(true)]),
        );
        let e = vmap(wrong)(&x()).unwrap_err();
        assert!(e.message().contains("must give a result of the structure of the function's"), "{e}");
        let captured = x();
        let outer = |y: &Array| {
            custom_vmap(|x: &Array| mul(x, y), |_, m: (Array,), (x,): (Array,)| (x, m.0))(&captured)
        };
        let e = vmap(outer)(&x()).unwrap_err();
        assert!(e.message().contains("captures what is mapped"), "{e}");
    }
}
