//! Adam and its relatives: first and second moments of gradients. Optax: `_src/transform.py`.

use super::math::{abs_sq, safe_increment, tree_add_scale};
use super::math::{
    bias_correction, cast, cast_like, full_like, select, sub, update_moment, update_norm_moment, zero_count,
    zeros_like, zeros_of,
};
use super::{GradientTransformation, Hyperparam, update_infinity_moment};
use crate::Pytree;
use crate::arguments::options;
use crate::core::array::Array;
use crate::dtype::DType;
use crate::numpy;
use crate::tree::{self, AnyTree};

/// The state of Adam and of several others.
#[derive(Pytree)]
struct ScaleByAdamState {
    count: Array,
    mu: AnyTree,
    nu: AnyTree,
}

impl ScaleByAdamState {
    fn zeros(params: &AnyTree, mu_dtype: Option<DType>) -> Self {
        ScaleByAdamState { count: zero_count(), mu: zeros_of(params, mu_dtype), nu: zeros_like(params) }
    }
}

/// `m / (sqrt(v + eps_root) + eps)`.
fn ratio(m: &AnyTree, v: &AnyTree, eps: &Hyperparam, eps_root: &Hyperparam) -> AnyTree {
    tree::map2(|m, v| m / (numpy::sqrt(v + eps_root) + eps), m, v)
}

/// The first moment without its bias; with Nesterov's momentum, a step ahead. Dozat 2016.
fn first_moment(mu: &AnyTree, updates: &AnyTree, b1: &Hyperparam, count: &Array, nesterov: bool) -> AnyTree {
    if !nesterov {
        return bias_correction(mu, b1, count);
    }
    let ahead = bias_correction(mu, b1, &safe_increment(count));
    update_moment(&bias_correction(updates, b1, count), &ahead, b1)
}

options! {
    /// Options of [`scale_by_adam_with`].
    pub struct ScaleByAdamOptions {
        /// How much of the mean stays at each step.
        b1: into Hyperparam = 0.9,
        /// How much of the mean square stays at each step.
        b2: into Hyperparam = 0.999,
        /// Added to the square root.
        eps: into Hyperparam = 1e-8,
        /// Added below the square root, for derivatives of the optimiser.
        eps_root: into Hyperparam = 0.0,
        /// The dtype of the mean.
        mu_dtype: optional DType,
        /// Nesterov's momentum.
        nesterov: value bool = false,
    }
}

/// Divides the mean of updates over time by the root of their mean square. Kingma and Ba 2015, <https://arxiv.org/abs/1412.6980>.
#[track_caller]
pub fn scale_by_adam() -> GradientTransformation {
    scale_by_adam_with(ScaleByAdamOptions::new())
}

/// [`scale_by_adam`] with other constants.
#[track_caller]
pub fn scale_by_adam_with(options: ScaleByAdamOptions) -> GradientTransformation {
    let ScaleByAdamOptions { b1, b2, eps, eps_root, mu_dtype, nesterov } = options;
    GradientTransformation::new(
        "scale_by_adam",
        move |params| Ok(ScaleByAdamState::zeros(params, mu_dtype)),
        move |updates, state: ScaleByAdamState, _| {
            let mu = update_moment(&updates, &state.mu, &b1);
            let nu = update_norm_moment(&updates, &state.nu, &b2);
            let count = safe_increment(state.count);
            let mu_hat = first_moment(&mu, &updates, &b1, &count, nesterov);
            let nu_hat = bias_correction(&nu, &b2, &count);
            let updates = ratio(&mu_hat, &nu_hat, &eps, &eps_root);
            let nu = cast_like(&nu, &state.nu);
            Ok((updates, ScaleByAdamState { count, mu: cast(mu, mu_dtype), nu }))
        },
    )
}

#[derive(Pytree)]
struct ScaleByAmsgradState {
    count: Array,
    mu: AnyTree,
    nu: AnyTree,
    nu_max: AnyTree,
}

options! {
    /// Options of [`scale_by_amsgrad_with`].
    pub struct ScaleByAmsgradOptions {
        /// How much of the mean stays at each step.
        b1: into Hyperparam = 0.9,
        /// How much of the mean square stays at each step.
        b2: into Hyperparam = 0.999,
        /// Added to the square root.
        eps: into Hyperparam = 1e-8,
        /// Added below the square root.
        eps_root: into Hyperparam = 0.0,
        /// The dtype of the mean.
        mu_dtype: optional DType,
        /// Is the bias of the mean taken out?
        bias_correction_mu: value bool = true,
        /// Is the bias of the mean square taken out?
        bias_correction_nu: value bool = true,
    }
}

