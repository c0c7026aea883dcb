#!/usr/bin/env python3
"""Writes tests/fixtures/metrics.json: what the metrics of Flax 0.12 are after each batch, and NumPy's where Flax has none.

    python3 tests/oracle/metrics.py            writes
    python3 tests/oracle/metrics.py --check    compares
"""

import json
import pathlib
import sys

import jax
import jax._src.core as core
import jax.numpy as jnp
import numpy as np

# Flax 0.12.0 asks for names that JAX has renamed since.
core.mutable_array, core.MutableArray = jax.new_ref, core.Ref
from flax.nnx.training import metrics  # noqa: E402

OUT = pathlib.Path(__file__).resolve().parents[1] / "fixtures" / "metrics.json"
RNG = np.random.default_rng(7)


def array(x):
    x = np.asarray(x)
    data = [None if np.isnan(v) else str(v) if np.isinf(v) else v for v in x.ravel().tolist()]
    return {"dtype": str(x.dtype), "shape": list(x.shape), "data": data}


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def of_flax(case_name, metric, batches, names=("values",), value=lambda x: [x]):
    """The value before the first batch and after each."""
    values = [value(metric.compute())]
    for batch in batches:
        metric.update(**{name: jnp.asarray(x) for name, x in zip(names, batch)})
        values.append(value(metric.compute()))
    return case(case_name, batches, values)


def of_numpy(name, batches, value):
    """The value of all that came so far, of nothing first."""
    return case(name, batches, [value(batches[:i]) for i in range(len(batches) + 1)])


def case(name, batches, values):
    return {
        "case": name,
        "batches": [[array(x) for x in batch] for batch in batches],
        "values": [[array(x) for x in value] for value in values],
    }


def extreme(f, start):
    return lambda seen: [np.float32(f([f(x) for x, in seen], initial=start))]


def confusion(classes):
    def value(seen):
        counts = np.zeros((classes, classes), np.int32)
        for predictions, labels in seen:
            is_class = lambda x: (0 <= x) & (x < classes)
            valid = is_class(predictions) & is_class(labels)
            np.add.at(counts, (labels[valid], predictions[valid]), 1)
        hits, f32 = np.diag(counts).astype(np.float32), np.float32
        with np.errstate(invalid="ignore", divide="ignore"):
            precision, recall = hits / counts.sum(0).astype(f32), hits / counts.sum(1).astype(f32)
            f1 = f32(2) * hits / (counts.sum(0) + counts.sum(1)).astype(f32)
            return [counts, precision, recall, f1, f32(hits.sum()) / f32(counts.sum())]

    return value


def labels(classes, *shape):
    return RNG.integers(0, classes, shape).astype(np.int32)


def cases():
    floats = [[normal(8)], [normal(8) * 3 + 2], [normal(8)]]
    of_many_shapes = [[normal(4)], [normal(2, 3) + 100], [normal()], [np.arange(5, dtype=np.int32)]]
    logits = [[normal(6, 3), labels(3, 6)] for _ in range(3)]
    tokens = [[normal(2, 5, 4), labels(4, 2, 5)] for _ in range(2)]
    binary = [[normal(7), labels(2, 7)] for _ in range(3)]
    classes = [[labels(4, 10), labels(4, 10)] for _ in range(3)]
    padded = [[labels(3, 2, 5) % 2, labels(6, 2, 5) - 2] for _ in range(2)]
    statistics = lambda s: [s.mean, s.standard_error_of_mean, s.standard_deviation]
    both = ("logits", "labels")
    threshold = metrics.Accuracy(threshold=0.5)
    yield of_flax("average", metrics.Average(), floats)
    yield of_flax("average of many shapes", metrics.Average(), of_many_shapes)
    yield of_flax("average of booleans", metrics.Average(), [[normal(9) > 0], [normal(9) > 1]])
    yield of_flax("welford", metrics.Welford(), floats, value=statistics)
    yield of_flax("welford of many shapes", metrics.Welford(), of_many_shapes, value=statistics)
    yield of_flax("accuracy", metrics.Accuracy(), logits, names=both)
    yield of_flax("accuracy of tokens", metrics.Accuracy(), tokens, names=both)
    yield of_flax("accuracy by a threshold", threshold, binary, names=both)
    yield of_numpy("max", floats, extreme(np.max, -np.inf))
    yield of_numpy("min", floats, extreme(np.min, np.inf))
    yield of_numpy("confusion matrix", classes, confusion(4))
    yield of_numpy("confusion matrix of padded labels", padded, confusion(3))


def close(a, b):
    """Other processors round otherwise in the last places."""
    if isinstance(a, float) and isinstance(b, float):
        return abs(a - b) <= 1e-5 * max(1.0, abs(b))
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(close(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(close, a, b))
    return a == b


def main():
    found = list(cases())
    if "--check" not in sys.argv:
        OUT.write_text("[\n" + ",\n".join(json.dumps(x, separators=(",", ":")) for x in found) + "\n]\n")
    elif not close(found, json.loads(OUT.read_text())):
        sys.exit("tests/fixtures/metrics.json is not what Flax gives: run python3 tests/oracle/metrics.py")
    print(f"tests/fixtures/metrics.json is what Flax gives: {len(found)} cases")


if __name__ == "__main__":
    main()
