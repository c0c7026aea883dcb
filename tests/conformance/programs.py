"""Programs as things: jax.export, serialised executables, cost and memory analysis, text for the client's own compiler."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import export, lax
from jax.experimental import serialize_executable
from jax.sharding import Mesh, NamedSharding, PartitionSpec as P
from jaxlib import xla_client

import plugin
from compare import ACCUMULATED, both, same

_rng = np.random.default_rng(10)
X = _rng.standard_normal((4, 6)).astype(np.float32)


def _branching(a):
    return lax.platform_dependent(a, cpu=lambda v: jnp.sin(v) @ v.T, default=lambda v: jnp.zeros((4, 4), v.dtype))


def _symbolic(a):
    return jnp.cumsum(a, 0) / a.shape[0], a @ a.T


# name, function, shape exported, platforms
EXPORTS = [
    ("sort of a product", lambda a: jnp.sort(jnp.sin(a) @ a.T, axis=0), "4, 6", None),
    ("for cpu and tpu", lambda a: jnp.sort(jnp.sin(a) @ a.T, axis=0), "4, 6", ["tpu", "cpu"]),
    ("a branch by platform", _branching, "4, 6", ["cpu", "cuda"]),
    ("a symbolic shape", _symbolic, "n, 6", ["cpu"]),
    ("control flow and random", lambda a: (lax.scan(lambda c, r: (jnp.tanh(c + r), c), a[0], a), jax.random.normal(jax.random.key(0), (3,))), "4, 6", ["cpu"]),
    ("a tree of results", lambda a: {"a": a.astype(jnp.bfloat16), "b": (a > 0, jnp.fft.fft(a))}, "4, 6", ["cpu"]),
]


def _export(device, function, shape, platforms):
    with jax.default_device(device):
        arguments = jax.ShapeDtypeStruct(export.symbolic_shape(shape), np.float32)
        return export.export(jax.jit(function), platforms=platforms)(arguments).serialize(vjp_order=1)


def _called(device, serialised):
    with jax.default_device(device):
        again = export.deserialize(serialised)
        return jax.tree.map(np.asarray, again.call(jax.device_put(X, device)))


def _exports(ours, theirs, function, shape, platforms):
    """Exported by each backend and run by each: four ways, each against the function itself on JAX's own CPU."""
    with jax.default_device(theirs):
        expected = jax.tree.map(np.asarray, jax.jit(function)(X))
    for exporter in (ours, theirs):
        serialised = _export(exporter, function, shape, platforms)
        for runner in (ours, theirs):
            remark = same(_called(runner, serialised), expected, ACCUMULATED)
    a, b = (export.deserialize(_export(d, function, shape, platforms)) for d in (ours, theirs))
    assert (a.platforms, str(a.in_avals), str(a.out_avals)) == (b.platforms, str(b.in_avals), str(b.out_avals))
    return remark


def _export_gradient(ours, theirs):
    function = lambda a: jnp.sum(jnp.tanh(a) ** 2 * a)
    with jax.default_device(theirs):
        expected = np.asarray(jax.jit(jax.grad(function))(X))
    for exporter in (ours, theirs):
        serialised = _export(exporter, function, "4, 6", ["cpu"])
        for runner in (ours, theirs):
            with jax.default_device(runner):
                remark = same(jax.jit(jax.grad(export.deserialize(serialised).call))(jax.device_put(X, runner)), expected)
    return remark


def _export_sharded(ours, theirs):
    """Exported over all devices of one backend, run over all of the other's."""
    function = lambda v: jnp.cumsum(v, 0) @ v.T
    a = _rng.standard_normal((8, 6))

    def placed(devices):
        return NamedSharding(Mesh(np.array(devices), ("x",)), P("x"))
    expected = np.asarray(jax.jit(function)(jax.device_put(a, placed(theirs))))
    for exporter in (ours, theirs):
        f = jax.jit(function, in_shardings=placed(exporter), out_shardings=placed(exporter))
        serialised = export.export(f)(jax.ShapeDtypeStruct(a.shape, a.dtype)).serialize()
        for runner in (ours, theirs):
            again = export.deserialize(serialised)
            assert again.nr_devices == len(runner)
            result = jax.jit(again.call)(jax.device_put(a, placed(runner)))
            assert result.sharding.device_set == set(runner)
            remark = same(result, expected, ACCUMULATED)
    return remark


def _serialised(devices):
    """An executable is for the version of XLA that made it, so each backend reads its own."""
    device = devices[0]
    name = plugin.PLATFORM if device.client is jax.devices(plugin.PLATFORM)[0].client else "cpu"
    with jax.default_device(device):
        compiled = jax.jit(lambda a, b: {"c": jnp.cos(a) @ b, "s": jnp.sort(b, 0)}).lower(X, X.T).compile()
        again = serialize_executable.deserialize_and_load(*serialize_executable.serialize(compiled), backend=name, execution_devices=[device])
        x, y = jax.device_put(X, device), jax.device_put(X.T, device)
        results = again(x, y)
        assert results["c"].devices() == {device}
        same(results, compiled(x, y), 0)
        return results, again.cost_analysis()["flops"]


