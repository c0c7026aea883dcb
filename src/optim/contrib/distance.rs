//! Rates by the distance from where it began: DoG, DoWG. Optax: `contrib/_dog.py`.

use super::{narrowest_float, require_positive};
use crate::Pytree;
use crate::arguments::options;
use crate::core::array::Array;
use crate::numpy;
use crate::optim::masking::{Mask, chain};
use crate::optim::math::{global_norm, norm_sq, sub, tree_scale};
use crate::optim::scaling::{decayed_weights_of, scale_by_learning_rate};
use crate::optim::{GradientTransformation, Hyperparam, Schedule, identity};
use crate::tree::AnyTree;

/// How [`dog`] makes its first step, which must be small.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum DogInitStep {
    /// As if it had gone so far.
    Distance(f64),
    /// By this rate.
    LearningRate(f64),
    /// As if it had gone this part of `1 + |params|`. The paper has 1e-6, and 1e-4 with batch normalisation.
    Heuristic(f64),
}

#[derive(Pytree)]
struct DogState {
    is_init_step: Array,
    init_params: AnyTree,
    max_dist: Array,
    sum_sq_norm_grads: Array,
}

/// The largest distance so far over the root of the sum of the squared norms of gradients.
#[track_caller]
fn scale_by_dog(init_step: DogInitStep, eps: Hyperparam) -> GradientTransformation {
    let (name, value) = match init_step {
        DogInitStep::Distance(x) => ("init_step distance", x),
        DogInitStep::LearningRate(x) => ("init_step learning_rate", x),
        DogInitStep::Heuristic(x) => ("init_step heuristic", x),
    };
    require_positive("dog", name, &value.into());
    GradientTransformation::new(
        "scale_by_dog",
        move |params| {
            let dtype = narrowest_float(params);
            let dist = match init_step {
                DogInitStep::Distance(x) => numpy::full(((), dtype), x),
                DogInitStep::LearningRate(_) => numpy::zeros(((), dtype)),
                DogInitStep::Heuristic(x) => ((1.0 + global_norm(params)) * x).astype(dtype),
            };
            Ok(DogState {
                is_init_step: numpy::array(true),
                init_params: params.clone(),
                max_dist: dist,
                sum_sq_norm_grads: numpy::zeros(((), dtype)),
            })
        },
        move |updates, state: DogState, cx| {
            // `max |x - x₀| / sqrt(Σ|g|² + eps)`: Ivgi et al. 2023.
            let dtype = state.max_dist.dtype();
            let dist = global_norm(&sub(&state.init_params, cx.params));
            let max_dist = numpy::maximum(&state.max_dist, dist);
            let sum = &state.sum_sq_norm_grads + norm_sq(&updates);
            let rate = &max_dist / numpy::sqrt(&sum + &eps);
            let rate = match init_step {
                DogInitStep::LearningRate(x) => numpy::where_(&state.is_init_step, x, rate),
                _ => rate,
            };
            let next = DogState {
                is_init_step: numpy::array(false),
                init_params: state.init_params,
                max_dist: max_dist.astype(dtype),
                sum_sq_norm_grads: sum.astype(dtype),
            };
            Ok((tree_scale(rate, &updates), next))
        },
    )
}

/// With weight decay, or none.
#[track_caller]
fn with_l2(
    tx: GradientTransformation,
    weight_decay: Option<Schedule>,
    mask: Option<Mask>,
    learning_rate: Schedule,
) -> GradientTransformation {
    let decay = match weight_decay {
        Some(weight_decay) => decayed_weights_of(weight_decay, mask),
        None => identity(),
    };
    chain((decay, tx, scale_by_learning_rate(learning_rate)))
}

options! {
    /// Options of [`dog_with`].
    pub struct DogOptions {
        /// What the rate that is found is multiplied by.
        learning_rate: into Schedule = 1.0,
        /// The first step.
        init_step: value DogInitStep = DogInitStep::Heuristic(1e-6),
        /// Added to the sum of the squared norms of gradients.
        eps: into Hyperparam = 1e-8,
        /// What of the parameters is added to gradients.
        weight_decay: optional_into Schedule,
        /// Which parameters decay.
        mask: function Mask,
    }
}

