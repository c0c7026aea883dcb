"""The families of cases: one module each, with a function `build(family)` and a table of ulp limits."""

import importlib
import pathlib

import jax
import jax.image
import jax.ops
import jax.scipy
import jax.scipy.special
import jax.scipy.stats

from spec import Family

FAMILIES = sorted(p.stem for p in pathlib.Path(__file__).parent.glob("[a-z]*.py"))

ROOTS = {"lax": jax.lax, "numpy": jax.numpy, "nn": jax.nn, "scipy": jax.scipy, "ops": jax.ops, "image": jax.image}


def union(attribute):
    """A table of all modules that `jax` functions are divided among, for a family of functions from all of them."""
    modules = """lax_elementwise lax_shape lax_index lax_window lax_special linalg control_flow numpy_ufunc numpy_reduce
        numpy_shape numpy_index numpy_fft numpy_sets
        numpy_rest lax_small images nn""".split()
    return {k: v for name in modules for k, v in getattr(importlib.import_module(f"families.{name}"), attribute, {}).items()}


def specs(name):
    """The cases of one family, not run yet."""
    module = importlib.import_module(f"families.{name}")
    adapters = getattr(module, "ADAPTERS", {})

    def resolve(fn):
        if fn in adapters:
            return adapters[fn]
        root, *path = fn.split(".")
        found = ROOTS[root]
        for part in path:
            found = getattr(found, part)
        return found

    family = Family(resolve, getattr(module, "ULP", {}))
    module.build(family)
    return family.specs
