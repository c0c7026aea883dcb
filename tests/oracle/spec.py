"""What a case is made of, before JAX has run it: functions to write specs with, and arrays to and from JSON."""

import dataclasses
import math
import typing
import zlib

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np

BF16 = ml_dtypes.bfloat16
FLOATS = ["float32", "bfloat16", "float16"]
INTS = ["int32", "uint8", "int8", "int16", "uint16", "uint32"]
REALS = FLOATS + INTS


def np_dtype(name):
    return np.dtype(BF16) if name == "bfloat16" else np.dtype(name)


def kind(dtype):
    """NumPy's letter for a class of dtypes, of those of `ml_dtypes` too."""
    d = np_dtype(dtype)
    if d.kind != "V":
        return d.kind
    classes = (("u", jnp.unsignedinteger), ("i", jnp.signedinteger), ("f", jnp.floating))
    return next(letter for letter, of in classes if jnp.issubdtype(d, of))


def array_of(x, dtype, weak=False):
    """JSON of `x` in `dtype`."""
    x = np.asarray(x)
    dtype = np.dtype(dtype)
    if dtype.kind in "iu" and x.dtype.kind == "i":
        x = x.astype(np.int64)
    x = x.astype(dtype)
    name = "bfloat16" if dtype == np.dtype(BF16) else dtype.name
    out = {"dtype": name, "shape": list(x.shape), "data": np.ascontiguousarray(x).tobytes().hex()}
    if weak:
        out["weak"] = True
    return out


def encode(x):
    """JSON of a JAX array."""
    return array_of(np.asarray(x), x.dtype, bool(getattr(x, "weak_type", False)))


def decode(a):
    """The JAX array of JSON. A weak one is uniform (see `weak`)."""
    x = np.frombuffer(bytes.fromhex(a["data"]), np_dtype(a["dtype"])).reshape(a["shape"])
    x = jnp.asarray(x)
    if a.get("weak"):
        x = jax._src.lax.lax._convert_element_type(x, weak_type=True)
    return x


@dataclasses.dataclass
class Spec:
    id: str
    fn: str
    call: typing.Callable
    args: list
    params: dict
    x64: bool
    grad: bool | list
    tol: dict | None
    grad_tol: dict | None
    error: bool | None


class Family:
    """Collects the cases of one file."""

    def __init__(self, resolve, tolerances=()):
        self.resolve = resolve
        self.tolerances = dict(tolerances)
        self.specs = []
        self.count = {}

    def case(self, fn, *args, x64=False, grad=False, ulp=None, abs=None, grad_ulp=None, grad_abs=None,
             error=False, **params):
        """One case. An argument is (dtype, shape) for random values, a pair of dtype and values, or `weak(x)`.

        `grad`: with its derivative, by all floats or by the arguments of a list of positions.
        `error`: JAX rejects it; None asks JAX whether it does.
        `known=True`: JAX needs to know the values, so that it runs eagerly alone."""
        n = self.count[fn] = self.count.get(fn, 0) + 1
        id = f"{fn}/{n}"
        rng = np.random.RandomState(zlib.crc32(id.encode()))
        arrays = [make(a, rng) for a in args]
        if ulp is None:
            ulp = self.tolerances.get(fn, 0)
        tol = {k: v for k, v in (("ulp", ulp), ("abs", abs)) if v}
        grad_tol = {k: v for k, v in (("ulp", grad_ulp), ("abs", grad_abs)) if v}
        self.specs.append(Spec(id, fn, self.resolve(fn), arrays, params, x64, grad, tol or None, grad_tol or None, error))


class Weak(typing.NamedTuple):
    value: typing.Any
    shape: tuple = ()


def weak(value, shape=()):
    """A Rust or Python number, broadcast to `shape`: weakly typed."""
    return Weak(value, tuple(shape))


def make(a, rng):
    if isinstance(a, Weak):
        kind = {bool: "bool", int: "int32", float: "float32", complex: "complex64"}[type(a.value)]
        return array_of(np.full(a.shape, a.value), kind, kind != "bool")
    dtype, what = a
    if isinstance(what, tuple) and all(isinstance(n, int) for n in what):
        return array_of(values(dtype, what, rng), np_dtype(dtype))
    return array_of(exactly(dtype, what), np_dtype(dtype))


