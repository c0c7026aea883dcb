//! Sums, means, extrema and the like over axes. JAX: `numpy/reductions.py`.
//!
//! Axes are given as [`Axes`]: `..` for all of them, an integer, or several: `sum(&x, ..)`, `sum(&x, -1)`,
//! `sum(&x, [0, 1])`, and `sum(&x, keepdims(1))` to keep the reduced axis with size one.

use crate::core::array::Array;
use crate::dtype::DType;
use crate::error::{OrThrow, Result, bail};
use crate::lax;
use crate::numpy::axes::Axes;
use crate::numpy::logic::to_bool;
use crate::numpy::util::{
    canonical_axis, constant, default_int, inexact, promote_dtypes, promote_integer, reject_complex,
    strong_constant, to_inexact, upcast_f16,
};
use crate::numpy::{isnan, where_};

/// Drops `axes` by `op`, or keeps them with size one.
#[track_caller]
fn reduce(name: &str, x: &Array, axes: &Axes, op: impl Fn(&Array, &[usize]) -> Array) -> Array {
    let dims = axes.resolve(name, x.ndim()).or_throw();
    let out = op(x, &dims);
    if axes.keeps_dims() { lax::expand_dims(&out, &dims) } else { out }
}

/// How many elements make one of the result.
fn count(x: &Array, axes: &Axes) -> Result<usize> {
    Ok(axes.resolve("mean", x.ndim())?.iter().map(|axis| x.shape()[*axis]).product())
}

#[track_caller]
fn strong(x: &Array, dtype: DType) -> Array {
    lax::convert(x, dtype, false)
}

/// Sum and product in `dtype`; `f16` and `bf16` are summed in `f32`.
#[track_caller]
fn accumulate(name: &str, x: &Array, axes: &Axes, dtype: DType, op: fn(&Array, &[usize]) -> Array) -> Array {
    let out = reduce(name, &strong(x, upcast_f16(dtype)), axes, op);
    strong(&out, dtype)
}

/// The sum over `axes`. Small integers and `bool` are summed as `int32` (`int64` with x64), unsigned ones as `uint32`.
///
/// # Errors
/// `sum: axis 2 is out of bounds for array of dimension 2`; a repeated axis.
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let x = Array::from([[1.0f32, 2.0], [3.0, 4.0]]);
/// assert_eq!(jnp::sum(&x, ..).item::<f32>()?, 10.0);
/// assert_eq!(jnp::sum(&x, 0).to_vec::<f32>()?, [4.0, 6.0]);
/// assert_eq!(jnp::sum(&x, -1).to_vec::<f32>()?, [3.0, 7.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn sum(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    let x = x.into();
    let dtype = promote_integer(x.dtype());
    accumulate("sum", &x, &axes.into(), dtype, |x, axes| lax::reduce_sum(x, axes))
}

/// [`sum`], computed and given in `dtype`.
///
/// # Errors
/// As [`sum`].
#[track_caller]
pub fn sum_as(x: impl Into<Array>, axes: impl Into<Axes>, dtype: DType) -> Array {
    let dtype = crate::core::config::canonicalize(dtype);
    reduce("sum", &strong(&x.into(), dtype), &axes.into(), |x, axes| lax::reduce_sum(x, axes))
}

/// The product over `axes`, in the dtype of [`sum`].
///
/// # Errors
/// `prod: axis 2 is out of bounds for array of dimension 2`; a repeated axis.
#[track_caller]
pub fn prod(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    let x = x.into();
    let dtype = promote_integer(x.dtype());
    accumulate("prod", &x, &axes.into(), dtype, |x, axes| lax::reduce_prod(x, axes))
}

/// The largest element over `axes`; nan if there is one.
///
/// # Errors
/// `zero-size array to reduction operation max which has no identity`; an axis out of range or repeated.
#[track_caller]
pub fn max(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    extremum("max", &x.into(), &axes.into(), |x, axes| lax::reduce_max(x, axes))
}

