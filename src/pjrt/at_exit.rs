//! What happens when the process ends.

use super::in_callback;
use std::ffi::c_int;
use std::sync::{Mutex, PoisonError};

unsafe extern "C" {
    fn atexit(f: extern "C" fn()) -> c_int;
}

/// What is to be waited for.
static WAITS: Mutex<Vec<fn()>> = Mutex::new(Vec::new());

thread_local! {
    static END: End = const { End };
}

/// Dropped with its thread: with the main thread before any function of `atexit` is called.
struct End;

impl Drop for End {
    fn drop(&mut self) {
        wait();
    }
}

/// Called before `main`, on the main thread, whose end is the process's.
///
/// C++ learns of the destructor of a variable within a function when the function is first called, and calls the last first. So
/// a kernel's tables are destroyed before a function that `atexit` was given earlier is called, and only the destructors of
/// a thread's own variables come before all of them.
extern "C" fn start() {
    END.with(|_| ());
}

// SAFETY: the system's loader calls the functions in this section once, one after the other, with arguments that C's calling
// convention lets a function ignore.
#[cfg_attr(target_os = "macos", unsafe(link_section = "__DATA,__mod_init_func"))]
#[cfg_attr(not(target_os = "macos"), unsafe(link_section = ".init_array"))]
#[used]
static START: extern "C" fn() = start;

/// Has `f` called when the process ends by the return of `main` or by [`std::process::exit`], unless it is called there by a
/// host call, for which it would wait in vain. `f` may be called more than once. A process that is aborted or killed calls nothing.
pub(crate) fn at_exit(f: fn()) {
    WAITS.lock().unwrap_or_else(PoisonError::into_inner).push(f);
    before_destructors();
}

/// Has what is waited for waited for before the destructors of C++ that are known by now, should a thread that is not the main
/// one end the process.
pub(super) fn before_destructors() {
    // SAFETY: C's `atexit` may be called by any thread at any time, and `run` is a function of this program, which is never
    // unloaded. If its table is full it does nothing, and so do we: the process ends without waiting.
    let _ = unsafe { atexit(run) };
}

extern "C" fn run() {
    wait();
}

fn wait() {
    if !in_callback() {
        let waits = WAITS.lock().unwrap_or_else(PoisonError::into_inner).clone();
        waits.iter().for_each(|wait| wait());
    }
}
