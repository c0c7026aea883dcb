//! The primitive `scan` and its rules. Each finds by a fixpoint which carries are affected: a carry that gets a tangent (or is mapped, or
//! needed) in one iteration has it from the first.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::calls::{refs, scatter_marked, written_to};
use crate::control_flow::common::{count, hoist, old, to_front};
use crate::control_flow::fixpoint::{Body, Flow};
use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::effects::Effects;
use crate::core::eval_jaxpr::eval_jaxpr;
use crate::core::jaxpr::{Atom, Jaxpr};
use crate::core::key_reuse::of_jaxpr;
use crate::core::key_uses::KeyUses;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    Arrays, BatchDim, Batched, Ct, Discharged, Jvp, LinearInput, Linearized, LoweredValues, MappedAxis,
    Param, Prim, Primitive, Tangent, Transposed,
};
use crate::core::remap::Remap;
use crate::core::scalar::Scalar;
use crate::core::trace::bind;
use crate::dtype::DType;
use crate::error::{Result, bail};
use crate::interpreters::backward_pass::transpose_jaxpr;
use crate::interpreters::batching::batch_jaxpr;
use crate::interpreters::discharge::{discharge_jaxpr, eval_discharged};
use crate::interpreters::jvp::jvp_jaxpr;
use crate::interpreters::linearize::{ResidualSource, linearize_jaxpr};
use crate::interpreters::partial_eval::trace_to_jaxpr;
use crate::lax;
use crate::mlir::{Value, Values, i64_array};

/// The loop. Operands: constants, carries, arrays to scan over; results: carries, stacked results. The jaxpr takes
/// and gives the same, with slices in place of arrays.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Scan {
    pub jaxpr: Arc<Jaxpr>,
    pub length: usize,
    pub reverse: bool,
    pub num_consts: usize,
    pub num_carry: usize,
    pub unroll: usize,
}

