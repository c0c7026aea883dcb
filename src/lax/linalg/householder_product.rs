//! `householder_product`: the product of Householder reflections. JAX: `householder_product_p`. XLA: the custom call
//! `ProductOfElementaryHouseholderReflectors`.

use super::matrices::{FACTORED, batch_shape, mapped_in_front, no_derivative, sides};
use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::check;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{BatchDim, Batched, Jvp, LoweredValues, MappedAxis, Primitive, Tangent};
use crate::core::trace::bind1;
use crate::dtype::DType;
use crate::error::{Result, bail};
use crate::lax::elementwise::{one, one_batched, one_dtype, tuple};
use crate::mlir::Value;

/// The first columns of the product of reflections `1 - tau v vᴴ`: `a: f32[..,m,n]`, `m >= n`, has their vectors below its diagonal,
/// with a first element 1 that is not stored, and `taus: f32[..,k]`, `k <= n`, their factors; the result is as `a`.
///
/// ```
/// use raxla::{Array, lax::linalg};
///
/// // The reflection along (1, 1).
/// let q = linalg::householder_product(&Array::from([[0.0f32, 0.0], [1.0, 0.0]]), &Array::from([1.0f32]));
/// assert_eq!(q.to_vec::<f32>()?, [0.0, -1.0, -1.0, 0.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `The first argument to householder_product must have at least as many rows as columns, got shape (2, 3)`; more factors than
/// columns; different leading axes; a dtype other than `f32`, `f64`, `c64`, `c128`. It has no derivative.
#[track_caller]
pub fn householder_product(a: &Array, taus: &Array) -> Array {
    bind1(HouseholderProduct, &[a, taus])
}

/// The product, by what XLA expands on every platform; see [`geqrf_values`](super::geqrf::geqrf_values).
pub(super) fn householder_values(ctx: &mut LoweringCtx, a: Value, taus: Value) -> Value {
    let shape = ctx.shape(a);
    if shape.contains(&0) {
        return a;
    }
    if ctx.dims(taus).contains(&0) {
        return eye_values(ctx, ctx.dtype(a), &shape);
    }
    let attrs = "api_version = 1 : i32, call_target_name = \"ProductOfElementaryHouseholderReflectors\"";
    ctx.op1("stablehlo.custom_call", &[a, taus], attrs, a.ty())
}

/// Unit matrices, or their first columns.
pub(super) fn eye_values(ctx: &mut LoweringCtx, dtype: DType, shape: &[usize]) -> Value {
    let rank = shape.len();
    let [row, column] = [rank - 2, rank - 1].map(|axis| ctx.iota(DType::I32, shape, axis));
    let eye = ctx.compare("EQ", row, column);
    ctx.convert(eye, dtype)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct HouseholderProduct;

impl Primitive for HouseholderProduct {
    fn name(&self) -> &'static str {
        "householder_product"
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [a, taus] = check::arity(self, ins)?;
        batch_shape(self, ins, &[2, 1])?;
        let dtype = one_dtype(self, ins, FACTORED)?;
        let [m, n] = sides(a.shape());
        if m < n {
            bail!(
                Shape,
                "The first argument to householder_product must have at least as many rows as columns, got shape {}",
                tuple(&[m, n])
            );
        }
        let k = taus.shape()[taus.ndim() - 1];
        if k > n {
            bail!(
                Shape,
                "The second argument to householder_product must not have more rows than the minimum of the first argument's \
                 rows and columns, got {k} and shape {}",
                tuple(&[m, n])
            );
        }
        Ok(one(ShapedArray::result(ins, a.shape(), dtype)))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], _: &[ShapedArray]) -> LoweredValues {
        Ok(one(householder_values(ctx, ins[0], ins[1])))
    }
    /// undefined
    fn jvp(&self, _: &[Array], _: &[Tangent]) -> Jvp {
        Err(no_derivative(self.name()))
    }
    /// the mapped axis goes in front
    fn batch(&self, axis: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let args = mapped_in_front(axis, args, dims);
        one_batched(bind1(*self, &[&args[0], &args[1]]), Some(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lax::testing::{Draw, case, check_rules, message_of};
    use crate::lax::zeros;

    #[test]
    fn rules() {
        let mut draw = Draw::new(162);
        let mut x = |dtype, a: &[usize], taus: &[usize]| [draw.values(dtype, a), draw.values(dtype, taus)];
        let of = |x: &[Array]| householder_product(&x[0], &x[1]);
        check_rules([
            case("tall", x(DType::F32, &[3, 2], &[2]), of).without_derivatives(),
            case("fewer reflections", x(DType::F64, &[3, 3], &[2]), of).without_derivatives(),
            case("complex", x(DType::C64, &[2, 2], &[2]), of).without_derivatives(),
            case("batches", x(DType::C128, &[2, 3, 1], &[2, 1]), of).without_derivatives(),
            case("no reflections", x(DType::F32, &[2, 3, 2], &[2, 0]), of).without_derivatives(),
            case("no columns", x(DType::F32, &[2, 0], &[0]), of).without_derivatives(),
            case("no matrices", x(DType::F32, &[0, 2, 2], &[0, 2]), of).without_derivatives(),
        ]);
    }

    #[test]
    fn operands_are_checked() {
        let message = |a: &[usize], taus: &[usize], dtype| {
            message_of(|| householder_product(&zeros(DType::F32, a), &zeros(dtype, taus)))
        };
        assert_eq!(
            message(&[2, 3], &[2], DType::F32),
            "The first argument to householder_product must have at least as many rows as columns, got shape (2, 3)"
        );
        assert_eq!(
            message(&[3, 2], &[3], DType::F32),
            "The second argument to householder_product must not have more rows than the minimum of the first argument's rows \
             and columns, got 3 and shape (3, 2)"
        );
        assert_eq!(
            message(&[3, 2], &[2, 2], DType::F32),
            "All inputs to householder_product must have the same number of batch dimensions, but got 0 of f32[3,2] and 1 of \
             f32[2,2]"
        );
        assert_eq!(
            message(&[2, 3, 2], &[5, 2], DType::F32),
            "All inputs to householder_product must have the same batch dimensions, but got (2,) of f32[2,3,2] and (5,) of \
             f32[5,2]"
        );
        assert_eq!(
            message(&[3, 2], &[2], DType::C64),
            "householder_product requires arguments to have the same dtypes, got f32, c64 (numpy functions promote)"
        );
        assert_eq!(
            message(&[3, 2], &[], DType::F32),
            "Input 1 to householder_product must have rank at least 1, but got shape=()"
        );
    }
}
