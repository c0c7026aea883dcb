//! Control flow and custom derivatives through the public functions. Expected values are JAX's, or by hand.

use raxla::lax::{add, mul};
use raxla::prelude::*;
use raxla::{custom_jvp, custom_vjp, lax};

fn value(x: &Array) -> f32 {
    x.item::<f32>().unwrap()
}

fn close(found: f32, expected: f32) {
    assert!((found - expected).abs() <= 1e-5 * expected.abs().max(1.0), "{found}, expected {expected}");
}

#[derive(Pytree, Clone, Debug)]
struct Cell {
    weight: Array,
    bias: Array,
}

#[derive(Pytree, Clone, Debug)]
struct State {
    hidden: Array,
    steps: Array,
}

/// A recurrent cell with a state of two leaves, one of them an integer.
fn unroll(cell: &Cell, init: State, xs: &Array) -> Result<(State, Array)> {
    let cell = cell.clone();
    lax::scan(
        move |state: State, x: Array| {
            let hidden = lax::tanh(&add(&add(&mul(&cell.weight, &state.hidden), &cell.bias), &x));
            (State { hidden: hidden.clone(), steps: add(&state.steps, &Array::from(1)) }, hidden)
        },
        init,
        xs.clone(),
    )
}

fn loss(cell: &Cell, xs: &Array) -> Result<Array> {
    let init = State { hidden: Array::scalar(0.0f32), steps: Array::from(0) };
    let (state, hiddens) = unroll(cell, init, xs)?;
    assert!(!state.steps.dtype().is_float());
    Ok(add(&lax::reduce_sum(&mul(&hiddens, &hiddens), [0]), &state.hidden))
}

fn cell() -> Cell {
    Cell { weight: Array::scalar(0.5f32), bias: Array::scalar(0.1f32) }
}

fn xs() -> Array {
    Array::from([0.3f32, -0.2, 0.7, 1.1])
}

#[test]
fn a_recurrent_cell_learns_in_any_nesting_of_transformations() {
    let (weight, bias) = (0.627_981_54, 2.824_636);
    let check = |g: Cell| {
        close(value(&g.weight), weight);
        close(value(&g.bias), bias);
    };
    check(grad(loss)(&cell(), &xs()).unwrap());
    check(jit(grad(loss))(&cell(), &xs()).unwrap());
    check(grad(jit(loss))(&cell(), &xs()).unwrap());
    let batch = lax::broadcast_in_dim(&xs(), [3, 4], [1]);
    let many = vmap_with(grad(loss), VmapOptions::new().in_axes((None, 0)));
    let g = jit(many)(&cell(), &batch).unwrap();
    assert_eq!(g.weight.shape(), [3]);
    g.weight.to_vec::<f32>().unwrap().iter().for_each(|w| close(*w, weight));
}

#[test]
fn state_with_an_integer_leaf_is_carried() {
    let init = State { hidden: Array::scalar(0.0f32), steps: Array::from(0) };
    let (state, _) = unroll(&cell(), init, &xs()).unwrap();
    assert_eq!(state.steps.item::<i32>().unwrap(), 4);
}

#[test]
fn hessian_of_a_scan() {
    // f(w) = w⁴ x: f'' = 12 w² x.
    let f = |w: &Array| {
        let w = w.clone();
        let options = lax::ScanOptions::new().length(4);
        let (c, ()) =
            lax::scan_with(|c: Array, (): ()| (mul(&c, &w), ()), Array::scalar(3.0f32), (), options)?;
        Ok(c)
    };
    close(value(&hessian(f)(&Array::scalar(2.0f32)).unwrap()), 144.0);
    close(value(&jit(hessian(f))(&Array::scalar(2.0f32)).unwrap()), 144.0);
    close(value(&grad(grad(f))(&Array::scalar(2.0f32)).unwrap()), 144.0);
}

#[test]
fn a_custom_vjp_inside_of_a_scan_counts() {
    // Gradient clipping: the identity, whose cotangent is at most 1.
    let clip = custom_vjp(
        |x: &Array| x.clone(),
        |x: &Array| (x.clone(), ()),
        |(): (), ct: Array| (lax::min(&ct, &lax::full_like(&ct, 1.0)),),
    );
    let f = move |x: &Array| {
        let clip = clip.clone();
        let body = move |c: Array, k: Array| -> Result<(Array, ())> { Ok((mul(&clip(&c)?, &k), ())) };
        Ok(lax::scan(body, x.clone(), Array::from([5.0f32, 0.5, 3.0]))?.0)
    };
    let f = jit(f);
    close(value(&f(&Array::scalar(2.0f32)).unwrap()), 15.0);
    // 1 → 3 → 1 → 0.5 → 0.5 → 2.5 → 1
    close(value(&grad(&f)(&Array::scalar(2.0f32)).unwrap()), 1.0);
    let many = vmap(grad(&f))(&Array::from([1.0f32, 2.0])).unwrap();
    assert_eq!(many.to_vec::<f32>().unwrap(), [1.0, 1.0]);
}

