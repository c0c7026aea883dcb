"""What is not a function of arrays: transfers, donation, asynchrony, several devices, export, analyses, failures."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec as P


def _round_trips(device):
    for dtype in ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16",
                  "float32", "float64", "bfloat16", "complex64", "complex128", "float8_e5m2", "float8_e4m3fn",
                  "int4", "uint4"]:
        x = (np.arange(6) % 2).reshape(2, 3).astype(jnp.dtype(dtype))
        back = np.asarray(jax.device_put(x, device))
        assert back.dtype == x.dtype and (back == x).all(), dtype


def _donation(device):
    # A computed array: one from NumPy may share NumPy's memory (if that is aligned), which no program may overwrite.
    x = jax.device_put(np.ones((256, 256), np.float32), device) * 1
    address = x.unsafe_buffer_pointer()
    y = jax.jit(lambda a: a + 1, donate_argnums=0)(x)
    assert x.is_deleted(), "the argument lives on"
    assert y.unsafe_buffer_pointer() == address, "the result is elsewhere"
    assert float(y[0, 0]) == 2
    try:
        np.asarray(x)
    except RuntimeError as error:
        return str(error).splitlines()[0][:60]
    raise AssertionError("the argument can still be read")


def _donated_twice(device):
    x = jax.device_put(np.ones(8, np.float32), device)
    f = jax.jit(lambda a, b: (a + 1, b + 2), donate_argnums=0)
    try:
        a, b = f(x, x)
        assert float(a[0]) == 2 and float(b[0]) == 3
        return "served"
    except Exception as error:
        return "refused: " + str(error).splitlines()[0][:80]


def _chain(device):
    f = jax.jit(lambda a: jnp.tanh(a @ a) * 0.5)
    x = jax.device_put(np.eye(300, dtype=np.float32), device)
    for _ in range(200):
        x = f(x)
    x.block_until_ready()
    expected = np.float32(1)
    for _ in range(200):
        expected = np.float32(np.tanh(expected * expected) * np.float32(0.5))
    np.testing.assert_allclose(np.asarray(x)[0, 0], expected, atol=1e-6)


def _sharded(devices):
    mesh = Mesh(np.array(devices).reshape(-1), ("x",))
    rows = NamedSharding(mesh, P("x", None))
    whole = NamedSharding(mesh, P())
    a = np.arange(64.0).reshape(8, 8)
    x = jax.device_put(a, rows)
    y = jax.jit(lambda v: v @ v.T + v.sum(), out_shardings=whole)(x)
    np.testing.assert_allclose(np.asarray(y), a @ a.T + a.sum())
    z = jax.jit(lambda v: v * 2, out_shardings=rows)(x)
    assert len(z.addressable_shards) == len(devices)
    np.testing.assert_allclose(np.asarray(z), a * 2)


def _shard_map(devices):
    mesh = Mesh(np.array(devices), ("x",))

    def body(v):
        right = [(i, (i + 1) % len(devices)) for i in range(len(devices))]
        return jax.lax.psum(v, "x") + jax.lax.ppermute(v, "x", right) + jax.lax.axis_index("x")

    f = jax.jit(jax.shard_map(body, mesh=mesh, in_specs=P("x"), out_specs=P("x")))
    a = np.arange(float(2 * len(devices)))
    shards = a.reshape(len(devices), 2)
    expected = shards.sum(0) + np.roll(shards, 1, 0) + np.arange(len(devices))[:, None]
    np.testing.assert_allclose(np.asarray(f(jax.device_put(a, NamedSharding(mesh, P("x"))))), expected.reshape(-1))


def _between(ours, theirs):
    x = jax.device_put(np.arange(5.0), ours[0])
    y = jax.device_put(x, ours[1])
    assert y.devices() == {ours[1]}
    z = jax.device_put(y, theirs[0])
    np.testing.assert_array_equal(np.asarray(z), np.arange(5.0))


def _export(device):
    from jax import export

    with jax.default_device(device):
        f = jax.jit(lambda a: jnp.sort(jnp.sin(a) @ a.T, axis=0))
        exported = export.export(f, platforms=["cpu"])(jax.ShapeDtypeStruct((4, 6), np.float32))
        again = export.deserialize(exported.serialize())
        x = jax.device_put(np.random.default_rng(1).standard_normal((4, 6)).astype(np.float32), device)
        np.testing.assert_allclose(again.call(x), f(x), rtol=1e-6)


def _analyses(device):
    with jax.default_device(device):
        compiled = jax.jit(lambda a: a @ a).lower(jax.ShapeDtypeStruct((64, 64), np.float32)).compile()
    cost, memory = compiled.cost_analysis(), compiled.memory_analysis()
    assert cost["flops"] >= 2 * 64**3 * 0.9, cost
    assert memory.argument_size_in_bytes == 64 * 64 * 4 and memory.output_size_in_bytes == 64 * 64 * 4, memory
    assert "ENTRY" in compiled.as_text()
    return f"{cost['flops']:.0f} flops, {memory.output_size_in_bytes} bytes out"


def _serialised(device):
    from jax.experimental import serialize_executable as se

    with jax.default_device(device):
        compiled = jax.jit(lambda a: jnp.cos(a) * 2).lower(jax.ShapeDtypeStruct((3,), np.float32)).compile()
        again = se.deserialize_and_load(*se.serialize(compiled), backend="raxla_cpu", execution_devices=[device])
        np.testing.assert_allclose(again(np.ones(3, np.float32)), np.cos(np.ones(3, np.float32)) * 2, rtol=1e-6)


def _memories(device):
    kinds = sorted(m.kind for m in device.addressable_memories())
    x = jax.device_put(np.arange(3.0), jax.sharding.SingleDeviceSharding(device, memory_kind="pinned_host"))
    np.testing.assert_array_equal(np.asarray(x), np.arange(3.0))
    return ", ".join(kinds) + f"; default {device.default_memory().kind}"


def _must_fail(run, *words):
    try:
        jax.block_until_ready(run())
    except Exception as error:
        text = str(error)
        assert all(w in text for w in words), text[:200]
        return text.splitlines()[0][:80]
    raise AssertionError("it did not fail")


def _bad_custom_call(device):
    with jax.default_device(device):
        f = jax.jit(lambda a: jax.ffi.ffi_call("no_such_target", jax.ShapeDtypeStruct((2,), np.float32))(a))
        return _must_fail(lambda: f(np.ones(2, np.float32)), "no_such_target")


def _too_large(device):
    with jax.default_device(device):
        return _must_fail(lambda: jax.jit(lambda: jnp.zeros((1 << 30, 1 << 18), np.float32) + 1)())


def _cholesky(device):
    """Linear algebra that JAX lowers to its own LAPACK handlers is not the plugin's; XLA's expander of cholesky is."""
    from jaxlib import xla_client as xc

    text = """module { func.func @main(%a: tensor<3x3xf64>) -> tensor<3x3xf64> {
      %0 = stablehlo.cholesky %a, lower = true : tensor<3x3xf64> return %0 : tensor<3x3xf64> } }"""
    a = np.array([[4.0, 1, 2], [1, 3, 0.2], [2, 0.2, 5]])
    options = xc.CompileOptions()
    devices = xc.DeviceList((device,))
    exe = device.client.compile_and_load(text, devices, options)
    got = exe.execute_sharded([jax.device_put(a, device)]).disassemble_into_single_device_arrays()[0][0]
    np.testing.assert_allclose(np.tril(np.asarray(got)), np.linalg.cholesky(a), rtol=1e-12)


def run(check, ours, theirs):
    check("every element type to the device and back", lambda: _round_trips(ours[0]))
    check("donation", lambda: _donation(ours[0]))
    check("one array donated and used", lambda: _donated_twice(ours[0]))
    check("a chain of 200 asynchronous programs", lambda: _chain(ours[0]))
    check("NamedSharding over all devices", lambda: _sharded(ours))
    check("shard_map with psum and ppermute", lambda: _shard_map(ours))
    check("copies between devices and platforms", lambda: _between(ours, theirs))
    check("jax.export round trip", lambda: _export(ours[0]))
    check("cost and memory analysis", lambda: _analyses(ours[0]))
    check("serialised executable", lambda: _serialised(ours[0]))
    check("memories", lambda: _memories(ours[0]))
    check("cholesky by XLA's expander", lambda: _cholesky(ours[0]))
    check("an unknown custom call fails", lambda: _bad_custom_call(ours[0]))
    check("a result beyond memory fails", lambda: _too_large(ours[0]))
