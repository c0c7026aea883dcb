//! Derivatives along a path: against what JAX gives (`tests/oracle/jet.py`, which has the same functions), and where JAX has no rule
//! against `jvp` of `jvp`.

use std::sync::Arc;

use raxla::custom_derivatives::{custom_jvp, zero_from_primal};
use raxla::experimental::jet::jet;
use raxla::lax::linalg::{cholesky, triangular_solve};
use raxla::lax::{GatherDimensionNumbers, ScatterDimensionNumbers};
use raxla::{checkpoint, config, lax, nn, numpy as jnp, prelude::*, pure_callback};
use serde_json::Value;

use crate::quickly;

type Function = fn(&[Array]) -> Array;
type Mixed = (&'static str, Function, &'static [(&'static [usize], f64, f64)]);

fn still(x: &Array) -> Array {
    lax::stop_gradient(x)
}

fn mlp(x: &[Array]) -> Array {
    jnp::matmul(jnp::tanh(jnp::matmul(&x[3], &x[0]) + &x[1]), &x[2])
}

fn indices() -> Array {
    Array::from([[1], [0], [1]])
}

fn numbers(x: f64) -> Array {
    jnp::full(([2, 3], DType::F64), x)
}

/// What JAX has, by the names of the fixture.
const FUNCTIONS: &[(&str, Function)] = &[
    ("neg", |x| lax::neg(&x[0])),
    ("exp", |x| lax::exp(&x[0])),
    ("expm1", |x| lax::expm1(&x[0])),
    ("log", |x| lax::log(&x[0])),
    ("log1p", |x| lax::log1p(&x[0])),
    ("sqrt", |x| lax::sqrt(&x[0])),
    ("rsqrt", |x| lax::rsqrt(&x[0])),
    ("square", |x| lax::square(&x[0])),
    ("sin", |x| lax::sin(&x[0])),
    ("cos", |x| lax::cos(&x[0])),
    ("sinh", |x| lax::sinh(&x[0])),
    ("cosh", |x| lax::cosh(&x[0])),
    ("tanh", |x| lax::tanh(&x[0])),
    ("logistic", |x| lax::logistic(&x[0])),
    ("asinh", |x| lax::asinh(&x[0])),
    ("acosh", |x| lax::acosh(&x[0])),
    ("atanh", |x| lax::atanh(&x[0])),
    ("erf", |x| lax::erf(&x[0])),
    ("erfc", |x| lax::erfc(&x[0])),
    ("erf_inv", |x| lax::erf_inv(&x[0])),
    ("abs", |x| lax::abs(&x[0])),
    ("abs at 0", |x| lax::abs(&(&x[0] - still(&x[0])))),
    ("sign", |x| lax::sign(&x[0])),
    ("floor", |x| &x[0] * lax::floor(&x[0])),
    ("integer_pow 2", |x| lax::integer_pow(&x[0], 2)),
    ("integer_pow 3", |x| lax::integer_pow(&x[0], 3)),
    ("integer_pow 7", |x| lax::integer_pow(&x[0], 7)),
    ("integer_pow -2", |x| lax::integer_pow(&x[0], -2)),
    ("integer_pow at 0", |x| lax::integer_pow(&(&x[0] - still(&x[0])), 3)),
    ("pow", |x| lax::pow(&x[0], &x[1])),
    ("pow of a number", |x| lax::pow(&x[0], &Array::scalar(2.5f64))),
    ("atan2", |x| lax::atan2(&x[0], &x[1])),
    ("add", |x| lax::add(&x[0], &x[1])),
    ("add of a constant", |x| &x[0] + Array::from([0.0f64, 1.0, 2.0])),
    ("sub", |x| lax::sub(&x[0], &x[1])),
    ("mul", |x| lax::mul(&x[0], &x[1])),
    ("div", |x| lax::div(&x[0], &x[1])),
    ("rem", |x| lax::rem(&x[0], &x[1])),
    ("max", |x| lax::max(&x[0], &x[1])),
    ("max of equals", |x| lax::max(&x[0], &(&x[0] + (&x[1] - still(&x[1]))))),
    ("min", |x| lax::min(&x[0], &x[1])),
    ("clamp", |x| lax::clamp(&numbers(-0.5), &x[0], &numbers(0.5))),
    ("dot_general", |x| jnp::matmul(&x[0], &x[1])),
    ("conv", |x| lax::conv(&x[0], &x[1], [1, 1], lax::Padding::Same)),
    ("reduce_sum", |x| jnp::sum(&x[0], 1)),
    ("reduce_max", |x| lax::reduce_max(&x[0], [1])),
    ("reduce_min", |x| lax::reduce_min(&x[0], [0])),
    ("cumsum", |x| lax::cumsum(&x[0], 1)),
    ("cumprod", |x| lax::cumprod(&x[0], 1)),
    ("cummax", |x| lax::cummax(&x[0], 1)),
    ("cummin", |x| lax::cummin_with(&x[0], 1, lax::CumulativeOptions::new().reverse(true))),
    ("gather", |x| {
        let dims = GatherDimensionNumbers {
            offset_dims: vec![1],
            collapsed_slice_dims: vec![0],
            start_index_map: vec![0],
            ..Default::default()
        };
        lax::gather(&x[0], &indices(), &dims, [1, 3])
    }),
    ("scatter_add", |x| {
        let dims = ScatterDimensionNumbers {
            update_window_dims: vec![1],
            inserted_window_dims: vec![0],
            scatter_dims_to_operand_dims: vec![0],
            ..Default::default()
        };
        lax::scatter_add(&x[0], &indices(), &x[1], &dims)
    }),
    ("dynamic_slice", |x| lax::dynamic_slice(&x[0], [0, 1], [2, 2])),
    ("dynamic_update_slice", |x| lax::dynamic_update_slice(&x[0], &x[1], [0, 1])),
    ("select_n", |x| lax::select(&jnp::greater(&x[0], 0.0), &x[0], &x[1])),
    ("concatenate", |x| lax::concatenate(x, 1)),
    ("split", |x| lax::split(&x[0], [1, 2], 1).swap_remove(1)),
    ("pad", |x| lax::pad(&x[0], Array::scalar(0.0f64), [(1, 0, 1), (0, 1, 0)])),
    ("reshape", |x| lax::reshape(&x[0], [3, 2])),
    ("squeeze", |x| lax::squeeze(&x[0], [0])),
    ("transpose", |x| lax::transpose(&x[0], [1, 0])),
    ("rev", |x| lax::rev(&x[0], [1])),
    ("slice", |x| lax::slice(&x[0], [0, 1], [2, 3])),
    ("broadcast_in_dim", |x| lax::broadcast_in_dim(&x[0], [2, 4, 3], [0, 2])),
    ("reduce_window_sum", |x| lax::reduce_window_sum(&x[0], [1, 2])),
    ("fft", |x| lax::imag(&lax::fft(&lax::complex(&x[0], &x[1]), lax::FftType::Fft, [3]))),
    ("conj", |x| lax::imag(&lax::conj(&lax::square(&lax::complex(&x[0], &x[1]))))),
    ("exp of complex numbers", |x| lax::real(&lax::exp(&lax::complex(&x[0], &x[1])))),
    ("convert_element_type", |x| {
        lax::convert_element_type(&lax::convert_element_type(&x[0], DType::F32), DType::F64)
    }),
    ("stop_gradient", |x| still(&x[0]) * &x[0]),
    ("a number", |_| Array::scalar(2.0f64)),
    ("logsumexp", |x| nn::logsumexp(&x[0], 1)),
    ("softmax", |x| {
        jnp::exp(&x[0]) / jnp::sum_with(jnp::exp(&x[0]), 1, jnp::ReduceOptions::new().keepdims(true))
    }),
    ("mlp", mlp),
    ("jit", |x| jit(|x: &Array| jnp::sin(x) * x)(&x[0]).unwrap() * 2.0),
    ("jit of two", |x| jit(|x: &Array, y: &Array| jnp::exp(x) / y)(&x[0], &x[1]).unwrap()),
    ("grad", |x| grad(|x: &Array| jnp::sum(jnp::sin(x) * jnp::exp(x), ..))(&x[0]).unwrap()),
    ("grad of mlp", |x| {
        grad(|w: &Array| jnp::sum(jnp::square(jnp::tanh(jnp::matmul(&x[1], w))), ..))(&x[0]).unwrap()
    }),
    ("vmap", |x| vmap(|x: &Array, y: &Array| jnp::dot(x, jnp::sin(y)))(&x[0], &x[1]).unwrap()),
    ("composite", |x| jnp::log(jnp::exp(jnp::sin(&x[0]) / &x[1]) + 1.0) * jnp::sqrt(&x[1])),
];

fn array(x: &Value) -> Array {
    let shape: Vec<usize> = x[0].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect();
    let values: Vec<f64> = x[1].as_array().unwrap().iter().map(|n| n.as_f64().unwrap()).collect();
    Array::from_slice(&values, shape)
}

fn arrays(x: &Value) -> Vec<Array> {
    x.as_array().unwrap().iter().map(array).collect()
}

#[track_caller]
fn same(name: &str, found: &Array, wanted: &Array, tolerance: f64) {
    assert_eq!((found.shape(), found.dtype()), (wanted.shape(), wanted.dtype()), "{name}");
    let pairs = found.to_vec::<f64>().unwrap().into_iter().zip(wanted.to_vec::<f64>().unwrap());
    for (a, b) in pairs {
        assert!((a - b).abs() <= tolerance * b.abs().max(1.0), "{name}: {a} instead of {b}");
    }
}

/// The value and the terms of a function of a list of arrays.
fn jet_of(
    f: Function,
    primals: &Vec<Array>,
    series: &[Vec<Array>],
    order: usize,
) -> Result<(Array, Vec<Array>)> {
    let terms: Vec<Vec<Array>> =
        (0..order).map(|k| series.iter().map(|terms| terms[k].clone()).collect()).collect();
    jet(move |x: &Vec<Array>| f(x), (primals,), (terms,))
}

#[test]
fn series_are_those_of_jax() {
    let text = include_str!("../fixtures/jet.json");
    let cases: serde_json::Map<String, Value> = serde_json::from_str(text).unwrap();
    assert_eq!(cases.len(), FUNCTIONS.len());
    let check = || {
        for (name, f) in FUNCTIONS {
            let case = &cases[*name];
            let primals = arrays(&case["primals"]);
            let series: Vec<Vec<Array>> = case["series"].as_array().unwrap().iter().map(arrays).collect();
            for found in case["found"].as_array().unwrap() {
                let (value, terms) = (array(&found[0]), arrays(&found[1]));
                let (y, dys) = jet_of(*f, &primals, &series, terms.len()).unwrap();
                let tolerance = 1e-7;
                same(name, &y, &value, tolerance);
                for (k, (dy, term)) in dys.iter().zip(&terms).enumerate() {
                    same(&format!("{name}, term {k} of {}", terms.len()), dy, term, tolerance);
                }
            }
        }
    };
    config::with_x64(true, || quickly(check));
}

type Scalar = Arc<dyn Fn(&Array) -> Result<Array> + Send + Sync>;

fn derivative(f: Scalar) -> Scalar {
    Arc::new(move |t: &Array| {
        let f = f.clone();
        Ok(jvp(move |t: &Array| f(t), (t,), (&Array::scalar(1.0f64),))?.1)
    })
}

/// Each derivative as the jvp of the one before it.
fn nested(f: Function, primals: Vec<Array>, series: Vec<Vec<Array>>, order: usize) -> Vec<Array> {
    let path = move |t: &Array| -> Result<Array> {
        let at = primals.iter().zip(&series).map(|(x, terms)| {
            let (mut x, mut power) = (x.clone(), Array::scalar(1.0f64));
            for (k, term) in terms.iter().enumerate() {
                power = &power * t / (k + 1) as f64;
                x = &x + term * &power;
            }
            x
        });
        Ok(f(&at.collect::<Vec<_>>()))
    };
    let mut f: Scalar = Arc::new(path);
    let mut found = Vec::new();
    for _ in 0..order {
        f = derivative(f);
        found.push(
            jit({
                let f = f.clone();
                move |t: &Array| f(t)
            })(&Array::scalar(0.0f64))
            .unwrap(),
        );
    }
    found
}

const M: &[usize] = &[2, 3];
const SQUARE: &[usize] = &[3, 3];

fn symmetric(x: &Array) -> Array {
    jnp::matmul(x, jnp::matrix_transpose(x)) + jnp::eye(3) * 2.0
}

/// What JAX has no rule for.
const OTHERS: &[Mixed] = &[
    ("exp2", |x| lax::exp2(&x[0]), &[(M, -1.0, 1.0)]),
    ("tan", |x| lax::tan(&x[0]), &[(M, -1.0, 1.0)]),
    ("cbrt", |x| lax::cbrt(&x[0]), &[(M, 0.4, 1.0)]),
    ("asin", |x| lax::asin(&x[0]), &[(M, -0.7, 0.7)]),
    ("acos", |x| lax::acos(&x[0]), &[(M, -0.7, 0.7)]),
    ("atan", |x| lax::atan(&x[0]), &[(M, -1.0, 1.0)]),
    ("atan2 in all quadrants", |x| lax::atan2(&x[0], &x[1]), &[(M, -1.0, 1.0), (M, -1.0, 1.0)]),
    ("pow of negative numbers", |x| lax::pow(&x[0], &Array::from(3)), &[(M, -1.0, -0.4)]),
    ("pow by a scalar", |x| lax::pow(&x[0], &x[1]), &[(M, 0.4, 1.0), (&[], -1.0, 1.0)]),
    ("pow of a scalar", |x| lax::pow(&x[0], &lax::stop_gradient(&x[1])), &[(&[], 0.4, 1.0), (M, -1.0, 1.0)]),
    (
        "scalars",
        |x| lax::div(&lax::mul(&x[0], &x[1]), &lax::add(&x[1], &x[0])),
        &[(&[], 0.4, 1.0), (M, 0.4, 1.0)],
    ),
    ("rem of negative numbers", |x| lax::rem(&x[0], &x[1]), &[(M, -4.0, -2.0), (M, 0.7, 1.5)]),
    ("lgamma", |x| lax::lgamma(&x[0]), &[(M, 0.5, 2.0)]),
    ("digamma", |x| lax::digamma(&x[0]), &[(M, 0.5, 2.0)]),
    ("bessel", |x| lax::bessel_i0e(&x[0]) * lax::bessel_i1e(&x[0]), &[(M, 0.5, 2.0)]),
    ("logaddexp", |x| lax::logaddexp(&x[0], &x[1]), &[(M, -1.0, 1.0), (M, -1.0, 1.0)]),
    ("cumlogsumexp", |x| lax::cumlogsumexp(&x[0], 1), &[(M, -1.0, 1.0)]),
    ("reduce_prod", |x| lax::reduce_prod(&x[0], [0, 1]), &[(M, -1.0, 1.0)]),
    ("abs of complex numbers", |x| lax::abs(&lax::complex(&x[0], &x[1])), &[(M, 0.4, 1.0), (M, 0.4, 1.0)]),
    ("sort", |x| lax::sort(&x[0], 1) * lax::top_k(&x[0], 3, 1).0, &[(M, -1.0, 1.0)]),
    ("reduce_window_max", |x| lax::reduce_window_max(&x[0], [1, 2]), &[(M, -1.0, 1.0)]),
    ("cholesky", |x| cholesky(&symmetric(&x[0])), &[(SQUARE, -1.0, 1.0)]),
    ("solve", |x| jnp::linalg::solve(symmetric(&x[0]), &x[1]), &[(SQUARE, -1.0, 1.0), (&[3], -1.0, 1.0)]),
    (
        "triangular_solve",
        |x| triangular_solve(&symmetric(&x[0]), &x[1]),
        &[(SQUARE, -1.0, 1.0), (M, -1.0, 1.0)],
    ),
    ("checkpoint", |x| checkpoint(|x: &Array| jnp::sin(x) * x)(&x[0]).unwrap(), &[(M, -1.0, 1.0)]),
    (
        "cond",
        |x| {
            let f = |x: Array| (jnp::sin(&x), x + 1.0);
            let g = |x: Array| (x * 2.0, numbers(2.0));
            let (a, b) = lax::cond(jnp::greater(jnp::sum(&x[0], ..), 0.0), f, g, x[0].clone()).unwrap();
            a * b
        },
        &[(M, 0.0, 1.0)],
    ),
    (
        "scan",
        |x| {
            let body = |(a, b): (Array, Array), x: Array| {
                let next = jnp::sin(a) * x;
                ((next.clone(), &b + &next), next * b)
            };
            let zero = jnp::zeros(([3], DType::F64));
            let ((_, total), ys) = lax::scan(body, (x[1].clone(), zero), x[0].clone()).unwrap();
            total + jnp::sum(ys, 0)
        },
        &[(M, -1.0, 1.0), (&[3], -1.0, 1.0)],
    ),
    (
        "while_loop",
        |x| {
            let (_, y) = lax::while_loop(
                |(i, _): &(Array, Array)| jnp::less(i, 3),
                |(i, y): (Array, Array)| (i + 1, jnp::sin(&y) * &x[0]),
                (Array::from(0), jnp::ones(([2, 3], DType::F64))),
            )
            .unwrap();
            y
        },
        &[(M, -1.0, 1.0)],
    ),
    (
        "custom_jvp",
        |x| {
            let f = custom_jvp(
                |x: &Array| jnp::sin(x),
                |(x,): (Array,), (dx,): (Array,)| (jnp::sin(&x), jnp::cos(&x) * dx),
            );
            f(&x[0]).unwrap() + jit(f)(&x[0]).unwrap()
        },
        &[(M, -1.0, 1.0)],
    ),
    ("nothing changes", |x| lax::tan(&still(&x[0])) + &x[0], &[(M, -1.0, 1.0)]),
];

/// Numbers between two bounds that no one would call regular.
fn drawn(seed: usize, shape: &[usize], low: f64, high: f64) -> Array {
    let n: usize = shape.iter().product();
    let draw = |i: usize| ((i * 7919 + seed * 104_729 + 12_345) % 10_007) as f64 / 10_007.0;
    let values: Vec<f64> = (0..n).map(|i| low + (high - low) * draw(i * i + 3 * i + 1)).collect();
    Array::from_slice(&values, shape)
}

#[test]
fn what_jax_has_no_rule_for_is_as_nested_derivatives_are() {
    let check = || {
        for (i, (name, f, args)) in OTHERS.iter().enumerate() {
            let primals: Vec<Array> = args
                .iter()
                .enumerate()
                .map(|(j, (shape, low, high))| drawn(i + 31 * j, shape, *low, *high))
                .collect();
            let order = 4;
            let series = |(j, (shape, _, _)): (usize, &(&[usize], f64, f64))| {
                (0..order).map(|k| drawn(i + 31 * j + 97 * (k + 1), shape, -1.0, 1.0)).collect()
            };
            let series: Vec<Vec<Array>> = args.iter().enumerate().map(series).collect();
            let (y, dys) = jet_of(*f, &primals, &series, order).unwrap();
            same(name, &y, &f(&primals), 1e-12);
            for (k, (dy, term)) in dys.iter().zip(nested(*f, primals, series, order)).enumerate() {
                same(&format!("{name}, term {k}"), dy, &term, 1e-7);
            }
        }
    };
    config::with_x64(true, || quickly(check));
}

fn item(x: &Array) -> f32 {
    x.item().unwrap()
}

fn line(order: usize) -> Vec<Array> {
    (0..order).map(|k| Array::from(f32::from(k == 0))).collect()
}

/// The third derivative.
fn third(x: &Array) -> Result<Array> {
    Ok(jet(|x: &Array| jnp::sin(x) * x, (x,), (line(3),))?.1.swap_remove(2))
}

fn third_by_hand(x: f32) -> f32 {
    -3.0 * x.sin() - x * x.cos()
}

fn fourth_by_hand(x: f32) -> f32 {
    -4.0 * x.cos() + x * x.sin()
}

#[track_caller]
fn close(a: f32, b: f32) {
    assert!((a - b).abs() < 1e-4, "{a} instead of {b}");
}

#[test]
fn jet_goes_with_other_transformations() {
    let x = Array::from(0.7);
    close(item(&third(&x).unwrap()), third_by_hand(0.7));
    close(item(&jit(third)(&x).unwrap()), third_by_hand(0.7));
    close(item(&grad(third)(&x).unwrap()), fourth_by_hand(0.7));
    close(item(&jit(grad(third))(&x).unwrap()), fourth_by_hand(0.7));
    let many = vmap(third)(&Array::from([0.2f32, 0.7])).unwrap().to_vec::<f32>().unwrap();
    close(many[0], third_by_hand(0.2));
    close(many[1], third_by_hand(0.7));
    // A jet in a jet: the first derivative of the third.
    let (y, dys) = jet(third, (&x,), (line(1),)).unwrap();
    close(item(&y), third_by_hand(0.7));
    close(item(&dys[0]), fourth_by_hand(0.7));
    // Values that are not the jet's own stay as they are.
    let scale = |s: &Array| -> Result<Array> {
        let (_, dys) = jet(|x: &Array| jnp::exp(x * s), (&x,), (line(2),))?;
        Ok(dys[1].clone())
    };
    close(item(&grad(scale)(&Array::from(0.5)).unwrap()), (2.0 * 0.5 + 0.25 * 0.7) * 0.35f32.exp());
    // Control flow on what is known.
    let f = |x: &Array| -> Result<Array> { Ok(if jnp::greater(x, 0).truth()? { x * x } else { -x }) };
    assert_eq!(jet(f, (&x,), (line(2),)).unwrap().1.iter().map(item).collect::<Vec<_>>(), [1.4, 2.0]);
}

#[test]
fn arguments_and_results_are_trees() {
    let (x, y) = (Array::from(3.0), Array::from(2.0));
    let (dx, dy) = (Array::from(1.0), Array::from(-1.0));
    let zeros = (Array::from(0.0), Array::from(0.0));
    let f = |p: &(Array, Array), n: &Array| (&p.0 * &p.1, (n + 1.0, jnp::greater(n, 0)));
    let ((product, (next, positive)), terms) =
        jet(f, ((x, y), Array::from(5.0)), ([(dx, dy), zeros], line(2))).unwrap();
    assert_eq!((item(&product), item(&next), positive.item::<bool>().unwrap()), (6.0, 6.0, true));
    assert_eq!((item(&terms[0].0), item(&terms[1].0)), (2.0 - 3.0, -2.0));
    assert_eq!((item(&terms[0].1.0), item(&terms[1].1.0)), (1.0, 0.0));
    // Nothing but the value.
    let (y, terms) = jet(|x: &Array| x * x, (&Array::from(3.0),), (Vec::<Array>::new(),)).unwrap();
    assert_eq!((item(&y), terms.len()), (9.0, 0));
}

#[test]
fn powers_are_exact_at_zero() {
    let zero = Array::from(0.0);
    for f in [|x: &Array| lax::pow(x, &Array::scalar(3.0f32)), |x: &Array| lax::pow(x, &Array::from(3))] {
        let (y, dys) = jet(f, (&zero,), (line(4),)).unwrap();
        assert_eq!(item(&y), 0.0);
        assert_eq!(dys.iter().map(item).collect::<Vec<_>>(), [0.0, 0.0, 6.0, 0.0]);
    }
}

#[test]
fn a_rule_counts_where_there_is_no_other_way() {
    let callback = |x: &Array| -> Result<Array> { pure_callback(|x: Array| x, x, x) };
    let f = custom_jvp(callback, |(x,): (Array,), (dx,): (Array,)| (x, dx));
    let (_, dys) = jet(&f, (&Array::from(0.5),), (line(2),)).unwrap();
    assert_eq!(dys.iter().map(item).collect::<Vec<_>>(), [1.0, 0.0]);
}

#[test]
fn what_is_no_series_is_refused() {
    let (x, n) = (Array::from([1.0f32, 2.0]), Array::from(1));
    let f = |x: &Array, y: &Array| x * y;
    let error = jet(f, (&x, &x), (vec![&x, &x], vec![&x])).unwrap_err();
    assert_eq!(error.message(), "jet terms have inconsistent lengths for different arguments: [2, 1]");
    let error = jet(f, (&x, &x), ([&x], [&Array::from(1.0)])).unwrap_err();
    assert_eq!(
        error.message(),
        "jet: term 0 of argument 1 must have the type of what it belongs to: it is f32[], for f32[2]"
    );
    let error = jet(f, (&x, &n), ([&x], [&n])).unwrap_err();
    assert_eq!(
        error.message(),
        "jet: term 0 of argument 1 must be float0, for i32[] has no derivative: it is i32[]. Capture the argument in the \
         function, or give custom_derivatives::zero_from_primal of it"
    );
    assert_eq!(error.kind(), ErrorKind::Differentiation);
    let none = zero_from_primal(&n);
    let (_, dys) = jet(|x: &Array, n: &Array| (x * n, n + 1), (&x, &n), ([&x], [&none])).unwrap();
    assert_eq!(dys[0].0.to_vec::<f32>().unwrap(), [1.0, 2.0]);
    assert_eq!(dys[0].1.dtype(), DType::Float0);
    let sum = |x: &Vec<Array>| &x[0] + &x[1];
    let pair = vec![x.clone(), x.clone()];
    let error = jet(sum, (&pair,), ([vec![x.clone()]],)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TreeMismatch);
    assert!(error.location().is_some_and(|at| at.file().ends_with("jet.rs")));
    let read = |x: &Array| -> Result<Array> { Ok(Array::from(x.item::<f32>()?)) };
    let error = jet(read, (&Array::from(1.0),), (line(1),)).unwrap_err();
    assert!(error.message().contains("JetTracer(f32[])"), "{error}");
}
