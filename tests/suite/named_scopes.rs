//! Scopes in the locations of lowered programs, as JAX has them.

use raxla::api::{NamedCallOptions, named_call_with};
use raxla::prelude::*;
use raxla::{ensure_compile_time_eval, lax, named_call, named_scope};

fn layer(x: &Array) -> Array {
    named_scope("a", || {
        let y = lax::sin(x);
        named_scope("b", || lax::cos(&y))
    })
}

/// The names of a program's operations, in their order.
fn names<F, M>(f: F) -> Vec<String>
where
    F: raxla::signature::Function<M>,
    M: raxla::signature::Traceable<'static, F, Sig = fn(&'static Array) -> Array>,
{
    let lowered = jit(raxla::signature::Fun::new(f)).lower()(&Array::from([1.0f32, 2.0, 3.0])).unwrap();
    let defs = lowered.as_text().lines().filter(|line| line.starts_with("#loc"));
    let names = defs.filter_map(|line| line.split_once("loc(\"")?.1.split_once("\"(#"));
    names.map(|(name, _)| name.replace("<lambda>", "f")).collect()
}

#[test]
fn operations_have_the_names_that_they_have_in_jax() {
    let sum = |x: &Array| lax::reduce_sum(&layer(x), [0]);
    assert_eq!(names(layer), ["jit(layer)/a/sin", "jit(layer)/a/b/cos"]);
    let expected = [
        "jit(grad_f)/jvp(a)/sin",
        "jit(grad_f)/jvp(a)/cos",
        "jit(grad_f)/jvp(a)/b/sin",
        "jit(grad_f)/transpose(jvp(a))/b/neg",
        "jit(grad_f)/transpose(jvp(a))/b/mul",
        "jit(grad_f)/transpose(jvp(a))/mul",
    ];
    let mut found = names(grad(sum));
    found.sort();
    let mut sorted = expected;
    sorted.sort_unstable();
    assert_eq!(found, sorted);
    let outer = move |x: &Array| named_scope("outer", || grad(sum)(x));
    assert!(
        names(outer).iter().any(|name| name == "jit(f)/outer/transpose(jvp(a))/b/neg"),
        "{:?}",
        names(outer)
    );
    let mapped = |x: &Array| vmap(|x: &Array| layer(x))(x);
    assert_eq!(names(mapped), ["jit(f)/vmap(a)/sin", "jit(f)/vmap(a)/b/cos"]);
}

#[test]
fn what_is_inside_of_loops_and_calls_stands_in_the_scopes_around_it() {
    let looped =
        |x: &Array| named_scope("outer", || lax::fori_loop(0, 3, |_, x: Array| layer(&x), x.clone()));
    let found = names(looped);
    assert!(
        found.iter().any(|name| name.starts_with("jit(f)/outer/") && name.ends_with("a/b/cos")),
        "{found:?}"
    );
    let nested = |x: &Array| named_scope("outer", || jit(layer)(x));
    assert_eq!(names(nested), ["jit(f)/outer/jit", "a/sin", "a/b/cos"]);
    let plain = |x: &Array| {
        let y = named_scope("a", || lax::sin(x));
        lax::cos(&y)
    };
    assert_eq!(names(plain), ["jit(f)/a/sin"]);
}

#[test]
fn named_call_is_a_scope() {
    assert_eq!(names(named_call(layer)), ["jit(layer)/layer/a/sin", "jit(layer)/layer/a/b/cos"]);
    let named = named_call_with(layer, NamedCallOptions::new().name("with \"quotes\""));
    assert_eq!(names(named)[0], "jit(layer)/with \\22quotes\\22/a/sin");
    let x = Array::from([1.0f32, 2.0, 3.0]);
    let found =
        jit(named_call_with(layer, NamedCallOptions::new().name("with \"quotes\" \u{e9}")))(&x).unwrap();
    assert_eq!(found.to_vec::<f32>().unwrap(), layer(&x).to_vec::<f32>().unwrap());
}

#[test]
fn known_values_are_computed_while_a_function_is_traced() {
    let f = |x: &Array| -> Result<Array> {
        let n = ensure_compile_time_eval(|| lax::add(&lax::iota(DType::I32, 3), &Array::from(1)));
        assert_eq!(n.to_vec::<i32>()?, [1, 2, 3]);
        // What is traced is traced still.
        assert!(ensure_compile_time_eval(|| lax::sin(x)).is_tracer());
        assert!(lax::iota(DType::I32, 3).is_tracer());
        let jitted =
            ensure_compile_time_eval(|| jit(|x: &Array| lax::add(x, &lax::iota(DType::I32, 3)))(&n))?;
        assert_eq!(jitted.to_vec::<i32>()?, [1, 3, 5]);
        Ok(x.clone())
    };
    let x = Array::from([1.0f32, 2.0]);
    jit(f)(&x).unwrap();
    jit(vmap(f))(&x).unwrap();
}
