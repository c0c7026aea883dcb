//! Optimisers that find their rates: COCOB, D-Adaptation, Prodigy. Optax: `contrib/_cocob.py`, `_dadapt_adamw.py`, `_prodigy.py`.

use super::{narrowest_float, real_vdot, require_positive};
use crate::Pytree;
use crate::arguments::options;
use crate::core::array::Array;
use crate::error::throw;
use crate::numpy;
use crate::optim::accumulators::reject_complex;
use crate::optim::masking::{Mask, chain};
use crate::optim::math::{
    full_like, safe_increment, sub, sum_of, update_norm_moment, zero_count, zeros_like,
};
use crate::optim::scaling::{LearningRateOptions, decayed_weights_of, scale_by_learning_rate_with};
use crate::optim::{GradientTransformation, Hyperparam, Schedule};
use crate::tree::{self, AnyTree};

#[derive(Pytree)]
struct CocobState {
    init_particles: AnyTree,
    cumulative_gradients: AnyTree,
    scale: AnyTree,
    subgradients: AnyTree,
    reward: AnyTree,
}

options! {
    /// Options of [`scale_by_cocob_with`].
    pub struct ScaleByCocobOptions {
        /// How small a part of its wealth is bet on the first gradients.
        alpha: into Hyperparam = 100.0,
        /// What the largest gradient so far begins with.
        eps: into Hyperparam = 1e-8,
    }
}

/// Bets on the sign of the next gradient, element by element, and goes from where it began by as much as it bets. Orabona and Tommasi
/// 2017, <https://arxiv.org/abs/1705.07795>.
///
/// Its update is the way to the new parameters: nothing is to scale it afterwards.
#[track_caller]
pub fn scale_by_cocob() -> GradientTransformation {
    scale_by_cocob_with(ScaleByCocobOptions::new())
}

/// [`scale_by_cocob`] with other constants.
///
/// # Panics
/// `scale_by_cocob: eps = 0: requires a positive number`, at the caller's line.
#[track_caller]
pub fn scale_by_cocob_with(options: ScaleByCocobOptions) -> GradientTransformation {
    let ScaleByCocobOptions { alpha, eps } = options;
    require_positive("scale_by_cocob", "alpha", &alpha);
    require_positive("scale_by_cocob", "eps", &eps);
    GradientTransformation::new(
        "scale_by_cocob",
        move |params| {
            // A bet is on a sign.
            reject_complex(params)?;
            let [cumulative_gradients, subgradients, reward] = std::array::from_fn(|_| zeros_like(params));
            Ok(CocobState {
                init_particles: params.clone(),
                cumulative_gradients,
                scale: full_like(params, &eps),
                subgradients,
                reward,
            })
        },
        move |updates, state: CocobState, cx| {
            // Orabona and Tommasi 2017, Alg. 2.
            let first = state.init_particles;
            let scale = tree::map2(|l, g| numpy::maximum(l, numpy::abs(g)), &state.scale, &updates);
            let subgradients = tree::map2(|s, g| s + numpy::abs(g), &state.subgradients, &updates);
            let won = tree::map3(|g, p, p0| g * (p - p0), &updates, cx.params, &first);
            let reward = tree::map2(|r, won| numpy::maximum(r - won, 0.0), &state.reward, &won);
            let cumulative_gradients = sub(&state.cumulative_gradients, &updates);
            let bet = |c: &Array, l: &Array, s: &Array, r: &Array| {
                c / (l * numpy::maximum(s + l, l * &alpha)) * (l + r)
            };
            let bet = tree::map4(bet, &cumulative_gradients, &scale, &subgradients, &reward);
            let updates = tree::map3(|p, p0, bet| -p + (p0 + bet), cx.params, &first, &bet);
            let next =
                CocobState { init_particles: first, cumulative_gradients, scale, subgradients, reward };
            Ok((updates, next))
        },
    )
}

options! {
    /// Options of [`cocob_with`].
    pub struct CocobOptions {
        /// What gradients are multiplied by.
        learning_rate: into Schedule = 1.0,
        /// How small a part of its wealth is bet on the first gradients.
        alpha: into Hyperparam = 100.0,
        /// What the largest gradient so far begins with.
        eps: into Hyperparam = 1e-8,
        /// What of the parameters is added to gradients.
        weight_decay: into Schedule = 0.0,
        /// Which parameters decay.
        mask: function Mask,
    }
}

