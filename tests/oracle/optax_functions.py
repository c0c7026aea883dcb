"""What Optax 0.2.8 gives besides updates: `python3 tests/oracle/optax_functions.py [--check]` writes tests/fixtures/optim_functions.jsonl.

A line is a case. `run` has parameters, gradients and updates of each step of an optimiser, and what its state says by then; `function` has
the arguments and the results of a function; `dtype` and `paths` are text. `loss_scale` is that of jmp 0.0.4. Arrays are as in
optax_cases.py. tests/suite/optim/functions.rs has the same names.
"""

import json
import pathlib
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.assignment
import optax.contrib
import optax.microbatching
import optax.perturbations
import optax.second_order

from optax_cases import DTYPES, MATRICES, hexed, inputs, leaves, rng_array

OUT = pathlib.Path(__file__).resolve().parent.parent / "fixtures/optim_functions.jsonl"
PARAMS, GRADS = inputs(DTYPES[0])


def array(x):
    x = jnp.asarray(x)
    return dict(shape=list(x.shape), dtype=str(x.dtype), data=hexed(x))


def bent(params):
    """What the optimisers minimise that ask for more gradients than they are given."""
    return sum(jnp.sum(w**4 / 4 + (w - 0.5 * i) ** 2) for i, w in enumerate(jax.tree.leaves(params), 1))


def poisoned(at):
    """The gradients with a number that is none: `{step: number}`, in the first element of the first leaf."""
    grads = list(GRADS)
    for step, number in at.items():
        bias = grads[step]["a"]["bias"]
        grads[step] = {**grads[step], "a": {**grads[step]["a"], "bias": bias.at[0].set(number)}}
    return grads


def adversary():
    return optax.chain(optax.contrib.normalize(), optax.sgd(0.05, momentum=0.5))


def sam(**options):
    return optax.contrib.sam(optax.adam(0.1), adversary(), **options)


def finite(state):
    return {name: getattr(state, name) for name in ("notfinite_count", "last_finite", "total_notfinite")}


HALVES = lambda step: 0.5 / (1 + step)
# The optimiser, what its state says, and the gradients if they are others; `extra` goes to each update.
RUNS = {
    "sam momentum": (lambda: sam(reset_state=False), None),
    "sam sync_period": (lambda: sam(sync_period=3), None),
    "sam opaque": (lambda: sam(opaque_mode=True), None),
    "sam opaque sync_period": (lambda: sam(sync_period=4, reset_state=False, opaque_mode=True), None),
    "ema biased": (lambda: optax.ema(0.9, debias=False), lambda s: {"count": s.count}),
    "ema accumulator_dtype": (lambda: optax.ema(0.9, accumulator_dtype=jnp.bfloat16), None),
    "monitor_with_ema": (
        lambda: optax.monitor({"norm": optax.measure_with_ema(optax.tree.norm, 0.9)}), lambda s: s.measurements),
    "snapshot": (lambda: optax.snapshot("norm", optax.tree.norm), lambda s: s.measurement),
    "scale_by_distance_over_gradients": (optax.scale_by_distance_over_gradients, None),
    "scale_by_distance_over_gradients constants": (
        lambda: optax.scale_by_distance_over_gradients(reps_rel=1e-2, eps=1e-4, global_scale=-2.0), None),
    "selective_transform": (
        lambda: optax.selective_transform(optax.adam(0.1), freeze_mask=MATRICES(PARAMS)), None),
    "selective_transform none": (
        lambda: optax.selective_transform(optax.adam(0.1), freeze_mask=jax.tree.map(lambda _: False, PARAMS)), None),
    "apply_if_finite recovers": (
        lambda: optax.apply_if_finite(optax.adam(0.1), 2), finite, poisoned({1: np.nan, 2: np.inf, 5: -np.inf})),
    "apply_if_finite gives in": (
        lambda: optax.apply_if_finite(optax.sgd(0.1), 2), finite, poisoned({i: np.nan for i in (1, 2, 3, 4, 6)})),
    "multi_steps not finite": (
        lambda: optax.MultiSteps(optax.adam(0.1), 2, should_skip_update_fn=optax.skip_not_finite).gradient_transformation(),
        lambda s: {"num_not_finite": s.skip_state["num_not_finite"], "gradient_step": s.gradient_step},
        poisoned({1: np.nan, 4: np.inf})),
    "inject_hyperparams values": (
        lambda: optax.inject_hyperparams(optax.sgd)(HALVES, momentum=0.8), lambda s: s.hyperparams),
}


