//! Statistics of samples: the most frequent value, ranks, the standard error of the mean. JAX: `scipy/stats/_core.py`.

use crate::arguments::{OptAxis, options};
use crate::calls::jit_call::jitted;
use crate::core::array::Array;
use crate::core::aval::Shape;
use crate::error::OrThrow;
use crate::lax::{self, CumulativeOptions};
use crate::numpy::util::{default_float, default_int, inexact, strong_constant};
use crate::numpy::{
    ReduceOptions, VarOptions, any_with, atleast_1d, concatenate, expand_dims, isnan, nanstd_with, not_equal,
    ravel, sqrt, std_with, sum_with, take_along_axis, where_,
};

options! {
    /// Options of [`mode_with`].
    pub struct ModeOptions {
        /// Does the axis stay, with size one?
        keepdims: value bool = false,
    }
}

/// The most frequent value along an axis (JAX's default is 0), the least of several, and how often it is there. NaN counts as one value.
///
/// ```
/// use raxla::scipy::stats;
///
/// let (value, count) = stats::mode([3, 1, 3, 2, 1, 3], 0);
/// assert_eq!((value.item::<i32>()?, count.item::<i32>()?), (3, 3));
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// An axis out of range.
#[track_caller]
pub fn mode(a: impl Into<Array>, axis: impl Into<OptAxis>) -> (Array, Array) {
    mode_with(a, axis, ModeOptions::new())
}

/// [`mode`], with options.
///
/// # Errors
/// As [`mode`].
#[track_caller]
pub fn mode_with(a: impl Into<Array>, axis: impl Into<OptAxis>, options: ModeOptions) -> (Array, Array) {
    let a = a.into();
    let axis = position("mode", axis.into(), a.ndim().max(1));
    jitted("mode", (axis, options.keepdims), [&a], |[a]| {
        let a = atleast_1d(a);
        let shape: Shape = match axis {
            None if options.keepdims => Shape::from_elem(1, a.ndim()),
            None => Shape::new(),
            Some(axis) => {
                let mut shape = Shape::from_slice(a.shape());
                shape[axis] = 1;
                if !options.keepdims {
                    shape.remove(axis);
                }
                shape
            }
        };
        let x = match axis {
            None => expand_dims(ravel(&a), 1),
            Some(axis) => {
                let x = lax::move_axis(&a, axis, 0);
                let rest: usize = x.shape()[1..].iter().product();
                lax::reshape(&x, [x.shape()[0], rest])
            }
        };
        if x.shape()[0] == 0 {
            let of = |value: f64| lax::full(&shape, lax::literal(default_float(), value));
            return (of(f64::NAN), of(0.0));
        }
        let sorted = lax::sort(&x, 0);
        let (start, _) = runs(&sorted);
        let place = positions(sorted.shape());
        let count = place - start + 1;
        // The first place where a run is longest ends a run of the least such value.
        let best = lax::argmax(&count, 0);
        let count = lax::reduce_max(&count, [0]);
        let value = take_along_axis(sorted, expand_dims(&(best - &count + 1), 0), 0);
        (lax::reshape(&value, &shape), lax::reshape(&count, &shape))
    })
}

/// The axis, if it is one.
#[track_caller]
fn position(name: &str, axis: OptAxis, rank: usize) -> Option<usize> {
    let axis = axis.get()?;
    Some(axis.position(name, rank).or_throw())
}

/// The position of each element along the first axis.
#[track_caller]
fn positions(shape: &[usize]) -> Array {
    lax::broadcasted_iota(default_int(), shape, 0)
}

/// Where along the first axis, which is sorted, the run of equal elements begins that each is in, and where an element begins one.
#[track_caller]
fn runs(sorted: &Array) -> (Array, Array) {
    let n = sorted.shape()[0] as i64;
    let (before, after) = (lax::slice_along(sorted, 0, n - 1, 1, 0), lax::slice_along(sorted, 1, n, 1, 0));
    let both_nan = isnan(&before) & isnan(&after);
    let differ = not_equal(&before, &after) & !both_nan;
    let mut first = Shape::from_slice(sorted.shape());
    first[0] = 1;
    let begins = concatenate([lax::full(&first, Array::scalar(true)), differ], 0);
    let place = positions(sorted.shape());
    let start = where_(&begins, &place, lax::full_like(&place, 0));
    (lax::cummax(&start, 0), begins)
}

/// Which rank equal elements have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RankMethod {
    /// The mean of the ranks that they have together.
    #[default]
    Average,
    /// The least of them.
    Min,
    /// The greatest of them.
    Max,
    /// The number of different elements up to them.
    Dense,
    /// Each its own, in the order in which they stand.
    Ordinal,
}

options! {
    /// Options of [`rankdata_with`].
    pub struct RankdataOptions {
        /// Which rank equal elements have.
        method: value RankMethod = RankMethod::Average,
    }
}

