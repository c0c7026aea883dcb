use super::{custom_jvp, custom_vjp};
use crate::control_flow::testing::{f32s, grad, jit, vmap};
use crate::core::array::Array;
use crate::dtype::DType;
use crate::error::{ErrorKind, OrThrow, Result};
use crate::interpreters::jvp::jvp;
use crate::lax;
use crate::lax::testing::{Draw, case, check_rules};
use crate::signature::Fun;

type Unary = Fun<'static, fn(&'static Array) -> Array>;

/// sin, with the derivative `3 cos(x)`.
fn steep_sin() -> Unary {
    custom_jvp(
        |x: &Array| lax::sin(x),
        |(x,): (Array,), (dx,): (Array,)| {
            let slope = lax::mul(&lax::cos(&x), &lax::full_like(&x, 3.0));
            (lax::sin(&x), lax::mul(&slope, &dx))
        },
    )
}

/// sin, with the cotangent `3 cos(x) ȳ`.
fn steep_sin_vjp() -> Unary {
    custom_vjp(
        |x: &Array| lax::sin(x),
        |x: &Array| (lax::sin(x), lax::cos(x)),
        |cos: Array, ct: Array| (lax::mul(&lax::mul(&cos, &ct), &lax::full_like(&ct, 3.0)),),
    )
}

fn x() -> Array {
    Array::from([0.5f32, -1.0, 2.0])
}

fn close(found: &Array, expected: impl Fn(f32) -> f32) {
    let at = f32s(&x());
    let found = f32s(found);
    assert_eq!(found.len(), 3);
    for (y, x) in found.iter().zip(at) {
        assert!((y - expected(x)).abs() < 1e-5, "{found:?} at {x}: expected {}", expected(x));
    }
}

#[test]
fn custom_derivatives_satisfy_the_rules() {
    let x = || Draw::new(65).uniform(DType::F32, &[3], -1.0, 1.0);
    // Those that count for the rules are the true ones.
    let sin = custom_jvp(
        |x: &Array| lax::sin(x),
        |(x,): (Array,), (dx,): (Array,)| (lax::sin(&x), lax::mul(&lax::cos(&x), &dx)),
    );
    let sin_vjp = custom_vjp(
        |x: &Array| lax::sin(x),
        |x: &Array| (lax::sin(x), lax::cos(x)),
        |cos: Array, ct: Array| (lax::mul(&cos, &ct),),
    );
    let pulled = sin_vjp.clone();
    let gradient = move |x: &[Array]| {
        let f = |y: &[Array]| Ok(vec![lax::mul(&pulled(&y[0])?, &x[1])]);
        grad(f, &x[..1]).or_throw()
    };
    let slope = gradient(&[x(), lax::full_like(&x(), 2.0)]);
    let expected = f32s(&x()).iter().map(|x| 2.0 * x.cos()).collect::<Vec<_>>();
    assert!(f32s(&slope[0]).iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6));
    check_rules([
        case("custom_jvp_call", [x()], move |x| sin(&x[0]).or_throw()),
        // It has no forward mode.
        case("custom_vjp_call", [x()], move |x| sin_vjp(&x[0]).or_throw()).without_derivatives(),
        case("gradient by custom_vjp", [x(), lax::full_like(&x(), 2.0)], gradient),
    ]);
}

