//! The primitive `cond` and its rules. Branches that differ in which results get a tangent (or a mapped axis, or a cotangent) are made to
//! agree on the union.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::calls::{refs, scatter_marked, written_to};
use crate::control_flow::common::{hoist, join_consts, old, to_front, unite};
use crate::control_flow::platform::{Platforms, position, printed};
use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::effects::Effects;
use crate::core::eval_jaxpr::eval_jaxpr;
use crate::core::jaxpr::Jaxpr;
use crate::core::key_reuse::of_jaxpr;
use crate::core::key_uses::KeyUses;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    Arrays, BatchDim, Batched, Ct, Discharged, Jvp, LinearInput, Linearized, LoweredValues, MappedAxis,
    Param, Prim, Primitive, RefUpdate, Tangent, Transposed,
};
use crate::core::remap::Remap;
use crate::core::trace::bind;
use crate::error::{Result, bail};
use crate::interpreters::backward_pass::transpose_jaxpr;
use crate::interpreters::batching::{batch_jaxpr, move_batch_axis};
use crate::interpreters::discharge::{discharge_jaxpr, eval_discharged};
use crate::interpreters::jvp::jvp_jaxpr;
use crate::interpreters::linearize::{LinearizedJaxpr, ResidualSource, linearize_jaxpr};
use crate::interpreters::partial_eval::trace_to_jaxpr;
use crate::lax;
use crate::mlir::Value;

/// One of several jaxprs of equal types. Operands: the index, in range; then the arguments. JAX: `cond_p`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Cond {
    pub branches: Box<[Arc<Jaxpr>]>,
    /// That the index is that of the platform, each branch being for one.
    pub platforms: Option<Platforms>,
}

