"""Writes what raxla has of JAX, docs/coverage.md and README's table of it: `python3 tests/oracle/coverage.py`.

`--check` fails instead if they are not up to date; `--names` writes tests/fixtures/jax_signatures.txt, and needs jax==0.10.2.

Names are compared, and of functions the parameters: with what the function takes and what its options (`sum_with`'s `ReduceOptions`)
have. Both come from rustdoc's description of the crate, so this runs `cargo rustdoc`. A trailing underscore in Rust (`where_`) avoids
a keyword. A line of the fixture is a module, a name and, of functions, its parameters; those with `!` have no default in JAX.
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
PAGE = ROOT / "docs/coverage.md"

# In the page's order, and whose classes count as names of their own: elsewhere they are types of arguments.
MODULES = (
    "jax", "numpy", "numpy.linalg", "numpy.fft", "lax", "lax.linalg", "random", "nn", "nn.initializers",
    "scipy.special", "scipy.linalg", "scipy.stats", "scipy.signal", "scipy.ndimage", "scipy.fft", "scipy.integrate",
    "scipy.interpolate", "scipy.optimize", "scipy.sparse.linalg", "scipy.cluster.vq",
    "tree", "tree_util", "ops", "image", "debug", "experimental.checkify", "experimental.jet", "errors", "stages", "dtypes",
    "checkpoint_policies", "sharding",
)
CLASSES_COUNT = ("jax", "scipy.interpolate", "scipy.stats", "scipy.optimize", "image", "tree_util", "experimental.checkify", "errors", "stages", "sharding")

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
    "overwrite_b": "JAX ignores it",
    "overwrite_c": "JAX ignores it",
    "check_finite": "JAX ignores it",
    "is_leaf": "a leaf is an Array: the type says it",
    "none_is_leaf": "a leaf is an Array: the type says it",
    "is_leaf_takes_path": "a leaf is an Array: the type says it",
    "axis_index_groups": "JAX refuses it under vmap, and there are no collectives between devices yet",
    "to": "no type says yet whether devices have different values",
    "overwrite_input": "arrays do not change",
    "inplace": "arrays do not change",
    "partitioned": "a function of this process runs in programs for one device alone so far",
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
    ("numpy", "fill_diagonal", "wrap"): "JAX takes none but False",
    ("numpy", "gradient", "edge_order"): "JAX takes none but None",
    ("numpy.linalg", "svd", "compute_uv"): "svdvals is the one without",
    ("numpy.linalg", "matrix_rank", "tol"): "JAX's older name for rtol",
    ("numpy.linalg", "pinv", "rcond"): "JAX's older name for rtol",
    ("lax", "ragged_dot", "group_offset"): "JAX takes none but None",
    ("lax", "ragged_dot_general", "group_offset"): "JAX takes none but None",
    ("lax.linalg", "eig", "implementation"): "of JAX's packages for GPUs",
    ("lax.linalg", "eig", "use_magma"): "of JAX's packages for GPUs",
    ("lax.linalg", "eigh", "implementation"): "of JAX's packages for GPUs, and of TPUs",
    ("lax.linalg", "qr", "use_magma"): "of JAX's packages for GPUs",
    ("lax.linalg", "qr", "pivoting"): "qr_pivoting is the one with it",
    ("lax.linalg", "schur", "sort_eig_vals"): "JAX takes none but False",
    ("lax.linalg", "schur", "select_callable"): "JAX ignores it",
    ("lax.linalg", "svd", "compute_uv"): "singular_values is the one without",
    ("lax.linalg", "svd", "algorithm"): "there is one on each platform",
    ("nn", "scaled_dot_general", "implementation"): "JAX ignores it",
    ("scipy.special", "factorial", "exact"): "JAX takes none but False",
    ("scipy.special", "sph_harm_y", "diff_n"): "JAX takes none but None",
    ("scipy.stats", "mode", "nan_policy"): "JAX takes none but 'propagate'",
    ("scipy.stats", "rankdata", "nan_policy"): "JAX takes none but 'propagate'",
    ("dtypes", "result_type", "return_weak_type_flag"): "result_type_and_weak_type gives both",
    ("experimental.checkify", "check", "debug"): "debug_check is the one with it",
    ("dtypes", "canonicalize_dtype", "allow_extended_dtype"): "keys have no dtype: a Key is a type of its own",
    ("nn", "get_scaled_dot_general_config", "global_scale"): "BlockScaleConfig::global_scale",
    **{("checkpoint_policies", _name, "prim!"): "it is a policy itself" for _name in (
        "checkpoint_dots", "checkpoint_dots_with_no_batch_dims", "dots_saveable", "dots_with_no_batch_dims_saveable")},
    ("scipy.signal", "convolve2d", "boundary"): "JAX takes none but 'fill'",
    ("scipy.signal", "convolve2d", "fillvalue"): "JAX takes none but 0",
    ("scipy.signal", "correlate2d", "boundary"): "JAX takes none but 'fill'",
    ("scipy.signal", "correlate2d", "fillvalue"): "JAX takes none but 0",
    ("scipy.signal", "detrend", "overwrite_data"): "JAX takes none but None",
    ("scipy.optimize", "minimize", "args"): "what the function captures",
    ("scipy.optimize", "minimize", "tol"): "JAX ignores it",
    ("scipy.optimize", "minimize", "options"): "MinimizeOptions holds them",
    ("scipy.linalg", "eigh", "b"): "JAX takes none but None",
    ("scipy.linalg", "eigh", "turbo"): "JAX ignores it",
    ("scipy.linalg", "eigh", "eigvals"): "JAX takes none but None",
    ("scipy.linalg", "eigh", "type"): "JAX takes none but 1",
    ("scipy.linalg", "expm_frechet", "method"): "JAX ignores it",
    ("scipy.linalg", "eigh_tridiagonal", "select_range"): "Select::Indices holds it",
    ("scipy.linalg", "polar", "max_iterations"): "JAX ignores it",
    ("scipy.linalg", "qr", "lwork"): "JAX ignores it",
    ("scipy.linalg", "solve", "debug"): "JAX ignores it",
    ("scipy.linalg", "solve_triangular", "debug"): "JAX ignores it",
    ("scipy.linalg", "sqrtm", "blocksize"): "JAX takes none but 1",
    ("scipy.linalg", "svd", "lapack_driver"): "JAX ignores it",
    ("scipy.stats", "multivariate_normal.logpdf", "allow_singular"): "JAX takes none but None",
    ("debug", "print", "skip_format_check"): "the compiler checks the format",
    ("debug", "visualize_sharding", "use_color"): "lines are drawn around boxes, as without colours in JAX",
    ("debug", "visualize_sharding", "color_map"): "lines are drawn around boxes, as without colours in JAX",
    ("lax", "platform_dependent", "default"): "the function under that name",
    ("jax", "fwd_and_bwd", "jitted"): "vjp is the one that is not",
    ("random", "key", "dtype"): "the type of the key says it",
    ("random", "wrap_key_data", "dtype"): "the type of the key says it",
}

# Of transformations.
for _name in ("jit", "checkpoint", "make_jaxpr"):
    NO_USE_OF |= {
        ("jax", _name, parameter): "Static says it by type" for parameter in ("static_argnums", "static_argnames")}
for _name in ("grad", "value_and_grad", "vjp", "linear_transpose"):
    NO_USE_OF[("jax", _name, "reduce_axes")] = "JAX takes none but ()"
NO_USE_OF |= {
    ("jax", "jit", "donate_argnums"): "an argument by value is donated",
    ("jax", "jit", "donate_argnames"): "an argument by value is donated",
    ("jax", "jit", "backend"): "JAX's older name for device_put",
    ("jax", "jit", "inline"): "a hint for the text of jaxprs",
    ("jax", "checkpoint", "concrete"): "JAX takes none but False",
    ("jax", "make_jaxpr", "axis_env"): "vmap_with names axes",
    ("jax", "make_jaxpr", "return_shape"): "eval_shape",
    ("jax", "device_put", "may_alias"): "arrays do not change: nobody sees whether memory is shared",
    ("jax", "device_put", "donate"): "an argument by value is donated",
    ("jax", "device_put", "src"): "the array knows where it is",
    ("jax", "make_array_from_callback", "dtype"): "the parts have one",
    ("jax", "make_array_from_single_device_arrays", "dtype"): "the parts have one, and there is at least one",
    **{("jax", _name, "backend"): "pjrt::discovery names platforms" for _name in (
        "devices", "local_devices", "device_count", "local_device_count", "process_count", "process_index", "process_indices")},
    ("jax", "local_devices", "process_index"): "JAX knows those of this process alone",
    ("jax", "local_devices", "host_id"): "JAX's older name for process_index",
}

# The same of a whole module.
NO_USE_IN = {"nn.initializers": (("key!", "shape!", "dtype"), "Initializer::draw takes them")}

# Names that Rust has no use for, and why.
UNNEEDED = {
    ("numpy", "printoptions"): "`{}`, `{:.3}` and `{:?}` of an Array say how it prints",
    ("numpy", "get_printoptions"): "`{}`, `{:.3}` and `{:?}` of an Array say how it prints",
    ("numpy", "set_printoptions"): "`{}`, `{:.3}` and `{:?}` of an Array say how it prints",
    ("numpy", "frompyfunc"): "makes a NumPy function of a Python one",
    ("numpy", "load"): "io::load, behind the feature io, reads files of NumPy into the type that is asked for",
    ("numpy", "fromfile"): "JAX refuses it; `std::fs::read` and frombuffer",
    ("numpy", "fromiter"): "JAX refuses it; `Array::from` of what an iterator collects",
    ("numpy", "fromstring"): "`str::parse` and `Array::from`; NumPy's reads bytes no more",
    ("jax", "array_garbage_collection_guard"): "Rust drops what is not used: there is no collector",
    ("jax", "host_count"): "JAX's older name for process_count",
    ("jax", "host_id"): "JAX's older name for process_index",
    ("jax", "host_ids"): "JAX's older name for process_indices",
    ("jax", "jax2tf_associative_scan_reductions"): "for TensorFlow",
    ("jax", "legacy_prng_key"): "there are no raw keys: a Key is a type of its own",
    ("jax", "enable_custom_prng"): "there are no raw keys: a Key is a type of its own",
    ("jax", "pmap"): "JAX keeps it for old programs; jit over a mesh takes its place",
    ("jax", "print_environment_info"): "`cargo run -p raxla-examples --example devices` and `cargo tree`",
    ("jax", "softmax_custom_jvp"): "the rule that JAX has by default is the one there is",
    ("jax", "threefry_partitionable"): "what JAX has by default is the one way there is",
    ("jax", "make_user_context"): "a Python context that callers put into the key of a cache; arguments of Rust are in it",
    ("jax", "allow_f16_reductions"): "sums of 16-bit floats are taken in f32 and rounded, as by JAX's default",
    ("tree_util", "all_leaves"): "the type `[Array]` says it",
    ("tree_util", "is_tree_node"): "the bound `T: Pytree` says it when the program is compiled",
    ("tree_util", "register_pytree_node_class"): "what `#[derive(Pytree)]` does by itself",
    ("tree_util", "register_pytree_with_keys_class"): "what `#[derive(Pytree)]` does by itself",
    ("random", "key_dtype"): "`random::PrngImpl` is what tells keys from others: they have no dtype",
    ("errors", "InconclusiveDimensionOperation"): "of symbolic dimensions, which there are none of while tracing",
    ("errors", "JaxprTypeError"): "an error of rules, which rustc and check_jaxpr find",
    ("lax", "after_all"): "nothing public takes a token; ordered effects have theirs",
    ("lax", "create_token"): "nothing public takes a token; ordered effects have theirs",
    ("dtypes", "scalar_type_of"): "`Element` and `Scalar` say it by type",
}

# Names that raxla has elsewhere or otherwise: the path of what does the same. It must be there.
PLACES = {
    ("tree", "static"): "tree::Static",
    ("lax.linalg", "qdwh"): "scipy::linalg::qdwh",
    ("jax", "Device"): "pjrt::Device",
    ("jax", "ShapeDtypeStruct"): "ShapedArray",
    ("jax", "block_until_ready"): "Array::block_until_ready",
    ("jax", "copy_to_host_async"): "Array::copy_to_host_async",
    ("jax", "check_tracer_leaks"): "config::with_check_tracer_leaks",
    ("jax", "debug_infs"): "config::with_debug_infs",
    ("jax", "debug_key_reuse"): "config::with_debug_key_reuse",
    ("jax", "debug_nans"): "config::with_debug_nans",
    ("jax", "default_device"): "config::with_default_device",
    ("jax", "default_matmul_precision"): "config::with_matmul_precision",
    ("jax", "device_get"): "Array::to_vec",
    ("jax", "default_prng_impl"): "config::with_default_prng_impl",
    ("jax", "disable_jit"): "config::with_disable_jit",
    ("jax", "ds"): "numpy::Index",
    ("jax", "enable_x64"): "config::with_x64",
    ("jax", "enable_checks"): "config::with_enable_checks",
    ("jax", "explain_cache_misses"): "config::with_explain_cache_misses",
    ("jax", "jacobian"): "api::jacrev",
    ("jax", "log_compiles"): "config::with_log_compiles",
    ("jax", "no_execution"): "config::with_no_execution",
    ("jax", "no_tracing"): "config::with_no_tracing",
    ("jax", "numpy_dtype_promotion"): "config::with_numpy_dtype_promotion",
    ("jax", "numpy_rank_promotion"): "config::with_numpy_rank_promotion",
    ("jax", "remat"): "checkpoint",
    ("jax", "transfer_guard"): "config::with_transfer_guard",
    ("jax", "transfer_guard_device_to_device"): "config::with_transfer_guard_device_to_device",
    ("jax", "transfer_guard_device_to_host"): "config::with_transfer_guard_device_to_host",
    ("jax", "transfer_guard_host_to_device"): "config::with_transfer_guard_host_to_device",
    ("jax", "typeof"): "Array::aval",
    ("tree_util", "DictKey"): "tree::Step",
    ("tree_util", "FlattenedIndexKey"): "tree::Step",
    ("tree_util", "GetAttrKey"): "tree::Step",
    ("tree_util", "SequenceKey"): "tree::Step",
    ("tree_util", "Partial"): "capture",
    ("tree_util", "PyTreeDef"): "tree::TreeDef",
    ("tree_util", "flatten_one_level"): "tree::AnyTree::children",
    ("tree_util", "flatten_one_level_with_keys"): "tree::AnyTree::children_with_path",
    ("tree_util", "keystr"): "tree::Path",
    ("tree_util", "register_dataclass"): "tree::Pytree",
    ("tree_util", "register_pytree_node"): "tree::Pytree",
    ("tree_util", "register_pytree_with_keys"): "tree::Pytree",
    ("tree_util", "register_static"): "tree::Static",
    ("tree_util", "treedef_children"): "tree::TreeDef::children",
    ("tree_util", "treedef_is_leaf"): "tree::TreeDef::is_leaf",
    ("tree_util", "treedef_tuple"): "tree::TreeDef::tuple",
    **{
        ("tree_util", f"tree_{name}"): f"tree::{name}"
        for name in (
            "all", "broadcast", "flatten", "flatten_with_path", "leaves", "leaves_with_path", "reduce_associative", "map", "map_with_path", "reduce", "structure", "transpose", "unflatten")
    },
    ("errors", "ConcretizationTypeError"): "ErrorKind::Concretization",
    ("errors", "JAXTypeError"): "ErrorKind::DType",
    ("errors", "JAXIndexError"): "ErrorKind::InvalidArgument",
    ("errors", "JaxRuntimeError"): "ErrorKind::Runtime",
    ("errors", "KeyReuseError"): "ErrorKind::KeyReuse",
    ("errors", "NonConcreteBooleanIndexError"): "ErrorKind::Concretization",
    ("errors", "TracerArrayConversionError"): "ErrorKind::Concretization",
    ("errors", "TracerBoolConversionError"): "ErrorKind::TracerBoolConversion",
    ("errors", "TracerIntegerConversionError"): "ErrorKind::Concretization",
    ("errors", "UnexpectedTracerError"): "ErrorKind::UnexpectedTracer",
    ("experimental.checkify", "Error"): "experimental::checkify::CheckError",
    ("experimental.checkify", "JaxRuntimeError"): "ErrorKind::FailedCheck",
    ("jax", "NamedSharding"): "sharding::Sharding::named",
    ("sharding", "NamedSharding"): "sharding::Sharding::named",
    ("sharding", "SingleDeviceSharding"): "sharding::Sharding",
    ("sharding", "make_single_device_sharding"): "sharding::Sharding",
    ("stages", "ArgInfo"): "ShapedArray",
    ("stages", "Compiled"): "api::aot::Compiled",
    ("stages", "Lowered"): "api::aot::Lowered",
    ("stages", "Traced"): "api::aot::Traced",
    ("stages", "Wrapped"): "api::Jit",
}

# The same parameter by another name: JAX's, and what Rust's type or reading makes of it.
ALIASES = {
    "device": {"shardings"},
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
    "UPLO": {"lower"},
}


def write_names():
    import importlib

    import jax

    lines = []
    for module in MODULES:
        path = module if module == "jax" else f"jax.{module}"
        try:
            namespace = importlib.import_module(path)
        except ModuleNotFoundError:
            # An object that holds functions.
            parent, _, name = path.rpartition(".")
            namespace = getattr(importlib.import_module(parent), name)
        lines += names_of(module, namespace, "", path)
    SIGNATURES.write_text("".join(lines))
    print(f"{len(lines)} names of JAX {jax.__version__}")


def names_of(module, namespace, prefix, path):
    import inspect

    for name in sorted(dir(namespace)):
        value = getattr(namespace, name)
        if name.startswith("_"):
            continue
        # All else there is what its rules are made of.
        if module == "experimental.jet" and name != "jet":
            continue
        # Each distribution is a module of its own.
        if module == "scipy.stats" and not prefix and inspect.ismodule(value) and value.__name__ == f"{path}.{name}":
            yield from names_of(module, value, name + ".", value.__name__)
        if not callable(value) or inspect.isclass(value) and module not in CLASSES_COUNT:
            continue
        # Callable objects of typing are no functions; JAX warns that what its `deprecated` lists will go.
        if not getattr(value, "__module__", "").startswith("jax") or hasattr(value, "__origin__"):
            continue
        of_function = () if inspect.isclass(value) else parameters(inspect, value)
        yield " ".join([module, prefix + name, *of_function]) + "\n"


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

    KINDS = ("function", "macro", "proc_macro", "struct", "enum", "trait", "type_alias", "constant", "static")

    def find(self, path):
        """What stands at a path: an item of a module, or one of a type's own (a method, a variant), or None."""
        at = self.root
        for name in path.split("::"):
            if "module" in at["inner"]:
                items = self.names(at).get(name, []) + [i for i in self.children(at).get(name, []) if "module" in i["inner"]]
            else:
                items = [item for item in self.members(at) if item["name"] == name]
            if not items:
                return None
            at = next((item for item in items if "module" in item["inner"]), items[0])
        return at

    def names(self, module):
        """The public items of a module that are not modules, functions first; `where_` and `mod_` as what they avoid, too."""
        found = {}
        for name, items in self.children(module).items():
            items = [item for item in items if any(kind in item["inner"] for kind in self.KINDS)]
            if items:
                found[name] = sorted(items, key=lambda item: "function" not in item["inner"])
                found.setdefault(name.removesuffix("_"), found[name])
        return found

    def members(self, item):
        inner = item["inner"].get("struct") or item["inner"].get("enum") or item["inner"].get("trait") or {}
        for id in inner.get("variants", []) + inner.get("items", []):
            yield self.item(id)
        for id in inner.get("impls", ()):
            block = self.item(id)["inner"]["impl"]
            if block["trait"] is None:
                yield from map(self.item, block["items"])

    def module(self, path):
        """The first public item of each name of a module."""
        if path == "jax":
            # What is less often used stands in `api` alone.
            modules = [self.find("api"), self.root]
        else:
            modules = [self.find(path.replace(".", "::"))]
        modules = [module for module in modules if module is not None and "module" in module["inner"]]
        return {name: items[0] for module in modules for name, items in self.names(module).items()}

    def parameters(self, function):
        """The names of a function's parameters and options, those of its parameters alone, and how many arguments it takes."""
        if "function" not in function["inner"]:
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


