//! `add` and `add_any`: elementwise sum; linear. JAX: `add_p`, `add_jaxvals_p`. StableHLO: `add`.

use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    BatchDim, Batched, Ct, Jvp, LinearInput, LoweredValues, MappedAxis, Primitive, Tangent, Transposed,
};
use crate::core::small::small;
use crate::core::trace::bind1;
use crate::error::Result;
use crate::lax::elementwise::{
    self, NUMBER, add_tangents, broadcast_tangent, nary_aval, nary_batch, nary_lower, one, unbroadcast,
};
use crate::mlir::Value;

/// Elementwise sum `x + y` of operands of one dtype; numbers of any dtype.
///
/// # Errors
/// `add got incompatible shapes for broadcasting: (3,), (4,): 3 and 4 at axis -1 are neither equal nor 1`; operands of different dtypes.
#[track_caller]
pub fn add(x: &Array, y: &Array) -> Array {
    bind1(Sum::<false>, &[x, y])
}

/// The sum that differentiation inserts where a value is used more than once.
#[track_caller]
pub fn add_any(x: &Array, y: &Array) -> Array {
    bind1(Sum::<true>, &[x, y])
}

/// `ANY`: of values of any dtype, `bool` included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Sum<const ANY: bool>;

impl<const ANY: bool> Primitive for Sum<ANY> {
    fn name(&self) -> &'static str {
        if ANY { "add_any" } else { "add" }
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        nary_aval(self, ins, 2, if ANY { elementwise::ANY } else { NUMBER })
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        nary_lower(ctx, "stablehlo.add", ins, outs)
    }
    /// d(x + y) = dx + dy
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        let out = bind1(*self, &[&primals[0], &primals[1]]);
        let stretch = |dx: &Tangent| dx.clone().map(|dx| broadcast_tangent(dx, &out));
        let tangent = add_tangents(stretch(&tangents[0]), stretch(&tangents[1]));
        Ok((one(out), one(tangent)))
    }
    /// x̄ = z̄, ȳ = z̄
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        let ct =
            |x: &LinearInput| cts[0].as_ref().filter(|_| x.is_linear()).map(|ct| unbroadcast(ct, &x.aval()));
        Ok(small(ins.iter().map(ct)))
    }
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        nary_batch(*self, args, dims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lax::testing::{Draw, INEXACTS, INTEGERS, case, check_rules};

    #[test]
    fn rules_of_add() {
        let mut draw = Draw::new(101);
        let dtypes = INEXACTS.into_iter().chain(INTEGERS);
        check_rules(dtypes.flat_map(|d| draw.pairs(d).map(|x| case("add", x, |x| add(&x[0], &x[1])))));
    }

    #[test]
    fn rules_of_add_any() {
        let mut draw = Draw::new(102);
        check_rules(INEXACTS.map(|d| {
            case("add_any", [draw.values(d, &[3, 2]), draw.values(d, &[3, 2])], |x| add_any(&x[0], &x[1]))
        }));
    }
}
