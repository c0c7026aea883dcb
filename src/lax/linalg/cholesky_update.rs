//! `cholesky_update`: Cholesky's factor of a matrix to which a square is added. JAX: `cholesky_update_p`. On the CPU a kernel.

use super::kernels::CHOLESKY_UPDATE;
use super::matrices::{elsewhere, not_differentiable};
use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::check;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{BatchDim, Batched, Jvp, LoweredValues, MappedAxis, Primitive, Tangent};
use crate::core::trace::bind1;
use crate::dtype::DType;
use crate::error::{Result, bail};
use crate::lax::elementwise::{one, one_dtype, tuple};
use crate::mlir::Value;

/// The upper triangular factor of `rᵀ r + w wᵀ`, for an upper triangular `r_matrix: f32[n,n]` and `w_vector: f32[n]`, as `r_matrix`. `f32` or `f64`. It
/// takes a number of steps in proportion to the number of elements. It has no derivative, and as in JAX is not batched.
///
/// ```
/// use raxla::{Array, lax::linalg};
///
/// let r = linalg::cholesky_update(&Array::from([[3.0f32]]), &Array::from([4.0f32]));
/// assert!((r.item::<f32>()? - 5.0).abs() < 1e-5);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `Rank-1 update to Cholesky decomposition takes a square matrix and a vector of the same size as input. Got shapes (3, 2) and (3,)`;
/// `Input 0 to cholesky_update must have a rank of exactly 2, but got shape=(2, 3, 3)`; `Unimplemented` on other platforms than the CPU.
#[track_caller]
pub fn cholesky_update(r_matrix: &Array, w_vector: &Array) -> Array {
    bind1(CholeskyUpdate, &[r_matrix, w_vector])
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct CholeskyUpdate;

impl Primitive for CholeskyUpdate {
    fn name(&self) -> &'static str {
        "cholesky_update"
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [r, w] = check::arity(self, ins)?;
        let dtype = one_dtype(self, ins, |dtype| matches!(dtype, DType::F32 | DType::F64))?;
        for (i, (x, rank)) in [(r, 2), (w, 1)].into_iter().enumerate() {
            if x.ndim() != rank {
                let shape = tuple(x.shape());
                bail!(
                    Shape,
                    "Input {i} to cholesky_update must have a rank of exactly {rank}, but got shape={shape}"
                );
            }
        }
        let n = r.shape()[1];
        if r.shape()[0] != n || w.shape()[0] != n {
            bail!(
                Shape,
                "Rank-1 update to Cholesky decomposition takes a square matrix and a vector of the same size as input. Got \
                 shapes {} and {}",
                tuple(r.shape()),
                tuple(w.shape())
            );
        }
        Ok(one(ShapedArray::result(ins, r.shape(), dtype)))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        if outs[0].shape().contains(&0) {
            return Ok(one(ins[0]));
        }
        if !ctx.has_kernels() {
            return Err(elsewhere(ctx, "cholesky_update"));
        }
        ctx.kernel_call(&CHOLESKY_UPDATE, &[], ins, outs)
    }
    /// undefined
    fn jvp(&self, _: &[Array], _: &[Tangent]) -> Jvp {
        Err(not_differentiable(self.name()))
    }
    /// undefined
    fn batch(&self, _: &MappedAxis, _: &[Array], _: &[BatchDim]) -> Batched {
        bail!(Unimplemented, "cholesky_update: there is no batching of it")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lax::testing::{Draw, case, check_rules, message_of};
    use crate::lax::zeros;

    #[test]
    fn rules() {
        let mut draw = Draw::new(184);
        let mut x = |dtype, n: usize| [draw.values(dtype, &[n, n]), draw.values(dtype, &[n])];
        let of = |x: &[Array]| cholesky_update(&x[0], &x[1]);
        check_rules([
            case("matrix", x(DType::F32, 3), of).without_derivatives().without_vmap(),
            case("wide", x(DType::F64, 2), of).without_derivatives().without_vmap(),
            case("no rows", x(DType::F32, 0), of).without_derivatives().without_vmap(),
        ]);
    }

    #[test]
    fn operands_are_checked() {
        let message = |r: &[usize], w: &[usize]| {
            message_of(|| cholesky_update(&zeros(DType::F32, r), &zeros(DType::F32, w)))
        };
        assert_eq!(
            message(&[3, 2], &[3]),
            "Rank-1 update to Cholesky decomposition takes a square matrix and a vector of the same size as input. Got shapes \
             (3, 2) and (3,)"
        );
        assert_eq!(
            message(&[2, 3, 3], &[3]),
            "Input 0 to cholesky_update must have a rank of exactly 2, but got shape=(2, 3, 3)"
        );
    }
}
