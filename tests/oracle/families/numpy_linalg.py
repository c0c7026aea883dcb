"""`jax.numpy.linalg`: equations, determinants, norms, and factors as far as they are determined."""

import jax.numpy as jnp
import numpy as np
from spec import arr

NAN = float("nan")
LIMIT = {"float32": 4e-5, "complex64": 4e-5, "float64": 4e-14, "complex128": 4e-14}
GRADIENT = {dtype: 100 * limit for dtype, limit in LIMIT.items()}


def eigh(a, **k):
    w, v = jnp.linalg.eigh(a, **k)
    return w, jnp.abs(v)


def svd(a, **k):
    u, s, vh = jnp.linalg.svd(a, **k)
    return jnp.abs(u), s, jnp.abs(vh)


def eig(a):
    w, v = jnp.linalg.eig(a)
    order = jnp.argsort(w, axis=-1)
    return jnp.take_along_axis(w, order, axis=-1), jnp.abs(jnp.take_along_axis(v, order[..., None, :], axis=-1))


def eigvals(a):
    return jnp.sort(jnp.linalg.eigvals(a), axis=-1)


def order(ord):
    return {"inf": np.inf, "-inf": -np.inf}.get(ord, ord)


def norm(x, ord, axis, keepdims=False):
    return jnp.linalg.norm(x, ord=order(ord), axis=axis, keepdims=keepdims)


def cond(x, p=None):
    return jnp.linalg.cond(x, p=order(p))


ADAPTERS = {f"numpy.linalg.{f.__name__}": f for f in (eigh, svd, eig, eigvals, cond)} | {"numpy.linalg.norms": norm}


def regular(dtype, *shape):
    """Far from singular."""
    rng = np.random.RandomState(sum(shape))
    x = rng.uniform(-1, 1, shape) + 3 * np.eye(*shape[-2:])
    return dtype, x + 1j * rng.uniform(-1, 1, shape) if dtype.startswith("complex") else x


def build(f):
    def case(fn, *x, limit=1, **k):
        dtype = x[0][0]
        k.setdefault("abs", limit * LIMIT.get(dtype, 4e-5))
        x64 = dtype in ("float64", "complex128")
        f.case(f"numpy.linalg.{fn}", *x, x64=x64, grad_abs=limit * GRADIENT.get(dtype, 4e-3), **k)

    for dtype in LIMIT:
        equations(case, dtype)
        determinants(case, dtype)
    singular(case)
    norms(case)
    products(case)
    rejected(case)


def equations(case, dtype):
    case("solve", regular(dtype, 3, 3), (dtype, (3,)), grad=True)
    case("solve", regular(dtype, 3, 3), (dtype, (3, 2)), grad=True)
    case("solve", regular(dtype, 2, 3, 3), (dtype, (3, 1)), grad=True)
    case("inv", regular(dtype, 3, 3), grad=True)
    case("cholesky", (dtype, np.array([[4.0, 1.0], [1.0, 3.0]])), upper=True, grad=True)
    case("eigh", (dtype, (3, 3)), grad=True)
    case("eigvalsh", (dtype, (3, 3)), grad=True)
    case("eigvals", (dtype, (3, 3)), grad=True)
    case("eig", (dtype, (3, 3)))
    case("svd", (dtype, (4, 3)), full_matrices=False, grad=True)
    case("svd", (dtype, (3, 3)), hermitian=True)
    case("svdvals", (dtype, (2, 3)), grad=True)
    case("pinv", regular(dtype, 4, 3), grad=True)
    case("pinv", regular(dtype, 2, 3), grad=True)
    case("pinv", regular(dtype, 3, 3), hermitian=True, grad=True)
    case("lstsq", regular(dtype, 4, 3), (dtype, (4,)))
    case("lstsq", regular(dtype, 3, 4), (dtype, (3, 2)))
    case("matrix_power", regular(dtype, 3, 3), n=-2, grad=True)


def determinants(case, dtype):
    for n in (1, 2, 3, 4, 5):
        case("det", (dtype, (n, n)), grad=True, limit=20)
        case("slogdet", regular(dtype, n, n), grad=True)
    case("det", (dtype, (2, 4, 4)), grad=True, limit=20)
    case("slogdet", regular(dtype, 2, 3, 3), grad=True)


