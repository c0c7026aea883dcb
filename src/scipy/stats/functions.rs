//! How the functions of a distribution are written: by tables of names, arguments and formulas.

use crate::arguments::options;
use crate::core::array::Array;

options! {
    /// Where a distribution stands, and how wide it is.
    pub struct LocScaleOptions {
        /// By how much it is moved.
        loc: into Array = 0,
        /// By what it is stretched.
        scale: into Array = 1,
    }
}

options! {
    /// Where a distribution of integers stands.
    pub struct LocOptions {
        /// By how much it is moved.
        loc: into Array = 0,
    }
}

/// Public functions of a distribution: documentation, name, the name with options, arguments and the function of promoted arrays.
///
/// ```text
/// distribution! { "norm", LocScaleOptions: loc, scale;
///     /// The logarithm of the density.
///     logpdf logpdf_with(x) = log_density;
/// }
/// ```
macro_rules! distribution {
    ($module:literal, $options:ident: $option:ident $(, $more:ident)*; $($functions:tt)*) => {
        $crate::scipy::stats::functions::distribution!(@each $module, $options, [$option $($more)*], $($functions)*);
    };
    ($module:literal; $($(#[$doc:meta])* $name:ident($($arg:ident),*) = $f:expr;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        /// Shapes that do not broadcast; complex numbers.
        #[track_caller]
        pub fn $name($($arg: impl Into<Array>),*) -> Array {
            let args = promote_args_inexact(concat!($module, ".", stringify!($name)), [$(&$arg.into()),*]);
            $crate::core::trace::with_location($crate::core::trace::caller(), || $f(args))
        }
    )*};
    (@each $module:literal, $options:ident, $given:tt, $($(#[$doc:meta])* $name:ident $with:ident($($arg:ident),*) = $f:expr;)*) => {$(
        $crate::scipy::stats::functions::distribution!(@one $module, $options, $given, [$(#[$doc])*], $name, $with, [$($arg)*], $f);
    )*};
    (@one $module:literal, $options:ident, [$($option:ident)*], [$(#[$doc:meta])*], $name:ident, $with:ident, [$($arg:ident)*], $f:expr) => {
        $(#[$doc])*
        ///
        /// # Errors
        /// Shapes that do not broadcast; complex numbers.
        #[track_caller]
        pub fn $name($($arg: impl Into<Array>),*) -> Array {
            $with($($arg,)* $options::new())
        }

        #[doc = concat!("[`", stringify!($name), "`] of the distribution elsewhere.")]
        ///
        /// # Errors
        /// Shapes that do not broadcast; complex numbers.
        #[track_caller]
        pub fn $with($($arg: impl Into<Array>,)* options: $options) -> Array {
            let name = concat!($module, ".", stringify!($name));
            let args = promote_args_inexact(name, [$(&$arg.into(),)* $(&options.$option),*]);
            $crate::core::trace::with_location($crate::core::trace::caller(), || $f(args))
        }
    };
}
pub(crate) use distribution;

/// `x` as the standard distribution has it.
#[track_caller]
pub(super) fn standard(x: &Array, loc: &Array, scale: &Array) -> Array {
    crate::lax::div(&crate::lax::sub(x, loc), scale)
}
