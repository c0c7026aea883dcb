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
ULP = {f"numpy.{name}": 4 for name in INEXACT + RUNNING + ["average", "logsumexp", "norm", "trapezoid"]}
ULP |= {"numpy.var": 8, "numpy.std": 8, "numpy.nanvar": 8, "numpy.nanstd": 8}

ADAPTERS = {
    "numpy.var_ddof": lambda x, axis, ddof: jnp.var(x, axis=axis, ddof=ddof),
    "numpy.std_ddof": lambda x, axis, ddof: jnp.std(x, axis=axis, ddof=ddof),
    "numpy.logsumexp": lambda x, axis, keepdims=False: jax.nn.logsumexp(x, axis=axis, keepdims=keepdims),
    "numpy.average": lambda x, w, axis: jnp.average(x, axis=axis, weights=w),
    "numpy.norm": lambda x, axis: jnp.linalg.norm(x, axis=axis),
    "numpy.trapezoid": lambda x, dx, axis: jnp.trapezoid(x, dx=dx, axis=axis),
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
    for name in "sum mean var std prod max min logsumexp".split():
        f.case(f"numpy.{name}", ("float32", (2, 3)), axis=None, grad=True, grad_ulp=16, abs=1e-6)
        f.case(f"numpy.{name}", ("float32", (2, 3)), axis=1, grad=True, grad_ulp=16, abs=1e-6)
    f.case("numpy.max", arr("float32", [1.0, 2.0, 2.0]), axis=0, grad=True)
    f.case("numpy.logsumexp", ("float32", (2, 3)), axis=[0, 1], keepdims=True)
    f.case("numpy.logsumexp", arr("float32", [-float("inf"), -float("inf")]), axis=0)
    f.case("numpy.logsumexp", arr("float32", [1000.0, 1000.0]), axis=0, grad=True)
    f.case("numpy.logsumexp", arr("float32", [float("inf"), 1.0]), axis=0)
    f.case("numpy.logsumexp", ("int32", (3,)), axis=0)
    f.case("numpy.logsumexp", ("bfloat16", (2, 3)), axis=1)
    for ddof in (1, 2, 5):
        f.case("numpy.var_ddof", ("float32", (5,)), axis=0, ddof=ddof, ulp=8)
        f.case("numpy.std_ddof", ("float32", (2, 5)), axis=1, ddof=ddof, ulp=8)
    f.case("numpy.average", ("float32", (2, 3)), ("float32", (2, 3)), axis=None, abs=1e-6)
    f.case("numpy.average", ("float32", (2, 3)), arr("float32", [1.0, 2.0, 3.0]), axis=1, abs=1e-6)
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
    f.case("numpy.norm", ("float32", (2, 3)), axis=1)
    f.case("numpy.norm", ("float32", (4,)), axis=None, grad=True, grad_ulp=8)
    f.case("numpy.trapezoid", ("float32", (2, 5)), weak(0.5), axis=-1, abs=1e-6)
