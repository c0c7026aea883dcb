//! [`Plugin`]: a shared library that speaks PJRT.

use super::api::args;
use super::sys;
use super::value::{NamedValue, OptionValue, from_raw};
use crate::error::{Result, bail, err};
use std::fmt;
use std::mem::offset_of;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

/// A loaded PJRT plugin. It stays loaded until the process ends, so the handle is a copyable reference.
#[derive(Clone, Copy)]
pub struct Plugin(&'static Inner);

struct Inner {
    /// The plugin's function table, as far as it goes; functions that it lacks are `None`.
    api: sys::PJRT_Api,
    path: PathBuf,
    version: (i32, i32),
    attributes: OnceLock<Vec<NamedValue>>,
    /// Debug options that its XLA said it does not know.
    refused_options: Mutex<Vec<&'static str>>,
}

// SAFETY: the table is written once, before it is shared; the functions that it points to belong to a library that is
// never unloaded, and the PJRT C API is thread-safe.
unsafe impl Send for Inner {}
// SAFETY: as above.
unsafe impl Sync for Inner {}

/// Every plugin loaded so far. Held while one loads: `PJRT_Plugin_Initialize` must run once and before anything else.
static LOADED: Mutex<Vec<Plugin>> = Mutex::new(Vec::new());

type GetPjrtApi = unsafe extern "C" fn() -> *const sys::PJRT_Api;

impl Plugin {
    /// Loads the shared library at `path`, or returns the plugin that was loaded from there before. Its code runs in this
    /// process: load what you trust.
    ///
    /// # Errors
    /// [`ErrorKind::Plugin`](crate::ErrorKind::Plugin) if there is no such file, it is no shared library, it does not
    /// export `GetPjrtApi`, its version of the C API is not compatible, or it fails to initialise.
    pub fn load(path: impl AsRef<Path>) -> Result<Plugin> {
        let path = path.as_ref();
        let full = match path.canonicalize() {
            Ok(full) => full,
            Err(e) => bail!(Plugin, "no plugin at {}: {e}", path.display()),
        };
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(plugin) = loaded.iter().find(|plugin| plugin.0.path == full) {
            return Ok(*plugin);
        }
        let plugin = open(&full)?;
        loaded.push(plugin);
        Ok(plugin)
    }

    /// The file that the plugin was loaded from.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Major and minor version of the PJRT C API that the plugin was built with.
    pub fn api_version(&self) -> (i32, i32) {
        self.0.version
    }

    /// What the plugin says of itself, such as `xla_version` and `stablehlo_current_version`.
    pub fn attributes(&self) -> &[NamedValue] {
        self.0.attributes.get().map_or(&[], Vec::as_slice)
    }

    /// The attribute `name`.
    pub fn attribute(&self, name: &str) -> Option<&OptionValue> {
        self.attributes().iter().find(|(n, _)| n == name).map(|(_, value)| value)
    }

    pub(super) fn refused_options(&self) -> Vec<&'static str> {
        self.0.refused_options.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn refuses_option(&self, name: &'static str) {
        let mut refused = self.0.refused_options.lock().unwrap_or_else(PoisonError::into_inner);
        if !refused.contains(&name) {
            refused.push(name);
        }
    }

    #[inline(always)]
    pub(crate) fn api(&self) -> &'static sys::PJRT_Api {
        &self.0.api
    }

    /// The extension of the given type, if the plugin has it. The caller casts it to the struct of that extension.
    pub(crate) fn extension(&self, kind: sys::PJRT_Extension_Type) -> Option<*mut sys::PJRT_Extension_Base> {
        let mut next = self.0.api.extension_start;
        while !next.is_null() {
            // SAFETY: the chain is static data of a library that is never unloaded, and ends in null.
            let base = unsafe { &*next };
            if base.type_ == kind {
                return Some(next);
            }
            next = base.next;
        }
        None
    }

    /// Does the plugin have XLA's FFI extension, through which custom calls are registered?
    pub fn has_ffi(&self) -> bool {
        self.extension(sys::PJRT_Extension_Type_FFI).is_some()
    }
}

