//! Convolutions and correlations of arrays. JAX: `jax.scipy.signal`.

mod spectral;

pub use spectral::*;

use crate::arguments::{Axes, Axis, options};
use crate::core::array::Array;
use crate::error::{caller, throw, with_location};
use crate::lax;
use crate::lax::arguments::{axis_of, sorted_axes_of};
use crate::lax::{ConvOptions, DotPrecision, Padding};
use crate::numpy::fft::{FftnOptions, fftn_with, ifftn_with, irfftn_with, rfftn_with};
use crate::numpy::util::{inexact, promote_dtypes};
use crate::numpy::{
    ConvolveMode, ReduceOptions, concatenate, conj, flip, mean_with, moveaxis, multiply, subtract,
};

/// How [`convolve_with`] computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConvolveMethod {
    /// What suits, which is [`Direct`](Self::Direct) so far, as in JAX.
    #[default]
    Auto,
    /// By sums of products.
    Direct,
    /// By Fourier transforms.
    Fft,
}

options! {
    /// Options of [`convolve_with`] and [`correlate_with`].
    pub struct ConvolveNdOptions {
        /// Which part.
        mode: value ConvolveMode = ConvolveMode::Full,
        /// How it is computed.
        method: value ConvolveMethod = ConvolveMethod::Auto,
        /// How exact products are on accelerators.
        precision: optional_into DotPrecision,
    }
}

options! {
    /// Options of [`convolve2d_with`] and [`correlate2d_with`].
    pub struct Convolve2dOptions {
        /// Which part.
        mode: value ConvolveMode = ConvolveMode::Full,
        /// How exact products are on accelerators.
        precision: optional_into DotPrecision,
    }
}

options! {
    /// Options of [`fftconvolve_with`].
    pub struct FftconvolveOptions {
        /// Which part.
        mode: value ConvolveMode = ConvolveMode::Full,
    }
}

/// Is one as large as the other along all axes, or at least as large?
fn covers(x: &Array, y: &Array) -> bool {
    x.shape().iter().zip(y.shape()).all(|(n, m)| n >= m)
}

#[track_caller]
fn same_rank(name: &str, x: &Array, y: &Array) {
    if x.ndim() != y.ndim() {
        throw!(Shape, "{name}: both must have as many axes, got {} and {}", x.aval(), y.aval());
    }
}

/// JAX: `_convolve_nd`.
#[track_caller]
fn direct(name: &str, x: &Array, y: &Array, mode: ConvolveMode, precision: Option<DotPrecision>) -> Array {
    same_rank(name, x, y);
    if x.size() == 0 || y.size() == 0 {
        throw!(Shape, "{name}: takes arrays that are not empty, got {} and {}", x.aval(), y.aval());
    }
    let [x, y] = promote_dtypes(name, [&inexact(x), &inexact(y)]);
    if !covers(&x, &y) && !covers(&y, &x) {
        throw!(
            Shape,
            "{name}: one must be as large as the other along all axes, got {} and {}",
            x.aval(),
            y.aval()
        );
    }
    let wanted = y.shape().to_vec();
    let (long, short) = if covers(&y, &x) { (y, x) } else { (x, y) };
    let pads: Vec<(i64, i64)> = short
        .shape()
        .iter()
        .zip(&wanted)
        .map(|(n, wanted)| (*n as i64, *wanted as i64))
        .map(|(n, wanted)| match mode {
            ConvolveMode::Valid => (0, 0),
            ConvolveMode::Same => {
                (n - 1 - (wanted - 1).div_euclid(2), n - wanted + (wanted - 1).div_euclid(2))
            }
            _ => (n - 1, n - 1),
        })
        .collect();
    let row = |x: &Array| lax::expand_dims(x, [0, 1]);
    let strides = vec![1; short.ndim()];
    let mut how = ConvOptions::new();
    how.precision = precision;
    let out =
        lax::conv_general_dilated(&row(&long), &row(&flip(&short, ..)), strides, Padding::from(pads), how);
    lax::squeeze(&out, [0, 1])
}

/// The convolution of two arrays of as many axes.
///
/// # Errors
/// Arrays of other numbers of axes, empty ones; neither as large as the other along all axes.
/// ```
/// use raxla::scipy::signal::convolve;
/// use raxla::Array;
///
/// let x = Array::from([[1.0f32, 2.0], [3.0, 4.0]]);
/// assert_eq!(convolve(&x, Array::from([[1.0f32, 1.0]])).to_vec::<f32>()?, [1.0, 3.0, 2.0, 3.0, 7.0, 4.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn convolve(in1: impl Into<Array>, in2: impl Into<Array>) -> Array {
    convolve_with(in1, in2, ConvolveNdOptions::new())
}

/// [`convolve`] by options.
///
/// # Errors
/// As [`convolve`].
#[track_caller]
pub fn convolve_with(in1: impl Into<Array>, in2: impl Into<Array>, options: ConvolveNdOptions) -> Array {
    convolved("convolve", &in1.into(), &in2.into(), &options)
}