/// The smallest element over `axes`; nan if there is one.
///
/// # Errors
/// `zero-size array to reduction operation min which has no identity`; an axis out of range or repeated.
#[track_caller]
pub fn min(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    extremum("min", &x.into(), &axes.into(), |x, axes| lax::reduce_min(x, axes))
}

/// [`max`].
#[track_caller]
pub fn amax(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    max(x, axes)
}

/// [`min`].
#[track_caller]
pub fn amin(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    min(x, axes)
}

#[track_caller]
fn extremum(name: &str, x: &Array, axes: &Axes, op: fn(&Array, &[usize]) -> Array) -> Array {
    let check = || {
        if count(x, axes)? == 0 {
            bail!(Shape, "zero-size array to reduction operation {name} which has no identity");
        }
        Ok(())
    };
    check().or_throw();
    reduce(name, &strong(x, x.dtype()), axes, op)
}

/// Are all elements over `axes` nonzero? True if there are none.
///
/// # Errors
/// An axis out of range or repeated.
#[track_caller]
pub fn all(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    reduce("all", &to_bool(&x.into()), &axes.into(), |x, axes| lax::reduce_and(x, axes))
}

/// Is any element over `axes` nonzero? False if there are none.
///
/// # Errors
/// An axis out of range or repeated.
#[track_caller]
pub fn any(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    reduce("any", &to_bool(&x.into()), &axes.into(), |x, axes| lax::reduce_or(x, axes))
}

/// The mean over `axes`, as a float; nan if there are no elements.
///
/// # Errors
/// `mean: axis 2 is out of bounds for array of dimension 2`; a repeated axis.
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let x = Array::from([[1, 2], [3, 6]]);
/// assert_eq!(jnp::mean(&x, ..).item::<f32>()?, 3.0);
/// assert_eq!(jnp::mean(&x, 0).to_vec::<f32>()?, [2.0, 4.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn mean(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    let x = x.into();
    let dtype = to_inexact(x.dtype());
    strong(&mean_in(&x, &axes.into(), upcast_f16(dtype)), dtype)
}

#[track_caller]
fn mean_in(x: &Array, axes: &Axes, dtype: DType) -> Array {
    let n = count(x, axes).or_throw();
    let total = reduce("mean", &strong(x, dtype), axes, |x, axes| lax::reduce_sum(x, axes));
    lax::div(&total, &lax::literal(dtype, n as f64))
}

/// The mean over `axes` weighted by `weights`, which have the shape of `x` or, for one axis, its size.
///
/// # Errors
/// `average: shape of weights (2,) must be that of x (2, 3) or of its axes`
#[track_caller]
pub fn average(x: impl Into<Array>, axes: impl Into<Axes>, weights: impl Into<Option<Array>>) -> Array {
    let (x, axes) = (x.into(), axes.into());
    let Some(weights) = weights.into() else { return mean(inexact(&x), axes) };
    let [x, weights] = promote_dtypes([&inexact(&x), &inexact(&weights)]);
    let dims = axes.resolve("average", x.ndim()).or_throw();
    let weights = if weights.shape() == x.shape() {
        weights
    } else {
        let sizes: Vec<usize> = dims.iter().map(|d| x.shape()[*d]).collect();
        let check = || {
            if weights.shape() != sizes {
                let tuple = lax::elementwise::tuple;
                bail!(
                    Shape,
                    "average: shape of weights {} must be that of x {} or of its axes",
                    tuple(weights.shape()),
                    tuple(x.shape())
                );
            }
            Ok(())
        };
        check().or_throw();
        lax::broadcast_in_dim(&weights, x.shape(), &dims)
    };
    let total = sum(&weights, axes.clone());
    lax::div(&sum(crate::numpy::multiply(&x, &weights), axes), &total)
}

/// The variance over `axes`: the mean square distance from the mean.
///
/// # Errors
/// An axis out of range or repeated.
#[track_caller]
pub fn var(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    variance(&x.into(), &axes.into(), 0.0)
}

