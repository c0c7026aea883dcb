"""`jax.numpy`: indexing and updates, sorting, searching, quantiles.

An index is a parameter: a list of integers, [start, stop, step] as {"slice": …}, "...", "newaxis", {"array": argument}.
"""

import jax.numpy as jnp
from spec import arr, edges, weak

NAN = float("nan")
ULP = {f"numpy.{name}": 4 for name in "median quantile percentile interp polyval convolve".split()}


def index_of(parts, arrays):
    def one(p):
        if p == "...":
            return Ellipsis
        if p == "newaxis":
            return None
        if isinstance(p, dict):
            return slice(*p["slice"]) if "slice" in p else arrays[p["array"]]
        return p
    return tuple(one(p) for p in parts)


ADAPTERS = {
    "numpy.index": lambda x, *arrays, index: x[index_of(index, arrays)],
    "numpy.take": lambda x, i, axis=None, **p: jnp.take(x, i, axis=axis, **p),
    "numpy.take_along_axis": lambda x, i, axis, **p: jnp.take_along_axis(x, i, axis, **p),
    "numpy.sort": lambda x, axis=-1, **p: jnp.sort(x, axis=axis, **p),
    "numpy.argsort": lambda x, axis=-1, **p: jnp.argsort(x, axis=axis, **p),
    "numpy.searchsorted": lambda a, v, *s, side, method="scan": jnp.searchsorted(a, v, side=side, sorter=s[0] if s else None, method=method),
    "numpy.quantile": lambda x, q, *w, axis=None, **p: jnp.quantile(x, q, axis=axis, weights=w[0] if w else None, **p),
    "numpy.percentile": lambda x, q, axis=None, **p: jnp.percentile(x, q, axis=axis, **p),
    "numpy.at_get": lambda x, *arrays, index, **p: x.at[index_of(index, arrays)].get(**p),
    "numpy.lexsort": lambda *keys: jnp.lexsort(keys),
    "numpy.bincount": lambda x, *w, length=None: jnp.bincount(x, w[0] if w else None, length=length),
    "numpy.convolve": lambda x, y, mode: jnp.convolve(x, y, mode=mode),
    **{f"numpy.at_{op}": (lambda op: lambda x, v, *arrays, index, **p: getattr(x.at[index_of(index, arrays)], op)(v, **p))(op)
       for op in "set add subtract multiply min max".split()},
}

S = lambda *a: {"slice": [*a, None] if len(a) == 2 else list(a)}
A = lambda i: {"array": i}


