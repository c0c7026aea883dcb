"""Writes docs/precision.md: how far special functions and distributions are from the exact values, raxla's beside JAX's.

    python tests/oracle/precision.py                 all of them
    python tests/oracle/precision.py --only ndtr     print these alone, and write nothing

Needs jax==0.10.2 on the CPU, mpmath, and cargo, which runs tests/oracle/values.rs. The exact values are mpmath's with 50 digits. An error is
counted in units in the last place of the exact value: the distance of the floats about it. A number that is no normal float is left out of the
sample, and how many results are infinite or not a number, though the exact value is finite, stands behind the errors as `lost`. Both run as one
jitted program.
"""

import argparse
import json
import math
import os
import pathlib
import subprocess
import tempfile

import jax
import mpmath as mp
import numpy as np

import families
from spec import array_of

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs/precision.md"
SIZE = 400
mp.mp.dps = 50
half = mp.mpf("0.5")


def within(low, high):
    """Uniform between these."""
    text = f"{low:g} … {high:g}"
    return text, lambda rng: rng.uniform(low, high, SIZE)


def powers(low, high, signed=False):
    """As many near each power of ten."""
    text = f"{'±' if signed else ''}10^({low:g} … {high:g})"

    def draw(rng):
        x = 10 ** rng.uniform(low, high, SIZE)
        return x * rng.choice([-1, 1], SIZE) if signed else x

    return text, draw


def whole(low, high):
    """Integers, as floats."""
    return f"{low}, {low + 1} … {high}", lambda rng: rng.integers(low, high + 1, SIZE).astype(float)


def ndtr(x):
    return mp.erfc(-x / mp.sqrt(2)) / 2


def owens_t(h, a):
    with mp.workdps(25):
        return mp.quad(lambda x: mp.exp(-h * h * (1 + x * x) / 2) / (1 + x * x), [0, a / 2, a]) / (2 * mp.pi)


def gammainc(a, x):
    return mp.gammainc(a, 0, x, regularized=True)


def gammaincc(a, x):
    return mp.gammainc(a, x, mp.inf, regularized=True)


def betainc(a, b, x):
    return mp.betainc(a, b, 0, x, regularized=True)


def log_beta(a, b):
    return mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b)


def log_comb(n, k):
    return mp.loggamma(n + 1) - mp.loggamma(k + 1) - mp.loggamma(n - k + 1)


def truncated(a, b):
    return ndtr(b) - ndtr(a)


def normal(x):
    return -x * x / 2 - mp.log(2 * mp.pi) / 2


