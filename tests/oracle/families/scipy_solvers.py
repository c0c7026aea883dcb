"""`jax.scipy.sparse.linalg` and `jax.scipy.optimize`: what iterations find, with bodies that `rows_scipy_solvers.rs` has too."""

import jax
import jax.numpy as jnp
import jax.scipy.optimize
import jax.scipy.sparse.linalg as sparse
import numpy as np
from spec import arr


def iterated(f):
    def call(a, b, *x0, body="matrix", precondition=False, **k):
        if x0:
            k["x0"] = x0[0]
        if precondition:
            k["M"] = lambda x: x / jnp.diag(a)
        if body == "tree":
            # Two coupled vectors.
            operator = lambda p: (a @ p[0] + p[1], p[0] + 2.0 * p[1])
            x, info = f(operator, (b, 2.0 * b), **k)
            return list(x) + ([] if info is None else [info])
        if body == "mapped":
            return [jax.vmap(lambda b: f(a, b, **k)[0])(b)]
        x, info = f(a, b, **k)
        return [x] + ([] if info is None else [info])

    return call


FUNCTIONS = {
    "bowl": lambda x: jnp.sum((x - jnp.arange(x.shape[0])) ** 2 * (1.0 + jnp.arange(x.shape[0]))),
    "rosenbrock": lambda x: jnp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2),
    "himmelblau": lambda x: (x[0] ** 2 + x[1] - 11.0) ** 2 + (x[0] + x[1] ** 2 - 7.0) ** 2,
    "vector": lambda x: x,
}


def minimize(x0, body, method, counts=True, **options):
    r = jax.scipy.optimize.minimize(FUNCTIONS[body], x0, method=method, options=options)
    found = [r.x, r.success, r.fun, r.jac]
    return found + ([r.status, r.nit, r.nfev, r.njev] if counts else [])


ADAPTERS = {
    "scipy.sparse.linalg.cg": iterated(sparse.cg),
    "scipy.sparse.linalg.bicgstab": iterated(sparse.bicgstab),
    "scipy.sparse.linalg.gmres": iterated(sparse.gmres),
    "scipy.optimize.minimize": minimize,
}


def general(dtype, n):
    rng = np.random.RandomState(n)
    x = rng.uniform(-1, 1, (n, n)) + 4 * np.eye(n)
    return dtype, x + 1j * rng.uniform(-1, 1, (n, n)) if dtype.startswith("complex") else x


def definite(dtype, n):
    _, x = general(dtype, n)
    return dtype, x @ np.conj(x.T) / 4


LIMIT = {"float32": 2e-5, "complex64": 2e-5, "float64": 1e-10, "complex128": 1e-10}


def build(f):
    def case(fn, a, b, *x, **k):
        dtype = a[0]
        limit = LIMIT[dtype]
        k.setdefault("abs", limit)
        if dtype in ("float64", "complex128"):
            k.setdefault("tol", 1e-12)
        else:
            k.setdefault("tol", 1e-6)
        f.case(f"scipy.sparse.linalg.{fn}", a, b, *x, x64=dtype in ("float64", "complex128"), grad_abs=20 * limit, **k)

    for dtype in LIMIT:
        case("cg", definite(dtype, 4), (dtype, (4,)), grad=True)
        case("bicgstab", general(dtype, 4), (dtype, (4,)), grad=True)
        case("gmres", general(dtype, 4), (dtype, (4,)), grad=True)
        case("gmres", general(dtype, 4), (dtype, (4,)), solve_method="incremental")
    F = "float32"
    case("cg", definite(F, 3), (F, (3,)), body="tree", grad=True)
    case("cg", definite(F, 4), (F, (4,)), (F, (4,)), precondition=True)
    case("cg", definite(F, 6), (F, (6,)), maxiter=2, abs=1e-4)
    case("cg", definite(F, 4), (F, (3, 4)), body="mapped")
    case("cg", definite(F, 4), (F, np.zeros(4)))
    case("bicgstab", general(F, 3), (F, (3,)), body="tree", grad=True)
    case("bicgstab", general(F, 4), (F, (4,)), (F, (4,)), precondition=True)
    case("bicgstab", general(F, 6), (F, (6,)), maxiter=2, abs=1e-4)
    for method in ("batched", "incremental"):
        case("gmres", general(F, 3), (F, (3,)), body="tree", solve_method=method, grad=method == "batched")
        case("gmres", general(F, 6), (F, (6,)), restart=2, maxiter=3, solve_method=method, abs=1e-4)
        case("gmres", general(F, 4), (F, (4,)), (F, (4,)), precondition=True, solve_method=method)
        case("gmres", general(F, 4), (F, (3, 4)), body="mapped", solve_method=method)
    for fn in ("cg", "bicgstab", "gmres"):
        case(fn, (F, (3, 2)), (F, (3,)), error=True)
        case(fn, (F, (3, 3)), (F, (3,)), (F, (2,)), error=True)
    small = "l-bfgs-experimental-do-not-rely-on-this"
    for method in ("BFGS", small):
        g = lambda body, x0, **k: f.case("scipy.optimize.minimize", x0, body=body, method=method, **k)
        # The gradient goes to zero, and its last digits are rounding.
        g("bowl", ("float32", np.zeros(3)), abs=2e-4)
        g("bowl", ("float64", np.zeros(4)), x64=True, abs=1e-5)
        g("rosenbrock", ("float64", np.zeros(3)), x64=True, abs=1e-4, counts=False)
        g("himmelblau", ("float64", np.ones(2)), x64=True, abs=1e-4, counts=False)
        g("rosenbrock", ("float64", np.zeros(2)), x64=True, abs=1e-5, maxiter=3)
        g("bowl", ("float32", np.arange(3.0)), abs=1e-6)
        g("vector", ("float32", (2,)), error=True)
        g("bowl", ("int32", (2,)), error=True)
    f.case("scipy.optimize.minimize", ("float32", np.zeros(2)), body="bowl", method="BFGS", gtol=1.0, line_search_maxiter=3, abs=1e-4)
    f.case("scipy.optimize.minimize", ("float64", np.zeros(3)), body="rosenbrock", method=small, maxcor=2, maxfun=8, x64=True, abs=1e-5)
