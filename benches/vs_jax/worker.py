"""The JAX side of the benchmark: reads `case iterations` lines, answers with nanoseconds.

Run by contest.rs, which alternates this process and its own code, so that both see the machine at the same time. An argument
is a PJRT plugin to run JAX on, as the platform "raxla_cpu". The models of the examples want Flax and Optax too.
"""

import pathlib
import sys
import threading
import time

# The examples' twins.
sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "tests/oracle/examples"))

if len(sys.argv) > 1:
    from jax._src import xla_bridge

    xla_bridge.register_plugin("raxla_cpu", library_path=sys.argv[1], options={"cpu_device_count": 1})

import jax
import jax.numpy as jnp


def counter():
    count = jax.jit(lambda n: (n + 1, n + 1))
    state = [jnp.asarray(0)]

    def step():
        _, state[0] = count(state[0])

    return step, lambda: state[0].block_until_ready()


def update(donate, leaves):
    step_fn = jax.jit(lambda ps: [p - 0.01 * p for p in ps], donate_argnums=(0,) if donate else ())
    state = [[jnp.full((8, 8), 1.0) for _ in range(leaves)]]

    def step():
        out = step_fn(state[0])
        if donate:
            state[0] = out

    return step, lambda: jax.block_until_ready(state[0])


def eager_add():
    a, b = jnp.float32(1.0) + 0, jnp.float32(2.0) + 0
    out = [a]

    def step():
        out[0] = a + b

    return step, lambda: out[0].block_until_ready()


