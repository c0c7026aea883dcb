"""`jax.lax`: functions of shapes, arrays brought to the rank or the shape of others; `jax.numpy.vectorize`."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from spec import arr, weak

F = "float32"


def sizes(f):
    return lambda **p: jnp.asarray(np.asarray(f(**p), np.int32))


def permutations(**p):
    return [jnp.asarray(spec, jnp.int32) for spec in lax.conv_general_permutations(**p)]


VECTORIZED = {
    "product": lambda x, y: x * y,
    "dot": lambda x, y: jnp.dot(x, y),
    "mean_and_sum": lambda x: (jnp.mean(x), jnp.sum(x)),
    "scaled": lambda x, y: x * jnp.sum(y),
}


def collective(f, **p):
    return lambda x: jax.vmap(lambda x: f(x, "i", **p), axis_name="i")(x)


def bits(key, shape, dtype, algorithm, mapped=False):
    draw = lambda key: lax.rng_bit_generator(key, shape, dtype, algorithm=lax.RandomAlgorithm(algorithm))
    return jax.vmap(draw)(key) if mapped else draw(key)


ADAPTERS = {
    **{f"lax.{name}": sizes(getattr(lax, name))
       for name in "conv_shape_tuple conv_general_shape_tuple conv_transpose_shape_tuple reduce_window_shape_tuple".split()},
    "lax.conv_general_permutations": permutations,
    "lax.shape_as_value": lambda shape: jnp.asarray(lax.shape_as_value(shape)),
    "lax.index_take": lambda x, *i, axes: lax.index_take(x, i, axes),
    "lax.rng_bit_generator": bits,
    "lax.pshuffle": lambda x, perm: collective(lax.pshuffle, perm=perm)(x),
    "lax.pswapaxes": lambda x, axis: collective(lax.pswapaxes, axis=axis)(x),
    "numpy.vectorize": lambda *x, func, signature=None, excluded=(): jnp.vectorize(VECTORIZED[func], excluded=set(excluded), signature=signature)(*x),
}


def build(f):
    key = arr("uint32", [1, 2, 3, 4])
    for algorithm in (0, 1, 2):
        for dtype, shape in (("uint32", [2, 3]), ("uint8", [7]), ("uint16", []), ("uint32", [0])):
            f.case("lax.rng_bit_generator", key, shape=shape, dtype=dtype, algorithm=algorithm)
    f.case("lax.rng_bit_generator", arr("uint64", [1, 2**60]), shape=[3], dtype="uint64", algorithm=0, x64=True)
    f.case("lax.rng_bit_generator", key, shape=[2], dtype="int32", algorithm=0, error=True)
    f.case("lax.rng_bit_generator", arr("uint32", [[1, 2, 3, 4], [5, 6, 7, 8]]), shape=[3], dtype="uint32", algorithm=0, mapped=True)
    f.case("lax.rng_uniform", ("float32", (2,)), weak(1.0), shape=[2], error=True)
    f.case("lax.rng_uniform", ("float32", ()), ("int32", ()), shape=[2], error=True)
    x = (F, (2, 3))
    f.case("lax.broadcast_like", (F, (3,)), x, grad=[0])
    f.case("lax.broadcast_like", (F, (2, 1)), ("int32", (2, 3)))
    f.case("lax.broadcast_like", x, (F, (3,)), error=True)
    f.case("lax.broadcast_to_rank", x, rank=4, grad=True)
    f.case("lax.broadcast_to_rank", x, rank=2)
    f.case("lax.broadcast_to_rank", weak(2.0), rank=1)
    for shape in ([2, 3], [], [0]):
        f.case("lax.shape_as_value", shape=shape)
    f.case("lax.index_take", x, arr("int32", [0, 1, -1]), arr("int32", [2, -1, 5]), axes=[0, 1], grad=[0])
    f.case("lax.index_take", (F, (2, 3, 4)), arr("int32", [1, 3]), axes=[1], grad=[0])
    for pads in ("VALID", "SAME", [[1, 2], [0, -1]]):
        f.case("lax.conv_shape_tuple", lhs_shape=[2, 3, 8, 9], rhs_shape=[4, 3, 3, 2], strides=[2, 1], pads=pads)
        f.case("lax.conv_general_shape_tuple", lhs_shape=[2, 8, 9, 3], rhs_shape=[3, 2, 3, 4], window_strides=[2, 1], padding=pads, dimension_numbers=["NHWC", "HWIO", "NHWC"])
        f.case("lax.conv_transpose_shape_tuple", lhs_shape=[2, 8, 9, 3], rhs_shape=[3, 2, 3, 4], window_strides=[2, 3], padding=pads, dimension_numbers=["NHWC", "HWOI", "NHWC"])
    f.case("lax.conv_shape_tuple", lhs_shape=[4, 3, 8], rhs_shape=[2, 3, 3], strides=[1], pads="VALID", batch_group_count=2)
    f.case("lax.conv_shape_tuple", lhs_shape=[4, 3, 8], rhs_shape=[2, 3, 3], strides=[1], pads=[[1, 1], [0, 0]], error=True)
    f.case("lax.conv_shape_tuple", lhs_shape=[4, 3, 8], rhs_shape=[2, 3, 3], strides=[1], pads=[[-5, -5]], error=True)
    f.case("lax.reduce_window_shape_tuple", operand_shape=[8, 9], window_dimensions=[3, 2], window_strides=[2, 1], padding=[[1, 0], [0, 2]])
    f.case("lax.reduce_window_shape_tuple", operand_shape=[8], window_dimensions=[3], window_strides=[2], padding=[[0, 0]], base_dilation=[2], window_dilation=[3])
    for names in (["NHWC", "HWIO", "NHWC"], ["NCHW", "OIHW", "NCWH"], ["CNW", "WIO", "NCW"]):
        f.case("lax.conv_general_permutations", dimension_numbers=names)
    f.case("lax.conv_general_permutations", dimension_numbers=["NHHC", "HWIO", "NHWC"], error=True)
    f.case("lax.pshuffle", (F, (3, 2)), perm=[2, 0, 1], grad=True)
    f.case("lax.pshuffle", (F, (3,)), perm=[0, 0, 1], error=True)
    f.case("lax.pswapaxes", (F, (3, 3)), axis=0, grad=True)
    f.case("lax.pswapaxes", (F, (2, 4, 2)), axis=1)
    f.case("numpy.vectorize", (F, (2, 1)), (F, (3,)), func="product", grad=True)
    f.case("numpy.vectorize", (F, (1, 1)), (F, ()), func="product")
    f.case("numpy.vectorize", (F, (0, 2)), (F, (2,)), func="product")
    f.case("numpy.vectorize", (F, (2, 4)), (F, (3, 1, 4)), func="dot", signature="(n),(n)->()", abs=4e-6)
    f.case("numpy.vectorize", (F, (2, 3, 4)), (F, (4, 2)), func="dot", signature="(n,m),(m,k)->(n,k)", grad=True, abs=4e-6, grad_abs=8e-6)
    f.case("numpy.vectorize", (F, (2, 3)), func="mean_and_sum", signature="(n)->(),()", abs=2e-6)
    f.case("numpy.vectorize", (F, (2, 3)), (F, (4,)), func="scaled", excluded=[1], abs=4e-6)
    f.case("numpy.vectorize", (F, (2, 3)), (F, (4,)), func="dot", signature="(n),(n)->()", error=True)
    f.case("numpy.vectorize", (F, (2, 3)), (F, (4,)), func="product", error=True)
    f.case("numpy.vectorize", (F, (3,)), (F, (3,)), func="product", signature="(n),(n)->()", error=True)
    f.case("numpy.vectorize", (F, ()), (F, (3,)), func="dot", signature="(n),(n)->()", error=True)
