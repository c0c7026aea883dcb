"""`jax.numpy`: histograms, differences, covariance, polynomials, bits, partitions, quantiles without nan, blocks, functions of functions."""

import jax.numpy as jnp
from spec import arr, weak

NAN, INF = float("nan"), float("inf")
F = "float32"


def given(names, x):
    """The arrays behind the operands, by the parameters that they are."""
    return dict(zip(names, x))


def histogram(f, count):
    def call(*x, arrays=(), **p):
        return f(*x[:count], **given(arrays, x[count:]), **p)
    return call


def histogramdd(sample, *x, arrays=(), **p):
    counts, edges = jnp.histogramdd(sample, **given(arrays, x), **p)
    return [counts, *edges]


def gradient(f, *spacing, **p):
    out = jnp.gradient(f, *spacing, **p)
    return out if isinstance(out, list) else [out]


def nested(shape, x):
    return [nested(s, x) for s in shape] if isinstance(shape, tuple) else x[shape]


FUNCTIONS = {
    "sum": lambda x: jnp.sum(x),
    "sort": lambda x: jnp.sort(x),
    "outer": lambda x: jnp.outer(x, x),
}
PIECES = {
    "square": lambda x: x * x,
    "half": lambda x: x * 0.5,
}

def polyfit(x, y, *w, **k):
    found = jnp.polyfit(x, y, w=w[0] if w else None, **k)
    # The last of all is the bound that singular values are compared with.
    return list(found[:4]) if isinstance(found, tuple) else found


def roots(p, **k):
    return jnp.sort(jnp.roots(p, **k))


ADAPTERS = {
    "numpy.polyfit": polyfit,
    "numpy.roots": roots,
    "numpy.histogram": histogram(jnp.histogram, 1),
    "numpy.histogram_bin_edges": histogram(jnp.histogram_bin_edges, 1),
    "numpy.histogram2d": histogram(jnp.histogram2d, 2),
    "numpy.histogramdd": histogramdd,
    "numpy.gradient": gradient,
    "numpy.unwrap": lambda p, *x, arrays=(), axis=-1: jnp.unwrap(p, axis=axis, **given(arrays, x)),
    "numpy.cov": lambda m, *x, arrays=(), **p: jnp.cov(m, **given(arrays, x), **p),
    "numpy.corrcoef": lambda m, *x, arrays=(), **p: jnp.corrcoef(m, **given(arrays, x), **p),
    "numpy.kaiser": lambda beta, M: jnp.kaiser(M, beta),
    "numpy.polyint": lambda p, *k, m=1: jnp.polyint(p, m, *k),
    "numpy.block": lambda *x, shape: jnp.block(nested(shape, x)),
    "numpy.apply_along_axis": lambda x, func, axis: jnp.apply_along_axis(FUNCTIONS[func], axis, x),
    "numpy.apply_over_axes": lambda x, axes, keepdims: jnp.apply_over_axes(lambda x, axis: jnp.sum(x, axis, keepdims=keepdims), x, axes),
    "numpy.fromfunction": lambda shape, **p: jnp.fromfunction(lambda *i: sum(i) * 2 if i else jnp.float32(3), shape, **p),
    "numpy.piecewise": lambda x, *conditions, pieces: jnp.piecewise(x, list(conditions), [PIECES.get(p, p) for p in pieces]),
    "numpy.nanquantile": lambda x, q, *w, **p: jnp.nanquantile(x, q, weights=w[0] if w else None, **p),
    "numpy.nanpercentile": lambda x, q, *w, **p: jnp.nanpercentile(x, q, weights=w[0] if w else None, **p),
}

def build(f):
    histograms(f)
    differences(f)
    covariances(f)
    polynomials(f)
    bits(f)
    quantiles(f)
    functions(f)
    small(f)
    fits(f)


