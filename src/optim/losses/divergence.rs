//! Divergences of distributions. Optax: `losses/_classification.py`.

use super::{LossOptions, floats};
use crate::core::array::Array;
use crate::numpy;

/// `sum(targets (log targets - log_predictions))`, of probabilities and of logarithms of such.
#[track_caller]
pub fn kl_divergence(log_predictions: impl Into<Array>, targets: impl Into<Array>) -> Array {
    kl_divergence_with(log_predictions, targets, LossOptions::new())
}

/// [`kl_divergence`] along other axes, or of some elements.
#[track_caller]
pub fn kl_divergence_with(
    log_predictions: impl Into<Array>,
    targets: impl Into<Array>,
    options: LossOptions,
) -> Array {
    let (log_predictions, targets) = (log_predictions.into(), targets.into());
    floats("kl_divergence", "log_predictions", &log_predictions);
    floats("kl_divergence", "targets", &targets);
    let logs = numpy::where_(numpy::equal(&targets, 0), 0, numpy::log(&targets));
    options.sum(targets * (logs - log_predictions))
}

/// [`kl_divergence`] of logarithms of both.
#[track_caller]
pub fn kl_divergence_with_log_targets(
    log_predictions: impl Into<Array>,
    log_targets: impl Into<Array>,
) -> Array {
    kl_divergence_with_log_targets_with(log_predictions, log_targets, LossOptions::new())
}

/// [`kl_divergence_with_log_targets`] along other axes, or of some elements.
#[track_caller]
pub fn kl_divergence_with_log_targets_with(
    log_predictions: impl Into<Array>,
    log_targets: impl Into<Array>,
    options: LossOptions,
) -> Array {
    let (log_predictions, log_targets) = (log_predictions.into(), log_targets.into());
    floats("kl_divergence_with_log_targets", "log_predictions", &log_predictions);
    floats("kl_divergence_with_log_targets", "log_targets", &log_targets);
    options.sum(numpy::exp(&log_targets) * (&log_targets - log_predictions))
}

/// [`kl_divergence`] of positive numbers whose sums need not be 1.
#[track_caller]
pub fn generalized_kl_divergence(log_predictions: impl Into<Array>, targets: impl Into<Array>) -> Array {
    generalized_kl_divergence_with(log_predictions, targets, LossOptions::new())
}

/// [`generalized_kl_divergence`] along other axes, or of some elements.
#[track_caller]
pub fn generalized_kl_divergence_with(
    log_predictions: impl Into<Array>,
    targets: impl Into<Array>,
    options: LossOptions,
) -> Array {
    let (log_predictions, targets) = (log_predictions.into(), targets.into());
    let excess = options.sum(numpy::exp(&log_predictions) - &targets);
    kl_divergence_with(log_predictions, targets, options) + excess
}
