//! `cond` and `switch`: one of several functions, chosen when the program runs. JAX: `cond_p`, `lax.cond`,
//! `lax.switch`. StableHLO: `case`.

mod rules;

use std::sync::Arc;

pub(crate) use rules::Cond;

use super::common::{bind_all_at, difference, here, join_consts, trace};
use super::platform::Platforms;
use super::scan::unflatten;
use crate::core::array::Array;
use crate::core::aval::ShapedArray;
use crate::core::jaxpr::{Jaxpr, Loc};
use crate::dtype::DType;
use crate::error::{Result, bail, catch};
use crate::interpreters::discharge::check_aliases;
use crate::lax;
use crate::signature::{FlatOut, Output};
use crate::tree::{Pytree, TreeDef};

/// `true_fn(operands)` if `pred`, else `false_fn(operands)`.
///
/// Both functions are traced, and one of them runs. Under `vmap` with a mapped `pred` both run, and the results are
/// selected. `pred` is a scalar; a number is true unless it is zero.
///
/// ```no_run
/// use raxla::{lax, Array};
///
/// let x = Array::scalar(2.0f32);
/// let y = lax::cond(true, |x: Array| lax::sin(&x), |x: Array| lax::cos(&x), x)?;
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Those of the functions. `cond branches must have equal output types but they differ …` (kind `Branch`); `pred` that
/// is not a scalar.
#[track_caller]
pub fn cond<T, U, A, B>(
    pred: impl Into<Array>,
    true_fn: impl FnOnce(T) -> A,
    false_fn: impl FnOnce(T) -> B,
    operands: T,
) -> Result<U>
where
    T: Pytree,
    U: Pytree,
    A: Output<Tree = U>,
    B: Output<Tree = U>,
{
    let loc = here();
    let pred = pred.into();
    let operands = FlatOut::from_tree(&operands);
    let tree = operands.tree.clone();
    let mut false_fn = Some(false_fn);
    let mut true_fn = Some(true_fn);
    let mut on_false = |args: &[Array]| match false_fn.take() {
        Some(f) => Ok(FlatOut::from_tree(&f(unflatten(&tree, args)?).into_result()?)),
        None => bail!(Internal, "cond: a branch was traced twice"),
    };
    let mut on_true = |args: &[Array]| match true_fn.take() {
        Some(f) => Ok(FlatOut::from_tree(&f(unflatten(&tree, args)?).into_result()?)),
        None => bail!(Internal, "cond: a branch was traced twice"),
    };
    let run = || {
        if pred.ndim() != 0 {
            bail!(Shape, "cond: pred must be a scalar, got {}", pred.aval());
        }
        let index = lax::convert_element_type(&lax::convert_element_type(&pred, DType::Bool), DType::I32);
        // Traced in the order in which they are written; branch 0 is false.
        let on_true = trace_branch(&operands, &mut on_true)?;
        let on_false = trace_branch(&operands, &mut on_false)?;
        check_branches("cond", ["true_fun", "false_fun"], &on_true, &on_false)?;
        switch_flat(index, vec![on_false, on_true], None, &operands, loc)
    };
    catch(run).map_err(|e| e.at(loc))?.into_tree()
}