def fits(f):
    for dtype, limit in ((F, 2e-3), ("float64", 1e-11)):
        x, k = (dtype, [0.5, 1.0, 2.0, 2.5, 4.0, 5.5]), dict(x64=dtype == "float64", abs=limit)
        y = (dtype, (6,))
        f.case("numpy.polyfit", x, y, deg=2, grad=True, grad_abs=10 * limit, **k)
        f.case("numpy.polyfit", x, (dtype, (6, 2)), deg=1, **k)
        f.case("numpy.polyfit", x, y, (dtype, [1.0, 2.0, 0.5, 1.0, 1.0, 3.0]), deg=1, **k)
        f.case("numpy.polyfit", x, y, deg=2, full=True, **k)
        f.case("numpy.polyfit", x, y, deg=1, cov=True, **k)
        f.case("numpy.polyfit", x, (dtype, (6, 2)), deg=1, cov="unscaled", **k)
        f.case("numpy.roots", (dtype, [1.0, -6.0, 11.0, -6.0]), known=True, **k)
        f.case("numpy.roots", (dtype, [0.0, 2.0, 1.0, 3.0, 0.0]), known=True, **k)
        f.case("numpy.roots", (dtype, [0.0, 2.0, 1.0, 3.0]), strip_zeros=False, **k)
    f.case("numpy.roots", ("int32", [1, 0, -4]), known=True, abs=1e-5)
    f.case("numpy.roots", ("complex64", [1.0, -4.0 + 1j, 5.0 + 1j]), known=True, abs=1e-5)
    f.case("numpy.roots", (F, [0.0, 0.0]), known=True)
    f.case("numpy.roots", (F, [1.0]))
    f.case("numpy.roots", (F, (2, 2)), error=True)
    f.case("numpy.polyfit", (F, (3,)), (F, (2,)), deg=1, error=True)
    f.case("numpy.polyfit", (F, (0,)), (F, (0,)), deg=1, error=True)
    f.case("numpy.polyfit", (F, (3,)), (F, (3,)), (F, (2,)), deg=1, error=True)
    f.case("numpy.polyfit", (F, (2,)), (F, (2,)), deg=1, cov=True, error=True)


def histograms(f):
    x = arr(F, [0.5, 1.0, 2.0, 2.5, 4.0, 4.0, -1.0, 3.0])
    weights = arr(F, [1.0, 2.0, 0.5, 1.0, 3.0, 1.0, 1.0, 2.0])
    for fn in ("numpy.histogram", "numpy.histogram_bin_edges"):
        f.case(fn, x, abs=1e-6)
        f.case(fn, x, bins=4, range=[0, 4], abs=1e-6)
        f.case(fn, x, arr(F, [0.0, 1.0, 2.5, 4.0]), arrays=["bins"])
        f.case(fn, arr("int32", [[3, 1], [7, 3]]), bins=3, abs=1e-6)
        f.case(fn, arr(F, [2.0, 2.0]), bins=2, abs=1e-6)
        f.case(fn, x, ("float32", (2, 2)), arrays=["bins"], error=True)
        f.case(fn, arr(F, []), bins=2, error=True)
    f.case("numpy.histogram", x, weights, arrays=["weights"], bins=4, abs=1e-6)
    f.case("numpy.histogram", x, weights, arrays=["weights"], bins=4, density=True, abs=1e-6)
    f.case("numpy.histogram", x, density=True, bins=3, abs=1e-6)
    f.case("numpy.histogram", x, (F, (3,)), arrays=["weights"], error=True)
    y = arr(F, [1.0, 2.0, 2.0, 0.0, 0.5, 3.0, 1.0, 0.25])
    f.case("numpy.histogram2d", x, y, abs=1e-6)
    f.case("numpy.histogram2d", x, y, bins=[2, 3], density=True, abs=1e-6)
    f.case("numpy.histogram2d", x, y, weights, arrays=["weights"], bins=3, range=[[0, 3], [0, 2]], abs=1e-6)
    f.case("numpy.histogram2d", x, (F, (3,)), error=True)
    sample = (F, (9, 3))
    f.case("numpy.histogramdd", sample, bins=2, abs=1e-6)
    f.case("numpy.histogramdd", sample, bins=[2, 1, 3], range=[[-1, 1], None, [0, 1]], density=True, abs=1e-6)
    f.case("numpy.histogramdd", sample, (F, (9,)), arrays=["weights"], bins=2, abs=1e-6)
    f.case("numpy.histogramdd", ("int32", (5, 1)), bins=3, abs=1e-6)
    f.case("numpy.histogramdd", sample, bins=[2, 2], error=True)
    f.case("numpy.histogramdd", (F, (9,)), error=True)


