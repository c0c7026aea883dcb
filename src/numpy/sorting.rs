//! Order, quantiles, searching, interpolation, polynomials. JAX: `numpy/sorting.py`, `numpy/reductions.py`,
//! `numpy/lax_numpy.py`, `numpy/polynomial.py`.

use crate::core::array::Array;
use crate::dtype::DType;
use crate::error::{OrThrow, bail, err};
use crate::lax;
use crate::numpy::axes::Axes;
use crate::numpy::util::{
    canonical_axis, constant, default_int, inexact, promote_args_inexact, promote_dtypes, reject_complex,
    strong_constant,
};
use crate::numpy::{any, flip, greater_equal, isnan, keepdims, less_equal, ravel, take, where_, zeros_like};

/// The array whose axis is sorted, and which one: the flattened array for `..`.
#[track_caller]
fn along(name: &str, x: &Array, axis: &Axes) -> (Array, i64) {
    match axis.single(name).or_throw() {
        None => (ravel(x), 0),
        Some(axis) => (x.clone(), canonical_axis(name, axis, x.ndim()) as i64),
    }
}

/// The elements in ascending order along an axis (`..`: of the flattened array); nan comes last.
///
/// # Errors
/// An axis out of range; more than one axis.
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// assert_eq!(jnp::sort(Array::from([3, 1, 2]), -1).to_vec::<i32>()?, [1, 2, 3]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn sort(x: impl Into<Array>, axis: impl Into<Axes>) -> Array {
    let (x, axis) = along("sort", &x.into(), &axis.into());
    lax::sort(&[&x], axis, true, 1).swap_remove(0)
}

/// Where the elements of [`sort`] come from: equal ones in their order.
///
/// # Errors
/// An axis out of range; more than one axis.
#[track_caller]
pub fn argsort(x: impl Into<Array>, axis: impl Into<Axes>) -> Array {
    let (x, axis) = along("argsort", &x.into(), &axis.into());
    let positions = lax::broadcasted_iota(default_int(), x.shape(), axis as usize);
    lax::sort_key_val(&x, &positions, axis, true).1
}

/// The permutation that sorts by the last key first, then by those before it.
///
/// # Errors
/// `lexsort: needs at least one key`; keys of different shapes; an axis out of range.
#[track_caller]
pub fn lexsort<T: std::borrow::Borrow<Array>>(keys: &[T], axis: i64) -> Array {
    let Some(first) = keys.first() else {
        return Err(err!(InvalidArgument, "lexsort: needs at least one key")).or_throw();
    };
    let first: &Array = first.borrow();
    let axis = canonical_axis("lexsort", axis, first.ndim());
    let positions = lax::broadcasted_iota(default_int(), first.shape(), axis);
    let operands: Vec<&Array> = keys.iter().rev().map(|k| k.borrow()).chain([&positions]).collect();
    let mut sorted = lax::sort(&operands, axis as i64, true, keys.len());
    sorted.swap_remove(keys.len())
}

/// Where `values` would have to be inserted into the sorted vector `sorted` to keep it sorted: before equal elements, or
/// behind them if `right`. nan counts as the largest.
///
/// # Errors
/// `searchsorted: takes a sorted vector, got f32[2,3]`
#[track_caller]
pub fn searchsorted(sorted: impl Into<Array>, values: impl Into<Array>, right: bool) -> Array {
    let (sorted, values) = (sorted.into(), values.into());
    if sorted.ndim() != 1 {
        return Err(err!(Shape, "searchsorted: takes a sorted vector, got {}", sorted.aval())).or_throw();
    }
    let [sorted, values] = promote_dtypes([&sorted, &values]);
    let column = lax::expand_dims(&values, &[values.ndim()]);
    // Compared with every element at once: how many stand before?
    let nan = |x: &Array| isnan(x);
    let before = if right {
        lax::bitwise_or(&less_equal(&sorted, &column), &nan(&column))
    } else {
        let below = crate::numpy::less(&sorted, &column);
        let last = crate::numpy::logical_and(nan(&column), crate::numpy::logical_not(nan(&sorted)));
        lax::bitwise_or(&below, &last)
    };
    crate::numpy::sum_as(before, -1, DType::I32)
}

/// How [`quantile`] chooses between two elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum QuantileMethod {
    /// In proportion.
    #[default]
    Linear,
    /// The lower one.
    Lower,
    /// The higher one.
    Higher,
    /// Their mean.
    Midpoint,
    /// The nearer one.
    Nearest,
}

