"""`jax.lax`: windows, convolutions, cumulative reductions, sorts."""

import jax.numpy as jnp
from jax import lax
from jax._src.lax import windowed_reductions as private
from spec import FLOATS, INTS, REALS, arr, edges

# Sums and products of several elements depend on their order; see README.
ULP = {name: 4 for name in """lax.cumsum lax.cumprod lax.cumlogsumexp lax.reduce_window_sum lax.conv_general_dilated
    lax.conv lax.conv_with_general_padding lax.conv_transpose""".split()}

ADAPTERS = {
    "lax.sort": lambda *xs, **k: lax.sort(xs, **k),
    "lax.sort_key_val": lambda x, y, **k: lax.sort_key_val(x, y, **k),
}



def reduce_window(name):
    """`lax.reduce_window` with a known computation, whose init value it does not have to be told."""
    bind = getattr(private, f"_reduce_window_{name}")

    def call(x, window_dimensions, window_strides, padding, base_dilation=None, window_dilation=None):
        if isinstance(padding, str):
            dilation = window_dilation or (1,) * len(window_dimensions)
            reach = [1 + d * (n - 1) for n, d in zip(window_dimensions, dilation, strict=True)]
            padding = lax.padtype_to_pads(x.shape, reach, window_strides, padding)
        return bind(x, window_dimensions, window_strides, padding, base_dilation, window_dilation)

    return call


ADAPTERS |= {f"lax.reduce_window_{name}": reduce_window(name) for name in ("sum", "max", "min")}
ADAPTERS["lax.padtype_to_pads"] = lambda **k: jnp.array(lax.padtype_to_pads(**k), jnp.int32).reshape(-1, 2)
ADAPTERS["lax.conv_general_dilated_patches"] = lambda x, **k: lax.conv_general_dilated_patches(x, **k)

ADAPTERS["lax.conv_general_dilated_local"] = lambda x, y, **k: lax.conv_general_dilated_local(x, y, **k)


def ragged(x, y, sizes, contract_l, contract_r, batch_l, batch_r, ragged, group):
    numbers = lax.RaggedDotDimensionNumbers(((contract_l, contract_r), (batch_l, batch_r)), ragged, group)
    return lax.ragged_dot_general(x, y, sizes, numbers)


ADAPTERS["lax.ragged_dot_general"] = ragged
ADAPTERS["lax.scaled_dot"] = lambda x, y, *scales, dims=None, preferred_element_type=None: lax.scaled_dot(
    x, y, lhs_scale=scales[0] if scales else None, rhs_scale=scales[1] if scales[1:] else None,
    dimension_numbers=dims and tuple(tuple(map(tuple, pair)) for pair in dims), preferred_element_type=preferred_element_type)

NAN = float("nan")
CUMULATIVE = "cumsum cumprod cummax cummin cumlogsumexp".split()
WINDOWS = [
    # shape, dimensions, strides, padding, base dilation, window dilation
    ((3, 6), [1, 3], [1, 2], "SAME", None, None),
    ((3, 6), [2, 2], [2, 2], "VALID", None, None),
    ((5,), [2], [1], "SAME_LOWER", None, None),
    ((5,), [3], [2], [[1, 1]], None, None),
    ((5,), [3], [1], [[-1, 2]], None, None),
    ((7, 2), [2, 2], [2, 1], [[1, -1], [0, 2]], [2, 1], [3, 1]),
    ((4,), [2], [3], [[0, 1]], [3], None),
    ((4, 1), [1, 1], [1, 1], "VALID", None, None),
    ((3,), [5], [1], "SAME", None, None),
    ((3,), [5], [1], "VALID", None, None),
    ((5,), [2], [2], "same", [2], None),
    ((6,), [2], [1], "SAME", None, [3]),
    ((0,), [2], [1], "SAME", None, None),
    ((0, 3), [1, 2], [1, 1], [[0, 0], [1, 0]], None, None),
    ((2, 1, 4, 4), [1, 1, 3, 3], [1, 1, 2, 2], "SAME", None, None),
]


def build(f):
    cumulative(f)
    windows(f)
    sorts(f)
    convolutions(f)


