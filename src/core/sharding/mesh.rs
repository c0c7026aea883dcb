//! Devices along named axes. JAX: `jax.sharding.Mesh`, `jax.make_mesh`.

use std::fmt;

use super::{PartitionSpec, Sharding, device_repr};
use crate::arguments::{Dims, options};
use crate::core::axis::{AxisName, AxisNames};
use crate::core::intern::{Interned, Interner};
use crate::error::{Result, bail};
use crate::pjrt::{Device, discovery};

/// Devices, arranged along named axes. It copies, compares and hashes as an address does. JAX: `jax.sharding.Mesh`.
///
/// ```
/// use raxla::{P, config, device_put, make_mesh, numpy as jnp};
///
/// config::set_num_cpu_devices(8)?; // before anything is computed; or RAXLA_NUM_CPU_DEVICES=8
/// let mesh = make_mesh([4, 2], ["data", "model"])?;
/// assert_eq!(mesh.to_string(), "Mesh('data': 4, 'model': 2, axis_types=(Auto, Auto))");
/// let x = device_put(&jnp::zeros([8, 6]), mesh.sharding(P!["data", "model"]));
/// assert_eq!(x.sharding()?.shard_shape(x.shape())?, [2, 3]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mesh(Interned<Arrangement>);

#[derive(Clone, PartialEq, Eq, Hash)]
struct Arrangement {
    devices: Box<[Device]>,
    axes: Box<[(AxisName, usize)]>,
    types: Box<[AxisType]>,
}

/// Who decides where the parts of arrays along an axis of a mesh are. JAX: `jax.sharding.AxisType`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AxisType {
    /// XLA, from where arguments are and what constraints say.
    #[default]
    Auto,
    /// The types of arrays. No mesh can have such an axis yet.
    Explicit,
    /// The program, by collectives. No mesh can have such an axis yet.
    Manual,
}

impl fmt::Display for AxisType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

options! {
    /// Options of [`make_mesh_with`].
    pub struct MeshOptions {
        /// Of each axis; all are [`AxisType::Auto`] if it is left out, where JAX has `Explicit`.
        axis_types: optional Vec<AxisType>,
        /// The devices, of which the mesh has the first; those of the default platform if they are left out.
        devices: optional Vec<Device>,
    }
}

/// A mesh of the first devices of the default platform, with axes of these sizes and names. All axes are [`AxisType::Auto`]. JAX:
/// `jax.make_mesh`, which on TPUs arranges the devices by how they are connected.
///
/// The CPU is one device unless [`config::set_num_cpu_devices`](crate::config::set_num_cpu_devices) or the environment variable
/// `RAXLA_NUM_CPU_DEVICES` says otherwise.
///
/// ```
/// let mesh = raxla::make_mesh([1, 1], ["data", "model"])?;
/// assert_eq!(mesh.size(), 1);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// More devices than there are; as many names as sizes are needed, all different; no platform could be initialised.
pub fn make_mesh(axis_shapes: impl Into<Dims>, axis_names: impl Into<AxisNames>) -> Result<Mesh> {
    make_mesh_with(axis_shapes, axis_names, MeshOptions::default())
}

/// [`make_mesh`] of chosen devices, or with types of axes.
///
/// # Errors
/// As [`make_mesh`]; types of axes that no mesh can have yet.
pub fn make_mesh_with(
    axis_shapes: impl Into<Dims>,
    axis_names: impl Into<AxisNames>,
    options: MeshOptions,
) -> Result<Mesh> {
    let sizes = axis_shapes.into().shape("make_mesh")?;
    let mut devices = match options.devices {
        Some(devices) => devices,
        None => discovery::default_client()?.devices(),
    };
    let wanted: usize = sizes.iter().product();
    if wanted > devices.len() {
        bail!(
            InvalidArgument,
            "make_mesh: number of devices {} must be at least the product of the axis sizes {sizes:?}. \
             config::set_num_cpu_devices, or RAXLA_NUM_CPU_DEVICES, says how many the CPU is",
            devices.len()
        );
    }
    devices.truncate(wanted);
    arranged("make_mesh", &devices, &sizes, &axis_names.into(), options.axis_types.as_deref())
}

impl Mesh {
    /// These devices, the last axis changing fastest. JAX: `Mesh(np.reshape(devices, axis_shapes), axis_names)`.
    ///
    /// ```
    /// use raxla::sharding::Mesh;
    ///
    /// let mesh = Mesh::new(raxla::devices()?, [raxla::api::device_count()?, 1], ["x", "y"])?;
    /// assert_eq!(mesh.devices(), raxla::devices()?);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    ///
    /// # Errors
    /// Another number of devices than the sizes ask for; a device that is there twice; devices of different clients; as many
    /// names as sizes are needed, all different.
    pub fn new(
        devices: impl AsRef<[Device]>,
        axis_shapes: impl Into<Dims>,
        axis_names: impl Into<AxisNames>,
    ) -> Result<Mesh> {
        arranged("Mesh", devices.as_ref(), &axis_shapes.into().shape("Mesh")?, &axis_names.into(), None)
    }

    /// An array cut along the axes of this mesh: [`Sharding::named`].
    #[track_caller]
    pub fn sharding(&self, spec: impl Into<PartitionSpec>) -> Sharding {
        Sharding::named(self, spec)
    }

