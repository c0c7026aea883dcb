"""What `optax.contrib` of Optax 0.2.8 gives: `python3 tests/oracle/optax_contrib.py [--check]` writes tests/fixtures/optim_contrib.jsonl.

Lines are as those of tests/oracle/optax_cases.py. Gradients are of the same direction but for some noise, so that estimates of distances
grow; `values` are losses for those that ask for them. `private` has gradients of three examples, and their parameters. `--noise [NAME]` prints
by how much jitted and unjitted steps of Optax differ: what the last bits of one step become in ten. tests/suite/optim/contrib.rs has the same names.
"""

import json
import pathlib
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
from optax import contrib

import optax_cases as base
from optax_cases import MATRICES, RATE, STEPS, draw, hexed, leaves

OUT = pathlib.Path(__file__).resolve().parent.parent / "fixtures/optim_contrib.jsonl"
VALUES = [12.0 - 0.8 * step for step in range(STEPS)]


def inputs(dtype):
    rng = np.random.default_rng(9)
    params, direction = draw(rng, dtype), draw(rng, dtype)
    noisy = lambda g, n: (g + 0.3 * n).astype(dtype)
    return params, [jax.tree.map(noisy, direction, draw(rng, dtype)) for _ in range(STEPS)]


def objective(params):
    """A function whose Hessian changes, and is not diagonal."""
    square = lambda p: jnp.real(p * jnp.conj(p))
    return sum(jnp.sum(square(p) ** 2) / 4 + jnp.sum(jnp.real(p)) ** 2 / 2 for p in jax.tree.leaves(params))


