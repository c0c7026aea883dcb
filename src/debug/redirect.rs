//! Where `debug::print!` prints.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use crate::core::runtime_tokens::effects_barrier;
use crate::error::Result;

type Sink = Box<dyn Write + Send>;

/// The innermost last; none: standard output.
static SINKS: Mutex<Vec<(u64, Sink)>> = Mutex::new(Vec::new());

/// Sends what [`print!`](crate::debug::print) prints, by any thread, to `to` instead of standard output, until the result is
/// dropped.
///
/// ```
/// use std::io::{Read, Seek};
/// use raxla::{Array, debug};
///
/// let mut file = tempfile()?;
/// let redirected = debug::redirect(file.try_clone()?);
/// debug::print!("x = {}", Array::from([1.0f32, 2.0]));
/// drop(redirected);
///
/// let mut text = String::new();
/// file.rewind()?;
/// file.read_to_string(&mut text)?;
/// assert_eq!(text, "x = [1.0 2.0]\n");
/// # fn tempfile() -> std::io::Result<std::fs::File> {
/// #     let path = std::env::temp_dir().join(format!("raxla-redirect-{}", std::process::id()));
/// #     std::fs::OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)
/// # }
/// # Ok::<(), raxla::Error>(())
/// ```
#[must_use = "printing goes back to where it went when this is dropped"]
#[track_caller]
pub fn redirect(to: impl Write + Send + 'static) -> Redirected {
    let mut sinks = SINKS.lock().unwrap_or_else(PoisonError::into_inner);
    let number = sinks.last().map_or(0, |(number, _)| number + 1);
    sinks.push((number, Box::new(to)));
    Redirected(number)
}

/// Ends what [`redirect`] began when it is dropped, once all that was called before has printed.
#[derive(Debug)]
pub struct Redirected(u64);

impl Drop for Redirected {
    fn drop(&mut self) {
        // An effect that failed is its program's to report.
        let _ = effects_barrier();
        let mut sinks = SINKS.lock().unwrap_or_else(PoisonError::into_inner);
        sinks.retain(|(number, _)| *number != self.0);
    }
}

/// Prints one line, whole.
pub(crate) fn write_line(mut line: String) -> Result<()> {
    line.push('\n');
    let mut sinks = SINKS.lock().unwrap_or_else(PoisonError::into_inner);
    match sinks.last_mut() {
        Some((_, sink)) => {
            sink.write_all(line.as_bytes())?;
            sink.flush()?;
        }
        None => {
            drop(sinks);
            // Not `stdout().write`: the harness of tests captures this.
            print!("{line}");
        }
    }
    Ok(())
}
