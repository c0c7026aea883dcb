//! Mechanic: a rate for any optimiser. Optax: `contrib/_mechanic.py`.

use super::{narrowest_float, real_vdot, require_positive};
use crate::Pytree;
use crate::arguments::options;
use crate::core::array::Array;
use crate::error::throw;
use crate::numpy;
use crate::optim::math::{global_norm, safe_increment, select, sub, tree_add_scale, zero_count};
use crate::optim::{GradientTransformation, Hyperparam, OptState};
use crate::tree::{self, AnyTree};

#[derive(Pytree)]
struct MechanicState {
    base_optimizer_state: OptState,
    count: Array,
    r: Array,
    m: Array,
    v: Array,
    s: Array,
    x0: AnyTree,
}

options! {
    /// Options of [`mechanize_with`].
    pub struct MechanizeOptions {
        /// What of the parameters is added to the gradients that the scale is learnt from.
        weight_decay: into Hyperparam = 1e-2,
        /// Added to what is divided by.
        eps: into Hyperparam = 1e-8,
        /// The scale to begin with.
        s_init: into Hyperparam = 1e-6,
        /// How many decay rates the scale is learnt with: 0.9, 0.99 and so on.
        num_betas: value usize = 6,
    }
}

/// `base_optimizer` with a scale of its updates that is learnt: its own rate is then 1, or a schedule from 1. Cutkosky et al. 2023,
/// <https://arxiv.org/abs/2306.00144>.
///
/// ```
/// use raxla::{Array, optim};
///
/// let tx = optim::mechanize(optim::adam(optim::cosine_decay_schedule(1.0, 1000)));
/// let params = Array::from([1.0f32, -2.0]);
/// let (updates, state) = tx.update(&params, &tx.init(&params)?, &params)?;
/// let scale = state.find("s")?.to::<Array>()?.sum(..).item::<f32>()?;
/// assert!(scale > 0.0 && (updates.to_vec::<f32>()?[1] - scale).abs() < 1e-6);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn mechanize(base_optimizer: GradientTransformation) -> GradientTransformation {
    mechanize_with(base_optimizer, MechanizeOptions::new())
}

/// [`mechanize`] with other constants.
///
/// # Panics
/// `mechanize: num_betas = 0: requires at least 1`; `s_init` that is not positive, at the caller's line.
#[track_caller]
pub fn mechanize_with(
    base_optimizer: GradientTransformation,
    options: MechanizeOptions,
) -> GradientTransformation {
    let MechanizeOptions { weight_decay, eps, s_init, num_betas } = options;
    if num_betas == 0 {
        throw!(InvalidArgument, "mechanize: num_betas = 0: requires at least 1");
    }
    require_positive("mechanize", "s_init", &s_init);
    let betas: Vec<f64> = (0..num_betas).map(|i| 1.0 - 0.1f64.powf(i as f64 + 1.0)).collect();
    let (base, s0) = (base_optimizer.clone(), s_init.clone());
    GradientTransformation::new(
        "mechanize",
        move |params| {
            let dtype = narrowest_float(params);
            let [r, m, v] = std::array::from_fn(|_| numpy::zeros((num_betas, dtype)));
            Ok(MechanicState {
                base_optimizer_state: base.init_any(params)?,
                count: zero_count(),
                r,
                m,
                v,
                s: numpy::ones((num_betas, dtype)) * &s0,
                x0: params.clone(),
            })
        },
        move |updates, state: MechanicState, cx| {
            let (ahead, base_optimizer_state) =
                base_optimizer.update_any(updates.clone(), &state.base_optimizer_state, cx)?;
            // Of the first step, so that parameters may be replaced between `init` and it.
            let x0 = select(&numpy::equal(&state.count, 0), cx.params, &state.x0);
            let s_sum = state.s.sum(..);
            let decay = &s_sum * &weight_decay * global_norm(&updates) / (global_norm(cx.params) + &eps);
            let grads = tree_add_scale(&updates, decay, cx.params);
            // The sum of the base optimiser's updates, turned round, is not kept but computed from the parameters.
            let before = tree::map2(|x, x0| (x0 - x) / (&s_sum + &eps), cx.params, &x0);
            let delta = sub(&before, &ahead);
            // Cutkosky et al. 2023, Alg. 1; that `h` is clipped is the authors' later change.
            let dtype = state.s.dtype();
            let h = real_vdot(&grads, &before);
            let clipped = numpy::clip(numpy::ones_like(&state.m) * &h, -&state.m, &state.m);
            let betas = Array::from(betas.clone()).astype(dtype);
            let m = numpy::maximum(&betas * &state.m, numpy::abs(&h) + &eps);
            let v = numpy::square(&betas) * &state.v + numpy::square(&h);
            let r = &betas * &state.r + clipped * &state.s;
            let wealth = &m * (&s_init / num_betas as f64) + numpy::maximum(0.0, &r);
            let s = wealth / (numpy::sqrt(&v) + &eps);
            let scale = s.sum(..);
            let updates = tree::map3(|x0, d, x| (x0 - &scale * d) - x, &x0, &delta, cx.params);
            let next = MechanicState {
                base_optimizer_state,
                count: safe_increment(&state.count),
                r: r.astype(dtype),
                m: m.astype(dtype),
                v: v.astype(dtype),
                s: s.astype(dtype),
                x0,
            };
            Ok((updates, next))
        },
    )
}
