//! Jaxprs: traced programs as values. JAX: `core.Jaxpr`, `core.ClosedJaxpr`.

use std::any::Any;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

use rustc_hash::FxHasher;
use smallvec::SmallVec;

use crate::core::array::Array;
pub use crate::core::atom::{Atom, Var};
use crate::core::aval::ShapedArray;
use crate::core::axis::AxisName;
use crate::core::cache::Map;
use crate::core::config::check_tracer_leaks;
use crate::core::effects::{Effect, Effects};
use crate::core::name_stack::NameStack;
use crate::core::primitive::Prim;
use crate::core::remap::Remap;
use crate::core::small::small;
use crate::core::tracer::check_live;
use crate::core::work;
use crate::error::Result;

pub(crate) use crate::error::Loc;

/// One application of a primitive.
#[derive(Debug)]
pub struct Eqn {
    /// The primitive with its parameters.
    pub prim: Prim,
    /// Operands.
    pub inputs: SmallVec<[Atom; 2]>,
    /// Variables that the results define.
    pub outputs: SmallVec<[Var; 2]>,
    /// Where in the user's program it was applied.
    pub loc: Loc,
    /// The scopes that it stands in.
    pub names: NameStack,
}

impl Clone for Eqn {
    fn clone(&self) -> Self {
        // Faster than `SmallVec::clone`, which goes element by element.
        let (inputs, outputs) = (SmallVec::from_slice(&self.inputs), SmallVec::from_slice(&self.outputs));
        Eqn { prim: self.prim.clone(), inputs, outputs, loc: self.loc, names: self.names.clone() }
    }
}

/// A traced program: `lambda constvars ; invars . let eqns in outvars`.
///
/// Two jaxprs are equal if they are the same up to the names of variables (locations aside), which holds because
/// variables are numbered in the order of their definition.
pub struct Jaxpr {
    /// Variables bound to captured arrays.
    pub constvars: Vec<Var>,
    /// Parameters.
    pub invars: Vec<Var>,
    /// Results.
    pub outvars: Vec<Atom>,
    /// The program, in order.
    pub eqns: Vec<Eqn>,
    /// The aval of every variable.
    pub avals: Vec<ShapedArray>,
    /// Named axes that its equations refer to.
    axis_names: Vec<AxisName>,
    /// What its equations do besides computing.
    effects: Effects,
    /// [`is_thin`](Self::is_thin), found out once.
    thin: OnceLock<bool>,
    /// [`has_refs`](Self::has_refs), found out once.
    refs: OnceLock<bool>,
    /// Hash of the contents, computed once.
    hash: OnceLock<u64>,
    /// Transformed versions of this jaxpr, which live as long as it does.
    memo: OnceLock<Map<MemoKey, Arc<dyn Any + Send + Sync>>>,
}

/// A transformed version of a jaxpr. Its leading parameters are bound to `consts`: what the rules of custom derivatives
/// captured, nothing as a rule.
pub(crate) trait TransformedJaxpr: Send + Sync + 'static {
    /// The arrays to pass in front of the arguments.
    fn consts(&self) -> &[Array];
}

/// Transformed versions that one jaxpr keeps.
const MAX_MEMO: usize = 64;

