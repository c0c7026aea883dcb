"""What Optax 0.2.8 gives: `python3 tests/oracle/optax_cases.py [--check]` writes tests/fixtures/optim.jsonl.

A line is a case. `inputs` are parameters and the gradients of ten steps, of one dtype; `optimizer` has the updates of each step on
them, `schedule` values at steps, `loss` the value of a loss and the gradient of its weighted sum. Arrays are the bytes of f32, in
hexadecimal digits; of complex numbers, pairs. tests/suite/optim.rs has the same names.
"""

import json
import pathlib
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax

OUT = pathlib.Path(__file__).resolve().parent.parent / "fixtures/optim.jsonl"
STEPS = 10
SHAPES = {"a": {"bias": (4,), "kernel": (3, 4)}, "b": {"kernel": (2, 3, 2)}}
DTYPES = ("float32", "bfloat16", "complex64")
MATRICES = lambda params: jax.tree.map(lambda p: p.ndim > 1, params)
RATE = optax.warmup_cosine_decay_schedule(0.0, 0.1, 3, 8)


def hexed(x):
    x = np.asarray(x)
    if x.dtype.kind == "c":
        x = np.stack([x.real, x.imag], -1)
    return np.ascontiguousarray(np.asarray(x, np.float32)).tobytes().hex()


def draw(rng, dtype):
    def one(shape):
        x = rng.normal(size=shape)
        if dtype == "complex64":
            x = x + 1j * rng.normal(size=shape)
        return jnp.asarray(x, dtype)

    return jax.tree.map(one, SHAPES, is_leaf=lambda x: isinstance(x, tuple))


def inputs(dtype):
    rng = np.random.default_rng(8)
    return draw(rng, dtype), [draw(rng, dtype) for _ in range(STEPS)]


def leaves(tree):
    return [hexed(x) for x in jax.tree.leaves(tree)]