/// `branches[index](operands)`; an index out of range is clamped to it.
///
/// ```no_run
/// use raxla::{lax, Array};
///
/// let x = Array::scalar(2.0f32);
/// let y = lax::switch(1, &[&|x: Array| lax::sin(&x), &|x: Array| lax::cos(&x)], x)?;
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Those of the branches. `switch branches must have equal output types but they differ …` (kind `Branch`); an index
/// that is not an integer or not a scalar; no branches.
#[track_caller]
pub fn switch<T, O>(index: impl Into<Array>, branches: &[&dyn Fn(T) -> O], operands: T) -> Result<O::Tree>
where
    T: Pytree,
    O: Output,
{
    let loc = here();
    let index = index.into();
    let operands = FlatOut::from_tree(&operands);
    let tree = operands.tree.clone();
    let run = || {
        if index.ndim() != 0 {
            bail!(Shape, "switch: branch index must be scalar, got {}", index.aval());
        }
        if !index.dtype().is_integer() {
            bail!(DType, "switch: index type must be an integer, got {}", index.aval());
        }
        let mut traced: Vec<Branch> = Vec::new();
        for (i, f) in branches.iter().enumerate() {
            let mut body =
                |args: &[Array]| Ok(FlatOut::from_tree(&f(unflatten(&tree, args)?).into_result()?));
            let branch = trace_branch(&operands, &mut body)?;
            if let Some(first) = traced.first() {
                check_branches("switch", ["branch 0", &format!("branch {i}")], first, &branch)?;
            }
            traced.push(branch);
        }
        if traced.is_empty() {
            bail!(InvalidArgument, "switch: empty branch sequence");
        }
        let index = lax::convert_element_type(&index, DType::I32);
        let bound = |i: usize| Array::scalar(i as i32);
        let index = lax::clamp(&bound(0), &index, &bound(traced.len() - 1));
        switch_flat(index, traced, None, &operands, loc)
    };
    catch(run).map_err(|e| e.at(loc))?.into_tree()
}

pub(super) struct Branch {
    jaxpr: Arc<Jaxpr>,
    consts: Vec<Array>,
    out_tree: TreeDef,
}

pub(super) fn trace_branch(
    operands: &FlatOut,
    f: &mut dyn FnMut(&[Array]) -> Result<FlatOut>,
) -> Result<Branch> {
    let avals: Vec<ShapedArray> = operands.leaves.iter().map(Array::aval).collect();
    let traced = trace(&avals, f)?;
    Ok(Branch { jaxpr: traced.jaxpr, consts: traced.consts, out_tree: traced.out_tree })
}

pub(super) fn switch_flat(
    index: Array,
    branches: Vec<Branch>,
    platforms: Option<Platforms>,
    operands: &FlatOut,
    loc: Loc,
) -> Result<FlatOut> {
    let Some(tree) = branches.first().map(|b| b.out_tree.clone()) else {
        bail!(Internal, "switch: no branches")
    };
    let parts = branches.into_iter().map(|b| (b.jaxpr, b.consts)).collect();
    let (branches, consts) = join_consts(parts);
    if branches.iter().any(|branch| branch.has_refs()) {
        check_aliases("the branches of a cond", &consts, &operands.leaves, |i| format!("operand {i}"))?;
    }
    let args: Vec<Array> = [index].into_iter().chain(consts).chain(operands.leaves.iter().cloned()).collect();
    let leaves = bind_all_at(Cond { branches: branches.into(), platforms }, &args, loc)?;
    Ok(FlatOut { leaves: leaves.into_iter().collect(), tree })
}

/// JAX: `_check_branch_outputs`.
pub(super) fn check_branches(what: &str, names: [&str; 2], a: &Branch, b: &Branch) -> Result<()> {
    let [first, second] = names;
    if a.out_tree != b.out_tree {
        bail!(
            Branch,
            "{what} branch outputs must have the same pytree structure, but those of {first} and {second} differ {}.\n\
             Revise {first} and/or {second} so that they have the same pytree structure",
            a.out_tree.first_difference(&b.out_tree).unwrap_or_default()
        );
    }
    let avals = a.jaxpr.out_avals().into_iter().zip(b.jaxpr.out_avals());
    let mut differ = Vec::new();
    for (path, (a, b)) in a.out_tree.leaf_paths().into_iter().zip(avals) {
        if !a.matches(&b) {
            let at = if path.is_empty() { String::new() } else { format!(" at path {path}") };
            differ.push(format!(
                "the output of {first}{at} has type {a} but the corresponding output of {second} has type {b}, so {}",
                difference(&a, &b)
            ));
        }
    }
    if differ.is_empty() {
        return Ok(());
    }
    bail!(
        Branch,
        "{what} branches must have equal output types but they differ: {}.\nRevise {first} and/or {second} so that all \
         output types match",
        differ.join("; ")
    )
}
