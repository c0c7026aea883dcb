//! Transformations that keep sums, traces and step sizes. Optax: `_src/transform.py`, `transforms/_accumulation.py`.

use super::math::{
    abs_sq, bias_correction, cast, full_like, safe_increment, select, update_moment, update_norm_moment,
    update_second_moment, zero_count, zeros_like, zeros_of,
};
use super::transformation::place;
use super::{GradientTransformation, Hyperparam};
use crate::Pytree;
use crate::arguments::options;
use crate::core::array::Array;
use crate::dtype::DType;
use crate::error::{Result, bail};
use crate::tree::{self, AnyTree};
use crate::{lax, numpy};

#[derive(Pytree)]
struct TraceState {
    trace: AnyTree,
}

options! {
    /// Options of [`trace_with`].
    pub struct TraceOptions {
        /// Nesterov's momentum.
        nesterov: value bool = false,
        /// The dtype of the sum.
        accumulator_dtype: optional DType,
    }
}

/// Momentum: the sum of updates, each `decay` times what it was a step ago.
#[track_caller]
pub fn trace(decay: impl Into<Hyperparam>) -> GradientTransformation {
    trace_with(decay, TraceOptions::new())
}

/// [`trace`] with Nesterov's momentum, or of another dtype.
#[track_caller]
pub fn trace_with(decay: impl Into<Hyperparam>, options: TraceOptions) -> GradientTransformation {
    let (decay, TraceOptions { nesterov, accumulator_dtype }) = (decay.into(), options);
    GradientTransformation::new(
        "trace",
        move |params| Ok(TraceState { trace: zeros_of(params, accumulator_dtype) }),
        move |updates, state: TraceState, _| {
            let add = |g: &Array, t: &Array| g + t * &decay;
            let trace = tree::map2(add, &updates, &state.trace);
            let updates = if nesterov { tree::map2(add, &updates, &trace) } else { trace.clone() };
            Ok((updates, TraceState { trace: cast(trace, accumulator_dtype) }))
        },
    )
}

#[derive(Pytree)]
struct EmaState {
    count: Array,
    ema: AnyTree,
}

options! {
    /// Options of [`ema_with`].
    pub struct EmaOptions {
        /// Is the bias towards the zero that it began with taken out?
        debias: value bool = true,
        /// The dtype of the mean.
        accumulator_dtype: optional DType,
    }
}

/// The mean of updates over time, of which `decay` stays at each step.
#[track_caller]
pub fn ema(decay: impl Into<Hyperparam>) -> GradientTransformation {
    ema_with(decay, EmaOptions::new())
}

/// [`ema`] with its bias, or of another dtype.
#[track_caller]
pub fn ema_with(decay: impl Into<Hyperparam>, options: EmaOptions) -> GradientTransformation {
    let (decay, EmaOptions { debias, accumulator_dtype }) = (decay.into(), options);
    GradientTransformation::new(
        "ema",
        move |params| Ok(EmaState { count: zero_count(), ema: zeros_of(params, accumulator_dtype) }),
        move |updates, state: EmaState, _| {
            let ema = update_moment(&updates, &state.ema, &decay);
            let count = safe_increment(state.count);
            let updates = if debias { bias_correction(&ema, &decay, &count) } else { ema.clone() };
            Ok((updates, EmaState { count, ema: cast(ema, accumulator_dtype) }))
        },
    )
}

#[derive(Pytree)]
struct ScaleByRssState {
    sum_of_squares: AnyTree,
}

options! {
    /// Options of [`scale_by_rss_with`].
    pub struct ScaleByRssOptions {
        /// What the sums begin with.
        initial_accumulator_value: into Hyperparam = 0.1,
        /// Added to the sums.
        eps: into Hyperparam = 1e-7,
    }
}

/// `1 / sqrt(x + eps)` where `x` is positive, else 0.
fn inverse_sqrt(x: &Array, eps: &Hyperparam) -> Array {
    numpy::where_(numpy::greater(x, 0.0), lax::rsqrt(&(x + eps)), 0.0)
}

