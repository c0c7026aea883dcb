//! Wheels, by pip or uv; and the default engine, which is one: `xla-cpu-pjrt`, OpenXLA's own CPU plugin.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::cache;
use crate::report::{Failure, Outcome, absent, last_line, progress, tail};

/// A file of a package registry, pinned.
pub struct Wheel {
    pub requirement: &'static str,
    pub platform: &'static str,
    pub sha256: &'static str,
    /// What is downloaded, for people to read.
    pub download: &'static str,
    /// Megabytes that are needed while it is unpacked, the file itself included.
    pub megabytes: u64,
}

const PLUGIN: &str = "xla_cpu_pjrt.so";

/// The ready plugin for a target, where there is one.
pub fn ready(target: &str) -> Option<Wheel> {
    let wheel = |platform, sha256, download| Wheel {
        requirement: "xla-cpu-pjrt==0.0.1",
        platform,
        sha256,
        download,
        megabytes: 350,
    };
    match target {
        "x86_64-unknown-linux-gnu" => Some(wheel(
            "manylinux_2_27_x86_64",
            "55837b6b7b47daa717f2d9a5a03563ea0ceaa338d06a81a1e2d3f060d960decc",
            "63 MB",
        )),
        "aarch64-unknown-linux-gnu" => Some(wheel(
            "manylinux_2_27_aarch64",
            "8f613be6e891858f40d64f9799319502fff42689661944fc18a6ffd8210b30c9",
            "50 MB",
        )),
        _ => None,
    }
}

/// The ready plugin's file, below the cache.
pub fn place(target: &str) -> PathBuf {
    Path::new(&format!("xla-cpu-pjrt-0.0.1-{target}")).join(PLUGIN)
}

/// The ready plugin, fetched if it is not there.
pub fn prepare(wheel: &Wheel, target: &str) -> Outcome<PathBuf> {
    let cache = cache::directory()?;
    let plugin = cache.join(place(target));
    if plugin.exists() {
        return Ok(plugin);
    }
    let _lock = cache::lock(&cache)?;
    // Another build may have brought it while this one waited.
    if plugin.exists() {
        return Ok(plugin);
    }
    cache::remove_leftovers(&cache);
    let parts = [
        ("xla_plugins/xla_cpu_pjrt/xla_cpu_pjrt.so", PLUGIN),
        ("xla_plugins/xla_cpu_pjrt/include/pjrt_c_api.h", "include/xla/pjrt/c/pjrt_c_api.h"),
    ];
    let started = Instant::now();
    let staging = fetch(wheel, &cache, &parts)?;
    let io = |e: std::io::Error| Failure::Absent(format!("could not write {}: {e}", cache.display()));
    cache::make_old(&staging.join(PLUGIN)).map_err(io)?;
    let engine = plugin.parent().unwrap_or(&cache);
    // Of one that somebody has emptied.
    let _ = fs::remove_dir_all(engine);
    fs::rename(&staging, engine).map_err(io)?;
    progress(&format!("the CPU plugin is in {} ({} s)", engine.display(), started.elapsed().as_secs()));
    Ok(plugin)
}

/// Unpacks `parts` of the wheel, each from a file (or, with a slash at its end, a directory) to a path below a new directory of
/// the cache, which it returns; to be called under the lock.
pub fn fetch(wheel: &Wheel, cache: &Path, parts: &[(&str, &str)]) -> Outcome<PathBuf> {
    let python = python(wheel)?;
    let staging = cache.join(format!("staging-{}", std::process::id()));
    fs::create_dir_all(&staging)
        .map_err(|e| Failure::Absent(format!("could not write {}: {e}", cache.display())))?;
    progress(&format!(
        "downloading XLA for the CPU: {} ({}, once for this user; needs {} MB of disk while unpacking)",
        wheel.requirement, wheel.download, wheel.megabytes
    ));
    let mut command = Command::new(&python[0]);
    command.args(&python[1..]).arg("xla_extension/fetch.py");
    command
        .args([wheel.requirement, wheel.sha256, wheel.platform, &wheel.megabytes.to_string()])
        .arg(&staging);
    command.args(parts.iter().map(|(from, to)| format!("{from}={to}")));
    let output = command.output().map_err(|e| Failure::Absent(format!("could not run {python:?}: {e}")))?;
    if output.status.success() {
        return Ok(staging);
    }
    let _ = fs::remove_dir_all(&staging);
    // See fetch.py.
    let (what, remedy) = match output.status.code() {
        Some(3) => (
            "what pip downloaded is not the file that raxla knows".to_owned(),
            "With the index of PyPI".to_owned(),
        ),
        Some(4) => ("could not unpack what pip downloaded".to_owned(), "When that is mended".to_owned()),
        Some(5) => (
            format!("there is too little disk in {}", cache.display()),
            format!("With {} MB, or another XDG_CACHE_HOME,", wheel.megabytes),
        ),
        _ => (
            "could not download it through pip".to_owned(),
            "With network access, or an index that pip is configured for,".to_owned(),
        ),
    };
    absent(format!(
        "raxla needs XLA for the CPU, from {}, and {what}, so it has no CPU plugin. {remedy} build again after `cargo clean -p \
         raxla`; or set RAXLA_CPU_PLUGIN to a PJRT CPU plugin.\n{}",
        wheel.requirement,
        tail(&output.stderr)
    ))
}

/// A command that runs Python with pip.
fn python(wheel: &Wheel) -> Outcome<Vec<OsString>> {
    let commands: [&[&str]; 3] =
        [&["python3"], &["python"], &["uv", "run", "--no-project", "--quiet", "--with", "pip", "python"]];
    let mut tried = String::new();
    for command in commands {
        let mut probe = Command::new(command[0]);
        // `:=` in fetch.py needs 3.8.
        let check = "import sys, pip; sys.version_info < (3, 8) and sys.exit('too old: ' + sys.version)";
        match probe.args(&command[1..]).args(["-c", check]).output() {
            Ok(output) if output.status.success() => return Ok(command.iter().map(OsString::from).collect()),
            Ok(output) => tried.push_str(&format!("\n{}: {}", command[0], last_line(&output.stderr))),
            Err(_) => {}
        }
    }
    absent(format!(
        "raxla downloads XLA for the CPU once, {} of {}, through pip or uv, and found neither `python3 -m pip` (of Python 3.8 or \
         later) nor a `uv` that works: install one (`apt-get install python3-pip`, `dnf install python3-pip`, `brew install \
         uv`) and build again after `cargo clean -p raxla`; or set RAXLA_CPU_PLUGIN to a PJRT CPU plugin{tried}",
        wheel.download, wheel.requirement
    ))
}
