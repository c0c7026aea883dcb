//! Host scalars: Rust numbers that no device has seen yet, and the literals of a jaxpr. JAX: `core.Literal`.

use std::fmt;
use std::hash::{Hash, Hasher};

use half::{bf16, f16};
use num_complex::Complex;

use crate::core::aval::ShapedArray;
use crate::core::element::Element;
use crate::dtype::{DType, Format, I2, I4, U2, U4};
use crate::error::{Result, bail};

/// One element of any dtype, by its bits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Scalar {
    /// Little-endian bits of the element, of which a `c128` uses all. Four bytes each, so that an [`Array`](crate::Array) and
    /// an operand have room for more beside them.
    words: [u32; 4],
    dtype: DType,
    weak_type: bool,
}

impl Hash for Scalar {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.half(0), self.half(1), self.dtype, self.weak_type).hash(state);
    }
}

impl Scalar {
    /// What takes the place of an array that was moved out.
    pub(crate) const FALSE: Scalar = Scalar { words: [0; 4], dtype: DType::Bool, weak_type: false };

    /// The element whose little-endian bytes are the first `dtype.size()` of `bytes`.
    pub fn from_bytes(dtype: DType, bytes: &[u8]) -> Self {
        let mut raw = [0u8; 16];
        raw[..dtype.size()].copy_from_slice(&bytes[..dtype.size()]);
        let words = std::array::from_fn(|i| u32::from_le_bytes(std::array::from_fn(|j| raw[4 * i + j])));
        Scalar { words, dtype, weak_type: false }
    }

    /// Zero of this dtype and weak type.
    pub(crate) fn zero(aval: &ShapedArray) -> Self {
        Self::from_f64(aval.dtype(), 0.0).with_weak_type(aval.weak_type())
    }

    /// `value` rounded to `dtype`; integers wrap, a complex dtype gets it as the real part.
    pub fn from_f64(dtype: DType, value: f64) -> Self {
        match dtype {
            DType::BF16 => Self::from_bytes(dtype, &bf16::from_f64(value).to_le_bytes()),
            DType::F16 => Self::from_bytes(dtype, &f16::from_f64(value).to_le_bytes()),
            DType::F32 => Self::from_bytes(dtype, &(value as f32).to_le_bytes()),
            DType::F64 => Self::from_bytes(dtype, &value.to_le_bytes()),
            DType::C64 | DType::C128 => Self::from_complex(dtype, Complex::new(value, 0.0)),
            DType::Bool => Self::from_i128(dtype, i128::from(value != 0.0)),
            _ => match Format::of(dtype) {
                Some(format) => Self::from_bytes(dtype, &[format.encode(value)]),
                None => Self::from_i128(dtype, value as i128),
            },
        }
    }

    /// `value` rounded to the complex `dtype`.
    pub fn from_complex(dtype: DType, value: Complex<f64>) -> Self {
        let mut raw = [0u8; 16];
        if dtype == DType::C128 {
            raw[..8].copy_from_slice(&value.re.to_le_bytes());
            raw[8..].copy_from_slice(&value.im.to_le_bytes());
        } else {
            raw[..4].copy_from_slice(&(value.re as f32).to_le_bytes());
            raw[4..8].copy_from_slice(&(value.im as f32).to_le_bytes());
        }
        Self::from_bytes(if dtype == DType::C128 { DType::C128 } else { DType::C64 }, &raw)
    }

    /// `value` in `dtype`; integers wrap, `bool` is `value != 0`.
    pub fn from_i128(dtype: DType, value: i128) -> Self {
        match dtype {
            DType::Bool => Self::from_bytes(dtype, &[u8::from(value != 0)]),
            d if d.is_inexact() => Self::from_f64(dtype, value as f64),
            // The other bits of a byte of the host are zero, as `ml_dtypes` and XLA have them.
            DType::I2 | DType::I4 | DType::U2 | DType::U4 => {
                Self::from_bytes(dtype, &[value as u8 & ((1 << dtype.bits()) - 1)])
            }
            _ => Self::from_bytes(dtype, &value.to_le_bytes()),
        }
    }

