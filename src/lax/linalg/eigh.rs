//! `eigh`: eigenvalues and eigenvectors of Hermitian matrices. JAX: `eigh_p`. XLA: the custom call `Eigh`; with the feature `linalg`, on
//! the CPU, a kernel.

use smallvec::smallvec;

use super::matrices::{
    FACTORED, adjoint, batch_shape, batched_in_front, behind, diagonal, exact_matmul, eye_like, sides,
    symmetrized,
};
use crate::arguments::options;
use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::check;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::Param;
use crate::core::primitive::{BatchDim, Batched, Jvp, LoweredValues, MappedAxis, Primitive, Tangent};
use crate::core::scalar::Scalar;
use crate::core::trace::bind_all;
use crate::dtype::DType;
use crate::error::{OrThrow, Result, bail, throw};
use crate::lax::elementwise::{one_dtype, tuple};
use crate::lax::{add, convert_element_type, expand_dims, mul, real, reciprocal, slice_along, sub};
use crate::mlir::{Value, Values};

options! {
    /// Options of [`eigh_with`].
    pub struct EighOptions {
        /// Which triangle is read, if the matrix is not made Hermitian: that on and below the diagonal, or that on and above it.
        lower: value bool = true,
        /// Is the matrix first made Hermitian, as half its sum with its conjugate transpose?
        symmetrize_input: value bool = true,
        /// Are the eigenvalues sorted? If not, their order is the platform's.
        sort_eigenvalues: value bool = true,
        /// Which eigenvalues, in ascending order, from the first index up to the second.
        subset_by_index: optional_into (usize, usize),
    }
}

/// `x v = v w` for a Hermitian `x: f32[..,n,n]`: the eigenvectors `v: f32[..,n,n]`, which are the columns of a unitary matrix, and the
/// eigenvalues `w: f32[..,n]` in ascending order, which are real. `f32`, `f64`, `c64` or `c128`. A vector may be multiplied by any number of
/// absolute value 1. What is no number gives NaN.
///
/// The derivative is that of distinct eigenvalues: infinite or no number where two are equal.
///
/// On the CPU with raxla's feature `linalg` all digits are right. Without it, and on other platforms, XLA's rotations leave an error of
/// some 1e-8 of the matrix' norm in the vectors of 64 bits.
///
/// ```
/// use raxla::{Array, lax::linalg};
///
/// let (v, w) = linalg::eigh(&Array::from([[2.0f32, 0.0], [0.0, 1.0]]));
/// assert_eq!(w.to_vec::<f32>()?, [1.0, 2.0]);
/// assert_eq!(v.shape(), [2, 2]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `Argument to symmetric eigendecomposition must have shape [..., n, n], got shape (3, 2)`; `eigh does not accept dtype bf16. Accepted
/// dtypes are f32, f64, c64, c128`.
#[track_caller]
pub fn eigh(x: &Array) -> (Array, Array) {
    eigh_with(x, EighOptions::new())
}