/// The `q`-th quantile (0 to 1) over `axes`. With a vector `q` the quantiles stand along a new leading axis. nan if there is
/// one.
///
/// # Errors
/// `quantile: q must be a scalar or a vector, got f32[2,2]`; complex operands; axes out of range.
#[track_caller]
pub fn quantile(
    x: impl Into<Array>,
    q: impl Into<Array>,
    axes: impl Into<Axes>,
    method: QuantileMethod,
) -> Array {
    let (x, q, axes) = (inexact(&x.into()), inexact(&q.into()), axes.into());
    reject_complex("quantile", &x);
    let check = || {
        if q.ndim() > 1 {
            bail!(Shape, "quantile: q must be a scalar or a vector, got {}", q.aval());
        }
        Ok(())
    };
    check().or_throw();
    // The reduced axes become the last one.
    let dims = axes.resolve("quantile", x.ndim()).or_throw();
    let kept: Vec<usize> = (0..x.ndim()).filter(|d| !dims.contains(d)).collect();
    let order: Vec<usize> = kept.iter().chain(&dims).copied().collect();
    let mut shape: Vec<usize> = kept.iter().map(|d| x.shape()[*d]).collect();
    let n: usize = dims.iter().map(|d| x.shape()[*d]).product();
    shape.push(n);
    let flat = lax::reshape(&lax::transpose(&x, &order), &shape);
    let flat = where_(any(isnan(&flat), keepdims(-1)), strong_constant(&flat, f64::NAN), flat);
    let sorted = sort(flat, -1);
    let last = constant(&q, n as f64 - 1.0);
    let at = lax::mul(&q, &last);
    let (low, high) = (lax::floor(&at), lax::ceil(&at));
    let high_weight = lax::sub(&at, &low);
    let low_weight = lax::sub(&constant(&high_weight, 1.0), &high_weight);
    let value = |i: &Array| {
        let i = lax::clamp(&constant(i, 0.0), i, &last);
        let i = lax::convert(&i, DType::I32, false);
        let found = take(&sorted, &i, -1);
        // The axis of q goes in front.
        if q.ndim() == 1 { lax::move_axis(&found, found.ndim() - 1, 0) } else { found }
    };
    let spread = |w: &Array, like: &Array| {
        if w.ndim() == 1 { lax::broadcast_in_dim(w, like.shape(), &[0]) } else { w.clone() }
    };
    let out = match method {
        QuantileMethod::Lower => value(&low),
        QuantileMethod::Higher => value(&high),
        QuantileMethod::Midpoint => {
            let sum = lax::add(&value(&low), &value(&high));
            lax::mul(&sum, &constant(&sum, 0.5))
        }
        QuantileMethod::Nearest => {
            let (low, high) = (value(&low), value(&high));
            let nearer = less_equal(spread(&high_weight, &low), 0.5);
            where_(nearer, low, high)
        }
        QuantileMethod::Linear => {
            let (low, high) = (value(&low), value(&high));
            let wide = |v: &Array| lax::convert(v, q.dtype(), false);
            lax::add(
                &lax::mul(&wide(&low), &spread(&low_weight, &low)),
                &lax::mul(&wide(&high), &spread(&high_weight, &high)),
            )
        }
    };
    let out = lax::convert(&out, x.dtype(), false);
    if !axes.keeps_dims() {
        return out;
    }
    let shift = q.ndim();
    lax::expand_dims(&out, &dims.iter().map(|d| d + shift).collect::<Vec<_>>())
}

/// [`quantile`] with `q` from 0 to 100.
///
/// # Errors
/// Those of [`quantile`].
#[track_caller]
pub fn percentile(
    x: impl Into<Array>,
    q: impl Into<Array>,
    axes: impl Into<Axes>,
    method: QuantileMethod,
) -> Array {
    quantile(x, inexact(&q.into()) / 100.0, axes, method)
}

/// The middle element over `axes`, or the mean of the two in the middle; nan if there is one.
///
/// # Errors
/// Complex operands; axes out of range.
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// assert_eq!(jnp::median(Array::from([3.0f32, 1.0, 2.0, 10.0]), ..).item::<f32>()?, 2.5);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn median(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    quantile(x, 0.5, axes, QuantileMethod::Midpoint)
}

/// How often each of `0, 1, …, length - 1` occurs among integers, or the sums of `weights` there. Larger ones are left out,
/// negative ones count as 0.
///
/// # Errors
/// `bincount: takes a vector of integers, got f32[3]`
#[track_caller]
pub fn bincount(x: impl Into<Array>, weights: Option<&Array>, length: usize) -> Array {
    let x = x.into();
    if x.ndim() != 1 || !x.dtype().is_integer() {
        return Err(err!(DType, "bincount: takes a vector of integers, got {}", x.aval())).or_throw();
    }
    let one = lax::literal(default_int(), 1.0);
    let weights = weights.unwrap_or(&one);
    let zeros = lax::zeros(weights.dtype(), &[length]);
    zeros.at(crate::numpy::clip(x, 0, ())).add(weights)
}