def cumulative(f):
    for name in CUMULATIVE:
        fn = f"lax.{name}"
        for reverse in (False, True):
            for dtype in REALS + ["bool", "complex64"]:
                f.case(fn, (dtype, (3, 4)), axis=1, reverse=reverse, abs=1e-5, error=None)
            for dtype in FLOATS:
                f.case(fn, arr(dtype, [[1.0, NAN, 2.0, 3.0], [0.0, -0.0, 0.0, -1.0]]), axis=1, reverse=reverse)
            f.case(fn, ("float32", (3, 4)), axis=0, reverse=reverse, grad=True, abs=1e-5)
            f.case(fn, ("float32", (4, 1, 3)), axis=1, reverse=reverse, grad=True, abs=1e-5)
            f.case(fn, ("float32", (0, 3)), axis=0, reverse=reverse, grad=True)
            f.case(fn, ("float32", (2, 0)), axis=0, reverse=reverse, grad=True)
            # The factors of a product cancel nothing: its error is one of the last places, however small it becomes.
            near = dict(ulp=24, grad_abs=1e-6) if name == "cumprod" else dict(ulp=16, abs=2e-5)
            f.case(fn, ("float32", (37,)), axis=0, reverse=reverse, grad=True, **near)
            f.case(fn, ("float64", (5,)), axis=0, reverse=reverse, grad=True, abs=1e-13, x64=True)
        f.case(fn, ("float32", (3,)), axis=1, error=True)
        f.case(fn, ("float32", ()), axis=0, error=True)
    # Ties: each has a share of the cotangent in JAX's own way.
    for name in ("cummax", "cummin"):
        f.case(f"lax.{name}", arr("float32", [1.0, 1.0, 2.0, 2.0, 0.0, 2.0]), axis=0, grad=True)
    f.case("lax.cumprod", arr("float32", [2.0, 0.0, 3.0, 0.0, 1.0]), axis=0, grad=True)
    f.case("lax.cumlogsumexp", arr("float32", [-float("inf"), -float("inf"), 1.0, 100.0, -100.0, float("inf"), 0.0]), axis=0)
    f.case("lax.cumsum", arr("float16", [60000.0, 10000.0, -60000.0]), axis=0)


def windows(f):
    for name in "sum max min".split():
        fn = f"lax.reduce_window_{name}"
        for shape, dims, strides, padding, base, dilation in WINDOWS:
            given = dict(window_dimensions=dims, window_strides=strides, padding=padding, base_dilation=base, window_dilation=dilation)
            # JAX transposes neither dilation nor negative padding of an extremum.
            plain = base is None and dilation is None and not (isinstance(padding, list) and min(map(min, padding)) < 0)
            f.case(fn, ("float32", shape), grad=name == "sum" or plain, abs=2e-6, **given, error=None)
        given = dict(window_dimensions=[1, 3], window_strides=[1, 1], padding="SAME")
        for dtype in REALS + ["bool", "complex64"]:
            f.case(fn, (dtype, (2, 5)), **given, abs=1e-6, error=None)
        f.case(fn, ("float64", (2, 5)), **given, x64=True, grad=True, abs=1e-14)
        f.case(fn, arr("float32", [[NAN, 1.0, -0.0, 0.0, 2.0], [1.0, 1.0, 1.0, 3.0, 3.0]]), **given)
        # Ties.
        f.case(fn, arr("float32", [[1.0, 1.0, 1.0, 3.0, 3.0]]), **given, grad=True)
        f.case(fn, ("float32", (2,)), **given, error=True)
        f.case(fn, ("float32", (2, 5)), window_dimensions=[1, 3], window_strides=[1], padding="SAME", error=True)
        f.case(fn, ("float32", (2, 5)), window_dimensions=[1, 3], window_strides=[1, 0], padding="VALID", error=True)


