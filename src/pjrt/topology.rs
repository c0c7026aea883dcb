//! [`Topology`]: devices that need not be there, to compile for. JAX: `jax.experimental.topologies`.

use super::api::{args, non_null, slice, string};
use super::compiled::Owner;
use super::value::{NamedValue, from_raw, to_raw};
use super::{Client, CompileOptions, CompiledProgram, DeviceDescription, Plugin, Program, sys};
use crate::error::Result;
use std::ffi::c_char;
use std::fmt;
use std::ptr::NonNull;
use std::sync::Arc;

/// The devices of a machine and how they are connected, present or not. Clones share the handle.
#[derive(Clone)]
pub struct Topology(Arc<Handle>);

struct Handle {
    raw: NonNull<sys::PJRT_TopologyDescription>,
    plugin: Plugin,
    /// The client that owns `raw`; `None` if `self` does.
    client: Option<Client>,
}

// SAFETY: the PJRT C API lets any thread use a topology, several at once; it never changes.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.client.is_some() {
            return;
        }
        let mut a = args::<sys::PJRT_TopologyDescription_Destroy_Args>();
        a.topology = self.raw.as_ptr();
        // SAFETY: `self` owns the topology and is its last user. An error cannot be reported from here.
        let _ = unsafe { call!(self.plugin, Runtime, PJRT_TopologyDescription_Destroy, a) };
    }
}

impl Topology {
    /// The topology that `plugin` knows by `name`, such as `v5e:2x2` of `libtpu`.
    ///
    /// # Errors
    /// [`ErrorKind::Plugin`](crate::ErrorKind::Plugin) if the plugin knows none of that name.
    pub fn new(plugin: Plugin, name: &str, options: &[NamedValue]) -> Result<Topology> {
        let options = to_raw(options);
        let mut a = args::<sys::PJRT_TopologyDescription_Create_Args>();
        a.topology_name = name.as_ptr().cast::<c_char>();
        a.topology_name_size = name.len();
        a.create_options = options.as_ptr();
        a.num_options = options.len();
        // SAFETY: name and options outlive the call; the caller owns the topology.
        unsafe { call!(plugin, Plugin, PJRT_TopologyDescription_Create, a) }?;
        let raw = non_null(a.topology, "PJRT_TopologyDescription_Create")?;
        Ok(Topology(Arc::new(Handle { raw, plugin, client: None })))
    }

    /// `raw` is owned by `client`.
    pub(crate) fn of_client(client: &Client, raw: NonNull<sys::PJRT_TopologyDescription>) -> Topology {
        Topology(Arc::new(Handle { raw, plugin: client.plugin(), client: Some(client.clone()) }))
    }

    /// The platform's name.
    ///
    /// # Errors
    /// Those of the plugin.
    pub fn platform_name(&self) -> Result<String> {
        let mut a = args::<sys::PJRT_TopologyDescription_PlatformName_Args>();
        a.topology = self.0.raw.as_ptr();
        // SAFETY: the topology is alive, and the string as long as it.
        unsafe {
            call!(self.0.plugin, Runtime, PJRT_TopologyDescription_PlatformName, a)?;
            Ok(string(a.platform_name, a.platform_name_size))
        }
    }

    /// The platform's version, for people to read.
    ///
    /// # Errors
    /// Those of the plugin.
    pub fn platform_version(&self) -> Result<String> {
        let mut a = args::<sys::PJRT_TopologyDescription_PlatformVersion_Args>();
        a.topology = self.0.raw.as_ptr();
        // SAFETY: the topology is alive, and the string as long as it.
        unsafe {
            call!(self.0.plugin, Runtime, PJRT_TopologyDescription_PlatformVersion, a)?;
            Ok(string(a.platform_version, a.platform_version_size))
        }
    }

    /// Every device of the topology.
    ///
    /// # Errors
    /// Those of the plugin.
    pub fn devices(&self) -> Result<Vec<DeviceDescription>> {
        let mut a = args::<sys::PJRT_TopologyDescription_GetDeviceDescriptions_Args>();
        a.topology = self.0.raw.as_ptr();
        // SAFETY: the topology is alive, and the descriptions as long as it.
        unsafe {
            call!(self.0.plugin, Runtime, PJRT_TopologyDescription_GetDeviceDescriptions, a)?;
            let read = |&raw: &*mut sys::PJRT_DeviceDescription| {
                DeviceDescription::read(
                    self.0.plugin,
                    non_null(raw, "PJRT_TopologyDescription_GetDeviceDescriptions")?,
                )
            };
            slice(a.descriptions, a.num_descriptions).iter().map(read).collect()
        }
    }

    /// Platform-specific attributes.
    ///
    /// # Errors
    /// Those of the plugin.
    pub fn attributes(&self) -> Result<Vec<NamedValue>> {
        let mut a = args::<sys::PJRT_TopologyDescription_Attributes_Args>();
        a.topology = self.0.raw.as_ptr();
        // SAFETY: the topology is alive, and the attributes as long as it.
        unsafe {
            call!(self.0.plugin, Runtime, PJRT_TopologyDescription_Attributes, a)?;
            Ok(from_raw(a.attributes, a.num_attributes))
        }
    }

    /// Compiles `program` ahead of time for the devices of the topology.
    ///
    /// # Errors
    /// [`ErrorKind::Compile`](crate::ErrorKind::Compile) with XLA's message;
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) for options that do not fit the topology's devices.
    pub fn compile(&self, program: &Program<'_>, options: &CompileOptions) -> Result<CompiledProgram> {
        let devices: Vec<i32> = self.devices()?.iter().map(|device| device.id).collect();
        options.check(&devices)?;
        let raw_program = program.raw();
        options.compile_with(self.0.plugin, |options| {
            let mut a = args::<sys::PJRT_Compile_Args>();
            a.topology = self.0.raw.as_ptr();
            a.program = &raw const raw_program;
            a.compile_options = options.as_ptr().cast();
            a.compile_options_size = options.len();
            // SAFETY: the topology is alive, and the executable keeps it so; program and options are borrowed for the call,
            // which is synchronous. The caller of PJRT owns the executable.
            unsafe {
                call!(self.0.plugin, Compile, PJRT_Compile, a)?;
                let raw = non_null(a.executable, "PJRT_Compile")?;
                Ok(CompiledProgram::from_raw(self.0.plugin, Owner::Topology(self.clone()), raw))
            }
        })
    }
}

impl fmt::Debug for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let devices = self.devices().map_or(0, |devices| devices.len());
        write!(f, "Topology({}, {devices} devices)", self.platform_name().unwrap_or_default())
    }
}
