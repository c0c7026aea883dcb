"""Runs JAX on the plugin and compares it with JAX's own CPU backend.

    python run.py [<plugin.so>] [ready]        or RAXLA_CPU_PLUGIN=<plugin.so> python run.py [ready]

`ready` is for a plugin that is not the tuned engine: its errors may have a status and words of their own.
Needs jax 0.10.2 and flatbuffers. Prints one line a check and "N passed, N failed"; exits 1 if any failed. JAX's own XLA
writes the errors of programs that are to fail to stderr. `c_api.c` beside it is the test that needs no Python.
"""

import os
import sys

import plugin
import report


def main():
    arguments = [a for a in sys.argv[1:] if a != "ready"]
    path = arguments[0] if arguments else os.environ.get("RAXLA_CPU_PLUGIN")
    plugin.ready = "ready" in sys.argv
    if not path:
        sys.exit(__doc__)
    ours, theirs = plugin.load(os.path.abspath(path), device_count=4)
    print(f"{ours[0].client.platform_version!r}: {len(ours)} devices")

    import devices
    import failures
    import functions
    import programs
    import runtime

    for part in (functions, runtime, devices, programs, failures):
        part.run(report.check, ours, theirs)
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
