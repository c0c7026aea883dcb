//! `saved_residuals`: what a function's forward pass keeps for its backward pass. JAX: `jax.ad_checkpoint`.

use std::collections::HashSet;
use std::panic::Location;

use crate::api::program::leaf_name;
use crate::core::array::Array;
use crate::core::aval::ShapedArray;
use crate::core::jaxpr::{Atom, ClosedJaxpr, Eqn, Var};
use crate::core::primitive::Param;
use crate::debug::write_line;
use crate::error::{Result, catch};
use crate::interpreters::linearize::linearize;
use crate::interpreters::partial_eval::trace_to_jaxpr;
use crate::lax::checkpoint_name::name_of;
use crate::signature::{FlatArgs, FlatFn, Function, Primals, Signature, Traceable};

/// What the forward pass of `f` keeps for the backward pass, each array with its type and where it comes from.
///
/// ```
/// use raxla::ad_checkpoint::saved_residuals;
/// use raxla::{lax, prelude::*};
///
/// let x = Array::from([1.0f32, 2.0, 3.0]);
/// let kept = saved_residuals(|x: &Array| lax::mul(&lax::sin(x), x), (&x,))?;
/// let words: Vec<String> = kept.iter().map(|(aval, source)| format!("{aval} {source}")).collect();
/// assert_eq!(words[0], "f32[3] from the argument 0");
/// assert!(words[1].starts_with("f32[3] output of sin from "));
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// What `f` fails with.
#[track_caller]
pub fn saved_residuals<'f, F, M>(
    f: F,
    primals: impl Primals<<M::Sig as Signature>::Args>,
) -> Result<Vec<(ShapedArray, String)>>
where
    F: Function<M>,
    M: Traceable<'f, F>,
{
    let caller = Location::caller();
    let args = FlatArgs::from_tuple(&primals, caller);
    catch(|| residuals_of(&*M::into_flat(f), &args)).map_err(|e| e.at(caller))
}

/// Prints [`saved_residuals`], one a line, where [`debug::print!`](crate::debug::print) prints.
///
/// # Errors
/// As [`saved_residuals`].
#[track_caller]
pub fn print_saved_residuals<'f, F, M>(f: F, primals: impl Primals<<M::Sig as Signature>::Args>) -> Result<()>
where
    F: Function<M>,
    M: Traceable<'f, F>,
{
    for (aval, source) in saved_residuals(f, primals)? {
        write_line(format!("{aval} {source}"))?;
    }
    Ok(())
}

fn residuals_of(f: &dyn FlatFn, args: &FlatArgs) -> Result<Vec<(ShapedArray, String)>> {
    let avals: Vec<ShapedArray> = args.leaves.iter().map(Array::aval).collect();
    let nonzero: Vec<bool> = avals.iter().map(|aval| aval.dtype().is_inexact()).collect();
    let ClosedJaxpr { jaxpr, .. } = trace_to_jaxpr(&avals, |leaves| {
        let run = |leaves: &[Array]| Ok((f.call(args.with_leaves(leaves))?.leaves.into_vec(), ()));
        Ok(linearize(run, leaves, &nonzero)?.0.jaxpr.consts)
    })?;
    let mut found: Vec<(ShapedArray, String)> = Vec::new();
    let mut kept: HashSet<Var> = HashSet::new();
    for atom in &jaxpr.outvars {
        match atom {
            Atom::Literal(x) => found.push((x.aval(), "from a literal".into())),
            Atom::Var(v) => {
                // What rounds a value is not where it comes from.
                let rounded = |eqn: &&Eqn| eqn.prim.name() == "reduce_precision" && eqn.outputs.contains(v);
                let source = jaxpr.eqns.iter().find(rounded).and_then(|eqn| match eqn.inputs[0] {
                    Atom::Var(v) => Some(v),
                    Atom::Literal(_) => None,
                });
                kept.insert(source.unwrap_or(*v));
            }
        }
    }
    let of_consts = jaxpr.constvars.iter().map(|v| (v, "from a constant".to_owned()));
    let of_args =
        jaxpr.invars.iter().enumerate().map(|(i, v)| (v, format!("from the {}", leaf_name(args, i))));
    let of_eqns = jaxpr.eqns.iter().flat_map(|eqn| eqn.outputs.iter().map(|v| (v, source_of(eqn))));
    let named = of_consts.chain(of_args).chain(of_eqns).filter(|(v, _)| kept.contains(v));
    found.extend(named.map(|(v, source)| (*jaxpr.aval(*v), source)));
    Ok(found)
}

fn source_of(eqn: &Eqn) -> String {
    let at = format!("{}:{}:{}", eqn.loc.file(), eqn.loc.line(), eqn.loc.column());
    if let Some(name) = name_of(&eqn.prim) {
        return format!("named '{name}' from {at}");
    }
    if eqn.prim.name() == "jit"
        && let Some((_, Param::Text(name))) = eqn.prim.params().into_iter().find(|(key, _)| *key == "name")
    {
        return format!("output of jitted function '{name}' from {at}");
    }
    format!("output of {} from {at}", eqn.prim.name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::jit;
    use crate::calls::checkpoint::checkpoint;
    use crate::lax::checkpoint_name::checkpoint_name;
    use crate::lax::{mul, sin};

    fn sources<F, M>(f: F) -> Vec<String>
    where
        F: Function<M>,
        M: Traceable<'static, F>,
        (Array,): Primals<<M::Sig as Signature>::Args>,
    {
        let kept = saved_residuals(f, (Array::from([1f32, 2.0]),)).unwrap();
        let without_line = |source: String| source.split(" from src").next().map(str::to_owned);
        kept.into_iter().filter_map(|(_, source)| without_line(source)).collect()
    }

    #[test]
    fn each_residual_has_its_source() {
        assert_eq!(sources(|x: &Array| sin(x)), ["output of cos"]);
        assert_eq!(sources(checkpoint(|x: &Array| sin(x))), ["from the argument 0"]);
        let constant = Array::from([3f32, 4.0]);
        assert_eq!(sources(move |x: &Array| mul(x, &constant)), ["from a constant"]);
        let named = |x: &Array| mul(&checkpoint_name(&sin(x), "it"), x);
        assert_eq!(sources(named), ["from the argument 0", "output of cos", "named 'it'"]);
        let jitted = sources(jit(|x: &Array| sin(x)));
        assert_eq!(jitted, ["output of jitted function '<lambda>'"]);
    }
}