#[test]
fn the_rule_of_custom_jvp_counts_in_every_transformation() {
    let f = steep_sin();
    close(&f(&x()).unwrap(), f32::sin);
    let flat = |a: &[Array]| Ok(vec![f(&a[0])?]);
    let g = |a: &[Array]| grad(flat, a);
    close(&grad(flat, &[x()]).unwrap()[0], |x| 3.0 * x.cos());
    close(&jit(g, &[x()]).unwrap()[0], |x| 3.0 * x.cos());
    let jitted = |a: &[Array]| jit(flat, a);
    close(&jit(flat, &[x()]).unwrap()[0], f32::sin);
    close(&grad(jitted, &[x()]).unwrap()[0], |x| 3.0 * x.cos());
    close(&vmap(g, &[x()], &[Some(0)]).unwrap()[0], |x| 3.0 * x.cos());
    let v = |a: &[Array]| vmap(flat, a, &[Some(0)]);
    close(&grad(v, &[x()]).unwrap()[0], |x| 3.0 * x.cos());
    let jv = |a: &[Array]| vmap(jitted, a, &[Some(0)]);
    close(&grad(jv, &[x()]).unwrap()[0], |x| 3.0 * x.cos());
    let vj = |a: &[Array]| jit(v, a);
    close(&grad(vj, &[x()]).unwrap()[0], |x| 3.0 * x.cos());
    // The rule is itself differentiated, by its own derivatives.
    close(&grad(g, &[x()]).unwrap()[0], |x| -3.0 * x.sin());
    close(&grad(|a| jit(g, a), &[x()]).unwrap()[0], |x| -3.0 * x.sin());
    let (_, dys) = jvp(flat, &[x()], &[Some(lax::full_like(&x(), 1.0))]).unwrap();
    close(dys[0].as_ref().unwrap(), |x| 3.0 * x.cos());
}

#[test]
fn the_rules_of_custom_vjp_count_in_every_transformation() {
    let f = steep_sin_vjp();
    close(&f(&x()).unwrap(), f32::sin);
    let flat = |a: &[Array]| Ok(vec![f(&a[0])?]);
    let g = |a: &[Array]| grad(flat, a);
    close(&grad(flat, &[x()]).unwrap()[0], |x| 3.0 * x.cos());
    close(&jit(g, &[x()]).unwrap()[0], |x| 3.0 * x.cos());
    let jitted = |a: &[Array]| jit(flat, a);
    close(&jit(flat, &[x()]).unwrap()[0], f32::sin);
    close(&grad(jitted, &[x()]).unwrap()[0], |x| 3.0 * x.cos());
    close(&vmap(g, &[x()], &[Some(0)]).unwrap()[0], |x| 3.0 * x.cos());
    let v = |a: &[Array]| vmap(flat, a, &[Some(0)]);
    close(&grad(v, &[x()]).unwrap()[0], |x| 3.0 * x.cos());
    close(&grad(|a| vmap(jitted, a, &[Some(0)]), &[x()]).unwrap()[0], |x| 3.0 * x.cos());
    close(&grad(|a| jit(v, a), &[x()]).unwrap()[0], |x| 3.0 * x.cos());
    // Forward over reverse and reverse over reverse differentiate `fwd` and `bwd`.
    close(&grad(g, &[x()]).unwrap()[0], |x| -3.0 * x.sin());
    let (_, dys) = jvp(g, &[x()], &[Some(lax::full_like(&x(), 1.0))]).unwrap();
    close(dys[0].as_ref().unwrap(), |x| -3.0 * x.sin());
}

#[test]
fn the_cotangent_of_an_argument_that_is_not_mapped_is_summed() {
    let f = custom_vjp(
        |x: &Array, y: &Array| lax::mul(x, y),
        |x: &Array, y: &Array| (lax::mul(x, y), (x.clone(), y.clone())),
        |(x, y): (Array, Array), ct: Array| (lax::mul(&y, &ct), lax::mul(&x, &ct)),
    );
    let flat = |a: &[Array]| Ok(vec![f(&a[0], &a[1])?]);
    let mapped = |a: &[Array]| vmap(flat, a, &[Some(0), None]);
    let args = [x(), Array::scalar(2.0f32)];
    let grads = grad(mapped, &args).unwrap();
    assert_eq!(f32s(&grads[0]), [2.0, 2.0, 2.0]);
    assert_eq!(grads[1].item::<f32>().unwrap(), 1.5);
    let grads = grad(|a| jit(mapped, a), &args).unwrap();
    assert_eq!(grads[1].item::<f32>().unwrap(), 1.5);
}

#[test]
fn forward_mode_of_custom_vjp_is_an_error() {
    let f = steep_sin_vjp();
    let e = jvp(|a| Ok(vec![f(&a[0])?]), &[x()], &[Some(x())]).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Differentiation);
    assert!(
        e.message().contains("can't apply forward-mode differentiation (jvp) to a custom_vjp function"),
        "{e}"
    );
}

