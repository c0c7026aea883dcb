"""`jax.grad` and its kin with their options, `jax.vmap` with trees of axes, functions with rules of their own: the functions that
`rows_transformations.rs` has too."""

import jax
import jax.numpy as jnp
from jax import lax
from spec import arr

ULP = {f"jax.{name}": 4 for name in """grad value_and_grad jacfwd jacrev hessian jvp vjp linearize linear_transpose vmap
    custom_gradient closure_convert fwd_and_bwd custom_vmap""".split()}
ULP |= {"lax.composite": 4, "lax.platform_dependent": 4, "lax.dce_sink": 4}


def product(x, n, y):
    return jnp.sum(lax.sin(x) * n * y)


def holomorphic(z, w):
    return jnp.sum(lax.sin(z) * w)


def no_float0(tree):
    return [x for x in jax.tree.leaves(tree) if x.dtype != jax.dtypes.float0]


def grad(x, n, y, body):
    f = product
    if body == "plain":
        return jax.grad(f)(x, n, y)
    if body == "argnum":
        return jax.grad(f, argnums=2)(x, n, y)
    if body == "tuple":
        return jax.grad(f, argnums=(2, 0))(x, n, y)
    if body == "one":
        return jax.grad(f, argnums=(2,))(x, n, y)
    if body == "int":
        return jax.grad(f, argnums=1)(x, n, y)
    if body == "allow_int":
        return no_float0(jax.grad(f, argnums=(0, 1), allow_int=True)(x, n, y))
    if body == "aux":
        g, aux = jax.grad(lambda x, n, y: (f(x, n, y), (x + y, n)), argnums=(0, 2), has_aux=True)(x, n, y)
        return [*g, *aux]
    # A gradient of a gradient.
    return jax.grad(lambda x, n, y: jnp.sum(jax.grad(f, argnums=2)(x, n, y)))(x, n, y)


def value_and_grad(x, n, y, body):
    if body == "tuple":
        value, (a, b) = jax.value_and_grad(product, argnums=(0, 2))(x, n, y)
        return value, a, b
    (value, aux), g = jax.value_and_grad(lambda x, n, y: (product(x, n, y), x * y), argnums=2, has_aux=True)(x, n, y)
    return value, aux, g


def complex_grad(z, w, body):
    if body == "real":
        return jax.grad(lambda z, w: jnp.sum(jnp.abs(z) * jnp.real(w)))(z, w)
    return jax.grad(holomorphic, holomorphic=body == "holomorphic")(z, w)


def jacobian(transform):
    def call(x, y, body):
        f = lambda x, y: lax.sin(x)[:, None] * y
        if body == "tuple":
            return transform(f, argnums=(0, 1))(x, y)
        if body == "aux":
            (j,), aux = transform(lambda x, y: (f(x, y), x + 1.5), argnums=(0,), has_aux=True)(x, y)
            return j, aux
        if body == "holomorphic":
            return transform(f, holomorphic=True)(x, y)
        return transform(f, argnums=1)(x, y)

    return call


def hessian(x, y, body):
    f = lambda x, y: jnp.sum(x * x * x * y)
    if body == "vector":
        return jax.hessian(lambda x, y: x * x * y)(x, y)
    if body == "aux":
        h, aux = jax.hessian(lambda x, y: (f(x, y), y), argnums=1, has_aux=True)(x, y)
        return h, aux
    return jax.hessian(f, argnums=0, holomorphic=body == "holomorphic")(x, y)


def jvp(x, y, dx, dy):
    return jax.jvp(lambda x, y: (lax.sin(x) * y, x + y), (x, y), (dx, dy), has_aux=True)


def vjp(x, y, ct):
    out, pull, aux = jax.vjp(lambda x, y: (lax.sin(x) * y, x + y), x, y, has_aux=True)
    return [out, aux, *pull(ct)]


def linearize(x, y, dx, dy):
    out, push, aux = jax.linearize(lambda x, y: (lax.sin(x) * y, x + y), x, y, has_aux=True)
    return out, aux, push(dx, dy)


def linear_transpose(x, y, ct, body):
    f = {"linear": lambda x, y: jnp.sum(x * 2.0 + jnp.flip(y), axis=0), "product": lambda x, y: jnp.sum(x * y, axis=0),
         "constant": lambda x, y: jnp.sum(x, axis=0) + 1.0, "ints": lambda x, y: jnp.sum(x, axis=0).astype(jnp.int32)}[body]
    return jax.linear_transpose(f, x, y)(ct)


