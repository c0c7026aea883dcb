//! `eig`: eigenvalues and eigenvectors of any matrices. JAX: `eig_p`. On the CPU a kernel.

#[cfg(feature = "linalg")]
use super::kernels::GEEV;
use super::lu::solve;
use super::matrices::{
    FACTORED, adjoint, batch_shape, batched_in_front, behind, conjugate, diagonal, exact_matmul, eye_like,
    sides, transposed,
};
use crate::arguments::options;
use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::check;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{BatchDim, Batched, Jvp, LoweredValues, MappedAxis, Param, Primitive, Tangent};
use crate::core::scalar::Scalar;
use crate::core::trace::bind_all;
use crate::dtype::DType;
use crate::error::{Result, bail};
use crate::lax::elementwise::{one_dtype, tuple};
use crate::lax::{
    ArgOptions, abs, add, argmax_with, broadcasted_iota, complex, convert_element_type, div, eq, expand_dims,
    imag, mul, neg, real, reciprocal, reduce_sum, sub,
};
use crate::mlir::{Value, Values};

options! {
    /// Options of [`eig_with`].
    pub struct EigOptions {
        /// Are the eigenvectors on the left wanted, `vlᴴ x = w vlᴴ`?
        compute_left_eigenvectors: value bool = true,
        /// Are the eigenvectors on the right wanted, `x vr = vr w`?
        compute_right_eigenvectors: value bool = true,
        /// Have the vectors a derivative, and the eigenvalues a second one? It is that of distinct eigenvalues, and of vectors whose largest elements are largest alone.
        enable_eigvec_derivs: value bool = false,
    }
}

/// The eigenvalues `w: c64[..,n]` of `x: f32[..,n,n]`, in any order, the vectors on the left and those on the right, `c64[..,n,n]`, as columns:
/// `vlᴴ x = w vlᴴ` and `x vr = vr w`. `f32`, `f64`, `c64` or `c128`; what is found is complex. Vectors have norm 1, and their largest
/// element is real. What is no number gives NaN.
///
/// On the CPU it needs raxla's feature `linalg`.
///
/// ```
/// # #[cfg(feature = "linalg")] {
/// use raxla::{Array, lax::linalg};
///
/// let (w, _, vr) = linalg::eig(&Array::from([[0.0f32, 1.0], [-1.0, 0.0]]));
/// assert_eq!((w.shape(), vr.shape()), (&[2][..], &[2, 2][..]));
/// assert!((w.abs() - 1.0).abs().max(..).item::<f32>()? < 1e-6);
/// # }
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `The input to eig must be a square matrix. Got shape (3, 2)`; `eig does not accept dtype bf16. Accepted dtypes are f32, f64, c64, c128`;
/// `Unimplemented` without the feature, and on other platforms than the CPU. Differentiated: that derivatives of eigenvectors have to
/// be asked for.
#[track_caller]
pub fn eig(x: &Array) -> (Array, Array, Array) {
    let mut outs = Eig { left: true, right: true, derivatives: false }.apply(x);
    let (vr, vl) = (outs.swap_remove(2), outs.swap_remove(1));
    (outs.swap_remove(0), vl, vr)
}

