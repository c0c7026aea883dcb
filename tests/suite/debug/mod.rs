//! `debug::print!` and its relatives: what JAX prints, what it refuses, and what becomes of errors.

mod behaviour;
mod programs;

use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use raxla::debug;

/// A writer whose text can be read while it is written to.
#[derive(Clone, Default)]
struct Text(Arc<Mutex<Vec<u8>>>);

impl Write for Text {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Printing is redirected for the whole process, and errors are reported to whoever asks first.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The lines that `body` prints, and what it returns.
pub fn printed_with<T>(body: impl FnOnce() -> T) -> (Vec<String>, T) {
    let _alone = alone();
    let text = Text::default();
    let redirected = debug::redirect(text.clone());
    let out = body();
    drop(redirected);
    let bytes = text.0.lock().unwrap().clone();
    (String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect(), out)
}
