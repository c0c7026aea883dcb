"""64-bit integers, floats and complex numbers, with x64, in `jax.lax` and `jax.numpy`."""

from families import union
from families.lax_index import BATCHED, ELEMENTS, ROWS, SCATTERS, TABLE, WINDOWS, updates_shape
from families.lax_elementwise import BINARY_ANY, BITS, COMPARE, FLOAT, INEXACT
from spec import arr, edges, pairs

ADAPTERS = union("ADAPTERS")
ULP = union("ULP")

I, U, F, C = "int64", "uint64", "float64", "complex128"
INTS = [I, U]
ALL = [I, U, F, C]


def build(f):
    def case(fn, *args, **k):
        f.case(fn, *args, x64=True, **k)

    elementwise(case)
    conversions(case)
    shapes(case)
    reductions(case)
    sorts(case)
    contractions(case)
    indices(case)
    numpy(case)


def elementwise(case):
    for name in "neg abs sign square".split():
        for dtype in INTS:
            case(f"lax.{name}", (dtype, edges(dtype)), error=None)
        case(f"lax.{name}", (C, (3, 2)), abs=1e-14, grad=True)
    for name in INEXACT:
        case(f"lax.{name}", (C, (2, 2)), abs=4e-15, grad=True, grad_abs=2e-13, error=None)
    for name in FLOAT + ["sin", "exp", "sqrt"]:
        case(f"lax.{name}", (U, (2,)), error=None)
    for name in BINARY_ANY + COMPARE + BITS:
        for dtype in INTS:
            if dtype == I and name in BINARY_ANY:
                continue
            a, b = pairs(dtype)
            if "shift" in name:
                b = [v % 67 for v in b]
            case(f"lax.{name}", arr(dtype, a), arr(dtype, b))
    for name in BINARY_ANY + ["eq", "ne", "lt"]:
        case(f"lax.{name}", (C, (4,)), (C, (4,)), abs=1e-14, error=None)
    for name in "add sub mul div".split():
        case(f"lax.{name}", (C, (2, 3)), (C, (2, 1)), abs=1e-14, grad=True, grad_abs=1e-13)
        case(f"lax.{name}", (I, (3,)), (U, (3,)), error=True)
    case("lax.eq", (C, [1 + 2j, 1j]), (C, [1 + 2j, 2j]))
    for dtype in INTS:
        for name in "population_count clz bitwise_not".split():
            case(f"lax.{name}", (dtype, edges(dtype)))
        case("lax.integer_pow", arr(dtype, [2, 3, 100000]), y=3)
        case("lax.clamp", arr(dtype, 1), (dtype, edges(dtype)), arr(dtype, 5))
    case("lax.pow", (C, (3,)), (C, (3,)), abs=4e-14, grad=True, grad_abs=4e-13)
    case("lax.pow", arr(F, [0.5, 0.0, -2.0]), arr(I, [2, 0, 3]), grad=True)
    for y in (-2, 0, 3):
        case("lax.integer_pow", (C, (3,)), y=y, abs=1e-13, grad=True, grad_abs=1e-12)
    for dtype in ALL:
        case("lax.select_n", ("bool", (5,)), (dtype, (5,)), (dtype, (5,)), grad=dtype in (F, C))
    for name in ("real", "imag", "conj"):
        case(f"lax.{name}", (C, edges(C)))
        case(f"lax.{name}", (C, (3,)), grad=True)
    case("lax.complex", (F, (3,)), (F, (3,)), grad=True)
    case("lax.nextafter", (F, (3,)), (F, (3,)))


def conversions(case):
    for a in ALL:
        for b in ALL + ["bool", "int8", "uint32", "int32", "float32", "bfloat16"]:
            if a != b:
                case("lax.convert_element_type", (a, edges(a)) if a in INTS else (a, (5,)), new_dtype=b)
    for a in ("bool", "int8", "uint32", "int32"):
        for b in ALL:
            case("lax.convert_element_type", (a, edges(a)), new_dtype=b)
    for a, b in ((I, U), (U, I), (F, I), (U, F)):
        case("lax.bitcast_convert_type", (a, edges(a)), new_dtype=b)


