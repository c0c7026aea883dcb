//! Data sets: rows that are found by their index.

use std::marker::PhantomData;
use std::sync::Arc;

use super::host::HostBuffer;
use super::row::{Columns, Example, RowReader};
use crate::error::{Result, bail, caller, err};
use crate::tree::{self, Pytree};

/// Rows that are found by their index: what a [`Loader`](super::Loader) makes batches of. PyTorch: `Dataset`.
///
/// ```
/// use raxla::data::Dataset;
/// use raxla::prelude::*;
///
/// /// The parity of numbers, made up as it is asked for.
/// struct Parity;
///
/// impl Dataset for Parity {
///     type Row = (i32, bool);
///     fn len(&self) -> usize { 100 }
///     fn get(&self, index: usize) -> Result<(i32, bool)> {
///         Ok((index as i32, index % 2 == 0))
///     }
/// }
/// let squares = Parity.map(|(n, even)| Ok((n * n, even)));
/// assert_eq!(squares.get(3)?, (9, false));
/// # Ok::<(), raxla::Error>(())
/// ```
pub trait Dataset: Send + Sync + 'static {
    /// One of them.
    type Row: Example;

    /// How many rows there are.
    fn len(&self) -> usize;

    /// The row of an index below [`len`](Self::len). Workers call it from their threads.
    ///
    /// # Errors
    /// The data set's own: they reach whoever iterates over the batches.
    fn get(&self, index: usize) -> Result<Self::Row>;

    /// Is there none?
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows of some indices. Data sets that hold their rows in columns copy them without making rows.
    ///
    /// # Errors
    /// What a row fails with, and which one; rows of different shapes.
    fn gather(&self, indices: &[usize]) -> Result<Columns> {
        Columns::from_rows(indices.iter().map(|i| (*i, self.get(*i))))
    }

    /// The same rows, each as `function` makes it. It runs on the workers' threads.
    fn map<R: Example, F>(self, function: F) -> Mapped<Self, F>
    where
        Self: Sized,
        F: Fn(Self::Row) -> Result<R> + Send + Sync + 'static,
    {
        Mapped { dataset: self, function }
    }

    /// The rows of these indices, in this order: a part of the data for training, another to evaluate.
    ///
    /// # Errors
    /// An index that the data set lacks.
    #[track_caller]
    fn select(self, indices: impl IntoIterator<Item = usize>) -> Result<Selected<Self>>
    where
        Self: Sized,
    {
        let indices: Vec<usize> = indices.into_iter().collect();
        if let Some(beyond) = indices.iter().find(|i| **i >= self.len()) {
            let e = err!(InvalidArgument, "select: index {beyond} of {} rows", self.len());
            return Err(e.at(caller()));
        }
        Ok(Selected { dataset: self, indices })
    }
}

impl<D: Dataset> Dataset for Arc<D> {
    type Row = D::Row;
    fn len(&self) -> usize {
        (**self).len()
    }
    fn get(&self, index: usize) -> Result<D::Row> {
        (**self).get(index)
    }
    fn gather(&self, indices: &[usize]) -> Result<Columns> {
        (**self).gather(indices)
    }
}

/// What [`Dataset::map`] returns.
#[derive(Clone, Debug)]
pub struct Mapped<D, F> {
    dataset: D,
    function: F,
}

impl<D: Dataset, R: Example, F: Fn(D::Row) -> Result<R> + Send + Sync + 'static> Dataset for Mapped<D, F> {
    type Row = R;
    fn len(&self) -> usize {
        self.dataset.len()
    }
    fn get(&self, index: usize) -> Result<R> {
        (self.function)(self.dataset.get(index)?)
    }
}

/// What [`Dataset::select`] returns.
#[derive(Clone, Debug)]
pub struct Selected<D> {
    dataset: D,
    indices: Vec<usize>,
}

impl<D: Dataset> Dataset for Selected<D> {
    type Row = D::Row;
    fn len(&self) -> usize {
        self.indices.len()
    }
    fn get(&self, index: usize) -> Result<D::Row> {
        self.dataset.get(self.indices[index])
    }
    fn gather(&self, indices: &[usize]) -> Result<Columns> {
        let indices: Vec<usize> = indices.iter().map(|i| self.indices[*i]).collect();
        self.dataset.gather(&indices)
    }
}

