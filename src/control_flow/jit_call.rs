//! `jit`: the call of a traced function, as an equation. JAX: `pjit.jit_p`. StableHLO: `func.call` of a private function.

use std::cell::RefCell;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::common::{count, to_front};
use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::axis::AxisName;
use crate::core::config::{self, Config};
use crate::core::jaxpr::Jaxpr;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    Arrays, BatchDim, Batched, Ct, Jvp, LinearInput, Linearized, Lowered, Param, Prim, Primitive, Tangent,
    Transposed,
};
use crate::core::trace::{bind, bind1, caller, with_location};
use crate::error::{OrThrow, Result, bail};
use crate::interpreters::backward_pass::transpose_jaxpr;
use crate::interpreters::batching::{batch_jaxpr, mapped_size};
use crate::interpreters::jvp::jvp_jaxpr;
use crate::interpreters::linearize::linearize_jaxpr;
use crate::interpreters::partial_eval::{convert_constvars, trace_to_jaxpr};
use crate::mlir::Value;

/// Calls a jaxpr without constants.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct JitCall {
    pub name: Arc<str>,
    pub jaxpr: Arc<Jaxpr>,
}

impl JitCall {
    fn with(&self, jaxpr: &Arc<Jaxpr>) -> JitCall {
        JitCall { name: self.name.clone(), jaxpr: jaxpr.clone() }
    }
}

/// References to the arguments, as `bind` takes them.
pub(crate) fn refs(args: &[Array]) -> SmallVec<[&Array; 8]> {
    args.iter().collect()
}

/// Puts `values` where `marks` says, and symbolic zeros elsewhere.
pub(crate) fn scatter_marked(
    marks: &[bool],
    values: impl IntoIterator<Item = Array>,
) -> SmallVec<[Tangent; 2]> {
    let mut values = values.into_iter();
    marks.iter().map(|marked| if *marked { values.next() } else { None }).collect()
}

impl Primitive for JitCall {
    fn name(&self) -> &'static str {
        "jit"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("name", Param::Text(self.name.to_string())), ("jaxpr", Param::Jaxpr(self.jaxpr.clone()))]
    }
    fn sub_jaxprs(&self) -> Vec<&Arc<Jaxpr>> {
        vec![&self.jaxpr]
    }
    fn abstract_eval(&self, _: &[&ShapedArray]) -> Result<Avals> {
        Ok(self.jaxpr.out_avals().into())
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], _: &[ShapedArray]) -> Lowered {
        ctx.call_jaxpr(&self.name, &self.jaxpr, ins)
    }

    /// the call of the jaxpr's jvp
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        jvp_call(&self.jaxpr, |jaxpr| self.with(jaxpr).into(), primals, tangents)
    }

    /// the primal part now, the linear part as a call of its own; a residual that is an argument is not computed again
    fn linearize(&self, primals: &[Array], nonzero: &[bool]) -> Result<Option<Linearized>> {
        let split = linearize_jaxpr(&self.jaxpr, nonzero, &vec![false; self.jaxpr.outvars.len()])?;
        let args: SmallVec<[&Array; 8]> = split.consts.iter().chain(primals).collect();
        let mut outs = bind(self.with(&split.primal), &args)?;
        let computed: Vec<Array> = outs.drain(self.jaxpr.outvars.len()..).collect();
        let residuals =
            split.residual_sources.iter().map(|source| source.pick(primals, &outs, &computed).clone());
        let residuals = residuals.collect();
        Ok(Some(Linearized {
            primals_out: outs,
            linear: Prim::from(self.with(&split.tangent)),
            residuals,
            nonzero_out: split.nonzero_out.clone(),
            order: None,
        }))
    }

    /// the call of the transposed jaxpr
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        transpose_call(&self.jaxpr, |jaxpr| self.with(jaxpr).into(), cts, ins)
    }

    /// the call of the batched jaxpr
    fn batch(&self, args: &[Array], dims: &[BatchDim]) -> Batched {
        let size = mapped_size(args, dims);
        batch_call(&self.jaxpr, |jaxpr| self.with(jaxpr).into(), None, size, args, dims)
    }
    fn batch_named(&self, name: AxisName, size: usize, args: &[Array], dims: &[BatchDim]) -> Batched {
        batch_call(&self.jaxpr, |jaxpr| self.with(jaxpr).into(), Some(name), size, args, dims)
    }

    fn dce(&self, used: &mut [bool]) -> Option<(Prim, Vec<usize>)> {
        let (jaxpr, kept) = self.jaxpr.dce(used);
        Some((Prim::from(self.with(&Arc::new(jaxpr))), kept))
    }
}

