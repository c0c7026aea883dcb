//! IDX, the format of MNIST: two zeros, the element type, the number of axes, the sizes, the elements; all big-endian.

use std::fs::File;
use std::io::{BufReader, Cursor, Read};
use std::path::Path;

use flate2::read::GzDecoder;

use super::host::{HostBuffer, described};
use crate::dtype::DType;
use crate::error::{Result, bail, caller, err};

/// An array from a file in the format of MNIST, compressed by gzip or not.
///
/// ```no_run
/// use raxla::data::{self, InMemory};
///
/// let images = data::read_idx("train-images-idx3-ubyte.gz")?; // u8[60000,28,28]
/// let labels = data::read_idx("train-labels-idx1-ubyte.gz")?; // u8[60000]
/// let table = InMemory::<(data::HostBuffer, u8)>::from_columns([images, labels])?;
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `Io` if the file can't be read, is none of the format, or is cut off.
#[track_caller]
pub fn read_idx(path: impl AsRef<Path>) -> Result<HostBuffer> {
    let here = caller();
    read(path.as_ref()).map_err(|e| e.at(here))
}

fn read(path: &Path) -> Result<HostBuffer> {
    let unreadable = |e: std::io::Error| err!(Io, "could not read {}: {e}", path.display());
    let mut file = BufReader::new(File::open(path).map_err(unreadable)?);
    let mut magic = Vec::new();
    file.by_ref().take(2).read_to_end(&mut magic).map_err(unreadable)?;
    let compressed = magic == [0x1f, 0x8b];
    let whole = Cursor::new(magic).chain(file);
    let mut contents: Box<dyn Read> =
        if compressed { Box::new(GzDecoder::new(whole)) } else { Box::new(whole) };
    // Of as many bytes as there are: a header may say anything.
    let mut take = |n: usize| -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        contents.by_ref().take(n as u64).read_to_end(&mut bytes).map_err(unreadable)?;
        Ok(bytes)
    };
    let head = take(4)?;
    let [0, 0, kind, axes] = head[..] else {
        bail!(
            Io,
            "{} is no IDX file: it does not begin with two zeros, a type and a number of axes",
            path.display()
        )
    };
    let dtype = match kind {
        0x08 => DType::U8,
        0x09 => DType::I8,
        0x0b => DType::I16,
        0x0c => DType::I32,
        0x0d => DType::F32,
        0x0e => DType::F64,
        other => bail!(Io, "{} is no IDX file: it has no type {other:#04x}", path.display()),
    };
    let sizes = take(4 * usize::from(axes))?;
    if sizes.len() < 4 * usize::from(axes) {
        bail!(Io, "{} is cut off: its header says {axes} sizes", path.display());
    }
    let shape: Vec<usize> =
        sizes.chunks_exact(4).map(|s| u32::from_be_bytes([s[0], s[1], s[2], s[3]]) as usize).collect();
    let size = shape.iter().try_fold(dtype.size(), |n, size| n.checked_mul(*size));
    let Some(size) = size.filter(|size| *size < usize::MAX) else {
        bail!(Io, "{} is no IDX file: no memory holds {}", path.display(), described(dtype, &shape))
    };
    // One more, to see whether there is more.
    let mut bytes = take(size + 1)?;
    if bytes.len() != size {
        let what = if bytes.len() < size { "is cut off" } else { "has more than its header says" };
        let found = if bytes.len() < size { format!("has {}", bytes.len()) } else { "has more".to_owned() };
        bail!(
            Io,
            "{} {what}: {} has {size} bytes, and the file {found}",
            path.display(),
            described(dtype, &shape)
        );
    }
    bytes.chunks_exact_mut(dtype.size()).for_each(<[u8]>::reverse);
    Ok(HostBuffer::owned(dtype, shape, bytes))
}
