"""`jax.lax`: special functions, and what the other families of elementwise functions lack."""

import jax
import jax.extend
import jax.numpy as jnp
from jax import lax
from jax._src.lax import lax as internal
from spec import FLOATS, INTS, REALS, arr, edges, pairs, weak

# Series and continued fractions, each step of which XLA's two builds may round differently; see README.
ULP = {
    "lax.bessel_i0e": 4, "lax.bessel_i1e": 4, "lax.igamma": 32, "lax.igammac": 32, "lax.igamma_grad_a": 128,
    "lax.random_gamma_grad": 128, "lax.betainc": 64, "lax.polygamma": 64, "lax.zeta": 32, "lax.logaddexp": 4,
}

ADAPTERS = {
    "lax.dot": lambda x, y, over=None, batch=(): lax.dot(x, y, dimension_numbers=over and (over, batch)),
    "lax.polygamma": lambda x, m: lax.polygamma(jnp.full_like(x, m), x),
    "lax.logaddexp": lambda x, y: jax._src.lax.other.logaddexp(x, y),
    "lax.eq_to": lambda x, y: internal.eq_to_p.bind(x, y),
    "lax.le_to": lambda x, y: internal.le_to_p.bind(x, y),
    "lax.lt_to": lambda x, y: internal.lt_to_p.bind(x, y),
    "lax.add_any": lambda x, y: jax._src.ad_util.add_any_p.bind(x, y),
    "lax.copy": lambda x: internal.copy_p.bind(x),
    "lax.threefry2x32": lambda *xs: jax.extend.random.threefry2x32_p.bind(*xs),
    "lax.stack": lambda *xs, axis: lax.stack(xs, axis),
    "lax.full": lambda x, shape: lax.full(shape, x),
    "lax.fft": lambda x, fft_type, fft_lengths: lax.fft(x, fft_type, fft_lengths),
    "lax.optimization_barrier": lambda *xs: lax.optimization_barrier(xs),
}

# Around the places where the algorithms change.
A = [0.01, 0.5, 1.0, 1.0, 2.5, 2.5, 9.0, 9.0, 30.0, 0.5, 4.0, 100.0]
X = [0.1, 0.3, 0.5, 3.0, 0.2, 6.0, 8.0, 12.0, 20.0, 15.0, 4.0, 90.0]


def build(f):
    for name in ("bessel_i0e", "bessel_i1e"):
        fn = f"lax.{name}"
        for dtype in FLOATS:
            f.case(fn, (dtype, edges(dtype)), abs=1e-6)
            # The derivative of i1e is a small difference of i0e and i1e. Where the processor computes in half precision itself, JAX under
            # jit is 10 units away from what it gives without; elsewhere the two agree.
            wide = dict(grad_ulp=16, grad_abs=1e-6) if (name, dtype) == ("bessel_i1e", "float16") else {}
            f.case(fn, arr(dtype, [-9.0, -7.5, -1.0, 0.0, 0.5, 3.0, 8.5, 30.0]), grad=True, abs=1e-6, **wide)
        f.case(fn, arr("float64", [-9.0, -7.5, -1.0, 0.0, 0.5, 3.0, 8.5, 30.0]), x64=True, grad=True, abs=1e-15)
        f.case(fn, ("float32", (0, 3)), grad=True)
        f.case(fn, ("int32", (2,)), error=True)
        f.case(fn, ("complex64", (2,)), error=True)
        f.case(fn, weak(0.5))
    for name in ("igamma", "igammac", "igamma_grad_a", "random_gamma_grad"):
        fn = f"lax.{name}"
        smooth = name in ("igamma", "igammac")
        for dtype in FLOATS:
            f.case(fn, arr(dtype, A), arr(dtype, X), grad=smooth and dtype == "float32", abs=1e-6, grad_ulp=128, grad_abs=2e-6)
        f.case(fn, arr("float64", A), arr("float64", X), x64=True, grad=smooth, abs=1e-13)
        f.case(fn, ("float32", (0,)), ("float32", (0,)))
        f.case(fn, arr("float32", 2.0), arr("float32", [[0.5, 1.0]]), error=None, abs=1e-6)
        f.case(fn, arr("float32", A), arr("bfloat16", X), error=True)
        f.case(fn, ("int32", (2,)), ("int32", (2,)), error=True)
        nan, inf = float("nan"), float("inf")
        f.case(fn, arr("float32", [0.0, 1.0, -1.0, 1.0, nan, 1.0, inf, 1.0, inf, 0.0]),
               arr("float32", [1.0, 0.0, 1.0, -1.0, 1.0, nan, 1.0, inf, inf, 0.0]), abs=1e-6)
    p = [0.5, 1.0, 2.0, 3.5, 10.0, 0.1, 40.0, 5.0]
    q = [0.5, 2.0, 1.0, 0.7, 12.0, 0.2, 30.0, 5.0]
    x = [0.3, 0.2, 0.9, 0.5, 0.45, 0.999, 0.6, 0.5]
    for dtype in FLOATS:
        f.case("lax.betainc", arr(dtype, p), arr(dtype, q), arr(dtype, x), abs=1e-6)
    f.case("lax.betainc", arr("float64", p), arr("float64", q), arr("float64", x), x64=True, abs=1e-14)
    f.case("lax.betainc", ("float32", (0,)), ("float32", (0,)), ("float32", (0,)))
    nan, inf = float("nan"), float("inf")
    f.case("lax.betainc", arr("float32", [0.0, 1.0, -1.0, 1.0, 2.0, nan, 2.0, 2.0, 2.0]),
           arr("float32", [1.0, 0.0, 1.0, -1.0, 2.0, 1.0, 2.0, 2.0, inf]),
           arr("float32", [0.5, 0.5, 0.5, 0.5, -0.1, 0.5, 0.0, 1.0, 0.5]), abs=1e-6)
    for m in (0, 1, 2, 5):
        for dtype in FLOATS:
            f.case("lax.polygamma", arr(dtype, [0.25, 1.0, 1.5, 4.0, 20.0]), m=m, grad=dtype == "float32", abs=1e-6)
        f.case("lax.polygamma", arr("float64", [0.25, 1.0, 1.5, 4.0, 20.0]), m=m, grad=True, x64=True)
    for dtype in FLOATS:
        f.case("lax.zeta", arr(dtype, [2.0, 3.5, 1.5, 10.0, 1.0, 0.5]), arr(dtype, [1.0, 0.5, 7.0, 2.0, 1.0, 1.0]))
    f.case("lax.zeta", arr("float64", [2.0, 3.5, 1.5, 10.0]), arr("float64", [1.0, 0.5, 7.0, 2.0]), x64=True)
    binary(f)
    movements(f)
    transforms(f)