def build(f):
    indexes = [[0], [-1], [1, 2], [S(0, 2)], [S(1, None)], [S(None, -1)], [S(None, None, 2)], [S(None, None, -1)], [S(-1, 0, -2), 0],
               ["...", 0], [0, "..."], ["...", S(1, 3)], [0, "...", -1], ["newaxis"], [0, "newaxis", S(0, 2)], ["...", "newaxis"],
               [S(2, 1)], [S(5, 9)], [S(-9, 9)], [7], [-9], [[]][0], [S(0, 2), "newaxis", 1, "newaxis"]]
    for index in indexes:
        for dtype in ("float32", "int32", "bool"):
            f.case("numpy.index", (dtype, (3, 4, 2)), index=index, grad=dtype == "float32", error=None)
        f.case("numpy.at_set", ("float32", (3, 4, 2)), ("float32", ()), index=index, grad=True, error=None)
        f.case("numpy.at_add", ("float32", (3, 4, 2)), ("float32", ()), index=index, error=None)
    f.case("numpy.index", ("float32", (3, 4)), index=[0, 0, 0], error=True)
    i = arr("int32", [2, 0, 2, -1])
    j = arr("int32", [[1], [0]])
    k = arr("int32", 1)
    picks = [([A(0)], [i]), ([S(0, 2), A(0)], [i]), ([A(0), S(1, 3)], [i]), ([A(0), A(1)], [i, j]), ([A(0), S(0, 2), A(1)], [i, arr("int32", [1, 0, 1, 1])]),
             ([A(0), 1], [i]), ([0, S(None, None), A(0)], [arr("int32", [1, 0])]), ([A(0)], [k]), ([S(0, 2), A(0), "newaxis"], [j]),
             (["newaxis", A(0)], [i]), (["...", A(0)], [k]), ([A(0), "newaxis", A(1)], [i, i]), ([A(0)], [arr("uint8", [2, 0])]),
             ([A(0)], [arr("int32", [5, -7, 0])]), ([A(0), S(None, None, -1)], [i])]
    for index, arrays in picks:
        f.case("numpy.index", ("float32", (3, 4, 2)), *arrays, index=index, error=None)
        f.case("numpy.at_add", ("float32", (3, 4, 2)), weak(2.0), *arrays, index=index, error=None)
        f.case("numpy.at_multiply", ("float32", (3, 4, 2)), weak(2.0), *arrays, index=index, error=None)
        f.case("numpy.at_max", ("int32", (3, 4, 2)), weak(3), *arrays, index=index, error=None)
    f.case("numpy.index", ("float32", (3, 4)), arr("int32", [2, 0]), index=[A(0)], grad=True)
    f.case("numpy.at_set", ("float32", (3, 4)), ("float32", (2, 4)), arr("int32", [2, 0]), index=[A(0)], grad=True)
    f.case("numpy.at_add", ("float32", (3, 4)), ("float32", (2, 4)), arr("int32", [2, 2]), index=[A(0)], grad=True)
    f.case("numpy.at_subtract", ("float32", (3, 4)), ("float32", (4,)), index=[1])
    f.case("numpy.at_min", ("float32", (3, 4)), weak(0.0), index=[S(0, 2)])
    f.case("numpy.at_set", ("int32", (4,)), weak(2.5), index=[1])
    f.case("numpy.at_add", ("int32", (4,)), weak(2.5), index=[1])
    f.case("numpy.at_set", ("bfloat16", (4,)), ("float32", ()), index=[1])
    f.case("numpy.at_set", ("float32", (3, 4)), ("float32", (3,)), index=[0], error=True)
    f.case("numpy.at_set", ("float32", (3, 4)), ("float32", (2, 1, 4)), index=[S(0, 2), "newaxis"])
    f.case("numpy.index", ("float32", (3,)), arr("float32", [0.5]), index=[A(0)], error=True)
    for axis in (None, 0, 1, -1):
        f.case("numpy.take", ("float32", (3, 4)), arr("int32", [[0, 2], [-1, 1]]), axis=axis)
    f.case("numpy.take", ("float32", (3, 4)), arr("int32", [5, -9, 1]), axis=0)
    f.case("numpy.take", ("int32", (3, 4)), arr("int32", [5, 1]), axis=0)
    f.case("numpy.take", ("float32", (3, 4)), arr("int32", 2), axis=1, grad=True)
    f.case("numpy.take", ("float32", (3,)), arr("float32", [1.0]), axis=0, error=True)
    f.case("numpy.take_along_axis", ("float32", (3, 4)), arr("int32", [[0, 3], [1, -1], [2, 9]]), axis=1)
    f.case("numpy.take_along_axis", ("float32", (3, 4)), arr("int32", [[0, 2, 1, 1]]), axis=0, grad=True)
    f.case("numpy.take_along_axis", ("float32", (3, 1)), arr("int32", [[0, 1]]), axis=0, error=None)
    for dtype in ("float32", "bfloat16", "int32", "uint8", "bool"):
        f.case("numpy.sort", (dtype, edges(dtype)))
        f.case("numpy.argsort", (dtype, edges(dtype)))
        f.case("numpy.sort", (dtype, (3, 4)), axis=0, grad=dtype == "float32")
        f.case("numpy.argsort", (dtype, (3, 4)), axis=1)
        f.case("numpy.sort", (dtype, (3, 4)), axis=None)
    f.case("numpy.sort", ("float32", (0, 3)), axis=0)
    f.case("numpy.sort", ("float32", (3,)), axis=1, error=True)
    f.case("numpy.lexsort", arr("int32", [1, 0, 1, 0]), arr("int32", [2, 2, 1, 1]))
    for side in ("left", "right"):
        f.case("numpy.searchsorted", arr("float32", [1.0, 2.0, 2.0, 5.0]), arr("float32", [[0.0, 2.0], [9.0, NAN]]), side=side)
        f.case("numpy.searchsorted", arr("int32", [1, 2, 2, 5]), arr("int32", [2, 5, 6, -1]), side=side)
        f.case("numpy.searchsorted", arr("float32", []), arr("float32", [2.0]), side=side)
    for axis in (None, 0, 1, [0, 1]):
        f.case("numpy.median", ("float32", (3, 4)), axis=axis)
        f.case("numpy.median", ("float32", (3, 4)), axis=axis, keepdims=True)
        for method in ("linear", "lower", "higher", "midpoint", "nearest"):
            f.case("numpy.quantile", ("float32", (3, 4)), arr("float32", 0.3), axis=axis, method=method, abs=1e-6)
        f.case("numpy.quantile", ("float32", (3, 4)), arr("float32", [0.0, 0.5, 1.0]), axis=axis, abs=1e-6)
    f.case("numpy.quantile", ("float32", (3, 4)), arr("float32", [0.25, 0.5]), axis=1, keepdims=True, abs=1e-6)
    f.case("numpy.median", ("int32", (5,)), axis=None)
    f.case("numpy.median", ("bfloat16", (4,)), axis=None)
    f.case("numpy.median", arr("float32", [[1.0, NAN], [2.0, 3.0]]), axis=1)
    f.case("numpy.percentile", ("float32", (7,)), arr("float32", 90.0), abs=1e-6)
    f.case("numpy.bincount", arr("int32", [0, 1, 1, 3, -2, 9]), length=5)
    f.case("numpy.interp", arr("float32", [0.0, 1.5, 2.0, 9.0, 2.75]), arr("float32", [1.0, 2.0, 3.0]), arr("float32", [3.0, 2.0, 7.0]))
    f.case("numpy.polyval", arr("float32", [2.0, -1.0, 3.0]), ("float32", (2, 3)), abs=1e-6)
    for mode in ("full", "same", "valid"):
        f.case("numpy.convolve", ("float32", (5,)), ("float32", (3,)), mode=mode, abs=2e-6)
        f.case("numpy.convolve", ("float32", (2,)), ("float32", (4,)), mode=mode, abs=2e-6)
    for right in (False, True):
        f.case("numpy.digitize", arr("float32", [[0.0, 1.0, 2.0], [2.5, 9.0, NAN]]), arr("float32", [1.0, 2.0, 2.5]), right=right)
        f.case("numpy.digitize", arr("float32", [[0.0, 1.0, 2.0], [2.5, 9.0, NAN]]), arr("float32", [2.5, 2.0, 1.0]), right=right)
        f.case("numpy.digitize", arr("int32", [0, 1, 5, 9]), arr("int32", [1, 5, 5]), right=right)
        f.case("numpy.digitize", arr("int32", [0, 1, 5, 9]), arr("int32", [5, 1]), right=right)
        f.case("numpy.digitize", arr("float32", [0.0]), arr("float32", [1.0]), right=right)
        f.case("numpy.digitize", arr("float32", [0.0]), arr("float32", []), right=right)
    f.case("numpy.digitize", arr("float32", 0.5), arr("float32", [[1.0]]), error=True)
    # Options of functions above.
    beyond = arr("int32", [2, -1, 7, -9])
    for mode in ("fill", "clip", "promise_in_bounds"):
        if mode != "promise_in_bounds":
            f.case("numpy.at_get", ("float32", (3, 4)), beyond, index=[A(0)], mode=mode, grad=True)
            f.case("numpy.at_get", ("float32", (3, 4)), beyond, index=[S(0, 2), A(0)], mode=mode)
            f.case("numpy.at_get", ("float32", (3, 4)), beyond, index=[A(0)], mode=mode, wrap_negative_indices=False)
            for op in ("set", "add", "max"):
                f.case(f"numpy.at_{op}", ("float32", (3, 4)), ("float32", (4,)), arr("int32", [2, 7]), index=[A(0)], mode=mode)
                f.case(f"numpy.at_{op}", ("float32", (3, 4)), ("float32", ()), arr("int32", [-1, 1]), index=[1, A(0)], mode=mode, wrap_negative_indices=False)
                f.case(f"numpy.at_{op}", ("float32", (3, 4)), ("float32", ()), index=[7], mode=mode)
            f.case("numpy.at_get", ("float32", (3, 4)), index=[7], mode=mode)
            f.case("numpy.at_get", ("float32", (3, 4)), index=[-9, 1], mode=mode)
            f.case("numpy.take", ("float32", (3, 4)), beyond, axis=0, mode=mode, grad=[0])
            f.case("numpy.take_along_axis", ("float32", (3, 4)), arr("int32", [[0, 3], [1, -1], [2, 9]]), axis=1, mode=mode)
        f.case("numpy.at_get", ("float32", (3, 4)), arr("int32", [0, 2]), index=["...", A(0), "newaxis"], mode=mode, unique_indices=True, indices_are_sorted=True)
    f.case("numpy.at_get", ("int32", (3, 4)), beyond, index=[A(0)], mode="fill", fill_value=-5)
    f.case("numpy.at_get", ("float32", (3, 4)), beyond, index=[0, A(0)], mode="fill", fill_value=0.5)
    f.case("numpy.at_add", ("float32", (3, 4)), ("float32", (2, 4)), arr("int32", [0, 2]), index=[A(0)], unique_indices=True, indices_are_sorted=True, grad=True)
    f.case("numpy.take", ("float32", (3, 4)), beyond, axis=1, mode="wrap")
    f.case("numpy.take", ("int32", (3, 4)), beyond, axis=None, mode="fill", fill_value=-5)
    f.case("numpy.take", ("float32", (0, 4)), beyond, axis=0, error=True)
    f.case("numpy.take", ("float32", (0, 4)), arr("int32", []), axis=0)
    f.case("numpy.take_along_axis", ("float32", (3, 4)), arr("int32", [0, 5, 99]), axis=None)
    f.case("numpy.take_along_axis", ("int32", (3, 4)), arr("int32", [[9, -9]]), axis=1, mode="fill", fill_value=7)
    for dtype in ("float32", "int32", "bool"):
        for stable in (True, False):
            for name in ("sort", "argsort"):
                if stable or name == "sort":
                    f.case(f"numpy.{name}", (dtype, (3, 4)), axis=0, descending=True, stable=stable)
                    f.case(f"numpy.{name}", (dtype, edges(dtype)), descending=True, stable=stable)
    f.case("numpy.sort", ("float32", (3, 4)), axis=None, descending=True, stable=True, grad=True)
    for method in ("scan", "scan_unrolled", "sort", "compare_all"):
        for side in ("left", "right"):
            f.case("numpy.searchsorted", arr("float32", [1.0, 2.0, 2.0, 5.0]), arr("float32", [[0.0, 2.0], [9.0, 5.0]]), side=side, method=method)
            f.case("numpy.searchsorted", arr("float32", [5.0, 1.0, 2.0]), arr("float32", [0.0, 2.0, 5.0]), arr("int32", [1, 2, 0]), side=side, method=method)
            if method != "sort":
                f.case("numpy.searchsorted", arr("float32", [-float("inf"), -0.0, 0.0, 1.0, float("inf"), NAN]), arr("float32", [0.0, -0.0, NAN, float("inf"), -float("inf"), 2.0]), side=side, method=method)
        f.case("numpy.digitize", arr("float32", [0.0, 1.0, 2.0]), arr("float32", [1.0, 2.0, 2.5]), right=True, method=method)
    for q in (0.0, 0.3, 0.5, 1.0, [0.2, 0.9]):
        for axis in (None, 1):
            f.case("numpy.quantile", ("float32", (3, 4)), arr("float32", q), axis=axis, method="inverted_cdf")
            f.case("numpy.quantile", ("float32", (3, 4)), arr("float32", q), arr("float32", [[1.0, 0.0, 2.0, 1.0]] * 3), axis=axis, method="inverted_cdf")
    f.case("numpy.quantile", ("float32", (3, 4)), arr("float32", 0.4), arr("float32", [1.0, 0.0, 2.0, 1.0]), axis=1, method="inverted_cdf", keepdims=True)
    f.case("numpy.quantile", ("float32", (3, 4)), arr("float32", 0.4), arr("float32", [1.0, 0.0, 2.0, -1.0]), axis=1, method="inverted_cdf")
    f.case("numpy.quantile", arr("float32", [[1.0, NAN], [2.0, 3.0]]), arr("float32", 0.4), axis=1, method="inverted_cdf")
    f.case("numpy.quantile", ("float32", (3, 4)), arr("float32", 0.4), ("float32", (4,)), axis=1, method="linear", error=True)
    f.case("numpy.percentile", ("float32", (3, 4)), arr("float32", [10.0, 90.0]), axis=1, method="higher", keepdims=True)
    f.case("numpy.bincount", arr("int32", [0, 1, 1, 3, -2, 9]), ("float32", (6,)), length=5, abs=1e-6)
    f.case("numpy.bincount", arr("int32", [0, 1]), ("float32", (3,)), length=5, error=True)
    points = arr("float32", [0.0, 1.5, 2.0, 9.0, 2.75, -4.0])
    f.case("numpy.interp", points, arr("float32", [1.0, 2.0, 3.0]), arr("float32", [3.0, 2.0, 7.0]), left=-1.0, right=-2.0)
    f.case("numpy.interp", points, arr("float32", [1.0, 3.0, 2.0]), arr("float32", [3.0, 2.0, 7.0]), period=4.0, abs=1e-6)
    several = ("float32", (3, 2))
    for unroll in (1, 2, 16):
        f.case("numpy.polyval", ("float32", (5,)), ("float32", (2, 3)), unroll=unroll, abs=1e-5, grad=True, grad_abs=1e-4)
    f.case("numpy.polyval", several, ("float32", (4, 2)), abs=1e-5, grad=True, grad_abs=1e-4)
    f.case("numpy.polyval", several, ("float32", ()), abs=1e-5)
    f.case("numpy.polyval", ("int32", (20,)), arr("int32", [0, 1, -1]))
    f.case("numpy.polyval", ("float32", (0,)), ("float32", (2,)))
    f.case("numpy.polyval", ("int32", (3,)), ("bfloat16", (2,)), abs=1.0)
    f.case("numpy.polyval", ("float32", ()), ("float32", (2,)), error=True)
    f.case("numpy.polyval", several, ("float32", (3,)), error=True)