/// The rules of a primitive that does nothing but call a jaxpr: `with` is the same call of another.
pub(crate) fn jvp_call(
    jaxpr: &Jaxpr,
    with: impl Fn(&Arc<Jaxpr>) -> Prim,
    primals: &[Array],
    tangents: &[Tangent],
) -> Jvp {
    let nonzero: Vec<bool> = tangents.iter().map(Option::is_some).collect();
    let n = jaxpr.outvars.len();
    let made = jvp_jaxpr(jaxpr, &nonzero, &vec![false; n])?;
    let args: SmallVec<[&Array; 8]> =
        made.consts.iter().chain(primals).chain(tangents.iter().flatten()).collect();
    let mut outs = bind(with(&made.jaxpr), &args)?.into_iter();
    let primals_out: Arrays = outs.by_ref().take(n).collect();
    Ok((primals_out, scatter_marked(&made.nonzero_out, outs)))
}

/// See [`jvp_call`].
pub(crate) fn transpose_call(
    jaxpr: &Jaxpr,
    with: impl Fn(&Arc<Jaxpr>) -> Prim,
    cts: &[Ct],
    ins: &[LinearInput],
) -> Transposed {
    let linear: Vec<bool> = ins.iter().map(LinearInput::is_linear).collect();
    let nonzero: Vec<bool> = cts.iter().map(Option::is_some).collect();
    let made = transpose_jaxpr(jaxpr, &linear, &nonzero, &vec![false; count(&linear)])?;
    let known = ins.iter().filter_map(LinearInput::known);
    let args: SmallVec<[&Array; 8]> = made.consts.iter().chain(known).chain(cts.iter().flatten()).collect();
    let outs = bind(with(&made.jaxpr), &args)?;
    let mut found = scatter_marked(&made.nonzero_in, outs).into_iter();
    Ok(linear.iter().map(|linear| if *linear { found.next().flatten() } else { None }).collect())
}

/// See [`jvp_call`].
pub(crate) fn batch_call(
    jaxpr: &Jaxpr,
    with: impl Fn(&Arc<Jaxpr>) -> Prim,
    name: Option<AxisName>,
    size: usize,
    args: &[Array],
    dims: &[BatchDim],
) -> Batched {
    let mapped: Vec<bool> = dims.iter().map(Option::is_some).collect();
    let made = batch_jaxpr(jaxpr, size, name, &mapped, &vec![false; jaxpr.outvars.len()])?;
    let moved = args.iter().zip(dims).map(|(x, d)| to_front(x, *d, d.is_some(), 0, size));
    let args: Arrays = made.consts.iter().cloned().chain(moved).collect();
    let outs = bind(with(&made.jaxpr), &refs(&args))?;
    Ok((outs, made.mapped_out.iter().map(|m| m.then_some(0)).collect()))
}

/// What the program of a function of this crate depends on.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    name: &'static str,
    statics: SmallVec<[i64; 8]>,
    avals: SmallVec<[ShapedArray; 4]>,
    config: Config,
}

thread_local! {
    static PROGRAMS: RefCell<FxHashMap<Key, Prim>> = RefCell::default();
}

/// Programs that one thread keeps.
const MAX_PROGRAMS: usize = 4096;

/// The result of `body` as one equation, and so as one program when it is evaluated: the `jit` decorators of JAX's own
/// functions. `body` is traced once for each name, `statics` and types of arguments; it captures no arrays, and nothing that
/// `statics` does not tell apart.
#[track_caller]
pub(crate) fn jitted(
    name: &'static str,
    statics: impl IntoIterator<Item = i64>,
    args: &[&Array],
    body: impl FnOnce(&[Array]) -> Array,
) -> Array {
    let key = Key {
        name,
        statics: statics.into_iter().collect(),
        avals: args.iter().map(|x| x.aval()).collect(),
        config: config::current(),
    };
    let known = PROGRAMS.with_borrow(|programs| programs.get(&key).cloned());
    let prim = match known {
        Some(prim) => prim,
        None => {
            // Errors and operations inside are the caller's, not those of the function of this crate that `body` is.
            let loc = caller();
            let body = |args: &[Array]| with_location(loc, || body(args));
            let prim = program(name, &key.avals, body).map_err(|e| e.at(loc)).or_throw();
            PROGRAMS.with_borrow_mut(|programs| {
                if programs.len() >= MAX_PROGRAMS {
                    programs.clear();
                }
                programs.insert(key, prim.clone());
            });
            prim
        }
    };
    bind1(prim, args)
}

fn program(name: &'static str, avals: &[ShapedArray], body: impl FnOnce(&[Array]) -> Array) -> Result<Prim> {
    let closed = trace_to_jaxpr(avals, |args| Ok(vec![body(args)]))?;
    let (jaxpr, consts) = convert_constvars(closed);
    if !consts.is_empty() {
        bail!(Internal, "{name} captures arrays");
    }
    Ok(Prim::from(JitCall { name: Arc::from(name), jaxpr }))
}
