//! `schur`: a matrix as a unitary one, an upper triangular one and the inverse. JAX: `schur_p`. On the CPU a kernel.

use super::householder_product::eye_values;
use super::kernels::GEES;
use super::matrices::{FACTORED, batch_shape, batched_in_front, elsewhere, not_differentiable, square};
use crate::arguments::options;
use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::check;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{BatchDim, Batched, Jvp, LoweredValues, MappedAxis, Param, Primitive, Tangent};
use crate::core::trace::bind_all;
use crate::error::{Result, throw};
use crate::lax::elementwise::one_dtype;
use crate::mlir::{Value, Values};

options! {
    /// Options of [`schur_with`].
    pub struct SchurOptions {
        /// Are the vectors wanted?
        compute_schur_vectors: value bool = true,
    }
}

/// `x = q t qᴴ` for `x: f32[..,n,n]`: an upper triangular `t` and a unitary `q`, both as `x`. `f32`, `f64`, `c64` or `c128`. Of a real matrix `t` is real, with
/// blocks of two rows for pairs of complex eigenvalues: with two equal elements on their diagonal, and two of different signs beside
/// it. What is no number gives NaN. It has no derivative.
///
/// ```
/// use raxla::{Array, lax::linalg};
///
/// let (t, q) = linalg::schur(&Array::from([[1.0f32, 2.0], [0.0, 3.0]]));
/// assert_eq!(t.to_vec::<f32>()?, [1.0, 2.0, 0.0, 3.0]);
/// assert_eq!(q.to_vec::<f32>()?, [1.0, 0.0, 0.0, 1.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `The input to schur must be a square matrix. Got shape (3, 2)`; `schur does not accept dtype bf16. Accepted dtypes are f32, f64, c64, c128`;
/// `Unimplemented` on other platforms than the CPU.
#[track_caller]
pub fn schur(x: &Array) -> (Array, Array) {
    let mut outs = bind_all(Schur { compute_schur_vectors: true }, &[x]);
    let q = outs.swap_remove(1);
    (outs.swap_remove(0), q)
}

/// [`schur`] by options: `t`, and `q` if it is wanted.
///
/// # Errors
/// As [`schur`].
#[track_caller]
pub fn schur_with(x: &Array, options: SchurOptions) -> (Array, Option<Array>) {
    let prim = Schur { compute_schur_vectors: options.compute_schur_vectors };
    let mut outs = bind_all(prim, &[x]).into_iter();
    match (outs.next(), outs.next()) {
        (Some(t), q) => (t, q),
        (None, _) => throw!(Internal, "schur: no result"),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Schur {
    compute_schur_vectors: bool,
}

impl Primitive for Schur {
    fn name(&self) -> &'static str {
        "schur"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![
            ("compute_schur_vectors", self.compute_schur_vectors.into()),
            ("select_callable", Param::Text("None".into())),
            ("sort_eig_vals", false.into()),
        ]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [x] = check::arity(self, ins)?;
        batch_shape(self, ins, &[2])?;
        let dtype = one_dtype(self, ins, FACTORED)?;
        square("The input to schur must be a square matrix. Got shape ", x.shape())?;
        let results = 1 + usize::from(self.compute_schur_vectors);
        Ok(std::iter::repeat_n(ShapedArray::result(ins, x.shape(), dtype), results).collect())
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        let x = &outs[0];
        if x.shape().contains(&0) {
            let eyes = outs[1..].iter().map(|q| eye_values(ctx, q.dtype(), q.shape()));
            return Ok(std::iter::once(ins[0]).chain(eyes.collect::<Vec<_>>()).collect::<Values>());
        }
        if !ctx.has_kernels() {
            return Err(elsewhere(ctx, "schur"));
        }
        let mut values = ctx.kernel_call(&GEES, &[], ins, &[*x, *x])?;
        values.truncate(outs.len());
        Ok(values)
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
    use crate::lax::linalg::matrices::{adjoint, eye_like, lower_part, matmul};
    use crate::lax::testing::{Draw, case, check_rules, message_of};
    use crate::lax::{abs, sub, zeros};

    #[test]
    fn rules() {
        let mut draw = Draw::new(179);
        let mut x = |dtype, shape: &[usize]| [draw.values(dtype, shape)];
        check_rules([
            case("real", x(DType::F32, &[3, 3]), |x| schur(&x[0])).loose(8.0).without_derivatives(),
            case("complex", x(DType::C64, &[3, 3]), |x| schur(&x[0])).loose(8.0).without_derivatives(),
            case("batches", x(DType::F64, &[2, 2, 2]), |x| schur(&x[0])).loose(8.0).without_derivatives(),
            case("one", x(DType::F32, &[1, 1]), |x| schur(&x[0])).without_derivatives(),
            case("no rows", x(DType::F32, &[0, 0]), |x| schur(&x[0])).without_derivatives(),
            case("no matrices", x(DType::F32, &[0, 2, 2]), |x| schur(&x[0])).without_derivatives(),
        ]);
    }

    #[test]
    fn the_factors_are_triangular_and_unitary_and_give_the_matrix() {
        let mut draw = Draw::new(180);
        crate::config::with_x64(true, || {
            for dtype in [DType::F64, DType::C128] {
                for n in [2, 5, 30] {
                    let x = draw.values(dtype, &[n, n]);
                    let (t, q) = schur(&x);
                    let size = |x: &Array| abs(x).max(..).item::<f64>().unwrap();
                    let again = matmul(&matmul(&q, &t), &adjoint(&q));
                    assert!(size(&sub(&again, &x)) < 1e-12, "{dtype} {n}");
                    assert!(size(&sub(&matmul(&adjoint(&q), &q), &eye_like(&q))) < 1e-13);
                    let below = if dtype == DType::F64 { -2 } else { -1 };
                    assert_eq!(size(&lower_part(&t, below)), 0.0);
                }
            }
        });
    }

    #[test]
    fn matrices_that_defeat_shifts_converge() {
        let cases = [
            Array::from([[0.0f32, 1.0], [1.0, 0.0]]),
            Array::from([[0.0f32, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]),
            Array::from([[1.0f32, 1.0], [0.0, 1.0]]),
            Array::from([[0.0f32, 0.0], [0.0, 0.0]]),
            Array::from([[0.0f32, 1.0], [0.0, 0.0]]),
        ];
        for x in cases {
            let (t, q) = schur(&x);
            let again = matmul(&matmul(&q, &t), &adjoint(&q));
            assert!(abs(&sub(&again, &x)).max(..).item::<f64>().unwrap() < 1e-6, "{x}: {t} {q}");
        }
    }

    #[test]
    fn operands_are_checked() {
        assert_eq!(
            message_of(|| schur(&zeros(DType::F32, &[3, 2]))),
            "The input to schur must be a square matrix. Got shape (3, 2)"
        );
        let (_, q) =
            schur_with(&zeros(DType::F32, &[2, 2]), SchurOptions::new().compute_schur_vectors(false));
        assert!(q.is_none());
    }
}
