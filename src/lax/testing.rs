//! `check_rules`: what every primitive must satisfy, checked on cases. JAX: `test_util.check_grads`, `check_jvp`,
//! `check_vjp`, `jtu.check_vmap`.
//!
//! ```ignore
//! check_rules([
//!     case("sin", [draw.uniform(F32, &[2, 3], -2.0, 2.0)], |x| sin(&x[0])),
//!     case("floor", [..], |x| floor(&x[0])).without_derivatives(),
//! ]);
//! ```
//!
//! For each case: the aval of the trace is that of the executed result; the jitted trace gives what eager evaluation
//! gives; the jvp, for every set of operands with nonzero tangents, is the central difference in 64 bits; linearisation
//! gives the jvp; `⟨ct, J v⟩ = ⟨Jᵀ ct, v⟩`; batching, for every set of mapped operands and every place of the mapped
//! axis, gives what a loop gives, and so does batching the jvp and the gradient; jvps of the jvp and of the gradient are their
//! central differences; gradients of the jitted, recomputed, batched and scanned function are its own.

mod batched;
mod broken;
mod draw;
mod host;
mod nested;

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;

use rustc_hash::FxBuildHasher;

pub(crate) use draw::{Draw, FLOATS, INEXACTS, INTEGERS};
pub(crate) use host::{components, same};

use crate::core::array::Array;
use crate::core::array::Placement;
use crate::core::aval::{Shape, ShapedArray};
use crate::core::config::{self, with_disable_fusion_emitters, with_disable_most_optimizations, with_x64};
use crate::core::eval;
use crate::core::jaxpr::Jaxpr;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::Prim;
use crate::core::runtime_tokens::Launch;
use crate::error::{Result, bail, catch};
use crate::interpreters::backward_pass::{apply_linear, backward_pass};
use crate::interpreters::discharge::discharge_jaxpr;
use crate::interpreters::jvp::{instantiate, jvp};
use crate::interpreters::linearize::linearize;
use crate::interpreters::partial_eval::{convert_constvars, trace_to_jaxpr};
use batched::{check_batched_derivatives, check_vmap};
use host::{axpy, canonical_is_narrower, close, pairing, widened};
use nested::check_nested;

/// What a function under test may return.
pub(crate) trait CaseOutputs {
    fn list(self) -> Vec<Array>;
}
impl CaseOutputs for Array {
    fn list(self) -> Vec<Array> {
        vec![self]
    }
}
impl CaseOutputs for Vec<Array> {
    fn list(self) -> Vec<Array> {
        self
    }
}
impl<const N: usize> CaseOutputs for [Array; N] {
    fn list(self) -> Vec<Array> {
        self.into()
    }
}
impl CaseOutputs for (Array, Array) {
    fn list(self) -> Vec<Array> {
        vec![self.0, self.1]
    }
}

type Function = Box<dyn Fn(&[Array]) -> Vec<Array> + Send + Sync>;

/// A function, its arguments, and which checks apply.
pub(crate) struct Case {
    name: String,
    args: Vec<Array>,
    f: Function,
    /// Order of derivatives that are checked: 0, 1 or 2.
    order: usize,
    reverse: bool,
    vmap: bool,
    /// Is what combines transformations checked at each turn?
    combined: bool,
    /// Operands that are differentiated, if not all of inexact dtype.
    wrt: Option<Vec<usize>>,
    /// Operands that are mapped, if not all.
    mapped: Option<Vec<usize>>,
    /// Relative tolerance of values, times that of the dtype.
    loose: f64,
    /// Relative tolerance of derivatives.
    rtol: f64,
}

/// The message of the error that `f` fails with.
pub(crate) fn message_of<O: CaseOutputs>(f: impl FnOnce() -> O) -> String {
    match catch(|| Ok(f().list())) {
        Ok(_) => "no error".to_owned(),
        Err(e) => e.message().to_owned(),
    }
}

/// A case with every check on.
pub(crate) fn case<O: CaseOutputs>(
    name: &str,
    args: impl IntoIterator<Item = Array>,
    f: impl Fn(&[Array]) -> O + Send + Sync + 'static,
) -> Case {
    Case {
        name: name.to_owned(),
        args: args.into_iter().collect(),
        f: Box::new(move |args| f(args).list()),
        order: 2,
        reverse: true,
        vmap: true,
        combined: false,
        wrt: None,
        mapped: None,
        loose: 1.0,
        rtol: 1e-5,
    }
}

