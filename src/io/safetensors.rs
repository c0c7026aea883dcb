//! The format safetensors: eight bytes that say how long the header is, the header in JSON, the arrays' bytes.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use ::safetensors::tensor::{Metadata, TensorInfo};
use ::safetensors::{Dtype, View};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::contents::{Contents, Entry, HostArray};
use super::file::{ArrayFile, Wanted};
use super::write::failed;
use crate::core::array::Array;
use crate::dtype::{DType, pack, unpack};
use crate::error::{Error, Result, bail, err};

/// The metadata that raxla writes, as JSON: a digest of each array by its name, and the tree's structure. It is one entry, since the
/// format's crate writes several in an order of chance, and files of the same tree are to be the same.
const OURS: &str = "raxla";
const DIGESTS: &str = "sha256";
const STRUCTURE: &str = "structure";
/// Longer headers are those of no file that anybody wrote.
const MAX_HEADER: u64 = 100_000_000;

const DTYPES: [(DType, Dtype); 20] = [
    (DType::Bool, Dtype::BOOL),
    (DType::I8, Dtype::I8),
    (DType::I16, Dtype::I16),
    (DType::I32, Dtype::I32),
    (DType::I64, Dtype::I64),
    (DType::U8, Dtype::U8),
    (DType::U16, Dtype::U16),
    (DType::U32, Dtype::U32),
    (DType::U64, Dtype::U64),
    (DType::F4E2M1FN, Dtype::F4),
    (DType::F8E4M3FN, Dtype::F8_E4M3),
    (DType::F8E4M3FNUZ, Dtype::F8_E4M3FNUZ),
    (DType::F8E5M2, Dtype::F8_E5M2),
    (DType::F8E5M2FNUZ, Dtype::F8_E5M2FNUZ),
    (DType::F8E8M0FNU, Dtype::F8_E8M0),
    (DType::BF16, Dtype::BF16),
    (DType::F16, Dtype::F16),
    (DType::F32, Dtype::F32),
    (DType::F64, Dtype::F64),
    (DType::C64, Dtype::C64),
];

/// An array with its type in the file, and its bytes there.
struct Typed<'a>(Dtype, &'a HostArray, Cow<'a, [u8]>);

impl View for &Typed<'_> {
    fn dtype(&self) -> Dtype {
        self.0
    }
    fn shape(&self) -> &[usize] {
        &self.1.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.2)
    }
    fn data_len(&self) -> usize {
        self.2.len()
    }
}

fn typed<'a>(contents: &'a Contents) -> Result<BTreeMap<&'a str, Typed<'a>>> {
    let typed = contents.arrays.iter().map(|(name, x)| {
        let Some(&(_, dtype)) = DTYPES.iter().find(|(own, _)| *own == x.dtype) else {
            bail!(DType, "save: {name} is {}, which safetensors files have no type for", x.entry())
        };
        if x.dtype.is_sub_byte() && x.data.len() % 2 != 0 {
            bail!(DType, "save: {name} is {}, of which safetensors files hold even numbers", x.entry())
        }
        Ok((name.as_str(), Typed(dtype, x, packed(x))))
    });
    typed.collect()
}

/// The bytes of an array in a file, where two elements of four bits share one.
fn packed(x: &HostArray) -> Cow<'_, [u8]> {
    if !x.dtype.is_sub_byte() {
        return Cow::Borrowed(&x.data);
    }
    let mut bytes = vec![0; x.dtype.packed_size(x.data.len())];
    pack(&x.data, x.dtype, &mut bytes);
    Cow::Owned(bytes)
}

/// The array of which a file has these bytes.
fn array(path: &Path, name: &str, info: &TensorInfo, data: &[u8]) -> Result<Array> {
    let entry = entry(info);
    let elements = match entry.dtype {
        Ok(dtype) if dtype.is_sub_byte() => Cow::Owned(unpack(data, dtype, entry.shape.iter().product())),
        _ => Cow::Borrowed(data),
    };
    super::file::array(path, name, &entry, Wanted::Yes, &elements)
}

