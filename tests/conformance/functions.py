"""Functions of arrays, run on the plugin and on JAX's own CPU backend; both must give the same."""

from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from compare import ACCUMULATED, COMPOSED, ELEMENTWISE, on, same

_rng = np.random.default_rng(0)
NARROW = ["bfloat16", "float16"]
FLOATS = NARROW + ["float32", "float64"]
COMPLEX = ["complex64", "complex128"]
INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]


def _array(dtype, *shape):
    dtype = jnp.dtype(dtype)
    if dtype.kind in "iu":
        return _rng.integers(0 if dtype.kind == "u" else -100, 100, shape).astype(dtype)
    x = _rng.standard_normal(shape)
    return (x + 1j * _rng.standard_normal(shape) if dtype.kind == "c" else x).astype(dtype)


F = _array("float32", 4, 6)
D = _array("float64", 5, 5)
I = _rng.integers(-5, 5, (4, 6)).astype(np.int32)
IMAGE = _array("float32", 2, 3, 8, 8)
KERNEL = _array("float32", 4, 3, 3, 3)
KEY = np.array([0, 42], np.uint32)
ROWS = np.array([3, 0, 2, 2])
OUTSIDE = np.array([7, -1, 1, -9])  # of 4 rows: jnp wraps -1; lax's modes decide about the others
SPECIAL = np.array([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e-40, 3e38], np.float32)


