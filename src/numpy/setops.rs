//! Vectors as sets. JAX: `numpy/setops.py`.

use crate::arguments::options;
use crate::calls::jit_call::{jitted, jitted_some};
use crate::core::array::Array;
use crate::dtype::DType;
use crate::lax;
use crate::numpy::joining::FromArrays;
use crate::numpy::nonzero::{SizeOptions, known_size, positions};
use crate::numpy::unique::{UniqueOptions, unique_along};
use crate::numpy::util::{default_int, promote_dtypes};
use crate::numpy::{
    GatherScatterMode, all, any, concatenate, equal, less, logical_and, max, min, ones, ravel, searchsorted,
    sort, sum, unique_with, where_, zeros,
};

options! {
    /// Options of [`setdiff1d_with`] and [`setxor1d_with`].
    pub struct SetOptions {
        /// The caller's word that no element occurs twice in one of the arrays.
        assume_unique: value bool = false,
        /// How many elements the result has: those beyond are left out. It must be given where the arrays are traced.
        size: optional usize,
        /// What stands where there are fewer.
        fill_value: optional_into Array,
    }
}

/// How [`isin_with`] looks for elements. All give the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IsinMethod {
    /// What suits, which is [`CompareAll`](Self::CompareAll) so far.
    #[default]
    Auto,
    /// By comparing each with every one.
    CompareAll,
    /// By halves of the sorted elements.
    BinarySearch,
    /// By sorting both together.
    Sort,
}

options! {
    /// Options of [`isin_with`].
    pub struct IsinOptions {
        /// The caller's word that no element occurs twice in one of the arrays. It makes the method `Sort` faster.
        assume_unique: value bool = false,
        /// Is it asked which are not there?
        invert: value bool = false,
        /// How to look.
        method: value IsinMethod = IsinMethod::Auto,
    }
}

/// Which elements of an array are among those of another: a `bool` array of the first one's shape. nan is never there.
///
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let there = jnp::isin(Array::from([1, 2, 5]), Array::from([5, 1]));
/// assert_eq!(there.to_vec::<bool>()?, [true, false, true]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn isin(element: impl Into<Array>, test_elements: impl Into<Array>) -> Array {
    isin_with(element, test_elements, IsinOptions::new())
}

/// [`isin`] by options.
#[track_caller]
pub fn isin_with(element: impl Into<Array>, test_elements: impl Into<Array>, options: IsinOptions) -> Array {
    let element = element.into();
    let found = among(&element, &test_elements.into(), options);
    lax::reshape(&found, element.shape())
}

/// JAX: `_in1d`.
#[track_caller]
fn among(x: &Array, y: &Array, options: IsinOptions) -> Array {
    let IsinOptions { assume_unique, invert, method } = options;
    jitted("_in1d", (assume_unique, invert, method), [x, y], |[x, y]| {
        let [x, y] = promote_dtypes("isin", [x, y]);
        let (x, y) = (ravel(x), ravel(y));
        if x.size() == 0 || y.size() == 0 {
            let shape = (x.size(), DType::Bool);
            return if invert { ones(shape) } else { zeros(shape) };
        }
        match method {
            IsinMethod::Auto | IsinMethod::CompareAll => {
                let (column, row) = (lax::expand_dims(&x, [1]), lax::expand_dims(&y, [0]));
                if invert {
                    all(crate::numpy::not_equal(column, row), -1)
                } else {
                    any(equal(column, row), -1)
                }
            }
            IsinMethod::BinarySearch => {
                let y = lax::sort(&y, -1);
                let there = y.index(searchsorted(&y, &x));
                if invert { lax::ne(&x, &there) } else { lax::eq(&x, &there) }
            }
            IsinMethod::Sort => by_sorting(x, &y, assume_unique, invert),
        }
    })
}

#[track_caller]
fn by_sorting(x: Array, y: &Array, assume_unique: bool, invert: bool) -> Array {
    let (x, inverse) = if assume_unique {
        (x, None)
    } else {
        let n = x.size();
        let options = UniqueOptions::new().size(n).return_inverse(true).fill_value(max(y, ..));
        let [values, inverse] = unique_with(x, .., options);
        (values, Some(inverse))
    };
    let n = x.size();
    let places = lax::iota(default_int(), n + y.size());
    let (sorted, from) = lax::sort_key_val(&concatenate([&x, y], 0), &places, -1);
    let (left, right) = (sorted.index(1..), sorted.index(..-1));
    let (start, same) = if invert {
        (ones((n, DType::Bool)), lax::ne(&left, &right))
    } else {
        (zeros((n, DType::Bool)), lax::eq(&left, &right))
    };
    let found = start.at(from.index(..-1)).mode(GatherScatterMode::FillOrDrop).set(same);
    match inverse {
        Some(inverse) => found.index(inverse),
        None => found,
    }
}

