//! Transfers to the host that begin before anybody reads.

use raxla::config::{self, TransferGuard};
use raxla::{numpy as jnp, prelude::*};

/// Reads without a transfer, which is an error unless there was one.
fn kept(x: &Array) -> Result<Vec<f32>> {
    let forbidden = TransferGuard::DisallowExplicit;
    config::with_transfer_guard_device_to_host(forbidden, || x.to_vec::<f32>())
}

#[test]
fn what_was_copied_is_kept_for_all_clones() -> Result<()> {
    let x = jnp::arange(6.0f32).reshape([2, 3]) * 2.0;
    let clone = x.clone();
    assert_eq!(kept(&x).unwrap_err().kind(), ErrorKind::Disallowed);
    x.copy_to_host_async()?;
    let elements = [0.0, 2.0, 4.0, 6.0, 8.0, 10.0];
    for x in [&x, &clone, &x] {
        assert_eq!(kept(x)?, elements);
    }
    // It is theirs alone.
    assert_eq!(kept(&(x.clone() + 0.0)).unwrap_err().kind(), ErrorKind::Disallowed);
    assert_eq!(x.to_string(), (clone + 0.0).to_string());
    let number = jnp::sum(&x, ..);
    let guarded = config::with_transfer_guard_device_to_host(TransferGuard::Disallow, || {
        number.copy_to_host_async().map(drop)
    });
    guarded?;
    let read =
        config::with_transfer_guard_device_to_host(TransferGuard::DisallowExplicit, || number.item::<f64>());
    assert_eq!(read?, 30.0);
    let error = config::with_transfer_guard_device_to_host(TransferGuard::DisallowExplicit, || {
        jnp::ones([2]).copy_to_host_async().map(drop)
    });
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Disallowed);
    // An empty array, and a number that no device has seen.
    assert!(jnp::zeros([0, 3]).copy_to_host_async()?.to_vec::<f32>()?.is_empty());
    assert_eq!(Array::from(2.5).copy_to_host_async()?.item::<f32>()?, 2.5);
    Ok(())
}

#[test]
fn a_donated_array_takes_its_elements_along() -> Result<()> {
    let step = jit(|x: Array| x + 1.0);
    let mut x = jnp::zeros([3]);
    for i in 0..4u8 {
        assert_eq!(x.copy_to_host_async()?.to_vec::<f32>()?, [f32::from(i); 3]);
        x = step(x)?;
    }
    assert_eq!(kept(&x).unwrap_err().kind(), ErrorKind::Disallowed);
    // Under way while the buffer is given away.
    let y = jnp::ones([1 << 20]);
    y.copy_to_host_async()?;
    assert_eq!(step(y)?.to_vec::<f32>()?[..2], [2.0; 2]);
    Ok(())
}
