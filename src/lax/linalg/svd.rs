//! `svd`: singular values and vectors. JAX: `svd_p`. On the CPU a kernel.

use super::householder_product::eye_values;
#[cfg(feature = "linalg")]
use super::kernels::GESDD;
use super::matrices::{
    FACTORED, adjoint, batch_shape, batched_in_front, behind, diagonal, diagonal_matrix, eye_like,
    matmul_with, sides,
};
use crate::arguments::options;
use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::check;
use crate::core::config::Precision;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{BatchDim, Batched, Jvp, LoweredValues, MappedAxis, Param, Primitive, Tangent};
use crate::core::scalar::Scalar;
use crate::core::trace::bind_all;
use crate::error::{OrThrow, Result, bail, throw};
use crate::lax::elementwise::one_dtype;
use crate::lax::{
    DotOptions, add, convert_element_type, div, eq, expand_dims, literal_like, mul, real, slice_along, sub,
};
use crate::mlir::{Value, Values};

options! {
    /// Options of [`svd_with`].
    pub struct SvdOptions {
        /// Are all vectors wanted, those too that belong to no singular value?
        full_matrices: value bool = true,
        /// Which singular values, in descending order, from the first index up to the second.
        subset_by_index: optional_into (usize, usize),
    }
}

/// `x = u diag(s) vh` for `x: f32[..,m,n]`, with `k = min(m, n)`: unitary `u: f32[..,m,m]` and `vh: f32[..,n,n]`, and the singular values `s:
/// f32[..,k]`, which are not negative, in descending order. `f32`, `f64`, `c64` or `c128`. A column of `u` and the row of `vh` may be multiplied
/// by one number of absolute value 1. What is no number gives NaN.
///
/// On the CPU it needs raxla's feature `linalg`. Its derivative is that of distinct singular values, and is not defined for the
/// further columns of full matrices.
///
/// ```
/// # #[cfg(feature = "linalg")] {
/// use raxla::{Array, lax::linalg};
///
/// let (u, s, vh) = linalg::svd(&Array::from([[3.0f32, 0.0], [0.0, 5.0], [0.0, 0.0]]));
/// assert_eq!((u.shape(), vh.shape()), (&[3, 3][..], &[2, 2][..]));
/// assert!((s - Array::from([5.0f32, 3.0])).abs().max(..).item::<f32>()? < 1e-5);
/// # }
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `Input 0 to svd must have rank at least 2, but got shape=(3,)`; `svd does not accept dtype bf16. Accepted dtypes are f32, f64, c64, c128`;
/// `Unimplemented` without the feature, and on other platforms than the CPU.
#[track_caller]
pub fn svd(x: &Array) -> (Array, Array, Array) {
    svd_with(x, SvdOptions::new())
}

/// [`svd`] by options. Without full matrices: `(f32[..,m,k], f32[..,k], f32[..,k,n])`; of a subset as many as it has.
///
/// # Errors
/// As [`svd`]; `full_matrices and subset_by_index cannot both be set`; a subset that is not within the singular values.
#[track_caller]
pub fn svd_with(x: &Array, options: SvdOptions) -> (Array, Array, Array) {
    let prim = Svd { full_matrices: options.full_matrices, compute_uv: true };
    prim.abstract_eval(&[x.aval()]).or_throw();
    let subset = checked(x, &options);
    let mut outs = bind_all(prim, &[x]);
    let (vh, u) = (outs.swap_remove(2), outs.swap_remove(1));
    let s = outs.swap_remove(0);
    match subset {
        Some((start, end)) if (start, end) != (0, s.shape()[s.ndim() - 1] as i64) => {
            let of = |x: &Array, axis| slice_along(x, start, end, 1, axis);
            (of(&u, -1), of(&s, -1), of(&vh, -2))
        }
        _ => (u, s, vh),
    }
}

/// The singular values alone. JAX: `svd` with `compute_uv=False`.
///
/// # Errors
/// As [`svd`].
#[track_caller]
pub fn singular_values(x: &Array) -> Array {
    bind_all(Svd { full_matrices: true, compute_uv: false }, &[x]).swap_remove(0)
}

