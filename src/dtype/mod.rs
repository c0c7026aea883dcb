//! Element types. JAX: `jax.dtypes`. StableHLO: "Types".

mod elements;
mod format;
mod info;
mod packed;
mod promote;

use std::fmt;

pub use elements::{
    F4E2M1FN, F8E3M4, F8E4M3, F8E4M3B11FNUZ, F8E4M3FN, F8E4M3FNUZ, F8E5M2, F8E5M2FNUZ, F8E8M0FNU, I2, I4, U2,
    U4,
};
pub(crate) use format::Format;
pub use info::{FloatInfo, IntegerInfo};
pub(crate) use packed::{pack, unpack};
pub(crate) use promote::{NO_OPERATIONS, promote_as_given, strict_result_type};
pub use promote::{canonicalize, promote_types, result_type};

/// The element type of an [`Array`](crate::Array).
///
/// The floats of eight and four bits say in their names how many bits the exponent (`e`) and the mantissa (`m`) have, and what they
/// lack of IEEE 754's numbers: `fn` has no infinities, `uz` no negative zero, `b11` another bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[non_exhaustive]
pub enum DType {
    /// `bool`, one byte an element.
    Bool,
    /// `int2`, one byte an element on the host.
    I2,
    /// `int4`, one byte an element on the host.
    I4,
    /// `int8`.
    I8,
    /// `int16`.
    I16,
    /// `int32`.
    I32,
    /// `int64`; narrowed to `int32` while x64 is off.
    I64,
    /// `uint2`, one byte an element on the host.
    U2,
    /// `uint4`, one byte an element on the host.
    U4,
    /// `uint8`.
    U8,
    /// `uint16`.
    U16,
    /// `uint32`.
    U32,
    /// `uint64`; narrowed to `uint32` while x64 is off.
    U64,
    /// `float4_e2m1fn`, one byte an element on the host: finite numbers only.
    F4E2M1FN,
    /// `float8_e3m4`.
    F8E3M4,
    /// `float8_e4m3`: with infinities.
    F8E4M3,
    /// `float8_e4m3b11fnuz`.
    F8E4M3B11FNUZ,
    /// `float8_e4m3fn`: what models are usually stored in.
    F8E4M3FN,
    /// `float8_e4m3fnuz`.
    F8E4M3FNUZ,
    /// `float8_e5m2`: the upper half of a `float16`.
    F8E5M2,
    /// `float8_e5m2fnuz`.
    F8E5M2FNUZ,
    /// `float8_e8m0fnu`: powers of two, which scale blocks of numbers; no zero and no signs.
    F8E8M0FNU,
    /// `bfloat16`.
    BF16,
    /// `float16`.
    F16,
    /// `float32`.
    F32,
    /// `float64`; narrowed to `float32` while x64 is off.
    F64,
    /// `complex64`: two `float32`.
    C64,
    /// `complex128`: two `float64`.
    C128,
    /// `float0`: of derivatives with respect to integers and booleans, which have a shape and no values. No operation computes with
    /// it. A byte an element on the host, which is zero.
    Float0,
}

