"""A variational autoencoder that learns to draw digits. In JAX, Flax and Optax."""

import jax
import jax.numpy as jnp
import models
import optax
from flax import linen as nn

HIDDEN, LATENT, SIGMA, BATCH, TEST, EPOCHS = 256, 6, 0.25, 64, 297, 100


class Encoder(nn.Module):
    @nn.compact
    def __call__(self, images):
        x = nn.gelu(nn.Dense(HIDDEN, name="fc1")(images.reshape(len(images), -1)))
        x = nn.gelu(nn.Dense(HIDDEN, name="fc2")(x))
        return nn.Dense(LATENT, name="mean")(x), nn.Dense(LATENT, name="log_variance")(x)


class Decoder(nn.Module):
    @nn.compact
    def __call__(self, z):
        x = nn.gelu(nn.Dense(HIDDEN, name="fc1")(z))
        x = nn.gelu(nn.Dense(HIDDEN, name="fc2")(x))
        return nn.sigmoid(nn.Dense(64, name="pixels")(x)).reshape(-1, 8, 8)


class Model(nn.Module):
    """What an image costs, in nats."""

    @nn.compact
    def __call__(self, images, key):
        mean, log_variance = Encoder(name="encoder")(images)
        noise = jax.random.normal(models.key_of(key, "noise", 1), mean.shape)
        pixels = Decoder(name="decoder")(mean + jnp.exp(log_variance / 2) * noise)
        error = (optax.l2_loss(pixels, images) / SIGMA**2).sum((1, 2))
        divergence = (mean**2 + jnp.exp(log_variance) - log_variance - 1).sum(-1) / 2
        return (error + divergence).mean()


model = Model()


def step(tx, training, key, images):
    params, opt = training
    loss, grads = jax.value_and_grad(lambda params: model.apply({"params": params}, images, key))(params)
    updates, opt = tx.update(grads, opt, params)
    return (optax.apply_updates(params, updates), opt), loss


data = models.read_safetensors(models.DATA / "digits.safetensors")
order = jax.random.permutation(jax.random.key(1), len(data["images"]))
images = data["images"][order].astype(jnp.float32) / 16.0
n = len(images) - TEST
train, test = images[:n], images[n:]

init_key, key = jax.random.split(jax.random.key(0))
initializers = {"kernel": nn.initializers.lecun_normal(), "bias": nn.initializers.zeros}
params, _ = models.draw(init_key, model, train, key, initializers=initializers)
print("parameters:", models.count(params))
batches = n // BATCH
tx = optax.adam(optax.cosine_decay_schedule(3e-3, EPOCHS * batches))
training = (params, tx.init(params))


@jax.jit
def epoch(training, key, images):
    order_key, step_key = jax.random.split(key)
    order = jax.random.permutation(order_key, n)[: batches * BATCH].reshape(batches, BATCH)
    keys = jax.random.split(step_key, batches)
    return jax.lax.scan(lambda training, xs: step(tx, training, xs[1], images[xs[0]]), training, (order, keys))


evaluate = jax.jit(lambda params, images: model.apply({"params": params}, images, key))
for i in range(EPOCHS):
    training, losses = epoch(training, jax.random.fold_in(key, i), train)
    if i == 0:
        for number, loss in enumerate(losses[:8], 1):
            print(f"loss of step {number}:", loss.item())
loss = evaluate(training[0], test).item()
print("a held-out image costs less than 17 nats:", str(loss < 17).lower())
