//! Finds or builds raxla's CPU plugin; see `xla_extension/README.md`.

#[cfg(feature = "bindgen")]
#[path = "xla_extension/bindgen/generate.rs"]
mod bindings;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "bindgen")]
    regenerate_bindings();
}

#[cfg(feature = "bindgen")]
fn regenerate_bindings() {
    use std::path::Path;
    println!("cargo::rerun-if-changed=xla_extension/bindgen/generate.rs");
    println!("cargo::rerun-if-env-changed=RAXLA_PJRT_HEADERS");
    let result = match std::env::var_os("RAXLA_PJRT_HEADERS") {
        Some(include) => bindings::regenerate(Path::new(&include), Path::new("src/pjrt/sys.rs")),
        None => Err("set RAXLA_PJRT_HEADERS to XLA's include directory".to_owned()),
    };
    if let Err(e) = result {
        println!("cargo::error={e}");
    }
}
