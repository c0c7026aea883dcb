//! What `max` and `min` are over several elements: where they start from, and one step. JAX: `lax._get_max_identity`,
//! `mlir.max_hlo`.

use crate::core::lowering::LoweringCtx;
use crate::core::scalar::Scalar;
use crate::dtype::{DType, Format};
use crate::mlir::Value;

/// The lowest value of a dtype: what `max` starts from.
pub(crate) fn lowest(dtype: DType) -> Scalar {
    match dtype {
        d if d.is_inexact() => least_float(d),
        d if d.is_signed() => Scalar::from_i128(d, -(1 << (d.bits() - 1))),
        d => Scalar::from_i128(d, 0),
    }
}

/// The highest value of a dtype: what `min` starts from.
pub(crate) fn highest(dtype: DType) -> Scalar {
    match dtype {
        DType::Bool => Scalar::from_i128(dtype, 1),
        d if d.is_inexact() => greatest_float(d),
        d if d.is_signed() => Scalar::from_i128(d, (1 << (d.bits() - 1)) - 1),
        d => Scalar::from_i128(d, (1 << d.bits()) - 1),
    }
}

/// Does infinity have nothing like it in a dtype? JAX takes it of `float8_e8m0fnu` all the same, which is NaN, and so are the extrema.
fn is_finite(dtype: DType, format: Format) -> bool {
    !format.has_infinities() && dtype != DType::F8E8M0FNU
}

/// Negative infinity, or the least number of a dtype without infinities.
fn least_float(dtype: DType) -> Scalar {
    match Format::of(dtype) {
        Some(format) if is_finite(dtype, format) => Scalar::from_bytes(dtype, &[format.min()]),
        _ => Scalar::from_f64(dtype, f64::NEG_INFINITY),
    }
}

/// Infinity, or the greatest number of a dtype without infinities.
fn greatest_float(dtype: DType) -> Scalar {
    match Format::of(dtype) {
        Some(format) if is_finite(dtype, format) => Scalar::from_bytes(dtype, &[format.max()]),
        _ => Scalar::from_f64(dtype, f64::INFINITY),
    }
}

/// The larger (or smaller) of two values, complex ones by real, then imaginary part.
pub(crate) fn extremum(ctx: &mut LoweringCtx, max: bool, x: Value, y: Value) -> Value {
    let dtype = ctx.dtype(x);
    if !dtype.is_complex() {
        let op = if max { "stablehlo.maximum" } else { "stablehlo.minimum" };
        return ctx.elementwise(op, &[x, y], x.ty());
    }
    let shape = ctx.shape(x);
    let ty = ctx.tensor(dtype.real(), &shape);
    let [xr, yr] = [x, y].map(|v| ctx.op1("stablehlo.real", &[v], "", ty));
    let [xi, yi] = [x, y].map(|v| ctx.op1("stablehlo.imag", &[v], "", ty));
    let direction = if max { "GT" } else { "LT" };
    let real = ctx.compare(direction, xr, yr);
    let imag = ctx.compare(direction, xi, yi);
    let tie = ctx.compare("EQ", xr, yr);
    let first = ctx.select(tie, imag, real);
    ctx.select(first, x, y)
}
