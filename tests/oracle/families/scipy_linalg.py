"""`jax.scipy.linalg`: factors as far as they are determined, equations, functions of matrices, and matrices of special forms."""

import jax.numpy as jnp
import jax.scipy.linalg as jsl
import numpy as np
from spec import arr

NAN = float("nan")
# JAX calls LAPACK, and raxla faer and XLA.
LIMIT = {"float32": 4e-5, "complex64": 4e-5, "float64": 4e-14, "complex128": 4e-14}
ALL = list(LIMIT)
FEW = ["float32", "complex128"]
ULP = {f"scipy.linalg.{name}": 16 for name in "invhilbert pascal invpascal".split()} | {
    # The transforms' elements are exponentials, and sums of products stand in one order or another.
    "scipy.linalg.dft": 8, "scipy.linalg.helmert": 4}


def h(x):
    return jnp.conj(jnp.matrix_transpose(x))


def mul(x, y):
    return jnp.matmul(x, y, precision="highest")


def svd(a, **k):
    found = jsl.svd(a, **k)
    return [jnp.abs(x) for x in found] if isinstance(found, tuple) else found


def eigh(a, **k):
    found = jsl.eigh(a, **k)
    return [found[0], jnp.abs(found[1])] if isinstance(found, tuple) else found


def schur(a, output="real"):
    t, z = jsl.schur(a, output=output)
    return mul(mul(z, t), h(z)), mul(h(z), z), jnp.tril(t, -1 if jnp.iscomplexobj(t) else -2)


def rsf2csf(a):
    t, z = jsl.rsf2csf(*jsl.schur(a))
    return mul(mul(z, t), h(z)), mul(h(z), z), jnp.tril(t, -1)


def eigh_tridiagonal(d, e, **k):
    found = jsl.eigh_tridiagonal(d, e, **k)
    return [found[0], jnp.abs(found[1])] if isinstance(found, tuple) else found


def qdwh(x):
    from jax import lax

    u, p, _, is_converged = lax.linalg.qdwh(x)
    return u, p, is_converged


def cho_solve(c, b, lower):
    return jsl.cho_solve((c, lower), b)


def cho_factor(a, lower):
    return jsl.cho_factor(a, lower)[0]


def lu_solve(a, b, trans=0):
    return jsl.lu_solve(jsl.lu_factor(a), b, trans=trans)


def toeplitz(*x):
    return jsl.toeplitz(*x)


def funm(a, disp=True):
    return jsl.funm(a, jnp.sin, disp=disp)


def block_diag(*x):
    return jsl.block_diag(*x)


ADAPTERS = {f"scipy.linalg.{f.__name__}": f for f in (
    svd, eigh, schur, rsf2csf, eigh_tridiagonal, qdwh, cho_solve, cho_factor, lu_solve, toeplitz, funm, block_diag)}


def regular(dtype, *shape):
    """Far from singular."""
    rng = np.random.RandomState(sum(shape))
    x = rng.uniform(-1, 1, shape) + 3 * np.eye(*shape[-2:])
    return dtype, x + 1j * rng.uniform(-1, 1, shape) if dtype.startswith("complex") else x


def definite(dtype, *shape):
    _, x = regular(dtype, *shape)
    return dtype, x @ np.conj(np.swapaxes(x, -1, -2))


def triangle(dtype, lower, n=3):
    _, x = definite(dtype, n, n)
    c = np.linalg.cholesky(x)
    return dtype, c if lower else np.conj(c.T)


def build(f):
    def case(fn, *x, limit=1, **k):
        dtype = x[0][0] if x else "float32"
        k.setdefault("abs", limit * LIMIT.get(dtype, 4e-5))
        f.case(f"scipy.linalg.{fn}", *x, x64=dtype in ("float64", "complex128", "int64"), grad_abs=100 * limit * LIMIT.get(dtype, 4e-5), **k)

    for dtype in ALL:
        equations(case, dtype)
    for dtype in FEW:
        factors(case, dtype)
        functions(case, dtype)
    edges(case)
    special(case, f)
    rejected(case)


def equations(case, dtype):
    case("solve", regular(dtype, 3, 3), (dtype, (3, 2)), grad=True)
    case("solve", definite(dtype, 3, 3), (dtype, (3,)), assume_a="pos", grad=True, limit=4)
    case("solve", definite(dtype, 2, 3, 3), (dtype, (2, 3, 2)), assume_a="pos", lower=True, limit=4)
    case("solve_triangular", regular(dtype, 3, 3), (dtype, (3,)), grad=True)
    case("solve_triangular", regular(dtype, 2, 3, 3), (dtype, (3, 2)), trans=1, lower=True, grad=True)
    case("solve_triangular", regular(dtype, 3, 3), (dtype, (3, 2)), trans=2, unit_diagonal=True, limit=4)
    case("cholesky", definite(dtype, 3, 3), grad=True)
    case("cho_factor", definite(dtype, 2, 2), lower=True)
    case("cho_solve", triangle(dtype, False), (dtype, (3,)), lower=False)
    case("cho_solve", triangle(dtype, True), (dtype, (3, 2)), lower=True, grad=True)
    for trans in (0, 1, 2):
        case("lu_solve", regular(dtype, 3, 3), (dtype, (3, 2)), trans=trans, grad=trans == 0)