impl PartialEq for Plugin {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}
impl Eq for Plugin {}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor) = self.0.version;
        write!(f, "Plugin({}, PJRT C API {major}.{minor})", self.0.path.display())
    }
}

/// XLA logs to stderr from the moment it is loaded, errors that it also returns and what it then works around among them. Ask for
/// fatal ones only, unless the user chose a level.
fn quieten() {
    if std::env::var_os("TF_CPP_MIN_LOG_LEVEL").is_none() {
        // SAFETY: runs under the lock on `LOADED`, and Rust code reads the environment through `std`, which has a lock
        // of its own. Foreign threads that call `getenv` at this moment are the remaining, usual, hazard.
        unsafe { std::env::set_var("TF_CPP_MIN_LOG_LEVEL", "3") };
    }
}

fn open(path: &Path) -> Result<Plugin> {
    quieten();
    // SAFETY: loading runs the library's initialisers; a plugin that the user names is trusted as its code will be.
    let library = match unsafe { open_library(path) } {
        Ok(library) => library,
        Err(e) => {
            // The loader's own words, such as which dependency is missing, are in the source of the error.
            let reason = std::error::Error::source(&e).map_or_else(|| e.to_string(), ToString::to_string);
            bail!(Plugin, "could not load {}: {reason}", path.display())
        }
    };
    // A library that has run its initialisers may have left threads and callbacks behind: never unload it.
    let library: &'static libloading::Library = Box::leak(Box::new(library));
    // SAFETY: `GetPjrtApi` has this signature in every version of the C API.
    let get = match unsafe { library.get::<GetPjrtApi>(b"GetPjrtApi\0") } {
        Ok(get) => get,
        Err(_) => bail!(
            Plugin,
            "{} is a shared library but no PJRT plugin: it does not export GetPjrtApi",
            path.display()
        ),
    };
    // SAFETY: the function takes nothing and returns a pointer to static data or null.
    let raw = unsafe { get() };
    if raw.is_null() {
        bail!(Plugin, "GetPjrtApi of {} returned null", path.display());
    }
    let (api, version) = copy_table(raw, path)?;
    // Leaked before it is known to work: whatever fails below still needs the table to read its error.
    let plugin = Plugin(Box::leak(Box::new(Inner {
        api,
        path: path.to_owned(),
        version,
        attributes: OnceLock::new(),
        refused_options: Mutex::default(),
    })));
    if plugin.api().PJRT_Plugin_Initialize.is_some() {
        let mut a = args::<sys::PJRT_Plugin_Initialize_Args>();
        // SAFETY: called once for this library, under the lock on `LOADED`, before any other function of it.
        unsafe { call!(plugin, Plugin, PJRT_Plugin_Initialize, a) }
            .map_err(|e| err!(Plugin, "{} failed to initialise: {}", path.display(), e.message()))?;
    }
    plugin.0.attributes.get_or_init(|| read_attributes(plugin));
    Ok(plugin)
}

/// Binds every symbol at once, so that a plugin which lacks one fails here and not in the middle of a program.
///
/// # Safety
/// As [`libloading::Library::new`].
#[cfg(unix)]
unsafe fn open_library(path: &Path) -> std::result::Result<libloading::Library, libloading::Error> {
    use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
    // SAFETY: the caller's promise.
    unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) }.map(libloading::Library::from)
}

/// # Safety
/// As [`libloading::Library::new`].
#[cfg(not(unix))]
unsafe fn open_library(path: &Path) -> std::result::Result<libloading::Library, libloading::Error> {
    // SAFETY: the caller's promise.
    unsafe { libloading::Library::new(path) }
}

