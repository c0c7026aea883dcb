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
pub(super) fn write_whole(path: &Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let part = beside(path);
    let all = || {
        write(&part)?;
        sync(&part).and_then(|()| put(&part, path)).map_err(|e| failed("could not write", path, &e))
    };
    all().inspect_err(|_| drop(fs::remove_file(&part)))
}

/// Waits until a file has reached the disk.
pub(super) fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Renames within one directory, and waits until that has reached the disk.
pub(super) fn put(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    let directory = to.parent().filter(|parent| !parent.as_os_str().is_empty());
    sync_directory(directory.unwrap_or(Path::new(".")))
}

/// Waits until the names in a directory have reached the disk. Where directories can't be opened, as on Windows, there is no way to ask.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path).map_or(Ok(()), |directory| directory.sync_all())
}

/// Another name in the same directory, so that renaming is one step.
fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.part", std::process::id()));
    path.with_file_name(name)
}
