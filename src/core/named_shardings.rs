//! The devices that a program itself names, by constraints on where values are. JAX: `dispatch.get_intermediate_shardings`.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use crate::core::jaxpr::Jaxpr;
use crate::core::placement::names;
use crate::core::primitive::Prim;
use crate::core::sharding::Sharding;
use crate::error::{Error, Loc, Result, err};

/// A place that an equation names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NamedPlace {
    pub sharding: Sharding,
    name: &'static str,
    loc: Option<Loc>,
}

impl NamedPlace {
    /// Where an option of `jit` says that a result is.
    pub(crate) fn of_option(sharding: Sharding) -> Self {
        NamedPlace { sharding, name: "out_shardings", loc: None }
    }

    /// The error for a program whose arguments, or another of whose equations, are on other devices.
    pub(crate) fn incompatible(&self, op: &str, other: Sharding) -> Error {
        let line = self.loc.map_or_else(String::new, |loc| format!(" at {}:{}", loc.file(), loc.line()));
        err!(
            InvalidArgument,
            "{op}: received incompatible devices: what it computes with is on {}, and {}{line} names {}",
            names(other),
            self.name,
            names(self.sharding)
        )
    }

    /// The same place, unless the two are on different devices.
    pub(crate) fn and(self, other: NamedPlace, op: &str) -> Result<Self> {
        if self.sharding.meets(other.sharding) {
            Ok(self)
        } else {
            Err(other.incompatible(op, self.sharding))
        }
    }
}

/// What a primitive names, itself or in its jaxprs.
pub(crate) fn of_primitive(prim: &Prim) -> Result<Option<NamedPlace>> {
    let mut found = prim.sharding().map(|sharding| NamedPlace { sharding, name: prim.name(), loc: None });
    let mut seen = FxHashSet::default();
    for jaxpr in prim.sub_jaxprs() {
        add(jaxpr, &mut seen, &mut found)?;
    }
    Ok(found)
}

/// What the equations of a jaxpr name.
pub(crate) fn of_jaxpr(jaxpr: &Arc<Jaxpr>) -> Result<Option<NamedPlace>> {
    let mut found = None;
    add(jaxpr, &mut FxHashSet::default(), &mut found)?;
    Ok(found)
}

fn add(jaxpr: &Arc<Jaxpr>, seen: &mut FxHashSet<usize>, found: &mut Option<NamedPlace>) -> Result<()> {
    if !seen.insert(Arc::as_ptr(jaxpr).addr()) {
        return Ok(());
    }
    for eqn in &jaxpr.eqns {
        if let Some(sharding) = eqn.prim.sharding() {
            let next = NamedPlace { sharding, name: eqn.prim.name(), loc: Some(eqn.loc) };
            *found = Some(match *found {
                None => next,
                Some(first) => first.and(next, "jit").map_err(|e| e.at(eqn.loc))?,
            });
        }
        for inner in eqn.prim.sub_jaxprs() {
            add(inner, seen, found)?;
        }
    }
    Ok(())
}
