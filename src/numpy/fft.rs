//! Discrete Fourier transforms along chosen axes, and what goes with them. JAX: `jax.numpy.fft`.
//!
//! ```
//! use raxla::{Array, numpy as jnp};
//!
//! let x = Array::from([1.0f32, 0.0, -1.0, 0.0]);
//! let spectrum = jnp::fft::rfft(&x, -1);
//! assert_eq!(jnp::real(&spectrum).to_vec::<f32>()?, [0.0, 2.0, 0.0]);
//! assert_eq!(jnp::fft::irfft(&spectrum, -1).to_vec::<f32>()?, [1.0, 0.0, -1.0, 0.0]);
//! # Ok::<(), raxla::Error>(())
//! ```

use smallvec::SmallVec;

use crate::arguments::{Axes, Axis, Dims, options};
use crate::calls::jit_call::jitted;
use crate::core::array::Array;
use crate::core::config::canonicalize;
use crate::dtype::DType;
use crate::error::throw;
use crate::lax::arguments::{axes_of, axis_of, sizes_of};
use crate::lax::{self, FftType};
use crate::numpy::util::{default_float, strong, to_inexact};
use crate::numpy::{conj, divide, moveaxis, multiply, pad, remainder, roll};

/// How a transform and its inverse share the division by the number of elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FftNorm {
    /// The inverse divides.
    #[default]
    Backward,
    /// Both divide by the root of the number.
    Ortho,
    /// The forward transform divides.
    Forward,
}

options! {
    /// Options of transforms along one axis: [`fft_with`], [`rfft_with`] and their like.
    pub struct FftOptions {
        /// The length of the transformed side (of the real one for real transforms): the array is cut, or zeros are put behind it.
        n: optional usize,
        /// Which direction divides.
        norm: value FftNorm = FftNorm::Backward,
    }
}

options! {
    /// Options of transforms along several axes: [`fftn_with`], [`fft2_with`] and their like.
    pub struct FftnOptions {
        /// The length along each of the axes (of the real side for real transforms); along the last axes if the axes are `..`.
        s: optional_into Dims,
        /// Which direction divides.
        norm: value FftNorm = FftNorm::Backward,
    }
}

/// One of the transforms of this module.
#[derive(Clone, Copy)]
struct Transform {
    name: &'static str,
    kind: FftType,
    norm: FftNorm,
}

/// JAX's `lax.fft`, which is one equation there.
#[track_caller]
fn transformed(x: &Array, kind: FftType, lengths: &[usize]) -> Array {
    let lengths: SmallVec<[usize; 4]> = lengths.into();
    jitted("fft", (kind, lengths.clone()), [x], |[x]| lax::fft(x, kind, &lengths))
}

/// The transform of the last axes, at most three of them at a time. JAX: `_fft_core_nd`.
#[track_caller]
fn of_last_axes(x: &Array, kind: FftType, lengths: &[usize]) -> Array {
    if lengths.len() <= 3 {
        return transformed(x, kind, lengths);
    }
    let (n, rank) = (if lengths.len() == 4 { 2 } else { 3 }, x.ndim());
    let (outer, inner) = lengths.split_at(lengths.len() - n);
    let here: Vec<usize> = (rank - lengths.len()..rank - n).collect();
    let there: Vec<usize> = (rank - outer.len()..rank).collect();
    if matches!(kind, FftType::Fft | FftType::Rfft) {
        let x = moveaxis(transformed(x, kind, inner), &here, &there);
        moveaxis(of_last_axes(&x, FftType::Fft, outer), &there, &here)
    } else {
        let x = of_last_axes(&moveaxis(x, &here, &there), FftType::Ifft, outer);
        transformed(&moveaxis(x, &there, &here), kind, inner)
    }
}

