//! Means, variances and averages over axes. JAX: `numpy/reductions.py`.

use crate::arguments::{Axes, options};
use crate::calls::jit_call::jitted_some;
use crate::core::array::Array;
use crate::core::config::canonicalize;
use crate::dtype::DType;
use crate::error::throw;
use crate::lax;
use crate::lax::arguments::axes_of;
use crate::numpy::reductions::{ReduceOptions, Reduction, check_mask, reduce};
use crate::numpy::util::{
    broadcast_to_shape, constant, inexact, promote_dtypes, strong, to_inexact, upcast_f16,
};
use crate::numpy::{MaybePair, Pair, isnan, multiply, nansum_with, where_};

/// How many elements make one of the result.
#[track_caller]
fn size(name: &str, x: &Array, axes: &Axes) -> usize {
    axes_of(name, axes, x).iter().map(|d| x.shape()[*d]).product()
}

/// How many elements that the mask lets through make one of the result, in `dtype`. JAX: `_count`.
#[track_caller]
fn count(name: &str, x: &Array, axes: &Axes, dtype: DType, options: &ReduceOptions) -> Array {
    let Some(mask) = check_mask(name, options.where_.as_ref()) else {
        return lax::literal(dtype, size(name, x, axes) as f64);
    };
    let mask = crate::numpy::broadcast_to(mask, x.shape());
    let options = ReduceOptions::new().dtype(dtype).keepdims(options.keepdims);
    reduce(name, Reduction::Sum, &mask, axes, &options)
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
    mean_of("mean", &x.into(), &axes.into(), &ReduceOptions::new())
}

/// [`mean`] by the options `dtype`, `where_`, `keepdims`.
///
/// # Errors
/// As [`mean`]; a `where_` that is not of `bool`; other options.
#[track_caller]
pub fn mean_with(x: impl Into<Array>, axes: impl Into<Axes>, options: ReduceOptions) -> Array {
    options.only("mean", &["dtype", "where_"]);
    mean_of("mean", &x.into(), &axes.into(), &options)
}

#[track_caller]
fn mean_of(name: &str, x: &Array, axes: &Axes, options: &ReduceOptions) -> Array {
    let dtype = options.dtype.map_or(to_inexact(x.dtype()), canonicalize);
    let wide = upcast_f16(dtype);
    let n = count(name, x, axes, wide, options);
    let total = reduce(name, Reduction::Sum, x, axes, &options.clone().dtype(wide));
    strong(&lax::div(&total, &n), dtype)
}

/// [`mean`] of what is not nan.
///
/// # Errors
/// As [`mean`].
#[track_caller]
pub fn nanmean(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    nanmean_with(x, axes, ReduceOptions::new())
}

/// [`nanmean`] by the options `dtype`, `where_`, `keepdims`.
///
/// # Errors
/// As [`mean_with`].
#[track_caller]
pub fn nanmean_with(x: impl Into<Array>, axes: impl Into<Axes>, options: ReduceOptions) -> Array {
    options.only("nanmean", &["dtype", "where_"]);
    let axes = axes.into();
    options.jitted("nanmean", &x.into(), &axes, |x, options| nanmean_of("nanmean", x, &axes, options))
}

#[track_caller]
fn nanmean_of(name: &str, x: &Array, axes: &Axes, options: &ReduceOptions) -> Array {
    if !x.dtype().is_inexact() {
        return mean_of(name, x, axes, options);
    }
    let dtype = options.dtype.map_or(x.dtype(), canonicalize);
    let options = options.clone().dtype(dtype);
    let there = reduce(name, Reduction::Sum, &lax::bitwise_not(&isnan(x)), axes, &options);
    lax::div(&nansum_with(x, axes.clone(), options), &there)
}