/// Adam with the largest mean square so far. Reddi et al. 2018, <https://openreview.net/forum?id=ryQu7f-RZ>.
#[track_caller]
pub fn scale_by_amsgrad() -> GradientTransformation {
    scale_by_amsgrad_with(ScaleByAmsgradOptions::new())
}

/// [`scale_by_amsgrad`] with other constants.
#[track_caller]
pub fn scale_by_amsgrad_with(options: ScaleByAmsgradOptions) -> GradientTransformation {
    let ScaleByAmsgradOptions { b1, b2, eps, eps_root, mu_dtype, bias_correction_mu, bias_correction_nu } =
        options;
    GradientTransformation::new(
        "scale_by_amsgrad",
        move |params| {
            let ScaleByAdamState { count, mu, nu } = ScaleByAdamState::zeros(params, mu_dtype);
            Ok(ScaleByAmsgradState { count, mu, nu_max: nu.clone(), nu })
        },
        move |updates, state: ScaleByAmsgradState, _| {
            let mu = update_moment(&updates, &state.mu, &b1);
            let nu = update_norm_moment(&updates, &state.nu, &b2);
            let count = safe_increment(state.count);
            let corrected = |x: &AnyTree, decay, correct| match correct {
                true => bias_correction(x, decay, &count),
                false => x.clone(),
            };
            let mu_hat = corrected(&mu, &b1, bias_correction_mu);
            let nu_hat = corrected(&nu, &b2, bias_correction_nu);
            let nu_max = tree::map2(|a, b| numpy::maximum(a, b), &state.nu_max, &nu_hat);
            let updates = ratio(&mu_hat, &nu_max, &eps, &eps_root);
            Ok((updates, ScaleByAmsgradState { count, mu: cast(mu, mu_dtype), nu, nu_max }))
        },
    )
}

options! {
    /// Options of [`scale_by_adamax_with`].
    pub struct ScaleByAdamaxOptions {
        /// How much of the mean stays at each step.
        b1: into Hyperparam = 0.9,
        /// How much of the largest size stays at each step.
        b2: into Hyperparam = 0.999,
        /// Added to the size of updates.
        eps: into Hyperparam = 1e-8,
    }
}

/// Adam with the largest size over time in place of the mean square. Kingma and Ba 2015, section 7.1.
#[track_caller]
pub fn scale_by_adamax() -> GradientTransformation {
    scale_by_adamax_with(ScaleByAdamaxOptions::new())
}

/// [`scale_by_adamax`] with other constants.
#[track_caller]
pub fn scale_by_adamax_with(options: ScaleByAdamaxOptions) -> GradientTransformation {
    let ScaleByAdamaxOptions { b1, b2, eps } = options;
    GradientTransformation::new(
        "scale_by_adamax",
        |params| Ok(ScaleByAdamState::zeros(params, None)),
        move |updates, state: ScaleByAdamState, _| {
            let count = safe_increment(state.count);
            let mu = update_moment(&updates, &state.mu, &b1);
            let nu = update_infinity_moment(&updates, &state.nu, &b2, &eps);
            let updates = tree::map2(|m, v| m / v, &bias_correction(&mu, &b1, &count), &nu);
            Ok((updates, ScaleByAdamState { count, mu, nu }))
        },
    )
}

#[derive(Pytree)]
struct ScaleByLionState {
    count: Array,
    mu: AnyTree,
}

/// What [`scale_by_lion`] makes of the mean.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum LionMode {
    /// Its sign.
    #[default]
    Hard,
    /// `tanh(smooth_beta * mean)`.
    Smooth {
        /// How steep it is at zero; Optax has 1.
        smooth_beta: f64,
    },
    /// Itself where it is less than 1, else its sign.
    Refined,
}

options! {
    /// Options of [`scale_by_lion_with`].
    pub struct ScaleByLionOptions {
        /// How much of the mean is in an update.
        b1: into Hyperparam = 0.9,
        /// How much of the mean stays at each step.
        b2: into Hyperparam = 0.99,
        /// The dtype of the mean.
        mu_dtype: optional DType,
        /// What is made of the mean.
        mode: value LionMode = LionMode::Hard,
    }
}

/// The signs of the mean of updates over time. Chen et al. 2023, <https://arxiv.org/abs/2302.06675>.
#[track_caller]
pub fn scale_by_lion() -> GradientTransformation {
    scale_by_lion_with(ScaleByLionOptions::new())
}