#[test]
fn a_custom_jvp_under_jit_under_grad() {
    // log(1 + eˣ) with the derivative that does not overflow. JAX: the example of `custom_jvp`.
    let log1pexp = custom_jvp(
        |x: &Array| lax::log1p(&lax::exp(x)),
        |(x,): (Array,), (dx,): (Array,)| {
            let y = lax::log1p(&lax::exp(&x));
            let one = lax::full_like(&x, 1.0);
            let slope = lax::sub(&one, &lax::div(&one, &add(&one, &lax::exp(&x))));
            (y, mul(&slope, &dx))
        },
    );
    let x = Array::scalar(100.0f32);
    for g in [grad(&log1pexp)(&x), grad(jit(&log1pexp))(&x), jit(grad(&log1pexp))(&x)] {
        assert_eq!(value(&g.unwrap()), 1.0);
    }
    let many = vmap(jit(grad(jit(&log1pexp))))(&Array::from([0.0f32, 100.0])).unwrap();
    assert_eq!(many.to_vec::<f32>().unwrap(), [0.5, 1.0]);
    close(value(&grad(grad(&log1pexp))(&Array::scalar(0.0f32)).unwrap()), 0.25);
}

#[test]
fn newton_by_while_loop_has_forward_derivatives() {
    let sqrt = |a: &Array| {
        let a = a.clone();
        let b = a.clone();
        let half = |x: Array| mul(&x, &Array::scalar(0.5f32));
        lax::while_loop(
            |x: &Array| lax::gt(&lax::abs(&lax::sub(&mul(x, x), &a)), &Array::scalar(1e-4f32)),
            |x: Array| half(add(&x, &lax::div(&b, &x))),
            a.clone(),
        )
    };
    close(value(&jit(sqrt)(&Array::scalar(2.0f32)).unwrap()), 2f32.sqrt());
    // The derivative of the last iterate, which is as near as the condition asks for.
    let slope = value(&jacfwd(sqrt)(&Array::scalar(2.0f32)).unwrap());
    assert!((slope - 0.5 / 2f32.sqrt()).abs() < 1e-4, "{slope}");
    let many = vmap(sqrt)(&Array::from([4.0f32, 9.0, 100.0])).unwrap();
    for (x, y) in many.to_vec::<f32>().unwrap().iter().zip([2.0, 3.0, 10.0]) {
        assert!((x - y).abs() < 1e-3);
    }
    let e = grad(sqrt)(&Array::scalar(2.0f32)).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Differentiation);
}

#[test]
fn collectives_work_through_vmap_with_a_name() {
    let normalise = |x: &Array| lax::div(x, &lax::psum(x, "batch"));
    let over = vmap_with(normalise, VmapOptions::new().axis_name("batch"));
    let x = Array::from([1.0f32, 3.0]);
    assert_eq!(over(&x).unwrap().to_vec::<f32>().unwrap(), [0.25, 0.75]);
    assert_eq!(jit(&over)(&x).unwrap().to_vec::<f32>().unwrap(), [0.25, 0.75]);
    let inner = vmap_with(jit(normalise), VmapOptions::new().axis_name("batch"));
    assert_eq!(inner(&x).unwrap().to_vec::<f32>().unwrap(), [0.25, 0.75]);
    let e = jit(normalise)(&x).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::UnboundAxisName);
}

#[test]
fn errors_in_bodies_carry_the_users_line() {
    let bad = |x: &Array| {
        let body = |c: Array, x: Array| (lax::add(&c, &lax::broadcast_in_dim(&x, [4], ())), ());
        Ok(lax::scan(body, x.clone(), x.clone())?.0)
    };
    let e = jit(bad)(&Array::from([1.0f32; 3])).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Shape);
    assert!(e.location().unwrap().file().ends_with("suite/control_flow.rs"), "{e}");
    assert_eq!(e.location().unwrap().line(), line!() - 6);
}

#[test]
fn cond_and_switch_on_traced_values() {
    let f = |p: &Array, x: &Array| {
        lax::cond(p, |x: Array| -> Result<Array> { Ok(add(&x, &x)) }, |x: Array| Ok(lax::neg(&x)), x.clone())
    };
    let x = Array::scalar(3.0f32);
    close(value(&jit(f)(&Array::scalar(true), &x).unwrap()), 6.0);
    close(value(&jit(f)(&Array::scalar(false), &x).unwrap()), -3.0);
    let pick = |i: &Array, x: &Array| {
        lax::switch(i, &[&|x: Array| add(&x, &x), &|x: Array| lax::exp(&x)], x.clone())
    };
    let many = vmap_with(pick, VmapOptions::new().in_axes((0, None)));
    let found = many(&Array::from([0i32, 1, 9]), &x).unwrap();
    assert_eq!(found.to_vec::<f32>().unwrap(), [6.0, 3f32.exp(), 3f32.exp()]);
}
