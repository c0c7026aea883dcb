//! AdEMAMix: Adam with a fast and a slow mean. Optax: `contrib/_ademamix.py`.

use crate::Pytree;
use crate::arguments::options;
use crate::core::array::Array;
use crate::dtype::DType;
use crate::numpy;
use crate::optim::masking::Mask;
use crate::optim::math::{
    abs_sq, bias_correction, cast_like, safe_increment, tree_add_scale, update_moment, update_norm_moment,
    zero_count, zeros_like, zeros_of,
};
use crate::optim::optimizers::with_decay;
use crate::optim::{GradientTransformation, Hyperparam, Schedule};
use crate::tree::{self, AnyTree};

#[derive(Pytree)]
struct ScaleByAdemamixState {
    count: Array,
    count_m2: Array,
    m1: AnyTree,
    m2: AnyTree,
    nu: AnyTree,
}

options! {
    /// Options of [`scale_by_ademamix_with`].
    pub struct ScaleByAdemamixOptions {
        /// How much of the fast mean stays at each step.
        b1: into Hyperparam = 0.9,
        /// How much of the mean square stays at each step.
        b2: into Hyperparam = 0.999,
        /// How much of the slow mean stays at each step.
        b3: into Schedule = 0.9999,
        /// How much of the slow mean is added to the fast one.
        alpha: into Schedule = 6.0,
        /// Added to the square root.
        eps: into Hyperparam = 1e-8,
        /// Added below the square root.
        eps_root: into Hyperparam = 0.0,
        /// The dtype of the means and of the mean square.
        mu_dtype: optional DType,
    }
}

/// Divides the sum of a fast and a slow mean of updates over time by the root of their mean square. Pagliardini et al. 2024,
/// <https://arxiv.org/abs/2409.03137>.
#[track_caller]
pub fn scale_by_ademamix() -> GradientTransformation {
    scale_by_ademamix_with(ScaleByAdemamixOptions::new())
}

/// [`scale_by_ademamix`] with other constants.
///
/// With `mu_dtype` the state has that dtype after each step; in Optax it has it before the first one alone.
#[track_caller]
pub fn scale_by_ademamix_with(options: ScaleByAdemamixOptions) -> GradientTransformation {
    let ScaleByAdemamixOptions { b1, b2, b3, alpha, eps, eps_root, mu_dtype } = options;
    GradientTransformation::new(
        "scale_by_ademamix",
        move |params| {
            let [m1, m2, nu] = std::array::from_fn(|_| zeros_of(params, mu_dtype));
            Ok(ScaleByAdemamixState { count: zero_count(), count_m2: zero_count(), m1, m2, nu })
        },
        move |updates, state: ScaleByAdemamixState, _| {
            let [b3, alpha] = [&b3, &alpha].map(|schedule| schedule.value(&state.count_m2));
            let m1 = update_moment(&updates, &state.m1, &b1);
            let m2 = update_moment(&updates, &state.m2, &b3);
            let nu = update_norm_moment(&updates, &state.nu, &b2);
            let count = safe_increment(&state.count);
            // The slow mean keeps its bias, so that it comes in slowly.
            let m1_hat = bias_correction(&m1, &b1, &count);
            let nu_hat = bias_correction(&nu, &b2, &count);
            let mixed =
                |m1: &Array, m2: &Array, v: &Array| (m1 + m2 * &alpha) / (numpy::sqrt(v + &eps_root) + &eps);
            let new = tree::map3(mixed, &m1_hat, &m2, &nu_hat);
            let next = ScaleByAdemamixState {
                count,
                count_m2: safe_increment(&state.count_m2),
                m1: cast_like(&m1, &state.m1),
                m2: cast_like(&m2, &state.m2),
                nu: cast_like(&nu, &state.nu),
            };
            Ok((new, next))
        },
    )
}

options! {
    /// Options of [`ademamix_with`].
    pub struct AdemamixOptions {
        /// How much of the fast mean stays at each step.
        b1: into Hyperparam = 0.9,
        /// How much of the mean square stays at each step.
        b2: into Hyperparam = 0.999,
        /// How much of the slow mean stays at each step.
        b3: into Schedule = 0.9999,
        /// How much of the slow mean is added to the fast one.
        alpha: into Schedule = 5.0,
        /// Added to the square root.
        eps: into Hyperparam = 1e-8,
        /// Added below the square root.
        eps_root: into Hyperparam = 0.0,
        /// The dtype of the means and of the mean square.
        mu_dtype: optional DType,
        /// What of the parameters is taken away, times the rate.
        weight_decay: into Schedule = 0.0,
        /// Which parameters decay.
        mask: function Mask,
    }
}

/// AdamW with a second mean that remembers thousands of steps. Pagliardini et al. 2024, <https://arxiv.org/abs/2409.03137>.
///
/// The paper has `alpha` and `b3` rise over training: both may be functions of the step.
/// ```
/// use raxla::{Array, optim};
///
/// let options = optim::AdemamixOptions::new().alpha(optim::linear_schedule(0.0, 5.0, 1000));
/// let tx = optim::ademamix_with(1e-3, options);
/// let params = Array::from([1.0f32, -2.0]);
/// // Before the slow mean comes in, it is Adam.
/// let (updates, _) = tx.update(&params, &tx.init(&params)?, &params)?;
/// assert!((updates.to_vec::<f32>()?[1] - 1e-3).abs() < 1e-6);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn ademamix(learning_rate: impl Into<Schedule>) -> GradientTransformation {
    ademamix_with(learning_rate, AdemamixOptions::new())
}

