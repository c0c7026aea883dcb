//! CSV files.

use std::any::type_name;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use ::csv::{ReaderBuilder, StringRecord, Trim};

use super::host::HostBuffer;
use crate::arguments::options;
use crate::core::array::Element;
use crate::error::{Result, bail, caller, err};

options! {
    /// Options of [`CsvFile::read_with`].
    pub struct CsvOptions {
        /// Does the first line name the columns? Else they are called `0`, `1`, ….
        headers: value bool = true,
        /// What stands between two cells.
        delimiter: value char = ',',
    }
}

/// A CSV file in memory. Cells become numbers as columns are asked for.
///
/// ```
/// use raxla::data::{CsvFile, InMemory};
/// # let directory = std::env::temp_dir().join(format!("raxla-doc-csv-{}", std::process::id()));
/// # std::fs::create_dir_all(&directory)?;
/// let path = directory.join("iris.csv");
/// std::fs::write(&path, "length,width,species\n5.1,3.5,setosa\n7.0,3.2,versicolor\n4.9,3.0,setosa\n")?;
///
/// let file = CsvFile::read(&path)?;
/// let (species, names) = file.classes("species")?;
/// assert_eq!(names, ["setosa", "versicolor"]);
/// let table = InMemory::<(Vec<f32>, i32)>::from_columns([file.columns::<f32>(["length", "width"])?, species])?;
/// # let _ = table;
/// # std::fs::remove_dir_all(&directory)?;
/// # Ok::<(), raxla::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct CsvFile {
    path: PathBuf,
    names: Vec<String>,
    records: Vec<StringRecord>,
}

impl CsvFile {
    /// Reads a file whose first line names the columns.
    ///
    /// # Errors
    /// `Io` if the file can't be read, is no UTF-8, or if a line has more or fewer cells than the first.
    #[track_caller]
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        Self::read_with(path, CsvOptions::new())
    }

    /// [`read`](Self::read), with options.
    ///
    /// # Errors
    /// As [`read`](Self::read); a delimiter that is no ASCII.
    #[track_caller]
    pub fn read_with(path: impl AsRef<Path>, options: CsvOptions) -> Result<Self> {
        let here = caller();
        Self::read_whole(path.as_ref(), &options).map_err(|e| e.at(here))
    }

    fn read_whole(path: &Path, options: &CsvOptions) -> Result<Self> {
        let Ok(delimiter) = u8::try_from(options.delimiter) else {
            bail!(InvalidArgument, "csv: the delimiter {:?} is no ASCII", options.delimiter)
        };
        let unreadable = |e: ::csv::Error| err!(Io, "could not read {}: {e}", path.display());
        let mut builder = ReaderBuilder::new();
        builder.has_headers(options.headers).delimiter(delimiter).trim(Trim::All);
        let mut reader = builder.from_path(path).map_err(unreadable)?;
        let names: Vec<String> = match options.headers {
            true => reader.headers().map_err(unreadable)?.iter().map(str::to_owned).collect(),
            false => Vec::new(),
        };
        let records = reader.into_records().collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
        let names = match records.first() {
            Some(first) if !options.headers => (0..first.len()).map(|i| i.to_string()).collect(),
            _ => names,
        };
        Ok(CsvFile { path: path.to_owned(), names, records })
    }

    /// The columns' names.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// How many rows there are, without the names.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// A column of numbers: `T[rows]`.
    ///
    /// # Errors
    /// There is no such column; a cell that is no number of this type.
    #[track_caller]
    pub fn column<T: Element + FromStr>(&self, name: &str) -> Result<HostBuffer> {
        let here = caller();
        self.numbers::<T>(&[name]).and_then(|x| HostBuffer::new(&x, [self.len()])).map_err(|e| e.at(here))
    }

    /// Columns of numbers beside each other: `T[rows, columns]`.
    ///
    /// # Errors
    /// As [`column`](Self::column).
    #[track_caller]
    pub fn columns<'a, T: Element + FromStr>(&self, names: impl AsRef<[&'a str]>) -> Result<HostBuffer> {
        let (here, names) = (caller(), names.as_ref());
        let numbers = self.numbers::<T>(names);
        numbers.and_then(|x| HostBuffer::new(&x, [self.len(), names.len()])).map_err(|e| e.at(here))
    }

    /// A column of names as classes, `i32[rows]`, and what each stands for, in alphabetical order.
    ///
    /// # Errors
    /// There is no such column.
    #[track_caller]
    pub fn classes(&self, name: &str) -> Result<(HostBuffer, Vec<String>)> {
        let here = caller();
        let column = self.position(name).map_err(|e| e.at(here))?;
        let cells: Vec<&str> = self.records.iter().map(|record| &record[column]).collect();
        let mut classes = cells.clone();
        classes.sort_unstable();
        classes.dedup();
        let index = |cell: &&str| classes.binary_search(cell).map_or(-1, |i| i as i32);
        let indices: Vec<i32> = cells.iter().map(index).collect();
        let buffer = HostBuffer::new(&indices, [self.len()])?;
        Ok((buffer, classes.into_iter().map(str::to_owned).collect()))
    }

    fn position(&self, name: &str) -> Result<usize> {
        let found = self.names.iter().position(|own| own == name);
        found.ok_or_else(|| {
            err!(
                InvalidArgument,
                "{} has no column {name}: it has {}",
                self.path.display(),
                self.names.join(", ")
            )
        })
    }

    fn numbers<T: Element + FromStr>(&self, names: &[&str]) -> Result<Vec<T>> {
        let positions = names.iter().map(|name| self.position(name)).collect::<Result<Vec<_>>>()?;
        let mut numbers = Vec::with_capacity(self.len() * names.len());
        for (row, record) in self.records.iter().enumerate() {
            for (column, name) in positions.iter().zip(names) {
                let cell = &record[*column];
                let Ok(number) = cell.parse() else {
                    let line = record.position().map_or(0, ::csv::Position::line);
                    bail!(
                        Io,
                        "{}:{line}: row {row}, column {name}: {cell:?} is no {}",
                        self.path.display(),
                        type_name::<T>()
                    )
                };
                numbers.push(number);
            }
        }
        Ok(numbers)
    }
}
