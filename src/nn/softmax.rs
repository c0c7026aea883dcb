//! Functions over axes: softmax and its like, one-hot vectors, standardisation. JAX: `nn/functions.py`.

use smallvec::SmallVec;

use crate::arguments::{Axes, Axis, options};
use crate::calls::jit_call::{jitted, jitted_some};
use crate::core::array::Array;
use crate::custom_derivatives::CustomUnary;
use crate::dtype::DType;
use crate::error::{OrThrow, throw};
use crate::lax;
use crate::lax::arguments::sorted_axes_of;
use crate::numpy::reductions::check_mask;
use crate::numpy::util::{constant, default_float, inexact, promote_args_inexact};
use crate::numpy::{
    ClipOptions, MaybePair, Pair, ReduceOptions, clip_with, less, max_with, mean_with, multiply, not_equal,
    real, subtract, sum_with, where_,
};

options! {
    /// Options of [`softmax_with`] and [`log_softmax_with`].
    pub struct SoftmaxOptions {
        /// Only elements where this `bool` array is true count; the others give 0, in [`log_softmax_with`] minus infinity.
        where_: optional_into Array,
    }
}

/// `e^x / sum(e^x)` over `axes`: positive numbers that sum to 1.
///
/// # Errors
/// `softmax: axis 2 is out of bounds for array of dimension 2`; a repeated axis.
/// ```
/// use raxla::{Array, nn};
///
/// assert_eq!(nn::softmax(Array::from([0.0f32, 0.0]), -1).to_vec::<f32>()?, [0.5, 0.5]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn softmax(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    softmax_of(&x.into(), &axes.into(), SoftmaxOptions::new())
}

/// [`softmax`] of some of the elements.
///
/// # Errors
/// As [`softmax`]; `softmax: where_ must be a boolean array, got f32[3]`, or one that does not broadcast.
/// ```
/// use raxla::{Array, nn::{self, SoftmaxOptions}};
///
/// let known = SoftmaxOptions::new().where_(Array::from([true, false, true]));
/// assert_eq!(nn::softmax_with(Array::from([1.0f32, 9.0, 1.0]), -1, known).to_vec::<f32>()?, [0.5, 0.0, 0.5]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn softmax_with(x: impl Into<Array>, axes: impl Into<Axes>, options: SoftmaxOptions) -> Array {
    softmax_of(&x.into(), &axes.into(), options)
}

#[track_caller]
fn no_truth_values(name: &str, x: &Array) {
    if x.dtype().is_bool() {
        throw!(DType, "{name} takes numbers, got {}", x.aval());
    }
}

#[track_caller]
fn softmax_of(x: &Array, axes: &Axes, options: SoftmaxOptions) -> Array {
    no_truth_values("softmax", x);
    let x = inexact(x);
    let over = Over::new("softmax", &x, axes, options.where_, true);
    let exponentials = lax::exp(&over.shifted(&x));
    let result = lax::div(&exponentials, &over.sum(&exponentials));
    over.elsewhere(result, 0.0)
}

/// `x - log(sum(e^x))` over `axes`: the logarithm of [`softmax`].
///
/// # Errors
/// As [`softmax`].
#[track_caller]
pub fn log_softmax(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    log_softmax_of(&x.into(), &axes.into(), SoftmaxOptions::new())
}

/// [`log_softmax`] of some of the elements.
///
/// # Errors
/// As [`softmax_with`].
#[track_caller]
pub fn log_softmax_with(x: impl Into<Array>, axes: impl Into<Axes>, options: SoftmaxOptions) -> Array {
    log_softmax_of(&x.into(), &axes.into(), options)
}

#[track_caller]
fn log_softmax_of(x: &Array, axes: &Axes, options: SoftmaxOptions) -> Array {
    no_truth_values("log_softmax", x);
    let x = inexact(x);
    let over = Over::new("log_softmax", &x, axes, options.where_, true);
    over.jitted("log_softmax", &x, |over, x| {
        let shifted = over.shifted(x);
        let result = lax::sub(&shifted, &lax::log(&over.sum(&lax::exp(&shifted))));
        over.elsewhere(result, f64::NEG_INFINITY)
    })
}

options! {
    /// Options of [`logsumexp_with`].
    pub struct LogsumexpOptions {
        /// What each `e^x` is multiplied by before they are added. It broadcasts to the array; a negative sum gives nan.
        b: optional_into Array,
        /// Only elements where this `bool` array is true count.
        where_: optional_into Array,
        /// Do the reduced axes stay, with size one?
        keepdims: value bool = false,
    }
}

