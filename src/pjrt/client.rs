//! [`Client`]: one instance of a platform, its devices, memories and compiler. JAX: `xla_client.Client`.

use super::api::{args, non_null, slice, string};
use super::device::{Device, DeviceDescription};
use super::memory::Memory;
use super::value::{NamedValue, to_raw};
use super::{
    CompileOptions, Executable, Plugin, Program, Topology, client_options, discovery, event, identity,
    in_flight, sys,
};
use crate::error::{Result, bail};
use std::fmt;
use std::ops::Deref;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::{Arc, OnceLock};

/// One instance of a platform. Cheap to clone; the platform shuts down when the last handle that needs it is gone.
#[derive(Clone)]
pub struct Client(Handle);

#[derive(Clone)]
enum Handle {
    Counted(Arc<Inner>),
    /// Of a client that lives as long as the process: threads that copy it write to nothing that they share.
    Forever(&'static Inner),
}

impl Deref for Handle {
    type Target = Inner;
    #[inline(always)]
    fn deref(&self) -> &Inner {
        match self {
            Handle::Counted(inner) => inner,
            Handle::Forever(inner) => inner,
        }
    }
}

pub(crate) struct Inner {
    raw: NonNull<sys::PJRT_Client>,
    plugin: Plugin,
    platform_name: String,
    platform_version: String,
    process_index: usize,
    /// Every device, in the plugin's order.
    pub(crate) devices: Vec<DeviceData>,
    /// Positions in `devices`, in the plugin's order.
    addressable: Vec<u32>,
    /// Memories that the client or one of its devices can address.
    pub(crate) memories: Vec<MemoryData>,
    hands_small_work_over: bool,
    /// Set once the client is never to be freed: what it holds is never dropped.
    forever: OnceLock<&'static Arc<Inner>>,
    /// See [`Client::compiler_identity`].
    compiler_identity: OnceLock<String>,
}

/// A device of the client, which owns `raw`.
pub(crate) struct DeviceData {
    pub(crate) raw: NonNull<sys::PJRT_Device>,
    pub(crate) description: NonNull<sys::PJRT_DeviceDescription>,
    pub(crate) id: i32,
    pub(crate) kind: String,
    pub(crate) addressable: bool,
}

/// A memory of the client, which owns `raw`.
pub(crate) struct MemoryData {
    pub(crate) raw: NonNull<sys::PJRT_Memory>,
    pub(crate) id: i32,
    pub(crate) kind: String,
}

// SAFETY: the PJRT C API lets any thread use a client, its devices and its memories, several at once; the rest is
// plain data that never changes.
unsafe impl Send for Inner {}
// SAFETY: as above.
unsafe impl Sync for Inner {}

impl Drop for Inner {
    fn drop(&mut self) {
        in_flight::forget(self.raw);
        let raw = self.raw.as_ptr() as usize;
        let plugin = self.plugin;
        let destroy = move || {
            let mut a = args::<sys::PJRT_Client_Destroy_Args>();
            a.client = raw as *mut sys::PJRT_Client;
            // SAFETY: this was the last owner, and every buffer, executable and event held one, so nothing of the
            // client is in use. An error cannot be reported from here.
            let _ = unsafe { call!(plugin, Runtime, PJRT_Client_Destroy, a) };
        };
        if event::in_callback() {
            // A client joins its threads, and this one may be among them. Without a thread to do it the client stays.
            let _ = std::thread::Builder::new().name("raxla-client-drop".to_owned()).spawn(destroy);
        } else {
            destroy();
        }
    }
}

/// Options of the CPU platform.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct CpuOptions {
    /// How many devices the client has; unset: one, or what `XLA_FLAGS=--xla_force_host_platform_device_count=n` says.
    pub device_count: Option<usize>,
}

impl CpuOptions {
    /// The defaults, with `count` devices.
    pub fn with_device_count(count: usize) -> Self {
        CpuOptions { device_count: Some(count) }
    }
}

impl Client {
    /// Loads the plugin at `path` and creates a client with its default options.
    ///
    /// # Errors
    /// Those of [`Plugin::load`] and [`Client::new`].
    pub fn load(path: impl AsRef<Path>) -> Result<Client> {
        Client::load_with(path, &[])
    }

