//! What happens when the process ends.

use std::ffi::c_int;

unsafe extern "C" {
    fn atexit(f: extern "C" fn()) -> c_int;
}

/// Has `f` called when the process ends by the return of `main` or by [`std::process::exit`]: before destructors of plugins
/// that are loaded by now. A process that is aborted or killed calls nothing.
pub(crate) fn at_exit(f: extern "C" fn()) {
    // SAFETY: C's `atexit` may be called by any thread at any time, and `f` is a function of this program, which is never
    // unloaded. If its table is full it does nothing, and so do we: the process ends without waiting.
    let _ = unsafe { atexit(f) };
}
