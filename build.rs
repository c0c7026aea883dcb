//! Finds or builds the CPU plugin and tells the crate where it is (`RAXLA_BUILT_CPU_PLUGIN`), or else why there is none
//! (`RAXLA_NO_CPU_PLUGIN`). Never fails a build for want of one, unless the user named an XLA that does not work. It takes
//!
//! 1. `RAXLA_CPU_PLUGIN=/path/to/pjrt_c_api_cpu_plugin.so`, a ready plugin of anyone's;
//! 2. `XLA_EXTENSION_DIR=/path`, an unpacked XLA with `include/` and `lib/`, against which it compiles the plugin;
//! 3. the user's cache, if the plugin is there;
//! 4. TensorFlow's wheel, which pip (or uv) brings once; it compiles the plugin against that.
//!
//! `RAXLA_SKIP_ENGINE=1` stops it before 3, for jobs that only check or lint.
//!
//! The cache, by default `~/.cache/raxla/xla_extension`:
//!
//! ```text
//! .lock                           held by the one build that changes anything below
//! 2.21.0-x86_64-unknown-linux-gnu/
//!   lib/                          XLA's libraries, from the wheel
//!   include/                      those of its headers that the plugin includes
//!   plugin-0123456789abcdef/      the plugin, by the hash of its sources
//! ```
//!
//! A directory appears under its name by one rename when it is complete, so an interruption leaves nothing broken.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Component, Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

#[cfg(feature = "bindgen")]
#[path = "xla_extension/bindgen/generate.rs"]
mod bindings;

