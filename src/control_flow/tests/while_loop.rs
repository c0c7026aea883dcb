use crate::control_flow::testing::{f32s, grad, jit, vmap};
use crate::control_flow::{fori_loop, while_loop};
use crate::core::array::Array;
use crate::error::{ErrorKind, OrThrow, Result};
use crate::interpreters::jvp::jvp;
use crate::lax::testing::{case, check_rules};
use crate::lax::{self, add, cos, lt, mul, sin};

/// `x ← sin(x) w` until `i` reaches `n`.
fn repeat(n: &Array, x: &Array, w: &Array) -> Array {
    let (n, w) = (n.clone(), w.clone());
    let more = |(i, _): &(Array, Array)| lt(i, &n);
    let body = |(i, x): (Array, Array)| (add(&i, &Array::scalar(1i32)), mul(&sin(&x), &w));
    while_loop(more, body, (Array::scalar(0i32), x.clone())).or_throw().1
}

#[test]
fn while_satisfies_the_rules_of_forward_mode() {
    let operands = [Array::scalar(3i32), Array::from([0.5f32, 1.0]), Array::from([1.5f32, -2.0])];
    check_rules([case("while", operands, |x| repeat(&x[0], &x[1], &x[2])).forward_only()]);
}

#[test]
fn mapped_loops_run_for_as_long_as_each_needs() {
    let f = |a: &[Array]| Ok(vec![repeat(&a[0], &a[1], &a[2])]);
    let args = [Array::from([0i32, 1, 3]), Array::scalar(0.5f32), Array::from([2.0f32, 3.0])];
    let twice = |x: f32, w: f32, n: i32| (0..n).fold(x, |x, _| x.sin() * w);
    let expected: Vec<f32> = [0, 1, 3].iter().flat_map(|n| [2.0, 3.0].map(|w| twice(0.5, w, *n))).collect();
    let inner = |a: &[Array]| vmap(f, a, &[None, None, Some(0)]);
    let outer = |a: &[Array]| vmap(inner, a, &[Some(0), None, None]);
    for found in [outer(&args), jit(outer, &args)] {
        let found = found.unwrap();
        assert_eq!(found[0].shape(), [3, 2]);
        for (x, y) in f32s(&found[0]).iter().zip(&expected) {
            assert!((x - y).abs() < 1e-6, "{found:?} {expected:?}");
        }
    }
    // The other way round the mapped condition is inside.
    let inner = |a: &[Array]| vmap(f, a, &[Some(0), None, None]);
    let found = vmap(inner, &args, &[None, None, Some(0)]).unwrap();
    let found = f32s(&lax::transpose(&found[0], [1, 0]));
    assert!(found.iter().zip(&expected).all(|(x, y)| (x - y).abs() < 1e-6), "{found:?} {expected:?}");
}

#[test]
fn jvp_of_a_loop_whose_tangents_grow() {
    // JAX: testWhileLoopJvp with growing nonzero tangents. The tangent of `a` reaches `c` after two iterations.
    let f = |x: &[Array]| -> Result<Vec<Array>> {
        let body = |(i, a, b, c): (Array, Array, Array, Array)| {
            (add(&i, &Array::scalar(1i32)), a.clone(), mul(&a, &a), add(&b, &c))
        };
        let more = |c: &(Array, Array, Array, Array)| lt(&c.0, &Array::scalar(4i32));
        let one = || Array::scalar(1.0f32);
        let (_, _, _, c) = while_loop(more, body, (Array::scalar(0i32), x[0].clone(), one(), one()))?;
        Ok(vec![c])
    };
    let three = Array::scalar(3.0f32);
    let (ys, dys) = jvp(f, std::slice::from_ref(&three), &[Some(Array::scalar(1.0f32))]).unwrap();
    // c = 1 + 1 + 3 a² and its derivative 6 a.
    assert_eq!(ys[0].item::<f32>().unwrap(), 29.0);
    assert_eq!(dys[0].as_ref().unwrap().item::<f32>().unwrap(), 18.0);
}

#[test]
fn reverse_mode_of_while_is_an_error_that_says_what_to_use() {
    let f = |x: &[Array]| Ok(vec![repeat(&Array::scalar(3i32), &x[0], &x[1])]);
    let args = [Array::scalar(0.5f32), Array::scalar(2.0f32)];
    for e in [grad(f, &args), jit(|a| grad(f, a), &args), grad(|a| jit(f, a), &args)] {
        let e = e.unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Differentiation);
        assert!(
            e.message().contains("reverse-mode differentiation does not work for lax::while_loop")
                && e.message().ends_with("Try using lax::scan, or using fori_loop with static start/stop"),
            "{e}"
        );
    }
}

#[test]
fn fori_loop_with_known_bounds_has_gradients() {
    let f = |x: &[Array]| {
        let w = x[1].clone();
        let body = |i: Array, x: Array| {
            let i = lax::convert_element_type(&i, x.dtype());
            cos(&add(&mul(&x, &w), &i))
        };
        fori_loop(1, 4, body, x[0].clone()).or_throw()
    };
    check_rules([case("fori_loop", [Array::scalar(0.5f32), Array::scalar(0.8f32)], f)]);
    let empty = fori_loop(4, 1, |_: Array, x: Array| add(&x, &x), Array::scalar(1.0f32)).unwrap();
    assert_eq!(empty.item::<f32>().unwrap(), 1.0);
}

#[test]
fn fori_loop_with_traced_bounds_is_a_while_loop() {
    let f =
        |a: &[Array]| Ok(vec![fori_loop(0, &a[0], |i: Array, x: Array| add(&x, &i), Array::scalar(0i32))?]);
    let found = jit(f, &[Array::scalar(5i32)]).unwrap();
    assert_eq!(found[0].item::<i32>().unwrap(), 10);
    let found = vmap(f, &[Array::from([0i32, 3, 5])], &[Some(0)]).unwrap();
    assert_eq!(found[0].to_vec::<i32>().unwrap(), [0, 3, 10]);
    let e = fori_loop(0.5, 3, |_: Array, x: Array| x, Array::scalar(0i32)).unwrap_err();
    assert!(
        e.message().starts_with("fori_loop: lower and upper must be integers of one dtype, got f32"),
        "{e}"
    );
}

#[test]
fn the_condition_must_be_a_boolean_scalar() {
    let x = Array::from([1.0f32; 3]);
    let e = while_loop(|x: &Array| x.clone(), |x: Array| x, x.clone()).unwrap_err();
    assert_eq!(e.message(), "while_loop: cond_fun must return a boolean scalar, but got output type f32[3]");
    let e = while_loop(|_: &Array| Array::from(true), |_: Array| Array::from([1.0f32; 4]), x).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Carry);
    assert!(
        e.message()
            .starts_with("while_loop body function carry input and carry output must have equal types"),
        "{e}"
    );
    assert!(e.location().unwrap().file().ends_with("tests/while_loop.rs"), "{e}");
}
