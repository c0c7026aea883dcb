//! Numbers that change with the steps. Optax: `optax.schedules`.
//!
//! ```
//! use raxla::optim;
//!
//! let rate = optim::warmup_cosine_decay_schedule(0.0, 1e-3, 100, 1000);
//! assert_eq!(rate.at(100).item::<f32>()?, 1e-3);
//! let tx = optim::adamw(rate);
//! # let _ = tx;
//! # Ok::<(), raxla::Error>(())
//! ```
//!
//! Before its first step and after its last a schedule has the value of that step, as in Optax: training that goes on longer than it
//! was planned to goes on with the last rate.

use std::f64::consts::PI;

use super::{Hyperparam, Schedule};
use crate::arguments::options;
use crate::core::array::Array;
use crate::error::throw;
use crate::numpy;

/// The same number at all steps.
#[track_caller]
pub fn constant_schedule(value: impl Into<Hyperparam>) -> Schedule {
    value.into().into()
}

#[track_caller]
fn check_positive(op: &str, name: &str, steps: i64) {
    if steps <= 0 {
        throw!(InvalidArgument, "{op}: {name} = {steps}: requires at least 1");
    }
}

#[track_caller]
fn check_begin(op: &str, begin: i64) {
    if begin < 0 {
        throw!(InvalidArgument, "{op}: transition_begin = {begin}: requires at least 0");
    }
}

options! {
    /// Options of [`polynomial_schedule_with`] and [`linear_schedule_with`].
    pub struct TransitionOptions {
        /// The step at which it begins to change.
        transition_begin: value i64 = 0,
    }
}

/// From `init_value` to `end_value` in so many steps, along a power of what is left of them.
///
/// # Panics
/// `polynomial_schedule: transition_steps = 0: requires at least 1`, at the caller's line.
#[track_caller]
pub fn polynomial_schedule(
    init_value: impl Into<Hyperparam>,
    end_value: impl Into<Hyperparam>,
    power: impl Into<Hyperparam>,
    transition_steps: i64,
) -> Schedule {
    polynomial_schedule_with(init_value, end_value, power, transition_steps, TransitionOptions::new())
}

/// [`polynomial_schedule`] that begins later.
#[track_caller]
pub fn polynomial_schedule_with(
    init_value: impl Into<Hyperparam>,
    end_value: impl Into<Hyperparam>,
    power: impl Into<Hyperparam>,
    transition_steps: i64,
    options: TransitionOptions,
) -> Schedule {
    check_positive("polynomial_schedule", "transition_steps", transition_steps);
    check_begin("polynomial_schedule", options.transition_begin);
    polynomial(init_value.into(), end_value.into(), power.into(), transition_steps, options.transition_begin)
}

fn polynomial(init: Hyperparam, end: Hyperparam, power: Hyperparam, steps: i64, begin: i64) -> Schedule {
    Schedule::new(move |count| {
        let count = numpy::clip(count - begin, 0, steps);
        let left = 1 - count / steps;
        let left = if power.number() == Some(1.0) { left } else { numpy::power(left, &power) };
        left * (&init - &end) + &end
    })
}

/// From `init_value` to `end_value` in so many steps, along a line.
#[track_caller]
pub fn linear_schedule(
    init_value: impl Into<Hyperparam>,
    end_value: impl Into<Hyperparam>,
    transition_steps: i64,
) -> Schedule {
    linear_schedule_with(init_value, end_value, transition_steps, TransitionOptions::new())
}

/// [`linear_schedule`] that begins later.
#[track_caller]
pub fn linear_schedule_with(
    init_value: impl Into<Hyperparam>,
    end_value: impl Into<Hyperparam>,
    transition_steps: i64,
    options: TransitionOptions,
) -> Schedule {
    check_positive("linear_schedule", "transition_steps", transition_steps);
    check_begin("linear_schedule", options.transition_begin);
    polynomial(init_value.into(), end_value.into(), 1.0.into(), transition_steps, options.transition_begin)
}