/// The variance with `n - ddof` in place of the number `n` of elements; nan where that is not positive.
///
/// # Errors
/// An axis out of range or repeated.
#[track_caller]
pub fn var_ddof(x: impl Into<Array>, axes: impl Into<Axes>, ddof: f64) -> Array {
    variance(&x.into(), &axes.into(), ddof)
}

#[track_caller]
fn variance(x: &Array, axes: &Axes, ddof: f64) -> Array {
    let dtype = to_inexact(x.dtype());
    let wide = upcast_f16(dtype);
    let x = strong(x, wide);
    let n = count(&x, axes).or_throw() as f64 - ddof;
    let centered = lax::sub(&x, &mean_in(&x, &crate::numpy::keepdims(axes.clone()), wide));
    let squares = if wide.is_complex() {
        lax::real(&lax::mul(&centered, &lax::conj(&centered)))
    } else {
        lax::square(&centered)
    };
    let wide = squares.dtype();
    let total = reduce("var", &squares, axes, |x, axes| lax::reduce_sum(x, axes));
    let n = if n > 0.0 { n } else { f64::NAN };
    let out = lax::div(&total, &lax::literal(wide, n));
    strong(&out, dtype.real())
}

/// The standard deviation over `axes`: the root of [`var`].
///
/// # Errors
/// An axis out of range or repeated.
#[track_caller]
pub fn std(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    lax::sqrt(&variance(&x.into(), &axes.into(), 0.0))
}

/// The root of [`var_ddof`].
///
/// # Errors
/// An axis out of range or repeated.
#[track_caller]
pub fn std_ddof(x: impl Into<Array>, axes: impl Into<Axes>, ddof: f64) -> Array {
    lax::sqrt(&variance(&x.into(), &axes.into(), ddof))
}

/// The largest less the smallest element over `axes`.
///
/// # Errors
/// Those of [`max`].
#[track_caller]
pub fn ptp(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    let (x, axes) = (x.into(), axes.into());
    lax::sub(&max(&x, axes.clone()), &min(&x, axes))
}

/// How many elements over `axes` are not zero.
///
/// # Errors
/// An axis out of range or repeated.
#[track_caller]
pub fn count_nonzero(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    let x = x.into();
    sum_as(lax::ne(&x, &constant(&x, 0.0)), axes, default_int())
}

/// `x` with nan replaced, and where nan was.
#[track_caller]
fn without_nan(x: &Array, value: f64) -> Array {
    where_(isnan(x), constant(x, value), x)
}

/// [`sum`] of what is not nan.
///
/// # Errors
/// As [`sum`].
#[track_caller]
pub fn nansum(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    sum(without_nan(&x.into(), 0.0), axes)
}

/// [`prod`] of what is not nan.
///
/// # Errors
/// As [`prod`].
#[track_caller]
pub fn nanprod(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    prod(without_nan(&x.into(), 1.0), axes)
}

/// [`max`] of what is not nan; nan if nothing else is there.
///
/// # Errors
/// As [`max`].
#[track_caller]
pub fn nanmax(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    nan_extremum(&x.into(), &axes.into(), f64::NEG_INFINITY, |x, axes| max(x, axes))
}

/// [`min`] of what is not nan; nan if nothing else is there.
///
/// # Errors
/// As [`min`].
#[track_caller]
pub fn nanmin(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    nan_extremum(&x.into(), &axes.into(), f64::INFINITY, |x, axes| min(x, axes))
}

#[track_caller]
fn nan_extremum(x: &Array, axes: &Axes, least: f64, op: fn(&Array, Axes) -> Array) -> Array {
    if !x.dtype().is_inexact() {
        return op(x, axes.clone());
    }
    let out = op(&without_nan(x, least), axes.clone());
    where_(all(isnan(x), axes.clone()), constant(&out, f64::NAN), out)
}

/// [`mean`] of what is not nan.
///
/// # Errors
/// As [`mean`].
#[track_caller]
pub fn nanmean(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    let (x, axes) = (x.into(), axes.into());
    if !x.dtype().is_inexact() {
        return mean(x, axes);
    }
    let there = sum_as(lax::bitwise_not(&isnan(&x)), axes.clone(), x.dtype());
    lax::div(&nansum(&x, axes), &there)
}