/// Continuous coin betting: no rate is chosen. Orabona and Tommasi 2017, <https://arxiv.org/abs/1705.07795>.
///
/// ```
/// use raxla::{Array, optim};
///
/// let tx = optim::cocob();
/// let params = Array::from([1.0f32, -2.0]);
/// let (updates, _) = tx.update(&params, &tx.init(&params)?, &params)?;
/// // One part in `alpha` for the first gradient, whatever its size.
/// assert!((updates.to_vec::<f32>()?[1] - 0.01).abs() < 1e-6);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn cocob() -> GradientTransformation {
    cocob_with(CocobOptions::new())
}

/// [`cocob`] with other constants, or with weight decay.
///
/// # Panics
/// As [`scale_by_cocob_with`].
#[track_caller]
pub fn cocob_with(options: CocobOptions) -> GradientTransformation {
    let CocobOptions { learning_rate, alpha, eps, weight_decay, mask } = options;
    chain((
        decayed_weights_of(weight_decay, mask),
        scale_by_learning_rate_with(learning_rate, LearningRateOptions::new().flip_sign(false)),
        scale_by_cocob_with(ScaleByCocobOptions { alpha, eps }),
    ))
}

/// Adam's two decay rates, checked.
#[track_caller]
fn checked_betas(op: &str, betas: (f64, f64)) -> (f64, f64) {
    let (b1, b2) = betas;
    if !(0.0..1.0).contains(&b1) || !(0.0..1.0).contains(&b2) {
        throw!(InvalidArgument, "{op}: betas = ({b1}, {b2}): requires numbers of at least 0 and less than 1");
    }
    betas
}

/// `sqrt(1 - b2^count) / (1 - b1^count)`: what takes the bias out of Adam's moments.
fn adam_correction((b1, b2): (f64, f64), count: &Array) -> Array {
    numpy::power(1.0 - numpy::power(b2, count), 0.5) / (1.0 - numpy::power(b1, count))
}

/// The sum of the sizes of all elements.
fn sum_of_sizes(tree: &AnyTree) -> Array {
    sum_of(tree.leaves().iter().map(|x| numpy::abs(x).sum(..)))
}

/// The larger of the estimate so far and `numerator / denominator`. While all gradients are zero there is nothing to estimate.
fn larger_estimate(so_far: &Array, numerator: Array, denominator: &Array) -> Array {
    let known = numpy::greater(denominator, 0.0);
    let estimate = numerator / numpy::where_(&known, denominator, 1.0);
    numpy::maximum(so_far, numpy::where_(known, estimate, 0.0)).astype(so_far.dtype())
}

#[derive(Pytree)]
struct DAdaptAdamWState {
    exp_avg: AnyTree,
    exp_avg_sq: AnyTree,
    grad_sum: AnyTree,
    estim_lr: Array,
    numerator_weighted: Array,
    count: Array,
}

options! {
    /// Options of [`dadapt_adamw_with`].
    pub struct DadaptAdamWOptions {
        /// What the rate that is found is multiplied by; a schedule begins at 1.
        learning_rate: into Schedule = 1.0,
        /// How much of the mean and of the mean square stays at each step.
        betas: value (f64, f64) = (0.9, 0.999),
        /// Added to the square root.
        eps: into Hyperparam = 1e-8,
        /// The rate to begin with: less than the one to be found.
        estim_lr0: into Hyperparam = 1e-6,
        /// What of the parameters is taken away, times the rate.
        weight_decay: into Hyperparam = 0.0,
    }
}

/// AdamW that finds its rate by D-adaptation. Defazio and Mishchenko 2023, <https://arxiv.org/abs/2301.07733>.
///
/// ```
/// use raxla::{lax, optim, prelude::*};
///
/// let tx = optim::dadapt_adamw();
/// let params = Array::from([30.0f32, -20.0]);
/// let step = |(params, state): (Array, optim::OptState), _: Array| -> Result<_> {
///     let (updates, state) = tx.update(&(&params * 2.0), &state, &params)?;
///     Ok(((optim::apply_updates(&params, &updates), state), ()))
/// };
/// let ((params, _), ()) = lax::scan(step, (params.clone(), tx.init(&params)?), raxla::numpy::arange(1000))?;
/// assert!(params.to_vec::<f32>()?.iter().all(|x| x.abs() < 0.1));
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn dadapt_adamw() -> GradientTransformation {
    dadapt_adamw_with(DadaptAdamWOptions::new())
}