def vmap(x, y, z, body):
    f = lambda x, yz: (x * yz[0], jnp.sum(yz[1]))
    axes = {"all": (0, 0), "none": (0, None), "tree": (1, (None, 0)), "last": (None, (-1, 0)), "deep": (0, (0, (0,))),
            "few": (0,), "out of range": (3, None), "nothing": (None, None)}
    if body in axes:
        return jax.vmap(f, in_axes=axes[body])(x, (y, z))
    if body == "one":
        return jax.vmap(f, in_axes=1)(x, (y, z))
    out = {"out": (1, 0), "out all": -1, "out last": (-1, -1), "out none": (0, None), "out few": (0,), "mapped": (None, 0)}[body]
    return jax.vmap(f, in_axes=(0, (0, None)), out_axes=out)(x, (y, z))


def custom_gradient(x, y, body):
    @jax.custom_gradient
    def f(x, y):
        z = lax.sin(x)
        return z * y, lambda ct: (ct * z, ct + y)

    if body == "value":
        return f(x, y)
    g = jax.grad(lambda x, y: jnp.sum(f(x, y)), argnums=(0, 1))
    if body == "grad":
        return g(x, y)
    if body == "vmap":
        return jax.vmap(g, in_axes=(0, None))(x, y[0])
    return jax.grad(lambda x, y: sum(map(jnp.sum, g(x, y))), argnums=(0, 1))(x, y)


def closure_convert(x, y, body):
    def f(x, y):
        converted, captured = jax.closure_convert(lambda z: lax.sin(z) * y + 2.0 * x, x)
        return converted(x, *captured)

    if body == "value":
        return f(x, y)
    return jax.grad(lambda x, y: jnp.sum(f(x, y)), argnums=(0, 1))(x, y)


def fwd_and_bwd(x, n, y, ct, body):
    f = lambda x, n, y: lax.sin(x) * n * y
    if body == "aux":
        fwd, bwd = jax.fwd_and_bwd(lambda x, n, y: (f(x, n, y), x + y), argnums=(0, 2), has_aux=True)
        z, res, aux = fwd(x, n, y)
        return [z, aux, *bwd(res, ct)]
    fwd, bwd = jax.fwd_and_bwd(f, argnums=2)
    z, res = fwd(x, n, y)
    return z, bwd(res, ct)


def custom_vmap(x, y, body):
    @jax.custom_batching.custom_vmap
    def f(x, y):
        return lax.sin(x) * y

    @f.def_vmap
    def rule(axis_size, in_batched, x, y):
        return lax.cos(x) + y, any(in_batched)

    if body == "sequential":
        f = jax.custom_batching.sequential_vmap(lambda x, y: lax.sin(x) * y)
        return jax.vmap(jax.vmap(f))(x, y)
    if body == "value":
        return f(x, y)
    if body == "both":
        return jax.vmap(f)(x, y)
    if body == "one":
        return jax.vmap(f, in_axes=(1, None), out_axes=1)(x, y[:, 0])
    jvp = lambda x, y, dx: jax.jvp(f, (x, y), (dx, y))
    if body == "jvp":
        return jax.vmap(jvp)(x, y, y)
    return jax.vmap(jvp, in_axes=(0, 0, None))(x, y, y[0])


def composite(x, y):
    return lax.composite(lambda x, y: lax.sin(x) * y, name="my.product", version=2)(x, y)


def platform_dependent(x, y, body):
    last = {"default": lambda x, y: x - y} if body != "other" else {}
    f = lambda x, y: lax.platform_dependent(x, y, tpu=lambda x, y: x + y, **({} if body == "none" else {"cpu": lambda x, y: lax.sin(x) * y}), **last)
    if body == "grad":
        return jax.grad(lambda x, y: jnp.sum(f(x, y)), argnums=(0, 1))(x, y)
    if body == "vmap":
        return jax.vmap(f, in_axes=(0, None))(x, y[0])
    return f(x, y)


def dce_sink(x):
    lax.dce_sink((lax.sin(x), x))
    return lax.cos(x)


ADAPTERS = {
    "jax.custom_gradient": custom_gradient,
    "jax.closure_convert": closure_convert,
    "jax.fwd_and_bwd": fwd_and_bwd,
    "jax.custom_vmap": custom_vmap,
    "lax.composite": composite,
    "lax.platform_dependent": platform_dependent,
    "lax.dce_sink": dce_sink,
    "jax.grad": grad,
    "jax.value_and_grad": value_and_grad,
    "jax.grad of complex numbers": complex_grad,
    "jax.jacfwd": jacobian(jax.jacfwd),
    "jax.jacrev": jacobian(jax.jacrev),
    "jax.hessian": hessian,
    "jax.jvp": jvp,
    "jax.vjp": vjp,
    "jax.linearize": linearize,
    "jax.linear_transpose": linear_transpose,
    "jax.vmap": vmap,
}


