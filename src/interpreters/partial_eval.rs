//! Tracing to a jaxpr. JAX: `interpreters/partial_eval.py` (`DynamicJaxprTrace`).

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::core::array::{Array, Identity, Repr};
use crate::core::aval::ShapedArray;
use crate::core::check::check_jaxpr;
use crate::core::config::{check_tracer_leaks, enable_checks, no_tracing};
use crate::core::jaxpr::{Atom, ClosedJaxpr, Eqn, Jaxpr, Loc, Var};
use crate::core::leaks;
use crate::core::name_stack;
use crate::core::primitive::{Arrays, Prim};
use crate::core::remap::Remap;
use crate::core::scalar::Scalar;
use crate::core::small::{one, small, try_small};
use crate::core::trace::{
    LiveTrace, Trace, Tracer, bind_at, caller, check_live, folding, is_folding, with_trace, without_location,
};
use crate::core::tracer::WatchedVar;
use crate::core::work;
use crate::error::{Result, bail, catch};
use crate::lax::broadcast_in_dim::broadcast_scalar;

/// Records every operation.
pub(crate) struct JaxprTrace {
    pub live: LiveTrace,
    pub builder: RefCell<JaxprBuilder>,
    /// How many names were in force when it began, which are not those of its equations.
    outside: usize,
    /// Are its tracers such that it can be seen whether they are still there?
    watched: bool,
}

/// A jaxpr that is being recorded.
#[derive(Default)]
pub(crate) struct JaxprBuilder {
    lists: Lists,
    invars: Vec<Var>,
    /// Captured arrays: concrete ones, and tracers of enclosing traces.
    consts: Vec<Array>,
    constvars: Vec<Var>,
    /// Where each stands among them, by identity.
    const_index: Remap<Identity>,
}

/// The lists of a jaxpr that grow with each equation.
#[derive(Default)]
struct Lists {
    avals: Vec<ShapedArray>,
    eqns: Vec<Eqn>,
}

/// Equations that a thread keeps room for. Longer lists grow without being copied, by moving their pages.
const MAX_ROOM: usize = 1 << 14;

/// Jaxprs that a thread keeps room for, as many as are recorded inside of each other.
const MAX_ROOMS: usize = 4;

thread_local! {
    /// Empty lists with room, so that recording does not copy its equations again and again while their list grows.
    static ROOMS: RefCell<Vec<Lists>> = const { RefCell::new(Vec::new()) };
}

impl Lists {
    fn with_room() -> Self {
        ROOMS.with_borrow_mut(Vec::pop).unwrap_or_default()
    }

    fn push(&mut self, eqn: Eqn) {
        if self.eqns.len() == self.eqns.capacity() {
            work::count(self.eqns.len());
        }
        work::count(1);
        self.eqns.push(eqn);
    }

    /// The same in no more memory than they need; the room is kept.
    fn fitted(mut self) -> Self {
        if self.eqns.capacity() > MAX_ROOM {
            return self;
        }
        work::count(self.eqns.len());
        let fitted = Lists { avals: fitted(&mut self.avals), eqns: fitted(&mut self.eqns) };
        ROOMS.with_borrow_mut(|rooms| {
            if rooms.len() < MAX_ROOMS && self.avals.capacity() <= 4 * MAX_ROOM {
                rooms.push(self);
            }
        });
        fitted
    }
}

/// What is in a list, which keeps its room.
fn fitted<T>(list: &mut Vec<T>) -> Vec<T> {
    let mut fitted = Vec::with_capacity(list.len());
    fitted.append(list);
    fitted
}

impl JaxprTrace {
    pub(crate) fn new() -> Rc<Self> {
        let builder = JaxprBuilder { lists: Lists::with_room(), ..JaxprBuilder::default() };
        Rc::new(JaxprTrace {
            live: LiveTrace::new(),
            builder: builder.into(),
            outside: name_stack::depth(),
            watched: check_tracer_leaks(),
        })
    }

