"""Writes tests/fixtures/random.jsonl: what jax.random gives. JAX 0.10.2, jax_threefry_partitionable=True (the default).

Run: python tests/oracle/prng.py (not random.py: that name is the standard library's)

`--check` computes all of it and compares with the file instead: integers to the bit, floats to a few units in the last place,
since another CPU contracts multiplications and additions otherwise.
"""

import json
import math
import pathlib
import sys

import jax
import jax.numpy as jnp
import numpy as np
from jax import random

from spec import differ

OUT = pathlib.Path(__file__).parent.parent / "fixtures" / "random.jsonl"
CASES = []


def hexed(x):
    if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
        x = random.key_data(x)
    x = np.asarray(x)
    return {"dtype": str(x.dtype), "shape": list(x.shape), "data": x.tobytes().hex()}


def case(fn, seed, out, **params):
    """`out` is what `fn` gives for `key(seed)` and these parameters."""
    CASES.append({"fn": fn, "seed": seed, **params, "out": hexed(out)})


def distributions(key, seed):
    """Those made of gamma variates, and numbers of events. A list is an array of the case's dtype."""

    def plain(v):
        # JSON has no infinity.
        return [plain(x) for x in v] if isinstance(v, list) else v if math.isfinite(v) else str(v)

    def draw(fn, dtype, *values, shape, **more):
        params = [jnp.asarray(v, "float32" if "int" in dtype else dtype) if isinstance(v, list) else v for v in values]
        out = getattr(random, fn)(key, *params, shape=shape, dtype=dtype)
        case(fn, seed, out, shape=shape, dtype=dtype, **dict(zip("pqr", map(plain, values))), **more)

    several, edges = [0.05, 0.3, 1.0, 2.5, 100.0], [0.0, float("inf"), float("nan")]
    for dtype in ["float32", "float16", "bfloat16"]:
        for fn in ["gamma", "loggamma", "chisquare", "t"]:
            draw(fn, dtype, several + edges, shape=(8,))
        for fn in ["beta", "f"]:
            draw(fn, dtype, several, 1.5, shape=(5,))
        draw("dirichlet", dtype, several, shape=(2,))
        draw("generalized_normal", dtype, 0.8, shape=(4,))
        case("ball", seed, random.ball(key, 2, shape=(2, 3), dtype=dtype), shape=(2, 3), dtype=dtype, n=2)
        draw("triangular", dtype, -1.0, [0.0, 0.5, 1.0], 2.0, shape=(2, 3))
        draw("double_sided_maxwell", dtype, 0.5, 2.0, shape=(5,))
        draw("binomial", dtype, 40.0, [0.0, 0.05, 0.3, 0.9], shape=(2, 4))
    dtype = "float32"
    draw("gamma", dtype, 2.5, shape=())
    draw("t", dtype, [[2.5], [4.0]], shape=(2, 3))
    draw("beta", dtype, 0.7, [[0.2], [3.0]], shape=(2, 3))
    draw("dirichlet", dtype, [[0.1, 0.1], [5.0, 2.0]], shape=(3, 2))
    for p in [1.0, 3.0]:
        case("ball", seed, random.ball(key, 3, p, (4,), dtype), shape=(4,), dtype=dtype, n=3, p=p)
    draw("double_sided_maxwell", dtype, [0.0, 1.0], 2.0, shape=())
    for n, p in [(10.0, [0.0, 0.05, 0.3, 0.5, 0.9, 1.0]), ([1000.0, 5.0, 0.0, float("inf"), -1.0, float("nan")], 0.4),
                 (30.0, [-0.5, float("nan"), 0.6, 1e-3, 0.999, 0.5])]:
        draw("binomial", dtype, n, p, shape=(2, 6))
    for dtype in ["int32", "uint8"]:
        draw("poisson", dtype, [0.0, 0.2, 3.0, 9.9, 10.0, 50.0, 120.0], shape=(2, 7))
        draw("geometric", dtype, [0.2, 0.5, 0.99, 1.0], shape=(2, 4))
    draw("poisson", "int32", [1e4, 1e6, -1.0, float("nan")], shape=(4,))
    draw("poisson", "int32", 4.0, shape=())
    draw("geometric", "int32", 0.3, shape=(3,))
    for n, p, shape in [(20.0, [0.1, 0.2, 0.7], (3,)), ([3.0, 100.0], [0.0, 0.5, 0.5, 0.0], (2, 4)), (5.0, [[1.0], [0.3]], (2, 1))]:
        draw("multinomial", "float32", n, p, shape=shape)
    a = jnp.array(several)
    for fn in ["gamma", "loggamma"]:
        grad = jax.grad(lambda a: getattr(random, fn)(key, a).sum())(a)
        case(f"grad_{fn}", seed, grad, p=several)
        keys = random.split(key, 3)
        case(f"vmap_{fn}", seed, jax.vmap(lambda k: getattr(random, fn)(k, a))(keys), p=several)
    case("vmap_poisson", seed, jax.vmap(lambda k: random.poisson(k, a))(keys), p=several)


