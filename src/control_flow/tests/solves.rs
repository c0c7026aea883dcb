use crate::control_flow::testing::{f32s, grad, jit, vmap};
use crate::control_flow::{
    CustomLinearSolveOptions, CustomRootOptions, custom_linear_solve, custom_linear_solve_with, custom_root,
    custom_root_with, fori_loop,
};
use crate::core::array::Array;
use crate::dtype::DType::F32;
use crate::error::{ErrorKind, OrThrow, Result};
use crate::lax::linalg::{TriangularSolveOptions, triangular_solve_with};
use crate::lax::testing::{Draw, case, check_rules};
use crate::lax::{self, dot};
use crate::lax::{add, div, mul, neg, reduce_sum, sin, sub};

type One<'a> = &'a dyn Fn(Array) -> Result<Array>;

/// A lower triangular system, with the transposed one by another substitution.
fn substituted(a: &Array, b: &Array) -> Array {
    let by = |turned: bool| {
        let a = lax::stop_gradient(a);
        move |_: One<'_>, b: Array| {
            let options = TriangularSolveOptions::new().left_side(true).lower(true).transpose_a(turned);
            let column = lax::expand_dims(&b, [1]);
            lax::squeeze(&triangular_solve_with(&a, &column, options), [1])
        }
    };
    let mask = lax::convert_element_type(&Array::from([[1.0f32, 0.0], [1.0, 1.0]]), a.dtype());
    let lower = mul(a, &mask);
    let options = CustomLinearSolveOptions::new().transpose_solve(by(true));
    custom_linear_solve_with(|x: Array| dot(&lower, &x), b.clone(), by(false), options).or_throw()
}

/// A diagonal system of a pair, which is its own transpose.
fn diagonal(d: &Array, b: &Array) -> [Array; 2] {
    let pair = (b.clone(), mul(b, b));
    let held = lax::stop_gradient(d);
    type Pair = (Array, Array);
    let solve = |_: &dyn Fn(Pair) -> Result<Pair>, (x, y): Pair| (div(&x, &held), div(&y, &held));
    let options = CustomLinearSolveOptions::new().symmetric(true);
    let matvec = |(x, y): Pair| (mul(d, &x), mul(d, &y));
    let (x, y) = custom_linear_solve_with(matvec, pair, solve, options).or_throw();
    [x, y]
}

/// `x³ + x = a` by Newton's method.
fn cubic(a: &Array) -> Array {
    let f = |x: Array| sub(&add(&mul(&mul(&x, &x), &x), &x), a);
    let solve = |_: One<'_>, x: Array| {
        let [one, three] = [1.0, 3.0].map(|value| lax::full_like(a, value));
        let a = lax::stop_gradient(a);
        let step = |_: Array, x: Array| {
            let square = mul(&x, &x);
            let slope = add(&mul(&three, &square), &one);
            sub(&x, &div(&sub(&add(&mul(&square, &x), &x), &a), &slope))
        };
        fori_loop(0, 20, step, x)
    };
    let tangent = |g: One<'_>, y: Array| -> Result<Array> { Ok(div(&y, &g(lax::full_like(&y, 1.0))?)) };
    custom_root(f, lax::full_like(a, 1.0), solve, tangent).or_throw()
}

#[test]
fn custom_linear_solve_satisfies_the_rules() {
    let mut draw = Draw::new(301);
    let mut x = |shape: &[usize]| draw.uniform(F32, shape, 1.0, 2.0);
    check_rules([
        case("custom_linear_solve", [x(&[2, 2]), x(&[2])], |x| substituted(&x[0], &x[1])),
        case("custom_linear_solve of a pair", [x(&[3]), x(&[3])], |x| diagonal(&x[0], &x[1])),
    ]);
}

#[test]
fn custom_root_satisfies_the_rules() {
    check_rules([case("custom_jvp_call of a root", [Array::scalar(2.5f32)], |x| cubic(&sin(&x[0])))]);
}

