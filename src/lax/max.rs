//! `max`, `min`. JAX: `max_p`, `min_p`. StableHLO: `maximum`, `minimum`.

use crate::core::array::Array;
use crate::core::aval::ShapedArray;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::LoweredValues;
use crate::core::trace::bind1;
use crate::lax::elementwise::{ANY, broadcast_values, d2, elementwise, nary_lower, one};
use crate::lax::emit::emit;
use crate::lax::{div, eq, full_like, mul, select, zeros_like};
use crate::mlir::Value;

/// Elementwise greater of operands of one dtype; NaN if either is; complex numbers in lexicographic order.
///
/// # Errors
/// `max got incompatible shapes for broadcasting: (3,), (4,): 3 and 4 at axis -1 are neither equal nor 1`; operands of different dtypes.
#[track_caller]
pub fn max(x: &Array, y: &Array) -> Array {
    bind1(Max, &[x, y])
}

/// Elementwise lesser of operands of one dtype; NaN if either is; complex numbers in lexicographic order.
///
/// # Errors
/// `min got incompatible shapes for broadcasting: (3,), (4,): 3 and 4 at axis -1 are neither equal nor 1`; operands of different dtypes.
#[track_caller]
pub fn min(x: &Array, y: &Array) -> Array {
    bind1(Min, &[x, y])
}

elementwise! {
    pub(super) Max: "max", 2, ANY, lower_max, d2(left, right);
    pub(super) Min: "min", 2, ANY, lower_min, d2(left, right);
}

/// 1 where `x` alone is `z`, 1/2 where `y` is too, 0 elsewhere
fn balanced_eq(x: &Array, z: &Array, y: &Array) -> Array {
    let one = full_like(z, 1.0);
    let hit = select(&eq(x, z), &one, &zeros_like(z));
    div(&hit, &select(&eq(y, z), &full_like(z, 2.0), &one))
}

/// dz = dx where x is the result; half of it in a tie
fn left(dx: &Array, z: &Array, x: &Array, y: &Array) -> Array {
    mul(dx, &balanced_eq(x, z, y))
}

/// dz = dy where y is the result; half of it in a tie
fn right(dy: &Array, z: &Array, x: &Array, y: &Array) -> Array {
    mul(dy, &balanced_eq(y, z, x))
}

fn lower_max(ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
    if outs[0].dtype().is_complex() {
        lexicographic(ctx, ins, outs, true)
    } else {
        nary_lower(ctx, "stablehlo.maximum", ins, outs)
    }
}

fn lower_min(ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
    if outs[0].dtype().is_complex() {
        lexicographic(ctx, ins, outs, false)
    } else {
        nary_lower(ctx, "stablehlo.minimum", ins, outs)
    }
}

/// By the real parts, and by the imaginary parts where these are equal.
fn lexicographic(ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray], greater: bool) -> LoweredValues {
    let ins = broadcast_values(ctx, ins, outs[0].shape());
    Ok(one(emit(ctx, |e| {
        let (x, y) = (e.expr(ins[0]), e.expr(ins[1]));
        let (re, im) = ((x.real(), y.real()), (x.imag(), y.imag()));
        let first = if greater { re.0.gt(re.1) } else { re.0.lt(re.1) };
        let second = if greater { im.0.gt(im.1) } else { im.0.lt(im.1) };
        re.0.eq(re.1).select(second, first).select(x, y).value()
    })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;
    use crate::lax::testing::{Draw, FLOATS, case, check_rules};

    #[test]
    fn rules_of_max_and_min() {
        let mut draw = Draw::new(26);
        check_rules(FLOATS.into_iter().chain([DType::I32, DType::U8, DType::Bool]).flat_map(|d| {
            draw.pairs(d).into_iter().flat_map(|x| {
                [case("max", x.clone(), |x| max(&x[0], &x[1])), case("min", x.clone(), |x| min(&x[0], &x[1]))]
            })
        }));
    }

    #[test]
    fn complex_numbers_are_ordered_by_real_then_imaginary_part() {
        let c = num_complex::Complex::<f32>::new;
        let (x, y) = (Array::from([c(1.0, 2.0), c(1.0, 5.0)]), Array::from([c(2.0, 0.0), c(1.0, 3.0)]));
        assert_eq!(max(&x, &y).to_vec::<num_complex::Complex<f32>>().unwrap(), [c(2.0, 0.0), c(1.0, 5.0)]);
        assert_eq!(min(&x, &y).to_vec::<num_complex::Complex<f32>>().unwrap(), [c(1.0, 2.0), c(1.0, 3.0)]);
        check_rules([case("max", [x, y], |x| max(&x[0], &x[1])).without_derivatives()]);
    }

    #[test]
    fn a_tie_gives_half_of_the_derivative_to_each() {
        let (x, dx) = (Array::from([1.0f32]), Array::from([1.0f32]));
        let f = |x: &[Array]| Ok(vec![max(&x[0], &x[1])]);
        let (_, dz) = crate::interpreters::jvp::jvp(f, &[x.clone(), x], &[Some(dx), None]).unwrap();
        assert_eq!(dz[0].as_ref().unwrap().to_vec::<f32>().unwrap(), [0.5]);
    }
}