#[test]
fn bwd_may_capture_a_tracer_of_an_enclosing_trace() {
    // JAX: test_bwd_closes_over_tracer.
    let outer = |a: &[Array]| -> Result<Vec<Array>> {
        let y = a[0].clone();
        let f = custom_vjp(
            |x: &Array| lax::sin(x),
            |x: &Array| (lax::sin(x), ()),
            move |(): (), ct: Array| (lax::mul(&lax::cos(&y), &ct),),
        );
        grad(|a| Ok(vec![f(&a[0])?]), &[Array::scalar(1.0f32)])
    };
    let two = Array::scalar(2.0f32);
    let found = jit(outer, std::slice::from_ref(&two)).unwrap();
    assert!((found[0].item::<f32>().unwrap() - 2f32.cos()).abs() < 1e-6);
    close(&vmap(outer, &[x()], &[Some(0)]).unwrap()[0], f32::cos);
    close(&jit(|a| vmap(outer, a, &[Some(0)]), &[x()]).unwrap()[0], f32::cos);
    close(&vmap(|a| jit(outer, a), &[x()], &[Some(0)]).unwrap()[0], f32::cos);
    let found = grad(outer, &[two]).unwrap();
    assert!((found[0].item::<f32>().unwrap() + 2f32.sin()).abs() < 1e-6);
}

#[test]
fn a_rule_that_gives_the_wrong_type_is_named() {
    let four = || Array::from([1.0f32; 4]);
    let f = custom_jvp(|x: &Array| lax::sin(x), move |(x,): (Array,), _: (Array,)| (lax::sin(&x), four()));
    let e = jvp(|a| Ok(vec![f(&a[0])?]), &[x()], &[Some(x())]).unwrap_err();
    assert!(e.message().ends_with("Expected f32[3] (tangent type of f32[3]) but got f32[4]"), "{e}");

    let f = custom_jvp(|x: &Array| lax::sin(x), move |_: (Array,), _: (Array,)| (four(), four()));
    let e = grad(|a| jit(|a| Ok(vec![f(&a[0])?]), a), &[x()]).unwrap_err();
    let message = e.message();
    assert!(
        message.contains("but it has f32[4], and the output of <lambda> at ")
            && message.ends_with(" has f32[3]"),
        "{e}"
    );

    let f =
        custom_vjp(|x: &Array| lax::sin(x), |x: &Array| (lax::sin(x), ()), move |(): (), _: Array| (four(),));
    let e = grad(|a| Ok(vec![f(&a[0])?]), &[x()]).unwrap_err();
    let message = "at output.0 the bwd rule produced an output of type f32[4] corresponding to an input of type \
                   f32[3], so the shapes do not match";
    assert!(e.message().ends_with(message), "{e}");
}

#[test]
fn control_flow_on_values_works_in_a_function_with_a_custom_derivative() {
    let f = custom_jvp(
        |x: &Array| -> Result<Array> { Ok(if x.truth()? { lax::sin(x) } else { lax::cos(x) }) },
        |(x,): (Array,), (dx,): (Array,)| -> Result<(Array, Array)> {
            Ok(if x.truth()? { (lax::sin(&x), lax::neg(&dx)) } else { (lax::cos(&x), dx) })
        },
    );
    let found = grad(|a| Ok(vec![f(&a[0])?]), &[Array::scalar(1.0f32)]).unwrap();
    assert_eq!(found[0].item::<f32>().unwrap(), -1.0);
}

#[test]
fn integer_arguments_have_no_tangent() {
    let f = custom_vjp(
        |x: &Array, _n: &Array| lax::sin(x),
        |x: &Array, n: &Array| (lax::sin(x), n.clone()),
        |n: Array, ct: Array| (lax::neg(&ct), n),
    );
    let args = [Array::scalar(1.0f32), Array::from(3)];
    let found = grad(|a| Ok(vec![f(&a[0], &a[1])?]), &args).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].item::<f32>().unwrap(), -1.0);
}
