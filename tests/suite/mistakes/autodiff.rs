//! Derivatives that do not exist.

use expect_test::expect;
use raxla::api::{GradOptions, grad_with};
use raxla::custom_derivatives::custom_vjp;
use raxla::lax;
use raxla::prelude::*;

use super::support::{at, check, f32s, three, two};

#[derive(Pytree, Clone)]
struct Params {
    weight: Array,
    steps: Array,
}

fn sum(x: &Array) -> Array {
    lax::reduce_sum(x, [0])
}

#[test]
fn the_gradient_of_a_function_that_is_no_scalar_is_an_error() {
    fn double(x: &Array) -> Array {
        lax::add(x, x)
    }
    check(
        at!(grad(double)(&two())),
        ErrorKind::Differentiation,
        expect!["gradient only defined for scalar-output functions. Output of double had shape: (2,)"],
    );
    check(
        at!(jit(grad(double))(&two())),
        ErrorKind::Differentiation,
        expect!["gradient only defined for scalar-output functions. Output of double had shape: (2,)"],
    );
    check(
        at!(value_and_grad(jit(double))(&two())),
        ErrorKind::Differentiation,
        expect!["gradient only defined for scalar-output functions. Output of double had shape: (2,)"],
    );
    let pair = |x: &Array| (sum(x), sum(x));
    check(
        at!(grad(pair)(&two())),
        ErrorKind::Differentiation,
        expect![
            "gradient only defined for scalar-output functions. Output of <lambda> at its line was PyTreeDef((*, *))"
        ],
    );
    let count = |x: &Array| lax::convert_element_type(&sum(x), DType::I32);
    check(
        at!(grad(count)(&two())),
        ErrorKind::Differentiation,
        expect![
            "grad requires real-valued outputs (output dtype that is a sub-dtype of floating), but got i32[]"
        ],
    );
    assert_eq!(f32s(&grad(sum)(&two()).unwrap()), [1.0, 1.0]);
}

#[test]
fn the_gradient_with_respect_to_integers_is_an_error() {
    check(
        at!(grad(sum)(&Array::from([1i32, 2]))),
        ErrorKind::Differentiation,
        expect![
            "grad requires real- or complex-valued inputs (input dtype that is a sub-dtype of inexact), but argument 0 is i32[2]. Convert it to a float dtype, take it as another argument, or set allow_int(true)"
        ],
    );
    check(
        at!(jit(grad(sum))(&Array::from([1i32, 2]))),
        ErrorKind::Differentiation,
        expect![
            "grad requires real- or complex-valued inputs (input dtype that is a sub-dtype of inexact), but argument 0 is i32[2]. Convert it to a float dtype, take it as another argument, or set allow_int(true)"
        ],
    );
    let loss = |p: &Params, x: &Array| sum(&lax::mul(&p.weight, x));
    let params = Params { weight: two(), steps: Array::from(3) };
    check(
        at!(grad(loss)(&params, &two())),
        ErrorKind::Differentiation,
        expect![
            "grad requires real- or complex-valued inputs (input dtype that is a sub-dtype of inexact), but argument 0.steps is i32[]. Convert it to a float dtype, take it as another argument, or set allow_int(true)"
        ],
    );
    let scaled = |x: &Array, n: &Array| lax::mul(&sum(x), &lax::convert_element_type(n, DType::F32));
    check(
        at!(grad_with(scaled, GradOptions::argnum::<1>())(&two(), &Array::from(3))),
        ErrorKind::Differentiation,
        expect![
            "grad requires real- or complex-valued inputs (input dtype that is a sub-dtype of inexact), but argument 1 is i32[]. Convert it to a float dtype, take it as another argument, or set allow_int(true)"
        ],
    );
    check(
        at!(jacrev(sum)(&Array::from([1i32]))),
        ErrorKind::Differentiation,
        expect![
            "jacrev requires real- or complex-valued inputs (input dtype that is a sub-dtype of inexact), but argument 0 is i32[1]. Convert it to a float dtype, take it as another argument, or set allow_int(true)"
        ],
    );
    assert_eq!(f32s(&grad(scaled)(&two(), &Array::from(3)).unwrap()), [3.0, 3.0]);
}

