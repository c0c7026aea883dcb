//! Settings. Those that decide what a program is are part of every cache key. JAX: `jax.config`.
//!
//! Each setting is one entry of `settings!`, which gives it a field of `Settings`, a value for the whole process with the
//! environment variable that it starts from, a value for a thread while a body runs, and words for `explain_cache_misses`.
//! The settings in force are interned, so that a call that is cached compares an address.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::core::intern::{Interned, Interner};
use crate::core::sharding::Sharding;
use crate::dtype::DType;
use crate::error::Result;
use crate::pjrt::Device;
pub use crate::pjrt::discovery::set_num_cpu_devices;

/// Precision of `f32` matrix products on hardware that has several. JAX: `jax_default_matmul_precision`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Precision {
    /// The platform's fastest (JAX's default).
    #[default]
    Default,
    /// Better than the default where the platform has something between.
    High,
    /// Full precision of the operands' dtype.
    Highest,
}

/// What a setting is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// It decides what a program is, and belongs to every cache key.
    Program,
    /// It decides what is done with programs.
    Process,
}

/// `name: type = default, "words for it", role, its environment variable, (its value, set for the process, set while a body
/// runs)`, and how it is given if not as it is kept.
macro_rules! settings {
    ($($(#[doc = $doc:literal])+
        $name:ident: $t:ty = $default:expr, $words:literal, $role:ident, $variable:expr,
        ($get:ident, $set:ident, $with:ident $(, |$arg:ident: $given:ty| $kept:expr)?);)*) => {
        /// The values of all settings.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub(crate) struct Settings {
            $(pub $name: $t,)*
        }

        impl Settings {
            fn from_environment() -> Self {
                Settings { $($name: from_variable($variable).unwrap_or($default),)* }
            }

            /// With the defaults of what is not part of cache keys.
            fn key(&self) -> Self {
                Settings {
                    $($name: if Role::$role == Role::Program { self.$name.clone() } else { $default },)*
                }
            }

            /// In which settings of programs two differ: the words for each, and what it is in both.
            pub(crate) fn differences(&self, other: &Settings) -> Vec<(&'static str, String, String)> {
                let mut found = Vec::new();
                $(if Role::$role == Role::Program && self.$name != other.$name {
                    found.push(($words, format!("{:?}", self.$name), format!("{:?}", other.$name)));
                })*
                found
            }
        }

        /// What a thread sets for itself.
        #[derive(Clone, Default)]
        struct Overrides {
            $($name: Option<$t>,)*
        }

        impl Overrides {
            fn over(&self, global: &Settings) -> Settings {
                Settings { $($name: self.$name.as_ref().unwrap_or(&global.$name).clone(),)* }
            }

            /// The settings of programs, as they are in `key`.
            fn set_program(&mut self, key: &Settings) {
                $(if Role::$role == Role::Program {
                    self.$name = Some(key.$name.clone());
                })*
            }
        }

        $(settings! { @functions $name: $t, $words, [$($doc)+], $get, $set, $with, $($arg: $given => $kept)? })*

        /// Every setting, for tests that hold of each: name, words, role, variable, and a body run with another value.
        #[cfg(test)]
        pub(crate) const ALL: &[SettingInfo] = &[$(SettingInfo {
            name: stringify!($name),
            words: $words,
            is_key: matches!(Role::$role, Role::Program),
            variable: $variable,
            with_another: |body| {
                let another = Another::another(&in_force().all.$name);
                with_overrides(|overrides| overrides.$name = Some(another), body)
            },
        },)*];
    };
    (@functions $name:ident: $t:ty, $words:literal, [$($doc:literal)+], $get:ident, $set:ident, $with:ident,) => {
        settings! { @functions $name: $t, $words, [$($doc)+], $get, $set, $with, value: $t => value }
    };
    (@functions $name:ident: $t:ty, $words:literal, [$($doc:literal)+], $get:ident, $set:ident, $with:ident,
        $arg:ident: $given:ty => $kept:expr) => {
        #[doc = concat!("The value in force of the setting `", stringify!($name), "`: see [`", stringify!($set), "`].")]
        pub fn $get() -> $t {
            in_force().all.$name.clone()
        }

        $(#[doc = $doc])+
        ///
        /// This sets it for the whole process.
        pub fn $set($arg: $given) {
            let value: $t = $kept;
            set_global(|settings| settings.$name = value);
        }

        #[doc = concat!("[`", stringify!($set), "`] on this thread only, while `body` runs.")]
        pub fn $with<R>($arg: $given, body: impl FnOnce() -> R) -> R {
            let value: $t = $kept;
            with_overrides(|overrides| overrides.$name = Some(value), body)
        }
    };
}

settings! {
    /// Turns 64-bit dtypes on or off. While they are off, as at first, `i64`, `u64`, `f64` and `c128` narrow to their 32-bit
    /// halves. JAX: `jax_enable_x64`; the environment variable `RAXLA_ENABLE_X64`.
    x64: bool = false, "x64", Program, Some("RAXLA_ENABLE_X64"), (x64_enabled, set_x64, with_x64);

    /// The precision of matrix products that name none. JAX: `jax_default_matmul_precision`; the environment variable
    /// `RAXLA_DEFAULT_MATMUL_PRECISION`.
    matmul_precision: Precision = Precision::Default, "the precision of matrix products", Program,
        Some("RAXLA_DEFAULT_MATMUL_PRECISION"), (matmul_precision, set_matmul_precision, with_matmul_precision);

    /// The default device: arrays that are made are there, and so is what is computed from them and from other arrays that no
    /// [`device_put`](crate::device_put) has placed. At first the first of the default platform. JAX: `jax_default_device`.
    default_device: Option<Sharding> = None, "the default device", Program, None,
        (default_device, set_default_device, with_default_device, |device: &Device| Some(Sharding::from(device)));

    /// Whether programs are compiled fast and run slowly: for tests, where compilation is what takes the time. JAX:
    /// `jax_disable_most_optimizations`; the environment variable `RAXLA_DISABLE_MOST_OPTIMIZATIONS`.
    ///
    /// ```
    /// use raxla::{Array, config, lax};
    ///
    /// let y = config::with_disable_most_optimizations(true, || lax::sin(&Array::from(0.0)));
    /// assert_eq!(y.item::<f32>()?, 0.0);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    disable_most_optimizations: bool = false, "disable_most_optimizations", Program,
        Some("RAXLA_DISABLE_MOST_OPTIMIZATIONS"),
        (disable_most_optimizations, set_disable_most_optimizations, with_disable_most_optimizations);

    /// Whether jitted functions run operation by operation, so that their side effects happen at each call and their values
    /// can be read. JAX: `jax_disable_jit`; the environment variable `RAXLA_DISABLE_JIT`.
    disable_jit: bool = false, "disable_jit", Process, Some("RAXLA_DISABLE_JIT"),
        (disable_jit, set_disable_jit, with_disable_jit);

    /// Whether it is logged, through `tracing` as a warning, why each call of a jitted function that was called before traces
    /// it again. JAX: `jax_explain_cache_misses`; the environment variable `RAXLA_EXPLAIN_CACHE_MISSES`.
    explain_cache_misses: bool = false, "explain_cache_misses", Process, Some("RAXLA_EXPLAIN_CACHE_MISSES"),
        (explain_cache_misses, set_explain_cache_misses, with_explain_cache_misses);

    /// Keeps compiled programs in a directory, which is created when it is needed, for later runs of this process and of
    /// others; `None`, as at first, turns that off. JAX: `jax_compilation_cache_dir`; the environment variable
    /// `RAXLA_COMPILATION_CACHE_DIR`.
    ///
    /// Nothing is ever deleted from it. A program of another version of raxla, of another compiler or for another machine is
    /// another program. Trust the directory: what lies there is run.
    compilation_cache_dir: Option<PathBuf> = None, "the directory of compiled programs", Process,
        Some("RAXLA_COMPILATION_CACHE_DIR"),
        (compilation_cache_dir, set_compilation_cache_dir, with_compilation_cache_dir);

    /// How long the compilation of a program takes at least that is kept in the directory of compiled programs: one second at
    /// first. JAX: `jax_persistent_cache_min_compile_time_secs`; the environment variable
    /// `RAXLA_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS`.
    persistent_cache_min_compile_time: Duration = Duration::from_secs(1), "the least time of compilation", Process,
        Some("RAXLA_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"),
        (persistent_cache_min_compile_time, set_persistent_cache_min_compile_time,
            with_persistent_cache_min_compile_time);
}

/// The settings of programs in force somewhere: what every cache key holds. It copies and compares as an address does.
pub(crate) type Config = Interned<Settings>;

#[derive(Clone, Copy)]
struct InForce {
    /// The number of [`EPOCH`] when this was put together.
    epoch: u64,
    all: Interned<Settings>,
    key: Config,
    /// `key` without a default device.
    placed: Config,
}

static SETTINGS: Interner<Settings> = Interner::new();
/// The process's. `None`: not read from the environment yet.
static GLOBAL: Mutex<Option<Settings>> = Mutex::new(None);
/// Counts the changes of `GLOBAL`.
static EPOCH: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static OVERRIDES: RefCell<Overrides> = RefCell::default();
    static IN_FORCE: Cell<Option<InForce>> = const { Cell::new(None) };
}