/// [`scale_by_lion`] with other constants.
#[track_caller]
pub fn scale_by_lion_with(options: ScaleByLionOptions) -> GradientTransformation {
    let ScaleByLionOptions { b1, b2, mu_dtype, mode } = options;
    let shape = move |x: &Array| match mode {
        LionMode::Hard => numpy::sign(x),
        LionMode::Smooth { smooth_beta } => numpy::tanh(x * smooth_beta),
        LionMode::Refined => numpy::where_(numpy::less(numpy::abs(x), 1.0), x, numpy::sign(x)),
    };
    GradientTransformation::new(
        "scale_by_lion",
        move |params| Ok(ScaleByLionState { count: zero_count(), mu: zeros_of(params, mu_dtype) }),
        move |updates, state: ScaleByLionState, _| {
            let new = tree::map(shape, &update_moment(&updates, &state.mu, &b1));
            let mu = cast(update_moment(&updates, &state.mu, &b2), mu_dtype);
            Ok((new, ScaleByLionState { count: safe_increment(state.count), mu }))
        },
    )
}

#[derive(Pytree)]
struct ScaleByAdanState {
    m: AnyTree,
    v: AnyTree,
    n: AnyTree,
    g: AnyTree,
    t: Array,
}

options! {
    /// Options of [`scale_by_adan_with`].
    pub struct ScaleByAdanOptions {
        /// How much of the mean stays at each step.
        b1: into Hyperparam = 0.98,
        /// How much of the mean difference stays at each step.
        b2: into Hyperparam = 0.92,
        /// How much of the mean square stays at each step.
        b3: into Hyperparam = 0.99,
        /// Added to the square root.
        eps: into Hyperparam = 1e-8,
        /// Added below the square root.
        eps_root: into Hyperparam = 0.0,
    }
}

/// Adam with moments of the differences of successive updates. Xie et al. 2022, <https://arxiv.org/abs/2208.06677>.
#[track_caller]
pub fn scale_by_adan() -> GradientTransformation {
    scale_by_adan_with(ScaleByAdanOptions::new())
}

/// [`scale_by_adan`] with other constants.
#[track_caller]
pub fn scale_by_adan_with(options: ScaleByAdanOptions) -> GradientTransformation {
    let ScaleByAdanOptions { b1, b2, b3, eps, eps_root } = options;
    GradientTransformation::new(
        "scale_by_adan",
        |params| {
            let zeros = zeros_like(params);
            let [m, v, n] = std::array::from_fn(|_| zeros.clone());
            Ok(ScaleByAdanState { m, v, n, g: zeros, t: zero_count() })
        },
        move |g, state: ScaleByAdanState, _| {
            let first = numpy::equal(&state.t, 0);
            let diff = select(&first, &zeros_like(&g), &sub(&g, &state.g));
            let m = update_moment(&g, &state.m, &b1);
            let v = update_moment(&diff, &state.v, &b2);
            let n = update_norm_moment(&tree_add_scale(&g, 1.0 - &b2, &diff), &state.n, &b3);
            let t = safe_increment(state.t);
            let [m_hat, v_hat, n_hat] =
                [(&m, &b1), (&v, &b2), (&n, &b3)].map(|(x, b)| bias_correction(x, b, &t));
            let u = tree_add_scale(&m_hat, 1.0 - &b2, &v_hat);
            let updates = ratio(&u, &n_hat, &eps, &eps_root);
            Ok((updates, ScaleByAdanState { m, v, n, g, t }))
        },
    )
}

options! {
    /// Options of [`scale_by_belief_with`].
    pub struct ScaleByBeliefOptions {
        /// How much of the mean stays at each step.
        b1: into Hyperparam = 0.9,
        /// How much of the variance stays at each step.
        b2: into Hyperparam = 0.999,
        /// Added to the square root.
        eps: into Hyperparam = 1e-16,
        /// Added to the variance at each step.
        eps_root: into Hyperparam = 1e-16,
        /// Nesterov's momentum.
        nesterov: value bool = false,
    }
}

/// Adam with the mean square of the difference from the mean. Zhuang et al. 2020, <https://arxiv.org/abs/2010.07468>.
#[track_caller]
pub fn scale_by_belief() -> GradientTransformation {
    scale_by_belief_with(ScaleByBeliefOptions::new())
}

/// [`scale_by_belief`] with other constants.
#[track_caller]
pub fn scale_by_belief_with(options: ScaleByBeliefOptions) -> GradientTransformation {
    let ScaleByBeliefOptions { b1, b2, eps, eps_root, nesterov } = options;
    GradientTransformation::new(
        "scale_by_belief",
        |params| Ok(ScaleByAdamState::zeros(params, None)),
        move |updates, state: ScaleByAdamState, _| {
            let mu = update_moment(&updates, &state.mu, &b1);
            let nu = update_norm_moment(&sub(&updates, &mu), &state.nu, &b2);
            let nu = tree::map(|v| v + &eps_root, &nu);
            let count = safe_increment(state.count);
            let mu_hat = first_moment(&mu, &updates, &b1, &count, nesterov);
            let nu_hat = bias_correction(&nu, &b2, &count);
            let updates = tree::map2(|m, v| m / (numpy::sqrt(v) + &eps), &mu_hat, &nu_hat);
            Ok((updates, ScaleByAdamState { count, mu, nu }))
        },
    )
}

