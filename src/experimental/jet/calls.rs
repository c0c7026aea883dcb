//! Primitives that hold jaxprs: the same of the jaxprs of their derivatives along the path.

use std::sync::Arc;

use super::trace::{Taylor, jet_flat};
use crate::calls::checkpoint::Remat;
use crate::calls::jit_call::JitCall;
use crate::calls::{CallPrimitive, refs};
use crate::control_flow::{Body, Cond, Flow, Scan, While, join_consts, unite};
use crate::core::array::Array;
use crate::core::eval_jaxpr::eval_jaxpr;
use crate::core::jaxpr::{Jaxpr, Loc, Parameter, TransformedJaxpr};
use crate::core::primitive::Prim;
use crate::core::trace::bind_at;
use crate::error::Result;
use crate::interpreters::partial_eval::{convert_constvars, trace_to_jaxpr_with};

/// A jaxpr of Taylor series.
///
/// Parameters: `consts`, all values, then the coefficients of each parameter that is marked. Results: all values, then the coefficients of
/// those marked in `nonzero_out`.
struct JetJaxpr {
    jaxpr: Arc<Jaxpr>,
    consts: Vec<Array>,
    nonzero_out: Vec<bool>,
}

impl TransformedJaxpr for JetJaxpr {
    fn consts(&self) -> &[Array] {
        &self.consts
    }
}

/// [`JetJaxpr`] of a jaxpr without constants, made once for each order and pattern; results marked in `force` have coefficients in any
/// case.
fn jet_jaxpr(jaxpr: &Jaxpr, order: usize, nonzero: &[bool], force: &[bool]) -> Result<Arc<JetJaxpr>> {
    let marks = nonzero.iter().chain(force).map(|b| usize::from(*b));
    jaxpr.memo("jet", std::iter::once(order).chain(marks), || {
        let mut avals = jaxpr.in_avals();
        let n = avals.len();
        let terms = avals.iter().zip(nonzero).filter(|(_, nonzero)| **nonzero);
        let terms: Vec<_> = terms.flat_map(|(aval, _)| std::iter::repeat_n(*aval, order)).collect();
        avals.extend(terms);
        let (closed, nonzero_out) = trace_to_jaxpr_with(&avals, |args| {
            let args = gathered(args, n, nonzero, order);
            let (outs, ()) = jet_flat(order, &args, |args| Ok((eval_jaxpr(jaxpr, &[], args)?, ())))?;
            let marks = outs.iter().zip(force).map(|(out, force)| *force || !out.is_constant());
            let marks: Vec<bool> = marks.collect();
            Ok((flat(&outs, &marks), marks))
        })?;
        let (jaxpr, consts) = convert_constvars(closed);
        Ok(JetJaxpr { jaxpr, consts, nonzero_out })
    })
}

/// Values and, of those marked, their coefficients, from a list of `n` values followed by coefficients.
fn gathered(list: &[Array], n: usize, nonzero: &[bool], order: usize) -> Vec<Taylor> {
    let mut rest = list[n..].iter();
    let values = list[..n].iter().zip(nonzero);
    let values = values.map(|(x, nonzero)| match nonzero {
        true => Taylor { primal: x.clone(), terms: rest.by_ref().take(order).cloned().map(Some).collect() },
        false => Taylor::constant(x.clone(), order),
    });
    values.collect()
}

/// All values, then the coefficients of those marked.
fn flat(values: &[Taylor], nonzero: &[bool]) -> Vec<Array> {
    primals(values).chain(terms(values, nonzero)).collect()
}

fn primals(values: &[Taylor]) -> impl Iterator<Item = Array> + '_ {
    values.iter().map(|x| x.primal.clone())
}

/// The coefficients of those marked.
fn terms<'a>(values: &'a [Taylor], nonzero: &'a [bool]) -> impl Iterator<Item = Array> + 'a {
    values.iter().zip(nonzero).filter(|(_, nonzero)| **nonzero).flat_map(|(x, _)| x.arrays())
}

fn marks(values: &[Taylor]) -> Vec<bool> {
    values.iter().map(|x| !x.is_constant()).collect()
}

fn count(marks: &[bool]) -> usize {
    marks.iter().filter(|marked| **marked).count()
}

fn old(range: std::ops::Range<usize>) -> impl Iterator<Item = Parameter> {
    range.map(Parameter::Old)
}

/// What a call, a conditional or a loop gives; `None` for other primitives.
pub(super) fn apply(prim: &Prim, args: &[Taylor], order: usize, loc: Loc) -> Option<Result<Vec<Taylor>>> {
    let any = prim.as_any();
    if let Some(prim) = any.downcast_ref::<JitCall>() {
        return Some(call(prim, args, order, loc));
    }
    if let Some(prim) = any.downcast_ref::<Remat>() {
        return Some(call(prim, args, order, loc));
    }
    if let Some(prim) = any.downcast_ref::<Cond>() {
        return Some(cond(prim, args, order, loc));
    }
    if let Some(prim) = any.downcast_ref::<Scan>() {
        return Some(scan(prim, args, order, loc));
    }
    any.downcast_ref::<While>().map(|prim| while_loop(prim, args, order, loc))
}

fn call<P: CallPrimitive>(prim: &P, args: &[Taylor], order: usize, loc: Loc) -> Result<Vec<Taylor>> {
    let (nonzero, n) = (marks(args), prim.jaxpr().outvars.len());
    let made = jet_jaxpr(prim.jaxpr(), order, &nonzero, &vec![false; n])?;
    let args: Vec<Array> = made.consts.iter().cloned().chain(flat(args, &nonzero)).collect();
    let outs = bind_at(&Prim::from(prim.with(made.jaxpr.clone())), &refs(&args), loc)?;
    Ok(gathered(&outs, n, &made.nonzero_out, order))
}

