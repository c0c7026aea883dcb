"""`jax.numpy`: reductions, running reductions."""

import jax
import jax.numpy as jnp
from spec import REALS, arr, weak

NAN = float("nan")
INEXACT = "sum mean var std prod nansum nanmean nanvar nanstd nanprod".split()
ORDER = "max min ptp nanmax nanmin argmax argmin".split()
TRUTH = "all any count_nonzero".split()
RUNNING = "cumsum cumprod nancumsum nancumprod".split()

# Sums depend on the order in which XLA adds.
ULP = {f"numpy.{name}": 4 for name in INEXACT + RUNNING + ["average", "linalg.norm", "trapezoid"]}
ULP |= {"numpy.var": 8, "numpy.std": 8, "numpy.nanvar": 8, "numpy.nanstd": 8}

ORD = {"inf": jnp.inf, "-inf": -jnp.inf}


def reduction(name):
    """The arrays behind the first are a mask and an initial value, if the parameters say so."""
    def call(x, *arrays, where=False, initial=False, mean=False, **params):
        arrays = list(arrays)
        for option, given in (("where", where), ("initial", initial), ("mean", mean)):
            if given:
                params[option] = arrays.pop(0)
        return getattr(jnp, name)(x, **params)
    return call


ADAPTERS = {
    **{f"numpy.{name}": reduction(name) for name in INEXACT + ORDER + TRUTH},
    "numpy.average": lambda x, *w, axis, **p: jnp.average(x, axis=axis, weights=w[0] if w else None, **p),
    "numpy.linalg.norm": lambda x, axis, ord=None, keepdims=False: jnp.linalg.norm(x, ORD.get(ord, ord), axis, keepdims),
    "numpy.trapezoid": lambda y, d, axis, x=False: jnp.trapezoid(y, **({"x": d} if x else {"dx": d}), axis=axis),
}


