//! Where arrays are: on which device, and whether they have to stay there. JAX: `jax.Array.committed`,
//! `pxla._get_and_check_device_assignment`.
//!
//! An array is *committed* once `device_put` has named its device, and so is whatever is computed from it. A computation
//! runs where its committed arguments are, which must agree; without any it runs on the default device. Arguments that
//! are not committed are copied there without asking.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::panic::Location;
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::core::array::{Array, Repr, concretization};
use crate::core::config;
use crate::error::{Error, OrThrow, Result, bail, err};
use crate::pjrt::{Buffer, Device, discovery};

/// A device that arrays are on. Each device has one, so that two are compared by their address.
///
/// They are never freed: a client whose devices hold arrays lives as long as the process, as the default one does.
#[derive(Clone, Copy)]
pub(crate) struct DeviceRef(&'static Device);

impl DeviceRef {
    /// The one of this device. Takes a lock, so it is for `device_put` and not for every operation.
    pub(crate) fn of(device: &Device) -> DeviceRef {
        static DEVICES: Mutex<Vec<DeviceRef>> = Mutex::new(Vec::new());
        let mut devices = DEVICES.lock().unwrap_or_else(PoisonError::into_inner);
        match devices.iter().find(|d| d.0 == device) {
            Some(found) => *found,
            None => {
                let new = DeviceRef(Box::leak(Box::new(device.clone())));
                devices.push(new);
                new
            }
        }
    }

    /// The device.
    pub(crate) fn device(self) -> &'static Device {
        self.0
    }
}

impl PartialEq for DeviceRef {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}
impl Eq for DeviceRef {}

impl Hash for DeviceRef {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::ptr::from_ref(self.0).addr().hash(state);
    }
}

/// `cpu:1`.
impl fmt::Debug for DeviceRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Where an array is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Placement {
    pub device: DeviceRef,
    /// Was it put there by name, or computed from an array that was?
    pub committed: bool,
}

/// Where arrays go that say nothing else.
pub(crate) fn default_device() -> Result<DeviceRef> {
    static DEFAULT: OnceLock<DeviceRef> = OnceLock::new();
    if let Some(device) = config::current().default_device {
        return Ok(device);
    }
    match DEFAULT.get() {
        Some(device) => Ok(*device),
        None => {
            let device = DeviceRef::of(&discovery::default_client()?.default_device()?);
            Ok(*DEFAULT.get_or_init(|| device))
        }
    }
}

/// Where a computation of these arguments runs and its results are. `conflict` makes the error for the positions of two
/// arguments that are committed to different devices.
#[inline]
pub(crate) fn common<'a>(
    args: impl Iterator<Item = &'a Array>,
    conflict: impl FnOnce(usize, usize) -> Error,
) -> Result<Placement> {
    let mut found: Option<(usize, DeviceRef)> = None;
    for (i, x) in args.enumerate() {
        if let Repr::Device(x) = &x.0
            && x.committed
        {
            match found {
                None => found = Some((i, x.device)),
                Some((_, device)) if device == x.device => {}
                Some((first, _)) => return Err(conflict(first, i)),
            }
        }
    }
    match found {
        Some((_, device)) => Ok(Placement { device, committed: true }),
        None => Ok(Placement { device: default_device()?, committed: false }),
    }
}

/// The error for two arguments that are committed to different devices, each with what to call it.
#[cold]
pub(crate) fn incompatible(op: &str, a: (String, &Array), b: (String, &Array)) -> Error {
    let place = |x: &Array| match &x.0 {
        Repr::Device(x) => x.device.0.to_string(),
        _ => "no device".into(),
    };
    let (on_a, on_b) = (place(a.1), place(b.1));
    let other = if on_a == on_b { " of another client" } else { "" };
    err!(
        InvalidArgument,
        "{op}: received incompatible devices: {} ({}) is on {on_a} and {} ({}) is on {on_b}{other}. Arrays that were \
         put on different devices do not meet in one computation: move one of them with device_put",
        a.0,
        a.1.aval(),
        b.0,
        b.1.aval()
    )
}

/// A copy of `buffer`, whose contents are `aval`, on another device.
pub(crate) fn copy_to(buffer: &Buffer, x: &Array, device: DeviceRef) -> Result<Buffer> {
    if buffer.client() == device.0.client() {
        return buffer.copy_to_device(device.0);
    }
    // Clients share no memory that both know of: by way of the host.
    let aval = x.aval();
    device.0.client().buffer_from_host(&x.to_bytes()?, aval.dtype, &aval.shape, device.0)
}

