//! `checkify`, with the messages and results that JAX gives: tests/fixtures/checkify.json, made by tests/oracle/checkify.py.

use std::collections::BTreeMap;

use raxla::api::{GradOptions, grad_with};
use raxla::custom_batching::custom_vmap;
use raxla::experimental::checkify::{
    ALL_CHECKS, CheckError, CheckifyOptions, DIV_CHECKS, ErrorCategories, FLOAT_CHECKS, NAN_CHECKS,
    USER_CHECKS, check, check_error, checkify, checkify_with, debug_check,
};
use raxla::lax::CustomLinearSolveOptions;
use raxla::prelude::*;
use raxla::{checkpoint, custom_jvp, lax, numpy as jnp};

type Found = BTreeMap<String, (Option<String>, Vec<f64>)>;

fn positive(x: &Array) -> Result<Array> {
    check(jnp::greater(x, 0), "x must be positive, got {}", x)?;
    Ok(x * 2.0)
}

fn twice(x: &Array) -> Result<Array> {
    check(jnp::greater(x, 0), "first", &())?;
    check(jnp::greater(x, 1), "second", &())?;
    Ok(x.clone())
}

fn scanned(xs: &Array) -> Result<Array> {
    let body = |c: Array, x: Array| -> Result<(Array, Array)> {
        check(jnp::not_equal(&x, 2), "x is {} at {}", &(x.clone(), c.clone()))?;
        Ok((c + 1.0, jnp::log(x)))
    };
    Ok(lax::scan(body, Array::from(0.0), xs.clone())?.1)
}

fn looped(n: &Array) -> Result<Array> {
    let cond = |(i, x): &(Array, Array)| -> Result<Array> {
        check(jnp::less(x, 20), "too large: {}", x)?;
        Ok(jnp::less(i, n))
    };
    let body = |(i, x): (Array, Array)| (i + 1, x * 2.0);
    Ok(lax::while_loop(cond, body, (Array::from(0), Array::from(8.0)))?.1)
}

fn branched(x: &Array) -> Result<Array> {
    let good = |x: Array| x + 1.0;
    let bad = |x: Array| -> Result<Array> {
        check(jnp::greater(&x, 5), "not in this branch: {}", &x)?;
        Ok(jnp::log(x - 10.0))
    };
    lax::cond(jnp::less(x, 3), good, bad, x.clone())
}

fn own(x: &Array) -> Result<Array> {
    custom_jvp(|x: &Array| jnp::log(x), |(x,): (Array,), (dx,): (Array,)| (jnp::log(x), dx * 3.0))(x)
}

fn numbers(x: &Array) -> Vec<f64> {
    x.astype(DType::F32).to_vec::<f32>().unwrap().into_iter().map(f64::from).collect()
}

fn record(found: &mut Found, name: &str, error: &CheckError, out: &Array) {
    found.insert(name.to_owned(), (error.get().unwrap(), numbers(out)));
}

macro_rules! case {
    ($found:ident, $name:literal, $f:expr, ($($arg:expr),*), $errors:expr) => {{
        let errors: ErrorCategories = $errors;
        let f = checkify_with($f, CheckifyOptions::new().errors(errors));
        let (error, out) = f($(&$arg),*).unwrap();
        record(&mut $found, concat!($name, ", eager"), &error, &out);
        let (error, out) = jit(f)($(&$arg),*).unwrap();
        record(&mut $found, concat!($name, ", jit"), &error, &out);
    }};
    ($found:ident, $name:literal, $f:expr, ($($arg:expr),*)) => {
        case!($found, $name, $f, ($($arg),*), ALL_CHECKS)
    };
}

fn x(x: f32) -> Array {
    Array::scalar(x)
}

