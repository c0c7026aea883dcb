//! Settings of a process, of a thread and of a traced function.

use raxla::config::{self, Precision};
use raxla::prelude::*;

use super::process;

/// Run by the test below in a process of its own.
#[test]
fn worker() -> Result<()> {
    if std::env::var("RAXLA_TEST_SETTINGS").is_err() {
        return Ok(());
    }
    // From the environment.
    assert!(config::x64_enabled() && config::disable_jit());
    assert_eq!(config::matmul_precision(), Precision::High);
    assert_eq!(config::persistent_cache_min_compile_time().as_millis(), 1500);
    // What is not understood has no effect.
    assert!(!config::explain_cache_misses());
    config::set_x64(false);
    config::set_disable_jit(false);
    assert!(!config::x64_enabled());
    let seen = std::thread::spawn(|| (config::x64_enabled(), config::disable_jit()));
    assert_eq!(seen.join().unwrap(), (false, false));
    let (inside, after) = config::with_x64(true, || {
        // A thread's own value hides that of the process, and hides its changes.
        config::set_x64(false);
        config::set_matmul_precision(Precision::Highest);
        (
            (config::x64_enabled(), config::matmul_precision()),
            std::thread::spawn(config::x64_enabled).join().unwrap(),
        )
    });
    assert_eq!((inside, after), ((true, Precision::Highest), false));
    // A jitted function that has a program notices a setting of the process.
    let f = jit(|x: &Array| x.astype(DType::F64));
    assert_eq!(f(&Array::from([1.0f32]))?.dtype(), DType::F32);
    config::set_x64(true);
    assert_eq!(f(&Array::from([1.0f32]))?.dtype(), DType::F64);
    println!("the worker is done");
    Ok(())
}

#[test]
fn settings_come_from_the_environment_and_are_set_for_the_process() {
    let mut command = process::tests(["settings::worker"]);
    let settings = [
        ("RAXLA_TEST_SETTINGS", "1"),
        ("RAXLA_ENABLE_X64", "1"),
        ("RAXLA_DISABLE_JIT", "true"),
        ("RAXLA_DEFAULT_MATMUL_PRECISION", "high"),
        ("RAXLA_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "1.5"),
        ("RAXLA_EXPLAIN_CACHE_MISSES", "perhaps"),
    ];
    let out = command.envs(settings).output().unwrap();
    let stdout = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success() && stdout.contains("the worker is done"), "{stdout}");
}
