"""What programs with array references give in JAX, and how their jaxprs print: tests/fixtures/refs.json, for tests/suite/refs.rs.

Run with JAX 0.10.2: python tests/oracle/refs.py > tests/fixtures/refs.json
`--check` compares with the file instead.

A program gives arrays, of which the file has all elements one after the other. Where JAX refuses, it has the exception's type.
"""

import json
import pathlib
import sys

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

values, jaxprs = {}, {}
x3 = jnp.arange(1.0, 4.0)
m34 = jnp.arange(12.0).reshape(3, 4)
s = jnp.float32(2)
i = jnp.int32(1)


def elements(out):
    return [float(e) for x in jax.tree.leaves(out) for e in np.asarray(x[...]).ravel()]


def value(f):
    try:
        values[f.__name__] = elements(f())
    except Exception as e:  # noqa: BLE001
        values[f.__name__] = type(e).__name__


def printed(*args):
    def record(f):
        jaxprs[f.__name__] = str(jax.make_jaxpr(f)(*args))

    return record


new = jax.new_ref


@value
def eager():
    r = new(m34)
    old = jax.ref.swap(r, (0, slice(1, 3)), jnp.array([7.0, 8.0]))
    r[1] = r[2]
    jax.ref.addupdate(r, (2, -1), 1.0)
    r[:, 0] += jnp.ones(3)
    r[1, ::2] = jnp.array([5.0, 6.0])
    return old, r[...], r[1:, 1], r[i], r[..., 2]


@value
def positions():
    r, at = new(m34), jnp.array([2, 0])
    rows = r[at]
    r[at, jnp.array([1, 3])] = jnp.array([50.0, 60.0])
    r[at, 1:3] += jnp.ones((2, 2))
    r[:, at] = r[:, at] * 2
    jax.ref.addupdate(r, (jnp.array([1, 1]), 0), jnp.ones(2))
    return rows, r[...], r[jnp.array([[0, 1]]), :2]


@value
def out_of_range():
    r = new(x3)
    read = r[jnp.array([7, -1, -5])]
    r[jnp.array([7, -1, -5])] = jnp.array([10.0, 20.0, 30.0])
    return read, r[...]


@value
def traced_positions_out_of_range():
    r = new(x3)
    read = jax.jit(lambda r, i: r[i])
    jax.jit(lambda r, i: r.__setitem__(i, 9.0))(r, jnp.int32(-1))
    return read(r, jnp.int32(-1)), read(r, jnp.int32(7)), r


@value
def argument():
    r = new(x3)
    f = jax.jit(lambda r, x: r.__setitem__(..., r[...] * x))
    f(r, s)
    f(r, s)
    return r


@value
def captured():
    r = new(x3)
    f = jax.jit(lambda x: r.__setitem__(1, r[1] + x) or r[0] + x)
    return f(s), f(s), r


def square_inside(x):
    r = new(jnp.zeros(3))
    r[...] = x * x
    r[0] += 1.0
    return r[...]


@value
def internal():
    return jax.jit(square_inside)(x3), square_inside(x3)


@value
def nested():
    r, q = new(x3), new(s)
    inner = jax.jit(lambda q, x: q.__setitem__(..., q[...] + x) or r[0])

    @jax.jit
    def f(q, x):
        y = inner(q, x)
        r[0] = y + q[...]
        return inner(q, y)

    return f(q, s), r, q


@value
def scan_captured():
    r = new(x3)

    def body(c, x):
        r[0] += x
        return c + r[0], r[...]

    eager = lax.scan(body, 0.0, x3)
    return eager, jax.jit(lambda: lax.scan(body, 0.0, x3))(), r


@value
def scan_over():
    r = new(m34)

    def body(c, rx):
        r, x = rx
        r[0] = x + r[1]
        return c + x, r[2]

    return lax.scan(body, 0.0, (r, x3)), r


@value
def scan_internal():
    def body(c, x):
        r = new(x)
        r[...] += c
        return r[...], r[...]

    return lax.scan(body, 1.0, x3, reverse=True)


@value
def loops():
    r = new(x3)

    def body(i, c):
        r[i] += 1.0
        return c + r[i]

    dynamic = jax.jit(lambda n: lax.fori_loop(0, n, body, 0.0))(2)
    return dynamic, lax.fori_loop(0, 3, body, 0.0), lax.fori_loop(0, i, body, 0.0), r


@value
def branches():
    r, q = new(x3), new(s)

    def on_true(x):
        r[0] = x
        return q[...]

    def on_false(x):
        r[1] = x
        q[...] += 1.0
        return x

    f = jax.jit(lambda p: lax.cond(p, on_true, on_false, 9.0))
    return f(True), f(False), lax.cond(i > 0, on_true, on_false, 3.0), r, q


@value
def vmap_internal():
    return jax.vmap(square_inside)(m34[:, :3]), jax.jit(jax.vmap(square_inside))(m34[:, :3])


