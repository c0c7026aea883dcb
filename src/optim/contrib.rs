//! Optimisers that Optax has in `optax.contrib`.

use super::accumulators::{ScaleByRmsOptions, scale_by_rms_with};
use super::masking::chain;
use super::math::{cast, global_norm, safe_increment, select, zero_count};
use super::scaling::{add_decayed_weights, scale_by_learning_rate};
use super::transformation::named_stateless;
use super::{
    Context, GradientTransformation, Hyperparam, OptState, Schedule, apply_updates, sgd,
    warmup_constant_schedule,
};
use crate::Pytree;
use crate::api::grad;
use crate::arguments::options;
use crate::core::array::Array;
use crate::core::trace::with_location;
use crate::dtype::DType;
use crate::error::{Result, bail, caller, throw};
use crate::numpy;
use crate::tree::{self, AnyTree};

/// Divides updates by their global norm.
#[track_caller]
pub fn normalize() -> GradientTransformation {
    named_stateless("normalize", |updates, _| {
        let norm = global_norm(&updates);
        Ok(tree::map(|g| g / &norm, &updates))
    })
}

options! {
    /// Options of [`sam_with`].
    pub struct SamOptions {
        /// How many gradients are taken for a step: all but the last against the adversary.
        sync_period: value usize = 2,
        /// Does the adversary begin anew after each step?
        reset_state: value bool = true,
        /// Are all gradients of a step taken in one update, by the function that it is given?
        opaque_mode: value bool = false,
    }
}

#[derive(Pytree)]
struct SamState {
    steps_since_sync: Array,
    opt_state: OptState,
    adv_state: OptState,
    cache: Option<AnyTree>,
}

/// Sharpness-aware minimisation: goes against the gradient at the worst point nearby, which `adv_optimizer` looks for. Foret et al. 2021,
/// <https://arxiv.org/abs/2010.01412>.
///
/// Every other update goes to that point, and the one after it to the new parameters.
/// ```
/// use raxla::{Array, optim};
///
/// let adversary = optim::chain((optim::normalize(), optim::sgd(0.05)));
/// let tx = optim::sam(optim::sgd(0.1), adversary);
/// let params = Array::from([1.0f32]);
/// let (updates, _) = tx.update(&params, &tx.init(&params)?, &params)?;
/// assert_eq!(updates.to_vec::<f32>()?, [0.05]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn sam(
    optimizer: GradientTransformation,
    adv_optimizer: GradientTransformation,
) -> GradientTransformation {
    sam_with(optimizer, adv_optimizer, SamOptions::new())
}

/// [`sam`] with more gradients a step, or all of them in one update; that needs the function, `ExtraArgs::value_fn`.
#[track_caller]
pub fn sam_with(
    optimizer: GradientTransformation,
    adv_optimizer: GradientTransformation,
    options: SamOptions,
) -> GradientTransformation {
    if options.sync_period == 0 {
        throw!(InvalidArgument, "sam: sync_period = 0: requires at least 1");
    }
    let sam = Sam { optimizer, adversary: adv_optimizer, options };
    let begun = sam.clone();
    GradientTransformation::new(
        "sam",
        move |params| begun.init(params),
        move |updates, state, cx| {
            if sam.options.opaque_mode {
                sam.opaque(updates, state, cx)
            } else {
                sam.step(updates, state, cx)
            }
        },
    )
}

#[derive(Clone)]
struct Sam {
    optimizer: GradientTransformation,
    adversary: GradientTransformation,
    options: SamOptions,
}

impl Sam {
    fn init(&self, params: &AnyTree) -> Result<SamState> {
        Ok(SamState {
            steps_since_sync: zero_count(),
            opt_state: self.optimizer.init_any(params)?,
            adv_state: self.adversary.init_any(params)?,
            cache: (!self.options.opaque_mode).then(|| params.clone()),
        })
    }

    /// One gradient of those of a step.
    fn step(&self, updates: AnyTree, state: SamState, cx: &Context<'_>) -> Result<(AnyTree, SamState)> {
        let Some(cache) = &state.cache else { bail!(TreeMismatch, "the state is of the opaque mode") };
        let period = i32::try_from(self.options.sync_period).unwrap_or(i32::MAX);
        let first = numpy::equal(&state.steps_since_sync, 0);
        let last = numpy::equal(&state.steps_since_sync, period - 1);
        let (adv_updates, adv_state) = self.adversary.update_any(updates.clone(), &state.adv_state, cx)?;
        let adv_updates = tree::map(|u| -u, &adv_updates);
        let (opt_updates, opt_state) =
            self.optimizer.update_any(updates, &state.opt_state, &cx.with_params(cache))?;
        let opt_updates = tree::map3(|c, p, u| c - p + u, cache, cx.params, &opt_updates);
        let begun =
            if self.options.reset_state { self.adversary.init_any(cx.params)? } else { state.adv_state };
        let next = SamState {
            cache: Some(select(&first, cx.params, cache)),
            adv_state: select(&last, &begun, &adv_state),
            opt_state: select(&last, &opt_state, &state.opt_state),
            steps_since_sync: (state.steps_since_sync + 1) % period,
        };
        Ok((select(&last, &opt_updates, &adv_updates), next))
    }

