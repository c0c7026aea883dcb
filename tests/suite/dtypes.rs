//! Dtypes by JAX's words: `tests/oracle/dtypes.py` wrote what JAX and `ml_dtypes` say.

use raxla::dtypes::{
    self, DTypeOf, F4E2M1FN, F8E3M4, F8E4M3, F8E4M3FN, F8E5M2, F8E8M0FNU, I2, I4, ScalarKind, U2, U4,
};
use raxla::{Array, DType, Element, Scalar, numpy as jnp};
use serde_json::Value;

fn fixture() -> Value {
    serde_json::from_str(include_str!("../fixtures/dtypes.json")).unwrap()
}

fn dtype(name: &str) -> DType {
    DType::ALL.into_iter().find(|d| d.name() == name).unwrap()
}

fn kind(name: &str) -> ScalarKind {
    match name {
        "generic" => ScalarKind::Generic,
        "number" => ScalarKind::Number,
        "integer" => ScalarKind::Integer,
        "signedinteger" => ScalarKind::SignedInteger,
        "unsignedinteger" => ScalarKind::UnsignedInteger,
        "inexact" => ScalarKind::Inexact,
        "floating" => ScalarKind::Floating,
        "complexfloating" => ScalarKind::ComplexFloating,
        other => panic!("no class {other}"),
    }
}

/// Python's `float.hex`.
fn hexadecimal(text: &str) -> f64 {
    let (sign, rest) = text.strip_prefix('-').map_or((1.0, text), |rest| (-1.0, rest));
    let Some(rest) = rest.strip_prefix("0x") else {
        return match rest {
            "inf" => sign * f64::INFINITY,
            "nan" => f64::NAN,
            other => panic!("{other}"),
        };
    };
    let (mantissa, exponent) = rest.split_once('p').unwrap();
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = u64::from_str_radix(&format!("{whole}{fraction}"), 16).unwrap();
    // In two steps, as a power of two may be subnormal.
    let exponent = exponent.parse::<i32>().unwrap() - 4 * fraction.len() as i32;
    sign * digits as f64 * 2f64.powi(exponent / 2) * 2f64.powi(exponent - exponent / 2)
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
}

fn objects(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().unwrap().iter()
}

#[test]
fn limits_are_those_of_numpy_and_ml_dtypes() {
    let all = fixture();
    let mut seen = 0;
    for (name, expected) in objects(&all["finfo"]) {
        let info = dtypes::finfo(dtype(name));
        let float = |key: &str| hexadecimal(expected[key].as_str().unwrap());
        assert_eq!(
            [info.eps, info.epsneg, info.max, info.min],
            ["eps", "epsneg", "max", "min"].map(float),
            "{name}"
        );
        assert_eq!(
            [info.tiny, info.smallest_normal, info.smallest_subnormal, info.resolution],
            ["tiny", "smallest_normal", "smallest_subnormal", "resolution"].map(float),
            "{name}"
        );
        let keys = ["bits", "nmant", "nexp", "machep", "negep", "minexp", "maxexp", "precision"];
        let found = [
            info.bits as i32,
            info.nmant,
            info.nexp,
            info.machep,
            info.negep,
            info.minexp,
            info.maxexp,
            info.precision,
        ];
        assert_eq!(found, keys.map(|key| expected[key].as_i64().unwrap() as i32), "{name}");
        seen += 1;
    }
    for (name, expected) in objects(&all["iinfo"]) {
        let info = dtypes::iinfo(dtype(name));
        assert_eq!(info.bits, expected[0].as_u64().unwrap() as usize, "{name}");
        let text = |i: usize| expected[i].as_str().unwrap();
        assert_eq!(
            [info.min.to_string(), info.max.to_string(), info.to_string()],
            [text(1), text(2), text(3)]
        );
        seen += 1;
    }
    assert_eq!(seen, DType::ALL.len() - 1, "all but bool");
}