def of_run(make, state_values, grads=None):
    params, tx = PARAMS, make()
    grads = grads or GRADS
    state = tx.init(params)
    wants_grad_fn = "cache" in getattr(state, "_fields", ())
    extra = dict(grad_fn=lambda p, _: jax.grad(bent)(p)) if wants_grad_fn else {}
    step = jax.jit(lambda g, s, p: tx.update(g, s, p, **extra))
    updates, said = [], []
    for g in grads:
        update, state = step(g, state, params)
        updates.append(leaves(update))
        said.append({name: hexed(x) for name, x in (state_values(state) if state_values else {}).items()})
        params = optax.apply_updates(params, update)
    return dict(params=leaves(PARAMS), grads=[leaves(g) for g in grads], updates=updates, state=said)


def of_lookahead(**options):
    """Of the fast parameters, then of the slow ones."""
    tx = optax.lookahead(optax.adam(0.1), 3, 0.4, **options)
    params = optax.LookaheadParams.init_synced(PARAMS)
    state, step, updates = tx.init(params), jax.jit(tx.update), []
    for g in GRADS:
        update, state = step(g, state, params)
        updates.append(leaves(update))
        params = optax.apply_updates(params, update)
    return dict(params=leaves(PARAMS), grads=[leaves(g) for g in GRADS], updates=updates, state=[{}] * len(GRADS))


X, Y = rng_array((3, 5)), rng_array((3, 5), 2)
V = rng_array((4,), 3)
Z, W = [(rng_array((3, 5), i) + 1j * rng_array((3, 5), i + 1)).astype(np.complex64) for i in (20, 22)]
NANS = np.where(X > 0.5, np.nan, X)
KEY = jax.random.key(7)
TREE = lambda f: lambda *x: f((x[0], x[1]), (x[2], x[3]))
FUNCTIONS = {
    "bias_correction": (lambda x, v: optax.tree.bias_correction((x, v), 0.9, jnp.int32(3)), X, V),
    "bias_correction bfloat16": (lambda x: optax.tree.bias_correction(x, 0.999, jnp.int32(2)), X.astype(jnp.bfloat16)),
    **{f"update_moment {i}": (lambda x, y, i=i: optax.tree.update_moment(x, y, 0.9, i), X, Y) for i in (1, 2, 3)},
    "update_infinity_moment": (lambda x, y: optax.tree.update_infinity_moment(x, abs(y), 0.9, 1e-3), X, Y),
    **{f"update_moment_per_elem_norm complex {i}": (
        lambda z, x, i=i: optax.tree.update_moment_per_elem_norm(z, x, 0.9, i), Z, X) for i in (1, 2, 3, 4)},
    **{f"update_moment_per_elem_norm real {i}": (
        lambda y, x, i=i: optax.tree.update_moment_per_elem_norm(y, x, 0.9, i), Y, X) for i in (2, 3)},
    "tree_norm_with": (lambda x, z: [
        optax.tree.norm((x, z), ord=o, squared=s) for o in (1, 2, "inf") for s in (False, True)], X, Z),
    "tree_vdot": (TREE(lambda a, b: optax.tree.vdot(a, b)), X, V, Y, V * 2),
    "tree_vdot complex": (lambda z, w: optax.tree.vdot(z, w), Z, W),
    "tree_add_scale": (TREE(lambda a, b: optax.tree.add_scale(a, -0.3, b)), X, V, Y, V * 2),
    "tree_scale": (lambda x, v: optax.tree.scale(0.7, (x, v)), X, V),
    "full_like": (lambda x, v: optax.tree.full_like((x, v), 0.3), X, V),
    "tree_allclose": (lambda x, n: [
        optax.tree.allclose(x, x * (1 + 1e-6)), optax.tree.allclose(x, x * (1 + 1e-4)),
        optax.tree.allclose(x, x * (1 + 1e-4), rtol=1e-3), optax.tree.allclose(n, n),
        optax.tree.allclose((x, n), (x, n), equal_nan=True)], X, NANS),
    "tree_batch_shape": (lambda x, v: optax.tree.batch_shape((x, v), (2, 3)), X, V),
    "tree_random_like": (lambda x, v: optax.tree.random_like(KEY, (x, v)), X, V),
    "tree_random_like uniform": (lambda x, v: optax.tree.random_like(KEY, (x, v), jax.random.uniform), X, V),
    "tree_split_key_like": (
        # Halves of 16 bits, which f32 holds.
        lambda x, v: [jnp.stack([w >> 16, w & 0xFFFF]) for w in map(
            jax.random.key_data, jax.tree.leaves(optax.tree.split_key_like(KEY, (x, v))))], X, V),
    "tree_map_params": (lambda x, v: jax.tree.leaves(optax.tree.map_params(
        optax.chain(optax.scale_by_adam(), optax.trace(0.9), optax.scale_by_schedule(lambda _: 1.0)),
        lambda moment, param: moment + 2.0 * param,
        optax.chain(optax.scale_by_adam(), optax.trace(0.9), optax.scale_by_schedule(lambda _: 1.0)).init((x, v)),
        (x, v), transform_non_params=lambda count: count + 7)), X, V),
    "safe_norm": (lambda x: [optax.safe_norm(x, 0.1), optax.safe_norm(0 * x, 0.1), optax.safe_root_mean_squares(x, 0.1)], X),
    "scale_gradient": (jax.grad(lambda x: jnp.sum(optax.scale_gradient(x, 0.3) ** 2)), X),
    "unitwise_clip": (lambda x, y: optax.transforms.unitwise_clip(
        optax.transforms.unitwise_norm(x), 0.7 * optax.transforms.unitwise_norm(y), x), X, Y),
}

