//! Where formulas break: ties, zeroes, infinities, nan, half precision, truth values, empty axes, what cannot exist. The values
//! are JAX's (`tests/oracle/edges.py`), but for the few that JAX itself says otherwise than mathematics.

use std::sync::Arc;

use raxla::{DType, ErrorKind, lax, nn, numpy as jnp, prelude::*};
use serde_json::Value;

type Activation = fn(&Array) -> Array;
type Function = Arc<dyn Fn(&Array) -> Array + Send + Sync>;

macro_rules! table {
    ($root:literal $module:ident: $($name:ident)*) => {
        vec![$((concat!($root, stringify!($name)), Arc::new(|x: &Array| $module::$name(x)) as Function)),*]
    };
}

fn unary() -> Vec<(&'static str, Function)> {
    let mut functions = table!("numpy." jnp: abs absolute arccos arccosh arcsin arcsinh arctan arctanh cbrt ceil cos cosh deg2rad
        exp exp2 expm1 fabs floor i0 log log10 log1p log2 nan_to_num negative positive rad2deg reciprocal rint sign sin sinc
        sinh sqrt square tan tanh trunc);
    functions.extend(table!("nn." nn: hard_sigmoid hard_silu hard_tanh log_sigmoid mish relu relu6 selu sigmoid silu soft_sign
        softplus sparse_plus sparse_sigmoid));
    functions.extend(PARAMETRIC.map(|(name, f)| (name, Arc::new(f) as Function)));
    functions
}

/// Functions with a parameter, at JAX's default.
const PARAMETRIC: [(&str, Activation); 5] = [
    ("nn.celu", |x| nn::celu(x)),
    ("nn.elu", |x| nn::elu(x)),
    ("nn.gelu", |x| nn::gelu(x)),
    ("nn.leaky_relu", |x| nn::leaky_relu(x)),
    ("nn.squareplus", |x| nn::squareplus(x)),
];

/// Where JAX differs from mathematics: function, order, point.
const JAX_IS_WRONG: &[(&str, usize, &str)] = &[
    // I₀''(0) = 1/2 and I₀''''(0) = 3/8; JAX's rule for the point makes 0 of them.
    ("numpy.i0", 2, "0.0"),
    ("numpy.i0", 2, "-0.0"),
    ("numpy.i0", 4, "0.0"),
    ("numpy.i0", 4, "-0.0"),
];

fn fixture() -> Value {
    serde_json::from_str(include_str!("../fixtures/edges.json")).unwrap()
}

fn numbers(list: &Value) -> Vec<f64> {
    list.as_array().unwrap().iter().map(|x| x.as_str().unwrap().parse().unwrap()).collect()
}

fn close(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0)
}

fn forward(f: Function) -> Function {
    Arc::new(move |x: &Array| jvp(f.clone(), (x,), (&jnp::ones_like(x),)).unwrap().1)
}

fn reverse(f: Function) -> Function {
    Arc::new(move |x: &Array| {
        let f = f.clone();
        grad(move |x: &Array| jnp::sum(f(x), ..))(x).unwrap()
    })
}

#[test]
fn derivatives_to_the_fourth_order_are_right_where_formulas_break() {
    let fixture = fixture();
    let points = numbers(&fixture["points"]);
    let mut wrong = Vec::new();
    raxla::config::with_x64(true, || {
        let x = Array::from(&points[..]);
        for (name, f) in unary() {
            for (mode, derivative) in [("forward", forward as fn(Function) -> Function), ("reverse", reverse)]
            {
                let mut g = f.clone();
                for (order, expected) in fixture["unary"][name][mode].as_array().unwrap().iter().enumerate() {
                    g = derivative(g);
                    let h = g.clone();
                    let found =
                        crate::quickly(|| jit(move |x: &Array| h(x))(&x).unwrap().to_vec::<f64>().unwrap());
                    for ((point, found), expected) in points.iter().zip(found).zip(numbers(expected)) {
                        let exempt = JAX_IS_WRONG.contains(&(name, order + 1, format!("{point:?}").as_str()));
                        if !exempt && !close(found, expected) {
                            wrong.push(format!(
                                "{name}, {mode}, order {}, at {point:?}: {found} instead of {expected}",
                                order + 1
                            ));
                        }
                    }
                }
            }
        }
    });
    assert!(wrong.is_empty(), "{} wrong:\n  {}", wrong.len(), wrong.join("\n  "));
}

