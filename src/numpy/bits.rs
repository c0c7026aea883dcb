//! Bits packed into bytes. JAX: `numpy/lax_numpy.py`.

use crate::arguments::{OptAxis, options};
use crate::calls::jit_call::jitted;
use crate::core::array::Array;
use crate::dtype::DType;
use crate::error::throw;
use crate::lax;
use crate::lax::arguments::axis_of;
use crate::numpy::util::{constant, strong};
use crate::numpy::{bitwise_and, greater, left_shift, ravel, sum, swapaxes};

/// Which bit of a byte comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BitOrder {
    /// The one that counts most.
    #[default]
    Big,
    /// The one that counts least.
    Little,
}

options! {
    /// Options of [`packbits_with`].
    pub struct PackbitsOptions {
        /// Which bit comes first.
        bitorder: value BitOrder = BitOrder::Big,
    }
}

options! {
    /// Options of [`unpackbits_with`].
    pub struct UnpackbitsOptions {
        /// How many bits are given: the rest is left out, or zeros are put behind.
        count: optional usize,
        /// Which bit comes first.
        bitorder: value BitOrder = BitOrder::Big,
    }
}

/// The array with its axis in the last place, flattened for `..`, and which axis that is.
#[track_caller]
fn last(name: &str, x: &Array, axis: OptAxis) -> (Array, usize) {
    let (x, axis) = match axis.get() {
        None => (ravel(x), 0),
        Some(axis) => (x.clone(), axis_of(name, axis, x)),
    };
    (swapaxes(x, axis, -1), axis)
}

/// How far each bit of a byte is moved, in the order of the bits.
fn places(order: BitOrder) -> Array {
    let bits = lax::iota(DType::U8, 8);
    if order == BitOrder::Big { lax::rev(&bits, [0]) } else { bits }
}

/// What is not zero as bits of `u8`, eight to an element along an axis, or of the flattened array for `..`; zeros fill the last up.
///
/// # Errors
/// Floats; an axis out of range.
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let bits = Array::from([0, 0, 0, 0, 0, 1, 0, 1, 1]);
/// assert_eq!(jnp::packbits(&bits, ..).to_vec::<u8>()?, [5, 128]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn packbits(x: impl Into<Array>, axis: impl Into<OptAxis>) -> Array {
    packbits_with(x, axis, PackbitsOptions::new())
}

/// [`packbits`] by options.
///
/// # Errors
/// As [`packbits`].
#[track_caller]
pub fn packbits_with(x: impl Into<Array>, axis: impl Into<OptAxis>, options: PackbitsOptions) -> Array {
    let (axis, order) = (axis.into(), options.bitorder);
    jitted("packbits", (axis, order), [&x.into()], |[x]| {
        if x.dtype().is_inexact() {
            throw!(DType, "packbits: takes integers or truth values, got {}", x.aval());
        }
        let bits = strong(&lax::ne(x, &constant(x, 0.0)), DType::U8);
        let (mut bits, axis) = last("packbits", &bits, axis);
        let rank = bits.ndim();
        let n = bits.shape()[rank - 1];
        if !n.is_multiple_of(8) {
            let mut widths = vec![(0, 0, 0); rank];
            widths[rank - 1] = (0, (8 - n % 8) as i64, 0);
            bits = lax::pad(&bits, lax::literal(DType::U8, 0.0), &widths);
        }
        let mut shape = bits.shape().to_vec();
        shape[rank - 1] /= 8;
        shape.push(8);
        let bits = lax::reshape(&bits, shape);
        let moved = left_shift(bits, lax::expand_dims(&places(order), (0..rank).collect::<Vec<usize>>()));
        swapaxes(strong(&sum(moved, -1), DType::U8), axis, -1)
    })
}

/// The bits of `u8`, eight of `u8` for an element, along an axis, or of the flattened array for `..`.
///
/// # Errors
/// Another dtype than `u8`; an axis out of range.
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// assert_eq!(jnp::unpackbits(Array::from([5u8]), ..).to_vec::<u8>()?, [0, 0, 0, 0, 0, 1, 0, 1]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn unpackbits(x: impl Into<Array>, axis: impl Into<OptAxis>) -> Array {
    unpackbits_with(x, axis, UnpackbitsOptions::new())
}

/// [`unpackbits`] by options.
///
/// # Errors
/// As [`unpackbits`].
#[track_caller]
pub fn unpackbits_with(x: impl Into<Array>, axis: impl Into<OptAxis>, options: UnpackbitsOptions) -> Array {
    let (axis, count, order) = (axis.into(), options.count, options.bitorder);
    jitted("unpackbits", (axis, count, order), [&x.into()], |[x]| {
        if x.dtype() != DType::U8 {
            throw!(DType, "unpackbits: takes bytes, u8, got {}", x.aval());
        }
        let (x, axis) = last("unpackbits", x, axis);
        let rank = x.ndim();
        let masks = left_shift(lax::literal(DType::U8, 1.0), places(order));
        let masks = lax::expand_dims(&masks, (0..rank).collect::<Vec<usize>>());
        let bits = greater(bitwise_and(lax::expand_dims(&x, [rank]), masks), 0);
        let mut shape = x.shape().to_vec();
        shape[rank - 1] *= 8;
        let n = shape[rank - 1];
        let mut bits = lax::reshape(&strong(&bits, DType::U8), shape);
        if let Some(count) = count {
            bits = if count > n {
                let mut widths = vec![(0, 0, 0); rank];
                widths[rank - 1] = (0, (count - n) as i64, 0);
                lax::pad(&bits, lax::literal(DType::U8, 0.0), &widths)
            } else {
                lax::slice_along(&bits, None, count as i64, 1, -1)
            };
        }
        swapaxes(bits, axis, -1)
    })
}