/// What there is to say of a dtype: bits of one real component, JAX's short name, NumPy's name, StableHLO's.
struct Row(usize, &'static str, &'static str, &'static str);

impl DType {
    /// Every dtype of numbers: all but [`Float0`](Self::Float0).
    pub const ALL: [DType; 28] = [
        DType::Bool,
        DType::I2,
        DType::I4,
        DType::I8,
        DType::I16,
        DType::I32,
        DType::I64,
        DType::U2,
        DType::U4,
        DType::U8,
        DType::U16,
        DType::U32,
        DType::U64,
        DType::F4E2M1FN,
        DType::F8E3M4,
        DType::F8E4M3,
        DType::F8E4M3B11FNUZ,
        DType::F8E4M3FN,
        DType::F8E4M3FNUZ,
        DType::F8E5M2,
        DType::F8E5M2FNUZ,
        DType::F8E8M0FNU,
        DType::BF16,
        DType::F16,
        DType::F32,
        DType::F64,
        DType::C64,
        DType::C128,
    ];

    const fn row(self) -> Row {
        match self {
            DType::Bool => Row(8, "bool", "bool", "i1"),
            DType::I2 => Row(2, "i2", "int2", "i2"),
            DType::I4 => Row(4, "i4", "int4", "i4"),
            DType::I8 => Row(8, "i8", "int8", "i8"),
            DType::I16 => Row(16, "i16", "int16", "i16"),
            DType::I32 => Row(32, "i32", "int32", "i32"),
            DType::I64 => Row(64, "i64", "int64", "i64"),
            DType::U2 => Row(2, "u2", "uint2", "ui2"),
            DType::U4 => Row(4, "u4", "uint4", "ui4"),
            DType::U8 => Row(8, "u8", "uint8", "ui8"),
            DType::U16 => Row(16, "u16", "uint16", "ui16"),
            DType::U32 => Row(32, "u32", "uint32", "ui32"),
            DType::U64 => Row(64, "u64", "uint64", "ui64"),
            DType::F4E2M1FN => Row(4, "f4_e2m1fn", "float4_e2m1fn", "f4E2M1FN"),
            DType::F8E3M4 => Row(8, "f8_e3m4", "float8_e3m4", "f8E3M4"),
            DType::F8E4M3 => Row(8, "f8_e4m3", "float8_e4m3", "f8E4M3"),
            DType::F8E4M3B11FNUZ => Row(8, "f8_e4m3b11fnuz", "float8_e4m3b11fnuz", "f8E4M3B11FNUZ"),
            DType::F8E4M3FN => Row(8, "f8_e4m3fn", "float8_e4m3fn", "f8E4M3FN"),
            DType::F8E4M3FNUZ => Row(8, "f8_e4m3fnuz", "float8_e4m3fnuz", "f8E4M3FNUZ"),
            DType::F8E5M2 => Row(8, "f8_e5m2", "float8_e5m2", "f8E5M2"),
            DType::F8E5M2FNUZ => Row(8, "f8_e5m2fnuz", "float8_e5m2fnuz", "f8E5M2FNUZ"),
            DType::F8E8M0FNU => Row(8, "f8_e8m0fnu", "float8_e8m0fnu", "f8E8M0FNU"),
            DType::BF16 => Row(16, "bf16", "bfloat16", "bf16"),
            DType::F16 => Row(16, "f16", "float16", "f16"),
            DType::F32 => Row(32, "f32", "float32", "f32"),
            DType::F64 => Row(64, "f64", "float64", "f64"),
            DType::C64 => Row(32, "c64", "complex64", "complex<f32>"),
            DType::C128 => Row(64, "c128", "complex128", "complex<f64>"),
            DType::Float0 => Row(8, "float0", "float0", "i1"),
        }
    }

    /// Bytes per element on the host, where elements of two and four bits have a byte each.
    pub const fn size(self) -> usize {
        let parts = if self.is_complex() { 2 } else { 1 };
        parts * self.bits().div_ceil(8)
    }

    /// JAX's short name, as jaxprs print it: `f32`, `i32`, `bool`, `f8_e4m3fn`.
    pub const fn short_name(self) -> &'static str {
        self.row().1
    }

    /// NumPy's name: `float32`, `int32`, `bool`, `float8_e4m3fn`.
    pub const fn name(self) -> &'static str {
        self.row().2
    }

    /// The name of the element type in StableHLO text: `f32`, `ui8`, `i1`, `complex<f32>`, `f8E4M3FN`.
    pub const fn mlir_name(self) -> &'static str {
        self.row().3
    }

    /// Is this `bool`?
    pub const fn is_bool(self) -> bool {
        matches!(self, DType::Bool)
    }
    /// Signed or unsigned integer, not `bool`.
    pub const fn is_integer(self) -> bool {
        self.is_signed() || self.is_unsigned()
    }
    /// Signed integer.
    pub const fn is_signed(self) -> bool {
        matches!(self, DType::I2 | DType::I4 | DType::I8 | DType::I16 | DType::I32 | DType::I64)
    }
    /// Unsigned integer, not `bool`.
    pub const fn is_unsigned(self) -> bool {
        matches!(self, DType::U2 | DType::U4 | DType::U8 | DType::U16 | DType::U32 | DType::U64)
    }
    /// Real floating point, of any width.
    pub const fn is_float(self) -> bool {
        matches!(self, DType::BF16 | DType::F16 | DType::F32 | DType::F64) || self.is_small_float()
    }
    /// A float of eight bits or fewer, which promotes to no other float.
    pub const fn is_small_float(self) -> bool {
        matches!(
            self,
            DType::F4E2M1FN
                | DType::F8E3M4
                | DType::F8E4M3
                | DType::F8E4M3B11FNUZ
                | DType::F8E4M3FN
                | DType::F8E4M3FNUZ
                | DType::F8E5M2
                | DType::F8E5M2FNUZ
                | DType::F8E8M0FNU
        )
    }
    /// Fewer than eight bits an element: a device packs several into a byte.
    pub const fn is_sub_byte(self) -> bool {
        self.bits() < 8
    }
    /// Complex floating point.
    pub const fn is_complex(self) -> bool {
        matches!(self, DType::C64 | DType::C128)
    }
    /// Real or complex floating point: what has a derivative (JAX: `inexact`).
    pub const fn is_inexact(self) -> bool {
        self.is_float() || self.is_complex()
    }
    /// Bits of one real component: 32 for `f32` and `c64`; 8 for `bool`; 4 for `i4`.
    pub const fn bits(self) -> usize {
        self.row().0
    }
    /// The dtype of the real part: `c64` -> `f32`; any other dtype is itself.
    pub const fn real(self) -> DType {
        match self {
            DType::C64 => DType::F32,
            DType::C128 => DType::F64,
            other => other,
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.short_name())
    }
}
