"""Writes which programs JAX's `debug_key_reuse` refuses, tests/fixtures/key_reuse.json: of each program, called as it is and jitted, whether
it raises `KeyReuseError`. `cargo test --test suite key_reuse` compares.

Run with JAX 0.10.2: python tests/oracle/key_reuse.py
`--check` compares with the file instead.
"""

import json
import pathlib
import sys

import jax
import jax.numpy as jnp
from jax import lax, random

uniform, normal, split = random.uniform, random.normal, random.split
programs = {}


def program(f):
    programs[f.__name__.replace("_", " ").strip()] = f
    return f


@program
def draw_once(key):
    return uniform(key)


@program
def draw_twice(key):
    return uniform(key) + uniform(key)


@program
def draw_from_two_distributions(key):
    return uniform(key) + normal(key)


@program
def draw_after_split(key):
    new = split(key)
    return uniform(key), new


@program
def split_after_draw(key):
    return uniform(key), split(key)


@program
def split_twice(key):
    return split(key), split(key)


@program
def draw_from_each_of_split(key):
    a, b = split(key)
    return uniform(a) + uniform(b)


@program
def draw_twice_from_one_of_split(key):
    a, b = split(key)
    return uniform(a) + uniform(b) + normal(a)


@program
def draw_after_fold_in(key):
    new = random.fold_in(key, 1)
    return uniform(new) + uniform(key)


@program
def fold_in_twice(key):
    return uniform(random.fold_in(key, 1)) + uniform(random.fold_in(key, 1))


@program
def fold_in_after_draw(key):
    return uniform(key) + uniform(random.fold_in(key, 1))


@program
def draw_from_a_clone(key):
    again = random.clone(key)
    return uniform(key) + uniform(again)


@program
def draw_from_a_clone_of_a_used_key(key):
    x = uniform(key)
    return x + uniform(random.clone(key))


@program
def draw_twice_from_a_clone(key):
    again = random.clone(key)
    return uniform(again) + uniform(again)


@program
def wrap_twice(key):
    words = random.key_data(key)
    return uniform(random.wrap_key_data(words)) + uniform(random.wrap_key_data(words))


@program
def key_data_of_a_used_key(key):
    return uniform(key), random.key_data(key)


@program
def two_keys_of_one_seed(key):
    return uniform(random.key(3)) + uniform(random.key(3)) + uniform(key)


@program
def elements(key):
    keys = split(key, 3)
    return uniform(keys[0]) + uniform(keys[2])


@program
def an_element_twice(key):
    keys = split(key, 3)
    return uniform(keys[1]) + normal(keys[1])


@program
def an_element_and_all(key):
    keys = split(key, 3)
    x = uniform(keys[0])
    return x + jnp.sum(jax.vmap(uniform)(keys))


@program
def all_and_an_element(key):
    keys = split(key, 3)
    x = jnp.sum(jax.vmap(uniform)(keys))
    return x + uniform(keys[0])


@program
def vmap_over_keys(key):
    return jax.vmap(uniform)(split(key, 3))


@program
def vmap_twice_over_keys(key):
    keys = split(key, 3)
    return jax.vmap(uniform)(keys) + jax.vmap(normal)(keys)


@program
def vmap_of_reuse(key):
    return jax.vmap(lambda key: uniform(key) + uniform(key))(split(key, 3))


@program
def vmap_of_split(key):
    def f(key):
        a, b = split(key)
        return uniform(a) + uniform(b)

    return jax.vmap(f)(split(key, 3))


@program
def vmap_over_seeds(key):
    return jax.vmap(lambda seed: uniform(random.key(seed)))(jnp.arange(3)) + uniform(key)


@program
def vmap_over_seeds_of_reuse(key):
    def f(seed):
        key = random.key(seed)
        return uniform(key) + uniform(key)

    return jax.vmap(f)(jnp.arange(3)) + uniform(key)


@program
def vmap_that_captures(key):
    return jax.vmap(lambda x: x + uniform(key))(jnp.arange(3.0))


@program
def vmap_that_captures_a_used_key(key):
    y = uniform(key)
    return jax.vmap(lambda x: x + uniform(key))(jnp.arange(3.0)) + y


@program
def jit_once(key):
    return jax.jit(uniform)(key)


@program
def jit_twice(key):
    f = jax.jit(lambda key: uniform(key))
    return f(key) + f(key)


@program
def jit_of_reuse(key):
    return jax.jit(lambda key: uniform(key) + uniform(key))(key)


@program
def jit_after_draw(key):
    return uniform(key) + jax.jit(lambda key: uniform(key))(key)


@program
def draw_after_jit(key):
    return jax.jit(lambda key: uniform(key))(key) + uniform(key)


@program
def jit_that_captures(key):
    return jax.jit(lambda x: x + uniform(key))(1.0)


@program
def jit_that_captures_twice(key):
    f = jax.jit(lambda x: x + uniform(key))
    return f(f(1.0))


