//! `cholesky`: a Hermitian matrix as the product of a lower triangular one and its conjugate transpose. JAX: `cholesky_p`. StableHLO:
//! `cholesky`.

use num_complex::Complex;

use super::matrices::{
    FACTORED, batch_shape, batched_in_front, exact_matmul, eye_like, lower_part, square, symmetrized,
};
use super::triangular_solve::{TriangularSolveOptions, triangular_solve_with};
use crate::arguments::options;
use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::check;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{BatchDim, Batched, Jvp, LoweredValues, MappedAxis, Primitive, Tangent};
use crate::core::scalar::Scalar;
use crate::core::trace::bind1;
use crate::error::{OrThrow, Result};
use crate::lax::elementwise::{one, one_dtype};
use crate::lax::{add, div, literal_like};
use crate::mlir::Value;

options! {
    /// Options of [`cholesky_with`].
    pub struct CholeskyOptions {
        /// Is the matrix first made Hermitian, as half its sum with its conjugate transpose? If not, the lower triangle alone is
        /// read.
        symmetrize_input: value bool = true,
    }
}

/// The lower triangular `l` with `x = l lᴴ` for a Hermitian positive definite `x: f32[..,n,n]`, of the same shape. `f32`, `f64`, `c64`
/// or `c128`. Where there is none all elements are NaN.
///
/// ```
/// use raxla::{Array, lax::linalg};
///
/// let l = linalg::cholesky(&Array::from([[4.0f32, 2.0], [2.0, 10.0]]));
/// assert_eq!(l.to_vec::<f32>()?, [2.0, 0.0, 1.0, 3.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `The input to cholesky must be a square matrix. Got shape (3, 2)`; `cholesky does not accept dtype bf16. Accepted dtypes are f32,
/// f64, c64, c128`.
#[track_caller]
pub fn cholesky(x: &Array) -> Array {
    cholesky_with(x, CholeskyOptions::new())
}

/// [`cholesky`] by options.
///
/// # Errors
/// As [`cholesky`].
#[track_caller]
pub fn cholesky_with(x: &Array, options: CholeskyOptions) -> Array {
    if options.symmetrize_input {
        check_square(x);
        return lower_part(&bind1(Cholesky, &[&symmetrized(x)]), 0);
    }
    lower_part(&bind1(Cholesky, &[x]), 0)
}

/// Before the matrix meets its transpose.
#[track_caller]
fn check_square(x: &Array) {
    Cholesky.abstract_eval(&[x.aval()]).or_throw();
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Cholesky;

impl Primitive for Cholesky {
    fn name(&self) -> &'static str {
        "cholesky"
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [x] = check::arity(self, ins)?;
        batch_shape(self, ins, &[2])?;
        let dtype = one_dtype(self, ins, FACTORED)?;
        square("The input to cholesky must be a square matrix. Got shape ", x.shape())?;
        Ok(one(ShapedArray::result(ins, x.shape(), dtype)))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], _: &[ShapedArray]) -> LoweredValues {
        let x = ins[0];
        if ctx.dims(x).contains(&0) {
            return Ok(one(x));
        }
        let l = ctx.op1("stablehlo.cholesky", &[x], "lower = true", x.ty());
        if !ctx.dtype(x).is_complex() {
            return Ok(one(l));
        }
        // XLA fills in the real part alone.
        let unknown = ctx.compare("NE", l, l);
        let (dtype, shape) = (ctx.dtype(l), ctx.shape(l));
        let nan = ctx.full(Scalar::from_complex(dtype, Complex::new(f64::NAN, f64::NAN)), &shape);
        Ok(one(ctx.select(unknown, nan, l)))
    }
    /// dl = l Φ(l⁻¹ dx l⁻ᴴ), where Φ takes the lower triangle and half the diagonal. Murray 2016, arXiv:1602.07527
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        let l = lower_part(&bind1(*self, &[&primals[0]]), 0);
        let tangent = tangents[0].as_ref().map(|dx| {
            let left = TriangularSolveOptions::new().lower(true);
            let right = left.clone().transpose_a(true).conjugate_a(true);
            let inner = triangular_solve_with(&l, dx, right);
            let inner = lower_part(&triangular_solve_with(&l, &inner, left.left_side(true)), 0);
            let halves = add(&eye_like(&inner), &literal_like(&inner, 1.0));
            exact_matmul(&l, &div(&inner, &halves))
        });
        Ok((one(l), one(tangent)))
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
    use crate::lax::linalg::matrices::{adjoint, matmul};
    use crate::lax::testing::{Draw, case, check_rules, message_of};
    use crate::lax::zeros;

    /// A matrix times its conjugate transpose and a diagonal are positive definite.
    fn of(x: &[Array]) -> Array {
        let product = matmul(&x[0], &adjoint(&x[0]));
        cholesky(&add(&product, &eye_like(&product)))
    }

    #[test]
    fn rules() {
        let mut draw = Draw::new(171);
        let mut x = |dtype, shape: &[usize]| [draw.values(dtype, shape)];
        check_rules([
            case("matrix", x(DType::F32, &[3, 3]), of),
            case("batches", x(DType::F32, &[2, 2, 2]), of),
            case("one", x(DType::F64, &[1, 1]), of),
            case("complex", x(DType::C64, &[2, 2]), of),
            case("no rows", x(DType::F32, &[0, 0]), of),
            case("no matrices", x(DType::F32, &[0, 2, 2]), of),
        ]);
    }

    #[test]
    fn the_lower_triangle_alone_is_read_if_asked_for() {
        let x = Array::from([[4.0f32, 99.0], [2.0, 10.0]]);
        let l = cholesky_with(&x, CholeskyOptions::new().symmetrize_input(false));
        assert_eq!(l.to_vec::<f32>().unwrap(), [2.0, 0.0, 1.0, 3.0]);
    }

    #[test]
    fn what_is_not_positive_definite_has_no_numbers() {
        let x = Array::from([[[1.0f32, 0.0], [0.0, -1.0]], [[1.0, 0.0], [0.0, 1.0]]]);
        let l = cholesky(&x).to_vec::<f32>().unwrap();
        assert!([0, 2, 3].iter().all(|i| l[*i].is_nan()), "{l:?}");
        assert_eq!(l[4..], [1.0, 0.0, 0.0, 1.0]);
    }

    #[test]
    fn operands_are_checked() {
        assert_eq!(
            message_of(|| cholesky(&zeros(DType::F32, &[3, 2]))),
            "The input to cholesky must be a square matrix. Got shape (3, 2)"
        );
        assert_eq!(
            message_of(|| cholesky(&zeros(DType::F32, &[3]))),
            "Input 0 to cholesky must have rank at least 2, but got shape=(3,)"
        );
        assert_eq!(
            message_of(|| cholesky(&zeros(DType::BF16, &[2, 2]))),
            "cholesky does not accept dtype bf16. Accepted dtypes are f32, f64, c64, c128"
        );
    }
}
