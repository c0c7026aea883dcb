"""Writes docs/optim.md, what `raxla::optim` has of Optax: `python3 tests/oracle/optax_coverage.py`.

`--check` fails instead if the page is not up to date; `--names` writes tests/fixtures/optax_names.txt, and needs optax==0.2.8. Names are
compared with the public functions of src/optim, those of `macro_rules!` rows included.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
NAMES = ROOT / "tests/fixtures/optax_names.txt"
PAGE = ROOT / "docs/optim.md"
MODULES = ("", "contrib", "losses", "projections", "schedules", "transforms", "tree", "assignment", "perturbations", "second_order")

# Under another name here, or what stands for it.
ALIASES = {
    "MultiSteps": "multi_steps", "measure_with_ema": "monitor_with_ema", "monitor": "monitor_with_ema", "skip_not_finite": "SkipUpdates::NotFinite", "skip_large_updates": "SkipUpdates::Large",
    "with_extra_args_support": "every transformation takes ExtraArgs", "GradientTransformationExtraArgs": "GradientTransformation",
    "LookaheadParams": "LookaheadParams", "GradientTransformation": "GradientTransformation",
    "inject_stateful_hyperparams": "inject_hyperparams", "optimistic_adam": "optimistic_adam_v2 (Optax deprecates the other)",
    "safe_int32_increment": "safe_increment", "binary_logistic_loss": "sigmoid_binary_cross_entropy",
    "multiclass_logistic_loss": "softmax_cross_entropy_with_integer_labels", "binary_sparsemax_loss": "sparsemax_loss",
    "convex_kl_divergence": "generalized_kl_divergence", "scale_gradient": "scale_gradient",
    "init_empty_state": "stateless", "tree.add": "tree::map2", "tree.sub": "tree::map2", "tree.mul": "tree::map2",
    "tree.div": "tree::map2", "tree.where": "tree::map2", "tree.get": "AnyTree::find", "tree.set": "AnyTree::with",
    "tree.scale": "tree_scale", "tree.add_scale": "tree_add_scale", "tree.vdot": "tree_vdot", "tree.norm": "global_norm, tree_norm_with",
    "tree.zeros_like": "zeros_like", "tree.full_like": "full_like", "tree.cast": "tree::map", "tree.cast_like": "tree::map2",
    "tree.real": "tree::map", "tree.conj": "tree::map", "tree.clip": "tree::map", "tree.ones_like": "tree::map",
    "tree.allclose": "tree_allclose", "tree.batch_shape": "tree_batch_shape", "tree.dtype": "tree_dtype, tree_dtype_with",
    "tree.random_like": "tree_random_like", "tree.split_key_like": "tree_split_key_like", "tree.map_params": "tree_map_params",
    "tree.get_all_with_path": "AnyTree::find_all", "tree.unwrap_random_key_data": "no need: the leaf of a Key is its data",
    "tree.bias_correction": "bias_correction", "tree.update_moment": "update_moment", "tree.update_infinity_moment": "update_infinity_moment",
    "tree.update_moment_per_elem_norm": "update_moment_per_elem_norm",
    "tree.sum": "tree::reduce", "tree.max": "tree::reduce", "tree.min": "tree::reduce", "tree.size": "tree::reduce",
}


def write_names():
    import importlib
    import inspect

    import optax

    lines = []
    for module in MODULES:
        namespace = importlib.import_module(f"optax.{module}" if module else "optax")
        for name in sorted(dir(namespace)):
            value = getattr(namespace, name)
            if name.startswith("_") or not callable(value) or not getattr(value, "__module__", "").startswith("optax"):
                continue
            # States and protocols are types of Python alone; those with a meaning of their own are functions too.
            if inspect.isclass(value) and name not in ALIASES:
                continue
            lines.append(f"{module or '-'} {name}\n")
    NAMES.write_text("".join(lines))
    print(f"{len(lines)} names of Optax {optax.__version__}")


def of_raxla():
    found = set()
    for path in (ROOT / "src/optim").rglob("*.rs"):
        text = path.read_text()
        found |= set(re.findall(r"pub fn (\w+)", text)) | set(re.findall(r"pub struct (\w+)", text))
        found |= set(re.findall(r"^    (\w+) \w+_with \w+ \w+;$", text, re.M))
        found |= set(re.findall(r"pub use \w+ as (\w+);", text))
    return found


def page():
    ours, rows, missing = of_raxla(), [], {}
    counts = {}
    for line in NAMES.read_text().splitlines():
        module, name = line.split()
        full = f"{module}.{name}"
        has = name in ours if module != "tree" else False
        other = ALIASES.get(full, ALIASES.get(name) if module != "tree" else None)
        have, all_ = counts.get(module, (0, 0))
        counts[module] = (have + bool(has or other), all_ + 1)
        if not has and not other:
            missing.setdefault(module, []).append(name)
        elif not has:
            rows.append((full.removeprefix("-."), other))
    out = ["# What `raxla::optim` has of Optax 0.2.8", "", "Written by `tests/oracle/optax_coverage.py`, which compares names. Values are compared by",
           "`tests/suite/optim.rs` for what `tests/oracle/optax_cases.py`, `optax_contrib.py` and `optax_functions.py` list. Functions keep Optax's names; keyword arguments are options of the function `name_with`.", "",
           "| module | has | of | lacks |", "|---|---|---|---|"]
    for module, (have, all_) in counts.items():
        title = f"`optax.{module}`" if module != "-" else "`optax`"
        lacks = ", ".join(f"`{name}`" for name in missing.get(module, []))
        out.append(f"| {title} | {have} | {all_} | {lacks} |")
    out += ["", "| Optax | raxla |", "|---|---|"] + [f"| `{name}` | `{other}` |" for name, other in rows]
    return "\n".join(out) + "\n"


def main():
    if "--names" in sys.argv:
        write_names()
    elif "--check" in sys.argv:
        if not PAGE.exists() or PAGE.read_text() != page():
            sys.exit("docs/optim.md is not up to date: python3 tests/oracle/optax_coverage.py")
    else:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(page())


if __name__ == "__main__":
    main()
