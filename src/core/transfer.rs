//! The guards of transfers. JAX: `jax.transfer_guard`.
//!
//! Each transfer passes one of three places: [`Array`](crate::Array)'s upload or a number's for the host to a device, `copy_to` for a device to a
//! device, `Array::read` for a device to the host. They ask here.

use crate::core::aval::ShapedArray;
use crate::core::config::{
    TransferGuard, transfer_guard_device_to_device, transfer_guard_device_to_host,
    transfer_guard_host_to_device,
};
use crate::error::{Result, bail, caller};

/// Who asks for a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transfer {
    /// The program, by name.
    Explicit,
    /// The program does something that needs it.
    Implicit,
    /// This crate, for what it looks for.
    Own,
}

/// # Errors
/// The guard forbids the transfer of an array of this type from the host.
#[inline]
pub(crate) fn to_device(how: Transfer, aval: impl FnOnce() -> ShapedArray) -> Result<()> {
    guard(how, transfer_guard_host_to_device(), "host-to-device", aval)
}

/// # Errors
/// The guard forbids the transfer of an array of this type to another device.
#[inline]
pub(crate) fn between_devices(how: Transfer, aval: impl FnOnce() -> ShapedArray) -> Result<()> {
    guard(how, transfer_guard_device_to_device(), "device-to-device", aval)
}

/// # Errors
/// The guard forbids the transfer of an array of this type to the host.
#[inline]
pub(crate) fn to_host(how: Transfer, aval: impl FnOnce() -> ShapedArray) -> Result<()> {
    guard(how, transfer_guard_device_to_host(), "device-to-host", aval)
}

#[inline]
fn guard(
    how: Transfer,
    level: TransferGuard,
    direction: &str,
    aval: impl FnOnce() -> ShapedArray,
) -> Result<()> {
    if level == TransferGuard::Allow { Ok(()) } else { guarded(how, level, direction, aval()) }
}

#[cold]
fn guarded(how: Transfer, level: TransferGuard, direction: &str, aval: ShapedArray) -> Result<()> {
    use TransferGuard::{Disallow, DisallowExplicit, Log, LogExplicit};
    let words = match how {
        Transfer::Explicit => "explicit",
        Transfer::Implicit => "implicit",
        Transfer::Own => return Ok(()),
    };
    let implicit = how == Transfer::Implicit;
    let setting = || format!("transfer_guard_{}", direction.replace('-', "_"));
    if level == DisallowExplicit || level == Disallow && implicit {
        let setting = setting();
        bail!(Disallowed, "{words} {direction} transfer of {aval}, and {setting} is {level}");
    }
    if level == LogExplicit || level == Log && implicit {
        let at = caller();
        tracing::warn!(target: "raxla::transfer", "{words} {direction} transfer of {aval}, at {at}");
    }
    Ok(())
}
