//! Rows: what a data set is made of, and how they become batches.

use super::host::{HostBuffer, described};
use crate::core::array::{Array, Element};
use crate::dtype::DType;
use crate::error::{Result, bail};
use crate::tree::Pytree;

/// One example on the host, and what a batch of them is on the device.
///
/// Numbers, arrays and vectors of numbers, [`HostBuffer`]s and tuples of rows are rows: a batch of `(Vec<f32>, i32)` is
/// `(Array, Array)`, each with an axis more in front. A struct of yours becomes one by saying so for each field, in one order:
///
/// ```
/// use raxla::data::{BatchReader, Example, RowReader, RowWriter};
/// use raxla::prelude::*;
///
/// struct Image { pixels: Vec<f32>, label: i32 }
/// #[derive(Clone, Pytree)]
/// struct Images { pixels: Array, label: Array }
///
/// impl Example for Image {
///     type Batch = Images;
///     fn write(&self, out: &mut RowWriter<'_>) -> Result<()> {
///         self.pixels.write(out)?;
///         self.label.write(out)
///     }
///     fn read(src: &mut RowReader<'_>) -> Result<Self> {
///         Ok(Image { pixels: Example::read(src)?, label: Example::read(src)? })
///     }
///     fn batch(src: &mut BatchReader<'_>) -> Result<Images> {
///         Ok(Images { pixels: src.array()?, label: src.array()? })
///     }
/// }
/// ```
pub trait Example: Sized + Send + 'static {
    /// Arrays with the rows along their first axis.
    type Batch: Pytree + Send + 'static;

    /// Appends each of its leaves to the column that it belongs to.
    ///
    /// # Errors
    /// A leaf of another shape or dtype than in the rows before.
    fn write(&self, out: &mut RowWriter<'_>) -> Result<()>;

    /// The row, from its leaves in the same order.
    ///
    /// # Errors
    /// Leaves of other types.
    fn read(src: &mut RowReader<'_>) -> Result<Self>;

    /// The batch, from its columns in the same order.
    ///
    /// # Errors
    /// What putting them on the device fails with.
    fn batch(src: &mut BatchReader<'_>) -> Result<Self::Batch>;
}

/// Rows on the host, leaf by leaf: the first axis of each column counts them.
#[derive(Clone, Debug)]
pub struct Columns(pub(super) Vec<HostBuffer>);

/// A column that grows.
struct Growing {
    dtype: DType,
    /// Of a row.
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Columns {
    /// Columns, one for each leaf of a row: for a data set that holds them so and has a [`gather`](super::Dataset::gather) of its own.
    pub fn new(columns: impl IntoIterator<Item = HostBuffer>) -> Columns {
        Columns(columns.into_iter().collect())
    }

    /// All rows of an iterator, each with the index that errors name it by, copied once.
    ///
    /// # Errors
    /// Rows of different shapes or dtypes; what the iterator fails with.
    pub(super) fn from_rows<R: Example>(
        rows: impl IntoIterator<Item = (usize, Result<R>)>,
    ) -> Result<Columns> {
        let rows = rows.into_iter();
        let expected = rows.size_hint().0;
        let (mut columns, mut count) = (Vec::new(), 0);
        for (index, row) in rows {
            let mut out = RowWriter { columns: &mut columns, at: 0, count, expected };
            row.and_then(|row| row.write(&mut out)).map_err(|e| e.context(format_args!("row {index}")))?;
            count += 1;
        }
        let finished = columns.into_iter().map(|column: Growing| {
            let shape = std::iter::once(count).chain(column.shape).collect();
            HostBuffer::owned(column.dtype, shape, column.bytes)
        });
        Ok(Columns(finished.collect()))
    }

    /// The columns.
    pub fn buffers(&self) -> &[HostBuffer] {
        &self.0
    }

    /// They as a batch on the default device.
    ///
    /// # Errors
    /// There are too few of them; no platform could be initialised.
    pub fn upload<R: Example>(&self) -> Result<R::Batch> {
        R::batch(&mut BatchReader { columns: self, at: 0 })
    }
}

/// Where an [`Example`] writes its leaves.
pub struct RowWriter<'a> {
    columns: &'a mut Vec<Growing>,
    at: usize,
    /// The rows before this one, and how many there will be.
    count: usize,
    expected: usize,
}

impl RowWriter<'_> {
    fn leaf(&mut self, dtype: DType, shape: &[usize], bytes: &[u8]) -> Result<()> {
        if self.count == 0 {
            let room = Vec::with_capacity(self.expected * bytes.len());
            self.columns.push(Growing { dtype, shape: shape.to_vec(), bytes: room });
        }
        let at = self.at;
        self.at += 1;
        let Some(column) = self.columns.get_mut(at) else {
            bail!(InvalidArgument, "the row has more leaves than the one before it, {at}")
        };
        if (column.dtype, &column.shape[..]) != (dtype, shape) {
            bail!(
                Shape,
                "leaf {at} is {}, and {} in the row before it",
                described(dtype, shape),
                described(column.dtype, &column.shape)
            );
        }
        column.bytes.extend_from_slice(bytes);
        Ok(())
    }
}

/// Where an [`Example`] finds its leaves.
pub struct RowReader<'a> {
    pub(super) columns: &'a [HostBuffer],
    pub(super) row: usize,
    pub(super) at: usize,
}

