//! Settings. Those that change what a program means are part of every cache key. JAX: `jax.config`.

use std::cell::Cell;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{OnceLock, PoisonError, RwLock};
use std::time::Duration;

use crate::core::placement::DeviceRef;
use crate::dtype::DType;
use crate::pjrt::Device;
pub use crate::pjrt::discovery::set_num_cpu_devices;

/// Precision of `f32` matrix products on hardware that has several. JAX: `jax_default_matmul_precision`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// The platform's fastest (JAX's default).
    #[default]
    Default,
    /// Better than the default where the platform has something between.
    High,
    /// Full precision of the operands' dtype.
    Highest,
}

/// The settings in force on one thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Config {
    pub x64: bool,
    pub matmul_precision: Precision,
    /// `None`: the first of the default platform.
    pub default_device: Option<DeviceRef>,
    pub disable_most_optimizations: bool,
}

#[derive(Clone, Copy)]
struct Local {
    x64: Option<bool>,
    matmul_precision: Precision,
    default_device: Option<DeviceRef>,
    disable_most_optimizations: bool,
    /// Not part of a cache key: it decides whether there is a cache.
    disable_jit: bool,
}

/// 0: not read from the environment yet; 1: x64 off; 2: x64 on.
static GLOBAL_X64: AtomicU8 = AtomicU8::new(0);

thread_local! {
    static LOCAL: Cell<Local> = const { Cell::new(Local {
        x64: None,
        matmul_precision: Precision::Default,
        default_device: None,
        disable_most_optimizations: false,
        disable_jit: false,
    }) };
}

/// The settings in force here.
pub(crate) fn current() -> Config {
    let Local { x64, matmul_precision, default_device, disable_most_optimizations, .. } = LOCAL.get();
    let x64 = x64.unwrap_or_else(global_x64);
    Config { x64, matmul_precision, default_device, disable_most_optimizations }
}

fn global_x64() -> bool {
    match GLOBAL_X64.load(Ordering::Relaxed) {
        0 => {
            let on =
                std::env::var("RAXLA_ENABLE_X64").is_ok_and(|v| !matches!(v.as_str(), "" | "0" | "false"));
            GLOBAL_X64.store(1 + u8::from(on), Ordering::Relaxed);
            on
        }
        value => value == 2,
    }
}

/// Are 64-bit dtypes in force? While they are not, `i64`, `u64`, `f64` and `c128` narrow to their 32-bit halves.
pub fn x64_enabled() -> bool {
    LOCAL.get().x64.unwrap_or_else(global_x64)
}

/// Turns 64-bit dtypes on or off for the whole process. JAX: `jax_enable_x64`. The environment variable
/// `RAXLA_ENABLE_X64=1` sets the value that a process starts with.
pub fn enable_x64(on: bool) {
    GLOBAL_X64.store(1 + u8::from(on), Ordering::Relaxed);
}

/// Runs `body` with 64-bit dtypes on or off, on this thread only. JAX: `jax.enable_x64` as a context manager.
pub fn with_x64<R>(on: bool, body: impl FnOnce() -> R) -> R {
    with_local(Local { x64: Some(on), ..LOCAL.get() }, body)
}

/// Runs `body` with another default precision of matrix products, on this thread only.
pub fn with_matmul_precision<R>(precision: Precision, body: impl FnOnce() -> R) -> R {
    with_local(Local { matmul_precision: precision, ..LOCAL.get() }, body)
}

/// Runs `body` with another default device, on this thread only: arrays that `body` makes are there, and so is what it
/// computes from them and from other arrays that no [`device_put`](crate::device_put) has placed. JAX:
/// `jax.default_device` as a context manager.
pub fn with_default_device<R>(device: &Device, body: impl FnOnce() -> R) -> R {
    with_local(Local { default_device: Some(DeviceRef::of(device)), ..LOCAL.get() }, body)
}

