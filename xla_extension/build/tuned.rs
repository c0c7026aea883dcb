//! The tuned engine: the plugin of `xla_extension/src`, compiled here over the XLA inside TensorFlow's wheel, or over one that the
//! user has unpacked (`XLA_EXTENSION_DIR`).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::cache::{self, Fnv};
use crate::report::{Failure, Outcome, absent, progress, tail, variable};
use crate::wheel::{self, Wheel};

/// XLA's headers warn at length.
const FLAGS: [&str; 8] =
    ["-std=c++17", "-O2", "-DNDEBUG", "-fPIC", "-fvisibility=hidden", "-w", "-shared", "-s"];
const VERSION: &str = "2.21.0";

/// TensorFlow's wheel and the names of its libraries; the first is the one that the other belongs to.
struct Source {
    wheel: Wheel,
    libraries: [&'static str; 2],
}

fn source(target: &str) -> Option<Source> {
    const LINUX: [&str; 2] = ["libtensorflow_cc.so.2", "libtensorflow_framework.so.2"];
    let source = |requirement, platform, sha256, libraries| Source {
        wheel: Wheel { requirement, platform, sha256, download: "about 270 MB", megabytes: 1500 },
        libraries,
    };
    match target {
        "x86_64-unknown-linux-gnu" => Some(source(
            "tensorflow-cpu==2.21.0",
            "manylinux_2_27_x86_64",
            "2b847d217b02ee7731ed91431daf3250daa0196c3c94614d23be27232e6e5b6c",
            LINUX,
        )),
        // Untried: the wheel exists, nobody has built the plugin against it. There, `tensorflow` is CPU only.
        "aarch64-unknown-linux-gnu" => Some(source(
            "tensorflow==2.21.0",
            "manylinux_2_27_aarch64",
            "4b24aca16d527a3cf1c37f720c04c484c3d20f4d0fdfa98632ac8b9f3be6eb5c",
            LINUX,
        )),
        // Untried, as above.
        "aarch64-apple-darwin" => Some(source(
            "tensorflow==2.21.0",
            "macosx_12_0_arm64",
            "51f46f4806139d01fc7920cc72a4c75876f80649bf40ff083ab6212ceb43ca88",
            ["libtensorflow_cc.2.dylib", "libtensorflow_framework.2.dylib"],
        )),
        _ => None,
    }
}

fn plugin_file(target: &str) -> &'static str {
    if target.contains("apple") { "pjrt_c_api_cpu_plugin.dylib" } else { "pjrt_c_api_cpu_plugin.so" }
}

/// Where XLA is unpacked for a target, below the cache.
pub fn engine(target: &str) -> PathBuf {
    PathBuf::from(format!("{VERSION}-{target}"))
}

/// The plugin's file, below the cache, where the target has one.
pub fn place(target: &str) -> Option<PathBuf> {
    source(target)?;
    Some(engine(target).join(format!("plugin-{}", source_hash().ok()?)).join(plugin_file(target)))
}

/// The plugin, compiled if it is not there, against an XLA that is fetched if that is not there.
pub fn prepare(target: &str) -> Outcome<PathBuf> {
    let Some(Source { wheel, libraries }) = source(target) else {
        return absent(format!(
            "no XLA for the CPU of {target} is published: set RAXLA_CPU_PLUGIN to a PJRT CPU plugin, or XLA_EXTENSION_DIR \
             to an XLA with include/ and lib/"
        ));
    };
    let cache = cache::directory()?;
    let engine = cache.join(engine(target));
    let directory = engine.join(format!("plugin-{}", hash()?));
    let plugin = directory.join(plugin_file(target));
    let names = libraries;
    let libraries = names.map(|name| engine.join("lib").join(name));
    for path in &libraries {
        // Builds it again if someone empties the cache.
        println!("cargo::rerun-if-changed={}", path.display());
    }
    let has_libraries = || libraries.iter().all(|path| path.exists());
    let complete = || has_libraries() && plugin.exists();
    if complete() {
        return Ok(plugin);
    }
    let _lock = cache::lock(&cache)?;
    // Another build may have made it while this one waited.
    if complete() {
        return Ok(plugin);
    }
    cache::remove_leftovers(&cache);
    cache::remove_leftovers(&engine);
    let compiler = compiler()?;
    let mut fresh = !has_libraries();
    if fresh {
        fetch(&wheel, names, &cache, &engine)?;
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
            plugin: plugin_file(target),
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
                fetch(&wheel, names, &cache, &engine)
                    .map_err(|fetching| Failure::Absent(format!("{e}\n{}", fetching.reason())))?;
            }
            Err(e) => return absent(e),
        }
    }
}

