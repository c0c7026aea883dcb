"""Writes README's table of what raxla has of JAX: `python3 tests/oracle/coverage.py`.

`--check` fails instead if the table is not up to date; `--names` writes tests/fixtures/jax_signatures.txt, and needs jax==0.10.2.

Functions are compared by name, their parameters by what the function takes and what its options (`sum_with`'s `ReduceOptions`) have.
Both come from rustdoc's description of the crate, so this runs `cargo rustdoc`. A trailing underscore in Rust (`where_`) avoids a
keyword. A line of the fixture is a module, a function and its parameters; those with `!` have no default in JAX.
"""

import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SIGNATURES = ROOT / "tests/fixtures/jax_signatures.txt"
README = ROOT / "README.md"
BEGIN, END = "<!-- coverage:begin -->\n", "<!-- coverage:end -->"
MODULES = ("lax", "lax.linalg", "numpy", "numpy.linalg", "numpy.fft", "nn", "nn.initializers", "random", "tree", "debug")

# Parameters that raxla has no use for, and why.
NO_USE = {
    "out": "arrays do not change: no function writes into one",
    "device": "device_put, with_default_device",
    "sharding": "device_put",
    "out_sharding": "with_sharding_constraint",
    "impl": "the type of the key says it",
    "copy": "arrays do not change: nobody sees whether one was copied",
    "order": "JAX takes no other than 'K' or 'C' either",
    "casting": "JAX's is NumPy's default, and no other makes sense for its lattice",
    "subok": "there are no subclasses of arrays",
    "overwrite_a": "JAX ignores it",
    "is_leaf": "a leaf is an Array: the type says it",
    "none_is_leaf": "a leaf is an Array: the type says it",
    "is_leaf_takes_path": "a leaf is an Array: the type says it",
    "axis_index_groups": "JAX refuses it under vmap, and there are no collectives between devices yet",
    "to": "no type says yet whether devices have different values",
    "optimize": "the order of a contraction is always looked for",
    "overwrite_input": "arrays do not change",
    "partitioned": "no program runs on several devices yet",
}

# The same of one function alone.
NO_USE_OF = {
    ("lax", "cond", "operand"): "JAX's older name for what operands are",
    ("lax", "switch", "operand"): "JAX's older name for what operands are",
    ("nn", "dot_product_attention", "implementation"): "there is the one that JAX takes by default",
    ("numpy", "sort", "kind"): "JAX takes none but None and 'stable', which the option stable says",
    ("numpy", "argsort", "kind"): "JAX takes none but None and 'stable', which the option stable says",
    ("numpy", "indices", "sparse"): "meshgrid_with has it, whose result is a list",
    ("numpy", "where", "size"): "of the form with one argument, which is nonzero",
    ("numpy", "where", "fill_value"): "of the form with one argument, which is nonzero",
    ("numpy", "clip", "arr"): "NumPy's older name of the operand",
    ("debug", "print", "skip_format_check"): "the compiler checks the format",
    ("random", "key", "dtype"): "the type of the key says it",
    ("random", "wrap_key_data", "dtype"): "the type of the key says it",
}

# The same of a whole module.
NO_USE_IN = {"nn.initializers": (("key!", "shape!", "dtype"), "Initializer::draw takes them")}

# The same parameter by another name: JAX's, and what Rust's type or reading makes of it.
ALIASES = {
    "axis": {"axes", "dimension", "dimensions"},
    "axes": {"axis", "dimensions"},
    "dimensions": {"axes"},
    "axis_name": {"axes", "axis_names"},
    "size": {"shape"},
    "newshape": {"shape"},
    "dimension": {"axis"},
    # A range.
    "stop": {"bounds"},
    "stop_dimension": {"dimensions"},
    # A type of tree says it.
    "initializer": {"init"},
    "fun": {"f"},
    "callback": {"f"},
    "func": {"f"},
}


