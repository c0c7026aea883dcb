//! Which keys were used, to find those that are used again. JAX: `jax.experimental.key_reuse`.
//!
//! Each primitive says what it does with keys ([`KeyUses`]); so does a jaxpr, by going through its equations, which finds a key that
//! is used twice in it. Arrays on devices remember which of their keys were used, and where. All of this happens while the setting
//! `debug_key_reuse` is on, and not otherwise.
//!
//! A key is words along the last axis of a `u32` array, and no type tells it from other numbers. What a primitive of `random` takes or
//! gives is one, and what such an array was sliced, reshaped or stacked from or to; so are arrays that were said to be
//! (`lax::random_wrap`).

use std::borrow::Cow;
use std::sync::{Arc, MutexGuard, PoisonError};

use smallvec::SmallVec;

use crate::core::array::{Array, OnDevice, Repr};
use crate::core::atom::{Atom, Var};
use crate::core::aval::ShapedArray;
use crate::core::jaxpr::{Eqn, Jaxpr, TransformedJaxpr};
use crate::core::key_uses::{KeySink, KeyState, KeyUser, KeyUses, UsedKeys, keys_in, reused};
use crate::core::primitive::{Arrays, Param, Prim, Primitive};
use crate::core::remap::Remap;
use crate::error::{Loc, Result};

/// The name of who applies this primitive: for `jit` that of the function.
pub(crate) fn name_of(prim: &dyn Primitive) -> Arc<str> {
    let name: Cow<'_, str> = match (prim.name(), &prim.params()[..]) {
        ("jit", [("name", Param::Text(name)), ..]) => Cow::Owned(name.trim_start_matches('_').to_owned()),
        (name, _) => name.into(),
    };
    name.as_ref().into()
}

/// [`KeyUses`] of a jaxpr, kept with it.
struct JaxprKeyUses(KeyUses);

impl TransformedJaxpr for JaxprKeyUses {
    fn consts(&self) -> &[Array] {
        &[]
    }
}

/// What a primitive does with keys.
fn of_primitive(prim: &dyn Primitive, ins: &[ShapedArray]) -> Result<KeyUses> {
    if let Some(uses) = prim.key_uses(ins)? {
        return Ok(uses);
    }
    match &prim.sub_jaxprs()[..] {
        [jaxpr] if jaxpr.invars.len() == ins.len() => of_jaxpr(jaxpr),
        _ => Ok(KeyUses::default()),
    }
}

/// What a jaxpr does with keys. JAX: `jaxpr_type_signature`.
///
/// # Errors
/// It uses a key twice.
pub(crate) fn of_jaxpr(jaxpr: &Jaxpr) -> Result<KeyUses> {
    let found = jaxpr.memo("key reuse", [], || Checker::new(jaxpr)?.check().map(JaxprKeyUses))?;
    Ok(found.0.clone())
}

struct Checker<'j> {
    jaxpr: &'j Jaxpr,
    /// Of each equation.
    uses: Vec<KeyUses>,
    is_key: Vec<bool>,
    /// The variable whose keys these are.
    same_as: Vec<Option<Var>>,
    used: Vec<UsedKeys>,
}

impl<'j> Checker<'j> {
    fn new(jaxpr: &'j Jaxpr) -> Result<Self> {
        let uses_of = |eqn: &Eqn| {
            let ins: Vec<ShapedArray> = eqn.inputs.iter().map(|atom| jaxpr.atom_aval(atom)).collect();
            of_primitive(&*eqn.prim, &ins).map_err(|e| e.at(eqn.loc))
        };
        let uses = jaxpr.eqns.iter().map(uses_of).collect::<Result<Vec<_>>>()?;
        let n = jaxpr.avals.len();
        let (same_as, used) = (vec![None; n], vec![UsedKeys::default(); n]);
        Ok(Checker { jaxpr, uses, is_key: vec![false; n], same_as, used })
    }