/// The rank of each element along an axis, the least being 1, or of the flattened array, which JAX does by default (`..`), in one axis. NaN
/// makes all of them NaN. Of the default float dtype.
///
/// ```
/// use raxla::scipy::stats;
///
/// assert_eq!(stats::rankdata([3, 1, 3], ..).to_vec::<f32>()?, [2.5, 1.0, 2.5]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// An axis out of range.
#[track_caller]
pub fn rankdata(a: impl Into<Array>, axis: impl Into<OptAxis>) -> Array {
    rankdata_with(a, axis, RankdataOptions::new())
}

/// [`rankdata`] by another method.
///
/// # Errors
/// As [`rankdata`].
#[track_caller]
pub fn rankdata_with(a: impl Into<Array>, axis: impl Into<OptAxis>, options: RankdataOptions) -> Array {
    let a = a.into();
    let axis = position("rankdata", axis.into(), a.ndim());
    let method = options.method;
    jitted("rankdata", (axis, method), [&a], |[a]| {
        let x = match axis {
            None => ravel(a),
            Some(axis) => lax::move_axis(a, axis, 0),
        };
        if x.size() == 0 {
            let empty = lax::full(x.shape(), lax::literal(default_float(), 0.0));
            return lax::move_axis(&empty, 0, axis.unwrap_or(0));
        }
        let place = positions(x.shape());
        let (sorted, order) = lax::sort_key_val(&x, &place, 0);
        // The place at which each element stands in the sorted order.
        let (_, inverse) = lax::sort_key_val(&order, &place, 0);
        let float = |x: &Array| lax::convert(x, default_float(), false);
        let (start, begins) = runs(&sorted);
        let end = || {
            let n = x.shape()[0] as i64;
            let mut last = Shape::from_slice(x.shape());
            last[0] = 1;
            let next = lax::slice_along(&begins, 1, n, 1, 0);
            let ends = concatenate([next, lax::full(&last, Array::scalar(true))], 0);
            let of = where_(ends, &place, lax::full_like(&place, n));
            lax::cummin_with(&of, 0, CumulativeOptions::new().reverse(true)) + 1
        };
        let ranks = match method {
            RankMethod::Ordinal => &place + 1,
            RankMethod::Dense => lax::cumsum(&lax::convert(&begins, default_int(), false), 0),
            RankMethod::Min => start + 1,
            RankMethod::Max => end(),
            RankMethod::Average => 0.5 * (float(&end()) + float(&start) + 1),
        };
        let ranks = take_along_axis(float(&ranks), inverse, 0);
        let missing = any_with(isnan(&x), 0, ReduceOptions::new().keepdims(true));
        let ranks = where_(missing, strong_constant(&ranks, f64::NAN), &ranks);
        lax::move_axis(&ranks, 0, axis.unwrap_or(0))
    })
}

/// What NaN among the elements makes of a result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NanPolicy {
    /// NaN.
    #[default]
    Propagate,
    /// What it would be without them.
    Omit,
}

options! {
    /// Options of [`sem_with`].
    pub struct SemOptions {
        /// The sum of squares is divided by the number of elements less this.
        ddof: value f64 = 1.0,
        /// What NaN makes of the result.
        nan_policy: value NanPolicy = NanPolicy::Propagate,
        /// Does the axis stay, with size one?
        keepdims: value bool = false,
    }
}

/// The standard error of the mean along an axis (JAX's default is 0): the standard deviation, by `n - 1`, divided by `√n`.
///
/// ```
/// use raxla::scipy::stats;
///
/// let x = stats::sem([1.0f32, 2.0, 3.0], 0).item::<f32>()?;
/// assert!((x - 0.577_350_3).abs() < 1e-6);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// An axis out of range.
#[track_caller]
pub fn sem(a: impl Into<Array>, axis: impl Into<OptAxis>) -> Array {
    sem_with(a, axis, SemOptions::new())
}

/// [`sem`], with options.
///
/// # Errors
/// As [`sem`].
#[track_caller]
pub fn sem_with(a: impl Into<Array>, axis: impl Into<OptAxis>, options: SemOptions) -> Array {
    let a = a.into();
    let axis = position("sem", axis.into(), a.ndim());
    let statics = (axis, options.ddof.to_bits(), options.nan_policy, options.keepdims);
    jitted("sem", statics, [&a], |[a]| {
        let x = inexact(a);
        let axes = || match axis {
            Some(axis) => crate::arguments::Axes::from(axis),
            None => (..).into(),
        };
        let spread = VarOptions::new().ddof(options.ddof).keepdims(options.keepdims);
        let real = |count: Array| lax::convert(&sqrt(count), x.dtype(), false);
        match options.nan_policy {
            NanPolicy::Propagate => {
                let size = axis.map_or(x.size(), |axis| x.shape()[axis]);
                std_with(&x, axes(), spread) / real(Array::from(size))
            }
            NanPolicy::Omit => {
                let count = sum_with(!isnan(&x), axes(), ReduceOptions::new().keepdims(options.keepdims));
                nanstd_with(&x, axes(), spread) / real(count)
            }
        }
    })
}