/// Rows in memory, column by column. A batch is copied into one buffer for each column, and rows that follow each other are not
/// copied at all, before they go to the device.
///
/// ```
/// use raxla::data::{Dataset, HostBuffer, InMemory};
/// use raxla::prelude::*;
///
/// let (x, y) = (Array::from([[1.0f32, 2.0], [3.0, 4.0]]), Array::from([0, 1]));
/// let table = InMemory::<(Vec<f32>, i32)>::from_arrays(&(x, y))?;
/// assert_eq!(table.get(1)?, (vec![3.0, 4.0], 1));
/// # Ok::<(), raxla::Error>(())
/// ```
pub struct InMemory<R> {
    columns: Vec<HostBuffer>,
    rows: usize,
    row: PhantomData<fn() -> R>,
}

impl<R: Example> InMemory<R> {
    /// A table of columns, one for each leaf of a row.
    ///
    /// # Errors
    /// None; of different lengths; rows of another type.
    #[track_caller]
    pub fn from_columns(columns: impl IntoIterator<Item = HostBuffer>) -> Result<Self> {
        let here = caller();
        Self::checked(columns.into_iter().collect()).map_err(|e| e.at(here))
    }

    fn checked(columns: Vec<HostBuffer>) -> Result<Self> {
        let Some(first) = columns.first() else { bail!(InvalidArgument, "table: there are no columns") };
        let rows = first.len();
        for (i, column) in columns.iter().enumerate() {
            if column.shape().is_empty() {
                bail!(Shape, "table: column {i} is a scalar, which has no rows");
            }
            if column.len() != rows {
                bail!(Shape, "table: column 0 has {rows} rows, and column {i} has {}", column.len());
            }
        }
        if rows > 0 {
            let mut src = RowReader { columns: &columns, row: 0, at: 0 };
            R::read(&mut src).map_err(|e| e.context("table"))?;
            if src.at < columns.len() {
                bail!(
                    TreeMismatch,
                    "table: rows of this type have {} leaves, and there are {} columns",
                    src.at,
                    columns.len()
                );
            }
        }
        Ok(InMemory { columns, rows, row: PhantomData })
    }

    /// A table of a tree of arrays, whose first axes count the rows. They are copied to the host.
    ///
    /// # Errors
    /// As [`from_columns`](Self::from_columns); what an array's computation failed with.
    #[track_caller]
    pub fn from_arrays<T: Pytree>(arrays: &T) -> Result<Self> {
        let here = caller();
        let columns = tree::leaves(arrays).iter().map(HostBuffer::from_array).collect::<Result<_>>();
        columns.and_then(Self::checked).map_err(|e| e.at(here))
    }

    /// A table of rows.
    ///
    /// # Errors
    /// There are none, so that nobody knows their shapes; rows of different shapes, and which.
    #[track_caller]
    pub fn from_rows(rows: impl IntoIterator<Item = R>) -> Result<Self> {
        let here = caller();
        let rows = rows.into_iter().map(Ok).enumerate();
        let columns = Columns::from_rows(rows).map_err(|e| e.context("table")).and_then(|columns| {
            match columns.0.is_empty() {
                true => bail!(InvalidArgument, "table: there are no rows"),
                false => Self::checked(columns.0),
            }
        });
        columns.map_err(|e| e.at(here))
    }

    /// The columns.
    pub fn columns(&self) -> &[HostBuffer] {
        &self.columns
    }
}

impl<R: Example> Dataset for InMemory<R> {
    type Row = R;
    fn len(&self) -> usize {
        self.rows
    }
    fn get(&self, index: usize) -> Result<R> {
        R::read(&mut RowReader { columns: &self.columns, row: index, at: 0 })
    }
    fn gather(&self, indices: &[usize]) -> Result<Columns> {
        let first = indices.first().copied().unwrap_or(0);
        if indices.iter().enumerate().all(|(i, index)| *index == first + i) {
            let part = first..first + indices.len();
            return self.columns.iter().map(|x| x.rows(part.clone())).collect::<Result<_>>().map(Columns);
        }
        let gathered = self.columns.iter().map(|column| {
            let (bytes, size) = (column.bytes(), column.row_bytes());
            let mut out = Vec::with_capacity(indices.len() * size);
            for &i in indices {
                out.extend_from_slice(&bytes[i * size..(i + 1) * size]);
            }
            let mut shape = column.shape().to_vec();
            shape[0] = indices.len();
            HostBuffer::owned(column.dtype(), shape, out)
        });
        Ok(Columns(gathered.collect()))
    }
}

impl<R> Clone for InMemory<R> {
    fn clone(&self) -> Self {
        InMemory { columns: self.columns.clone(), rows: self.rows, row: PhantomData }
    }
}

impl<R> std::fmt::Debug for InMemory<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.columns).finish()
    }
}
