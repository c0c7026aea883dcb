"""Where JAX's arrays are cut: tests/fixtures/sharding.json, which tests/suite/sharding.rs compares with raxla.

    python sharding.py ../fixtures/sharding.json
    python sharding.py --check ../fixtures/sharding.json      compare with the file instead

On eight CPU devices, of which `mesh` is 4 x 2 and `line` all in a row. A case is [specification, elements] of each result, null if
JAX refuses it. Entries of a specification that say nothing, whole axes at the end, are left out.
"""
import json
import sys

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec as P, SingleDeviceSharding

jax.config.update("jax_num_cpu_devices", 8)
devices = jax.devices()
mesh = Mesh(np.array(devices).reshape(4, 2), ("x", "y"))
line = Mesh(np.array(devices), ("x",))
back = Mesh(np.array(devices[::-1]), ("x",))


def on(*spec):
    return NamedSharding(mesh, P(*spec))


def row(*spec):
    return NamedSharding(line, P(*spec))


a = jnp.arange(32, dtype=jnp.float32).reshape(8, 4)
v = jnp.arange(8, dtype=jnp.float32)
x = jax.device_put(a, on("x"))
xy = jax.device_put(a, on("x", "y"))
both = jax.device_put(a, on(("x", "y")))
columns = jax.device_put(a, on(None, "x"))
whole = jax.device_put(a, on())
single = jax.device_put(a, devices[1])
reversed_ = jax.device_put(v, NamedSharding(back, P("x")))
constrain = lax.with_sharding_constraint
square = lambda a: jnp.sum(constrain(a, on("y")) ** 2)


def over(names, *spec, inner=None, **options):
    """A constraint under a vmap whose axis has these axes of the mesh."""
    f = lambda r: constrain(r * 2, inner or on(*spec))
    return jax.vmap(f, spmd_axis_name=names, **options)


def hosted(x):
    x.copy_to_host_async()
    return x


def deleted(x):
    x.delete()
    return x


