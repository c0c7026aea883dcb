//! Means of points in place of rates that fall. Optax: `contrib/_schedule_free.py`.

use super::narrowest_float;
use crate::Pytree;
use crate::arguments::options;
use crate::core::array::Array;
use crate::core::trace::with_location;
use crate::dtype::DType;
use crate::error::{Result, caller};
use crate::numpy;
use crate::optim::accumulators::{ScaleByRmsOptions, scale_by_rms_with};
use crate::optim::masking::chain;
use crate::optim::math::{cast, safe_increment};
use crate::optim::scaling::{add_decayed_weights, scale_by_learning_rate};
use crate::optim::{
    GradientTransformation, Hyperparam, OptState, Schedule, apply_updates, sgd, warmup_constant_schedule,
};
use crate::tree::{self, AnyTree};

options! {
    /// Options of [`schedule_free_with`].
    pub struct ScheduleFreeOptions {
        /// How near the point that gradients are taken at is to the mean.
        b1: into Hyperparam = 0.9,
        /// The power of the rate that points are weighted by.
        weight_lr_power: into Hyperparam = 2.0,
        /// The dtype of the base optimiser's point.
        state_dtype: optional DType,
    }
}

#[derive(Pytree)]
struct ScheduleFreeState {
    b1: Array,
    weight_sum: Array,
    step_count: Array,
    max_lr: Array,
    base_optimizer_state: OptState,
    z: AnyTree,
}

/// An optimiser whose result is the mean of its points, in place of a rate that falls. Defazio et al. 2024,
/// <https://arxiv.org/abs/2405.15682>. Evaluate with [`schedule_free_eval_params`].
#[track_caller]
pub fn schedule_free(
    base_optimizer: GradientTransformation,
    learning_rate: impl Into<Schedule>,
) -> GradientTransformation {
    schedule_free_with(base_optimizer, learning_rate, ScheduleFreeOptions::new())
}

/// [`schedule_free`] with other constants.
#[track_caller]
pub fn schedule_free_with(
    base_optimizer: GradientTransformation,
    learning_rate: impl Into<Schedule>,
    options: ScheduleFreeOptions,
) -> GradientTransformation {
    let (rate, base) = (learning_rate.into(), base_optimizer.clone());
    let ScheduleFreeOptions { b1, weight_lr_power, state_dtype } = options;
    let b1_of_init = b1.clone();
    GradientTransformation::new(
        "schedule_free",
        move |params| {
            let dtype = narrowest_float(params);
            Ok(ScheduleFreeState {
                b1: numpy::asarray(&b1_of_init).astype(dtype),
                weight_sum: numpy::zeros(((), dtype)),
                step_count: numpy::ones(((), DType::I32)),
                max_lr: numpy::zeros(((), dtype)),
                base_optimizer_state: base.init_any(params)?,
                z: cast(params.clone(), state_dtype),
            })
        },
        move |grads, state: ScheduleFreeState, cx| {
            let lr = rate.at(&state.step_count).astype(state.max_lr.dtype());
            let max_lr = numpy::maximum(&state.max_lr, lr);
            let weight = match weight_lr_power.number() {
                Some(2.0) => numpy::square(&max_lr),
                _ => numpy::power(&max_lr, &weight_lr_power),
            };
            let weight_sum = &state.weight_sum + &weight;
            let part = &weight / &weight_sum;
            // A rate that is zero, as at the beginning of a warm-up, has no weight.
            let ck = numpy::where_(numpy::equal(&weight_sum, 0.0), 0.0, part);
            let (updates, base_state) = base_optimizer.update_any(grads, &state.base_optimizer_state, cx)?;
            let z = apply_updates(&state.z, &updates);
            let rest = 1.0 - &b1;
            let x = tree::map2(|y, z| (y - z * &rest) / &b1, cx.params, &state.z);
            let x = tree::map2(|x, z| (1.0 - &ck) * x + &ck * z, &x, &z);
            let new = tree::map2(|x, z| x * &b1 + z * &rest, &x, &z);
            let updates = tree::map2(|new, old| new - old, &new, cx.params);
            let next = ScheduleFreeState {
                b1: state.b1,
                weight_sum,
                step_count: safe_increment(&state.step_count),
                max_lr,
                base_optimizer_state: base_state,
                z,
            };
            Ok((updates, next))
        },
    )
}

