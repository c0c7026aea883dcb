//! `triangular_solve`: linear equations whose matrix is triangular; linear in the right-hand side. JAX: `triangular_solve_p`.
//! StableHLO: `triangular_solve`.

use super::matrices::{
    batch_shape, conjugate, lower_part, mapped_in_front, matmul_with, sides, transposed, upper_part,
};
use crate::arguments::options;
use crate::core::array::Array;
use crate::core::aval::{Avals, Shape, ShapedArray};
use crate::core::check;
use crate::core::config::Precision;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    BatchDim, Batched, Ct, Jvp, LinearInput, LoweredValues, MappedAxis, Param, Primitive, Tangent, Transposed,
};
use crate::core::trace::bind1;
use crate::error::{Result, bail};
use crate::lax::elementwise::{INEXACT, add_tangents, one, one_batched, one_dtype, tuple};
use crate::lax::emit::emit;
use crate::lax::reshape::reshaped;
use crate::lax::{DotOptions, expand_dims, move_axis, neg};
use crate::mlir::Value;

options! {
    /// Options of [`triangular_solve_with`].
    pub struct TriangularSolveOptions {
        /// Does the matrix stand to the left of what is looked for?
        left_side: value bool = false,
        /// Which triangle is read: that on and below the diagonal, or that on and above it.
        lower: value bool = false,
        /// Is it the transposed matrix?
        transpose_a: value bool = false,
        /// Is it the matrix of complex conjugates?
        conjugate_a: value bool = false,
        /// Is the diagonal taken for ones, and not read?
        unit_diagonal: value bool = false,
    }
}

/// The `x` with `x a = b`: `a: f32[..,n,n]`, of which the upper triangle is read, `b: f32[..,m,n]` -> `f32[..,m,n]`; or one
/// row, `b: f32[..,n]` -> `f32[..,n]`. With a zero on the diagonal the result is infinite or no number.
///
/// # Errors
/// `The first input to triangular_solve must be a square matrix. Got shape (3, 2).`; other sizes or leading axes, different dtypes.
#[track_caller]
pub fn triangular_solve(a: &Array, b: &Array) -> Array {
    triangular_solve_with(a, b, TriangularSolveOptions::new())
}