def _collatz(n):
    return lax.while_loop(lambda s: s[0] > 1,
                          lambda s: (jnp.where(s[0] % 2 == 0, s[0] // 2, 3 * s[0] + 1), s[1] + 1), (n, 0))[1]


def _newton(x):
    """Square roots by Newton: the number of steps depends on the data."""
    return lax.while_loop(lambda s: jnp.any(jnp.abs(s[0] * s[0] - x) > 1e-3 * x),
                          lambda s: ((s[0] + x / s[0]) / 2, s[1] + 1), (jnp.ones_like(x), 0))


def _loss(w, x):
    return jnp.mean(jnp.tanh(x @ w) ** 2)


def _key(implementation=None):
    if implementation == "rbg":
        return jax.random.key(42, impl="rbg")
    return jax.random.wrap_key_data(jnp.asarray(KEY))


def _conv(x, k, *rest, dims=("NCHW", "OIHW", "NCHW"), **options):
    return lax.conv_general_dilated(x, k, *rest, dimension_numbers=dims, **options)


def _segments(x, i):
    return jax.ops.segment_sum(x, i, 5), jax.ops.segment_max(x, i, 4), jax.ops.segment_prod(x, i, 4)


# name, function, arguments, epsilons where they are not ELEMENTWISE
CASES = [
    ("float8", lambda x: [x.astype(t).astype(jnp.float32) for t in (jnp.float8_e4m3fn, jnp.float8_e5m2)], (F,)),
    ("int4", lambda x: (x.astype(jnp.int4).astype(jnp.int8), jnp.abs(x).astype(jnp.uint4).astype(jnp.uint8)), (I,)),
    ("infinities, NaN, -0 and denormals", lambda x: (x + x, x * x, x[:, None] > x, jnp.maximum(x[:, None], x), jnp.sign(x), jnp.isnan(x), 1 / x), (SPECIAL,)),
    ("bits of floats", lambda x: (lax.bitcast_convert_type(x, jnp.int32), lax.bitcast_convert_type(x, jnp.uint8), jnp.nextafter(x, 1), lax.reduce_precision(x, 5, 7)), (F,)),
    ("special functions", lambda x: (lax.erf_inv(jnp.tanh(x)), lax.lgamma(jnp.abs(x) + 1), lax.digamma(jnp.abs(x) + 1), lax.bessel_i1e(x), lax.igamma(jnp.abs(x) + 1, jnp.abs(x))), (F,), COMPOSED),
    ("transpose, reshape, slice", lambda x: (x.T, x.reshape(3, 8), x[1:3, ::2], x[::-1], lax.pad(x, jnp.float32(9), ((1, -1, 2), (-2, 3, 0)))), (F,)),
    ("einsum", lambda x: (jnp.einsum("ij,kj->ik", x, x), jnp.einsum("ij,ik->jk", x, x), jnp.einsum("ij,kl->jl", x, x)), (F,), ACCUMULATED),
    ("grad", jax.value_and_grad(_loss, (0, 1)), (F.T.copy(), F), ACCUMULATED),
    ("second derivative", jax.hessian(lambda x: jnp.sum(jnp.sin(x) ** 3 * x[::-1])), (F[0].copy(),), ACCUMULATED),
    ("jacobians", lambda x: (jax.jacfwd(jnp.cumprod)(x), jax.jacrev(jnp.cumprod)(x)), (F[0].copy(),), ACCUMULATED),
    ("jvp", lambda x: jax.jvp(lambda v: jnp.sin(v) * v, (x,), (x + 1,)), (F,)),
    ("holomorphic grad", jax.grad(lambda z: jnp.sum(jnp.exp(z) * z), holomorphic=True), (_array("complex128", 5),)),
    ("grad of scan", jax.grad(lambda x: lax.scan(lambda c, r: (jnp.sin(c * r), c), x[0], x)[0].sum()), (F,)),
    ("grad of cond", jax.grad(lambda x: lax.cond(x.sum() > 100, jnp.sin, lambda v: v ** 3, x).sum()), (F,)),
    ("jvp of while", lambda x: jax.jvp(lambda v: _newton(v)[0], (x,), (x,)), (jnp.abs(F) + 1,)),
    ("grad of sort", jax.grad(lambda x: (jnp.sort(x, 1) * jnp.arange(6)).sum()), (F,)),
    ("grad of gather", jax.grad(lambda x, i: (x[i] ** 2 * jnp.arange(6)).sum()), (F, ROWS)),
    ("grad of scatter", jax.grad(lambda x, i: (x.at[i].mul(x[:4] + 1, unique_indices=True) ** 2).sum()), (F, np.array([3, 0, 2, 1]))),
    ("grad of convolution", jax.grad(lambda k, x: (_conv(x, k, (2, 1), "SAME") ** 2).sum(), (0, 1)), (KERNEL, IMAGE), ACCUMULATED),
    ("grad of pooling", jax.grad(lambda x: (lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 3, 3), (1, 1, 2, 2), "VALID") ** 2).sum()), (IMAGE,)),
    ("grad of fft", jax.grad(lambda x: (jnp.abs(jnp.fft.rfft(x)) ** 2 * jnp.arange(4)).sum()), (F,), ACCUMULATED),
    ("checkpoint", jax.grad(jax.checkpoint(lambda x: jnp.sin(jnp.sin(x)).sum())), (F,)),
    ("custom_vjp", jax.grad(lambda x: (jax.nn.relu(x) * x).sum()), (F,)),
    ("vmap", jax.vmap(lambda r: jnp.outer(r, r)), (F,)),
    ("vmap over the last axis", jax.vmap(lambda a, b: (a @ b, jnp.sort(a), b), in_axes=(1, None), out_axes=(0, 1, None)), (F, F[:, 0].copy()), ACCUMULATED),
    ("vmap of grad", jax.vmap(jax.grad(lambda r: jnp.prod(jnp.cos(r)))), (F,)),
    ("vmap of cond", jax.vmap(lambda r: lax.cond(r[0] > 0, jnp.sin, jnp.exp, r)), (F,)),
    ("vmap of while", jax.vmap(_collatz), (np.arange(1, 30),)),
    ("vmap of gather and scatter", jax.vmap(lambda r, i: (r[i], r.at[i].add(r[0]), lax.dynamic_slice(r, (i,), (3,)))), (F, np.array([5, 0, 2, 9]))),
    ("vmap of convolution", jax.vmap(lambda x, k: _conv(x[None], k, (1, 1), "VALID"), (0, None)), (IMAGE, KERNEL), ACCUMULATED),
    ("vmap of random", lambda: jax.vmap(lambda k: jax.random.normal(k, (3,)))(jax.random.split(_key(), 4)), (), COMPOSED),
    ("nested vmap", jax.vmap(jax.vmap(lambda a, b: a * jnp.cos(b), (0, None)), (None, 0)), (F[0].copy(), D[1].copy())),
    ("scan backwards, unrolled", lambda x: lax.scan(lambda c, r: (c * 0.5 + r, c * r), x[0], x, reverse=True, unroll=2), (F,)),
    ("scan in scan", lambda x: lax.scan(lambda c, r: lax.scan(lambda d, e: (jnp.sin(d + e), d), c, r), 0.5, x), (D,)),
    ("associative scan", lambda x: lax.associative_scan(lambda a, b: (a[0] * b[0], b[0] * a[1] + b[1]), (jnp.tanh(x), x)), (F,)),
    ("while on integers", _collatz, (np.int64(27),)),
    ("while in while", lambda n: lax.while_loop(lambda s: s[0] < n, lambda s: (s[0] + 1, s[1] + _collatz(s[0])), (1, 0)), (np.int64(30),)),
    ("while that never enters", lambda x: lax.while_loop(lambda v: v.sum() > 1e9, lambda v: v * 2, x), (F,)),
    ("fori with a dynamic bound", lambda n, x: lax.fori_loop(0, n, lambda i, c: c * 0.9 + i, x), (np.int32(10), F)),
    ("cond, both ways", lambda x: [lax.cond(s * x.sum() > 0, jnp.sin, jnp.cos, x) for s in (1, -1)], (F,)),
    ("cond in a loop", lambda x: lax.fori_loop(0, 9, lambda i, c: lax.cond(i % 3 == 0, jnp.sin, lambda v: v + i, c), x), (F,)),
    ("switch, indices clamped", lambda x, i: [lax.switch(j, [jnp.sin, jnp.cos, jnp.tanh], x) for j in i], (F, np.array([-3, 0, 1, 2, 9]))),
    ("select and clamp", lambda x, i: (lax.select_n(i % 3, x, -x, x * 2), jnp.clip(x, -0.5, 0.5), lax.clamp(jnp.float32(-1), x, jnp.abs(x[0, 0]))), (F, jnp.abs(I))),
    ("sort by two keys", lambda x, i: lax.sort((i, x, jnp.arange(24).reshape(4, 6)), dimension=1, num_keys=2), (F, I)),
    ("sort, stable and descending", lambda i: (jnp.argsort(i, 1, stable=True), jnp.argsort(i, 0, descending=True), jnp.lexsort((i[0], i[1]))), (I,)),
    ("sort of NaN and -0", lambda x: (jnp.sort(x), jnp.argsort(x), lax.sort(x)), (SPECIAL,)),
    ("sort of 50000", lambda x: (jnp.sort(x), jnp.argsort(x), jnp.median(x), jnp.unique(jnp.round(x), size=8)), (_array("float32", 50000),)),
    ("searchsorted and histogram", lambda x: (jnp.searchsorted(jnp.sort(x[0]), x), jnp.histogram(x, 5)), (F,)),
    ("gather outside", lambda x, i: [x.at[i].get(mode=m) for m in ("fill", "clip")], (F, OUTSIDE)),
    ("gather of several axes", lambda x, i: (x[:, i], x[i, i[::-1]], x[i[:, None], i % 6, ...], x[1, i]), (F, ROWS)),
    ("gather of windows", lambda x, i: lax.gather(x, i[:, None], lax.GatherDimensionNumbers((1, 2), (), (0,)), (2, 3), mode="clip"), (F, OUTSIDE)),
    ("scatter with the same row twice", lambda x, i: (x.at[i].add(x), x.at[i].mul(x), x.at[i].min(x), x.at[i].max(x)), (F, ROWS)),
    ("scatter outside", lambda x, i: [x.at[i].set(5.0, mode=m) for m in ("drop", "clip")], (F, OUTSIDE)),
    ("scatter at points and windows", lambda x, i: (x.at[i, i].set(7.0), x.at[:, i].add(1.0), x.at[1:3, ::2].set(0.0), x.at[i].apply(jnp.sin)), (F, ROWS)),
    ("segments", _segments, (F, ROWS)),
    ("dynamic slices, clamped", lambda x, i: [lax.dynamic_update_slice(x, lax.dynamic_slice(x, (j, j), (2, 3)) + 1, (j - 1, j)) for j in i], (F, np.array([1, 9, -1]))),
    ("convolution, dilated and grouped", lambda x, k: (_conv(x, k, (1, 2), ((1, 0), (2, -1)), lhs_dilation=(2, 1), rhs_dilation=(1, 2)), _conv(x.reshape(2, 3, 8, 8), k[:3, :1], (1, 1), "SAME", feature_group_count=3), _conv(x, k[:, :, ::-1, ::-1], (1, 1), "VALID", batch_group_count=2)), (IMAGE, KERNEL), ACCUMULATED),
    ("convolution, channels last", lambda x, k: _conv(jnp.moveaxis(x, 1, 3), k.transpose(2, 3, 1, 0), (1, 1), "SAME", dims=("NHWC", "HWIO", "NHWC")), (IMAGE, KERNEL), ACCUMULATED),
    ("convolution in 1 and 3 dimensions", lambda x: (jnp.convolve(x[0], x[1, :3]), lax.conv(x.reshape(1, 1, 2, 3, 4), x[:2].reshape(1, 1, 2, 2, 3), (1, 1, 1), "SAME")), (F,), ACCUMULATED),
    ("transposed convolution", lambda x, k: lax.conv_transpose(x, k, (2, 2), "SAME", dimension_numbers=("NCHW", "OIHW", "NCHW"), transpose_kernel=True), (IMAGE[:, :1].repeat(4, 1), KERNEL), ACCUMULATED),
    ("pooling", lambda x: (lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID"), lax.reduce_window(x, 0.0, lax.add, (1, 1, 3, 2), (1, 1, 1, 2), "SAME")), (IMAGE,)),
    ("rng bit generator", lambda: [lax.rng_bit_generator(jnp.array([1, 2, 3, 4], jnp.uint32), (5, 3), t) for t in (jnp.uint32, jnp.uint64, jnp.uint8)], ()),
    ("random keys", lambda: [jax.random.key_data(k) for k in (jax.random.split(_key(), 3), jax.random.fold_in(_key(), 7), jax.random.key(5), jax.random.split(_key("rbg"), 2))], ()),
    ("random, rbg", lambda: (jax.random.bits(_key("rbg"), (7,)), jax.random.normal(_key("rbg"), (3, 4))), (), COMPOSED),
    ("random permutation and choice", lambda: (jax.random.permutation(_key(), 50), jax.random.choice(_key(), 9, (4,), replace=False), jax.random.categorical(_key(), jnp.zeros((3, 5)))), ()),
    ("random distributions", lambda: (jax.random.gamma(_key(), 2.5, (6,)), jax.random.laplace(_key(), (6,)), jax.random.bernoulli(_key(), 0.3, (20,)), jax.random.truncated_normal(_key(), -1, 1, (6,))), (), COMPOSED),
    ("no outputs", lambda x: (), (F,)),
    ("unused arguments", lambda x, y: y, (F, I)),
    ("an argument returned twice", lambda x: (x, x, x + 0), (F,)),
    ("scalars", lambda x: (x + 1, jnp.sqrt(x)), (np.float64(2.0),)),
    ("constants", lambda x: (x + jnp.asarray(F), jnp.arange(7), jnp.full((2, 2), 3j), jnp.eye(3, dtype=bool)), (F,)),
    ("bool", lambda x: (x > 0, jnp.logical_not(x > 0), jnp.any(x > 2, axis=0), jnp.all(x < 2, axis=1), (x > 0) ^ (x > 1), jnp.cumsum(x > 0)), (F,)),
    ("ten dimensions", lambda x: jnp.flip(x, (0, 5)).transpose(*range(9, -1, -1)).sum((2, 3)), (_array("float64", *[2] * 10),), ACCUMULATED),
    ("large", lambda x: (x @ x.T, (x @ x.T).sum(1)), (_array("float32", 700, 500),), ACCUMULATED),
    ("large, float64", lambda x: (x @ x.T, (x @ x.T).sum(1), jnp.cumsum(x, 0)), (_array("float64", 700, 500),), ACCUMULATED),
    ("many arguments and results", lambda *a: [x * i for i, x in enumerate(a)], tuple(D[i % 5] for i in range(40))),
    ("empty arrays", lambda x: (x.sum(1), x.sum(0), jnp.concatenate([x, x, jnp.ones((3, 2), x.dtype)], 1), x + 1, x.T, x.reshape(0, 7)), (np.zeros((3, 0), np.float32),)),
    ("empty: dot, convolution, fft", lambda x: (x @ x.T + 1, x.T @ x, _conv(x.reshape(0, 3, 8, 8), jnp.asarray(KERNEL), (1, 1), "SAME"), jnp.fft.fft(x.reshape(0, 4))), (np.zeros((3, 0), np.float32),)),
    ("empty: sort, gather, scatter", lambda x, y, i: (jnp.sort(x), jnp.argsort(x, 0), y[i], y.at[i].add(1.0), jnp.cumsum(x, 1), y[1:1]), (np.zeros((3, 0)), F, np.zeros(0, np.int32))),
    ("empty: scan, while, cond, vmap", lambda x, y: (lax.scan(lambda c, r: (c + r.sum(), r), 1.0, x.T), lax.fori_loop(0, 0, lambda i, c: c * 0, y), lax.cond(x.size == 0, jnp.sin, jnp.cos, x), jax.vmap(jnp.sin)(x.T)), (np.zeros((3, 0)), F)),
    ("empty: random, reductions", lambda x: (jax.random.normal(_key(), (0, 2)), x.max(1, initial=-1.0), jnp.any(x > 0), jnp.prod(x), jnp.mean(x.T, 1)), (np.zeros((3, 0)),)),
    ("strided host array", lambda x: x * 2, (np.arange(48.0).reshape(4, 12)[::2, ::3],)),
    ("negative strides", lambda x: x * 2, (np.arange(12.0).reshape(3, 4)[::-1, ::-1],)),
    ("zero strides", lambda x, y: (x * 2, y + 1), (np.broadcast_to(np.arange(4.0), (3, 4)), np.broadcast_to(np.int8(3), (5, 2)))),
    ("column-major host array", lambda x: x * 2, (np.asfortranarray(np.arange(12.0).reshape(3, 4)),)),
    ("permuted axes", lambda x, y: (x * 2, y + 0), (IMAGE.transpose(2, 0, 3, 1), _array("int16", 3, 4, 5).transpose(2, 0, 1))),
    ("strided, narrow and complex", lambda *a: [x + x for x in a], (_array("bfloat16", 6, 8)[::3, 1::2], _array("int8", 6, 8)[:, ::-3], _array("complex128", 6, 8)[1::2].T, (F > 0)[:, ::2])),
    ("strided, with empty and single axes", lambda x, y, z: (x + 1, y + 1, z + 1), (D[::2, 5:], D[2:3, ::-2], D[4:, 4:])),
    ("unaligned and read-only host array", lambda x, y: (x * 2, y * 2), (np.frombuffer(b"x" + D.tobytes(), np.float64, offset=1), np.frombuffer(F.tobytes(), np.float32))),
]


def _elementwise(x, y):
    real = () if jnp.iscomplexobj(x) else (jnp.abs(x) ** 0.5, jnp.arctan2(x, y), jnp.floor(x), jnp.round(x * 3), jnp.remainder(x, y), lax.erf(x), jnp.cbrt(x), jnp.maximum(x, y))
    return (x + y, x * 2 - y / 3, x / y, x ** 3, jnp.exp(x), jnp.log(x), jnp.log1p(x), jnp.expm1(x), jnp.sin(x), jnp.cos(x), jnp.tanh(x), jnp.sqrt(x), lax.rsqrt(x), jnp.conj(x), jnp.abs(x), x == y, real)


def _integers(x, y):
    y = jnp.where(y == 0, 3, y)
    shift = jnp.abs(y) % 7
    return (x + y, x - y, x * y * y, x // y, x % y, lax.div(x, y), lax.rem(x, y), x << shift, x >> shift, lax.shift_right_logical(x, shift), ~x, x & y, x | y, x ^ y, jnp.minimum(x, y), jnp.bitwise_count(x), lax.clz(x), x ** 3, x > y, jnp.abs(x), x.sum(0), x.max(), x.prod(1), jnp.argmin(x, 0))


def _casts(x):
    small = jnp.clip(x.real if jnp.iscomplexobj(x) else x, 0, 100)
    return x.astype(bool), [small.astype(t) for t in INTEGERS + FLOATS + COMPLEX]


def _reductions(x):
    real = () if jnp.iscomplexobj(x) else (x.max(1), x.min(), x.argmax(0), x.argmin(), jnp.any(x > 1, 1), jnp.std(x))
    return (x.sum(0), x.sum((0, 1)), x.mean(1), jnp.prod(x, 1), real)


def _random(dtype):
    return (jax.random.normal(_key(), (50,), dtype),
            () if dtype in COMPLEX else (jax.random.uniform(_key(), (3, 4), dtype, -1, 3), jax.random.exponential(_key(), (5,), dtype), jax.random.gumbel(_key(), (5,), dtype)))


def _transforms(x):
    """Lengths 6 and 7, along each axis, of complex and of real input."""
    real = x.real
    return (jnp.fft.fft(x), jnp.fft.ifft(x, axis=0), jnp.fft.fft2(x), jnp.fft.ifftn(x), jnp.fft.fft(x, 16),
            jnp.fft.rfft(real), jnp.fft.rfft(real, axis=0), jnp.fft.irfft(x), jnp.fft.irfft(x, 7), jnp.fft.rfft2(real), jnp.fft.hfft(x))


def _cumulative(x):
    ordered = () if jnp.iscomplexobj(x) else (lax.cummax(x, 1), lax.cummin(x, 0, reverse=True))
    return (jnp.cumsum(x, 1), lax.cumsum(x, 0, reverse=True), jnp.cumprod(x, 0), ordered)


def _control(x):
    """A scan, a while, a cond that depend on the data."""
    zero = jnp.zeros_like(x[0])
    return (lax.scan(lambda c, r: (jnp.tanh(c + r), (c.sum(), c * r)), zero, x),
            lax.while_loop(lambda s: jnp.abs(s[0]).max() > 0.1, lambda s: (s[0] / 2, s[1] + 1), (x, 0)),
            lax.cond(jnp.abs(x).sum() > 1, jnp.exp, jnp.sin, x))


def _convolutions(x, k):
    return (_conv(x, k, (2, 1), "SAME"), _conv(x, k, (1, 1), "VALID", rhs_dilation=(2, 2)),
            _conv(x, k[:, :1], (1, 1), ((1, 2), (0, 1)), feature_group_count=2))


def _indexing(x, i):
    return (x[i], x[:, i], jnp.take_along_axis(x, i[:, None], 1), x.at[i].add(x), x.at[i, i].set(x[0, 0]), x.at[i].multiply(2),
            lax.dynamic_slice(x, (i[1], i[2]), (2, 2)), jnp.roll(x, 2, 1), x[::-1, ::2])


# name, function, arguments by type, types, epsilons
TWINS = [
    ("elementwise", _elementwise, lambda t: (_array(t, 7, 9), _array(t, 7, 9)), FLOATS + COMPLEX, ELEMENTWISE),
    ("integers", _integers, lambda t: (_array(t, 5, 7), _array(t, 5, 7)), ["int8", "int32", "int64", "uint8", "uint16", "uint64"], ELEMENTWISE),
    ("casts", _casts, lambda t: (_array(t, 40),), ["int8", "uint64", "bfloat16", "float32", "float64", "complex64"], ELEMENTWISE),
    ("reductions", _reductions, lambda t: (_array(t, 6, 30),), FLOATS + COMPLEX, ACCUMULATED),
    ("dot", lambda x, y: (x @ y, y.T @ x.T, x[0] @ y, jnp.einsum("ij,ij->i", x, x), jnp.einsum("bij,bkj->bik", x.reshape(3, 4, 20), x.reshape(3, 4, 20))), lambda t: (_array(t, 12, 20), _array(t, 20, 9)), FLOATS + COMPLEX + ["int8", "int32", "int64", "uint8"], ACCUMULATED),
    ("dot into a wider type", lambda x: (lax.dot(x, x.T, preferred_element_type=jnp.float32 if x.dtype.kind not in "iu" else jnp.int32), jnp.float32(1)), lambda t: (_array(t, 5, 8),), NARROW + ["int8"], ACCUMULATED),
    ("convolution", _convolutions, lambda t: (_array(t, 2, 2, 7, 8), _array(t, 4, 2, 3, 3)), FLOATS + COMPLEX + ["int32"], ACCUMULATED),
    ("fft", _transforms, lambda t: (_array(t, 7, 6),), COMPLEX, ACCUMULATED),
    ("sort", lambda x: (jnp.sort(x, 1), jnp.sort(x, 0, descending=True), jnp.argsort(x, 0), lax.sort((x, x[::-1]), num_keys=1)), lambda t: (_array(t, 6, 11),), FLOATS + COMPLEX + INTEGERS, ELEMENTWISE),
    ("top_k", lambda x: lax.top_k(x, 3), lambda t: (_array(t, 4, 9),), FLOATS + ["int32", "uint8"], ELEMENTWISE),
    ("cumulative", _cumulative, lambda t: (_array(t, 5, 12),), FLOATS + COMPLEX + ["int32", "int64", "uint8"], ACCUMULATED),
    ("scan, while, cond", _control, lambda t: (_array(t, 4, 6),), FLOATS + COMPLEX, ACCUMULATED),
    ("gather and scatter", _indexing, lambda t: (_array(t, 4, 6), ROWS), FLOATS + COMPLEX + ["int8"], ELEMENTWISE),
    ("random integers", lambda x: (jax.random.bits(_key(), (7,), f"uint{8 * x.dtype.itemsize}"), jax.random.randint(_key(), (9,), 0, 100, x.dtype)), lambda t: (np.zeros((), t),), ["int8", "int64", "uint16", "uint32"], ELEMENTWISE),
    ("grad", jax.grad(lambda w, x: jnp.mean(jnp.abs(jnp.tanh(x @ w)) ** 2), (0, 1)), lambda t: (_array(t, 6, 3), _array(t, 4, 6)), FLOATS + COMPLEX, ACCUMULATED),
]
# jax.random takes the type, not an array of it.
TWINS += [("random", None, lambda t: (), FLOATS + COMPLEX, COMPOSED)]


def _compare(run, arguments, ours, theirs, epsilons=ELEMENTWISE):
    with ThreadPoolExecutor(2) as pool:  # most of the time is compilation
        return same(*pool.map(lambda device: on(device, run, arguments), (ours, theirs)), epsilons)


def run(check, ours, theirs):
    for name, function, arguments, *epsilons in CASES:
        check(name, lambda: _compare(function, arguments, ours[0], theirs[0], *epsilons))
    for name, function, arguments, types, epsilons in TWINS:
        for t in types:
            f = function or (lambda: _random(t))
            check(f"{name}, {t}", lambda: _compare(f, arguments(t), ours[0], theirs[0], epsilons))
