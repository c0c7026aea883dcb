//! Order and searching. JAX: `numpy/sorting.py`, `numpy/lax_numpy.py`.

use std::borrow::Borrow;

use crate::arguments::{Axis, OptAxis, options};
use crate::calls::jit_call::{jitted, jitted_list, jitted_some};
use crate::core::array::Array;
use crate::core::config::canonicalize;
use crate::dtype::DType;
use crate::error::{OrThrow, throw};
use crate::lax;
use crate::lax::arguments::axis_of;
use crate::numpy::reductions::{ReduceOptions, sum_with};
use crate::numpy::util::{default_int, promote_dtypes};
use crate::numpy::{
    greater_equal, isnan, less, less_equal, logical_and, logical_not, logical_or, ravel, take, where_,
};

options! {
    /// Options of [`sort_with`] and [`argsort_with`].
    ///
    /// ```
    /// use raxla::numpy::{self as jnp, SortOptions};
    /// use raxla::Array;
    ///
    /// let x = Array::from([3, 1, 2]);
    /// assert_eq!(jnp::sort_with(&x, -1, SortOptions::new().descending(true)).to_vec::<i32>()?, [3, 2, 1]);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    pub struct SortOptions {
        /// Do equal elements keep their order?
        stable: value bool = true,
        /// From the largest to the smallest?
        descending: value bool = false,
        /// The dtype of the positions that [`argsort_with`] gives.
        dtype: optional DType,
    }
}

/// The array whose axis is sorted, and which one: the flattened array for `..`.
#[track_caller]
fn along(name: &str, x: &Array, axis: OptAxis) -> (Array, usize) {
    match axis.get() {
        None => (ravel(x), 0),
        Some(axis) => (x.clone(), axis_of(name, axis, x)),
    }
}

/// The elements in ascending order along an axis (`..`: of the flattened array); nan comes last.
///
/// # Errors
/// An axis out of range.
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// assert_eq!(jnp::sort(Array::from([3, 1, 2]), -1).to_vec::<i32>()?, [1, 2, 3]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn sort(x: impl Into<Array>, axis: impl Into<OptAxis>) -> Array {
    sorted(&x.into(), axis.into(), &SortOptions::new())
}

/// [`sort`] by the options `stable` and `descending`.
///
/// # Errors
/// As [`sort`]; the option `dtype`.
#[track_caller]
pub fn sort_with(x: impl Into<Array>, axis: impl Into<OptAxis>, options: SortOptions) -> Array {
    if options.dtype.is_some() {
        throw!(InvalidArgument, "sort: there is no option dtype");
    }
    sorted(&x.into(), axis.into(), &options)
}

#[track_caller]
fn sorted(x: &Array, axis: OptAxis, options: &SortOptions) -> Array {
    jitted("sort", (axis, options.stable, options.descending), [x], |[x]| {
        let (x, axis) = along("sort", x, axis);
        let out = lax::sort_with(&x, axis, lax::SortOptions::new().is_stable(options.stable));
        if options.descending { lax::rev(&out, [axis]) } else { out }
    })
}

/// Where the elements of [`sort`] come from: equal ones in their order.
///
/// # Errors
/// An axis out of range.
#[track_caller]
pub fn argsort(x: impl Into<Array>, axis: impl Into<OptAxis>) -> Array {
    argsort_with(x, axis, SortOptions::new())
}

/// [`argsort`] by options.
///
/// # Errors
/// As [`argsort`].
#[track_caller]
pub fn argsort_with(x: impl Into<Array>, axis: impl Into<OptAxis>, options: SortOptions) -> Array {
    let (axis, statics) = (axis.into(), (options.stable, options.descending, options.dtype));
    jitted("argsort", (axis, statics), [&x.into()], |[x]| argsorted(x, axis, options))
}

#[track_caller]
fn argsorted(x: &Array, axis: OptAxis, options: SortOptions) -> Array {
    let (mut x, axis) = along("argsort", x, axis);
    let dtype = options.dtype.map_or_else(default_int, canonicalize);
    let mut positions = lax::broadcasted_iota(dtype, x.shape(), axis);
    // Reversed before and after, equal elements end in their order.
    if options.descending && options.stable {
        (x, positions) = (lax::rev(&x, [axis]), lax::rev(&positions, [axis]));
    }
    let out =
        lax::sort_key_val_with(&x, &positions, axis, lax::SortKeyValOptions::new().is_stable(options.stable))
            .1;
    if options.descending { lax::rev(&out, [axis]) } else { out }
}

