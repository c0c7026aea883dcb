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
//! axis, gives what a loop gives; jvps of the jvp and of the gradient are their central differences.

mod draw;

pub(crate) use draw::{Draw, FLOATS, INEXACTS, INTEGERS};

use smallvec::SmallVec;

use crate::core::array::{Array, Repr};
use crate::core::config::with_x64;
use crate::core::eval;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::BatchDim;
use crate::core::scalar::Scalar;
use crate::dtype::DType;
use crate::error::{Result, bail, catch};
use crate::interpreters::backward_pass::{apply_linear, backward_pass};
use crate::interpreters::batching::batch;
use crate::interpreters::jvp::{instantiate, jvp};
use crate::interpreters::linearize::linearize;
use crate::interpreters::partial_eval::{convert_constvars, trace_to_jaxpr};

/// What a function under test may return.
pub(crate) trait Outputs {
    fn list(self) -> Vec<Array>;
}
impl Outputs for Array {
    fn list(self) -> Vec<Array> {
        vec![self]
    }
}
impl Outputs for Vec<Array> {
    fn list(self) -> Vec<Array> {
        self
    }
}
impl<const N: usize> Outputs for [Array; N] {
    fn list(self) -> Vec<Array> {
        self.into()
    }
}
impl Outputs for (Array, Array) {
    fn list(self) -> Vec<Array> {
        vec![self.0, self.1]
    }
}

