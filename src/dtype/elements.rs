//! Rust types of elements that Rust and the crate `half` lack. NumPy: the scalar types of `ml_dtypes`.

use std::cmp::Ordering;
use std::fmt;

use super::Format;

macro_rules! small_floats {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// It holds a number as an array of its dtype does; to compute with it, convert it.
        #[derive(Clone, Copy, Default)]
        #[repr(transparent)]
        pub struct $name(u8);

        impl $name {
            const FORMAT: Format = Format::$name;
            /// The largest finite number.
            pub const MAX: $name = $name(Self::FORMAT.max());
            /// The smallest finite number.
            pub const MIN: $name = $name(Self::FORMAT.min());
            /// The smallest positive number that has all digits.
            pub const MIN_POSITIVE: $name = $name(Self::FORMAT.tiny());

            /// The number of these bits, of which a float of four bits has the lower four.
            pub const fn from_bits(bits: u8) -> Self {
                $name(bits & Self::FORMAT.mask())
            }

            /// The bits.
            pub const fn to_bits(self) -> u8 {
                self.0
            }

            /// The nearest number; of two equally near ones the one whose bits are even.
            pub fn from_f32(value: f32) -> Self {
                Self::from_f64(f64::from(value))
            }

            /// As [`from_f32`](Self::from_f32), rounded once.
            pub fn from_f64(value: f64) -> Self {
                $name(Self::FORMAT.encode(value))
            }

            /// The number, exactly.
            pub fn to_f32(self) -> f32 {
                self.to_f64() as f32
            }

            /// The number, exactly.
            pub fn to_f64(self) -> f64 {
                Self::FORMAT.decode(self.0)
            }
        }

        impl From<$name> for f32 {
            fn from(value: $name) -> f32 {
                value.to_f32()
            }
        }

        impl From<$name> for f64 {
            fn from(value: $name) -> f64 {
                value.to_f64()
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.to_f64() == other.to_f64()
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                self.to_f64().partial_cmp(&other.to_f64())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.to_f32(), f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.to_f32(), f)
            }
        }
    )*};
}

small_floats! {
    /// A float of four bits, `float4_e2m1fn`: 0, ±0.5, ±1, ±1.5, ±2, ±3, ±4 and ±6. What is larger becomes 6, and NaN -0.
    F4E2M1FN;
    /// A float of eight bits, four of them the mantissa, with infinities: `float8_e3m4`, up to 15.5.
    F8E3M4;
    /// A float of eight bits, three of them the mantissa, with infinities: `float8_e4m3`, up to 240.
    F8E4M3;
    /// A float of eight bits, three of them the mantissa, without infinities or a negative zero, with a bias of 11:
    /// `float8_e4m3b11fnuz`, up to 30.
    F8E4M3B11FNUZ;
    /// A float of eight bits, three of them the mantissa, without infinities: `float8_e4m3fn`, up to 448. What is larger becomes NaN.
    /// ```
    /// use raxla::dtypes::F8E4M3FN;
    ///
    /// assert_eq!(F8E4M3FN::from_f32(300.0).to_f32(), 288.0);
    /// assert_eq!(F8E4M3FN::MAX.to_f32(), 448.0);
    /// assert!(F8E4M3FN::from_f32(1e6).to_f32().is_nan());
    /// ```
    F8E4M3FN;
    /// A float of eight bits, three of them the mantissa, without infinities or a negative zero: `float8_e4m3fnuz`, up to 240.
    F8E4M3FNUZ;
    /// A float of eight bits, two of them the mantissa, with infinities: `float8_e5m2`, up to 57344.
    F8E5M2;
    /// A float of eight bits, two of them the mantissa, without infinities or a negative zero: `float8_e5m2fnuz`, up to 57344.
    F8E5M2FNUZ;
    /// A power of two from 2⁻¹²⁷ to 2¹²⁷, or NaN: `float8_e8m0fnu`. What is not positive becomes NaN.
    F8E8M0FNU;
}

macro_rules! small_integers {
    ($($(#[$doc:meta])* $name:ident: $of:ident, $bits:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(transparent)]
        pub struct $name($of);

        impl $name {
            /// The largest.
            pub const MAX: $name = $name($of::MAX >> (8 - $bits));
            /// The smallest.
            pub const MIN: $name = $name($of::MIN >> (8 - $bits));

            /// The integer of the lowest bits: what does not fit wraps, as in `ml_dtypes`.
            pub const fn new(value: $of) -> Self {
                $name(value << (8 - $bits) >> (8 - $bits))
            }

            /// The bits, of which those that are too many are zero.
            pub const fn to_bits(self) -> u8 {
                self.0 as u8 & ((1 << $bits) - 1)
            }

            /// The integer of these bits, of which the lowest count.
            pub const fn from_bits(bits: u8) -> Self {
                Self::new(bits as $of)
            }

            /// The value.
            pub const fn get(self) -> $of {
                self.0
            }
        }

        impl From<$name> for $of {
            fn from(value: $name) -> $of {
                value.0
            }
        }

        impl From<$name> for i32 {
            fn from(value: $name) -> i32 {
                i32::from(value.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    )*};
}

small_integers! {
    /// An integer of two bits, `int2`: from -2 to 1.
    I2: i8, 2;
    /// An integer of four bits, `int4`: from -8 to 7.
    /// ```
    /// use raxla::dtypes::I4;
    ///
    /// assert_eq!((I4::new(-3).get(), I4::new(9).get(), I4::MAX.get()), (-3, -7, 7));
    /// ```
    I4: i8, 4;
    /// An unsigned integer of two bits, `uint2`: from 0 to 3.
    U2: u8, 2;
    /// An unsigned integer of four bits, `uint4`: from 0 to 15.
    U4: u8, 4;
}
