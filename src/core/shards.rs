//! The parts of an array, and arrays of parts. JAX: `jax.Shard`, `jax.make_array_from_callback`,
//! `jax.make_array_from_single_device_arrays`.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Range;
use std::panic::Location;

use crate::arguments::Dims;
use crate::core::array::{Array, Placement, Repr};
use crate::core::aval::ShapedArray;
use crate::core::config::with_default_device;
use crate::core::sharding::{Sharding, Shards, device_repr};
use crate::error::{OrThrow, Result, bail, catch};
use crate::pjrt::{Buffer, Device};

/// A part of an array, on one device: from [`Array::addressable_shards`]. JAX: `jax.Shard`.
#[derive(Clone)]
pub struct Shard {
    device: Device,
    index: Vec<Range<usize>>,
    shape: Vec<usize>,
    replica_id: usize,
    data: Array,
}

impl Shard {
    /// The device that has it.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Which elements of the array they are, along each axis.
    pub fn index(&self) -> &[Range<usize>] {
        &self.index
    }

    /// How many devices before this one have the same part: 0 for the first.
    pub fn replica_id(&self) -> usize {
        self.replica_id
    }

    /// The elements: an array of its own, on the one device.
    pub fn data(&self) -> &Array {
        &self.data
    }
}

/// As JAX: `Shard(device=CpuDevice(id=1), index=(slice(0, 2, None), slice(None, None, None)), replica_id=0, data=[[1. 2.]])`.
impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slice = |(range, size): (&Range<usize>, &usize)| match range.len() == *size {
            true => "slice(None, None, None)".to_owned(),
            false => format!("slice({}, {}, None)", range.start, range.end),
        };
        let index: Vec<String> = self.index.iter().zip(&self.shape).map(slice).collect();
        let comma = if index.len() == 1 { "," } else { "" };
        let (device, replica, data) = (device_repr(&self.device), self.replica_id, &self.data);
        write!(
            f,
            "Shard(device={device}, index=({}{comma}), replica_id={replica}, data={data})",
            index.join(", ")
        )
    }
}
impl fmt::Debug for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Array {
    /// Does each of its devices hold the whole array?
    ///
    /// # Errors
    /// As [`sharding`](Self::sharding).
    #[track_caller]
    pub fn is_fully_replicated(&self) -> Result<bool> {
        Ok(self.sharding()?.is_fully_replicated())
    }

    /// Can this process use all devices that the array is on?
    ///
    /// # Errors
    /// As [`sharding`](Self::sharding).
    #[track_caller]
    pub fn is_fully_addressable(&self) -> Result<bool> {
        Ok(self.sharding()?.is_fully_addressable())
    }

    /// The parts that the devices of this process have, in the order of [`devices`](Self::devices). Their data is copied, on the device.
    ///
    /// ```
    /// use raxla::{P, config, device_put, make_mesh, numpy as jnp};
    ///
    /// config::set_num_cpu_devices(8)?;
    /// let mesh = make_mesh([4, 2], ["x", "y"])?;
    /// let x = device_put(&jnp::arange(8.0f32), mesh.sharding(P!["x"]));
    /// let shards = x.addressable_shards()?;
    /// assert_eq!((shards[3].index(), shards[3].replica_id()), (&[2..4][..], 1));
    /// assert_eq!(shards[3].data().to_vec::<f32>()?, [2.0, 3.0]);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`sharding`](Self::sharding).
    #[track_caller]
    pub fn addressable_shards(&self) -> Result<Vec<Shard>> {
        let caller = Location::caller();
        let sharding = self.sharding()?;
        let whole = Sharding::from(sharding.device());
        let parts = match &self.0 {
            Repr::Device(x) => parts(sharding, &x.aval, &x.shards),
            // A number that no device has seen yet.
            _ => self.put(whole).and_then(|x| match &x.0 {
                Repr::Device(x) => parts(whole, &x.aval, &x.shards),
                _ => Ok(Vec::new()),
            }),
        };
        parts.map_err(|e| e.at(caller))
    }
}

fn parts(sharding: Sharding, aval: &ShapedArray, shards: &Shards) -> Result<Vec<Shard>> {
    let mut parts: Vec<Shard> = Vec::with_capacity(shards.len());
    for (i, (device, buffer)) in sharding.devices().iter().zip(shards).enumerate() {
        let index = sharding.part(i, aval.shape())?;
        let replica_id = parts.iter().filter(|part| part.index == index).count();
        let shape: Vec<usize> = index.iter().map(Range::len).collect();
        let placement = Placement { sharding: Sharding::from(device), committed: true };
        let copy = Shards::from_buf([copied(buffer, device)?]);
        let data = Array::on_device(copy, aval.with_shape(&shape), placement);
        let shape = aval.shape().to_vec();
        parts.push(Shard { device: device.clone(), index, shape, replica_id, data });
    }
    Ok(parts)
}

fn copied(buffer: &Buffer, device: &Device) -> Result<Buffer> {
    if buffer.client() == device.client() {
        return buffer.copy_to_device(device);
    }
    device.client().buffer_from_host(&buffer.to_host()?, buffer.dtype()?, &buffer.dims()?, device)
}