options! {
    /// Options of [`var_with`], [`std_with`], [`nanvar_with`] and [`nanstd_with`].
    ///
    /// ```
    /// use raxla::numpy::{self as jnp, VarOptions};
    /// use raxla::Array;
    ///
    /// let x = Array::from([1.0f32, 2.0, 3.0]);
    /// assert_eq!(jnp::var_with(&x, .., VarOptions::new().ddof(1.0)).item::<f32>()?, 1.0);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    pub struct VarOptions {
        /// The dtype to give.
        dtype: optional DType,
        /// The sum of squares is divided by the number of elements less this.
        ddof: value f64 = 0.0,
        /// The array API's name for `ddof`. Not together with it, and not for what skips nan.
        correction: optional f64,
        /// Only elements where this `bool` array is true count.
        where_: optional_into Array,
        /// The mean, if it is known already, with reduced axes of size one.
        mean: optional_into Array,
        /// Do the reduced axes stay, with size one?
        keepdims: value bool = false,
    }
}

impl VarOptions {
    /// What is subtracted from the number of elements.
    #[track_caller]
    fn correction_of(&self, name: &str) -> f64 {
        match self.correction {
            Some(_) if self.ddof != 0.0 => {
                throw!(InvalidArgument, "{name}: ddof and correction can't be provided simultaneously")
            }
            Some(_) if name.starts_with("nan") => {
                throw!(InvalidArgument, "{name}: there is no option correction: use ddof")
            }
            Some(correction) => correction,
            None => self.ddof,
        }
    }

    /// `body` as one equation: its arguments are `x`, the correction, and the options that are arrays. JAX's `nanvar` has the
    /// correction among what is static: it is no array there.
    #[track_caller]
    fn jitted(
        &self,
        name: &'static str,
        x: &Array,
        correction: Option<&Array>,
        axes: &Axes,
        body: impl FnOnce(&Array, Option<&Array>, &VarOptions) -> Array,
    ) -> Array {
        let ddof = if correction.is_some() { 0.0 } else { self.ddof };
        let statics = (axes.clone(), self.dtype, ddof.to_bits(), self.keepdims);
        let optional = [correction, self.where_.as_ref(), self.mean.as_ref()];
        jitted_some(name, statics, [x], optional, |[x], [correction, where_, mean]| {
            let (where_, mean) = (where_.cloned(), mean.cloned());
            body(x, correction, &VarOptions { where_, mean, ..self.clone() })
        })
    }

    /// Those that sums know.
    fn sums(&self) -> ReduceOptions {
        let options = ReduceOptions::new().keepdims(self.keepdims);
        match &self.where_ {
            Some(mask) => options.where_(mask),
            None => options,
        }
    }
}

/// The dtypes to compute in and to give. JAX: `_var_promote_types`.
#[track_caller]
fn var_dtypes(name: &str, x: &Array, options: &VarOptions) -> (DType, DType) {
    let Some(dtype) = options.dtype.map(canonicalize) else {
        let dtype = to_inexact(x.dtype());
        return (upcast_f16(dtype), dtype.real());
    };
    if x.dtype().is_complex() && !dtype.is_complex() {
        throw!(DType, "{name}: the variance of complex numbers has no real dtype as an option, got {dtype}");
    }
    if name.ends_with("std") && !dtype.is_inexact() {
        throw!(DType, "{name}: dtype must be inexact, got {dtype}");
    }
    (upcast_f16(dtype), dtype)
}

#[track_caller]
fn squares(x: &Array) -> Array {
    if x.dtype().is_complex() { lax::real(&lax::mul(x, &lax::conj(x))) } else { lax::square(x) }
}

/// What is subtracted from the number of elements, as an argument: an integer if it is one.
fn number(correction: f64) -> Array {
    if correction.fract() == 0.0 { Array::from(correction as i32) } else { Array::from(correction) }
}

#[track_caller]
fn variance(name: &str, x: &Array, axes: &Axes, options: &VarOptions) -> Array {
    let correction = number(options.correction_of(name));
    var_dtypes(name, x, options);
    jitted_variance(name, x, Some(&correction), axes, options)
}

#[track_caller]
fn jitted_variance(
    name: &str,
    x: &Array,
    correction: Option<&Array>,
    axes: &Axes,
    options: &VarOptions,
) -> Array {
    options.jitted("_var", x, correction, axes, |x, correction, options| {
        let zero = Array::from(0);
        var_of(name, [x, correction.unwrap_or(&zero)], axes, options)
    })
}