@program
def jit_that_makes_its_key_twice(key):
    f = jax.jit(lambda x: x + uniform(random.key(1)))
    return f(f(1.0)) + uniform(key)


@program
def jit_that_passes_a_key_on(key):
    key = jax.jit(lambda key: key)(key)
    return uniform(key)


@program
def jit_that_gives_a_used_key(key):
    x, key = jax.jit(lambda key: (uniform(key), key))(key)
    return x + uniform(key)


@program
def jit_that_gives_a_key_that_it_made_and_used(key):
    def f(x):
        key = random.key(1)
        return x + uniform(key), key

    x, made = jax.jit(f)(1.0)
    return x + uniform(made) + uniform(key)


@program
def jit_that_gives_new_keys(key):
    def f(key):
        new, own = split(key)
        return uniform(own), new

    f = jax.jit(f)
    x, key = f(key)
    y, key = f(key)
    return x + y + uniform(key)


@program
def jit_of_one_key_twice(key):
    return jax.jit(lambda a, b: uniform(a) + jnp.sum(random.key_data(b)))(key, key)


@program
def jit_of_elements(key):
    return jax.jit(lambda keys: uniform(keys[0]) + uniform(keys[1]))(split(key, 3))


@program
def jit_of_an_element_and_that_element(key):
    keys = split(key, 3)
    x = jax.jit(lambda keys: uniform(keys[0]))(keys)
    return x + uniform(keys[0])


@program
def jit_of_an_element_and_another(key):
    keys = split(key, 3)
    x = jax.jit(lambda keys: uniform(keys[0]))(keys)
    return x + uniform(keys[1])


@program
def nested_jit_of_reuse(key):
    inner = jax.jit(lambda key: uniform(key))
    return jax.jit(lambda key: inner(key) + inner(key))(key)


@program
def unused_draw(key):
    uniform(key)
    return uniform(key)


@program
def donated_key(key):
    f = jax.jit(lambda key: split(key), donate_argnums=0)
    a, b = f(key)
    return uniform(a) + uniform(b)


@program
def scan_over_keys(key):
    return lax.scan(lambda c, key: (c + uniform(key), None), 0.0, split(key, 3))[0]


@program
def scan_twice_over_keys(key):
    keys = split(key, 3)
    f = lambda c, key: (c + uniform(key), None)
    return lax.scan(f, lax.scan(f, 0.0, keys)[0], keys)[0]


@program
def scan_that_captures(key):
    return lax.scan(lambda c, x: (c + uniform(key), None), 0.0, jnp.arange(3.0))[0]


@program
def scan_that_folds_in(key):
    return lax.scan(lambda c, x: (c + uniform(random.fold_in(key, x)), None), 0.0, jnp.arange(3))[0]


@program
def scan_that_carries_a_split_key(key):
    def f(key, x):
        key, own = split(key)
        return key, uniform(own)

    return lax.scan(f, key, jnp.arange(3))[1]


@program
def scan_that_carries_a_used_key(key):
    return lax.scan(lambda key, x: (key, uniform(key)), key, jnp.arange(3))[1]


@program
def scan_that_carries_two_keys(key):
    def f(keys, x):
        return tuple(split(keys[0])), x

    a, b = lax.scan(f, tuple(split(key)), jnp.arange(3))[0]
    return uniform(a) + uniform(b)


@program
def scan_of_reuse(key):
    return lax.scan(lambda c, key: (c + uniform(key) + uniform(key), None), 0.0, split(key, 3))[0]


@program
def draw_after_scan(key):
    def f(key, x):
        key, own = split(key)
        return key, uniform(own)

    last, x = lax.scan(f, key, jnp.arange(3))
    return x + uniform(last)


@program
def draw_from_what_was_carried_at_first(key):
    def f(key, x):
        key, own = split(key)
        return key, uniform(own)

    x = lax.scan(f, key, jnp.arange(3))[1]
    return x + uniform(key)


@program
def while_that_captures(key):
    return lax.while_loop(lambda x: x < 3.0, lambda x: x + 1.0 + uniform(key), 0.0)


@program
def while_whose_condition_captures(key):
    return lax.while_loop(lambda x: x < 3.0 + uniform(key), lambda x: x + 1.0, 0.0)


@program
def while_that_carries_a_split_key(key):
    def f(c):
        key, own = split(c[0])
        return key, c[1] + 1.0 + uniform(own)

    return lax.while_loop(lambda c: c[1] < 3.0, f, (key, 0.0))[1]


@program
def while_that_carries_a_used_key(key):
    return lax.while_loop(lambda c: c[1] < 3.0, lambda c: (c[0], c[1] + 1.0 + uniform(c[0])), (key, 0.0))[1]


@program
def while_whose_condition_uses_what_is_carried(key):
    return lax.while_loop(lambda c: c[1] < uniform(c[0]), lambda c: (c[0], c[1] + 1.0), (key, 0.0))[1]


