"""`jax.scipy.stats`."""

import jax
import numpy as np
from jax.scipy import stats
from spec import arr, weak

NAN, INF = float("nan"), float("inf")

# Absolute limits stand beside 16 ulp: logarithms of probabilities pass through zero, and where logarithms of the gamma function cancel in an
# exponent, their error is relative in the result. Where the absolute limit is passed, 4 ulp from JAX's were seen.
ULP = {}

X = [-30.0, -2.5, -1.0, -0.3, 0.0, 0.4, 1.0, 2.5, 7.0, 40.0, INF, -INF, NAN]
# At infinity Gumbel's density is a difference of infinities, and Cauchy's distribution one of halves, unless both are one contracted
# operation.
FINITE = [x for x in X if abs(x) != INF]
Q = [0.0, 1e-6, 0.1, 0.45, 0.77, 1.0, -0.5, 1.5, NAN]
K = [-1.0, 0.0, 1.0, 2.0, 2.5, 5.0, 17.0, INF, NAN]
SMOOTH = [-2.3, -0.6, 0.3, 1.1, 4.5]
INSIDE = [0.1, 0.35, 0.8]
COUNTS = [1.0, 2.0, 5.0]
SHAPE = [0.5, 1.0, 3.0]
PROBABILITY = [0.1, 0.5, 0.9]

# Functions of one kind: the values with edges, of each argument, and those at which there are derivatives. `None` for the options: it has none.
DISTRIBUTIONS = [
    ("norm", "logpdf pdf cdf logcdf sf logsf", [X], [SMOOTH], "loc scale"),
    ("norm", "ppf isf", [Q], [INSIDE], "loc scale"),
    ("bernoulli", "logpmf pmf", [K, [0.0, 0.3, 1.0]], [[0.0, 1.0], PROBABILITY], "loc"),
    ("bernoulli", "cdf", [K, [-0.1, 0.0, 0.3, 1.0, NAN]], [[0.0, 0.5], PROBABILITY], None),
    ("bernoulli", "ppf", [Q, [-0.1, 0.0, 0.3, 1.0, NAN]], [INSIDE, PROBABILITY], None),
    ("beta", "logpdf pdf cdf logcdf sf logsf", [[-0.5, 0.0, 0.3, 1.0, 1.5, NAN], [0.0, 0.5, 2.0], [0.5, 1.0]], [INSIDE, SHAPE, [0.7, 2.0]], "loc scale"),
    ("betabinom", "logpmf pmf", [K, [0.0, 5.0, -1.0], [0.5, 0.0], [1.5]], [COUNTS, [7.0], SHAPE, [0.7, 2.0]], "loc"),
    ("binom", "logpmf pmf", [K, [0.0, 5.0, 20.0], [0.0, 0.3, 1.0]], [COUNTS, [7.0], PROBABILITY], "loc"),
    ("cauchy", "logpdf pdf cdf sf", [X], [SMOOTH], "loc scale"),
    ("cauchy", "logcdf logsf", [FINITE], [SMOOTH], "loc scale"),
    ("cauchy", "ppf isf", [[0.1, 0.5, 0.77, NAN]], [INSIDE], "loc scale"),
    ("chi2", "logpdf pdf cdf logcdf sf logsf", [X, [1.0, 2.0, 9.5]], [[0.3, 1.1, 4.5], SHAPE], "loc scale"),
    ("expon", "logpdf pdf cdf logcdf sf logsf", [X], [[0.8, 1.1, 4.5]], "loc scale"),
    ("expon", "ppf", [Q], [INSIDE], "loc scale"),
    ("gamma", "logpdf pdf cdf logcdf sf logsf", [X, [0.5, 1.0, 9.5]], [[0.8, 1.1, 4.5], SHAPE], "loc scale"),
    ("gennorm", "logpdf pdf cdf", [X, [0.5, 1.0, 2.0]], [[-2.3, -0.6, 0.3, 1.1], SHAPE], None),
    ("geom", "logpmf pmf", [K, [0.0, 0.3, 1.0]], [COUNTS, PROBABILITY], "loc"),
    ("gumbel_l", "logpdf pdf logcdf cdf sf logsf", [FINITE], [SMOOTH], "loc scale"),
    ("gumbel_l", "ppf", [Q], [INSIDE], "loc scale"),
    ("gumbel_r", "logpdf pdf logcdf cdf sf logsf", [FINITE], [SMOOTH], "loc scale"),
    ("gumbel_r", "ppf", [Q], [INSIDE], "loc scale"),
    ("laplace", "logpdf pdf cdf", [X], [SMOOTH], "loc scale"),
    ("logistic", "logpdf pdf cdf sf", [X], [SMOOTH], "loc scale"),
    ("logistic", "ppf isf", [Q], [INSIDE], "loc scale"),
    ("nbinom", "logpmf pmf", [K, [1.0, 5.0], [0.0, 0.3, 1.0]], [COUNTS, [1.0, 7.0], PROBABILITY], "loc"),
    ("pareto", "logpdf pdf cdf logcdf sf logsf", [X, [0.5, 2.0]], [[1.9, 2.3, 4.5], SHAPE], "loc scale"),
    ("pareto", "ppf", [Q, [0.5, 2.0]], [INSIDE, SHAPE], "loc scale"),
    ("poisson", "logpmf pmf cdf", [K, [0.0, 0.3, 12.0]], [COUNTS, SHAPE], "loc"),
    ("t", "logpdf pdf", [X, [0.5, 1.0, 30.0]], [SMOOTH, SHAPE], "loc scale"),
    ("truncnorm", "logpdf pdf cdf logcdf sf logsf", [X, [-1.0, 0.5, -INF], [1.5, 0.0]], [[0.7, 1.1], [-1.0, -0.5], [2.0, 1.5]], "loc scale"),
    ("uniform", "logpdf pdf cdf", [X], [INSIDE], "loc scale"),
    ("uniform", "ppf", [Q], [INSIDE], "loc scale"),
    ("vonmises", "logpdf pdf", [X, [-1.0, 0.0, 0.5, 20.0]], [SMOOTH, SHAPE], None),
    ("wrapcauchy", "logpdf pdf", [X, [0.0, 0.3, 1.0]], [[0.3, 1.1, 4.5], PROBABILITY], None),
]


