"""Functions of arrays, run on the plugin and on JAX's own CPU backend; both must give the same."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

_rng = np.random.default_rng(0)
F = _rng.standard_normal((4, 6)).astype(np.float32)
D = _rng.standard_normal((5, 5))
I = _rng.integers(-5, 5, (4, 6)).astype(np.int32)
C = (D + 1j * D.T).astype(np.complex64)
IMAGE = _rng.standard_normal((2, 3, 8, 8)).astype(np.float32)
KERNEL = _rng.standard_normal((4, 3, 3, 3)).astype(np.float32)
KEY = np.array([0, 42], np.uint32)


def _collatz(n):
    return lax.while_loop(lambda s: s[0] > 1,
                          lambda s: (jnp.where(s[0] % 2 == 0, s[0] // 2, 3 * s[0] + 1), s[1] + 1), (n, 0))[1]


def _loss(w, x):
    return jnp.mean(jnp.tanh(x @ w) ** 2)


def _key():
    return jax.random.wrap_key_data(jnp.asarray(KEY))


# name, function, arguments
CASES = [
    ("arithmetic", lambda x, y: (x + y, x * 2 - y / 3, jnp.abs(x) ** 0.5), (F, F[::-1].copy())),
    ("integers", lambda x: (x // 3, x % 4, x << 2, ~x, jnp.bitwise_count(x)), (I,)),
    ("complex", lambda x: (x @ x, jnp.exp(x), jnp.conj(x), jnp.abs(x)), (C,)),
    ("bfloat16", lambda x: (x.astype(jnp.bfloat16) @ x.T.astype(jnp.bfloat16)).astype(jnp.float32), (F,)),
    ("float16 and float8", lambda x: (x.astype(jnp.float16), x.astype(jnp.float8_e4m3fn).astype(jnp.float32)), (F,)),
    ("int4", lambda x: x.astype(jnp.int4).astype(jnp.int8), (I,)),
    ("special functions", lambda x: (lax.erf_inv(jnp.tanh(x)), lax.lgamma(jnp.abs(x) + 1), lax.digamma(jnp.abs(x) + 1), lax.bessel_i1e(x)), (F,)),
    ("reductions", lambda x: (x.sum(0), x.max(1), x.argmin(), jnp.prod(x, 1), jnp.cumsum(x, 1)), (F,)),
    ("dot", lambda x: jnp.einsum("ij,kj->ik", x, x), (F,)),
    ("batched dot", lambda x: jnp.einsum("bij,bkj->bik", x.reshape(2, 2, 6), x.reshape(2, 2, 6)), (F,)),
    ("transpose, reshape, slice", lambda x: (x.T, x.reshape(3, 8), x[1:3, ::2], x[::-1], jnp.pad(x, 1)), (F,)),
    ("grad", jax.grad(_loss), (F.T.copy(), F)),
    ("second derivative", jax.hessian(lambda x: jnp.sum(jnp.sin(x) ** 3)), (F[0].copy(),)),
    ("jvp", lambda x: jax.jvp(jnp.sin, (x,), (x,)), (F,)),
    ("vmap", jax.vmap(lambda r: jnp.outer(r, r)), (F,)),
    ("scan", lambda x: lax.scan(lambda c, r: (jnp.tanh(c + r), c.sum()), jnp.zeros(6, x.dtype), x), (F,)),
    ("grad of scan", jax.grad(lambda x: lax.scan(lambda c, r: (jnp.sin(c * r), c), x[0], x)[0].sum()), (F,)),
    ("while", _collatz, (np.int64(27),)),
    ("fori", lambda x: lax.fori_loop(0, 10, lambda i, c: c * 0.9 + i, x), (F,)),
    ("cond", lambda x: lax.cond(x.sum() > 0, jnp.sin, jnp.cos, x), (F,)),
    ("switch", lambda i, x: lax.switch(i, [jnp.sin, jnp.cos, jnp.tanh], x), (np.int32(2), F)),
    ("sort", lambda x: (jnp.sort(x, 1), jnp.argsort(x, 0), lax.sort((x, -x), num_keys=1)), (F,)),
    ("top_k", lambda x: lax.top_k(x, 3), (F,)),
    ("gather", lambda x, i: (x[i], jnp.take_along_axis(x, i[:, None] % 6, 1)), (F, np.array([3, 0, 2, 2]))),
    ("scatter", lambda x, i: (x.at[i].add(1.0), x.at[i, i].set(7.0), x.at[i].max(0.5)), (F, np.array([3, 0, 2, 2]))),
    ("dynamic slices", lambda x, i: lax.dynamic_update_slice(x, lax.dynamic_slice(x, (i, i), (2, 3)), (i - i, i)), (F, np.int32(1))),
    ("convolution", lambda x, k: lax.conv_general_dilated(x, k, (2, 1), "SAME"), (IMAGE, KERNEL)),
    ("grad of convolution", jax.grad(lambda k, x: lax.conv(x, k, (1, 1), "VALID").sum()), (KERNEL, IMAGE)),
    ("pooling", lambda x: lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID"), (IMAGE,)),
    ("fft", lambda x: (jnp.fft.fft(x), jnp.fft.rfft(x.real), jnp.fft.ifft2(x), jnp.fft.irfft(x)), (C,)),
    ("random bits", lambda: jax.random.bits(_key(), (7,)), ()),
    ("random normal", lambda: jax.random.normal(_key(), (3, 4)), ()),
    ("random permutation", lambda: jax.random.permutation(_key(), 10), ()),
    ("rng bit generator", lambda: lax.rng_bit_generator(jnp.array([1, 2, 3, 4], jnp.uint32), (5,))[1], ()),
    ("empty arrays", lambda x: (x.sum(1), jnp.concatenate([x, x]), x + 1), (np.zeros((3, 0), np.float32),)),
    ("scalars", lambda x: (x + 1, jnp.sqrt(x)), (np.float64(2.0),)),
    ("bool", lambda x: (x > 0, jnp.logical_not(x > 0), jnp.any(x > 2, axis=0)), (F,)),
    ("no outputs", lambda x: (), (F,)),
    ("unused arguments", lambda x, y: y, (F, I)),
    ("strided host array", lambda x: x * 2, (np.arange(48.0).reshape(4, 12)[::2, ::3],)),
    ("negative strides", lambda x: x * 2, (np.arange(12.0).reshape(3, 4)[::-1, ::-1],)),
    ("column-major host array", lambda x: x * 2, (np.asfortranarray(np.arange(12.0).reshape(3, 4)),)),
    ("large", lambda x: (x @ x.T).sum(1), (_rng.standard_normal((700, 500)).astype(np.float32),)),
    ("checkpoint", jax.grad(jax.checkpoint(lambda x: jnp.sin(jnp.sin(x)).sum())), (F,)),
    ("custom_vjp", jax.grad(lambda x: jax.nn.relu(x).sum()), (F,)),
]


def _compare(run, arguments, ours, theirs):
    def on(device):
        with jax.default_device(device):
            return jax.tree.map(np.asarray, jax.jit(run)(*[jax.device_put(a, device) for a in arguments]))

    a, b = on(ours), on(theirs)
    leaves_a, leaves_b = jax.tree.leaves(a), jax.tree.leaves(b)
    assert len(leaves_a) == len(leaves_b), "another number of results"
    for x, y in zip(leaves_a, leaves_b):
        assert x.dtype == y.dtype and x.shape == y.shape, f"{x.dtype}{x.shape} is not {y.dtype}{y.shape}"
        if x.dtype.kind in "iub":
            np.testing.assert_array_equal(x, y)
        else:
            tolerance = 1e-2 if x.dtype == np.float16 else 2e-4
            np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance)


def run(check, ours, theirs):
    for name, function, arguments in CASES:
        check(name, lambda: _compare(function, arguments, ours[0], theirs[0]))
