//! Tracers where a value is needed, and tracers that escape.

use std::sync::{Arc, Mutex};

use expect_test::expect;
use raxla::lax;
use raxla::prelude::*;
use raxla::signature::Fun;

use super::support::{at, check, check_panic, f32s, same, two};

#[test]
fn a_condition_on_a_tracer_is_an_error() {
    let f = |x: &Array| -> Result<Array> { Ok(if at!(x.truth())? { lax::neg(x) } else { x.clone() }) };
    let one = Array::from(1.0);
    let message = check(
        jit(f)(&one),
        ErrorKind::TracerBoolConversion,
        expect![
            "attempted boolean conversion of traced array JitTracer(f32[]). A condition on a traced value cannot decide what is traced: use raxla::lax::cond, raxla::numpy::where_ or raxla::lax::select, or take what decides as a Static(..) argument"
        ],
    );
    same(grad(jit(f))(&one), ErrorKind::TracerBoolConversion, &message);
    same(jit(grad(f))(&one), ErrorKind::TracerBoolConversion, &message);
    check(
        vmap(f)(&two()),
        ErrorKind::TracerBoolConversion,
        expect![
            "attempted boolean conversion of traced array BatchTracer(f32[]). A condition on a traced value cannot decide what is traced: use raxla::lax::cond, raxla::numpy::where_ or raxla::lax::select, or take what decides as a Static(..) argument"
        ],
    );
    // In eager code, and in a gradient of eager code, there is a value.
    assert_eq!(f(&one).unwrap().item::<f32>().unwrap(), -1.0);
    assert_eq!(grad(f)(&one).unwrap().item::<f32>().unwrap(), -1.0);
}

#[test]
fn a_condition_on_many_elements_is_an_error() {
    check(
        at!(two().truth()),
        ErrorKind::Shape,
        expect!["the truth value of an array with 2 elements is ambiguous: use numpy::any or numpy::all"],
    );
    check(
        jit(|x: &Array| -> Result<Array> {
            at!(x.truth())?;
            Ok(x.clone())
        })(&two()),
        ErrorKind::TracerBoolConversion,
        expect![
            "attempted boolean conversion of traced array JitTracer(f32[2]). A condition on a traced value cannot decide what is traced: use raxla::lax::cond, raxla::numpy::where_ or raxla::lax::select, or take what decides as a Static(..) argument"
        ],
    );
}

#[test]
fn reading_a_tracer_is_an_error() {
    let f = |x: &Array| -> Result<Array> { Ok(lax::mul(x, &Array::from(at!(x.item::<f32>())?))) };
    check(
        jit(f)(&Array::from(3.0)),
        ErrorKind::Concretization,
        expect![
            "the value of a tracer was read where a concrete value is needed: JitTracer(f32[]). The function is being traced, so the value is not known yet; return it and read it outside, or compute with it by array operations"
        ],
    );
    check(
        vmap(f)(&two()),
        ErrorKind::Concretization,
        expect![
            "the value of a tracer was read where a concrete value is needed: BatchTracer(f32[]). The function is being traced, so the value is not known yet; return it and read it outside, or compute with it by array operations"
        ],
    );
    check(
        jit(grad(f))(&Array::from(3.0)),
        ErrorKind::Concretization,
        expect![
            "the value of a tracer was read where a concrete value is needed: JitTracer(f32[]). The function is being traced, so the value is not known yet; return it and read it outside, or compute with it by array operations"
        ],
    );
    // Eager, and in a gradient of eager code, there is a number to read.
    assert_eq!(f(&Array::from(3.0)).unwrap().item::<f32>().unwrap(), 9.0);
    assert_eq!(grad(f)(&Array::from(3.0)).unwrap().item::<f32>().unwrap(), 3.0);
    let f = |x: &Array| -> Result<Array> {
        at!(x.to_vec::<f32>())?;
        Ok(x.clone())
    };
    check(
        jit(f)(&two()),
        ErrorKind::Concretization,
        expect![
            "the value of a tracer was read where a concrete value is needed: JitTracer(f32[2]). The function is being traced, so the value is not known yet; return it and read it outside, or compute with it by array operations"
        ],
    );
    assert_eq!(f32s(&f(&two()).unwrap()), [1.0, 2.0]);
}

