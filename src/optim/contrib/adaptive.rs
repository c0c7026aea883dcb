//! Relatives of Adam: ACProp, ADOPT, MADGRAD. Optax: `contrib/_acprop.py`, `_adopt.py`, `_madgrad.py`.

use super::require_positive;
use crate::Pytree;
use crate::arguments::options;
use crate::core::array::Array;
use crate::dtype::DType;
use crate::numpy;
use crate::optim::accumulators::reject_complex;
use crate::optim::masking::{Mask, chain};
use crate::optim::math::{
    bias_correction, cast_like, safe_increment, sub, update_moment, update_norm_moment, zero_count,
    zeros_like, zeros_of,
};
use crate::optim::optimizers::{with_decay, with_rate};
use crate::optim::scaling::add_decayed_weights;
use crate::optim::{GradientTransformation, Hyperparam, Schedule};
use crate::tree::{self, AnyTree};

#[derive(Pytree)]
struct ScaleByAcpropState {
    count: Array,
    mu: AnyTree,
    nu: AnyTree,
}

options! {
    /// Options of [`scale_by_acprop_with`].
    pub struct ScaleByAcpropOptions {
        /// How much of the mean stays at each step.
        b1: into Hyperparam = 0.9,
        /// How much of the variance stays at each step.
        b2: into Hyperparam = 0.999,
        /// Added to the square root.
        eps: into Hyperparam = 1e-16,
        /// Added to the variance at each step.
        eps_root: into Hyperparam = 1e-16,
    }
}

/// Divides updates by the root of the mean square of their difference from their mean, as it was a step before. Zhuang et al. 2021,
/// <https://arxiv.org/abs/2110.05454>.
#[track_caller]
pub fn scale_by_acprop() -> GradientTransformation {
    scale_by_acprop_with(ScaleByAcpropOptions::new())
}

/// [`scale_by_acprop`] with other constants.
#[track_caller]
pub fn scale_by_acprop_with(options: ScaleByAcpropOptions) -> GradientTransformation {
    let ScaleByAcpropOptions { b1, b2, eps, eps_root } = options;
    GradientTransformation::new(
        "scale_by_acprop",
        |params| {
            Ok(ScaleByAcpropState { count: zero_count(), mu: zeros_like(params), nu: zeros_like(params) })
        },
        move |updates, state: ScaleByAcpropState, _| {
            let mu = update_moment(&updates, &state.mu, &b1);
            let nu = update_norm_moment(&sub(&updates, &state.mu), &state.nu, &b2);
            let nu = tree::map(|v| v + &eps_root, &nu);
            let count = safe_increment(&state.count);
            // There is no step before the first: 1 stands for what it would have left.
            let first = numpy::equal(&state.count, 0);
            let nu_hat = bias_correction(&state.nu, &b2, &numpy::where_(&first, &count, &state.count));
            let scaled = |g: &Array, v: &Array| g / (numpy::sqrt(numpy::where_(&first, 1.0, v)) + &eps);
            let updates = tree::map2(scaled, &updates, &nu_hat);
            Ok((updates, ScaleByAcpropState { count, mu, nu }))
        },
    )
}

options! {
    /// Options of [`acprop_with`].
    pub struct AcpropOptions {
        /// How much of the mean stays at each step.
        b1: into Hyperparam = 0.9,
        /// How much of the variance stays at each step.
        b2: into Hyperparam = 0.999,
        /// Added to the square root.
        eps: into Hyperparam = 1e-16,
        /// Added to the variance at each step.
        eps_root: into Hyperparam = 1e-16,
        /// What of the parameters is taken away, times the rate.
        weight_decay: into Schedule = 0.0,
        /// Which parameters decay.
        mask: function Mask,
    }
}

/// AdaBelief whose variance is that of the step before, so that it does not depend on the gradient that it divides. Zhuang et al.
/// 2021, <https://arxiv.org/abs/2110.05454>.
///
/// ```
/// use raxla::{Array, optim};
///
/// let tx = optim::acprop_with(1e-2, optim::AcpropOptions::new().weight_decay(1e-4));
/// let params = Array::from([1.0f32, -2.0]);
/// // The first step is that of gradient descent.
/// let (updates, _) = tx.update(&params, &tx.init(&params)?, &params)?;
/// assert!((updates.to_vec::<f32>()?[1] - 0.020_002).abs() < 1e-6);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn acprop(learning_rate: impl Into<Schedule>) -> GradientTransformation {
    acprop_with(learning_rate, AcpropOptions::new())
}

