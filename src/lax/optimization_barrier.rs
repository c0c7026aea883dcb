//! `optimization_barrier`: the identity, which the compiler does not move operations across. JAX:
//! `optimization_barrier_p`. StableHLO: `optimization_barrier`.

use std::borrow::Borrow;

use smallvec::SmallVec;

use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    Arrays, BatchDim, Batched, Ct, Jvp, LinearInput, LoweredValues, MappedAxis, Primitive, Tangent,
    Transposed,
};
use crate::core::trace::bind_all;
use crate::error::{OrThrow, Result};
use crate::mlir::{Type, Value};
use crate::tree::{self, Pytree};

/// A tree of arrays as it is. Whatever uses one of the results is computed after all the operands, and the compiler
/// merges nothing across.
///
/// ```
/// use raxla::{Array, lax};
///
/// let (x, y) = lax::optimization_barrier(&(Array::from(1.0), Array::from([2, 3])));
/// assert_eq!((x.item::<f32>()?, y.to_vec::<i32>()?), (1.0, vec![2, 3]));
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn optimization_barrier<T: Pytree>(operand: &T) -> T {
    let (leaves, structure) = tree::flatten(operand);
    tree::unflatten(&structure, barrier(&leaves)).or_throw()
}

#[track_caller]
fn barrier<T: Borrow<Array>>(operands: &[T]) -> Vec<Array> {
    if operands.is_empty() {
        return Vec::new();
    }
    let refs: SmallVec<[&Array; 4]> = operands.iter().map(Borrow::borrow).collect();
    bind_all(OptimizationBarrier, &refs).into_vec()
}

/// A barrier across what is not a symbolic zero.
fn barrier_of_some(xs: &[Option<Array>]) -> SmallVec<[Option<Array>; 2]> {
    let some: SmallVec<[&Array; 4]> = xs.iter().flatten().collect();
    let mut outs = barrier(&some).into_iter();
    xs.iter().map(|x| x.as_ref().and_then(|_| outs.next())).collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct OptimizationBarrier;

impl Primitive for OptimizationBarrier {
    fn name(&self) -> &'static str {
        "optimization_barrier"
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        Ok(Avals::from_slice(ins))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], _: &[ShapedArray]) -> LoweredValues {
        let types: Vec<Type> = ins.iter().map(|x| x.ty()).collect();
        Ok(ctx.op("stablehlo.optimization_barrier", ins, "", &types))
    }
    /// dy = dx, behind a barrier of its own
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        let outs: Arrays = barrier(primals).into();
        Ok((outs, barrier_of_some(tangents)))
    }
    /// x̄ = ȳ, behind a barrier of its own
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        let mut cts = barrier_of_some(cts);
        cts.iter_mut().zip(ins).filter(|(_, x)| !x.is_linear()).for_each(|(ct, _)| *ct = None);
        Ok(cts)
    }
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        Ok((barrier(args).into(), dims.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType::{F32, I32};
    use crate::lax::testing::{Draw, case, check_rules};

    #[test]
    fn rules_of_optimization_barrier() {
        let mut draw = Draw::new(1);
        let [x, y, i] = [draw.values(F32, &[2, 3]), draw.values(F32, &[0]), draw.values(I32, &[1])];
        check_rules([
            case("optimization_barrier", [x.clone()], |x| optimization_barrier(&x.to_vec())),
            case("optimization_barrier", [x, i, y], |x| optimization_barrier(&x.to_vec())),
        ]);
    }
}
