use crate::control_flow::testing::{f32s, grad, jit, vmap};
use crate::control_flow::{cond, scan, switch};
use crate::core::array::Array;
use crate::dtype::DType::{F32, I32};
use crate::error::{ErrorKind, OrThrow};
use crate::interpreters::partial_eval::trace_to_jaxpr;
use crate::lax::testing::{Draw, case, check_rules};
use crate::lax::{self, add, cos, mul, sin};

/// `(sin(x) w, x)` if `pred`, else `(x, cos(x w))`.
fn choose(pred: &Array, x: &Array, w: &Array) -> [Array; 2] {
    let w = w.clone();
    let on_true = |x: Array| (mul(&sin(&x), &w), x);
    let on_false = |x: Array| (x.clone(), cos(&mul(&x, &w)));
    let (a, b) = cond(pred, on_true, on_false, x.clone()).or_throw();
    [a, b]
}

#[test]
fn cond_satisfies_the_rules() {
    let mut draw = Draw::new(2);
    let mut cases = Vec::new();
    for pred in [false, true] {
        let operands =
            [Array::scalar(pred), draw.uniform(F32, &[3], -1.0, 1.0), draw.uniform(F32, &[3], -1.0, 1.0)];
        cases.push(case("cond", operands, |x| choose(&x[0], &x[1], &x[2])));
    }
    check_rules(cases);
}

#[test]
fn switch_satisfies_the_rules_and_clamps() {
    let branches = |i: &Array, x: &Array| {
        switch(i, &[&|x: Array| sin(&x), &|x: Array| x, &|x: Array| mul(&x, &x)], x.clone()).or_throw()
    };
    let x = Array::from([0.5f32, 2.0]);
    check_rules([case("switch", [Array::scalar(2i32), x.clone()], move |x| branches(&x[0], &x[1]))]);
    let at = |i: i32| f32s(&branches(&Array::from(i), &x));
    assert_eq!(at(1), [0.5, 2.0]);
    assert_eq!(at(7), [0.25, 4.0]);
    assert_eq!(at(-3), f32s(&sin(&x)));
}

#[test]
fn a_branch_that_is_not_taken_gives_no_nan_gradient_under_vmap() {
    // JAX: test_cond_vmap_grad, issue 1052: the derivative of sqrt at 0 is infinite.
    let f = |a: &[Array]| {
        let x = a[0].clone();
        let y = cond(lax::eq(&x, &Array::scalar(0.0f32)), |x: Array| x, |x: Array| lax::sqrt(&x), x)?;
        Ok(vec![y])
    };
    let x = Array::from([0.0f32, 4.0]);
    let found = grad(|a| vmap(f, a, &[Some(0)]), std::slice::from_ref(&x)).unwrap();
    assert_eq!(f32s(&found[0]), [1.0, 0.25]);
    let found = vmap(|a| grad(f, a), std::slice::from_ref(&x), &[Some(0)]).unwrap();
    assert_eq!(f32s(&found[0]), [1.0, 0.25]);
    let found = jit(|a| grad(|a| vmap(f, a, &[Some(0)]), a), &[x]).unwrap();
    assert_eq!(f32s(&found[0]), [1.0, 0.25]);
}

#[test]
fn cond_prints_as_in_jax() {
    let x = Array::from([1.0f32; 3]);
    let f = |a: &[Array]| {
        let (p, x) = (&a[0], a[1].clone());
        Ok(vec![cond(p, |x: Array| x, |x: Array| mul(&x, &Array::scalar(2.0f32)), x)?])
    };
    let jaxpr = trace_to_jaxpr(&[Array::scalar(true).aval(), x.aval()], f).unwrap();
    assert_eq!(
        jaxpr.to_string(),
        "{ lambda ; a:bool[] b:f32[3]. let
    c:i32[] = convert_element_type[new_dtype=int32 weak_type=False] a
    d:f32[3] = cond[
      branches=(
        { lambda ; e:f32[3]. let f:f32[3] = mul e 2.0:f32[] in (f,) }
        { lambda ; g:f32[3]. let  in (g,) }
      )
    ] c b
  in (d,) }"
    );
}

#[test]
fn branches_that_differ_are_named() {
    let x = Array::from([1.0f32; 3]);
    let e =
        cond(true, |x: Array| (x.clone(), x), |x: Array| (x, Array::from([1i32; 4])), x.clone()).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Branch);
    assert!(e.location().unwrap().file().ends_with("tests/cond.rs"), "{e}");
    assert_eq!(
        e.message(),
        "cond branches must have equal output types but they differ: the output of true_fun at path 1 has type f32[3] \
         but the corresponding output of false_fun has type i32[4], so the dtypes do not match, and the shapes do not \
         match.\nRevise true_fun and/or false_fun so that all output types match"
    );
    let e = cond(true, |x: Array| vec![x], |x: Array| vec![x.clone(), x], x.clone()).unwrap_err();
    assert!(e.message().contains("differ at the root: a Vec of length 1, and a Vec of length 2"), "{e}");
    let e = cond(x.clone(), |x: Array| x, |x: Array| x, x.clone()).unwrap_err();
    assert_eq!(e.message(), "cond: pred must be a scalar, got f32[3]");
    let e = switch(1.5, &[&|x: Array| x], x).unwrap_err();
    assert_eq!(e.message(), "switch: index type must be an integer, got f32[]");
}

#[test]
fn jit_of_grad_of_scan_of_cond() {
    // c ← sin(c) where x > 0, else c².
    let f = |a: &[Array]| {
        let body = |c: Array, x: Array| {
            let zero = Array::scalar(0.0f32);
            let c = cond(lax::gt(&x, &zero), |c: Array| sin(&c), |c: Array| mul(&c, &c), c)?;
            Ok((c, ()))
        };
        Ok(vec![scan(body, a[0].clone(), a[1].clone())?.0])
    };
    let args = [Array::scalar(1.5f32), Array::from([1.0f32, -1.0, 1.0])];
    let (s, t) = (1.5f32.sin(), 1.5f32.sin().powi(2));
    let expected = t.cos() * 2.0 * s * 1.5f32.cos();
    for g in [grad(f, &args), jit(|a| grad(f, a), &args), grad(|a| jit(f, a), &args)] {
        let found = g.unwrap()[0].item::<f32>().unwrap();
        assert!((found - expected).abs() < 1e-6, "{found} {expected}");
    }
    let many = [Array::from([1.5f32; 3]), args[1].clone()];
    let found = vmap(|a| grad(f, a), &many, &[Some(0), None]).unwrap();
    assert!(f32s(&found[0]).iter().all(|x| (x - expected).abs() < 1e-6));
}

#[test]
fn hessian_of_scan_of_cond_satisfies_the_rules() {
    let f = |a: &[Array]| {
        let body = |c: Array, i: Array| {
            let even = lax::eq(&i, &Array::scalar(1i32));
            (cond(even, |c: Array| sin(&c), |c: Array| mul(&c, &c), c).or_throw(), ())
        };
        let i = lax::iota(I32, 3);
        add(&scan(body, a[0].clone(), i).or_throw().0, &a[0])
    };
    check_rules([case("scan of cond", [Array::scalar(0.6f32)], f)]);
}
