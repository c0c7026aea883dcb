//! Arrays on the host, before they go to a device.

use std::ops::Range;
use std::sync::Arc;

use crate::arguments::Dims;
use crate::core::array::{Array, Element};
use crate::dtype::DType;
use crate::error::{Result, bail};

/// An array in the host's memory: what rows, tables and readers of files hold. A clone, and a row of a table, is a view of the
/// same memory.
///
/// ```
/// use raxla::data::HostBuffer;
///
/// let x = HostBuffer::new(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3])?;
/// assert_eq!((x.len(), x.row(1)?.to_vec::<f32>()?), (2, vec![4.0, 5.0, 6.0]));
/// assert_eq!(x.to_array()?.shape(), [2, 3]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[derive(Clone)]
pub struct HostBuffer {
    pub(super) dtype: DType,
    pub(super) shape: Vec<usize>,
    data: Arc<Vec<u8>>,
    range: Range<usize>,
}

impl HostBuffer {
    /// A copy of elements in row-major order.
    ///
    /// # Errors
    /// `shape` does not hold as many.
    #[track_caller]
    pub fn new<T: Element>(elements: &[T], shape: impl Into<Dims>) -> Result<Self> {
        let shape = shape.into().shape("HostBuffer")?;
        if shape.iter().product::<usize>() != elements.len() {
            bail!(Shape, "HostBuffer: shape {:?} does not hold {} elements", &shape[..], elements.len());
        }
        Ok(Self::owned(T::DTYPE, shape.to_vec(), T::to_bytes(elements).into_owned()))
    }

    /// A copy of an array. Waits for its value.
    ///
    /// # Errors
    /// A tracer; what its computation failed with.
    #[track_caller]
    pub fn from_array(array: &Array) -> Result<Self> {
        Ok(Self::owned(array.dtype(), array.shape().to_vec(), array.to_bytes()?))
    }

    pub(super) fn owned(dtype: DType, shape: Vec<usize>, bytes: Vec<u8>) -> Self {
        let range = 0..bytes.len();
        HostBuffer { dtype, shape, data: Arc::new(bytes), range }
    }

    /// The same on the default device.
    ///
    /// # Errors
    /// No platform could be initialised.
    #[track_caller]
    pub fn to_array(&self) -> Result<Array> {
        Array::from_bytes(self.bytes(), self.dtype, &self.shape[..])
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The sizes.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The size of the first axis: the number of rows. One for a scalar.
    pub fn len(&self) -> usize {
        self.shape.first().copied().unwrap_or(1)
    }

    /// Has it no rows?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements in row-major order as little-endian bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.data[self.range.clone()]
    }

    /// A copy of the elements in row-major order.
    ///
    /// # Errors
    /// Another dtype.
    #[track_caller]
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        if T::DTYPE != self.dtype {
            bail!(DType, "HostBuffer: to_vec::<{}> of {}", T::DTYPE, described(self.dtype, &self.shape));
        }
        Ok(T::from_bytes(self.bytes()))
    }

    /// A view of one row.
    ///
    /// # Errors
    /// There is none of that index.
    #[track_caller]
    pub fn row(&self, index: usize) -> Result<HostBuffer> {
        let mut row = self.rows(index..index + 1)?;
        row.shape.remove(0);
        Ok(row)
    }

    /// A view of rows that follow each other.
    ///
    /// # Errors
    /// There are not as many; a scalar.
    #[track_caller]
    pub fn rows(&self, rows: Range<usize>) -> Result<HostBuffer> {
        if self.shape.is_empty() || rows.start > rows.end || rows.end > self.len() {
            bail!(
                InvalidArgument,
                "HostBuffer: rows {}..{} of {}",
                rows.start,
                rows.end,
                described(self.dtype, &self.shape)
            );
        }
        let size = self.row_bytes();
        let mut shape = self.shape.clone();
        shape[0] = rows.len();
        let start = self.range.start;
        let range = start + rows.start * size..start + rows.end * size;
        Ok(HostBuffer { dtype: self.dtype, shape, data: Arc::clone(&self.data), range })
    }

    /// How many bytes a row has.
    pub(super) fn row_bytes(&self) -> usize {
        self.dtype.size() * self.shape.iter().skip(1).product::<usize>()
    }
}

impl std::fmt::Debug for HostBuffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HostBuffer({})", described(self.dtype, &self.shape))
    }
}

/// As an aval is printed.
pub(super) fn described(dtype: DType, shape: &[usize]) -> String {
    let sizes: Vec<String> = shape.iter().map(usize::to_string).collect();
    format!("{dtype}[{}]", sizes.join(","))
}
