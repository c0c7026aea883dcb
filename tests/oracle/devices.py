"""Where JAX's results are: tests/fixtures/devices.json, which tests/devices.rs compares with raxla.

    python devices.py ../fixtures/devices.json
    python devices.py --check ../fixtures/devices.json      compare with the file instead

Each case is [id of the device, committed], or null if JAX refuses it because devices differ. `x` is made on the default device
and not committed, `y` and `z` are put on devices 1 and 2, `u` is made on device 3 and not committed.
"""
import json
import sys

import jax
import jax.numpy as jnp
from jax import lax

jax.config.update("jax_num_cpu_devices", 4)
d = jax.devices()
x = jnp.array([0.0, 1.0, 2.0], jnp.float32)
y, z = jax.device_put(x, d[1]), jax.device_put(x, d[2])
with jax.default_device(d[3]):
    u = jnp.array([0.0, 1.0, 2.0], jnp.float32)

times_y = lambda a: a * y
total = lambda a: jnp.sum(a * y)


def on_3(f):
    with jax.default_device(d[3]):
        return f()


CASES = {
    "x": lambda: x,
    "y": lambda: y,
    "u": lambda: u,
    "x + 1": lambda: x + 1,
    "y + 1": lambda: y + 1,
    "u + 1": lambda: u + 1,
    "x + y": lambda: x + y,
    "y + x": lambda: y + x,
    "y + z": lambda: y + z,
    "x + u": lambda: x + u,
    "u + x": lambda: u + x,
    "u + y": lambda: u + y,
    "put x 0": lambda: jax.device_put(x, d[0]),
    "put y 1": lambda: jax.device_put(y, d[1]),
    "put y 2": lambda: jax.device_put(y, d[2]),
    "put u 3": lambda: jax.device_put(u, d[3]),
    "put 1.0 1": lambda: jax.device_put(1.0, d[1]),
    "on 3: x + 1": lambda: on_3(lambda: x + 1),
    "on 3: y + 1": lambda: on_3(lambda: y + 1),
    "on 3: x + u": lambda: on_3(lambda: x + u),
    "on 3: zeros": lambda: on_3(lambda: jnp.zeros(2)),
    "on 3: jit x": lambda: on_3(lambda: jax.jit(lambda a: a * 2)(x)),
    "jit x": lambda: jax.jit(lambda a: a * 2)(x),
    "jit y": lambda: jax.jit(lambda a: a * 2)(y),
    "jit u": lambda: jax.jit(lambda a: a * 2)(u),
    "jit x y": lambda: jax.jit(lambda a, b: a * b)(x, y),
    "jit y z": lambda: jax.jit(lambda a, b: a * b)(y, z),
    "jit u y": lambda: jax.jit(lambda a, b: a * b)(u, y),
    "jit unused z": lambda: jax.jit(lambda a, b: a * 2)(y, z),
    "jit unused z of x": lambda: jax.jit(lambda a, b: a * 2)(x, z),
    "jit keeps unused z": lambda: jax.jit(lambda a, b: a * 2, keep_unused=True)(y, z),
    "jit keeps unused z of x": lambda: jax.jit(lambda a, b: a * 2, keep_unused=True)(x, z),
    "jit identity y": lambda: jax.jit(lambda a: a)(y),
    "jit constant": lambda: jax.jit(lambda a: jnp.ones(2))(y),
    "jit captures y": lambda: jax.jit(times_y)(x),
    "jit captures y, z": lambda: jax.jit(times_y)(z),
    "jit puts 1": lambda: jax.jit(lambda a: jax.device_put(a, d[1]) * 2)(x),
    "jit puts 1, z": lambda: jax.jit(lambda a: jax.device_put(a, d[1]) * 2)(z),
    "jit of jit y z": lambda: jax.jit(lambda a, b: jax.jit(lambda p, q: p * q)(a, b))(y, z),
    "grad x": lambda: jax.grad(total)(x),
    "grad z": lambda: jax.grad(total)(z),
    "grad of a put, x": lambda: jax.grad(lambda a: jnp.sum(jax.device_put(a, d[1]) ** 2))(x),
    "grad of a put, z": lambda: jax.grad(lambda a: jnp.sum(jax.device_put(a, d[1]) ** 2))(z),
    "jit grad z": lambda: jax.jit(jax.grad(total))(z),
    "grad jit x": lambda: jax.grad(jax.jit(total))(x),
    "grad jit z": lambda: jax.grad(jax.jit(total))(z),
    "vmap x": lambda: jax.vmap(lambda a: a * y[0])(x),
    "vmap of a put": lambda: jax.vmap(lambda a: jax.device_put(a, d[1]) * 2)(x),
    "vmap y z": lambda: jax.vmap(lambda a, b: a * b)(y, z),
    "vmap jit z": lambda: jax.vmap(jax.jit(times_y))(jnp.stack([z, z])),
    "cond y x": lambda: lax.cond(True, lambda a, b: a, lambda a, b: b, y, x),
    "cond y z": lambda: lax.cond(True, lambda a, b: a, lambda a, b: b, y, z),
    "scan y": lambda: lax.scan(lambda c, a: (c + a, c), 0.0, y)[0],
    "scan captures y": lambda: lax.scan(lambda c, a: (c + a * y[0], c), 0.0, x)[0],
    "while y": lambda: lax.while_loop(lambda c: c[0] < 3, lambda c: c + 1, y),
    "checkpoint y": lambda: jax.grad(jax.checkpoint(lambda a: jnp.sum(jnp.sin(a))))(y),
    "compiled for y, of x": lambda: jax.jit(lambda a: a + 1).lower(y).compile()(x),
    "compiled for y, of z": lambda: jax.jit(lambda a: a + 1).lower(y).compile()(z),
    "normal": lambda: jax.random.normal(jax.device_put(jax.random.key(0), d[1])),
}


def place(case):
    try:
        out = case()
    except ValueError as e:
        assert "incompatible devices" in str(e) or "disagree" in str(e), e
        return None
    (device,) = out.devices()
    return [device.id, out.committed]


places = {name: place(case) for name, case in CASES.items()}
path = sys.argv[-1]
if "--check" in sys.argv:
    with open(path) as f:
        old = json.load(f)
    if old != places:
        sys.exit(f"JAX's results are elsewhere than {path} says: run devices.py")
    print(f"{len(places)} places agree with JAX {jax.__version__}")
else:
    with open(path, "w") as f:
        rows = (f"  {json.dumps(name)}: {json.dumps(where)}" for name, where in places.items())
        f.write("{\n" + ",\n".join(rows) + "\n}\n")