#[track_caller]
fn deviation(name: &str, x: &Array, axes: &Axes, options: &VarOptions) -> Array {
    let correction = number(options.correction_of(name));
    var_dtypes(name, x, options);
    options.jitted("_std", x, Some(&correction), axes, |x, correction, options| {
        lax::sqrt(&jitted_variance(name, x, correction, axes, options))
    })
}

/// JAX: `_var`.
#[track_caller]
fn var_of(name: &str, [x, correction]: [&Array; 2], axes: &Axes, options: &VarOptions) -> Array {
    let (wide, dtype) = var_dtypes(name, x, options);
    let (x, sums) = (strong(x, wide), options.sums());
    let center = match &options.mean {
        Some(mean) => strong(mean, wide),
        None => mean_of(name, &x, axes, &sums.clone().dtype(wide).keepdims(true)),
    };
    let squares = squares(&crate::numpy::subtract(&x, &center));
    let wide = squares.dtype();
    let n = lax::sub(&count(name, &x, axes, wide, &sums), &strong(correction, wide));
    let total = reduce(name, Reduction::Sum, &squares, axes, &sums.clone().dtype(wide));
    let out = strong(&lax::div(&total, &n), dtype);
    where_(lax::gt(&n, &lax::literal(wide, 0.0)), out, f64::NAN)
}

#[track_caller]
fn nan_variance(name: &'static str, x: &Array, axes: &Axes, options: &VarOptions) -> Array {
    options.correction_of(name);
    var_dtypes(name, x, options);
    options.jitted("nanvar", x, None, axes, |x, _, options| nanvar_of(name, x, axes, options))
}

#[track_caller]
fn nan_deviation(name: &'static str, x: &Array, axes: &Axes, options: &VarOptions) -> Array {
    options.correction_of(name);
    var_dtypes(name, x, options);
    options.jitted("nanstd", x, None, axes, |x, _, options| lax::sqrt(&nan_variance(name, x, axes, options)))
}

/// JAX: `_nanvar`.
#[track_caller]
fn nanvar_of(name: &str, x: &Array, axes: &Axes, options: &VarOptions) -> Array {
    let correction = options.correction_of(name);
    let (wide, dtype) = var_dtypes(name, x, options);
    let (x, sums) = (strong(x, wide), options.sums());
    let center = match &options.mean {
        Some(mean) => strong(mean, wide),
        None => nanmean_with(&x, axes.clone(), sums.clone().dtype(wide).keepdims(true)),
    };
    // What is nan counts nothing; what becomes nan does.
    let squares = squares(&where_(isnan(&x), 0, crate::numpy::subtract(&x, &center)));
    let there = reduce(name, Reduction::Sum, &lax::bitwise_not(&isnan(&x)), axes, &sums);
    let there = lax::sub(&there, &lax::literal(there.dtype(), correction));
    let none = lax::le(&there, &constant(&there, 0.0));
    let total = reduce(name, Reduction::Sum, &squares, axes, &sums);
    let total = where_(&none, f64::NAN, total);
    let divisor = strong(&where_(none, 1, there), total.dtype());
    strong(&lax::div(&total, &divisor), dtype)
}