/// The wheel that carries XLA for a target.
struct Wheel {
    requirement: &'static str,
    platform: &'static str,
    sha256: &'static str,
    /// The first is the one that the other belongs to.
    libraries: [&'static str; 2],
    plugin: &'static str,
}

/// XLA's headers warn at length.
const FLAGS: [&str; 7] = ["-std=c++17", "-DNDEBUG", "-fPIC", "-fvisibility=hidden", "-w", "-shared", "-s"];
const VERSION: &str = "2.21.0";
const LINUX_LIBRARIES: [&str; 2] = ["libtensorflow_cc.so.2", "libtensorflow_framework.so.2"];
const LINUX_PLUGIN: &str = "pjrt_c_api_cpu_plugin.so";
const MACOS_PLUGIN: &str = "pjrt_c_api_cpu_plugin.dylib";

fn wheel(target: &str) -> Option<Wheel> {
    match target {
        "x86_64-unknown-linux-gnu" => Some(Wheel {
            requirement: "tensorflow-cpu==2.21.0",
            platform: "manylinux_2_27_x86_64",
            sha256: "2b847d217b02ee7731ed91431daf3250daa0196c3c94614d23be27232e6e5b6c",
            libraries: LINUX_LIBRARIES,
            plugin: LINUX_PLUGIN,
        }),
        // Untried: the wheel exists, nobody has built the plugin against it. There, `tensorflow` is CPU only.
        "aarch64-unknown-linux-gnu" => Some(Wheel {
            requirement: "tensorflow==2.21.0",
            platform: "manylinux_2_27_aarch64",
            sha256: "4b24aca16d527a3cf1c37f720c04c484c3d20f4d0fdfa98632ac8b9f3be6eb5c",
            libraries: LINUX_LIBRARIES,
            plugin: LINUX_PLUGIN,
        }),
        // Untried, as above.
        "aarch64-apple-darwin" => Some(Wheel {
            requirement: "tensorflow==2.21.0",
            platform: "macosx_12_0_arm64",
            sha256: "51f46f4806139d01fc7920cc72a4c75876f80649bf40ff083ab6212ceb43ca88",
            libraries: ["libtensorflow_cc.2.dylib", "libtensorflow_framework.2.dylib"],
            plugin: MACOS_PLUGIN,
        }),
        _ => None,
    }
}

/// Why there is no plugin.
enum Failure {
    /// Reported as a warning: the crate builds, and loading the CPU platform says this again.
    Absent(String),
    /// The user named an XLA, and it does not work.
    Named(String),
}

impl Failure {
    fn reason(self) -> String {
        match self {
            Failure::Absent(reason) | Failure::Named(reason) => reason,
        }
    }
}

type Outcome<T> = Result<T, Failure>;

fn absent<T>(reason: impl Into<String>) -> Outcome<T> {
    Err(Failure::Absent(reason.into()))
}

fn main() {
    for path in ["build.rs", "xla_extension/src", "xla_extension/stubs", "xla_extension/exports.map"] {
        println!("cargo::rerun-if-changed={path}");
    }
    println!("cargo::rerun-if-changed=xla_extension/fetch.py");
    let variables =
        ["RAXLA_CPU_PLUGIN", "XLA_EXTENSION_DIR", "RAXLA_SKIP_ENGINE", "XDG_CACHE_HOME", "DOCS_RS"];
    for variable in variables {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    if variable("DOCS_RS").is_some() {
        return;
    }
    match plugin() {
        Ok(path) => {
            println!("cargo::rustc-env=RAXLA_BUILT_CPU_PLUGIN={}", path.display());
            if variable("RAXLA_CPU_PLUGIN").is_none() {
                println!("cargo::rustc-env=RAXLA_CPU_PLUGIN_IS_OURS=1");
                println!("cargo::rerun-if-changed={}", path.display());
            }
        }
        Err(Failure::Absent(reason)) => {
            for line in reason.lines() {
                println!("cargo::warning={line}");
            }
            println!("cargo::rustc-env=RAXLA_NO_CPU_PLUGIN={}", reason.replace('\n', " "));
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

fn plugin() -> Outcome<PathBuf> {
    if let Some(path) = variable("RAXLA_CPU_PLUGIN") {
        return Ok(PathBuf::from(path));
    }
    let hash = source_hash().map_err(|e| Failure::Absent(format!("could not read xla_extension/: {e}")))?;
    if let Some(directory) = variable("XLA_EXTENSION_DIR") {
        return against_named_xla(Path::new(&directory), &hash);
    }
    if variable("RAXLA_SKIP_ENGINE").is_some() {
        return absent("RAXLA_SKIP_ENGINE was set when raxla was built, so it has no CPU plugin");
    }
    let target = env::var("TARGET").unwrap_or_default();
    let Some(wheel) = wheel(&target) else {
        return absent(format!(
            "no XLA for the CPU of {target} is published: set RAXLA_CPU_PLUGIN to a PJRT CPU plugin, or \
             XLA_EXTENSION_DIR to an XLA with include/ and lib/"
        ));
    };
    let cache = cache_dir()?;
    let engine = cache.join(format!("{VERSION}-{target}"));
    let directory = engine.join(format!("plugin-{hash}"));
    let plugin = directory.join(wheel.plugin);
    let libraries = wheel.libraries.map(|name| engine.join("lib").join(name));
    for path in &libraries {
        // Builds it again if someone empties the cache.
        println!("cargo::rerun-if-changed={}", path.display());
    }
    let has_libraries = || libraries.iter().all(|path| path.exists());
    let complete = || has_libraries() && plugin.exists();
    if complete() {
        return Ok(plugin);
    }
    let _lock = lock(&cache)?;
    // Another build may have made it while this one waited.
    if complete() {
        return Ok(plugin);
    }
    remove_leftovers(&cache);
    remove_leftovers(&engine);
    let compiler = compiler()?;
    let mut fresh = !has_libraries();
    if fresh {
        fetch(&wheel, &cache, &engine)?;
        if complete() {
            return Ok(plugin);
        }
    }
    loop {
        let job = Job {
            compiler: &compiler,
            include: &engine.join("include"),
            libraries: &libraries,
            // Relative, so that the cache can be moved and mounted elsewhere.
            rpath: if target.contains("apple") { "@loader_path/../lib" } else { "$ORIGIN/../lib" },
            directory: &directory,
            plugin: wheel.plugin,
        };
        match compile(&job) {
            Ok(used) => {
                prune(&engine.join("include"), &used);
                return Ok(plugin);
            }
            // An edited source may include a header that was pruned.
            Err(e) if !fresh && (e.contains("No such file") || e.contains("file not found")) => {
                progress(&format!("{e}\nraxla: trying again with all of XLA's headers"));
                fresh = true;
                fetch(&wheel, &cache, &engine)
                    .map_err(|fetching| Failure::Absent(format!("{e}\n{}", fetching.reason())))?;
            }
            Err(e) => return absent(e),
        }
    }
}

/// Compiles the plugin against `include/` and `lib/` of an XLA that the user has.
fn against_named_xla(xla: &Path, hash: &str) -> Outcome<PathBuf> {
    let named = |reason: String| Failure::Named(format!("XLA_EXTENSION_DIR={}: {reason}", xla.display()));
    let library = |name: &str| {
        let suffixes = ["so", "so.2", "dylib", "2.dylib"];
        let files = suffixes.iter().map(|suffix| format!("{name}.{suffix}"));
        files.flat_map(|file| [xla.join("lib").join(&file), xla.join(file)]).find(|path| path.exists())
    };
    let libraries: Vec<PathBuf> = ["libxla_extension", "libtensorflow_cc", "libtensorflow_framework"]
        .into_iter()
        .filter_map(library)
        .collect();
    let Some(lib) = libraries.first().and_then(|path| path.parent()) else {
        return Err(named("found no lib/libxla_extension.so, nor libtensorflow_cc.so.2".to_owned()));
    };
    if !xla.join("include/xla/pjrt/pjrt_client.h").exists() {
        return Err(named("found no include/xla/pjrt/pjrt_client.h".to_owned()));
    }
    let mut key = Fnv::default();
    key.write(xla.as_os_str().as_encoded_bytes());
    for library in &libraries {
        // Another XLA in the same place wants another plugin.
        let state = fs::metadata(library).and_then(|file| Ok((file.len(), file.modified()?)));
        key.write(format!("{library:?} {:?}", state.ok()).as_bytes());
        println!("cargo::rerun-if-changed={}", library.display());
    }
    let cache = cache_dir()?;
    let _lock = lock(&cache)?;
    let directory = cache.join(format!("extension-{:016x}-{hash}", key.0));
    let apple = env::var("TARGET").is_ok_and(|target| target.contains("apple"));
    let file = if apple { MACOS_PLUGIN } else { LINUX_PLUGIN };
    let plugin = directory.join(file);
    if !plugin.exists() {
        let job = Job {
            compiler: &compiler()?,
            include: &xla.join("include"),
            libraries: &libraries,
            rpath: &lib.display().to_string(),
            directory: &directory,
            plugin: file,
        };
        compile(&job).map_err(named)?;
    }
    Ok(plugin)
}

/// Brings XLA's headers and libraries into `engine`.
fn fetch(wheel: &Wheel, cache: &Path, engine: &Path) -> Outcome<()> {
    let python = python()?;
    let staging = cache.join(format!("staging-{}", std::process::id()));
    let io = |e: std::io::Error| Failure::Absent(format!("could not write {}: {e}", cache.display()));
    fs::create_dir_all(&staging).map_err(io)?;
    let started = Instant::now();
    progress(&format!(
        "downloading XLA for the CPU: {} (about 270 MB, once for this user; needs 1.5 GB of disk while unpacking)",
        wheel.requirement
    ));
    let mut command = Command::new(&python[0]);
    command.args(&python[1..]).arg("xla_extension/fetch.py");
    command.args([wheel.requirement, wheel.sha256, wheel.platform, &wheel.libraries.join(",")]).arg(&staging);
    let output = command.output().map_err(|e| Failure::Absent(format!("could not run {python:?}: {e}")))?;
    if !output.status.success() {
        let _ = fs::remove_dir_all(&staging);
        // See fetch.py.
        let (what, remedy) = match output.status.code() {
            Some(3) => ("what pip downloaded is not the file that raxla knows", "With pip's own index"),
            Some(4) => ("could not unpack what pip downloaded", "With 2 GB of free disk"),
            _ => ("could not download it through pip", "With network access (or a pip index configured)"),
        };
        return absent(format!(
            "raxla needs XLA for the CPU, from {}, and {what}, so it has no CPU plugin. {remedy} build again after `cargo \
             clean -p raxla`; or set RAXLA_CPU_PLUGIN or XLA_EXTENSION_DIR.\n{}",
            wheel.requirement,
            tail(&output.stderr)
        ));
    }
    for library in wheel.libraries {
        make_old(&staging.join("lib").join(library)).map_err(io)?;
    }
    if !engine.exists() {
        fs::rename(&staging, engine).map_err(io)?;
    } else {
        // Programs may be running from libraries that are there.
        fs::create_dir_all(engine.join("lib")).map_err(io)?;
        for library in wheel.libraries.map(|name| Path::new("lib").join(name)) {
            if !engine.join(&library).exists() {
                fs::rename(staging.join(&library), engine.join(&library)).map_err(io)?;
            }
        }
        let _ = fs::remove_dir_all(engine.join("include"));
        fs::rename(staging.join("include"), engine.join("include")).map_err(io)?;
        let _ = fs::remove_dir_all(&staging);
    }
    progress(&format!("XLA is in {} ({} s)", engine.display(), started.elapsed().as_secs()));
    Ok(())
}

struct Job<'a> {
    compiler: &'a cc::Tool,
    include: &'a Path,
    libraries: &'a [PathBuf],
    rpath: &'a str,
    directory: &'a Path,
    plugin: &'a str,
}

/// Compiles the plugin into `job.directory`; returns the headers that it used.
fn compile(job: &Job) -> Result<BTreeSet<PathBuf>, String> {
    let io = |e: std::io::Error| format!("could not write {}: {e}", job.directory.display());
    let started = Instant::now();
    progress("compiling the CPU plugin (one to two minutes, once for this user)");
    let staging = job.directory.with_extension(format!("tmp-{}", std::process::id()));
    fs::create_dir_all(&staging).map_err(io)?;
    let source = fs::canonicalize("xla_extension").map_err(io)?;

    let include = |path: &str| job.include.join(path);
    let mut command = job.compiler.to_command();
    command.args(FLAGS);
    // In this order: the stubs stand in for headers that the wheel has but that need LLVM's.
    for directory in [source.join("stubs"), job.include.to_owned()] {
        command.arg("-I").arg(directory);
    }
    for external in ["highwayhash", "farmhash_archive/src", "stablehlo"] {
        command.arg("-I").arg(include(&format!("external/{external}")));
    }
    let target = staging.join(job.plugin);
    let headers = staging.join("headers.d");
    command.arg("-MMD").arg("-MF").arg(&headers).arg("-o").arg(&target);
    // It includes the other sources: XLA's headers take nearly all of the time.
    command.arg(source.join("src/plugin.cc"));
    command.args(job.libraries);
    command.arg(format!("-Wl,-rpath,{}", job.rpath));
    if job.plugin == LINUX_PLUGIN {
        // Bound when it is loaded: `quiet.cc` counts on that.
        command.arg("-Wl,-z,now");
        command.arg(format!("-Wl,--version-script={}", source.join("exports.map").display()));
    }
    let output = command.output().map_err(|e| format!("could not run {command:?}: {e}"))?;
    if !output.status.success() {
        let _ = fs::remove_dir_all(&staging);
        return Err(format!(
            "the C++ compiler failed on raxla's CPU plugin, so there is none:\n{}",
            tail(&output.stderr)
        ));
    }
    let used = fs::read_to_string(&headers).map_err(io)?;
    // Make's syntax: a backslash before a space of a name, and before each line's end.
    let used = used.replace("\\\n", " ").replace("\\ ", "\0");
    let used = used.split_whitespace().map(|name| PathBuf::from(name.replace('\0', " ")));
    let used = used.map(|path| without_parents(&path)).filter(|path| path.starts_with(job.include)).collect();
    let _ = fs::remove_file(&headers);
    make_old(&target).map_err(io)?;
    fs::rename(&staging, job.directory).map_err(io)?;
    progress(&format!(
        "the CPU plugin is in {} ({} s)",
        job.directory.display(),
        started.elapsed().as_secs()
    ));
    Ok(used)
}

/// `a/b/../c` as `a/c`, the name that `prune` meets it under.
fn without_parents(path: &Path) -> PathBuf {
    let mut short = PathBuf::new();
    for part in path.components() {
        if part == Component::ParentDir && short.file_name().is_some() {
            short.pop();
        } else {
            short.push(part);
        }
    }
    short
}

/// Cargo runs this script again when a file that it names is newer than the script's last start, as one that it makes would be.
fn make_old(path: &Path) -> std::io::Result<()> {
    let yesterday = SystemTime::now() - Duration::from_secs(24 * 60 * 60);
    File::options().write(true).open(path)?.set_modified(yesterday)
}

/// Removes every file below `directory` that is not in `used`: most of TensorFlow's 290 MB of headers.
fn prune(directory: &Path, used: &BTreeSet<PathBuf>) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            prune(&path, used);
            // Fails, as it should, unless the directory is empty now.
            let _ = fs::remove_dir(&path);
        } else if !used.contains(&path) {
            let _ = fs::remove_file(&path);
        }
    }
}

/// A C++ compiler, or why there is none.
fn compiler() -> Outcome<cc::Tool> {
    let remedy = "install one (`apt-get install g++`, `dnf install gcc-c++`, `xcode-select --install`) or name it in \
                  CXX, and build again after `cargo clean -p raxla`";
    let none = |e: String| {
        let why = "raxla needs a C++ compiler once, for its small CPU plugin, and found none";
        Failure::Absent(format!("{why} ({e}): {remedy}"))
    };
    // Not the profile's settings: one plugin serves every profile.
    let tool = cc::Build::new()
        .cpp(true)
        .opt_level(2)
        .debug(false)
        .warnings(false)
        .try_get_compiler()
        .map_err(|e| none(e.to_string()))?;
    match tool.to_command().arg("--version").output() {
        Ok(_) => Ok(tool),
        Err(e) => Err(none(format!("{}: {e}", tool.path().display()))),
    }
}

/// A command that runs Python with pip.
fn python() -> Outcome<Vec<OsString>> {
    let commands: [&[&str]; 3] =
        [&["python3"], &["python"], &["uv", "run", "--no-project", "--quiet", "--with", "pip", "python"]];
    let mut tried = String::new();
    for command in commands {
        let mut probe = Command::new(command[0]);
        // `:=` in fetch.py needs 3.8.
        let check = "import sys, pip; sys.exit(sys.version_info < (3, 8))";
        match probe.args(&command[1..]).args(["-c", check]).output() {
            Ok(output) if output.status.success() => return Ok(command.iter().map(OsString::from).collect()),
            Ok(output) => tried.push_str(&format!("\n{}: {}", command[0], last_line(&output.stderr))),
            Err(_) => {}
        }
    }
    absent(format!(
        "raxla downloads XLA for the CPU once, through pip or uv, and found neither `python3 -m pip` (of Python 3.8 or \
         later) nor a `uv` that works: install one (`apt-get install python3-pip`, `dnf install python3-pip`, `brew install \
         uv`) and build again after `cargo clean -p raxla`; or set RAXLA_CPU_PLUGIN to a PJRT CPU plugin, or \
         XLA_EXTENSION_DIR to an XLA with include/ and lib/{tried}"
    ))
}

fn cache_dir() -> Outcome<PathBuf> {
    let root = variable("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| env::home_dir().map(|home| home.join(".cache")));
    let Some(root) = root else {
        return absent("there is no home directory to keep the CPU plugin in: set XDG_CACHE_HOME");
    };
    let cache = root.join("raxla/xla_extension");
    match fs::create_dir_all(&cache) {
        Ok(()) => Ok(cache),
        Err(e) => absent(format!(
            "could not create {} for the CPU plugin: {e}; set XDG_CACHE_HOME to a directory that can be written",
            cache.display()
        )),
    }
}

/// Waits for other builds of this user. The lock goes with the file handle, also when the process is killed.
fn lock(cache: &Path) -> Outcome<File> {
    let path = cache.join(".lock");
    let open = || {
        let file = File::create(&path)?;
        if file.try_lock().is_err() {
            progress("waiting for another build that is preparing the CPU plugin");
            file.lock()?;
        }
        Ok(file)
    };
    open().map_err(|e: std::io::Error| Failure::Absent(format!("could not lock {}: {e}", path.display())))
}

/// What an interrupted build left; to be called under the lock.
fn remove_leftovers(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("staging-") || name.contains(".tmp-") {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

/// Says what is going on while it goes on. Cargo holds back all that a build script prints until it has ended, and shows
/// only warnings then; the terminal itself is the one way to a waiting user.
fn progress(message: &str) {
    // For `cargo build -vv` and for the log in the target directory.
    eprintln!("raxla: {message}");
    if let Ok(mut terminal) = File::options().write(true).open("/dev/tty") {
        // Cargo's progress bar is on this line; it draws itself again.
        let _ = write!(terminal, "\r\x1b[K       raxla {message}\r\n");
    }
}

fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

fn last_line(bytes: &[u8]) -> String {
    match String::from_utf8_lossy(bytes).lines().rfind(|line| !line.trim().is_empty()) {
        Some(line) => line.trim().to_owned(),
        None => "too old".to_owned(),
    }
}

fn tail(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}

/// A hash of everything that decides what the plugin is.
fn source_hash() -> std::io::Result<String> {
    let mut hash = Fnv::default();
    for flag in FLAGS {
        hash.write(flag.as_bytes());
    }
    hash.write(&fs::read("xla_extension/exports.map")?);
    for directory in ["xla_extension/src", "xla_extension/stubs"] {
        for file in files_below(Path::new(directory))? {
            hash.write(file.as_os_str().as_encoded_bytes());
            hash.write(&fs::read(&file)?);
        }
    }
    Ok(format!("{:016x}", hash.0))
}

/// Every file below `directory`, in one order on every machine.
fn files_below(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(files_below(&path)?);
        } else {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Fowler–Noll–Vo 1a: names a directory, guards against nothing.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

#[cfg(feature = "bindgen")]
fn regenerate_bindings() {
    println!("cargo::rerun-if-changed=xla_extension/bindgen/generate.rs");
    println!("cargo::rerun-if-env-changed=RAXLA_PJRT_HEADERS");
    let target = env::var("TARGET").unwrap_or_default();
    // The headers that the plugin is compiled with, if the user names none.
    let include = match (variable("RAXLA_PJRT_HEADERS"), variable("XLA_EXTENSION_DIR"), cache_dir()) {
        (Some(include), _, _) => Some(PathBuf::from(include)),
        (None, Some(xla), _) => Some(Path::new(&xla).join("include")),
        (None, None, Ok(cache)) => Some(cache.join(format!("{VERSION}-{target}/include"))),
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