/// The plugin, compiled against `include/` and `lib/` of an XLA that the user has.
pub fn against(xla: &Path, target: &str) -> Outcome<PathBuf> {
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
    let cache = cache::directory()?;
    let _lock = cache::lock(&cache)?;
    let directory = cache.join(format!("extension-{}-{}", key.hex(), hash()?));
    let plugin = directory.join(plugin_file(target));
    if !plugin.exists() {
        let job = Job {
            compiler: &compiler().map_err(|e| named(e.reason()))?,
            include: &xla.join("include"),
            libraries: &libraries,
            rpath: &lib.display().to_string(),
            directory: &directory,
            plugin: plugin_file(target),
        };
        compile(&job).map_err(named)?;
    }
    Ok(plugin)
}

/// Brings XLA's headers and libraries into `engine`.
fn fetch(wheel: &Wheel, libraries: [&str; 2], cache: &Path, engine: &Path) -> Outcome<()> {
    let io = |e: std::io::Error| Failure::Absent(format!("could not write {}: {e}", cache.display()));
    let [first, second] = libraries.map(|name| (format!("tensorflow/{name}"), format!("lib/{name}")));
    let parts = [(&*first.0, &*first.1), (&*second.0, &*second.1), ("tensorflow/include/", "include")];
    let staging = wheel::fetch(wheel, cache, &parts)?;
    for library in libraries {
        cache::make_old(&staging.join("lib").join(library)).map_err(io)?;
    }
    if !engine.exists() {
        fs::rename(&staging, engine).map_err(io)?;
    } else {
        // Programs may be running from libraries that are there.
        fs::create_dir_all(engine.join("lib")).map_err(io)?;
        for library in libraries.map(|name| Path::new("lib").join(name)) {
            if !engine.join(&library).exists() {
                fs::rename(staging.join(&library), engine.join(&library)).map_err(io)?;
            }
        }
        let _ = fs::remove_dir_all(engine.join("include"));
        fs::rename(staging.join("include"), engine.join("include")).map_err(io)?;
        let _ = fs::remove_dir_all(&staging);
    }
    progress(&format!("XLA is in {}", engine.display()));
    Ok(())
}

struct Job<'a> {
    compiler: &'a [String],
    include: &'a Path,
    libraries: &'a [PathBuf],
    rpath: &'a str,
    /// Where the plugin goes; it does not exist yet.
    directory: &'a Path,
    plugin: &'a str,
}

/// Compiles the plugin and gives the headers of `include` that it needed.
fn compile(job: &Job) -> Result<BTreeSet<PathBuf>, String> {
    let io = |e: std::io::Error| format!("could not write {}: {e}", job.directory.display());
    let started = Instant::now();
    progress("compiling the CPU plugin (one to two minutes, once for this user)");
    let staging = job.directory.with_extension(format!("tmp-{}", std::process::id()));
    fs::create_dir_all(&staging).map_err(io)?;
    let source = fs::canonicalize("xla_extension").map_err(io)?;

    let include = |path: &str| job.include.join(path);
    let mut command = Command::new(&job.compiler[0]);
    command.args(&job.compiler[1..]).args(FLAGS);
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
    if !job.plugin.ends_with("dylib") {
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
    cache::make_old(&target).map_err(io)?;
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

/// The command of a C++ compiler, `CXX` or the first that works, or why there is none.
fn compiler() -> Outcome<Vec<String>> {
    let named = variable("CXX").map(|command| command.to_string_lossy().into_owned());
    let candidates =
        named.map_or_else(|| ["c++", "g++", "clang++"].map(str::to_owned).to_vec(), |command| vec![command]);
    for candidate in &candidates {
        let words: Vec<String> = candidate.split_whitespace().map(str::to_owned).collect();
        let Some((program, arguments)) = words.split_first() else { continue };
        let works = Command::new(program).args(arguments).arg("--version").output();
        if works.is_ok_and(|output| output.status.success()) {
            return Ok(words);
        }
    }
    absent(format!(
        "raxla's tuned engine needs a C++ compiler once, and found none that works ({}): install one (`apt-get install g++`, `dnf install \
         gcc-c++`, `xcode-select --install`) or name it in CXX, and build again after `cargo clean -p raxla`",
        candidates.join(", ")
    ))
}

fn hash() -> Outcome<String> {
    source_hash().map_err(|e| Failure::Absent(format!("could not read xla_extension/: {e}")))
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
    Ok(hash.hex())
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
