//! Nearest points of sets, of whole trees. Optax: `optax.projections`.

use super::Hyperparam;
use super::math::{full_like, global_norm, norm_sq, sum_of, tree_add_scale, tree_scale, tree_vdot};
use crate::Pytree;
use crate::core::array::Array;
use crate::core::trace::with_location;
use crate::custom_derivatives::custom_jvp;
use crate::error::{OrThrow, caller};
use crate::tree;
use crate::{lax, nn, numpy};

/// Positive parts.
#[track_caller]
pub fn projection_non_negative<T: Pytree>(tree: &T) -> T {
    tree::map(|x| nn::relu(x), tree)
}

/// Each element between two others.
#[track_caller]
pub fn projection_box<T: Pytree>(tree: &T, lower: &T, upper: &T) -> T {
    tree::map3(|x, lower, upper| numpy::clip(x, lower, upper), tree, lower, upper)
}

/// Each element between 0 and `scale`.
#[track_caller]
pub fn projection_hypercube<T: Pytree>(tree: &T, scale: impl Into<Hyperparam>) -> T {
    let scale = scale.into();
    tree::map(|x| numpy::clip(x, 0, &scale), tree)
}

/// Of each vector along the last axis the nearest of non-negative numbers whose sum is 1. Duchi et al. 2008.
#[track_caller]
pub(super) fn unit_simplex(values: &Array) -> Array {
    let project = |x: &Array| {
        let n = x.shape().last().copied().unwrap_or(1);
        let sorted = numpy::flip(numpy::sort(x, -1), -1);
        let sums = numpy::cumsum(&sorted, -1);
        let index = numpy::arange(n) + 1;
        // 1 / i + (u - sum / i) > 0, true of the first few.
        let inside = numpy::greater(1.0 / &index + (&sorted - &sums / &index), 0);
        let keep = || numpy::ReduceOptions::new().keepdims(true);
        let count = numpy::sum_with(inside.astype(crate::DType::I32), -1, keep());
        let sum = numpy::take_along_axis(sums, &count - 1, -1);
        nn::relu(1.0 / &count + (x - sum / &count))
    };
    // dy = [y > 0] (dx - mean of dx where y > 0)
    let jvp = move |(x,): (Array,), (dx,): (Array,)| {
        let y = project(&x);
        let support = numpy::greater(&y, 0).astype(dx.dtype());
        let keep = || numpy::ReduceOptions::new().keepdims(true);
        let mean = numpy::sum_with(&support * &dx, -1, keep()) / numpy::sum_with(&support, -1, keep());
        let dy = &support * (dx - mean);
        (y, dy)
    };
    let f = custom_jvp(move |x: &Array| project(x), jvp);
    with_location(caller(), || f(values).or_throw())
}

/// Non-negative numbers whose sum is `scale`.
///
/// ```
/// use raxla::{Array, optim};
///
/// let x = optim::projection_simplex(&Array::from([3.0f32, 2.5, -1.0]), 1.0);
/// assert_eq!(x.to_vec::<f32>()?, [0.75, 0.25, 0.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn projection_simplex<T: Pytree>(tree: &T, scale: impl Into<Hyperparam>) -> T {
    let scale = scale.into();
    let leaves = tree::leaves(tree);
    if leaves.is_empty() {
        return tree::map(|x| x.clone(), tree);
    }
    let parts: Vec<Array> = leaves.iter().map(numpy::ravel).collect();
    let projected = unit_simplex(&(numpy::concatenate(&parts, 0) / &scale)) * &scale;
    let mut at = 0;
    tree::map(
        |x| {
            let part = lax::slice_in_dim(&projected, at..at + x.size(), 0);
            at += x.size();
            numpy::reshape(part, x.shape())
        },
        tree,
    )
}

/// Numbers whose absolute values have the sum `scale`.
#[track_caller]
pub fn projection_l1_sphere<T: Pytree>(tree: &T, scale: impl Into<Hyperparam>) -> T {
    let projected = projection_simplex(&tree::map(|x| numpy::abs(x), tree), scale);
    tree::map2(|x, y| numpy::sign(x) * y, tree, &projected)
}

/// Numbers whose absolute values have a sum of at most `scale`.
#[track_caller]
pub fn projection_l1_ball<T: Pytree>(tree: &T, scale: impl Into<Hyperparam>) -> T {
    let scale = scale.into();
    let norm = sum_of(tree::leaves(tree).iter().map(|x| numpy::abs(x).sum(..)));
    let inside = numpy::less_equal(norm, &scale);
    let sphere = projection_l1_sphere(tree, scale);
    tree::map2(|x, y| numpy::where_(&inside, x, y), tree, &sphere)
}

/// Numbers whose squares have the sum `scale²`.
#[track_caller]
pub fn projection_l2_sphere<T: Pytree>(tree: &T, scale: impl Into<Hyperparam>) -> T {
    tree_scale(Array::from(scale.into()) / global_norm(tree), tree)
}

/// Numbers whose squares have a sum of at most `scale²`.
#[track_caller]
pub fn projection_l2_ball<T: Pytree>(tree: &T, scale: impl Into<Hyperparam>) -> T {
    let scale = scale.into();
    let norm = numpy::sqrt(numpy::maximum(norm_sq(tree), &scale * &scale));
    tree_scale(Array::from(scale) / norm, tree)
}

/// Each element between `-scale` and `scale`.
#[track_caller]
pub fn projection_linf_ball<T: Pytree>(tree: &T, scale: impl Into<Hyperparam>) -> T {
    let scale = scale.into();
    projection_box(tree, &full_like(tree, -&scale), &full_like(tree, &scale))
}

/// The multiple of `a` that is nearest.
#[track_caller]
pub fn projection_vector<T: Pytree>(x: &T, a: &T) -> T {
    tree_scale(tree_vdot(x, a) / tree_vdot(a, a), a)
}

/// The nearest point whose product with `a` is `b`.
#[track_caller]
pub fn projection_hyperplane<T: Pytree>(x: &T, a: &T, b: impl Into<Hyperparam>) -> T {
    let scalar = (Array::from(b.into()) - tree_vdot(x, a)) / tree_vdot(a, a);
    tree_add_scale(x, scalar, a)
}

/// The nearest point whose product with `a` is at most `b`.
#[track_caller]
pub fn projection_halfspace<T: Pytree>(x: &T, a: &T, b: impl Into<Hyperparam>) -> T {
    let scalar = (Array::from(b.into()) - tree_vdot(x, a)) / tree_vdot(a, a);
    tree_add_scale(x, numpy::minimum(scalar, 0), a)
}
