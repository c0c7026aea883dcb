//! `mul`: elementwise product; linear in each operand. JAX: `mul_p`. StableHLO: `multiply`.

use smallvec::SmallVec;

use crate::arguments::options;
use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::check;
use crate::core::config::canonicalize;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    BatchDim, Batched, Ct, Jvp, LinearInput, LoweredValues, MappedAxis, Param, Prim, Primitive, Tangent,
    Transposed,
};
use crate::core::small::small;
use crate::core::trace::bind1;
use crate::dtype::DType;
use crate::error::{Result, bail};
use crate::lax::elementwise::{
    NUMBER, bilinear_jvp, broadcast_shape, nary_aval, nary_batch, nary_lower, one, one_dtype, unbroadcast,
};
use crate::mlir::{Value, Values};

options! {
    /// Options of [`mul_with`].
    pub struct MulOptions {
        /// The dtype to multiply in and to return.
        out_dtype: optional DType,
    }
}

/// Elementwise product `x y` of operands of one dtype; numbers of any dtype.
///
/// # Errors
/// `mul got incompatible shapes for broadcasting: (3,), (4,): 3 and 4 at axis -1 are neither equal nor 1`; operands of different dtypes.
#[track_caller]
pub fn mul(x: &Array, y: &Array) -> Array {
    product(x, y, None)
}

/// [`mul`] in another dtype.
///
/// ```
/// use raxla::{Array, DType, lax::{self, MulOptions}};
///
/// let x = Array::from([100i8]);
/// let y = lax::mul_with(&x, &x, MulOptions::new().out_dtype(DType::I32));
/// assert_eq!(y.to_vec::<i32>()?, [10000]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`mul`].
#[track_caller]
pub fn mul_with(x: &Array, y: &Array, options: MulOptions) -> Array {
    product(x, y, options.out_dtype.map(canonicalize))
}

#[track_caller]
fn product(x: &Array, y: &Array, out_dtype: Option<DType>) -> Array {
    bind1(Mul { out_dtype }.shared(), &[x, y])
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Mul {
    pub out_dtype: Option<DType>,
}

impl Mul {
    /// Of the commonest of all primitives there is one, where it has no option.
    fn shared(self) -> Prim {
        static PLAIN: Mul = Mul { out_dtype: None };
        if self == PLAIN { Prim::Static(&PLAIN) } else { self.into() }
    }
}

impl Primitive for Mul {
    fn name(&self) -> &'static str {
        "mul"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        self.out_dtype.iter().map(|dtype| ("out_dtype", Param::Text(dtype.name().into()))).collect()
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let Some(dtype) = self.out_dtype else { return nary_aval(self, ins, 2, NUMBER) };
        let operands = check::arity::<2>(self, ins)?;
        for operand in operands {
            one_dtype(self, &[*operand], NUMBER)?;
        }
        Ok(one(ShapedArray::result(ins, &broadcast_shape(self, ins)?, dtype)))
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        let ins: Values = small(ins.iter().map(|x| ctx.convert(*x, outs[0].dtype())));
        nary_lower(ctx, "stablehlo.multiply", &ins, outs)
    }
    /// d(x y) = dx y + x dy
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        bilinear_jvp(self.shared(), primals, tangents)
    }
    /// x̄ = z̄ y, or ȳ = x z̄
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        let [x, y] = ins else { bail!(Internal, "mul: takes 2 operands") };
        check::bilinear(self, x, y)?;
        let Some(ct) = &cts[0] else { return Ok(ins.iter().map(|_| None).collect()) };
        let into = |aval: &ShapedArray| self.out_dtype.and(Some(aval.dtype()));
        Ok(SmallVec::from_buf([
            y.known().filter(|_| x.is_linear()).map(|y| {
                let x = x.aval();
                unbroadcast(&product(ct, y, into(&x)), &x)
            }),
            x.known().filter(|_| y.is_linear()).map(|x| {
                let y = y.aval();
                unbroadcast(&product(x, ct, into(&y)), &y)
            }),
        ]))
    }
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        nary_batch(self.shared(), args, dims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lax::testing::{Draw, INEXACTS, INTEGERS, case, check_rules};

    #[test]
    fn rules_of_mul() {
        let mut draw = Draw::new(103);
        let dtypes = INEXACTS.into_iter().chain(INTEGERS);
        check_rules(dtypes.flat_map(|d| draw.pairs(d).map(|x| case("mul", x, |x| mul(&x[0], &x[1])))));
        let wide = |x: &[Array]| mul_with(&x[0], &x[1], MulOptions::new().out_dtype(DType::F64));
        check_rules(draw.pairs(DType::F32).map(|x| case("mul", x, wide)));
        check_rules(draw.pairs(DType::I8).map(|x| case("mul", x, wide)));
    }
}
