"""Writes what JAX does under settings that forbid things, tests/fixtures/settings.json: of each program, whether it is refused.
`cargo test --test suite forbidding` compares.

Run with JAX 0.10.2: python tests/oracle/settings.py
`--check` compares with the file instead.
"""

import contextlib
import json
import os
import pathlib
import sys

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

first, second = jax.devices()
vector, matrix, row = jnp.ones(3), jnp.ones((2, 3)), jnp.ones((1, 3))
f, h, c = jnp.array([1.0, 2.0], "float32"), jnp.array([1.0, 2.0], "float16"), jnp.array([1j, 2.0], "complex64")
i, i8, b = jnp.array([1, 2], "int32"), jnp.array([1, 2], "int8"), jnp.array([True, False])

rank = {
    "vector and matrix": lambda: vector + matrix,
    "number and matrix": lambda: 2.0 + matrix,
    "scalar and matrix": lambda: jnp.float32(2) + matrix,
    "row and matrix": lambda: row + matrix,
    "maximum": lambda: jnp.maximum(vector, matrix),
    "power": lambda: jnp.power(matrix, vector),
    "less": lambda: matrix < vector,
    "logical_and": lambda: jnp.logical_and(vector, matrix),
    "arctan2": lambda: jnp.arctan2(vector, matrix),
    "hypot": lambda: jnp.hypot(vector, matrix),
    "logaddexp": lambda: jnp.logaddexp(vector, matrix),
    "where": lambda: jnp.where(matrix > 0, vector, 0.0),
    "where of scalars": lambda: jnp.where(matrix > 0, 1.0, 0.0),
    "clip": lambda: jnp.clip(matrix, vector, 2.0),
    "isclose": lambda: jnp.isclose(matrix, vector),
    "less the mean": lambda: matrix - jnp.mean(matrix, 0),
    "less the mean that keeps its axis": lambda: matrix - jnp.mean(matrix, 0, keepdims=True),
    "matmul": lambda: jnp.matmul(matrix, vector),
    "dot": lambda: jnp.dot(matrix, vector),
    "einsum": lambda: jnp.einsum("ij,j->i", matrix, vector),
    "outer": lambda: jnp.outer(vector, vector),
    "broadcast_arrays": lambda: jnp.broadcast_arrays(vector, matrix)[0],
    "broadcast_to": lambda: jnp.broadcast_to(vector, (2, 3)),
    "vectorize": lambda: jnp.vectorize(lambda x, y: x * y)(vector, matrix),
    "vectorize of a number": lambda: jnp.vectorize(lambda x, y: x * y)(2.0, matrix),
    "var": lambda: jnp.var(matrix, 0),
    "softmax": lambda: jax.nn.softmax(matrix),
    "cumsum": lambda: jnp.cumsum(matrix, 1),
    "sort": lambda: jnp.sort(matrix),
    "jit of vector and matrix": lambda: jax.jit(lambda x, y: x + y)(vector, matrix),
}

