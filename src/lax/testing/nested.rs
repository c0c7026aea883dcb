//! A function inside of other transformations has the derivatives that it has alone.

use super::host::{axpy, example, same, stack};
use super::{Case, Draw, gradient, inexact, run};
use crate::calls::checkpoint::checkpoint;
use crate::control_flow::{scan, testing};
use crate::core::array::Array;
use crate::core::primitive::BatchDim;
use crate::error::Result;
use crate::interpreters::partial_eval::trace_to_jaxpr;

/// Examples along the mapped axis, and steps of the loop.
const SIZE: usize = 2;

type Flat<'a> = dyn Fn(&[Array]) -> Result<Vec<Array>> + 'a;

/// The gradient of the jitted, the recomputed, the batched and the scanned function, and the batched and the scanned gradient: with
/// `jit` inside of each, and all of them in one program beside the gradients of the function itself.
pub(super) fn check_nested(case: &Case, args: &[Array], wrt: &[usize]) -> Result<()> {
    let n = args.len();
    let nonzero: Vec<bool> = (0..n).map(|i| wrt.contains(&i)).collect();
    let mapped: Vec<usize> = (0..n).filter(|i| case.can_map(*i)).collect();
    let mut draw = Draw::new(0x4e57);
    let results = case.call(args)?;
    let cts: Vec<Array> = inexact(results.iter().cloned()).iter().map(|y| draw.like(y)).collect();
    let all: Vec<Array> = args.iter().chain(&cts).cloned().collect();
    let dims: Vec<BatchDim> = (0..all.len()).map(|i| (i >= n || mapped.contains(&i)).then_some(0)).collect();
    let mut examples: Vec<Vec<Array>> = Vec::new();
    for k in 0..SIZE {
        let one = all.iter().zip(&dims).map(|(x, dim)| dim.map_or(Ok(x.clone()), |_| example(x, k)));
        examples.push(one.collect::<Result<Vec<_>>>()?);
    }
    let over_examples = |i: usize| match dims[i] {
        None => Ok(all[i].clone()),
        Some(axis) => stack(&examples.iter().map(|x| x[i].clone()).collect::<Vec<_>>(), axis),
    };
    let over_examples = (0..all.len()).map(over_examples).collect::<Result<Vec<_>>>()?;

    let plain = |args: &[Array]| -> Result<Vec<Array>> { Ok((case.f)(args)) };
    let jitted = |args: &[Array]| testing::jit(plain, args);
    // What has effects is not computed again.
    let avals: Vec<_> = args.iter().map(Array::aval).collect();
    let is_pure = trace_to_jaxpr(&avals, plain)?.jaxpr.effects().is_empty();
    let kept = |args: &[Array]| {
        if !is_pure {
            return jitted(args);
        }
        checkpoint(|args: &Vec<Array>| -> Result<Vec<Array>> { jitted(args) })(&args.to_vec())
    };
    let batched = |args: &[Array]| testing::vmap(jitted, args, &dims[..n]);
    let scanned = |args: &[Array]| looped(&kept, args, &dims[..n]);
    let of = |f: &Flat, all: &[Array]| gradient(f, &all[..n], &nonzero, &all[n..]);
    let of_jitted = |all: &[Array]| of(&jitted, all);

    // Which function, of which operands, and what its gradients are beside those of the function itself.
    let mut transformed: Vec<(&str, Box<Flat>, &[Array], Expected)> = vec![
        ("the gradient of jit", Box::new(of_jitted), &examples[0], Expected::First),
        ("the gradient of checkpoint", Box::new(|all| of(&kept, all)), &examples[0], Expected::First),
        (
            "vmap of the gradient",
            Box::new(|all| testing::vmap(of_jitted, all, &dims)),
            &over_examples,
            Expected::Each,
        ),
        (
            "scan of the gradient",
            Box::new(|all| looped(&of_jitted, all, &dims)),
            &over_examples,
            Expected::Each,
        ),
    ];
    if dims[..n].iter().any(Option::is_some) {
        transformed.push((
            "the gradient of vmap",
            Box::new(|all| of(&batched, all)),
            &over_examples,
            Expected::Sum,
        ));
        transformed.push((
            "the gradient of scan",
            Box::new(|all| of(&scanned, all)),
            &over_examples,
            Expected::Sum,
        ));
    }
    let mut operands: Vec<Array> = examples.concat();
    transformed.iter().for_each(|(_, _, of, _)| operands.extend_from_slice(of));
    let avals: Vec<_> = operands.iter().map(Array::aval).collect();
    let closed = trace_to_jaxpr(&avals, |operands| {
        let mut rest = operands.chunks(all.len());
        let mut outs = Vec::new();
        for example in rest.by_ref().take(SIZE) {
            outs.extend(of(&plain, example)?);
        }
        for ((name, f, ..), operands) in transformed.iter().zip(rest) {
            outs.extend(f(operands).map_err(|e| e.context(name))?);
        }
        Ok(outs)
    })?;
    let outs = run(closed, &operands)?;
    let mut outs = outs.chunks(wrt.len());
    let [first, second] = [outs.next(), outs.next()].map(Option::unwrap_or_default);
    for ((name, _, _, expected), found) in transformed.iter().zip(outs) {
        let expected: Vec<Array> = (first.iter().zip(second).zip(wrt))
            .map(|((a, b), operand)| match expected {
                Expected::First => Ok(a.clone()),
                Expected::Sum if dims[*operand].is_none() => axpy(1.0, b, a),
                Expected::Each | Expected::Sum => stack(&[a.clone(), b.clone()], 0),
            })
            .collect::<Result<_>>()?;
        same(found, &expected, case.loose.max(1e3)).map_err(|e| e.context(name))?;
    }
    Ok(())
}

/// What the gradients of a transformed function are.
#[derive(Clone, Copy)]
enum Expected {
    /// Those at the first example.
    First,
    /// Those at each example.
    Each,
    /// Those at each example, summed for operands that are not mapped.
    Sum,
}

/// `f` at each example, by a loop.
fn looped(f: &Flat, args: &[Array], dims: &[BatchDim]) -> Result<Vec<Array>> {
    let xs: Vec<Array> =
        args.iter().zip(dims).filter(|(_, dim)| dim.is_some()).map(|(x, _)| x.clone()).collect();
    let step = |(), xs: Vec<Array>| -> Result<((), Vec<Array>)> {
        let mut xs = xs.into_iter();
        let args =
            args.iter().zip(dims).map(|(x, dim)| dim.and_then(|_| xs.next()).unwrap_or_else(|| x.clone()));
        Ok(((), f(&args.collect::<Vec<_>>())?))
    };
    let ((), ys) = scan(step, (), xs)?;
    Ok(ys)
}
