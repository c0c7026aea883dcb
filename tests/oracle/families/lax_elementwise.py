"""`jax.lax`: elementwise functions, comparisons, conversions."""

import jax
from spec import FLOATS, INTS, REALS, arr, edges, pairs, weak

NUMBER = "neg abs sign square".split()
INEXACT = """sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh exp exp2 expm1 log log1p logistic sqrt rsqrt
    cbrt""".split()
FLOAT = "floor ceil is_finite erf erfc erf_inv lgamma digamma".split()
INTEGER = "population_count clz".split()
BINARY_ANY = "add sub mul div rem max min".split()
COMPARE = "eq ne lt le gt ge".split()
BITS = "bitwise_and bitwise_or bitwise_xor shift_left shift_right_logical shift_right_arithmetic".split()

# Polynomials of XLA:CPU and of CHLO's decompositions: the two builds of XLA contract multiply-add differently.
ULP = {f"lax.{name}": n for n, names in {
    2: "sin cos tan exp exp2 log log1p logistic tanh rsqrt atan square div",
    # OpenXLA's own plugin of November 2025 does not reach one where jaxlib's does: 3 ulp, measured.
    3: "erf",
    4: "asin acos sinh cosh asinh acosh atanh expm1 erfc erf_inv atan2 pow integer_pow",
    16: "lgamma digamma polygamma zeta",
    # The plugin's XLA has another algorithm than jaxlib's, without its special cases near zero.
    128: "cbrt",
}.items() for name in names.split()}

ACCURATE = "exp exp2 expm1 log log1p logistic sin cos tan tanh sqrt rsqrt cbrt".split()


def with_accuracy(name):
    """`accuracy`: a mode, or the bounds of a tolerance."""
    def call(x, accuracy=None):
        if isinstance(accuracy, str):
            accuracy = jax.lax.AccuracyMode[accuracy]
        elif accuracy is not None:
            accuracy = jax.lax.Tolerance(*accuracy)
        return getattr(jax.lax, name)(x, accuracy=accuracy)
    return call


ADAPTERS = {
    "lax.round": lambda x, rounding_method: jax.lax.round(x, jax.lax.RoundingMethod(rounding_method)),
    **{f"lax.{name}": with_accuracy(name) for name in ACCURATE},
    "lax.mul": lambda x, y, out_dtype=None: jax.lax.mul(x, y, out_dtype=out_dtype),
    "lax.select_n": lambda which, *cases: jax.lax.select_n(which, *cases),
}


def in_domain(name, dtype):
    """Arguments at which the function is smooth, for gradients."""
    if name in ("log", "sqrt", "rsqrt", "cbrt", "lgamma", "digamma", "log1p"):
        return arr(dtype, [[0.5, 1.25, 2.0], [3.5, 0.125, 7.0]])
    if name == "acosh":
        return arr(dtype, [[1.5, 1.25, 2.0], [3.5, 5.0, 7.0]])
    if name in ("asin", "acos", "atanh", "erf_inv"):
        return arr(dtype, [[-0.75, 0.25, 0.5], [0.1, -0.3, 0.625]])
    return dtype, (2, 3)


def without_subnormals(dtype):
    return [v for v in edges(dtype) if v == 0 or not abs(v) < 1e-5]


