//! [`Device`] and [`DeviceDescription`]. JAX: `jax.Device`.

use super::api::{args, string};
use super::client::{Client, DeviceData};
use super::value::{NamedValue, OptionValue, from_raw};
use super::{Memory, Plugin, sys};
use crate::error::Result;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ptr::NonNull;

/// A device of a [`Client`], which the handle keeps alive.
#[derive(Clone)]
pub struct Device {
    client: Client,
    index: u32,
}

/// What a device is, whether or not it is there: devices of a [`Topology`](super::Topology) have only this.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DeviceDescription {
    /// Unique among the devices of a platform.
    pub id: i32,
    /// The process that the device belongs to.
    pub process_index: i32,
    /// The vendor's name of the model: `cpu`, `TPU v5 lite`.
    pub kind: String,
    /// A short name: `TFRT_CPU_0`.
    pub name: String,
    /// Platform-specific attributes such as `coords`.
    pub attributes: Vec<NamedValue>,
}

/// Statistics of a device's allocator. What a platform does not report is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceMemoryStats {
    /// Bytes in use.
    pub bytes_in_use: i64,
    /// The highest value of `bytes_in_use` so far.
    pub peak_bytes_in_use: Option<i64>,
    /// Allocations so far.
    pub num_allocs: Option<i64>,
    /// The largest allocation so far.
    pub largest_alloc_size: Option<i64>,
    /// The bytes that may be allocated.
    pub bytes_limit: Option<i64>,
}

impl Device {
    pub(crate) fn new(client: &Client, index: usize) -> Device {
        Device { client: client.clone(), index: index as u32 }
    }

    /// The device of a client that lives as long as the process: see [`Client::forever`].
    pub(crate) fn forever(&self) -> Device {
        Device { client: self.client.forever(), index: self.index }
    }

    fn data(&self) -> &DeviceData {
        &self.client.inner().devices[self.index as usize]
    }

    #[inline]
    pub(crate) fn raw(&self) -> *mut sys::PJRT_Device {
        self.data().raw.as_ptr()
    }

    /// The client that the device belongs to.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Unique among the devices of the platform.
    pub fn id(&self) -> i32 {
        self.data().id
    }

    /// The vendor's name of the model.
    pub fn kind(&self) -> &str {
        &self.data().kind
    }

    /// Can this process use the device?
    pub fn is_addressable(&self) -> bool {
        self.data().addressable
    }

    /// Everything the plugin says about the device.
    ///
    /// # Errors
    /// Those of the plugin.
    pub fn description(&self) -> Result<DeviceDescription> {
        // SAFETY: the description has the lifetime of the client, which `self` holds.
        unsafe { DeviceDescription::read(self.client.plugin(), self.data().description) }
    }

    /// The hardware's own number of the device, such as the CUDA ordinal; `None` if it has none.
    ///
    /// # Errors
    /// Those of the plugin.
    pub fn local_hardware_id(&self) -> Result<Option<i32>> {
        let mut a = args::<sys::PJRT_Device_LocalHardwareId_Args>();
        a.device = self.raw();
        // SAFETY: `self` holds the client that owns the device.
        unsafe { call!(self.client.plugin(), Runtime, PJRT_Device_LocalHardwareId, a) }?;
        Ok((a.local_hardware_id >= 0).then_some(a.local_hardware_id))
    }

    /// The memory in which the device's data is by default.
    ///
    /// # Errors
    /// Those of the plugin.
    pub fn default_memory(&self) -> Result<Memory> {
        let mut a = args::<sys::PJRT_Device_DefaultMemory_Args>();
        a.device = self.raw();
        // SAFETY: `self` holds the client that owns the device and the memory.
        unsafe { call!(self.client.plugin(), Runtime, PJRT_Device_DefaultMemory, a) }?;
        self.client.memory_of(a.memory)
    }

