//! Batching = a loop: of a function, of its jvp and of its gradient.

use super::host::{example, same, stack, take};
use super::{Case, Draw, gradient, inexact, run};
use crate::core::array::Array;
use crate::core::primitive::BatchDim;
use crate::error::Result;
use crate::interpreters::batching::batch;
use crate::interpreters::jvp::{instantiate, jvp};
use crate::interpreters::partial_eval::{trace_to_jaxpr, trace_to_jaxpr_with};

/// Examples along the mapped axis.
const SIZE: usize = 2;

/// Sets of choices that are tried, or a few more.
const MAX_COMBINATIONS: usize = 24;

/// One choice for each operand, not all of them the first (which is not to map it): all sets if they are few, else so many
/// that each choice of each operand is met.
fn combinations_of(choices: &[Vec<BatchDim>]) -> Vec<Vec<BatchDim>> {
    let total: usize = choices.iter().map(Vec::len).product();
    let nth = |n: usize| {
        let mut rest = n;
        let digits = choices.iter().map(|choice| {
            let digit = rest % choice.len();
            rest /= choice.len();
            digit
        });
        digits.collect::<Vec<usize>>()
    };
    let stride = (total / MAX_COMBINATIONS).max(1) | 1;
    let mut found: Vec<Vec<usize>> = (1..total).step_by(stride).map(nth).collect();
    for (i, choice) in choices.iter().enumerate() {
        for digit in 0..choice.len() {
            if !found.iter().any(|digits| digits[i] == digit) {
                let other = |j: usize| if j == i { digit } else { (digit + j) % choices[j].len() };
                found.push((0..choices.len()).map(other).collect());
            }
        }
    }
    found.retain(|digits| digits.iter().any(|digit| *digit > 0));
    let dims =
        |digits: Vec<usize>| digits.iter().zip(choices).map(|(digit, choice)| choice[*digit]).collect();
    found.into_iter().map(dims).collect()
}

/// The operands, with those that are mapped stacked from their examples.
fn stacked(all: &[Array], dims: &[BatchDim], examples: &[Vec<Array>]) -> Result<Vec<Array>> {
    let of = |i: usize| examples.iter().map(|example| example[i].clone()).collect::<Vec<_>>();
    let operands = all.iter().zip(dims).enumerate();
    operands.map(|(i, (x, dim))| dim.map_or(Ok(x.clone()), |axis| stack(&of(i), axis))).collect()
}

/// What example `k` has of results over the mapped axis.
fn nth(outs: &[Array], dims: &[BatchDim], k: usize) -> Result<Vec<Array>> {
    outs.iter().zip(dims).map(|(x, dim)| dim.map_or(Ok(x.clone()), |axis| take(x, axis, k))).collect()
}

/// Batching = a loop, for every set of mapped operands and every place of the axis.
pub(super) fn check_vmap(case: &Case) -> Result<()> {
    let choices: Vec<Vec<BatchDim>> = (case.args.iter().enumerate())
        .map(|(i, x)| {
            let places = (0..=x.ndim()).filter(|_| case.can_map(i));
            std::iter::once(None).chain(places.map(Some)).collect()
        })
        .collect();
    let mut examples: Vec<Vec<Array>> = Vec::new();
    for k in 0..SIZE {
        let args = case.args.iter().map(|x| example(x, k)).collect::<Result<Vec<_>>>()?;
        examples.push(args);
    }
    let mut combinations: Vec<Vec<BatchDim>> = Vec::new();
    let mut args: Vec<Array> = Vec::new();
    for dims in combinations_of(&choices) {
        args.extend(stacked(&case.args, &dims, &examples)?);
        combinations.push(dims);
    }
    // All of them in one program: compilation is what takes the time.
    let context = |dims: &[BatchDim]| format!("vmap with in_axes {dims:?}");
    let avals: Vec<_> = args.iter().map(Array::aval).collect();
    let (closed, out_dims) = trace_to_jaxpr_with(&avals, |args| {
        let mut all = (Vec::new(), Vec::new());
        for (dims, args) in combinations.iter().zip(args.chunks(case.args.len())) {
            let (outs, out_dims, ()) = batch(|args| Ok(((case.f)(args), ())), args, dims, None, SIZE)
                .map_err(|e| e.context(context(dims)))?;
            all.0.extend(outs);
            all.1.push(out_dims);
        }
        Ok(all)
    })?;
    let mut outs = run(closed, &args)?.into_iter();
    for (dims, out_dims) in combinations.iter().zip(out_dims) {
        let outs: Vec<Array> = outs.by_ref().take(out_dims.len()).collect();
        for (k, example) in examples.iter().enumerate() {
            let one =
                (0..dims.len()).map(|i| if dims[i].is_some() { &example[i] } else { &case.args[i] }.clone());
            let expected = case.call(&one.collect::<Vec<_>>())?;
            same(&nth(&outs, &out_dims, k)?, &expected, case.loose)
                .map_err(|e| e.context(format!("{}, example {k}", context(dims))))?;
        }
    }
    Ok(())
}

