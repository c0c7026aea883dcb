"""Programs that fail: on the plugin and on JAX's own CPU backend alike, the same exception with the same status.

At run time a CPU program has little to fail with: a division by zero and an index outside have results, infeed and callbacks
are the host's. It can fail to find memory, so that is how an error is made to travel. Nothing is allocated: no address space
has room for 512 TiB.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import export
from jax.errors import JaxRuntimeError
from jax.sharding import Mesh, NamedSharding, PartitionSpec as P
from jaxlib import xla_client

import plugin

HUGE = 1 << 47
ADD = "module { func.func @main(%a: tensor<3xf32>) -> tensor<3xf32> { %0 = stablehlo.add %a, %a : tensor<3xf32> return %0 : tensor<3xf32> } }"


def _error(run, devices):
    try:
        jax.block_until_ready(run(devices))
    except Exception as error:
        return error
    raise AssertionError(f"it did not fail on {devices[0].client.platform_version!r}")


def _compile(text, partitions=None, spmd=True):
    def run(devices):
        options = xla_client.CompileOptions()
        if partitions:
            options.num_partitions = partitions
            options.executable_build_options.num_partitions = partitions
            options.executable_build_options.use_spmd_partitioning = spmd
        devices = devices if partitions else devices[:1]
        return devices[0].client.compile_and_load(text, xla_client.DeviceList(tuple(devices)), options)
    return run


def _execute(arguments):
    def run(devices):
        # A program that is right, so that what fails is the call.
        exe = _compile(ADD)(devices)
        x = jax.device_put(np.ones(3, np.float32), devices[0])
        assert (np.asarray(exe.execute_sharded([x]).disassemble_into_single_device_arrays()[0][0]) == 2).all()
        return exe.execute_sharded([jax.device_put(a, devices[i]) for a, i in arguments]).disassemble_into_single_device_arrays()
    return run


def _sharded(divisor, partitions):
    return (f'module @m attributes {{mhlo.num_partitions = {partitions} : i32}} {{ func.func @main(%a: tensor<8xf32> {{mhlo.sharding = '
            f'"{{devices=[{divisor}]{",".join(map(str, range(divisor)))}}}"}}) -> tensor<8xf32> {{ '
            "%0 = stablehlo.add %a, %a : tensor<8xf32> return %0 : tensor<8xf32> } }")


def _on_first(function, *arguments, **options):
    def run(devices):
        with jax.default_device(devices[0]):
            return jax.jit(function, **options)(*arguments)
    return run


def _two_meshes(devices):
    halves = [NamedSharding(Mesh(np.array(d), ("x",)), P("x")) for d in (devices[:2], devices[2:])]
    return jax.jit(jnp.add)(*[jax.device_put(np.arange(4.0), h) for h in halves])


def _donated_twice(devices):
    x = jax.device_put(np.ones(8, np.float32), devices[0]) * 1
    return jax.jit(lambda a, b: (a + 1, b + 2), donate_argnums=0)(x, x)


def _beyond_memory(x):
    """Too large only while it runs: the argument and the result are small."""
    return jnp.sort(jnp.broadcast_to(x, (HUGE,)) * jnp.arange(HUGE, dtype=np.float32))[:4]


def _dependent(links, donate=()):
    def run(devices):
        with jax.default_device(devices[0]):
            x = jax.jit(_beyond_memory)(np.float32(3))  # it is dispatched: the error comes with the result
            f = jax.jit(lambda v: v * 2, donate_argnums=donate)
            for _ in range(links):
                x = f(x)
            return np.asarray(x)
    return run


def _dependent_elsewhere(devices):
    with jax.default_device(devices[0]):
        x = jax.jit(_beyond_memory)(np.float32(3))
    return np.asarray(jax.device_put(x, devices[1]))


def _exported_for_tpu(devices):
    with jax.default_device(devices[0]):
        return export.export(jax.jit(jnp.sin), platforms=["tpu"])(jax.ShapeDtypeStruct((2,), np.float32)).call(np.ones(2, np.float32))


def _unknown_target(a):
    return jax.ffi.ffi_call("no_such_target", jax.ShapeDtypeStruct((2,), np.float32))(a)


ONE = np.ones(3, np.float32)
# name, what runs on devices, exception, words of both messages (a status first, where there is one)
CASES = [
    ("text that does not parse", _compile("module { func.func @main( { nonsense"), JaxRuntimeError, ["UNKNOWN: ", "expected non-function type"]),
    ("an unknown operation", _compile(ADD.replace("stablehlo.add", "stablehlo.no_such_op").replace("%a, %a", "%a")), JaxRuntimeError, ["UNKNOWN: ", "custom op 'stablehlo.no_such_op' is unknown"]),
    ("a result of another type", _compile(ADD.replace("-> tensor<3xf32>", "-> tensor<4xf32>")), JaxRuntimeError, ["UNKNOWN: ", "doesn't match function result type"]),
    ("a product of sizes that do not meet", _compile("module { func.func @main(%a: tensor<3x2xf32>) -> tensor<3x2xf32> { %0 = stablehlo.dot_general %a, %a, contracting_dims = [1] x [0] : (tensor<3x2xf32>, tensor<3x2xf32>) -> tensor<3x2xf32> return %0 : tensor<3x2xf32> } }"), JaxRuntimeError, ["UNKNOWN: ", "contracting dimension sizes must match"]),
    ("a module without main", _compile(ADD.replace("@main", "@other")), JaxRuntimeError, ["INVALID_ARGUMENT: ", "MLIR module must have a main function"]),
    ("no text at all", _compile(""), JaxRuntimeError, ["INVALID_ARGUMENT: ", "MLIR module must have a main function"]),
    ("an unbounded dimension", _compile("module { func.func @main(%a: tensor<?xf32>) -> tensor<?xf32> { return %a : tensor<?xf32> } }"), JaxRuntimeError, ["INVALID_ARGUMENT: ", "Unbounded dynamism is disabled"]),
    ("an unknown compiler option", lambda d: jax.jit(jnp.sin).trace(jax.ShapeDtypeStruct((2,), np.float32, sharding=jax.sharding.SingleDeviceSharding(d[0]))).lower().compile(compiler_options={"no_such_option": "1"}), JaxRuntimeError, ["INVALID_ARGUMENT: ", "No such compile option: 'no_such_option'"]),
    ("an unknown custom call", _on_first(_unknown_target, np.ones(2, np.float32)), JaxRuntimeError, ["NOT_FOUND: ", "No FFI handler registered for no_such_target"]),
    ("an executable that is none", lambda d: d[0].client.deserialize_executable(b"junk", xla_client.DeviceList((d[0],)), None), JaxRuntimeError, ["INVALID_ARGUMENT: ", "Failed to parse"]),
    ("a program exported for another platform", _exported_for_tpu, ValueError, ["was exported for platforms '('tpu',)' but it is used on '('cpu',)'"]),
    ("a sharding over more devices than the program has", _compile(_sharded(8, 4), 4), JaxRuntimeError, ["INVALID_ARGUMENT: ", "device 4 >= num_devices (4) in tile assignment"]),
    ("more partitions than devices", _compile(_sharded(8, 8), 8), JaxRuntimeError, ["INVALID_ARGUMENT: "]),
    ("partitions without a partitioner", _compile(_sharded(4, 4), 4, spmd=False), JaxRuntimeError, ["INVALID_ARGUMENT: ", "num_partitions=4 but SPMD partitioning not enabled"]),
    ("a mesh larger than the devices", lambda d: jax.make_mesh((2 * len(d),), ("x",), devices=d), ValueError, ["must be >= the product of mesh_shape"]),
    ("a sharding that does not divide", lambda d: jax.device_put(np.arange(6.0), NamedSharding(Mesh(np.array(d), ("x",)), P("x"))), ValueError, ["should evenly divide the shape"]),
    ("arguments on different devices", _two_meshes, ValueError, ["Received incompatible devices for jitted computation"]),
    ("an argument too few", _execute([]), JaxRuntimeError, ["INVALID_ARGUMENT: ", "Execution supplied 0 ", "compiled program expected 1"]),
    ("an argument too many", _execute([(ONE, 0), (ONE, 0)]), JaxRuntimeError, ["INVALID_ARGUMENT: ", "Execution supplied 2 ", "compiled program expected 1"]),
    ("an argument of another shape", _execute([(np.ones(4, np.float32), 0)]), JaxRuntimeError, ["INVALID_ARGUMENT: ", "f32[4]", "f32[3]"]),
    ("an argument on another device", _execute([(ONE, 1)]), JaxRuntimeError, ["INVALID_ARGUMENT: ", "Buffer passed to Execute() as argument 0 to replica 0 is on device", "but replica is assigned to device"]),
    ("one array donated and used", _donated_twice, JaxRuntimeError, ["INVALID_ARGUMENT: ", "Attempt to use a buffer that was previously donated in the same call to Execute() (flattened argument 1, replica 0, partition 0, first use: 0)"]),
    ("a result beyond memory", _on_first(lambda: jnp.zeros((1 << 30, 1 << 18), np.float32) + 1), JaxRuntimeError, ["RESOURCE_EXHAUSTED: ", "Out of memory allocating 1125899906842624 bytes"]),
    ("temporary memory beyond memory", _dependent(0), JaxRuntimeError, ["RESOURCE_EXHAUSTED: ", "Out of memory allocating 562949953421312 bytes"]),
    ("a program after one that failed", _dependent(1), JaxRuntimeError, ["INTERNAL: ", "Error dispatching computation", "Out of memory allocating 562949953421312 bytes"]),
    ("three programs after one that failed", _dependent(3), JaxRuntimeError, ["INTERNAL: ", "Error dispatching computation", "Out of memory allocating 562949953421312 bytes"]),
    ("a program that is given the failed result", _dependent(2, donate=(0,)), JaxRuntimeError, ["INTERNAL: ", "Error dispatching computation", "Out of memory allocating 562949953421312 bytes"]),
    ("a copy of a failed result", _dependent_elsewhere, JaxRuntimeError, ["Out of memory allocating 562949953421312 bytes"]),
]


def _both_fail(run, ours, theirs, kind, words):
    errors = [_error(run, devices) for devices in (ours, theirs)]
    for error in errors[:1] if plugin.ready else []:
        assert isinstance(error, kind), f"{type(error).__name__}: {error}"
    for error in errors[1:] if plugin.ready else errors:
        assert isinstance(error, kind), f"{type(error).__name__}: {error}"
        missing = [w for w in words if w not in str(error)]
        assert not missing, f"{missing} is not in: {str(error).splitlines()[0][:200]}"
    if kind is JaxRuntimeError and not plugin.ready:
        a, b = (str(error).split(":")[0] for error in errors)
        assert a == b, f"status {a} is not {b}"
    assert type(errors[0]) is type(errors[1]), f"{type(errors[0])} is not {type(errors[1])}"
    # Neither backend is the worse for it.
    for devices in (ours, theirs):
        assert float(jax.jit(lambda v: v * 2)(jax.device_put(np.float32(21), devices[0]))) == 42
    return str(errors[0]).splitlines()[0][:80]


def run(check, ours, theirs):
    for name, function, kind, words in CASES:
        check(f"fails: {name}", lambda: _both_fail(function, ours, theirs, kind, words))
