//! Saving and loading trees, whatever the format.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use super::contents::{Contents, Entry};
use super::names::named_leaves;
use super::npy::{self, Npy};
use super::npz::{self, Npz};
use super::safetensors::{self, Safetensors};
use super::write::{failed, write_whole};
use crate::arguments::options;
use crate::core::array::Array;
use crate::dtype::DType;
use crate::error::{Result, bail, caller};
use crate::lax::convert;
use crate::tree::{self, Pytree};

/// An open file of arrays, of which it is known what it holds.
pub(super) trait ArrayFile {
    fn entries(&self) -> BTreeMap<String, Entry>;
    /// The structure of the tree that was saved, where the format has a place for it.
    fn structure(&self) -> Option<&str>;
    /// The arrays of these names, one after the other, so that the host holds one at a time. Nothing is read of the others.
    fn read(&mut self, wanted: &dyn Fn(&str) -> Wanted) -> Result<BTreeMap<String, Array>>;
}

/// What to do with an array of a file.
#[derive(Clone, Copy)]
pub(super) enum Wanted {
    No,
    /// Read it.
    Yes,
    /// Read it as this dtype, if the file does not say which it is.
    As(DType),
}

impl Wanted {
    pub fn is_read(self) -> bool {
        !matches!(self, Wanted::No)
    }
}

#[derive(Clone, Copy)]
enum Format {
    Safetensors,
    Npz,
    Npy,
}

impl Format {
    /// What a file of this name is to be.
    fn of(path: &Path) -> Format {
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        match extension.as_str() {
            "npz" => Format::Npz,
            "npy" => Format::Npy,
            _ => Format::Safetensors,
        }
    }
}

/// What an open file is: its first bytes say so, else its name.
fn open(path: &Path) -> Result<Box<dyn ArrayFile>> {
    let unreadable = |e: std::io::Error| failed("could not read", path, &e);
    let mut file = File::open(path).map_err(unreadable)?;
    let mut first = Vec::new();
    (&mut file).take(6).read_to_end(&mut first).and_then(|_| file.rewind()).map_err(unreadable)?;
    let format = match first.as_slice() {
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Format::Npz,
        npy::MAGIC => Format::Npy,
        _ => Format::of(path),
    };
    Ok(match format {
        Format::Safetensors => Box::new(Safetensors::open(path, file)?),
        Format::Npz => Box::new(Npz::open(path, file)?),
        Format::Npy => Box::new(Npy::open(path, file)?),
    })
}

/// The array of which a file has these bytes.
pub(super) fn array(path: &Path, name: &str, entry: &Entry, wanted: Wanted, data: &[u8]) -> Result<Array> {
    match (&entry.dtype, wanted) {
        (Ok(dtype), _) => Array::from_bytes(data, *dtype, &entry.shape),
        (Err(_), Wanted::As(dtype)) if entry.is_nameless() => Array::from_bytes(data, dtype, &entry.shape),
        (Err(_), _) if entry.is_nameless() => bail!(
            DType,
            "{}: {name} is {entry}: NumPy's format has no name for floats of eight bits and integers of four, so the file \
             does not say which it is: load takes the dtype of `like`",
            path.display()
        ),
        (Err(_), _) => bail!(DType, "{}: {name} is {entry}, a dtype that raxla lacks", path.display()),
    }
}

options! {
    /// Options of [`save_with`].
    pub struct SaveOptions {
        /// Is an npz file compressed, as by `numpy.savez_compressed`?
        compressed: value bool = false,
    }
}

/// Writes a tree of arrays to a file. Whenever it is interrupted, the file that was there or the new one is there, whole.
///
/// A name that ends in `.npz` or `.npy` (of a tree with one array) makes a file of NumPy's; any other, one of the format safetensors,
/// which carries a digest of each array, which [`load`] checks, and the tree's structure. The same tree gives the same bytes.
///
/// # Errors
/// `Io` if it can't be written; `complex128` in a safetensors file, which lacks it; several arrays in an npy file; what an array's
/// computation failed with.
#[track_caller]
pub fn save<T: Pytree>(path: impl AsRef<Path>, tree: &T) -> Result<()> {
    save_with(path, tree, SaveOptions::new())
}

/// [`save`] with options.
///
/// # Errors
/// As [`save`]; `compressed` of a file that is not npz.
#[track_caller]
pub fn save_with<T: Pytree>(path: impl AsRef<Path>, tree: &T, options: SaveOptions) -> Result<()> {
    let (here, path) = (caller(), path.as_ref());
    Contents::of(tree).and_then(|contents| save_to(path, &contents, &options)).map_err(|e| e.at(here))
}

