"""Factors of matrices that are unique only up to signs, phases or orders: what is determined of them is compared."""

import jax.numpy as jnp
import numpy as np
from jax import lax
from spec import arr

NAN = float("nan")
# JAX calls LAPACK, and raxla faer and XLA: they agree to a few dozen units in the last place of the matrix' norm.
LIMIT = {"float32": 2e-5, "complex64": 2e-5, "float64": 2e-14, "complex128": 2e-14}
# Derivatives divide by the distance of two values.
GRADIENT = {dtype: 100 * limit for dtype, limit in LIMIT.items()}


def mul(x, y):
    return jnp.matmul(x, y, precision="highest")


def h(x):
    return jnp.conj(jnp.matrix_transpose(x))


def eigh(x, **k):
    v, w = lax.linalg.eigh(x, **k)
    return jnp.abs(v), w


def svd(x, subset_by_index=None, **k):
    u, s, vh = lax.linalg.svd(x, **k)
    n = s.shape[-1]
    return jnp.abs(u[..., :n]), s, jnp.abs(vh[..., :n, :]), mul(u, h(u)), mul(h(vh), vh)


def svd_values(x):
    return lax.linalg.svd(x, compute_uv=False)


def in_order(w, *vectors):
    order = jnp.argsort(w, axis=-1)
    columns = [jnp.abs(jnp.take_along_axis(v, order[..., None, :], axis=-1)) for v in vectors]
    return jnp.take_along_axis(w, order, axis=-1), *columns


def eig(x, derivs):
    return in_order(*lax.linalg.eig(x, enable_eigvec_derivs=derivs))


def eig_values(x):
    return in_order(*lax.linalg.eig(x, compute_left_eigenvectors=False, compute_right_eigenvectors=False))


def schur(x):
    """Eigenvalues in order, and what is determined: the matrix, that the vectors are unitary, that the form is triangular."""
    t, q = lax.linalg.schur(x)
    below = jnp.tril(t, -1 if jnp.iscomplexobj(x) else -2)
    return mul(mul(q, t), h(q)), mul(h(q), q), below


def pivoted(x, full_matrices):
    return lax.linalg.qr(x, pivoting=True, full_matrices=full_matrices)


ADAPTERS = {
    "lax.linalg.schur": schur,
    "lax.linalg.qr_pivoting": pivoted,
    "lax.linalg.eigh": eigh,
    "lax.linalg.svd": svd,
    "lax.linalg.svd_values": svd_values,
    "lax.linalg.eig": eig,
    "lax.linalg.eig_values": eig_values,
}


def definite(dtype, *shape):
    rng = np.random.RandomState(shape[-1])
    x = rng.uniform(-1, 1, shape)
    if dtype.startswith("complex"):
        x = x + 1j * rng.uniform(-1, 1, shape)
    return dtype, x @ np.conj(np.swapaxes(x, -1, -2)) + np.eye(shape[-1])


