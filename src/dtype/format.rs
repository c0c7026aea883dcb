//! How the bits of floats of eight and four bits are numbers. `ml_dtypes`: `float8.h`, `mxfloat.h`.

use super::DType;

/// What a format has besides finite numbers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Specials {
    /// The highest exponent is infinity and NaN, as in IEEE 754.
    Infinities,
    /// All ones are NaN.
    Nan,
    /// What would be the negative zero is NaN.
    NoNegativeZero,
    /// Nothing.
    Finite,
}

/// A float format of at most eight bits.
#[derive(Clone, Copy)]
pub(crate) struct Format {
    /// Bits of the exponent.
    exponent: i32,
    /// Bits of the mantissa.
    mantissa: i32,
    bias: i32,
    /// Is there a bit for the sign? Without one there is no zero either, as the lowest exponent is that of a power of two.
    signed: bool,
    specials: Specials,
}

impl Format {
    const fn signed(exponent: i32, mantissa: i32, bias: i32, specials: Specials) -> Self {
        Format { exponent, mantissa, bias, signed: true, specials }
    }

    pub(crate) const F4E2M1FN: Format = Format::signed(2, 1, 1, Specials::Finite);
    pub(crate) const F8E3M4: Format = Format::signed(3, 4, 3, Specials::Infinities);
    pub(crate) const F8E4M3: Format = Format::signed(4, 3, 7, Specials::Infinities);
    pub(crate) const F8E4M3B11FNUZ: Format = Format::signed(4, 3, 11, Specials::NoNegativeZero);
    pub(crate) const F8E4M3FN: Format = Format::signed(4, 3, 7, Specials::Nan);
    pub(crate) const F8E4M3FNUZ: Format = Format::signed(4, 3, 8, Specials::NoNegativeZero);
    pub(crate) const F8E5M2: Format = Format::signed(5, 2, 15, Specials::Infinities);
    pub(crate) const F8E5M2FNUZ: Format = Format::signed(5, 2, 16, Specials::NoNegativeZero);
    pub(crate) const F8E8M0FNU: Format =
        Format { exponent: 8, mantissa: 0, bias: 127, signed: false, specials: Specials::Nan };

    /// The format of a float of at most eight bits; `None` for any other dtype.
    pub(crate) const fn of(dtype: DType) -> Option<Format> {
        Some(match dtype {
            DType::F4E2M1FN => Format::F4E2M1FN,
            DType::F8E3M4 => Format::F8E3M4,
            DType::F8E4M3 => Format::F8E4M3,
            DType::F8E4M3B11FNUZ => Format::F8E4M3B11FNUZ,
            DType::F8E4M3FN => Format::F8E4M3FN,
            DType::F8E4M3FNUZ => Format::F8E4M3FNUZ,
            DType::F8E5M2 => Format::F8E5M2,
            DType::F8E5M2FNUZ => Format::F8E5M2FNUZ,
            DType::F8E8M0FNU => Format::F8E8M0FNU,
            _ => return None,
        })
    }

    /// The sign's bit; none where there is none.
    const fn sign(self) -> u8 {
        if self.signed { 1 << (self.exponent + self.mantissa) } else { 0 }
    }

    /// The bits below the sign's.
    const fn magnitude(self) -> u8 {
        (((1u16) << (self.exponent + self.mantissa)) - 1) as u8
    }

    /// All bits.
    pub(crate) const fn mask(self) -> u8 {
        self.sign() | self.magnitude()
    }

    /// The bits of NaN, where there is one.
    const fn nan(self) -> u8 {
        match self.specials {
            Specials::Infinities => self.infinity() | 1 << (self.mantissa - 1),
            Specials::Nan => self.magnitude(),
            Specials::NoNegativeZero | Specials::Finite => self.sign(),
        }
    }

    /// The bits of infinity, where there is one.
    const fn infinity(self) -> u8 {
        self.magnitude() & !((1 << self.mantissa) - 1)
    }

    /// The bits of the largest finite number.
    pub(crate) const fn max(self) -> u8 {
        match self.specials {
            Specials::Infinities => self.infinity() - 1,
            Specials::Nan => self.magnitude() - 1,
            Specials::NoNegativeZero | Specials::Finite => self.magnitude(),
        }
    }

    /// The bits of the smallest finite number.
    pub(crate) const fn min(self) -> u8 {
        if self.signed { self.sign() | self.max() } else { 0 }
    }

