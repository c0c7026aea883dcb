//! L-BFGS, Polyak's step and Adafactor. Optax: `_src/transform.py`, `_src/factorized.py`, `_src/alias.py`.

use super::accumulators::{EmaOptions, ema_with};
use super::clipping::clip_by_block_rms;
use super::linesearch::{InitialGuess, ZoomOptions, scale_by_zoom_linesearch_with};
use super::masking::{Mask, chain};
use super::math::{
    abs_sq, cast_like, norm_sq, safe_increment, select, sub, tree_add_scale, tree_scale, tree_vdot,
    zero_count, zeros_like,
};
use super::scaling::{
    LearningRateOptions, decayed_weights_of, scale, scale_by_learning_rate, scale_by_learning_rate_with,
    scale_by_param_block_rms,
};
use super::{GradientTransformation, Hyperparam, Schedule, sgd};
use crate::Pytree;
use crate::arguments::options;
use crate::core::array::Array;
use crate::dtype::DType;
use crate::error::{Result, throw};
use crate::lax::{self, DynamicIndexOptions, ScanOptions};
use crate::numpy::{self, ReduceOptions};
use crate::tree::{self, AnyTree};

#[derive(Pytree)]
struct ScaleByLbfgsState {
    count: Array,
    params: AnyTree,
    updates: AnyTree,
    diff_params_memory: AnyTree,
    diff_updates_memory: AnyTree,
    weights_memory: Array,
}

options! {
    /// Options of [`scale_by_lbfgs_with`].
    pub struct ScaleByLbfgsOptions {
        /// How many steps are remembered.
        memory_size: value usize = 10,
        /// Does the first guess of the inverse Hessian have the scale of the last step?
        scale_init_precond: value bool = true,
    }
}

/// Multiplies updates by an estimate of the inverse Hessian that is made of the last steps. Nocedal and Wright 1999, algorithm 7.4.
#[track_caller]
pub fn scale_by_lbfgs() -> GradientTransformation {
    scale_by_lbfgs_with(ScaleByLbfgsOptions::new())
}

fn at_index(tree: &AnyTree, index: &Array) -> AnyTree {
    let options = || DynamicIndexOptions::new().keepdims(false);
    tree::map(|x| lax::dynamic_index_in_dim_with(x, index, 0, options()), tree)
}

fn real_vdot(x: &AnyTree, y: &AnyTree) -> Array {
    numpy::real(tree_vdot(x, y))
}

/// [`scale_by_lbfgs`] with another memory.
#[track_caller]
pub fn scale_by_lbfgs_with(options: ScaleByLbfgsOptions) -> GradientTransformation {
    let ScaleByLbfgsOptions { memory_size, scale_init_precond } = options;
    if memory_size == 0 {
        throw!(InvalidArgument, "scale_by_lbfgs: memory_size = 0: requires at least 1");
    }
    let size = i32::try_from(memory_size).unwrap_or(i32::MAX);
    GradientTransformation::new(
        "scale_by_lbfgs",
        move |params| {
            let stacked = |p: &Array| {
                let shape: Vec<usize> = [memory_size].iter().chain(p.shape()).copied().collect();
                numpy::zeros((shape, p.dtype()))
            };
            let memory = tree::map(stacked, params);
            Ok(ScaleByLbfgsState {
                count: zero_count(),
                params: zeros_like(params),
                updates: zeros_like(params),
                diff_params_memory: memory.clone(),
                diff_updates_memory: memory,
                weights_memory: numpy::zeros(memory_size),
            })
        },
        move |updates, state: ScaleByLbfgsState, cx| {
            let now = &state.count % size;
            let before = (&state.count - 1) % size;
            let later = numpy::greater(&state.count, 0);
            let mut diff_params = sub(cx.params, &state.params);
            let mut diff_updates = sub(&updates, &state.updates);
            let product = real_vdot(&diff_updates, &diff_params);
            let weight = numpy::where_(numpy::equal(&product, 0.0), 0.0, 1.0 / &product);
            // At the first step there is no difference yet.
            diff_params = select(&later, &diff_params, &zeros_like(&diff_params));
            diff_updates = select(&later, &diff_updates, &zeros_like(&diff_updates));
            let weight = numpy::where_(&later, weight, 0.0);
            let put = |memory: &Array, x: &Array| {
                lax::dynamic_update_index_in_dim(memory, &x.astype(memory.dtype()), &before, 0)
            };
            let diff_params_memory = tree::map2(put, &state.diff_params_memory, &diff_params);
            let diff_updates_memory = tree::map2(put, &state.diff_updates_memory, &diff_updates);
            let weights_memory = put(&state.weights_memory, &weight);
            let scale = if scale_init_precond {
                let (above, below) = (real_vdot(&diff_updates, &diff_params), norm_sq(&diff_updates));
                let scale = numpy::where_(numpy::greater(&below, 0.0), above / &below, 1.0);
                let norm = numpy::sqrt(norm_sq(&tree::map(|u| lax::stop_gradient(u), &updates)));
                numpy::where_(&later, scale, numpy::minimum(1.0, 1.0 / norm))
            } else {
                Array::from(1.0)
            };
            let memories = (&diff_params_memory, &diff_updates_memory, &weights_memory);
            let indices = (numpy::arange(memory_size).astype(DType::I32) + now) % size;
            let new = precondition(&updates, memories, &scale, indices)?;
            let state = ScaleByLbfgsState {
                count: safe_increment(&state.count),
                params: cx.params.clone(),
                updates,
                diff_params_memory,
                diff_updates_memory,
                weights_memory,
            };
            Ok((new, state))
        },
    )
}