# By the name that the test has, and only where Optax takes the dtype.
OPTIMIZERS = {
    "adabelief": lambda: optax.adabelief(0.1),
    "adabelief nesterov": lambda: optax.adabelief(0.1, nesterov=True),
    "adadelta": lambda: optax.adadelta(0.1),
    "adadelta decay": lambda: optax.adadelta(0.1, rho=0.8, eps=1e-5, weight_decay=0.1, weight_decay_mask=MATRICES),
    "adagrad": lambda: optax.adagrad(0.1),
    "adam": lambda: optax.adam(0.1),
    "adam constants": lambda: optax.adam(RATE, b1=0.8, b2=0.95, eps=1e-3, eps_root=1e-4),
    "adam mu_dtype": lambda: optax.adam(0.1, mu_dtype=jnp.bfloat16),
    "nadam": lambda: optax.nadam(0.1),
    "adamax": lambda: optax.adamax(0.1),
    "adamaxw": lambda: optax.adamaxw(0.1, weight_decay=0.1),
    "adamw": lambda: optax.adamw(0.1, weight_decay=0.1),
    "adamw mask": lambda: optax.adamw(RATE, weight_decay=0.1, mask=MATRICES),
    "nadamw": lambda: optax.nadamw(0.1),
    "adan": lambda: optax.adan(0.1, weight_decay=0.1),
    "amsgrad": lambda: optax.amsgrad(0.1),
    "amsgrad bias": lambda: optax.amsgrad(0.1, bias_correction_mu=False, bias_correction_nu=False),
    "fromage": lambda: optax.fromage(0.1),
    "fromage schedule": lambda: optax.fromage(RATE),
    "lamb": lambda: optax.lamb(0.1, weight_decay=0.1),
    "lars": lambda: optax.lars(0.1, weight_decay=0.1, trust_coefficient=0.1),
    "lars mask": lambda: optax.lars(0.1, weight_decay=0.1, weight_decay_mask=MATRICES, trust_ratio_mask=MATRICES, nesterov=True),
    "lion": lambda: optax.lion(0.1),
    "noisy_sgd": lambda: optax.noisy_sgd(0.1, key=jax.random.key(3)),
    "novograd": lambda: optax.novograd(0.1, weight_decay=0.1),
    "optimistic_gradient_descent": lambda: optax.optimistic_gradient_descent(0.1, alpha=0.9, beta=0.7),
    "optimistic_adam_v2": lambda: optax.optimistic_adam_v2(0.1),
    "radam": lambda: optax.radam(0.1),
    "radam nesterov": lambda: optax.radam(0.1, b2=0.9, nesterov=True),
    "rmsprop": lambda: optax.rmsprop(0.1),
    "rmsprop centered": lambda: optax.rmsprop(0.1, centered=True, momentum=0.9, nesterov=True, initial_scale=0.1),
    "rmsprop bias": lambda: optax.rmsprop(0.1, eps_in_sqrt=False, bias_correction=True),
    "rprop": lambda: optax.rprop(0.1),
    "sgd": lambda: optax.sgd(0.1),
    "sgd momentum": lambda: optax.sgd(RATE, momentum=0.9),
    "sgd nesterov": lambda: optax.sgd(0.1, momentum=0.9, nesterov=True),
    "sign_sgd": lambda: optax.sign_sgd(0.1),
    "signum": lambda: optax.signum(0.1),
    "sm3": lambda: optax.sm3(0.1),
    "yogi": lambda: optax.yogi(0.1),
    "adaptive_grad_clip": lambda: optax.adaptive_grad_clip(0.1),
    "add_decayed_weights": lambda: optax.add_decayed_weights(RATE),
    "apply_every": lambda: optax.apply_every(3),
    "centralize": lambda: optax.centralize(),
    "clip": lambda: optax.clip(0.5),
    "clip_by_block_rms": lambda: optax.clip_by_block_rms(0.5),
    "clip_by_global_norm": lambda: optax.clip_by_global_norm(1.0),
    "ema": lambda: optax.ema(0.9),
    "keep_params_nonnegative": lambda: optax.keep_params_nonnegative(),
    "normalize_by_update_norm": lambda: optax.normalize_by_update_norm(2.0),
    "scale_by_lion smooth": lambda: optax.scale_by_lion(mode="smooth", smooth_beta=2.0),
    "scale_by_lion refined": lambda: optax.scale_by_lion(mode="refined"),
    "scale_by_param_block_norm": lambda: optax.scale_by_param_block_norm(),
    "scale_by_param_block_rms": lambda: optax.scale_by_param_block_rms(),
    "trace": lambda: optax.trace(0.9),
    "zero_nans": lambda: optax.zero_nans(),
    "chain": lambda: optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(RATE, weight_decay=0.1)),
    "named_chain": lambda: optax.named_chain(("clip", optax.clip(0.3)), ("adam", optax.adam(0.1))),
    "masked": lambda: optax.masked(optax.adam(0.1), MATRICES),
    "partition": lambda: optax.partition(
        {"m": optax.adam(0.1), "v": optax.sgd(0.5, momentum=0.9)},
        lambda params: jax.tree.map(lambda p: "m" if p.ndim > 1 else "v", params)),
    "freeze": lambda: optax.chain(optax.sgd(0.1), optax.transforms.freeze(MATRICES)),
}

