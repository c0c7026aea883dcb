//! Derivatives with respect to integers: what JAX gives (`tests/oracle/float0.py`, which has the same functions).

use raxla::custom_derivatives::{custom_jvp, custom_vjp, zero_from_primal};
use raxla::signature::Fun;
use raxla::{dtypes, lax, numpy as jnp, prelude::*};
use serde_json::Value;

type Two = (Array, Array);
type Found = Result<Vec<Array>>;

fn x() -> Array {
    Array::scalar(2.0f32)
}

fn n() -> Array {
    Array::scalar(3i32)
}

fn xs() -> Array {
    Array::from([1.0f32, 2.0, 3.0])
}

fn ns() -> Array {
    Array::from([4i32, 5, 6])
}

fn none(shape: &[usize]) -> Array {
    jnp::zeros((shape.to_vec(), dtypes::float0))
}

fn product(x: &Array, n: &Array) -> Array {
    x * n
}

fn both(x: &Array, n: &Array) -> Two {
    (x * n, n + 1)
}

fn total(x: &Array, n: &Array) -> Array {
    jnp::sum(x * n, ..)
}

fn doubled(n: &Array) -> Array {
    n * 2.0
}

fn chosen(b: &Array) -> Array {
    jnp::sum(jnp::where_(b, 1.0, 2.0), ..)
}

fn leaves(tree: &impl Pytree) -> Found {
    Ok(tree::leaves(tree))
}

/// With respect to both arguments.
fn by_both() -> GradOptions<(Argnum<0>, Argnum<1>)> {
    GradOptions::argnums((Argnum::<0>, Argnum::<1>)).allow_int(true)
}

type Rule = Fun<'static, fn(&'static Array, &'static Array) -> Two>;

fn forward(tangent: fn(Array, &Array) -> Array) -> Rule {
    custom_jvp(both, move |(x, n): Two, (dx, dn): Two| (both(&x, &n), (dx * &n, tangent(dn, &n))))
}

fn backward(ct: fn(&Array, Array) -> Array) -> Rule {
    custom_vjp(
        both,
        |x: &Array, n: &Array| (both(x, n), n.clone()),
        move |n: Array, (a, b): Two| (a * &n, ct(&n, b)),
    )
}

fn first(f: Rule) -> impl Fn(&Array, &Array) -> Result<Array> + Send + Sync {
    move |x: &Array, n: &Array| Ok(f(x, n)?.0)
}

fn case(name: &str) -> Found {
    match name {
        "jvp" => leaves(&jvp(product, (x(), n()), (x(), none(&[])))?),
        "jvp of arrays" => leaves(&jvp(product, (xs(), ns()), (xs(), none(&[3])))?),
        "jvp with an integer result" => leaves(&jvp(both, (x(), n()), (x(), none(&[])))?),
        "jvp by integers alone" => leaves(&jvp(doubled, (ns(),), (none(&[3]),))?),
        "jvp with a tangent of integers" => leaves(&jvp(product, (x(), n()), (x(), n()))?),
        "jvp with a tangent of floats" => leaves(&jvp(product, (x(), n()), (x(), x()))?),
        "jvp with float0 for a float" => leaves(&jvp(product, (x(), n()), (none(&[]), none(&[])))?),
        "jvp with another shape" => leaves(&jvp(doubled, (ns(),), (none(&[2]),))?),
        "jit of jvp" => {
            let f = |x: &Array, n: &Array| jvp(both, (x, n), (x, zero_from_primal(n)));
            leaves(&jit(f)(&x(), &n())?)
        }
        "jit of jvp with a tangent" => {
            leaves(&jit(|x: &Array, n: &Array, d: &Array| jvp(both, (x, n), (x, d)))(&x(), &n(), &none(&[]))?)
        }
        "vjp" => leaves(&vjp(product, (x(), n()))?.1(&x())?),
        "vjp of arrays" => leaves(&vjp(total, (xs(), ns()))?.1(&x())?),
        "vjp with float0 for an integer" => leaves(&vjp(both, (x(), n()))?.1(&(x(), none(&[])))?),
        "vjp with an integer for an integer" => leaves(&vjp(both, (x(), n()))?.1(&(x(), n()))?),
        "linearize" => leaves(&linearize(both, (x(), n()))?.1(&x(), &none(&[]))?),
        "linearize with a tangent of integers" => leaves(&linearize(both, (x(), n()))?.1(&x(), &n())?),
        "grad" => leaves(&grad_with(product, by_both())(&x(), &n())?),
        "grad of arrays" => leaves(&grad_with(total, by_both())(&xs(), &ns())?),
        "grad by booleans" => {
            leaves(&grad_with(chosen, GradOptions::new().allow_int(true))(&Array::from([true, false, true]))?)
        }
        "grad without allow_int" => leaves(&grad(chosen)(&Array::from([true, false, true]))?),
        "value_and_grad" => leaves(&value_and_grad_with(total, by_both())(&xs(), &ns())?),
        "jit of grad" => leaves(&jit(grad_with(total, by_both()))(&xs(), &ns())?),
        "grad of jit" => leaves(&grad_with(jit(total), by_both())(&xs(), &ns())?),
        "vmap of grad" => leaves(&vmap(grad_with(product, by_both()))(&xs(), &ns())?),
        "jacrev" => {
            let options = GradOptions::new().allow_int(true);
            leaves(&raxla::api::jacrev_with(doubled, options)(&ns())?)
        }
        "custom_jvp hands its tangent on" => leaves(&jvp(forward(|dn, _| dn), (x(), n()), (x(), none(&[])))?),
        "custom_jvp gives integers" => leaves(&jvp(forward(|_, n| n.clone()), (x(), n()), (x(), none(&[])))?),
        "grad of custom_jvp" => leaves(&grad_with(first(forward(|dn, _| dn)), by_both())(&x(), &n())?),
        "jit of grad of custom_jvp" => {
            leaves(&jit(grad_with(first(forward(|dn, _| dn)), by_both()))(&x(), &n())?)
        }
        "custom_vjp hands its cotangent on" => {
            leaves(&vjp(backward(|_, ct| ct), (x(), n()))?.1(&(x(), none(&[])))?)
        }
        "custom_vjp gives integers" => {
            leaves(&grad_with(first(backward(|n, _| n.clone())), by_both())(&x(), &n())?)
        }
        "custom_vjp gives floats" => leaves(&grad_with(first(backward(|_, _| x())), by_both())(&x(), &n())?),
        "identity" => leaves(&jit(|d: &Array| d.clone())(&none(&[3]))?),
        "zeros" => leaves(&none(&[2, 3])),
        "add" => leaves(&raxla::try_(|| jnp::add(none(&[3]), 1.0))?),
        "add of lax" => leaves(&raxla::try_(|| lax::add(&none(&[3]), &none(&[3])))?),
        "sin" => leaves(&raxla::try_(|| jnp::sin(none(&[3])))?),
        "sum" => leaves(&raxla::try_(|| jnp::sum(none(&[3]), ..))?),
        "add in jit" => leaves(&jit(|d: &Array| d + 1)(&none(&[3]))?),
        "promotion" => {
            raxla::try_(|| jnp::promote_types(dtypes::float0, DType::F32))?;
            Ok(Vec::new())
        }
        _ => panic!("no case {name}"),
    }
}