options! {
    /// Options of [`scale_by_yogi_with`].
    pub struct ScaleByYogiOptions {
        /// How much of the mean stays at each step.
        b1: into Hyperparam = 0.9,
        /// How fast the mean square changes.
        b2: into Hyperparam = 0.999,
        /// Added to the square root.
        eps: into Hyperparam = 1e-3,
        /// Added below the square root.
        eps_root: into Hyperparam = 0.0,
        /// What the moments begin with.
        initial_accumulator_value: into Hyperparam = 1e-6,
    }
}

/// Adam whose mean square changes by no more than the square of an update. Zaheer et al. 2018.
#[track_caller]
pub fn scale_by_yogi() -> GradientTransformation {
    scale_by_yogi_with(ScaleByYogiOptions::new())
}

/// [`scale_by_yogi`] with other constants.
#[track_caller]
pub fn scale_by_yogi_with(options: ScaleByYogiOptions) -> GradientTransformation {
    let ScaleByYogiOptions { b1, b2, eps, eps_root, initial_accumulator_value } = options;
    GradientTransformation::new(
        "scale_by_yogi",
        move |params| {
            let full = full_like(params, &initial_accumulator_value);
            Ok(ScaleByAdamState { count: zero_count(), mu: full.clone(), nu: full })
        },
        move |updates, state: ScaleByAdamState, _| {
            let mu = update_moment(&updates, &state.mu, &b1);
            let rest = 1.0 - &b2;
            let square = |g: &Array, v: &Array| {
                let g = abs_sq(g);
                v - numpy::sign(v - &g) * &rest * g
            };
            let nu = tree::map2(square, &updates, &state.nu);
            let count = safe_increment(state.count);
            let mu_hat = bias_correction(&mu, &b1, &count);
            let nu_hat = bias_correction(&nu, &b2, &count);
            Ok((ratio(&mu_hat, &nu_hat, &eps, &eps_root), ScaleByAdamState { count, mu, nu }))
        },
    )
}

options! {
    /// Options of [`scale_by_radam_with`].
    pub struct ScaleByRadamOptions {
        /// How much of the mean stays at each step.
        b1: into Hyperparam = 0.9,
        /// How much of the mean square stays at each step.
        b2: into Hyperparam = 0.999,
        /// Added to the square root.
        eps: into Hyperparam = 1e-8,
        /// Added below the square root.
        eps_root: into Hyperparam = 0.0,
        /// How long the average has to be before it is divided by.
        threshold: into Hyperparam = 5.0,
        /// Nesterov's momentum.
        nesterov: value bool = false,
    }
}

/// Adam that waits until the variance of its mean square is small. Liu et al. 2020, <https://arxiv.org/abs/1908.03265>.
#[track_caller]
pub fn scale_by_radam() -> GradientTransformation {
    scale_by_radam_with(ScaleByRadamOptions::new())
}

/// [`scale_by_radam`] with other constants.
#[track_caller]
pub fn scale_by_radam_with(options: ScaleByRadamOptions) -> GradientTransformation {
    let ScaleByRadamOptions { b1, b2, eps, eps_root, threshold, nesterov } = options;
    let ro_inf = 2.0 / (1.0 - &b2) - 1.0;
    GradientTransformation::new(
        "scale_by_radam",
        |params| Ok(ScaleByAdamState::zeros(params, None)),
        move |updates, state: ScaleByAdamState, _| {
            let mu = update_moment(&updates, &state.mu, &b1);
            let nu = update_norm_moment(&updates, &state.nu, &b2);
            let count = safe_increment(state.count);
            let b2t = numpy::power(&b2, &count);
            // Section 3.3.
            let ro = Array::from(&ro_inf) - 2 * &count * &b2t / (1.0 - &b2t);
            let mu_hat = first_moment(&mu, &updates, &b1, &count, nesterov);
            let nu_hat = bias_correction(&nu, &b2, &count);
            let top = (&ro - 4.0) * (&ro - 2.0) * &ro_inf;
            let r = numpy::sqrt(top / (&ro * ((&ro_inf - 4.0) * (&ro_inf - 2.0))));
            let rectified = tree::map2(
                |m, v| r.astype(m.dtype()) * m / (numpy::sqrt(v + &eps_root) + &eps),
                &mu_hat,
                &nu_hat,
            );
            let long = numpy::greater_equal(&ro, &threshold);
            Ok((select(&long, &rectified, &mu_hat), ScaleByAdamState { count, mu, nu }))
        },
    )
}