impl LogsumexpOptions {
    /// The result is then a pair: the logarithm of the absolute value of the sum, and the sum's sign. JAX: `return_sign=True`.
    #[must_use]
    pub fn return_sign(self) -> Pair<Self> {
        Pair(self)
    }
}

/// `log(sum(e^x))` over `axes`, without overflow.
///
/// # Errors
/// `logsumexp: axis 2 is out of bounds for array of dimension 2`; a repeated axis.
/// ```
/// use raxla::{Array, nn};
///
/// assert_eq!(nn::logsumexp(Array::from([1000.0f32, f32::NEG_INFINITY]), ..).item::<f32>()?, 1000.0);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn logsumexp(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    logsumexp_of("logsumexp", &x.into(), &axes.into(), LogsumexpOptions::new(), false).0
}

/// [`logsumexp`] by options, and the sign of the sum too by [`return_sign`](LogsumexpOptions::return_sign).
///
/// # Errors
/// As [`logsumexp`]; `logsumexp: where_ must be a boolean array, got f32[3]`; a `b` or a `where_` that does not broadcast.
/// ```
/// use raxla::{Array, nn::{self, LogsumexpOptions}};
///
/// let weights = LogsumexpOptions::new().b(Array::from([1.0f32, -3.0]));
/// let (log, sign) = nn::logsumexp_with(Array::from([0.0f32, 0.0]), .., weights.return_sign());
/// assert_eq!((log.item::<f32>()?, sign.item::<f32>()?), (2.0f32.ln(), -1.0));
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn logsumexp_with<SomeOptions: MaybePair<LogsumexpOptions>>(
    x: impl Into<Array>,
    axes: impl Into<Axes>,
    options: SomeOptions,
) -> SomeOptions::Output {
    let options = options.into_options();
    let (log, sign) = logsumexp_of("logsumexp", &x.into(), &axes.into(), options, SomeOptions::PAIR);
    SomeOptions::output(log, sign)
}

/// The logarithm of the sum, and the sum's sign. Only with `return_sign` is a complex sum's absolute value taken.
#[track_caller]
fn logsumexp_of(
    name: &str,
    x: &Array,
    axes: &Axes,
    options: LogsumexpOptions,
    return_sign: bool,
) -> (Array, Array) {
    let over = Over::new(name, x, axes, options.where_, options.keepdims);
    // What does not count may be anything: nan, say, whose derivative would spoil the others'.
    let x = over.elsewhere(x.clone(), 0.0);
    let (x, b) = match &options.b {
        Some(b) => {
            let [x, b] = promote_args_inexact(name, [&x, b]);
            // What is multiplied by nothing must not make the largest element.
            (where_(not_equal(&b, 0), &x, constant(&x, f64::NEG_INFINITY)), Some(b))
        }
        None => (inexact(&x), None),
    };
    // The largest element is subtracted before, and no gradient runs through that.
    let largest = over.max(&real(&x));
    let finite = lax::is_finite(&largest);
    let largest = lax::stop_gradient(&lax::select(&finite, &largest, &lax::full_like(&largest, 0.0)));
    let kept = if options.keepdims { largest.clone() } else { lax::expand_dims(&largest, &over.dims) };
    let mut terms = lax::exp(&lax::sub(&x, &lax::convert(&kept, x.dtype(), false)));
    if let Some(b) = &b {
        terms = multiply(terms, b);
    }
    let mut total = over.sum(&terms);
    let sign = lax::sign(&total);
    let complex = x.dtype().is_complex();
    if return_sign || !complex {
        total = lax::abs(&total);
    }
    let mut log = lax::add(&lax::log(&total), &lax::convert(&largest, total.dtype(), false));
    if !return_sign && b.is_some() && !complex {
        log = where_(less(&sign, 0), constant(&log, f64::NAN), log);
    }
    (log, sign)
}

options! {
    /// Options of [`logmeanexp_with`].
    pub struct LogmeanexpOptions {
        /// Only elements where this `bool` array is true count.
        where_: optional_into Array,
        /// Do the reduced axes stay, with size one?
        keepdims: value bool = false,
    }
}

/// The logarithm of the mean of `e^x` over `axes`, without overflow.
///
/// ```
/// use raxla::{Array, nn};
///
/// assert_eq!(nn::logmeanexp(Array::from([1000.0f32, 1000.0]), ..).item::<f32>()?, 1000.0);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `logmeanexp: axis 2 is out of bounds for array of dimension 2`; a repeated axis.
#[track_caller]
pub fn logmeanexp(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    logmeanexp_with(x, axes, LogmeanexpOptions::new())
}

