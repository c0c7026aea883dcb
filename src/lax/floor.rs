//! Rounding and floating-point neighbours: `floor`, `ceil`, `round`, `nextafter`, `is_finite`. JAX: `floor_p` and its
//! like. StableHLO: `floor`, `ceil`, `round_nearest_afz`, `round_nearest_even`, `is_finite`; CHLO: `next_after`.

use crate::arguments::options;
use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{BatchDim, Batched, Jvp, LoweredValues, MappedAxis, Param, Primitive, Tangent};
use crate::core::trace::bind1;
use crate::dtype::DType;
use crate::error::Result;
use crate::lax::elementwise::{
    FLOAT, chlo, elementwise, nary_aval, nary_batch, nary_lower, op, undefined, zero, zero_jvp,
};
use crate::mlir::Value;

/// Elementwise greatest integer at most `x`; float.
///
/// # Errors
/// `floor does not accept dtype i32`.
#[track_caller]
pub fn floor(x: &Array) -> Array {
    bind1(Floor, &[x])
}

/// Elementwise least integer at least `x`; float.
#[track_caller]
pub fn ceil(x: &Array) -> Array {
    bind1(Ceil, &[x])
}

/// Where [`round`] takes a value halfway between two integers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RoundingMethod {
    /// `0.5` to `1`, `-0.5` to `-1`.
    #[default]
    AwayFromZero = 0,
    /// `0.5` to `0`, `1.5` to `2`.
    ToNearestEven = 1,
}

options! {
    /// Options of [`round_with`].
    pub struct RoundOptions {
        /// Where a value halfway between two integers goes.
        rounding_method: value RoundingMethod = RoundingMethod::AwayFromZero,
    }
}

/// Elementwise nearest integer, halves away from zero; float.
#[track_caller]
pub fn round(x: &Array) -> Array {
    bind1(Round { rounding_method: RoundingMethod::AwayFromZero }, &[x])
}

/// [`round`], with options.
///
/// ```
/// use raxla::{Array, lax::{self, RoundOptions, RoundingMethod}};
///
/// let to_even = RoundOptions::new().rounding_method(RoundingMethod::ToNearestEven);
/// assert_eq!(lax::round_with(&Array::scalar(2.5f32), to_even).item::<f32>()?, 2.0);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn round_with(x: &Array, options: RoundOptions) -> Array {
    bind1(Round { rounding_method: options.rounding_method }, &[x])
}

/// Elementwise next representable number after `x1` towards `x2`; operands of one float dtype. It has no derivative.
#[track_caller]
pub fn nextafter(x1: &Array, x2: &Array) -> Array {
    bind1(Nextafter, &[x1, x2])
}

/// Elementwise: is it neither infinite nor NaN? Float -> `bool`.
#[track_caller]
pub fn is_finite(x: &Array) -> Array {
    bind1(IsFinite, &[x])
}

elementwise! {
    Floor: "floor", 1, FLOAT, op("stablehlo.floor"), zero;
    Ceil: "ceil", 1, FLOAT, op("stablehlo.ceil"), zero;
    Nextafter: "nextafter", 2, FLOAT, chlo("chlo.next_after"), undefined;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Round {
    rounding_method: RoundingMethod,
}

impl Primitive for Round {
    fn name(&self) -> &'static str {
        "round"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("rounding_method", Param::Text((self.rounding_method as u8).to_string()))]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        nary_aval(self, ins, 1, FLOAT)
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        let op = match self.rounding_method {
            RoundingMethod::AwayFromZero => "stablehlo.round_nearest_afz",
            RoundingMethod::ToNearestEven => "stablehlo.round_nearest_even",
        };
        nary_lower(ctx, op, ins, outs)
    }
    /// dy = 0
    fn jvp(&self, primals: &[Array], _: &[Tangent]) -> Jvp {
        zero_jvp(*self, primals)
    }
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        nary_batch(*self, args, dims)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct IsFinite;

impl Primitive for IsFinite {
    fn name(&self) -> &'static str {
        "is_finite"
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let mut outs = nary_aval(self, ins, 1, FLOAT)?;
        outs[0] = outs[0].with_dtype(DType::Bool);
        Ok(outs)
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        chlo("stablehlo.is_finite")(ctx, ins, outs)
    }
    /// none: the result is `bool`
    fn jvp(&self, primals: &[Array], _: &[Tangent]) -> Jvp {
        zero_jvp(*self, primals)
    }
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        nary_batch(*self, args, dims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lax::testing::{Draw, FLOATS, case, check_rules};

    #[test]
    fn rules_of_rounding() {
        let mut draw = Draw::new(11);
        check_rules(FLOATS.into_iter().flat_map(|d| {
            let x = [draw.values(d, &[2, 3])];
            [
                case("floor", x.clone(), |x| floor(&x[0])),
                case("ceil", x.clone(), |x| ceil(&x[0])),
                case("round", x.clone(), |x| round(&x[0])),
                case("round_even", x.clone(), |x| {
                    round_with(&x[0], RoundOptions::new().rounding_method(RoundingMethod::ToNearestEven))
                }),
                case("is_finite", x.clone(), |x| is_finite(&x[0])),
            ]
        }));
    }

    #[test]
    fn rules_of_nextafter() {
        let mut draw = Draw::new(12);
        check_rules([DType::F32, DType::F64].into_iter().flat_map(|d| {
            draw.pairs(d).map(|x| case("nextafter", x, |x| nextafter(&x[0], &x[1])).without_derivatives())
        }));
    }

    #[test]
    fn halves_round_away_from_zero_or_to_even() {
        let x = Array::from([-1.5f32, -0.5, 0.5, 1.5, 2.5]);
        let away = round(&x).to_vec::<f32>().unwrap();
        assert_eq!(away, [-2.0, -1.0, 1.0, 2.0, 3.0]);
        let even = round_with(&x, RoundOptions::new().rounding_method(RoundingMethod::ToNearestEven))
            .to_vec::<f32>()
            .unwrap();
        assert_eq!(even, [-2.0, 0.0, 0.0, 2.0, 2.0]);
    }
}