/// # Errors
/// A dtype that the format lacks: `complex128`, integers of four bits, some floats of eight.
pub(super) fn check(contents: &Contents) -> Result<()> {
    typed(contents).map(|_| ())
}

pub(super) fn write(contents: &Contents, path: &Path) -> Result<()> {
    let arrays = typed(contents)?;
    let digests: BTreeMap<&str, String> = arrays
        .iter()
        .map(|(name, Typed(dtype, x, data))| (*name, digest(name, *dtype, &x.shape, data)))
        .collect();
    let ours = json!({ DIGESTS: digests, STRUCTURE: contents.structure });
    let info = HashMap::from([(OURS.to_owned(), ours.to_string())]);
    ::safetensors::serialize_to_file(&arrays, Some(info), path)
        .map_err(|e| failed("could not write", path, &std::io::Error::other(e)))
}

/// The digest of an array's name, dtype, shape and bytes.
fn digest(name: &str, dtype: Dtype, shape: &[usize], data: &[u8]) -> String {
    let mut sha = Sha256::new();
    // The debug form quotes the name, so that no two arrays read the same.
    sha.update(format!("{name:?} {dtype:?} {shape:?} "));
    sha.update(data);
    sha.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An open file, whose header was read.
pub(super) struct Safetensors {
    path: PathBuf,
    file: File,
    /// Where the arrays begin.
    start: u64,
    tensors: BTreeMap<String, TensorInfo>,
    /// What raxla wrote, if it did; else null.
    ours: Value,
}

impl Safetensors {
    pub fn open(path: &Path, mut file: File) -> Result<Safetensors> {
        let unreadable = |e: std::io::Error| failed("could not read", path, &e);
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
        let ours = match metadata.metadata().as_ref().and_then(|info| info.get(OURS)) {
            Some(ours) => serde_json::from_str(ours).map_err(|e| damaged(path, &e.to_string()))?,
            None => Value::Null,
        };
        let file = Safetensors { path: path.to_owned(), file, start, tensors, ours };
        if let Some(digests) = file.digests() {
            let gone = digests.keys().find(|name| !file.tensors.contains_key(*name));
            if let Some(name) = gone.or_else(|| file.tensors.keys().find(|name| !digests.contains_key(*name)))
            {
                return Err(damaged(path, &format!("{name} has an array or a digest, and not both")));
            }
        }
        Ok(file)
    }

    fn digests(&self) -> Option<&Map<String, Value>> {
        self.ours[DIGESTS].as_object()
    }
}

fn damaged(path: &Path, reason: &str) -> Error {
    err!(Io, "{} is damaged: {reason}", path.display())
}

fn entry(info: &TensorInfo) -> Entry {
    let dtype = DTYPES.iter().find(|(_, theirs)| *theirs == info.dtype).map(|(own, _)| *own);
    Entry { dtype: dtype.ok_or_else(|| format!("{:?}", info.dtype)), shape: info.shape.clone() }
}

impl ArrayFile for Safetensors {
    fn entries(&self) -> BTreeMap<String, Entry> {
        self.tensors.iter().map(|(name, info)| (name.clone(), entry(info))).collect()
    }

    fn structure(&self) -> Option<&str> {
        self.ours[STRUCTURE].as_str()
    }

    fn read(&mut self, wanted: &dyn Fn(&str) -> Wanted) -> Result<BTreeMap<String, Array>> {
        let mut arrays = BTreeMap::new();
        for (name, info) in self.tensors.iter().filter(|(name, _)| wanted(name).is_read()) {
            let (from, to) = info.data_offsets;
            let mut data = vec![0; to - from];
            let read = (&self.file)
                .seek(SeekFrom::Start(self.start + from as u64))
                .and_then(|_| (&self.file).read_exact(&mut data));
            read.map_err(|e| failed("could not read", &self.path, &e))?;
            if let Some(saved) = self.digests().map(|digests| &digests[name])
                && *saved != digest(name, info.dtype, &info.shape, &data)
            {
                return Err(damaged(
                    &self.path,
                    &format!("the digest of {name} is another than the file says"),
                ));
            }
            arrays.insert(name.clone(), array(&self.path, name, info, &data)?);
        }
        Ok(arrays)
    }
}
