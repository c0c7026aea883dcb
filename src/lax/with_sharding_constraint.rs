//! `sharding_constraint`: the identity, which says where the parts of a value are; linear. JAX: `sharding_constraint_p`,
//! `jax.lax.with_sharding_constraint`. Shardy: `sdy.sharding_constraint`.

use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::axis::AxisNames;
use crate::core::check;
use crate::core::key_uses::KeyUses;
use crate::core::lowering::LoweringCtx;
use crate::core::placement;
use crate::core::primitive::{
    Arrays, BatchDim, Batched, Ct, Jvp, LinearInput, LoweredValues, MappedAxis, Param, Primitive, Tangent,
    Transposed,
};
use crate::core::sharding::{PartitionEntry, PartitionSpec, Sharding, ShardingTree};
use crate::core::trace::{bind_at, bind1, caller};
use crate::error::{Loc, OrThrow, Result, bail};
use crate::lax::elementwise::{linear_ct, one, unary_jvp};
use crate::mlir::Value;
use crate::tree::Pytree;

/// The same tree, whose arrays are to be cut so where the program computes them. JAX: `jax.lax.with_sharding_constraint`.
///
/// Inside of [`jit`](crate::jit) XLA moves the parts there, and takes it into account for what is computed before and after; the
/// program then runs on the devices of the sharding. An axis that is [`UNCONSTRAINED`](crate::sharding::PartitionSpec::UNCONSTRAINED) is left to XLA, and so
/// is one whose size the parts do not divide. Under `vmap`, so is the mapped axis, unless it has a
/// [`spmd_axis_name`](crate::api::VmapOptions::spmd_axis_name). Elsewhere the array is moved at once, as [`device_put`](crate::device_put) does. Derivatives
/// have the same constraint.
///
/// ```
/// use raxla::{P, config, lax, make_mesh, numpy as jnp, prelude::*};
///
/// config::set_num_cpu_devices(8)?;
/// let mesh = make_mesh([8], ["x"])?;
/// let rows = mesh.sharding(P!["x"]);
/// let f = jit(move |x: &Array| lax::with_sharding_constraint(&(x * 2.0), rows));
/// assert_eq!(f(&jnp::ones([8, 2]))?.sharding()?, rows);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `with_sharding_constraint: NamedSharding(…, spec=P(None, 'x'), …) is only valid for values of rank at least 2, but was applied to a
/// value of rank 1`; an array that was put on other devices.
#[track_caller]
pub fn with_sharding_constraint<T: Pytree>(x: &T, shardings: impl Into<ShardingTree>) -> T {
    let loc = caller();
    let constrain = |x: &Array, sharding| constrained(x, Some(sharding), loc);
    shardings.into().prefix().map("with_sharding_constraint: shardings", x, constrain).or_throw()
}