/// Divides updates by the root of the sum of their squares so far. Duchi et al. 2011, McMahan and Streeter 2010.
#[track_caller]
pub fn scale_by_rss() -> GradientTransformation {
    scale_by_rss_with(ScaleByRssOptions::new())
}

/// [`scale_by_rss`] with other constants.
#[track_caller]
pub fn scale_by_rss_with(options: ScaleByRssOptions) -> GradientTransformation {
    let ScaleByRssOptions { initial_accumulator_value, eps } = options;
    GradientTransformation::new(
        "scale_by_rss",
        move |params| Ok(ScaleByRssState { sum_of_squares: full_like(params, &initial_accumulator_value) }),
        move |updates, state: ScaleByRssState, _| {
            let sums = tree::map2(|g, t| abs_sq(g) + t, &updates, &state.sum_of_squares);
            let updates = tree::map2(|g, t| inverse_sqrt(t, &eps) * g, &updates, &sums);
            Ok((updates, ScaleByRssState { sum_of_squares: sums }))
        },
    )
}

#[derive(Pytree)]
struct ScaleByRmsState {
    count: Option<Array>,
    mu: Option<AnyTree>,
    nu: AnyTree,
}

options! {
    /// Options of [`scale_by_rms_with`] and [`scale_by_stddev_with`].
    pub struct ScaleByRmsOptions {
        /// How much of the mean stays at each step.
        decay: into Hyperparam = 0.9,
        /// Added to the mean square, or to its root.
        eps: into Hyperparam = 1e-8,
        /// What the mean square begins with.
        initial_scale: into Hyperparam = 0.0,
        /// Is `eps` added below the square root?
        eps_in_sqrt: value bool = true,
        /// Is the bias towards the beginning taken out?
        bias_correction: value bool = false,
    }
}

/// Divides updates by the root of the mean of their squares over time. Hinton's lecture 6.
#[track_caller]
pub fn scale_by_rms() -> GradientTransformation {
    scale_by_rms_with(ScaleByRmsOptions::new())
}

/// [`scale_by_rms`] with other constants.
#[track_caller]
pub fn scale_by_rms_with(options: ScaleByRmsOptions) -> GradientTransformation {
    rms_of("scale_by_rms", false, options)
}

/// Divides updates by their standard deviation over time. Graves 2013, <https://arxiv.org/abs/1308.0850>.
#[track_caller]
pub fn scale_by_stddev() -> GradientTransformation {
    scale_by_stddev_with(ScaleByRmsOptions::new())
}

/// [`scale_by_stddev`] with other constants.
#[track_caller]
pub fn scale_by_stddev_with(options: ScaleByRmsOptions) -> GradientTransformation {
    rms_of("scale_by_stddev", true, options)
}

fn rms_of(name: &'static str, centered: bool, options: ScaleByRmsOptions) -> GradientTransformation {
    let ScaleByRmsOptions { decay, eps, initial_scale, eps_in_sqrt, bias_correction: corrected } = options;
    GradientTransformation::new(
        name,
        move |params| {
            Ok(ScaleByRmsState {
                count: corrected.then(zero_count),
                mu: centered.then(|| zeros_like(params)),
                nu: full_like(params, &initial_scale),
            })
        },
        move |updates, state: ScaleByRmsState, _| {
            let count = state.count.map(safe_increment);
            let mu = state.mu.map(|mu| update_moment(&updates, &mu, &decay));
            let nu = update_norm_moment(&updates, &state.nu, &decay);
            let hat = |x: &AnyTree| match &count {
                Some(count) => bias_correction(x, &decay, count),
                None => x.clone(),
            };
            let square = match &mu {
                Some(mu) => tree::map2(|n, m| n - abs_sq(m), &hat(&nu), &hat(mu)),
                None => hat(&nu),
            };
            let scaled = |g: &Array, n: &Array| match eps_in_sqrt {
                true => lax::rsqrt(&(n + &eps)) * g,
                false => 1.0 / (numpy::sqrt(n) + &eps) * g,
            };
            let updates = tree::map2(scaled, &updates, &square);
            Ok((updates, ScaleByRmsState { count, mu, nu }))
        },
    )
}