def differences(f):
    k = dict(abs=1e-5, grad_abs=1e-5)
    f.case("numpy.gradient", (F, (5,)), grad=True, **k)
    f.case("numpy.gradient", (F, (3, 4)), grad=True, **k)
    f.case("numpy.gradient", (F, (3, 4)), axis=1, **k)
    f.case("numpy.gradient", (F, (3, 4)), axis=[-1, 0], **k)
    f.case("numpy.gradient", (F, (5,)), weak(0.5), grad=[0], **k)
    f.case("numpy.gradient", (F, (5,)), arr(F, [0.0, 1.0, 3.0, 3.5, 5.0]), grad=True, **k)
    f.case("numpy.gradient", (F, (3, 4)), weak(2.0), arr(F, [0.0, 1.0, 3.0, 3.5]), **k)
    f.case("numpy.gradient", ("int32", (4,)), **k)
    f.case("numpy.gradient", ("bfloat16", (2,)), abs=0.1)
    f.case("numpy.gradient", (F, (1,)), error=True)
    f.case("numpy.gradient", (F, (3, 4)), weak(1.0), weak(1.0), weak(1.0), error=True)
    f.case("numpy.gradient", (F, (4,)), (F, (3,)), error=True)
    angles = arr(F, [0.0, 1.0, 5.0, 6.0, 0.5, -3.0, 3.0])
    f.case("numpy.unwrap", angles, grad=True, abs=2e-6)
    f.case("numpy.unwrap", (F, (2, 4)), axis=0, abs=2e-6)
    f.case("numpy.unwrap", arr("int32", [10, 11, 0, 6, 0, 1]), weak(12), arrays=["period"])
    f.case("numpy.unwrap", arr("int32", [0, 3, 7, 1]), weak(5), arrays=["period"])
    f.case("numpy.unwrap", angles, weak(5.5), arrays=["discont"], abs=2e-6)
    f.case("numpy.unwrap", (F, (0,)))
    f.case("numpy.unwrap", ("complex64", (3,)), error=True)


def covariances(f):
    k = dict(abs=4e-6, grad_abs=1e-5)
    x = (F, (3, 5))
    for fn in ("numpy.cov", "numpy.corrcoef"):
        f.case(fn, x, grad=True, **k)
        f.case(fn, x, rowvar=False, **k)
        f.case(fn, (F, (4,)), **k)
        f.case(fn, (F, (4,)), (F, (4,)), arrays=["y"], **k)
        f.case(fn, x, (F, (2, 5)), arrays=["y"], **k)
        f.case(fn, (F, (5, 3)), (F, (5, 2)), arrays=["y"], rowvar=False, **k)
        f.case(fn, ("complex64", (2, 4)), **k)
        f.case(fn, ("int32", (2, 4)), **{**k, "abs": 2e-5})
        f.case(fn, x, dtype="float16", abs=4e-3)
        f.case(fn, x, dtype="int32", error=True)
        f.case(fn, (F, (2, 2, 2)), error=True)
    times, weights = arr("int32", [1, 2, 1, 3, 1]), arr(F, [0.5, 1.0, 2.0, 1.0, 0.25])
    f.case("numpy.cov", x, bias=True, **k)
    f.case("numpy.cov", x, ddof=3, **k)
    f.case("numpy.cov", x, times, arrays=["fweights"], **k)
    f.case("numpy.cov", x, weights, arrays=["aweights"], grad=True, **k)
    f.case("numpy.cov", x, times, weights, arrays=["fweights", "aweights"], **k)
    f.case("numpy.cov", x, weights, arrays=["aweights"], bias=True, **k)
    f.case("numpy.cov", (F, (2, 0)))
    f.case("numpy.cov", (F, (0, 2)))
    f.case("numpy.cov", x, arr("int32", [1, 2]), arrays=["fweights"], error=True)
    f.case("numpy.cov", x, weights, arrays=["fweights"], error=True)


