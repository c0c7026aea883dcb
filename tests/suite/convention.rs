//! One way to say each thing: walks the signatures of the public functions and methods, and names those that say a shape, an
//! axis, a dtype or an option in another way than `src/arguments/mod.rs` has it. Reads files only.
//!
//! Functions that macros write (rows of elementwise operations) take arrays alone and are not seen here.

use std::fs;
use std::path::{Path, PathBuf};

use quote::ToTokens;
use syn::{Attribute, FnArg, ImplItem, Item, Pat, Signature, Visibility};

/// Whose functions are looked at.
const MODULES: &[&str] = &[
    "src/lax",
    "src/numpy",
    "src/ops.rs",
    "src/image.rs",
    "src/scipy",
    "src/random",
    "src/nn",
    "src/optim",
    "src/data",
    "src/io",
    "src/metrics",
    "src/train",
    "src/control_flow",
    "src/checkpoint.rs",
    "src/debug",
];

/// Whose methods are looked at.
const TYPES: &[&str] = &["Array", "Key"];

/// Types that no parameter has, and what to write instead.
const BANNED: &[(&str, &str)] = &[
    ("bool", "an option, or an enum"),
    ("Option <", "a field of the options struct"),
    ("Into < Option <", "a field of the options struct"),
    ("& [usize]", "impl Into<Dims> or impl Into<Axes>"),
    ("& [i64]", "impl Into<NewDims> or impl Into<Axes>"),
    ("(i64 , i64)", "impl Into<Axes>"),
    ("& [& Array]", "impl AsRef<[T]>, T: Borrow<Array>"),
    ("& [Array]", "impl AsRef<[T]>, T: Borrow<Array>"),
    ("& [T]", "impl AsRef<[T]>, T: Borrow<Array>"),
    ("& 'static str", "impl Into<AxisNames>"),
];

/// Parameters of these names have one of these types.
const NAMES: &[(&[&str], &[&str])] = &[
    (&["axis", "dimension", "axis1", "axis2", "split_axis", "concat_axis"], &["Axis >", "OptAxis >"]),
    (&["axes", "dimensions", "permutation", "broadcast_dimensions", "source", "destination"], &["Axes >"]),
    (&["shape", "sizes", "new_sizes", "reps"], &["Dims >", "NewDims >", "ShapeDtype >"]),
    (&["axis_name", "axis_names"], &["AxisName >", "AxisNames >"]),
];

/// Functions whose dtype is not an option: casts, and those that make an array of nothing else.
const TAKES_DTYPE: &[&str] =
    &["convert_element_type", "bitcast_convert_type", "astype", "view", "iota", "broadcasted_iota"];

/// Ends of names that say an option; `_with` is the one that there is.
const SUFFIXES: &[&str] =
    &["_dtype", "_ddof", "_step", "_as", "_tiled", "_n", "_into", "_aux", "_argnum", "_opt"];

/// What stands for something else, by function and parameter, and why.
const EXCEPTIONS: &[(&str, &str)] = &[
    // Elements in memory, not arrays; what bytes mean is no option.
    ("from_slice", "elements"),
    ("try_from_slice", "elements"),
    ("from_bytes", "dtype"),
    // A number of axes, or a pair of lists of them.
    ("tensordot", "axes"),
    ("tensordot_with", "axes"),
    // NumPy's name for a shape.
    ("indices", "dimensions"),
    ("indices_with", "dimensions"),
    // A range of them.
    ("collapse", "dimensions"),
    // JAX's names.
    ("select_n", ""),
    // What the function gives.
    ("tree_dtype", ""),
    // An argument of a function of the user's.
    ("tree_map_params", "f"),
];

/// Functions without a short form: what their options hold is rarely left out.
const ALWAYS_WITH_OPTIONS: &[&str] = &[
    "conv_general_dilated",
    "conv_with_general_padding",
    "conv_transpose",
    "conv_general_dilated_patches",
    "conv_general_dilated_local",
];

struct Found<'a> {
    file: &'a str,
    out: Vec<String>,
}

fn has(attributes: &[Attribute], name: &str) -> bool {
    attributes.iter().any(|a| a.path().is_ident(name))
}

fn is_public(vis: &Visibility) -> bool {
    matches!(vis, Visibility::Public(_))
}

