//! Arithmetic of trees and moments. Optax: `optax.tree`, `_src/numerics.py`.

use super::{Hyperparam, trees};
use crate::Pytree;
use crate::core::array::Array;
use crate::core::trace::with_location;
use crate::dtype::DType;
use crate::error::{caller, throw};
use crate::lax;
use crate::numpy::floats::max_finite;
use crate::numpy::{self, LikeOptions};
use crate::tree;

/// Zeros of the shapes and dtypes of a tree. Optax: `optax.tree.zeros_like`.
#[track_caller]
pub fn zeros_like<T: Pytree>(tree: &T) -> T {
    with_location(caller(), || tree::map(|x| numpy::zeros_like(x), tree))
}

/// Zeros of the shapes of a tree, and of `dtype` if there is one.
#[track_caller]
pub(super) fn zeros_of<T: Pytree>(tree: &T, dtype: Option<DType>) -> T {
    match dtype {
        None => zeros_like(tree),
        Some(dtype) => tree::map(|x| numpy::zeros_like_with(x, LikeOptions::new().dtype(dtype)), tree),
    }
}

/// A tree of the shapes and dtypes of another, filled with one number. Optax: `optax.tree.full_like`.
#[track_caller]
pub fn full_like<T: Pytree>(tree: &T, fill_value: impl Into<Hyperparam>) -> T {
    let value: Array = fill_value.into().into();
    with_location(caller(), || tree::map(|x| numpy::full_like(x, &value), tree))
}

/// A tree of another dtype, if there is one.
#[track_caller]
pub(super) fn cast<T: Pytree>(tree: T, dtype: Option<DType>) -> T {
    match dtype {
        None => tree,
        Some(dtype) => tree::map(|x| x.astype(dtype), &tree),
    }
}

/// A tree of the dtypes of another.
#[track_caller]
pub(super) fn cast_like<T: Pytree>(tree: &T, other: &T) -> T {
    tree::map2(|x, y| x.astype(y.dtype()), tree, other)
}

/// `|x|²`, real.
#[track_caller]
pub(super) fn abs_sq(x: &Array) -> Array {
    if x.dtype().is_complex() { numpy::real(x.conj() * x) } else { x * x }
}

/// The square root of the sum of the squares of all elements of a tree. Optax: `optax.tree.norm`, `optax.global_norm`.
///
/// ```
/// use raxla::{Array, optim};
///
/// let tree = (Array::from([3.0f32]), Array::from([0.0f32, 4.0]));
/// assert_eq!(optim::global_norm(&tree).item::<f32>()?, 5.0);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn global_norm<T: Pytree>(tree: &T) -> Array {
    with_location(caller(), || numpy::sqrt(norm_sq(tree)))
}

/// The sum of the squares of all elements of a tree.
#[track_caller]
pub(super) fn norm_sq<T: Pytree>(tree: &T) -> Array {
    sum_of(tree::leaves(tree).iter().map(|x| abs_sq(x).sum(..)))
}

/// The sum of arrays; 0 of none.
#[track_caller]
pub(super) fn sum_of(arrays: impl Iterator<Item = Array>) -> Array {
    arrays.reduce(|x, y| x + y).unwrap_or_else(|| Array::from(0.0))
}

/// The sum of all products of corresponding elements of two trees, the first conjugated. Optax: `optax.tree.vdot`.
#[track_caller]
pub fn tree_vdot<T: Pytree>(tree_x: &T, tree_y: &T) -> Array {
    with_location(caller(), || {
        let products = tree::map2(|x, y| numpy::vdot(x, y), tree_x, tree_y);
        sum_of(tree::leaves(&products).into_iter())
    })
}

/// `x + scalar * y`, leaf by leaf. Optax: `optax.tree.add_scale`.
#[track_caller]
pub fn tree_add_scale<T: Pytree>(tree_x: &T, scalar: impl Into<Hyperparam>, tree_y: &T) -> T {
    let scalar = scalar.into();
    with_location(caller(), || tree::map2(|x, y| x + y * &scalar, tree_x, tree_y))
}

