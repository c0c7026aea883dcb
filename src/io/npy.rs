//! NumPy's format of one array: a magic number, the literal of a Python dictionary, the elements. NumPy: `numpy.lib.format`.
//!
//! Not the crate `npyz`: it multiplies a file's sizes without a check, takes as much memory as a header asks for, and parses its one
//! line by a grammar that needs a C compiler to build.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use super::contents::{Contents, Entry, HostArray, NAMELESS, is_nameless};
use super::file::{ArrayFile, Wanted, array};
use super::names::WHOLE;
use super::write::failed;
use crate::core::array::Array;
use crate::dtype::DType;
use crate::error::{Result, bail};

pub(super) const MAGIC: &[u8] = b"\x93NUMPY";

/// NumPy's name for a dtype, without the order of bytes. `V2` and `f1` are what `ml_dtypes` writes, and `V1`, which says less.
fn kind(dtype: DType) -> &'static str {
    match dtype {
        DType::Bool => "b1",
        DType::I8 => "i1",
        DType::I16 => "i2",
        DType::I32 => "i4",
        DType::I64 => "i8",
        DType::U8 => "u1",
        DType::U16 => "u2",
        DType::U32 => "u4",
        DType::U64 => "u8",
        DType::I2
        | DType::I4
        | DType::U2
        | DType::U4
        | DType::F4E2M1FN
        | DType::F8E3M4
        | DType::F8E4M3
        | DType::F8E4M3B11FNUZ
        | DType::F8E4M3FN
        | DType::F8E4M3FNUZ
        | DType::F8E5M2FNUZ
        | DType::F8E8M0FNU
        | DType::Float0 => NAMELESS,
        DType::F8E5M2 => "f1",
        DType::BF16 => "V2",
        DType::F16 => "f2",
        DType::F32 => "f4",
        DType::F64 => "f8",
        DType::C64 => "c8",
        DType::C128 => "c16",
    }
}

/// # Errors
/// Not one array.
pub(super) fn check(path: &Path, contents: &Contents) -> Result<()> {
    let n = contents.arrays.len();
    if n != 1 {
        let path = path.display();
        bail!(InvalidArgument, "save: {path} can hold one array, and the tree has {n}: end its name in .npz");
    }
    Ok(())
}

pub(super) fn write(contents: &Contents, path: &Path) -> Result<()> {
    let all = || {
        let mut out = BufWriter::new(File::create(path)?);
        contents.arrays.values().try_for_each(|x| write_array(x, &mut out))?;
        out.flush()
    };
    all().map_err(|e| failed("could not write", path, &e))
}

pub(super) fn write_array(x: &HostArray, out: &mut impl Write) -> std::io::Result<()> {
    let order =
        if x.dtype.size() == 1 && !x.dtype.is_small_float() && !x.dtype.is_sub_byte() { '|' } else { '<' };
    let kind = kind(x.dtype);
    let sizes: Vec<String> = x.shape.iter().map(usize::to_string).collect();
    let (sizes, end) = (sizes.join(", "), if sizes.len() == 1 { "," } else { "" });
    let header = format!("{{'descr': '{order}{kind}', 'fortran_order': False, 'shape': ({sizes}{end}), }}");
    // The elements begin at a multiple of 64.
    let width = (10 + header.len() + 1).next_multiple_of(64) - 11;
    out.write_all(MAGIC)?;
    // Sizes of as many axes as there can be fit into 16 bits.
    out.write_all(&[1, 0])?;
    out.write_all(&((width + 1) as u16).to_le_bytes())?;
    writeln!(out, "{header:width$}")?;
    out.write_all(&x.data)
}

/// What stands before the elements.
pub(super) struct Header {
    pub entry: Entry,
    big_endian: bool,
    fortran_order: bool,
}

/// Why bytes are no array.
type Reason = String;
const CUT_OFF: &str = "it is cut off in its header";

impl Header {
    /// Reads one from the start of `len` bytes, and checks that the rest are its elements.
    pub fn read(input: &mut impl Read, len: u64) -> std::result::Result<Header, Reason> {
        let mut start = [0; 8];
        let cut_off = |_| CUT_OFF.to_owned();
        if input.read_exact(&mut start).is_err() || !start.starts_with(MAGIC) {
            return Err("it does not begin as an npy file does".to_owned());
        }
        let mut size = [0; 4];
        let width = match start[6] {
            1 => 2,
            2 | 3 => 4,
            version => return Err(format!("it is of version {version} of the format, which is unknown")),
        };
        input.read_exact(&mut size[..width]).map_err(cut_off)?;
        let size = u64::from(u32::from_le_bytes(size));
        let rest = len.checked_sub(8 + width as u64 + size).ok_or(CUT_OFF)?;
        // What is not there takes no memory, whatever an archive says of its size.
        let mut text = Vec::new();
        input.take(size).read_to_end(&mut text).map_err(cut_off)?;
        if text.len() as u64 != size {
            return Err(CUT_OFF.to_owned());
        }
        let text = String::from_utf8_lossy(&text);
        let header = Literal(&text).header().ok_or_else(|| format!("its header is {:?}", text.trim()))?;
        if let Some(width) = header.width()
            && header.bytes(width) != Some(rest)
        {
            return Err(format!("it is cut off or damaged: {} does not have {rest} bytes", header.entry));
        }
        Ok(header)
    }