def shapes(case):
    for dtype in ALL:
        g = dict(grad=dtype in (F, C))
        case("lax.reshape", (dtype, (2, 3)), new_sizes=[3, 2], **g)
        case("lax.transpose", (dtype, (2, 3, 4)), permutation=[2, 0, 1], **g)
        case("lax.broadcast_in_dim", (dtype, (3,)), shape=[2, 3], broadcast_dimensions=[1], **g)
        case("lax.rev", (dtype, (2, 3)), dimensions=[1], **g)
        case("lax.concatenate", (dtype, (2, 3)), (dtype, (1, 3)), dimension=0, **g)
        case("lax.slice", (dtype, (5, 4)), start_indices=[1, 0], limit_indices=[5, 3], strides=[2, 1], **g)
        case("lax.pad", (dtype, (2, 3)), (dtype, ()), padding_config=[[1, 2, 0], [0, -1, 1]], **g)
        case("lax.expand_dims", (dtype, (2, 3)), dimensions=[0, 2], **g)
        case("lax.squeeze", (dtype, (1, 3, 1)), dimensions=[0, 2], **g)
        # Its derivative adds six numbers, in another order where vectors are shorter.
        case("lax.tile", (dtype, (2, 3)), reps=[2, 3], **g, grad_ulp=4 if g["grad"] else None)
        case("lax.iota", dtype=dtype, size=5)
        case("lax.split", (dtype, (5, 2)), sizes=[2, 0, 3], axis=0, **g)
        case("lax.full_like", (dtype, (2, 1)), fill_value=3)
        case("lax.dynamic_slice", (dtype, (4, 3)), arr(I, 9), arr(I, -1), slice_sizes=[2, 2], **g)
        case("lax.dynamic_update_slice", (dtype, (4, 3)), (dtype, (2, 2)), arr(U, 1), arr(U, 9), **g)
    case("lax.concatenate", (I, (2, 3)), (U, (1, 3)), dimension=0, error=True)


def reductions(case):
    for dtype in ALL:
        g = dict(grad=dtype in (F, C))
        real = dtype != C
        case("lax.reduce_sum", (dtype, (2, 3, 2)), axes=[0, 2], abs=1e-14, **g)
        case("lax.reduce_sum", (dtype, (0, 3)), axes=[0])
        case("lax.reduce_prod", (dtype, (2, 3)), axes=[1], abs=1e-13, **g)
        for name in ("reduce_max", "reduce_min"):
            case(f"lax.{name}", (dtype, [edges(dtype)]) if real else (dtype, (2, 3)), axes=[1], error=None)
        for name in ("argmax", "argmin"):
            if real:
                case(f"lax.{name}", (dtype, [edges(dtype)]), axis=1)
        for name in "cumsum cumprod cummax cummin".split():
            case(f"lax.{name}", (dtype, (3, 4)), axis=1, reverse=name == "cumsum", abs=1e-13, error=None)
        for name in "sum max min".split():
            case(f"lax.reduce_window_{name}", (dtype, (2, 5)), window_dimensions=[1, 3], window_strides=[1, 1], padding="SAME",
                 abs=1e-14, error=None)
        for name in "sum prod mean var max min any all count_nonzero argmax cumsum".split():
            case(f"numpy.{name}", (dtype, (2, 3)), axis=1, abs=1e-13, error=None)
        case("numpy.linalg.norm", (dtype, (2, 3)), axis=1)
    for dtype in INTS:
        for name in "and or xor".split():
            case(f"lax.reduce_{name}", (dtype, (2, 3)), axes=[1])
            case(f"lax.reduce_{name}", (dtype, (2, 0)), axes=[1])
    case("lax.cumlogsumexp", (C, (4,)), axis=0, reverse=False, abs=1e-14, error=None)


def sorts(case):
    for dtype in ALL:
        case("lax.sort", (dtype, (3, 5)), dimension=-1, is_stable=True, num_keys=1, grad=dtype == F)
        case("lax.sort", (dtype, edges(dtype)[::-1]), dimension=0, is_stable=True, num_keys=1)
        case("lax.sort_key_val", (dtype, (2, 5)), (I, (2, 5)), dimension=1, is_stable=True)
        case("numpy.sort", (dtype, (3, 4)), axis=0)
        case("numpy.argsort", (dtype, (3, 4)), axis=1)
        if dtype != C:
            case("lax.top_k", (dtype, edges(dtype)), k=5, axis=0)
            case("numpy.searchsorted", (dtype, [1, 2, 2, 5]), (dtype, [2, 5, 6, 0]), side="right")
    case("lax.sort", arr(I, [2, 1, 2, 1]), arr(U, [0, 2**64 - 1, 1, 0]), (F, (4,)), dimension=0, is_stable=True, num_keys=2)
    case("numpy.bincount", arr(I, [0, 1, 1, 3, -2, 9]), length=5)
    case("numpy.lexsort", arr(I, [1, 0, 1, 0]), arr(U, [2, 2, 1, 1]))