fn precondition(
    updates: &AnyTree,
    (params, grads, weights): (&AnyTree, &AnyTree, &Array),
    scale: &Array,
    indices: Array,
) -> Result<AnyTree> {
    let weight_at = |index: &Array| {
        lax::dynamic_index_in_dim_with(weights, index, 0, DynamicIndexOptions::new().keepdims(false))
    };
    let right = |vector: AnyTree, index: Array| {
        let (dw, du) = (at_index(params, &index), at_index(grads, &index));
        let alpha = weight_at(&index) * real_vdot(&dw, &vector);
        (cast_like(&tree_add_scale(&vector, -&alpha, &du), &vector), alpha)
    };
    let (vector, alphas) =
        lax::scan_with(right, updates.clone(), indices.clone(), ScanOptions::new().reverse(true))?;
    let vector = cast_like(&tree_scale(scale, &vector), updates);
    let left = |vector: AnyTree, (index, alpha): (Array, Array)| {
        let (dw, du) = (at_index(params, &index), at_index(grads, &index));
        let beta = weight_at(&index) * real_vdot(&du, &vector);
        (cast_like(&tree_add_scale(&vector, alpha - &beta, &dw), &vector), beta)
    };
    Ok(lax::scan(left, vector, (indices, alphas))?.0)
}

options! {
    /// Options of [`lbfgs_with`].
    pub struct LbfgsOptions {
        /// A rate besides the line search, or in place of it.
        learning_rate: optional_into Schedule,
        /// How many steps are remembered.
        memory_size: value usize = 10,
        /// Does the first guess of the inverse Hessian have the scale of the last step?
        scale_init_precond: value bool = true,
        /// The line search; [`identity`](super::identity) for none.
        linesearch: optional GradientTransformation,
    }
}

/// L-BFGS with a line search. Liu and Nocedal 1989.
///
/// ```
/// use raxla::optim::{self, ExtraArgs};
/// use raxla::prelude::*;
///
/// let loss = |w: &Array| -> Result<Array> { Ok(((w - 3.0) * (w - 3.0)).sum(..)) };
/// let tx = optim::lbfgs();
/// let mut w = Array::from([1.0f32, -2.0]);
/// let mut state = tx.init(&w)?;
/// for _ in 0..5 {
///     let (value, grads) = optim::value_and_grad_from_state(&loss, &w, &state)?;
///     let args = ExtraArgs::new().value(value).grad(grads.clone()).value_fn(&loss);
///     let updates;
///     (updates, state) = tx.update_with(&grads, &state, &w, args)?;
///     w = optim::apply_updates(&w, &updates);
/// }
/// assert!(loss(&w)?.item::<f32>()? < 1e-6);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn lbfgs() -> GradientTransformation {
    lbfgs_with(LbfgsOptions::new())
}

/// [`lbfgs`] with a rate, or another line search.
#[track_caller]
pub fn lbfgs_with(options: LbfgsOptions) -> GradientTransformation {
    let LbfgsOptions { learning_rate, memory_size, scale_init_precond, linesearch } = options;
    let rate = match learning_rate {
        Some(rate) => scale_by_learning_rate(rate),
        None => scale(-1.0),
    };
    let zoom = || {
        let options = ZoomOptions::new().initial_guess_strategy(InitialGuess::One);
        scale_by_zoom_linesearch_with(20, options)
    };
    let precond = ScaleByLbfgsOptions { memory_size, scale_init_precond };
    chain((scale_by_lbfgs_with(precond), rate, linesearch.unwrap_or_else(zoom)))
}

options! {
    /// Options of [`scale_by_polyak_with`] and [`polyak_sgd_with`].
    pub struct PolyakOptions {
        /// The largest step.
        max_learning_rate: into Hyperparam = 1.0,
        /// What the step is multiplied by, of [`polyak_sgd`].
        scaling: into Schedule = 1.0,
        /// The least loss that there is.
        f_min: into Hyperparam = 0.0,
        /// Added to the squared norm of gradients.
        eps: into Hyperparam = 0.0,
        /// Is the step zero where the loss is less than `f_min`? Optax: the variant `sps+`.
        only_positive: value bool = false,
    }
}