P = within(0.01, 0.99)
X = within(-8, 8)
POS = powers(-3, 2)
# Function: the exact function, what it is drawn from, and which result it is, if there are several.
SPECIAL = {
    "gammaln": (lambda x: mp.loggamma(x), [POS]),
    "gamma": (mp.gamma, [within(-6, 30)]),
    "digamma": (mp.digamma, [POS]),
    "factorial": (mp.factorial, [within(0, 30)]),
    "erf": (mp.erf, [X]),
    "erfc": (mp.erfc, [X]),
    "erfcx": (lambda x: mp.exp(x * x) * mp.erfc(x), [within(-8, 100)]),
    "erfinv": (mp.erfinv, [within(-0.9999, 0.9999)]),
    "dawsn": (lambda x: mp.sqrt(mp.pi) / 2 * mp.exp(-x * x) * mp.erfi(x), [within(-12, 12)]),
    "fresnel": (mp.fresnels, [within(-20, 20)]),
    "ndtr": (ndtr, [X]),
    "ndtri": (lambda p: mp.sqrt(2) * mp.erfinv(2 * p - 1), [P]),
    "log_ndtr": (lambda x: mp.log(ndtr(x)), [within(-40, 8)]),
    "logit": (lambda p: mp.log(p / (1 - p)), [P]),
    "expit": (lambda x: 1 / (1 + mp.exp(-x)), [within(-40, 40)]),
    "entr": (lambda x: -x * mp.log(x), [POS]),
    "i0": (lambda x: mp.besseli(0, x), [within(-30, 30)]),
    "i0e": (lambda x: mp.besseli(0, x) * mp.exp(-abs(x)), [within(-100, 100)]),
    "i1": (lambda x: mp.besseli(1, x), [within(-30, 30)]),
    "i1e": (lambda x: mp.besseli(1, x) * mp.exp(-abs(x)), [within(-100, 100)]),
    "exp1": (mp.e1, [powers(-3, 1.7)]),
    "expi": (mp.ei, [powers(-3, 1.7)]),
    "sici": (mp.si, [powers(-3, 3)]),
    "spence": (lambda x: mp.polylog(2, 1 - x).real, [powers(-2, 2)]),
    "betaln": (log_beta, [POS, POS]),
    "beta": (mp.beta, [within(0.1, 20), within(0.1, 20)]),
    "betainc": (betainc, [within(0.2, 20), within(0.2, 20), P]),
    "gammainc": (gammainc, [within(0.2, 40), within(0.2, 40)]),
    "gammaincc": (gammaincc, [within(0.2, 40), within(0.2, 40)]),
    "polygamma": (lambda n, x: mp.polygamma(int(n), x), [whole(1, 4), powers(-1, 2)]),
    "zeta": (mp.zeta, [within(1.1, 20), powers(-1, 2)]),
    "xlogy": (lambda x, y: x * mp.log(y), [X, POS]),
    "xlog1py": (lambda x, y: x * mp.log1p(y), [X, POS]),
    "rel_entr": (lambda p, q: p * mp.log(p / q), [POS, POS]),
    "kl_div": (lambda p, q: p * mp.log(p / q) - p + q, [POS, POS]),
    "boxcox": (lambda x, l: mp.expm1(l * mp.log(x)) / l, [POS, within(-3, 3)]),
    "boxcox1p": (lambda x, l: mp.expm1(l * mp.log1p(x)) / l, [POS, within(-3, 3)]),
    "comb": (mp.binomial, [whole(40, 60), whole(0, 40)]),
    "poch": (lambda z, m: mp.gamma(z + m) / mp.gamma(z), [within(0.2, 10), within(-0.1, 10)]),
    "owens_t": (owens_t, [within(0, 4), within(0, 3)]),
    "hyp1f1": (mp.hyp1f1, [within(0.2, 5), within(0.2, 5), within(-5, 10)]),
    "hyp2f1": (mp.hyp2f1, [within(0.2, 3), within(0.2, 3), within(0.5, 6), within(-0.9, 0.9)]),
    "expn": (lambda n, x: mp.expint(int(n), x), [whole(1, 20), powers(-2, 1.5)]),
}
LOGISTIC = lambda x: 1 / (1 + mp.exp(-x))
STATS = {
    "norm.logpdf": (normal, [X]),
    "norm.pdf": (lambda x: mp.exp(normal(x)), [X]),
    "norm.cdf": (ndtr, [X]),
    "norm.logcdf": (lambda x: mp.log(ndtr(x)), [within(-30, 6)]),
    "norm.sf": (lambda x: ndtr(-x), [X]),
    "norm.ppf": (lambda p: mp.sqrt(2) * mp.erfinv(2 * p - 1), [P]),
    "beta.logpdf": (lambda x, a, b: (a - 1) * mp.log(x) + (b - 1) * mp.log(1 - x) - log_beta(a, b), [P, within(0.5, 9), within(0.5, 9)]),
    "beta.pdf": (lambda x, a, b: x ** (a - 1) * (1 - x) ** (b - 1) / mp.beta(a, b), [P, within(0.5, 9), within(0.5, 9)]),
    "beta.cdf": (lambda x, a, b: betainc(a, b, x), [P, within(0.5, 9), within(0.5, 9)]),
    "gamma.logpdf": (lambda x, a: (a - 1) * mp.log(x) - x - mp.loggamma(a), [within(0.1, 20), within(0.5, 9)]),
    "gamma.pdf": (lambda x, a: x ** (a - 1) * mp.exp(-x) / mp.gamma(a), [within(0.1, 20), within(0.5, 9)]),
    "gamma.cdf": (lambda x, a: gammainc(a, x), [within(0.1, 20), within(0.5, 9)]),
    "gamma.sf": (lambda x, a: gammaincc(a, x), [within(0.1, 20), within(0.5, 9)]),
    "chi2.logpdf": (lambda x, k: (k / 2 - 1) * mp.log(x) - x / 2 - k / 2 * mp.log(2) - mp.loggamma(k / 2), [within(0.1, 20), within(1, 9)]),
    "chi2.cdf": (lambda x, k: gammainc(k / 2, x / 2), [within(0.1, 20), within(1, 9)]),
    "t.logpdf": (
        lambda x, k: mp.loggamma((k + 1) / 2) - mp.loggamma(k / 2) - mp.log(k * mp.pi) / 2 - (k + 1) / 2 * mp.log1p(x * x / k),
        [X, within(0.5, 30)]),
    "t.pdf": (
        lambda x, k: mp.gamma((k + 1) / 2) / mp.gamma(k / 2) / mp.sqrt(k * mp.pi) * (1 + x * x / k) ** (-(k + 1) / 2),
        [X, within(0.5, 30)]),
    "cauchy.logpdf": (lambda x: -mp.log(mp.pi * (1 + x * x)), [X]),
    "cauchy.cdf": (lambda x: mp.acot(-x) / mp.pi if x < 0 else 1 - mp.acot(x) / mp.pi if x > 0 else half, [X]),
    "expon.logpdf": (lambda x: -x, [within(0, 20)]),
    "expon.cdf": (lambda x: -mp.expm1(-x), [powers(-3, 1)]),
    "expon.ppf": (lambda p: -mp.log1p(-p), [P]),
    "laplace.logpdf": (lambda x: -abs(x) - mp.log(2), [X]),
    "laplace.cdf": (lambda x: mp.exp(x) / 2 if x < 0 else 1 - mp.exp(-x) / 2, [X]),
    "logistic.logpdf": (lambda x: -x - 2 * mp.log1p(mp.exp(-x)), [within(-30, 30)]),
    "logistic.cdf": (LOGISTIC, [within(-30, 30)]),
    "gennorm.logpdf": (lambda x, b: mp.log(b / 2) - mp.loggamma(1 / b) - abs(x) ** b, [within(-4, 4), within(0.5, 4)]),
    "gennorm.cdf": (lambda x, b: (1 + mp.sign(x) * gammainc(1 / b, abs(x) ** b)) / 2, [within(-2, 4), within(0.5, 3)]),
    "gumbel_r.logpdf": (lambda x: -x - mp.exp(-x), [within(-4, 20)]),
    "gumbel_r.cdf": (lambda x: mp.exp(-mp.exp(-x)), [within(-3, 10)]),
    "gumbel_l.logpdf": (lambda x: x - mp.exp(x), [within(-20, 4)]),
    "gumbel_l.cdf": (lambda x: -mp.expm1(-mp.exp(x)), [within(-10, 3)]),
    "pareto.logpdf": (lambda x, b: mp.log(b) - (b + 1) * mp.log(x), [within(1.1, 20), within(0.5, 5)]),
    "pareto.cdf": (lambda x, b: 1 - x ** -b, [within(1.1, 20), within(0.5, 5)]),
    "truncnorm.logpdf": (lambda x, a, b: normal(x) - mp.log(truncated(a, b)), [within(-1, 1), within(-4, -1), within(1, 4)]),
    "truncnorm.cdf": (lambda x, a, b: truncated(a, x) / truncated(a, b), [within(-0.9, 1), within(-4, -1), within(1, 4)]),
    "vonmises.logpdf": (lambda x, k: k * mp.cos(x) - mp.log(2 * mp.pi * mp.besseli(0, k)), [within(-3, 3), within(0.2, 20)]),
    "wrapcauchy.logpdf": (
        lambda x, c: mp.log((1 - c * c) / (2 * mp.pi * (1 + c * c - 2 * c * mp.cos(x)))), [within(0.1, 6), within(0.1, 0.9)]),
    "poisson.logpmf": (lambda k, m: k * mp.log(m) - m - mp.loggamma(k + 1), [whole(0, 40), within(0.5, 40)]),
    "poisson.pmf": (lambda k, m: m ** k * mp.exp(-m) / mp.factorial(k), [whole(0, 40), within(0.5, 40)]),
    "poisson.cdf": (lambda k, m: gammaincc(k + 1, m), [whole(0, 40), within(0.5, 40)]),
    "binom.logpmf": (
        lambda k, n, p: log_comb(n, k) + k * mp.log(p) + (n - k) * mp.log1p(-p), [whole(0, 20), whole(20, 40), P]),
    "binom.pmf": (
        lambda k, n, p: mp.binomial(n, k) * p ** k * (1 - p) ** (n - k), [whole(0, 20), whole(20, 40), P]),
    "nbinom.logpmf": (
        lambda k, n, p: log_comb(k + n - 1, k) + n * mp.log(p) + k * mp.log1p(-p), [whole(0, 20), whole(1, 20), P]),
    "geom.logpmf": (lambda k, p: mp.log(p) + (k - 1) * mp.log1p(-p), [whole(1, 20), P]),
    "betabinom.logpmf": (
        lambda k, n, a, b: log_comb(n, k) + log_beta(k + a, n - k + b) - log_beta(a, b),
        [whole(0, 20), whole(20, 40), within(0.5, 5), within(0.5, 5)]),
}
FUNCTIONS = {f"scipy.special.{k}": v for k, v in SPECIAL.items()} | {f"scipy.stats.{k}": v for k, v in STATS.items()}
# Arguments that are of integers.
INTEGERS = {("scipy.special.polygamma", 0), ("scipy.special.expn", 0)}