# By the name that the test has, and only where Optax takes the dtype.
OPTIMIZERS = {
    "acprop": lambda: contrib.acprop(0.1),
    "acprop decay": lambda: contrib.acprop(RATE, b1=0.8, b2=0.95, eps=1e-3, eps_root=1e-4, weight_decay=0.1, mask=MATRICES),
    "ademamix": lambda: contrib.ademamix(0.1),
    "ademamix schedules": lambda: contrib.ademamix(
        RATE, b1=0.8, b2=0.95, b3=lambda step: 0.9 + 0.01 * step, alpha=lambda step: 0.5 * step, eps=1e-3, eps_root=1e-4,
        weight_decay=0.1, mask=MATRICES),
    "scale_by_ademamix": lambda: contrib.scale_by_ademamix(),
    "simplified_ademamix": lambda: contrib.simplified_ademamix(0.1),
    "simplified_ademamix options": lambda: contrib.simplified_ademamix(
        RATE, b1=0.9, b2=0.9, alpha=lambda step: 0.5 * step, eps=1e-3, eps_root=1e-4, weight_decay=0.1, mask=MATRICES),
    "adopt": lambda: contrib.adopt(0.1),
    "adopt clip": lambda: contrib.adopt(RATE, b1=0.8, b2=0.9, eps=1e-3, nesterov=True, clip_value_fn=lambda step: 1.0 + 0.1 * step),
    "adopt unclipped": lambda: contrib.adopt(0.1, eps=0.5, nesterov=True, use_clipping=False),
    "adopt mu_dtype": lambda: contrib.adopt(0.1, mu_dtype=jnp.bfloat16),
    "madgrad": lambda: contrib.madgrad(0.1),
    "madgrad decay": lambda: contrib.madgrad(RATE, momentum=0.5, weight_decay=0.1, eps=1e-3),
    "cocob": lambda: contrib.cocob(),
    "cocob decay": lambda: contrib.cocob(RATE, alpha=10.0, eps=1e-3, weight_decay=0.1, mask=MATRICES),
    "dadapt_adamw": lambda: contrib.dadapt_adamw(),
    "dadapt_adamw options": lambda: contrib.dadapt_adamw(
        optax.linear_schedule(1.0, 0.5, 8), betas=(0.8, 0.9), eps=1e-3, estim_lr0=0.01, weight_decay=0.1),
    "prodigy": lambda: contrib.prodigy(),
    "prodigy options": lambda: contrib.prodigy(
        optax.linear_schedule(1.0, 0.5, 8), betas=(0.8, 0.9), beta3=0.7, eps=1e-3, estim_lr0=0.1, estim_lr_coef=2.0, weight_decay=0.1),
    "prodigy safeguard": lambda: contrib.prodigy(RATE, estim_lr0=0.1, safeguard_warmup=True),
    "dog": lambda: contrib.dog(),
    "dog distance": lambda: contrib.dog(RATE, init_step=("distance", 0.1), eps=1e-3, weight_decay=0.1, mask=MATRICES),
    "dog learning_rate": lambda: contrib.dog(init_step=("learning_rate", 0.1)),
    "dowg": lambda: contrib.dowg(),
    "dowg options": lambda: contrib.dowg(RATE, init_estim_sq_dist=0.1, eps=1e-3, weight_decay=0.1, mask=MATRICES),
    "mechanize": lambda: contrib.mechanize(optax.sgd(1.0), s_init=0.1),
    "mechanize adam": lambda: contrib.mechanize(optax.adam(RATE), weight_decay=0.1, eps=1e-3, s_init=1.0, num_betas=3),
    "momo": lambda: contrib.momo(),
    "momo options": lambda: contrib.momo(RATE, beta=0.5, lower_bound=-1.0, weight_decay=0.1, adapt_lower_bound=True),
    "momo bound": lambda: contrib.momo(0.5, lower_bound=-3.0, adapt_lower_bound=True),
    "momo_adam": lambda: contrib.momo_adam(),
    "momo_adam options": lambda: contrib.momo_adam(
        RATE, b1=0.7, b2=0.9, eps=1e-3, lower_bound=-1.0, weight_decay=0.1, adapt_lower_bound=True),
    "momo_adam bound": lambda: contrib.momo_adam(0.5, lower_bound=-3.0, adapt_lower_bound=True),
    "sophia": lambda: contrib.sophia(0.1),
    "sophia options": lambda: contrib.sophia(
        RATE, b1=0.8, b2=0.9, eps=1e-3, weight_decay=0.1, weight_decay_mask=MATRICES, gamma=0.5, clip_threshold=2.0, update_interval=3,
        hessian_diagonal_fn=contrib.hutchinson_estimator_diag_hessian(jax.random.key(3))),
    "sophia unclipped": lambda: contrib.sophia(0.1, eps=1.0, gamma=0.5, clip_threshold=None, update_interval=2),
    "galore": lambda: contrib.galore(0.1, rank=2),
    "galore options": lambda: contrib.galore(
        RATE, rank=1, update_proj_gap=3, scale=0.5, base_optimizer=optax.scale_by_rms(), weight_decay=0.1, mask=MATRICES),
    "scale_by_galore": lambda: contrib.scale_by_galore(),
    "hutchinson": lambda: optax.chain(contrib.hutchinson_estimator_diag_hessian(jax.random.key(5)), optax.scale(-0.01)),
    "split_real_and_imaginary": lambda: contrib.split_real_and_imaginary(optax.adam(0.1)),
    "split_real_and_imaginary prodigy": lambda: contrib.split_real_and_imaginary(contrib.prodigy(estim_lr0=0.1)),
}

# What Optax computes there is not what it means: the square of a complex number is no norm, and rates, distances and bounds are complex.
COMPLEX = ("simplified_ademamix", "cocob", "dadapt_adamw", "prodigy", "mechanize", "momo", "momo_adam", "sophia", "galore", "scale_by_galore")
# What these give is as exact as the parameters, of which it is a difference, or as inner products with them: `--noise` shows 3e-7 of those.
DIFFERENCES = ("cocob", "madgrad", "mechanize", "momo", "momo_adam")

PRIVATE = {
    "differentially_private_aggregate": lambda: contrib.differentially_private_aggregate(0.5, 0.3, jax.random.key(3)),
    "dpsgd": lambda: contrib.dpsgd(0.1, 1.0, 0.1, seed=4),
    "dpsgd momentum": lambda: contrib.dpsgd(RATE, 10.0, 0.1, seed=5, momentum=0.9, nesterov=True),
}


