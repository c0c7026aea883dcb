//! [`Executable`]: a program that is loaded on its devices. JAX: `LoadedExecutable`.

use super::api::{args, non_null, slice};
use super::compiled::Owner;
use super::in_flight::Habit;
use super::{Buffer, Client, CompiledProgram, Device, Event, sys};
use crate::error::{Result, bail};
use smallvec::SmallVec;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicBool, Ordering};

/// The outputs of one execution on one device.
pub type Outputs = SmallVec<[Buffer; 4]>;

/// The arguments of one execution on one device: [`Executable::arguments`].
pub(crate) struct ArgumentList<'e, 'b> {
    executable: &'e Executable,
    /// Larger lists go to the heap.
    raw: SmallVec<[*mut sys::PJRT_Buffer; 128]>,
    buffers: PhantomData<&'b Buffer>,
}

impl<'e, 'b> ArgumentList<'e, 'b> {
    /// The next argument.
    #[inline(always)]
    pub(crate) fn push(&mut self, argument: &'b Buffer) -> Result<()> {
        self.executable.check_argument(argument)?;
        self.raw.push(argument.raw());
        Ok(())
    }

    /// [`Executable::execute`] of the executable that made the list.
    #[inline]
    pub(crate) fn execute(&self, non_donatable: &[i64]) -> Result<OutputList<'e>> {
        self.executable.execute_list(self, non_donatable, null_mut(), null_mut())
    }
}

/// The outputs of one execution on one device, as they are asked for.
pub(crate) struct OutputList<'e> {
    client: &'e Client,
    raw: smallvec::IntoIter<[*mut sys::PJRT_Buffer; 32]>,
}

impl Iterator for OutputList<'_> {
    type Item = Buffer;

    #[inline(always)]
    fn next(&mut self) -> Option<Buffer> {
        let raw = NonNull::new(self.raw.next()?)?;
        // SAFETY: the execution made the buffer for its caller, and it is taken out of the list once.
        Some(unsafe { Buffer::from_raw(self.client, raw) })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.raw.size_hint()
    }
}

impl ExactSizeIterator for OutputList<'_> {}

impl Drop for OutputList<'_> {
    fn drop(&mut self) {
        // Those that nobody asked for are destroyed.
        self.for_each(drop);
    }
}

/// A compiled program, loaded on its devices. It dereferences to its [`CompiledProgram`], which answers questions.
///
/// Any number of threads may execute it at once.
pub struct Executable {
    raw: NonNull<sys::PJRT_LoadedExecutable>,
    /// Declared after `raw`, dropped after `drop`: it holds the client.
    program: CompiledProgram,
    client: Client,
    /// Asked for once: PJRT allocates an executable handle to answer.
    num_outputs: usize,
    /// By [`Executable::delete`]: some plugins run a deleted program, and say that it is not.
    deleted: AtomicBool,
    /// If it runs on threads of this process.
    habit: Option<Habit>,
}

// SAFETY: the PJRT C API lets any thread use an executable, several at once; the other fields never change.
unsafe impl Send for Executable {}
// SAFETY: as above.
unsafe impl Sync for Executable {}

impl Drop for Executable {
    fn drop(&mut self) {
        let mut a = args::<sys::PJRT_LoadedExecutable_Destroy_Args>();
        a.executable = self.raw.as_ptr();
        // SAFETY: `self` owns the executable and is its last user; executions under way hold it themselves. The client
        // is alive, since the field is dropped after this. An error cannot be reported from here.
        let _ = unsafe { call!(self.client.plugin(), Runtime, PJRT_LoadedExecutable_Destroy, a) };
    }
}

