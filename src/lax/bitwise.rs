//! Bitwise operations: `not`, `and`, `or`, `xor`, shifts, `population_count`, `clz`. JAX: `not_p` and its like. StableHLO:
//! `not`, `and`, `or`, `xor`, `shift_left`, `shift_right_logical`, `shift_right_arithmetic`, `popcnt`,
//! `count_leading_zeros`.

use crate::core::array::Array;
use crate::core::trace::bind1;
use crate::lax::elementwise::{INTEGER, INTEGER_OR_BOOL, elementwise, op, zero};

/// Elementwise bitwise (of `bool`: logical) negation; integer or `bool`.
///
/// # Errors
/// `not does not accept dtype f32`.
#[track_caller]
pub fn bitwise_not(x: &Array) -> Array {
    bind1(Not, &[x])
}

/// Elementwise bitwise (of `bool`: logical) and; operands of one dtype, integer or `bool`.
#[track_caller]
pub fn bitwise_and(x: &Array, y: &Array) -> Array {
    bind1(And, &[x, y])
}

/// Elementwise bitwise (of `bool`: logical) or; operands of one dtype, integer or `bool`.
#[track_caller]
pub fn bitwise_or(x: &Array, y: &Array) -> Array {
    bind1(Or, &[x, y])
}

/// Elementwise bitwise (of `bool`: logical) exclusive or; operands of one dtype, integer or `bool`.
#[track_caller]
pub fn bitwise_xor(x: &Array, y: &Array) -> Array {
    bind1(Xor, &[x, y])
}

/// Elementwise `x · 2ʸ`, wrapping; 0 if `y` is out of `0..bits`. Operands of one integer dtype.
///
/// # Errors
/// `shift_left does not accept dtype f32`.
#[track_caller]
pub fn shift_left(x: &Array, y: &Array) -> Array {
    bind1(ShiftLeft, &[x, y])
}

/// Elementwise right shift that fills with zeros; 0 if `y` is out of `0..bits`. Operands of one integer dtype.
#[track_caller]
pub fn shift_right_logical(x: &Array, y: &Array) -> Array {
    bind1(ShiftRightLogical, &[x, y])
}

/// Elementwise right shift that fills with the sign bit, also if `y` is out of `0..bits`. Operands of one integer dtype.
#[track_caller]
pub fn shift_right_arithmetic(x: &Array, y: &Array) -> Array {
    bind1(ShiftRightArithmetic, &[x, y])
}

/// Elementwise number of one bits; integer.
#[track_caller]
pub fn population_count(x: &Array) -> Array {
    bind1(PopulationCount, &[x])
}

/// Elementwise number of leading zero bits; integer.
#[track_caller]
pub fn clz(x: &Array) -> Array {
    bind1(Clz, &[x])
}

elementwise! {
    Not: "not", 1, INTEGER_OR_BOOL, op("stablehlo.not"), zero;
    And: "and", 2, INTEGER_OR_BOOL, op("stablehlo.and"), zero;
    Or: "or", 2, INTEGER_OR_BOOL, op("stablehlo.or"), zero;
    Xor: "xor", 2, INTEGER_OR_BOOL, op("stablehlo.xor"), zero;
    ShiftLeft: "shift_left", 2, INTEGER, op("stablehlo.shift_left"), zero;
    ShiftRightLogical: "shift_right_logical", 2, INTEGER, op("stablehlo.shift_right_logical"), zero;
    ShiftRightArithmetic: "shift_right_arithmetic", 2, INTEGER, op("stablehlo.shift_right_arithmetic"), zero;
    PopulationCount: "population_count", 1, INTEGER, op("stablehlo.popcnt"), zero;
    Clz: "clz", 1, INTEGER, op("stablehlo.count_leading_zeros"), zero;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;
    use crate::lax::testing::{Draw, INTEGERS, case, check_rules, message_of};

    #[test]
    fn rules_of_bitwise_operations() {
        let mut draw = Draw::new(20);
        check_rules(INTEGERS.into_iter().chain([DType::Bool]).flat_map(|d| {
            let x = [draw.any_bits(d, &[2, 3]), draw.any_bits(d, &[2, 3])];
            [
                case("not", x[..1].to_vec(), |x| bitwise_not(&x[0])),
                case("and", x.clone(), |x| bitwise_and(&x[0], &x[1])),
                case("or", x.clone(), |x| bitwise_or(&x[0], &x[1])),
                case("xor", x, |x| bitwise_xor(&x[0], &x[1])),
            ]
        }));
    }

    #[test]
    fn rules_of_shifts_and_counts() {
        let mut draw = Draw::new(21);
        check_rules(INTEGERS.into_iter().flat_map(|d| {
            let x = [draw.any_bits(d, &[2, 3]), draw.uniform(d, &[2, 3], 0.0, d.bits() as f64)];
            [
                case("shift_left", x.clone(), |x| shift_left(&x[0], &x[1])),
                case("shift_right_logical", x.clone(), |x| shift_right_logical(&x[0], &x[1])),
                case("shift_right_arithmetic", x.clone(), |x| shift_right_arithmetic(&x[0], &x[1])),
                case("population_count", x[..1].to_vec(), |x| population_count(&x[0])),
                case("clz", x[..1].to_vec(), |x| clz(&x[0])),
            ]
        }));
    }

    #[test]
    fn bits_of_floats_are_rejected() {
        let x = Array::from([1.0f32]);
        assert!(message_of(|| bitwise_and(&x, &x)).starts_with("and does not accept dtype f32"));
        assert!(message_of(|| shift_left(&x, &x)).starts_with("shift_left does not accept dtype f32"));
    }
}