def of_optimizer(make, params, grads, values=VALUES, jit=jax.jit):
    tx = optax.with_extra_args_support(make())
    state = tx.init(params)
    step = jit(lambda g, s, p, v: tx.update(g, s, p, value=v, obj_fn=objective))
    updates = []
    for g, v in zip(grads, values):
        update, state = step(g, state, params, jnp.float32(v))
        updates.append(update)
        params = optax.apply_updates(params, update)
    return updates


def private_inputs():
    rng = np.random.default_rng(10)
    params = draw(rng, "float32")
    examples = lambda: jax.tree.map(lambda *x: jnp.stack(x), *[draw(rng, "float32") for _ in range(3)])
    return params, [examples() for _ in range(4)]


def cases():
    for dtype in base.DTYPES:
        params, grads = inputs(dtype)
        yield dict(
            kind="inputs", dtype=dtype, params=leaves(params), grads=[leaves(g) for g in grads], values=hexed(VALUES))
        for name, make in OPTIMIZERS.items():
            if dtype == "complex64" and name.split()[0] in COMPLEX:
                continue
            try:
                updates = of_optimizer(make, params, grads)
            except (TypeError, ValueError) as e:
                if dtype == "float32":
                    raise
                print(f"{name} does not take {dtype}: {str(e).splitlines()[0][:80]}", file=sys.stderr)
                continue
            assert all(np.isfinite(np.asarray(x, np.complex64)).all() for x in jax.tree.leaves(updates)), (name, dtype)
            yield dict(kind="optimizer", name=name, dtype=dtype, updates=[leaves(u) for u in updates])
    params, grads = private_inputs()
    yield dict(kind="private_inputs", dtype="float32", params=leaves(params), grads=[leaves(g) for g in grads])
    for name, make in PRIVATE.items():
        updates = of_optimizer(make, params, grads)
        yield dict(kind="private", name=name, updates=[leaves(u) for u in updates])


def noise(only):
    """The largest difference of an update, of its largest element and of that of the parameters."""
    for dtype in base.DTYPES:
        params, grads = inputs(dtype)
        size = max(float(abs(p.astype("complex64")).max()) for p in jax.tree.leaves(params))
        for name, make in OPTIMIZERS.items():
            if only and not name.startswith(only):
                continue
            try:
                one, other = of_optimizer(make, params, grads), of_optimizer(make, params, grads, jit=lambda f: f)
            except (TypeError, ValueError):
                continue
            worst = [0.0, 0.0, np.inf, 0.0]
            for x, y in zip(jax.tree.leaves(one), jax.tree.leaves(other)):
                x, y = np.asarray(x, np.complex64), np.asarray(y, np.complex64)
                difference = abs(x - y).max()
                worst = [max(worst[0], difference / max(abs(y).max(), 1e-30)), max(worst[1], difference / size),
                         min(worst[2], abs(y).max()), max(worst[3], abs(y).max())]
            print(f"{dtype} {name}: {worst[0]:.1e} of the update, {worst[1]:.1e} of the parameters; updates {worst[2]:.1e} to {worst[3]:.1e}")


def same(new, old):
    return base.same(new, old, 5e-5 if new.get("name", "").split(" ")[0] in DIFFERENCES else 2e-6)


def main():
    if "--noise" in sys.argv:
        return noise("".join(sys.argv[2:]))
    new = list(cases())
    if "--check" in sys.argv:
        old = [json.loads(line) for line in OUT.read_text().splitlines()]
        wrong = [n.get("name", n["kind"]) for n, o in zip(new, old) if not same(n, o)]
        if wrong or len(new) != len(old):
            sys.exit(f"{OUT.name} is not what Optax {optax.__version__} gives: {len(new)} cases, {len(old)} there; {wrong}")
        print(f"{len(new)} cases of optax.contrib {optax.__version__}")
        return
    OUT.write_text("".join(json.dumps(case, separators=(",", ":")) + "\n" for case in new))
    print(f"{len(new)} cases")


if __name__ == "__main__":
    main()
