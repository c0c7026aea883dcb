"""`jax.numpy`: results whose shape depends on values, sets, insertion and deletion, positions."""

import jax.numpy as jnp
from spec import arr, weak

NAN, INF = float("nan"), float("inf")


def index_of(obj, arrays):
    """What `delete` and `insert` are told: an integer, a slice, or the next array."""
    if isinstance(obj, dict):
        return slice(*obj["slice"])
    return arrays.pop(0) if obj == "array" else obj


def deleted(x, *arrays, obj, axis, **p):
    return jnp.delete(x, index_of(obj, list(arrays)), axis=axis, **p)


def inserted(x, values, *arrays, obj, axis):
    return jnp.insert(x, index_of(obj, list(arrays)), values, axis=axis)


def fills(f, count):
    """The fill value is the array behind the operands."""
    return lambda *x, **p: f(*x[:count], **p, **({"fill_value": x[count]} if len(x) > count else {}))


def tuples(f):
    """The fill value is a vector, or a number for all axes."""
    def call(x, *fill, **p):
        fill = {"fill_value": tuple(fill[0]) if fill[0].ndim else fill[0]} if fill else {}
        return f(x, **p, **fill)
    return call


ADAPTERS = {
    "numpy.nonzero": tuples(jnp.nonzero),
    "numpy.flatnonzero": fills(jnp.flatnonzero, 1),
    "numpy.argwhere": tuples(jnp.argwhere),
    "numpy.compress": fills(jnp.compress, 2),
    "numpy.extract": fills(jnp.extract, 2),
    "numpy.unique": fills(jnp.unique, 1),
    **{f"numpy.unique_{name}": fills(getattr(jnp, f"unique_{name}"), 1) for name in "all counts inverse values".split()},
    **{f"numpy.{name}": fills(getattr(jnp, name), 2) for name in "union1d setdiff1d setxor1d".split()},
    # JAX wants a number here, which it hashes.
    "numpy.intersect1d": lambda x, y, *fill, **p: jnp.intersect1d(x, y, **p, **({"fill_value": int(fill[0])} if fill else {})),
    "numpy.delete": deleted,
    "numpy.insert": inserted,
    "numpy.place": lambda x, mask, v: jnp.place(x, mask, v, inplace=False),
    "numpy.put": lambda x, i, v, **p: jnp.put(x, i, v, inplace=False, **p),
    "numpy.put_along_axis": lambda x, i, v, axis, **p: jnp.put_along_axis(x, i, v, axis, inplace=False, **p),
    "numpy.fill_diagonal": lambda x, v: jnp.fill_diagonal(x, v, inplace=False),
    "numpy.choose": lambda x, *choices, **p: jnp.choose(x, list(choices), **p),
    "numpy.ravel_multi_index": lambda *x, **p: jnp.ravel_multi_index(x, **p),
    "numpy.ix_": lambda *x: jnp.ix_(*x),
    "numpy.mask_indices": lambda n, func, **p: jnp.mask_indices(n, getattr(jnp, func), **p),
}


def build(f):
    places(f)
    compressed(f)
    different(f)
    sets(f)
    inserted_and_deleted(f)
    written(f)
    positions(f)


def places(f):
    x = arr("float32", [[0.0, 1.5, -0.0], [NAN, 0.0, 2.0]])
    for fn in ("numpy.nonzero", "numpy.flatnonzero", "numpy.argwhere"):
        f.case(fn, x, known=True)
        f.case(fn, x, size=2)
        f.case(fn, x, size=5)
        f.case(fn, arr("bool", [True, False, True]), weak(-1), size=4)
        f.case(fn, arr("int32", [0, 0]), known=True)
        f.case(fn, ("float32", (0, 3)), size=0)
        f.case(fn, ("float32", (0,)), size=2)
        f.case(fn, arr("float32", 3.0), error=None, size=1)
        f.case(fn, arr("complex64", [0, 1j, 2]), size=2)
        f.case(fn, x, weak(0.5), size=5)
    for fn in ("numpy.nonzero", "numpy.argwhere"):
        f.case(fn, x, arr("int32", [-1, -2]), size=5)
        f.case(fn, x, arr("int32", [-1, -2, -3]), size=5, error=True)
        f.case(fn, arr("bool", [[[True], [False]], [[True], [True]]]), size=3)
    for func in ("triu", "tril"):
        f.case("numpy.mask_indices", n=3, func=func, known=True)
        f.case("numpy.mask_indices", n=3, func=func, k=1, size=7)
    for axes in ("", [0], [1], [0, 1]):
        axis = {"axis": axes} if axes else {}
        f.case("numpy.trim_zeros", arr("int32", [[0, 0, 0], [0, 3, 0], [0, 4, 5], [0, 0, 0]]), known=True, **axis)
    for trim in ("f", "b", "fb"):
        f.case("numpy.trim_zeros", arr("float32", [0.0, 0.0, 2.0, 0.0, NAN, 0.0]), trim=trim, known=True)
    f.case("numpy.trim_zeros", arr("int32", [0, 0]), known=True)
    f.case("numpy.trim_zeros", arr("int32", []))


