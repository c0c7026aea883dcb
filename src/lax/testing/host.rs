//! Operands and results on the host: slices, comparisons, sums of products.

use smallvec::SmallVec;

use crate::core::array::{Array, Placement, Repr};

use crate::core::scalar::Scalar;
use crate::dtype::DType;
use crate::error::{Result, bail};

pub(crate) fn canonical_is_narrower(dtype: DType) -> bool {
    matches!(dtype, DType::I64 | DType::U64 | DType::F64 | DType::C128)
}

/// The same in the dtype of 64-bit components, if it is inexact.
pub(crate) fn widened(x: &Array) -> Result<Array> {
    let dtype = match x.dtype() {
        d if d.is_float() => DType::F64,
        d if d.is_complex() => DType::C128,
        _ => return Ok(x.clone()),
    };
    let bytes = x.to_bytes()?;
    let size = x.dtype().size();
    let wide = bytes.chunks_exact(size).map(|b| Scalar::from_bytes(x.dtype(), b).convert(dtype));
    let wide: Vec<u8> = wide.flat_map(|s| s.bytes().into_iter().take(dtype.size())).collect();
    Array::from_bytes(&wide, dtype, x.shape())
}

/// The `k`th example of a mapped operand: other values, from the same set as far as it has several.
pub(crate) fn example(x: &Array, k: usize) -> Result<Array> {
    let size = x.dtype().size();
    let mut bytes = x.to_bytes()?;
    if x.size() == 1 && k > 0 {
        let s = Scalar::from_bytes(x.dtype(), &bytes);
        let other = match x.dtype() {
            DType::Bool => Scalar::from_i128(DType::Bool, 1 - s.to_i128()),
            d if d.is_integer() => Scalar::from_i128(d, s.to_i128() + k as i128),
            d => Scalar::from_f64(d, s.to_f64() * 0.75),
        };
        bytes = other.bytes()[..size].to_vec();
    } else {
        let len = bytes.len().max(1);
        bytes.rotate_right(k * size % len);
    }
    let out = Array::from_bytes(&bytes, x.dtype(), x.shape())?;
    Ok(with_weak_type(out, x.weak_type()))
}

pub(crate) fn with_weak_type(x: Array, weak_type: bool) -> Array {
    match &x.0 {
        Repr::Device(d) if weak_type => {
            let placement = Placement { sharding: d.sharding, committed: false };
            let shards = d.sharding.put(&x.to_bytes().unwrap(), x.dtype(), x.shape()).unwrap();
            Array::on_device(shards, d.aval.with_weak_type(true), placement)
        }
        _ => x,
    }
}

/// Stacks host copies along a new axis.
pub(crate) fn stack(parts: &[Array], axis: usize) -> Result<Array> {
    let first = &parts[0];
    let inner: usize = first.shape()[axis..].iter().product::<usize>() * first.dtype().size();
    let outer: usize = first.shape()[..axis].iter().product();
    let bytes = parts.iter().map(Array::to_bytes).collect::<Result<Vec<_>>>()?;
    let mut out = Vec::new();
    for i in 0..outer {
        bytes.iter().for_each(|b| out.extend_from_slice(&b[i * inner..(i + 1) * inner]));
    }
    let mut shape = first.shape().to_vec();
    shape.insert(axis, parts.len());
    Ok(with_weak_type(Array::from_bytes(&out, first.dtype(), &shape)?, first.weak_type()))
}

/// Element `k` along an axis, as a host copy.
pub(crate) fn take(x: &Array, axis: usize, k: usize) -> Result<Array> {
    let mut shape = x.shape().to_vec();
    let n = shape.remove(axis);
    let inner: usize = shape[axis..].iter().product::<usize>() * x.dtype().size();
    let outer: usize = shape[..axis].iter().product();
    let bytes = x.to_bytes()?;
    let chunks = (0..outer).flat_map(|i| &bytes[(i * n + k) * inner..(i * n + k + 1) * inner]);
    let bytes: Vec<u8> = chunks.copied().collect();
    Ok(with_weak_type(Array::from_bytes(&bytes, x.dtype(), &shape)?, x.weak_type()))
}

/// `x + a v` on the host.
pub(crate) fn axpy(a: f64, v: &Array, x: &Array) -> Result<Array> {
    let sum: Vec<f64> = components(x)?.iter().zip(components(v)?).map(|(x, v)| x + a * v).collect();
    let bytes: Vec<u8> = sum.iter().flat_map(|x| x.to_le_bytes()).collect();
    Array::from_bytes(&bytes, x.dtype(), x.shape())
}

/// The real numbers that an array is made of.
pub(crate) fn components(x: &Array) -> Result<Vec<f64>> {
    let dtype = x.dtype();
    let bytes = x.to_bytes()?;
    let elements = bytes.chunks_exact(dtype.size()).map(|b| Scalar::from_bytes(dtype, b));
    Ok(elements
        .flat_map(|s| {
            let mut parts: SmallVec<[f64; 2]> = SmallVec::new();
            parts.push(s.to_f64());
            if dtype.is_complex() {
                parts.push(s.imag());
            }
            parts
        })
        .collect())
}

/// JAX's pairing of cotangents and tangents: the real part of the sum of products, without a conjugate.
pub(crate) fn pairing(cts: &[Array], tangents: &[Array]) -> Result<f64> {
    let mut sum = 0.0;
    for (ct, v) in cts.iter().zip(tangents) {
        let (a, b) = (components(ct)?, components(v)?);
        let complex = v.dtype().is_complex();
        sum += a
            .iter()
            .zip(&b)
            .enumerate()
            .map(|(i, (a, b))| if complex && i % 2 == 1 { -a * b } else { a * b })
            .sum::<f64>();
    }
    Ok(sum)
}

/// Are these the same arrays, up to rounding? Integers, `bool` and the kinds of NaN and infinity must agree exactly.
pub(crate) fn same(found: &[Array], expected: &[Array], loose: f64) -> Result<()> {
    if found.len() != expected.len() {
        bail!(Internal, "{} results, expected {}", found.len(), expected.len());
    }
    for (i, (x, y)) in found.iter().zip(expected).enumerate() {
        if x.aval() != y.aval() {
            bail!(Internal, "result {i} is {:?}, expected {:?}", x.aval(), y.aval());
        }
        let tolerance = loose
            * match x.dtype().real() {
                DType::BF16 => 2e-2,
                DType::F16 => 3e-3,
                DType::F32 => 2e-6,
                DType::F64 => 1e-14,
                _ => {
                    if x.to_bytes()? != y.to_bytes()? {
                        bail!(Internal, "result {i} is {x}, expected {y}");
                    }
                    continue;
                }
            };
        for (j, (a, b)) in components(x)?.into_iter().zip(components(y)?).enumerate() {
            if !close(a, b, tolerance) {
                bail!(Internal, "result {i}[{j}] is {a}, expected {b}");
            }
        }
    }
    Ok(())
}

/// Equal up to this relative and absolute error; NaN is close to NaN.
pub(crate) fn close(a: f64, b: f64, tolerance: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= tolerance * (1.0 + a.abs().max(b.abs()))
}
