//! `symmetric_product`: the product of a matrix and its transpose. JAX: `symmetric_product_p`. StableHLO: `dot_general`.

use super::matrices::{batch_shape, batched_in_front, lower_part, not_differentiable, sides, transposed};
use crate::arguments::options;
use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::check;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{BatchDim, Batched, Jvp, LoweredValues, MappedAxis, Param, Primitive, Tangent};
use crate::core::scalar::Scalar;
use crate::core::trace::bind1;
use crate::error::{Result, bail};
use crate::lax::add;
use crate::lax::elementwise::{one, one_dtype, tuple};
use crate::mlir::{Value, push_list};

options! {
    /// Options of [`symmetric_product_with`].
    pub struct SymmetricProductOptions {
        /// What the product is multiplied by.
        alpha: value f64 = 1.0,
        /// What the other matrix is multiplied by.
        beta: value f64 = 0.0,
        /// Is the upper triangle made from the lower one?
        symmetrize_output: value bool = false,
    }
}

/// `a aᵀ` for `a_matrix: f32[..,m,n]`, as `c_matrix: f32[..,m,m]`. Floats. It has no derivative, as in JAX.
///
/// ```
/// use raxla::{Array, lax::linalg};
///
/// let (a, c) = (Array::from([[1.0f32], [2.0]]), Array::from([[1.0f32, 0.0], [0.0, 1.0]]));
/// assert_eq!(linalg::symmetric_product(&a, &c).to_vec::<f32>()?, [1.0, 2.0, 2.0, 4.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `symmetric_update expects a rectangular matrix of shape (m, n) and a square matrix of shape (n, n). Got shapes (2, 1) and (1, 1)`; different
/// leading axes or dtypes.
#[track_caller]
pub fn symmetric_product(a_matrix: &Array, c_matrix: &Array) -> Array {
    symmetric_product_with(a_matrix, c_matrix, SymmetricProductOptions::new())
}

/// [`symmetric_product`] by options: `alpha a aᵀ + beta c`.
///
/// # Errors
/// As [`symmetric_product`].
#[track_caller]
pub fn symmetric_product_with(a_matrix: &Array, c_matrix: &Array, options: SymmetricProductOptions) -> Array {
    let (alpha, beta) = (options.alpha.to_bits(), options.beta.to_bits());
    let product = bind1(SymmetricProduct { alpha, beta }, &[a_matrix, c_matrix]);
    if !options.symmetrize_output {
        return product;
    }
    add(&lower_part(&product, 0), &transposed(&lower_part(&product, -1)))
}

/// Numbers by their bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct SymmetricProduct {
    alpha: u64,
    beta: u64,
}

impl Primitive for SymmetricProduct {
    fn name(&self) -> &'static str {
        "symmetric_product"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        let number = |bits| Param::Text(format!("{:?}", f64::from_bits(bits)));
        vec![("alpha", number(self.alpha)), ("beta", number(self.beta))]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [a, c] = check::arity(self, ins)?;
        batch_shape(self, ins, &[2, 2])?;
        let dtype = one_dtype(self, ins, |dtype| dtype.is_float())?;
        let (a_sides, c_sides) = (sides(a.shape()), sides(c.shape()));
        if a_sides[0] != c_sides[1] || c_sides[0] != c_sides[1] {
            bail!(
                Shape,
                "symmetric_update expects a rectangular matrix of shape (m, n) and a square matrix of shape (n, n). Got shapes \
                 {} and {}",
                tuple(&a_sides),
                tuple(&c_sides)
            );
        }
        Ok(one(ShapedArray::result(ins, c.shape(), dtype)))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        let (rank, ty) = (outs[0].ndim(), ctx.ty(&outs[0]));
        let batch: Vec<usize> = (0..rank - 2).collect();
        let middle = |out: &mut String| {
            if !batch.is_empty() {
                out.push_str(", batching_dims = ");
                push_list(out, &batch);
                out.push_str(" x ");
                push_list(out, &batch);
            }
            let last = rank - 1;
            out.push_str(&format!(
                ", contracting_dims = [{last}] x [{last}], precision = [HIGHEST, HIGHEST]"
            ));
        };
        let product = ctx.short("stablehlo.dot_general", &[ins[0], ins[0]], middle, ty);
        let [product, other] = [(product, self.alpha), (ins[1], self.beta)].map(|(x, bits)| {
            let by = ctx.full(Scalar::from_f64(outs[0].dtype(), f64::from_bits(bits)), outs[0].shape());
            ctx.op1("stablehlo.multiply", &[by, x], "", ty)
        });
        Ok(one(ctx.op1("stablehlo.add", &[product, other], "", ty)))
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
        let mut draw = Draw::new(186);
        let mut x = |dtype, a: &[usize], c: &[usize]| [draw.values(dtype, a), draw.values(dtype, c)];
        let options = SymmetricProductOptions::new().alpha(2.0).beta(0.5);
        let of = move |x: &[Array]| symmetric_product_with(&x[0], &x[1], options.clone());
        check_rules([
            case("matrix", x(DType::F32, &[2, 3], &[2, 2]), of.clone()).without_derivatives(),
            case("batches", x(DType::F64, &[2, 2, 1], &[2, 2, 2]), of.clone()).without_derivatives(),
            case("no columns", x(DType::F32, &[2, 0], &[2, 2]), of).without_derivatives(),
        ]);
    }

    #[test]
    fn operands_are_checked() {
        assert_eq!(
            message_of(|| symmetric_product(&zeros(DType::F32, &[2, 1]), &zeros(DType::F32, &[1, 1]))),
            "symmetric_update expects a rectangular matrix of shape (m, n) and a square matrix of shape (n, n). Got shapes (2, 1) \
             and (1, 1)"
        );
    }
}
