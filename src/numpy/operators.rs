//! Operators on arrays and numbers. JAX: `numpy/array_methods.py`.
//!
//! `+ - * / % & | ^ << >>` and their assigning forms take an array, a reference to one, or a number on either side, and
//! are the functions [`add`], [`subtract`], [`multiply`], [`true_divide`], [`remainder`], [`bitwise_and`],
//! [`bitwise_or`], [`bitwise_xor`], [`left_shift`] and [`right_shift`]: dtypes are promoted, shapes broadcast. So `/` of
//! integers gives floats, and `%` has the sign of the divisor, as in Python.
//!
//! On the right stands whatever an [`Array`] is made of; numbers on the left are `f64`, `i32`, `bool` and `Complex<f64>`,
//! one type of each kind: were `f32` accepted there beside `f64`, rustc could not tell which of them `1.0` is in
//! `(1.0 - x).sum(..)`. Numbers are weakly typed, so nothing is lost by writing `f64::from(rate) * x`.
//!
//! `==`, `<` and the like must give a `bool` in Rust, so they read the value: they are for control flow on arrays of one
//! element, such as `if loss < best`. On a tracer of `jit` or `vmap` they fail with `TracerBoolConversion`, as JAX's
//! `if x > 0:` does. For arrays of truth values there are [`less`](super::less), [`equal`](super::equal) and so on.

use std::cmp::Ordering;
use std::ops;

use num_complex::Complex;

use crate::core::array::Array;
use crate::error::OrThrow;
use crate::numpy::{
    add, bitwise_and, bitwise_not, bitwise_or, bitwise_xor, equal, greater, greater_equal, left_shift, less,
    less_equal, multiply, negative, remainder, right_shift, subtract, true_divide,
};

macro_rules! binary {
    ($($trait:ident $method:ident $assign:ident $assign_method:ident $function:ident;)*) => {$(
        // One impl for all that an array can be made of, so that `(x + 1).sin()` needs no type annotation.
        binary!(@right $trait $method $function; Array &Array);
        // One number type of each kind, so that literals infer.
        binary!(@left $trait $method $function; f64 i32 bool Complex<f64>);
        impl<T: Into<Array>> ops::$assign<T> for Array {
            #[track_caller]
            fn $assign_method(&mut self, other: T) {
                *self = $function(&*self, other);
            }
        }
    )*};
    (@right $trait:ident $method:ident $function:ident; $($left:ty)*) => {$(
        impl<T: Into<Array>> ops::$trait<T> for $left {
            type Output = Array;
            #[track_caller]
            fn $method(self, other: T) -> Array {
                $function(self, other)
            }
        }
    )*};
    (@left $trait:ident $method:ident $function:ident; $($left:ty)*) => {$(
        binary!(@pair $trait $method $function; $left, Array);
        binary!(@pair $trait $method $function; $left, &Array);
    )*};
    (@pair $trait:ident $method:ident $function:ident; $left:ty, $right:ty) => {
        impl ops::$trait<$right> for $left {
            type Output = Array;
            #[track_caller]
            fn $method(self, other: $right) -> Array {
                $function(self, other)
            }
        }
    };
}
binary! {
    Add add AddAssign add_assign add;
    Sub sub SubAssign sub_assign subtract;
    Mul mul MulAssign mul_assign multiply;
    Div div DivAssign div_assign true_divide;
    Rem rem RemAssign rem_assign remainder;
    BitAnd bitand BitAndAssign bitand_assign bitwise_and;
    BitOr bitor BitOrAssign bitor_assign bitwise_or;
    BitXor bitxor BitXorAssign bitxor_assign bitwise_xor;
    Shl shl ShlAssign shl_assign left_shift;
    Shr shr ShrAssign shr_assign right_shift;
}

macro_rules! unary {
    ($($trait:ident $method:ident $function:ident $t:ty;)*) => {$(
        impl ops::$trait for $t {
            type Output = Array;
            #[track_caller]
            fn $method(self) -> Array {
                $function(self)
            }
        }
    )*};
}
unary! {
    Neg neg negative Array;
    Neg neg negative &Array;
    Not not bitwise_not Array;
    Not not bitwise_not &Array;
}

macro_rules! compare {
    ($($right:ty, $borrow:tt;)*) => {$(
        impl PartialEq<$right> for Array {
            #[track_caller]
            fn eq(&self, other: &$right) -> bool {
                equal(self, compare!(@right $borrow, other)).truth().or_throw()
            }
        }
        impl PartialOrd<$right> for Array {
            #[track_caller]
            fn partial_cmp(&self, other: &$right) -> Option<Ordering> {
                [(Ordering::Less, *self < *other), (Ordering::Equal, *self == *other), (Ordering::Greater, *self > *other)]
                    .into_iter()
                    .find_map(|(order, holds)| holds.then_some(order))
            }
            #[track_caller]
            fn lt(&self, other: &$right) -> bool {
                less(self, compare!(@right $borrow, other)).truth().or_throw()
            }
            #[track_caller]
            fn le(&self, other: &$right) -> bool {
                less_equal(self, compare!(@right $borrow, other)).truth().or_throw()
            }
            #[track_caller]
            fn gt(&self, other: &$right) -> bool {
                greater(self, compare!(@right $borrow, other)).truth().or_throw()
            }
            #[track_caller]
            fn ge(&self, other: &$right) -> bool {
                greater_equal(self, compare!(@right $borrow, other)).truth().or_throw()
            }
        }
    )*};
    (@right array, $x:expr) => { $x };
    (@right number, $x:expr) => { *$x };
}
compare! {
    Array, array;
    f64, number;
    f32, number;
    i32, number;
    i64, number;
    usize, number;
    bool, number;
}