def compressed(f):
    mask = arr("bool", [True, False, True])
    x = ("float32", (3, 4))
    f.case("numpy.compress", mask, x, axis=0, known=True, grad=[1])
    f.case("numpy.compress", mask, x, axis=None, known=True)
    f.case("numpy.compress", arr("int32", [0, 2, 0, 1, 0]), x, axis=1, known=True)
    f.case("numpy.compress", mask, x, axis=0, size=2, grad=[1])
    f.case("numpy.compress", mask, x, axis=1, size=3)
    f.case("numpy.compress", mask, x, weak(7.5), axis=0, size=3)
    f.case("numpy.compress", mask, ("int32", (5,)), axis=0, size=1)
    f.case("numpy.compress", mask, x, axis=0, size=4, error=True)
    f.case("numpy.compress", ("bool", (2, 2)), x, axis=0, size=1, error=True)
    f.case("numpy.extract", ("bool", (3, 4)), x, known=True)
    f.case("numpy.extract", ("bool", (3, 4)), x, size=5, grad=[1])
    f.case("numpy.extract", ("bool", (3, 4)), x, weak(-1), size=12)
    f.case("numpy.extract", mask, ("bfloat16", (3,)), size=2)


def different(f):
    many = dict(return_index=True, return_inverse=True, return_counts=True)
    repeated = arr("int32", [3, 1, 3, 2, 1, 7])
    floats = arr("float32", [NAN, 1.0, NAN, -0.0, 0.0, -INF, 1.0])
    for x in (repeated, floats, arr("bool", [True, False, True]), arr("bfloat16", [[1.0, 2.0], [2.0, 1.0]]),
              arr("complex64", [1j, 1, 1j, complex(NAN, 1), complex(1, NAN)]), arr("uint8", [255, 0, 255])):
        f.case("numpy.unique", x, known=True, **many)
        f.case("numpy.unique", x, size=4, **many)
    f.case("numpy.unique", repeated, known=True)
    f.case("numpy.unique", floats, equal_nan=False, size=8)
    f.case("numpy.unique", repeated, weak(-5), size=6, return_counts=True, return_index=True)
    f.case("numpy.unique", repeated, size=2, return_counts=True)
    rows = arr("float32", [[1.0, 2.0], [0.0, 5.0], [1.0, 2.0]])
    for axis in (0, 1):
        f.case("numpy.unique", rows, axis=axis, known=True, **many)
        f.case("numpy.unique", rows, axis=axis, size=3, **many)
    f.case("numpy.unique", rows, weak(9.0), axis=0, size=3)
    f.case("numpy.unique", arr("float32", []), **many)
    f.case("numpy.unique", arr("float32", []), weak(1.0), size=2)
    f.case("numpy.unique", arr("float32", []), size=2, error=True)
    f.case("numpy.unique", ("float32", (3, 0)), axis=0, **many)
    f.case("numpy.unique", arr("int32", 4), size=1, **many)
    f.case("numpy.unique", repeated, axis=1, size=1, error=True)
    f.case("numpy.unique", ("float32", (4,)), size=4, grad=True)
    for name in "all counts inverse values".split():
        f.case(f"numpy.unique_{name}", arr("int32", [[3, 1], [3, 2]]), known=True)
        f.case(f"numpy.unique_{name}", floats, size=9)
        f.case(f"numpy.unique_{name}", repeated, weak(-1), size=5)


