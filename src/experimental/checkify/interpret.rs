//! Programs with errors as further values. JAX: `checkify_jaxpr`, `error_checks`.

use std::cell::RefCell;
use std::sync::Arc;

use super::bounds;
use super::custom::Checked;
use super::primitive::Check;
use super::state::{Category, ErrorCategories, Message, State, Structure, USER_CHECKS, What};
use crate::calls::checkpoint::Remat;
use crate::calls::jit_call::JitCall;
use crate::calls::{CallPrimitive, refs};
use crate::control_flow::{Cond, Scan, While, join_consts};
use crate::core::array::Array;
use crate::core::aval::ShapedArray;
use crate::core::eval_jaxpr::{eval_jaxpr, eval_jaxpr_by};
use crate::core::jaxpr::{Eqn, Jaxpr, Parameter};
use crate::core::primitive::{Arrays, Prim};
use crate::core::trace::{CustomCall, bind_at, bind_custom, with_location};
use crate::error::{Loc, Result, bail};
use crate::interpreters::custom_call::CustomDerivativeCall;
use crate::interpreters::partial_eval::{convert_constvars, trace_to_jaxpr_with};
use crate::numpy as jnp;

/// Primitives that can give NaN. JAX: `nan_primitives`.
const NAN_PRIMITIVES: &[&str] = &[
    "acos",
    "acosh",
    "add",
    "asin",
    "asinh",
    "atan2",
    "atan",
    "atanh",
    "bessel_i0e",
    "bessel_i1e",
    "cbrt",
    "conv_general_dilated",
    "cos",
    "cosh",
    "cumlogsumexp",
    "cummax",
    "cummin",
    "cumprod",
    "cumsum",
    "custom_linear_solve",
    "digamma",
    "div",
    "dot_general",
    "erf_inv",
    "erf",
    "erfc",
    "exp",
    "exp2",
    "expm1",
    "fft",
    "igamma_grad_a",
    "igamma",
    "igammac",
    "integer_pow",
    "lgamma",
    "log1p",
    "log",
    "logaddexp",
    "logistic",
    "mul",
    "pad",
    "pow",
    "reduce",
    "reduce_prod",
    "reduce_sum",
    "reduce_window",
    "reduce_window_sum",
    "regularized_incomplete_beta",
    "rem",
    "rsqrt",
    "sin",
    "sinh",
    "sqrt",
    "square",
    "sub",
    "tan",
    "tanh",
];

/// Runs programs, and gathers their errors.
pub(super) struct Checker {
    enabled: ErrorCategories,
    state: RefCell<State>,
}

/// A program with errors as leading parameters and results.
struct CheckedJaxpr {
    jaxpr: Arc<Jaxpr>,
    /// Leading parameters before the errors.
    consts: Vec<Array>,
    /// Of the errors that it gives, which begin with those that it takes.
    structure: Structure,
}

impl Checker {
    pub fn new(enabled: ErrorCategories, state: State) -> Checker {
        Checker { enabled, state: RefCell::new(state) }
    }

    pub fn into_state(self) -> State {
        self.state.into_inner()
    }

    /// The results; errors are added to those that there are.
    pub fn run(&self, jaxpr: &Jaxpr, consts: &[Array], args: &[Array]) -> Result<Vec<Array>> {
        eval_jaxpr_by(jaxpr, consts, args, |eqn, inputs| {
            with_location(eqn.loc, || self.apply(eqn, inputs)).map_err(|e| e.at(eqn.loc))
        })
    }

    fn looks_for(&self, category: Category) -> bool {
        self.enabled.has(category)
    }

    fn add(
        &self,
        category: Category,
        message: Message,
        loc: Loc,
        pred: &Array,
        payload: &[Array],
    ) -> Result<()> {
        self.state.borrow_mut().add(category, What { message, loc }, pred, payload)
    }