/// A step by how far the loss is above its minimum. Loizou et al. 2021, <https://arxiv.org/abs/2002.10542>.
///
/// `update_with` needs the loss.
#[track_caller]
pub fn scale_by_polyak() -> GradientTransformation {
    scale_by_polyak_with(PolyakOptions::new())
}

/// [`scale_by_polyak`] with other constants.
#[track_caller]
pub fn scale_by_polyak_with(options: PolyakOptions) -> GradientTransformation {
    let PolyakOptions { max_learning_rate, f_min, eps, only_positive, .. } = options;
    GradientTransformation::new(
        "scale_by_polyak",
        |_| Ok(()),
        move |updates, (), cx| {
            let norm = norm_sq(&updates);
            let gap = (cx.value()? - &f_min).astype(norm.dtype());
            let gap = if only_positive { crate::nn::relu(gap) } else { gap };
            let below = &norm + &eps;
            let step = numpy::minimum(gap / &below, &max_learning_rate);
            let step = numpy::where_(numpy::less_equal(below, f64::from(f32::EPSILON)), 0.0, step);
            Ok((tree_scale(step, &updates), ()))
        },
    )
}

/// Gradient descent with Polyak's step. `update_with` needs the loss.
#[track_caller]
pub fn polyak_sgd() -> GradientTransformation {
    polyak_sgd_with(PolyakOptions::new())
}

/// [`polyak_sgd`] with other constants.
#[track_caller]
pub fn polyak_sgd_with(options: PolyakOptions) -> GradientTransformation {
    chain((sgd(options.scaling.clone()), scale_by_polyak_with(options)))
}

#[derive(Pytree)]
struct FactoredState {
    count: Array,
    v_row: AnyTree,
    v_col: AnyTree,
    v: AnyTree,
}

options! {
    /// Options of [`scale_by_factored_rms_with`].
    pub struct FactoredRmsOptions {
        /// Are mean squares kept for rows and columns alone?
        factored: value bool = true,
        /// The power of the step by which new squares count less.
        decay_rate: into Hyperparam = 0.8,
        /// The step to begin at.
        step_offset: value i64 = 0,
        /// The smallest size of the two largest axes that are factored.
        min_dim_size_to_factor: value usize = 128,
        /// Added to squares.
        epsilon: into Hyperparam = 1e-30,
    }
}

/// Divides updates by the root of their mean squares, kept for rows and columns. Shazeer and Stern 2018,
/// <https://arxiv.org/abs/1804.04235>.
#[track_caller]
pub fn scale_by_factored_rms() -> GradientTransformation {
    scale_by_factored_rms_with(FactoredRmsOptions::new())
}

/// The two largest axes, the larger last, if they are to be factored.
fn factored_axes(options: &FactoredRmsOptions, shape: &[usize]) -> Option<(usize, usize)> {
    let mut axes: Vec<usize> = (0..shape.len()).collect();
    axes.sort_by_key(|&axis| shape[axis]);
    match axes[..] {
        [.., d1, d0] if options.factored && shape[d1] >= options.min_dim_size_to_factor => Some((d1, d0)),
        _ => None,
    }
}