SCHEDULES = {
    "constant_schedule": lambda: optax.constant_schedule(0.3),
    "linear_schedule": lambda: optax.linear_schedule(1.0, 0.1, 7),
    "linear_schedule begin": lambda: optax.linear_schedule(1.0, 0.1, 7, transition_begin=3),
    "polynomial_schedule": lambda: optax.polynomial_schedule(1.0, 0.1, 2.5, 9, transition_begin=2),
    "piecewise_constant_schedule": lambda: optax.piecewise_constant_schedule(0.5, {9: 0.1, 4: 2.0}),
    "piecewise_interpolate_schedule linear": lambda: optax.piecewise_interpolate_schedule("linear", 0.5, {4: 2.0, 9: 0.1}),
    "piecewise_interpolate_schedule cosine": lambda: optax.piecewise_interpolate_schedule("cosine", 0.5, {4: 2.0, 9: 0.1}),
    "exponential_decay": lambda: optax.exponential_decay(0.5, 4, 0.7),
    "exponential_decay options": lambda: optax.exponential_decay(
        0.5, 4, 0.7, transition_begin=2, staircase=True, end_value=0.2),
    "exponential_decay growth": lambda: optax.exponential_decay(0.5, 4, 1.5, end_value=1.0),
    "cosine_decay_schedule": lambda: optax.cosine_decay_schedule(0.5, 12),
    "cosine_decay_schedule options": lambda: optax.cosine_decay_schedule(0.5, 12, alpha=0.1, exponent=1.5),
    "linear_onecycle_schedule": lambda: optax.linear_onecycle_schedule(15, 0.5),
    "cosine_onecycle_schedule": lambda: optax.cosine_onecycle_schedule(15, 0.5, pct_start=0.4, div_factor=10.0),
    "warmup_constant_schedule": lambda: optax.warmup_constant_schedule(0.1, 0.5, 6),
    "warmup_cosine_decay_schedule": lambda: optax.warmup_cosine_decay_schedule(0.1, 0.5, 4, 15),
    "warmup_cosine_decay_schedule options": lambda: optax.warmup_cosine_decay_schedule(
        0.1, 0.5, 4, 15, end_value=0.05, exponent=2.0),
    "warmup_exponential_decay_schedule": lambda: optax.warmup_exponential_decay_schedule(0.1, 0.5, 4, 3, 0.8),
    "sgdr_schedule": lambda: optax.sgdr_schedule([
        dict(init_value=0.0, peak_value=0.5, warmup_steps=2, decay_steps=7),
        dict(init_value=0.1, peak_value=0.3, warmup_steps=3, decay_steps=9, end_value=0.05)]),
    "join_schedules": lambda: optax.join_schedules(
        [optax.constant_schedule(0.1), optax.linear_schedule(1.0, 0.5, 3), optax.constant_schedule(0.2)], [3, 9]),
}


def of_optimizer(make, dtype):
    params, grads = inputs(dtype)
    tx = make()
    state = tx.init(params)
    step = jax.jit(tx.update)
    updates = []
    for g in grads:
        update, state = step(g, state, params)
        updates.append(leaves(update))
        params = optax.apply_updates(params, update)
    return updates


def cases():
    for dtype in DTYPES:
        params, grads = inputs(dtype)
        yield dict(kind="inputs", dtype=dtype, params=leaves(params), grads=[leaves(g) for g in grads])
        for name, make in OPTIMIZERS.items():
            try:
                updates = of_optimizer(make, dtype)
            except (TypeError, ValueError) as e:
                if dtype == "float32":
                    raise
                print(f"{name} does not take {dtype}: {str(e).splitlines()[0][:80]}", file=sys.stderr)
                continue
            if not all(np.isfinite(np.frombuffer(bytes.fromhex(x), np.float32)).all() for u in updates for x in u):
                print(f"{name} gives no numbers for {dtype}", file=sys.stderr)
                continue
            yield dict(kind="optimizer", name=name, dtype=dtype, updates=updates)
    for name, make in SCHEDULES.items():
        schedule = make()
        yield dict(kind="schedule", name=name, values=hexed([schedule(jnp.int32(i)) for i in range(21)]))


def arrays(value):
    if isinstance(value, str):
        return [np.frombuffer(bytes.fromhex(value), np.float32)]
    return [x for v in value for x in arrays(v)]


def same(new, old):
    for field in new:
        if field in ("kind", "name", "dtype", "args"):
            if new[field] != old[field]:
                return False
            continue
        loose = 3e-2 if new.get("dtype") == "bfloat16" else 2e-6
        pairs = list(zip(arrays(new[field]), arrays(old[field]), strict=True))
        if not all(x.shape == y.shape and np.allclose(x, y, rtol=loose, atol=loose * (abs(y).max(initial=0))) for x, y in pairs):
            return False
    return True


def main():
    new = list(cases())
    if "--check" in sys.argv:
        old = [json.loads(line) for line in OUT.read_text().splitlines()]
        wrong = [n.get("name", n["kind"]) for n, o in zip(new, old) if not same(n, o)]
        if wrong or len(new) != len(old):
            sys.exit(f"{OUT.name} is not what Optax {optax.__version__} gives: {len(new)} cases, {len(old)} there; {wrong}")
        print(f"{len(new)} cases of Optax {optax.__version__}")
        return
    OUT.write_text("".join(json.dumps(case, separators=(",", ":")) + "\n" for case in new))
    print(f"{len(new)} cases")


if __name__ == "__main__":
    main()