/// [`var`] of what is not nan.
///
/// # Errors
/// As [`var`].
#[track_caller]
pub fn nanvar(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    let (x, axes) = (x.into(), axes.into());
    let dtype = to_inexact(x.dtype());
    let wide = upcast_f16(dtype);
    let x = strong(&x, wide);
    let center = nanmean(&x, crate::numpy::keepdims(axes.clone()));
    // What is nan counts nothing; what becomes nan does.
    let difference = lax::sub(&x, &center);
    let difference = where_(isnan(&x), strong_constant(&difference, 0.0), difference);
    let squares = if wide.is_complex() {
        lax::real(&lax::mul(&difference, &lax::conj(&difference)))
    } else {
        lax::square(&difference)
    };
    let there = sum_as(lax::bitwise_not(&isnan(&x)), axes.clone(), squares.dtype());
    let out = lax::div(&sum(squares, axes), &there);
    strong(&out, dtype.real())
}

/// [`std()`] of what is not nan.
///
/// # Errors
/// As [`std()`].
#[track_caller]
pub fn nanstd(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    lax::sqrt(&nanvar(x, axes))
}

/// Where the largest element along an axis is, or in the flattened array for `..`: the first of several, that of the
/// first nan.
///
/// # Errors
/// An axis out of range; more than one axis; no elements: `attempt to get argmax of an empty sequence`.
#[track_caller]
pub fn argmax(x: impl Into<Array>, axis: impl Into<Axes>) -> Array {
    arg_extremum("argmax", &x.into(), &axis.into(), lax::argmax)
}

/// Where the smallest element along an axis is, or in the flattened array for `..`.
///
/// # Errors
/// Those of [`argmax`].
#[track_caller]
pub fn argmin(x: impl Into<Array>, axis: impl Into<Axes>) -> Array {
    arg_extremum("argmin", &x.into(), &axis.into(), lax::argmin)
}

#[track_caller]
fn arg_extremum(name: &str, x: &Array, axes: &Axes, op: fn(&Array, usize, DType) -> Array) -> Array {
    reject_complex(name, x);
    let rank = x.ndim();
    let single = axes.single(name).or_throw();
    let (flat, axis) = match single {
        None => (lax::reshape(x, &[x.size()]), 0),
        Some(axis) => (x.clone(), canonical_axis(name, axis, rank)),
    };
    let check = || {
        if flat.shape()[axis] == 0 {
            bail!(Shape, "attempt to get {name} of an empty sequence");
        }
        Ok(())
    };
    check().or_throw();
    let out = op(&flat, axis, default_int());
    match (axes.keeps_dims(), single) {
        (true, None) => lax::reshape(&out, &vec![1; rank]),
        (true, Some(_)) => lax::expand_dims(&out, &[axis]),
        (false, _) => out,
    }
}

/// [`argmax`] of what is not nan; -1 if nothing else is there.
///
/// # Errors
/// Those of [`argmax`].
#[track_caller]
pub fn nanargmax(x: impl Into<Array>, axis: impl Into<Axes>) -> Array {
    let (x, axis) = (x.into(), axis.into());
    if !x.dtype().is_inexact() {
        return argmax(x, axis);
    }
    let out = argmax(without_nan(&x, f64::NEG_INFINITY), axis.clone());
    where_(all(isnan(&x), axis), constant(&out, -1.0), out)
}

/// [`argmin`] of what is not nan; -1 if nothing else is there.
///
/// # Errors
/// Those of [`argmax`].
#[track_caller]
pub fn nanargmin(x: impl Into<Array>, axis: impl Into<Axes>) -> Array {
    let (x, axis) = (x.into(), axis.into());
    if !x.dtype().is_inexact() {
        return argmin(x, axis);
    }
    let out = argmin(without_nan(&x, f64::INFINITY), axis.clone());
    where_(all(isnan(&x), axis), constant(&out, -1.0), out)
}