/// The boundaries in order, and the factors there.
#[track_caller]
fn sorted(op: &str, boundaries_and_scales: &[(i64, f64)]) -> Vec<(i64, f64)> {
    let mut sorted = boundaries_and_scales.to_vec();
    sorted.sort_by_key(|(boundary, _)| *boundary);
    for (i, &(boundary, scale)) in sorted.iter().enumerate() {
        if scale < 0.0 || scale.is_nan() {
            throw!(InvalidArgument, "{op}: expects non-negative scale factors, got {scale} at {boundary}");
        }
        if i > 0 && sorted[i - 1].0 == boundary {
            throw!(InvalidArgument, "{op}: two scale factors at {boundary}");
        }
    }
    sorted
}

/// `init_value`, from each boundary on multiplied by the factor there.
///
/// # Panics
/// `piecewise_constant_schedule: expects non-negative scale factors, got -1 at 10`, at the caller's line.
#[track_caller]
pub fn piecewise_constant_schedule(
    init_value: impl Into<Hyperparam>,
    boundaries_and_scales: impl AsRef<[(i64, f64)]>,
) -> Schedule {
    let parts = sorted("piecewise_constant_schedule", boundaries_and_scales.as_ref());
    let init = init_value.into();
    Schedule::new(move |count| {
        parts.iter().fold(numpy::asarray(&init), |v, &(boundary, scale)| {
            let before = numpy::maximum(0.0, numpy::sign(Array::from(boundary) - count));
            &v * &before + (1 - before) * scale * v
        })
    })
}

options! {
    /// Options of [`exponential_decay_with`].
    pub struct ExponentialDecayOptions {
        /// The step at which it begins to change.
        transition_begin: value i64 = 0,
        /// Does it change at each `transition_steps`-th step alone?
        staircase: value bool = false,
        /// The value that it stops at.
        end_value: optional_into Hyperparam,
    }
}

/// `init_value`, multiplied by `decay_rate` every `transition_steps` steps.
///
/// # Panics
/// `exponential_decay: decay_rate = 0: requires another number`, at the caller's line.
#[track_caller]
pub fn exponential_decay(
    init_value: impl Into<Hyperparam>,
    transition_steps: i64,
    decay_rate: f64,
) -> Schedule {
    exponential_decay_with(init_value, transition_steps, decay_rate, ExponentialDecayOptions::new())
}

/// [`exponential_decay`] that begins later, by steps, or to an end.
#[track_caller]
pub fn exponential_decay_with(
    init_value: impl Into<Hyperparam>,
    transition_steps: i64,
    decay_rate: f64,
    options: ExponentialDecayOptions,
) -> Schedule {
    let init = init_value.into();
    let ExponentialDecayOptions { transition_begin, staircase, end_value } = options;
    check_positive("exponential_decay", "transition_steps", transition_steps);
    check_begin("exponential_decay", transition_begin);
    if decay_rate <= 0.0 || decay_rate.is_nan() {
        throw!(InvalidArgument, "exponential_decay: decay_rate = {decay_rate}: requires a positive number");
    }
    Schedule::new(move |count| {
        let count = count - transition_begin;
        let p = &count / transition_steps;
        let p = if staircase { numpy::floor(p) } else { p };
        let decayed = numpy::power(decay_rate, p) * &init;
        let decayed = numpy::where_(numpy::less_equal(count, 0), &init, decayed);
        match &end_value {
            None => decayed,
            Some(end) if decay_rate < 1.0 => numpy::maximum(decayed, end),
            Some(end) => numpy::minimum(decayed, end),
        }
    })
}

options! {
    /// Options of [`cosine_decay_schedule_with`].
    pub struct CosineDecayOptions {
        /// Which part of the first value the last one is.
        alpha: into Hyperparam = 0.0,
        /// The power of the cosine.
        exponent: into Hyperparam = 1.0,
    }
}

/// From `init_value` to 0 in so many steps, along half a wave of a cosine. Loshchilov and Hutter 2017,
/// <https://arxiv.org/abs/1608.03983>.
///
/// # Panics
/// `cosine_decay_schedule: decay_steps = 0: requires at least 1`, at the caller's line.
#[track_caller]
pub fn cosine_decay_schedule(init_value: impl Into<Hyperparam>, decay_steps: i64) -> Schedule {
    cosine_decay_schedule_with(init_value, decay_steps, CosineDecayOptions::new())
}

