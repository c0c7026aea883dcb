//! The rules of `while`. Each finds by a fixpoint which carries are affected.

use std::sync::Arc;

use super::While;
use crate::control_flow::common::{count, here, hoist, old, to_front, unite};
use crate::control_flow::jit_call::{JitCall, refs, scatter_marked};
use crate::core::array::Array;
use crate::core::aval::ShapedArray;
use crate::core::jaxpr::Parameter;
use crate::core::primitive::{Arrays, BatchDim, Batched, Jvp, Linearized, Prim, Tangent};
use crate::core::trace::{bind, with_location};
use crate::error::Result;
use crate::interpreters::batching::{BatchedJaxpr, batch_jaxpr_named};
use crate::interpreters::jvp::{JvpJaxpr, jvp_jaxpr};
use crate::interpreters::partial_eval::trace_to_jaxpr_with;
use crate::lax;

impl While {
    /// Constants of the condition, constants of the body, carries, out of one value for each operand.
    fn split<'a, T>(&self, values: &'a [T]) -> (&'a [T], &'a [T], &'a [T]) {
        let (cond, rest) = values.split_at(self.cond_nconsts);
        let (body, carry) = rest.split_at(self.body_nconsts);
        (cond, body, carry)
    }

    /// The loop over the body's jvp; the condition sees no tangents
    pub(super) fn jvp_rule(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        let given: Vec<bool> = tangents.iter().map(Option::is_some).collect();
        let (_, body_given, carry_given) = self.split(&given);
        let mut carry = carry_given.to_vec();
        let made: Arc<JvpJaxpr> = loop {
            let made = jvp_jaxpr(&self.body_jaxpr, &[body_given, &carry].concat(), &carry)?;
            if !unite(&mut carry, &made.nonzero_out) {
                break made;
            }
        };
        // The body: [consts, body consts, carry, dconsts, dcarry] to [consts, body consts, dconsts | carry, dcarry].
        let (nc, nb, nk) = (made.consts.len(), self.body_nconsts, carry.len());
        let (db, dk) = (count(body_given), count(&carry));
        let params = old(0..nc + nb)
            .chain(old(nc + nb + nk..nc + nb + nk + db))
            .chain(old(nc + nb..nc + nb + nk))
            .chain(old(nc + nb + nk + db..nc + nb + nk + db + dk));
        let body_jaxpr = made.jaxpr.rearrange(params, made.jaxpr.outvars.clone());
        let avals = self.body_jaxpr.out_avals();
        let tangent_avals = avals.iter().zip(&carry).filter(|(_, nz)| **nz).map(|(a, _)| a.clone());
        let cond_params = old(0..self.cond_nconsts + nk).chain(tangent_avals.map(Parameter::Unused));
        let cond_jaxpr = self.cond_jaxpr.rearrange(cond_params, self.cond_jaxpr.outvars.clone());
        let prim =
            While { cond_jaxpr, cond_nconsts: self.cond_nconsts, body_jaxpr, body_nconsts: nc + nb + db };

        let (cond_consts, body_consts, init) = self.split(primals);
        let (_, dconsts, dinit) = self.split(tangents);
        let dinit = dinit.iter().zip(init).zip(&carry).filter(|(_, nz)| **nz);
        let dinit = dinit.map(|((dx, x), _)| dx.clone().unwrap_or_else(|| lax::zeros_like(x)));
        let args: Vec<Array> = cond_consts
            .iter()
            .chain(&made.consts)
            .chain(body_consts)
            .chain(dconsts.iter().flatten())
            .chain(init)
            .cloned()
            .chain(dinit)
            .collect();
        let mut outs = bind(prim, &refs(&args))?.into_iter();
        let results: Arrays = outs.by_ref().take(nk).collect();
        Ok((results, scatter_marked(&carry, outs)))
    }

    /// The loop now, and as linear part the loop over the jvp, run anew: how many iterations' residuals there would be
    /// is not known
    pub(super) fn linearize_rule(&self, primals: &[Array], given: &[bool]) -> Result<Linearized> {
        let primals_out = bind(self.clone(), &refs(primals))?;
        let n = primals.len();
        let mut avals: Vec<ShapedArray> = primals.iter().map(Array::aval).collect();
        let tangents = avals.iter().zip(given).filter(|(_, nz)| **nz);
        let tangents: Vec<ShapedArray> = tangents.map(|(a, _)| a.clone().with_weak_type(false)).collect();
        avals.extend(tangents);
        let loc = here();
        let (closed, nonzero_out) = trace_to_jaxpr_with(&avals, |args| {
            let tangents = scatter_marked(given, args[n..].iter().cloned());
            let (_, tangents) = with_location(loc, || self.jvp_rule(&args[..n], &tangents))?;
            let nonzero_out: Vec<bool> = tangents.iter().map(Option::is_some).collect();
            Ok((tangents.into_iter().flatten().collect(), nonzero_out))
        })?;
        let (jaxpr, consts) = hoist(closed);
        let residuals = consts.into_iter().chain(primals.iter().cloned()).collect();
        let linear = Prim::from(JitCall { name: "while_tangents".into(), jaxpr });
        Ok(Linearized { primals_out, linear, residuals, nonzero_out, order: None })
    }

    /// The loop over the batched body; with a mapped condition all carries are mapped
    pub(super) fn batch_rule(
        &self,
        name: Option<&'static str>,
        size: usize,
        args: &[Array],
        dims: &[BatchDim],
    ) -> Batched {
        let given: Vec<bool> = dims.iter().map(Option::is_some).collect();
        let (cond_given, body_given, carry_given) = self.split(&given);
        let mut carry = carry_given.to_vec();
        let (cond, body): (Arc<BatchedJaxpr>, Arc<BatchedJaxpr>) = loop {
            let cond =
                batch_jaxpr_named(&self.cond_jaxpr, size, name, &[cond_given, &carry].concat(), &[false])?;
            if cond.mapped_out[0] && unite(&mut carry, &vec![true; carry_given.len()]) {
                continue;
            }
            let body =
                batch_jaxpr_named(&self.body_jaxpr, size, name, &[body_given, &carry].concat(), &carry)?;
            if !unite(&mut carry, &body.mapped_out) {
                break (cond, body);
            }
        };
        // A condition that is an array goes over leading axes of every carry, and so does its mapped version; but one that
        // is not mapped needs the mapped axis behind its own.
        let inner = self.cond_jaxpr.out_avals()[0].ndim();
        if !cond.mapped_out[0] && inner > 0 && carry.contains(&true) {
            return self.batch_with_mapped_condition(name, size, args, dims);
        }
        let front = |values: &[Array], dims: &[BatchDim], mapped: &[bool]| -> Vec<Array> {
            let each = values.iter().zip(dims).zip(mapped);
            each.map(|((x, d), m)| to_front(x, *d, *m, 0, size)).collect()
        };
        let (cond_consts, body_consts, init) = self.split(args);
        let (cond_dims, body_dims, init_dims) = self.split(dims);
        let args: Vec<Array> = [
            cond.consts.clone(),
            front(cond_consts, cond_dims, cond_given),
            body.consts.clone(),
            front(body_consts, body_dims, body_given),
            front(init, init_dims, &carry),
        ]
        .concat();
        let prim = While {
            cond_jaxpr: cond.jaxpr.clone(),
            cond_nconsts: cond.consts.len() + self.cond_nconsts,
            body_jaxpr: body.jaxpr.clone(),
            body_nconsts: body.consts.len() + self.body_nconsts,
        };
        let outs = bind(prim, &refs(&args))?;
        Ok((outs, carry.iter().map(|m| m.then_some(0)).collect()))
    }

    /// A condition that is an array and not mapped becomes mapped, so that it goes over leading axes of the carries.
    fn batch_with_mapped_condition(
        &self,
        name: Option<&'static str>,
        size: usize,
        args: &[Array],
        dims: &[BatchDim],
    ) -> Batched {
        let all = |n: usize| vec![true; n];
        let cond =
            batch_jaxpr_named(&self.cond_jaxpr, size, name, &all(self.cond_jaxpr.invars.len()), &[true])?;
        let carries = self.body_jaxpr.outvars.len();
        let body = batch_jaxpr_named(
            &self.body_jaxpr,
            size,
            name,
            &all(self.body_jaxpr.invars.len()),
            &all(carries),
        )?;
        let moved: Vec<Array> = args.iter().zip(dims).map(|(x, d)| to_front(x, *d, true, 0, size)).collect();
        let (cond_consts, body_consts, init) = self.split(&moved);
        let args: Vec<Array> = [&cond.consts, cond_consts, &body.consts, body_consts, init].concat();
        let prim = While {
            cond_jaxpr: cond.jaxpr.clone(),
            cond_nconsts: cond.consts.len() + self.cond_nconsts,
            body_jaxpr: body.jaxpr.clone(),
            body_nconsts: body.consts.len() + self.body_nconsts,
        };
        let outs = bind(prim, &refs(&args))?;
        let dims = outs.iter().map(|_| Some(0)).collect();
        Ok((outs, dims))
    }

    /// A carry is needed if it is used, if the condition reads it, or if another that is needed depends on it.
    pub(super) fn dce_rule(&self, used: &mut [bool]) -> (Prim, Vec<usize>) {
        let carries = used.len();
        let (cond, cond_kept) = self.cond_jaxpr.dce(&[true]);
        let carry_marks = |kept: &[usize], first: usize| {
            let mut marks = vec![false; carries];
            kept.iter().filter(|i| **i >= first).for_each(|i| marks[i - first] = true);
            marks
        };
        unite(used, &carry_marks(&cond_kept, self.cond_nconsts));
        let (body, body_kept) = loop {
            let (body, kept) = self.body_jaxpr.dce(used);
            if !unite(used, &carry_marks(&kept, self.body_nconsts)) {
                break (body, kept);
            }
        };
        let avals = self.body_jaxpr.out_avals();
        let thin = |jaxpr: &crate::core::jaxpr::Jaxpr, kept: &[usize], consts: usize| {
            let leading = (0..kept.iter().filter(|i| **i < consts).count()).map(Parameter::Old);
            let carry =
                (0..carries).filter(|k| used[*k]).map(|k| match kept.iter().position(|i| *i == consts + k) {
                    Some(p) => Parameter::Old(p),
                    None => Parameter::Unused(avals[k].clone()),
                });
            jaxpr.rearrange(leading.chain(carry), jaxpr.outvars.clone())
        };
        let cond_consts: Vec<usize> = cond_kept.iter().copied().filter(|i| *i < self.cond_nconsts).collect();
        let body_consts: Vec<usize> = body_kept.iter().copied().filter(|i| *i < self.body_nconsts).collect();
        let prim = While {
            cond_jaxpr: thin(&cond, &cond_kept, self.cond_nconsts),
            cond_nconsts: cond_consts.len(),
            body_jaxpr: thin(&body, &body_kept, self.body_nconsts),
            body_nconsts: body_consts.len(),
        };
        let first_carry = self.cond_nconsts + self.body_nconsts;
        let carry = (0..carries).filter(|k| used[*k]).map(|k| first_carry + k);
        let inputs =
            cond_consts.into_iter().chain(body_consts.iter().map(|i| self.cond_nconsts + i)).chain(carry);
        (Prim::from(prim), inputs.collect())
    }
}
