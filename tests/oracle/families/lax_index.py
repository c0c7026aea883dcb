"""`jax.lax`: gathers and scatters, and slices whose place is computed."""

from jax import lax
from spec import REALS, arr

# Several updates of one element are combined in an order that XLA chooses.
ULP = {"lax.scatter_add": 4, "lax.scatter_sub": 4, "lax.scatter_mul": 8}

MODES = ["clip", "fill", "promise_in_bounds"]
SCATTERS = "scatter scatter_add scatter_sub scatter_mul scatter_min scatter_max".split()


def gather(x, i, dims, slice_sizes, mode, fill_value=None, unique_indices=False, indices_are_sorted=False):
    names = "offset_dims collapsed_slice_dims start_index_map operand_batching_dims start_indices_batching_dims".split()
    numbers = lax.GatherDimensionNumbers(**dict(zip(names, dims)))
    return lax.gather(x, i, numbers, slice_sizes, mode=mode, fill_value=fill_value, unique_indices=unique_indices,
                      indices_are_sorted=indices_are_sorted)


def numbers_of(dims):
    names = """update_window_dims inserted_window_dims scatter_dims_to_operand_dims operand_batching_dims
        scatter_indices_batching_dims""".split()
    return lax.ScatterDimensionNumbers(**dict(zip(names, dims)))


def scatter(name):
    def call(x, i, u, dims, mode=None, unique_indices=False, indices_are_sorted=False):
        return getattr(lax, name)(x, i, u, numbers_of(dims), mode=mode, unique_indices=unique_indices,
                                  indices_are_sorted=indices_are_sorted)

    return call


def scatter_apply(x, i, dims, update_shape, mode=None, unique_indices=False, indices_are_sorted=False):
    return lax.scatter_apply(x, i, lambda v: v * v + 1, numbers_of(dims), update_shape=tuple(update_shape), mode=mode,
                             unique_indices=unique_indices, indices_are_sorted=indices_are_sorted)


ADAPTERS = {
    "lax.gather": gather,
    "lax.scatter_apply": scatter_apply,
    **{f"lax.{name}": scatter(name) for name in SCATTERS},
    "lax.dynamic_slice": lambda x, *i, slice_sizes, **k: lax.dynamic_slice(x, i, slice_sizes, **k),
    "lax.dynamic_update_slice": lambda x, u, *i, **k: lax.dynamic_update_slice(x, u, i, **k),
}

# Operand, indices, dimension numbers (update window, inserted, index map, batching of both), window. The indices are
# out of bounds at both ends where nothing promises otherwise.
ROWS = ((3, 2), [[0], [2], [-1], [5]], [[1], [0], [0], [], []], [1, 2])
ELEMENTS = ((3, 2), [[1, 1], [0, 0], [1, 1], [3, 0], [2, -7]], [[], [0, 1], [0, 1], [], []], [1, 1])
WINDOWS = ((3, 4), [[3, 0], [1, 1], [0, 2], [-1, 0]], [[0, 2], [], [1, 0], [], []], [2, 2])
BATCHED = ((2, 3), [[1], [3]], [[], [1], [1], [0], [0]], [1, 1])
BATCHED_WINDOWS = ((4, 2, 3), [[[0], [2]], [[1], [-2]]], [[1, 3], [], [0], [1], [0]], [2, 1, 3])
TABLE = ((4,), [[[0], [3]], [[4], [1]]], [[], [0], [0], [], []], [1])
EMPTY_WINDOW = ((3, 0), [[0], [1]], [[1], [0], [0], [], []], [1, 0])
NO_INDICES = ((3, 2), None, [[1], [0], [0], [], []], [1, 2])
ONE = ((1, 1), [[0]], [[1], [0], [0], [], []], [1, 1])
NO_COMPONENTS = ((3,), [[], []], [[1], [], [], [], []], [2])
ALL = [ROWS, ELEMENTS, WINDOWS, BATCHED, BATCHED_WINDOWS, TABLE, EMPTY_WINDOW, NO_INDICES, ONE, NO_COMPONENTS]


def indices_of(indices, dtype="int32"):
    if indices is None:
        return "int32", (0, 1)
    return arr(dtype, indices)


def within(spec):
    """The same with indices in bounds."""
    shape, indices, dims, window = spec
    if not indices or indices == [[], []]:
        return spec
    most = [shape[d] - window[d] for d in dims[2]]

    def clamp(v):
        return [clamp(x) for x in v] if isinstance(v[0], list) else [min(max(x, 0), n) for x, n in zip(v, most)]

    return shape, clamp(indices), dims, window