impl RowReader<'_> {
    fn leaf(&mut self) -> Result<HostBuffer> {
        let Some(column) = self.columns.get(self.at) else {
            bail!(
                TreeMismatch,
                "rows of this type have more than {} leaves, and there are as many columns",
                self.at
            )
        };
        self.at += 1;
        column.row(self.row)
    }

    fn typed<T: Element>(&mut self, fits: impl Fn(&[usize]) -> bool, expected: &str) -> Result<Vec<T>> {
        let leaf = self.leaf()?;
        if leaf.dtype() != T::DTYPE || !fits(leaf.shape()) {
            let found = described(leaf.dtype(), leaf.shape());
            bail!(TreeMismatch, "leaf {} of a row is {found}, expected {}{expected}", self.at - 1, T::DTYPE);
        }
        leaf.to_vec()
    }
}

/// Where [`Example::batch`] finds the columns.
pub struct BatchReader<'a> {
    columns: &'a Columns,
    at: usize,
}

impl BatchReader<'_> {
    /// The next column, on the default device.
    ///
    /// # Errors
    /// There are no more; no platform could be initialised.
    pub fn array(&mut self) -> Result<Array> {
        let Some(column) = self.columns.0.get(self.at) else {
            bail!(TreeMismatch, "a batch of this type has more than {} leaves, as many as there are", self.at)
        };
        self.at += 1;
        column.to_array()
    }
}

impl<T: Element> Example for T {
    type Batch = Array;
    fn write(&self, out: &mut RowWriter<'_>) -> Result<()> {
        out.leaf(T::DTYPE, &[], &T::to_bytes(&[*self]))
    }
    fn read(src: &mut RowReader<'_>) -> Result<Self> {
        Ok(src.typed(<[usize]>::is_empty, "[]")?[0])
    }
    fn batch(src: &mut BatchReader<'_>) -> Result<Array> {
        src.array()
    }
}

impl<T: Element> Example for Vec<T> {
    type Batch = Array;
    fn write(&self, out: &mut RowWriter<'_>) -> Result<()> {
        out.leaf(T::DTYPE, &[self.len()], &T::to_bytes(self))
    }
    fn read(src: &mut RowReader<'_>) -> Result<Self> {
        src.typed(|shape| shape.len() == 1, "[n]")
    }
    fn batch(src: &mut BatchReader<'_>) -> Result<Array> {
        src.array()
    }
}

impl<T: Element, const N: usize> Example for [T; N] {
    type Batch = Array;
    fn write(&self, out: &mut RowWriter<'_>) -> Result<()> {
        out.leaf(T::DTYPE, &[N], &T::to_bytes(self))
    }
    fn read(src: &mut RowReader<'_>) -> Result<Self> {
        let elements = src.typed(|shape| shape == [N], &format!("[{N}]"))?;
        Ok(std::array::from_fn(|i| elements[i]))
    }
    fn batch(src: &mut BatchReader<'_>) -> Result<Array> {
        src.array()
    }
}

impl Example for HostBuffer {
    type Batch = Array;
    fn write(&self, out: &mut RowWriter<'_>) -> Result<()> {
        out.leaf(self.dtype, &self.shape, self.bytes())
    }
    fn read(src: &mut RowReader<'_>) -> Result<Self> {
        src.leaf()
    }
    fn batch(src: &mut BatchReader<'_>) -> Result<Array> {
        src.array()
    }
}

macro_rules! rows {
    ($($t:ident $i:tt),*) => {
        impl<$($t: Example),*> Example for ($($t,)*) {
            type Batch = ($($t::Batch,)*);
            fn write(&self, out: &mut RowWriter<'_>) -> Result<()> {
                $(self.$i.write(out)?;)*
                Ok(())
            }
            fn read(src: &mut RowReader<'_>) -> Result<Self> {
                Ok(($($t::read(src)?,)*))
            }
            fn batch(src: &mut BatchReader<'_>) -> Result<Self::Batch> {
                Ok(($($t::batch(src)?,)*))
            }
        }
    };
}
rows!(A 0);
rows!(A 0, B 1);
rows!(A 0, B 1, C 2);
rows!(A 0, B 1, C 2, D 3);
