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
    "adafactor": lambda: optax.adafactor(0.1, min_dim_size_to_factor=3),
    "adafactor decay": lambda: optax.adafactor(
        min_dim_size_to_factor=2, momentum=0.9, weight_decay_rate=0.1, weight_decay_mask=MATRICES, decay_offset=0),
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
    "apply_if_finite": lambda: optax.apply_if_finite(optax.adam(0.1), 2),
    "conditionally_transform": lambda: optax.conditionally_transform(optax.adam(0.1), lambda step: step % 2 == 1),
    "conditionally_mask": lambda: optax.conditionally_mask(optax.adam(0.1), lambda step: step % 3 != 1),
    "multi_steps": lambda: optax.MultiSteps(optax.adam(0.1), 3).gradient_transformation(),
    "multi_steps sum": lambda: optax.MultiSteps(
        optax.adam(RATE), lambda step: 1 + step, use_grad_mean=False,
        should_skip_update_fn=lambda u, s, p: optax.skip_large_updates(u, s, p, 30.0)).gradient_transformation(),
    "inject_hyperparams": lambda: optax.inject_hyperparams(optax.adam)(RATE, b1=0.8),
    "flatten": lambda: optax.flatten(optax.adam(0.1)),
    "scale_by_factored_rms": lambda: optax.scale_by_factored_rms(min_dim_size_to_factor=2),
    "normalize": lambda: optax.contrib.normalize(),
    "sam": lambda: optax.contrib.sam(optax.adam(0.1), optax.chain(optax.contrib.normalize(), optax.sgd(0.05))),
    "muon": lambda: optax.contrib.muon(0.1, weight_decay=0.1),
    "muon adaptive": lambda: optax.contrib.muon(0.1, nesterov=False, adaptive=True, consistent_rms=0.2),
    "schedule_free": lambda: optax.contrib.schedule_free(optax.sgd(RATE), RATE),
    "schedule_free_sgd": lambda: optax.contrib.schedule_free_sgd(0.5, warmup_steps=3, weight_decay=0.1),
    "schedule_free_adamw": lambda: optax.contrib.schedule_free_adamw(0.1, weight_decay=0.1),
    "freeze": lambda: optax.chain(optax.sgd(0.1), optax.transforms.freeze(MATRICES)),
}

# What Optax computes there is not what it means: the square of a complex number is no norm, and rates are complex.
SKIPPED = {("multi_steps sum", "complex64"), ("schedule_free", "complex64")}

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


def rng_array(shape, seed=1, dtype=np.float32):
    return np.asarray(np.random.default_rng(seed).normal(size=shape), dtype)


def probabilities(shape, seed=2):
    x = np.random.default_rng(seed).random(size=shape).astype(np.float32)
    return x / x.sum(-1, keepdims=True)


X, Y = rng_array((3, 5)), rng_array((3, 5), 2)
P = probabilities((3, 5))
LOGP = np.asarray(jax.nn.log_softmax(rng_array((3, 5), 3)))
SIGNS = np.sign(rng_array((3, 5), 4))
BINARY = (rng_array((3, 5), 5) > 0).astype(np.float32)
CLASSES = np.array([1, 4, 0], np.int32)
MASK = np.array([[1, 1, 0, 1, 1], [1, 0, 1, 0, 1], [1, 1, 1, 1, 1]], bool)
HOT = np.eye(5, dtype=np.float32)[CLASSES]
SAFE = np.where(HOT > 0, X, np.array([[0, 0, -np.inf, 0, 0]] * 3, np.float32) + X).astype(np.float32)
CTC = (rng_array((2, 6, 4), 6), np.array([[0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 1]], np.float32),
       np.array([[1, 2, 2], [3, 1, 0]], np.int32), np.array([[0, 0, 0], [0, 0, 1]], np.float32))
