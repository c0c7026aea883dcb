//! [`AsyncTransferManager`]: buffers that exist before their contents, which arrive in pieces.

use super::api::{RawDims, args, dims_of, non_null};
use super::buffer::type_of;
use super::{Buffer, Client, Event, Memory, sys};
use crate::dtype::DType;
use crate::error::{Result, bail};
use std::fmt;
use std::mem::ManuallyDrop;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Buffers of given shapes whose contents are written piece by piece, as when a checkpoint is read.
///
/// A buffer that is dropped by the manager before its last piece has arrived completes with an error.
pub struct AsyncTransferManager {
    raw: NonNull<sys::PJRT_AsyncHostToDeviceTransferManager>,
    client: Client,
    /// How far each buffer is, so that two threads neither take one buffer nor complete it twice. Never held during a call,
    /// from which callbacks may come back here.
    parts: Mutex<Vec<Part>>,
}

/// One buffer of a transfer.
struct Part {
    size: usize,
    /// The bytes that were written: ranges in order that do not touch.
    written: Vec<Range<usize>>,
    /// Calls that are writing pieces now.
    writing: usize,
    retrieved: bool,
    complete: bool,
}

impl Part {
    fn new(size: usize) -> Part {
        Part { size, written: Vec::new(), writing: 0, retrieved: false, complete: false }
    }

    /// `written` and `piece` together.
    fn with(&self, piece: Range<usize>) -> Vec<Range<usize>> {
        let mut all = self.written.clone();
        all.push(piece);
        all.retain(|range| !range.is_empty());
        all.sort_by_key(|range| range.start);
        let mut joined: Vec<Range<usize>> = Vec::with_capacity(all.len());
        for range in all {
            match joined.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => joined.push(range),
            }
        }
        joined
    }

    fn is_whole(&self, written: &[Range<usize>]) -> bool {
        self.size == 0 || matches!(written, [all] if *all == (0..self.size))
    }
}

// SAFETY: `self` owns the manager as long as it lives, and the PJRT C API lets any thread use one; those calls whose order
// matters are made under the lock.
unsafe impl Send for AsyncTransferManager {}
// SAFETY: as above.
unsafe impl Sync for AsyncTransferManager {}

impl Drop for AsyncTransferManager {
    fn drop(&mut self) {
        let mut a = args::<sys::PJRT_AsyncHostToDeviceTransferManager_Destroy_Args>();
        a.transfer_manager = self.raw.as_ptr();
        // SAFETY: `self` owns the manager and is its last user; the client is dropped after this. An error cannot be
        // reported from here.
        let _ =
            unsafe { call!(self.client.plugin(), Runtime, PJRT_AsyncHostToDeviceTransferManager_Destroy, a) };
    }
}

impl Client {
    /// Allocates buffers of the given shapes in `memory`, to be written through the manager.
    ///
    /// # Errors
    /// [`ErrorKind::Unimplemented`](crate::ErrorKind::Unimplemented) where the platform cannot.
    pub fn async_transfer_manager(
        &self,
        shapes: &[(DType, &[usize])],
        memory: &Memory,
    ) -> Result<AsyncTransferManager> {
        if memory.client() != self {
            bail!(InvalidArgument, "async_transfer_manager: the memory belongs to another client");
        }
        let dims: Vec<RawDims> = shapes.iter().map(|(_, dims)| dims_of(dims)).collect();
        let spec = |(&(dtype, _), dims): (&(DType, &[usize]), &RawDims)| {
            let mut spec = args::<sys::PJRT_ShapeSpec>();
            spec.dims = dims.as_ptr();
            spec.num_dims = dims.len();
            spec.element_type = type_of(dtype);
            spec
        };
        let mut specs: Vec<sys::PJRT_ShapeSpec> = shapes.iter().zip(&dims).map(spec).collect();
        let mut a = args::<sys::PJRT_Client_CreateBuffersForAsyncHostToDevice_Args>();
        a.client = self.raw();
        a.shape_specs = specs.as_mut_ptr();
        a.num_shape_specs = specs.len();
        a.memory = memory.raw();
        // SAFETY: `self` owns the client and the memory; specs and dims outlive the call; the caller owns the manager.
        unsafe { call!(self.plugin(), Runtime, PJRT_Client_CreateBuffersForAsyncHostToDevice, a) }?;
        let raw = non_null(a.transfer_manager, "PJRT_Client_CreateBuffersForAsyncHostToDevice")?;
        let size = |(dtype, dims): &(DType, &[usize])| dtype.size() * dims.iter().product::<usize>();
        let parts = shapes.iter().map(size).map(Part::new).collect();
        Ok(AsyncTransferManager { raw, client: self.clone(), parts: Mutex::new(parts) })
    }
}

impl AsyncTransferManager {
    /// The number of buffers.
    pub fn len(&self) -> usize {
        self.parts().len()
    }

    /// Are there no buffers?
    pub fn is_empty(&self) -> bool {
        self.parts().is_empty()
    }