/// The subset, as the positions of slices.
#[track_caller]
fn checked(x: &Array, options: &SvdOptions) -> Option<(i64, i64)> {
    let [m, n] = sides(x.shape());
    let (k, (start, end)) = (m.min(n), options.subset_by_index?);
    if options.full_matrices && (start, end) != (0, k) {
        throw!(InvalidArgument, "svd: full_matrices and subset_by_index cannot both be set");
    }
    if start > end || end > k {
        throw!(InvalidArgument, "svd: subset_by_index = ({start}, {end}) is not within {k} singular values");
    }
    Some((start as i64, end as i64))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Svd {
    full_matrices: bool,
    compute_uv: bool,
}

/// The products of matrices in 32 bits at least.
fn product(x: &Array, y: &Array) -> Array {
    matmul_with(x, y, DotOptions::new().precision(Precision::Highest))
}

impl Primitive for Svd {
    fn name(&self) -> &'static str {
        "svd"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        let none = || Param::Text("None".into());
        vec![
            ("algorithm", none()),
            ("compute_uv", self.compute_uv.into()),
            ("full_matrices", self.full_matrices.into()),
            ("subset_by_index", none()),
        ]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [x] = check::arity(self, ins)?;
        let batch = batch_shape(self, ins, &[2])?;
        let dtype = one_dtype(self, ins, FACTORED)?;
        let [m, n] = sides(x.shape());
        let k = m.min(n);
        let s = ShapedArray::result(ins, &behind(batch, &[k]), dtype.real());
        if !self.compute_uv {
            return Ok([s].into_iter().collect());
        }
        let [left, right] = if self.full_matrices { [m, n] } else { [k, k] };
        let result = |sizes: [usize; 2]| ShapedArray::result(ins, &behind(batch, &sizes), dtype);
        Ok([s, result([m, left]), result([right, n])].into_iter().collect())
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        if ctx.dims(ins[0]).contains(&0) {
            let zeros = ctx.full(Scalar::from_f64(outs[0].dtype(), 0.0), outs[0].shape());
            let rest = outs[1..].iter().map(|aval| eye_values(ctx, aval.dtype(), aval.shape()));
            return Ok(std::iter::once(zeros).chain(rest.collect::<Vec<_>>()).collect::<Values>());
        }
        #[cfg(feature = "linalg")]
        if ctx.has_kernels() {
            let flags = [("vectors", i64::from(self.compute_uv)), ("full", i64::from(self.full_matrices))];
            return ctx.kernel_call(&GESDD, &flags, ins, outs);
        }
        Err(super::matrices::unavailable(ctx, "svd"))
    }
    /// with d = uᴴ dx v and F = 1 / (sⱼ² - sᵢ²) beside the diagonal and 0 on it: ds = re diag(d),
    /// du = u (F ∘ (d s + (d s)ᴴ) + im diag(d) / s) and dv = v (F ∘ (s d + (s d)ᴴ)), plus what leaves the span of fewer columns
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        let x = &primals[0];
        let [m, n] = sides(x.shape());
        if self.compute_uv && self.full_matrices && m != n {
            bail!(Differentiation, "Singular value decomposition JVP not implemented for full matrices");
        }
        let outs = bind_all(Svd { full_matrices: false, compute_uv: true }, &[x]);
        let (s, u, vh) = (outs[0].clone(), outs[1].clone(), outs[2].clone());
        let (uh, v) = (adjoint(&u), adjoint(&vh));
        let complex = x.dtype().is_complex();
        let tangents = tangents[0].as_ref().map(|dx| {
            let d = product(&product(&uh, dx), &v);
            let ds = diagonal(&d);
            let ds = if complex { real(&ds) } else { ds };
            if !self.compute_uv {
                return (ds, None);
            }
            let wide = |x: &Array| convert_element_type(x, d.dtype());
            let (row, column) = (expand_dims(&s, -2), expand_dims(&s, -1));
            let eye = eye_like(&d);
            let eye = if complex { real(&eye) } else { eye };
            let differences = mul(&add(&row, &column), &sub(&row, &column));
            let one = literal_like(&eye, 1.0);
            let f = wide(&sub(&div(&one, &add(&differences, &eye)), &eye));
            let [row, column] = [wide(&row), wide(&column)];
            let (ds_right, ds_left) = (mul(&row, &d), mul(&column, &d));
            let zero = convert_element_type(&eq(&s, &literal_like(&s, 0.0)), s.dtype());
            let inverse = sub(&div(&literal_like(&s, 1.0), &add(&s, &zero)), &zero);
            let half = literal_like(&d, 0.5);
            let turn = mul(&mul(&half, &sub(&d, &adjoint(&d))), &wide(&diagonal_matrix(&inverse)));
            let mut du = product(&u, &add(&mul(&f, &add(&ds_right, &adjoint(&ds_right))), &turn));
            let mut dv = product(&v, &mul(&f, &add(&ds_left, &adjoint(&ds_left))));
            if m > n {
                let across = product(dx, &v);
                du = add(&du, &div(&sub(&across, &product(&u, &product(&uh, &across))), &row));
            }
            if n > m {
                let across = product(&adjoint(dx), &u);
                dv = add(&dv, &div(&sub(&across, &product(&v, &product(&vh, &across))), &row));
            }
            (ds, Some((du, adjoint(&dv))))
        });
        let (ds, vectors) = match tangents {
            None => (None, None),
            Some((ds, vectors)) => (Some(ds), vectors),
        };
        if !self.compute_uv {
            return Ok(([s].into_iter().collect(), [ds].into_iter().collect()));
        }
        let (du, dvh) = vectors.unzip();
        Ok(([s, u, vh].into_iter().collect(), [ds, du, dvh].into_iter().collect()))
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
    use crate::lax::testing::{Draw, message_of};
    use crate::lax::zeros;

    #[cfg(feature = "linalg")]
    #[test]
    fn rules() {
        use crate::lax::abs;
        use crate::lax::testing::{case, check_rules};

        // What is determined: the values, and absolute values of the vectors' elements.
        fn of(full: bool) -> impl Fn(&[Array]) -> Vec<Array> {
            move |x| {
                let (u, s, vh) = svd_with(&x[0], SvdOptions::new().full_matrices(full));
                vec![abs(&u), s, abs(&vh)]
            }
        }
        let mut draw = Draw::new(177);
        let mut x = |dtype, shape: &[usize]| [draw.values(dtype, shape)];
        check_rules([
            case("square", x(DType::F32, &[3, 3]), of(true)).loose(8.0),
            case("tall", x(DType::F32, &[3, 2]), of(false)).loose(8.0),
            case("tall, full", x(DType::F32, &[3, 2]), of(true)).loose(8.0).without_derivatives(),
            case("wide", x(DType::F32, &[2, 3]), of(false)).loose(8.0),
            case("values", x(DType::F32, &[2, 3]), |x| singular_values(&x[0])).loose(8.0),
            case("batches", x(DType::F64, &[2, 2, 1]), of(false)).loose(8.0),
            case("complex", x(DType::C64, &[2, 2]), of(false)).loose(8.0),
            case("no rows", x(DType::F32, &[0, 2]), of(true)).without_derivatives(),
            case("no columns", x(DType::F32, &[2, 0]), of(false)).without_derivatives(),
            case("no matrices", x(DType::F32, &[0, 2, 2]), of(false)),
        ]);
    }

    #[cfg(not(feature = "linalg"))]
    #[test]
    fn without_the_feature_its_name_is_said() {
        assert_eq!(
            message_of(|| singular_values(&zeros(DType::F32, &[2, 2]))),
            "svd: on the CPU it is computed by the crate faer, which is behind a feature: cargo add raxla --features linalg"
        );
    }

    #[test]
    fn operands_are_checked() {
        assert_eq!(
            message_of(|| singular_values(&zeros(DType::F32, &[3]))),
            "Input 0 to svd must have rank at least 2, but got shape=(3,)"
        );
        let of = |start, end, full| {
            let options = SvdOptions::new().subset_by_index((start, end)).full_matrices(full);
            message_of(|| svd_with(&zeros(DType::F32, &[3, 2]), options).1)
        };
        assert_eq!(of(0, 1, true), "svd: full_matrices and subset_by_index cannot both be set");
        assert_eq!(of(1, 3, false), "svd: subset_by_index = (1, 3) is not within 2 singular values");
    }
}