def write_names():
    import importlib
    import inspect

    import jax

    lines = []
    for module in MODULES:
        namespace = importlib.import_module(f"jax.{module}")
        for name in sorted(dir(namespace)):
            value = getattr(namespace, name)
            if name.startswith("_") or not callable(value) or inspect.isclass(value):
                continue
            # Callable objects of typing are no functions.
            if not getattr(value, "__module__", "").startswith("jax") or hasattr(value, "__origin__"):
                continue
            lines.append(" ".join([module, name, *parameters(inspect, value)]) + "\n")
    SIGNATURES.write_text("".join(lines))
    print(f"{len(lines)} functions of JAX {jax.__version__}")


def parameters(inspect, function):
    # An object of type `ufunc` is called as the function that it was made of.
    function = getattr(function, "_func", function)
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return
    for name, parameter in signature.parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        required = parameter.default is parameter.empty
        if required or (name not in NO_USE and not name.startswith("_")):
            yield name + "!" * required


class Crate:
    """What rustdoc knows of raxla."""

    def __init__(self):
        run = dict(cwd=ROOT, check=True, stdout=subprocess.PIPE)
        metadata = json.loads(subprocess.run(["cargo", "metadata", "--format-version=1", "--no-deps"], **run).stdout)
        # The description is not stable yet; the toolchain is pinned.
        environment = dict(os.environ, RUSTC_BOOTSTRAP="1")
        command = ["cargo", "rustdoc", "--quiet", "--lib", "--", "-Zunstable-options", "--output-format=json"]
        subprocess.run(command, cwd=ROOT, check=True, env=environment)
        docs = pathlib.Path(metadata["target_directory"]) / "doc/raxla.json"
        description = json.loads(docs.read_text())
        self.index = description["index"]
        self.paths = description["paths"]
        self.root = self.item(description["root"])

    def item(self, id):
        return self.index.get(str(id))

    def children(self, module):
        """The public items of a module by name, through its reexports."""
        found = {}
        for id in module["inner"]["module"]["items"]:
            item = self.item(id)
            if item is None:
                continue
            use = item["inner"].get("use")
            if use is None:
                found.setdefault(item["name"], []).append(item)
                continue
            target = self.item(use["id"]) if use["id"] is not None else None
            if target is None:
                # What another crate has is known by its kind alone: `debug::print!` is a procedural macro.
                if self.paths.get(str(use["id"]), {}).get("kind") in ("macro", "proc_macro"):
                    found.setdefault(use["name"], []).append({"name": use["name"], "inner": {"macro": None}})
                continue
            if use["is_glob"]:
                for name, items in self.children(target).items():
                    found.setdefault(name, []).extend(items)
            else:
                found.setdefault(use["name"], []).append(target)
        return found

    def module(self, path):
        module = self.root
        for name in path.split("."):
            items = self.children(module).get(name, [])
            module = next((item for item in items if "module" in item["inner"]), None)
            if module is None:
                return {}
        callable = lambda item: "function" in item["inner"] or "macro" in item["inner"]
        items = {name: list(filter(callable, items)) for name, items in self.children(module).items()}
        return {name: items[0] for name, items in items.items() if items}

    def parameters(self, function):
        """The names of a function's parameters and options, those of its parameters alone, and how many arguments it takes."""
        if "macro" in function["inner"]:
            return set(self.MACROS[function["name"]]), set(), sys.maxsize
        names = set()
        signature = function["inner"]["function"]
        inputs = signature["sig"]["inputs"]
        count = len(inputs)
        for name, type in inputs:
            names.add(name.rstrip("_"))
            text = json.dumps(type)
            if "ShapeDtype" in text:
                # A shape and a dtype in one argument.
                names.add("dtype")
                count += 1
            path = type.get("resolved_path") or self.options_of(signature["generics"], type.get("generic"))
            if path and path["path"].endswith("Options"):
                struct = self.item(path["id"])
                for id in struct["inner"]["struct"]["impls"] if struct else ():
                    block = self.item(id)["inner"]["impl"]
                    if block["trait"] is None:
                        names.update(self.item(i)["name"].rstrip("_") for i in block["items"])
        return names, {name.rstrip("_") for name, _ in inputs}, count

    # What macros take, as their documentation says.
    MACROS = {"print": ["fmt", "ordered"]}

    def options_of(self, generics, name):
        """The options `O` of a parameter whose type is bounded by `MaybePair<O>`."""
        for parameter in generics["params"]:
            for bound in parameter["kind"].get("type", {}).get("bounds", ()) if parameter["name"] == name else ():
                trait = bound.get("trait_bound", {}).get("trait", {})
                if trait.get("path") == "MaybePair":
                    return trait["args"]["angle_bracketed"]["args"][0]["type"]["resolved_path"]


