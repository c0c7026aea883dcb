//! Moving data between the host and a [`Buffer`].

use super::api::{RawDims, args, dims_of, non_null};
use super::buffer::type_of;
use super::{Buffer, Client, Device, Event, Memory, event, sys};
use crate::dtype::DType;
use crate::error::{Result, bail};
use std::ffi::c_void;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// How long the runtime may use the host's data, and whether the buffer may be the host's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HostBufferSemantics {
    /// Only during the call, which copies.
    ImmutableOnlyDuringCall,
    /// Until the event of the transfer completes.
    ImmutableUntilTransferCompletes,
    /// As long as the buffer lives; the buffer may be the host's memory, which nobody writes.
    ImmutableZeroCopy,
    /// As long as the buffer lives; the buffer may be the host's memory, which executions may overwrite (donation).
    MutableZeroCopy,
}

impl HostBufferSemantics {
    const fn raw(self) -> sys::PJRT_HostBufferSemantics {
        match self {
            Self::ImmutableOnlyDuringCall => sys::PJRT_HostBufferSemantics_kImmutableOnlyDuringCall,
            Self::ImmutableUntilTransferCompletes => {
                sys::PJRT_HostBufferSemantics_kImmutableUntilTransferCompletes
            }
            Self::ImmutableZeroCopy => sys::PJRT_HostBufferSemantics_kImmutableZeroCopy,
            Self::MutableZeroCopy => sys::PJRT_HostBufferSemantics_kMutableZeroCopy,
        }
    }
}

impl Client {
    /// Copies `data`, dense and row-major, to `device`. The call returns when `data` is no longer needed, the buffer
    /// becomes ready later.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) if `data` has not as many bytes as the shape.
    pub fn buffer_from_host(
        &self,
        data: &[u8],
        dtype: DType,
        dims: &[usize],
        device: &Device,
    ) -> Result<Buffer> {
        check_len("buffer_from_host", data.len(), dtype, dims)?;
        let semantics = HostBufferSemantics::ImmutableOnlyDuringCall;
        // SAFETY: `data` has as many bytes as the dense shape and is borrowed for the call, which is all that these
        // semantics ask for.
        let (buffer, _) = unsafe {
            self.buffer_from_host_raw(data.as_ptr(), dtype, dims, None, semantics, device, None, false)
        }?;
        Ok(buffer)
    }

    /// Copies `data`, dense and row-major, to `memory` of `device`.
    ///
    /// # Errors
    /// As [`Client::buffer_from_host`].
    pub fn buffer_from_host_to_memory(
        &self,
        data: &[u8],
        dtype: DType,
        dims: &[usize],
        device: &Device,
        memory: &Memory,
    ) -> Result<Buffer> {
        check_len("buffer_from_host_to_memory", data.len(), dtype, dims)?;
        let semantics = HostBufferSemantics::ImmutableOnlyDuringCall;
        // SAFETY: as in `buffer_from_host`.
        let (buffer, _) = unsafe {
            self.buffer_from_host_raw(
                data.as_ptr(),
                dtype,
                dims,
                None,
                semantics,
                device,
                Some(memory),
                false,
            )
        }?;
        Ok(buffer)
    }

    /// Copies a strided view of `data` to `device`: element `i` lies at byte `offset + Σ i[k] * byte_strides[k]`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) if an element would lie outside `data`.
    pub fn buffer_from_host_strided(
        &self,
        data: &[u8],
        offset: usize,
        byte_strides: &[i64],
        dtype: DType,
        dims: &[usize],
        device: &Device,
    ) -> Result<Buffer> {
        check_strides(data.len(), offset, byte_strides, dtype, dims)?;
        let semantics = HostBufferSemantics::ImmutableOnlyDuringCall;
        let start = data.as_ptr().wrapping_add(offset);
        // SAFETY: `check_strides` has shown every element to lie inside `data`, which is borrowed for the call.
        let (buffer, _) = unsafe {
            self.buffer_from_host_raw(start, dtype, dims, Some(byte_strides), semantics, device, None, false)
        }?;
        Ok(buffer)
    }