def binary(f):
    for dtype in INTS:
        a, b = pairs(dtype)
        f.case("lax.mulhi", arr(dtype, a), arr(dtype, b), error=None)
    a, b = pairs("int64")
    f.case("lax.mulhi", arr("int64", a), arr("int64", b), x64=True)
    f.case("lax.mulhi", arr("uint64", [2**64 - 1, 2**63, 7]), arr("uint64", [2**64 - 1, 3, 2**62]), x64=True)
    f.case("lax.mulhi", ("float32", (2,)), ("float32", (2,)), error=True)
    for dtype in FLOATS:
        a, b = pairs(dtype)
        for name in ("eq_to", "le_to", "lt_to"):
            f.case(f"lax.{name}", arr(dtype, a), arr(dtype, b))
        f.case("lax.logaddexp", arr(dtype, a), arr(dtype, b), abs=1e-6)
        f.case("lax.reciprocal", (dtype, edges(dtype)))
    for x, y in ((1.0, 2.0), (-3.0, 100.0), (2.0, 2.0)):
        f.case("lax.logaddexp", arr("float32", [x]), arr("float32", [y]), grad=True)
    f.case("lax.logaddexp", ("complex64", (3,)), ("complex64", (3,)), abs=2e-6, grad=True, grad_abs=4e-6)
    f.case("lax.logaddexp", ("int32", (2,)), ("int32", (2,)), error=None)
    f.case("lax.reciprocal", ("float32", (2, 3)), grad=True)
    f.case("lax.reciprocal", ("complex64", (3,)), abs=1e-6)
    f.case("lax.reciprocal", ("int32", (3,)), error=None)
    for dtype in REALS + ["complex64"]:
        f.case("lax.add_any", (dtype, (3,)), (dtype, (3,)), grad=dtype == "float32")
        f.case("lax.select", ("bool", (2, 3)), (dtype, (2, 3)), (dtype, (2, 3)), grad=dtype == "float32")
        f.case("lax.copy", (dtype, (2, 3)), grad=dtype == "float32")
        f.case("lax.stop_gradient", (dtype, (2, 3)), grad=dtype == "float32")
    f.case("lax.select", ("bool", ()), ("float32", (2, 3)), ("float32", (2, 3)), grad=True)
    f.case("lax.select", ("bool", (3,)), ("float32", (2, 3)), ("float32", (2, 3)), error=True)
    for dtype in FLOATS + ["float64"]:
        for exponent, mantissa in ((5, 10), (8, 7), (8, 23), (4, 3), (2, 0), (1, 2), (11, 52)):
            f.case("lax.reduce_precision", (dtype, edges(dtype)), exponent_bits=exponent, mantissa_bits=mantissa, x64=dtype == "float64")
    f.case("lax.reduce_precision", ("float32", (2, 3)), exponent_bits=5, mantissa_bits=2, grad=True)
    f.case("lax.reduce_precision", ("int32", (2,)), exponent_bits=5, mantissa_bits=2, error=True)
    f.case("lax.reduce_precision", ("float32", (2,)), exponent_bits=0, mantissa_bits=2, error=True)
    words = arr("uint32", [0, 2**32 - 1, 12345, 7])
    f.case("lax.threefry2x32", words, words, arr("uint32", [1, 2, 3, 4]), words)
    f.case("lax.threefry2x32", ("uint32", (0,)), ("uint32", (0,)), ("uint32", (0,)), ("uint32", (0,)))
    f.case("lax.optimization_barrier", ("float32", (2, 3)), ("int32", ()), grad=True)


