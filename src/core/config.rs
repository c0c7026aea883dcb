//! Settings. Those that decide what a program is are part of every cache key. JAX: `jax.config`.
//!
//! Each setting is one entry of `settings!`, which gives it a field of `Settings`, a value for the whole process with the
//! environment variable that it starts from, a value for a thread while a body runs, and words for `explain_cache_misses`.
//! The settings in force are interned, so that a call that is cached compares an address.

mod transfer_guard;
mod values;

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::core::intern::{Interned, Interner};
use crate::core::sharding::Sharding;
use crate::dtype::{DType, result_type, strict_result_type};
use crate::error::Result;
use crate::pjrt::Device;
pub use crate::pjrt::discovery::set_num_cpu_devices;
pub use transfer_guard::{set_transfer_guard, with_transfer_guard};
#[cfg(test)]
use values::Another;
use values::from_variable;
pub use values::{DTypePromotion, Precision, PrngImpl, RankPromotion, TransferGuard};

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
                let mut settings = Settings { $($name: from_variable($variable).unwrap_or($default),)* };
                settings.guard_transfers(|variable| from_variable(Some(variable)));
                settings
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

    /// How bits are made of keys that do not say it. JAX: `jax_default_prng_impl`; the environment variable
    /// `RAXLA_DEFAULT_PRNG_IMPL`.
    default_prng_impl: PrngImpl = PrngImpl::Threefry2x32, "how random bits are made", Program,
        Some("RAXLA_DEFAULT_PRNG_IMPL"), (default_prng_impl, set_default_prng_impl, with_default_prng_impl);

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

    /// Whether XLA's older emitters make the code of programs for the CPU: a third less to compile beside
    /// [`set_disable_most_optimizations`]. They are wrong in places (bytes of 128 and more as indices, NaN in `reduce_precision`, floats of
    /// eight bits), so that they serve to test other things. The environment variable `RAXLA_DISABLE_FUSION_EMITTERS`; XLA's option
    /// `xla_cpu_use_fusion_emitters`.
    disable_fusion_emitters: bool = false, "disable_fusion_emitters", Program, Some("RAXLA_DISABLE_FUSION_EMITTERS"),
        (disable_fusion_emitters, set_disable_fusion_emitters, with_disable_fusion_emitters);

    /// Whether each result is looked through for NaN, which is then an error that names the operation and its line
    /// ([`ErrorKind::FloatingPoint`](crate::ErrorKind::FloatingPoint)): a jitted function whose results have some runs again, operation by
    /// operation, for which it keeps arguments that it would overwrite. A loop is one operation. JAX: `jax_debug_nans`; the environment
    /// variable `RAXLA_DEBUG_NANS`.
    ///
    /// ```
    /// use raxla::{ErrorKind, config, numpy as jnp, prelude::*};
    ///
    /// let f = jit(|x: &Array| jnp::exp(jnp::log(x)));
    /// let error = config::with_debug_nans(true, || f(&Array::from(-1.0))).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::FloatingPoint);
    /// assert!(error.to_string().contains("log"));
    /// # Ok::<(), raxla::Error>(())
    /// ```
    debug_nans: bool = false, "debug_nans", Program, Some("RAXLA_DEBUG_NANS"),
        (debug_nans, set_debug_nans, with_debug_nans);

    /// The same as [`set_debug_nans`] for infinite values. JAX: `jax_debug_infs`; the environment variable `RAXLA_DEBUG_INFS`.
    debug_infs: bool = false, "debug_infs", Program, Some("RAXLA_DEBUG_INFS"),
        (debug_infs, set_debug_infs, with_debug_infs);

    /// Whether it is an error to use a key of [`random`](crate::random) twice ([`ErrorKind::KeyReuse`](crate::ErrorKind::KeyReuse)): draws
    /// with one key are the same, which is rarely meant. The error names both uses and their lines. Draws and
    /// [`split`](crate::random::split()) use a key up, [`fold_in`](crate::random::fold_in) does not; an element of an array of keys is taken
    /// out of it once; keys of [`clone`](crate::random::clone) count as new ones. Arrays remember which of their keys were used, jitted functions
    /// are looked through when they are traced, loops and conditionals too. JAX: `jax_debug_key_reuse`; the environment variable
    /// `RAXLA_DEBUG_KEY_REUSE`.
    ///
    /// ```
    /// use raxla::{ErrorKind, config, random, try_};
    ///
    /// let error = config::with_debug_key_reuse(true, || {
    ///     let key = random::key(0);
    ///     let x = random::normal(&key, [3]);
    ///     try_(|| random::uniform(&key, [3]) + x)
    /// });
    /// let error = error.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::KeyReuse);
    /// assert!(error.message().starts_with("uniform: the key that is argument 0 was used already, by normal at "));
    /// ```
    debug_key_reuse: bool = false, "debug_key_reuse", Program, Some("RAXLA_DEBUG_KEY_REUSE"),
        (debug_key_reuse, set_debug_key_reuse, with_debug_key_reuse);

    /// What happens where operands of functions of [`numpy`](crate::numpy) and of operators have several ranks, scalars aside: NumPy
    /// gives the smaller ones new axes in front, which is not always meant. JAX: `jax_numpy_rank_promotion`; the environment variable
    /// `RAXLA_NUMPY_RANK_PROMOTION`.
    ///
    /// ```
    /// use raxla::config::{RankPromotion, with_numpy_rank_promotion};
    /// use raxla::{numpy as jnp, try_};
    ///
    /// let sum = || try_(|| jnp::ones([3]) + jnp::ones([2, 3]));
    /// assert_eq!(sum()?.shape(), [2, 3]);
    /// assert!(with_numpy_rank_promotion(RankPromotion::Raise, sum).is_err());
    /// # Ok::<(), raxla::Error>(())
    /// ```
    numpy_rank_promotion: RankPromotion = RankPromotion::Allow, "numpy_rank_promotion", Program,
        Some("RAXLA_NUMPY_RANK_PROMOTION"), (numpy_rank_promotion, set_numpy_rank_promotion, with_numpy_rank_promotion);

    /// Whether operands of functions of [`numpy`](crate::numpy) and of operators are converted to a common dtype, or must have one
    /// dtype, numbers aside. JAX: `jax_numpy_dtype_promotion`; the environment variable `RAXLA_NUMPY_DTYPE_PROMOTION`.
    ///
    /// ```
    /// use raxla::config::{DTypePromotion, with_numpy_dtype_promotion};
    /// use raxla::{Array, ErrorKind, try_};
    ///
    /// let (x, n) = (Array::from([1f32, 2.0]), Array::from([3i8, 4]));
    /// with_numpy_dtype_promotion(DTypePromotion::Strict, || {
    ///     assert_eq!(try_(|| &x * &n).unwrap_err().kind(), ErrorKind::DType);
    ///     assert!(try_(|| &x * 2).is_ok());
    /// });
    /// ```
    numpy_dtype_promotion: DTypePromotion = DTypePromotion::Standard, "numpy_dtype_promotion", Program,
        Some("RAXLA_NUMPY_DTYPE_PROMOTION"),
        (numpy_dtype_promotion, set_numpy_dtype_promotion, with_numpy_dtype_promotion);

    /// Whether it is an error to run anything on a device ([`ErrorKind::Disallowed`](crate::ErrorKind::Disallowed)). Functions are traced and
    /// compiled, and arrays moved and read. JAX: `jax_no_execution`; the environment variable `RAXLA_NO_EXECUTION`.
    ///
    /// ```
    /// use raxla::{ErrorKind, config, make_jaxpr, numpy as jnp, prelude::*};
    ///
    /// config::with_no_execution(true, || {
    ///     let x = Array::from([1f32, 2.0]);
    ///     assert!(make_jaxpr(|x: &Array| jnp::sin(x))(&x).is_ok());
    ///     assert_eq!(jit(|x: &Array| jnp::sin(x))(&x).unwrap_err().kind(), ErrorKind::Disallowed);
    /// });
    /// ```
    no_execution: bool = false, "no_execution", Program, Some("RAXLA_NO_EXECUTION"),
        (no_execution, set_no_execution, with_no_execution);

    /// Whether it is an error to trace a function to a jaxpr ([`ErrorKind::Disallowed`](crate::ErrorKind::Disallowed)): a step of training that was
    /// compiled runs, and one that would be compiled again, for arguments of other types, does not. JAX: `jax_no_tracing`; the environment
    /// variable `RAXLA_NO_TRACING`.
    ///
    /// ```
    /// use raxla::{ErrorKind, config, prelude::*};
    ///
    /// let f = jit(|x: &Array| x * 2.0);
    /// f(&Array::from([1f32, 2.0]))?;
    /// config::with_no_tracing(true, || {
    ///     assert!(f(&Array::from([3f32, 4.0])).is_ok());
    ///     assert_eq!(f(&Array::from([3f32])).unwrap_err().kind(), ErrorKind::Disallowed);
    /// });
    /// # Ok::<(), raxla::Error>(())
    /// ```
    no_tracing: bool = false, "no_tracing", Process, Some("RAXLA_NO_TRACING"),
        (no_tracing, set_no_tracing, with_no_tracing);

    /// Whether it is logged, through `tracing` as a warning, each time that a function is traced or a program compiled: its name, the types
    /// of its arguments, and how long it took. Otherwise it is logged for debugging. JAX: `jax_log_compiles`; the environment variable
    /// `RAXLA_LOG_COMPILES`.
    ///
    /// ```
    /// use raxla::{config, prelude::*};
    ///
    /// // traced {{closure}} for f32[] in 0.000 s: 1 equations
    /// // compiled {{closure}} for f32[] in 0.011 s
    /// config::with_log_compiles(true, || jit(|x: &Array| x * 2.0)(&Array::scalar(1f32)))?;
    /// # Ok::<(), raxla::Error>(())
    /// ```
    log_compiles: bool = false, "log_compiles", Process, Some("RAXLA_LOG_COMPILES"),
        (log_compiles, set_log_compiles, with_log_compiles);

    /// Whether each jaxpr that is made is checked: that its variables are defined once and before they are used, and that types follow
    /// from types. On in debug builds, off in others. JAX: `jax_enable_checks`; the environment variable `RAXLA_ENABLE_CHECKS`.
    ///
    /// ```
    /// use raxla::{config, prelude::*};
    ///
    /// let f = jit(grad(|x: &Array| x * x));
    /// assert_eq!(config::with_enable_checks(true, || f(&Array::from(3.0)))?.item::<f32>()?, 6.0);
    /// # Ok::<(), raxla::Error>(())
    /// ```
    enable_checks: bool = cfg!(debug_assertions), "enable_checks", Process, Some("RAXLA_ENABLE_CHECKS"),
        (enable_checks, set_enable_checks, with_enable_checks);

    /// Whether it is an error if a tracer is still there when the function that it was made in has been traced
    /// ([`ErrorKind::UnexpectedTracer`](crate::ErrorKind::UnexpectedTracer)): the function stored it somewhere, and the error names the line that made
    /// it. Otherwise whoever uses it finds out. Traces that hold tracers of others are not kept meanwhile. JAX: `jax_check_tracer_leaks`;
    /// the environment variable `RAXLA_CHECK_TRACER_LEAKS`.
    ///
    /// ```
    /// use raxla::{ErrorKind, config, prelude::*};
    /// use std::sync::Mutex;
    ///
    /// static STORED: Mutex<Option<Array>> = Mutex::new(None);
    /// let f = jit(|x: &Array| {
    ///     *STORED.lock().unwrap() = Some(x + 1.0); // the error names this line
    ///     x * 2.0
    /// });
    /// let error = config::with_check_tracer_leaks(true, || f(&Array::from(3.0))).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::UnexpectedTracer);
    /// ```
    check_tracer_leaks: bool = false, "check_tracer_leaks", Process, Some("RAXLA_CHECK_TRACER_LEAKS"),
        (check_tracer_leaks, set_check_tracer_leaks, with_check_tracer_leaks);

    /// What happens to transfers from the host to a device. Explicit are [`device_put`](crate::device_put()) of a number,
    /// [`Array::from_slice`](crate::Array::from_slice) and [`from_bytes`](crate::Array::from_bytes); implicit is what becomes an array by conversion
    /// (`Array::from([1.0, 2.0])`, arguments that are `impl Into<Array>`), and a number that an operation or a program is given
    /// (`x + 2.0`). JAX: `jax_transfer_guard_host_to_device`; the environment variable `RAXLA_TRANSFER_GUARD_HOST_TO_DEVICE`, or
    /// `RAXLA_TRANSFER_GUARD` for all three.
    transfer_guard_host_to_device: TransferGuard = TransferGuard::Allow, "transfer_guard_host_to_device", Process,
        Some("RAXLA_TRANSFER_GUARD_HOST_TO_DEVICE"),
        (transfer_guard_host_to_device, set_transfer_guard_host_to_device, with_transfer_guard_host_to_device);

    /// What happens to transfers from one device to another. Explicit is [`device_put`](crate::device_put()); implicit is what an operation or a
    /// program moves to where its other arguments are. JAX: `jax_transfer_guard_device_to_device`; the environment variable
    /// `RAXLA_TRANSFER_GUARD_DEVICE_TO_DEVICE`, or `RAXLA_TRANSFER_GUARD` for all three.
    transfer_guard_device_to_device: TransferGuard = TransferGuard::Allow, "transfer_guard_device_to_device", Process,
        Some("RAXLA_TRANSFER_GUARD_DEVICE_TO_DEVICE"),
        (transfer_guard_device_to_device, set_transfer_guard_device_to_device, with_transfer_guard_device_to_device);

    /// What happens to transfers from a device to the host. Explicit are [`Array::to_vec`](crate::Array::to_vec) and
    /// [`to_bytes`](crate::Array::to_bytes); implicit are [`item`](crate::Array::item), [`truth`](crate::Array::truth), printing, and functions whose result
    /// has a size that values decide. The CPU counts as a device like any other. JAX: `jax_transfer_guard_device_to_host`; the environment
    /// variable `RAXLA_TRANSFER_GUARD_DEVICE_TO_HOST`, or `RAXLA_TRANSFER_GUARD` for all three.
    transfer_guard_device_to_host: TransferGuard = TransferGuard::Allow, "transfer_guard_device_to_host", Process,
        Some("RAXLA_TRANSFER_GUARD_DEVICE_TO_HOST"),
        (transfer_guard_device_to_host, set_transfer_guard_device_to_host, with_transfer_guard_device_to_host);

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

impl Settings {
    /// Is anything looked for in what is run, or is nothing to run?
    pub(crate) fn debugs(&self) -> bool {
        self.debug_nans || self.debug_infs || self.debug_key_reuse || self.no_execution
    }

    /// Is each result looked through?
    pub(crate) fn checks_values(&self) -> bool {
        self.debug_nans || self.debug_infs
    }
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

/// The dtype that an operation on operands of these gives, and whether it is weak, under the settings in force.
pub(crate) fn promote(types: &[(DType, bool)]) -> Result<(DType, bool)> {
    let settings = in_force().all;
    match settings.numpy_dtype_promotion {
        DTypePromotion::Standard => result_type(types, settings.x64),
        DTypePromotion::Strict => strict_result_type(types, settings.x64),
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
mod tests {
    use super::values::FromVariable;
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
        assert_eq!(PrngImpl::from_variable("unsafe_rbg"), Some(PrngImpl::UnsafeRbg));
        assert_eq!(Duration::from_variable("0.5"), Some(Duration::from_millis(500)));
        assert_eq!(Duration::from_variable("-1"), None);
    }
}