def build(f):
    def case(fn, *x, limit=1, **k):
        dtype = x[0][0]
        k.setdefault("abs", limit * LIMIT.get(dtype, 1e-6))
        f.case(fn, *x, x64=dtype in ("float64", "complex128"), grad_abs=GRADIENT.get(dtype), **k)

    for dtype in LIMIT:
        cholesky(case, dtype)
        for shape in ((3, 3), (2, 2, 2)):
            case("lax.linalg.eigh", (dtype, shape), grad=True)
            case("lax.linalg.eig_values", (dtype, shape), grad=True)
        for shape in ((3, 3), (4, 2), (2, 3)):
            case("lax.linalg.lu", (dtype, shape), grad=True)
            case("lax.linalg.svd", (dtype, shape), full_matrices=False, grad=True)
            case("lax.linalg.svd", (dtype, shape), full_matrices=True)
            case("lax.linalg.svd_values", (dtype, shape), grad=True)
        case("lax.linalg.eigh", (dtype, (3, 3)), symmetrize_input=False, lower=True)
        case("lax.linalg.eigh", (dtype, (3, 3)), symmetrize_input=False, lower=False)
        case("lax.linalg.eig", (dtype, (4, 4)), derivs=True, grad=True)
        case("lax.linalg.eig", (dtype, (2, 3, 3)), derivs=False)
    for shape in ((2, 3, 4), (1, 1), (40, 33)):
        case("lax.linalg.svd", ("float32", shape), full_matrices=False, limit=2, abs=1e-4)
        case("lax.linalg.lu", ("float32", shape), abs=1e-4)
    case("lax.linalg.eigh", ("float32", (40, 40)), abs=2e-4)
    case("lax.linalg.eig_values", ("float32", (20, 20)), abs=1e-4)
    for shape in ((0, 3), (3, 0), (0, 0), (0, 3, 2)):
        for full in (False, True):
            case("lax.linalg.svd", ("float32", shape), full_matrices=full)
        case("lax.linalg.lu", ("float32", shape))
    for fn in ("lax.linalg.eigh", "lax.linalg.cholesky", "lax.linalg.eig_values"):
        case(fn, ("float32", (0, 0)))
        case(fn, ("float32", (0, 2, 2)))
        case(fn, ("float32", (3, 2)), error=True)
        case(fn, ("float32", (3,)), error=True)
        case(fn, ("bfloat16", (2, 2)), error=True)
    case("lax.linalg.eig_values", ("int32", (2, 2)), error=True)
    case("lax.linalg.lu", ("float32", (3,)), error=True)
    case("lax.linalg.lu", ("float16", (3, 3)), error=True)
    case("lax.linalg.svd", ("float32", (3,)), error=True, full_matrices=True)
    case("lax.linalg.eig", ("float32", (1, 1)), derivs=False)
    # Singular ones, one that is no number, equal pivots.
    for x in ([[0.0, 0.0], [0.0, 0.0]], [[0.0, 1.0], [0.0, 2.0]], [[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [1.0, 1.0, 1.0]],
              [[2.0, 1.0], [-2.0, 3.0]], [[1.0, NAN], [2.0, 3.0]], [[1.0, 2.0], [NAN, 3.0]]):
        case("lax.linalg.lu", arr("float32", x))
        case("lax.linalg.svd_values", arr("float32", x))
    case("lax.linalg.lu", arr("complex64", [[3 + 3j, 1], [5, 2]]))
    case("lax.linalg.eigh", arr("float32", [[1.0, NAN], [NAN, 2.0]]))
    case("lax.linalg.eigh", arr("float32", [[2.0, 0.0], [0.0, 1.0]]))
    case("lax.linalg.eig_values", arr("float32", [[1.0, NAN], [NAN, 2.0]]))
    case("lax.linalg.eig", arr("float32", [[1.0, 2.0], [-3.0, 1.0]]), derivs=True, grad=True)
    more(case)
    for pivots, n in (([2, 2, 2], 3), ([1, 3], 4), ([], 2)):
        f.case("lax.linalg.lu_pivots_to_permutation", arr("int32", pivots), permutation_size=n)
    f.case("lax.linalg.lu_pivots_to_permutation", arr("int32", [[1, 1], [0, 2]]), permutation_size=3)
    f.case("lax.linalg.lu_pivots_to_permutation", arr("int32", [1, 1]), permutation_size=1, error=True)
    f.case("lax.linalg.lu_pivots_to_permutation", arr("float32", [1, 1]), permutation_size=2, error=True)


def more(case):
    for dtype in LIMIT:
        case("lax.linalg.schur", (dtype, (4, 4)), limit=2)
        case("lax.linalg.schur", (dtype, (2, 3, 3)), limit=2)
        case("lax.linalg.hessenberg", (dtype, (4, 4)), limit=2)
        for lower in (True, False):
            case("lax.linalg.tridiagonal", (dtype, (4, 4)), lower=lower, limit=2)
        for full in (True, False):
            case("lax.linalg.qr_pivoting", (dtype, (4, 3)), full_matrices=full, grad=True)
        case("lax.linalg.qr_pivoting", (dtype, (2, 2, 3)), full_matrices=False)
        a, taus, c = (dtype, (3, 2)), (dtype, (2,)), (dtype, (3, 3))
        for left in (True, False):
            for transpose in (True, False):
                case("lax.linalg.ormqr", a, taus, c, left=left, transpose=transpose, limit=4)
        d = (dtype, (4,))
        main = (dtype, [3.0, 4.0, -5.0, 3.5])
        case("lax.linalg.tridiagonal_solve", d, main, d, (dtype, (4, 2)), grad=True)
        case("lax.linalg.tridiagonal_solve", d, d, d, (dtype, (4, 1)), limit=4)
    for dtype in ("float32", "float64"):
        upper = arr(dtype, [[3.0, 1.0, 2.0], [0.0, 2.0, -1.0], [0.0, 0.0, 4.0]])
        case("lax.linalg.cholesky_update", upper, (dtype, (3,)))
        case("lax.linalg.symmetric_product", (dtype, (3, 2)), (dtype, (3, 3)), alpha=2.0, beta=0.5, symmetrize_output=True)
        case("lax.linalg.symmetric_product", (dtype, (2, 3, 2)), (dtype, (2, 3, 3)), alpha=1.0, beta=0.0, symmetrize_output=False)
    case("lax.linalg.hessenberg", ("float32", (2, 20, 20)), abs=2e-4)
    case("lax.linalg.tridiagonal", ("float32", (2, 20, 20)), lower=True, abs=2e-4)
    case("lax.linalg.qr_pivoting", ("float32", (20, 30)), full_matrices=True, abs=2e-4)
    case("lax.linalg.schur", ("float32", (30, 30)), abs=2e-4)
    case("lax.linalg.tridiagonal_solve", ("float32", (2, 3)), arr("float32", [[3.0, 4, 5], [3, -4, 5]]), ("float32", (2, 3)),
         ("float32", (2, 3, 2)), grad=True)
    zero = arr("float32", [0.0, 0.0, 0.0])
    case("lax.linalg.tridiagonal_solve", zero, arr("float32", [1.0, 0.0, 2.0]), zero, ("float32", (3, 1)))
    for fn in ("lax.linalg.schur", "lax.linalg.hessenberg", "lax.linalg.tridiagonal"):
        k = dict(lower=True) if fn.endswith("tridiagonal") else {}
        case(fn, ("float32", (1, 1)), **k)
        case(fn, ("float32", (0, 2, 2)), **k)
        case(fn, ("float32", (3, 2)), error=True, **k)
        case(fn, ("float16", (2, 2)), error=True, **k)
        case(fn, ("float32", (3,)), error=True, **k)
    for shape in ((0, 3), (3, 0), (1, 1)):
        case("lax.linalg.qr_pivoting", ("float32", shape), full_matrices=True)
    f32 = lambda *shape: ("float32", shape)
    case("lax.linalg.ormqr", f32(3, 2), f32(2), f32(2, 3), left=True, transpose=False, error=True)
    case("lax.linalg.ormqr", f32(3, 2), f32(2), f32(3, 2), left=False, transpose=False, error=True)
    case("lax.linalg.cholesky_update", f32(3, 2), f32(3), error=True)
    case("lax.linalg.cholesky_update", f32(2, 3, 3), f32(2, 3), error=True)
    case("lax.linalg.symmetric_product", f32(2, 1), f32(1, 1), alpha=1.0, beta=0.0, symmetrize_output=False, error=True)
    case("lax.linalg.tridiagonal_solve", f32(3), f32(3), f32(2), f32(3, 1), error=True)
    case("lax.linalg.tridiagonal_solve", f32(3), f32(3), f32(3), f32(2, 1), error=True)


def cholesky(case, dtype):
    case("lax.linalg.cholesky", definite(dtype, 3, 3), grad=True)
    case("lax.linalg.cholesky", definite(dtype, 2, 2, 2), grad=True)
    case("lax.linalg.cholesky", definite(dtype, 3, 3), symmetrize_input=False, grad=True)
    case("lax.linalg.cholesky", definite(dtype, 1, 1))
    case("lax.linalg.cholesky", arr(dtype, [[1.0, 2.0], [2.0, 1.0]]))