def movements(f):
    f.case("lax.broadcast", ("float32", (2, 1)), sizes=[3, 0], grad=True)
    f.case("lax.broadcast", ("float32", (2, 1)), sizes=[3, 1], grad=True)
    f.case("lax.broadcast", ("int8", ()), sizes=[2])
    f.case("lax.broadcast", weak(2), sizes=[2])
    f.case("lax.broadcast", ("float32", (3,)), sizes=[], grad=True)
    for dtype in REALS + ["complex64", "bool"]:
        f.case("lax.broadcasted_iota", dtype=dtype, shape=[2, 3], dimension=1, error=None)
    f.case("lax.broadcasted_iota", dtype="int32", shape=[0, 3], dimension=0)
    f.case("lax.broadcasted_iota", dtype="int32", shape=[2], dimension=1, error=True)
    f.case("lax.collapse", ("float32", (2, 3, 4)), start_dimension=1, stop_dimension=None, grad=True)
    f.case("lax.collapse", ("float32", (2, 3, 4)), start_dimension=0, stop_dimension=2, grad=True)
    f.case("lax.collapse", ("float32", (2, 3, 4)), start_dimension=-2, stop_dimension=-1)
    f.case("lax.collapse", ("float32", (2, 0, 4)), start_dimension=0, stop_dimension=3)
    f.case("lax.collapse", ("float32", (2, 3)), start_dimension=1, stop_dimension=1, error=None)
    for start, stop, stride, axis in ((1, 4, 1, 0), (None, -1, 2, 0), (-3, None, 1, 1), (2, 2, 1, 0), (0, 1, 3, -1)):
        f.case("lax.slice_in_dim", ("float32", (5, 4)), start_index=start, limit_index=stop, stride=stride, axis=axis, grad=True)
    f.case("lax.slice_in_dim", ("float32", (5,)), start_index=0, limit_index=6, stride=1, axis=0, error=None)
    f.case("lax.slice_in_dim", ("float32", (5,)), start_index=0, limit_index=2, stride=1, axis=1, error=True)
    for index, axis, keepdims in ((0, 0, True), (-1, 1, False), (2, -1, True)):
        f.case("lax.index_in_dim", ("float32", (5, 4)), index=index, axis=axis, keepdims=keepdims, grad=True)
    f.case("lax.index_in_dim", ("float32", (5,)), index=5, axis=0, keepdims=True, error=True)
    f.case("lax.index_in_dim", ("float32", (5,)), index=-6, axis=0, keepdims=True, error=True)
    for dtype in ("float32", "int8", "bool", "complex64"):
        f.case("lax.split", (dtype, (5, 2)), sizes=[2, 0, 3], axis=0, grad=dtype == "float32")
        f.case("lax.stack", (dtype, (2, 3)), (dtype, (2, 3)), axis=1, grad=dtype == "float32")
        f.case("lax.unstack", (dtype, (2, 3)), axis=-1, grad=dtype == "float32")
    f.case("lax.split", ("float32", (2, 4)), sizes=[1, 3], axis=-1, grad=True)
    f.case("lax.split", ("float32", (2, 4)), sizes=[1, 2], axis=-1, error=True)
    f.case("lax.stack", ("float32", (2,)), ("float32", (3,)), axis=0, error=True)
    f.case("lax.stack", ("float32", (2,)), ("float32", (2,)), axis=2, error=True)
    f.case("lax.stack", ("float32", ()), ("float32", ()), axis=0, grad=True)
    f.case("lax.unstack", ("float32", (0, 2)), axis=1)
    f.case("lax.unstack", ("float32", (2,)), axis=1, error=True)
    for dtype in ("float32", "int32", "bool"):
        f.case("lax.full", (dtype, ()), shape=[2, 0])
        f.case("lax.full", (dtype, ()), shape=[2, 3])
    f.case("lax.full", weak(2.5), shape=[2])
    f.case("lax.full", weak(2), shape=[])
    f.case("lax.full", ("float32", (2,)), shape=[2], error=None)
    for dtype in REALS + ["complex64", "bool"]:
        f.case("lax.full_like", (dtype, (2, 1)), fill_value=3)
    f.case("lax.full_like", weak(2.0, (2,)), fill_value=3)
    for a, b in (((2, 3), (3, 4)), ((3,), (3,)), ((3,), (3, 2)), ((2, 3), (3,)), ((0, 3), (3, 2)), ((2, 0), (0, 2))):
        f.case("lax.dot", ("float32", a), ("float32", b), grad=True, abs=2e-6)
    f.case("lax.dot", ("int8", (2, 3)), ("int8", (3, 2)))
    f.case("lax.dot", ("float32", ()), ("float32", (3,)), error=True)
    f.case("lax.dot", ("float32", (2, 3)), ("float32", (2, 3)), error=True)
    f.case("lax.batch_matmul", ("float32", (2, 3, 4)), ("float32", (2, 4, 5)), grad=True, abs=2e-6)
    f.case("lax.batch_matmul", ("float32", (2, 1, 3, 4)), ("float32", (2, 1, 4, 5)), grad=True, abs=2e-6)
    f.case("lax.batch_matmul", ("float32", (2, 3, 4)), ("float32", (3, 4, 5)), error=True)
    f.case("lax.batch_matmul", ("float32", (4,)), ("float32", (4,)), error=True)
    for dtype in ("bool", "int32", "uint8"):
        f.case("lax.reduce_xor", (dtype, (2, 3)), axes=[1])
        f.case("lax.reduce_xor", (dtype, (2, 0)), axes=[1])
    f.case("lax.reduce_xor", ("float32", (2,)), axes=[0], error=True)


