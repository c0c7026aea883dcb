"""`jax.numpy`: elementwise functions."""

import jax.numpy as jnp
from spec import FLOATS, INTS, arr, edges, pairs, weak

UNARY = """exp exp2 expm1 log log1p log2 log10 sqrt cbrt sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh
    arctanh deg2rad rad2deg sinc abs fabs negative positive sign square reciprocal floor ceil trunc rint isnan isinf
    isfinite signbit conjugate real imag angle logical_not nan_to_num isposinf isneginf spacing""".split()
BINARY = """add subtract multiply true_divide floor_divide remainder fmod float_power maximum minimum fmax fmin hypot
    logaddexp logaddexp2 arctan2 copysign heaviside equal not_equal less less_equal greater greater_equal logical_and
    logical_or logical_xor nextafter""".split()
BITS = "bitwise_and bitwise_or bitwise_xor left_shift right_shift gcd lcm".split()

SMOOTH = """exp exp2 expm1 log log1p log2 log10 sqrt sin cos tan arcsin arctan sinh cosh tanh arcsinh sinc square reciprocal
    deg2rad abs""".split()

# As for lax; compositions of such functions, and divisions by a constant that one of the compilers multiplies by.
ULP = {f"numpy.{name}": n for n, names in {
    16: "cbrt",
    2: "exp exp2 log log1p log2 log10 sin cos tan tanh arctan deg2rad rad2deg square reciprocal true_divide",
    4: """expm1 arcsin arccos sinh cosh arcsinh arccosh arctanh sinc float_power hypot logaddexp logaddexp2 arctan2 power
        angle ldexp isclose""",
}.items() for name in names.split()}

ADAPTERS = {
    "numpy.fix": jnp.trunc,  # `jnp.fix` is no more.
    "numpy.nan_to_num": lambda x, nan=0.0, posinf=None, neginf=None: jnp.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf),
    "numpy.where": lambda c, x, y: jnp.where(c, x, y),
    "numpy.select": lambda c1, c2, x1, x2, default: jnp.select([c1, c2], [x1, x2], default),
    "numpy.power": lambda x, y, static=None: jnp.power(x, y if static is None else static),
}


