"""Writes what `jax.experimental.checkify` says of programs that go wrong, tests/fixtures/checkify.json: the message, or null, and the
result. `cargo test --test suite checkify` compares.

Run with JAX 0.10.2: python tests/oracle/checkify.py
`--check` compares with the file instead.
"""

import json
import pathlib
import sys

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_batching import custom_vmap
from jax.experimental import checkify

inf = float("inf")
cases = {}


def case(name, f, *args, errors=checkify.all_checks):
    args = [jnp.asarray(x) for x in args]
    for how, g in (("eager", checkify.checkify(f, errors)), ("jit", jax.jit(checkify.checkify(f, errors)))):
        record(f"{name}, {how}", *g(*args))


def record(name, error, out):
    cases[name] = [error.get(), [float(x) if jnp.isfinite(x) else str(float(x)) for x in jnp.ravel(out)]]


def positive(x):
    checkify.check(x > 0, "x must be positive, got {}", x)
    return x * 2


def twice(x):
    checkify.check(x > 0, "first")
    checkify.check(x > 1, "second")
    return x


def scanned(xs):
    def body(c, x):
        checkify.check(x != 2, "x is {} at {}", x, c)
        return c + 1.0, jnp.log(x)

    return lax.scan(body, 0.0, xs)[1]


def looped(n):
    def cond(c):
        checkify.check(c[1] < 20, "too large: {}", c[1])
        return c[0] < n

    def body(c):
        return c[0] + 1, c[1] * 2.0

    return lax.while_loop(cond, body, (0, 8.0))[1]


def branched(x):
    def good(x):
        return x + 1

    def bad(x):
        checkify.check(x > 5, "not in this branch: {}", x)
        return jnp.log(x - 10)

    return lax.cond(x < 3, good, bad, x)


def indexed(x, i):
    return x[i]


def sliced(x, i):
    return lax.dynamic_slice(x, (i, i), (2, 1))


def updated(x, i):
    return lax.dynamic_update_slice(x, jnp.zeros((2, 1)), (i, i))


def scattered(x, i):
    return x.at[i].add(1.0)


@jax.custom_jvp
def own(x):
    return jnp.log(x)


@own.defjvp
def _(primals, tangents):
    return own(primals[0]), 3.0 * tangents[0]


@custom_vmap
def batched_by_hand(x):
    return jnp.log(x)


@batched_by_hand.def_vmap
def _(size, mapped, x):
    return 2.0 * jnp.log(x), mapped[0]


def solved(b):
    return lax.custom_linear_solve(lambda x: 2.0 * x, b, lambda _, b: b / 2.0, symmetric=True)


case("check", positive, -3.0)
case("check that holds", positive, 3.0)
case("two checks", twice, -1.0)
case("second check", twice, 0.5)
case("check that is not looked for", positive, -3.0, errors=checkify.nan_checks)
case("debug_check", lambda x: (checkify.debug_check(x > 0, "debug"), x)[1], -3.0)
case("nan", lambda x: jnp.sin(x), inf)
case("nan that is not looked for", lambda x: jnp.sin(x), inf, errors=checkify.user_checks)
case("first nan", lambda x: jnp.cos(jnp.log(x)), -1.0)
case("division", lambda x, y: x / y, 1.0, 0.0)
case("division and nan", lambda x, y: x / y, 0.0, 0.0, errors=checkify.float_checks)
case("nan of a division", lambda x, y: x / y, 0.0, 0.0, errors=checkify.nan_checks)
case("integer division", lambda x, y: lax.div(x, y), 3, 0, errors=checkify.div_checks)
case("nan before check", lambda x: positive(-jnp.exp(jnp.log(x))), -1.0)
case("check before nan", lambda x: jnp.log(positive(x)), -1.0)
case("index", indexed, [1.0, 2.0, 3.0], [0, 7, 5])
case("negative index", indexed, [1.0, 2.0, 3.0], [0, -4])
case("index that is there", indexed, [1.0, 2.0, 3.0], [2, -3])
case("dynamic_slice", sliced, jnp.ones((3, 4)), 2)
case("dynamic_update_slice", updated, jnp.ones((3, 4)), 3)
case("scatter", scattered, jnp.ones(3), [1, 4])
case("nested jit", lambda x: jax.jit(positive)(x) + 1, -1.0)
case("scan", scanned, [1.0, 2.0, 3.0])
case("nan in scan", scanned, [1.0, -1.0, 2.0])
case("scan without error", scanned, [1.0, 3.0])
case("while", looped, 5)
case("while without error", looped, 1)
case("cond", branched, 4.0)
case("nan in cond", branched, 6.0)
case("cond without error", branched, 1.0)
case("checkify of vmap", jax.vmap(positive), [1.0, -2.0, -3.0])
case("checkify of grad", jax.grad(lambda x: jnp.log(positive(x))), -1.0)
case("nan in a gradient", jax.grad(lambda x: jnp.sqrt(x) * 0.0), 0.0)
case("checkpoint", jax.checkpoint(lambda x: positive(jnp.sin(x))), -1.0)
case("grad of checkpoint", jax.grad(jax.checkpoint(lambda x: positive(jnp.sin(x)))), -1.0)
case("custom_jvp", lambda x: own(x) + 1.0, -1.0)
case("grad of custom_jvp", jax.grad(own), -1.0)
case("custom_linear_solve", solved, [1.0, float("nan")])
case("custom_linear_solve without error", solved, [1.0, 2.0])
case("inv", lambda x: jnp.sum(jnp.linalg.inv(x)), jnp.zeros((2, 2)), errors=checkify.float_checks)
# What is inside is not looked at, and what a mapped axis makes of it is.
case("custom_vmap", lambda x: batched_by_hand(x) + 1.0, -1.0, errors=checkify.div_checks)
case("vmap of custom_vmap", jax.vmap(batched_by_hand), [-1.0, 1.0])
for name, xs in (("some", [1.0, -2.0, -3.0]), ("none", [1.0, 2.0])):
    record(f"vmap of checkify, {name}", *jax.vmap(checkify.checkify(positive))(jnp.asarray(xs)))
out, error = jax.grad(lambda x: checkify.checkify(lambda x: own(positive(x)))(x)[::-1], has_aux=True)(jnp.float32(-1.0))
record("grad of checkify", error, out)
once, _ = checkify.checkify(positive)(jnp.float32(-1.0))
record("check_error", *checkify.checkify(lambda x: (checkify.check_error(once), x)[1])(jnp.float32(1.0)))

path = pathlib.Path(__file__).parent.parent / "fixtures/checkify.json"
text = json.dumps(cases, indent=1) + "\n"
if "--check" not in sys.argv:
    path.write_text(text)
elif path.read_text() != text:
    sys.exit("checkify says something else than checkify.json: run checkify.py")
else:
    print(f"checkify.json agrees with JAX {jax.__version__}")
