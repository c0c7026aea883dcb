"""`jax.lax.linalg` and `jax.numpy.linalg`: factors of matrices, and triangular equations."""

import numpy as np
from spec import arr

NAN, INF = float("nan"), float("inf")

# JAX calls LAPACK, and raxla XLA's expansions, which apply reflections in blocks: they round differently. The distance of two
# factorisations of a matrix grows with its condition number; the limits are a few dozen units in the last place of 1.
LIMIT = {"float32": 4e-6, "complex64": 4e-6, "float64": 1e-14, "complex128": 1e-14}
GRADIENT = {dtype: 10 * limit for dtype, limit in LIMIT.items()}

SHAPES = [(3, 3), (4, 2), (2, 4), (1, 3), (3, 1), (1, 1), (2, 3, 2), (2, 1, 3, 3)]
EMPTY = [(0, 3), (3, 0), (0, 3, 2), (0, 0)]


def build(f):
    factors(f)
    reflections(f)
    equations(f)


def factors(f):
    def case(fn, x, **k):
        dtype = x[0]
        k.setdefault("abs", LIMIT.get(dtype, 1e-6))
        f.case(fn, x, x64=dtype in ("float64", "complex128"), grad_abs=GRADIENT.get(dtype), **k)

    for dtype in LIMIT:
        for shape in SHAPES if dtype == "float32" else SHAPES[:3]:
            for full in (False, True):
                case("lax.linalg.qr", (dtype, shape), full_matrices=full, grad=True)
        for mode in ("reduced", "complete", "r", "raw"):
            for shape in ((3, 2), (2, 3)):
                case("numpy.linalg.qr", (dtype, shape), mode=mode, grad=mode != "raw")
    for shape in EMPTY:
        for full in (False, True):
            case("lax.linalg.qr", ("float32", shape), full_matrices=full, grad=True)
            case("numpy.linalg.qr", ("float32", shape), mode="complete" if full else "raw")
    # More columns than one of LAPACK's blocks has.
    case("lax.linalg.qr", ("float32", (40, 36)), full_matrices=False, abs=2e-5)
    # Nothing to reflect; a reflection of either sign; zeros.
    for x in ([[2.0, 3.0], [0.0, 5.0]], [[-2.0, 3.0], [0.0, -5.0]], [[0.0, 1.0], [2.0, 0.0]], [[0.0, 0.0], [0.0, 0.0], [0.0, 0.0]],
              [[0.0, 0.0, 1.0], [0.0, 0.0, 2.0]]):
        case("lax.linalg.qr", arr("float32", x), full_matrices=True)
    case("lax.linalg.qr", arr("complex64", [[2j, 3.0], [0.0, 5j]]), full_matrices=True)
    for x in ([[NAN]], [[INF]], [[1.0, NAN], [2.0, 3.0]], [[NAN, 1.0], [2.0, 3.0]], [[1.0, INF], [2.0, 3.0]]):
        case("lax.linalg.qr", arr("float32", x), full_matrices=True)
    for dtype in ("int32", "uint8", "bool"):
        case("numpy.linalg.qr", (dtype, (3, 2)), mode="reduced", error=None)
    for dtype in ("int32", "bfloat16", "float16"):
        case("lax.linalg.qr", (dtype, (3, 2)), full_matrices=True, error=True)
    for dtype in ("bfloat16", "float16"):
        case("numpy.linalg.qr", (dtype, (3, 2)), mode="reduced", error=True)
    for fn, params in (("lax.linalg.qr", dict(full_matrices=True)), ("numpy.linalg.qr", dict(mode="raw"))):
        case(fn, ("float32", (3,)), error=True, **params)
        case(fn, ("float32", ()), error=True, **params)


def reflections(f):
    def case(a, taus, **k):
        x64 = a[0] in ("float64", "complex128")
        # These reflections are of any factor, so that the products are not unitary: elements of magnitude 4.
        f.case("lax.linalg.householder_product", a, taus, x64=x64, abs=4 * LIMIT.get(a[0], 0), **k)

    for dtype in LIMIT:
        case((dtype, (3, 2)), (dtype, (2,)))
        case((dtype, (2, 3, 3)), (dtype, (2, 2)))
    case(("float32", (3, 2)), ("float32", (0,)))
    case(("float32", (3, 0)), ("float32", (0,)))
    case(("float32", (0, 3, 2)), ("float32", (0, 2)))
    case(("float32", (2, 3)), ("float32", (2,)), error=True)
    case(("float32", (3, 2)), ("float32", (3,)), error=True)
    case(("float32", (3, 2)), ("float32", (2, 2)), error=True)
    case(("float32", (2, 3, 2)), ("float32", (5, 2)), error=True)
    case(("float32", (3, 2)), ("complex64", (2,)), error=True)
    case(("int32", (3, 2)), ("int32", (2,)), error=True)


def equations(f):
    def case(a, b, **k):
        dtype = a[0]
        limit = {"bfloat16": 6e-2, "float16": 8e-3}.get(dtype, 8 * LIMIT.get(dtype, 0))
        k = dict(left_side=False, lower=False, transpose_a=False, conjugate_a=False, unit_diagonal=False) | k
        x64 = dtype in ("float64", "complex128")
        f.case("lax.linalg.triangular_solve", a, b, x64=x64, abs=limit, grad_abs=8 * limit, **k)

    def matrix(dtype, *shape):
        rng = np.random.RandomState(7)
        x = rng.uniform(-0.5, 0.5, shape) + 2 * np.eye(shape[-1])
        return dtype, x + 1j * rng.uniform(-0.5, 0.5, shape) if dtype.startswith("complex") else x

    for dtype in LIMIT:
        a = matrix(dtype, 3, 3)
        for left, b in ((True, (3, 2)), (False, (2, 3))):
            for lower in (False, True):
                for transpose in (False, True):
                    case(a, (dtype, b), left_side=left, lower=lower, transpose_a=transpose, grad=True)
            case(a, (dtype, b), left_side=left, conjugate_a=True, transpose_a=left, unit_diagonal=True, grad=True)
    for left in (False, True):
        case(matrix("float32", 3, 3), ("float32", (3,)), left_side=left, grad=True)
        case(matrix("float32", 2, 3, 3), ("float32", (2, 3, 3)), left_side=left, grad=True)
        case(matrix("float32", 3, 3), ("float32", (3, 5) if left else (5, 3)), left_side=left, grad=True)
    for dtype in ("bfloat16", "float16"):
        case(matrix(dtype, 3, 3), (dtype, (3, 2)), left_side=True, error=None)
    case(("float32", (0, 0)), ("float32", (2, 0)), grad=True)
    case(matrix("float32", 3, 3), ("float32", (0, 3)), grad=True)
    # A zero on the diagonal is no case: XLA multiplies by inverses, so that what is infinite in LAPACK is no number there.
    case(arr("float32", [[-4.0, 1.0], [0.0, 2.0]]), arr("float32", [[1.0, 4.0]]))
    case(arr("float32", [[NAN, 1.0], [3.0, 2.0]]), arr("float32", [[1.0, 4.0]]))
    case(("float32", (3, 2)), ("float32", (2, 2)), error=True)
    case(("float32", (3, 3)), ("float32", (2, 2)), error=True)
    case(("float32", (3, 3)), ("float32", (2, 3, 3)), error=True)
    case(("float32", (3, 3)), ("complex64", (3, 3)), error=True)
    case(("int32", (3, 3)), ("int32", (3, 3)), error=True)
