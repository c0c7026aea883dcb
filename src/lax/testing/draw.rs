//! Random operands for the checks of rules.

use super::host::with_weak_type;
use crate::core::array::Array;
use crate::core::config::with_x64;
use crate::core::scalar::Scalar;
use crate::dtype::DType;
use num_complex::Complex;

/// The dtypes of numbers that have derivatives; real ones; integers; and all.
pub(crate) const INEXACTS: [DType; 6] =
    [DType::BF16, DType::F16, DType::F32, DType::F64, DType::C64, DType::C128];
pub(crate) const FLOATS: [DType; 4] = [DType::BF16, DType::F16, DType::F32, DType::F64];
pub(crate) const INTEGERS: [DType; 8] =
    [DType::I8, DType::I16, DType::I32, DType::I64, DType::U8, DType::U16, DType::U32, DType::U64];

/// A seeded generator of operands (splitmix64).
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) fn new(seed: u64) -> Self {
        Draw(seed)
    }

    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn array(
        &mut self,
        dtype: DType,
        shape: &[usize],
        mut element: impl FnMut(&mut Self) -> Scalar,
    ) -> Array {
        let size: usize = shape.iter().product();
        let bytes: Vec<u8> =
            (0..size).flat_map(|_| element(self).bytes().into_iter().take(dtype.size())).collect();
        // 64-bit operands stay so whatever the setting.
        with_x64(true, || Array::from_bytes(&bytes, dtype, shape)).expect("an operand")
    }

    /// Numbers of any numeric dtype in `lo..hi`; both parts of a complex one.
    pub(crate) fn uniform(&mut self, dtype: DType, shape: &[usize], lo: f64, hi: f64) -> Array {
        self.array(dtype, shape, |draw| {
            let re = lo + (hi - lo) * draw.unit();
            if !dtype.is_complex() {
                return Scalar::from_f64(dtype, if dtype.is_inexact() { re } else { re.floor() });
            }
            Scalar::from_complex(dtype, Complex::new(re, lo + (hi - lo) * draw.unit()))
        })
    }

    /// Numbers (of both signs, if signed) of magnitude 0.3 to 2, so away from the kinks that are at zero; integers of
    /// magnitude 1 to 9; both values of `bool`.
    pub(crate) fn values(&mut self, dtype: DType, shape: &[usize]) -> Array {
        self.array(dtype, shape, |draw| {
            let mut part = |scale: f64| {
                let sign = if draw.bits() & 1 == 0 || dtype.is_unsigned() { 1.0 } else { -1.0 };
                sign * scale * (0.3 + 1.7 * draw.unit())
            };
            match dtype {
                DType::Bool => Scalar::from_i128(dtype, i128::from(part(1.0) > 0.0)),
                d if d.is_complex() => Scalar::from_complex(d, Complex::new(part(1.0), part(1.0))),
                d if d.is_float() => Scalar::from_f64(d, part(1.0)),
                d => {
                    let x = part(4.0);
                    Scalar::from_f64(d, x.signum() * x.abs().max(1.0).round())
                }
            }
        })
    }

    /// All 256 … 2^64 patterns of an integer dtype; both values of `bool`.
    pub(crate) fn any_bits(&mut self, dtype: DType, shape: &[usize]) -> Array {
        self.array(dtype, shape, |draw| {
            Scalar::from_i128(dtype, i128::from(draw.bits() as i64 >> if dtype.is_bool() { 63 } else { 0 }))
        })
    }

    /// Numbers that differ from each other by 0.2 at least (by 1, if integers), in random order: for sorting, `max` and
    /// their like, whose kinks are where two elements meet.
    pub(crate) fn distinct(&mut self, dtype: DType, shape: &[usize]) -> Array {
        let size: usize = shape.iter().product();
        let lowest = if dtype.is_unsigned() { 0 } else { -(size as i64) / 2 };
        let mut order: Vec<i64> = (0..size as i64).map(|i| lowest + i).collect();
        for i in (1..size).rev() {
            order.swap(i, (self.bits() % (i as u64 + 1)) as usize);
        }
        let mut order = order.into_iter();
        self.array(dtype, shape, |_| {
            let i = order.next().unwrap_or_default();
            Scalar::from_f64(dtype, if dtype.is_inexact() { i as f64 * 0.2 + 0.05 } else { i as f64 })
        })
    }

    /// Pairs of [`values`](Self::values) whose shapes are equal, or stretched to each other.
    pub(crate) fn pairs(&mut self, dtype: DType) -> [[Array; 2]; 4] {
        let shapes: [[&[usize]; 2]; 4] = [[&[2, 3], &[2, 3]], [&[3], &[]], [&[], &[3]], [&[1, 3], &[2, 1]]];
        shapes.map(|pair| pair.map(|shape| self.values(dtype, shape)))
    }

    /// A tangent for `x`: of its shape, dtype and weak type.
    pub(crate) fn like(&mut self, x: &Array) -> Array {
        with_weak_type(self.uniform(x.dtype(), x.shape(), -1.0, 1.0), x.weak_type())
    }
}