impl Primitive for Scan {
    fn name(&self) -> &'static str {
        "scan"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        let number = |n: usize| Param::Text(n.to_string());
        vec![
            ("jaxpr", Param::Jaxpr(self.jaxpr.clone())),
            ("length", number(self.length)),
            ("num_carry", number(self.num_carry)),
            ("num_consts", number(self.num_consts)),
            ("reverse", Param::from(self.reverse)),
            ("unroll", number(self.unroll)),
        ]
    }
    fn sub_jaxprs(&self) -> Vec<&Arc<Jaxpr>> {
        vec![&self.jaxpr]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let params = self.jaxpr.in_avals();
        let first_x = self.num_consts + self.num_carry;
        let fits = ins.len() == params.len()
            && ins.iter().zip(&params).enumerate().all(|(i, (x, p))| {
                if i < first_x { x.matches(p) } else { x.matches(&p.with_axis(0, self.length)) }
            });
        if !fits {
            bail!(Internal, "scan: operands {ins:?} do not fit the body's parameters {params:?}");
        }
        self.effects().check(Effects::CONTROL_FLOW, "`scan`")?;
        let outs = self.jaxpr.out_avals();
        let carry_in = &params[self.num_consts..first_x];
        if let Some((a, b)) = carry_in.iter().zip(&outs).find(|(a, b)| !a.matches(b)) {
            bail!(Internal, "scan: the body takes a carry {a} and gives {b}");
        }
        let outs = outs.into_iter().enumerate();
        Ok(outs.map(|(i, a)| if i < self.num_carry { a } else { a.with_axis(0, self.length) }).collect())
    }
    fn key_uses(&self, _: &[ShapedArray]) -> Result<Option<KeyUses>> {
        of_jaxpr(&self.jaxpr)?
            .looped("the body of scan", self.num_consts, self.num_carry, self.length)
            .map(Some)
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        let (consts, rest) = ins.split_at(self.num_consts);
        let (init, xs) = rest.split_at(self.num_carry);
        let mut state: Values = init.into();
        for aval in &outs[self.num_carry..] {
            state.push(ctx.full(Scalar::from_f64(aval.dtype(), 0.0), aval.shape()));
        }
        let whole = self.length.max(1);
        let unroll = if self.unroll == 0 { whole } else { self.unroll.min(whole) };
        let (turns, rest) = (self.length / unroll, self.length % unroll);
        // A loop of one turn is none.
        let (turns, rest) = if turns <= 1 { (0, self.length) } else { (turns, rest) };
        if turns > 0 {
            let effects = self.effects();
            let first = ctx.constant(Scalar::from_i128(DType::I32, 0));
            let mut operands = ctx.tokens(effects)?;
            let n = operands.len();
            operands.push(first);
            operands.extend(state.iter().copied());
            let types: Vec<_> = operands.iter().map(|v| v.ty()).collect();
            let results = ctx.begin_op_with_regions("stablehlo.while", &operands, &types);
            let args = ctx.begin_region(&types);
            let limit = ctx.constant(Scalar::from_i128(DType::I32, (turns * unroll) as i128));
            let more = ctx.compare("LT", args[n], limit);
            ctx.end_region(&[more]);
            let args = ctx.begin_region(&types);
            ctx.set_tokens(effects, args[..n].iter().copied());
            let mut i = args[n];
            let mut inner: Values = args[n + 1..].into();
            let one = ctx.constant(Scalar::from_i128(DType::I32, 1));
            for _ in 0..unroll {
                inner = self.lower_step(ctx, i, consts, &inner, xs)?;
                i = ctx.elementwise("stablehlo.add", &[i, one], i.ty());
            }
            let mut next = ctx.tokens(effects)?;
            next.push(i);
            next.extend(inner);
            ctx.end_region(&next);
            ctx.end_op_with_regions(&operands, "", &results);
            ctx.set_tokens(effects, results[..n].iter().copied());
            state = results[n + 1..].into();
        }
        for i in self.length - rest..self.length {
            let i = ctx.constant(Scalar::from_i128(DType::I32, i as i128));
            state = self.lower_step(ctx, i, consts, &state, xs)?;
        }
        Ok(state)
    }

    /// The scan of the body's jvp
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        let given: Vec<bool> = tangents.iter().map(Option::is_some).collect();
        let mut carry = self.split(&given).1.to_vec();
        let make = |carry: &[bool]| {
            jvp_jaxpr(&self.jaxpr, &self.with_carry(&given, carry), &self.carries_only(carry))
        };
        let made = self.body().fixpoint(Flow::Tangents, &given, &mut carry, make, |m| &m.nonzero_out)?;
        let nonzero = self.with_carry(&given, &carry);
        // The body: [consts, primals, tangents] to [consts, dconsts | carry, dcarry | xs, dxs].
        let (nc, nk, n) = (made.consts.len(), self.num_carry, self.jaxpr.invars.len());
        let (dconsts, dcarry, dxs) = self.split(&nonzero);
        let (dconsts, dcarry, dxs) = (count(dconsts), count(dcarry), count(dxs));
        let consts = nc + self.num_consts;
        let tangents_at = nc + n;
        let params = old(0..consts)
            .chain(old(tangents_at..tangents_at + dconsts))
            .chain(old(consts..consts + nk))
            .chain(old(tangents_at + dconsts..tangents_at + dconsts + dcarry))
            .chain(old(consts + nk..nc + n))
            .chain(old(tangents_at + dconsts + dcarry..tangents_at + dconsts + dcarry + dxs));
        let outs = &made.jaxpr.outvars;
        let (results, dresults) = outs.split_at(self.jaxpr.outvars.len());
        let outs = [&results[..nk], &dresults[..dcarry], &results[nk..], &dresults[dcarry..]].concat();
        let jaxpr = made.jaxpr.rearrange(params, outs);
        let prim = self.with(jaxpr, consts + dconsts, nk + dcarry);

        let dx = |i: usize| tangents[i].clone().unwrap_or_else(|| lax::zeros_like(&primals[i]));
        let dx =
            |range: std::ops::Range<usize>| range.filter(|i| nonzero[*i]).map(dx).collect::<Vec<Array>>();
        let (consts, carry, xs) = self.split(primals);
        let first_x = self.num_consts + nk;
        let args: Vec<Array> = [
            &made.consts,
            consts,
            &dx(0..self.num_consts),
            carry,
            &dx(self.num_consts..first_x),
            xs,
            &dx(first_x..n),
        ]
        .concat();
        let outs = bind(prim, &refs(&args))?;
        let ys = self.num_ys();
        let results = outs[..nk].iter().chain(&outs[nk + dcarry..nk + dcarry + ys]).cloned().collect();
        let dresults = outs[nk..nk + dcarry].iter().chain(&outs[nk + dcarry + ys..]).cloned();
        Ok((results, scatter_marked(&made.nonzero_out, dresults)))
    }

    /// A scan that also stacks the residuals of each iteration, and a linear scan over them
    fn linearize(&self, primals: &[Array], given: &[bool]) -> Result<Option<Linearized>> {
        let mut carry = self.split(given).1.to_vec();
        let make = |carry: &[bool]| {
            linearize_jaxpr(&self.jaxpr, &self.with_carry(given, carry), &self.carries_only(carry))
        };
        let split = self.body().fixpoint(Flow::Tangents, given, &mut carry, make, |m| &m.nonzero_out)?;
        let nonzero = self.with_carry(given, &carry);
        let (nk, results) = (self.num_carry, self.jaxpr.outvars.len());
        let consts = split.consts.len() + self.num_consts;
        let invariant = invariant_vars(&split.primal, consts);
        let is_invariant = |atom: &Atom| match atom {
            Atom::Var(v) => invariant[v.0 as usize],
            Atom::Literal(_) => true,
        };

        // What the primal scan stacks besides its results, and what is computed outside.
        let (mut stacked, mut stacked_at): (Vec<Atom>, Remap<Atom>) = Default::default();
        let (mut hoisted, mut hoisted_at): (Vec<Atom>, Remap<Atom>) = Default::default();
        let first_x = self.num_consts + nk;
        let residuals: Vec<Residual> = split
            .residual_sources
            .iter()
            .map(|source| {
                let atom = match *source {
                    ResidualSource::Argument(i) if i < self.num_consts => return Residual::Const(i),
                    ResidualSource::Argument(i) if i >= first_x => return Residual::Xs(i - first_x),
                    ResidualSource::Result(i) if i >= nk => return Residual::Ys(i - nk),
                    ResidualSource::Argument(i) => Atom::Var(split.primal.invars[split.consts.len() + i]),
                    ResidualSource::Result(i) => split.primal.outvars[i],
                    ResidualSource::Computed(i) => split.primal.outvars[results + i],
                };
                if is_invariant(&atom) {
                    Residual::Hoisted(hoisted_at.push(atom, &mut hoisted))
                } else {
                    Residual::Ys(self.num_ys() + stacked_at.push(atom, &mut stacked))
                }
            })
            .collect();

        let outs = split.primal.outvars[..results].iter().chain(&stacked).cloned().collect();
        let jaxpr = split.primal.rearrange(old(0..split.primal.invars.len()), outs);
        let (jaxpr, kept) = jaxpr.dce(&vec![true; results + stacked.len()]);
        let jaxpr = Arc::new(jaxpr);
        // Carries and arrays to scan over stay where they are, even if nothing reads them.
        let kept_consts: Vec<usize> = kept.iter().copied().filter(|i| *i < consts).collect();
        let in_avals = split.primal.in_avals();
        let kept: Remap<usize> = kept.into_iter().collect();
        let params = kept_consts.iter().copied().chain(consts..in_avals.len());
        let params = params.map(|i| kept.parameter(i, || in_avals[i]));
        let jaxpr = jaxpr.rearrange(params, jaxpr.outvars.clone());
        let prim = self.with(jaxpr, kept_consts.len(), nk);
        let all_consts: Vec<Array> =
            split.consts.iter().chain(&primals[..self.num_consts]).cloned().collect();
        let mut args: Vec<Array> = kept_consts.iter().map(|i| all_consts[*i].clone()).collect();
        args.extend_from_slice(&primals[self.num_consts..]);
        let mut outs = bind(prim, &refs(&args))?;
        let hoisted = run_invariant(&split.primal, hoisted, consts, &all_consts)?;

        let value = |r: &Residual| match *r {
            Residual::Const(i) => primals[i].clone(),
            Residual::Hoisted(i) => hoisted[i].clone(),
            Residual::Xs(i) => primals[first_x + i].clone(),
            Residual::Ys(i) => outs[nk + i].clone(),
        };
        let mut values: Vec<Array> = residuals.iter().map(value).collect();
        outs.truncate(results);

        // The tangent body: [residuals, dconsts, dcarry, dxs] to
        // [invariant residuals, dconsts | dcarry | stacked residuals, dxs].
        let n = residuals.len();
        let invariants: Vec<usize> = (0..n).filter(|i| residuals[*i].is_invariant()).collect();
        let per_step: Vec<usize> = (0..n).filter(|i| !residuals[*i].is_invariant()).collect();
        let (dconsts, dcarry, _) = self.split(&nonzero);
        let (dconsts, dcarry) = (count(dconsts), count(dcarry));
        let params = old(invariants.iter().copied())
            .chain(old(n..n + dconsts + dcarry))
            .chain(old(per_step.iter().copied()))
            .chain(old(n + dconsts + dcarry..split.tangent.invars.len()));
        let jaxpr = split.tangent.rearrange(params, split.tangent.outvars.clone());
        let linear = self.with(jaxpr, invariants.len() + dconsts, dcarry);

        // Operands of the linear scan among the values and the tangents that are given.
        let mut zeros_at = Vec::new();
        for i in self.num_consts..first_x {
            if nonzero[i] && !given[i] {
                zeros_at.push(values.len());
                values.push(lax::zeros_like(&primals[i]));
            }
        }
        let mut zeros_at = zeros_at.into_iter();
        let mut tangents_at = values.len()..;
        let mut order = invariants;
        order.extend(tangents_at.by_ref().take(count(&given[..self.num_consts])));
        for i in self.num_consts..first_x {
            if given[i] {
                order.extend(tangents_at.next());
            } else if nonzero[i] {
                order.extend(zeros_at.next());
            }
        }
        order.extend(per_step);
        order.extend(tangents_at.take(count(&given[first_x..])));
        Ok(Some(Linearized {
            primals_out: outs,
            linear: Prim::from(linear),
            residuals: values,
            nonzero_out: split.nonzero_out.clone(),
            order: Some(order),
        }))
    }

    /// A scan backwards over the transposed body, which sums the cotangents of the constants
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        let nk = self.num_carry;
        let given: Vec<bool> = ins.iter().map(LinearInput::is_linear).collect();
        // A carry that begins with a known zero may get a tangent later: its cotangent is dropped in the end.
        let (_, carry_ins, _) = self.split(ins);
        if let Some(i) = carry_ins.iter().position(|x| !x.is_linear() && !x.aval().dtype().is_inexact()) {
            bail!(
                Unimplemented,
                "scan: transpose of a scan whose carry {i} of type {} does not depend on what it is transposed with \
                 respect to",
                carry_ins[i].aval()
            );
        }
        let linear = self.with_carry(&given, &vec![true; nk]);
        let (lin_consts, _, lin_xs) = self.split(&linear);
        let nonzero_ys: Vec<bool> = cts[nk..].iter().map(Option::is_some).collect();
        let mut carry: Vec<bool> = cts[..nk].iter().map(Option::is_some).collect();
        let lin_c = count(lin_consts);
        let make = |carry: &[bool]| {
            let nonzero = [carry, &nonzero_ys].concat();
            let force = [&vec![false; lin_c][..], carry, &vec![false; count(lin_xs)]].concat();
            transpose_jaxpr(&self.jaxpr, &linear, &nonzero, &force)
        };
        let nonzero = [&carry[..], &nonzero_ys].concat();
        let body = self.body();
        let made = body.fixpoint(Flow::Cotangents, &nonzero, &mut carry, make, |m| &m.nonzero_in[lin_c..])?;
        let (nonzero_consts, nonzero_xs) = (&made.nonzero_in[..lin_c], &made.nonzero_in[lin_c + nk..]);

        // The transposed body: [consts, known, ct_carry, ct_ys] to [ct_consts, ct_carry, ct_xs]. Around it:
        // [consts, known consts | ct_consts so far, ct_carry | ct_ys, known xs] to [ct_consts, ct_carry | ct_xs].
        let (known_c, known_x) = (lin_consts.len() - lin_c, lin_xs.len() - count(lin_xs));
        let (nc, num_ct_c, num_ct_carry) = (made.consts.len(), count(nonzero_consts), count(&carry));
        let body = &made.jaxpr;
        let in_avals = body.in_avals();
        let (res, cts_in) = in_avals.split_at(nc + known_c + known_x);
        let out_avals = body.out_avals();
        let avals: Vec<ShapedArray> =
            [&res[..nc + known_c], &out_avals[..num_ct_c], cts_in, &res[nc + known_c..]].concat();
        let closed = trace_to_jaxpr(&avals, |args| {
            let (res_c, rest) = args.split_at(nc + known_c);
            let (sums, rest) = rest.split_at(num_ct_c);
            let (cts, res_x) = rest.split_at(cts_in.len());
            let mut outs = eval_jaxpr(body, &[], &[res_c, res_x, cts].concat())?;
            for (out, sum) in outs.iter_mut().zip(sums) {
                *out = lax::add_any(sum, out);
            }
            Ok(outs)
        })?;
        let (jaxpr, more_consts) = hoist(closed);
        let num_consts = more_consts.len() + nc + known_c;
        let prim = Scan { reverse: !self.reverse, ..self.with(jaxpr, num_consts, num_ct_c + num_ct_carry) };

        let (ins_c, _, ins_x) = self.split(ins);
        let known =
            |ins: &[LinearInput]| ins.iter().filter_map(LinearInput::known).cloned().collect::<Vec<_>>();
        let sums: Vec<Array> = out_avals[..num_ct_c].iter().map(lax::zeros_like_aval).collect();
        let carry_avals = self.jaxpr.out_avals();
        let ct_carry: Vec<Array> = (0..nk)
            .filter(|i| carry[*i])
            .map(|i| cts[i].clone().unwrap_or_else(|| lax::zeros_like_aval(&carry_avals[i])))
            .collect();
        let ct_ys: Vec<Array> = cts[nk..].iter().flatten().cloned().collect();
        let args =
            [more_consts, made.consts.clone(), known(ins_c), sums, ct_carry, ct_ys, known(ins_x)].concat();
        let mut outs = bind(prim, &refs(&args))?.into_iter();
        let found_c: Vec<Ct> = scatter_marked(nonzero_consts, outs.by_ref().take(num_ct_c)).into_vec();
        let found_carry = scatter_marked(&carry, outs.by_ref().take(num_ct_carry)).into_vec();
        let found_x = scatter_marked(nonzero_xs, outs).into_vec();
        let mut found = found_c.into_iter().chain(found_carry).chain(found_x);
        let cts = linear.iter().zip(&given).map(|(linear, given)| {
            let ct = if *linear { found.next().flatten() } else { None };
            ct.filter(|_| *given)
        });
        Ok(cts.collect())
    }

    /// The scan of the batched body; arrays to scan over carry the mapped axis second
    fn batch(&self, axis: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let given: Vec<bool> = dims.iter().map(Option::is_some).collect();
        let mut carry = self.split(&given).1.to_vec();
        let make = |carry: &[bool]| {
            batch_jaxpr(&self.jaxpr, axis, &self.with_carry(&given, carry), &self.carries_only(carry))
        };
        let made = self.body().fixpoint(Flow::Mapped, &given, &mut carry, make, |m| &m.mapped_out)?;
        let mapped = self.with_carry(&given, &carry);
        let first_x = self.num_consts + self.num_carry;
        let is_elsewhere = |(i, x): (usize, &Array)| {
            x.aval().is_ref() && dims[i].is_some_and(|dim| dim != usize::from(i >= first_x))
        };
        if let Some((i, x)) = args.iter().enumerate().find(|(i, x)| is_elsewhere((*i, x))) {
            bail!(
                Unimplemented,
                "scan: operand {i}, an array reference of type {}, has the mapped axis of a vmap where the loop does not take it; the \
                 axes of what it refers to cannot be moved",
                x.aval()
            );
        }
        let moved = args.iter().zip(dims).zip(&mapped).enumerate();
        let moved =
            moved.map(|(i, ((x, d), mapped))| to_front(x, *d, *mapped, usize::from(i >= first_x), axis.size));
        let args: Vec<Array> = made.consts.iter().cloned().chain(moved).collect();
        let prim = self.with(made.jaxpr.clone(), made.consts.len() + self.num_consts, self.num_carry);
        let outs = bind(prim, &refs(&args))?;
        let dims = made.mapped_out.iter().enumerate();
        let dims = dims.map(|(i, m)| m.then_some(usize::from(i >= self.num_carry)));
        Ok((outs, dims.collect::<SmallVec<[BatchDim; 2]>>()))
    }

    /// The loop over the discharged body. What references among the constants refer to becomes a carry if the body writes to it;
    /// of references that are scanned over, it is stacked.
    fn discharge(&self, args: &[Array]) -> Result<Discharged> {
        let n = self.jaxpr.outvars.len();
        let made = discharge_jaxpr(&self.jaxpr, &vec![false; args.len()])?;
        let (nc, first_x) = (made.consts.len(), self.num_consts + self.num_carry);
        let (written, written_xs) = (&made.written[..self.num_consts], &made.written[first_x..]);
        let consts = |of: bool| (0..self.num_consts).filter(move |i| written[*i] == of);
        let (carried, stacked) = (count(written), count(written_xs));
        let order = || consts(false).chain(consts(true)).chain(self.num_consts..args.len());
        let outs = &made.jaxpr.outvars;
        let outs = [&outs[n..n + carried], &outs[..n], &outs[n + carried..]].concat();
        let jaxpr = made.jaxpr.rearrange(old((0..nc).chain(order().map(|i| nc + i))), outs);
        let prim = self.with(jaxpr, nc + self.num_consts - carried, carried + self.num_carry);
        let args: Vec<Array> = made.consts.iter().cloned().chain(order().map(|i| args[i].clone())).collect();
        let mut outs = bind(prim, &refs(&args))?;
        let xs = outs.len() - stacked;
        let stacked: Vec<Array> = outs.drain(xs..).collect();
        let last: Vec<Array> = outs.drain(..carried).chain(stacked).collect();
        Ok(Discharged { outs, refs: written_to(&made.written, last) })
    }

    fn eval(&self, args: &[&Array]) -> Option<Result<Arrays>> {
        self.jaxpr.has_refs().then(|| eval_discharged(self, args))
    }

    /// A carry is needed if it is used, or if another that is needed depends on it.
    fn dce(&self, used: &mut [bool]) -> Option<(Prim, Vec<usize>)> {
        let (nk, first_x) = (self.num_carry, self.num_consts + self.num_carry);
        let others = used.to_vec();
        let (carry, ys) = used.split_at_mut(nk);
        let ys = &*ys;
        let make = |carry: &[bool]| {
            let (jaxpr, kept) = self.jaxpr.dce(&[carry, ys].concat());
            let mut needed = vec![false; nk];
            for i in kept.iter().filter(|i| (self.num_consts..first_x).contains(*i)) {
                needed[i - self.num_consts] = true;
            }
            Ok((jaxpr, kept, needed))
        };
        let found = self.body().fixpoint(Flow::Needed, &others, carry, make, |(_, _, needed)| needed);
        let (jaxpr, kept, _) = found.ok()?;
        let avals = self.jaxpr.in_avals();
        let kept: Remap<usize> = kept.into_iter().collect();
        let wanted: Vec<usize> = (0..avals.len())
            .filter(|i| match i.checked_sub(self.num_consts) {
                Some(k) if k < nk => used[k],
                _ => kept.get(i).is_some(),
            })
            .collect();
        let params = wanted.iter().map(|i| kept.parameter(*i, || avals[*i]));
        let jaxpr = jaxpr.rearrange(params, jaxpr.outvars.clone());
        let num_consts = wanted.iter().filter(|i| **i < self.num_consts).count();
        Some((Prim::from(self.with(jaxpr, num_consts, count(&used[..nk]))), wanted))
    }
}

