//! The work of tracing, derivatives and lowering grows with the program, and no faster.

use crate::api;
use crate::control_flow::testing::{grad, jit, vmap};
use crate::core::array::Array;
use crate::core::work;
use crate::error::Result;
use crate::interpreters::jvp::jvp;
use crate::interpreters::partial_eval::trace_to_jaxpr;
use crate::lax::{self, ScanOptions, add, cos, lt, mul, sin};

type Flat = Result<Vec<Array>>;

/// Fails if tracing what `f` makes of a program of twice the size takes much more than twice the steps.
fn assert_linear(what: &str, f: impl Fn(&[Array], usize) -> Flat, leaves: fn(usize) -> usize) {
    let steps = |n| {
        let avals = vec![Array::scalar(1.0f32).aval(); leaves(n)];
        work::steps_of(|| {
            let closed = trace_to_jaxpr(&avals, |args| f(args, n)).unwrap();
            // What lowering does to it.
            closed.jaxpr.dce(&vec![true; closed.jaxpr.outvars.len()]);
        })
    };
    let [small, large] = [100, 200].map(steps);
    assert!(small > 100, "{what}: only {small} steps are counted");
    assert!(large * 10 < small * 22, "{what}: {small} steps for a size of 100, {large} for 200");
}

fn one(_: usize) -> usize {
    1
}

fn all(n: usize) -> usize {
    n
}

fn of_length(length: usize) -> ScanOptions {
    ScanOptions { length: Some(length), ..Default::default() }
}

fn chain(x: &Array, n: usize) -> Array {
    (0..n).fold(x.clone(), |x, i| if i % 2 == 0 { sin(&x) } else { mul(&x, &x) })
}

#[test]
fn twice_the_equations_take_twice_the_steps() {
    let f = |x: &[Array], n| Ok(vec![chain(&x[0], n)]);
    assert_linear("trace", f, one);
    assert_linear("grad", |x, n| grad(|x| f(x, n), x), one);
    assert_linear("grad of grad", |x, n| grad(|x| grad(|x| f(x, n), x), x), one);
    assert_linear("vmap", |x, n| vmap(|x| f(x, n), &[lax::full([3], x[0].clone())], &[Some(0)]), one);
    let lower = |n: usize| {
        let gradient =
            api::jit(move |x: &Array| Result::Ok(grad(|x| f(x, n), std::slice::from_ref(x))?[0].clone()));
        let traced = gradient.trace()(&Array::scalar(1.0f32)).unwrap();
        let eqns = traced.jaxpr().eqns.len();
        (eqns, work::steps_of(|| drop(traced.lower().unwrap())))
    };
    let [(eqns, small), (_, large)] = [100, 200].map(lower);
    assert!(eqns > 200 && small > 2 * eqns, "only {small} steps are counted for {eqns} equations");
    assert!(large * 10 < small * 22, "{small} steps to lower a size of 100, {large} for 200");
}

#[test]
fn recording_copies_no_equation_more_than_a_few_times() {
    // So many that the list outgrows the room that a thread keeps.
    let steps = |n: usize| {
        let aval = Array::scalar(1.0f32).aval();
        let run = || drop(trace_to_jaxpr(&[aval], |x| Ok(vec![chain(&x[0], n)])).unwrap());
        // Without room, and with what the first time has left.
        [work::steps_of(run), work::steps_of(run)]
    };
    let [few, many, most] = [1_000, 10_000, 100_000].map(steps);
    for [first, again] in [few, many] {
        assert!(again <= first, "{first} steps, then {again}");
    }
    assert!(many[1] * 10 < few[1] * 10 * 11, "{few:?} steps for 1,000 equations, {many:?} for 10,000");
    assert!(most[1] * 10 < few[1] * 100 * 13, "{few:?} steps for 1,000 equations, {most:?} for 100,000");
}

#[test]
fn residuals_are_found_at_once() {
    let f = |x: &[Array], n| Ok(vec![chain(&x[0], n)]);
    assert_linear("jit", |x, n| grad(|x| jit(|x| f(x, n), x), x), one);
    let in_scan = |x: &[Array], n| {
        let body = |c: Array, (): ()| (chain(&c, n), ());
        Ok(vec![lax::scan_with(body, x[0].clone(), (), of_length(3))?.0])
    };
    assert_linear("scan", |x, n| grad(|x| in_scan(x, n), x), one);
    let in_cond = |x: &[Array], n| {
        let pred = lt(&x[0], &Array::scalar(0.0f32));
        let otherwise = |x: Array| chain(&cos(&x), n);
        Ok(vec![lax::cond(pred, |x: Array| chain(&x, n), otherwise, x[0].clone())?])
    };
    assert_linear("cond", |x, n| grad(|x| in_cond(x, n), x), one);
}

