//! Complex numbers and their parts: `complex`, `real`, `imag`, `conj`; linear over the reals. JAX: `complex_p` and its
//! like. StableHLO: `complex`, `real`, `imag`.

use crate::core::array::Array;
use crate::core::aval::{Avals, ShapedArray};
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::{
    BatchDim, Batched, Ct, Jvp, LinearInput, LoweredValues, MappedAxis, Param, Primitive, Tangent, Transposed,
};
use crate::core::trace::bind1;
use crate::dtype::DType;
use crate::error::{Result, bail};
use crate::lax::elementwise::{
    COMPLEX, COMPLEX_PART, add_tangents, broadcast_tangent, chlo, linear_ct, nary_aval, nary_batch, one,
    unary_jvp, unbroadcast,
};
use crate::lax::emit::emit;
use crate::lax::full::literal_like;
use crate::lax::neg;
use crate::mlir::Value;

/// Elementwise `x + iy` of `f32` or `f64` operands.
///
/// # Errors
/// `complex does not accept dtype f16`; operands of different dtypes; shapes that do not broadcast.
#[track_caller]
pub fn complex(x: &Array, y: &Array) -> Array {
    bind1(Complex, &[x, y])
}

/// Elementwise real part of complex numbers.
///
/// # Errors
/// `real does not accept dtype f32`.
#[track_caller]
pub fn real(x: &Array) -> Array {
    bind1(Real, &[x])
}

/// Elementwise imaginary part of complex numbers.
///
/// # Errors
/// `imag does not accept dtype f32`.
#[track_caller]
pub fn imag(x: &Array) -> Array {
    bind1(Imag, &[x])
}

/// Elementwise complex conjugate; real numbers become complex.
///
/// # Errors
/// `conj does not accept dtype i32`.
#[track_caller]
pub fn conj(x: &Array) -> Array {
    bind1(Conj { input_dtype: x.dtype() }, &[x])
}

fn complex_of(part: DType) -> DType {
    if part == DType::F64 { DType::C128 } else { DType::C64 }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Complex;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Real;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Imag;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Conj {
    input_dtype: DType,
}

impl Primitive for Complex {
    fn name(&self) -> &'static str {
        "complex"
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let mut outs = nary_aval(self, ins, 2, COMPLEX_PART)?;
        outs[0] = outs[0].with_dtype(complex_of(outs[0].dtype()));
        Ok(outs)
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        chlo("stablehlo.complex")(ctx, ins, outs)
    }
    /// dz = dx + i dy
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        let out = bind1(*self, &[&primals[0], &primals[1]]);
        let tangent = match (&tangents[0], &tangents[1]) {
            (Some(dx), Some(dy)) => Some(complex(dx, dy)),
            (dx, dy) => add_tangents(
                dx.as_ref().map(|dx| complex(dx, &literal_like(dx, 0.0))),
                dy.as_ref().map(|dy| complex(&literal_like(dy, 0.0), dy)),
            ),
        };
        let tangent = tangent.map(|dz| broadcast_tangent(dz, &out));
        Ok((one(out), one(tangent)))
    }
    /// x̄ = Re(z̄), ȳ = -Im(z̄)
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        let [x, y] = ins else { bail!(Internal, "complex: takes 2 operands") };
        let ct = cts[0].as_ref();
        Ok([
            ct.filter(|_| x.is_linear()).map(|ct| unbroadcast(&real(ct), &x.aval())),
            ct.filter(|_| y.is_linear()).map(|ct| unbroadcast(&imag(&neg(ct)), &y.aval())),
        ]
        .into_iter()
        .collect())
    }
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        nary_batch(*self, args, dims)
    }
}