/// The permutation that sorts by the last key first, then by those before it.
///
/// # Errors
/// `lexsort: needs at least one key`; keys of different shapes; an axis out of range.
#[track_caller]
pub fn lexsort<T: Borrow<Array>>(keys: impl AsRef<[T]>, axis: impl Into<Axis>) -> Array {
    let keys: Vec<&Array> = keys.as_ref().iter().map(Borrow::borrow).collect();
    lexsorted(&keys, axis.into())
}

#[track_caller]
fn lexsorted(keys: &[&Array], axis: Axis) -> Array {
    let Some(first) = keys.first() else { throw!(InvalidArgument, "lexsort: needs at least one key") };
    if let Some(other) = keys.iter().find(|k| k.shape() != first.shape()) {
        throw!(Shape, "lexsort: keys must have one shape, got {} and {}", first.aval(), other.aval());
    }
    let axis = axis_of("lexsort", axis, first);
    jitted_list("lexsort", axis, keys, |keys| {
        let positions = lax::broadcasted_iota(default_int(), keys[0].shape(), axis);
        let operands: Vec<&Array> = keys.iter().rev().chain([&positions]).collect();
        let mut sorted = lax::sort_with(&operands, axis, lax::SortOptions::new().num_keys(keys.len()));
        sorted.swap_remove(keys.len())
    })
}

/// Before or behind equal elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Side {
    /// Before them.
    #[default]
    Left,
    /// Behind them.
    Right,
}

/// How [`searchsorted_with`] searches. All give the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SearchMethod {
    /// By halves, in a loop: as many steps as the vector's size has digits.
    #[default]
    Scan,
    /// The same steps without a loop: more to compile, less to run.
    ScanUnrolled,
    /// By sorting the values among the elements: for many values on an accelerator.
    Sort,
    /// By comparing each value with every element: for small vectors.
    CompareAll,
}

options! {
    /// Options of [`searchsorted_with`].
    pub struct SearchsortedOptions {
        /// Before or behind equal elements?
        side: value Side = Side::Left,
        /// The permutation that sorts the vector, if it isn't sorted.
        sorter: optional_into Array,
        /// How to search.
        method: value SearchMethod = SearchMethod::Scan,
    }
}

/// Where `values` would have to be inserted into the sorted vector `sorted` to keep it sorted, before equal elements. nan
/// counts as the largest.
///
/// # Errors
/// `searchsorted: takes a sorted vector, got f32[2,3]`
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let edges = Array::from([1.0f32, 2.0, 2.0, 5.0]);
/// assert_eq!(jnp::searchsorted(&edges, Array::from([0.0f32, 2.0, 9.0])).to_vec::<i32>()?, [0, 1, 4]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn searchsorted(sorted: impl Into<Array>, values: impl Into<Array>) -> Array {
    search(&sorted.into(), &values.into(), &SearchsortedOptions::new())
}

/// [`searchsorted`] by options.
///
/// # Errors
/// As [`searchsorted`].
#[track_caller]
pub fn searchsorted_with(
    sorted: impl Into<Array>,
    values: impl Into<Array>,
    options: SearchsortedOptions,
) -> Array {
    search(&sorted.into(), &values.into(), &options)
}

#[track_caller]
pub(super) fn search(sorted: &Array, values: &Array, options: &SearchsortedOptions) -> Array {
    let (side, method) = (options.side, options.method);
    let sorter = [options.sorter.as_ref()];
    jitted_some("searchsorted", (side, method), [sorted, values], sorter, |[sorted, values], [sorter]| {
        if sorted.ndim() != 1 {
            throw!(Shape, "searchsorted: takes a sorted vector, got {}", sorted.aval());
        }
        let [mut sorted, values] = promote_dtypes("searchsorted", [sorted, values]);
        if let Some(sorter) = sorter {
            sorted = take(sorted, sorter, 0);
        }
        let name = match method {
            SearchMethod::CompareAll => "_searchsorted_compare_all_impl",
            SearchMethod::Sort => "_searchsorted_sort_impl",
            SearchMethod::Scan | SearchMethod::ScanUnrolled => "_searchsorted_scan_impl",
        };
        let right = side == Side::Right;
        jitted(name, (right, method), [&sorted, &values], |[sorted, values]| {
            places(sorted, values, right, method)
        })
    })
}

