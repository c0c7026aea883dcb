//! Where plugins are on this machine. Reads directories and the environment; runs nothing.

use crate::error::{Result, bail};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

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

/// Is the file at this canonical path the plugin that `build.rs` made of this crate's source?
pub(super) fn is_built_cpu_plugin(path: &Path) -> bool {
    static BUILT: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
        let ours = option_env!("RAXLA_CPU_PLUGIN_IS_OURS").and(BUILT_CPU_PLUGIN)?;
        Path::new(ours).canonicalize().ok()
    });
    BUILT.as_deref() == Some(path)
}

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
    match platform {
        "cpu" => find_cpu(),
        "tpu" => find_package(platform, &["libtpu/libtpu.so"], &["/usr/lib/libtpu.so", "/lib/libtpu.so"])
            .ok_or_else(|| not_found("libtpu", "pip install libtpu", &own)),
        "cuda" => {
            let files =
                ["jax_plugins/xla_cuda13/xla_cuda_plugin.so", "jax_plugins/xla_cuda12/xla_cuda_plugin.so"];
            find_package(platform, &files, &[]).ok_or_else(|| {
                not_found("jax_plugins/xla_cuda*", "pip install 'jax-cuda13-plugin[with-cuda]'", &own)
            })
        }
        _ => bail!(Plugin, "no plugin is known for platform {platform}: set {own} to its shared library"),
    }
}

fn find_cpu() -> Result<Found> {
    let Some(path) = BUILT_CPU_PLUGIN else {
        let why = option_env!("RAXLA_NO_CPU_PLUGIN").unwrap_or("build.rs did not run");
        bail!(Plugin, "raxla was built without its CPU plugin: {why}");
    };
    let path = PathBuf::from(path);
    if !path.exists() {
        bail!(
            Plugin,
            "the CPU plugin that raxla was built with is gone: {}. Build raxla again, or set RAXLA_CPU_PLUGIN to a \
             PJRT CPU plugin",
            path.display()
        );
    }
    Ok(Found { path, found_by: BUILD.to_owned() })
}

fn not_found(what: &str, remedy: &str, variable: &str) -> crate::Error {
    crate::error::err!(
        Plugin,
        "{what} is not among the packages of any Python here (`{remedy}`, or set {variable} to its shared library)"
    )
}

fn find_package(platform: &str, files: &[&str], others: &[&str]) -> Option<Found> {
    for directory in site_packages() {
        for file in files {
            let path = directory.join(file);
            if path.is_file() {
                return Some(Found { path, found_by: directory.display().to_string() });
            }
        }
    }
    let path = others.iter().map(PathBuf::from).find(|path| path.is_file())?;
    Some(Found { path, found_by: format!("the system's {platform} library") })
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

/// Directories with Python's packages, the active environment's first. Python itself is not run: it takes longer to
/// start than a program may.
fn site_packages() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in env::split_paths(&env::var_os("PYTHONPATH").unwrap_or_default()) {
        push_dir(&mut found, path);
    }
    let mut prefixes: Vec<PathBuf> =
        ["VIRTUAL_ENV", "CONDA_PREFIX"].iter().filter_map(|name| variable_path(name)).collect();
    if let Ok(here) = env::current_dir() {
        prefixes.extend(here.ancestors().map(|directory| directory.join(".venv")));
    }
    for directory in env::split_paths(&env::var_os("PATH").unwrap_or_default()) {
        for python in ["python3", "python"] {
            let Ok(real) = directory.join(python).canonicalize() else { continue };
            // `<prefix>/bin/python3`: both where PATH points and where the link leads.
            for binary in [directory.join(python), real] {
                prefixes.extend(binary.parent().and_then(Path::parent).map(Path::to_owned));
            }
        }
    }
    let home = variable_path("HOME");
    prefixes.extend(variable_path("PYTHONUSERBASE").or(home.as_ref().map(|home| home.join(".local"))));
    let pyenv = variable_path("PYENV_ROOT").or_else(|| home.map(|home| home.join(".pyenv")));
    prefixes.extend(pyenv.iter().flat_map(|root| children(&root.join("versions"))));
    prefixes.extend(["/usr/local", "/usr"].map(PathBuf::from));
    for prefix in prefixes {
        // Fedora and SUSE keep packages with shared libraries in the second.
        for lib in ["lib", "lib64"].iter().flat_map(|lib| children(&prefix.join(lib))) {
            let is_python = lib.file_name().is_some_and(|name| name.to_string_lossy().starts_with("python3"));
            if is_python {
                push_dir(&mut found, lib.join("site-packages"));
                push_dir(&mut found, lib.join("dist-packages"));
            }
        }
    }
    found
}

fn push_dir(found: &mut Vec<PathBuf>, directory: PathBuf) {
    if !directory.as_os_str().is_empty() && !found.contains(&directory) && directory.is_dir() {
        found.push(directory);
    }
}

fn children(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    // Newest version first, and the same order on every run.
    paths.sort();
    paths.reverse();
    paths
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