def build(f):
    for name in UNARY:
        fn = f"numpy.{name}"
        for dtype in FLOATS:
            # XLA flushes subnormals or not, as it fuses: left out where the result jumps at zero.
            jumps = name == "cbrt" or (name, dtype) == ("logical_not", "bfloat16")
            f.case(fn, (dtype, [v for v in edges(dtype) if not jumps or v == 0 or not abs(v) < 1e-6]), error=None)
        f.case(fn, ("float64", (2, 3)), x64=True)
        f.case(fn, ("int32", [0, 1, -1, 5, -7]), error=None)
        f.case(fn, ("uint8", [0, 1, 255]), error=None)
        f.case(fn, ("bool", [False, True]), error=None)
        f.case(fn, weak(0.5))
        f.case(fn, weak(1), error=None)
        f.case(fn, ("float32", (0, 2)))
        f.case(fn, ("complex64", (2, 2)), error=None, abs=4e-6)
        f.case(fn, ("int64", [0, 1, 5]), x64=True, error=None)
        if name in SMOOTH:
            f.case(fn, arr("float32", [[0.5, 0.25, 0.75], [0.125, 0.3, 0.9]]), grad=True)
            f.case(fn, arr("bfloat16", [0.5, 0.25, 0.75]), grad=True, grad_ulp=4)
    kinds = ["float32", "bfloat16", "int32", "uint8", "bool"]
    for name in BINARY:
        fn = f"numpy.{name}"
        for dtype in ["float32", "bfloat16", "int32", "uint8", "bool"]:
            a, b = pairs(dtype)
            if dtype == "bfloat16" and name.startswith("logical"):
                a, b = ([2.0 if v and abs(v) < 1e-38 else v for v in s] for s in (a, b))
            f.case(fn, arr(dtype, a), arr(dtype, b), error=None, abs=1e-7 if name == "logaddexp2" else None)
        for a in kinds:
            for b in kinds:
                if a != b:
                    f.case(fn, (a, (3,)), (b, (2, 1)), error=None)
        f.case(fn, ("float32", (2, 3)), weak(2.0))
        f.case(fn, weak(2), ("float32", (2, 3)))
        f.case(fn, weak(2), weak(3.5))
        f.case(fn, ("int8", (3,)), weak(1.5))
        f.case(fn, ("float32", (2, 3)), ("float32", (3,)))
        f.case(fn, ("float32", (0, 3)), ("float32", (3,)))
        f.case(fn, ("float32", (3,)), ("float32", (4,)), error=True)
        f.case(fn, ("float32", (2, 3)), ("float32", (4,)), error=True)
        f.case(fn, ("float64", (3,)), ("int32", (3,)), x64=True)
        f.case(fn, ("complex64", (3,)), ("float32", (3,)), error=None, abs=2e-6)
    for name in "add subtract multiply true_divide maximum minimum hypot logaddexp arctan2 remainder".split():
        f.case(f"numpy.{name}", ("float32", (2, 3)), ("float32", (3,)), grad=True, grad_ulp=8)
        f.case(f"numpy.{name}", ("bfloat16", (2, 3)), ("float32", (3,)), grad=True, grad_ulp=8)
    for name in BITS:
        for dtype in INTS:
            a, b = pairs(dtype)
            if "shift" in name:
                b = [abs(v) % 7 for v in b]
            if name in ("gcd", "lcm"):
                a, b = [v % 90 for v in a], [v % 60 for v in b]
            f.case(f"numpy.{name}", arr(dtype, a), arr(dtype, b))
        f.case(f"numpy.{name}", ("int32", (2, 3)), ("uint8", (3,)), error=None)
        f.case(f"numpy.{name}", ("bool", (3,)), ("bool", (3,)), error=None)
        f.case(f"numpy.{name}", ("float32", (2,)), ("float32", (2,)), error=True)
        f.case(f"numpy.{name}", ("int32", (3,)), weak(2))
    for name in ("divmod",):
        f.case("numpy.divmod", arr("int32", [7, -7, 7, -7]), arr("int32", [2, 2, -2, -2]))
        f.case("numpy.divmod", arr("float32", [7.5, -7.5, 7.5, -7.5]), arr("float32", [2, 2, -2, -2]))
    for name in ("modf", "frexp"):
        for dtype in FLOATS:
            f.case(f"numpy.{name}", arr(dtype, [0.0, 1.0, -2.5, 3.75, 1e-3, 100.0]))
        f.case(f"numpy.{name}", arr("int32", [3, -4]))
    f.case("numpy.ldexp", arr("float32", [0.5, 1.5, -3.0]), arr("int32", [3, -2, 10]))
    f.case("numpy.bitwise_count", arr("int32", [0, 1, -1, 255]))
    f.case("numpy.bitwise_not", arr("int32", [0, 1, -1]))
    f.case("numpy.bitwise_not", ("bool", (3,)))
    f.case("numpy.bitwise_not", ("float32", (3,)), error=True)
    for dtype in FLOATS + ["int32", "uint8"]:
        for n in (0, 1, 2, 3):
            f.case("numpy.power", (dtype, (2, 3)), weak(n), static=n, grad=dtype == "float32" and n > 0, ulp=4)
        f.case("numpy.power", arr(dtype, [1, 2, 3]), arr(dtype, [2, 0, 3]))
        f.case("numpy.power", arr(dtype, [1, 2, 3]), arr("int32", [2, 0, 3]))
    f.case("numpy.power", arr("float32", [0.5, 1.5, 2.0]), arr("float32", [2.5, 0.5, -1.0]), grad=True)
    f.case("numpy.power", arr("int32", [0, 2, -3, 10]), arr("int32", [0, 30, 3, 9]))
    f.case("numpy.power", weak(2.0), ("float32", (3,)))
    for decimals in (0, 1, 2, -1):
        f.case("numpy.round", arr("float32", [1.25, -2.675, 0.5, 1.5, 12345.678]), decimals=decimals, ulp=1)
        f.case("numpy.round", arr("bfloat16", [1.25, -2.675, 0.5]), decimals=decimals)
    f.case("numpy.round", ("int32", (3,)), decimals=1)
    for dtype in ("float32", "bfloat16", "int32"):
        f.case("numpy.clip", (dtype, (2, 3)), weak(-1), weak(1))
        f.case("numpy.clip", (dtype, edges(dtype)), arr(dtype, -1), arr(dtype, 1))
    f.case("numpy.clip", ("float32", (2, 3)), ("float32", (3,)), ("float32", (2, 1)), grad=True)
    f.case("numpy.clip", ("int32", (3,)), weak(0.5), weak(2.5))
    for dtype in ("float32", "bfloat16", "int32", "bool"):
        f.case("numpy.where", ("bool", (2, 3)), (dtype, (3,)), (dtype, (2, 1)))
        f.case("numpy.where", ("bool", ()), (dtype, (3,)), (dtype, (2, 1)))
        f.case("numpy.where", ("int32", (2, 3)), (dtype, ()), weak(1))
    f.case("numpy.where", ("bool", (2, 3)), ("float32", (3,)), ("float32", (2, 1)), grad=True)
    f.case("numpy.where", ("bool", (3,)), ("float32", (4,)), ("float32", ()), error=True)
    f.case("numpy.where", ("float32", (2,)), weak(1), weak(2.0))
    f.case("numpy.where", ("bool", (0,)), ("int32", ()), ("float32", (1,)))
    f.case("numpy.select", ("bool", (4,)), ("bool", (4,)), ("float32", (4,)), ("int32", (4,)), weak(0))
    f.case("numpy.select", ("bool", (4,)), ("bool", (4,)), ("int32", (4,)), ("int32", (4,)), weak(7))
    for dtype in ("float32", "int32"):
        f.case("numpy.isclose", (dtype, (4,)), (dtype, (4,)))
    f.case("numpy.isclose", arr("float32", [1.0, 1.0, float("inf"), float("nan")]), arr("float32", [1.000001, 1.1, float("inf"), float("nan")]))
    added(f)