def factors(case, dtype):
    case("lu_factor", (dtype, (3, 3)))
    case("lu_solve", regular(dtype, 2, 3, 3), (dtype, (2, 3, 1)))
    for shape in ((3, 3), (4, 2), (2, 3)):
        case("lu", (dtype, shape), grad=True)
    case("lu", (dtype, (3, 2)), permute_l=True)
    for mode in ("full", "economic"):
        case("qr", (dtype, (4, 3)), mode=mode, grad=mode == "economic")
        case("qr", (dtype, (4, 3)), mode=mode, pivoting=True)
    for mode, shape in (("left", (3, 2)), ("right", (2, 4))):
        for conjugate in (False, True):
            case("qr_multiply", (dtype, (4, 3)), (dtype, shape), mode=mode, conjugate=conjugate, limit=2)
    case("qr_multiply", (dtype, (3, 4)), (dtype, (3,)), mode="right", pivoting=True, limit=2)
    case("svd", (dtype, (4, 3)), full_matrices=False, grad=True)
    case("svd", (dtype, (2, 3)), compute_uv=False)
    case("eigh", (dtype, (3, 3)))
    case("eigh", (dtype, (3, 3)), eigvals_only=True, lower=False, grad=True)
    case("schur", (dtype, (4, 4)))
    case("schur", (dtype, (2, 3, 3)), output="complex")
    case("rsf2csf", (dtype, (4, 4)), limit=4)
    case("hessenberg", (dtype, (4, 4)))
    case("hessenberg", (dtype, (2, 3, 3)), calc_q=True)
    case("polar", regular(dtype, 4, 3), limit=4)
    case("polar", regular(dtype, 2, 3), side="left", limit=4)
    case("polar", regular(dtype, 2, 2, 3), method="svd", limit=4)
    case("polar", regular(dtype, 3, 2), method="svd", side="left", limit=4)
    case("qdwh", regular(dtype, 4, 3), limit=4)
    d, e = (dtype, (5,)), (dtype, (4,))
    case("eigh_tridiagonal", d, e, limit=4)
    case("eigh_tridiagonal", d, e, eigvals_only=True, select="i", select_range=[1, 3])


def functions(case, dtype):
    case("expm", (dtype, (3, 3)), grad=True, limit=10)
    case("expm", (dtype, (2, 2, 2)), limit=10)
    case("expm", (dtype, 20 * np.eye(2) + np.ones((2, 2))), abs=None, ulp=400)
    case("expm", (dtype, np.triu(np.ones((3, 3)))), upper_triangular=True, limit=4)
    case("expm_frechet", (dtype, (3, 3)), (dtype, (3, 3)), limit=20)
    case("expm_frechet", (dtype, (2, 2)), (dtype, (2, 2)), compute_expm=False, limit=20)
    case("sqrtm", definite(dtype, 3, 3), limit=4)
    case("sqrtm", (dtype, (3, 3)), limit=4)
    case("funm", arr(dtype, [[1.0, 2.0, 0.5], [0.0, 3.0, 1.0], [-1.0, 0.0, 5.0]]), limit=4)
    case("funm", arr(dtype, [[1.0, 2.0], [0.0, 3.0]]), disp=False, limit=4)
    for method in ("schur", "eigen"):
        case("solve_sylvester", regular(dtype, 3, 3), regular(dtype, 2, 2), (dtype, (3, 2)), method=method, limit=4)
    case("solve_sylvester", regular(dtype, 2, 3, 3), regular(dtype, 2, 2), (dtype, (3, 2)), limit=4)


def edges(case):
    F = "float32"
    for fn in ("cholesky", "lu", "qr", "expm"):
        case(fn, (F, (0, 0)))
        case(fn, (F, (1, 1)), error=None)
    for fn in ("det", "inv"):
        case(fn, regular(F, 3, 3))
    case("cholesky", arr(F, [[1.0, 2.0], [2.0, 1.0]]))
    case("cholesky", ("int32", [[4, 2], [2, 3]]), lower=True)
    case("lu", arr(F, [[0.0, 1.0], [0.0, 2.0]]))
    case("lu_factor", ("int32", [[1, 2], [3, 4]]))
    case("solve", arr(F, [[1.0, NAN], [2.0, 4.0]]), (F, (2,)))
    case("solve_triangular", ("int32", [[2, 1], [0, 4]]), (F, (2,)))
    # LAPACK's substitution gives infinity for a singular matrix, and XLA's no number.
    case("lu_factor", arr(F, [[1.0, 2.0], [2.0, 4.0]]))
    case("expm", arr(F, [[1.0, NAN], [0.0, 1.0]]))
    case("expm", arr(F, [[1e6, 1.0], [0.0, 1.0]]))
    case("expm", ("int32", [[0, 1], [1, 0]]), limit=4)
    case("expm", ("float64", (3, 3)), limit=10)
    case("solve_sylvester", arr(F, [[1.0, 0.0], [0.0, 2.0]]), arr(F, [[-1.0]]), (F, (2, 1)))
    case("hessenberg", (F, (0, 0)))
    case("polar", (F, np.zeros((2, 2))))
    case("eigh_tridiagonal", (F, (1,)), (F, (0,)))
    case("eigh_tridiagonal", (F, (20,)), (F, (19,)), eigvals_only=True)
    case("eigh_tridiagonal", (F, np.ones(4)), (F, np.zeros(3)), eigvals_only=True)


