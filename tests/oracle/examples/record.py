"""Runs each example's twin in JAX and writes what it prints: `python tests/oracle/examples/record.py`.

With `--check` it compares with the recorded files instead. `cargo test --test suite examples::` compares raxla's examples with them.
"""

import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent.parent
RECORDED = ROOT / "tests/fixtures/examples"
TWINS = {
    "counter": ["counter.py"],
    "random_keys": ["random_keys.py"],
    "linear_regression": ["linear_regression.py"],
    "linear_regression_engel": ["linear_regression.py", ROOT / "examples/data/engel.csv"],
    "linear_regression_state_crime": ["linear_regression.py", ROOT / "examples/data/state_crime.csv"],
    "optimizer_state": ["optimizer_state.py"],
    "batch_norm": ["batch_norm.py", ROOT / "examples/data/state_crime.csv"],
    "char_lm": ["char_lm.py", "8"],
    "digits_cnn": ["digits_cnn.py"],
    "rnn": ["rnn.py"],
    "vae": ["vae.py"],
    "ppo": ["ppo.py"],
    "sharded_mlp": ["sharded_mlp.py"],
}


def words_agree(ours, theirs):
    if ours == theirs:
        return True
    try:
        x, y = float(ours), float(theirs)
    except ValueError:
        return False
    return abs(x - y) <= 1e-5 * max(abs(x), abs(y), 1e-2)


def main():
    check = "--check" in sys.argv
    RECORDED.mkdir(exist_ok=True)
    bad = []
    for name, (script, *args) in TWINS.items():
        environment = dict(os.environ, JAX_PLATFORMS="cpu")
        command = [sys.executable, HERE / script, *args]
        out = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
        path = RECORDED / f"{name}.txt"
        if check:
            old, new = path.read_text().split(), out.split()
            if len(old) != len(new) or not all(map(words_agree, old, new)):
                bad.append(f"{path.name}: JAX now prints\n{out}")
        else:
            path.write_text(out)
    if bad:
        sys.exit("\n".join(bad))
    print(f"{len(TWINS)} programs {'agree' if check else 'recorded'}")


if __name__ == "__main__":
    main()
