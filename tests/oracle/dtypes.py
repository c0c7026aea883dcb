"""Writes tests/fixtures/dtypes.json: what JAX 0.10.2 and `ml_dtypes` say of dtypes, and how they round to the small floats.

    python tests/oracle/dtypes.py [--check]
"""

import json
import pathlib
import sys

import jax
import jax.numpy as jnp
import numpy as np

OUT = pathlib.Path(__file__).parent.parent / "fixtures" / "dtypes.json"

LONG = """bool int2 int4 int8 int16 int32 int64 uint2 uint4 uint8 uint16 uint32 uint64 float4_e2m1fn float8_e3m4 float8_e4m3
    float8_e4m3b11fnuz float8_e4m3fn float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz float8_e8m0fnu bfloat16 float16 float32 float64
    complex64 complex128""".split()
SMALL = [name for name in LONG if name.startswith(("float4", "float8"))]
KINDS = "generic number integer signedinteger unsignedinteger inexact floating complexfloating".split()
FLOAT = "eps epsneg max min tiny smallest_normal smallest_subnormal resolution".split()
INT = "bits nmant nexp machep negep minexp maxexp precision".split()


def values(name):
    """Every number of a small float, by its bits."""
    count = 16 if name.startswith("float4") else 256
    return np.arange(count, dtype=np.uint8).view(jnp.dtype(name)).astype(np.float64)


def between(name):
    """The finite numbers, those between two and their neighbours, and what is too large or too small."""
    x = values(name)
    x = np.unique(x[np.isfinite(x)])
    middle = ((x[1:] + x[:-1]) / 2).astype(np.float32)
    near = [np.nextafter(middle, np.float32(end)) for end in (np.inf, -np.inf)]
    large = x[-1] * np.array([1 + 2**-9, 1.03, 1.0625, 1.07, 1.125, 1.13, 1.25, 1.3, 1.5, 1.6, 2, 4])
    small = x[x > 0][0] * np.array([0.5, 0.51, 0.49, 0.25, 0.75, 0.1, 1e-3])
    ends = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-30, -1e-30, 3e38, -3e38])
    with np.errstate(over="ignore"):
        return np.concatenate([x, middle, *near, large, -large, small, -small, ends]).astype(np.float32)


def limits(name):
    info = jnp.finfo(name)
    return {k: float(getattr(info, k)).hex() for k in FLOAT} | {k: int(getattr(info, k)) for k in INT}


def integer_limits(name):
    info = jnp.iinfo(name)
    return [int(info.bits), str(info.min), str(info.max), str(info)]


def promoted(a, b):
    try:
        return str(jnp.promote_types(a, b))
    except ValueError:
        return "error"


def typed(*args):
    try:
        dtype, weak = jax.dtypes.result_type(*args, return_weak_type_flag=True)
    except ValueError:
        return "error"
    return f"{dtype} weak" if weak else str(dtype)


def main():
    assert jax.__version__ == "0.10.2", jax.__version__
    is_int = [name for name in LONG if "int" in name]
    found = {
        "finfo": {name: limits(name) for name in LONG if jnp.issubdtype(name, jnp.inexact)},
        "iinfo": {name: integer_limits(name) for name in is_int},
        "issubdtype": {name: [k for k in KINDS if jnp.issubdtype(name, getattr(np, k))] for name in LONG},
        "subkinds": {a: [b for b in KINDS if jnp.issubdtype(getattr(np, a), getattr(np, b))] for a in KINDS},
        "decode": {name: [x.hex() for x in values(name).tolist()] for name in SMALL},
        "encode": {},
    }
    for name in SMALL:
        x = between(name)
        with np.errstate(all="ignore"):
            codes = x.astype(jnp.dtype(name)).view(np.uint8)
        found["encode"][name] = {"f32": x.tobytes().hex(), "codes": codes.tobytes().hex()}
    for x64 in (False, True):
        with jax.enable_x64(x64):
            table = [[promoted(a, b) for b in LONG] for a in LONG]
        found[f"promote_types_{'x64' if x64 else 'x32'}"] = dict(zip(LONG, map(" ".join, table)))
    numbers = (2, 2.5)
    found["result_type"] = {name: [typed(name, n) for n in numbers] for name in LONG if "64" not in name and "128" not in name}
    found["result_type"]["numbers"] = [typed(*numbers[:n]) for n in (1, 2)]
    text = json.dumps(found, separators=(",", ":")).replace('},"', '},\n"') + "\n"
    if "--check" not in sys.argv:
        OUT.write_text(text)
    elif OUT.read_text() != text:
        sys.exit(f"JAX says otherwise than {OUT.name}: run dtypes.py")
    else:
        print(f"{OUT.name} agrees with JAX {jax.__version__}")


if __name__ == "__main__":
    main()