def samples(name, draws, dtype):
    rng = np.random.default_rng(sum(name.encode()))
    return [draw(rng).astype(dtype) for _, draw in draws]


def exact_values(f, columns, dtype):
    """The exact values of those samples that are normal numbers, and which they are."""
    info, values, kept = np.finfo(dtype), [], []
    for i, args in enumerate(zip(*columns)):
        value = f(*(mp.mpf(float(x)) for x in args))
        if mp.im(value) == 0 and info.tiny <= abs(value) <= info.max:
            values.append(mp.re(value))
            kept.append(i)
    return values, kept


def errors(found, exact, dtype):
    """Of finite numbers in units in the last place, and how many are not finite."""
    digits = np.finfo(dtype).nmant
    out, lost = [], 0
    for x, e in zip(found, exact):
        if not math.isfinite(x):
            lost += 1
            continue
        _, exponent = mp.frexp(abs(e))
        out.append(float(abs(mp.mpf(float(x)) - e) / mp.ldexp(1, int(exponent) - 1 - digits)))
    return out, lost


def described(found, exact, dtype):
    out, lost = errors(found, exact, dtype)
    if not out:
        return f"none finite of {lost}"
    number = lambda x: f"{x:.2g}" if x < 1 else f"{x:.1f}" if x < 100 else f"{x:.0f}" if x < 1e5 else f"{x:.0e}"
    return f"{number(max(out))}, {number(sum(out) / len(out))}" + (f" ({lost} lost)" if lost else "")