M = rng_array((5, 5), 30)
POSITIVE = M @ M.T + np.diag(np.arange(5, dtype=np.float32))
FLAT = jax.nn.softmax(rng_array((3, 5), 31))
AccumulationType = optax.microbatching.AccumulationType
BATCH = rng_array((6, 4), 32)


def microbatched(accumulator, **options):
    f = lambda x: (x + 1, (jnp.sum(3 * x), jnp.sum(x**2, 0)), jnp.max(x))
    return lambda x: optax.microbatch(f, 0, 2, accumulator, **options)(x)


def sloped(x, w):
    """The value and the gradient of a sum over parts."""
    f = lambda w, x: jnp.sum(jnp.tanh(x @ w) ** 2)
    return jax.value_and_grad(lambda w: optax.microbatch(f, 1, 3)(w, x))(w[:, :4].T)


def model_loss(params, inputs, targets):
    w, b = params
    return jnp.mean((jnp.tanh(inputs @ w + b) - targets) ** 2)


# Parameters, inputs, targets.
MODEL = (rng_array((4, 3), 33), rng_array((3,), 34), BATCH, rng_array((6, 3), 35))
OF_MODEL = lambda f: lambda w, b, x, y: f((w, b), x, y)


def perturbed(fun, derivatives=True, **options):
    smooth = optax.perturbations.make_perturbed_fun(fun, **options)
    one = lambda x: jnp.sum(smooth(KEY, x) ** 2)
    return lambda x: [smooth(KEY, x)] + ([jax.grad(one)(x), jax.hessian(one)(x)] if derivatives else [])


