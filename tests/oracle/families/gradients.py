"""Derivatives of functions whose other cases have none, in `jax.lax`, `jax.numpy` and `jax.nn`."""

from families import union
from families.lax_elementwise import INEXACT
from spec import arr

ADAPTERS = union("ADAPTERS")
ULP = union("ULP")

F = "float32"
NAN = float("nan")


def build(f):
    def case(fn, *args, **k):
        k.setdefault("grad", True)
        k.setdefault("abs", 2e-6)
        k.setdefault("grad_abs", 4e-6)
        f.case(fn, *args, **k)

    elementwise(case)
    reductions(case)
    shapes(case)
    contractions(case)
    places(case)
    for_lax(case)
    complexes(case)


def elementwise(case):
    points = arr(F, [[0.5, -0.25, 0.75], [-0.125, 0.3, 0.9]])
    for name in """arccos arctanh angle cbrt ceil conjugate fabs floor negative positive rint sign trunc nan_to_num real imag
            rad2deg""".split():
        case(f"numpy.{name}", points)
        case(f"numpy.{name}", arr("float64", [0.5, -0.25, 0.75]), x64=True, abs=1e-15, grad_abs=1e-14)
    case("numpy.arccosh", arr(F, [1.5, 2.0, 3.0]))
    case("numpy.nan_to_num", arr(F, [1.0, NAN, float("inf"), -float("inf")]))
    for name in ("around", "round"):
        case(f"numpy.{name}", points, decimals=1)
    for name in "copysign float_power fmax fmin fmod floor_divide heaviside logaddexp2 divmod remainder".split():
        case(f"numpy.{name}", arr(F, [[0.5, 2.25], [3.75, 1.5]]), arr(F, [0.75, 2.0]))
    for name in ("fmax", "fmin", "maximum", "minimum"):
        case(f"numpy.{name}", arr(F, [1.0, NAN, 3.0, 4.0, NAN]), arr(F, [1.0, 2.0, NAN, 5.0, NAN]))
    case("numpy.copysign", arr(F, [1.0, -2.0, 0.0]), arr(F, [-1.0, 2.0, -0.0]))
    case("numpy.modf", arr(F, [1.25, -2.5]), error=None)
    case("numpy.select", ("bool", (4,)), ("bool", (4,)), (F, (4,)), (F, (4,)), arr(F, 2.0))


def reductions(case):
    some = arr(F, [[1.0, NAN, 3.0], [2.0, -0.5, 1.5]])
    for name in "nanmax nanmin nanmean nanprod nanstd nansum nanvar nancumsum nancumprod".split():
        case(f"numpy.{name}", some, axis=1)
    case("numpy.nansum", some, axis=None)
    case("numpy.ptp", (F, (2, 3)), axis=1)
    case("numpy.cumsum", (F, (2, 3)), axis=1)
    for name in ("std", "var"):
        case(f"numpy.{name}", (F, (2, 4)), axis=1, ddof=1)
    case("numpy.average", (F, (2, 3)), arr(F, [1.0, 2.0, 3.0]), axis=1)
    case("numpy.trapezoid", (F, (2, 5)), arr(F, 0.5), axis=-1)
    case("numpy.min", arr(F, [1.0, 1.0, 2.0]), axis=0)
    case("numpy.prod", arr(F, [2.0, 0.0, 3.0]), axis=0)
    case("numpy.linalg.norm", (F, (2, 3)), axis=1)


def shapes(case):
    x = (F, (2, 3))
    for name, params in [("array_split", dict(sections=2, axis=1)), ("astype", dict(dtype="bfloat16")), ("atleast_1d", {}),
                         ("atleast_2d", {}), ("atleast_3d", {}), ("diagonal", dict(offset=1, axis1=0, axis2=1)),
                         ("expand_dims", dict(axis=[0, -1])), ("flip", dict(axis=None)), ("full", dict(shape=[2, 2, 3])),
                         ("moveaxis", dict(source=[0], destination=[-1])), ("permute_dims", dict(axes=[1, 0])), ("ravel", {}),
                         ("rot90", dict(k=1)), ("split", dict(sections=[1], axis=1)), ("transpose", {}), ("triu", dict(k=1)),
                         ("trace", dict(offset=0)), ("zeros_like", {}), ("ones_like", {}),
                         ("pad", dict(pad_width=[[1, 2], [3, 1]], mode="reflect")),
                         ("pad", dict(pad_width=[[1, 2], [3, 1]], mode="edge"))]:
        case(f"numpy.{name}", x, **params)
    case("numpy.squeeze", (F, (1, 3, 1)), axis=None)
    case("numpy.atleast_1d", (F, ()))
    case("numpy.append", x, (F, (2,)), axis=None)
    case("numpy.broadcast_arrays", (F, (3,)), (F, (2, 1)))
    for name in ("vstack", "hstack", "dstack", "column_stack"):
        case(f"numpy.{name}", (F, (3,)), (F, (3,)))
    case("numpy.meshgrid", (F, (2,)), (F, (3,)), indexing="xy")
    case("numpy.linspace", arr(F, 1.0), arr(F, 3.0), num=4)
    case("numpy.logspace", arr(F, 0.0), arr(F, 1.0), arr(F, 3.0), num=3, abs=1e-5, grad_abs=2e-5)
    case("numpy.geomspace", arr(F, 1.0), arr(F, 8.0), num=4, abs=1e-5, grad_abs=2e-5)


