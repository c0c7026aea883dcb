"""What layers of Flax 0.12 give: `python3 tests/oracle/flax_layers.py [--check]` writes tests/fixtures/layers.jsonl.

A line is a layer with given parameters, state and inputs: its outputs, its new state, and the gradients of a weighted sum of its
outputs with respect to parameters and inputs. tests/suite/layers.rs says the same layers in raxla, by the names of the cases.
"""

import json
import pathlib
import sys
import zlib

import flax
import flax.linen.pooling
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

OUT = pathlib.Path(__file__).resolve().parent.parent / "fixtures/layers.jsonl"
CASES = []


class Case:
    """`apply` calls the module, which a training one is told by the argument `training`; `name` renames Flax's paths."""

    def __init__(self, name, module, *shapes, apply=None, training=False, rename=str, state=None, ints=None):
        self.name, self.module, self.shapes, self.training, self.state = name, module, shapes, training, state or {}
        self.apply = apply or (lambda m, *xs: m(*xs))
        self.rename, self.ints = rename, ints
        CASES.append(self)

    def inputs(self, rng):
        if self.ints:
            return [jnp.array(rng.randint(0, self.ints, s), jnp.int32) for s in self.shapes]
        return [jnp.array(rng.normal(size=s), jnp.float32) for s in self.shapes]

    def run(self):
        rng = np.random.RandomState(zlib.crc32(self.name.encode()))
        xs = self.inputs(rng)
        call = lambda m, *xs: self.apply(m, *xs)
        key = {"params": jax.random.key(0), "dropout": jax.random.key(1)}
        variables = jax.eval_shape(lambda: self.module.init(key, *xs, method=call))
        params = jax.tree.map(lambda a: jnp.array(rng.normal(size=a.shape) * 0.5, a.dtype), variables.get("params", {}))
        rest = {k: v for k, v in variables.items() if k != "params"}
        state = jax.tree_util.tree_map_with_path(lambda path, a: self.initial(rng, path[-1].key, a), rest)

        def loss(params, floats):
            it = iter(floats)
            args = [next(it) if is_float(x) else x for x in xs]
            out, new = self.module.apply({"params": params, **state}, *args, method=call, mutable=list(state))
            out = list(out) if isinstance(out, (tuple, list)) else [out]
            # Small whole numbers and halves, the same in every program.
            weights = [((np.arange(y.size) * 7) % 11 - 4.0).astype(np.float32).reshape(y.shape) / 2 for y in out]
            return sum(jnp.sum(y * w) for y, w in zip(out, weights)), (out, new)

        floats = [x for x in xs if is_float(x)]
        run = jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))
        (_, (out, new)), (dparams, dinputs) = run(params, floats)
        named = lambda tree: {self.rename(k): array(v) for k, v in sorted(flat(tree).items())}
        merge = lambda tree: {k: v for _, sub in sorted(tree.items()) for k, v in flat(sub).items()}
        return {
            "case": self.name, "training": self.training, "inputs": [array(x) for x in xs],
            "params": named(params), "state": named(merge(state)), "outputs": [array(y) for y in out],
            "new_state": named(merge(new)), "param_grads": named(dparams), "input_grads": [array(g) for g in dinputs],
        }

    def initial(self, rng, name, a):
        if name in self.state:
            return jnp.full(a.shape, self.state[name], a.dtype)
        x = rng.normal(size=a.shape)
        return jnp.array(np.abs(x) + 0.5 if name == "var" else x, a.dtype)


def is_float(x):
    return jnp.issubdtype(x.dtype, jnp.floating)


def flat(tree):
    return flax.traverse_util.flatten_dict(flax.core.unfreeze(tree), sep="/")


def array(x):
    x = np.asarray(x)
    data = [float(f"{v:.9g}") for v in x.ravel().tolist()] if x.dtype.kind == "f" else x.ravel().tolist()
    return {"dtype": str(x.dtype), "shape": list(x.shape), "data": data}


