"""`jax.image`, `jax.ops`, `jax.scipy.fft`, `ndimage` and `signal`."""

import jax.numpy as jnp
import jax.image
import jax.ops
import jax.scipy.cluster.vq
import jax.scipy.fft
import jax.scipy.integrate
import jax.scipy.interpolate
import jax.scipy.ndimage
import jax.scipy.signal
from spec import arr, weak

F = "float32"
NAN = float("nan")
METHODS = "nearest linear lanczos3 lanczos5 cubic cubic-pytorch area".split()


def segments(name):
    return lambda x, ids, **p: getattr(jax.ops, name)(x, ids, **p)


def interpolated(values, xi, grid, **p):
    return jax.scipy.interpolate.RegularGridInterpolator(grid, values, **p)(xi)


ADAPTERS = {
    **{f"ops.{name}": segments(name) for name in "segment_sum segment_prod segment_max segment_min".split()},
    "image.scale_and_translate": lambda x, scale, by, shape, spatial_dims, **p: jax.image.scale_and_translate(x, shape, spatial_dims, scale, by, **p),
    "scipy.cluster.vq.vq": jax.scipy.cluster.vq.vq,
    "scipy.interpolate.RegularGridInterpolator": lambda values, xi, *grid, **p: interpolated(values, xi, grid, **p),
    "scipy.ndimage.map_coordinates": lambda x, *c, **p: jax.scipy.ndimage.map_coordinates(x, list(c), **p),
}


def build(f):
    segments_of(f)
    images(f)
    cosines(f)
    coordinates(f)
    signals(f)
    spectra(f)
    grids(f)


def segments_of(f):
    ids = arr("int32", [0, 2, 2, 5, -1, 0])
    for name in "segment_sum segment_prod segment_max segment_min".split():
        fn = f"ops.{name}"
        k = dict(abs=2e-6, grad_abs=4e-6)
        f.case(fn, (F, (6,)), ids, num_segments=4, grad=name != "segment_prod", **k)
        f.case(fn, (F, (6, 2)), ids, known=True, **k)
        f.case(fn, ("int32", (6,)), arr("int32", [0, 0, 1, 1, 2, 2]), num_segments=4, indices_are_sorted=True)
        f.case(fn, ("uint8", (6,)), ids, num_segments=3)
        f.case(fn, (F, (6,)), ids, num_segments=3, bucket_size=2, **k)
        f.case(fn, (F, (6,)), ids, num_segments=3, mode="clip", **k)
        f.case(fn, ("bfloat16", (4,)), arr("int32", [0, 1, 2, 3]), num_segments=4, unique_indices=True)
        f.case(fn, (F, (0,)), arr("int32", []), num_segments=2)
        f.case(fn, (F, (6,)), (F, (6,)), num_segments=3, error=True)
    f.case("ops.segment_prod", (F, (6,)), arr("int32", [0, 1, 2, 3, 4, 5]), num_segments=6, unique_indices=True, grad=True)


def images(f):
    k = dict(abs=1e-5, grad_abs=2e-5)
    for method in METHODS:
        for antialias in (True, False):
            f.case("image.resize", (F, (4, 6)), shape=[7, 3], method=method, antialias=antialias, grad=True, **k)
        f.case("image.resize", (F, (2, 4, 4, 3)), shape=[2, 2, 9, 3], method=method, **k)
        f.case("image.resize", ("int32", (4,)), shape=[6], method=method, **k)
        f.case("image.resize", ("bfloat16", (5,)), shape=[3], method=method, abs=3e-2)
        f.case("image.resize", (F, (3, 3)), shape=[3, 3], method=method)
        if method != "nearest":
            f.case("image.scale_and_translate", (F, (4, 5)), arr(F, [2.0, 0.5]), arr(F, [0.5, -0.25]), shape=[7, 3], spatial_dims=[0, 1], method=method, grad=True, **k)
            f.case("image.scale_and_translate", (F, (4, 5)), arr(F, [1.5]), arr(F, [1.0]), shape=[4, 6], spatial_dims=[1], method=method, antialias=False, **k)
    f.case("image.resize", (F, (3,)), shape=[0], method="linear")
    f.case("image.resize", (F, (3,)), shape=[2, 2], method="linear", error=True)
    f.case("image.scale_and_translate", (F, (4,)), arr(F, [1.5]), arr(F, [1.0]), shape=[4], spatial_dims=[0], method="nearest", error=True)
    f.case("image.resize", ("float64", (5,)), shape=[8], method="cubic", x64=True, grad=True, abs=1e-13, grad_abs=1e-13)


