//! `jit`: the call of a traced function, as an equation. JAX: `pjit.jit_p`. StableHLO: `func.call` of a private function.

use std::any::Any;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;
use std::time::Instant;

use rustc_hash::FxBuildHasher;
use smallvec::SmallVec;

use super::CallPrimitive;
use crate::core::array::Array;
use crate::core::aval::ShapedArray;
use crate::core::cache::Cache;
use crate::core::config::{self, Config};
use crate::core::eval::log_compile;
use crate::core::jaxpr::Jaxpr;
use crate::core::key_reuse::of_jaxpr;
use crate::core::key_uses::KeyUses;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{Arrays, LoweredValues, Param, Prim};
use crate::core::trace::{bind_at, caller, with_location};
use crate::error::{Loc, OrThrow, Result, bail};
use crate::interpreters::partial_eval::{convert_constvars, trace_to_jaxpr};
use crate::mlir::Value;
use crate::pjrt::CompilerOptions;

/// Calls a jaxpr without constants.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct JitCall {
    pub name: Arc<str>,
    pub jaxpr: Arc<Jaxpr>,
    /// Of a function that was jitted with it. It says something of a program alone.
    pub keep_unused: bool,
    pub compiler_options: CompilerOptions,
}

impl JitCall {
    pub(crate) fn new(name: impl Into<Arc<str>>, jaxpr: Arc<Jaxpr>) -> Self {
        let compiler_options = CompilerOptions::new();
        JitCall { name: name.into(), jaxpr, keep_unused: false, compiler_options }
    }
}

impl CallPrimitive for JitCall {
    fn name(&self) -> &'static str {
        "jit"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        let mut params =
            vec![("name", Param::Text(self.name.to_string())), ("jaxpr", Param::Jaxpr(self.jaxpr.clone()))];
        if self.keep_unused {
            params.push(("keep_unused", true.into()));
        }
        if !self.compiler_options.is_empty() {
            params.push(("compiler_options", Param::Text(self.compiler_options.to_string())));
        }
        params
    }
    fn jaxpr(&self) -> &Arc<Jaxpr> {
        &self.jaxpr
    }
    fn with(&self, jaxpr: Arc<Jaxpr>) -> Self {
        JitCall { jaxpr, ..self.clone() }
    }
    fn compiler_options(&self) -> Option<&CompilerOptions> {
        (!self.compiler_options.is_empty()).then_some(&self.compiler_options)
    }
    /// A function's lines inside are those of its first call, if it is one of this crate.
    fn key_uses(&self) -> Result<Option<KeyUses>> {
        Ok(Some(of_jaxpr(&self.jaxpr)?.of_caller()))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value]) -> LoweredValues {
        ctx.call_jaxpr(&self.name, &self.jaxpr, ins)
    }
}

/// The program of a function of this crate, with what it depends on.
struct Known {
    name: &'static str,
    /// What it was traced for besides its arguments.
    statics: Box<dyn Any + Send + Sync>,
    avals: SmallVec<[ShapedArray; 4]>,
    /// Without a default device: it decides where a program runs, not what it is.
    config: Config,
    prim: Prim,
}

/// What a program of this crate was traced for besides its arguments, whatever its type: `Some`, until it is kept.
trait Statics {
    fn hash(&self) -> u64;
    fn is(&self, kept: &(dyn Any + Send + Sync)) -> bool;
    fn keep(&mut self) -> Box<dyn Any + Send + Sync>;
}

impl<S: Hash + Eq + Send + Sync + 'static> Statics for Option<S> {
    fn hash(&self) -> u64 {
        FxBuildHasher.hash_one(self)
    }
    fn is(&self, kept: &(dyn Any + Send + Sync)) -> bool {
        kept.downcast_ref::<Self>() == Some(self)
    }
    fn keep(&mut self) -> Box<dyn Any + Send + Sync> {
        Box::new(self.take())
    }
}

/// Programs that one thread keeps.
const MAX_PROGRAMS: usize = 4096;

thread_local! {
    static PROGRAMS: Cache<Arc<Known>> = Cache::new(MAX_PROGRAMS);
}

/// What a function of this crate gives: an array, two of them, or a list.
pub(crate) trait Results {
    fn into_arrays(self) -> Vec<Array>;
    fn from_arrays(arrays: Arrays) -> Self;
}

impl Results for Array {
    fn into_arrays(self) -> Vec<Array> {
        vec![self]
    }
    fn from_arrays(mut arrays: Arrays) -> Self {
        arrays.swap_remove(0)
    }
}

impl Results for (Array, Array) {
    fn into_arrays(self) -> Vec<Array> {
        vec![self.0, self.1]
    }
    fn from_arrays(mut arrays: Arrays) -> Self {
        let second = arrays.swap_remove(1);
        (arrays.swap_remove(0), second)
    }
}

