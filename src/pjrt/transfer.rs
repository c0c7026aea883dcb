//! [`AsyncTransferManager`]: buffers that exist before their contents, which arrive in pieces.

use super::api::{Dims, args, dims_of, non_null};
use super::buffer::type_of;
use super::{Buffer, Client, Event, Memory, sys};
use crate::dtype::DType;
use crate::error::{Result, bail};
use std::fmt;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

/// Buffers of given shapes whose contents are written piece by piece, as when a checkpoint is read.
///
/// A buffer that is dropped by the manager before its last piece has arrived completes with an error.
pub struct AsyncTransferManager {
    raw: NonNull<sys::PJRT_AsyncHostToDeviceTransferManager>,
    client: Client,
    /// Bytes of each buffer.
    sizes: Vec<usize>,
}

// SAFETY: the PJRT C API lets any thread use a transfer manager, several at once.
unsafe impl Send for AsyncTransferManager {}
// SAFETY: as above; the other fields never change.
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
        let dims: Vec<Dims> = shapes.iter().map(|(_, dims)| dims_of(dims)).collect();
        let spec = |(&(dtype, _), dims): (&(DType, &[usize]), &Dims)| {
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
        Ok(AsyncTransferManager { raw, client: self.clone(), sizes: shapes.iter().map(size).collect() })
    }
}

impl AsyncTransferManager {
    /// The number of buffers.
    pub fn len(&self) -> usize {
        self.sizes.len()
    }

    /// Are there no buffers?
    pub fn is_empty(&self) -> bool {
        self.sizes.is_empty()
    }

    /// The buffer at `index`; to be taken once. It can be used at once and becomes ready when its last piece arrives.
    ///
    /// # Errors
    /// If there is no such buffer, or it was taken before.
    pub fn retrieve_buffer(&self, index: usize) -> Result<Buffer> {
        self.check(index)?;
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
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) if the piece does not fit.
    pub fn transfer<T>(&self, index: usize, data: T, offset: usize, last: bool) -> Result<Event>
    where
        T: AsRef<[u8]> + Send + 'static,
    {
        self.check(index)?;
        // Boxed, so that bytes inside the value stay where they are when the owner moves into the callback.
        let owner = ManuallyDrop::new(Box::new(data));
        let bytes: &[u8] = (**owner).as_ref();
        if offset.checked_add(bytes.len()).is_none_or(|end| end > self.sizes[index]) {
            let len = bytes.len();
            drop(ManuallyDrop::into_inner(owner));
            bail!(
                InvalidArgument,
                "transfer: {len} bytes at offset {offset} do not fit buffer {index} of {} bytes",
                self.sizes[index]
            );
        }
        let mut a = args::<sys::PJRT_AsyncHostToDeviceTransferManager_TransferData_Args>();
        a.transfer_manager = self.raw.as_ptr();
        a.buffer_index = index as i32;
        a.data = bytes.as_ptr().cast();
        a.offset = offset as i64;
        a.transfer_size = bytes.len() as i64;
        a.is_last_transfer = last;
        // SAFETY: `self` owns the manager; the bytes fit, and the callback below drops them only after the event says
        // that the runtime has read them. They are leaked if that cannot be known.
        let event = unsafe {
            call!(self.client.plugin(), Runtime, PJRT_AsyncHostToDeviceTransferManager_TransferData, a)?;
            let function = "PJRT_AsyncHostToDeviceTransferManager_TransferData";
            Event::from_raw(&self.client, non_null(a.done_with_h2d_transfer, function)?)
        };
        event.on_ready(move |_| drop(ManuallyDrop::into_inner(owner)))?;
        Ok(event)
    }

    fn check(&self, index: usize) -> Result<()> {
        if index >= self.sizes.len() {
            bail!(InvalidArgument, "buffer {index} is out of range for a transfer of {}", self.sizes.len());
        }
        Ok(())
    }
}

impl fmt::Debug for AsyncTransferManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AsyncTransferManager({} buffers)", self.sizes.len())
    }
}
