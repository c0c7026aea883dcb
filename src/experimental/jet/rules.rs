//! What jet makes of a primitive. JAX: `jet_rules`.
//!
//! Any primitive goes by its jvp: with `F(x, x') = jvp(f)` the Taylor series of `y = f(x)` begins with `f(x₀)` and goes on with that of
//! `F` along the path, one order lower. So what is listed here is only what can be found with less work, and a primitive that is not
//! listed is right all the same.

use std::rc::Rc;

use smallvec::SmallVec;

use super::calls;
use super::series::{angle, integer_power, minus, over, plus, power, quotient, scaled, unary};
use super::trace::{JetTrace, Series, Taylor};
use crate::calls::scatter_marked;
use crate::core::array::Array;
use crate::core::eval_jaxpr::eval_jaxpr;
use crate::core::jaxpr::Loc;
use crate::core::primitive::{Prim, Tangent};
use crate::core::small::small;
use crate::core::trace::{CustomCall, bind_at, bind1_of};
use crate::error::{ErrorKind, Result, bail, catch};
use crate::interpreters::backward_pass::apply_linear;
use crate::interpreters::custom_call::CustomDerivativeCall;
use crate::interpreters::linearize::linearize;
use crate::lax;
use crate::lax::elementwise::broadcast_tangent;
use crate::lax::{integer_exponent, literal_like};

/// Linear in their one operand, which is a float: each coefficient goes the way of the value.
const LINEAR: &[&str] = &[
    "broadcast_in_dim",
    "copy",
    "cumsum",
    "neg",
    "reduce_sum",
    "reshape",
    "rev",
    "slice",
    "split",
    "squeeze",
    "transpose",
];

/// Linear, or made of linear pieces: the derivative at the value takes each coefficient.
const PIECEWISE_LINEAR: &[&str] = &[
    "all_gather",
    "all_to_all",
    "approx_top_k",
    "complex",
    "concatenate",
    "conj",
    "convert_element_type",
    "cummax",
    "cummin",
    "device_put",
    "dynamic_slice",
    "dynamic_update_slice",
    "fft",
    "gather",
    "imag",
    "max",
    "min",
    "name",
    "optimization_barrier",
    "pad",
    "ppermute",
    "psum",
    "real",
    "reduce_max",
    "reduce_min",
    "reduce_precision",
    "reduce_scatter",
    "reduce_window_max",
    "reduce_window_min",
    "reduce_window_sum",
    "rem",
    "scatter",
    "scatter-add",
    "scatter-max",
    "scatter-min",
    "scatter-sub",
    "select_and_gather_add",
    "select_and_scatter_add",
    "select_n",
    "sort",
    "top_k",
];

/// Linear in each of their two operands.
const BILINEAR: &[&str] = &["conv_general_dilated", "dot_general", "mul"];

/// The results of a primitive, some of whose operands change along the path.
pub(super) fn apply(trace: &Rc<JetTrace>, prim: &Prim, args: &[Taylor], loc: Loc) -> Result<Vec<Taylor>> {
    let name = prim.name();
    if LINEAR.contains(&name) {
        return linear(prim, args, loc);
    }
    if PIECEWISE_LINEAR.contains(&name) {
        return piecewise_linear(prim, args, trace.order, loc);
    }
    if BILINEAR.contains(&name) {
        return Ok(bilinear(prim, args));
    }
    let value = || bind1_of(prim, &primals(args));
    let of = |series: Series, value: Array| Ok(vec![Taylor::of(value, series)]);
    match (name, args) {
        ("add" | "add_any", [x, y]) => {
            Ok(vec![termwise(value(), trace.order, |k| plus(x.terms[k].clone(), y.terms[k].clone()))])
        }
        ("sub", [x, y]) => {
            Ok(vec![termwise(value(), trace.order, |k| minus(x.terms[k].clone(), y.terms[k].clone()))])
        }
        ("div", [x, y]) => {
            let first = value();
            of(quotient(first.clone(), &x.series(), &y.series()), first)
        }
        ("pow", [x, y]) => {
            let first = value();
            of(power(x, y, first.clone()), first)
        }
        ("atan2", [y, x]) => {
            let first = value();
            of(angle(y, x, first.clone()), first)
        }
        ("integer_pow", [x]) => {
            let Some(n) = integer_exponent(prim) else { bail!(Internal, "integer_pow: no exponent") };
            let first = value();
            of(integer_power(n, x, first.clone()), first)
        }
        // The sign of zero counts as 1, as in JAX's rule.
        ("abs", [x]) if !x.primal.dtype().is_complex() => {
            let negative = lax::lt(&x.primal, &literal_like(&x.primal, 0.0));
            let turned = |dx: Array| lax::select(&negative, &lax::neg(&dx), &dx);
            Ok(vec![termwise(value(), trace.order, |k| x.terms[k].clone().map(turned))])
        }
        // Means at ties, as in JAX's rule.
        ("clamp", [_, _, _]) => {
            let bounded = |args: &[Array]| {
                let [low, x, high] = args else { bail!(Internal, "clamp: takes 3 operands") };
                Ok((vec![lax::min(&lax::max(low, x), high)], ()))
            };
            Ok(trace.run(args, bounded)?.0)
        }
        (_, [x]) => match unary(name, x, value) {
            Some(series) => match series[0].clone() {
                Some(value) => of(series, value),
                None => bail!(Internal, "{name}: a series without a value"),
            },
            None => other(trace, prim, args, loc),
        },
        _ => other(trace, prim, args, loc),
    }
}

