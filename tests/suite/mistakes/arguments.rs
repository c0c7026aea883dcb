//! Arguments that do not fit: sizes to map over, structures, dtypes, donation.

use expect_test::expect;
use raxla::lax;
use raxla::prelude::*;

use super::support::{at, check, check_panic, f32s, three, two};

#[test]
fn mapped_axes_agree_in_size() {
    let f = |x: &Array, (y, z): &(Array, Array)| lax::add(&lax::add(x, y), z);
    let (x, y) = (Array::from([[1.0f32; 2]; 3]), Array::from([[1.0f32; 2]; 4]));
    check(
        at!(vmap(f)(&x, &(y.clone(), x.clone()))),
        ErrorKind::Shape,
        expect![[r#"
            vmap got inconsistent sizes for array axes to be mapped:
              * axis 0 of argument 0 of type f32[3,2] has size 3
              * axis 0 of argument 1.0 of type f32[4,2] has size 4
              * axis 0 of argument 1.1 of type f32[3,2] has size 3"#]],
    );
    check(
        at!(jit(vmap(f))(&x, &(y.clone(), x.clone()))),
        ErrorKind::Shape,
        expect![[r#"
            vmap got inconsistent sizes for array axes to be mapped:
              * axis 0 of argument 0 of type f32[3,2] has size 3
              * axis 0 of argument 1.0 of type f32[4,2] has size 4
              * axis 0 of argument 1.1 of type f32[3,2] has size 3"#]],
    );
    check(
        at!(vmap(f)(&x, &(Array::from(1.0), x.clone()))),
        ErrorKind::Shape,
        expect![
            "vmap was requested to map argument 1.0 along axis 0, which implies that its rank should be at least 1, but is only 0 (its shape is ())"
        ],
    );
    let over = |axes: [Option<i64>; 2]| vmap_with(f, VmapOptions::new().in_axes(axes));
    check(
        at!(over([None, None])(&x, &(y.clone(), y.clone()))),
        ErrorKind::InvalidArgument,
        expect!["vmap must have at least one mapped argument, or an axis_size"],
    );
    check(
        at!(over([Some(2), None])(&x, &(y.clone(), y.clone()))),
        ErrorKind::Shape,
        expect![
            "vmap was requested to map argument 0 along axis 2, which implies that its rank should be at least 3, but is only 2 (its shape is (3, 2))"
        ],
    );
    let one = vmap_with(f, VmapOptions::new().in_axes((0,)));
    check(
        at!(one(&x, &(y.clone(), y.clone()))),
        ErrorKind::InvalidArgument,
        expect![
            "vmap in_axes must be an integer, None, or a tuple with an entry for each argument, but (0,) has 1 for 2 arguments"
        ],
    );
    let out = vmap_with(f, VmapOptions::new().out_axes(3));
    check(
        at!(out(&x, &(x.clone(), x.clone()))),
        ErrorKind::InvalidArgument,
        expect!["vmap out_axes: axis 3 is out of range for a result of rank 2"],
    );
    let out = vmap_with(f, VmapOptions::new().out_axes(None));
    check(
        at!(out(&x, &(x.clone(), x.clone()))),
        ErrorKind::InvalidArgument,
        expect!["vmap has mapped output 0 but out_axes is None for it: f32[3,2] depends on the mapped axis"],
    );
    let sized = vmap_with(f, VmapOptions::new().axis_size(5));
    check(
        at!(sized(&x, &(x.clone(), x.clone()))),
        ErrorKind::Shape,
        expect![[r#"
            vmap got inconsistent sizes for array axes to be mapped:
              * axis 0 of argument 0 of type f32[3,2] has size 3
              * axis 0 of argument 1.0 of type f32[3,2] has size 3
              * axis 0 of argument 1.1 of type f32[3,2] has size 3
              * axis_size is 5"#]],
    );
    assert_eq!(vmap(f)(&x, &(x.clone(), x.clone())).unwrap().shape(), [3, 2]);
}

#[test]
fn a_structure_that_differs_is_an_error() {
    let add = |a: &Vec<Array>, b: &Vec<Array>| at!(tree::map2(|x, y| lax::add(x, y), a, b));
    let (one, both) = (vec![two()], vec![two(), two()]);
    check_panic(
        || {
            add(&both, &one);
        },
        expect![
            "tree::map2: the trees differ in structure at the root: a Vec of length 2, and a Vec of length 1"
        ],
    );
    check(
        jit(add)(&both, &one),
        ErrorKind::TreeMismatch,
        expect![
            "tree::map2: the trees differ in structure at the root: a Vec of length 2, and a Vec of length 1"
        ],
    );
    let compiled = jit(add).lower()(&both, &both).unwrap().compile().unwrap();
    check(
        at!(compiled(&one, &one)),
        ErrorKind::TreeMismatch,
        expect![
            "function compiled with another structure of arguments: at the root: a Vec of length 2, and a Vec of length 1"
        ],
    );
    check(
        at!(compiled(&both, &vec![two(), three()])),
        ErrorKind::InvalidArgument,
        expect![
            "argument types differ from the types for which this computation was compiled: argument 1[1] was compiled for f32[2] and called with f32[3]"
        ],
    );
    assert_eq!(f32s(&compiled(&both, &both).unwrap()[1]), [2.0, 4.0]);
}

#[test]
fn elements_are_read_as_what_they_are() {
    check(
        at!(two().to_vec::<i32>()),
        ErrorKind::DType,
        expect!["to_vec: the array is f32[2], so its elements cannot be read as i32"],
    );
    check(
        at!(two().to_vec::<f64>()),
        ErrorKind::DType,
        expect!["to_vec: the array is f32[2], so its elements cannot be read as f64"],
    );
    check(
        at!(Array::from(1.5).item::<i32>()),
        ErrorKind::DType,
        expect!["item: 1.5 of f32 cannot be read as i32"],
    );
    check(
        at!(Array::from(300).item::<u8>()),
        ErrorKind::DType,
        expect!["item: 300 of i32 cannot be read as u8"],
    );
    check(
        at!(two().item::<f32>()),
        ErrorKind::Shape,
        expect!["item: only an array of one element can be read as a number, got f32[2]"],
    );
    assert_eq!(Array::from(1).item::<i32>().unwrap(), 1);
    // A number of its kind, or an integer as a float.
    assert_eq!(Array::from(1.5).item::<f64>().unwrap(), 1.5);
    assert_eq!(Array::from(200).item::<u8>().unwrap(), 200);
    assert_eq!(Array::from(1).item::<f32>().unwrap(), 1.0);
}

#[test]
fn a_donated_buffer_that_is_shared_is_not_clobbered() {
    let step = jit(|state: Array, x: &Array| lax::add(&state, x));
    let shared = two();
    let held = shared.clone();
    assert_eq!(f32s(&step(shared.clone(), &held).unwrap()), [2.0, 4.0]);
    assert_eq!(f32s(&step(shared, &two()).unwrap()), [2.0, 4.0]);
    assert_eq!(f32s(&held), [1.0, 2.0]);
    // The last owner gives it away while it is borrowed by the same call, which takes a clone.
    let both = jit(|a: Array, b: Array, c: &Array| (lax::add(&a, c), lax::mul(&b, c)));
    let (sum, product) = both(held.clone(), held.clone(), &held).unwrap();
    assert_eq!((f32s(&sum), f32s(&product), f32s(&held)), (vec![2.0, 4.0], vec![1.0, 4.0], vec![1.0, 2.0]));
    let captured = two();
    let twice = captured.clone();
    let f = jit(move |x: Array| lax::add(&x, &captured));
    assert_eq!(f32s(&f(twice).unwrap()), [2.0, 4.0]);
    assert_eq!(f32s(&f(two()).unwrap()), [2.0, 4.0]);
}

#[test]
fn a_call_that_fails_leaves_its_arguments_alone() {
    let f = jit(|x: Array, y: Array| at!(lax::add(&x, &y)));
    let x = two();
    check(
        f(x.clone(), three()),
        ErrorKind::Shape,
        expect![
            "add got incompatible shapes for broadcasting: (2,), (3,): 2 and 3 at axis -1 are neither equal nor 1"
        ],
    );
    assert_eq!(f32s(&x), [1.0, 2.0]);
    assert_eq!(f32s(&f(x, two()).unwrap()), [2.0, 4.0]);
}

#[test]
fn static_values_belong_to_the_function() {
    let f = jit(|x: &Array, n: Static<usize>| lax::reshape(x, [*n, 4 / *n]));
    let x = Array::from([1.0f32; 4]);
    assert_eq!(f(&x, Static(2)).unwrap().shape(), [2, 2]);
    assert_eq!(f(&x, Static(4)).unwrap().shape(), [4, 1]);
    assert_eq!(f(&x, Static(2)).unwrap().shape(), [2, 2]);
    assert_eq!(f.cache_stats().traces, 2);
    let g = jit(|x: &Array, n: Static<usize>| at!(lax::reshape(x, [*n, 4 / *n])));
    check(
        g(&x, Static(3)),
        ErrorKind::Shape,
        expect!["reshape total size must be unchanged, got new_sizes (3, 1) for operand f32[4]"],
    );
}
