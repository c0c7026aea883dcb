//! Rates by a model of the loss. Optax: `contrib/_momo.py`.

use super::{narrowest_float, real_vdot};
use crate::Pytree;
use crate::arguments::options;
use crate::core::array::Array;
use crate::error::Result;
use crate::numpy;
use crate::optim::math::{
    norm_sq, safe_increment, update_moment, update_norm_moment, zero_count, zeros_like,
};
use crate::optim::{Context, GradientTransformation, Hyperparam, Schedule};
use crate::tree::{self, AnyTree};

/// The mean of the losses' linear models over time, at the parameters: `barf + <exp_avg, x> - gamma`, of which `lb` is a bound.
#[derive(Pytree)]
struct MomoModel {
    barf: Array,
    gamma: Array,
    lb: Array,
}

/// What does not change with the steps.
#[derive(Clone)]
struct Bound {
    lower_bound: Hyperparam,
    weight_decay: Hyperparam,
    adapts: bool,
}

impl Bound {
    fn begin(&self, params: &AnyTree) -> MomoModel {
        let dtype = narrowest_float(params);
        let lb = numpy::full(((), dtype), &self.lower_bound);
        MomoModel { barf: numpy::zeros(((), dtype)), gamma: numpy::zeros(((), dtype)), lb }
    }

    /// The step along the mean gradient, whose inner product with the parameters is `iprod` and whose squared norm `norm`, and the next
    /// bound. `bc` is the weight that means over time have gathered. Schaipp et al. 2023, Alg. 1 and 2.
    fn step(
        &self,
        model: &MomoModel,
        alpha: &Hyperparam,
        bc: &Array,
        iprod: &Array,
        norm: &Array,
    ) -> (Array, Array) {
        let MomoModel { barf, gamma, lb } = model;
        let shrink = 1.0 + alpha * &self.weight_decay;
        let this_lb = if self.adapts {
            let cap = (barf - gamma) * &shrink + iprod;
            let lower = numpy::maximum(&cap / (bc * 2.0 * &shrink), &self.lower_bound);
            numpy::where_(numpy::less(cap, bc * &shrink * lb), lower, lb)
        } else {
            lb.clone()
        };
        let height = (barf - bc * this_lb - gamma) * &shrink + iprod;
        let polyak = numpy::maximum(height, 0.0) / norm;
        // Where the mean gradient is zero there is nowhere to go.
        let polyak = numpy::where_(numpy::less_equal(norm, f64::EPSILON), 0.0, polyak);
        let tau = numpy::minimum(Array::from(alpha) / bc, polyak);
        let next = if self.adapts {
            let bound = ((barf + iprod - gamma) - &tau * 0.5 * norm) / bc;
            numpy::maximum(bound, &self.lower_bound).astype(lb.dtype())
        } else {
            lb.clone()
        };
        (tau, next)
    }

    /// What parameters are multiplied by for their decay.
    fn decay(&self, alpha: &Hyperparam) -> Hyperparam {
        let both = alpha * &self.weight_decay;
        -&(&both / (1.0 + &both))
    }
}

impl MomoModel {
    /// The model with another loss, of which it forgets as much as `beta` says.
    fn with(&self, beta: &Hyperparam, grads: &AnyTree, cx: &Context<'_>) -> Result<MomoModel> {
        let dtype = self.barf.dtype();
        let rest = 1.0 - beta;
        let value = cx.value()?.astype(dtype);
        let barf = &self.barf * beta + value * &rest;
        let gamma = &self.gamma * beta + real_vdot(grads, cx.params) * &rest;
        Ok(MomoModel { barf, gamma, lb: self.lb.clone() })
    }

    /// As it is kept.
    fn kept(&self, lb: Array) -> MomoModel {
        let dtype = lb.dtype();
        MomoModel { barf: self.barf.astype(dtype), gamma: self.gamma.astype(dtype), lb }
    }
}

#[derive(Pytree)]
struct MomoState {
    exp_avg: AnyTree,
    barf: Array,
    gamma: Array,
    lb: Array,
    count: Array,
}

options! {
    /// Options of [`momo_with`].
    pub struct MomoOptions {
        /// The largest rate.
        learning_rate: into Schedule = 1.0,
        /// How much of the means over time stays at each step.
        beta: into Hyperparam = 0.9,
        /// What losses are at least.
        lower_bound: into Hyperparam = 0.0,
        /// What of the parameters is taken away, times the largest rate.
        weight_decay: into Hyperparam = 0.0,
        /// Is the bound estimated, from `lower_bound` upwards?
        adapt_lower_bound: value bool = false,
    }
}

/// Gradient descent with momentum, by as much as a model of the loss says, of which a bound is known. Schaipp et al. 2023,
/// <https://arxiv.org/abs/2305.07583>.
///
/// `update_with` needs the loss.
/// ```
/// use raxla::{optim::{self, ExtraArgs}, prelude::*};
///
/// let tx = optim::momo();
/// let params = Array::from([1.0f32, 2.0]);
/// let (loss, grads) = value_and_grad(|x: &Array| (x * x).sum(..))(&params)?;
/// let (updates, _) = tx.update_with(&grads, &tx.init(&params)?, &params, ExtraArgs::new().value(loss))?;
/// // Half of the way to the least loss, which is 0.
/// assert_eq!(updates.to_vec::<f32>()?, [-0.5, -1.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn momo() -> GradientTransformation {
    momo_with(MomoOptions::new())
}