/// An array with a constraint, if there is one.
pub(crate) fn constrained(x: &Array, sharding: Option<Sharding>, loc: Loc) -> Result<Array> {
    match sharding {
        None => Ok(x.clone()),
        Some(sharding) => Ok(bind_at(&ShardingConstraint { sharding }.into(), &[x], loc)?.swap_remove(0)),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct ShardingConstraint {
    sharding: Sharding,
}

impl ShardingConstraint {
    /// The sharding with one more axis, which is cut along these axes of the mesh.
    fn cut_along(&self, axis: usize, names: &AxisNames) -> Result<Sharding> {
        let Some(spec) = self.sharding.spec() else {
            bail!(
                InvalidArgument,
                "vmap: spmd_axis_name {names} is of a mesh, but a with_sharding_constraint inside has {}, which has none: give it a \
                 NamedSharding",
                self.sharding
            );
        };
        if spec
            .entries()
            .iter()
            .filter_map(PartitionEntry::axis_names)
            .flatten()
            .any(|name| names.contains(name))
        {
            bail!(
                InvalidArgument,
                "vmap: spmd_axis_name {names} cannot appear in the spec of a with_sharding_constraint inside, but that is {spec}"
            );
        }
        self.sharding.with_entry(axis, names.clone().into()).map_err(|e| e.context("vmap: spmd_axis_name"))
    }
}

impl Primitive for ShardingConstraint {
    fn name(&self) -> &'static str {
        "sharding_constraint"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        let entries = self.sharding.spec().map(|spec| spec.entries()).unwrap_or_default();
        let free = entries.iter().enumerate().filter(|(_, entry)| entry.axis_names().is_none());
        let free: Vec<String> = free.map(|(i, _)| i.to_string()).collect();
        vec![
            ("context_mesh", Param::Text("Mesh()".into())),
            ("layout", Param::Text("None".into())),
            ("sharding", Param::Text(self.sharding.to_string())),
            ("unconstrained_dims", Param::Text(format!("frozenset({{{}}})", free.join(", ")))),
        ]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [x] = check::arity(self, ins)?;
        self.sharding.check_rank(x.ndim()).map_err(|e| e.context("with_sharding_constraint"))?;
        Ok(one(*x))
    }
    /// What is whole on each of the devices is moved at once; the compiler moves what is on them already.
    fn eval(&self, args: &[&Array]) -> Option<Result<Arrays>> {
        let x = *args.first()?;
        if let Some(place) = x.committed_to() {
            if !place.meets(self.sharding) {
                let error = || {
                    bail!(
                        InvalidArgument,
                        "with_sharding_constraint: received incompatible devices: the array ({}) is on {}, and {} is on {}. Move it \
                         with device_put",
                        x.aval(),
                        placement::names(place),
                        self.sharding,
                        placement::names(self.sharding)
                    )
                };
                return Some(error());
            }
            if self.sharding.has_several_devices() {
                return None;
            }
        }
        let known = !self.sharding.is_unconstrained() && self.sharding.check(x.shape()).is_ok();
        let place = if known { self.sharding } else { self.sharding.whole() };
        let checked = self.abstract_eval(&[x.aval()]);
        Some(checked.and_then(|_| x.put(place)).map(|x| Arrays::from_iter([x])))
    }
    fn sharding(&self) -> Option<Sharding> {
        Some(self.sharding)
    }
    fn key_uses(&self, _: &[ShapedArray]) -> Result<Option<KeyUses>> {
        Ok(Some(KeyUses::forward()))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], _: &[ShapedArray]) -> LoweredValues {
        Ok(one(ctx.sharding_constraint(ins[0], self.sharding)))
    }
    /// dy = dx, there too
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        unary_jvp(*self, primals, tangents, |_, _, dx| bind1(*self, &[dx]))
    }
    /// x̄ = ȳ, there too
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        Ok(linear_ct(cts, ins, |ct| bind1(*self, &[ct])))
    }
    /// of the new axis nothing is said, unless `vmap` was given axes of the mesh for it
    fn batch(&self, axis: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let sharding = match (dims[0], axis.spmd_name) {
            (None, _) => self.sharding,
            (Some(at), None) => self.sharding.with_entry(at, PartitionSpec::UNCONSTRAINED)?,
            (Some(at), Some(names)) => self.cut_along(at, names)?,
        };
        Ok((one(bind1(ShardingConstraint { sharding }, &[&args[0]])), dims.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType::{Bool, C64, F32, I32};
    use crate::core::config;
    use crate::lax::testing::{Draw, case, check_rules};
    use crate::sharding::Mesh;

    #[test]
    fn rules_of_with_sharding_constraint() {
        let mut draw = Draw::new(36);
        let device = config::default_sharding(config::current()).unwrap().device().clone();
        let mesh = Mesh::new([device], [1], ["x"]).unwrap();
        check_rules([F32, C64, I32, Bool].into_iter().flat_map(|d| {
            let specs = [crate::P![], crate::P![crate::P::UNCONSTRAINED, "x"], crate::P![None, "x"]];
            let xs = [draw.values(d, &[]), draw.values(d, &[2, 3]), draw.values(d, &[2, 0])];
            xs.into_iter().zip(specs).map(move |(x, spec)| {
                let sharding = mesh.sharding(spec);
                case("sharding_constraint", [x], move |x| with_sharding_constraint(&x[0], sharding))
            })
        }));
    }
}
