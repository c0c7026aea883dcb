//! Promotion agrees with JAX's for every pair of types. `tests/oracle/promotion.py` wrote the table.

use raxla::dtype::{DType, canonicalize, promote_types, result_type};

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
        assert_eq!(promote_types(a, b, x64), parse(expected), "{line}");
        assert_eq!(result_type(&[a, b], x64).unwrap(), parse(expected), "{line}");
        rows += 1;
    }
    // 15 dtypes, all but bool also weak; 11 of them while x64 is off.
    assert_eq!(rows, 29 * 29 + 21 * 21);
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
                let ab = promote_types(a, b, x64);
                assert_eq!(ab, promote_types(b, a, x64));
                for &c in &types {
                    let all = result_type(&[a, b, c], x64).unwrap();
                    assert_eq!(promote_types(ab, c, x64), all, "{a:?} {b:?} {c:?}");
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
    assert_eq!(promote_types(promote_types(a, b, false), c, false), (BF16, true));
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