/// JAX: `_fft_core`.
#[track_caller]
fn transform(how: Transform, x: &Array, axes: &Axes, s: Option<&[usize]>) -> Array {
    let Transform { name, kind, norm } = how;
    let rank = x.ndim();
    if let Some(s) = s {
        if s.contains(&0) {
            throw!(
                InvalidArgument,
                "fft::{name}: lengths must be positive, got {}",
                lax::elementwise::tuple(s)
            );
        }
        let count = axes.given().map_or(s.len().min(rank), <[i64]>::len);
        if s.len() != count {
            let (lengths, x) = (lax::elementwise::tuple(s), x.aval());
            throw!(Shape, "fft::{name}: lengths {lengths} and axes have different lengths, got operand {x}");
        }
    }
    let given = axes_of(&format!("fft::{name}"), axes, x);
    // Without axes, lengths are those of the last ones.
    let count = if axes.is_all() { s.map_or(rank, <[usize]>::len) } else { given.len() };
    let last: Vec<usize> = (rank - count..rank).collect();
    let mut x = if axes.is_all() { x.clone() } else { moveaxis(x, &given, &last) };
    let lengths: Vec<usize> = match s {
        Some(s) => {
            let mut sizes = x.shape().to_vec();
            sizes[rank - count..].copy_from_slice(s);
            if kind == FftType::Irfft && rank > 0 {
                sizes[rank - 1] = sizes[rank - 1] / 2 + 1;
            }
            x = resized(&x, &sizes);
            s.to_vec()
        }
        None => {
            let mut lengths = x.shape()[rank - count..].to_vec();
            if let (FftType::Irfft, Some(n)) = (kind, lengths.last_mut()) {
                *n = 2 * n.saturating_sub(1);
            }
            lengths
        }
    };
    let mut out = of_last_axes(&x, kind, &lengths);
    if norm != FftNorm::Backward {
        out = multiply(&out, factor(name, norm, &lengths, out.dtype()));
    }
    if axes.is_all() { out } else { moveaxis(&out, &last, &given) }
}

/// `x` cut to these sizes, or with zeros behind.
#[track_caller]
fn resized(x: &Array, sizes: &[usize]) -> Array {
    let limits: Vec<usize> = x.shape().iter().zip(sizes).map(|(n, m)| *n.min(m)).collect();
    let cut = if limits == x.shape() { x.clone() } else { lax::slice(x, vec![0; x.ndim()], &limits) };
    let widths: Vec<(usize, usize)> = limits.iter().zip(sizes).map(|(n, m)| (0, m - n)).collect();
    if widths.is_empty() { cut } else { pad(cut, widths) }
}

/// What the result is multiplied by, in the precision of its dtype.
fn factor(name: &str, norm: FftNorm, lengths: &[usize], dtype: DType) -> Array {
    let count: f64 = lengths.iter().map(|n| *n as f64).product();
    let divisor = if norm == FftNorm::Ortho { count.sqrt() } else { count };
    let single = dtype.real() == DType::F32;
    let value = match (name.starts_with('i'), single) {
        (true, _) => divisor,
        // As 32-bit arithmetic rounds it.
        (false, true) => f64::from(1.0 / divisor as f32),
        (false, false) => 1.0 / divisor,
    };
    lax::literal(dtype, value)
}

