//! Spectra of signals, window by window. JAX: `jax.scipy.signal.stft` and its like.

use smallvec::SmallVec;

use crate::arguments::{Axis, options};
use crate::core::array::Array;
use crate::dtype::DType;
use crate::error::throw;
use crate::lax;
use crate::lax::arguments::axis_of;
use crate::numpy::fft::{
    FftOptions, FftfreqOptions, fft_with, fftfreq_with, ifft_with, irfft_with, rfft_with, rfftfreq_with,
};
use crate::numpy::util::{broadcast_shapes, inexact, promote_dtypes, strong};
use crate::numpy::{
    ArangeOptions, LinspaceOptions, PadMode, PadOptions, arange_with, concatenate, conj, divide,
    linspace_with, mean, median, moveaxis, multiply, pad_with, sin, sqrt, subtract, sum, swapaxes, take,
    transpose, where_,
};

use super::{Detrend, without_trend};

/// What a segment of a signal is multiplied by.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum SignalWindow {
    /// The periodic Hann window: a squared sine.
    #[default]
    Hann,
    /// These numbers.
    Values(Array),
}

impl From<Array> for SignalWindow {
    fn from(values: Array) -> Self {
        SignalWindow::Values(values)
    }
}
impl From<&Array> for SignalWindow {
    fn from(values: &Array) -> Self {
        SignalWindow::Values(values.clone())
    }
}

impl SignalWindow {
    /// The numbers, for segments of `nperseg` elements of a signal of `length`, or of as many as they are.
    #[track_caller]
    fn of(&self, name: &str, nperseg: Option<usize>, length: usize, dtype: DType) -> Array {
        if nperseg == Some(0) {
            throw!(InvalidArgument, "{name}: nperseg must be positive");
        }
        match self {
            SignalWindow::Hann => strong(&hann(nperseg.unwrap_or(length).min(length)), dtype),
            SignalWindow::Values(values) => {
                let n = values.size();
                if values.ndim() != 1 || n > length || nperseg.is_some_and(|given| given != n) {
                    throw!(
                        Shape,
                        "{name}: the window must be a vector of nperseg numbers, not more than there are elements, got {}",
                        values.aval()
                    );
                }
                strong(values, dtype)
            }
        }
    }
}

#[track_caller]
fn hann(n: usize) -> Array {
    if n == 1 {
        return lax::full([1], Array::scalar(1.0f32));
    }
    let angle = linspace_with(0, std::f64::consts::PI, n, LinspaceOptions::new().endpoint(false));
    lax::square(&sin(angle))
}

/// What powers are divided by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scaling {
    /// By the width of a frequency too: power by frequency.
    #[default]
    Density,
    /// Power.
    Spectrum,
}

/// How the spectra of segments become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpectrumAverage {
    /// Their mean.
    #[default]
    Mean,
    /// Their median, corrected for its bias.
    Median,
}

/// What is put before and behind a signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Boundary {
    /// Zeros.
    #[default]
    Zeros,
    /// The signal backwards.
    Even,
    /// The signal backwards and upside down.
    Odd,
    /// Its first and its last element.
    Constant,
    /// Nothing.
    None,
}

options! {
    /// Options of [`csd_with`] and [`welch_with`].
    pub struct WelchOptions {
        /// How many samples there are in a unit of time.
        fs: into Array = 1.0,
        /// What segments are multiplied by.
        window: into SignalWindow = SignalWindow::Hann,
        /// How long segments are; as long as the signal, or as the window, if not given.
        nperseg: optional usize,
        /// How many samples two segments have in common; half of one if not given.
        noverlap: optional usize,
        /// The length of the transform: zeros are put behind segments.
        nfft: optional usize,
        /// What is taken away of each segment.
        detrend: value Detrend = Detrend::Constant,
        /// Are negative frequencies left out? They are not of complex signals.
        return_onesided: value bool = true,
        /// What powers are divided by.
        scaling: value Scaling = Scaling::Density,
        /// How the spectra of segments become one.
        average: value SpectrumAverage = SpectrumAverage::Mean,
    }
}

options! {
    /// Options of [`stft_with`].
    pub struct StftOptions {
        /// How many samples there are in a unit of time.
        fs: into Array = 1.0,
        /// What segments are multiplied by.
        window: into SignalWindow = SignalWindow::Hann,
        /// How long segments are, if the signal is as long.
        nperseg: value usize = 256,
        /// How many samples two segments have in common; half of one if not given.
        noverlap: optional usize,
        /// The length of the transform: zeros are put behind segments.
        nfft: optional usize,
        /// What is taken away of each segment.
        detrend: value Detrend = Detrend::None,
        /// Are negative frequencies left out? They are not of complex signals.
        return_onesided: value bool = true,
        /// What is put before and behind the signal, half a segment.
        boundary: value Boundary = Boundary::Zeros,
        /// Are zeros put behind, so that segments come out even?
        padded: value bool = true,
    }
}

