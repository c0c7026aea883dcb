//! Rows for `jax.image`, `jax.ops`, `jax.scipy.fft`, `ndimage` and `signal`.

use raxla::image::{self, ResizeMethod, ResizeOptions};
use raxla::numpy::{ConvolveMode, GatherScatterMode};
use raxla::ops::{self, SegmentOptions};
use raxla::scipy::cluster::vq::vq;
use raxla::scipy::fft::{self, DctNorm, DctOptions, DctnOptions};
use raxla::scipy::integrate;
use raxla::scipy::interpolate::{InterpolationMethod, InterpolatorOptions, RegularGridInterpolator};
use raxla::scipy::ndimage::{self, CoordinateMode, MapCoordinatesOptions};
use raxla::scipy::signal::{
    self, Boundary, Convolve2dOptions, ConvolveMethod, ConvolveNdOptions, Detrend, DetrendOptions,
    FftconvolveOptions, IstftOptions, Scaling, SpectrumAverage, StftOptions, WelchOptions,
};
use raxla::{Array, Axes};

use crate::case::{Params, Row};
use crate::row;
use crate::rows_numpy::pair;

fn segment_options(p: &Params) -> SegmentOptions {
    let mut options = SegmentOptions::new()
        .indices_are_sorted(p.bool("indices_are_sorted"))
        .unique_indices(p.bool("unique_indices"));
    if p.has("num_segments") {
        options = options.num_segments(p.usize("num_segments"));
    }
    if p.has("bucket_size") {
        options = options.bucket_size(p.usize("bucket_size"));
    }
    match p.str("mode") {
        "clip" => options.mode(GatherScatterMode::Clip),
        _ => options,
    }
}

macro_rules! segments {
    ($($name:ident $with:ident)*) => {
        &[$(row!(concat!("ops.", stringify!($name)), |x, p| match p.has("num_segments") {
            true => ops::$with(&x[0], &x[1], segment_options(p)),
            false => ops::$name(&x[0], &x[1]),
        })),*]
    };
}

fn method(p: &Params) -> ResizeMethod {
    match p.str("method") {
        "nearest" => ResizeMethod::Nearest,
        "lanczos3" => ResizeMethod::Lanczos3,
        "lanczos5" => ResizeMethod::Lanczos5,
        "cubic" => ResizeMethod::Cubic,
        "cubic-pytorch" => ResizeMethod::CubicPytorch,
        "area" => ResizeMethod::Area,
        _ => ResizeMethod::Linear,
    }
}

fn resize_options(p: &Params) -> ResizeOptions {
    ResizeOptions::new().antialias(p.bool_or("antialias", true))
}

fn dct_norm(p: &Params) -> DctNorm {
    if p.str("norm") == "ortho" { DctNorm::Ortho } else { DctNorm::Backward }
}

fn dct_options(p: &Params) -> DctOptions {
    let options = DctOptions::new().norm(dct_norm(p));
    if p.has("n") { options.n(p.usize("n")) } else { options }
}

fn dctn_options(p: &Params) -> DctnOptions {
    let options = DctnOptions::new().norm(dct_norm(p));
    if p.has("s") { options.s(p.ints("s")) } else { options }
}

fn axes(p: &Params) -> Axes {
    match p.has("axes") {
        true => Axes::from(p.ints("axes")),
        false => Axes::from(..),
    }
}

fn mode(p: &Params) -> ConvolveMode {
    match p.str("mode") {
        "same" => ConvolveMode::Same,
        "valid" => ConvolveMode::Valid,
        _ => ConvolveMode::Full,
    }
}

fn convolve_options(p: &Params) -> ConvolveNdOptions {
    let method = if p.str("method") == "fft" { ConvolveMethod::Fft } else { ConvolveMethod::Auto };
    ConvolveNdOptions::new().mode(mode(p)).method(method)
}

fn coordinate_options(p: &Params) -> MapCoordinatesOptions {
    let mode = match p.str("mode") {
        "nearest" => CoordinateMode::Nearest,
        "wrap" => CoordinateMode::Wrap,
        "mirror" => CoordinateMode::Mirror,
        "reflect" => CoordinateMode::Reflect,
        _ => CoordinateMode::Constant,
    };
    let options = MapCoordinatesOptions::new().mode(mode);
    if p.has("cval") { options.cval(Array::from(p.float("cval"))) } else { options }
}

fn trend(p: &Params, name: &str, default: Detrend) -> Detrend {
    match p.str(name) {
        "constant" => Detrend::Constant,
        "linear" => Detrend::Linear,
        _ => default,
    }
}

fn last_axis(p: &Params) -> i64 {
    p.int_or("axis", -1)
}

fn welch_options(p: &Params) -> WelchOptions {
    let mut options = WelchOptions::new().detrend(trend(p, "detrend", Detrend::Constant));
    if p.has("nperseg") {
        options = options.nperseg(p.usize("nperseg"));
    }
    if p.has("fs") {
        options = options.fs(Array::from(p.float("fs")));
    }
    if p.str("scaling") == "spectrum" {
        options = options.scaling(Scaling::Spectrum);
    }
    if p.str("average") == "median" { options.average(SpectrumAverage::Median) } else { options }
}

