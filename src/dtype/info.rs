//! The limits of dtypes. NumPy: `finfo`, `iinfo`. `ml_dtypes`: `finfo`, `iinfo`.

use std::fmt;

use super::{DType, Format};
use crate::error::{Result, bail};

/// The limits of a float dtype, by NumPy's names; of a complex one those of its parts.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct FloatInfo {
    /// The dtype; of complex numbers, that of their parts.
    pub dtype: DType,
    /// Bits of an element.
    pub bits: usize,
    /// The distance from 1 to the next larger number.
    pub eps: f64,
    /// The distance from 1 to the next smaller number.
    pub epsneg: f64,
    /// The largest finite number.
    pub max: f64,
    /// The smallest finite number.
    pub min: f64,
    /// The smallest positive number that has all digits.
    pub tiny: f64,
    /// The same as `tiny`.
    pub smallest_normal: f64,
    /// The smallest positive number.
    pub smallest_subnormal: f64,
    /// Bits of the mantissa that are stored.
    pub nmant: i32,
    /// Bits of the exponent.
    pub nexp: i32,
    /// `eps` is 2 to the power of this.
    pub machep: i32,
    /// `epsneg` is 2 to the power of this.
    pub negep: i32,
    /// `tiny` is 2 to the power of this.
    pub minexp: i32,
    /// The least power of two that is too large has this exponent.
    pub maxexp: i32,
    /// How many decimal digits are kept.
    pub precision: i32,
    /// 10 to the power of `-precision`, rounded.
    pub resolution: f64,
}

/// The limits of an integer dtype, by NumPy's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IntegerInfo {
    /// The dtype.
    pub dtype: DType,
    /// Bits of an element.
    pub bits: usize,
    /// The smallest number.
    pub min: i128,
    /// The largest number.
    pub max: i128,
}

/// 2 to the power of `n`, from the smallest number to the largest of `f64`.
fn power(n: i32) -> f64 {
    f64::from_bits(if n < -1022 { 1 << (n + 1074) } else { ((1023 + n) as u64) << 52 })
}

/// The nearest number of a float dtype.
fn rounded(x: f64, dtype: DType) -> f64 {
    match dtype {
        DType::BF16 => half::bf16::from_f64(x).to_f64(),
        DType::F16 => half::f16::from_f64(x).to_f64(),
        DType::F32 => f64::from(x as f32),
        _ => Format::of(dtype).map_or(x, |format| format.decode(format.encode(x))),
    }
}

impl FloatInfo {
    /// # Errors
    /// A dtype that is neither of floats nor complex.
    pub(crate) fn of(dtype: DType) -> Result<FloatInfo> {
        let dtype = dtype.real();
        let (nmant, nexp, bias) = match dtype {
            DType::BF16 => (7, 8, 127),
            DType::F16 => (10, 5, 15),
            DType::F32 => (23, 8, 127),
            DType::F64 => (52, 11, 1023),
            _ => match Format::of(dtype) {
                Some(format) => format.parts(),
                None => {
                    bail!(DType, "finfo: takes a float or complex dtype, got {dtype}: iinfo takes integers")
                }
            },
        };
        let format = Format::of(dtype);
        let minexp = format.map_or(1 - bias, Format::min_exponent);
        let (max, min) = match format {
            Some(format) => (format.decode(format.max()), format.decode(format.min())),
            // Of two factors, since the least power of two that is too large is infinity.
            None => {
                let max = (2.0 - power(-nmant)) * power(bias);
                (max, -max)
            }
        };
        let maxexp = format.map_or(bias + 1, Format::max_exponent);
        // Below 1 the numbers lie twice as close, unless they are subnormal.
        let negep = (-1).max(minexp) - nmant;
        let digits = (f64::from(nmant) * std::f64::consts::LOG10_2) as i32;
        // As `ml_dtypes` has it, one digit at least, but for four bits.
        let precision = if dtype.bits() == 8 { digits.max(1) } else { digits };
        let resolution = rounded(10f64.powi(-precision), dtype);
        Ok(FloatInfo {
            dtype,
            bits: dtype.bits(),
            eps: power(-nmant),
            epsneg: power(negep),
            max,
            min,
            tiny: power(minexp),
            smallest_normal: power(minexp),
            smallest_subnormal: power(minexp - nmant),
            nmant,
            nexp,
            machep: -nmant,
            negep,
            minexp,
            maxexp,
            precision,
            resolution,
        })
    }
}

impl IntegerInfo {
    /// # Errors
    /// A dtype that is not of integers.
    pub(crate) fn of(dtype: DType) -> Result<IntegerInfo> {
        if !dtype.is_integer() {
            bail!(DType, "iinfo: takes an integer dtype, got {dtype}: finfo takes floats");
        }
        let bits = dtype.bits();
        let (min, max) = match dtype.is_signed() {
            true => (-(1 << (bits - 1)), (1 << (bits - 1)) - 1),
            false => (0, (1 << bits) - 1),
        };
        Ok(IntegerInfo { dtype, bits, min, max })
    }
}

/// As NumPy prints it.
impl fmt::Display for IntegerInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "iinfo(min={}, max={}, dtype={})", self.min, self.max, self.dtype.name())
    }
}

/// As NumPy prints it, but for the digits of its numbers.
impl fmt::Display for FloatInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FloatInfo { resolution, min, max, dtype, .. } = self;
        write!(f, "finfo(resolution={resolution:e}, min={min:e}, max={max:e}, dtype={})", dtype.name())
    }
}
