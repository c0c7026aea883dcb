"""`jax.lax`: elementwise functions, comparisons, conversions."""

from spec import FLOATS, INTS, REALS, arr, edges, pairs, weak

UNARY_NUMBER = "neg abs sign square".split()
UNARY_INEXACT = "sin cos".split()
BINARY_ANY = "add mul".split()

# XLA's own polynomials: the two builds of XLA contract multiply-add differently.
ULP = {"lax.sin": 2, "lax.cos": 2}

READY = {"lax.neg", "lax.sin", "lax.cos", "lax.add", "lax.mul", "lax.convert_element_type"}


def build(f):
    for name in UNARY_NUMBER + UNARY_INEXACT:
        fn = f"lax.{name}"
        if fn not in READY:
            continue
        for dtype in FLOATS:
            f.case(fn, (dtype, edges(dtype)))
            f.case(fn, (dtype, (2, 3)), grad=True)
        f.case(fn, ("float32", (0, 3)), grad=True)
        f.case(fn, ("float32", ()), grad=True)
        f.case(fn, weak(1.5))
        f.case(fn, ("float64", edges("float64")), x64=True)
        f.case(fn, ("complex64", (3, 1)), abs=1e-6)
        f.case(fn, ("bool", (2,)), error=True)
        if name in UNARY_NUMBER:
            for dtype in INTS:
                f.case(fn, (dtype, edges(dtype)))
            f.case(fn, weak(-3))
        else:
            f.case(fn, ("int32", (2,)), error=True)
    for name in BINARY_ANY:
        fn = f"lax.{name}"
        for dtype in REALS + ["bool"]:
            a, b = pairs(dtype)
            f.case(fn, arr(dtype, a), arr(dtype, b), error=None)
        f.case(fn, arr("int64", pairs("int64")[0]), arr("int64", pairs("int64")[1]), x64=True)
        f.case(fn, ("complex64", (4,)), ("complex64", (4,)))
        f.case(fn, ("float32", (2, 3)), ("float32", (2, 3)), grad=True)
        f.case(fn, ("float32", (2, 3)), ("float32", ()), grad=True)
        f.case(fn, ("float32", (2, 3)), ("float32", (2, 1)), grad=True)
        f.case(fn, ("float32", (1, 3)), ("float32", (2, 1)), grad=True)
        f.case(fn, ("float32", (0, 3)), ("float32", (1, 3)), grad=True)
        f.case(fn, weak(2), weak(3))
        f.case(fn, ("float32", (2,)), weak(2.5))
        f.case(fn, ("float32", (3,)), ("float32", (4,)), error=True)
        f.case(fn, ("float32", (3,)), ("float32", (2, 3)), error=True)
        f.case(fn, ("float32", (3,)), ("int32", (3,)), error=True)
    every = REALS + ["bool", "complex64"]
    for a in every:
        for b in every:
            values = (a, edges(a)) if a in ("bool",) or (a in INTS and b in INTS) else (a, (5,))
            f.case("lax.convert_element_type", values, new_dtype=b)
    f.case("lax.convert_element_type", ("float32", (2, 3)), new_dtype="bfloat16", grad=True)
    f.case("lax.convert_element_type", ("float32", (2, 3)), new_dtype="complex64", grad=True)
    f.case("lax.convert_element_type", weak(2), new_dtype="float32")
    f.case("lax.convert_element_type", ("float32", edges("float32")), new_dtype="bfloat16")
    f.case("lax.convert_element_type", ("float32", edges("float32")), new_dtype="float16")
    f.case("lax.convert_element_type", ("float32", [2.5, -2.5, 0.99, -0.99, 127.5]), new_dtype="int32")
    f.case("lax.convert_element_type", ("float64", edges("float64")), new_dtype="float32", x64=True)
    f.case("lax.convert_element_type", ("int32", edges("int32")), new_dtype="int64", x64=True)