impl Scan {
    /// One iteration: `state` holds the carries and the stacked results so far.
    fn lower_step(
        &self,
        ctx: &mut LoweringCtx,
        i: Value,
        consts: &[Value],
        state: &[Value],
        xs: &[Value],
    ) -> Result<Values> {
        let at = if self.reverse {
            let last = ctx.constant(Scalar::from_i128(DType::I32, self.length as i128 - 1));
            ctx.elementwise("stablehlo.subtract", &[last, i], i.ty())
        } else {
            i
        };
        let zero = ctx.constant(Scalar::from_i128(DType::I32, 0));
        let starts = |at: Value, rank: usize| {
            let mut starts = vec![zero; rank];
            starts[0] = at;
            starts
        };
        let (carry, ys) = state.split_at(self.num_carry);
        let mut args: Vec<Value> = consts.iter().chain(carry).copied().collect();
        for x in xs {
            let mut sizes = ctx.shape(*x);
            sizes[0] = 1;
            let dtype = ctx.dtype(*x);
            let ty = ctx.tensor(dtype, &sizes);
            let operands: Vec<Value> = [*x].into_iter().chain(starts(at, sizes.len())).collect();
            let attrs = format!("slice_sizes = {}", i64_array(sizes.iter().map(|n| *n as i64)));
            let slice = ctx.op1("stablehlo.dynamic_slice", &operands, &attrs, ty);
            args.push(ctx.reshape(slice, &sizes[1..]));
        }
        let outs = ctx.inline_jaxpr(&self.jaxpr, &args)?;
        let (carry, slices) = outs.split_at(self.num_carry);
        let mut state: Values = carry.into();
        for (y, slice) in ys.iter().zip(slices) {
            let mut sizes = ctx.shape(*y);
            sizes[0] = 1;
            let update = ctx.reshape(*slice, &sizes);
            let operands: Vec<Value> = [*y, update].into_iter().chain(starts(at, sizes.len())).collect();
            state.push(ctx.op1("stablehlo.dynamic_update_slice", &operands, "", y.ty()));
        }
        Ok(state)
    }

