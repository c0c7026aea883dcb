//! Which platforms there are on this machine. JAX: `jax.devices()`, `JAX_PLATFORMS`, `xla_bridge.backends()`.
//!
//! `RAXLA_PLATFORMS` names platforms in order, `cuda,cpu`; the first is the default and must work. Unset, the first of
//! `tpu`, `cuda`, `cpu` that works is the default. Where plugins are looked for:
//!
//! | platform | first by | then |
//! |---|---|---|
//! | `cpu` | `RAXLA_CPU_PLUGIN` | the engine of `RAXLA_CPU_ENGINE` (`wheel`, `tuned`) in the user's cache; else the one that `build.rs` provided, what is in the cache, `xla_plugins/xla_cpu_pjrt` in Python's packages |
//! | `tpu` | `RAXLA_TPU_PLUGIN`, `TPU_LIBRARY_PATH` | `libtpu/libtpu.so` in Python's packages, `/usr/lib` |
//! | `cuda`, `rocm`, `oneapi`, `mps`, any `name` | `RAXLA_NAME_PLUGIN`, `PJRT_NAMES_AND_LIBRARY_PATHS=name:path,…` | packages of Python with a plugin, as JAX finds them, whose name has that word: `jax_plugins/xla_cuda13`, `xla_plugins/xla_cuda13_pjrt` |
//!
//! JAX's variables `XLA_PYTHON_CLIENT_PREALLOCATE=false`, `XLA_CLIENT_MEM_FRACTION=.5` and `XLA_PYTHON_CLIENT_ALLOCATOR` say how the
//! memory of GPUs is taken.

use super::client_options;
pub use super::client_options::set_num_cpu_devices;
use super::search::{self, Found};
use super::{Client, Plugin, packages};
use crate::error::{Error, ErrorKind, Result, bail, err};
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};

/// What is known about the plugin of one platform.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PluginStatus {
    /// The platform's name.
    pub platform: String,
    /// The plugin's file, if one was found.
    pub path: Option<PathBuf>,
    /// What named the file: an environment variable, a directory.
    pub found_by: String,
    /// The platform's client, or why there is none.
    pub client: Result<&'static Client>,
}

/// A platform's client, created once.
struct Platform {
    name: String,
    client: OnceLock<Result<Client>>,
}

/// Entries are only added, so a reference to one is good for the life of the process.
static PLATFORMS: Mutex<Vec<&'static Platform>> = Mutex::new(Vec::new());

/// The client of the default platform. It is created by the first call.
///
/// # Errors
/// [`ErrorKind::Plugin`] if the first platform of `RAXLA_PLATFORMS` does not work or, where
/// that is unset, none does. The message says what to do.
pub fn default_client() -> Result<&'static Client> {
    static DEFAULT: OnceLock<Result<&'static Client>> = OnceLock::new();
    DEFAULT.get_or_init(find_default).clone()
}

fn find_default() -> Result<&'static Client> {
    if let Some(names) = named_platforms() {
        let [first, ..] = names.as_slice() else {
            bail!(Plugin, "RAXLA_PLATFORMS is set but names no platform");
        };
        return client(first).map_err(|e| {
            let rule = "the first platform of RAXLA_PLATFORMS must work; unset it to use whatever does";
            Error::new(e.kind(), format!("platform {first} is not available: {} ({rule})", e.message()))
        });
    }
    let mut skipped = String::new();
    for platform in DEFAULT_ORDER {
        match absent_hardware(platform).map_or_else(|| client(platform), Err) {
            Ok(client) => return Ok(client),
            Err(e) => {
                tracing::debug!(platform, reason = e.message(), "platform skipped");
                skipped.push_str(&format!("\n  {platform}: {}", e.message()));
            }
        }
    }
    bail!(Plugin, "no platform is available:{skipped}")
}

const DEFAULT_ORDER: [&str; 3] = ["tpu", "cuda", "cpu"];

/// The client of `platform` (`cpu`, `cuda`, `tpu`, or a name of the user's). It is created by the first call.
///
/// # Errors
/// [`ErrorKind::Plugin`] if its plugin is not found or does not work.
pub fn client(platform: &str) -> Result<&'static Client> {
    let name = search::canonical(platform);
    let entry = {
        let mut platforms = PLATFORMS.lock().unwrap_or_else(PoisonError::into_inner);
        match platforms.iter().find(|p| p.name == name) {
            Some(entry) => *entry,
            None => {
                let entry: &'static Platform =
                    Box::leak(Box::new(Platform { name: name.to_owned(), client: OnceLock::new() }));
                platforms.push(entry);
                entry
            }
        }
    };
    // Outside the lock: another platform may be created meanwhile.
    match entry.client.get_or_init(|| create(name)) {
        Ok(client) => Ok(client),
        Err(e) => Err(e.clone()),
    }
}