def linear():
    Case("linear", nn.Dense(4), (2, 3))
    Case("linear of a batch without a bias", nn.Dense(4, use_bias=False), (2, 5, 3))
    Case("linear_general", nn.DenseGeneral((4, 5)), (2, 3))
    Case("linear_general of two axes", nn.DenseGeneral(4, axis=(-2, -1)), (2, 3, 5))
    Case("linear_general of axes apart", nn.DenseGeneral((2, 3), axis=(1, -1)), (2, 3, 4, 5))
    Case("linear_general with a batch", nn.DenseGeneral(4, axis=-1, batch_dims=(0,)), (2, 3, 5))
    Case("einsum", nn.Einsum((5, 6, 7), "abc,cde->abde"), (3, 4, 5))
    Case("einsum in another order", nn.Einsum((3, 4, 5), "ab,bcd->dac"), (2, 3))
    Case("einsum with an ellipsis", nn.Einsum((3, 4), "...a,ab->b..."), (2, 5, 3))
    Case("einsum of batches", nn.Einsum((2, 3, 4), "...a,...ab->...b"), (5, 2, 3))
    Case("einsum without a bias", nn.Einsum((3, 4), "ab, bc -> ac", use_bias=False), (2, 3))
    Case("embed", nn.Embed(7, 4), (2, 3), ints=7)
    Case("attend", nn.Embed(7, 4), (2, 3), ints=7, apply=lambda m, x: m.attend(jnp.tanh(m(x))))


def convolution():
    Case("conv 1d", nn.Conv(4, 3), (2, 7, 3))
    Case("conv 2d", nn.Conv(4, (3, 3)), (2, 5, 6, 3))
    Case("conv 3d", nn.Conv(2, (2, 2, 3)), (1, 3, 4, 4, 2))
    Case("conv with strides, valid", nn.Conv(4, (3, 2), strides=(2, 1), padding="VALID"), (2, 7, 6, 3))
    Case("conv with one stride and pads", nn.Conv(4, (3, 3), strides=2, padding=((1, 2), (0, 1))), (2, 5, 6, 3))
    Case("conv dilated", nn.Conv(4, (3, 3), kernel_dilation=2), (2, 7, 6, 3))
    Case("conv of a dilated input", nn.Conv(4, (3,), input_dilation=2, padding=((1, 1),)), (2, 5, 3))
    Case("conv grouped", nn.Conv(6, (3, 3), feature_group_count=3, use_bias=False), (2, 5, 5, 3))
    Case("conv causal", nn.Conv(4, 3, padding="CAUSAL"), (2, 7, 3))
    Case("conv causal and dilated", nn.Conv(4, 3, padding="CAUSAL", kernel_dilation=2), (2, 7, 3))
    Case("conv circular", nn.Conv(4, (3, 4), padding="CIRCULAR"), (2, 5, 6, 3))
    Case("conv reflected", nn.Conv(4, (3, 4), padding="REFLECT"), (2, 5, 6, 3))
    Case("conv of one example", nn.Conv(4, (3, 3)), (5, 6, 3))
    Case("conv of a batch of batches", nn.Conv(4, 3), (2, 3, 5, 3))
    Case("conv_transpose", nn.ConvTranspose(4, (3, 3), strides=(2, 2)), (2, 4, 5, 3))
    Case("conv_transpose, valid", nn.ConvTranspose(4, (3, 2), strides=(2, 3), padding="VALID"), (2, 4, 3, 3))
    Case("conv_transpose, transposed kernel", nn.ConvTranspose(4, 4, strides=(2,), transpose_kernel=True), (2, 5, 3))
    Case("conv_transpose dilated", nn.ConvTranspose(4, (3,), kernel_dilation=(2,), use_bias=False), (2, 5, 3))
    Case("conv_transpose circular", nn.ConvTranspose(4, (3, 3), strides=(2, 1), padding="CIRCULAR"), (2, 4, 5, 3))
    Case("conv_transpose circular, transposed kernel",
         nn.ConvTranspose(4, (4,), strides=(2,), padding="CIRCULAR", transpose_kernel=True), (2, 5, 3))


