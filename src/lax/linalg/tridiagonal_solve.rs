//! `tridiagonal_solve`: linear equations whose matrix has three diagonals; linear in the right-hand side. JAX: `tridiagonal_solve_p`. On the
//! CPU a kernel.

use super::kernels::GTSV;
use super::matrices::{FACTORED, batch_shape, behind, elsewhere, mapped_in_front, sides};
use crate::arguments::options;
use crate::core::array::Array;
use crate::core::aval::Shape;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::check;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    BatchDim, Batched, Ct, Jvp, LinearInput, LoweredValues, MappedAxis, Param, Primitive, Tangent, Transposed,
};
use crate::core::small::small;
use crate::core::trace::bind1;
use crate::error::{Result, bail};
use crate::lax::elementwise::{add_tangents, one, one_batched, one_dtype};
use crate::lax::reshape::reshaped;
use crate::lax::{add, concatenate, expand_dims, move_axis, mul, neg, slice_along, zeros};
use crate::mlir::Value;

options! {
    /// Options of [`tridiagonal_solve_with`].
    pub struct TridiagonalSolveOptions {
        /// Is a pivot that is zero but for rounding replaced by a small number, so that the result is finite?
        perturb_singular: value bool = false,
    }
}

/// The `x: f32[..,n,k]` with `a x = b`, `b: f32[..,n,k]`, for the matrix with the diagonals `dl`, `d` and `du: f32[..,n]`: below the main one, whose first
/// element is not read, the main one, and above it, whose last element is not read. `f32`, `f64`, `c64` or `c128`. Of a singular matrix
/// all is NaN.
///
/// ```
/// use raxla::{Array, lax::linalg};
///
/// let (dl, d, du) = (Array::from([0.0f32, 1.0]), Array::from([2.0f32, 3.0]), Array::from([1.0f32, 0.0]));
/// let x = linalg::tridiagonal_solve(&dl, &d, &du, &Array::from([[4.0f32], [7.0]]));
/// assert_eq!(x.to_vec::<f32>()?, [1.0, 2.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `tridiagonal_solve requires that all diagonal arguments have the same shape`; a `b` with other leading axes; different dtypes;
/// `Unimplemented` on other platforms than the CPU.
#[track_caller]
pub fn tridiagonal_solve(dl: &Array, d: &Array, du: &Array, b: &Array) -> Array {
    tridiagonal_solve_with(dl, d, du, b, TridiagonalSolveOptions::new())
}

