//! [`Buffer`]: an array in a device's memory. JAX: the buffer below a `jax.Array`.

use super::api::{args, non_null, slice};
use super::event::RawEvent;
use super::{Client, Device, Event, Memory, Plugin, sys};
use crate::dtype::DType;
use crate::error::{Result, bail};
use smallvec::SmallVec;
use std::fmt;
use std::ptr::NonNull;

/// An array in a device's memory. Dropping it frees the memory once no operation needs it.
///
/// Operations are enqueued: a buffer may exist before its contents do. Reading waits.
pub struct Buffer {
    raw: NonNull<sys::PJRT_Buffer>,
    client: Client,
}

// SAFETY: the PJRT C API lets any thread use a buffer, several at once; `Buffer` has no state of its own.
unsafe impl Send for Buffer {}
// SAFETY: as above.
unsafe impl Sync for Buffer {}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut a = args::<sys::PJRT_Buffer_Destroy_Args>();
        a.buffer = self.raw.as_ptr();
        // SAFETY: `self` owns the buffer and is its last user; enqueued work holds the memory itself. The client is
        // alive, since the field is dropped after this. An error cannot be reported from here.
        let _ = unsafe { call!(self.client.plugin(), Runtime, PJRT_Buffer_Destroy, a) };
    }
}

impl Buffer {
    /// # Safety
    /// `raw` is a buffer of `client` that nobody else owns.
    #[inline(always)]
    pub(crate) unsafe fn from_raw(client: &Client, raw: NonNull<sys::PJRT_Buffer>) -> Buffer {
        Buffer { raw, client: client.clone() }
    }

    #[inline(always)]
    pub(crate) fn raw(&self) -> *mut sys::PJRT_Buffer {
        self.raw.as_ptr()
    }

    /// The client that the buffer belongs to.
    #[inline]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The element type.
    ///
    /// # Errors
    /// [`ErrorKind::DType`](crate::ErrorKind::DType) for a type that raxla has no [`DType`] for.
    pub fn dtype(&self) -> Result<DType> {
        let mut a = args::<sys::PJRT_Buffer_ElementType_Args>();
        a.buffer = self.raw();
        // SAFETY: `self` owns the buffer.
        unsafe { call!(self.client.plugin(), Runtime, PJRT_Buffer_ElementType, a) }?;
        dtype_of(a.type_)
    }

    /// The size of each axis.
    ///
    /// # Errors
    /// Those of the plugin.
    pub fn dims(&self) -> Result<SmallVec<[usize; 6]>> {
        let mut a = args::<sys::PJRT_Buffer_Dimensions_Args>();
        a.buffer = self.raw();
        // SAFETY: `self` owns the buffer; the array has the buffer's lifetime.
        let dims = unsafe {
            call!(self.client.plugin(), Runtime, PJRT_Buffer_Dimensions, a)?;
            slice(a.dims, a.num_dims)
        };
        Ok(dims.iter().map(|&d| d as usize).collect())
    }

    /// The device that holds the buffer.
    ///
    /// # Errors
    /// Those of the plugin.
    pub fn device(&self) -> Result<Device> {
        let mut a = args::<sys::PJRT_Buffer_Device_Args>();
        a.buffer = self.raw();
        // SAFETY: `self` owns the buffer; the device belongs to the client.
        unsafe { call!(self.client.plugin(), Runtime, PJRT_Buffer_Device, a) }?;
        self.client.device_of(a.device)
    }

    /// The memory that holds the buffer.
    ///
    /// # Errors
    /// Those of the plugin.
    pub fn memory(&self) -> Result<Memory> {
        let mut a = args::<sys::PJRT_Buffer_Memory_Args>();
        a.buffer = self.raw();
        // SAFETY: `self` owns the buffer; the memory belongs to the client.
        unsafe { call!(self.client.plugin(), Runtime, PJRT_Buffer_Memory, a) }?;
        self.client.memory_of(a.memory)
    }

    /// Bytes on the device, padding of its layout included.
    ///
    /// # Errors
    /// Those of the plugin.
    pub fn on_device_size(&self) -> Result<usize> {
        let mut a = args::<sys::PJRT_Buffer_OnDeviceSizeInBytes_Args>();
        a.buffer = self.raw();
        // SAFETY: `self` owns the buffer.
        unsafe { call!(self.client.plugin(), Runtime, PJRT_Buffer_OnDeviceSizeInBytes, a) }?;
        Ok(a.on_device_size_in_bytes)
    }

    /// Is the buffer in memory that the CPU reads directly?
    ///
    /// # Errors
    /// Those of the plugin.
    pub fn is_on_cpu(&self) -> Result<bool> {
        let mut a = args::<sys::PJRT_Buffer_IsOnCpu_Args>();
        a.buffer = self.raw();
        // SAFETY: `self` owns the buffer.
        unsafe { call!(self.client.plugin(), Runtime, PJRT_Buffer_IsOnCpu, a) }?;
        Ok(a.is_on_cpu)
    }