options! {
    /// Options of [`istft_with`].
    pub struct IstftOptions {
        /// How many samples there are in a unit of time.
        fs: into Array = 1.0,
        /// What segments were multiplied by.
        window: into SignalWindow = SignalWindow::Hann,
        /// How long segments are; as long as the transform if not given.
        nperseg: optional usize,
        /// How many samples two segments have in common; half of one if not given.
        noverlap: optional usize,
        /// The length of the transform.
        nfft: optional usize,
        /// Are there no negative frequencies?
        input_onesided: value bool = true,
        /// Had the signal something put before and behind it, which is taken away?
        boundary: value bool = true,
        /// The axis of segments.
        time_axis: into Axis = -1,
        /// The axis of frequencies.
        freq_axis: into Axis = -2,
    }
}

/// What all of them are told.
struct Spectral<'a> {
    name: &'a str,
    options: &'a WelchOptions,
    /// Of the short-time transform alone.
    stft: Option<(Boundary, bool)>,
}

impl Spectral<'_> {
    /// The transforms of the segments of a signal, whose last axis is time.
    #[track_caller]
    fn transforms(&self, x: &Array, window: &Array, noverlap: usize, nfft: usize, both: bool) -> Array {
        let (n, length) = (window.size(), x.shape()[x.ndim() - 1]);
        let step = n - noverlap;
        let count = if length < n { 0 } else { (length - n) / step + 1 };
        let starts = multiply(lax::iota(DType::I32, count), step);
        let at = lax::expand_dims(&starts, [1]) + lax::expand_dims(&lax::iota(DType::I32, n), [0]);
        let segments = without_trend(&take(x, at, -1), x.ndim(), self.options.detrend, &[]);
        let segments = multiply(window, segments);
        let how = FftOptions::new().n(nfft);
        if both { fft_with(segments, -1, how) } else { rfft_with(lax_real(&segments), -1, how) }
    }

    /// JAX: `_spectral_helper`.
    #[track_caller]
    fn run(&self, x: &Array, y: Option<&Array>, axis: Axis) -> (Array, Array, Array) {
        let (name, o) = (self.name, self.options);
        let axis = axis_of(name, axis, x);
        let (x, y) = match y {
            None => (inexact(x), None),
            Some(y) => {
                let [x, y] = promote_dtypes(name, [&inexact(x), &inexact(y)]);
                if x.ndim() != y.ndim() {
                    throw!(Shape, "{name}: both must have as many axes, got {} and {}", x.aval(), y.aval());
                }
                (x, Some(y))
            }
        };
        let others = |x: &Array| -> SmallVec<[usize; 4]> {
            x.shape().iter().enumerate().filter(|(d, _)| *d != axis).map(|(_, n)| *n).collect()
        };
        if let Some(y) = &y
            && broadcast_shapes(&[&others(&x), &others(y)]).is_err()
        {
            throw!(
                Shape,
                "{name}: both must broadcast but for the axis {axis}, got {} and {}",
                x.aval(),
                y.aval()
            );
        }
        let real = x.dtype().real();
        let complex = if real == DType::F64 { DType::C128 } else { DType::C64 };
        if x.size() == 0 || y.as_ref().is_some_and(|y| y.size() == 0) {
            // As in JAX, where nothing is transformed.
            let mut shape = y.as_ref().map_or(x.shape().to_vec(), |y| {
                broadcast_shapes(&[&others(&x), &others(y)]).unwrap_or_default().to_vec()
            });
            if let Some(y) = &y {
                shape.insert(axis, x.shape()[axis].min(y.shape()[axis]));
            }
            let is_real = y.is_none() && self.stft.is_none();
            let none = |dtype| lax::full((shape.as_slice(), dtype), 0.0);
            return (none(real), none(real), none(if is_real { real } else { complex }));
        }
        let window = o.window.of(name, o.nperseg, x.shape()[axis], x.dtype());
        let n = window.size();
        let (noverlap, nfft) = (o.noverlap.unwrap_or(n / 2), o.nfft.unwrap_or(n));
        if nfft < n || noverlap >= n {
            throw!(
                InvalidArgument,
                "{name}: segments of {n} need an nfft of as many and a noverlap of less, got {nfft} and {noverlap}"
            );
        }
        let ends = |x: &Array| moveaxis(x, axis, -1);
        let (mut x, mut y) = (ends(&x), y.as_ref().map(ends));
        if let Some(other) = &y {
            let length = x.shape()[x.ndim() - 1].max(other.shape()[other.ndim() - 1]);
            (x, y) = (lengthened(&x, length), Some(lengthened(other, length)));
        }
        let (boundary, padded) = self.stft.unwrap_or((Boundary::None, false));
        let prepare = |x: Array| {
            let x = extended(name, &x, n / 2, boundary);
            let (step, length) = (n - noverlap, x.shape()[x.ndim() - 1]);
            let rest = (n as i64 - length as i64).rem_euclid(step as i64) as usize % n;
            if padded { lengthened(&x, length + rest) } else { x }
        };
        let (x, y) = (prepare(x), y.map(prepare));
        let scale = match o.scaling {
            Scaling::Density => divide(1.0, multiply(&o.fs, sum(multiply(&window, &window), ..))),
            Scaling::Spectrum => divide(1.0, lax::square(&sum(&window, ..))),
        };
        let scale = if self.stft.is_some() { sqrt(scale) } else { scale };
        let both = !o.return_onesided
            || x.dtype().is_complex()
            || y.as_ref().is_some_and(|y| y.dtype().is_complex());
        let how = FftfreqOptions::new().d(divide(1, &o.fs)).dtype(real);
        let frequencies = if both { fftfreq_with(nfft, how) } else { rfftfreq_with(nfft, how) };
        let mut out = self.transforms(&x, &window, noverlap, nfft, both);
        if let Some(y) = &y {
            out = multiply(conj(out), self.transforms(y, &window, noverlap, nfft, both));
        } else if self.stft.is_none() {
            out = multiply(conj(&out), &out);
        }
        out = multiply(out, strong(&scale, complex));
        if !both && self.stft.is_none() {
            // What stands for two frequencies counts twice.
            let count = nfft / 2 + 1;
            let last = if nfft.is_multiple_of(2) { count - 1 } else { count };
            let twice: Vec<f32> =
                (0..count).map(|k| if (1..last).contains(&k) { 2.0 } else { 1.0 }).collect();
            out = multiply(out, strong(&Array::from(twice), real));
        }
        let (half, length) = (n as f64 / 2.0, x.shape()[x.ndim() - 1] as f64);
        let step = ArangeOptions::new().step((n - noverlap) as i64).dtype(real);
        let mut time = divide(arange_with(half..length - half + 1.0, step), &o.fs);
        if boundary != Boundary::None {
            time = subtract(time, divide(half, &o.fs));
        }
        let out = strong(&out, complex);
        let out = if y.is_none() && self.stft.is_none() { lax::real(&out) } else { out };
        (frequencies, time, moveaxis(out, -1, axis))
    }
}

