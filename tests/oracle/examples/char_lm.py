"""A language model of characters, a decoder-only transformer. In JAX, Flax and Optax: its first steps."""

import functools
import sys
import time

import jax
import jax.numpy as jnp
import models
import optax
from flax import linen as nn

CONTEXT, FEATURES, HEADS, LAYERS, DROPOUT, BATCH, STEPS = 64, 96, 4, 2, 0.1, 32, 300


def rotary(x):
    """Features `i` and `i + d / 2` are turned as a pair."""
    t, d = x.shape[-3], x.shape[-1]
    frequencies = jnp.array([10_000.0 ** (-2 * i / d) for i in range(d // 2)], jnp.float32)
    angles = jnp.arange(t, dtype=jnp.float32)[:, None, None] * frequencies
    cos, sin = jnp.cos(angles), jnp.sin(angles)
    a, b = jnp.split(x, 2, -1)
    return jnp.concatenate([a * cos - b * sin, b * cos + a * sin], -1)


@functools.wraps(nn.dot_product_attention)
def attention(query, key, value, *args, **kwargs):
    return nn.dot_product_attention(rotary(query), rotary(key), value, *args, **kwargs)


class Model(nn.Module):
    vocabulary: int

    @nn.compact
    def __call__(self, tokens, key=None):
        own = lambda path: None if key is None else models.key_of(key, path, 1)
        drop = lambda path, x: nn.Dropout(DROPOUT)(x, deterministic=key is None, rng=own(path))
        x = drop("dropout", nn.Embed(self.vocabulary, FEATURES, name="token")(tokens))
        mask = nn.make_causal_mask(tokens)
        for i in range(LAYERS):
            x = Block(name=f"block_{i}")(x, mask, drop, own, f"block_{i}")
        return nn.Dense(self.vocabulary, name="head")(nn.LayerNorm(name="norm")(x))


class Block(nn.Module):
    @nn.compact
    def __call__(self, x, mask, drop, own, path):
        heads = nn.MultiHeadDotProductAttention(
            HEADS, dropout_rate=DROPOUT, deterministic=own(path) is None, attention_fn=attention, name="attention"
        )
        seen = heads(nn.LayerNorm(name="attention_norm")(x), mask=mask, dropout_rng=own(f"{path}/attention"))
        x = x + drop(f"{path}/attention_dropout", seen)
        hidden = nn.gelu(nn.Dense(4 * FEATURES, name="mlp_in")(nn.LayerNorm(name="mlp_norm")(x)))
        return x + drop(f"{path}/mlp_dropout", nn.Dense(FEATURES, name="mlp_out")(hidden))


def tokens():
    characters = (models.DATA / "shakespeare.txt").read_bytes()
    vocabulary = sorted(set(characters))
    ids = {c: i for i, c in enumerate(vocabulary)}
    return len(vocabulary), jnp.array([ids[c] for c in characters], jnp.int32)


def begin(key, model):
    initializers = {
        "kernel": nn.initializers.lecun_normal(),
        "embedding": nn.initializers.variance_scaling(1.0, "fan_in", "normal", out_axis=0),
        "bias": nn.initializers.zeros,
        "scale": nn.initializers.ones,
    }
    params, _ = models.draw(key, model, jnp.zeros((BATCH, CONTEXT), jnp.int32), initializers=initializers)
    rate = optax.warmup_cosine_decay_schedule(0.0, 1e-2, 30, STEPS)
    decays = lambda params: jax.tree.map(lambda x: x.ndim > 1, params)
    tx = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(rate, weight_decay=0.1, mask=decays))
    return tx, (params, tx.init(params), jnp.int32(0))


@functools.partial(jax.jit, static_argnums=(0, 1), donate_argnums=2)
def step(model, tx, training, key, text):
    params, opt, n = training
    window_key, dropout_key = jax.random.split(jax.random.fold_in(key, n))
    starts = jax.random.randint(window_key, (BATCH, 1), 0, text.size - CONTEXT)
    windows = text[starts + jnp.arange(CONTEXT + 1)]

    def loss(params):
        logits = model.apply({"params": params}, windows[:, :-1], dropout_key)
        return optax.softmax_cross_entropy_with_integer_labels(logits, windows[:, 1:]).mean()

    loss, grads = jax.value_and_grad(loss)(params)
    updates, opt = tx.update(grads, opt, params)
    return (optax.apply_updates(params, updates), opt, n + 1), loss


def main(until):
    vocabulary, text = tokens()
    model = Model(vocabulary)
    init_key, key = jax.random.split(jax.random.key(0))
    tx, training = begin(init_key, model)
    print("parameters:", models.count(training[0]))
    train = text[:378_000]
    losses = []
    for n in range(until):
        training, loss = step(model, tx, training, key, train)
        losses.append(loss)
        if n == 0:
            loss.block_until_ready()
            started = time.perf_counter()
    jax.block_until_ready(training)
    if until > 1:
        print(f"{(time.perf_counter() - started) * 1e3 / (until - 1):.1f} ms a step", file=sys.stderr)
    for n, loss in enumerate(losses[:8], 1):
        print(f"loss of step {n}:", loss.item())


if __name__ == "__main__":
    main(int(sys.argv[1]))
