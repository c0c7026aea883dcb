//! `div`, `rem`: elementwise quotient, linear in the dividend, and remainder. JAX: `div_p`, `rem_p`. StableHLO: `divide`,
//! `remainder`.

use smallvec::SmallVec;

use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    BatchDim, Batched, Ct, Jvp, LinearInput, LoweredValues, MappedAxis, Primitive, Tangent, Transposed,
};
use crate::core::trace::bind1;
use crate::error::{Result, bail};
use crate::lax::elementwise::{
    NUMBER, REAL, d2, elementwise, nary_aval, nary_batch, nary_lower, op, unbroadcast,
};
use crate::lax::{abs, floor, integer_pow, mul, neg, sign};
use crate::mlir::Value;

/// Elementwise quotient `x / y` of operands of one numeric dtype. Integers are rounded towards zero; by zero they give -1
/// (all bits set).
///
/// # Errors
/// `div got incompatible shapes for broadcasting: (3,), (4,): 3 and 4 at axis -1 are neither equal nor 1`; operands of different dtypes; `bool`.
#[track_caller]
pub fn div(x: &Array, y: &Array) -> Array {
    bind1(Div, &[x, y])
}

/// Elementwise remainder of [`div`] rounded towards zero, with the sign of `x`; operands of one integer or float dtype.
/// Of an integer by zero: `x`.
///
/// # Errors
/// `rem does not accept dtype c64`; operands of different dtypes; shapes that do not broadcast.
#[track_caller]
pub fn rem(x: &Array, y: &Array) -> Array {
    bind1(Rem, &[x, y])
}

elementwise! {
    Rem: "rem", 2, REAL, op("stablehlo.remainder"), d2(rem_left, rem_right);
}

/// dz = dx
fn rem_left(dx: &Array, _: &Array, _: &Array, _: &Array) -> Array {
    dx.clone()
}

/// dz = -trunc(x / y) dy
fn rem_right(dy: &Array, _: &Array, x: &Array, y: &Array) -> Array {
    let quotient = div(x, y);
    mul(&neg(dy), &mul(&sign(&quotient), &floor(&abs(&quotient))))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Div;

/// dx / y
fn div_left(dx: &Array, _: &Array, _: &Array, y: &Array) -> Array {
    div(dx, y)
}

/// -x / y² dy
fn div_right(dy: &Array, _: &Array, x: &Array, y: &Array) -> Array {
    mul(&mul(&neg(dy), x), &integer_pow(y, -2))
}

impl Primitive for Div {
    fn name(&self) -> &'static str {
        "div"
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        nary_aval(self, ins, 2, NUMBER)
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        nary_lower(ctx, "stablehlo.divide", ins, outs)
    }
    /// dz = dx / y - x / y² dy
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        d2(div_left, div_right)(*self, primals, tangents)
    }
    /// x̄ = z̄ / y
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        let [x, y] = ins else { bail!(Internal, "div: takes 2 operands") };
        let Some(y) = y.known() else { bail!(Differentiation, "div: not linear in the divisor") };
        let ct = cts[0].as_ref().filter(|_| x.is_linear());
        Ok(SmallVec::from_buf([ct.map(|ct| unbroadcast(&div(ct, y), &x.aval())), None]))
    }
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        nary_batch(*self, args, dims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;
    use crate::lax::testing::{Draw, FLOATS, INEXACTS, case, check_rules};

    #[test]
    fn rules_of_div() {
        let mut draw = Draw::new(24);
        check_rules(INEXACTS.into_iter().chain([DType::I32, DType::U8]).flat_map(|d| {
            draw.pairs(d).into_iter().flat_map(|x| [case("div", x.clone(), |x| div(&x[0], &x[1]))])
        }));
    }

    #[test]
    fn rules_of_rem() {
        let mut draw = Draw::new(25);
        check_rules(
            FLOATS
                .into_iter()
                .chain([DType::I32, DType::U8])
                .flat_map(|d| draw.pairs(d).map(|x| case("rem", x, |x| rem(&x[0], &x[1])))),
        );
    }

    #[test]
    fn rem_has_the_sign_of_the_dividend_and_integer_division_truncates() {
        let (x, y) = (Array::from([7i32, -7, 7, 5]), Array::from([3i32, 3, -3, 0]));
        assert_eq!(rem(&x, &y).to_vec::<i32>().unwrap(), [1, -1, 1, 5]);
        assert_eq!(div(&x, &y).to_vec::<i32>().unwrap(), [2, -2, -2, -1]);
    }
}
