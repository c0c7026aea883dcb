//! Where plugins are on this machine. Reads directories and the environment; runs nothing.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use super::packages::{self, children};
use crate::error::{Result, bail};

/// A plugin's file and what named it.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) found_by: String,
}

/// What found the plugin that `build.rs` provided.
pub(super) const BUILD: &str = "the build of raxla";

/// The plugin that `build.rs` provided, if any.
const BUILT_CPU_PLUGIN: Option<&str> = option_env!("RAXLA_BUILT_CPU_PLUGIN");

/// The engines of `RAXLA_CPU_ENGINE`, and where this version's are below the user's cache.
const ENGINES: [(&str, Option<&str>); 2] =
    [("wheel", option_env!("RAXLA_WHEEL_ENGINE")), ("tuned", option_env!("RAXLA_TUNED_ENGINE"))];

/// One name for each platform: `gpu` is `cuda`.
pub(super) fn canonical(platform: &str) -> &str {
    match platform {
        "gpu" => "cuda",
        other => other,
    }
}

/// The plugin of `platform`.
pub(super) fn find(platform: &str) -> Result<Found> {
    let own = format!("RAXLA_{}_PLUGIN", platform.to_uppercase().replace('-', "_"));
    let mut variables = vec![own.as_str()];
    if platform == "tpu" {
        variables.push("TPU_LIBRARY_PATH");
    }
    for variable in variables {
        if let Some(path) = variable_path(variable) {
            // Named explicitly, so what is wrong with it is for the loader to say.
            return Ok(Found { path, found_by: variable.to_owned() });
        }
    }
    if let Some((_, path)) = named_libraries().into_iter().find(|(name, _)| name == platform) {
        return Ok(Found { path, found_by: "PJRT_NAMES_AND_LIBRARY_PATHS".to_owned() });
    }
    if platform == "cpu" {
        return find_cpu();
    }
    if platform == "tpu" {
        if let Some((path, site)) = packages::find_file("libtpu/libtpu.so") {
            return Ok(Found { path, found_by: site.display().to_string() });
        }
        let system = ["/usr/lib/libtpu.so", "/lib/libtpu.so"].map(PathBuf::from);
        if let Some(path) = system.into_iter().find(|path| path.is_file()) {
            return Ok(Found { path, found_by: "the system's TPU library".to_owned() });
        }
    }
    if let Some(plugin) = packages::find(platform) {
        return Ok(Found { path: plugin.path, found_by: plugin.site.display().to_string() });
    }
    let remedy = match platform {
        "tpu" => "`pip install libtpu`, or ",
        "cuda" => "`pip install 'jax-cuda13-plugin[with-cuda]'`, or ",
        "rocm" => "`pip install jax-rocm7-plugin`, or ",
        _ => "",
    };
    bail!(
        Plugin,
        "no package of any Python here has a plugin for platform {platform}: {remedy}set {own} to its shared library"
    )
}

/// In this order: the engine that `RAXLA_CPU_ENGINE` asks for, the one that this build of raxla prepared, those that other builds
/// did, and OpenXLA's plugin among Python's packages.
fn find_cpu() -> Result<Found> {
    let asked = env::var("RAXLA_CPU_ENGINE").ok().filter(|name| !name.is_empty());
    if let Some(asked) = asked.as_ref().filter(|asked| ENGINES.iter().all(|(name, _)| name != asked)) {
        bail!(Plugin, "RAXLA_CPU_ENGINE is wheel or tuned, got \"{asked}\"");
    }
    let wanted = |name: &str| asked.as_deref().is_none_or(|asked| asked == name);
    let built = BUILT_CPU_PLUGIN.map(PathBuf::from).filter(|path| asked.is_none() && path.exists());
    if let Some(path) = built {
        return Ok(Found { path, found_by: BUILD.to_owned() });
    }
    let cache = engine_cache();
    for (name, place) in ENGINES {
        let (Some(cache), Some(place)) = (&cache, place) else { continue };
        let path = cache.join(place);
        if wanted(name) && path.exists() {
            return Ok(Found { path, found_by: cache.display().to_string() });
        }
    }
    if let Some(plugin) = packages::find("cpu").filter(|_| wanted("wheel")) {
        return Ok(Found { path: plugin.path, found_by: plugin.site.display().to_string() });
    }
    let remedy = "`pip install xla-cpu-pjrt==0.0.1`, or set RAXLA_CPU_PLUGIN to a PJRT CPU plugin";
    match (asked, BUILT_CPU_PLUGIN) {
        (Some(asked), _) => bail!(
            Plugin,
            "RAXLA_CPU_ENGINE={asked}, and that engine is not in {}: build raxla with RAXLA_CPU_ENGINE={asked}, or set \
             RAXLA_CPU_PLUGIN to a PJRT CPU plugin",
            cache.map_or_else(
                || "a cache, for want of a home directory".to_owned(),
                |cache| cache.display().to_string()
            )
        ),
        (None, Some(path)) => bail!(
            Plugin,
            "the CPU plugin that raxla was built with is gone: {path}. Build raxla again, or {remedy}"
        ),
        (None, None) => {
            let why = option_env!("RAXLA_NO_CPU_PLUGIN").unwrap_or("build.rs did not run");
            bail!(Plugin, "raxla was built without its CPU plugin: {why}. Without building again: {remedy}")
        }
    }
}

/// The user's cache of engines, as `xla_extension/build/cache.rs` has it.
fn engine_cache() -> Option<PathBuf> {
    let root = variable_path("XDG_CACHE_HOME").filter(|path| path.is_absolute());
    Some(root.or_else(|| env::home_dir().map(|home| home.join(".cache")))?.join("raxla/xla_extension"))
}

/// `PJRT_NAMES_AND_LIBRARY_PATHS=name:path,name:path`, JAX's variable for plugins that it does not know.
pub(super) fn named_libraries() -> Vec<(String, PathBuf)> {
    let value = env::var("PJRT_NAMES_AND_LIBRARY_PATHS").unwrap_or_default();
    let pair = |entry: &str| {
        let (name, path) = entry.split_once(':')?;
        Some((canonical(name.trim()).to_owned(), PathBuf::from(path.trim())))
    };
    value.split(',').filter_map(pair).collect()
}

fn variable_path(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Is there a TPU? As JAX looks for one: Google's vendor id on the PCI bus.
pub(super) fn has_tpu() -> bool {
    let vendor = |device: &PathBuf| fs::read_to_string(device.join("vendor")).unwrap_or_default();
    children(Path::new("/sys/bus/pci/devices")).iter().any(|device| {
        vendor(device).trim() == "0x1ae0" && {
            // Google's other devices in virtual machines (network, disks) have other classes.
            let class = fs::read_to_string(device.join("class")).unwrap_or_default();
            !class.starts_with("0x02") && !class.starts_with("0x01")
        }
    }) || Path::new("/dev/accel0").exists()
}

/// Is there an NVIDIA GPU with its driver?
pub(super) fn has_nvidia() -> bool {
    ["/dev/nvidiactl", "/dev/dxg", "/dev/nvhost-ctrl-gpu"].iter().any(|path| Path::new(path).exists())
}
