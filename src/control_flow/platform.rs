//! `platform_dependent`: the function for the platform that a program is compiled for. JAX: `lax.platform_dependent`,
//! `platform_index_p`.

use std::sync::Arc;

use smallvec::smallvec;

use super::common::here;
use super::cond::{Branch, check_branches, switch_flat, trace_branch};
use super::scan::unflatten;
use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{BatchDim, Batched, Jvp, LoweredValues, MappedAxis, Param, Primitive, Tangent};
use crate::core::scalar::Scalar;
use crate::core::trace::bind_at;
use crate::dtype::DType;
use crate::error::{Result, bail, catch};
use crate::mlir::Value;
use crate::signature::{FlatOut, Output};
use crate::tree::Pytree;

/// The platforms of each branch; `None` for all others.
pub(super) type Platforms = Arc<[Option<&'static str>]>;

/// `f(operands)` for the platform that the program is compiled for, or that the computation runs on: `cpu`, `cuda`, `rocm`, `tpu`;
/// that of `default` for any other.
///
/// All functions are traced, and transformed as the branches of [`switch`](super::switch) are. One is chosen when the program
/// is lowered, so the compiler sees none of the others.
///
/// ```
/// use raxla::{lax, prelude::*};
///
/// let f = |x: &Array| {
///     lax::platform_dependent(x.clone(), &[("tpu", &|x: Array| lax::cos(&x)), ("default", &|x: Array| lax::sin(&x))])
/// };
/// assert_eq!(jit(f)(&Array::from(0.0))?.item::<f32>()?, 0.0);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Those of the functions; functions whose results differ in type (kind `Branch`); a platform that is not listed, without a
/// default; a platform that is listed twice, or `gpu`, which is `cuda` or `rocm`.
#[track_caller]
pub fn platform_dependent<T, O>(
    operands: T,
    per_platform: &[(&'static str, &dyn Fn(T) -> O)],
) -> Result<O::Tree>
where
    T: Pytree,
    O: Output,
{
    let loc = here();
    let operands = FlatOut::from_tree(&operands);
    let tree = operands.tree.clone();
    let run = || {
        let mut order: Vec<usize> = (0..per_platform.len()).collect();
        // The default comes last, as in JAX.
        order.sort_by_key(|i| per_platform[*i].0 == "default");
        let platforms: Platforms =
            order.iter().map(|i| Some(per_platform[*i].0).filter(|name| *name != "default")).collect();
        check_platforms(&platforms)?;
        let index = bind_at(&PlatformIndex { platforms: platforms.clone() }.into(), &[], loc)?.swap_remove(0);
        let call = |i: usize, args: &[Array]| -> Result<FlatOut> {
            Ok(FlatOut::from_tree(&per_platform[order[i]].1(unflatten(&tree, args)?).into_result()?))
        };
        if !index.is_tracer() {
            return call(index.item::<i32>()? as usize, &operands.leaves);
        }
        let mut traced: Vec<Branch> = Vec::new();
        for i in 0..order.len() {
            let branch = trace_branch(&operands, &mut |args| call(i, args))?;
            if let Some(first) = traced.first() {
                let names = [per_platform[order[0]].0, per_platform[order[i]].0];
                check_branches("platform_dependent", names, first, &branch)?;
            }
            traced.push(branch);
        }
        switch_flat(index, traced, Some(platforms), &operands, loc)
    };
    catch(run).map_err(|e| e.at(loc))?.into_tree()
}

fn check_platforms(platforms: &[Option<&'static str>]) -> Result<()> {
    if platforms.is_empty() {
        bail!(InvalidArgument, "platform_dependent: no functions are given");
    }
    for (i, name) in platforms.iter().enumerate() {
        if *name == Some("gpu") {
            bail!(InvalidArgument, "platform_dependent: use 'cuda' or 'rocm' rather than 'gpu'");
        }
        if platforms[..i].contains(name) {
            bail!(InvalidArgument, "platform_dependent: '{}' is given twice", name.unwrap_or("default"));
        }
    }
    Ok(())
}

/// The position among `platforms` of the one that is lowered for.
pub(super) fn position(ctx: &LoweringCtx, platforms: &[Option<&'static str>]) -> Result<usize> {
    let own = ctx.platform();
    let found = platforms.iter().position(|name| *name == Some(own));
    match found.or_else(|| platforms.iter().position(Option::is_none)) {
        Some(i) => Ok(i),
        None => bail!(
            Unimplemented,
            "platform_dependent: there is no function for the platform '{own}', and no default: there are those of {}",
            platforms.iter().flatten().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ")
        ),
    }
}

/// `(('cpu',), None)`, as JAX prints them.
pub(super) fn printed(platforms: &[Option<&'static str>]) -> String {
    let each = platforms.iter().map(|name| name.map_or("None".to_owned(), |name| format!("('{name}',)")));
    let comma = if platforms.len() == 1 { "," } else { "" };
    format!("({}{comma})", each.collect::<Vec<_>>().join(", "))
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct PlatformIndex {
    platforms: Platforms,
}

impl Primitive for PlatformIndex {
    fn name(&self) -> &'static str {
        "platform_index"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("platforms", Param::Text(printed(&self.platforms)))]
    }
    fn abstract_eval(&self, _: &[ShapedArray]) -> Result<Avals> {
        Ok(smallvec![ShapedArray::new(DType::I32, &[])])
    }
    fn lower(&self, ctx: &mut LoweringCtx, _: &[Value], _: &[ShapedArray]) -> LoweredValues {
        let position = position(ctx, &self.platforms)?;
        Ok(smallvec![ctx.constant(Scalar::from_i128(DType::I32, position as i128))])
    }
    fn jvp(&self, _: &[Array], _: &[Tangent]) -> Jvp {
        bail!(Internal, "platform_index has no operands")
    }
    fn batch(&self, _: &MappedAxis, _: &[Array], _: &[BatchDim]) -> Batched {
        bail!(Internal, "platform_index has no operands")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{jit, make_jaxpr};
    use crate::error::{ErrorKind, OrThrow};
    use crate::lax::testing::{Draw, case, check_rules};
    use crate::lax::{cos, mul, sin};

    type Branch<'a> = (&'static str, &'a dyn Fn(Array) -> Array);

    #[test]
    fn rules_of_platform_dependent() {
        let mut draw = Draw::new(75);
        let x = draw.uniform(DType::F32, &[2, 3], -1.0, 1.0);
        check_rules([case("platform_index", [x], |x| {
            let by = x[0].clone();
            // What is lowered for any platform takes the default.
            let elsewhere = move |x: Array| mul(&sin(&x), &by);
            let branches: [Branch<'_>; 2] = [("tpu", &|x| cos(&x)), ("default", &elsewhere)];
            platform_dependent(x[0].clone(), &branches).or_throw()
        })]);
    }

    #[test]
    fn the_program_has_the_function_of_its_platform_alone() {
        let f = |x: &Array| {
            let branches: [Branch<'_>; 2] = [("default", &|x| cos(&x)), ("cpu", &|x| sin(&x))];
            platform_dependent(x.clone(), &branches)
        };
        let x = Array::scalar(0.5f32);
        let text = jit(f).lower()(&x).unwrap().as_text().to_owned();
        assert!(text.contains("sine") && !text.contains("cosine") && !text.contains("case"), "{text}");
        let jaxpr = make_jaxpr(f)(&x).unwrap().to_string();
        assert!(jaxpr.contains("branches_platforms=(('cpu',), None)"), "{jaxpr}");
        assert_eq!(f(&x).unwrap().item::<f32>().unwrap(), 0.5f32.sin());
    }

    #[test]
    fn platforms_are_checked() {
        fn of(names: &[&'static str]) -> impl Fn(&Array) -> Result<Array> + Send + Sync + 'static {
            let names = names.to_vec();
            move |x| {
                let branches: Vec<Branch<'_>> = names.iter().map(|name| (*name, &(|x| x) as _)).collect();
                platform_dependent(x.clone(), &branches)
            }
        }
        let x = Array::scalar(0.5f32);
        for names in [&["gpu"][..], &["cpu", "cpu"], &[]] {
            assert_eq!(of(names)(&x).unwrap_err().kind(), ErrorKind::InvalidArgument);
        }
        for e in [of(&["tpu"])(&x).unwrap_err(), jit(of(&["tpu"]))(&x).unwrap_err()] {
            assert!(e.message().contains("no function for the platform 'cpu', and no default"), "{e}");
        }
    }
}