/// [`tridiagonal_solve`] by options.
///
/// # Errors
/// As [`tridiagonal_solve`].
#[track_caller]
pub fn tridiagonal_solve_with(
    dl: &Array,
    d: &Array,
    du: &Array,
    b: &Array,
    options: TridiagonalSolveOptions,
) -> Array {
    TridiagonalSolve { perturb_singular: options.perturb_singular }.apply([dl, d, du], b)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct TridiagonalSolve {
    perturb_singular: bool,
}

impl TridiagonalSolve {
    #[track_caller]
    fn apply(self, [dl, d, du]: [&Array; 3], b: &Array) -> Array {
        bind1(self, &[dl, d, du, b])
    }
}

/// A diagonal's elements from the second on, or up to the last but one, with zero at the end that is free.
fn shifted(x: &Array, forward: bool) -> Array {
    let (rank, n) = (x.ndim(), x.shape()[x.ndim() - 1] as i64);
    let zero = zeros(x.dtype(), &behind(&x.shape()[..rank - 1], &[1]));
    match forward {
        true => concatenate([zero, slice_along(x, 0, n - 1, 1, -1)], -1),
        false => concatenate([slice_along(x, 1, n, 1, -1), zero], -1),
    }
}

/// The product of the matrix with these diagonals, of which some are zero, and `x`.
fn product([dl, d, du]: [&Tangent; 3], x: &Array) -> Tangent {
    let (axis, n) = (x.ndim() - 2, x.shape()[x.ndim() - 2] as i64);
    let zero = || {
        let mut shape = Shape::from_slice(x.shape());
        shape[axis] = 1;
        zeros(x.dtype(), &shape)
    };
    let part = |x: &Array, start, end, axis: usize| slice_along(x, start, end, 1, axis);
    let beside = |diagonal: &Array, from: [i64; 2], of_x: [i64; 2]| {
        let diagonal = expand_dims(&part(diagonal, from[0], from[1], diagonal.ndim() - 1), -1);
        mul(&diagonal, &part(x, of_x[0], of_x[1], axis))
    };
    let below = dl.as_ref().map(|dl| concatenate([zero(), beside(dl, [1, n], [0, n - 1])], axis));
    let on = d.as_ref().map(|d| mul(&expand_dims(d, -1), x));
    let above = du.as_ref().map(|du| concatenate([beside(du, [0, n - 1], [1, n]), zero()], axis));
    [below, on, above].into_iter().flatten().reduce(|x, y| add(&x, &y))
}

impl Primitive for TridiagonalSolve {
    fn name(&self) -> &'static str {
        "tridiagonal_solve"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("perturb_singular", self.perturb_singular.into())]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [dl, d, du, b] = check::arity(self, ins)?;
        batch_shape(self, ins, &[1, 1, 1, 2])?;
        let dtype = one_dtype(self, ins, FACTORED)?;
        if dl.shape() != d.shape() || dl.shape() != du.shape() {
            bail!(
                Shape,
                "tridiagonal_solve requires that all diagonal arguments have the same shape, got {dl}, {d} and {du}"
            );
        }
        if d.shape() != &b.shape()[..b.ndim() - 1] {
            bail!(
                Shape,
                "tridiagonal_solve requires that the leading ndim-1 dimensions of b equal the dimensions of the diagonal \
                 arguments, got {b} and {d}"
            );
        }
        Ok(one(ShapedArray::result(ins, b.shape(), dtype)))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        if outs[0].shape().contains(&0) {
            return Ok(one(ins[3]));
        }
        if !ctx.has_kernels() {
            return Err(elsewhere(ctx, "tridiagonal_solve"));
        }
        ctx.kernel_call(&GTSV, &[("perturb", i64::from(self.perturb_singular))], ins, outs)
    }
    /// dx = a⁻¹ (db - da x)
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        let diagonals = [&primals[0], &primals[1], &primals[2]];
        let x = self.apply(diagonals, &primals[3]);
        let of_matrix = product([&tangents[0], &tangents[1], &tangents[2]], &x).map(|y| neg(&y));
        let right = add_tangents(tangents[3].clone(), of_matrix);
        Ok((one(x), one(right.map(|right| self.apply(diagonals, &right)))))
    }
    /// b̄ solves for the transposed matrix and x̄
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        let [LinearInput::Known(dl), LinearInput::Known(d), LinearInput::Known(du), LinearInput::Linear(_)] =
            ins
        else {
            bail!(
                Differentiation,
                "tridiagonal_solve: transpose is not defined for the matrix, in which it is not linear"
            );
        };
        let ct = cts[0].as_ref().map(|ct| self.apply([&shifted(du, true), d, &shifted(dl, false)], ct));
        Ok([None, None, None, ct].into_iter().collect())
    }
    /// right-hand sides of one matrix are further columns of it; else the mapped axis goes in front
    fn batch(&self, axis: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let (None, None, None, Some(dim)) = (dims[0], dims[1], dims[2], dims[3]) else {
            let args = mapped_in_front(axis, args, dims);
            return one_batched(self.apply([&args[0], &args[1], &args[2]], &args[3]), Some(0));
        };
        let to = args[3].ndim() - 2;
        let b = move_axis(&args[3], dim, to);
        let b = move_axis(&b, to, to + 1);
        let [k, size] = sides(b.shape());
        let flat = small(b.shape()[..to].iter().copied().chain([k * size]));
        let x = self.apply([&args[0], &args[1], &args[2]], &reshaped(&b, flat));
        one_batched(reshaped(&x, Shape::from_slice(b.shape())), Some(to + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;
    use crate::lax::testing::{Draw, case, check_rules, message_of};

    fn of(x: &[Array]) -> Array {
        tridiagonal_solve(&x[0], &x[1], &x[2], &x[3])
    }

    #[test]
    fn rules() {
        let mut draw = Draw::new(183);
        let mut x = |dtype, d: &[usize], b: &[usize]| {
            [draw.values(dtype, d), draw.values(dtype, d), draw.values(dtype, d), draw.values(dtype, b)]
        };
        check_rules([
            case("columns", x(DType::F32, &[3], &[3, 2]), of).mapped(&[1, 3]).wrt(&[0, 1, 3]),
            case("batches", x(DType::F32, &[2, 3], &[2, 3, 1]), of).mapped(&[2, 3]).wrt(&[1, 2]),
            case("complex", x(DType::C64, &[3], &[3, 1]), of).mapped(&[3]).wrt(&[2, 3]),
            case("one", x(DType::F64, &[1], &[1, 2]), of).mapped(&[1]).wrt(&[1, 3]),
            case("two", x(DType::F32, &[2], &[2, 1]), of).mapped(&[0]).wrt(&[0, 2]),
            case("no matrices", x(DType::F32, &[0, 2], &[0, 2, 1]), of).mapped(&[3]).wrt(&[1, 3]),
            case("no columns", x(DType::F32, &[2], &[2, 0]), of).mapped(&[3]).wrt(&[1, 3]),
        ]);
    }

    #[test]
    fn a_singular_matrix_has_no_solution_unless_it_is_perturbed() {
        let zeros = zeros(DType::F32, &[2]);
        let (d, b) = (Array::from([1.0f32, 0.0]), Array::from([[1.0f32], [0.0]]));
        let x = tridiagonal_solve(&zeros, &d, &zeros, &b).to_vec::<f32>().unwrap();
        assert!(x.iter().all(|x| x.is_nan()));
        let perturbed = TridiagonalSolveOptions::new().perturb_singular(true);
        let x = tridiagonal_solve_with(&zeros, &d, &zeros, &b, perturbed);
        assert_eq!(x.to_vec::<f32>().unwrap(), [1.0, 0.0]);
    }

    #[test]
    fn operands_are_checked() {
        let z = |shape: &[usize]| zeros(DType::F32, shape);
        assert_eq!(
            message_of(|| tridiagonal_solve(&z(&[3]), &z(&[3]), &z(&[2]), &z(&[3, 1]))),
            "tridiagonal_solve requires that all diagonal arguments have the same shape, got f32[3], f32[3] and f32[2]"
        );
        assert_eq!(
            message_of(|| tridiagonal_solve(&z(&[3]), &z(&[3]), &z(&[3]), &z(&[2, 1]))),
            "tridiagonal_solve requires that the leading ndim-1 dimensions of b equal the dimensions of the diagonal arguments, \
             got f32[2,1] and f32[3]"
        );
    }
}