    /// Finds which variables are keys: what works on keys says so, and what moves data hands it on, both ways.
    fn find_keys(&mut self) {
        let jaxpr = self.jaxpr;
        let each = || jaxpr.eqns.iter().zip(&self.uses);
        let is_key = &mut self.is_key;
        let could_be = |v: &Var| keys_in(jaxpr.aval(*v)).is_some();
        for (eqn, uses) in each().filter(|(_, uses)| !uses.moves) {
            let operands = uses.sinks.iter().filter_map(|sink| var(&eqn.inputs[sink.operand]));
            let results = uses.sources.iter().chain(uses.spent.iter().map(|(i, _)| i));
            for v in operands.chain(results.map(|i| eqn.outputs[*i])).filter(could_be) {
                is_key[v.0 as usize] = true;
            }
        }
        loop {
            let mut changed = false;
            let mut pass = |(eqn, uses): (&Eqn, &KeyUses)| {
                let mut same = |group: &mut dyn Iterator<Item = Var>| {
                    let group: SmallVec<[Var; 4]> = group.filter(could_be).collect();
                    let any = group.iter().any(|v| is_key[v.0 as usize]);
                    for v in group.iter().filter(|_| any) {
                        changed |= !std::mem::replace(&mut is_key[v.0 as usize], true);
                    }
                };
                let of = |operand: usize| var(&eqn.inputs[operand]);
                for (operand, out) in &uses.forwards {
                    same(&mut of(*operand).into_iter().chain([eqn.outputs[*out]]));
                }
                if uses.moves {
                    let operands = uses.sinks.iter().filter_map(|sink| of(sink.operand));
                    let results = uses.sources.iter().chain(uses.forwards.iter().map(|(_, out)| out));
                    same(&mut operands.chain(results.take(1).map(|out| eqn.outputs[*out])));
                }
            };
            each().for_each(&mut pass);
            each().rev().for_each(&mut pass);
            if !changed {
                return;
            }
        }
    }

    /// The variable that stands for these keys.
    fn root(&self, mut v: Var) -> Var {
        while let Some(same) = self.same_as[v.0 as usize] {
            v = same;
        }
        v
    }

    fn is_key(&self, v: Var) -> bool {
        self.is_key[v.0 as usize]
    }

    fn check(mut self) -> Result<KeyUses> {
        self.find_keys();
        let jaxpr = self.jaxpr;
        for (i, eqn) in jaxpr.eqns.iter().enumerate() {
            let uses = std::mem::take(&mut self.uses[i]);
            let by = KeyUser { name: name_of(&*eqn.prim), loc: eqn.loc };
            for (operand, out) in &uses.forwards {
                let out = eqn.outputs[*out];
                if let Some(v) = var(&eqn.inputs[*operand]).filter(|v| self.is_key(*v))
                    && self.is_key(out)
                {
                    self.same_as[out.0 as usize] = Some(v);
                }
            }
            for sink in &uses.sinks {
                let Some(v) = var(&eqn.inputs[sink.operand]).filter(|v| self.is_key(*v)) else { continue };
                if keys_in(jaxpr.aval(v)) == Some(0) {
                    continue;
                }
                let (root, by) = (self.root(v), sink.by.as_ref().unwrap_or(&by));
                let used = &mut self.used[root.0 as usize];
                if let Some(first) = used.user_of(&sink.which) {
                    return Err(reused(by, sink.operand, first));
                }
                used.0.push((sink.which.clone(), by.clone()));
            }
            for (out, used) in uses.spent {
                self.used[eqn.outputs[out].0 as usize].0.extend(used.0);
            }
        }
        let params: Remap<Var> = jaxpr.invars.iter().copied().collect();
        let mut uses = KeyUses::default();
        for (operand, v) in jaxpr.invars.iter().enumerate() {
            let used = &self.used[v.0 as usize];
            if let (Some(which), Some((_, by))) = (used.which(), used.0.first()) {
                uses.sinks.push(KeySink { operand, which, by: Some(by.clone()) });
            }
        }
        for (i, atom) in jaxpr.outvars.iter().enumerate() {
            let Some(v) = var(atom) else { continue };
            let root = self.root(v);
            match params.get(&root) {
                Some(operand) => uses.forwards.push((operand, i)),
                None if !self.is_key(v) => {}
                None if self.used[root.0 as usize].0.is_empty() => uses.sources.push(i),
                None => uses.spent.push((i, self.used[root.0 as usize].clone())),
            }
        }
        Ok(uses)
    }
}

