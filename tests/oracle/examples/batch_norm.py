"""Batch normalisation: statistics are state, threaded through training and used as they are in evaluation. In JAX, by
hand and by Flax."""

import csv
import sys
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

MOMENTUM, EPSILON, LEARNING_RATE, BATCH = 0.9, 1e-5, 0.05, 17


class Params(NamedTuple):
    scale: jax.Array
    shift: jax.Array
    weights: jax.Array
    bias: jax.Array


class Stats(NamedTuple):
    mean: jax.Array
    var: jax.Array


def predict(params, stats, x, train):
    if train:
        mean, var = jnp.mean(x, 0), jnp.var(x, 0)
        stats = Stats(
            MOMENTUM * stats.mean + (1 - MOMENTUM) * mean,
            MOMENTUM * stats.var + (1 - MOMENTUM) * var,
        )
    else:
        mean, var = stats.mean, stats.var
    normed = (x - mean) / jnp.sqrt(var + EPSILON) * params.scale + params.shift
    return normed @ params.weights + params.bias, stats


def train_loss(params, stats, x, y):
    pred, stats = predict(params, stats, x, train=True)
    return jnp.mean(jnp.square(pred - y)), stats


traces = 0


@jax.jit
def train_step(params, stats, x, y):
    global traces
    traces += 1
    (value, stats), grads = jax.value_and_grad(train_loss, has_aux=True)(params, stats, x, y)
    params = jax.tree.map(lambda p, g: p - LEARNING_RATE * g, params, grads)
    return value, params, stats


@jax.jit
def evaluate(params, stats, x, y):
    pred, _ = predict(params, stats, x, train=False)
    return jnp.mean(jnp.square(pred - y))


with open(sys.argv[1]) as file:
    names, *rows = csv.reader(file)
cells = np.array(rows, np.float32)
x, y = jnp.array(cells[:, :-1]), jnp.array(cells[:, -1])
features = x.shape[1]
params = Params(jnp.ones(features), jnp.zeros(features), jnp.zeros(features), jnp.array(0.0))
stats = Stats(jnp.zeros(features), jnp.ones(features))
print("evaluation at the start:", evaluate(params, stats, x, y).item())
for epoch in range(50):
    for start in range(0, len(y) - BATCH + 1, BATCH):
        xs, ys = x[start : start + BATCH], y[start : start + BATCH]
        value, params, stats = train_step(params, stats, xs, ys)
print("loss of the last batch:", value.item())
print("evaluation at the end:", evaluate(params, stats, x, y).item())
for name, mean, var in zip(names, stats.mean, stats.var):
    print(f"running mean and variance of {name}:", mean.item(), var.item())
print("traces:", traces)


class Model(nn.Module):
    @nn.compact
    def __call__(self, x, train):
        normed = nn.BatchNorm(not train, momentum=MOMENTUM, epsilon=EPSILON, use_fast_variance=False, name="norm")(x)
        return nn.Dense(1, kernel_init=nn.initializers.zeros, name="out")(normed).reshape(-1)


@jax.jit
def step(params, state, x, y):
    def loss(params):
        out, new = Model().apply({"params": params, "batch_stats": state}, x, True, mutable="batch_stats")
        return jnp.mean(jnp.square(out - y)), new["batch_stats"]

    (value, state), grads = jax.value_and_grad(loss, has_aux=True)(params)
    return value, jax.tree.map(lambda p, g: p - LEARNING_RATE * g, params, grads), state


variables = Model().init(jax.random.key(0), x, True)
params, state = variables["params"], variables["batch_stats"]
for epoch in range(50):
    for start in range(0, len(y) - BATCH + 1, BATCH):
        value, params, state = step(params, state, x[start : start + BATCH], y[start : start + BATCH])
out = Model().apply({"params": params, "batch_stats": state}, x, False)
print("by the library, loss of the last batch:", value.item())
print("by the library, evaluation at the end:", jnp.mean(jnp.square(out - y)).item())