/// The different elements of both arrays, ascending.
///
/// # Errors
/// Traced arrays, unless [`union1d_with`] is told a `size`.
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let both = jnp::union1d(Array::from([3, 1]), Array::from([2, 3]));
/// assert_eq!(both.to_vec::<i32>()?, [1, 2, 3]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn union1d(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    union1d_with(x, y, SizeOptions::new())
}

/// [`union1d`] by options. The smallest element fills up if nothing else is given.
///
/// # Errors
/// As [`union1d`].
#[track_caller]
pub fn union1d_with(x: impl Into<Array>, y: impl Into<Array>, options: SizeOptions) -> Array {
    let both = concatenate([ravel(x), ravel(y)], 0);
    let SizeOptions { size, fill_value } = options;
    let options = UniqueOptions { size, fill_value, ..UniqueOptions::new() };
    unique_along("union1d", &both, 0, &options).values
}

/// The different elements of the first array that are not in the second, ascending.
///
/// # Errors
/// Traced arrays, unless [`setdiff1d_with`] is told a `size`.
#[track_caller]
pub fn setdiff1d(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    setdiff1d_with(x, y, SetOptions::new())
}

/// [`setdiff1d`] by options. Zero fills up if nothing else is given; unique elements keep their order.
///
/// # Errors
/// As [`setdiff1d`].
#[track_caller]
pub fn setdiff1d_with(x: impl Into<Array>, y: impl Into<Array>, options: SetOptions) -> Array {
    const NAME: &str = "setdiff1d";
    let (mut x, y) = (ravel(x), ravel(y));
    let fill = options.fill_value.unwrap_or_else(|| Array::from(0));
    let fill = lax::convert(&fill, x.dtype(), x.weak_type());
    if x.size() == 0 {
        return crate::numpy::full(options.size.unwrap_or(0), fill);
    }
    if !options.assume_unique {
        let size = options.size.map(|_| x.size());
        x = unique_along(NAME, &x, 0, &UniqueOptions { size, ..UniqueOptions::new() }).values;
    }
    let how = IsinOptions::new().assume_unique(options.assume_unique).invert(true);
    let mut mask = among(&x, &y, how);
    let Some(size) = options.size else {
        let size = known_size(NAME, &sum(&mask, ..));
        return x.index(&positions(NAME, &mask, &SizeOptions::new().size(size))[0]);
    };
    if !options.assume_unique {
        // The smallest element fills up behind the different ones.
        let different = Array::from(x.size() + 1) - sum(equal(&x, x.index(0)), ..);
        mask = where_(less(lax::iota(default_int(), x.size()), different), mask, false);
    }
    let found = x.index(&positions(NAME, &mask, &SizeOptions::new().size(size))[0]);
    where_(less(lax::iota(default_int(), size), sum(mask, ..)), found, fill)
}

/// The elements that are in one of the arrays alone, ascending.
///
/// # Errors
/// Traced arrays, unless [`setxor1d_with`] is told a `size`.
#[track_caller]
pub fn setxor1d(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    setxor1d_with(x, y, SetOptions::new())
}

/// [`setxor1d`] by options. The smallest element of the result fills up if nothing else is given.
///
/// # Errors
/// As [`setxor1d`].
#[track_caller]
pub fn setxor1d_with(x: impl Into<Array>, y: impl Into<Array>, options: SetOptions) -> Array {
    const NAME: &str = "setxor1d";
    let [x, y] = promote_dtypes(NAME, [&ravel(x), &ravel(y)]);
    let SetOptions { assume_unique, size, fill_value } = options;
    if let Some(size) = size {
        let fill = [fill_value.as_ref()];
        return jitted_some("_setxor1d_size", (assume_unique, size), [&x, &y], fill, |[x, y], [fill]| {
            different(x, y, assume_unique, size, fill)
        });
    }
    let (x, y) = if assume_unique { (x, y) } else { (only(NAME, &x), only(NAME, &y)) };
    let both = concatenate([x, y], 0);
    if both.size() == 0 {
        return both;
    }
    let both = sort(both, -1);
    let edge = flag(true);
    let starts = concatenate([&edge, &lax::ne(&both.index(1..), &both.index(..-1)), &edge], 0);
    let mask = lax::bitwise_and(&starts.index(1..), &starts.index(..-1));
    let size = known_size(NAME, &sum(&mask, ..));
    both.index(&positions(NAME, &mask, &SizeOptions::new().size(size))[0])
}

/// The different elements, for the function `name`.
#[track_caller]
fn only(name: &str, x: &Array) -> Array {
    unique_along(name, x, 0, &UniqueOptions::new()).values
}

