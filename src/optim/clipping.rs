//! Bounds on updates. Optax: `transforms/_clipping.py`.

use super::math::{self, abs_sq};
use super::scaling::block_rms;
use super::transformation::{named_stateless, place};
use super::{GradientTransformation, Hyperparam};
use crate::Pytree;
use crate::arguments::{Axes, options};
use crate::core::array::Array;
use crate::error::throw;
use crate::numpy::{self, ReduceOptions};
use crate::tree;

/// Clips each element of updates to `-max_delta ..= max_delta`.
#[track_caller]
pub fn clip(max_delta: impl Into<Hyperparam>) -> GradientTransformation {
    let max_delta = max_delta.into();
    let min_delta = -&max_delta;
    named_stateless("clip", move |updates, _| {
        Ok(tree::map(|g| numpy::clip(g, &min_delta, &max_delta), &updates))
    })
}

/// Makes the root mean square of each update at most `threshold`.
#[track_caller]
pub fn clip_by_block_rms(threshold: impl Into<Hyperparam>) -> GradientTransformation {
    let threshold = threshold.into();
    named_stateless("clip_by_block_rms", move |updates, _| {
        Ok(tree::map(|u| u / numpy::maximum(1.0, block_rms(u) / &threshold), &updates))
    })
}

/// Makes the norm of all updates together at most `max_norm`. Pascanu et al. 2012, <https://arxiv.org/abs/1211.5063>.
///
/// # Panics
/// `clip_by_global_norm: max_norm = -1 is negative`, at the caller's line.
#[track_caller]
pub fn clip_by_global_norm(max_norm: impl Into<Hyperparam>) -> GradientTransformation {
    let max_norm = max_norm.into();
    if let Some(x) = max_norm.number().filter(|x| *x < 0.0 || x.is_nan()) {
        throw!(InvalidArgument, "clip_by_global_norm: max_norm = {x} is negative");
    }
    named_stateless("clip_by_global_norm", move |updates, _| {
        let norm = math::global_norm(&updates);
        let small = numpy::less(&norm, &max_norm);
        let clipped = |t: &Array| numpy::where_(&small, t, t / norm.astype(t.dtype()) * &max_norm);
        Ok(tree::map(clipped, &updates))
    })
}

options! {
    /// Options of [`adaptive_grad_clip_with`].
    pub struct AdaptiveGradClipOptions {
        /// What norms of parameters count as at least.
        eps: into Hyperparam = 1e-3,
        /// The axes that norms are taken over.
        axis: optional_into Axes,
    }
}

/// Makes the norm of each unit of updates at most `clipping` times that of its parameters. Brock et al. 2021,
/// <https://arxiv.org/abs/2102.06171>.
#[track_caller]
pub fn adaptive_grad_clip(clipping: impl Into<Hyperparam>) -> GradientTransformation {
    adaptive_grad_clip_with(clipping, AdaptiveGradClipOptions::new())
}

/// [`adaptive_grad_clip`] with other constants.
#[track_caller]
pub fn adaptive_grad_clip_with(
    clipping: impl Into<Hyperparam>,
    options: AdaptiveGradClipOptions,
) -> GradientTransformation {
    let (clipping, AdaptiveGradClipOptions { eps, axis }) = (clipping.into(), options);
    named_stateless("adaptive_grad_clip", move |updates, params| {
        let norm = |x: &Array| norm_of_units(x, axis.as_ref());
        let clipped = |g: &Array, p: &Array| {
            let (g_norm, p_norm) = (norm(g), norm(p));
            unitwise_clip(g_norm, numpy::maximum(p_norm, &eps) * &clipping, g)
        };
        Ok(tree::map2(clipped, &updates, params))
    })
}

/// `grad` where `g_norm` is less than `max_norm`, else made as large as that: three arrays of one shape, the first two as
/// [`unitwise_norm`] gives them.
///
/// ```
/// use raxla::{Array, optim};
///
/// let grad = Array::from([3.0f32, 4.0]);
/// let clipped = optim::unitwise_clip(optim::unitwise_norm(&grad), Array::from([2.5f32, 2.5]), &grad);
/// assert_eq!(clipped.to_vec::<f32>()?, [1.5, 2.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Panics
/// `unitwise_clip: requires norms and gradients of one shape, got f32[2], f32[1] and f32[2]`, at the caller's line.
#[track_caller]
pub fn unitwise_clip(g_norm: impl Into<Array>, max_norm: impl Into<Array>, grad: impl Into<Array>) -> Array {
    let (g_norm, max_norm, grad) = (g_norm.into(), max_norm.into(), grad.into());
    if g_norm.shape() != max_norm.shape() || g_norm.shape() != grad.shape() {
        throw!(
            Shape,
            "unitwise_clip: requires norms and gradients of one shape, got {}, {} and {}",
            g_norm.aval(),
            max_norm.aval(),
            grad.aval()
        );
    }
    // Nothing is divided by zero where the norm is too large.
    let scaled = &grad * (&max_norm / numpy::maximum(&g_norm, 1e-6));
    numpy::where_(numpy::less(g_norm, max_norm), grad, scaled)
}