    /// A buffer that is `data` itself where the platform and `data`'s alignment allow it (on CPU: 64 bytes), a copy
    /// otherwise. `data` is dropped when the runtime no longer needs it, perhaps on another thread.
    ///
    /// # Errors
    /// As [`Client::buffer_from_host`].
    pub fn buffer_from_host_owned<T>(
        &self,
        data: T,
        dtype: DType,
        dims: &[usize],
        device: &Device,
    ) -> Result<Buffer>
    where
        T: AsRef<[u8]> + Send + 'static,
    {
        // Boxed, so that bytes inside the value stay where they are when the owner moves into the callback.
        let owner = Box::new(data);
        let bytes: &[u8] = (*owner).as_ref();
        check_len("buffer_from_host_owned", bytes.len(), dtype, dims)?;
        let semantics = HostBufferSemantics::ImmutableZeroCopy;
        // SAFETY: `bytes` has as many bytes as the dense shape. Nothing writes it, since only the callback below has
        // the owner, and it lives until the runtime says that it is done; it is leaked if that cannot be known.
        let (buffer, done) = unsafe {
            self.buffer_from_host_raw(bytes.as_ptr(), dtype, dims, None, semantics, device, None, true)
        }?;
        let owner = std::mem::ManuallyDrop::new(owner);
        if let Some(done) = done {
            done.on_ready(move |_| drop(std::mem::ManuallyDrop::into_inner(owner)))?;
        }
        Ok(buffer)
    }

    /// The general transfer to a device: any layout, semantics and memory. With `want_event` it returns the event that
    /// says when the host's data is no longer in use.
    ///
    /// # Errors
    /// Those of the plugin.
    ///
    /// # Safety
    /// `data` points to the elements of the shape, laid out with `byte_strides` (dense and row-major if `None`), and
    /// they stay valid and unwritten as long as `semantics` asks for.
    #[expect(clippy::too_many_arguments, reason = "mirrors PJRT_Client_BufferFromHostBuffer")]
    pub unsafe fn buffer_from_host_raw(
        &self,
        data: *const u8,
        dtype: DType,
        dims: &[usize],
        byte_strides: Option<&[i64]>,
        semantics: HostBufferSemantics,
        device: &Device,
        memory: Option<&Memory>,
        want_event: bool,
    ) -> Result<(Buffer, Option<Event>)> {
        if device.client() != self || memory.is_some_and(|m| m.client() != self) {
            bail!(InvalidArgument, "buffer_from_host: device {device} belongs to another client");
        }
        let dims = dims_of(dims);
        let mut a = args::<sys::PJRT_Client_BufferFromHostBuffer_Args>();
        a.client = self.raw();
        // An empty array has no data to point at, but plugins reject null.
        a.data = data.cast();
        a.type_ = type_of(dtype);
        a.dims = dims.as_ptr();
        a.num_dims = dims.len();
        if let Some(strides) = byte_strides {
            a.byte_strides = strides.as_ptr();
            a.num_byte_strides = strides.len();
        }
        a.host_buffer_semantics = semantics.raw();
        a.device = device.raw();
        a.memory = memory.map_or(std::ptr::null_mut(), Memory::raw);
        // SAFETY: `self` owns the client and the device; dims and strides outlive the call; `data` is the caller's
        // promise. The caller of PJRT owns the buffer and the event.
        unsafe {
            call!(self.plugin(), Runtime, PJRT_Client_BufferFromHostBuffer, a)?;
            let buffer = Buffer::from_raw(self, non_null(a.buffer, "PJRT_Client_BufferFromHostBuffer")?);
            let Some(event) = std::ptr::NonNull::new(a.done_with_host_buffer) else {
                return Ok((buffer, None));
            };
            let event = Event::from_raw(self, event);
            Ok((buffer, want_event.then_some(event)))
        }
    }

    /// A buffer over memory of the device that something else owns, as DLPack imports it. `on_delete` is called when
    /// the runtime no longer needs the memory.
    ///
    /// # Errors
    /// Those of the plugin.
    ///
    /// # Safety
    /// `pointer` is memory of `device` with the dense row-major contents of the shape, aligned as the platform
    /// requires; it stays valid and is not written by others until `on_delete` is called.
    pub unsafe fn view_of_device_buffer(
        &self,
        pointer: *mut c_void,
        dtype: DType,
        dims: &[usize],
        device: &Device,
        on_delete: impl FnOnce() + Send + 'static,
    ) -> Result<Buffer> {
        type OnDelete = Box<dyn FnOnce() + Send>;
        unsafe extern "C" fn deleted(_pointer: *mut c_void, user_arg: *mut c_void) {
            // SAFETY: `user_arg` is the box that was leaked for this one call.
            event::as_callback(|| unsafe { Box::from_raw(user_arg.cast::<OnDelete>())() });
        }
        if device.client() != self {
            bail!(InvalidArgument, "view_of_device_buffer: device {device} belongs to another client");
        }
        let dims = dims_of(dims);
        let on_delete: OnDelete = Box::new(on_delete);
        let user_arg = Box::into_raw(Box::new(on_delete));
        let mut a = args::<sys::PJRT_Client_CreateViewOfDeviceBuffer_Args>();
        a.client = self.raw();
        a.device_buffer_ptr = pointer;
        a.dims = dims.as_ptr();
        a.num_dims = dims.len();
        a.element_type = type_of(dtype);
        a.device = device.raw();
        a.on_delete_callback = Some(deleted);
        a.on_delete_callback_arg = user_arg.cast();
        // SAFETY: `self` owns the client; the memory is the caller's promise; the callback owns `user_arg`.
        unsafe {
            if let Err(e) = call!(self.plugin(), Runtime, PJRT_Client_CreateViewOfDeviceBuffer, a) {
                drop(Box::from_raw(user_arg));
                return Err(e);
            }
            Ok(Buffer::from_raw(self, non_null(a.buffer, "PJRT_Client_CreateViewOfDeviceBuffer")?))
        }
    }
}

