//! Printed jaxprs, letter by letter as JAX 0.10.2 prints them: tests/fixtures/jaxprs.json, made by
//! tests/oracle/jaxprs.py.

use std::collections::BTreeMap;

use raxla::custom_derivatives::custom_jvp as with_jvp;
use raxla::prelude::*;
use raxla::{lax, nn, numpy as jnp};

fn x3() -> Array {
    Array::from([0.0f32; 3])
}
fn x23() -> Array {
    Array::from([[0.0f32; 3]; 2])
}
fn x34() -> Array {
    Array::from([[0.0f32; 4]; 3])
}
fn s() -> Array {
    Array::scalar(0.0f32)
}
/// A plain number of JAX's type `float32`, which is not weak.
fn strong(x: f32) -> Array {
    Array::scalar(x)
}
fn double(x: &Array) -> Array {
    lax::add(x, x)
}

fn cases() -> Vec<(&'static str, String)> {
    let mut all = Vec::new();
    macro_rules! case {
        ($name:literal, ($($arg:expr),*), $f:expr) => {
            all.push(($name, make_jaxpr($f)($(&$arg),*).map_or_else(|e| e.to_string(), |j| j.to_string())));
        };
    }
    case!("identity", (x3()), |x: &Array| x.clone());
    case!("unused_argument", (x3(), s()), |x: &Array, _: &Array| (x.clone(), x.clone()));
    case!("no_arguments", (), || lax::add(&Array::from(1.0), &Array::from(2.0)));
    case!("iota", (), || lax::broadcasted_iota(DType::I32, &[2, 3], 1));
    case!("literal", (s()), |x: &Array| (lax::add(x, &strong(1.5)), lax::mul(x, &strong(2.0))));
    case!("weak_literal", (x3()), |x: &Array| lax::add(&lax::mul(x, &strong(2.0)), &strong(1.0)));
    case!("dead_equation", (x3()), |x: &Array| {
        lax::sin(x);
        lax::cos(x)
    });
    case!("thirty_variables", (s()), |x: &Array| (0..30).fold(x.clone(), |x, _| lax::sin(&x)));
    case!("dot_general", (x23(), x34()), |x: &Array, y: &Array| {
        lax::dot_general(x, y, ((&[1], &[0]), (&[], &[])), None, None)
    });
    case!("reduce_sum", (x23()), |x: &Array| lax::reduce_sum(x, &[0, 1]));
    case!("broadcast_in_dim", (x3()), |x: &Array| lax::broadcast_in_dim(x, &[2, 3], &[1]));
    case!("reshape", (x23()), |x: &Array| lax::reshape(x, &[3, 2]));
    case!("transpose", (x23()), |x: &Array| lax::transpose(x, &[1, 0]));
    case!("slice", (x23()), |x: &Array| lax::slice(x, &[0, 1], &[2, 3], None));
    case!("strided_slice", (x23()), |x: &Array| lax::slice(x, &[0, 0], &[2, 3], Some(&[1, 2])));
    case!("pad", (x3()), |x: &Array| lax::pad(x, strong(0.0), &[(1, 2, 0)]));
    case!("concatenate", (x3(), x3()), |x: &Array, y: &Array| lax::concatenate(&[x, y], 0));
    case!("convert_element_type", (x3()), |x: &Array| lax::convert_element_type(x, DType::I32));
    case!("select", (x3(), x3()), |x: &Array, y: &Array| lax::select(&lax::lt(x, y), x, y));
    case!("rev", (x23()), |x: &Array| lax::rev(x, &[1]));
    case!("argmax", (x23()), |x: &Array| lax::argmax(x, 1, DType::I32));
    case!("integer_pow", (s()), |x: &Array| lax::integer_pow(x, 3));
    case!("nested_jit", (s()), |x: &Array| jit(double)(&lax::sin(x)));
    case!("shared_jit", (s()), |x: &Array| -> Result<Array> {
        let f = jit(double);
        f(&f(x)?)
    });
    fn outer(x: &Array) -> Result<Array> {
        Ok(lax::sin(&jit(double)(x)?))
    }
    case!("jit_in_jit", (s()), |x: &Array| jit(outer)(x));
    case!("scan", (s(), x3()), |c: &Array, xs: &Array| {
        lax::scan(|c: Array, x: Array| (lax::add(&c, &x), lax::mul(&c, &x)), c.clone(), xs.clone())
    });
    case!("scan_captures", (s()), |c: &Array| -> Result<Array> {
        let options = lax::ScanOptions { length: Some(4), ..Default::default() };
        Ok(lax::scan_with(|a: Array, ()| (lax::mul(&a, c), ()), c.clone(), (), options)?.0)
    });
    case!("cond", (s()), |x: &Array| {
        let (sin, cos) = (|x: Array| lax::sin(&x), |x: Array| lax::cos(&lax::neg(&x)));
        lax::cond(lax::gt(x, &strong(0.0)), sin, cos, x.clone())
    });
    case!("while_loop", (s()), |x: &Array| {
        lax::while_loop(
            |x: &Array| lax::lt(x, &strong(10.0)),
            |x: Array| lax::add(&x, &strong(1.0)),
            x.clone(),
        )
    });
    case!("fori_loop", (s()), |x: &Array| lax::fori_loop(
        0,
        3,
        |_: Array, x: Array| lax::mul(&x, &x),
        x.clone()
    ));
    fn f(x: &Array) -> Array {
        lax::sin(x)
    }
    case!("custom_jvp", (x3()), |x: &Array| {
        with_jvp(f, |(x,): (Array,), (dx,): (Array,)| (lax::sin(&x), dx))(x)
    });
    case!("grad", (s()), |x: &Array| grad(|x: &Array| lax::mul(&lax::sin(x), x))(x));
    case!("jvp", (x3(), x3()), |x: &Array, dx: &Array| jvp(f, (x.clone(),), (dx.clone(),)));
    case!("vmap", (x23()), |x: &Array| vmap(double)(x));
    case!("relu", (x23()), |x: &Array| nn::relu(x));
    case!("relu6", (x3()), |x: &Array| nn::relu6(x));
    case!("silu", (x3()), |x: &Array| nn::silu(x));
    case!("softmax", (x23()), |x: &Array| nn::softmax(x, -1));
    case!("log_softmax", (x23()), |x: &Array| nn::log_softmax(x, -1));
    case!("grad_of_relu", (x3()), |x: &Array| grad(|x: &Array| jnp::sum(nn::relu(x), ..))(x));
    case!("vmap_of_relu", (x23()), |x: &Array| vmap(|x: &Array| nn::relu(x))(x));
    all
}

#[test]
fn jaxprs_print_as_in_jax() {
    let text = std::fs::read_to_string("tests/fixtures/jaxprs.json").unwrap();
    let expected: BTreeMap<String, String> = serde_json::from_str(&text).unwrap();
    let mut wrong = Vec::new();
    for (name, found) in cases() {
        if found != expected[name] {
            wrong.push(format!("{name}: ours\n{found}\nJAX's\n{}\n", expected[name]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(cases().len(), expected.len());
}
