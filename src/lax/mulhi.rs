//! `mulhi`: the upper half of a product. JAX: `mulhi_p`. StableHLO: none; expanded here.

use crate::core::array::Array;
use crate::core::aval::ShapedArray;
use crate::core::lowering::LoweringCtx;
use crate::core::primitive::LoweredValues;
use crate::core::trace::bind1;
use crate::dtype::DType;
use crate::lax::elementwise::{INTEGER, broadcast_values, elementwise, one, zero};
use crate::lax::emit::emit;
use crate::mlir::Value;

/// Elementwise upper `n` bits of the product of `n`-bit integers; operands of one integer dtype.
///
/// # Errors
/// `mulhi does not accept dtype f32`; operands of different dtypes.
#[track_caller]
pub fn mulhi(x: &Array, y: &Array) -> Array {
    bind1(Mulhi, &[x, y])
}

elementwise! {
    Mulhi: "mulhi", 2, INTEGER, lower_mulhi, zero;
}

/// The integer dtype of twice the width, if there is one.
fn doubled(dtype: DType) -> Option<DType> {
    Some(match dtype {
        DType::I8 => DType::I16,
        DType::I16 => DType::I32,
        DType::I32 => DType::I64,
        DType::U8 => DType::U16,
        DType::U16 => DType::U32,
        DType::U32 => DType::U64,
        _ => return None,
    })
}

fn lower_mulhi(ctx: &mut LoweringCtx, ins: &[Value], outs: &[ShapedArray]) -> LoweredValues {
    let ins = broadcast_values(ctx, ins, outs[0].shape());
    let dtype = outs[0].dtype();
    Ok(one(emit(ctx, |e| {
        let (x, y) = (e.expr(ins[0]), e.expr(ins[1]));
        if let Some(wide) = doubled(dtype) {
            let product = x.convert(wide) * y.convert(wide);
            let bits = product.constant(dtype.bits() as f64);
            return if dtype.is_signed() { product.sar(bits) } else { product.shr(bits) }
                .convert(dtype)
                .value();
        }
        // 64 bits: schoolbook multiplication of 32-bit halves.
        let (u, v) = (x.convert(DType::U64), y.convert(DType::U64));
        let mask = u.integer(0xffff_ffff);
        let (u0, u1, v0, v1) = (u.and(mask), u.shr(32.0), v.and(mask), v.shr(32.0));
        let (mid1, mid2) = (u0 * v1, u1 * v0);
        let carry = mid1.and(mask) + mid2.and(mask) + (u0 * v0).shr(32.0);
        let high = u1 * v1 + mid1.shr(32.0) + mid2.shr(32.0) + carry.shr(32.0);
        let high = high.convert(dtype);
        if !dtype.is_signed() {
            return high.value();
        }
        // Two's complement: subtract y where x < 0, and x where y < 0.
        (high + x.sar(63.0) * y + y.sar(63.0) * x).value()
    })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::scalar::Scalar;
    use crate::lax::testing::{Draw, INTEGERS, case, check_rules};

    #[test]
    fn mulhi_is_the_upper_half_of_the_product() {
        let mut draw = Draw::new(22);
        for d in INTEGERS {
            let (x, y) = (draw.any_bits(d, &[40]), draw.any_bits(d, &[40]));
            check_rules([case("mulhi", [x.clone(), y.clone()], |x| mulhi(&x[0], &x[1]))]);
            let z = crate::core::config::with_x64(true, || mulhi(&x, &y));
            let read = |x: &Array| -> Vec<i128> {
                let bytes = x.to_bytes().unwrap();
                bytes.chunks_exact(d.size()).map(|b| Scalar::from_bytes(d, b).to_i128()).collect()
            };
            let products = read(&x).into_iter().zip(read(&y)).map(|(x, y)| match d {
                DType::U64 => ((x as u128 * y as u128) >> 64) as i128,
                _ => (x * y) >> d.bits(),
            });
            assert_eq!(read(&z), products.collect::<Vec<_>>(), "{d}");
        }
    }
}