impl Results for Vec<Array> {
    fn into_arrays(self) -> Vec<Array> {
        self
    }
    fn from_arrays(arrays: Arrays) -> Self {
        arrays.into_vec()
    }
}

/// The result of `body` as one equation, and so as one program when it is evaluated: the `jit` decorators of JAX's own
/// functions. `body` is traced once for each name, `statics` and types of arguments; it captures no arrays, and nothing that
/// these do not tell apart. A name stands in one place of the source.
#[track_caller]
pub(crate) fn jitted<const N: usize, S, R>(
    name: &'static str,
    statics: S,
    args: [&Array; N],
    body: impl FnOnce([&Array; N]) -> R,
) -> R
where
    S: Hash + Eq + Send + Sync + 'static,
    R: Results,
{
    jitted_list(name, statics, &args, |args| body(std::array::from_fn(|i| &args[i])))
}

/// [`jitted`] with arguments that may be left out, as Python's have defaults: `optional` are those that are there.
#[track_caller]
pub(crate) fn jitted_some<const N: usize, const M: usize, S, R>(
    name: &'static str,
    statics: S,
    args: [&Array; N],
    optional: [Option<&Array>; M],
    body: impl FnOnce([&Array; N], [Option<&Array>; M]) -> R,
) -> R
where
    S: Hash + Eq + Send + Sync + 'static,
    R: Results,
{
    let given = optional.map(|x| x.is_some());
    let all: SmallVec<[&Array; 4]> = args.into_iter().chain(optional.into_iter().flatten()).collect();
    jitted_list(name, (statics, given), &all, |all| {
        let (args, mut rest) = (std::array::from_fn(|i| &all[i]), all[N..].iter());
        body(args, given.map(|given| if given { rest.next() } else { None }))
    })
}

/// [`jitted`] of as many arguments as there are.
#[track_caller]
pub(crate) fn jitted_list<S, R>(
    name: &'static str,
    statics: S,
    args: &[&Array],
    body: impl FnOnce(&[Array]) -> R,
) -> R
where
    S: Hash + Eq + Send + Sync + 'static,
    R: Results,
{
    let loc = caller();
    let mut body = Some(body);
    let mut run = |args: &[Array]| match body.take() {
        // Errors and operations inside are the caller's, not those of the function of this crate that `body` is.
        Some(body) => Ok(with_location(loc, || body(args)).into_arrays()),
        None => bail!(Internal, "{name}: a function that is traced again"),
    };
    R::from_arrays(apply(name, &mut Some(statics), args, loc, &mut run).or_throw())
}

/// [`jitted_list`], compiled once and not for each closure.
fn apply(
    name: &'static str,
    statics: &mut dyn Statics,
    args: &[&Array],
    loc: Loc,
    body: &mut dyn FnMut(&[Array]) -> Result<Vec<Array>>,
) -> Result<Arrays> {
    let mut avals: SmallVec<[ShapedArray; 4]> = SmallVec::new();
    avals.extend(args.iter().map(|x| x.aval()));
    let config = config::current_placed();
    let hash = FxBuildHasher.hash_one((name, statics.hash(), &avals, config));
    let known = PROGRAMS.with(|programs| {
        programs.find(hash, &|known| {
            known.name == name
                && known.avals == avals
                && known.config == config
                && statics.is(&*known.statics)
        })
    });
    let prim = match known {
        Some(known) => known.prim.clone(),
        None => {
            let prim = trace(name, &avals, loc, body)?;
            let known = Known { name, statics: statics.keep(), avals, config, prim: prim.clone() };
            PROGRAMS.with(|programs| programs.insert(hash, Arc::new(known), &|_| false));
            prim
        }
    };
    bind_at(&prim, args, loc)
}

fn trace(
    name: &'static str,
    avals: &[ShapedArray],
    loc: Loc,
    body: &mut dyn FnMut(&[Array]) -> Result<Vec<Array>>,
) -> Result<Prim> {
    let started = Instant::now();
    let closed = trace_to_jaxpr(avals, body).map_err(|e| e.at(loc))?;
    log_compile(format_args!("traced {}", name.trim_start_matches('_')), avals, started, Some(&closed.jaxpr));
    let (jaxpr, consts) = convert_constvars(closed);
    if !consts.is_empty() {
        bail!(Internal, "{name} captures arrays");
    }
    Ok(Prim::from(JitCall::new(name, jaxpr)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;
    use crate::lax::testing::{Draw, case, check_rules};
    use crate::lax::{mul, sin};

    #[test]
    fn jit_satisfies_the_rules() {
        let mut draw = Draw::new(63);
        let mut x = |shape: &[usize]| draw.uniform(DType::F32, shape, -1.0, 1.0);
        let f = |x: &[Array]| jitted("f", (), [&x[0], &x[1]], |[x, y]| mul(&sin(x), y));
        check_rules([case("jit", [x(&[2, 3]), x(&[2, 3])], f), case("jit of scalars", [x(&[]), x(&[])], f)]);
    }
}
