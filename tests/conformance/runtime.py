"""Transfers, donation, asynchrony, memories, on the plugin and on JAX's own CPU backend."""

import jax
import jax.numpy as jnp
import numpy as np

from compare import ACCUMULATED, both, same

TYPES = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64",
         "bfloat16", "complex64", "complex128", "float8_e5m2", "float8_e4m3fn", "int4", "uint4"]


def _round_trips(ours, theirs):
    rng = np.random.default_rng(2)
    for dtype in TYPES:
        dtype = jnp.dtype(dtype)
        if dtype == bool or dtype.name in ("int4", "uint4"):
            x = rng.integers(0, 2 if dtype == bool else 8, (5, 7)).astype(dtype)
        else:  # any bits, NaNs with their payloads too
            x = np.frombuffer(rng.bytes(35 * dtype.itemsize), dtype).reshape(5, 7)
        for device in (ours[0], theirs[0]):
            with jax.default_device(device):
                y = jax.device_put(x, device)
                results = [y, jax.device_put(x.T, device), y.copy(), y.T, y[::2, ::-3], jnp.concatenate([y, y])]
            expected = [x, x.T, x, x.T, x[::2, ::-3], np.concatenate([x, x])]
            for got, want in zip(results, expected):
                got = np.asarray(got)
                assert got.dtype == dtype and got.shape == want.shape and got.tobytes() == want.tobytes(), (device, dtype)


def _eager(devices):
    """Operation by operation, each a program of its own."""
    with jax.default_device(devices[0]):
        x = jax.random.normal(jax.random.key(3), (5, 4))
        y = jnp.sort(x @ x.T, axis=1)
        y = y.at[1].set(7)[:, ::2]
        return x, y, jnp.linspace(0, 1, 5), y.mean(), jnp.where(y > 0, y, jnp.nan)


def _donation(devices):
    # Computed arrays: one from NumPy may share NumPy's memory (if that is aligned), which no program may overwrite.
    a = np.random.default_rng(4).standard_normal((256, 256)).astype(np.float32)
    x, kept, y = (jax.device_put(a + i, devices[0]) * 1 for i in range(3))
    address = x.unsafe_buffer_pointer()
    f = jax.jit(lambda x, kept, y: (jnp.sin(x) + kept, y.sum(), y * 2), donate_argnums=(0, 2))
    results = f(x, kept, y)
    assert x.is_deleted() and y.is_deleted(), "a donated argument lives on"
    assert not kept.is_deleted(), "an argument that was not donated is gone"
    assert address in (results[0].unsafe_buffer_pointer(), results[2].unsafe_buffer_pointer()), "the results are elsewhere"
    for kind, words, use in ((RuntimeError, "Array has been deleted with shape=float32[256,256]", lambda: np.asarray(x)),
                             (ValueError, "Buffer has been deleted or donated", lambda: f(x, kept, kept + 0))):
        try:
            use()
        except kind as error:
            assert words.lower() in str(error).lower(), error
        else:
            raise AssertionError("a donated argument can still be used")
    return results, kept


def _step(state, w, b):
    """A contraction that depends on the step: a step left out, doubled or out of order shows in what comes after."""
    x, n, total = state
    x = jnp.tanh(x @ w + b * jnp.cos(n))
    return x, n + 1, total + jnp.abs(x).mean() * n


def _chain(device, steps, donate):
    rng = np.random.default_rng(5)
    w = rng.standard_normal((300, 300)) / 40
    f = jax.jit(_step, donate_argnums=(0,) if donate else ())
    w, b, x = (jax.device_put(v.astype(np.float32), device) * 1 for v in (w, rng.standard_normal(300), rng.standard_normal((300, 300))))
    state = (x, jax.device_put(np.int32(0), device) * 1, jax.device_put(np.float32(0), device) * 1)
    states = []
    for _ in range(steps):
        states.append(state)
        state = f(state, w, b)
    if donate:
        assert all(leaf.is_deleted() for leaf in jax.tree.leaves(states)), "a donated link lives on"
        states = []
    state = jax.tree.map(np.asarray, state)
    assert state[1] == steps and np.abs(state[0]).mean() > 0.1, "the chain fades"
    return jax.tree.map(np.asarray, states[-20::5]), state


