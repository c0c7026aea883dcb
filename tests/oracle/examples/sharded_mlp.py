"""A multilayer perceptron on eight devices, by data parallelism, tensor parallelism and both. In JAX and Optax.

With an argument it prints so many digits of each loss instead of four.
"""

import sys
from typing import NamedTuple

import jax
import jax.numpy as jnp
import models
import optax
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P

HIDDEN, BATCH, BATCHES, STEPS = 32, 128, 12, 240
DIGITS = int(sys.argv[1]) if len(sys.argv) > 1 else 4


class Params(NamedTuple):
    weight1: jax.Array
    bias1: jax.Array
    weight2: jax.Array
    bias2: jax.Array


def init(key):
    key1, key2 = jax.random.split(key)
    return Params(
        jax.random.normal(key1, (64, HIDDEN)) / 8.0,
        jnp.zeros(HIDDEN),
        jax.random.normal(key2, (HIDDEN, 10)) / 8.0,
        jnp.zeros(10),
    )


def model(params, images):
    hidden = jax.nn.relu(images @ params.weight1 + params.bias1)
    return hidden @ params.weight2 + params.bias2


def step(params, images, labels):
    loss = lambda params: optax.softmax_cross_entropy_with_integer_labels(model(params, images), labels).mean()
    loss, grads = jax.value_and_grad(loss)(params)
    return jax.tree.map(lambda p, g: p - g * 0.2, params, grads), loss


def describe(name, x, spec):
    assert x.sharding.is_equivalent_to(NamedSharding(x.sharding.mesh, spec), x.ndim)
    print(f"{name}: {list(x.shape)} as {spec} is {list(x.sharding.shard_shape(x.shape))} on each device")


def train(name, mesh, images, labels):
    print(f"{name}: {mesh}")
    specs = Params(P(None, "model"), P("model"), P("model"), P())
    on = lambda spec: NamedSharding(mesh, spec)
    params = jax.device_put(init(jax.random.key(0)), Params(*map(on, specs)))
    part = lambda x, i: jax.device_put(x[i * BATCH : (i + 1) * BATCH], on(P("data")))
    batches = [(part(images, i), part(labels, i)) for i in range(BATCHES)]
    for field, x, spec in zip(Params._fields, params, specs):
        describe(field, x, spec)
    describe("images", batches[0][0], P("data"))
    jax.debug.visualize_array_sharding(params.weight1, use_color=False)

    jitted = jax.jit(step, donate_argnums=0)
    for i in range(STEPS):
        # The devices are threads of one pool, in which programs that begin before the last has ended may wait for each other for ever.
        params, loss = jax.block_until_ready(jitted(params, *batches[i % BATCHES]))
        if i % 40 == 0:
            print(f"loss of step {i}: {loss.item():.{DIGITS}f}")
    print(f"after {STEPS} steps weight1 is {list(params.weight1.sharding.shard_shape(params.weight1.shape))} on each device")
    accuracy = jax.jit(lambda params, x, y: (model(params, x).argmax(-1) == y).mean())
    right = accuracy(params, images[BATCH * BATCHES :], labels[BATCH * BATCHES :]).item()
    print("more than 90 of 100 held-out images read:", str(right > 0.9).lower())


def main():
    jax.config.update("jax_num_cpu_devices", 8)
    data = models.read_safetensors(models.DATA / "digits.safetensors")
    order = jax.random.permutation(jax.random.key(1), data["labels"].size)
    images = data["images"][order].astype(jnp.float32).reshape(-1, 64) / 16.0
    labels = data["labels"][order].astype(jnp.int32)
    mesh = lambda *sizes: jax.make_mesh(sizes, ("data", "model"), axis_types=(AxisType.Auto,) * 2)
    train("data parallel", mesh(8, 1), images, labels)
    train("tensor parallel", mesh(1, 8), images, labels)
    train("both", mesh(4, 2), images, labels)


if __name__ == "__main__":
    main()
