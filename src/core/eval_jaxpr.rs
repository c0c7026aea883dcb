//! Runs jaxprs. JAX: `core.eval_jaxpr`.

use smallvec::SmallVec;

use crate::core::array::Array;
use crate::core::atom::Atom;
use crate::core::jaxpr::{Eqn, Jaxpr};
use crate::core::primitive::Arrays;
use crate::core::small::{small, try_small};
use crate::core::trace::bind_at;
use crate::core::work;
use crate::error::{Result, bail};

/// Runs a jaxpr: binds each of its equations under the current trace. JAX: `core.eval_jaxpr`.
pub(crate) fn eval_jaxpr(jaxpr: &Jaxpr, consts: &[Array], args: &[Array]) -> Result<Vec<Array>> {
    eval_jaxpr_by(jaxpr, consts, args, |eqn, inputs| {
        let refs: SmallVec<[&Array; 4]> = small(inputs);
        bind_at(&eqn.prim, &refs, eqn.loc)
    })
}

/// [`eval_jaxpr`] where `apply` says what an equation gives.
pub(crate) fn eval_jaxpr_by(
    jaxpr: &Jaxpr,
    consts: &[Array],
    args: &[Array],
    apply: impl Fn(&Eqn, &[Array]) -> Result<Arrays>,
) -> Result<Vec<Array>> {
    if consts.len() != jaxpr.constvars.len() || args.len() != jaxpr.invars.len() {
        bail!(
            Internal,
            "eval_jaxpr: {} constants and {} arguments for a jaxpr of {} and {}",
            consts.len(),
            args.len(),
            jaxpr.constvars.len(),
            jaxpr.invars.len()
        );
    }
    let mut env: Vec<Option<Array>> = vec![None; jaxpr.avals.len()];
    // An array dies after its last use, so that a long program holds no more than it needs.
    let last_use = last_uses(jaxpr);
    for (var, value) in jaxpr.constvars.iter().zip(consts).chain(jaxpr.invars.iter().zip(args)) {
        env[var.0 as usize] = Some(value.clone());
    }
    for (i, eqn) in jaxpr.eqns.iter().enumerate() {
        work::count(eqn.inputs.len());
        let inputs: Arrays = try_small(eqn.inputs.iter().map(|a| read(&env, a)))?;
        for atom in &eqn.inputs {
            if let Atom::Var(v) = atom
                && last_use[v.0 as usize] == i
            {
                env[v.0 as usize] = None;
            }
        }
        let outs = eqn.names.enter(|| apply(eqn, &inputs))?;
        for (var, value) in eqn.outputs.iter().zip(outs) {
            env[var.0 as usize] = Some(value);
        }
    }
    jaxpr.outvars.iter().map(|a| read(&env, a)).collect()
}

fn read(env: &[Option<Array>], atom: &Atom) -> Result<Array> {
    match atom {
        Atom::Literal(x) => Ok(Array::from(*x)),
        Atom::Var(v) => match &env[v.0 as usize] {
            Some(x) => Ok(x.clone()),
            None => bail!(Internal, "jaxpr: variable {} is read before it is defined", v.0),
        },
    }
}

/// For each variable the index of the last equation that reads it; `usize::MAX` if it is a result.
fn last_uses(jaxpr: &Jaxpr) -> Vec<usize> {
    let mut last = vec![0; jaxpr.avals.len()];
    for (i, eqn) in jaxpr.eqns.iter().enumerate() {
        for atom in &eqn.inputs {
            if let Atom::Var(v) = atom {
                last[v.0 as usize] = i;
            }
        }
    }
    for atom in &jaxpr.outvars {
        if let Atom::Var(v) = atom {
            last[v.0 as usize] = usize::MAX;
        }
    }
    last
}