/// [`logmeanexp`] by options.
///
/// # Errors
/// As [`logmeanexp`]; `logmeanexp: where_ must be a boolean array, got f32[3]`, or one that does not broadcast.
/// ```
/// use raxla::{Array, nn::{self, LogmeanexpOptions}};
///
/// let known = LogmeanexpOptions::new().where_(Array::from([true, false])).keepdims(true);
/// assert_eq!(nn::logmeanexp_with(Array::from([3.0f32, 9.0]), .., known).to_vec::<f32>()?, [3.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn logmeanexp_with(x: impl Into<Array>, axes: impl Into<Axes>, options: LogmeanexpOptions) -> Array {
    let (x, axes) = (x.into(), axes.into());
    let LogmeanexpOptions { where_, keepdims } = options;
    let over = Over::new("logmeanexp", &x, &axes, where_, keepdims);
    over.jitted("logmeanexp", &x, |over, x| {
        let options = LogsumexpOptions { b: None, where_: over.mask.clone(), keepdims };
        let sum = logsumexp_of("logmeanexp", x, &axes, options, false).0;
        let count = match &over.mask {
            Some(_) => over.sum(&lax::broadcast(&lax::literal(sum.dtype(), 1.0), x.shape())),
            None => {
                let count: usize = over.dims.iter().map(|d| x.shape()[*d]).product();
                lax::literal(sum.dtype(), count as f64)
            }
        };
        lax::sub(&sum, &lax::log(&count))
    })
}

/// What is reduced, and over what: the axes, and which elements count.
struct Over {
    axes: Axes,
    dims: SmallVec<[usize; 4]>,
    mask: Option<Array>,
    keepdims: bool,
}

impl Over {
    #[track_caller]
    fn new(name: &str, x: &Array, axes: &Axes, mask: Option<Array>, keepdims: bool) -> Self {
        let dims = sorted_axes_of(name, axes, x);
        check_mask(name, mask.as_ref());
        Over { axes: axes.clone(), dims: dims.into_iter().collect(), mask, keepdims }
    }

    fn options(&self) -> ReduceOptions {
        let mut options = ReduceOptions::new().keepdims(self.keepdims);
        options.where_ = self.mask.clone();
        options
    }

    /// The largest element, or minus infinity.
    #[track_caller]
    fn max(&self, x: &Array) -> Array {
        max_with(x, self.axes.clone(), self.options().initial(constant(x, f64::NEG_INFINITY)))
    }

    #[track_caller]
    fn sum(&self, x: &Array) -> Array {
        sum_with(x, self.axes.clone(), self.options())
    }

    /// `x` less its largest element, which changes neither result nor derivative.
    #[track_caller]
    fn shifted(&self, x: &Array) -> Array {
        let largest = lax::stop_gradient(&self.max(x));
        lax::sub(&self.elsewhere(x.clone(), f64::NEG_INFINITY), &largest)
    }

    /// `x` where it counts, and `value` elsewhere.
    #[track_caller]
    fn elsewhere(&self, x: Array, value: f64) -> Array {
        match &self.mask {
            Some(mask) => where_(mask, &x, constant(&x, value)),
            None => x,
        }
    }

    /// `body` as one equation, of `x` and the mask.
    #[track_caller]
    fn jitted(&self, name: &'static str, x: &Array, body: impl FnOnce(&Over, &Array) -> Array) -> Array {
        jitted_some(name, (self.dims.clone(), self.keepdims), [x], [self.mask.as_ref()], |[x], [mask]| {
            let (axes, dims, mask) = (self.axes.clone(), self.dims.clone(), mask.cloned());
            body(&Over { axes, dims, mask, keepdims: self.keepdims }, x)
        })
    }
}

/// How [`standardize_with`] computes the variance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VarianceAlgorithm {
    /// `E[x²] - E[x]²`, which loses digits where the mean is large beside the deviation.
    #[default]
    Fast,
    /// `E[(x - E[x])²]`.
    Stable,
}

options! {
    /// Options of [`standardize_with`].
    pub struct StandardizeOptions {
        /// The mean, if it is known.
        mean: optional_into Array,
        /// The variance, if it is known.
        variance: optional_into Array,
        /// Added to the variance; 1e-5, if not given.
        epsilon: optional_into Array,
        /// Only elements where this `bool` array is true count.
        where_: optional_into Array,
        /// How the variance is computed.
        algorithm: value VarianceAlgorithm = VarianceAlgorithm::Fast,
    }
}

/// `x` less its mean over `axes`, divided by its standard deviation; 1e-5 is added to the variance.
///
/// # Errors
/// `standardize: axis 2 is out of bounds for array of dimension 2`; a repeated axis.
#[track_caller]
pub fn standardize(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    standardize_with(x, axes, StandardizeOptions::new())
}

