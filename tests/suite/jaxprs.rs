//! Printed jaxprs, letter by letter as JAX 0.10.2 prints them: tests/fixtures/jaxprs.json, made by
//! tests/oracle/jaxprs.py.

use std::collections::BTreeMap;

use raxla::api::{JitOptions, jit_with};
use raxla::custom_derivatives::{custom_jvp as with_jvp, custom_vjp as with_vjp};
use raxla::prelude::*;
use raxla::{ensure_compile_time_eval, lax, nn, numpy as jnp};

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
/// A plain number of JAX's type `f32`, which is not weak.
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
    case!("iota", (), || lax::broadcasted_iota(DType::I32, [2, 3], 1));
    case!("literal", (s()), |x: &Array| (lax::add(x, &strong(1.5)), lax::mul(x, &strong(2.0))));
    case!("weak_literal", (x3()), |x: &Array| lax::add(&lax::mul(x, &strong(2.0)), &strong(1.0)));
    case!("dead_equation", (x3()), |x: &Array| {
        lax::sin(x);
        lax::cos(x)
    });
    case!("thirty_variables", (s()), |x: &Array| (0..30).fold(x.clone(), |x, _| lax::sin(&x)));
    case!("dot_general", (x23(), x34()), |x: &Array, y: &Array| {
        lax::dot_general(x, y, ((1, 0), ((), ())))
    });
    case!("reduce_sum", (x23()), |x: &Array| lax::reduce_sum(x, [0, 1]));
    case!("broadcast_in_dim", (x3()), |x: &Array| lax::broadcast_in_dim(x, [2, 3], [1]));
    case!("reshape", (x23()), |x: &Array| lax::reshape(x, [3, 2]));
    case!("transpose", (x23()), |x: &Array| lax::transpose(x, [1, 0]));
    case!("slice", (x23()), |x: &Array| lax::slice(x, (0, 1), (2, 3)));
    case!("strided_slice", (x23()), |x: &Array| {
        lax::slice_with(x, (0, 0), (2, 3), lax::SliceOptions::new().strides((1, 2)))
    });
    case!("pad", (x3()), |x: &Array| lax::pad(x, strong(0.0), [(1, 2, 0)]));
    case!("concatenate", (x3(), x3()), |x: &Array, y: &Array| lax::concatenate([x, y], 0));
    case!("convert_element_type", (x3()), |x: &Array| lax::convert_element_type(x, DType::I32));
    case!("select", (x3(), x3()), |x: &Array, y: &Array| lax::select(&lax::lt(x, y), x, y));
    case!("rev", (x23()), |x: &Array| lax::rev(x, [1]));
    case!("argmax", (x23()), |x: &Array| lax::argmax(x, 1));
    case!("integer_pow", (s()), |x: &Array| lax::integer_pow(x, 3));
    case!("nested_jit", (s()), |x: &Array| jit(double)(&lax::sin(x)));
    case!("jit_keeps_unused", (s()), |x: &Array| {
        jit_with(double, JitOptions::new().name("double").keep_unused(true))(x)
    });
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
        let options = lax::ScanOptions::new().length(4);
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
    case!("jvp", (x3(), x3()), |x: &Array, dx: &Array| jvp(f, (x,), (dx,)));
    case!("vmap", (x23()), |x: &Array| vmap(double)(x));
    case!("relu", (x23()), |x: &Array| nn::relu(x));
    case!("relu6", (x3()), |x: &Array| nn::relu6(x));
    case!("silu", (x3()), |x: &Array| nn::silu(x));
    case!("softmax", (x23()), |x: &Array| nn::softmax(x, -1));
    case!("log_softmax", (x23()), |x: &Array| nn::log_softmax(x, -1));
    case!("grad_of_relu", (x3()), |x: &Array| grad(|x: &Array| jnp::sum(nn::relu(x), ..))(x));
    case!("vmap_of_relu", (x23()), |x: &Array| vmap(|x: &Array| nn::relu(x))(x));
    more(&mut all);
    all
}

fn ints(shape: &[usize]) -> Array {
    lax::full((shape, DType::I32), 0)
}

