//! Finds, fetches or builds an engine, which is a PJRT plugin for the CPU, and tells the crate where it is
//! (`RAXLA_BUILT_CPU_PLUGIN`), or else why there is none (`RAXLA_NO_CPU_PLUGIN`). Never fails a build for want of one, unless the
//! user asked for an engine by name that does not work. It takes
//!
//! 1. `RAXLA_CPU_PLUGIN=/path/to/plugin.so`, a ready plugin of anyone's;
//! 2. `XLA_EXTENSION_DIR=/path`, an unpacked XLA with `include/` and `lib/`, against which it compiles the tuned engine;
//! 3. the engine that `RAXLA_CPU_ENGINE` says: `wheel`, OpenXLA's own CPU plugin from the PyPI package `xla-cpu-pjrt`, the default
//!    on Linux x86-64 and aarch64; or `tuned`, the plugin of `xla_extension/src` compiled over the XLA inside TensorFlow's
//!    package, the default on macOS. Each from the user's cache, if it is there, or else brought by pip (or uv) once.
//!
//! `RAXLA_SKIP_ENGINE=1` stops it before 3, for jobs that only check or lint.
//!
//! The cache, by default `~/.cache/raxla/xla_extension`:
//!
//! ```text
//! .lock                                           held by the one build that changes anything below
//! xla-cpu-pjrt-0.0.1-x86_64-unknown-linux-gnu/
//!   xla_cpu_pjrt.so                               the default engine
//! 2.21.0-x86_64-unknown-linux-gnu/
//!   lib/                                          XLA's libraries, from TensorFlow's wheel
//!   include/                                      those of its headers that the plugin includes
//!   plugin-0123456789abcdef/                      the tuned engine, by the hash of its sources
//! ```

use std::env;
use std::path::{Path, PathBuf};

#[path = "xla_extension/build/cache.rs"]
mod cache;
#[path = "xla_extension/build/report.rs"]
mod report;
#[path = "xla_extension/build/tuned.rs"]
mod tuned;
#[path = "xla_extension/build/wheel.rs"]
mod wheel;

#[cfg(feature = "bindgen")]
#[path = "xla_extension/bindgen/generate.rs"]
mod bindings;

use report::{Failure, Outcome, absent, variable};

fn main() {
    for path in ["build", "src", "stubs", "exports.map", "fetch.py"] {
        println!("cargo::rerun-if-changed=xla_extension/{path}");
    }
    println!("cargo::rerun-if-changed=build.rs");
    let variables = [
        "RAXLA_CPU_PLUGIN",
        "XLA_EXTENSION_DIR",
        "RAXLA_CPU_ENGINE",
        "RAXLA_SKIP_ENGINE",
        "XDG_CACHE_HOME",
        "DOCS_RS",
    ];
    for variable in variables {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    if variable("DOCS_RS").is_some() {
        return;
    }
    let target = env::var("TARGET").unwrap_or_default();
    // Where an engine that another build prepares will be: the run-time search looks there too.
    if wheel::ready(&target).is_some() {
        println!("cargo::rustc-env=RAXLA_WHEEL_ENGINE={}", wheel::place(&target).display());
    }
    if let Some(place) = tuned::place(&target) {
        println!("cargo::rustc-env=RAXLA_TUNED_ENGINE={}", place.display());
    }
    match plugin(&target) {
        Ok(path) => {
            println!("cargo::rustc-env=RAXLA_BUILT_CPU_PLUGIN={}", path.display());
            if variable("RAXLA_CPU_PLUGIN").is_none() {
                println!("cargo::rerun-if-changed={}", path.display());
            }
        }
        Err(Failure::Absent(reason)) => {
            for line in reason.lines() {
                println!("cargo::warning={line}");
            }
            let first = reason.lines().next().unwrap_or_default();
            println!("cargo::rustc-env=RAXLA_NO_CPU_PLUGIN={first}");
        }
        Err(Failure::Named(reason)) => {
            for line in reason.lines() {
                println!("cargo::error={line}");
            }
        }
    }
    #[cfg(feature = "bindgen")]
    regenerate_bindings();
}

fn plugin(target: &str) -> Outcome<PathBuf> {
    if let Some(path) = variable("RAXLA_CPU_PLUGIN") {
        return Ok(PathBuf::from(path));
    }
    if let Some(directory) = variable("XLA_EXTENSION_DIR") {
        return tuned::against(Path::new(&directory), target);
    }
    let asked = variable("RAXLA_CPU_ENGINE");
    let named = |reason: String| Failure::Named(format!("RAXLA_CPU_ENGINE: {reason}"));
    let engine = match asked.as_deref().map(|name| name.to_string_lossy()) {
        None => None,
        Some(name) if name == "wheel" || name == "tuned" => Some(name.into_owned()),
        Some(name) => return Err(named(format!("\"{name}\" is no engine of raxla's: wheel or tuned"))),
    };
    if variable("RAXLA_SKIP_ENGINE").is_some() {
        return absent("RAXLA_SKIP_ENGINE was set when raxla was built, so it has no CPU plugin");
    }
    match (engine.as_deref(), wheel::ready(target)) {
        (None | Some("wheel"), Some(wheel)) => wheel::prepare(&wheel, target),
        (Some("wheel"), None) => {
            Err(named(format!("there is no wheel for {target}, whose engine is the tuned one")))
        }
        (_, _) => tuned::prepare(target),
    }
}

#[cfg(feature = "bindgen")]
fn regenerate_bindings() {
    println!("cargo::rerun-if-changed=xla_extension/bindgen/generate.rs");
    println!("cargo::rerun-if-env-changed=RAXLA_PJRT_HEADERS");
    let target = env::var("TARGET").unwrap_or_default();
    // The headers that the tuned engine is compiled with, if the user names none: the wheel has one of them only.
    let include = match (variable("RAXLA_PJRT_HEADERS"), variable("XLA_EXTENSION_DIR"), cache::directory()) {
        (Some(include), _, _) => Some(PathBuf::from(include)),
        (None, Some(xla), _) => Some(Path::new(&xla).join("include")),
        (None, None, Ok(cache)) => Some(cache.join(tuned::engine(&target)).join("include")),
        _ => None,
    };
    let result = match include {
        Some(include) => bindings::regenerate(&include, Path::new("src/pjrt/sys.rs")),
        None => Err("set RAXLA_PJRT_HEADERS to XLA's include directory".to_owned()),
    };
    if let Err(e) = result {
        println!("cargo::error={e}");
    }
}
