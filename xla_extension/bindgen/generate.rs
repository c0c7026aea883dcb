//! Regenerates `src/pjrt/sys.rs` from XLA's headers; part of `build.rs` under the feature `bindgen`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

const HEADERS: [&str; 4] = [
    "xla/pjrt/c/pjrt_c_api.h",
    "xla/pjrt/c/pjrt_c_api_ffi_extension.h",
    "xla/pjrt/c/pjrt_c_api_layouts_extension.h",
    "xla/ffi/api/c_api.h",
];

/// Writes `target` if the bindings of the headers below `include` differ from what it holds.
pub fn regenerate(include: &Path, target: &Path) -> Result<(), String> {
    let mut source = String::new();
    for header in HEADERS {
        let _ = writeln!(source, "#include \"{header}\"");
    }
    let bindings = bindgen::Builder::default()
        .header_contents("raxla_pjrt.h", &source)
        .clang_arg(format!("-I{}", include.display()))
        .allowlist_type("(PJRT|XLA_FFI)_.*")
        .allowlist_var("(PJRT|XLA_FFI)_.*")
        .blocklist_function(".*")
        // Plain integers: a plugin may answer with a value that is newer than these bindings.
        .prepend_enum_name(false)
        .layout_tests(false)
        .generate_comments(false)
        .disable_header_comment()
        .formatter(bindgen::Formatter::Prettyplease)
        .generate()
        .map_err(|e| format!("bindgen failed on the headers in {}: {e}", include.display()))?
        .to_string();
    let mut text = String::from(
        "//! The C API, as bindgen reads it from XLA's headers. Generated: do not edit; see\n\
         //! `xla_extension/bindgen/README.md`.\n\
         #![allow(dead_code, missing_docs, non_camel_case_types, non_snake_case, non_upper_case_globals)]\n\
         #![allow(clippy::all)]\n\n\
         use super::api::Versioned;\n\n",
    );
    text.push_str(&bindings);
    // The constants come from `PJRT_DEFINE_STRUCT_TRAITS`, which begins with `struct_size` by convention; check it.
    for line in bindings.lines() {
        let Some(name) = line.strip_prefix("pub const ").and_then(|l| l.split_once("_STRUCT_SIZE:")) else {
            continue;
        };
        let name = name.0;
        if !bindings.contains(&format!("pub struct {name} {{\n    pub struct_size: usize,")) {
            continue;
        }
        let _ = write!(
            text,
            "// SAFETY: a C struct of integers, pointers and optional functions that begins with `struct_size`.\n\
             unsafe impl Versioned for {name} {{\n    \
                 const STRUCT_SIZE: usize = {name}_STRUCT_SIZE as usize;\n}}\n"
        );
    }
    if fs::read_to_string(target).is_ok_and(|old| old == text) {
        return Ok(());
    }
    fs::write(target, text).map_err(|e| format!("could not write {}: {e}", target.display()))
}
