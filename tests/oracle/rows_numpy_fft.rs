//! Rows for `jax.numpy.fft`.

use raxla::numpy::fft::{self, FftNorm, FftOptions, FftfreqOptions, FftnOptions};
use raxla::{Array, Axes};

use crate::case::{Params, Row};
use crate::row;

fn norm(p: &Params) -> FftNorm {
    match p.str("norm") {
        "ortho" => FftNorm::Ortho,
        "forward" => FftNorm::Forward,
        _ => FftNorm::Backward,
    }
}

fn axes(p: &Params) -> Axes {
    match p.has("axes") {
        true => Axes::from(p.ints("axes")),
        false => Axes::from(..),
    }
}

fn several(p: &Params) -> FftnOptions {
    let options = FftnOptions::new().norm(norm(p));
    if p.has("s") { options.s(p.ints("s")) } else { options }
}

fn frequencies(x: &[Array], p: &Params) -> FftfreqOptions {
    let mut options = FftfreqOptions::new();
    if let Some(d) = x.first() {
        options = options.d(d);
    }
    if p.has("dtype") {
        options = options.dtype(p.dtype("dtype"));
    }
    options
}

/// By the short form where a case has no options.
macro_rules! one {
    ($($name:ident $with:ident)*) => {
        &[$(row!(concat!("numpy.fft.", stringify!($name)), |x, p| {
            if !p.has("n") && !p.has("norm") {
                fft::$name(&x[0], p.axis("axis"))
            } else {
                let options = FftOptions::new().norm(norm(p));
                let options = if p.has("n") { options.n(p.usize("n")) } else { options };
                fft::$with(&x[0], p.axis("axis"), options)
            }
        })),*]
    };
}

macro_rules! several {
    ($($name:ident $with:ident)*) => {
        &[$(row!(concat!("numpy.fft.", stringify!($name)), |x, p| match p.has("s") || p.has("norm") {
            false => fft::$name(&x[0], axes(p)),
            true => fft::$with(&x[0], axes(p), several(p)),
        })),*]
    };
}

pub const FFT: &[&[Row]] = &[
    one!(fft fft_with ifft ifft_with rfft rfft_with irfft irfft_with hfft hfft_with ihfft ihfft_with),
    several!(fftn fftn_with ifftn ifftn_with rfftn rfftn_with irfftn irfftn_with fft2 fft2_with ifft2 ifft2_with
        rfft2 rfft2_with irfft2 irfft2_with),
    &[
        row!("numpy.fft.fftshift", |x, p| fft::fftshift(&x[0], axes(p))),
        row!("numpy.fft.ifftshift", |x, p| fft::ifftshift(&x[0], axes(p))),
        row!("numpy.fft.fftfreq", |x, p| match x.is_empty() && !p.has("dtype") {
            true => fft::fftfreq(p.usize("n")),
            false => fft::fftfreq_with(p.usize("n"), frequencies(x, p)),
        }),
        row!("numpy.fft.rfftfreq", |x, p| match x.is_empty() && !p.has("dtype") {
            true => fft::rfftfreq(p.usize("n")),
            false => fft::rfftfreq_with(p.usize("n"), frequencies(x, p)),
        }),
    ],
];