/// The parameters to evaluate with, of those that [`schedule_free`] trains.
///
/// # Errors
/// A state of another optimiser.
#[track_caller]
pub fn schedule_free_eval_params<P: Pytree>(state: &OptState, params: &P) -> Result<P> {
    let loc = caller();
    let b1: Array = state.find("b1").map_err(|e| e.at(loc))?.into_typed()?;
    let z: P = state.find("z").map_err(|e| e.at(loc))?.into_typed()?;
    let mean = |y: &Array, z: &Array| ((y - (1.0 - &b1) * z) / &b1).astype(y.dtype());
    with_location(loc, || tree::try_map2(|y, z| Ok(mean(y, z)), params, &z))
}

fn warmed(learning_rate: f64, warmup_steps: Option<i64>) -> Schedule {
    match warmup_steps {
        Some(steps) => warmup_constant_schedule(0.0, learning_rate, steps),
        None => learning_rate.into(),
    }
}

options! {
    /// Options of [`schedule_free_sgd`] and [`schedule_free_adamw`].
    pub struct ScheduleFreeBaseOptions {
        /// The steps in which the rate rises.
        warmup_steps: optional i64,
        /// How near the point that gradients are taken at is to the mean.
        b1: into Hyperparam = 0.9,
        /// How much of the mean square stays at each step, of Adam.
        b2: into Hyperparam = 0.999,
        /// Added to the square root, of Adam.
        eps: into Hyperparam = 1e-8,
        /// What of the parameters is taken away, times the rate.
        weight_decay: into Schedule = 0.0,
        /// The power of the rate that points are weighted by.
        weight_lr_power: into Hyperparam = 2.0,
        /// The dtype of the base optimiser's point.
        state_dtype: optional DType,
    }
}

impl ScheduleFreeBaseOptions {
    fn own(&self) -> ScheduleFreeOptions {
        ScheduleFreeOptions {
            b1: self.b1.clone(),
            weight_lr_power: self.weight_lr_power.clone(),
            state_dtype: self.state_dtype,
        }
    }
}

/// [`schedule_free`] gradient descent.
#[track_caller]
pub fn schedule_free_sgd(learning_rate: f64) -> GradientTransformation {
    schedule_free_sgd_with(learning_rate, ScheduleFreeBaseOptions::new())
}

/// [`schedule_free_sgd`] with a warm-up.
#[track_caller]
pub fn schedule_free_sgd_with(
    learning_rate: f64,
    options: ScheduleFreeBaseOptions,
) -> GradientTransformation {
    let rate = warmed(learning_rate, options.warmup_steps);
    let base = chain((add_decayed_weights(&options.weight_decay), sgd(&rate)));
    schedule_free_with(base, rate, options.own())
}

/// [`schedule_free`] AdamW. Optax's default rate is 0.0025.
#[track_caller]
pub fn schedule_free_adamw(learning_rate: f64) -> GradientTransformation {
    schedule_free_adamw_with(learning_rate, ScheduleFreeBaseOptions::new())
}

/// [`schedule_free_adamw`] with a warm-up.
#[track_caller]
pub fn schedule_free_adamw_with(
    learning_rate: f64,
    options: ScheduleFreeBaseOptions,
) -> GradientTransformation {
    let rate = warmed(learning_rate, options.warmup_steps);
    let rms = ScaleByRmsOptions::new().decay(&options.b2).eps(&options.eps);
    let base = chain((
        scale_by_rms_with(rms.eps_in_sqrt(false).bias_correction(true)),
        add_decayed_weights(&options.weight_decay),
        scale_by_learning_rate(&rate),
    ));
    schedule_free_with(base, rate, options.own())
}