impl Primitive for Cond {
    fn name(&self) -> &'static str {
        "cond"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        let mut params = vec![("branches", Param::Jaxprs(self.branches.to_vec()))];
        if let Some(platforms) = &self.platforms {
            params.push(("branches_platforms", Param::Text(printed(platforms))));
        }
        params
    }
    fn sub_jaxprs(&self) -> Vec<&Arc<Jaxpr>> {
        self.branches.iter().collect()
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        self.effects().check(Effects::CONTROL_FLOW, "`cond`")?;
        let avals: Vec<Vec<ShapedArray>> = self.branches.iter().map(|b| b.out_avals()).collect();
        for branch in &self.branches {
            let params = branch.in_avals();
            if ins.len() != params.len() + 1 || ins[1..].iter().zip(&params).any(|(x, p)| !x.matches(p)) {
                bail!(Internal, "cond: operands {ins:?} do not fit a branch's parameters {params:?}");
            }
        }
        let outs = avals[0].iter().enumerate().map(|(i, aval)| {
            if let Some(other) = avals.iter().find(|other| !other[i].matches(aval)) {
                bail!(Internal, "cond: a branch gives {aval}, another {}", other[i]);
            }
            // The weak type is that of the first branch, as in JAX.
            Ok(*aval)
        });
        outs.collect()
    }
    fn key_uses(&self, _: &[ShapedArray]) -> Result<Option<KeyUses>> {
        let uses = self.branches.iter().map(|branch| of_jaxpr(branch)).collect::<Result<Vec<_>>>()?;
        Ok(Some(KeyUses::any_of(&uses).shifted(1)))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        if let [only] = &*self.branches {
            return ctx.inline_jaxpr(only, &ins[1..]);
        }
        if let Some(platforms) = &self.platforms {
            let own = position(ctx, platforms)?;
            return ctx.inline_jaxpr(&self.branches[own], &ins[1..]);
        }
        let effects = self.effects();
        let before = ctx.tokens(effects)?;
        let mut types: Vec<_> = before.iter().map(|token| token.ty()).collect();
        types.extend(outs.iter().map(|aval| ctx.ty(aval)));
        let mut results = ctx.begin_op_with_regions("stablehlo.case", &ins[..1], &types);
        for branch in &self.branches {
            ctx.begin_region(&[]);
            ctx.set_tokens(effects, before.iter().copied());
            let values = ctx.inline_jaxpr(branch, &ins[1..])?;
            let mut outs = ctx.tokens(effects)?;
            outs.extend(values);
            ctx.end_region(&outs);
        }
        ctx.end_op_with_regions(&ins[..1], "", &results);
        ctx.set_tokens(effects, results.drain(..before.len()));
        Ok(results)
    }

    /// The branches' jvps
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        let nonzero: Vec<bool> = tangents[1..].iter().map(Option::is_some).collect();
        let n = self.num_outs();
        let make = |b: &Jaxpr, force: &[bool]| jvp_jaxpr(b, &nonzero, force);
        let (made, nonzero_out) = self.agree(vec![false; n], make, |m| &m.nonzero_out)?;
        let (branches, consts) =
            join_consts(made.iter().map(|m| (m.jaxpr.clone(), m.consts.clone())).collect());
        let args: Vec<Array> = primals[..1]
            .iter()
            .chain(&consts)
            .chain(&primals[1..])
            .chain(tangents[1..].iter().flatten())
            .cloned()
            .collect();
        let mut outs = bind(self.with(branches), &refs(&args))?.into_iter();
        let primals_out: Arrays = outs.by_ref().take(n).collect();
        Ok((primals_out, scatter_marked(&nonzero_out, outs)))
    }

    /// The branches' primal parts, which give the residuals of all (zeros for those of the others), and a `cond` of their
    /// linear parts
    fn linearize(&self, primals: &[Array], nonzero: &[bool]) -> Result<Option<Linearized>> {
        let n = self.num_outs();
        let make = |b: &Jaxpr, force: &[bool]| linearize_jaxpr(b, &nonzero[1..], force);
        let (splits, nonzero_out) = self.agree(vec![false; n], make, |m| &m.nonzero_out)?;
        let mut slots = Slots::default();
        let residuals: Vec<Vec<Residual>> = splits.iter().map(|split| slots.assign(split, n)).collect();

        let parts = splits.iter().zip(&residuals).map(|(split, residuals)| {
            let (jaxpr, more) = with_slots(split, residuals, n, &slots.avals)?;
            Ok((jaxpr, more.into_iter().chain(split.consts.iter().cloned()).collect()))
        });
        let (branches, consts) = join_consts(parts.collect::<Result<Vec<_>>>()?);
        let args: Vec<Array> = primals[..1].iter().chain(&consts).chain(&primals[1..]).cloned().collect();
        let mut outs = bind(self.with(branches), &refs(&args))?;
        let added: Vec<Array> = outs.drain(n..).collect();

        let (mut union, mut union_at): (Vec<Residual>, Remap<Residual>) = Default::default();
        for residual in residuals.iter().flatten() {
            union_at.push(*residual, &mut union);
        }
        let values: Vec<Array> = union
            .iter()
            .map(|residual| match *residual {
                Residual::Operand(i) => primals[1 + i].clone(),
                Residual::Result(i) => outs[i].clone(),
                Residual::Slot(i) => added[i].clone(),
            })
            .collect();
        let linear = splits.iter().zip(&residuals).map(|(split, own)| {
            let at: Remap<usize> = own.iter().filter_map(|r| union_at.get(r)).collect();
            let leading = values.iter().enumerate().map(|(i, x)| at.parameter(i, || x.aval()));
            let params = leading.chain(old(own.len()..split.tangent.invars.len()));
            split.tangent.rearrange(params, split.tangent.outvars.clone())
        });
        let linear = self.with(linear.collect());
        let residuals = [primals[0].clone()].into_iter().chain(values).collect();
        Ok(Some(Linearized {
            primals_out: outs,
            linear: Prim::from(linear),
            residuals,
            nonzero_out,
            order: None,
        }))
    }

    /// The branches transposed
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        let linear: Vec<bool> = ins[1..].iter().map(LinearInput::is_linear).collect();
        let nonzero: Vec<bool> = cts.iter().map(Option::is_some).collect();
        let linears = linear.iter().filter(|l| **l).count();
        let make = |b: &Jaxpr, force: &[bool]| transpose_jaxpr(b, &linear, &nonzero, force);
        let (made, nonzero_in) = self.agree(vec![false; linears], make, |m| &m.nonzero_in)?;
        let (branches, consts) =
            join_consts(made.iter().map(|m| (m.jaxpr.clone(), m.consts.clone())).collect());
        let (index, operands) = ins.split_at(1);
        let args: Vec<Array> = index
            .iter()
            .filter_map(LinearInput::known)
            .chain(&consts)
            .chain(operands.iter().filter_map(LinearInput::known))
            .chain(cts.iter().flatten())
            .cloned()
            .collect();
        let outs = bind(self.with(branches), &refs(&args))?;
        let mut found = scatter_marked(&nonzero_in, outs).into_iter();
        let cts = linear.iter().map(|linear| if *linear { found.next().flatten() } else { None });
        Ok(std::iter::once(None).chain(cts).collect())
    }

    /// The branches batched; with a mapped index all of them run, and a selection follows
    fn batch(&self, axis: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        if !self.effects().and(Effects::IO).is_empty() {
            bail!(Unimplemented, "IO effects not supported in vmap of `cond`: all branches might run");
        }
        if let Some(dim) = dims[0] {
            return self.batch_select(axis, args, dims, dim);
        }
        let mapped: Vec<bool> = dims[1..].iter().map(Option::is_some).collect();
        let make = |b: &Jaxpr, force: &[bool]| batch_jaxpr(b, axis, &mapped, force);
        let (made, mapped_out) = self.agree(vec![false; self.num_outs()], make, |m| &m.mapped_out)?;
        let (branches, consts) =
            join_consts(made.iter().map(|m| (m.jaxpr.clone(), m.consts.clone())).collect());
        let moved = args[1..].iter().zip(&dims[1..]).map(|(x, d)| to_front(x, *d, d.is_some(), 0, axis.size));
        let args: Vec<Array> = args[..1].iter().cloned().chain(consts).chain(moved).collect();
        let outs = bind(self.with(branches), &refs(&args))?;
        Ok((outs, mapped_out.iter().map(|m| m.then_some(0)).collect()))
    }

    /// The branches discharged, which agree on the references that one of them writes to
    fn discharge(&self, args: &[Array]) -> Result<Discharged> {
        let (index, operands) = args.split_at(1);
        let (made, written) = self.agree(vec![false; operands.len()], discharge_jaxpr, |m| &m.written)?;
        let (branches, consts) =
            join_consts(made.iter().map(|m| (m.jaxpr.clone(), m.consts.clone())).collect());
        let args: Vec<Array> = [index, &consts, operands].concat();
        let mut outs = bind(self.with(branches), &refs(&args))?;
        let last: Arrays = outs.drain(self.num_outs()..).collect();
        let mut refs = written_to(&written, last);
        refs.insert(0, RefUpdate::Unchanged);
        Ok(Discharged { outs, refs })
    }

    fn eval(&self, args: &[&Array]) -> Option<Result<Arrays>> {
        self.branches.iter().any(|b| b.has_refs()).then(|| eval_discharged(self, args))
    }

    fn dce(&self, used: &mut [bool]) -> Option<(Prim, Vec<usize>)> {
        let thinned: Vec<(Jaxpr, Vec<usize>)> = self.branches.iter().map(|b| b.dce(used)).collect();
        let avals = self.branches[0].in_avals();
        let mut reads = vec![false; avals.len()];
        thinned.iter().flat_map(|(_, kept)| kept).for_each(|i| reads[*i] = true);
        let wanted: Vec<usize> = (0..avals.len()).filter(|i| reads[*i]).collect();
        let branches = thinned.into_iter().map(|(jaxpr, kept)| {
            let kept: Remap<usize> = kept.into_iter().collect();
            let params = wanted.iter().map(|i| kept.parameter(*i, || avals[*i]));
            jaxpr.rearrange(params, jaxpr.outvars.clone())
        });
        let prim = Prim::from(self.with(branches.collect()));
        Some((prim, std::iter::once(0).chain(wanted.iter().map(|i| i + 1)).collect()))
    }
}

