//! Layers whose parameters are normalised. Flax: `WeightNorm`, `SpectralNorm` in `linen/normalization.py`.

use crate::arguments::{Axes, options};
use crate::core::array::Array;
use crate::error::{OrThrow, throw};
use crate::lax;
use crate::nn::Scope;
use crate::nn::initializers::{self, Initializer};
use crate::numpy::{self, ReduceOptions};

options! {
    /// Options of [`weight_norm_with`].
    pub struct WeightNormOptions {
        /// Added to the square of the norm.
        epsilon: value f64 = 1e-12,
        /// Is the result multiplied by an array?
        use_scale: value bool = true,
        /// How the array that is multiplied by begins.
        scale_init: value Initializer = initializers::ones(),
        /// The axes each element of which has a norm and a scale of its own; `()` for one of all.
        feature_axes: into Axes = Axes::from(-1),
        /// Parameters that have this in their path are normalised; all, if it is empty.
        variable_filter: value &'static str = "kernel",
    }
}

/// The layers in `f`, with each kernel divided by its norm, times a scale. Salimans and Kingma 2016. Flax: `WeightNorm`.
///
/// Parameters, besides those of the layers: `weight_norm/kernel/scale`, `f32[features]`, for each `kernel`.
///
/// ```
/// use raxla::{nn, prelude::*, random};
///
/// let x = Array::from([[1.0f32, 2.0]]);
/// let layer = |cx: &nn::Scope| nn::weight_norm(cx, |cx| nn::linear(cx, &x, 3));
/// let params = nn::init(&random::key(0), layer)?;
/// assert_eq!(params.get("weight_norm/kernel/scale").map(Array::shape), Some(&[3][..]));
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// Those of `f`.
#[track_caller]
pub fn weight_norm<R>(cx: &Scope, f: impl FnOnce(&Scope) -> R) -> R {
    weight_norm_of(cx, f, WeightNormOptions::new())
}

/// [`weight_norm`], with options.
///
/// # Errors
/// As [`weight_norm`]; an axis out of range.
#[track_caller]
pub fn weight_norm_with<R>(cx: &Scope, f: impl FnOnce(&Scope) -> R, options: WeightNormOptions) -> R {
    weight_norm_of(cx, f, options)
}

#[track_caller]
fn weight_norm_of<R>(cx: &Scope, f: impl FnOnce(&Scope) -> R, options: WeightNormOptions) -> R {
    let normed = move |cx: &Scope, w: &Array| {
        if !cx.path().contains(options.variable_filter) {
            return w.clone();
        }
        let features = options.feature_axes.sorted("weight_norm", w.ndim()).or_throw();
        let others: Vec<usize> = (0..w.ndim()).filter(|axis| !features.contains(axis)).collect();
        let unit = unit(w, &others, options.epsilon);
        if !options.use_scale {
            return unit;
        }
        let mut broad = w.shape().to_vec();
        others.iter().for_each(|&axis| broad[axis] = 1);
        let sizes: Vec<usize> = features.iter().map(|&axis| w.shape()[axis]).collect();
        let scale = cx.raw_param("scale", sizes, options.scale_init.clone());
        unit * numpy::reshape(scale, broad)
    };
    f(&cx.mapped("weight_norm", normed))
}

/// `x` divided by its norm over axes.
#[track_caller]
fn unit(x: &Array, axes: &[usize], epsilon: f64) -> Array {
    let squares = numpy::sum_with(lax::square(x), axes, ReduceOptions::new().keepdims(true));
    x * lax::rsqrt(&(squares + epsilon))
}

options! {
    /// Options of [`spectral_norm_with`].
    pub struct SpectralNormOptions {
        /// Steps of the power iteration.
        n_steps: value usize = 1,
        /// Added to the squares of norms.
        epsilon: value f64 = 1e-12,
        /// Are kernels of more than two axes an error? Otherwise all axes but the last count as one.
        error_on_non_matrix: value bool = false,
        /// Is the state moved? If it is not given, while training.
        update_stats: optional bool,
    }
}

/// The layers in `f`, with each matrix divided by its largest singular value, of which each call computes a better estimate. Miyato et
/// al. 2018. Flax: `SpectralNorm`.
///
/// State, for each `kernel` of `n` features: `spectral_norm/kernel/u`, `f32[1, n]`, and `spectral_norm/kernel/sigma`, the last estimate.
///
/// # Errors
/// A model that is applied without state; those of `f`.
#[track_caller]
pub fn spectral_norm<R>(cx: &Scope, f: impl FnOnce(&Scope) -> R) -> R {
    spectral_norm_of(cx, f, SpectralNormOptions::new())
}

/// [`spectral_norm`], with options.
///
/// # Errors
/// As [`spectral_norm`]; `error_on_non_matrix`.
#[track_caller]
pub fn spectral_norm_with<R>(cx: &Scope, f: impl FnOnce(&Scope) -> R, options: SpectralNormOptions) -> R {
    spectral_norm_of(cx, f, options)
}

#[track_caller]
fn spectral_norm_of<R>(cx: &Scope, f: impl FnOnce(&Scope) -> R, options: SpectralNormOptions) -> R {
    let normed = move |cx: &Scope, w: &Array| {
        let [.., n] = *w.shape() else { return w.clone() };
        if w.ndim() == 1 || options.n_steps == 0 {
            return w.clone();
        }
        if w.ndim() > 2 && options.error_on_non_matrix {
            throw!(Shape, "spectral_norm: {} is no matrix but {}", cx.path(), w.aval());
        }
        let matrix = numpy::reshape(w, (-1, n));
        let mut u = cx.state("u", [1, n], initializers::normal(1.0));
        let sigma = cx.state("sigma", (), initializers::ones());
        let mut v = None;
        for _ in 0..options.n_steps {
            let left = unit(&numpy::matmul(&u, lax::transpose(&matrix, (1, 0))), &[0, 1], options.epsilon);
            u = unit(&numpy::matmul(&left, &matrix), &[0, 1], options.epsilon);
            v = Some(left);
        }
        let (u, Some(v)) = (lax::stop_gradient(&u), v) else { return w.clone() };
        let v = lax::stop_gradient(&v);
        let largest = numpy::matmul(numpy::matmul(v, &matrix), lax::transpose(&u, (1, 0))).index((0, 0));
        if options.update_stats.unwrap_or_else(|| cx.is_training()) {
            cx.set_state("u", &lax::convert_element_type(&u, sigma.dtype()));
            cx.set_state("sigma", &lax::convert_element_type(&largest, sigma.dtype()));
        }
        w / numpy::where_(numpy::not_equal(&largest, 0.0), &largest, 1.0)
    };
    f(&cx.mapped("spectral_norm", normed))
}
