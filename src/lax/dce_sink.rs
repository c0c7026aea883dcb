//! `dce_sink`: a use of a value, so that what computes it stays in the jaxpr. JAX: `dce_sink_p`.

use smallvec::SmallVec;

use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::effects::{Effect, Effects};
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    Arrays, BatchDim, Batched, Ct, Jvp, LinearInput, LoweredValues, MappedAxis, Param, Prim, Primitive,
    Tangent, Transposed,
};
use crate::core::trace::bind_at;
use crate::error::{OrThrow, Result, caller};
use crate::mlir::{Value, Values};
use crate::tree::{self, Pytree};

/// Marks the arrays of a tree as used: transformations of jaxprs do not remove what computes them. The compiler still may.
///
/// ```
/// use raxla::{lax, prelude::*};
///
/// let f = |x: &Array| {
///     lax::dce_sink(&lax::sin(x));
///     lax::cos(x)
/// };
/// assert!(make_jaxpr(jit(f))(&Array::from(0.0))?.to_string().contains("dce_sink"));
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn dce_sink<T: Pytree>(val: &T) {
    let (prim, loc) = (Prim::from(DceSink), caller());
    for x in tree::leaves(val) {
        bind_at(&prim, &[&x], loc).or_throw();
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct DceSink;

fn sink(x: &Array) -> Result<()> {
    bind_at(&Prim::from(DceSink), &[x], caller())?;
    Ok(())
}

impl Primitive for DceSink {
    fn name(&self) -> &'static str {
        "dce_sink"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("prevent_mlir_dce", Param::from(false))]
    }
    fn abstract_eval(&self, _: &[ShapedArray]) -> Result<Avals> {
        Ok(Avals::new())
    }
    fn effects(&self) -> Effects {
        Effect::NoDce.into()
    }
    fn eval(&self, _: &[&Array]) -> Option<Result<Arrays>> {
        Some(Ok(Arrays::new()))
    }
    fn lower(&self, _: &mut LoweringCtx, _: &[Value], _: &[ShapedArray]) -> LoweredValues {
        Ok(Values::new())
    }
    /// the tangent is used, too
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        primals.iter().chain(tangents.iter().flatten()).try_for_each(sink)?;
        Ok((Arrays::new(), SmallVec::new()))
    }
    /// nothing goes back through what gives nothing
    fn transpose(&self, _: &[Ct], ins: &[LinearInput]) -> Transposed {
        Ok(SmallVec::from_elem(None, ins.len()))
    }
    fn batch(&self, _: &MappedAxis, args: &[Array], _: &[BatchDim]) -> Batched {
        sink(&args[0])?;
        Ok((Arrays::new(), SmallVec::new()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType::{F32, I32};
    use crate::api::{grad, jit, make_jaxpr, vmap};
    use crate::lax::testing::{Draw, case, check_rules};
    use crate::lax::{reduce_sum, sin};

    fn f(x: &Array) -> Array {
        dce_sink(&sin(x));
        x.clone()
    }

    #[test]
    fn rules_of_dce_sink() {
        let mut draw = Draw::new(71);
        let x = draw.values(F32, &[2, 3]);
        let i = draw.values(I32, &[2]);
        check_rules([
            case("dce_sink", [x], |x| f(&x[0])),
            case("dce_sink of integers", [i], |x| {
                dce_sink(&x[0]);
                x[0].clone()
            }),
        ]);
    }

    #[test]
    fn what_computes_the_value_stays() {
        let x = Array::from([1.0f32, 2.0]);
        let sum = |x: &Array| reduce_sum(&f(x), [0]);
        for text in [
            make_jaxpr(jit(f))(&x).unwrap().to_string(),
            make_jaxpr(vmap(jit(f)))(&x).unwrap().to_string(),
            make_jaxpr(grad(jit(sum)))(&x).unwrap().to_string(),
        ] {
            assert!(text.contains("dce_sink[prevent_mlir_dce=False]") && text.contains("sin"), "{text}");
        }
        assert_eq!(jit(f)(&x).unwrap().to_vec::<f32>().unwrap(), [1.0, 2.0]);
    }
}
