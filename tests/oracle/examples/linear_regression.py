"""The tutorial's linear regression, in JAX: `linear_regression.py [table.csv]`."""

import csv
import sys
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

LEARNING_RATE = 0.005


class Params(NamedTuple):
    weight: jax.Array
    bias: jax.Array


def loss(params, x, y):
    pred = params.weight * x + params.bias
    return jnp.mean(jnp.square(pred - y))


def init(rng):
    weights_key, bias_key = jax.random.split(rng)
    return Params(jax.random.normal(weights_key, ()), jax.random.normal(bias_key, ()))


@jax.jit
def update(params, x, y):
    grads = jax.grad(loss)(params, x, y)
    return jax.tree.map(lambda p, g: p - g * LEARNING_RATE, params, grads)


def tutorial():
    rng = jax.random.key(42)
    x_rng, noise_rng = jax.random.split(rng)
    xs = jax.random.normal(x_rng, (128, 1))
    noise = jax.random.normal(noise_rng, (128, 1)) * 0.5
    ys = xs * 2 - 1 + noise
    params = init(rng)
    print("loss at the start:", loss(params, xs, ys).item())
    for _ in range(1000):
        params = update(params, xs, ys)
    print("loss at the end:", loss(params, xs, ys).item())
    print("weight:", params.weight.item())
    print("bias:", params.bias.item())


class Model(NamedTuple):
    weights: jax.Array
    bias: jax.Array


def table_loss(model, x, y):
    return jnp.mean(jnp.square(x @ model.weights + model.bias - y))


@jax.jit
def table_update(model, x, y):
    grads = jax.grad(table_loss)(model, x, y)
    return jax.tree.map(lambda p, g: p - g * 0.05, model, grads)


def table(path):
    with open(path) as file:
        names, *rows = csv.reader(file)
    cells = np.array(rows, np.float32)
    x, y = jnp.array(cells[:, :-1]), jnp.array(cells[:, -1])
    x_mean, x_std, y_mean, y_std = jnp.mean(x, 0), jnp.std(x, 0), jnp.mean(y), jnp.std(y)
    x, y = (x - x_mean) / x_std, (y - y_mean) / y_std
    model = Model(jnp.zeros(x.shape[1]), jnp.array(0.0))
    print("loss at the start:", table_loss(model, x, y).item())
    for _ in range(1000):
        model = table_update(model, x, y)
    print("loss at the end:", table_loss(model, x, y).item())
    # Back to the units of the table.
    weights = model.weights * y_std / x_std
    bias = y_mean + model.bias * y_std - weights @ x_mean
    for name, weight in zip(names, weights):
        print(f"weight of {name}:", weight.item())
    print("bias:", bias.item())


if len(sys.argv) > 1:
    table(sys.argv[1])
else:
    tutorial()