    /// An event that completes when the contents are there, or with the error of what should have written them.
    ///
    /// # Errors
    /// Those of the plugin; the event of a deleted buffer completes with
    /// [`ErrorKind::DeletedBuffer`](crate::ErrorKind::DeletedBuffer).
    pub fn ready_event(&self) -> Result<Event> {
        // SAFETY: `self` owns the buffer, whose client the event holds.
        let event = unsafe { ready_event(self.client.plugin(), self.raw) }?;
        Ok(Event::new(event, &self.client))
    }

    /// Are the contents there, or failed?
    ///
    /// # Errors
    /// Those of the plugin.
    pub fn is_ready(&self) -> Result<bool> {
        self.ready_event()?.is_ready()
    }

    /// Waits until the contents are there.
    ///
    /// # Errors
    /// The error of what should have written them.
    pub fn block_until_ready(&self) -> Result<()> {
        self.ready_event()?.wait()
    }

    /// Gives up the device memory now, although handles remain; enqueued work that reads it still completes.
    ///
    /// # Errors
    /// Those of the plugin.
    pub fn delete(&self) -> Result<()> {
        let mut a = args::<sys::PJRT_Buffer_Delete_Args>();
        a.buffer = self.raw();
        // SAFETY: `self` owns the buffer; deletion is thread-safe and later uses are errors.
        unsafe { call!(self.client.plugin(), Runtime, PJRT_Buffer_Delete, a) }
    }

    /// Has the buffer been deleted, or donated to an execution?
    pub fn is_deleted(&self) -> bool {
        let mut a = args::<sys::PJRT_Buffer_IsDeleted_Args>();
        a.buffer = self.raw();
        // SAFETY: `self` owns the buffer.
        match unsafe { call!(self.client.plugin(), Runtime, PJRT_Buffer_IsDeleted, a) } {
            Ok(()) => a.is_deleted,
            // The call has no way to fail on a live handle; without it, an error on use must do.
            Err(_) => false,
        }
    }

    /// A copy on another device of the same client.
    ///
    /// # Errors
    /// Those of the plugin, among them a device that already holds the buffer.
    pub fn copy_to_device(&self, device: &Device) -> Result<Buffer> {
        self.same_client(device.client())?;
        let mut a = args::<sys::PJRT_Buffer_CopyToDevice_Args>();
        a.buffer = self.raw();
        a.dst_device = device.raw();
        // SAFETY: `self` owns the buffer, the device belongs to the same client; the caller owns the copy.
        unsafe {
            call!(self.client.plugin(), Runtime, PJRT_Buffer_CopyToDevice, a)?;
            Ok(Buffer::from_raw(&self.client, non_null(a.dst_buffer, "PJRT_Buffer_CopyToDevice")?))
        }
    }

    /// A copy in another memory of the same client.
    ///
    /// # Errors
    /// Those of the plugin.
    pub fn copy_to_memory(&self, memory: &Memory) -> Result<Buffer> {
        self.same_client(memory.client())?;
        let mut a = args::<sys::PJRT_Buffer_CopyToMemory_Args>();
        a.buffer = self.raw();
        a.dst_memory = memory.raw();
        // SAFETY: `self` owns the buffer, the memory belongs to the same client; the caller owns the copy.
        unsafe {
            call!(self.client.plugin(), Runtime, PJRT_Buffer_CopyToMemory, a)?;
            Ok(Buffer::from_raw(&self.client, non_null(a.dst_buffer, "PJRT_Buffer_CopyToMemory")?))
        }
    }

    /// The address of the contents, for sharing with other frameworks (DLPack); it is a device address where the
    /// device has its own memory.
    ///
    /// The address is valid while `self` lives, is not deleted and not donated, and an [`ExternalReference`] is held.
    ///
    /// # Errors
    /// Those of the plugin.
    ///
    /// # Safety
    /// The caller reads through the address only as long as it is valid and after [`Buffer::block_until_ready`], and
    /// writes only if nothing else reads.
    pub unsafe fn unsafe_pointer(&self) -> Result<usize> {
        let mut a = args::<sys::PJRT_Buffer_UnsafePointer_Args>();
        a.buffer = self.raw();
        // SAFETY: `self` owns the buffer; what happens with the address is the caller's promise.
        unsafe { call!(self.client.plugin(), Runtime, PJRT_Buffer_UnsafePointer, a) }?;
        Ok(a.buffer_pointer)
    }