def vectors(key, seed):
    """Normal vectors, by each factor of the covariance."""
    cov = [[2.0, 0.5], [0.5, 1.0]]
    # The signs of singular vectors, and so draws by them, are LAPACK's.
    for method in ("cholesky", "eigh"):
        out = random.multivariate_normal(key, jnp.array([1.0, -1.0]), jnp.array(cov), (3,), method=method)
        # Both eigenvectors may have the other sign.
        case("multivariate_normal", seed, out if method == "cholesky" else jnp.abs(out - jnp.array([1.0, -1.0])), shape=(3,), mode=method)
    out = random.multivariate_normal(key, jnp.zeros((3, 1, 2)), jnp.array([cov, [[1.0, 0.0], [0.0, 4.0]]]), (3, 2))
    case("multivariate_normal", seed, out, shape=(3, 2), mode="batch")


def compilers(seed, impl):
    """Draws from keys of the compiler's generator."""
    key = random.key(seed, impl=impl)
    of = lambda fn, out, **params: case(fn, seed, out, impl=impl, **params)
    of("key", key)
    for num in [1, 5, (2, 3)]:
        of("split", random.split(key, num), num=num)
    of("fold_in", random.fold_in(key, 7), data=7)
    for dtype in ["uint8", "uint16", "uint32"]:
        for shape in [(), (3, 5), (0,)]:
            of("bits", random.bits(key, shape, dtype), shape=shape, dtype=dtype)
    of("uniform", random.uniform(key, (5,), "float32", -2.0, 3.5), shape=(5,), dtype="float32", lo=-2.0, hi=3.5)
    for dtype in ["float32", "bfloat16", "complex64"]:
        of("normal", random.normal(key, (2, 3), dtype), shape=(2, 3), dtype=dtype)
    of("truncated_normal", random.truncated_normal(key, -1.0, 2.0, (6,), "float32"), shape=(6,), dtype="float32", lo=-1.0, hi=2.0)
    of("randint", random.randint(key, (6,), -5, 100, "int32"), shape=(6,), dtype="int32", lo=-5, hi=100)
    of("bernoulli", random.bernoulli(key, 0.3, (8,)), shape=(8,), p=0.3)
    of("permutation", random.permutation(key, 10), n=10)
    of("choice", random.choice(key, 10, (2, 3), False), n=10, shape=(2, 3), replace=False)
    of("binomial", random.binomial(key, 40.0, 0.3, (4,), "float32"), shape=(4,), dtype="float32", p=40.0, q=0.3)
    keys = random.split(key, 3)
    of("vmap_normal", jax.vmap(lambda k: random.normal(k, (2,)))(keys))
    of("vmap_split", jax.vmap(lambda k: random.split(k, 2))(keys))
    of("vmap_fold_in", jax.vmap(lambda k: random.fold_in(k, 5))(keys))
    of("vmap_fold_in_data", jax.vmap(lambda i: random.fold_in(key, i))(jnp.arange(3)))