impl Executable {
    /// # Safety
    /// `raw` is an executable of `client` that nobody else owns.
    pub(crate) unsafe fn from_raw(
        client: &Client,
        raw: NonNull<sys::PJRT_LoadedExecutable>,
    ) -> Result<Executable> {
        let destroy = || {
            let mut a = args::<sys::PJRT_LoadedExecutable_Destroy_Args>();
            a.executable = raw.as_ptr();
            // SAFETY: the caller handed over the executable, and no `Executable` has come of it.
            let _ = unsafe { call!(client.plugin(), Runtime, PJRT_LoadedExecutable_Destroy, a) };
        };
        let describe = || {
            let mut a = args::<sys::PJRT_LoadedExecutable_GetExecutable_Args>();
            a.loaded_executable = raw.as_ptr();
            // SAFETY: `raw` is alive; the caller of PJRT owns the handle that it returns.
            let program = unsafe {
                call!(client.plugin(), Compile, PJRT_LoadedExecutable_GetExecutable, a)?;
                let raw = non_null(a.executable, "PJRT_LoadedExecutable_GetExecutable")?;
                CompiledProgram::from_raw(client.plugin(), Owner::Client(client.clone()), raw)
            };
            let num_outputs = program.num_outputs()?;
            Ok((program, num_outputs))
        };
        match describe() {
            Ok((program, num_outputs)) => Ok(Executable {
                raw,
                program,
                client: client.clone(),
                num_outputs,
                deleted: AtomicBool::new(false),
                habit: client.computes_here().then(Habit::default),
            }),
            Err(e) => {
                destroy();
                Err(e)
            }
        }
    }

    /// The client that the executable belongs to.
    #[inline]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The number of outputs on each device.
    #[inline]
    pub fn output_count(&self) -> usize {
        self.num_outputs
    }

    /// Enqueues the program on its one device and returns its outputs, which become ready later.
    ///
    /// An argument that the program aliases with an output (donates) is deleted by this, unless its position is in
    /// `non_donatable`: then it is copied.
    ///
    /// # Errors
    /// [`ErrorKind::DeletedBuffer`](crate::ErrorKind::DeletedBuffer);
    /// [`ErrorKind::Runtime`](crate::ErrorKind::Runtime) for arguments of other shapes or in another number, or that
    /// lie on another device. Errors of the run itself appear in the outputs.
    #[inline]
    pub fn execute(&self, arguments: &[&Buffer], non_donatable: &[i64]) -> Result<Outputs> {
        self.execute_on(arguments, non_donatable, null_mut(), null_mut())
    }

    /// [`Executable::execute`], with an event for the completion.
    ///
    /// # Errors
    /// As [`Executable::execute`].
    pub fn execute_and_notify(
        &self,
        arguments: &[&Buffer],
        non_donatable: &[i64],
    ) -> Result<(Outputs, Event)> {
        let mut event = null_mut();
        let outputs = self.execute_on(arguments, non_donatable, null_mut(), &raw mut event)?;
        let event = non_null(event, "PJRT_LoadedExecutable_Execute")?;
        // SAFETY: the caller of PJRT owns the event, which is one of the executable's client.
        Ok((outputs, unsafe { Event::from_raw(&self.client, event) }))
    }

    /// [`Executable::execute`] on `device`, for a program compiled as
    /// [`portable`](super::CompileOptions::compile_portable_executable).
    ///
    /// # Errors
    /// As [`Executable::execute`].
    pub fn execute_on_device(
        &self,
        arguments: &[&Buffer],
        non_donatable: &[i64],
        device: &Device,
    ) -> Result<Outputs> {
        if device.client() != &self.client {
            bail!(InvalidArgument, "execute: device {device} belongs to another client");
        }
        self.execute_on(arguments, non_donatable, device.raw(), null_mut())
    }

    fn execute_on(
        &self,
        arguments: &[&Buffer],
        non_donatable: &[i64],
        device: *mut sys::PJRT_Device,
        event: *mut *mut sys::PJRT_Event,
    ) -> Result<Outputs> {
        let mut list = self.arguments(arguments.len());
        arguments.iter().try_for_each(|argument| list.push(argument))?;
        Ok(self.execute_list(&list, non_donatable, device, event)?.collect())
    }