impl Array {
    /// The array on `device`, committed to it. Shares the buffer if it is there.
    pub(crate) fn put(&self, device: DeviceRef) -> Result<Array> {
        if !device.0.is_addressable() {
            bail!(InvalidArgument, "device_put: {} belongs to another process", device.0);
        }
        let placement = Placement { device, committed: true };
        match &self.0 {
            Repr::Device(x) if x.device == device => {
                self.check_alive()?;
                let mut x = x.clone();
                x.committed = true;
                Ok(Array(Repr::Device(x)))
            }
            Repr::Device(x) => {
                self.check_alive()?;
                Ok(Array::on_device(copy_to(&x.buffer, self, device)?, x.aval.clone(), placement))
            }
            Repr::Scalar(x) => {
                let (bytes, aval) = (x.bytes(), x.aval());
                let bytes = &bytes[..aval.dtype.size()];
                let buffer = device.0.client().buffer_from_host(bytes, aval.dtype, &aval.shape, device.0)?;
                Ok(Array::on_device(buffer, aval, placement))
            }
            Repr::Tracer(t) => Err(concretization(t)),
        }
    }

    fn check_alive(&self) -> Result<()> {
        if self.is_deleted() {
            bail!(DeletedBuffer, "the array has been deleted or donated: {}", self.aval());
        }
        Ok(())
    }

    /// The device that the array is on. A Rust number that no device has seen yet is on the default device.
    ///
    /// ```
    /// use raxla::Array;
    ///
    /// assert_eq!(Array::from([1.0f32, 2.0]).device()?, raxla::devices()?[0]);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    ///
    /// # Errors
    /// A tracer is on no device; a deleted array.
    #[track_caller]
    pub fn device(&self) -> Result<Device> {
        let caller = Location::caller();
        let device = match &self.0 {
            Repr::Device(x) => self.check_alive().map(|()| x.device),
            Repr::Scalar(_) => default_device(),
            Repr::Tracer(t) => Err(concretization(t)),
        };
        device.map(|device| device.0.clone()).map_err(|e| e.at(caller))
    }

    /// The devices that hold the array: one, since arrays are not sharded.
    ///
    /// # Errors
    /// As [`device`](Self::device).
    #[track_caller]
    pub fn devices(&self) -> Result<Vec<Device>> {
        Ok(vec![self.device()?])
    }

    /// Must the array stay where it is? True of what [`device_put`](crate::device_put) returns, and of what is computed
    /// from that. Any other array is copied to the device on which the arguments beside it are.
    ///
    /// # Errors
    /// Asking a tracer.
    #[track_caller]
    pub fn committed(&self) -> Result<bool> {
        match &self.0 {
            Repr::Device(x) => Ok(x.committed),
            Repr::Scalar(_) => Ok(false),
            Repr::Tracer(t) => Err(concretization(t).at(Location::caller())),
        }
    }

    /// Is the value there, so that reading it would not wait? True as well if the computation failed.
    ///
    /// # Errors
    /// Asking a tracer; a deleted array.
    #[track_caller]
    pub fn is_ready(&self) -> Result<bool> {
        let caller = Location::caller();
        let ready = match &self.0 {
            Repr::Device(x) => self.check_alive().and_then(|()| x.buffer.is_ready()),
            Repr::Scalar(_) => Ok(true),
            Repr::Tracer(t) => Err(concretization(t)),
        };
        ready.map_err(|e| e.at(caller))
    }

    /// Gives up the device memory now, for every clone of the array: using one is an error from here on. Computations
    /// that were called before still complete. A Rust number that no device has seen yet stays as it is.
    ///
    /// ```
    /// use raxla::{Array, ErrorKind};
    ///
    /// let x = Array::from([1.0f32, 2.0]);
    /// x.delete();
    /// assert!(x.is_deleted());
    /// assert_eq!(x.to_vec::<f32>().unwrap_err().kind(), ErrorKind::DeletedBuffer);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    ///
    /// # Panics
    /// For a tracer.
    #[track_caller]
    pub fn delete(&self) {
        let deleted = match &self.0 {
            Repr::Device(x) => x.buffer.delete(),
            Repr::Scalar(_) => Ok(()),
            Repr::Tracer(t) => Err(concretization(t)),
        };
        deleted.or_throw();
    }
}