/// [`dadapt_adamw`] with other constants, or with weight decay.
///
/// # Panics
/// `dadapt_adamw: estim_lr0 = 0: requires a positive number`; betas that are not between 0 and 1, a negative rate, at the caller's
/// line.
#[track_caller]
pub fn dadapt_adamw_with(options: DadaptAdamWOptions) -> GradientTransformation {
    let DadaptAdamWOptions { learning_rate, betas, eps, estim_lr0, weight_decay } = options;
    let rate = learning_rate.checked("dadapt_adamw", "learning_rate");
    require_positive("dadapt_adamw", "estim_lr0", &estim_lr0);
    let (b1, b2) = checked_betas("dadapt_adamw", betas);
    let root = b2.sqrt();
    GradientTransformation::new(
        "dadapt_adamw",
        move |params| {
            let dtype = narrowest_float(params);
            let [exp_avg, exp_avg_sq, grad_sum] = std::array::from_fn(|_| zeros_like(params));
            Ok(DAdaptAdamWState {
                exp_avg,
                exp_avg_sq,
                grad_sum,
                estim_lr: numpy::full(((), dtype), &estim_lr0),
                numerator_weighted: numpy::zeros(((), dtype)),
                count: zero_count(),
            })
        },
        move |updates, state: DAdaptAdamWState, cx| {
            // Defazio and Mishchenko 2023, Alg. 5.
            let dtype = state.estim_lr.dtype();
            let count = safe_increment(&state.count);
            let bc = adam_correction(betas, &count);
            let dlr = (&state.estim_lr * rate.value(&state.count) * bc).astype(dtype);
            let over_root = |x: &Array, v: &Array| x / (numpy::sqrt(v) + &eps);
            let weighted = tree::map2(over_root, &state.grad_sum, &state.exp_avg_sq);
            let step_numerator = real_vdot(&updates, &weighted);
            let added = |x: &AnyTree, decay: f64| {
                let part = (1.0 - decay) * &dlr;
                tree::map2(|x, g| x * decay + &part * g, x, &updates)
            };
            let exp_avg = added(&state.exp_avg, b1);
            let grad_sum = added(&state.grad_sum, root);
            let exp_avg_sq = update_norm_moment(&updates, &state.exp_avg_sq, &b2.into());
            let numerator = &state.numerator_weighted * root + (1.0 - root) * &dlr * step_numerator;
            let denominator = sum_of_sizes(&grad_sum) * (1.0 - root);
            let estim_lr = larger_estimate(&state.estim_lr, numerator.clone(), &denominator);
            let decay = &dlr * -&weight_decay;
            let step = |m: &Array, v: &Array, p: &Array| &decay * p - over_root(m, v);
            let updates = tree::map3(step, &exp_avg, &exp_avg_sq, cx.params);
            let numerator_weighted = numerator.astype(dtype);
            Ok((
                updates,
                DAdaptAdamWState { exp_avg, exp_avg_sq, grad_sum, estim_lr, numerator_weighted, count },
            ))
        },
    )
}

#[derive(Pytree)]
struct ProdigyState {
    exp_avg: AnyTree,
    exp_avg_sq: AnyTree,
    grad_sum: AnyTree,
    params0: AnyTree,
    estim_lr: Array,
    numerator_weighted: Array,
    count: Array,
}

options! {
    /// Options of [`prodigy_with`].
    pub struct ProdigyOptions {
        /// What the rate that is found is multiplied by; a schedule begins at 1.
        learning_rate: into Schedule = 1.0,
        /// How much of the mean and of the mean square stays at each step.
        betas: value (f64, f64) = (0.9, 0.999),
        /// How much of the estimate's sums stays at each step; the root of the second of `betas` if not given.
        beta3: optional_into Hyperparam,
        /// Added to the square root.
        eps: into Hyperparam = 1e-8,
        /// The rate to begin with: less than the one to be found.
        estim_lr0: into Hyperparam = 1e-6,
        /// What estimates of the rate are multiplied by.
        estim_lr_coef: into Hyperparam = 1.0,
        /// What of the parameters is taken away, times the rate.
        weight_decay: into Hyperparam = 0.0,
        /// Are estimates independent of `learning_rate`? For schedules that rise at the beginning.
        safeguard_warmup: value bool = false,
    }
}

