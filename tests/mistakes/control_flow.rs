//! Loops and conditionals whose parts do not fit.

use expect_test::expect;
use raxla::lax::{self, ScanOptions};
use raxla::prelude::*;

use crate::support::{at, check, f32s, three, two};

#[test]
fn a_carry_that_changes_its_type_is_an_error() {
    let dtype = |x: &Array| -> Result<Array> {
        let to_int = |c: Array, y: Array| (lax::convert_element_type(&c, DType::I32), y);
        Ok(at!(lax::scan(to_int, lax::zeros(DType::F32, &[]), x.clone()))?.0)
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
            |(c, n): (Array, Array), y: Array| ((lax::concatenate(&[&c, &c], 0), lax::reshape(&n, &[1])), y);
        let ((c, _), _) = at!(lax::scan(grow, (x.clone(), lax::zeros(DType::F32, &[])), x.clone()))?;
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
        Ok(lax::scan(|c: Array, y: Array| (lax::add(&c, &y), ()), lax::zeros(DType::F32, &[]), x.clone())?.0)
    };
    assert_eq!(f32s(&jit(sum)(&two()).unwrap()), [3.0]);
}

#[test]
fn arrays_to_scan_over_agree_in_length() {
    let f = |c: Array, (_, y): (Array, Array)| (lax::add(&c, &y), ());
    let zero = || lax::zeros(DType::F32, &[]);
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
    let options = ScanOptions { length: Some(4), ..ScanOptions::default() };
    check(
        at!(lax::scan_with(|c: Array, _: Array| (c, ()), zero(), two(), options)),
        ErrorKind::Shape,
        expect!["scan got `length` argument of 4 which disagrees with leading axis sizes [2]"],
    );
    let options = ScanOptions { unroll: 0, ..ScanOptions::default() };
    check(
        at!(lax::scan_with(|c: Array, _: Array| (c, ()), zero(), two(), options)),
        ErrorKind::InvalidArgument,
        expect!["scan: unroll must be a positive integer, got 0"],
    );
}

#[test]
fn a_mistake_in_a_body_names_the_line_in_the_body() {
    let f = |x: &Array| -> Result<Array> {
        Ok(lax::scan(|c: Array, y: Array| (at!(lax::add(&c, &three())), y), x.clone(), x.clone())?.0)
    };
    check(f(&two()), ErrorKind::Shape, expect!["add got incompatible shapes for broadcasting: (2,), (3,)"]);
    check(
        jit(f)(&two()),
        ErrorKind::Shape,
        expect!["add got incompatible shapes for broadcasting: (2,), (3,)"],
    );
    check(
        vmap(f)(&Array::from([[0.0f32; 2]; 3])),
        ErrorKind::Shape,
        expect!["add got incompatible shapes for broadcasting: (2,), (3,)"],
    );
}
