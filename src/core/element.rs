//! The Rust types of elements.

use std::borrow::Cow;

use half::{bf16, f16};
use num_complex::Complex;

use crate::dtype::{
    DType, F4E2M1FN, F8E3M4, F8E4M3, F8E4M3B11FNUZ, F8E4M3FN, F8E4M3FNUZ, F8E5M2, F8E5M2FNUZ, F8E8M0FNU, I2,
    I4, U2, U4,
};

/// A Rust type that is the element of an array.
pub trait Element: Copy + Send + Sync + 'static {
    /// The dtype of such elements.
    const DTYPE: DType;
    /// Little-endian bytes of the elements.
    fn to_bytes(elements: &[Self]) -> Cow<'_, [u8]>;
    /// The elements that these bytes hold.
    fn from_bytes(bytes: &[u8]) -> Vec<Self>;
}

macro_rules! element {
    ($($t:ty: $dtype:ident),*) => {$(
        impl Element for $t {
            const DTYPE: DType = DType::$dtype;
            fn to_bytes(elements: &[Self]) -> Cow<'_, [u8]> {
                Cow::Borrowed(bytemuck::cast_slice(elements))
            }
            fn from_bytes(bytes: &[u8]) -> Vec<Self> {
                bytes.chunks_exact(size_of::<$t>()).map(bytemuck::pod_read_unaligned).collect()
            }
        }
    )*};
}
element!(i8: I8, i16: I16, i32: I32, i64: I64, u8: U8, u16: U16, u32: U32, u64: U64, bf16: BF16, f16: F16);
element!(f32: F32, f64: F64, Complex<f32>: C64, Complex<f64>: C128);

/// Elements of at most eight bits that are not their own byte.
macro_rules! small_element {
    ($($t:ident),*) => {$(
        impl Element for $t {
            const DTYPE: DType = DType::$t;
            fn to_bytes(elements: &[Self]) -> Cow<'_, [u8]> {
                Cow::Owned(elements.iter().map(|x| x.to_bits()).collect())
            }
            fn from_bytes(bytes: &[u8]) -> Vec<Self> {
                bytes.iter().map(|b| $t::from_bits(*b)).collect()
            }
        }
    )*};
}
small_element!(
    F4E2M1FN,
    F8E3M4,
    F8E4M3,
    F8E4M3B11FNUZ,
    F8E4M3FN,
    F8E4M3FNUZ,
    F8E5M2,
    F8E5M2FNUZ,
    F8E8M0FNU,
    I2,
    I4,
    U2,
    U4
);

impl Element for bool {
    const DTYPE: DType = DType::Bool;
    fn to_bytes(elements: &[Self]) -> Cow<'_, [u8]> {
        Cow::Borrowed(bytemuck::cast_slice(elements))
    }
    fn from_bytes(bytes: &[u8]) -> Vec<Self> {
        bytes.iter().map(|b| *b != 0).collect()
    }
}
