"""The derivatives that JAX 0.10.2 gives with respect to integers: `python3 tests/oracle/float0.py [--check]` writes
tests/fixtures/float0.json.

Each case, which `tests/suite/float0.rs` has under the same name, is a transformation; its leaves are dtypes, shapes and, unless they are
`float0`, values. What JAX refuses is `null`.
"""

import json
import pathlib
import sys

import jax
import jax.numpy as jnp
import numpy as np
from jax.dtypes import float0

OUT = pathlib.Path(__file__).resolve().parent.parent / "fixtures/float0.json"

X, N = jnp.float32(2), jnp.int32(3)
XS, NS, BS = jnp.array([1, 2, 3], jnp.float32), jnp.array([4, 5, 6], jnp.int32), jnp.array([True, False, True])


def none(shape=()):
    return np.zeros(shape, float0)


def product(x, n):
    return x * n


def both(x, n):
    return x * n, n + 1


def total(x, n):
    return jnp.sum(x * n)


def chosen(b):
    return jnp.sum(jnp.where(b, 1.0, 2.0))


def grads(f, argnums=(0, 1)):
    return jax.grad(f, argnums=argnums, allow_int=True)


def forward(tangent):
    f = jax.custom_jvp(both)
    f.defjvp(lambda primals, tangents: (both(*primals), (tangents[0] * primals[1], tangent(tangents[1], primals[1]))))
    return f


def backward(ct):
    f = jax.custom_vjp(both)
    f.defvjp(lambda x, n: (both(x, n), n), lambda n, cts: (cts[0] * n, ct(n, cts[1])))
    return f


def first(f):
    return lambda x, n: f(x, n)[0]


CASES = {
    "jvp": lambda: jax.jvp(product, (X, N), (X, none())),
    "jvp of arrays": lambda: jax.jvp(product, (XS, NS), (XS, none(3))),
    "jvp with an integer result": lambda: jax.jvp(both, (X, N), (X, none())),
    "jvp by integers alone": lambda: jax.jvp(lambda n: n * 2.0, (NS,), (none(3),)),
    "jvp with a tangent of integers": lambda: jax.jvp(product, (X, N), (X, N)),
    "jvp with a tangent of floats": lambda: jax.jvp(product, (X, N), (X, X)),
    "jvp with float0 for a float": lambda: jax.jvp(product, (X, N), (none(), none())),
    "jvp with another shape": lambda: jax.jvp(lambda n: n * 2.0, (NS,), (none(2),)),
    "jit of jvp": lambda: jax.jit(lambda x, n: jax.jvp(both, (x, n), (x, none())))(X, N),
    "jit of jvp with a tangent": lambda: jax.jit(lambda x, n, d: jax.jvp(both, (x, n), (x, d)))(X, N, none()),
    "vjp": lambda: jax.vjp(product, X, N)[1](X),
    "vjp of arrays": lambda: jax.vjp(total, XS, NS)[1](X),
    "vjp with float0 for an integer": lambda: jax.vjp(both, X, N)[1]((X, none())),
    "vjp with an integer for an integer": lambda: jax.vjp(both, X, N)[1]((X, N)),
    "linearize": lambda: jax.linearize(both, X, N)[1](X, none()),
    "linearize with a tangent of integers": lambda: jax.linearize(both, X, N)[1](X, N),
    "grad": lambda: grads(product)(X, N),
    "grad of arrays": lambda: grads(total)(XS, NS),
    "grad by booleans": lambda: grads(chosen, 0)(BS),
    "grad without allow_int": lambda: jax.grad(chosen)(BS),
    "value_and_grad": lambda: jax.value_and_grad(total, (0, 1), allow_int=True)(XS, NS),
    "jit of grad": lambda: jax.jit(grads(total))(XS, NS),
    "grad of jit": lambda: grads(jax.jit(total))(XS, NS),
    "vmap of grad": lambda: jax.vmap(grads(product))(XS, NS),
    "jacrev": lambda: jax.jacrev(lambda n: n * 2.0, allow_int=True)(NS),
    "custom_jvp hands its tangent on": lambda: jax.jvp(forward(lambda dn, n: dn), (X, N), (X, none())),
    "custom_jvp gives integers": lambda: jax.jvp(forward(lambda dn, n: n), (X, N), (X, none())),
    "grad of custom_jvp": lambda: grads(first(forward(lambda dn, n: dn)))(X, N),
    "jit of grad of custom_jvp": lambda: jax.jit(grads(first(forward(lambda dn, n: dn))))(X, N),
    "custom_vjp hands its cotangent on": lambda: jax.vjp(backward(lambda n, ct: ct), X, N)[1]((X, none())),
    "custom_vjp gives integers": lambda: grads(first(backward(lambda n, ct: n)))(X, N),
    "custom_vjp gives floats": lambda: grads(first(backward(lambda n, ct: X)))(X, N),
    "identity": lambda: jax.jit(lambda d: d)(none(3)),
    "zeros": lambda: jnp.zeros((2, 3), float0),
    "add": lambda: jnp.add(none(3), 1.0),
    "add of lax": lambda: jax.lax.add(none(3), none(3)),
    "sin": lambda: jnp.sin(none(3)),
    "sum": lambda: jnp.sum(none(3)),
    "add in jit": lambda: jax.jit(lambda d: d + 1)(none(3)),
    "promotion": lambda: jnp.promote_types(float0, jnp.float32),
}


def leaf(x):
    x = np.asarray(x)
    if x.dtype == float0:
        return ["float0", list(x.shape), None]
    return [x.dtype.name, list(x.shape), x.astype("f4").ravel().tolist()]


def make():
    rows = []
    for name, case in CASES.items():
        try:
            found = [leaf(x) for x in jax.tree.leaves(case())]
        except (TypeError, ValueError):
            found = None
        rows.append(f" {json.dumps(name)}: {json.dumps(found)}")
    return "{\n" + ",\n".join(rows) + "\n}\n"


def main():
    new = make()
    if "--check" not in sys.argv:
        OUT.write_text(new)
    elif new != OUT.read_text():
        sys.exit(f"{OUT.name} is not what JAX gives")


if __name__ == "__main__":
    main()
