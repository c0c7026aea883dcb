"""Writes tests/fixtures/promotion.csv: what JAX 0.10.2 makes of every pair of dtypes, weak or not, x64 on and off.

    pip install jax==0.10.2 && python tests/oracle/promotion.py > tests/fixtures/promotion.csv

`--check` compares with the file instead.

A weak type is marked with a star, as in `i32*`; the result of what JAX refuses is `error`. While x64 is off, 64-bit dtypes do not
occur. `bool` is never weak.
"""

import pathlib
import sys

import jax
import jax.numpy as jnp

OUT = pathlib.Path(__file__).parent.parent / "fixtures" / "promotion.csv"

LONG = """bool int2 int4 int8 int16 int32 int64 uint2 uint4 uint8 uint16 uint32 uint64 float4_e2m1fn float8_e3m4 float8_e4m3
    float8_e4m3b11fnuz float8_e4m3fn float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz float8_e8m0fnu bfloat16 float16 float32 float64
    complex64 complex128""".split()
SHORTER = (("float", "f"), ("uint", "u"), ("int", "i"), ("complex", "c"))


def short(name):
    for long, letter in SHORTER:
        name = name.replace(long, letter)
    return name


NAMES = {short(name): name for name in LONG}
WIDE = {"i64", "u64", "f64", "c128"}
SHORT = {long: short for short, long in NAMES.items()}


def show(dtype, weak):
    return SHORT[str(dtype)] + ("*" if weak else "")


def operands(x64):
    for short, long in NAMES.items():
        if x64 or short not in WIDE:
            for weak in (False, True):
                if not (weak and short == "bool"):
                    yield jax.ShapeDtypeStruct((), jnp.dtype(long), weak_type=weak)


assert jax.__version__ == "0.10.2", jax.__version__
lines = ["x64,a,b,result"]
for x64 in (False, True):
    with jax.enable_x64(x64):
        for a in operands(x64):
            for b in operands(x64):
                types = [show(t.dtype, t.weak_type) for t in (a, b)]
                try:
                    out = jax.eval_shape(jnp.add, a, b)
                    types.append(show(out.dtype, out.weak_type))
                except ValueError as e:
                    assert "promotion path" in str(e), e
                    types.append("error")
                lines.append(",".join(["on" if x64 else "off", *types]))
if "--check" not in sys.argv:
    print("\n".join(lines))
elif OUT.read_text().splitlines() != lines:
    sys.exit(f"JAX promotes otherwise than {OUT.name} says: run promotion.py")
else:
    print(f"{len(lines) - 1} promotions agree with JAX {jax.__version__}")
