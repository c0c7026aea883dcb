//! `scan`: a loop with a carry over the leading axis of arrays. JAX: `scan_p`, `lax.scan`. StableHLO: `while`.

mod rules;

use std::sync::Arc;

pub(crate) use rules::Scan;

use super::common::{bind_all_at, check_carry, count, here, old, promote_weak, trace};
use crate::arguments::options;
use crate::core::array::Array;
use crate::core::aval::ShapedArray;
use crate::core::jaxpr::{Atom, Jaxpr, Loc};
use crate::core::primitive::Arrays;
use crate::core::remap::Remap;
use crate::error::{Result, bail, catch};
use crate::interpreters::discharge::check_aliases;
use crate::signature::{FlatOut, OutLeaves, Output};
use crate::tree::{Pytree, TreeDef, Unflattener};

options! {
    /// Options of [`scan_with`].
    pub struct ScanOptions {
        /// The number of iterations; needed only if `xs` has no leaves.
        length: optional usize,
        /// Begin at the end of `xs`. Results are in the order of `xs` still.
        reverse: value bool = false,
        /// Iterations in one turn of the compiled loop; 0: all of them, and no loop.
        unroll: value usize = 1,
    }
}

/// Runs `f` over the leading axis of the leaves of `xs`, carrying state along: `f` takes the carry and one slice of
/// `xs`, and returns the next carry and one slice of the second result.
///
/// ```no_run
/// use raxla::{lax, Array};
///
/// let (sum, sums) = lax::scan(
///     |sum: Array, x: Array| {
///         let sum = lax::add(&sum, &x);
///         (sum.clone(), sum)
///     },
///     Array::scalar(0.0f32),
///     Array::from([1.0f32, 2.0, 3.0]),
/// )?;
/// assert_eq!(sum.item::<f32>()?, 6.0);
/// assert_eq!(sums.to_vec::<f32>()?, [1.0, 3.0, 6.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// The loop is compiled as one operation, whatever its length. `f` is traced once, or twice if the carry begins with a plain
/// number and goes on with another dtype. It may use arrays of its surroundings.
///
/// # Errors
/// Those of `f`. `scan body function carry input and carry output must have equal types, but they differ: …` (kind
/// `Carry`); leaves of `xs` with different leading axes; `xs` without leaves (see [`scan_with`]).
#[track_caller]
pub fn scan<C, X, Y, O>(f: impl FnMut(C, X) -> O, init: C, xs: X) -> Result<(C, Y)>
where
    C: Pytree,
    X: Pytree,
    Y: Pytree,
    O: Output<Tree = (C, Y)>,
{
    scan_with(f, init, xs, ScanOptions::default())
}

/// [`scan`] with a length, in reverse, or unrolled. Without arrays to go over, `xs` is `()`.
///
/// ```no_run
/// use raxla::{lax, Array};
///
/// let double = |x: Array, ()| (&x + &x, x);
/// let (_, powers) = lax::scan_with(double, Array::from(1.0f32), (), lax::ScanOptions::new().length(4))?;
/// assert_eq!(powers.to_vec::<f32>()?, [1.0, 2.0, 4.0, 8.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`scan`]; ``scan got `length` argument of 4 which disagrees with leading axis sizes [3]``.
#[track_caller]
pub fn scan_with<C, X, Y, O>(
    mut f: impl FnMut(C, X) -> O,
    init: C,
    xs: X,
    options: ScanOptions,
) -> Result<(C, Y)>
where
    C: Pytree,
    X: Pytree,
    Y: Pytree,
    O: Output<Tree = (C, Y)>,
{
    let loc = here();
    let init = FlatOut::from_tree(&init);
    let xs = FlatOut::from_tree(&xs);
    let (carry_tree, xs_tree) = (init.tree.clone(), xs.tree.clone());
    let num_carry = init.leaves.len();
    let mut body = |args: &[Array]| {
        let carry = unflatten(&carry_tree, &args[..num_carry])?;
        let x = unflatten(&xs_tree, &args[num_carry..])?;
        let (carry, y) = f(carry, x).into_result()?;
        Ok((FlatOut::from_tree(&carry), FlatOut::from_tree(&y)))
    };
    let run = catch(|| scan_flat("scan body", &mut body, init, &xs, &options, loc));
    let (carry, ys) = run.map_err(|e| e.at(loc))?;
    Ok((carry.into_tree()?, ys.into_tree()?))
}

pub(super) fn unflatten<T: Pytree>(tree: &TreeDef, leaves: &[Array]) -> Result<T> {
    T::unflatten_from(&mut Unflattener::new(tree.tokens(), &mut leaves.iter().cloned()))
}

type Body<'a> = dyn FnMut(&[Array]) -> Result<(FlatOut, FlatOut)> + 'a;