def with_options(function):
    """The last arrays are those that `more` names."""
    def call(*args, more=()):
        n = len(args) - len(more)
        return function(*args[:n], **dict(zip(more, args[n:])))

    return call


def estimate(function):
    """Of a kernel density estimate: from the data, weights if `weighted`, and the function's own arguments."""
    def call(dataset, *args, weighted=False, bw_method=None, **k):
        weights, args = (args[0], args[1:]) if weighted else (None, args)
        return function(stats.gaussian_kde(dataset, bw_method, weights), *args, **k)

    return call


ADAPTERS = {
    f"scipy.stats.{name}.{fn}": with_options(getattr(getattr(stats, name), fn))
    for name, functions, *_ in DISTRIBUTIONS
    for fn in functions.split()
} | {
    "scipy.stats.poisson.entropy": with_options(stats.poisson.entropy),
    **{f"scipy.stats.gaussian_kde.{name}": estimate(getattr(stats.gaussian_kde, name))
       for name in "evaluate pdf logpdf integrate_gaussian integrate_box_1d".split()},
    "scipy.stats.gaussian_kde.integrate_kde": lambda x, y: stats.gaussian_kde(x).integrate_kde(stats.gaussian_kde(y)),
    "scipy.stats.gaussian_kde.resample": lambda x, key, shape: stats.gaussian_kde(x).resample(jax.random.wrap_key_data(key), shape),
    "scipy.stats.gaussian_kde.fields": estimate(lambda kde: [kde.neff, kde.weights, kde.covariance, kde.inv_cov]),
    "scipy.stats.mode": lambda a, axis, **k: tuple(stats.mode(a, axis=axis, **k)),
    "scipy.stats.rankdata": lambda a, axis, **k: stats.rankdata(a, axis=axis, **k),
    "scipy.stats.sem": lambda a, axis, **k: stats.sem(a, axis=axis, **k),
}


def grid(*lists):
    """Every combination, as columns."""
    return [list(map(float, p.ravel())) for p in np.meshgrid(*lists, indexing="ij")]