def raxla(cases):
    """What raxla gives for cases, which are lines of a fixture: of each the arrays' bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "cases"
        path.write_text("".join(json.dumps(case) + "\n" for case in cases))
        subprocess.run(
            ["cargo", "test", "-q", "--test", "oracle", "values_of_a_file"],
            cwd=ROOT, env=os.environ | {"ORACLE_VALUES": str(path)}, check=True, stdout=subprocess.DEVNULL,
        )
        return [json.loads(line) for line in (path.parent / "cases.out").read_text().splitlines()]


def jax_function(name):
    call = jax
    for part in name.split("."):
        call = getattr(call, part)
    return call


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="")
    only = parser.parse_args().only
    names = [name for name in FUNCTIONS if only in name]
    work, cases = [], []
    for name in names:
        f, draws = FUNCTIONS[name]
        for dtype in ("float32", "float64"):
            columns = samples(name, draws, dtype)
            exact, kept = exact_values(f, columns, dtype)
            columns = [c[kept].astype("int32") if (name, i) in INTEGERS else c[kept] for i, c in enumerate(columns)]
            x64 = dtype == "float64"
            with jax.enable_x64(x64):
                found = jax.jit(jax_function(name))(*columns)
            first = lambda x: x[0] if isinstance(x, (tuple, list)) else x
            work.append((name, dtype, exact, np.asarray(first(found))))
            args = [array_of(c, c.dtype) for c in columns]
            cases.append({"id": f"{name}/0", "fn": name, "args": args, "x64": x64, "out": [], "tol": {}})
    rows = {}
    for (name, dtype, exact, of_jax), ours in zip(work, raxla(cases)):
        ours = np.frombuffer(bytes.fromhex(ours[0]), dtype)
        row = rows.setdefault(name, [])
        row += [described(ours, exact, dtype), described(of_jax, exact, dtype)]
    lines = []
    for name, found in rows.items():
        drawn = "; ".join(text for text, _ in FUNCTIONS[name][1])
        lines.append(f"| `{name.removeprefix('scipy.')}` | {drawn} | {' | '.join(found)} |")
    head = "| function | arguments | raxla `f32` | JAX `f32` | raxla `f64` | JAX `f64` |\n|---|---|---|---|---|---|\n"
    if only:
        print(head + "\n".join(lines))
        return
    PAGE.write_text(f"""# How exact special functions and distributions are

Written by `tests/oracle/precision.py`: do not edit. Errors against mpmath's values with 50 digits, in units in the last place of the exact
value: the largest, and the mean, of {SIZE} random arguments each. Those are left out whose exact value is no normal number; `lost` are results
that are not finite. JAX is {jax.__version__} on the same CPU, and both run as jitted programs. Where a logarithm or a difference passes through zero,
the error is relative to a small number, and large in both. Of several results the first is meant (`fresnel`, `sici`).

{head}""" + "\n".join(lines) + "\n")


main()
