//! Tests in processes of their own.

use std::process::Command;

const ALONE: &str = "RAXLA_TEST_ALONE";

/// The command that runs the tests of this binary which `filter` selects.
pub fn tests<'a>(filter: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(filter).arg("--nocapture");
    command
}

/// Is this process here for the test alone? If not, runs it in one that is, and fails if it fails there.
pub fn is_alone(test: &str) -> bool {
    if std::env::var(ALONE).is_ok_and(|alone| alone == test) {
        return true;
    }
    let out = tests(["--exact", test]).env(ALONE, test).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success() && stdout.contains("1 passed"), "{stdout}\n{stderr}");
    false
}
