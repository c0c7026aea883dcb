//! How the build script speaks: to a waiting user, to cargo, to itself.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io::Write as _;

/// Why there is no plugin.
pub enum Failure {
    /// Reported as a warning: the crate builds, and loading the CPU platform says this again.
    Absent(String),
    /// The user asked for an engine by name, and it does not work.
    Named(String),
}

impl Failure {
    pub fn reason(self) -> String {
        match self {
            Failure::Absent(reason) | Failure::Named(reason) => reason,
        }
    }
}

pub type Outcome<T> = Result<T, Failure>;

pub fn absent<T>(reason: impl Into<String>) -> Outcome<T> {
    Err(Failure::Absent(reason.into()))
}

/// Says what is going on while it goes on. Cargo holds back all that a build script prints until it has ended, and shows
/// only warnings then; the terminal itself is the one way to a waiting user.
pub fn progress(message: &str) {
    // For `cargo build -vv` and for the log in the target directory.
    eprintln!("raxla: {message}");
    if let Ok(mut terminal) = File::options().write(true).open("/dev/tty") {
        // Cargo's progress bar is on this line; it draws itself again.
        let _ = write!(terminal, "\r\x1b[K       raxla {message}\r\n");
    }
}

/// The variable's value; an empty one is none.
pub fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

pub fn last_line(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .lines()
        .map(str::trim)
        .rfind(|line| !line.is_empty())
        .unwrap_or_default()
        .to_owned()
}

/// The last lines, which say what went wrong.
pub fn tail(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}