def _chains(ours, theirs):
    def of(devices):
        plain, donated = _chain(devices[0], 200, False), _chain(devices[0], 200, True)
        same(donated[1], plain[1], ACCUMULATED)
        return plain, donated
    return both(of, ours, theirs, ACCUMULATED)


def _returns_first(device):
    """A heavy program, and what depends on it, are dispatched before they are done; the result is as if they had waited.

    A backend that runs programs while they are dispatched never shows an unready result, however much work there is, so
    more is tried only against a dispatching thread that the machine leaves waiting.
    """
    rng = np.random.default_rng(6)
    a = jax.device_put((rng.standard_normal((400, 400)) / 30).astype(np.float32), device)
    f = jax.jit(lambda n, x, a: jax.lax.fori_loop(0, n, lambda i, x: jnp.tanh(x @ a + jnp.cos(i + 0.0).astype(x.dtype)), x))
    for rounds in (0, 20, 80, 320, 1280):  # 0: it is compiled before it is watched
        n = jax.device_put(np.int32(rounds), device)
        x = f(n, a, a)
        y = f(n, x, a)
        unready = not y.is_ready()
        if rounds and unready:
            break
        y.block_until_ready()
    else:
        raise AssertionError("every result was ready when its dispatch returned")
    assert np.isfinite(np.asarray(y)).all() and x.is_ready() and y.is_ready()
    n = jax.device_put(np.int32(20), device)
    x = f(n, a, a)
    return np.asarray(f(n, x, a)), np.asarray(x)


def _fan(devices):
    """Many programs in flight on every device, their results joined at the end; arguments are dropped on the way."""
    f = jax.jit(lambda v, w: jnp.sin(v @ w) + v)
    rng = np.random.default_rng(7)
    starts, w = rng.standard_normal((16, 64, 64)) / 8, rng.standard_normal((64, 64)) / 8
    arrays = [jax.device_put(s, devices[i % len(devices)]) for i, s in enumerate(starts)]
    weights = [jax.device_put(w, d) for d in devices]
    for _ in range(12):
        arrays = [f(v, weights[i % len(devices)]) for i, v in enumerate(arrays)]
    return [np.asarray(v) for v in arrays]


def _between(ours, theirs):
    x = np.random.default_rng(8).standard_normal((33, 5))

    def round_about(devices):
        y = jax.device_put(x, devices[0])
        for device in [*devices[1:], *theirs[:2], *ours[:2]]:
            y = jax.device_put(y * 1.5, device)
            assert y.devices() == {device}
        return y
    return both(round_about, ours, theirs)


def _memories(devices):
    device = devices[0]
    arrays, kinds = [], sorted(m.kind for m in device.addressable_memories())
    for kind in kinds:
        x = jax.device_put(np.arange(3.0) + 1, jax.sharding.SingleDeviceSharding(device, memory_kind=kind))
        assert x.sharding.memory_kind == kind
        arrays.append((x, jax.device_put(x, jax.memory.Space.Device)))
    return kinds, device.default_memory().kind, arrays


def _same_memories(ours, theirs):
    (kinds, default, arrays), (their_kinds, their_default, theirs) = _memories(ours), _memories(theirs)
    assert (kinds, default) == (their_kinds, their_default), f"{kinds}, {default}; JAX's own: {their_kinds}, {their_default}"
    same(arrays, theirs)
    return ", ".join(kinds) + f"; default {default}"


def run(check, ours, theirs):
    check("every element type to the device and back, bit by bit", lambda: _round_trips(ours, theirs))
    check("operations that are not compiled together", lambda: both(_eager, ours, theirs, ACCUMULATED))
    check("donation", lambda: both(_donation, ours, theirs, ACCUMULATED))
    check("a chain of 200 asynchronous programs, donated and not", lambda: _chains(ours, theirs))
    check("dispatch returns before the result is ready", lambda: both(lambda d: _returns_first(d[0]), ours, theirs, ACCUMULATED))
    check("programs in flight on all devices", lambda: both(_fan, ours, theirs, 4 * ACCUMULATED))
    check("copies between devices and platforms", lambda: _between(ours, theirs))
    check("memories", lambda: _same_memories(ours, theirs))
