//! The different elements of an array. JAX: `numpy/setops.py`.

use crate::arguments::{OptAxis, options};
use crate::calls::jit_call::jitted;
use crate::core::array::Array;
use crate::dtype::DType;
use crate::error::throw;
use crate::lax;
use crate::lax::arguments::axis_of;
use crate::numpy::joining::FromArrays;
use crate::numpy::nonzero::{SizeOptions, known_size, positions};
use crate::numpy::util::{constant, default_int, strong};
use crate::numpy::{any, cumsum, diff, isnan, less, lexsort, moveaxis, ravel, sum, where_};

options! {
    /// Options of [`unique_with`].
    pub struct UniqueOptions {
        /// Is the position of the first element of each value given too?
        return_index: value bool = false,
        /// Is for each element the position of its value given too?
        return_inverse: value bool = false,
        /// Is given too how often each value occurs?
        return_counts: value bool = false,
        /// Is nan one value?
        equal_nan: value bool = true,
        /// How many values are given: those beyond are left out. It must be given where the array is traced.
        size: optional usize,
        /// What stands where there are fewer values; the smallest if not given.
        fill_value: optional_into Array,
        /// Ascending values? They are so in either case.
        sorted: value bool = true,
    }
}

/// The different elements, ascending; the different slices along an axis, or elements of the flattened array for `..`.
///
/// # Errors
/// A traced array, unless [`unique_with`] is told a `size`; an axis out of range.
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let x = Array::from([3, 1, 3, 2, 1]);
/// assert_eq!(jnp::unique(&x, ..).to_vec::<i32>()?, [1, 2, 3]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn unique(x: impl Into<Array>, axis: impl Into<OptAxis>) -> Array {
    found("unique", &x.into(), axis.into(), &UniqueOptions::new()).values
}

/// [`unique`] by options: the values, and behind them what the options `return_…` ask for, in their order.
///
/// # Errors
/// As [`unique`]; another number of results than is asked for; an empty array with a `size` but without a `fill_value`.
/// ```
/// use raxla::numpy::{self as jnp, UniqueOptions};
/// use raxla::Array;
///
/// let x = Array::from([3, 1, 3]);
/// let [values, counts] = jnp::unique_with(&x, .., UniqueOptions::new().return_counts(true));
/// assert_eq!((values.to_vec::<i32>()?, counts.to_vec::<i32>()?), (vec![1, 3], vec![1, 2]));
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn unique_with<R: FromArrays>(
    x: impl Into<Array>,
    axis: impl Into<OptAxis>,
    options: UniqueOptions,
) -> R {
    R::from_arrays("unique", found("unique", &x.into(), axis.into(), &options).asked())
}

/// What there is to know of the different elements.
pub(super) struct Found {
    pub values: Array,
    pub index: Option<Array>,
    inverse: Option<Array>,
    counts: Option<Array>,
    /// How many there are, whatever the size.
    pub count: Array,
}

impl Found {
    /// What was asked for, in JAX's order.
    fn asked(self) -> Vec<Array> {
        [Some(self.values), self.index, self.inverse, self.counts].into_iter().flatten().collect()
    }
}

#[track_caller]
fn found(name: &str, x: &Array, axis: OptAxis, options: &UniqueOptions) -> Found {
    let Some(axis) = axis.get() else {
        let mut found = unique_along(name, &ravel(x), 0, options);
        found.inverse = found.inverse.map(|at| lax::reshape(&at, x.shape()));
        return found;
    };
    unique_along(name, x, axis_of(name, axis, x), options)
}

