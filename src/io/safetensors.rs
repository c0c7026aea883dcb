//! The format safetensors: eight bytes that say how long the header is, the header in JSON, the arrays' bytes.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use ::safetensors::tensor::{Metadata, TensorInfo};
use ::safetensors::{Dtype, View};
use sha2::{Digest, Sha256};

use super::names::named_leaves;
use super::write::{failed, write_whole};
use crate::arguments::options;
use crate::core::array::Array;
use crate::dtype::DType;
use crate::error::{Result, bail, caller, err};
use crate::tree::{self, Pytree};

/// The metadata that [`save`] writes.
const DIGEST: &str = "raxla.sha256";
const STRUCTURE: &str = "raxla.structure";
/// Longer headers are those of no file that anybody wrote.
const MAX_HEADER: u64 = 100_000_000;

const DTYPES: [(DType, Dtype); 14] = [
    (DType::Bool, Dtype::BOOL),
    (DType::I8, Dtype::I8),
    (DType::I16, Dtype::I16),
    (DType::I32, Dtype::I32),
    (DType::I64, Dtype::I64),
    (DType::U8, Dtype::U8),
    (DType::U16, Dtype::U16),
    (DType::U32, Dtype::U32),
    (DType::U64, Dtype::U64),
    (DType::BF16, Dtype::BF16),
    (DType::F16, Dtype::F16),
    (DType::F32, Dtype::F32),
    (DType::F64, Dtype::F64),
    (DType::C64, Dtype::C64),
];

/// An array's bytes on the host.
struct Bytes {
    dtype: Dtype,
    shape: Vec<usize>,
    data: Vec<u8>,
}

impl View for &Bytes {
    fn dtype(&self) -> Dtype {
        self.dtype
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.data)
    }
    fn data_len(&self) -> usize {
        self.data.len()
    }
}

/// Writes a tree of arrays to a file. Whenever it is interrupted, the file that was there or the new one is there, whole.
///
/// The file carries a digest of its contents, which [`load`] checks, and the tree's structure.
///
/// # Errors
/// `Io` if it can't be written; `complex128`, which the format lacks; what an array's computation failed with.
#[track_caller]
pub fn save<T: Pytree>(path: impl AsRef<Path>, tree: &T) -> Result<()> {
    let here = caller();
    save_to(path.as_ref(), tree).map_err(|e| e.at(here))
}

fn save_to<T: Pytree>(path: &Path, tree: &T) -> Result<()> {
    let mut arrays = BTreeMap::new();
    for (name, array) in named_leaves(tree)? {
        let Some(&(_, dtype)) = DTYPES.iter().find(|(own, _)| *own == array.dtype()) else {
            bail!(DType, "save: {name} is {}, which safetensors files have no type for", array.aval())
        };
        arrays.insert(name, Bytes { dtype, shape: array.shape().to_vec(), data: array.to_bytes()? });
    }
    let mut digest = Digester::new();
    arrays.iter().for_each(|(name, x)| digest.array(name, x.dtype, &x.shape, &x.data));
    let info = HashMap::from([
        (DIGEST.to_owned(), digest.finish()),
        (STRUCTURE.to_owned(), tree::structure(tree).to_string()),
    ]);
    write_whole(path, |part| {
        ::safetensors::serialize_to_file(&arrays, Some(info), part).map_err(std::io::Error::other)
    })
}

/// What the digest is of: every array's name, dtype, shape and bytes, in the order of the names.
struct Digester(Sha256);

