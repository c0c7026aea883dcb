//! `while_loop` and `fori_loop`: loops whose length may depend on values. JAX: `while_p`, `lax.while_loop`,
//! `lax.fori_loop`. StableHLO: `while`.

mod rules;

pub(crate) use rules::While;

use super::common::{bind_all_at, check_carry, here, promote_weak, trace};
use super::scan::{ScanOptions, scan_flat, unflatten};
use crate::arguments::options;
use crate::core::array::Array;
use crate::core::aval::ShapedArray;
use crate::core::config::x64_enabled;
use crate::core::jaxpr::Loc;
use crate::core::scalar::Scalar;
use crate::dtype::promote_types;
use crate::error::{Result, bail, catch};
use crate::lax;
use crate::lax::convert_element_type::convert;
use crate::signature::{FlatOut, Output};
use crate::tree::{Pytree, TreeDef};

/// Replaces the carry by `body_fn(carry)` while `cond_fn(&carry)`, which is a boolean scalar.
///
/// The loop is compiled as one operation. Forward-mode derivatives work; reverse mode does not, since the number of
/// iterations is not known: use [`scan`](super::scan), or [`fori_loop`] with bounds that are plain numbers.
///
/// ```no_run
/// use raxla::{lax, Array};
///
/// // The first power of two above 1000.
/// let x = lax::while_loop(
///     |x: &Array| lax::lt(x, &Array::scalar(1000.0f32)),
///     |x: Array| lax::add(&x, &x),
///     Array::scalar(1.0f32),
/// )?;
/// assert_eq!(x.item::<f32>()?, 1024.0);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Those of the functions. `while_loop body function carry input and carry output must have equal types, …` and
/// `cond_fun must return a boolean scalar, …` (kind `Carry`).
#[track_caller]
pub fn while_loop<C, P, O>(
    mut cond_fn: impl FnMut(&C) -> P,
    mut body_fn: impl FnMut(C) -> O,
    init: C,
) -> Result<C>
where
    C: Pytree,
    P: Output<Tree = Array>,
    O: Output<Tree = C>,
{
    let loc = here();
    let init = FlatOut::from_tree(&init);
    let tree = init.tree.clone();
    let mut cond = |args: &[Array]| {
        let more = cond_fn(&unflatten(&tree, args)?).into_result()?;
        Ok(FlatOut::from_tree(&more))
    };
    let mut body = |args: &[Array]| Ok(FlatOut::from_tree(&body_fn(unflatten(&tree, args)?).into_result()?));
    let out = catch(|| while_flat("while_loop body", &mut cond, &mut body, init, loc));
    out.map_err(|e| e.at(loc))?.into_tree()
}

/// Replaces the carry by `body(i, carry)` for each `i` from `lower` to `upper`, exclusive.
///
/// With bounds whose values are known when this is traced it is a [`scan`](super::scan), which has derivatives in
/// reverse mode; else it is a [`while_loop`].
///
/// ```no_run
/// use raxla::{lax, Array};
///
/// let x = lax::fori_loop(0, 3, |_i: Array, x: Array| lax::add(&x, &x), Array::scalar(1.0f32))?;
/// assert_eq!(x.item::<f32>()?, 8.0);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Those of `body`; a carry that changes its type; bounds that are not integers, or of different dtypes:
/// `fori_loop: lower and upper must be integers of one dtype, got i32 and i16`.
#[track_caller]
pub fn fori_loop<C, O>(
    lower: impl Into<Array>,
    upper: impl Into<Array>,
    body: impl FnMut(Array, C) -> O,
    init: C,
) -> Result<C>
where
    C: Pytree,
    O: Output<Tree = C>,
{
    fori_loop_with(lower, upper, body, init, ForiLoopOptions::new())
}

options! {
    /// Options of [`fori_loop_with`].
    pub struct ForiLoopOptions {
        /// Iterations in one turn of the compiled loop, 0 for all of them; only for bounds that are known when the loop is
        /// traced.
        unroll: value usize = 1,
    }
}

/// [`fori_loop`], unrolled.
///
/// ```no_run
/// use raxla::{lax::{self, ForiLoopOptions}, Array};
///
/// let double = |_i: Array, x: Array| lax::add(&x, &x);
/// let x = lax::fori_loop_with(0, 8, double, Array::scalar(1.0f32), ForiLoopOptions::new().unroll(4))?;
/// assert_eq!(x.item::<f32>()?, 256.0);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`fori_loop`]; `fori_loop: unroll needs bounds that are known when the loop is traced, got i32[] and i32[]`.
#[track_caller]
pub fn fori_loop_with<C, O>(
    lower: impl Into<Array>,
    upper: impl Into<Array>,
    mut body: impl FnMut(Array, C) -> O,
    init: C,
    options: ForiLoopOptions,
) -> Result<C>
where
    C: Pytree,
    O: Output<Tree = C>,
{
    let loc = here();
    let bounds = [lower.into(), upper.into()];
    let init = FlatOut::from_tree(&init);
    let tree = init.tree.clone();
    let mut step = |i: &Array, args: &[Array]| {
        Ok(FlatOut::from_tree(&body(i.clone(), unflatten(&tree, args)?).into_result()?))
    };
    catch(|| fori_flat(bounds, &mut step, init, options.unroll, loc)).map_err(|e| e.at(loc))?.into_tree()
}