/// JAX: `_unique`.
#[track_caller]
pub(super) fn unique_along(name: &str, x: &Array, axis: usize, options: &UniqueOptions) -> Found {
    let n = x.shape()[axis];
    if n == 0 && options.size.is_some_and(|size| size > 0) && options.fill_value.is_none() {
        throw!(InvalidArgument, "{name}: an empty array with a size needs a fill_value, got {}", x.aval());
    }
    let equal_nan = options.equal_nan;
    let sorted = jitted("_unique_sorted_mask", (axis, equal_nan), [x], |[x]| sorted_mask(x, axis, equal_nan));
    let [aux, mask, perm] = FromArrays::from_arrays(name, sorted);
    let (count, empty) = (sum(&mask, ..), aux.size() == 0);
    let size = match options.size {
        Some(size) => size,
        None if empty => 0,
        None => known_size(name, &count),
    };
    let first = |size: usize| positions(name, &mask, &SizeOptions::new().size(size)).swap_remove(0);
    let at = first(size);
    let mut values = if empty { aux.clone() } else { aux.index(&at) };
    if let (Some(fill), Some(_)) = (&options.fill_value, options.size) {
        let fill = strong(fill, values.dtype());
        values = if values.shape()[0] > 0 {
            let others: Vec<usize> = (1..values.ndim()).collect();
            let valid = less(lax::iota(default_int(), size), &count);
            where_(lax::expand_dims(&valid, others), values, fill)
        } else {
            let mut shape = values.shape().to_vec();
            shape[0] = size;
            lax::full(shape, fill)
        };
    }
    let index = options.return_index.then(|| if empty { perm.clone() } else { perm.index(&at) });
    let inverse = options.return_inverse.then(|| {
        if empty {
            return lax::zeros(default_int(), &[n]);
        }
        let rank = cumsum(&mask, ..) - 1;
        lax::zeros(default_int(), &[mask.size()]).at(&perm).set(rank)
    });
    let counts = options.return_counts.then(|| {
        if empty {
            let one = usize::from(n > 0);
            return lax::full([one], lax::literal(default_int(), n as f64));
        }
        let end = mask.size();
        let starts = match options.size {
            None => crate::numpy::append(at, Array::from(end), ..),
            Some(size) => {
                let starts = first(size + 1);
                let rest = starts.index(1..);
                starts.at(1..).set(where_(&rest, &rest, end))
            }
        };
        diff(starts, -1)
    });
    Found { values: moveaxis(values, 0, axis), index, inverse, counts, count }
}

/// The slices along an axis in order, in front; where each begins a new value; and where they come from.
#[track_caller]
fn sorted_mask(x: &Array, axis: usize, equal_nan: bool) -> Vec<Array> {
    let mut aux = moveaxis(x, axis, 0);
    if aux.dtype().is_complex() {
        // One nan, whichever part of a number it is in.
        aux = where_(isnan(&aux), constant(&aux, f64::NAN), aux);
    }
    let width: usize = aux.shape()[1..].iter().product();
    let (size, perm) = if width == 0 {
        (1, lax::zeros(default_int(), &[1]))
    } else {
        let size = aux.shape()[0];
        let rows = lax::reshape(&aux, [size, width]);
        let keys: Vec<Array> = (0..width).rev().map(|k| lax::index_along(&rows, k as i64, 1)).collect();
        (size, lexsort(keys, -1))
    };
    if aux.shape()[0] > 0 {
        aux = aux.index(&perm);
    }
    if aux.size() == 0 {
        return vec![aux, lax::zeros(DType::Bool, &[size]), perm];
    }
    let (left, right) = (aux.index(1..), aux.index(..size - 1));
    let mut other = lax::ne(&left, &right);
    if equal_nan && aux.dtype().is_inexact() {
        let both = lax::bitwise_and(&isnan(&left), &isnan(&right));
        other = lax::bitwise_and(&other, &lax::bitwise_not(&both));
    }
    let others: Vec<usize> = (1..aux.ndim()).collect();
    let mask = crate::numpy::ones((size, DType::Bool)).at(1..).set(any(other, others));
    vec![aux, mask, perm]
}

/// What [`unique_all`] gives.
#[derive(Clone, Debug)]
pub struct UniqueAllResult {
    /// The different elements, ascending.
    pub values: Array,
    /// Where the first of each stands in the flattened array.
    pub indices: Array,
    /// For each element the position of its value; of the array's shape.
    pub inverse_indices: Array,
    /// How often each occurs.
    pub counts: Array,
}