/// A function, its arguments, and which checks apply.
pub(crate) struct Case {
    name: String,
    args: Vec<Array>,
    f: Box<dyn Fn(&[Array]) -> Vec<Array>>,
    /// Order of derivatives that are checked: 0, 1 or 2.
    order: usize,
    reverse: bool,
    vmap: bool,
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
pub(crate) fn message_of<O: Outputs>(f: impl FnOnce() -> O) -> String {
    match catch(|| Ok(f().list())) {
        Ok(_) => "no error".to_owned(),
        Err(e) => e.message().to_owned(),
    }
}

/// A case with every check on.
pub(crate) fn case<O: Outputs>(
    name: &str,
    args: impl IntoIterator<Item = Array>,
    f: impl Fn(&[Array]) -> O + 'static,
) -> Case {
    Case {
        name: name.to_owned(),
        args: args.into_iter().collect(),
        f: Box::new(move |args| f(args).list()),
        order: 2,
        reverse: true,
        vmap: true,
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
    /// Relative tolerance of derivatives against central differences (1e-5 by default).
    pub(crate) fn derivative_rtol(mut self, rtol: f64) -> Self {
        self.rtol = rtol;
        self
    }

    /// The operands that are differentiated.
    fn differentiated(&self) -> Vec<usize> {
        match &self.wrt {
            Some(wrt) => wrt.clone(),
            None => (0..self.args.len()).filter(|i| self.args[*i].dtype().is_inexact()).collect(),
        }
    }

    fn call(&self, args: &[Array]) -> Result<Vec<Array>> {
        catch(|| Ok((self.f)(args)))
    }
}

/// Checks the rules of the primitives that the cases use; panics with every failure.
#[track_caller]
pub(crate) fn check_rules(cases: impl IntoIterator<Item = Case>) {
    let failures: Vec<String> = cases
        .into_iter()
        .filter_map(|case| {
            let avals: Vec<String> = case.args.iter().map(|x| format!("{:?}", x.aval())).collect();
            let error = check_case(&case).err()?;
            Some(format!("{} on ({}): {error}", case.name, avals.join(", ")))
        })
        .collect();
    assert!(failures.is_empty(), "check_rules:\n  {}", failures.join("\n  "));
}

fn check_case(case: &Case) -> Result<()> {
    let wide = case.args.iter().any(|x| canonical_is_narrower(x.dtype()));
    with_x64(wide, || -> Result<()> {
        let eager = case.call(&case.args).map_err(|e| e.context("eager"))?;
        check_jit(case, &eager).map_err(|e| e.context("jit"))?;
        if case.vmap {
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
        if wrt.is_empty() { Ok(()) } else { check_derivatives(case, &args, &wrt) }
    })
}

fn canonical_is_narrower(dtype: DType) -> bool {
    matches!(dtype, DType::I64 | DType::U64 | DType::F64 | DType::C128)
}

/// The same in the dtype of 64-bit components, if it is inexact.
fn widened(x: &Array) -> Result<Array> {
    let dtype = match x.dtype() {
        d if d.is_float() => DType::F64,
        d if d.is_complex() => DType::C128,
        _ => return Ok(x.clone()),
    };
    let bytes = x.to_bytes()?;
    let size = x.dtype().size();
    let wide = bytes.chunks_exact(size).map(|b| Scalar::from_bytes(x.dtype(), b).convert(dtype));
    let wide: Vec<u8> = wide.flat_map(|s| s.bytes().into_iter().take(dtype.size())).collect();
    Array::from_bytes(&wide, dtype, x.shape())
}

/// Aval of the trace = aval of the execution; jit = eager.
fn check_jit(case: &Case, eager: &[Array]) -> Result<()> {
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
    let jitted = run(closed, &case.args)?;
    same(&jitted, eager, case.loose)
}

/// Compiles and runs a jaxpr.
fn run(closed: crate::core::jaxpr::ClosedJaxpr, args: &[Array]) -> Result<Vec<Array>> {
    let (jaxpr, consts) = convert_constvars(closed);
    let args: Vec<Array> = consts.into_iter().chain(args.iter().cloned()).collect();
    let mut ctx = LoweringCtx::default();
    ctx.write_function("main", true, &jaxpr, &[], &[])?;
    let text = ctx.finish("jit_check_rules", 1);
    let device = eval::common_device(args.iter())?;
    let executable = eval::compile_text(&text, device).map_err(|e| e.context(&text))?;
    let buffers = args.iter().map(|x| eval::buffer_on(x, device)).collect::<Result<Vec<_>>>()?;
    let refs: Vec<_> = buffers.iter().map(|b| b.buffer()).collect();
    let outs = executable.execute(&refs, &[])?;
    let outs = outs.into_iter().zip(jaxpr.out_avals()).map(|(buffer, aval)| {
        let (dtype, dims) = (buffer.dtype()?, buffer.dims()?);
        if dtype != aval.dtype || dims.as_slice() != aval.shape.as_slice() {
            bail!(Internal, "aval {aval:?}, but executed: {dtype}{dims:?}");
        }
        Ok(Array::on_device(buffer, aval, device))
    });
    outs.collect()
}

/// Batching = a loop, for every set of mapped operands and every place of the axis.
fn check_vmap(case: &Case) -> Result<()> {
    const SIZE: usize = 2;
    const MAX_COMBINATIONS: usize = 60;
    let can_map = |i: usize| case.mapped.as_ref().is_none_or(|m| m.contains(&i));
    let choices: Vec<Vec<BatchDim>> = (case.args.iter().enumerate())
        .map(|(i, x)| {
            let places = 0..=if can_map(i) { x.ndim() } else { 0 };
            std::iter::once(None).chain(places.filter(|_| can_map(i)).map(Some)).collect()
        })
        .collect();
    let total: usize = choices.iter().map(Vec::len).product();
    // Too many: a fixed stride through them still meets every choice of every operand.
    let stride = (total / MAX_COMBINATIONS).max(1) | 1;
    let mut examples: Vec<Vec<Array>> = Vec::new();
    for k in 0..SIZE {
        let args = case.args.iter().map(|x| example(x, k)).collect::<Result<Vec<_>>>()?;
        examples.push(args);
    }
    for n in (1..total).step_by(stride) {
        let mut rest = n;
        let mut dims: Vec<BatchDim> = Vec::new();
        for choice in &choices {
            dims.push(choice[rest % choice.len()]);
            rest /= choice.len();
        }
        let context = || format!("vmap with in_axes {dims:?}");
        let args = case.args.iter().enumerate().map(|(i, x)| match dims[i] {
            None => Ok(x.clone()),
            Some(axis) => stack(&examples.iter().map(|e| e[i].clone()).collect::<Vec<_>>(), axis),
        });
        let args = args.collect::<Result<Vec<_>>>()?;
        let (outs, out_dims, ()) = batch(|args| Ok(((case.f)(args), ())), &args, &dims, None, SIZE)
            .map_err(|e| e.context(context()))?;
        for (k, example) in examples.iter().enumerate() {
            let one: Vec<Array> = (0..args.len())
                .map(|i| if dims[i].is_some() { &example[i] } else { &args[i] }.clone())
                .collect();
            let expected = case.call(&one)?;
            let found = outs.iter().zip(&out_dims).map(|(x, dim)| match dim {
                Some(axis) => take(x, *axis, k),
                None => Ok(x.clone()),
            });
            let found = found.collect::<Result<Vec<_>>>()?;
            same(&found, &expected, case.loose)
                .map_err(|e| e.context(format!("{}, example {k}", context())))?;
        }
    }
    Ok(())
}

/// The `k`th example of a mapped operand: other values, from the same set as far as it has several.
fn example(x: &Array, k: usize) -> Result<Array> {
    let size = x.dtype().size();
    let mut bytes = x.to_bytes()?;
    if x.size() == 1 && k > 0 {
        let s = Scalar::from_bytes(x.dtype(), &bytes);
        let other = match x.dtype() {
            DType::Bool => Scalar::from_i128(DType::Bool, 1 - s.to_i128()),
            d if d.is_integer() => Scalar::from_i128(d, s.to_i128() + k as i128),
            d => Scalar::from_f64(d, s.to_f64() * 0.75),
        };
        bytes = other.bytes()[..size].to_vec();
    } else {
        let len = bytes.len().max(1);
        bytes.rotate_right(k * size % len);
    }
    let out = Array::from_bytes(&bytes, x.dtype(), x.shape())?;
    Ok(with_weak_type(out, x.weak_type()))
}

fn with_weak_type(x: Array, weak_type: bool) -> Array {
    match x.0 {
        Repr::Device(d) if weak_type => match std::sync::Arc::into_inner(d) {
            Some(d) => Array::on_device(d.buffer, d.aval.with_weak_type(true), d.device),
            None => unreachable!("a fresh array is not shared"),
        },
        other => Array(other),
    }
}

/// Stacks host copies along a new axis.
pub(crate) fn stack(parts: &[Array], axis: usize) -> Result<Array> {
    let first = &parts[0];
    let inner: usize = first.shape()[axis..].iter().product::<usize>() * first.dtype().size();
    let outer: usize = first.shape()[..axis].iter().product();
    let bytes = parts.iter().map(Array::to_bytes).collect::<Result<Vec<_>>>()?;
    let mut out = Vec::new();
    for i in 0..outer {
        bytes.iter().for_each(|b| out.extend_from_slice(&b[i * inner..(i + 1) * inner]));
    }
    let mut shape = first.shape().to_vec();
    shape.insert(axis, parts.len());
    Ok(with_weak_type(Array::from_bytes(&out, first.dtype(), &shape)?, first.weak_type()))
}

/// Element `k` along an axis, as a host copy.
pub(crate) fn take(x: &Array, axis: usize, k: usize) -> Result<Array> {
    let mut shape = x.shape().to_vec();
    let n = shape.remove(axis);
    let inner: usize = shape[axis..].iter().product::<usize>() * x.dtype().size();
    let outer: usize = shape[..axis].iter().product();
    let bytes = x.to_bytes()?;
    let chunks = (0..outer).flat_map(|i| &bytes[(i * n + k) * inner..(i * n + k + 1) * inner]);
    let bytes: Vec<u8> = chunks.copied().collect();
    Ok(with_weak_type(Array::from_bytes(&bytes, x.dtype(), &shape)?, x.weak_type()))
}

/// First order for every set of operands; second order for the whole set.
fn check_derivatives(case: &Case, args: &[Array], wrt: &[usize]) -> Result<()> {
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
    if case.order < 2 {
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
            && dy.aval() != y.aval().with_weak_type(false)
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
    if !((left - right).abs() <= 1e-8 * (1.0 + left.abs().max(right.abs()))) {
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
            && dy.aval() != y.aval().with_weak_type(false)
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
            if !((got - want).abs() <= case.rtol * scale) {
                bail!(Internal, "jvp: result {i}[{j}] has tangent {got}, by central differences {want}");
            }
        }
    }
    Ok(found)
}

/// `x + a v` on the host.
fn axpy(a: f64, v: &Array, x: &Array) -> Result<Array> {
    let sum: Vec<f64> = components(x)?.iter().zip(components(v)?).map(|(x, v)| x + a * v).collect();
    let bytes: Vec<u8> = sum.iter().flat_map(|x| x.to_le_bytes()).collect();
    Array::from_bytes(&bytes, x.dtype(), x.shape())
}

/// The real numbers that an array is made of.
pub(crate) fn components(x: &Array) -> Result<Vec<f64>> {
    let dtype = x.dtype();
    let bytes = x.to_bytes()?;
    let elements = bytes.chunks_exact(dtype.size()).map(|b| Scalar::from_bytes(dtype, b));
    Ok(elements
        .flat_map(|s| {
            let mut parts: SmallVec<[f64; 2]> = SmallVec::new();
            parts.push(s.to_f64());
            if dtype.is_complex() {
                parts.push(s.imag());
            }
            parts
        })
        .collect())
}

/// JAX's pairing of cotangents and tangents: the real part of the sum of products, without a conjugate.
fn pairing(cts: &[Array], tangents: &[Array]) -> Result<f64> {
    let mut sum = 0.0;
    for (ct, v) in cts.iter().zip(tangents) {
        let (a, b) = (components(ct)?, components(v)?);
        let complex = v.dtype().is_complex();
        sum += a
            .iter()
            .zip(&b)
            .enumerate()
            .map(|(i, (a, b))| if complex && i % 2 == 1 { -a * b } else { a * b })
            .sum::<f64>();
    }
    Ok(sum)
}

/// Are these the same arrays, up to rounding? Integers, `bool` and the kinds of NaN and infinity must agree exactly.
pub(crate) fn same(found: &[Array], expected: &[Array], loose: f64) -> Result<()> {
    if found.len() != expected.len() {
        bail!(Internal, "{} results, expected {}", found.len(), expected.len());
    }
    for (i, (x, y)) in found.iter().zip(expected).enumerate() {
        if x.aval() != y.aval() {
            bail!(Internal, "result {i} is {:?}, expected {:?}", x.aval(), y.aval());
        }
        let tolerance = loose
            * match x.dtype().real() {
                DType::BF16 => 2e-2,
                DType::F16 => 3e-3,
                DType::F32 => 2e-6,
                DType::F64 => 1e-14,
                _ => {
                    if x.to_bytes()? != y.to_bytes()? {
                        bail!(Internal, "result {i} is {x}, expected {y}");
                    }
                    continue;
                }
            };
        for (j, (a, b)) in components(x)?.into_iter().zip(components(y)?).enumerate() {
            let close = a == b
                || (a.is_nan() && b.is_nan())
                || (a - b).abs() <= tolerance * (1.0 + a.abs().max(b.abs()));
            if !close {
                bail!(Internal, "result {i}[{j}] is {a}, expected {b}");
            }
        }
    }
    Ok(())
}
