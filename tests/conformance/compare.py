"""What "the same" means: structure, type, shape, and values within some epsilons of the element type."""

import jax
import jax.numpy as jnp
import numpy as np

# The two backends are two versions of XLA: they may contract a*b+c, approximate exp or order a sum in other ways.
ELEMENTWISE = 32
COMPOSED = 48  # functions of functions: one amplifies what the other rounds
ACCUMULATED = 64  # against the largest element: sums, products of matrices, convolutions, transforms
_NARROW = 4  # float16, bfloat16: computed in float32, so they differ by one more or less rounding


def _error(x, y, epsilons):
    """The largest error in epsilons, against max(|y|, 1), or against the array's largest element where it adds up."""
    wide = np.complex128 if jnp.issubdtype(x.dtype, jnp.complexfloating) else np.float64
    epsilon = float(jnp.finfo(x.dtype).eps)
    x, y = x.astype(wide), y.astype(wide)
    finite = np.isfinite(y)
    np.testing.assert_array_equal(x[~finite], y[~finite])
    assert np.isfinite(x[finite]).all(), "not finite where JAX's own CPU is"
    if not finite.any():
        return 0.0
    size = np.abs(y[finite])
    unit = size.max() if epsilons >= ACCUMULATED else min(1.0, size.max())
    return float((np.abs(x - y)[finite] / np.maximum(np.maximum(size, unit), np.finfo(np.float64).tiny)).max() / epsilon)


def same(ours, theirs, epsilons=ELEMENTWISE):
    """Compares two trees of arrays, all elements; returns a remark on the largest error."""
    ours, tree = jax.tree.flatten(ours)
    theirs, other = jax.tree.flatten(theirs)
    assert tree == other, f"{tree} is not {other}"
    pairs = [(np.asarray(x), np.asarray(y)) for x, y in zip(ours, theirs)]
    if pairs and all(y.size and not y.astype(np.complex128).any() for _, y in pairs):
        raise AssertionError("nothing but zeros is compared")
    worst = 0.0
    for x, y in pairs:
        assert x.dtype == y.dtype and x.shape == y.shape, f"{x.dtype}{x.shape} is not {y.dtype}{y.shape}"
        if not jnp.issubdtype(x.dtype, jnp.inexact):
            np.testing.assert_array_equal(x, y)
        elif x.size:
            limit = epsilons if jnp.finfo(x.dtype).bits >= 32 else min(epsilons, _NARROW)
            error = _error(x, y, epsilons)
            assert error <= limit, f"{error:.4g} epsilons of {x.dtype}, {limit} are allowed"
            worst = max(worst, error)
    return f"within {worst:.2g} epsilons" if worst else "identical"


def on(device, run, arguments):
    """The results of the compiled function on the device, as NumPy's."""
    with jax.default_device(device):
        results = jax.jit(run)(*[jax.device_put(a, device) for a in arguments])
    for leaf in jax.tree.leaves(results):
        assert leaf.devices() == {device}, f"the result is on {leaf.devices()}"
    return jax.tree.map(np.asarray, results)


def both(run, ours, theirs, epsilons=ELEMENTWISE):
    """run(devices) on the plugin and on JAX's own CPU backend, compared."""
    return same(run(ours), run(theirs), epsilons)
