//! Columns of numbers from Parquet and Arrow files.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types as arrow;
use arrow_array::{Array as _, ArrowPrimitiveType, RecordBatch};
use arrow_ipc::reader::FileReader;
use arrow_schema::{ArrowError, DataType, Schema};

use super::host::HostBuffer;
use crate::arguments::options;
use crate::core::array::Element;
use crate::dtype::DType;
use crate::error::{Result, bail, caller, err};

options! {
    /// Options of [`read_parquet_with`] and [`read_arrow_with`].
    pub struct ColumnsOptions {
        /// The names of the columns to read; by default all that hold numbers.
        columns: optional Vec<String>,
    }
}

/// The columns of numbers of a Parquet file, by name: each `T[rows]`. Others are passed over.
///
/// ```no_run
/// use raxla::data::{self, InMemory};
///
/// let mut columns = data::read_parquet("trips.parquet")?;
/// let column = columns.remove("distance").zip(columns.remove("fare"));
/// let table = column.map(|(x, y)| InMemory::<(f64, f64)>::from_columns([x, y])).transpose()?;
/// # let _ = table;
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// `Io` if the file can't be read or is no Parquet; a column that lacks a value somewhere.
#[track_caller]
pub fn read_parquet(path: impl AsRef<Path>) -> Result<BTreeMap<String, HostBuffer>> {
    read_parquet_with(path, ColumnsOptions::new())
}

/// [`read_parquet`], with options.
///
/// # Errors
/// As [`read_parquet`]; a column that is not there or holds no numbers.
#[track_caller]
pub fn read_parquet_with(
    path: impl AsRef<Path>,
    options: ColumnsOptions,
) -> Result<BTreeMap<String, HostBuffer>> {
    let (here, path) = (caller(), path.as_ref());
    let read = || {
        let unreadable = |e: ::parquet::errors::ParquetError| failed(path, &e);
        let file = File::open(path).map_err(|e| failed(path, &e))?;
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(unreadable)?;
        let wanted = Wanted::of(path, reader.schema(), &options)?;
        let mask = ::parquet::arrow::ProjectionMask::roots(reader.parquet_schema(), wanted.positions());
        wanted.collect(path, reader.with_projection(mask).build().map_err(unreadable)?)
    };
    read().map_err(|e| e.at(here))
}

/// The columns of numbers of an Arrow file, which is also called Feather: as [`read_parquet`].
///
/// # Errors
/// As [`read_parquet`].
#[track_caller]
pub fn read_arrow(path: impl AsRef<Path>) -> Result<BTreeMap<String, HostBuffer>> {
    read_arrow_with(path, ColumnsOptions::new())
}

/// [`read_arrow`], with options.
///
/// # Errors
/// As [`read_parquet_with`].
#[track_caller]
pub fn read_arrow_with(
    path: impl AsRef<Path>,
    options: ColumnsOptions,
) -> Result<BTreeMap<String, HostBuffer>> {
    let (here, path) = (caller(), path.as_ref());
    let read = || {
        let open = |projection| {
            let file = File::open(path).map_err(|e| failed(path, &e))?;
            FileReader::try_new_buffered(file, projection).map_err(|e| failed(path, &e))
        };
        let wanted = Wanted::of(path, &open(None)?.schema(), &options)?;
        wanted.collect(path, open(Some(wanted.positions()))?)
    };
    read().map_err(|e| e.at(here))
}

fn failed(path: &Path, e: &dyn std::fmt::Display) -> crate::error::Error {
    err!(Io, "could not read {}: {e}", path.display())
}

/// A column that is read: its place in the file, its name, its type.
struct Wanted(Vec<(usize, String, DType)>);

impl Wanted {
    fn of(path: &Path, schema: &Schema, options: &ColumnsOptions) -> Result<Wanted> {
        let path = path.display();
        let fields = schema.fields().iter().enumerate();
        if let Some(names) = &options.columns {
            for name in names {
                match schema.field_with_name(name).map(|field| field.data_type()) {
                    Ok(of) if dtype_of(of).is_none() => {
                        bail!(DType, "{path}: column {name} is {of}, which is no type of numbers")
                    }
                    Ok(_) => {}
                    Err(_) => {
                        let known: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
                        bail!(InvalidArgument, "{path} has no column {name}: it has {}", known.join(", "))
                    }
                }
            }
        }
        let asked = |name: &String| options.columns.as_ref().is_none_or(|names| names.contains(name));
        let wanted = fields
            .filter(|(_, field)| asked(field.name()))
            .filter_map(|(i, field)| Some((i, field.name().clone(), dtype_of(field.data_type())?)));
        Ok(Wanted(wanted.collect()))
    }

    fn positions(&self) -> Vec<usize> {
        self.0.iter().map(|(i, ..)| *i).collect()
    }

    /// All batches, one below the other. Of a projection the columns come in the file's order.
    fn collect(
        &self,
        path: &Path,
        batches: impl Iterator<Item = Result<RecordBatch, ArrowError>>,
    ) -> Result<BTreeMap<String, HostBuffer>> {
        let (mut rows, mut bytes) = (0, vec![Vec::new(); self.0.len()]);
        for batch in batches {
            let batch = batch.map_err(|e| failed(path, &e))?;
            for ((column, (_, name, _)), out) in batch.columns().iter().zip(&self.0).zip(&mut bytes) {
                if let Some(row) = (0..column.len()).find(|row| column.is_null(*row)) {
                    let (path, row) = (path.display(), rows + row);
                    bail!(InvalidArgument, "{path}: row {row}, column {name} has no value")
                }
                append(column, out);
            }
            rows += batch.num_rows();
        }
        let columns = self.0.iter().zip(bytes);
        Ok(columns.map(|((_, name, of), x)| (name.clone(), HostBuffer::owned(*of, vec![rows], x))).collect())
    }
}

macro_rules! numbers {
    ($($theirs:ident: $dtype:ident),*) => {
        fn dtype_of(of: &DataType) -> Option<DType> {
            match of {
                DataType::Boolean => Some(DType::Bool),
                $(of if *of == arrow::$theirs::DATA_TYPE => Some(DType::$dtype),)*
                _ => None,
            }
        }

        fn append(column: &dyn arrow_array::Array, out: &mut Vec<u8>) {
            match column.data_type() {
                DataType::Boolean => out.extend(column.as_boolean().values().iter().map(u8::from)),
                $(of if *of == arrow::$theirs::DATA_TYPE => {
                    out.extend_from_slice(&Element::to_bytes(column.as_primitive::<arrow::$theirs>().values()));
                })*
                // `dtype_of` is made of the same list.
                _ => {}
            }
        }
    };
}
numbers!(
    Int8Type: I8, Int16Type: I16, Int32Type: I32, Int64Type: I64, UInt8Type: U8, UInt16Type: U16, UInt32Type: U32,
    UInt64Type: U64, Float16Type: F16, Float32Type: F32, Float64Type: F64
);
