//! Polynomials, their products, and counts. JAX: `numpy/polynomial.py`, `numpy/lax_numpy.py`.

use crate::arguments::options;
use crate::calls::jit_call::jitted;
use crate::core::array::Array;
use crate::dtype::DType;
use crate::error::{OrThrow, throw};
use crate::lax;
use crate::lax::DotPrecision;
use crate::lax::common_shape;
use crate::numpy::util::{constant, default_int, inexact, promote_dtypes};
use crate::numpy::{ClipOptions, clip_with, conj, flip};

options! {
    /// Options of [`polyval_with`].
    pub struct PolyvalOptions {
        /// How many coefficients one turn of the compiled loop takes.
        unroll: value usize = 16,
    }
}

/// The value at `x` of a polynomial with coefficients from the highest power down, by Horner's rule.
///
/// The coefficients of several polynomials may stand along further axes, which broadcast with `x`.
///
/// # Errors
/// `polyval: the coefficients must have an axis, got f32[]`; shapes that do not broadcast.
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// // x² - 1
/// assert_eq!(jnp::polyval(Array::from([1.0f32, 0.0, -1.0]), 3.0).item::<f32>()?, 8.0);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn polyval(p: impl Into<Array>, x: impl Into<Array>) -> Array {
    polyval_with(p, x, PolyvalOptions::new())
}

/// [`polyval`], unrolled otherwise.
///
/// # Errors
/// As [`polyval`].
#[track_caller]
pub fn polyval_with(p: impl Into<Array>, x: impl Into<Array>, options: PolyvalOptions) -> Array {
    let p = p.into();
    if p.ndim() == 0 {
        throw!(Shape, "polyval: the coefficients must have an axis, got {}", p.aval());
    }
    jitted("polyval", options.unroll, [&p, &x.into()], |[p, x]| {
        let [p, x] = promote_dtypes("polyval", [p, x]);
        let Ok(shape) = common_shape(&[&p.shape()[1..], x.shape()]) else {
            throw!(
                Shape,
                "polyval: the coefficients {} but for their first axis must broadcast with x, got {}",
                p.aval(),
                x.aval()
            );
        };
        let start = lax::full(shape, constant(&x, 0.0));
        let step = |y: Array, p: Array| (y * &x + p, ());
        let unroll = lax::ScanOptions::new().unroll(options.unroll);
        lax::scan_with(step, start, p, unroll).map(|(y, ())| y).or_throw()
    })
}

/// Which part of a convolution [`convolve_with`] gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConvolveMode {
    /// All of it.
    #[default]
    Full,
    /// The middle, of the size of the longer vector.
    Same,
    /// Where the vectors overlap whole.
    Valid,
}

options! {
    /// Options of [`convolve_with`].
    pub struct ConvolveOptions {
        /// Which part.
        mode: value ConvolveMode = ConvolveMode::Full,
        /// How exact products are on accelerators.
        precision: optional_into DotPrecision,
        /// The dtype to compute in and to give.
        preferred_element_type: optional DType,
    }
}

/// The discrete convolution of two vectors: the coefficients of the product of two polynomials.
///
/// # Errors
/// `convolve: takes two vectors that are not empty, got f32[0] and f32[3]`
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let product = jnp::convolve(Array::from([1.0f32, 1.0]), Array::from([1.0f32, 2.0]));
/// assert_eq!(product.to_vec::<f32>()?, [1.0, 3.0, 2.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn convolve(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    convolve_with(x, y, ConvolveOptions::new())
}

/// [`convolve`] by options.
///
/// # Errors
/// As [`convolve`].
#[track_caller]
pub fn convolve_with(x: impl Into<Array>, y: impl Into<Array>, options: ConvolveOptions) -> Array {
    let statics = (options.mode, options.precision, options.preferred_element_type);
    jitted("convolve", statics, [&x.into(), &y.into()], |[x, y]| products(x, y, &options, false))
}

options! {
    /// Options of [`correlate_with`].
    pub struct CorrelateOptions {
        /// Which part.
        mode: value ConvolveMode = ConvolveMode::Valid,
        /// How exact products are on accelerators.
        precision: optional_into DotPrecision,
        /// The dtype to compute in and to give.
        preferred_element_type: optional DType,
    }
}

/// The correlation of two vectors where they overlap whole: the sums of products with the conjugate of the second, moved along
/// the first.
///
/// # Errors
/// `correlate: takes two vectors that are not empty, got f32[0] and f32[3]`
/// ```
/// use raxla::{Array, numpy as jnp};
///
/// let sums = jnp::correlate(Array::from([1.0f32, 2.0, 3.0]), Array::from([0.0f32, 1.0]));
/// assert_eq!(sums.to_vec::<f32>()?, [2.0, 3.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn correlate(x: impl Into<Array>, y: impl Into<Array>) -> Array {
    correlate_with(x, y, CorrelateOptions::new())
}