    /// A new parameter.
    pub(crate) fn new_arg(&self, aval: ShapedArray) -> Array {
        let mut b = self.builder.borrow_mut();
        let var = b.new_var(aval);
        b.invars.push(var);
        let x = self.tracer(var, aval);
        leaks::watch(self.live.0, std::slice::from_ref(&x), caller());
        x
    }

    fn tracer(&self, var: Var, aval: ShapedArray) -> Array {
        let trace = self.live.0;
        if self.watched {
            return Tracer::Watched(Arc::new(WatchedVar { var, trace, aval })).into();
        }
        Tracer::Var { var, trace, aval }.into()
    }

    /// The operand that stands for `x`: its variable, a literal, or a constant.
    #[inline]
    pub(crate) fn atom(&self, x: &Array) -> Result<Atom> {
        match &x.0 {
            Repr::Tracer(Tracer::Var { var, trace, .. }) if *trace == self.live.0 => Ok(Atom::Var(*var)),
            Repr::Scalar(x) => Ok(Atom::Literal(*x)),
            Repr::Tracer(Tracer::Watched(watched)) if watched.trace == self.live.0 => {
                Ok(Atom::Var(watched.var))
            }
            Repr::Zero(aval) => self.zeros(aval),
            _ => self.constant(x).map(Atom::Var),
        }
    }

    /// What a symbolic zero is here.
    #[cold]
    fn zeros(&self, aval: &ShapedArray) -> Result<Atom> {
        let zero = Array::from(Scalar::zero(aval));
        if aval.shape().is_empty() {
            return self.atom(&zero);
        }
        let outs = self.record(&broadcast_scalar(aval.shape()), &[&zero], caller())?;
        self.atom(&outs[0])
    }

    fn constant(&self, x: &Array) -> Result<Var> {
        check_live(x)?;
        Ok(self.builder.borrow_mut().const_var(x))
    }

    /// Records one equation.
    pub(crate) fn record(&self, prim: &Prim, args: &[&Array], loc: Loc) -> Result<Arrays> {
        let inputs: SmallVec<[Atom; 2]>;
        // Most have one operand or two, and one result: those are written where they go.
        let outs = match args {
            [x] => {
                inputs = one(self.atom(x)?);
                prim.abstract_eval(&[x.aval()])?
            }
            [x, y] => {
                inputs = SmallVec::from_buf([self.atom(x)?, self.atom(y)?]);
                prim.abstract_eval(&[x.aval(), y.aval()])?
            }
            _ => {
                inputs = try_small(args.iter().map(|x| self.atom(x)))?;
                prim.abstract_eval(&small::<[ShapedArray; 4]>(args.iter().map(|x| x.aval())))?
            }
        };
        let mut b = self.builder.borrow_mut();
        let mut define = |aval: ShapedArray| b.new_var(aval);
        let (outputs, tracers) = match outs[..] {
            [aval] => {
                let var = define(aval);
                (one(var), one(self.tracer(var, aval)))
            }
            _ => {
                let outputs: SmallVec<[Var; 2]> = small(outs.iter().map(|aval| define(*aval)));
                let tracers = small(outputs.iter().zip(&outs).map(|(var, aval)| self.tracer(*var, *aval)));
                (outputs, tracers)
            }
        };
        let names = name_stack::current_inside(self.outside);
        if self.watched {
            leaks::watch(self.live.0, &tracers, loc);
        }
        b.lists.push(Eqn { prim: prim.clone(), inputs, outputs, loc, names });
        Ok(tracers)
    }

    /// The finished jaxpr with these results.
    pub(crate) fn finish(&self, outs: &[Array]) -> Result<ClosedJaxpr> {
        let outvars = outs.iter().map(|x| self.atom(x)).collect::<Result<Vec<_>>>()?;
        let b = self.builder.take();
        let Lists { avals, eqns } = b.lists.fitted();
        let jaxpr = Jaxpr::new(b.constvars, b.invars, outvars, eqns, avals);
        Ok(ClosedJaxpr { jaxpr: jaxpr.into(), consts: b.consts })
    }
}

