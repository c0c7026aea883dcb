//! Transposition: runs a linear jaxpr backwards. JAX: `ad.backward_pass`.

use smallvec::SmallVec;

use crate::core::array::Array;
use crate::core::eval_jaxpr::eval_jaxpr;
use crate::core::jaxpr::{Atom, ClosedJaxpr, Jaxpr, TransformedJaxpr, Var};
use crate::core::name_stack;
use crate::core::primitive::{Arrays, Ct, LinearInput};
use crate::core::small::{small, try_small};
use crate::core::trace::{bind_at, with_location};
use crate::core::work;
use crate::error::{Result, bail, catch};
use crate::interpreters::partial_eval::{convert_constvars, trace_to_jaxpr_with};
use crate::lax;

/// Cotangents of the parameters of a linear jaxpr from those of its results.
pub(crate) fn backward_pass(linear: &ClosedJaxpr, cts_out: &[Ct]) -> Result<Vec<Ct>> {
    let jaxpr = &linear.jaxpr;
    let mut known: Vec<Option<Array>> = vec![None; jaxpr.avals.len()];
    for (var, value) in jaxpr.constvars.iter().zip(&linear.consts) {
        known[var.0 as usize] = Some(value.clone());
    }
    let linear_in = vec![true; jaxpr.invars.len()];
    name_stack::transformed("transpose", || backward(jaxpr, known, &linear_in, cts_out))
}

/// Cotangents of the parameters marked in `linear` of a jaxpr without constants, the others being known: `args` has a
/// value for each of those, in order.
pub(crate) fn backward_pass_jaxpr(
    jaxpr: &Jaxpr,
    linear: &[bool],
    args: &[Array],
    cts_out: &[Ct],
) -> Result<Vec<Ct>> {
    let mut known: Vec<Option<Array>> = vec![None; jaxpr.avals.len()];
    let values = jaxpr.invars.iter().zip(linear).filter(|(_, linear)| !**linear).map(|(v, _)| v);
    for (var, value) in values.zip(args) {
        known[var.0 as usize] = Some(value.clone());
    }
    name_stack::transformed("transpose", || backward(jaxpr, known, linear, cts_out))
}

fn backward(
    jaxpr: &Jaxpr,
    mut known: Vec<Option<Array>>,
    linear: &[bool],
    cts_out: &[Ct],
) -> Result<Vec<Ct>> {
    // What depends on no linear parameter is computed first, forwards.
    let mut is_linear = vec![false; jaxpr.avals.len()];
    for (var, linear) in jaxpr.invars.iter().zip(linear) {
        is_linear[var.0 as usize] = *linear;
    }
    let mut backwards = Vec::with_capacity(jaxpr.eqns.len());
    for (i, eqn) in jaxpr.eqns.iter().enumerate() {
        work::count(1);
        if eqn.inputs.iter().any(|a| matches!(a, Atom::Var(v) if is_linear[v.0 as usize])) {
            eqn.outputs.iter().for_each(|v| is_linear[v.0 as usize] = true);
            backwards.push(i);
            continue;
        }
        let args: Arrays = try_small(eqn.inputs.iter().map(|a| read(&known, a)))?;
        let refs: SmallVec<[&Array; 4]> = small(&args);
        let outs = eqn.names.enter(|| bind_at(&eqn.prim, &refs, eqn.loc))?;
        for (var, value) in eqn.outputs.iter().zip(outs) {
            known[var.0 as usize] = Some(value);
        }
    }
    let mut cts: Vec<Ct> = vec![None; jaxpr.avals.len()];
    for (atom, ct) in jaxpr.outvars.iter().zip(cts_out) {
        if let (Atom::Var(v), Some(ct)) = (atom, ct)
            && is_linear[v.0 as usize]
        {
            accumulate(&mut cts, *v, ct.clone());
        }
    }
    for i in backwards.into_iter().rev() {
        work::count(1);
        let eqn = &jaxpr.eqns[i];
        let cts_in: SmallVec<[Ct; 2]> = small(eqn.outputs.iter().map(|v| cts[v.0 as usize].take()));
        if cts_in.iter().all(Option::is_none) {
            continue;
        }
        let ins = eqn.inputs.iter().map(|atom| match atom {
            Atom::Var(v) if is_linear[v.0 as usize] => Ok(LinearInput::Linear(*jaxpr.aval(*v))),
            _ => read(&known, atom).map(LinearInput::Known),
        });
        let ins: SmallVec<[LinearInput; 2]> = try_small(ins)?;
        let transpose = || -> Result<()> {
            let mut found = catch(|| eqn.prim.transpose(&cts_in, &ins)).map_err(|e| e.at(eqn.loc))?;
            if found.len() != ins.len() {
                bail!(
                    Internal,
                    "{}: transpose gave {} cotangents for {}",
                    eqn.prim.name(),
                    found.len(),
                    ins.len()
                );
            }
            for (atom, ct) in eqn.inputs.iter().zip(&mut found) {
                if let (Atom::Var(v), Some(ct)) = (atom, ct.take())
                    && is_linear[v.0 as usize]
                {
                    debug_assert_eq!(ct.shape(), jaxpr.aval(*v).shape(), "transpose of {}", eqn.prim.name());
                    accumulate(&mut cts, *v, ct);
                }
            }
            Ok(())
        };
        eqn.names.enter(|| with_location(eqn.loc, transpose))?;
    }
    Ok(jaxpr.invars.iter().map(|v| cts[v.0 as usize].take()).collect())
}