/// [`scale_by_factored_rms`] with other constants.
#[track_caller]
pub fn scale_by_factored_rms_with(options: FactoredRmsOptions) -> GradientTransformation {
    let of_init = options.clone();
    GradientTransformation::new(
        "scale_by_factored_rms",
        move |params| {
            let without = |p: &Array, axis: Option<usize>| match axis {
                None => numpy::zeros((1, p.dtype())),
                Some(axis) => {
                    let mut shape = p.shape().to_vec();
                    shape.remove(axis);
                    numpy::zeros((shape, p.dtype()))
                }
            };
            let axes = |p: &Array| factored_axes(&of_init, p.shape());
            let whole = |p: &Array| match axes(p) {
                Some(_) => numpy::zeros((1, p.dtype())),
                None => numpy::zeros_like(p),
            };
            Ok(FactoredState {
                count: zero_count(),
                v_row: tree::map(|p| without(p, axes(p).map(|(_, d0)| d0)), params),
                v_col: tree::map(|p| without(p, axes(p).map(|(d1, _)| d1)), params),
                v: tree::map(whole, params),
            })
        },
        move |grads, state: FactoredState, cx| {
            let step = (&state.count - options.step_offset).astype(DType::F32) + 1.0;
            let decay = 1.0 - numpy::power(step, -&options.decay_rate);
            let squares = tree::map(|g| abs_sq(g) + &options.epsilon, &grads);
            let mean = |old: &Array, new: Array| &decay * old + (1.0 - &decay) * new;
            let axes = |p: &Array| factored_axes(&options, p.shape());
            let along = |v: &Array, g: &Array, p: &Array, axis: Option<usize>| match axis {
                Some(axis) => mean(v, g.mean(axis)).astype(p.dtype()),
                None => v.clone(),
            };
            let params = cx.params;
            let v_row = tree::map3(
                |v, g, p| along(v, g, p, axes(p).map(|(_, d0)| d0)),
                &state.v_row,
                &squares,
                params,
            );
            let v_col = tree::map3(
                |v, g, p| along(v, g, p, axes(p).map(|(d1, _)| d1)),
                &state.v_col,
                &squares,
                params,
            );
            let whole = |v: &Array, g: &Array, p: &Array| match axes(p) {
                Some(_) => v.clone(),
                None => mean(v, g.clone()).astype(p.dtype()),
            };
            let v = tree::map3(whole, &state.v, &squares, params);
            let scaled =
                |g: &Array, row: &Array, col: &Array, v: &Array| match factored_axes(&options, g.shape()) {
                    None => g * numpy::power(v, -0.5),
                    Some((d1, d0)) => {
                        let reduced = if d1 > d0 { d1 - 1 } else { d1 };
                        let all = numpy::mean_with(row, reduced, ReduceOptions::new().keepdims(true));
                        let row = numpy::power(row / all, -0.5);
                        let col = numpy::power(col, -0.5);
                        g * numpy::expand_dims(row, d0) * numpy::expand_dims(col, d1)
                    }
                };
            let updates = tree::map4(scaled, &grads, &v_row, &v_col, &v);
            Ok((updates, FactoredState { count: safe_increment(&state.count), v_row, v_col, v }))
        },
    )
}

options! {
    /// Options of [`adafactor_with`].
    pub struct AdafactorOptions {
        /// The rate; relative to the size of parameters, if that is multiplied by.
        learning_rate: optional_into Schedule,
        /// The smallest size of the two largest axes that are factored.
        min_dim_size_to_factor: value usize = 128,
        /// The power of the step by which new squares count less.
        decay_rate: into Hyperparam = 0.8,
        /// The step to begin at.
        decay_offset: value i64 = 0,
        /// Are updates multiplied by the root mean square of their parameters?
        multiply_by_parameter_scale: value bool = true,
        /// The largest root mean square of an update; infinity for none.
        clipping_threshold: into Hyperparam = 1.0,
        /// How much of the mean of updates stays at each step.
        momentum: optional_into Hyperparam,
        /// The dtype of the mean.
        dtype_momentum: value DType = DType::F32,
        /// What of the parameters is taken away.
        weight_decay_rate: optional_into Schedule,
        /// Added to squares.
        eps: into Hyperparam = 1e-30,
        /// Are mean squares kept for rows and columns alone?
        factored: value bool = true,
        /// Which parameters decay.
        weight_decay_mask: function Mask,
    }
}

/// Adam with little memory: mean squares for rows and columns alone. Shazeer and Stern 2018, <https://arxiv.org/abs/1804.04235>.
#[track_caller]
pub fn adafactor(learning_rate: impl Into<Schedule>) -> GradientTransformation {
    adafactor_with(AdafactorOptions::new().learning_rate(learning_rate))
}

/// [`adafactor`] with other constants; without a rate, steps are relative to the size of parameters alone.
#[track_caller]
pub fn adafactor_with(options: AdafactorOptions) -> GradientTransformation {
    let o = options;
    let mut parts = vec![scale_by_factored_rms_with(FactoredRmsOptions {
        factored: o.factored,
        decay_rate: o.decay_rate,
        step_offset: o.decay_offset,
        min_dim_size_to_factor: o.min_dim_size_to_factor,
        epsilon: o.eps,
    })];
    if o.clipping_threshold.number() != Some(f64::INFINITY) {
        parts.push(clip_by_block_rms(o.clipping_threshold));
    }
    if let Some(rate) = o.learning_rate {
        parts.push(scale_by_learning_rate_with(rate, LearningRateOptions::new().flip_sign(false)));
    }
    if o.multiply_by_parameter_scale {
        parts.push(scale_by_param_block_rms(1e-3));
    }
    if let Some(momentum) = o.momentum {
        let options = EmaOptions { debias: false, accumulator_dtype: Some(o.dtype_momentum) };
        parts.push(ema_with(momentum, options));
    }
    if let Some(decay) = o.weight_decay_rate {
        parts.push(decayed_weights_of(decay, o.weight_decay_mask));
    }
    parts.push(scale(-1.0));
    chain(parts)
}
