//! `debug_nans` and `debug_infs`: the operation and the line that gave what is no number.

use raxla::config::{with_debug_infs, with_debug_nans};
use raxla::prelude::*;
use raxla::{Error, ErrorKind, Result, lax, numpy as jnp, try_};

fn says(error: &Error, op: &str, line: u32) {
    assert_eq!(error.kind(), ErrorKind::FloatingPoint, "{error}");
    assert!(error.to_string().contains(op), "{error}");
    let location = error.location().unwrap();
    assert!(location.file().ends_with("debug_nans.rs") && location.line() == line, "{error}: {location}");
}

#[test]
fn an_operation_that_gives_nan_is_named_with_its_line() {
    let x = Array::from([1.0f32, -1.0]);
    let line = line!() + 1;
    let error = with_debug_nans(true, || try_(|| lax::log(&x))).unwrap_err();
    says(&error, "log", line);
    // Without the setting, and of an argument, it is a value like any other.
    assert!(lax::log(&x).to_vec::<f32>().unwrap()[1].is_nan());
    with_debug_nans(true, || assert_eq!(lax::abs(&x).to_vec::<f32>().unwrap(), [1.0, 1.0]));
}

#[test]
fn the_operation_inside_of_a_jitted_function_is_named_with_its_line() {
    let line = line!() + 2;
    let f = jit(|x: &Array| {
        let y = jnp::sqrt(x - 2.0);
        jnp::exp(y) * 3.0
    });
    let x = Array::from([3.0f32, 1.0]);
    assert!(f(&x).is_ok());
    let error = with_debug_nans(true, || f(&x)).unwrap_err();
    says(&error, "sqrt", line);
    // Nested, differentiated, mapped.
    let g = jit(move |x: &Array| Ok(jnp::sum(f(x)?, ..)));
    says(&with_debug_nans(true, || g(&x)).unwrap_err(), "sqrt", line);
    says(&with_debug_nans(true, || jit(grad(g.clone()))(&x)).unwrap_err(), "sqrt", line);
    // What is right stays right.
    let fine = with_debug_nans(true, || g(&Array::from([3.0f32, 2.0]))).unwrap();
    assert_eq!(fine.item::<f32>().unwrap(), g(&Array::from([3.0f32, 2.0])).unwrap().item::<f32>().unwrap());
}

#[test]
fn a_donated_argument_is_there_to_find_the_operation() {
    let line = line!() + 1;
    let f = jit(|x: Array| jnp::log(x + 1.0));
    let error = with_debug_nans(true, || f(Array::from([-2.0f32, 0.0]))).unwrap_err();
    says(&error, "log", line);
    let y = with_debug_nans(true, || f(Array::from([0.0f32, 0.0]))).unwrap();
    assert_eq!(y.to_vec::<f32>().unwrap(), [0.0, 0.0]);
}

#[test]
fn infinite_values_are_another_setting() {
    let f = jit(|x: &Array| 1.0 / x);
    let zero = Array::from(0.0f32);
    assert!(with_debug_nans(true, || f(&zero)).is_ok());
    let line = line!() - 3;
    says(&with_debug_infs(true, || f(&zero)).unwrap_err(), "div", line);
}

#[test]
fn all_dtypes_with_nan_are_looked_through() -> Result<()> {
    for dtype in [DType::F16, DType::BF16, DType::F32, DType::C64] {
        let x = Array::from([0.0f32, 1.0]).astype(dtype);
        let zero = jnp::zeros_like(&x);
        let error = with_debug_nans(true, || try_(|| &x / &zero)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FloatingPoint, "{dtype}");
    }
    let error = with_debug_nans(true, || {
        let body = |x: Array, _: Array| -> Result<(Array, ())> { Ok((jnp::sqrt(x - 1.0), ())) };
        lax::scan(body, Array::from(1.0f32), jnp::arange(3)).map(|(x, ())| x)
    });
    assert!(error.unwrap_err().to_string().contains("scan"));
    Ok(())
}