fn errors_of_values() -> Found {
    let mut found = Found::new();
    case!(found, "check", positive, (x(-3.0)));
    case!(found, "check that holds", positive, (x(3.0)));
    case!(found, "two checks", twice, (x(-1.0)));
    case!(found, "second check", twice, (x(0.5)));
    case!(found, "check that is not looked for", positive, (x(-3.0)), NAN_CHECKS);
    let debug = |x: &Array| -> Result<Array> {
        debug_check(jnp::greater(x, 0), "debug", &())?;
        Ok(x.clone())
    };
    case!(found, "debug_check", debug, (x(-3.0)));
    case!(found, "nan", |x: &Array| jnp::sin(x), (x(f32::INFINITY)));
    case!(found, "nan that is not looked for", |x: &Array| jnp::sin(x), (x(f32::INFINITY)), USER_CHECKS);
    case!(found, "first nan", |x: &Array| jnp::cos(jnp::log(x)), (x(-1.0)));
    let div = |x: &Array, y: &Array| x / y;
    case!(found, "division", div, (x(1.0), x(0.0)));
    case!(found, "division and nan", div, (x(0.0), x(0.0)), FLOAT_CHECKS);
    case!(found, "nan of a division", div, (x(0.0), x(0.0)), NAN_CHECKS);
    let integers = |x: &Array, y: &Array| lax::div(x, y);
    case!(found, "integer division", integers, (Array::from(3), Array::from(0)), DIV_CHECKS);
    case!(found, "nan before check", |x: &Array| positive(&-jnp::exp(jnp::log(x))), (x(-1.0)));
    let check_first = |x: &Array| -> Result<Array> { Ok(jnp::log(positive(x)?)) };
    case!(found, "check before nan", check_first, (x(-1.0)));
    let three = || Array::from([1f32, 2.0, 3.0]);
    let indexed = |x: &Array, i: &Array| x.index(i);
    case!(found, "index", indexed, (three(), Array::from([0, 7, 5])));
    case!(found, "negative index", indexed, (three(), Array::from([0, -4])));
    case!(found, "index that is there", indexed, (three(), Array::from([2, -3])));
    let ones = || jnp::ones([3, 4]);
    let sliced = |x: &Array, i: &Array| lax::dynamic_slice(x, [i, i], [2, 1]);
    case!(found, "dynamic_slice", sliced, (ones(), Array::from(2)));
    let updated = |x: &Array, i: &Array| lax::dynamic_update_slice(x, &jnp::zeros([2, 1]), [i, i]);
    case!(found, "dynamic_update_slice", updated, (ones(), Array::from(3)));
    let scattered = |x: &Array, i: &Array| x.at(i).add(1.0);
    case!(found, "scatter", scattered, (jnp::ones([3]), Array::from([1, 4])));
    let nested = |x: &Array| -> Result<Array> { Ok(jit(positive)(x)? + 1.0) };
    case!(found, "nested jit", nested, (x(-1.0)));
    case!(found, "scan", scanned, (three()));
    case!(found, "nan in scan", scanned, (Array::from([1f32, -1.0, 2.0])));
    case!(found, "scan without error", scanned, (Array::from([1f32, 3.0])));
    case!(found, "while", looped, (Array::from(5)));
    case!(found, "while without error", looped, (Array::from(1)));
    case!(found, "cond", branched, (x(4.0)));
    case!(found, "nan in cond", branched, (x(6.0)));
    case!(found, "cond without error", branched, (x(1.0)));
    let several = || Array::from([1f32, -2.0, -3.0]);
    case!(found, "checkify of vmap", vmap(positive), (several()));
    case!(found, "checkify of grad", grad(check_first), (x(-1.0)));
    case!(found, "nan in a gradient", grad(|x: &Array| jnp::sqrt(x) * 0.0), (x(0.0)));
    let sine = |x: &Array| positive(&jnp::sin(x));
    case!(found, "checkpoint", checkpoint(sine), (x(-1.0)));
    case!(found, "grad of checkpoint", grad(checkpoint(sine)), (x(-1.0)));
    let plus_one = |x: &Array| -> Result<Array> { Ok(own(x)? + 1.0) };
    case!(found, "custom_jvp", plus_one, (x(-1.0)));
    case!(found, "grad of custom_jvp", grad(own), (x(-1.0)));
    let solved = |b: &Array| -> Result<Array> {
        let options = CustomLinearSolveOptions::new().symmetric(true);
        lax::custom_linear_solve_with(
            |x: Array| x * 2.0,
            b.clone(),
            |_: &dyn Fn(Array) -> Result<Array>, b: Array| b / 2.0,
            options,
        )
    };
    let nan = Array::from([1.0f32, f32::NAN]);
    case!(found, "custom_linear_solve", solved, (nan));
    case!(found, "custom_linear_solve without error", solved, (Array::from([1f32, 2.0])));
    case!(found, "inv", |x: &Array| jnp::sum(jnp::linalg::inv(x), ..), (jnp::zeros([2, 2])), FLOAT_CHECKS);
    // What is inside is not looked at, and what a mapped axis makes of it is.
    let by_hand = || {
        custom_vmap(
            |x: &Array| jnp::log(x),
            |_: usize, mapped: (Array,), (x,): (Array,)| (jnp::log(x) * 2.0, mapped.0),
        )
    };
    let opaque = by_hand();
    let plus_one = move |x: &Array| -> Result<Array> { Ok(opaque(x)? + 1.0) };
    case!(found, "custom_vmap", plus_one.clone(), (x(-1.0)), DIV_CHECKS);
    case!(found, "vmap of custom_vmap", vmap(by_hand()), (Array::from([-1f32, 1.0])));
    for (name, xs) in [("some", several()), ("none", Array::from([1f32, 2.0]))] {
        let (error, out) = vmap(checkify(positive))(&xs).unwrap();
        record(&mut found, &format!("vmap of checkify, {name}"), &error, &out);
    }
    let inner = |x: &Array| -> Result<(Array, CheckError)> {
        let (error, out) = checkify(|x: &Array| own(&positive(x)?))(x)?;
        Ok((out, error))
    };
    let (slope, error) = grad_with(inner, GradOptions::new().has_aux())(&x(-1.0)).unwrap();
    record(&mut found, "grad of checkify", &error, &slope);
    let (once, _) = checkify(positive)(&x(-1.0)).unwrap();
    let again = move |x: &Array| -> Result<Array> {
        check_error(&once)?;
        Ok(x.clone())
    };
    let (error, out) = checkify(again)(&x(1.0)).unwrap();
    record(&mut found, "check_error", &error, &out);
    found
}