/// [`scan_with`] over flat trees; `what` names the body in messages.
pub(super) fn scan_flat(
    what: &str,
    body: &mut Body<'_>,
    init: FlatOut,
    xs: &FlatOut,
    options: &ScanOptions,
    loc: Loc,
) -> Result<(FlatOut, FlatOut)> {
    let length = scan_length(&xs.leaves, options.length)?;
    let slices = xs.leaves.iter().map(|x| x.aval().without_axes(&[0]));
    let slices: Vec<ShapedArray> = slices.collect();
    let mut carry: Vec<Array> = init.leaves.into_vec();
    let num_carry = carry.len();
    loop {
        let carry_avals: Vec<ShapedArray> = carry.iter().map(Array::aval).collect();
        let avals: Vec<ShapedArray> = carry_avals.iter().chain(&slices).cloned().collect();
        let mut trees = None;
        let traced = trace(&avals, |args| {
            let (mut carry, ys) = body(args)?;
            trees = Some((carry.tree.clone(), ys.tree, carry.leaves.len()));
            carry.leaves.extend(ys.leaves);
            Ok(carry)
        })?;
        let Some((carry_tree, ys_tree, carry_out)) = trees else {
            bail!(Internal, "scan: no body was traced")
        };
        let out_avals = &traced.jaxpr.out_avals()[..carry_out];
        if carry_tree == init.tree && promote_weak(&mut carry, out_avals) {
            continue;
        }
        check_carry(what, &init.tree, &carry_avals, &carry_tree, out_avals)?;
        let forwarding = Forwarding::of(&traced.jaxpr, traced.consts.len(), num_carry);
        let carried = |fixed| {
            let each = carry.iter().zip(&forwarding.fixed);
            each.filter(move |(_, is_fixed)| **is_fixed == fixed).map(|(x, _)| x.clone())
        };
        let consts: Vec<Array> = carried(true).chain(traced.consts).collect();
        let moving: Vec<Array> = carried(false).collect();
        let prim = Scan {
            jaxpr: forwarding.thin(&traced.jaxpr, consts.len(), num_carry),
            length,
            reverse: options.reverse,
            num_consts: consts.len(),
            num_carry: moving.len(),
            unroll: options.unroll,
        };
        if prim.jaxpr.has_refs() {
            check_aliases(what, &consts, &xs.leaves, |i| format!("leaf {i} of what is scanned over"))?;
        }
        let outs = match prim.jaxpr.outvars.is_empty() && prim.jaxpr.effects().is_empty() {
            true => Arrays::new(),
            false => {
                let args = consts.into_iter().chain(moving).chain(xs.leaves.iter().cloned());
                bind_all_at(prim, &args.collect::<Vec<_>>(), loc)?
            }
        };
        let mut outs = outs.into_iter();
        let mut carry_leaves = OutLeaves::new();
        for (x, fixed) in carry.into_iter().zip(&forwarding.fixed) {
            carry_leaves.extend(if *fixed { Some(x) } else { outs.next() });
        }
        let mut ys_leaves = OutLeaves::new();
        for of_xs in &forwarding.ys {
            ys_leaves.extend(of_xs.map_or_else(|| outs.next(), |i| Some(xs.leaves[i].clone())));
        }
        let carry = FlatOut { leaves: carry_leaves, tree: carry_tree };
        return Ok((carry, FlatOut { leaves: ys_leaves, tree: ys_tree }));
    }
}

/// What the body passes on as it is: it needs no loop. JAX: the forwarding optimisations of `scan`.
struct Forwarding {
    /// Carries that stay what they were at first: they become constants.
    fixed: Vec<bool>,
    /// Stacked results that are these arrays to scan over.
    ys: Vec<Option<usize>>,
}

impl Forwarding {
    fn of(jaxpr: &Jaxpr, num_consts: usize, num_carry: usize) -> Self {
        let (carry, xs) = jaxpr.invars[num_consts..].split_at(num_carry);
        let (carry_out, ys) = jaxpr.outvars.split_at(num_carry);
        let fixed = carry.iter().zip(carry_out).map(|(v, out)| *out == Atom::Var(*v)).collect();
        let xs: Remap<Atom> = xs.iter().map(|v| Atom::Var(*v)).collect();
        Forwarding { fixed, ys: ys.iter().map(|y| xs.get(y)).collect() }
    }

    /// The body without it; `num_consts` counts the constants of the result.
    fn thin(&self, jaxpr: &Arc<Jaxpr>, num_consts: usize, num_carry: usize) -> Arc<Jaxpr> {
        let num_fixed = count(&self.fixed);
        if num_fixed == 0 && self.ys.iter().all(Option::is_none) {
            return jaxpr.clone();
        }
        let first = num_consts - num_fixed;
        let carried = |fixed| (0..num_carry).filter(move |i| self.fixed[*i] == fixed).map(move |i| first + i);
        let params = old(carried(true))
            .chain(old(0..first))
            .chain(old(carried(false)))
            .chain(old(first + num_carry..jaxpr.invars.len()));
        let carry_out = carried(false).map(|i| jaxpr.outvars[i - first]);
        let ys = jaxpr.outvars[num_carry..].iter().zip(&self.ys).filter(|(_, of_xs)| of_xs.is_none());
        jaxpr.rearrange(params, carry_out.chain(ys.map(|(y, _)| *y)).collect())
    }
}

pub(super) fn scan_length(xs: &[Array], given: Option<usize>) -> Result<usize> {
    let mut sizes = Vec::new();
    for x in xs {
        match x.shape().first() {
            Some(n) => sizes.push(*n),
            None => bail!(Shape, "scan got value with no leading axis to scan over: {}", x.aval()),
        }
    }
    let list = || sizes.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
    match (sizes.first(), given) {
        (_, Some(length)) if sizes.iter().any(|n| *n != length) => {
            bail!(
                Shape,
                "scan got `length` argument of {length} which disagrees with leading axis sizes [{}]",
                list()
            )
        }
        (_, Some(length)) => Ok(length),
        (Some(first), None) if sizes.iter().any(|n| n != first) => {
            bail!(Shape, "scan got values with different leading axis sizes: {}", list())
        }
        (Some(first), None) => Ok(*first),
        (None, None) => {
            bail!(
                InvalidArgument,
                "scan got no values to scan over and `length` not provided (see scan_with)"
            )
        }
    }
}