#[track_caller]
fn lax_real(x: &Array) -> Array {
    if x.dtype().is_complex() { lax::real(x) } else { x.clone() }
}

/// `x` with zeros behind, until it has a length.
#[track_caller]
fn lengthened(x: &Array, length: usize) -> Array {
    let mut widths = vec![(0, 0, 0); x.ndim()];
    let last = x.ndim() - 1;
    widths[last].1 = length as i64 - x.shape()[last] as i64;
    if widths[last].1 == 0 { x.clone() } else { lax::pad(x, lax::literal(x.dtype(), 0.0), &widths) }
}

/// `x` with `n` elements more before and behind.
#[track_caller]
fn extended(name: &str, x: &Array, n: usize, boundary: Boundary) -> Array {
    let last = x.ndim() - 1;
    let length = x.shape()[last];
    let mode = match boundary {
        Boundary::None => return x.clone(),
        Boundary::Zeros => PadMode::Constant,
        Boundary::Even => PadMode::Reflect,
        Boundary::Constant => PadMode::Edge,
        Boundary::Odd if n == 0 => return x.clone(),
        Boundary::Odd if n >= length => {
            throw!(Shape, "{name}: {n} elements more need a longer signal, got {}", x.aval())
        }
        Boundary::Odd => {
            let (n, part) = (n as i64, |start: i64, end: Option<i64>| lax::slice_along(x, start, end, 1, -1));
            let flipped = |x: Array| lax::rev(&x, [last]);
            let before = subtract(multiply(2, part(0, Some(1))), flipped(part(1, Some(n + 1))));
            let behind = subtract(multiply(2, part(-1, None)), flipped(part(-(n + 1), Some(-1))));
            return concatenate([&before, x, &behind], -1);
        }
    };
    let mut widths = vec![(0usize, 0usize); x.ndim()];
    widths[last] = (n, n);
    pad_with(x, widths, PadOptions::new().mode(mode))
}