    /// Loads the plugin at `path` and creates a client with the given platform-specific options.
    ///
    /// # Errors
    /// Those of [`Plugin::load`] and [`Client::new`].
    pub fn load_with(path: impl AsRef<Path>, options: &[NamedValue]) -> Result<Client> {
        Client::new(Plugin::load(path)?, options)
    }

    /// A new CPU client with default options, from the plugin that [`discovery`] finds.
    ///
    /// # Errors
    /// [`ErrorKind::Plugin`](crate::ErrorKind::Plugin), saying what to do, if there is no CPU plugin.
    pub fn cpu() -> Result<Client> {
        Client::cpu_with(&CpuOptions::default())
    }

    /// A new CPU client, from the plugin that [`discovery`] finds.
    ///
    /// # Errors
    /// [`ErrorKind::Plugin`](crate::ErrorKind::Plugin), saying what to do, if there is no CPU plugin.
    pub fn cpu_with(options: &CpuOptions) -> Result<Client> {
        let count = client_options::cpu_device_count(options.device_count);
        Client::load_with(discovery::cpu_plugin()?, &[count])
    }

    /// A new client of `plugin`. One of the CPU has as many devices as the option `cpu_device_count` or else `XLA_FLAGS` says, or
    /// one.
    ///
    /// # Errors
    /// [`ErrorKind::Plugin`](crate::ErrorKind::Plugin) with the plugin's message, for example where the hardware is
    /// missing; [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) for an option of the CPU's that there is not.
    pub fn new(plugin: Plugin, options: &[NamedValue]) -> Result<Client> {
        client_options::check(None, options)?;
        let client = Client::create(plugin, options)?;
        // Which platform it is of, only a client says.
        client_options::check(Some(client.platform_name()), options)?;
        match client_options::missing(client.platform_name(), options) {
            Some(option) => {
                drop(client);
                Client::create(plugin, &[options, &[option]].concat())
            }
            None => Ok(client),
        }
    }

    fn create(plugin: Plugin, options: &[NamedValue]) -> Result<Client> {
        let raw_options = to_raw(options);
        let mut a = args::<sys::PJRT_Client_Create_Args>();
        a.create_options = raw_options.as_ptr();
        a.num_options = raw_options.len();
        // SAFETY: the options borrow from `options` and `raw_options`, which outlive the call.
        unsafe { call!(plugin, Plugin, PJRT_Client_Create, a) }?;
        let raw = non_null(a.client, "PJRT_Client_Create")?;
        let mut inner = Inner {
            raw,
            plugin,
            platform_name: String::new(),
            platform_version: String::new(),
            process_index: 0,
            devices: Vec::new(),
            addressable: Vec::new(),
            memories: Vec::new(),
            hands_small_work_over: false,
            forever: OnceLock::new(),
            compiler_identity: OnceLock::new(),
        };
        // From here on `inner` destroys the client if anything fails.
        inner.describe()?;
        inner.hands_small_work_over =
            inner.platform_name == "cpu" && plugin.attribute("inline_small_work") != Some(&true.into());
        Ok(Client(Handle::Counted(Arc::new(inner))))
    }

    /// A handle that is copied without counting; from here on the client lives as long as the process.
    pub(crate) fn forever(&self) -> Client {
        match &self.0 {
            Handle::Counted(inner) => {
                let kept = inner.forever.get_or_init(|| Box::leak(Box::new(inner.clone())));
                Client(Handle::Forever(kept))
            }
            Handle::Forever(_) => self.clone(),
        }
    }

    /// The platform's name: `cpu`, `cuda`, `tpu`.
    pub fn platform_name(&self) -> &str {
        &self.0.platform_name
    }

    /// The platform's version, for people to read.
    pub fn platform_version(&self) -> &str {
        &self.0.platform_version
    }

    /// The plugin that the client belongs to.
    pub fn plugin(&self) -> Plugin {
        self.0.plugin
    }

    /// The position of this process among those of a distributed run; 0 otherwise.
    pub fn process_index(&self) -> usize {
        self.0.process_index
    }

    /// Every device of the platform, those of other processes included.
    pub fn devices(&self) -> Vec<Device> {
        (0..self.0.devices.len()).map(|i| Device::new(self, i)).collect()
    }