#[inline]
fn in_force() -> InForce {
    match IN_FORCE.get() {
        Some(known) if known.epoch == EPOCH.load(Ordering::Relaxed) => known,
        _ => put_together(),
    }
}

#[cold]
fn put_together() -> InForce {
    let mut global = GLOBAL.lock().unwrap_or_else(PoisonError::into_inner);
    let global = global.get_or_insert_with(Settings::from_environment);
    // It changes under the lock alone.
    let epoch = EPOCH.load(Ordering::Relaxed);
    let all = OVERRIDES.with_borrow(|overrides| overrides.over(global));
    let key = all.key();
    let placed = Settings { default_device: None, ..key.clone() };
    let [all, key, placed] = [all, key, placed].map(|settings| SETTINGS.intern(&settings));
    let made = InForce { epoch, all, key, placed };
    IN_FORCE.set(Some(made));
    made
}

fn set_global(change: impl FnOnce(&mut Settings)) {
    let mut global = GLOBAL.lock().unwrap_or_else(PoisonError::into_inner);
    change(global.get_or_insert_with(Settings::from_environment));
    EPOCH.fetch_add(1, Ordering::Relaxed);
}

fn with_overrides<R>(change: impl FnOnce(&mut Overrides), body: impl FnOnce() -> R) -> R {
    struct Restore(Overrides, Option<InForce>);
    impl Drop for Restore {
        fn drop(&mut self) {
            OVERRIDES.set(std::mem::take(&mut self.0));
            IN_FORCE.set(self.1);
        }
    }
    let old = OVERRIDES.with_borrow(Overrides::clone);
    let mut new = old.clone();
    change(&mut new);
    let _restore = Restore(old, IN_FORCE.replace(None));
    OVERRIDES.set(new);
    body()
}

