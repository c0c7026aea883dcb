//! Transformations that scale updates, without or with little state. Optax: `_src/transform.py`, `transforms/_adding.py`.

use super::masking::Mask;
use super::math::{self, abs_sq, safe_increment, zero_count};
use super::transformation::named_stateless;
use super::{GradientTransformation, Hyperparam, Schedule};
use crate::Pytree;
use crate::arguments::options;
use crate::core::array::Array;
use crate::error::throw;
use crate::numpy::{self, ReduceOptions};
use crate::random::{self, Key};
use crate::tree;

/// Multiplies updates by a number.
#[track_caller]
pub fn scale(step_size: impl Into<Hyperparam>) -> GradientTransformation {
    let step_size = step_size.into();
    named_stateless("scale", move |updates, _| Ok(math::tree_scale(&step_size, &updates)))
}

options! {
    /// Options of [`scale_by_learning_rate_with`].
    pub struct LearningRateOptions {
        /// Does it go against the gradient?
        flip_sign: value bool = true,
    }
}

/// Multiplies updates by a rate, and turns their sign, so that adding them goes against the gradient. The rate may be a number or a
/// function of the step.
///
/// # Panics
/// `scale_by_learning_rate: learning_rate = -0.1 is negative`, at the caller's line.
#[track_caller]
pub fn scale_by_learning_rate(learning_rate: impl Into<Schedule>) -> GradientTransformation {
    scale_by_learning_rate_with(learning_rate, LearningRateOptions::new())
}

/// [`scale_by_learning_rate`], along the gradient if asked.
#[track_caller]
pub fn scale_by_learning_rate_with(
    learning_rate: impl Into<Schedule>,
    options: LearningRateOptions,
) -> GradientTransformation {
    let rate = learning_rate.into().checked("scale_by_learning_rate", "learning_rate");
    let rate = if options.flip_sign { rate.map(|x| -x, |x| -x) } else { rate };
    match rate.constant() {
        Some(rate) => scale(rate),
        None => scale_by_schedule(rate),
    }
}

#[derive(Pytree)]
struct ScaleByScheduleState {
    count: Array,
}

/// Multiplies updates by a function of the step.
#[track_caller]
pub fn scale_by_schedule(step_size_fn: impl Into<Schedule>) -> GradientTransformation {
    let schedule = step_size_fn.into();
    GradientTransformation::new(
        "scale_by_schedule",
        |_| Ok(ScaleByScheduleState { count: zero_count() }),
        move |updates, state: ScaleByScheduleState, _| {
            let rate = schedule.at(&state.count);
            let updates = tree::map(|g| rate.astype(g.dtype()) * g, &updates);
            Ok((updates, ScaleByScheduleState { count: safe_increment(state.count) }))
        },
    )
}

/// Takes the signs of updates.
#[track_caller]
pub fn scale_by_sign() -> GradientTransformation {
    named_stateless("scale_by_sign", |updates, _| Ok(tree::map(|g| numpy::sign(g), &updates)))
}

/// Multiplies each update by the norm of its parameter, which counts as at least `min_scale` (Optax: 1e-3).
#[track_caller]
pub fn scale_by_param_block_norm(min_scale: impl Into<Hyperparam>) -> GradientTransformation {
    let min_scale = min_scale.into();
    named_stateless("scale_by_param_block_norm", move |updates, params| {
        Ok(tree::map2(|u, p| u * math::safe_norm(p, &min_scale), &updates, params))
    })
}

/// Multiplies each update by the root mean square of its parameter, which counts as at least `min_scale` (Optax: 1e-3).
#[track_caller]
pub fn scale_by_param_block_rms(min_scale: impl Into<Hyperparam>) -> GradientTransformation {
    let min_scale = min_scale.into();
    named_stateless("scale_by_param_block_rms", move |updates, params| {
        Ok(tree::map2(|u, p| u * math::safe_root_mean_squares(p, &min_scale), &updates, params))
    })
}