@program
def while_whose_condition_and_body_use_a_key(key):
    def f(c):
        key, own = split(c[0])
        return key, c[1] + 1.0 + uniform(own)

    return lax.while_loop(lambda c: c[1] < uniform(c[0]), f, (key, 0.0))[1]


@program
def fori_loop_that_captures(key):
    return lax.fori_loop(0, 3, lambda i, x: x + uniform(key), 0.0)


@program
def fori_loop_that_folds_in(key):
    return lax.fori_loop(0, 3, lambda i, x: x + uniform(random.fold_in(key, i)), 0.0)


@program
def map_over_keys(key):
    return lax.map(uniform, split(key, 3))


@program
def cond_of_two_draws(key):
    return lax.cond(True, lambda key: uniform(key), lambda key: normal(key), key)


@program
def cond_of_one_draw_and_draw(key):
    return lax.cond(True, lambda key: 1.0, lambda key: normal(key), key) + uniform(key)


@program
def cond_without_draw_and_draw(key):
    return lax.cond(True, lambda key: 1.0, lambda key: 2.0, key) + uniform(key)


@program
def cond_of_a_used_key(key):
    return uniform(key) + lax.cond(True, lambda key: uniform(key), lambda key: normal(key), key)


@program
def cond_that_captures(key):
    return lax.cond(True, lambda: uniform(key), lambda: normal(key))


@program
def cond_with_a_key_for_each_branch(key):
    a, b = split(key)
    return lax.cond(True, lambda a, b: uniform(a), lambda a, b: normal(b), a, b)


@program
def cond_with_a_key_for_each_branch_and_draw(key):
    a, b = split(key)
    return lax.cond(True, lambda a, b: uniform(a), lambda a, b: normal(b), a, b) + uniform(b)


@program
def cond_of_reuse(key):
    return lax.cond(True, lambda key: uniform(key) + uniform(key), lambda key: 1.0, key)


@program
def switch_of_three_draws(key):
    return lax.switch(1, [lambda key: uniform(key), lambda key: normal(key), lambda key: 0.0], key)


@program
def grad_once(key):
    return jax.grad(lambda x: x * uniform(key))(1.0)


@program
def grad_and_draw(key):
    return jax.grad(lambda x: x * uniform(key))(1.0) + uniform(key)


@program
def grad_with_a_key(key):
    return jax.grad(lambda x, key: x * uniform(key))(1.0, key)


@program
def grad_with_a_key_twice(key):
    f = jax.grad(lambda x, key: x * uniform(key))
    return f(1.0, key) + f(1.0, key)


@program
def grad_of_reuse(key):
    return jax.grad(lambda x: x * uniform(key) * uniform(key))(1.0)


@program
def grad_of_jit(key):
    return jax.grad(jax.jit(lambda x, key: jnp.sin(x * uniform(key))))(1.0, key)


@program
def grad_of_scan(key):
    def f(x):
        return lax.scan(lambda c, key: (jnp.sin(c * uniform(key)), None), x, split(key, 3))[0]

    return jax.grad(f)(1.0)


@program
def grad_of_checkpoint(key):
    return jax.grad(jax.checkpoint(lambda x: jnp.sin(x * uniform(key))))(1.0)


@program
def checkpoint_of_reuse(key):
    return jax.checkpoint(lambda x: x * uniform(key) + uniform(key))(1.0)


@program
def vmap_of_grad(key):
    return jax.vmap(jax.grad(lambda x, key: jnp.sin(x * uniform(key))))(jnp.arange(3.0), split(key, 3))


@program
def permutation_and_draw(key):
    return random.permutation(key, 3) + uniform(key)


@program
def gamma_twice(key):
    return random.gamma(key, 2.0) + random.gamma(key, 2.0)


@program
def bits_twice(key):
    return random.bits(key) + random.bits(key)


@program
def device_put_and_draw(key):
    return uniform(jax.device_put(key))


def refuses(f):
    with jax.debug_key_reuse(True):
        try:
            jax.block_until_ready(f(random.key(0)))
            return False
        except jax.errors.KeyReuseError as error:
            if "--messages" in sys.argv:
                print(f.__name__, str(error).split("\n")[0])
            return True


def run(f):
    key = refuses(f)
    return {"eager": key, "jit": refuses(jax.jit(f))}


cases = {name: run(f) for name, f in programs.items()}
path = pathlib.Path(__file__).parent.parent / "fixtures/key_reuse.json"
lines = ",\n".join(f" {json.dumps(name)}: {json.dumps(case)}" for name, case in cases.items())
text = "{\n" + lines + "\n}\n"
if "--check" not in sys.argv:
    path.write_text(text)
elif path.read_text() != text:
    sys.exit("debug_key_reuse refuses other programs than key_reuse.json says: run key_reuse.py")
else:
    print(f"key_reuse.json agrees with JAX {jax.__version__}")
