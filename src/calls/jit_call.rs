//! `jit`: the call of a traced function, as an equation. JAX: `pjit.jit_p`. StableHLO: `func.call` of a private function.

use std::sync::Arc;

use smallvec::SmallVec;

use super::CallPrimitive;
use crate::core::array::Array;
use crate::core::aval::ShapedArray;
use crate::core::cache::Map;
use crate::core::config::{self, Config};
use crate::core::jaxpr::Jaxpr;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{LoweredValues, Param, Prim};
use crate::core::trace::{bind1, caller, with_location};
use crate::error::{OrThrow, Result, bail};
use crate::interpreters::partial_eval::{convert_constvars, trace_to_jaxpr};
use crate::mlir::Value;

/// Calls a jaxpr without constants.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct JitCall {
    pub name: Arc<str>,
    pub jaxpr: Arc<Jaxpr>,
}

impl CallPrimitive for JitCall {
    fn name(&self) -> &'static str {
        "jit"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("name", Param::Text(self.name.to_string())), ("jaxpr", Param::Jaxpr(self.jaxpr.clone()))]
    }
    fn jaxpr(&self) -> &Arc<Jaxpr> {
        &self.jaxpr
    }
    fn with(&self, jaxpr: Arc<Jaxpr>) -> Self {
        JitCall { name: self.name.clone(), jaxpr }
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value]) -> LoweredValues {
        ctx.call_jaxpr(&self.name, &self.jaxpr, ins)
    }
}

/// What the program of a function of this crate depends on.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    name: &'static str,
    statics: SmallVec<[i64; 8]>,
    avals: SmallVec<[ShapedArray; 4]>,
    /// Without a default device: it decides where a program runs, not what it is.
    config: Config,
}

/// Programs that one thread keeps.
const MAX_PROGRAMS: usize = 4096;

thread_local! {
    static PROGRAMS: Map<Key, Prim> = Map::new(MAX_PROGRAMS);
}

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
        config: config::current_placed(),
    };
    let known = PROGRAMS.with(|programs| programs.get(&key));
    let prim = match known {
        Some(prim) => prim,
        None => {
            // Errors and operations inside are the caller's, not those of the function of this crate that `body` is.
            let loc = caller();
            let body = |args: &[Array]| with_location(loc, || body(args));
            let prim = program(name, &key.avals, body).map_err(|e| e.at(loc)).or_throw();
            PROGRAMS.with(|programs| programs.put(key, prim.clone()));
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
        let f = |x: &[Array]| jitted("f", [], &[&x[0], &x[1]], |x| mul(&sin(&x[0]), &x[1]));
        check_rules([case("jit", [x(&[2, 3]), x(&[2, 3])], f), case("jit of scalars", [x(&[]), x(&[])], f)]);
    }
}
