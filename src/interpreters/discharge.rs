//! References away: a program that reads and writes them becomes one that takes arrays in their place and gives what they refer to in
//! the end. JAX: `state/discharge.py`.
//!
//! Programs are traced, printed and transformed with their references, and discharged before they are lowered; outside of any trace
//! each operation is discharged for itself, and what it gives is put into the references.

use std::cell::Cell;
use std::sync::{Arc, MutexGuard};

use smallvec::SmallVec;

use crate::core::array::{Array, Repr};
use crate::core::aval::ShapedArray;
use crate::core::jaxpr::{Atom, Jaxpr, TransformedJaxpr};
use crate::core::mutable::{Held, MutableArray, gone};
use crate::core::primitive::{Arrays, Discharged, Primitive, RefUpdate};
use crate::core::small::small;
use crate::core::trace::{bind_at, with_location};
use crate::core::work;
use crate::error::{Error, Result, bail, catch, err};
use crate::interpreters::partial_eval::{convert_constvars, trace_to_jaxpr_with};

/// A jaxpr without references.
pub(crate) struct DischargedJaxpr {
    /// Parameters: `consts`, then the original's, with arrays in place of references. Results: the original's, then what the
    /// references marked in `written` refer to in the end.
    pub jaxpr: Arc<Jaxpr>,
    pub consts: Vec<Array>,
    /// Of each of the original's parameters: is it a reference that it writes to?
    pub written: Vec<bool>,
}

impl TransformedJaxpr for DischargedJaxpr {
    fn consts(&self) -> &[Array] {
        &self.consts
    }
}

thread_local! {
    /// Is a linear program discharged, which is to be transposed?
    static LINEAR: Cell<bool> = const { Cell::new(false) };
}

/// Is what is discharged a linear program, which is to be transposed?
pub(crate) fn is_linear() -> bool {
    LINEAR.get()
}

/// [`discharge_jaxpr`] of a linear jaxpr, which is to be transposed.
pub(crate) fn discharge_linear(jaxpr: &Jaxpr) -> Result<Arc<DischargedJaxpr>> {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            LINEAR.set(self.0);
        }
    }
    let _restore = Restore(LINEAR.replace(true));
    discharge_jaxpr(jaxpr, &vec![false; jaxpr.invars.len()])
}

/// [`DischargedJaxpr`] of a jaxpr without constants; made once. References marked in `force` count as written.
pub(crate) fn discharge_jaxpr(jaxpr: &Jaxpr, force: &[bool]) -> Result<Arc<DischargedJaxpr>> {
    let name = if is_linear() { "discharge linear" } else { "discharge" };
    jaxpr.memo(name, force.iter().map(|b| usize::from(*b)), || {
        let avals: Vec<ShapedArray> = jaxpr.in_avals().iter().map(|aval| aval.with_ref(false)).collect();
        let (closed, written) = trace_to_jaxpr_with(&avals, |args| {
            let (mut outs, last) = discharge(jaxpr, args)?;
            let mut written = Vec::with_capacity(args.len());
            for ((last, x), force) in last.into_iter().zip(args).zip(force) {
                written.push(last.is_some() || *force);
                outs.extend(last.or_else(|| force.then(|| x.clone())));
            }
            Ok((outs, written))
        })?;
        let (jaxpr, consts) = convert_constvars(closed);
        Ok(DischargedJaxpr { jaxpr, consts, written })
    })
}

/// What a jaxpr without constants gives, and what the references among its parameters refer to in the end, if it writes to them.
/// Binds under the current trace.
fn discharge(jaxpr: &Jaxpr, args: &[Array]) -> Result<(Vec<Array>, Vec<Option<Array>>)> {
    let mut env: Vec<RefUpdate> = vec![RefUpdate::Unchanged; jaxpr.avals.len()];
    let mut written = vec![false; jaxpr.avals.len()];
    for (v, x) in jaxpr.invars.iter().zip(args) {
        env[v.0 as usize] = RefUpdate::Is(x.clone());
    }
    let is_ref = |atom: &Atom| matches!(atom, Atom::Var(v) if jaxpr.aval(*v).is_ref());
    for eqn in &jaxpr.eqns {
        work::count(1);
        let inputs: Result<Arrays> = eqn.inputs.iter().map(|atom| read(&env, atom)).collect();
        let inputs = inputs.map_err(|e| e.at(eqn.loc))?;
        let touches = eqn.inputs.iter().any(is_ref)
            || eqn.outputs.iter().any(|v| jaxpr.aval(*v).is_ref())
            || eqn.prim.sub_jaxprs().iter().any(|sub| sub.has_refs());
        let outs = if touches {
            let rule = || with_location(eqn.loc, || catch(|| eqn.prim.discharge(&inputs)));
            let Discharged { outs, refs } = eqn.names.enter(rule).map_err(|e| e.at(eqn.loc))?;
            for (atom, update) in eqn.inputs.iter().zip(refs) {
                let Atom::Var(v) = atom else { continue };
                if matches!(update, RefUpdate::Gone(_)) && jaxpr.invars.contains(v) {
                    return Err(made_elsewhere(eqn.prim.name(), jaxpr.aval(*v)).at(eqn.loc));
                }
                if !matches!(update, RefUpdate::Unchanged) {
                    env[v.0 as usize] = update;
                    written[v.0 as usize] = true;
                }
            }
            outs
        } else {
            let refs: SmallVec<[&Array; 4]> = small(&inputs);
            eqn.names.enter(|| bind_at(&eqn.prim, &refs, eqn.loc))?
        };
        for (v, x) in eqn.outputs.iter().zip(outs) {
            env[v.0 as usize] = RefUpdate::Is(x);
        }
    }
    let outs = jaxpr.outvars.iter().map(|atom| read(&env, atom)).collect::<Result<Vec<_>>>()?;
    let last = jaxpr
        .invars
        .iter()
        .map(|v| if written[v.0 as usize] { read(&env, &Atom::Var(*v)).map(Some) } else { Ok(None) });
    Ok((outs, last.collect::<Result<Vec<_>>>()?))
}