/// Distance over gradients: gradient descent that finds its rate. Ivgi et al. 2023, <https://arxiv.org/abs/2302.12022>.
///
/// `init` looks at the values of the parameters. The paper advises to average them over time, as
/// [`incremental_update`](crate::optim::incremental_update) does.
/// ```
/// use raxla::{Array, optim::{self, DogInitStep}};
///
/// let tx = optim::dog_with(optim::DogOptions::new().init_step(DogInitStep::Distance(0.1)));
/// let params = Array::from([3.0f32, -4.0]);
/// // A gradient of norm 5, and a first step of 0.1 along it.
/// let (updates, _) = tx.update(&params, &tx.init(&params)?, &params)?;
/// assert!((updates.to_vec::<f32>()?[1] - 0.08).abs() < 1e-6);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn dog() -> GradientTransformation {
    dog_with(DogOptions::new())
}

/// [`dog`] with another first step, or with weight decay.
///
/// # Panics
/// `dog: init_step distance = 0: requires a positive number`, at the caller's line.
#[track_caller]
pub fn dog_with(options: DogOptions) -> GradientTransformation {
    let DogOptions { learning_rate, init_step, eps, weight_decay, mask } = options;
    with_l2(scale_by_dog(init_step, eps), weight_decay, mask, learning_rate)
}

#[derive(Pytree)]
struct DowgState {
    init_params: AnyTree,
    weighted_sq_norm_grads: Array,
    estim_sq_dist: Array,
}

/// The largest squared distance so far over the root of the sum of squared norms of gradients that it weighs.
#[track_caller]
fn scale_by_dowg(init_estim_sq_dist: Hyperparam, eps: Hyperparam) -> GradientTransformation {
    require_positive("dowg", "init_estim_sq_dist", &init_estim_sq_dist);
    GradientTransformation::new(
        "scale_by_dowg",
        move |params| {
            let dtype = narrowest_float(params);
            Ok(DowgState {
                init_params: params.clone(),
                weighted_sq_norm_grads: numpy::zeros(((), dtype)),
                estim_sq_dist: numpy::full(((), dtype), &init_estim_sq_dist),
            })
        },
        move |updates, state: DowgState, cx| {
            // Khaled et al. 2023, Alg. 1.
            let dtype = state.estim_sq_dist.dtype();
            let dist = norm_sq(&sub(&state.init_params, cx.params));
            let dist = numpy::maximum(&state.estim_sq_dist, dist);
            let sum = &dist * norm_sq(&updates) + &state.weighted_sq_norm_grads;
            let rate = &dist / (numpy::sqrt(&sum) + &eps);
            let next = DowgState {
                init_params: state.init_params,
                weighted_sq_norm_grads: sum.astype(dtype),
                estim_sq_dist: dist.astype(dtype),
            };
            Ok((tree_scale(rate, &updates), next))
        },
    )
}

options! {
    /// Options of [`dowg_with`].
    pub struct DowgOptions {
        /// What the rate that is found is multiplied by.
        learning_rate: into Schedule = 1.0,
        /// The squared distance to begin with; `eps` if not given.
        init_estim_sq_dist: optional_into Hyperparam,
        /// Added to the root of the weighted sum.
        eps: into Hyperparam = 1e-4,
        /// What of the parameters is added to gradients.
        weight_decay: optional_into Schedule,
        /// Which parameters decay.
        mask: function Mask,
    }
}

/// Distance over weighted gradients: [`dog`] that counts later gradients for more. Khaled et al. 2023,
/// <https://arxiv.org/abs/2305.16284>.
#[track_caller]
pub fn dowg() -> GradientTransformation {
    dowg_with(DowgOptions::new())
}

/// [`dowg`] that begins with another distance, or with weight decay.
///
/// # Panics
/// `dowg: init_estim_sq_dist = 0: requires a positive number`, at the caller's line.
#[track_caller]
pub fn dowg_with(options: DowgOptions) -> GradientTransformation {
    let DowgOptions { learning_rate, init_estim_sq_dist, eps, weight_decay, mask } = options;
    let init = init_estim_sq_dist.unwrap_or_else(|| eps.clone());
    with_l2(scale_by_dowg(init, eps), weight_decay, mask, learning_rate)
}