fn create(platform: &str) -> Result<Client> {
    let found = search::find(platform)?;
    let context = |e: Error| match found.found_by.as_str() {
        "" => e,
        by => Error::new(e.kind(), format!("{} (found by {by})", e.message())),
    };
    let plugin = Plugin::load(&found.path).map_err(|e| {
        // Its libraries may be gone from the cache.
        let again =
            if found.found_by == search::BUILD { ". Build raxla again to have it repaired" } else { "" };
        context(Error::new(e.kind(), format!("{}{again}", e.message())))
    })?;
    let client = Client::new(plugin, &client_options::default_options(platform)?).map_err(context)?;
    if platform == "cpu" {
        client_options::cpu_was_created(&client);
    }
    Ok(client)
}

/// Every platform that `RAXLA_PLATFORMS` names, or else every one that raxla knows, with its client or why there is
/// none. Each client is created when the iterator comes to it.
pub fn plugins() -> impl Iterator<Item = PluginStatus> {
    let named = named_platforms();
    let explicit = named.is_some();
    let mut names = named.unwrap_or_else(|| DEFAULT_ORDER.map(str::to_owned).to_vec());
    let libraries = search::named_libraries();
    let packaged = packages::plugins();
    let of_packages: Vec<String> =
        packaged.iter().filter_map(|plugin| plugin.platform().map(str::to_owned)).collect();
    for name in libraries.iter().map(|(name, _)| name).chain(&of_packages) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    let asked_for = move |platform: &str| {
        explicit || DEFAULT_ORDER.contains(&platform) || libraries.iter().any(|(name, _)| name == platform)
    };
    let status = move |platform: String| {
        let (path, found_by) = match search::find(&platform) {
            Ok(Found { path, found_by }) => (Some(path), found_by),
            Err(_) => (None, String::new()),
        };
        let absent = match (explicit, asked_for(&platform)) {
            (true, _) => None,
            (false, true) => absent_hardware(&platform),
            // Its code is not run unasked: nobody knows whether the machine has the hardware.
            (false, false) => Some(err!(Plugin, "not tried: RAXLA_PLATFORMS={platform} does")),
        };
        let client = match (path.is_some(), absent) {
            (true, Some(absent)) => Err(absent),
            _ => client(&platform),
        };
        PluginStatus { platform, path, found_by, client }
    };
    names.into_iter().map(status)
}

/// The file of the CPU plugin.
///
/// # Errors
/// [`ErrorKind::Plugin`], saying what to do, if there is none.
pub fn cpu_plugin() -> Result<PathBuf> {
    search::find("cpu").map(|found| found.path)
}

/// The file of the plugin of `platform`, if it is installed, whether or not it works here.
///
/// # Errors
/// [`ErrorKind::Plugin`], saying where it was looked for, if it is not.
pub fn find_plugin(platform: &str) -> Result<PathBuf> {
    search::find(search::canonical(platform)).map(|found| found.path)
}

fn named_platforms() -> Option<Vec<String>> {
    let value = std::env::var("RAXLA_PLATFORMS").ok()?;
    let names: Vec<String> = value
        .split(',')
        .map(|name| search::canonical(name.trim()).to_owned())
        .filter(|name| !name.is_empty())
        .collect();
    // An empty variable is an unset one, as for JAX.
    (!value.trim().is_empty()).then_some(names)
}

/// Plugins for accelerators are large and slow to fail: `libtpu` asks a metadata server for minutes. Skip them on a
/// machine that has no such device, unless the user names the platform.
fn absent_hardware(platform: &str) -> Option<Error> {
    let (present, what) = match platform {
        "tpu" => (search::has_tpu(), "TPU"),
        "cuda" => (search::has_nvidia(), "NVIDIA GPU with its driver"),
        _ => (true, ""),
    };
    (!present).then(|| {
        // Google's library asks for the machine's metadata, and again, before it gives up.
        let long = if platform == "tpu" { ", for minutes" } else { "" };
        let message =
            format!("this machine has no {what} (RAXLA_PLATFORMS={platform} tries all the same{long})");
        Error::new(ErrorKind::Plugin, message)
    })
}