def has(parameter, names):
    # NumPy's M and N.
    return parameter.lower() in names or bool(ALIASES.get(parameter, set()) & names)


def counted(module, name, theirs):
    elsewhere, _ = NO_USE_IN.get(module, ((), None))
    return [p for p in theirs if p not in NO_USE and (module, name, p) not in NO_USE_OF and p not in elsewhere]


def absent_parameters(crate, functions, name, theirs):
    names, positional, count = crate.parameters(functions[name])
    for variant in (name + "_with", name.rstrip("_") + "_with"):
        if variant in functions:
            names |= crate.parameters(functions[variant])[0]
    required = [p for p in theirs if p.endswith("!")]
    absent = [p for p in theirs if not p.endswith("!") and not has(p.rstrip("_"), names)]
    # Operands have no default in JAX either, and may be called otherwise here; some are options here.
    count += sum(p[:-1] in names - positional for p in required)
    if len(required) > count:
        absent.append(f"{len(required) - count} of {' '.join(p[:-1] for p in required)}")
    return absent


def table():
    crate = Crate()
    theirs = {module: {} for module in MODULES}
    for line in SIGNATURES.read_text().splitlines():
        module, name, *parameters = line.split()
        theirs[module][name] = parameters
    head = "| module | functions of JAX 0.10.2 | in raxla | | their parameters | in raxla | |\n"
    lines = [head, "|---|--:|--:|--:|--:|--:|--:|\n"]
    details = []
    for module, signatures in theirs.items():
        functions = crate.module(module)
        # `where_`, `mod_`: keywords.
        functions |= {name.removesuffix("_"): item for name, item in functions.items()}
        there = [name for name in signatures if name in functions]
        missing = [name for name in signatures if name not in functions]
        count = sum(len(counted(module, name, signatures[name])) for name in there)
        absent = {name: absent_parameters(crate, functions, name, counted(module, name, signatures[name])) for name in there}
        absent = {name: parameters for name, parameters in absent.items() if parameters}
        taken = count - sum(map(len, absent.values()))
        percent = lambda part, whole: f"{100 * part // whole} %" if whole else "–"
        lines.append(
            f"| `{module}` | {len(signatures)} | {len(there)} | {percent(len(there), len(signatures))} "
            f"| {count} | {taken} | {percent(taken, count)} |\n")
        listed = " ".join(f"`{name}`" for name in missing) or "none"
        without = "; ".join(f"`{name}`: {', '.join(parameters)}" for name, parameters in absent.items()) or "none"
        path = module.replace(".", "::")
        details.append(
            f"<details><summary>Not in <code>raxla::{path}</code></summary>\n\nFunctions: {listed}\n\n"
            f"Parameters: {without}\n\n</details>\n")
    reasons = "; ".join(f"`{name}` ({why})" for name, why in NO_USE.items())
    reasons += "".join(f"; `{parameter}` of `{name}` ({why})" for (_, name, parameter), why in NO_USE_OF.items())
    for module, (parameters, why) in NO_USE_IN.items():
        names = ", ".join(f"`{parameter.rstrip('!')}`" for parameter in parameters)
        reasons += f"; {names} of `{module}` ({why})"
    return "".join(lines) + "\n" + "".join(details) + f"\nNot counted: {reasons}.\n"


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
