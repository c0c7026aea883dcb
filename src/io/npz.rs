//! NumPy's format of several arrays: a zip archive of npy files. NumPy: `numpy.savez`, `numpy.savez_compressed`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::contents::{Contents, Entry};
use super::file::{ArrayFile, Wanted, array};
use super::npy::{Header, write_array};
use super::write::failed;
use crate::core::array::Array;
use crate::error::{Error, Result, bail, err};

pub(super) fn write(contents: &Contents, compressed: bool, path: &Path) -> Result<()> {
    let method = if compressed { CompressionMethod::Deflated } else { CompressionMethod::Stored };
    let all = || -> std::io::Result<()> {
        let mut zip = ZipWriter::new(File::create(path)?);
        for (name, x) in &contents.arrays {
            // Larger ones say their size in 64 bits, which must be known before.
            let large = x.data.len() > u32::MAX as usize / 2;
            let options = SimpleFileOptions::DEFAULT.compression_method(method).large_file(large);
            zip.start_file(format!("{name}.npy"), options)?;
            write_array(x, &mut zip)?;
        }
        zip.finish()?;
        Ok(())
    };
    all().map_err(|e| failed("could not write", path, &e))
}

/// An open archive, of whose arrays the headers were read.
pub(super) struct Npz {
    path: PathBuf,
    zip: ZipArchive<BufReader<File>>,
    /// What each is in the archive.
    entries: BTreeMap<String, (usize, Entry)>,
}

impl Npz {
    pub fn open(path: &Path, file: File) -> Result<Npz> {
        let no_archive =
            |e: zip::result::ZipError| err!(Io, "{} is no npz file, or is cut off: {e}", path.display());
        let mut zip = ZipArchive::new(BufReader::new(file)).map_err(no_archive)?;
        let mut entries = BTreeMap::new();
        for index in 0..zip.len() {
            let mut file = zip.by_index(index).map_err(no_archive)?;
            let name = file.name().map_err(no_archive)?.into_owned();
            let Some(name) = name.strip_suffix(".npy") else {
                bail!(Io, "{} is no npz file: it holds {name}, which is no array", path.display())
            };
            let len = file.size();
            let header = Header::read(&mut file, len).map_err(|reason| damaged(path, name, &reason))?;
            if entries.insert(name.to_owned(), (index, header.entry)).is_some() {
                bail!(Io, "{}: two of its arrays are named {name}", path.display());
            }
        }
        Ok(Npz { path: path.to_owned(), zip, entries })
    }
}

fn damaged(path: &Path, name: &str, reason: impl std::fmt::Display) -> Error {
    err!(Io, "{}: {name} can't be read: {reason}", path.display())
}

impl ArrayFile for Npz {
    fn entries(&self) -> BTreeMap<String, Entry> {
        self.entries.iter().map(|(name, (_, entry))| (name.clone(), entry.clone())).collect()
    }

    fn structure(&self) -> Option<&str> {
        None
    }

    fn read(&mut self, wanted: &dyn Fn(&str) -> Wanted) -> Result<BTreeMap<String, Array>> {
        let mut arrays = BTreeMap::new();
        for (name, (index, entry)) in self.entries.iter().filter(|(name, _)| wanted(name).is_read()) {
            let mut file = self.zip.by_index(*index).map_err(|e| damaged(&self.path, name, e))?;
            let len = file.size();
            let header = Header::read(&mut file, len).map_err(|e| damaged(&self.path, name, e))?;
            let data = header.elements(&mut file).map_err(|e| damaged(&self.path, name, e))?;
            arrays.insert(name.clone(), array(&self.path, name, entry, wanted(name), &data)?);
        }
        Ok(arrays)
    }
}
