//! The primitive `while` and its rules. Each finds by a fixpoint which carries are affected.

use std::sync::Arc;

use crate::calls::jit_call::JitCall;
use crate::calls::{refs, scatter_marked, written_to};
use crate::control_flow::common::{count, here, hoist, old, to_front, unite};
use crate::control_flow::fixpoint::{Body, Flow};
use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::effects::{Effect, Effects};
use crate::core::jaxpr::{Jaxpr, Parameter};
use crate::core::key_reuse::of_jaxpr;
use crate::core::key_uses::KeyUses;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    Arrays, BatchDim, Batched, Ct, Discharged, Jvp, LinearInput, Linearized, LoweredValues, MappedAxis,
    Param, Prim, Primitive, Tangent, Transposed,
};
use crate::core::remap::Remap;
use crate::core::scalar::Scalar;
use crate::core::trace::{bind, with_location};
use crate::dtype::DType;
use crate::error::{Result, bail};
use crate::interpreters::batching::{BatchedJaxpr, batch_jaxpr};
use crate::interpreters::discharge::{discharge_jaxpr, eval_discharged};
use crate::interpreters::jvp::jvp_jaxpr;
use crate::interpreters::partial_eval::trace_to_jaxpr_with;
use crate::lax;
use crate::mlir::{Value, usize_array};

/// The loop. Operands: constants of the condition, constants of the body, carries. The condition may be an array over
/// leading axes of all carries: each of their elements goes on as long as its own condition holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct While {
    pub cond_jaxpr: Arc<Jaxpr>,
    pub cond_nconsts: usize,
    pub body_jaxpr: Arc<Jaxpr>,
    pub body_nconsts: usize,
}