options! {
    /// Options of [`scale_by_trust_ratio_with`].
    pub struct TrustRatioOptions {
        /// What norms count as at least.
        min_norm: into Hyperparam = 0.0,
        /// What the ratio is multiplied by.
        trust_coefficient: into Hyperparam = 1.0,
        /// Added to the norm of updates.
        eps: into Hyperparam = 0.0,
    }
}

/// Multiplies each update by the norm of its parameter over its own. You et al. 2020, <https://arxiv.org/abs/1904.00962>.
#[track_caller]
pub fn scale_by_trust_ratio() -> GradientTransformation {
    scale_by_trust_ratio_with(TrustRatioOptions::new())
}

/// [`scale_by_trust_ratio`] with other constants.
#[track_caller]
pub fn scale_by_trust_ratio_with(options: TrustRatioOptions) -> GradientTransformation {
    let TrustRatioOptions { min_norm, trust_coefficient, eps } = options;
    named_stateless("scale_by_trust_ratio", move |updates, params| {
        let scale = |update: &Array, param: &Array| {
            let (p, u) = (math::safe_norm(param, &min_norm), math::safe_norm(update, &min_norm));
            let ratio = &p * &trust_coefficient / (&u + &eps);
            // Parameters that are zero would never be updated.
            let zero = numpy::logical_or(numpy::equal(p, 0.0), numpy::equal(u, 0.0));
            update * numpy::where_(zero, numpy::ones(((), param.dtype().real())), ratio)
        };
        Ok(tree::map2(scale, &updates, params))
    })
}

options! {
    /// Options of [`normalize_by_update_norm_with`].
    pub struct UpdateNormOptions {
        /// The norm that updates get.
        scale_factor: into Hyperparam = 1.0,
        /// Added to the norm.
        eps: into Hyperparam = 1e-6,
    }
}

/// Divides updates by their global norm.
#[track_caller]
pub fn normalize_by_update_norm() -> GradientTransformation {
    normalize_by_update_norm_with(UpdateNormOptions::new())
}

/// [`normalize_by_update_norm`] to another norm.
#[track_caller]
pub fn normalize_by_update_norm_with(options: UpdateNormOptions) -> GradientTransformation {
    let UpdateNormOptions { scale_factor, eps } = options;
    named_stateless("normalize_by_update_norm", move |updates, _| {
        let norm = (math::global_norm(&updates) + &eps) / &scale_factor;
        Ok(tree::map(|g| g / &norm, &updates))
    })
}

/// Makes the mean of each row of updates zero. Yong et al. 2020, <https://arxiv.org/abs/2004.01461>.
#[track_caller]
pub fn centralize() -> GradientTransformation {
    named_stateless("centralize", |updates, _| {
        let centre = |g: &Array| match g.ndim() {
            0 | 1 => g.clone(),
            n => {
                let rest: Vec<usize> = (1..n).collect();
                g - numpy::mean_with(g, rest, ReduceOptions::new().keepdims(true))
            }
        };
        Ok(tree::map(centre, &updates))
    })
}

#[derive(Pytree)]
struct WeightDecayState {
    count: Option<Array>,
}

/// Adds to each update a multiple of its parameter, to pull it towards zero.
#[track_caller]
pub fn add_decayed_weights(weight_decay: impl Into<Schedule>) -> GradientTransformation {
    let decay = weight_decay.into();
    let changes = decay.constant().is_none();
    let none = decay.constant().and_then(Hyperparam::number) == Some(0.0);
    GradientTransformation::new(
        "add_decayed_weights",
        move |_| Ok(WeightDecayState { count: changes.then(zero_count) }),
        move |updates, WeightDecayState { count }, cx| {
            let next = WeightDecayState { count: count.as_ref().map(safe_increment) };
            if none {
                return Ok((updates, next));
            }
            let s = decay.at(count.unwrap_or_else(zero_count));
            Ok((tree::map2(|g, p| g + &s * p, &updates, cx.params), next))
        },
    )
}

/// [`add_decayed_weights`] of some parameters.
#[track_caller]
pub(super) fn decayed_weights_of(
    weight_decay: impl Into<Schedule>,
    mask: Option<Mask>,
) -> GradientTransformation {
    let all = add_decayed_weights(weight_decay);
    match mask {
        Some(mask) => super::masking::masked_by(all, mask),
        None => all,
    }
}