def sorts(f):
    for dtype in REALS + ["bool", "complex64"]:
        f.case("lax.sort", (dtype, (3, 5)), dimension=-1, is_stable=True, num_keys=1, grad=dtype == "float32")
        f.case("lax.sort", (dtype, edges(dtype)[::-1]), dimension=0, is_stable=True, num_keys=1)
    for dimension in (0, 1, -2):
        f.case("lax.sort", ("float32", (3, 4, 1)), dimension=dimension, is_stable=False, num_keys=1, grad=True)
    # Few different keys, so that the second decides, and stability shows.
    keys = arr("int32", [[2, 1, 2, 1, 2, 0], [0, 0, 0, 1, 0, 1]])
    for num_keys in (1, 2, 3):
        f.case("lax.sort", keys, arr("float32", [[1.0, NAN, -0.0, 0.0, 0.0, 2.0], [3.0, 2.0, NAN, -NAN, 1.0, 0.0]]),
               ("float32", (2, 6)), dimension=1, is_stable=True, num_keys=num_keys, grad=True)
    f.case("lax.sort", keys, ("bool", (2, 6)), ("uint8", (2, 6)), ("complex64", (2, 6)), dimension=1, is_stable=True, num_keys=2)
    for dtype in REALS:
        f.case("lax.sort_key_val", (dtype, (2, 5)), ("float32", (2, 5)), dimension=1, is_stable=True, grad=dtype == "float32")
    for shape in ((0,), (1,), (2, 0), (0, 2)):
        f.case("lax.sort", ("float32", shape), dimension=0, is_stable=True, num_keys=1, grad=True)
    f.case("lax.sort", ("float64", (7,)), dimension=0, is_stable=True, num_keys=1, grad=True, x64=True)
    f.case("lax.sort", ("float32", ()), dimension=0, is_stable=True, num_keys=1, error=True)
    f.case("lax.sort", ("float32", (2,)), dimension=1, is_stable=True, num_keys=1, error=True)
    f.case("lax.sort", ("float32", (2,)), dimension=0, is_stable=True, num_keys=2, error=True)
    f.case("lax.sort", ("float32", (2,)), dimension=0, is_stable=True, num_keys=0, error=True)
    f.case("lax.sort", ("float32", (2, 3)), ("float32", (3, 2)), dimension=0, is_stable=True, num_keys=1, error=True)
    for dtype in REALS:
        f.case("lax.top_k", (dtype, (3, 6)), k=4, axis=-1, grad=dtype == "float32", error=None)
        f.case("lax.top_k", (dtype, edges(dtype)), k=5, axis=0, error=None)
    for axis in (0, 1, -2):
        f.case("lax.top_k", ("float32", (4, 3, 2)), k=2, axis=axis, grad=True)
    f.case("lax.top_k", arr("float32", [1.0, 2.0, 2.0, 1.0, 2.0]), k=4, axis=0, grad=True)
    f.case("lax.top_k", ("float32", (3,)), k=0, axis=0, grad=True)
    f.case("lax.top_k", ("float32", (3,)), k=3, axis=0, grad=True)
    f.case("lax.top_k", ("float32", (0, 3)), k=2, axis=1)
    f.case("lax.top_k", ("float32", (3,)), k=4, axis=0, error=True)
    for name in ("lax.approx_max_k", "lax.approx_min_k"):
        f.case(name, ("float32", (3, 6)), k=4, reduction_dimension=1, grad=True)
        f.case(name, ("bfloat16", (6, 2)), k=2, reduction_dimension=0)
        f.case(name, ("float32", (2, 3)), k=4, reduction_dimension=1, error=True)
        f.case(name, ("int32", (3,)), k=1, reduction_dimension=0, error=True)
    f.case("lax.approx_max_k", ("float32", (3,)), k=0, reduction_dimension=0, error=True)
    f.case("lax.approx_max_k", ("float32", ()), k=1, reduction_dimension=0, error=True)
    f.case("lax.approx_max_k", ("float32", (2, 300)), k=3, reduction_dimension=1, aggregate_to_topk=False, recall_target=0.5)
    f.case("lax.top_k", ("float32", ()), k=1, axis=0, error=True)
    f.case("lax.top_k", ("complex64", (3,)), k=1, axis=0, error=True)
    f.case("lax.top_k", ("bool", (3,)), k=1, axis=0, error=None)


