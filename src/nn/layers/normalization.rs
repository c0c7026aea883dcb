//! Layers that normalise. Flax: `linen/normalization.py`.

use crate::arguments::{Axes, options};
use crate::core::array::Array;
use crate::dtype::DType;
use crate::error::OrThrow;
use crate::lax;
use crate::nn::Scope;
use crate::nn::initializers::{self, Initializer};
use crate::numpy::{self, ReduceOptions, mean_with};

options! {
    /// Options of [`layer_norm_with`].
    pub struct LayerNormOptions {
        /// Added to the variance.
        epsilon: value f64 = 1e-6,
        /// Is a vector added?
        use_bias: value bool = true,
        /// Is the result multiplied by a vector?
        use_scale: value bool = true,
        /// How the vector that is added begins.
        bias_init: value Initializer = initializers::zeros(),
        /// How the vector that is multiplied by begins.
        scale_init: value Initializer = initializers::ones(),
        /// The axes over which mean and variance are taken.
        reduction_axes: into Axes = Axes::from(-1),
    }
}

/// `x` less its mean over the last axis, divided by its standard deviation, times `scale`, plus `bias`. Ba et al. 2016. Flax:
/// `LayerNorm`.
///
/// Parameters: `scale` and `bias`, `f32[n]`.
///
/// # Errors
/// A scalar input; those of [`Scope::param`].
#[track_caller]
pub fn layer_norm(cx: &Scope, x: impl Into<Array>) -> Array {
    layer_norm_with(cx, x, LayerNormOptions::new())
}

/// [`layer_norm`], with options.
///
/// # Errors
/// As [`layer_norm`]; an axis out of range.
#[track_caller]
pub fn layer_norm_with(cx: &Scope, x: impl Into<Array>, options: LayerNormOptions) -> Array {
    let x = x.into();
    let axes = options.reduction_axes.sorted("layer_norm", x.ndim()).or_throw();
    let (mean, variance) = moments(&x, &axes);
    let features: Vec<usize> = axes.iter().map(|&axis| x.shape()[axis]).collect();
    let mut broad = vec![1; x.ndim()];
    axes.iter().for_each(|&axis| broad[axis] = x.shape()[axis]);
    let vector = |name, initializer: &Initializer| {
        numpy::reshape(cx.param(name, &features, initializer.clone()), &broad)
    };
    let mut factor = lax::rsqrt(&(variance + options.epsilon));
    if options.use_scale {
        factor *= vector("scale", &options.scale_init);
    }
    let mut y = (widened(&x) - mean) * factor;
    if options.use_bias {
        y += vector("bias", &options.bias_init);
    }
    cx.mode().to_compute(&y)
}

/// 16-bit floats as `f32`: sums of many of them would lose too much.
fn widened(x: &Array) -> Array {
    match x.dtype() {
        DType::BF16 | DType::F16 => lax::convert_element_type(x, DType::F32),
        _ => x.clone(),
    }
}

/// Mean and variance over axes, which stay with size one. The variance is the mean of squares less the square of the mean, which
/// needs `x` once; rounding must not make it negative.
fn moments(x: &Array, axes: &[usize]) -> (Array, Array) {
    let x = widened(x);
    let kept = || ReduceOptions::new().keepdims(true);
    let mean = mean_with(&x, axes, kept());
    let squares = mean_with(lax::square(&x), axes, kept());
    let variance = numpy::maximum(squares - lax::square(&mean), 0.0);
    (mean, variance)
}
