"""Writes what JAX gives for many inputs, for `cargo test --test oracle` to compare with.

    python tests/oracle/generate.py                     write tests/fixtures/<family>.jsonl, every family
    python tests/oracle/generate.py numpy_ufunc nn      these families only
    python tests/oracle/generate.py --check --sample 60 compare all inputs, and 60 random cases computed anew, with the files
    python tests/oracle/generate.py --check --part 3/20 compare all inputs, and every 20th case from the fourth on

Needs jax==0.10.2 on the CPU. A line of a file is one case:

    {"id", "fn": "lax.add", "args": [array], "params": {..}, "x64": bool, "out": [array],
     "grad": {"argnums": [..], "ct": [array or null], "out": [array]}, "tol": {"ulp": n, "abs": x}}
    array: {"dtype", "shape", "weak", "data": hex of the little-endian bytes}

or, for inputs that JAX rejects, "error": true in place of "out". See README.md beside this file.
"""

import argparse
import json
import os
import pathlib
import random
import sys
import zlib

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
FIXTURES = HERE.parent / "fixtures"

import families  # noqa: E402
from spec import array_of, compare, decode, encode, same_inputs  # noqa: E402


def as_tuple(v):
    return tuple(as_tuple(x) for x in v) if isinstance(v, list) else v


class Rejected(Exception):
    """JAX does something else than a case says."""


def inputs(spec):
    """The JSON of what a case gives to JAX."""
    case = {"id": spec.id, "fn": spec.fn, "args": spec.args}
    if spec.params:
        # Lists, as they are read again.
        case["params"] = json.loads(json.dumps(spec.params))
    if spec.x64:
        case["x64"] = True
    return case


def run(spec):
    """The JSON of one case."""
    case = inputs(spec)
    with jax.enable_x64(spec.x64):
        args = [decode(a) for a in spec.args]

        def call(*args):
            out = spec.call(*args, **{k: as_tuple(v) for k, v in spec.params.items() if k != "known"})
            return list(out) if isinstance(out, (tuple, list)) else [out]

        if spec.error:
            try:
                call(*args)
            except Exception:
                case["error"] = True
                return case
            raise Rejected(f"{spec.id}: JAX accepts it, but the case says that it is an error")
        try:
            out = call(*args)
        except Exception as e:
            if spec.error is None:
                case["error"] = True
                return case
            raise Rejected(f"{spec.id}: JAX rejects it: {e}") from e
        case["out"] = [encode(y) for y in out]
        if spec.grad:
            floats = jax.numpy.inexact
            argnums = [i for i, x in enumerate(args) if jax.numpy.issubdtype(x.dtype, floats)]
            if isinstance(spec.grad, list):
                argnums = spec.grad

            def of_floats(*xs):
                full = list(args)
                for i, x in zip(argnums, xs):
                    full[i] = x
                return call(*full)

            rng = np.random.RandomState(zlib.crc32(spec.id.encode()) ^ 1)
            try:
                outs, vjp = jax.vjp(of_floats, *[args[i] for i in argnums])
            except Exception as e:
                raise Rejected(f"{spec.id}: JAX has no derivative: {e}") from e
            ct_json, cts = [], []
            for y in outs:
                if jax.numpy.issubdtype(y.dtype, floats):
                    ct = array_of(rng.uniform(0.25, 2.0, () if y.weak_type else y.shape) * np.ones(y.shape), y.dtype, y.weak_type)
                    ct_json.append(ct)
                    cts.append(decode(ct))
                else:
                    ct_json.append(None)
                    cts.append(np.zeros(y.shape, jax.dtypes.float0))
            try:
                grads = vjp(cts)
            except Exception as e:
                raise Rejected(f"{spec.id}: JAX cannot transpose it: {e}") from e
            case["grad"] = {"argnums": argnums, "ct": ct_json, "out": [encode(g) for g in grads]}
            if spec.grad_tol:
                case["grad"]["tol"] = spec.grad_tol
        if spec.tol:
            case["tol"] = spec.tol
    return case


def dumps(case):
    return json.dumps(case, separators=(",", ":"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("families", nargs="*")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--sample", type=int, default=50)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--part", help="K/N: every Nth case, from the one at K modulo N on")
    parser.add_argument("--only", help="compute anew only cases whose id starts so, and cases that are new")
    options = parser.parse_args()
    wanted = options.families or sorted(families.FAMILIES)
    if options.check:
        specs = {}
        committed = {}
        for name in wanted:
            for spec in families.specs(name):
                specs[(name, spec.id)] = spec
            for line in (FIXTURES / f"{name}.jsonl").read_text().splitlines():
                case = json.loads(line)
                committed[(name, case["id"])] = case
        if specs.keys() != committed.keys():
            differ = sorted(specs.keys() ^ committed.keys())[:5]
            raise SystemExit(f"fixtures and families name different cases, such as {differ}: run generate.py")
        stale = [" ".join(case) for case in sorted(specs) if not same_inputs(inputs(specs[case]), committed[case])]
        if stale:
            raise SystemExit(f"the inputs of {len(stale)} cases are others than in the fixtures, such as {stale[:5]}: run generate.py")
        if options.part:
            first, step = map(int, options.part.split("/"))
            chosen = sorted(specs)[first % step :: step]
        else:
            chosen = random.Random(options.seed).sample(sorted(specs), min(options.sample, len(specs)))
        bad = [f"{name} {id}: {why}" for name, id in chosen if (why := compare(run(specs[(name, id)]), committed[(name, id)]))]
        if bad:
            raise SystemExit("\n".join(bad))
        print(f"{len(chosen)} of {len(specs)} cases agree with JAX {jax.__version__}")
        return
    total, bad = 0, []
    for name in wanted:
        old = {}
        path = FIXTURES / f"{name}.jsonl"
        if options.only and path.exists():
            old = {c["id"]: c for c in map(json.loads, path.read_text().splitlines())}
            old = {id: c for id, c in old.items() if not id.startswith(options.only)}
        cases = []
        for spec in families.specs(name):
            try:
                cases.append(old.get(spec.id) or run(spec))
            except Rejected as e:
                bad.append(str(e).partition("\n")[0])
        (FIXTURES / f"{name}.jsonl").write_text("".join(dumps(c) + "\n" for c in cases))
        print(f"{name}: {len(cases)} cases", flush=True)
        total += len(cases)
    print(f"{total} cases")
    if bad:
        raise SystemExit("\n".join(bad))


if __name__ == "__main__":
    main()