/// Applies a running reduction along one axis, or along the flattened array.
#[track_caller]
fn cumulative(name: &str, x: &Array, axes: &Axes, promote: bool, op: fn(&Array, usize) -> Array) -> Array {
    let (x, axis) = match axes.single(name).or_throw() {
        Some(axis) if x.ndim() > 0 => (x.clone(), canonical_axis(name, axis, x.ndim())),
        Some(axis) => (lax::reshape(x, &[1]), canonical_axis(name, axis, 1)),
        None => (lax::reshape(x, &[x.size()]), 0),
    };
    let dtype = if promote || x.dtype().is_bool() { promote_integer(x.dtype()) } else { x.dtype() };
    op(&strong(&x, dtype), axis)
}

/// The sums of the elements up to each, along an axis, or along the flattened array for `..`.
///
/// # Errors
/// An axis out of range; more than one axis.
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let x = Array::from([1.0f32, 2.0, 3.0]);
/// assert_eq!(jnp::cumsum(&x, 0).to_vec::<f32>()?, [1.0, 3.0, 6.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn cumsum(x: impl Into<Array>, axis: impl Into<Axes>) -> Array {
    cumulative("cumsum", &x.into(), &axis.into(), false, |x, axis| lax::cumsum(x, axis, false))
}

/// The products of the elements up to each, along an axis, or along the flattened array for `..`.
///
/// # Errors
/// An axis out of range; more than one axis.
#[track_caller]
pub fn cumprod(x: impl Into<Array>, axis: impl Into<Axes>) -> Array {
    cumulative("cumprod", &x.into(), &axis.into(), false, |x, axis| lax::cumprod(x, axis, false))
}

/// [`cumsum`] with nan taken as 0.
///
/// # Errors
/// Those of [`cumsum`].
#[track_caller]
pub fn nancumsum(x: impl Into<Array>, axis: impl Into<Axes>) -> Array {
    cumsum(without_nan(&x.into(), 0.0), axis)
}

/// [`cumprod`] with nan taken as 1.
///
/// # Errors
/// Those of [`cumprod`].
#[track_caller]
pub fn nancumprod(x: impl Into<Array>, axis: impl Into<Axes>) -> Array {
    cumprod(without_nan(&x.into(), 1.0), axis)
}

/// `log(sum(exp(x)))` over `axes`, without overflow. JAX: `jax.nn.logsumexp`.
///
/// # Errors
/// An axis out of range or repeated.
#[track_caller]
pub fn logsumexp(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    let (x, axes) = (inexact(&x.into()), axes.into());
    reject_complex("logsumexp", &x);
    let dims = axes.resolve("logsumexp", x.ndim()).or_throw();
    // The largest element is subtracted before, and no gradient runs through that.
    let largest = lax::expand_dims(&lax::reduce_max(&x, &dims), &dims);
    let finite = lax::is_finite(&largest);
    let largest = lax::stop_gradient(&where_(finite, &largest, constant(&largest, 0.0)));
    let total = lax::reduce_sum(&lax::exp(&lax::sub(&x, &largest)), &dims);
    let total = if axes.keeps_dims() { lax::expand_dims(&total, &dims) } else { total };
    let shift = lax::reshape(&largest, total.shape());
    lax::add(&lax::log(&total), &shift)
}

/// The trapezoidal rule along an axis, with points `dx` apart.
///
/// # Errors
/// An axis out of range.
#[track_caller]
pub fn trapezoid(y: impl Into<Array>, dx: impl Into<Array>, axis: i64) -> Array {
    let y = inexact(&y.into());
    let axis = canonical_axis("trapezoid", axis, y.ndim());
    let n = y.shape()[axis] as i64;
    let front = lax::slice_in_dim(&y, 1, n, 1, axis as i64);
    let back = lax::slice_in_dim(&y, 0, (n - 1).max(0), 1, axis as i64);
    let total = sum(crate::numpy::multiply(dx, lax::add(&front, &back)), axis);
    crate::numpy::multiply(0.5, total)
}
