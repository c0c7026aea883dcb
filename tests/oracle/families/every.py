"""Each function of the other families at dtypes and shapes that it has not there: a case of theirs with other operands.

JAX says which of them it accepts. What holds of one dtype or of full arrays alone is found here.
"""

import importlib
import zlib

import numpy as np
from families import union
from spec import Spec, array_of, decode, np_dtype

ADAPTERS = union("ADAPTERS")
ULP = union("ULP")

# What is not compared, and why.
SKIPPED = {
    "lax.add_any": {"bool"},  # Nothing adds cotangents of truth values.
    "nn.softmax": {"uint16", "uint32", "int8"},  # JAX subtracts the largest in integers, which overflow: NaN.
    "numpy.nanquantile": {"int8", "int32", "uint16", "uint32", "bool", "empty"},  # JAX fails at quantiles that are integers; takes none of none.
    "numpy.nanpercentile": {"empty"},
    "numpy.polyint": {"bool"},  # JAX gives a weakly typed result.
    "numpy.take": {"empty"},  # JAX forgets the shape of the indices.
    "numpy.unravel_index": {"bfloat16", "float16", "float32", "float64", "complex64"},  # NumPy takes integers alone, JAX anything.
}

FAMILIES = """lax_elementwise lax_shape lax_index lax_window lax_special lax_small linalg numpy_ufunc numpy_reduce numpy_shape
    numpy_index numpy_fft numpy_sets numpy_rest images nn""".split()
DTYPES = "bfloat16 float16 float32 float64 complex64 int8 int32 uint16 uint32 bool".split()
# Twice what one rounding of a number near 4 is off by, so much for sums of a few.
ABS = {"bfloat16": 6e-2, "float16": 8e-3, "float32": 8e-6, "complex64": 8e-6, "float64": 1e-13}
OTHER_DTYPES = 3


def of_dtype(array, dtype):
    values = np.frombuffer(bytes.fromhex(array["data"]), np_dtype(array["dtype"])).reshape(array["shape"])
    with np.errstate(all="ignore"):
        if np_dtype(dtype).kind in "iub" and values.dtype.kind not in "iub":
            values = np.nan_to_num(np.real(values).astype(np.float64), nan=0.0, posinf=5, neginf=-5).clip(-100, 100)
            values = values.clip(0, 100) if np_dtype(dtype).kind == "u" else values
        return array_of(values, np_dtype(dtype))


def of_shape(array, shape):
    values = np.frombuffer(bytes.fromhex(array["data"]), np_dtype(array["dtype"])).reshape(array["shape"])
    return array_of(values[tuple(slice(0, n) for n in shape)], np_dtype(array["dtype"]))


def base_cases():
    """The first case of each function with an array, and all signatures that the function has."""
    found, signatures = {}, {}
    for name in FAMILIES:
        from families import specs

        for spec in specs(name):
            signatures.setdefault(spec.fn, set()).add(signature(spec.args))
            arrays = [a for a in spec.args if a["shape"] and 0 not in a["shape"] and not a.get("weak")]
            if spec.error is False and "known" not in spec.params and arrays and spec.fn not in found:
                found[spec.fn] = spec
    return found, signatures


def signature(args):
    return tuple((a["dtype"], tuple(a["shape"]), bool(a.get("weak"))) for a in args)


def build(f):
    found, signatures = base_cases()
    for fn, base in sorted(found.items()):
        first = next(a["dtype"] for a in base.args if a["shape"] and not a.get("weak"))
        cast = lambda dtype: [of_dtype(a, dtype) if a["dtype"] == first and not a.get("weak") else a for a in base.args]
        start = zlib.crc32(fn.encode())
        order = [DTYPES[(start + i) % len(DTYPES)] for i in range(len(DTYPES))]
        variants = [(dtype, cast(dtype)) for dtype in order if dtype != first]
        variants = [v for v in variants if signature(v[1]) not in signatures[fn]][:OTHER_DTYPES]
        for shrink in (lambda shape: (*shape[:-1], 0), lambda shape: (0, *shape[1:]), lambda shape: (1,) * len(shape)):
            args = [of_shape(a, shrink(tuple(a["shape"]))) if a["shape"] and not a.get("weak") else a for a in base.args]
            if signature(args) not in signatures[fn]:
                variants.append((first, args))
                signatures[fn].add(signature(args))
        skipped = SKIPPED.get(fn, set())
        for dtype, args in variants:
            is_empty = "empty" if any(0 in a["shape"] for a in args) else dtype
            if {dtype, is_empty} & skipped:
                continue
            n = f.count[fn] = f.count.get(fn, 0) + 1
            tol = {"ulp": ULP.get(fn, 0) + 2, "abs": ABS.get(dtype, 8e-6)}
            f.specs.append(Spec(f"{fn}/{n}", fn, base.call, args, base.params, base.x64 or dtype == "float64", False,
                                {k: v for k, v in tol.items() if v}, None, None))
