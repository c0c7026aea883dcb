//! The build script in other environments: what it takes, and what it says where there is no engine.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const LINUX: &str = "x86_64-unknown-linux-gnu";

/// The script, compiled once: it uses nothing but the standard library.
fn script() -> &'static Path {
    static SCRIPT: OnceLock<PathBuf> = OnceLock::new();
    SCRIPT.get_or_init(|| {
        let out = directory("script").join("build");
        let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
        rustc.args(["--edition", "2024", "build.rs", "-o"]).arg(&out).current_dir(env!("CARGO_MANIFEST_DIR"));
        let output = rustc.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        out
    })
}

/// An empty directory for one test.
fn directory(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("build-script").join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

/// A program in a directory for PATH.
fn program(directory: &Path, name: &str, text: &str) {
    let path = directory.join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// What the script tells cargo with these variables and no others.
fn run(target: &str, variables: &[(&str, &Path)]) -> String {
    let mut script = Command::new(script());
    script.env_clear().env("PATH", "/nowhere").env("TARGET", target).envs(variables.iter().copied());
    let output = script.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{out}\n{}", String::from_utf8_lossy(&output.stderr));
    out
}

fn says(out: &str, words: &[&str]) {
    for words in words {
        assert!(out.contains(words), "\"{words}\" is not in:\n{out}");
    }
}

/// The one line that `RAXLA_NO_CPU_PLUGIN` is.
fn reason(out: &str) -> &str {
    let line = out.lines().find_map(|line| line.strip_prefix("cargo::rustc-env=RAXLA_NO_CPU_PLUGIN="));
    line.unwrap_or_else(|| panic!("no reason in:\n{out}"))
}

#[test]
fn a_plugin_that_the_user_names_is_taken_unseen() {
    let out = run(LINUX, &[("RAXLA_CPU_PLUGIN", Path::new("/some/plugin.so"))]);
    says(&out, &["cargo::rustc-env=RAXLA_BUILT_CPU_PLUGIN=/some/plugin.so"]);
}

#[test]
fn an_engine_in_the_cache_is_taken_without_python_or_network() {
    let cache = directory("cached");
    let variables = [("XDG_CACHE_HOME", cache.as_path())];
    let place = |out: &str, engine: &str| {
        let line = out.lines().find_map(|line| line.strip_prefix(&format!("cargo::rustc-env={engine}=")));
        cache.join("raxla/xla_extension").join(line.unwrap())
    };
    let out = run(LINUX, &variables);
    says(reason(&out), &["found neither `python3 -m pip`", "nor a `uv` that works", "xla-cpu-pjrt==0.0.1"]);
    let (wheel, tuned) = (place(&out, "RAXLA_WHEEL_ENGINE"), place(&out, "RAXLA_TUNED_ENGINE"));
    let libraries = ["libtensorflow_cc.so.2", "libtensorflow_framework.so.2"];
    let libraries = libraries.map(|name| tuned.ancestors().nth(2).unwrap().join("lib").join(name));
    for file in [&wheel, &tuned].into_iter().chain(&libraries) {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "").unwrap();
    }
    says(&run(LINUX, &variables), &[&format!("RAXLA_BUILT_CPU_PLUGIN={}", wheel.display())]);
    for (engine, path) in [("wheel", wheel), ("tuned", tuned)] {
        let out = run(LINUX, &[variables[0], ("RAXLA_CPU_ENGINE", Path::new(engine))]);
        says(&out, &[&format!("RAXLA_BUILT_CPU_PLUGIN={}", path.display())]);
    }
}

#[test]
fn what_pip_could_not_do_is_said_with_a_remedy() {
    let cache = directory("pip");
    for (code, words) in [
        (1, ["could not download it through pip", "With network access"]),
        (3, ["is not the file that raxla knows", "With the index of PyPI"]),
        (4, ["could not unpack what pip downloaded", "build again after `cargo clean -p raxla`"]),
        (5, ["there is too little disk in", "With 350 MB, or another XDG_CACHE_HOME"]),
    ] {
        // Python that has pip, and for which fetch.py ends so.
        program(&cache, "python3", &format!("[ \"$1\" = -c ] || {{ echo its own words >&2; exit {code}; }}"));
        let out = run(LINUX, &[("XDG_CACHE_HOME", &cache), ("PATH", &cache)]);
        says(reason(&out), &words);
        says(
            &out,
            &[
                "cargo::warning=raxla needs XLA for the CPU, from xla-cpu-pjrt==0.0.1",
                "cargo::warning=its own words",
            ],
        );
        let left: Vec<_> = fs::read_dir(cache.join("raxla/xla_extension"))
            .unwrap()
            .flatten()
            .map(|e| e.file_name())
            .collect();
        assert_eq!(left, [".lock"], "nothing half done is left");
    }
}

/// The real fetch.py, with a pip that brings another file under the wheel's name.
#[test]
fn a_file_with_another_hash_is_refused() {
    let Ok(python) = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output()
    else {
        return;
    };
    let python = String::from_utf8(python.stdout).unwrap();
    let (out, modules) = (directory("hash"), directory("hash-modules"));
    fs::create_dir_all(modules.join("pip")).unwrap();
    let pip = "import os, sys\nto = next(a[7:] for a in sys.argv if a.startswith('--dest='))\n\
               open(os.path.join(to, 'xla.whl'), 'w').write('another file')\n";
    fs::write(modules.join("pip/__main__.py"), pip).unwrap();
    fs::write(modules.join("pip/__init__.py"), "").unwrap();
    let fetch = |sha256: &str, megabytes: &str| {
        let output = Command::new(python.trim())
            .args(["xla_extension/fetch.py", "xla==1", sha256, "any", megabytes])
            .arg(&out)
            .arg("a.so=b.so")
            .env("PYTHONPATH", &modules)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, text) = fetch("0000", "1");
    assert_eq!(code, Some(3), "{text}");
    says(&text, &["xla.whl has sha256 ", "expected 0000"]);
    // Of "another file": it is what it should be, and no wheel.
    let digest = text.split("sha256 ").nth(1).unwrap().split(',').next().unwrap();
    let (code, text) = fetch(digest, "1");
    assert_eq!(code, Some(4), "{text}");
    says(&text, &["not a zip file"]);
    let (code, text) = fetch(digest, "1000000000000");
    assert_eq!(code, Some(5), "{text}");
    assert_eq!(fs::read_dir(&out).unwrap().count(), 0, "nothing is left");
}

#[test]
fn the_tuned_engine_asks_for_a_compiler_before_it_downloads() {
    let cache = directory("tuned");
    let variables = [("XDG_CACHE_HOME", cache.as_path()), ("RAXLA_CPU_ENGINE", Path::new("tuned"))];
    let out = run(LINUX, &variables);
    says(reason(&out), &["raxla's tuned engine needs a C++ compiler once", "`apt-get install g++`"]);
    let named = run(LINUX, &[variables[0], variables[1], ("CXX", Path::new("no-such-compiler"))]);
    says(reason(&named), &["no-such-compiler"]);
    // macOS has no other engine.
    says(reason(&run("aarch64-apple-darwin", &variables[..1])), &["needs a C++ compiler"]);
}

#[test]
fn an_engine_that_there_is_not_is_an_error() {
    let out = run(LINUX, &[("RAXLA_CPU_ENGINE", Path::new("fast"))]);
    says(&out, &["cargo::error=RAXLA_CPU_ENGINE: \"fast\" is no engine of raxla's: wheel or tuned"]);
    let out = run("aarch64-apple-darwin", &[("RAXLA_CPU_ENGINE", Path::new("wheel"))]);
    says(&out, &["cargo::error=RAXLA_CPU_ENGINE: there is no wheel for aarch64-apple-darwin"]);
}

#[test]
fn a_machine_that_no_xla_is_published_for_is_told_so() {
    let cache = directory("riscv");
    let out = run("riscv64gc-unknown-linux-gnu", &[("XDG_CACHE_HOME", &cache)]);
    says(
        reason(&out),
        &["no XLA for the CPU of riscv64gc-unknown-linux-gnu is published", "set RAXLA_CPU_PLUGIN"],
    );
}

#[test]
fn an_unpacked_xla_must_be_one() {
    let xla = directory("extension");
    let extension = |more: &[(&str, &Path)]| {
        run(
            LINUX,
            &[&[("XLA_EXTENSION_DIR", xla.as_path()), ("XDG_CACHE_HOME", xla.as_path())], more].concat(),
        )
    };
    says(
        &extension(&[]),
        &["cargo::error=XLA_EXTENSION_DIR=", "found no lib/libxla_extension.so, nor libtensorflow_cc.so.2"],
    );
    fs::create_dir_all(xla.join("lib")).unwrap();
    fs::write(xla.join("lib/libxla_extension.so"), "").unwrap();
    says(&extension(&[]), &["found no include/xla/pjrt/pjrt_client.h"]);
    fs::create_dir_all(xla.join("include/xla/pjrt")).unwrap();
    fs::write(xla.join("include/xla/pjrt/pjrt_client.h"), "").unwrap();
    says(&extension(&[]), &["needs a C++ compiler"]);
    program(&xla, "c++", "[ \"$1\" = --version ] || { echo pjrt_client.h has no PjRtClient >&2; exit 1; }");
    let out = extension(&[("PATH", &xla)]);
    says(
        &out,
        &[
            "cargo::error=XLA_EXTENSION_DIR=",
            "the C++ compiler failed",
            "cargo::error=pjrt_client.h has no PjRtClient",
        ],
    );
}

/// With a compiler that writes down what it is asked for; a real one takes two minutes, and CI has it do so.
#[test]
fn an_unpacked_xla_is_compiled_against_once() {
    let xla = directory("extension-once");
    for file in
        ["lib/libtensorflow_cc.so.2", "lib/libtensorflow_framework.so.2", "include/xla/pjrt/pjrt_client.h"]
    {
        fs::create_dir_all(xla.join(file).parent().unwrap()).unwrap();
        fs::write(xla.join(file), "").unwrap();
    }
    let compiler = "[ \"$1\" = --version ] && exit 0\necho \"$@\" >> \"$LOG\"\n\
                    while [ $# -gt 0 ]; do case $1 in -o) : > \"$2\";; -MF) : > \"$2\";; esac; shift; done";
    program(&xla, "c++", compiler);
    let log = xla.join("log");
    let variables =
        [("XLA_EXTENSION_DIR", xla.as_path()), ("XDG_CACHE_HOME", &xla), ("PATH", &xla), ("LOG", &log)];
    let out = run(LINUX, &variables);
    let built =
        out.lines().find_map(|line| line.strip_prefix("cargo::rustc-env=RAXLA_BUILT_CPU_PLUGIN=")).unwrap();
    assert!(Path::new(built).exists() && built.contains("/extension-"), "{built}");
    assert_eq!(run(LINUX, &variables), out);
    let asked = fs::read_to_string(&log).unwrap();
    assert_eq!(asked.lines().count(), 1, "compiled once: {asked}");
    let include = format!("-I {}", xla.join("include").display());
    let library = xla.join("lib/libtensorflow_cc.so.2").display().to_string();
    let rpath = format!("-Wl,-rpath,{}", xla.join("lib").display());
    says(&asked, &[&include, &library, &rpath, "xla_extension/src/plugin.cc"]);
    // Another library in the same place is another engine.
    fs::write(xla.join("lib/libtensorflow_cc.so.2"), "newer").unwrap();
    assert_ne!(run(LINUX, &variables), out);
}