#[track_caller]
fn convolved(name: &str, x: &Array, y: &Array, options: &ConvolveNdOptions) -> Array {
    match options.method {
        ConvolveMethod::Fft => by_transforms(name, x, y, &(..).into(), options.mode),
        _ => direct(name, x, y, options.mode, options.precision),
    }
}

/// The correlation of two arrays of as many axes: the sums of products with the conjugate of the second, moved along the first.
///
/// # Errors
/// As [`convolve`].
#[track_caller]
pub fn correlate(in1: impl Into<Array>, in2: impl Into<Array>) -> Array {
    correlate_with(in1, in2, ConvolveNdOptions::new())
}

/// [`correlate`] by options.
///
/// # Errors
/// As [`convolve`].
#[track_caller]
pub fn correlate_with(in1: impl Into<Array>, in2: impl Into<Array>, options: ConvolveNdOptions) -> Array {
    convolved("correlate", &in1.into(), &flip(conj(in2), ..), &options)
}

#[track_caller]
fn matrices(name: &str, x: &Array, y: &Array) {
    if x.ndim() != 2 || y.ndim() != 2 {
        throw!(Shape, "{name}: takes matrices, got {} and {}", x.aval(), y.aval());
    }
}

/// The convolution of two matrices, with zeros beyond the edges.
///
/// # Errors
/// `convolve2d: takes matrices, got f32[3] and f32[3]`; as [`convolve`].
#[track_caller]
pub fn convolve2d(in1: impl Into<Array>, in2: impl Into<Array>) -> Array {
    convolve2d_with(in1, in2, Convolve2dOptions::new())
}

/// [`convolve2d`] by options.
///
/// # Errors
/// As [`convolve2d`].
#[track_caller]
pub fn convolve2d_with(in1: impl Into<Array>, in2: impl Into<Array>, options: Convolve2dOptions) -> Array {
    let (x, y) = (in1.into(), in2.into());
    matrices("convolve2d", &x, &y);
    direct("convolve2d", &x, &y, options.mode, options.precision)
}

/// The correlation of two matrices, with zeros beyond the edges.
///
/// # Errors
/// As [`convolve2d`].
#[track_caller]
pub fn correlate2d(in1: impl Into<Array>, in2: impl Into<Array>) -> Array {
    correlate2d_with(in1, in2, Convolve2dOptions::new())
}

/// [`correlate2d`] by options.
///
/// # Errors
/// As [`convolve2d`].
#[track_caller]
pub fn correlate2d_with(in1: impl Into<Array>, in2: impl Into<Array>, options: Convolve2dOptions) -> Array {
    let (x, y) = (in1.into(), in2.into());
    matrices("correlate2d", &x, &y);
    let (smaller, mode) = (covers(&y, &x), options.mode);
    let loc = caller();
    let conv =
        |x: &Array, y: &Array| with_location(loc, || direct("correlate2d", x, y, mode, options.precision));
    let backwards = || flip(conv(&flip(&x, ..), &conj(&y)), ..);
    match mode {
        ConvolveMode::Valid if smaller && x.shape() != y.shape() => conv(&flip(&y, ..), &conj(&x)),
        ConvolveMode::Full if smaller => conj(conv(&flip(&y, ..), &conj(&x))),
        _ => backwards(),
    }
}

/// [`convolve`] by Fourier transforms along some axes, `..` for all; along the others both have one size.
///
/// # Errors
/// Arrays of other numbers of axes; other axes whose sizes differ; axes out of range or repeated.
#[track_caller]
pub fn fftconvolve(in1: impl Into<Array>, in2: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    fftconvolve_with(in1, in2, axes, FftconvolveOptions::new())
}

/// [`fftconvolve`] by options.
///
/// # Errors
/// As [`fftconvolve`]; the mode `Valid` where neither is as large as the other along all axes.
#[track_caller]
pub fn fftconvolve_with(
    in1: impl Into<Array>,
    in2: impl Into<Array>,
    axes: impl Into<Axes>,
    options: FftconvolveOptions,
) -> Array {
    by_transforms("fftconvolve", &in1.into(), &in2.into(), &axes.into(), options.mode)
}