impl Primitive for While {
    fn name(&self) -> &'static str {
        "while"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![
            ("body_jaxpr", Param::Jaxpr(self.body_jaxpr.clone())),
            ("body_nconsts", Param::Text(self.body_nconsts.to_string())),
            ("cond_jaxpr", Param::Jaxpr(self.cond_jaxpr.clone())),
            ("cond_nconsts", Param::Text(self.cond_nconsts.to_string())),
        ]
    }
    fn sub_jaxprs(&self) -> Vec<&Arc<Jaxpr>> {
        vec![&self.cond_jaxpr, &self.body_jaxpr]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        self.effects().check(Effects::CONTROL_FLOW, "`while`")?;
        let (cond, body) = (self.cond_jaxpr.in_avals(), self.body_jaxpr.in_avals());
        let carry = &body[self.body_nconsts..];
        let params = cond[..self.cond_nconsts].iter().chain(&body);
        let outs = self.body_jaxpr.out_avals();
        let fits = ins.len() == self.cond_nconsts + body.len()
            && ins.iter().zip(params).all(|(x, p)| x.matches(p))
            && carry.iter().zip(&outs).all(|(a, b)| a.matches(b));
        if !fits {
            bail!(
                Internal,
                "while: operands {ins:?} do not fit the body's parameters {body:?} and results {outs:?}"
            );
        }
        Ok(outs.into())
    }
    fn key_uses(&self, _: &[ShapedArray]) -> Result<Option<KeyUses>> {
        let (cond, body) = (of_jaxpr(&self.cond_jaxpr)?, of_jaxpr(&self.body_jaxpr)?);
        KeyUses::while_loop((cond, self.cond_nconsts), (body, self.body_nconsts)).map(Some)
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], _: &[ShapedArray]) -> LoweredValues {
        let (cond_consts, rest) = ins.split_at(self.cond_nconsts);
        let (body_consts, init) = rest.split_at(self.body_nconsts);
        let effects = self.effects();
        let predicate = |ctx: &mut LoweringCtx, carry: &[Value]| -> Result<Value> {
            Ok(ctx.inline_jaxpr(&self.cond_jaxpr, &[cond_consts, carry].concat())?[0])
        };
        // A condition can give no token. One with ordered effects runs before the loop and at the end of its body, and the
        // loop carries what it gave.
        let carries_predicate = !self.cond_jaxpr.effects().ordered().is_empty();
        let first = if carries_predicate { Some(predicate(ctx, init)?) } else { None };
        let mut operands = ctx.tokens(effects)?;
        let tokens = operands.len();
        operands.extend(first);
        let leading = operands.len();
        operands.extend_from_slice(init);
        let types: Vec<_> = operands.iter().map(|v| v.ty()).collect();
        let mut results = ctx.begin_op_with_regions("stablehlo.while", &operands, &types);
        let args = ctx.begin_region(&types);
        let pred = if carries_predicate { args[tokens] } else { predicate(ctx, &args[leading..])? };
        let rank = ctx.shape(pred).len();
        let any = match rank {
            0 => pred,
            _ => {
                let axes: Vec<usize> = (0..rank).collect();
                ctx.reduce("stablehlo.or", pred, Scalar::from_i128(DType::Bool, 0), &axes)
            }
        };
        ctx.end_region(&[any]);
        let args = ctx.begin_region(&types);
        ctx.set_tokens(effects, args[..tokens].iter().copied());
        let carry = &args[leading..];
        let mut next = ctx.inline_jaxpr(&self.body_jaxpr, &[body_consts, carry].concat())?;
        if rank > 0 {
            let pred = if carries_predicate { args[tokens] } else { predicate(ctx, carry)? };
            next = next.iter().zip(carry).map(|(new, old)| select_along(ctx, pred, *new, *old)).collect();
        }
        let pred = if carries_predicate { Some(predicate(ctx, &next)?) } else { None };
        let mut outs = ctx.tokens(effects)?;
        outs.extend(pred);
        outs.extend(next);
        ctx.end_region(&outs);
        ctx.end_op_with_regions(&operands, "", &results);
        ctx.set_tokens(effects, results.drain(..leading));
        Ok(results)
    }

    /// The loop over the body's jvp; the condition sees no tangents
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        let given: Vec<bool> = tangents.iter().map(Option::is_some).collect();
        let (_, body_given, carry_given) = self.split(&given);
        let mut carry = carry_given.to_vec();
        let make = |carry: &[bool]| jvp_jaxpr(&self.body_jaxpr, &[body_given, carry].concat(), carry);
        let others = [body_given, &carry].concat();
        let made = self.body().fixpoint(Flow::Tangents, &others, &mut carry, make, |m| &m.nonzero_out)?;
        let nk = carry.len();
        let prim = self.of_series(&made.jaxpr, made.consts.len(), body_given, &carry, 1);

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
    fn linearize(&self, primals: &[Array], given: &[bool]) -> Result<Option<Linearized>> {
        if primals.iter().any(|x| x.aval().is_ref()) {
            bail!(
                Unimplemented,
                "while_loop: linearisation of a loop that uses array references, which would run twice. Use jvp, or lax::scan"
            );
        }
        let primals_out = bind(self.clone(), &refs(primals))?;
        let n = primals.len();
        let mut avals: Vec<ShapedArray> = primals.iter().map(Array::aval).collect();
        let tangents = avals.iter().zip(given).filter(|(_, nz)| **nz);
        let tangents: Vec<ShapedArray> = tangents.map(|(a, _)| *a).collect();
        avals.extend(tangents);
        let loc = here();
        let (closed, nonzero_out) = trace_to_jaxpr_with(&avals, |args| {
            let tangents = scatter_marked(given, args[n..].iter().cloned());
            let (_, tangents) = with_location(loc, || self.jvp(&args[..n], &tangents))?;
            let nonzero_out: Vec<bool> = tangents.iter().map(Option::is_some).collect();
            Ok((tangents.into_iter().flatten().collect(), nonzero_out))
        })?;
        let (jaxpr, consts) = hoist(closed);
        let residuals = consts.into_iter().chain(primals.iter().cloned()).collect();
        let linear = Prim::from(JitCall::new("while_tangents", jaxpr));
        Ok(Some(Linearized { primals_out, linear, residuals, nonzero_out, order: None }))
    }

    fn transpose(&self, _: &[Ct], _: &[LinearInput]) -> Transposed {
        bail!(
            Differentiation,
            "reverse-mode differentiation does not work for lax::while_loop or lax::fori_loop with dynamic start/stop \
             values. Try using lax::scan, or using fori_loop with static start/stop"
        )
    }

    /// The loop over the batched body; with a mapped condition all carries are mapped
    fn batch(&self, axis: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        if self.effects().contains(Effect::OrderedIo) {
            bail!(Unimplemented, "ordered IO effects not supported in vmap of `while`");
        }
        let given: Vec<bool> = dims.iter().map(Option::is_some).collect();
        let (cond_given, body_given, carry_given) = self.split(&given);
        let mut carry = carry_given.to_vec();
        let make_cond =
            |carry: &[bool]| batch_jaxpr(&self.cond_jaxpr, axis, &[cond_given, carry].concat(), &[false]);
        let make_body =
            |carry: &[bool]| batch_jaxpr(&self.body_jaxpr, axis, &[body_given, carry].concat(), carry);
        let others = [body_given, &carry].concat();
        let body = self.body().fixpoint(Flow::Mapped, &others, &mut carry, make_body, |m| &m.mapped_out)?;
        let cond = make_cond(&carry)?;
        let (cond, body) = match cond.mapped_out[0] && unite(&mut carry, &vec![true; carry_given.len()]) {
            true => (make_cond(&carry)?, make_body(&carry)?),
            false => (cond, body),
        };
        if cond.mapped_out[0] && self.effects().contains(Effect::Io) {
            bail!(
                Unimplemented,
                "unordered IO effects not supported in `while` with a batched predicate: the body would run for elements \
                 that are done"
            );
        }
        // A condition that is an array goes over leading axes of every carry, and so does its mapped version; but one that
        // is not mapped needs the mapped axis behind its own.
        let inner = self.cond_jaxpr.out_avals()[0].ndim();
        if !cond.mapped_out[0] && inner > 0 && carry.contains(&true) {
            return self.batch_with_mapped_condition(axis, args, dims);
        }
        let front = |values: &[Array], dims: &[BatchDim], mapped: &[bool]| -> Vec<Array> {
            let each = values.iter().zip(dims).zip(mapped);
            each.map(|((x, d), m)| to_front(x, *d, *m, 0, axis.size)).collect()
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
        let outs = bind(self.over(&cond, &body), &refs(&args))?;
        Ok((outs, carry.iter().map(|m| m.then_some(0)).collect()))
    }

    /// The loop over the discharged body, with what references refer to that it writes to among the carries
    fn discharge(&self, args: &[Array]) -> Result<Discharged> {
        let cond = discharge_jaxpr(&self.cond_jaxpr, &vec![false; self.cond_jaxpr.invars.len()])?;
        let body = discharge_jaxpr(&self.body_jaxpr, &vec![false; self.body_jaxpr.invars.len()])?;
        let written = &body.written[..self.body_nconsts];
        let carried = count(written);
        let reads = self.cond_jaxpr.in_avals().iter().any(ShapedArray::is_ref);
        if cond.written.contains(&true) || (reads && carried > 0) {
            bail!(
                Unimplemented,
                "while_loop: a condition that uses array references, of a loop that writes to some. Read them in the body, and \
                 carry what the condition needs"
            );
        }
        let (nb, n) = (body.consts.len(), self.body_jaxpr.outvars.len());
        let consts = |of: bool| (0..self.body_nconsts).filter(move |i| written[*i] == of);
        let order = || consts(false).chain(consts(true)).chain(self.body_nconsts..self.body_nconsts + n);
        let outs = &body.jaxpr.outvars;
        let outs = [&outs[n..], &outs[..n]].concat();
        let body_jaxpr = body.jaxpr.rearrange(old((0..nb).chain(order().map(|i| nb + i))), outs);
        let cond_nconsts = cond.consts.len() + self.cond_nconsts;
        let avals = self.body_jaxpr.in_avals();
        let unused = consts(true).map(|i| Parameter::Unused(avals[i].with_ref(false)));
        let params = old(0..cond_nconsts).chain(unused).chain(old(cond_nconsts..cond_nconsts + n));
        let cond_jaxpr = cond.jaxpr.rearrange(params, cond.jaxpr.outvars.clone());
        let prim =
            While { cond_jaxpr, cond_nconsts, body_jaxpr, body_nconsts: nb + self.body_nconsts - carried };
        let (of_cond, rest) = args.split_at(self.cond_nconsts);
        let ordered = order().map(|i| rest[i].clone());
        let args: Vec<Array> =
            cond.consts.iter().chain(of_cond).chain(&body.consts).cloned().chain(ordered).collect();
        let mut outs = bind(prim, &refs(&args))?;
        let last: Arrays = outs.drain(..carried).collect();
        let marks = [&vec![false; self.cond_nconsts], &body.written[..]].concat();
        Ok(Discharged { outs, refs: written_to(&marks, last) })
    }

    fn eval(&self, args: &[&Array]) -> Option<Result<Arrays>> {
        let has_refs = self.cond_jaxpr.has_refs() || self.body_jaxpr.has_refs();
        has_refs.then(|| eval_discharged(self, args))
    }

    /// A carry is needed if it is used, if the condition reads it, or if another that is needed depends on it.
    fn dce(&self, used: &mut [bool]) -> Option<(Prim, Vec<usize>)> {
        let carries = used.len();
        let (cond, cond_kept) = self.cond_jaxpr.dce(&[true]);
        let carry_marks = |kept: &[usize], first: usize| {
            let mut marks = vec![false; carries];
            kept.iter().filter(|i| **i >= first).for_each(|i| marks[i - first] = true);
            marks
        };
        unite(used, &carry_marks(&cond_kept, self.cond_nconsts));
        let make = |used: &[bool]| {
            let (body, kept) = self.body_jaxpr.dce(used);
            let needed = carry_marks(&kept, self.body_nconsts);
            Ok((body, kept, needed))
        };
        let others = used.to_vec();
        let found = self.body().fixpoint(Flow::Needed, &others, used, make, |(_, _, needed)| needed);
        let (body, body_kept, _) = found.ok()?;
        let avals = self.body_jaxpr.out_avals();
        let thin = |jaxpr: &Jaxpr, kept: &[usize], consts: usize| {
            let leading = old(0..kept.iter().filter(|i| **i < consts).count());
            let kept: Remap<usize> = kept.iter().copied().collect();
            let carry = (0..carries).filter(|k| used[*k]);
            let carry = carry.map(|k| kept.parameter(consts + k, || avals[k]));
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
        Some((Prim::from(prim), inputs.collect()))
    }
}

impl While {
    /// The loop over a body that computes `order` coefficients, of which a tangent is one, besides each marked value: from
    /// `[consts, body consts, carries, coefficients]`. They are carried, and the condition does not see them. Its operands are
    /// `[cond consts, consts, body consts, theirs, carries, theirs]`.
    pub(crate) fn of_series(
        &self,
        body: &Jaxpr,
        consts: usize,
        body_given: &[bool],
        carry: &[bool],
        order: usize,
    ) -> While {
        let (nb, nk) = (self.body_nconsts, carry.len());
        let (db, dk) = (order * count(body_given), order * count(carry));
        let (carries_at, coefficients_at) = (consts + nb, consts + nb + nk);
        let params = old(0..carries_at)
            .chain(old(coefficients_at..coefficients_at + db))
            .chain(old(carries_at..coefficients_at))
            .chain(old(coefficients_at + db..coefficients_at + db + dk));
        let body_jaxpr = body.rearrange(params, body.outvars.clone());
        let avals = self.body_jaxpr.out_avals();
        let unseen = avals.iter().zip(carry).filter(|(_, nonzero)| **nonzero);
        let unseen = unseen.flat_map(|(aval, _)| std::iter::repeat_n(Parameter::Unused(*aval), order));
        let cond_params = old(0..self.cond_nconsts + nk).chain(unseen);
        let cond_jaxpr = self.cond_jaxpr.rearrange(cond_params, self.cond_jaxpr.outvars.clone());
        While { cond_jaxpr, cond_nconsts: self.cond_nconsts, body_jaxpr, body_nconsts: carries_at + db }
    }

    /// Constants of the condition, constants of the body, carries, out of one value for each operand.
    fn split<'a, T>(&self, values: &'a [T]) -> (&'a [T], &'a [T], &'a [T]) {
        let (cond, rest) = values.split_at(self.cond_nconsts);
        let (body, carry) = rest.split_at(self.body_nconsts);
        (cond, body, carry)
    }

    fn body(&self) -> Body<'_> {
        Body {
            jaxpr: &self.body_jaxpr,
            first_carry: self.body_nconsts,
            num_carry: self.body_jaxpr.outvars.len(),
        }
    }

    /// The loop over jaxprs that have further constants in front.
    fn over(&self, cond: &BatchedJaxpr, body: &BatchedJaxpr) -> While {
        While {
            cond_jaxpr: cond.jaxpr.clone(),
            cond_nconsts: cond.consts.len() + self.cond_nconsts,
            body_jaxpr: body.jaxpr.clone(),
            body_nconsts: body.consts.len() + self.body_nconsts,
        }
    }

    /// A condition that is an array and not mapped becomes mapped, so that it goes over leading axes of the carries.
    fn batch_with_mapped_condition(&self, axis: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let all = |n: usize| vec![true; n];
        let cond = batch_jaxpr(&self.cond_jaxpr, axis, &all(self.cond_jaxpr.invars.len()), &[true])?;
        let carries = self.body_jaxpr.outvars.len();
        let body = batch_jaxpr(&self.body_jaxpr, axis, &all(self.body_jaxpr.invars.len()), &all(carries))?;
        let moved: Vec<Array> =
            args.iter().zip(dims).map(|(x, d)| to_front(x, *d, true, 0, axis.size)).collect();
        let (cond_consts, body_consts, init) = self.split(&moved);
        let args: Vec<Array> = [&cond.consts, cond_consts, &body.consts, body_consts, init].concat();
        let outs = bind(self.over(&cond, &body), &refs(&args))?;
        let dims = outs.iter().map(|_| Some(0)).collect();
        Ok((outs, dims))
    }
}

/// `select` by a condition over the leading axes.
fn select_along(ctx: &mut LoweringCtx, pred: Value, on_true: Value, on_false: Value) -> Value {
    let shape = ctx.shape(on_true);
    let rank = ctx.shape(pred).len();
    let pred = match shape.len() == rank {
        true => pred,
        false => {
            let ty = ctx.tensor(DType::Bool, &shape);
            let dims: Vec<usize> = (0..rank).collect();
            let attrs = format!("broadcast_dimensions = {}", usize_array(&dims));
            ctx.op1("stablehlo.broadcast_in_dim", &[pred], &attrs, ty)
        }
    };
    ctx.select(pred, on_true, on_false)
}