#[test]
fn printing_a_tracer_is_no_mistake() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let f = move |x: &Array| {
        log.lock().unwrap().push(format!("{x} {x:?}"));
        lax::mul(x, x)
    };
    let f = jit(f);
    f(&two()).unwrap();
    vmap(&f)(&two()).unwrap();
    jvp(&f, (Array::from(1.0),), (Array::from(1.0),)).unwrap();
    let seen = seen.lock().unwrap();
    expect![[r#"
        JitTracer(float32[2]) JitTracer(float32[2])
        JitTracer(float32[]) JitTracer(float32[])
        JitTracer(float32[]) JitTracer(float32[])"#]]
    .assert_eq(&seen.join("\n"));
}

type Store = Arc<Mutex<Option<Array>>>;

type Unary = fn(&'static Array) -> Array;

/// A function that stores its argument, and where it stores it.
fn leak() -> (Fun<'static, Unary>, Store) {
    let store = Arc::new(Mutex::new(None));
    let inner = store.clone();
    let f = move |x: &Array| {
        *inner.lock().unwrap() = Some(x.clone());
        lax::mul(x, x)
    };
    (Fun::new(f), store)
}

#[test]
fn a_leaked_tracer_is_an_error_wherever_it_is_used() {
    let (f, store) = leak();
    let leaked = || store.lock().unwrap().clone().unwrap();
    jit(f.clone())(&two()).unwrap();
    let x = leaked();
    let message = check_panic(
        || {
            at!(lax::sin(&x));
        },
        expect![
            "encountered an unexpected tracer: JitTracer(f32[2]) escaped the transformation that made it. A function transformed by jit, grad or vmap must not store intermediate values through side effects (in a Mutex, a static, a captured variable); return them instead"
        ],
    );
    let captured = x.clone();
    let g = move |y: &Array| at!(lax::add(&captured, y));
    same(jit(g.clone())(&two()), ErrorKind::UnexpectedTracer, &message);
    same(jit(jit(g.clone()))(&two()), ErrorKind::UnexpectedTracer, &message);
    same(grad(g.clone())(&Array::from(1.0)), ErrorKind::UnexpectedTracer, &message);
    same(vmap(g.clone())(&two()), ErrorKind::UnexpectedTracer, &message);
    // As an argument, and as a result.
    same(at!(jit(|x: &Array| lax::sin(x))(&x)), ErrorKind::UnexpectedTracer, &message);
    same(at!(grad(|x: &Array| lax::reduce_sum(x, [0]))(&x)), ErrorKind::UnexpectedTracer, &message);
    same(at!(vmap(|x: &Array| lax::sin(x))(&x)), ErrorKind::UnexpectedTracer, &message);
    let returned = x.clone();
    same(at!(jit(move |_: &Array| returned.clone())(&two())), ErrorKind::UnexpectedTracer, &message);
    // Its value cannot be read, but it prints.
    same(at!(x.to_vec::<f32>()), ErrorKind::UnexpectedTracer, &message);
    same(at!(x.item::<f32>()), ErrorKind::UnexpectedTracer, &message);
    same(at!(x.truth()), ErrorKind::UnexpectedTracer, &message);
    expect!["JitTracer(float32[2])"].assert_eq(&x.to_string());
    assert_eq!(f32s(&jit(f)(&two()).unwrap()), [1.0, 4.0]);
}

#[test]
fn a_tracer_leaked_from_grad_or_vmap_is_an_error() {
    let (f, store) = leak();
    let leaked = || store.lock().unwrap().clone().unwrap();
    grad(f.clone())(&Array::from(1.0)).unwrap();
    let x = leaked();
    check_panic(
        || {
            at!(lax::sin(&x));
        },
        expect![
            "encountered an unexpected tracer: JVPTracer(f32[]) escaped the transformation that made it. A function transformed by jit, grad or vmap must not store intermediate values through side effects (in a Mutex, a static, a captured variable); return them instead"
        ],
    );
    vmap(f.clone())(&two()).unwrap();
    let x = leaked();
    check_panic(
        || {
            at!(lax::sin(&x));
        },
        expect![
            "encountered an unexpected tracer: BatchTracer(f32[]) escaped the transformation that made it. A function transformed by jit, grad or vmap must not store intermediate values through side effects (in a Mutex, a static, a captured variable); return them instead"
        ],
    );
    jvp(f, (two(),), (two(),)).unwrap();
    let x = leaked();
    check(
        at!(jit(move |_: &Array| at!(lax::sin(&x)))(&two())),
        ErrorKind::UnexpectedTracer,
        expect![
            "encountered an unexpected tracer: JVPTracer(f32[2]) escaped the transformation that made it. A function transformed by jit, grad or vmap must not store intermediate values through side effects (in a Mutex, a static, a captured variable); return them instead"
        ],
    );
}

#[test]
fn a_tracer_leaked_from_the_body_of_a_scan_is_an_error() {
    let (f, store) = leak();
    let g = move |x: &Array| -> Result<Array> {
        let (sum, _) = lax::scan(
            |c: Array, y: Array| (lax::add(&c, &f(&y).unwrap()), ()),
            lax::full((), 0.0f32),
            x.clone(),
        )?;
        let y = store.lock().unwrap().clone().unwrap();
        Ok(at!(lax::mul(&sum, &y)))
    };
    check(
        jit(g)(&two()),
        ErrorKind::UnexpectedTracer,
        expect![
            "encountered an unexpected tracer: JitTracer(f32[]) escaped the transformation that made it. A function transformed by jit, grad or vmap must not store intermediate values through side effects (in a Mutex, a static, a captured variable); return them instead"
        ],
    );
}

#[test]
fn a_tracer_on_another_thread_is_an_error() {
    let f = jit(|x: &Array| -> Result<Array> {
        let x = x.clone();
        let message = std::thread::spawn(move || {
            check(at!(jit(|x: &Array| lax::sin(x))(&x)), ErrorKind::UnexpectedTracer, expect!["JitTracer(f32[2]) was used on a thread other than the one that traces it: a tracer stands for a value only within the call of the traced function that received it"]);
            check_panic(
                || {
                    at!(lax::sin(&x));
                },
                expect!["JitTracer(f32[2]) was used on a thread other than the one that traces it: a tracer stands for a value only within the call of the traced function that received it"],
            );
        })
        .join();
        message.unwrap();
        Ok(Array::from(1))
    });
    assert_eq!(f(&two()).unwrap().item::<i32>().unwrap(), 1);
}

#[test]
fn a_comparison_in_an_if_is_an_error_while_tracing() {
    let f = |x: &Array| if at!(*x > 0.0) { lax::neg(x) } else { x.clone() };
    let one = Array::from(1.0);
    let message = check(
        jit(f)(&one),
        ErrorKind::TracerBoolConversion,
        expect![
            "attempted boolean conversion of traced array JitTracer(bool[]). A condition on a traced value cannot decide what is traced: use raxla::lax::cond, raxla::numpy::where_ or raxla::lax::select, or take what decides as a Static(..) argument"
        ],
    );
    same(jit(grad(f))(&one), ErrorKind::TracerBoolConversion, &message);
    check(
        vmap(f)(&two()),
        ErrorKind::TracerBoolConversion,
        expect![
            "attempted boolean conversion of traced array BatchTracer(bool[]). A condition on a traced value cannot decide what is traced: use raxla::lax::cond, raxla::numpy::where_ or raxla::lax::select, or take what decides as a Static(..) argument"
        ],
    );
    check_panic(
        || {
            f(&two());
        },
        expect!["the truth value of an array with 2 elements is ambiguous: use numpy::any or numpy::all"],
    );
    assert_eq!(f(&one).item::<f32>().unwrap(), -1.0);
    assert_eq!(grad(f)(&one).unwrap().item::<f32>().unwrap(), -1.0);
    // Between references the comparison stands in the standard library, which hides its line: that of the call counts.
    let equal = |x: &Array, y: &Array| if x == y { lax::neg(x) } else { x.clone() };
    check(
        at!(jit(equal)(&one, &one)),
        ErrorKind::TracerBoolConversion,
        expect![
            "attempted boolean conversion of traced array JitTracer(bool[]). A condition on a traced value cannot decide what is traced: use raxla::lax::cond, raxla::numpy::where_ or raxla::lax::select, or take what decides as a Static(..) argument"
        ],
    );
}