/// The different elements of both vectors one behind the other with zeros behind, how many the first has, how many both have,
/// and where each comes from.
#[track_caller]
fn joined(x: &Array, y: &Array) -> ([Array; 2], [Array; 2], Array) {
    let each =
        [x, y].map(|v| unique_along("unique", v, 0, &UniqueOptions::new().size(v.size()).return_index(true)));
    let [first, second] = each;
    let start = lax::zeros(x.dtype(), &[x.size() + y.size()]);
    let out = lax::dynamic_update_slice(&start, &first.values, [0]);
    let out = lax::dynamic_update_slice(&out, &second.values, [&first.count]);
    let index = |at: Option<Array>| at.unwrap_or_else(|| lax::zeros(default_int(), &[0]));
    ([first.count, second.count], [index(first.index), index(second.index)], out)
}

/// A vector of one truth value.
fn flag(value: bool) -> Array {
    lax::full([1], Array::from(value))
}

#[track_caller]
fn different(x: &Array, y: &Array, assume_unique: bool, size: usize, fill: Option<&Array>) -> Array {
    let (both, starts) = if assume_unique {
        let both = sort(concatenate([x, y], 0), -1);
        let edges = [flag(both.size() > 0), flag(true)];
        let inner = lax::ne(&both.index(1..), &both.index(..-1));
        let starts = concatenate([&edges[0], &inner, &edges[1]], 0);
        (both, starts)
    } else {
        let ([first, second], _, all) = joined(x, y);
        let count = first + second;
        let mask = less(lax::iota(default_int(), all.size() + 1), &count + 1);
        let unused = lax::bitwise_not(&mask.index(1..));
        let [_, both] = lax::sort_with(&[&unused, &all], 0, lax::SortOptions::new().num_keys(2));
        let edges = [flag(both.size() > 0), flag(false)];
        let inner = lax::ne(&both.index(1..), &both.index(..-1));
        let starts = concatenate([&edges[0], &inner, &edges[1]], 0).at(&count).set(true);
        (both, logical_and(mask, starts))
    };
    let mask = lax::bitwise_and(&starts.index(1..), &starts.index(..-1));
    let count = sum(&mask, ..);
    let found = if both.size() > 0 {
        let at = &positions("setxor1d", &mask, &SizeOptions::new().size(size).fill_value(both.size()))[0];
        both.at(at).mode(GatherScatterMode::FillOrDrop).fill_value(0).get()
    } else {
        lax::zeros(both.dtype(), &[size])
    };
    filled(found, &count, fill)
}

/// What stands behind the first `count` elements replaced by `fill`, or by the smallest of them.
#[track_caller]
fn filled(found: Array, count: &Array, fill: Option<&Array>) -> Array {
    let valid = less(lax::iota(default_int(), found.size()), count);
    match fill {
        Some(fill) => where_(valid, found, fill),
        None => {
            let found = where_(&valid, &found, max(&found, ..));
            where_(valid, &found, min(&found, ..))
        }
    }
}

options! {
    /// Options of [`intersect1d_with`].
    pub struct IntersectOptions {
        /// The caller's word that no element occurs twice in one of the arrays.
        assume_unique: value bool = false,
        /// Is given too where the elements stand in both arrays?
        return_indices: value bool = false,
        /// How many elements the result has: those beyond are left out. It must be given where the arrays are traced.
        size: optional usize,
        /// What stands where there are fewer; the smallest element of the result if not given.
        fill_value: optional_into Array,
    }
}

/// The elements that are in both arrays, ascending.
///
/// # Errors
/// Traced arrays, unless [`intersect1d_with`] is told a `size`.
#[track_caller]
pub fn intersect1d(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    let [values] = intersect1d_with(x, y, IntersectOptions::new());
    values
}

/// [`intersect1d`] by options: the elements, and by `return_indices` their positions in both arrays too.
///
/// # Errors
/// As [`intersect1d`]; another number of results than is asked for.
/// ```
/// use raxla::numpy::{self as jnp, IntersectOptions};
/// use raxla::Array;
///
/// let (x, y) = (Array::from([5, 1, 7]), Array::from([7, 5]));
/// let options = IntersectOptions::new().return_indices(true);
/// let [values, in_x, in_y] = jnp::intersect1d_with(&x, &y, options);
/// assert_eq!(values.to_vec::<i32>()?, [5, 7]);
/// assert_eq!((in_x.to_vec::<i32>()?, in_y.to_vec::<i32>()?), (vec![0, 2], vec![1, 0]));
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn intersect1d_with<R: FromArrays>(
    x: impl Into<Array>,
    y: impl Into<Array>,
    options: IntersectOptions,
) -> R {
    const NAME: &str = "intersect1d";
    let [x, y] = promote_dtypes(NAME, [&ravel(x), &ravel(y)]);
    let IntersectOptions { assume_unique, return_indices, size, fill_value } = options;
    let out = match size {
        Some(size) => {
            let (statics, fill) = ((assume_unique, return_indices, size), [fill_value.as_ref()]);
            jitted_some("_intersect1d_size", statics, [&x, &y], fill, |[x, y], [fill]| {
                common_of_size(x, y, &options_of(assume_unique, return_indices, size), fill)
            })
        }
        None => common(NAME, x, y, assume_unique, return_indices),
    };
    R::from_arrays(NAME, out)
}