impl Case {
    /// No check of derivatives: nothing to differentiate, or dtypes that 64 bits do not stand for.
    pub(crate) fn without_derivatives(self) -> Self {
        self.up_to_order(0)
    }
    /// Derivatives up to this order only (2 is the default).
    pub(crate) fn up_to_order(mut self, order: usize) -> Self {
        self.order = order;
        self
    }
    /// No reverse mode.
    pub(crate) fn forward_only(mut self) -> Self {
        self.reverse = false;
        self
    }
    /// No batching.
    pub(crate) fn without_vmap(mut self) -> Self {
        self.vmap = false;
        self
    }
    /// What combines transformations is checked at each turn.
    pub(crate) fn combined(mut self) -> Self {
        self.combined = true;
        self
    }
    /// Differentiate only these operands.
    pub(crate) fn wrt(mut self, operands: &[usize]) -> Self {
        self.wrt = Some(operands.to_vec());
        self
    }
    /// Map only these operands.
    pub(crate) fn mapped(mut self, operands: &[usize]) -> Self {
        self.mapped = Some(operands.to_vec());
        self
    }
    /// Values may differ by this many times the usual tolerance.
    pub(crate) fn loose(mut self, factor: f64) -> Self {
        self.loose = factor;
        self
    }

    /// The operands that are differentiated.
    fn differentiated(&self) -> Vec<usize> {
        match &self.wrt {
            Some(wrt) => wrt.clone(),
            None => (0..self.args.len()).filter(|i| self.args[*i].dtype().is_inexact()).collect(),
        }
    }

    fn can_map(&self, operand: usize) -> bool {
        self.mapped.as_ref().is_none_or(|mapped| mapped.contains(&operand))
    }

    fn call(&self, args: &[Array]) -> Result<Vec<Array>> {
        catch(|| Ok((self.f)(args)))
    }
}

/// Checks the rules of the primitives that the cases use; panics with every failure.
#[track_caller]
pub(crate) fn check_rules(cases: impl IntoIterator<Item = Case>) {
    let mut done = Done::default();
    let failures: Vec<String> = cases
        .into_iter()
        .filter_map(|case| {
            let avals: Vec<String> = case.args.iter().map(|x| format!("{:?}", x.aval())).collect();
            let check = || check_case(&case, &mut done);
            // Rules are what XLA is given, not what it makes of them.
            let error =
                with_disable_most_optimizations(true, || with_disable_fusion_emitters(true, check)).err()?;
            Some(format!("{} on ({}): {error}", case.name, avals.join(", ")))
        })
        .collect();
    assert!(failures.is_empty(), "check_rules:\n  {}", failures.join("\n  "));
}

/// What has been checked before: batching for a program and shapes, derivatives for a program and the operands' types in
/// 64 bits. Neither learns anything from further dtypes, and compilation is slow. Operands of types that were met before are
/// others in their values, from which derivatives do learn.
#[derive(Default)]
struct Done {
    vmap: HashSet<(String, Vec<Shape>)>,
    derivatives: HashMap<(String, Vec<ShapedArray>), HashSet<Vec<ShapedArray>>>,
}

/// Is what combines transformations checked of this program? `cargo test` does it for a third of them, `RAXLA_TESTS=1` and `=2` for the
/// others, `RAXLA_TESTS=all` for all of them, and so does a run of only some of the tests.
fn combines_transformations(program: &str) -> bool {
    let tests = std::env::var("RAXLA_TESTS").unwrap_or_default();
    let turn = tests.parse::<u64>().unwrap_or(0);
    tests == "all"
        || std::env::args().skip(1).any(|arg| !arg.starts_with('-'))
        || FxBuildHasher.hash_one(program).wrapping_add(turn).is_multiple_of(3)
}

fn check_case(case: &Case, done: &mut Done) -> Result<()> {
    let avals: Vec<_> = case.args.iter().map(Array::aval).collect();
    let mut program = case.name.clone();
    let wide = case.args.iter().any(|x| canonical_is_narrower(x.dtype()));
    with_x64(wide, || -> Result<()> {
        let eager = case.call(&case.args).map_err(|e| e.context("eager"))?;
        program += &check_jit(case, &eager).map_err(|e| e.context("jit"))?;
        let shapes = avals.iter().map(|a| Shape::from_slice(a.shape())).collect();
        if case.vmap && done.vmap.insert((program.clone(), shapes)) {
            check_vmap(case)?;
        }
        Ok(())
    })?;
    if case.order == 0 {
        return Ok(());
    }
    with_x64(wide, || check_tangent_types(case))?;
    // 64 bits stand for all: there is nothing new in 16.
    if case.args.iter().any(|x| x.dtype().is_inexact() && x.dtype().bits() < 32) {
        return Ok(());
    }
    with_x64(true, || {
        let args = case.args.iter().map(widened).collect::<Result<Vec<_>>>()?;
        let wrt = case.differentiated();
        let wide_avals = args.iter().map(Array::aval).collect();
        let combined = case.combined || combines_transformations(&program);
        let before = done.derivatives.entry((program, wide_avals)).or_default();
        let first = before.is_empty();
        let in_another_dtype = before.insert(avals) && !first;
        if wrt.is_empty() || in_another_dtype {
            return Ok(());
        }
        check_derivatives(case, &args, &wrt, if combined { case.order } else { 1 })?;
        if first && case.vmap && combined {
            check_batched_derivatives(case, &args, &wrt)?;
            if case.reverse {
                check_nested(case, &args, &wrt).map_err(|e| e.context("nested"))?;
            }
        }
        Ok(())
    })
}

