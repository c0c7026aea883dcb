"""Proximal policy optimisation learns to balance a pole, in 1,024 environments at once. In JAX, Flax and Optax."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import models
import optax
from flax import linen as nn

ENVIRONMENTS, STEPS, ITERATIONS, EPOCHS, MINIBATCHES, GOAL = 1024, 32, 30, 4, 8, 500
DISCOUNT, LAMBDA, CLIP = 0.99, 0.95, 0.2


class Cart(NamedTuple):
    x: Any
    speed: Any
    angle: Any
    spin: Any
    steps: Any


def new_cart(key):
    return Cart(*jax.random.uniform(key, (4,), minval=-0.05, maxval=0.05), jnp.int32(0))


def observation(cart):
    return jnp.stack([cart.x, cart.speed, cart.angle, cart.spin])


def pushed(cart, action):
    gravity, pole, half_length, both = 9.8, 0.1, 0.5, 1.1
    force = jnp.where(action == 1, 10.0, -10.0)
    sin, cos = jnp.sin(cart.angle), jnp.cos(cart.angle)
    push = (force + pole * half_length * jnp.square(cart.spin) * sin) / both
    turn = (gravity * sin - cos * push) / (half_length * (4.0 / 3.0 - pole * jnp.square(cos) / both))
    acceleration = push - pole * half_length * turn * cos / both
    return Cart(
        cart.x + 0.02 * cart.speed,
        cart.speed + 0.02 * acceleration,
        cart.angle + 0.02 * cart.spin,
        cart.spin + 0.02 * turn,
        cart.steps + 1,
    )


def fell(cart):
    return (jnp.abs(cart.x) > 2.4) | (jnp.abs(cart.angle) > math.radians(12.0))


class Tower(nn.Module):
    outputs: int

    @nn.compact
    def __call__(self, x):
        x = jnp.tanh(nn.Dense(64, name="fc1")(x))
        x = jnp.tanh(nn.Dense(64, name="fc2")(x))
        return nn.Dense(self.outputs, name="head")(x)


class Agent(nn.Module):
    @nn.compact
    def __call__(self, observations):
        return Tower(2, name="actor")(observations), Tower(1, name="critic")(observations).squeeze(-1)


def log_prob(logits, actions):
    return -optax.softmax_cross_entropy_with_integer_labels(logits, actions)


class Transition(NamedTuple):
    observation: Any
    action: Any
    log_prob: Any
    value: Any
    done: Any
    length: Any


agent = Agent()


def act(params, carts, key):
    action_key, reset_key = jax.random.split(key)
    seen = jax.vmap(observation)(carts)
    logits, value = agent.apply({"params": params}, seen)
    action = jax.random.categorical(action_key, logits)
    moved = jax.vmap(pushed)(carts, action)
    done = fell(moved) | (moved.steps >= GOAL)
    fresh = jax.vmap(new_cart)(jax.random.split(reset_key, ENVIRONMENTS))
    carts = jax.tree.map(lambda new, old: jnp.where(done, new, old), fresh, moved)
    length = jnp.where(done, moved.steps, 0)
    return carts, Transition(seen, action, log_prob(logits, action), value, done, length)


def advantages_of(steps, last):
    def body(carry, xs):
        (advantage, next), (value, done) = carry, xs
        goes_on = 1.0 - done
        surprise = 1.0 + DISCOUNT * next * goes_on - value
        advantage = surprise + DISCOUNT * LAMBDA * goes_on * advantage
        return (advantage, value), advantage

    return jax.lax.scan(body, (jnp.zeros_like(last), last), (steps.value, steps.done), reverse=True)[1]


def loss_of(params, batch):
    steps, advantages, returns = batch
    logits, values = agent.apply({"params": params}, steps.observation)
    ratio = jnp.exp(log_prob(logits, steps.action) - steps.log_prob)
    advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    clipped = jnp.clip(ratio, 1.0 - CLIP, 1.0 + CLIP) * advantages
    policy = -jnp.minimum(ratio * advantages, clipped).mean()
    value = jnp.square(values - returns).mean()
    entropy = -(nn.softmax(logits) * nn.log_softmax(logits)).sum(-1).mean()
    return policy + 0.5 * value - 0.01 * entropy


tx = optax.chain(optax.clip_by_global_norm(0.5), optax.adam(2.5e-3))


@jax.jit
def iteration(training, key):
    params, opt, carts = training
    act_key, order_key = jax.random.split(key)
    carts, steps = jax.lax.scan(lambda carts, key: act(params, carts, key), carts, jax.random.split(act_key, STEPS))
    _, last = agent.apply({"params": params}, jax.vmap(observation)(carts))
    advantages = advantages_of(steps, last)
    length = steps.length.sum() / jnp.maximum(steps.done.sum(dtype=jnp.float32), 1.0)

    n = STEPS * ENVIRONMENTS
    flat = lambda x: x.reshape(n, *x.shape[2:])
    everything = jax.tree.map(flat, (steps, advantages, advantages + steps.value))
    orders = jax.vmap(lambda key: jax.random.permutation(key, n))(jax.random.split(order_key, EPOCHS))

    def body(carry, rows):
        params, opt = carry
        loss, grads = jax.value_and_grad(loss_of)(params, jax.tree.map(lambda x: x[rows], everything))
        updates, opt = tx.update(grads, opt, params)
        return (optax.apply_updates(params, updates), opt), loss

    (params, opt), losses = jax.lax.scan(body, (params, opt), orders.reshape(EPOCHS * MINIBATCHES, -1))
    return (params, opt, carts), (length, losses.mean())


@jax.jit
def balanced(params, carts):
    def body(carts, _):
        logits, _ = agent.apply({"params": params}, jax.vmap(observation)(carts))
        moved, over = jax.vmap(pushed)(carts, logits.argmax(-1)), fell(carts)
        return jax.tree.map(lambda old, new: jnp.where(over, old, new), carts, moved), None

    return jax.lax.scan(body, carts, length=GOAL)[0].steps


init_key, cart_key, test_key, key = jax.random.split(jax.random.key(0), 4)
new_carts = jax.jit(lambda key: jax.vmap(new_cart)(jax.random.split(key, ENVIRONMENTS)))
initializers = {"kernel": nn.initializers.lecun_normal(), "bias": nn.initializers.zeros}
params, _ = models.draw(init_key, agent, jnp.zeros((1, 4)), initializers=initializers)
print("parameters:", models.count(params))
training = (params, tx.init(params), new_carts(cart_key))
for i in range(ITERATIONS):
    training, (length, loss) = iteration(training, jax.random.fold_in(key, i))
    if i < 2:
        print(f"iteration {i}: poles fell after {length.item()} steps, loss {loss.item()}")
steps = balanced(training[0], new_carts(test_key))
print("more than 450 of 500 steps:", str(steps.mean().item() > 450.0).lower())
