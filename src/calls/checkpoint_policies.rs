//! Which intermediate values [`checkpoint_with`](crate::checkpoint_with) keeps for the backward pass; all others are computed
//! again. JAX: `jax.checkpoint_policies`.
//!
//! Policies see the operations of the function, those inside of jitted functions that it calls too; loops and conditionals are one
//! operation each.

use std::collections::BTreeSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::core::jaxpr::Eqn;
use crate::lax::checkpoint_name::name_of;
use crate::lax::dot_general::has_batch_dimensions;

/// Decides which values are kept.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CheckpointPolicy(Kind);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Kind {
    Everything,
    Nothing,
    Dots { only_if_no_batch_dims: bool },
    OnlyTheseNames(BTreeSet<Arc<str>>),
    AnyNamesBut(BTreeSet<Arc<str>>),
    Either(Arc<(CheckpointPolicy, CheckpointPolicy)>),
    Custom(Custom),
}

/// The same as itself alone.
#[derive(Clone)]
struct Custom(Arc<dyn Fn(&Eqn) -> bool + Send + Sync>);

impl PartialEq for Custom {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
impl Eq for Custom {}

impl Hash for Custom {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).cast::<()>().hash(state);
    }
}

impl CheckpointPolicy {
    /// Keeps the results of the operations for which `saves` says so, by name for example: `|eqn| eqn.prim.name() == "exp"`.
    pub fn new(saves: impl Fn(&Eqn) -> bool + Send + Sync + 'static) -> Self {
        CheckpointPolicy(Kind::Custom(Custom(Arc::new(saves))))
    }

    /// Are the results of this operation kept?
    pub fn saves(&self, eqn: &Eqn) -> bool {
        match &self.0 {
            Kind::Everything => true,
            Kind::Nothing => false,
            Kind::Dots { only_if_no_batch_dims: true } => has_batch_dimensions(&eqn.prim) == Some(false),
            Kind::Dots { .. } => {
                has_batch_dimensions(&eqn.prim).is_some() || eqn.prim.name() == "conv_general_dilated"
            }
            Kind::OnlyTheseNames(names) => name_of(&eqn.prim).is_some_and(|name| names.contains(name)),
            Kind::AnyNamesBut(names) => name_of(&eqn.prim).is_some_and(|name| !names.contains(name)),
            Kind::Either(both) => both.0.saves(eqn) || both.1.saves(eqn),
            Kind::Custom(Custom(saves)) => saves(eqn),
        }
    }
}

impl fmt::Display for CheckpointPolicy {
    /// As Python prints JAX's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = |names: &BTreeSet<Arc<str>>| {
            let names: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
            format!("frozenset({{{}}})", names.join(", "))
        };
        match &self.0 {
            Kind::Everything => write!(f, "everything_saveable"),
            Kind::Nothing => write!(f, "nothing_saveable"),
            Kind::Dots { only_if_no_batch_dims } => {
                let only = if *only_if_no_batch_dims { "True" } else { "False" };
                write!(f, "DotsSaveable(only_if_no_batch_dims={only})")
            }
            Kind::OnlyTheseNames(names) => write!(f, "SaveOnlyTheseNames(saveable_names={})", set(names)),
            Kind::AnyNamesBut(names) => write!(f, "SaveAnyNamesButThese(names={})", set(names)),
            Kind::Either(both) => write!(f, "save_from_both_policies({}, {})", both.0, both.1),
            Kind::Custom(_) => write!(f, "policy"),
        }
    }
}

impl fmt::Debug for CheckpointPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn names<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> BTreeSet<Arc<str>> {
    names.into_iter().map(|name| name.as_ref().into()).collect()
}

/// Keeps all values, as without [`checkpoint`](crate::checkpoint()).
pub fn everything_saveable() -> CheckpointPolicy {
    CheckpointPolicy(Kind::Everything)
}

/// Keeps none, as [`checkpoint`](crate::checkpoint()) does.
pub fn nothing_saveable() -> CheckpointPolicy {
    CheckpointPolicy(Kind::Nothing)
}

/// Keeps the results of matrix products and convolutions, which cost most to compute.
pub fn dots_saveable() -> CheckpointPolicy {
    CheckpointPolicy(Kind::Dots { only_if_no_batch_dims: false })
}

/// JAX's other name for [`dots_saveable`].
pub fn checkpoint_dots() -> CheckpointPolicy {
    dots_saveable()
}

/// Keeps the results of matrix products without batch dimensions: those with parameters as a rule, and not those of attention, which are
/// large and cost little.
pub fn dots_with_no_batch_dims_saveable() -> CheckpointPolicy {
    CheckpointPolicy(Kind::Dots { only_if_no_batch_dims: true })
}

/// JAX's other name for [`dots_with_no_batch_dims_saveable`].
pub fn checkpoint_dots_with_no_batch_dims() -> CheckpointPolicy {
    dots_with_no_batch_dims_saveable()
}

/// Keeps the values that [`checkpoint_name`](crate::checkpoint_name()) gave one of these names.
pub fn save_only_these_names<S: AsRef<str>>(
    names_which_can_be_saved: impl IntoIterator<Item = S>,
) -> CheckpointPolicy {
    CheckpointPolicy(Kind::OnlyTheseNames(names(names_which_can_be_saved)))
}

