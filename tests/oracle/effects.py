"""What programs with effects print in JAX: tests/fixtures/effects.json, for tests/suite/debug/.

Run with JAX 0.10.2: python tests/oracle/effects.py > tests/fixtures/effects.json
`--check` compares with the file instead.

Lines of unordered callbacks may come in any order: they are sorted. Where JAX refuses, the case is its exception's type.
"""

import contextlib
import json
import pathlib
import sys
from io import StringIO

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental import io_callback

x = jnp.float32(3)
v = jnp.arange(3.0)
cases = {}


def case(run, ordered=False, name=None):
    out = StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(StringIO()):
        try:
            run()
            jax.effects_barrier()
            lines = out.getvalue().splitlines()
            found = lines if ordered else sorted(lines)
        except Exception as e:  # noqa: BLE001
            found = type(e).__name__
    name = name or run.__name__
    assert name not in cases, name
    cases[name] = found


def both(f, *args, **kwargs):
    """Of `f` as it is, under `jit`, and with ordered prints."""
    for ordered in (False, True):
        g = lambda *a: f(*a, ordered=ordered)
        suffix = "_ordered" if ordered else ""
        case(lambda: g(*args), ordered, f.__name__ + suffix)
        case(lambda: jax.jit(g)(*args), ordered, f.__name__ + suffix + "_jit")


def p(fmt, *values, ordered=False):
    jax.debug.print(fmt, *values, ordered=ordered)


def double(x, ordered=False):
    p("x = {}", x, ordered=ordered)
    return x * 2


both(double, x)
case(lambda: [jax.jit(double)(jnp.float32(i)) for i in range(3)], name="three_calls")
ordered_double = jax.jit(lambda x: double(x, ordered=True))
ordered_other = jax.jit(lambda x: p("other {}", x, ordered=True))
case(lambda: [(ordered_double(jnp.float32(i)), ordered_other(jnp.float32(i))) for i in range(5)], True, "two_programs_in_order")


def several(x, ordered):
    for i in range(4):
        p("{} {}", i, x + i, ordered=ordered)
    return x


both(several, x)


def of_grad(x, ordered):
    return jax.grad(lambda x: double(x, ordered))(x)


def of_value_and_grad(x, ordered):
    return jax.value_and_grad(lambda x: jnp.sin(double(x, ordered)))(x)


def of_jvp(x, ordered):
    return jax.jvp(lambda x: double(x, ordered), (x,), (x,))


def of_linearize(x, ordered):
    return jax.linearize(lambda x: double(x, ordered), x)[1](x)


def of_vjp_twice(x, ordered):
    back = jax.vjp(lambda x: double(x, ordered), x)[1]
    return back(x), back(x)


def of_second_derivative(x, ordered):
    return jax.grad(jax.grad(lambda x: double(x, ordered) ** 3))(x)


both(of_grad, x)
both(of_value_and_grad, x)
both(of_jvp, x)
both(of_linearize, x)
both(of_vjp_twice, x)
both(of_second_derivative, x)


def of_vmap(v, ordered):
    return jax.vmap(lambda x: double(x, ordered))(v)


def of_vmap_of_jit(v, ordered):
    return jax.vmap(jax.jit(lambda x: double(x, ordered)))(v)


def of_vmap_of_grad(v, ordered):
    return jax.vmap(jax.grad(lambda x: double(x, ordered)))(v)


def of_grad_of_vmap(v, ordered):
    return jax.grad(lambda v: jax.vmap(lambda x: double(x, ordered))(v).sum())(v)


def of_two_vmaps(v, ordered):
    return jax.vmap(lambda x: jax.vmap(lambda y: double(x + y, ordered))(v))(v)


def unmapped_under_vmap(v, x, ordered):
    return jax.vmap(lambda y: double(x, ordered) + y)(v)


def partly_mapped_under_vmap(v, x, ordered):
    def f(y):
        p("{} {}", x, y, ordered=ordered)
        return y

    return jax.vmap(f)(v)


both(of_vmap, v)
both(of_vmap_of_jit, v)
both(of_vmap_of_grad, v)
both(of_grad_of_vmap, v)
both(of_two_vmaps, v)
both(unmapped_under_vmap, v, x)
both(partly_mapped_under_vmap, v, x)


def in_scan(x, ordered):
    def body(c, y):
        p("c {} y {}", c, y, ordered=ordered)
        return c + y, c * y

    return lax.scan(body, x, v)


def in_reversed_scan(x, ordered):
    def body(c, y):
        p("c {} y {}", c, y, ordered=ordered)
        return c + y, None

    return lax.scan(body, x, v, reverse=True)


def in_unrolled_scan(x, ordered):
    def body(c, y):
        p("c {} y {}", c, y, ordered=ordered)
        return c + y, None

    return lax.scan(body, x, jnp.arange(5.0), unroll=2)


def invariant_in_scan(x, ordered):
    def body(c, y):
        p("k {}", x, ordered=ordered)
        return c * x + y, None

    return lax.scan(body, x, v)[0]


