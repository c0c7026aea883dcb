"""`jax.lax`: shapes, movement of data, reductions, contractions."""

import jax
import jax.numpy as jnp
from jax import lax
from spec import REALS, arr, edges, weak

ULP = {"lax.reduce_sum": 4, "lax.reduce_prod": 4, "lax.dot_general": 4}

ADAPTERS = {
    "lax.empty": lambda shape, dtype: lax.empty(shape, dtype),
    "lax.broadcast_shapes": lambda shapes: jnp.array(lax.broadcast_shapes(*shapes), jnp.int32),
    "lax.expand_dims": lambda x, dimensions: lax.expand_dims(x, dimensions),
    "lax.concatenate": lambda *xs, dimension: lax.concatenate(xs, dimension),
    "lax.iota": lambda dtype, size: lax.iota(dtype, size),
    "lax.reduce_sum": lambda x, axes: lax.reduce_sum(x, axes),
    "lax.reduce_prod": lambda x, axes: lax.reduce_prod(x, axes),
    "lax.reduce_max": lambda x, axes: lax.reduce_max(x, axes),
    "lax.reduce_min": lambda x, axes: lax.reduce_min(x, axes),
    "lax.reduce_and": lambda x, axes: lax.reduce_and(x, axes),
    "lax.reduce_or": lambda x, axes: lax.reduce_or(x, axes),
    "lax.dot_general": lambda x, y, over, batch: lax.dot_general(x, y, (over, batch)),
    "lax.argmax": lambda x, axis: lax.argmax(x, axis, jnp.int32),
    "lax.argmin": lambda x, axis: lax.argmin(x, axis, jnp.int32),
}


