//! `geqrf`: the Householder reflections that make a matrix upper triangular, packed as LAPACK does. JAX: `geqrf_p`.
//! XLA: the custom call `Qr`.

use smallvec::SmallVec;

use super::matrices::{FACTORED, batch_shape, behind, mapped_in_front, no_derivative, sides};
use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::check;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{BatchDim, Batched, Jvp, LoweredValues, MappedAxis, Primitive, Tangent};
use crate::core::scalar::Scalar;
use crate::core::trace::bind_all;
use crate::error::Result;
use crate::lax::elementwise::one_dtype;
use crate::mlir::{Value, Values};

/// `f32[..,m,n]` -> `(f32[..,m,n], f32[..,min(m,n)])`: R on and above the diagonal, the reflections' vectors below it, whose first
/// element is 1 and not stored; and the reflections' factors `tau`, each of which is `1 - tau v vᴴ`.
///
/// # Errors
/// `Input 0 to geqrf must have rank at least 2, but got shape=(3,)`; a dtype other than `f32`, `f64`, `c64`, `c128`.
#[track_caller]
pub(crate) fn geqrf(a: &Array) -> (Array, Array) {
    let mut outs = bind_all(Geqrf, &[a]);
    let taus = outs.swap_remove(1);
    (outs.swap_remove(0), taus)
}

/// The packed matrix and the factors. On the CPU JAX calls LAPACK, and on GPUs cuSOLVER, by functions of its Python packages that
/// no plugin has. XLA's passes for the CPU, for GPUs and for TPUs expand `Qr`, with LAPACK's signs.
pub(super) fn geqrf_values(ctx: &mut LoweringCtx, a: Value) -> Values {
    let (dtype, shape) = (ctx.dtype(a), ctx.shape(a));
    let [m, n] = sides(&shape);
    let taus = behind(&shape[..shape.len() - 2], &[m.min(n)]);
    if shape.contains(&0) {
        return Values::from_slice(&[a, ctx.full(Scalar::from_f64(dtype, 0.0), &taus)]);
    }
    let results = [a.ty(), ctx.tensor(dtype, &taus)];
    ctx.op("stablehlo.custom_call", &[a], "api_version = 1 : i32, call_target_name = \"Qr\"", &results)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Geqrf;

impl Primitive for Geqrf {
    fn name(&self) -> &'static str {
        "geqrf"
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let [a] = check::arity(self, ins)?;
        let batch = batch_shape(self, ins, &[2])?;
        let dtype = one_dtype(self, ins, FACTORED)?;
        let [m, n] = sides(a.shape());
        let result = |shape: &[usize]| ShapedArray::result(ins, shape, dtype);
        Ok([result(a.shape()), result(&behind(batch, &[m.min(n)]))].into_iter().collect())
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], _: &[ShapedArray]) -> LoweredValues {
        Ok(geqrf_values(ctx, ins[0]))
    }
    /// undefined
    fn jvp(&self, _: &[Array], _: &[Tangent]) -> Jvp {
        Err(no_derivative(self.name()))
    }
    /// the mapped axis goes in front
    fn batch(&self, axis: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        let args = mapped_in_front(axis, args, dims);
        Ok((bind_all(*self, &[&args[0]]), SmallVec::from_elem(Some(0), 2)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;
    use crate::error::ErrorKind;
    use crate::interpreters::jvp::jvp;
    use crate::lax::testing::{Draw, case, check_rules, message_of};
    use crate::lax::zeros;

    #[test]
    fn rules() {
        let mut draw = Draw::new(161);
        let mut x = |dtype, shape: &[usize]| [draw.values(dtype, shape)];
        let of = |x: &[Array]| geqrf(&x[0]);
        check_rules([
            case("tall", x(DType::F32, &[3, 2]), of).without_derivatives(),
            case("wide", x(DType::F64, &[2, 3]), of).without_derivatives(),
            case("complex", x(DType::C64, &[2, 2]), of).without_derivatives(),
            case("batches", x(DType::C128, &[2, 3, 1]), of).without_derivatives(),
            case("no rows", x(DType::F32, &[0, 2]), of).without_derivatives(),
            case("no columns", x(DType::F32, &[2, 0]), of).without_derivatives(),
            case("no matrices", x(DType::F32, &[0, 2, 2]), of).without_derivatives(),
        ]);
    }

    #[test]
    fn a_column_is_reflected_to_the_axis_as_lapack_does() {
        let (packed, taus) = geqrf(&Array::from([[3.0f32], [4.0]]));
        // beta = -5, tau = (beta - 3) / beta, v = 4 / (3 - beta).
        assert_eq!(packed.to_vec::<f32>().unwrap(), [-5.0, 0.5]);
        assert_eq!(taus.to_vec::<f32>().unwrap(), [1.6]);
    }

    #[test]
    fn operands_are_checked() {
        assert_eq!(
            message_of(|| geqrf(&zeros(DType::F32, &[3]))),
            "Input 0 to geqrf must have rank at least 2, but got shape=(3,)"
        );
        assert_eq!(
            message_of(|| geqrf(&zeros(DType::BF16, &[2, 2]))),
            "geqrf does not accept dtype bf16. Accepted dtypes are f32, f64, c64, c128"
        );
        let x = zeros(DType::F32, &[2, 2]);
        let tangents = [Some(x.clone())];
        let e = jvp(|x: &[Array]| Ok(vec![geqrf(&x[0]).0]), &[x], &tangents).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Differentiation);
        assert_eq!(e.message(), "geqrf: there is no derivative of it; lax::linalg::qr has one");
    }
}