/// [`cosine_decay_schedule`] to another end.
#[track_caller]
pub fn cosine_decay_schedule_with(
    init_value: impl Into<Hyperparam>,
    decay_steps: i64,
    options: CosineDecayOptions,
) -> Schedule {
    check_positive("cosine_decay_schedule", "decay_steps", decay_steps);
    cosine_decay(init_value.into(), decay_steps, options)
}

fn cosine_decay(init: Hyperparam, steps: i64, options: CosineDecayOptions) -> Schedule {
    let CosineDecayOptions { alpha, exponent } = options;
    let steps = steps as f64;
    Schedule::new(move |count| {
        let count = numpy::minimum(count, steps);
        let cosine = 0.5 * (1 + numpy::cos(PI * count / steps));
        let cosine = if exponent.number() == Some(1.0) { cosine } else { numpy::power(cosine, &exponent) };
        (cosine * (1.0 - &alpha) + &alpha) * &init
    })
}

/// How [`piecewise_interpolate_schedule`] goes from one value to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Interpolation {
    /// Along a line.
    Linear,
    /// Along half a wave of a cosine.
    Cosine,
}

/// From `init_value` at step 0 to what it is multiplied by at each boundary, interpolated between them.
#[track_caller]
pub fn piecewise_interpolate_schedule(
    interpolate_type: Interpolation,
    init_value: impl Into<Hyperparam>,
    boundaries_and_scales: impl AsRef<[(i64, f64)]>,
) -> Schedule {
    let parts = sorted("piecewise_interpolate_schedule", boundaries_and_scales.as_ref());
    let init = init_value.into();
    Schedule::new(move |count| {
        let (mut begin, mut from) = (0, init.clone());
        let mut sum = Array::from(0.0f32).astype(crate::DType::F32);
        for &(end, scale) in &parts {
            let to = &from * scale;
            let inside = numpy::logical_and(numpy::less_equal(begin, count), numpy::less(count, end));
            let part = (count - begin) / (end - begin).max(1);
            let value = match interpolate_type {
                Interpolation::Linear => part * (&to - &from) + &from,
                Interpolation::Cosine => (numpy::cos(PI * part) + 1) * ((&from - &to) / 2.0) + &to,
            };
            sum += inside * value;
            (begin, from) = (end, to);
        }
        sum + numpy::less_equal(begin, count) * Array::from(from)
    })
}

options! {
    /// Options of [`linear_onecycle_schedule_with`] and [`cosine_onecycle_schedule_with`].
    pub struct OnecycleOptions {
        /// The part of the steps after which the peak is reached.
        pct_start: value f64 = 0.3,
        /// The part of the steps after which the first value is reached again, of the linear one.
        pct_final: value f64 = 0.85,
        /// What the peak is divided by to begin with.
        div_factor: value f64 = 25.0,
        /// What the first value is divided by to end with.
        final_div_factor: value f64 = 1e4,
    }
}

/// Up to a peak, down again, and on to nearly zero, along lines. Smith and Topin 2018, <https://arxiv.org/abs/1708.07120>.
///
/// # Panics
/// `linear_onecycle_schedule: transition_steps = 0: requires at least 1`, at the caller's line.
#[track_caller]
pub fn linear_onecycle_schedule(transition_steps: i64, peak_value: impl Into<Hyperparam>) -> Schedule {
    linear_onecycle_schedule_with(transition_steps, peak_value, OnecycleOptions::new())
}

/// [`linear_onecycle_schedule`] of another form.
#[track_caller]
pub fn linear_onecycle_schedule_with(
    transition_steps: i64,
    peak_value: impl Into<Hyperparam>,
    options: OnecycleOptions,
) -> Schedule {
    check_positive("linear_onecycle_schedule", "transition_steps", transition_steps);
    let OnecycleOptions { pct_start, pct_final, div_factor, final_div_factor } = options;
    let at = |part: f64| (part * transition_steps as f64) as i64;
    piecewise_interpolate_schedule(
        Interpolation::Linear,
        peak_value.into() / div_factor,
        [
            (at(pct_start), div_factor),
            (at(pct_final), 1.0 / div_factor),
            (transition_steps, 1.0 / final_div_factor),
        ],
    )
}

