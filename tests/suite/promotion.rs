//! Promotion agrees with JAX's for every pair of types. `tests/oracle/promotion.py` wrote the table.

use raxla::dtype::{DType, canonicalize, promote_types, result_type};
use raxla::{Array, numpy as jnp};

fn parse(text: &str) -> (DType, bool) {
    let name = text.trim_end_matches('*');
    let dtype = DType::ALL.into_iter().find(|d| d.short_name() == name).unwrap();
    (dtype, text.ends_with('*'))
}

#[test]
fn every_pair_of_types_promotes_as_in_jax() {
    let table = include_str!("../fixtures/promotion.csv");
    let mut rows = 0;
    for line in table.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let [x64, a, b, expected] = fields[..] else { panic!("{line}") };
        let (a, b, x64) = (parse(a), parse(b), x64 == "on");
        let (two, any) = (promote_types(a, b, x64), result_type(&[a, b], x64));
        if expected == "error" {
            assert!(
                [two, any].into_iter().all(|e| e.unwrap_err().message().contains("no implicit promotion")),
                "{line}"
            );
        } else {
            assert_eq!([two.unwrap(), any.unwrap()], [parse(expected); 2], "{line}");
        }
        rows += 1;
    }
    // 28 dtypes, all but bool also weak; 24 of them while x64 is off.
    assert_eq!(rows, 55 * 55 + 47 * 47);
}

#[test]
fn sixty_four_bits_narrow_while_x64_is_off() {
    use DType::*;
    for (wide, narrow) in [(I64, I32), (U64, U32), (F64, F32), (C128, C64)] {
        assert_eq!(canonicalize(wide, false), narrow);
        assert_eq!(canonicalize(wide, true), wide);
        assert_eq!(result_type(&[(wide, false)], false).unwrap(), (narrow, false));
    }
    assert_eq!(canonicalize(BF16, false), BF16);
}

#[test]
fn result_type_of_three_is_that_of_any_two_and_the_third() {
    use DType::*;
    for x64 in [false, true] {
        // Weak types of another width than a number's do not group: see `result_type`.
        let weak = [I64, F64, C128].map(|d| (canonicalize(d, x64), true));
        let types: Vec<_> = DType::ALL.into_iter().map(|d| (d, false)).chain(weak).collect();
        for &a in &types {
            for &b in &types {
                let ab = promote_types(a, b, x64).ok();
                assert_eq!(ab, promote_types(b, a, x64).ok());
                for &c in &types {
                    let all = result_type(&[a, b, c], x64).ok();
                    let both = ab.and_then(|ab| promote_types(ab, c, x64).ok());
                    assert_eq!(both, all, "{a:?} {b:?} {c:?}");
                }
            }
        }
    }
}

#[test]
fn result_type_sees_all_operands_at_once() {
    use DType::*;
    // JAX 0.10.2: `lattice_result_type`.
    let [a, b, c] = [(Bool, false), (I8, true), (BF16, true)];
    assert_eq!(result_type(&[a, b, c], false).unwrap(), (F32, true));
    let ab = promote_types(a, b, false).unwrap();
    assert_eq!(promote_types(ab, c, false).unwrap(), (BF16, true));
}

#[test]
fn what_has_no_common_dtype_is_named_with_the_way_out() {
    use DType::*;
    let message = |types: &[(DType, bool)]| result_type(types, false).unwrap_err().message().to_string();
    assert_eq!(
        message(&[(F8E4M3FN, false), (F32, false), (F32, false)]),
        "f8_e4m3fn and f32 have no implicit promotion: floats of eight or fewer bits promote to no other float. Convert one by astype"
    );
    assert_eq!(
        message(&[(I4, false), (I8, false)]),
        "i4 and i8 have no implicit promotion: integers of four or fewer bits promote to no other dtype. Convert one by astype"
    );
    let (x, y) = (Array::from([raxla::dtype::F8E4M3FN::MAX]), Array::from([1.0f32]));
    let error = raxla::try_(|| jnp::add(&x, &y)).unwrap_err();
    assert!(error.message().starts_with("add: f8_e4m3fn and f32 have no implicit promotion"), "{error}");
    assert!(error.location().is_some_and(|at| at.file().ends_with("promotion.rs")), "{error}");
    let error = raxla::try_(|| jnp::concatenate([&x, &y], 0)).unwrap_err();
    assert!(error.message().starts_with("concatenate: f8_e4m3fn and f32"), "{error}");
    assert_eq!(
        (&x * 0.5).to_vec::<raxla::dtype::F8E4M3FN>().unwrap(),
        [raxla::dtype::F8E4M3FN::from_f32(224.0)]
    );
}

#[test]
fn result_type_of_one_is_itself() {
    assert_eq!(result_type(&[(DType::I16, true)], false).unwrap(), (DType::I16, true));
    // There is no weak bool.
    assert_eq!(result_type(&[(DType::Bool, true)], false).unwrap(), (DType::Bool, false));
}

#[test]
fn result_type_of_nothing_is_an_error() {
    let error = result_type(&[], false).unwrap_err();
    assert_eq!(error.message(), "result_type: at least one dtype is required");
}

#[test]
fn a_dtypes_discriminant_is_its_position() {
    for (i, dtype) in DType::ALL.into_iter().enumerate() {
        assert_eq!(dtype as usize, i);
    }
}