#[derive(Pytree)]
struct ScaleByAdaDeltaState {
    e_g: AnyTree,
    e_x: AnyTree,
}

options! {
    /// Options of [`scale_by_adadelta_with`].
    pub struct ScaleByAdadeltaOptions {
        /// How much of the mean squares stays at each step.
        rho: into Hyperparam = 0.9,
        /// Added to the mean squares.
        eps: into Hyperparam = 1e-6,
    }
}

/// Multiplies updates by the root mean square of the last steps over that of updates. Zeiler 2012, <https://arxiv.org/abs/1212.5701>.
#[track_caller]
pub fn scale_by_adadelta() -> GradientTransformation {
    scale_by_adadelta_with(ScaleByAdadeltaOptions::new())
}

/// [`scale_by_adadelta`] with other constants.
#[track_caller]
pub fn scale_by_adadelta_with(options: ScaleByAdadeltaOptions) -> GradientTransformation {
    let ScaleByAdadeltaOptions { rho, eps } = options;
    GradientTransformation::new(
        "scale_by_adadelta",
        |params| Ok(ScaleByAdaDeltaState { e_g: zeros_like(params), e_x: zeros_like(params) }),
        move |updates, state: ScaleByAdaDeltaState, _| {
            let e_g = update_second_moment(&updates, &state.e_g, &rho);
            let scale =
                |g: &Array, e_g: &Array, e_x: &Array| numpy::sqrt(e_x + &eps) / numpy::sqrt(e_g + &eps) * g;
            let updates = tree::map3(scale, &updates, &e_g, &state.e_x);
            let e_x = update_second_moment(&updates, &state.e_x, &rho);
            Ok((updates, ScaleByAdaDeltaState { e_g, e_x }))
        },
    )
}

#[derive(Pytree)]
struct ScaleByRpropState {
    step_sizes: AnyTree,
    prev_updates: AnyTree,
}

options! {
    /// Options of [`scale_by_rprop_with`].
    pub struct ScaleByRpropOptions {
        /// What the size of a step is multiplied by when the sign of a gradient turns.
        eta_minus: into Hyperparam = 0.5,
        /// What it is multiplied by when it does not.
        eta_plus: into Hyperparam = 1.2,
        /// The smallest step.
        min_step_size: into Hyperparam = 1e-6,
        /// The largest step.
        max_step_size: into Hyperparam = 50.0,
    }
}

/// Steps whose sizes depend on whether signs of gradients turn. Riedmiller and Braun 1993.
#[track_caller]
pub fn scale_by_rprop(learning_rate: impl Into<Hyperparam>) -> GradientTransformation {
    scale_by_rprop_with(learning_rate, ScaleByRpropOptions::new())
}

/// [`scale_by_rprop`] with other constants.
#[track_caller]
pub fn scale_by_rprop_with(
    learning_rate: impl Into<Hyperparam>,
    options: ScaleByRpropOptions,
) -> GradientTransformation {
    let learning_rate = learning_rate.into();
    let ScaleByRpropOptions { eta_minus, eta_plus, min_step_size, max_step_size } = options;
    GradientTransformation::new(
        "scale_by_rprop",
        move |params| {
            Ok(ScaleByRpropState {
                step_sizes: full_like(params, &learning_rate),
                prev_updates: zeros_like(params),
            })
        },
        move |updates, state: ScaleByRpropState, _| {
            let sign = tree::map2(|g, last| g * last, &updates, &state.prev_updates);
            let size = |s: &Array, size: &Array| {
                let factor = numpy::where_(numpy::greater(s, 0), &eta_plus, &eta_minus);
                let next = numpy::clip(size * factor, &min_step_size, &max_step_size);
                numpy::where_(numpy::equal(s, 0), size, next)
            };
            let step_sizes = tree::map2(size, &sign, &state.step_sizes);
            let turned = tree::map(|s| numpy::less(s, 0), &sign);
            let unless_turned = |t: &Array, x: &Array| numpy::where_(t, numpy::zeros_like(x), x);
            let steps = tree::map2(|g, size| size * numpy::sign(g), &updates, &step_sizes);
            let prev_updates = tree::map2(unless_turned, &turned, &steps);
            // Optax gives the step that it made of the gradients before, and so do we.
            let updates = tree::map2(unless_turned, &turned, &state.prev_updates);
            Ok((updates, ScaleByRpropState { step_sizes, prev_updates }))
        },
    )
}

