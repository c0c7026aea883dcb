//! Where the parts of an array are: on which devices, in which memory. JAX: `jax.sharding`, `sharding_impls.py`.
//!
//! A sharding is interned, so that a call that is cached compares addresses.

use std::fmt::{self, Write};
use std::sync::OnceLock;

use smallvec::SmallVec;

use crate::core::aval::Shape;
use crate::core::axis::{AxisName, AxisNames};
use crate::core::intern::{Interned, Interner};
use crate::dtype::DType;
use crate::error::{Result, bail};
use crate::pjrt::{Buffer, Client, Device, discovery};

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
    /// Cut along the axes of a mesh: for each axis of the array those that it is cut along, the first of which is the slowest to
    /// change; the array's axes after them are whole. JAX: `NamedSharding`.
    Named { mesh: Mesh, spec: Spec },
}

type Spec = SmallVec<[SmallVec<[AxisName; 1]>; 2]>;

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

    /// An array cut along the axes of a mesh of these devices. `spec` has the mesh's axes for each axis of the array.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "what users write meshes and partitions as is not there yet")
    )]
    pub(crate) fn named(devices: &[Device], axes: &[(&str, usize)], spec: &[&[&str]]) -> Result<Sharding> {
        let mesh = Mesh { axes: axes.iter().map(|(name, size)| ((*name).into(), *size)).collect() };
        if mesh.size() != devices.len() || devices.is_empty() {
            bail!(InvalidArgument, "{mesh} is for {} devices, got {}", mesh.size(), devices.len());
        }
        if let Some(other) = devices.iter().find(|device| device.client() != devices[0].client()) {
            bail!(InvalidArgument, "{mesh}: {} and {other} are devices of different clients", devices[0]);
        }
        let mut used: SmallVec<[AxisName; 4]> = SmallVec::new();
        for name in spec.iter().flat_map(|names| *names).map(|name| AxisName::from(*name)) {
            if !mesh.axes.iter().any(|(known, _)| *known == name) {
                bail!(InvalidArgument, "an array cannot be cut along '{name}': {mesh} has no such axis");
            }
            if used.contains(&name) {
                bail!(InvalidArgument, "an array cannot be cut twice along '{name}' of {mesh}");
            }
            used.push(name);
        }
        // Axes at the end that are whole say nothing.
        let cut = spec.iter().rposition(|names| !names.is_empty()).map_or(0, |last| last + 1);
        let spec =
            spec[..cut].iter().map(|names| names.iter().map(|name| (*name).into()).collect()).collect();
        Ok(Sharding(SHARDINGS.intern(&Places::new(Kind::Named { mesh, spec }, devices))))
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
            Kind::Named { mesh, spec } => spec.iter().map(|names| mesh.parts(names)).product(),
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
            if spec.len() > shape.len() {
                bail!(
                    InvalidArgument,
                    "{self} is for arrays of at least {} axes, and the shape is {shape:?}",
                    spec.len()
                );
            }
            for (i, (size, names)) in part.iter_mut().zip(spec).enumerate() {
                let parts = mesh.parts(names);
                if *size % parts != 0 {
                    bail!(
                        InvalidArgument,
                        "{self} cuts axis {i} into {parts} parts, and its size is {size}, no multiple of that: the shape is \
                         {shape:?}"
                    );
                }
                *size /= parts;
            }
        }
        Ok(part)
    }

    /// Where the part of the `device`th device begins along each axis, in parts.
    fn part_index(self, device: usize, ndim: usize) -> Shape {
        let mut index = Shape::from_elem(0, ndim);
        if let Kind::Named { mesh, spec } = &self.0.kind {
            for (index, names) in index.iter_mut().zip(spec) {
                *index = names.iter().fold(0, |index, name| {
                    let (size, coordinate) = mesh.coordinate(*name, device);
                    index * size + coordinate
                });
            }
        }
        index
    }

    /// The whole array on each of the devices.
    pub(crate) fn whole(self) -> Sharding {
        match &self.0.kind {
            Kind::SingleDevice => self,
            Kind::Named { spec, .. } if spec.is_empty() => self,
            Kind::Named { mesh, .. } => {
                let kind = Kind::Named { mesh: mesh.clone(), spec: Spec::new() };
                Sharding(SHARDINGS.intern(&Places { kind, ..self.0.get().clone() }))
            }
        }
    }

    /// Can one program have arguments in both places?
    pub(crate) fn meets(self, other: Sharding) -> bool {
        self == other || (self.devices() == other.devices() && self.mesh() == other.mesh())
    }

    /// The axes of the devices, which a program for them may refer to.
    pub(crate) fn mesh(self) -> Option<&'static Mesh> {
        match &self.0.get().kind {
            Kind::SingleDevice => None,
            Kind::Named { mesh, .. } => Some(mesh),
        }
    }

    /// What a program for the devices says of an argument or a result that is here; nothing if there is but one device.
    pub(crate) fn attribute(self, ndim: usize) -> Option<String> {
        match &self.0.kind {
            Kind::Named { spec, .. } if self.devices().len() > 1 => {
                let axis = |i: usize| {
                    let names = spec.get(i).map(SmallVec::as_slice).unwrap_or_default();
                    format!("{{{}}}", names.iter().map(|name| quoted(*name)).collect::<Vec<_>>().join(", "))
                };
                let axes: Vec<String> = (0..ndim).map(axis).collect();
                Some(format!("sdy.sharding = #sdy.sharding<@mesh, [{}]>", axes.join(", ")))
            }
            Kind::SingleDevice | Kind::Named { .. } => None,
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
        let Kind::Named { .. } = self.0.kind else {
            let buffer = self.client().buffer_from_host(bytes, dtype, shape, self.device())?;
            return Ok(SmallVec::from_buf([buffer]));
        };
        let part = self.shard_shape(shape)?;
        let strides = strides(shape, dtype);
        let as_i64: SmallVec<[i64; 4]> = strides.iter().map(|stride| *stride as i64).collect();
        let put = |(i, device): (usize, &Device)| {
            let start = offset(&self.part_index(i, shape.len()), &part, &strides);
            self.client().buffer_from_host_strided(bytes, start, &as_i64, dtype, &part, device)
        };
        self.devices().iter().enumerate().map(put).collect()
    }

    /// The bytes of an array that is here.
    pub(crate) fn read(self, shards: &[Buffer], dtype: DType, shape: &[usize]) -> Result<Vec<u8>> {
        if self.is_fully_replicated()
            && let Some(shard) = shards.first()
        {
            return shard.to_host();
        }
        if shards.len() != self.devices().len() {
            bail!(
                InvalidArgument,
                "an array whose parts are in several processes cannot be read by one: {} of the {} parts of {self} are here",
                shards.len(),
                self.devices().len()
            );
        }
        let part = self.shard_shape(shape)?;
        let strides = strides(shape, dtype);
        let mut parts: SmallVec<[(usize, &Buffer); 8]> = SmallVec::new();
        for (i, shard) in shards.iter().enumerate() {
            let start = offset(&self.part_index(i, shape.len()), &part, &strides);
            // The others of these are copies.
            if parts.iter().all(|(known, _)| *known != start) {
                parts.push((start, shard));
            }
        }
        let copies = parts.iter().map(|(start, shard)| Ok((*start, shard.to_host_async()?)));
        let copies = copies.collect::<Result<SmallVec<[_; 8]>>>()?;
        let mut whole = vec![0; dtype.size() * shape.iter().product::<usize>()];
        let row = part.last().map_or(1, |size| *size) * dtype.size();
        for (start, copy) in copies {
            for (i, bytes) in copy.wait()?.chunks_exact(row.max(1)).enumerate() {
                let at = start + row_offset(i, &part, &strides);
                whole[at..at + row].copy_from_slice(bytes);
            }
        }
        Ok(whole)
    }
}

