//! What `reduce` and `reduce_window` share: the call, with the traced computation and the reductions that have a primitive of
//! their own, and what their rules ask of initial values. JAX: `lax._variadic_reduction_jaxpr`, `lax._get_monoid_reducer`.

use std::sync::Arc;

use super::common::{Traced, bind_all_at, to_front, trace};
use super::scan::unflatten;
use crate::core::array::Array;
use crate::core::aval::ShapedArray;
use crate::core::effects::Effects;
use crate::core::eval_jaxpr::eval_jaxpr;
use crate::core::jaxpr::{Atom, Jaxpr, Loc};
use crate::core::primitive::{BatchDim, MappedAxis, Prim, Tangent};
use crate::core::scalar::Scalar;
use crate::dtype::DType;
use crate::error::{Result, bail, catch};
use crate::lax::elementwise::tuple;
use crate::lax::extremum::{highest, lowest};
use crate::signature::{FlatOut, Output};
use crate::tree::Pytree;

/// Reduces `operands` from `init_values` by `computation`. `known` is the reduction by a monoid that has a primitive of its own,
/// of one array from one initial value; `prim` that by a jaxpr, of arrays like the one given.
pub(super) fn reduction<T, O, P>(
    what: &str,
    operands: T,
    init_values: T,
    computation: impl FnOnce(T, T) -> O,
    known: impl FnOnce(Monoid, &Array, &Array) -> Result<Option<Array>>,
    prim: impl FnOnce(Arc<Jaxpr>, &Array) -> Result<P>,
    loc: Loc,
) -> Result<T>
where
    T: Pytree,
    O: Output<Tree = T>,
    P: Into<Prim>,
{
    let (operands, inits) = (FlatOut::from_tree(&operands), FlatOut::from_tree(&init_values));
    let run = || {
        let jaxpr = trace_reducer(what, &operands, &inits, computation)?;
        let (x, init) = (&operands.leaves[0], &inits.leaves[0]);
        let known = match monoid(&jaxpr, &inits.leaves)? {
            Some(monoid) => known(monoid, x, init)?,
            None => None,
        };
        let leaves = match known {
            Some(out) => [out].into_iter().collect(),
            None => {
                let args: Vec<Array> = operands.leaves.iter().chain(&inits.leaves).cloned().collect();
                bind_all_at(prim(jaxpr, x)?, &args, loc)?.into_iter().collect()
            }
        };
        Ok(FlatOut { leaves, tree: operands.tree.clone() })
    };
    catch(run).map_err(|e| e.at(loc))?.into_tree()
}

/// Refuses tangents of initial values.
pub(super) fn check_inits_constant(what: &str, tangents: &[Tangent]) -> Result<()> {
    if tangents.iter().any(Option::is_some) {
        bail!(Unimplemented, "{what}: derivatives with respect to initial values are not implemented");
    }
    Ok(())
}

/// The operands with the mapped axis in front, and the initial values as they are: they may not be mapped.
pub(super) fn batch_operands(
    what: &str,
    axis: &MappedAxis,
    args: &[Array],
    dims: &[BatchDim],
) -> Result<Vec<Array>> {
    let n = args.len() / 2;
    if dims[n..].iter().any(Option::is_some) {
        bail!(Unimplemented, "{what}: initial values may not be mapped");
    }
    let each = args.iter().zip(dims).enumerate();
    Ok(each.map(|(i, (x, d))| to_front(x, *d, i < n, 0, axis.size)).collect())
}