/// [`eig`] by options: the eigenvalues, then the vectors on the left and on the right, as far as they are wanted.
///
/// # Errors
/// As [`eig`].
#[track_caller]
pub fn eig_with(x: &Array, options: EigOptions) -> Vec<Array> {
    let EigOptions {
        compute_left_eigenvectors: left,
        compute_right_eigenvectors: right,
        enable_eigvec_derivs: derivatives,
    } = options;
    Eig { left, right, derivatives }.apply(x)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Eig {
    left: bool,
    right: bool,
    derivatives: bool,
}

impl Eig {
    #[track_caller]
    fn apply(self, x: &Array) -> Vec<Array> {
        bind_all(self, &[x]).into_vec()
    }
}

/// The tangents of eigenvalues and vectors: with `p = v⁻¹ dx v`, `dw = diag(p)` and `dv = u + c v`, where `u = v (F ∘ p)`, `F = 1 / (wⱼ - wᵢ)`
/// beside the diagonal and 0 on it, and `c` keeps norms, and largest elements real.
fn tangents_of(w: &Array, v: &Array, dx: &Array) -> (Array, Array) {
    let eye = eye_like(v);
    let differences = sub(&add(&eye, &expand_dims(w, -2)), &expand_dims(w, -1));
    let f = sub(&reciprocal(&differences), &eye);
    let p = exact_matmul(&solve(v, dx), v);
    let u = exact_matmul(v, &mul(&f, &p));
    let rank = v.ndim();
    let largest =
        expand_dims(&argmax_with(&abs(v), rank - 2, ArgOptions::new().index_dtype(DType::I32)), rank - 2);
    let mask = eq(&broadcasted_iota(DType::I32, v.shape(), rank - 2), &largest);
    let mask = convert_element_type(&mask, v.dtype());
    let sum = |x: &Array| reduce_sum(x, rank - 2);
    let re = neg(&real(&sum(&mul(&conjugate(v), &u))));
    let im = neg(&div(&imag(&sum(&mul(&mask, &u))), &real(&sum(&mul(&mask, v)))));
    let c = expand_dims(&complex(&re, &im), rank - 2);
    (diagonal(&p), add(&u, &mul(v, &c)))
}

impl Primitive for Eig {
    fn name(&self) -> &'static str {
        "eig"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![
            ("compute_left_eigenvectors", self.left.into()),
            ("compute_right_eigenvectors", self.right.into()),
            ("enable_eigvec_derivs", self.derivatives.into()),
            ("implementation", Param::Text("None".into())),
        ]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [x] = check::arity(self, ins)?;
        let batch = batch_shape(self, ins, &[2])?;
        let dtype = one_dtype(self, ins, FACTORED)?;
        let [m, n] = sides(x.shape());
        if m != n {
            bail!(Shape, "The input to eig must be a square matrix. Got shape {}", tuple(&[m, n]));
        }
        let dtype = if dtype.real() == DType::F64 { DType::C128 } else { DType::C64 };
        let w = ShapedArray::result(ins, &behind(batch, &[n]), dtype);
        let v = ShapedArray::result(ins, x.shape(), dtype);
        let vectors = usize::from(self.left) + usize::from(self.right);
        Ok(std::iter::once(w).chain(std::iter::repeat_n(v, vectors)).collect())
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        if outs[0].shape().contains(&0) {
            let zeros = |aval: &ShapedArray| ctx.full(Scalar::from_f64(aval.dtype(), 0.0), aval.shape());
            return Ok(outs.iter().map(zeros).collect::<Values>());
        }
        #[cfg(not(feature = "linalg"))]
        let _ = ins;
        #[cfg(feature = "linalg")]
        if ctx.has_kernels() {
            let flags = [("left", i64::from(self.left)), ("right", i64::from(self.right))];
            return ctx.kernel_call(&GEEV, &flags, ins, outs);
        }
        Err(super::matrices::unavailable(ctx, "eig"))
    }
    /// of eigenvalues alone dw = diag(v⁻¹ dx v); of vectors [`tangents_of`]
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        let x = &primals[0];
        if (self.left || self.right) && !self.derivatives {
            bail!(
                Differentiation,
                "eig: derivatives of eigenvectors are those of distinct eigenvalues, and of vectors whose largest elements are \
                 largest alone, which cannot be checked: ask for them by EigOptions::enable_eigvec_derivs(true)"
            );
        }
        let outs = Eig { right: true, ..*self }.apply(x);
        let (w, vr) = (&outs[0], &outs[outs.len() - 1]);
        let dx = tangents[0].as_ref().map(|dx| convert_element_type(dx, vr.dtype()));
        if !self.left && !self.right {
            let rank = vr.ndim();
            let dw = dx.map(|dx| reduce_sum(&mul(&solve(vr, &dx), &transposed(vr)), rank - 1));
            return Ok(([w.clone()].into_iter().collect(), [dw].into_iter().collect()));
        }
        let right = dx.as_ref().map(|dx| tangents_of(w, vr, dx));
        let (dw, dvr) = right.unzip();
        let (mut primals, mut tangents) = (vec![w.clone()], vec![dw]);
        if self.left {
            let dvl = dx.as_ref().map(|dx| tangents_of(&conjugate(w), &outs[1], &adjoint(dx)).1);
            primals.push(outs[1].clone());
            tangents.push(dvl);
        }
        if self.right {
            primals.push(vr.clone());
            tangents.push(dvr);
        }
        Ok((primals.into(), tangents.into()))
    }
    /// the mapped axis goes in front
    fn batch(&self, axis: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        batched_in_front(*self, axis, args, dims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lax::testing::message_of;
    use crate::lax::zeros;

    #[cfg(feature = "linalg")]
    #[test]
    fn rules() {
        use crate::lax::testing::{Draw, case, check_rules};

        let values = |x: &[Array]| {
            eig_with(
                &x[0],
                EigOptions::new().compute_left_eigenvectors(false).compute_right_eigenvectors(false),
            )
        };
        // Up to their sign.
        let vectors = |x: &[Array]| {
            let outs = eig_with(&x[0], EigOptions::new().enable_eigvec_derivs(true));
            vec![outs[0].clone(), abs(&outs[1]), abs(&outs[2])]
        };
        let mut draw = Draw::new(178);
        // Far enough apart that their order is the same for matrices nearby.
        let mut x = |dtype, shape: &[usize]| {
            crate::config::with_x64(true, || {
                let x = draw.values(dtype, shape);
                let n = shape[shape.len() - 1];
                let steps =
                    convert_element_type(&broadcasted_iota(DType::I32, shape, shape.len() - 1), dtype);
                let far = mul(&eye_like(&x), &mul(&steps, &crate::lax::literal(dtype, 3.0 * n as f64)));
                [add(&x, &far)]
            })
        };
        check_rules([
            case("values", x(DType::F32, &[3, 3]), values).loose(8.0).up_to_order(1),
            case("vectors", x(DType::F32, &[3, 3]), vectors).loose(8.0),
            case("batches", x(DType::F64, &[2, 2, 2]), values).loose(8.0).up_to_order(1),
            case("complex", x(DType::C64, &[2, 2]), vectors).loose(8.0),
            case("one", x(DType::F32, &[1, 1]), values).up_to_order(1),
            case("no rows", x(DType::F32, &[0, 0]), values).without_derivatives(),
            case("no matrices", x(DType::F32, &[0, 2, 2]), values).without_derivatives(),
        ]);
    }

    #[test]
    fn operands_are_checked() {
        assert_eq!(
            message_of(|| eig_with(&zeros(DType::F32, &[3, 2]), EigOptions::new())),
            "The input to eig must be a square matrix. Got shape (3, 2)"
        );
    }
}
