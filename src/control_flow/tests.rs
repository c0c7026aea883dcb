mod cond;
mod linear;
mod solves;
mod while_loop;

use super::scan::{ScanOptions, scan, scan_with};
use super::testing::{f32s, grad, jit, vmap};
use crate::core::array::Array;
use crate::dtype::DType::F32;
use crate::error::{ErrorKind, OrThrow};
use crate::lax::testing::{Draw, case, check_rules};
use crate::lax::{self, add, cos, full_like, mul, sin};

/// `c = sin(c w + x)`, `y = c w cos(w)`.
fn recurrence(init: &Array, xs: &Array, w: &Array, options: ScanOptions) -> [Array; 2] {
    let w = w.clone();
    let body = |c: Array, x: Array| {
        let c = sin(&add(&mul(&c, &w), &x));
        let y = mul(&c, &mul(&w, &cos(&w)));
        (c, y)
    };
    let (c, ys) = scan_with(body, init.clone(), xs.clone(), options).or_throw();
    [c, ys]
}

#[test]
fn scan_satisfies_the_rules() {
    let mut draw = Draw::new(1);
    let mut operands = || {
        let mut x = |shape: &[usize]| draw.uniform(F32, shape, -1.0, 1.0);
        [x(&[2]), x(&[3, 2]), x(&[2])]
    };
    let run = |options: ScanOptions| move |x: &[Array]| recurrence(&x[0], &x[1], &x[2], options.clone());
    let plain = ScanOptions::new;
    check_rules([
        case("scan", operands(), run(plain())),
        case("scan in reverse", operands(), run(plain().reverse(true))),
        case("unrolled scan", operands(), run(plain().unroll(2))),
    ]);
}

#[test]
fn the_fixpoint_finds_carries_that_are_affected_later() {
    // The tangent (and the mapped axis) of `w` reaches the third carry in the third iteration.
    let f = |x: &[Array]| {
        let w = x[0].clone();
        let body = |(a, b, c): (Array, Array, Array), (): ()| {
            let next = (mul(&w, &a), mul(&a, &b), add(&sin(&b), &c));
            (next, c)
        };
        let one = || full_like(&x[0], 1.0);
        let options = ScanOptions::new().length(4);
        let ((a, b, c), ys) = scan_with(body, (one(), one(), one()), (), options).or_throw();
        [a, b, c, ys]
    };
    check_rules([case("shifting carries", [Array::scalar(0.7f32)], f)]);
}

#[test]
fn a_weakly_typed_carry_is_promoted() {
    // JAX: `scan(lambda c, _: (c + 1.5, c), 0, None, length=3)`.
    let options = ScanOptions::new().length(3);
    let body = |c: Array, (): ()| {
        let c32 = lax::convert_element_type(&c, F32);
        (add(&c32, &Array::scalar(1.5f32)), c)
    };
    let (c, ys) = scan_with(body, Array::from(0), (), options).unwrap();
    assert_eq!(f32s(&ys), [0.0, 1.5, 3.0]);
    assert_eq!(c.item::<f32>().unwrap(), 4.5);
    assert!(!c.weak_type() && !ys.weak_type());
}

#[test]
fn a_carry_that_changes_its_type_is_named_by_its_path() {
    let init = (Array::from([1.0f32; 3]), vec![Array::from([1.0f32; 3])]);
    let xs = Array::from([1.0f32, 2.0]);
    let body = |(a, _): (Array, Vec<Array>), _: Array| ((a, vec![Array::from([1i32; 4])]), ());
    let e = scan(body, init.clone(), xs.clone()).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Carry);
    assert_eq!(
        e.message(),
        "scan body function carry input and carry output must have equal types, but they differ: the input carry \
         component carry.1[0] has type f32[3] but the corresponding output carry component has type i32[4], so the \
         dtypes do not match, and the shapes do not match.\nRevise the function so that all output types match the \
         corresponding input types"
    );
    assert!(e.location().unwrap().file().ends_with("control_flow/tests.rs"), "{e}");
    let body = |(a, _): (Array, Vec<Array>), _: Array| ((a, vec![]), ());
    let e = scan(body, init, xs.clone()).unwrap_err();
    assert!(e.message().contains("same pytree structure, but they differ at 1: a Vec of length 1"), "{e}");
    let e = scan(|c: Array, _: (Array, Array)| (c, ()), xs.clone(), (xs.clone(), Array::from([1.0f32; 3])));
    assert_eq!(e.unwrap_err().message(), "scan got values with different leading axis sizes: 2, 3");
    let e = scan(|c: Array, (): ()| (c, ()), xs.clone(), ());
    assert!(
        e.unwrap_err().message().starts_with("scan got no values to scan over and `length` not provided")
    );
}

