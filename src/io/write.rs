//! Files that are there whole or not at all.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result, err};

/// The error of a file, by its name.
pub(super) fn failed(doing: &str, path: &Path, e: &io::Error) -> Error {
    err!(Io, "{doing} {}: {e}", path.display())
}

/// Has `write` write a file beside `path`, has that reach the disk, and puts it in the place of the one that is there. Whenever the
/// process or the machine stops, there is the old file or the new one.
pub(super) fn write_whole(path: &Path, write: impl FnOnce(&Path) -> io::Result<()>) -> Result<()> {
    let part = beside(path);
    let all = || -> io::Result<()> {
        write(&part)?;
        File::open(&part)?.sync_all()?;
        fs::rename(&part, path)?;
        // The new name must reach the disk too. Where directories can't be opened, as on Windows, there is no way to ask.
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        if let Ok(directory) = File::open(directory.unwrap_or(Path::new("."))) {
            directory.sync_all()?;
        }
        Ok(())
    };
    all().map_err(|e| {
        let _ = fs::remove_file(&part);
        failed("could not write", path, &e)
    })
}

/// Another name in the same directory, so that renaming is one step.
fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.part", std::process::id()));
    path.with_file_name(name)
}