    /// The memories that the device can address.
    ///
    /// # Errors
    /// Those of the plugin.
    pub fn memories(&self) -> Result<Vec<Memory>> {
        let mut a = args::<sys::PJRT_Device_AddressableMemories_Args>();
        a.device = self.raw();
        // SAFETY: `self` holds the client that owns the device; the array has the device's lifetime.
        let raw = unsafe {
            call!(self.client.plugin(), Runtime, PJRT_Device_AddressableMemories, a)?;
            super::api::slice(a.memories, a.num_memories)
        };
        raw.iter().map(|&memory| self.client.memory_of(memory)).collect()
    }

    /// Statistics of the device's allocator.
    ///
    /// # Errors
    /// [`ErrorKind::Unimplemented`](crate::ErrorKind::Unimplemented) where the platform has none.
    pub fn memory_stats(&self) -> Result<DeviceMemoryStats> {
        let mut a = args::<sys::PJRT_Device_MemoryStats_Args>();
        a.device = self.raw();
        // SAFETY: `self` holds the client that owns the device.
        unsafe { call!(self.client.plugin(), Runtime, PJRT_Device_MemoryStats, a) }?;
        Ok(DeviceMemoryStats {
            bytes_in_use: a.bytes_in_use,
            peak_bytes_in_use: a.peak_bytes_in_use_is_set.then_some(a.peak_bytes_in_use),
            num_allocs: a.num_allocs_is_set.then_some(a.num_allocs),
            largest_alloc_size: a.largest_alloc_size_is_set.then_some(a.largest_alloc_size),
            bytes_limit: a.bytes_limit_is_set.then_some(a.bytes_limit),
        })
    }
}

impl DeviceDescription {
    /// The attribute `name`.
    pub fn attribute(&self, name: &str) -> Option<&OptionValue> {
        self.attributes.iter().find(|(n, _)| n == name).map(|(_, value)| value)
    }

    /// # Safety
    /// `raw` is a description of `plugin` that stays alive during the call.
    pub(crate) unsafe fn read(
        plugin: Plugin,
        raw: NonNull<sys::PJRT_DeviceDescription>,
    ) -> Result<DeviceDescription> {
        // SAFETY: the caller's promise; strings and attributes have the description's lifetime and are copied.
        unsafe {
            let mut id = args::<sys::PJRT_DeviceDescription_Id_Args>();
            id.device_description = raw.as_ptr();
            call!(plugin, Runtime, PJRT_DeviceDescription_Id, id)?;
            let mut process = args::<sys::PJRT_DeviceDescription_ProcessIndex_Args>();
            process.device_description = raw.as_ptr();
            call!(plugin, Runtime, PJRT_DeviceDescription_ProcessIndex, process)?;
            let mut kind = args::<sys::PJRT_DeviceDescription_Kind_Args>();
            kind.device_description = raw.as_ptr();
            call!(plugin, Runtime, PJRT_DeviceDescription_Kind, kind)?;
            let mut name = args::<sys::PJRT_DeviceDescription_ToString_Args>();
            name.device_description = raw.as_ptr();
            call!(plugin, Runtime, PJRT_DeviceDescription_ToString, name)?;
            let mut attributes = args::<sys::PJRT_DeviceDescription_Attributes_Args>();
            attributes.device_description = raw.as_ptr();
            call!(plugin, Runtime, PJRT_DeviceDescription_Attributes, attributes)?;
            Ok(DeviceDescription {
                id: id.id,
                process_index: process.process_index,
                kind: string(kind.device_kind, kind.device_kind_size),
                name: string(name.to_string, name.to_string_size),
                attributes: from_raw(attributes.attributes, attributes.num_attributes),
            })
        }
    }
}

impl PartialEq for Device {
    fn eq(&self, other: &Self) -> bool {
        self.index == other.index && self.client == other.client
    }
}
impl Eq for Device {}

impl Hash for Device {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.client.raw() as usize, self.index).hash(state);
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Device({self})")
    }
}

impl fmt::Display for Device {
    /// `cpu:0`, as JAX abbreviates it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.client.platform_name(), self.id())
    }
}