    /// How many bytes an element has, if that is known.
    fn width(&self) -> Option<usize> {
        self.entry.dtype.as_ref().map(|dtype| dtype.size()).ok().or(self.entry.is_nameless().then_some(1))
    }

    /// How many bytes elements of this width have, if there can be so many.
    fn bytes(&self, width: usize) -> Option<u64> {
        self.entry.shape.iter().try_fold(width as u64, |n, size| n.checked_mul(*size as u64))
    }

    /// The elements in row-major order, little-endian, of those that follow the header.
    pub fn elements(&self, input: &mut impl Read) -> std::io::Result<Vec<u8>> {
        let mut data = Vec::new();
        let Some(width) = self.width() else { return Ok(data) };
        let bytes = self.bytes(width).unwrap_or(u64::MAX);
        // Beyond the last one, because an archive checks its digest at its end.
        input.take(bytes.saturating_add(1)).read_to_end(&mut data)?;
        if data.len() as u64 != bytes {
            return Err(std::io::Error::new(ErrorKind::UnexpectedEof, "it is cut off or damaged"));
        }
        if self.big_endian {
            let is_complex = self.entry.dtype.as_ref().is_ok_and(|dtype| dtype.is_complex());
            let part = if is_complex { width / 2 } else { width };
            data.chunks_exact_mut(part).for_each(<[u8]>::reverse);
        }
        Ok(if self.fortran_order { row_major(&data, &self.entry.shape, width) } else { data })
    }
}

/// The elements in row-major order of those in column-major order.
fn row_major(data: &[u8], shape: &[usize], width: usize) -> Vec<u8> {
    let mut strides = Vec::with_capacity(shape.len());
    shape.iter().fold(width, |stride, size| {
        strides.push(stride);
        stride * size
    });
    let mut out = Vec::with_capacity(data.len());
    let (mut index, mut at) = (vec![0; shape.len()], 0);
    while out.len() < data.len() {
        out.extend_from_slice(&data[at..at + width]);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            at += strides[axis];
            if index[axis] < shape[axis] {
                break;
            }
            at -= strides[axis] * shape[axis];
            index[axis] = 0;
        }
    }
    out
}

/// What is left of a Python literal.
struct Literal<'a>(&'a str);

impl<'a> Literal<'a> {
    /// Is this what comes next? Then it is passed over.
    fn eat(&mut self, token: &str) -> bool {
        let rest = self.0.trim_start().strip_prefix(token);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn string(&mut self) -> Option<&'a str> {
        let quote = ["'", "\""].into_iter().find(|quote| self.eat(quote))?;
        let (text, rest) = self.0.split_once(quote)?;
        self.0 = rest;
        (!text.contains('\\')).then_some(text)
    }

    fn boolean(&mut self) -> Option<bool> {
        [("True", true), ("False", false)]
            .into_iter()
            .find_map(|(word, value)| self.eat(word).then_some(value))
    }