def sets(f):
    x, y = arr("int32", [5, 1, 5, 3, 9]), arr("int32", [3, 4, 1, 3])
    p, q = arr("float32", [0.5, NAN, 2.0]), arr("float32", [2.0, NAN, 1.0])
    empty = arr("int32", [])
    for name in "union1d setdiff1d setxor1d intersect1d".split():
        fn = f"numpy.{name}"
        f.case(fn, x, y, known=True)
        f.case(fn, p, q, known=True)
        f.case(fn, x, y, size=6)
        f.case(fn, x, y, size=2)
        f.case(fn, x, y, weak(-1), size=7)
        f.case(fn, arr("int32", [[1, 2], [3, 4]]), arr("float32", [2.5, 3.0]), size=5, error=None)
        f.case(fn, empty, y, **({} if name == "setdiff1d" else {"known": True}))
        f.case(fn, x, empty, size=4, error=None)
        f.case(fn, p, q, size=3)
        if name != "union1d":
            f.case(fn, arr("int32", [4, 2, 9]), arr("int32", [9, 1, 4]), assume_unique=True, known=True)
            f.case(fn, arr("int32", [4, 2, 9]), arr("int32", [9, 1, 4]), assume_unique=True, size=4)
    f.case("numpy.intersect1d", x, y, return_indices=True, known=True)
    f.case("numpy.intersect1d", x, y, return_indices=True, size=3)
    f.case("numpy.intersect1d", arr("int32", [4, 2, 9]), arr("int32", [9, 1, 4]), return_indices=True, assume_unique=True, known=True)
    f.case("numpy.intersect1d", arr("int32", [4, 2, 9]), arr("int32", [9, 1, 4]), return_indices=True, assume_unique=True, size=3)
    for method in ("auto", "compare_all", "binary_search", "sort"):
        f.case("numpy.isin", arr("int32", [[5, 1], [7, 3]]), y, method=method)
        f.case("numpy.isin", x, y, method=method, invert=True)
    f.case("numpy.isin", p, q)
    f.case("numpy.isin", p, arr("int32", [2]))
    f.case("numpy.isin", arr("int32", [4, 2, 9]), arr("int32", [9, 1]), method="sort", assume_unique=True)
    f.case("numpy.isin", x, empty, invert=True)
    f.case("numpy.isin", empty, y)
    f.case("numpy.isin", arr("int32", 3), y)


def inserted_and_deleted(f):
    x = ("float32", (3, 4))
    for obj in (0, -1, {"slice": [1, 3, None]}, {"slice": [None, None, 2]}):
        for axis in (None, 0, 1):
            f.case("numpy.delete", x, obj=obj, axis=axis, grad=axis == 1)
    f.case("numpy.delete", x, obj=3, axis=0, error=True)
    f.case("numpy.delete", x, arr("int32", [1, 1, -1]), obj="array", axis=1, known=True)
    f.case("numpy.delete", x, arr("bool", [True, False, True]), obj="array", axis=0, known=True)
    f.case("numpy.delete", x, arr("int32", [2, -4]), obj="array", axis=1, assume_unique_indices=True, grad=[0])
    f.case("numpy.delete", x, arr("int32", []), obj="array", axis=1, assume_unique_indices=True)
    f.case("numpy.delete", x, arr("float32", [1.0]), obj="array", axis=1, error=True)
    f.case("numpy.insert", ("float32", (4,)), ("float32", ()), obj=1, axis=0, grad=True)
    f.case("numpy.insert", x, ("float32", (3,)), obj=2, axis=1, grad=True)
    f.case("numpy.insert", x, ("float32", (4,)), obj=-1, axis=0)
    f.case("numpy.insert", x, ("int32", ()), obj=5, axis=None)
    f.case("numpy.insert", x, ("float32", (3, 2)), arr("int32", [0, 4]), obj="array", axis=1)
    f.case("numpy.insert", x, ("float32", (2,)), arr("int32", [3, 0]), obj="array", axis=None)
    f.case("numpy.insert", x, ("float32", ()), arr("int32", [2, 2, -1]), obj="array", axis=0)
    f.case("numpy.insert", x, ("float32", ()), arr("int32", [1]), obj="array", axis=0)
    f.case("numpy.insert", x, ("float32", ()), obj={"slice": [0, 2, None]}, axis=0)
    f.case("numpy.insert", x, ("float32", ()), arr("float32", [2.0]), obj="array", axis=0, error=True)
    f.case("numpy.insert", x, ("float32", (3, 3)), arr("int32", [0, 4]), obj="array", axis=1, error=True)