CASES = {
    "put x": lambda: x,
    "put xy": lambda: xy,
    "put both": lambda: both,
    "put y x": lambda: jax.device_put(x, on("y", "x")),
    "put again": lambda: jax.device_put(xy, on(None, "y")),
    "put whole": lambda: jax.device_put(xy, on()),
    "put line": lambda: jax.device_put(v, row("x")),
    "put back": lambda: reversed_,
    "put 7": lambda: jax.device_put(jnp.arange(7.0), row("x")),
    "put rank": lambda: jax.device_put(v, on(None, "x")),
    "put tree": lambda: jax.device_put((a, v), (on("x", "y"), row("x"))),
    "x * 2": lambda: x * 2,
    "xy + x": lambda: xy + x,
    "x + xy": lambda: x + xy,
    "x + a": lambda: x + a,
    "whole + x": lambda: whole + x,
    "x + single": lambda: x + single,
    "x + line": lambda: x[:, 0] + jax.device_put(v, row("x")),
    "back + line": lambda: reversed_ + jax.device_put(v, row("x")),
    "transpose": lambda: xy.T,
    "matmul": lambda: jnp.matmul(x, x.T),
    "matmul xy": lambda: jnp.matmul(xy, xy.T),
    "sum 0": lambda: jnp.sum(xy, 0),
    "sum 1": lambda: jnp.sum(xy, 1),
    "sum": lambda: jnp.sum(both),
    "exp": lambda: jnp.exp(columns / 32),
    "jit": lambda: jax.jit(lambda a, b: (a * 2, a @ b.T, jnp.ones(8)))(x, x),
    "jit uncommitted": lambda: jax.jit(lambda a, b: a + b)(a, xy),
    "jit slice": lambda: jax.jit(lambda a: a[:6])(x),
    "jit single": lambda: jax.jit(lambda a, b: a + b)(single, x),
    "jit captured": lambda: jax.jit(lambda b: b + x)(xy),
    "in": lambda: jax.jit(lambda a, b: (a * 2, b * 2), in_shardings=(on("y"), None))(a, x),
    "in all": lambda: jax.jit(lambda a, b: a + b, in_shardings=on("x"))(a, a),
    "in other": lambda: jax.jit(lambda a: a * 2, in_shardings=on("y"))(x),
    "in 7": lambda: jax.jit(lambda a: a * 2, in_shardings=row("x"))(jnp.arange(7.0)),
    "out": lambda: jax.jit(lambda a: (a * 2, a), out_shardings=(on("y"), None))(x),
    "out uncommitted": lambda: jax.jit(lambda a: a * 2, out_shardings=on("x", "y"))(a),
    "out 7": lambda: jax.jit(lambda a: a * 2, out_shardings=row("x"))(jnp.arange(7.0)),
    "out single": lambda: jax.jit(lambda a: a * 2, out_shardings=on("x"))(single),
    "in out": lambda: jax.jit(lambda a: a @ a.T, in_shardings=on("x"), out_shardings=on("x", "y"))(a),
    "out of two meshes": lambda: jax.jit(lambda a: (a * 2, a), out_shardings=(on("y"), row("x")))(a),
    "constraint": lambda: jax.jit(lambda a: constrain(a * 2, on("y", "x")))(x),
    "constraint uncommitted": lambda: jax.jit(lambda a: constrain(a * 2, on("y")))(a),
    "constraint single": lambda: jax.jit(lambda a: constrain(a * 2, on("y")))(single),
    "constraint free": lambda: jax.jit(lambda a: constrain(a * 2, on(P.UNCONSTRAINED, "y")))(x),
    "constraint 7": lambda: jax.jit(lambda a: constrain(a * 2, row("x")))(jnp.arange(7.0)),
    "constraint eager": lambda: constrain(x, on(None, "x")),
    "constraint eager uncommitted": lambda: constrain(a, on("x")),
    "constraint eager single": lambda: constrain(single, on("x")),
    "constraint eager free": lambda: constrain(x, on(P.UNCONSTRAINED, "y")),
    "constraint in scan": lambda: jax.jit(
        lambda a: lax.scan(lambda c, r: (constrain(c + r, row()), r * 2), jnp.zeros(4), a)[0])(a),
    "vmap": lambda: jax.jit(jax.vmap(lambda r: constrain(r, on("y"))))(x),
    "vmap 1": lambda: jax.jit(jax.vmap(lambda r: constrain(r, on("x")), in_axes=1, out_axes=1))(a),
    "spmd": lambda: jax.jit(over("x", "y"))(a),
    "spmd eager": lambda: over("x", "y")(a),
    "spmd eager committed": lambda: over("x", "y")(whole),
    "spmd 1": lambda: jax.jit(over("x", "y", in_axes=1, out_axes=1))(a),
    "spmd several": lambda: jax.jit(over(("x", "y")))(a),
    "spmd none": lambda: jax.jit(over((), "y"))(x),
    "spmd size": lambda: jax.jit(over("x", "y", axis_size=8))(a),
    "spmd not mapped": lambda: jax.jit(over("x", "y", in_axes=None, axis_size=8, out_axes=None))(v[:4]),
    "spmd 7": lambda: jax.jit(over("x"))(jnp.ones((7, 2))),
    "spmd free": lambda: jax.jit(over("x", P.UNCONSTRAINED))(xy),
    "spmd used": lambda: jax.jit(over("x", "x"))(a),
    "spmd one of several used": lambda: over(("y", "x"), "x")(a),
    "spmd of another mesh": lambda: over("z", "y")(a),
    "spmd twice": lambda: over(("x", "x"), "y")(a),
    "spmd on one device": lambda: over("x", inner=jax.sharding.SingleDeviceSharding(devices[0]))(a),
    "spmd without a constraint": lambda: jax.jit(jax.vmap(lambda r: r * 2, spmd_axis_name="z"))(x),
    "spmd captured": lambda: jax.jit(jax.vmap(lambda r: constrain(whole, on("x")) + r[0], spmd_axis_name="x"))(a),
    "spmd nested": lambda: jax.jit(jax.vmap(over("x"), spmd_axis_name="y"))(a),
    "spmd nested twice": lambda: jax.jit(jax.vmap(over("x"), spmd_axis_name="x"))(a),
    "spmd inside": lambda: jax.jit(jax.vmap(over("x")))(a),
    "spmd outside": lambda: jax.jit(jax.vmap(over(None), spmd_axis_name="x"))(a),
    "spmd jit": lambda: jax.vmap(jax.jit(lambda r: constrain(r, on("y"))), spmd_axis_name="x")(a),
    "spmd of two names": lambda: (
        lambda f: (jax.vmap(f, spmd_axis_name="x")(a), jax.vmap(f, spmd_axis_name="y")(a), jax.vmap(f)(a)))(
        jax.jit(lambda r: constrain(r, on()))),
    "spmd in out": lambda: jax.jit(jax.vmap(
        jax.jit(lambda r: r * 2, in_shardings=on("y"), out_shardings=on("y")), spmd_axis_name="x"))(a),
    "spmd in out used": lambda: jax.jit(jax.vmap(
        jax.jit(lambda r: r * 2, in_shardings=on("x"), out_shardings=on("x")), spmd_axis_name="x"))(a),
    "spmd scan": lambda: jax.jit(jax.vmap(
        lambda r: lax.scan(lambda c, e: (constrain(c + e, on("y")), None), jnp.zeros(4), jnp.stack([r, r]))[0],
        spmd_axis_name="x"))(a),
    "spmd checkpoint": lambda: jax.jit(jax.vmap(jax.checkpoint(lambda r: constrain(r, on("y"))), spmd_axis_name="x"))(a),
    "spmd collective": lambda: jax.jit(
        jax.vmap(lambda r: constrain(r + lax.psum(r, "i"), on("y")), axis_name="i", spmd_axis_name="x"))(a),
    "grad of spmd": lambda: jax.jit(jax.grad(lambda a: jnp.sum(over("x", "y")(a) ** 2)))(a),
    "spmd grad": lambda: jax.jit(jax.vmap(jax.grad(square), spmd_axis_name="x"))(a),
    "host copy": lambda: [hosted(x) for x in (x, xy, both, columns, whole, single)],
    "host copy twice": lambda: hosted(hosted(xy)),
    "host copy computed with": lambda: hosted(xy * 2) + 1,
    "host copy deleted": lambda: hosted(deleted(xy + 0)),
    "host copy deleted later": lambda: np.asarray(deleted(hosted(xy + 0))),
    "host copy in jit": lambda: jax.jit(hosted)(x),
    "host copy in vmap": lambda: jax.vmap(hosted)(x),
    "host copy in grad": lambda: jax.grad(lambda a: jnp.sum(hosted(a)))(x),
    "grad": lambda: jax.grad(lambda a: jnp.sum(jnp.sin(a)))(xy),
    "grad constraint": lambda: jax.grad(square)(x),
    "jit grad constraint": lambda: jax.jit(jax.grad(square))(a),
    "grad of put": lambda: jax.grad(lambda a: jnp.sum(jax.device_put(a, on("x")) ** 2))(xy),
    "nested": lambda: jax.jit(
        lambda a: jax.jit(lambda b: b * 2, in_shardings=on("y"), out_shardings=on("y", "x"))(a))(x),
    "put in jit": lambda: jax.jit(lambda a: jax.device_put(a * 2, on("x")))(a),
    "random": lambda: jax.jit(lambda k: jax.random.uniform(k, (8, 4)), out_shardings=on("x"))(jax.random.key(3)),
    "callback": lambda: jax.make_array_from_callback((8, 4), on("x", "y"), lambda i: np.asarray(a)[i]),
    "parts": lambda: jax.make_array_from_single_device_arrays(
        (8,), row("x"), [jax.device_put(jnp.full(1, d.id, jnp.float32), d) for d in devices[::-1]]),
    "parts of another shape": lambda: jax.make_array_from_single_device_arrays(
        (8,), row("x"), [jax.device_put(jnp.zeros(2), d) for d in devices]),
    "local": lambda: jax.make_array_from_process_local_data(on("x", "y"), np.asarray(a)),
    "local tree": lambda: jax.make_array_from_process_local_data((on("x"), row("x")), (np.asarray(a), np.asarray(v))),
    "local prefix": lambda: jax.make_array_from_process_local_data(on("y"), (np.asarray(a), np.asarray(v))),
    "local single": lambda: jax.make_array_from_process_local_data(SingleDeviceSharding(devices[1]), np.asarray(a)),
    "local again": lambda: jax.make_array_from_process_local_data(on("y"), x),
    "local global": lambda: jax.make_array_from_process_local_data(on("x"), np.asarray(a), (8, 4)),
    "local other global": lambda: jax.make_array_from_process_local_data(on("x"), np.asarray(a), (16, 4)),
    "local global rank": lambda: jax.make_array_from_process_local_data(on("x"), np.asarray(a), (32,)),
    "local 7": lambda: jax.make_array_from_process_local_data(row("x"), np.arange(7, dtype=np.float32)),
    "local rank": lambda: jax.make_array_from_process_local_data(on("x", "y"), np.asarray(v)),
    "too few parts": lambda: jax.make_array_from_single_device_arrays((8,), row("x"), [single[0, :1]]),
}


def spec(x):
    sharding = x.sharding
    if not isinstance(sharding, NamedSharding):
        return str(x.devices().pop().id)
    entries = list(sharding.spec)
    while entries and entries[-1] is None:
        entries.pop()
    return str(P(*entries))


def answer(run):
    try:
        results = jax.tree.leaves(run())
    except Exception:
        return None
    return [[spec(x), np.asarray(x).ravel().tolist()] for x in results]


def main():
    text = json.dumps({name: answer(run) for name, run in CASES.items()}, indent=None, separators=(",", ":"))
    text = text.replace('],"', '],\n"').replace('null,"', 'null,\n"') + "\n"
    if sys.argv[1] == "--check":
        with open(sys.argv[2]) as f:
            known, new = json.load(f), json.loads(text)
        same = known.keys() == new.keys() and all(
            (known[n] is None) == (new[n] is None)
            and (known[n] is None or all(k[0] == w[0] and np.allclose(k[1], w[1], 1e-6) for k, w in zip(known[n], new[n])))
            for n in known)
        sys.exit(0 if same else f"{sys.argv[2]} is not what JAX {jax.__version__} says")
    with open(sys.argv[1], "w") as f:
        f.write(text)


main()