/// Bytes that are copied in less time than another thread takes to begin.
const SMALL: usize = 64 << 10;

impl Buffer {
    /// Waits for the contents and copies them to `dst`, dense and row-major whatever the device's layout.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) if `dst` has not as many bytes as the shape;
    /// [`ErrorKind::DeletedBuffer`](crate::ErrorKind::DeletedBuffer); the error of what should have written the buffer.
    pub fn to_host_sync(&self, dst: &mut [u8]) -> Result<()> {
        let dims = self.dims()?;
        check_len("to_host_sync", dst.len(), self.dtype()?, &dims)?;
        // SAFETY: `dst` has room for the shape, as was just seen.
        unsafe { self.read(dst, dims.len()) }
    }

    /// # Safety
    /// `dst` has room for the shape, which has `rank` axes.
    unsafe fn read(&self, dst: &mut [u8], rank: usize) -> Result<()> {
        if rank <= 1 && dst.len() <= SMALL && !self.dtype()?.is_sub_byte() && self.read_in_place(dst)? {
            return Ok(());
        }
        // SAFETY: `dst` is borrowed until `wait` returns, after which the runtime does not touch it; the rest is the caller's
        // promise.
        unsafe { self.copy_to_host(dst, rank) }?.wait()
    }

    /// The rank, and the size of the contents in bytes.
    fn extent(&self) -> Result<(usize, usize)> {
        let dims = self.dims()?;
        Ok((dims.len(), self.dtype()?.size() * dims.iter().product::<usize>()))
    }

    /// Copies the contents where this thread can read them and the plugin would have another do it, or says that it did not. A
    /// list has one order on a CPU.
    fn read_in_place(&self, dst: &mut [u8]) -> Result<bool> {
        if !self.client().hands_small_work_over() || dst.is_empty() {
            return Ok(false);
        }
        self.block_until_ready()?;
        let Ok(reference) = self.external_reference() else { return Ok(false) };
        // SAFETY: the address is that of the CPU's own memory, valid while the buffer and the reference live; the contents are
        // there.
        match unsafe { self.unsafe_pointer() } {
            Ok(address) if address != 0 => {
                // SAFETY: as above; the array has as many bytes as `dst`, which is other memory. The reference keeps programs from
                // overwriting it.
                unsafe { std::ptr::copy_nonoverlapping(address as *const u8, dst.as_mut_ptr(), dst.len()) };
            }
            _ => return Ok(false),
        }
        drop(reference);
        Ok(true)
    }

    /// The contents, dense and row-major. Waits until they are there.
    ///
    /// # Errors
    /// [`ErrorKind::DeletedBuffer`](crate::ErrorKind::DeletedBuffer); the error of what should have written the buffer;
    /// [`ErrorKind::Runtime`](crate::ErrorKind::Runtime) if the host has not so much memory.
    pub fn to_host(&self) -> Result<Vec<u8>> {
        let (rank, size) = self.extent()?;
        if size > LARGE {
            // What failed for want of memory says so, rather than that the host has none for it either.
            self.block_until_ready()?;
        }
        let mut data = zeroes(size)?;
        // SAFETY: `data` is as long as the contents, whose rank this is.
        unsafe { self.read(&mut data, rank) }?;
        Ok(data)
    }

    /// Starts a copy of the contents to the host, dense and row-major, and returns at once.
    ///
    /// # Errors
    /// [`ErrorKind::DeletedBuffer`](crate::ErrorKind::DeletedBuffer); those of the plugin.
    pub fn to_host_async(&self) -> Result<HostTransfer> {
        let (rank, size) = self.extent()?;
        let mut data = zeroes(size)?;
        // SAFETY: `data` has room for the shape; `HostTransfer` frees it only after the event has completed.
        let event = unsafe { self.copy_to_host(&mut data, rank) }?;
        Ok(HostTransfer { event: Some(event), data })
    }