/// Names a transformation of a jaxpr: which, and its parameters.
pub(crate) type MemoKey = (&'static str, Vec<usize>);

/// A jaxpr together with the arrays that it captured.
#[derive(Clone, Debug)]
pub struct ClosedJaxpr {
    /// The program.
    pub jaxpr: Arc<Jaxpr>,
    /// One array for each of its `constvars`.
    pub consts: Vec<Array>,
}

impl Jaxpr {
    pub(crate) fn new(
        constvars: Vec<Var>,
        invars: Vec<Var>,
        outvars: Vec<Atom>,
        eqns: Vec<Eqn>,
        avals: Vec<ShapedArray>,
    ) -> Self {
        work::count(eqns.len() + invars.len() + outvars.len());
        let axis_names = collect_axis_names(&eqns);
        let effects: Effects = eqns.iter().map(|e| e.prim.effects()).collect();
        let is_ref = |v: &Var| avals[v.0 as usize].is_ref();
        let effects = match effects.and(Effects::REFS).is_empty() {
            true => effects,
            // What happens to references that are made inside is nobody else's concern.
            false if constvars.iter().chain(&invars).any(is_ref) => effects.without(Effect::NewRef.into()),
            false => effects.without(Effects::REFS),
        };
        Jaxpr {
            constvars,
            invars,
            outvars,
            eqns,
            avals,
            axis_names,
            effects,
            thin: OnceLock::new(),
            refs: OnceLock::new(),
            hash: OnceLock::new(),
            memo: OnceLock::new(),
        }
    }

    /// The aval of a variable.
    pub fn aval(&self, var: Var) -> &ShapedArray {
        &self.avals[var.0 as usize]
    }

    /// The aval of an operand.
    pub fn atom_aval(&self, atom: &Atom) -> ShapedArray {
        match atom {
            Atom::Var(v) => *self.aval(*v),
            Atom::Literal(x) => x.aval(),
        }
    }

    /// Avals of the parameters.
    pub fn in_avals(&self) -> Vec<ShapedArray> {
        self.invars.iter().map(|v| *self.aval(*v)).collect()
    }

    /// Avals of the results.
    pub fn out_avals(&self) -> Vec<ShapedArray> {
        self.outvars.iter().map(|a| self.atom_aval(a)).collect()
    }

    /// Does it take references, or make some inside, also in nested jaxprs? Such a one is discharged before it is lowered.
    pub(crate) fn has_refs(&self) -> bool {
        let within = |eqn: &Eqn| eqn.prim.sub_jaxprs().iter().any(|jaxpr| jaxpr.has_refs());
        *self.refs.get_or_init(|| self.avals.iter().any(ShapedArray::is_ref) || self.eqns.iter().any(within))
    }

    /// The number of equations, those of nested jaxprs included.
    pub fn eqn_count(&self) -> usize {
        self.eqns.iter().map(|e| 1 + e.prim.sub_jaxprs().iter().map(|j| j.eqn_count()).sum::<usize>()).sum()
    }

    /// The transformed version that `make` gives, made once for this jaxpr and key. One that captured tracers is made
    /// anew once their trace is over.
    pub(crate) fn memo<T: TransformedJaxpr>(
        &self,
        name: &'static str,
        key: impl IntoIterator<Item = usize>,
        make: impl FnOnce() -> Result<T>,
    ) -> Result<Arc<T>> {
        let key = (name, key.into_iter().collect::<Vec<_>>());
        let memo = self.memo.get_or_init(|| Map::new(MAX_MEMO));
        if let Some(Ok(found)) = memo.get(&key).map(Arc::downcast::<T>)
            && found.consts().iter().all(|x| check_live(x).is_ok())
        {
            return Ok(found);
        }
        let made = Arc::new(make()?);
        if !check_tracer_leaks() || !made.consts().iter().any(Array::is_tracer) {
            memo.put(key, made.clone());
        }
        Ok(made)
    }

    /// The same with `constvars` as leading parameters.
    pub(crate) fn with_consts_as_invars(self) -> Jaxpr {
        let invars = self.constvars.into_iter().chain(self.invars).collect();
        Jaxpr::new(Vec::new(), invars, self.outvars, self.eqns, self.avals)
    }
}

impl Clone for Jaxpr {
    fn clone(&self) -> Self {
        Jaxpr::new(
            self.constvars.clone(),
            self.invars.clone(),
            self.outvars.clone(),
            self.eqns.clone(),
            self.avals.clone(),
        )
    }
}

impl PartialEq for Jaxpr {
    fn eq(&self, other: &Self) -> bool {
        self.constvars == other.constvars
            && self.invars == other.invars
            && self.outvars == other.outvars
            && self.avals == other.avals
            && self.eqns.len() == other.eqns.len()
            && self
                .eqns
                .iter()
                .zip(&other.eqns)
                .all(|(a, b)| a.inputs == b.inputs && a.outputs == b.outputs && a.prim == b.prim)
    }
}
impl Eq for Jaxpr {}

impl Hash for Jaxpr {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let hash = self.hash.get_or_init(|| {
            let mut state = FxHasher::default();
            (&self.constvars, &self.invars, &self.outvars, self.eqns.len(), self.avals.len())
                .hash(&mut state);
            for eqn in &self.eqns {
                (&eqn.prim, &eqn.inputs, &eqn.outputs).hash(&mut state);
            }
            state.finish()
        });
        state.write_u64(*hash);
    }
}