class Module:
    """What raxla has of a module of JAX."""

    def __init__(self, crate, name, signatures):
        self.name = name
        self.path = "raxla" if name == "jax" else "raxla::" + name.replace(".", "::")
        items = crate.module(name)
        # The path of each name in raxla, and what is there.
        self.same, self.elsewhere, self.missing = [], {}, []
        self.unneeded = {n: why for (m, n), why in UNNEEDED.items() if m == name}
        self.count, self.absent = 0, {}
        for jax_name, theirs in signatures.items():
            if jax_name in self.unneeded:
                continue
            place = PLACES.get((name, jax_name))
            if place is not None:
                if crate.find(place) is None:
                    sys.exit(f"PLACES: raxla::{place}, for {name}.{jax_name}, is not there")
                self.elsewhere[jax_name] = place
                continue
            *submodules, last = jax_name.split(".")
            found = crate.module(".".join([name, *submodules])) if submodules else items
            if last not in found:
                self.missing.append(jax_name)
                continue
            self.same.append(jax_name)
            if theirs:
                theirs = counted(name, jax_name, theirs)
                self.count += len(theirs)
                absent = absent_parameters(crate, found, last, theirs)
                if absent:
                    self.absent[jax_name] = absent
        if stale := set(self.unneeded) - set(signatures):
            sys.exit(f"UNNEEDED: JAX's {name} has no {stale}")

    def row(self):
        has = len(self.same) + len(self.elsewhere)
        total, taken = has + len(self.missing), self.count - sum(map(len, self.absent.values()))
        percent = lambda part, whole: f"{100 * part // whole} %" if whole else "–"
        return (f"| `{self.name}` | {total} | {has} | {percent(has, total)} "
                f"| {self.count} | {taken} | {percent(taken, self.count)} |\n")

    def section(self):
        code = lambda names: " ".join(f"`{name}`" for name in names)
        lines = [f"## {self.name}\n\n"]
        if self.same:
            lines.append(f"Under the same name in `{self.path}`: {code(self.same)}\n\n")
        if self.elsewhere:
            lines.append("| JAX | raxla |\n|---|---|\n")
            lines += [f"| `{name}` | `{place}` |\n" for name, place in self.elsewhere.items()]
            lines.append("\n")
        if self.unneeded:
            lines.append("| no use in Rust | because |\n|---|---|\n")
            lines += [f"| `{name}` | {why} |\n" for name, why in self.unneeded.items()]
            lines.append("\n")
        lines.append(f"Missing: {code(self.missing) or 'none'}\n\n")
        if self.absent:
            absent = "; ".join(f"`{name}`: {', '.join(parameters)}" for name, parameters in self.absent.items())
            lines.append(f"Missing parameters: {absent}\n\n")
        return "".join(lines)