/// Up to a peak and down to nearly zero, along cosines.
#[track_caller]
pub fn cosine_onecycle_schedule(transition_steps: i64, peak_value: impl Into<Hyperparam>) -> Schedule {
    cosine_onecycle_schedule_with(transition_steps, peak_value, OnecycleOptions::new())
}

/// [`cosine_onecycle_schedule`] of another form.
#[track_caller]
pub fn cosine_onecycle_schedule_with(
    transition_steps: i64,
    peak_value: impl Into<Hyperparam>,
    options: OnecycleOptions,
) -> Schedule {
    check_positive("cosine_onecycle_schedule", "transition_steps", transition_steps);
    let OnecycleOptions { pct_start, div_factor, final_div_factor, .. } = options;
    let start = (pct_start * transition_steps as f64) as i64;
    piecewise_interpolate_schedule(
        Interpolation::Cosine,
        peak_value.into() / div_factor,
        [(start, div_factor), (transition_steps, 1.0 / (div_factor * final_div_factor))],
    )
}

/// From `init_value` to `peak_value` in so many steps, and that from there on.
#[track_caller]
pub fn warmup_constant_schedule(
    init_value: impl Into<Hyperparam>,
    peak_value: impl Into<Hyperparam>,
    warmup_steps: i64,
) -> Schedule {
    check_positive("warmup_constant_schedule", "warmup_steps", warmup_steps);
    polynomial(init_value.into(), peak_value.into(), 1.0.into(), warmup_steps, 0)
}

options! {
    /// Options of [`warmup_cosine_decay_schedule_with`].
    pub struct WarmupCosineDecayOptions {
        /// The last value.
        end_value: into Hyperparam = 0.0,
        /// The power of the cosine.
        exponent: into Hyperparam = 1.0,
    }
}

/// From `init_value` along a line to `peak_value` in `warmup_steps`, and along a cosine to 0 at step `decay_steps`.
///
/// # Panics
/// ``warmup_cosine_decay_schedule: decay_steps = 10 with warmup_steps = 20: requires more``, at the caller's line.
#[track_caller]
pub fn warmup_cosine_decay_schedule(
    init_value: impl Into<Hyperparam>,
    peak_value: impl Into<Hyperparam>,
    warmup_steps: i64,
    decay_steps: i64,
) -> Schedule {
    let options = WarmupCosineDecayOptions::new();
    warmup_cosine_decay_schedule_with(init_value, peak_value, warmup_steps, decay_steps, options)
}

/// [`warmup_cosine_decay_schedule`] to another end.
#[track_caller]
pub fn warmup_cosine_decay_schedule_with(
    init_value: impl Into<Hyperparam>,
    peak_value: impl Into<Hyperparam>,
    warmup_steps: i64,
    decay_steps: i64,
    options: WarmupCosineDecayOptions,
) -> Schedule {
    let (init, peak, WarmupCosineDecayOptions { end_value, exponent }) =
        (init_value.into(), peak_value.into(), options);
    if warmup_steps < 0 || decay_steps <= warmup_steps {
        throw!(
            InvalidArgument,
            "warmup_cosine_decay_schedule: decay_steps = {decay_steps} with warmup_steps = {warmup_steps}: requires more, \
             for the steps of the warm-up are among them"
        );
    }
    let alpha = if peak.number() == Some(0.0) { 0.0.into() } else { end_value / &peak };
    let options = CosineDecayOptions { alpha, exponent };
    let decay = cosine_decay(peak.clone(), decay_steps - warmup_steps, options);
    if warmup_steps == 0 {
        return decay;
    }
    join_schedules([polynomial(init, peak, 1.0.into(), warmup_steps, 0), decay], [warmup_steps])
}

