//! Loops and conditionals whose parts do not fit.

use expect_test::expect;
use raxla::lax::{self, ScanOptions};
use raxla::prelude::*;

use super::support::{at, check, check_panic, f32s, same, three, two};

#[test]
fn a_carry_that_changes_its_type_is_an_error() {
    let dtype = |x: &Array| -> Result<Array> {
        let to_int = |c: Array, y: Array| (lax::convert_element_type(&c, DType::I32), y);
        Ok(at!(lax::scan(to_int, lax::full(((), DType::F32), 0), x.clone()))?.0)
    };
    check(
        dtype(&two()),
        ErrorKind::Carry,
        expect![[r#"
        scan body function carry input and carry output must have equal types, but they differ: the input carry has type f32[] but the corresponding output carry component has type i32[], so the dtypes do not match.
        Revise the function so that all output types match the corresponding input types"#]],
    );
    check(
        jit(dtype)(&two()),
        ErrorKind::Carry,
        expect![[r#"
        scan body function carry input and carry output must have equal types, but they differ: the input carry has type f32[] but the corresponding output carry component has type i32[], so the dtypes do not match.
        Revise the function so that all output types match the corresponding input types"#]],
    );
    let shape = |x: &Array| -> Result<Array> {
        let grow =
            |(c, n): (Array, Array), y: Array| ((lax::concatenate([&c, &c], 0), lax::reshape(&n, [1])), y);
        let ((c, _), _) = at!(lax::scan(grow, (x.clone(), lax::full(((), DType::F32), 0)), x.clone()))?;
        Ok(c)
    };
    check(
        jit(shape)(&two()),
        ErrorKind::Carry,
        expect![[r#"
            scan body function carry input and carry output must have equal types, but they differ:
              * the input carry component carry.0 has type f32[2] but the corresponding output carry component has type f32[4], so the shapes do not match;
              * the input carry component carry.1 has type f32[] but the corresponding output carry component has type f32[1], so the shapes do not match.
            Revise the function so that all output types match the corresponding input types"#]],
    );
    let tree = |x: &Array| -> Result<Vec<Array>> {
        let push = |mut c: Vec<Array>, y: Array| {
            c.push(y.clone());
            (c, y)
        };
        Ok(at!(lax::scan(push, vec![x.clone()], x.clone()))?.0)
    };
    check(
        jit(tree)(&two()),
        ErrorKind::Carry,
        expect![[r#"
        scan body function carry input and carry output must have the same pytree structure, but they differ at the root: a Vec of length 1, and a Vec of length 2.
        Revise the function so that the carry output has the same pytree structure as the carry input"#]],
    );
    let sum = |x: &Array| -> Result<Array> {
        Ok(lax::scan(|c: Array, y: Array| (lax::add(&c, &y), ()), lax::full(((), DType::F32), 0), x.clone())?
            .0)
    };
    assert_eq!(f32s(&jit(sum)(&two()).unwrap()), [3.0]);
}

#[test]
fn arrays_to_scan_over_agree_in_length() {
    let f = |c: Array, (_, y): (Array, Array)| (lax::add(&c, &y), ());
    let zero = || lax::full(((), DType::F32), 0);
    check(
        at!(lax::scan(f, zero(), (two(), three()))),
        ErrorKind::Shape,
        expect!["scan got values with different leading axis sizes: 2, 3"],
    );
    check(
        at!(lax::scan(f, zero(), (zero(), three()))),
        ErrorKind::Shape,
        expect!["scan got value with no leading axis to scan over: f32[]"],
    );
    check(
        at!(lax::scan(|c: Array, ()| (c, ()), zero(), ())),
        ErrorKind::InvalidArgument,
        expect!["scan got no values to scan over and `length` not provided (see scan_with)"],
    );
    let options = ScanOptions::new().length(4);
    check(
        at!(lax::scan_with(|c: Array, _: Array| (c, ()), zero(), two(), options)),
        ErrorKind::Shape,
        expect!["scan got `length` argument of 4 which disagrees with leading axis sizes [2]"],
    );
}

#[test]
fn a_mistake_in_a_body_names_the_line_in_the_body() {
    let f = |x: &Array| -> Result<Array> {
        Ok(lax::scan(|c: Array, y: Array| (at!(lax::add(&c, &three())), y), x.clone(), x.clone())?.0)
    };
    check(
        f(&two()),
        ErrorKind::Shape,
        expect![
            "add got incompatible shapes for broadcasting: (2,), (3,): 2 and 3 at axis -1 are neither equal nor 1"
        ],
    );
    check(
        jit(f)(&two()),
        ErrorKind::Shape,
        expect![
            "add got incompatible shapes for broadcasting: (2,), (3,): 2 and 3 at axis -1 are neither equal nor 1"
        ],
    );
    check(
        vmap(f)(&Array::from([[0.0f32; 2]; 3])),
        ErrorKind::Shape,
        expect![
            "add got incompatible shapes for broadcasting: (2,), (3,): 2 and 3 at axis -1 are neither equal nor 1"
        ],
    );
}

#[test]
fn branches_that_differ_are_an_error() {
    let f = |x: &Array| -> Result<Array> {
        let (yes, no) = (|x: Array| lax::reshape(&x, [1, 2]), |x: Array| x);
        at!(lax::cond(lax::gt(&lax::reduce_sum(x, [0]), &Array::from(0.0)), yes, no, x.clone()))
    };
    let message = check(
        f(&two()),
        ErrorKind::Branch,
        expect![[r#"
        cond branches must have equal output types but they differ: the output of true_fun has type f32[1,2] but the corresponding output of false_fun has type f32[2], so the shapes do not match.
        Revise true_fun and/or false_fun so that all output types match"#]],
    );
    same(jit(f)(&two()), ErrorKind::Branch, &message);
    same(grad(f)(&two()), ErrorKind::Branch, &message);
    let g = |x: &Array| -> Result<Vec<Array>> {
        let (yes, no) = (|x: Array| vec![x.clone(), x], |x: Array| vec![x]);
        at!(lax::cond(true, yes, no, x.clone()))
    };
    check(
        jit(g)(&two()),
        ErrorKind::Branch,
        expect![[r#"
        cond branch outputs must have the same pytree structure, but those of true_fun and false_fun differ at the root: a Vec of length 2, and a Vec of length 1.
        Revise true_fun and/or false_fun so that they have the same pytree structure"#]],
    );
    let h = |x: &Array| at!(lax::cond(x.clone(), |x: Array| x, |x: Array| x, x.clone()));
    check(jit(h)(&two()), ErrorKind::Shape, expect!["cond: pred must be a scalar, got f32[2]"]);
    let none: [&dyn Fn(Array) -> Array; 0] = [];
    check(
        at!(lax::switch(0, &none, two())),
        ErrorKind::InvalidArgument,
        expect!["switch: empty branch sequence"],
    );
    check(
        at!(lax::switch(0.5, &[&|x: Array| x], two())),
        ErrorKind::DType,
        expect!["switch: index type must be an integer, got f32[]"],
    );
    let k = |x: &Array| lax::cond(true, |x: Array| lax::neg(&x), |x: Array| x, x.clone());
    assert_eq!(f32s(&jit(k)(&two()).unwrap()), [-1.0, -2.0]);
}

#[test]
fn a_while_loop_that_does_not_fit_is_an_error() {
    let small = |x: &Array| lax::lt(&lax::reduce_sum(x, [0]), &Array::from(10.0));
    let f = move |x: &Array| at!(lax::while_loop(small, |x: Array| lax::reshape(&x, [1, 2]), x.clone()));
    check(
        jit(f)(&two()),
        ErrorKind::Carry,
        expect![[r#"
        while_loop body function carry input and carry output must have equal types, but they differ: the input carry has type f32[2] but the corresponding output carry component has type f32[1,2], so the shapes do not match.
        Revise the function so that all output types match the corresponding input types"#]],
    );
    let f = |x: &Array| at!(lax::while_loop(|x: &Array| lax::lt(x, &two()), |x: Array| x, x.clone()));
    check(
        jit(f)(&two()),
        ErrorKind::Carry,
        expect!["while_loop: cond_fun must return a boolean scalar, but got output type bool[2]"],
    );
    let f = |x: &Array| at!(lax::while_loop(|x: &Array| lax::reduce_sum(x, [0]), |x: Array| x, x.clone()));
    check(
        jit(f)(&two()),
        ErrorKind::Carry,
        expect!["while_loop: cond_fun must return a boolean scalar, but got output type f32[]"],
    );
    check(
        at!(lax::fori_loop(0.5, 3, |_: Array, x: Array| x, two())),
        ErrorKind::DType,
        expect!["fori_loop: lower and upper must be integers of one dtype, got f32 and i32"],
    );
}

#[test]
fn the_gradient_of_a_while_loop_is_an_error() {
    let double = |x: &Array| -> Result<Array> {
        let small = |x: &Array| lax::lt(&lax::reduce_sum(x, [0]), &Array::from(10.0));
        Ok(lax::reduce_sum(&at!(lax::while_loop(small, |x: Array| lax::add(&x, &x), x.clone()))?, [0]))
    };
    let message = check(
        grad(double)(&two()),
        ErrorKind::Differentiation,
        expect![
            "reverse-mode differentiation does not work for lax::while_loop or lax::fori_loop with dynamic start/stop values. Try using lax::scan, or using fori_loop with static start/stop"
        ],
    );
    same(jit(grad(double))(&two()), ErrorKind::Differentiation, &message);
    same(grad(jit(double))(&two()), ErrorKind::Differentiation, &message);
    let (_, slope) = jvp(double, (two(),), (two(),)).unwrap();
    assert_eq!(f32s(&slope), [12.0]);
}

#[test]
fn an_axis_name_that_no_vmap_binds_is_an_error() {
    let f = |x: &Array| at!(lax::psum(x, "rows"));
    let message = check(
        jit(f)(&two()),
        ErrorKind::UnboundAxisName,
        expect!["unbound axis name: rows. No enclosing vmap binds it"],
    );
    same(vmap(f)(&two()), ErrorKind::UnboundAxisName, &message);
    same(vmap_with(f, VmapOptions::new().axis_name("columns"))(&two()), ErrorKind::UnboundAxisName, &message);
    check_panic(
        || {
            f(&two());
        },
        expect!["unbound axis name: rows. No enclosing vmap binds it"],
    );
    let named = || VmapOptions::new().axis_name("rows");
    assert_eq!(f32s(&vmap_with(f, named())(&two()).unwrap()), [3.0, 3.0]);
    assert_eq!(f32s(&jit(vmap_with(jit(f), named()))(&two()).unwrap()), [3.0, 3.0]);
    // Outside again it is unbound still.
    same(jit(f)(&two()), ErrorKind::UnboundAxisName, &message);
}