def transforms(f):
    # Sums of as many terms as there are elements, in the order of the two builds' own algorithms.
    k = dict(abs=1e-5, grad_abs=1e-5, grad=True)
    for shape, lengths in (((4,), [4]), ((5,), [5]), ((1,), [1]), ((2,), [2]), ((2, 3, 4), [4]), ((2, 3, 4), [3, 4]), ((2, 3, 5), [2, 3, 5])):
        for t in ("FFT", "IFFT"):
            f.case("lax.fft", ("complex64", shape), fft_type=t, fft_lengths=lengths, **k)
        f.case("lax.fft", ("float32", shape), fft_type="RFFT", fft_lengths=lengths, **k)
        half = shape[:-1] + (shape[-1] // 2 + 1,)
        f.case("lax.fft", ("complex64", half), fft_type="IRFFT", fft_lengths=lengths, **k)
    f.case("lax.fft", ("complex128", (6,)), fft_type="FFT", fft_lengths=[6], x64=True, grad=True, abs=1e-14, grad_abs=1e-14)
    f.case("lax.fft", ("float64", (6,)), fft_type="RFFT", fft_lengths=[6], x64=True, grad=True, abs=1e-14, grad_abs=1e-14)
    f.case("lax.fft", ("float32", (4,)), fft_type="FFT", fft_lengths=[4], **k)
    f.case("lax.fft", ("int32", (4,)), fft_type="FFT", fft_lengths=[4], abs=1e-5)
    f.case("lax.fft", ("int32", (4,)), fft_type="RFFT", fft_lengths=[4], abs=1e-5)
    f.case("lax.fft", ("float32", (4,)), fft_type="FFT", fft_lengths=[])
    f.case("lax.fft", ("complex64", (0, 4)), fft_type="FFT", fft_lengths=[4])
    f.case("lax.fft", ("complex64", (4,)), fft_type="IRFFT", fft_lengths=[4], error=None, abs=1e-5)
    f.case("lax.fft", ("complex64", (4,)), fft_type="RFFT", fft_lengths=[4], error=True)
    f.case("lax.fft", ("float32", (4,)), fft_type="RFFT", fft_lengths=[5], error=True)
    f.case("lax.fft", ("complex64", (4,)), fft_type="FFT", fft_lengths=[4, 4], error=True)
    f.case("lax.fft", ("bfloat16", (4,)), fft_type="RFFT", fft_lengths=[4], error=True)
    f.case("lax.fft", ("bfloat16", (4,)), fft_type="FFT", fft_lengths=[4], error=None, abs=1e-5)
    f.case("lax.fft", ("bool", (4,)), fft_type="FFT", fft_lengths=[4], error=None, abs=1e-5)
    f.case("lax.dot", ("float32", (2, 3, 4)), ("float32", (2, 4, 3)), over=[[2], [1]], batch=[[0], [0]], grad=True, abs=2e-6)
    f.case("lax.dot", ("float32", (2, 3)), ("float32", (2, 3)), over=[[1], [1]], batch=[[], []], abs=2e-6)
    f.case("lax.dot", ("float32", (2, 3)), ("float32", (2, 3)), over=[[1], [0]], batch=[[], []], error=True)