impl Digester {
    fn new() -> Self {
        Digester(Sha256::new())
    }
    fn array(&mut self, name: &str, dtype: Dtype, shape: &[usize], data: &[u8]) {
        // The debug form quotes the name, so that no two lists of arrays read the same.
        self.0.update(format!("{name:?} {dtype:?} {shape:?} "));
        self.0.update(data);
    }
    fn finish(self) -> String {
        self.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
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
/// # Errors
/// `Io` if the file can't be read, is none of the format, is cut off or damaged; `TreeMismatch` with what is missing, unexpected, or
/// of another shape or dtype, by name; another static value in the structure.
#[track_caller]
pub fn load<T: Pytree>(path: impl AsRef<Path>, like: &T) -> Result<T> {
    load_with(path, like, LoadOptions::new())
}

/// [`load`] of a part: of a model into another that has some of its layers.
///
/// # Errors
/// As [`load`].
#[track_caller]
pub fn load_with<T: Pytree>(path: impl AsRef<Path>, like: &T, options: LoadOptions) -> Result<T> {
    let here = caller();
    load_from(path.as_ref(), like, &options).map_err(|e| e.at(here))
}

fn load_from<T: Pytree>(path: &Path, like: &T, options: &LoadOptions) -> Result<T> {
    let mut file = Reader::open(path)?;
    let leaves = named_leaves(like)?;
    let mut problems = Vec::new();
    for (name, leaf) in &leaves {
        match file.tensors.get(name) {
            None if !options.allow_missing => problems.push(format!("missing: {name}, {}", leaf.aval())),
            Some(info) if info.shape != leaf.shape() || dtype_of(info) != Some(leaf.dtype()) => {
                problems.push(format!("{name} is {}, expected {}", described(info), leaf.aval()));
            }
            _ => {}
        }
    }
    if !options.allow_unexpected {
        let known: BTreeSet<&str> = leaves.iter().map(|(name, _)| name.as_str()).collect();
        let others = file.tensors.iter().filter(|(name, _)| !known.contains(name.as_str()));
        problems.extend(others.map(|(name, info)| format!("unexpected: {name}, {}", described(info))));
    }
    let structure = tree::structure(like);
    if problems.is_empty()
        && let Some(saved) = file.info(STRUCTURE).filter(|saved| *saved != structure.to_string())
        && !options.allow_missing
        && !options.allow_unexpected
    {
        problems.push(format!("the file's structure is {saved}, expected {structure}"));
    }
    if !problems.is_empty() {
        bail!(TreeMismatch, "{} does not fit:\n  {}", path.display(), problems.join("\n  "));
    }
    let mut arrays = file.read_all()?;
    let loaded = leaves.into_iter().map(|(name, leaf)| arrays.remove(&name).unwrap_or(leaf));
    tree::unflatten(&structure, loaded)
}

/// All arrays of a file, by name: of one that another program wrote.
///
/// # Errors
/// `Io` if the file can't be read, is none of the format, is cut off or damaged; a dtype that raxla lacks.
#[track_caller]
pub fn load_named(path: impl AsRef<Path>) -> Result<BTreeMap<String, Array>> {
    let here = caller();
    Reader::open(path.as_ref()).and_then(|mut file| file.read_all()).map_err(|e| e.at(here))
}

fn dtype_of(info: &TensorInfo) -> Option<DType> {
    DTYPES.iter().find(|(_, theirs)| *theirs == info.dtype).map(|(own, _)| *own)
}

/// As an aval is printed.
fn described(info: &TensorInfo) -> String {
    let dtype =
        dtype_of(info).map_or_else(|| format!("{:?}", info.dtype), |dtype| dtype.short_name().to_owned());
    let sizes: Vec<String> = info.shape.iter().map(usize::to_string).collect();
    format!("{dtype}[{}]", sizes.join(","))
}

/// An open file, whose header was read.
struct Reader<'a> {
    path: &'a Path,
    file: File,
    /// Where the arrays begin.
    start: u64,
    tensors: BTreeMap<String, TensorInfo>,
    info: HashMap<String, String>,
}

impl<'a> Reader<'a> {
    fn open(path: &'a Path) -> Result<Reader<'a>> {
        let unreadable = |e: std::io::Error| failed("could not read", path, &e);
        let mut file = File::open(path).map_err(unreadable)?;
        let len = file.metadata().map_err(unreadable)?.len();
        let mut size = [0; 8];
        if len < 8 {
            bail!(Io, "{} is no safetensors file: it has {len} bytes", path.display());
        }
        file.read_exact(&mut size).map_err(unreadable)?;
        let size = u64::from_le_bytes(size);
        if size > MAX_HEADER || size > len - 8 {
            bail!(
                Io,
                "{} is no safetensors file, or is cut off: its header would have {size} bytes, the file has {len}",
                path.display()
            );
        }
        let mut header = vec![0; size as usize];
        file.read_exact(&mut header).map_err(unreadable)?;
        let metadata: Metadata = serde_json::from_slice(&header)
            .map_err(|e| err!(Io, "{} is no safetensors file: its header: {e}", path.display()))?;
        let start = 8 + size;
        if metadata.data_len() as u64 != len - start {
            bail!(
                Io,
                "{} is cut off or damaged: its arrays have {} bytes, and there are {}",
                path.display(),
                metadata.data_len(),
                len - start
            );
        }
        let tensors = metadata.tensors().into_iter().map(|(name, info)| (name, info.clone())).collect();
        let info = metadata.metadata().clone().unwrap_or_default();
        Ok(Reader { path, file, start, tensors, info })
    }

    fn info(&self, key: &str) -> Option<&str> {
        self.info.get(key).map(String::as_str)
    }

    /// Every array, one after the other, so that the host holds one at a time.
    fn read_all(&mut self) -> Result<BTreeMap<String, Array>> {
        let mut digest = Digester::new();
        let mut arrays = BTreeMap::new();
        for (name, info) in &self.tensors {
            let (from, to) = info.data_offsets;
            let mut data = vec![0; to - from];
            let read = self
                .file
                .seek(SeekFrom::Start(self.start + from as u64))
                .and_then(|_| self.file.read_exact(&mut data));
            read.map_err(|e| failed("could not read", self.path, &e))?;
            digest.array(name, info.dtype, &info.shape, &data);
            let Some(dtype) = dtype_of(info) else {
                bail!(
                    DType,
                    "{}: {name} is {}, a dtype that raxla lacks",
                    self.path.display(),
                    described(info)
                )
            };
            arrays.insert(name.clone(), Array::from_bytes(&data, dtype, &info.shape)?);
        }
        match self.info(DIGEST) {
            Some(saved) if saved != digest.finish() => {
                bail!(Io, "{} is damaged: its digest is another than that of its arrays", self.path.display())
            }
            _ => Ok(arrays),
        }
    }
}
