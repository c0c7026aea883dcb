//! `qr`: a matrix as the product of a unitary and an upper triangular one. JAX: `qr_p`. XLA: the custom calls of
//! [`geqrf`](super::geqrf) and [`householder_product`](super::householder_product).

use smallvec::smallvec;

use super::geqrf::geqrf_values;
use super::householder_product::{eye_values, householder_values};
use super::kernels::GEQP3;
use super::matrices::{
    FACTORED, adjoint, batch_shape, batched_in_front, behind, block, elsewhere, eye_like, lower_part, matmul,
    rows_at, sides, transposed,
};
use super::triangular_solve::{TriangularSolveOptions, triangular_solve, triangular_solve_with};
use crate::arguments::options;
use crate::core::array::Array;
use crate::core::aval::{Avals, Shape, ShapedArray};
use crate::core::check;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{BatchDim, Batched, Jvp, LoweredValues, MappedAxis, Param, Primitive, Tangent};
use crate::core::scalar::Scalar;
use crate::core::trace::bind_all;
use crate::dtype::DType;
use crate::error::{Result, bail};
use crate::lax::elementwise::one_dtype;
use crate::lax::slice::slice_value;
use crate::lax::{add, complex, concatenate, imag, mul, sub, zeros, zeros_like};
use crate::mlir::{Value, Values, usize_array};

options! {
    /// Options of [`qr_with`].
    pub struct FullMatricesOptions {
        /// Are all columns of the unitary matrix wanted, those too that only zeros of the other belong to?
        full_matrices: value bool = true,
    }
}

/// `x = q r`, where `q` is unitary and `r` upper triangular: `f32[..,m,n]` -> `(f32[..,m,m], f32[..,m,n])`. `f32`, `f64`, `c64`
/// or `c128`.
///
/// By Householder's reflections, with LAPACK's signs: real elements on the diagonal of `r`, of either sign. An element that is no
/// number makes others such, not an error.
///
/// Its derivative is JAX's (Walter and Lehmann 2012; for all columns of `q`, arXiv:2409.13374): it is infinite or no number where
/// the leading columns of `x`, as many as there are rows, depend on each other.
///
/// # Errors
/// `Input 0 to qr must have rank at least 2, but got shape=(3,)`; `qr does not accept dtype bf16. Accepted dtypes are f32, f64, c64,
/// c128`.
#[track_caller]
pub fn qr(x: &Array) -> (Array, Array) {
    qr_with(x, FullMatricesOptions::new())
}

/// [`qr`] by options. Without full matrices: `f32[..,m,n]` -> `(f32[..,m,k], f32[..,k,n])` with `k = min(m, n)`.
///
/// ```
/// use raxla::{Array, lax::linalg::{self, FullMatricesOptions}};
///
/// let x = Array::from([[3.0f32], [4.0]]);
/// let (q, r) = linalg::qr_with(&x, FullMatricesOptions::new().full_matrices(false));
/// assert_eq!((q.shape(), r.shape()), (&[2, 1][..], &[1, 1][..]));
/// assert!((r.item::<f32>()? + 5.0).abs() < 1e-6);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`qr`].
#[track_caller]
pub fn qr_with(x: &Array, options: FullMatricesOptions) -> (Array, Array) {
    Qr { full_matrices: options.full_matrices, pivoting: false }.apply(x)
}

/// `x[.., p] = q r`, where the columns of `x: f32[..,m,n]` are ordered by `p: i32[..,n]`, so that the absolute values on the diagonal of `r` do not
/// increase: each column is the one that is furthest from those before it, as in LAPACK's `geqp3`. JAX: `qr` with `pivoting=True`.
///
/// ```
/// use raxla::{Array, lax::linalg};
///
/// let x = Array::from([[1.0f32, 3.0], [0.0, 4.0]]);
/// let (q, r, p) = linalg::qr_pivoting(&x);
/// assert_eq!((q.shape(), p.to_vec::<i32>()?), (&[2, 2][..], vec![1, 0]));
/// assert!((r.index((0, 0)).item::<f32>()? + 5.0).abs() < 1e-5);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`qr`]; `Unimplemented` on other platforms than the CPU.
#[track_caller]
pub fn qr_pivoting(x: &Array) -> (Array, Array, Array) {
    qr_pivoting_with(x, FullMatricesOptions::new())
}