    /// An empty list of arguments, with room for so many.
    #[inline]
    pub(crate) fn arguments<'b>(&self, count: usize) -> ArgumentList<'_, 'b> {
        ArgumentList { executable: self, raw: SmallVec::with_capacity(count), buffers: PhantomData }
    }

    /// `arguments` is a list of this executable's.
    fn execute_list(
        &self,
        arguments: &ArgumentList<'_, '_>,
        non_donatable: &[i64],
        device: *mut sys::PJRT_Device,
        event: *mut *mut sys::PJRT_Event,
    ) -> Result<OutputList<'_>> {
        self.check_alive()?;
        let mut outputs: SmallVec<[*mut sys::PJRT_Buffer; 32]> =
            smallvec::smallvec![null_mut(); self.num_outputs];
        let mut options = args::<sys::PJRT_ExecuteOptions>();
        options.non_donatable_input_indices = non_donatable.as_ptr();
        options.num_non_donatable_input_indices = non_donatable.len();
        let argument_list: *const *mut sys::PJRT_Buffer = arguments.raw.as_ptr();
        let output_list: *mut *mut sys::PJRT_Buffer = outputs.as_mut_ptr();
        let mut a = args::<sys::PJRT_LoadedExecutable_Execute_Args>();
        a.executable = self.raw.as_ptr();
        a.options = &raw mut options;
        a.argument_lists = &raw const argument_list;
        a.num_devices = 1;
        a.num_args = arguments.raw.len();
        a.output_lists = &raw const output_list;
        a.execute_device = device;
        a.device_complete_events = event;
        // SAFETY: `self` owns the executable; the list borrows its buffers, which are of the client of this
        // executable; all lists outlive the call, the output list has room for every output and `event`, unless it is null, for
        // one event. The caller of PJRT owns the outputs.
        unsafe { call!(self.client.plugin(), Runtime, PJRT_LoadedExecutable_Execute, a) }?;
        if outputs.iter().any(|output| output.is_null()) {
            bail!(Internal, "PJRT_LoadedExecutable_Execute reported success but returned no handle");
        }
        let first = outputs.first().copied();
        let outputs = OutputList { client: &self.client, raw: outputs.into_iter() };
        self.note_run(first)?;
        Ok(outputs)
    }

    /// A run whose outputs on a device begin with `output`, if it has any.
    #[inline(always)]
    fn note_run(&self, output: Option<*mut sys::PJRT_Buffer>) -> Result<()> {
        match (&self.habit, output.and_then(NonNull::new)) {
            (Some(habit), Some(output)) if habit.is_to_be_asked() => habit.note(&self.client, output),
            _ => Ok(()),
        }
    }

    /// Enqueues the program on all its devices: `arguments[d]` are those on the `d`-th of
    /// [`addressable_devices`](Executable::addressable_devices), and so are the outputs.
    ///
    /// # Errors
    /// As [`Executable::execute`]; also if the lists differ in length.
    pub fn execute_sharded(&self, arguments: &[Vec<&Buffer>], non_donatable: &[i64]) -> Result<Vec<Outputs>> {
        Ok(self.execute_sharded_with_events(arguments, non_donatable, false)?.0)
    }

    /// [`Executable::execute_sharded`], with an event for the completion on each device.
    ///
    /// # Errors
    /// As [`Executable::execute_sharded`].
    pub fn execute_sharded_and_notify(
        &self,
        arguments: &[Vec<&Buffer>],
        non_donatable: &[i64],
    ) -> Result<(Vec<Outputs>, Vec<Event>)> {
        self.execute_sharded_with_events(arguments, non_donatable, true)
    }

    fn execute_sharded_with_events(
        &self,
        arguments: &[Vec<&Buffer>],
        non_donatable: &[i64],
        notify: bool,
    ) -> Result<(Vec<Outputs>, Vec<Event>)> {
        self.check_alive()?;
        let num_args = arguments.first().map_or(0, Vec::len);
        let mut raw: Vec<Vec<*mut sys::PJRT_Buffer>> = Vec::with_capacity(arguments.len());
        for list in arguments {
            if list.len() != num_args {
                bail!(
                    InvalidArgument,
                    "execute_sharded: the first device has {num_args} arguments, another {}",
                    list.len()
                );
            }
            for argument in list {
                self.check_argument(argument)?;
            }
            raw.push(list.iter().map(|buffer| buffer.raw()).collect());
        }
        let devices = raw.len();
        let argument_lists: Vec<*const *mut sys::PJRT_Buffer> =
            raw.iter().map(|list| list.as_ptr()).collect();
        let mut outputs = vec![vec![null_mut::<sys::PJRT_Buffer>(); self.num_outputs]; devices];
        let output_lists: Vec<*mut *mut sys::PJRT_Buffer> =
            outputs.iter_mut().map(|list| list.as_mut_ptr()).collect();
        let mut events = vec![null_mut::<sys::PJRT_Event>(); if notify { devices } else { 0 }];
        let mut options = args::<sys::PJRT_ExecuteOptions>();
        options.non_donatable_input_indices = non_donatable.as_ptr();
        options.num_non_donatable_input_indices = non_donatable.len();
        let mut a = args::<sys::PJRT_LoadedExecutable_Execute_Args>();
        a.executable = self.raw.as_ptr();
        a.options = &raw mut options;
        a.argument_lists = argument_lists.as_ptr();
        a.num_devices = devices;
        a.num_args = num_args;
        a.output_lists = output_lists.as_ptr();
        a.device_complete_events = if notify { events.as_mut_ptr() } else { null_mut() };
        // SAFETY: as in `execute_on`, with one list for each device; there is room for an event of each.
        unsafe {
            call!(self.client.plugin(), Runtime, PJRT_LoadedExecutable_Execute, a)?;
            let outputs = outputs.iter().map(|list| self.take_outputs(list)).collect::<Result<Vec<_>>>()?;
            for list in &outputs {
                self.note_run(list.first().map(Buffer::raw))?;
            }
            let event =
                |raw| Ok(Event::from_raw(&self.client, non_null(raw, "PJRT_LoadedExecutable_Execute")?));
            let events = events.into_iter().map(event).collect::<Result<Vec<_>>>()?;
            Ok((outputs, events))
        }
    }

    /// # Safety
    /// `raw` are buffers of the executable's client that nobody else owns, or null.
    #[inline(always)]
    unsafe fn take_outputs(&self, raw: &[*mut sys::PJRT_Buffer]) -> Result<Outputs> {
        let mut outputs = Outputs::with_capacity(raw.len());
        for &buffer in raw {
            let buffer = non_null(buffer, "PJRT_LoadedExecutable_Execute")?;
            // SAFETY: the caller's promise.
            outputs.push(unsafe { Buffer::from_raw(&self.client, buffer) });
        }
        Ok(outputs)
    }

    #[inline(always)]
    fn check_alive(&self) -> Result<()> {
        if self.deleted.load(Ordering::Relaxed) {
            bail!(Runtime, "execute: the executable was deleted");
        }
        Ok(())
    }

    /// A plugin would misread a buffer of another client: all it gets are addresses.
    #[inline(always)]
    fn check_argument(&self, argument: &Buffer) -> Result<()> {
        if argument.client() != &self.client {
            bail!(InvalidArgument, "execute: an argument belongs to another client than the executable");
        }
        Ok(())
    }

    /// The devices of this process that the executable runs on.
    ///
    /// # Errors
    /// Those of the plugin.
    pub fn addressable_devices(&self) -> Result<Vec<Device>> {
        let mut a = args::<sys::PJRT_LoadedExecutable_AddressableDevices_Args>();
        a.executable = self.raw.as_ptr();
        // SAFETY: `self` owns the executable, whose lifetime the array has.
        let devices = unsafe {
            call!(self.client.plugin(), Runtime, PJRT_LoadedExecutable_AddressableDevices, a)?;
            slice(a.addressable_devices, a.num_addressable_devices)
        };
        devices.iter().map(|&device| self.client.device_of(device)).collect()
    }

    /// Unloads the program now, although the handle remains; executions under way still complete.
    ///
    /// # Errors
    /// Those of the plugin.
    pub fn delete(&self) -> Result<()> {
        let mut a = args::<sys::PJRT_LoadedExecutable_Delete_Args>();
        a.executable = self.raw.as_ptr();
        // SAFETY: `self` owns the executable; deletion is thread-safe and later uses are errors.
        unsafe { call!(self.client.plugin(), Runtime, PJRT_LoadedExecutable_Delete, a) }?;
        self.deleted.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Has the program been unloaded?
    pub fn is_deleted(&self) -> bool {
        self.deleted.load(Ordering::Relaxed)
    }
}

impl Deref for Executable {
    type Target = CompiledProgram;

    fn deref(&self) -> &CompiledProgram {
        &self.program
    }
}

impl fmt::Debug for Executable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Executable({}, {} outputs)", self.name().unwrap_or_default(), self.num_outputs)
    }
}