def singular(case):
    a = arr("float32", [[1.0, 2, 3, 4], [2, 4, 6, 8], [1, 1, 1, 1], [0, 1, 0, 1]])
    case("det", a, grad=True, limit=20)
    case("slogdet", arr("float32", [[1.0, 2, 3], [2, 4, 6], [0, 0, 1]]))
    case("slogdet", arr("float32", [[1.0, 2], [2, 4]]))
    case("slogdet", regular("float32", 4, 4), method="qr", grad=True)
    case("det", arr("float32", [[NAN, 1.0], [2.0, 3.0]]))
    for x in (a, ("float32", (4, 2)), ("float32", (3,)), ("int32", (3, 3))):
        case("matrix_rank", x)
    case("matrix_rank", arr("float32", [[1.0, 0], [0, 1e-9]]), arr("float32", 0.5))
    case("matrix_rank", a, hermitian=True)
    for p in (None, 2, -2, 1, -1, "inf", "-inf", "fro", "nuc"):
        case("cond", regular("float32", 3, 3), p=p, limit=4)
    case("cond", ("float32", (4, 2)), limit=4)
    case("cond", regular("complex64", 2, 2, 2), limit=4)
    for fn in ("det", "slogdet", "inv", "eigvalsh"):
        case(fn, ("int32", np.array([[3, 1, 0, 0], [1, 4, 1, 0], [0, 1, 5, 1], [0, 0, 1, 6]])))
        case(fn, ("float32", (0, 0)))
        case(fn, ("float32", (0, 3, 3)))
    for shape in ((0, 3), (3, 0)):
        case("pinv", ("float32", shape))
        case("lstsq", ("float32", shape), ("float32", (shape[0],)))
    case("solve", ("float32", (0, 0)), ("float32", (0,)))
    case("solve", regular("float32", 3, 3), ("int32", (3,)))
    case("pinv", arr("float32", [[1.0, 0.0], [0.0, 0.01]]), arr("float32", 0.1))
    case("lstsq", regular("float32", 3, 3), ("float32", (3,)), rcond=0.9)
    case("eigh", ("float32", (3, 3)), UPLO="U", symmetrize_input=False)


def norms(case):
    for ord in (None, 1, -1, 2, -2, "inf", "-inf", "fro", "nuc"):
        case("norms", ("float32", (2, 3)), ord=ord, axis=[0, 1], grad=ord not in (-2,))
        case("norms", ("complex64", (2, 2, 3)), ord=ord, axis=[2, 0], keepdims=True)
        if ord not in (None, "inf", "-inf"):
            case("matrix_norm", ("float32", (2, 3, 2)), ord=ord)
    for ord in (2, 1, 3, 0):
        case("vector_norm", ("float32", (2, 3)), ord=ord, axis=None, grad=ord != 0)
        case("vector_norm", ("float32", (2, 3, 2)), ord=ord, axis=[0, 2], keepdims=True)
    case("norms", ("float32", (0,)), ord="inf", axis=0)
    case("norms", ("float32", (0, 2)), ord=1, axis=[0, 1])


def products(case):
    case("cross", ("float32", (2, 3)), ("float32", (2, 3)), axis=-1)
    case("cross", ("float32", (3, 2)), ("float32", (3, 2)), axis=0)
    case("outer", ("float32", (2,)), ("int32", (3,)))
    case("diagonal", ("float32", (2, 3, 4)), offset=1)
    case("trace", ("float32", (2, 3, 4)), offset=-1)
    case("matrix_transpose", ("float32", (2, 3, 4)))
    case("matmul", ("float32", (2, 3)), ("float32", (3, 2)))
    case("vecdot", ("complex64", (2, 3)), ("complex64", (2, 3)), axis=-1)
    case("tensordot", ("float32", (2, 3, 4)), ("float32", (3, 4, 2)), axes=2)
    case("tensorinv", ("float32", np.eye(6).reshape(2, 3, 6) * 2 + 0.1), ind=2)
    case("tensorsolve", ("float32", (np.eye(6) * 3 + 0.2).reshape(2, 3, 6)), ("float32", (2, 3)))
    case("tensorsolve", ("float32", np.moveaxis((np.eye(6) * 3 + 0.2).reshape(2, 3, 6), 2, 0)), ("float32", (2, 3)), axes=[0])


def rejected(case):
    f32 = lambda *shape: ("float32", shape)
    for fn in ("det", "slogdet", "inv", "cholesky", "eigh", "eigvalsh", "eig", "eigvals"):
        case(fn, f32(2, 3), error=True)
        case(fn, f32(3), error=True)
    case("solve", f32(2, 3), f32(2), error=True)
    case("solve", f32(3, 3), f32(2), error=True)
    case("solve", f32(3), f32(3), error=True)
    case("lstsq", f32(3, 3), f32(2), error=True)
    case("lstsq", f32(3), f32(3), error=True)
    case("cross", f32(2), f32(2), axis=-1, error=True)
    case("outer", f32(2, 2), f32(2), error=True)
    case("cond", f32(3), error=True)
    case("cond", f32(0, 3), error=True)
    case("cond", f32(2, 3), p=1, error=True)
    case("tensorinv", f32(2, 3, 4), ind=2, error=True)
    case("tensorsolve", f32(2, 3), f32(3), error=True)
    case("vector_norm", f32(3), ord="fro", axis=None, error=True)
    case("norms", f32(2, 2, 2), ord=2, axis=None, error=True)