#[track_caller]
fn by_transforms(name: &str, x: &Array, y: &Array, axes: &Axes, mode: ConvolveMode) -> Array {
    same_rank(name, x, y);
    let [mut x, mut y] = promote_dtypes(name, [&inexact(x), &inexact(y)]);
    let axes = sorted_axes_of(name, axes, &x).to_vec();
    let rank = x.ndim();
    if (0..rank).any(|d| !axes.contains(&d) && x.shape()[d] != y.shape()[d]) {
        throw!(
            Shape,
            "{name}: axes along which nothing is convolved must have one size, got {} and {}",
            x.aval(),
            y.aval()
        );
    }
    let sizes = |x: &Array| -> Vec<usize> { axes.iter().map(|d| x.shape()[*d]).collect() };
    if mode == ConvolveMode::Valid {
        if !covers(&x, &y) && !covers(&y, &x) {
            throw!(
                Shape,
                "{name}: one must be as large as the other along all axes, got {} and {}",
                x.aval(),
                y.aval()
            );
        }
        if covers(&y, &x) {
            (x, y) = (y, x);
        }
    }
    let (n, m) = (sizes(&x), sizes(&y));
    let full: Vec<usize> = n.iter().zip(&m).map(|(n, m)| (n + m).saturating_sub(1)).collect();
    let all = if n.iter().zip(&m).all(|(n, m)| *n == 1 || *m == 1) {
        multiply(&x, &y)
    } else {
        let how = || FftnOptions::new().s(&full);
        if x.dtype().is_complex() {
            let product = multiply(fftn_with(&x, &axes, how()), fftn_with(&y, &axes, how()));
            ifftn_with(product, &axes, how())
        } else {
            let product = multiply(rfftn_with(&x, &axes, how()), rfftn_with(&y, &axes, how()));
            irfftn_with(product, &axes, how())
        }
    };
    let (mut start, mut limit) = (vec![0; rank], all.shape().to_vec());
    for (i, axis) in axes.iter().enumerate() {
        let size = match mode {
            ConvolveMode::Same => n[i],
            ConvolveMode::Valid => n[i] - m[i] + 1,
            _ => full[i],
        };
        start[*axis] = (full[i] - size) / 2;
        limit[*axis] = start[*axis] + size;
    }
    lax::slice(&all, start, limit)
}

/// What [`detrend_with`] takes away, and functions of spectra of each segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Detrend {
    /// Nothing.
    None,
    /// The mean.
    Constant,
    /// The line of least squares.
    #[default]
    Linear,
}

options! {
    /// Options of [`detrend_with`].
    pub struct DetrendOptions {
        /// What is taken away.
        type_: value Detrend = Detrend::Linear,
        /// Where new lines begin.
        bp: into Axes = (),
    }
}

/// The samples along an axis without their line of least squares.
///
/// # Errors
/// An axis out of range.
/// ```
/// use raxla::scipy::signal::detrend;
/// use raxla::Array;
///
/// let rest = detrend(Array::from([1.0f32, 3.0, 5.0, 7.0]), -1);
/// assert!(rest.to_vec::<f32>()?.iter().all(|x| x.abs() < 1e-6));
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn detrend(data: impl Into<Array>, axis: impl Into<Axis>) -> Array {
    detrend_with(data, axis, DetrendOptions::new())
}

/// [`detrend`] by options.
///
/// # Errors
/// As [`detrend`]; breaks beyond the axis.
#[track_caller]
pub fn detrend_with(data: impl Into<Array>, axis: impl Into<Axis>, options: DetrendOptions) -> Array {
    let x = inexact(&data.into());
    let axis = axis_of("detrend", axis.into(), &x);
    let n = x.shape()[axis] as i64;
    let breaks = options.bp.given().unwrap_or(&[]);
    if breaks.iter().any(|at| !(0..=n).contains(at)) {
        throw!(
            InvalidArgument,
            "detrend: breaks must be within the {n} elements of axis {axis}, got {breaks:?}"
        );
    }
    without_trend(&x, axis, options.type_, breaks)
}

/// `x` without what is taken away along an axis, from each break on anew.
#[track_caller]
fn without_trend(x: &Array, axis: usize, trend: Detrend, breaks: &[i64]) -> Array {
    let means = |x: &Array, axis: usize| mean_with(x, axis, ReduceOptions::new().keepdims(true));
    match trend {
        Detrend::None => x.clone(),
        Detrend::Constant => subtract(x, means(x, axis)),
        Detrend::Linear => {
            let rows = moveaxis(x, axis, -1);
            let last = rows.ndim() - 1;
            let n = rows.shape()[last] as i64;
            let mut bounds: Vec<i64> = breaks.iter().copied().chain([0, n]).collect();
            bounds.sort_unstable();
            bounds.dedup();
            let mut parts = Vec::with_capacity(bounds.len());
            for ends in bounds.windows(2) {
                let part = lax::slice_along(&rows, ends[0], ends[1], 1, last);
                let m = (ends[1] - ends[0]) as usize;
                let centred = subtract(&part, means(&part, last));
                // The slope is a quotient of sums; of one sample it is zero.
                let t = lax::iota(x.dtype().real(), m) - (m as f64 - 1.0) / 2.0;
                let squares = (m * (m * m).saturating_sub(1)) as f64 / 12.0;
                let along =
                    crate::numpy::sum_with(multiply(&centred, &t), last, ReduceOptions::new().keepdims(true));
                let slope = crate::numpy::divide(along, if m > 1 { squares } else { 1.0 });
                parts.push(subtract(centred, multiply(slope, t)));
            }
            if parts.is_empty() { x.clone() } else { moveaxis(concatenate(&parts, last), -1, axis) }
        }
    }
}