/// [`acprop`] with other constants, or with weight decay.
#[track_caller]
pub fn acprop_with(learning_rate: impl Into<Schedule>, options: AcpropOptions) -> GradientTransformation {
    let AcpropOptions { b1, b2, eps, eps_root, weight_decay, mask } = options;
    let tx = scale_by_acprop_with(ScaleByAcpropOptions { b1, b2, eps, eps_root });
    with_decay(tx, weight_decay, mask, learning_rate)
}

#[derive(Pytree)]
struct ScaleByAdoptState {
    count: Array,
    mu: AnyTree,
    nu: AnyTree,
}

options! {
    /// Options of [`scale_by_adopt_with`] and [`adopt_with`].
    pub struct ScaleByAdoptOptions {
        /// How much of the mean stays at each step.
        b1: into Hyperparam = 0.9,
        /// How much of the mean square stays at each step.
        b2: into Hyperparam = 0.9999,
        /// What the root of the mean square counts as at least.
        eps: into Hyperparam = 1e-6,
        /// The dtype of the mean.
        mu_dtype: optional DType,
        /// Nesterov's momentum.
        nesterov: value bool = false,
        /// Are scaled gradients clipped? That steadies the first steps; complex ones cannot be.
        use_clipping: value bool = true,
        /// To what they are clipped: a number, or a function of the step.
        clip_value_fn: into Schedule = Schedule::new(|step| numpy::power(step, 0.25)),
    }
}

/// The mean over time of updates divided by the root of the mean square before them. Taniguchi et al. 2024,
/// <https://arxiv.org/abs/2411.02853>.
#[track_caller]
pub fn scale_by_adopt() -> GradientTransformation {
    scale_by_adopt_with(ScaleByAdoptOptions::new())
}

/// [`scale_by_adopt`] with other constants.
///
/// # Panics
/// `scale_by_adopt: eps = 0: requires a positive number`, at the caller's line.
#[track_caller]
pub fn scale_by_adopt_with(options: ScaleByAdoptOptions) -> GradientTransformation {
    let ScaleByAdoptOptions { b1, b2, eps, mu_dtype, nesterov, use_clipping, clip_value_fn } = options;
    // The first mean square is zero.
    require_positive("scale_by_adopt", "eps", &eps);
    GradientTransformation::new(
        "scale_by_adopt",
        move |params| {
            Ok(ScaleByAdoptState {
                count: zero_count(),
                mu: zeros_of(params, mu_dtype),
                nu: zeros_like(params),
            })
        },
        move |updates, state: ScaleByAdoptState, _| {
            // The first step makes a mean square, and moves nothing.
            let later = numpy::greater(&state.count, 0);
            let b1 = Hyperparam::from(numpy::where_(&later, &b1, 1.0));
            let b2 = Hyperparam::from(numpy::where_(&later, &b2, 0.0));
            let limit = use_clipping.then(|| clip_value_fn.at(&state.count));
            let scaled = |g: &Array, v: &Array| {
                let scaled = g / numpy::maximum(numpy::sqrt(v), &eps);
                match &limit {
                    Some(limit) => numpy::clip(scaled, -limit, limit),
                    None => scaled,
                }
            };
            let scaled = tree::map2(scaled, &updates, &state.nu);
            let nu = update_norm_moment(&updates, &state.nu, &b2);
            let mu = update_moment(&scaled, &state.mu, &b1);
            let new = if nesterov { update_moment(&scaled, &mu, &b1) } else { mu.clone() };
            let next = ScaleByAdoptState {
                count: safe_increment(&state.count),
                mu: cast_like(&mu, &state.mu),
                nu: cast_like(&nu, &state.nu),
            };
            Ok((new, next))
        },
    )
}

pub use ScaleByAdoptOptions as AdoptOptions;

/// Adam that converges whatever `b2` is, because no gradient is part of the mean square that it is divided by. Taniguchi et al. 2024,
/// <https://arxiv.org/abs/2411.02853>.
///
/// ```
/// use raxla::{Array, optim};
///
/// let tx = optim::adopt(1e-2);
/// let params = Array::from([1.0f32, -2.0]);
/// let (_, state) = tx.update(&params, &tx.init(&params)?, &params)?;
/// // What the first gradient was is known, and so the second has a size.
/// let (updates, _) = tx.update(&params, &state, &params)?;
/// assert!((updates.to_vec::<f32>()?[1] - 1e-3).abs() < 1e-6);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn adopt(learning_rate: impl Into<Schedule>) -> GradientTransformation {
    adopt_with(learning_rate, AdoptOptions::new())
}

