//! `hessenberg`: a matrix with zeros below the elements beside its diagonal, by unitary ones. JAX: `hessenberg_p`. On the CPU a kernel.

use super::kernels::GEHRD;
use super::matrices::{
    FACTORED, batch_shape, batched_in_front, behind, elsewhere, not_differentiable, square,
};
use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::check;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{BatchDim, Batched, Jvp, LoweredValues, MappedAxis, Primitive, Tangent};
use crate::core::scalar::Scalar;
use crate::core::trace::bind_all;
use crate::error::{Result, bail};
use crate::lax::elementwise::one_dtype;
use crate::mlir::{Value, Values};

/// The Hessenberg form of `a: f32[..,n,n]`, packed: `f32[..,n,n]` with the form on and above the elements below the diagonal, and
/// below them the vectors of the reflections whose product reduces `a`, without their first element, which is 1; and the reflections'
/// factors, `f32[..,n-1]`. `f32`, `f64`, `c64` or `c128`. It has no derivative.
///
/// ```
/// use raxla::{Array, lax::linalg};
///
/// let a = Array::from([[1.0f32, 2.0, 3.0], [3.0, 4.0, 5.0], [4.0, 6.0, 7.0]]);
/// let (packed, taus) = linalg::hessenberg(&a);
/// assert!((packed.index((1, 0)).item::<f32>()? + 5.0).abs() < 1e-5);
/// assert_eq!(taus.shape(), [2]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `Argument to Hessenberg reduction must have shape [..., n, n], got shape (3, 2)`; `hessenberg does not accept dtype bf16. Accepted dtypes
/// are f32, f64, c64, c128`; matrices without elements; `Unimplemented` on other platforms than the CPU.
#[track_caller]
pub fn hessenberg(a: &Array) -> (Array, Array) {
    let mut outs = bind_all(Hessenberg, &[a]);
    let taus = outs.swap_remove(1);
    (outs.swap_remove(0), taus)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Hessenberg;

impl Primitive for Hessenberg {
    fn name(&self) -> &'static str {
        "hessenberg"
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [a] = check::arity(self, ins)?;
        let batch = batch_shape(self, ins, &[2])?;
        let dtype = one_dtype(self, ins, FACTORED)?;
        let n =
            square("Argument to Hessenberg reduction must have shape [..., n, n], got shape ", a.shape())?;
        if n == 0 {
            bail!(Shape, "Argument to Hessenberg reduction has no elements, got shape (0, 0)");
        }
        let taus = ShapedArray::result(ins, &behind(batch, &[n - 1]), dtype);
        Ok([ShapedArray::result(ins, a.shape(), dtype), taus].into_iter().collect())
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        if outs[1].shape().contains(&0) {
            let zeros = ctx.full(Scalar::from_f64(outs[1].dtype(), 0.0), outs[1].shape());
            return Ok(Values::from_slice(&[ins[0], zeros]));
        }
        if !ctx.has_kernels() {
            return Err(elsewhere(ctx, "hessenberg"));
        }
        ctx.kernel_call(&GEHRD, &[], ins, outs)
    }
    /// undefined
    fn jvp(&self, _: &[Array], _: &[Tangent]) -> Jvp {
        Err(not_differentiable(self.name()))
    }
    /// the mapped axis goes in front
    fn batch(&self, axis: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        batched_in_front(*self, axis, args, dims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;
    use crate::lax::testing::{Draw, case, check_rules, message_of};
    use crate::lax::zeros;

    #[test]
    fn rules() {
        let mut draw = Draw::new(181);
        let mut x = |dtype, shape: &[usize]| [draw.values(dtype, shape)];
        check_rules([
            case("real", x(DType::F32, &[4, 4]), |x| hessenberg(&x[0])).without_derivatives(),
            case("complex", x(DType::C64, &[3, 3]), |x| hessenberg(&x[0])).without_derivatives(),
            case("batches", x(DType::F64, &[2, 3, 3]), |x| hessenberg(&x[0])).without_derivatives(),
            case("one", x(DType::F32, &[1, 1]), |x| hessenberg(&x[0])).without_derivatives(),
            case("no matrices", x(DType::F32, &[0, 2, 2]), |x| hessenberg(&x[0])).without_derivatives(),
        ]);
    }

    #[test]
    fn operands_are_checked() {
        assert_eq!(
            message_of(|| hessenberg(&zeros(DType::F32, &[3, 2]))),
            "Argument to Hessenberg reduction must have shape [..., n, n], got shape (3, 2)"
        );
    }
}
