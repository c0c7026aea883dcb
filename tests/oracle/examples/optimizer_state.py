"""The tutorial's `update` with an optimiser whose state is threaded through: Adam, in JAX, by hand and by Optax."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

LEARNING_RATE, BETA1, BETA2, EPSILON = 0.05, 0.9, 0.999, 1e-8


class Params(NamedTuple):
    weight: jax.Array
    bias: jax.Array


class Adam(NamedTuple):
    step: jax.Array
    mean: Params
    square: Params


def loss(params, x, y):
    return jnp.mean(jnp.square(params.weight * x + params.bias - y))


def adam_init(params):
    zeros = jax.tree.map(jnp.zeros_like, params)
    return Adam(jnp.array(0), zeros, zeros)


def adam_update(params, state, grads):
    step = state.step + 1
    mean = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, state.mean, grads)
    square = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, state.square, grads)
    t = step.astype(jnp.float32)
    scale = LEARNING_RATE * jnp.sqrt(1 - BETA2**t) / (1 - BETA1**t)
    params = jax.tree.map(lambda p, m, v: p - scale * m / (jnp.sqrt(v) + EPSILON), params, mean, square)
    return params, Adam(step, mean, square)


@jax.jit
def update(params, state, x, y):
    value, grads = jax.value_and_grad(loss)(params, x, y)
    params, state = adam_update(params, state, grads)
    return value, params, state


rng = jax.random.key(42)
x_rng, noise_rng = jax.random.split(rng)
xs = jax.random.normal(x_rng, (128, 1))
ys = xs * 2 - 1 + jax.random.normal(noise_rng, (128, 1)) * 0.5
params = Params(jnp.array(0.0), jnp.array(0.0))
state = adam_init(params)
for step in range(201):
    value, params, state = update(params, state, xs, ys)
    if step % 50 == 0:
        print(f"loss before step {step}:", value.item())
print("steps:", state.step.item())
print("weight:", params.weight.item())
print("bias:", params.bias.item())
print("mean square of the weight's gradients:", state.square.weight.item())

optimizer = optax.adam(LEARNING_RATE)


@jax.jit
def update_by_optax(params, state, x, y):
    value, grads = jax.value_and_grad(loss)(params, x, y)
    updates, state = optimizer.update(grads, state, params)
    return value, optax.apply_updates(params, updates), state


params = Params(jnp.array(0.0), jnp.array(0.0))
state = optimizer.init(params)
for step in range(201):
    value, params, state = update_by_optax(params, state, xs, ys)
print("by the library, loss before step 200:", value.item())
print("by the library, weight:", params.weight.item())
print("by the library, bias:", params.bias.item())
