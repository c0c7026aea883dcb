//! The three guards of transfers together. JAX: `jax.transfer_guard`.

use super::{
    Settings, TransferGuard, set_transfer_guard_device_to_device, set_transfer_guard_device_to_host,
    set_transfer_guard_host_to_device, with_transfer_guard_device_to_device,
    with_transfer_guard_device_to_host, with_transfer_guard_host_to_device,
};

/// What happens to transfers of any direction: [`set_transfer_guard_host_to_device`], [`set_transfer_guard_device_to_device`] and
/// [`set_transfer_guard_device_to_host`] at once. JAX: `jax_transfer_guard`; the environment variable `RAXLA_TRANSFER_GUARD`.
///
/// This sets it for the whole process.
pub fn set_transfer_guard(value: TransferGuard) {
    set_transfer_guard_host_to_device(value);
    set_transfer_guard_device_to_device(value);
    set_transfer_guard_device_to_host(value);
}

/// [`set_transfer_guard`] on this thread only, while `body` runs.
///
/// ```
/// use raxla::config::{TransferGuard, with_transfer_guard};
/// use raxla::{ErrorKind, prelude::*, try_};
///
/// let x = Array::from([1f32, 2.0]);
/// let two = Array::from_slice(&[2f32], [1]);
/// with_transfer_guard(TransferGuard::Disallow, || {
///     assert!(try_(|| &x * &two).is_ok());
///     assert_eq!(try_(|| &x * 3.0).unwrap_err().kind(), ErrorKind::Disallowed);
///     assert_eq!(x.to_vec::<f32>()?, [1.0, 2.0]); // asked for by name
///     assert!(two.item::<f32>().is_err());
///     Ok::<(), raxla::Error>(())
/// })?;
/// # Ok::<(), raxla::Error>(())
/// ```
pub fn with_transfer_guard<R>(value: TransferGuard, body: impl FnOnce() -> R) -> R {
    with_transfer_guard_host_to_device(value, || {
        with_transfer_guard_device_to_device(value, || with_transfer_guard_device_to_host(value, body))
    })
}

impl Settings {
    /// Those without a variable of their own have that of all three.
    pub(super) fn guard_transfers(&mut self, variable: impl Fn(&str) -> Option<TransferGuard>) {
        let Some(all) = variable("RAXLA_TRANSFER_GUARD") else { return };
        let of = |name: &str| variable(name).unwrap_or(all);
        self.transfer_guard_host_to_device = of("RAXLA_TRANSFER_GUARD_HOST_TO_DEVICE");
        self.transfer_guard_device_to_device = of("RAXLA_TRANSFER_GUARD_DEVICE_TO_DEVICE");
        self.transfer_guard_device_to_host = of("RAXLA_TRANSFER_GUARD_DEVICE_TO_HOST");
    }
}