#[test]
fn tangents_and_cotangents_have_the_types_of_their_values() {
    check(
        at!(jvp(sum, (two(),), (three(),))),
        ErrorKind::Differentiation,
        expect!["jvp: tangent 0 must have the type of what it belongs to: it is f32[3], for f32[2]"],
    );
    check(
        at!(jvp(sum, (two(),), (Array::from([1i32, 2]),))),
        ErrorKind::Differentiation,
        expect!["jvp: tangent 0 must have the type of what it belongs to: it is i32[2], for f32[2]"],
    );
    let (_, pull) = vjp(|x: &Array| lax::sin(x), (&two(),)).unwrap();
    check(
        at!(pull(&three())),
        ErrorKind::Differentiation,
        expect!["vjp: cotangent 0 must have the type of what it belongs to: it is f32[3], for f32[2]"],
    );
    assert_eq!(pull(&two()).unwrap().0.shape(), [2]);
    let (_, push) = linearize(|x: &Array| lax::sin(x), (&two(),)).unwrap();
    check(
        at!(push(&three())),
        ErrorKind::Differentiation,
        expect!["linearize: tangent 0 must have the type of what it belongs to: it is f32[3], for f32[2]"],
    );
    assert_eq!(push(&two()).unwrap().shape(), [2]);
    let total = |xs: &Vec<Array>| xs.iter().fold(Array::from(0.0f32), |a, x| lax::add(&a, &sum(x)));
    let (one, both) = (vec![two()], vec![two(), two()]);
    check(
        at!(jvp(total, (both,), (one,))),
        ErrorKind::TreeMismatch,
        expect![
            "jvp: primal and tangent arguments must have the same tree structure: at the root: a Vec of length 2, and a Vec of length 1"
        ],
    );
}

#[test]
fn forward_mode_of_a_function_with_a_reverse_rule_is_an_error() {
    let f = custom_vjp(
        |x: &Array| sum(x),
        |x: &Array| (sum(x), x.clone()),
        |x: Array, ct: Array| (lax::mul(&x, &ct),),
    );
    check(
        at!(jvp(&f, (two(),), (two(),))),
        ErrorKind::Differentiation,
        expect![
            "<lambda> at its line: can't apply forward-mode differentiation (jvp) to a custom_vjp function"
        ],
    );
    check(
        at!(jvp(jit(&f), (two(),), (two(),))),
        ErrorKind::Differentiation,
        expect![
            "<lambda> at its line: can't apply forward-mode differentiation (jvp) to a custom_vjp function"
        ],
    );
    check(
        at!(jacfwd(&f)(&two())),
        ErrorKind::Differentiation,
        expect!["<lambda>: can't apply forward-mode differentiation (jvp) to a custom_vjp function"],
    );
    assert_eq!(f32s(&grad(&f)(&two()).unwrap()), [1.0, 2.0]);
}

#[test]
fn a_reverse_rule_that_fails_names_its_line() {
    let f = custom_vjp(
        |x: &Array| sum(x),
        |x: &Array| (sum(x), x.clone()),
        |x: Array, _: Array| (at!(lax::mul(&x, &three())),),
    );
    check(
        grad(&f)(&two()),
        ErrorKind::Shape,
        expect![
            "mul got incompatible shapes for broadcasting: (2,), (3,): 2 and 3 at axis -1 are neither equal nor 1"
        ],
    );
    check(
        jit(grad(jit(&f)))(&two()),
        ErrorKind::Shape,
        expect![
            "mul got incompatible shapes for broadcasting: (2,), (3,): 2 and 3 at axis -1 are neither equal nor 1"
        ],
    );
    let wrong = custom_vjp(|x: &Array| sum(x), |x: &Array| (sum(x), ()), |(): (), _: Array| (three(),));
    check(
        at!(grad(&wrong)(&two())),
        ErrorKind::Differentiation,
        expect![
            "custom VJP bwd rule <lambda> at its line for function <lambda> at its line must produce an output with the same type as the args tuple of the primal function, but at output.0 the bwd rule produced an output of type f32[3] corresponding to an input of type f32[2], so the shapes do not match"
        ],
    );
    assert_eq!(f(&two()).unwrap().item::<f32>().unwrap(), 3.0);
}