    fn apply(&self, eqn: &Eqn, inputs: &[Array]) -> Result<Arrays> {
        let prim = eqn.prim.as_any();
        if let Some(check) = prim.downcast_ref::<Check>() {
            return self.discharge(check, inputs);
        }
        if let Some(call) = prim.downcast_ref::<JitCall>() {
            return self.call(call, inputs, eqn.loc);
        }
        if let Some(call) = prim.downcast_ref::<Remat>() {
            return self.call(call, inputs, eqn.loc);
        }
        if let Some(cond) = prim.downcast_ref::<Cond>() {
            return self.cond(cond, inputs, eqn.loc);
        }
        if let Some(scan) = prim.downcast_ref::<Scan>() {
            return self.scan(scan, inputs, eqn.loc);
        }
        if let Some(loops) = prim.downcast_ref::<While>() {
            return self.while_loop(loops, inputs, eqn.loc);
        }
        if let Some(call) = prim.downcast_ref::<CustomDerivativeCall>() {
            return self.custom(call, inputs);
        }
        let outs = bind_at(&eqn.prim, &refs(inputs), eqn.loc)?;
        let name = eqn.prim.name();
        if name == "div" && self.looks_for(Category::Division) {
            let zero = jnp::any(jnp::equal(&inputs[1], 0), ..);
            self.add(Category::Division, Message::Division, eqn.loc, &zero, &[])?;
        }
        if self.looks_for(Category::Bounds)
            && let Some((pred, payload)) = bounds::out_of_bounds(&eqn.prim, inputs)?
        {
            let message = Message::Bounds { shape: inputs[0].shape().to_vec() };
            self.add(Category::Bounds, message, eqn.loc, &pred, &[payload])?;
            if name.starts_with("scatter") {
                self.look_for_nan(name, &outs, eqn.loc)?;
            }
        }
        if NAN_PRIMITIVES.contains(&name) {
            self.look_for_nan(name, &outs, eqn.loc)?;
        }
        Ok(outs)
    }

    fn look_for_nan(&self, primitive: &'static str, outs: &[Array], loc: Loc) -> Result<()> {
        if !self.looks_for(Category::NaN) {
            return Ok(());
        }
        let outs = outs.iter().filter(|x| x.dtype().is_inexact());
        let nan = outs.map(|x| jnp::any(jnp::isnan(x), ..)).reduce(|a, b| jnp::logical_or(a, b));
        match nan {
            Some(nan) => self.add(Category::NaN, Message::NaN { primitive }, loc, &nan, &[]),
            None => Ok(()),
        }
    }

    /// The errors of a check that are looked for; others are dropped, as in JAX.
    fn discharge(&self, check: &Check, inputs: &[Array]) -> Result<Arrays> {
        let mut new = State::of((*check.structure).clone(), inputs)?;
        let mut state = self.state.borrow_mut();
        // Those of one check come after what was before it in this program.
        if let (1, Some((old, what))) = (new.entries.len(), new.structure.whats.pop_first()) {
            let code = if new.structure.whats.is_empty() { state.number(&what) } else { old };
            new.structure.whats.insert(code, what);
            if code != old {
                new.entries[0].code = Array::scalar(code);
            }
        }
        state.structure.whats.extend(new.structure.whats.clone());
        for (effect, entry) in new.structure.effects.into_iter().zip(new.entries) {
            if self.looks_for(effect.category) {
                state.unite(effect, entry)?;
            }
        }
        Ok(Arrays::new())
    }

    /// A program that takes errors of this structure in front of its arguments, and gives them in front of its results.
    fn checked(
        &self,
        structure: &Structure,
        avals: &[ShapedArray],
        body: impl FnOnce(&Checker, &[Array]) -> Result<Vec<Array>>,
    ) -> Result<CheckedJaxpr> {
        let mut all = structure.avals();
        let n = all.len();
        all.extend(avals);
        let (closed, structure) = trace_to_jaxpr_with(&all, |args| {
            let inner = Checker::new(self.enabled, State::of(structure.clone(), &args[..n])?);
            let outs = body(&inner, &args[n..])?;
            let state = inner.into_state();
            Ok((state.leaves().into_iter().chain(outs).collect(), state.structure))
        })?;
        let (jaxpr, consts) = convert_constvars(closed);
        Ok(CheckedJaxpr { jaxpr, consts, structure })
    }

    fn checked_jaxpr(&self, structure: &Structure, jaxpr: &Jaxpr) -> Result<CheckedJaxpr> {
        self.checked(structure, &jaxpr.in_avals(), |checker, args| checker.run(jaxpr, &[], args))
    }

