//! `rng_uniform`: random numbers whose state the platform keeps. JAX: `rng_uniform_p`. StableHLO: `rng`.

use crate::arguments::Dims;
use crate::core::array::Array;
use crate::core::aval::{Avals, Shape, ShapedArray};
use crate::core::check;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{BatchDim, Batched, Jvp, LoweredValues, MappedAxis, Param, Primitive, Tangent};
use crate::core::trace::bind1;
use crate::dtype::DType;
use crate::error::{Result, bail};
use crate::lax::common::arguments::sizes_of;
use crate::lax::elementwise::{one, tuple};
use crate::mlir::{Value, list};

/// Uniform numbers in `a..b`, scalars of one dtype. They come from a state that the platform keeps: no seed gives them again, and a call may
/// be left out or merged with another. [`random`](crate::random) is for everything else.
///
/// ```
/// use raxla::{Array, lax};
///
/// let x = lax::rng_uniform(&Array::from(2.0f32), &Array::from(3.0f32), [4]);
/// assert!(x.to_vec::<f32>()?.iter().all(|x| (2.0..3.0).contains(x)));
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `Arguments to rng_uniform must have identical dtypes, got f32 and i32`; `Arguments to rng_uniform must be scalars; got shapes (2,) and
/// ()`.
#[track_caller]
pub fn rng_uniform(a: &Array, b: &Array, shape: impl Into<Dims>) -> Array {
    bind1(RngUniform { shape: sizes_of("rng_uniform", &shape.into()) }, &[a, b])
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct RngUniform {
    shape: Shape,
}

impl Primitive for RngUniform {
    fn name(&self) -> &'static str {
        "rng_uniform"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("shape", Param::Text(tuple(&self.shape)))]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [a, b] = check::arity(self, ins)?;
        if a.dtype() != b.dtype() {
            bail!(
                DType,
                "Arguments to rng_uniform must have identical dtypes, got {} and {}",
                a.dtype(),
                b.dtype()
            );
        }
        if a.ndim() > 0 || b.ndim() > 0 {
            let [a, b] = [a, b].map(|x| tuple(x.shape()));
            bail!(Shape, "Arguments to rng_uniform must be scalars; got shapes {a} and {b}");
        }
        if a.dtype().is_complex() || a.dtype().is_sub_byte() {
            bail!(DType, "rng_uniform does not accept dtype {}", a.dtype());
        }
        let weak = a.weak_type() && b.weak_type();
        Ok(one(ShapedArray::new(a.dtype(), &self.shape).with_weak_type(weak)))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        let ty = ctx.tensor(DType::I64, &[self.shape.len()]);
        let shape = ctx.dense(&list(&self.shape), ty);
        let out = ctx.ty(&outs[0]);
        let attrs = "rng_distribution = #stablehlo<rng_distribution UNIFORM>";
        Ok(one(ctx.op1("stablehlo.rng", &[ins[0], ins[1], shape], attrs, out)))
    }
    fn jvp(&self, _: &[Array], _: &[Tangent]) -> Jvp {
        bail!(
            Differentiation,
            "rng_uniform has no derivative: draw from `random`, whose numbers can be drawn again"
        )
    }
    fn batch(&self, _: &MappedAxis, _: &[Array], _: &[BatchDim]) -> Batched {
        bail!(Unimplemented, "rng_uniform cannot be mapped: draw from `random`, or all numbers at once")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lax::testing::{case, check_rules, message_of};
    use crate::{grad, jit, vmap};

    #[test]
    fn numbers_are_between_the_bounds() {
        let range = |a: Array, b: Array| {
            let x = rng_uniform(&a, &b, [20, 50]);
            assert_eq!((x.dtype(), x.shape(), x.weak_type()), (a.dtype(), &[20, 50][..], false));
            x
        };
        let x = range(Array::scalar(-1.0f32), Array::scalar(2.0f32)).to_vec::<f32>().unwrap();
        assert!(x.iter().all(|x| (-1.0..2.0).contains(x)));
        let mean = x.iter().sum::<f32>() / 1000.0;
        // Six standard errors.
        assert!((mean - 0.5).abs() < 6.0 * 0.866 / 1000f32.sqrt(), "{mean}");
        let x = range(Array::scalar(3i32), Array::scalar(9i32)).to_vec::<i32>().unwrap();
        assert!((3..9).all(|k| x.contains(&k)) && x.iter().all(|x| (3..9).contains(x)));
        let x = jit(|a: &Array| rng_uniform(a, &Array::scalar(1.0f32), ()))(&Array::scalar(0.0f32)).unwrap();
        assert!((0.0..1.0).contains(&x.item::<f32>().unwrap()));
    }

    #[test]
    fn rules() {
        // Numbers of an empty range are known.
        let [a, b] = [Array::scalar(2i32), Array::scalar(2i32)];
        check_rules([case("of nothing", [a, b], |x| rng_uniform(&x[0], &x[1], [0, 2]))
            .without_derivatives()
            .without_vmap()]);
        let a = Array::scalar(0.0f32);
        let e = vmap(|x: &Array| rng_uniform(x, &Array::scalar(1.0f32), ()))(&Array::from([0.0f32, 0.5]));
        assert!(e.unwrap_err().message().starts_with("rng_uniform cannot be mapped"));
        let e = grad(|x: &Array| rng_uniform(x, &Array::scalar(1.0f32), ()))(&a);
        assert!(e.unwrap_err().message().starts_with("rng_uniform has no derivative"));
    }

    #[test]
    fn operands_are_checked() {
        let of = |a: Array, b: Array| message_of(|| rng_uniform(&a, &b, 3));
        assert_eq!(
            of(Array::scalar(0.0f32), Array::scalar(1i32)),
            "Arguments to rng_uniform must have identical dtypes, got f32 and i32"
        );
        assert_eq!(
            of(Array::from([0.0f32, 1.0]), Array::scalar(1.0f32)),
            "Arguments to rng_uniform must be scalars; got shapes (2,) and ()"
        );
    }
}