def build(f):
    for name, functions, edges, smooth, options in DISTRIBUTIONS:
        options = (options or "").split()
        for function in functions.split():
            fn = f"scipy.stats.{name}.{function}"
            values = lambda dtype, lists: [arr(dtype, x) for x in grid(*lists)]
            more = lambda dtype: [arr(dtype, [x]) for x in (0.25, 1.5)[:len(options)]] if "loc" in options else []
            named = dict(more=options) if options else {}
            f32, f64, half = dict(ulp=16, abs=2e-6), dict(ulp=16, abs=1e-14), dict(ulp=8, abs=2e-2)
            f.case(fn, *values("float32", edges), **f32)
            f.case(fn, *values("bfloat16", edges), error=None, **half)
            # Pareto numbers are above loc + scale; loc of a distribution of integers is one.
            discrete = options == ["loc"]
            # JAX has no derivative of xlogy(-1, x), nor of what only selects.
            no = name == "bernoulli" and function == "ppf" or name.startswith("gumbel") and function in ("logpdf", "pdf", "ppf")
            grad = not no
            # No derivative of the incomplete beta function in its parameters, nor of what they are compared with.
            which = [0] if name == "beta" and function not in ("logpdf", "pdf") else grad
            shift = lambda dtype: [arr(dtype, [1.0])] if discrete else more(dtype)
            moved = [[x + 1 for x in smooth[0]], *smooth[1:]] if discrete else smooth
            f.case(fn, *values("float32", moved), *shift("float32"), grad=which, grad_ulp=16, grad_abs=4e-6, **f32, **named)
            f.case(fn, *values("float64", smooth), x64=True, grad=which, grad_ulp=16, grad_abs=1e-14, **f64)
            if function in ("logpdf", "logpmf"):
                f.case(fn, *values("float16", edges), error=None, **half)
                f.case(fn, arr("int32", [[0], [1], [2]]), *[weak(0.5)] * (len(edges) - 1), error=None, **f32)
                f.case(fn, ("float32", (2, 3)), *[("float32", (2,))] * (len(edges) - 1), *([] if len(edges) > 1 or not options else [("float32", (2,))]),
                       error=None, **(dict(more=["loc"]) if len(edges) == 1 and options else {}))
    vectors(f)
    normal_vectors(f)
    estimates(f)
    samples(f)


def vectors(f):
    x = arr("float32", [[0.2, 0.5, 0.1], [0.3, 0.25, 0.9], [0.5, 0.25, 0.2]])
    alpha = arr("float32", [0.5, 1.0, 3.0])
    for name in ("logpdf", "pdf"):
        fn = f"scipy.stats.dirichlet.{name}"
        f.case(fn, x, alpha, grad=True, grad_ulp=16, grad_abs=2e-6, ulp=16, abs=1e-6)
        f.case(fn, arr("float32", [0.2, 0.3]), alpha, grad=True, grad_ulp=16, grad_abs=2e-6, ulp=16, abs=1e-6)
        f.case(fn, arr("float32", [0.2, 0.3, 0.6]), alpha, ulp=16, abs=1e-6)
        f.case(fn, arr("float64", [0.2, 0.3, 0.5]), arr("float64", [0.5, 1.0, 3.0]), x64=True, grad=True, grad_ulp=16, grad_abs=2e-6, ulp=16, abs=1e-14)
        f.case(fn, arr("bfloat16", [0.25, 0.25, 0.5]), arr("bfloat16", [0.5, 1.0, 3.0]), ulp=4, abs=1e-6)
        f.case(fn, arr("float32", [0.2]), alpha, error=True)
        f.case(fn, arr("float32", [0.2, 0.8]), ("float32", (2, 2)), error=True)
    p = arr("float32", [0.2, 0.3, 0.5])
    for name in ("logpmf", "pmf"):
        fn = f"scipy.stats.multinomial.{name}"
        f.case(fn, arr("int32", [1, 2, 4]), arr("int32", 7), p, grad=True, grad_ulp=16, grad_abs=2e-6, ulp=16, abs=1e-6)
        f.case(fn, arr("int32", [1, 2, 4]), arr("int32", 8), p, ulp=16, abs=1e-6)
        f.case(fn, arr("int32", [0, 0, 0]), arr("int32", 0), arr("float32", [0.0, 0.5, 0.5]), ulp=16, abs=1e-6)
        f.case(fn, arr("float32", [1.0, 2.0, 4.0]), arr("int32", 7), p, error=True)
    fn = "scipy.stats.poisson.entropy"
    f.case(fn, arr("float32", [[0.0, 0.5, 9.0], [10.0, 50.0, 1e4]]), ulp=16, abs=1e-6)
    f.case(fn, arr("float32", [0.5, 12.0, 300.0]), grad=True, grad_ulp=16, grad_abs=2e-6, ulp=16, abs=1e-6)
    f.case(fn, arr("float32", [0.5, 2.0]), arr("float32", [[0.0], [1.0]]), more=["loc"], ulp=16, abs=1e-6)
    f.case(fn, arr("float64", [0.5, 70.0]), x64=True, ulp=16, abs=1e-14)