fn read(env: &[RefUpdate], atom: &Atom) -> Result<Array> {
    match atom {
        Atom::Literal(x) => Ok(Array::from(*x)),
        Atom::Var(v) => match &env[v.0 as usize] {
            RefUpdate::Is(x) => Ok(x.clone()),
            RefUpdate::Gone(why) => Err(gone(why)),
            RefUpdate::Unchanged => bail!(Internal, "discharge: variable {} has no value", v.0),
        },
    }
}

fn made_elsewhere(name: &str, aval: &ShapedArray) -> Error {
    err!(
        InvalidArgument,
        "{name}: an array reference can only be given up in the function that made it, and this one, of type {aval}, came as an \
         argument or was captured"
    )
}

/// Evaluates a primitive that takes references, or holds jaxprs that use some.
pub(crate) fn eval_discharged(prim: &dyn Primitive, args: &[&Array]) -> Result<Arrays> {
    let mut locked = Locked::new(prim.name(), args.iter().copied())?;
    let values = args.iter().enumerate().map(|(i, x)| match locked.at(i) {
        Some(held) => held.value().cloned(),
        None => Ok((*x).clone()),
    });
    let values = values.collect::<Result<Vec<Array>>>()?;
    let Discharged { outs, refs } = catch(|| prim.discharge(&values))?;
    drop(values);
    for (i, update) in refs.into_iter().enumerate() {
        if let Some(held) = locked.at(i) {
            match update {
                RefUpdate::Unchanged => {}
                RefUpdate::Is(value) => *held = Held::Value(value),
                RefUpdate::Gone(why) => *held = Held::Gone(why),
            }
        }
    }
    Ok(outs)
}

/// The references among some arrays, which nobody else reads or writes meanwhile.
pub(crate) struct Locked<'a> {
    held: SmallVec<[(usize, MutexGuard<'a, Held>); 2]>,
}

impl<'a> Locked<'a> {
    /// Locks them, always in the same order, so that nobody waits in a circle.
    pub(crate) fn new(what: &str, arrays: impl Iterator<Item = &'a Array>) -> Result<Self> {
        let cells = arrays.enumerate().filter_map(|(i, x)| match &x.0 {
            Repr::Ref(cell) => Some((i, cell)),
            _ => None,
        });
        let mut cells: SmallVec<[(usize, &Arc<MutableArray>); 2]> = cells.collect();
        cells.sort_by_key(|(_, cell)| Arc::as_ptr(cell).addr());
        if let Some(pair) = cells.windows(2).find(|pair| Arc::ptr_eq(pair[0].1, pair[1].1)) {
            let names = [format!("operand {}", pair[0].0), format!("operand {}", pair[1].0)];
            return Err(aliased(what, &pair[0].1.aval, &names));
        }
        Ok(Locked { held: cells.into_iter().map(|(i, cell)| (i, cell.lock())).collect() })
    }

    /// What the array at this position refers to, if it is a reference.
    pub(crate) fn at(&mut self, position: usize) -> Option<&mut Held> {
        self.held.iter_mut().find(|(i, _)| *i == position).map(|(_, held)| &mut **held)
    }
}

/// Refuses a reference that is among them twice. The first `captured` are what the function `what` captured; `name` says what the
/// others are called. JAX: `core.check_no_aliased_ref_args`, `check_no_aliased_closed_over_refs`.
pub(crate) fn check_aliases(
    what: &str,
    captured: &[Array],
    args: &[Array],
    name: impl Fn(usize) -> String,
) -> Result<()> {
    let refs = args.iter().enumerate().filter(|(_, x)| x.aval().is_ref());
    for (i, x) in refs.clone() {
        let is_same = |y: &Array| y.identity() == x.identity();
        if let Some((j, _)) = refs.clone().find(|(j, y)| *j > i && is_same(y)) {
            return Err(aliased(what, &x.aval(), &[name(i), name(j)]));
        }
        if captured.iter().any(is_same) {
            bail!(
                InvalidArgument,
                "when tracing {what}, an array reference of type {} was both closed over and passed as {}",
                x.aval(),
                name(i)
            );
        }
    }
    Ok(())
}

#[cold]
fn aliased(what: &str, aval: &ShapedArray, [first, second]: &[String; 2]) -> Error {
    err!(
        InvalidArgument,
        "only one reference to a mutable array may be passed as an argument to a function, but when tracing {what} the array \
         reference of type {aval} appeared at both {first} and {second}"
    )
}

/// Refuses references among the results of the function `what`; `path` says where each is. JAX: `core.check_returned_refs`.
pub(crate) fn check_returned(
    what: &str,
    outs: &[Array],
    args: &[Array],
    path: impl Fn(usize) -> String,
) -> Result<()> {
    let Some((i, x)) = outs.iter().enumerate().find(|(_, x)| x.aval().is_ref()) else { return Ok(()) };
    let at = path(i);
    let at = if at.is_empty() { at } else { format!(" at output tree path {at}") };
    let passed = match args.iter().position(|arg| arg.identity() == x.identity()) {
        Some(i) => format!(". It was passed in as argument leaf {i}"),
        None => String::new(),
    };
    bail!(
        InvalidArgument,
        "{what} returned an array reference of type {}{at}, but array references cannot be returned{passed}",
        x.aval()
    )
}