def cosines(f):
    k = dict(abs=2e-5, grad_abs=4e-5)
    for name in ("dct", "idct"):
        fn = f"scipy.fft.{name}"
        for norm in (None, "ortho"):
            f.case(fn, (F, (5,)), axis=-1, norm=norm, grad=True, **k)
            f.case(fn, (F, (4, 3)), axis=0, norm=norm, **k)
        f.case(fn, (F, (1,)), axis=0, **k)
        f.case(fn, (F, (4, 3)), axis=0, n=6, **k)
        f.case(fn, (F, (6,)), axis=0, n=4, **k)
        f.case(fn, ("complex64", (4,)), axis=0, **k)
        f.case(fn, ("int32", (4,)), axis=0, **{**k, "abs": 1e-4})
        f.case(fn, ("float64", (6,)), axis=0, x64=True, abs=1e-13, grad=True, grad_abs=1e-13)
        f.case(fn, (F, (4,)), axis=1, error=True)
        fn = f"scipy.fft.{name}n"
        for norm in (None, "ortho"):
            f.case(fn, (F, (4, 3)), axes=None, norm=norm, grad=True, **{**k, "abs": 5e-5})
        f.case(fn, (F, (4, 3, 2)), axes=[0, 2], **{**k, "abs": 5e-5})
        f.case(fn, (F, (2, 3, 4)), axes=None, **{**k, "abs": 1e-4})
        f.case(fn, (F, (4, 3)), axes=[1], **k)
        f.case(fn, (F, (4, 3)), axes=None, s=[2, 5], **{**k, "abs": 5e-5})
        f.case(fn, (F, (4, 3)), axes=None, s=[4], **k)
        f.case(fn, ("complex64", (2, 3)), axes=None, **{**k, "abs": 5e-5})


def coordinates(f):
    k = dict(abs=2e-6, grad_abs=4e-6)
    x = (F, (4, 3))
    at = arr(F, [[0.0, 0.5, 2.25], [-1.5, 3.75, 6.5]]), arr(F, [[0.5, 1.5, 1.0], [2.5, -0.5, 0.25]])
    for mode in "constant nearest wrap mirror reflect".split():
        for order in (0, 1):
            f.case("scipy.ndimage.map_coordinates", x, *at, order=order, mode=mode, grad=order == 1, **k)
    f.case("scipy.ndimage.map_coordinates", x, *at, order=1, mode="constant", cval=5.0, **k)
    f.case("scipy.ndimage.map_coordinates", ("int32", (5,)), arr(F, [0.5, 1.5, 7.0]), order=1, **k)
    f.case("scipy.ndimage.map_coordinates", ("int32", (5,)), arr("int32", [0, 3, 7]), order=0)
    f.case("scipy.ndimage.map_coordinates", x, weak(1.5), arr(F, [0.5, 1.0]), order=1, **k)
    f.case("scipy.ndimage.map_coordinates", x, at[0], order=1, error=True)
    f.case("scipy.ndimage.map_coordinates", x, *at, order=2, error=True)


def signals(f):
    k = dict(abs=1e-5, grad_abs=1e-5)
    x, y = (F, (5, 4)), (F, (3, 2))
    for name in ("convolve", "correlate"):
        fn = f"scipy.signal.{name}"
        for mode in ("full", "same", "valid"):
            f.case(fn, x, y, mode=mode, grad=mode == "same", **k)
            f.case(fn, y, x, mode=mode, method="fft", **k)
            f.case(fn + "2d", x, y, mode=mode, **k)
            f.case(fn + "2d", y, x, mode=mode, **k)
            f.case(fn + "2d", ("complex64", (3, 3)), ("complex64", (3, 3)), mode=mode, **k)
        f.case(fn, ("complex64", (4,)), ("complex64", (3,)), **k)
        f.case(fn, ("int32", (2, 2, 2)), ("int32", (1, 2, 1)), **{**k, "abs": 1e-4})
        f.case(fn, (F, (3, 2)), (F, (2, 3)), error=True)
        f.case(fn, (F, (3,)), (F, (2, 3)), error=True)
        f.case(fn, (F, (0,)), (F, (2,)), error=True)
        f.case(fn + "2d", (F, (3,)), (F, (3,)), error=True)
    for mode in ("full", "same", "valid"):
        f.case("scipy.signal.fftconvolve", x, y, mode=mode, grad=True, **k)
        f.case("scipy.signal.fftconvolve", ("complex64", (3,)), ("complex64", (5,)), mode=mode, **k)
        f.case("scipy.signal.fftconvolve", (F, (3, 5)), (F, (3, 2)), mode=mode, axes=[1], **k)
    f.case("scipy.signal.fftconvolve", (F, (1, 4)), (F, (3, 1)), **k)
    f.case("scipy.signal.fftconvolve", (F, (3, 5)), (F, (2, 2)), axes=[1], error=True)
    f.case("scipy.integrate.trapezoid", (F, (2, 5)), grad=True, **k)