def updates_shape(spec):
    shape, indices, dims, window = spec
    batch = [0] if indices is None else []
    while isinstance(indices, list) and indices and isinstance(indices[0], list):
        batch.append(len(indices))
        indices = indices[0]
    kept = iter([n for i, n in enumerate(window) if i not in dims[1] and i not in dims[3]])
    batch = iter(batch)
    rank = len(dims[0]) + (1 if spec[1] is None else depth(spec[1]) - 1)
    return tuple(next(kept) if i in dims[0] else next(batch) for i in range(rank))


def depth(v):
    return 1 + depth(v[0]) if isinstance(v, list) and v else 1 if isinstance(v, list) else 0


def build(f):
    for spec in ALL:
        for mode in MODES:
            shape, indices, dims, sizes = within(spec) if mode == "promise_in_bounds" else spec
            f.case("lax.gather", ("float32", shape), indices_of(indices), dims=dims, slice_sizes=sizes, mode=mode, grad=True)
    for dtype in REALS + ["bool", "complex64"]:
        for spec in (ROWS, ELEMENTS):
            shape, indices, dims, sizes = spec
            f.case("lax.gather", (dtype, shape), indices_of(indices), dims=dims, slice_sizes=sizes, mode="fill")
        f.case("lax.gather", (dtype, ROWS[0]), indices_of(ROWS[1]), dims=ROWS[2], slice_sizes=ROWS[3], mode="fill", fill_value=1)
    for dtype in ("int8", "int16", "uint8", "uint16", "uint32"):
        unsigned = [[v[0] % 6] for v in ROWS[1]]
        for mode in MODES[:2]:
            f.case("lax.gather", ("float32", ROWS[0]), indices_of(unsigned if dtype[0] == "u" else ROWS[1], dtype),
                   dims=ROWS[2], slice_sizes=ROWS[3], mode=mode)
    # More rows than the indices' dtype can name.
    f.case("lax.gather", ("float32", (300, 1)), arr("int8", [[127], [-128], [0]]), dims=ROWS[2], slice_sizes=[1, 1], mode="clip")
    f.case("lax.gather", ("float32", (300, 1)), arr("uint8", [[255], [3]]), dims=ROWS[2], slice_sizes=[1, 1], mode="fill", grad=True)
    f.case("lax.gather", ("float64", ROWS[0]), indices_of(ROWS[1], "int64"), dims=ROWS[2], slice_sizes=ROWS[3], mode="fill", x64=True)
    f.case("lax.gather", ("float32", (4, 2)), arr("int32", [[0], [1], [3]]), dims=ROWS[2], slice_sizes=[1, 2],
           mode="promise_in_bounds", unique_indices=True, indices_are_sorted=True, grad=True)
    f.case("lax.gather", ("float32", (3, 2)), ("float32", (2, 1)), dims=ROWS[2], slice_sizes=[1, 2], mode="clip", error=True)
    f.case("lax.gather", ("float32", (3, 2)), arr("int32", [[0]]), dims=ROWS[2], slice_sizes=[4, 2], mode="clip", error=True)
    f.case("lax.gather", ("float32", (3, 2)), arr("int32", [[0]]), dims=ROWS[2], slice_sizes=[2, 2], mode="clip", error=True)
    f.case("lax.gather", ("float32", (3, 2)), arr("int32", [[0]]), dims=[[3], [0], [0], [], []], slice_sizes=[1, 2], mode="clip", error=True)
    f.case("lax.gather", ("float32", (3, 2)), arr("int32", [[0]]), dims=[[1], [0], [0, 1], [], []], slice_sizes=[1, 2], mode="clip", error=True)
    f.case("lax.gather", ("float32", (0, 2)), arr("int32", [[0]]), dims=ROWS[2], slice_sizes=[1, 2], mode="fill", error=None)
    scatters(f)
    applied(f)
    slices(f)