/// The branches agree on which results have coefficients.
fn cond(prim: &Cond, args: &[Taylor], order: usize, loc: Loc) -> Result<Vec<Taylor>> {
    let (index, args) = (&args[0].primal, &args[1..]);
    let (nonzero, n) = (marks(args), prim.branches[0].outvars.len());
    let mut force = vec![false; n];
    let made = loop {
        let made = prim.branches.iter().map(|branch| jet_jaxpr(branch, order, &nonzero, &force));
        let made = made.collect::<Result<Vec<_>>>()?;
        let mut grown = false;
        made.iter().for_each(|m| grown |= unite(&mut force, &m.nonzero_out));
        if !grown || made.len() == 1 {
            break made;
        }
    };
    let (branches, consts) = join_consts(made.iter().map(|m| (m.jaxpr.clone(), m.consts.clone())).collect());
    let args: Vec<Array> = std::iter::once(index.clone()).chain(consts).chain(flat(args, &nonzero)).collect();
    let outs = bind_at(&prim.with(branches).into(), &refs(&args), loc)?;
    Ok(gathered(&outs, n, &force, order))
}

/// The coefficients of carries are carried.
fn scan(prim: &Scan, args: &[Taylor], order: usize, loc: Loc) -> Result<Vec<Taylor>> {
    let (consts, carries) = (prim.num_consts, prim.num_carry);
    let first_x = consts + carries;
    let mut nonzero = marks(args);
    let given = nonzero.clone();
    let mut carry = given[consts..first_x].to_vec();
    let results = prim.jaxpr.outvars.len();
    let body = Body { jaxpr: &prim.jaxpr, first_carry: consts, num_carry: carries };
    let make = |carry: &[bool]| {
        let nonzero = [&given[..consts], carry, &given[first_x..]].concat();
        let mut force = carry.to_vec();
        force.resize(results, false);
        jet_jaxpr(&prim.jaxpr, order, &nonzero, &force)
    };
    let made = body.fixpoint(Flow::Tangents, &given, &mut carry, make, |m| &m.nonzero_out)?;
    nonzero[consts..first_x].copy_from_slice(&carry);
    // The body: [consts, values, coefficients] to [consts, their coefficients | carries, theirs | slices, theirs].
    let own = made.consts.len();
    let more = |range: std::ops::Range<usize>| order * count(&nonzero[range]);
    let (of_consts, of_carry, of_xs) = (more(0..consts), more(consts..first_x), more(first_x..args.len()));
    let terms_at = own + args.len();
    let params = old(0..own + consts)
        .chain(old(terms_at..terms_at + of_consts))
        .chain(old(own + consts..own + first_x))
        .chain(old(terms_at + of_consts..terms_at + of_consts + of_carry))
        .chain(old(own + first_x..terms_at))
        .chain(old(terms_at + of_consts + of_carry..terms_at + of_consts + of_carry + of_xs));
    let (values, coefficients) = made.jaxpr.outvars.split_at(results);
    let outs = [&values[..carries], &coefficients[..of_carry], &values[carries..], &coefficients[of_carry..]]
        .concat();
    let loops = Scan {
        jaxpr: made.jaxpr.rearrange(params, outs),
        num_consts: own + consts + of_consts,
        num_carry: carries + of_carry,
        ..prim.clone()
    };
    let part = |range: std::ops::Range<usize>| flat(&args[range.clone()], &nonzero[range]);
    let all = made.consts.iter().cloned().chain(part(0..consts)).chain(part(consts..first_x));
    let all: Vec<Array> = all.chain(part(first_x..args.len())).collect();
    let outs = bind_at(&loops.into(), &refs(&all), loc)?;
    let (last, stacked) = outs.split_at(carries + of_carry);
    let mut found = gathered(last, carries, &made.nonzero_out[..carries], order);
    found.extend(gathered(stacked, results - carries, &made.nonzero_out[carries..], order));
    Ok(found)
}

/// The coefficients of carries are carried, and the condition does not see them.
fn while_loop(prim: &While, args: &[Taylor], order: usize, loc: Loc) -> Result<Vec<Taylor>> {
    let (of_cond, rest) = args.split_at(prim.cond_nconsts);
    let (of_body, init) = rest.split_at(prim.body_nconsts);
    let body_given = marks(of_body);
    let mut carry = marks(init);
    let body = Body { jaxpr: &prim.body_jaxpr, first_carry: prim.body_nconsts, num_carry: carry.len() };
    let others = [&body_given[..], &carry].concat();
    let make = |carry: &[bool]| jet_jaxpr(&prim.body_jaxpr, order, &[&body_given[..], carry].concat(), carry);
    let made = body.fixpoint(Flow::Tangents, &others, &mut carry, make, |m| &m.nonzero_out)?;
    let loops = prim.of_series(&made.jaxpr, made.consts.len(), &body_given, &carry, order);
    let args: Vec<Array> = primals(of_cond)
        .chain(made.consts.iter().cloned())
        .chain(flat(of_body, &body_given))
        .chain(flat(init, &carry))
        .collect();
    let outs = bind_at(&loops.into(), &refs(&args), loc)?;
    Ok(gathered(&outs, carry.len(), &carry, order))
}