def contractions(case):
    for name, a, b in [("cross", (2, 3), (3,)), ("inner", (2, 3), (4, 3)), ("kron", (2, 3), (2, 2)), ("outer", (3,), (2,)),
                       ("vecdot", (2, 3), (3,)), ("vdot", (3,), (3,)), ("polyval", (3,), (2,))]:
        case(f"numpy.{name}", (F, a), (F, b))
    case("numpy.tensordot", (F, (2, 3, 4)), (F, (3, 4, 2)), axes=2)
    case("numpy.tensordot", (F, (2, 3, 4)), (F, (4, 2)), axes=[[2, 0], [0, 1]])
    case("numpy.linalg.matrix_power", (F, (3, 3)), n=3, abs=2e-5, grad_abs=5e-5)
    case("numpy.vander", arr(F, [0.5, 1.5, -2.0]), N=3, increasing=False)
    for mode in ("full", "same", "valid"):
        case("numpy.convolve", (F, (5,)), (F, (3,)), mode=mode)


def places(case):
    case("numpy.interp", arr(F, [0.5, 1.5, 9.0, 2.75]), arr(F, [1.0, 2.0, 3.0]), arr(F, [3.0, 2.0, 7.0]))
    case("numpy.median", (F, (3, 4)), axis=1)
    case("numpy.median", (F, (5,)), axis=None)
    for method in ("linear", "lower", "midpoint"):
        case("numpy.quantile", (F, (3, 5)), arr(F, 0.3), axis=1, method=method)
    case("numpy.percentile", (F, (7,)), arr(F, 40.0))
    for name in ("at_min", "at_max", "at_subtract"):
        case(f"numpy.{name}", (F, (3, 4)), (F, (4,)), index=[1], error=None)
    case("numpy.sort", arr(F, [2.0, 1.0, 1.0, 3.0]), axis=0)
    case("numpy.take", (F, (3, 4)), arr("int32", [[0, 2], [-1, 1]]), axis=None)
    case("numpy.index", (F, (3, 4)), index=[{"slice": [None, None, -1]}, 1])
    case("nn.one_hot", arr(F, [0.0, 2.0]), num_classes=4)


def for_lax(case):
    x = (F, (2, 3))
    case("lax.expand_dims", x, dimensions=[0, 2])
    case("lax.squeeze", (F, (1, 3, 1)), dimensions=[0, 2])
    case("lax.full", (F, ()), shape=[2, 3])
    case("lax.full_like", x, fill_value=3)
    case("lax.reduce_min", x, axes=[0])
    case("lax.reduce_min", arr(F, [[1.0, 1.0, 3.0]]), axes=[1])
    case("lax.betainc", arr(F, [0.5, 2.0]), arr(F, [2.0, 1.5]), arr(F, [0.3, 0.6]), grad=[2])
    case("lax.reduce_max", arr(F, [[1.0, 3.0, 3.0]]), axes=[1])


def complexes(case):
    C = "complex64"
    for name in "neg sign abs square".split() + [name for name in INEXACT if name != "cbrt"]:
        case(f"lax.{name}", arr(C, [0.5 + 0.25j, -0.75 + 1.5j]), abs=4e-6, grad_abs=2e-5)
    for name in "add sub mul div pow".split():
        case(f"lax.{name}", arr(C, [0.5 + 0.25j, -0.75 + 1.5j]), arr(C, [1.5 - 0.5j, 0.25 + 2j]), abs=1e-5, grad_abs=2e-5)
    for name in ("real", "imag", "conj"):
        case(f"lax.{name}", (C, (3,)))
    for name in "sum mean prod var std cumsum cumprod linalg.norm".split():
        case(f"numpy.{name}", (C, (4,)), axis=0, abs=1e-5, grad_abs=2e-5)
    case("lax.complex", (F, (3,)), (F, (3,)))
    case("numpy.matmul", (C, (2, 3)), (C, (3, 2)), abs=4e-6, grad_abs=8e-6)
    case("numpy.angle", arr(C, [0.5 + 0.25j, -0.75 + 1.5j]))
    case("numpy.where", ("bool", (3,)), (C, (3,)), (F, (3,)))
    # Its one element is written once, so that JAX knows the indices to be unique.
    case("numpy.at_multiply", (F, (3, 4)), (F, (4,)), index=[1])
    case("numpy.ldexp", arr(F, [0.5, 1.5, -3.0]), arr("int32", [3, -2, 10]))
