"""What `jax.experimental.jet` of JAX 0.10.2 gives: `python3 tests/oracle/jet.py [--check]` writes tests/fixtures/jet.json.

Each case is a function of arrays, which `tests/suite/jet.rs` has under the same name, their values and series, and what comes of them up to
the fifth order, in `float64`. Numbers are in one flat list each, and have their shape beside them.
"""

import json
import pathlib
import sys

import numpy as np
import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp
from jax import lax
from jax.experimental.jet import jet

OUT = pathlib.Path(__file__).resolve().parent.parent / "fixtures/jet.json"
ORDERS = (1, 2, 3, 5)


def mlp(w1, b1, w2, x):
    return jnp.tanh(x @ w1 + b1) @ w2


def conv(x, k):
    return lax.conv_general_dilated(x, k, (1, 1), "SAME")


def dims(x):
    return lax.GatherDimensionNumbers(offset_dims=(1,), collapsed_slice_dims=(0,), start_index_map=(0,))


INDICES = np.array([[1], [0], [1]], np.int32)


def scatter_add(x, u):
    d = lax.ScatterDimensionNumbers(update_window_dims=(1,), inserted_window_dims=(0,), scatter_dims_to_operand_dims=(0,))
    return lax.scatter_add(x, INDICES, u, d)


def gather(x):
    return lax.gather(x, INDICES, dims(x), (1, 3))


M = (2, 3)
# Name, function, and for each argument its shape and the range of its value.
CASES = [
    ("neg", lax.neg, (M, -1, 1)),
    ("exp", lax.exp, (M, -1, 1)),
    ("expm1", lax.expm1, (M, -1, 1)),
    ("log", lax.log, (M, 0.4, 2)),
    ("log1p", lax.log1p, (M, -0.4, 2)),
    ("sqrt", lax.sqrt, (M, 0.4, 2)),
    ("rsqrt", lax.rsqrt, (M, 0.4, 2)),
    ("square", lax.square, (M, -1, 1)),
    ("sin", lax.sin, (M, -1, 1)),
    ("cos", lax.cos, (M, -1, 1)),
    ("sinh", lax.sinh, (M, -1, 1)),
    ("cosh", lax.cosh, (M, -1, 1)),
    ("tanh", lax.tanh, (M, -1, 1)),
    ("logistic", lax.logistic, (M, -1, 1)),
    ("asinh", lax.asinh, (M, -1, 1)),
    ("acosh", lax.acosh, (M, 1.4, 3)),
    ("atanh", lax.atanh, (M, -0.7, 0.7)),
    ("erf", lax.erf, (M, -1, 1)),
    ("erfc", lax.erfc, (M, -1, 1)),
    ("erf_inv", lax.erf_inv, (M, -0.7, 0.7)),
    ("abs", lax.abs, (M, -1, 1)),
    ("abs at 0", lambda x: lax.abs(x - lax.stop_gradient(x)), (M, -1, 1)),
    ("sign", lax.sign, (M, -1, 1)),
    ("floor", lambda x: x * lax.floor(x), (M, -2, 2)),
    ("integer_pow 2", lambda x: lax.integer_pow(x, 2), (M, -1, 1)),
    ("integer_pow 3", lambda x: lax.integer_pow(x, 3), (M, -1, 1)),
    ("integer_pow 7", lambda x: lax.integer_pow(x, 7), (M, -1, 1)),
    ("integer_pow -2", lambda x: lax.integer_pow(x, -2), (M, 0.4, 1)),
    ("integer_pow at 0", lambda x: lax.integer_pow(x - lax.stop_gradient(x), 3), (M, -1, 1)),
    ("pow", lax.pow, (M, 0.4, 2), (M, -2, 2)),
    ("pow of a number", lambda x: x ** 2.5, (M, 0.4, 2)),
    ("atan2", lax.atan2, (M, 0.4, 2), (M, 0.4, 2)),
    ("add", lax.add, (M, -1, 1), (M, -1, 1)),
    ("add of a constant", lambda x: x + jnp.arange(3.0), (M, -1, 1)),
    ("sub", lax.sub, (M, -1, 1), (M, -1, 1)),
    ("mul", lax.mul, (M, -1, 1), (M, -1, 1)),
    ("div", lax.div, (M, -1, 1), (M, 0.4, 2)),
    ("rem", lax.rem, (M, 2, 4), (M, 0.7, 1.5)),
    ("max", lax.max, (M, -1, 1), (M, -1, 1)),
    ("max of equals", lambda x, y: lax.max(x, x + (y - lax.stop_gradient(y))), (M, -1, 1), (M, -1, 1)),
    ("min", lax.min, (M, -1, 1), (M, -1, 1)),
    ("clamp", lambda x: lax.clamp(jnp.full(M, -0.5), x, jnp.full(M, 0.5)), (M, -1, 1)),
    ("dot_general", lambda x, y: jnp.dot(x, y), (M, -1, 1), ((3, 2), -1, 1)),
    ("conv", conv, ((1, 2, 4, 4), -1, 1), ((2, 2, 3, 3), -1, 1)),
    ("reduce_sum", lambda x: jnp.sum(x, 1), (M, -1, 1)),
    ("reduce_max", lambda x: jnp.max(x, 1), (M, -1, 1)),
    ("reduce_min", lambda x: jnp.min(x, 0), (M, -1, 1)),
    ("cumsum", lambda x: lax.cumsum(x, 1), (M, -1, 1)),
    ("cumprod", lambda x: lax.cumprod(x, 1), (M, -1, 1)),
    ("cummax", lambda x: lax.cummax(x, 1), (M, -1, 1)),
    ("cummin", lambda x: lax.cummin(x, 1, reverse=True), (M, -1, 1)),
    ("gather", gather, (M, -1, 1)),
    ("scatter_add", scatter_add, (M, -1, 1), ((3, 3), -1, 1)),
    ("dynamic_slice", lambda x: lax.dynamic_slice(x, (0, 1), (2, 2)), (M, -1, 1)),
    ("dynamic_update_slice", lambda x, u: lax.dynamic_update_slice(x, u, (0, 1)), (M, -1, 1), ((1, 2), -1, 1)),
    ("select_n", lambda x, y: lax.select(x > 0, x, y), (M, -1, 1), (M, -1, 1)),
    ("concatenate", lambda x, y: lax.concatenate([x, y], 1), (M, -1, 1), (M, -1, 1)),
    ("split", lambda x: lax.split(x, (1, 2), 1)[1], (M, -1, 1)),
    ("pad", lambda x: lax.pad(x, 0.0, ((1, 0, 1), (0, 1, 0))), (M, -1, 1)),
    ("reshape", lambda x: lax.reshape(x, (3, 2)), (M, -1, 1)),
    ("squeeze", lambda x: lax.squeeze(x, (0,)), ((1, 3), -1, 1)),
    ("transpose", lambda x: lax.transpose(x, (1, 0)), (M, -1, 1)),
    ("rev", lambda x: lax.rev(x, (1,)), (M, -1, 1)),
    ("slice", lambda x: lax.slice(x, (0, 1), (2, 3)), (M, -1, 1)),
    ("broadcast_in_dim", lambda x: lax.broadcast_in_dim(x, (2, 4, 3), (0, 2)), (M, -1, 1)),
    ("reduce_window_sum", lambda x: lax.reduce_window(x, 0.0, lax.add, (1, 2), (1, 1), "VALID"), (M, -1, 1)),
    ("fft", lambda x, y: lax.imag(lax.fft(lax.complex(x, y), "fft", (3,))), (M, -1, 1), (M, -1, 1)),
    ("conj", lambda x, y: lax.imag(lax.conj(lax.square(lax.complex(x, y)))), (M, -1, 1), (M, -1, 1)),
    ("exp of complex numbers", lambda x, y: lax.real(lax.exp(lax.complex(x, y))), (M, -1, 1), (M, -1, 1)),
    ("convert_element_type", lambda x: lax.convert_element_type(lax.convert_element_type(x, "f4"), "f8"), (M, -1, 1)),
    ("stop_gradient", lambda x: lax.stop_gradient(x) * x, (M, -1, 1)),
    ("a number", lambda x: jnp.float64(2), (M, -1, 1)),
    ("logsumexp", lambda x: jax.nn.logsumexp(x, 1), (M, -1, 1)),
    ("softmax", lambda x: jnp.exp(x) / jnp.sum(jnp.exp(x), 1, keepdims=True), (M, -1, 1)),
    ("mlp", mlp, ((3, 4), -1, 1), ((4,), -1, 1), ((4, 2), -1, 1), (M, -1, 1)),
    ("jit", lambda x: jax.jit(lambda x: jnp.sin(x) * x)(x) * 2, (M, -1, 1)),
    ("jit of two", lambda x, y: jax.jit(lambda x, y: jnp.exp(x) / y)(x, y), (M, -1, 1), (M, 0.4, 2)),
    ("grad", lambda x: jax.grad(lambda x: jnp.sum(jnp.sin(x) * jnp.exp(x)))(x), (M, -1, 1)),
    ("grad of mlp", lambda w, x: jax.grad(lambda w: jnp.sum(jnp.tanh(x @ w) ** 2))(w), ((3, 4), -1, 1), (M, -1, 1)),
    ("vmap", lambda x, y: jax.vmap(lambda x, y: jnp.dot(x, jnp.sin(y)))(x, y), (M, -1, 1), (M, -1, 1)),
    ("composite", lambda x, y: jnp.log(1 + jnp.exp(jnp.sin(x) / y)) * jnp.sqrt(y), (M, -1, 1), (M, 0.4, 2)),
]


