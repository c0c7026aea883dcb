//! Compiled programs on disk, from one run of a process to the next. JAX: `compilation_cache.py`, `cache_key.py`.
//!
//! Off unless a directory is named, by [`config::set_compilation_cache_dir`](crate::config::set_compilation_cache_dir) or by the
//! environment variable `RAXLA_COMPILATION_CACHE_DIR`. Many processes may share one: an entry is written beside its place and
//! renamed. An entry that cannot be read is a miss, and one that cannot be written a warning: nothing that happens here makes a
//! compilation fail.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use sha2::{Digest, Sha256};

use crate::core::config;
use crate::error::Result;
use crate::pjrt::{Client, CompileOptions, Executable, Program};

/// An entry is a digest of the serialised executable, and the executable.
const DIGEST: usize = 32;

/// Compiles a module, or loads what compiling it gave an earlier process.
pub(crate) fn compile(client: &Client, text: &str, options: &CompileOptions) -> Result<Executable> {
    let Some(dir) = config::compilation_cache_dir() else {
        return client.compile(&Program::mlir_text(text), options);
    };
    let key = key(client, text, options);
    let path = dir.join(format!("{}-{key}", module_name(text)));
    if let Some(executable) = load(client, &path) {
        tracing::debug!(target: "raxla::compilation_cache", "hit: {}", path.display());
        return Ok(executable);
    }
    let started = Instant::now();
    let executable = client.compile(&Program::mlir_text(text), options)?;
    let took = started.elapsed();
    if took >= config::persistent_cache_min_compile_time() {
        match executable.serialize() {
            Ok(bytes) => match store(&dir, &path, &bytes) {
                Ok(()) => {
                    tracing::debug!(target: "raxla::compilation_cache", "stored after {took:?}: {}", path.display());
                }
                Err(e) => {
                    tracing::warn!(target: "raxla::compilation_cache", "not stored: {}: {e}", path.display());
                }
            },
            Err(e) => tracing::debug!(target: "raxla::compilation_cache", "not stored: {e}"),
        }
    }
    Ok(executable)
}

fn load(client: &Client, path: &Path) -> Option<Executable> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return None,
        Err(e) => {
            tracing::warn!(target: "raxla::compilation_cache", "not read: {}: {e}", path.display());
            return None;
        }
    };
    let whole = bytes.split_at_checked(DIGEST).filter(|(digest, rest)| Sha256::digest(rest)[..] == **digest);
    let loaded = match whole {
        Some((_, executable)) => client.deserialize_and_load(executable, None).map_err(|e| e.to_string()),
        None => Err("it is damaged".to_owned()),
    };
    match loaded {
        Ok(executable) => Some(executable),
        Err(e) => {
            tracing::warn!(target: "raxla::compilation_cache", "compiled anew: {}: {e}", path.display());
            None
        }
    }
}

fn store(dir: &Path, path: &Path, executable: &[u8]) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    let mut bytes = Sha256::digest(executable).to_vec();
    bytes.extend_from_slice(executable);
    let mut part = PathBuf::from(path);
    part.as_mut_os_string().push(format!(".{}.{:?}.part", std::process::id(), std::thread::current().id()));
    let written = fs::write(&part, &bytes).and_then(|()| fs::rename(&part, path));
    if written.is_err() {
        let _ = fs::remove_file(&part);
    }
    written
}

/// What the result of a compilation depends on: the program without the lines that it came from, the options, the compiler
/// and the machine.
fn key(client: &Client, text: &str, options: &CompileOptions) -> String {
    let mut hash = Sha256::new();
    let mut field = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    field(env!("CARGO_PKG_VERSION").as_bytes());
    field(client.compiler_identity().as_bytes());
    field(&options.encode());
    for line in text.lines().filter(|line| !line.starts_with("#loc")) {
        field(line.rsplit_once(" loc(#").map_or(line, |(operation, _)| operation).as_bytes());
    }
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

/// The name between `module @` and the next space.
fn module_name(text: &str) -> &str {
    let name = text.strip_prefix("module @").and_then(|rest| rest.split(' ').next());
    name.map_or("module", |name| &name[..name.len().min(60)])
}