@value
def vmap_arguments():
    r, q = new(m34), new(m34)
    jax.vmap(lambda r, x: r.__setitem__(slice(1, 3), r[:2] + x))(r, x3)
    jax.vmap(lambda q, i: q.__setitem__(i, q[0] + 7.0), in_axes=(1, 0))(q, jnp.array([0, 1, 2, 0]))
    at = new(m34)
    jax.vmap(lambda r, i: jax.ref.addupdate(r, i, r[i]))(at, jnp.array([3, 0, 1]))
    part = new(m34)
    jax.vmap(lambda r, i: r.__setitem__(slice(0, 2), r[jnp.array([0, 3])] + i))(part, x3)
    return r, q, at, part


@value
def vmap_twice():
    out = new(jnp.zeros((3, 3)))

    def dist(x, y, out):
        out[...] = jnp.sum((x - y) ** 2)

    jax.vmap(jax.vmap(dist, (0, None, 0)), (None, 0, 0))(m34, m34, out)
    return out


@value
def vmap_captured():
    r = new(x3)
    return jax.vmap(lambda i: r[i])(jnp.array([2, 0])), jax.vmap(lambda x: r[1] * x)(x3)


@value
def vmap_of_loop():
    def f(x, n):
        r = new(x)

        def body(i, c):
            r[...] = r[...] * 2
            return c

        lax.fori_loop(0, 3, body, 0)
        return r[...]

    return jax.vmap(f, (0, None))(x3, 3)


def polynomial(x):
    r = new(0.0)
    r[...] = jnp.sin(x)
    y = jax.ref.swap(r, ..., x * x)
    jax.ref.addupdate(r, ..., x)
    return y * r[...]


def horner(x):
    r = new(jnp.zeros(2))

    def body(c, a):
        r[0] = r[0] * x[0] + a
        jax.ref.addupdate(r, 1, r[0] * x[1])
        return c, None

    lax.scan(body, None, x3)
    return r[0] * r[1]


def picked(x):
    r = new(jnp.zeros((2, 3)))
    r[0] = x
    r[1, jnp.array([2, 0])] = r[0, 1:] * x[0]
    jax.ref.addupdate(r, (0, jnp.array([1, 1])), x[:2] ** 2)
    r[:, ::2] += r[:, 1:]
    return jnp.sum(r[...] ** 2)


def chosen(x):
    r = new(x)

    def on_true():
        r[0] = r[1] * r[2]

    def on_false():
        r[1] = jnp.sin(r[0])

    lax.cond(x[0] > 0, on_true, on_false)
    return jnp.sum(r[...] * x)


for f, x in ((polynomial, s), (horner, x3[:2]), (picked, x3), (chosen, x3), (chosen, -x3)):
    for name, of in {
        "jvp": lambda f: lambda x: jax.jvp(f, (x,), (x,)),
        "grad": jax.value_and_grad,
        "grad_of_jit": lambda f: jax.grad(jax.jit(f)),
        "jit_of_grad": lambda f: jax.jit(jax.grad(f)),
        "grad_of_checkpoint": lambda f: jax.grad(jax.checkpoint(f)),
        "vmap_of_grad": lambda f: lambda x: jax.vmap(jax.grad(f))(jnp.stack([x, 2 * x])),
        "hessian": jax.hessian,
        "linearize": lambda f: lambda x: jax.linearize(f, x)[1](x),
    }.items():
        sign = "_below" if f is chosen and x[0] < 0 else ""
        run = lambda: of(f)(x)
        run.__name__ = f"{name}_of_{f.__name__}{sign}"
        value(run)
        # What JAX has not got yet is no answer.
        if values[run.__name__] in ("NotImplementedError", "KeyError", "ValueError"):
            del values[run.__name__]


@value
def jvp_of_argument():
    r, dr = new(x3), new(jnp.ones(3))

    def f(r):
        r[0] = r[1] * r[2]
        return jnp.sum(r[...] ** 2)

    return jax.jvp(f, (r,), (dr,)), r, dr


@value
def plumbing():
    r = new(s)

    def f(x, r):
        y = x * x
        r[...] += lax.stop_gradient(y)
        return y * 3

    return jax.grad(f)(s, r), jax.jit(jax.grad(f))(s, r), r


@value
def given_up():
    def f(x):
        r = new(x)
        r[1] = 7.0
        e = jax.empty_ref(jax.ShapeDtypeStruct((2,), jnp.float32))
        e[0], e[1] = 1.0, 2.0
        y = e[...]
        jax.free_ref(e)
        return jax.freeze(r), y

    return jax.jit(f)(x3)


@value
def refused_value():
    new(x3)[0] = 1


@value
def refused_shape():
    new(x3)[...] = 1.0


@value
def refused_index():
    new(x3)[7]


@value
def refused_step():
    new(x3)[::-1]


@value
def refused_result():
    return jax.jit(lambda x: new(x))(x3)