dtype = {
    "i32 and f32": lambda: i + f,
    "f32 and an integer": lambda: f + 1,
    "i32 and an integer": lambda: i + 1,
    "i32 and a float": lambda: i + 1.5,
    "bool and an integer": lambda: b + 1,
    "bool and i32": lambda: b + i,
    "i8 and i32": lambda: i8 + i,
    "f32 and f16": lambda: f + h,
    "c64 and f32": lambda: c + f,
    "c64 and a float": lambda: c + 1.5,
    "f32 and a complex number": lambda: f * 2j,
    "two numbers": lambda: jnp.add(1, 1.5),
    "where": lambda: jnp.where(b, i, f),
    "where and a number": lambda: jnp.where(b, f, 0.0),
    "where of i32 and a float": lambda: jnp.where(b, i, 0.0),
    "maximum": lambda: jnp.maximum(f, i),
    "power of an integer": lambda: f**2,
    "power of i32": lambda: jnp.power(f, i),
    "power of i32 by a float": lambda: jnp.power(i, 2.0),
    "less": lambda: f < i,
    "equal": lambda: i == f,
    "logical_and": lambda: jnp.logical_and(i, f),
    "mean of i32": lambda: jnp.mean(i),
    "sum of bool": lambda: jnp.sum(b),
    "sum of i8": lambda: jnp.sum(i8),
    "var of i32": lambda: jnp.var(i),
    "std of f16": lambda: jnp.std(h),
    "i32 divided": lambda: i / 2,
    "i32 divided by i32": lambda: i / i,
    "f32 floor-divided": lambda: f // 2,
    "i32 modulo": lambda: i % 2,
    "clip": lambda: jnp.clip(f, 0, 1),
    "clip of i32 to floats": lambda: jnp.clip(i, 0.0, 1.0),
    "matmul": lambda: jnp.matmul(f, h),
    "dot of i32 and f32": lambda: jnp.dot(i, f),
    "concatenate": lambda: jnp.concatenate([f, h]),
    "stack of one dtype": lambda: jnp.stack([f, f]),
    "isclose": lambda: jnp.isclose(f, h),
    "isclose of one dtype": lambda: jnp.isclose(f, f),
    "exp of i32": lambda: jnp.exp(i),
    "sqrt of i32": lambda: jnp.sqrt(i),
    "linspace": lambda: jnp.linspace(0, 1, 5),
    "arange": lambda: jnp.arange(0, 1, 0.25),
    "cumsum of i8": lambda: jnp.cumsum(i8),
    "einsum": lambda: jnp.einsum("i,i->", f, h),
    "softmax of f16": lambda: jax.nn.softmax(h),
    "gelu": lambda: jax.nn.gelu(f),
    "average of i32": lambda: jnp.average(i),
    "median": lambda: jnp.median(f),
    "quantile": lambda: jnp.quantile(f, 0.5),
    "argmax": lambda: jnp.argmax(f),
    "round": lambda: jnp.round(f, 1),
    "logsumexp": lambda: jax.scipy.special.logsumexp(f),
    "normal": lambda: jax.random.normal(jax.random.key(0), (3,)),
    "randint": lambda: jax.random.randint(jax.random.key(0), (3,), 0, 9),
    "result_type": lambda: jnp.result_type(f, h),
    "result_type of one dtype": lambda: jnp.result_type(f, f),
    "promote_types": lambda: jnp.promote_types("float32", "int32"),
    "grad": lambda: jax.grad(lambda x: jnp.sum(x**2 * 3.0))(f),
    "jit of i32 and f32": lambda: jax.jit(lambda x, y: x + y)(i, f),
}

program = jax.jit(lambda x, y: x + y)
key = jax.random.key(3)
transfers = {
    "an array of numbers": lambda: jnp.array([1.0, 2.0]),
    "device_put of a number": lambda: jax.device_put(2.0, first),
    "array and number": lambda: f + 2.0,
    "array and array": lambda: f + f,
    "program of a number": lambda: program(f, 2.0),
    "program of arrays": lambda: program(f, f),
    "ones": lambda: jnp.ones(3),
    "element": lambda: f[0],
    "random key": lambda: jax.random.key(0),
    "random numbers": lambda: jax.random.normal(key, (3,)),
    "sum": lambda: jnp.sum(f),
    "device_put to another device": lambda: jax.device_put(f, second),
}

traced = jax.jit(lambda x: x * 2.0)
traced(f)
compiled = jax.jit(lambda x: x * 3.0).lower(f).compile()
no_tracing = {
    "jit of a known type": lambda: traced(f),
    "jit of another type": lambda: traced(vector),
    "make_jaxpr": lambda: jax.make_jaxpr(lambda x: x * 2.0)(f),
    "scan": lambda: lax.scan(lambda c, x: (c + x, x), 0.0, f),
}
no_execution = {
    "jit": lambda: traced(f),
    "operation": lambda: lax.sin(f),
    "make_jaxpr": lambda: jax.make_jaxpr(lambda x: x * 2.0)(f),
    "compile": lambda: jax.jit(lambda x: x * 2.0).lower(f).compile(),
    "compiled": lambda: compiled(f),
    "device_put": lambda: jax.device_put(f, second),
    "read": lambda: np.asarray(f),
}

stored = []


def leak(x):
    stored.append(x * 3.0)
    return x * 2.0


def keep(x):
    return x * 2.0 * 3.0


def closure(x):
    g = jax.jit(lambda y: y * x)
    return g(x) + g(x)


@jax.custom_jvp
def custom(x):
    return x * x


custom.defjvp(lambda x, dx: (custom(x[0]), 3.0 * x[0] * dx[0]))