type Flat<'a> = dyn FnMut(&[Array]) -> Result<FlatOut> + 'a;

fn while_flat(
    what: &str,
    cond: &mut Flat<'_>,
    body: &mut Flat<'_>,
    init: FlatOut,
    loc: Loc,
) -> Result<FlatOut> {
    let mut carry: Vec<Array> = init.leaves.into_vec();
    loop {
        let avals: Vec<ShapedArray> = carry.iter().map(Array::aval).collect();
        let traced_cond = trace(&avals, &mut *cond)?;
        let traced = trace(&avals, &mut *body)?;
        let outs = traced.jaxpr.out_avals();
        if traced.out_tree == init.tree && promote_weak(&mut carry, &outs) {
            continue;
        }
        let preds = traced_cond.jaxpr.out_avals();
        if !matches!(&preds[..], [p] if p.dtype().is_bool() && p.shape().is_empty()) {
            let found: Vec<String> = preds.iter().map(ShapedArray::to_string).collect();
            bail!(
                Carry,
                "while_loop: cond_fun must return a boolean scalar, but got output type {}",
                found.join(", ")
            );
        }
        check_carry(what, &init.tree, &avals, &traced.out_tree, &outs)?;
        let prim = While {
            cond_jaxpr: traced_cond.jaxpr,
            cond_nconsts: traced_cond.consts.len(),
            body_jaxpr: traced.jaxpr,
            body_nconsts: traced.consts.len(),
        };
        let args: Vec<Array> = traced_cond.consts.into_iter().chain(traced.consts).chain(carry).collect();
        let leaves = bind_all_at(prim, &args, loc)?.into_iter().collect();
        return Ok(FlatOut { leaves, tree: init.tree });
    }
}

/// The carry together with the counter (and the bound) in front of it.
fn with_counters(counters: &[Array], carry: FlatOut) -> FlatOut {
    let mut tokens = vec![crate::tree::Token::Tuple(counters.len() as u32 + 1)];
    tokens.resize(counters.len() + 1, crate::tree::Token::Leaf);
    tokens.extend(carry.tree.tokens().iter().cloned());
    let leaves = counters.iter().cloned().chain(carry.leaves).collect();
    FlatOut { leaves, tree: TreeDef::from_tokens(&tokens) }
}

fn fori_flat(
    [lower, upper]: [Array; 2],
    step: &mut dyn FnMut(&Array, &[Array]) -> Result<FlatOut>,
    init: FlatOut,
    unroll: usize,
    loc: Loc,
) -> Result<FlatOut> {
    let (a, b) = ((lower.dtype(), lower.weak_type()), (upper.dtype(), upper.weak_type()));
    let (dtype, weak) = promote_types(a, b, x64_enabled()).map_err(|e| e.context("fori_loop"))?;
    if !dtype.is_integer() || (a.0 != b.0 && !a.1 && !b.1) {
        bail!(DType, "fori_loop: lower and upper must be integers of one dtype, got {} and {}", a.0, b.0);
    }
    if lower.ndim() != 0 || upper.ndim() != 0 {
        bail!(Shape, "fori_loop: lower and upper must be scalars, got {} and {}", lower.aval(), upper.aval());
    }
    if unroll != 1 && (lower.is_tracer() || upper.is_tracer()) {
        bail!(
            InvalidArgument,
            "fori_loop: unroll needs bounds that are known when the loop is traced, got {} and {}",
            lower.aval(),
            upper.aval()
        );
    }
    let [lower, upper] = [lower, upper].map(|x| convert(&x, dtype, weak));
    let one = Array::from(Scalar::from_i128(dtype, 1).with_weak_type(weak));
    let tree = init.tree.clone();
    if !lower.is_tracer() && !upper.is_tracer() {
        let (from, to) = (lower.to_scalar()?.to_i128(), upper.to_scalar()?.to_i128());
        let length = usize::try_from(to - from).unwrap_or(0);
        let mut body = |args: &[Array]| {
            let next = lax::add(&args[0], &one);
            let carry = step(&args[0], &args[1..])?;
            Ok((with_counters(&[next], carry), FlatOut::from_tree(&())))
        };
        let xs = FlatOut::from_tree(&());
        let options = ScanOptions::new().length(length).unroll(unroll);
        let init = with_counters(&[Array::from(lower.to_scalar()?.with_weak_type(weak))], init);
        let (mut carry, _) = scan_flat("fori_loop body", &mut body, init, &xs, &options, loc)?;
        carry.leaves.remove(0);
        return Ok(FlatOut { leaves: carry.leaves, tree });
    }
    let mut cond = |args: &[Array]| Ok(FlatOut::from_tree(&lax::lt(&args[0], &args[1])));
    let mut body = |args: &[Array]| {
        let next = lax::add(&args[0], &one);
        let carry = step(&args[0], &args[2..])?;
        Ok(with_counters(&[next, args[1].clone()], carry))
    };
    let init = with_counters(&[lower, upper], init);
    let mut carry = while_flat("fori_loop body", &mut cond, &mut body, init, loc)?;
    carry.leaves.drain(..2);
    Ok(FlatOut { leaves: carry.leaves, tree })
}
