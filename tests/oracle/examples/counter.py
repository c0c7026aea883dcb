"""The tutorial's counters, in JAX."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import io_callback


class Counter:
    def __init__(self):
        self.n = 0

    def count(self):
        self.n += 1
        return self.n


counter = Counter()
fast_count = jax.jit(counter.count)
print("hidden state, jitted:", *(fast_count() for _ in range(3)))
print("the hidden counter:", counter.n)

traces, compiles = 0, 0


def listen(event, duration, **_):
    global compiles
    compiles += event == "/jax/core/compile/backend_compile_duration"


def count(n):
    global traces
    traces += 1
    return n + 1, n + 1


jax.monitoring.register_event_duration_secs_listener(listen)
fast_count = jax.jit(count)
state, values = 0, []
for _ in range(3):
    value, state = fast_count(state)
    values.append(value)
print("explicit state, jitted:", *values)
print("traces:", traces, "compiles:", compiles)


# The general strategy: a method (args, hidden state) -> value becomes a function (state, args) -> (value, state).
def deposit(account, amount):
    balance, deposits = account
    balance = balance + amount
    return balance, (balance, deposits + 1)


fast_deposit = jax.jit(deposit)
account = (0.0, 0)
for amount in [10.0, 2.5, 0.25]:
    balance, account = fast_deposit(account, amount)
    print("balance:", balance, "deposits:", account[1])


# Side effects that are meant.
@jax.jit
def double(x):
    print("traced with", x)
    jax.debug.print("called with {}", x, ordered=True)
    return x * 2.0


for x in [1.0, 2.0, 3.0]:
    double(jnp.float32(x))
jax.effects_barrier()

counter = Counter()
fast_count = jax.jit(lambda: io_callback(lambda: np.int32(counter.count()), jax.ShapeDtypeStruct((), jnp.int32), ordered=True))
print("hidden state, by a callback:", *(fast_count() for _ in range(3)))
print("the hidden counter:", counter.n)