class Increment:
    """One jitted function, called by so many threads at once, each with an argument of its own."""

    def __init__(self, threads):
        self.threads = threads
        self.increment = jax.jit(lambda x: x + 1.0)

    def run(self, iterations):
        barrier = threading.Barrier(self.threads)
        times = []

        def one():
            x = jnp.float32(1.0) + 0
            self.increment(x)
            barrier.wait()
            start = time.perf_counter_ns()
            for _ in range(-(-iterations // self.threads)):
                self.increment(x)
            times.append(time.perf_counter_ns() - start)

        threads = [threading.Thread(target=one) for _ in range(self.threads)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return max(times)


def mlp():
    sizes = [64, 64, 64, 64, 64]
    params = [(jnp.ones((m, n)), jnp.ones((n,))) for m, n in zip(sizes, sizes[1:])]
    x, y = jnp.ones((32, 64)), jnp.ones((32, 64))

    def loss(params, x, y):
        for w, b in params:
            x = jnp.tanh(jnp.matmul(x, w) + b)
        return jnp.mean(jnp.square(x - y))

    return loss, (params, x, y)


def norm(x, scale, shift):
    mean = jnp.mean(x, axis=-1, keepdims=True)
    var = jnp.mean(jnp.square(x - mean), axis=-1, keepdims=True)
    return (x - mean) / jnp.sqrt(var + 1e-5) * scale + shift


def softmax(x):
    e = jnp.exp(x - jax.lax.stop_gradient(jnp.max(x, axis=-1, keepdims=True)))
    return e / jnp.sum(e, axis=-1, keepdims=True)


def transformer():
    d, hidden, seq, layers = 32, 64, 16, 12
    block = lambda: {
        "q": jnp.ones((d, d)), "k": jnp.ones((d, d)), "v": jnp.ones((d, d)), "o": jnp.ones((d, d)),
        "up": jnp.ones((d, hidden)), "up_bias": jnp.ones((hidden,)),
        "down": jnp.ones((hidden, d)), "down_bias": jnp.ones((d,)),
        "scale1": jnp.ones((d,)), "shift1": jnp.ones((d,)), "scale2": jnp.ones((d,)), "shift2": jnp.ones((d,)),
    }
    params = [block() for _ in range(layers)]
    x = jnp.ones((seq, d))

    def loss(params, x):
        for p in params:
            h = norm(x, p["scale1"], p["shift1"])
            q, k, v = jnp.matmul(h, p["q"]), jnp.matmul(h, p["k"]), jnp.matmul(h, p["v"])
            a = softmax(jnp.matmul(q, jnp.transpose(k)) * d**-0.5)
            x = x + jnp.matmul(jnp.matmul(a, v), p["o"])
            h = norm(x, p["scale2"], p["shift2"])
            h = jnp.tanh(jnp.matmul(h, p["up"]) + p["up_bias"])
            x = x + jnp.matmul(h, p["down"]) + p["down_bias"]
        return jnp.mean(jnp.square(x))

    return loss, (params, x)


def resnet():
    """ResNet-18 with batch normalisation, as models.rs has it."""
    classes = 10

    def conv_norm_params(size, m, n):
        return {"kernel": jnp.ones((size, size, m, n)), "scale": jnp.ones((n,)), "shift": jnp.ones((n,))}

    blocks, width = [], 8
    for stage in range(4):
        to = 8 << stage
        for block in range(2):
            shortcut = conv_norm_params(1, width, to) if block == 0 and stage > 0 else None
            first, second = conv_norm_params(3, width, to), conv_norm_params(3, to, to)
            blocks.append({"first": first, "second": second, "shortcut": shortcut})
            width = to
    params = {
        "stem": conv_norm_params(3, 3, 8), "blocks": blocks,
        "weight": jnp.ones((width, classes)), "bias": jnp.ones((classes,)),
    }

    def conv_norm(x, p, stride):
        dimensions = ("NHWC", "HWIO", "NHWC")
        x = jax.lax.conv_general_dilated(x, p["kernel"], (stride, stride), "SAME", dimension_numbers=dimensions)
        mean = jnp.mean(x, axis=(0, 1, 2))
        var = jnp.mean(jnp.square(x - mean), axis=(0, 1, 2))
        return (x - mean) * jax.lax.rsqrt(var + 1e-5) * p["scale"] + p["shift"]

    def loss(params, x, labels):
        x = jax.nn.relu(conv_norm(x, params["stem"], 1))
        for i, p in enumerate(params["blocks"]):
            stride = 2 if p["shortcut"] is not None and i > 0 else 1
            y = jax.nn.relu(conv_norm(x, p["first"], stride))
            y = conv_norm(y, p["second"], 1)
            if p["shortcut"] is not None:
                x = conv_norm(x, p["shortcut"], stride)
            x = jax.nn.relu(x + y)
        logits = jnp.matmul(jnp.mean(x, axis=(1, 2)), params["weight"]) + params["bias"]
        return -jnp.mean(jnp.sum(jax.nn.log_softmax(logits, -1) * labels, -1))

    return loss, (params, jnp.ones((2, 32, 32, 3)), jnp.ones((2, classes)))


def rnn():
    params = {"from_input": jnp.ones((16, 32)), "from_state": jnp.ones((32, 32)), "bias": jnp.ones((32,))}

    def loss(p, xs, ys):
        def step(h, x):
            h = jnp.tanh(jnp.matmul(x, p["from_input"]) + jnp.matmul(h, p["from_state"]) + p["bias"])
            return h, h

        _, hs = jax.lax.scan(step, jnp.zeros((8, 32)), xs)
        return jnp.mean(jnp.square(hs - ys))

    return loss, (params, jnp.ones((20, 8, 16)), jnp.ones((20, 8, 32)))


def tracing(make):
    loss, args = make()

    def step():
        # A new function each time, so that nothing is found in a cache.
        jax.jit(jax.grad(lambda *a: loss(*a))).trace(*args)

    return step, lambda: None


class Lowering:
    """Times `lower` alone, of a trace made anew each time."""

    def __init__(self, make):
        self.loss, self.args = make()

    def run(self, iterations):
        total = 0
        for _ in range(iterations):
            traced = jax.jit(jax.grad(lambda *a: self.loss(*a))).trace(*self.args)
            start = time.perf_counter_ns()
            traced.lower()
            total += time.perf_counter_ns() - start
        return total


class Compiling:
    """Times `compile` alone: of the gradient step of four layers of the transformer, with or without dropout."""

    def __init__(self, drops):
        self.drops = drops
        _, (params, self.x) = transformer()
        self.params = params[:4]

    def loss(self, params, x, key):
        def dropout(key, x):
            return jnp.where(jax.random.bernoulli(key, 0.9, x.shape), x / 0.9, 0.0) if self.drops else x

        for p in params:
            key, first, second = jax.random.split(key, 3)
            h = norm(x, p["scale1"], p["shift1"])
            q, k, v = jnp.matmul(h, p["q"]), jnp.matmul(h, p["k"]), jnp.matmul(h, p["v"])
            a = softmax(jnp.matmul(q, jnp.transpose(k)) * x.shape[-1] ** -0.5)
            x = x + dropout(first, jnp.matmul(jnp.matmul(a, v), p["o"]))
            h = norm(x, p["scale2"], p["shift2"])
            h = jnp.tanh(jnp.matmul(h, p["up"]) + p["up_bias"])
            x = x + dropout(second, jnp.matmul(h, p["down"]) + p["down_bias"])
        return jnp.mean(jnp.square(x))

    def run(self, iterations):
        total = 0
        for _ in range(iterations):
            def step(params, x, key):
                grads = jax.grad(lambda params: self.loss(params, x, key))(params)
                return jax.tree.map(lambda p, g: p - 0.01 * g, params, grads)

            lowered = jax.jit(step).lower(self.params, self.x, jax.random.key(0))
            start = time.perf_counter_ns()
            lowered.compile()
            total += time.perf_counter_ns() - start
        return total


class Initialising:
    """Times Flax's `init` as a program's first: nothing that was compiled before is kept."""

    def run(self, iterations):
        from flax import linen as nn

        class Decoder(nn.Module):
            @nn.compact
            def __call__(self, tokens):
                x = nn.Embed(1000, 256, name="token")(tokens)
                mask = nn.make_causal_mask(tokens)
                for _ in range(12):
                    x = x + nn.MultiHeadDotProductAttention(4)(nn.LayerNorm()(x), mask=mask)
                    x = x + nn.Dense(256)(nn.gelu(nn.Dense(1024)(nn.LayerNorm()(x))))
                return nn.Dense(1000)(nn.LayerNorm()(x))

        tokens = jnp.zeros((8, 64), jnp.int32)
        total = 0
        for _ in range(iterations):
            jax.clear_caches()
            start = time.perf_counter_ns()
            jax.block_until_ready(Decoder().init(jax.random.key(0), tokens))
            total += time.perf_counter_ns() - start
        return total


def char_lm():
    import char_lm as example

    vocabulary, text = example.tokens()
    model = example.Model(vocabulary)
    init_key, key = jax.random.split(jax.random.key(0))
    tx, training = example.begin(init_key, model)
    state = [training]

    def step():
        state[0], _ = example.step(model, tx, state[0], key, text)

    return step, lambda: jax.block_until_ready(state[0])


def digits_cnn():
    import digits_cnn as example

    images, labels = jnp.ones((1500, 8, 8, 1)), jnp.zeros((1500,), jnp.int32)
    init_key, key = jax.random.split(jax.random.key(0))
    tx, training = example.begin(init_key, images)
    state = [training]

    def step():
        state[0], _ = example.epoch(tx, state[0], key, images, labels)

    return step, lambda: jax.block_until_ready(state[0])


def tutorial():
    key = jax.random.key(42)
    x_key, noise_key = jax.random.split(key)
    xs = jax.random.normal(x_key, (128, 1))
    ys = xs * 2 - 1 + jax.random.normal(noise_key, (128, 1)) * 0.5
    loss = lambda params, x, y: jnp.mean((params[0] * x + params[1] - y) ** 2)

    @jax.jit
    def step_fn(params, x, y):
        grads = jax.grad(loss)(params, x, y)
        return jax.tree.map(lambda p, g: p - 0.005 * g, params, grads)

    state = [(jnp.float32(0.1), jnp.float32(0.6))]

    def step():
        state[0] = step_fn(state[0], xs, ys)

    return step, lambda: jax.block_until_ready(state[0])


CASES = {
    "counter": counter,
    **{f"update_borrowed_{n}": lambda n=n: update(False, n) for n in (10, 100, 1000)},
    **{f"update_donated_{n}": lambda n=n: update(True, n) for n in (10, 100, 1000)},
    "eager_add": eager_add,
    "threads_1": lambda: Increment(1),
    "threads_2": lambda: Increment(2),
    "mlp_trace": lambda: tracing(mlp),
    "mlp_lower": lambda: Lowering(mlp),
    "transformer_trace": lambda: tracing(transformer),
    "transformer_lower": lambda: Lowering(transformer),
    "resnet_trace": lambda: tracing(resnet),
    "resnet_lower": lambda: Lowering(resnet),
    "rnn_trace": lambda: tracing(rnn),
    "rnn_lower": lambda: Lowering(rnn),
    "compile": lambda: Compiling(False),
    "compile_dropout": lambda: Compiling(True),
    "tutorial": tutorial,
    "init": Initialising,
    "char_lm": char_lm,
    "digits_cnn": digits_cnn,
}


def main():
    made = {}
    print("ready", flush=True)
    for line in sys.stdin:
        name, iterations = line.split()
        if name not in made:
            made[name] = CASES[name]()
        case = made[name]
        if isinstance(case, (Increment, Lowering, Compiling, Initialising)):
            print(case.run(int(iterations)), flush=True)
            continue
        step, wait = case
        start = time.perf_counter_ns()
        for _ in range(int(iterations)):
            step()
        wait()
        print(time.perf_counter_ns() - start, flush=True)


main()