impl Found<'_> {
    fn say(&mut self, function: &str, what: impl std::fmt::Display) {
        self.out.push(format!("{}: {function}: {what}", self.file));
    }

    fn signature(&mut self, attributes: &[Attribute], signature: &Signature) {
        let name = signature.ident.to_string();
        let excepted = |parameter: &str| EXCEPTIONS.contains(&(name.as_str(), parameter));
        let mut last = String::new();
        let mut parameters = 0;
        for input in &signature.inputs {
            let FnArg::Typed(argument) = input else { continue };
            parameters += 1;
            let Pat::Ident(pattern) = &*argument.pat else { continue };
            let parameter = pattern.ident.to_string();
            let ty = argument.ty.to_token_stream().to_string();
            last.clone_from(&ty);
            if excepted(&parameter) {
                continue;
            }
            if ty == "DType" && !TAKES_DTYPE.contains(&name.as_str()) {
                self.say(
                    &name,
                    format_args!("{parameter}: DType: part of impl Into<ShapeDtype>, or an option"),
                );
            }
            for (banned, instead) in BANNED {
                if ty == *banned || (banned.contains('<') && ty.contains(banned)) {
                    self.say(&name, format_args!("{parameter}: {ty}: write {instead}"));
                }
            }
            for (names, types) in NAMES {
                let fits = types.iter().any(|t| ty.trim_end().ends_with(t));
                if names.contains(&parameter.as_str()) && !fits {
                    self.say(&name, format_args!("{parameter}: {ty}: is one of {types:?}"));
                }
            }
        }
        let without_parameters = last.split('<').next().unwrap_or_default().trim();
        if name.ends_with("_with") != without_parameters.ends_with("Options")
            && !ALWAYS_WITH_OPTIONS.contains(&name.as_str())
        {
            self.say(
                &name,
                format_args!(
                    "the last parameter of `_with`, and of nothing else, is a struct of options: {last}"
                ),
            );
        }
        if SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) && !excepted("") {
            self.say(&name, "an option in the name");
        }
        if parameters > 0 && !has(attributes, "track_caller") {
            self.say(&name, "not #[track_caller]: errors would not name the user's line");
        }
    }

    fn items(&mut self, items: &[Item]) {
        for item in items {
            match item {
                Item::Fn(function) if is_public(&function.vis) => {
                    self.signature(&function.attrs, &function.sig)
                }
                // What has type parameters holds functions of the user's, of which the macro knows nothing.
                Item::Struct(item)
                    if is_public(&item.vis)
                        && item.ident.to_string().ends_with("Options")
                        && item.generics.params.is_empty() =>
                {
                    self.say(&item.ident.to_string(), "not made by options!");
                }
                Item::Impl(block) if block.trait_.is_none() => {
                    let of = block.self_ty.to_token_stream().to_string();
                    for item in &block.items {
                        if let ImplItem::Fn(method) = item
                            && is_public(&method.vis)
                            && TYPES.contains(&of.as_str())
                        {
                            self.signature(&method.attrs, &method.sig);
                        }
                    }
                }
                Item::Mod(module) if is_public(&module.vis) => {
                    if let Some((_, items)) = &module.content {
                        self.items(items);
                    }
                }
                _ => {}
            }
        }
    }
}

fn rust_files(path: &Path, found: &mut Vec<PathBuf>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            rust_files(&entry.unwrap().path(), found);
        }
    } else if path.extension().is_some_and(|extension| extension == "rs") {
        found.push(path.to_owned());
    }
}

#[test]
fn public_functions_say_each_thing_in_one_way() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for module in MODULES.iter().chain(&["src/core/array.rs"]) {
        if root.join(module).exists() {
            rust_files(&root.join(module), &mut files);
        }
    }
    files.sort();
    let mut found = Vec::new();
    for path in files {
        let relative = path.strip_prefix(root).unwrap().to_str().unwrap();
        // What macros call.
        let private = relative.ends_with("/__private.rs");
        if private || relative.contains("/testing") || relative.contains("/tests") {
            continue;
        }
        let file = syn::parse_file(&fs::read_to_string(&path).unwrap()).unwrap();
        let mut in_file = Found { file: relative, out: Vec::new() };
        in_file.items(&file.items);
        found.extend(in_file.out);
    }
    assert!(found.is_empty(), "{} things said in another way:\n  {}", found.len(), found.join("\n  "));
}