    fn parts(&self) -> MutexGuard<'_, Vec<Part>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The buffer at `index`; to be taken once. It can be used at once and becomes ready when its last piece arrives.
    ///
    /// # Errors
    /// If there is no such buffer, or it was taken before.
    pub fn retrieve_buffer(&self, index: usize) -> Result<Buffer> {
        if std::mem::replace(&mut part(&mut self.parts(), index)?.retrieved, true) {
            bail!(InvalidArgument, "retrieve_buffer: buffer {index} was taken before");
        }
        let mut a = args::<sys::PJRT_AsyncHostToDeviceTransferManager_RetrieveBuffer_Args>();
        a.transfer_manager = self.raw.as_ptr();
        a.buffer_index = index as i32;
        // SAFETY: `self` owns the manager; the caller owns the buffer.
        unsafe {
            call!(self.client.plugin(), Runtime, PJRT_AsyncHostToDeviceTransferManager_RetrieveBuffer, a)?;
            let raw = non_null(a.buffer_out, "PJRT_AsyncHostToDeviceTransferManager_RetrieveBuffer")?;
            Ok(Buffer::from_raw(&self.client, raw))
        }
    }

    /// Writes `data` at byte `offset` of the buffer at `index`; `last` says that the buffer is then complete. `data` is
    /// dropped when the runtime has read it. The event, which need not be kept, completes then.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) if the piece does not fit, if it is the last and bytes
    /// were not written, or if the buffer is complete already.
    pub fn transfer<T>(&self, index: usize, data: T, offset: usize, last: bool) -> Result<Event>
    where
        T: AsRef<[u8]> + Send + 'static,
    {
        // Boxed, so that bytes inside the value stay where they are when the owner moves into the callback.
        let owner = ManuallyDrop::new(Box::new(data));
        let bytes: &[u8] = (**owner).as_ref();
        let piece = match self.begin(index, offset, bytes.len(), last) {
            Ok(piece) => piece,
            Err(e) => {
                drop(ManuallyDrop::into_inner(owner));
                return Err(e);
            }
        };
        let mut a = args::<sys::PJRT_AsyncHostToDeviceTransferManager_TransferData_Args>();
        a.transfer_manager = self.raw.as_ptr();
        a.buffer_index = index as i32;
        a.data = bytes.as_ptr().cast();
        a.offset = offset as i64;
        a.transfer_size = bytes.len() as i64;
        a.is_last_transfer = last;
        // SAFETY: `self` owns the manager; the bytes fit, and the callback below drops them only after the event says
        // that the runtime has read them. They are leaked if that cannot be known.
        let called = unsafe {
            call!(self.client.plugin(), Runtime, PJRT_AsyncHostToDeviceTransferManager_TransferData, a)
        };
        self.end(index, called.is_ok().then_some(piece));
        called?;
        let function = "PJRT_AsyncHostToDeviceTransferManager_TransferData";
        // SAFETY: the caller of PJRT owns the event.
        let event = unsafe { Event::from_raw(&self.client, non_null(a.done_with_h2d_transfer, function)?) };
        event.on_ready(move |_| drop(ManuallyDrop::into_inner(owner)))?;
        Ok(event)
    }

    /// Notes that a piece is being written, if it may be, and gives its range.
    fn begin(&self, index: usize, offset: usize, len: usize, last: bool) -> Result<Range<usize>> {
        let mut parts = self.parts();
        let part = part(&mut parts, index)?;
        if part.complete {
            bail!(InvalidArgument, "transfer: the last piece of buffer {index} was written before");
        }
        let Some(end) = offset.checked_add(len).filter(|end| *end <= part.size) else {
            bail!(
                InvalidArgument,
                "transfer: {len} bytes at offset {offset} do not fit buffer {index} of {} bytes",
                part.size
            );
        };
        if last {
            if part.writing > 0 {
                bail!(
                    InvalidArgument,
                    "transfer: another thread is writing to buffer {index}, so this is not its last piece"
                );
            }
            // Nobody shall read memory that nobody has written.
            let written = part.with(offset..end);
            if !part.is_whole(&written) {
                bail!(
                    InvalidArgument,
                    "transfer: with its last piece buffer {index} of {} bytes has just {written:?}",
                    part.size
                );
            }
            part.complete = true;
        }
        part.writing += 1;
        Ok(offset..end)
    }

    /// Notes that a piece was written, or that it could not be.
    fn end(&self, index: usize, piece: Option<Range<usize>>) {
        if let Ok(part) = part(&mut self.parts(), index) {
            part.writing -= 1;
            if let Some(piece) = piece {
                part.written = part.with(piece);
            }
        }
    }
}

fn part(parts: &mut [Part], index: usize) -> Result<&mut Part> {
    let n = parts.len();
    match parts.get_mut(index) {
        Some(part) => Ok(part),
        None => bail!(InvalidArgument, "buffer {index} is out of range for a transfer of {n}"),
    }
}

impl fmt::Debug for AsyncTransferManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AsyncTransferManager({} buffers)", self.len())
    }
}