def spectra(f):
    k = dict(abs=2e-5)
    x, y, batch = (F, (20,)), (F, (16,)), (F, (2, 20))
    fn = "scipy.signal.detrend"
    for type in ("constant", "linear"):
        f.case(fn, batch, axis=1, type=type, grad=True, grad_abs=2e-5, **k)
        f.case(fn, batch, axis=0, type=type, **k)
    f.case(fn, x, type="linear", bp=[7, 12], **k)
    f.case(fn, ("int32", (6,)), **k)
    f.case(fn, x, type="linear", bp=[30], error=True)
    fn = "scipy.signal.stft"
    f.case(fn, x, nperseg=8, **k)
    f.case(fn, batch, axis=0, nperseg=2, **k)
    f.case(fn, batch, axis=1, nperseg=6, noverlap=4, nfft=8, fs=2.0, detrend="constant", **k)
    f.case(fn, x, nperseg=8, return_onesided=False, **k)
    f.case(fn, ("complex64", (20,)), nperseg=5, **k)
    for boundary in ("even", "odd", "constant", None):
        f.case(fn, x, nperseg=8, boundary=boundary, padded=boundary is None, **k)
    f.case(fn, x, nperseg=8, noverlap=8, error=True)
    f.case(fn, x, nperseg=8, nfft=4, error=True)
    fn = "scipy.signal.welch"
    f.case(fn, x, nperseg=8, grad=True, grad_abs=2e-5, **k)
    f.case(fn, batch, axis=1, nperseg=7, scaling="spectrum", **k)
    f.case(fn, batch, axis=0, **k)
    f.case(fn, x, nperseg=6, average="median", detrend="linear", **k)
    f.case(fn, ("complex64", (20,)), nperseg=8, fs=10.0, **k)
    fn = "scipy.signal.csd"
    f.case(fn, x, y, nperseg=8, **k)
    f.case(fn, batch, batch, axis=1, nperseg=5, average="median", **k)
    f.case(fn, x, batch, nperseg=5, error=True)
    fn = "scipy.signal.istft"
    f.case(fn, ("complex64", (5, 6)), **k)
    f.case(fn, ("complex64", (2, 5, 6)), noverlap=6, fs=2.0, **k)
    f.case(fn, ("complex64", (6, 5)), time_axis=0, freq_axis=1, boundary=False, **k)
    f.case(fn, ("complex64", (6, 4)), input_onesided=False, **k)
    f.case(fn, ("complex64", (6,)), error=True)


def grids(f):
    k = dict(abs=4e-6, grad_abs=1e-5)
    fn = "scipy.interpolate.RegularGridInterpolator"
    a, b = arr(F, [0.0, 1.0, 3.0]), arr(F, [-1.0, 0.5])
    points = arr(F, [[0.5, 0.0], [3.0, 0.5], [2.5, -1.0], [4.0, 0.0]])
    for method in ("linear", "nearest"):
        f.case(fn, (F, (3, 2)), points, a, b, method=method, grad=method == "linear" and [0, 1], **k)
        f.case(fn, (F, (3, 2, 4)), points, a, b, method=method, fill_value=-7.0, **k)
        f.case(fn, (F, (3,)), arr(F, [0.25, -1.0, 2.0]), a, method=method, fill_value=None, **k)
    f.case(fn, ("int32", (3, 2)), arr(F, [[[0.5, 0.0]], [[1.0, 0.5]]]), a, b, **k)
    f.case(fn, (F, (3, 2)), (F, (4, 3)), a, b, error=True)
    fn = "scipy.cluster.vq.vq"
    f.case(fn, (F, (6, 3)), (F, (4, 3)), **k)
    f.case(fn, (F, (6,)), (F, (4,)), **k)
    f.case(fn, ("int32", (6, 2)), ("int32", (3, 2)), **k)
    f.case(fn, (F, (6, 3)), (F, (4,)), error=True)
    f.case(fn, (F, (6, 3)), (F, (4, 2)), error=True)
