//! Structs of options: what JAX takes as keyword arguments.

/// Makes a struct of options: `#[non_exhaustive]`, `Default`, `new()`, and a builder method for each option.
///
/// A row is `name: value T = default`, or `into T = default` where the method takes `impl Into<T>`; `optional T` and
/// `optional_into T` are left out (`None`) unless they are given, and stand for JAX's `None`. `function Mask` takes a function of a
/// parameter's path and value.
///
/// ```text
/// options! {
///     /// Options of [`sum_with`].
///     pub struct ReduceOptions {
///         /// The dtype to compute in and to return.
///         dtype: optional DType,
///         /// Only elements where this is true count.
///         where_: optional_into Array,
///         /// Do the reduced axes stay, with size one?
///         keepdims: value bool = false,
///     }
/// }
/// ```
macro_rules! options {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident {
            $($(#[$doc:meta])* $field:ident: $kind:ident $ty:ty $(= $default:expr)?,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug)]
        #[non_exhaustive]
        $vis struct $name {
            $(pub(crate) $field: $crate::arguments::options!(@type $kind $ty),)*
        }

        impl Default for $name {
            fn default() -> Self {
                $name { $($field: $crate::arguments::options!(@default $kind $($default)?),)* }
            }
        }

        impl $name {
            /// JAX's defaults.
            #[must_use]
            pub fn new() -> Self {
                <Self as Default>::default()
            }
            $(
                $crate::arguments::options!(@method $kind $field $ty, $(#[$doc])*);
            )*
        }
    };
    (@type value $ty:ty) => { $ty };
    (@type into $ty:ty) => { $ty };
    (@type optional $ty:ty) => { Option<$ty> };
    (@type optional_into $ty:ty) => { Option<$ty> };
    (@type function $ty:ty) => { Option<$ty> };
    (@default value $default:expr) => { $default };
    (@default into $default:expr) => { $default.into() };
    (@default optional) => { None };
    (@default optional_into) => { None };
    (@default function) => { None };
    (@method value $field:ident $ty:ty, $(#[$doc:meta])*) => {
        $(#[$doc])*
        #[must_use]
        pub fn $field(mut self, $field: $ty) -> Self {
            self.$field = $field;
            self
        }
    };
    (@method into $field:ident $ty:ty, $(#[$doc:meta])*) => {
        $(#[$doc])*
        #[must_use]
        pub fn $field(mut self, $field: impl Into<$ty>) -> Self {
            self.$field = $field.into();
            self
        }
    };
    // A closure is not known to be one by `Into`, so that its arguments would want types.
    (@method function $field:ident $ty:ty, $(#[$doc:meta])*) => {
        $(#[$doc])*
        #[must_use]
        pub fn $field(mut self, $field: impl Fn(&str, &$crate::Array) -> bool + Send + Sync + 'static) -> Self {
            self.$field = Some(<$ty>::new($field));
            self
        }
    };
    (@method optional $field:ident $ty:ty, $(#[$doc:meta])*) => {
        $(#[$doc])*
        #[must_use]
        pub fn $field(mut self, $field: $ty) -> Self {
            self.$field = Some($field);
            self
        }
    };
    (@method optional_into $field:ident $ty:ty, $(#[$doc:meta])*) => {
        $(#[$doc])*
        #[must_use]
        pub fn $field(mut self, $field: impl Into<$ty>) -> Self {
            self.$field = Some($field.into());
            self
        }
    };
}
pub(crate) use options;

#[cfg(test)]
mod tests {
    use crate::arguments::Axis;

    options! {
        /// All kinds of rows.
        struct AllOptions {
            /// A flag.
            keepdims: value bool = true,
            /// An axis.
            axis: into Axis = -1,
            /// A count.
            length: optional usize,
            /// Another axis.
            other: optional_into Axis,
        }
    }

    #[test]
    fn options_have_defaults_and_builder_methods() {
        let o = AllOptions::new();
        assert!(o.keepdims);
        assert_eq!((o.axis, o.length, o.other), (Axis::from(-1), None, None));
        let o = AllOptions::new().keepdims(false).axis(2usize).length(3).other(1);
        assert!(!o.keepdims);
        assert_eq!((o.axis, o.length, o.other), (Axis::from(2), Some(3), Some(Axis::from(1))));
    }
}
