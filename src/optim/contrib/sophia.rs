//! Sophia: steps by the diagonal of the Hessian. Optax: `contrib/_sophia.py`.

use crate::Pytree;
use crate::api::{grad, jvp};
use crate::arguments::options;
use crate::core::array::Array;
use crate::dtype::DType;
use crate::error::{Result, throw};
use crate::optim::masking::{Mask, chain};
use crate::optim::math::{
    bias_correction, cast_like, safe_increment, sum_of, update_moment, zero_count, zeros_like, zeros_of,
};
use crate::optim::scaling::{decayed_weights_of, scale_by_learning_rate};
use crate::optim::{GradientTransformation, Hyperparam, OptState, Schedule, tree_split_key_like};
use crate::random::{self, Key};
use crate::tree::{self, AnyTree};
use crate::{debug, lax, numpy};

#[derive(Pytree)]
struct HutchinsonState {
    key: Key,
}

options! {
    /// Options of [`hutchinson_estimator_diag_hessian_with`].
    pub struct HutchinsonOptions {
        /// What signs are drawn by; the key of seed 0 if not given.
        random_seed: optional Key,
    }
}

/// Estimates of the diagonal of the Hessian, in place of updates: `r * (H r)`, where `r` are random signs. Hutchinson 1990,
/// <https://doi.org/10.1080/03610919008812866>.
///
/// `update_with` needs the function, whose Hessian it is.
/// ```
/// use raxla::{optim::{self, ExtraArgs}, prelude::*};
///
/// let loss = |x: &Array| -> Result<Array> { Ok((x * x * x).sum(..)) };
/// let tx = optim::hutchinson_estimator_diag_hessian();
/// let params = Array::from([1.0f32, 2.0]);
/// let (diagonal, _) = tx.update_with(&params, &tx.init(&params)?, &params, ExtraArgs::new().value_fn(&loss))?;
/// // Of a Hessian that has nothing but a diagonal, it is that.
/// assert_eq!(diagonal.to_vec::<f32>()?, [6.0, 12.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn hutchinson_estimator_diag_hessian() -> GradientTransformation {
    hutchinson_estimator_diag_hessian_with(HutchinsonOptions::new())
}

/// [`hutchinson_estimator_diag_hessian`] by another key.
#[track_caller]
pub fn hutchinson_estimator_diag_hessian_with(options: HutchinsonOptions) -> GradientTransformation {
    let seed = options.random_seed;
    GradientTransformation::new(
        "hutchinson_estimator_diag_hessian",
        move |_| Ok(HutchinsonState { key: seed.clone().unwrap_or_else(|| random::key(0)) }),
        |_, state: HutchinsonState, cx| {
            let f = cx.value_fn()?;
            let [key, subkey] = random::split(&state.key);
            let signs = random_signs(&subkey, cx.params)?;
            let slope = |p: &AnyTree| -> Result<AnyTree> { grad(|p: &AnyTree| f(p))(p) };
            let (_, product) = jvp(slope, (cx.params,), (&signs,))?;
            Ok((tree::map2(|h, r| h * r, &product, &signs), HutchinsonState { key }))
        },
    )
}

/// -1 or 1 for each element.
fn random_signs(key: &Key, like: &AnyTree) -> Result<AnyTree> {
    let keys = tree_split_key_like(key, like);
    let one = |(key, x): (Key, &Array)| random::rademacher(&key, (x.shape(), DType::F32)).astype(x.dtype());
    AnyTree::from_parts(like.structure().clone(), keys.into_iter().zip(like.leaves()).map(one).collect())
}

#[derive(Pytree)]
struct SophiaState {
    count: Array,
    mu: AnyTree,
    nu: AnyTree,
    hessian_fn_state: OptState,
}

options! {
    /// Options of [`sophia_with`].
    pub struct SophiaOptions {
        /// How much of the mean stays at each step.
        b1: into Hyperparam = 0.965,
        /// How much of the mean diagonal stays each time that there is another.
        b2: into Hyperparam = 0.99,
        /// What the diagonal counts as at least.
        eps: into Hyperparam = 1e-8,
        /// What of the parameters is taken away, times the rate.
        weight_decay: into Schedule = 1e-4,
        /// Which parameters decay.
        weight_decay_mask: function Mask,
        /// What the diagonal is multiplied by.
        gamma: into Hyperparam = 0.01,
        /// To what updates are clipped, before the rate; complex ones cannot be.
        clip_threshold: value Option<f64> = Some(1.0),
        /// Every how many steps the diagonal is estimated.
        update_interval: value usize = 10,
        /// What estimates the diagonal; [`hutchinson_estimator_diag_hessian`] if not given.
        hessian_diagonal_fn: optional GradientTransformation,
        /// The dtype of the mean.
        mu_dtype: optional DType,
        /// Is the part of updates that are not clipped printed? Liu et al. want it between 0.1 and 0.5.
        verbose: value bool = false,
        /// Every how many steps it is printed; never if 0.
        print_win_rate_every_n_steps: value usize = 0,
    }
}