/// From `init_value` along a line to `peak_value` in `warmup_steps`, and from there [`exponential_decay`].
#[track_caller]
pub fn warmup_exponential_decay_schedule(
    init_value: impl Into<Hyperparam>,
    peak_value: impl Into<Hyperparam>,
    warmup_steps: i64,
    transition_steps: i64,
    decay_rate: f64,
) -> Schedule {
    warmup_exponential_decay_schedule_with(
        init_value,
        peak_value,
        warmup_steps,
        transition_steps,
        decay_rate,
        ExponentialDecayOptions::new(),
    )
}

/// [`warmup_exponential_decay_schedule`] that begins later, by steps, or to an end.
#[track_caller]
pub fn warmup_exponential_decay_schedule_with(
    init_value: impl Into<Hyperparam>,
    peak_value: impl Into<Hyperparam>,
    warmup_steps: i64,
    transition_steps: i64,
    decay_rate: f64,
    options: ExponentialDecayOptions,
) -> Schedule {
    check_positive("warmup_exponential_decay_schedule", "warmup_steps", warmup_steps);
    let peak = peak_value.into();
    let warmup = polynomial(init_value.into(), peak.clone(), 1.0.into(), warmup_steps, 0);
    join_schedules(
        [warmup, exponential_decay_with(peak, transition_steps, decay_rate, options)],
        [warmup_steps],
    )
}

/// One cycle of [`sgdr_schedule`]: what [`warmup_cosine_decay_schedule`] takes.
#[derive(Clone, Debug)]
pub struct CosineCycle {
    init: Hyperparam,
    peak: Hyperparam,
    warmup_steps: i64,
    decay_steps: i64,
    options: WarmupCosineDecayOptions,
}

impl CosineCycle {
    /// From `init_value` to `peak_value` in `warmup_steps`, and down until step `decay_steps` of the cycle.
    pub fn new(
        init_value: impl Into<Hyperparam>,
        peak_value: impl Into<Hyperparam>,
        warmup_steps: i64,
        decay_steps: i64,
    ) -> CosineCycle {
        let options = WarmupCosineDecayOptions::new();
        CosineCycle { init: init_value.into(), peak: peak_value.into(), warmup_steps, decay_steps, options }
    }

    /// To another end.
    #[must_use]
    pub fn options(mut self, options: WarmupCosineDecayOptions) -> Self {
        self.options = options;
        self
    }
}

/// Cycles of [`warmup_cosine_decay_schedule`], one after the other. Loshchilov and Hutter 2017, <https://arxiv.org/abs/1608.03983>.
///
/// # Panics
/// No cycle, at the caller's line.
#[track_caller]
pub fn sgdr_schedule(cosine_kwargs: impl AsRef<[CosineCycle]>) -> Schedule {
    let (mut schedules, mut boundaries, mut step) = (Vec::new(), Vec::new(), 0);
    for cycle in cosine_kwargs.as_ref() {
        let CosineCycle { init, peak, warmup_steps, decay_steps, options } = cycle.clone();
        schedules.push(warmup_cosine_decay_schedule_with(init, peak, warmup_steps, decay_steps, options));
        step += decay_steps;
        boundaries.push(step);
    }
    boundaries.pop();
    join_schedules(schedules, boundaries)
}

/// One schedule after the other: each begins at its boundary, counting from 0.
///
/// # Panics
/// `join_schedules: 3 schedules have 2 boundaries, got 1`, at the caller's line.
#[track_caller]
pub fn join_schedules(schedules: impl AsRef<[Schedule]>, boundaries: impl AsRef<[i64]>) -> Schedule {
    let (schedules, boundaries) = (schedules.as_ref().to_vec(), boundaries.as_ref().to_vec());
    if schedules.len() != boundaries.len() + 1 {
        throw!(
            InvalidArgument,
            "join_schedules: {} schedules have {} boundaries, got {}",
            schedules.len(),
            schedules.len().saturating_sub(1),
            boundaries.len()
        );
    }
    Schedule::new(move |step| {
        let later = schedules[1..].iter().zip(&boundaries);
        later.fold(schedules[0].at(step), |before, (schedule, &boundary)| {
            numpy::where_(numpy::less(step, boundary), before, schedule.at(step - boundary))
        })
    })
}