fn accumulate(cts: &mut [Ct], var: Var, ct: Array) {
    let slot = &mut cts[var.0 as usize];
    *slot = Some(match slot.take() {
        None => ct,
        Some(old) => lax::add_any(&old, &ct),
    });
}

fn read(known: &[Option<Array>], atom: &Atom) -> Result<Array> {
    match atom {
        Atom::Literal(x) => Ok(Array::from(*x)),
        Atom::Var(v) => match &known[v.0 as usize] {
            Some(x) => Ok(x.clone()),
            None => bail!(Internal, "backward_pass: variable {} has no value", v.0),
        },
    }
}

/// The transposed jaxpr of a jaxpr without constants that is linear in the parameters marked in `linear`.
pub(crate) struct TransposedJaxpr {
    /// Parameters: `consts`, the known parameters, then the cotangents of the results marked in `nonzero_ct`. Results: the
    /// nonzero cotangents of the linear parameters.
    pub jaxpr: std::sync::Arc<Jaxpr>,
    pub consts: Vec<Array>,
    /// Which linear parameters have a nonzero cotangent.
    pub nonzero_in: Vec<bool>,
}

impl TransformedJaxpr for TransposedJaxpr {
    fn consts(&self) -> &[Array] {
        &self.consts
    }
}

/// [`TransposedJaxpr`]; made once for each pattern. Linear parameters marked in `instantiate` always get a cotangent
/// (`instantiate` has one entry for each linear parameter).
pub(crate) fn transpose_jaxpr(
    jaxpr: &Jaxpr,
    linear: &[bool],
    nonzero_ct: &[bool],
    instantiate: &[bool],
) -> Result<std::sync::Arc<TransposedJaxpr>> {
    let key = linear.iter().chain(nonzero_ct).chain(instantiate).map(|b| usize::from(*b));
    jaxpr.memo("transpose", key, || {
        let avals = jaxpr.in_avals();
        let mut ins: Vec<_> =
            avals.iter().zip(linear).filter(|(_, linear)| !**linear).map(|(a, _)| *a).collect();
        let n = ins.len();
        ins.extend(jaxpr.out_avals().into_iter().zip(nonzero_ct).filter(|(_, nz)| **nz).map(|(a, _)| a));
        let (closed, nonzero_in) = trace_to_jaxpr_with(&ins, |args| {
            let mut rest = args[n..].iter();
            let cts: Vec<Ct> =
                nonzero_ct.iter().map(|nz| if *nz { rest.next().cloned() } else { None }).collect();
            let found = backward_pass_jaxpr(jaxpr, linear, &args[..n], &cts)?;
            let found = found.into_iter().zip(linear).filter(|(_, linear)| **linear).map(|(ct, _)| ct);
            let avals = avals.iter().zip(linear).filter(|(_, linear)| **linear).map(|(a, _)| a);
            let mut outs = Vec::new();
            let mut nonzero_in = Vec::new();
            for ((ct, aval), force) in found.zip(avals).zip(instantiate) {
                nonzero_in.push(*force || ct.is_some());
                match ct {
                    Some(ct) => outs.push(ct),
                    None if *force => outs.push(lax::zeros_like_aval(aval)),
                    None => {}
                }
            }
            Ok((outs, nonzero_in))
        })?;
        let (jaxpr, consts) = convert_constvars(closed);
        Ok(TransposedJaxpr { jaxpr, consts, nonzero_in })
    })
}

/// Runs a linear jaxpr forwards.
pub(crate) fn apply_linear(linear: &ClosedJaxpr, tangents: &[Array]) -> Result<Vec<Array>> {
    eval_jaxpr(&linear.jaxpr, &linear.consts, tangents)
}