def normal_vectors(f):
    limits = dict(ulp=16, abs=2e-6, grad_ulp=16, grad_abs=4e-6)
    x, mean = [[0.5, -1.0], [2.0, 0.25], [0.0, 0.0]], [0.25, -0.5]
    cov = [[2.0, 0.5], [0.5, 1.0]]
    covs = [cov, [[1.0, -0.25], [-0.25, 0.5]], [[4.0, 0.0], [0.0, 0.125]]]
    for name in ("logpdf", "pdf"):
        fn = f"scipy.stats.multivariate_normal.{name}"
        f.case(fn, arr("float32", x), arr("float32", mean), arr("float32", cov), grad=True, **limits)
        f.case(fn, arr("float64", x), arr("float64", mean), arr("float64", cov), x64=True, grad=True, **limits | dict(abs=1e-14, grad_abs=1e-13))
        f.case(fn, arr("float32", x), arr("float32", mean), arr("float32", covs), **limits)
        f.case(fn, arr("float32", [0.5, -1.0, 2.0]), weak(0.5), arr("float32", 2.0), grad=[0, 2], **limits)
        f.case(fn, arr("float32", x), arr("float32", mean), weak(2.0), **limits)
        f.case(fn, arr("int32", [1, 2]), arr("float32", mean), arr("float32", cov), **limits)
        f.case(fn, arr("float32", x), arr("float32", mean), ("float32", (3, 3)), error=True)
        f.case(fn, ("float32", (0, 2)), arr("float32", mean), arr("float32", cov), **limits)


def estimates(f):
    # A covariance is inverted and factored, in an order that LAPACK and XLA choose.
    limits = dict(ulp=64, abs=1e-5)
    line, plane = [-1.0, 0.0, 0.25, 0.5, 2.0, 2.5], [[-1.0, 0.0, 0.5, 2.0], [0.5, -0.5, 0.0, 3.0]]
    weights, points = [1.0, 2.0, 1.0, 0.5, 0.5, 1.0], [-3.0, 0.1, 1.0, 40.0]
    fn = "scipy.stats.gaussian_kde."
    for bw in (None, "scott", "silverman", 0.5):
        f.case(fn + "fields", arr("float32", line), bw_method=bw, **limits)
    f.case(fn + "fields", arr("float32", line), arr("float32", weights), weighted=True, **limits)
    f.case(fn + "fields", arr("float64", plane), x64=True, ulp=64, abs=1e-13)
    f.case(fn + "fields", arr("int32", [1, 2, 4]), **limits)
    f.case(fn + "fields", arr("float32", [1.0]), error=True)
    f.case(fn + "fields", arr("float32", line), arr("float32", [1.0, 2.0]), weighted=True, error=True)
    for name in ("evaluate", "pdf", "logpdf"):
        f.case(fn + name, arr("float32", line), arr("float32", points), grad=name != "pdf", grad_ulp=64, grad_abs=1e-4, **limits)
        f.case(fn + name, arr("float32", line), arr("float32", weights), arr("float32", points), weighted=True, **limits)
        f.case(fn + name, arr("float32", plane), arr("float32", [[0.0, 1.0, 5.0], [0.5, 1.0, -2.0]]), **limits)
    f.case(fn + "evaluate", arr("float32", plane), arr("float32", [0.5, 1.0]), **limits)
    f.case(fn + "evaluate", arr("float32", plane), ("float32", (3, 2)), error=True)
    f.case(fn + "evaluate", arr("float64", plane), arr("float64", [[0.0, 1.0], [0.5, 1.0]]), x64=True, ulp=64, abs=1e-13)
    f.case(fn + "integrate_gaussian", arr("float32", plane), arr("float32", [0.5, 0.0]), arr("float32", [[1.0, 0.25], [0.25, 2.0]]), **limits)
    f.case(fn + "integrate_gaussian", arr("float32", line), arr("float32", 0.5), arr("float32", 2.0), **limits)
    f.case(fn + "integrate_gaussian", arr("float32", plane), ("float32", (3,)), ("float32", (2, 2)), error=True)
    f.case(fn + "integrate_box_1d", arr("float32", line), weak(-0.5), weak(1.5), **limits)
    f.case(fn + "integrate_box_1d", arr("float32", plane), weak(-0.5), weak(1.5), error=True)
    f.case(fn + "integrate_box_1d", arr("float32", line), ("float32", (2,)), weak(1.5), error=True)
    f.case(fn + "integrate_kde", arr("float32", plane), arr("float32", [[0.0, 1.0, 3.0], [1.0, 0.0, 1.5]]), **limits)
    f.case(fn + "integrate_kde", arr("float32", line), arr("float32", [0.0, 3.0]), **limits)
    f.case(fn + "integrate_kde", arr("float32", line), arr("float32", plane), error=True)
    for shape in ([], [5], [2, 2]):
        f.case(fn + "resample", arr("float32", plane), arr("uint32", [0, 42]), shape=shape, **limits)
    f.case(fn + "resample", arr("float32", line), arr("uint32", [0, 42]), shape=[4], **limits)
    f.case(fn + "resample", arr("float32", plane), arr("uint32", [0, 42]), shape=[3, 2], error=True)