@value
def refused_argument_as_result():
    return jax.jit(lambda r: r)(new(x3))


@value
def refused_twice():
    r = new(s)
    return jax.jit(lambda r, q: r[...] + q[...])(r, r)


@value
def refused_captured_and_passed():
    r = new(s)
    return jax.jit(lambda q: r[...] + q[...])(r)


@value
def refused_carry():
    return lax.scan(lambda c, x: (c, x), new(s), x3)


@value
def refused_branch():
    return lax.cond(i > 0, lambda: new(s), lambda: new(s))


@value
def refused_operands():
    r = new(s)
    return lax.cond(i > 0, lambda r, q: 1, lambda r, q: 2, r, r)


@value
def refused_scan():
    r = new(x3)
    return lax.scan(lambda c, x: (c, x[...] + r[0]), 0.0, r)


@value
def refused_under_vmap():
    r = new(x3)
    jax.vmap(lambda x: r.__setitem__(0, x))(x3)


@value
def refused_under_vmap_unmapped():
    r = new(x3)
    jax.vmap(lambda x: r.__setitem__(0, 2.0) or x)(x3)


@value
def refused_under_grad():
    r = new(x3)
    jax.grad(lambda x: r.__setitem__(0, x) or x)(s)


@value
def refused_gradient():
    jax.grad(lambda r: r[0])(new(x3))


r3, r34 = new(x3), new(m34)


@printed(x3)
def within(x):
    r = new(x)
    r[0] = 1.0
    r[1] = r[1] + 2.0
    y = r[-1]
    jax.ref.addupdate(r, 2, 3.0)
    z = jax.ref.swap(r, 0, 5.0)
    return y, z, r[...], jax.freeze(r)


@printed(r34, i, jnp.array([0, 2]))
def indices(r, i, at):
    r[i] = r[0]
    r[1, 2] = 1.0
    y = r[:, i]
    r[1:, i] = y[:2]
    return r[i, 1:3], r[..., 1], r[1, ..., :2], r[at, at], r[at], r[i, i], r[1:2, -1]


@printed(r3, x3)
def of_argument(r, x):
    r[...] = x


@printed(x3)
def of_captured(x):
    r3[...] = x


def write(r, x):
    r[...] = x


def inside(x):
    r = new(x)
    r[0] = 2.0
    return r[...]


@printed(r3, x3)
def of_jit(r, x):
    jax.jit(write)(r, x)
    return jax.jit(inside)(x)


@printed(r3, x3)
def of_scan(r, xs):
    def body(c, x):
        r[0] = r[1] + x
        return c, r[...]

    return lax.scan(body, (), xs)[1]


@printed(r3, x3)
def of_scan_over(r, xs):
    def body(c, t):
        x, r = t
        r[...] = r[...] + x
        return c, r[...]

    return lax.scan(body, (), (xs, r))[1]


@printed(r3, i)
def of_loop(r, n):
    def body(i, c):
        r[...] = r[...] + 1.0
        return c

    lax.fori_loop(0, n, body, ())


@printed(r3, jnp.bool_(True))
def of_cond(r, p):
    def on_true():
        r[0] = 1.0

    def on_false():
        r[1] = 2.0

    lax.cond(p, on_true, on_false)


@printed(m34)
def of_vmap(m):
    def f(x):
        r = new(x)
        r[0] = r[1] * 2.0
        r[2:] = r[:2]
        return r[...]

    return jax.vmap(f)(m)


@printed(r34, jnp.arange(3))
def of_vmap_at(r, i):
    return jax.vmap(lambda r, i: r[i])(r, i)


@printed(s)
def of_jvp(x):
    def f(x):
        r = new(0.0)
        r[...] = lax.sin(x)
        return r[...]

    return jax.jvp(f, (x,), (x,))


@printed(x3)
def of_empty(x):
    r = jax.empty_ref(jax.ShapeDtypeStruct((3,), jnp.float32))
    r[...] = x
    y = r[...]
    jax.free_ref(r)
    return y


@printed(x3)
def of_checkpoint(x):
    return jax.checkpoint(inside)(x)


found = {"jaxprs": jaxprs, "values": values}
text = json.dumps(found, indent=0, sort_keys=True) + "\n"
if "--check" in sys.argv:
    path = pathlib.Path(__file__).resolve().parent.parent / "fixtures/refs.json"
    recorded = json.loads(path.read_text())
    differ = [f"{of} {name}" for of in found for name in found[of].keys() | recorded[of].keys()
              if not (found[of].get(name) == recorded[of].get(name) or (of == "values" and np.allclose(found[of][name], recorded[of][name], rtol=1e-5)))]
    if differ:
        sys.exit(f"{path.name} differs from what JAX gives: {', '.join(sorted(differ))}")
    print(f"{len(values)} programs and {len(jaxprs)} jaxprs agree")
else:
    sys.stdout.write(text)