/// Piecewise linear interpolation at `x` between points with increasing `xp` and values `fp`; the first and last value
/// outside.
///
/// # Errors
/// `interp: xp and fp must be vectors of one size, got f32[3] and f32[4]`
#[track_caller]
pub fn interp(x: impl Into<Array>, xp: impl Into<Array>, fp: impl Into<Array>) -> Array {
    let (xp, fp) = (xp.into(), fp.into());
    if xp.ndim() != 1 || fp.ndim() != 1 || xp.shape() != fp.shape() || xp.size() == 0 {
        return Err(err!(
            Shape,
            "interp: xp and fp must be vectors of one size, got {} and {}",
            xp.aval(),
            fp.aval()
        ))
        .or_throw();
    }
    let [x, xp, fp] = promote_dtypes([&x.into(), &xp, &fp]).map(|a| inexact(&a));
    let last = xp.size() as i64 - 1;
    let i = crate::numpy::clip(searchsorted(&xp, &x, true), 1, last.max(1));
    let below = &i - 1;
    let at = |a: &Array, i: &Array| a.index(crate::numpy::clip(i, 0, last));
    let (x0, x1, f0, f1) = (at(&xp, &below), at(&xp, &i), at(&fp, &below), at(&fp, &i));
    let (df, dx) = (lax::sub(&f1, &f0), lax::sub(&x1, &x0));
    let tiny = crate::numpy::less_equal(crate::numpy::abs(&dx), f64::from(f32::EPSILON));
    let safe = where_(&tiny, 1, &dx);
    let inside = where_(tiny, &f0, &f0 + (lax::sub(&x, &x0) / safe) * df);
    let (first, end) = (xp.index(0), xp.index(-1));
    let out = where_(crate::numpy::less(&x, first), fp.index(0), inside);
    where_(crate::numpy::greater(&x, end), fp.index(-1), out)
}

/// The value at `x` of a polynomial with coefficients from the highest power down, by Horner's rule.
///
/// # Errors
/// `polyval: takes a vector of coefficients, got f32[2,2]`
#[track_caller]
pub fn polyval(coefficients: impl Into<Array>, x: impl Into<Array>) -> Array {
    let p = coefficients.into();
    if p.ndim() != 1 {
        return Err(err!(Shape, "polyval: takes a vector of coefficients, got {}", p.aval())).or_throw();
    }
    let [p, x] = promote_dtypes([&p, &x.into()]);
    let start = lax::full(x.shape(), constant(&x, 0.0));
    (0..p.size() as i64).fold(start, |y, i| y * &x + p.index(i))
}

/// Which elements of a sorted vector of `bins` edges, increasing or decreasing, each `x` lies between.
///
/// # Errors
/// `digitize: bins must be 1-dimensional, got f32[2,2]`; those of [`searchsorted`].
#[track_caller]
pub fn digitize(x: impl Into<Array>, bins: impl Into<Array>, right: bool) -> Array {
    let (x, bins) = (x.into(), bins.into());
    if bins.ndim() != 1 {
        return Err(err!(Shape, "digitize: bins must be 1-dimensional, got {}", bins.aval())).or_throw();
    }
    let n = bins.size();
    if n == 0 {
        return zeros_like(x, DType::I32);
    }
    let increasing = greater_equal(bins.index(-1), bins.index(0));
    let from_the_end = n as i32 - searchsorted(flip(&bins, 0), &x, !right);
    where_(increasing, searchsorted(&bins, &x, !right), from_the_end)
}

/// The discrete convolution of two vectors: all of it (`full`), where they overlap whole (`valid`), or of the size of the
/// longer (`same`).
///
/// # Errors
/// `convolve: takes two vectors that are not empty, got f32[0] and f32[3]`; an unknown mode.
#[track_caller]
pub fn convolve(x: impl Into<Array>, y: impl Into<Array>, mode: &str) -> Array {
    let [x, y] = promote_args_inexact("convolve", [&x.into(), &y.into()]);
    if x.ndim() != 1 || y.ndim() != 1 || x.size() == 0 || y.size() == 0 {
        return Err(err!(
            Shape,
            "convolve: takes two vectors that are not empty, got {} and {}",
            x.aval(),
            y.aval()
        ))
        .or_throw();
    }
    let (long, short) = if x.size() < y.size() { (y, x) } else { (x, y) };
    let (n, m) = (long.size(), short.size());
    let (start, size) = match mode {
        "full" => (0, n + m - 1),
        "same" => ((m - 1) / 2, n),
        "valid" => (m - 1, n - m + 1),
        _ => {
            return Err(err!(InvalidArgument, "convolve: mode must be full, same or valid, got {mode:?}"))
                .or_throw();
        }
    };
    // Each output is a product of the reversed short vector with a window of the padded long one.
    let edge = (m - 1) as i64;
    let padded = lax::pad(&long, strong_constant(&long, 0.0), &[(edge, edge, 0)]);
    let rows = lax::broadcasted_iota(DType::I32, &[size, m], 0);
    let columns = lax::broadcasted_iota(DType::I32, &[size, m], 1);
    let windows = padded.index(rows + columns + start);
    crate::numpy::matmul(windows, lax::rev(&short, &[0]))
}
