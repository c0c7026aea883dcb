//! The Rust types of elements.

use std::borrow::Cow;

use half::{bf16, f16};
use num_complex::Complex;

use crate::dtype::DType;

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

impl Element for bool {
    const DTYPE: DType = DType::Bool;
    fn to_bytes(elements: &[Self]) -> Cow<'_, [u8]> {
        Cow::Borrowed(bytemuck::cast_slice(elements))
    }
    fn from_bytes(bytes: &[u8]) -> Vec<Self> {
        bytes.iter().map(|b| *b != 0).collect()
    }
}