#[test]
fn a_scan_forwards_what_its_body_passes_on() {
    type Carry = (Array, Array, Array);
    let f = |x: &Array, w: &Array| {
        let body = |(a, b, c): Carry, y: Array| {
            let next = add(&add(&b, &mul(&y, w)), &a);
            ((a.clone(), next, c), (y, a))
        };
        let xs = lax::full([3, 4], 1.0f32);
        lax::scan(body, (x.clone(), x.clone(), w.clone()), xs)
            .map(|(carry, ys): (Carry, (Array, Array))| (carry, ys))
    };
    let (x, w) = (Array::from([1.0f32, 2.0, 3.0, 4.0]), Array::from([0.5f32; 4]));
    // As JAX has it: constants are what stays the same, then what is captured.
    expect_test::expect![[r#"
        { lambda ; a:f32[4] b:f32[4]. let
            c:f32[3,4] = broadcast_in_dim 1.0:f32[]
            d:f32[4] e:f32[3,4] = scan[
              jaxpr={ lambda ; f:f32[4] g:f32[4] h:f32[4] i:f32[4] j:f32[4]. let
                  k:f32[4] = mul j h
                  l:f32[4] = add i k
                  m:f32[4] = add l f
                in (m, f) }
              length=3
              num_carry=1
              num_consts=3
              reverse=False
              unroll=1
            ] a b b a c
          in (a, d, b, c, e) }"#]]
    .assert_eq(&crate::make_jaxpr(f)(&x, &w).unwrap().to_string());
    let ((a, b, c), (ys, stacked)) = f(&x, &w).unwrap();
    assert_eq!((f32s(&a), f32s(&c), f32s(&ys)), (f32s(&x), f32s(&w), vec![1.0; 12]));
    assert_eq!((f32s(&b), f32s(&stacked)[8..].to_vec()), (vec![5.5, 9.5, 13.5, 17.5], f32s(&x)));
    // Nothing is left of the loop, also if there are no iterations.
    let all = |x: &Array, xs: &Array| lax::scan(|c: Array, y: Array| (c, y), x.clone(), xs.clone());
    let empty = Array::from_slice::<f32>(&[], &[0, 2]);
    let (c, ys): (Array, Array) = all(&x, &empty).unwrap();
    assert_eq!((f32s(&c), ys.shape().to_vec()), (f32s(&x), vec![0, 2]));
}

#[test]
fn scans_of_no_iterations_give_the_initial_carry() {
    let xs = Array::from_slice::<f32>(&[], &[0, 2]);
    let (c, ys) = scan(|c: Array, x: Array| (c, x), Array::scalar(2.0f32), xs).unwrap();
    assert_eq!((c.item::<f32>().unwrap(), ys.shape().to_vec()), (2.0, vec![0, 2]));
}

#[test]
fn scan_composes_with_jit_grad_and_vmap() {
    // c ← sin(c w + x) over three steps: the gradient with respect to w by hand.
    let f = |a: &[Array]| Ok(vec![recurrence(&a[0], &a[1], &a[2], ScanOptions::default())[0].clone()]);
    let args = [Array::scalar(0.5f32), Array::from([0.1f32, -0.2, 0.3]), Array::scalar(0.8f32)];
    let (mut c, mut dc) = (0.5f32, 0.0f32);
    for x in [0.1f32, -0.2, 0.3] {
        let slope = (c * 0.8 + x).cos();
        (c, dc) = ((c * 0.8 + x).sin(), slope * (dc * 0.8 + c));
    }
    let check = |found: &Array| {
        for y in f32s(found) {
            assert!((y - dc).abs() < 1e-5, "{y} {dc}");
        }
    };
    let g = |a: &[Array]| grad(f, a);
    check(&g(&args).unwrap()[2]);
    check(&jit(g, &args).unwrap()[2]);
    check(&grad(|a| jit(f, a), &args).unwrap()[2]);
    let batched = [Array::from([0.5f32; 4]), args[1].clone(), args[2].clone()];
    let dims = [Some(0), None, None];
    check(&vmap(g, &batched, &dims).unwrap()[2]);
    check(&jit(|a| vmap(g, a, &dims), &batched).unwrap()[2]);
    let summed = grad(|a| vmap(f, a, &dims), &batched).unwrap();
    assert!((summed[2].item::<f32>().unwrap() - 4.0 * dc).abs() < 1e-4);
}

#[test]
fn a_leak_from_a_scan_body_is_an_error_at_its_use() {
    let mut leaked = None;
    let body = |c: Array, x: Array| {
        leaked = Some(c.clone());
        (add(&c, &x), ())
    };
    scan(body, Array::scalar(0.0f32), Array::from([1.0f32])).unwrap();
    let leaked = leaked.unwrap();
    let e = jit(|a| Ok(vec![add(&leaked, &a[0])]), &[Array::scalar(1.0f32)]).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::UnexpectedTracer);
}