/// What holds jaxprs is entered, and all else goes by its jvp.
fn other(trace: &Rc<JetTrace>, prim: &Prim, args: &[Taylor], loc: Loc) -> Result<Vec<Taylor>> {
    if let Some(call) = prim.as_any().downcast_ref::<CustomDerivativeCall>() {
        let entered = trace.run(args, |args| Ok((eval_jaxpr(&call.call_jaxpr, &[], args)?, ())));
        return match entered {
            Err(e) if e.kind() == ErrorKind::Differentiation => {
                by_jvp(trace.order, args, |x, dx| prim_jvp(prim, x, dx)).map_err(|_| e)
            }
            entered => Ok(entered?.0),
        };
    }
    match calls::apply(prim, args, trace.order, loc) {
        Some(outs) => outs,
        None => by_jvp(trace.order, args, |x, dx| prim_jvp(prim, x, dx)),
    }
}

fn prim_jvp(prim: &Prim, primals: &[Array], tangents: &[Tangent]) -> Result<(Vec<Array>, Vec<Tangent>)> {
    let (outs, tangents) = prim.jvp(primals, tangents)?;
    Ok((outs.into_vec(), tangents.into_vec()))
}

/// The results of a function with a custom derivative, which `enter` runs.
pub(super) fn custom(
    trace: &Rc<JetTrace>,
    call: &dyn CustomCall,
    args: &[Array],
    enter: impl FnOnce() -> Result<Vec<Array>>,
) -> Result<Vec<Array>> {
    match catch(enter) {
        Err(e) if e.kind() == ErrorKind::Differentiation => {
            let args: Vec<Taylor> = args.iter().map(|x| trace.unpack(x)).collect();
            let by_rule = || by_jvp(trace.order, &args, |x, dx| call.jvp(x, dx));
            match trace.outside(by_rule) {
                Ok(outs) => Ok(outs.into_iter().map(|out| trace.pack(out)).collect()),
                Err(_) => Err(e),
            }
        }
        outs => outs,
    }
}

fn primals(args: &[Taylor]) -> SmallVec<[&Array; 4]> {
    small(args.iter().map(|x| &x.primal))
}

/// A result whose coefficients are found one by one, in the shape of the value.
fn termwise(primal: Array, order: usize, term: impl Fn(usize) -> Tangent) -> Taylor {
    let terms = (0..order).map(|k| term(k).map(|dx| broadcast_tangent(dx, &primal))).collect();
    Taylor { primal, terms }
}

fn linear(prim: &Prim, args: &[Taylor], loc: Loc) -> Result<Vec<Taylor>> {
    let [x] = args else { bail!(Internal, "{}: takes an operand", prim.name()) };
    let outs = bind_at(prim, &[&x.primal], loc)?;
    let mut outs: Vec<Taylor> = outs.into_iter().map(|out| Taylor::constant(out, x.terms.len())).collect();
    for (k, term) in x.terms.iter().enumerate() {
        if let Some(term) = term {
            let moved = bind_at(prim, &[term], loc)?;
            outs.iter_mut().zip(moved).for_each(|(out, term)| out.terms[k] = Some(term));
        }
    }
    Ok(outs)
}

