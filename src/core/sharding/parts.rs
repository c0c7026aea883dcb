//! Arrays cut into parts, and put together again.

use smallvec::SmallVec;

use super::{Kind, Sharding, Shards};
use crate::core::aval::Shape;
use crate::dtype::DType;
use crate::error::{Result, bail};
use crate::pjrt::{Buffer, Device, HostTransfer};

impl Sharding {
    /// Copies an array from its bytes on the host.
    pub(crate) fn put(self, bytes: &[u8], dtype: DType, shape: &[usize]) -> Result<Shards> {
        let Kind::Named { .. } = self.0.kind else {
            let buffer = self.client().buffer_from_host(bytes, dtype, shape, self.device())?;
            return Ok(SmallVec::from_buf([buffer]));
        };
        let part = self.shard_shape(shape)?;
        let strides = strides(shape, dtype);
        let as_i64: SmallVec<[i64; 4]> = strides.iter().map(|stride| *stride as i64).collect();
        let put = |(i, device): (usize, &Device)| {
            let start = offset(&self.part_index(i, shape.len()), &part, &strides);
            self.client().buffer_from_host_strided(bytes, start, &as_i64, dtype, &part, device)
        };
        self.devices().iter().enumerate().map(put).collect()
    }

    /// The bytes of an array that is here.
    pub(crate) fn read(self, shards: &[Buffer], dtype: DType, shape: &[usize]) -> Result<Vec<u8>> {
        if self.is_fully_replicated()
            && let Some(shard) = shards.first()
        {
            return shard.to_host();
        }
        self.start_reading(shards, dtype, shape)?.finish()
    }

    /// Starts to copy an array that is here to the host: each part once, whichever device has it first.
    pub(crate) fn start_reading(
        self,
        shards: &[Buffer],
        dtype: DType,
        shape: &[usize],
    ) -> Result<HostCopies> {
        let shards = match shards {
            [first, ..] if self.is_fully_replicated() => std::slice::from_ref(first),
            shards => shards,
        };
        if !self.is_fully_replicated() && shards.len() != self.devices().len() {
            bail!(
                InvalidArgument,
                "an array whose parts are in several processes cannot be read by one: {} of the {} parts of {self} are here",
                shards.len(),
                self.devices().len()
            );
        }
        let part = self.shard_shape(shape)?;
        let strides = strides(shape, dtype);
        let mut parts: SmallVec<[(usize, HostTransfer); 1]> = SmallVec::new();
        for (i, shard) in shards.iter().enumerate() {
            let start = offset(&self.part_index(i, shape.len()), &part, &strides);
            // The others of these are copies.
            if parts.iter().all(|(known, _)| *known != start) {
                parts.push((start, shard.to_host_async()?));
            }
        }
        let size = dtype.size() * shape.iter().product::<usize>();
        let row = part.last().map_or(1, |size| *size) * dtype.size();
        Ok(HostCopies { parts, part: part.as_slice().into(), strides, size, row })
    }
}

/// The parts of an array on their way to the host.
pub(crate) struct HostCopies {
    /// The first byte of each.
    parts: SmallVec<[(usize, HostTransfer); 1]>,
    /// The shape of a part.
    part: Shape,
    /// The distance in bytes of neighbours along each axis of the whole.
    strides: Shape,
    /// The bytes of the whole.
    size: usize,
    /// The bytes of a row of a part.
    row: usize,
}

impl HostCopies {
    /// The bytes of the whole. Waits for the parts, which are gone then.
    pub(crate) fn finish(&mut self) -> Result<Vec<u8>> {
        let HostCopies { parts, part, strides, size, row } = self;
        if let [_] = parts[..]
            && let Some((_, copy)) = parts.pop()
        {
            return copy.wait();
        }
        let mut whole = vec![0; *size];
        for (start, copy) in parts.drain(..) {
            for (i, bytes) in copy.wait()?.chunks_exact((*row).max(1)).enumerate() {
                let at = start + row_offset(i, part, strides);
                whole[at..at + *row].copy_from_slice(bytes);
            }
        }
        Ok(whole)
    }
}

/// The distance in bytes of neighbours along each axis of a dense array.
fn strides(shape: &[usize], dtype: DType) -> Shape {
    let mut strides = Shape::from_elem(dtype.size(), shape.len());
    for i in (1..shape.len()).rev() {
        strides[i - 1] = strides[i] * shape[i];
    }
    strides
}

/// The first byte of the part that has this index among parts of this shape.
fn offset(index: &[usize], part: &[usize], strides: &[usize]) -> usize {
    index.iter().zip(part).zip(strides).map(|((i, size), stride)| i * size * stride).sum()
}

/// The first byte of the `i`th row of a part, counted from the part's own.
fn row_offset(mut i: usize, part: &[usize], strides: &[usize]) -> usize {
    let mut at = 0;
    for (size, stride) in part.iter().zip(strides).rev().skip(1) {
        at += i % size * stride;
        i /= size;
    }
    at
}