/// [`correlate`] by options.
///
/// # Errors
/// As [`correlate`].
#[track_caller]
pub fn correlate_with(x: impl Into<Array>, y: impl Into<Array>, options: CorrelateOptions) -> Array {
    let CorrelateOptions { mode, precision, preferred_element_type } = options;
    let statics = (mode, precision, preferred_element_type);
    let options = ConvolveOptions { mode, precision, preferred_element_type };
    jitted("correlate", statics, [&x.into(), &y.into()], |[x, y]| products(x, y, &options, true))
}

/// JAX: `_conv`.
#[track_caller]
fn products(x: &Array, y: &Array, options: &ConvolveOptions, correlate: bool) -> Array {
    let statics = (options.mode, options.precision, options.preferred_element_type, correlate);
    jitted("_conv", statics, [x, y], |[x, y]| convolved(x, y, options, correlate))
}

#[track_caller]
fn convolved(x: &Array, y: &Array, options: &ConvolveOptions, correlate: bool) -> Array {
    let name = if correlate { "correlate" } else { "convolve" };
    let [x, y] = match options.preferred_element_type {
        None => promote_dtypes(name, [&inexact(x), &inexact(y)]),
        Some(_) => promote_dtypes(name, [x, y]),
    };
    if x.ndim() != 1 || y.ndim() != 1 || x.size() == 0 || y.size() == 0 {
        throw!(Shape, "{name}: takes two vectors that are not empty, got {} and {}", x.aval(), y.aval());
    }
    let y = if correlate { conj(y) } else { y };
    let swapped = x.size() < y.size();
    let (long, short) = if swapped { (y, x) } else { (x, y) };
    let m = short.size() as i64;
    let padding = match options.mode {
        ConvolveMode::Full => (m - 1, m - 1),
        ConvolveMode::Same => (m / 2, m - m / 2 - 1),
        ConvolveMode::Valid => (0, 0),
    };
    let short = if correlate { short } else { flip(&short, 0) };
    let row = |x: &Array| lax::expand_dims(x, [0, 1]);
    let mut how = lax::ConvOptions::new();
    (how.precision, how.preferred_element_type) = (options.precision, options.preferred_element_type);
    let out = lax::conv_general_dilated(&row(&long), &row(&short), 1, lax::Padding::from([padding]), how);
    let out = lax::squeeze(&out, [0, 1]);
    if correlate && swapped { lax::rev(&out, [0]) } else { out }
}

options! {
    /// Options of [`bincount_with`].
    pub struct BincountOptions {
        /// What each integer counts: an array of the same shape.
        weights: optional_into Array,
        /// The least size of the result.
        minlength: value usize = 0,
        /// The size of the result. Larger integers are left out. It must be given where the integers are traced.
        length: optional usize,
    }
}

/// How often each of `0, 1, …` occurs among integers, up to the largest of them. Negative ones count as 0.
///
/// The size of the result depends on the values: while a function is traced, [`bincount_with`] needs a `length`.
///
/// # Errors
/// `bincount: takes a vector of integers, got f32[3]`; a traced vector.
/// ```
/// use raxla::numpy::{self as jnp, BincountOptions};
/// use raxla::Array;
///
/// let x = Array::from([0, 2, 2]);
/// assert_eq!(jnp::bincount(&x).to_vec::<i32>()?, [1, 0, 2]);
/// assert_eq!(jnp::bincount_with(&x, BincountOptions::new().length(2)).to_vec::<i32>()?, [1, 0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn bincount(x: impl Into<Array>) -> Array {
    bincount_with(x, BincountOptions::new())
}

/// [`bincount`] by options.
///
/// # Errors
/// As [`bincount`]; weights of another shape.
#[track_caller]
pub fn bincount_with(x: impl Into<Array>, options: BincountOptions) -> Array {
    let x = x.into();
    let x = if x.dtype().is_bool() { lax::convert_element_type(&x, DType::I32) } else { x };
    if x.ndim() != 1 || !x.dtype().is_integer() {
        throw!(DType, "bincount: takes a vector of integers, got {}", x.aval());
    }
    let weights = options.weights.unwrap_or_else(|| lax::literal(default_int(), 1.0));
    if weights.ndim() > 0 && weights.shape() != x.shape() {
        throw!(Shape, "bincount: weights must have the shape of x, got {} for {}", weights.aval(), x.aval());
    }
    let length = match options.length {
        Some(length) => length,
        None if x.size() == 0 => options.minlength,
        None => {
            let most = crate::numpy::max(&x, ..).to_scalar();
            let most = most.map_err(|e| e.context("bincount: without a length")).or_throw();
            options.minlength.max((most.to_i128().max(-1) + 1) as usize).max(1)
        }
    };
    let zeros = lax::zeros(weights.dtype(), &[length]);
    zeros.at(clip_with(x, ClipOptions::new().min(0))).add(weights)
}
