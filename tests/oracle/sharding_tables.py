"""How JAX draws shardings: tests/fixtures/sharding_tables.json, which tests/suite/sharding/tables.rs compares with raxla.

    python sharding_tables.py ../fixtures/sharding_tables.json
    python sharding_tables.py --check ../fixtures/sharding_tables.json      compare with the file instead

On eight CPU devices. A case has the sizes of the mesh, or the number of one device, the axes of the mesh along each axis of the array,
and options. Its table is null if JAX refuses it. JAX's tables come from the package rich.
"""
import contextlib
import io
import json
import sys

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec as P, SingleDeviceSharding

jax.config.update("jax_num_cpu_devices", 8)
devices = jax.devices()

PLACES = (
    ([4, 2], [[]]), ([4, 2], [["x"]]), ([4, 2], [["y"]]), ([4, 2], [["x"], ["y"]]), ([4, 2], [["y"], ["x"]]),
    ([4, 2], [["x", "y"]]), ([4, 2], [["y", "x"]]), ([4, 2], [[], ["x"]]), ([4, 2], [[], ["y"]]), ([4, 2], [[], ["x", "y"]]),
    ([2, 4], [["x"], ["y"]]), ([8], [["x"]]), ([8], [[], ["x"]]), ([2, 2, 2], [["x"], ["z"]]), ([2, 2, 2], [["z", "y"], ["x"]]),
    ([3], [["x"]]), (5, []),
)
SHAPES = ([24], [240], [24, 24], [24, 8], [8, 24], [480, 24], [24, 96], [24, 960], [120, 168])
OPTIONS = ({"scale": 2.0}, {"scale": 0.35}, {"min_width": 14}, {"max_width": 60}, {"scale": 1.7, "min_width": 3, "max_width": 99})
CASES = [(shape, mesh, spec, {}) for mesh, spec in PLACES for shape in SHAPES if len(spec) <= len(shape)]
CASES += [(shape, mesh, spec, options) for options in OPTIONS for mesh, spec in PLACES[2:8] for shape in ([24, 24], [24, 72], [24])
          if len(spec) <= len(shape)]
CASES += [(shape, [4, 2], [["x"]], {}) for shape in ([], [0], [7], [8, 8, 8], [0, 4], [8, 0])]
CASES += [([8], [4, 2], [["x"], ["y"]], {})]


def draw(shape, mesh, spec, options):
    if isinstance(mesh, int):
        sharding = SingleDeviceSharding(devices[mesh])
    else:
        count = int(np.prod(mesh))
        sharding = NamedSharding(Mesh(np.array(devices[:count]).reshape(mesh), tuple("xyz"[:len(mesh)])), P(*(tuple(names) or None for names in spec)))
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            jax.debug.visualize_sharding(tuple(shape), sharding, use_color=False, **options)
    except Exception:
        return None
    return out.getvalue()


def main():
    cases = [dict(shape=shape, mesh=mesh, spec=spec, options=options, table=draw(shape, mesh, spec, options)) for shape, mesh, spec, options in CASES]
    text = "[\n" + ",\n".join(json.dumps(case, ensure_ascii=False, separators=(",", ":")) for case in cases) + "\n]\n"
    if sys.argv[1] == "--check":
        with open(sys.argv[2]) as f:
            sys.exit(0 if f.read() == text else f"{sys.argv[2]} is not what JAX {jax.__version__} draws")
    with open(sys.argv[1], "w") as f:
        f.write(text)


main()