def convolutions(f):
    def conv(lhs, rhs, dtype="float32", strides=None, padding="VALID", abs=4e-6, **k):
        n = len(lhs) - 2
        k.setdefault("grad", dtype == "float32")
        f.case("lax.conv_general_dilated", (dtype, lhs), (dtype, rhs), window_strides=strides or [1] * n, padding=padding, abs=abs, **k)

    conv((2, 3, 6), (4, 3, 3))
    conv((2, 3, 6), (4, 3, 3), padding="SAME")
    conv((2, 3, 6), (4, 3, 2), padding="SAME_LOWER")
    conv((2, 3, 6), (4, 3, 3), strides=[2], padding="SAME")
    conv((2, 3, 6), (4, 3, 3), strides=[2], padding=[[2, 0]])
    # No negative padding: jaxlib 0.10.2 reads outside of the operand, on the CPU.
    conv((2, 3, 6), (4, 3, 3), padding=[[3, 2]], strides=[3], lhs_dilation=[2], rhs_dilation=[2])
    conv((1, 2, 5), (2, 2, 2), padding=[[1, 1]], lhs_dilation=[3])
    conv((1, 2, 7), (2, 2, 3), padding="SAME", rhs_dilation=[2])
    conv((1, 4, 5), (4, 2, 2), feature_group_count=2)
    conv((1, 4, 5), (8, 1, 2), feature_group_count=4, padding="SAME", strides=[2])
    conv((4, 2, 5), (4, 2, 2), batch_group_count=2)
    conv((4, 2, 5), (4, 2, 2), batch_group_count=2, strides=[2], padding=[[1, 0]], rhs_dilation=[2])
    for numbers in (["NCHW", "OIHW", "NCHW"], ["NHWC", "HWIO", "NHWC"], ["NWHC", "WIOH", "CNHW"], ["CHWN", "IHWO", "HWNC"]):
        sizes = dict(N=2, C=3, H=5, W=4)
        kernel = dict(O=4, I=3, H=2, W=3)
        conv(tuple(sizes[c] for c in numbers[0]), tuple(kernel[c] for c in numbers[1]), dimension_numbers=numbers,
             strides=[1, 2], padding=[[1, 0], [0, 1]])
        conv(tuple({**sizes, "C": 6}[c] for c in numbers[0]), tuple(kernel[c] for c in numbers[1]), dimension_numbers=numbers,
             padding="SAME", feature_group_count=2, rhs_dilation=[1, 2])
    conv((1, 1, 3, 3, 3), (1, 1, 2, 2, 2), padding="SAME")
    conv((2, 3), (4, 3))
    conv((0, 3, 6), (4, 3, 3))
    conv((2, 0, 6), (4, 0, 3), grad=False)
    conv((2, 3, 6), (0, 3, 3), grad=False)
    conv((2, 3, 2), (4, 3, 3))
    conv((1, 1, 1), (1, 1, 1))
    for dtype in REALS + ["complex64", "bool"]:
        conv((1, 2, 5), (3, 2, 2), dtype=dtype, error=None, abs=4e-2 if dtype in ("bfloat16", "float16") else 4e-6)
    conv((1, 2, 5), (3, 2, 2), dtype="bfloat16", preferred_element_type="float32", grad=True)
    conv((1, 2, 5), (3, 2, 2), dtype="int8", preferred_element_type="int32")
    conv((1, 2, 5), (3, 2, 2), dtype="float64", x64=True, grad=True, abs=1e-14)
    conv((1, 3, 4), (2, 2, 2), error=True)
    conv((1, 2, 4), (2, 2, 2), strides=[1, 1], error=True)
    conv((1, 2, 4), (3, 2, 2), batch_group_count=2, error=True)
    conv((1, 2, 4), (3, 1, 2), feature_group_count=2, error=True)
    conv((1, 2, 4), (3, 2, 2), padding="SAME", lhs_dilation=[2], error=True)
    conv((1, 2, 4), (3, 2, 2), dimension_numbers=["NCH", "OIW", "NCH"], error=True)
    f.case("lax.conv_general_dilated", ("float32", (1, 2, 4)), ("int32", (3, 2, 2)), window_strides=[1], padding="SAME", error=True)
    f.case("lax.conv", ("float32", (1, 2, 4)), ("float32", (3, 2, 2)), window_strides=[2], padding="SAME", grad=True, abs=2e-6)
    other_convolutions(f)


