"""Random numbers are functions of keys, in JAX."""

import jax
import jax.numpy as jnp


def show(name, x):
    print(f"{name}:", *jnp.ravel(x).tolist())


key = jax.random.key(42)
show("key", jax.random.key_data(key))
first, second = jax.random.split(key)
show("split", jax.random.key_data(jnp.stack([first, second])))
show("fold_in", jax.random.key_data(jax.random.fold_in(key, 7)))
show("bits", jax.random.bits(key, (4,)))
show("normal", jax.random.normal(key))
show("normal again", jax.random.normal(key))
show("normal, first half", jax.random.normal(first))
show("normal, second half", jax.random.normal(second))
show("uniform", jax.random.uniform(key, (3,)))
show("randint", jax.random.randint(key, (5,), 0, 100))


def sample(key):
    key, subkey = jax.random.split(key)
    return key, jax.random.normal(subkey)


sample = jax.jit(sample)
state = key
for _ in range(3):
    state, x = sample(state)
    show("sample", x)

keys = jax.random.split(key, 3)
show("vmapped", jax.vmap(lambda k: jax.random.normal(k, (2,)))(keys))