#[test]
fn derivatives_by_integers_are_those_of_jax() {
    let text = include_str!("../fixtures/float0.json");
    let cases: serde_json::Map<String, Value> = serde_json::from_str(text).unwrap();
    for (name, wanted) in &cases {
        let found = case(name);
        let Some(wanted) = wanted.as_array() else {
            let error = found.map(|found| format!("{found:?}")).expect_err(name);
            let blames_the_caller = matches!(error.kind(), ErrorKind::DType | ErrorKind::Differentiation);
            assert!(blames_the_caller && error.location().is_some(), "{name}: {error}");
            continue;
        };
        let found = found.unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(found.len(), wanted.len(), "{name}");
        for (x, wanted) in found.iter().zip(wanted) {
            let shape: Vec<usize> = serde_json::from_value(wanted[1].clone()).unwrap();
            assert_eq!((x.dtype().name(), x.shape()), (wanted[0].as_str().unwrap(), &shape[..]), "{name}");
            match wanted[2].as_array() {
                None => assert!(x.to_bytes().unwrap().iter().all(|b| *b == 0), "{name}"),
                Some(values) => {
                    let found = x.astype(DType::F32).to_vec::<f32>().unwrap();
                    let values: Vec<f32> = values.iter().map(|v| v.as_f64().unwrap() as f32).collect();
                    assert_eq!(found, values, "{name}");
                }
            }
        }
    }
}

#[test]
fn float0_prints_as_in_numpy_and_has_no_operations() {
    let x = none(&[2]);
    assert_eq!(x.to_string(), "[(b'',) (b'',)]");
    assert_eq!(format!("{x:?}"), "Array([(b'',) (b'',)], dtype=float0)");
    assert_eq!(x.aval().to_string(), "float0[2]");
    let message = |f: &dyn Fn() -> Array| raxla::try_(f).unwrap_err().message().to_owned();
    let rest = "float0, the dtype of derivatives with respect to integers and booleans, has no operations: take a derivative \
                with respect to floats, or write zeros of the dtype that is wanted";
    assert_eq!(message(&|| lax::add(&x, &x)), format!("add got float0[2]: {rest}"));
    assert!(message(&|| &x + 1.0).ends_with(rest));
    let error = jvp(product, (xs(), ns()), (xs(), ns())).unwrap_err();
    assert_eq!(
        error.message(),
        "jvp: tangent 1 must be float0, for i32[3] has no derivative: it is i32[3]. \
         custom_derivatives::zero_from_primal gives it"
    );
    assert!(!jnp::can_cast(dtypes::float0, DType::F32));
    assert!(!jnp::issubdtype(dtypes::float0, dtypes::ScalarKind::Number));
}

#[cfg(feature = "io")]
#[test]
fn float0_is_not_saved() {
    let file = std::env::temp_dir().join(format!("raxla-float0-{}.npz", std::process::id()));
    let error = raxla::io::save(&file, &vec![none(&[2])]).unwrap_err();
    assert!(error.message().contains("float0[2], which has no values to write"), "{error}");
    assert!(!file.exists());
}