ANALYSED = [
    ("elementwise", lambda a: jnp.sin(a) + 1, ()),
    ("elementwise, donated", lambda a: jnp.sin(a) + 1, (0,)),
    ("reduction", lambda a: (a.sum(0), a.max()), ()),
    ("sort and gather", lambda a: jnp.sort(a, 1)[::2], ()),
    ("scan", lambda a: lax.scan(lambda c, r: (c * r + 1, c), a[0], a), ()),
    ("fft", lambda a: jnp.abs(jnp.fft.rfft(a)), ()),
    ("product", lambda a: jnp.tanh(a @ a), ()),
]
_SIZES = ["argument", "output", "alias", "host_argument", "host_output"]


def _analyses(device, function, donated, options):
    with jax.default_device(device):
        f = jax.jit(function, donate_argnums=donated)
        compiled = f.lower(jax.ShapeDtypeStruct((64, 64), np.float32)).compile(compiler_options=options)
    assert "ENTRY" in compiled.as_text() and compiled.as_text().startswith("HloModule")
    memory = compiled.memory_analysis()
    return (compiled.cost_analysis(), {n: getattr(memory, n + "_size_in_bytes") for n in _SIZES}, memory.temp_size_in_bytes,
            compiled.as_text())


def _same_analyses(ours, theirs, function, donated):
    """Equal, all properties, where both compile the program alike.

    JAX's own XLA (jaxlib 0.10.2) puts products and reductions into fusions for YNNPACK, which the plugin's version does not
    do by default; such a fusion counts an operand that is used twice as read once. Without these fusions (an option that both know) every property
    agrees; with them the work agrees, and what does not is told.
    """
    cost, sizes, temporary, _ = _analyses(ours, function, donated, None)
    their_cost, their_sizes, their_temporary, their_text = _analyses(theirs, function, donated, None)
    assert cost["flops"] >= 1 or "sort" in their_text
    assert sizes == their_sizes and sizes["argument"] == 64 * 64 * 4, f"{sizes} is not {their_sizes}"
    for work in ("flops", "transcendentals"):
        assert cost.get(work) == their_cost.get(work), f"{work}: {cost.get(work)} is not {their_cost.get(work)}"
    different = {k: (cost.get(k), their_cost.get(k)) for k in sorted(cost | their_cost) if cost.get(k) != their_cost.get(k)}
    assert not different or "__ynn_fusion" in their_text, different
    remark = f"{cost['flops']:.0f} flops, {cost['bytes accessed']:.0f} bytes accessed"
    if different:
        plain = {"xla_cpu_experimental_ynn_fusion_type": ""}
        a, b = (_analyses(device, function, donated, plain)[0] for device in (ours, theirs))
        assert a == b == cost, f"{a} is not {b}"
        remark += "; JAX's own makes a fusion for YNNPACK: " + ", ".join(f"{k} {y} for {x}" for k, (x, y) in different.items())
    if temporary != their_temporary:
        remark += f"; temporary memory {temporary}, JAX's own {their_temporary}"
    return remark


def _compiled_text(devices, text, *arguments):
    """The client's own compiler, without jax.jit."""
    device = devices[0]
    exe = device.client.compile_and_load(text, xla_client.DeviceList((device,)), xla_client.CompileOptions())
    results = exe.execute_sharded([jax.device_put(a, device) for a in arguments]).disassemble_into_single_device_arrays()
    return [np.asarray(r[0]) for r in results]


def _cholesky(ours, theirs):
    """Linear algebra that JAX lowers to its own LAPACK handlers is not the plugin's; XLA's expander of cholesky is."""
    text = """module { func.func @main(%a: tensor<3x3xf64>) -> tensor<3x3xf64> {
      %0 = stablehlo.cholesky %a, lower = true : tensor<3x3xf64> return %0 : tensor<3x3xf64> } }"""
    a = np.array([[4.0, 1, 2], [1, 3, 0.2], [2, 0.2, 5]])
    return both(lambda devices: np.tril(_compiled_text(devices, text, a)[0]), ours, theirs, ACCUMULATED)


def _solve(ours, theirs):
    text = """module { func.func @main(%a: tensor<3x3xf64>, %b: tensor<3x2xf64>) -> (tensor<3x2xf64>, tensor<i32>) {
      %0 = "stablehlo.triangular_solve"(%a, %b) <{left_side = true, lower = true, unit_diagonal = false,
        transpose_a = #stablehlo<transpose NO_TRANSPOSE>}> : (tensor<3x3xf64>, tensor<3x2xf64>) -> tensor<3x2xf64>
      %1 = stablehlo.constant dense<7> : tensor<i32>
      return %0, %1 : tensor<3x2xf64>, tensor<i32> } }"""
    a, b = np.array([[4.0, 0, 0], [1, 3, 0], [2, 0.2, 5]]), np.arange(6.0).reshape(3, 2) + 1
    return both(lambda devices: _compiled_text(devices, text, a, b), ours, theirs, ACCUMULATED)


def run(check, ours, theirs):
    for name, function, shape, platforms in EXPORTS:
        check(f"jax.export, {name}", lambda: _exports(ours[0], theirs[0], function, shape, platforms))
    check("jax.export, gradient", lambda: _export_gradient(ours[0], theirs[0]))
    check("jax.export, several devices", lambda: _export_sharded(ours, theirs))
    check("serialised executable", lambda: both(_serialised, ours, theirs, ACCUMULATED))
    for name, function, donated in ANALYSED:
        check(f"cost and memory analysis, {name}", lambda: _same_analyses(ours[0], theirs[0], function, donated))
    check("cholesky by XLA's expander", lambda: _cholesky(ours, theirs))
    check("triangular solve by XLA's expander", lambda: _solve(ours, theirs))
