"""What JAX 0.10.2 gives where formulas break: `python3 tests/oracle/edges.py [--check]` writes tests/fixtures/edges.json.

Derivatives to the fourth order of functions of one number, forward and reverse, at ties, zeroes, infinities and nan, in double
precision; activations of truth values and small integers; `ldexp` and `frexp` in half precision.
"""

import json
import pathlib
import sys

import jax
import jax.numpy as jnp
import numpy as np

OUT = pathlib.Path(__file__).resolve().parent.parent / "fixtures/edges.json"
POINTS = [0.0, -0.0, 1.0, -1.0, 0.3, 6.0, -3.0, float("inf"), float("-inf"), float("nan")]
ORDERS = 4

NUMPY = """abs absolute arccos arccosh arcsin arcsinh arctan arctanh cbrt ceil cos cosh deg2rad exp exp2 expm1 fabs floor i0 log
log10 log1p log2 nan_to_num negative positive rad2deg reciprocal rint sign sin sinc sinh sqrt square tan tanh trunc""".split()
NN = """celu elu gelu hard_sigmoid hard_silu hard_tanh leaky_relu log_sigmoid mish relu relu6 selu sigmoid silu soft_sign softplus
sparse_plus sparse_sigmoid squareplus""".split()
BINARY = "arctan2 fmax fmin hypot logaddexp logaddexp2 maximum minimum".split()
PAIRS = [(0.0, 0.0), (1.0, 1.0), (2.0, -1.0), (float("inf"), float("inf")), (float("-inf"), float("-inf")),
         (1.0, float("nan")), (float("nan"), 1.0), (0.0, float("inf"))]
# Its values are weakly typed, or an error, without x64 alone.
ACTIVATIONS = """celu elu hard_sigmoid hard_silu hard_tanh leaky_relu relu relu6 selu soft_sign softplus sparse_plus sparse_sigmoid
squareplus""".split()


def text(x):
    return [repr(float(v)) for v in np.asarray(x, dtype=np.float64).ravel()]


def forward(f):
    return lambda x: jax.jvp(f, (x,), (jnp.ones_like(x),))[1]


def reverse(f):
    return lambda x: jax.grad(lambda y: jnp.sum(f(y)))(x)


def derivatives(f):
    x = jnp.array(POINTS, dtype=jnp.float64)
    found = {}
    for name, mode in (("forward", forward), ("reverse", reverse)):
        g, found[name] = f, []
        for _ in range(ORDERS):
            g = mode(g)
            found[name].append(text(jax.jit(g)(x)))
    return found


def make():
    out = {"points": [repr(p) for p in POINTS], "pairs": [[repr(a), repr(b)] for a, b in PAIRS]}
    with jax.enable_x64(True):
        out["unary"] = {f"numpy.{name}": derivatives(getattr(jnp, name)) for name in NUMPY}
        out["unary"] |= {f"nn.{name}": derivatives(getattr(jax.nn, name)) for name in NN}
        out["binary"] = {}
        x, y = (jnp.array(column, dtype=jnp.float64) for column in zip(*PAIRS))
        for name in BINARY:
            f = getattr(jnp, name)
            one, zero = jnp.ones_like(x), jnp.zeros_like(x)
            dx, dy = (jax.jvp(f, (x, y), t)[1] for t in ((one, zero), (zero, one)))
            gx, gy = jax.grad(lambda x, y: jnp.sum(f(x, y)), argnums=(0, 1))(x, y)
            out["binary"][name] = [text(v) for v in (dx, dy, gx, gy)]
    out["activations"] = {}
    for dtype in ("bool", "uint8", "int8", "int32"):
        x = jnp.array([1, 0, 3], dtype=dtype)
        for name in ACTIVATIONS:
            y = getattr(jax.nn, name)(x)
            out["activations"][f"{name} {dtype}"] = [str(y.dtype), text(y)]
    out["ldexp"] = {}
    for dtype in ("bfloat16", "float16", "float32"):
        y = jnp.ldexp(jnp.array([1, 3, 1, 0.5, -1.5, 0, jnp.inf], dtype=dtype), jnp.array([10, 3, 15, -10, 14, 5, 2]))
        out["ldexp"][dtype] = text(y)
    return json.dumps(out, indent=1) + "\n"


def main():
    new = make()
    if "--check" not in sys.argv:
        OUT.write_text(new)
    elif new != OUT.read_text():
        sys.exit("tests/fixtures/edges.json is not what JAX gives: run python3 tests/oracle/edges.py")
    print("tests/fixtures/edges.json is what JAX gives")


if __name__ == "__main__":
    main()
