//! `lu`: a matrix with its rows exchanged as the product of a lower and an upper triangular one. JAX: `lu_p`. XLA: on TPUs the custom call
//! `LuDecomposition`; on the CPU a kernel; elsewhere a loop.

use smallvec::smallvec;

use super::kernels::GETRF;
use super::lu_pivots_to_permutation::exchanged;
use super::matrices::{
    FACTORED, batch_shape, batched_in_front, behind, block, exact_matmul, lower_part, rows_at, sides,
    upper_part,
};
use super::triangular_solve::{TriangularSolveOptions, triangular_solve_with};
use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::check;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{BatchDim, Batched, Jvp, LoweredValues, MappedAxis, Primitive, Tangent};
use crate::core::scalar::Scalar;
use crate::core::small::small;
use crate::core::trace::bind_all;
use crate::dtype::DType;
use crate::error::Result;
use crate::lax::broadcast_in_dim::broadcast_to;
use crate::lax::elementwise::one_dtype;
use crate::lax::{
    add, broadcasted_iota, concatenate, convert_element_type, eq, literal, sort_key_val, zeros,
};
use crate::mlir::{Value, Values};

/// `x[p] = l u` for `x: f32[..,m,n]`, with `k = min(m, n)`: the packed factors `f32[..,m,n]`, which are `u` on and above the diagonal and `l`
/// below it, whose own diagonal is ones; the row that each row was exchanged with in turn, `i32[..,k]`; and the permutation `p` that
/// they make, `i32[..,m]`. `f32`, `f64`, `c64` or `c128`.
///
/// Each pivot is the first of those with the largest sum of absolute values of the components, as in LAPACK. A singular matrix has zeros on
/// the diagonal of `u`.
///
/// ```
/// use raxla::{Array, lax::linalg};
///
/// let (lu, pivots, permutation) = linalg::lu(&Array::from([[1.0f32, 2.0], [4.0, 4.0]]));
/// assert_eq!(lu.to_vec::<f32>()?, [4.0, 4.0, 0.25, 1.0]);
/// assert_eq!((pivots.to_vec::<i32>()?, permutation.to_vec::<i32>()?), (vec![1, 1], vec![1, 0]));
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `Input 0 to lu must have rank at least 2, but got shape=(3,)`; `lu does not accept dtype bf16. Accepted dtypes are f32, f64, c64, c128`.
#[track_caller]
pub fn lu(x: &Array) -> (Array, Array, Array) {
    let mut outs = bind_all(Lu, &[x]);
    let (permutation, pivots) = (outs.swap_remove(2), outs.swap_remove(1));
    (outs.swap_remove(0), pivots, permutation)
}

/// Which equation [`lu_solve`] solves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(not(test), allow(dead_code, reason = "derivatives solve for the matrix itself"))]
pub(crate) enum Transposition {
    /// That of the matrix.
    Plain,
    /// That of its transpose.
    Transpose,
    /// That of its conjugate transpose.
    Adjoint,
}

/// The `x` with `a x = b`, `b: f32[..,n,k]`, by the factors and the permutation of `a`, with the same leading axes. JAX:
/// `_lu_solve_core`.
pub(crate) fn lu_solve(lu: &Array, permutation: &Array, b: &Array, which: Transposition) -> Array {
    let unit = TriangularSolveOptions::new().left_side(true).lower(true).unit_diagonal(true);
    let upper = TriangularSolveOptions::new().left_side(true);
    if which == Transposition::Plain {
        let x = triangular_solve_with(lu, &rows_at(b, permutation), unit);
        return triangular_solve_with(lu, &x, upper);
    }
    let turned = |o: TriangularSolveOptions| o.transpose_a(true).conjugate_a(which == Transposition::Adjoint);
    let x = triangular_solve_with(lu, b, turned(upper));
    let x = triangular_solve_with(lu, &x, turned(unit));
    let places = broadcasted_iota(DType::I32, permutation.shape(), permutation.ndim() - 1);
    rows_at(&x, &sort_key_val(permutation, &places, -1).1)
}