    fn with(&self, jaxpr: Arc<Jaxpr>, num_consts: usize, num_carry: usize) -> Scan {
        Scan { jaxpr, num_consts, num_carry, ..self.clone() }
    }

    fn body(&self) -> Body<'_> {
        Body { jaxpr: &self.jaxpr, first_carry: self.num_consts, num_carry: self.num_carry }
    }

    fn num_ys(&self) -> usize {
        self.jaxpr.outvars.len() - self.num_carry
    }

    /// Constants, carries and arrays to scan over, out of one value for each operand.
    fn split<'a, T>(&self, values: &'a [T]) -> (&'a [T], &'a [T], &'a [T]) {
        let (consts, rest) = values.split_at(self.num_consts);
        let (carry, xs) = rest.split_at(self.num_carry);
        (consts, carry, xs)
    }

    /// The marks of the operands with those of the carries replaced.
    fn with_carry(&self, marks: &[bool], carry: &[bool]) -> Vec<bool> {
        let (consts, _, xs) = self.split(marks);
        [consts, carry, xs].concat()
    }

    /// Marks of the results: carries as given, and nothing stacked.
    fn carries_only(&self, carry: &[bool]) -> Vec<bool> {
        let mut marks = carry.to_vec();
        marks.resize(self.jaxpr.outvars.len(), false);
        marks
    }
}

