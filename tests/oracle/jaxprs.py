"""Writes jaxprs as JAX prints them: those of the functions of tests/suite/jaxprs.rs to tests/fixtures/jaxprs.json, and those of
the oracle's cases, two for each function, to tests/fixtures/function_jaxprs.json.

Run with JAX 0.10.2: python tests/oracle/jaxprs.py
`--check` compares with the files instead.
"""

import json
import pathlib
import re
import sys

import jax
import jax.numpy as jnp
from jax import lax

import families
import generate

f32 = jnp.float32
x3 = jnp.zeros(3, f32)
x23 = jnp.zeros((2, 3), f32)
x34 = jnp.zeros((3, 4), f32)
s = f32(0)
cases = {}


def as_printed(jaxpr):
    # The name of the rule that Python gives it is no part of the program.
    return re.sub(r"\n *jvp=\S+", "", str(jaxpr))


def case(*args):
    def record(f):
        cases[f.__name__] = as_printed(jax.make_jaxpr(f)(*args))
        return f

    return record


@case(x3)
def identity(x):
    return x


@case(x3, s)
def unused_argument(x, y):
    return x, x


@case()
def no_arguments():
    return lax.add(1.0, 2.0)


@case(s)
def literal(x):
    return lax.add(x, f32(1.5)), lax.mul(x, f32(2))


@case(x3)
def weak_literal(x):
    return x * 2.0 + 1.0


@case(x3)
def dead_equation(x):
    lax.sin(x)
    return lax.cos(x)


@case(s)
def thirty_variables(x):
    for _ in range(30):
        x = lax.sin(x)
    return x


@case(x23, x34)
def dot_general(x, y):
    return lax.dot_general(x, y, (((1,), (0,)), ((), ())))


@case(x23)
def reduce_sum(x):
    return lax.reduce_sum_p.bind(x, axes=(0, 1), out_sharding=None)


@case(x3)
def broadcast_in_dim(x):
    return lax.broadcast_in_dim(x, (2, 3), (1,))


@case(x23)
def reshape(x):
    return lax.reshape(x, (3, 2))


@case(x23)
def transpose(x):
    return lax.transpose(x, (1, 0))


@case(x23)
def slice(x):
    return lax.slice(x, (0, 1), (2, 3))


@case(x23)
def strided_slice(x):
    return lax.slice(x, (0, 0), (2, 3), (1, 2))


@case(x3)
def pad(x):
    return lax.pad(x, f32(0), ((1, 2, 0),))


@case(x3, x3)
def concatenate(x, y):
    return lax.concatenate([x, y], 0)


@case(x3)
def convert_element_type(x):
    return lax.convert_element_type(x, jnp.int32)


@case(x3, x3)
def select(x, y):
    return lax.select(lax.lt(x, y), x, y)


@case(x23)
def rev(x):
    return lax.rev(x, (1,))


@case()
def iota():
    return lax.broadcasted_iota(jnp.int32, (2, 3), 1)


@case(x23)
def argmax(x):
    return lax.argmax(x, 1, jnp.int32)


@case(s)
def integer_pow(x):
    return lax.integer_pow(x, 3)


def double(x):
    return lax.add(x, x)


@case(s)
def nested_jit(x):
    return jax.jit(double)(lax.sin(x))


@case(s)
def jit_keeps_unused(x):
    return jax.jit(double, keep_unused=True)(x)


@case(s)
def shared_jit(x):
    f = jax.jit(double)
    return f(f(x))


@case(s)
def jit_in_jit(x):
    def outer(x):
        return lax.sin(jax.jit(double)(x))

    return jax.jit(outer)(x)


@case(s, x3)
def scan(c, xs):
    return lax.scan(lambda c, x: (lax.add(c, x), lax.mul(c, x)), c, xs)


@case(s)
def scan_captures(c):
    return lax.scan(lambda a, _: (lax.mul(a, c), None), c, None, length=4)[0]


@case(s)
def cond(x):
    return lax.cond(lax.gt(x, f32(0)), lax.sin, lambda x: lax.cos(lax.neg(x)), x)


@case(s)
def while_loop(x):
    return lax.while_loop(lambda x: lax.lt(x, f32(10)), lambda x: lax.add(x, f32(1)), x)


@case(s)
def fori_loop(x):
    return lax.fori_loop(0, 3, lambda i, x: lax.mul(x, x), x)


@case(x3)
def custom_jvp(x):
    @jax.custom_jvp
    def f(x):
        return lax.sin(x)

    f.defjvp(lambda p, t: (f(*p), t[0]))
    return f(x)