macro_rules! transforms {
    ($($(#[$doc:meta])* $name:ident $with:ident $kind:ident;)*) => {$(
        $(#[$doc])*
        #[track_caller]
        pub fn $name(x: impl Into<Array>, axis: impl Into<Axis>) -> Array {
            $with(x, axis, FftOptions::new())
        }

        #[doc = concat!("[`", stringify!($name), "`] by options.")]
        ///
        /// # Errors
        #[doc = concat!("As [`", stringify!($name), "`]; a length of zero.")]
        #[track_caller]
        pub fn $with(x: impl Into<Array>, axis: impl Into<Axis>, options: FftOptions) -> Array {
            let how = Transform { name: stringify!($name), kind: FftType::$kind, norm: options.norm };
            transform(how, &x.into(), &axis.into().into(), options.n.as_ref().map(std::slice::from_ref))
        }
    )*};
}
transforms! {
    /// The discrete Fourier transform along an axis, as a complex array of the same shape.
    ///
    /// # Errors
    /// `fft::fft: axis 2 is out of bounds for array of dimension 2`; 16-bit floats.
    /// ```
    /// use raxla::numpy::fft::{self, FftNorm, FftOptions};
    /// use raxla::{Array, numpy as jnp};
    ///
    /// let x = Array::from([1.0f32, 2.0, 3.0, 2.0]);
    /// assert_eq!(jnp::real(fft::fft(&x, -1)).to_vec::<f32>()?, [8.0, -2.0, 0.0, -2.0]);
    /// let two = fft::fft_with(&x, -1, FftOptions::new().n(2).norm(FftNorm::Forward));
    /// assert_eq!(jnp::real(two).to_vec::<f32>()?, [1.5, -0.5]);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    fft fft_with Fft;
    /// The inverse of [`fft`].
    ///
    /// # Errors
    /// As [`fft`].
    ifft ifft_with Ifft;
    /// [`fft`] of real numbers, without the half that follows by symmetry: `n` numbers become `n / 2 + 1`.
    ///
    /// # Errors
    /// As [`fft`]; complex numbers.
    rfft rfft_with Rfft;
    /// The inverse of [`rfft`]: `m` numbers become `2 (m - 1)` real ones, or `n` by the option.
    ///
    /// # Errors
    /// As [`fft`].
    irfft irfft_with Irfft;
}

macro_rules! transforms_of_several {
    ($($(#[$doc:meta])* $name:ident $with:ident $kind:ident $two:literal;)*) => {$(
        $(#[$doc])*
        #[track_caller]
        pub fn $name(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
            $with(x, axes, FftnOptions::new())
        }

        #[doc = concat!("[`", stringify!($name), "`] by options.")]
        ///
        /// # Errors
        #[doc = concat!("As [`", stringify!($name), "`]; a length of zero, as many lengths as axes not being there.")]
        #[track_caller]
        pub fn $with(x: impl Into<Array>, axes: impl Into<Axes>, options: FftnOptions) -> Array {
            let how = Transform { name: stringify!($name), kind: FftType::$kind, norm: options.norm };
            several(how, &x.into(), &axes.into(), options.s.as_ref(), $two)
        }
    )*};
}
transforms_of_several! {
    /// [`fft`] along several axes, `..` for all.
    ///
    /// # Errors
    /// Axes out of range or repeated; 16-bit floats.
    /// ```
    /// use raxla::numpy::fft::{self, FftnOptions};
    /// use raxla::numpy as jnp;
    ///
    /// let x = jnp::ones([2, 3]);
    /// assert_eq!(jnp::real(fft::fftn(&x, ..)).to_vec::<f32>()?, [6.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    /// assert_eq!(fft::fftn_with(&x, 0, FftnOptions::new().s(4)).shape(), [4, 3]);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    fftn fftn_with Fft false;
    /// The inverse of [`fftn`].
    ///
    /// # Errors
    /// As [`fftn`].
    ifftn ifftn_with Ifft false;
    /// [`fftn`] of real numbers, without the half of the last axis that follows by symmetry.
    ///
    /// # Errors
    /// As [`fftn`]; complex numbers.
    rfftn rfftn_with Rfft false;
    /// The inverse of [`rfftn`]: `m` numbers along the last axis become `2 (m - 1)` real ones, or as many as the option says.
    ///
    /// # Errors
    /// As [`fftn`].
    irfftn irfftn_with Irfft false;
    /// [`fft`] along two axes, `(-2, -1)` as a rule.
    ///
    /// # Errors
    /// As [`fftn`]; another number of axes than two.
    fft2 fft2_with Fft true;
    /// The inverse of [`fft2`].
    ///
    /// # Errors
    /// As [`fft2`].
    ifft2 ifft2_with Ifft true;
    /// [`fft2`] of real numbers, without the half of the last axis that follows by symmetry.
    ///
    /// # Errors
    /// As [`fft2`]; complex numbers.
    rfft2 rfft2_with Rfft true;
    /// The inverse of [`rfft2`].
    ///
    /// # Errors
    /// As [`fft2`].
    irfft2 irfft2_with Irfft true;
}

#[track_caller]
fn several(how: Transform, x: &Array, axes: &Axes, s: Option<&Dims>, two: bool) -> Array {
    let count = axes.given().map_or(x.ndim(), <[i64]>::len);
    if two && count != 2 {
        throw!(Shape, "fft::{}: takes two axes, got {count} of {}", how.name, x.aval());
    }
    let s = s.map(|s| sizes_of(how.name, s));
    transform(how, x, axes, s.as_deref())
}

/// The transform of a signal that is Hermitian, as the first half of it says: `m` numbers become `2 (m - 1)` real ones.
///
/// # Errors
/// As [`fft`].
#[track_caller]
pub fn hfft(x: impl Into<Array>, axis: impl Into<Axis>) -> Array {
    hfft_with(x, axis, FftOptions::new())
}

/// [`hfft`] by options.
///
/// # Errors
/// As [`hfft`]; a length of zero.
#[track_caller]
pub fn hfft_with(x: impl Into<Array>, axis: impl Into<Axis>, options: FftOptions) -> Array {
    let (x, axis) = (conj(x), axis.into());
    let n = match options.n {
        Some(n) => n,
        None => 2 * x.shape()[axis_of("fft::hfft", axis, &x)].saturating_sub(1),
    };
    let how = Transform { name: "hfft", kind: FftType::Irfft, norm: options.norm };
    let out = transform(how, &x, &axis.into(), options.n.as_ref().map(std::slice::from_ref));
    multiply(out, n)
}

/// The inverse of [`hfft`]: of `n` real numbers the first `n / 2 + 1` that [`ifft`] gives.
///
/// # Errors
/// As [`rfft`].
#[track_caller]
pub fn ihfft(x: impl Into<Array>, axis: impl Into<Axis>) -> Array {
    ihfft_with(x, axis, FftOptions::new())
}

/// [`ihfft`] by options.
///
/// # Errors
/// As [`ihfft`]; a length of zero.
#[track_caller]
pub fn ihfft_with(x: impl Into<Array>, axis: impl Into<Axis>, options: FftOptions) -> Array {
    let (x, axis) = (x.into(), axis.into());
    let n = match options.n {
        Some(n) => n,
        None => x.shape()[axis_of("fft::ihfft", axis, &x)],
    };
    let how = Transform { name: "ihfft", kind: FftType::Rfft, norm: options.norm };
    let out = transform(how, &x, &axis.into(), options.n.as_ref().map(std::slice::from_ref));
    multiply(conj(out), 1.0 / n as f64)
}

options! {
    /// Options of [`fftfreq_with`] and [`rfftfreq_with`].
    pub struct FftfreqOptions {
        /// How far samples are apart.
        d: into Array = 1.0,
        /// The dtype; `f32` if not given.
        dtype: optional DType,
    }
}

/// The frequencies that the elements of [`fft`] of `n` samples stand for: those from zero up, then the negative ones.
///
/// ```
/// use raxla::numpy::fft;
///
/// assert_eq!(fft::fftfreq(4).to_vec::<f32>()?, [0.0, 0.25, -0.5, -0.25]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn fftfreq(n: usize) -> Array {
    fftfreq_with(n, FftfreqOptions::new())
}

/// [`fftfreq`] by options.
///
/// # Errors
/// A `d` that does not broadcast with `n` numbers.
#[track_caller]
pub fn fftfreq_with(n: usize, options: FftfreqOptions) -> Array {
    let out = options.dtype.map_or_else(default_float, canonicalize);
    let dtype = to_inexact(out).real();
    let half = (n / 2) as f64;
    let turned = remainder(lax::iota(dtype, n) + half, n as f64) - half;
    strong(&divide(turned, strong(&multiply(options.d, n), dtype)), out)
}

/// The frequencies that the elements of [`rfft`] of `n` samples stand for.
///
/// ```
/// use raxla::numpy::fft;
///
/// assert_eq!(fft::rfftfreq(5).to_vec::<f32>()?, [0.0, 0.2, 0.4]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn rfftfreq(n: usize) -> Array {
    rfftfreq_with(n, FftfreqOptions::new())
}

/// [`rfftfreq`] by options.
///
/// # Errors
/// A `d` that does not broadcast with the frequencies.
#[track_caller]
pub fn rfftfreq_with(n: usize, options: FftfreqOptions) -> Array {
    let dtype = options.dtype.map_or_else(default_float, canonicalize);
    divide(lax::iota(dtype, n / 2 + 1), strong(&multiply(options.d, n), dtype))
}

/// Turns axes so that the frequency zero stands in the middle; `..` for all axes.
///
/// # Errors
/// Axes out of range or repeated.
/// ```
/// use raxla::numpy::fft;
///
/// assert_eq!(fft::fftshift(fft::fftfreq(4), ..).to_vec::<f32>()?, [-0.5, -0.25, 0.0, 0.25]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn fftshift(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    turned("fft::fftshift", &x.into(), &axes.into(), 1)
}

/// The inverse of [`fftshift`].
///
/// # Errors
/// As [`fftshift`].
#[track_caller]
pub fn ifftshift(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    turned("fft::ifftshift", &x.into(), &axes.into(), -1)
}

#[track_caller]
fn turned(name: &str, x: &Array, axes: &Axes, sign: i64) -> Array {
    let dims = axes_of(name, axes, x);
    let shifts: Vec<i64> = dims.iter().map(|d| sign * (x.shape()[*d] / 2) as i64).collect();
    roll(x, shifts, &dims)
}