macro_rules! variances {
    ($($(#[$doc:meta])* $name:ident $with:ident $body:ident;)*) => {$(
        $(#[$doc])*
        #[track_caller]
        pub fn $name(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
            $with(x, axes, VarOptions::new())
        }

        #[doc = concat!("[`", stringify!($name), "()`] by options.")]
        ///
        /// # Errors
        #[doc = concat!("As [`", stringify!($name), "()`]; `ddof` and `correction` together; a real dtype for complex numbers.")]
        #[track_caller]
        pub fn $with(x: impl Into<Array>, axes: impl Into<Axes>, options: VarOptions) -> Array {
            let (x, axes) = (x.into(), axes.into());
            variances!(@ $body, stringify!($name), &x, &axes, &options)
        }
    )*};
    (@ var, $($arg:expr),*) => { variance($($arg),*) };
    (@ std, $($arg:expr),*) => { deviation($($arg),*) };
    (@ nanvar, $($arg:expr),*) => { nan_variance($($arg),*) };
    (@ nanstd, $($arg:expr),*) => { nan_deviation($($arg),*) };
}
variances! {
    /// The variance over `axes`: the mean square distance from the mean.
    ///
    /// # Errors
    /// An axis out of range or repeated.
    var var_with var;
    /// The standard deviation over `axes`: the root of [`var`].
    ///
    /// # Errors
    /// An axis out of range or repeated.
    std std_with std;
    /// [`var`] of what is not nan.
    ///
    /// # Errors
    /// As [`var`].
    nanvar nanvar_with nanvar;
    /// [`std()`] of what is not nan.
    ///
    /// # Errors
    /// As [`std()`].
    nanstd nanstd_with nanstd;
}

options! {
    /// Options of [`average_with`].
    pub struct AverageOptions {
        /// The weights: an array of the same shape, or of the sizes of the axes.
        weights: optional_into Array,
        /// Do the reduced axes stay, with size one?
        keepdims: value bool = false,
    }
}

impl AverageOptions {
    /// The result is then a pair: the average, and the sums of the weights. JAX: `returned=True`.
    #[must_use]
    pub fn returned(self) -> Pair<Self> {
        Pair(self)
    }
}

/// The mean over `axes`, as a float; [`average_with`] takes weights.
///
/// # Errors
/// An axis out of range or repeated.
#[track_caller]
pub fn average(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    average_with(x, axes, AverageOptions::new())
}

/// The mean over `axes` weighted by the option `weights`, and the sums of the weights too by
/// [`returned`](AverageOptions::returned).
///
/// # Errors
/// `average: shape of weights (2,) must be that of x (2, 3) or of its axes`; an axis out of range or repeated.
/// ```
/// use raxla::numpy::{self as jnp, AverageOptions};
/// use raxla::Array;
///
/// let x = Array::from([1.0f32, 2.0, 4.0]);
/// let options = AverageOptions::new().weights(Array::from([1.0f32, 1.0, 2.0]));
/// let (average, weight) = jnp::average_with(&x, .., options.returned());
/// assert_eq!((average.item::<f32>()?, weight.item::<f32>()?), (2.75, 4.0));
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn average_with<SomeOptions: MaybePair<AverageOptions>>(
    x: impl Into<Array>,
    axes: impl Into<Axes>,
    options: SomeOptions,
) -> SomeOptions::Output {
    let (average, weight) = averaged(&x.into(), &axes.into(), &options.into_options());
    SomeOptions::output(average, weight)
}

#[track_caller]
fn averaged(x: &Array, axes: &Axes, options: &AverageOptions) -> (Array, Array) {
    let dims = axes_of("average", axes, x);
    let sums = ReduceOptions::new().keepdims(options.keepdims);
    let Some(weights) = &options.weights else {
        let out = mean_of("average", &inexact(x), axes, &sums);
        let n = size("average", x, axes);
        let n = lax::full(out.shape(), lax::literal(out.dtype(), n as f64));
        return (out, n);
    };
    let [x, weights] = promote_dtypes("average", [&inexact(x), &inexact(weights)]);
    let weights = if weights.shape() == x.shape() {
        weights
    } else {
        let sizes: Vec<usize> = dims.iter().map(|d| x.shape()[*d]).collect();
        if axes.is_all() || weights.shape() != sizes {
            let tuple = lax::elementwise::tuple;
            let (weights, x) = (tuple(weights.shape()), tuple(x.shape()));
            throw!(Shape, "average: shape of weights {weights} must be that of x {x} or of its axes");
        }
        // The axes in increasing order, and size one for the others.
        let mut order: Vec<usize> = (0..dims.len()).collect();
        order.sort_by_key(|i| dims[*i]);
        let shape: Vec<usize> =
            (0..x.ndim()).map(|d| if dims.contains(&d) { x.shape()[d] } else { 1 }).collect();
        lax::reshape(&lax::transpose(&weights, &order), &shape)
    };
    let total = reduce("average", Reduction::Sum, &weights, axes, &sums);
    let average = reduce("average", Reduction::Sum, &multiply(&x, &weights), axes, &sums);
    let average = crate::numpy::divide(average, &total);
    let total = broadcast_to_shape(&total, average.shape());
    (average, total)
}
