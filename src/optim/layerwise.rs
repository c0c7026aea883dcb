//! Optimisers that look at norms of layers. Optax: `_src/alias.py`.

use super::accumulators::{TraceOptions, trace_with};
use super::masking::{Mask, chain, masked_by};
use super::moments::{ScaleByAdamOptions, scale_by_adam_with};
use super::scaling::*;
use super::{GradientTransformation, Hyperparam, Schedule};
use crate::arguments::options;

options! {
    /// Options of [`fromage_with`].
    pub struct FromageOptions {
        /// What norms count as at least.
        min_norm: into Hyperparam = 1e-6,
    }
}

/// Steps of the relative size that the rate says. Bernstein et al. 2020, <https://arxiv.org/abs/2002.03432>.
#[track_caller]
pub fn fromage(learning_rate: impl Into<Schedule>) -> GradientTransformation {
    fromage_with(learning_rate, FromageOptions::new())
}

/// [`fromage`] with another constant.
#[track_caller]
pub fn fromage_with(learning_rate: impl Into<Schedule>, options: FromageOptions) -> GradientTransformation {
    use crate::numpy::{sqrt, square};
    let rate = learning_rate.into();
    let known = |x: &Hyperparam| -> Hyperparam {
        match x.number() {
            Some(x) => (1.0 / (1.0 + x * x).sqrt()).into(),
            None => (1.0 / sqrt(1.0 + square(x))).into(),
        }
    };
    let mult = |x: crate::Array| 1.0 / sqrt(1.0 + square(x));
    let step = rate.map(|x| x * known(x), move |x| mult(x.clone()) * x);
    let decay = rate.map(|x| known(x) - 1.0, move |x| mult(x) - 1.0);
    let ratio = scale_by_trust_ratio_with(TrustRatioOptions::new().min_norm(options.min_norm));
    chain((ratio, scale_by_learning_rate(step), add_decayed_weights(decay)))
}

options! {
    /// Options of [`lars_with`].
    pub struct LarsOptions {
        /// What of the parameters is added to gradients.
        weight_decay: into Schedule = 0.0,
        /// Which parameters decay.
        weight_decay_mask: function Mask,
        /// What the ratio is multiplied by.
        trust_coefficient: into Hyperparam = 0.001,
        /// Added to the norm of gradients.
        eps: into Hyperparam = 0.0,
        /// Which parameters' steps are scaled by their norms.
        trust_ratio_mask: function Mask,
        /// Which part of the sum of updates stays at each step.
        momentum: into Hyperparam = 0.9,
        /// Nesterov's momentum.
        nesterov: value bool = false,
    }
}

/// Steps by the norms of layers, with momentum. You et al. 2017, <https://arxiv.org/abs/1708.03888>.
#[track_caller]
pub fn lars(learning_rate: impl Into<Schedule>) -> GradientTransformation {
    lars_with(learning_rate, LarsOptions::new())
}

/// [`lars`] with other constants.
#[track_caller]
pub fn lars_with(learning_rate: impl Into<Schedule>, options: LarsOptions) -> GradientTransformation {
    let LarsOptions {
        weight_decay,
        weight_decay_mask,
        trust_coefficient,
        eps,
        trust_ratio_mask,
        momentum,
        nesterov,
    } = options;
    let ratio = TrustRatioOptions::new().trust_coefficient(trust_coefficient).eps(eps);
    let all = || Mask::new(|_, _| true);
    chain((
        decayed_weights_of(weight_decay, Some(weight_decay_mask.unwrap_or_else(all))),
        masked_by(scale_by_trust_ratio_with(ratio), trust_ratio_mask.unwrap_or_else(all)),
        scale_by_learning_rate(learning_rate),
        trace_with(momentum, TraceOptions::new().nesterov(nesterov)),
    ))
}

options! {
    /// Options of [`lamb_with`].
    pub struct LambOptions {
        /// How much of the mean stays at each step.
        b1: into Hyperparam = 0.9,
        /// How much of the mean square stays at each step.
        b2: into Hyperparam = 0.999,
        /// Added to the square root.
        eps: into Hyperparam = 1e-6,
        /// Added below the square root.
        eps_root: into Hyperparam = 0.0,
        /// What of the parameters is added.
        weight_decay: into Schedule = 0.0,
        /// Which parameters decay.
        mask: function Mask,
    }
}

/// Adam by the norms of layers, for large batches. You et al. 2020, <https://arxiv.org/abs/1904.00962>.
#[track_caller]
pub fn lamb(learning_rate: impl Into<Schedule>) -> GradientTransformation {
    lamb_with(learning_rate, LambOptions::new())
}

/// [`lamb`] with other constants.
#[track_caller]
pub fn lamb_with(learning_rate: impl Into<Schedule>, options: LambOptions) -> GradientTransformation {
    let LambOptions { b1, b2, eps, eps_root, weight_decay, mask } = options;
    chain((
        scale_by_adam_with(ScaleByAdamOptions::new().b1(b1).b2(b2).eps(eps).eps_root(eps_root)),
        decayed_weights_of(weight_decay, mask),
        scale_by_trust_ratio(),
        scale_by_learning_rate(learning_rate),
    ))
}