    fn sizes(&mut self) -> Option<Vec<usize>> {
        let end =
            [("(", ")"), ("[", "]")].into_iter().find_map(|(open, end)| self.eat(open).then_some(end))?;
        let mut sizes = Vec::new();
        while !self.eat(end) {
            self.0 = self.0.trim_start();
            let digits = self.0.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.0.len());
            let (number, rest) = self.0.split_at(digits);
            sizes.push(number.parse().ok()?);
            // Python 2 wrote `3L`.
            self.0 = rest.strip_prefix('L').unwrap_or(rest);
            if !self.eat(",") {
                return self.eat(end).then_some(sizes);
            }
        }
        Some(sizes)
    }

    /// The value of `descr`: a string, or a list for arrays of records, whose text ends where its brackets do.
    fn descr(&mut self) -> Option<String> {
        if !self.0.trim_start().starts_with('[') {
            return self.string().map(str::to_owned);
        }
        let (text, mut depth) = (self.0.trim_start(), 0usize);
        let end = text.find(|c| {
            depth = depth + usize::from(c == '[') - usize::from(c == ']');
            depth == 0
        })?;
        self.0 = &text[end + 1..];
        Some(text[..=end].to_owned())
    }

    fn header(&mut self) -> Option<Header> {
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        if !self.eat("{") {
            return None;
        }
        while !self.eat("}") {
            let key = self.string()?;
            if !self.eat(":") {
                return None;
            }
            match key {
                "descr" => descr = Some(self.descr()?),
                "fortran_order" => fortran_order = Some(self.boolean()?),
                "shape" => shape = Some(self.sizes()?),
                _ => return None,
            }
            if !self.eat(",") && !self.0.trim_start().starts_with('}') {
                return None;
            }
        }
        let (descr, fortran_order) = (descr?, fortran_order?);
        let theirs = descr.strip_prefix(['<', '>', '|', '=']).unwrap_or(&descr);
        let named = |dtype: &DType| kind(*dtype) == theirs && !is_nameless(*dtype);
        let dtype = DType::ALL.into_iter().find(named);
        let big_endian = descr.starts_with('>');
        let entry = Entry { dtype: dtype.ok_or(descr), shape: shape? };
        self.0.trim().is_empty().then_some(Header { entry, big_endian, fortran_order })
    }
}

/// An open file, whose header was read.
pub(super) struct Npy {
    path: PathBuf,
    file: BufReader<File>,
    header: Header,
}

impl Npy {
    pub fn open(path: &Path, file: File) -> Result<Npy> {
        let len = file.metadata().map_err(|e| failed("could not read", path, &e))?.len();
        let mut file = BufReader::new(file);
        match Header::read(&mut file, len) {
            Ok(header) => Ok(Npy { path: path.to_owned(), file, header }),
            Err(reason) => bail!(Io, "{} is no npy file: {reason}", path.display()),
        }
    }
}

impl ArrayFile for Npy {
    fn entries(&self) -> BTreeMap<String, Entry> {
        BTreeMap::from([(WHOLE.to_owned(), self.header.entry.clone())])
    }

    fn structure(&self) -> Option<&str> {
        None
    }

    fn read(&mut self, wanted: &dyn Fn(&str) -> Wanted) -> Result<BTreeMap<String, Array>> {
        if !wanted(WHOLE).is_read() {
            return Ok(BTreeMap::new());
        }
        let data = self.header.elements(&mut self.file);
        let data = data.map_err(|e| failed("could not read", &self.path, &e))?;
        let array = array(&self.path, WHOLE, &self.header.entry, wanted(WHOLE), &data)?;
        Ok(BTreeMap::from([(WHOLE.to_owned(), array)]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_python_reads_them() {
        let read = |text: &str| {
            let header = Literal(text).header()?;
            Some((header.entry.to_string(), header.big_endian, header.fortran_order))
        };
        let f32 = |shape: &str, big, fortran| Some((format!("f32[{shape}]"), big, fortran));
        assert_eq!(
            read("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }  \n"),
            f32("3,4", false, false)
        );
        assert_eq!(read("{'descr':'>f4','fortran_order':True,'shape':()}"), f32("", true, true));
        assert_eq!(
            read("{\"shape\": [3L,], \"fortran_order\": False, \"descr\": \"=f4\"}"),
            f32("3", false, false)
        );
        let record = "[('a', '<f4', (2,)), ('b', [('c', '|b1')])]";
        assert_eq!(
            read(&format!("{{'descr': {record}, 'fortran_order': False, 'shape': (3,)}}")),
            Some((format!("{record}[3]"), false, false))
        );
        for wrong in [
            "",
            "{",
            "{}",
            "{'descr': '<f4', 'fortran_order': False}",
            "{'descr': '<f4', 'fortran_order': None, 'shape': ()}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (3 4)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': 3}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (3,)} x",
            "{'descr': '<f4' 'fortran_order': False, 'shape': (3,)}",
            "{'descr': [[[, 'fortran_order': False, 'shape': (3,)}",
            "{'descr': ']', 'fortran_order': False, 'shape': (3,), 'other': 1}",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn column_major_elements_are_put_in_order() {
        let shape = [2, 3, 4];
        let at = |i: usize, j: usize, k: usize| (i + 2 * (j + 3 * k)) as u8;
        let data: Vec<u8> = (0..24).collect();
        let expected: Vec<u8> =
            (0..2).flat_map(|i| (0..3).flat_map(move |j| (0..4).map(move |k| at(i, j, k)))).collect();
        assert_eq!(row_major(&data, &shape, 1), expected);
        assert!(row_major(&[], &[2, 0], 4).is_empty());
        assert_eq!(row_major(&[7, 8], &[], 2), [7, 8]);
    }
}
