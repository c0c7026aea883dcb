//! Cosine transforms. JAX: `jax.scipy.fft`.

use crate::arguments::{Axes, Axis, Dims, options};
use crate::core::array::Array;
use crate::dtype::DType;
use crate::error::{caller, throw, with_location};
use crate::lax;
use crate::lax::arguments::{axes_of, axis_of, sizes_of};
use crate::numpy::fft::{fft, fftn, ifft};
use crate::numpy::util::{inexact, strong};
use crate::numpy::{add, divide, exp, flip, multiply, negative, roll};

/// How a cosine transform and its inverse share the factors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DctNorm {
    /// The inverse divides.
    #[default]
    Backward,
    /// Both are orthogonal.
    Ortho,
}

/// Which cosine transform.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DctType {
    /// `y[k] = 2 Σ x[n] cos(π k (2n + 1) / 2N)`: the only one that JAX has.
    #[default]
    Two,
}

options! {
    /// Options of [`dct_with`] and [`idct_with`].
    pub struct DctOptions {
        /// Which transform.
        type_: value DctType = DctType::Two,
        /// The length along the axis: zeros are put behind.
        n: optional usize,
        /// How the factors are shared.
        norm: value DctNorm = DctNorm::Backward,
    }
}

options! {
    /// Options of [`dctn_with`] and [`idctn_with`].
    pub struct DctnOptions {
        /// Which transform.
        type_: value DctType = DctType::Two,
        /// The length along each of the axes, along the last ones if the axes are `..`: zeros are put behind.
        s: optional_into Dims,
        /// How the factors are shared.
        norm: value DctNorm = DctNorm::Backward,
    }
}

/// `f` of both parts of complex numbers.
#[track_caller]
fn by_parts(x: &Array, f: impl Fn(&Array) -> Array) -> Array {
    let loc = caller();
    let f = |x: &Array| with_location(loc, || f(x));
    if x.dtype().is_complex() { lax::complex(&f(&lax::real(x)), &f(&lax::imag(x))) } else { f(x) }
}

/// `x` with sizes along some axes: zeros behind, or elements away there.
#[track_caller]
fn lengthened(x: &Array, sizes: &[(usize, usize)]) -> Array {
    let mut widths = vec![(0, 0, 0); x.ndim()];
    for (axis, n) in sizes {
        widths[*axis].1 = *n as i64 - x.shape()[*axis] as i64;
    }
    if widths.iter().all(|(_, high, _)| *high == 0) {
        x.clone()
    } else {
        lax::pad(x, lax::literal(x.dtype(), 0.0), &widths)
    }
}

/// Every other element, then those between them backwards.
#[track_caller]
fn interleaved(x: &Array, axis: usize) -> Array {
    let even = lax::slice_along(x, None, None, 2, axis);
    let odd = lax::slice_along(x, 1, None, 2, axis);
    lax::concatenate([even, lax::rev(&odd, [axis])], axis)
}

/// The inverse of [`interleaved`].
#[track_caller]
fn deinterleaved(x: &Array, axis: usize) -> Array {
    let n = x.shape()[axis];
    let half = n.div_ceil(2) as i64;
    let even = lax::slice_along(x, None, half, 1, axis);
    let odd = lax::rev(&lax::slice_along(x, half, None, 1, axis), [axis]);
    // Zeros between the elements, which those of the other half fill.
    let spread = |part: &Array, first: usize| {
        let k = part.shape()[axis];
        let mut widths = vec![(0, 0, 0); x.ndim()];
        widths[axis] = (first as i64, n as i64 - (first + k + k.saturating_sub(1)) as i64, 1);
        lax::pad(part, lax::literal(x.dtype(), 0.0), &widths)
    };
    if odd.shape()[axis] == 0 { even } else { lax::add(&spread(&even, 0), &spread(&odd, 1)) }
}