#[test]
fn classes_hold_what_they_hold_in_jax() {
    let all = fixture();
    let names: Vec<&str> = all["subkinds"].as_object().unwrap().keys().map(String::as_str).collect();
    for (name, expected) in objects(&all["issubdtype"]) {
        let expected: Vec<&str> = expected.as_array().unwrap().iter().map(|k| k.as_str().unwrap()).collect();
        for other in &names {
            assert_eq!(
                dtypes::issubdtype(dtype(name), kind(other)),
                expected.contains(other),
                "{name} in {other}"
            );
            assert!(!dtypes::issubdtype(kind(other), dtype(name)));
        }
        for other in DType::ALL {
            assert_eq!(dtypes::issubdtype(dtype(name), other), dtype(name) == other);
        }
    }
    for (name, expected) in objects(&all["subkinds"]) {
        let expected: Vec<&str> = expected.as_array().unwrap().iter().map(|k| k.as_str().unwrap()).collect();
        for other in &names {
            assert_eq!(
                dtypes::issubdtype(kind(name), kind(other)),
                expected.contains(other),
                "{name} in {other}"
            );
        }
    }
    assert!(
        dtypes::isdtype(DType::I4, [ScalarKind::SignedInteger]) && !dtypes::isdtype(DType::I4, [DType::I8])
    );
}

#[test]
fn dtypes_are_promoted_as_they_are_given() {
    let all = fixture();
    for (x64, key) in [(false, "promote_types_x32"), (true, "promote_types_x64")] {
        raxla::config::with_x64(x64, || {
            for (name, row) in objects(&all[key]) {
                for (other, expected) in DType::ALL.into_iter().zip(row.as_str().unwrap().split(' ')) {
                    let found = raxla::try_(|| jnp::promote_types(dtype(name), other));
                    match expected {
                        "error" => assert!(found.is_err(), "{name} {other} {x64}"),
                        _ => assert_eq!(found.unwrap().name(), expected, "{name} {other} {x64}"),
                    }
                }
            }
        });
    }
}

#[test]
fn weak_results_are_told_from_others() {
    let all = fixture();
    let numbers = [Array::from(2), Array::from(2.5)].map(DTypeOf::from);
    let typed = |types: &[DTypeOf]| match raxla::try_(|| dtypes::result_type_and_weak_type(types)) {
        Ok((dtype, true)) => format!("{} weak", dtype.name()),
        Ok((dtype, false)) => dtype.name().to_owned(),
        Err(_) => "error".to_owned(),
    };
    for (name, row) in objects(&all["result_type"]) {
        for (i, expected) in row.as_array().unwrap().iter().enumerate() {
            let found = match name.as_str() {
                "numbers" => typed(&numbers[..=i]),
                _ => typed(&[dtype(name).into(), numbers[i]]),
            };
            assert_eq!(found, *expected, "{name}, number {i}");
        }
    }
}

#[test]
fn numbers_are_rounded_as_by_ml_dtypes_to_small_floats() {
    let all = fixture();
    for (name, expected) in objects(&all["decode"]) {
        for (bits, text) in expected.as_array().unwrap().iter().enumerate() {
            let (found, value) = (
                Scalar::from_bytes(dtype(name), &[bits as u8]).to_f64(),
                hexadecimal(text.as_str().unwrap()),
            );
            let same = found.to_bits() == value.to_bits() || found.is_nan() && value.is_nan();
            assert!(same, "{name} {bits:#x}: {found} instead of {value}");
        }
    }
    for (name, expected) in objects(&all["encode"]) {
        let values = bytes(expected["f32"].as_str().unwrap());
        let codes = bytes(expected["codes"].as_str().unwrap());
        for (value, code) in values.chunks_exact(4).zip(codes) {
            let value = f32::from_le_bytes(value.try_into().unwrap());
            let found = Scalar::from_f64(dtype(name), f64::from(value)).bytes()[0];
            assert_eq!(found, code, "{name} of {value:e}");
        }
    }
}

/// Each value of an element type, and its bits, go through an array.
fn round_trip<T: Element + std::fmt::Debug + PartialEq>(values: impl Iterator<Item = T>) {
    let values: Vec<T> = values.collect();
    let x = Array::from(values.clone());
    assert_eq!(x.dtype(), T::DTYPE);
    assert_eq!(x.to_bytes().unwrap(), &*T::to_bytes(&values));
    assert_eq!(T::to_bytes(&x.to_vec::<T>().unwrap()), T::to_bytes(&values));
    assert_eq!(x.shape(), [values.len()]);
}