#[test]
fn derivatives_of_functions_of_two_numbers_are_right_at_ties_and_infinities() {
    type Binary = fn(&Array, &Array) -> Array;
    let functions: [(&str, Binary); 8] = [
        ("arctan2", |x, y| jnp::arctan2(x, y)),
        ("fmax", |x, y| jnp::fmax(x, y)),
        ("fmin", |x, y| jnp::fmin(x, y)),
        ("hypot", |x, y| jnp::hypot(x, y)),
        ("logaddexp", |x, y| jnp::logaddexp(x, y)),
        ("logaddexp2", |x, y| jnp::logaddexp2(x, y)),
        ("maximum", |x, y| jnp::maximum(x, y)),
        ("minimum", |x, y| jnp::minimum(x, y)),
    ];
    let fixture = fixture();
    let pairs: Vec<Vec<f64>> = fixture["pairs"].as_array().unwrap().iter().map(numbers).collect();
    let mut wrong = Vec::new();
    raxla::config::with_x64(true, || {
        let column = |i: usize| Array::from(&pairs.iter().map(|p| p[i]).collect::<Vec<f64>>()[..]);
        let (x, y) = (column(0), column(1));
        for (name, f) in functions {
            let (one, zero) = (jnp::ones_like(&x), jnp::zeros_like(&x));
            let found = [
                jvp(f, (&x, &y), (&one, &zero)).unwrap().1,
                jvp(f, (&x, &y), (&zero, &one)).unwrap().1,
                grad(move |x: &Array, y: &Array| jnp::sum(f(x, y), ..))(&x, &y).unwrap(),
                grad(move |y: &Array, x: &Array| jnp::sum(f(x, y), ..))(&y, &x).unwrap(),
            ];
            let expected = fixture["binary"][name].as_array().unwrap();
            for (which, (found, expected)) in found.iter().zip(expected).enumerate() {
                for ((pair, found), expected) in
                    pairs.iter().zip(found.to_vec::<f64>().unwrap()).zip(numbers(expected))
                {
                    if !close(found, expected) {
                        wrong.push(format!("{name}, {which}, at {pair:?}: {found} instead of {expected}"));
                    }
                }
            }
        }
    });
    assert!(wrong.is_empty(), "{} wrong:\n  {}", wrong.len(), wrong.join("\n  "));
}

#[test]
fn i0_is_even_so_its_odd_derivatives_vanish_at_zero() {
    raxla::config::with_x64(true, || {
        let mut f: Function = Arc::new(|x: &Array| jnp::i0(x));
        for expected in [0.0, 0.5, 0.0, 0.375] {
            f = reverse(f);
            let found = f(&Array::from(0.0)).item::<f64>().unwrap();
            assert!(close(found, expected), "{found} instead of {expected}");
        }
    });
}