fn stft_options(p: &Params) -> StftOptions {
    let boundary = match p.str("boundary") {
        "even" => Boundary::Even,
        "odd" => Boundary::Odd,
        "constant" => Boundary::Constant,
        _ if p.names("boundary") => Boundary::None,
        _ => Boundary::Zeros,
    };
    let mut options = StftOptions::new()
        .nperseg(p.usize("nperseg"))
        .boundary(boundary)
        .padded(p.bool_or("padded", true))
        .return_onesided(p.bool_or("return_onesided", true))
        .detrend(trend(p, "detrend", Detrend::None));
    if p.has("noverlap") {
        options = options.noverlap(p.usize("noverlap"));
    }
    if p.has("nfft") {
        options = options.nfft(p.usize("nfft"));
    }
    if p.has("fs") { options.fs(Array::from(p.float("fs"))) } else { options }
}

fn istft_options(p: &Params) -> IstftOptions {
    let mut options = IstftOptions::new()
        .input_onesided(p.bool_or("input_onesided", true))
        .boundary(p.bool_or("boundary", true))
        .time_axis(p.int_or("time_axis", -1))
        .freq_axis(p.int_or("freq_axis", -2));
    if p.has("noverlap") {
        options = options.noverlap(p.usize("noverlap"));
    }
    if p.has("fs") { options.fs(Array::from(p.float("fs"))) } else { options }
}

fn grid_options(p: &Params) -> InterpolatorOptions {
    let nearest = p.str("method") == "nearest";
    let method = if nearest { InterpolationMethod::Nearest } else { InterpolationMethod::Linear };
    let options = InterpolatorOptions::new().method(method);
    match p.names("fill_value") {
        true if p.has("fill_value") => options.fill_value(p.float("fill_value")),
        given => options.extrapolate(given),
    }
}

pub const IMAGES: &[&[Row]] = &[
    segments!(segment_sum segment_sum_with segment_prod segment_prod_with segment_max segment_max_with segment_min
        segment_min_with),
    &[
        row!("image.resize", |x, p| match p.has("antialias") {
            true => image::resize_with(&x[0], p.usizes("shape"), method(p), resize_options(p)),
            false => image::resize(&x[0], p.usizes("shape"), method(p)),
        }),
        row!("image.scale_and_translate", |x, p| image::scale_and_translate_with(
            &x[0],
            p.usizes("shape"),
            p.ints("spatial_dims"),
            &x[1],
            &x[2],
            method(p),
            resize_options(p)
        )),
        row!("scipy.fft.dct", |x, p| fft::dct_with(&x[0], p.axis("axis"), dct_options(p))),
        row!("scipy.fft.idct", |x, p| fft::idct_with(&x[0], p.axis("axis"), dct_options(p))),
        row!("scipy.fft.dctn", |x, p| fft::dctn_with(&x[0], axes(p), dctn_options(p))),
        row!("scipy.fft.idctn", |x, p| fft::idctn_with(&x[0], axes(p), dctn_options(p))),
        row!("scipy.ndimage.map_coordinates", |x, p| {
            ndimage::map_coordinates_with(&x[0], &x[1..], p.usize("order"), coordinate_options(p))
        }),
        row!("scipy.signal.convolve", |x, p| signal::convolve_with(&x[0], &x[1], convolve_options(p))),
        row!("scipy.signal.correlate", |x, p| signal::correlate_with(&x[0], &x[1], convolve_options(p))),
        row!("scipy.signal.convolve2d", |x, p| {
            signal::convolve2d_with(&x[0], &x[1], Convolve2dOptions::new().mode(mode(p)))
        }),
        row!("scipy.signal.correlate2d", |x, p| {
            signal::correlate2d_with(&x[0], &x[1], Convolve2dOptions::new().mode(mode(p)))
        }),
        row!("scipy.signal.fftconvolve", |x, p| {
            signal::fftconvolve_with(&x[0], &x[1], axes(p), FftconvolveOptions::new().mode(mode(p)))
        }),
        row!("scipy.signal.detrend", |x, p| {
            let options = DetrendOptions::new().type_(trend(p, "type", Detrend::Linear));
            let options = if p.has("bp") { options.bp(p.ints("bp")) } else { options };
            signal::detrend_with(&x[0], last_axis(p), options)
        }),
        Row {
            name: "scipy.signal.stft",
            call: |x, p| {
                let (frequencies, times, out) = signal::stft_with(&x[0], last_axis(p), stft_options(p));
                vec![frequencies, times, out]
            },
        },
        Row {
            name: "scipy.signal.welch",
            call: |x, p| pair(signal::welch_with(&x[0], last_axis(p), welch_options(p))),
        },
        Row {
            name: "scipy.signal.csd",
            call: |x, p| pair(signal::csd_with(&x[0], &x[1], last_axis(p), welch_options(p))),
        },
        Row { name: "scipy.signal.istft", call: |x, p| pair(signal::istft_with(&x[0], istft_options(p))) },
        row!("scipy.interpolate.RegularGridInterpolator", |x, p| {
            RegularGridInterpolator::with(&x[2..], &x[0], grid_options(p)).at(&x[1])
        }),
        Row { name: "scipy.cluster.vq.vq", call: |x, _| pair(vq(&x[0], &x[1])) },
        row!("scipy.integrate.trapezoid", |x, _| integrate::trapezoid(&x[0], -1)),
    ],
];