def build(f):
    for name in NUMBER + INEXACT + FLOAT:
        fn = f"lax.{name}"
        for dtype in FLOATS:
            f.case(fn, (dtype, without_subnormals(dtype) if name == "cbrt" else edges(dtype)))
            f.case(fn, in_domain(name, dtype), grad=True)
        f.case(fn, ("float32", (0, 3)), grad=True)
        f.case(fn, ("float32", [0.5]), grad=True)
        f.case(fn, ("float32", (1, 1)))
        f.case(fn, weak(0.5))
        f.case(fn, in_domain(name, "float64"), x64=True, grad=True)
        f.case(fn, ("float64", without_subnormals("float64") if name == "cbrt" else edges("float64")), x64=True)
        f.case(fn, ("complex64", (3, 1)), abs=2e-6, error=None)
        f.case(fn, ("bool", (2,)), error=None)
        if name in NUMBER:
            for dtype in INTS:
                f.case(fn, (dtype, edges(dtype)), error=None)
            f.case(fn, weak(-3))
        else:
            f.case(fn, ("int32", (2,)), error=None)
    for name in INTEGER:
        for dtype in INTS:
            f.case(f"lax.{name}", (dtype, edges(dtype)))
        f.case(f"lax.{name}", ("float32", (2,)), error=True)
    for dtype in INTS + ["bool"]:
        f.case("lax.bitwise_not", (dtype, edges(dtype)))
    f.case("lax.bitwise_not", ("float32", (2,)), error=True)
    for method in (0, 1):
        for dtype in FLOATS:
            f.case("lax.round", (dtype, edges(dtype)), rounding_method=method)
            f.case("lax.round", (dtype, [0.5, 1.5, 2.5, -0.5, -1.5, 3.4999, 1e6]), rounding_method=method, grad=True)
    for name in BINARY_ANY:
        fn = f"lax.{name}"
        for dtype in REALS + ["bool"]:
            a, b = pairs(dtype)
            f.case(fn, arr(dtype, a), arr(dtype, b), error=None)
        a, b = pairs("int64")
        f.case(fn, arr("int64", a), arr("int64", b), x64=True)
        f.case(fn, ("complex64", (4,)), ("complex64", (4,)), abs=1e-6, error=None)
        f.case(fn, ("float32", (2, 3)), ("float32", (2, 3)), grad=True)
        f.case(fn, ("float32", (2, 3)), ("float32", ()), grad=True)
        f.case(fn, ("float32", (2, 3)), ("float32", (2, 1)), grad=True, grad_ulp=8)
        f.case(fn, ("float32", (1, 3)), ("float32", (2, 1)), grad=True, grad_ulp=8)
        f.case(fn, ("float32", (0, 3)), ("float32", (1, 3)), grad=True)
        f.case(fn, weak(2), weak(3))
        f.case(fn, ("float32", (2,)), weak(2.5))
        f.case(fn, ("float32", (3,)), ("float32", (4,)), error=True)
        f.case(fn, ("float32", (3,)), ("float32", (2, 3)), error=True)
        f.case(fn, ("float32", (3,)), ("int32", (3,)), error=True)
    for name in COMPARE:
        for dtype in REALS + ["bool"]:
            a, b = pairs(dtype)
            f.case(f"lax.{name}", arr(dtype, a), arr(dtype, b))
        f.case(f"lax.{name}", ("complex64", [1 + 2j, 1j]), ("complex64", [1 + 2j, 2j]), error=None)
        f.case(f"lax.{name}", weak(2.0), weak(3.0))
    for name in BITS:
        for dtype in INTS + ["bool"]:
            a, b = pairs(dtype)
            if "shift" in name:
                b = [abs(v) % 7 for v in b]
            f.case(f"lax.{name}", arr(dtype, a), arr(dtype, b), error=None)
        f.case(f"lax.{name}", arr("int32", [1, -5, 7]), arr("int32", [32, 33, -1]))
        f.case(f"lax.{name}", ("float32", (2,)), ("float32", (2,)), error=True)
    for dtype in FLOATS:
        a, b = pairs(dtype)
        f.case("lax.pow", arr(dtype, a), arr(dtype, b))
        f.case("lax.atan2", arr(dtype, a), arr(dtype, b))
        f.case("lax.nextafter", arr(dtype, a), arr(dtype, b))
        for n in (-2, -1, 0, 1, 2, 3, 7):
            f.case("lax.integer_pow", arr(dtype, [0.5, -1.5, 3.0, 1e-3, 20.0]), y=n, grad=True)
    f.case("lax.pow", arr("float32", [0.5, 1.5, 2.0]), ("float32", (3,)), grad=True)
    f.case("lax.pow", arr("float32", [0.5, 0.0, -2.0]), arr("int32", [2, 0, 3]), grad=True)
    f.case("lax.atan2", ("float32", (3,)), ("float32", (3,)), grad=True)
    f.case("lax.integer_pow", arr("int32", [2, -3, 100000]), y=3)
    for dtype in REALS:
        f.case("lax.clamp", arr(dtype, 1), (dtype, edges(dtype)), arr(dtype, 5))
    f.case("lax.clamp", ("float32", (2, 3)), ("float32", (2, 3)), ("float32", (2, 3)), grad=True)
    f.case("lax.clamp", ("float32", (2, 3)), ("float32", (2, 3)), ("float32", (2, 3)))
    f.case("lax.clamp", ("float32", (3,)), ("float32", (2, 3)), ("float32", ()), error=True)
    for dtype in REALS + ["bool", "complex64"]:
        f.case("lax.select_n", ("bool", (5,)), (dtype, (5,)), (dtype, (5,)))
    f.case("lax.select_n", ("bool", ()), ("float32", (2, 3)), ("float32", (2, 3)), grad=True)
    f.case("lax.select_n", arr("int32", [0, 2, 1]), ("float32", (3,)), ("float32", (3,)), ("float32", (3,)), grad=True)
    f.case("lax.select_n", ("bool", (2,)), ("float32", (3,)), ("float32", (3,)), error=True)
    f.case("lax.select_n", ("bool", (0,)), ("float32", (0,)), ("float32", (0,)))
    f.case("lax.complex", ("float32", (3,)), ("float32", (3,)))
    for name in ("real", "imag", "conj"):
        f.case(f"lax.{name}", ("complex64", edges("complex64")))
        f.case(f"lax.{name}", ("complex128", (3,)), x64=True)
    for a, b in [("float32", "int32"), ("int32", "float32"), ("bfloat16", "uint16"), ("uint8", "int8"), ("float16", "int16")]:
        f.case("lax.bitcast_convert_type", (a, edges(a)), new_dtype=b)
    f.case("lax.bitcast_convert_type", ("float32", (3,)), new_dtype="float64", error=True, x64=True)
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
    for name in ACCURATE:
        for accuracy in ("HIGHEST", "DEFAULT", [1e-5, 0.0, 1], [0.0, 1e-5, 0]):
            grad = dict(grad=True, grad_ulp=16) if accuracy == "HIGHEST" else {}
            f.case(f"lax.{name}", in_domain(name, "float32"), accuracy=accuracy, **grad)
        f.case(f"lax.{name}", in_domain(name, "float32"), accuracy=[0.0, 0.0, 0], error=True)
        f.case(f"lax.{name}", in_domain(name, "float32"), accuracy=[-1.0, 0.0, 1], error=True)
        f.case(f"lax.{name}", ("complex64", (2, 3)), accuracy="HIGHEST", abs=2e-6, error=None)
    for a, b, out in [("bfloat16", "bfloat16", "float32"), ("int8", "int8", "int32"), ("int8", "int16", "float32"),
                      ("float32", "float32", "bfloat16"), ("float32", "int32", "complex64")]:
        f.case("lax.mul", (a, (2, 3)), (b, (2, 3)), out_dtype=out)
        f.case("lax.mul", (a, (2, 3)), (b, ()), out_dtype=out)
    f.case("lax.mul", weak(2.5), weak(0.5), out_dtype="float32")
    f.case("lax.mul", ("bool", (3,)), ("bool", (3,)), out_dtype="float32", error=True)
    f.case("lax.mul", ("float32", (3,)), ("float32", (2,)), out_dtype="float32", error=True)
