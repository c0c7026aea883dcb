"""What the twins of the examples with models have in common: raxla's keys, so that both begin and drop alike, and its files."""

import functools
import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np

DATA = pathlib.Path(__file__).resolve().parents[3] / "examples/data"


def hash_of(path):
    """FNV-1a, as raxla's layers make keys of paths."""
    return functools.reduce(lambda h, byte: ((h ^ byte) * 0x01000193) & 0xFFFFFFFF, path.encode(), 0x811C9DC5)


def key_of(key, path, count=None):
    """The key of a parameter, or of the `count`-th draw of a layer."""
    key = jax.random.fold_in(key, hash_of(path))
    return key if count is None else jax.random.fold_in(key, count)


def draw(key, model, *args, initializers, **kwargs):
    """Flax's variables, with parameters drawn from raxla's keys; `initializers` are by the last name of a path, or by the last two."""
    shapes = jax.eval_shape(functools.partial(model.init, **kwargs), jax.random.key(0), *args)

    def one(path, like):
        *_, name = names = [entry.key for entry in path]
        own = key_of(key, "/".join(names))
        shape = like.shape
        if name == "kernel" and len(shape) == 3:
            # Of several heads: drawn as a matrix, whose columns are the result's features.
            shape = (-1, shape[2]) if names[-2] == "out" else (shape[0], -1)
            shape = np.empty(like.shape, bool).reshape(shape).shape
        init = initializers.get("/".join(names[-2:]), initializers[name])
        return init(own, shape, like.dtype).reshape(like.shape)

    params = jax.tree_util.tree_map_with_path(one, shapes["params"])
    rest = {name: shapes[name] for name in shapes if name != "params"}
    return params, rest


def count(params):
    return sum(x.size for x in jax.tree.leaves(params))


def read_safetensors(path):
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    dtypes = {"U8": np.uint8, "F32": np.float32, "I32": np.int32}
    return {
        name: jnp.array(np.frombuffer(data[start + x["data_offsets"][0] : start + x["data_offsets"][1]], dtypes[x["dtype"]])).reshape(x["shape"])
        for name, x in json.loads(data[8:start]).items()
        if name != "__metadata__"
    }