def build(f):
    for name in INEXACT + ORDER + TRUTH:
        fn = f"numpy.{name}"
        single = name.startswith("arg")
        for dtype in REALS + ["bool"]:
            f.case(fn, (dtype, (2, 3)), axis=None, abs=1e-6, error=None)
        for axis in (0, -1) + (() if single else ([0, 1], [0, -1], [])):
            f.case(fn, ("float32", (2, 3, 2)), axis=axis, abs=1e-6)
            f.case(fn, ("float32", (2, 3, 2)), axis=axis, keepdims=True, abs=1e-6)
        f.case(fn, ("float32", (3, 1)), axis=None, keepdims=True, abs=1e-6)
        f.case(fn, ("float32", (0, 3)), axis=0, error=None)
        f.case(fn, ("float32", (0, 3)), axis=1, error=None)
        f.case(fn, ("float32", (0,)), axis=None, error=None)
        f.case(fn, ("float32", ()), axis=None)
        f.case(fn, ("float32", (2, 3)), axis=2, error=True)
        if not single:
            f.case(fn, ("float32", (2, 3)), axis=[0, 0], error=True)
        f.case(fn, weak(2.5, (3,)), axis=None)
        f.case(fn, weak(2, (3,)), axis=0)
        f.case(fn, arr("float32", [[1.0, NAN, 3.0], [NAN, NAN, NAN]]), axis=1)
        f.case(fn, arr("bfloat16", [[1.0, NAN, 3.0], [0.0, -0.0, float("inf")]]), axis=None)
        f.case(fn, ("complex64", (2, 3)), axis=0, error=None, abs=2e-6)
        f.case(fn, ("float64", (2, 3)), axis=0, x64=True, abs=1e-12)
        f.case(fn, ("int8", (4,)), axis=0, x64=True, abs=1e-12)
        f.case(fn, ("bfloat16", (300,)), axis=0, abs=1e-6)
    for name in "sum mean var std prod max min".split():
        f.case(f"numpy.{name}", ("float32", (2, 3)), axis=None, grad=True, grad_ulp=16, abs=1e-6)
        f.case(f"numpy.{name}", ("float32", (2, 3)), axis=1, grad=True, grad_ulp=16, abs=1e-6)
    f.case("numpy.max", arr("float32", [1.0, 2.0, 2.0]), axis=0, grad=True)
    f.case("numpy.average", ("int32", (2, 3)), arr("float32", [1.0, 2.0]), axis=0, abs=1e-6)
    f.case("numpy.average", ("float32", (2, 3)), ("float32", (2,)), axis=1, error=True)
    for name in RUNNING:
        for dtype in REALS + ["bool"]:
            f.case(f"numpy.{name}", (dtype, (5,)), axis=0, abs=1e-6, ulp=4)
        f.case(f"numpy.{name}", ("float32", (2, 3)), axis=None, abs=1e-6)
        f.case(f"numpy.{name}", ("float32", (2, 3)), axis=-1, abs=1e-6)
        f.case(f"numpy.{name}", ("float32", (0, 3)), axis=0)
        f.case(f"numpy.{name}", ("float32", ()), axis=None)
        f.case(f"numpy.{name}", arr("float32", [1.0, NAN, 3.0]), axis=0)
        f.case(f"numpy.{name}", ("float32", (2, 3)), axis=2, error=True)
    f.case("numpy.cumsum", ("float32", (4,)), axis=0, grad=True, grad_ulp=8)
    f.case("numpy.cumprod", arr("float32", [1.5, 2.0, -0.5, 3.0]), axis=0, grad=True, grad_ulp=8)
    for name in ("nanargmax", "nanargmin"):
        f.case(f"numpy.{name}", arr("float32", [[1.0, NAN, 3.0], [NAN, 5.0, -2.0]]), axis=1)
        f.case(f"numpy.{name}", ("int32", (4,)), axis=None)
    f.case("numpy.linalg.norm", ("float32", (2, 3)), axis=1)
    f.case("numpy.linalg.norm", ("float32", (4,)), axis=None, grad=True, grad_ulp=8)
    f.case("numpy.trapezoid", ("float32", (2, 5)), weak(0.5), axis=-1, abs=1e-6)
    mask = arr("bool", [[True, False, True], [False, False, True]])
    for name in "sum prod nansum nanprod max min nanmax nanmin mean nanmean all any var std nanvar nanstd".split():
        fn, masked = f"numpy.{name}", {}
        if name in ("max", "min", "nanmax", "nanmin"):
            masked = {"initial": True}
            f.case(fn, ("float32", (2, 3)), mask, axis=1, where=True, error=True)
        first = [arr("float32", 0.5)] if masked else []
        for dtype in ("float32", "int32", "bfloat16", "bool"):
            f.case(fn, (dtype, (2, 3)), mask, *first, axis=1, where=True, **masked, abs=1e-6, error=None)
        f.case(fn, arr("float32", [[1.0, NAN, 3.0], [NAN, NAN, 2.0]]), mask, *first, axis=0, where=True, keepdims=True, **masked, abs=1e-6)
        f.case(fn, ("float32", (2, 3)), arr("bool", [True, False, True]), *first, axis=None, where=True, **masked, grad=name not in ("all", "any"), grad_ulp=16, grad_abs=1e-6, abs=1e-6)
        f.case(fn, ("float32", (2, 3)), arr("int32", [1, 0, 1]), *first, axis=None, where=True, **masked, error=True)
    for name in "sum prod nansum nanprod max min nanmax nanmin".split():
        for dtype in ("float32", "int8", "bfloat16"):
            f.case(f"numpy.{name}", (dtype, (2, 3)), arr("float32", 1.5), axis=1, initial=True, abs=1e-6)
        f.case(f"numpy.{name}", ("float32", (0, 3)), arr("float32", 1.5), axis=0, initial=True)
        f.case(f"numpy.{name}", arr("float32", [NAN, NAN]), arr("float32", 1.5), axis=0, initial=True)
        f.case(f"numpy.{name}", ("float32", (2, 3)), arr("float32", [1.5]), axis=0, initial=True, error=True)
    for name in "sum prod nansum nanprod mean nanmean var std nanvar nanstd".split():
        for to in ("float32", "bfloat16", "int32", "complex64"):
            f.case(f"numpy.{name}", ("float32", (2, 3)), axis=1, dtype=to, abs=1e-6, error=None)
            f.case(f"numpy.{name}", ("int8", (2, 3)), axis=1, dtype=to, abs=1e-6, error=None)
    for name in ("sum", "prod"):
        for dtype in ("int8", "bool", "uint8", "float16"):
            f.case(f"numpy.{name}", (dtype, (2, 3)), axis=0, promote_integers=False, error=None, ulp=4)
    for name in ("var", "std", "nanvar", "nanstd"):
        for ddof in (1, 2, 5):
            f.case(f"numpy.{name}", ("float32", (2, 5)), axis=1, ddof=ddof, ulp=8)
        f.case(f"numpy.{name}", ("float32", (2, 3)), mask, axis=1, where=True, ddof=1, ulp=8)
        f.case(f"numpy.{name}", ("float32", (2, 3)), ("float32", (2, 1)), axis=1, mean=True, ulp=8)
        f.case(f"numpy.{name}", ("complex64", (3,)), axis=0, dtype="float32", error=True)
    f.case("numpy.var", ("float32", (5,)), axis=0, correction=1, ulp=8)
    f.case("numpy.std", ("float32", (5,)), axis=0, correction=1, ddof=1, error=True)
    for w in ([], [("float32", (2, 3))]):
        f.case("numpy.average", ("float32", (2, 3)), *w, axis=1, returned=True, keepdims=True, abs=1e-6)
        f.case("numpy.average", ("int32", (2, 3)), *w, axis=None, returned=True, abs=1e-6)
    f.case("numpy.average", ("float32", (2, 3, 4)), ("float32", (4, 2)), axis=[2, 0], abs=4e-6)
    f.case("numpy.average", ("float32", (2, 3)), ("float32", (3,)), axis=None, error=True)
    for name in RUNNING:
        for to in ("float32", "int32", "bool", "bfloat16"):
            f.case(f"numpy.{name}", ("float32", (5,)), axis=0, dtype=to, abs=1e-6, ulp=4)
            f.case(f"numpy.{name}", ("int8", (5,)), axis=0, dtype=to, abs=1e-6, ulp=4)
    for ord in (0, 1, 2, 3, 0.5, -1, "inf", "-inf"):
        f.case("numpy.linalg.norm", ("float32", (2, 3)), axis=1, ord=ord, keepdims=True, ulp=8)
    for ord in (1, -1, "fro", "inf", "-inf"):
        f.case("numpy.linalg.norm", ("float32", (2, 3)), axis=None, ord=ord)
        f.case("numpy.linalg.norm", ("float32", (2, 3, 4)), axis=[2, 0], ord=ord, keepdims=True)
    f.case("numpy.linalg.norm", ("float32", (2, 3, 4)), axis=None, ord=1, error=True)
    f.case("numpy.trapezoid", ("float32", (2, 5)), arr("float32", [0.0, 1.0, 1.5, 2.0, 4.0]), axis=-1, x=True, abs=1e-6, grad=True, grad_ulp=16, grad_abs=1e-6)
    f.case("numpy.trapezoid", ("float32", (5, 2)), arr("float32", [0.0, 1.0, 1.5, 2.0, 4.0]), axis=0, x=True, abs=1e-6)
    f.case("numpy.trapezoid", ("int32", (5, 2)), weak(2), axis=0, abs=1e-6)