    /// The number of devices.
    pub fn size(&self) -> usize {
        self.0.devices.len()
    }

    /// The devices, the last axis changing fastest.
    pub fn devices(&self) -> &'static [Device] {
        &self.0.get().devices
    }

    /// The named axes and their sizes. JAX: `Mesh.shape`.
    pub fn axes(&self) -> &'static [(AxisName, usize)] {
        &self.0.get().axes
    }

    /// The names of the axes.
    pub fn axis_names(&self) -> AxisNames {
        self.axes().iter().map(|(name, _)| *name).collect()
    }

    /// Who decides along each axis.
    pub fn axis_types(&self) -> &'static [AxisType] {
        &self.0.get().types
    }

    /// Has it an axis of this name?
    pub(super) fn has(&self, name: AxisName) -> bool {
        self.axes().iter().any(|(known, _)| *known == name)
    }

    /// In how many parts these axes cut.
    pub(super) fn parts(&self, names: &[AxisName]) -> usize {
        names.iter().map(|name| self.coordinate(*name, 0).0).product()
    }

    /// The size of an axis, and where the `device`th device stands along it.
    pub(super) fn coordinate(&self, name: AxisName, device: usize) -> (usize, usize) {
        let mut below = 1;
        for (known, size) in self.axes().iter().rev() {
            if *known == name {
                return (*size, device / below % size);
            }
            below *= size;
        }
        (1, 0)
    }

    /// The same devices along axes of prime sizes: what XLA may cut along is half an axis, too.
    pub(super) fn refined(&self) -> Option<Mesh> {
        let mut axes: Vec<(AxisName, usize)> = Vec::new();
        for (name, size) in self.axes() {
            let (mut rest, mut factor, mut i) = (*size, 2, 0);
            while rest > 1 {
                while rest % factor != 0 {
                    factor += 1;
                }
                axes.push((format!("{name}_{i}").into(), factor));
                rest /= factor;
                i += 1;
            }
        }
        let sizes: Vec<usize> = axes.iter().map(|(_, size)| *size).collect();
        let names = axes.iter().map(|(name, _)| *name).collect();
        arranged("Mesh", self.devices(), &sizes, &names, None).ok()
    }

    /// What a module that refers to the mesh by this name begins with.
    pub(crate) fn declaration(&self, name: &str) -> String {
        let axes: Vec<String> =
            self.axes().iter().map(|(name, size)| format!("{}={size}", super::quoted(*name))).collect();
        format!("  sdy.mesh @{name} = <[{}]>\n", axes.join(", "))
    }
}

fn arranged(
    op: &str,
    devices: &[Device],
    sizes: &[usize],
    names: &AxisNames,
    types: Option<&[AxisType]>,
) -> Result<Mesh> {
    static MESHES: Interner<Arrangement> = Interner::new();
    if sizes.len() != names.len() {
        bail!(
            InvalidArgument,
            "{op}: as many axis names as axis sizes are needed, got {} names {names} for {} sizes {sizes:?}",
            names.len(),
            sizes.len()
        );
    }
    if let Some((i, name)) = names.iter().enumerate().find(|(i, name)| names[..*i].contains(name)) {
        bail!(InvalidArgument, "{op}: axis_names[{i}] = '{name}' is the name of an axis before it: {names}");
    }
    let wanted: usize = sizes.iter().product();
    if wanted != devices.len() || devices.is_empty() {
        bail!(
            InvalidArgument,
            "{op}: axis sizes {sizes:?} are for {wanted} devices, got {}; a mesh has at least one",
            devices.len()
        );
    }
    if let Some(other) = devices.iter().find(|device| device.client() != devices[0].client()) {
        bail!(
            InvalidArgument,
            "{op}: {} and {} are devices of different clients",
            device_repr(&devices[0]),
            device_repr(other)
        );
    }
    if let Some((_, twice)) = devices.iter().enumerate().find(|(i, device)| devices[..*i].contains(device)) {
        bail!(InvalidArgument, "{op}: {} is there twice", device_repr(twice));
    }
    let types = types.map_or_else(|| vec![AxisType::Auto; sizes.len()], <[AxisType]>::to_vec);
    if types.len() != sizes.len() {
        bail!(InvalidArgument, "{op}: {} axis types for {} axes", types.len(), sizes.len());
    }
    if let Some((i, other)) = types.iter().enumerate().find(|(_, kind)| **kind != AxisType::Auto) {
        bail!(
            Unimplemented,
            "{op}: axis_types[{i}] = {other}: axes of a mesh are of the type Auto so far, along which XLA decides"
        );
    }
    let axes = names.iter().copied().zip(sizes.iter().copied()).collect();
    let devices = devices.iter().map(Device::forever).collect();
    Ok(Mesh(MESHES.intern(&Arrangement { devices, axes, types: types.into() })))
}

/// As JAX: `Mesh('x': 2, 'y': 2, axis_types=(Auto, Auto))`.
impl fmt::Display for Mesh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let axes: Vec<String> = self.axes().iter().map(|(name, size)| format!("'{name}': {size}")).collect();
        let types: Vec<String> = self.axis_types().iter().map(ToString::to_string).collect();
        let comma = if types.len() == 1 { "," } else { "" };
        write!(f, "Mesh({}, axis_types=({}{comma}))", axes.join(", "), types.join(", "))
    }
}
impl fmt::Debug for Mesh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
