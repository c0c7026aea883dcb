"""Runs JAX on the plugin and compares it with JAX's own CPU backend.

    python run.py [<plugin.so>]        or RAXLA_CPU_PLUGIN=<plugin.so> python run.py

Needs jax 0.10.2 and flatbuffers. Prints one line a check and "N passed, N failed"; exits 1 if any failed. `c_api.c` beside it is the
test that needs no Python.
"""

import os
import sys

import plugin
import report


def main():
    path = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("RAXLA_CPU_PLUGIN")
    if not path:
        sys.exit(__doc__)
    ours, theirs = plugin.load(os.path.abspath(path), device_count=4)
    print(f"{ours[0].client.platform_version!r}: {len(ours)} devices")

    import functions
    import runtime

    functions.run(report.check, ours, theirs)
    runtime.run(report.check, ours, theirs)
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
