"""Writes tests/fixtures/promotion.csv: what JAX 0.10.2 makes of every pair of dtypes, weak or not, x64 on and off.

    pip install jax==0.10.2 && python tests/oracle/promotion.py > tests/fixtures/promotion.csv

`--check` compares with the file instead.

A weak type is marked with a star, as in `i32*`. While x64 is off, 64-bit dtypes do not occur. `bool` is never weak.
"""

import pathlib
import sys

import jax
import jax.numpy as jnp

OUT = pathlib.Path(__file__).parent.parent / "fixtures" / "promotion.csv"

NAMES = {
    "bool": "bool", "i8": "int8", "i16": "int16", "i32": "int32", "i64": "int64", "u8": "uint8", "u16": "uint16",
    "u32": "uint32", "u64": "uint64", "bf16": "bfloat16", "f16": "float16", "f32": "float32", "f64": "float64",
    "c64": "complex64", "c128": "complex128",
}
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
                out = jax.eval_shape(jnp.add, a, b)
                types = [show(t.dtype, t.weak_type) for t in (a, b, out)]
                lines.append(",".join(["on" if x64 else "off", *types]))
if "--check" not in sys.argv:
    print("\n".join(lines))
elif OUT.read_text().splitlines() != lines:
    sys.exit(f"JAX promotes otherwise than {OUT.name} says: run promotion.py")
else:
    print(f"{len(lines) - 1} promotions agree with JAX {jax.__version__}")