#[derive(Pytree)]
struct ScaleBySm3State {
    mu: Vec<Vec<Array>>,
    nu: AnyTree,
}

options! {
    /// Options of [`scale_by_sm3_with`].
    pub struct ScaleBySm3Options {
        /// How much of the mean of updates stays at each step.
        b1: into Hyperparam = 0.9,
        /// How much of the accumulators stays at each step.
        b2: into Hyperparam = 1.0,
        /// Added to the accumulators.
        eps: into Hyperparam = 1e-8,
    }
}

/// Adagrad with an accumulator for each row and column. Anil et al. 2019, <https://arxiv.org/abs/1901.11150>.
#[track_caller]
pub fn scale_by_sm3() -> GradientTransformation {
    scale_by_sm3_with(ScaleBySm3Options::new())
}

/// [`scale_by_sm3`] with other constants.
#[track_caller]
pub fn scale_by_sm3_with(options: ScaleBySm3Options) -> GradientTransformation {
    let ScaleBySm3Options { b1, b2, eps } = options;
    let rest = if b2.number() == Some(1.0) { 1.0.into() } else { 1.0 - &b2 };
    GradientTransformation::new(
        "scale_by_sm3",
        |params| {
            let zeros = |p: &Array| p.shape().iter().map(|&n| numpy::zeros((n, p.dtype()))).collect();
            reject_complex(params)?;
            Ok(ScaleBySm3State { mu: params.leaves().iter().map(zeros).collect(), nu: zeros_like(params) })
        },
        move |updates, state: ScaleBySm3State, _| {
            let mut mus = state.mu.iter();
            let mut next = Vec::new();
            let scaled = tree::try_map(
                |g| {
                    let Some(mu) = mus.next() else {
                        bail!(TreeMismatch, "the state is of fewer parameters than there are")
                    };
                    let accum = new_accumulator(g, mu, &rest, &b2)?;
                    next.push((0..g.ndim()).map(|axis| largest_along(&accum, axis)).collect());
                    Ok(g * inverse_sqrt(&accum, &eps))
                },
                &updates,
            )?;
            let nu = update_moment(&scaled, &state.nu, &b1);
            Ok((nu.clone(), ScaleBySm3State { mu: next, nu }))
        },
    )
}

pub(super) fn reject_complex(params: &AnyTree) -> Result<()> {
    match params.iter().find(|(_, p)| p.dtype().is_complex()) {
        Some((path, p)) => bail!(
            DType,
            "does not take complex parameters: {} {}: split_real_and_imaginary makes two real ones of each",
            p.aval(),
            place(&path)
        ),
        None => Ok(()),
    }
}

/// The smallest of the accumulators of an element's row, column and so on, with its square.
fn new_accumulator(g: &Array, mu: &[Array], rest: &Hyperparam, b2: &Hyperparam) -> Result<Array> {
    let along = mu.iter().enumerate().map(|(axis, v)| {
        let mut shape = vec![1; g.ndim()];
        shape[axis] = g.shape()[axis];
        numpy::reshape(v, shape)
    });
    match along.reduce(|a, b| numpy::minimum(a, b)) {
        Some(least) => Ok(numpy::square(g) * rest + least * b2),
        None => bail!(Shape, "does not take scalars, got {}", g.aval()),
    }
}

fn largest_along(accum: &Array, axis: usize) -> Array {
    let others: Vec<usize> = (0..accum.ndim()).filter(|&i| i != axis).collect();
    if others.is_empty() { accum.clone() } else { numpy::max(accum, others) }
}

#[derive(Pytree)]
struct ScaleByNovogradState {
    count: Array,
    mu: AnyTree,
    nu: AnyTree,
}