/// What [`unique_counts`] gives.
#[derive(Clone, Debug)]
pub struct UniqueCountsResult {
    /// The different elements, ascending.
    pub values: Array,
    /// How often each occurs.
    pub counts: Array,
}

/// What [`unique_inverse`] gives.
#[derive(Clone, Debug)]
pub struct UniqueInverseResult {
    /// The different elements, ascending.
    pub values: Array,
    /// For each element the position of its value; of the array's shape.
    pub inverse_indices: Array,
}

/// [`unique_with`] of the flattened array, where each nan is a value of its own.
#[track_caller]
fn of_all<R: FromArrays>(name: &str, x: &Array, sizes: SizeOptions, asked: UniqueOptions) -> R {
    let SizeOptions { size, fill_value } = sizes;
    let options = UniqueOptions { equal_nan: false, size, fill_value, ..asked };
    R::from_arrays(name, found(name, x, (..).into(), &options).asked())
}

/// The different elements, where the first of each stands, where each element's value stands, and how often each occurs. Each
/// nan is a value of its own.
///
/// # Errors
/// As [`unique`].
#[track_caller]
pub fn unique_all(x: impl Into<Array>) -> UniqueAllResult {
    unique_all_with(x, SizeOptions::new())
}

/// [`unique_all`] by options.
///
/// # Errors
/// As [`unique_with`].
#[track_caller]
pub fn unique_all_with(x: impl Into<Array>, options: SizeOptions) -> UniqueAllResult {
    let asked = UniqueOptions::new().return_index(true).return_inverse(true).return_counts(true);
    let [values, indices, inverse_indices, counts] = of_all("unique_all", &x.into(), options, asked);
    UniqueAllResult { values, indices, inverse_indices, counts }
}

/// The different elements, and how often each occurs. Each nan is a value of its own.
///
/// # Errors
/// As [`unique`].
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let found = jnp::unique_counts(Array::from([3, 1, 3]));
/// assert_eq!((found.values.to_vec::<i32>()?, found.counts.to_vec::<i32>()?), (vec![1, 3], vec![1, 2]));
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn unique_counts(x: impl Into<Array>) -> UniqueCountsResult {
    unique_counts_with(x, SizeOptions::new())
}

/// [`unique_counts`] by options.
///
/// # Errors
/// As [`unique_with`].
#[track_caller]
pub fn unique_counts_with(x: impl Into<Array>, options: SizeOptions) -> UniqueCountsResult {
    let asked = UniqueOptions::new().return_counts(true);
    let [values, counts] = of_all("unique_counts", &x.into(), options, asked);
    UniqueCountsResult { values, counts }
}

/// The different elements, and where each element's value stands among them. Each nan is a value of its own.
///
/// # Errors
/// As [`unique`].
#[track_caller]
pub fn unique_inverse(x: impl Into<Array>) -> UniqueInverseResult {
    unique_inverse_with(x, SizeOptions::new())
}

/// [`unique_inverse`] by options.
///
/// # Errors
/// As [`unique_with`].
#[track_caller]
pub fn unique_inverse_with(x: impl Into<Array>, options: SizeOptions) -> UniqueInverseResult {
    let asked = UniqueOptions::new().return_inverse(true);
    let [values, inverse_indices] = of_all("unique_inverse", &x.into(), options, asked);
    UniqueInverseResult { values, inverse_indices }
}

/// The different elements. Each nan is a value of its own.
///
/// # Errors
/// As [`unique`].
#[track_caller]
pub fn unique_values(x: impl Into<Array>) -> Array {
    unique_values_with(x, SizeOptions::new())
}

/// [`unique_values`] by options.
///
/// # Errors
/// As [`unique_with`].
#[track_caller]
pub fn unique_values_with(x: impl Into<Array>, options: SizeOptions) -> Array {
    let [values] = of_all("unique_values", &x.into(), options, UniqueOptions::new());
    values
}
