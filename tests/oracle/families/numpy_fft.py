"""`jax.numpy.fft`."""

import jax.numpy as jnp
from spec import arr

# Sums of as many terms as there are elements, in the order of the two builds' own algorithms.
LIMIT = dict(abs=1e-5, grad_abs=1e-5)
ONE = "fft ifft rfft irfft hfft ihfft".split()
SEVERAL = "fftn ifftn rfftn irfftn".split()
TWO = "fft2 ifft2 rfft2 irfft2".split()


def dtype_of(name):
    return "float32" if name.startswith(("rfft", "ihfft")) else "complex64"


def frequencies(f):
    return lambda *d, n, **p: f(n, *d, **p)


ADAPTERS = {
    "numpy.fft.fftfreq": frequencies(jnp.fft.fftfreq),
    "numpy.fft.rfftfreq": frequencies(jnp.fft.rfftfreq),
}


def build(f):
    for name in ONE:
        fn, dtype = f"numpy.fft.{name}", dtype_of(name)
        f.case(fn, (dtype, (5,)), axis=-1, grad=True, **LIMIT)
        f.case(fn, (dtype, (4, 3)), axis=0, grad=True, **LIMIT)
        f.case(fn, (dtype, (2, 4)), axis=1, n=3, grad=True, **LIMIT)
        f.case(fn, (dtype, (2, 4)), axis=1, n=6, norm="ortho", grad=True, **LIMIT)
        f.case(fn, (dtype, (6,)), axis=0, norm="forward", **LIMIT)
        f.case(fn, (dtype, (6,)), axis=0, norm="ortho", **LIMIT)
        f.case(fn, ("int32", (4,)), axis=-1, **LIMIT)
        f.case(fn, ("float32", (2, 3)), axis=-1, **LIMIT)
        f.case(fn, ("float64" if dtype == "float32" else "complex128", (5,)), axis=0, x64=True, grad=True, abs=1e-14, grad_abs=1e-14, norm="ortho")
        f.case(fn, (dtype, (4,)), axis=1, error=True)
        f.case(fn, (dtype, (4,)), axis=0, n=0, error=True)
        f.case(fn, (dtype, (0, 3)), axis=1, error=None, **LIMIT)
    f.case("numpy.fft.rfft", ("complex64", (4,)), axis=0, error=True)
    f.case("numpy.fft.fft", ("bool", (4,)), axis=0, **LIMIT)
    f.case("numpy.fft.rfft", ("bfloat16", (4,)), axis=0, error=None, **LIMIT)
    for name in SEVERAL:
        fn, dtype = f"numpy.fft.{name}", dtype_of(name)
        f.case(fn, (dtype, (2, 3)), axes=None, grad=True, **LIMIT)
        f.case(fn, (dtype, (4, 3, 2)), axes=[2, 0], grad=True, **LIMIT)
        f.case(fn, (dtype, (4, 3)), axes=None, s=[2], norm="forward", **LIMIT)
        f.case(fn, (dtype, (4, 3)), axes=[1, 0], s=[4, 5], norm="ortho", grad=True, **LIMIT)
        f.case(fn, (dtype, (2, 3, 2, 3)), axes=None, grad=True, **LIMIT)
        f.case(fn, (dtype, (2, 2, 2, 3, 2)), axes=[0, 1, 2, 3, 4], **LIMIT)
        f.case(fn, (dtype, (4, 3)), axes=[0, 0], error=True)
        f.case(fn, (dtype, (4, 3)), axes=[0, 1], s=[4], error=True)
        f.case(fn, (dtype, (4, 3)), axes=[0], s=[0], error=True)
        f.case(fn, (dtype, (4,)), axes=None, s=[2, 2], error=None)
    for name in TWO:
        fn, dtype = f"numpy.fft.{name}", dtype_of(name)
        f.case(fn, (dtype, (2, 3, 4)), axes=[-2, -1], grad=True, **LIMIT)
        f.case(fn, (dtype, (2, 3, 4)), axes=[0, 2], s=[3, 2], norm="ortho", **LIMIT)
        f.case(fn, (dtype, (2, 3, 4)), axes=[0], error=True)
    for fn in ("numpy.fft.fftshift", "numpy.fft.ifftshift"):
        f.case(fn, ("float32", (5,)), axes=None, grad=True)
        f.case(fn, ("int32", (4, 3)), axes=None)
        f.case(fn, ("float32", (4, 3)), axes=[-1])
        f.case(fn, ("float32", (4, 3, 5)), axes=[2, 0])
        f.case(fn, ("float32", (0, 3)), axes=None)
        f.case(fn, ("float32", ()), axes=None)
        f.case(fn, ("float32", (3,)), axes=[1], error=True)
    for fn in ("numpy.fft.fftfreq", "numpy.fft.rfftfreq"):
        for n in (1, 2, 5, 8):
            f.case(fn, n=n)
        f.case(fn, arr("float32", 0.1), n=6)
        # JAX's XLA divides by multiplying with the inverse.
        f.case(fn, arr("float64", 0.1), n=6, x64=True, ulp=1)
        f.case(fn, n=6, dtype="float16")