def polynomials(f):
    k = dict(abs=2e-6, grad_abs=4e-6)
    p, q = (F, (4,)), (F, (2,))
    for name in ("polyadd", "polysub", "polymul", "polydiv"):
        fn = f"numpy.{name}"
        f.case(fn, p, q, **{**k, **(dict(abs=2e-4) if name == "polydiv" else {})})
        f.case(fn, q, p, **k)
        f.case(fn, arr("int32", [1, 2, 3]), arr("int32", [4, 5]), **k)
        f.case(fn, p, arr("bfloat16", [1.0]), **k)
    f.case("numpy.polyadd", p, p, grad=True)
    f.case("numpy.polymul", p, q, grad=True, **k)
    f.case("numpy.polymul", arr(F, []), q, **k)
    f.case("numpy.polymul", arr(F, [0.0, 0.0, 1.0]), arr(F, [0.0, 2.0]), trim_leading_zeros=True, known=True)
    f.case("numpy.polydiv", arr(F, [2.0, 5.0, 2.0]), arr(F, [2.0, 1.0]), trim_leading_zeros=True, known=True)
    f.case("numpy.polydiv", arr(F, [2.0, 5.0, 3.0]), arr(F, [2.0, 1.0]), trim_leading_zeros=True, known=True)
    for m in (0, 1, 2):
        f.case("numpy.polyder", p, m=m, grad=m == 2, **k)
        f.case("numpy.polyint", p, m=m, grad=m == 2, **k)
    f.case("numpy.polyder", arr("int32", [1, 2, 3]), **k)
    f.case("numpy.polyder", arr(F, [1.0]), m=1)
    f.case("numpy.polyder", p, m=5, error=None)
    f.case("numpy.polyint", p, arr(F, [7.0, 8.0]), m=2, **k)
    f.case("numpy.polyint", p, weak(3), m=3, **k)
    f.case("numpy.polyint", p, arr(F, [7.0, 8.0]), m=3, error=True)
    f.case("numpy.poly", (F, (3,)), grad=True, **k)
    f.case("numpy.poly", arr("int32", [1, -2]), **k)
    f.case("numpy.poly", ("complex64", (2,)), **k)
    f.case("numpy.poly", arr(F, []))
    f.case("numpy.poly", arr(F, 2.0), **k)
    for mode in ("valid", "same", "full"):
        f.case("numpy.correlate", (F, (5,)), (F, (3,)), mode=mode, grad=mode == "same", **k)
        f.case("numpy.correlate", ("complex64", (2,)), ("complex64", (4,)), mode=mode, abs=4e-6)
    f.case("numpy.correlate", ("int32", (4,)), ("int32", (2,)), abs=1e-5)
    f.case("numpy.correlate", ("int32", (4,)), ("int32", (2,)), preferred_element_type="int32")
    f.case("numpy.correlate", (F, (0,)), (F, (2,)), error=True)
    f.case("numpy.correlate", (F, (2, 2)), (F, (2,)), error=True)


def bits(f):
    for order in ("big", "little"):
        f.case("numpy.packbits", ("bool", (11,)), bitorder=order)
        f.case("numpy.packbits", ("int32", (3, 9)), axis=1, bitorder=order)
        f.case("numpy.unpackbits", arr("uint8", [5, 255, 128]), bitorder=order)
        f.case("numpy.unpackbits", arr("uint8", [[5, 1], [7, 64]]), axis=0, bitorder=order)
    f.case("numpy.packbits", ("int32", (3, 4)))
    f.case("numpy.packbits", ("bool", (0,)))
    f.case("numpy.packbits", (F, (3,)), error=True)
    f.case("numpy.unpackbits", arr("uint8", [5, 255]), count=11)
    f.case("numpy.unpackbits", arr("uint8", [[5, 255]]), axis=1, count=20)
    f.case("numpy.unpackbits", arr("int32", [5]), error=True)
    for fn in ("numpy.partition", "numpy.argpartition"):
        for dtype in (F, "int32", "uint8", "bfloat16"):
            f.case(fn, (dtype, (7,)), kth=3)
        f.case(fn, (F, (3, 4)), kth=-2, axis=1)
        f.case(fn, (F, (3, 4)), kth=0, axis=0)
        f.case(fn, (F, (2, 3, 4)), kth=1, axis=1)
        f.case(fn, (F, (4,)), kth=4, error=True)
        f.case(fn, ("complex64", (4,)), kth=1, error=True)
    f.case("numpy.partition", (F, (5,)), kth=2, grad=True)
    for dtype in (F, "int32", "complex64", "bool"):
        f.case("numpy.sort_complex", (dtype, (5,)))
    f.case("numpy.sort_complex", ("float64", (2, 3)), x64=True)
    f.case("numpy.sort_complex", arr(F, 2.0), error=None)


def quantiles(f):
    x = arr(F, [[1.0, NAN, 3.0, 7.0], [NAN, NAN, NAN, NAN], [2.0, 5.0, -1.0, NAN]])
    weights = arr(F, [[1.0, 3.0, 2.0, 0.5]] * 3)
    for fn, q in (("numpy.nanquantile", [0.1, 0.75]), ("numpy.nanpercentile", [10.0, 75.0])):
        for method in ("linear", "lower", "higher", "midpoint", "nearest", "inverted_cdf"):
            f.case(fn, x, arr(F, q), axis=1, method=method, abs=2e-6)
        f.case(fn, x, arr(F, q[0]), abs=2e-6)
        f.case(fn, x, arr(F, q), axis=0, keepdims=True, abs=2e-6)
        f.case(fn, x, arr(F, q), weights, axis=1, method="inverted_cdf")
        f.case(fn, (F, (3, 4)), arr(F, q), axis=[0, 1], grad=[0], abs=2e-6)
        f.case(fn, ("int32", (5,)), arr(F, q[1]), abs=2e-6)
        f.case(fn, ("complex64", (5,)), arr(F, q[1]), error=True)
    f.case("numpy.nanmedian", x, axis=1)
    f.case("numpy.nanmedian", x)
    f.case("numpy.nanmedian", x, axis=0, keepdims=True)
    f.case("numpy.nanmedian", (F, (6,)), grad=True)
    for name in ("cumulative_sum", "cumulative_prod"):
        fn = f"numpy.{name}"
        f.case(fn, (F, (4,)), grad=True, abs=2e-6, grad_abs=4e-6)
        f.case(fn, (F, (3, 4)), axis=1, include_initial=True, grad=True, abs=4e-6, grad_abs=4e-6)
        f.case(fn, ("uint8", (3,)), include_initial=True)
        f.case(fn, ("bool", (3,)), axis=0)
        f.case(fn, ("int32", (3,)), dtype=F)
        f.case(fn, ("int32", (3, 2)), error=True)
        f.case(fn, ("int32", ()), error=True)