fn var(atom: &Atom) -> Option<Var> {
    match atom {
        Atom::Var(v) => Some(*v),
        Atom::Literal(_) => None,
    }
}

fn lock(state: &KeyState) -> MutexGuard<'_, UsedKeys> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn on_device(x: &Array) -> Option<&OnDevice> {
    match &x.0 {
        Repr::Device(x) => Some(x),
        _ => None,
    }
}

/// What is known of the array's keys; `None` if it is not known to be keys.
fn state(x: &Array) -> Option<KeyState> {
    on_device(x)?.aside.keys()
}

/// Says that an array is keys.
pub(crate) fn mark(x: &Array) {
    state_of_keys(x);
}

fn state_of_keys(x: &Array) -> Option<KeyState> {
    Some(on_device(x)?.aside.keys_or_new())
}

/// What an application to arrays on devices does with keys.
pub(crate) struct KeyCall {
    uses: KeyUses,
    by: KeyUser,
    /// Of the operands. Not the arrays, which may be given away.
    states: Vec<Option<KeyState>>,
}

impl KeyCall {
    /// # Errors
    /// A key was used already.
    pub(crate) fn new<'a>(
        name: &str,
        loc: Loc,
        uses: KeyUses,
        args: impl Iterator<Item = &'a Array>,
    ) -> Result<Self> {
        let by = KeyUser { name: name.into(), loc };
        let args: Vec<&Array> = args.collect();
        let mut states: Vec<Option<KeyState>> = args.iter().map(|x| state(x)).collect();
        for sink in &uses.sinks {
            let x = args[sink.operand];
            if keys_in(&x.aval()).is_none_or(|keys| keys == 0) {
                continue;
            }
            let of = &mut states[sink.operand];
            if !uses.moves && of.is_none() {
                *of = state_of_keys(x);
            }
            let Some(of) = of else { continue };
            if let Some(first) = lock(of).user_of(&sink.which) {
                return Err(reused(sink.by.as_ref().unwrap_or(&by), sink.operand, first));
            }
        }
        Ok(KeyCall { uses, by, states })
    }

    /// Notes what it did.
    pub(crate) fn done(self, outs: &[Array]) {
        let moves = self.uses.moves;
        for sink in &self.uses.sinks {
            if let Some(of) = &self.states[sink.operand] {
                lock(of).0.push((sink.which.clone(), sink.by.as_ref().unwrap_or(&self.by).clone()));
            }
        }
        let any_key = self.uses.sinks.iter().any(|sink| self.states[sink.operand].is_some());
        for i in self.uses.sources.iter().filter(|_| !moves || any_key) {
            mark(&outs[*i]);
        }
        for (i, used) in self.uses.spent {
            if let Some(state) = state_of_keys(&outs[i]) {
                lock(&state).0.extend(used.0);
            }
        }
        for (operand, i) in self.uses.forwards {
            if let Some(of) = &self.states[operand] {
                let used = lock(of).clone();
                if let Some(state) = state_of_keys(&outs[i]) {
                    *lock(&state) = used;
                }
            }
        }
    }
}

/// Applies a primitive to arrays on devices, by `apply`. JAX: `call_impl_with_key_reuse_checks`.
///
/// # Errors
/// A key was used already.
pub(crate) fn watched(
    prim: &Prim,
    args: &[&Array],
    loc: Loc,
    apply: impl FnOnce() -> Result<Arrays>,
) -> Result<Arrays> {
    let ins: Vec<ShapedArray> = args.iter().map(|x| x.aval()).collect();
    let uses = of_primitive(&**prim, &ins)?;
    let call = KeyCall::new(&name_of(&**prim), loc, uses, args.iter().copied())?;
    let outs = apply()?;
    call.done(&outs);
    Ok(outs)
}
