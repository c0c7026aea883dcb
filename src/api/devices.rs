//! The devices and processes of the default platform. JAX: `jax.devices`, `jax.local_devices`, `jax.process_index` and their like.

use crate::error::Result;
use crate::pjrt::Device;
use crate::pjrt::discovery::default_client;

/// The devices of the default platform, those of other processes included. Eager operations and `jit` run on the first of this process,
/// unless [`device_put`](crate::device_put) or [`config::with_default_device`](crate::config::with_default_device) says otherwise. JAX:
/// `jax.devices()`.
///
/// ```
/// assert!(!raxla::devices()?.is_empty());
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// No platform could be initialised; the message says why for each.
pub fn devices() -> Result<Vec<Device>> {
    Ok(default_client()?.devices())
}

/// The devices of the default platform that this process can use. JAX: `jax.local_devices()`.
///
/// ```
/// assert!(raxla::api::local_devices()?.iter().all(|device| device.is_addressable()));
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`devices`].
pub fn local_devices() -> Result<Vec<Device>> {
    Ok(default_client()?.addressable_devices())
}

/// How many devices of the default platform there are, those of other processes included. JAX: `jax.device_count()`.
///
/// ```
/// assert_eq!(raxla::api::device_count()?, raxla::devices()?.len());
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`devices`].
pub fn device_count() -> Result<usize> {
    Ok(devices()?.len())
}

/// How many devices of the default platform this process can use. JAX: `jax.local_device_count()`.
///
/// ```
/// assert!(raxla::api::local_device_count()? <= raxla::api::device_count()?);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`devices`].
pub fn local_device_count() -> Result<usize> {
    Ok(default_client()?.addressable_device_count())
}

/// The name of the default platform: `cpu`, `cuda`, `tpu`. JAX: `jax.default_backend()`, which says `gpu` for `cuda` and `rocm`.
///
/// ```
/// println!("computing on {}", raxla::api::default_backend()?);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`devices`].
pub fn default_backend() -> Result<&'static str> {
    Ok(default_client()?.platform_name())
}

/// The position of this process among those that share the platform's devices; 0 if there is one. JAX: `jax.process_index()`.
///
/// ```
/// assert!(raxla::api::process_index()? < raxla::api::process_count()?);
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`devices`].
pub fn process_index() -> Result<usize> {
    Ok(default_client()?.process_index())
}

/// How many processes share the platform's devices. JAX: `jax.process_count()`.
///
/// ```
/// assert_eq!(raxla::api::process_count()?, raxla::api::process_indices()?.len());
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`devices`].
pub fn process_count() -> Result<usize> {
    Ok(process_indices()?.len())
}

/// The positions of the processes that share the platform's devices, in order. JAX: `jax.process_indices()`.
///
/// ```
/// let last = raxla::api::process_indices()?.into_iter().max();
/// assert!(last >= Some(raxla::api::process_index()?));
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// As [`devices`]; those of the plugin.
pub fn process_indices() -> Result<Vec<usize>> {
    let of_device = |device: Device| Ok(usize::try_from(device.description()?.process_index).unwrap_or(0));
    let mut indices = devices()?.into_iter().map(of_device).collect::<Result<Vec<_>>>()?;
    indices.sort_unstable();
    indices.dedup();
    Ok(indices)
}