fn more(all: &mut Vec<(&'static str, String)>) {
    macro_rules! case {
        ($name:literal, ($($arg:expr),*), $f:expr) => {
            all.push(($name, make_jaxpr($f)($(&$arg),*).map_or_else(|e| e.to_string(), |j| j.to_string())));
        };
    }
    case!("clamp", (x3()), |x: &Array| lax::clamp(&strong(0.0), x, &strong(1.0)));
    case!("dynamic_slice", (x23(), ints(&[])), |x: &Array, i: &Array| {
        lax::dynamic_slice(x, (i, i), (1, 2))
    });
    case!("sort", (x23(), x23()), |x: &Array, y: &Array| {
        let [x, y] = lax::sort(&[x, y], 1);
        vec![x, y]
    });
    case!("top_k", (x23()), |x: &Array| lax::top_k(x, 2, -1));
    case!("cumsum", (x23()), |x: &Array| {
        lax::cumsum_with(x, 1, lax::CumulativeOptions::new().reverse(true))
    });
    case!("gather", (x3(), ints(&[2, 1])), |x: &Array, i: &Array| {
        let numbers = lax::GatherDimensionNumbers {
            collapsed_slice_dims: vec![0],
            start_index_map: vec![0],
            ..Default::default()
        };
        let options = lax::GatherOptions::new().mode(lax::GatherScatterMode::Clip);
        lax::gather_with(x, i, &numbers, 1, options)
    });
    case!("select_n", (ints(&[3]), x3(), x3(), x3()), |i: &Array, x: &Array, y: &Array, z: &Array| {
        lax::select_n(i, [x, y, z])
    });
    case!("reduce_max", (x23()), |x: &Array| lax::reduce_max(x, [1]));
    case!("reduce_precision", (x3()), |x: &Array| lax::reduce_precision(x, 5, 10));
    case!("split", (x23()), |x: &Array| lax::split(x, [1, 2], 1));
    let (lhs, rhs) = (lax::full(([1, 4, 5], DType::F32), 0), lax::full(([2, 4, 3], DType::F32), 0));
    case!("convolution", (lhs, rhs), |x: &Array, w: &Array| {
        lax::conv_general_dilated(x, w, 1, lax::Padding::Same, lax::ConvOptions::new())
    });
    case!("bitcast", (x3()), |x: &Array| lax::bitcast_convert_type(x, DType::I32));
    case!("complex_parts", (x3(), x3()), |x: &Array, y: &Array| {
        let z = lax::complex(x, y);
        (lax::real(&z), lax::imag(&z), lax::conj(&z))
    });
    case!("switch", (ints(&[]), s()), |i: &Array, x: &Array| {
        let branches: [&dyn Fn(Array) -> Array; 3] =
            [&|x| lax::sin(&x), &|x| lax::cos(&x), &|x| lax::neg(&x)];
        lax::switch(i, &branches, x.clone())
    });
    case!("scan_in_scan", (s(), x23()), |c: &Array, xs: &Array| {
        let step = |c: Array, x: Array| (lax::mul(&c, &x), c);
        lax::scan(
            |c: Array, row: Array| -> Result<(Array, Array)> { lax::scan(step, c, row) },
            c.clone(),
            xs.clone(),
        )
    });
    let choose = |c: &Array, x: &Array| {
        lax::cond(lax::gt(c, x), |c: Array| lax::sin(&c), |c: Array| lax::cos(&c), c.clone())
    };
    case!("cond_in_scan", (s(), x3()), move |c: &Array, xs: &Array| {
        lax::scan(
            |c: Array, x: Array| -> Result<(Array, Array)> { Ok((choose(&c, &x)?, lax::mul(&x, &x))) },
            c.clone(),
            xs.clone(),
        )
    });
    case!("while_captures", (s(), s()), |x: &Array, y: &Array| {
        lax::while_loop(|x: &Array| lax::lt(x, y), |x: Array| lax::mul(&x, y), x.clone())
    });
    case!("jit_in_cond", (s()), |x: &Array| {
        let twice = |x: Array| jit(double)(&x);
        lax::cond(lax::gt(x, &strong(0.0)), twice, |x: Array| lax::neg(&x), x.clone())
    });
    case!("vmap_of_scan", (x23(), x3()), |c: &Array, xs: &Array| {
        let xs = xs.clone();
        vmap(move |c: &Array| -> Result<Array> {
            Ok(lax::scan(|c: Array, x: Array| (lax::mul(&c, &x), ()), c.clone(), xs.clone())?.0)
        })(c)
    });
    case!("grad_of_scan", (s(), x3()), |c: &Array, xs: &Array| {
        let xs = xs.clone();
        grad(move |c: &Array| -> Result<Array> {
            let step = |c: Array, x: Array| (lax::mul(&lax::sin(&c), &x), ());
            Ok(lax::scan(step, c.clone(), xs.clone())?.0)
        })(c)
    });
    case!("jvp_of_while", (s(), s()), |x: &Array, dx: &Array| {
        let f = |x: &Array| {
            lax::while_loop(|x: &Array| lax::lt(x, &strong(10.0)), |x: Array| lax::mul(&x, &x), x.clone())
        };
        jvp(f, (x,), (dx,))
    });
    case!("grad_of_dot", (x23(), x34()), |x: &Array, y: &Array| {
        let f = |x: &Array, y: &Array| lax::reduce_sum(&lax::dot(x, y), [0, 1]);
        raxla::vjp(f, (x, y)).and_then(|(_, pull)| pull(&strong(1.0)))
    });
    let sine = || {
        let back = |x: Array, g: Array| (lax::mul(&x, &g),);
        with_vjp(|x: &Array| lax::sin(x), |x: &Array| (lax::sin(x), x.clone()), back)
    };
    case!("grad_of_custom_vjp", (x3()), move |x: &Array| {
        grad(move |x: &Array| -> Result<Array> { Ok(lax::reduce_sum(&sine()(x)?, [0])) })(x)
    });
    case!("special", (x3()), |x: &Array| {
        let finite = lax::convert_element_type(&lax::is_finite(x), DType::F32);
        (lax::erf_inv(&lax::lgamma(&finite)), lax::integer_pow(x, -2), lax::rsqrt(x), lax::atan2(x, x))
    });
    case!("integers", (ints(&[3])), |x: &Array| {
        let both = lax::bitwise_and(&lax::bitwise_not(x), &lax::shift_left(x, x));
        (both, lax::population_count(x), lax::rem(x, x))
    });
    case!("scatters", (x3(), ints(&[2, 1]), Array::from([0.0f32; 2])), |x: &Array, i: &Array, u: &Array| {
        let numbers = lax::ScatterDimensionNumbers {
            inserted_window_dims: vec![0],
            scatter_dims_to_operand_dims: vec![0],
            ..Default::default()
        };
        let clip = lax::ScatterOptions::new().mode(lax::GatherScatterMode::Clip);
        let added = lax::scatter_add_with(&lax::scatter_add(x, i, u, &numbers), i, u, &numbers, clip);
        let replaced = lax::scatter(&added, i, u, &numbers);
        (replaced, lax::scatter_max(x, i, u, &numbers), lax::scatter_mul(x, i, u, &numbers))
    });
    case!("updates", (ints(&[3]), ints(&[2])), |x: &Array, i: &Array| {
        (x.at(i).add(1), x.at(0).min(Array::scalar(3i32)))
    });
    case!("grad_of_gather", (x3(), ints(&[2])), |x: &Array, i: &Array| {
        let i = i.clone();
        grad(move |x: &Array| jnp::sum(lax::sin(x).index(&i), ..))(x)
    });
    case!("literals", (x3()), |x: &Array| jnp::where_(jnp::greater(x, 0.1), x * 0.1, 0.1));
    case!("one_where", (x23()), |x: &Array| {
        let condition = || jnp::greater(x, 0);
        let outer = condition();
        jnp::where_(outer, jnp::where_(condition(), x, 1.0), 2.0)
    });
    case!("dce_sink", (x3()), |x: &Array| {
        lax::dce_sink(&lax::sin(x));
        x.clone()
    });
    case!("platform_dependent", (x3()), |x: &Array| {
        let branches: [(_, &dyn Fn(Array) -> Array); 2] =
            [("default", &|x| lax::cos(&x)), ("cpu", &|x| lax::sin(&x))];
        lax::platform_dependent(x.clone(), &branches)
    });
    case!("composite", (x3()), |x: &Array| {
        let sizes: Vec<lax::CompositeAttribute> = vec![1.into(), 2.into()];
        let options = lax::CompositeOptions::new().version(1).attribute("axis", -1).attribute("exact", true);
        let options = options.attribute("by", 0.5).attribute("of", "it").attribute("sizes", sizes);
        lax::composite_with(|x: &Array| lax::div(&lax::sin(x), &lax::cos(x)), "my.tangent", options)(x)
    });
    case!("compile_time_eval", (s()), |x: &Array| -> Result<Array> {
        let n = ensure_compile_time_eval(|| lax::add(&lax::sin(&strong(0.0)), &strong(2.0)));
        Ok(lax::mul(x, &strong(n.item::<f32>()?)))
    });
    case!("vmap_of_clip", (x23()), |x: &Array| vmap(|x: &Array| jnp::clip(x, 0, 1))(x));
    case!("unused_results_within", (x23()), |x: &Array| {
        jit(|x: &Array| {
            let [_, y] = lax::sort(&[x, x], 1);
            y
        })(x)
    });
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