    /// Takes the errors in front of results.
    fn split(&self, structure: Structure, mut outs: Arrays) -> Result<Arrays> {
        let n = structure.avals().len();
        let errors: Vec<Array> = outs.drain(..n).collect();
        *self.state.borrow_mut() = State::of(structure, &errors)?;
        Ok(outs)
    }

    /// The present errors and their structure, with places for those of another.
    fn with_places(&self, structure: &Structure) -> (Structure, Vec<Array>) {
        let mut state = self.state.borrow_mut();
        state.add_places(structure);
        (state.structure.clone(), state.leaves())
    }

    fn structure(&self) -> Structure {
        self.state.borrow().structure.clone()
    }

    fn call<P: CallPrimitive>(&self, call: &P, inputs: &[Array], loc: Loc) -> Result<Arrays> {
        let checked = self.checked_jaxpr(&self.structure(), CallPrimitive::jaxpr(call))?;
        let args: Vec<Array> = checked
            .consts
            .into_iter()
            .chain(self.state.borrow().leaves())
            .chain(inputs.iter().cloned())
            .collect();
        let prim = Prim::from(call.with(checked.jaxpr));
        self.split(checked.structure, bind_at(&prim, &refs(&args), loc)?)
    }

    /// The errors of all branches have places in each.
    fn cond(&self, cond: &Cond, inputs: &[Array], loc: Loc) -> Result<Arrays> {
        let before = self.structure();
        for branch in &cond.branches {
            let found = self.checked_jaxpr(&before, branch)?.structure;
            self.with_places(&found);
        }
        let (structure, errors) = self.with_places(&before);
        let made = cond.branches.iter().map(|branch| self.checked_jaxpr(&structure, branch));
        let made = made.collect::<Result<Vec<_>>>()?;
        let mut whole = structure;
        made.iter().for_each(|checked| whole.whats.extend(checked.structure.whats.clone()));
        let (branches, consts) =
            join_consts(made.into_iter().map(|checked| (checked.jaxpr, checked.consts)).collect());
        let args: Vec<Array> = inputs[..1]
            .iter()
            .cloned()
            .chain(consts)
            .chain(errors)
            .chain(inputs[1..].iter().cloned())
            .collect();
        self.split(whole, bind_at(&cond.with(branches).into(), &refs(&args), loc)?)
    }

    /// The errors are carried.
    fn scan(&self, scan: &Scan, inputs: &[Array], loc: Loc) -> Result<Arrays> {
        let found = self.checked_jaxpr(&self.structure(), &scan.jaxpr)?.structure;
        let (structure, errors) = self.with_places(&found);
        let checked = self.checked_jaxpr(&structure, &scan.jaxpr)?;
        // Its own constants, then those of the loop, then what is carried.
        let (own, n) = (checked.consts.len(), errors.len());
        let consts = scan.num_consts;
        let order = (0..own).chain(own + n..own + n + consts).chain(own..own + n);
        let order = order.chain(own + n + consts..checked.jaxpr.invars.len());
        let jaxpr = checked.jaxpr.rearrange(order.map(Parameter::Old), checked.jaxpr.outvars.clone());
        let prim = Scan { jaxpr, num_consts: own + consts, num_carry: scan.num_carry + n, ..scan.clone() };
        let args: Vec<Array> = checked
            .consts
            .into_iter()
            .chain(inputs[..consts].iter().cloned())
            .chain(errors)
            .chain(inputs[consts..].iter().cloned())
            .collect();
        self.split(checked.structure, bind_at(&prim.into(), &refs(&args), loc)?)
    }

