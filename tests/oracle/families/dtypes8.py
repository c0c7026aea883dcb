"""Floats of eight and four bits, and integers of four and two, in `jax.lax` and `jax.numpy`."""

import jax.numpy as jnp
import numpy as np
from jax import lax

from families import union
from families.lax_index import ROWS, updates_shape
from spec import arr, kind, np_dtype, weak


def dot_general(x, y, over, batch, preferred_element_type=None):
    return lax.dot_general(x, y, (over, batch), preferred_element_type=preferred_element_type)


ADAPTERS = union("ADAPTERS") | {"lax.dot_general": dot_general}

FLOATS = """float4_e2m1fn float8_e3m4 float8_e4m3 float8_e4m3b11fnuz float8_e4m3fn float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz
    float8_e8m0fnu""".split()
INTS = "int2 int4 uint2 uint4".split()
ALL = FLOATS + INTS
# One of each kind.
FEW = "float4_e2m1fn float8_e4m3fn float8_e5m2 float8_e4m3b11fnuz int4 uint2".split()


def every(dtype):
    """Every value, by its bits."""
    if kind(dtype) in "iu":
        info = jnp.iinfo(np_dtype(dtype))
        return np.arange(int(info.min), int(info.max) + 1).astype(np_dtype(dtype))
    count = 16 if dtype.startswith("float4") else 256
    return np.arange(count, dtype=np.uint8).view(np_dtype(dtype))


def around(dtype):
    """Every finite value of a float, the numbers between two, and their neighbours; numbers that are too large or too small."""
    x = every(dtype).astype(np.float64)
    x = np.unique(x[np.isfinite(x)])
    middle = ((x[1:] + x[:-1]) / 2).astype(np.float32)
    large = x[-1] * np.array([1 + 2**-9, 1.03, 1.0625, 1.07, 1.125, 1.13, 1.25, 1.3, 1.5, 1.6, 2, 4])
    small = x[x > 0][0] * np.array([0.5, 0.51, 0.49, 0.25, 0.75, 0.1, 1e-3])
    ends = np.concatenate([large, -large, small, -small, [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-30, 1e30, -1e30]])
    near = [np.nextafter(middle, np.float32(end)) for end in (np.inf, -np.inf)]
    with np.errstate(over="ignore"):
        return np.concatenate([x, middle, *near, ends]).astype(np.float32)


def build(f):
    conversions(f)
    bits(f)
    elementwise(f)
    shapes(f)
    reductions(f)
    contractions(f)
    indices(f)
    numpy(f)
    derivatives(f)


def conversions(f):
    def to(values, dtype, **k):
        f.case("lax.convert_element_type", values, new_dtype=dtype, **k)

    for dtype in FLOATS:
        to(("float32", around(dtype)), dtype)
        to((dtype, every(dtype)), "float32")
    for dtype in INTS:
        to(arr("int32", list(range(-20, 20)) + [127, 255, -300]), dtype)
        to((dtype, every(dtype)), "int32")
        to((dtype, every(dtype)), "float32")
    for dtype in FEW:
        to((dtype, every(dtype)), "bfloat16")
        to((dtype, every(dtype)), "bool")
        to(arr("bool", [True, False]), dtype)
        to(arr("float16", [0.0, 1.0, 1.1, 0.3, 3.0]), dtype)
    for dtype in ("float8_e4m3fn", "float4_e2m1fn"):
        to(arr(dtype, [0.0, 1.0, -1.5, 2.0, -3.0]), "int8")
        to(arr(dtype, [0.0, 1.0, -1.5, 2.0, -3.0]), "int4")
        to(arr("int8", [0, 1, -3, 5, 7]), dtype)
        to(arr("int4", [0, 1, -3, 5, 7]), dtype)
    for dtype in FLOATS:
        if dtype != "float8_e4m3fn":
            to((dtype, every(dtype)), "float8_e4m3fn")
    to((ALL[4], (2, 3)), "complex64")