/// [`qr_pivoting`] by options.
///
/// # Errors
/// As [`qr_pivoting`].
#[track_caller]
pub fn qr_pivoting_with(x: &Array, options: FullMatricesOptions) -> (Array, Array, Array) {
    let mut outs = bind_all(Qr { full_matrices: options.full_matrices, pivoting: true }, &[x]);
    let (p, r) = (outs.swap_remove(2), outs.swap_remove(1));
    (outs.swap_remove(0), r, p)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Qr {
    full_matrices: bool,
    pivoting: bool,
}

impl Qr {
    #[track_caller]
    fn apply(self, x: &Array) -> (Array, Array) {
        let mut outs = bind_all(self, &[x]);
        let r = outs.swap_remove(1);
        (outs.swap_remove(0), r)
    }

    /// The number of columns of `q`.
    fn columns(self, [m, n]: [usize; 2]) -> usize {
        if self.full_matrices { m } else { m.min(n) }
    }

    /// The tangents of `q` and `r` for that of an `x` with at least as many rows as columns, all of whose columns of `q` are
    /// wanted; `q` and `r` without them are `thin`.
    ///
    /// Those of the further columns are not determined by `x` alone. Of those that leave `q` unitary JAX takes arXiv:2409.13374,
    /// (32) and (33): with `z = q₂₁ (q₁₁ - 1)⁻¹`, `dq₂ = dq₁ zᴴ - (q₁ + q₂ z) (dq₂₁ - z dq₁₁)ᴴ`, where `q₁` are the `n` columns
    /// of the thin one, `q₁₁` its first `n` rows and `q₂₁` the others. JAX solves for `z` by LU, this by QR.
    fn full_tangents(q: &Array, thin: &Array, dq: &Array, dr: &Array) -> (Array, Array) {
        let [m, n] = sides(thin.shape());
        let rows = |x: &Array, rows| block(x, rows, 0..n);
        let top = rows(thin, 0..n);
        // (q₁₁ - 1)ᴴ zᴴ = q₂₁ᴴ
        let (u, t) =
            Qr { full_matrices: false, pivoting: false }.apply(&adjoint(&sub(&top, &eye_like(&top))));
        let left = TriangularSolveOptions::new().left_side(true);
        let z_h = triangular_solve_with(&t, &matmul(&adjoint(&u), &adjoint(&rows(thin, n..m))), left);
        let z = adjoint(&z_h);
        let turned = add(thin, &matmul(&block(q, 0..m, n..m), &z));
        let across = sub(&rows(dq, n..m), &matmul(&z, &rows(dq, 0..n)));
        let dq_rest = sub(&matmul(dq, &z_h), &matmul(&turned, &adjoint(&across)));
        let below = zeros(dr.dtype(), &behind(&dr.shape()[..dr.ndim() - 2], &[m - n, n]));
        (concatenate([dq, &dq_rest], -1), concatenate([dr, &below], -2))
    }
}

/// The tangents of `q` and `r` for that of an `x` with at least as many rows as columns, and no more columns of `q` than of `x`:
/// with `c = qᴴ dx r⁻¹` and the skew `w = L - Lᴴ` of its strict lower part `L`, plus the imaginary part of its diagonal,
/// `dq = q (w - c) + dx r⁻¹` and `dr = (c - w) r`.
fn thin_tangents(q: &Array, r: &Array, dx: &Array) -> (Array, Array) {
    let dx_r = triangular_solve(r, dx);
    let c = matmul(&adjoint(q), &dx_r);
    let lower = lower_part(&c, -1);
    let mut w = sub(&lower, &adjoint(&lower));
    if c.dtype().is_complex() {
        let imaginary = imag(&c);
        w = add(&w, &mul(&eye_like(&c), &complex(&zeros_like(&imaginary), &imaginary)));
    }
    (add(&matmul(q, &sub(&w, &c)), &dx_r), matmul(&sub(&c, &w), r))
}

/// Zeros below the diagonal.
fn upper_values(ctx: &mut LoweringCtx, x: Value) -> Value {
    let (dtype, shape) = (ctx.dtype(x), ctx.shape(x));
    let [row, column] = [2, 1].map(|from_end| ctx.iota(DType::I32, &shape, shape.len() - from_end));
    let below = ctx.compare("GT", row, column);
    let zeros = ctx.full(Scalar::from_f64(dtype, 0.0), &shape);
    ctx.select(below, zeros, x)
}

/// The first rows and columns of matrices.
pub(super) fn corner(ctx: &mut LoweringCtx, x: Value, rows: usize, columns: usize) -> Value {
    let shape = ctx.shape(x);
    let rank = shape.len();
    let limits = behind(&shape[..rank - 2], &[rows, columns]);
    if limits == shape {
        return x;
    }
    let (starts, strides): (Shape, Shape) = (smallvec![0; rank], smallvec![1; rank]);
    slice_value(ctx, x, &starts, &limits, &strides)
}

/// Columns of zeros behind those of matrices, which get as many as rows.
pub(super) fn squared(ctx: &mut LoweringCtx, x: Value) -> Value {
    let (dtype, shape) = (ctx.dtype(x), ctx.shape(x));
    let [m, n] = sides(&shape);
    if m == n {
        return x;
    }
    let (none, high) = (vec![0; shape.len()], behind(&vec![0; shape.len() - 1], &[m - n]));
    let attrs = format!(
        "edge_padding_high = {}, edge_padding_low = {}, interior_padding = {}",
        usize_array(&high),
        usize_array(&none),
        usize_array(&none)
    );
    let zero = ctx.constant(Scalar::from_f64(dtype, 0.0));
    let ty = ctx.tensor(dtype, &behind(&shape[..shape.len() - 2], &[m, m]));
    ctx.op1("stablehlo.pad", &[x, zero], &attrs, ty)
}

/// The leading axes.
fn x_batch(ctx: &LoweringCtx, x: Value) -> Shape {
    let shape = ctx.dims(x);
    Shape::from_slice(&shape[..shape.len() - 2])
}

impl Primitive for Qr {
    fn name(&self) -> &'static str {
        "qr"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![
            ("full_matrices", self.full_matrices.into()),
            ("pivoting", self.pivoting.into()),
            ("use_magma", Param::Text("None".into())),
        ]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [x] = check::arity(self, ins)?;
        let batch = batch_shape(self, ins, &[2])?;
        let dtype = one_dtype(self, ins, FACTORED)?;
        let [m, n] = sides(x.shape());
        let k = self.columns([m, n]);
        let result = |rows, columns| ShapedArray::result(ins, &behind(batch, &[rows, columns]), dtype);
        let order = ShapedArray::result(ins, &behind(batch, &[n]), DType::I32).with_weak_type(false);
        Ok([result(m, k), result(k, n)].into_iter().chain(self.pivoting.then_some(order)).collect())
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        let (x, [q, r]) = (ins[0], [&outs[0], &outs[1]]);
        let [m, n] = sides(ctx.dims(x));
        if m == 0 || n == 0 {
            let zeros = ctx.full(Scalar::from_f64(r.dtype(), 0.0), r.shape());
            let mut values = Values::from_slice(&[eye_values(ctx, q.dtype(), q.shape()), zeros]);
            values.extend(outs.get(2).map(|p| ctx.full(Scalar::from_i128(DType::I32, 0), p.shape())));
            return Ok(values);
        }
        let (packed, taus, order) = match outs.get(2) {
            None => {
                let factors = geqrf_values(ctx, x);
                (factors[0], factors[1], None)
            }
            Some(p) => {
                if !ctx.has_kernels() {
                    return Err(elsewhere(ctx, "qr with pivoting"));
                }
                let (packed, batch) = (ctx.aval(x), x_batch(ctx, x));
                let taus = ShapedArray::new(q.dtype(), &behind(&batch, &[m.min(n)]));
                let factors = ctx.kernel_call(&GEQP3, &[], &[x], &[packed, *p, taus])?;
                (factors[0], factors[2], Some(factors[1]))
            }
        };
        let reflections = match self.full_matrices {
            _ if m < n => corner(ctx, packed, m, m),
            true => squared(ctx, packed),
            false => packed,
        };
        let q = householder_values(ctx, reflections, taus);
        let r = corner(ctx, packed, self.columns([m, n]), n);
        let mut values = Values::from_slice(&[q, upper_values(ctx, r)]);
        values.extend(order);
        Ok(values)
    }
    /// dq, dr: see [`thin_tangents`]; of a wide x = (x₁ x₂), r = (r₁ r₂): dr₂ = dqᴴ x₂ + qᴴ dx₂
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        let mut outs = bind_all(*self, &[&primals[0]]).into_iter();
        let (Some(q), Some(r), order) = (outs.next(), outs.next(), outs.next()) else {
            bail!(Internal, "qr: there are less than two results")
        };
        // With its columns in that order.
        let ordered = |x: &Array| match &order {
            Some(order) => transposed(&rows_at(&transposed(x), order)),
            None => x.clone(),
        };
        let x = &ordered(&primals[0]);
        let [m, n] = sides(x.shape());
        let tangents = tangents[0].as_ref().map(|dx| {
            let dx = &ordered(dx);
            if m < n {
                let [x2, dx2] = [x, dx].map(|x| block(x, 0..m, m..n));
                let (dq, dr1) = thin_tangents(&q, &block(&r, 0..m, 0..m), &block(dx, 0..m, 0..m));
                let dr2 = add(&matmul(&adjoint(&dq), &x2), &matmul(&adjoint(&q), &dx2));
                return (dq, concatenate([dr1, dr2], -1));
            }
            if !self.full_matrices || m == n {
                return thin_tangents(&q, &r, dx);
            }
            let thin = block(&q, 0..m, 0..n);
            let (dq, dr) = thin_tangents(&thin, &block(&r, 0..n, 0..n), dx);
            Qr::full_tangents(&q, &thin, &dq, &dr)
        });
        let (dq, dr) = tangents.unzip();
        let (mut primals, mut tangents) = (smallvec![q, r], smallvec![dq, dr]);
        if let Some(order) = order {
            primals.push(order);
            tangents.push(None);
        }
        Ok((primals, tangents))
    }
    /// the mapped axis goes in front
    fn batch(&self, axis: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        batched_in_front(*self, axis, args, dims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lax::linalg::matrices::upper_part;
    use crate::lax::testing::{Draw, case, check_rules, message_of};
    use crate::lax::{abs, reduce_max};

    fn of(full_matrices: bool) -> impl Fn(&[Array]) -> (Array, Array) {
        move |x| qr_with(&x[0], FullMatricesOptions::new().full_matrices(full_matrices))
    }

    #[test]
    fn rules() {
        let mut draw = Draw::new(163);
        let mut x = |dtype, shape: &[usize]| [draw.values(dtype, shape)];
        check_rules([
            case("square", x(DType::F32, &[2, 2]), of(true)),
            case("tall", x(DType::F32, &[3, 2]), of(false)),
            case("tall, full", x(DType::F32, &[3, 2]), of(true)),
            case("wide", x(DType::F32, &[2, 3]), of(true)),
            case("one column", x(DType::F64, &[3, 1]), of(false)),
            case("one row", x(DType::F32, &[1, 3]), of(false)),
            case("batches", x(DType::F32, &[2, 3, 2]), of(false)),
            case("no rows", x(DType::F32, &[0, 2]), of(true)),
            case("no columns", x(DType::F32, &[2, 0]), of(true)),
            case("no columns, thin", x(DType::F32, &[2, 0]), of(false)),
            case("no matrices", x(DType::F32, &[0, 2, 2]), of(true)),
        ]);
    }

    #[test]
    fn rules_with_pivoting() {
        let of = |full: bool| {
            move |x: &[Array]| {
                let (q, r, p) = qr_pivoting_with(&x[0], FullMatricesOptions::new().full_matrices(full));
                vec![q, r, p]
            }
        };
        let mut draw = Draw::new(167);
        let mut x = |dtype, shape: &[usize]| [draw.values(dtype, shape)];
        check_rules([
            case("tall", x(DType::F32, &[3, 2]), of(false)),
            case("wide", x(DType::F32, &[2, 3]), of(true)),
            case("batches", x(DType::C64, &[2, 2, 2]), of(false)),
            case("no rows", x(DType::F32, &[0, 2]), of(true)),
        ]);
    }

    #[test]
    fn rules_of_complex_numbers() {
        let mut draw = Draw::new(164);
        let mut x = |dtype, shape: &[usize]| [draw.values(dtype, shape)];
        check_rules([
            case("square", x(DType::C64, &[2, 2]), of(true)),
            case("tall", x(DType::C64, &[3, 2]), of(false)),
            case("tall, full", x(DType::C64, &[3, 2]), of(true)),
            case("wide", x(DType::C128, &[2, 3]), of(true)),
        ]);
    }

    /// XLA reflects 128 columns at a time.
    #[test]
    fn factors_of_several_blocks_of_columns_multiply_to_the_matrix() {
        let mut draw = Draw::new(166);
        for shape in [[150, 140], [140, 150]] {
            let x = draw.uniform(DType::F32, &shape, -1.0, 1.0);
            let (q, r) = qr(&x);
            let furthest = |x: &Array, y: &Array| reduce_max(&abs(&sub(x, y)), [0, 1]).item::<f32>().unwrap();
            let square = matmul(&adjoint(&q), &q);
            assert!(furthest(&square, &eye_like(&square)) < 1e-5);
            assert!(furthest(&matmul(&q, &r), &x) < 2e-5);
            assert!(furthest(&r, &upper_part(&r, 0)) == 0.0);
        }
    }

    #[test]
    fn operands_are_checked() {
        let message = |dtype, shape: &[usize]| message_of(|| qr(&zeros(dtype, shape)));
        assert_eq!(message(DType::F32, &[3]), "Input 0 to qr must have rank at least 2, but got shape=(3,)");
        for (dtype, instead) in [(DType::F16, ""), (DType::BF16, ""), (DType::I32, ": convert by astype")] {
            assert_eq!(
                message(dtype, &[2, 2]),
                format!("qr does not accept dtype {dtype}. Accepted dtypes are f32, f64, c64, c128{instead}")
            );
        }
    }
}