    /// All gradients of a step.
    fn opaque(&self, updates: AnyTree, state: SamState, cx: &Context<'_>) -> Result<(AnyTree, SamState)> {
        let Some(f) = cx.value_fn else {
            bail!(InvalidArgument, "needs the function: update_with(.., ExtraArgs::new().value_fn(&f))")
        };
        let (mut at, mut grads, mut adv_state) = (cx.params.clone(), updates, state.adv_state);
        for _ in 1..self.options.sync_period {
            let (uphill, next) = self.adversary.update_any(grads, &adv_state, &cx.with_params(&at))?;
            adv_state = next;
            at = apply_updates(&at, &tree::map(|u| -u, &uphill));
            grads = grad(|p: &AnyTree| f(p))(&at)?;
        }
        if self.options.reset_state {
            adv_state = self.adversary.init_any(cx.params)?;
        }
        let (updates, opt_state) = self.optimizer.update_any(grads, &state.opt_state, cx)?;
        Ok((updates, SamState { steps_since_sync: zero_count(), opt_state, adv_state, cache: None }))
    }
}

options! {
    /// Options of [`reduce_on_plateau_with`].
    pub struct PlateauOptions {
        /// What the scale is multiplied by.
        factor: value f64 = 0.1,
        /// After how many values without improvement.
        patience: value usize = 10,
        /// Which part of the best value is an improvement.
        rtol: value f64 = 1e-4,
        /// What of it is an improvement.
        atol: value f64 = 0.0,
        /// How many values are then not looked at.
        cooldown: value usize = 0,
        /// How many losses a value is the mean of.
        accumulation_size: value usize = 1,
        /// The smallest scale.
        min_scale: value f64 = 0.0,
    }
}

#[derive(Clone, Pytree)]
struct PlateauState {
    scale: Array,
    best_value: Array,
    plateau_count: Array,
    cooldown_count: Array,
    count: Array,
    avg_value: Array,
}

/// Multiplies updates by a number that becomes smaller when the loss does not any more. `update_with` needs the loss.
#[track_caller]
pub fn reduce_on_plateau() -> GradientTransformation {
    reduce_on_plateau_with(PlateauOptions::new())
}

/// [`reduce_on_plateau`] with other constants.
///
/// # Panics
/// `reduce_on_plateau: factor = 2: requires a number between 0 and 1`; tolerances that are negative, or both zero, at the caller's line.
#[track_caller]
pub fn reduce_on_plateau_with(options: PlateauOptions) -> GradientTransformation {
    let PlateauOptions { factor, patience, rtol, atol, cooldown, accumulation_size, min_scale } = options;
    if factor <= 0.0 || factor >= 1.0 || factor.is_nan() {
        throw!(InvalidArgument, "reduce_on_plateau: factor = {factor}: requires a number between 0 and 1");
    }
    if !(0.0..=1.0).contains(&rtol) || atol < 0.0 || rtol + atol == 0.0 {
        throw!(
            InvalidArgument,
            "reduce_on_plateau: rtol = {rtol}, atol = {atol}: requires rtol between 0 and 1, atol of at least 0, and one of them positive"
        );
    }
    GradientTransformation::new(
        "reduce_on_plateau",
        |params| {
            let floats = || params.leaves().iter().map(|p| p.dtype().real()).filter(|dtype| dtype.is_float());
            let least = floats().min_by_key(|dtype| dtype.bits()).unwrap_or(DType::F32);
            let most = floats().max_by_key(|dtype| dtype.bits()).unwrap_or(DType::F32);
            Ok(PlateauState {
                scale: numpy::ones(((), least)),
                best_value: numpy::full(((), most), f64::INFINITY),
                plateau_count: zero_count(),
                cooldown_count: zero_count(),
                count: zero_count(),
                avg_value: numpy::zeros(((), most)),
            })
        },
        move |updates, state: PlateauState, cx| {
            let dtype = state.avg_value.dtype();
            let count = safe_increment(&state.count);
            let value = cx.value()?.astype(dtype);
            let mean = ((&state.count * &state.avg_value + value) / &count).astype(dtype);
            let running = PlateauState { avg_value: mean.clone(), count: count.clone(), ..state.clone() };
            // What becomes of it once so many losses are there.
            let improved = numpy::less(&mean, &state.best_value * (1.0 - rtol) - atol);
            let row = numpy::where_(&improved, zero_count(), safe_increment(&state.plateau_count));
            let cooling = numpy::greater(&state.cooldown_count, 0);
            let over = numpy::logical_and(numpy::equal(&row, patience), numpy::logical_not(&cooling));
            let smaller =
                numpy::maximum(numpy::where_(&over, &state.scale * factor, &state.scale), min_scale);
            let fresh = numpy::where_(&over, cooldown, 0).astype(DType::I32);
            let reset = numpy::logical_or(&cooling, &over);
            let looked = PlateauState {
                scale: numpy::where_(&cooling, &state.scale, smaller).astype(state.scale.dtype()),
                best_value: numpy::where_(&improved, &mean, &state.best_value),
                plateau_count: numpy::where_(reset, zero_count(), row),
                cooldown_count: numpy::where_(&cooling, &state.cooldown_count - 1, fresh),
                count: zero_count(),
                avg_value: numpy::zeros_like(&mean),
            };
            let next = select(&numpy::equal(count, accumulation_size), &looked, &running);
            Ok((tree::map(|g| g * &next.scale, &updates), next))
        },
    )
}

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
            let floats = params.leaves().iter().map(|p| p.dtype().real()).filter(|dtype| dtype.is_float());
            let dtype = floats.min_by_key(|dtype| dtype.bits()).unwrap_or(DType::F32);
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