#[derive(Pytree)]
struct AddNoiseState {
    count: Array,
    rng_key: Key,
}

/// Adds normal noise of variance `eta / count^gamma` to updates. Neelakantan et al. 2014, <https://arxiv.org/abs/1511.06807>.
#[track_caller]
pub fn add_noise(
    eta: impl Into<Hyperparam>,
    gamma: impl Into<Hyperparam>,
    key: &Key,
) -> GradientTransformation {
    let (eta, gamma, key) = (eta.into(), gamma.into(), key.clone());
    GradientTransformation::new(
        "add_noise",
        move |_| Ok(AddNoiseState { count: zero_count(), rng_key: key.clone() }),
        move |updates, state: AddNoiseState, _| {
            let count = safe_increment(state.count);
            let deviation = numpy::sqrt(Array::from(&eta) / numpy::power(&count, &gamma));
            let [rng_key, sample] = random::split(&state.rng_key);
            let noise = random_like(&sample, &updates);
            let updates = math::tree_add_scale(&updates, deviation, &noise);
            Ok((updates, AddNoiseState { count, rng_key }))
        },
    )
}

/// A tree of normal numbers, of the shapes and dtypes of another. Optax: `optax.tree.random_like`.
#[track_caller]
pub(super) fn random_like<T: Pytree>(key: &Key, tree: &T) -> T {
    let count = tree::leaves(tree).len();
    let keys = random::split_with(key, random::SplitOptions::new().num(count.max(1)));
    let mut keys = keys.iter();
    tree::map(
        |x| match keys.next() {
            Some(key) => random::normal(&key, (x.shape(), x.dtype())),
            None => throw!(Internal, "a tree of more leaves than it has"),
        },
        tree,
    )
}

#[derive(Pytree)]
struct ApplyEvery<T> {
    count: Array,
    grad_acc: T,
}

/// Adds updates up, and gives their sum at each `k`-th step and zeros at the others.
#[track_caller]
pub fn apply_every(k: usize) -> GradientTransformation {
    if k == 0 {
        throw!(InvalidArgument, "apply_every: k = 0: requires at least 1");
    }
    GradientTransformation::new(
        "apply_every",
        |params| Ok(ApplyEvery { count: zero_count(), grad_acc: math::zeros_like(params) }),
        move |updates, state: ApplyEvery<tree::AnyTree>, _| {
            let k = i32::try_from(k).unwrap_or(i32::MAX);
            let count = state.count % k;
            let goes_on = numpy::not_equal(&count, 0);
            let grad_acc = tree::map2(|g, acc| &goes_on * acc + g, &updates, &state.grad_acc);
            let emit = numpy::equal(&count, k - 1);
            let updates = tree::map(|acc| &emit * acc, &grad_acc);
            Ok((updates, ApplyEvery { count: safe_increment(count) % k, grad_acc }))
        },
    )
}

/// Keeps parameters from becoming negative.
#[track_caller]
pub fn keep_params_nonnegative() -> GradientTransformation {
    named_stateless("keep_params_nonnegative", |updates, params| {
        Ok(tree::map2(|p, u| numpy::where_(numpy::less(p + u, 0.0), -p, u), params, &updates))
    })
}

#[derive(Pytree)]
struct ZeroNansState<T> {
    found_nan: T,
}

/// Makes those elements of updates zero that are no numbers.
#[track_caller]
pub fn zero_nans() -> GradientTransformation {
    GradientTransformation::new(
        "zero_nans",
        |params| Ok(ZeroNansState { found_nan: tree::map(|_| numpy::array(false), params) }),
        |updates, _, _| {
            let found_nan = tree::map(|g| numpy::any(numpy::isnan(g), ..), &updates);
            let clean = |g: &Array| numpy::where_(numpy::isnan(g), numpy::zeros_like(g), g);
            Ok((tree::map(clean, &updates), ZeroNansState { found_nan }))
        },
    )
}

/// Clips the root mean square of each update.
pub(super) fn block_rms(u: &Array) -> Array {
    numpy::sqrt(abs_sq(u).mean(..))
}