/// Where a residual of the body comes from, and so where the linear scan takes it.
#[derive(Clone, Copy)]
enum Residual {
    /// The same in each iteration: this constant of the scan.
    Const(usize),
    /// The same in each iteration: computed once, outside.
    Hoisted(usize),
    /// These arrays to scan over.
    Xs(usize),
    /// These stacked results.
    Ys(usize),
}

impl Residual {
    fn is_invariant(self) -> bool {
        matches!(self, Residual::Const(_) | Residual::Hoisted(_))
    }
}

/// Which variables depend on nothing but the first `consts` parameters.
fn invariant_vars(jaxpr: &Jaxpr, consts: usize) -> Vec<bool> {
    let mut invariant = vec![false; jaxpr.avals.len()];
    for v in &jaxpr.invars[..consts] {
        invariant[v.0 as usize] = true;
    }
    for eqn in &jaxpr.eqns {
        let known = |a: &Atom| match a {
            Atom::Var(v) => invariant[v.0 as usize],
            Atom::Literal(_) => true,
        };
        if eqn.prim.effects().is_empty() && eqn.inputs.iter().all(known) {
            eqn.outputs.iter().for_each(|v| invariant[v.0 as usize] = true);
        }
    }
    invariant
}

/// Computes values that depend on nothing but the first `consts` parameters.
fn run_invariant(jaxpr: &Jaxpr, wanted: Vec<Atom>, consts: usize, values: &[Array]) -> Result<Vec<Array>> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let used = vec![true; wanted.len()];
    // What has effects is no invariant, and the scan itself runs it.
    let (hoisted, kept) = jaxpr.rearrange(old(0..jaxpr.invars.len()), wanted).without_effects().dce(&used);
    if let Some(i) = kept.iter().find(|i| **i >= consts) {
        bail!(Internal, "scan: an invariant depends on operand {i}");
    }
    let args: Vec<Array> = kept.iter().map(|i| values[*i].clone()).collect();
    eval_jaxpr(&hoisted, &[], &args)
}