FUNCTIONS |= {
    "power_iteration": (optax.power_iteration, POSITIVE),
    "power_iteration v0": (lambda a, v: optax.power_iteration(a, v0=v, num_iters=7), POSITIVE, M[0]),
    "power_iteration key": (lambda a: optax.power_iteration(a, key=KEY, error_tolerance=1e-3), POSITIVE),
    "power_iteration_of": (lambda x, y: optax.power_iteration(
        lambda v: (2 * v[0] + jnp.sum(v[1]), v[0] + 3 * v[1]), v0=(x, y), num_iters=20), X[0, 0], V),
    **{f"matrix_inverse_pth_root {p}": (lambda a, p=p: optax.matrix_inverse_pth_root(a, p), POSITIVE) for p in (1, 2, 4, 8)},
    "matrix_inverse_pth_root scalar": (lambda a: optax.matrix_inverse_pth_root(a, 3)[0], POSITIVE[:1, :1]),
    "nnls": (lambda a, b: optax.nnls(a, b, 200), rng_array((6, 4), 36), rng_array((6,), 37)),
    "nnls matrix": (lambda a, b: optax.nnls(a, b, 20, unroll=3), rng_array((6, 4), 36), rng_array((6, 2), 38)),
    "nnls bound": (lambda a, b: optax.nnls(a, b, 20, L=30.0), rng_array((6, 4), 36), rng_array((6, 2), 38)),
    "nnls zero": (lambda a, b: optax.nnls(0 * a, b, 3), rng_array((6, 4), 36), rng_array((6,), 38)),
    "multi_normal": (lambda m, s, x: [
        optax.multi_normal(m, s).sample((3,), KEY), optax.multi_normal(m, s).log_prob(x)], X, V[:1], Y),
    "microbatch sum": (microbatched(AccumulationType.SUM), BATCH),
    "microbatch mean": (microbatched(AccumulationType.MEAN), BATCH),
    "microbatch parts": (
        microbatched((AccumulationType.CONCAT, (AccumulationType.RUNNING_MEAN, AccumulationType.CONCAT), AccumulationType.CONCAT)), BATCH),
    "microbatch axis": (microbatched((AccumulationType.CONCAT, AccumulationType.SUM, AccumulationType.MEAN), in_axes=1), BATCH),
    "microbatch some": (
        microbatched((AccumulationType.SUM, AccumulationType.RUNNING_MEAN, AccumulationType.CONCAT), num_real_microbatches=2), BATCH),
    "microbatch grad": (sloped, BATCH, X),
    "make_fenchel_young_loss": (
        lambda x, y: jax.value_and_grad(
            lambda x: jnp.sum(optax.losses.make_fenchel_young_loss(jax.nn.logsumexp)(x, y) * jnp.arange(1.0, 4.0)))(x), X, FLAT),
    "make_fenchel_young_loss vector": (optax.losses.make_fenchel_young_loss(jax.nn.logsumexp), X[0], FLAT[0]),
}
# Those that Optax says it will take away.
FUNCTIONS |= {
    "hvp": (OF_MODEL(lambda p, x, y: optax.second_order.hvp(model_loss, jnp.linspace(-1.0, 1.0, 15), p, x, y)), *MODEL),
    "hessian_diag": (OF_MODEL(lambda p, x, y: optax.second_order.hessian_diag(model_loss, p, x, y)), *MODEL),
    "fisher_diag": (OF_MODEL(lambda p, x, y: optax.second_order.fisher_diag(model_loss, p, x, y)), *MODEL),
}
FUNCTIONS |= {
    f"{name} {n} {m}": (getattr(optax.assignment, name), rng_array((n, m), 40 + n))
    for name in ("hungarian_algorithm", "base_hungarian_algorithm") for n, m in ((1, 1), (4, 4), (3, 7), (9, 5), (12, 12))
}
FUNCTIONS |= {
    "hungarian_algorithm vmap": (jax.vmap(optax.assignment.hungarian_algorithm), rng_array((3, 4, 6), 50)),
    "base_hungarian_algorithm vmap": (jax.vmap(optax.assignment.base_hungarian_algorithm), rng_array((3, 6, 4), 51)),
    "make_perturbed_fun": (perturbed(lambda x: jax.nn.one_hot(jnp.argmax(x), 4), num_samples=60, sigma=0.7), V),
    "make_perturbed_fun normal": (perturbed(
        lambda x: jnp.sum(jnp.sign(x)), num_samples=40, sigma=1.5, noise=optax.perturbations.Normal(), use_baseline=False), V),
    "make_perturbed_fun default": (perturbed(jnp.sum, derivatives=False), V),
    "make_perturbed_fun tree": (lambda x, v: optax.perturbations.make_perturbed_fun(
        lambda t: (jnp.max(t[0], 0), jnp.sum(t[1])), num_samples=30, sigma=0.5)(KEY, (x, v)), X, V),
}