def bits(f):
    def cast(values, dtype, **k):
        f.case("lax.bitcast_convert_type", values, new_dtype=dtype, **k)

    for dtype in FLOATS[1:]:
        cast((dtype, every(dtype)), "uint8")
        cast(("uint8", np.arange(256)), dtype)
    for dtype in ["float4_e2m1fn"] + INTS:
        cast(arr("uint8", [0, 1, 0x2F, 0x84, 0xFF]), dtype, error=None)
        cast((dtype, (3, 8 // (2 if dtype.endswith("2") else 4))), "uint8", error=None)
    cast(("float8_e5m2", (3, 2)), "float16")
    cast(("float16", (3,)), "float8_e5m2")
    cast(("int4", (5,)), "uint4")
    cast(("int4", (5,)), "uint8", error=True)
    cast(("float8_e4m3fn", (3,)), "int16", error=True)


def elementwise(f):
    for dtype in ALL:
        for name in ("add", "mul"):
            f.case(f"lax.{name}", (dtype, (3, 5)), (dtype, (3, 5)))
    for dtype in FEW:
        for name in "sub div max min eq lt".split():
            f.case(f"lax.{name}", (dtype, (3, 5)), (dtype, np.ones((3, 5))))
        for name in "neg sign abs".split():
            f.case(f"lax.{name}", (dtype, every(dtype)), error=None)
        for name in "floor is_finite exp sin sqrt logistic tanh".split():
            f.case(f"lax.{name}", (dtype, (5,)), error=None)
        f.case("lax.select_n", ("bool", (5,)), (dtype, (5,)), (dtype, (5,)))
        f.case("lax.clamp", arr(dtype, 0), (dtype, (5,)), arr(dtype, 1))
    for dtype in INTS:
        for name in "bitwise_and bitwise_xor shift_left shift_right_arithmetic shift_right_logical".split():
            f.case(f"lax.{name}", (dtype, (5,)), arr(dtype, [0, 1, 1, 0, 1]), error=None)
        for name in "bitwise_not population_count clz".split():
            f.case(f"lax.{name}", (dtype, every(dtype)), error=None)
    f.case("lax.add", ("float8_e4m3fn", (3,)), ("float8_e5m2", (3,)), error=True)
    f.case("lax.add", ("int4", (3,)), ("int8", (3,)), error=True)


def shapes(f):
    for dtype in FEW:
        f.case("lax.reshape", (dtype, (2, 3)), new_sizes=[3, 2])
        f.case("lax.transpose", (dtype, (2, 3, 4)), permutation=[2, 0, 1])
        f.case("lax.broadcast_in_dim", (dtype, (3,)), shape=[2, 3], broadcast_dimensions=[1])
        f.case("lax.rev", (dtype, (2, 3)), dimensions=[1])
        if dtype != "uint2":
            # JAX's compiler ends the process on those of two bits.
            f.case("lax.concatenate", (dtype, (2, 3)), (dtype, (1, 3)), dimension=0)
        f.case("lax.slice", (dtype, (5, 4)), start_indices=[1, 0], limit_indices=[5, 3], strides=[2, 1])
        f.case("lax.pad", (dtype, (2, 3)), (dtype, ()), padding_config=[[1, 2, 0], [0, -1, 1]])
        f.case("lax.iota", dtype=dtype, size=4, error=None)
        f.case("lax.dynamic_slice", (dtype, (4, 3)), arr("int32", 9), arr("int32", -1), slice_sizes=[2, 2])
        f.case("lax.dynamic_update_slice", (dtype, (4, 3)), (dtype, (2, 2)), arr("int32", 1), arr("int32", 9))
        f.case("lax.full_like", (dtype, (2, 1)), fill_value=1)
    for dtype in ALL:
        f.case("lax.reshape", (dtype, ()), new_sizes=[1])
        f.case("lax.reshape", (dtype, (0, 3)), new_sizes=[3, 0])


def reductions(f):
    for dtype in FEW:
        f.case("lax.reduce_sum", (dtype, (2, 3)), axes=[0], error=None)
        f.case("lax.reduce_prod", (dtype, (2, 3)), axes=[1], error=None)
        for name in ("reduce_max", "reduce_min"):
            f.case(f"lax.{name}", (dtype, (2, 3)), axes=[1], error=None)
        f.case("lax.argmax", (dtype, (2, 3)), axis=1, error=None)
        f.case("lax.cumsum", (dtype, (3, 2)), axis=1, reverse=False, error=None)
        # Of two bits JAX's own is not sorted.
        if dtype != "uint2":
            f.case("lax.sort", (dtype, every(dtype)[::-1]), dimension=0, is_stable=True, num_keys=1, error=None)
        f.case("lax.top_k", (dtype, (5,)), k=2, axis=0, error=None)
        f.case("lax.reduce_window_max", (dtype, (2, 5)), window_dimensions=[1, 3], window_strides=[1, 1], padding="SAME", error=None)
    for dtype in ALL:
        # Where maxima and minima start from.
        f.case("lax.reduce_max", (dtype, (0, 2)), axes=[0], error=None)
        f.case("lax.reduce_min", (dtype, (0, 2)), axes=[0], error=None)


def contractions(f):
    for dtype in ALL:
        wide = "float32" if kind(dtype) == "f" else "int32"
        f.case("lax.dot_general", (dtype, (2, 3)), (dtype, (3, 2)), over=[[1], [0]], batch=[[], []], preferred_element_type=wide, error=None)
    for dtype in FEW:
        f.case("lax.dot_general", (dtype, (2, 2)), (dtype, (2, 2)), over=[[1], [0]], batch=[[], []], error=None)
    f.case("lax.dot_general", ("float8_e4m3fn", (2, 3)), ("float8_e5m2", (3, 2)), over=[[1], [0]], batch=[[], []], preferred_element_type="float32")
    f.case("lax.conv_general_dilated", ("float8_e4m3fn", (1, 2, 5)), ("float8_e4m3fn", (3, 2, 2)), window_strides=[1], padding="SAME",
           error=None)


def indices(f):
    shape, where, dims, window = ROWS
    for dtype in FEW:
        f.case("lax.gather", (dtype, shape), arr("int32", where), dims=dims, slice_sizes=window, mode="fill", error=None)
        f.case("lax.scatter", (dtype, shape), arr("int32", where), (dtype, updates_shape(ROWS)), dims=dims, mode="fill", error=None)
        f.case("lax.scatter_add", (dtype, shape), arr("int32", where), (dtype, updates_shape(ROWS)), dims=dims, mode="fill", error=None)
        f.case("numpy.at_set", (dtype, (3, 4)), (dtype, (2, 4)), arr("int32", [2, 0]), index=[{"array": 0}])
    f.case("numpy.index", ("float32", (3, 4, 2)), arr("int4", [2, 0, -1]), index=[{"array": 0}])
    f.case("numpy.at_set", ("float8_e4m3fn", (3, 4)), ("float32", (2, 4)), arr("int32", [2, 0]), index=[{"array": 0}], error=None)


def numpy(f):
    for dtype in FEW:
        other = "float32" if kind(dtype) == "f" else "int8"
        f.case("numpy.add", (dtype, (3,)), (other, (3,)), error=True)
        f.case("numpy.add", (dtype, (3,)), weak(1))
        f.case("numpy.multiply", (dtype, (3,)), weak(0.5), error=None)
        f.case("numpy.add", (dtype, (3,)), ("bool", (3,)), error=None)
        f.case("numpy.add", (dtype, (3,)), ("int32", (3,)), error=None)
        f.case("numpy.where", ("bool", (3,)), (dtype, (3,)), (dtype, (3,)))
        f.case("numpy.sin", (dtype, (3,)), error=None)
        f.case("numpy.true_divide", (dtype, (3,)), (dtype, np.ones(3)), error=None)
        for name in "sum mean prod max".split():
            # XLA divides by a number through its reciprocal.
            f.case(f"numpy.{name}", (dtype, (2, 3)), axis=1, ulp=int(name == "mean" and kind(dtype) in "iu"), error=None)
        for name in "isnan isfinite isinf signbit sign nan_to_num frexp spacing".split():
            f.case(f"numpy.{name}", (dtype, every(dtype)), error=None)
        f.case("numpy.matmul", (dtype, (2, 2)), (dtype, (2, 2)), error=None)
        if dtype != "uint2":
            f.case("numpy.sort", (dtype, (5,)), axis=0, error=None)
        if dtype != "uint2":
            f.case("numpy.concatenate", (dtype, (2, 3)), (dtype, (1, 3)), axis=0)
        f.case("numpy.zeros", shape=[2], dtype=dtype, error=None)
        f.case("numpy.arange", start=0, stop=2, step=1, dtype=dtype, error=None)
    for name in ("concatenate", "where", "matmul"):
        x = ("float8_e4m3fn", (2, 2)), ("float8_e5m2", (2, 2))
        if name == "where":
            x = ("bool", (2, 2)), *x
        f.case(f"numpy.{name}", *x, error=True, **({"axis": 0} if name == "concatenate" else {}))


def derivatives(f):
    for dtype in ("float8_e4m3fn", "float8_e5m2"):
        f.case("lax.mul", (dtype, (3,)), (dtype, (3,)), grad=True)
        f.case("lax.sin", (dtype, (3,)), grad=True)
        f.case("lax.reduce_sum", (dtype, (2, 3)), axes=[1], grad=True)
        f.case("lax.convert_element_type", (dtype, (3,)), new_dtype="float32", grad=True)
        f.case("lax.convert_element_type", ("float32", (3,)), new_dtype=dtype, grad=True)
        f.case("lax.dot_general", (dtype, (2, 3)), (dtype, (3, 2)), over=[[1], [0]], batch=[[], []], preferred_element_type="float32", grad=True)