/// [`ademamix`] with other constants, or with weight decay.
#[track_caller]
pub fn ademamix_with(learning_rate: impl Into<Schedule>, options: AdemamixOptions) -> GradientTransformation {
    let AdemamixOptions { b1, b2, b3, alpha, eps, eps_root, mu_dtype, weight_decay, mask } = options;
    let tx = scale_by_ademamix_with(ScaleByAdemamixOptions { b1, b2, b3, alpha, eps, eps_root, mu_dtype });
    with_decay(tx, weight_decay, mask, learning_rate)
}

#[derive(Pytree)]
struct ScaleBySimplifiedAdemamixState {
    t: Array,
    m: AnyTree,
    n: AnyTree,
}

options! {
    /// Options of [`scale_by_simplified_ademamix_with`].
    pub struct ScaleBySimplifiedAdemamixOptions {
        /// How much of the sum stays at each step.
        b1: into Hyperparam = 0.99,
        /// How much of the mean square stays at each step.
        b2: into Hyperparam = 0.95,
        /// How much of the gradient is added to the sum.
        alpha: into Schedule = 0.0,
        /// Added to the square root.
        eps: into Hyperparam = 1e-8,
        /// Added below the square root.
        eps_root: into Hyperparam = 0.0,
    }
}

/// Divides the sum of updates over time, and of the last one, by the root of their mean square. Morwani et al. 2025,
/// <https://arxiv.org/abs/2502.02431>.
#[track_caller]
pub fn scale_by_simplified_ademamix() -> GradientTransformation {
    scale_by_simplified_ademamix_with(ScaleBySimplifiedAdemamixOptions::new())
}

/// [`scale_by_simplified_ademamix`] with other constants.
#[track_caller]
pub fn scale_by_simplified_ademamix_with(
    options: ScaleBySimplifiedAdemamixOptions,
) -> GradientTransformation {
    let ScaleBySimplifiedAdemamixOptions { b1, b2, alpha, eps, eps_root } = options;
    GradientTransformation::new(
        "scale_by_simplified_ademamix",
        |params| {
            let (m, n) = (zeros_like(params), zeros_like(params));
            Ok(ScaleBySimplifiedAdemamixState { t: zero_count(), m, n })
        },
        move |g, state: ScaleBySimplifiedAdemamixState, _| {
            let alpha = alpha.value(&state.t);
            let m = tree_add_scale(&g, &b1, &state.m);
            let square = |g: &Array, n: &Array| {
                let g = abs_sq(g);
                &g + (n - &g) * &b2
            };
            let n = tree::map2(square, &g, &state.n);
            let t = safe_increment(&state.t);
            let n_hat = bias_correction(&n, &b2, &t);
            let mixed =
                |m: &Array, g: &Array, n: &Array| (m + g * &alpha) / (numpy::sqrt(n + &eps_root) + &eps);
            let new = tree::map3(mixed, &m, &g, &n_hat);
            Ok((new, ScaleBySimplifiedAdemamixState { t, m, n: cast_like(&n, &state.n) }))
        },
    )
}

options! {
    /// Options of [`simplified_ademamix_with`].
    pub struct SimplifiedAdemamixOptions {
        /// How much of the sum stays at each step.
        b1: into Hyperparam = 0.99,
        /// How much of the mean square stays at each step.
        b2: into Hyperparam = 0.95,
        /// How much of the gradient is added to the sum.
        alpha: into Schedule = 0.0,
        /// Added to the square root.
        eps: into Hyperparam = 1e-8,
        /// Added below the square root.
        eps_root: into Hyperparam = 0.0,
        /// What of the parameters is taken away, times the rate.
        weight_decay: into Schedule = 0.0,
        /// Which parameters decay.
        mask: function Mask,
    }
}

/// [`ademamix`] with one sum in place of two means; its rate is `1 - b1` times that of Adam. Morwani et al. 2025,
/// <https://arxiv.org/abs/2502.02431>.
#[track_caller]
pub fn simplified_ademamix(learning_rate: impl Into<Schedule>) -> GradientTransformation {
    simplified_ademamix_with(learning_rate, SimplifiedAdemamixOptions::new())
}

/// [`simplified_ademamix`] with other constants, or with weight decay.
#[track_caller]
pub fn simplified_ademamix_with(
    learning_rate: impl Into<Schedule>,
    options: SimplifiedAdemamixOptions,
) -> GradientTransformation {
    let SimplifiedAdemamixOptions { b1, b2, alpha, eps, eps_root, weight_decay, mask } = options;
    let options = ScaleBySimplifiedAdemamixOptions { b1, b2, alpha, eps, eps_root };
    with_decay(scale_by_simplified_ademamix_with(options), weight_decay, mask, learning_rate)
}