fn options_of(assume_unique: bool, return_indices: bool, size: usize) -> IntersectOptions {
    IntersectOptions::new().assume_unique(assume_unique).return_indices(return_indices).size(size)
}

#[track_caller]
fn common(name: &str, x: Array, y: Array, assume_unique: bool, return_indices: bool) -> Vec<Array> {
    let mut index = None;
    let (x, y) = if assume_unique {
        (x, y)
    } else {
        let options = UniqueOptions::new().return_index(return_indices);
        let [x, y] = [x, y].map(|v| unique_along(name, &v, 0, &options));
        index = x.index.zip(y.index);
        (x.values, y.values)
    };
    let mut out = jitted("_intersect1d_sorted_mask", return_indices, [&x, &y], |[x, y]| {
        let all = concatenate([x, y], 0);
        let (sorted, from) = if return_indices {
            let (sorted, from) = lax::sort_key_val(&all, &lax::iota(DType::I32, all.size()), -1);
            (sorted, Some(from))
        } else {
            (sort(all, -1), None)
        };
        let mask = equal(sorted.index(1..), sorted.index(..-1));
        [Some(sorted), Some(mask), from].into_iter().flatten().collect::<Vec<Array>>()
    });
    let from = if return_indices { out.pop() } else { None };
    let (sorted, mask) = (&out[0], &out[1]);
    let size = if mask.size() == 0 { 0 } else { known_size(name, &sum(mask, ..)) };
    let at = positions(name, mask, &SizeOptions::new().size(size)).swap_remove(0);
    let values = sorted.index(..-1).index(&at);
    let Some(from) = from else { return vec![values] };
    let mut first = from.index(..-1).index(&at);
    let mut second = from.index(1..).index(&at) - x.size();
    if let Some((in_x, in_y)) = index {
        (first, second) = (in_x.index(first), in_y.index(second));
    }
    vec![values, first, second]
}

/// JAX: `_intersect1d_size`.
#[track_caller]
fn common_of_size(x: &Array, y: &Array, options: &IntersectOptions, fill: Option<&Array>) -> Vec<Array> {
    let (unique, size) = (options.assume_unique, options.size.unwrap_or(0));
    let (n, m) = (x.size(), y.size());
    let places = lax::iota(default_int(), n + m);
    let (first_count, index, mask, sorted) = if unique {
        let all = concatenate([x, y], 0);
        let sorted = lax::sort_with(&[&all, &places], 0, lax::SortOptions::new().num_keys(1));
        (Array::from(n), None, ones((n + m, DType::Bool)), sorted)
    } else {
        let ([first, second], index, all) = joined(x, y);
        let mask = less(&places, &first + second);
        let unused = lax::bitwise_not(&mask);
        let keys = lax::SortOptions::new().num_keys(2);
        let [_, sorted, from] = lax::sort_with(&[&unused, &all, &places], 0, keys);
        (first, Some(index), mask, [sorted, from])
    };
    let [sorted, from] = sorted;
    let same = lax::eq(&sorted.index(1..), &sorted.index(..-1));
    let same = lax::bitwise_and(&same, &mask.index(1..));
    let count = sum(&same, ..);
    let (at, values) = if sorted.size() > 0 {
        let sizes = SizeOptions::new().size(size).fill_value(sorted.size());
        let at = positions("intersect1d", &same, &sizes).swap_remove(0);
        let values = sorted.at(&at).mode(GatherScatterMode::FillOrDrop).fill_value(0).get();
        (at, values)
    } else {
        (lax::zeros(default_int(), &[0]), lax::zeros(sorted.dtype(), &[size]))
    };
    let values = filled(values, &count, fill);
    if !options.return_indices {
        return vec![values];
    }
    let valid = |x: &Array| less(lax::iota(default_int(), x.size()), &count);
    let picked = |x: &Array, at: &Array, beyond: usize| {
        x.at(at).mode(GatherScatterMode::FillOrDrop).fill_value(beyond).get()
    };
    let first = picked(&from, &at, n);
    let first = where_(valid(&first), &first, n);
    let second = picked(&from, &(&at + 1), m) - first_count;
    let second = where_(valid(&second), &second, m);
    match index {
        None => vec![values, first, second],
        Some([in_x, in_y]) => vec![values, picked(&in_x, &first, n), picked(&in_y, &second, m)],
    }
}