def contractions(case):
    for dtype in ALL:
        k = dict(grad=dtype in (F, C), abs=2e-14, grad_abs=2e-14)
        case("lax.dot_general", (dtype, (2, 3)), (dtype, (3, 4)), over=[[1], [0]], batch=[[], []], **k)
        case("lax.dot_general", (dtype, (5, 2, 3)), (dtype, (3, 5)), over=[[2], [0]], batch=[[0], [1]], **k)
        case("lax.dot", (dtype, (2, 3)), (dtype, (3,)), **k)
        case("numpy.matmul", (dtype, (5, 2, 3)), (dtype, (3, 2)), **k)
        case("numpy.einsum", (dtype, (2, 3)), (dtype, (2, 3)), subscripts="ij,ij->i", **k)
        case("lax.conv_general_dilated", (dtype, (1, 2, 5)), (dtype, (3, 2, 2)), window_strides=[1], padding="SAME", abs=2e-14,
             grad=dtype in (F, C), grad_abs=2e-14)
    case("numpy.matmul", (I, (2, 3)), (U, (3, 2)), abs=2e-14)
    case("numpy.matmul", (U, (2, 3)), ("int32", (3, 2)), abs=2e-14)
    case("numpy.vdot", (C, (2, 3)), (C, (6,)), abs=2e-14, grad=True, grad_abs=2e-14)


def indices(case):
    for dtype in ALL:
        for spec in (ROWS, ELEMENTS, WINDOWS, BATCHED, TABLE):
            shape, where, dims, window = spec
            case("lax.gather", (dtype, shape), arr(I, where), dims=dims, slice_sizes=window, mode="clip" if dtype == U else "fill",
                 grad=dtype in (F, C))
        shape, where, dims, _ = ROWS
        for name in SCATTERS:
            case(f"lax.{name}", (dtype, shape), arr(I, where), (dtype, updates_shape(ROWS)), dims=dims, mode="fill", abs=1e-14,
                 grad=dtype in (F, C) and name in ("scatter", "scatter_add", "scatter_sub"), error=None)
        case("numpy.index", (dtype, (3, 4, 2)), arr(I, [2, 0, -1]), index=[{"array": 0}], grad=dtype in (F, C))
        case("numpy.index", (dtype, (3, 4, 2)), index=[-1, "..."])
        case("numpy.at_set", (dtype, (3, 4)), (dtype, (2, 4)), arr(I, [2, 0]), index=[{"array": 0}])
        case("numpy.at_add", (dtype, (3, 4)), (dtype, ()), arr(U, [2, 2]), index=[{"array": 0}])
        case("numpy.at_multiply", (dtype, (3, 4)), (dtype, ()), index=[1], abs=1e-15)
        case("numpy.take", (dtype, (3, 4)), arr(I, [5, -9, 1]), axis=0)
        case("numpy.take_along_axis", (dtype, (3, 4)), arr(I, [[0, 2, 1, 1]]), axis=0, grad=dtype in (F, C))
    case("lax.gather", (U, (3, 2)), arr(U, [[0], [2], [2**64 - 1], [5]]), dims=ROWS[2], slice_sizes=[1, 2], mode="fill")
    case("lax.scatter_add", (I, (3, 2)), arr(U, [[0], [2], [2**64 - 1], [5]]), (I, (4, 2)), dims=ROWS[2], mode="fill")


def numpy(case):
    for name in """add subtract multiply true_divide floor_divide remainder power maximum minimum equal less logical_and
            float_power""".split():
        for a, b in ((U, U), (I, U), (I, I), (C, C), (U, "int32"), (I, "float32"), (C, I), (U, "bool")):
            if name == "power" and b != U and b in INTS:
                continue
            case(f"numpy.{name}", (a, (3,)), (b, (2, 1)), abs=1e-12, error=None)
    for name in BITS[:3] + ["left_shift", "right_shift", "gcd", "lcm"]:
        for dtype in INTS:
            case(f"numpy.{name}", (dtype, (2, 3)), arr(dtype, [1, 3, 7]))
    for name in "abs sign negative reciprocal square exp sqrt isnan logical_not angle conjugate nan_to_num".split():
        for dtype in (U, C):
            case(f"numpy.{name}", (dtype, (2, 3)), abs=1e-14, error=None)
    for dtype in ALL:
        case("numpy.where", ("bool", (2, 3)), (dtype, (3,)), (I, (2, 1)))
        case("numpy.zeros", shape=[2], dtype=dtype)
        case("numpy.arange", start=0, stop=4, step=1, dtype=dtype, error=None)
        case("numpy.pad", (dtype, (3,)), pad_width=[[2, 1]], mode="constant")
        case("numpy.roll", (dtype, (5,)), shift=2, axis=0)
        case("numpy.concatenate", (dtype, (2, 3)), (U, (1, 3)), axis=0)
        case("numpy.clip", (dtype, (2, 3)), (dtype, ()), (dtype, ()), error=None)
    case("numpy.divmod", arr(I, [7, -7, 7, -7]), arr(I, [2, 2, -2, -2]))
    case("numpy.median", (I, (5,)), axis=None)
    case("numpy.quantile", (F, (3, 4)), arr(F, [0.25, 0.5]), axis=1, abs=1e-14)
    for name in ("argmax", "argmin"):
        case(f"lax.{name}", (C, (2, 3)), axis=1, error=True)