#[test]
fn errors_of_values_are_those_of_jax() {
    let text = std::fs::read_to_string("tests/fixtures/checkify.json").unwrap();
    let expected: BTreeMap<String, (Option<String>, Vec<serde_json::Value>)> =
        serde_json::from_str(&text).unwrap();
    let found = errors_of_values();
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    let mut wrong = Vec::new();
    for (name, (message, out)) in found {
        let (jax, values) = &expected[&name];
        let number = |x: &serde_json::Value| match x.as_str() {
            Some(text) => text.parse::<f64>().unwrap(),
            None => x.as_f64().unwrap(),
        };
        let close = |(a, b): (&f64, f64)| a.is_nan() && b.is_nan() || *a == b || (a - b).abs() < 1e-6;
        // Digits of a payload are those that an array prints.
        let same =
            message == *jax || message.as_ref().zip(jax.as_ref()).is_some_and(|(a, b)| same_words(a, b));
        if !same || out.len() != values.len() || !out.iter().zip(values.iter().map(number)).all(close) {
            wrong.push(format!("{name}: {message:?} {out:?}, and JAX {jax:?} {values:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Are two messages the same but for the digits of numbers?
fn same_words(a: &str, b: &str) -> bool {
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let (a, b) = (words(a), words(b));
    let same = |(a, b): (&String, &String)| match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) => (a - b).abs() < 1e-6,
        _ => a == b,
    };
    a.len() == b.len() && a.iter().zip(&b).all(same)
}

#[test]
fn an_error_is_thrown_at_the_line_that_it_is_of() {
    let line = line!() + 1;
    let f = |x: &Array| jnp::log(x);
    let options = CheckifyOptions::new().errors(NAN_CHECKS);
    let (error, _) = jit(checkify_with(f, options))(&x(-1.0)).unwrap();
    let thrown = error.throw().unwrap_err();
    assert_eq!(
        (thrown.kind(), thrown.message()),
        (ErrorKind::FailedCheck, "nan generated by primitive: log.")
    );
    let at = thrown.location().unwrap();
    assert!(at.file().ends_with("checkify.rs") && at.line() == line, "{thrown}");
    assert_eq!(format!("{error:?}"), "Error(nan generated by primitive: log.)");
}

#[test]
fn a_check_outside_of_checkify_fails_at_once_or_not_at_all() {
    assert_eq!(positive(&x(1.0)).unwrap().item::<f32>().unwrap(), 2.0);
    let e = positive(&x(-1.0)).unwrap_err();
    assert_eq!(
        (e.kind(), e.message()),
        (ErrorKind::FailedCheck, "x must be positive, got -1.0 (`check` failed)")
    );
    // In a program that is compiled it has nowhere to go.
    let e = jit(positive)(&x(1.0)).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::InvalidArgument);
    assert!(e.message().contains("which was not functionalized"), "{e}");
    let e = vmap(positive)(&Array::from([1f32, -2.0, -3.0])).unwrap_err();
    assert_eq!(e.message(), "x must be positive, got -3.0 (`check` failed)");
    vmap(positive)(&Array::from([1f32, 2.0])).unwrap();
    let e = check(Array::from([true]), "", &()).unwrap_err();
    assert_eq!(e.message(), "check takes a scalar pred as argument, got bool[1]");
}

#[test]
fn errors_are_the_same_with_64_bits() {
    raxla::config::with_x64(true, || {
        let f = |x: &Array, i: &Array| x.index(i);
        let f = checkify_with(f, CheckifyOptions::new().errors(ALL_CHECKS));
        let x = Array::from([1f64, 2.0]);
        for i in [Array::from([0i64, 5]), Array::from([0i32, 5])] {
            let (error, _) = jit(f.clone())(&x, &i).unwrap();
            let message = error.get().unwrap().unwrap();
            assert!(message.contains("index 5 is out of bounds for axis 0 with size 2"), "{message}");
        }
        let (error, _) = checkify(vmap(positive))(&Array::from([1f64, -2.0, 3.0])).unwrap();
        assert_eq!(error.get().unwrap().unwrap(), "x must be positive, got -2.0 (`check` failed)");
    });
}

#[test]
fn values_that_are_known_can_be_read_under_checkify() {
    let f = |x: &Array| -> Result<Array> { Ok(if x.item::<f32>()? > 0.0 { jnp::log(x) } else { x.clone() }) };
    let (error, out) = checkify(f)(&x(1.0)).unwrap();
    assert_eq!((error.get().unwrap(), out.item::<f32>().unwrap()), (None, 0.0));
}

#[test]
fn a_while_loop_under_vmap_is_refused() {
    let f = |n: &Array| lax::while_loop(|i: &Array| jnp::less(i, n), |i: Array| i + 1, Array::from(0));
    let e =
        checkify_with(vmap(f), CheckifyOptions::new().errors(ALL_CHECKS))(&Array::from([1, 2])).unwrap_err();
    assert!(e.message().contains("does not support batched while-loops"), "{e}");
    let (error, out) = vmap(checkify(f))(&Array::from([1, 2])).unwrap();
    assert_eq!((error.get().unwrap(), out.to_vec::<i32>().unwrap()), (None, vec![1, 2]));
}
