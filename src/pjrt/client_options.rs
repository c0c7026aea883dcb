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

fn cpu_options() -> Result<Vec<NamedValue>> {
    let mut count = NUM_CPU_DEVICES.lock().unwrap_or_else(PoisonError::into_inner);
    if count.set.is_none() {
        count.set = num_cpu_devices_of_environment()?;
    }
    Ok(vec![cpu_device_count(count.set)])
}

const CPU_DEVICE_COUNT: &str = "cpu_device_count";

/// The option for that many devices, or else as many as `XLA_FLAGS` says, or one: ready CPU plugins come up with four if they are
/// not told.
pub(super) fn cpu_device_count(count: Option<usize>) -> NamedValue {
    let flags = std::env::var("XLA_FLAGS").unwrap_or_default();
    let flag = |flag: &str| flag.strip_prefix("--xla_force_host_platform_device_count=")?.parse().ok();
    let count = count.or_else(|| flags.split_whitespace().rev().find_map(flag).filter(|n| *n > 0));
    (CPU_DEVICE_COUNT.to_owned(), (count.unwrap_or(1) as i64).into())
}

/// What CPU plugins take: ready ones ignore a name that they do not know, or one of another type.
const OF_CPU: [&str; 11] = [
    "asynchronous",
    "collectives",
    CPU_DEVICE_COUNT,
    "get_global_topology_timeout_minutes",
    "get_local_topology_timeout_minutes",
    "max_inflight_computations_per_device",
    "max_transpose_threads",
    "node_id",
    "num_nodes",
    "num_processes",
    "process_id",
];

/// Refuses options that a client of `platform` would not heed. What has a wrong value is refused before there is a client.
pub(super) fn check(platform: Option<&str>, options: &[NamedValue]) -> Result<()> {
    for (name, value) in options {
        if name == CPU_DEVICE_COUNT && value.as_i64().is_none_or(|count| count < 1) {
            bail!(
                InvalidArgument,
                "the client option {CPU_DEVICE_COUNT} is an integer of at least one, got {value}"
            );
        }
        if platform == Some("cpu") && !OF_CPU.contains(&name.as_str()) {
            bail!(InvalidArgument, "the CPU has no client option \"{name}\"; it takes {}", OF_CPU.join(", "));
        }
    }
    Ok(())
}

/// The options that a client of `platform` needs beside those it was created with.
pub(super) fn missing(platform: &str, options: &[NamedValue]) -> Option<NamedValue> {
    let told = options.iter().any(|(name, _)| name == CPU_DEVICE_COUNT);
    (platform == "cpu" && !told).then(|| cpu_device_count(None))
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
    fn options_of_the_cpu_are_checked_by_name_and_value() {
        let message = |name: &str, value: i64| {
            check(Some("cpu"), &[(name.to_owned(), value.into())]).unwrap_err().message().to_owned()
        };
        assert!(
            message("cpu_devices", 2)
                .starts_with("the CPU has no client option \"cpu_devices\"; it takes asynchronous")
        );
        assert_eq!(
            message("cpu_device_count", 0),
            "the client option cpu_device_count is an integer of at least one, got 0"
        );
        check(Some("cpu"), &[cpu_device_count(Some(3))]).unwrap();
        check(Some("cuda"), &[("its own".to_owned(), true.into())]).unwrap();
    }

    #[test]
    fn the_cpu_is_always_told_how_many_devices_it_has() {
        assert_eq!(missing("cpu", &[]).unwrap().0, CPU_DEVICE_COUNT);
        assert_eq!(missing("cpu", &[cpu_device_count(Some(4))]), None);
        assert_eq!(missing("cuda", &[]), None);
        assert_eq!(cpu_device_count(Some(4)).1, 4.into());
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