/// AdamW that finds its rate, faster than [`dadapt_adamw`]. Mishchenko and Defazio 2023, <https://arxiv.org/abs/2306.06101>.
///
/// ```
/// use raxla::{lax, optim, prelude::*};
///
/// let tx = optim::prodigy();
/// let params = Array::from([30.0f32, -20.0]);
/// let step = |(params, state): (Array, optim::OptState), _: Array| -> Result<_> {
///     let (updates, state) = tx.update(&(&params * 2.0), &state, &params)?;
///     Ok(((optim::apply_updates(&params, &updates), state), ()))
/// };
/// let ((params, _), ()) = lax::scan(step, (params.clone(), tx.init(&params)?), raxla::numpy::arange(1000))?;
/// assert!(params.to_vec::<f32>()?.iter().all(|x| x.abs() < 0.1));
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn prodigy() -> GradientTransformation {
    prodigy_with(ProdigyOptions::new())
}

/// [`prodigy`] with other constants, or with weight decay.
///
/// # Panics
/// `prodigy: estim_lr0 = 0: requires a positive number`; betas that are not between 0 and 1, a negative rate, at the caller's line.
#[track_caller]
pub fn prodigy_with(options: ProdigyOptions) -> GradientTransformation {
    let ProdigyOptions {
        learning_rate,
        betas,
        beta3,
        eps,
        estim_lr0,
        estim_lr_coef,
        weight_decay,
        safeguard_warmup,
    } = options;
    let rate = learning_rate.checked("prodigy", "learning_rate");
    require_positive("prodigy", "estim_lr0", &estim_lr0);
    let (b1, b2) = checked_betas("prodigy", betas);
    let beta3 = beta3.unwrap_or_else(|| b2.sqrt().into());
    let lr0 = estim_lr0.clone();
    GradientTransformation::new(
        "prodigy",
        move |params| {
            let dtype = narrowest_float(params);
            let [exp_avg, exp_avg_sq, grad_sum] = std::array::from_fn(|_| zeros_like(params));
            Ok(ProdigyState {
                exp_avg,
                exp_avg_sq,
                grad_sum,
                params0: params.clone(),
                estim_lr: numpy::full(((), dtype), &lr0),
                numerator_weighted: numpy::zeros(((), dtype)),
                count: zero_count(),
            })
        },
        move |updates, state: ProdigyState, cx| {
            // Mishchenko and Defazio 2023, Alg. 4.
            let dtype = state.estim_lr.dtype();
            let count = safe_increment(&state.count);
            let d = &state.estim_lr;
            let dlr = (d * rate.value(&state.count) * adam_correction(betas, &count)).astype(dtype);
            let dg = tree::map(|g| d * g, &updates);
            let step_numerator = real_vdot(&updates, &sub(&state.params0, cx.params));
            let exp_avg = tree::map2(|m, g| m * b1 + g * (1.0 - b1), &state.exp_avg, &dg);
            let exp_avg_sq = update_norm_moment(&dg, &state.exp_avg_sq, &b2.into());
            let weight = if safeguard_warmup { d } else { &dlr };
            let grad_sum = tree::map2(|s, g| s * &beta3 + weight * g / &estim_lr0, &state.grad_sum, &dg);
            let numerator = &state.numerator_weighted * &beta3 + d / &estim_lr0 * &dlr * step_numerator;
            let estim_lr = larger_estimate(d, &numerator * &estim_lr_coef, &sum_of_sizes(&grad_sum));
            let (decay, eps) = (&dlr * -&weight_decay, &estim_lr * &eps);
            let step = |m: &Array, v: &Array, p: &Array| &decay * p - &dlr * m / (numpy::sqrt(v) + &eps);
            let updates = tree::map3(step, &exp_avg, &exp_avg_sq, cx.params);
            let next = ProdigyState {
                exp_avg,
                exp_avg_sq,
                grad_sum,
                params0: state.params0,
                estim_lr,
                numerator_weighted: numerator.astype(dtype),
                count,
            };
            Ok((updates, next))
        },
    )
}
