//! How every PJRT function is called: argument structs, missing functions, errors.

use super::{plugin::Plugin, sys};
use crate::error::{Error, ErrorKind, Result, bail};
use std::ffi::c_char;

/// A PJRT struct that begins with `struct_size`. Implemented by the generated code in `sys.rs`.
///
/// # Safety
/// The first field is `struct_size: usize` and all-zero bytes are a valid value.
pub(crate) unsafe trait Versioned: Copy {
    /// `offsetof(last field) + sizeof(last field)`: what tells a plugin which fields the caller knows.
    const STRUCT_SIZE: usize;
}

/// A zeroed argument struct with its `struct_size` set.
#[inline(always)]
pub(crate) fn args<T: Versioned>() -> T {
    // SAFETY: `Versioned` promises that zeroes are a valid `T` and that a `usize` comes first; the value is local.
    unsafe {
        let mut value: T = std::mem::zeroed();
        (&raw mut value).cast::<usize>().write(T::STRUCT_SIZE);
        value
    }
}

/// `call!(plugin, kind, PJRT_Function, args)`: `Result<()>` of one PJRT function; to be used inside `unsafe`.
///
/// The function may be missing in a plugin that is older than this crate: that is an error, never a jump to null.
macro_rules! call {
    ($plugin:expr, $kind:ident, $function:ident, $args:expr) => {{
        let plugin = $plugin;
        match plugin.api().$function {
            Some(function) => {
                let error = function(&raw mut $args);
                plugin.check(error, $crate::error::ErrorKind::$kind)
            }
            None => Err(plugin.missing(stringify!($function))),
        }
    }};
}

impl Plugin {
    /// `Ok` if `error` is null; otherwise its code and message, after which it is freed.
    #[inline(always)]
    pub(crate) fn check(&self, error: *mut sys::PJRT_Error, kind: ErrorKind) -> Result<()> {
        if error.is_null() { Ok(()) } else { Err(self.take_error(error, kind)) }
    }

    #[cold]
    pub(crate) fn take_error(&self, error: *mut sys::PJRT_Error, kind: ErrorKind) -> Error {
        let mut message = String::new();
        let mut code = sys::PJRT_Error_Code_UNKNOWN;
        // SAFETY: `error` is non-null, came from this plugin and is owned by us until `PJRT_Error_Destroy` below; the
        // message is copied before that. An error belongs to no thread.
        unsafe {
            if let Some(get) = self.api().PJRT_Error_Message {
                let mut a = args::<sys::PJRT_Error_Message_Args>();
                a.error = error;
                get(&raw mut a);
                message = string(a.message, a.message_size);
            }
            if let Some(get) = self.api().PJRT_Error_GetCode {
                let mut a = args::<sys::PJRT_Error_GetCode_Args>();
                a.error = error;
                get(&raw mut a);
                code = a.code;
            }
            if let Some(destroy) = self.api().PJRT_Error_Destroy {
                let mut a = args::<sys::PJRT_Error_Destroy_Args>();
                a.error = error;
                destroy(&raw mut a);
            }
        }
        if let Some(own) = super::ffi::raised(&message) {
            return own;
        }
        if message.is_empty() {
            message = format!("the plugin reported {} without a message", code_name(code));
        }
        Error::new(kind_of(code, &message, kind), message)
    }

    #[cold]
    pub(crate) fn missing(&self, function: &str) -> Error {
        let (major, minor) = self.api_version();
        Error::new(
            ErrorKind::Unimplemented,
            format!("{} (PJRT C API {major}.{minor}) does not provide {function}", self.path().display()),
        )
    }
}

fn kind_of(code: sys::PJRT_Error_Code, message: &str, otherwise: ErrorKind) -> ErrorKind {
    // XLA has no error code of its own for this; `PjRtBuffer` implementations share these words.
    let deleted =
        ["deleted or donated", "has been deleted", "has been donated", "been donated", "donated buffer"];
    if code == sys::PJRT_Error_Code_UNIMPLEMENTED {
        ErrorKind::Unimplemented
    } else if otherwise == ErrorKind::Runtime && deleted.iter().any(|words| message.contains(words)) {
        ErrorKind::DeletedBuffer
    } else {
        otherwise
    }
}

fn code_name(code: sys::PJRT_Error_Code) -> &'static str {
    match code {
        sys::PJRT_Error_Code_CANCELLED => "CANCELLED",
        sys::PJRT_Error_Code_INVALID_ARGUMENT => "INVALID_ARGUMENT",
        sys::PJRT_Error_Code_DEADLINE_EXCEEDED => "DEADLINE_EXCEEDED",
        sys::PJRT_Error_Code_NOT_FOUND => "NOT_FOUND",
        sys::PJRT_Error_Code_ALREADY_EXISTS => "ALREADY_EXISTS",
        sys::PJRT_Error_Code_PERMISSION_DENIED => "PERMISSION_DENIED",
        sys::PJRT_Error_Code_RESOURCE_EXHAUSTED => "RESOURCE_EXHAUSTED",
        sys::PJRT_Error_Code_FAILED_PRECONDITION => "FAILED_PRECONDITION",
        sys::PJRT_Error_Code_ABORTED => "ABORTED",
        sys::PJRT_Error_Code_OUT_OF_RANGE => "OUT_OF_RANGE",
        sys::PJRT_Error_Code_UNIMPLEMENTED => "UNIMPLEMENTED",
        sys::PJRT_Error_Code_INTERNAL => "INTERNAL",
        sys::PJRT_Error_Code_UNAVAILABLE => "UNAVAILABLE",
        sys::PJRT_Error_Code_DATA_LOSS => "DATA_LOSS",
        sys::PJRT_Error_Code_UNAUTHENTICATED => "UNAUTHENTICATED",
        _ => "UNKNOWN",
    }
}

/// Copies `len` bytes of text out of a plugin.
///
/// # Safety
/// `data` is null or points to `len` bytes that stay valid during the call.
pub(crate) unsafe fn string(data: *const c_char, len: usize) -> String {
    // SAFETY: the caller's promise.
    let bytes = unsafe { slice(data.cast::<u8>(), len) };
    String::from_utf8_lossy(bytes).into_owned()
}

/// A slice over a plugin's array; a null pointer is an empty slice.
///
/// # Safety
/// `data` is null or points to `len` values that stay valid and unchanged for `'a`.
pub(crate) unsafe fn slice<'a, T>(data: *const T, len: usize) -> &'a [T] {
    if data.is_null() || len == 0 {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts(data, len) }
}

/// PJRT's dimensions: `i64`.
pub(crate) type RawDims = smallvec::SmallVec<[i64; 8]>;

/// PJRT's dimensions of a shape.
pub(crate) fn dims_of(dims: &[usize]) -> RawDims {
    dims.iter().map(|&d| d as i64).collect()
}

/// A non-null handle from a plugin, or an error that names the function which should have set it.
pub(crate) fn non_null<T>(raw: *mut T, function: &str) -> Result<std::ptr::NonNull<T>> {
    match std::ptr::NonNull::new(raw) {
        Some(raw) => Ok(raw),
        None => bail!(Internal, "{function} reported success but returned no handle"),
    }
}
