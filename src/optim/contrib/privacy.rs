//! Gradients that tell little of any one example. Optax: `contrib/_privacy.py`.

use super::require_positive;
use crate::Pytree;
use crate::arguments::options;
use crate::core::array::Array;
use crate::error::throw;
use crate::optim::masking::chain;
use crate::optim::optimizers::momentum_of;
use crate::optim::scaling::scale_by_learning_rate;
use crate::optim::transformation::check_examples;
use crate::optim::{GradientTransformation, Hyperparam, Schedule, per_example_global_norm_clip};
use crate::random::{self, Key};
use crate::tree::AnyTree;

#[derive(Pytree)]
struct DifferentiallyPrivateAggregateState {
    rng_key: Key,
}

/// The mean of the gradients of examples, each clipped to a global norm of `l2_norm_clip`, with normal noise of `noise_multiplier` times
/// that in their sum. Abadi et al. 2016, <https://arxiv.org/abs/1607.00133>.
///
/// Gradients have a leading axis for the examples, which the parameters have not: `vmap` of `grad` gives them. So it is the first of a
/// [`chain`](crate::optim::chain), or alone.
/// ```
/// use raxla::{optim, prelude::*, random};
///
/// let tx = optim::differentially_private_aggregate(1.0, 0.0, &random::key(0));
/// let (params, xs) = (Array::from([1.0f32, 1.0]), Array::from([[3.0f32, 4.0], [0.3, 0.4]]));
/// let loss = |w: &Array, x: &Array| (w * x).sum(..);
/// let grads = vmap_with(grad(loss), VmapOptions::new().in_axes((None, 0)))(&params, &xs)?;
/// let (updates, _) = tx.update(&grads, &tx.init(&params)?, &params)?;
/// // The mean of `[0.6, 0.8]` and `[0.3, 0.4]`.
/// assert!((updates.to_vec::<f32>()?[1] - 0.6).abs() < 1e-6);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Panics
/// `differentially_private_aggregate: l2_norm_clip = 0: requires a positive number`; a negative `noise_multiplier`, at the caller's line.
#[track_caller]
pub fn differentially_private_aggregate(
    l2_norm_clip: impl Into<Hyperparam>,
    noise_multiplier: impl Into<Hyperparam>,
    key: &Key,
) -> GradientTransformation {
    let (clip, multiplier, key) = (l2_norm_clip.into(), noise_multiplier.into(), key.clone());
    require_positive("differentially_private_aggregate", "l2_norm_clip", &clip);
    if let Some(x) = multiplier.number().filter(|x| *x < 0.0 || !x.is_finite()) {
        throw!(
            InvalidArgument,
            "differentially_private_aggregate: noise_multiplier = {x}: requires a number of at least 0"
        );
    }
    GradientTransformation::of_examples(
        "differentially_private_aggregate",
        move |_| Ok(DifferentiallyPrivateAggregateState { rng_key: key.clone() }),
        move |grads, state: DifferentiallyPrivateAggregateState, cx| {
            let examples = check_examples(&grads, cx.params)?;
            let (sums, _) = per_example_global_norm_clip(&grads, &clip);
            let deviation = &clip * &multiplier;
            let split = random::SplitOptions::new().num(sums.leaves().len() + 1);
            let mut keys = random::split_with(&state.rng_key, split).iter();
            let rng_key = keys.next().unwrap_or(state.rng_key);
            let noised = |(g, key): (&Array, Key)| {
                (g + random::normal(&key, (g.shape(), g.dtype())) * &deviation) / examples
            };
            let noised = sums.leaves().iter().zip(keys).map(noised).collect();
            let updates = AnyTree::from_parts(sums.structure().clone(), noised)?;
            Ok((updates, DifferentiallyPrivateAggregateState { rng_key }))
        },
    )
}

options! {
    /// Options of [`dpsgd_with`].
    pub struct DpsgdOptions {
        /// Which part of the sum of gradients stays at each step.
        momentum: optional_into Hyperparam,
        /// Nesterov's momentum.
        nesterov: value bool = false,
    }
}

/// Differentially private gradient descent. Abadi et al. 2016, <https://arxiv.org/abs/1607.00133>.
///
/// Gradients are those of examples, as [`differentially_private_aggregate`] takes them. Optax makes the key of a seed.
///
/// # Panics
/// As [`differentially_private_aggregate`].
#[track_caller]
pub fn dpsgd(
    learning_rate: impl Into<Schedule>,
    l2_norm_clip: impl Into<Hyperparam>,
    noise_multiplier: impl Into<Hyperparam>,
    key: &Key,
) -> GradientTransformation {
    dpsgd_with(learning_rate, l2_norm_clip, noise_multiplier, key, DpsgdOptions::new())
}

/// [`dpsgd`] with momentum.
///
/// # Panics
/// As [`differentially_private_aggregate`].
#[track_caller]
pub fn dpsgd_with(
    learning_rate: impl Into<Schedule>,
    l2_norm_clip: impl Into<Hyperparam>,
    noise_multiplier: impl Into<Hyperparam>,
    key: &Key,
    options: DpsgdOptions,
) -> GradientTransformation {
    chain((
        differentially_private_aggregate(l2_norm_clip, noise_multiplier, key),
        momentum_of(options.momentum, options.nesterov, None),
        scale_by_learning_rate(learning_rate),
    ))
}