def build(f):
    for dtype in REALS + ["bool", "complex64"]:
        f.case("lax.reshape", (dtype, (2, 3)), new_sizes=[3, 2], grad=dtype == "float32")
        f.case("lax.transpose", (dtype, (2, 3, 4)), permutation=[2, 0, 1], grad=dtype == "float32")
        f.case("lax.broadcast_in_dim", (dtype, (3,)), shape=[2, 3], broadcast_dimensions=[1], grad=dtype == "float32")
        f.case("lax.rev", (dtype, (2, 3)), dimensions=[1], grad=dtype == "float32")
        f.case("lax.concatenate", (dtype, (2, 3)), (dtype, (1, 3)), dimension=0, grad=dtype == "float32")
        f.case("lax.slice", (dtype, (5, 4)), start_indices=[1, 0], limit_indices=[5, 3], strides=[2, 1], grad=dtype == "float32")
        f.case("lax.pad", (dtype, (2, 3)), (dtype, ()), padding_config=[[1, 2, 0], [0, -1, 1]], grad=dtype == "float32")
        f.case("lax.expand_dims", (dtype, (2, 3)), dimensions=[0, 2])
        f.case("lax.squeeze", (dtype, (1, 3, 1)), dimensions=[0, 2])
    f.case("lax.reshape", ("float32", (0, 3)), new_sizes=[3, 0])
    f.case("lax.reshape", ("float32", ()), new_sizes=[1, 1], grad=True)
    f.case("lax.reshape", ("float32", (2, 3)), new_sizes=[4], error=None)
    f.case("lax.transpose", ("float32", (2, 3)), permutation=[0, 0], error=None)
    f.case("lax.transpose", ("float32", ()), permutation=[])
    # Sums of eight numbers, in another order where vectors are shorter.
    f.case("lax.broadcast_in_dim", ("float32", (1, 3)), shape=[2, 4, 3], broadcast_dimensions=[1, 2], grad=True, grad_ulp=4)
    f.case("lax.broadcast_in_dim", ("float32", (2, 3)), shape=[2, 4], broadcast_dimensions=[0, 1], error=True)
    f.case("lax.broadcast_in_dim", weak(2.0), shape=[0, 3], broadcast_dimensions=[])
    f.case("lax.concatenate", ("float32", (0, 3)), ("float32", (2, 3)), dimension=0, grad=True)
    f.case("lax.concatenate", ("float32", (2, 3)), ("float32", (2, 2)), dimension=0, error=None)
    f.case("lax.slice", ("float32", (5,)), start_indices=[2], limit_indices=[2], strides=[1])
    f.case("lax.slice", ("float32", (5,)), start_indices=[2], limit_indices=[6], strides=[1], error=None)
    f.case("lax.pad", ("float32", (0,)), ("float32", ()), padding_config=[[1, 2, 3]], grad=True)
    f.case("lax.squeeze", ("float32", (2, 3)), dimensions=[0], error=None)
    # JAX's own transpose does not undo a permutation, so these have no gradient.
    f.case("lax.broadcast_in_dim", ("float32", (2, 3)), shape=[3, 2], broadcast_dimensions=[1, 0])
    f.case("lax.broadcast_in_dim", ("float32", (2, 1, 3)), shape=[3, 4, 2, 2], broadcast_dimensions=[2, 1, 0])
    # No case with equal sizes: JAX 0.10.2 compares shapes alone and leaves the operand as it is; a permutation it is all the same.
    f.case("lax.broadcast_in_dim", ("float32", (2, 2)), shape=[2, 2], broadcast_dimensions=[0, 0], error=True)
    f.case("lax.broadcast_in_dim", ("float32", (2, 3)), shape=[2, 3], broadcast_dimensions=[1, 0], error=True)
    f.case("lax.broadcast_in_dim", ("float32", (2, 3)), shape=[2, 3], broadcast_dimensions=[0], error=True)
    for dtype in ("float32", "int8", "bool", "complex64"):
        # Sums of six numbers, in another order where vectors are shorter.
        f.case("lax.tile", (dtype, (2, 3)), reps=[2, 3], grad=dtype == "float32", grad_ulp=4 if dtype == "float32" else None)
    f.case("lax.tile", ("float32", (2, 1)), reps=[1, 0], grad=True)
    f.case("lax.tile", ("float32", ()), reps=[], grad=True)
    f.case("lax.tile", ("float32", (2, 3)), reps=[2], error=True)
    f.case("lax.empty", dtype="float32", shape=[2, 0])
    f.case("lax.empty", dtype="int8", shape=[2, 3])
    for shapes in ([[3, 1], [4]], [[3, 1], [1, 4], [5, 1, 1]], [[0], [1]], [[], [2]], [[2, 3]]):
        f.case("lax.broadcast_shapes", shapes=shapes)
    f.case("lax.broadcast_shapes", shapes=[[3, 1], [4, 1]], error=True)
    f.case("lax.broadcast_shapes", shapes=[[0], [2]], error=True)
    for dtype in REALS + ["complex64"]:
        f.case("lax.iota", dtype=dtype, size=5)
        f.case("lax.reduce_sum", (dtype, (2, 3, 2)), axes=[0, 2], grad=dtype == "float32", abs=1e-6)
        f.case("lax.reduce_sum", (dtype, (0, 3)), axes=[0])
        f.case("lax.reduce_prod", (dtype, (2, 3)), axes=[1], grad=dtype == "float32", abs=1e-6, ulp=8)
    for dtype in REALS:
        f.case("lax.reduce_max", (dtype, [edges(dtype)]), axes=[1])
        f.case("lax.reduce_min", (dtype, [edges(dtype)]), axes=[1])
        f.case("lax.reduce_max", (dtype, (2, 3)), axes=[0, 1], grad=dtype == "float32")
        f.case("lax.reduce_max", (dtype, (0, 3)), axes=[0], error=None)
        f.case("lax.argmax", (dtype, [edges(dtype)]), axis=1)
        f.case("lax.argmin", (dtype, [edges(dtype), edges(dtype)[::-1]]), axis=1)
    f.case("lax.reduce_max", arr("float32", [[1.0, 3.0, 3.0]]), axes=[1], grad=True)
    f.case("lax.argmax", ("float32", (2, 0)), axis=1, error=None)
    f.case("lax.reduce_sum", ("float32", (2, 3)), axes=[2], error=None)
    f.case("lax.reduce_and", ("bool", (2, 3)), axes=[1])
    f.case("lax.reduce_or", ("bool", (2, 3)), axes=[1])
    f.case("lax.reduce_and", ("int32", (2, 3)), axes=[1])
    for dtype in REALS + ["complex64"]:
        f.case("lax.dot_general", (dtype, (2, 3)), (dtype, (3, 4)), over=[[1], [0]], batch=[[], []], grad=dtype == "float32", abs=2e-6)
        f.case("lax.dot_general", (dtype, (5, 2, 3)), (dtype, (3, 5)), over=[[2], [0]], batch=[[0], [1]], grad=dtype == "float32", abs=2e-6)
    f.case("lax.dot_general", ("float32", (2, 0)), ("float32", (0, 4)), over=[[1], [0]], batch=[[], []])
    f.case("lax.dot_general", ("float32", (2, 3)), ("float32", (2, 3)), over=[[1], [0]], batch=[[], []], error=None)
