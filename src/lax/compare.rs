//! Comparisons: `eq`, `ne`, `lt`, `le`, `gt`, `ge`, and in the total order of floats `eq_to`, `le_to`, `lt_to`. JAX: `eq_p`
//! and its like. StableHLO: `compare`.

use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{BatchDim, Batched, Jvp, LoweredValues, MappedAxis, Primitive, Tangent};
use crate::core::trace::bind1;
use crate::dtype::DType;
use crate::error::Result;
use crate::lax::elementwise::{ANY, ORDERED, broadcast_values, nary_aval, nary_batch, one, zero_jvp};
use crate::mlir::Value;

/// Elementwise `x == y` of operands of one dtype -> `bool`.
///
/// # Errors
/// `eq got incompatible shapes for broadcasting: (3,), (4,): 3 and 4 at axis -1 are neither equal nor 1`; operands of different dtypes.
#[track_caller]
pub fn eq(x: &Array, y: &Array) -> Array {
    bind1(Eq_, &[x, y])
}

/// Elementwise `x != y` of operands of one dtype -> `bool`; true of NaN and anything.
#[track_caller]
pub fn ne(x: &Array, y: &Array) -> Array {
    bind1(Ne, &[x, y])
}

/// Elementwise `x < y` of operands of one dtype, not complex -> `bool`; false of NaN.
///
/// # Errors
/// `lt does not accept dtype c64`; operands of different dtypes; shapes that do not broadcast.
#[track_caller]
pub fn lt(x: &Array, y: &Array) -> Array {
    bind1(Lt, &[x, y])
}

/// Elementwise `x <= y` of operands of one dtype, not complex -> `bool`; false of NaN.
#[track_caller]
pub fn le(x: &Array, y: &Array) -> Array {
    bind1(Le, &[x, y])
}

/// Elementwise `x > y` of operands of one dtype, not complex -> `bool`; false of NaN.
#[track_caller]
pub fn gt(x: &Array, y: &Array) -> Array {
    bind1(Gt, &[x, y])
}

/// Elementwise `x >= y` of operands of one dtype, not complex -> `bool`; false of NaN.
#[track_caller]
pub fn ge(x: &Array, y: &Array) -> Array {
    bind1(Ge, &[x, y])
}

/// [`eq`] in the total order: -NaN < -∞ < … < -0 < 0 < … < ∞ < NaN.
#[track_caller]
pub fn eq_to(x: &Array, y: &Array) -> Array {
    bind1(EqTo, &[x, y])
}

/// [`le`] in the total order: -NaN < -∞ < … < -0 < 0 < … < ∞ < NaN.
#[track_caller]
pub fn le_to(x: &Array, y: &Array) -> Array {
    bind1(LeTo, &[x, y])
}

/// [`lt`] in the total order: -NaN < -∞ < … < -0 < 0 < … < ∞ < NaN.
#[track_caller]
pub fn lt_to(x: &Array, y: &Array) -> Array {
    bind1(LtTo, &[x, y])
}

/// A row for each comparison: type, name, accepted dtypes, direction, whether in the total order.
macro_rules! comparisons {
    ($($prim:ident: $name:literal, $accepts:expr, $direction:literal, $total:literal;)*) => {$(
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        struct $prim;
        impl Primitive for $prim {
            fn name(&self) -> &'static str {
                $name
            }
            fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
                let mut outs = nary_aval(self, ins, 2, $accepts)?;
                outs[0] = outs[0].with_dtype(DType::Bool);
                Ok(outs)
            }
            fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
                let ins = broadcast_values(ctx, ins, outs[0].shape());
                Ok(one(if $total && ctx.dtype(ins[0]).is_inexact() {
                    ctx.compare_as($direction, "TOTALORDER", ins[0], ins[1])
                } else {
                    ctx.compare($direction, ins[0], ins[1])
                }))
            }
            fn jvp(&self, primals: &[Array], _: &[Tangent]) -> Jvp {
                zero_jvp(*self, primals)
            }
            fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
                nary_batch(*self, args, dims)
            }
        }
    )*};
}
comparisons! {
    Eq_: "eq", ANY, "EQ", false;
    Ne: "ne", ANY, "NE", false;
    Lt: "lt", ORDERED, "LT", false;
    Le: "le", ORDERED, "LE", false;
    Gt: "gt", ORDERED, "GT", false;
    Ge: "ge", ORDERED, "GE", false;
    EqTo: "eq_to", ANY, "EQ", true;
    LeTo: "le_to", ORDERED, "LE", true;
    LtTo: "lt_to", ORDERED, "LT", true;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lax::testing::{Draw, FLOATS, INTEGERS, case, check_rules, message_of};

    #[test]
    fn rules_of_comparisons() {
        let mut draw = Draw::new(27);
        check_rules(FLOATS.into_iter().chain(INTEGERS).chain([DType::Bool]).flat_map(|d| {
            let shapes = if d == DType::F32 { 4 } else { 1 };
            draw.pairs(d).into_iter().take(shapes).flat_map(|x| {
                [
                    case("eq", x.clone(), |x| eq(&x[0], &x[1])),
                    case("ne", x.clone(), |x| ne(&x[0], &x[1])),
                    case("lt", x.clone(), |x| lt(&x[0], &x[1])),
                    case("le", x.clone(), |x| le(&x[0], &x[1])),
                    case("gt", x.clone(), |x| gt(&x[0], &x[1])),
                    case("ge", x.clone(), |x| ge(&x[0], &x[1])),
                    case("eq_to", x.clone(), |x| eq_to(&x[0], &x[1])),
                    case("le_to", x.clone(), |x| le_to(&x[0], &x[1])),
                    case("lt_to", x.clone(), |x| lt_to(&x[0], &x[1])),
                ]
            })
        }));
    }

    #[test]
    fn nan_and_signed_zeros_in_the_total_order() {
        let (x, y) = (Array::from([f32::NAN, -0.0]), Array::from([f32::NAN, 0.0]));
        let read = |x: Array| x.to_vec::<bool>().unwrap();
        assert_eq!(read(eq(&x, &y)), [false, true]);
        assert_eq!(read(eq_to(&x, &y)), [true, false]);
        assert_eq!(read(lt_to(&x, &y)), [false, true]);
    }

    #[test]
    fn complex_numbers_are_equal_or_not_but_not_ordered() {
        let x = Draw::new(28).values(DType::C64, &[2]);
        check_rules([case("eq", [x.clone(), x.clone()], |x| eq(&x[0], &x[1]))]);
        assert!(message_of(|| lt(&x, &x)).starts_with("lt does not accept dtype c64"));
    }
}