impl Primitive for Real {
    fn name(&self) -> &'static str {
        "real"
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let mut outs = nary_aval(self, ins, 1, COMPLEX)?;
        outs[0] = outs[0].with_dtype(outs[0].dtype().real());
        Ok(outs)
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        chlo("stablehlo.real")(ctx, ins, outs)
    }
    /// dy = Re(dx)
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        unary_jvp(*self, primals, tangents, |_, _, dx| real(dx))
    }
    /// x̄ = ȳ + 0i
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        Ok(linear_ct(cts, ins, |ct| complex(ct, &literal_like(ct, 0.0))))
    }
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        nary_batch(*self, args, dims)
    }
}

impl Primitive for Imag {
    fn name(&self) -> &'static str {
        "imag"
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let mut outs = nary_aval(self, ins, 1, COMPLEX)?;
        outs[0] = outs[0].with_dtype(outs[0].dtype().real());
        Ok(outs)
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
        chlo("stablehlo.imag")(ctx, ins, outs)
    }
    /// dy = Im(dx)
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        unary_jvp(*self, primals, tangents, |_, _, dx| imag(dx))
    }
    /// x̄ = 0 - iȳ
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        Ok(linear_ct(cts, ins, |ct| complex(&literal_like(ct, 0.0), &neg(ct))))
    }
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        nary_batch(*self, args, dims)
    }
}

impl Primitive for Conj {
    fn name(&self) -> &'static str {
        "conj"
    }
    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("input_dtype", Param::Text(self.input_dtype.name().into()))]
    }
    fn abstract_eval(&self, ins: &[ShapedArray]) -> Result<Avals> {
        let mut outs = nary_aval(self, ins, 1, |d| COMPLEX(d) || COMPLEX_PART(d))?;
        outs[0] = outs[0].with_dtype(complex_of(outs[0].dtype().real()));
        Ok(outs)
    }
    fn lower(&self, ctx: &mut LoweringCtx, ins: &[Value], _: &[ShapedArray]) -> LoweredValues {
        Ok(one(emit(ctx, |e| {
            let x = e.expr(ins[0]);
            if x.dtype().is_complex() { x.real().complex(-x.imag()) } else { x.complex(x.constant(0.0)) }
                .value()
        })))
    }
    /// dy = conj(dx)
    fn jvp(&self, primals: &[Array], tangents: &[Tangent]) -> Jvp {
        unary_jvp(*self, primals, tangents, |_, _, dx| conj(dx))
    }
    /// x̄ = conj(ȳ), or Re(ȳ) for a real x
    fn transpose(&self, cts: &[Ct], ins: &[LinearInput]) -> Transposed {
        Ok(linear_ct(cts, ins, |ct| if self.input_dtype.is_complex() { conj(ct) } else { real(ct) }))
    }
    fn batch(&self, _: &MappedAxis, args: &[Array], dims: &[BatchDim]) -> Batched {
        nary_batch(*self, args, dims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lax::testing::{Draw, case, check_rules, message_of};

    #[test]
    fn rules_of_complex_parts() {
        let mut draw = Draw::new(15);
        check_rules([DType::C64, DType::C128].into_iter().flat_map(|d| {
            let x = [draw.values(d, &[2, 3])];
            [
                case("real", x.clone(), |x| real(&x[0])),
                case("imag", x.clone(), |x| imag(&x[0])),
                case("conj", x.clone(), |x| conj(&x[0])),
            ]
        }));
        check_rules([DType::F32, DType::F64].into_iter().flat_map(|d| {
            let x = [draw.values(d, &[2, 3])];
            [case("conj", x.clone(), |x| conj(&x[0]))]
        }));
    }

    #[test]
    fn rules_of_complex() {
        let mut draw = Draw::new(16);
        check_rules(
            [DType::F32, DType::F64]
                .into_iter()
                .flat_map(|d| draw.pairs(d).map(|x| case("complex", x, |x| complex(&x[0], &x[1])))),
        );
    }

    #[test]
    fn real_of_a_real_number_is_rejected() {
        let x = Array::from([1.0f32]);
        assert!(message_of(|| real(&x)).starts_with("real does not accept dtype f32"));
    }
}
