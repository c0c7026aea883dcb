//! Dropout. Flax: `linen/stochastic.py`.

use crate::arguments::{Axes, options};
use crate::core::array::Array;
use crate::error::{OrThrow, throw};
use crate::nn::Scope;
use crate::{numpy, random};

options! {
    /// Options of [`dropout_with`].
    pub struct DropoutOptions {
        /// Axes along which all elements are dropped together.
        broadcast_dims: into Axes = Axes::from(()),
    }
}

/// While training, `x` with each element zero with probability `rate`, and the others divided by `1 - rate`; else `x`.
/// Srivastava et al. 2014. Flax: `Dropout`.
///
/// # Errors
/// A rate outside of `0..=1`; training without a key.
#[track_caller]
pub fn dropout(cx: &Scope, x: impl Into<Array>, rate: f64) -> Array {
    dropout_with(cx, x, rate, DropoutOptions::new())
}

/// [`dropout`], with options.
///
/// # Errors
/// As [`dropout`]; an axis out of range.
#[track_caller]
pub fn dropout_with(cx: &Scope, x: impl Into<Array>, rate: f64, options: DropoutOptions) -> Array {
    let x = x.into();
    if !(0.0..=1.0).contains(&rate) {
        throw!(InvalidArgument, "dropout: a rate is between 0 and 1, got {rate}");
    }
    if !cx.is_training() || rate == 0.0 {
        return x;
    }
    if rate == 1.0 {
        return numpy::zeros_like(&x);
    }
    let together = options.broadcast_dims.sorted("dropout", x.ndim()).or_throw();
    let mut shape = x.shape().to_vec();
    together.iter().for_each(|&axis| shape[axis] = 1);
    let kept = random::bernoulli(&cx.key(), 1.0 - rate, shape);
    numpy::where_(kept, &x / (1.0 - rate), 0.0)
}