/// The distance in bytes of neighbours along each axis of a dense array.
fn strides(shape: &[usize], dtype: DType) -> Shape {
    let mut strides = Shape::from_elem(dtype.size(), shape.len());
    for i in (1..shape.len()).rev() {
        strides[i - 1] = strides[i] * shape[i];
    }
    strides
}

/// The first byte of the part that has this index among parts of this shape.
fn offset(index: &[usize], part: &[usize], strides: &[usize]) -> usize {
    index.iter().zip(part).zip(strides).map(|((i, size), stride)| i * size * stride).sum()
}

/// The first byte of the `i`th row of a part, counted from the part's own.
fn row_offset(mut i: usize, part: &[usize], strides: &[usize]) -> usize {
    let mut at = 0;
    for (size, stride) in part.iter().zip(strides).rev().skip(1) {
        at += i % size * stride;
        i /= size;
    }
    at
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
/// `NamedSharding(mesh=Mesh('x': 2), spec=P('x', None), memory_kind=device)`.
impl fmt::Display for Sharding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let memory = self.memory_kind().unwrap_or("None");
        match &self.0.kind {
            Kind::SingleDevice => {
                write!(f, "SingleDeviceSharding(device={}, memory_kind={memory})", device_repr(self.device()))
            }
            Kind::Named { mesh, spec } => {
                let axes = spec.iter().map(|names| match names.as_slice() {
                    [] => "None".to_owned(),
                    [name] => format!("'{name}'"),
                    names => names.iter().copied().collect::<AxisNames>().to_string(),
                });
                let axes = axes.collect::<Vec<_>>().join(", ");
                write!(f, "NamedSharding(mesh={mesh}, spec=P({axes}), memory_kind={memory})")
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

/// Devices, arranged along named axes. JAX: `AbstractMesh`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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

    /// In how many parts these axes cut.
    fn parts(&self, names: &[AxisName]) -> usize {
        names.iter().map(|name| self.coordinate(*name, 0).0).product()
    }

    /// The size of an axis, and where the `device`th device stands along it.
    fn coordinate(&self, name: AxisName, device: usize) -> (usize, usize) {
        let mut below = 1;
        for (known, size) in self.axes.iter().rev() {
            if *known == name {
                return (*size, device / below % size);
            }
            below *= size;
        }
        (1, 0)
    }

    /// What a module for the devices begins with.
    pub(crate) fn declaration(&self) -> String {
        let axes: Vec<String> =
            self.axes.iter().map(|(name, size)| format!("{}={size}", quoted(*name))).collect();
        format!("  sdy.mesh @mesh = <[{}]>\n", axes.join(", "))
    }
}

/// As JAX: `Mesh('x': 2, 'y': 2)`.
impl fmt::Display for Mesh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mesh(")?;
        for (i, (name, size)) in self.axes.iter().enumerate() {
            write!(f, "{}'{name}': {size}", if i == 0 { "" } else { ", " })?;
        }
        f.write_char(')')
    }
}