/// The positions along an axis, in an array that broadcasts.
#[track_caller]
fn along(dtype: DType, rank: usize, axis: usize, n: usize) -> Array {
    lax::expand_dims(&lax::iota(dtype, n), (0..rank).filter(|d| *d != axis).collect::<Vec<usize>>())
}

/// `exp(-iπk / 2n)`.
#[track_caller]
fn turn(n: usize, k: &Array) -> Array {
    let wide = k.dtype().bits() == 64;
    let k = strong(k, if wide { DType::C128 } else { DType::C64 });
    let angle = lax::complex(
        &lax::literal(k.dtype().real(), 0.0),
        &lax::literal(k.dtype().real(), -0.5 * std::f64::consts::PI),
    );
    exp(divide(multiply(angle, k), n))
}

/// The factors of an orthogonal transform.
#[track_caller]
fn orthogonal(x: &Array, axis: usize) -> Array {
    let n = x.shape()[axis];
    let four = lax::full([1], lax::literal(x.dtype(), 4.0));
    let two = lax::full([n - 1], lax::literal(x.dtype(), 2.0));
    let factor = lax::concatenate([four, two], 0);
    let factor = lax::expand_dims(&factor, (0..x.ndim()).filter(|d| *d != axis).collect::<Vec<usize>>());
    divide(x, lax::sqrt(&multiply(factor, n)))
}

/// An axis that is to be transformed has elements.
#[track_caller]
fn not_empty(name: &str, x: &Array, axis: usize) {
    if x.shape()[axis] == 0 {
        throw!(Shape, "fft::{name}: axis {axis} of {} is empty", x.aval());
    }
}

/// The cosine transform of type 2 along an axis, as floats.
///
/// # Errors
/// `fft::dct: axis 2 is out of bounds for array of dimension 1`; an empty axis; 16-bit floats.
/// ```
/// use raxla::scipy::fft::dct;
/// use raxla::Array;
///
/// assert_eq!(dct(Array::from([1.0f32, 1.0]), -1).to_vec::<f32>()?, [4.0, 0.0]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn dct(x: impl Into<Array>, axis: impl Into<Axis>) -> Array {
    dct_with(x, axis, DctOptions::new())
}

/// [`dct`] by options.
///
/// # Errors
/// As [`dct`].
#[track_caller]
pub fn dct_with(x: impl Into<Array>, axis: impl Into<Axis>, options: DctOptions) -> Array {
    let x = x.into();
    let axis = axis_of("fft::dct", axis.into(), &x);
    let x = lengthened(&x, options.n.map(|n| (axis, n)).as_slice());
    by_parts(&x, |x| forward(x, axis, options.norm))
}

// Makhoul 1980, "A fast cosine transform in one and two dimensions".
#[track_caller]
fn forward(x: &Array, axis: usize, norm: DctNorm) -> Array {
    not_empty("dct", x, axis);
    let n = x.shape()[axis];
    let v = fft(interleaved(x, axis), axis);
    let k = along(v.dtype().real(), x.ndim(), axis, n);
    let out = multiply(2, lax::real(&multiply(v, turn(n, &k))));
    if norm == DctNorm::Ortho { orthogonal(&out, axis) } else { out }
}

/// The inverse of [`dct`].
///
/// # Errors
/// As [`dct`].
#[track_caller]
pub fn idct(x: impl Into<Array>, axis: impl Into<Axis>) -> Array {
    idct_with(x, axis, DctOptions::new())
}

/// [`idct`] by options.
///
/// # Errors
/// As [`idct`].
#[track_caller]
pub fn idct_with(x: impl Into<Array>, axis: impl Into<Axis>, options: DctOptions) -> Array {
    let x = x.into();
    let axis = axis_of("fft::idct", axis.into(), &x);
    let x = lengthened(&x, options.n.map(|n| (axis, n)).as_slice());
    by_parts(&x, |x| backward(x, axis, options.norm))
}