    /// The same, weakly typed or not.
    #[must_use]
    pub fn with_weak_type(mut self, weak_type: bool) -> Self {
        self.weak_type = weak_type;
        self
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Does it yield to strong dtypes?
    pub fn weak_type(&self) -> bool {
        self.weak_type
    }

    /// The aval: rank 0.
    pub fn aval(&self) -> ShapedArray {
        ShapedArray::scalar(self.dtype, self.weak_type)
    }

    /// All sixteen bytes; the first `dtype().size()` are the element, little-endian.
    pub fn bytes(&self) -> [u8; 16] {
        let mut raw = [0u8; 16];
        for (bytes, word) in raw.chunks_exact_mut(4).zip(self.words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        raw
    }

    /// The first or second half of the bits.
    fn half(self, i: usize) -> u64 {
        u64::from(self.words[2 * i]) | u64::from(self.words[2 * i + 1]) << 32
    }

    /// The value as `f64` (complex: the real part).
    pub fn to_f64(self) -> f64 {
        let bits = self.half(0);
        match self.dtype {
            DType::BF16 => bf16::from_bits(bits as u16).to_f64(),
            DType::F16 => f16::from_bits(bits as u16).to_f64(),
            DType::F32 | DType::C64 => f64::from(f32::from_bits(bits as u32)),
            DType::F64 | DType::C128 => f64::from_bits(bits),
            dtype => match Format::of(dtype) {
                Some(format) => format.decode(bits as u8),
                None => self.to_i128() as f64,
            },
        }
    }

    /// The imaginary part; 0 for a real dtype.
    pub fn imag(self) -> f64 {
        match self.dtype {
            DType::C64 => f64::from(f32::from_bits(self.words[1])),
            DType::C128 => f64::from_bits(self.half(1)),
            _ => 0.0,
        }
    }

    /// The value of an integer or `bool`; floats are truncated.
    pub fn to_i128(self) -> i128 {
        let bits = self.half(0);
        match self.dtype {
            DType::Bool => i128::from(bits & 0xff != 0),
            DType::I2 => i128::from(I2::new(bits as i8).get()),
            DType::I4 => i128::from(I4::new(bits as i8).get()),
            DType::U2 => i128::from(U2::new(bits as u8).get()),
            DType::U4 => i128::from(U4::new(bits as u8).get()),
            DType::I8 => i128::from(bits as i8),
            DType::I16 => i128::from(bits as i16),
            DType::I32 => i128::from(bits as i32),
            DType::I64 => i128::from(bits as i64),
            DType::U8 => i128::from(bits as u8),
            DType::U16 => i128::from(bits as u16),
            DType::U32 => i128::from(bits as u32),
            DType::U64 => i128::from(bits),
            DType::Float0 => 0,
            _ => self.to_f64() as i128,
        }
    }

    /// The same value in another dtype, as `convert_element_type` would give it.
    #[must_use]
    pub fn convert(self, dtype: DType) -> Self {
        if dtype == self.dtype {
            return self;
        }
        let out = if self.dtype.is_complex() && dtype.is_complex() {
            Self::from_complex(dtype, Complex::new(self.to_f64(), self.imag()))
        } else if self.dtype.is_inexact() {
            Self::from_f64(dtype, self.to_f64())
        } else {
            Self::from_i128(dtype, self.to_i128())
        };
        out.with_weak_type(self.weak_type)
    }
}

/// How a float is printed.
#[derive(Clone, Copy)]
enum Style {
    Plain,
    Exponent,
}

fn float(f: &mut fmt::Formatter<'_>, dtype: DType, value: f64, style: Style) -> fmt::Result {
    // The shortest digits are those of the narrower type.
    let narrow = !matches!(dtype, DType::F64 | DType::C128);
    match (style, f.precision()) {
        _ if value.is_nan() => f.write_str("nan"),
        _ if value.is_infinite() => f.write_str(if value > 0.0 { "inf" } else { "-inf" }),
        (Style::Exponent, Some(places)) => write!(f, "{value:.places$e}"),
        (Style::Exponent, None) if narrow => write!(f, "{:e}", value as f32),
        (Style::Exponent, None) => write!(f, "{value:e}"),
        (Style::Plain, Some(places)) => write!(f, "{value:.places$}"),
        (Style::Plain, None) if narrow => write!(f, "{:?}", value as f32),
        (Style::Plain, None) => write!(f, "{value:?}"),
    }
}

/// One element of `T`'s dtype, strongly typed.
impl<T: Element> From<T> for Scalar {
    fn from(value: T) -> Self {
        Self::from_bytes(T::DTYPE, &T::to_bytes(&[value]))
    }
}

impl Scalar {
    fn print(&self, f: &mut fmt::Formatter<'_>, style: Style) -> fmt::Result {
        match self.dtype {
            DType::Bool => f.write_str(if self.to_i128() != 0 { "true" } else { "false" }),
            // As NumPy has it, for which it is a structure without fields.
            DType::Float0 => f.write_str("(b'',)"),
            d if d.is_complex() => {
                f.write_str("(")?;
                float(f, d, self.to_f64(), style)?;
                if self.imag() >= 0.0 {
                    f.write_str("+")?;
                }
                float(f, d, self.imag(), style)?;
                f.write_str("j)")
            }
            d if d.is_float() => float(f, d, self.to_f64(), style),
            _ => write!(f, "{}", self.to_i128()),
        }
    }

    /// The same number in another dtype of its kind.
    ///
    /// # Errors
    /// A dtype of another kind, or too small for an integer.
    pub(crate) fn read_as(self, dtype: DType) -> Result<Self> {
        let (from, value) = (self.dtype, self.to_i128());
        let kept = match from {
            d if d.is_complex() => dtype.is_complex(),
            d if d.is_float() => dtype.is_float(),
            d if d.is_bool() => dtype.is_bool(),
            _ => dtype.is_float() || (dtype.is_integer() && Self::from_i128(dtype, value).to_i128() == value),
        };
        if !kept {
            bail!(DType, "item: {self} of {from} cannot be read as {dtype}");
        }
        Ok(self.convert(dtype))
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.print(f, Style::Plain)
    }
}

impl fmt::LowerExp for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.print(f, Style::Exponent)
    }
}

impl fmt::Debug for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}:{:?}", self.aval())
    }
}