    /// Keeps the contents in place and alive while the reference lives: a donation fails or copies instead.
    ///
    /// # Errors
    /// Those of the plugin.
    pub fn external_reference(&self) -> Result<ExternalReference<'_>> {
        let mut a = args::<sys::PJRT_Buffer_IncreaseExternalReferenceCount_Args>();
        a.buffer = self.raw();
        // SAFETY: `self` owns the buffer.
        unsafe { call!(self.client.plugin(), Runtime, PJRT_Buffer_IncreaseExternalReferenceCount, a) }?;
        Ok(ExternalReference(self))
    }

    fn same_client(&self, other: &Client) -> Result<()> {
        if &self.client != other {
            bail!(InvalidArgument, "copy of a buffer to another client: read it and write it instead");
        }
        Ok(())
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.dtype(), self.dims()) {
            (Ok(dtype), Ok(dims)) => write!(f, "Buffer({dtype}{:?})", dims.as_slice()),
            _ => f.write_str("Buffer(?)"),
        }
    }
}

/// A claim of something outside PJRT on a [`Buffer`]'s memory.
pub struct ExternalReference<'a>(&'a Buffer);

impl Drop for ExternalReference<'_> {
    fn drop(&mut self) {
        let mut a = args::<sys::PJRT_Buffer_DecreaseExternalReferenceCount_Args>();
        a.buffer = self.0.raw();
        // SAFETY: the buffer outlives `self`, which has raised its count by one. An error cannot be reported from here.
        let _ =
            unsafe { call!(self.0.client.plugin(), Runtime, PJRT_Buffer_DecreaseExternalReferenceCount, a) };
    }
}

/// PJRT's number of a dtype.
pub(crate) const fn type_of(dtype: DType) -> sys::PJRT_Buffer_Type {
    match dtype {
        DType::Bool | DType::Float0 => sys::PJRT_Buffer_Type_PRED,
        DType::I2 => sys::PJRT_Buffer_Type_S2,
        DType::I4 => sys::PJRT_Buffer_Type_S4,
        DType::I8 => sys::PJRT_Buffer_Type_S8,
        DType::I16 => sys::PJRT_Buffer_Type_S16,
        DType::I32 => sys::PJRT_Buffer_Type_S32,
        DType::I64 => sys::PJRT_Buffer_Type_S64,
        DType::U2 => sys::PJRT_Buffer_Type_U2,
        DType::U4 => sys::PJRT_Buffer_Type_U4,
        DType::U8 => sys::PJRT_Buffer_Type_U8,
        DType::U16 => sys::PJRT_Buffer_Type_U16,
        DType::U32 => sys::PJRT_Buffer_Type_U32,
        DType::U64 => sys::PJRT_Buffer_Type_U64,
        DType::F4E2M1FN => sys::PJRT_Buffer_Type_F4E2M1FN,
        DType::F8E3M4 => sys::PJRT_Buffer_Type_F8E3M4,
        DType::F8E4M3 => sys::PJRT_Buffer_Type_F8E4M3,
        DType::F8E4M3B11FNUZ => sys::PJRT_Buffer_Type_F8E4M3B11FNUZ,
        DType::F8E4M3FN => sys::PJRT_Buffer_Type_F8E4M3FN,
        DType::F8E4M3FNUZ => sys::PJRT_Buffer_Type_F8E4M3FNUZ,
        DType::F8E5M2 => sys::PJRT_Buffer_Type_F8E5M2,
        DType::F8E5M2FNUZ => sys::PJRT_Buffer_Type_F8E5M2FNUZ,
        DType::F8E8M0FNU => sys::PJRT_Buffer_Type_F8E8M0FNU,
        DType::BF16 => sys::PJRT_Buffer_Type_BF16,
        DType::F16 => sys::PJRT_Buffer_Type_F16,
        DType::F32 => sys::PJRT_Buffer_Type_F32,
        DType::F64 => sys::PJRT_Buffer_Type_F64,
        DType::C64 => sys::PJRT_Buffer_Type_C64,
        DType::C128 => sys::PJRT_Buffer_Type_C128,
    }
}

/// The dtype of PJRT's number.
pub(crate) fn dtype_of(raw: sys::PJRT_Buffer_Type) -> Result<DType> {
    match DType::ALL.into_iter().find(|&dtype| type_of(dtype) == raw) {
        Some(dtype) => Ok(dtype),
        None => bail!(DType, "PJRT buffer type {raw} has no dtype in raxla"),
    }
}

/// The event of a buffer's contents, as [`Buffer::ready_event`].
///
/// # Safety
/// `buffer` is a live buffer of a client of `plugin`, and that lives until the event is dropped.
pub(super) unsafe fn ready_event(plugin: Plugin, buffer: NonNull<sys::PJRT_Buffer>) -> Result<RawEvent> {
    let mut a = args::<sys::PJRT_Buffer_ReadyEvent_Args>();
    a.buffer = buffer.as_ptr();
    // SAFETY: the caller's promise; the caller of PJRT owns the event.
    unsafe {
        call!(plugin, Runtime, PJRT_Buffer_ReadyEvent, a)?;
        Ok(RawEvent::new(plugin, non_null(a.event, "PJRT_Buffer_ReadyEvent")?))
    }
}