#[test]
fn captured_arrays_are_found_at_once() {
    let f = |x: &[Array], _| {
        let total = |c: Array| x.iter().fold(c, |sum, x| add(&sum, x));
        let pred = lt(&x[0], &Array::scalar(0.0f32));
        Ok(vec![lax::cond(pred, total, |c: Array| sin(&total(c)), x[0].clone())?])
    };
    assert_linear("cond", |x, n| grad(|x| f(x, n), x), all);
}

/// Each carry becomes the one before it: the first reaches the last through all the others.
fn shifting_scan(x: &[Array], n: usize) -> Flat {
    let body = |mut c: Vec<Array>, (): ()| {
        c.insert(0, sin(&c[0]));
        c.pop();
        (c, ())
    };
    let mut init = vec![Array::scalar(1.0f32); n];
    init[0] = x[0].clone();
    let (carry, ()) = lax::scan_with(body, init, (), of_length(4))?;
    Ok(vec![carry[n - 1].clone()])
}

#[test]
fn carries_that_are_affected_through_many_others_are_found_at_once() {
    assert_linear("grad of scan", |x, n| grad(|x| shifting_scan(x, n), x), one);
    assert_linear(
        "vmap of scan",
        |x, n| vmap(|x| shifting_scan(x, n), &[lax::full([3], x[0].clone())], &[Some(0)]),
        one,
    );
    let in_while = |x: &[Array], n| {
        let mut init = vec![Array::scalar(1.0f32); n];
        init[0] = x[0].clone();
        let body = |(i, mut c): (Array, Vec<Array>)| {
            c.insert(0, sin(&c[0]));
            c.pop();
            (add(&i, &Array::scalar(1i32)), c)
        };
        let more = |(i, _): &(Array, Vec<Array>)| lt(i, &Array::scalar(9i32));
        let (_, carry) = lax::while_loop(more, body, (Array::scalar(0i32), init))?;
        Ok(vec![carry[n - 1].clone()])
    };
    let forward = |x: &[Array], n| {
        let (mut outs, tangents) = jvp(|x| in_while(x, n), x, &[Some(x[0].clone())])?;
        outs.extend(tangents.into_iter().flatten());
        Ok(outs)
    };
    assert_linear("jvp of while", forward, one);
    assert_linear(
        "vmap of while",
        |x, n| vmap(|x| in_while(x, n), &[lax::full([3], x[0].clone())], &[Some(0)]),
        one,
    );
}

#[test]
fn carries_are_affected_as_far_as_they_are_reached() {
    // The tangent reaches each carry, the cotangent comes back from the last, and integers have neither.
    let n = 12;
    let f = |x: &[Array]| {
        let body = |(mut c, i): (Vec<Array>, Array), (): ()| {
            c.insert(0, sin(&c[0]));
            c.pop();
            ((c, add(&i, &Array::scalar(1i32))), ())
        };
        let init = (vec![x[0].clone(); n], Array::scalar(0i32));
        let ((carry, _), ()) = lax::scan_with(body, init, (), of_length(2 * n))?;
        Ok(vec![carry[n - 1].clone()])
    };
    let x = 0.7f32;
    let (mut y, mut slope) = (x, 1.0);
    // The last carry is the first of n - 1 iterations before.
    for _ in 0..2 * n - (n - 1) {
        (y, slope) = (y.sin(), slope * y.cos());
    }
    let found = grad(f, &[Array::scalar(x)]).unwrap()[0].item::<f32>().unwrap();
    assert!((found - slope).abs() < 1e-6, "{found} {slope} {y}");
}

#[test]
fn donated_buffers_find_their_results_at_once() {
    let steps = |n: usize| {
        let update =
            api::jit(move |xs: Vec<Array>| xs.iter().map(|x| sin(x)).rev().take(n).collect::<Vec<_>>());
        // Half of them have the type of no result.
        let xs = (0..n).map(|i| Array::from_slice(&vec![1.0f32; i + 1], [i + 1])).collect::<Vec<_>>();
        let traced = update.trace()(xs).unwrap();
        work::steps_of(|| drop(traced.lower().unwrap()))
    };
    let [small, large] = [100, 200].map(steps);
    assert!(large * 10 < small * 22, "{small} steps for 100 leaves, {large} for 200");
}

#[test]
fn a_long_program_needs_no_deep_stack() {
    const N: usize = 100_000;
    let run = || {
        let f = |x: &[Array]| Ok(vec![chain(&x[0], N)]);
        let aval = Array::scalar(1.0f32).aval();
        let closed = trace_to_jaxpr(&[aval], |x| grad(f, x)).unwrap();
        assert!(closed.jaxpr.eqns.len() > 2 * N);
        assert_eq!(closed.jaxpr, closed.jaxpr.clone());
        let (thinned, _) = closed.jaxpr.dce(&[true]);
        assert!(thinned.to_string().len() > N);
    };
    // A quarter of what Rust gives a thread.
    std::thread::Builder::new().stack_size(512 << 10).spawn(run).unwrap().join().unwrap();
}
