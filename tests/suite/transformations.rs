//! The transformations and their compositions.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};

use raxla::prelude::*;
use raxla::{config, lax};

fn f32s(x: &Array) -> Vec<f32> {
    x.to_vec::<f32>().unwrap()
}

#[test]
fn a_side_effect_happens_while_tracing_and_never_again() {
    let n = Arc::new(AtomicI32::new(0));
    let counter = n.clone();
    let count = jit(move || Array::from(counter.fetch_add(1, Relaxed) + 1));
    let values: Vec<i32> = (0..3).map(|_| count().unwrap().item().unwrap()).collect();
    assert_eq!(values, [1, 1, 1]);
    assert_eq!(n.load(Relaxed), 1);
}

#[test]
fn explicit_state_is_traced_and_compiled_once() {
    fn count(n: Array) -> (Array, Array) {
        let one = Array::from(1);
        (lax::add(&n, &one), lax::add(&n, &one))
    }
    let count = jit(count);
    let mut state = Array::from(0);
    let mut values = Vec::new();
    for _ in 0..3 {
        let value;
        (value, state) = count(state).unwrap();
        values.push(value.item::<i32>().unwrap());
    }
    assert_eq!(values, [1, 2, 3]);
    let stats = count.cache_stats();
    assert_eq!((stats.traces, stats.compiles, stats.hits, stats.misses), (1, 1, 2, 1));
}

#[test]
fn without_jit_side_effects_happen_at_each_call() {
    let n = Arc::new(AtomicI32::new(0));
    let counter = n.clone();
    let count = jit(move || Array::from(counter.fetch_add(1, Relaxed) + 1));
    let values: Vec<i32> =
        config::with_disable_jit(true, || (0..3).map(|_| count().unwrap().item().unwrap()).collect());
    assert_eq!(values, [1, 2, 3]);
}

#[test]
fn perturbations_are_not_confused() {
    let f = |x: &Array| -> Result<Array> {
        let x = x.clone();
        let outer = x.clone();
        let inner = grad(move |y: &Array| lax::add(&outer, y))(&Array::from(1.0))?;
        Ok(lax::mul(&x, &inner))
    };
    assert_eq!(grad(f)(&Array::from(1.0)).unwrap().item::<f32>().unwrap(), 1.0);
    assert_eq!(jit(grad(jit(f)))(&Array::from(1.0)).unwrap().item::<f32>().unwrap(), 1.0);
}

#[test]
fn transformations_nest_in_any_order() {
    let f = |x: &Array| lax::reduce_sum(&lax::mul(&lax::sin(x), x), [0]);
    let x = Array::from([0.5f32, 1.5]);
    let expected: Vec<f32> = [0.5f32, 1.5].iter().map(|x| x.cos() * x + x.sin()).collect();
    let close = |a: Vec<f32>| a.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-6);
    assert!(close(f32s(&grad(f)(&x).unwrap())));
    assert!(close(f32s(&jit(grad(f))(&x).unwrap())));
    assert!(close(f32s(&grad(jit(f))(&x).unwrap())));
    assert!(close(f32s(&jit(grad(jit(f)))(&x).unwrap())));
    let xs = Array::from([[0.5f32, 1.5], [0.5, 1.5]]);
    let rows = f32s(&jit(vmap(jit(grad(jit(f)))))(&xs).unwrap());
    assert!(close(rows[..2].to_vec()) && close(rows[2..].to_vec()));
    let per_example = jit(vmap(f));
    let total = move |xs: &Array| -> Result<Array> { Ok(lax::reduce_sum(&per_example(xs)?, [0])) };
    let rows = f32s(&grad(total)(&xs).unwrap());
    assert!(close(rows[..2].to_vec()) && close(rows[2..].to_vec()));
    let (y, dy) = jvp(jit(f), (&x,), (Array::from([1.0f32, 0.0]),)).unwrap();
    assert!((dy.item::<f32>().unwrap() - expected[0]).abs() < 1e-6);
    let (y2, pull) = vjp(f, (&x,)).unwrap();
    assert_eq!(y.item::<f32>().unwrap(), y2.item::<f32>().unwrap());
    let (x_bar,) = pull(&Array::from([1.0f32]).reshape_for_test()).unwrap();
    assert!(close(f32s(&x_bar)));
    let (_, f_jvp) = linearize(f, (x,)).unwrap();
    assert!((f_jvp(&Array::from([1.0f32, 0.0])).unwrap().item::<f32>().unwrap() - expected[0]).abs() < 1e-6);
}

#[test]
fn forward_mode_of_a_transformation_that_knows_its_arguments() {
    // `grad` differentiates its first argument, `vmap_with` maps some: under `jvp` and `vjp` they still tell them apart.
    let f = |p: &(Array, Vec<Array>), x: &Array| lax::mul(&lax::mul(&p.0, &p.1[0]), &lax::mul(x, x));
    let p = || (Array::from(2.0f32), vec![Array::from(3.0f32)]);
    let x = || Array::from(5.0f32);
    let zero = || (Array::from(0.0f32), vec![Array::from(0.0f32)]);
    let (_, (d0, d1)) = jvp(grad(f), (p(), x()), (zero(), Array::from(1.0f32))).unwrap();
    assert_eq!((f32s(&d0), f32s(&d1[0])), (vec![30.0], vec![20.0]));
    let (_, pull) = vjp(grad(f), (p(), x())).unwrap();
    let ((a, b), c) = pull(&(Array::from(1.0f32), vec![Array::from(0.0f32)])).unwrap();
    assert_eq!((f32s(&a), f32s(&b[0]), f32s(&c)), (vec![0.0], vec![25.0], vec![30.0]));
    let rows = vmap_with(|x: &Array, y: &Array| lax::mul(x, y), VmapOptions::new().in_axes((0, None)));
    let xs = || Array::from([1.0f32, 2.0]);
    let (_, dy) = jvp(rows, (xs(), x()), (xs(), Array::from(1.0f32))).unwrap();
    assert_eq!(f32s(&dy), [6.0, 12.0]);
}