SEG = (rng_array((2, 3, 4, 3), 7), np.eye(3, dtype=np.float32)[np.random.default_rng(8).integers(0, 3, (2, 3, 4))])
# The function, and its arguments, of which the first is differentiated.
LOSSES = {
    "squared_error": (optax.losses.squared_error, X, Y),
    "l2_loss": (optax.losses.l2_loss, X, Y),
    "huber_loss": (optax.losses.huber_loss, X, Y),
    "huber_loss delta": (lambda x, y: optax.losses.huber_loss(x, y, delta=0.5), X, Y),
    "log_cosh": (optax.losses.log_cosh, X, Y),
    "cosine_similarity": (optax.losses.cosine_similarity, X, Y),
    "cosine_distance mask": (lambda x, y, m: optax.losses.cosine_distance(x, y, epsilon=1e-3, axis=0, where=m), X, Y, MASK),
    "sigmoid_binary_cross_entropy": (optax.losses.sigmoid_binary_cross_entropy, X, BINARY),
    "hinge_loss": (optax.losses.hinge_loss, X, SIGNS),
    "perceptron_loss": (optax.losses.perceptron_loss, X, SIGNS),
    "sparsemax_loss": (optax.losses.sparsemax_loss, X, BINARY),
    "softmax_cross_entropy": (optax.losses.softmax_cross_entropy, X, P),
    "softmax_cross_entropy mask": (lambda x, y, m: optax.losses.softmax_cross_entropy(x, y, where=m), X, P, MASK),
    "softmax_cross_entropy axis": (lambda x, y: optax.losses.softmax_cross_entropy(x, y, axis=0), X, P),
    "safe_softmax_cross_entropy": (optax.losses.safe_softmax_cross_entropy, SAFE, HOT),
    "softmax_cross_entropy_with_integer_labels": (optax.losses.softmax_cross_entropy_with_integer_labels, X, CLASSES),
    "softmax_cross_entropy_with_integer_labels mask": (
        lambda x, y, m: optax.losses.softmax_cross_entropy_with_integer_labels(x, y, where=m), X, CLASSES, MASK),
    "softmax_cross_entropy_with_integer_labels axes": (
        lambda x, y: optax.losses.softmax_cross_entropy_with_integer_labels(x, y, axis=(0, 2)), rng_array((2, 3, 4), 9), CLASSES),
    "multiclass_hinge_loss": (optax.losses.multiclass_hinge_loss, X, CLASSES),
    "multiclass_perceptron_loss": (optax.losses.multiclass_perceptron_loss, X, CLASSES),
    "multiclass_sparsemax_loss": (optax.losses.multiclass_sparsemax_loss, X, CLASSES),
    "poly_loss_cross_entropy": (optax.losses.poly_loss_cross_entropy, X, P),
    "poly_loss_cross_entropy mask": (
        lambda x, y, m: optax.losses.poly_loss_cross_entropy(x, y, epsilon=0.5, where=m), X, P, MASK),
    "sigmoid_focal_loss": (optax.losses.sigmoid_focal_loss, X, BINARY),
    "sigmoid_focal_loss alpha": (lambda x, y: optax.losses.sigmoid_focal_loss(x, y, alpha=0.3, gamma=1.5), X, BINARY),
    "smooth_labels": (lambda x: optax.losses.smooth_labels(x, 0.1), P),
    "smooth_labels mask": (lambda x, m: optax.losses.smooth_labels(x, 0.1, where=m), P, MASK),
    "kl_divergence": (optax.losses.kl_divergence, LOGP, P),
    "kl_divergence mask": (lambda x, y, m: optax.losses.kl_divergence(x, y, where=m), LOGP, P, MASK),
    "kl_divergence_with_log_targets": (optax.losses.kl_divergence_with_log_targets, LOGP, LOGP[::-1]),
    "generalized_kl_divergence": (optax.losses.generalized_kl_divergence, LOGP, P),
    "ctc_loss": (optax.losses.ctc_loss, *CTC),
    "ctc_loss_with_forward_probs": (lambda *x: optax.losses.ctc_loss_with_forward_probs(*x)[2], *CTC),
    "ranking_softmax_loss": (optax.losses.ranking_softmax_loss, X, P),
    "ranking_softmax_loss mask": (
        lambda x, y, m, w: optax.losses.ranking_softmax_loss(x, y, where=m, weights=w, reduce_fn=None), X, P, MASK, abs(Y)),
    "ntxent": (lambda x, y: optax.losses.ntxent(x, y, temperature=0.5), rng_array((6, 4), 10), np.array([0, 0, 1, 1, 2, 2], np.int32)),
    "triplet_margin_loss": (optax.losses.triplet_margin_loss, X, Y, rng_array((3, 5), 11)),
    "dice_loss": (optax.losses.dice_loss, *SEG),
    "dice_loss options": (lambda x, y: optax.losses.dice_loss(
        x, y, smooth=0.5, alpha=0.3, beta=0.7, reduction="sum", ignore_background=True), *SEG),
    "multiclass_generalized_dice_loss": (optax.losses.multiclass_generalized_dice_loss, *SEG),
    "binary_dice_loss": (optax.losses.binary_dice_loss, X, BINARY),
    "projection_simplex": (optax.projections.projection_simplex, X),
    "projection_l1_ball": (lambda x: optax.projections.projection_l1_ball(x, 2.0), X),
    "projection_l2_ball": (lambda x: optax.projections.projection_l2_ball(x, 2.0), X),
    "projection_halfspace": (lambda x, a: optax.projections.projection_halfspace(x, a, 0.5), X, Y),
}