def added(f):
    nan, inf = float("nan"), float("inf")
    for a, b in (([1.0, 2.0], [1.000001, 2.0]), ([1.0, 2.0], [1.1, 2.0]), ([nan], [nan]), ([inf, -inf], [inf, -inf])):
        f.case("numpy.allclose", arr("float32", a), arr("float32", b))
        f.case("numpy.array_equal", arr("float32", a), arr("float32", b))
    f.case("numpy.allclose", ("float32", (2, 3)), weak(0.5))
    f.case("numpy.allclose", ("int32", (2, 3)), ("int32", (2, 3)))
    f.case("numpy.allclose", ("float32", (0,)), ("float32", (1,)))
    f.case("numpy.allclose", ("float32", (2,)), ("float32", (3,)), error=True)
    f.case("numpy.array_equal", ("float32", (2,)), ("float32", (3,)))
    f.case("numpy.array_equal", ("float32", (2,)), ("float32", (2, 1)))
    f.case("numpy.array_equal", arr("float32", [1, 2]), arr("int32", [1, 2]))
    for dtype in FLOATS + ["int32", "bool"]:
        f.case("numpy.fix", (dtype, edges(dtype)))
        f.case("numpy.i0", arr(dtype, [-3, 0, 1, 5]), ulp=8, abs=1e-6)
        for nan, posinf, neginf in ((1.5, None, None), (0.0, 7.0, -8.0), (2.0, None, 3.0)):
            f.case("numpy.nan_to_num", (dtype, edges(dtype)), nan=nan, posinf=posinf, neginf=neginf)
    f.case("numpy.nan_to_num", ("complex64", edges("complex64")), nan=1.0, posinf=2.0, neginf=None)
    f.case("numpy.nan_to_num", arr("float32", [1.0, inf, float("nan")]), nan=1.0, posinf=2.0, neginf=None, grad=True)
    f.case("numpy.fix", arr("float32", [1.5, -2.5]), grad=True)
    f.case("numpy.i0", arr("float32", [1.5, -2.5]), grad=True, ulp=8, grad_ulp=8)
    f.case("numpy.i0", ("complex64", (2,)), error=True)
    f.case("numpy.i0", weak(0.5), ulp=8)
    near = arr("float32", [1.0, 1.0, float("inf"), float("nan")]), arr("float32", [1.05, 1.3, float("inf"), float("nan")])
    for equal_nan in (False, True):
        f.case("numpy.isclose", *near, rtol=0.1, atol=0.01, equal_nan=equal_nan)
        f.case("numpy.allclose", *[(d, x[::3] if isinstance(x, list) else x) for d, x in [("float32", [1.0, 2.0, 3.0, float("nan")])] * 2], rtol=0.1, atol=0.0, equal_nan=equal_nan)
        f.case("numpy.array_equal", arr("float32", [1.0, float("nan")]), arr("float32", [1.0, float("nan")]), equal_nan=equal_nan)
    for dtype in ("complex64", "float32", "int32"):
        f.case("numpy.angle", (dtype, (4,)), deg=True, ulp=4)