impl JaxprBuilder {
    fn new_var(&mut self, aval: ShapedArray) -> Var {
        let avals = &mut self.lists.avals;
        avals.push(aval);
        Var(avals.len() as u32 - 1)
    }

    fn const_var(&mut self, x: &Array) -> Var {
        let (i, new) = self.const_index.insert(x.identity());
        if new {
            let var = self.new_var(x.aval());
            self.consts.push(x.clone());
            self.constvars.push(var);
        } else if matches!(&x.0, Repr::Device(d) if d.committed) {
            // The same buffer may have been captured before it was committed to its device.
            self.consts[i] = x.clone();
        }
        self.constvars[i]
    }
}

impl Trace for JaxprTrace {
    fn process(self: Rc<Self>, prim: &Prim, args: &[&Array], loc: Loc) -> Result<Arrays> {
        if is_folding() && !args.iter().any(|x| x.is_tracer()) {
            return with_trace(None, || bind_at(prim, args, loc));
        }
        self.record(prim, args, loc)
    }
}

/// Traces `f` to a jaxpr. What it captures becomes constants. Also gives whatever else `f` returns.
pub(crate) fn trace_to_jaxpr_with<T>(
    avals: &[ShapedArray],
    f: impl FnOnce(&[Array]) -> Result<(Vec<Array>, T)>,
) -> Result<(ClosedJaxpr, T)> {
    let mut extra = None;
    let closed = trace_to_jaxpr(avals, |args| {
        let (outs, more) = f(args)?;
        extra = Some(more);
        Ok(outs)
    })?;
    match extra {
        Some(extra) => Ok((closed, extra)),
        None => bail!(Internal, "a function that was not traced"),
    }
}

/// Traces `f` to a jaxpr. What it captures becomes constants.
pub(crate) fn trace_to_jaxpr(
    avals: &[ShapedArray],
    f: impl FnOnce(&[Array]) -> Result<Vec<Array>>,
) -> Result<ClosedJaxpr> {
    let mut f = Some(f);
    traced(avals, &mut |args| match f.take() {
        Some(f) => f(args),
        None => bail!(Internal, "a function that is traced again"),
    })
}

/// [`trace_to_jaxpr`], compiled once and not for each closure.
fn traced(avals: &[ShapedArray], f: &mut dyn FnMut(&[Array]) -> Result<Vec<Array>>) -> Result<ClosedJaxpr> {
    if no_tracing() {
        bail!(Disallowed, "a function would be traced, and no_tracing is set");
    }
    let closed = name_stack::reset(|| -> Result<ClosedJaxpr> {
        let trace = JaxprTrace::new();
        let args: Vec<Array> = avals.iter().map(|aval| trace.new_arg(*aval)).collect();
        let run = || with_trace(Some(trace.clone()), || without_location(|| catch(|| f(&args))));
        // What is recorded apart is recorded whole.
        let outs = folding(false, run)?;
        let closed = trace.finish(&outs)?;
        drop((outs, args));
        leaks::check(trace.live.0)?;
        Ok(closed)
    })?;
    if enable_checks() {
        check_jaxpr(&closed.jaxpr)?;
    }
    Ok(closed)
}

/// The same jaxpr with its constants as leading parameters, and the constants.
pub(crate) fn convert_constvars(closed: ClosedJaxpr) -> (std::sync::Arc<Jaxpr>, Vec<Array>) {
    if closed.consts.is_empty() {
        return (closed.jaxpr, closed.consts);
    }
    let jaxpr = std::sync::Arc::unwrap_or_clone(closed.jaxpr);
    (jaxpr.with_consts_as_invars().into(), closed.consts)
}