    /// The devices that this process can use.
    pub fn addressable_devices(&self) -> Vec<Device> {
        self.0.addressable.iter().map(|&i| Device::new(self, i as usize)).collect()
    }

    /// The number of devices that this process can use.
    pub fn addressable_device_count(&self) -> usize {
        self.0.addressable.len()
    }

    /// The first device that this process can use.
    ///
    /// # Errors
    /// If there is none.
    pub fn default_device(&self) -> Result<Device> {
        match self.0.addressable.first() {
            Some(&i) => Ok(Device::new(self, i as usize)),
            None => bail!(Runtime, "the {} client has no addressable device", self.platform_name()),
        }
    }

    /// The device with the given id.
    pub fn device(&self, id: i32) -> Option<Device> {
        self.0.devices.iter().position(|d| d.id == id).map(|i| Device::new(self, i))
    }

    /// The memories that this process can use.
    pub fn memories(&self) -> Vec<Memory> {
        (0..self.0.memories.len()).map(|i| Memory::new(self, i)).collect()
    }

    /// Compiles `program` for the devices that `options` name.
    ///
    /// # Errors
    /// [`ErrorKind::Compile`](crate::ErrorKind::Compile) with XLA's message;
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) for options that do not fit the client's devices.
    pub fn compile(&self, program: &Program, options: &CompileOptions) -> Result<Executable> {
        options.check(&self.device_ids())?;
        let raw_program = program.raw();
        options.compile_with(self.plugin(), |options| {
            let mut a = args::<sys::PJRT_Client_Compile_Args>();
            a.client = self.raw();
            a.program = &raw const raw_program;
            a.compile_options = options.as_ptr().cast();
            a.compile_options_size = options.len();
            // SAFETY: `self` owns the client; program and options are borrowed for the call, which is synchronous.
            unsafe { call!(self.plugin(), Compile, PJRT_Client_Compile, a) }?;
            // SAFETY: the plugin passes ownership of the executable to the caller.
            unsafe { Executable::from_raw(self, non_null(a.executable, "PJRT_Client_Compile")?) }
        })
    }

    fn device_ids(&self) -> Vec<i32> {
        self.0.devices.iter().map(|device| device.id).collect()
    }

    /// Loads an executable that [`CompiledProgram::serialize`](super::CompiledProgram::serialize) wrote. It must come
    /// from the same platform and version. `options` replace those that were serialised. It is machine code, which a
    /// plugin cannot check: load what you wrote or trust.
    ///
    /// # Errors
    /// [`ErrorKind::Compile`](crate::ErrorKind::Compile) with the plugin's message.
    pub fn deserialize_and_load(&self, bytes: &[u8], options: Option<&CompileOptions>) -> Result<Executable> {
        // What the program may call; a plugin that has no such calls loads none that makes some.
        let _ = self.register_host_calls();
        let load = |options: &[u8]| {
            let mut a = args::<sys::PJRT_Executable_DeserializeAndLoad_Args>();
            a.client = self.raw();
            a.serialized_executable = bytes.as_ptr().cast();
            a.serialized_executable_size = bytes.len();
            if !options.is_empty() {
                a.overridden_serialized_compile_options = options.as_ptr().cast();
                a.overridden_serialized_compile_options_size = options.len();
            }
            // SAFETY: `self` owns the client; the bytes and options are borrowed for the call, which is synchronous.
            unsafe { call!(self.plugin(), Compile, PJRT_Executable_DeserializeAndLoad, a) }?;
            let raw = non_null(a.loaded_executable, "PJRT_Executable_DeserializeAndLoad")?;
            // SAFETY: the plugin passes ownership of the executable to the caller.
            unsafe { Executable::from_raw(self, raw) }
        };
        match options {
            Some(options) => {
                options.check(&self.device_ids())?;
                options.compile_with(self.plugin(), load)
            }
            None => load(&[]),
        }
    }

    /// The device ids that XLA would choose for `replicas` × `partitions`, replica-major.
    ///
    /// # Errors
    /// If the client has too few devices.
    pub fn default_device_assignment(&self, replicas: usize, partitions: usize) -> Result<Vec<i32>> {
        let devices = replicas.checked_mul(partitions).filter(|n| (1..=self.0.devices.len()).contains(n));
        let Some(devices) = devices else {
            bail!(
                InvalidArgument,
                "default_device_assignment: {replicas} replicas x {partitions} partitions on {} devices",
                self.0.devices.len()
            );
        };
        let mut ids = vec![0; devices];
        let mut a = args::<sys::PJRT_Client_DefaultDeviceAssignment_Args>();
        a.client = self.raw();
        a.num_replicas = replicas as i32;
        a.num_partitions = partitions as i32;
        a.default_assignment_size = ids.len();
        a.default_assignment = ids.as_mut_ptr();
        // SAFETY: `self` owns the client; `ids` has room for every id and outlives the call.
        unsafe { call!(self.plugin(), Runtime, PJRT_Client_DefaultDeviceAssignment, a) }?;
        Ok(ids)
    }

    /// The topology of the devices that the client runs on.
    ///
    /// # Errors
    /// [`ErrorKind::Unimplemented`](crate::ErrorKind::Unimplemented) if the platform has none.
    pub fn topology(&self) -> Result<Topology> {
        let mut a = args::<sys::PJRT_Client_TopologyDescription_Args>();
        a.client = self.raw();
        // SAFETY: `self` owns the client, which owns the topology.
        unsafe { call!(self.plugin(), Runtime, PJRT_Client_TopologyDescription, a) }?;
        Ok(Topology::of_client(self, non_null(a.topology, "PJRT_Client_TopologyDescription")?))
    }

    /// Is memory saved, or time, by a program that overwrites that many arguments of so many bytes together?
    ///
    /// A ready CPU plugin waits for an argument's earlier uses on the caller's thread before it lets a program overwrite it, which takes
    /// 25 to 30 µs a call; new memory takes less up to about 32 arguments and 64 KiB. Measured with OpenXLA's of November 2025.
    pub(crate) fn donation_pays(&self, arguments: usize, bytes: usize) -> bool {
        !self.hands_small_work_over() || arguments > 32 || bytes > 64 << 10
    }

    /// Does it hand even small work on the host's own memory to other threads, which takes 10 µs and more?
    pub(super) fn hands_small_work_over(&self) -> bool {
        self.0.hands_small_work_over
    }

    /// A text that differs where a program might be compiled to something else: by another compiler, for another machine.
    pub(crate) fn compiler_identity(&self) -> &str {
        self.0.compiler_identity.get_or_init(|| identity::of(self))
    }

    #[inline(always)]
    pub(crate) fn raw(&self) -> *mut sys::PJRT_Client {
        self.0.raw.as_ptr()
    }

    #[inline(always)]
    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }

    /// Does the client compute on threads of this process?
    pub(super) fn computes_here(&self) -> bool {
        self.0.platform_name == "cpu"
    }

    /// The handle of a device of this client; `raw` comes from a PJRT call.
    pub(crate) fn device_of(&self, raw: *mut sys::PJRT_Device) -> Result<Device> {
        match self.0.devices.iter().position(|d| d.raw.as_ptr() == raw) {
            Some(i) => Ok(Device::new(self, i)),
            None => {
                bail!(Internal, "a device that is not among those of its {} client", self.platform_name())
            }
        }
    }

    /// The handle of a memory of this client; `raw` comes from a PJRT call.
    pub(crate) fn memory_of(&self, raw: *mut sys::PJRT_Memory) -> Result<Memory> {
        match self.0.memories.iter().position(|m| m.raw.as_ptr() == raw) {
            Some(i) => Ok(Memory::new(self, i)),
            None => {
                bail!(Internal, "a memory that is not among those of its {} client", self.platform_name())
            }
        }
    }
}