def build(f):
    F, C = "float32", "complex64"
    xny = [(F, (3,)), arr("int32", [1, 2, 3]), (F, (3,))]
    for body in ("plain", "argnum", "tuple", "one", "int", "allow_int", "aux", "second"):
        f.case("jax.grad", *xny, body=body, error=None)
    f.case("jax.grad", (F, (3,)), (F, ()), arr(F, 2.0), body="plain")
    f.case("jax.grad", ("float64", (3,)), arr("int64", [1, 2, 3]), ("float64", (3,)), body="tuple", x64=True)
    for body in ("tuple", "aux"):
        f.case("jax.value_and_grad", *xny, body=body)
    for body in ("real", "holomorphic", "neither"):
        f.case("jax.grad of complex numbers", (C, (3,)), (C, (3,)), body=body, error=None, abs=1e-5)
        f.case("jax.grad of complex numbers", (F, (3,)), (F, (3,)), body=body, error=None)
    for name in ("jax.jacfwd", "jax.jacrev"):
        for body in ("argnum", "tuple", "aux", "holomorphic"):
            f.case(name, (F, (3,)), (F, (3, 2)), body=body, error=None)
            f.case(name, (C, (2,)), (C, (2, 1)), body=body, error=None, abs=1e-5)
        f.case(name, ("int32", (2,)), (F, (2, 2)), body="tuple", error=None)
    for body in ("plain", "vector", "aux", "holomorphic"):
        f.case("jax.hessian", (F, (3,)), (F, (3,)), body=body, error=None)
        f.case("jax.hessian", (C, (2,)), (C, (2,)), body=body, error=None, abs=1e-5)
    for name in ("jax.jvp", "jax.linearize"):
        f.case(name, (F, (3,)), (F, (3,)), (F, (3,)), (F, (3,)))
        f.case(name, (F, (3,)), (F, (3,)), (F, (3,)), (F, (2,)), error=True)
        f.case(name, (F, (3,)), (F, ()), (F, (3,)), (F, ()))
    f.case("jax.vjp", (F, (3,)), (F, (3,)), (F, (3,)))
    f.case("jax.vjp", (F, (3,)), (F, ()), (F, (3,)))
    f.case("jax.vjp", (F, (3,)), (F, (3,)), (F, (2,)), error=True)
    for body in ("linear", "product", "constant", "ints"):
        f.case("jax.linear_transpose", (F, (3, 2)), (F, (3, 2)), (F, (2,)), body=body, error=None)
    f.case("jax.linear_transpose", (F, (3, 2)), (F, (3, 2)), (F, (3,)), body="linear", error=True)
    square = [(F, (3, 3)), (F, (3, 3)), (F, (3, 3))]
    for body in ("all", "none", "tree", "last", "deep", "few", "out of range", "nothing", "one", "out", "out all", "out last", "out none",
                 "out few", "mapped"):
        f.case("jax.vmap", *square, body=body, error=None)
    for body in ("value", "grad", "vmap", "second"):
        f.case("jax.custom_gradient", (F, (3,)), (F, (3,)), body=body)
    for body in ("value", "grad"):
        f.case("jax.closure_convert", (F, (3,)), (F, (3,)), body=body)
    for body in ("plain", "aux"):
        f.case("jax.fwd_and_bwd", *xny, (F, (3,)), body=body)
    for body in ("value", "both", "one", "jvp", "jvp of one", "sequential"):
        f.case("jax.custom_vmap", (F, (2, 3)), (F, (2, 3)), body=body)
    f.case("lax.composite", (F, (3,)), (F, (3,)))
    f.case("lax.composite", ("bfloat16", ()), ("bfloat16", ()))
    for body in ("value", "grad", "vmap", "none", "other"):
        f.case("lax.platform_dependent", (F, (3,)), (F, (3,)), body=body)
    f.case("lax.dce_sink", (F, (3,)), grad=True)
    f.case("jax.vmap", (F, (2, 3)), (F, (3, 2)), (F, (3, 2)), body="all", error=True)
    f.case("jax.vmap", (F, (2, 3)), (F, (2,)), (F, (3, 2)), body="tree")
