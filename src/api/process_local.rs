//! Arrays of what each process has of them. JAX: `jax.make_array_from_process_local_data`.

use crate::arguments::{Dims, options};
use crate::core::array::Array;
use crate::core::sharding::ShardingTree;
use crate::error::{OrThrow, Result, bail, catch};
use crate::lax::device_put::device_put;
use crate::tree::{self, Pytree};

const OP: &str = "make_array_from_process_local_data";

options! {
    /// Options of [`make_array_from_process_local_data_with`].
    pub struct ProcessLocalOptions {
        /// The shape of each array, of which this process may have a part. There is one process so far, which has all of it.
        global_shape: optional_into Dims,
    }
}

/// Arrays of a tree of data, of which each process has what its devices are to hold: in the one process that there is so far, all of it.
/// They are committed to where `sharding` says, one for all or a tree of them. JAX: `jax.make_array_from_process_local_data`.
///
/// ```
/// use raxla::{P, config, make_array_from_process_local_data, make_mesh, numpy as jnp};
///
/// config::set_num_cpu_devices(8)?;
/// let mesh = make_mesh([8], ["data"])?;
/// let (images, labels) = (jnp::ones([16, 4]), jnp::arange(16));
/// let (images, labels) = make_array_from_process_local_data(mesh.sharding(P!["data"]), &(images, labels));
/// assert_eq!(images.addressable_shards()?[0].data().shape(), [2, 4]);
/// assert_eq!(labels.sharding()?, mesh.sharding(P!["data"]));
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// A sharding that cannot cut its array, or has devices of another process; a tree of shardings that is no prefix of the data's.
#[track_caller]
pub fn make_array_from_process_local_data<T: Pytree>(sharding: impl Into<ShardingTree>, local_data: &T) -> T {
    make_array_from_process_local_data_with(sharding, local_data, ProcessLocalOptions::default())
}

/// [`make_array_from_process_local_data`], saying how large the arrays are.
///
/// # Errors
/// As [`make_array_from_process_local_data`]; a global shape that is not that of the data.
#[track_caller]
pub fn make_array_from_process_local_data_with<T: Pytree>(
    sharding: impl Into<ShardingTree>,
    local_data: &T,
    options: ProcessLocalOptions,
) -> T {
    if let Some(shape) = &options.global_shape {
        check_shape(shape, &tree::flatten(local_data).0).or_throw();
    }
    catch(|| Ok(device_put(local_data, sharding))).map_err(|e| e.context(OP)).or_throw()
}

fn check_shape(global_shape: &Dims, leaves: &[Array]) -> Result<()> {
    let shape = global_shape.shape(OP)?;
    match leaves.iter().find(|x| *x.shape() != shape[..]) {
        Some(x) => bail!(
            InvalidArgument,
            "{OP}: global_shape = {shape:?} must be left out, or be the shape of local_data, which is {}: there is one process",
            x.aval()
        ),
        None => Ok(()),
    }
}