HEAD = "| module | names of JAX 0.10.2 | in raxla | | parameters of functions | in raxla | |\n|---|--:|--:|--:|--:|--:|--:|\n"


def pages():
    """README's table, and the page."""
    crate = Crate()
    theirs = {module: {} for module in MODULES}
    for line in SIGNATURES.read_text().splitlines():
        module, name, *parameters = line.split()
        theirs[module][name] = parameters
    modules = [Module(crate, name, signatures) for name, signatures in theirs.items()]
    table = HEAD + "".join(module.row() for module in modules)
    reasons = "; ".join(f"`{name}` ({why})" for name, why in NO_USE.items())
    reasons += "".join(f"; `{parameter}` of `{name}` ({why})" for (_, name, parameter), why in NO_USE_OF.items())
    for module, (parameters, why) in NO_USE_IN.items():
        names = ", ".join(f"`{parameter.rstrip('!')}`" for parameter in parameters)
        reasons += f"; {names} of `{module}` ({why})"
    page = [
        "# What raxla has of JAX 0.10.2\n\n",
        "Written by `tests/oracle/coverage.py`, which compares names and parameters; values are compared by the [oracle]"
        "(../tests/oracle/README.md). Keyword arguments are options of the function `name_with`.\n\n",
        table, "\n", *(module.section() for module in modules),
        f"## Parameters that are not counted\n\n{reasons}.\n",
    ]
    return table, "".join(page)


def main():
    if "--names" in sys.argv:
        write_names()
        return
    text = README.read_text()
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    table, page = pages()
    for path, new in ((README, before + BEGIN + table + END + after), (PAGE, page)):
        if "--check" not in sys.argv:
            path.write_text(new)
        elif not path.exists() or new != path.read_text():
            sys.exit(f"{path.name} is out of date: run python3 tests/oracle/coverage.py")
    print("the tables of what raxla has of JAX are up to date")


if __name__ == "__main__":
    main()