leaks = {
    "jit": lambda: jax.jit(leak)(1.0),
    "grad": lambda: jax.grad(leak)(1.0),
    "jvp": lambda: jax.jvp(leak, (1.0,), (1.0,)),
    "vmap": lambda: jax.vmap(leak)(f),
    "scan": lambda: lax.scan(lambda c, x: (leak(c), x), 1.0, f),
    "cond": lambda: lax.cond(True, leak, keep, 1.0),
    "jit of vmap": lambda: jax.jit(jax.vmap(leak))(f),
    "grad of jit": lambda: jax.grad(jax.jit(leak))(1.0),
    "jit, no leak": lambda: jax.jit(keep)(1.0),
    "grad, no leak": lambda: jax.grad(keep)(1.0),
    "vmap of grad of jit, no leak": lambda: jax.vmap(jax.grad(jax.jit(keep)))(f),
    "scan, no leak": lambda: lax.scan(lambda c, x: (keep(c), x), 1.0, f),
    "closure, no leak": lambda: jax.jit(closure)(1.0),
    "grad of a closure, no leak": lambda: jax.grad(jax.jit(closure))(1.0),
    "custom_jvp, no leak": lambda: jax.jit(jax.grad(custom))(1.0),
    "checkpoint, no leak": lambda: jax.grad(jax.checkpoint(keep))(1.0),
    "grad of scan, no leak": lambda: jax.grad(lambda x: lax.scan(lambda c, y: (jnp.sin(c) * y * x, y), x, f)[0])(1.0),
    "hessian, no leak": lambda: jax.hessian(lambda x: x * x * x)(1.0),
}


def compiled(of_jit=None, of_compile=None):
    f = jax.jit(lambda x: x * 2, compiler_options=of_jit)
    return lambda: f.lower(f32).compile(compiler_options=of_compile)(f32) if of_compile else f(f32)


f32 = jnp.ones(3)
no_effort = {"xla_backend_optimization_level": 0}
with_options = jax.jit(lambda x: x * 2, compiler_options=no_effort)
options = {
    "jit": compiled(no_effort),
    "compile": compiled(None, no_effort),
    "text": compiled({"xla_backend_optimization_level": "0"}),
    "text for a flag": compiled({"xla_embed_ir_in_executable": "True"}),
    "a value of an enum": compiled({"xla_gpu_enable_command_buffer": "FUSION"}),
    "no such value of an enum": compiled({"xla_gpu_enable_command_buffer": "nonsense"}),
    "no such name": compiled({"xla_nonsense": True}),
    "no such name when compiling": compiled(None, {"xla_nonsense": True}),
    "a fraction for an integer": compiled({"xla_backend_optimization_level": 1.5}),
    "an integer for a flag": compiled({"xla_embed_ir_in_executable": 1}),
    "other text for a flag": compiled({"xla_embed_ir_in_executable": "yes"}),
    "another value when compiling": compiled({"xla_backend_optimization_level": 7}, no_effort),
    "a wrong value when compiling": compiled(no_effort, {"xla_backend_optimization_level": "q"}),
    "a wrong value that is replaced": compiled({"xla_backend_optimization_level": "q"}, no_effort),
    "vmap": lambda: jax.vmap(with_options)(f32),
    "jvp": lambda: jax.jvp(with_options, (f32,), (f32,)),
    "vmap of a wrong one": lambda: jax.vmap(jax.jit(lambda x: x * 2, compiler_options={"xla_nonsense": True}))(f32),
    "eval_shape": lambda: jax.eval_shape(with_options, f32),
    "jit of it": lambda: jax.jit(with_options)(f32),
    "scan of it": lambda: lax.map(with_options, f32),
    "grad of it": lambda: jax.grad(lambda x: with_options(x).sum())(f32),
}


def refuses(run, setting, warm=False):
    if warm:
        run()
    stored.clear()
    with setting:
        try:
            run()
            return False
        except Exception as error:
            if "--messages" in sys.argv:
                print(type(error).__name__, str(error).split("\n")[0][:120])
            return True


def refused(programs, setting, warm=False):
    return {name: refuses(run, setting(), warm) for name, run in programs.items()}


found = {
    "rank promotion": refused(rank, lambda: jax.numpy_rank_promotion("raise")),
    "dtype promotion": refused(dtype, lambda: jax.numpy_dtype_promotion("strict")),
    "disallow": refused(transfers, lambda: jax.transfer_guard("disallow"), warm=True),
    "disallow_explicit": refused(transfers, lambda: jax.transfer_guard("disallow_explicit"), warm=True),
    "no_tracing": refused(no_tracing, lambda: jax.no_tracing(True)),
    "no_execution": refused(no_execution, lambda: jax.no_execution(True)),
    "leaks": refused(leaks, lambda: jax.check_tracer_leaks(True)),
    "options of jit": refused(options, contextlib.nullcontext),
}
path = pathlib.Path(__file__).parent.parent / "fixtures/settings.json"
text = json.dumps(found, indent=1) + "\n"
if "--check" not in sys.argv:
    path.write_text(text)
elif path.read_text() != text:
    sys.exit("settings forbid something else than settings.json says: run settings.py")
else:
    print(f"settings.json agrees with JAX {jax.__version__}")