/// `scalar * x`, leaf by leaf. Optax: `optax.tree.scale`.
#[track_caller]
pub fn tree_scale<T: Pytree>(scalar: impl Into<Hyperparam>, tree: &T) -> T {
    let scalar = scalar.into();
    with_location(caller(), || tree::map(|x| x * &scalar, tree))
}

/// `x - y`, leaf by leaf.
#[track_caller]
pub(super) fn sub<T: Pytree>(x: &T, y: &T) -> T {
    tree::map2(|x, y| x - y, x, y)
}

/// `x` where a condition is true, else `y`.
#[track_caller]
pub(super) fn select<T: Pytree>(condition: &Array, x: &T, y: &T) -> T {
    tree::map2(|x, y| numpy::where_(condition, x, y), x, y)
}

/// `(1 - decay) g + decay t`, an average over time.
#[track_caller]
pub(super) fn update_moment<T: Pytree>(updates: &T, moments: &T, decay: &Hyperparam) -> T {
    trees::update_moment(updates, moments, decay, 1)
}

/// `(1 - decay) g² + decay t`.
#[track_caller]
pub(super) fn update_second_moment<T: Pytree>(updates: &T, moments: &T, decay: &Hyperparam) -> T {
    trees::update_moment(updates, moments, decay, 2)
}

/// `(1 - decay) |g|² + decay t`.
#[track_caller]
pub(super) fn update_norm_moment<T: Pytree>(updates: &T, moments: &T, decay: &Hyperparam) -> T {
    trees::update_moment_per_elem_norm(updates, moments, decay, 2)
}

/// A moment that began at zero divided by the weight that it has gathered: `t / (1 - decay^count)`.
#[track_caller]
pub(super) fn bias_correction<T: Pytree>(moment: &T, decay: &Hyperparam, count: &Array) -> T {
    trees::bias_correction(moment, decay, count)
}

/// The count that a state begins with.
#[track_caller]
pub(super) fn zero_count() -> Array {
    numpy::zeros(((), DType::I32))
}

/// `count + 1`, and the largest number that there is after it. Optax: `safe_increment`.
#[track_caller]
pub fn safe_increment(count: impl Into<Array>) -> Array {
    let count = count.into();
    let dtype = count.dtype();
    let bits = 64 - dtype.bits() as u32;
    let max = match dtype {
        _ if dtype.is_float() => lax::literal(dtype, max_finite(dtype)),
        _ if dtype.is_unsigned() => Array::from(u64::MAX >> bits).astype(dtype),
        _ if dtype.is_integer() => Array::from(i64::MAX >> bits).astype(dtype),
        _ => throw!(DType, "safe_increment: requires integers or floats, got {}", count.aval()),
    };
    numpy::where_(numpy::less(&count, &max), &count + 1, max)
}

/// The norm of an array, and `min_norm` where it is less, with a derivative that is finite at 0. Optax: `safe_norm`.
#[track_caller]
pub fn safe_norm(x: impl Into<Array>, min_norm: impl Into<Hyperparam>) -> Array {
    let (x, min_norm) = (x.into(), min_norm.into());
    let norm = |x: &Array| numpy::sqrt(abs_sq(x).sum(..));
    at_least(&x, &min_norm, norm)
}

/// The root of the mean square of an array, and `min_rms` where it is less, with a derivative that is finite at 0.
#[track_caller]
pub fn safe_root_mean_squares(x: impl Into<Array>, min_rms: impl Into<Hyperparam>) -> Array {
    let (x, min_rms) = (x.into(), min_rms.into());
    let rms = |x: &Array| numpy::sqrt(abs_sq(x).mean(..));
    at_least(&x, &min_rms, rms)
}

fn at_least(x: &Array, min: &Hyperparam, norm: impl Fn(&Array) -> Array) -> Array {
    let small = numpy::less_equal(norm(x), min);
    let safe = numpy::where_(&small, numpy::ones_like(x), x);
    numpy::where_(&small, min, norm(&safe))
}
