"""`jax.lax`: control flow with small bodies that `rows_control_flow.rs` has too, and collectives over an axis of `vmap`.

`transform` names what is applied to the function, innermost first: "vmap" over `in_axes`, "jvp" in the direction of 0.5
everywhere (which appends the tangents of float results), "jit". The case's own gradient comes on top of that.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from spec import arr

# Bodies of several operations, that XLA contracts and vectorises as it likes.
ULP = {f"lax.{name}": 4 for name in "custom_linear_solve custom_root cond switch while_loop fori_loop scan map associative_scan reduce reduce_window psum pmean psum_scatter".split()}


def cond(p, *xs, body):
    if body == "two":
        return lax.cond(p, lambda x, y: (x * y, x + 1.5), lambda x, y: (x - y, lax.sin(y)), *xs)
    if body == "unused":
        return [lax.cond(p, lambda x, y: x, lambda x, y: lax.full_like(y, 2.0), *xs)]
    if body == "log":
        # The branch that is not taken has no finite value.
        return [lax.cond(p > 0, lax.log, lambda x: x * 2.0, p)]
    if body == "nested":
        inner = lambda x, y: lax.cond(x > y, lambda x, y: x * x, lambda x, y: y * x, x, y)
        return [lax.cond(p, inner, lambda x, y: x + y, *xs)]
    return [lax.cond(p, lambda x: x, lambda x: x.astype(jnp.int32), *xs)]


def switch(i, *xs):
    return [lax.switch(i, [lambda x, y: x * y, lambda x, y: x + y, lambda x, y: lax.sin(x)], *xs)]


def while_loop(*xs, body):
    if body == "power":
        n, x = xs
        go = lambda c: (c[0] + 1, c[1] * x)
        return [lax.while_loop(lambda c: c[0] < n, go, (jnp.int32(0), lax.full_like(x, 1.0)))[1]]
    if body == "grow":
        x, y = xs
        return lax.while_loop(lambda c: c[0] < 100.0, lambda c: (c[0] * y + 1.0, c[1] + c[0]), (x, x))
    return [lax.while_loop(lambda c: c < 3, lambda c: c + 1.5, xs[0])]


def fori_loop(*xs, lower=None, upper=None, body="axpy", **k):
    if lower is None:
        lower, upper, *xs = xs
    if body == "swap":
        return lax.fori_loop(lower, upper, lambda i, c: (c[1], c[0] * 0.5), tuple(xs), **k)
    x, y = xs
    return [lax.fori_loop(lower, upper, lambda i, c: c * y + i.astype(jnp.float32), x, **k)]


def scan(*xs, body, **k):
    if body == "rnn":
        c, w, xs = xs

        def step(c, x):
            c = lax.sin(c * w + x)
            return c, c * 2.0

        return lax.scan(step, c, xs, **k)
    if body == "ints":
        n, c, xs, flags = xs

        def step(carry, x):
            n, c = carry
            x, flag = x
            c = lax.select(flag, c * x, c + x)
            return (n + 1, c), (n, c)

        (n, c), (ns, cs) = lax.scan(step, (n, c), (xs, flags), **k)
        return n, c, ns, cs
    if body == "length":
        c, w = xs
        c, ys = lax.scan(lambda c, _: (c * w, c), c, None, **k)
        return c, ys
    if body == "forward":
        # A carry that does not change, an input that is passed through, one that is not used.
        a, b, xs = xs
        (a, b), ys = lax.scan(lambda c, x: ((c[0], c[0] * c[1]), x), (a, b), xs, **k)
        return a, b, ys
    if body == "nested":
        c, xs = xs
        step = lambda c, row: (lax.scan(lambda d, x: (d * x, d), c, row)[0], c)
        return lax.scan(step, c, xs, **k)
    # The carry's type changes.
    return lax.scan(lambda c, x: (x, x), xs[0], xs[1], **k)


def associative_scan(*xs, body, reverse=False, axis=0):
    if body == "affine":
        # Not commutative.
        f = lambda p, q: (p[0] * q[0], p[1] * q[0] + q[1])
        return lax.associative_scan(f, xs, reverse=reverse, axis=axis)
    return [lax.associative_scan({"add": lax.add, "max": lax.max}[body], xs[0], reverse=reverse, axis=axis)]


BINARY = {"add": lax.add, "mul": lax.mul, "max": lax.max, "min": lax.min, "or": lax.bitwise_or, "and": lax.bitwise_and,
          "xor": lax.bitwise_xor}


def computation(body):
    """A computation and its initial values for one dtype."""
    if body == "affine":
        return lambda p, q: (p[0] * q[0], p[1] * q[0] + q[1]), (1.0, 0.0)
    if body == "complex":
        return lambda p, q: (p[0] * q[0] - p[1] * q[1], p[0] * q[1] + p[1] * q[0]), (1.0, 0.0)
    if body == "best":
        # The largest element with its position.
        def best(p, q):
            take = p[0] >= q[0]
            return lax.select(take, p[0], q[0]), lax.select(take, p[1], q[1])

        return best, (-np.inf, 0)
    if body == "rational":
        # Associative, since 1 + f(a, b) = (1 + a) (1 + b).
        return lambda a, b: a + b + a * b, (0,)
    if body == "true":
        return lambda a, b: a & b, (True,)
    return BINARY[body], {"mul": (1,), "max": (-np.inf,), "min": (np.inf,), "and": (-1,)}.get(body, (0,))


def reduction(f):
    def call(*xs, body, **k):
        by, inits = computation(body)
        inits = [np.asarray(i).astype(x.dtype) for i, x in zip(inits, xs)]
        if len(xs) == 1:
            return [f(xs[0], inits[0], by, **k)]
        return f(tuple(xs), tuple(inits), by, **k)

    return call


def custom_linear_solve(*xs, body):
    if body == "diagonal":
        d, b = xs
        return [lax.custom_linear_solve(lambda x: d * x, b, lambda _, b: b / lax.stop_gradient(d), symmetric=True)]
    if body == "forward":
        d, b = xs
        return [lax.custom_linear_solve(lambda x: d * x, b, lambda _, b: b / lax.stop_gradient(d))]
    if body == "aux":
        d, b = xs
        solve = lambda _, b: (b / lax.stop_gradient(d), jnp.int32(3))
        return lax.custom_linear_solve(lambda x: d * x, b, solve, symmetric=True, has_aux=True)
    if body == "shape":
        return [lax.custom_linear_solve(lambda x: lax.full_like(x, 1.0)[:1], xs[1], lambda _, b: b)]
    # A pair: two coupled diagonal systems.
    d, b, c = xs
    held = lax.stop_gradient(d)
    matvec = lambda p: (p[0] * d, p[1] * d + p[0])
    solve = lambda _, p: (p[0] / held, (p[1] - p[0] / held) / held)
    back = lambda _, p: ((p[0] - p[1] / held) / held, p[1] / held)
    return lax.custom_linear_solve(matvec, (b, c), solve, transpose_solve=back)


def custom_root(a, body):
    solve = lambda f, x: lax.fori_loop(0, 20, lambda i, x: (x + lax.stop_gradient(a) / x) * 0.5, x)
    tangent = lambda g, y: y / g(lax.full_like(y, 1.0))
    guess = lax.full_like(a, 1.0)
    if body == "aux":
        return lax.custom_root(lambda x: x * x - a, guess, lambda f, x: (solve(f, x), lax.full_like(a, 20.0)), tangent, has_aux=True)
    if body == "shape":
        return [lax.custom_root(lambda x: (x, x), guess, solve, tangent)]
    return [lax.custom_root(lambda x: x * x - a, guess, solve, tangent)]


COLLECTIVES = {
    "psum": lambda x: lax.psum(x, "i"),
    "pmean": lambda x: lax.pmean(x, "i"),
    "pmax": lambda x: lax.pmax(x, "i"),
    "pmin": lambda x: lax.pmin(x, "i"),
    "axis_index": lambda x: x + lax.axis_index("i"),
    "all_gather": lambda x, axis: lax.all_gather(x, "i", axis=axis),
    "all_gather_tiled": lambda x, axis: lax.all_gather(x, "i", axis=axis, tiled=True),
    "psum_scatter": lambda x, axis: lax.psum_scatter(x, "i", scatter_dimension=axis, tiled=False),
    "all_to_all": lambda x, split_axis, concat_axis: lax.all_to_all(x, "i", split_axis, concat_axis),
    "ppermute": lambda x, perm: lax.ppermute(x, "i", perm),
}


def pushed_forward(f):
    def g(*xs):
        dots = [lax.full_like(x, 0.5) if jnp.issubdtype(x.dtype, jnp.inexact) else np.zeros(x.shape, jax.dtypes.float0) for x in xs]
        ys, dys = jax.jvp(f, xs, tuple(dots))
        return ys + tuple(dy for dy in dys if dy.dtype != jax.dtypes.float0)

    return g


def transformed(f):
    def call(*args, transform=(), in_axes=None, **params):
        g = lambda *xs: tuple(f(*xs, **params))
        for t in transform:
            if t == "vmap":
                g = jax.vmap(g, in_axes=in_axes)
            elif t == "jvp":
                g = pushed_forward(g)
            else:
                g = jax.jit(g)
        return g(*args)

    return call


ADAPTERS = {
    "lax.cond": transformed(cond),
    "lax.switch": transformed(switch),
    "lax.while_loop": transformed(while_loop),
    "lax.fori_loop": transformed(fori_loop),
    "lax.scan": transformed(scan),
    "lax.map": transformed(lambda *xs, **k: [lax.map(lambda x: x * x + 1.5, *xs, **k)]),
    "lax.associative_scan": transformed(associative_scan),
    "lax.custom_linear_solve": transformed(custom_linear_solve),
    "lax.custom_root": transformed(custom_root),
    "lax.reduce": transformed(reduction(lax.reduce)),
    "lax.reduce_window": transformed(reduction(lax.reduce_window)),
    **{f"lax.{name}": (lambda f: lambda x, **k: jax.vmap(lambda x: f(x, **k), axis_name="i")(x))(f) for name, f in COLLECTIVES.items()},
}

WAYS = [[], ["jvp"], ["jit", "jvp"]]


def build(f):
    conds(f)
    loops(f)
    scans(f)
    reductions(f)
    solves(f)
    options(f)
    for x in (("float32", (3, 3, 2)), ("int32", (3, 3, 2)), ("float32", (3, 3, 1))):
        grad = x[0] == "float32"
        for name in ("psum", "pmax", "pmin", "axis_index"):
            # JAX has no derivative of a maximum over an axis.
            f.case(f"lax.{name}", x, grad=grad and name not in ("pmax", "pmin", "axis_index"), error=None)
        f.case("lax.pmean", x, grad=grad, error=None, grad_abs=1e-6)
        for axis in (0, 1):
            f.case("lax.all_gather", x, axis=axis, grad=grad)
            f.case("lax.all_gather_tiled", x, axis=axis, grad=grad)
        f.case("lax.psum_scatter", x, axis=0, grad=grad)
        f.case("lax.all_to_all", x, split_axis=0, concat_axis=0, grad=grad)
        f.case("lax.all_to_all", x, split_axis=0, concat_axis=1, grad=grad)
        f.case("lax.ppermute", x, perm=[[0, 1], [1, 2], [2, 0]], grad=grad)
        # raxla has partial permutations under vmap too, for which JAX has no batching rule.


def conds(f):
    F = "float32"
    for p in (True, False):
        for way in WAYS:
            for body in ("two", "unused", "nested"):
                f.case("lax.cond", arr("bool", p), (F, (3,) if body != "nested" else ()), (F, (3,) if body != "nested" else ()), body=body,
                       transform=way, grad=True)
        for axes in ([None, 0, 0], [None, 0, None], [None, None, 1]):
            f.case("lax.cond", arr("bool", p), (F, (3, 2) if axes[1] == 0 else (2,)),
                   (F, {0: (3, 2), 1: (2, 3), None: (2,)}[axes[2]]), body="two", transform=["vmap"], in_axes=axes, grad=True)
    for way in (["vmap"], ["jvp", "vmap"], ["vmap", "jvp"]):
        f.case("lax.cond", arr("bool", [True, False, True]), (F, (3, 2)), (F, (3, 2)), body="two", transform=way, in_axes=[0, 0, 0], grad=True)
        f.case("lax.cond", arr("bool", [True, False, True]), (F, (2,)), (F, (3, 2)), body="unused", transform=way, in_axes=[0, None, 0], grad=True)
        f.case("lax.cond", arr("bool", [True, False, True]), (F, (3,)), (F, ()), body="nested", transform=way, in_axes=[0, 0, None], grad=True)
        f.case("lax.cond", arr(F, [2.0, -1.0, 0.0, 0.5]), body="log", transform=way, in_axes=[0], grad=True)
    f.case("lax.cond", arr("bool", [True, False]), (F, (2, 0)), (F, (2, 0)), body="two", transform=["vmap"], in_axes=[0, 0, 0])
    f.case("lax.cond", arr("int32", 3), (F, (2,)), (F, (2,)), body="two", error=None)
    f.case("lax.cond", arr(F, 0.5), (F, (2,)), (F, (2,)), body="two", error=None)
    f.case("lax.cond", arr("bool", [True]), (F, (2,)), (F, (2,)), body="two", error=True)
    f.case("lax.cond", arr("bool", True), (F, (2,)), body="differ", error=True)
    for i in (0, 1, 2, -1, 7):
        for way in WAYS:
            f.case("lax.switch", arr("int32", i), (F, (3,)), (F, (3,)), transform=way, grad=True)
    for way in (["vmap"], ["jvp", "vmap"]):
        f.case("lax.switch", arr("int32", [0, 2, 1, -5, 9]), (F, (5, 2)), (F, (2,)), transform=way, in_axes=[0, 0, None], grad=True)
        f.case("lax.switch", arr("int32", 1), (F, (5, 2)), (F, (2,)), transform=way, in_axes=[None, 0, None], grad=True)
    f.case("lax.switch", arr("uint8", 2), (F, (3,)), (F, (3,)))
    f.case("lax.switch", (F, ()), (F, (3,)), (F, (3,)), error=True)
    f.case("lax.switch", arr("int32", [0]), (F, (3,)), (F, (3,)), error=True)


def loops(f):
    F = "float32"
    for n in (0, 1, 5):
        for way in WAYS:
            f.case("lax.while_loop", arr("int32", n), (F, (3,)), body="power", transform=way)
            f.case("lax.fori_loop", arr("int32", 0), arr("int32", n), (F, (3,)), (F, (3,)), transform=way)
            f.case("lax.fori_loop", (F, (3,)), (F, (3,)), lower=0, upper=n, transform=way, grad=True, abs=1e-6)
            f.case("lax.fori_loop", (F, (3,)), (F, (3,)), lower=-2, upper=n, body="swap", transform=way, grad=True)
    for way in (["vmap"], ["jvp", "vmap"], ["vmap", "jvp"]):
        f.case("lax.while_loop", arr("int32", [0, 3, 1]), (F, (2,)), body="power", transform=way, in_axes=[0, None])
        f.case("lax.while_loop", arr("int32", 3), (F, (2, 3)), body="power", transform=way, in_axes=[None, 1])
        f.case("lax.while_loop", arr("int32", [2, 3, 0]), (F, (3, 2)), body="power", transform=way, in_axes=[0, 0])
        f.case("lax.while_loop", arr(F, [1.0, 200.0, 50.0]), arr(F, 2.0), body="grow", transform=way, in_axes=[0, None])
        f.case("lax.while_loop", arr(F, 1.0), arr(F, [2.0, 5.0, 99.5]), body="grow", transform=way, in_axes=[None, 0])
        f.case("lax.fori_loop", (F, (3,)), (F, (2, 3)), lower=1, upper=4, transform=way, in_axes=[None, 0], grad=True, abs=2e-6)
        f.case("lax.fori_loop", arr("int32", [0, 2]), arr("int32", [3, 2]), (F, (3,)), (F, (2, 3)), transform=way, in_axes=[0, 0, None, 0])
    f.case("lax.while_loop", arr(F, 1.0), arr(F, 2.0), body="grow", transform=["jvp"])
    f.case("lax.while_loop", arr("int32", 1), body="type", error=None)
    f.case("lax.while_loop", arr(F, 1.0), body="type")
    f.case("lax.fori_loop", (F, (3,)), (F, (3,)), lower=3, upper=1)
    f.case("lax.fori_loop", arr("int32", 0), arr("int8", 3), (F, (3,)), (F, (3,)), error=None)
    # Float bounds are an error in raxla; JAX truncates them if they are concrete, and compares them if they are not.


def scans(f):
    F = "float32"
    for length in (0, 1, 5):
        for reverse in (False, True):
            for unroll in (0, 1, 2, 7):
                k = dict(reverse=reverse, unroll=unroll)
                f.case("lax.scan", (F, (2,)), (F, (2,)), (F, (length, 2)), body="rnn", **k, grad=True, abs=2e-6)
            for way in WAYS[1:]:
                f.case("lax.scan", (F, (2,)), (F, (2,)), (F, (length, 2)), body="rnn", reverse=reverse, transform=way, grad=True, abs=4e-6)
            k = dict(reverse=reverse)
            f.case("lax.scan", arr("int32", 7), (F, ()), (F, (length,)), ("bool", (length,)), body="ints", **k, grad=True, abs=2e-6)
            f.case("lax.scan", (F, (2,)), (F, ()), body="length", length=length, **k, grad=True, error=None)
            f.case("lax.scan", (F, (2,)), (F, (2,)), (F, (length, 3)), body="forward", **k, grad=True)
            f.case("lax.scan", (F, (2,)), (F, (length, 3, 2)), body="nested", **k, grad=True, abs=2e-6)
    for way in (["vmap"], ["jvp", "vmap"], ["vmap", "jvp"]):
        for axes, shapes in (([0, None, None], ((3, 2), (2,), (4, 2))), ([None, 0, None], ((2,), (3, 2), (4, 2))),
                             ([None, None, 1], ((2,), (2,), (4, 3, 2))), ([0, 1, 2], ((3, 2), (2, 3), (4, 2, 3)))):
            f.case("lax.scan", *[(F, s) for s in shapes], body="rnn", transform=way, in_axes=axes, grad=True, abs=4e-6)
        f.case("lax.scan", arr("int32", 7), (F, ()), (F, (4,)), ("bool", (3, 4)), body="ints", transform=way,
               in_axes=[None, None, None, 0], grad=True, abs=2e-6)
        f.case("lax.scan", (F, (3, 2)), (F, (2,)), (F, (4, 3)), body="forward", transform=way, in_axes=[0, None, None], grad=True)
    f.case("lax.scan", (F, (2,)), (F, ()), body="length", length=3, unroll=3, grad=True)
    f.case("lax.scan", arr("int32", 7), (F, ()), (F, (3,)), ("bool", (4,)), body="ints", error=True)
    f.case("lax.scan", (F, (2,)), (F, (2,)), (F, (3, 2)), body="rnn", length=4, error=True)
    f.case("lax.scan", (F, (2,)), (F, (3, 4)), body="type", error=True)
    f.case("lax.scan", (F, ()), ("int32", (3,)), body="type", error=True)
    for x in ((F, (4, 2)), (F, (0, 2)), (F, (1,)), ("float64", (3,))):
        for way in WAYS:
            f.case("lax.map", x, transform=way, grad=True, x64=x[0] == "float64")
    f.case("lax.map", (F, (4, 2)), transform=["vmap"], in_axes=[1], grad=True)
    f.case("lax.map", (F, ()), error=True)
    for n in (0, 1, 2, 5, 8):
        for reverse in (False, True):
            f.case("lax.associative_scan", (F, (n, 2)), body="add", reverse=reverse, grad=True, abs=2e-6)
            f.case("lax.associative_scan", (F, (2, n)), (F, (2, n)), body="affine", reverse=reverse, axis=1, grad=True, abs=4e-6)
    f.case("lax.associative_scan", (F, (2, 3)), (F, (2, 3)), body="affine", axis=-1, transform=["jvp"], grad=True, abs=4e-6)
    f.case("lax.associative_scan", (F, (5, 2)), body="add", transform=["vmap"], in_axes=[1], grad=True, abs=2e-6)
    f.case("lax.associative_scan", ("int32", (7,)), body="max", reverse=True)
    f.case("lax.associative_scan", (F, (2, 3)), (F, (2, 4)), body="affine", axis=1, error=True)
    f.case("lax.associative_scan", (F, (2,)), body="add", axis=1, error=True)


def solves(f):
    F = "float32"
    d, b = arr(F, [2.0, 3.0, -1.5]), (F, (3,))
    for way in WAYS:
        for body in ("diagonal", "aux"):
            f.case("lax.custom_linear_solve", d, b, body=body, transform=way, grad=True, abs=1e-6)
        f.case("lax.custom_linear_solve", d, b, body="forward", transform=way)
        f.case("lax.custom_linear_solve", d, b, b, body="pair", transform=way, grad=True, abs=1e-6)
        for body in ("square", "aux"):
            f.case("lax.custom_root", arr(F, 2.5), body=body, transform=way, grad=True)
    pairs = arr(F, [[2.0, 3.0, -1.5], [0.5, 1.0, 2.0]])
    for way in (["vmap"], ["jvp", "vmap"], ["vmap", "jvp"]):
        for axes, (d_, b_, c_) in (([0, None, None], (pairs, b, b)), ([None, 0, None], (d, (F, (2, 3)), b)), ([None, None, 1], (d, b, (F, (3, 2))))):
            f.case("lax.custom_linear_solve", d_, b_, c_, body="pair", transform=way, in_axes=axes, grad=True, abs=1e-6)
        f.case("lax.custom_linear_solve", d, (F, (2, 3)), body="aux", transform=way, in_axes=[None, 0], grad=True, abs=1e-6)
        f.case("lax.custom_root", arr(F, [0.5, 2.0, 9.0]), body="square", transform=way, in_axes=[0], grad=True)
    f.case("lax.custom_linear_solve", d, b, body="shape", error=True)
    f.case("lax.custom_root", arr(F, 2.5), body="shape", error=True)


def reductions(f):
    F = "float32"
    for body, dtype in (("add", F), ("add", "int32"), ("mul", F), ("max", F), ("min", "float16"), ("or", "uint8"), ("and", "int16"), ("xor", "int32")):
        f.case("lax.reduce", (dtype, (2, 3)), body=body, dimensions=[1], grad=dtype == F)
        f.case("lax.reduce_window", (dtype, (5,)), body=body, window_dimensions=[3], window_strides=[1], padding="SAME", grad=body in ("add", "max") and dtype == F)
    for dtype in (F, "bfloat16", "int8", "float64"):
        for dims in ([0], [2, 0], [], [0, 1, 2]):
            f.case("lax.reduce", (dtype, (2, 3, 2)), body="rational", dimensions=dims, grad=dtype[0] == "f", abs=4e-6, x64=dtype == "float64",
                   # Sums of products that cancel, in the order of another tree than JAX's.
                   grad_ulp=64, grad_abs=1e-12 if dtype == "float64" else 2e-5,
                   **(dict(ulp=16) if dtype == "bfloat16" else {}))
    f.case("lax.reduce", ("bool", (2, 3)), body="true", dimensions=[0])
    # Pairs whose computation does not commute have no gradient here: JAX's combines the elements in another order.
    for n in (0, 1, 5):
        f.case("lax.reduce", (F, (n, 2)), body="rational", dimensions=[0], grad=True, abs=4e-6)
        f.case("lax.reduce", (F, (2, n)), (F, (2, n)), body="affine", dimensions=[1], abs=4e-6)
        f.case("lax.reduce", (F, (2, n)), (F, (2, n)), body="complex", dimensions=[1], grad=True, abs=4e-6)
        # JAX has no derivative where an operand is an integer.
        f.case("lax.reduce", (F, (n, 3)), ("int32", (n, 3)), body="best", dimensions=[0])
    for way in (["vmap"], ["jvp", "vmap"], ["vmap", "jvp"]):
        f.case("lax.reduce", (F, (3, 4, 2)), body="rational", dimensions=[1], transform=way, in_axes=[1], grad=True, abs=4e-6)
        f.case("lax.reduce", (F, (3, 4)), (F, (4,)), body="complex", dimensions=[0], transform=way, in_axes=[0, None], grad=True, abs=4e-6)
        f.case("lax.reduce_window", (F, (3, 4)), body="rational", window_dimensions=[2], window_strides=[1], padding="VALID", transform=way, in_axes=[0])
        f.case("lax.reduce_window", (F, (4,)), (F, (4, 3)), body="affine", window_dimensions=[2], window_strides=[2],
               padding=[[1, 0]], transform=way, in_axes=[None, 1], abs=2e-6)
    for way in WAYS:
        f.case("lax.reduce_window", (F, (4, 5)), body="mul", window_dimensions=[2, 2], window_strides=[1, 2], padding="SAME", transform=way, abs=2e-6)
    f.case("lax.reduce_window", (F, (5,)), ("int32", (5,)), body="best", window_dimensions=[2], window_strides=[1], padding="VALID")
    f.case("lax.reduce_window", (F, (6,)), body="rational", window_dimensions=[2], window_strides=[1], padding=[[1, 2]], base_dilation=[2],
           window_dilation=[3], abs=4e-6)
    f.case("lax.reduce", (F, (2, 3)), body="rational", dimensions=[2], error=True)
    f.case("lax.reduce", (F, (2, 3)), body="rational", dimensions=[1, 1], error=None)
    f.case("lax.reduce_window", (F, (2, 3)), body="rational", window_dimensions=[2], window_strides=[1], padding="VALID", error=True)


def options(f):
    F = "float32"
    for size in (0, 1, 2, 5, 9):
        f.case("lax.map", (F, (5, 2)), batch_size=size, grad=True)
        f.case("lax.map", (F, (5, 2)), batch_size=size, transform=["vmap"], in_axes=[1], grad=True)
    f.case("lax.map", (F, (0, 2)), batch_size=2)
    f.case("lax.map", (F, ()), batch_size=2, error=True)
    for n in (2, 4, 5):
        f.case("lax.fori_loop", (F, (3,)), (F, (3,)), lower=0, upper=4, unroll=n, grad=True, abs=1e-6)
        f.case("lax.fori_loop", (F, (3,)), (F, (3,)), lower=0, upper=4, body="swap", unroll=n, grad=True)
    f.case("lax.fori_loop", (F, (3,)), (F, (3,)), lower=0, upper=4, unroll=0, grad=True, abs=1e-6)
    f.case("lax.fori_loop", arr("int32", 0), arr("int32", 3), (F, (3,)), (F, (3,)), unroll=2, transform=["jit"], error=True)