/// [`adopt`] with other constants, or without clipping.
///
/// # Panics
/// As [`scale_by_adopt_with`].
#[track_caller]
pub fn adopt_with(learning_rate: impl Into<Schedule>, options: AdoptOptions) -> GradientTransformation {
    with_rate(scale_by_adopt_with(options), learning_rate)
}

#[derive(Pytree)]
struct MadgradState {
    count: Array,
    grad_sum_sq: AnyTree,
    s: AnyTree,
    x0: AnyTree,
}

options! {
    /// Options of [`scale_by_madgrad_with`].
    pub struct ScaleByMadgradOptions {
        /// How much of the parameters stays at each step.
        momentum: into Hyperparam = 0.9,
        /// Added to the rate, and to the cube root.
        eps: into Hyperparam = 1e-6,
    }
}

/// Goes from where it began by the sum of updates over the cube root of the sum of their squares. Defazio and Jelassi 2021,
/// <https://arxiv.org/abs/2101.11075>.
///
/// Its update is the way to the new parameters: nothing is to scale it afterwards.
#[track_caller]
pub fn scale_by_madgrad(learning_rate: impl Into<Schedule>) -> GradientTransformation {
    scale_by_madgrad_with(learning_rate, ScaleByMadgradOptions::new())
}

/// [`scale_by_madgrad`] with other constants.
///
/// # Panics
/// `scale_by_madgrad: learning_rate = -1 is negative`, at the caller's line.
#[track_caller]
pub fn scale_by_madgrad_with(
    learning_rate: impl Into<Schedule>,
    options: ScaleByMadgradOptions,
) -> GradientTransformation {
    let rate = learning_rate.into().checked("scale_by_madgrad", "learning_rate");
    let ScaleByMadgradOptions { momentum, eps } = options;
    GradientTransformation::new(
        "scale_by_madgrad",
        |params| {
            reject_complex(params)?;
            Ok(MadgradState {
                count: zero_count(),
                grad_sum_sq: zeros_like(params),
                s: zeros_like(params),
                x0: params.clone(),
            })
        },
        move |updates, state: MadgradState, cx| {
            // Defazio and Jelassi 2021, Alg. 1.
            let lamb = numpy::sqrt(&state.count + 1) * (rate.value(&state.count) + &eps);
            let add = |sum: &Array, g: Array| sum + (&lamb * g).astype(sum.dtype());
            let grad_sum_sq = tree::map2(|v, g| add(v, numpy::square(g)), &state.grad_sum_sq, &updates);
            let s = tree::map2(|s, g| add(s, g.clone()), &state.s, &updates);
            let z = tree::map3(|x, s, v| x - s / (numpy::cbrt(v) + &eps), &state.x0, &s, &grad_sum_sq);
            let rest = 1.0 - &momentum;
            let step = |z: &Array, x: &Array| (z * &rest + x * &momentum) - x;
            let updates = tree::map2(step, &z, cx.params);
            Ok((updates, MadgradState { count: safe_increment(&state.count), grad_sum_sq, s, x0: state.x0 }))
        },
    )
}

options! {
    /// Options of [`madgrad_with`].
    pub struct MadgradOptions {
        /// How much of the parameters stays at each step.
        momentum: into Hyperparam = 0.9,
        /// What of the parameters is added to gradients.
        weight_decay: into Schedule = 0.0,
        /// Added to the rate, and to the cube root.
        eps: into Hyperparam = 1e-6,
    }
}

/// Adagrad by dual averaging, with a cube root for the square root, and momentum. Defazio and Jelassi 2021,
/// <https://arxiv.org/abs/2101.11075>.
///
/// ```
/// use raxla::{Array, optim};
///
/// let tx = optim::madgrad(1.0);
/// let params = Array::from([1.0f32, -2.0]);
/// let (updates, _) = tx.update(&params, &tx.init(&params)?, &params)?;
/// // A tenth of `g / cbrt(g²)`.
/// assert!((updates.to_vec::<f32>()?[1] - 0.2 / 4f32.cbrt()).abs() < 1e-6);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn madgrad(learning_rate: impl Into<Schedule>) -> GradientTransformation {
    madgrad_with(learning_rate, MadgradOptions::new())
}

/// [`madgrad`] with other constants.
///
/// # Panics
/// As [`scale_by_madgrad_with`].
#[track_caller]
pub fn madgrad_with(learning_rate: impl Into<Schedule>, options: MadgradOptions) -> GradientTransformation {
    let MadgradOptions { momentum, weight_decay, eps } = options;
    let tx = scale_by_madgrad_with(learning_rate, ScaleByMadgradOptions { momentum, eps });
    chain((add_decayed_weights(weight_decay), tx))
}