#[test]
fn activations_of_truth_values_and_small_integers_are_those_of_jax() {
    macro_rules! activations {
        ($($name:ident)*) => { [$((stringify!($name), (|x| nn::$name(x)) as Activation)),*] };
    }
    let mut functions: Vec<(&str, Activation)> =
        activations!(hard_sigmoid hard_silu hard_tanh relu relu6 selu soft_sign softplus
        sparse_plus sparse_sigmoid)
        .to_vec();
    let parametric = PARAMETRIC.iter().filter(|(name, _)| *name != "nn.gelu");
    functions.extend(parametric.map(|(name, f)| (name.trim_start_matches("nn."), *f)));
    let fixture = fixture();
    let mut wrong = Vec::new();
    for (dtype, x) in [
        ("bool", Array::from([true, false, true])),
        ("uint8", Array::from([1u8, 0, 3])),
        ("int8", Array::from([1i8, 0, 3])),
        ("int32", Array::from([1i32, 0, 3])),
    ] {
        for (name, f) in &functions {
            let expected = &fixture["activations"][format!("{name} {dtype}")];
            let y = f(&x);
            let values: Vec<f64> =
                jnp::astype(&y, DType::F32).to_vec::<f32>().unwrap().into_iter().map(f64::from).collect();
            let near = |(a, b): (&f64, f64)| (a - b).abs() <= 1e-6 * b.abs().max(1.0);
            if y.dtype().name() != expected[0].as_str().unwrap()
                || !values.iter().zip(numbers(&expected[1])).all(near)
            {
                wrong.push(format!("{name} of {dtype}: {} {values:?} instead of {expected}", y.dtype()));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n  {}", wrong.len(), wrong.join("\n  "));
}

#[test]
fn ldexp_is_exact_in_every_precision() {
    let fixture = fixture();
    for (name, dtype) in [("bfloat16", DType::BF16), ("float16", DType::F16), ("float32", DType::F32)] {
        let x = jnp::astype(Array::from([1.0f32, 3.0, 1.0, 0.5, -1.5, 0.0, f32::INFINITY]), dtype);
        let y = Array::from([10, 3, 15, -10, 14, 5, 2]);
        let eager = jnp::ldexp(&x, &y);
        assert_eq!(eager.dtype(), dtype);
        let jitted = jit(|x: &Array, y: &Array| jnp::ldexp(x, y))(&x, &y).unwrap();
        for out in [eager, jitted] {
            let out: Vec<f64> =
                jnp::astype(out, DType::F32).to_vec::<f32>().unwrap().into_iter().map(f64::from).collect();
            assert_eq!(out, numbers(&fixture["ldexp"][name]), "{name}");
        }
    }
}

/// JAX flushes subnormals here, and says (0.5, -149) of the first.
#[test]
fn frexp_takes_subnormals_apart() {
    let x = [1e-40f32, -1e-44, f32::from_bits(1), f32::MIN_POSITIVE, 0.0, 3.0];
    let (m, e) = jnp::frexp(Array::from(x));
    let (m, e) = (m.to_vec::<f32>().unwrap(), e.to_vec::<i32>().unwrap());
    for ((x, m), e) in x.into_iter().zip(m).zip(e) {
        assert!(x == 0.0 || (0.5..1.0).contains(&m.abs()), "{x}: {m} {e}");
        assert_eq!(f64::from(m) * f64::from(e).exp2(), f64::from(x));
    }
    let (m, e) = jnp::frexp(jnp::astype(Array::from([1e-39f32]), DType::BF16));
    assert_eq!(e.to_vec::<i32>().unwrap(), [-129]);
    assert!((0.5..1.0).contains(&jnp::astype(m, DType::F32).to_vec::<f32>().unwrap()[0]));
}

#[test]
fn an_index_on_an_empty_axis_is_refused() {
    let (rows, columns) = (Array::from_slice::<f32>(&[], &[0, 3]), Array::from_slice::<f32>(&[], &[2, 0]));
    let refused = |f: &dyn Fn() -> Array| {
        let e = raxla::try_(f).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Shape, "{e}");
        assert!(e.message().contains("out of bounds for axis") && e.message().contains("size 0"), "{e}");
    };
    refused(&|| rows.index(0));
    refused(&|| rows.index(Array::from(0)));
    refused(&|| rows.index(Array::from([0, 1])));
    refused(&|| rows.at(0).set(1.0));
    refused(&|| columns.index((.., 0)));
    let e = grad(|x: &Array| jnp::sum(x.index(0), ..))(&rows).unwrap_err();
    assert_eq!(e.message(), "index: index 0 is out of bounds for axis 0 with size 0 of f32[0,3]");
    assert_eq!(rows.index(0..1).shape(), [0, 3]);
}

#[test]
fn what_does_not_fit_into_memory_is_an_error_when_it_is_read() {
    // Some engines say so at once, others when the value is asked for.
    let zeros = || raxla::try_(|| jnp::zeros([1usize << 50]));
    let reads: [fn(&Array) -> Result<()>; 3] =
        [|x| x.to_vec::<f32>().map(drop), |x| x.to_bytes().map(drop), |x| x.block_until_ready().map(drop)];
    for read in reads {
        let e = zeros().and_then(|x| read(&x)).unwrap_err();
        assert!(e.message().to_lowercase().contains("out of memory"), "{e}");
        assert!(e.location().unwrap().file().ends_with("edges.rs"), "{e}");
    }
}

#[test]
fn a_shape_that_cannot_exist_is_refused_where_it_is_written() {
    let huge = (1i64 << 40, 1i64 << 40);
    let key = raxla::random::key(0);
    let makers: [&dyn Fn() -> Array; 4] = [
        &|| jnp::zeros(huge),
        &|| raxla::random::normal(&key, huge),
        &|| jnp::broadcast_to(1.0, huge),
        &|| Array::from_slice::<f32>(&[], huge),
    ];
    for make in makers {
        let e = raxla::try_(make).unwrap_err();
        assert!(e.message().contains("(1099511627776, 1099511627776)"), "{e}");
        assert!(e.location().unwrap().file().ends_with("edges.rs"), "{e}");
    }
}

#[test]
fn an_iota_that_cannot_exist_is_an_error_and_ends_no_process() {
    let e = jit(|| lax::iota(DType::I32, 1usize << 36))().and_then(|x| x.to_vec::<i32>()).unwrap_err();
    assert!(e.message().to_lowercase().contains("out of memory"), "{e}");
}

#[test]
fn arange_refuses_bounds_that_cannot_be_counted_to() {
    for (bound, name) in [(f64::NAN, "NaN"), (f64::INFINITY, "inf")] {
        let e = jit(move || jnp::arange(bound))().unwrap_err();
        assert_eq!(e.kind(), ErrorKind::InvalidArgument);
        assert_eq!(e.message(), format!("arange: stop is {name}: the numbers up to it cannot be counted"));
    }
    assert_eq!(jnp::arange(f64::NEG_INFINITY).shape(), [0]);
}

/// XLA for the CPU makes any number of `exp` of what it can tell to be nan while it compiles (JAX 0.10.2 has that too, and
/// the documentation of `exp` says so); this is what must not get lost beside it.
#[test]
fn exp_of_an_argument_that_is_nan_is_nan() {
    let x = Array::from([f32::NAN, 0.0]);
    assert!(jnp::exp(&x).to_vec::<f32>().unwrap()[0].is_nan());
    let functions: [fn(&Array) -> Array; 3] = [|x| jnp::exp(x), |x| jnp::exp2(x), |x| jnp::expm1(x)];
    for f in functions {
        let y = jit(move |x: &Array| f(x))(&x).unwrap().to_vec::<f32>().unwrap();
        assert!(y[0].is_nan() && !y[1].is_nan(), "{y:?}");
    }
}