/// The jaxpr of `computation`: two times as many scalars in as there are initial values, and as many out.
fn trace_reducer<T, O>(
    what: &str,
    operands: &FlatOut,
    inits: &FlatOut,
    computation: impl FnOnce(T, T) -> O,
) -> Result<Arc<Jaxpr>>
where
    T: Pytree,
    O: Output<Tree = T>,
{
    let tree = &inits.tree;
    if operands.tree != *tree {
        bail!(
            TreeMismatch,
            "{what}: operands must have the same tree structure as init_values, but they differ {}",
            operands.tree.first_difference(tree).unwrap_or_default()
        );
    }
    if inits.leaves.is_empty() {
        bail!(InvalidArgument, "{what} must have at least one operand");
    }
    let scalars: Vec<ShapedArray> = inits.leaves.iter().map(Array::aval).collect();
    for (x, init) in operands.leaves.iter().zip(&scalars) {
        if !init.shape().is_empty() {
            bail!(Shape, "{what} found non-scalar initial value: {init}");
        }
        if x.dtype() != init.dtype() {
            bail!(
                DType,
                "{what}: operand dtypes should match corresponding initial value dtypes, got {} and {init}",
                x.aval()
            );
        }
        if x.shape() != operands.leaves[0].shape() {
            let first = tuple(operands.leaves[0].shape());
            bail!(Shape, "{what}: operands must have one shape, got {first} and {}", tuple(x.shape()));
        }
    }
    let n = scalars.len();
    let avals = [scalars.clone(), scalars.clone()].concat();
    let traced = trace(&avals, |args| {
        let out = computation(unflatten(tree, &args[..n])?, unflatten(tree, &args[n..])?);
        Ok(FlatOut::from_tree(&out.into_result()?))
    })?;
    if traced.out_tree != *tree {
        bail!(
            TreeMismatch,
            "{what}: computation must return the tree structure of init_values, but they differ {}",
            traced.out_tree.first_difference(tree).unwrap_or_default()
        );
    }
    if let Some((out, init)) =
        traced.jaxpr.out_avals().iter().zip(&scalars).find(|(out, init)| !out.matches(init))
    {
        bail!(DType, "{what}: computation must return the types of init_values, got {out} for {init}");
    }
    let traced = literal_consts(&format!("{what}: computation"), &avals, traced)?;
    traced.jaxpr.effects().check(Effects::NONE, &format!("the computation of `{what}`"))?;
    Ok(traced.jaxpr)
}

/// What is inlined into an operation of the compiler has no operands but the elements, so what it captures becomes a literal.
pub(super) fn literal_consts(what: &str, avals: &[ShapedArray], traced: Traced) -> Result<Traced> {
    let Traced { jaxpr, consts, out_tree } = traced;
    if consts.is_empty() {
        return Ok(Traced { jaxpr, consts, out_tree });
    }
    let mut literals = Vec::new();
    for x in &consts {
        if x.is_tracer() || x.ndim() != 0 {
            bail!(
                Unimplemented,
                "{what} may capture scalars whose value is known, and nothing else, got {}",
                x.aval()
            );
        }
        literals.push(Array::from(x.to_scalar()?));
    }
    trace(avals, |args| {
        let leaves = eval_jaxpr(&jaxpr, &[], &[&literals, args].concat())?;
        Ok(FlatOut { leaves: leaves.into_iter().collect(), tree: out_tree.clone() })
    })
}

/// A reduction that has a primitive of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Monoid {
    Sum,
    Prod,
    Max,
    Min,
    Or,
    And,
    Xor,
}

/// The monoid of a computation that is nothing but one operation on its two parameters, if `init` is its neutral element.
fn monoid(jaxpr: &Jaxpr, inits: &[Array]) -> Result<Option<Monoid>> {
    let ([init], [eqn]) = (inits, &jaxpr.eqns[..]) else { return Ok(None) };
    let [a, b] = [0, 1].map(|i| Atom::Var(jaxpr.invars[i]));
    let inputs = &eqn.inputs[..];
    let both = inputs == [a, b] || inputs == [b, a];
    let is_result = matches!((&jaxpr.outvars[..], &eqn.outputs[..]), ([Atom::Var(out)], [var]) if out == var);
    if init.is_tracer() || !both || !is_result {
        return Ok(None);
    }
    let dtype = init.dtype();
    let number = |n| Scalar::from_i128(dtype, n);
    let (monoid, neutral) = match eqn.prim.name() {
        "add" => (Monoid::Sum, number(0)),
        "mul" => (Monoid::Prod, number(1)),
        "max" => (Monoid::Max, lowest(dtype)),
        "min" => (Monoid::Min, highest(dtype)),
        "or" => (Monoid::Or, number(0)),
        "and" => (Monoid::And, number(if dtype == DType::Bool { 1 } else { -1 })),
        "xor" => (Monoid::Xor, number(0)),
        _ => return Ok(None),
    };
    let value = init.to_scalar()?;
    let equal = match dtype.is_inexact() {
        // Zeros of both signs are equal.
        true => value.to_f64() == neutral.to_f64() && value.imag() == neutral.imag(),
        false => value.with_weak_type(false) == neutral,
    };
    Ok(equal.then_some(monoid))
}