    /// The errors are carried; those of the condition are found after the body, and before the loop once.
    fn while_loop(&self, loops: &While, inputs: &[Array], loc: Loc) -> Result<Arrays> {
        if loops.cond_jaxpr.out_avals().iter().any(|pred| !pred.shape().is_empty()) {
            bail!(
                Unimplemented,
                "checkify does not support batched while-loops (checkify of vmap of while). If possible, move the vmap to the \
                 outer level, to get vmap of checkify of while"
            );
        }
        let (cond_consts, rest) = inputs.split_at(loops.cond_nconsts);
        let (body_consts, carry) = rest.split_at(loops.body_nconsts);
        let cond_args: Vec<Array> = cond_consts.iter().chain(carry).cloned().collect();
        self.run(&loops.cond_jaxpr, &[], &cond_args)?;
        let mut avals: Vec<ShapedArray> = loops.cond_jaxpr.in_avals()[..loops.cond_nconsts].to_vec();
        avals.extend(loops.body_jaxpr.in_avals());
        let body = |checker: &Checker, args: &[Array]| {
            let (cond_consts, args) = args.split_at(loops.cond_nconsts);
            let outs = checker.run(&loops.body_jaxpr, &[], args)?;
            let cond_args: Vec<Array> = cond_consts.iter().chain(&outs).cloned().collect();
            checker.run(&loops.cond_jaxpr, &[], &cond_args)?;
            Ok(outs)
        };
        let found = self.checked(&self.structure(), &avals, body)?.structure;
        let (structure, errors) = self.with_places(&found);
        let checked = self.checked(&structure, &avals, body)?;
        let (own, n) = (checked.consts.len(), errors.len());
        let consts = loops.cond_nconsts + loops.body_nconsts;
        let order = (0..own).chain(own + n..own + n + consts).chain(own..own + n);
        let order = order.chain(own + n + consts..checked.jaxpr.invars.len());
        let body_jaxpr = checked.jaxpr.rearrange(order.map(Parameter::Old), checked.jaxpr.outvars.clone());
        // The condition sees the errors, and does not look at them.
        let cond = &loops.cond_jaxpr;
        let params = (0..loops.cond_nconsts).map(Parameter::Old);
        let unused = structure.avals().into_iter().map(Parameter::Unused);
        let params = params.chain(unused).chain((loops.cond_nconsts..cond.invars.len()).map(Parameter::Old));
        let (without, ()) =
            trace_to_jaxpr_with(&cond.in_avals(), |args| Ok((self.unchecked(cond, args)?, ())))?;
        let (without, cond_own) = convert_constvars(without);
        if !cond_own.is_empty() {
            bail!(Internal, "checkify: the condition of a loop captures arrays");
        }
        let prim = While {
            cond_jaxpr: without.rearrange(params, without.outvars.clone()),
            cond_nconsts: loops.cond_nconsts,
            body_jaxpr,
            body_nconsts: own + consts,
        };
        let args: Vec<Array> = cond_consts
            .iter()
            .cloned()
            .chain(checked.consts)
            .chain(cond_consts.iter().cloned())
            .chain(body_consts.iter().cloned())
            .chain(errors)
            .chain(carry.iter().cloned())
            .collect();
        self.split(checked.structure, bind_at(&prim.into(), &refs(&args), loc)?)
    }

    /// A program without its checks: their errors are found elsewhere.
    fn unchecked(&self, jaxpr: &Jaxpr, args: &[Array]) -> Result<Vec<Array>> {
        if jaxpr.effects().is_empty() {
            return eval_jaxpr(jaxpr, &[], args);
        }
        Checker::new(USER_CHECKS, State::default()).run(jaxpr, &[], args)
    }

    /// The function with its checks, and its rules without.
    fn custom(&self, call: &CustomDerivativeCall, inputs: &[Array]) -> Result<Arrays> {
        let (consts, args) = inputs.split_at(call.num_consts);
        let checked = self.checked_jaxpr(&self.structure(), &call.call_jaxpr)?;
        let structure = checked.structure;
        let (_, errors) = self.with_places(&structure);
        // Now with places for all, so that as many go in as come out.
        let before = self.structure();
        let checked = self.checked_jaxpr(&before, &call.call_jaxpr)?;
        let errors_in = errors.len();
        let bound: Arc<dyn CustomCall> = Arc::new(Checked {
            inner: call.call.clone(),
            jaxpr: checked.jaxpr,
            consts: checked.consts,
            captured: consts.to_vec(),
            errors: errors_in,
        });
        let args: Vec<Array> = errors.into_iter().chain(args.iter().cloned()).collect();
        self.split(checked.structure, bind_custom(&bound, &args)?.into())
    }
}
