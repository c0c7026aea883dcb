//! Plugins among Python's packages. Reads directories; runs nothing. JAX: `xla_bridge.discover_pjrt_plugins`.
//!
//! A package has a plugin if it lies in one of the namespaces `jax_plugins` and `xla_plugins`, or says so in its entry points,
//! and holds a shared library that is called a plugin or PJRT: `jax_plugins/xla_cuda13/xla_cuda_plugin.so`.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

const NAMESPACES: [&str; 2] = ["jax_plugins", "xla_plugins"];

/// A plugin of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Packaged {
    /// What the package calls it: `xla_cuda13`.
    pub(super) name: String,
    pub(super) path: PathBuf,
    /// The directory of packages that it is in.
    pub(super) site: PathBuf,
}

impl Packaged {
    /// `xla_cuda13` and `xla_cuda13_pjrt` are for `cuda`.
    pub(super) fn is_for(&self, platform: &str) -> bool {
        words(&self.name).any(|word| word == platform)
    }

    /// The platform that it is for, as far as its name says.
    pub(super) fn platform(&self) -> Option<&str> {
        words(&self.name).find(|word| !["xla", "jax", "pjrt", "plugin", "plugins"].contains(word))
    }
}

fn words(name: &str) -> impl Iterator<Item = &str> {
    name.split(|c: char| !c.is_ascii_alphanumeric())
        .map(|word| word.trim_end_matches(|c: char| c.is_ascii_digit()))
        .filter(|word| !word.is_empty())
}

/// The file `file` of a package, such as `libtpu/libtpu.so`.
pub(super) fn find_file(file: &str) -> Option<(PathBuf, PathBuf)> {
    site_packages().into_iter().map(|site| (site.join(file), site)).find(|(path, _)| path.is_file())
}

/// The plugin for `platform`.
pub(super) fn find(platform: &str) -> Option<Packaged> {
    plugins().into_iter().find(|plugin| plugin.is_for(platform))
}

/// Every plugin: those of the active environment first, of one environment those in a namespace first, of these the
/// newest first.
pub(super) fn plugins() -> Vec<Packaged> {
    site_packages().iter().flat_map(|site| plugins_in(site)).collect()
}

fn plugins_in(site: &Path) -> Vec<Packaged> {
    let in_namespaces =
        NAMESPACES.iter().flat_map(|namespace| children(&site.join(namespace))).map(|directory| {
            let name = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
            (name, directory)
        });
    let mut found: Vec<Packaged> = Vec::new();
    for (name, directory) in in_namespaces.chain(entry_points(site)) {
        let Some(path) = library(&directory) else { continue };
        if found.iter().all(|plugin| plugin.path != path) {
            found.push(Packaged { name, path, site: site.to_owned() });
        }
    }
    found
}

/// What packages say of themselves: the names of their plugins and the directories of the modules.
fn entry_points(site: &Path) -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    for package in children(site) {
        if package.extension().is_none_or(|extension| extension != "dist-info") {
            continue;
        }
        let Ok(text) = fs::read_to_string(package.join("entry_points.txt")) else { continue };
        let mut ours = false;
        for line in text.lines().map(str::trim) {
            if let Some(group) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                ours = NAMESPACES.contains(&group.trim());
            } else if let Some((name, module)) = line.split_once('=').filter(|_| ours) {
                let module = module.split([':', '[']).next().unwrap_or_default().trim();
                found.push((name.trim().to_owned(), site.join(module.replace('.', "/"))));
            }
        }
    }
    found
}

/// The plugin's library in a package's directory or just below it.
fn library(directory: &Path) -> Option<PathBuf> {
    let is_plugin = |path: &PathBuf| {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let library = path.extension().is_some_and(|extension| extension == "so" || extension == "dylib");
        library && (stem.contains("plugin") || stem.contains("pjrt")) && path.is_file()
    };
    let files = children(directory);
    let below = files.iter().flat_map(|path| if path.is_dir() { children(path) } else { Vec::new() });
    files.iter().cloned().chain(below).find(is_plugin)
}

