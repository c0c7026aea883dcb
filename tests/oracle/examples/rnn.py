"""A recurrent network that reads digits row by row, from above and from below, with an epoch as one scan. In JAX, Flax and Optax."""

import jax
import jax.numpy as jnp
import models
import optax
from flax import linen as nn

FEATURES, BATCH, TEST, EPOCHS = 64, 64, 297, 15


class BothWays(nn.Module):
    """What is known of each sequence after its last element, and after its first when read backwards."""

    @nn.compact
    def __call__(self, x):
        down, _ = nn.RNN(nn.GRUCell(FEATURES, name="forward"), return_carry=True)(x)
        up, _ = nn.RNN(nn.GRUCell(FEATURES, name="backward"), return_carry=True, reverse=True)(x)
        return jnp.concatenate([down, up], -1)


class Model(nn.Module):
    @nn.compact
    def __call__(self, images):
        return nn.Dense(10, name="head")(BothWays(name="rows")(images))


model = Model()


def step(tx, training, images, labels):
    params, opt = training

    def loss(params):
        logits = model.apply({"params": params}, images)
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    loss, grads = jax.value_and_grad(loss)(params)
    updates, opt = tx.update(grads, opt, params)
    return (optax.apply_updates(params, updates), opt), loss


data = models.read_safetensors(models.DATA / "digits.safetensors")
order = jax.random.permutation(jax.random.key(1), data["labels"].size)
images = data["images"][order].astype(jnp.float32) / 16.0
labels = data["labels"][order].astype(jnp.int32)
n = len(images) - TEST
train_x, train_y, test_x, test_y = images[:n], labels[:n], images[n:], labels[n:]

init_key, key = jax.random.split(jax.random.key(0))
initializers = {"kernel": nn.initializers.lecun_normal(), "bias": nn.initializers.zeros}
initializers |= {f"{gate}/kernel": nn.initializers.orthogonal() for gate in ("hr", "hz", "hn")}
params, _ = models.draw(init_key, model, train_x, initializers=initializers)
print("parameters:", models.count(params))
batches = n // BATCH
rate = optax.cosine_decay_schedule(1e-2, EPOCHS * batches)
tx = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(rate))
training = (params, tx.init(params))


@jax.jit
def epoch(training, key, x, y):
    order = jax.random.permutation(key, n)[: batches * BATCH].reshape(batches, BATCH)
    return jax.lax.scan(lambda training, rows: step(tx, training, x[rows], y[rows]), training, order)


@jax.jit
def accuracy(params, x, y):
    return (model.apply({"params": params}, x).argmax(-1) == y).mean()


for i in range(EPOCHS):
    training, losses = epoch(training, jax.random.fold_in(key, i), train_x, train_y)
    if i == 0:
        for number, loss in enumerate(losses[:8], 1):
            print(f"loss of step {number}:", loss.item())
right = accuracy(training[0], test_x, test_y).item()
print("more than 96 of 100 held-out images read:", str(right > 0.96).lower())