fn save_to(path: &Path, contents: &Contents, options: &SaveOptions) -> Result<()> {
    let format = Format::of(path);
    if options.compressed && !matches!(format, Format::Npz) {
        bail!(InvalidArgument, "save: {} can't be compressed: only an npz file can", path.display());
    }
    match format {
        Format::Safetensors => safetensors::check(contents)?,
        Format::Npy => npy::check(path, contents)?,
        Format::Npz => {}
    }
    write_whole(path, |part| match format {
        Format::Safetensors => safetensors::write(contents, part),
        Format::Npz => npz::write(contents, options.compressed, part),
        Format::Npy => npy::write(contents, part),
    })
}

options! {
    /// Options of [`load_with`].
    pub struct LoadOptions {
        /// Do arrays that the file lacks stay what they are?
        allow_missing: value bool = false,
        /// Are arrays that the tree lacks passed over?
        allow_unexpected: value bool = false,
    }
}

/// The tree that [`save`] wrote, of the structure, shapes and dtypes of `like`; of `like` nothing else matters.
///
/// What the file begins with says which format it has.
///
/// # Errors
/// `Io` if the file can't be read, is none of the format, is cut off or damaged; `TreeMismatch` with what is missing, unexpected, or
/// of another shape or dtype, by name; another static value in the structure, which NumPy's files lack.
#[track_caller]
pub fn load<T: Pytree>(path: impl AsRef<Path>, like: &T) -> Result<T> {
    load_with(path, like, LoadOptions::new())
}

/// [`load`] of a part: of a model into another that has some of its layers. Of arrays that the tree lacks nothing is read.
///
/// # Errors
/// As [`load`].
#[track_caller]
pub fn load_with<T: Pytree>(path: impl AsRef<Path>, like: &T, options: LoadOptions) -> Result<T> {
    let here = caller();
    load_from(path.as_ref(), like, &options).map_err(|e| e.at(here))
}

pub(super) fn load_from<T: Pytree>(path: &Path, like: &T, options: &LoadOptions) -> Result<T> {
    let mut file = open(path)?;
    let leaves = named_leaves(like)?;
    let known: BTreeMap<&str, DType> = leaves.iter().map(|(name, x)| (name.as_str(), x.dtype())).collect();
    let entries = file.entries();
    let mut problems = Vec::new();
    for (name, leaf) in &leaves {
        match entries.get(name) {
            None if !options.allow_missing => problems.push(format!("missing: {name}, {}", leaf.aval())),
            Some(entry) if !entry.fits(leaf) => {
                problems.push(format!("{name} is {entry}, expected {}", leaf.aval()));
            }
            _ => {}
        }
    }
    if !options.allow_unexpected {
        let others = entries.iter().filter(|(name, _)| !known.contains_key(name.as_str()));
        problems.extend(others.map(|(name, entry)| format!("unexpected: {name}, {entry}")));
    }
    let structure = tree::structure(like);
    if problems.is_empty()
        && let Some(saved) = file.structure().filter(|saved| *saved != structure.to_string())
        && !options.allow_missing
        && !options.allow_unexpected
    {
        problems.push(format!("the file's structure is {saved}, expected {structure}"));
    }
    if !problems.is_empty() {
        bail!(TreeMismatch, "{} does not fit:\n  {}", path.display(), problems.join("\n  "));
    }
    let mut arrays = file.read(&|name| known.get(name).map_or(Wanted::No, |dtype| Wanted::As(*dtype)))?;
    let loaded = leaves.iter().map(|(name, leaf)| match arrays.remove(name) {
        // Files know of no weak types, and what a program computes depends on them.
        Some(array) if leaf.weak_type() => convert(&array, leaf.dtype(), true),
        Some(array) => array,
        None => leaf.clone(),
    });
    tree::unflatten(&structure, loaded)
}

/// All arrays of a file, by name: of one that another program wrote. The array of an npy file is called `value`.
///
/// # Errors
/// `Io` if the file can't be read, is none of the format, is cut off or damaged; a dtype that raxla lacks.
#[track_caller]
pub fn load_named(path: impl AsRef<Path>) -> Result<BTreeMap<String, Array>> {
    let here = caller();
    open(path.as_ref()).and_then(|mut file| file.read(&|_| Wanted::Yes)).map_err(|e| e.at(here))
}

/// The array of a file that holds one: of an npy file. JAX: `jax.numpy.load`.
///
/// # Errors
/// As [`load_named`]; another number of arrays.
#[track_caller]
pub fn load_array(path: impl AsRef<Path>) -> Result<Array> {
    let (here, path) = (caller(), path.as_ref());
    let one = |mut arrays: BTreeMap<String, Array>| match (arrays.len(), arrays.pop_first()) {
        (1, Some((_, array))) => Ok(array),
        (n, _) => bail!(InvalidArgument, "load_array: {} has {n} arrays: use load_named", path.display()),
    };
    open(path).and_then(|mut file| file.read(&|_| Wanted::Yes)).and_then(one).map_err(|e| e.at(here))
}