impl Cond {
    /// The same choice among other branches.
    pub(crate) fn with(&self, branches: Vec<Arc<Jaxpr>>) -> Cond {
        Cond { branches: branches.into(), platforms: self.platforms.clone() }
    }

    fn num_outs(&self) -> usize {
        self.branches[0].outvars.len()
    }

    /// `make` of each branch until all agree on the marks that it reports.
    fn agree<T>(
        &self,
        mut marks: Vec<bool>,
        make: impl Fn(&Jaxpr, &[bool]) -> Result<Arc<T>>,
        found: impl Fn(&T) -> &[bool],
    ) -> Result<(Vec<Arc<T>>, Vec<bool>)> {
        loop {
            let made = self.branches.iter().map(|b| make(b, &marks)).collect::<Result<Vec<_>>>()?;
            let mut grown = false;
            for m in &made {
                grown |= unite(&mut marks, found(m));
            }
            if !grown || made.len() == 1 {
                return Ok((made, marks));
            }
        }
    }

    fn batch_select(&self, axis: &MappedAxis, args: &[Array], dims: &[BatchDim], dim: usize) -> Batched {
        if args.iter().any(|x| x.aval().is_ref()) {
            bail!(
                Unimplemented,
                "state effects not supported in vmap of `cond`: all branches run, and what they write to array references is not \
                 selected. Write the result of the cond"
            );
        }
        let index = lax::move_axis(&args[0], dim, 0);
        let moved = args[1..].iter().zip(&dims[1..]).map(|(x, d)| move_batch_axis(x, *d, 0, axis.size));
        let operands: Vec<Array> = moved.collect();
        let mapped = vec![true; operands.len()];
        let force = vec![true; self.num_outs()];
        let mut results: Vec<Vec<Array>> = Vec::new();
        for (i, branch) in self.branches.iter().enumerate() {
            let taken = lax::eq(&index, &Array::scalar(i as i32));
            // Where a branch is not taken, its operands pass no cotangents, which may be NaN: JAX issue 1052.
            let guarded = operands.iter().map(|x| {
                if !x.dtype().is_inexact() || self.branches.len() == 1 {
                    return x.clone();
                }
                lax::select_n(&along(&taken, x), [&lax::stop_gradient(x), x])
            });
            let made = batch_jaxpr(branch, axis, &mapped, &force)?;
            let args: Vec<Array> = made.consts.iter().cloned().chain(guarded).collect();
            results.push(eval_jaxpr(&made.jaxpr, &[], &args)?);
        }
        let outs = (0..self.num_outs()).map(|i| {
            let cases: Vec<&Array> = results.iter().map(|r| &r[i]).collect();
            match cases[..] {
                [only] => only.clone(),
                [on_false, on_true] => {
                    let taken = lax::convert_element_type(&index, crate::DType::Bool);
                    lax::select_n(&along(&taken, on_true), [on_false, on_true])
                }
                _ => lax::select_n(&along(&index, cases[0]), &cases),
            }
        });
        let outs: Arrays = outs.collect();
        let dims = outs.iter().map(|_| Some(0)).collect();
        Ok((outs, dims))
    }
}