/// yₖ = f'(x₀) xₖ
fn piecewise_linear(prim: &Prim, args: &[Taylor], order: usize, loc: Loc) -> Result<Vec<Taylor>> {
    let nonzero: Vec<bool> = args.iter().map(|x| !x.is_constant()).collect();
    let values: Vec<Array> = args.iter().map(|x| x.primal.clone()).collect();
    let run = |args: &[Array]| {
        let args: SmallVec<[&Array; 4]> = args.iter().collect();
        Ok((bind_at(prim, &args, loc)?.into_vec(), ()))
    };
    let (linear, ()) = linearize(run, &values, &nonzero)?;
    let mut outs: Vec<Taylor> =
        linear.primals_out.into_iter().map(|out| Taylor::constant(out, order)).collect();
    for k in 0..order {
        if args.iter().all(|x| x.terms[k].is_none()) {
            continue;
        }
        let given = args.iter().zip(&nonzero).filter(|(_, nonzero)| **nonzero);
        let given = given.map(|(x, _)| x.terms[k].clone().unwrap_or_else(|| lax::zeros_like(&x.primal)));
        let mut found = apply_linear(&linear.jaxpr, &given.collect::<Vec<_>>())?.into_iter();
        for (out, nonzero) in outs.iter_mut().zip(&linear.nonzero_out) {
            if *nonzero {
                out.terms[k] = found.next();
            }
        }
    }
    Ok(outs)
}

/// zₖ = Σ f(xⱼ, yₖ₋ⱼ)
fn bilinear(prim: &Prim, args: &[Taylor]) -> Vec<Taylor> {
    let [x, y] = args else { return Vec::new() };
    let (x, y) = (x.series(), y.series());
    let term = |j: usize, k: usize| Some(bind1_of(prim, &[x[j].as_ref()?, y[k - j].as_ref()?]));
    let series: Series = (0..x.len()).map(|k| (0..=k).fold(None, |sum, j| plus(sum, term(j, k)))).collect();
    series[0].clone().map(|value| Taylor::of(value, series)).into_iter().collect()
}

/// The results of a function with a jvp, whose coefficients above the first are those of the jvp.
fn by_jvp(
    order: usize,
    args: &[Taylor],
    jvp: impl Fn(&[Array], &[Tangent]) -> Result<(Vec<Array>, Vec<Tangent>)>,
) -> Result<Vec<Taylor>> {
    let n = args.len();
    let lower = |x: &Taylor| Taylor { primal: x.primal.clone(), terms: x.terms[..order - 1].into() };
    let mut all: Vec<Taylor> = args.iter().map(lower).collect();
    let nonzero: Vec<bool> = args.iter().map(|x| !x.is_constant()).collect();
    for x in args.iter().filter(|x| !x.is_constant()) {
        // Coefficient k of x' is (k + 1) xₖ₊₁.
        let mut slope = x.terms.iter().enumerate().map(|(k, x)| scaled(x.clone(), (k + 1) as f64));
        let first = slope.next().flatten().unwrap_or_else(|| lax::zeros_like(&x.primal));
        all.push(Taylor { primal: first, terms: slope.collect() });
    }
    let (outs, nonzero) = JetTrace::new(order - 1).run(&all, |all| {
        let tangents = scatter_marked(&nonzero, all[n..].iter().cloned());
        let (mut outs, tangents) = jvp(&all[..n], &tangents)?;
        let nonzero: Vec<bool> = tangents.iter().map(Option::is_some).collect();
        outs.extend(tangents.into_iter().flatten());
        Ok((outs, nonzero))
    })?;
    let mut slopes = outs[nonzero.len()..].iter();
    let outs = outs.iter().zip(&nonzero).map(|(y, nonzero)| {
        let slope = if *nonzero { slopes.next() } else { None };
        let Some(slope) = slope else { return Taylor::constant(y.primal.clone(), order) };
        let terms = slope.series().into_iter().enumerate().map(|(k, dy)| over(dy, k + 1)).collect();
        Taylor { primal: y.primal.clone(), terms }
    });
    Ok(outs.collect())
}