/// Runs `body`, on this thread only, with programs that are compiled fast and run slowly: for tests, where compilation is what
/// takes the time. JAX: `jax_disable_most_optimizations`.
///
/// ```
/// use raxla::{Array, config, lax};
///
/// let y = config::with_most_optimizations_disabled(|| lax::sin(&Array::from(0.0)));
/// assert_eq!(y.item::<f32>()?, 0.0);
/// # Ok::<(), raxla::Error>(())
/// ```
pub fn with_most_optimizations_disabled<R>(body: impl FnOnce() -> R) -> R {
    with_local(Local { disable_most_optimizations: true, ..LOCAL.get() }, body)
}

/// Runs `body` without `jit`, on this thread only: jitted functions run operation by operation, so that their side
/// effects happen at each call and their values can be read. JAX: `jax.disable_jit`.
pub fn with_jit_disabled<R>(body: impl FnOnce() -> R) -> R {
    with_local(Local { disable_jit: true, ..LOCAL.get() }, body)
}

/// Is `jit` switched off here?
pub(crate) fn jit_disabled() -> bool {
    LOCAL.get().disable_jit
}

static EXPLAIN_CACHE_MISSES: AtomicBool = AtomicBool::new(false);

/// Logs, through `tracing` as a warning, why each call of a jitted function that was called before traces it again.
/// JAX: `jax_explain_cache_misses`.
pub fn explain_cache_misses(on: bool) {
    EXPLAIN_CACHE_MISSES.store(on, Ordering::Relaxed);
}

/// Are cache misses to be explained?
pub(crate) fn explains_cache_misses() -> bool {
    EXPLAIN_CACHE_MISSES.load(Ordering::Relaxed)
}

struct CompilationCache {
    dir: Option<PathBuf>,
    min_compile_time: Duration,
}

fn compilation_cache() -> &'static RwLock<CompilationCache> {
    static CACHE: OnceLock<RwLock<CompilationCache>> = OnceLock::new();
    CACHE.get_or_init(|| {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let seconds = variable("RAXLA_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS")
            .and_then(|value| value.to_str()?.parse().ok())
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        RwLock::new(CompilationCache {
            dir: variable("RAXLA_COMPILATION_CACHE_DIR").map(PathBuf::from),
            min_compile_time: seconds.unwrap_or(Duration::from_secs(1)),
        })
    })
}

/// Keeps compiled programs in a directory, which is created when it is needed, for later runs of this process and of others;
/// `None` turns that off. It is off at first, unless the environment variable `RAXLA_COMPILATION_CACHE_DIR` names a directory.
/// JAX: `jax_compilation_cache_dir`.
///
/// Nothing is ever deleted from it. A program of another version of raxla, of another compiler or for another machine is
/// another program. Trust the directory: what lies there is run.
pub fn set_compilation_cache_dir(dir: Option<PathBuf>) {
    compilation_cache().write().unwrap_or_else(PoisonError::into_inner).dir = dir;
}

/// Where compiled programs are kept.
pub(crate) fn compilation_cache_dir() -> Option<PathBuf> {
    compilation_cache().read().unwrap_or_else(PoisonError::into_inner).dir.clone()
}

/// Only programs that took so long to compile are kept: 1 second, unless the environment variable
/// `RAXLA_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS` says otherwise. JAX: `jax_persistent_cache_min_compile_time_secs`.
pub fn set_persistent_cache_min_compile_time(least: Duration) {
    compilation_cache().write().unwrap_or_else(PoisonError::into_inner).min_compile_time = least;
}

/// How long the compilation of a program that is kept takes at least.
pub(crate) fn persistent_cache_min_compile_time() -> Duration {
    compilation_cache().read().unwrap_or_else(PoisonError::into_inner).min_compile_time
}

fn with_local<R>(value: Local, body: impl FnOnce() -> R) -> R {
    struct Restore(Local);
    impl Drop for Restore {
        fn drop(&mut self) {
            LOCAL.set(self.0);
        }
    }
    let _restore = Restore(LOCAL.replace(value));
    body()
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