    /// # Safety
    /// `dst` has room for the shape, which has `rank` axes, and stays valid, used by nobody else, until the event has completed.
    unsafe fn copy_to_host(&self, dst: &mut [u8], rank: usize) -> Result<Event> {
        let minor_to_major: RawDims = (0..rank as i64).rev().collect();
        // SAFETY: zeroes are a valid layout, without tiles.
        let mut layout: sys::PJRT_Buffer_MemoryLayout = super::api::args();
        layout.type_ = sys::PJRT_Buffer_MemoryLayout_Type_Tiled;
        let mut tiled: sys::PJRT_Buffer_MemoryLayout_Tiled = super::api::args();
        tiled.minor_to_major = minor_to_major.as_ptr();
        tiled.minor_to_major_size = minor_to_major.len();
        layout.__bindgen_anon_1.tiled = tiled;
        let mut a = args::<sys::PJRT_Buffer_ToHostBuffer_Args>();
        a.src = self.raw();
        a.host_layout = &raw mut layout;
        a.dst = dst.as_mut_ptr().cast();
        a.dst_size = dst.len();
        let client = self.client();
        // SAFETY: `self` owns the buffer; the layout outlives the call; `dst` is the caller's promise; the caller of
        // PJRT owns the event.
        unsafe {
            call!(client.plugin(), Runtime, PJRT_Buffer_ToHostBuffer, a)?;
            Ok(Event::from_raw(client, non_null(a.event, "PJRT_Buffer_ToHostBuffer")?))
        }
    }
}

/// A copy to the host under way: `.await` it, or [`wait`](HostTransfer::wait).
#[derive(Debug)]
pub struct HostTransfer {
    /// `None` once the outcome has been taken.
    event: Option<Event>,
    data: Vec<u8>,
}

impl HostTransfer {
    /// Blocks until the copy is complete and returns its bytes.
    ///
    /// # Errors
    /// The error of what should have written the buffer.
    pub fn wait(mut self) -> Result<Vec<u8>> {
        if let Some(event) = &self.event {
            event.wait()?;
            self.event = None;
        }
        Ok(std::mem::take(&mut self.data))
    }

    /// Is the copy complete, or failed?
    ///
    /// # Errors
    /// Those of the plugin.
    pub fn is_ready(&self) -> Result<bool> {
        self.event.as_ref().map_or(Ok(true), Event::is_ready)
    }
}

impl Future for HostTransfer {
    type Output = Result<Vec<u8>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(event) = &mut self.event {
            match Pin::new(event).poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(result) => {
                    self.event = None;
                    result?;
                }
            }
        }
        Poll::Ready(Ok(std::mem::take(&mut self.data)))
    }
}

impl Drop for HostTransfer {
    fn drop(&mut self) {
        if let Some(event) = &self.event {
            // The runtime may still be writing: its callback frees the bytes, and if it takes none they are leaked.
            let data = std::mem::ManuallyDrop::new(std::mem::take(&mut self.data));
            let _ = event.on_ready(move |_| drop(std::mem::ManuallyDrop::into_inner(data)));
        }
    }
}

/// Bytes beyond which asking whether there is memory costs nothing beside the copy.
const LARGE: usize = 1 << 24;

/// So many zeroes, or an error where [`vec!`] would end the process.
fn zeroes(size: usize) -> Result<Vec<u8>> {
    if size > LARGE && Vec::<u8>::new().try_reserve_exact(size).is_err() {
        bail!(Runtime, "out of memory on the host: {size} bytes to copy an array into");
    }
    Ok(vec![0; size])
}

/// The bytes of a dense shape; an overflow is an error like any other mismatch.
fn check_len(operation: &str, len: usize, dtype: DType, dims: &[usize]) -> Result<()> {
    let needed = dims.iter().try_fold(dtype.size(), |size, &d| size.checked_mul(d));
    if needed != Some(len) {
        bail!(InvalidArgument, "{operation}: {dtype}{dims:?} has {needed:?} bytes, got {len}");
    }
    Ok(())
}

fn check_strides(len: usize, offset: usize, strides: &[i64], dtype: DType, dims: &[usize]) -> Result<()> {
    if strides.len() != dims.len() {
        bail!(
            InvalidArgument,
            "buffer_from_host_strided: byte_strides has length {}, the shape {dims:?} has rank {}",
            strides.len(),
            dims.len()
        );
    }
    if dims.contains(&0) {
        return Ok(());
    }
    // i128: no product of a size and a stride overflows.
    let (mut low, mut high) = (offset as i128, offset as i128 + dtype.size() as i128);
    for (&stride, &d) in strides.iter().zip(dims) {
        let reach = i128::from(stride) * (d as i128 - 1);
        if reach < 0 { low += reach } else { high += reach }
    }
    if low < 0 || high > len as i128 {
        bail!(
            InvalidArgument,
            "buffer_from_host_strided: {dtype}{dims:?} with byte_strides {strides:?} at offset {offset} spans bytes \
             {low}..{high}, but the data has {len}"
        );
    }
    Ok(())
}
