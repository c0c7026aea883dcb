"""Brings the plugin into JAX as the platform "raxla_cpu", beside JAX's own "cpu"."""

import os
import sys

PLATFORM = "raxla_cpu"
# Not the tuned engine, whose errors are JAX's to the word.
ready = False


def load(path, device_count):
    """Registers the library and returns (its devices, JAX's own CPU devices)."""
    os.environ["JAX_PLATFORMS"] = f"{PLATFORM},cpu"
    os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={device_count}"
    from jax._src import xla_bridge

    xla_bridge.register_plugin(
        PLATFORM, library_path=path, options={"cpu_device_count": device_count})
    import jax

    jax.config.update("jax_enable_x64", True)
    ours, theirs = jax.devices(PLATFORM), jax.devices("cpu")
    if ours[0].client is theirs[0].client:
        sys.exit("the plugin's platform is JAX's own: nothing would be compared")
    return ours, theirs