def values(dtype, shape, rng):
    """Random values that most functions accept and that do not overflow when a few are multiplied."""
    d = np_dtype(dtype)
    if d.name == "float8_e8m0fnu":
        return 2.0 ** rng.randint(-3, 4, shape)
    if d.kind == "V" and kind(d) in "iu":
        info = jnp.iinfo(d)
        return rng.randint(int(info.min), int(info.max) + 1, shape)
    if d.kind == "b":
        return rng.rand(*shape) < 0.5
    if d.kind == "u":
        return rng.randint(0, 12, shape)
    if d.kind == "i":
        return rng.randint(-9, 10, shape)
    if d.kind == "c":
        return rng.uniform(-2, 2, shape) + 1j * rng.uniform(-2, 2, shape)
    return rng.uniform(-2, 2, shape)


def edges(dtype):
    """Values at which functions go wrong: zeros of both signs, subnormals, infinities, nan, ends of the range."""
    d = np_dtype(dtype)
    if d.kind == "b":
        return [False, True]
    if d.kind == "V" and kind(d) in "iu":
        info = jnp.iinfo(d)
        return list(range(int(info.min), int(info.max) + 1))
    if d.kind in "iu":
        info = np.iinfo(d)
        return sorted({info.min, info.min + 1, info.max, info.max - 1, 0, 1, 2, 7, info.max // 2} | ({-1, -2, -7} if d.kind == "i" else set()))
    if d.kind == "c":
        parts = [0.0, -0.0, 1.0, -2.5, math.inf, -math.inf, math.nan]
        return [complex(a, b) for a in parts for b in parts]
    info = jnp.finfo(d)
    return [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, 3.75, -7.25, math.pi, 100.0, 1e-3, float(info.tiny),
            float(info.smallest_subnormal), -float(info.smallest_subnormal), float(info.max), float(info.min),
            float(info.eps), math.inf, -math.inf, math.nan]


def pairs(dtype):
    """Every pair of some edge values, as two lists."""
    few = edges(dtype)
    if len(few) > 12:
        few = [few[i] for i in (0, 1, 2, 3, 5, 8, 13, 15, 17, 20, 21, 22)] if np_dtype(dtype).kind == "f" or dtype == "bfloat16" else few[::6]
    return [a for a in few for _ in few], [b for _ in few for b in few]


def arr(dtype, data):
    """An argument with these values."""
    return dtype, exactly(dtype, data)


def exactly(dtype, data):
    """NumPy takes a list of small integers and others of 64 bits for floats."""
    wide = dtype in ("int64", "uint64") and isinstance(data, list)
    return np.asarray(data, object).astype(dtype) if wide else np.asarray(data)


def same_inputs(new, old):
    """Whether two versions of a case give JAX the same. Random floats may differ in their last bits, too."""
    args = new["args"], old["args"]
    return (
        all(new.get(k) == old.get(k) for k in ("id", "fn", "params", "x64"))
        and len(args[0]) == len(args[1])
        and not any(differ(a, b, {}) for a, b in zip(*args))
    )


def compare(new, old):
    """Why two versions of a case differ, or None. Float results may differ in their last bits from one CPU to another."""
    if not same_inputs(new, old):
        return "the inputs differ"
    for k in ("error", "tol"):
        if new.get(k) != old.get(k):
            return f"{k}: {new.get(k)} and {old.get(k)}"
    tol = old.get("tol", {})
    for a, b in zip(new.get("out", []), old.get("out", []), strict=True):
        if why := differ(a, b, tol):
            return why
    if ("grad" in new) != ("grad" in old):
        return "one of them has gradients"
    if "grad" in new:
        for a, b in zip(new["grad"]["out"], old["grad"]["out"], strict=True):
            if why := differ(a, b, old["grad"].get("tol", tol)):
                return why
    return None


def differ(a, b, tol):
    if any(a.get(k) != b.get(k) for k in ("dtype", "shape", "weak")):
        return f"types differ: {a} {b}"
    if a["data"] == b["data"]:
        return None
    d = np_dtype(a["dtype"])
    x, y = (np.frombuffer(bytes.fromhex(v["data"]), d) for v in (a, b))
    if kind(d) in "biu":
        return "values differ"
    if d.kind == "c":
        x, y = (v.view(np.float32 if d.itemsize == 8 else np.float64) for v in (x, y))
    x, y = x.astype(np.float64), y.astype(np.float64)
    eps = float(jnp.finfo(d).eps)
    limit = (tol.get("ulp", 0) + 4) * eps * np.maximum(np.abs(x), np.abs(y)) + tol.get("abs", 0)
    ok = (x == y) | (np.isnan(x) & np.isnan(y)) | (np.abs(x - y) <= limit)
    return None if ok.all() else "values differ"