def functions(f):
    for func in FUNCTIONS:
        for axis in (0, 1, -1):
            f.case("numpy.apply_along_axis", (F, (2, 3, 4)), func=func, axis=axis, abs=2e-6, grad=axis == 1, grad_abs=4e-6)
    f.case("numpy.apply_along_axis", (F, (3,)), func="sum", axis=0, abs=2e-6)
    f.case("numpy.apply_along_axis", (F, (3,)), func="sum", axis=1, error=True)
    for keepdims in (False, True):
        f.case("numpy.apply_over_axes", (F, (2, 3, 4)), axes=[0, 2], keepdims=keepdims, abs=4e-6)
    f.case("numpy.fromfunction", shape=[2, 3])
    f.case("numpy.fromfunction", shape=[4], dtype="int32")
    f.case("numpy.fromfunction", shape=[])
    x = arr(F, [[-4.0, -1.0], [0.5, 3.0]])
    first, second = arr("bool", [[True, False], [False, True]]), arr("bool", [[True, True], [False, False]])
    f.case("numpy.piecewise", x, first, second, pieces=["square", "half", 7], grad=True)
    f.case("numpy.piecewise", x, first, second, pieces=[2, "square"])
    f.case("numpy.piecewise", arr("int32", [1, 5]), arr("bool", [True, False]), pieces=[2.5, "half"])
    f.case("numpy.piecewise", arr(F, 3.0), arr("bool", True), pieces=["square"])
    f.case("numpy.piecewise", x, first, pieces=["square", "half", 7], error=True)


def small(f):
    for shape, arrays in (([0, 1], [(F, (2,)), (F, (3,))]), ([[0, 1], [2, 3]], [(F, (2, 2)), (F, (2, 1)), ("int32", (1, 2)), (F, (1, 1))]),
                          ([[0, 1]], [(F, ()), (F, ())]), (0, [(F, (2,))]), ([[[0], [1]]], [(F, (2,)), (F, (2,))])):
        f.case("numpy.block", *arrays, shape=shape, grad=len(arrays) == 4 and [0, 1, 3])
    f.case("numpy.block", (F, (2,)), (F, (2,)), shape=[0, [1]], error=True)
    f.case("numpy.block", (F, (2,)), (F, (3,)), shape=[[0], [1]], error=True)
    for m in (0, 1, 2, 5):
        f.case("numpy.kaiser", weak(3.5), M=m, ulp=8)
    f.case("numpy.kaiser", arr("float64", 14.0), M=6, x64=True, ulp=16)
    for fn in ("numpy.iscomplex", "numpy.isreal"):
        f.case(fn, arr("complex64", [1, 1j, complex(NAN, 0), complex(0, NAN)]))
        f.case(fn, arr(F, [1.0, NAN]))
        f.case(fn, ("int32", (2,)))
    f.case("numpy.copy", (F, (2, 3)), grad=True)
    f.case("numpy.copy", weak(2.0))
    f.case("numpy.empty_like", (F, (2, 3)))
    f.case("numpy.empty_like", (F, (2, 3)), dtype="int8", shape=[4])
    f.case("numpy.dsplit", (F, (2, 2, 6)), indices_or_sections=3)
    f.case("numpy.dsplit", (F, (2, 2, 6)), indices_or_sections=[1, 4])
    f.case("numpy.dsplit", (F, (2, 2)), indices_or_sections=2, error=True)
    f.case("numpy.pow", (F, (3,)), arr("int32", [2, 0, 3]), ulp=4)
    f.case("numpy.pow", ("int32", (3,)), arr("int32", [2, 0, 3]))
