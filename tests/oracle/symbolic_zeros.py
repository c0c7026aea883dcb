"""Which zeros JAX 0.10.2 hands to custom rules: `python3 tests/oracle/symbolic_zeros.py [--check]` writes
tests/fixtures/symbolic_zeros.json.

A function of (x, y, n), of which n is an integer, has a forward rule, or a pair of reverse ones, with `symbolic_zeros=True`. Each case
gives the result of a transformation, and what the rules saw: `010` for tangents or cotangents of which the second alone is not a
symbolic zero, `p010` for arguments of which the second alone is `perturbed`.
"""

import json
import pathlib
import sys

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

OUT = pathlib.Path(__file__).resolve().parent.parent / "fixtures/symbolic_zeros.json"

seen = set()


def zero(t):
    return isinstance(t, SymbolicZero)


def see(ts):
    seen.add("".join("01"[not zero(t)] for t in ts))


def value(x, y, n):
    return x * y, y * 2, n + 1


def add(a, b):
    return b if zero(a) else a if zero(b) else a + b


def jvp_rule(primals, tangents):
    (x, y, _), (dx, dy, dn) = primals, tangents
    see(tangents)
    by_x = dx if zero(dx) else dx * y
    by_y = dy if zero(dy) else dy * x
    return value(*primals), (add(by_x, by_y), dy if zero(dy) else dy * 2, dn)


def fwd(*args):
    seen.add("p" + "".join("01"[x.perturbed] for x in args))
    x, y, n = (x.value for x in args)
    return value(x, y, n), (x, y)


def bwd(residuals, cts):
    x, y = residuals
    see(cts)
    a, b, _ = cts
    by_a = SymbolicZero(jax.typeof(y)) if zero(a) else a * x
    return SymbolicZero(jax.typeof(x)) if zero(a) else a * y, add(by_a, b if zero(b) else b * 2), None


def rules():
    f = jax.custom_jvp(value)
    f.defjvp(jvp_rule, symbolic_zeros=True)
    yield "jvp", f
    f = jax.custom_vjp(value)
    f.defvjp(fwd, bwd, symbolic_zeros=True)
    yield "vjp", f


def total(f):
    """Over a mapped `x`."""
    return lambda x, y: jnp.sum(jax.vmap(f, (0, None))(x, y))


def carried(f, x, y, v):
    """`x` is carried on, `y` the same in each step."""
    return jax.lax.scan(lambda c, v: (f(c, y) * v, None), x, v)[0]


def make():
    x, y, v = jnp.float32(2), jnp.float32(3), jnp.array([1, 2, 3], jnp.float32)
    out = {}

    def case(name, f, *args):
        seen.clear()
        jax.clear_caches()
        found = [jnp.ravel(leaf).tolist() for leaf in jax.tree.leaves(f(*args))]
        out[name] = {"values": found, "seen": sorted(seen)}

    for rule, h in rules():
        for i, result in enumerate(("first", "second")):
            f = lambda x, y: h(x, y, 4)[i]
            for wrt, argnums in (("x", 0), ("y", 1), ("xy", (0, 1))):
                grad = lambda f: jax.grad(f, argnums)
                name = lambda transformation: f"{rule} {result} {wrt} {transformation}"
                case(name("grad"), grad(f), x, y)
                case(name("grad of jit"), grad(jax.jit(f)), x, y)
                case(name("jit of grad"), jax.jit(grad(f)), x, y)
                case(name("vmap of grad"), jax.vmap(grad(f), (0, None)), v, y)
                case(name("grad of vmap"), grad(total(f)), v, y)
                case(name("grad of vmap of jit"), grad(total(jax.jit(f))), v, y)
                case(name("grad of scan"), grad(lambda x, y: carried(f, x, y, v)), x, y)
                case(name("grad of checkpoint"), grad(jax.checkpoint(f)), x, y)
        first = lambda x, y: h(x, y, 4)[0]
        second = lambda x, y: h(x, y, 4)[1]
        case(f"{rule} grad of cond", jax.grad(lambda x, y: jax.lax.cond(x > 0, first, second, x, y)), x, y)
        case(f"{rule} grad of grad", jax.grad(jax.grad(lambda x: first(x * x, x))), x)
    h = next(rules())[1]
    inexact = lambda x, y: h(x, y, 4)[:2]
    case("jvp by x", lambda: jax.jvp(lambda x: inexact(x, y), (x,), (x,)))
    case("jvp by y", lambda: jax.jvp(lambda y: inexact(x, y), (y,), (x,)))
    case("jvp by both", lambda: jax.jvp(inexact, (x, y), (x, y)))
    rows = (f" {json.dumps(name)}: {json.dumps(found)}" for name, found in out.items())
    return "{\n" + ",\n".join(rows) + "\n}\n"


def main():
    new = make()
    if "--check" not in sys.argv:
        OUT.write_text(new)
    elif new != OUT.read_text():
        sys.exit("tests/fixtures/symbolic_zeros.json is not what JAX gives: run python3 tests/oracle/symbolic_zeros.py")
    print("tests/fixtures/symbolic_zeros.json is what JAX gives")


if __name__ == "__main__":
    main()
