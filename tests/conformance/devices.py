"""Programs over several devices: NamedSharding and shard_map, on the plugin's devices and on as many of JAX's own CPU."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec as P

from compare import ACCUMULATED, both

_rng = np.random.default_rng(9)
A = _rng.standard_normal((8, 8))
B = _rng.standard_normal((8, 16)).astype(np.float32)
IMAGE = _rng.standard_normal((4, 2, 8, 8)).astype(np.float32)
KERNEL = _rng.standard_normal((3, 2, 3, 3)).astype(np.float32)


def _line(devices):
    return Mesh(np.array(devices), ("x",))


def _square(devices):
    return Mesh(np.array(devices).reshape(2, -1), ("x", "y"))


def _whole(array, shards, spec=None):
    """The array, and what each device holds of it and where."""
    assert len(array.addressable_shards) == shards, f"{len(array.addressable_shards)} shards"
    if spec is not None:
        assert array.sharding.is_equivalent_to(NamedSharding(array.sharding.mesh, spec), array.ndim), array.sharding
    pieces = [(np.array([[s.start or 0, s.stop or 0] for s in shard.index]).reshape(-1, 2), np.asarray(shard.data))
              for shard in array.addressable_shards]
    for (index, data), shard in zip(pieces, array.addressable_shards):
        np.testing.assert_array_equal(np.asarray(array)[shard.index], data)
    return np.asarray(array), pieces


def _named(function, mesh, specs, out, *arguments, **options):
    def run(devices):
        m = mesh(devices)
        placed = [jax.device_put(a, NamedSharding(m, s)) for a, s in zip(arguments, specs)]
        f = jax.jit(function, out_shardings=jax.tree.map(lambda s: NamedSharding(m, s), out), **options)
        results = f(*placed)
        assert all(p.is_deleted() for p in placed) or not options, "a donated argument lives on"
        return jax.tree.map(lambda r, s: _whole(r, m.size, s), results, out)
    return run


def _mapped(function, mesh, specs, out, *arguments):
    def run(devices):
        m = mesh(devices)
        f = jax.jit(jax.shard_map(function, mesh=m, in_specs=specs, out_specs=out))
        return jax.tree.map(lambda r: _whole(r, m.size), f(*[jax.device_put(a, NamedSharding(m, s)) for a, s in zip(arguments, specs)]))
    return run


def _collectives(v):
    n = lax.axis_size("x")
    ring = [(i, (i + 1) % n) for i in range(n)]
    return (lax.psum(v, "x") + lax.ppermute(v, "x", ring) + lax.axis_index("x"), lax.pmax(v, "x") - lax.pmin(v, "x") + v,
            lax.all_gather(v, "x").sum(0) * v, lax.all_to_all(v, "x", 1, 0, tiled=True), lax.psum_scatter(v, "x", scatter_dimension=1, tiled=True))


def _constrained(devices):
    m = _square(devices)

    def f(v, w):
        v = lax.with_sharding_constraint(jnp.sin(v), NamedSharding(m, P("y", "x")))
        return lax.with_sharding_constraint(v @ w, NamedSharding(m, P(None, "y")))
    return _whole(jax.jit(f)(jax.device_put(A, NamedSharding(m, P("x"))), jax.device_put(B, NamedSharding(m, P()))), m.size)


def _resharded(devices):
    m, x = _square(devices), A
    results = []
    for spec in (P("x", "y"), P("y", "x"), P(None, ("x", "y")), P(), P("y")):
        x = jax.device_put(x, NamedSharding(m, spec))
        results.append(_whole(x, m.size, spec))
    return results


def _some(devices):
    """Two of the devices, and all of them in another order."""
    results = []
    for chosen in (devices[1:3], devices[::-1]):
        m = _line(chosen)
        x = jax.device_put(A, NamedSharding(m, P("x")))
        assert [s.device for s in sorted(x.addressable_shards, key=lambda s: s.index[0].start or 0)] == list(chosen)
        results.append(_whole(jax.jit(lambda v: jnp.cumsum(v, 0) @ v)(x), len(chosen)))
    return results


def _random(devices):
    with jax.default_device(devices[0]):
        return _whole(jax.jit(lambda: jax.random.normal(jax.random.key(1), (8, 4)), out_shardings=NamedSharding(_line(devices), P("x")))(), len(devices))


def _trained(devices):
    """Twenty steps of data-parallel descent, the parameters donated from step to step."""
    m = _line(devices)
    whole = NamedSharding(m, P())
    x, y = jax.device_put(B, NamedSharding(m, P("x"))), jax.device_put(A.astype(np.float32), NamedSharding(m, P("x")))
    w = jax.device_put(np.zeros((16, 8), np.float32), whole) * 1
    loss = lambda w, x, y: jnp.mean((jnp.tanh(x @ w) - y) ** 2)
    step = jax.jit(lambda w, x, y: (w - 0.3 * jax.grad(loss)(w, x, y), loss(w, x, y)), donate_argnums=0, out_shardings=(whole, whole))
    losses = []
    for _ in range(20):
        w, value = step(w, x, y)
        losses.append(value)
    assert losses[-1] < losses[0]
    return np.asarray(w), [np.asarray(v) for v in losses]


def _grad_of_map(devices):
    m = _line(devices)
    f = jax.shard_map(lambda v: lax.psum((jnp.sin(v) ** 2).sum(), "x"), mesh=m, in_specs=P("x"), out_specs=P())
    return _whole(jax.jit(jax.grad(f))(jax.device_put(A, NamedSharding(m, P("x")))), m.size)


# name, what runs on devices
CASES = [
    ("rows to a replicated result", _named(lambda v: v @ v.T + v.sum(), _line, [P("x")], P(), A)),
    ("elementwise, sharding kept", _named(lambda v: jnp.sin(v) * 2, _line, [P("x")], P("x"), A)),
    ("a product over the sharded axis", _named(lambda v, w: v @ w, _line, [P(None, "x"), P("x")], P(), A, B)),
    ("a product in two dimensions", _named(lambda v, w: v @ w, _square, [P("x", "y"), P("y", "x")], P("x", "y"), A, B)),
    ("a transposed sharding", _named(lambda v: v.T * 1, _square, [P("x", "y")], P("x", "y"), B)),
    ("reductions and scans along the sharded axis", _named(lambda v: (v.sum(0), v.max(0), v.argmin(0), jnp.cumsum(v, 0)), _line, [P("x")], (P(), P("x"), P(), P("x")), A)),
    ("sort along the sharded axis", _named(lambda v: (jnp.sort(v, 0), jnp.argsort(v, 1)), _line, [P("x")], (P("x"), P("x")), A)),
    ("gather and scatter", _named(lambda v, i: (v[i], v.at[i].add(1.0), v[1:7:2]), _line, [P("x"), P()], (P("x"), P("x"), P()), A, np.array([7, 0, 3, 3]))),
    ("fft", _named(lambda v: jnp.fft.fft(v), _line, [P("x")], P("x"), A)),
    ("convolution, batch and space sharded", _named(lambda v, k: lax.conv(v, k, (1, 1), "SAME"), _square, [P("x", None, "y"), P()], P("x", None, "y"), IMAGE, KERNEL)),
    ("grad", _named(jax.grad(lambda w, v: jnp.mean(jnp.tanh(v @ w) ** 2)), _line, [P(), P("x")], P(None, "x"), B, A)),
    ("scan over the sharded axis, while", _named(lambda v: (lax.scan(lambda c, r: (jnp.tanh(c + r), c), v[0], v)[1], lax.while_loop(lambda s: s.max() > 0.1, lambda s: s / 2, v)), _line, [P("x")], (P("x"), P("x")), A)),
    ("donation", _named(lambda v: v * 3 + 1, _line, [P("x")], P("x"), A, donate_argnums=0)),
    ("constraints inside", _constrained),
    ("one sharding to another", _resharded),
    ("some devices, another order", _some),
    ("random", _random),
    ("training", _trained),
    ("shard_map: collectives", _mapped(_collectives, _line, (P("x"),), (P("x"),) * 5, A)),
    ("shard_map: two axes", _mapped(lambda v, w: lax.psum(v @ w, "y") + lax.axis_index("x"), _square, (P("x", "y"), P("y")), P("x"), A, B)),
    ("shard_map: grad", _grad_of_map),
]


def run(check, ours, theirs):
    for name, function in CASES:
        check(f"{len(ours)} devices, {name}", lambda: both(function, ours, theirs, ACCUMULATED))