def check():
    old = [json.loads(line) for line in OUT.read_text().splitlines()]
    new = json.loads(json.dumps(CASES))
    if len(old) != len(new):
        sys.exit(f"{OUT.name} has {len(old)} cases, {pathlib.Path(__file__).name} {len(new)}")
    given = lambda c: {k: v for k, v in c.items() if k != "out"}
    for a, b in zip(new, old):
        # LAPACK's kernels are chosen by the CPU, too.
        tol = {"ulp": 4, "abs": 1e-6 if "orthogonal" in a["fn"] else 1e-7}
        why = "the inputs differ" if given(a) != given(b) else differ(a["out"], b["out"], tol)
        if why:
            sys.exit(f"{OUT.name}: {given(a)}: {why}: run prng.py")
    print(f"{len(new)} draws agree with JAX {jax.__version__}")


def main():
    for seed in [0, 1, 42, -1, 2**31 - 1, 12345678]:
        case("key", seed, random.key(seed))
    for seed in [0, 42]:
        key = random.key(seed)
        for num in [1, 2, 5, (2, 3)]:
            case("split", seed, random.split(key, num), num=num)
        for data in [0, 7, 2**31 - 1]:
            case("fold_in", seed, random.fold_in(key, data), data=data)
        for dtype in ["uint8", "uint16", "uint32"]:
            for shape in [(), (4,), (3, 5), (0,)]:
                case("bits", seed, random.bits(key, shape, dtype), shape=shape, dtype=dtype)
        for dtype in ["float32", "float16", "bfloat16"]:
            for fn in ["normal", "exponential", "gumbel", "laplace", "logistic", "cauchy", "maxwell"]:
                for shape in [(), (7,), (2, 3)]:
                    case(fn, seed, getattr(random, fn)(key, shape, dtype), shape=shape, dtype=dtype)
            for lo, hi in [(0.0, 1.0), (-2.0, 3.5), (0.1, 0.37)]:
                out = random.uniform(key, (5,), dtype, lo, hi)
                case("uniform", seed, out, shape=(5,), dtype=dtype, lo=lo, hi=hi)
            for mode in ["high", "highest"]:
                case("gumbel", seed, random.gumbel(key, (2, 3), dtype, mode), shape=(2, 3), dtype=dtype, mode=mode)
            out = random.truncated_normal(key, -1.0, 2.0, (6,), dtype)
            case("truncated_normal", seed, out, shape=(6,), dtype=dtype, lo=-1.0, hi=2.0)
            for fn, p in [("pareto", 2.5), ("rayleigh", 1.5), ("wald", 0.7)]:
                case(fn, seed, getattr(random, fn)(key, p, (4,), dtype), shape=(4,), dtype=dtype, p=p)
            case("lognormal", seed, random.lognormal(key, 0.5, (4,), dtype), shape=(4,), dtype=dtype, p=0.5)
        for fn in ["bits", "uniform", "normal", "exponential", "gumbel", "rademacher"]:
            case(fn, seed, getattr(random, fn)(key, (3,)), shape=(3,), **({"lo": 0.0, "hi": 1.0} if fn == "uniform" else {}))
        out = random.lognormal(key, 0.5, (4,), "complex64")
        case("lognormal", seed, out, shape=(4,), dtype="complex64", p=0.5)
        out = random.weibull_min(key, 2.0, 1.5, (4,))
        case("weibull_min", seed, out, shape=(4,), dtype="float32", p=2.0, q=1.5)
        case("normal", seed, random.normal(key, (4,), "complex64"), shape=(4,), dtype="complex64")
        for lo, hi in [(0, 10), (-5, 100), (3, 3), (0, 127), (0, 128), (-128, 127)]:
            for dtype in ["int8", "int16", "int32", "uint8", "uint32"]:
                out = random.randint(key, (6,), lo, hi, dtype)
                case("randint", seed, out, shape=(6,), dtype=dtype, lo=lo, hi=hi)
        case("randint", seed, random.randint(key, (3,), 0, 256, "uint8"), shape=(3,), dtype="uint8", lo=0, hi=256)
        for p in [0.0, 0.3, 1.0]:
            case("bernoulli", seed, random.bernoulli(key, p, (8,)), shape=(8,), p=p)
            case("bernoulli", seed, random.bernoulli(key, p, (8,), "high"), shape=(8,), p=p, mode="high")
        for dtype in ["float8_e4m3fn", "float8_e5m2", "float8_e4m3b11fnuz"]:
            out = random.uniform(key, (16,), dtype, -2.0, 3.5)
            case("uniform", seed, out, shape=(16,), dtype=dtype, lo=-2.0, hi=3.5)
            for fn in ["normal", "exponential", "gumbel"]:
                case(fn, seed, getattr(random, fn)(key, (16,), dtype), shape=(16,), dtype=dtype)
        for dtype, lo, hi in [("int4", -8, 8), ("int4", -2, 5), ("uint4", 3, 16), ("int2", -2, 2), ("uint2", 0, 3)]:
            out = random.randint(key, (16,), lo, hi, dtype)
            case("randint", seed, out, shape=(16,), dtype=dtype, lo=lo, hi=hi)
        for dtype in ["int32", "int8", "float32", "int4", "float8_e5m2"]:
            case("rademacher", seed, random.rademacher(key, (8,), dtype), shape=(8,), dtype=dtype)
        for n in [0, 1, 2, 10, 3000]:
            case("permutation", seed, random.permutation(key, n), n=n)
        x = jnp.arange(12, dtype="float32").reshape(3, 4)
        for axis in [0, 1]:
            for independent in [False, True]:
                out = random.permutation(key, x, axis, independent)
                case("permutation_array", seed, out, axis=axis, independent=independent)
        for replace in [False, True]:
            case("choice", seed, random.choice(key, 10, (2, 3), replace), n=10, shape=(2, 3), replace=replace)
            p = jnp.array([0.1, 0.2, 0.3, 0.4])
            out = random.choice(key, 4, (3,), replace, p)
            case("choice_weighted", seed, out, shape=(3,), replace=replace)
            out = random.choice(key, 4, (3,), replace, p, mode="high")
            case("choice_weighted", seed, out, shape=(3,), replace=replace, mode="high")
            for axis in [0, 1]:
                out = random.choice(key, x, (2,), replace, axis=axis)
                case("choice_array", seed, out, shape=(2,), replace=replace, axis=axis)
        logits = jnp.log(jnp.array([[0.1, 0.2, 0.7], [0.5, 0.25, 0.25]]))
        for axis in [-1, 0]:
            case("categorical", seed, random.categorical(key, logits, axis), axis=axis, shape=None, replace=True)
        for axis, shape, replace, mode in [
            (-1, (4, 2), True, "low"), (0, (2, 3), True, "low"), (-1, (4, 2), True, "high"), (-1, None, True, "highest"),
            (-1, (3, 2), False, "low"), (-1, (2, 2), False, "high"), (0, (2, 3), False, "low"), (1, (3, 1, 2), False, "low"),
        ]:
            out = random.categorical(key, logits, axis, shape, replace, mode)
            case("categorical", seed, out, axis=axis, shape=shape, replace=replace, mode=mode)
        keys = random.split(key, 3)
        out = jax.vmap(lambda k: random.normal(k, (2,)))(keys)
        case("vmap_normal", seed, out)
        for n, m, shape in [(3, None, ()), (4, 2, ()), (2, 4, (2,)), (0, 2, ()), (1, 1, (3,))]:
            for dtype in ["float32", "complex64"]:
                out = random.orthogonal(key, n, shape, dtype, m)
                case("orthogonal", seed, out, shape=shape, dtype=dtype, n=n, m=m)
        distributions(key, seed)
        vectors(key, seed)
        for impl in ["rbg", "unsafe_rbg"]:
            compilers(seed, impl)
        I = jax.nn.initializers
        for axis, shape in [(-1, (4, 3)), (-1, (3, 4)), (0, (3, 4)), (1, (2, 3, 4)), (-1, (2, 2, 3, 4)), (-1, (0, 2)), (-1, (5, 1))]:
            out = I.orthogonal(1.5, axis)(key, shape, "float32")
            case("init_orthogonal", seed, out, shape=shape, dtype="float32", p=1.5, axis=axis)
        for axis, shape in [(-1, (3, 2, 4)), (0, (4, 3, 3)), (-1, (1, 2, 2, 3)), (-1, (3, 4, 2, 2)), (-2, (2, 1, 5, 2, 3)), (-1, (3, 0, 2))]:
            out = I.delta_orthogonal(0.5, axis)(key, shape, "float32")
            case("init_delta_orthogonal", seed, out, shape=shape, dtype="float32", p=0.5, axis=axis)
        for dtype in ["float32", "bfloat16"]:
            for name in ["glorot_uniform", "glorot_normal", "lecun_uniform", "lecun_normal", "he_uniform", "he_normal"]:
                for shape in [(6, 4), (3, 2, 4)]:
                    out = getattr(I, name)()(key, shape, dtype)
                    case(name, seed, out, shape=shape, dtype=dtype)
            for mode in ["fan_in", "fan_out", "fan_avg", "fan_geo_avg"]:
                for distribution in ["truncated_normal", "normal", "uniform"]:
                    init = I.variance_scaling(0.7, mode, distribution, in_axis=(0, 2), out_axis=1, batch_axis=3)
                    out = init(key, (3, 4, 2, 2), dtype)
                    case("variance_scaling", seed, out, shape=(3, 4, 2, 2), dtype=dtype, mode=mode, of=distribution)
            case("init_uniform", seed, I.uniform(0.3)(key, (5,), dtype), shape=(5,), dtype=dtype, p=0.3)
            case("init_normal", seed, I.normal(0.3)(key, (5,), dtype), shape=(5,), dtype=dtype, p=0.3)
            out = I.truncated_normal(0.3, lower=-1.0, upper=0.5)(key, (5,), dtype)
            case("init_truncated_normal", seed, out, shape=(5,), dtype=dtype, p=0.3, lo=-1.0, hi=0.5)
            case("init_constant", seed, I.constant(0.3)(key, (5,), dtype), shape=(5,), dtype=dtype, p=0.3)
    with jax.enable_x64(True):
        for seed in [42, -1, 2**33 + 5]:
            case("key", seed, random.key(seed), x64=True)
            key = random.key(seed)
            case("bits", seed, random.bits(key, (3,), "uint64"), shape=(3,), dtype="uint64", x64=True)
            for fn in ["uniform", "normal", "exponential", "gumbel"]:
                out = getattr(random, fn)(key, (5,), "float64")
                case(fn, seed, out, shape=(5,), dtype="float64", lo=0.0, hi=1.0, x64=True)
            out = random.randint(key, (4,), -7, 10**12, "int64")
            case("randint", seed, out, shape=(4,), dtype="int64", lo=-7, hi=10**12, x64=True)
            case("permutation", seed, random.permutation(key, 9), n=9, x64=True)
            for fn in ["gamma", "loggamma", "t"]:
                case(fn, seed, getattr(random, fn)(key, 0.7, (4,)), shape=(4,), dtype="float64", p=0.7, x64=True)
            for fn in ["beta", "f"]:
                case(fn, seed, getattr(random, fn)(key, 0.7, 2.0, (4,)), shape=(4,), dtype="float64", p=0.7, q=2.0, x64=True)
            case("poisson", seed, random.poisson(key, 40.0, (4,)), shape=(4,), dtype="int64", p=40.0, x64=True)
            case("binomial", seed, random.binomial(key, 90.0, 0.3, (4,)), shape=(4,), dtype="float64", p=90.0, q=0.3, x64=True)
            case("orthogonal", seed, random.orthogonal(key, 3), shape=(), dtype="float64", n=3, m=None, x64=True)
            out = jax.nn.initializers.orthogonal()(key, (3, 5), "float64")
            case("init_orthogonal", seed, out, shape=(3, 5), dtype="float64", p=1.0, axis=-1, x64=True)
    if "--check" in sys.argv:
        return check()
    OUT.write_text("".join(json.dumps(c, separators=(",", ":")) + "\n" for c in CASES))
    print(f"{len(CASES)} cases")


main()