def other_convolutions(f):
    F = "float32"
    f.case("lax.conv_with_general_padding", (F, (1, 2, 4)), (F, (3, 2, 2)), window_strides=[2], padding=[[1, 2]],
           lhs_dilation=[2], rhs_dilation=[2], grad=True, abs=2e-6)
    f.case("lax.conv_with_general_padding", (F, (1, 2, 4)), (F, (3, 2, 2)), window_strides=[1], padding="SAME",
           lhs_dilation=None, rhs_dilation=None, grad=True, abs=2e-6)
    for padding in ("SAME", "VALID", [[1, 2]], [[0, 1]]):
        for strides in ([1], [2], [4]):
            for consistent in (False, True):
                f.case("lax.conv_transpose", (F, (1, 4, 2)), (F, (3, 2, 3)), strides=strides, padding=padding,
                       use_consistent_padding=consistent, grad=strides == [2], abs=4e-6)
    f.case("lax.conv_transpose", (F, (1, 4, 2)), (F, (3, 2, 3)), strides=[2], padding="SAME", rhs_dilation=[2], grad=True, abs=4e-6)
    f.case("lax.conv_transpose", (F, (1, 4, 2)), (F, (3, 3, 2)), strides=[2], padding="VALID", transpose_kernel=True, grad=True, abs=4e-6)
    f.case("lax.conv_transpose", (F, (2, 3, 3, 2)), (F, (2, 3, 2, 1)), strides=[1, 2], padding="SAME", grad=True, abs=4e-6)
    f.case("lax.conv_transpose", (F, (2, 2, 3, 3)), (F, (1, 2, 2, 3)), strides=[2, 2], padding="VALID",
           dimension_numbers=["NCHW", "OIHW", "NCHW"], grad=True, abs=4e-6)
    f.case("lax.conv_transpose", (F, (2, 3)), (F, (3, 4)), strides=[], padding="VALID", abs=4e-6)
    f.case("lax.conv_transpose", (F, (1, 2, 2, 2, 1)), (F, (2, 2, 2, 1, 1)), strides=[2, 2, 2], padding="SAME", abs=4e-6)
    f.case("lax.conv_transpose", (F, (1,) * 6), (F, (1,) * 6), strides=[1] * 4, padding="SAME", error=True)
    for padding in ("SAME", "VALID", [[1, 0], [0, 2]]):
        f.case("lax.conv_general_dilated_patches", (F, (2, 3, 4, 5)), filter_shape=[2, 3], window_strides=[1, 2],
               padding=padding, grad=True, abs=2e-6)
    for numbers in (["NHWC", "HWIO", "NHWC"], ["NCHW", "OIWH", "CNHW"], ["CWHN", "HIOW", "HCNW"]):
        f.case("lax.conv_general_dilated_patches", (F, (2, 3, 4, 5)), filter_shape=[1, 2], window_strides=[1, 1],
               padding="VALID", rhs_dilation=[1, 2], dimension_numbers=numbers, grad=True, abs=2e-6)
    f.case("lax.conv_general_dilated_patches", ("int32", (1, 2, 4)), filter_shape=[2], window_strides=[1], padding="VALID")
    f.case("lax.conv_general_dilated_patches", (F, (1, 2, 4)), filter_shape=[2], window_strides=[1], padding=[[1, 1]], lhs_dilation=[2])
    f.case("lax.conv_general_dilated_patches", (F, (1, 2, 4)), filter_shape=[2, 2], window_strides=[1], padding="VALID", error=True)
    local = "lax.conv_general_dilated_local"
    for padding, w in (("SAME", 5), ("VALID", 4)):
        f.case(local, (F, (2, 3, 5)), (F, (2, 6, w)), filter_shape=[2], window_strides=[1], padding=padding, grad=True, abs=4e-6)
    f.case(local, (F, (2, 3, 4, 5)), (F, (2, 12, 2, 2)), filter_shape=[2, 2], window_strides=[2, 2], padding=[[0, 0], [0, 0]], grad=True, abs=4e-6)
    f.case(local, (F, (2, 4, 5, 3)), (F, (3, 4, 6, 2)), filter_shape=[2, 1], window_strides=[1, 1], padding="VALID",
           dimension_numbers=["NWHC", "HWIO", "CNHW"], abs=4e-6, error=True)
    f.case(local, (F, (2, 4, 5, 3)), (F, (4, 4, 6, 2)), filter_shape=[2, 1], window_strides=[1, 1], padding="VALID",
           dimension_numbers=["NWHC", "HWIO", "CNHW"], abs=4e-6)
    f.case(local, (F, (2, 3, 5)), (F, (2, 5, 4)), filter_shape=[2], window_strides=[1], padding="VALID", error=True)
    for dtype in (F, "bfloat16", "float8_e4m3fn", "float8_e5m2"):
        f.case("lax.scaled_dot", (dtype, (3, 4)), (dtype, (4, 2)), abs=6e-2)
        f.case("lax.scaled_dot", (dtype, (2, 3, 4)), (dtype, (2, 4, 2)), (dtype, (2, 3, 2)), (dtype, (2, 1, 2)), preferred_element_type=F, abs=6e-2)
    f.case("lax.scaled_dot", (F, (4, 3)), (F, (2, 4)), (F, (2, 3)), dims=[[[0], [1]], [[], []]], preferred_element_type=F, abs=6e-2)
    f.case("lax.scaled_dot", (F, (0, 4)), (F, (4, 2)), (F, (0, 2)))
    f.case("lax.scaled_dot", (F, (4,)), (F, (4,)), error=True)
    f.case("lax.scaled_dot", (F, (3, 4)), (F, (4, 2)), (F, (3, 3)), error=True)
    f.case("lax.scaled_dot", (F, (3, 4)), (F, (4, 2)), (F, (3, 4)), error=True)
    f.case("lax.scaled_dot", (F, (3, 4)), (F, (4, 2)), (F, (2, 2)), error=True)
    f.case("lax.scaled_dot", (F, (3, 4)), (F, (5, 2)), error=True)
    for dtype in (F, "bfloat16", "float64", "complex64", "int32"):
        f.case("lax.ragged_dot", (dtype, (5, 3)), (dtype, (2, 3, 2)), ("int32", [2, 2]), x64=dtype == "float64", abs=4e-2 if dtype == "bfloat16" else 4e-6)
    f.case("lax.ragged_dot", (F, (5, 3)), (F, (3, 3, 2)), ("int32", [0, 4, 1]), grad=[0, 1], abs=4e-6)
    f.case("lax.ragged_dot", (F, (3, 2)), (F, (0, 2, 2)), ("int32", (0,)))
    f.case("lax.ragged_dot", (F, (0, 2)), (F, (1, 2, 2)), ("int32", [0]))
    f.case("lax.ragged_dot", (F, (3, 2)), (F, (2, 2, 2)), ("uint8", [1, 5]))
    f.case("lax.ragged_dot", (F, (3, 2)), (F, (2, 2, 2)), ("int32", [1, 1, 1]), error=True)
    f.case("lax.ragged_dot", (F, (3, 2)), (F, (2, 2, 2)), (F, [1, 1]), error=True)
    f.case("lax.ragged_dot", (F, (3, 2)), (F, (2, 3, 2)), ("int32", [1, 1]), error=True)
    g = lambda *x, dims, **k: f.case("lax.ragged_dot_general", *x, contract_l=dims[0], contract_r=dims[1], batch_l=dims[2],
                                     batch_r=dims[3], ragged=dims[4], group=dims[5], **k)
    g((F, (3, 5)), (F, (5, 2)), ("int32", [1, 3]), dims=([1], [0], [], [], [1], []), abs=4e-6)
    g((F, (2, 5, 3)), (F, (2, 2, 3, 2)), ("int32", [1, 3]), dims=([2], [2], [0], [0], [1], [1]), grad=[0, 1], abs=4e-6)
    g((F, (2, 5, 3)), (F, (2, 2, 3, 2)), ("int32", [[1, 3], [5, 0]]), dims=([2], [2], [0], [0], [1], [1]), abs=4e-6)
    g((F, (2, 4, 3)), (F, (2, 3, 2)), ("int32", [1, 1]), dims=([2], [1], [0], [0], [0], []), abs=4e-6)
    g((F, (3, 5)), (F, (5, 2)), ("int32", [1, 3]), dims=([1], [0], [], [], [1], [1]), error=True)
    g((F, (3, 5)), (F, (5, 2)), ("int32", [1, 3]), dims=([1], [0], [], [], [0], []), error=True)
    g((F, (3, 5)), (F, (5, 2)), ("int32", [[1, 3]]), dims=([1], [0], [], [], [1], []), error=True)
    for padding in ("SAME", "SAME_LOWER", "VALID", "same"):
        for size, window, stride in ((6, 4, 1), (5, 2, 3), (0, 3, 1), (7, 1, 2), (0, 3, 5)):
            f.case("lax.padtype_to_pads", in_shape=[size, 4], window_shape=[window, 2], window_strides=[stride, 1], padding=padding)