def grad_of_scan(x, ordered):
    return jax.grad(lambda x: in_scan(x, ordered)[0])(x)


def grad_of_invariant_in_scan(x, ordered):
    return jax.grad(lambda x: invariant_in_scan(x, ordered))(x)


def vmap_of_scan(v, ordered):
    return jax.vmap(lambda x: in_scan(x, ordered))(v)


both(in_scan, x)
both(in_reversed_scan, x)
both(in_unrolled_scan, x)
both(invariant_in_scan, x)
both(grad_of_scan, x)
both(grad_of_invariant_in_scan, x)
both(vmap_of_scan, v)


def in_while(x, ordered):
    def cond(x):
        p("cond {}", x, ordered=ordered)
        return x < 6

    def body(x):
        p("body {}", x, ordered=ordered)
        return x + 1

    return lax.while_loop(cond, body, x)


def in_body_of_while(x, ordered):
    def body(x):
        p("body {}", x, ordered=ordered)
        return x + 1

    return lax.while_loop(lambda x: x < 6, body, x)


def jvp_of_while(x, ordered):
    return jax.jvp(lambda x: in_while(x, ordered), (x,), (x,))


def vmap_of_while(v, ordered):
    return jax.vmap(lambda x: in_body_of_while(x, ordered))(v)


def vmap_of_counted_while(v, ordered):
    def body(c):
        i, x = c
        p("{} {}", i, x, ordered=ordered)
        return i + 1, x * 2

    return jax.vmap(lambda x: lax.while_loop(lambda c: c[0] < 2, body, (0, x)))(v)


def in_fori_loop(x, ordered):
    def body(i, c):
        p("i {} c {}", i, c, ordered=ordered)
        return c + i

    return lax.fori_loop(0, 3, body, x)


def in_dynamic_fori_loop(x, ordered):
    def body(i, c):
        p("i {} c {}", i, c, ordered=ordered)
        return c + i

    return jax.jit(lambda n: lax.fori_loop(0, n, body, x))(3)


def grad_of_fori_loop(x, ordered):
    return jax.grad(lambda x: in_fori_loop(x, ordered))(x)


both(in_while, x)
both(in_body_of_while, x)
both(jvp_of_while, x)
both(vmap_of_while, v)
both(vmap_of_counted_while, v)
both(in_fori_loop, x)
both(in_dynamic_fori_loop, x)
both(grad_of_fori_loop, x)


def in_cond(x, ordered):
    def positive(x):
        p("positive {}", x, ordered=ordered)
        return x * 2

    def other(x):
        p("other {}", x, ordered=ordered)
        return x * 3

    return lax.cond(x > 0, positive, other, x)


def in_one_branch(x, ordered):
    def positive(x):
        p("positive {}", x, ordered=ordered)
        return x * 2

    y = lax.cond(x > 0, positive, lambda x: x, x)
    p("after {}", y, ordered=ordered)
    return y


def in_switch(x, ordered):
    def branch(i):
        def f(x):
            p("branch {} {}", i, x, ordered=ordered)
            return x * i

        return f

    return lax.switch(jnp.int32(x), [branch(i) for i in range(4)], x)


def other_branch(x, ordered):
    return in_cond(-x, ordered), in_one_branch(-x, ordered)


def grad_of_cond(x, ordered):
    return jax.grad(lambda x: in_cond(x, ordered))(x)


def vmap_of_cond(v, ordered):
    return jax.vmap(lambda x: in_cond(x - 1, ordered))(v)


def vmap_of_cond_of_one_value(v, x, ordered):
    def positive(y):
        p("positive {}", y, ordered=ordered)
        return y

    def other(y):
        p("other {}", y, ordered=ordered)
        return -y

    return jax.vmap(lambda y: lax.cond(x > 0, positive, other, y))(v)


both(in_cond, x)
both(in_one_branch, x)
both(in_switch, x)
both(other_branch, x)
both(grad_of_cond, x)
both(vmap_of_cond, v)
both(vmap_of_cond_of_one_value, v, x)


def in_nested_jits(x, ordered):
    inner = jax.jit(lambda x: double(x, ordered))
    return inner(x) + inner(x + 1) + jax.jit(inner)(x + 2)


def in_scan_of_cond_of_jit(x, ordered):
    inner = jax.jit(lambda x: double(x, ordered))

    def body(c, y):
        return lax.cond(y > 0, inner, lambda c: c, c), None

    return lax.scan(body, x, v)


both(in_nested_jits, x)
both(in_scan_of_cond_of_jit, x)


def in_checkpoint(x, ordered):
    return jax.checkpoint(lambda x: double(x, ordered))(x)


def grad_of_checkpoint(x, ordered):
    return jax.grad(jax.checkpoint(lambda x: jnp.sin(double(x, ordered))))(x)


def value_and_grad_of_checkpoint(x, ordered):
    return jax.value_and_grad(jax.checkpoint(lambda x: jnp.sin(double(x, ordered))))(x)


both(in_checkpoint, x)
both(grad_of_checkpoint, x)
both(value_and_grad_of_checkpoint, x)