/// Primitives that hold functions. A case that begins with the name of one has to have it: what holds functions is easily traced
/// away.
const HOLDING: &[&str] = &[
    "addupdate",
    "check",
    "composite",
    "cond",
    "custom_jvp_call",
    "custom_linear_solve",
    "custom_vjp_call",
    "custom_vmap_call",
    "debug_callback",
    "debug_print",
    "empty_ref",
    "free_ref",
    "freeze",
    "get",
    "io_callback",
    "jit",
    "new_ref",
    "platform_index",
    "pure_callback",
    "reduce",
    "reduce_window",
    "remat2",
    "scan",
    "swap",
    "while",
];

fn holds(jaxpr: &Jaxpr, name: &str) -> bool {
    let inside = |prim: &Prim| prim.sub_jaxprs().iter().any(|jaxpr| holds(jaxpr, name));
    jaxpr.eqns.iter().any(|eqn| eqn.prim.name() == name || inside(&eqn.prim))
}

/// Aval of the trace = aval of the execution; jit = eager. Gives the primitives of the trace with their parameters.
fn check_jit(case: &Case, eager: &[Array]) -> Result<String> {
    let avals: Vec<_> = case.args.iter().map(Array::aval).collect();
    let trace = || trace_to_jaxpr(&avals, |args| Ok((case.f)(args)));
    let closed = trace()?;
    crate::core::check::check_jaxpr(&closed.jaxpr)?;
    if trace()?.jaxpr != closed.jaxpr {
        bail!(Internal, "two traces differ:\n{closed}");
    }
    let outs = closed.jaxpr.out_avals();
    for (i, (aval, x)) in outs.iter().zip(eager).enumerate() {
        if *aval != x.aval() {
            bail!(Internal, "result {i} is {aval:?}, eagerly {:?}", x.aval());
        }
    }
    let named = case.name.split([' ', ',']).next().unwrap_or_default();
    if HOLDING.contains(&named) && !holds(&closed.jaxpr, named) {
        bail!(Internal, "the case has no {named}:\n{closed}");
    }
    let program = closed.jaxpr.eqns.iter().map(|eqn| format!(" {:?}", eqn.prim)).collect();
    same(&run(closed, &case.args)?, eager, case.loose)?;
    Ok(program)
}

/// Compiles and runs a jaxpr.
fn run(closed: crate::core::jaxpr::ClosedJaxpr, args: &[Array]) -> Result<Vec<Array>> {
    let (mut jaxpr, mut consts) = convert_constvars(closed);
    if jaxpr.has_refs() {
        let made = discharge_jaxpr(&jaxpr, &vec![false; jaxpr.invars.len()])?;
        consts.splice(0..0, made.consts.iter().cloned());
        jaxpr = made.jaxpr.clone();
    }
    let args: Vec<Array> = consts.into_iter().chain(args.iter().cloned()).collect();
    let mut ctx = LoweringCtx::new("jit_check_rules", None);
    ctx.write_function("main", true, &jaxpr)?;
    let module = ctx.finish();
    let (sharding, committed) = (config::default_sharding(config::current())?, false);
    // A module for any platform does not ask for it.
    sharding.client().register_host_calls()?;
    let launch = Launch::new(jaxpr.effects(), &module);
    let executable = eval::compile_module(&module, sharding, &[], config::current(), None)
        .map_err(|e| e.context(&module.text))?;
    let buffers = args.iter().map(|x| eval::buffer_on(x, sharding)).collect::<Result<Vec<_>>>()?;
    let refs: Vec<_> = buffers.iter().map(|b| b.buffer()).collect();
    let outs = launch.run(&executable, sharding, &refs, &[])?;
    let outs = outs.into_iter().zip(jaxpr.out_avals()).map(|(buffer, aval)| {
        let (dtype, dims) = (buffer.dtype()?, buffer.dims()?);
        if dtype != aval.dtype() || dims.as_slice() != aval.shape() {
            bail!(Internal, "aval {aval:?}, but executed: {dtype}{dims:?}");
        }
        Ok(Array::on_device(smallvec::smallvec![buffer], aval, Placement { sharding, committed }))
    });
    outs.collect()
}

