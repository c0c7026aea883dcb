//! Marks lines, catches panics quietly, and compares messages.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use expect_test::Expect;
use raxla::prelude::*;

use crate::process;

thread_local! {
    /// The line that [`at`] marked last.
    pub static MARK: Cell<u32> = const { Cell::new(0) };
    /// Are this thread's panics caught?
    static QUIET: Cell<bool> = const { Cell::new(false) };
    static PANIC: RefCell<Option<Panic>> = const { RefCell::new(None) };
}

/// What the panic hook saw.
pub struct Panic {
    pub file: String,
    pub line: u32,
    pub message: String,
}

/// Marks the line on which the mistake stands.
macro_rules! at {
    ($mistake:expr) => {{
        $crate::mistakes::support::MARK.set(line!());
        $mistake
    }};
}
pub(crate) use at;

/// Checks the message of an error, and that it names the marked line of the caller's file.
#[track_caller]
pub fn check<T>(result: Result<T>, kind: ErrorKind, expected: Expect) -> String {
    let message = check_line(result, kind);
    expected.assert_eq(&message);
    message
}

/// [`check`] for a message that was checked before.
#[track_caller]
pub fn same<T>(result: Result<T>, kind: ErrorKind, expected: &str) {
    assert_eq!(check_line(result, kind), expected);
}

#[track_caller]
fn check_line<T>(result: Result<T>, kind: ErrorKind) -> String {
    let Err(error) = result else { panic!("no error, expected {kind:?}") };
    assert_eq!(error.kind(), kind, "{error}");
    let at = error.location().unwrap_or_else(|| panic!("no location: {error}"));
    let file = std::panic::Location::caller().file();
    assert_eq!((at.file(), at.line()), (file, MARK.get()), "{error}");
    assert!(error.to_string().ends_with(&format!("\n  at {file}:{}:{}", at.line(), at.column())), "{error}");
    // Closures are called after their lines, which change with every edit.
    let mark = format!(" at {file}:");
    let mut parts = error.message().split(&mark);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        format!("{text} at its line{}", part.trim_start_matches(|c: char| c.is_ascii_digit()))
    })
}

/// What a panic says.
fn text(payload: &dyn Any) -> &str {
    let owned = payload.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("not a string")
}

/// The panic of `f`, without a word on stderr.
pub fn caught(f: impl FnOnce()) -> Panic {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                return before(info);
            }
            let location = info.location().expect("panics have locations");
            let message = text(info.payload()).to_owned();
            let panic = Panic { file: location.file().into(), line: location.line(), message };
            PANIC.set(Some(panic));
        }));
    });
    QUIET.set(true);
    let result = catch_unwind(AssertUnwindSafe(f));
    QUIET.set(false);
    assert!(result.is_err(), "no panic");
    PANIC.take().expect("the hook ran")
}

/// Checks the message of an eager mistake: a panic at the marked line of the caller's file.
#[track_caller]
pub fn check_panic(f: impl FnOnce(), expected: Expect) -> String {
    let panic = caught(f);
    let file = std::panic::Location::caller().file();
    assert_eq!((panic.file.as_str(), panic.line), (file, MARK.get()), "{}", panic.message);
    let (message, at) = panic.message.rsplit_once("\n  at ").expect("the message ends in a location");
    assert!(at.starts_with(&format!("{file}:{}:", panic.line)), "{at}");
    expected.assert_eq(message);
    message.to_owned()
}

pub fn f32s(x: &Array) -> Vec<f32> {
    x.to_vec::<f32>().unwrap()
}

pub fn two() -> Array {
    Array::from([1.0f32, 2.0])
}

pub fn three() -> Array {
    Array::from([1.0f32, 2.0, 3.0])
}

#[test]
fn no_mistake_prints_anything() {
    let all =
        process::tests(["mistakes::", "--skip", "no_mistake_prints_anything", "--quiet"]).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&all.stdout), String::from_utf8_lossy(&all.stderr));
    assert!(all.status.success(), "{stdout}\n{stderr}");
    assert_eq!(stderr, "");
}