def samples(f):
    for dtype, x in (("int32", [[3, 1, 3], [1, 1, 2], [3, 2, 2], [0, 2, 2]]), ("float32", [[0.5, NAN, 2.0], [0.5, NAN, -1.0], [-0.0, 1.0, 2.0]]),
                     ("bool", [[True, False], [True, True]])):
        for axis in (0, -1, None):
            f.case("scipy.stats.mode", arr(dtype, x), axis=axis, keepdims=axis == -1)
    f.case("scipy.stats.mode", ("float32", (0, 2)), axis=0, error=None)
    f.case("scipy.stats.mode", ("float32", (2, 0)), axis=0, error=None)
    f.case("scipy.stats.mode", arr("int32", 3), axis=0)
    f.case("scipy.stats.mode", ("float32", (2, 3)), axis=2, error=True)
    x = [[3.0, 1.0, 3.0, 2.0, 3.0], [0.5, 0.5, -0.0, 0.0, 7.0]]
    for method in ("average", "min", "max", "dense", "ordinal"):
        f.case("scipy.stats.rankdata", arr("float32", x), axis=None, method=method)
        f.case("scipy.stats.rankdata", arr("float32", x), axis=1, method=method)
        f.case("scipy.stats.rankdata", arr("int32", [2, 2, 1]), axis=0, method=method)
    f.case("scipy.stats.rankdata", arr("float32", [[1.0, NAN], [0.0, 3.0]]), axis=0)
    f.case("scipy.stats.rankdata", arr("float32", [[1.0, NAN], [0.0, 3.0]]), axis=None)
    f.case("scipy.stats.rankdata", ("float32", (2, 3)), axis=2, error=True)
    for axis in (0, 1, None):
        f.case("scipy.stats.sem", ("float32", (4, 3)), axis=axis, grad=True, grad_ulp=16, grad_abs=2e-6, ulp=16, abs=1e-6)
        f.case("scipy.stats.sem", arr("float32", [[1.0, NAN, 2.5], [0.5, 2.0, 4.0], [0.0, 7.0, 1.0]]), axis=axis, nan_policy="omit", keepdims=True, ulp=16, abs=1e-6)
    f.case("scipy.stats.sem", ("int32", (4, 3)), axis=0, ddof=0, ulp=16, abs=1e-6)
    f.case("scipy.stats.sem", ("bfloat16", (4, 3)), axis=0, ulp=16, abs=1e-6)
    f.case("scipy.stats.sem", arr("float32", [1.0, NAN]), axis=0, ulp=16, abs=1e-6)
    f.case("scipy.stats.sem", ("float32", (4, 3)), axis=2, error=True)