def scatters(f):
    for name in SCATTERS:
        fn = f"lax.{name}"
        smooth = name in ("scatter_add", "scatter_sub")
        for spec in ALL:
            for mode in MODES:
                one = within(spec) if mode == "promise_in_bounds" else spec
                shape, indices, dims, _ = one
                # Which of two replacements wins, and the derivative at a place written twice, are nobody's business.
                repeated = spec in (ELEMENTS, WINDOWS, BATCHED_WINDOWS, NO_COMPONENTS) or mode != "fill" and spec in (ROWS, TABLE)
                if repeated and name == "scatter":
                    continue
                if name == "scatter_mul":
                    # Without a promise that indices are unique JAX has no gradient.
                    f.case(fn, ("float32", shape), indices_of(indices), ("float32", updates_shape(spec)), dims=dims, mode=mode, error=None)
                    continue
                f.case(fn, ("float32", shape), indices_of(indices), ("float32", updates_shape(spec)), dims=dims, mode=mode,
                       grad=smooth or not repeated, abs=1e-6, error=None)
        shape, indices, dims, _ = ROWS
        for dtype in REALS + ["bool", "complex64"]:
            f.case(fn, (dtype, shape), indices_of(indices), (dtype, updates_shape(ROWS)), dims=dims, mode="fill", error=None)
        for dtype in ("int8", "uint8", "uint32"):
            unsigned = [[v[0] % 6] for v in ROWS[1]]
            f.case(fn, ("float32", shape), indices_of(unsigned if dtype[0] == "u" else indices, dtype),
                   ("float32", updates_shape(ROWS)), dims=dims, grad=name != "scatter_mul")
        f.case(fn, ("float32", (5, 2)), arr("int32", [[0], [2], [4]]), ("float32", (3, 2)), dims=dims, unique_indices=True,
               indices_are_sorted=True, grad=True)
        f.case(fn, ("float32", (300, 1)), arr("uint8", [[255], [3]]), ("float32", (2, 1)), dims=dims, grad=name != "scatter_mul")
        f.case(fn, ("float64", shape), indices_of(indices, "int64"), ("float64", updates_shape(ROWS)), dims=dims, x64=True, grad=name != "scatter_mul")
        f.case(fn, ("float32", shape), indices_of(indices), ("float32", (3, 2)), dims=dims, error=True)
        f.case(fn, ("float32", shape), indices_of(indices), ("int32", (4, 2)), dims=dims, error=True)
        f.case(fn, ("float32", shape), ("float32", (4, 1)), ("float32", (4, 2)), dims=dims, error=True)
    for name in ("scatter_min", "scatter_max"):
        f.case(f"lax.{name}", ("complex64", (3, 2)), arr("int32", [[0], [1], [0]]), ("complex64", (3, 2)), dims=ROWS[2], grad=True)
        f.case(f"lax.{name}", arr("complex64", [1 + 2j, 3 - 1j, 0j]), arr("int32", [[0], [1], [2]]),
               arr("complex64", [1 + 3j, 2 + 9j, -1 + 0j]), dims=[[], [0], [0], [], []])
        nan = float("nan")
        f.case(f"lax.{name}", arr("float32", [1.0, nan, 0.0, -0.0, 2.0]), arr("int32", [[0], [1], [4]]),
               arr("float32", [nan, 1.0, 3.0]), dims=[[], [0], [0], [], []])
        # A tie between operand and update.
        f.case(f"lax.{name}", arr("float32", [1.0, 2.0]), arr("int32", [[0], [1]]), arr("float32", [1.0, 2.0]),
               dims=[[], [0], [0], [], []], grad=True)


def applied(f):
    fn = "lax.scatter_apply"
    for spec in ALL:
        for mode in MODES:
            shape, indices, dims, _ = within(spec) if mode == "promise_in_bounds" else spec
            f.case(fn, ("float32", shape), indices_of(indices), dims=dims, update_shape=updates_shape(spec), mode=mode, error=None)
    shape, indices, dims, _ = ROWS
    for dtype in ("float16", "int32", "uint8", "complex64"):
        f.case(fn, (dtype, shape), indices_of(indices), dims=dims, update_shape=updates_shape(ROWS))
    f.case(fn, ("float32", (5, 2)), arr("int32", [[0], [2], [4]]), dims=dims, update_shape=(3, 2), unique_indices=True, indices_are_sorted=True)
    f.case(fn, ("float32", shape), indices_of(indices), dims=dims, update_shape=(3, 2), error=True)
    f.case(fn, ("float32", shape), ("float32", (4, 1)), dims=dims, update_shape=(4, 2), error=True)