/// Solves by factors made here. JAX: `_solve`, without its derivative.
pub(super) fn solve(a: &Array, b: &Array) -> Array {
    let (lu, _, permutation) = lu(a);
    lu_solve(&lu, &permutation, b, Transposition::Plain)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Lu;

/// The factors column by column, where nothing better is: LAPACK's `getf2`.
fn in_a_loop(ctx: &mut LoweringCtx, a: Value, outs: &[ShapedArray]) -> Result<Values> {
    let (dtype, shape) = (ctx.dtype(a), ctx.shape(a));
    let [m, n] = sides(&shape);
    let (k, rank) = (m.min(n), shape.len());
    let count = ctx.constant(Scalar::from_i128(DType::I32, 0));
    let places = ctx.full(Scalar::from_i128(DType::I32, 0), outs[1].shape());
    let rows = ctx.iota(DType::I32, outs[2].shape(), rank - 2);
    let init = [count, a, places, rows];
    let types = init.map(Value::ty);
    let loop_ = ctx.begin_op_with_regions("stablehlo.while", &init, &types);
    let at = ctx.begin_region(&types);
    let end = ctx.constant(Scalar::from_i128(DType::I32, k as i128));
    let more = ctx.compare("LT", at[0], end);
    ctx.end_region(&[more]);
    let at = ctx.begin_region(&types);
    let [i, a, pivots, permutation] = [at[0], at[1], at[2], at[3]];
    let [row, column] = [rank - 2, rank - 1].map(|axis| ctx.iota(DType::I32, &shape, axis));
    let here = ctx.broadcast_in_dim(i, &shape, &[]);
    let [on_row, on_column] = [row, column].map(|x| ctx.compare("EQ", x, here));
    let [below, beyond] = [row, column].map(|x| ctx.compare("GT", x, here));
    let pick = |ctx: &mut LoweringCtx, mask: Value, x: Value, axis: usize| {
        let zeros = ctx.full(Scalar::from_f64(dtype, 0.0), &shape);
        let x = ctx.select(mask, x, zeros);
        ctx.reduce("stablehlo.add", x, Scalar::from_f64(dtype, 0.0), &[axis])
    };
    let all: Vec<usize> = (0..rank).collect();
    let but = |axis: usize| -> Vec<usize> { all.iter().copied().filter(|a| *a != axis).collect() };
    // The first of the largest elements of the column; one that is no number is the largest.
    let of_column = pick(ctx, on_column, a, rank - 1);
    let parts_ty = ctx.tensor(dtype.real(), outs[2].shape());
    let size = match dtype.is_complex() {
        true => {
            let parts =
                ["stablehlo.real", "stablehlo.imag"].map(|name| ctx.op1(name, &[of_column], "", parts_ty));
            let parts = parts.map(|x| ctx.op1("stablehlo.abs", &[x], "", parts_ty));
            ctx.op1("stablehlo.add", &parts, "", parts_ty)
        }
        false => ctx.op1("stablehlo.abs", &[of_column], "", parts_ty),
    };
    let vector = outs[2].shape();
    let row_of = ctx.iota(DType::I32, vector, rank - 2);
    let here_of = ctx.broadcast_in_dim(i, vector, &[]);
    let above = ctx.compare("LT", row_of, here_of);
    let least = ctx.full(Scalar::from_f64(dtype.real(), -1.0), vector);
    let size = ctx.select(above, least, size);
    let most = ctx.reduce("stablehlo.maximum", size, Scalar::from_f64(dtype.real(), -1.0), &[rank - 2]);
    let front: Vec<usize> = (0..rank - 2).collect();
    let most = ctx.broadcast_in_dim(most, vector, &front);
    let less = ctx.compare("LT", size, most);
    let nowhere = ctx.full(Scalar::from_i128(DType::I32, m as i128), vector);
    let candidates = ctx.select(less, nowhere, row_of);
    let candidates = ctx.select(above, nowhere, candidates);
    let pivot =
        ctx.reduce("stablehlo.minimum", candidates, Scalar::from_i128(DType::I32, m as i128), &[rank - 2]);
    let pivots = {
        let column_of = ctx.iota(DType::I32, outs[1].shape(), rank - 2);
        let here = ctx.broadcast_in_dim(i, outs[1].shape(), &[]);
        let on = ctx.compare("EQ", column_of, here);
        let pivot = ctx.broadcast_in_dim(pivot, outs[1].shape(), &front);
        ctx.select(on, pivot, pivots)
    };
    let permutation = exchanged(ctx, permutation, i, pivot);
    // Exchange the rows.
    let pivot = ctx.broadcast_in_dim(pivot, &shape, &front);
    let on_pivot = ctx.compare("EQ", row, pivot);
    let [this, other] = [on_row, on_pivot].map(|mask| {
        let x = pick(ctx, mask, a, rank - 2);
        ctx.broadcast_in_dim(x, &shape, &but(rank - 2))
    });
    let a = ctx.select(on_pivot, this, a);
    let a = ctx.select(on_row, other, a);
    // Divide the column by the pivot, unless that is zero, and subtract its products with the row.
    let diagonal = pick(ctx, on_column, other, rank - 1);
    let diagonal = ctx.broadcast_in_dim(diagonal, &shape, &but(rank - 1));
    let of_column = pick(ctx, on_column, a, rank - 1);
    let of_column = ctx.broadcast_in_dim(of_column, &shape, &but(rank - 1));
    let quotient = ctx.op1("stablehlo.divide", &[of_column, diagonal], "", a.ty());
    let zeros = ctx.full(Scalar::from_f64(dtype, 0.0), &shape);
    let is_zero = ctx.compare("EQ", diagonal, zeros);
    let factors = ctx.select(is_zero, of_column, quotient);
    let mask_ty = on_row.ty();
    let left = ctx.op1("stablehlo.and", &[below, on_column], "", mask_ty);
    let a = ctx.select(left, factors, a);
    let inside = ctx.op1("stablehlo.and", &[below, beyond], "", mask_ty);
    let product = ctx.op1("stablehlo.multiply", &[factors, other], "", a.ty());
    let product = ctx.select(inside, product, zeros);
    let a = ctx.op1("stablehlo.subtract", &[a, product], "", a.ty());
    let one = ctx.constant(Scalar::from_i128(DType::I32, 1));
    let next = ctx.op1("stablehlo.add", &[i, one], "", i.ty());
    ctx.end_region(&[next, a, pivots, permutation]);
    ctx.end_op_with_regions(&init, "", &loop_);
    Ok(Values::from_slice(&loop_[1..]))
}

impl Primitive for Lu {
    fn name(&self) -> &'static str {
        "lu"
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [x] = check::arity(self, ins)?;
        let batch = batch_shape(self, ins, &[2])?;
        let dtype = one_dtype(self, ins, FACTORED)?;
        let [m, n] = sides(x.shape());
        let lu = ShapedArray::result(ins, x.shape(), dtype);
        let list =
            |size: usize| ShapedArray::result(ins, &behind(batch, &[size]), DType::I32).with_weak_type(false);
        Ok([lu, list(m.min(n)), list(m)].into_iter().collect())
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        let rank = outs[0].ndim();
        if outs[0].shape().contains(&0) {
            let pivots = ctx.full(Scalar::from_i128(DType::I32, 0), outs[1].shape());
            let permutation = ctx.iota(DType::I32, outs[2].shape(), rank - 2);
            return Ok(Values::from_slice(&[ins[0], pivots, permutation]));
        }
        if ctx.has_kernels() {
            return ctx.kernel_call(&GETRF, &[], ins, outs);
        }
        if ctx.platform() == "tpu" {
            let results: Vec<_> = outs.iter().map(|aval| ctx.ty(aval)).collect();
            let attrs = "api_version = 1 : i32, call_target_name = \"LuDecomposition\"";
            return Ok(ctx.op("stablehlo.custom_call", ins, attrs, &results));
        }
        in_a_loop(ctx, ins[0], outs)
    }
    /// with m = l⁻¹ dx[p] u⁻¹: dl = l tril(m, -1), du = triu(m) u. De Hoog, Anderssen and Lukas 2011
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        let (lu, pivots, permutation) = lu(&primals[0]);
        let tangent = tangents[0].as_ref().map(|dx| {
            let [m, n] = sides(lu.shape());
            let k = m.min(n);
            let batch = &lu.shape()[..lu.ndim() - 2];
            // Both are made square, by columns or rows of a unit matrix.
            let eye = |rows: usize, columns: usize, offset: usize| {
                let sizes = [rows, columns];
                let row = broadcasted_iota(DType::I32, sizes, 0);
                let column = broadcasted_iota(DType::I32, sizes, 1);
                let row = add(&row, &literal(DType::I32, offset as f64));
                let eye = convert_element_type(&eq(&row, &column), lu.dtype());
                broadcast_to(&eye, behind(batch, &sizes), small(batch.len()..batch.len() + 2))
            };
            let zeros = |rows, columns| zeros(lu.dtype(), &behind(batch, &[rows, columns]));
            let l = lower_part(&block(&lu, 0..m, 0..k), -1);
            let l = if m > k { concatenate([l, zeros(m, m - k)], -1) } else { l };
            let l = add(&l, &eye(m, m, 0));
            let u = upper_part(&block(&lu, 0..k, 0..n), 0);
            let u = if n > k { concatenate([u, eye(n - k, n, k)], -2) } else { u };
            let left = TriangularSolveOptions::new().left_side(true).lower(true).unit_diagonal(true);
            let inner = triangular_solve_with(&l, &rows_at(dx, &permutation), left);
            let inner = triangular_solve_with(&u, &inner, TriangularSolveOptions::new());
            let dl = exact_matmul(&l, &lower_part(&inner, -1));
            add(&dl, &exact_matmul(&upper_part(&inner, 0), &u))
        });
        Ok((smallvec![lu, pivots, permutation], smallvec![tangent, None, None]))
    }
    /// the mapped axis goes in front
    fn batch(&self, axis: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        batched_in_front(*self, axis, args, dims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::bail;
    use crate::lax::testing::{Draw, case, check_rules, message_of};

    fn of(x: &[Array]) -> Vec<Array> {
        let (lu, pivots, permutation) = lu(&x[0]);
        vec![lu, pivots, permutation]
    }

    #[test]
    fn rules() {
        let mut draw = Draw::new(174);
        let mut x = |dtype, shape: &[usize]| [draw.values(dtype, shape)];
        check_rules([
            case("square", x(DType::F32, &[3, 3]), of),
            case("tall", x(DType::F32, &[3, 2]), of),
            case("wide", x(DType::F32, &[2, 3]), of),
            case("batches", x(DType::F64, &[2, 2, 2]), of),
            case("complex", x(DType::C64, &[2, 2]), of),
            case("no rows", x(DType::F32, &[0, 2]), of).without_derivatives(),
            case("no columns", x(DType::F32, &[2, 0]), of).without_derivatives(),
            case("no matrices", x(DType::F32, &[0, 2, 2]), of),
        ]);
    }

    /// What platforms without kernels have.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    struct InALoop;

    impl Primitive for InALoop {
        fn name(&self) -> &'static str {
            "lu_in_a_loop"
        }
        fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
            Lu.abstract_eval(ins)
        }
        fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
            in_a_loop(ctx, ins[0], outs)
        }
        fn jvp(&self, _: &[Array], _: &[Tangent]) -> Jvp {
            bail!(Differentiation, "not differentiated")
        }
        fn batch(&self, axis: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
            batched_in_front(*self, axis, args, dims)
        }
    }

    #[test]
    fn the_loop_gives_what_the_kernel_gives() {
        let mut draw = Draw::new(175);
        let mut x = |dtype, shape: &[usize]| draw.values(dtype, shape);
        let singular = Array::from([[0.0f32, 1.0, 2.0], [0.0, 2.0, 4.0], [0.0, 1.0, 7.0]]);
        let cases = [
            x(DType::F32, &[5, 5]),
            x(DType::C64, &[2, 4, 3]),
            x(DType::F32, &[2, 1, 3, 4]),
            singular,
            x(DType::F32, &[1, 1]),
        ];
        for x in cases {
            let (lu, pivots, permutation) = lu(&x);
            let outs = bind_all(InALoop, &[&x]);
            let error = crate::lax::abs(&crate::lax::sub(&outs[0], &lu)).max(..).item::<f64>().unwrap();
            assert!(error < 1e-5, "{x}: {error:e}");
            for (ours, other) in [(&pivots, &outs[1]), (&permutation, &outs[2])] {
                assert_eq!(ours.to_vec::<i32>().unwrap(), other.to_vec::<i32>().unwrap(), "{x}");
            }
        }
    }

    #[test]
    fn factors_solve_equations() {
        let mut draw = Draw::new(176);
        let (a, b) = (draw.values(DType::C64, &[2, 4, 4]), draw.values(DType::C64, &[2, 4, 3]));
        let (lu, _, permutation) = lu(&a);
        let transposed = super::super::matrices::transposed(&a);
        let cases = [
            (Transposition::Plain, a.clone()),
            (Transposition::Transpose, transposed),
            (Transposition::Adjoint, super::super::matrices::adjoint(&a)),
        ];
        for (which, a) in cases {
            let x = lu_solve(&lu, &permutation, &b, which);
            let error = crate::lax::abs(&crate::lax::sub(&exact_matmul(&a, &x), &b)).max(..);
            assert!(error.item::<f64>().unwrap() < 1e-4, "{which:?}");
        }
    }

    #[test]
    fn operands_are_checked() {
        assert_eq!(
            message_of(|| of(&[zeros(DType::F32, &[3])])),
            "Input 0 to lu must have rank at least 2, but got shape=(3,)"
        );
        assert_eq!(
            message_of(|| of(&[zeros(DType::F16, &[3, 3])])),
            "lu does not accept dtype f16. Accepted dtypes are f32, f64, c64, c128"
        );
    }
}
