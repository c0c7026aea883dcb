//! `tridiagonal`: a Hermitian matrix with three diagonals, by unitary ones. JAX: `tridiagonal_p`. On the CPU a kernel.

use super::kernels::SYTRD;
use super::matrices::{
    FACTORED, batch_shape, batched_in_front, behind, elsewhere, not_differentiable, sides,
};
use crate::arguments::options;
use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::check;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{BatchDim, Batched, Jvp, LoweredValues, MappedAxis, Param, Primitive, Tangent};
use crate::core::scalar::Scalar;
use crate::core::trace::bind_all;
use crate::error::{Result, bail};
use crate::lax::elementwise::{one_dtype, tuple};
use crate::mlir::{Value, Values};

options! {
    /// Options of [`tridiagonal_with`].
    pub struct TridiagonalOptions {
        /// Which triangle is read: that on and below the diagonal, or that on and above it.
        lower: value bool = true,
    }
}

/// The tridiagonal form of a Hermitian `a: f32[..,n,n]`, whose lower triangle is read: packed as `f32[..,n,n]`, with the vectors of the
/// reflections that reduce `a` below the three diagonals; the diagonal `f32[..,n]` and the one below it `f32[..,n-1]`, which are real; and the
/// reflections' factors, `f32[..,n-1]`. `f32`, `f64`, `c64` or `c128`. It has no derivative.
///
/// ```
/// use raxla::{Array, lax::linalg};
///
/// let a = Array::from([[1.0f32, 3.0, 4.0], [3.0, 0.0, 0.0], [4.0, 0.0, 0.0]]);
/// let (_, d, e, _) = linalg::tridiagonal(&a);
/// assert_eq!((d.shape(), e.shape()), (&[3][..], &[2][..]));
/// assert!((e.index(0).item::<f32>()? + 5.0).abs() < 1e-5);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `The input to tridiagonal must be a square matrix. Got shape (3, 2)`; `tridiagonal does not accept dtype bf16. Accepted dtypes are f32,
/// f64, c64, c128`; `Unimplemented` on other platforms than the CPU.
#[track_caller]
pub fn tridiagonal(a: &Array) -> (Array, Array, Array, Array) {
    tridiagonal_with(a, TridiagonalOptions::new())
}

/// [`tridiagonal`] by options: of the upper triangle, with what stands above the diagonal.
///
/// # Errors
/// As [`tridiagonal`].
#[track_caller]
pub fn tridiagonal_with(a: &Array, options: TridiagonalOptions) -> (Array, Array, Array, Array) {
    let mut outs = bind_all(Tridiagonal { lower: options.lower }, &[a]);
    let (taus, e, d) = (outs.swap_remove(3), outs.swap_remove(2), outs.swap_remove(1));
    (outs.swap_remove(0), d, e, taus)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Tridiagonal {
    lower: bool,
}

impl Primitive for Tridiagonal {
    fn name(&self) -> &'static str {
        "tridiagonal"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("lower", self.lower.into())]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [a] = check::arity(self, ins)?;
        let batch = batch_shape(self, ins, &[2])?;
        let dtype = one_dtype(self, ins, FACTORED)?;
        let [m, n] = sides(a.shape());
        if m != n || n == 0 {
            bail!(Shape, "The input to tridiagonal must be a square matrix. Got shape {}", tuple(&[m, n]));
        }
        let result = |shape: &[usize], dtype| ShapedArray::result(ins, shape, dtype);
        let (diagonal, beside) = (behind(batch, &[n]), behind(batch, &[n - 1]));
        Ok([
            result(a.shape(), dtype),
            result(&diagonal, dtype.real()),
            result(&beside, dtype.real()),
            result(&beside, dtype),
        ]
        .into_iter()
        .collect())
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        if outs[0].shape().contains(&0) {
            let zeros = outs.iter().map(|aval| ctx.full(Scalar::from_f64(aval.dtype(), 0.0), aval.shape()));
            return Ok(zeros.collect::<Values>());
        }
        if !ctx.has_kernels() {
            return Err(elsewhere(ctx, "tridiagonal"));
        }
        ctx.kernel_call(&SYTRD, &[("lower", i64::from(self.lower))], ins, outs)
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

    fn of(lower: bool) -> impl Fn(&[Array]) -> Vec<Array> {
        move |x| {
            let (a, d, e, taus) = tridiagonal_with(&x[0], TridiagonalOptions::new().lower(lower));
            vec![a, d, e, taus]
        }
    }

    #[test]
    fn rules() {
        let mut draw = Draw::new(182);
        let mut x = |dtype, shape: &[usize]| [draw.values(dtype, shape)];
        check_rules([
            case("lower", x(DType::F32, &[4, 4]), of(true)).without_derivatives(),
            case("upper", x(DType::F32, &[4, 4]), of(false)).without_derivatives(),
            case("complex", x(DType::C64, &[3, 3]), of(true)).without_derivatives(),
            case("batches", x(DType::F64, &[2, 3, 3]), of(false)).without_derivatives(),
            case("one", x(DType::F32, &[2, 1, 1]), of(true)).without_derivatives(),
            case("no matrices", x(DType::F32, &[0, 2, 2]), of(true)).without_derivatives(),
        ]);
    }

    #[test]
    fn operands_are_checked() {
        assert_eq!(
            message_of(|| tridiagonal(&zeros(DType::F32, &[3, 2])).1),
            "The input to tridiagonal must be a square matrix. Got shape (3, 2)"
        );
    }
}