def normalization():
    Case("layer_norm", nn.LayerNorm(), (3, 5))
    Case("layer_norm over two axes, slow variance, without a bias",
         nn.LayerNorm(reduction_axes=(-2, -1), feature_axes=(-2, -1), use_bias=False, use_fast_variance=False), (3, 4, 5))
    Case("layer_norm with other features", nn.LayerNorm(reduction_axes=(1, 2), feature_axes=-1, epsilon=1e-3), (3, 4, 5))
    Case("rms_norm", nn.RMSNorm(), (3, 5))
    Case("rms_norm without a scale", nn.RMSNorm(use_scale=False, epsilon=1e-2), (3, 5))
    Case("group_norm", nn.GroupNorm(num_groups=2), (2, 3, 4, 6))
    Case("group_norm by size", nn.GroupNorm(num_groups=None, group_size=2, use_scale=False), (2, 3, 6))
    Case("group_norm over some axes", nn.GroupNorm(num_groups=3, reduction_axes=(2, 3)), (2, 3, 4, 6))
    Case("instance_norm", nn.InstanceNorm(), (2, 3, 4, 5))
    Case("instance_norm with features before", nn.InstanceNorm(feature_axes=1), (2, 3, 4, 5))
    for training in (True, False):
        name = "training" if training else "evaluating"
        norm = lambda **kw: nn.BatchNorm(use_running_average=not training, **kw)
        Case(f"batch_norm, {name}", norm(), (4, 3), training=training)
        Case(f"batch_norm of images, {name}", norm(momentum=0.9, epsilon=1e-3), (2, 3, 4, 5), training=training)
        Case(f"batch_norm with features before, {name}", norm(axis=1, use_bias=False, use_fast_variance=False),
             (3, 4, 5), training=training)
        # Flax keeps its names beside the layer's: raxla below.
        spectral = lambda path: path.replace("layer_instance/", "spectral_norm/") if path[-1] in "ua" else path.split("/")[-1]
        call = lambda training: lambda m, x: m(x, update_stats=training)
        Case(f"spectral_norm, {name}", nn.SpectralNorm(nn.Dense(4)), (2, 3), apply=call(training), training=training,
             rename=spectral, state={})
        Case(f"spectral_norm of a convolution, {name}", nn.SpectralNorm(nn.Conv(4, (2, 3)), n_steps=3), (2, 3, 4, 2),
             apply=call(training), training=training, rename=spectral)
    weight = lambda path: path.replace("layer_instance/", "weight_norm/") if path.endswith("/scale") else path.split("/")[-1]
    Case("weight_norm", nn.WeightNorm(nn.Dense(4)), (2, 3), rename=weight)
    Case("weight_norm of a convolution, without a scale", nn.WeightNorm(nn.Conv(4, (3,)), use_scale=False), (2, 5, 3), rename=weight)
    Case("weight_norm over all axes", nn.WeightNorm(nn.Dense(4), feature_axes=None), (2, 3), rename=weight)


def pooling():
    pool = lambda f, **kw: type(f.__name__, (nn.Module,), {"__call__": lambda self, x: f(x, **kw)})()
    Case("max_pool", pool(nn.max_pool, window_shape=(2, 2), strides=(2, 2)), (2, 5, 6, 3))
    Case("max_pool, same, one example", pool(nn.max_pool, window_shape=(3, 2), strides=(2, 1), padding="SAME"), (5, 6, 3))
    Case("min_pool", pool(nn.pooling.min_pool, window_shape=(2,)), (2, 5, 3))
    Case("avg_pool", pool(nn.avg_pool, window_shape=(2, 3), strides=(2, 2)), (2, 5, 7, 3))
    Case("avg_pool, same", pool(nn.avg_pool, window_shape=(3, 3), padding="SAME"), (2, 5, 4, 3))
    Case("avg_pool, same, without pads", pool(nn.avg_pool, window_shape=(3,), strides=(2,), padding="SAME",
                                              count_include_pad=False), (2, 6, 3))


def attention():
    heads = nn.MultiHeadDotProductAttention
    Case("attention", heads(2), (2, 3, 4))
    Case("attention across", heads(2, qkv_features=6, out_features=5), (2, 3, 4), (2, 5, 4))
    Case("attention across, key and value apart", heads(2, use_bias=False), (2, 3, 4), (2, 5, 3), (2, 5, 6))
    Case("attention, causal", heads(2), (2, 4, 4), apply=lambda m, x: m(x, mask=nn.make_causal_mask(x[..., 0])))
    Case("attention, normalised", heads(2, normalize_qk=True), (2, 3, 8))
    Case("attention of a batch of batches", heads(2), (2, 2, 3, 4))
    decode = heads(2, decode=True)

    class Decode(nn.Module):
        @nn.compact
        def __call__(self, x):
            # Flax makes a cache as long as the input is at initialisation.
            m = heads(2, decode=True, name="attention")
            return m(x if m.has_variable("cache", "cached_key") or not self.is_initializing() else jnp.zeros((2, 5, 4)))

    Case("attention, decoding", Decode(), (2, 1, 4), state={"cache_index": 2})