/// vmap of the jvp and of the gradient = a loop over them, with every operand mapped that can be.
pub(super) fn check_batched_derivatives(case: &Case, args: &[Array], wrt: &[usize]) -> Result<()> {
    let f = |args: &[Array]| -> Result<Vec<Array>> { Ok((case.f)(args)) };
    let n = args.len();
    let nonzero: Vec<bool> = (0..n).map(|i| wrt.contains(&i)).collect();
    let dims: Vec<BatchDim> = (0..n).map(|i| case.can_map(i).then_some(0)).collect();
    let mut draw = Draw::new(0xba7c);
    let tangents: Vec<Array> = wrt.iter().map(|i| draw.like(&args[*i])).collect();
    let pushed = |all: &[Array]| -> Result<Vec<Array>> {
        let mut rest = all[n..].iter();
        let tangents: Vec<Option<Array>> =
            nonzero.iter().map(|nz| if *nz { rest.next().cloned() } else { None }).collect();
        let (outs, tangents) = jvp(f, &all[..n], &tangents)?;
        Ok(inexact(outs.iter().zip(tangents).map(|(y, dy)| instantiate(dy, y))))
    };
    check_loop(case, &pushed, &[args, &tangents].concat(), &dims)
        .map_err(|e| e.context("vmap of the jvp"))?;
    if !case.reverse {
        return Ok(());
    }
    let cts: Vec<Array> = inexact(case.call(args)?).iter().map(|y| draw.like(y)).collect();
    let pulled = |all: &[Array]| gradient(&f, &all[..n], &nonzero, &all[n..]);
    check_loop(case, &pulled, &[args, &cts].concat(), &dims).map_err(|e| e.context("vmap of the gradient"))
}

/// Batching `g` = a loop; operands beyond `dims` are mapped in front.
fn check_loop(
    case: &Case,
    g: &dyn Fn(&[Array]) -> Result<Vec<Array>>,
    all: &[Array],
    dims: &[BatchDim],
) -> Result<()> {
    let dims: Vec<BatchDim> = (0..all.len()).map(|i| dims.get(i).copied().unwrap_or(Some(0))).collect();
    let mut examples: Vec<Vec<Array>> = Vec::new();
    for k in 0..SIZE {
        let one = all.iter().zip(&dims).map(|(x, dim)| dim.map_or(Ok(x.clone()), |_| example(x, k)));
        examples.push(one.collect::<Result<Vec<_>>>()?);
    }
    let args = stacked(all, &dims, &examples)?;
    let avals: Vec<_> = args.iter().map(Array::aval).collect();
    let (closed, out_dims) = trace_to_jaxpr_with(&avals, |args| {
        let (outs, out_dims, ()) = batch(|args| Ok((g(args)?, ())), args, &dims, None, SIZE)?;
        Ok((outs, out_dims))
    })?;
    let outs = run(closed, &args)?;
    let avals: Vec<_> = all.iter().map(Array::aval).collect();
    let one = trace_to_jaxpr(&avals, g)?;
    for (k, example) in examples.iter().enumerate() {
        let expected = run(one.clone(), example)?;
        same(&nth(&outs, &out_dims, k)?, &expected, case.loose.max(1e3))
            .map_err(|e| e.context(format!("example {k}")))?;
    }
    Ok(())
}