def array(x):
    x = np.asarray(x)
    return [list(x.shape), [float(f"{v:.17g}") for v in x.ravel()]]


def make():
    rows = []
    for i, (name, f, *args) in enumerate(CASES):
        draw = np.random.RandomState(i)
        primals = [draw.uniform(low, high, shape).round(3) for shape, low, high in args]
        series = [[draw.uniform(-1, 1, x.shape).round(3) for _ in range(max(ORDERS))] for x in primals]
        found = []
        for order in ORDERS:
            y, terms = jet(f, primals, [terms[:order] for terms in series])
            found.append([array(y), [array(term) for term in terms]])
        row = {"primals": [array(x) for x in primals], "series": [[array(t) for t in s] for s in series], "found": found}
        rows.append(f" {json.dumps(name)}: {json.dumps(row)}")
    return "{\n" + ",\n".join(rows) + "\n}\n"


def main():
    new = make()
    if "--check" not in sys.argv:
        OUT.write_text(new)
        return
    old, new = json.loads(OUT.read_text()), json.loads(new)
    if old.keys() != new.keys():
        sys.exit(f"{OUT.name} has other cases")
    for name, row in new.items():
        ours = [row["found"], old[name]["found"]]
        ours = [jax.tree.leaves(found) for found in ours]
        if len(ours[0]) != len(ours[1]) or not np.allclose(*ours, rtol=1e-9, atol=1e-9):
            sys.exit(f"{OUT.name} is not what JAX gives for {name}")


if __name__ == "__main__":
    main()