/// [`eigh`] by options. A subset of `k` eigenvalues: `(f32[..,n,k], f32[..,k])`.
///
/// # Errors
/// As [`eigh`]; `eigh: subset_by_index = (1, 5) is not within 4 eigenvalues`.
#[track_caller]
pub fn eigh_with(x: &Array, options: EighOptions) -> (Array, Array) {
    let EighOptions { lower, symmetrize_input, sort_eigenvalues, subset_by_index } = options;
    let prim = Eigh { lower, sort_eigenvalues: sort_eigenvalues || subset_by_index.is_some() };
    prim.abstract_eval(&[x.aval()]).or_throw();
    let (v, w) = prim.apply(&if symmetrize_input { symmetrized(x) } else { x.clone() });
    let Some((start, end)) = subset_by_index else { return (v, w) };
    let n = w.shape()[w.ndim() - 1];
    if start > end || end > n {
        throw!(InvalidArgument, "eigh: subset_by_index = ({start}, {end}) is not within {n} eigenvalues");
    }
    let of = |x: &Array| slice_along(x, start as i64, end as i64, 1, -1);
    (of(&v), of(&w))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Eigh {
    lower: bool,
    sort_eigenvalues: bool,
}

impl Eigh {
    #[track_caller]
    fn apply(self, x: &Array) -> (Array, Array) {
        let mut outs = bind_all(self, &[x]);
        let w = outs.swap_remove(1);
        (outs.swap_remove(0), w)
    }

    /// By XLA's Jacobi rotations, until the elements beside the diagonal are smaller than the tolerance times the matrix' norm, or
    /// cannot be told from zero: XLA has their size from a difference of squares, so that in 64 bits some 1e-8 of the norm is left.
    fn by_rotations(self, ctx: &mut LoweringCtx, x: Value, outs: &[ShapedArray]) -> Values {
        let tolerance = if outs[1].dtype() == DType::F64 { "1e-12" } else { "1e-6" };
        let (lower, sort) = (u8::from(self.lower), u8::from(self.sort_eigenvalues));
        let attrs = format!(
            "api_version = 1 : i32, backend_config = \"{lower},{sort},100,{tolerance}\", call_target_name = \"Eigh\""
        );
        let results = [ctx.ty(&outs[0]), ctx.ty(&outs[1])];
        ctx.op("stablehlo.custom_call", &[x], &attrs, &results)
    }
}

impl Primitive for Eigh {
    fn name(&self) -> &'static str {
        "eigh"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        let none = || Param::Text("None".into());
        vec![
            ("algorithm", none()),
            ("lower", self.lower.into()),
            ("sort_eigenvalues", self.sort_eigenvalues.into()),
            ("subset_by_index", none()),
        ]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [x] = check::arity(self, ins)?;
        let batch = batch_shape(self, ins, &[2])?;
        let dtype = one_dtype(self, ins, FACTORED)?;
        let [m, n] = sides(x.shape());
        if m != n {
            bail!(
                Shape,
                "Argument to symmetric eigendecomposition must have shape [..., n, n], got shape {}",
                tuple(&[m, n])
            );
        }
        let w = ShapedArray::result(ins, &behind(batch, &[n]), dtype.real());
        Ok([ShapedArray::result(ins, x.shape(), dtype), w].into_iter().collect())
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        if outs[0].shape().contains(&0) {
            let zeros = ctx.full(Scalar::from_f64(outs[1].dtype(), 0.0), outs[1].shape());
            return Ok(Values::from_slice(&[ins[0], zeros]));
        }
        #[cfg(feature = "linalg")]
        if ctx.has_kernels() {
            let lower = [("lower", i64::from(self.lower))];
            return ctx.kernel_call(&super::kernels::HEEVD, &lower, ins, outs);
        }
        Ok(self.by_rotations(ctx, ins[0], outs))
    }
    /// dw = diag(vᴴ dx v), dv = v (F ∘ vᴴ dx v) with F = 1 / (wⱼ - wᵢ) beside the diagonal and 0 on it
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        let x = &primals[0];
        let (v, w) = self.apply(&symmetrized(x));
        let tangents = tangents[0].as_ref().map(|dx| {
            let eye = eye_like(x);
            let full = convert_element_type(&w, x.dtype());
            let differences = sub(&add(&eye, &expand_dims(&full, -2)), &expand_dims(&full, -1));
            let f = sub(&reciprocal(&differences), &eye);
            let inner = exact_matmul(&exact_matmul(&adjoint(&v), dx), &v);
            let dw = diagonal(&inner);
            (exact_matmul(&v, &mul(&f, &inner)), if dw.dtype().is_complex() { real(&dw) } else { dw })
        });
        let (dv, dw) = tangents.unzip();
        Ok((smallvec![v, w], smallvec![dv, dw]))
    }
    /// the mapped axis goes in front
    fn batch(&self, axis: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        batched_in_front(*self, axis, args, dims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lax::linalg::matrices::matmul;
    use crate::lax::testing::{Draw, case, check_rules, message_of};
    use crate::lax::{abs, zeros};

    /// What is determined: the eigenvalues, and the absolute values of the vectors' elements.
    fn of(x: &[Array]) -> (Array, Array) {
        let (v, w) = eigh(&x[0]);
        (abs(&v), w)
    }

    #[test]
    fn rules() {
        let mut draw = Draw::new(172);
        let mut x = |dtype, shape: &[usize]| [draw.values(dtype, shape)];
        check_rules([
            case("matrix", x(DType::F32, &[3, 3]), of).loose(8.0),
            case("batches", x(DType::F32, &[2, 2, 2]), of).loose(8.0),
            case("one", x(DType::F64, &[1, 1]), of),
            case("complex", x(DType::C64, &[2, 2]), of).loose(8.0),
            case("no rows", x(DType::F32, &[0, 0]), of),
            case("no matrices", x(DType::F32, &[0, 2, 2]), of),
        ]);
    }

    /// XLA's own, as builds without the feature have it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    struct ByRotations;

    impl Primitive for ByRotations {
        fn name(&self) -> &'static str {
            "eigh_by_rotations"
        }
        fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
            Eigh { lower: true, sort_eigenvalues: true }.abstract_eval(ins)
        }
        fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
            Ok(Eigh { lower: true, sort_eigenvalues: true }.by_rotations(ctx, ins[0], outs))
        }
        fn jvp(&self, _: &[Array], _: &[Tangent]) -> Jvp {
            bail!(Differentiation, "not differentiated")
        }
        fn batch(&self, axis: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
            batched_in_front(*self, axis, args, dims)
        }
    }

    #[test]
    fn both_ways_give_the_matrix_again() {
        let mut draw = Draw::new(173);
        let exact = if cfg!(feature = "linalg") { 1e-13 } else { 1e-6 };
        let limits = [[2e-5; 2], [1e-6, exact], [2e-5; 2], [1e-6, exact]];
        for (dtype, limits) in [DType::F32, DType::F64, DType::C64, DType::C128].into_iter().zip(limits) {
            crate::config::with_x64(true, || {
                let x = symmetrized(&draw.values(dtype, &[2, 9, 9]));
                let outs = bind_all(ByRotations, &[&x]);
                for ((v, w), limit) in [(outs[0].clone(), outs[1].clone()), eigh(&x)].into_iter().zip(limits)
                {
                    let scaled = mul(&v, &expand_dims(&convert_element_type(&w, dtype), -2));
                    let error = abs(&sub(&matmul(&scaled, &adjoint(&v)), &x)).max(..).item::<f64>().unwrap();
                    let unitary =
                        abs(&sub(&matmul(&adjoint(&v), &v), &eye_like(&v))).max(..).item::<f64>().unwrap();
                    assert!(error < limit && unitary < limit, "{dtype}: {error:e} {unitary:e}");
                }
            });
        }
    }

    #[test]
    fn operands_are_checked() {
        assert_eq!(
            message_of(|| eigh(&zeros(DType::F32, &[3, 2]))),
            "Argument to symmetric eigendecomposition must have shape [..., n, n], got shape (3, 2)"
        );
        let of = |start, end| EighOptions::new().subset_by_index((start, end));
        assert_eq!(
            message_of(|| eigh_with(&zeros(DType::F32, &[4, 4]), of(1, 5))),
            "eigh: subset_by_index = (1, 5) is not within 4 eigenvalues"
        );
        let (v, w) = eigh_with(&zeros(DType::F32, &[4, 4]), of(1, 3));
        assert_eq!((v.shape(), w.shape()), (&[4, 2][..], &[2][..]));
    }
}
