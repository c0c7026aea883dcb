//! The user's cache of engines. A directory appears under its name by one rename when it is complete, so an interruption leaves
//! nothing broken; all that changes it happens under one lock.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::report::{Failure, Outcome, absent, progress, variable};

/// `~/.cache/raxla/xla_extension`, made if need be. `src/pjrt/search.rs` looks in the same place.
pub fn directory() -> Outcome<PathBuf> {
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
pub fn lock(cache: &Path) -> Outcome<File> {
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
pub fn remove_leftovers(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("staging-") || name.contains(".tmp-") {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

/// Cargo runs the script again when a file that it names is newer than the script's last start, as one that it makes would be.
pub fn make_old(path: &Path) -> std::io::Result<()> {
    let yesterday = SystemTime::now() - Duration::from_secs(24 * 60 * 60);
    File::options().write(true).open(path)?.set_modified(yesterday)
}

/// Fowler–Noll–Vo 1a: names a directory, guards against nothing.
pub struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    pub fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    pub fn hex(&self) -> String {
        format!("{:016x}", self.0)
    }
}