def written(f):
    x = ("float32", (3, 4))
    mask = arr("bool", [[True, False, True, False]] * 3)
    f.case("numpy.place", x, mask, ("float32", (4,)), grad=True)
    f.case("numpy.place", x, mask, ("int32", (9,)))
    f.case("numpy.place", x, ("int32", (12,)), ("float32", ()))
    f.case("numpy.place", x, mask, ("float32", (0,)), error=True)
    f.case("numpy.place", x, ("bool", (3,)), ("float32", (2,)), error=True)
    f.case("numpy.place", ("float32", (0,)), ("bool", (0,)), ("float32", (2,)))
    for mode in (None, "clip", "wrap"):
        f.case("numpy.put", x, arr("int32", [5, 14, -1, -20]), ("float32", (2,)), mode=mode)
    f.case("numpy.put", x, arr("int32", [[5, 1], [0, 2]]), ("float32", (4,)), grad=True)
    f.case("numpy.put", x, arr("int32", []), ("float32", (4,)))
    for axis in (0, 1):
        f.case("numpy.put_along_axis", x, arr("int32", [[0, 2, 1, 1]] if axis == 0 else [[3], [0], [-1]]), ("float32", ()), axis=axis, grad=True)
    f.case("numpy.put_along_axis", x, arr("int32", [0, 11, 3]), ("float32", (3,)), axis=None)
    f.case("numpy.put_along_axis", x, arr("int32", [[9], [0], [1]]), ("float32", ()), axis=1, mode="clip")
    f.case("numpy.put_along_axis", x, arr("int32", [0, 1]), ("float32", ()), axis=1, error=True)
    f.case("numpy.put_along_axis", x, arr("int32", [[0], [1], [2]]), ("float32", (2,)), axis=1, error=True)
    f.case("numpy.fill_diagonal", x, weak(7.0))
    f.case("numpy.fill_diagonal", ("float32", (4, 3)), ("float32", (2,)), grad=True)
    f.case("numpy.fill_diagonal", ("int32", (2, 2, 2)), arr("int32", [5, 6, 7]))
    f.case("numpy.fill_diagonal", ("float32", (3,)), weak(7.0), error=True)
    f.case("numpy.fill_diagonal", ("float32", (2, 3, 2)), weak(7.0), error=True)


def positions(f):
    for name in ("diag", "tril", "triu"):
        fn = f"numpy.{name}_indices_from"
        f.case(fn, ("float32", (3, 3)))
        f.case(fn, ("float32", (2, 3)), error=None)
        f.case(fn, ("float32", (3,)), error=True)
        f.case(fn, ("float32", (2, 2, 2)), error=None)
    for k in (-1, 1):
        f.case("numpy.tril_indices_from", ("float32", (3, 4)), k=k)
        f.case("numpy.triu_indices_from", ("float32", (3, 4)), k=k)
    f.case("numpy.ix_", arr("int32", [0, 2]), arr("int32", [1, 3, 5]))
    f.case("numpy.ix_", ("float32", (2,)), ("int32", (0,)), ("uint8", (1,)))
    f.case("numpy.ix_", ("float32", (2, 2)), error=True)
    f.case("numpy.ix_", ("bool", (2,)), error=True)
    which = arr("int32", [[0, 1], [2, 1]])
    choices = (("float32", (2,)), ("float32", (2, 1)), ("float32", ()))
    f.case("numpy.choose", which, *choices, known=True)
    for mode in ("wrap", "clip"):
        f.case("numpy.choose", arr("int32", [[0, -1], [5, 1]]), *choices, mode=mode, grad=[1, 2, 3])
    f.case("numpy.choose", which, ("int32", (2,)), ("bfloat16", (2,)), mode="clip")
    f.case("numpy.choose", ("float32", (2,)), *choices, mode="clip", error=True)
    f.case("numpy.ravel_multi_index", arr("int32", [0, 1, 1]), arr("int32", [2, 0, 1]), dims=[2, 3], known=True)
    for mode in ("clip", "wrap", "ignore"):
        f.case("numpy.ravel_multi_index", arr("int32", [0, 3, -1]), arr("int32", [2, -4, 9]), dims=[2, 3], mode=mode)
        f.case("numpy.ravel_multi_index", arr("int32", [0, 3, -1]), arr("int32", [2, -4, 9]), dims=[2, 3], mode=mode, order="F")
    f.case("numpy.ravel_multi_index", arr("uint8", [0, 1]), arr("uint8", [1, 1]), dims=[2, 3], mode="clip")
    f.case("numpy.ravel_multi_index", arr("uint8", [0, 1]), arr("uint8", [1, 1]), dims=[20, 30], mode="clip", error=True)
    f.case("numpy.ravel_multi_index", arr("uint8", [0, 1]), arr("uint8", [1, 1]), dims=[20, 30], mode="clip", dtype="int16")
    f.case("numpy.ravel_multi_index", arr("float32", [0, 1]), dims=[2], mode="clip", error=True)
    f.case("numpy.ravel_multi_index", arr("int32", [0, 1]), dims=[2], mode="clip", dtype="float32", error=True)
    f.case("numpy.unravel_index", arr("int32", [[0, 5], [4, 2]]), shape=[2, 3])
    f.case("numpy.unravel_index", arr("int32", [-1, -7, 6, 99]), shape=[2, 3])
    f.case("numpy.unravel_index", arr("uint8", [5, 200]), shape=[2, 3])
    f.case("numpy.unravel_index", arr("int32", 3), shape=[4])
    for shape in ([2], [2, 5], [0, 3], []):
        f.case("numpy.resize", ("float32", (2, 3)), new_shape=shape, grad=shape == [2, 5])
    f.case("numpy.resize", ("int32", (0,)), new_shape=[2])
    f.case("numpy.resize", ("float32", (3,)), new_shape=[-1], error=True)