def of_loss(f, *args):
    args = [jnp.asarray(x) for x in args]
    value = jax.jit(f)(*args)
    # Another weight for each element, so that each derivative is seen.
    weights = 1.0 + 0.25 * jnp.arange(value.size, dtype=jnp.float32).reshape(value.shape)
    grad = jax.jit(jax.grad(lambda x: jnp.sum(f(x, *args[1:]) * weights)))(args[0])
    shaped = [dict(shape=list(x.shape), dtype=str(x.dtype), data=hexed(x)) for x in args]
    return dict(args=shaped, value=hexed(value), grad=hexed(grad))


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


def rosenbrock(x):
    return jnp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def searches():
    """Twelve steps of optimisers that ask for values, on a function that bends."""
    for name, tx in {
        "backtracking": optax.chain(optax.sgd(1.0), optax.scale_by_backtracking_linesearch(20, store_grad=True)),
        "zoom": optax.chain(optax.sgd(1.0), optax.scale_by_zoom_linesearch(15)),
        "lbfgs": optax.lbfgs(),
        "reduce_on_plateau": optax.chain(optax.sgd(1e-3), optax.contrib.reduce_on_plateau(0.5, 1, rtol=0.5, cooldown=1)),
        "polyak_sgd": optax.polyak_sgd(max_learning_rate=0.01),
    }.items():
        x = jnp.array([-1.0, 1.5, 0.5, 0.8], jnp.float32)
        state, points = tx.init(x), []
        step = jax.jit(lambda x, s, v, g: tx.update(g, s, x, value=v, grad=g, value_fn=rosenbrock))
        for _ in range(12):
            value, grad = jax.value_and_grad(rosenbrock)(x)
            updates, state = step(x, state, value, grad)
            x = optax.apply_updates(x, updates)
            points.append(x)
        yield dict(kind="search", name=name, points=hexed(jnp.stack(points)))


def cases():
    for dtype in DTYPES:
        params, grads = inputs(dtype)
        yield dict(kind="inputs", dtype=dtype, params=leaves(params), grads=[leaves(g) for g in grads])
        for name, make in OPTIMIZERS.items():
            if (name, dtype) in SKIPPED:
                continue
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
    for name, case in LOSSES.items():
        yield dict(kind="loss", name=name, **of_loss(*case))
    yield from searches()


def arrays(value):
    if isinstance(value, str):
        return [np.frombuffer(bytes.fromhex(value), np.float32)]
    return [x for v in value for x in arrays(v)]


def same(new, old, loose=2e-6):
    for field in new:
        if field in ("kind", "name", "dtype", "args"):
            if new[field] != old[field]:
                return False
            continue
        loose = 3e-2 if new.get("dtype") == "bfloat16" else loose
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
