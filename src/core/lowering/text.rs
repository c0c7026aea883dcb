//! Numbers and layouts as MLIR writes them.

use crate::core::scalar::Scalar;
use crate::dtype::DType;
use crate::mlir::list;

/// Row-major layouts of arrays of these ranks: left alone, the compiler might choose transposed ones.
pub(super) fn row_major(ranks: impl Iterator<Item = usize>) -> String {
    let layout = |rank: usize| {
        let axes: Vec<usize> = (0..rank).rev().collect();
        let axes = if rank == 0 { String::new() } else { list(&axes) };
        format!("dense<{axes}> : tensor<{rank}xindex>")
    };
    ranks.map(layout).collect::<Vec<_>>().join(", ")
}

/// A scalar as MLIR writes it inside `dense<…>`, exactly.
pub(crate) fn mlir_literal(x: Scalar) -> String {
    let real = |dtype: DType, value: f64, bytes: &[u8]| -> String {
        // Short decimals are exact in every format; anything else goes by its bits.
        if value.abs() < 1e6 && (value * 256.0).fract() == 0.0 && (value != 0.0 || value.is_sign_positive()) {
            return format!("{value:?}");
        }
        let hex: String = bytes[..dtype.size()].iter().rev().map(|b| format!("{b:02X}")).collect();
        format!("0x{hex}")
    };
    let (dtype, bytes) = (x.dtype(), x.bytes());
    match dtype {
        DType::C64 => {
            format!(
                "({},{})",
                real(DType::F32, x.to_f64(), &bytes[..4]),
                real(DType::F32, x.imag(), &bytes[4..8])
            )
        }
        DType::C128 => {
            format!(
                "({},{})",
                real(DType::F64, x.to_f64(), &bytes[..8]),
                real(DType::F64, x.imag(), &bytes[8..])
            )
        }
        d if d.is_float() => real(d, x.to_f64(), &bytes),
        DType::Float0 => "false".to_owned(),
        _ => x.to_string(),
    }
}
