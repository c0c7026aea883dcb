"""Writes README's table of which of JAX's functions raxla has: `python3 tests/oracle/coverage.py`.

`--check` fails instead if the table is not up to date; `--names` writes tests/fixtures/jax_names.txt, and needs jax==0.10.2.
raxla's names are those that rustdoc finds, so this runs `cargo doc`. A trailing underscore in Rust (`where_`) avoids a keyword.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
NAMES = ROOT / "tests/fixtures/jax_names.txt"
README = ROOT / "README.md"
BEGIN, END = "<!-- coverage:begin -->\n", "<!-- coverage:end -->"
MODULES = ("lax", "numpy", "nn", "random")


def write_names():
    import importlib
    import inspect

    import jax

    lines = []
    for module in MODULES:
        namespace = importlib.import_module(f"jax.{module}")
        for name in sorted(dir(namespace)):
            value = getattr(namespace, name)
            if not name.startswith("_") and callable(value) and not inspect.isclass(value):
                # Callable objects of typing are no functions.
                if getattr(value, "__module__", "").startswith("jax") and not hasattr(value, "__origin__"):
                    lines.append(f"{module} {name}\n")
    NAMES.write_text("".join(lines))
    print(f"{len(lines)} names of JAX {jax.__version__}")


def names_of_raxla():
    run = dict(cwd=ROOT, check=True, stdout=subprocess.PIPE)
    metadata = json.loads(subprocess.run(["cargo", "metadata", "--format-version=1", "--no-deps"], **run).stdout)
    docs = pathlib.Path(metadata["target_directory"]) / "doc/raxla"
    # rustdoc leaves pages of functions that are gone.
    shutil.rmtree(docs, ignore_errors=True)
    # Whichever way it was built last, without rebuilding for other flags.
    subprocess.run(["cargo", "doc", "--no-deps", "--lib", "--quiet"], cwd=ROOT, check=True, env=os.environ)
    found = {}
    for module in MODULES:
        pages = (docs / module).glob("fn.*.html")
        found[module] = {page.name.split(".")[1].removesuffix("_") for page in pages}
    return found


def table():
    theirs = {module: [] for module in MODULES}
    for line in NAMES.read_text().splitlines():
        module, name = line.split()
        theirs[module].append(name)
    ours = names_of_raxla()
    lines = ["| module | functions of JAX 0.10.2 | in raxla | |\n", "|---|--:|--:|--:|\n"]
    missing = []
    for module, names in theirs.items():
        there = [name for name in names if name in ours[module]]
        absent = [name for name in names if name not in ours[module]]
        lines.append(f"| `{module}` | {len(names)} | {len(there)} | {round(100 * len(there) / len(names))} % |\n")
        listed = " ".join(f"`{name}`" for name in absent) or "none"
        missing.append(f"<details><summary>Not in <code>raxla::{module}</code></summary>\n\n{listed}\n\n</details>\n")
    return "".join(lines) + "\n" + "".join(missing)


def main():
    if "--names" in sys.argv:
        write_names()
        return
    text = README.read_text()
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    new = before + BEGIN + table() + END + after
    if "--check" not in sys.argv:
        README.write_text(new)
    elif new != text:
        sys.exit("README's table of functions is out of date: run python3 tests/oracle/coverage.py")
    print("README's table of functions is up to date")


if __name__ == "__main__":
    main()