/// Where the linear branches find a residual.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Residual {
    Operand(usize),
    Result(usize),
    /// A result that was added, which branches share where types agree.
    Slot(usize),
}

/// A vector along the leading axis of `x`.
fn along(vector: &Array, x: &Array) -> Array {
    lax::broadcast_in_dim(vector, x.shape(), [0])
}

/// The results that are added for residuals: each branch has its own use for those of one type.
#[derive(Default)]
struct Slots {
    avals: Vec<ShapedArray>,
    of_type: FxHashMap<ShapedArray, Vec<usize>>,
}

impl Slots {
    /// Where a branch's residuals are found, its own share of the slots included.
    fn assign(&mut self, split: &LinearizedJaxpr, results: usize) -> Vec<Residual> {
        // How many slots of each type the branch has taken.
        let mut taken: FxHashMap<ShapedArray, usize> = FxHashMap::default();
        let out_avals = split.primal.out_avals();
        let assign = |source: &ResidualSource| match *source {
            ResidualSource::Argument(i) => Residual::Operand(i),
            ResidualSource::Result(i) => Residual::Result(i),
            ResidualSource::Computed(i) => {
                let aval = &out_avals[results + i];
                let slots = self.of_type.entry(*aval).or_default();
                let taken = taken.entry(*aval).or_default();
                if *taken == slots.len() {
                    slots.push(self.avals.len());
                    self.avals.push(*aval);
                }
                *taken += 1;
                Residual::Slot(slots[*taken - 1])
            }
        };
        split.residual_sources.iter().map(assign).collect()
    }
}

/// The primal part of a branch that gives every slot: its own residuals, and zeros for those of other branches.
fn with_slots(
    split: &LinearizedJaxpr,
    residuals: &[Residual],
    results: usize,
    slots: &[ShapedArray],
) -> Result<(Arc<Jaxpr>, Vec<Array>)> {
    let closed = trace_to_jaxpr(&split.primal.in_avals(), |args| {
        let mut outs = eval_jaxpr(&split.primal, &[], args)?;
        let computed = outs.split_off(results);
        let mut own: Vec<Option<&Array>> = vec![None; slots.len()];
        for (residual, source) in residuals.iter().zip(&split.residual_sources) {
            if let (Residual::Slot(slot), ResidualSource::Computed(i)) = (residual, source) {
                own[*slot] = Some(&computed[*i]);
            }
        }
        let filled = own.into_iter().zip(slots);
        outs.extend(filled.map(|(x, aval)| x.cloned().unwrap_or_else(|| lax::zeros_like_aval(aval))));
        Ok(outs)
    })?;
    Ok(hoist(closed))
}