DTYPE_TREES = [["float32", "float32"], ["float16", "float32"], ["bfloat16", "float16"], ["int32", "uint32"], ["int8", "float16", "int32"], []]


def of_dtypes():
    for names in DTYPE_TREES:
        for handler in (None, "promote", "highest", "lowest"):
            try:
                given = str(jnp.dtype(optax.tree.dtype([jnp.zeros(2, name) for name in names], handler)))
            except ValueError:
                given = None
            yield dict(kind="dtype", names=names, handler=handler, dtype=given)


def of_paths():
    state = optax.chain(
        optax.scale_by_adam(), optax.named_chain(("inner", optax.chain(optax.trace(0.9), optax.scale_by_adam()))),
        optax.inject_hyperparams(optax.sgd)(HALVES)).init(PARAMS)
    for name in ("mu", "count", "trace", "kernel", "hyperparams", "nothing"):
        found = optax.tree_utils.tree_get_all_with_path(state, name)
        step = lambda s: str(getattr(s, "name", getattr(s, "key", getattr(s, "idx", None))))
        paths = sorted("/".join(map(step, path)) for path, _ in found)
        # Schedules of raxla have no state of their own.
        yield dict(kind="paths", name=name, paths=[path for path in paths if "hyperparams_states" not in path])


def of_loss_scale():
    import jmp

    for name, first, finite in (
        ("grows", 8.0, [1, 1, 1, 1, 1, 1, 1]), ("falls", 4.0, [0, 0, 0, 1]), ("both", 2.0**10, [1, 1, 0, 1, 1, 1, 0, 1]),
        ("overflows", float(2.0**126), [1] * 8)):
        scale, values = jmp.DynamicLossScale(jnp.float32(first), period=3), []
        for good in finite:
            scale = scale.adjust(jnp.asarray(bool(good)))
            values.append([float(scale.loss_scale), int(scale.counter)])
        yield dict(kind="loss_scale", name=name, first=hexed(first), finite=finite, values=hexed(values))


def of_function(f, *args):
    args = [jnp.asarray(x) for x in args]
    return dict(args=[array(x) for x in args], results=[array(x) for x in jax.tree.leaves(jax.jit(f)(*args))])


def cases():
    for name, run in RUNS.items():
        yield dict(kind="run", name=name, **of_run(*run))
    yield dict(kind="lookahead", name="lookahead", **of_lookahead())
    yield dict(kind="lookahead", name="lookahead reset", **of_lookahead(reset_state=True))
    for name, case in FUNCTIONS.items():
        yield dict(kind="function", name=name, **of_function(*case))
    yield from of_dtypes()
    yield from of_paths()
    yield from of_loss_scale()


TEXT = ("kind", "name", "shape", "dtype", "names", "handler", "paths", "finite")


def same(new, old):
    """Text is the same, and numbers are but for what XLA's builds differ in."""
    if isinstance(new, dict):
        return new.keys() == old.keys() and all(
            new[k] == old[k] if k in TEXT else same(new[k], old[k]) for k in new)
    if isinstance(new, list):
        return len(new) == len(old) and all(map(same, new, old))
    x, y = (np.frombuffer(bytes.fromhex(v), np.float32) for v in (new, old))
    scale = max((abs(v) for v in y if np.isfinite(v)), default=0)
    return x.shape == y.shape and np.allclose(x, y, rtol=2e-6, atol=2e-6 * scale, equal_nan=True)


def main():
    new = [json.loads(json.dumps(case)) for case in cases()]
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
