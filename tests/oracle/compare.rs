//! Comparison of results with JAX's: types exactly, floats up to a limit.

use half::{bf16, f16};
use raxla::{Array, DType, Scalar};

use crate::case::{Data, Tolerance};

/// Results have JAX's dtypes, shapes, weak types and values.
pub fn all(outs: &[Array], expected: &[Data], tol: Tolerance) -> Result<(), String> {
    if outs.len() != expected.len() {
        return Err(format!("{} results, JAX has {}", outs.len(), expected.len()));
    }
    outs.iter().zip(expected).try_for_each(|(out, want)| one(out, want, tol))
}

fn one(out: &Array, want: &Data, tol: Tolerance) -> Result<(), String> {
    let star = |weak| if weak { "*" } else { "" };
    if out.dtype() != want.dtype || out.shape() != want.shape || out.weak_type() != want.weak {
        return Err(format!(
            "gives {}{}, JAX {}{:?}{}",
            out.aval(),
            star(out.weak_type()),
            want.dtype,
            want.shape,
            star(want.weak)
        ));
    }
    values(out, want, tol)
}

/// The values alone.
pub fn values(out: &Array, want: &Data, tol: Tolerance) -> Result<(), String> {
    let bytes = out.to_bytes().map_err(|e| e.to_string())?;
    if bytes == want.bytes {
        return Ok(());
    }
    let (dtype, size) = match out.dtype() {
        DType::C64 => (DType::F32, 4),
        DType::C128 => (DType::F64, 8),
        d => (d, d.size()),
    };
    let mut worst: Option<(usize, String)> = None;
    let mut count = 0;
    for (i, (a, b)) in bytes.chunks_exact(size).zip(want.bytes.chunks_exact(size)).enumerate() {
        if !close(dtype, a, b, tol) {
            count += 1;
            let off = if dtype.is_float() { ulps(dtype, a, b) } else { 0 };
            worst.get_or_insert((i, format!("{} instead of {} ({off} ulp)", show(dtype, a), show(dtype, b))));
        }
    }
    match worst {
        None => Ok(()),
        Some((i, text)) => Err(format!("element {i} of {} is {text}; {count} elements differ", out.aval())),
    }
}

fn close(dtype: DType, a: &[u8], b: &[u8], tol: Tolerance) -> bool {
    if a == b {
        return true;
    }
    if !dtype.is_float() {
        return false;
    }
    let (x, y) = (number(dtype, a), number(dtype, b));
    if x.is_nan() || y.is_nan() {
        return x.is_nan() && y.is_nan();
    }
    if x == y {
        // Zeros of different sign.
        return tol.abs > 0.0;
    }
    (x - y).abs() <= tol.abs || ulps(dtype, a, b) <= tol.ulp
}

fn number(dtype: DType, bytes: &[u8]) -> f64 {
    match dtype {
        DType::BF16 => bf16::from_le_bytes([bytes[0], bytes[1]]).to_f64(),
        DType::F16 => f16::from_le_bytes([bytes[0], bytes[1]]).to_f64(),
        DType::F32 => f64::from(f32::from_le_bytes(bytes.try_into().unwrap())),
        DType::F64 => f64::from_le_bytes(bytes.try_into().unwrap()),
        _ => Scalar::from_bytes(dtype, bytes).to_f64(),
    }
}

/// How many floats lie between two.
fn ulps(dtype: DType, a: &[u8], b: &[u8]) -> u64 {
    let position = |bytes: &[u8]| {
        let mut raw = [0; 8];
        raw[..bytes.len()].copy_from_slice(bytes);
        let bits = i64::from_le_bytes(raw);
        let sign = 1i64 << (dtype.size() * 8 - 1).min(62);
        let negative = bytes[bytes.len() - 1] & 0x80 != 0;
        match (dtype, negative) {
            (DType::F64, true) => -i128::from(bits & i64::MAX),
            (_, true) => -i128::from(bits & (sign - 1)),
            (_, false) => i128::from(bits),
        }
    };
    (position(a) - position(b)).unsigned_abs() as u64
}

fn show(dtype: DType, bytes: &[u8]) -> String {
    if dtype.is_float() {
        return format!("{:e}", number(dtype, bytes));
    }
    Scalar::from_bytes(dtype, bytes).to_i128().to_string()
}