#[track_caller]
fn places(sorted: &Array, values: &Array, right: bool, method: SearchMethod) -> Array {
    let n = sorted.size();
    if n == 0 {
        return lax::full(values.shape(), lax::literal(DType::I32, 0.0));
    }
    match method {
        SearchMethod::CompareAll => {
            let column = lax::expand_dims(values, [values.ndim()]);
            // How many stand before?
            let before = if right { not_above(sorted, &column) } else { below(sorted, &column) };
            sum_with(before, -1, ReduceOptions::new().dtype(DType::I32))
        }
        SearchMethod::Sort => search_by_sorting(sorted, values, right),
        method => {
            let steps = (usize::BITS - n.leading_zeros()) as i64;
            let start = lax::full(values.shape(), lax::literal(DType::I32, 0.0));
            let end = lax::full(values.shape(), lax::literal(DType::I32, n as f64));
            let halve = move |(low, high): (Array, Array)| {
                let middle = lax::shift_right_logical(&lax::add(&low, &high), &lax::literal(DType::I32, 1.0));
                let element = sorted.index(&middle);
                let left = if right { below(values, &element) } else { not_above(values, &element) };
                (where_(&left, &low, &middle), where_(&left, &middle, &high))
            };
            if method == SearchMethod::ScanUnrolled {
                return (0..steps).fold((start, end), |ends, _| halve(ends)).1;
            }
            lax::fori_loop(0, steps, move |_: Array, ends: (Array, Array)| halve(ends), (start, end))
                .or_throw()
                .1
        }
    }
}

/// Is `x` at most `y`? nan is the largest.
#[track_caller]
fn not_above(x: &Array, y: &Array) -> Array {
    logical_or(less_equal(x, y), isnan(y))
}

/// Is `x` less than `y`? nan is the largest.
#[track_caller]
fn below(x: &Array, y: &Array) -> Array {
    logical_or(less(x, y), logical_and(isnan(y), logical_not(isnan(x))))
}

#[track_caller]
fn search_by_sorting(sorted: &Array, values: &Array, right: bool) -> Array {
    let rank = |x: &Array| {
        let places = lax::iota(DType::I32, x.size());
        lax::full(x.shape(), lax::literal(DType::I32, 0.0)).at(argsort(x, 0)).unique_indices(true).set(places)
    };
    let (flat, n) = (ravel(values), values.size());
    let among = if right {
        rank(&lax::concatenate([sorted, &flat], 0)).index(sorted.size()..)
    } else {
        rank(&lax::concatenate([&flat, sorted], 0)).index(..n)
    };
    lax::reshape(&lax::sub(&among, &rank(&flat)), values.shape())
}

options! {
    /// Options of [`digitize_with`].
    pub struct DigitizeOptions {
        /// Does a bin hold its right edge rather than its left one?
        right: value bool = false,
        /// How to search.
        method: value SearchMethod = SearchMethod::Scan,
    }
}

/// Which elements of a sorted vector of `bins` edges, increasing or decreasing, each `x` lies between.
///
/// # Errors
/// `digitize: bins must be 1-dimensional, got f32[2,2]`.
#[track_caller]
pub fn digitize(x: impl Into<Array>, bins: impl Into<Array>) -> Array {
    digitize_with(x, bins, DigitizeOptions::new())
}

/// [`digitize`] by options.
///
/// # Errors
/// As [`digitize`].
#[track_caller]
pub fn digitize_with(x: impl Into<Array>, bins: impl Into<Array>, options: DigitizeOptions) -> Array {
    jitted("digitize", (options.right, options.method), [&x.into(), &bins.into()], |[x, bins]| {
        bins_of(x, bins, &options)
    })
}

#[track_caller]
fn bins_of(x: &Array, bins: &Array, options: &DigitizeOptions) -> Array {
    if bins.ndim() != 1 {
        throw!(Shape, "digitize: bins must be 1-dimensional, got {}", bins.aval());
    }
    let n = bins.size();
    if n == 0 {
        return lax::full(x.shape(), lax::literal(DType::I32, 0.0));
    }
    let side = if options.right { Side::Left } else { Side::Right };
    let how = SearchsortedOptions::new().side(side).method(options.method);
    let increasing = greater_equal(bins.index(-1), bins.index(0));
    let found = search(bins, x, &how);
    let from_the_end = n as i32 - search(&lax::rev(bins, [0]), x, &how);
    where_(increasing, found, from_the_end)
}
