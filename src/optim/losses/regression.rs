//! Losses of predicted numbers. Optax: `losses/_regression.py`.

use super::{LossOptions, floats, same_shape};
use crate::arguments::{Axes, options};
use crate::core::array::Array;
use crate::numpy;
use crate::optim::Hyperparam;

/// `(predictions - targets)²`.
#[track_caller]
pub fn squared_error(predictions: impl Into<Array>, targets: impl Into<Array>) -> Array {
    let (predictions, targets) = (predictions.into(), targets.into());
    floats("squared_error", "predictions", &predictions);
    same_shape("squared_error", ["predictions", "targets"], &predictions, &targets);
    numpy::square(predictions - targets)
}

/// Half of the [`squared_error`], whose derivative is the difference.
///
/// ```
/// use raxla::{Array, optim};
///
/// let loss = optim::l2_loss(Array::from([3.0f32]), Array::from([1.0f32]));
/// assert_eq!(loss.to_vec::<f32>()?, [2.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn l2_loss(predictions: impl Into<Array>, targets: impl Into<Array>) -> Array {
    let (predictions, targets) = (predictions.into(), targets.into());
    floats("l2_loss", "predictions", &predictions);
    same_shape("l2_loss", ["predictions", "targets"], &predictions, &targets);
    numpy::square(predictions - targets) * 0.5
}

options! {
    /// Options of [`huber_loss_with`].
    pub struct HuberOptions {
        /// Where the square becomes a line.
        delta: into Hyperparam = 1.0,
    }
}

/// Half of the square of a small difference, and a line beyond 1. Huber 1964.
#[track_caller]
pub fn huber_loss(predictions: impl Into<Array>, targets: impl Into<Array>) -> Array {
    huber_loss_with(predictions, targets, HuberOptions::new())
}

/// [`huber_loss`] with another width.
#[track_caller]
pub fn huber_loss_with(
    predictions: impl Into<Array>,
    targets: impl Into<Array>,
    options: HuberOptions,
) -> Array {
    let (predictions, delta) = (predictions.into(), options.delta);
    floats("huber_loss", "predictions", &predictions);
    let errors = numpy::abs(predictions - targets.into());
    // Not `max(|x| - d, 0)`, whose gradient at the corner would count twice.
    let quadratic = numpy::minimum(&errors, &delta);
    let linear = errors - &quadratic;
    numpy::square(&quadratic) * 0.5 + linear * &delta
}

/// `log(cosh(predictions - targets))`: a square near zero, a line far from it. Chen et al. 2019, <https://openreview.net/pdf?id=rkglvsC9Ym>.
#[track_caller]
pub fn log_cosh(predictions: impl Into<Array>, targets: impl Into<Array>) -> Array {
    let predictions = predictions.into();
    floats("log_cosh", "predictions", &predictions);
    let errors = predictions - targets.into();
    let minus = -&errors;
    numpy::logaddexp(errors, minus) - std::f64::consts::LN_2
}

options! {
    /// Options of [`cosine_similarity_with`] and [`cosine_distance_with`].
    pub struct CosineOptions {
        /// What squared norms count as at least.
        epsilon: into Hyperparam = 0.0,
        /// The axes of the features.
        axis: into Axes = Axes::from(-1),
        /// Only elements where this is true count.
        where_: optional_into Array,
    }
}

/// The cosine of the angle between two vectors.
#[track_caller]
pub fn cosine_similarity(predictions: impl Into<Array>, targets: impl Into<Array>) -> Array {
    cosine_similarity_with(predictions, targets, CosineOptions::new())
}

/// [`cosine_similarity`] of vectors along other axes.
#[track_caller]
pub fn cosine_similarity_with(
    predictions: impl Into<Array>,
    targets: impl Into<Array>,
    options: CosineOptions,
) -> Array {
    let (a, b) = (predictions.into(), targets.into());
    let CosineOptions { epsilon, axis, where_ } = options;
    floats("cosine_similarity", "predictions", &a);
    floats("cosine_similarity", "targets", &b);
    let over = LossOptions { axis, where_ };
    let unit = |x: &Array| {
        let squares = numpy::maximum(over.sum_keeping(numpy::square(x)), &epsilon);
        x / numpy::sqrt(squares)
    };
    over.sum(unit(&a) * unit(&b))
}

/// One less the [`cosine_similarity`].
#[track_caller]
pub fn cosine_distance(predictions: impl Into<Array>, targets: impl Into<Array>) -> Array {
    cosine_distance_with(predictions, targets, CosineOptions::new())
}

/// [`cosine_distance`] of vectors along other axes.
#[track_caller]
pub fn cosine_distance_with(
    predictions: impl Into<Array>,
    targets: impl Into<Array>,
    options: CosineOptions,
) -> Array {
    1.0 - cosine_similarity_with(predictions, targets, options)
}