@case(s)
def grad(x):
    return jax.grad(lambda x: lax.mul(lax.sin(x), x))(x)


@case(x3, x3)
def jvp(x, dx):
    return jax.jvp(lax.sin, (x,), (dx,))


@case(x23)
def vmap(x):
    return jax.vmap(lambda x: lax.add(x, x))(x)


@case(x23)
def relu(x):
    return jax.nn.relu(x)


@case(x3)
def relu6(x):
    return jax.nn.relu6(x)


@case(x3)
def silu(x):
    return jax.nn.silu(x)


@case(x23)
def softmax(x):
    return jax.nn.softmax(x)


@case(x23)
def log_softmax(x):
    return jax.nn.log_softmax(x)


@case(x3)
def grad_of_relu(x):
    return jax.grad(lambda x: jnp.sum(jax.nn.relu(x)))(x)


@case(x23)
def vmap_of_relu(x):
    return jax.vmap(jax.nn.relu)(x)

x145 = jnp.zeros((1, 4, 5), f32)
i = jnp.int32(0)


@case(x3)
def clamp(x):
    return lax.clamp(f32(0), x, f32(1))


@case(x23, i)
def dynamic_slice(x, i):
    return lax.dynamic_slice(x, (i, i), (1, 2))


@case(x23, x23)
def sort(x, y):
    return lax.sort((x, y), dimension=1, is_stable=True, num_keys=1)


@case(x23)
def top_k(x):
    return lax.top_k(x, 2)


@case(x23)
def cumsum(x):
    return lax.cumsum(x, 1, reverse=True)


@case(x3, jnp.zeros((2, 1), jnp.int32))
def gather(x, i):
    numbers = lax.GatherDimensionNumbers((), (0,), (0,))
    return lax.gather(x, i, numbers, (1,), mode="clip")


@case(jnp.zeros(3, jnp.int32), x3, x3, x3)
def select_n(i, x, y, z):
    return lax.select_n(i, x, y, z)


@case(x23)
def reduce_max(x):
    return lax.reduce_max(x, (1,))


@case(x3)
def reduce_precision(x):
    return lax.reduce_precision(x, 5, 10)


@case(x23)
def split(x):
    return lax.split(x, (1, 2), 1)


@case(x145, jnp.zeros((2, 4, 3), f32))
def convolution(x, w):
    return lax.conv_general_dilated(x, w, (1,), "SAME")


@case(x3)
def bitcast(x):
    return lax.bitcast_convert_type(x, jnp.int32)


@case(x3, x3)
def complex_parts(x, y):
    z = lax.complex(x, y)
    return lax.real(z), lax.imag(z), lax.conj(z)


@case(i, s)
def switch(i, x):
    return lax.switch(i, [lax.sin, lax.cos, lax.neg], x)


@case(s, x23)
def scan_in_scan(c, xs):
    step = lambda c, x: (lax.mul(c, x), c)
    return lax.scan(lambda c, row: lax.scan(step, c, row), c, xs)


@case(s, x3)
def cond_in_scan(c, xs):
    return lax.scan(lambda c, x: (lax.cond(lax.gt(c, x), lax.sin, lax.cos, c), lax.mul(x, x)), c, xs)


@case(s, s)
def while_captures(x, y):
    return lax.while_loop(lambda x: lax.lt(x, y), lambda x: lax.mul(x, y), x)


@case(s)
def jit_in_cond(x):
    return lax.cond(lax.gt(x, f32(0)), jax.jit(double), lax.neg, x)


@case(x23, x3)
def vmap_of_scan(c, xs):
    return jax.vmap(lambda c: lax.scan(lambda c, x: (lax.mul(c, x), None), c, xs)[0])(c)


@case(s, x3)
def grad_of_scan(c, xs):
    return jax.grad(lambda c: lax.scan(lambda c, x: (lax.mul(lax.sin(c), x), None), c, xs)[0])(c)


@case(s, s)
def jvp_of_while(x, dx):
    f = lambda x: lax.while_loop(lambda x: lax.lt(x, f32(10)), lambda x: lax.mul(x, x), x)
    return jax.jvp(f, (x,), (dx,))


@case(x23, x34)
def grad_of_dot(x, y):
    f = lambda x, y: lax.reduce_sum_p.bind(lax.dot(x, y), axes=(0, 1), out_sharding=None)
    return jax.grad(f, argnums=(0, 1))(x, y)