#[track_caller]
fn scale_by_sophia(options: SophiaOptions) -> GradientTransformation {
    let SophiaOptions { b1, b2, eps, gamma, clip_threshold, update_interval, mu_dtype, .. } = options;
    if update_interval == 0 {
        throw!(InvalidArgument, "sophia: update_interval = 0: requires at least 1");
    }
    if let Some(x) = clip_threshold.filter(|x| *x <= 0.0 || x.is_nan()) {
        throw!(InvalidArgument, "sophia: clip_threshold = {x}: requires a positive number");
    }
    let print_every = if options.verbose { options.print_win_rate_every_n_steps } else { 0 };
    let estimator = options.hessian_diagonal_fn.unwrap_or_else(hutchinson_estimator_diag_hessian);
    let begun = estimator.clone();
    GradientTransformation::new(
        "scale_by_sophia",
        move |params| {
            Ok(SophiaState {
                count: zero_count(),
                mu: zeros_of(params, mu_dtype),
                nu: zeros_like(params),
                hessian_fn_state: begun.init_any(params)?,
            })
        },
        move |grads, state: SophiaState, cx| {
            // Liu et al. 2023, Alg. 3.
            let count = safe_increment(&state.count);
            let mu = update_moment(&grads, &state.mu, &b1);
            let mu_hat = bias_correction(&mu, &b1, &count);
            let scaled = |m: &Array, h: &Array| m / numpy::maximum(h * &gamma, &eps);
            let mut updates = tree::map2(scaled, &mu_hat, &state.nu);
            if let Some(limit) = clip_threshold {
                if print_every > 0 {
                    print_win_rate(&updates, limit, &numpy::equal(&count % print_every, 0))?;
                }
                updates = tree::map(|u| numpy::clip(u, -limit, limit), &updates);
            }
            let (hessian_fn_state, nu) = lax::cond(
                numpy::equal(&state.count % update_interval, 0),
                |(state, nu): (OptState, AnyTree)| -> Result<(OptState, AnyTree)> {
                    let (diagonal, state) = estimator.update_any(grads, &state, cx)?;
                    Ok((state, cast_like(&update_moment(&diagonal, &nu, &b2), &nu)))
                },
                |same: (OptState, AnyTree)| same,
                (state.hessian_fn_state, state.nu),
            )?;
            Ok((updates, SophiaState { count, mu: cast_like(&mu, &state.mu), nu, hessian_fn_state }))
        },
    )
}

/// Which part of updates is not clipped.
fn print_win_rate(updates: &AnyTree, limit: f64, now: &Array) -> Result<()> {
    let within = |u: &Array| numpy::less(numpy::abs(u), limit).astype(DType::I32).sum(..);
    let all: usize = updates.leaves().iter().map(Array::size).sum();
    let rate = sum_of(updates.leaves().iter().map(within)) / all.max(1);
    lax::cond(now, |rate: Array| debug::print!("Sophia optimizer win rate: {}", rate), |_| (), rate)
}

/// Steps by the mean of gradients over the mean diagonal of the Hessian, clipped. Liu et al. 2023, <https://arxiv.org/abs/2305.14342>.
///
/// `update_with` needs the function, for the diagonal.
/// ```
/// use raxla::{optim::{self, ExtraArgs}, prelude::*};
///
/// let loss = |x: &Array| -> Result<Array> { Ok((x * x).sum(..)) };
/// let tx = optim::sophia_with(0.1, optim::SophiaOptions::new().gamma(1.0).weight_decay(0.0));
/// let mut params = Array::from([1.0f32, -2.0]);
/// let mut state = tx.init(&params)?;
/// let step = jit(move |params: Array, state: optim::OptState| -> Result<(Array, optim::OptState)> {
///     let grads = grad(loss)(&params)?;
///     let (updates, state) = tx.update_with(&grads, &state, &params, ExtraArgs::new().value_fn(&loss))?;
///     Ok((optim::apply_updates(&params, &updates), state))
/// });
/// for _ in 0..3 { (params, state) = step(params, state)?; }
/// assert!((params.to_vec::<f32>()?[1] + 1.7).abs() < 1e-5);
/// # let _ = state;
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn sophia(learning_rate: impl Into<Schedule>) -> GradientTransformation {
    sophia_with(learning_rate, SophiaOptions::new())
}

/// [`sophia`] with other constants.
///
/// # Panics
/// `sophia: update_interval = 0: requires at least 1`, at the caller's line.
#[track_caller]
pub fn sophia_with(learning_rate: impl Into<Schedule>, options: SophiaOptions) -> GradientTransformation {
    let decay = decayed_weights_of(&options.weight_decay, options.weight_decay_mask.clone());
    chain((scale_by_sophia(options), decay, scale_by_learning_rate(learning_rate)))
}
