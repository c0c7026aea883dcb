//! The options that the platforms' clients are created with. JAX: `xla_bridge.make_cpu_client`,
//! `xla_client.generate_pjrt_gpu_plugin_options`.

use std::sync::{Mutex, PoisonError};

use super::{Client, NamedValue};
use crate::error::{Result, bail};

/// The options of the platform's client.
pub(super) fn default_options(platform: &str) -> Result<Vec<NamedValue>> {
    match platform {
        "cpu" => cpu_options(),
        "cuda" => cuda_options(&|name| std::env::var(name).ok()),
        _ => Ok(Vec::new()),
    }
}

/// The CPU computes asynchronously.
fn cpu_options() -> Result<Vec<NamedValue>> {
    let mut options = vec![("asynchronous".to_owned(), true.into())];
    let mut count = NUM_CPU_DEVICES.lock().unwrap_or_else(PoisonError::into_inner);
    if count.set.is_none() {
        count.set = num_cpu_devices_of_environment()?;
    }
    if let Some(n) = count.set {
        options.push(("cpu_device_count".to_owned(), (n as i64).into()));
    }
    Ok(options)
}

/// From now on it is too late to set the number of devices.
pub(super) fn cpu_was_created(client: &Client) {
    let mut count = NUM_CPU_DEVICES.lock().unwrap_or_else(PoisonError::into_inner);
    count.there = Some(client.addressable_device_count());
}

/// What JAX's variables for the memory of GPUs say. Without them XLA takes three quarters of it at once.
fn cuda_options(variable: &dyn Fn(&str) -> Option<String>) -> Result<Vec<NamedValue>> {
    let set =
        |name: &str| variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
    let mut options = Vec::new();
    if let Some(allocator) = set("XLA_PYTHON_CLIENT_ALLOCATOR") {
        let known = ["default", "platform", "bfc", "cuda_async", "vmm"];
        let allocator = allocator.to_lowercase();
        if !known.contains(&allocator.as_str()) {
            bail!(
                InvalidArgument,
                "XLA_PYTHON_CLIENT_ALLOCATOR is one of {}, got \"{allocator}\"",
                known.join(", ")
            );
        }
        options.push(("allocator".to_owned(), allocator.into()));
    }
    // The second is the older name.
    for name in ["XLA_CLIENT_MEM_FRACTION", "XLA_PYTHON_CLIENT_MEM_FRACTION"] {
        if let Some(value) = set(name) {
            match value.parse::<f32>() {
                Ok(fraction) if fraction > 0.0 => {
                    options.push(("memory_fraction".to_owned(), fraction.into()));
                    break;
                }
                _ => bail!(
                    InvalidArgument,
                    "{name} is a fraction of the GPU's memory, above 0, got \"{value}\""
                ),
            }
        }
    }
    if let Some(value) = set("XLA_PYTHON_CLIENT_PREALLOCATE") {
        options.push(("preallocate".to_owned(), (!["false", "False", "0"].contains(&&*value)).into()));
    }
    Ok(options)
}

struct NumCpuDevices {
    set: Option<usize>,
    /// How many the client has, once it has been created and it is too late.
    there: Option<usize>,
}

static NUM_CPU_DEVICES: Mutex<NumCpuDevices> = Mutex::new(NumCpuDevices { set: None, there: None });

/// Sets how many devices the CPU platform has: as many programs run side by side. JAX: `jax_num_cpu_devices`. To be
/// called before anything is computed. The environment variable `RAXLA_NUM_CPU_DEVICES` does the same; without either
/// it is what `XLA_FLAGS=--xla_force_host_platform_device_count=n` says, or one.
///
/// ```
/// raxla::config::set_num_cpu_devices(4)?;
/// # Ok::<(), raxla::Error>(())
/// ```
///
/// # Errors
/// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) if the platform has another number of devices already, or for none at all.
pub fn set_num_cpu_devices(n: usize) -> Result<()> {
    if n == 0 {
        bail!(InvalidArgument, "set_num_cpu_devices: the CPU has at least one device, got 0");
    }
    let mut count = NUM_CPU_DEVICES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(there) = count.there.filter(|there| *there != n) {
        bail!(
            InvalidArgument,
            "set_num_cpu_devices: the CPU's devices exist already, {there} of them. Call it before any array is made and \
             anything is computed, or set RAXLA_NUM_CPU_DEVICES={n}"
        );
    }
    count.set = Some(n);
    Ok(())
}

fn num_cpu_devices_of_environment() -> Result<Option<usize>> {
    let Ok(value) = std::env::var("RAXLA_NUM_CPU_DEVICES") else { return Ok(None) };
    match value.trim().parse() {
        Ok(n) if n > 0 => Ok(Some(n)),
        _ if value.trim().is_empty() => Ok(None),
        _ => bail!(
            InvalidArgument,
            "RAXLA_NUM_CPU_DEVICES is a number of devices, at least one, got \"{value}\""
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn options(variables: &[(&str, &str)]) -> Result<Vec<NamedValue>> {
        cuda_options(&|name| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn the_memory_of_gpus_is_shared_as_jaxs_variables_say() {
        assert_eq!(options(&[]).unwrap(), []);
        assert_eq!(options(&[("XLA_PYTHON_CLIENT_PREALLOCATE", "")]).unwrap(), []);
        let all = options(&[
            ("XLA_PYTHON_CLIENT_PREALLOCATE", "false"),
            ("XLA_PYTHON_CLIENT_MEM_FRACTION", ".5"),
            ("XLA_PYTHON_CLIENT_ALLOCATOR", "Platform"),
        ]);
        let expected: [NamedValue; 3] = [
            ("allocator".to_owned(), "platform".into()),
            ("memory_fraction".to_owned(), 0.5f32.into()),
            ("preallocate".to_owned(), false.into()),
        ];
        assert_eq!(all.unwrap(), expected);
    }

    #[test]
    fn a_wrong_value_is_named_with_its_variable() {
        for (name, value) in [
            ("XLA_CLIENT_MEM_FRACTION", "-1"),
            ("XLA_CLIENT_MEM_FRACTION", "half"),
            ("XLA_PYTHON_CLIENT_ALLOCATOR", "mine"),
        ] {
            let error = options(&[(name, value)]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            assert!(error.message().contains(name) && error.message().contains(value), "{error}");
        }
    }
}
