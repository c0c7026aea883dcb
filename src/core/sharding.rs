//! Where the parts of an array are: on which devices, in which memory. JAX: `jax.sharding`, `sharding_impls.py`.
//!
//! A sharding is interned, so that a call that is cached compares addresses.

mod mesh;
mod partition_spec;
mod parts;
mod tiles;
mod tree;

use std::fmt;
use std::ops::Range;
use std::sync::OnceLock;

use smallvec::SmallVec;

use crate::core::aval::Shape;
use crate::core::axis::AxisName;
use crate::core::intern::{Interned, Interner};
use crate::error::{OrThrow, Result, bail};
use crate::pjrt::{Buffer, Client, Device, discovery};
pub use mesh::{AxisType, Mesh, MeshOptions, make_mesh, make_mesh_with};
pub use partition_spec::{PartitionEntry, PartitionSpec};
pub(crate) use parts::HostCopies;
pub use tree::ShardingTree;

/// The buffers of an array, one for each device of its sharding, in the order of [`Sharding::devices`].
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
    /// Cut along the axes of a mesh. JAX: `NamedSharding`.
    Named { mesh: Mesh, spec: PartitionSpec },
}

static SHARDINGS: Interner<Places> = Interner::new();

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

    /// An array cut along the axes of a mesh. JAX: `NamedSharding`.
    ///
    /// Each device holds one part; along axes of the mesh that the specification does not name, devices hold copies. A `None` at the
    /// end says nothing, so that `P!["x", None]` and `P!["x"]` are one sharding (JAX compiles a program for each).
    ///
    /// ```
    /// use raxla::{P, config, make_mesh, sharding::Sharding};
    ///
    /// config::set_num_cpu_devices(8)?;
    /// let mesh = make_mesh([4, 2], ["x", "y"])?;
    /// let rows = Sharding::named(&mesh, P!["x"]);
    /// assert_eq!(rows, mesh.sharding(P!["x", None]));
    /// assert_eq!(rows.spec().unwrap(), &P!["x"]);
    /// assert_eq!(
    ///     rows.to_string(),
    ///     "NamedSharding(mesh=Mesh('x': 4, 'y': 2, axis_types=(Auto, Auto)), spec=P('x',), memory_kind=device)"
    /// );
    /// # Ok::<(), raxla::Error>(())
    /// ```
    ///
    /// # Panics
    /// An axis that the mesh lacks; one that is named twice. Inside of a transformation that is an `Err`.
    #[track_caller]
    pub fn named(mesh: &Mesh, spec: impl Into<PartitionSpec>) -> Sharding {
        Sharding::try_named(mesh, spec.into()).or_throw()
    }

    fn try_named(mesh: &Mesh, spec: PartitionSpec) -> Result<Sharding> {
        let mut used: SmallVec<[AxisName; 4]> = SmallVec::new();
        for name in spec.entries().iter().filter_map(PartitionEntry::axis_names).flatten() {
            if !mesh.has(*name) {
                bail!(InvalidArgument, "resource axis {name} of {spec} is not found in {mesh}");
            }
            if used.contains(name) {
                bail!(
                    InvalidArgument,
                    "a sharding can map every axis of a mesh to at most one axis of an array, but {spec} has {name} twice"
                );
            }
            used.push(*name);
        }
        let kind = Kind::Named { mesh: *mesh, spec: spec.trimmed() };
        Ok(Sharding(SHARDINGS.intern(&Places::new(kind, mesh.devices()))))
    }

    /// The mesh that arrays are cut along; `None` if they are whole on one device.
    pub fn mesh(self) -> Option<Mesh> {
        match &self.0.kind {
            Kind::SingleDevice => None,
            Kind::Named { mesh, .. } => Some(*mesh),
        }
    }

    /// Along which axes of the mesh arrays are cut, without what says nothing; `None` if they are whole on one device.
    pub fn spec(self) -> Option<&'static PartitionSpec> {
        match &self.0.get().kind {
            Kind::SingleDevice => None,
            Kind::Named { spec, .. } => Some(spec),
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

    /// In how many parts an array is cut.
    pub(crate) fn parts(self) -> usize {
        match &self.0.kind {
            Kind::SingleDevice => 1,
            Kind::Named { mesh, spec } => names_of(spec).map(|names| mesh.parts(names)).product(),
        }
    }

    /// Does each device hold the whole array?
    pub fn is_fully_replicated(self) -> bool {
        self.parts() == 1
    }

    /// The shape of the part that each device holds of an array of this shape.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) if an axis that is cut is not there, or its size is no
    /// multiple of the number of parts.
    pub fn shard_shape(self, shape: &[usize]) -> Result<Vec<usize>> {
        let mut part = shape.to_vec();
        if let Kind::Named { mesh, spec } = &self.0.kind {
            self.check_rank(shape.len())?;
            for (i, (size, names)) in part.iter_mut().zip(names_of(spec)).enumerate() {
                let parts = mesh.parts(names);
                if *size % parts != 0 {
                    bail!(
                        InvalidArgument,
                        "{self} implies that array axis {i} is partitioned {parts} times, but the dimension size is {size} (full \
                         shape: {shape:?})"
                    );
                }
                *size /= parts;
            }
        }
        Ok(part)
    }

    /// Is it for arrays of so many axes?
    pub(crate) fn check_rank(self, rank: usize) -> Result<()> {
        match self.spec() {
            Some(spec) if spec.entries().len() > rank => bail!(
                InvalidArgument,
                "{self} is only valid for values of rank at least {}, but was applied to a value of rank {rank}",
                spec.entries().len()
            ),
            _ => Ok(()),
        }
    }

    /// Does it say nothing of an axis?
    pub(crate) fn is_unconstrained(self) -> bool {
        self.spec().is_some_and(|spec| spec.entries().iter().any(|entry| entry.axis_names().is_none()))
    }

    /// The same for arrays with one more axis, at this position, which is cut as the entry says. What is whole on one device stays
    /// so.
    pub(crate) fn with_entry(self, axis: usize, entry: PartitionEntry) -> Result<Sharding> {
        match &self.0.kind {
            Kind::SingleDevice => Ok(self),
            Kind::Named { mesh, spec } => Sharding::try_named(mesh, spec.with_entry(axis, entry)),
        }
    }

    /// Can an array of this shape be cut so? Where the parts are has to be said of each axis.
    pub(crate) fn check(self, shape: &[usize]) -> Result<()> {
        if self.is_unconstrained() {
            bail!(InvalidArgument, "{self}: only with_sharding_constraint may leave an axis unconstrained");
        }
        self.shard_shape(shape).map(|_| ())
    }

    /// Where the part of the `device`th device begins along each axis, in parts.
    fn part_index(self, device: usize, ndim: usize) -> Shape {
        let mut index = Shape::from_elem(0, ndim);
        if let Kind::Named { mesh, spec } = &self.0.kind {
            for (index, names) in index.iter_mut().zip(names_of(spec)) {
                *index = names.iter().fold(0, |index, name| {
                    let (size, coordinate) = mesh.coordinate(*name, device);
                    index * size + coordinate
                });
            }
        }
        index
    }

    /// Which elements of an array of this shape the `device`th device has, along each axis.
    pub(crate) fn part(self, device: usize, shape: &[usize]) -> Result<Vec<Range<usize>>> {
        let part = self.shard_shape(shape)?;
        let index = self.part_index(device, shape.len());
        Ok(index.iter().zip(part).map(|(i, size)| i * size..(i + 1) * size).collect())
    }

    /// The whole array on each of the devices.
    pub(crate) fn whole(self) -> Sharding {
        match &self.0.kind {
            Kind::SingleDevice => self,
            Kind::Named { spec, .. } if spec.entries().is_empty() => self,
            Kind::Named { mesh, .. } => {
                let kind = Kind::Named { mesh: *mesh, spec: PartitionSpec::default() };
                Sharding(SHARDINGS.intern(&Places { kind, ..self.0.get().clone() }))
            }
        }
    }

    /// Can one program have arguments in both places?
    pub(crate) fn meets(self, other: Sharding) -> bool {
        self == other || self.devices() == other.devices()
    }

    /// Are there several devices?
    #[inline]
    pub(crate) fn has_several_devices(self) -> bool {
        self.devices().len() > 1
    }

    /// The axes of the mesh for each axis of an array, as a program says it: `[{"x"}, {?}]`.
    pub(crate) fn axes_text(self, ndim: usize) -> String {
        let entry = |i: usize| match self.spec().and_then(|spec| spec.entries().get(i)) {
            None => "{}".to_owned(),
            Some(entry) => match entry.axis_names() {
                None => "{?}".to_owned(),
                Some(names) => {
                    format!("{{{}}}", names.iter().map(|name| quoted(*name)).collect::<Vec<_>>().join(", "))
                }
            },
        };
        format!("[{}]", (0..ndim).map(entry).collect::<Vec<_>>().join(", "))
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
}

/// The axes of the mesh for each axis of an array.
fn names_of(spec: &PartitionSpec) -> impl Iterator<Item = &[AxisName]> {
    spec.entries().iter().map(|entry| entry.axis_names().unwrap_or_default())
}

/// The name as MLIR's text has it.
fn quoted(name: AxisName) -> String {
    format!("\"{}\"", name.as_str().escape_default())
}

impl From<&Device> for Sharding {
    /// The whole array on this device, in its default memory. Takes a lock.
    fn from(device: &Device) -> Self {
        Sharding(SHARDINGS.intern(&Places::new(Kind::SingleDevice, std::slice::from_ref(device))))
    }
}
impl From<&Sharding> for Sharding {
    fn from(sharding: &Sharding) -> Self {
        *sharding
    }
}
impl From<Device> for Sharding {
    fn from(device: Device) -> Self {
        Sharding::from(&device)
    }
}

impl Places {
    /// In the default memory of the devices.
    fn new(kind: Kind, devices: &[Device]) -> Places {
        let memory = devices.first().and_then(|device| device.default_memory().ok());
        let memory_kind = memory.map(|memory| memory.kind().to_owned());
        Places { kind, devices: devices.iter().map(Device::forever).collect(), memory_kind }
    }
}

/// As JAX: `SingleDeviceSharding(device=CpuDevice(id=0), memory_kind=device)`,
/// `NamedSharding(mesh=Mesh('x': 2, axis_types=(Auto,)), spec=P('x',), memory_kind=device)`.
impl fmt::Display for Sharding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let memory = self.memory_kind().unwrap_or("None");
        match &self.0.kind {
            Kind::SingleDevice => {
                write!(f, "SingleDeviceSharding(device={}, memory_kind={memory})", device_repr(self.device()))
            }
            Kind::Named { mesh, spec } => {
                write!(f, "NamedSharding(mesh={mesh}, spec={spec}, memory_kind={memory})")
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
