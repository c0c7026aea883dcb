//! What most parameters begin with, before it is multiplied by a number; whole, or a part of it.

use super::continuous::{
    normal, normal_of, truncated_normal, truncated_normal_between, uniform_of_bits, uniform_with,
};
use super::{Key, UniformOptions};
use crate::core::array::Array;
use crate::core::config::PrngImpl;
use crate::dtype::DType;
use crate::lax::{add, bitwise_xor, broadcast, index_along, iota, literal, threefry2x32};

/// A distribution, of which a hash gives each number by itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Unscaled {
    /// Uniform numbers between this one and 1.
    Uniform(f64),
    Normal,
    TruncatedNormal {
        lower: f64,
        upper: f64,
    },
}

impl Unscaled {
    #[track_caller]
    pub fn draw(self, key: &Key, shape: &[usize], dtype: DType) -> Array {
        let of = (shape, dtype);
        match self {
            Unscaled::Uniform(minval) => uniform_with(key, of, UniformOptions::new().minval(minval)),
            Unscaled::Normal => normal(key, of),
            Unscaled::TruncatedNormal { lower, upper } => truncated_normal(key, lower, upper, of),
        }
    }

    /// Can such numbers be drawn in parts?
    pub fn has_parts(key: &Key, dtype: DType) -> bool {
        key.of() == PrngImpl::Threefry2x32 && dtype == DType::F32
    }

    /// So many numbers, `f32`, of all that the key gives, from the position of these two words on, which is a multiple of `len`.
    #[track_caller]
    pub fn part(self, key: &Key, [high, low]: [&Array; 2], len: usize) -> Array {
        let words = key.words();
        let low = add(low, &iota(DType::U32, len));
        let (x, y) =
            threefry2x32(&index_along(words, 0, 0), &index_along(words, 1, 0), &broadcast(high, [len]), &low);
        let bits = bitwise_xor(&x, &y);
        let number = |x: f64| literal(DType::F32, x);
        let uniform = |low: &Array, high: &Array| uniform_of_bits(&bits, DType::F32, low, high);
        match self {
            Unscaled::Uniform(minval) => uniform(&number(minval), &number(1.0)),
            Unscaled::Normal => normal_of(DType::F32, uniform),
            Unscaled::TruncatedNormal { lower, upper } => {
                truncated_normal_between(&number(lower), &number(upper), &[len], uniform)
            }
        }
    }
}