/// Keeps the values that [`checkpoint_name`](crate::checkpoint_name()) gave any other name.
pub fn save_any_names_but_these<S: AsRef<str>>(
    names_not_to_save: impl IntoIterator<Item = S>,
) -> CheckpointPolicy {
    CheckpointPolicy(Kind::AnyNamesBut(names(names_not_to_save)))
}

/// Keeps all values but those that [`checkpoint_name`](crate::checkpoint_name()) gave one of these names. What such a value was
/// computed from is kept, so that it is read from there.
pub fn save_anything_except_these_names<S: AsRef<str>>(
    names_not_to_save: impl IntoIterator<Item = S>,
) -> CheckpointPolicy {
    let names = names(names_not_to_save);
    CheckpointPolicy::new(move |eqn| name_of(&eqn.prim).is_none_or(|name| !names.contains(name)))
}

/// Keeps what either policy keeps.
pub fn save_from_both_policies(policy_1: CheckpointPolicy, policy_2: CheckpointPolicy) -> CheckpointPolicy {
    CheckpointPolicy(Kind::Either(Arc::new((policy_1, policy_2))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{grad, hessian, jit, make_jaxpr, vmap};
    use crate::error::Result;
    use crate::{Array, CheckpointOptions, checkpoint_name, checkpoint_with, numpy as jnp};

    fn layer(x: &Array, w: &Array) -> Array {
        let y = jnp::sin(jnp::matmul(x, w));
        let z = checkpoint_name(&jnp::exp(y), "z");
        jnp::sum(jnp::cos(jnp::matmul(z, w)), ..)
    }

    fn policies() -> [(&'static str, CheckpointPolicy, [usize; 4]); 9] {
        // How often JAX's backward pass computes sines, cosines, exponentials and products.
        let names = || save_only_these_names(["z"]);
        [
            ("everything", everything_saveable(), [0, 0, 0, 2]),
            ("nothing", nothing_saveable(), [2, 1, 1, 4]),
            ("dots", dots_saveable(), [2, 1, 1, 2]),
            ("dots without batch", dots_with_no_batch_dims_saveable(), [2, 1, 1, 2]),
            ("only z", names(), [2, 1, 1, 4]),
            ("all but z", save_any_names_but_these(["z"]), [2, 1, 1, 4]),
            ("dots or z", save_from_both_policies(dots_saveable(), names()), [2, 1, 1, 2]),
            ("sines", CheckpointPolicy::new(|eqn| eqn.prim.name() == "sin"), [0, 1, 1, 3]),
            ("anything but", save_anything_except_these_names(["z"]), [0, 0, 0, 2]),
        ]
    }

    #[test]
    fn policies_keep_what_those_of_jax_keep() {
        let (x, w) = (jnp::ones([2, 3]), jnp::ones([3, 3]));
        for (name, policy, expected) in policies() {
            let f = checkpoint_with(layer, CheckpointOptions::new().policy(policy.clone()));
            let traced = make_jaxpr(grad(f))(&x, &w).unwrap();
            // The forward pass comes first.
            let mut calls = traced.jaxpr.eqns.iter().filter(|eqn| eqn.prim.name() == "remat2");
            let backward = calls.next_back().unwrap().prim.sub_jaxprs()[0];
            let counts = ["sin", "cos", "exp", "dot_general"]
                .map(|op| backward.eqns.iter().filter(|eqn| eqn.prim.name() == op).count());
            assert_eq!(counts, expected, "{name}: {traced}");
        }
    }

    #[test]
    fn derivatives_do_not_depend_on_the_policy() {
        let (x, w) = (
            jnp::reshape(jnp::linspace(-1.0, 1.0, 6), [2, 3]),
            jnp::reshape(jnp::linspace(0.1, 0.9, 9), [3, 3]),
        );
        let xs = jnp::stack([&x, &(&x * 0.5)], 0);
        let close = |a: Array, b: &Array| {
            let options = jnp::CloseOptions::new().rtol(1e-4).atol(1e-5);
            jnp::allclose_with(a, b, options).item::<bool>().unwrap()
        };
        let (slope, second) = (grad(layer)(&x, &w).unwrap(), hessian(layer)(&x, &w).unwrap());
        let mapped = vmap(|x: &Array| grad(layer)(x, &w))(&xs).unwrap();
        for (name, policy, _) in policies() {
            for prevent_cse in [true, false] {
                let options = CheckpointOptions::new().policy(policy.clone()).prevent_cse(prevent_cse);
                let f = checkpoint_with(layer, options);
                assert!(close(grad(&f)(&x, &w).unwrap(), &slope), "{name}");
                assert!(close(jit(grad(f.clone()))(&x, &w).unwrap(), &slope), "{name} under jit");
                assert!(close(hessian(&f)(&x, &w).unwrap(), &second), "{name}, twice");
                let rows = |x: &Array| -> Result<Array> { grad(&f)(x, &w) };
                assert!(close(vmap(rows)(&xs).unwrap(), &mapped), "{name} under vmap");
            }
        }
    }

    #[test]
    fn policies_print_as_in_jax() {
        assert_eq!(dots_saveable().to_string(), "DotsSaveable(only_if_no_batch_dims=False)");
        let names = save_only_these_names(["a", "b"]);
        assert_eq!(names.to_string(), "SaveOnlyTheseNames(saveable_names=frozenset({'a', 'b'}))");
        assert_eq!(names, save_only_these_names(["b", "a"]));
        assert_ne!(names, save_any_names_but_these(["b", "a"]));
    }
}
