//! Shapes and dtypes that an operation does not accept.

use expect_test::expect;
use raxla::prelude::*;
use raxla::{lax, nn, numpy as jnp};

use super::support::{at, check, check_panic, f32s, same, three, two};

#[test]
fn shapes_that_do_not_broadcast_panic_in_eager_code() {
    let (x, y) = (three(), Array::from([0.0f32; 4]));
    check_panic(
        || {
            at!(lax::add(&x, &y));
        },
        expect![
            "add got incompatible shapes for broadcasting: (3,), (4,): 3 and 4 at axis -1 are neither equal nor 1"
        ],
    );
    assert_eq!(f32s(&lax::add(&x, &x)), [2.0, 4.0, 6.0]);
}

#[test]
fn shapes_that_do_not_broadcast_are_an_error_in_every_transformation() {
    let f = |x: &Array, y: &Array| at!(lax::add(&lax::mul(x, x), y));
    let (x, y) = (three(), Array::from([0.0f32; 4]));
    let message = check(
        jit(f)(&x, &y),
        ErrorKind::Shape,
        expect![
            "add got incompatible shapes for broadcasting: (3,), (4,): 3 and 4 at axis -1 are neither equal nor 1"
        ],
    );
    same(jit(jit(f))(&x, &y), ErrorKind::Shape, &message);
    same(jvp(f, (x.clone(), y.clone()), (x.clone(), y.clone())), ErrorKind::Shape, &message);
    same(vjp(f, (x.clone(), y.clone())).map(|_| ()), ErrorKind::Shape, &message);
    same(grad(f)(&x, &y), ErrorKind::Shape, &message);
    same(jit(grad(jit(f)))(&x, &y), ErrorKind::Shape, &message);
    same(make_jaxpr(f)(&x, &y), ErrorKind::Shape, &message);
    same(jit(f).lower()(&x, &y), ErrorKind::Shape, &message);
    let (xs, ys) = (Array::from([[0.0f32; 3]; 2]), Array::from([[0.0f32; 4]; 2]));
    same(vmap(f)(&xs, &ys), ErrorKind::Shape, &message);
    same(jit(vmap(grad(f)))(&xs, &ys), ErrorKind::Shape, &message);
    let f = jit(f);
    assert_eq!(f32s(&f(&x, &x).unwrap()), [2.0, 6.0, 12.0]);
    same(f(&x, &y), ErrorKind::Shape, &message);
    assert_eq!(f32s(&f(&x, &x).unwrap()), [2.0, 6.0, 12.0]);
}

#[test]
fn a_matrix_product_of_the_wrong_sizes_names_both_shapes() {
    let (a, b) = (Array::from([[1.0f32, 2.0, 3.0]; 2]), Array::from([[1.0f32; 2]; 2]));
    check_panic(
        || {
            at!(lax::dot(&a, &b));
        },
        expect![
            "dot: dimension_numbers must be specified when not performing simple un-batched matrix-matrix, matrix-vector, or vector-vector products; got lhs_shape=(2, 3) rhs_shape=(2, 2)"
        ],
    );
    check(
        jit(|a: &Array, b: &Array| at!(lax::dot(a, b)))(&a, &b),
        ErrorKind::Shape,
        expect![
            "dot: dimension_numbers must be specified when not performing simple un-batched matrix-matrix, matrix-vector, or vector-vector products; got lhs_shape=(2, 3) rhs_shape=(2, 2)"
        ],
    );
    assert_eq!(jit(|a: &Array, b: &Array| lax::dot(b, a))(&a, &b).unwrap().shape(), [2, 3]);
}

#[test]
fn operands_of_two_dtypes_are_named() {
    let f = |x: &Array, n: &Array| at!(lax::mul(x, n));
    let n = Array::from([1i32, 2, 3]);
    check(
        jit(f)(&three(), &n),
        ErrorKind::DType,
        expect!["mul requires arguments to have the same dtypes, got f32, i32 (numpy functions promote)"],
    );
    check_panic(
        || {
            f(&three(), &n);
        },
        expect!["mul requires arguments to have the same dtypes, got f32, i32 (numpy functions promote)"],
    );
}

#[test]
fn a_dtype_that_an_operation_does_not_take_is_named_with_those_that_it_takes() {
    let f = |x: &Array| at!(lax::sin(x));
    check(
        jit(f)(&Array::from([1i32])),
        ErrorKind::DType,
        expect!["sin does not accept dtype i32. Accepted dtypes are floating, c64, c128: convert by astype"],
    );
}