def recurrent():
    cells = {"simple_cell": nn.SimpleCell(4), "gru_cell": nn.GRUCell(4), "lstm_cell": nn.LSTMCell(4),
             "simple_cell, residual": nn.SimpleCell(4, residual=True), "optimized lstm_cell": nn.OptimizedLSTMCell(4)}
    for name, cell in cells.items():
        flatten = lambda carry, y: [*jax.tree.leaves(carry), y]
        if "lstm" in name:
            Case(name, cell, (2, 4), (2, 4), (2, 3), apply=lambda m, c, h, x: flatten(*m((c, h), x)))
        else:
            Case(name, cell, (2, 4), (2, 3), apply=lambda m, h, x: flatten(*m(h, x)))
    flatten = lambda carry, y: [*jax.tree.leaves(carry), y]
    conv_lstm = lambda m, c, h, x: flatten(*m((c, h), x))
    Case("conv_lstm_cell", nn.ConvLSTMCell(4, (3, 3)), (2, 5, 4, 4), (2, 5, 4, 4), (2, 5, 4, 3), apply=conv_lstm)
    Case("conv_lstm_cell of one axis, circular, without biases", nn.ConvLSTMCell(2, (3,), padding="CIRCULAR", use_bias=False),
         (2, 5, 2), (2, 5, 2), (2, 5, 3), apply=conv_lstm)
    inside = lambda path: path.removeprefix("cell/")
    leaves = lambda m, *xs, **kw: jax.tree.leaves(m(*xs, **kw))
    Case("rnn of simple cells", nn.RNN(nn.SimpleCell(4)), (2, 5, 3), rename=inside)
    Case("rnn of gru cells, with its carry", nn.RNN(nn.GRUCell(4), return_carry=True), (2, 5, 3), apply=leaves, rename=inside)
    Case("rnn of lstm cells, with its carry", nn.RNN(nn.LSTMCell(4), return_carry=True), (2, 5, 3), apply=leaves, rename=inside)
    Case("rnn of conv_lstm cells, with its carry", nn.RNN(nn.ConvLSTMCell(2, (3,)), return_carry=True), (2, 4, 5, 3), apply=leaves,
         rename=inside)
    Case("rnn of conv_lstm cells, of several lengths", nn.RNN(nn.ConvLSTMCell(2, (2, 2)), return_carry=True), (3, 5, 3, 2, 2),
         rename=inside, apply=lambda m, x: leaves(m, x, seq_lengths=jnp.array([3, 5, 1])))
    Case("rnn in reverse", nn.RNN(nn.GRUCell(4), reverse=True, keep_order=True), (2, 5, 3), rename=inside)
    Case("rnn of sequences of several lengths", nn.RNN(nn.LSTMCell(4), return_carry=True), (3, 5, 2), rename=inside,
         apply=lambda m, x: leaves(m, x, seq_lengths=jnp.array([3, 5, 1])))
    Case("rnn in reverse of several lengths", nn.RNN(nn.GRUCell(4), reverse=True, keep_order=True, return_carry=True), (3, 5, 2),
         rename=inside, apply=lambda m, x: leaves(m, x, seq_lengths=jnp.array([3, 5, 1])))
    Case("rnn, time first, from a carry", nn.RNN(nn.SimpleCell(4), time_major=True), (5, 2, 3), (2, 4),
         apply=lambda m, x, h: m(x, initial_carry=h), rename=inside)
    both = lambda path: path.replace("_rnn/cell/", "/")
    Case("bidirectional", nn.Bidirectional(nn.RNN(nn.GRUCell(4)), nn.RNN(nn.GRUCell(4))), (2, 5, 3), rename=both)
    Case("bidirectional of several lengths", nn.Bidirectional(nn.RNN(nn.LSTMCell(4)), nn.RNN(nn.LSTMCell(4))), (3, 5, 2),
         rename=both, apply=lambda m, x: m(x, seq_lengths=jnp.array([3, 5, 1])))


def close(a, b):
    """Other processors round otherwise in the last places."""
    if isinstance(a, dict) and isinstance(b, dict) and "data" in a:
        if (a["dtype"], a["shape"]) != (b.get("dtype"), b.get("shape")):
            return False
        return np.allclose(a["data"], b["data"], rtol=1e-5, atol=1e-5 * np.max(np.abs(b["data"]), initial=0))
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(close(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(close, a, b))
    return a == b


def main():
    for family in (linear, convolution, normalization, pooling, attention, recurrent):
        family()
    cases = [case.run() for case in CASES]
    if "--check" not in sys.argv:
        OUT.write_text("".join(json.dumps(case, separators=(",", ":")) + "\n" for case in cases))
    elif not close(cases, [json.loads(line) for line in OUT.read_text().splitlines()]):
        sys.exit("tests/fixtures/layers.jsonl is not what Flax gives: run python3 tests/oracle/flax_layers.py")
    print(f"tests/fixtures/layers.jsonl is what Flax gives: {len(cases)} cases")


if __name__ == "__main__":
    main()
