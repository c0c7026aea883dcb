//! Checks that abstract evaluations share, and the checker of whole jaxprs. JAX: `core.check_jaxpr`.

use crate::core::aval::ShapedArray;
use crate::core::jaxpr::{Atom, Jaxpr, Var};
use crate::core::primitive::{BatchDim, LinearInput, Primitive};
use crate::dtype::{DType, NO_OPERATIONS};
use crate::error::{Result, bail};
use smallvec::SmallVec;

/// The operands, if there are `N` of them.
pub(crate) fn arity<'a, const N: usize>(
    prim: &dyn Primitive,
    ins: &'a [ShapedArray],
) -> Result<&'a [ShapedArray; N]> {
    match <&[ShapedArray; N]>::try_from(ins) {
        Ok(ins) => Ok(ins),
        Err(_) => bail!(Internal, "{}: takes {N} operands, got {}", prim.name(), ins.len()),
    }
}

/// An error if an operand is of `float0`, with which nothing computes.
pub(crate) fn no_float0(prim: &dyn Primitive, ins: &[ShapedArray]) -> Result<()> {
    match ins.iter().find(|x| x.dtype() == DType::Float0) {
        Some(x) => bail!(DType, "{} got {x}: {NO_OPERATIONS}", prim.name()),
        None => Ok(()),
    }
}

/// Where the mapped axis of the only (or first) operand is.
pub(crate) fn mapped(prim: &dyn Primitive, dims: &[BatchDim]) -> Result<usize> {
    match dims[0] {
        Some(dim) => Ok(dim),
        None => bail!(Internal, "{}: nothing is mapped", prim.name()),
    }
}

/// Of two operands that are multiplied one may be linear; both are if `linear_transpose`
/// was given a function that is not.
pub(crate) fn bilinear(prim: &dyn Primitive, x: &LinearInput, y: &LinearInput) -> Result<()> {
    if x.is_linear() && y.is_linear() {
        bail!(
            Differentiation,
            "{}: transpose is not defined for both operands at once, in which it is not linear",
            prim.name()
        );
    }
    Ok(())
}

/// Each axis is in range and none is repeated.
pub(crate) fn axes(prim: &dyn Primitive, param: &str, axes: &[usize], operand: &ShapedArray) -> Result<()> {
    for (i, axis) in axes.iter().enumerate() {
        if *axis >= operand.ndim() {
            bail!(
                Shape,
                "{}: {param}[{i}] = {axis} is out of range for operand {operand} (rank {})",
                prim.name(),
                operand.ndim()
            );
        }
        if axes[..i].contains(axis) {
            bail!(Shape, "{}: {param} = {axes:?} names axis {axis} twice", prim.name());
        }
    }
    Ok(())
}

/// Are all of these weakly typed?
pub(crate) fn all_weak(ins: &[ShapedArray]) -> bool {
    ins.iter().all(|a| a.weak_type())
}

/// Is every variable defined once and before its use, and does every equation's type follow from its operands'?
pub fn check_jaxpr(jaxpr: &Jaxpr) -> Result<()> {
    let mut defined = vec![false; jaxpr.avals.len()];
    let mut define = |v: &Var| {
        let slot = &mut defined[v.0 as usize];
        if std::mem::replace(slot, true) {
            bail!(Internal, "check_jaxpr: variable {} is defined twice in\n{jaxpr}", v.0);
        }
        Ok(())
    };
    jaxpr.constvars.iter().chain(&jaxpr.invars).try_for_each(&mut define)?;
    for eqn in &jaxpr.eqns {
        eqn.outputs.iter().try_for_each(&mut define)?;
    }
    let mut seen = vec![false; jaxpr.avals.len()];
    jaxpr.constvars.iter().chain(&jaxpr.invars).for_each(|v| seen[v.0 as usize] = true);
    let check = |atom: &Atom, seen: &[bool]| match atom {
        Atom::Var(v) if !seen[v.0 as usize] => {
            bail!(Internal, "check_jaxpr: variable {} is read before it is defined in\n{jaxpr}", v.0)
        }
        _ => Ok(()),
    };
    for eqn in &jaxpr.eqns {
        let ins: SmallVec<[ShapedArray; 4]> = eqn.inputs.iter().map(|a| jaxpr.atom_aval(a)).collect();
        eqn.inputs.iter().try_for_each(|a| check(a, &seen))?;
        let outs = eqn.prim.abstract_eval(&ins)?;
        let same = outs.len() == eqn.outputs.len()
            && outs.iter().zip(&eqn.outputs).all(|(aval, v)| aval.matches(jaxpr.aval(*v)));
        if !same {
            bail!(
                Internal,
                "check_jaxpr: {} gives {outs:?}, but its variables are {:?} in\n{jaxpr}",
                eqn.prim.name(),
                eqn.outputs.iter().map(|v| jaxpr.aval(*v)).collect::<Vec<_>>()
            );
        }
        for sub in eqn.prim.sub_jaxprs() {
            check_jaxpr(sub)?;
        }
        eqn.outputs.iter().for_each(|v| seen[v.0 as usize] = true);
    }
    jaxpr.outvars.iter().try_for_each(|a| check(a, &seen))
}