/// [`momo`] with another bound, or with weight decay.
///
/// # Panics
/// `momo: learning_rate = -1 is negative`, at the caller's line.
#[track_caller]
pub fn momo_with(options: MomoOptions) -> GradientTransformation {
    let MomoOptions { learning_rate, beta, lower_bound, weight_decay, adapt_lower_bound } = options;
    let rate = learning_rate.checked("momo", "learning_rate");
    let bound = Bound { lower_bound, weight_decay, adapts: adapt_lower_bound };
    let begun = bound.clone();
    GradientTransformation::new(
        "momo",
        move |params| {
            let MomoModel { barf, gamma, lb } = begun.begin(params);
            Ok(MomoState { exp_avg: zeros_like(params), barf, gamma, lb, count: zero_count() })
        },
        move |updates, state: MomoState, cx| {
            let MomoState { exp_avg, barf, gamma, lb, count } = state;
            // Means begin with the first gradient and loss.
            let beta = Hyperparam::from(numpy::where_(numpy::equal(&count, 0), 0.0, &beta));
            let model = MomoModel { barf, gamma, lb }.with(&beta, &updates, cx)?;
            let exp_avg = update_moment(&updates, &exp_avg, &beta);
            let (norm, iprod) = (norm_sq(&exp_avg), real_vdot(&exp_avg, cx.params));
            let alpha = rate.value(&count);
            let (tau, lb) = bound.step(&model, &alpha, &1.0.into(), &iprod, &norm);
            let decay = bound.decay(&alpha);
            let updates = tree::map2(|m, p| p * &decay - &tau * m, &exp_avg, cx.params);
            let MomoModel { barf, gamma, lb } = model.kept(lb);
            Ok((updates, MomoState { exp_avg, barf, gamma, lb, count: safe_increment(count) }))
        },
    )
}

#[derive(Pytree)]
struct MomoAdamState {
    exp_avg: AnyTree,
    exp_avg_sq: AnyTree,
    barf: Array,
    gamma: Array,
    lb: Array,
    count: Array,
}

options! {
    /// Options of [`momo_adam_with`].
    pub struct MomoAdamOptions {
        /// The largest rate.
        learning_rate: into Schedule = 1e-2,
        /// How much of the mean stays at each step.
        b1: into Hyperparam = 0.9,
        /// How much of the mean square stays at each step.
        b2: into Hyperparam = 0.999,
        /// Added to the square root.
        eps: into Hyperparam = 1e-8,
        /// What losses are at least.
        lower_bound: into Hyperparam = 0.0,
        /// What of the parameters is taken away, times the largest rate.
        weight_decay: into Hyperparam = 0.0,
        /// Is the bound estimated, from `lower_bound` upwards?
        adapt_lower_bound: value bool = false,
    }
}

/// Adam, by as much as a model of the loss says, of which a bound is known. Schaipp et al. 2023, <https://arxiv.org/abs/2305.07583>.
///
/// `update_with` needs the loss, as that of [`momo`] does.
#[track_caller]
pub fn momo_adam() -> GradientTransformation {
    momo_adam_with(MomoAdamOptions::new())
}

/// [`momo_adam`] with other constants, or with weight decay.
///
/// # Panics
/// `momo_adam: learning_rate = -1 is negative`, at the caller's line.
#[track_caller]
pub fn momo_adam_with(options: MomoAdamOptions) -> GradientTransformation {
    let MomoAdamOptions { learning_rate, b1, b2, eps, lower_bound, weight_decay, adapt_lower_bound } =
        options;
    let rate = learning_rate.checked("momo_adam", "learning_rate");
    let bound = Bound { lower_bound, weight_decay, adapts: adapt_lower_bound };
    let begun = bound.clone();
    GradientTransformation::new(
        "momo_adam",
        move |params| {
            let MomoModel { barf, gamma, lb } = begun.begin(params);
            let [exp_avg, exp_avg_sq] = std::array::from_fn(|_| zeros_like(params));
            Ok(MomoAdamState { exp_avg, exp_avg_sq, barf, gamma, lb, count: zero_count() })
        },
        move |updates, state: MomoAdamState, cx| {
            let MomoAdamState { exp_avg, exp_avg_sq, barf, gamma, lb, count } = state;
            let dtype = barf.dtype();
            let next_count = safe_increment(&count);
            let weight = |decay: &Hyperparam| (1.0 - numpy::power(decay, &next_count)).astype(dtype);
            let (bc1, bc2) = (weight(&b1), weight(&b2));
            let model = MomoModel { barf, gamma, lb }.with(&b1, &updates, cx)?;
            let exp_avg = update_moment(&updates, &exp_avg, &b1);
            let exp_avg_sq = update_norm_moment(&updates, &exp_avg_sq, &b2);
            let precond = tree::map(|v| numpy::sqrt(v / &bc2) + &eps, &exp_avg_sq);
            let norm = real_vdot(&exp_avg, &tree::map2(|m, c| m / c, &exp_avg, &precond));
            let iprod = real_vdot(&exp_avg, cx.params);
            let alpha = rate.value(&count);
            let (tau, lb) = bound.step(&model, &alpha, &bc1, &iprod, &norm);
            let decay = bound.decay(&alpha);
            let step = |m: &Array, c: &Array, p: &Array| p * &decay - &tau * m / c;
            let updates = tree::map3(step, &exp_avg, &precond, cx.params);
            let MomoModel { barf, gamma, lb } = model.kept(lb);
            Ok((updates, MomoAdamState { exp_avg, exp_avg_sq, barf, gamma, lb, count: next_count }))
        },
    )
}