/// The short-time Fourier transform along an axis: the frequencies, the times of the segments, and the transform, whose frequencies
/// stand along the axis and segments along the last one.
///
/// # Errors
/// `stft: axis 1 is out of bounds for array of dimension 1`; lengths that do not fit.
/// ```
/// use raxla::scipy::signal::{StftOptions, stft_with};
/// use raxla::numpy as jnp;
///
/// let x = jnp::ones(32);
/// let (frequencies, times, z) = stft_with(&x, -1, StftOptions::new().nperseg(8));
/// assert_eq!((frequencies.shape(), times.shape(), z.shape()), (&[5][..], &[9][..], &[5, 9][..]));
/// ```
#[track_caller]
pub fn stft(x: impl Into<Array>, axis: impl Into<Axis>) -> (Array, Array, Array) {
    stft_with(x, axis, StftOptions::new())
}

/// [`stft`] by options.
///
/// # Errors
/// As [`stft`].
#[track_caller]
pub fn stft_with(x: impl Into<Array>, axis: impl Into<Axis>, options: StftOptions) -> (Array, Array, Array) {
    let StftOptions { fs, window, nperseg, noverlap, nfft, detrend, return_onesided, boundary, padded } =
        options;
    let nperseg = Some(nperseg);
    let scaling = Scaling::Spectrum;
    let all = WelchOptions {
        fs,
        window,
        nperseg,
        noverlap,
        nfft,
        detrend,
        return_onesided,
        scaling,
        ..WelchOptions::new()
    };
    Spectral { name: "stft", options: &all, stft: Some((boundary, padded)) }.run(&x.into(), None, axis.into())
}

/// The cross power spectral density of two signals along an axis by Welch's method: the frequencies, and a complex number for each.
///
/// # Errors
/// As [`welch`]; signals of other numbers of axes.
#[track_caller]
pub fn csd(x: impl Into<Array>, y: impl Into<Array>, axis: impl Into<Axis>) -> (Array, Array) {
    csd_with(x, y, axis, WelchOptions::new())
}

/// [`csd`] by options.
///
/// # Errors
/// As [`csd`].
#[track_caller]
pub fn csd_with(
    x: impl Into<Array>,
    y: impl Into<Array>,
    axis: impl Into<Axis>,
    options: WelchOptions,
) -> (Array, Array) {
    density("csd", &x.into(), Some(&y.into()), axis.into(), &options)
}

/// The power spectral density of a signal along an axis by Welch's method, the mean of the spectra of segments: the frequencies,
/// and a number for each.
///
/// # Errors
/// `welch: axis 1 is out of bounds for array of dimension 1`; lengths that do not fit.
#[track_caller]
pub fn welch(x: impl Into<Array>, axis: impl Into<Axis>) -> (Array, Array) {
    welch_with(x, axis, WelchOptions::new())
}

/// [`welch`] by options.
///
/// # Errors
/// As [`welch`].
#[track_caller]
pub fn welch_with(x: impl Into<Array>, axis: impl Into<Axis>, options: WelchOptions) -> (Array, Array) {
    density("welch", &x.into(), None, axis.into(), &options)
}

#[track_caller]
fn density(name: &str, x: &Array, y: Option<&Array>, axis: Axis, options: &WelchOptions) -> (Array, Array) {
    let (frequencies, _, out) = Spectral { name, options, stft: None }.run(x, y, axis);
    if out.size() == 0 {
        return (frequencies, out);
    }
    let count = out.shape()[out.ndim() - 1];
    let out = match options.average {
        _ if count <= 1 => lax::reshape(&out, &out.shape()[..out.ndim() - 1]),
        SpectrumAverage::Mean => mean(&out, -1),
        SpectrumAverage::Median => {
            let even = (2..count).step_by(2).map(|k| k as f64);
            let bias = 1.0 + even.map(|k| 1.0 / (k + 1.0) - 1.0 / k).sum::<f64>();
            let middle = if out.dtype().is_complex() {
                lax::complex(&median(lax::real(&out), -1), &median(lax::imag(&out), -1))
            } else {
                median(&out, -1)
            };
            divide(middle, bias)
        }
    };
    (frequencies, out)
}