@case(x3)
def grad_of_custom_vjp(x):
    @jax.custom_vjp
    def f(x):
        return lax.sin(x)

    f.defvjp(lambda x: (lax.sin(x), x), lambda r, g: (lax.mul(r, g),))
    return jax.grad(lambda x: lax.reduce_sum_p.bind(f(x), axes=(0,), out_sharding=None))(x)


@case(x3)
def special(x):
    return lax.erf_inv(lax.lgamma(lax.is_finite(x).astype(f32))), lax.integer_pow(x, -2), lax.rsqrt(x), lax.atan2(x, x)


@case(jnp.zeros(3, jnp.int32))
def integers(x):
    return lax.bitwise_and(lax.bitwise_not(x), lax.shift_left(x, x)), lax.population_count(x), lax.rem(x, x)


@case(x3, jnp.zeros((2, 1), jnp.int32), jnp.zeros(2, f32))
def scatters(x, i, u):
    numbers = lax.ScatterDimensionNumbers((), (0,), (0,))
    added = lax.scatter_add(lax.scatter_add(x, i, u, numbers), i, u, numbers, mode="clip")
    return lax.scatter(added, i, u, numbers), lax.scatter_max(x, i, u, numbers), lax.scatter_mul(x, i, u, numbers)


@case(jnp.zeros(3, jnp.int32), jnp.zeros(2, jnp.int32))
def updates(x, i):
    return x.at[i].add(1), x.at[0].min(jnp.int32(3))


@case(x3, jnp.zeros(2, jnp.int32))
def grad_of_gather(x, i):
    return jax.grad(lambda x: jnp.sum(lax.sin(x)[i]))(x)


@case(x3)
def literals(x):
    return jnp.where(x > 0.1, x * 0.1, 0.1)


@case(x23)
def one_where(x):
    return jnp.where(x > 0, jnp.where(x > 0, x, 1.0), 2.0)


@case(x23)
def vmap_of_clip(x):
    return jax.vmap(lambda x: jnp.clip(x, 0, 1))(x)


@case(x23)
def unused_results_within(x):
    return jax.jit(lambda x: lax.sort((x, x), dimension=1, num_keys=1)[1])(x)


@case(x3)
def dce_sink(x):
    lax.dce_sink(lax.sin(x))
    return x


@case(x3)
def platform_dependent(x):
    return lax.platform_dependent(x, cpu=lambda x: lax.sin(x), default=lambda x: lax.cos(x))


@case(x3)
def composite(x):
    tangent = lax.composite(lambda x, **_: lax.div(lax.sin(x), lax.cos(x)), name="my.tangent", version=1)
    return tangent(x, axis=-1, exact=True, by=0.5, of="it", sizes=(1, 2))


@case(s)
def compile_time_eval(x):
    with jax.ensure_compile_time_eval():
        n = lax.add(lax.sin(f32(0)), f32(2))
    return lax.mul(x, f32(float(n)))


def of_families():
    """The jaxprs of two cases of each function: by family, by case."""
    found, count = {}, {}
    for name in families.FAMILIES:
        if name in ("wide", "dtypes8", "every", "gradients", "weak_gradients", "transformations"):
            continue
        for spec in families.specs(name):
            if spec.error or count.get(spec.fn, 0) == 2:
                continue
            params = {k: generate.as_tuple(v) for k, v in spec.params.items()}
            with jax.enable_x64(spec.x64):
                def call(*args):
                    out = spec.call(*args, **params)
                    return list(out) if isinstance(out, (tuple, list)) else [out]

                try:
                    jaxpr = jax.make_jaxpr(call)(*map(generate.decode, spec.args))
                except Exception:
                    # JAX rejects it, or needs its values.
                    continue
            printed = as_printed(jaxpr)
            # Longer ones of these are formulas of many equations, which are written otherwise.
            if name in ("scipy_special", "scipy_stats") and len(printed) > 1000:
                continue
            found.setdefault(name, {})[spec.id] = printed
            count[spec.fn] = count.get(spec.fn, 0) + 1
    return found


fixtures = pathlib.Path(__file__).parent.parent / "fixtures"
for name, now in (("jaxprs.json", cases), ("function_jaxprs.json", of_families())):
    if "--check" not in sys.argv:
        (fixtures / name).write_text(json.dumps(now, indent=1) + "\n")
        continue
    old = json.loads((fixtures / name).read_text())
    differ = [key for key in sorted(old.keys() | now.keys()) if old.get(key) != now.get(key)]
    if differ:
        sys.exit(f"JAX prints {', '.join(differ)} otherwise than {name} says: run jaxprs.py")
    print(f"{name} agrees with JAX {jax.__version__}")