options! {
    /// Options of [`scale_by_novograd_with`].
    pub struct ScaleByNovogradOptions {
        /// How much of the mean stays at each step.
        b1: into Hyperparam = 0.9,
        /// How much of the mean square norm stays at each step.
        b2: into Hyperparam = 0.25,
        /// Added to the square root.
        eps: into Hyperparam = 1e-8,
        /// Added below the square root.
        eps_root: into Hyperparam = 0.0,
        /// What of the parameters is added.
        weight_decay: into Hyperparam = 0.0,
        /// The dtype of the mean.
        mu_dtype: optional DType,
    }
}

/// Divides updates by the norms of layers. Ginsburg et al. 2019, <https://arxiv.org/abs/1905.11286>.
#[track_caller]
pub fn scale_by_novograd() -> GradientTransformation {
    scale_by_novograd_with(ScaleByNovogradOptions::new())
}

/// [`scale_by_novograd`] with other constants.
#[track_caller]
pub fn scale_by_novograd_with(options: ScaleByNovogradOptions) -> GradientTransformation {
    let ScaleByNovogradOptions { b1, b2, eps, eps_root, weight_decay, mu_dtype } = options;
    GradientTransformation::new(
        "scale_by_novograd",
        move |params| {
            Ok(ScaleByNovogradState {
                count: zero_count(),
                mu: zeros_of(params, mu_dtype),
                nu: tree::map(|p| numpy::zeros(((), p.dtype())), params),
            })
        },
        move |updates, state: ScaleByNovogradState, cx| {
            let count = safe_increment(state.count);
            let first = numpy::equal(&count, 1);
            let squares = tree::map(|g| numpy::square(numpy::sqrt(abs_sq(g).sum(..))), &updates);
            let cast_to = |x: &Array, y: &Array| x.astype(y.dtype());
            let at_first = tree::map2(cast_to, &squares, &state.nu);
            let later = tree::map2(cast_to, &update_moment(&squares, &state.nu, &b2), &state.nu);
            let nu = select(&first, &at_first, &later);
            let step =
                |g: &Array, p: &Array, n: &Array| g / (numpy::sqrt(n + &eps_root) + &eps) + p * &weight_decay;
            let steps = tree::map3(step, &updates, cx.params, &nu);
            let later = tree::map2(|m, s| m * &b1 + s, &state.mu, &steps);
            let mu = cast(select(&first, &steps, &later), mu_dtype);
            Ok((mu.clone(), ScaleByNovogradState { count, mu, nu }))
        },
    )
}

#[derive(Pytree)]
struct ScaleByOptimisticGradientState {
    is_initial_step: Array,
    previous_gradient: AnyTree,
}

options! {
    /// Options of [`scale_by_optimistic_gradient_with`].
    pub struct OptimisticGradientOptions {
        /// How much of the gradient an update is.
        alpha: into Hyperparam = 1.0,
        /// How much of its change is added.
        beta: into Hyperparam = 1.0,
    }
}

/// `(alpha + beta) g - beta g'`, where `g'` is the gradient a step ago. Mokhtari et al. 2019, <https://arxiv.org/abs/1901.08511>.
#[track_caller]
pub fn scale_by_optimistic_gradient() -> GradientTransformation {
    scale_by_optimistic_gradient_with(OptimisticGradientOptions::new())
}

/// [`scale_by_optimistic_gradient`] with other constants.
#[track_caller]
pub fn scale_by_optimistic_gradient_with(options: OptimisticGradientOptions) -> GradientTransformation {
    let OptimisticGradientOptions { alpha, beta } = options;
    GradientTransformation::new(
        "scale_by_optimistic_gradient",
        |params| {
            Ok(ScaleByOptimisticGradientState {
                is_initial_step: numpy::array(true),
                previous_gradient: zeros_like(params),
            })
        },
        move |updates, state: ScaleByOptimisticGradientState, _| {
            let last = select(&state.is_initial_step, &updates, &state.previous_gradient);
            let both = &alpha + &beta;
            let new = tree::map2(|g, last| g * &both - last * &beta, &updates, &last);
            let state = ScaleByOptimisticGradientState {
                is_initial_step: numpy::array(false),
                previous_gradient: updates,
            };
            Ok((new, state))
        },
    )
}