#[test]
fn what_is_given_besides_has_no_derivative() {
    let f = |x: &[Array]| {
        let d = &x[0];
        let solve = |_: One<'_>, b: Array| (div(&b, &lax::stop_gradient(d)), Array::scalar(7i32));
        let options = CustomLinearSolveOptions::new().symmetric(true).has_aux(true);
        let (x, steps): (Array, Array) =
            custom_linear_solve_with(|x: Array| mul(d, &x), Array::scalar(1.0f32), solve, options)?;
        Ok(vec![x, steps])
    };
    let d = [Array::scalar(2.0f32)];
    for found in [f(&d), jit(f, &d)] {
        let found = found.unwrap();
        assert_eq!((found[0].item::<f32>().unwrap(), found[1].item::<i32>().unwrap()), (0.5, 7));
    }
    assert_eq!(f32s(&grad(f, &d).unwrap()[0]), [-0.25]);
    let mapped = vmap(f, &[Array::from([2.0f32, 4.0])], &[Some(0)]).unwrap();
    assert_eq!(f32s(&mapped[0]), [0.5, 0.25]);
    assert_eq!(mapped[1].to_vec::<i32>().unwrap(), [7, 7]);
    let solve = |_: One<'_>, x: Array| (x, Array::scalar(3i32));
    let tangent = |_: One<'_>, y: Array| y;
    let options = CustomRootOptions::new().has_aux(true);
    let (_, steps): (Array, Array) =
        custom_root_with(|x: Array| x, Array::scalar(0.0f32), solve, tangent, options).unwrap();
    assert_eq!(steps.item::<i32>().unwrap(), 3);
}

#[test]
fn reverse_mode_needs_the_transposed_solution() {
    let f = |x: &[Array]| {
        let solve = |_: One<'_>, b: Array| div(&b, &x[0]);
        Ok(vec![custom_linear_solve(|y: Array| mul(&x[0], &y), x[1].clone(), solve)?])
    };
    let args = [Array::scalar(2.0f32), Array::scalar(3.0f32)];
    assert_eq!(f32s(&f(&args).unwrap()[0]), [1.5]);
    let e = grad(f, &args).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Differentiation);
    assert_eq!(
        e.message(),
        "transpose_solve required for backwards mode automatic differentiation of custom_linear_solve"
    );
}

#[test]
fn a_part_that_is_not_mapped_stays_so() {
    // The right-hand side is mapped, the matrix is not, and the other way round.
    let f = |x: &[Array]| Ok(vec![substituted(&x[0], &x[1])]);
    let (a, b) = (Array::from([[2.0f32, 0.0], [1.0, 4.0]]), Array::from([2.0f32, 5.0]));
    let pair = |x: &Array| lax::concatenate([lax::expand_dims(x, [0]), lax::expand_dims(&neg(x), [0])], 0);
    let found = vmap(f, &[a.clone(), pair(&b)], &[None, Some(0)]).unwrap();
    assert_eq!(f32s(&found[0]), [1.0, 1.0, -1.0, -1.0]);
    let found = vmap(f, &[pair(&a), b], &[Some(0), None]).unwrap();
    assert_eq!(f32s(&found[0]), [1.0, 1.0, -1.0, -1.0]);
}

#[test]
fn functions_that_do_not_fit_are_named() {
    let b = || Array::from([1.0f32, 2.0]);
    let same = |_: One<'_>, b: Array| b;
    let message = |found: Result<Array>| found.unwrap_err().message().to_owned();
    assert_eq!(
        message(custom_linear_solve(|x: Array| reduce_sum(&x, [0]), b(), same)),
        "custom_linear_solve: matvec() output shapes must match b, got f32[] and f32[2]"
    );
    let sum = |_: One<'_>, b: Array| reduce_sum(&b, [0]);
    assert_eq!(
        message(custom_linear_solve(|x: Array| x, b(), sum)),
        "custom_linear_solve: solve() output shapes must match b, got f32[] and f32[2]"
    );
    let options = CustomLinearSolveOptions::new().has_aux(true);
    let found: Result<Array> = custom_linear_solve_with(|x: Array| x, b(), same, options);
    assert_eq!(
        message(found),
        "custom_linear_solve: solve() must give a pair, for has_aux says so, got PyTreeDef(*)"
    );
    assert_eq!(
        message(custom_root(|x: Array| reduce_sum(&x, [0]), b(), same, same)),
        "custom_root: f() output shapes must match initial_guess, got f32[] and f32[2]"
    );
    assert_eq!(
        message(custom_root(|x: Array| x, b(), same, sum)),
        "custom_root: tangent_solve() output shapes must match initial_guess, got f32[] and f32[2]"
    );
}