fn collect_axis_names(eqns: &[Eqn]) -> Vec<AxisName> {
    let mut names = Vec::new();
    for name in eqns.iter().flat_map(|e| e.prim.axis_names()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

impl fmt::Debug for Jaxpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ClosedJaxpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.jaxpr, f)
    }
}

/// What the results and effects of a jaxpr depend on.
pub(crate) struct Live {
    pub eqns: Vec<bool>,
    /// Positions of the parameters.
    pub params: Vec<usize>,
    /// What stands for equations of which not all is needed, by their positions, the last first.
    pub thinned: Vec<(usize, Eqn)>,
}

impl Eqn {
    /// What computes only the results marked in `used`, and those that it cannot do without, if that is less.
    fn thinned(&self, used: &mut [bool]) -> Option<Eqn> {
        // A jaxpr inside may ignore an operand even if all its results are read.
        if !used.contains(&false) && self.prim.sub_jaxprs().iter().all(|j| j.is_thin()) {
            return None;
        }
        let (prim, kept) = self.prim.dce(used)?;
        Some(Eqn {
            prim,
            inputs: kept.iter().map(|i| self.inputs[*i]).collect(),
            outputs: self.outputs.iter().zip(used).filter(|(_, u)| **u).map(|(v, _)| *v).collect(),
            loc: self.loc,
            names: self.names.clone(),
        })
    }
}

impl Jaxpr {
    /// What the results and effects depend on.
    pub(crate) fn live(&self) -> Live {
        let mut needed = vec![false; self.avals.len()];
        let need = |atom: &Atom, needed: &mut Vec<bool>| {
            if let Atom::Var(v) = atom {
                needed[v.0 as usize] = true;
            }
        };
        self.outvars.iter().for_each(|a| need(a, &mut needed));
        let mut eqns = vec![false; self.eqns.len()];
        let mut thinned = Vec::new();
        for (i, eqn) in self.eqns.iter().enumerate().rev() {
            work::count(1);
            let mut used: SmallVec<[bool; 8]> = small(eqn.outputs.iter().map(|v| needed[v.0 as usize]));
            eqns[i] = used.contains(&true) || !eqn.prim.effects().is_empty();
            if !eqns[i] {
                continue;
            }
            if let Some(thin) = eqn.thinned(&mut used) {
                thin.inputs.iter().for_each(|a| need(a, &mut needed));
                thinned.push((i, thin));
            } else {
                eqn.inputs.iter().for_each(|a| need(a, &mut needed));
            }
        }
        let params = (0..self.invars.len()).filter(|i| needed[self.invars[*i].0 as usize]).collect();
        Live { eqns, params, thinned }
    }

    /// Is all of it needed for its results and effects, so that [`dce`](Self::dce) has nothing to drop if all are used?
    fn is_thin(&self) -> bool {
        *self.thin.get_or_init(|| {
            let live = self.live();
            live.thinned.is_empty()
                && live.params.len() == self.invars.len()
                && live.eqns.iter().all(|live| *live)
        })
    }
}

impl Jaxpr {
    /// What its equations do besides computing, those of nested jaxprs included.
    pub(crate) fn effects(&self) -> Effects {
        self.effects
    }

    /// Named axes that its equations refer to.
    pub(crate) fn axis_names(&self) -> &[AxisName] {
        &self.axis_names
    }