/// First order for every set of operands; second order for the whole set.
fn check_derivatives(case: &Case, args: &[Array], wrt: &[usize], order: usize) -> Result<()> {
    let f = |args: &[Array]| -> Result<Vec<Array>> { Ok((case.f)(args)) };
    let mut draw = Draw::new(0xd1ff);
    let all: Vec<Option<Array>> =
        (0..args.len()).map(|i| wrt.contains(&i).then(|| draw.like(&args[i]))).collect();
    // Each operand alone, and all together.
    let mut sets: Vec<Vec<Option<Array>>> = vec![all.clone()];
    if wrt.len() > 1 {
        sets.extend(
            wrt.iter()
                .map(|i| (0..args.len()).map(|j| if j == *i { all[j].clone() } else { None }).collect()),
        );
    }
    for tangents in &sets {
        let nonzero: Vec<bool> = tangents.iter().map(Option::is_some).collect();
        let context = format!("with tangents of operands {nonzero:?}");
        check_first_order(case, &f, args, tangents, &nonzero).map_err(|e| e.context(context))?;
    }
    if order < 2 {
        return Ok(());
    }
    let pushed = |args: &[Array]| -> Result<Vec<Array>> {
        let (outs, tangents) = jvp(f, args, &all)?;
        Ok(inexact(outs.iter().zip(tangents).map(|(y, dy)| instantiate(dy, y))))
    };
    check_jvp(case, &pushed, args, &all).map_err(|e| e.context("second order: jvp of the jvp"))?;
    if case.reverse {
        let nonzero: Vec<bool> = all.iter().map(Option::is_some).collect();
        let cts: Vec<Array> = inexact(case.call(args)?).iter().map(|y| draw.like(y)).collect();
        let gradient = |args: &[Array]| gradient(&f, args, &nonzero, &cts);
        check_jvp(case, &gradient, args, &all).map_err(|e| e.context("second order: jvp of the gradient"))?;
    }
    Ok(())
}

/// In the operands' own dtypes: tangents have the type of their results, cotangents that of their operands.
fn check_tangent_types(case: &Case) -> Result<()> {
    let wrt = case.differentiated();
    if wrt.is_empty() {
        return Ok(());
    }
    let f = |args: &[Array]| -> Result<Vec<Array>> { Ok((case.f)(args)) };
    let mut draw = Draw::new(0x7e57);
    let nonzero: Vec<bool> = (0..case.args.len()).map(|i| wrt.contains(&i)).collect();
    let tangents: Vec<Option<Array>> =
        case.args.iter().zip(&nonzero).map(|(x, nz)| nz.then(|| draw.like(x))).collect();
    let (outs, out_tangents) = jvp(f, &case.args, &tangents).map_err(|e| e.context("jvp"))?;
    for (y, dy) in outs.iter().zip(out_tangents) {
        if let Some(dy) = dy
            && dy.aval() != y.aval()
        {
            bail!(Internal, "jvp: a tangent is {:?} for a result {:?}", dy.aval(), y.aval());
        }
    }
    if !case.reverse {
        return Ok(());
    }
    let cts: Vec<Array> = inexact(outs).iter().map(|y| draw.like(y)).collect();
    let back = gradient(&f, &case.args, &nonzero, &cts).map_err(|e| e.context("transpose"))?;
    for (ct, v) in back.iter().zip(tangents.iter().flatten()) {
        if ct.aval() != v.aval() {
            bail!(Internal, "transpose: a cotangent is {:?} for an operand {:?}", ct.aval(), v.aval());
        }
    }
    Ok(())
}

fn inexact(xs: impl IntoIterator<Item = Array>) -> Vec<Array> {
    xs.into_iter().filter(|x| x.dtype().is_inexact()).collect()
}

/// Cotangents of the operands marked in `nonzero`; `cts` has one entry for each result of inexact dtype.
fn gradient(
    f: &dyn Fn(&[Array]) -> Result<Vec<Array>>,
    args: &[Array],
    nonzero: &[bool],
    cts: &[Array],
) -> Result<Vec<Array>> {
    let (linear, ()) = linearize(|args| Ok((f(args)?, ())), args, nonzero)?;
    let mut cts = cts.iter();
    let mut cts_out = Vec::new();
    for (y, nz) in linear.primals_out.iter().zip(&linear.nonzero_out) {
        let ct = if y.dtype().is_inexact() { cts.next().cloned() } else { None };
        if *nz {
            cts_out.push(ct);
        }
    }
    let found = backward_pass(&linear.jaxpr, &cts_out)?;
    let operands = args.iter().zip(nonzero).filter(|(_, nz)| **nz).map(|(x, _)| x);
    Ok(operands.zip(found).map(|(x, ct)| instantiate(ct, x)).collect())
}