#[track_caller]
fn backward(x: &Array, axis: usize, norm: DctNorm) -> Array {
    not_empty("idct", x, axis);
    let n = x.shape()[axis];
    let mut x = orthogonal(&inexact(x), axis);
    if norm == DctNorm::Backward {
        x = orthogonal(&x, axis);
    }
    let k = turn(n, &along(x.dtype(), x.ndim(), axis, n));
    let v = multiply(multiply(divide(strong(&x, k.dtype()), k), 2), n);
    deinterleaved(&lax::real(&ifft(v, axis)), axis)
}

/// The axes, and the array of the sizes that are asked for.
#[track_caller]
fn sized(name: &str, x: &Array, axes: &Axes, s: Option<&Dims>) -> (Array, Vec<usize>) {
    let s = s.map(|s| sizes_of(name, s));
    let rank = x.ndim();
    let axes = match &s {
        Some(s) if axes.is_all() && s.len() <= rank => (rank - s.len()..rank).collect(),
        _ => axes_of(name, axes, x).to_vec(),
    };
    let Some(s) = s else { return (x.clone(), axes) };
    if s.len() != axes.len() {
        throw!(Shape, "{name}: {} lengths for {} axes of {}", s.len(), axes.len(), x.aval());
    }
    let sizes: Vec<(usize, usize)> = axes.iter().copied().zip(s).collect();
    (lengthened(x, &sizes), axes)
}

/// [`dct`] along several axes, `..` for all.
///
/// # Errors
/// As [`dct`]; axes that are repeated.
#[track_caller]
pub fn dctn(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    dctn_with(x, axes, DctnOptions::new())
}

/// [`dctn`] by options.
///
/// # Errors
/// As [`dctn`]; another number of lengths than of axes.
#[track_caller]
pub fn dctn_with(x: impl Into<Array>, axes: impl Into<Axes>, options: DctnOptions) -> Array {
    let (x, axes) = sized("fft::dctn", &x.into(), &axes.into(), options.s.as_ref());
    by_parts(&x, |x| {
        axes.chunks(2).fold(x.clone(), |x, axes| match *axes {
            [axis1, axis2] => forward_twice(&x, [axis1, axis2], options.norm),
            _ => forward(&x, axes[0], options.norm),
        })
    })
}

#[track_caller]
fn forward_twice(x: &Array, axes: [usize; 2], norm: DctNorm) -> Array {
    axes.iter().for_each(|axis| not_empty("dctn", x, *axis));
    let [n1, n2] = axes.map(|axis| x.shape()[axis]);
    let v = fftn(interleaved(&interleaved(x, axes[0]), axes[1]), axes);
    let [k1, k2] = axes.map(|axis| along(v.dtype().real(), x.ndim(), axis, x.shape()[axis]));
    let mirrored = roll(flip(&v, axes[1]), 1, axes[1]);
    let both = add(multiply(turn(n2, &k2), v), multiply(turn(n2, &negative(&k2)), mirrored));
    let out = multiply(2, lax::real(&multiply(turn(n1, &k1), both)));
    match norm {
        DctNorm::Ortho => orthogonal(&orthogonal(&out, axes[0]), axes[1]),
        DctNorm::Backward => out,
    }
}

/// The inverse of [`dctn`].
///
/// # Errors
/// As [`dctn`].
#[track_caller]
pub fn idctn(x: impl Into<Array>, axes: impl Into<Axes>) -> Array {
    idctn_with(x, axes, DctnOptions::new())
}

/// [`idctn`] by options.
///
/// # Errors
/// As [`dctn_with`].
#[track_caller]
pub fn idctn_with(x: impl Into<Array>, axes: impl Into<Axes>, options: DctnOptions) -> Array {
    let (x, axes) = sized("fft::idctn", &x.into(), &axes.into(), options.s.as_ref());
    by_parts(&x, |x| axes.iter().fold(x.clone(), |x, axis| backward(&x, *axis, options.norm)))
}