/// Directories with Python's packages, the active environment's first. Python itself is not run: it takes longer to
/// start than a program may.
fn site_packages() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in env::split_paths(&env::var_os("PYTHONPATH").unwrap_or_default()) {
        push_dir(&mut found, path);
    }
    let variable = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let mut prefixes: Vec<PathBuf> =
        ["VIRTUAL_ENV", "CONDA_PREFIX"].into_iter().filter_map(variable).collect();
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
    let home = variable("HOME");
    prefixes.extend(variable("PYTHONUSERBASE").or(home.as_ref().map(|home| home.join(".local"))));
    let pyenv = variable("PYENV_ROOT").or_else(|| home.map(|home| home.join(".pyenv")));
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

pub(super) fn children(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    // Newest version first, and the same order on every run.
    paths.sort();
    paths.reverse();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, file: &str, text: &str) {
        let path = root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The layouts of the packages that there are.
    #[test]
    fn a_plugin_is_found_in_every_layout_of_package() {
        let site = env::temp_dir().join(format!("raxla-packages-{}", std::process::id()));
        for file in [
            "jax_plugins/xla_cuda12/xla_cuda_plugin.so",
            "jax_plugins/xla_cuda13/xla_cuda_plugin.so",
            "jax_plugins/xla_rocm7/xla_rocm_plugin.so",
            "jax_plugins/xla_oneapi/xla_oneapi_plugin.so",
            "jax_plugins/mps/lib/libpjrt_plugin_mps.dylib",
            "jax_plugins/mps/ops.so",
            "jax_plugins/nothing/__init__.py",
            "xla_plugins/xla_cuda13_pjrt/xla_gpu_pjrt.so",
            "xla_plugins/xla_cpu_pjrt/xla_cpu_pjrt.so",
            "pjrt_plugin_tt/pjrt_plugin_tt.so",
            "unrelated/libpjrt.so",
        ] {
            write(&site, file, "");
        }
        write(
            &site,
            "tt-1.dist-info/entry_points.txt",
            "[console_scripts]\nrun = tt:main\n\n[jax_plugins]\ntt = pjrt_plugin_tt\n",
        );
        write(
            &site,
            "cuda-1.dist-info/entry_points.txt",
            "[jax_plugins]\nxla_cuda13 = jax_plugins.xla_cuda13\n",
        );
        let found = plugins_in(&site);
        let of = |platform: &str| {
            let plugin = found.iter().find(|plugin| plugin.is_for(platform));
            plugin.map(|plugin| plugin.path.strip_prefix(&site).unwrap().to_string_lossy().into_owned())
        };
        assert_eq!(of("cuda").as_deref(), Some("jax_plugins/xla_cuda13/xla_cuda_plugin.so"));
        assert_eq!(of("rocm").as_deref(), Some("jax_plugins/xla_rocm7/xla_rocm_plugin.so"));
        assert_eq!(of("oneapi").as_deref(), Some("jax_plugins/xla_oneapi/xla_oneapi_plugin.so"));
        assert_eq!(of("mps").as_deref(), Some("jax_plugins/mps/lib/libpjrt_plugin_mps.dylib"));
        assert_eq!(of("cpu").as_deref(), Some("xla_plugins/xla_cpu_pjrt/xla_cpu_pjrt.so"));
        assert_eq!(of("tt").as_deref(), Some("pjrt_plugin_tt/pjrt_plugin_tt.so"));
        assert_eq!(of("unrelated"), None);
        assert_eq!(found.len(), 8, "each once: {found:?}");
        let platforms: Vec<_> = found.iter().filter_map(Packaged::platform).collect();
        assert_eq!(platforms, ["rocm", "oneapi", "cuda", "cuda", "mps", "cuda", "cpu", "tt"]);
        fs::remove_dir_all(&site).unwrap();
    }
}
