//! Bessel functions. JAX: `scipy/special.py`.

use crate::arguments::options;
use crate::calls::jit_call::jitted;
use crate::control_flow::{ScanOptions, scan_with};
use crate::core::array::Array;
use crate::core::aval::Shape;
use crate::error::OrThrow;
use crate::lax;
use crate::numpy::util::{inexact, reject_complex};
use crate::numpy::{equal, where_};

/// The modified Bessel function of the first kind and order zero.
#[track_caller]
pub fn i0(x: impl Into<Array>) -> Array {
    let x = inexact(&x.into());
    lax::mul(&lax::exp(&lax::abs(&x)), &lax::bessel_i0e(&x))
}

/// `e^(-|x|)` [`i0(x)`](i0), which does not overflow.
#[track_caller]
pub fn i0e(x: impl Into<Array>) -> Array {
    lax::bessel_i0e(&inexact(&x.into()))
}

/// The modified Bessel function of the first kind and order one.
#[track_caller]
pub fn i1(x: impl Into<Array>) -> Array {
    let x = inexact(&x.into());
    lax::mul(&lax::exp(&lax::abs(&x)), &lax::bessel_i1e(&x))
}

/// `e^(-|x|)` [`i1(x)`](i1), which does not overflow.
#[track_caller]
pub fn i1e(x: impl Into<Array>) -> Array {
    lax::bessel_i1e(&inexact(&x.into()))
}

options! {
    /// Options of [`bessel_jn_with`].
    pub struct BesselJnOptions {
        /// How many steps of the recurrence are taken: more than `v`, and more than `z`.
        n_iter: value usize = 50,
    }
}

/// The Bessel functions of the first kind of orders 0 to `v` at `z`, along a new first axis.
///
/// Fifty steps overflow where `z` is small, as in JAX: the result is NaN, and [`bessel_jn_with`] takes fewer.
///
/// ```
/// use raxla::scipy::special;
///
/// let j = special::bessel_jn(10.0, 1).to_vec::<f32>()?;
/// assert!((j[0] + 0.245_935_8).abs() < 1e-5 && (j[1] - 0.043_472_7).abs() < 1e-5);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Complex numbers.
#[track_caller]
pub fn bessel_jn(z: impl Into<Array>, v: usize) -> Array {
    bessel_jn_with(z, v, BesselJnOptions::new())
}

/// [`bessel_jn`] with another number of steps.
///
/// ```
/// use raxla::scipy::special::{self, BesselJnOptions};
///
/// let j = special::bessel_jn_with(1.0, 1, BesselJnOptions::new().n_iter(15)).to_vec::<f32>()?;
/// assert!((j[0] - 0.765_197_7).abs() < 1e-6 && (j[1] - 0.440_050_6).abs() < 1e-6);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`bessel_jn`].
#[track_caller]
pub fn bessel_jn_with(z: impl Into<Array>, v: usize, options: BesselJnOptions) -> Array {
    let n = options.n_iter;
    jitted("bessel_jn", (v, n), [&z.into()], |[z]| {
        let z = inexact(z);
        reject_complex("bessel_jn", &z);
        let z = lax::convert_element_type(&z, z.dtype());
        // Miller's backward recurrence: Jₖ = 2 (k + 1) / z Jₖ₊₁ - Jₖ₊₂ up to a factor, which Neumann's sum tells.
        let turn = |(after, next, sum): (Array, Array, Array), k: Array| {
            let f = 2.0 * (&k + 1.0) * &next / &z - &after;
            let even = equal(lax::rem(&k, &lax::full_like(&k, 2.0)), 0);
            let sum = &sum + where_(even, 2.0 * &f, lax::full_like(&f, 0.0));
            ((next, f.clone(), sum), f)
        };
        let init = (lax::full_like(&z, 0.0), lax::full_like(&z, 1e-16), lax::full_like(&z, 0.0));
        let orders = lax::iota(z.dtype(), n + 1);
        let ((_, _, sum), values) =
            scan_with(turn, init, orders, ScanOptions::new().reverse(true)).or_throw();
        let first = lax::index_along(&values, 0, 0);
        let kept = lax::slice_along(&values, 0, (v as i64 + 1).min(n as i64 + 1), 1, 0);
        let shape: Shape = std::iter::once(1).chain(z.shape().iter().copied()).collect();
        kept / lax::reshape(&(sum - first), shape)
    })
}
