//! `ormqr`: the product of a matrix and the unitary one that reflections make. JAX: `ormqr_p`. XLA: the custom call of
//! [`householder_product`](super::householder_product()) and a product.

use super::householder_product::householder_values;
use super::matrices::{FACTORED, batch_shape, batched_in_front, not_differentiable, sides};
use super::qr::{corner, squared};
use crate::arguments::options;
use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::check;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{BatchDim, Batched, Jvp, LoweredValues, MappedAxis, Param, Primitive, Tangent};
use crate::core::trace::bind1;
use crate::error::{Result, bail};
use crate::lax::elementwise::{one, one_dtype, tuple};
use crate::mlir::{Value, push_list};

options! {
    /// Options of [`ormqr_with`].
    pub struct OrmqrOptions {
        /// Does the unitary matrix stand to the left?
        left: value bool = true,
        /// Is it its conjugate transpose?
        transpose: value bool = false,
    }
}

/// `q c` for `c: f32[..,m,k]`, of the same shape, with the unitary `q: f32[..,m,m]` of the reflections whose vectors stand below the diagonal of `a:
/// f32[..,m,n]` and whose factors are `taus`, as `numpy::linalg::qr` gives them in its mode `Raw`, transposed. `f32`, `f64`, `c64` or `c128`. It has no
/// derivative.
///
/// ```
/// use raxla::{Array, lax::linalg};
///
/// let (a, taus) = (Array::from([[-5.0f32], [0.5]]), Array::from([1.6f32]));
/// let c = linalg::ormqr(&a, &taus, &Array::from([[-5.0f32], [0.0]]));
/// assert!((c - Array::from([[3.0f32], [4.0]])).abs().max(..).item::<f32>()? < 1e-5);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `ormqr with left=True expects c to have the same number of rows as the Householder matrix a. Got a shape (3, 2) and c shape (2, 3)`;
/// different leading axes or dtypes.
#[track_caller]
pub fn ormqr(a: &Array, taus: &Array, c: &Array) -> Array {
    ormqr_with(a, taus, c, OrmqrOptions::new())
}

/// [`ormqr`] by options: `qᴴ c`, `c q` and `c qᴴ`.
///
/// # Errors
/// As [`ormqr`].
#[track_caller]
pub fn ormqr_with(a: &Array, taus: &Array, c: &Array, options: OrmqrOptions) -> Array {
    bind1(Ormqr { left: options.left, transpose: options.transpose }, &[a, taus, c])
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Ormqr {
    left: bool,
    transpose: bool,
}

/// The complex conjugate.
fn conjugated(ctx: &mut LoweringCtx, x: Value) -> Value {
    if !ctx.dtype(x).is_complex() {
        return x;
    }
    let (shape, dtype) = (ctx.shape(x), ctx.dtype(x));
    let part = ctx.tensor(dtype.real(), &shape);
    let [re, im] = ["stablehlo.real", "stablehlo.imag"].map(|name| ctx.op1(name, &[x], "", part));
    let im = ctx.op1("stablehlo.negate", &[im], "", part);
    ctx.op1("stablehlo.complex", &[re, im], "", x.ty())
}

impl Primitive for Ormqr {
    fn name(&self) -> &'static str {
        "ormqr"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("left", self.left.into()), ("transpose", self.transpose.into())]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [a, taus, c] = check::arity(self, ins)?;
        batch_shape(self, ins, &[2, 1, 2])?;
        let dtype = one_dtype(self, ins, FACTORED)?;
        let ([m, n], c_sides) = (sides(a.shape()), sides(c.shape()));
        let got = || format!("Got a shape {} and c shape {}", tuple(&[m, n]), tuple(&c_sides));
        if self.left && c_sides[0] != m {
            bail!(
                Shape,
                "ormqr with left=True expects c to have the same number of rows as the Householder matrix a. {}",
                got()
            );
        }
        if !self.left && c_sides[1] != m {
            bail!(
                Shape,
                "ormqr with left=False expects c to have the same number of columns as the Householder matrix a has rows. {}",
                got()
            );
        }
        let k = taus.shape()[taus.ndim() - 1];
        if k > m.min(n) {
            bail!(
                Shape,
                "ormqr: there are more factors than reflections, {k} for the shape {}",
                tuple(&[m, n])
            );
        }
        Ok(one(ShapedArray::result(ins, c.shape(), dtype)))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        let [a, taus, c] = [ins[0], ins[1], ins[2]];
        if outs[0].shape().contains(&0) || ctx.dims(taus).contains(&0) {
            return Ok(one(c));
        }
        let (rank, [m, n]) = (outs[0].ndim(), sides(ctx.dims(a)));
        let reflections = if n > m { corner(ctx, a, m, m) } else { squared(ctx, a) };
        let q = householder_values(ctx, reflections, taus);
        let q = if self.transpose { conjugated(ctx, q) } else { q };
        let [rows, columns] = [rank - 2, rank - 1];
        let of_q = if self.left != self.transpose { columns } else { rows };
        let (operands, contracted) = match self.left {
            true => ([q, c], [of_q, rows]),
            false => ([c, q], [columns, of_q]),
        };
        let batch: Vec<usize> = (0..rank - 2).collect();
        let middle = |out: &mut String| {
            if !batch.is_empty() {
                out.push_str(", batching_dims = ");
                push_list(out, &batch);
                out.push_str(" x ");
                push_list(out, &batch);
            }
            let [l, r] = contracted;
            out.push_str(&format!(", contracting_dims = [{l}] x [{r}], precision = [HIGHEST, HIGHEST]"));
        };
        let ty = ctx.ty(&outs[0]);
        Ok(one(ctx.short("stablehlo.dot_general", &operands, middle, ty)))
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

    #[test]
    fn rules() {
        let mut draw = Draw::new(185);
        let mut x = |dtype, a: &[usize], taus: &[usize], c: &[usize]| {
            [draw.values(dtype, a), draw.values(dtype, taus), draw.values(dtype, c)]
        };
        let of = |left, transpose| {
            let options = OrmqrOptions::new().left(left).transpose(transpose);
            move |x: &[Array]| ormqr_with(&x[0], &x[1], &x[2], options.clone())
        };
        let plain = |case: crate::lax::testing::Case| case.without_derivatives().mapped(&[0, 2]);
        check_rules([
            plain(case("left", x(DType::F32, &[3, 2], &[2], &[3, 2]), of(true, false))),
            plain(case("right", x(DType::F32, &[3, 3], &[2], &[1, 3]), of(false, false))),
            plain(case("adjoint", x(DType::C64, &[2, 3], &[2], &[2, 2]), of(true, true))),
            plain(case("adjoint, right", x(DType::C64, &[2, 2], &[1], &[2, 2]), of(false, true))),
            plain(case("batches", x(DType::F64, &[2, 2, 1], &[2, 1], &[2, 2, 2]), of(true, false))),
            plain(case("no reflections", x(DType::F32, &[2, 2], &[0], &[2, 1]), of(true, false))),
            plain(case("no columns", x(DType::F32, &[2, 2], &[2], &[2, 0]), of(true, false))),
        ]);
    }

    #[test]
    fn operands_are_checked() {
        let z = |shape: &[usize]| zeros(DType::F32, shape);
        assert_eq!(
            message_of(|| ormqr(&z(&[3, 2]), &z(&[2]), &z(&[2, 3]))),
            "ormqr with left=True expects c to have the same number of rows as the Householder matrix a. Got a shape (3, 2) and c \
             shape (2, 3)"
        );
    }
}
