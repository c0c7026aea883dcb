"""A convolutional network with BatchNorm that reads digits, with random augmentation and an epoch as one scan. In JAX, Flax and Optax."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import models
import optax
from flax import linen as nn

BATCH, TEST, EPOCHS = 64, 297, 12


class Block(nn.Module):
    features: int

    @nn.compact
    def __call__(self, x, train):
        x = nn.Conv(self.features, (3, 3), name="conv")(x)
        return nn.relu(nn.BatchNorm(momentum=0.9, use_running_average=not train, name="norm")(x))


class Model(nn.Module):
    @nn.compact
    def __call__(self, images, key=None):
        train = key is not None
        x = Block(16, name="block1")(images, train)
        x = nn.max_pool(Block(32, name="block2")(x, train), (2, 2), (2, 2))
        x = x.reshape(len(images), -1)
        own = models.key_of(key, "dropout", 1) if train else None
        x = nn.Dropout(0.2)(x, deterministic=not train, rng=own)
        return nn.Dense(10, name="head")(x)


class Training(NamedTuple):
    params: Any
    stats: Any
    opt: Any


model = Model()


def moved(key, images):
    by = jax.random.randint(key, (len(images), 2), 0, 3)
    padded = jnp.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return jax.vmap(lambda image, by: jax.lax.dynamic_slice(image, (by[0], by[1], 0), (8, 8, 1)))(padded, by)


def step(tx, was, key, images, labels):
    move_key, dropout_key = jax.random.split(key)
    images = moved(move_key, images)

    def loss(params):
        variables = {"params": params, "batch_stats": was.stats}
        logits, changed = model.apply(variables, images, dropout_key, mutable=["batch_stats"])
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        return losses.mean(), changed["batch_stats"]

    (loss, stats), grads = jax.value_and_grad(loss, has_aux=True)(was.params)
    updates, opt = tx.update(grads, was.opt, was.params)
    return Training(optax.apply_updates(was.params, updates), stats, opt), loss


def begin(key, images):
    initializers = {"kernel": nn.initializers.lecun_normal(), "bias": nn.initializers.zeros, "scale": nn.initializers.ones}
    params, _ = models.draw(key, model, images, initializers=initializers)
    norm = lambda features: {"norm": {"mean": jnp.zeros(features), "var": jnp.ones(features)}}
    stats = {"block1": norm(16), "block2": norm(32)}
    tx = optax.adam(optax.cosine_decay_schedule(5e-3, EPOCHS * (len(images) // BATCH)))
    return tx, Training(params, stats, tx.init(params))


@functools.partial(jax.jit, static_argnums=0)
def epoch(tx, training, key, x, y):
    order_key, step_key = jax.random.split(key)
    batches = len(x) // BATCH
    order = jax.random.permutation(order_key, len(x))[: batches * BATCH].reshape(batches, BATCH)
    keys = jax.random.split(step_key, batches)
    body = lambda training, xs: step(tx, training, xs[1], x[xs[0]], y[xs[0]])
    return jax.lax.scan(body, training, (order, keys))


@jax.jit
def accuracy(training, x, y):
    logits = model.apply({"params": training.params, "batch_stats": training.stats}, x)
    return (logits.argmax(-1) == y).mean()


def main():
    data = models.read_safetensors(models.DATA / "digits.safetensors")
    order = jax.random.permutation(jax.random.key(1), data["labels"].size)
    images = data["images"][order].astype(jnp.float32).reshape(-1, 8, 8, 1) / 16.0
    labels = data["labels"][order].astype(jnp.int32)
    n = len(images) - TEST
    train_x, train_y, test_x, test_y = images[:n], labels[:n], images[n:], labels[n:]

    init_key, key = jax.random.split(jax.random.key(0))
    tx, training = begin(init_key, train_x)
    print("parameters:", models.count(training.params))
    for i in range(EPOCHS):
        training, losses = epoch(tx, training, jax.random.fold_in(key, i), train_x, train_y)
        if i == 0:
            for number, loss in enumerate(losses[:8], 1):
                print(f"loss of step {number}:", loss.item())
    right = accuracy(training, test_x, test_y).item()
    print("more than 98 of 100 held-out images read:", str(right > 0.98).lower())


if __name__ == "__main__":
    main()