/// [`standardize`] by options.
///
/// # Errors
/// As [`standardize`]; `standardize: where_ must be a boolean array, got f32[3]`; a mean or a variance that does not broadcast.
#[track_caller]
pub fn standardize_with(x: impl Into<Array>, axes: impl Into<Axes>, options: StandardizeOptions) -> Array {
    let (x, axes, algorithm) = (x.into(), axes.into(), options.algorithm);
    check_mask("standardize", options.where_.as_ref());
    sorted_axes_of("standardize", &axes, &x);
    let optional = [&options.mean, &options.variance, &options.epsilon, &options.where_].map(Option::as_ref);
    jitted_some("standardize", (axes.clone(), algorithm), [&x], optional, |[x], optional| {
        let [mean, variance, epsilon, where_] = optional.map(|x| x.cloned());
        standardized(&inexact(x), &axes, StandardizeOptions { mean, variance, epsilon, where_, algorithm })
    })
}

#[track_caller]
fn standardized(x: &Array, axes: &Axes, options: StandardizeOptions) -> Array {
    let average = |x: Array| {
        let mut reduce = ReduceOptions::new().keepdims(true);
        reduce.where_ = options.where_.clone();
        mean_with(x, axes.clone(), reduce)
    };
    let mean = options.mean.clone().unwrap_or_else(|| average(x.clone()));
    let variance = options.variance.clone().unwrap_or_else(|| match options.algorithm {
        VarianceAlgorithm::Fast => {
            let variance = average(lax::square(x)) - lax::square(&mean);
            clip_with(variance, ClipOptions::new().min(0))
        }
        VarianceAlgorithm::Stable => average(lax::square(&subtract(x, &mean))),
    });
    subtract(x, &mean) * lax::rsqrt(&(variance + options.epsilon.unwrap_or_else(|| Array::from(1e-5))))
}

options! {
    /// Options of [`one_hot_with`].
    pub struct OneHotOptions {
        /// The dtype of the result; JAX's default float unless it is given.
        dtype: optional DType,
        /// Where the new axis stands in the result.
        axis: into Axis = -1,
    }
}

/// Vectors of `num_classes` elements along a new last axis, 1 at the index and 0 elsewhere; all 0 for an index out of range.
///
/// ```
/// use raxla::{Array, nn};
///
/// let y = nn::one_hot(Array::from([0, 2]), 3);
/// assert_eq!(y.to_vec::<f32>()?, [1.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn one_hot(x: impl Into<Array>, num_classes: usize) -> Array {
    one_hot_with(x, num_classes, OneHotOptions::new())
}

/// [`one_hot`] of another dtype, or along another new axis.
///
/// ```
/// use raxla::{Array, DType, nn::{self, OneHotOptions}};
///
/// let y = nn::one_hot_with(Array::from([0, 2]), 3, OneHotOptions::new().axis(0).dtype(DType::I32));
/// assert_eq!((y.shape(), y.to_vec::<i32>()?), (&[3, 2][..], vec![1, 0, 0, 0, 0, 1]));
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// An axis out of range.
#[track_caller]
pub fn one_hot_with(x: impl Into<Array>, num_classes: usize, options: OneHotOptions) -> Array {
    let x = x.into();
    let dtype = options.dtype.unwrap_or(default_float());
    let axis = options.axis.position("one_hot", x.ndim() + 1).or_throw();
    jitted("_one_hot", (num_classes, dtype, axis), [&x], |[x]| {
        let mut shape = vec![1; x.ndim() + 1];
        shape[axis] = num_classes;
        let column = lax::expand_dims(x, axis);
        let classes = lax::broadcasted_iota(x.dtype(), shape, axis);
        lax::convert_element_type(&crate::numpy::equal(column, classes), dtype)
    })
}

/// `log(1 - e^-x)` for positive `x`. Mächler 2012, eq. 7.
#[track_caller]
pub fn log1mexp(x: impl Into<Array>) -> Array {
    let f = |x: &Array| {
        jitted("log1mexp", (), [x], |[x]| {
            let small = lax::lt(x, &constant(x, std::f64::consts::LN_2));
            let near = lax::log(&lax::neg(&lax::expm1(&lax::neg(x))));
            let far = lax::log1p(&lax::neg(&lax::exp(&lax::neg(x))));
            crate::numpy::where_(small, near, far)
        })
    };
    let tangent = |x: &Array, _: &Array, dx: &Array| lax::div(dx, &lax::expm1(x));
    let x = x.into();
    no_truth_values("log1mexp", &x);
    CustomUnary { name: "log1mexp", f, tangent }.apply(&inexact(&x))
}