/// The settings of programs in force here.
#[inline]
pub(crate) fn current() -> Config {
    in_force().key
}

/// [`current`] without a default device: for what has a device of its own.
#[inline]
pub(crate) fn current_placed() -> Config {
    in_force().placed
}

/// Runs `body` under the settings of programs that were in force somewhere else.
pub(crate) fn with_config<R>(config: Config, body: impl FnOnce() -> R) -> R {
    if config == current() {
        return body();
    }
    with_overrides(|overrides| overrides.set_program(&config), body)
}

/// Where arrays go that say nothing else, under these settings.
pub(crate) fn default_sharding(config: Config) -> Result<Sharding> {
    match config.default_device {
        Some(sharding) => Ok(sharding),
        None => Sharding::of_default_device(),
    }
}

/// A setting's value, as a variable has it.
trait FromVariable: Sized {
    fn from_variable(text: &str) -> Option<Self>;
}

impl FromVariable for bool {
    fn from_variable(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "0" | "false" | "off" | "no" => Some(false),
            "1" | "true" | "on" | "yes" => Some(true),
            _ => None,
        }
    }
}

impl FromVariable for Precision {
    fn from_variable(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "default" => Some(Precision::Default),
            "high" => Some(Precision::High),
            "highest" => Some(Precision::Highest),
            _ => None,
        }
    }
}

impl FromVariable for Option<PathBuf> {
    fn from_variable(text: &str) -> Option<Self> {
        Some(Some(text.into()))
    }
}