#[test]
fn axes_that_an_array_does_not_have_are_named() {
    let x = Array::from([[1.0f32, 2.0]; 3]);
    check(
        jit(|x: &Array| at!(lax::reduce_sum(x, [2])))(&x),
        ErrorKind::Shape,
        expect!["reduce_sum: axis 2 is out of bounds for array of dimension 2, got operand f32[3,2]"],
    );
    check(
        jit(|x: &Array| at!(lax::reduce_sum(x, [1, 1])))(&x),
        ErrorKind::Shape,
        expect!["reduce_sum: duplicate value in axes [1, 1], got operand f32[3,2]"],
    );
    check(
        jit(|x: &Array| at!(lax::transpose(x, [0, 0])))(&x),
        ErrorKind::Shape,
        expect![
            "transpose permutation isn't a permutation of operand dimensions, got permutation (0, 0) for operand f32[3,2]"
        ],
    );
    check(
        jit(|x: &Array| at!(lax::transpose(x, [0])))(&x),
        ErrorKind::Shape,
        expect![
            "transpose permutation isn't a permutation of operand dimensions, got permutation (0,) for operand f32[3,2]"
        ],
    );
    check(
        jit(|x: &Array| at!(lax::reshape(x, [4])))(&x),
        ErrorKind::Shape,
        expect!["reshape total size must be unchanged, got new_sizes (4,) for operand f32[3,2]"],
    );
    check(
        jit(|x: &Array| at!(lax::squeeze(x, [0])))(&x),
        ErrorKind::Shape,
        expect![
            "squeeze: cannot select an axis to squeeze out which has size not equal to one, got dimensions (0,) of operand f32[3,2]"
        ],
    );
    check(
        jit(|x: &Array| at!(lax::broadcast_in_dim(x, [3, 3], [0, 1])))(&x),
        ErrorKind::Shape,
        expect!["broadcast_in_dim: axis 1 of operand f32[3,2] does not fit axis 1 of shape (3, 3)"],
    );
    check(
        jit(|x: &Array| at!(lax::concatenate([x, &lax::reshape(x, [2, 3])], 0)))(&x),
        ErrorKind::Shape,
        expect![
            "Cannot concatenate arrays with shapes that differ in dimensions other than the one being concatenated: concatenating along dimension 0 for shapes (3, 2), (2, 3)"
        ],
    );
    check(
        jit(|x: &Array| at!(lax::slice(x, [0, 0], [4, 2])))(&x),
        ErrorKind::Shape,
        expect![
            "slice limit_indices must be less than or equal to operand shape, got limit_indices (4, 2) for operand shape (3, 2)"
        ],
    );
}

#[test]
fn an_array_whose_shape_does_not_hold_its_elements_is_rejected() {
    check_panic(
        || {
            at!(Array::from_slice(&[1.0f32, 2.0, 3.0], [2, 2]));
        },
        expect!["array: shape [2, 2] holds 4 elements, got 3"],
    );
    assert_eq!(Array::from_slice(&[1.0f32, 2.0], [1, 2]).shape(), [1, 2]);
}

#[test]
fn the_innermost_line_counts() {
    fn inner(x: &Array) -> Array {
        at!(lax::add(x, &lax::reshape(x, [1, 2])))
    }
    check(
        jit(|x: &Array| jit(inner)(x))(&two()),
        ErrorKind::Shape,
        expect![
            "add got incompatible shapes for broadcasting: (2,), (1, 2): they differ in rank (numpy functions broadcast)"
        ],
    );
    let by_scan = jit(|x: &Array| -> Result<Array> {
        Ok(lax::scan(|c: Array, y: Array| (inner(&c), y), x.clone(), three())?.0)
    });
    check(
        by_scan(&two()),
        ErrorKind::Shape,
        expect![
            "add got incompatible shapes for broadcasting: (2,), (1, 2): they differ in rank (numpy functions broadcast)"
        ],
    );
    check(
        grad(by_scan)(&two()),
        ErrorKind::Shape,
        expect![
            "add got incompatible shapes for broadcasting: (2,), (1, 2): they differ in rank (numpy functions broadcast)"
        ],
    );
}

#[test]
fn operators_name_the_users_line_too() {
    let f = |x: &Array, y: &Array| at!(x * 2.0 + y);
    let (x, y) = (three(), Array::from([0.0f32; 4]));
    let message = check_panic(
        || {
            f(&x, &y);
        },
        expect![
            "add got incompatible shapes for broadcasting: (3,), (4,): 3 and 4 at axis -1 are neither equal nor 1"
        ],
    );
    same(jit(f)(&x, &y), ErrorKind::Shape, &message);
    same(jit(grad(f))(&x, &y), ErrorKind::Shape, &message);
    let (xs, ys) = (Array::from([[0.0f32; 3]; 2]), Array::from([[0.0f32; 4]; 2]));
    same(vmap(f)(&xs, &ys), ErrorKind::Shape, &message);
    let product = |a: &Array, b: &Array| at!(jnp::matmul(a, b));
    let message = check_panic(
        || {
            product(&xs, &ys);
        },
        expect![
            "matmul: contracted axes must have the same size, got 3 (axis 1) and 2 (axis 0) of f32[2,3] and f32[2,4]"
        ],
    );
    same(jit(product)(&xs, &ys), ErrorKind::Shape, &message);
    // A function that is a jit of its own has the line of its caller too.
    let silu = |x: &Array| at!(nn::silu(x));
    let message = check_panic(
        || {
            silu(&Array::from([1, 2]));
        },
        expect![
            "logistic does not accept dtype i32. Accepted dtypes are floating, c64, c128: convert by astype"
        ],
    );
    same(jit(silu)(&Array::from([1, 2])), ErrorKind::DType, &message);
    check(
        jit(|x: &Array| at!(jnp::sum(x, 2)))(&xs),
        ErrorKind::Shape,
        expect!["sum: axis 2 is out of bounds for array of dimension 2, got operand f32[2,3]"],
    );
    check(
        jit(|x: &Array| at!(jnp::mean(x, -3)))(&xs),
        ErrorKind::Shape,
        expect!["mean: axis -3 is out of bounds for array of dimension 2, got operand f32[2,3]"],
    );
    check(
        jit(|x: &Array| at!(x.reshape([4])))(&xs),
        ErrorKind::Shape,
        expect!["reshape: cannot reshape array of shape (2, 3) (size 6) into shape (4,)"],
    );
    assert_eq!(f32s(&jit(f)(&x, &x).unwrap()), [3.0, 6.0, 9.0]);
}