/// [`triangular_solve`] by options. With the matrix on the left, `a x = b`, `b` is `f32[..,n,m]`, or one column.
///
/// ```
/// use raxla::{Array, lax::linalg::{TriangularSolveOptions, triangular_solve_with}};
///
/// let options = TriangularSolveOptions::new().left_side(true).lower(true);
/// let x = triangular_solve_with(&Array::from([[2.0f32, 0.0], [1.0, 4.0]]), &Array::from([2.0f32, 9.0]), options);
/// assert_eq!(x.to_vec::<f32>()?, [1.0, 2.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`triangular_solve`].
#[track_caller]
pub fn triangular_solve_with(a: &Array, b: &Array, options: TriangularSolveOptions) -> Array {
    let TriangularSolveOptions { left_side, lower, transpose_a, conjugate_a, unit_diagonal } = options;
    let conjugate_a = conjugate_a && a.dtype().is_complex();
    let solve = TriangularSolve { left_side, lower, transpose_a, conjugate_a, unit_diagonal };
    if b.ndim() + 1 != a.ndim() {
        return solve.apply(a, b);
    }
    let x = solve.apply(a, &expand_dims(b, if left_side { -1 } else { -2 }));
    reshaped(&x, Shape::from_slice(b.shape()))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct TriangularSolve {
    left_side: bool,
    lower: bool,
    transpose_a: bool,
    conjugate_a: bool,
    unit_diagonal: bool,
}

impl TriangularSolve {
    #[track_caller]
    fn apply(self, a: &Array, b: &Array) -> Array {
        bind1(self, &[a, b])
    }

    /// -op(da) times the solution on the side where op(a) stands, and what solves for that; whichever product is smaller first.
    fn tangent_of_a(self, a: &Array, x: &Array, da: &Array) -> Array {
        let k = i64::from(self.unit_diagonal);
        let da = neg(&if self.lower { lower_part(da, -k) } else { upper_part(da, k) });
        let da = if self.transpose_a { transposed(&da) } else { da };
        let da = if self.conjugate_a { conjugate(&da) } else { da };
        let dot = |x: &Array, y: &Array| matmul_with(x, y, DotOptions::new().precision(Precision::Highest));
        let [rows, columns] = sides(x.shape());
        match self.left_side {
            true if rows > columns => self.apply(a, &dot(&da, x)),
            true => dot(&self.apply(a, &da), x),
            false if rows < columns => self.apply(a, &dot(x, &da)),
            false => dot(x, &self.apply(a, &da)),
        }
    }
}

impl Primitive for TriangularSolve {
    fn name(&self) -> &'static str {
        "triangular_solve"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![
            ("conjugate_a", self.conjugate_a.into()),
            ("left_side", self.left_side.into()),
            ("lower", self.lower.into()),
            ("transpose_a", self.transpose_a.into()),
            ("unit_diagonal", self.unit_diagonal.into()),
        ]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [a, b] = check::arity(self, ins)?;
        batch_shape(self, ins, &[2, 2])?;
        let dtype = one_dtype(self, ins, INEXACT)?;
        let (a_sides, b_sides) = (sides(a.shape()), sides(b.shape()));
        if a_sides[0] != a_sides[1] {
            bail!(
                Shape,
                "The first input to triangular_solve must be a square matrix. Got shape {}.",
                tuple(&a_sides)
            );
        }
        if a_sides[0] != b_sides[usize::from(!self.left_side)] {
            bail!(
                Shape,
                "Incompatible shapes for arguments to triangular_solve: {} and {}.",
                tuple(&a_sides),
                tuple(&b_sides)
            );
        }
        Ok(one(ShapedArray::result(ins, b.shape(), dtype)))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        if outs[0].size() == 0 {
            return Ok(one(ins[1]));
        }
        let mut a = ins[0];
        if self.conjugate_a && !self.transpose_a {
            a = emit(ctx, |e| {
                let a = e.expr(a);
                a.real().complex(-a.imag()).value()
            });
        }
        let transpose = match (self.transpose_a, self.conjugate_a) {
            (false, _) => "NO_TRANSPOSE",
            (true, false) => "TRANSPOSE",
            (true, true) => "ADJOINT",
        };
        let attrs = format!(
            "left_side = {}, lower = {}, transpose_a = #stablehlo<transpose {transpose}>, unit_diagonal = {}",
            self.left_side, self.lower, self.unit_diagonal
        );
        Ok(one(ctx.op_aval("stablehlo.triangular_solve", &[a, ins[1]], &attrs, &outs[0])))
    }
    /// dx = op(a)⁻¹ (db - op(da) x), or (db - x op(da)) op(a)⁻¹
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        let (a, b) = (&primals[0], &primals[1]);
        let x = self.apply(a, b);
        let of_a = tangents[0].as_ref().map(|da| self.tangent_of_a(a, &x, da));
        let of_b = tangents[1].as_ref().map(|db| self.apply(a, db));
        Ok((one(x), one(add_tangents(of_a, of_b))))
    }
    /// b̄ solves for the transposed matrix and x̄
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        let [LinearInput::Known(a), LinearInput::Linear(_)] = ins else {
            bail!(
                Differentiation,
                "triangular_solve: transpose is not defined for the matrix, in which it is not linear"
            );
        };
        let solve = TriangularSolve { transpose_a: !self.transpose_a, ..*self };
        Ok([None, cts[0].as_ref().map(|ct| solve.apply(a, ct))].into_iter().collect())
    }
    /// right-hand sides of one matrix are further columns or rows of it; else the mapped axis goes in front
    fn batch(&self, axis: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let (None, Some(dim)) = (dims[0], dims[1]) else {
            let args = mapped_in_front(axis, args, dims);
            return one_batched(self.apply(&args[0], &args[1]), Some(0));
        };
        let (a, rank) = (&args[0], args[1].ndim());
        let to = if self.left_side { rank - 1 } else { rank - 2 };
        let b = move_axis(&args[1], dim, to);
        let mut flat = Shape::from_slice(b.shape());
        let joined = if self.left_side { rank - 2 } else { rank - 3 };
        flat[joined] *= flat.remove(joined + 1);
        let x = self.apply(a, &reshaped(&b, flat));
        one_batched(reshaped(&x, Shape::from_slice(b.shape())), Some(to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;
    use crate::lax::testing::{Draw, case, check_rules, message_of};
    use crate::lax::zeros;

    fn solved(options: TriangularSolveOptions) -> impl Fn(&[Array]) -> Array {
        move |x| triangular_solve_with(&x[0], &x[1], options.clone())
    }

    #[test]
    fn rules() {
        let mut draw = Draw::new(165);
        let mut x = |dtype, a: &[usize], b: &[usize]| [draw.values(dtype, a), draw.values(dtype, b)];
        let plain = TriangularSolveOptions::new;
        check_rules([
            case("rows", x(DType::F32, &[2, 2], &[1, 2]), solved(plain())),
            case("many rows", x(DType::F32, &[2, 2], &[3, 2]), solved(plain().lower(true))),
            case("one row", x(DType::F32, &[2, 2], &[2]), solved(plain().transpose_a(true))),
            case("left", x(DType::F32, &[2, 2], &[2, 1]), solved(plain().left_side(true))),
            case(
                "unit diagonal",
                x(DType::F32, &[2, 2], &[2, 3]),
                solved(plain().left_side(true).lower(true).unit_diagonal(true)),
            ),
            case("batches", x(DType::F32, &[2, 2, 2], &[2, 2, 1]), solved(plain().left_side(true))),
            case("complex", x(DType::C64, &[2, 2], &[2, 2]), solved(plain().conjugate_a(true))),
            case(
                "adjoint",
                x(DType::C64, &[2, 2], &[2]),
                solved(plain().left_side(true).transpose_a(true).conjugate_a(true)),
            ),
            case("half", x(DType::F16, &[2, 2], &[2, 2]), solved(plain())),
            case("short", x(DType::BF16, &[2, 2], &[2, 2]), solved(plain())),
            case("no equations", x(DType::F32, &[0, 0], &[2, 0]), solved(plain())),
            case("no rows", x(DType::F32, &[2, 2], &[0, 2]), solved(plain())),
        ]);
    }

    #[test]
    fn operands_are_checked() {
        let message = |a: &[usize], b: &[usize]| {
            message_of(|| triangular_solve(&zeros(DType::F32, a), &zeros(DType::F32, b)))
        };
        assert_eq!(
            message(&[3, 2], &[2, 2]),
            "The first input to triangular_solve must be a square matrix. Got shape (3, 2)."
        );
        assert_eq!(
            message(&[3, 3], &[2, 2]),
            "Incompatible shapes for arguments to triangular_solve: (3, 3) and (2, 2)."
        );
        assert_eq!(
            message(&[3], &[3]),
            "Input 0 to triangular_solve must have rank at least 2, but got shape=(3,)"
        );
        assert_eq!(
            message(&[3, 3], &[2, 3, 3]),
            "All inputs to triangular_solve must have the same number of batch dimensions, but got 0 of f32[3,3] and 1 of \
             f32[2,3,3]"
        );
        assert_eq!(
            message_of(|| triangular_solve(&zeros(DType::I32, &[2, 2]), &zeros(DType::I32, &[2, 2]))),
            "triangular_solve does not accept dtype i32. Accepted dtypes are floating, c64, c128: convert by astype"
        );
    }
}