/// The signal whose short-time Fourier transform this is: the times, and the signal.
///
/// # Errors
/// `istft: takes frequencies and segments, got c64[3]`; axes that are the same; lengths that do not fit.
#[track_caller]
pub fn istft(zxx: impl Into<Array>) -> (Array, Array) {
    istft_with(zxx, IstftOptions::new())
}

/// [`istft`] by options.
///
/// # Errors
/// As [`istft`].
#[track_caller]
pub fn istft_with(zxx: impl Into<Array>, options: IstftOptions) -> (Array, Array) {
    const NAME: &str = "istft";
    let (z, o) = (zxx.into(), options);
    let rank = z.ndim();
    if rank < 2 {
        throw!(Shape, "{NAME}: takes frequencies and segments, got {}", z.aval());
    }
    let (freq, mut time) = (axis_of(NAME, o.freq_axis, &z), axis_of(NAME, o.time_axis, &z));
    if freq == time {
        throw!(
            InvalidArgument,
            "{NAME}: frequencies and segments must stand along different axes, got {freq}"
        );
    }
    let wide = z.dtype().bits() == 64;
    let z = strong(&z, if wide { DType::C128 } else { DType::C64 });
    let m = z.shape()[freq];
    let whole = if o.input_onesided { 2 * m.saturating_sub(1) } else { m };
    let n = o.nperseg.filter(|n| *n > 0).unwrap_or(whole);
    let nfft = o.nfft.unwrap_or(if o.input_onesided && n == whole + 1 { whole + 1 } else { whole });
    let noverlap = o.noverlap.filter(|n| *n > 0).unwrap_or(n / 2);
    if n == 0 || nfft < n || noverlap >= n {
        throw!(
            InvalidArgument,
            "{NAME}: segments of {n} need an nfft of as many and a noverlap of less, got {nfft} and {noverlap}"
        );
    }
    let moved = time != rank - 1 || freq != rank - 2;
    let order: Vec<usize> = (0..rank).filter(|d| *d != time && *d != freq).chain([freq, time]).collect();
    let z = if moved { transpose(&z, order) } else { z };
    let how = FftOptions { n: o.nfft, ..FftOptions::new() };
    let segments = if o.input_onesided { irfft_with(&z, -2, how) } else { ifft_with(&z, -2, how) };
    let segments = lax::slice_along(&segments, None, n as i64, 1, -2);
    let window = o.window.of(NAME, Some(n), n, segments.dtype());
    let segments = multiply(segments, sum(&window, ..));
    let column = lax::expand_dims(&window, (0..rank - 2).chain([rank - 1]).collect::<Vec<usize>>());
    let step = n - noverlap;
    let count = segments.shape()[rank - 1];
    let mut x = overlapped(&swapaxes(multiply(&segments, &column), -2, -1), step);
    let squares = crate::numpy::repeat(multiply(&column, &column), count, -1);
    let mut weights = overlapped(&swapaxes(squares, -2, -1), step);
    if o.boundary {
        let half = (n / 2) as i64;
        // As Python's slices have it, nothing is left of one that ends at -0.
        let end = if half == 0 { 0 } else { -half };
        x = lax::slice_along(&x, half, Some(end), 1, -1);
        weights = lax::slice_along(&weights, half, Some(end), 1, -1);
    }
    let enough = crate::numpy::greater(lax_real(&weights), 1e-10);
    x = divide(x, where_(enough, weights, 1.0));
    if x.ndim() > 1 && time != rank - 1 {
        time -= usize::from(freq < time);
        x = moveaxis(x, -1, time);
    }
    let times = divide(lax::iota(x.dtype().real(), x.shape()[0]), o.fs);
    (times, x)
}

/// The sum of segments, the rows of the last two axes, each `step` behind the one before.
#[track_caller]
fn overlapped(x: &Array, step: usize) -> Array {
    let rank = x.ndim();
    let (count, n) = (x.shape()[rank - 2], x.shape()[rank - 1]);
    let outer = &x.shape()[..rank - 2];
    let length = if count == 0 { 0 } else { step * (count - 1) + n };
    let starts = multiply(lax::iota(DType::I32, count), step);
    let at = lax::expand_dims(&starts, [1]) + lax::expand_dims(&lax::iota(DType::I32, n), [0]);
    let shape: Vec<usize> = outer.iter().copied().chain([length]).collect();
    lax::full(shape, lax::literal(x.dtype(), 0.0)).at((.., at)).add(x)
}
