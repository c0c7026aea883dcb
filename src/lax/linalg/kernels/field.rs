//! The numbers that kernels compute with: real and complex ones of 32 and 64 bits.

use std::fmt::Debug;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub, SubAssign};

use bytemuck::Pod;
use num_complex::Complex;

use super::reflections::Matrix;
use super::schur::{complex_qr, real_qr};

/// A real or complex number.
pub(in crate::lax::linalg) trait Field:
    Pod
    + Debug
    + PartialEq
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
{
    /// Its components.
    type Real: Real;
    const ZERO: Self;
    const ONE: Self;
    fn new(re: Self::Real, im: Self::Real) -> Self;
    fn re(self) -> Self::Real;
    fn im(self) -> Self::Real;
    fn conj(self) -> Self;
    /// The absolute value.
    fn abs(self) -> Self::Real;
    fn scale(self, by: Self::Real) -> Self;

    fn from_real(re: Self::Real) -> Self {
        Self::new(re, Self::Real::ZERO)
    }
    /// The sum of the absolute values of the components: what LAPACK compares pivots by.
    fn abs1(self) -> Self::Real {
        self.re().abs() + self.im().abs()
    }
    fn abs2(self) -> Self::Real {
        self.re() * self.re() + self.im() * self.im()
    }
    fn nan() -> Self {
        Self::new(Self::Real::NAN, Self::Real::NAN)
    }
    fn is_finite(self) -> bool {
        self.re().finite() && self.im().finite()
    }
    /// Makes a Hessenberg matrix Schur's form, and multiplies `z` by the vectors; `false` if it does not converge.
    fn hessenberg_qr(h: &mut Matrix<'_, Self>, z: &mut Matrix<'_, Self>) -> bool;
}

/// A real number.
pub(in crate::lax::linalg) trait Real: Field<Real = Self> + PartialOrd {
    const NAN: Self;
    /// The distance from 1 to the next number.
    const EPSILON: Self;
    /// The smallest number whose inverse is finite.
    const TINY: Self;
    fn of(x: f64) -> Self;
    fn root(self) -> Self;
    /// The root of the sum of squares, without overflow.
    fn hypotenuse(self, other: Self) -> Self;
    fn finite(self) -> bool;
    /// `self` with the sign of `other`.
    fn signed(self, other: Self) -> Self;
    fn larger(self, other: Self) -> Self {
        if other > self { other } else { self }
    }
    fn smaller(self, other: Self) -> Self {
        if other < self { other } else { self }
    }
}

macro_rules! fields {
    ($($t:ident)*) => {$(
        impl Field for $t {
            type Real = $t;
            const ZERO: $t = 0.0;
            const ONE: $t = 1.0;
            fn new(re: $t, _: $t) -> $t { re }
            fn re(self) -> $t { self }
            fn im(self) -> $t { 0.0 }
            fn conj(self) -> $t { self }
            fn abs(self) -> $t { <$t>::abs(self) }
            fn scale(self, by: $t) -> $t { self * by }
            fn hessenberg_qr(h: &mut Matrix<'_, Self>, z: &mut Matrix<'_, Self>) -> bool {
                real_qr(h, z)
            }
        }
        impl Field for Complex<$t> {
            type Real = $t;
            const ZERO: Self = Complex::new(0.0, 0.0);
            const ONE: Self = Complex::new(1.0, 0.0);
            fn new(re: $t, im: $t) -> Self { Complex::new(re, im) }
            fn re(self) -> $t { self.re }
            fn im(self) -> $t { self.im }
            fn conj(self) -> Self { Complex::new(self.re, -self.im) }
            fn abs(self) -> $t { self.re.hypot(self.im) }
            fn scale(self, by: $t) -> Self { Complex::new(self.re * by, self.im * by) }
            fn hessenberg_qr(h: &mut Matrix<'_, Self>, z: &mut Matrix<'_, Self>) -> bool {
                complex_qr(h, z)
            }
        }
        impl Real for $t {
            const NAN: $t = $t::NAN;
            const EPSILON: $t = $t::EPSILON;
            const TINY: $t = $t::MIN_POSITIVE;
            fn of(x: f64) -> $t { x as $t }
            fn root(self) -> $t { self.sqrt() }
            fn hypotenuse(self, other: $t) -> $t { self.hypot(other) }
            fn finite(self) -> bool { <$t>::is_finite(self) }
            fn signed(self, other: $t) -> $t { self.copysign(other) }
        }
    )*};
}
fields!(f32 f64);