#[test]
fn elements_of_small_dtypes_make_arrays() {
    round_trip((0..16).map(F4E2M1FN::from_bits));
    round_trip((0..=255).map(F8E3M4::from_bits));
    round_trip((0..=255).map(F8E4M3FN::from_bits));
    round_trip((0..=255).map(F8E5M2::from_bits));
    round_trip((0..=255).map(F8E8M0FNU::from_bits));
    round_trip((-8..8).map(I4::new));
    round_trip((-2..2).map(I2::new));
    round_trip((0..16).map(U4::new));
    round_trip((0..4).map(U2::new));
    let x = Array::from([[I4::new(-3), I4::MAX], [I4::MIN, I4::new(0)]]);
    assert_eq!(x.to_string(), "[[-3 7]\n [-8 0]]");
    assert_eq!(x.at((0, 0)).get().item::<i32>().unwrap(), -3);
    assert_eq!(x.at((1, 0)).get().item::<f32>().unwrap(), -8.0);
    let y = Array::from([F8E4M3FN::from_f32(0.1), F8E4M3FN::MAX]);
    assert_eq!(format!("{y:?}"), "Array([0.1015625 448.0], dtype=float8_e4m3fn)");
    assert_eq!(y.at(0).get().item::<f64>().unwrap(), 0.1015625);
    assert_eq!(Array::from(F8E4M3::MIN).item::<F8E4M3>().unwrap().to_f32(), -240.0);
    assert!(!Array::from(I4::MAX).weak_type());
}

#[test]
fn packed_elements_are_moved_whole() {
    // Of what the compiler has wrong, or ends the process on.
    for x in [Array::from([1, 0, 3, 2, 1].map(U2::new)), Array::from([1, -2, -1, 0, 1].map(I2::new))] {
        let wide = x.astype(DType::I32);
        let jitted = raxla::jit(|x: &Array| jnp::concatenate([x, x, &jnp::sort(x, 0)], 0));
        let expected = jnp::concatenate([&wide, &wide, &jnp::sort(&wide, 0)], 0);
        let expected = expected.to_vec::<i32>().unwrap();
        assert_eq!(jitted(&x).unwrap().astype(DType::I32).to_vec::<i32>().unwrap(), expected);
        let order = jnp::argsort(&x, 0).to_vec::<i32>().unwrap();
        assert_eq!(order, jnp::argsort(&wide, 0).to_vec::<i32>().unwrap());
    }
    let halves = Array::from([1.5, -0.0, 6.0, -3.0].map(F4E2M1FN::from_f32));
    let sorted = jnp::sort(&halves, 0).to_vec::<F4E2M1FN>().unwrap();
    assert_eq!(sorted, [-3.0, -0.0, 1.5, 6.0].map(F4E2M1FN::from_f32));
}

#[test]
fn casts_are_safe_where_every_value_is_kept() {
    let safe = |from: DType, to: DType| jnp::can_cast(from, to);
    use DType::*;
    assert!(safe(I4, I8) && safe(I4, F8E4M3FN) && safe(U4, F16) && safe(F8E5M2, F16) && safe(F8E4M3FN, BF16));
    assert!(!safe(F8E4M3, F8E3M4) && !safe(F8E8M0FNU, F16) && !safe(I8, I4) && !safe(U8, F8E4M3FN));
    assert!(safe(I64, F64) && safe(U32, I64) && safe(F32, C64) && safe(Bool, I2) && safe(I16, F32));
    assert!(!safe(I32, F32) && !safe(U32, I32) && !safe(F64, C64) && !safe(F32, BF16) && !safe(C64, F64));
    let of_kind =
        |from, to| jnp::can_cast_with(from, to, jnp::CanCastOptions::new().casting(jnp::Casting::SameKind));
    assert!(
        of_kind(F64, F32) && of_kind(I64, I8) && of_kind(U8, I8) && of_kind(I32, F16) && of_kind(F64, C64)
    );
    assert!(!of_kind(I8, U64) && !of_kind(F32, I64) && !of_kind(C64, F64) && !of_kind(I8, Bool));
}