def custom_jvp(ordered):
    @jax.custom_jvp
    def f(x):
        p("primal {}", x, ordered=ordered)
        return x * x

    def rule(primals, tangents):
        p("jvp {}", primals[0], ordered=ordered)
        p("tangent {}", tangents[0], ordered=ordered)
        return f(primals[0]), 2 * primals[0] * tangents[0]

    f.defjvp(rule)
    return f


def custom_vjp(ordered):
    @jax.custom_vjp
    def f(x):
        p("primal {}", x, ordered=ordered)
        return x * x

    def fwd(x):
        p("fwd {}", x, ordered=ordered)
        return x * x, x

    def bwd(x, ct):
        p("bwd {} {}", x, ct, ordered=ordered)
        return (2 * x * ct,)

    f.defvjp(fwd, bwd)
    return f


def of_custom_jvp(x, ordered):
    return custom_jvp(ordered)(x)


def jvp_of_custom_jvp(x, ordered):
    return jax.jvp(custom_jvp(ordered), (x,), (x,))


def grad_of_custom_jvp(x, ordered):
    return jax.grad(custom_jvp(ordered))(x)


def of_custom_vjp(x, ordered):
    return custom_vjp(ordered)(x)


def grad_of_custom_vjp(x, ordered):
    return jax.grad(custom_vjp(ordered))(x)


def vmap_of_grad_of_custom_vjp(v, ordered):
    return jax.vmap(jax.grad(custom_vjp(ordered)))(v)


both(of_custom_jvp, x)
both(jvp_of_custom_jvp, x)
both(grad_of_custom_jvp, x)
both(of_custom_vjp, x)
both(grad_of_custom_vjp, x)
both(vmap_of_grad_of_custom_vjp, v)

# Callbacks with results.
scalar = jax.ShapeDtypeStruct((), jnp.float32)


def add_one(x):
    print("one more than", np.asarray(x).item())
    return np.float32(x + 1)


def io(x, ordered=False):
    return io_callback(add_one, scalar, x, ordered=ordered)


def pure(x, vmap_method=None):
    def shape(x):
        print("a call of rank", np.ndim(x))
        return np.asarray(x + 1, np.float32)

    return jax.pure_callback(shape, scalar, x, vmap_method=vmap_method)


def io_in_scan(x, ordered):
    return lax.scan(lambda c, _: (io(c, ordered), None), x, None, length=3)


def io_whose_result_is_unused(x, ordered):
    io(x, ordered)
    return x


def vmap_of_io(v, ordered):
    return jax.vmap(lambda x: io(x, ordered))(v)


def grad_of_io(x, ordered):
    return jax.grad(lambda x: io(x, ordered))(x)


def io_beside_grad(x, ordered):
    return jax.grad(lambda x: x * io(lax.stop_gradient(x), ordered))(x)


def io_in_cond(x, ordered):
    return lax.cond(x > 0, lambda x: io(x, ordered), lambda x: x, x)


def vmap_of_io_in_cond(v, ordered):
    return jax.vmap(lambda x: io_in_cond(x, ordered))(v)


def vmap_of_io_in_while(v, ordered):
    return jax.vmap(lambda x: lax.while_loop(lambda x: x < 3, lambda x: io(x, ordered), x))(v)


def grad_of_io_in_checkpoint(x, ordered):
    def f(x):
        io(lax.stop_gradient(x), ordered)
        return x * x

    return jax.grad(jax.checkpoint(f))(x)


def io_in_custom_jvp(x, ordered):
    f = jax.custom_jvp(lambda x: io(x, ordered))
    f.defjvp(lambda p, t: (p[0], t[0]))
    return jax.jit(f)(x)


both(io_in_scan, x)
both(io_whose_result_is_unused, x)
both(vmap_of_io, v)
both(grad_of_io, x)
both(io_beside_grad, x)
both(io_in_cond, x)
both(vmap_of_io_in_cond, v)
both(vmap_of_io_in_while, v)
both(grad_of_io_in_checkpoint, x)
both(io_in_custom_jvp, x)
case(lambda: pure(x), name="pure")
case(lambda: jax.jit(lambda x: (pure(x), x)[1])(x), name="pure_whose_result_is_unused_jit")
case(lambda: jax.grad(pure)(x), name="grad_of_pure")
for method in (None, "sequential", "sequential_unrolled", "expand_dims", "broadcast_all"):
    case(lambda: jax.vmap(lambda x: pure(x, method))(v), name=f"vmap_of_pure_{method}")

text = json.dumps(cases, indent=0, sort_keys=True) + "\n"
if "--check" in sys.argv:
    path = pathlib.Path(__file__).resolve().parent.parent / "fixtures/effects.json"
    recorded = json.loads(path.read_text())
    differ = [name for name in cases.keys() | recorded.keys() if cases.get(name) != recorded.get(name)]
    if differ:
        sys.exit(f"{path.name} differs from what JAX prints: {', '.join(sorted(differ))}")
    print(f"{len(cases)} programs agree")
else:
    sys.stdout.write(text)
