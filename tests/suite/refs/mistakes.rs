//! What is refused of references, and what errors leave.

use raxla::prelude::*;
use raxla::{ErrorKind, Ref, free_ref, freeze, lax, new_ref, numpy as jnp};

use super::{recorded, s, x3};

/// What is refused, with the kind of the error and a part of its message.
#[test]
fn what_jax_refuses_is_refused() {
    let kind = ErrorKind::InvalidArgument;
    let failed = |f: &dyn Fn() -> Result<()>| raxla::try_(f).and_then(|x| x).expect_err("is refused");
    let r = new_ref(x3());
    let q = new_ref(s());
    let mut expected = recorded("values");
    expected.retain(|name, _| name.starts_with("refused"));
    let mut check = |name: &str, of: ErrorKind, message: &str, f: &dyn Fn() -> Result<()>| {
        assert!(expected.remove(name).is_some_and(|value| value.is_string()), "{name}");
        let e = failed(f);
        assert!(e.kind() == of && e.message().contains(message), "{name}: {e}");
        assert!(e.location().is_some_and(|at| at.file().ends_with("mistakes.rs")), "{name}: {e}");
    };
    check(
        "refused_value",
        ErrorKind::DType,
        "set: invalid dtype: the reference is of type Ref{f32[3]}",
        &|| {
            r.set(0, 1);
            Ok(())
        },
    );
    check("refused_shape", ErrorKind::Shape, "has the shape (3,), and the value ()", &|| {
        r.set(.., 1.0);
        Ok(())
    });
    check("refused_index", ErrorKind::Shape, "index 7 is out of bounds for axis 0 with size 3", &|| {
        r.get(7);
        Ok(())
    });
    check("refused_step", kind, "slice must have a step >= 1 (found: -1)", &|| {
        r.get(jnp::step(.., -1));
        Ok(())
    });
    check("refused_result", kind, "array references cannot be returned", &|| {
        jit(|x: &Array| new_ref(x))(&x3()).map(|_| ())
    });
    check("refused_argument_as_result", kind, "passed in as argument leaf 0", &|| {
        jit(|r: &Ref| r.clone())(&r).map(|_| ())
    });
    check("refused_twice", kind, "appeared at both argument 0 and argument 1", &|| {
        jit(|r: &Ref, q: &Ref| r.get(..) + q.get(..))(&r, &r).map(|_| ())
    });
    check("refused_captured_and_passed", kind, "both closed over and passed as argument 0", &|| {
        jit(capture!([r] |q: &Ref| r.get(..) + q.get(..)))(&r).map(|_| ())
    });
    check("refused_carry", kind, "references cannot be returned", &|| {
        lax::scan(|c: Ref, x: Array| (c, x), q.clone(), x3()).map(|_| ())
    });
    check("refused_branch", kind, "references cannot be returned", &|| {
        lax::cond(true, |()| new_ref(s()), |()| new_ref(s()), ()).map(|_| ())
    });
    check("refused_operands", kind, "appeared at both operand 0 and operand 1", &|| {
        let read = |(r, _): (Ref, Ref)| r.get(0);
        lax::cond(true, read, read, (r.clone(), r.clone())).map(|_| ())
    });
    check("refused_scan", kind, "both closed over and passed", &|| {
        lax::scan(|c: Array, x: Ref| (c, x.get(..) + r.get(0)), s(), r.clone()).map(|_| ())
    });
    check("refused_under_vmap", kind, "with a vmapped value on an unbatched array reference", &|| {
        vmap(|x: &Array| r.set(0, x))(&x3())
    });
    check(
        "refused_under_vmap_unmapped",
        kind,
        "on an unbatched array reference of type Ref{f32[3]}",
        &|| {
            let write = |x: &Array| {
                r.set(0, 2.0);
                x.clone()
            };
            vmap(write)(&x3()).map(|_| ())
        },
    );
    check(
        "refused_under_grad",
        kind,
        "differentiated value on a non-differentiated array reference",
        &|| {
            let write = |x: &Array| {
                r.set(0, x);
                x.clone()
            };
            grad(write)(&s()).map(|_| ())
        },
    );
    check("refused_gradient", ErrorKind::Differentiation, "array reference", &|| {
        grad(|r: &Ref| r.get(0))(&r).map(|_| ())
    });
    assert!(expected.is_empty(), "not tried: {:?}", expected.keys());
    assert_eq!(r.get(..).to_vec::<f32>().unwrap(), [1.0, 2.0, 3.0]);
}

#[test]
fn a_reference_that_was_given_up_refers_to_nothing() {
    let r = new_ref(x3());
    let clone = r.clone();
    assert_eq!(freeze(r).to_vec::<f32>().unwrap(), [1.0, 2.0, 3.0]);
    let gone = "the array reference was frozen: it refers to nothing any more";
    assert_eq!(raxla::try_(|| clone.get(0)).unwrap_err().message(), gone);
    assert_eq!(jit(|r: &Ref| r.get(0))(&clone).unwrap_err().message(), gone);
    let twice = jit(|x: &Array| {
        let r = new_ref(x);
        free_ref(r.clone());
        r.get(0)
    });
    let e = twice(&x3()).unwrap_err();
    assert_eq!(e.message(), "the array reference was freed: it refers to nothing any more");
    let of_argument = jit(|r: &Ref| freeze(r.clone()));
    let e = of_argument(&new_ref(s())).unwrap_err();
    assert!(
        e.message()
            .starts_with("freeze: an array reference can only be given up in the function that made it"),
        "{e}"
    );
}

#[test]
fn a_failed_call_leaves_what_a_reference_refers_to() {
    let r = new_ref(x3());
    let f = jit(|r: &Ref, x: &Array| {
        r.set(.., x);
        r.get(..)
    });
    f(&r, &Array::from([1.0f32, 2.0])).unwrap_err();
    assert_eq!(r.get(..).to_vec::<f32>().unwrap(), [1.0, 2.0, 3.0]);
    // What others hold is not overwritten.
    let before = r.get(..);
    f(&r, &jnp::zeros(3)).unwrap();
    assert_eq!(before.to_vec::<f32>().unwrap(), [1.0, 2.0, 3.0]);
    assert_eq!(r.get(..).to_vec::<f32>().unwrap(), [0.0; 3]);
}