options! {
    /// Options of [`unitwise_norm_with`].
    pub struct UnitwiseNormOptions {
        /// The axes that norms are taken over.
        axis: optional_into Axes,
    }
}

/// The norm of each output's weights, of the shape of `x`: of all of a vector, of each column of a matrix, of each filter of a
/// convolution.
#[track_caller]
pub fn unitwise_norm(x: impl Into<Array>) -> Array {
    unitwise_norm_with(x, UnitwiseNormOptions::new())
}

/// [`unitwise_norm`] over other axes.
#[track_caller]
pub fn unitwise_norm_with(x: impl Into<Array>, options: UnitwiseNormOptions) -> Array {
    norm_of_units(&x.into(), options.axis.as_ref())
}

#[track_caller]
fn norm_of_units(x: &Array, axes: Option<&Axes>) -> Array {
    let of_units = |x: &Array| x.shape().iter().filter(|&&n| n != 1).count();
    let axes = match axes {
        Some(axes) => axes.clone(),
        None if of_units(x) <= 1 => Axes::from(..),
        None => match x.ndim() {
            2 | 3 => Axes::from(0),
            4 => Axes::from((0, 1, 2)),
            5 => Axes::from((0, 1, 2, 3)),
            _ => throw!(
                Shape,
                "unitwise_norm: requires an array of rank at most 5, got {}: the option axis says which axes to reduce",
                x.aval()
            ),
        },
    };
    let squares = numpy::sum_with(abs_sq(x), axes, ReduceOptions::new().keepdims(true));
    numpy::broadcast_to(numpy::sqrt(squares), x.shape())
}

/// The size of the batch, which is the leading axis of all.
#[track_caller]
fn check_batch<T: Pytree>(op: &str, grads: &T) {
    let mut size = None;
    for (path, g) in tree::leaves_with_path(grads) {
        let own = g.shape().first().copied();
        if own.is_none() || own != *size.get_or_insert(own) {
            throw!(
                Shape,
                "{op}: requires gradients with a leading axis for the examples, of one size, got {} {}",
                g.aval(),
                place(&path)
            );
        }
    }
}

/// The sum of the gradients of examples, each clipped to a global norm first, and how many were. Abadi et al. 2016,
/// <https://arxiv.org/abs/1607.00133>.
#[track_caller]
pub fn per_example_global_norm_clip<T: Pytree>(grads: &T, l2_norm_clip: impl Into<Hyperparam>) -> (T, Array) {
    check_batch("per_example_global_norm_clip", grads);
    let clip = l2_norm_clip.into();
    let squares = |g: &Array| {
        let rest: Vec<usize> = (1..g.ndim()).collect();
        abs_sq(g).sum(rest)
    };
    let norms = numpy::sqrt(math::sum_of(tree::leaves(grads).iter().map(squares)));
    let multipliers = numpy::minimum(Array::from(clip) / norms, 1.0);
    let multipliers = numpy::where_(numpy::isnan(&multipliers), 1.0, multipliers);
    let clipped = numpy::less(&multipliers, 1.0).astype(crate::DType::I32).sum(..);
    (tree::map(|g| numpy::tensordot(&multipliers, g, 1), grads), clipped)
}

options! {
    /// Options of [`per_example_layer_norm_clip_with`].
    pub struct LayerNormClipOptions {
        /// Has each layer the same norm? Else they differ by the layers' sizes.
        uniform: value bool = true,
    }
}

/// The sum of the gradients of examples, each layer of each clipped to its share of a norm first, and how many were of each layer.
/// McMahan et al. 2018, <https://arxiv.org/abs/1812.06210>.
#[track_caller]
pub fn per_example_layer_norm_clip<T: Pytree>(
    grads: &T,
    global_l2_norm_clip: impl Into<Hyperparam>,
) -> (T, T) {
    per_example_layer_norm_clip_with(grads, global_l2_norm_clip, LayerNormClipOptions::new())
}

/// [`per_example_layer_norm_clip`] with norms by size.
#[track_caller]
pub fn per_example_layer_norm_clip_with<T: Pytree>(
    grads: &T,
    global_l2_norm_clip: impl Into<Hyperparam>,
    options: LayerNormClipOptions,
) -> (T, T) {
    check_batch("per_example_layer_norm_clip", grads);
    let clip = global_l2_norm_clip.into();
    let size = |g: &Array| g.shape()[1..].iter().product::<usize>() as f64;
    let leaves = tree::leaves(grads);
    let all: f64 = leaves.iter().map(size).sum();
    let share = |g: &Array| if options.uniform { 1.0 / leaves.len() as f64 } else { size(g) / all };
    let one = |g: &Array| per_example_global_norm_clip(g, &clip * share(g).sqrt());
    (tree::map(|g| one(g).0, grads), tree::map(|g| one(g).1, grads))
}
