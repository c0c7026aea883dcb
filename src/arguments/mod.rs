//! What functions are told besides arrays: axes, shapes, dtypes, options. One way to say each, everywhere.
//!
//! | a parameter | takes |
//! |---|---|
//! | `axis: impl Into<Axis>` | one integer; negative ones count from the end |
//! | `axis: impl Into<OptAxis>` | the same, or `..` for the flattened array |
//! | `axes: impl Into<Axes>` | an integer, a tuple, an array, a slice or a `Vec` of integers, `()` for none, `..` for all |
//! | `shape: impl Into<Dims>` | sizes: an integer, a tuple, an array, a slice or a `Vec` of them, `()` for a scalar |
//! | `shape: impl Into<NewDims>` | the same, where one size may be -1 |
//! | `shape: impl Into<ShapeDtype>` | sizes alone, for JAX's default dtype, or `(sizes, dtype)` |
//! | `arrays: impl AsRef<[T]>`, `T: Borrow<Array>` | an array, a slice or a `Vec` of arrays or of references to them |
//! | `options: FOptions` | `FOptions::new().option(value)`: all that JAX has beyond what the short form takes |
//!
//! ```
//! use raxla::{Axes, Dims, NewDims, ShapeDtype, DType};
//!
//! assert_eq!(Axes::from((0, -1)), Axes::from([0, -1]));
//! assert_eq!(Dims::from((2, 3)), Dims::from(&[2usize, 3][..]));
//! assert_eq!(NewDims::from((4usize, -1)), NewDims::from([4, -1]));
//! assert_eq!(ShapeDtype::from(([2, 3], DType::BF16)).dtype(), Some(DType::BF16));
//! ```

mod axis;
mod dims;
mod options;

pub use axis::{Axes, Axis, OptAxis};
pub use dims::{Dims, NewDims, ShapeDtype, Shifts};
pub(crate) use options::options;

use smallvec::SmallVec;

/// Integers as they were given.
type Integers = SmallVec<[i64; 4]>;

mod sealed {
    pub trait Sealed {}
}

/// An integer that can be an axis or a size: `i32` (Rust's own default for literals), `i64`, `isize`, `u32`, `usize`.
pub trait Integer: Copy + sealed::Sealed {
    /// The same number. Sizes beyond `i64` saturate, and are refused where a shape is made of them.
    fn to_i64(self) -> i64;
}

macro_rules! integers {
    ($($t:ty),*) => {$(
        impl sealed::Sealed for $t {}
        impl Integer for $t {
            fn to_i64(self) -> i64 {
                i64::try_from(self).unwrap_or(i64::MAX)
            }
        }
    )*};
}
integers!(i32, i64, isize, u32, usize);

/// Conversions into `$to` from everything that lists integers; `$of` makes it of [`Integers`].
macro_rules! from_lists {
    ($to:ty, $of:expr) => {
        impl From<()> for $to {
            fn from((): ()) -> Self {
                $of(Integers::new())
            }
        }
        impl<I: Integer> From<I> for $to {
            fn from(one: I) -> Self {
                $of(Integers::from_elem(one.to_i64(), 1))
            }
        }
        impl<I: Integer, const N: usize> From<[I; N]> for $to {
            fn from(list: [I; N]) -> Self {
                Self::from(&list[..])
            }
        }
        impl<I: Integer, const N: usize> From<&[I; N]> for $to {
            fn from(list: &[I; N]) -> Self {
                Self::from(&list[..])
            }
        }
        impl<I: Integer> From<&[I]> for $to {
            fn from(list: &[I]) -> Self {
                $of(list.iter().map(|i| i.to_i64()).collect())
            }
        }
        impl<I: Integer> From<Vec<I>> for $to {
            fn from(list: Vec<I>) -> Self {
                Self::from(&list[..])
            }
        }
        impl<I: Integer> From<&Vec<I>> for $to {
            fn from(list: &Vec<I>) -> Self {
                Self::from(&list[..])
            }
        }
        impl<I: Integer, const N: usize> From<SmallVec<[I; N]>> for $to {
            fn from(list: SmallVec<[I; N]>) -> Self {
                Self::from(&list[..])
            }
        }
        impl<I: Integer, const N: usize> From<&SmallVec<[I; N]>> for $to {
            fn from(list: &SmallVec<[I; N]>) -> Self {
                Self::from(&list[..])
            }
        }
        from_lists!(@tuple $to, $of, A a);
        from_lists!(@tuple $to, $of, A a, B b);
        from_lists!(@tuple $to, $of, A a, B b, C c);
        from_lists!(@tuple $to, $of, A a, B b, C c, D d);
        from_lists!(@tuple $to, $of, A a, B b, C c, D d, E e);
        from_lists!(@tuple $to, $of, A a, B b, C c, D d, E e, F f);
    };
    (@tuple $to:ty, $of:expr, $($t:ident $x:ident),*) => {
        impl<$($t: Integer),*> From<($($t,)*)> for $to {
            fn from(($($x,)*): ($($t,)*)) -> Self {
                $of([$($x.to_i64()),*].into_iter().collect())
            }
        }
    };
}
pub(crate) use from_lists;
