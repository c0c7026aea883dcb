//! Sharpness-aware minimisation. Optax: `contrib/_sam.py`.

use crate::Pytree;
use crate::api::grad;
use crate::arguments::options;
use crate::core::array::Array;
use crate::error::{Result, bail, throw};
use crate::numpy;
use crate::optim::math::{global_norm, select, zero_count};
use crate::optim::transformation::named_stateless;
use crate::optim::{Context, GradientTransformation, OptState, apply_updates};
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
        let f = cx.value_fn()?;
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