/// Copies as much of the plugin's function table as it has: an older plugin's is shorter than ours.
fn copy_table(raw: *const sys::PJRT_Api, path: &Path) -> Result<(sys::PJRT_Api, (i32, i32))> {
    // SAFETY: `raw` is the plugin's static table. `struct_size` is its first field in every version and says how many
    // bytes follow; zeroes are a valid table, in which every function is missing.
    let (api, size) = unsafe {
        let size = raw.cast::<usize>().read();
        let mut api: sys::PJRT_Api = std::mem::zeroed();
        let known = size.min(size_of::<sys::PJRT_Api>());
        std::ptr::copy_nonoverlapping(raw.cast::<u8>(), (&raw mut api).cast::<u8>(), known);
        (api, size)
    };
    if size < offset_of!(sys::PJRT_Api, PJRT_Error_Destroy) {
        bail!(Plugin, "{} has a PJRT function table of {size} bytes", path.display());
    }
    let version = (api.pjrt_api_version.major_version, api.pjrt_api_version.minor_version);
    if version.0 != sys::PJRT_API_MAJOR as i32 {
        bail!(
            Plugin,
            "{} was built with PJRT C API {}.{}, which is not compatible with {}.{}",
            path.display(),
            version.0,
            version.1,
            sys::PJRT_API_MAJOR,
            sys::PJRT_API_MINOR
        );
    }
    Ok((api, version))
}

fn read_attributes(plugin: Plugin) -> Vec<NamedValue> {
    let mut a = args::<sys::PJRT_Plugin_Attributes_Args>();
    // SAFETY: the plugin is initialised; the attributes live as long as the process.
    unsafe {
        // A plugin without attributes is a plugin all the same.
        match call!(plugin, Plugin, PJRT_Plugin_Attributes, a) {
            Ok(()) => from_raw(a.attributes, a.num_attributes),
            Err(_) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    extern "C" fn accepts(_: *mut sys::PJRT_Client_Compile_Args) -> *mut sys::PJRT_Error {
        std::ptr::null_mut()
    }

    /// A plugin with a function table that ends before `end`.
    fn with_table_until(end: usize) -> Plugin {
        // SAFETY: zeroes are a valid table, in which every function is missing.
        let mut api: sys::PJRT_Api = unsafe { std::mem::zeroed() };
        api.struct_size = end;
        api.pjrt_api_version.major_version = sys::PJRT_API_MAJOR as i32;
        api.PJRT_Client_Compile = Some(accepts);
        let (api, version) = copy_table(&raw const api, Path::new("old.so")).unwrap();
        let refused_options = Mutex::default();
        let (path, attributes) = (PathBuf::from("old.so"), OnceLock::new());
        Plugin(Box::leak(Box::new(Inner { api, path, version, attributes, refused_options })))
    }

    #[test]
    fn a_function_that_an_older_plugin_lacks_is_unimplemented() {
        let compile = |plugin: Plugin| {
            let mut a = args::<sys::PJRT_Client_Compile_Args>();
            // SAFETY: the function looks at nothing.
            unsafe { call!(plugin, Runtime, PJRT_Client_Compile, a) }
        };
        compile(with_table_until(size_of::<sys::PJRT_Api>())).unwrap();
        let error = compile(with_table_until(offset_of!(sys::PJRT_Api, PJRT_Client_Compile))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unimplemented);
        assert_eq!(error.message(), "old.so (PJRT C API 0.0) does not provide PJRT_Client_Compile");
    }

    #[test]
    fn a_plugin_whose_programs_cannot_call_functions_of_the_host_says_so() {
        let plugin = with_table_until(size_of::<sys::PJRT_Api>());
        for (platform, message) in [
            (
                "cuda",
                "programs call functions of the host on the CPU only, and this one is for the platform cuda",
            ),
            (
                "tpu",
                "programs call functions of the host on the CPU only, and this one is for the platform tpu",
            ),
            ("cpu", "has no FFI extension, by which programs call functions of the host"),
        ] {
            let error = plugin.register_host_calls(platform).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unimplemented);
            assert!(error.message().ends_with(message), "{error}");
        }
    }
}