/// An array of this shape, of whose parts `data_callback` makes each: it is given the range of elements along each axis, once for
/// each part, and what it makes of Rust's numbers is made on the device that is to have it. JAX: `jax.make_array_from_callback`.
///
/// ```
/// use raxla::{P, config, make_array_from_callback, make_mesh, numpy as jnp};
///
/// config::set_num_cpu_devices(8)?;
/// let mesh = make_mesh([8], ["x"])?;
/// let x = make_array_from_callback([16], mesh.sharding(P!["x"]), |index| {
///     jnp::arange(index[0].start as i32..index[0].end as i32)
/// })?;
/// assert_eq!(x.to_vec::<i32>()?, (0..16).collect::<Vec<_>>());
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// A sharding that cannot cut the shape; a part of another shape, or of another dtype than the first; what the function fails with.
#[track_caller]
pub fn make_array_from_callback(
    shape: impl Into<Dims>,
    sharding: impl Into<Sharding>,
    mut data_callback: impl FnMut(&[Range<usize>]) -> Array,
) -> Result<Array> {
    let caller = Location::caller();
    let (shape, sharding) = (shape.into(), sharding.into());
    let made = shape.shape("make_array_from_callback").and_then(|shape| {
        made_by(&shape, sharding, &mut |index, device| {
            catch(|| with_default_device(device, || Ok(data_callback(index))))
        })
    });
    made.map_err(|e| e.at(caller))
}

/// Makes the part of these elements, on this device.
type MakePart<'a> = dyn FnMut(&[Range<usize>], &Device) -> Result<Array> + 'a;

fn made_by(shape: &[usize], sharding: Sharding, make: &mut MakePart<'_>) -> Result<Array> {
    sharding.check(shape).map_err(|e| e.context("make_array_from_callback"))?;
    let mut made: Vec<(Vec<Range<usize>>, Array)> = Vec::new();
    let mut shards = Shards::new();
    for (i, device) in sharding.devices().iter().enumerate() {
        let index = sharding.part(i, shape)?;
        let known = match made.iter().position(|(known, _)| *known == index) {
            Some(known) => known,
            None => {
                let part = make(&index, device)?;
                made.push((index, part));
                made.len() - 1
            }
        };
        shards.push(of_part(
            "make_array_from_callback",
            &made[known].1,
            &made[0].1.aval(),
            shape,
            sharding,
            device,
        )?);
    }
    let aval = ShapedArray::new(made[0].1.dtype(), shape);
    Ok(Array::on_device(shards, aval, Placement { sharding, committed: true }))
}

/// A part of an array of this shape, in a buffer of its own on its device. It has to be like the first.
fn of_part(
    op: &str,
    part: &Array,
    first: &ShapedArray,
    shape: &[usize],
    sharding: Sharding,
    device: &Device,
) -> Result<Buffer> {
    let expected = ShapedArray::new(first.dtype(), &sharding.shard_shape(shape)?);
    if !expected.matches(&part.aval()) {
        bail!(
            InvalidArgument,
            "{op}: expected a part {expected} for {}, got {}. The array's shape is {shape:?}, and it is on {sharding}",
            device_repr(device),
            part.aval()
        );
    }
    match &part.0 {
        Repr::Device(x) if x.shards.len() == 1 => copied(&x.shards[0], device),
        _ => device.client().buffer_from_host(&part.to_bytes()?, part.dtype(), part.shape(), device),
    }
}

/// An array of this shape whose parts are these arrays, each on the device that is to have it, in any order. They are copied, on the
/// device. JAX: `jax.make_array_from_single_device_arrays`.
///
/// ```
/// use raxla::{P, Array, config, device_put, devices, make_array_from_single_device_arrays, make_mesh};
///
/// config::set_num_cpu_devices(8)?;
/// let mesh = make_mesh([2], ["x"])?;
/// let parts: Vec<Array> =
///     (0..2).map(|i| Ok(device_put(&Array::from([i, 10 * i]), &devices()?[i as usize]))).collect::<raxla::Result<_>>()?;
/// let x = make_array_from_single_device_arrays([4], mesh.sharding(P!["x"]), &parts);
/// assert_eq!(x.to_vec::<i32>()?, [0, 0, 1, 10]);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As many arrays as devices are needed; one on another device, of another shape than the sharding says, or of another dtype than the
/// first; a sharding that cannot cut the shape.
#[track_caller]
pub fn make_array_from_single_device_arrays(
    shape: impl Into<Dims>,
    sharding: impl Into<Sharding>,
    arrays: &[impl Borrow<Array>],
) -> Array {
    let arrays: Vec<&Array> = arrays.iter().map(Borrow::borrow).collect();
    let shape = shape.into().shape("make_array_from_single_device_arrays");
    shape.and_then(|shape| put_together(&shape, sharding.into(), &arrays)).or_throw()
}

fn put_together(shape: &[usize], sharding: Sharding, arrays: &[&Array]) -> Result<Array> {
    let op = "make_array_from_single_device_arrays";
    sharding.check(shape).map_err(|e| e.context(op))?;
    let devices = sharding.devices();
    if arrays.len() != devices.len() {
        bail!(
            InvalidArgument,
            "{op}: expected {} arrays, one for each device of {sharding}, got {}",
            devices.len(),
            arrays.len()
        );
    }
    let places = arrays.iter().map(|x| x.sharding()).collect::<Result<Vec<Sharding>>>()?;
    let mut shards = Shards::new();
    for device in devices {
        let Some(i) = places.iter().position(|place| place.devices() == [device.clone()]) else {
            bail!(
                InvalidArgument,
                "{op}: no array is on {}, which is one of {sharding}",
                device_repr(device)
            );
        };
        shards.push(of_part(op, arrays[i], &arrays[0].aval(), shape, sharding, device)?);
    }
    let aval = arrays[0].aval().with_shape(shape);
    Ok(Array::on_device(shards, aval, Placement { sharding, committed: true }))
}