    /// The bits of the smallest positive number with a full mantissa.
    pub(crate) const fn tiny(self) -> u8 {
        if self.signed { 1 << self.mantissa } else { 0 }
    }

    /// The exponent of the smallest positive number that has all digits.
    pub(crate) const fn min_exponent(self) -> i32 {
        if self.signed { 1 - self.bias } else { -self.bias }
    }

    /// The exponent of the least power of two beyond the largest number. NumPy: `finfo.maxexp`.
    pub(crate) fn max_exponent(self) -> i32 {
        (self.decode(self.max()).to_bits() >> 52) as i32 - 1022
    }

    /// Are there infinities?
    pub(crate) const fn has_infinities(self) -> bool {
        matches!(self.specials, Specials::Infinities)
    }

    /// Bits of the mantissa, and of the exponent, and its bias.
    pub(crate) const fn parts(self) -> (i32, i32, i32) {
        (self.mantissa, self.exponent, self.bias)
    }

    /// The number that these bits are.
    pub(crate) fn decode(self, bits: u8) -> f64 {
        let magnitude = bits & self.magnitude();
        let negative = bits & self.sign() != 0;
        let exponent = i32::from(magnitude) >> self.mantissa;
        let fraction = i32::from(magnitude) & ((1 << self.mantissa) - 1);
        let value = match self.specials {
            Specials::Infinities if magnitude == self.infinity() => f64::INFINITY,
            Specials::Infinities if magnitude > self.infinity() => f64::NAN,
            Specials::Nan if magnitude == self.magnitude() => f64::NAN,
            Specials::NoNegativeZero if bits == self.sign() => return f64::NAN,
            _ if self.signed && exponent == 0 => f64::from(fraction) * power(1 - self.bias - self.mantissa),
            _ => f64::from(fraction + (1 << self.mantissa)) * power(exponent - self.bias - self.mantissa),
        };
        if negative { -value } else { value }
    }

    /// The bits of the nearest number, of two equally near ones the even one.
    pub(crate) fn encode(self, value: f64) -> u8 {
        let sign = if value.is_sign_negative() { self.sign() } else { 0 };
        if value.is_nan() {
            // It keeps its sign where it has one, and is a zero of the other sign where there is no NaN.
            return match self.specials {
                Specials::Infinities | Specials::Nan => self.nan() | sign,
                Specials::NoNegativeZero => self.nan(),
                Specials::Finite => self.sign() ^ sign,
            };
        }
        if !self.signed {
            return self.encode_positive(f64::from(value as f32));
        }
        let magnitude = self.round(value.abs());
        match self.specials {
            _ if magnitude <= i64::from(self.max()) => {
                let lost = self.specials == Specials::NoNegativeZero && magnitude == 0;
                magnitude as u8 | if lost { 0 } else { sign }
            }
            Specials::Infinities => self.infinity() | sign,
            Specials::Nan => self.nan() | sign,
            Specials::NoNegativeZero => self.nan(),
            Specials::Finite => self.max() | sign,
        }
    }

    /// [`encode`](Self::encode) without a sign, of an `f32`, as `ml_dtypes` does it: between the two lowest powers it takes the upper
    /// one.
    fn encode_positive(self, value: f64) -> u8 {
        let lowest = power(self.min_exponent());
        match value {
            _ if value <= 0.0 => self.nan(),
            _ if value < 2.0 * lowest => u8::from(value > lowest),
            _ => u8::try_from(self.round(value)).unwrap_or(self.nan()).min(self.nan()),
        }
    }

    /// The bits below the sign's of a positive number, as if the exponent went on without end.
    fn round(self, value: f64) -> i64 {
        if value.is_infinite() {
            return i64::MAX;
        }
        // A number whose exponent is below the lowest is a multiple of the smallest number.
        let least = self.min_exponent();
        let exponent = (((value.to_bits() >> 52) as i32) - 1023).max(least);
        // Exact: a product with a power of two.
        let multiple = (value * power(self.mantissa - exponent)).round_ties_even() as i64;
        // A rounded mantissa that has become one bit longer is one of the next exponent.
        let below = i64::from(exponent - least) << self.mantissa;
        if self.signed { below + multiple } else { below + multiple - 1 }
    }
}

/// 2 to the power of `n`, which is a normal number.
fn power(n: i32) -> f64 {
    f64::from_bits(((1023 + n) as u64) << 52)
}