impl FromVariable for Duration {
    fn from_variable(text: &str) -> Option<Self> {
        Duration::try_from_secs_f64(text.parse().ok()?).ok()
    }
}

/// A device is not named by a variable.
impl FromVariable for Option<Sharding> {
    fn from_variable(_: &str) -> Option<Self> {
        None
    }
}

fn from_variable<T: FromVariable>(name: Option<&str>) -> Option<T> {
    let name = name?;
    let text = std::env::var_os(name).filter(|text| !text.is_empty())?;
    let value = text.to_str().and_then(T::from_variable);
    if value.is_none() {
        tracing::warn!(target: "raxla::config", "{name}={} is not understood, and has no effect", text.display());
    }
    value
}

/// The dtype that `dtype` becomes under the settings in force: 64-bit ones narrow while x64 is off.
pub(crate) fn canonicalize(dtype: DType) -> DType {
    if x64_enabled() {
        return dtype;
    }
    match dtype {
        DType::I64 => DType::I32,
        DType::U64 => DType::U32,
        DType::F64 => DType::F32,
        DType::C128 => DType::C64,
        other => other,
    }
}

#[cfg(test)]
pub(crate) struct SettingInfo {
    pub name: &'static str,
    pub words: &'static str,
    pub is_key: bool,
    pub variable: Option<&'static str>,
    pub with_another: fn(&mut dyn FnMut()),
}

#[cfg(test)]
trait Another {
    fn another(&self) -> Self;
}
#[cfg(test)]
mod another {
    use super::*;

    impl Another for bool {
        fn another(&self) -> Self {
            !self
        }
    }
    impl Another for Precision {
        fn another(&self) -> Self {
            if *self == Precision::High { Precision::Highest } else { Precision::High }
        }
    }
    impl Another for Option<PathBuf> {
        fn another(&self) -> Self {
            if self.is_some() { None } else { Some(std::env::temp_dir().join("raxla-another")) }
        }
    }
    impl Another for Duration {
        fn another(&self) -> Self {
            *self + Duration::from_secs(3600)
        }
    }
    impl Another for Option<Sharding> {
        fn another(&self) -> Self {
            if self.is_some() { None } else { Sharding::of_default_device().ok() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_in_force_while_a_body_runs_and_part_of_keys_if_programs_depend_on_it() {
        let before = in_force();
        for setting in ALL {
            (setting.with_another)(&mut || {
                let now = in_force();
                assert!(now.all != before.all, "{}", setting.name);
                assert_eq!(now.key != before.key, setting.is_key, "{}", setting.name);
                assert_eq!(with_config(before.key, current), before.key, "{}", setting.name);
                let differences = before.key.differences(&now.key);
                let words: Vec<&str> = differences.iter().map(|(words, ..)| *words).collect();
                assert_eq!(words, if setting.is_key { vec![setting.words] } else { vec![] });
                let elsewhere = std::thread::spawn(|| in_force().all).join().unwrap();
                assert!(elsewhere == before.all, "{}: another thread sees it", setting.name);
            });
            assert!(in_force().all == before.all && in_force().key == before.key, "{}", setting.name);
        }
    }

    #[test]
    fn settings_come_back_after_a_panic() {
        let before = current();
        let panic =
            std::panic::catch_unwind(|| with_x64(!before.x64, || std::panic::resume_unwind(Box::new(1))));
        assert!(panic.is_err() && current() == before);
    }

    #[test]
    fn every_setting_has_a_variable_of_its_own() {
        let mut variables: Vec<&str> = ALL.iter().filter_map(|setting| setting.variable).collect();
        assert_eq!(variables.len(), ALL.len() - 1, "only the default device has none");
        assert!(variables.iter().all(|name| name.starts_with("RAXLA_")));
        variables.dedup();
        assert_eq!(variables.len(), ALL.len() - 1);
        assert_eq!(
            [bool::from_variable("True"), bool::from_variable("0"), bool::from_variable("?")],
            [Some(true), Some(false), None]
        );
        assert_eq!(Precision::from_variable("highest"), Some(Precision::Highest));
        assert_eq!(Duration::from_variable("0.5"), Some(Duration::from_millis(500)));
        assert_eq!(Duration::from_variable("-1"), None);
    }
}