impl PartialEq for Client {
    /// The same instance.
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(&raw const *self.0, &raw const *other.0)
    }
}
impl Eq for Client {}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({}, {} devices)", self.platform_name(), self.0.devices.len())
    }
}

impl Inner {
    pub(super) fn raw(&self) -> NonNull<sys::PJRT_Client> {
        self.raw
    }

    /// Reads everything about the client that does not change.
    fn describe(&mut self) -> Result<()> {
        let (plugin, client) = (self.plugin, self.raw.as_ptr());
        // SAFETY (whole block): `client` is alive and only this thread knows it; strings and arrays that the plugin
        // returns have the client's lifetime and are copied here.
        unsafe {
            let mut a = args::<sys::PJRT_Client_PlatformName_Args>();
            a.client = client;
            call!(plugin, Plugin, PJRT_Client_PlatformName, a)?;
            self.platform_name = string(a.platform_name, a.platform_name_size);

            let mut a = args::<sys::PJRT_Client_PlatformVersion_Args>();
            a.client = client;
            call!(plugin, Plugin, PJRT_Client_PlatformVersion, a)?;
            self.platform_version = string(a.platform_version, a.platform_version_size);

            let mut a = args::<sys::PJRT_Client_ProcessIndex_Args>();
            a.client = client;
            call!(plugin, Plugin, PJRT_Client_ProcessIndex, a)?;
            self.process_index = usize::try_from(a.process_index).unwrap_or(0);

            let mut a = args::<sys::PJRT_Client_Devices_Args>();
            a.client = client;
            call!(plugin, Plugin, PJRT_Client_Devices, a)?;
            for &device in slice(a.devices, a.num_devices) {
                self.devices.push(describe_device(plugin, device)?);
            }

            let mut a = args::<sys::PJRT_Client_AddressableMemories_Args>();
            a.client = client;
            // Memories came late to the C API, and a platform without them is complete.
            if call!(plugin, Plugin, PJRT_Client_AddressableMemories, a).is_ok() {
                for &memory in slice(a.addressable_memories, a.num_addressable_memories) {
                    self.add_memory(memory)?;
                }
            }

            let mut a = args::<sys::PJRT_Client_AddressableDevices_Args>();
            a.client = client;
            call!(plugin, Plugin, PJRT_Client_AddressableDevices, a)?;
            for &device in slice(a.addressable_devices, a.num_addressable_devices) {
                if let Some(i) = self.devices.iter().position(|d| d.raw.as_ptr() == device) {
                    self.addressable.push(i as u32);
                }
                let mut a = args::<sys::PJRT_Device_AddressableMemories_Args>();
                a.device = device;
                if call!(plugin, Plugin, PJRT_Device_AddressableMemories, a).is_ok() {
                    for &memory in slice(a.memories, a.num_memories) {
                        self.add_memory(memory)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// # Safety
    /// `raw` is a memory of this client.
    unsafe fn add_memory(&mut self, raw: *mut sys::PJRT_Memory) -> Result<()> {
        let raw = non_null(raw, "PJRT_Client_AddressableMemories")?;
        if self.memories.iter().any(|m| m.raw == raw) {
            return Ok(());
        }
        let plugin = self.plugin;
        // SAFETY: the caller's promise; the string has the memory's lifetime and is copied.
        unsafe {
            let mut a = args::<sys::PJRT_Memory_Id_Args>();
            a.memory = raw.as_ptr();
            call!(plugin, Plugin, PJRT_Memory_Id, a)?;
            let mut k = args::<sys::PJRT_Memory_Kind_Args>();
            k.memory = raw.as_ptr();
            call!(plugin, Plugin, PJRT_Memory_Kind, k)?;
            self.memories.push(MemoryData { raw, id: a.id, kind: string(k.kind, k.kind_size) });
        }
        Ok(())
    }
}

/// # Safety
/// `raw` is a device of a live client of `plugin`.
unsafe fn describe_device(plugin: Plugin, raw: *mut sys::PJRT_Device) -> Result<DeviceData> {
    let raw = non_null(raw, "PJRT_Client_Devices")?;
    // SAFETY: the caller's promise; a description has the lifetime of its device.
    unsafe {
        let mut a = args::<sys::PJRT_Device_GetDescription_Args>();
        a.device = raw.as_ptr();
        call!(plugin, Plugin, PJRT_Device_GetDescription, a)?;
        let description = non_null(a.device_description, "PJRT_Device_GetDescription")?;
        let mut a = args::<sys::PJRT_Device_IsAddressable_Args>();
        a.device = raw.as_ptr();
        call!(plugin, Plugin, PJRT_Device_IsAddressable, a)?;
        let DeviceDescription { id, kind, .. } = DeviceDescription::read(plugin, description)?;
        Ok(DeviceData { raw, description, id, kind, addressable: a.is_addressable })
    }
}
