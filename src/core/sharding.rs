//! Where the parts of an array are: on which devices, in which memory. JAX: `jax.sharding`, `sharding_impls.py`.
//!
//! A sharding is interned, so that a call that is cached compares addresses. There is one kind so far, a whole array on one
//! device; a mesh of devices with a partition of the axes over it will be another, beside `Kind::SingleDevice`.

use std::fmt;
use std::sync::OnceLock;

use smallvec::SmallVec;

use crate::core::axis::AxisName;
use crate::core::intern::{Interned, Interner};
use crate::dtype::DType;
use crate::error::{Result, bail};
use crate::pjrt::{Buffer, Client, Device, discovery};

/// The buffers of an array, one for each device of its sharding.
pub(crate) type Shards = SmallVec<[Buffer; 1]>;

/// Where the parts of an array are. It copies, compares and hashes as an address does. JAX: `jax.sharding.Sharding`.
///
/// ```
/// use raxla::{Array, sharding::Sharding};
///
/// let device = raxla::devices()?.swap_remove(0);
/// let sharding = Array::from([1.0f32, 2.0]).sharding()?;
/// assert_eq!(sharding, Sharding::from(&device));
/// assert_eq!(sharding.devices(), [device]);
/// assert!(sharding.to_string().starts_with("SingleDeviceSharding(device="));
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// The devices that arrays have been on are never freed: their client lives as long as the process.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sharding(Interned<Places>);

#[derive(Clone, PartialEq, Eq, Hash)]
struct Places {
    kind: Kind,
    devices: Box<[Device]>,
    /// `None`: the platform knows of no kinds.
    memory_kind: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Kind {
    /// The whole array on one device. JAX: `SingleDeviceSharding`.
    SingleDevice,
}

impl Sharding {
    /// The default device of the default platform.
    pub(crate) fn of_default_device() -> Result<Sharding> {
        static DEFAULT: OnceLock<Sharding> = OnceLock::new();
        match DEFAULT.get() {
            Some(sharding) => Ok(*sharding),
            None => {
                let sharding = Sharding::from(&discovery::default_client()?.default_device()?);
                Ok(*DEFAULT.get_or_init(|| sharding))
            }
        }
    }

    /// The devices that hold a part of the array.
    pub fn devices(self) -> &'static [Device] {
        &self.0.get().devices
    }

    /// The kind of memory that holds the array, such as `device`; `None` where the platform knows of none.
    pub fn memory_kind(self) -> Option<&'static str> {
        self.0.get().memory_kind.as_deref()
    }

    /// Can this process use all of its devices?
    pub fn is_fully_addressable(self) -> bool {
        self.devices().iter().all(Device::is_addressable)
    }

    /// Does each device hold the whole array?
    pub fn is_fully_replicated(self) -> bool {
        match self.0.kind {
            Kind::SingleDevice => true,
        }
    }

    /// The shape of the part that each device holds of an array of this shape.
    pub fn shard_shape(self, shape: &[usize]) -> Vec<usize> {
        match self.0.kind {
            Kind::SingleDevice => shape.to_vec(),
        }
    }

    /// The axes of the devices, which a program for them may refer to.
    pub(crate) fn mesh(self) -> Mesh {
        match self.0.kind {
            Kind::SingleDevice => Mesh::default(),
        }
    }

    /// The client of all the devices.
    pub(crate) fn client(self) -> &'static Client {
        self.device().client()
    }

    /// The first device.
    #[inline]
    pub(crate) fn device(self) -> &'static Device {
        // A sharding is made of at least one.
        &self.0.get().devices[0]
    }

    /// Copies an array from its bytes on the host.
    pub(crate) fn put(self, bytes: &[u8], dtype: DType, shape: &[usize]) -> Result<Shards> {
        match self.0.kind {
            Kind::SingleDevice => Ok(SmallVec::from_buf([self.client().buffer_from_host(
                bytes,
                dtype,
                shape,
                self.device(),
            )?])),
        }
    }

    /// Copies an array from another sharding's devices of the same client.
    pub(crate) fn copy(self, from: &Shards) -> Result<Shards> {
        match (&self.0.kind, from.as_slice()) {
            (Kind::SingleDevice, [buffer]) => Ok(SmallVec::from_buf([buffer.copy_to_device(self.device())?])),
            (Kind::SingleDevice, shards) => {
                bail!(Unimplemented, "an array of {} parts cannot be copied to {self}", shards.len())
            }
        }
    }
}

impl From<&Device> for Sharding {
    /// The whole array on this device, in its default memory. Takes a lock.
    fn from(device: &Device) -> Self {
        static SHARDINGS: Interner<Places> = Interner::new();
        let memory_kind = device.default_memory().ok().map(|memory| memory.kind().to_owned());
        let places = Places { kind: Kind::SingleDevice, devices: Box::new([device.forever()]), memory_kind };
        Sharding(SHARDINGS.intern(&places))
    }
}
impl From<Device> for Sharding {
    fn from(device: Device) -> Self {
        Sharding::from(&device)
    }
}

/// As JAX: `SingleDeviceSharding(device=CpuDevice(id=0), memory_kind=device)`.
impl fmt::Display for Sharding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.kind {
            Kind::SingleDevice => {
                let (device, memory) = (device_repr(self.device()), self.memory_kind().unwrap_or("None"));
                write!(f, "SingleDeviceSharding(device={device}, memory_kind={memory})")
            }
        }
    }
}
impl fmt::Debug for Sharding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `CpuDevice(id=1)`, as JAX prints a device.
pub(crate) fn device_repr(device: &Device) -> String {
    let platform = device.client().platform_name();
    let (first, rest) = platform.split_at(platform.chars().next().map_or(0, char::len_utf8));
    format!("{}{rest}Device(id={})", first.to_uppercase(), device.id())
}

/// The devices of a program, arranged along named axes; a program for one device has none. JAX: `AbstractMesh`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Mesh {
    axes: Box<[(AxisName, usize)]>,
}

impl Mesh {
    /// The number of devices.
    pub fn size(&self) -> usize {
        self.axes.iter().map(|(_, size)| size).product()
    }

    /// The named axes and their sizes.
    pub fn axes(&self) -> &[(AxisName, usize)] {
        &self.axes
    }
}