trait ReshapeForTest {
    fn reshape_for_test(&self) -> Array;
}
impl ReshapeForTest for Array {
    fn reshape_for_test(&self) -> Array {
        lax::reshape(self, ())
    }
}

#[test]
fn a_captured_array_is_an_input_not_a_constant() {
    let w = Array::from([2.0f32, 3.0]);
    let f = jit(move |x: &Array| lax::mul(x, &w));
    let x = Array::from([1.0f32, 1.0]);
    assert_eq!(f32s(&f(&x).unwrap()), [2.0, 3.0]);
    let lowered = f.lower()(&x).unwrap();
    assert!(!lowered.as_text().contains("dense<"), "{}", lowered.as_text());
    assert_eq!(f32s(&lowered.compile().unwrap()(&x).unwrap()), [2.0, 3.0]);
    println!("{}", lowered.as_text());
}

#[test]
fn a_closure_over_an_outer_tracer_is_right_the_second_time() {
    let f = jit(|x: &Array, y: &Array| -> Result<Array> {
        let x = x.clone();
        let g = jit(move |y: &Array| lax::add(&x, y));
        Ok(lax::mul(&g(y)?, &g(y)?))
    });
    let at = |x: f32, y: f32| f(&Array::from(x), &Array::from(y)).unwrap().item::<f32>().unwrap();
    assert_eq!((at(1.0, 2.0), at(2.0, 3.0)), (9.0, 25.0));
}

#[test]
fn owned_arguments_are_donated_unless_shared() {
    let f = jit(|x: Array, y: Array| (lax::add(&x, &y), lax::mul(&x, &y)));
    let (x, y) = (Array::from([1.0f32, 2.0]), Array::from([3.0f32, 4.0]));
    let held = x.clone();
    let (sum, product) = f(x, y.clone()).unwrap();
    assert_eq!((f32s(&sum), f32s(&product)), (vec![4.0, 6.0], vec![3.0, 8.0]));
    assert_eq!((f32s(&held), f32s(&y)), (vec![1.0, 2.0], vec![3.0, 4.0]));
    let twice = Array::from([5.0f32, 6.0]);
    let (sum, product) = f(twice.clone(), twice).unwrap();
    assert_eq!((f32s(&sum), f32s(&product)), (vec![10.0, 12.0], vec![25.0, 36.0]));
}

#[test]
fn control_flow_on_concrete_values_works_in_grad() {
    let f = |x: &Array| -> Result<Array> { Ok(if x.truth()? { lax::mul(x, x) } else { x.clone() }) };
    assert_eq!(grad(f)(&Array::from(3.0)).unwrap().item::<f32>().unwrap(), 6.0);
    let error = jit(f)(&Array::from(3.0)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TracerBoolConversion);
    println!("{error}");
}

#[test]
fn eight_threads_call_one_jitted_function() {
    let f = jit(|x: &Array| lax::mul(&lax::sin(x), x));
    let x = Array::from([0.5f32; 16]);
    let expected = 0.5f32.sin() * 0.5;
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..100 {
                    assert!((f32s(&f(&x).unwrap())[7] - expected).abs() < 1e-6);
                }
            });
        }
    });
    assert_eq!((f.cache_stats().traces, f.cache_stats().compiles), (1, 1));
}

#[test]
fn lowered_operations_come_from_the_line_of_their_own_equation() {
    fn inner(x: &Array) -> Array {
        x * 3.0
    }
    let f = jit(|x: &Array| {
        let y = jit(inner)(x)?;
        lax::fori_loop(
            0,
            lax::convert_element_type(&y, DType::I32),
            |_: Array, y: Array| lax::sin(&y),
            y.clone(),
        )
    });
    let module = f.lower()(&Array::from(1.0)).unwrap().as_text().to_owned();
    let source = include_str!("transformations.rs");
    let line_of = |what: &str| {
        let at =
            module.lines().find(|line| line.contains(what)).unwrap_or_else(|| panic!("no {what}: {module}"));
        let number = at.rsplit_once("loc(#loc").map(|(_, n)| n.trim_end_matches(')')).unwrap_or("?");
        let definition = format!("#loc{number} = loc(\"tests/suite/transformations.rs\":");
        let line =
            module.lines().find_map(|line| line.strip_prefix(&definition)).unwrap_or_else(|| panic!("{at}"));
        source.lines().nth(line.split(':').next().unwrap().parse::<usize>().unwrap() - 1).unwrap().trim()
    };
    assert_eq!(line_of("multiply"), "x * 3.0");
    assert_eq!(line_of("call"), "let y = jit(inner)(x)?;");
    assert_eq!(line_of("sine"), "|_: Array, y: Array| lax::sin(&y),");
}