    /// The same without dead equations and with only the results marked in `used`; also the positions of the
    /// parameters that are left. Nested jaxprs are thinned too. JAX: `pe.dce_jaxpr`.
    pub(crate) fn dce(&self, used: &[bool]) -> (Jaxpr, Vec<usize>) {
        let outvars: Vec<Atom> =
            self.outvars.iter().zip(used).filter(|(_, used)| **used).map(|(a, _)| *a).collect();
        let mut needed = vec![false; self.avals.len()];
        let need = |atom: &Atom, needed: &mut Vec<bool>| {
            if let Atom::Var(v) = atom {
                needed[v.0 as usize] = true;
            }
        };
        outvars.iter().for_each(|a| need(a, &mut needed));
        let mut eqns: Vec<Eqn> = Vec::with_capacity(self.eqns.len());
        for eqn in self.eqns.iter().rev() {
            work::count(1);
            let mut used: SmallVec<[bool; 8]> = small(eqn.outputs.iter().map(|v| needed[v.0 as usize]));
            if eqn.prim.effects().is_empty() && !used.contains(&true) {
                continue;
            }
            let eqn = eqn.thinned(&mut used).unwrap_or_else(|| eqn.clone());
            eqn.inputs.iter().for_each(|a| need(a, &mut needed));
            eqns.push(eqn);
        }
        eqns.reverse();
        let kept: Vec<usize> =
            (0..self.invars.len()).filter(|i| needed[self.invars[*i].0 as usize]).collect();
        let invars: Vec<Var> = kept.iter().map(|i| self.invars[*i]).collect();
        let constvars: Vec<Var> = self.constvars.clone();
        (renumber(constvars, invars, outvars, eqns, &self.avals), kept)
    }
}

/// A parameter of a rearranged jaxpr.
#[derive(Clone, Debug)]
pub(crate) enum Parameter {
    /// This parameter of the original.
    Old(usize),
    /// One that nothing reads.
    Unused(ShapedArray),
}

impl Remap<usize> {
    /// The parameter that stands for `old`: where it is now, or one that nothing reads.
    pub(crate) fn parameter(&self, old: usize, aval: impl FnOnce() -> ShapedArray) -> Parameter {
        self.get(&old).map_or_else(|| Parameter::Unused(aval()), Parameter::Old)
    }
}

impl Jaxpr {
    /// The same without equations that have effects, on which no result depends.
    pub(crate) fn without_effects(&self) -> Jaxpr {
        let eqns = self.eqns.iter().filter(|e| e.prim.effects().is_empty()).cloned().collect();
        renumber(self.constvars.clone(), self.invars.clone(), self.outvars.clone(), eqns, &self.avals)
    }

    /// The same equations with other parameters, among which is each that they read, and other results. The jaxpr has
    /// no constants.
    pub(crate) fn rearrange(
        &self,
        params: impl IntoIterator<Item = Parameter>,
        outvars: Vec<Atom>,
    ) -> Arc<Jaxpr> {
        let mut avals = self.avals.clone();
        let invars = params.into_iter().map(|p| match p {
            Parameter::Old(i) => self.invars[i],
            Parameter::Unused(aval) => {
                avals.push(aval);
                Var(avals.len() as u32 - 1)
            }
        });
        let invars = invars.collect();
        Arc::new(renumber(Vec::new(), invars, outvars, self.eqns.clone(), &avals))
    }
}

/// A jaxpr whose variables are numbered in the order of their definition, so that equal programs are equal values.
fn renumber(
    constvars: Vec<Var>,
    invars: Vec<Var>,
    mut outvars: Vec<Atom>,
    mut eqns: Vec<Eqn>,
    old_avals: &[ShapedArray],
) -> Jaxpr {
    work::count(old_avals.len() + eqns.len());
    // The new variable of each old one; one that nothing defines stays as it is.
    let mut new: Vec<Var> = (0..old_avals.len() as u32).map(Var).collect();
    let mut avals = Vec::with_capacity(old_avals.len());
    let mut define = |v: Var| {
        avals.push(old_avals[v.0 as usize]);
        let var = Var(avals.len() as u32 - 1);
        new[v.0 as usize] = var;
        var
    };
    let constvars: Vec<Var> = constvars.into_iter().map(&mut define).collect();
    let invars: Vec<Var> = invars.into_iter().map(&mut define).collect();
    for v in eqns.iter_mut().flat_map(|eqn| &mut eqn.outputs) {
        *v = define(*v);
    }
    let rename = |a: &mut Atom| {
        if let Atom::Var(v) = a {
            *v = new[v.0 as usize];
        }
    };
    outvars.iter_mut().for_each(rename);
    for eqn in &mut eqns {
        eqn.inputs.iter_mut().for_each(rename);
    }
    Jaxpr::new(constvars, invars, outvars, eqns, avals)
}