def special(case, f):
    F = "float32"
    case("block_diag", (F, (2, 3)), ("int32", (2,)), (F, ()), grad=[0])
    case("block_diag", ("int32", (0, 2)), ("int32", (1, 1)))
    case("toeplitz", (F, (3,)), grad=True)
    case("toeplitz", ("complex64", (3,)))
    case("toeplitz", ("int32", (2, 3)), ("int32", (2,)))
    case("toeplitz", (F, ()))
    case("toeplitz", (F, (0,)))
    case("hankel", (F, (3,)))
    case("hankel", ("int32", (3,)), ("int32", (2, 4)))
    case("circulant", (F, (2, 3)), grad=True)
    case("circulant", ("int32", (1,)))
    case("leslie", (F, (3,)), ("int32", (2,)))
    case("leslie", ("int32", (2, 3)), ("int32", (2,)))
    case("companion", (F, (4,)), grad=True)
    case("companion", ("int32", [[1, 2, 3], [2, 1, 4]]))
    case("fiedler", ("int32", (2, 3)))
    case("fiedler", (F, ()))
    for n in (1, 2, 3, 6):
        case("fiedler_companion", (F, (n,)), abs=4e-6)
    case("fiedler_companion", (F, (2, 4)), grad=True)
    for mode in ("full", "valid", "same"):
        case("convolution_matrix", (F, (3,)), n=4, mode=mode)
        case("convolution_matrix", ("int32", (2, 4)), n=2, mode=mode)
    for n in (1, 4):
        for fn in ("hilbert", "invhilbert", "pascal", "invpascal", "helmert", "hadamard", "dft"):
            f.case(f"scipy.linalg.{fn}", n=n, **({"abs": 4e-6} if fn in ("dft", "invpascal", "invhilbert") else {}))
    for kind in ("lower", "upper"):
        f.case("scipy.linalg.pascal", n=3, kind=kind)
        f.case("scipy.linalg.invpascal", n=3, kind=kind, abs=4e-6)
    f.case("scipy.linalg.helmert", n=3, full=True)
    f.case("scipy.linalg.hadamard", n=2, dtype="float32")
    for scale in ("sqrtn", "n"):
        f.case("scipy.linalg.dft", n=3, scale=scale, abs=4e-6)
    f.case("scipy.linalg.dft", n=3, dtype="complex128", x64=True, abs=1e-14)
    f.case("scipy.linalg.hilbert", n=3, x64=True)


def rejected(case):
    f32 = lambda *shape: ("float32", shape)
    for fn in ("cholesky", "schur", "expm"):
        case(fn, f32(2, 3), error=True)
        case(fn, f32(3), error=True)
    case("lu", f32(3), error=True)
    case("lu", f32(2, 2, 2), error=True)
    case("qr", f32(3), error=True)
    case("solve", f32(3, 3), f32(2), error=True)
    case("solve", f32(3, 3), f32(2), assume_a="pos", error=True)
    case("solve_triangular", f32(3, 2), f32(3), error=True)
    case("solve_triangular", f32(3, 3), f32(2), error=True)
    case("cho_solve", f32(3, 3), f32(2), lower=True, error=True)
    case("qr_multiply", f32(4, 3), f32(4, 2), mode="left", error=True)
    case("qr_multiply", f32(4, 3), f32(2, 3), mode="right", error=True)
    case("polar", f32(2, 3), error=True)
    case("polar", f32(3), error=True)
    case("expm_frechet", f32(2, 2), f32(3, 3), error=True)
    case("funm", f32(2, 3), error=True)
    case("solve_sylvester", f32(2, 2), f32(3, 3), f32(3, 2), error=True)
    case("rsf2csf", f32(2, 3), error=True)
    case("block_diag", f32(2, 2, 2), error=True)
    case("hankel", f32(), error=True)
    case("leslie", f32(3), f32(3), error=True)
    case("companion", f32(1), error=True)
    case("fiedler_companion", f32(0), error=True)
    case("convolution_matrix", f32(3), n=0, error=True)
    case("eigh_tridiagonal", f32(3), ("int32", (2,)), error=True)
    case("hadamard", n=3, error=True)
    case("helmert", n=0, error=True)
    case("dft", n=2, dtype="float32", error=True)
    case("qdwh", f32(2, 3), error=True)
