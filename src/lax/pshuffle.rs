//! Collectives that are cases of others. JAX: `lax.pshuffle`, `lax.pswapaxes`.

use crate::arguments::{Axes, Axis};
use crate::core::axis::AxisNames;
use crate::error::{OrThrow, throw};
use crate::lax::{all_to_all, ppermute};
use crate::tree::Pytree;

/// The values of the named axis in another order: example `i` gets the value of example `perm[i]`.
///
/// # Errors
/// `pshuffle: [0, 0] is no permutation`; `unbound axis name: i`.
/// ```
/// use raxla::prelude::*;
/// use raxla::{api::VmapOptions, api::vmap_with, lax};
///
/// let f = |x: &Array| lax::pshuffle(x, "i", [2, 0, 1]);
/// let shuffled = vmap_with(f, VmapOptions::new().axis_name("i"))(&Array::from([10, 11, 12]))?;
/// assert_eq!(shuffled.to_vec::<i32>()?, [12, 10, 11]);
/// # Ok::<(), raxla::Error>(())
/// ```
#[track_caller]
pub fn pshuffle<T: Pytree>(x: &T, axis_name: impl Into<AxisNames>, perm: impl Into<Axes>) -> T {
    let perm = perm.into();
    let from = match perm.given() {
        Some(given) => perm.positions("pshuffle", given.len()).or_throw(),
        None => throw!(InvalidArgument, "pshuffle: the permutation must be given"),
    };
    let pairs: Vec<(usize, usize)> = from.iter().enumerate().map(|(to, from)| (*from, to)).collect();
    ppermute(x, axis_name, &pairs)
}

/// The named axis exchanged with an axis of the array, of the same size.
///
/// # Errors
/// As [`all_to_all`].
#[track_caller]
pub fn pswapaxes<T: Pytree>(x: &T, axis_name: impl Into<AxisNames>, axis: impl Into<Axis>) -> T {
    let axis = axis.into();
    all_to_all(x, axis_name, axis, axis)
}
