//! What XLA's compiler for the CPU has not for integers of two and four bits and for floats of four: it would say so by an error of its
//! own, or end the process.

use crate::core::lowering::LoweringCtx;
use crate::dtype::DType;
use crate::error::{Result, bail};
use crate::mlir::Value;

/// Refuses operands of the dtypes of which the compiler for the CPU lacks an operation.
///
/// # Errors
/// `dot_general: XLA's compiler for the CPU takes no i2: convert by astype`.
pub(crate) fn refuse(
    ctx: &LoweringCtx,
    name: &str,
    operands: &[Value],
    lacks: fn(DType) -> bool,
) -> Result<()> {
    if ctx.platform() != "cpu" {
        return Ok(());
    }
    match operands.iter().map(|x| ctx.dtype(*x)).find(|dtype| lacks(*dtype)) {
        Some(dtype) => {
            bail!(Unimplemented, "{name}: XLA's compiler for the CPU takes no {dtype}: convert by astype")
        }
        None => Ok(()),
    }
}

/// Integers of two bits.
pub(crate) const TWO_BITS: fn(DType) -> bool = |dtype| dtype.bits() == 2;
/// Fewer than eight bits.
pub(crate) const SUB_BYTE: fn(DType) -> bool = DType::is_sub_byte;

/// Elements of fewer than eight bits in a dtype that holds each of them.
pub(crate) fn unpacked(ctx: &mut LoweringCtx, x: Value) -> Value {
    let wide = match ctx.dtype(x) {
        DType::I2 | DType::I4 => DType::I8,
        DType::U2 | DType::U4 => DType::U8,
        DType::F4E2M1FN => DType::F16,
        _ => return x,
    };
    ctx.convert(x, wide)
}

/// What [`unpacked`] gave in its dtype again.
pub(crate) fn packed(ctx: &mut LoweringCtx, x: Value, dtype: DType) -> Value {
    if dtype.is_sub_byte() { ctx.convert(x, dtype) } else { x }
}