def slices(f):
    for dtype in REALS + ["bool", "complex64"]:
        for at in ((1, 1), (9, -1), (-9, 2)):
            i = [arr("int32", v) for v in at]
            grad = dtype == "float32"
            f.case("lax.dynamic_slice", (dtype, (4, 3)), *i, slice_sizes=[2, 2], grad=grad)
            f.case("lax.dynamic_update_slice", (dtype, (4, 3)), (dtype, (2, 2)), *i, grad=grad)
    for dtype in ("int8", "uint8", "int16", "uint32"):
        f.case("lax.dynamic_slice", ("float32", (5,)), arr(dtype, 2), slice_sizes=[2])
        f.case("lax.dynamic_slice", ("float32", (300,)), arr(dtype, 3), slice_sizes=[2], grad=True)
        # jaxlib 0.10.2 clamps indices of 8 bits to 298 modulo 256 here, but not when this is jitted: no case for more than 127.
        f.case("lax.dynamic_update_slice", ("float32", (100,)), ("float32", (2,)), arr(dtype, 98))
    f.case("lax.dynamic_slice", ("float32", (300,)), arr("int8", -1), slice_sizes=[2])
    f.case("lax.dynamic_slice", ("float32", (300,)), arr("uint8", 255), slice_sizes=[100])
    f.case("lax.dynamic_slice", ("float32", ()), slice_sizes=[])
    f.case("lax.dynamic_slice", ("float32", (3, 0)), arr("int32", 1), arr("int32", 0), slice_sizes=[2, 0], grad=True)
    f.case("lax.dynamic_slice", ("float32", (3,)), arr("int32", 3), slice_sizes=[0], grad=True)
    f.case("lax.dynamic_slice", ("float32", (1,)), arr("int32", -1), slice_sizes=[1], grad=True)
    f.case("lax.dynamic_slice", ("float64", (4,)), arr("int64", -3), slice_sizes=[2], grad=True, x64=True)
    f.case("lax.dynamic_slice", ("float32", (3,)), arr("int32", 0), slice_sizes=[4], error=True)
    f.case("lax.dynamic_slice", ("float32", (3,)), arr("int32", 0), arr("int32", 0), slice_sizes=[2], error=True)
    f.case("lax.dynamic_slice", ("float32", (3,)), ("float32", ()), slice_sizes=[2], error=True)
    f.case("lax.dynamic_slice", ("float32", (3,)), ("int32", (1,)), slice_sizes=[2], error=None)
    f.case("lax.dynamic_update_slice", ("float32", (3,)), ("float32", (0,)), arr("int32", 1), grad=True)
    f.case("lax.dynamic_update_slice", ("float32", (3,)), ("float32", (3,)), arr("int32", 1), grad=True)
    f.case("lax.dynamic_update_slice", ("float32", (3,)), ("float32", (4,)), arr("int32", 1), error=True)
    f.case("lax.dynamic_update_slice", ("float32", (3,)), ("int32", (2,)), arr("int32", 1), error=True)
    f.case("lax.dynamic_update_slice", ("float32", (3, 2)), ("float32", (2,)), arr("int32", 1), arr("int32", 1), error=True)
    for axis in (0, 1, -1):
        for index in (0, 2, -1, 7, -9):
            i = arr("int32", index)
            f.case("lax.dynamic_slice_in_dim", ("float32", (4, 3)), i, slice_size=2, axis=axis, grad=True)
            f.case("lax.dynamic_index_in_dim", ("float32", (4, 3)), i, axis=axis, keepdims=index % 2 == 0, grad=True)
            f.case("lax.dynamic_update_slice_in_dim", ("float32", (4, 3)), ("float32", (2, 3) if axis == 0 else (4, 2)), i, axis=axis, grad=True)
            f.case("lax.dynamic_update_index_in_dim", ("float32", (4, 3)), ("float32", (3,) if axis == 0 else (4,)), i, axis=axis, grad=True)
    f.case("lax.dynamic_slice_in_dim", ("float32", (4, 3)), arr("int32", 0), slice_size=5, axis=0, error=True)
    f.case("lax.dynamic_index_in_dim", ("float32", (4, 3)), arr("int32", 0), axis=2, error=True)
    f.case("lax.dynamic_update_index_in_dim", ("float32", (4, 3)), ("float32", (1, 3)), arr("int32", 1), axis=0, grad=True)
    # Negative starts, that count from the end or are moved to 0.
    for allow in (False, True, [True, False], [False, True]):
        f.case("lax.dynamic_slice", ("float32", (4, 3)), arr("int32", -2), arr("int32", -3), slice_sizes=[2, 2],
               allow_negative_indices=allow, grad=True)
        f.case("lax.dynamic_update_slice", ("float32", (4, 3)), ("float32", (2, 2)), arr("int32", -1), arr("int32", -2),
               allow_negative_indices=allow, grad=True)