fn check_first_order(
    case: &Case,
    f: &dyn Fn(&[Array]) -> Result<Vec<Array>>,
    args: &[Array],
    tangents: &[Option<Array>],
    nonzero: &[bool],
) -> Result<()> {
    let found = check_jvp(case, f, args, tangents)?;
    let (linear, ()) =
        linearize(|args| Ok((f(args)?, ())), args, nonzero).map_err(|e| e.context("linearize"))?;
    let values: Vec<Array> = tangents.iter().flatten().cloned().collect();
    let applied = apply_linear(&linear.jaxpr, &values).map_err(|e| e.context("linearize"))?;
    let mut applied = applied.into_iter();
    let mut pushed = Vec::new();
    for (y, nz) in linear.primals_out.iter().zip(&linear.nonzero_out) {
        let dy = if *nz { applied.next() } else { None };
        if y.dtype().is_inexact() {
            pushed.push(instantiate(dy, y));
        } else if nz == &true {
            bail!(Internal, "linearize: a result of dtype {} has a tangent", y.dtype());
        }
    }
    same(&pushed, &found, 1e4).map_err(|e| e.context("linearize = jvp"))?;
    if !case.reverse {
        return Ok(());
    }
    let mut draw = Draw::new(0xc07a);
    let cts: Vec<Array> = found.iter().map(|dy| draw.like(dy)).collect();
    let back = gradient(f, args, nonzero, &cts).map_err(|e| e.context("transpose"))?;
    for (x, v) in back.iter().zip(&values) {
        if x.aval() != v.aval() {
            bail!(Internal, "transpose: a cotangent is {:?} for an operand {:?}", x.aval(), v.aval());
        }
    }
    let (left, right) = (pairing(&cts, &found)?, pairing(&back, &values)?);
    if left.is_nan() || !close(left, right, 1e-8) {
        bail!(Internal, "transpose: <ct, J v> = {left}, but <J^T ct, v> = {right}");
    }
    Ok(())
}

/// The tangents of the results of inexact dtype, which must be the central differences.
fn check_jvp(
    case: &Case,
    f: &dyn Fn(&[Array]) -> Result<Vec<Array>>,
    args: &[Array],
    tangents: &[Option<Array>],
) -> Result<Vec<Array>> {
    const EPS: f64 = 1e-5;
    let (outs, out_tangents) = jvp(f, args, tangents).map_err(|e| e.context("jvp"))?;
    let plain = catch(|| f(args))?;
    same(&outs, &plain, 1e4).map_err(|e| e.context("results of jvp"))?;
    let at = |eps: f64| -> Result<Vec<Array>> {
        let shifted = args.iter().zip(tangents).map(|(x, dx)| match dx {
            None => Ok(x.clone()),
            Some(dx) => axpy(eps, dx, x),
        });
        let shifted = shifted.collect::<Result<Vec<_>>>()?;
        Ok(inexact(catch(|| f(&shifted))?))
    };
    let (above, below) = (at(EPS)?, at(-EPS)?);
    let mut found = Vec::new();
    for (y, dy) in outs.iter().zip(out_tangents) {
        if !y.dtype().is_inexact() {
            if dy.is_some() {
                bail!(Internal, "jvp: a result of dtype {} has a tangent", y.dtype());
            }
            continue;
        }
        if let Some(dy) = &dy
            && dy.aval() != y.aval()
        {
            bail!(Internal, "jvp: a tangent is {:?} for a result {:?}", dy.aval(), y.aval());
        }
        found.push(instantiate(dy, y));
    }
    for (i, dy) in found.iter().enumerate() {
        let (hi, lo) = (components(&above[i])?, components(&below[i])?);
        for (j, got) in components(dy)?.into_iter().enumerate() {
            let want = (hi[j] - lo[j]) / (2.0 * EPS);
            let scale = 1.0 + got.abs().max(want.abs()) + 1e-5 * hi[j].abs();
            let off = (got - want).abs();
            if off.is_nan() || off > case.rtol * scale {
                bail!(Internal, "jvp: result {i}[{j}] has tangent {got}, by central differences {want}");
            }
        }
    }
    Ok(found)
}
